/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast serve`: a supervisor that binds the listeners, drops privileges, and starts a serving process again when it
 * dies. The listeners stay open meanwhile: connections wait in the kernel, none is refused.
 */
#include "serve.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "asset.h"
#include "engine.h"
#include "listen.h"
#include "log.h"
#include "panic.h"

/* The serving process says so with its exit status when it could not begin: starting it again would not help. */
enum { EXIT_CANNOT_BEGIN = 1, ROUTES = 32 };

typedef struct supervisor {
    const hf_serve_options *options;
    hf_listen_set listening;
    hf_access_log log;
    sigset_t signals;
    pid_t child;
    bool stopping;
    bool has_served; /* it could begin once, so what keeps it from beginning again will pass */
    int64_t started_ns;
    unsigned quick_deaths; /* in a row */
} supervisor;

static const char *what(const hf_serve_options *o)
{
    return o->config != NULL ? o->config : o->welcome ? "the welcome site" : o->files.root;
}

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the serving process ------------------------------------------------------------------------------------ */

/* The rows that came with the options, and the files behind them. */
typedef struct site {
    hf_route routes[ROUTES];
    size_t route_count;
} site;

static void describe_site(const hf_serve_options *o, site *s)
{
    HF_ASSERT(o->route_count < ROUTES);
    if (o->route_count > 0)
        memcpy(s->routes, o->routes, o->route_count * sizeof *o->routes);
    s->route_count = o->route_count;
    s->routes[s->route_count++] = (hf_route){ .path = "/{rest...}", .files = &o->files };
}

static int serve(supervisor *v)
{
    const hf_serve_options *o = v->options;
    static site s;
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_err err = HF_OK;
    if (o->config == NULL)
        describe_site(o, &s);
    const hf_engine_options options = {
        .routes = o->config != NULL ? o->routes : s.routes, .route_count = o->config != NULL ? o->route_count : s.route_count,
        .sites = o->sites, .site_count = o->site_count, .hosts = o->hosts, .host_count = o->host_count, .context = o->context, .server_name = "handfast",
        .error_page = hf_bytes_make(hf_error_page.bytes, hf_error_page.size), .error_page_policy = hf_error_page_policy,
        .limits = &o->limits, .listeners = v->listening.at, .listener_count = v->listening.count,
        .threads = o->threads, .loop = o->loop, .access_log = o->access_log != NULL ? &v->log : NULL };
    hf_engine *engine = hf_engine_open(&options, &err, &why);
    if (engine == NULL || (err = hf_engine_start(engine, &why)).code != 0) {
        hf_log(HF_LOG_ERROR, err, "cannot serve %s%s%.*s", what(o), why.length > 0 ? ": " : "", HF_STR(hf_written(&why)));
        return EXIT_CANNOT_BEGIN;
    }
    /* The loops have descriptors of their own: when they stop accepting, nobody here keeps the port open. */
    hf_listen_set_close(&v->listening);
    for (int which = 0; which != SIGTERM && which != SIGINT;) {
        which = sigwaitinfo(&v->signals, NULL);
        if (which == SIGUSR1 && o->access_log != NULL)
            hf_access_log_reopen(&v->log);
    }
    hf_engine_drain(engine);
    hf_engine_join(engine);
    hf_engine_close(engine);
    return 0;
}

/* ---- the supervisor ----------------------------------------------------------------------------------------- */

static bool start_child(supervisor *v)
{
    const pid_t parent = getpid();
    fflush(NULL);
    v->started_ns = clock_ns();
    v->child = fork();
    if (v->child < 0) {
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot start the serving process: %s", strerror(errno));
        return false;
    }
    if (v->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* without its supervisor it finishes what is under way, and ends */
        prctl(PR_SET_NAME, "hf-serving");
        if (getppid() != parent)
            _exit(0);
        const int status = serve(v);
        hf_access_log_close(&v->log);
        fflush(NULL);
        _exit(status);
    }
    return true;
}

/* How long to wait before the next start: at once after a good run, longer and longer when it dies again and again. */
static int64_t pause_ns(supervisor *v)
{
    if (clock_ns() - v->started_ns > HF_SECONDS(5))
        v->quick_deaths = 0;
    const unsigned deaths = v->quick_deaths++;
    if (deaths == 0)
        return 0;
    return deaths > 6 ? HF_SECONDS(5) : HF_MILLISECONDS(50) << deaths;
}

/* Until it is there: connections wait meanwhile, and processes that are out today may be there in a moment. Returns the
 * supervisor's exit status, or -1 to go on. */
static int start_again(supervisor *v, int64_t pause)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    for (;; pause = pause_ns(v)) {
        const struct timespec wait = { pause / 1000000000, pause % 1000000000 };
        if (pause > 0 && sigtimedwait(&stop, NULL, &wait) > 0)
            return 0;
        if (start_child(v))
            return -1;
    }
}

/* A serving process has ended. Returns the supervisor's exit status, or -1 to go on. */
static int child_ended(supervisor *v, int status)
{
    const bool by_signal = WIFSIGNALED(status);
    v->child = 0;
    if (v->stopping)
        return by_signal || WEXITSTATUS(status) != 0 ? 1 : 0;
    if (!by_signal && WEXITSTATUS(status) == EXIT_CANNOT_BEGIN && !v->has_served)
        return 1;
    v->has_served = true;
    const int64_t pause = pause_ns(v);
    if (by_signal)
        hf_log(HF_LOG_ERROR, HF_OK, "the serving process died by signal %d (%s) after %.1f s; starting it again%s",
            WTERMSIG(status), strsignal(WTERMSIG(status)), (double)(clock_ns() - v->started_ns) / 1e9,
            pause > 0 ? " after a pause" : "");
    else
        hf_log(HF_LOG_WARNING, HF_OK, "the serving process ended with status %d; starting it again", WEXITSTATUS(status));
    return start_again(v, pause);
}

static int supervise(supervisor *v)
{
    if (!start_child(v))
        return 1;
    for (;;) {
        const int which = sigwaitinfo(&v->signals, NULL);
        int status;
        switch (which) {
        case SIGCHLD:
            while (v->child > 0 && waitpid(v->child, &status, WNOHANG) == v->child) {
                const int code = child_ended(v, status);
                if (code >= 0)
                    return code;
            }
            break;
        case SIGTERM:
        case SIGINT:
            if (v->stopping && which == SIGINT) {
                kill(v->child, SIGKILL); /* asked twice by hand: at once, then */
            } else if (!v->stopping) {
                v->stopping = true;
                hf_listen_set_close(&v->listening); /* nobody will accept: let connects be refused, not wait */
                if (!v->options->quiet)
                    hf_log(HF_LOG_INFO, HF_OK, "finishing what is under way (at most %llu s)",
                        (unsigned long long)(v->options->limits.drain_ns / 1000000000));
                kill(v->child, SIGTERM);
            }
            break;
        case SIGUSR1:
            hf_access_log_reopen(&v->log); /* ours too: the next serving process inherits it */
            kill(v->child, SIGUSR1);
            break;
        case SIGHUP:
            hf_log(HF_LOG_WARNING, HF_OK, "SIGHUP: nothing is read again yet: stop and start for a new configuration; SIGUSR1 reopens the access log");
            break;
        default:
            break;
        }
    }
}

/* ---- beginning ---------------------------------------------------------------------------------------------- */

static bool bind_all(supervisor *v)
{
    bool good = true;
    for (size_t i = 0; i < v->options->listener_count; i++) {
        char text[1024];
        hf_writer why = hf_writer_make(text, sizeof text);
        const hf_err err = hf_listen_set_add(&v->listening, &v->options->listeners[i], &why);
        if (err.code == 0)
            continue;
        good = false;
        why.length -= why.length > 0 && text[why.length - 1] == '\n';
        hf_log(HF_LOG_ERROR, err, "%.*s", HF_STR(hf_written(&why)));
    }
    return good;
}

static bool become(const char *user, const hf_access_log *log)
{
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
    if (initgroups(user, who->pw_gid) == 0 && setresgid(who->pw_gid, who->pw_gid, who->pw_gid) == 0 &&
        setresuid(who->pw_uid, who->pw_uid, who->pw_uid) == 0)
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

static void announce(const supervisor *v)
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
        const bool local = o->listeners[i].either && o->listeners[i].addresses[0].ip[0] == 127;
        if (local) {
            hf_write_text(&w, "localhost:");
            hf_write_decimal(&w, first->port);
        } else {
            hf_address_write(&w, first, true);
        }
        fprintf(stderr, "  http://%.*s/\n", HF_STR(hf_written(&w)));
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
    static supervisor v;
    v.options = options;
    v.log.fd = -1;
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
    else if (bind_all(&v) && become(options->user, &v.log)) {
        announce(&v);
        code = supervise(&v);
    }
    hf_listen_set_close(&v.listening);
    hf_access_log_close(&v.log);
    return code;
}
