/* SPDX-License-Identifier: Apache-2.0 */
#include "serving.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "admin.h"
#include "apps.h"
#include "asset.h"
#include "changes.h"
#include "config_apps.h"
#include "guard_sources.h"
#include "log.h"
#include "panic.h"
#include "recording.h"

enum { ROUTES = 64, LISTED = 65536 };

struct hf_serving {
    const hf_serving_start *start;
    pthread_mutex_t lock; /* of what follows */
    const hf_serve_options *options;
    hf_engine *engine;
    hf_tape *tape;           /* NULL: nothing is recorded */
    hf_listen_set listening; /* without descriptors */
    char **folders;
    hf_logs *logs;
    uint64_t generation, accepted, refused;
    int64_t started_s, loaded_s;
    hf_route routes[ROUTES]; /* without a configuration: the rows that came with the options, and the files behind them */
    size_t route_count;
    hf_key_store answers;    /* what a configuration's idempotency_store names */
    hf_config_plan plan;     /* of the first configuration with its applications, and the options with them */
    hf_serve_options with_apps;
};

static const char *what(const hf_serve_options *o)
{
    return o->config != NULL ? o->config : o->welcome ? "the welcome site" : o->files.root;
}

static int64_t wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

hf_route hf_serving_site(const hf_serve_options *o)
{
    return (hf_route){ .path = "/{rest...}", .files = &o->files };
}

static void describe_site(hf_serving *s, const hf_serve_options *o)
{
    HF_ASSERT(o->route_count < ROUTES);
    if (o->route_count > 0)
        memcpy(s->routes, o->routes, o->route_count * sizeof *o->routes);
    s->route_count = o->route_count;
    s->routes[s->route_count++] = hf_serving_site(o);
}


/* Where the nth listener of the options listens: sockets are in the order of listeners. Returns how many rules there are. */
static size_t find_rules(const hf_serve_options *o, const hf_listen_set *listening, hf_listener_rule *rules)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < o->listener_count; i++)
        for (size_t k = 0; k < o->listeners[i].count; k++) {
            if (at == listening->count || !hf_address_same(&listening->at[at].asked, &o->listeners[i].addresses[k]))
                continue; /* one of a wish's addresses that is not to be had */
            for (size_t p = 0; p < o->proxies_count; p++)
                if (o->proxies[p].listener == i)
                    rules[n++] = (hf_listener_rule){ listening->at[at].at, o->proxies[p].from, o->proxies[p].count };
            at++;
        }
    return n;
}

hf_engine_options hf_serving_options(const hf_serve_options *o, hf_access_log *log)
{
    return (hf_engine_options){ .routes = o->routes, .route_count = o->route_count, .sites = o->sites, .site_count = o->site_count,
        .hosts = o->hosts, .host_count = o->host_count, .context = o->config != NULL ? NULL : o->context, .terse = o->terse, .server_name = "handfast",
        .error_page = hf_bytes_make(hf_error_page.bytes, hf_error_page.size), .error_page_policy = hf_error_page_policy,
        .limits = &o->limits, .threads = o->threads, .loop = o->loop, .access_log = log,
        .proxy_from = o->proxy_from, .proxy_from_count = o->proxy_from_count, .trusted = o->trusted,
        .trusted_count = o->trusted_count, .http3 = !o->no_http3, .preferred = o->preferred, .qlog = o->qlog };
}

/* What options point to beside what `o` lends. */
typedef struct pointed {
    hf_log_plan logs;
    hf_listener_rule rules[HF_LISTEN_SOCKETS];
} pointed;

static hf_engine_options engine_options(const hf_serving *s, const hf_serve_options *o, const hf_logs *logs, const hf_listen_set *listening,
    pointed *p)
{
    hf_engine_options e = hf_serving_options(o, hf_logs_main(logs));
    p->logs = (hf_log_plan){ .uses = hf_logs_uses(logs), .count = o->log_count, .routes = o->route_logs, .sites = o->site_logs,
        .hosts = o->hosts, .host_count = o->host_count };
    e.logs = o->log_count > 0 ? &p->logs : NULL;
    e.rules = p->rules;
    e.rule_count = find_rules(o, listening, p->rules);
    e.https_port = hf_listen_set_https(listening);
    e.redirect_port = o->redirect_https ? e.https_port : 0;
    if (o->config == NULL) {
        e.routes = s->routes;
        e.route_count = s->route_count;
    }
    return e;
}

