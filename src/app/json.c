/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON bodies through jansson, which bounds neither depth nor the number of values by a setting: so both are counted
 * before it reads.
 */
#include <jansson.h>

#include "panic.h"
#include "request.h"
#include "text.h"

/* Deeper and more numerous than the limits? Strings are skipped as a reader would; whether the rest is JSON is jansson's
 * to say. */
static bool is_within(hf_bytes text, const hf_limits *limits)
{
    uint64_t depth = 0, values = 1;
    for (size_t i = 0; i < text.len; i++)
        switch (text.ptr[i]) {
        case '"':
            for (i++; i < text.len && text.ptr[i] != '"'; i++)
                i += text.ptr[i] == '\\';
            break;
        case '[':
        case '{':
            if (++depth > limits->json_depth || ++values > limits->json_values)
                return false;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            if (++values > limits->json_values)
                return false;
            break;
        default:
            break;
        }
    return true;
}

/* "line 3, column 5: '}' expected near 'x'" */
static hf_bytes tell(hf_req *rq, const json_error_t *e)
{
    enum { ROOM = JSON_ERROR_TEXT_LENGTH + 64 };
    uint8_t *room = hf_req_memory(rq, ROOM);
    if (room == NULL)
        return hf_text("");
    hf_writer w = hf_writer_make(room, ROOM);
    hf_write_text(&w, "line ");
    hf_write_decimal(&w, e->line > 0 ? (uint64_t)e->line : 0);
    hf_write_text(&w, ", column ");
    hf_write_decimal(&w, e->column > 0 ? (uint64_t)e->column : 0);
    hf_write_text(&w, ": ");
    hf_write_text(&w, e->text);
    return hf_written(&w);
}

