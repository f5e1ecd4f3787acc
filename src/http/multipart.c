/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader is a machine on single lines but for the data of parts, which is searched for CR at the speed of memchr. A
 * delimiter holds a CR at its front alone, so a match that fails begins anew at the next CR and never looks back.
 */
#include "multipart.h"

#include "alloc.h"
#include "panic.h"
#include "text.h"
#include "token.h"

typedef enum state {
    PREAMBLE,  /* before the first delimiter: thrown away */
    TAIL,      /* behind a delimiter: "--", or padding and CRLF */
    TAIL_DASH, /* one '-' was there */
    TAIL_PAD,
    TAIL_CR,
    HEAD,
    DATA,
    EPILOGUE,  /* behind the closing delimiter: thrown away */
    BAD
} state;

enum { BOUNDARY_MOST = 70, PADDING_MOST = 256 }; /* RFC 2046 5.1.1: no longer than 70 characters */

struct hf_multipart {
    const hf_env *env;
    state state;
    bool in_part;
    hf_err err;
    const char *wanted;
    uint64_t parts;
    size_t padding;
    size_t matched; /* bytes of the delimiter that the input so far ends with */
    size_t ghost;   /* the first of them were never in the input: a line begins here, and its end belongs to somebody else */
    size_t delimiter_length;
    uint8_t delimiter[4 + BOUNDARY_MOST]; /* CRLF "--" boundary */
    size_t head_length;
    uint64_t head_capacity;
    uint8_t head[];
};

static hf_multipart_kind fail(hf_multipart *m, int32_t code, const char *wanted)
{
    m->state = BAD;
    m->err = hf_err_make(code);
    m->wanted = wanted;
    return HF_MULTIPART_BAD;
}

