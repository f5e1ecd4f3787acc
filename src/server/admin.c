/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <handfast/version.h>

#include "address.h"
#include "epoll.h"
#include "log.h"
#include "random.h"
#include "router.h"
#include "thread.h"

enum { LISTED_MOST = 10000 };

struct hf_admin {
    hf_serving *serving;
    pthread_t thread;
    _Atomic bool stopping;
    hf_random random;
    hf_limits limits;
    hf_env env;
    hf_io *io;
    hf_router *router;
    hf_app app;
    hf_worker_config config;
    hf_worker *worker;
};

/* ---- answers -------------------------------------------------------------------------------------------------- */

/* A body that is printed. */
typedef struct page {
    char *text;
    size_t size;
    FILE *out;
} page;

static bool begin_page(page *p)
{
    *p = (page){ 0 };
    p->out = open_memstream(&p->text, &p->size);
    return p->out != NULL;
}

static hf_err send_page(hf_req *rq, page *p, uint16_t status, const char *type)
{
    const bool good = fclose(p->out) == 0;
    const hf_err err = good ? hf_reply_field(rq, "Cache-Control", hf_text("no-store")) : hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err sent = err.code != 0 ? err : hf_reply(rq, status, type, hf_bytes_make(p->text, p->size));
    free(p->text);
    return sent;
}

static void print_string(FILE *out, hf_bytes text)
{
    char room[1024];
    hf_writer w = hf_writer_make(room, sizeof room);
    hf_write_json(&w, text.len > 160 ? hf_bytes_make(text.ptr, 160) : text); /* a byte becomes six at the most */
    fprintf(out, "\"%.*s\"", HF_STR(hf_written(&w)));
}

static void print_address(FILE *out, const hf_address *a)
{
    char room[64];
    hf_writer w = hf_writer_make(room, sizeof room);
    hf_address_write(&w, a, true);
    print_string(out, hf_written(&w));
}

static hf_serving *serving_of(const hf_req *rq)
{
    return ((const hf_admin *)hf_req_context(rq))->serving;
}

static bool wants_text(const hf_req *rq)
{
    const hf_field *accept = hf_fields_find(hf_req_head(rq)->fields, HF_FIELD_ACCEPT);
    return accept != NULL && hf_text_same(accept->value, hf_text("text/plain"));
}

static hf_err answer_live(hf_req *rq)
{
    hf_engine_check(hf_serving_engine(serving_of(rq))); /* a loop that hangs leaves the question without an answer */
    return hf_reply_text(rq, 200, "live\n");
}

static hf_err answer_ready(hf_req *rq)
{
    const bool draining = hf_engine_is_draining(hf_serving_engine(serving_of(rq)));
    return hf_reply_text(rq, draining ? 503 : 200, draining ? "draining\n" : "ready\n");
}

static hf_err answer_metrics(hf_req *rq)
{
    page p;
    if (!begin_page(&p))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_metrics_write(serving_of(rq), p.out);
    return send_page(rq, &p, 200, "text/plain; version=0.0.4; charset=utf-8");
}

/* ---- status --------------------------------------------------------------------------------------------------- */

static uint64_t count_requests(const hf_counts *c)
{
    uint64_t n = 0;
    for (size_t m = 0; m < HF_METHOD_COUNT; m++)
        for (size_t k = 0; k < HF_COUNT_CLASSES; k++)
            n += hf_counted(&c->requests[m][k]);
    return n;
}

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

/* What the configuration says; it may go once the status is let go. */
static void print_configuration(FILE *out, const hf_serving_status *s)
{
    const hf_serve_options *o = s->options;
    fputs("\"serves\":", out);
    print_string(out, hf_text(o->config != NULL ? o->config : o->welcome ? "the welcome site" : o->files.root));
    fprintf(out, ",\"sites\":%zu,\"routes\":%zu,\"listeners\":[", o->site_count, o->config != NULL ? o->route_count : o->route_count + 1);
    for (size_t i = 0; i < s->listening.count; i++) {
        fputs(i > 0 ? "," : "", out);
        print_address(out, &s->listening.at[i].at);
    }
    fputc(']', out);
}

