/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole connection of a server - TLS or plain, HTTP/1 or HTTP/2 - under hostile plaintext, with an application that obeys
 * no order, a pier that blocks, files that change and memory that ends. What is lent is freed as soon as SENT allows it, so
 * that the sanitizers find whoever still reads it.
 * Byte 0: 1 TLS, 2 ALPN h2, 4 memory ends, 8 the pier blocks, 16 files change. Byte 1: the seed. The rest is what the client says.
 */
#include <stdlib.h>

#include "fuzz_memory.h"
#include "identities_generated.h"
#include "panic.h"
#include "random.h"
#include "web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 64, LENDINGS = 4096, BUFFER = 1 << 20 };

typedef struct lending {
    hf_exchange x;
    uint8_t *bytes;
    bool gone;
} lending;

typedef struct world {
    uint8_t mode;
    hf_random random;
    hf_env env, client_env;
    hf_limits limits;
    fuzz_memory memory;
    hf_time now;
    hf_web *web;
    hf_tls *client;
    /* the pier */
    uint8_t *coming; /* a copy of what is shown, made anew with each event */
    size_t coming_length, shown, taken;
    hf_extent pieces[PIECES];
    uint8_t *copies[PIECES];
    size_t first, count;
    uint64_t tokens[LENDINGS];
    size_t token_first, token_count;
    bool blocked, fin_told, reset, fin;
    /* the application */
    lending lendings[LENDINGS];
    size_t lent;
    hf_exchange open[64];
    size_t opened;
    hf_exchange ended[64]; /* their end was given: what was put leaves */
    size_t ends;
    hf_file file;
} world;

static world w;
static hf_random entropy;
static hf_crypto *crypto;
static hf_tls_identity identity;
static uint8_t room[HF_WEB_ROOM], said[BUFFER], heard[BUFFER];
static size_t said_length, heard_length;

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

static unsigned pick(unsigned n)
{
    return (unsigned)hf_random_below(&w.random, n);
}

/* ---- the pier ----------------------------------------------------------------------------------------------- */

static void hear(const uint8_t *p, size_t n)
{
    if (heard_length + n > BUFFER)
        heard_length = 0; /* nobody listens that long */
    for (size_t i = 0; i < n; i++)
        heard[heard_length++] = p != NULL ? p[i] : 'F';
}

/* Sends what leaves now. */
static void push(void)
{
    while (w.first < w.count && !(w.mode & 8 && pick(3) == 0)) {
        const hf_extent *const e = &w.pieces[w.first];
        hear(e->kind == HF_EXTENT_FILE ? NULL : e->bytes.ptr, hf_extent_length(e) < BUFFER ? (size_t)hf_extent_length(e) : 0);
        free(w.copies[w.first++]);
        if (e->token != 0 && w.token_count < LENDINGS)
            w.tokens[(w.token_first + w.token_count++) % LENDINGS] = e->token;
    }
    if (w.first == w.count)
        w.first = w.count = 0;
}

static uint64_t put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    uint64_t total = 0;
    (void)self, (void)lane;
    if (w.count > 0 || w.reset) {
        w.blocked = true;
        return 0;
    }
    HF_ASSERT(count <= PIECES);
    for (size_t i = 0; i < count; i++) {
        w.pieces[i] = extents[i];
        w.copies[i] = NULL;
        if (extents[i].kind == HF_EXTENT_COPIED && extents[i].bytes.len > 0) {
            w.copies[i] = malloc(extents[i].bytes.len);
            memcpy(w.copies[i], extents[i].bytes.ptr, extents[i].bytes.len);
            w.pieces[i].bytes.ptr = w.copies[i];
        }
        total += hf_extent_length(&extents[i]);
    }
    w.count = count;
    push();
    w.blocked |= w.count > 0;
    return total;
}

static uint64_t unsent(const void *self, hf_lane lane)
{
    uint64_t n = 0;
    (void)self, (void)lane;
    for (size_t i = w.first; i < w.count; i++)
        n += hf_extent_length(&w.pieces[i]) + 1;
    return n;
}

static void show(size_t more)
{
    uint8_t *const fresh = malloc(w.shown + more - w.taken + 1);
    memcpy(fresh, w.coming, w.shown - w.taken);
    memcpy(fresh + w.shown - w.taken, said + w.shown, more);
    free(w.coming);
    w.coming = fresh;
    w.coming_length = w.shown + more - w.taken;
    w.shown += more;
}