/* ---- reload: listeners ---------------------------------------------------------------------------------------- */

/* What differs between two sets of listeners. */
typedef struct listener_changes {
    hf_listening begin[HF_LISTEN_SOCKETS];
    hf_address gone[HF_LISTEN_SOCKETS];
    size_t begin_count, gone_count;
} listener_changes;

static void find_changes(const hf_listen_set *before, const hf_link_message *now, listener_changes *c)
{
    for (size_t i = 0; i < now->set.count; i++)
        if (now->fresh[i])
            c->begin[c->begin_count++] = now->set.at[i];
    for (size_t i = 0; i < before->count; i++)
        if (hf_listen_set_find(&now->set, &before->at[i].at) == NULL)
            c->gone[c->gone_count++] = before->at[i].at;
}

/* Has the supervisor bind what is new: it alone has the right to. False, and told on `why`. */
static bool ask_listeners(const hf_serving *s, const hf_serve_options *o, hf_link_message *m, FILE *why)
{
    *m = (hf_link_message){ .kind = HF_LINK_LISTEN, .url_count = o->listener_count };
    for (size_t i = 0; i < o->listener_count; i++) {
        m->urls[i] = hf_serve_listener(o, i);
        m->urls[i].text = NULL;
    }
    bool told = hf_link_send(s->start->link, m) && hf_link_receive(s->start->link, m);
    hf_module_hold_abandon();
    for (; told && m->kind == HF_LINK_APP; told = hf_link_receive(s->start->link, m))
        if (m->app >= 0)
            hf_module_hold_from(m->path, m->app);
    if (!told) {
        hf_module_hold_abandon();
        fputs("the supervisor does not answer\n", why);
        return false;
    }
    if (m->err.code == 0) {
        hf_module_hold_commit();
        return true;
    }
    hf_module_hold_abandon(); /* nobody loads them */
    fputs(m->why, why);
    return false;
}

static void close_begun(hf_link_message *m)
{
    if (m->secure && m->identities >= 0)
        close(m->identities);
    if (m->secure && m->channel >= 0)
        close(m->channel);
    m->identities = m->channel = -1;
    for (size_t i = 0; i < m->set.count; i++)
        if (m->fresh[i])
            hf_listening_close(&m->set.at[i]);
    for (size_t i = 0; i < m->set.count; i++)
        m->set.at[i].fd = -1, m->set.at[i].udp_count = 0;
}

static void say(const hf_serving *s, hf_link_kind kind)
{
    const hf_link_message m = { .kind = kind, .generation = s->generation };
    if (s->start->link >= 0)
        (void)hf_link_send(s->start->link, &m);
}

/* ---- reload --------------------------------------------------------------------------------------------------- */

/* Everything that a reload makes before anything is given up. */
typedef struct attempt {
    hf_loaded *loaded; /* NULL without a configuration */
    const hf_serve_options *options;
    char **folders;
    hf_logs *logs;
    hf_link_message listening;
    listener_changes changes;
    hf_secure *secure;
    pointed with;
} attempt;

static void release_loaded(void *loaded)
{
    hf_apps_leave(&((hf_loaded *)loaded)->config, hf_loaded_free, loaded);
}

static bool hand_over(hf_serving *s, attempt *a, FILE *why)
{
    char text[2048];
    hf_writer reason = hf_writer_make(text, sizeof text);
    hf_engine_options options = engine_options(s, a->options, a->logs, &a->listening.set, &a->with);
    options.listeners = a->changes.begin;
    options.listener_count = a->changes.begin_count;
    options.secure = a->secure;
    options.release = a->loaded != NULL ? release_loaded : NULL;
    options.lent = a->loaded;
    const hf_err err = hf_engine_reload(s->engine, &options, a->changes.gone, a->changes.gone_count, &reason);
    if (err.code == 0)
        return true;
    fprintf(why, "%s: %s%s%.*s\n", hf_err_describe(err)->id, hf_err_text(err), reason.length > 0 ? ": " : "",
        HF_STR(hf_written(&reason)));
    return false;
}