hf_err hf_json_read(hf_req *rq, hf_bytes *got)
{
    const hf_bytes text = hf_req_body(rq);
    json_error_t e;
    if (!is_within(text, rq->service->env->limits))
        return hf_err_make(HF_ERR_HTTP_JSON_LIMIT);
    const char *start = text.ptr != NULL ? (const char *)text.ptr : "";
    rq->more->json = json_loadb(start, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (rq->more->json != NULL)
        return HF_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *got = tell(rq, &e);
    return hf_err_make(HF_ERR_HTTP_JSON_SYNTAX);
}

void hf_json_fini(struct json_t *json)
{
    json_decref(json);
}

struct json_t *hf_req_json(const hf_req *rq)
{
    return rq->more != NULL ? rq->more->json : NULL;
}

/* ---- writing a tree -------------------------------------------------------------------------------------------- */

/* What jansson reads at most; deeper is what holds itself. */
enum { DEPTH_MOST = 2048, NEAR = 1024, FAR = 8192, FAR_MOST = 16 << 20 };

#if JANSSON_VERSION_HEX >= 0x020e00
static hf_bytes key_of(void *iter)
{
    return hf_bytes_make(json_object_iter_key(iter), json_object_iter_key_len(iter));
}
#else
static hf_bytes key_of(void *iter)
{
    return hf_text(json_object_iter_key(iter));
}
#endif

static void write_string(hf_writer *w, hf_bytes text)
{
    hf_write_literal(w, "\"");
    hf_write_json(w, text);
    hf_write_literal(w, "\"");
}

static void write_integer(hf_writer *w, int64_t n)
{
    if (n < 0)
        hf_write_byte(w, '-');
    hf_write_decimal(w, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* As jansson writes them: which digits is its affair. */
static bool write_real(hf_writer *w, const json_t *value)
{
    char text[64];
    const size_t n = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY);
    hf_write(w, hf_bytes_make(text, n <= sizeof text ? n : 0));
    return n > 0 && n <= sizeof text;
}

/* jansson's own writer looks at each step whether a value holds itself, by a table of addresses as text, and costs twice as
 * much; here that is found out by the depth. False: too deep. What does not fit is cut, and *w says so. */
static bool write_value(hf_writer *w, json_t *value, unsigned depth)
{
    bool good = depth < DEPTH_MOST;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        hf_write_literal(w, "{");
        for (void *first = json_object_iter(value), *i = first; good && i != NULL && !w->overflowed; i = json_object_iter_next(value, i)) {
            if (i != first)
                hf_write_literal(w, ",");
            write_string(w, key_of(i));
            hf_write_literal(w, ":");
            good = write_value(w, json_object_iter_value(i), depth + 1);
        }
        hf_write_literal(w, "}");
        break;
    case JSON_ARRAY:
        hf_write_literal(w, "[");
        for (size_t i = 0; good && i < json_array_size(value) && !w->overflowed; i++) {
            if (i > 0)
                hf_write_literal(w, ",");
            good = write_value(w, json_array_get(value, i), depth + 1);
        }
        hf_write_literal(w, "]");
        break;
    case JSON_STRING: write_string(w, hf_bytes_make(json_string_value(value), json_string_length(value))); break;
    case JSON_INTEGER: write_integer(w, json_integer_value(value)); break;
    case JSON_REAL: good = write_real(w, value); break;
    case JSON_TRUE: hf_write_literal(w, "true"); break;
    case JSON_FALSE: hf_write_literal(w, "false"); break;
    case JSON_NULL: hf_write_literal(w, "null"); break;
    }
    return good;
}

/* Too large for the stack: written again and again into twice the room. Gives b->bytes, also with an error. */
static hf_err write_far(hf_body_block *b, hf_writer *w, json_t *value)
{
    for (size_t room = FAR; room <= FAR_MOST; room *= 2) {
        hf_body_block_free(b);
        b->bytes = (hf_span){ hf_alloc(b->alloc, room), room };
        if (b->bytes.ptr == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        *w = hf_writer_make(b->bytes.ptr, room);
        if (!write_value(w, value, 0))
            return hf_err_make(HF_ERR_BASE_USAGE);
        if (!w->overflowed)
            return HF_OK;
    }
    return hf_err_make(HF_ERR_BASE_MEMORY);
}

/* Lent from where it was written. */
static hf_err reply_far(hf_req *rq, uint16_t status, json_t *value)
{
    hf_writer w;
    hf_body_block *b = hf_req_memory(rq, sizeof *b);
    if (b == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *b = (hf_body_block){ .alloc = &rq->service->env->alloc };
    hf_err err = write_far(b, &w, value);
    if (err.code == 0)
        err = hf_reply_field(rq, "Content-Type", hf_text("application/json"));
    if (err.code == 0)
        err = hf_req_hold(rq, hf_body_block_free, b);
    if (err.code != 0) {
        hf_body_block_free(b);
        return err;
    }
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_written(&w) };
    return hf_reply_extents(rq, status, &e, 1);
}

static hf_err reply(hf_req *rq, uint16_t status, json_t *value)
{
    uint8_t near[NEAR];
    hf_writer w = hf_writer_make(near, NEAR);
    const bool good = write_value(&w, value, 0);
    if (!good)
        return hf_err_make(HF_ERR_BASE_USAGE);
    return w.overflowed ? reply_far(rq, status, value) : hf_reply(rq, status, "application/json", hf_written(&w));
}

hf_err hf_reply_json(hf_req *rq, uint16_t status, struct json_t *value)
{
    const hf_err err = value != NULL ? reply(rq, status, value) : hf_err_make(HF_ERR_BASE_MEMORY);
    json_decref(value);
    return err;
}

static void write_member(hf_writer *w, const hf_member *m)
{
    hf_write_byte(w, '"');
    hf_write_json(w, hf_text(m->name));
    hf_write_text(w, m->kind == HF_MEMBER_TEXT ? "\":\"" : "\":");
    switch (m->kind) {
    case HF_MEMBER_TEXT:
        hf_write_json(w, m->text);
        hf_write_byte(w, '"');
        break;
    case HF_MEMBER_NUMBER:
        hf_write_text(w, m->number < 0 ? "-" : "");
        hf_write_decimal(w, m->number < 0 ? -(uint64_t)m->number : (uint64_t)m->number);
        break;
    case HF_MEMBER_SWITCH: hf_write_text(w, m->number != 0 ? "true" : "false"); break;
    case HF_MEMBER_NULL: hf_write_text(w, "null"); break;
    case HF_MEMBER_JSON: hf_write(w, m->text); break;
    }
}

static void write_members(hf_writer *w, const hf_member *members, size_t count)
{
    hf_write_byte(w, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            hf_write_byte(w, ',');
        write_member(w, &members[i]);
    }
    hf_write_byte(w, '}');
}

hf_err hf_reply_members(hf_req *rq, uint16_t status, const hf_member *members, size_t count)
{
    enum { ESCAPED = 6, BESIDE = 32 }; /* a byte is 6 at most: \u001f; a number, and what stands around it */
    uint8_t near[NEAR];
    hf_writer w = hf_writer_make(near, NEAR);
    write_members(&w, members, count);
    if (!w.overflowed)
        return hf_reply(rq, status, "application/json", hf_written(&w));
    size_t room = 2;
    for (size_t i = 0; i < count; i++)
        room += ESCAPED * (strlen(members[i].name) + members[i].text.len) + BESIDE;
    uint8_t *const text = hf_req_memory(rq, room);
    if (text == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    w = hf_writer_make(text, room);
    write_members(&w, members, count);
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : hf_reply(rq, status, "application/json", hf_written(&w));
}

const char *hf_json_library(void)
{
    return jansson_version_str();
}
