/* SPDX-License-Identifier: Apache-2.0
 *
 * A server's connection over QUIC and a client of ours, with a seeded network between them. The application answers by path and
 * keeps a table, as the one of secure_rig.h does.
 */
#ifndef HF_TESTS_STACK_HTTP3_RIG_H
#define HF_TESTS_STACK_HTTP3_RIG_H

#include "harness.h"

#include <stdio.h>
#include <strings.h>

#include "http3_caller.h"
#include "identities_generated.h"
#include "random.h"
#include "web.h"

enum { SERVED = 256, FLIGHT = 8192, FILE_BYTES = 300000, LENT_BYTES = 200000 };

typedef struct served {
    hf_exchange x;
    char path[32];
    bool whole, answered, ended, reset, sent, early;
    int32_t why;
    size_t body_seen;
    uint64_t body_sum;
    uint8_t *lent; /* freed when SENT says so: sanitizers find whoever still reads it */
    hf_extent rest;
} served;

typedef struct packet {
    hf_time at;
    uint64_t order;
    hf_quic_path path;
    uint8_t ecn;
    bool to_server;
    size_t length;
    uint8_t *bytes;
} packet;

typedef struct rig {
    hf_test_world world, other;
    hf_random entropy, chance;
    hf_crypto *crypto;
    hf_tls_identity identity;
    hf_bytes protocol;
    hf_tls_config tls[2];
    hf_quic_config config[2];
    hf_quic_endpoint *server_ep, *client_ep;
    hf_web *web;
    hf_web_options options;
    hf_web_event event;
    hf_tls_event question;
    hf_quic_address server, client;
    hf_time now;
    packet *flight;
    size_t flying;
    uint64_t order;
    uint32_t loss, late; /* in millionths */
    int64_t delay_ns;
    uint16_t nat; /* not 0: the port at which the server sees the client; what is sent to another is lost */
    bool cut, no_client, hold_signature, signature_due;
    uint64_t to_client, to_server;
    hf_out out;
    hf_extent pieces[64];
    uint8_t scratch[65536], emitted[65536];
    uint8_t *room;
    hf_file file, fixed;
    uint8_t *fixed_bytes;
    served served[SERVED];
    size_t count;
    bool opened, closed;
    int32_t why;
    caller c;
} rig;

static bool file_changes; /* from now on nothing of it can be read */

static void rig_fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

static uint8_t file_byte(uint64_t at)
{
    return (uint8_t)(at * 13 + at / 257);
}

static hf_err read_file(const hf_file *file, uint64_t offset, void *to, size_t n)
{
    assert_true(offset + n <= file->size);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = file_byte(offset + i);
    return file_changes ? hf_err_make(HF_ERR_IO_FILE_CHANGED) : HF_OK;
}

static uint64_t file_sum(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FILE_BYTES; i++)
        sum = sum * 31 + file_byte(i);
    return sum;
}

/* ---- the application ---------------------------------------------------------------------------------------- */

static served *served_of(rig *r, hf_exchange x)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->served[i].x == x)
            return &r->served[i];
    return NULL;
}

[[maybe_unused]] static served *served_at(rig *r, const char *path)
{
    for (size_t i = r->count; i > 0; i--)
        if (strcmp(r->served[i - 1].path, path) == 0)
            return &r->served[i - 1];
    fail_msg("nobody asked for %s", path);
    return NULL;
}

static void free_lent(served *s)
{
    free(s->lent);
    s->lent = NULL;
}

