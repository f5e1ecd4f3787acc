/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing runs forward once over a line. Whatever looks wrong is judged only if the line's end is there: until then the
 * answer is MORE, so that a verdict cannot depend on where the stream was cut.
 */
#include "http1_wire.h"

#include "token.h"

/* Judges the line that is wrong at `at`, if it is whole. */
static hf_http1_line bad(hf_http1_flaw *flaw, int32_t code, const uint8_t *at, const uint8_t *end, const char *wanted)
{
    if (at == end || memchr(at, '\n', (size_t)(end - at)) == NULL)
        return HF_LINE_MORE;
    *flaw = (hf_http1_flaw){ code, at, wanted };
    return HF_LINE_BAD;
}

/* The same where the byte at `at` may itself be a line end out of place: that has rules of its own. */
static hf_http1_line bad_byte(hf_http1_flaw *flaw, int32_t code, const uint8_t *at, const uint8_t *end,
                              const char *wanted)
{
    if (at != end && *at == '\n')
        return bad(flaw, HF_ERR_HTTP1_BARE_LF, at, end, "CR before LF");
    if (at != end && *at == '\r' && !(end - at >= 2 && at[1] == '\n'))
        return bad(flaw, HF_ERR_HTTP1_BARE_CR, at, end, "LF behind CR");
    return bad(flaw, code, at, end, wanted);
}

/* ---- start lines -------------------------------------------------------------------------------------------- */

static const uint8_t *skip_class(const uint8_t *p, const uint8_t *end, unsigned class)
{
    while (p != end && (hf_byte_class[*p] & class) != 0)
        p++;
    return p;
}

