/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config_apps.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "serving.h"

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the serving process -------------------------------------------------------------------------------------- */

static int serve(hf_supervisor *v, int link)
{
    hf_secure *secure = NULL;
    if (v->tapes != NULL)
        hf_tapes_count(v->tapes);
    if (!hf_secrets_take(&v->secrets, v->options, &secure)) {
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_BASE_MEMORY), "cannot speak TLS");
        return HF_SERVING_CANNOT_BEGIN;
    }
    if (v->recording >= 0 && v->restarts > 0)
        hf_log(HF_LOG_WARNING, HF_OK, "nothing more is recorded: %s has what led to the end of the first serving process; play it again with "
            "handfast replay", v->options->record);
    const hf_serving_start start = { .recording = v->restarts == 0 ? v->recording : -1, .options = v->options, .door = v->door.kind != HF_DOOR_NONE ? &v->door : NULL, .listening = &v->listening, .logs = v->logs, .signals = &v->signals,
        .secure = secure, .secrets = &v->secrets,
        .tapes = v->tapes, .link = link, .admin = v->admin, .refused = v->refused, .fall = v->fall, .generation = v->generation, .restarts = v->restarts, .watchdog_ns = v->watchdog_ns };
    const int status = hf_serving_run(&start);
    fflush(NULL);
    return status;
}

static void forget_change(hf_supervisor *v)
{
    for (size_t i = 0; v->changing && i < v->wanted.count; i++)
        if (v->fresh[i])
            hf_listening_close(&v->wanted.at[i]);
    v->changing = false;
    hf_secrets_abandon(&v->secrets);
    hf_module_hold_abandon();
}

static void close_link(hf_supervisor *v)
{
    if (v->link >= 0)
        close(v->link);
    v->link = -1;
    forget_change(v);
}

/* Of the files that applications are in the bytes alone: every serving process begins with those, whatever is in their place then. */
static void hold_apps(const hf_supervisor *v)
{
    if (v->options->config != NULL)
        hf_config_apps_hold(((const hf_config_plan *)v->options->context)->config);
    hf_module_hold_commit();
}

static bool start_child(hf_supervisor *v)
{
    const pid_t parent = getpid();
    int ends[2];
    fflush(NULL);
    close_link(v);
    v->started_ns = clock_ns();
    if (!hf_link_open(ends)) {
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot start the serving process: %s", strerror(errno));
        return false;
    }
    v->child = fork();
    if (v->child < 0) {
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "cannot start the serving process: %s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (v->child == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* without its supervisor it finishes what is under way, and ends */
        prctl(PR_SET_NAME, "hf-serving");
        if (getppid() != parent)
            _exit(0);
        hf_privileges_drop();
        _exit(serve(v, ends[1]));
    }
    close(ends[1]);
    v->link = ends[0];
    return true;
}

/* How long to wait before the next start: at once after a good run, longer and longer when it dies again and again. */
static int64_t pause_ns(hf_supervisor *v)
{
    if (clock_ns() - v->started_ns > HF_SECONDS(5))
        v->quick_deaths = 0;
    const unsigned deaths = v->quick_deaths++;
    if (deaths == 0)
        return 0;
    return HF_MILLISECONDS(50) << (deaths < 4 ? deaths : 4); /* back within a second, however often it dies */
}

/* Until it is there: connections wait meanwhile, and processes that are out today may be there in a moment. Returns the
 * supervisor's exit status, or -1 to go on. */
static int start_again(hf_supervisor *v, int64_t pause)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    for (;; pause = pause_ns(v)) {
        const struct timespec wait = { pause / 1000000000, pause % 1000000000 };
        if (pause > 0 && sigtimedwait(&stop, NULL, &wait) > 0)
            return 0;
        v->restarts++;
        if (start_child(v))
            return -1;
    }
}

/* The code of others, if it was that. */
static void tell_fall(hf_supervisor *v)
{
    if (v->fall == NULL || v->fall->name[0] == 0)
        return;
    hf_log(HF_LOG_ERROR, HF_OK, "it fell in the application %.*s, or in what that had called", HF_MODULE_NAME - 1, v->fall->name);
    v->fall->name[0] = 0;
}