static void pump(rig *r, served *s)
{
    hf_err err = HF_OK;
    if (s->ended || s->reset)
        return;
    const uint64_t length = hf_extent_length(&s->rest);
    const uint64_t n = length > 0 ? hf_web_put(r->web, s->x, &s->rest, 1, &err) : 0;
    if (err.code == HF_ERR_HTTP3_NO_STREAM)
        return;
    if (err.code != 0) {
        s->ended = true;
        hf_web_cancel(r->web, s->x, err);
        return;
    }
    if (s->rest.kind == HF_EXTENT_FILE) {
        s->rest.offset += n;
        s->rest.length -= n;
    } else if (n > 0) {
        s->rest.bytes = hf_bytes_make(s->rest.bytes.ptr + n, s->rest.bytes.len - (size_t)n);
    }
    if (hf_extent_length(&s->rest) > 0)
        return;
    s->ended = true;
    err = hf_web_end(r->web, s->x, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 });
    if (err.code == HF_ERR_BASE_MEMORY)
        hf_web_cancel(r->web, s->x, err);
}

static void answer(rig *r, served *s, uint16_t status)
{
    s->rest = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(status == 200 ? "hello" : "refused") };
    if (status == 200 && strcmp(s->path, "/file") == 0)
        s->rest = (hf_extent){ .kind = HF_EXTENT_FILE, .token = s->x, .file = &r->file, .length = FILE_BYTES };
    if (status == 200 && strcmp(s->path, "/fixed") == 0)
        s->rest = (hf_extent){ .kind = HF_EXTENT_FILE, .token = s->x, .file = &r->fixed, .length = FILE_BYTES };
    if (status == 200 && strcmp(s->path, "/lent") == 0) {
        s->lent = malloc(LENT_BYTES);
        for (size_t i = 0; i < LENT_BYTES; i++)
            s->lent[i] = file_byte(i);
        s->rest = (hf_extent){ .kind = HF_EXTENT_LENT, .token = s->x, .bytes = hf_bytes_make(s->lent, LENT_BYTES) };
    }
    if (status == 200 && strcmp(s->path, "/empty") == 0)
        s->rest.bytes.len = 0;
    static const hf_field fields[] = { { HF_LITERAL("X-Name"), HF_LITERAL("a value that is worth an entry of QPACK's table"), HF_FIELD_OTHER } };
    const hf_response_head head = { .status = status, .content_length = (int64_t)hf_extent_length(&s->rest), .fields = { fields, 1 } };
    s->answered = true;
    const hf_err err = hf_web_respond(r->web, s->x, &head);
    if (err.code == HF_ERR_BASE_MEMORY) {
        s->ended = true;
        hf_web_cancel(r->web, s->x, err);
    } else if (err.code == 0) {
        pump(r, s);
    }
}

static served *open_served(rig *r, hf_exchange x, const hf_request_head *head)
{
    assert_null(served_of(r, x)); /* a number is never used twice */
    assert_true(r->count < SERVED);
    served *s = &r->served[r->count++];
    *s = (served){ .x = x };
    if (head != NULL)
        snprintf(s->path, sizeof s->path, "%.*s", HF_STR(head->path));
    return s;
}

/* Another answer goes with this one, if the client takes it. */
static void promise(rig *r, const served *s)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .method_name = hf_text("GET"), .scheme = hf_text("https"),
        .authority = hf_text("localhost"), .path = hf_text("/file"), .version = HF_HTTP_3, .content_length = HF_LENGTH_NONE };
    hf_exchange promised = 0;
    if (!hf_web_can_push(r->web) || hf_web_push(r->web, s->x, &head, &promised).code != 0)
        return;
    served *const also = open_served(r, promised, &head);
    also->whole = true;
    answer(r, also, 200);
}