/* "HTTP/" DIGIT "." DIGIT at `p`, where 8 bytes are. RFC 9112 2.3: "HTTP-version is case-sensitive." */
static bool version_parse(const uint8_t *p, unsigned *major, unsigned *minor)
{
    const bool digits = hf_byte_is(p[5], HF_BYTE_DIGIT) && hf_byte_is(p[7], HF_BYTE_DIGIT);
    if (memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' || !digits)
        return false;
    *major = p[5] - '0';
    *minor = p[7] - '0';
    return true;
}

static hf_http1_line request_version_parse(const uint8_t **cursor, const uint8_t *p, const uint8_t *end,
                                           hf_http1_start *out, hf_http1_flaw *flaw)
{
    unsigned major, minor;
    if (end - p >= 10 && memcmp(p, "HTTP/1.1\r\n", 10) == 0) { /* what nearly all say */
        out->version = HF_HTTP_1_1;
        *cursor = p + 10;
        return HF_LINE_GOOD;
    }
    if (end - p < 9 || !version_parse(p, &major, &minor))
        return bad(flaw, HF_ERR_HTTP1_REQUEST_LINE, p, end, "HTTP/1.1, in capitals, behind the target and one space");
    if (p[8] != '\r' || end - p < 10 || p[9] != '\n')
        return bad_byte(flaw, HF_ERR_HTTP1_REQUEST_LINE, p + 8, end, "CRLF behind the version");
    if (major == 2 && hf_bytes_equal(out->method, hf_text("PRI")) && hf_bytes_equal(out->target, hf_text("*")))
        return bad(flaw, HF_ERR_HTTP1_HTTP2_PREFACE, p, end, "HTTP/1.1");
    if (major != 1)
        return bad(flaw, HF_ERR_HTTP1_VERSION, p, end, "HTTP/1.1 or HTTP/1.0");
    /* RFC 9110 2.5: a higher minor version is to be read as the highest one that we know of the same major version. */
    out->version = minor == 0 ? HF_HTTP_1_0 : HF_HTTP_1_1;
    *cursor = p + 10;
    return HF_LINE_GOOD;
}

hf_http1_line hf_http1_request_line_parse(const uint8_t **cursor, const uint8_t *end, hf_http1_start *out,
                                          hf_http1_flaw *flaw)
{
    const uint8_t *const start = *cursor;
    const uint8_t *p = skip_class(start, end, HF_BYTE_TCHAR);
    out->method = hf_bytes_make(start, (size_t)(p - start));
    if (p == end)
        return HF_LINE_MORE;
    if (p == start || (*p != ' ' && *p != '\r'))
        return bad_byte(flaw, HF_ERR_HTTP1_METHOD_NAME, p, end, "a method: A-Z and the other token bytes");
    if (*p != ' ')
        return bad_byte(flaw, HF_ERR_HTTP1_REQUEST_LINE, p, end, "one space behind the method");
    const uint8_t *const target = ++p;
    /* Which bytes a target may hold is hf_target_parse's to say; here only its end is looked for. */
    p = hf_word_end(p, end);
    out->target = hf_bytes_make(target, (size_t)(p - target));
    if (p == end)
        return HF_LINE_MORE;
    /* RFC 9112 3: a request line without a version is HTTP/0.9, which has no framing and no future. */
    if (*p != ' ')
        return bad_byte(flaw, HF_ERR_HTTP1_REQUEST_LINE, p, end, "a space and HTTP/1.1 behind the target");
    if (p == target)
        return bad(flaw, HF_ERR_HTTP1_REQUEST_LINE, p, end, "a target behind exactly one space");
    return request_version_parse(cursor, p + 1, end, out, flaw);
}

hf_http1_line hf_http1_status_line_parse(const uint8_t **cursor, const uint8_t *end, hf_http1_start *out,
                                         hf_http1_flaw *flaw)
{
    const uint8_t *const start = *cursor;
    unsigned major, minor;
    end = memchr(start, '\n', (size_t)(end - start));
    if (end == NULL)
        return HF_LINE_MORE;
    if (++end - start < 15) /* HTTP/1.1 200 CRLF, with the space that must be there (RFC 9112 4) */
        return bad(flaw, HF_ERR_HTTP1_STATUS_LINE, start, end, "HTTP/1.1 SP status SP [reason] CRLF");
    if (!version_parse(start, &major, &minor) || start[8] != ' ')
        return bad(flaw, HF_ERR_HTTP1_STATUS_LINE, start, end, "HTTP/1.1 and a space");
    if (major != 1)
        return bad(flaw, HF_ERR_HTTP1_VERSION, start, end, "HTTP/1.1 or HTTP/1.0");
    const uint8_t *const code = start + 9;
    if (skip_class(code, code + 3, HF_BYTE_DIGIT) != code + 3 || code[0] == '0' || code[3] != ' ')
        return bad(flaw, HF_ERR_HTTP1_STATUS_LINE, code, end, "a status of three digits, from 100, and a space");
    const uint8_t *const reason = code + 4;
    const uint8_t *const p = skip_class(reason, end, HF_BYTE_VALUE); /* the LF ends it */
    if (*p != '\r' || end - p < 2 || p[1] != '\n')
        return bad_byte(flaw, HF_ERR_HTTP1_STATUS_LINE, p, end, "a reason without control bytes");
    *out = (hf_http1_start){
        .status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0')),
        .version = minor == 0 ? HF_HTTP_1_0 : HF_HTTP_1_1,
        .reason = hf_bytes_make(reason, (size_t)(p - reason)),
    };
    *cursor = p + 2;
    return HF_LINE_GOOD;
}

/* ---- field lines -------------------------------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* A field line whose name does not end in a colon at `p`. */
static hf_http1_line bad_name(const uint8_t *start, const uint8_t *p, const uint8_t *end, hf_http1_flaw *flaw)
{
    /* RFC 9112 5.2: a server "MUST either reject the message ... or replace each received obs-fold"; 2.2: white space
     * before the first field is rejected as well. A user agent is told to replace it; our client refuses there too,
     * because the same line read in two ways splits responses, and no server of our time folds. */
    if (p == start && is_blank(*p))
        return bad(flaw, HF_ERR_HTTP1_OBS_FOLD, p, end, "a field name at the start of the line");
    if (p != start && is_blank(*p)) {
        const uint8_t *q = p;
        while (q != end && is_blank(*q))
            q++;
        if (q != end && *q == ':') /* RFC 9112 5.1: "No whitespace is allowed between the field name and colon." */
            return bad(flaw, HF_ERR_HTTP1_SPACE_BEFORE_COLON, p, end, "the colon right behind the name");
    }
    return bad_byte(flaw, HF_ERR_HTTP1_FIELD_NAME, p, end, "a token and a colon");
}

hf_http1_line hf_http1_field_line_parse(const uint8_t **cursor, const uint8_t *end, hf_field *out, hf_http1_flaw *flaw)
{
    const uint8_t *const start = *cursor;
    if (end - start >= 2 && start[0] == '\r' && start[1] == '\n') {
        *cursor = start + 2;
        return HF_LINE_END;
    }
    const uint8_t *const colon = skip_class(start, end, HF_BYTE_TCHAR);
    if (colon == end)
        return HF_LINE_MORE;
    if (*colon != ':' || colon == start)
        return bad_name(start, colon, end, flaw);
    const uint8_t *value = colon + 1;
    while (value != end && is_blank(*value))
        value++;
    const uint8_t *const stop = hf_field_value_end(value, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return bad_byte(flaw, HF_ERR_HTTP1_FIELD_VALUE, stop, end, "no control byte but HTAB in a field value");
    const uint8_t *last = stop;
    while (last != value && is_blank(last[-1]))
        last--;
    out->name = hf_bytes_make(start, (size_t)(colon - start));
    out->value = hf_bytes_make(value, (size_t)(last - value));
    out->id = hf_field_identify(out->name);
    *cursor = stop + 2;
    return HF_LINE_GOOD;
}

/* ---- chunk lines -------------------------------------------------------------------------------------------- */

static const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end)
{
    while (p != end && is_blank(*p))
        p++;
    return p;
}

/* One extension at *at: BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ]. True: *at stands behind it. False: at
 * the byte that does not fit. */
static bool skip_chunk_extension(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = skip_blanks(*at, end);
    if (p == end || *p != ';')
        return false;
    p = skip_blanks(p + 1, end);
    *at = skip_class(p, end, HF_BYTE_TCHAR);
    if (*at == p)
        return false;
    p = skip_blanks(*at, end);
    if (p == end || *p != '=')
        return true;
    p = skip_blanks(p + 1, end);
    const size_t quoted = hf_quoted_length(hf_bytes_make(p, (size_t)(end - p)));
    *at = quoted > 0 ? p + quoted : skip_class(p, end, HF_BYTE_TCHAR);
    return *at != p;
}

/* RFC 9112 7.1.1: chunk-ext = *( ... ), then CRLF must follow. What extensions mean is nobody's business, but their
 * bytes are checked: what one peer skips and another takes for a line end has smuggled requests before. */
static hf_http1_line chunk_extensions_check(const uint8_t **at, const uint8_t *end, hf_http1_flaw *flaw)
{
    const char *const wanted = "a chunk extension: ;name or ;name=value";
    while (*at != end && **at != '\r')
        if (!skip_chunk_extension(at, end))
            return bad_byte(flaw, HF_ERR_HTTP1_CHUNK_EXTENSION, *at, end, wanted);
    return HF_LINE_GOOD;
}

hf_http1_line hf_http1_chunk_line_parse(const uint8_t **cursor, const uint8_t *end, uint64_t *size, hf_http1_flaw *flaw)
{
    const uint8_t *const start = *cursor;
    const uint8_t *p = start;
    uint64_t n = 0;
    for (int digit; p != end && (digit = hf_hex_digit(*p)) >= 0; p++) {
        /* RFC 9112 7.1: "recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors
         * due to integer conversion overflows" */
        if (n > (uint64_t)INT64_MAX >> 4)
            return bad(flaw, HF_ERR_HTTP1_CHUNK_SIZE, p, end, "a size below 2^63");
        n = n << 4 | (unsigned)digit;
    }
    if (p == end)
        return HF_LINE_MORE;
    if (p == start)
        return bad_byte(flaw, HF_ERR_HTTP1_CHUNK_SIZE, p, end, "hexadecimal digits");
    const uint8_t *const semicolon = skip_blanks(p, end);
    if (*p != '\r' && (semicolon == end || *semicolon != ';')) /* no extension begins here: "0x5", "5 ", "5,5" */
        return bad_byte(flaw, HF_ERR_HTTP1_CHUNK_SIZE, p, end, "CRLF behind the digits");
    const hf_http1_line extensions = chunk_extensions_check(&p, end, flaw);
    if (extensions != HF_LINE_GOOD)
        return extensions;
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return bad_byte(flaw, HF_ERR_HTTP1_CHUNK_EXTENSION, p, end, "a chunk extension: ;name or ;name=value");
    *size = n;
    *cursor = p + 2;
    return HF_LINE_GOOD;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

bool hf_http1_field_is_fit(const hf_field *field)
{
    return hf_field_name_is_fit(field) && hf_is_field_value(field->value);
}

size_t hf_http1_fields_length(hf_fields fields)
{
    size_t n = 0;
    for (size_t i = 0; i < fields.count; i++)
        n += fields.at[i].name.len + fields.at[i].value.len + 4;
    return n;
}

void hf_http1_field_write(hf_writer *w, hf_bytes name, hf_bytes value)
{
    hf_write(w, name);
    hf_write(w, hf_bytes_make(": ", 2));
    hf_write(w, value);
    hf_write(w, hf_bytes_make("\r\n", 2));
}

/* Names and values are short, and a call costs more than the copy: 16 bytes at a time, the last overlapping. */
static inline uint8_t *copy_short(uint8_t *to, hf_bytes b)
{
    uint8_t *const end = to + b.len;
    if (b.len >= 16) {
        const uint8_t *from = b.ptr;
        for (; end - to > 16; to += 16, from += 16)
            memcpy(to, from, 16);
        memcpy(end - 16, b.ptr + b.len - 16, 16);
    } else if (b.len >= 8) {
        memcpy(to, b.ptr, 8);
        memcpy(end - 8, b.ptr + b.len - 8, 8);
    } else {
        for (size_t i = 0; i < b.len; i++)
            to[i] = b.ptr[i];
    }
    return end;
}

void hf_http1_fields_write(hf_writer *w, hf_fields fields)
{
    if (hf_http1_fields_length(fields) > w->capacity - w->length) {
        w->overflowed = true;
        return;
    }
    uint8_t *to = w->ptr + w->length;
    for (size_t i = 0; i < fields.count; i++) {
        to = copy_short(to, fields.at[i].name);
        to = memcpy(to, ": ", 2);
        to = copy_short(to + 2, fields.at[i].value);
        to = memcpy(to, "\r\n", 2);
        to += 2;
    }
    w->length = (size_t)(to - w->ptr);
}

void hf_http1_status_line_write(hf_writer *w, uint16_t status, hf_bytes reason)
{
    const unsigned n = status;
    if (status == 200 && reason.len == 0) { /* what nearly all of them are */
        hf_write_literal(w, "HTTP/1.1 200 OK\r\n");
        return;
    }
    const char digits[4] = { (char)('0' + n / 100), (char)('0' + n / 10 % 10), (char)('0' + n % 10), ' ' };
    hf_write(w, hf_bytes_make("HTTP/1.1 ", 9));
    /* RFC 9112 4: "A server MUST send the space that separates the status-code from the reason-phrase even when the
     * reason-phrase is absent" */
    hf_write(w, hf_bytes_make(digits, 4));
    hf_write(w, reason.len > 0 ? reason : hf_status_phrase(status));
    hf_write(w, hf_bytes_make("\r\n", 2));
}

void hf_http1_request_line_write(hf_writer *w, hf_bytes method, hf_bytes target, hf_version version)
{
    hf_write(w, method);
    hf_write(w, hf_bytes_make(" ", 1));
    hf_write(w, target);
    hf_write(w, version == HF_HTTP_1_0 ? hf_text(" HTTP/1.0\r\n") : hf_text(" HTTP/1.1\r\n"));
}