/* A serving process has ended. Returns the supervisor's exit status, or -1 to go on. */
static int child_ended(hf_supervisor *v, int status)
{
    const bool by_signal = WIFSIGNALED(status);
    const pid_t pid = v->child;
    v->child = 0;
    if (v->stopping)
        return by_signal || WEXITSTATUS(status) != 0 ? 1 : 0;
    if (!by_signal && WEXITSTATUS(status) == HF_SERVING_CANNOT_BEGIN && !v->has_served)
        return 1;
    v->has_served = true;
    const int64_t pause = pause_ns(v);
    const int call = v->refused != NULL ? atomic_exchange(v->refused, 0) : 0;
    char name[32];
    if (call > 0)
        hf_log(HF_LOG_ERROR, HF_OK, "the serving process asked for %s, which it has no use for, and was ended; starting it again%s. "
            "If it was no attack, --no-seccomp (seccomp off) helps until this is mended", hf_call_name(call - 1, name, sizeof name),
            pause > 0 ? " after a pause" : "");
    else if (by_signal)
        hf_log(HF_LOG_ERROR, HF_OK, "the serving process died by signal %d (%s) after %.1f s; starting it again%s",
            WTERMSIG(status), strsignal(WTERMSIG(status)), (double)(clock_ns() - v->started_ns) / 1e9,
            pause > 0 ? " after a pause" : "");
    else
        hf_log(HF_LOG_WARNING, HF_OK, "the serving process ended with status %d; starting it again", WEXITSTATUS(status));
    tell_fall(v);
    char tape[4096];
    if (by_signal && v->tapes != NULL && hf_tapes_left(v->tapes_folder, pid, tape, sizeof tape))
        hf_log(HF_LOG_ERROR, HF_OK, "what its connection at hand had been told is in %s; handfast replay %s tells it again", tape, tape);
    return start_again(v, pause);
}

/* ---- reload --------------------------------------------------------------------------------------------------- */

/* The certificates and keys that the configuration names now: read here, for here are the rights to. And the applications' files, once
 * for both processes. */
static bool try_secrets(hf_supervisor *v, hf_link_message *m, hf_writer *why)
{
    FILE *nowhere = v->options->config != NULL ? fopen("/dev/null", "w") : NULL;
    hf_loaded *l = nowhere != NULL ? hf_loaded_new(v->options, nowhere) : NULL;
    const bool good = hf_secrets_try(&v->secrets, l != NULL ? &l->options : v->options, why);
    if (nowhere != NULL)
        fclose(nowhere);
    if (good && l != NULL)
        hf_config_apps_hold(&l->config);
    hf_loaded_free(l);
    m->identities = good ? hf_secrets_packed(&v->secrets) : -1;
    m->channel = v->secrets.tried.keeper.serving;
    m->secure = m->identities >= 0;
    return good;
}

static void hand_app(void *to, const char *path, int fd)
{
    hf_link_message m = { .kind = HF_LINK_APP, .app = fd };
    if (strlen(path) < sizeof m.path) { /* a longer one can be no file's */
        memcpy(m.path, path, strlen(path));
        (void)hf_link_send(((hf_supervisor *)to)->link, &m);
    }
}

static void bind_new(hf_supervisor *v, hf_link_message *m)
{
    hf_writer why = hf_writer_make(m->why, sizeof m->why - 1);
    forget_change(v);
    m->secure = false;
    m->identities = -1;
    m->err = hf_listen_set_change(&v->listening, m->urls, m->url_count, &v->wanted, v->fresh, &why);
    v->changing = m->err.code == 0;
    if (v->changing && !try_secrets(v, m, &why)) {
        m->err = hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
        forget_change(v);
    }
    m->why[why.length] = 0;
    m->kind = HF_LINK_LISTENING;
    m->set = v->wanted;
    memcpy(m->fresh, v->fresh, sizeof m->fresh);
    hf_module_waiting(hand_app, v);
    (void)hf_link_send(v->link, m);
    if (m->identities >= 0)
        close(m->identities);
}

/* The next serving process shall begin with what is in force now, so it is read here too. Should the file be broken since,
 * the supervisor keeps what it had. */
static void follow(hf_supervisor *v)
{
    FILE *nowhere = fopen("/dev/null", "w");
    hf_loaded *l = v->options->config != NULL && nowhere != NULL ? hf_loaded_new(v->options, nowhere) : NULL;
    if (nowhere != NULL)
        fclose(nowhere);
    if (l == NULL)
        return;
    const hf_serve_options *o = &l->options;
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_logs *logs = hf_logs_open(o, v->logs, &why);
    if (logs != NULL) {
        hf_logs_reopen(logs, true);
        hf_logs_close(v->logs);
        v->logs = logs;
    }
    hf_loaded_free(v->loaded);
    v->loaded = l;
    v->options = o;
}

static void commit(hf_supervisor *v, uint64_t generation)
{
    v->generation = generation;
    for (size_t i = 0; v->changing && i < v->listening.count; i++)
        if (hf_listen_set_find(&v->wanted, &v->listening.at[i].at) == NULL)
            hf_listening_close(&v->listening.at[i]);
    if (v->changing)
        v->listening = v->wanted;
    v->changing = false;
    hf_secrets_commit(&v->secrets);
    hf_module_hold_commit();
    follow(v);
    hf_notify("READY=1\nSTATUS=generation %llu serves", (unsigned long long)generation);
}