static hf_step event(void *self, hf_time now, hf_pier_event *e)
{
    (void)self, (void)now;
    *e = (hf_pier_event){ 0 };
    show(0);
    push();
    if (w.reset)
        return HF_FAULT;
    if (w.token_count > 0) {
        *e = (hf_pier_event){ .kind = HF_PIER_RELEASED, .token = w.tokens[w.token_first] };
        w.token_first = (w.token_first + 1) % LENDINGS;
        w.token_count--;
        return HF_EVENT;
    }
    if (w.blocked && w.count == 0) {
        w.blocked = false;
        e->kind = HF_PIER_WRITABLE;
        return HF_EVENT;
    }
    if (w.shown < said_length && w.coming_length < 65536) {
        const size_t left = said_length - w.shown, some = 1 + pick(pick(4) == 0 ? 9 : 20000);
        show(some < left ? some : left);
        e->kind = HF_PIER_READABLE;
        return HF_EVENT;
    }
    if (w.fin && !w.fin_told && w.shown == said_length) {
        w.fin_told = true;
        *e = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_FIN, 0 } };
        return HF_EVENT;
    }
    return HF_IDLE;
}

static hf_span peek(void *self, hf_lane lane)
{
    (void)self, (void)lane;
    return (hf_span){ w.coming + (w.coming_length - (w.shown - w.taken)), w.shown - w.taken };
}

static void take(void *self, hf_lane lane, size_t n)
{
    (void)self, (void)lane;
    HF_ASSERT(n <= w.shown - w.taken);
    w.taken += n;
}

static hf_err end(void *self, hf_lane lane, hf_ending ending)
{
    (void)self, (void)lane;
    w.reset |= ending.kind == HF_ENDING_RESET;
    return HF_OK;
}