/* The certificates that came with the listeners, and the way to their keys. */
static bool take_secure(hf_serving *s, attempt *a, FILE *why)
{
    struct stat st;
    hf_link_message *const m = &a->listening;
    if (!m->secure)
        return true;
    uint8_t *bytes = fstat(m->identities, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    const ssize_t n = bytes != NULL ? pread(m->identities, bytes, (size_t)st.st_size, 0) : -1;
    hf_identities *ids = n > 0 ? hf_identities_unpack(hf_bytes_make(bytes, (size_t)n)) : NULL;
    free(bytes);
    if (ids != NULL) {
        a->secure = hf_secrets_secure(s->start->secrets, a->options, ids, m->channel);
        m->channel = -1;
    }
    if (a->secure == NULL)
        fputs("the certificates cannot be taken over: out of memory\n", why);
    return a->secure != NULL;
}

/* The files of applications, as the supervisor read them. */
static bool load_again(attempt *a, FILE *why)
{
    const bool good = a->loaded == NULL || hf_apps_load(&a->loaded->config, true, &a->loaded->plan, &a->loaded->options, why);
    hf_module_hold_commit(); /* what is loaded needs them no longer */
    return good;
}

static bool prepare(hf_serving *s, attempt *a, FILE *why)
{
    if (s->options->config != NULL) {
        a->loaded = hf_loaded_new(s->options, why);
        if (a->loaded == NULL)
            return false;
    }
    a->options = a->loaded != NULL ? &a->loaded->options : s->options;
    if (!ask_listeners(s, a->options, &a->listening, why) || !load_again(a, why))
        return false;
    a->folders = hf_folders_new(a->options);
    char text[8192];
    hf_writer log_why = hf_writer_make(text, sizeof text);
    a->logs = hf_logs_open(a->options, s->logs, &log_why);
    fprintf(why, "%.*s", HF_STR(hf_written(&log_why)));
    if (a->logs == NULL)
        return false;
    find_changes(&s->listening, &a->listening, &a->changes);
    return take_secure(s, a, why) && (a->loaded == NULL || hf_apps_open(&a->loaded->config, &a->loaded->plan, why));
}

static void abandon(hf_serving *s, attempt *a)
{
    hf_folders_free(a->folders, a->options);
    if (a->loaded != NULL)
        release_loaded(a->loaded);
    hf_logs_close(a->logs);
    hf_secure_leave(a->secure);
    close_begun(&a->listening);
    say(s, HF_LINK_ABANDON);
    s->refused++;
}

static void settle(hf_serving *s, attempt *a)
{
    hf_secure_leave(a->secure); /* the engine keeps it now */
    close_begun(&a->listening);
    hf_logs_reopen(a->logs, true);
    hf_logs_close(s->logs);
    s->logs = a->logs;
    s->options = a->options;
    s->folders = a->folders;
    s->listening = a->listening.set;
    s->loaded_s = wall_s();
    s->generation++;
    s->accepted++;
    say(s, HF_LINK_COMMIT);
}

static uint64_t count_orphans(hf_serving *s, const listener_changes *c)
{
    uint64_t n = 0;
    if (c->gone_count == 0)
        return 0;
    hf_worker_connection *all = calloc(LISTED, sizeof *all);
    uint32_t *threads = calloc(LISTED, sizeof *threads);
    const size_t count = all != NULL && threads != NULL ? hf_engine_list(s->engine, all, threads, LISTED) : 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < c->gone_count; k++)
            n += hf_address_same(&all[i].local, &c->gone[k]);
    free(threads);
    free(all);
    return n;
}

/* Under the lock. */
static void reload(hf_serving *s, hf_reload *r, FILE *out)
{
    attempt *a = calloc(1, sizeof *a);
    if (a == NULL || s->start->link < 0 || s->tape != NULL) {
        fputs(a == NULL ? "out of memory\n" : s->tape != NULL ? "a server that records keeps its configuration\n"
            : "without a supervisor nothing can be bound\n", out);
        free(a);
        return;
    }
    say(s, HF_LINK_RELOADING);
    r->accepted = prepare(s, a, out);
    char *changes = NULL;
    size_t size = 0;
    FILE *memory = r->accepted ? open_memstream(&changes, &size) : NULL;
    if (memory != NULL) /* before the old options may go */
        r->change_count = hf_changes_write(s->options, s->folders, a->options, a->folders, memory);
    if (memory != NULL)
        fclose(memory);
    const hf_serve_options *before = s->options;
    char **folders = s->folders;
    const size_t folder_rows = before->config != NULL ? before->route_count : 1;
    r->accepted = r->accepted && hand_over(s, a, out);
    if (r->accepted) {
        settle(s, a);
        for (size_t i = 0; folders != NULL && i < folder_rows; i++)
            free(folders[i]);
        free(folders);
        fputs(changes != NULL ? changes : "", out);
        r->orphans = count_orphans(s, &a->changes);
    } else {
        abandon(s, a);
    }
    free(changes);
    free(a);
}

