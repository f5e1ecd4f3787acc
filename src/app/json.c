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

static hf_err reply(hf_req *rq, uint16_t status, json_t *value)
{
    enum { FLAGS = JSON_COMPACT | JSON_ENCODE_ANY, NEAR = 1024 };
    char near[NEAR], *text = near;
    size_t n = json_dumpb(value, near, NEAR, FLAGS); /* the length it needs, whatever the room */
    if (n == 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (n > NEAR) {
        text = hf_req_memory(rq, n);
        if (text == NULL || json_dumpb(value, text, n, FLAGS) != n)
            return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    return hf_reply(rq, status, "application/json", hf_bytes_make(text, n));
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
    enum { NEAR = 1024, ESCAPED = 6, BESIDE = 32 }; /* a byte is 6 at most: \u001f; a number, and what stands around it */
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
