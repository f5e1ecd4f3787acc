/* SPDX-License-Identifier: Apache-2.0
 *
 * The load itself. Only lines on which something happened, or for which something is due, have their turn: with many of them the
 * looking would cost more than the asking.
 */
#include "bench.h"

#include <stdio.h>

void hf_bench_fail(hf_bench *b, hf_exit exit, const char *what, const char *why)
{
    if (b->wrong[0] == 0) {
        snprintf(b->wrong, sizeof b->wrong, "%.60s: %.220s", what, why);
        b->result = exit;
    }
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

bool hf_bench_may_ask(const hf_bench *b, hf_time now)
{
    if (b->wrong[0] != 0 || !hf_time_before(now, b->end) || (b->requests > 0 && b->asked >= b->requests))
        return false;
    return b->rate == 0 || now.ns - b->began.ns >= (int64_t)(b->asked * 1000000000 / b->rate);
}

static hf_time due(const hf_bench *b, hf_time now)
{
    return b->rate > 0 ? hf_time_after(b->began, (int64_t)(b->asked * 1000000000 / b->rate)) : now;
}

static void begin_line(hf_bench *b, hf_bench_line *l, bool *stirred)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    const bool one = b->version == HF_HTTP_1_1;
    const hf_line_wish wish = { .protocols = one ? both + 1 : both, .protocol_count = b->version == 0 ? 2 : 1, .quic = b->version == HF_HTTP_3,
                                .quic_only = b->version == HF_HTTP_3, .stirred = stirred };
    l->begun = true;
    l->ready = l->shaking = false;
    l->busy = l->oldest = 0;
    b->opened++;
    hf_line_begin(&l->line, b->dialer, &b->url, &wish);
}

void hf_bench_end_line(hf_bench_line *l)
{
    hf_websocket_free(l->socket);
    l->socket = NULL;
    if (l->ready || l->shaking)
        hf_fetch_close(&l->fetch);
    if (l->begun)
        hf_line_close(&l->line);
    l->begun = l->ready = l->shaking = false;
}

void hf_bench_ask(hf_bench *b, hf_bench_line *l, hf_bench_slot *s, hf_time now)
{
    s->due = due(b, now);
    s->length = 0;
    s->hash = UINT64_C(0xcbf29ce484222325);
    s->busy = true;
    l->busy++;
    b->busy++;
    b->asked++;
}

static void ask(hf_bench *b, hf_bench_line *l, hf_time now)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .method_name = HF_LITERAL("GET"), .version = HF_HTTP_1_1,
        .scheme = hf_text(b->url.secure ? "https" : "http"), .authority = b->url.authority, .target = b->url.target,
        .fields = { b->fields, b->field_count }, .content_length = HF_LENGTH_NONE };
    while (l->busy < l->depth && hf_fetch_room(&l->fetch) > 0 && !(b->fresh && l->fetch.asked > 0) && hf_bench_may_ask(b, now)) {
        hf_bench_slot *s = l->slots;
        while (s->busy)
            s++;
        const hf_err err = hf_fetch_ask(&l->fetch, &head, hf_bytes_make(NULL, 0), s);
        if (err.code == HF_ERR_BASE_LIMIT)
            return;
        if (err.code != 0) {
            hf_bench_fail(b, HF_EXIT_HTTP, "a request cannot be sent", hf_err_text(err));
            return;
        }
        hf_bench_ask(b, l, s, now);
    }
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static void check(hf_bench *b, const hf_bench_slot *s)
{
    char words[160];
    if (!b->known) {
        b->known = true;
        b->status = s->status;
        b->length = s->length;
        b->hash = s->hash;
    }
    if (!b->checks || (s->status == b->status && s->length == b->length && s->hash == b->hash))
        return;
    snprintf(words, sizeof words, "%u with %llu bytes%s; the first was %u with %llu", s->status, (unsigned long long)s->length,
             s->status == b->status && s->length == b->length ? ", other ones" : "", b->status, (unsigned long long)b->length);
    hf_bench_fail(b, HF_EXIT_HTTP, "answers differ (--no-check lets them)", words);
}

void hf_bench_take(hf_bench *b, hf_bench_slot *s, hf_bytes piece)
{
    s->length += piece.len;
    b->bytes += piece.len;
    for (size_t i = 0; b->checks && i < piece.len; i++) /* FNV-1a */
        s->hash = (s->hash ^ piece.ptr[i]) * UINT64_C(0x100000001b3);
}

void hf_bench_answered(hf_bench *b, hf_bench_line *l, hf_bench_slot *s, hf_time now)
{
    const uint64_t ns = (uint64_t)(now.ns - s->due.ns);
    hf_histogram_add(b->took, ns);
    if (b->live)
        hf_histogram_add(b->lately, ns);
    b->answered++;
    s->busy = false;
    l->busy--;
    b->busy--;
    check(b, s);
}

static void hear(hf_bench *b, hf_bench_line *l, const hf_fetch_event *e, hf_time now)
{
    hf_bench_slot *const s = e->user;
    switch (e->kind) {
    case HF_FETCH_HEAD:
        if (e->head.status >= 200)
            s->status = e->head.status;
        break;
    case HF_FETCH_BODY: hf_bench_take(b, s, e->body); break;
    case HF_FETCH_END: hf_bench_answered(b, l, s, now); break;
    case HF_FETCH_FAILED:
        s->busy = false;
        l->busy--;
        b->busy--;
        b->failed++;
        break;
    case HF_FETCH_TRAILERS:
    case HF_FETCH_UPGRADED: break;
    }
}

void hf_bench_lose(hf_bench *b, hf_bench_line *l)
{
    b->failed += l->busy;
    b->busy -= l->busy;
    for (size_t i = 0; i < HF_FETCH_CALLS; i++)
        l->slots[i].busy = false;
    l->busy = 0;
    hf_bench_end_line(l);
}