/* Everything that a status tells. */
typedef struct overview {
    hf_serving_status now; /* held */
    hf_counts sum;
    hf_engine *engine;
    size_t generations;
    uint64_t connections, requests;
    bool draining;
    bool own_network; /* and what it counted */
    hf_tcp_counts tcp;
    hf_host_counts host;
    hf_topic_counts topics;
    bool shared; /* and how that goes */
    hf_topic_bridge_state redis;
} overview;

static void print_network_json(FILE *out, const overview *v)
{
    const hf_tcp_counts *t = &v->tcp;
    if (!v->own_network)
        return;
    fprintf(out, ",\"network\":{\"connections\":%llu,\"half_open\":%llu,\"time_wait\":%llu,\"opened\":%llu,\"segments_in\":%llu,\"segments_out\":%llu,"
        "\"retransmitted\":%llu,\"timeouts\":%llu,\"resets_in\":%llu,\"resets_out\":%llu,\"cookies\":%llu,", (unsigned long long)t->connections,
        (unsigned long long)t->half_open, (unsigned long long)t->timewaits, (unsigned long long)t->opened, (unsigned long long)t->segments_in,
        (unsigned long long)t->segments_out, (unsigned long long)t->retransmitted, (unsigned long long)t->timeouts, (unsigned long long)t->resets_in,
        (unsigned long long)t->resets_out, (unsigned long long)t->cookies_out);
    fprintf(out, "\"packets_in\":%llu,\"packets_out\":%llu,\"packets_bad\":%llu,\"neighbours\":%llu}", (unsigned long long)v->host.packets_in,
        (unsigned long long)v->host.packets_out, (unsigned long long)v->host.bad, (unsigned long long)v->host.neighbours);
}

static void print_network_text(FILE *out, const overview *v)
{
    const hf_tcp_counts *t = &v->tcp;
    if (!v->own_network)
        return;
    fprintf(out, "network        our own stack: %llu connections, %llu half-open, %llu in TIME_WAIT; %llu segments in, %llu out, %llu sent again, "
        "%llu resets out\n", (unsigned long long)t->connections, (unsigned long long)t->half_open, (unsigned long long)t->timewaits,
        (unsigned long long)t->segments_in, (unsigned long long)t->segments_out, (unsigned long long)t->retransmitted, (unsigned long long)t->resets_out);
}

static void print_topics_json(FILE *out, const overview *v)
{
    const hf_topic_counts *t = &v->topics;
    fprintf(out, ",\"topics\":{\"subscribers\":%llu,\"topics\":%llu,\"history_bytes\":%llu,\"published\":%llu,\"told\":%llu,\"dropped\":%llu,"
        "\"let_go\":%llu,\"gaps\":%llu", (unsigned long long)t->subscribers, (unsigned long long)t->topics, (unsigned long long)t->bytes,
        (unsigned long long)t->delivered, (unsigned long long)t->told, (unsigned long long)t->dropped, (unsigned long long)t->let_go,
        (unsigned long long)t->gaps);
    if (v->shared)
        fprintf(out, ",\"redis\":{\"joined\":%s,\"alone\":%s,\"waiting\":%llu,\"lost\":%llu}", v->redis.joined ? "true" : "false",
            v->redis.alone ? "true" : "false", (unsigned long long)v->redis.waiting, (unsigned long long)v->redis.lost);
    fputc('}', out);
}

static void print_topics_text(FILE *out, const overview *v)
{
    const hf_topic_counts *t = &v->topics;
    if (t->subscribers + t->delivered > 0)
        fprintf(out, "topics         %llu subscribers; %llu messages published, %llu told, %llu dropped; %llu gaps\n", (unsigned long long)t->subscribers,
            (unsigned long long)t->delivered, (unsigned long long)t->told, (unsigned long long)t->dropped, (unsigned long long)t->gaps);
    if (v->shared)
        fprintf(out, "shared topics  %s; %llu messages wait for Redis\n", v->redis.joined ? "through Redis" : v->redis.alone ? "Redis is away: told here alone"
            : "Redis is away", (unsigned long long)v->redis.waiting);
}