static void deal(rig *r, const hf_web_event *e)
{
    served *s = served_of(r, e->exchange);
    switch (e->kind) {
    case HF_WEB_REQUEST:
        s = open_served(r, e->exchange, e->head);
        assert_int_equal(e->head->version, HF_HTTP_3);
        s->early = e->early;
        break;
    case HF_WEB_BODY:
        assert_non_null(s);
        if (strcmp(s->path, "/untaken") == 0)
            break;
        s->body_seen += e->body.len;
        s->body_sum = caller_sum(s->body_sum, e->body);
        hf_web_take(r->web, e->exchange, e->body.len);
        break;
    case HF_WEB_END:
        assert_non_null(s);
        s->whole = true;
        if (strcmp(s->path, "/pushes") == 0)
            promise(r, s);
        if (!s->answered && strcmp(s->path, "/late") != 0)
            answer(r, s, 200);
        break;
    case HF_WEB_REFUSED:
        s = s != NULL ? s : open_served(r, e->exchange, e->head);
        s->why = e->fault->err.code;
        if (!s->answered)
            answer(r, s, e->fault->status);
        break;
    case HF_WEB_SENT:
        if (s != NULL) {
            assert_true(s->lent != NULL || s->rest.kind == HF_EXTENT_FILE || s->reset || s->ended);
            s->sent = true;
            free_lent(s);
        }
        break;
    case HF_WEB_RESET:
        assert_non_null(s);
        assert_false(s->reset);
        s->reset = true;
        s->why = e->err.code;
        break;
    case HF_WEB_WRITABLE:
        if (s != NULL && s->answered)
            pump(r, s);
        break;
    case HF_WEB_OPENED: r->opened = true; break;
    case HF_WEB_WANT_SIGN:
        r->signature_due = r->hold_signature;
        r->question = *e->tls; /* what it points to is lent until the answer */
        if (!r->hold_signature)
            hf_web_sign_here(r->web, e);
        break;
    case HF_WEB_WANT_VERIFY: hf_web_answer_verify(r->web, HF_OK); break;
    case HF_WEB_TRAILERS: break;
    case HF_WEB_CLOSED:
        assert_false(r->closed);
        r->closed = true;
        r->why = e->err.code;
        break;
    }
}

/* The server's turn, until it is idle. */
static void drive(rig *r)
{
    hf_step s = HF_IDLE;
    if (r->web == NULL)
        return;
    memset(&r->event, 0xee, sizeof r->event); /* whoever reads what was not filled will be found out */
    for (size_t i = 0; i < 1000000; i++) {
        s = hf_web_step(r->web, r->now, &r->out, &r->event);
        if (s != HF_EVENT)
            break;
        deal(r, &r->event);
    }
    assert_true(s == HF_IDLE || s == HF_CLOSED);
    assert_true(hf_time_before(r->now, hf_web_wake(r->web))); /* else the loop would spin */
}

/* ---- the network -------------------------------------------------------------------------------------------- */

static void fly(rig *r, bool to_server, const hf_quic_output *o, const uint8_t *bytes, size_t n)
{
    *(to_server ? &r->to_server : &r->to_client) += n;
    if (r->cut || hf_random_chance(&r->chance, r->loss) || r->flying == FLIGHT)
        return;
    if (!to_server && r->nat != 0 && o->path.remote.port != r->nat)
        return;
    packet p = { .at = hf_time_after(r->now, r->delay_ns), .order = r->order++, .ecn = o->ecn, .to_server = to_server, .length = n,
        .path = { to_server ? r->server : r->client, to_server ? r->client : r->server } };
    if (to_server && r->nat != 0)
        p.path.remote.port = r->nat;
    if (hf_random_chance(&r->chance, r->late))
        p.at = hf_time_after(p.at, (int64_t)hf_random_below(&r->chance, HF_MILLISECONDS(30)));
    p.bytes = malloc(n);
    memcpy(p.bytes, bytes, n);
    r->flight[r->flying++] = p;
}

static bool emit(rig *r, hf_quic_endpoint *ep, bool to_server)
{
    hf_extent pieces[2];
    hf_out out = { .pieces = pieces, .capacity = 2, .scratch = r->emitted, .scratch_capacity = sizeof r->emitted, .room = UINT64_MAX };
    hf_quic_output o;
    if (!hf_quic_endpoint_emit(ep, r->now, &out, &o))
        return false;
    const size_t segment = o.segment > 0 ? o.segment : o.length;
    for (size_t at = 0; at < o.length; at += segment)
        fly(r, to_server, &o, r->emitted + at, o.length - at < segment ? o.length - at : segment);
    return true;
}