static hf_err open_lane(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static hf_err read_file(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    (void)self;
    HF_ASSERT(offset + n <= file->size);
    if (w.mode & 16 && pick(4) == 0)
        return hf_err_make(HF_ERR_IO_FILE_CHANGED);
    memset(to, 'F', n);
    return HF_OK;
}

static void let_go(void *self)
{
    (void)self;
    for (; w.first < w.count; w.first++)
        free(w.copies[w.first]);
    w.first = w.count = 0;
}

/* That the last bytes are the last is a hint, which a pier may miss. */
static void last_hint(void *self, hf_lane lane)
{
    (void)self;
    (void)lane;
}

static const hf_pier_ops ops = { .name = "fuzz", .can = HF_PIER_TAKES_FILES, .event = event, .peek = peek, .take = take, .put = put, .end = end,
    .open = open_lane, .unsent = unsent, .free = let_go, .read = read_file, .last = last_hint };

/* ---- the application ---------------------------------------------------------------------------------------- */

/* Frees the oldest that was lent for x; of an exchange that is gone, all. */
static void release(hf_exchange x)
{
    bool more = true;
    for (size_t i = 0; i < w.lent && more; i++)
        if (w.lendings[i].x == x && w.lendings[i].bytes != NULL) {
            free(w.lendings[i].bytes);
            w.lendings[i].bytes = NULL;
            more = w.lendings[i].gone;
        }
}

static void give_up(hf_exchange x)
{
    for (size_t i = 0; i < w.lent; i++)
        w.lendings[i].gone |= w.lendings[i].x == x;
}

static hf_extent some_extent(hf_exchange x)
{
    const size_t n = 1 + (pick(3) == 0 ? pick(100000) : pick(200));
    const unsigned kind = pick(3);
    if (kind == 0)
        return (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(room, n < 5000 ? n : 5000) };
    uint8_t *const bytes = malloc(n + 1);
    memset(bytes, 'L', n + 1);
    w.lendings[w.lent++] = (lending){ x, bytes, false };
    if (kind == 1)
        return (hf_extent){ .kind = HF_EXTENT_FILE, .token = x, .file = &w.file, .length = n };
    return (hf_extent){ .kind = HF_EXTENT_LENT, .token = x, .bytes = hf_bytes_make(bytes, n) };
}

static bool is_ended(hf_exchange x)
{
    for (size_t i = 0; i < w.ends && i < 64; i++)
        if (w.ended[i] == x)
            return true;
    return w.ends > 64; /* forgotten */
}

static void drop_last(void)
{
    free(w.lendings[--w.lent].bytes);
}

/* Does something for an exchange, whether it makes sense or not. */
static void meddle(hf_exchange x)
{
    const hf_field field = { .name = hf_text("X-A"), .value = hf_text("b") };
    const hf_response_head head = { .status = (uint16_t)(pick(8) == 0 ? 103 : 200), .fields = { &field, 1 },
        .content_length = pick(2) == 0 ? HF_LENGTH_UNKNOWN : (int64_t)pick(300) };
    const hf_ending ending = { pick(9) == 0 ? HF_ENDING_RESET : HF_ENDING_FIN, 0 };
    hf_err err = HF_OK;
    switch (pick(8)) {
    case 0:
    case 1: err = hf_web_respond(w.web, x, &head); break;
    case 2:
    case 3:
    case 4:
        if (w.lent < LENDINGS) {
            const hf_extent e = some_extent(x);
            if (hf_web_put(w.web, x, &e, 1, &err) == 0 && e.kind != HF_EXTENT_COPIED)
                drop_last(); /* what was not taken is not read */
        }
        break;
    case 5:
        err = hf_web_end(w.web, x, ending, (hf_fields){ 0 });
        if (ending.kind == HF_ENDING_RESET && err.code == 0)
            give_up(x);
        else if (err.code == 0)
            w.ended[w.ends++ % 64] = x;
        break;
    case 6:
        if (pick(6) > 0)
            break;
        if (!is_ended(x))
            give_up(x);
        hf_web_cancel(w.web, x, hf_err_make(HF_ERR_HTTP_HANDLER));
        break;
    default: {
        const unsigned urgency = pick(8);
        if (pick(2) == 0 && urgency < 2)
            hf_web_pace(w.web, x, (hf_pace){ (uint64_t)HF_MILLISECONDS(urgency + 1), 1000 * urgency });
        else
            hf_web_prioritise(w.web, x, urgency, urgency == 5);
        break;
    }
    }
    (void)err;
}

static void deal(const hf_web_event *e)
{
    switch (e->kind) {
    case HF_WEB_REQUEST:
    case HF_WEB_REFUSED:
        HF_ASSERT(e->kind == HF_WEB_REQUEST ? e->head != NULL : e->fault != NULL && e->fault->err.code != 0);
        w.open[w.opened++ % 64] = e->exchange;
        break;
    case HF_WEB_BODY:
        if (pick(4) > 0)
            hf_web_take(w.web, e->exchange, pick(4) > 0 ? e->body.len : pick((unsigned)e->body.len + 1));
        break;
    case HF_WEB_SENT: release(e->exchange); break;
    case HF_WEB_RESET: give_up(e->exchange); break;
    case HF_WEB_WANT_SIGN: hf_web_sign_here(w.web, e); break;
    case HF_WEB_WANT_VERIFY: hf_web_answer_verify(w.web, HF_OK); break;
    default: break;
    }
    for (unsigned i = pick(6); i > 0 && w.opened > 0 && e->kind != HF_WEB_CLOSED; i--)
        meddle(w.open[pick(w.opened < 64 ? (unsigned)w.opened : 64)]);
}

static bool drive(void)
{
    static uint8_t scratch[16384];
    hf_extent pieces[PIECES];
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    for (int i = 0; i < 100000; i++) {
        hf_web_event e;
        const hf_step s = hf_web_step(w.web, w.now, &out, &e);
        if (s != HF_EVENT) {
            HF_ASSERT(s == HF_IDLE || s == HF_CLOSED);
            HF_ASSERT(hf_time_before(w.now, hf_web_wake(w.web)));
            return s == HF_IDLE;
        }
        deal(&e);
    }
    hf_panic(__FILE__, __LINE__, "it never rests");
}

/* ---- the client --------------------------------------------------------------------------------------------- */

static void say(const uint8_t *p, size_t n)
{
    if (said_length + n <= BUFFER) {
        memcpy(said + said_length, p, n);
        said_length += n;
    }
}

static void client_turn(void)
{
    static uint8_t scratch[1 << 17];
    for (int i = 0; i < 1000; i++) {
        uint8_t nothing[1];
        hf_tls_event e;
        hf_in in = { .ptr = heard_length > 0 ? heard : nothing, .len = heard_length };
        const hf_step s = hf_tls_step(w.client, w.now, &in, &e);
        memmove(heard, heard + in.used, heard_length - in.used);
        heard_length -= in.used;
        if (s == HF_EVENT && e.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(w.client, HF_OK);
        hf_tls_take(w.client, hf_tls_peek(w.client).len);
        if (s != HF_EVENT)
            break;
    }
    for (;;) {
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_tls_emit(w.client, w.now, &out) == 0)
            return;
        for (size_t i = 0; i < out.count; i++)
            say(out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
    }
}

static void once(void)
{
    static const hf_entropy seeded = { fill, &entropy };
    static const hf_random any = { { 1, 2, 3, 4 } };
    static hf_env env;
    static hf_random random;
    if (crypto != NULL)
        return;
    random = any;
    env = (hf_env){ .alloc = fuzz_alloc(NULL), .random = &random, .limits = hf_limits_default() };
    crypto = hf_crypto_new(&env, &seeded);
    HF_ASSERT(crypto != NULL && hf_chain_load(crypto, hf_text(identity_p256_pem), &identity.chain).code == 0);
    HF_ASSERT(hf_key_load(crypto, hf_text(identity_p256_key), &identity.key).code == 0);
}

static void talk(const uint8_t *data, size_t size)
{
    bool alive = drive();
    for (int i = 0; w.client != NULL && i < 6; i++) {
        client_turn();
        alive = alive && drive();
    }
    for (size_t at = 0; at < size;) {
        const size_t left = size - at, n = left < 1000 ? left : 1 + pick((unsigned)left);
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(data + at, n) };
        if (w.client != NULL)
            (void)hf_tls_put(w.client, &e, 1);
        else
            say(data + at, n);
        if (w.client != NULL)
            client_turn();
        at += n;
        alive = alive && drive();
    }
    w.fin = true;
    for (int i = 0; i < 40 && alive; i++) {
        if (w.client != NULL)
            client_turn();
        w.now = hf_time_after(w.now, pick(4) == 0 ? HF_SECONDS(7) : HF_MILLISECONDS(10));
        if (w.opened > 0)
            meddle(w.open[pick(w.opened < 64 ? (unsigned)w.opened : 64)]);
        alive = drive();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000)
        return 0;
    once();
    w = (world){ .mode = data[0], .now = hf_time_make(HF_SECONDS(1)), .file = { .size = 1 << 20 } };
    said_length = heard_length = 0;
    hf_random_seed(&w.random, data[1]);
    hf_random_seed(&w.memory.random, data[1] + 1u);
    w.memory.one_in = w.mode & 4 ? 30 : 0;
    hf_random_seed(&entropy, 1);
    w.limits = *hf_limits_default();
    w.limits.output_bytes = 8192;
    w.env = (hf_env){ .alloc = fuzz_alloc(&w.memory), .random = &w.random, .limits = &w.limits };
    w.client_env = (hf_env){ .alloc = fuzz_alloc(NULL), .random = &w.random, .limits = hf_limits_default() };
    static const hf_bytes protocols[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    const hf_tls_config config = { .crypto = crypto, .identities = &identity, .identity_count = 1, .protocols = protocols, .protocol_count = 2 };
    const hf_tls_config client = { .crypto = crypto, .protocols = protocols + (w.mode & 2 ? 0 : 1), .protocol_count = 1 };
    const hf_web_options options = { .tls = w.mode & 1 ? &config : NULL, .room = { room, sizeof room }, .redirect_plain = w.mode & 32 };
    w.coming = malloc(1);
    w.web = hf_web_new(&w.env, 1, (hf_pier){ &ops, NULL }, &options, w.now);
    if (w.web != NULL) {
        if (w.mode & 1 && !(w.mode & 64)) /* 64: the bytes come as they are */
            w.client = hf_tls_client_new(&w.client_env, &client, 2, w.now, hf_text("localhost"), hf_text(""));
        talk(data + 2, size - 2);
        hf_web_free(w.web);
        hf_tls_free(w.client);
    }
    for (size_t i = 0; i < w.lent; i++)
        free(w.lendings[i].bytes);
    free(w.coming);
    HF_ASSERT(w.memory.held == 0);
    return 0;
}
