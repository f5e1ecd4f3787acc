/* SPDX-License-Identifier: Apache-2.0
 *
 * What an application may say in a message of HTTP/2 or HTTP/3.
 */
#include "message.h"
#include "text.h"
#include "token.h"

/* What the core writes itself, or nobody may (RFC 9113 8.2.2, RFC 9114 4.2). */
static bool is_ours(hf_field_id id)
{
    return id == HF_FIELD_CONTENT_LENGTH || id == HF_FIELD_TRANSFER_ENCODING || id == HF_FIELD_CONNECTION ||
           id == HF_FIELD_KEEP_ALIVE || id == HF_FIELD_UPGRADE;
}

/* The next line, cut off the front. False: it is none. */
static bool next_line(hf_bytes *lines, hf_field *f)
{
    const uint8_t *const end = memchr(lines->ptr, '\r', lines->len);
    const uint8_t *const colon = end == NULL ? NULL : memchr(lines->ptr, ':', (size_t)(end - lines->ptr));
    if (colon == NULL || end - colon < 2 || colon[1] != ' ' || end + 1 == lines->ptr + lines->len || end[1] != '\n')
        return false;
    const hf_bytes name = hf_bytes_make(lines->ptr, (size_t)(colon - lines->ptr));
    *f = (hf_field){ name, hf_bytes_make(colon + 2, (size_t)(end - colon) - 2), hf_field_identify(name) };
    *lines = hf_bytes_make(end + 2, lines->len - (size_t)(end + 2 - lines->ptr));
    return true;
}

bool hf_message_lines(const hf_bytes lines[2], hf_field *to, size_t most, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < 2; i++)
        for (hf_bytes left = lines[i]; left.len > 0; ++*count)
            if (*count == most || !next_line(&left, &to[*count]))
                return false;
    return true;
}

bool hf_message_fields_fit(hf_fields fields, uint64_t most_bytes)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < fields.count; i++) {
        const hf_field *const f = &fields.at[i];
        const hf_field_id id = f->id != HF_FIELD_OTHER ? f->id : hf_field_identify(f->name);
        const hf_bytes v = f->value;
        const bool spaced = v.len > 0 && (v.ptr[0] <= ' ' || v.ptr[v.len - 1] <= ' ');
        if (is_ours(id) || !hf_field_name_is_fit(f) || f->name.len > HF_MESSAGE_NAME_MOST || !hf_is_field_value(v) || spaced)
            return false;
        bytes += f->name.len + v.len + HF_FIELD_OVERHEAD;
    }
    return bytes <= most_bytes + fields.count * HF_FIELD_OVERHEAD;
}

static bool has_space(hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.ptr[i] <= ' ' || b.ptr[i] == 0x7f)
            return true;
    return false;
}

bool hf_message_prepare(const hf_request_head *head, bool protocol, uint64_t most_bytes, hf_message_request_out *o)
{
    *o = (hf_message_request_out){ .fields = head->fields, .scheme = head->scheme, .protocol = head->upgrade };
    o->method = head->method_name.len > 0 ? head->method_name : hf_text(hf_method_describe(head->method)->name);
    const hf_method method = hf_method_parse(o->method);
    o->connect = method == HF_METHOD_CONNECT;
    const hf_field *const host = hf_fields_find(head->fields, HF_FIELD_HOST);
    o->authority = head->authority.len > 0 || host == NULL ? head->authority : host->value;
    o->path = head->target.len > 0 ? head->target : head->path;
    if (o->scheme.len == 0)
        o->scheme = hf_text("https");
    o->length = head->content_length >= 0 ? head->content_length : -1;
    /* RFC 9110 8.6: as in HTTP/1, where the method expects a body its absence is said */
    if (head->content_length == HF_LENGTH_NONE && hf_method_describe(method)->body != HF_BODY_MEANINGLESS &&
        method != HF_METHOD_UNKNOWN)
        o->length = 0;
    o->expects = head->expect_continue && head->content_length != HF_LENGTH_NONE && head->content_length != 0;
    if (o->protocol.len > 0 && (!o->connect || !protocol || !hf_is_token(o->protocol)))
        return false;
    if (hf_message_has_path(o) && (o->path.len == 0 || has_space(o->path)))
        return false;
    return hf_is_token(o->method) && !has_space(o->scheme) && o->authority.len > 0 && !has_space(o->authority) &&
           hf_message_fields_fit(o->fields, most_bytes);
}
