/* SPDX-License-Identifier: Apache-2.0
 *
 * What a list of fields means as a message: requests, responses, trailers.
 */
#include "message.h"

#include "target.h"
#include "text.h"
#include "token.h"

static bool bad(hf_message_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_message_flaw){ code, at, wanted };
    return false;
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

static hf_bytes *pseudo_place(hf_message *p, hf_bytes name)
{
    static const struct {
        hf_bytes name;
        size_t place;
    } known[] = {
        { HF_LITERAL(":method"), offsetof(hf_message, method) },
        { HF_LITERAL(":path"), offsetof(hf_message, path) },
        { HF_LITERAL(":scheme"), offsetof(hf_message, scheme) },
        { HF_LITERAL(":authority"), offsetof(hf_message, authority) },
        { HF_LITERAL(":status"), offsetof(hf_message, status) },
        { HF_LITERAL(":protocol"), offsetof(hf_message, protocol) },
    };
    for (size_t i = 0; i < HF_COUNT(known); i++)
        if (hf_bytes_equal(name, known[i].name))
            return (hf_bytes *)(void *)((uint8_t *)p + known[i].place);
    return NULL;
}

static bool has_capital(hf_bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return true;
    return false;
}

/* RFC 9113 8.2.1, stricter where HTTP/1 is: field names are tokens, values hold no control byte but HTAB. */
static bool check_value(const hf_message_rules *r, const hf_field *f, hf_message_flaw *flaw)
{
    const hf_bytes v = f->value;
    if (!hf_is_field_value(v))
        return bad(flaw, r->field_value, v.ptr, "a value without control bytes");
    if (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t' || v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
        return bad(flaw, r->field_value, v.ptr, "a value without white space at its ends");
    return true;
}

/* RFC 9113 8.2.2 */
static bool check_field(const hf_message_rules *r, const hf_field *f, hf_message_flaw *flaw)
{
    if ((f->id == HF_FIELD_OTHER && !hf_is_token(f->name)) || has_capital(f->name)) /* a name that is known is a token */
        return bad(flaw, r->field_name, f->name.ptr, "a token in lower case");
    switch (f->id) {
    case HF_FIELD_CONNECTION:
    case HF_FIELD_KEEP_ALIVE:
    case HF_FIELD_TRANSFER_ENCODING:
    case HF_FIELD_UPGRADE:
        return bad(flaw, r->field_forbidden, f->name.ptr, "no field of the connection");
    case HF_FIELD_TE:
        if (!hf_bytes_equal(f->value, hf_text("trailers")))
            return bad(flaw, r->field_forbidden, f->name.ptr, "TE with trailers alone");
        break;
    case HF_FIELD_OTHER:
        if (hf_bytes_equal(f->name, hf_text("proxy-connection")))
            return bad(flaw, r->field_forbidden, f->name.ptr, "no field of the connection");
        break;
    default:
        break;
    }
    return check_value(r, f, flaw);
}

static bool read_length(const hf_message_rules *r, hf_message *p, const hf_field *f, hf_message_flaw *flaw)
{
    uint64_t n;
    if (!hf_parse_decimal(f->value, &n) || n > INT64_MAX)
        return bad(flaw, r->length, f->value.ptr, "one decimal number");
    if (p->length >= 0)
        return bad(flaw, r->length, f->value.ptr, "one Content-Length");
    p->length = (int64_t)n;
    return true;
}

bool hf_message_parse(const hf_message_rules *r, const hf_field_list *l, hf_message *p, hf_message_flaw *flaw)
{
    *p = (hf_message){ .length = -1 };
    uint32_t i = 0;
    for (; i < l->count && l->at[i].name.len > 0 && l->at[i].name.ptr[0] == ':'; i++) {
        const hf_field *const f = &l->at[i];
        hf_bytes *const place = pseudo_place(p, f->name);
        if (place == NULL || place->ptr != NULL)
            return bad(flaw, r->pseudo, f->name.ptr, "a pseudo-header that there is, once");
        if (!check_value(r, f, flaw))
            return false;
        *place = f->value.len > 0 ? f->value : hf_bytes_make("", 0);
    }
    p->fields = (hf_fields){ l->count > 0 ? l->at + i : NULL, l->count - i };
    for (; i < l->count; i++) {
        const hf_field *const f = &l->at[i];
        if (f->name.len > 0 && f->name.ptr[0] == ':')
            return bad(flaw, r->pseudo, f->name.ptr, "pseudo-headers before all other fields");
        if (!check_field(r, f, flaw) || (f->id == HF_FIELD_CONTENT_LENGTH && !read_length(r, p, f, flaw)))
            return false;
    }
    return true;
}

/* RFC 9113 8.2.3: cookie crumbs "MUST be concatenated into a single octet string using the two-octet delimiter of 0x3B,
 * 0x20" before anybody else sees them. False: no memory. */
bool hf_message_join_cookies(hf_field_list *l, hf_fields *fields)
{
    if (fields->count < 2)
        return true;
    hf_field *const at = l->at + (fields->at - l->at);
    size_t crumbs = 0, bytes = 0;
    for (size_t i = 0; i < fields->count; i++)
        if (at[i].id == HF_FIELD_COOKIE) {
            crumbs++;
            bytes += at[i].value.len + 2;
        }
    if (crumbs < 2)
        return true;
    uint8_t *const room = hf_field_list_room(l, bytes);
    if (room == NULL)
        return false;
    hf_writer w = hf_writer_make(room, bytes);
    hf_field *first = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const bool crumb = at[i].id == HF_FIELD_COOKIE;
        if (crumb && w.length > 0)
            hf_write_text(&w, "; ");
        if (crumb)
            hf_write(&w, at[i].value);
        if (crumb && first != NULL)
            continue;
        at[kept] = at[i];
        first = crumb ? &at[kept] : first;
        kept++;
    }
    first->value = hf_written(&w);
    fields->count = kept;
    l->count = (uint32_t)(at - l->at + (ptrdiff_t)kept);
    return true;
}

