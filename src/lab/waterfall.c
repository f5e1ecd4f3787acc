/* SPDX-License-Identifier: Apache-2.0 */
#include "waterfall_core.h"

#include "alloc.h"
#include "allocator.h"
#include "http2_wire.h"
#include "random.h"
#include "sim.h"
#include "web.h"

enum { PORT = 80, LINES = 6 };

const hf_waterfall_part hf_waterfall_parts[HF_WATERFALL_PARTS] = {
    { "/", "text/html; charset=utf-8", 14000 },       { "/assets/base.css", "text/css", 9000 },
    { "/assets/page.css", "text/css", 4000 },         { "/assets/app.js", "text/javascript", 48000 },
    { "/assets/menu.js", "text/javascript", 6000 },   { "/assets/serif.woff2", "font/woff2", 24000 },
    { "/assets/sans.woff2", "font/woff2", 22000 },    { "/images/head.webp", "image/webp", 60000 },
    { "/images/01.webp", "image/webp", 9000 },        { "/images/02.webp", "image/webp", 12000 },
    { "/images/03.webp", "image/webp", 7000 },        { "/images/04.webp", "image/webp", 15000 },
    { "/images/05.webp", "image/webp", 11000 },       { "/images/06.webp", "image/webp", 8000 },
    { "/images/07.webp", "image/webp", 10000 },       { "/images/08.webp", "image/webp", 6000 },
    { "/images/09.webp", "image/webp", 13000 },       { "/images/10.webp", "image/webp", 9000 },
    { "/images/11.webp", "image/webp", 7000 },        { "/images/12.webp", "image/webp", 14000 },
    { "/icons/search.svg", "image/svg+xml", 900 },    { "/icons/cart.svg", "image/svg+xml", 1100 },
    { "/icons/user.svg", "image/svg+xml", 800 },      { "/icons/menu.svg", "image/svg+xml", 700 },
    { "/favicon.svg", "image/svg+xml", 1200 },
};

const char *hf_waterfall_name(hf_waterfall_way way)
{
    static const char *const names[HF_WATERFALL_WAYS] = { "HTTP/1.1, one connection", "HTTP/1.1, pipelined", "HTTP/1.1, six connections",
                                                          "HTTP/2, one connection", "HTTP/3, one connection" };
    return names[way];
}

/* ---- the page ----------------------------------------------------------------------------------------------- */

unsigned hf_waterfall_part_at(hf_bytes path)
{
    unsigned i = 0;
    while (i < HF_WATERFALL_PARTS && !hf_bytes_equal(path, hf_text(hf_waterfall_parts[i].path)))
        i++;
    return i;
}

hf_request_head hf_waterfall_request(unsigned part, const char *scheme)
{
    static const hf_field fields[] = {
        { HF_LITERAL("Host"), HF_LITERAL("shop.example"), HF_FIELD_HOST },
        { HF_LITERAL("User-Agent"), HF_LITERAL("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"), HF_FIELD_USER_AGENT },
        { HF_LITERAL("Accept"), HF_LITERAL("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"), HF_FIELD_ACCEPT },
        { HF_LITERAL("Accept-Language"), HF_LITERAL("eo,en;q=0.7,de;q=0.3"), HF_FIELD_OTHER },
        { HF_LITERAL("Accept-Encoding"), HF_LITERAL("gzip, deflate, br, zstd"), HF_FIELD_ACCEPT_ENCODING },
        { HF_LITERAL("Referer"), HF_LITERAL("https://shop.example/"), HF_FIELD_OTHER },
        { HF_LITERAL("Cookie"), HF_LITERAL("session=3f1c9d0b7a5e42d68c1e0f9b8a7d6c5e; theme=dark; basket=17"), HF_FIELD_COOKIE },
    };
    return (hf_request_head){ .method = HF_METHOD_GET, .version = HF_HTTP_1_1, .method_name = HF_LITERAL("GET"), .scheme = hf_text(scheme),
        .authority = HF_LITERAL("shop.example"), .target = hf_text(hf_waterfall_parts[part].path), .fields = { fields, HF_COUNT(fields) },
        .content_length = HF_LENGTH_NONE };
}