static void print_status_json(FILE *out, const overview *v)
{
    const hf_serving_status *s = &v->now;
    fprintf(out, "{\"version\":\"%s\",\"state\":\"%s\",\"pid\":%ld,\"supervisor\":%ld,\"uptime_s\":%lld,\"restarts\":%llu,", HF_VERSION,
        v->draining ? "draining" : "serving", (long)getpid(), (long)getppid(), (long long)(now_s() - s->started_s),
        (unsigned long long)s->restarts);
    fprintf(out, "\"generation\":%llu,\"generations_alive\":%zu,\"configuration_age_s\":%lld,"
        "\"reloads\":{\"accepted\":%llu,\"refused\":%llu},", (unsigned long long)s->generation, v->generations,
        (long long)(now_s() - s->loaded_s), (unsigned long long)s->reloads_accepted, (unsigned long long)s->reloads_refused);
    print_configuration(out, s);
    fprintf(out, ",\"threads\":%u,\"connections\":{\"open\":%llu,\"accepted\":%llu,\"turned_away\":%llu,\"quic\":%llu},\"requests\":%llu,"
        "\"http3_requests\":%llu,\"memory_bytes\":%llu,\"access_log_dropped\":%llu", hf_engine_threads(v->engine),
        (unsigned long long)v->connections, (unsigned long long)hf_counted(&v->sum.accepted),
        (unsigned long long)hf_counted(&v->sum.turned_away), (unsigned long long)hf_counted(&v->sum.quic),
        (unsigned long long)v->requests, (unsigned long long)hf_counted(&v->sum.http3),
        (unsigned long long)hf_engine_memory(v->engine), (unsigned long long)s->log_dropped);
    print_topics_json(out, v);
    print_network_json(out, v);
    fputs("}\n", out);
}

static void print_status_text(FILE *out, const overview *v)
{
    const hf_serving_status *s = &v->now;
    const hf_serve_options *o = s->options;
    fprintf(out, "handfast %s, %s %s for %lld s; process %ld, supervisor %ld, %llu restarts\n", HF_VERSION,
        v->draining ? "finishing" : "serving",
        o->config != NULL ? o->config : o->welcome ? "the welcome site" : o->files.root, (long long)(now_s() - s->started_s),
        (long)getpid(), (long)getppid(), (unsigned long long)s->restarts);
    fprintf(out, "configuration  generation %llu, %lld s old, %zu alive; reloads: %llu accepted, %llu refused\n",
        (unsigned long long)s->generation, (long long)(now_s() - s->loaded_s), v->generations,
        (unsigned long long)s->reloads_accepted, (unsigned long long)s->reloads_refused);
    fputs("listeners     ", out);
    for (size_t i = 0; i < s->listening.count; i++) {
        char room[64];
        hf_writer w = hf_writer_make(room, sizeof room);
        hf_address_write(&w, &s->listening.at[i].at, true);
        fprintf(out, " %.*s", HF_STR(hf_written(&w)));
    }
    fprintf(out, "\nconnections    %llu open, %llu accepted (%llu by QUIC), %llu turned away\nrequests       %llu (%llu over HTTP/3)\nmemory         %llu bytes in %u threads\n",
        (unsigned long long)v->connections, (unsigned long long)hf_counted(&v->sum.accepted),
        (unsigned long long)hf_counted(&v->sum.quic), (unsigned long long)hf_counted(&v->sum.turned_away),
        (unsigned long long)v->requests, (unsigned long long)hf_counted(&v->sum.http3),
        (unsigned long long)hf_engine_memory(v->engine), hf_engine_threads(v->engine));
    print_topics_text(out, v);
    print_network_text(out, v);
    if (s->log_dropped > 0)
        fprintf(out, "access log     %llu lines dropped\n", (unsigned long long)s->log_dropped);
}

