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
#include "recording.h"
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

/* The device of our own network stack. */
static bool open_door(hf_supervisor *v)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    v->listening.own = v->options->door.kind != HF_DOOR_NONE;
    if (!v->listening.own)
        return true;
    hf_door_options o = v->options->door;
    o.addresses = v->options->host.addresses;
    o.address_count = v->options->host.address_count;
    const hf_err err = hf_door_open(&v->door, &o, &why);
    if (err.code != 0)
        hf_log(HF_LOG_ERROR, err, "%.*s", HF_STR(hf_written(&why)));
    return err.code == 0;
}

hf_listen_url hf_serve_listener(const hf_serve_options *o, size_t index)
{
    hf_listen_url url = o->listeners[index];
    const uint32_t threads = o->threads > 0 ? o->threads : hf_engine_usable_cpus();
    url.udp = !url.tls || o->no_http3 ? 0 : (uint8_t)(threads < HF_ENGINE_UDP ? threads : HF_ENGINE_UDP);
    return url;
}

static bool bind_all(hf_supervisor *v)
{
    hf_listen_set inherited;
    bool good = open_door(v) && take_inherited(&inherited);
    if (!good)
        return false;
    for (size_t i = 0; i < v->options->listener_count; i++) {
        char text[1024];
        hf_writer why = hf_writer_make(text, sizeof text);
        const size_t before = v->listening.count;
        const hf_listen_url url = hf_serve_listener(v->options, i);
        if (hf_listen_set_take(&inherited, &url, &v->listening)) {
            for (size_t k = before; k < v->listening.count; k++) {
                v->listening.at[k].secure = url.tls;
                hf_listening_add_udp(&v->listening, &v->listening.at[k], url.udp);
            }
            v->bound[i] = true;
            continue;
        }
        const hf_err err = hf_listen_set_add(&v->listening, &url, &why);
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
            hf_listening_close(&v->listening.at[i]);
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

static bool open_recording(hf_supervisor *v)
{
    const char *path = v->options->record;
    if (path == NULL)
        return true;
    v->recording = hf_recording_create(path);
    if (v->recording < 0)
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot record into %s: %s", path,
            errno == EEXIST ? "it is there already, and no recording is overwritten" : strerror(errno));
    return v->recording >= 0;
}

static bool open_tapes(hf_supervisor *v)
{
    const hf_serve_options *o = v->options;
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (o->record_folder == NULL)
        return true;
    v->tapes = hf_tapes_open(o->record_folder, o->record_all, o->record_secrets, &o->limits, &why);
    v->tapes_folder = o->record_folder;
    if (v->tapes == NULL)
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot record into %s: %.*s", o->record_folder, HF_STR(hf_written(&why)));
    return v->tapes != NULL;
}

static bool open_logs(hf_supervisor *v)
{
    char text[8192];
    hf_writer why = hf_writer_make(text, sizeof text);
    v->logs = hf_logs_open(v->options, NULL, &why);
    hf_bytes rest = hf_written(&why), line;
    while (hf_split(&rest, '\n', &line))
        if (line.len > 0)
            hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "%.*s", HF_STR(line));
    return v->logs != NULL;
}

/* docs/threat-model.md: "`handfast serve` as root is for trying out". */
static void tell_root(const hf_serve_options *o)
{
    bool open_to_others = false;
    for (size_t i = 0; i < o->listener_count; i++)
        open_to_others = open_to_others || !hf_listen_url_is_loopback(&o->listeners[i]);
    if (open_to_others && geteuid() == 0)
        hf_log(HF_LOG_WARNING, HF_OK, "the process that reads what others send stays root: name a user that it becomes once the listeners are bound, "
            "with --user NAME, or user NAME in a configuration");
}

static bool become(const hf_serve_options *o, hf_logs *logs)
{
    const char *user = o->user;
    if (user == NULL) {
        tell_root(o);
        return true;
    }
    errno = 0;
    const struct passwd *who = getpwnam(user);
    if (who == NULL) {
        hf_log(HF_LOG_ERROR, HF_OK, "--user %s: there is no such user", user);
        return false;
    }
    /* Logs were opened as root: whom we become must be able to open them again after a rotation. */
    if (!hf_logs_give(logs, who->pw_uid, who->pw_gid))
        hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_IO_SYSTEM), "an access log stays root's: %s", strerror(errno));
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

/* Where a listener of our own network stack can be reached: `*` is its first address of that family. */
static hf_address shown(const hf_supervisor *v, const hf_address *at)
{
    static const uint8_t any[16];
    hf_address a = *at;
    for (size_t i = v->listening.own ? v->options->host.address_count : 0; i-- > 0;) {
        const hf_ip *ip = &v->options->host.addresses[i].ip;
        if (memcmp(at->ip, any, sizeof any) == 0 && (a.family == 4) == hf_ip_is4(ip))
            memcpy(a.ip, a.family == 4 ? ip->bytes + 12 : ip->bytes, a.family == 4 ? 4 : 16);
    }
    return a;
}

static void announce_door(const hf_door *d)
{
    if (d->kind != HF_DOOR_NONE)
        fprintf(stderr, "by its own network stack on %s (%s, MTU %u%s)\n", d->device, hf_door_name(d->kind), d->mtu, d->header ? "" : ", no offload");
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
            const hf_address seen = shown(v, first);
            hf_address_write(&w, &seen, true);
        }
        fprintf(stderr, "  %s://%.*s/\n", o->listeners[i].tls ? "https" : "http", HF_STR(hf_written(&w)));
        const uint16_t port = first->port;
        at++;
        while (o->listeners[i].either && at < v->listening.count && v->listening.at[at].at.port == port &&
               v->listening.at[at].at.family != first->family)
            at++;
    }
    announce_door(&v->door);
    if (o->record != NULL)
        fprintf(stderr, "and records into %s what clients send, in the clear\n", o->record);
    if (o->record_folder != NULL)
        fprintf(stderr, "and keeps %s in %s%s\n", o->record_all ? "every connection" : "connections that end badly", o->record_folder,
            o->record_secrets ? ", with their secrets" : "");
    fprintf(stderr, "Stop it with Ctrl-C.\n");
    fflush(stderr);
}

int hf_serve_run(const hf_serve_options *options)
{
    static hf_supervisor v;
    v.options = options;
    v.admin = v.recording = -1;
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
    if (!open_logs(&v))
        code = 1;
    else if (bind_all(&v) && bind_admin(&v) && open_secrets(&v) && open_recording(&v) && open_tapes(&v) && become(options, v.logs)) {
        announce(&v);
        code = hf_supervise(&v);
    }
    hf_secrets_close(&v.secrets, true);
    hf_listen_set_close(&v.listening);
    if (v.door.kind != HF_DOOR_NONE)
        hf_door_close(&v.door);
    hf_logs_close(v.logs);
    hf_tapes_close(v.tapes);
    if (v.recording >= 0)
        close(v.recording);
    if (v.admin >= 0)
        (void)unlink(options->admin); /* what cannot be taken away is replaced by the next server */
    return code;
}
