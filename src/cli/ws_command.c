/* SPDX-License-Identifier: Apache-2.0
 *
 * ws: a WebSocket between standard input and standard output. Lines go out as messages, messages come out as lines.
 */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <handfast/topic.h>
#include <handfast/websocket.h>

#include "base64.h"
#include "queue.h"
#include "text.h"

enum { CHUNK = 16384, AHEAD = 65536, SCRATCH = 65536, PIECES = 64, LINE_MOST = 16 << 20, REST_MOST = 16 << 20 };

static const char last_words[] = "handfast: end of input"; /* of the PING after which we may go */

typedef struct socket_client {
    hf_live live;
    hf_websocket *core;
    hf_bytes protocols;
    hf_queue input;      /* what was read and not sent: whole lines, and the beginning of one */
    size_t searched;     /* bytes at its front in which no line ends */
    bool binary, reads;  /* standard input is read */
    bool input_over;     /* its end was reached */
    bool asked, may_go;  /* after that: was everything before it dealt with? */
    bool resumes;        /* the peer speaks topics */
    uint64_t wait_ns;    /* --wait: after the end of input, stay until nothing came for so long */
    hf_time heard;       /* when something came last */
    hf_time ping_at;
    uint64_t ping_ns;
    hf_websocket_event closed; /* without its bytes */
    char reason[128];
    hf_body_source tunnel; /* HTTP/2, HTTP/3: what we say goes into it; `read` is NULL: the line is ours alone */
    hf_queue rest;         /* of what came there, what the core has not done with */
    bool ends;             /* nothing more is said into it */
    bool over;
} socket_client;

/* ---- printing ----------------------------------------------------------------------------------------------- */

static void print_json(const socket_client *c, const hf_websocket_event *e)
{
    const bool text = e->type == HF_WEBSOCKET_TEXT;
    FILE *const out = c->live.cli->out;
    fputc('{', out);
    hf_live_member(&c->live, true, "type", text ? hf_text("text") : hf_text("binary"));
    if (text) {
        hf_live_member(&c->live, false, "data", e->bytes);
    } else {
        const size_t room = hf_base64_length(HF_BASE64, e->bytes.len);
        uint8_t *const encoded = malloc(room + 1);
        if (encoded != NULL) {
            hf_writer w = hf_writer_make(encoded, room + 1);
            hf_base64_write(&w, HF_BASE64, e->bytes);
            hf_live_member(&c->live, false, "base64", hf_written(&w));
        }
        free(encoded);
    }
    fputs("}\n", out);
}

/* The id of a message of topics, which begins with it: {"id":"5f3a-17",... */
static void note_id(socket_client *c, hf_bytes text)
{
    static const char start[] = "{\"id\":\"";
    hf_topic_position at;
    if (text.len < sizeof start || memcmp(text.ptr, start, sizeof start - 1) != 0)
        return;
    const hf_bytes rest = hf_bytes_make(text.ptr + sizeof start - 1, text.len - (sizeof start - 1));
    const uint8_t *const end = memchr(rest.ptr, '"', rest.len);
    const hf_bytes id = hf_bytes_make(rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : 0);
    if (!hf_topic_token_read(id, &at))
        return;
    /* Other servers may number their messages, too: this one says where we stand before anything else. */
    const bool place = hf_bytes_equal(hf_bytes_make(end, rest.len - id.len), hf_text("\"}")) ||
                       hf_bytes_equal(hf_bytes_make(end, rest.len - id.len), hf_text("\",\"gap\":true}"));
    c->resumes = c->resumes || place;
    if (c->resumes)
        hf_live_keep_id(&c->live, id);
}

static void print_message(socket_client *c, const hf_websocket_event *e)
{
    FILE *const out = c->live.cli->out;
    if (e->type == HF_WEBSOCKET_TEXT)
        note_id(c, e->bytes);
    if (c->live.json) {
        print_json(c, e);
    } else {
        fwrite(e->bytes.ptr, 1, e->bytes.len, out);
        if (e->type == HF_WEBSOCKET_TEXT)
            fputc('\n', out);
    }
    if (fflush(out) != 0) /* nobody reads us any more */
        (void)hf_websocket_close(c->core, HF_WEBSOCKET_GOING_AWAY, hf_text("")).code;
}

/* ---- the handshake ------------------------------------------------------------------------------------------ */