static hf_err answer_status(hf_req *rq)
{
    page p;
    hf_serving *serving = serving_of(rq);
    overview v = { .engine = hf_serving_engine(serving) };
    if (!begin_page(&p))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_engine_count(v.engine, &v.sum);
    v.requests = count_requests(&v.sum);
    v.connections = hf_engine_connections(v.engine);
    v.generations = hf_engine_generations(v.engine);
    v.draining = hf_engine_is_draining(v.engine);
    v.own_network = hf_engine_network(v.engine, &v.tcp, &v.host);
    v.shared = hf_engine_shared_topics(v.engine, &v.redis);
    hf_topics_count(hf_engine_topics(v.engine), &v.topics);
    const bool text = wants_text(rq);
    hf_serving_hold(serving, &v.now);
    (text ? print_status_text : print_status_json)(p.out, &v);
    hf_serving_release(serving);
    return send_page(rq, &p, 200, text ? "text/plain; charset=utf-8" : "application/json");
}

/* ---- connections ---------------------------------------------------------------------------------------------- */

static const char *state_of(const hf_worker_connection *c)
{
    return c->draining ? "draining" : c->open > 0 ? "busy" : c->requests > 0 ? "idle" : "new";
}

static void print_connection(FILE *out, const hf_worker_connection *c, uint32_t thread)
{
    fprintf(out, "{\"id\":\"c%llx\",\"state\":\"%s\",\"thread\":%u,\"peer\":", (unsigned long long)c->id, state_of(c), thread);
    print_address(out, &c->peer);
    fputs(",\"local\":", out);
    print_address(out, &c->local);
    fprintf(out, ",\"age_s\":%lld.%03lld,\"requests\":%llu,\"open_requests\":%llu,\"sent_bytes\":%llu,\"unsent_bytes\":%llu,"
        "\"current_generation\":%s", (long long)(c->age_ns / 1000000000), (long long)(c->age_ns / 1000000 % 1000),
        (unsigned long long)c->requests, (unsigned long long)c->open, (unsigned long long)c->bytes_sent,
        (unsigned long long)c->bytes_unsent, c->current ? "true" : "false");
    if (c->has_quic)
        fprintf(out, ",\"transport\":\"quic\",\"rtt_us\":%lld,\"rtt_deviation_us\":%lld,\"packets_lost\":%llu,\"window_bytes\":%llu,"
            "\"migrations\":%llu", (long long)(c->quic.rtt_ns / 1000), (long long)(c->quic.rtt_variation_ns / 1000),
            (unsigned long long)c->quic.packets_lost, (unsigned long long)c->quic.congestion_window,
            (unsigned long long)c->quic.migrations);
    if (c->has_tcp)
        fprintf(out, ",\"received_bytes\":%llu,\"acknowledged_bytes\":%llu,\"rtt_us\":%u,\"rtt_deviation_us\":%u,"
            "\"retransmits\":%u,\"window_segments\":%u", (unsigned long long)c->tcp.bytes_received,
            (unsigned long long)c->tcp.bytes_acknowledged, c->tcp.rtt_us, c->tcp.rtt_deviation_us, c->tcp.retransmits,
            c->tcp.window_segments);
    fputc('}', out);
}

static void print_connection_line(FILE *out, const hf_worker_connection *c)
{
    char room[64], id[24];
    hf_writer w = hf_writer_make(room, sizeof room);
    hf_address_write(&w, &c->peer, true);
    snprintf(id, sizeof id, "c%llx", (unsigned long long)c->id);
    fprintf(out, "%-14s %-8s %9lld.%01llds %9llu %12llu ", id, state_of(c), (long long)(c->age_ns / 1000000000),
        (long long)(c->age_ns / 100000000 % 10), (unsigned long long)c->requests, (unsigned long long)c->bytes_sent);
    if (c->has_tcp)
        fprintf(out, "%7.1fms", c->tcp.rtt_us / 1000.0);
    else if (c->has_quic)
        fprintf(out, "%7.1fms", (double)c->quic.rtt_ns / 1e6);
    else
        fprintf(out, "%9s", "-");
    fprintf(out, "  %.*s\n", HF_STR(hf_written(&w)));
}

