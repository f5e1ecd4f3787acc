/* SPDX-License-Identifier: Apache-2.0
 *
 * Framing is where requests are smuggled: two peers that read one stream differently. So there is one way to say a
 * length, and each other way is refused, equal or not, harmless or not.
 */
#include "http1_body.h"

#include "token.h"

static void connection_options(hf_bytes value, hf_http1_summary *out)
{
    for (hf_bytes option; hf_list_next(&value, &option);) {
        if (hf_text_same(option, hf_text("close")))
            out->close = true;
        else if (hf_text_same(option, hf_text("keep-alive")))
            out->keep_alive = true;
        else if (hf_text_same(option, hf_text("upgrade")))
            out->upgrade_named = true;
    }
}

static void expectations(hf_bytes value, hf_http1_summary *out)
{
    /* RFC 9110 10.1.1: "The Expect field value is case-insensitive", "with no defined parameters" */
    for (hf_bytes one; hf_list_next(&value, &one);) {
        if (hf_text_same(one, hf_text("100-continue")))
            out->continue_expected = true;
        else
            out->other_expected = true;
    }
}

static void note(const hf_field **first, const hf_field **second, const hf_field *field)
{
    if (*first == NULL)
        *first = field;
    else if (*second == NULL)
        *second = field;
}

void hf_http1_summarise(hf_fields fields, hf_http1_summary *out)
{
    *out = (hf_http1_summary){ 0 };
    for (size_t i = 0; i < fields.count; i++) {
        const hf_field *const f = &fields.at[i];
        switch (f->id) {
        case HF_FIELD_HOST:
            note(&out->host, &out->second_host, f);
            break;
        case HF_FIELD_CONTENT_LENGTH:
            note(&out->length, &out->second_length, f);
            break;
        case HF_FIELD_TRANSFER_ENCODING:
            note(&out->coding, &out->second_coding, f);
            break;
        case HF_FIELD_CONNECTION:
            connection_options(f->value, out);
            break;
        case HF_FIELD_EXPECT:
            out->expect = f;
            expectations(f->value, out);
            break;
        case HF_FIELD_UPGRADE:
            if (out->upgrade.len == 0)
                out->upgrade = f->value;
            break;
        default:
            break;
        }
    }
}

static bool wrong(hf_http1_flaw *flaw, int32_t code, hf_bytes at, const char *wanted)
{
    *flaw = (hf_http1_flaw){ code, at.ptr, wanted };
    return false;
}

/* RFC 9112 6.3, item 5: an invalid Content-Length "MUST" be treated "as an unrecoverable error, unless the field value
 * can be successfully parsed as a comma-separated list ... and all values in the list are the same". We do not take
 * that way out: nobody honest needs it. */
static bool length_parse(const hf_http1_summary *s, int64_t *length, hf_http1_flaw *flaw)
{
    uint64_t n;
    if (s->second_length != NULL)
        return wrong(flaw, HF_ERR_HTTP1_LENGTH_CONFLICT, s->second_length->name, "one Content-Length");
    if (s->length->value.len > 0 && memchr(s->length->value.ptr, ',', s->length->value.len) != NULL)
        return wrong(flaw, HF_ERR_HTTP1_LENGTH_CONFLICT, s->length->value, "one Content-Length");
    if (!hf_parse_decimal(s->length->value, &n) || n > INT64_MAX)
        return wrong(flaw, HF_ERR_HTTP1_LENGTH_INVALID, s->length->value, "decimal digits, below 2^63");
    *length = (int64_t)n;
    return true;
}

/* The coding is chunked, alone and once. RFC 9112 6.3, item 4: where chunked is not final "the server MUST respond with
 * the 400". Where it is, behind a coding that is not understood, 6.1 has "SHOULD respond with 501": but on a list peers
 * disagree about where the body ends, so to a server any list is faulty framing, 400. A response is not answered: there
 * it only matters to say what came. */