hf_response_head hf_waterfall_answer(unsigned part, hf_field fields[HF_WATERFALL_FIELDS])
{
    const hf_field all[HF_WATERFALL_FIELDS] = {
        { HF_LITERAL("Date"), HF_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), HF_FIELD_DATE },
        { HF_LITERAL("Server"), HF_LITERAL("handfast"), HF_FIELD_SERVER },
        { HF_LITERAL("Content-Type"), hf_text(hf_waterfall_parts[part].type), HF_FIELD_CONTENT_TYPE },
        { HF_LITERAL("Cache-Control"), HF_LITERAL("max-age=3600"), HF_FIELD_CACHE_CONTROL },
        { HF_LITERAL("ETag"), HF_LITERAL("\"18ea9665f012a03b-7-7387cd3cef7c62e6\""), HF_FIELD_ETAG },
        { HF_LITERAL("X-Content-Type-Options"), HF_LITERAL("nosniff"), HF_FIELD_OTHER },
    };
    memcpy(fields, all, sizeof all);
    return (hf_response_head){ .status = 200, .fields = { fields, HF_WATERFALL_FIELDS }, .content_length = hf_waterfall_parts[part].size };
}

void hf_waterfall_begin(hf_waterfall *w)
{
    *w = (hf_waterfall){ .connections = 0 };
    for (unsigned i = 0; i < HF_WATERFALL_PARTS; i++)
        w->bars[i] = (hf_waterfall_bar){ .path = hf_waterfall_parts[i].path, .size = hf_waterfall_parts[i].size };
}

/* The parts are wanted as soon as the page is there. */
void hf_waterfall_whole(hf_waterfall *w, unsigned part, int64_t at_ns)
{
    w->bars[part].done_ns = at_ns;
    w->done_ns = at_ns > w->done_ns ? at_ns : w->done_ns;
    for (unsigned i = 1; part == 0 && i < HF_WATERFALL_PARTS; i++)
        w->bars[i].wanted_ns = at_ns;
}

/* ---- the stage ---------------------------------------------------------------------------------------------- */

typedef struct play play;

/* A connection of the client's: the one core or the other. */
typedef struct line {
    hf_pier pier; /* ops NULL: none yet */
    hf_http1 *http1;
    hf_http2 *http2;
    unsigned asked[HF_WATERFALL_PARTS], first, count; /* HTTP/1: answers come in this order */
    uint64_t got, bodies; /* bytes, in all and of bodies */
    hf_out out;           /* what emit gave and the pier has not taken */
    size_t out_first;
    hf_extent pieces[8];
    uint8_t scratch[4096];
} line;

typedef struct guest guest;
struct guest { /* a connection of the server's */
    guest *next;
    hf_web *web;
    struct {
        hf_exchange exchange;
        uint32_t part, left; /* left: bytes that were not put yet */
        bool open;
    } answers[HF_WATERFALL_PARTS];
    bool over;
};

/* Walks over frames as they pass, to add up those of heads. */
typedef struct walker {
    uint8_t header[HF_FRAME_HEADER_BYTES];
    size_t have;
    uint32_t left, skip; /* of the frame; of the preface */
    uint64_t heads;
} walker;

struct play {
    hf_waterfall_way way;
    hf_waterfall *w;
    hf_world *world;
    hf_io *server, *client;
    hf_limits limits;
    hf_random random;
    hf_env env;
    hf_time began;
    uint64_t ids;
    guest *guests;
    line lines[LINES];
    hf_http2_stream streams[HF_WATERFALL_PARTS];
    uint32_t got[HF_WATERFALL_PARTS];
    bool asked[HF_WATERFALL_PARTS], done[HF_WATERFALL_PARTS];
    unsigned next, left; /* the next part to ask for; parts that are not there */
    walker up, down;
    uint64_t sent;
    bool broken;
    uint8_t body[HF_WATERFALL_LARGEST];
};