void hf_serving_reload(hf_serving *s, hf_reload *r)
{
    size_t size = 0;
    *r = (hf_reload){ 0 };
    FILE *out = open_memstream(&r->changes, &size);
    pthread_mutex_lock(&s->lock);
    if (out != NULL)
        reload(s, r, out);
    r->generation = s->generation;
    r->connections = hf_engine_connections(s->engine);
    r->generations = hf_engine_generations(s->engine);
    pthread_mutex_unlock(&s->lock);
    if (out == NULL || fclose(out) != 0)
        r->changes = NULL;
}

void hf_reload_fini(hf_reload *r)
{
    free(r->changes);
    r->changes = NULL;
}

/* Asked by a signal: the answer goes where diagnostics go. */
static void reload_and_say(hf_serving *s)
{
    hf_reload r;
    hf_serving_reload(s, &r);
    char *rest = r.changes;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
        if (line[0] != 0 && !(r.accepted && s->start->options->quiet))
            hf_log(r.accepted ? HF_LOG_INFO : HF_LOG_ERROR, HF_OK, "reload: %s", line);
    if (r.accepted && !s->start->options->quiet)
        hf_log(HF_LOG_INFO, HF_OK, "reload: generation %llu serves; %zu changes, %llu connections kept",
            (unsigned long long)r.generation, r.change_count, (unsigned long long)r.connections);
    else if (!r.accepted)
        hf_log(HF_LOG_ERROR, HF_OK, "reload: refused; generation %llu serves on", (unsigned long long)r.generation);
    hf_reload_fini(&r);
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

hf_engine *hf_serving_engine(hf_serving *s)
{
    return s->engine;
}

void hf_serving_hold(hf_serving *s, hf_serving_status *status)
{
    pthread_mutex_lock(&s->lock);
    *status = (hf_serving_status){ .options = s->options, .generation = s->generation, .restarts = s->start->restarts,
        .reloads_accepted = s->accepted, .reloads_refused = s->refused, .started_s = s->started_s, .loaded_s = s->loaded_s,
        .listening = s->listening, .log_dropped = hf_logs_dropped(s->logs) };
}

void hf_serving_release(hf_serving *s)
{
    pthread_mutex_unlock(&s->lock);
}

static void reopen_log(hf_serving *s)
{
    pthread_mutex_lock(&s->lock);
    hf_logs_reopen(s->logs, false);
    pthread_mutex_unlock(&s->lock);
}

static void obey_signals(hf_serving *s)
{
    const int64_t every = s->start->watchdog_ns;
    const struct timespec wait = { every / 1000000000, every % 1000000000 };
    for (;;) {
        const int which = every > 0 ? sigtimedwait(s->start->signals, NULL, &wait) : sigwaitinfo(s->start->signals, NULL);
        if (which == SIGTERM || which == SIGINT)
            return;
        if (which == SIGUSR1)
            reopen_log(s);
        if (which == SIGHUP)
            reload_and_say(s);
        if (every > 0) {
            hf_engine_check(s->engine);
            say(s, HF_LINK_ALIVE);
        }
    }
}

static void confine(const hf_serving_start *start)
{
    const char *why = start->options->no_seccomp ? NULL : hf_serving_confine(start->refused);
    if (why != NULL && !start->options->quiet)
        hf_log(HF_LOG_INFO, HF_OK, "system calls are not confined: %s", why);
}

/* What was asked is the first thing on it. NULL and *err: nothing can be recorded. */
static hf_tape *begin_recording(const hf_serving_start *start, hf_err *err)
{
    const hf_serve_options *const o = start->options;
    hf_recording *r = calloc(1, sizeof *r);
    hf_tape *t = r != NULL ? hf_tape_record(start->recording, o->limits.record_bytes, err) : NULL;
    if (t != NULL) {
        r->argument_count = o->argument_count;
        memcpy(r->arguments, o->arguments, o->argument_count * sizeof *r->arguments);
        r->listening = *start->listening;
        if (!hf_recording_note(r, t)) {
            hf_tape_free(t);
            t = NULL;
            *err = hf_err_make(HF_ERR_IO_SYSTEM);
        }
    }
    free(r);
    return t;
}

/* What the supervisor read runs no code of others: it is loaded here, where there are no rights and no keys. */
static bool load_apps(hf_serving *s, FILE *why)
{
    const hf_config_plan *const planned = s->options->config != NULL ? s->options->context : NULL;
    s->with_apps = *s->options;
    if (planned == NULL || !hf_config_has_apps(planned->config))
        return true;
    if (!hf_apps_load((hf_config *)planned->config, true, &s->plan, &s->with_apps, why)) /* it is this process's own */
        return false;
    hf_folders_free(s->folders, s->options);
    s->options = &s->with_apps;
    s->folders = hf_folders_new(s->options);
    return true;
}

static bool is_with_apps(const hf_serving *s)
{
    return s->options == &s->with_apps;
}

static void release_first(void *config)
{
    hf_apps_leave(config, NULL, NULL);
}

static bool begin(hf_serving *s, hf_writer *why, hf_err *err)
{
    const hf_serving_start *start = s->start;
    if (s->options->config == NULL)
        describe_site(s, s->options);
    if (!load_apps(s, stderr)) /* as a configuration's other mistakes are told */
        return false;
    pointed with;
    hf_engine_options options = engine_options(s, s->options, s->logs, &s->listening, &with);
    options.listeners = start->listening->at;
    options.listener_count = start->listening->count;
    options.door = start->door;
    options.host = &start->options->host;
    options.secure = start->secure;
    options.tapes = start->tapes;
    options.release = is_with_apps(s) ? release_first : NULL;
    options.lent = (void *)s->plan.config;
    if (s->options->answers_file != NULL && hf_source_answers(s->options->answers_file, &s->options->limits, &s->answers))
        options.keys = &s->answers;
    if (start->tapes != NULL)
        hf_tapes_watch(start->tapes);
    (void)hf_module_watch(start->fall);
    if (start->recording >= 0) {
        options.tape = s->tape = begin_recording(start, err);
        if (s->tape == NULL) {
            hf_write_text(why, "nothing can be written into the recording");
            return false;
        }
    }
    s->engine = hf_engine_open(&options, err, why);
    hf_secure_leave(start->secure); /* the engine keeps it */
    if (s->engine == NULL)
        return false;
    confine(start); /* before there are threads, applications' too: they inherit it */
    if (is_with_apps(s) && !hf_apps_open((hf_config *)s->plan.config, &s->plan, stderr))
        return false;
    *err = hf_engine_share(s->engine, s->options->topics_redis, &s->options->limits, why);
    if (err->code == 0)
        *err = hf_engine_save_topics(s->engine, s->options->topics_file, &s->options->limits, why);
    if (err->code == 0)
        *err = hf_engine_start(s->engine, why);
    return err->code == 0;
}

/* It cannot begin. Contexts that are open already are closed, as they are promised, behind the engine whose handlers have them. */
static void give_up(hf_serving *s)
{
    if (s->engine == NULL)
        return;
    hf_engine_drain(s->engine); /* of its threads some may run */
    hf_engine_join(s->engine);
    hf_engine_close(s->engine);
    hf_apps_end();
}

int hf_serving_run(const hf_serving_start *start)
{
    static hf_serving s; /* one for a process */
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_err err = HF_OK;
    s = (hf_serving){ .start = start, .options = start->options, .generation = start->generation, .started_s = wall_s(),
        .logs = start->logs, .folders = hf_folders_new(start->options),
        .listening = *start->listening };
    s.loaded_s = s.started_s;
    pthread_mutex_init(&s.lock, NULL);
    if (!begin(&s, &why, &err)) {
        hf_log(HF_LOG_ERROR, err, "cannot serve %s%s%.*s", what(s.options), why.length > 0 ? ": " : "", HF_STR(hf_written(&why)));
        give_up(&s);
        return HF_SERVING_CANNOT_BEGIN;
    }
    /* The loops have descriptors of their own: when they stop accepting, nobody here keeps the port open. */
    hf_listen_set_close(start->listening);
    hf_admin *admin = start->admin >= 0 ? hf_admin_start(&s, start->admin) : NULL;
    pthread_mutex_lock(&s.lock); /* the admin thread may be reloading already */
    say(&s, HF_LINK_SERVING);
    pthread_mutex_unlock(&s.lock);
    obey_signals(&s);
    hf_engine_drain(s.engine);
    hf_engine_join(s.engine);
    hf_admin_stop(admin);
    hf_folders_free(s.folders, s.options);
    hf_engine_close(s.engine); /* the options may go with it */
    hf_apps_end();
    hf_tape_free(s.tape);
    hf_logs_close(s.logs);
    return 0;
}