static hf_exit refused(socket_client *c, hf_err err, const hf_response_head *answer)
{
    hf_live *const l = &c->live;
    l->hopeless = answer->status != 502 && answer->status != 503 && answer->status != 504 && answer->status != 429;
    if (answer->status != 101 && (l->version < HF_HTTP_2 || answer->status / 100 != 2))
        snprintf(l->line.words, sizeof l->line.words, "the server answers %u instead of opening a WebSocket", answer->status);
    else
        snprintf(l->line.words, sizeof l->line.words, "%s", hf_err_text(err));
    return HF_EXIT_HTTP;
}

/* Until the tunnel is open. */
static hf_exit shake_hands(socket_client *c, const hf_websocket_handshake *asked, const hf_websocket_deflate *ready, hf_websocket_deflate *agreed)
{
    hf_live *const l = &c->live;
    hf_crypto *const crypto = hf_dialer_crypto(l->dialer);
    const hf_time until = hf_time_after(hf_dialer_now(l->dialer), HF_SECONDS(30));
    hf_fetch_event e;
    hf_err why = HF_OK;
    while (hf_time_before(hf_dialer_now(l->dialer), until)) {
        const hf_step step = hf_fetch_step(&l->fetch, &e, &why);
        if (step == HF_IDLE) {
            (void)hf_dialer_wait(l->dialer, hf_time_earlier(until, hf_fetch_wake(&l->fetch)), -1);
        } else if (step != HF_EVENT) {
            break;
        } else if (e.kind == HF_FETCH_UPGRADED) {
            return HF_EXIT_OK;
        } else if (e.kind == HF_FETCH_HEAD && (e.head.status == 101 || e.head.status >= 200)) {
            hf_bytes protocol;
            const hf_err err = hf_websocket_answer_check(crypto, asked, l->version, c->protocols, ready, &e.head, &protocol, agreed);
            if (err.code != 0)
                return refused(c, err, &e.head);
            if (protocol.len > 0)
                hf_live_note(l, "subprotocol %.*s", HF_STR(protocol));
            if (l->version >= HF_HTTP_2)
                return HF_EXIT_OK;
        }
    }
    snprintf(l->line.words, sizeof l->line.words, "the handshake was not answered: %s", hf_err_text(why.code != 0 ? why : hf_err_make(HF_ERR_IO_TIMEOUT)));
    return HF_EXIT_TCP;
}

/* For the fetch: what the core has to say. */
static hf_step read_core(void *self, hf_span room, size_t *n)
{
    static uint8_t scratch[SCRATCH];
    socket_client *const c = self;
    hf_extent pieces[PIECES];
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = room.len };
    if (c->core == NULL)
        return HF_IDLE;
    if (hf_websocket_emit(c->core, hf_dialer_now(c->live.dialer), &out) == 0)
        return c->ends ? HF_CLOSED : HF_IDLE;
    *n = 0;
    for (size_t i = 0; i < out.count; i++) {
        memcpy(room.ptr + *n, pieces[i].bytes.ptr, pieces[i].bytes.len);
        *n += pieces[i].bytes.len;
    }
    return HF_EVENT;
}

static hf_exit connect_once(socket_client *c)
{
    hf_live *const l = &c->live;
    hf_crypto *const crypto = hf_dialer_crypto(l->dialer);
    const hf_websocket_deflate ready = { .on = hf_arguments_on(l->arguments, l->cli->command, "compress") };
    hf_websocket_options options = { .crypto = crypto };
    hf_websocket_handshake asked;
    hf_websocket_free(c->core); /* the last connection's */
    c->core = NULL;
    c->ends = false;
    hf_queue_take(&c->rest, hf_queue_length(&c->rest));
    if (c->resumes && !hf_client_url_set(&l->url, "resume", hf_bytes_make(l->id, l->id_length)))
        hf_live_note(l, "the URL has no room for what was seen: something may be missing");
    if (crypto == NULL || hf_websocket_request_make(crypto, l->version, c->protocols, &ready, &asked).code != 0)
        return hf_cli_failed(l->cli, crypto == NULL ? "libcrypto cannot be used" : "the system gives no randomness");
    hf_exit failed = hf_live_ask(l, asked.fields, asked.count, "websocket", &c->tunnel);
    if (failed == HF_EXIT_OK)
        failed = shake_hands(c, &asked, &ready, &options.deflate);
    if (failed != HF_EXIT_OK)
        return failed;
    c->core = hf_websocket_client_new(hf_dialer_env(l->dialer), 1, &options, hf_dialer_now(l->dialer));
    if (c->core == NULL)
        return hf_cli_failed(l->cli, "out of memory");
    if (c->tunnel.read == NULL)
        hf_fetch_close(&l->fetch);
    hf_backoff_reset(&l->backoff);
    hf_live_note(l, "connected");
    c->asked = c->may_go = c->over = false;
    c->ping_at = c->ping_ns > 0 ? hf_time_after(hf_dialer_now(l->dialer), (int64_t)c->ping_ns) : HF_NEVER;
    return HF_EXIT_OK;
}