static int64_t elapsed(const play *p)
{
    return hf_world_now(p->world).ns - p->began.ns;
}

static void walk(walker *w, hf_bytes b)
{
    const size_t skipped = w->skip < b.len ? w->skip : b.len;
    w->skip -= (uint32_t)skipped;
    b = hf_bytes_make(b.ptr + skipped, b.len - skipped);
    while (b.len > 0) {
        if (w->left > 0) {
            const size_t n = w->left < b.len ? w->left : b.len;
            w->left -= (uint32_t)n;
            b = hf_bytes_make(b.ptr + n, b.len - n);
            continue;
        }
        w->header[w->have++] = *b.ptr;
        b = hf_bytes_make(b.ptr + 1, b.len - 1);
        if (w->have < HF_FRAME_HEADER_BYTES)
            continue;
        w->have = 0;
        w->left = (uint32_t)w->header[0] << 16 | (uint32_t)w->header[1] << 8 | w->header[2];
        if (w->header[3] == HF_FRAME_HEADERS || w->header[3] == HF_FRAME_CONTINUATION)
            w->heads += HF_FRAME_HEADER_BYTES + w->left;
    }
}

/* ---- the server --------------------------------------------------------------------------------------------- */

static void put_more(play *p, guest *g)
{
    for (size_t i = 0; i < HF_WATERFALL_PARTS; i++) {
        if (!g->answers[i].open)
            continue;
        hf_err err = HF_OK;
        const uint32_t left = g->answers[i].left;
        const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = { p->body, left } };
        const uint64_t took = left > 0 ? hf_web_put(g->web, g->answers[i].exchange, &e, 1, &err) : 0;
        g->answers[i].left -= (uint32_t)took;
        p->broken = p->broken || err.code != 0;
        if (g->answers[i].left > 0)
            continue;
        g->answers[i].open = false;
        p->broken = p->broken || hf_web_end(g->web, g->answers[i].exchange, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code != 0;
    }
}

static void answer(play *p, guest *g, const hf_web_event *event)
{
    const unsigned i = hf_waterfall_part_at(event->head->path);
    hf_field fields[HF_WATERFALL_FIELDS];
    if (i == HF_WATERFALL_PARTS) {
        p->broken = true;
        return;
    }
    const hf_response_head head = hf_waterfall_answer(i, fields);
    p->broken = p->broken || hf_web_respond(g->web, event->exchange, &head).code != 0;
    g->answers[i].exchange = event->exchange;
    g->answers[i].left = hf_waterfall_parts[i].size;
    g->answers[i].open = true;
}

static void serve(play *p, guest *g, hf_time now)
{
    uint8_t scratch[8192];
    hf_extent pieces[32];
    hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    hf_web_event e;
    while (!g->over && hf_web_step(g->web, now, &out, &e) == HF_EVENT) {
        g->over = e.kind == HF_WEB_CLOSED;
        if (e.kind == HF_WEB_REQUEST)
            answer(p, g, &e);
        if (!g->over)
            put_more(p, g);
    }
}

static void server_turn(void *self, hf_io *io, hf_time now)
{
    play *const p = self;
    hf_io_event events[16];
    size_t n;
    do {
        n = io->ops->wait(io, now, events, HF_COUNT(events));
        for (size_t i = 0; i < n; i++) {
            guest *const g = events[i].kind == HF_IO_ACCEPTED ? hf_alloc_zeroed(&p->env.alloc, sizeof *g) : NULL;
            if (g == NULL)
                continue;
            io->ops->own(io, events[i].pier, g);
            g->web = hf_web_new(&p->env, ++p->ids, events[i].pier, NULL, now);
            g->over = g->web == NULL;
            g->next = p->guests;
            p->guests = g;
        }
    } while (n == HF_COUNT(events));
    for (guest *g = p->guests; g != NULL; g = g->next)
        if (!g->over)
            serve(p, g, now);
}

static hf_time server_wake(void *self)
{
    hf_time at = HF_NEVER;
    for (const guest *g = ((play *)self)->guests; g != NULL; g = g->next)
        at = g->over ? at : hf_time_earlier(at, hf_web_wake(g->web));
    return at;
}