static void begin_http(hf_bench *b, hf_bench_line *l)
{
    const bool two = l->line.tls != NULL ? hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(l->line.tls)), hf_text("h2")) : b->version == HF_HTTP_2;
    l->ready = hf_fetch_open(&l->fetch, &l->line, two ? HF_HTTP_2 : HF_HTTP_1_1);
    if (!l->ready) {
        hf_bench_fail(b, HF_EXIT_FAILED, "memory", "there is no more");
        return;
    }
    b->spoken = hf_fetch_version(&l->fetch);
    l->fetch.pipeline = (uint32_t)b->pipeline;
    l->depth = (uint32_t)(b->spoken == HF_HTTP_1_1 ? b->pipeline : b->streams);
    if (b->version != 0 && b->spoken != b->version)
        hf_bench_fail(b, HF_EXIT_HTTP, b->url.host, hf_err_text(hf_err_make(HF_ERR_CLIENT_NO_VERSION)));
    else if (b->pipeline > 1 && b->spoken != HF_HTTP_1_1)
        hf_bench_fail(b, HF_EXIT_HTTP, "--pipeline", "it is of HTTP/1.1, and another version was agreed on: add --http1.1");
}

static void open_on(hf_bench *b, hf_bench_line *l)
{
    const hf_step s = hf_line_step(&l->line);
    if (s == HF_FAULT) {
        hf_bench_fail(b, hf_calling_layer_of(l->line.stage), "a connection cannot be made", l->line.words);
        hf_bench_end_line(l);
    }
    if (s == HF_EVENT && b->url.live)
        hf_bench_socket_open(b, l);
    else if (s == HF_EVENT)
        begin_http(b, l);
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static hf_time wake_of(const hf_bench_line *l)
{
    return l->socket != NULL ? hf_bench_socket_wake(l) : l->ready || l->shaking ? hf_fetch_wake(&l->fetch) : hf_line_wake(&l->line);
}

static bool has_a_turn(const hf_bench *b, const hf_bench_line *l, hf_time now)
{
    if (!l->begun)
        return hf_bench_may_ask(b, now);
    return !l->ready || b->net != NULL || !hf_time_before(now, wake_of(l)) || (l->busy < l->depth && hf_bench_may_ask(b, now));
}

/* All that there is to do on a line. True: it was lost. */
static bool turn(hf_bench *b, hf_bench_line *l, hf_time now)
{
    hf_fetch_event e;
    hf_err why;
    if (!l->ready && !l->shaking)
        open_on(b, l);
    if (l->shaking || l->socket != NULL)
        return hf_bench_socket_step(b, l, now);
    if (!l->ready)
        return false;
    ask(b, l, now);
    for (;;) {
        const hf_step s = hf_fetch_turn_at(&l->fetch, now, &e, &why);
        if (s == HF_IDLE && !(l->busy == 0 && (hf_fetch_is_over(&l->fetch) || (b->fresh && l->fetch.asked > 0))))
            return false;
        if (s != HF_EVENT) {
            hf_bench_lose(b, l);
            return true;
        }
        if (e.kind == HF_FETCH_END)
            now = hf_dialer_now(b->dialer);
        hear(b, l, &e, now);
        if (e.kind == HF_FETCH_END)
            ask(b, l, now);
    }
}

/* Every line that has something to do, or only those on which something happened. True: one was lost. */
static bool turn_all(hf_bench *b, hf_time now, bool all)
{
    bool lost = false;
    uint64_t settled = 0;
    if (all)
        b->wake = HF_NEVER;
    for (uint64_t i = 0; i < b->connections; i++) {
        hf_bench_line *const l = b->lines[i];
        if (!all && !b->stirred[i])
            continue;
        if ((b->stirred[i] && l->begun) || has_a_turn(b, l, now)) {
            b->stirred[i] = false;
            if (!l->begun)
                begin_line(b, l, &b->stirred[i]);
            lost = turn(b, l, now) || lost;
        }
        settled += l->ready;
        if (l->begun)
            b->wake = hf_time_earlier(b->wake, wake_of(l));
    }
    b->settled = all ? settled : b->settled;
    if (b->rate > 0)
        b->wake = hf_time_earlier(b->wake, due(b, now));
    return lost;
}

static bool is_under_way(const hf_bench *b, hf_time now, hf_time last)
{
    const bool asks = hf_time_before(now, b->end) && (b->requests == 0 || b->asked < b->requests);
    return b->wrong[0] == 0 && (asks || (b->busy > 0 && hf_time_before(now, last)));
}

void hf_bench_run(hf_bench *b)
{
    hf_time now = hf_dialer_now(b->dialer);
    b->began = b->shown = b->shown_at = b->wake = now;
    b->end = hf_time_after(now, b->span_ns);
    const hf_time last = hf_time_after(b->end, HF_SECONDS(10)); /* for what was asked in time */
    while (is_under_way(b, now, last)) {
        const bool all = b->settled < b->connections || b->rate > 0 || b->net != NULL || !hf_time_before(now, b->wake);
        const bool lost = turn_all(b, now, all);
        if (lost)
            b->settled = 0;
        if (b->live && !hf_time_before(now, b->shown))
            hf_bench_draw(b, now);
        const hf_time until = hf_time_earlier(b->wake, hf_time_before(now, b->end) ? b->end : last);
        if (!lost && is_under_way(b, now, last))
            (void)hf_dialer_wait(b->dialer, b->live ? hf_time_earlier(until, b->shown) : until, -1);
        now = hf_dialer_now(b->dialer);
    }
    b->end = now;
    b->failed += b->busy;
}