static bool coding_check(const hf_http1_summary *s, bool request, hf_http1_flaw *flaw)
{
    const hf_bytes value = s->coding->value;
    if (s->second_coding != NULL)
        return wrong(flaw, HF_ERR_HTTP1_ENCODING_INVALID, s->second_coding->name, "one Transfer-Encoding: chunked");
    if (hf_text_same(value, hf_text("chunked"))) /* RFC 9112 7: "All transfer-coding names are case-insensitive" */
        return true;
    if (request)
        return wrong(flaw, HF_ERR_HTTP1_ENCODING_INVALID, value, "exactly: chunked");
    bool last_is_chunked = false, fit = true;
    hf_bytes rest = value;
    for (hf_bytes one; hf_list_next(&rest, &one);) {
        fit = fit && !last_is_chunked && hf_is_token(one);
        last_is_chunked = hf_text_same(one, hf_text("chunked"));
    }
    if (fit && last_is_chunked && value.ptr[0] != ',' && value.ptr[value.len - 1] != ',' && value.len > 7)
        return wrong(flaw, HF_ERR_HTTP1_ENCODING_UNKNOWN, value, "no transfer coding but chunked");
    return wrong(flaw, HF_ERR_HTTP1_ENCODING_INVALID, value, "exactly: chunked");
}

/* What both kinds of messages have in common. */
static bool declared_length(const hf_http1_summary *s, bool request, hf_version version, int64_t *length, hf_http1_flaw *flaw)
{
    *length = HF_LENGTH_NONE;
    if (s->coding == NULL)
        return s->length == NULL || length_parse(s, length, flaw);
    /* RFC 9112 6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field
     * MUST treat the message as if the framing is faulty, even if a Content-Length is present" */
    if (version == HF_HTTP_1_0)
        return wrong(flaw, HF_ERR_HTTP1_ENCODING_IN_1_0, s->coding->name, "no Transfer-Encoding in HTTP/1.0");
    /* RFC 9112 6.3, item 3: "ought to be handled as an error" */
    if (s->length != NULL)
        return wrong(flaw, HF_ERR_HTTP1_LENGTH_AND_ENCODING, s->length->name, "one of both, not both");
    *length = HF_LENGTH_UNKNOWN;
    return coding_check(s, request, flaw);
}

bool hf_http1_request_length(const hf_http1_summary *s, hf_version version, int64_t *length, hf_http1_flaw *flaw)
{
    return declared_length(s, true, version, length, flaw);
}

bool hf_http1_response_length(const hf_http1_summary *s, hf_version version, int64_t *length, hf_http1_flaw *flaw)
{
    /* RFC 9112 6.3, item 4, lets a response with a final coding other than chunked last until close. We never sent TE,
     * so no such coding may come (RFC 9110 10.1.4), and what cannot be decoded is not handed on. */
    return declared_length(s, false, version, length, flaw);
}

bool hf_http1_persists(const hf_http1_summary *s, hf_version version)
{
    if (s->close)
        return false;
    return version >= HF_HTTP_1_1 || s->keep_alive;
}

/* RFC 9110 6.5.1: trailers cannot carry what must be known before the content: "message framing, routing,
 * authentication, request modifiers, response controls, or content format". A sender "MUST NOT" generate them, so we
 * refuse instead of dropping: whoever puts them there hopes that somebody merges them. */
bool hf_http1_trailer_is_fit(hf_field_id id)
{
    switch (id) {
    case HF_FIELD_CONTENT_LENGTH: case HF_FIELD_TRANSFER_ENCODING: case HF_FIELD_CONNECTION: case HF_FIELD_KEEP_ALIVE:
    case HF_FIELD_TE: case HF_FIELD_TRAILER: case HF_FIELD_UPGRADE:
    case HF_FIELD_HOST: case HF_FIELD_EXPECT:
    case HF_FIELD_AUTHORIZATION: case HF_FIELD_PROXY_AUTHORIZATION: case HF_FIELD_COOKIE: case HF_FIELD_SET_COOKIE:
    case HF_FIELD_ORIGIN:
    case HF_FIELD_RANGE: case HF_FIELD_IF_MATCH: case HF_FIELD_IF_NONE_MATCH: case HF_FIELD_IF_RANGE:
    case HF_FIELD_IF_MODIFIED_SINCE: case HF_FIELD_IF_UNMODIFIED_SINCE:
    case HF_FIELD_AGE: case HF_FIELD_CACHE_CONTROL: case HF_FIELD_EXPIRES: case HF_FIELD_DATE: case HF_FIELD_LOCATION:
    case HF_FIELD_RETRY_AFTER: case HF_FIELD_VARY: case HF_FIELD_CONTENT_SECURITY_POLICY:
    case HF_FIELD_CONTENT_ENCODING: case HF_FIELD_CONTENT_TYPE: case HF_FIELD_CONTENT_RANGE:
        return false;
    default:
        return true;
    }
}