/* ---- the client: asking ------------------------------------------------------------------------------------- */

static unsigned lines_of(hf_waterfall_way way)
{
    return way == HF_WATERFALL_SIX ? LINES : 1;
}

static bool may_ask(const play *p, const line *l)
{
    if (p->next == HF_WATERFALL_PARTS || (p->next > 0 && !p->done[0]))
        return false;
    const bool at_once = p->way == HF_WATERFALL_PIPELINED || p->way == HF_WATERFALL_HTTP2;
    return at_once || l->first == l->count;
}

static bool ask(play *p, line *l)
{
    const unsigned i = p->next;
    const hf_request_head head = hf_waterfall_request(i, "http");
    const hf_ending fin = { HF_ENDING_FIN, 0 };
    const hf_err err = l->http2 != NULL ? hf_http2_request(l->http2, &head, &p->streams[i]) : hf_http1_request(l->http1, &head);
    if (err.code != 0)
        return false; /* later */
    const hf_err ended = l->http2 != NULL ? hf_http2_end(l->http2, p->streams[i], fin, (hf_fields){ NULL, 0 })
                                          : hf_http1_end(l->http1, fin, (hf_fields){ NULL, 0 });
    p->broken = p->broken || ended.code != 0;
    l->asked[l->count++] = i;
    p->asked[i] = true;
    p->w->bars[i].asked_ns = elapsed(p);
    p->w->bars[i].connection = (unsigned)(l - p->lines);
    p->next++;
    return true;
}

static bool emit(line *l, hf_time now)
{
    l->out = (hf_out){ .pieces = l->pieces, .capacity = HF_COUNT(l->pieces), .scratch = l->scratch, .scratch_capacity = sizeof l->scratch,
                       .room = sizeof l->scratch };
    l->out_first = 0;
    return (l->http2 != NULL ? hf_http2_emit(l->http2, now, &l->out) : hf_http1_emit(l->http1, now, &l->out)) > 0;
}

/* True when anything moved. All that a client without bodies says is copied. */
static bool flush(play *p, line *l, hf_time now)
{
    bool moved = false;
    for (;;) {
        if (l->out_first == l->out.count && !emit(l, now))
            return moved;
        hf_extent *const e = &l->out.pieces[l->out_first];
        const size_t took = (size_t)l->pier.ops->put(l->pier.self, 0, e, 1);
        if (took == 0)
            return moved;
        moved = true;
        p->sent += took;
        if (l->http2 != NULL)
            walk(&p->up, hf_bytes_make(e->bytes.ptr, took));
        e->bytes = hf_bytes_make(e->bytes.ptr + took, e->bytes.len - took);
        l->out_first += e->bytes.len == 0;
    }
}

/* ---- the client: hearing ------------------------------------------------------------------------------------ */

static void some(play *p, line *l, unsigned i, size_t n)
{
    hf_waterfall_bar *const bar = &p->w->bars[i];
    if (p->got[i] == 0)
        bar->first_ns = elapsed(p);
    p->got[i] += (uint32_t)n;
    l->bodies += n;
}

static void whole(play *p, unsigned i)
{
    hf_waterfall_whole(p->w, i, elapsed(p));
    p->done[i] = true;
    p->left--;
    p->broken = p->broken || p->got[i] != hf_waterfall_parts[i].size;
}

static hf_step hear_http1(play *p, line *l, hf_time now, hf_in *in)
{
    hf_http1_event e;
    const hf_step s = hf_http1_step(l->http1, now, in, &e);
    if (s == HF_EVENT && e.kind == HF_HTTP1_BODY) {
        some(p, l, l->asked[l->first], e.body.len);
        hf_http1_take(l->http1, e.body.len);
    } else if (s == HF_EVENT && e.kind == HF_HTTP1_END) {
        whole(p, l->asked[l->first++]);
    }
    return s;
}