static hf_multipart_kind malformed(hf_multipart *m, const char *wanted)
{
    return fail(m, HF_ERR_HTTP_MULTIPART_SYNTAX, wanted);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

/* RFC 2046 5.1.1: "boundary := 0*69<bchars> bcharsnospace" */
static bool is_boundary(hf_bytes b)
{
    if (b.len == 0 || b.len > BOUNDARY_MOST || b.ptr[b.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < b.len; i++) {
        const uint8_t c = b.ptr[i], l = hf_lower(c);
        if (!(l >= 'a' && l <= 'z') && !(c >= '0' && c <= '9') && (c == 0 || strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return true;
}

hf_multipart *hf_multipart_new(const hf_env *env, hf_bytes content_type, hf_err *err)
{
    uint8_t text[BOUNDARY_MOST + 1];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_bytes rest;
    *err = hf_err_make(HF_ERR_HTTP_CONTENT_TYPE);
    if (!hf_text_same(hf_list_head(content_type, &rest), hf_text("multipart/form-data")))
        return NULL;
    *err = hf_err_make(HF_ERR_HTTP_MULTIPART_SYNTAX);
    const hf_bytes value = hf_param_find(rest, "boundary");
    if (value.ptr == NULL || !hf_unquote(value, &w) || w.overflowed || !is_boundary(hf_written(&w)))
        return NULL;
    const uint64_t capacity = env->limits->part_head_bytes;
    hf_multipart *m = capacity < SIZE_MAX / 2 ? hf_alloc(&env->alloc, sizeof *m + (size_t)capacity) : NULL;
    *err = hf_err_make(m != NULL ? 0 : HF_ERR_BASE_MEMORY);
    if (m == NULL)
        return NULL;
    *m = (hf_multipart){ .env = env, .head_capacity = capacity, .delimiter_length = 4 + w.length, .wanted = "",
        .matched = 2, .ghost = 2 }; /* the first delimiter may stand at the very beginning, as if a line had ended there */
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, text, w.length);
    return m;
}

void hf_multipart_free(hf_multipart *m)
{
    if (m != NULL)
        hf_free(&m->env->alloc, m, sizeof *m + (size_t)m->head_capacity);
}

hf_err hf_multipart_fault(const hf_multipart *m, const char **wanted)
{
    *wanted = m->wanted;
    return m->err;
}

hf_err hf_multipart_end(hf_multipart *m)
{
    if (m->state != EPILOGUE && m->state != BAD)
        (void)malformed(m, "a closing delimiter, --boundary--, before the body ends");
    return m->err;
}

/* ---- heads of parts ----------------------------------------------------------------------------------------- */

/* A parameter's value: a token, or a quoted-string undone in place. Browsers escape '"' as %22 and leave a backslash
 * alone, others write \" and \\: so a backslash escapes these two and nothing else. False when it does not end. */
static bool cut_value(uint8_t **at, uint8_t *end, hf_bytes *value)
{
    uint8_t *p = *at, *to = p;
    if (p == end || *p != '"') {
        while (p < end && hf_is_tchar(*p))
            p++;
        *value = hf_bytes_make(*at, (size_t)(p - *at));
        *at = p;
        return value->len > 0;
    }
    uint8_t *const first = to;
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && end - p > 1 && (p[1] == '"' || p[1] == '\\'))
            p++;
        *to++ = *p;
    }
    *value = hf_bytes_make(first, (size_t)(to - first));
    *at = p + 1;
    return p < end;
}

static uint8_t *skip_blanks(uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Content-Disposition: form-data; name="..."; filename="..." (RFC 7578 4.2). False when it is anything else. */
static bool read_disposition(uint8_t *p, uint8_t *end, hf_multipart_event *event)
{
    hf_bytes value;
    p = skip_blanks(p, end);
    if (!cut_value(&p, end, &value) || !hf_text_same(value, hf_text("form-data")))
        return false;
    while ((p = skip_blanks(p, end)) < end) {
        if (*p++ != ';')
            return false;
        p = skip_blanks(p, end);
        const size_t n = hf_span_of(hf_bytes_make(p, (size_t)(end - p)), HF_BYTE_TCHAR);
        const hf_bytes name = hf_bytes_make(p, n);
        p += n;
        if (n == 0 || p == end || *p++ != '=' || !cut_value(&p, end, &value))
            return false;
        const bool is_name = hf_text_same(name, hf_text("name")), is_file = hf_text_same(name, hf_text("filename"));
        if ((is_name && event->name.ptr != NULL) || (is_file && event->filename.ptr != NULL))
            return false; /* who reads the first and who reads the last must not differ */
        if (is_name)
            event->name = value;
        else if (is_file) /* RFC 7578 4.2: filename* "MUST NOT be used": it is passed over like any other parameter */
            event->filename = value;
    }
    return event->name.ptr != NULL;
}

/* RFC 7578 4.2: "do not use the file name blindly": no path, no control bytes. */
static bool strip_filename(hf_bytes *name)
{
    if (name->ptr == NULL)
        return true;
    size_t start = 0;
    for (size_t i = 0; i < name->len; i++) {
        if (name->ptr[i] < 0x20 || name->ptr[i] == 0x7f)
            return false;
        if (name->ptr[i] == '/' || name->ptr[i] == '\\')
            start = i + 1;
    }
    *name = hf_bytes_make(name->ptr + start, name->len - start);
    return true;
}

static const char *read_field(hf_bytes line, bool *disposed, hf_multipart_event *event)
{
    uint8_t *const first = (uint8_t *)line.ptr, *const end = first + line.len;
    const size_t n = hf_span_of(line, HF_BYTE_TCHAR);
    if (n == 0 || n == line.len || first[n] != ':')
        return "a field: name, colon, value";
    const hf_bytes name = hf_bytes_make(first, n);
    const hf_bytes value = hf_trim(hf_bytes_make(first + n + 1, line.len - n - 1));
    if (!hf_is_field_value(value))
        return "a field value without control bytes";
    if (hf_text_same(name, hf_text("Content-Disposition"))) {
        if (*disposed || !read_disposition(first + n + 1, end, event) || !strip_filename(&event->filename))
            return "Content-Disposition: form-data with a name";
        *disposed = true;
    } else if (hf_text_same(name, hf_text("Content-Type"))) {
        event->content_type = value;
    } else if (hf_text_same(name, hf_text("Content-Transfer-Encoding"))) {
        /* RFC 7578 4.7: deprecated; what changes no byte may stand, what does would be taken for the content itself */
        if (!hf_text_same(value, hf_text("binary")) && !hf_text_same(value, hf_text("8bit")) &&
            !hf_text_same(value, hf_text("7bit")))
            return "no Content-Transfer-Encoding";
    }
    return NULL;
}

/* The whole head is there: its lines each end with CRLF, the empty last one included. */
static hf_multipart_kind read_head(hf_multipart *m, hf_multipart_event *event)
{
    bool disposed = false;
    *event = (hf_multipart_event){ .kind = HF_MULTIPART_PART, .content_type = hf_text("text/plain") };
    hf_bytes rest = hf_bytes_make(m->head, m->head_length - 2);
    while (rest.len > 0) {
        const uint8_t *cr = memchr(rest.ptr, '\r', rest.len);
        HF_ASSERT(cr != NULL);
        const size_t n = (size_t)(cr - rest.ptr);
        const char *wrong = read_field(hf_bytes_make(rest.ptr, n), &disposed, event);
        if (wrong != NULL)
            return malformed(m, wrong);
        rest = hf_bytes_make(rest.ptr + n + 2, rest.len - n - 2);
    }
    if (!disposed)
        return malformed(m, "Content-Disposition: form-data with a name");
    if (event->name.len > m->env->limits->form_name_bytes)
        return fail(m, HF_ERR_HTTP_FORM_NAME, "a shorter name");
    if (++m->parts > m->env->limits->form_arguments)
        return fail(m, HF_ERR_HTTP_FORM_ARGUMENTS, "fewer parts");
    m->state = DATA;
    m->in_part = true;
    m->matched = m->ghost = 2; /* the CRLF that ended the head may begin a delimiter: RFC 2046 5.1.1, the body is optional */
    return HF_MULTIPART_PART;
}

static hf_multipart_kind eat_head(hf_multipart *m, hf_bytes *in, hf_multipart_event *event)
{
    while (in->len > 0) {
        const uint8_t c = *in->ptr;
        const bool after_cr = m->head_length > 0 && m->head[m->head_length - 1] == '\r';
        if ((c == '\n') != after_cr)
            return malformed(m, "lines that end with CRLF in the head of a part");
        if (m->head_length == m->head_capacity)
            return fail(m, HF_ERR_HTTP_PART_HEAD, "a shorter head");
        m->head[m->head_length++] = c;
        *in = hf_bytes_make(in->ptr + 1, in->len - 1);
        const size_t n = m->head_length;
        if (c == '\n' && (n == 2 || (n >= 4 && m->head[n - 3] == '\n')))
            return read_head(m, event);
    }
    return HF_MULTIPART_MORE;
}

/* ---- between parts ------------------------------------------------------------------------------------------ */

/* One byte behind a delimiter. RFC 2046 5.1.1: "The boundary delimiter line is then defined as ... possibly followed by
 * white space"; two hyphens make it the last. NULL, or what is wanted. */
static const char *eat_tail(hf_multipart *m, uint8_t c)
{
    switch (m->state) {
    case TAIL:
        if (c == '-') {
            m->state = TAIL_DASH;
            return NULL;
        }
        m->padding = 0;
        [[fallthrough]];
    case TAIL_PAD:
        m->state = c == '\r' ? TAIL_CR : TAIL_PAD;
        return c == '\r' || ((c == ' ' || c == '\t') && ++m->padding <= PADDING_MOST) ? NULL : "CRLF or -- behind a delimiter";
    case TAIL_DASH:
        m->state = EPILOGUE;
        return c == '-' ? NULL : "-- behind the last delimiter";
    case TAIL_CR:
        m->state = HEAD;
        m->head_length = 0;
        return c == '\n' ? NULL : "LF behind CR";
    default:
        hf_panic(__FILE__, __LINE__, "no state behind a delimiter");
    }
}

/* ---- data --------------------------------------------------------------------------------------------------- */

/* Where in `in` the delimiter may begin: its whole length, or as much as there is, matches. in.len when nowhere. */
static size_t find_delimiter(const hf_multipart *m, hf_bytes in)
{
    size_t at = 0;
    while (at < in.len) {
        const uint8_t *cr = memchr(in.ptr + at, '\r', in.len - at);
        if (cr == NULL)
            return in.len;
        at = (size_t)(cr - in.ptr);
        const size_t there = in.len - at < m->delimiter_length ? in.len - at : m->delimiter_length;
        if (memcmp(cr, m->delimiter, there) == 0)
            return at;
        at++;
    }
    return in.len;
}

/* Tells data, unless there is none or it is the preamble's. True when there is something to tell. */
static bool tell(hf_multipart *m, hf_bytes bytes, hf_multipart_event *event)
{
    *event = (hf_multipart_event){ .kind = HF_MULTIPART_DATA, .bytes = bytes };
    return m->in_part && bytes.len > 0;
}

/* Carries on a match. True when there is something to tell. */
static bool eat_match(hf_multipart *m, hf_bytes *in, hf_multipart_event *event)
{
    while (in->len > 0 && m->matched < m->delimiter_length && *in->ptr == m->delimiter[m->matched]) {
        m->matched++;
        *in = hf_bytes_make(in->ptr + 1, in->len - 1);
    }
    if (m->matched == m->delimiter_length) {
        const bool ended = m->in_part;
        m->in_part = false;
        m->matched = m->ghost = 0;
        m->state = TAIL;
        *event = (hf_multipart_event){ .kind = HF_MULTIPART_PART_END };
        return ended;
    }
    if (in->len == 0)
        return false;
    const hf_bytes held = hf_bytes_make(m->delimiter + m->ghost, m->matched - m->ghost); /* it was data after all */
    m->matched = m->ghost = 0;
    return tell(m, held, event);
}

static bool eat_data(hf_multipart *m, hf_bytes *in, hf_multipart_event *event)
{
    if (m->matched > 0)
        return eat_match(m, in, event);
    const size_t n = find_delimiter(m, *in);
    const hf_bytes found = hf_bytes_make(in->ptr, n);
    *in = hf_bytes_make(in->ptr + n, in->len - n);
    if (in->len > 0) { /* a CR: all that is there matches, or the match would have failed */
        m->matched = 1;
        *in = hf_bytes_make(in->ptr + 1, in->len - 1);
    }
    return tell(m, found, event);
}

hf_multipart_kind hf_multipart_next(hf_multipart *m, hf_bytes *in, hf_multipart_event *event)
{
    while (in->len > 0) {
        const char *wrong;
        hf_multipart_kind kind;
        switch (m->state) {
        case PREAMBLE:
        case DATA:
            if (eat_data(m, in, event))
                return event->kind;
            break;
        case TAIL:
        case TAIL_DASH:
        case TAIL_PAD:
        case TAIL_CR:
            wrong = eat_tail(m, *in->ptr);
            *in = hf_bytes_make(in->ptr + 1, in->len - 1);
            if (wrong != NULL)
                return malformed(m, wrong);
            break;
        case HEAD:
            kind = eat_head(m, in, event);
            if (kind != HF_MULTIPART_MORE)
                return kind;
            break;
        case EPILOGUE:
            *in = hf_bytes_make(in->ptr + in->len, 0);
            break;
        case BAD:
            return HF_MULTIPART_BAD;
        }
    }
    return m->state == BAD ? HF_MULTIPART_BAD : HF_MULTIPART_MORE;
}