static hf_err answer_connections(hf_req *rq)
{
    page p;
    hf_worker_connection *all = calloc(LISTED_MOST, sizeof *all);
    uint32_t *threads = calloc(LISTED_MOST, sizeof *threads);
    hf_engine *e = hf_serving_engine(serving_of(rq));
    if (all == NULL || threads == NULL || !begin_page(&p)) {
        free(threads);
        free(all);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const size_t n = hf_engine_list(e, all, threads, LISTED_MOST);
    const bool text = wants_text(rq);
    if (text)
        fprintf(p.out, "%-14s %-8s %12s %9s %12s %9s  %s\n", "CONNECTION", "STATE", "AGE", "REQUESTS", "SENT", "RTT", "PEER");
    else
        fprintf(p.out, "{\"open\":%llu,\"connections\":[", (unsigned long long)hf_engine_connections(e));
    for (size_t i = 0; i < n && text; i++)
        print_connection_line(p.out, &all[i]);
    for (size_t i = 0; i < n && !text; i++) {
        fputs(i > 0 ? ",\n" : "\n", p.out);
        print_connection(p.out, &all[i], threads[i]);
    }
    fputs(text ? "" : "]}\n", p.out);
    free(threads);
    free(all);
    return send_page(rq, &p, 200, text ? "text/plain; charset=utf-8" : "application/json");
}

/* ---- reload --------------------------------------------------------------------------------------------------- */

static void print_lines(FILE *out, const char *lines)
{
    hf_bytes rest = hf_text(lines), line;
    const char *comma = "";
    while (hf_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        fputs(comma, out);
        print_string(out, line);
        comma = ",";
    }
}

static void print_reload_json(FILE *out, const hf_reload *r)
{
    fprintf(out, "{\"accepted\":%s,\"generation\":%llu,\"%s\":[", r->accepted ? "true" : "false", (unsigned long long)r->generation,
        r->accepted ? "changes" : "reasons");
    print_lines(out, r->changes != NULL ? r->changes : "out of memory");
    fprintf(out, "],\"connections\":{\"kept\":%llu,\"of_closed_listeners\":%llu},\"generations_alive\":%zu}\n",
        (unsigned long long)r->connections, (unsigned long long)r->orphans, r->generations);
}

static void print_reload_text(FILE *out, const hf_reload *r)
{
    fputs(r->changes != NULL ? r->changes : "out of memory\n", out);
    if (!r->accepted) {
        fprintf(out, "refused: generation %llu serves on\n", (unsigned long long)r->generation);
        return;
    }
    fprintf(out, "accepted: generation %llu serves; %zu change%s; %llu connection%s kept", (unsigned long long)r->generation,
        r->change_count, r->change_count == 1 ? "" : "s", (unsigned long long)r->connections, r->connections == 1 ? "" : "s");
    if (r->orphans > 0)
        fprintf(out, ", %llu of them by listeners that are closed now", (unsigned long long)r->orphans);
    if (r->generations > 1)
        fprintf(out, "; %zu older generation%s still needed", r->generations - 1, r->generations == 2 ? " is" : "s are");
    fputc('\n', out);
}

static hf_err answer_reload(hf_req *rq)
{
    page p;
    hf_reload r;
    if (!begin_page(&p))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_serving_reload(serving_of(rq), &r);
    const bool text = wants_text(rq);
    (text ? print_reload_text : print_reload_json)(p.out, &r);
    const uint16_t status = r.accepted ? 200 : 422;
    hf_reload_fini(&r);
    return send_page(rq, &p, status, text ? "text/plain; charset=utf-8" : "application/json");
}

static const hf_route routes[] = {
    { .method = "GET", .path = "/-/live", .handle = answer_live },
    { .method = "GET", .path = "/-/ready", .handle = answer_ready },
    { .method = "GET", .path = "/-/status", .handle = answer_status },
    { .method = "GET", .path = "/-/metrics", .handle = answer_metrics },
    { .method = "GET", .path = "/-/connections", .handle = answer_connections },
    { .method = "POST", .path = "/-/reload", .handle = answer_reload },
};

/* ---- the socket ----------------------------------------------------------------------------------------------- */

/* Does anybody listen at the other end? */
static bool is_answered(const struct sockaddr_un *at)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool answered = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return answered;
}