static unsigned part_of(const play *p, hf_http2_stream stream)
{
    for (unsigned i = 0; i < HF_WATERFALL_PARTS; i++)
        if (p->asked[i] && p->streams[i] == stream)
            return i;
    return 0;
}

static hf_step hear_http2(play *p, line *l, hf_time now, hf_in *in)
{
    hf_http2_event e;
    const hf_step s = hf_http2_step(l->http2, now, in, &e);
    if (s == HF_EVENT && e.kind == HF_HTTP2_BODY) {
        some(p, l, part_of(p, e.stream), e.body.len);
        hf_http2_take(l->http2, e.stream, e.body.len);
    } else if (s == HF_EVENT && e.kind == HF_HTTP2_END) {
        whole(p, part_of(p, e.stream));
    } else if (s == HF_EVENT && e.kind == HF_HTTP2_RESET) {
        p->broken = true;
    }
    return s;
}

/* True when anything moved. */
static bool hear(play *p, line *l, hf_time now)
{
    bool moved = false;
    for (;;) {
        const hf_span held = l->pier.ops->peek(l->pier.self, 0);
        hf_in in = { .ptr = held.ptr, .len = held.len };
        const hf_step s = l->http2 != NULL ? hear_http2(p, l, now, &in) : hear_http1(p, l, now, &in);
        if (in.used > 0) {
            if (l->http2 != NULL)
                walk(&p->down, hf_bytes_make(held.ptr, in.used));
            l->got += in.used;
            l->pier.ops->take(l->pier.self, 0, in.used);
        }
        p->broken = p->broken || s == HF_FAULT || s == HF_CLOSED;
        if (s != HF_EVENT)
            return moved || in.used > 0;
        moved = true;
    }
}

/* ---- the client: turns -------------------------------------------------------------------------------------- */

static bool begin(play *p, line *l, hf_time now)
{
    const hf_address to = hf_world_address(1, PORT);
    if (p->client->ops->connect(p->client, &to, l, &l->pier).code != 0)
        return false;
    if (p->way == HF_WATERFALL_HTTP2)
        l->http2 = hf_http2_client_new(&p->env, ++p->ids, now, NULL);
    else
        l->http1 = hf_http1_client_new(&p->env, ++p->ids, now);
    p->w->connections++;
    return l->http1 != NULL || l->http2 != NULL;
}

static void run(play *p, line *l, hf_time now)
{
    hf_pier_event e;
    bool moved = true;
    if (l->pier.ops == NULL) {
        p->broken = p->broken || !begin(p, l, now);
        if (p->broken)
            return;
    }
    while (moved && !p->broken) {
        hf_step s;
        while ((s = l->pier.ops->event(l->pier.self, now, &e)) == HF_EVENT)
            p->broken = p->broken || e.kind == HF_PIER_ENDED;
        p->broken = p->broken || s == HF_FAULT;
        moved = hear(p, l, now);
        while (may_ask(p, l) && ask(p, l))
            moved = true;
        moved = flush(p, l, now) || moved;
    }
}

/* The page comes over the first line; the others are opened when there is something to ask for. */
static void client_turn(void *self, hf_io *io, hf_time now)
{
    play *const p = self;
    hf_io_event events[16];
    while (io->ops->wait(io, now, events, HF_COUNT(events)) == HF_COUNT(events))
        ;
    for (unsigned i = 0; i < lines_of(p->way) && !p->broken; i++)
        if (i == 0 || p->done[0])
            run(p, &p->lines[i], now);
}

static hf_time client_wake(void *self)
{
    const play *const p = self;
    hf_time at = HF_NEVER;
    for (unsigned i = 0; i < lines_of(p->way); i++) {
        const line *const l = &p->lines[i];
        if (l->pier.ops == NULL)
            at = i == 0 ? hf_time_make(0) : at;
        else
            at = hf_time_earlier(at, l->http2 != NULL ? hf_http2_wake(l->http2) : hf_http1_wake(l->http1));
    }
    return at;
}

/* ---- the play ----------------------------------------------------------------------------------------------- */