static void serve(rig *r)
{
    hf_quic_endpoint_event e;
    drive(r); /* commands of the test */
    for (bool more = true; more;) {
        more = false;
        while (hf_quic_endpoint_step(r->server_ep, r->now, &e) == HF_EVENT) {
            if (e.kind == HF_QUIC_ACCEPTED && r->web == NULL) {
                hf_quic_set_user(e.quic, r);
                r->web = hf_web_new_http3(&r->world.env, 1, e.quic, &r->options, r->now);
            }
            more = true;
            drive(r);
        }
        while (emit(r, r->server_ep, false))
            more = true;
    }
}

static void call_turn(rig *r)
{
    hf_quic_endpoint_event e;
    for (bool more = true; more;) {
        while (hf_quic_endpoint_step(r->client_ep, r->now, &e) == HF_EVENT)
            ;
        if (!r->no_client)
            caller_turn(&r->c, r->now);
        more = emit(r, r->client_ep, true);
    }
}

/* One moment: what is due arrives, both sides have their turn. Returns when something is due next. */
static hf_time moment(rig *r)
{
    for (;;) {
        size_t first = r->flying;
        for (size_t i = 0; i < r->flying; i++)
            if (!hf_time_before(r->now, r->flight[i].at) && (first == r->flying || r->flight[i].at.ns < r->flight[first].at.ns ||
                (r->flight[i].at.ns == r->flight[first].at.ns && r->flight[i].order < r->flight[first].order)))
                first = i;
        if (first == r->flying)
            break;
        packet p = r->flight[first];
        r->flight[first] = r->flight[--r->flying];
        const hf_quic_input in = { .path = p.path, .ecn = p.ecn, .bytes = { p.bytes, p.length } };
        (void)!hf_quic_endpoint_input(p.to_server ? r->server_ep : r->client_ep, r->now, &in).code;
        free(p.bytes);
    }
    serve(r);
    call_turn(r);
    hf_time at = hf_time_earlier(hf_quic_endpoint_wake(r->server_ep), hf_quic_endpoint_wake(r->client_ep));
    if (r->web != NULL)
        at = hf_time_earlier(at, hf_web_wake(r->web));
    if (r->c.http3 != NULL && !r->c.over && !r->no_client)
        at = hf_time_earlier(at, hf_http3_wake(r->c.http3));
    for (size_t i = 0; i < r->flying; i++)
        at = hf_time_earlier(at, r->flight[i].at);
    return at;
}

/* Until `done` says so, or for so long. */
static void run_until(rig *r, bool (*done)(rig *r), int64_t ns)
{
    const hf_time end = hf_time_after(r->now, ns);
    for (int i = 0; i < 1000000; i++) {
        const hf_time at = moment(r);
        if (done != NULL && done(r))
            return;
        if (!hf_time_before(at, end))
            break;
        r->now = hf_time_before(r->now, at) ? at : hf_time_after(r->now, 1000);
    }
    r->now = end;
}

[[maybe_unused]] static void run(rig *r, int64_t ns)
{
    run_until(r, NULL, ns);
}