/* ---- input -------------------------------------------------------------------------------------------------- */

static bool wants_input(const socket_client *c)
{
    const size_t held = hf_queue_length(&c->input);
    return c->reads && !c->input_over && (held < AHEAD || held == c->searched) && hf_websocket_unsent(c->core) < AHEAD;
}

static void read_input(socket_client *c)
{
    const hf_span room = hf_queue_reserve(&c->input, CHUNK);
    const ssize_t n = room.ptr != NULL ? read(STDIN_FILENO, room.ptr, CHUNK) : 0;
    if (n > 0)
        hf_queue_commit(&c->input, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        c->input_over = true;
}

/* Whole lines become messages, as far as the connection takes them: what it does not take is there for the next one. */
static void send_lines(socket_client *c)
{
    hf_span held;
    while (!c->over && (held = hf_queue_peek(&c->input)).len > 0 && hf_websocket_unsent(c->core) < AHEAD) {
        const uint8_t *const end = memchr(held.ptr + c->searched, '\n', held.len - c->searched);
        c->searched = end == NULL ? held.len : c->searched;
        if (end == NULL && !c->input_over && held.len < LINE_MOST)
            return;
        size_t n = end != NULL ? (size_t)(end - held.ptr) : held.len;
        const size_t eaten = end != NULL ? n + 1 : n;
        n -= n > 0 && end != NULL && held.ptr[n - 1] == '\r';
        if (hf_websocket_send(c->core, c->binary ? HF_WEBSOCKET_BINARY : HF_WEBSOCKET_TEXT, hf_bytes_make(held.ptr, n)).code != 0)
            return;
        hf_queue_take(&c->input, eaten);
        c->searched = 0;
    }
}

static hf_time stays_until(const socket_client *c)
{
    return hf_time_after(c->heard, (int64_t)c->wait_ns);
}

/* The input has ended, and was sent. The peer may still be answering: it is asked for a PONG. Many send that behind what they
 * have to say to all that came before; who does not has a while to say it. */
static void leave(socket_client *c)
{
    const hf_time now = hf_dialer_now(c->live.dialer);
    if (!c->input_over || hf_queue_length(&c->input) > 0 || c->over)
        return;
    if (!c->asked) {
        c->asked = hf_websocket_ping(c->core, hf_text(last_words)).code == 0;
        c->heard = now;
    }
    if (c->may_go && !hf_time_before(now, stays_until(c)))
        (void)hf_websocket_close(c->core, HF_WEBSOCKET_NORMAL, hf_text("")).code; /* closing already is as good */
}

/* ---- the connection ------------------------------------------------------------------------------------------ */

static void deal_with(socket_client *c, const hf_websocket_event *e)
{
    c->heard = hf_dialer_now(c->live.dialer);
    switch (e->kind) {
    case HF_WEBSOCKET_MESSAGE:
        print_message(c, e);
        break;
    case HF_WEBSOCKET_PING:
        break;
    case HF_WEBSOCKET_PONG:
        if (hf_bytes_equal(e->bytes, hf_text(last_words)))
            c->may_go = true;
        else if (c->ping_ns > 0)
            hf_live_note(&c->live, "pong");
        break;
    case HF_WEBSOCKET_CLOSED:
        c->closed = *e;
        c->over = true;
        snprintf(c->reason, sizeof c->reason, "%.*s", HF_STR(e->bytes));
        break;
    }
}

static void send_out(socket_client *c)
{
    static uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    hf_line *const line = &c->live.line;
    while (c->tunnel.read == NULL && hf_line_has_room(line)) { /* else the fetch asks */
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
        if (hf_websocket_emit(c->core, hf_dialer_now(c->live.dialer), &out) == 0)
            return;
        hf_line_put(line, &out);
    }
}

/* What came through the tunnel, and what was left of it. */
static void feed(socket_client *c, hf_bytes bytes, bool fin)
{
    uint8_t nothing[1];
    if (c->over)
        return;
    /* Who asks by PING and leaves us no window for the answers stops the core, but not what comes: the window is opened for all of it. */
    const int32_t lost = hf_queue_length(&c->rest) + bytes.len > REST_MOST ? HF_ERR_WEBSOCKET_CONTROL_FLOOD : hf_queue_append(&c->rest, bytes) ? 0 : HF_ERR_BASE_MEMORY;
    hf_step step = lost == 0 ? HF_EVENT : HF_FAULT;
    if (lost != 0)
        c->closed = (hf_websocket_event){ .kind = HF_WEBSOCKET_CLOSED, .who = HF_WEBSOCKET_WE, .code = HF_WEBSOCKET_ABNORMAL, .err = hf_err_make(lost) };
    while (step == HF_EVENT) {
        hf_websocket_event e;
        const hf_span held = hf_queue_peek(&c->rest);
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = fin };
        step = hf_websocket_step(c->core, hf_dialer_now(c->live.dialer), &in, &e);
        if (step == HF_EVENT)
            deal_with(c, &e);
        hf_queue_take(&c->rest, in.used);
        if (step == HF_IDLE && in.used > 0)
            step = HF_EVENT;
    }
    if (fin && step == HF_FULL) { /* nor is there anybody left to take the answers */
        c->closed = (hf_websocket_event){ .kind = HF_WEBSOCKET_CLOSED, .who = HF_WEBSOCKET_WE, .code = HF_WEBSOCKET_ABNORMAL, .err = hf_err_make(HF_ERR_WEBSOCKET_ABNORMAL) };
        step = HF_FAULT;
    }
    c->over = c->over || step == HF_CLOSED || step == HF_FAULT;
}