static bool set_up(play *p, const hf_waterfall_network *n)
{
    const hf_address at = { .family = 4, .port = PORT }, here = hf_world_address(2, 0), there = hf_world_address(1, 0);
    p->limits = *hf_limits_default();
    hf_random_seed(&p->random, n->seed);
    p->env = (hf_env){ .alloc = *hf_allocator_default(), .limits = &p->limits, .random = &p->random };
    p->left = HF_WATERFALL_PARTS;
    p->up.skip = HF_PREFACE_BYTES;
    p->world = hf_world_new(&p->env.alloc, n->seed, NULL);
    if (p->world == NULL)
        return false;
    p->began = hf_world_now(p->world);
    p->server = hf_world_host(p->world, "server", &there);
    p->client = hf_world_host(p->world, "client", &here);
    if (p->server == NULL || p->client == NULL || p->server->ops->listen(p->server, &at, -1, p).code != 0)
        return false;
    hf_io *const ends[] = { p->server, p->client };
    for (unsigned i = 0; i < 2; i++) {
        hf_link_options *const l = hf_world_link(ends[i], ends[1 - i]);
        *l = (hf_link_options){ .rate = n->rate, .delay_ns = n->delay_ns, .loss = n->loss, .mtu = 1500, .queue_bytes = 256 << 10 };
    }
    hf_world_program(p->server, (hf_program){ p, server_turn, server_wake });
    hf_world_program(p->client, (hf_program){ p, client_turn, client_wake });
    return true;
}

static void tear_down(play *p)
{
    for (unsigned i = 0; i < LINES; i++) {
        hf_http1_free(p->lines[i].http1);
        hf_http2_free(p->lines[i].http2);
        if (p->lines[i].pier.ops != NULL)
            p->lines[i].pier.ops->free(p->lines[i].pier.self);
    }
    while (p->guests != NULL) {
        guest *const g = p->guests;
        p->guests = g->next;
        hf_web_free(g->web);
        hf_free(&p->env.alloc, g, sizeof *g);
    }
    hf_world_free(p->world);
}

static void sum_up(play *p)
{
    const hf_link_counts *const down = hf_world_link_counts(p->server, p->client), *const up = hf_world_link_counts(p->client, p->server);
    hf_waterfall *const w = p->w;
    w->packets = down->sent + up->sent;
    w->lost = down->dropped[HF_DROP_LOSS] + up->dropped[HF_DROP_LOSS];
    w->request_heads = p->way == HF_WATERFALL_HTTP2 ? p->up.heads : p->sent;
    w->answer_heads = p->down.heads;
    for (unsigned i = 0; i < lines_of(p->way) && p->way != HF_WATERFALL_HTTP2; i++)
        w->answer_heads += p->lines[i].got - p->lines[i].bodies;
}

bool hf_waterfall_load(hf_waterfall_way way, const hf_waterfall_network *network, hf_waterfall *w)
{
    if (way == HF_WATERFALL_HTTP3)
        return hf_waterfall_load_http3(network, w);
    play *const p = hf_alloc_zeroed(hf_allocator_default(), sizeof *p);
    if (p == NULL)
        return false;
    hf_waterfall_begin(w);
    p->way = way;
    p->w = w;
    bool good = set_up(p, network);
    while (good && p->left > 0 && !p->broken)
        if (hf_world_step(p->world, hf_time_after(p->began, HF_WATERFALL_PATIENCE)) != HF_WORLD_MOVED)
            good = false;
    good = good && !p->broken;
    if (good)
        sum_up(p);
    tear_down(p);
    hf_free(hf_allocator_default(), p, sizeof *p);
    return good;
}

/* ---- told --------------------------------------------------------------------------------------------------- */

enum { WIDTH = 64 };

static int column(int64_t ns, int64_t scale_ns)
{
    const int64_t c = scale_ns > 0 ? ns * WIDTH / scale_ns : 0;
    return (int)(c < WIDTH ? c : WIDTH - 1);
}