/* What the serving process says. False: it is gone. */
static bool listen_to_child(hf_supervisor *v)
{
    hf_link_message m;
    if (!hf_link_receive(v->link, &m))
        return false;
    switch (m.kind) {
    case HF_LINK_SERVING:
        v->has_served = true;
        hf_notify("READY=1\nMAINPID=%ld\nSTATUS=generation %llu serves", (long)getpid(), (unsigned long long)v->generation);
        break;
    case HF_LINK_ALIVE:
        hf_notify("WATCHDOG=1");
        break;
    case HF_LINK_RELOADING:
        hf_notify_reloading();
        break;
    case HF_LINK_LISTEN:
        bind_new(v, &m);
        break;
    case HF_LINK_COMMIT:
        commit(v, m.generation);
        break;
    case HF_LINK_ABANDON:
        forget_change(v);
        hf_notify("READY=1\nSTATUS=reload refused; generation %llu serves on", (unsigned long long)v->generation);
        break;
    case HF_LINK_APP:
    case HF_LINK_LISTENING:
        break;
    }
    return true;
}

/* ---- signals -------------------------------------------------------------------------------------------------- */

static void stop(hf_supervisor *v, int which)
{
    if (v->stopping && which == SIGINT) {
        kill(v->child, SIGKILL); /* asked twice by hand: at once, then */
        return;
    }
    if (v->stopping)
        return;
    v->stopping = true;
    hf_notify("STOPPING=1");
    hf_listen_set_close(&v->listening); /* nobody will accept: let connects be refused, not wait */
    forget_change(v);
    if (!v->options->quiet)
        hf_log(HF_LOG_INFO, HF_OK, "finishing what is under way (at most %llu s)",
            (unsigned long long)(v->options->limits.drain_ns / 1000000000));
    kill(v->child, SIGTERM);
}

/* What the serving process said before it ended counts: a change that it told as accepted is in force in the next one, too. */
static void hear_the_last(hf_supervisor *v)
{
    struct pollfd p = { .fd = v->link, .events = POLLIN };
    while (v->link >= 0 && poll(&p, 1, 0) > 0)
        if (!listen_to_child(v))
            close_link(v);
}

/* Returns the supervisor's exit status, or -1 to go on. */
static int obey(hf_supervisor *v, int which)
{
    int status;
    switch (which) {
    case SIGCHLD:
        while (v->child > 0 && waitpid(v->child, &status, WNOHANG) == v->child) {
            hear_the_last(v);
            const int code = child_ended(v, status);
            if (code >= 0)
                return code;
        }
        if (!v->stopping)
            hf_secrets_reap(&v->secrets);
        break;
    case SIGTERM:
    case SIGINT:
        stop(v, which);
        break;
    case SIGUSR1:
        hf_logs_reopen(v->logs, false); /* ours too: the next serving process inherits it */
        kill(v->child, SIGUSR1);
        break;
    case SIGHUP:
        if (!v->stopping)
            kill(v->child, SIGHUP); /* it reads the configuration, and asks us for what it may not do */
        break;
    default:
        break;
    }
    return -1;
}

static void look_after_secrets(hf_supervisor *v)
{
    const int64_t now = clock_ns();
    struct timespec wall;
    if (now < v->look_ns)
        return;
    v->look_ns = now + (int64_t)HF_SECRETS_TICK_MS * 900000;
    clock_gettime(CLOCK_REALTIME, &wall);
    if (!hf_secrets_tick(&v->secrets, v->options, wall.tv_sec))
        return;
    hf_log(HF_LOG_INFO, HF_OK, "a certificate or key changed: it is read again");
    kill(v->child, SIGHUP);
}

int hf_supervise(hf_supervisor *v)
{
    int code = 1;
    const int signals = signalfd(-1, &v->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    v->link = -1;
    hold_apps(v);
    v->refused = hf_refused_call_new();
    v->fall = hf_module_fall_new();
    v->watchdog_ns = hf_notify_watchdog_ns();
    if (signals < 0 || !start_child(v))
        return 1;
    for (code = -1; code < 0;) {
        struct signalfd_siginfo which;
        struct pollfd either[] = { { .fd = signals, .events = POLLIN }, { .fd = v->link, .events = POLLIN } };
        if (poll(either, HF_COUNT(either), v->secrets.now.identities != NULL ? HF_SECRETS_TICK_MS : -1) < 0)
            continue;
        if (!v->stopping)
            look_after_secrets(v);
        if (either[1].revents != 0 && !listen_to_child(v))
            close_link(v);
        if (either[0].revents != 0 && read(signals, &which, sizeof which) == sizeof which)
            code = obey(v, (int)which.ssi_signo);
    }
    close_link(v);
    close(signals);
    return code;
}
