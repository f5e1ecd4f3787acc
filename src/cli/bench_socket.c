/* SPDX-License-Identifier: Apache-2.0
 *
 * A load of WebSockets: on each, so many messages are under way; each of them is answered by one, as an echo does.
 */
#include "bench.h"

#include <stdio.h>

enum { SCRATCH = 65536, PIECES = 64 };

static void give_up(hf_bench *b, hf_bench_line *l, const char *why)
{
    hf_bench_fail(b, HF_EXIT_HTTP, "a WebSocket is not opened", why);
    hf_bench_lose(b, l);
}

void hf_bench_socket_open(hf_bench *b, hf_bench_line *l)
{
    static const hf_websocket_deflate none = { .on = false };
    hf_field fields[HF_BENCH_FIELDS + 1 + HF_COUNT(l->shake.fields)];
    size_t n = 0;
    hf_crypto *const crypto = hf_dialer_crypto(b->dialer);
    l->shaking = crypto != NULL && hf_fetch_open(&l->fetch, &l->line, HF_HTTP_1_1);
    if (!l->shaking || hf_websocket_request_make(crypto, HF_HTTP_1_1, hf_text(""), &none, &l->shake).code != 0) {
        give_up(b, l, "the system gives no memory or no randomness");
        return;
    }
    for (; n < b->field_count; n++)
        fields[n] = b->fields[n];
    for (size_t i = 0; i < l->shake.count; i++)
        fields[n++] = l->shake.fields[i];
    const hf_request_head head = { .method = HF_METHOD_GET, .method_name = HF_LITERAL("GET"), .version = HF_HTTP_1_1, .upgrade = HF_LITERAL("websocket"),
        .authority = b->url.authority, .target = b->url.target, .fields = { fields, n }, .content_length = HF_LENGTH_NONE };
    const hf_err err = hf_fetch_request(&l->fetch, &head, hf_bytes_make(NULL, 0));
    if (err.code != 0)
        give_up(b, l, hf_err_text(err));
}

/* 101 is judged as any client judges it. */
static bool is_accepted(hf_bench *b, hf_bench_line *l, const hf_response_head *head)
{
    static const hf_websocket_deflate none = { .on = false };
    hf_websocket_deflate agreed;
    hf_bytes protocol;
    char words[80];
    if (head->status >= 100 && head->status < 200 && head->status != 101)
        return true;
    const hf_err err = hf_websocket_answer_check(hf_dialer_crypto(b->dialer), &l->shake, HF_HTTP_1_1, hf_text(""), &none, head, &protocol, &agreed);
    snprintf(words, sizeof words, "the server answers %u", head->status);
    if (err.code != 0)
        give_up(b, l, head->status == 101 ? hf_err_text(err) : words);
    return err.code == 0;
}

/* True: the line was lost. */
static bool shake(hf_bench *b, hf_bench_line *l, hf_time now)
{
    const hf_websocket_options options = { .ping_ns = -1, .idle_ns = -1, .crypto = hf_dialer_crypto(b->dialer) };
    hf_fetch_event e;
    hf_err why;
    hf_step s;
    while ((s = hf_fetch_turn_at(&l->fetch, now, &e, &why)) == HF_EVENT) {
        if (e.kind == HF_FETCH_HEAD && !is_accepted(b, l, &e.head))
            return true;
        if (e.kind != HF_FETCH_UPGRADED)
            continue;
        hf_fetch_close(&l->fetch);
        l->shaking = false;
        l->socket = hf_websocket_client_new(hf_dialer_env(b->dialer), 1, &options, now);
        l->ready = l->socket != NULL;
        l->depth = (uint32_t)b->streams;
        b->spoken = HF_HTTP_1_1;
        if (!l->ready)
            give_up(b, l, "there is no more memory");
        return !l->ready;
    }
    if (s != HF_IDLE)
        give_up(b, l, hf_err_text(why));
    return s != HF_IDLE;
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static void ask(hf_bench *b, hf_bench_line *l, hf_time now)
{
    static uint8_t message[HF_BENCH_MESSAGE];
    while (l->busy < l->depth && hf_bench_may_ask(b, now)) {
        hf_bench_slot *const s = &l->slots[(l->oldest + l->busy) % HF_FETCH_CALLS];
        for (size_t i = message[0] == 0 ? 0 : b->message; i < b->message; i++)
            message[i] = (uint8_t)('a' + i % 26);
        if (hf_websocket_send(l->socket, HF_WEBSOCKET_TEXT, hf_bytes_make(message, b->message)).code != 0)
            return; /* what waits to leave goes first */
        hf_bench_ask(b, l, s, now);
        s->status = 101;
    }
}

static void send_out(const hf_bench_line *l, hf_line *line, hf_time now)
{
    uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    while (hf_line_has_room(line)) {
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
        if (hf_websocket_emit(l->socket, now, &out) == 0)
            return;
        hf_line_put(line, &out);
    }
}

static void hear(hf_bench *b, hf_bench_line *l, const hf_websocket_event *e)
{
    const hf_time now = hf_dialer_now(b->dialer);
    if (e->kind != HF_WEBSOCKET_MESSAGE)
        return;
    if (l->busy == 0) {
        hf_bench_fail(b, HF_EXIT_HTTP, "this is no echo", "a message came that none had asked for");
        return;
    }
    hf_bench_slot *const s = &l->slots[l->oldest];
    l->oldest = (l->oldest + 1) % HF_FETCH_CALLS;
    hf_bench_take(b, s, e->bytes);
    hf_bench_answered(b, l, s, now);
    ask(b, l, now);
}

bool hf_bench_socket_step(hf_bench *b, hf_bench_line *l, hf_time now)
{
    static uint8_t nothing[1];
    hf_websocket_event e;
    if (l->shaking && shake(b, l, now))
        return true;
    if (l->socket == NULL)
        return false;
    ask(b, l, now);
    send_out(l, &l->line, now);
    hf_line_pull_at(&l->line, now);
    for (;;) {
        const hf_span held = hf_line_peek(&l->line);
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = l->line.fin || l->line.broken };
        const hf_step s = hf_websocket_step(l->socket, now, &in, &e);
        if (s == HF_EVENT)
            hear(b, l, &e);
        hf_line_take(&l->line, in.used);
        if (s == HF_CLOSED || s == HF_FAULT) {
            hf_bench_lose(b, l);
            return true;
        }
        if (s == HF_FULL || (s == HF_IDLE && in.used == 0)) {
            send_out(l, &l->line, now);
            hf_line_pull_at(&l->line, now);
            if (s == HF_IDLE && hf_line_peek(&l->line).len == held.len && !(l->line.fin && !in.fin))
                return false;
        }
    }
}

hf_time hf_bench_socket_wake(const hf_bench_line *l)
{
    return hf_time_earlier(hf_websocket_wake(l->socket), hf_line_wake(&l->line));
}
