/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast serve`, to begin with: opens the log, binds, and gives up rights; then the supervisor takes over.
 */
#include "serve.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "activation.h"
#include "address.h"
#include "admin.h"
#include "listen.h"
#include "log.h"
#include "privileges.h"
#include "supervisor.h"

static const char *what(const hf_serve_options *o)
{
    return o->config != NULL ? o->config : o->welcome ? "the welcome site" : o->files.root;
}

/* ---- beginning ---------------------------------------------------------------------------------------------- */

/* What a service manager bound for us. */
static bool take_inherited(hf_listen_set *inherited)
{
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (hf_activation_take(inherited, &why))
        return true;
    hf_bytes rest = hf_written(&why), line;
    while (hf_split(&rest, '\n', &line))
        if (line.len > 0)
            hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_BASE_USAGE), "%.*s", HF_STR(line));
    return false;
}

/* A socket that nobody asks for would let connections wait for ever. */
static bool all_are_used(const hf_listen_set *inherited, const hf_listen_set *listening)
{
    bool good = true;
    for (size_t i = 0; i < inherited->count; i++) {
        char text[64];
        hf_writer w = hf_writer_make(text, sizeof text);
        if (hf_listen_set_find(listening, &inherited->at[i].at) != NULL)
            continue;
        hf_address_write(&w, &inherited->at[i].at, true);
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_BASE_USAGE),
            "the service manager passed a socket for %.*s, and no listener asks for it", HF_STR(hf_written(&w)));
        good = false;
    }
    return good;
}

static bool bind_all(hf_supervisor *v)
{
    hf_listen_set inherited;
    bool good = take_inherited(&inherited);
    for (size_t i = 0; i < v->options->listener_count; i++) {
        char text[1024];
        hf_writer why = hf_writer_make(text, sizeof text);
        const size_t before = v->listening.count;
        if (hf_listen_set_take(&inherited, &v->options->listeners[i], &v->listening)) {
            for (size_t k = before; k < v->listening.count; k++)
                v->listening.at[k].secure = v->options->listeners[i].tls;
            v->bound[i] = true;
            continue;
        }
        const hf_err err = hf_listen_set_add(&v->listening, &v->options->listeners[i], &why);
        v->bound[i] = v->listening.count > before;
        if (err.code == 0)
            continue;
        good = false;
        why.length -= why.length > 0 && text[why.length - 1] == '\n';
        /* Our log says the remedy of every error behind it: once is enough. */
        const hf_bytes remedy = hf_text(hf_err_describe(err)->remedy), said = hf_written(&why);
        if (said.len > remedy.len + 2 && memcmp(said.ptr + said.len - remedy.len, remedy.ptr, remedy.len) == 0)
            why.length -= remedy.len + 2; /* and "; " */
        hf_log(HF_LOG_ERROR, err, "%.*s", HF_STR(hf_written(&why)));
    }
    if (!all_are_used(&inherited, &v->listening))
        good = false;
    return good;
}

static bool bind_admin(hf_supervisor *v)
{
    const char *path = v->options->admin;
    if (path == NULL)
        return true;
    v->admin = hf_admin_bind(path);
    if (v->admin < 0)
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot listen on the admin socket %s: %s", path,
            errno == EADDRINUSE ? "a server answers there" : errno == EEXIST ? "it is there, and no socket" : strerror(errno));
    return v->admin >= 0;
}

/* Without certificates, listeners that may be missing are given up. False: one may not. */
static bool give_up_secure(hf_supervisor *v)
{
    const hf_serve_options *o = v->options;
    for (size_t i = 0; i < o->listener_count; i++)
        if (o->listeners[i].tls && !o->listeners[i].optional)
            return false;
    size_t kept = 0;
    for (size_t i = 0; i < v->listening.count; i++)
        if (v->listening.at[i].secure)
            close(v->listening.at[i].fd);
        else
            v->listening.at[kept++] = v->listening.at[i];
    v->listening.count = kept;
    for (size_t i = 0; i < o->listener_count; i++)
        v->bound[i] = v->bound[i] && !o->listeners[i].tls;
    hf_log(HF_LOG_WARNING, HF_OK, "https is not served");
    return kept > 0;
}

/* Every reason on a line of its own. */
static bool open_secrets(hf_supervisor *v)
{
    char text[8192];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (hf_secrets_open(&v->secrets, v->options, &why))
        return true;
    hf_bytes rest = hf_written(&why), line;
    while (hf_split(&rest, '\n', &line))
        if (line.len > 0)
            hf_log(HF_LOG_ERROR, HF_OK, "%.*s", HF_STR(line));
    return give_up_secure(v);
}

static bool become(const hf_serve_options *o, const hf_access_log *log)
{
    const char *user = o->user;
    if (user == NULL)
        return true;
    errno = 0;
    const struct passwd *who = getpwnam(user);
    if (who == NULL) {
        hf_log(HF_LOG_ERROR, HF_OK, "--user %s: there is no such user", user);
        return false;
    }
    /* The log was opened as root: whom we become must be able to open it again after a rotation. */
    if (log->fd >= 0 && log->path != NULL && fchown(log->fd, who->pw_uid, who->pw_gid) != 0)
        hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_IO_SYSTEM), "the access log %s stays root's: %s", log->path, strerror(errno));
    if (o->admin != NULL && lchown(o->admin, who->pw_uid, who->pw_gid) != 0)
        hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_IO_SYSTEM), "the admin socket %s stays root's: %s", o->admin, strerror(errno));
    if (hf_privileges_become(user, who->pw_uid, who->pw_gid))
        return true;
    hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "--user %s: %s; only root can become somebody else", user, strerror(errno));
    return false;
}

/* As many descriptors as the system grants without asking: each connection takes one. */
static void raise_descriptors(const hf_serve_options *o)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur < o->limits.connections && !o->quiet && r.rlim_cur < 65536)
        hf_log(HF_LOG_INFO, HF_OK, "the system grants %llu descriptors, so at most about that many connections can be open",
            (unsigned long long)r.rlim_cur);
}

static void announce(const hf_supervisor *v)
{
    const hf_serve_options *o = v->options;
    size_t at = 0;
    if (o->quiet)
        return;
    fprintf(stderr, "handfast serves %s at\n", what(o));
    for (size_t i = 0; i < o->listener_count && at < v->listening.count; i++) {
        char text[64];
        hf_writer w = hf_writer_make(text, sizeof text);
        const hf_address *first = &v->listening.at[at].at;
        if (!v->bound[i])
            continue;
        const bool local = o->listeners[i].either && o->listeners[i].addresses[0].ip[0] == 127;
        if (local) {
            hf_write_text(&w, "localhost:");
            hf_write_decimal(&w, first->port);
        } else {
            hf_address_write(&w, first, true);
        }
        fprintf(stderr, "  %s://%.*s/\n", o->listeners[i].tls ? "https" : "http", HF_STR(hf_written(&w)));
        const uint16_t port = first->port;
        at++;
        while (o->listeners[i].either && at < v->listening.count && v->listening.at[at].at.port == port &&
               v->listening.at[at].at.family != first->family)
            at++;
    }
    fprintf(stderr, "Stop it with Ctrl-C.\n");
    fflush(stderr);
}

int hf_serve_run(const hf_serve_options *options)
{
    static hf_supervisor v;
    v.options = options;
    v.log.fd = v.admin = -1;
    v.secrets.key_log = -1;
    v.generation = 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log at its size limit loses lines, not the server */
    sigemptyset(&v.signals);
    const int wanted[] = { SIGTERM, SIGINT, SIGCHLD, SIGUSR1, SIGHUP };
    for (size_t i = 0; i < HF_COUNT(wanted); i++)
        sigaddset(&v.signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &v.signals, NULL);
    raise_descriptors(options);
    int code = 1;
    const hf_err err = hf_access_log_open(&v.log, options->access_log, options->log_format);
    if (err.code != 0)
        hf_log(HF_LOG_ERROR, err, "cannot open the access log %s: %s", options->access_log, strerror(errno));
    else if (bind_all(&v) && bind_admin(&v) && open_secrets(&v) && become(options, &v.log)) {
        announce(&v);
        code = hf_supervise(&v);
    }
    hf_secrets_close(&v.secrets, true);
    hf_listen_set_close(&v.listening);
    hf_access_log_close(&v.log);
    if (v.admin >= 0)
        (void)unlink(options->admin); /* what cannot be taken away is replaced by the next server */
    return code;
}