static void take_in_tunnel(socket_client *c)
{
    hf_live *const l = &c->live;
    hf_fetch_event e;
    hf_err why = HF_OK;
    size_t unwanted = 0; /* that came when all was over */
    feed(c, hf_bytes_make(NULL, 0), false);
    while (unwanted <= REST_MOST) {
        const hf_step step = hf_fetch_step(&l->fetch, &e, &why);
        if (step == HF_IDLE)
            return;
        unwanted += c->over && step == HF_EVENT && e.kind == HF_FETCH_BODY ? e.body.len : 0;
        if (step == HF_EVENT && e.kind == HF_FETCH_BODY)
            feed(c, e.body, false);
        else if (step != HF_EVENT || e.kind == HF_FETCH_END)
            feed(c, hf_bytes_make(NULL, 0), true);
        if (step != HF_EVENT) {
            l->line.err = l->line.err.code != 0 ? l->line.err : why;
            return;
        }
    }
}

static void take_in(socket_client *c)
{
    hf_line *const line = &c->live.line;
    if (c->tunnel.read != NULL) {
        take_in_tunnel(c);
        return;
    }
    hf_line_pull(line);
    for (;;) {
        hf_websocket_event e;
        const hf_span held = hf_line_peek(line);
        uint8_t nothing[1];
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = line->fin || line->broken };
        const hf_step step = hf_websocket_step(c->core, hf_dialer_now(c->live.dialer), &in, &e);
        if (step == HF_EVENT)
            deal_with(c, &e);
        hf_line_take(line, in.used);
        if (step == HF_FULL)
            send_out(c);
        if (step == HF_CLOSED || step == HF_FAULT)
            c->over = true;
        if (step != HF_EVENT && !(step == HF_IDLE && in.used > 0))
            return;
    }
}