void hf_waterfall_print(FILE *out, hf_waterfall_way way, const hf_waterfall *w, int64_t scale_ns)
{
    fprintf(out, "%s: %.0f ms; %u connection%s, %llu packets of which %llu were lost; heads: %llu bytes asked, %llu answered\n",
            hf_waterfall_name(way), (double)w->done_ns / 1e6, w->connections, w->connections == 1 ? "" : "s", (unsigned long long)w->packets,
            (unsigned long long)w->lost, (unsigned long long)w->request_heads, (unsigned long long)w->answer_heads);
    for (unsigned i = 0; i < HF_WATERFALL_PARTS; i++) {
        const hf_waterfall_bar *const b = &w->bars[i];
        char bar[WIDTH + 1];
        const int wanted = column(b->wanted_ns, scale_ns), asked = column(b->asked_ns, scale_ns), first = column(b->first_ns, scale_ns),
                  done = column(b->done_ns, scale_ns);
        for (int c = 0; c < WIDTH; c++)
            bar[c] = c < wanted || c > done ? ' ' : c < asked ? '.' : c < first ? '-' : '#';
        bar[done] = '#';
        bar[WIDTH] = 0;
        fprintf(out, "  %-20s |%s| %5.0f ms\n", b->path, bar, (double)b->done_ns / 1e6);
    }
    fputc('\n', out);
}

void hf_waterfall_json(hf_writer *to, hf_waterfall_way way, const hf_waterfall *w)
{
    const struct {
        const char *name;
        uint64_t value;
    } sums[] = { { "done_us", (uint64_t)w->done_ns / 1000 }, { "connections", w->connections }, { "packets", w->packets }, { "lost", w->lost },
                 { "request_heads", w->request_heads }, { "answer_heads", w->answer_heads } };
    hf_write_text(to, "{\"way\":\"");
    hf_write_text(to, hf_waterfall_name(way));
    hf_write_text(to, "\"");
    for (size_t i = 0; i < HF_COUNT(sums); i++) {
        hf_write_text(to, ",\"");
        hf_write_text(to, sums[i].name);
        hf_write_text(to, "\":");
        hf_write_decimal(to, sums[i].value);
    }
    hf_write_text(to, ",\"parts\":[");
    for (unsigned i = 0; i < HF_WATERFALL_PARTS; i++) {
        const hf_waterfall_bar *const b = &w->bars[i];
        const int64_t times[] = { b->wanted_ns, b->asked_ns, b->first_ns, b->done_ns };
        hf_write_text(to, i == 0 ? "[\"" : ",[\"");
        hf_write_text(to, b->path);
        hf_write_text(to, "\",");
        hf_write_decimal(to, b->size);
        for (size_t k = 0; k < HF_COUNT(times); k++) {
            hf_write_text(to, ",");
            hf_write_decimal(to, (uint64_t)times[k] / 1000);
        }
        hf_write_text(to, "]");
    }
    hf_write_text(to, "]}");
}

bool hf_waterfall_story(FILE *out)
{
    static const uint32_t losses[] = { 0, 10000 };
    for (size_t i = 0; i < HF_COUNT(losses); i++) {
        hf_waterfall w[HF_WATERFALL_WAYS];
        hf_waterfall_network network = HF_WATERFALL_USUAL;
        int64_t scale = 0;
        network.loss = losses[i];
        for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++) {
            if (!hf_waterfall_load(way, &network, &w[way]))
                return false;
            scale = w[way].done_ns > scale ? w[way].done_ns : scale;
        }
        fprintf(out, "10 Mbit/s, 50 ms there and back, %s   (. known and waiting, - asked for, # arriving)\n\n",
                losses[i] == 0 ? "nothing is lost" : "one packet in a hundred is lost");
        for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++)
            hf_waterfall_print(out, way, &w[way], scale);
    }
    fputs("A lost packet holds up whatever is behind it on its connection: in HTTP/1.1 one answer (pipelined: all that follow), on six\n"
          "connections one in six, and in HTTP/2 every stream, since TCP below delivers in order. HTTP/3 holds up those streams alone whose\n"
          "bytes were in it. The heads of the same requests are what HPACK and QPACK save.\n", out);
    return true;
}