/* A socket that a server left behind. */
static bool clear_place(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    if (is_answered(at)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(at->sun_path) == 0;
}

int hf_admin_bind(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const size_t length = strlen(path);
    if (length >= sizeof at.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(at.sun_path, path, length);
    if (!clear_place(&at))
        return -1;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    const mode_t before = umask(0177); /* never, not for a moment, with more rights than these */
    const bool bound = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    const int why = errno;
    umask(before);
    if (bound && listen(fd, 64) == 0)
        return fd;
    const int e = bound ? errno : why;
    close(fd);
    errno = e;
    return -1;
}

/* The rights of the file keep others out; this keeps them out too where a folder or an ACL was set up wrong. */
static bool admits(int descriptor)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (descriptor < 0 || getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return false;
    return who.uid == 0 || who.uid == geteuid();
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

static void free_admin(hf_admin *a)
{
    hf_worker_free(a->worker);
    if (a->io != NULL)
        a->io->ops->free(a->io);
    hf_census_free(a->config.census);
    hf_router_free(a->router);
    free(a);
}

static hf_err open_admin(hf_admin *a, int listening)
{
    const hf_allocator *plain = hf_allocator_default();
    uint64_t seed = 0;
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_err err = HF_OK;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    hf_random_seed(&a->random, seed);
    a->limits = *hf_limits_default();
    a->limits.drain_ns = HF_SECONDS(1);
    a->env = (hf_env){ .alloc = *plain, .random = &a->random, .limits = &a->limits };
    a->io = hf_epoll_new(&a->env, &err);
    a->router = hf_router_new(plain, routes, HF_COUNT(routes), &why);
    a->app = (hf_app){ .router = a->router, .server_name = "handfast", .context = a };
    a->config = (hf_worker_config){ .app = &a->app, .limits = &a->limits, .routes = routes, .route_count = HF_COUNT(routes),
        .census = hf_census_new(plain, a->limits.connections, a->limits.connections), .admits = admits };
    if (a->io == NULL || a->router == NULL || a->config.census == NULL)
        return err.code != 0 ? err : hf_err_make(HF_ERR_BASE_MEMORY);
    a->worker = hf_worker_new(&a->env, a->io, &a->config, &err);
    return a->worker == NULL ? err : a->io->ops->listen(a->io, &(hf_address){ 0 }, listening, NULL);
}

static void *run(void *argument)
{
    hf_admin *a = argument;
    while (!hf_worker_is_done(a->worker)) {
        if (atomic_load(&a->stopping))
            hf_worker_drain(a->worker);
        if (!hf_worker_is_done(a->worker))
            hf_worker_turn(a->worker, HF_NEVER);
    }
    return NULL;
}

hf_admin *hf_admin_start(hf_serving *s, int listening)
{
    hf_admin *a = calloc(1, sizeof *a);
    hf_err err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (a != NULL) {
        a->serving = s;
        err = open_admin(a, listening);
    }
    close(listening); /* the loop has a descriptor of its own */
    if (err.code == 0 && hf_thread_start(&a->thread, run, a) != 0)
        err = hf_err_make(HF_ERR_IO_SYSTEM);
    if (err.code == 0)
        return a;
    hf_log(HF_LOG_ERROR, err, "nobody answers at the admin socket");
    if (a != NULL)
        free_admin(a);
    return NULL;
}

void hf_admin_stop(hf_admin *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->stopping, true);
    a->io->ops->wake(a->io);
    pthread_join(a->thread, NULL);
    free_admin(a);
}