/* ---- heads ---------------------------------------------------------------------------------------------------- */

/* RFC 9113 8.3.1 and 8.5, RFC 8441 4: which pseudo-headers a request has. */
static bool check_request_pseudo(const hf_message_rules *r, const hf_message *p, bool connect, bool protocol,
                                 hf_message_flaw *flaw)
{
    if (p->method.len == 0 || !hf_is_token(p->method) || p->status.ptr != NULL)
        return bad(flaw, r->pseudo, p->method.ptr, "one :method, a token, and no :status");
    if (p->protocol.ptr != NULL && (!connect || !protocol || !hf_is_token(p->protocol)))
        return bad(flaw, r->pseudo, p->protocol.ptr, ":protocol with CONNECT alone, and where it was allowed");
    if (connect && p->protocol.ptr == NULL) {
        if (p->scheme.ptr != NULL || p->path.ptr != NULL || p->authority.len == 0)
            return bad(flaw, r->pseudo, p->method.ptr, "CONNECT with :authority alone");
        return true;
    }
    if (p->scheme.len == 0 || p->path.len == 0)
        return bad(flaw, r->pseudo, p->method.ptr, ":scheme and :path, not empty");
    if (hf_span_of(p->scheme, HF_BYTE_TCHAR) != p->scheme.len)
        return bad(flaw, r->pseudo, p->scheme.ptr, "a scheme");
    return true;
}

/* RFC 9113 8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an
 * entity that differs from the entity in the ":authority" pseudo-header field." */
static bool check_authority(const hf_message_rules *r, const hf_message *p, hf_request_head *head, hf_message_flaw *flaw)
{
    const hf_field *const host = hf_fields_find(p->fields, HF_FIELD_HOST);
    if (host != NULL && hf_fields_next(p->fields, HF_FIELD_HOST, host) != NULL)
        return bad(flaw, HF_ERR_HTTP1_HOST_REPEATED, host->value.ptr, "one Host");
    if (host != NULL && p->authority.ptr != NULL && !hf_text_same(host->value, p->authority))
        return bad(flaw, r->pseudo, host->value.ptr, "a Host that is :authority");
    head->authority = p->authority.ptr != NULL ? p->authority : host != NULL ? host->value : hf_bytes_make("", 0);
    hf_bytes name;
    int32_t port;
    if (head->authority.len == 0)
        return bad(flaw, r->pseudo, p->path.ptr, ":authority or Host");
    const hf_err err = hf_authority_parse(head->authority, &name, &port);
    return err.code == 0 || bad(flaw, err.code, head->authority.ptr, "host[:port]");
}

