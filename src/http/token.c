/* SPDX-License-Identifier: Apache-2.0
 *
 * The byte classes, and the small grammar on top of them.
 */
#include "token.h"

/* What the targets of real clients hold beyond RFC 3986. Browsers follow the URL Standard, which leaves '|', '^', '['
 * and ']' alone in paths, and in queries '\', '`', '{' and '}' too; links with them have always worked, and none of
 * them means anything to us. Refused everywhere: controls, space, '"', '<', '>' (browsers encode them, and raw they are
 * the stuff of injection into logs and pages), bytes of 0x80 and above, and '#', which no client sends (RFC 9112 3.2
 * has no fragment) and which other software would cut at. '\' in a path is refused because some take it for '/'. */
#define T HF_BYTE_TCHAR
#define V HF_BYTE_VALUE
#define P HF_BYTE_PATH
#define Q HF_BYTE_QUERY
#define H HF_BYTE_HOST
#define U HF_BYTE_UNRESERVED
#define D HF_BYTE_DIGIT
#define E HF_BYTE_ETAGC
#define FOUR(at, c) [at] = (c), [(at) + 1] = (c), [(at) + 2] = (c), [(at) + 3] = (c)
#define SIXTEEN(at, c) FOUR(at, c), FOUR((at) + 4, c), FOUR((at) + 8, c), FOUR((at) + 12, c)
#define LETTER (T | V | P | Q | H | U | E)
#define NUMBER (LETTER | D)
#define SUB_DELIM (V | P | Q | H | E)   /* and no tchar: ( ) , ; = */
#define SUB_DELIM_TCHAR (SUB_DELIM | T) /* ! $ & ' * + */

const uint8_t hf_byte_class[256] = {
    ['\t'] = V,
    [' '] = V,
    ['"'] = V,
    ['!'] = SUB_DELIM_TCHAR, ['$'] = SUB_DELIM_TCHAR, ['&'] = SUB_DELIM_TCHAR,
    ['\''] = SUB_DELIM_TCHAR, ['*'] = SUB_DELIM_TCHAR, ['+'] = SUB_DELIM_TCHAR,
    ['('] = SUB_DELIM, [')'] = SUB_DELIM, [','] = SUB_DELIM, [';'] = SUB_DELIM, ['='] = SUB_DELIM,
    ['%'] = T | V | P | Q | H | E,
    ['#'] = T | V | E,
    ['-'] = LETTER, ['.'] = LETTER, ['_'] = LETTER,
    ['~'] = LETTER,
    ['/'] = V | P | Q | E, [':'] = V | P | Q | E, ['@'] = V | P | Q | E,
    ['?'] = V | Q | E,
    ['<'] = V | E, ['>'] = V | E,
    ['['] = V | P | Q | E, [']'] = V | P | Q | E,
    ['|'] = T | V | P | Q | E, ['^'] = T | V | P | Q | E,
    ['`'] = T | V | Q | E,
    ['\\'] = V | Q | E, ['{'] = V | Q | E, ['}'] = V | Q | E,
    FOUR('0', NUMBER), FOUR('4', NUMBER), ['8'] = NUMBER, ['9'] = NUMBER,
    FOUR('A', LETTER), FOUR('E', LETTER), SIXTEEN('I', LETTER), ['Y'] = LETTER, ['Z'] = LETTER,
    FOUR('a', LETTER), FOUR('e', LETTER), SIXTEEN('i', LETTER), ['y'] = LETTER, ['z'] = LETTER,
    /* RFC 9110 5.5: obs-text */
    SIXTEEN(0x80, V | E), SIXTEEN(0x90, V | E), SIXTEEN(0xa0, V | E), SIXTEEN(0xb0, V | E),
    SIXTEEN(0xc0, V | E), SIXTEEN(0xd0, V | E), SIXTEEN(0xe0, V | E), SIXTEEN(0xf0, V | E),
};
#undef T
#undef V
#undef P
#undef Q
#undef H
#undef U
#undef D
#undef E

/* ---- field values --------------------------------------------------------------------------------------------- */

/* The eight bytes at `p`, the first of them lowest. */
static inline uint64_t eight(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(x) : x;
}

/* Which of the eight bytes at `p` are below `least` or 0x7f, all looked at at once. 0: none. Else the lowest bit that is set lies
 * in the first of them; those above it may be wrong, for a subtraction borrows upward. */
static inline uint64_t bytes_below(const uint8_t *p, uint8_t least)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const uint64_t x = eight(p), del = x ^ (ones * 0x7f);
    return (((x - ones * least) & ~x) | ((del - ones) & ~del)) & highs;
}

/* Controls, HTAB too. */
static inline uint64_t controls(const uint8_t *p)
{
    return bytes_below(p, ' ');
}

const uint8_t *hf_word_end(const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 8; p += 8) {
        const uint64_t found = bytes_below(p, ' ' + 1);
        if (found != 0)
            return p + __builtin_ctzll(found) / 8;
    }
    while (p != end && *p > ' ' && *p != 0x7f)
        p++;
    return p;
}

const uint8_t *hf_field_value_end(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        const uint64_t found = controls(p);
        p += found == 0 ? 8 : __builtin_ctzll(found) / 8;
        if (found != 0 && *p++ != '\t')
            return p - 1;
    }
    while (p != end && hf_byte_is(*p, HF_BYTE_VALUE))
        p++;
    return p;
}