static bool is_open(rig *r)
{
    return r->opened && r->c.confirmed;
}
[[maybe_unused]] static bool is_answered(rig *r)
{
    return r->c.over || caller_is_done(&r->c);
}
[[maybe_unused]] static bool is_closed(rig *r)
{
    return r->closed && r->c.over;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void setup_world(rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    file_changes = false;
    hf_test_world_init(&r->world, seed);
    hf_test_world_init(&r->other, seed + 1);
    hf_random_seed(&r->entropy, seed + 2);
    hf_random_seed(&r->chance, seed + 3);
    const hf_entropy entropy = { rig_fill, &r->entropy };
    r->crypto = hf_crypto_new(&r->other.env, &entropy);
    assert_non_null(r->crypto);
    assert_int_equal(hf_chain_load(r->crypto, hf_text(identity_p256_pem), &r->identity.chain).code, 0);
    assert_int_equal(hf_key_load(r->crypto, hf_text(identity_p256_key), &r->identity.key).code, 0);
    r->protocol = hf_text("h3");
    r->tls[0] = (hf_tls_config){ .crypto = r->crypto, .identities = &r->identity, .identity_count = 1, .protocols = &r->protocol,
        .protocol_count = 1 };
    r->tls[1] = (hf_tls_config){ .crypto = r->crypto, .protocols = &r->protocol, .protocol_count = 1 };
    for (int i = 0; i < 2; i++)
        r->config[i] = (hf_quic_config){ .tls = &r->tls[i], .secret = { (uint8_t)(i + 1) }, .accept = i == 0 };
    r->server = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 192, 0, 2, 1 }, .port = 443 };
    r->client = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 192, 0, 2, 9 }, .port = 50000 };
    r->now = hf_time_make(HF_SECONDS(1000));
    r->delay_ns = HF_MILLISECONDS(10);
    r->flight = malloc(FLIGHT * sizeof *r->flight);
    r->room = malloc(HF_WEB_ROOM);
    r->options = (hf_web_options){ .room = { r->room, HF_WEB_ROOM }, .read = read_file, .http2.connect_protocol = true };
    r->out = (hf_out){ .pieces = r->pieces, .capacity = HF_COUNT(r->pieces), .scratch = r->scratch,
        .scratch_capacity = sizeof r->scratch, .room = UINT64_MAX };
    r->fixed_bytes = malloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        r->fixed_bytes[i] = file_byte(i);
    r->file = (hf_file){ .handle = 3, .size = FILE_BYTES };
    r->fixed = (hf_file){ .handle = 4, .size = FILE_BYTES, .fixed = r->fixed_bytes };
}

static void start(rig *r)
{
    const hf_quic_target target = { .path = { r->client, r->server }, .host = hf_text("localhost") };
    r->server_ep = hf_quic_endpoint_new(&r->world.env, &r->config[0], r->now);
    r->client_ep = hf_quic_endpoint_new(&r->other.env, &r->config[1], r->now);
    if (r->server_ep != NULL)
        assert_true(caller_begin(&r->c, &r->other.env, r->client_ep, r->now, &target));
}

[[maybe_unused]] static void setup(rig *r, uint64_t seed)
{
    setup_world(r, seed);
    start(r);
    run_until(r, is_open, HF_SECONDS(9));
    assert_true(r->opened && r->c.confirmed);
}

static void teardown(rig *r)
{
    hf_web_free(r->web);
    caller_free(&r->c);
    hf_quic_endpoint_free(r->server_ep);
    hf_quic_endpoint_free(r->client_ep);
    for (size_t i = 0; i < r->flying; i++)
        free(r->flight[i].bytes);
    for (size_t i = 0; i < r->count; i++)
        free_lent(&r->served[i]);
    free(r->flight);
    free(r->room);
    free(r->fixed_bytes);
    hf_chain_free(r->identity.chain);
    hf_key_free(r->identity.key);
    hf_crypto_free(r->crypto);
    hf_test_world_fini(&r->world);
    hf_test_world_fini(&r->other);
}

/* The place in the table of what was asked: calls move. */
[[maybe_unused]] static call *get(rig *r, const char *path)
{
    call *const k = caller_ask(&r->c, "GET", path, hf_text("localhost"), hf_bytes_make(NULL, 0), (hf_fields){ 0 });
    assert_non_null(k);
    return k;
}

[[maybe_unused]] static call *post(rig *r, const char *path, const void *bytes, size_t n)
{
    call *const k = caller_ask(&r->c, "POST", path, hf_text("localhost"), hf_bytes_make(bytes, n), (hf_fields){ 0 });
    assert_non_null(k);
    return k;
}

#endif
