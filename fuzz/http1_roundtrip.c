/* SPDX-License-Identifier: Apache-2.0
 *
 * What our client writes, our server reads as the same: head, body and trailers. Byte 0: framing of the body; then
 * method, target, and names and values of fields, each ended by a zero byte; the last part is the body. Pieces and output are cut
 * by chance. Once more an allocation fails, on one of the sides: nothing false arrives, and nothing leaks. Time is for the drivers.
 */
#include "http1_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 };

/* The allocations that fail, and those that there were: of the client, and of the server. */
typedef struct failing {
    size_t at, calls;
} failing;

static bool failed(const drive *d)
{
    return fuzz_memory_failed(&d->memory);
}

static hf_bytes cut(hf_bytes *rest)
{
    const uint8_t *const zero = rest->len > 0 ? memchr(rest->ptr, 0, rest->len) : NULL;
    const hf_bytes part = hf_bytes_make(rest->ptr, zero == NULL ? rest->len : (size_t)(zero - rest->ptr));
    const size_t gone = part.len + (zero != NULL);
    *rest = hf_bytes_make(rest->ptr + gone, rest->len - gone);
    return part;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* What the wire keeps of a value: white space around it is not part of it. */
static hf_bytes trimmed(hf_bytes b)
{
    while (b.len > 0 && is_blank(b.ptr[0]))
        b = hf_bytes_make(b.ptr + 1, b.len - 1);
    while (b.len > 0 && is_blank(b.ptr[b.len - 1]))
        b.len--;
    return b;
}

static void check_request(const hf_request_head *sent, const hf_request_head *got)
{
    HF_ASSERT(hf_bytes_equal(sent->method_name, got->method_name) && hf_bytes_equal(sent->target, got->target));
    HF_ASSERT(got->fields.count >= sent->fields.count);
    for (size_t i = 0; i < sent->fields.count; i++) {
        HF_ASSERT(hf_bytes_equal(sent->fields.at[i].name, got->fields.at[i].name));
        HF_ASSERT(hf_bytes_equal(trimmed(sent->fields.at[i].value), got->fields.at[i].value));
    }
    HF_ASSERT(sent->content_length == got->content_length ||
              (sent->content_length == HF_LENGTH_NONE && got->content_length == 0));
}

/* The server reads all of it: the request, its body, its end, and nothing else. */
static void receive(const uint8_t *bytes, size_t n, const hf_request_head *sent, hf_bytes body, size_t trailers, failing *fails)
{
    static drive d;
    drive_init(&d, 1);
    d.memory.fail_at = fails->at;
    d.limits = *hf_limits_default();
    d.h = hf_http1_server_new(&d.env, 1, d.now);
    HF_ASSERT(d.h != NULL || failed(&d));
    if (d.h == NULL)
        return;
    size_t got = 0;
    uint8_t *const copy = malloc(n);
    HF_ASSERT(copy != NULL);
    memcpy(copy, bytes, n);
    hf_in in = { .ptr = copy, .len = n };
    hf_http1_event e = { .kind = HF_HTTP1_REFUSED };
    while (hf_http1_step(d.h, d.now, &in, &e) == HF_EVENT) {
        if (e.kind == HF_HTTP1_REFUSED) {
            /* what only a server judges: the target's form, Host, Expect, the number of fields */
            const int32_t code = hf_http1_fault(d.h)->err.code;
            HF_ASSERT(code >> 16 == HF_AREA_HTTP || code == HF_ERR_HTTP1_HOST_MISSING || code == HF_ERR_HTTP1_HOST_REPEATED ||
                      code == HF_ERR_HTTP1_EXPECT_UNKNOWN || failed(&d));
            break;
        }
        if (e.kind == HF_HTTP1_REQUEST)
            check_request(sent, &e.request);
        if (e.kind == HF_HTTP1_TRAILERS)
            HF_ASSERT(e.trailers.count == trailers);
        if (e.kind == HF_HTTP1_BODY) {
            HF_ASSERT(got + e.body.len <= body.len && memcmp(body.ptr + got, e.body.ptr, e.body.len) == 0);
            got += e.body.len;
            hf_http1_take(d.h, e.body.len);
        }
        if (e.kind == HF_HTTP1_END)
            HF_ASSERT(got == body.len && in.used == in.len);
        in = (hf_in){ .ptr = in.ptr + in.used, .len = in.len - in.used };
    }
    HF_ASSERT(e.kind == HF_HTTP1_REFUSED || e.kind == HF_HTTP1_END || failed(&d));
    free(copy);
    hf_http1_free(d.h);
    fails->calls = d.memory.calls;
    HF_ASSERT(d.memory.held == 0);
}

/* The body, in pieces; false: memory ended. */
static bool put(drive *d, hf_bytes body)
{
    for (size_t at = 0; at < body.len;) {
        const size_t n = 1 + hf_random_below(&d->random, body.len - at);
        const hf_extent e = { .kind = n % 2 == 0 ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .bytes = hf_bytes_make(body.ptr + at, n) };
        const size_t taken = (size_t)hf_http1_put(d->h, &e, 1, NULL);
        at += taken;
        if (drive_emit(d, 1 + n % 500, 1 + n % 7, 1 + n) == 0 && taken == 0 && failed(d))
            return false;
    }
    return true;
}

static void run(const uint8_t *data, size_t size, failing *client, failing *server)
{
    static drive d;
    hf_bytes rest = hf_bytes_make(data + 1, size - 1);
    hf_field fields[MOST];
    hf_request_head head = { .method_name = cut(&rest), .target = cut(&rest) };
    if (head.method_name.len == 0)
        return;
    size_t count = 0;
    while (count < MOST && count < data[0] >> 4) {
        fields[count].name = cut(&rest);
        fields[count].value = cut(&rest);
        fields[count].id = HF_FIELD_OTHER;
        count++;
    }
    head.fields = (hf_fields){ fields, count };
    const bool chunked = (data[0] & 1) != 0;
    head.content_length = chunked ? HF_LENGTH_UNKNOWN : rest.len == 0 && (data[0] & 2) != 0 ? HF_LENGTH_NONE : (int64_t)rest.len;
    drive_init(&d, data[0]);
    d.memory.fail_at = client->at;
    d.limits = *hf_limits_default();
    d.h = hf_http1_client_new(&d.env, 1, d.now);
    HF_ASSERT(d.h != NULL || failed(&d));
    if (d.h != NULL && hf_http1_request(d.h, &head).code == 0 && put(&d, rest)) {
        const hf_field trailer = { HF_LITERAL("Sum"), HF_LITERAL("1"), HF_FIELD_OTHER };
        const hf_err err = hf_http1_end(d.h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ &trailer, chunked });
        HF_ASSERT(err.code == 0 || failed(&d));
        drive_flush(&d);
        if (err.code == 0)
            receive(d.out, d.out_length, &head, rest, chunked, server);
    }
    hf_http1_free(d.h);
    client->calls = d.memory.calls;
    HF_ASSERT(d.memory.held == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    failing client = { 0 }, server = { 0 };
    if (size < 1 || size > 4096)
        return 0;
    run(data, size, &client, &server);
    const size_t calls = client.calls + server.calls, at = calls > 0 ? 1 + fuzz_choice(data, size) % calls : 0;
    client.at = at <= client.calls ? at : 0;
    server.at = at > client.calls ? at - client.calls : 0;
    if (at > 0)
        run(data, size, &client, &server);
    return 0;
}