bool hf_is_field_value(hf_bytes value)
{
    if (value.len < 8)
        return hf_span_of(value, HF_BYTE_VALUE) == value.len;
    const uint8_t *p = value.ptr, *const end = p + value.len;
    while (end - p > 8 && controls(p) == 0)
        p += 8;
    /* the last eight overlap what was looked at already: no loop for the rest */
    return (end - p <= 8 && controls(end - 8) == 0) || hf_field_value_end(p, end) == end;
}

static hf_bytes from(hf_bytes b, size_t n)
{
    return n > 0 ? hf_bytes_make(b.ptr + n, b.len - n) : b; /* NULL + 0 is not defined in C */
}

static hf_bytes trim_left(hf_bytes b)
{
    size_t n = 0;
    while (n < b.len && (b.ptr[n] == ' ' || b.ptr[n] == '\t'))
        n++;
    return from(b, n);
}

size_t hf_quoted_length(hf_bytes b)
{
    if (b.len < 2 || b.ptr[0] != '"')
        return 0;
    for (size_t i = 1; i < b.len; i++) {
        if (b.ptr[i] == '"')
            return i + 1;
        if (b.ptr[i] == '\\')
            i++;
        /* RFC 9110 5.6.4: neither qdtext nor a quoted-pair holds a control byte */
        if (i < b.len && !hf_byte_is(b.ptr[i], HF_BYTE_VALUE))
            return 0;
    }
    return 0;
}

bool hf_unquote(hf_bytes value, hf_writer *w)
{
    if (hf_is_token(value)) {
        hf_write(w, value);
        return true;
    }
    if (value.len == 0 || hf_quoted_length(value) != value.len)
        return false;
    for (size_t i = 1; i + 1 < value.len; i++) {
        if (value.ptr[i] == '\\')
            i++;
        hf_write(w, hf_bytes_make(value.ptr + i, 1));
    }
    return true;
}

/* The length of the first element. A quote that does not end swallows all that follows: looking behind it again and
 * again would take quadratic time. */
static size_t element_length(hf_bytes list)
{
    size_t n = 0;
    while (n < list.len && list.ptr[n] != ',') {
        const size_t quoted = list.ptr[n] == '"' ? hf_quoted_length(from(list, n)) : 1;
        if (quoted == 0)
            return list.len;
        n += quoted;
    }
    return n;
}

bool hf_list_next(hf_bytes *rest, hf_bytes *element)
{
    while (rest->len > 0) {
        const size_t n = element_length(*rest);
        *element = hf_trim(hf_bytes_make(rest->ptr, n));
        *rest = from(*rest, n < rest->len ? n + 1 : n);
        if (element->len > 0)
            return true;
    }
    return false;
}

bool hf_list_has(hf_bytes value, const char *token)
{
    const hf_bytes wanted = hf_text(token);
    for (hf_bytes element; hf_list_next(&value, &element);)
        if (hf_text_same(element, wanted))
            return true;
    return false;
}

hf_bytes hf_list_head(hf_bytes element, hf_bytes *rest)
{
    size_t n = 0;
    while (n < element.len && element.ptr[n] != ';')
        n++;
    *rest = from(element, n);
    return hf_trim(hf_bytes_make(element.ptr, n));
}

bool hf_param_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value)
{
    hf_bytes at = trim_left(*rest);
    bool separated = false;
    while (at.len > 0 && at.ptr[0] == ';') {
        separated = true;
        at = trim_left(from(at, 1));
    }
    if (at.len == 0) {
        *rest = at;
        return false;
    }
    /* RFC 9110 5.6.6: parameter = parameter-name "=" parameter-value, without space around '=' */
    const size_t name_length = hf_span_of(at, HF_BYTE_TCHAR);
    if (!separated || name_length == 0 || name_length == at.len || at.ptr[name_length] != '=') {
        *rest = at;
        return false;
    }
    const hf_bytes after = from(at, name_length + 1);
    const size_t quoted = hf_quoted_length(after);
    const size_t value_length = quoted > 0 ? quoted : hf_span_of(after, HF_BYTE_TCHAR);
    if (value_length == 0) {
        *rest = at;
        return false;
    }
    *name = hf_bytes_make(at.ptr, name_length);
    *value = hf_bytes_make(after.ptr, value_length);
    *rest = from(after, value_length);
    return true;
}

hf_bytes hf_param_find(hf_bytes rest, const char *wanted)
{
    for (hf_bytes name, value; hf_param_next(&rest, &name, &value);)
        if (hf_text_same(name, hf_text(wanted)))
            return value;
    return hf_bytes_make(NULL, 0);
}

int hf_qvalue_parse(hf_bytes text)
{
    /* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1')
        || (text.len > 1 && text.ptr[1] != '.'))
        return -1;
    int q = (text.ptr[0] - '0') * 1000;
    for (size_t i = 2, unit = 100; i < text.len; i++, unit /= 10) {
        if (!hf_byte_is(text.ptr[i], HF_BYTE_DIGIT))
            return -1;
        q += (text.ptr[i] - '0') * (int)unit;
    }
    return q <= 1000 ? q : -1;
}