static bool fill_target(const hf_message_rules *r, const hf_message *p, bool connect, hf_request_head *head,
                        hf_message_flaw *flaw)
{
    if (connect && p->protocol.ptr == NULL) {
        head->form = HF_TARGET_AUTHORITY;
        head->target = p->authority;
        return true;
    }
    const bool asterisk = hf_bytes_equal(p->path, hf_text("*"));
    if (p->path.ptr[0] != '/' && !(asterisk && head->method == HF_METHOD_OPTIONS))
        return bad(flaw, r->pseudo, p->path.ptr, "a path that begins with /, or * with OPTIONS");
    const hf_err err = asterisk ? hf_target_parse(p->path, head->method, head) : hf_target_parse_origin(p->path, head);
    if (err.code != 0)
        return bad(flaw, err.code, p->path.ptr, "a path without bytes that must be percent-encoded");
    head->target = p->path;
    head->scheme = p->scheme;
    return true;
}

bool hf_message_request(const hf_message_rules *r, const hf_message *p, bool protocol, bool ends, hf_request_head *head,
                        hf_message_flaw *flaw)
{
    *head = (hf_request_head){ .version = r->version, .method_name = p->method, .fields = p->fields, .keep_alive = true,
                               .method = hf_method_parse(p->method) };
    const bool connect = head->method == HF_METHOD_CONNECT;
    if (!check_request_pseudo(r, p, connect, protocol, flaw) || !fill_target(r, p, connect, head, flaw) ||
        !check_authority(r, p, head, flaw))
        return false;
    if (ends && p->length > 0)
        return bad(flaw, r->length, NULL, "the body that Content-Length declares");
    head->content_length = p->length >= 0 ? p->length : ends || connect ? HF_LENGTH_NONE : HF_LENGTH_UNKNOWN;
    if (p->protocol.ptr != NULL)
        head->upgrade = p->protocol;
    const hf_field *const expect = hf_fields_find(p->fields, HF_FIELD_EXPECT);
    head->expect_continue = expect != NULL && !ends && hf_text_same(expect->value, hf_text("100-continue"));
    return true;
}

bool hf_message_response(const hf_message_rules *r, const hf_message *p, bool to_head, bool ends,
                         hf_response_head *head, hf_message_flaw *flaw)
{
    uint64_t status;
    const bool others = p->method.ptr || p->path.ptr || p->scheme.ptr || p->authority.ptr || p->protocol.ptr;
    if (others || p->status.len != 3 || !hf_parse_decimal(p->status, &status) || status < 100)
        return bad(flaw, r->pseudo, p->status.ptr, ":status alone, of three digits");
    /* RFC 9113 8.6: no 101; 8.1: an interim response does not end the stream */
    if (status == 101 || (status < 200 && ends))
        return bad(flaw, r->pseudo, p->status.ptr, "an interim response that is one");
    *head = (hf_response_head){ .status = (uint16_t)status, .version = r->version, .fields = p->fields };
    const bool bodiless = to_head || status == 204 || status == 304;
    if (ends && p->length > 0 && !bodiless)
        return bad(flaw, r->length, NULL, "the body that Content-Length declares");
    head->content_length = p->length >= 0 ? p->length : ends || bodiless ? HF_LENGTH_NONE : HF_LENGTH_UNKNOWN;
    return true;
}

/* ---- trailers ------------------------------------------------------------------------------------------------- */

static bool is_trailer(hf_field_id id)
{
    switch (id) {
    case HF_FIELD_CONTENT_LENGTH: case HF_FIELD_HOST: case HF_FIELD_TE: case HF_FIELD_TRAILER: case HF_FIELD_AUTHORIZATION:
    case HF_FIELD_CONTENT_ENCODING: case HF_FIELD_CONTENT_TYPE: case HF_FIELD_CONTENT_RANGE: case HF_FIELD_SET_COOKIE:
    case HF_FIELD_COOKIE: case HF_FIELD_EXPECT: case HF_FIELD_RANGE:
        return false; /* RFC 9110 6.5.1: not those that frame, route or modify a message */
    default:
        return true;
    }
}

bool hf_message_trailers(const hf_message_rules *r, const hf_field_list *l, uint64_t most_bytes, hf_message_flaw *flaw)
{
    if (l->too_large || l->too_many || l->bytes > most_bytes + (uint64_t)l->count * HF_FIELD_OVERHEAD)
        return bad(flaw, r->trailers, NULL, "trailers within the limit trailer_bytes");
    for (uint32_t i = 0; i < l->count; i++) {
        if (!check_field(r, &l->at[i], flaw))
            return false;
        if (!is_trailer(l->at[i].id))
            return bad(flaw, r->trailers, l->at[i].name.ptr, "a field that may come late");
    }
    return true;
}