static void run(socket_client *c)
{
    hf_live *const l = &c->live;
    take_in(c); /* what came behind the handshake's answer, in the same segment, is here already */
    while (!c->over) {
        send_lines(c);
        leave(c);
        if (!hf_time_before(hf_dialer_now(l->dialer), c->ping_at)) {
            (void)hf_websocket_ping(c->core, hf_text("")).code; /* closing already is as good */
            c->ping_at = hf_time_after(hf_dialer_now(l->dialer), (int64_t)c->ping_ns);
        }
        send_out(c);
        hf_time until = hf_time_earlier(hf_time_earlier(hf_websocket_wake(c->core), c->tunnel.read != NULL ? hf_fetch_wake(&l->fetch) : hf_line_wake(&l->line)), c->ping_at);
        if (c->may_go)
            until = hf_time_earlier(until, stays_until(c));
        if (hf_dialer_wait(l->dialer, until, wants_input(c) ? STDIN_FILENO : -1))
            read_input(c);
        take_in(c);
    }
    c->ends = true;
    if (c->tunnel.read != NULL) {
        take_in_tunnel(c);
        return;
    }
    send_out(c); /* the answer to Close */
    hf_line_end(&l->line);
    (void)hf_dialer_wait(l->dialer, hf_dialer_now(l->dialer), -1);
    hf_line_pull(&l->line);
}

/* Who closed, and why: said, and whether that is the end. */
static hf_exit tell_end(socket_client *c, bool *again)
{
    hf_live *const l = &c->live;
    const hf_websocket_event *const e = &c->closed;
    const bool ours = e->who == HF_WEBSOCKET_WE, lost = e->code == HF_WEBSOCKET_ABNORMAL || e->err.code != 0;
    *again = lost || (!ours && (e->code == HF_WEBSOCKET_GOING_AWAY || e->code == HF_WEBSOCKET_TRY_LATER || e->code == 1012));
    if (lost)
        snprintf(l->line.words, sizeof l->line.words, "the connection was lost: %s", hf_err_text(l->line.err.code != 0 ? l->line.err : e->err));
    else
        snprintf(l->line.words, sizeof l->line.words, "closed by %s: %u%s%s", ours ? "us" : "the peer", e->code, c->reason[0] != 0 ? " " : "", c->reason);
    if (!*again)
        hf_live_note(l, "%s", l->line.words);
    const bool good = e->code == HF_WEBSOCKET_NORMAL || e->code == HF_WEBSOCKET_NO_CODE || e->code == HF_WEBSOCKET_GOING_AWAY;
    return lost ? HF_EXIT_TCP : good || ours ? HF_EXIT_OK : HF_EXIT_HTTP;
}

static hf_exit take_seconds(const socket_client *c, const char *name, uint64_t *ns)
{
    const hf_given *const given = hf_arguments_find(c->live.arguments, name);
    uint64_t s;
    if (given == NULL)
        return HF_EXIT_OK;
    if (!hf_parse_decimal(hf_text(given->value), &s) || s > 86400)
        return hf_cli_misuse(c->live.cli, "--%s %s: give seconds, at most a day", name, given->value);
    *ns = (uint64_t)HF_SECONDS(s);
    return HF_EXIT_OK;
}

int hf_command_ws(hf_cli *cli, const hf_arguments *arguments)
{
    static socket_client c;
    c = (socket_client){ .wait_ns = (uint64_t)HF_SECONDS(1), .binary = hf_arguments_on(arguments, cli->command, "binary"), .reads = hf_arguments_on(arguments, cli->command, "input") };
    hf_exit result = hf_live_open(&c.live, cli, arguments);
    if (result != HF_EXIT_OK)
        return result;
    hf_queue_init(&c.input, &hf_dialer_env(c.live.dialer)->alloc);
    hf_queue_init(&c.rest, &hf_dialer_env(c.live.dialer)->alloc);
    c.tunnel = (hf_body_source){ .read = c.live.version >= HF_HTTP_2 ? read_core : NULL, .self = &c };
    const hf_given *const protocol = hf_arguments_find(arguments, "protocol");
    c.protocols = hf_text(protocol != NULL ? protocol->value : "");
    result = take_seconds(&c, "wait", &c.wait_ns);
    if (result == HF_EXIT_OK)
        result = take_seconds(&c, "ping", &c.ping_ns);
    for (bool again = true; result == HF_EXIT_OK && again;) {
        hf_exit failed = connect_once(&c);
        if (failed == HF_EXIT_OK) {
            run(&c);
            failed = tell_end(&c, &again);
        }
        result = again ? hf_live_retry(&c.live, failed, c.live.line.words) : failed;
    }
    hf_live_hang_up(&c.live); /* it asks the core for more */
    hf_websocket_free(c.core);
    hf_queue_fini(&c.input);
    hf_queue_fini(&c.rest);
    hf_live_close(&c.live); /* its environment is what they were made from */
    return result;
}
