/* SPDX-License-Identifier: Apache-2.0 */
#include "guard_json.h"

typedef struct reader {
    hf_json *j;
    hf_bytes text;
    size_t at;
    unsigned depth;
} reader;

static int peek(const reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : -1;
}

static bool eat(reader *r, uint8_t byte)
{
    if (peek(r) != byte)
        return false;
    r->at++;
    return true;
}

static void skip_space(reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r')
        r->at++;
}

/* ---- strings -------------------------------------------------------------------------------------------------- */

static bool put_code_point(hf_writer *w, uint32_t c)
{
    if (c < 0x80) {
        hf_write_byte(w, (uint8_t)c);
    } else if (c < 0x800) {
        hf_write_byte(w, (uint8_t)(0xc0 | c >> 6));
        hf_write_byte(w, (uint8_t)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        hf_write_byte(w, (uint8_t)(0xe0 | c >> 12));
        hf_write_byte(w, (uint8_t)(0x80 | (c >> 6 & 63)));
        hf_write_byte(w, (uint8_t)(0x80 | (c & 63)));
    } else {
        hf_write_byte(w, (uint8_t)(0xf0 | c >> 18));
        hf_write_byte(w, (uint8_t)(0x80 | (c >> 12 & 63)));
        hf_write_byte(w, (uint8_t)(0x80 | (c >> 6 & 63)));
        hf_write_byte(w, (uint8_t)(0x80 | (c & 63)));
    }
    return !w->overflowed;
}

static bool take_hex(reader *r, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        const int digit = r->at < r->text.len ? hf_hex_digit(r->text.ptr[r->at]) : -1;
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

/* Behind "\u". RFC 8259 8.2 leaves lone surrogates to the reader: two readers, two strings, so none. Likewise NUL. */
static bool take_unicode(reader *r)
{
    uint32_t high, low;
    if (!take_hex(r, &high) || high == 0 || (high >= 0xdc00 && high < 0xe000))
        return false;
    if (high < 0xd800 || high >= 0xe000)
        return put_code_point(&r->j->scratch, high);
    if (!eat(r, '\\') || !eat(r, 'u') || !take_hex(r, &low) || low < 0xdc00 || low >= 0xe000)
        return false;
    return put_code_point(&r->j->scratch, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
}

static bool take_escape(reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const int c = peek(r);
    if (c < 0)
        return false;
    r->at++;
    if (c == 'u')
        return take_unicode(r);
    const char *const found = c == 0 ? NULL : strchr(from, c);
    if (found == NULL)
        return false;
    hf_write_byte(&r->j->scratch, (uint8_t)to[found - from]);
    return !r->j->scratch.overflowed;
}

/* RFC 3629 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t utf8_length(hf_bytes b)
{
    const uint8_t c = b.ptr[0];
    const size_t n = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || n > b.len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b.ptr[i] & 0xc0) != 0x80)
            return 0;
    const bool bad = (c == 0xe0 && b.ptr[1] < 0xa0) || (c == 0xed && b.ptr[1] > 0x9f) || (c == 0xf0 && b.ptr[1] < 0x90) || (c == 0xf4 && b.ptr[1] > 0x8f);
    return bad ? 0 : n;
}

/* Behind the opening quote. */
static bool take_string(reader *r, hf_bytes *out)
{
    hf_writer *const w = &r->j->scratch;
    const size_t start = w->length;
    while (!eat(r, '"')) {
        if (r->at >= r->text.len || r->text.ptr[r->at] < 0x20)
            return false;
        if (eat(r, '\\')) {
            if (!take_escape(r))
                return false;
            continue;
        }
        const hf_bytes left = hf_bytes_make(r->text.ptr + r->at, r->text.len - r->at);
        const size_t n = utf8_length(left);
        if (n == 0)
            return false;
        hf_write(w, hf_bytes_make(left.ptr, n));
        r->at += n;
    }
    *out = hf_bytes_make(w->ptr + start, w->length - start);
    return !w->overflowed;
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static bool take_digits(reader *r)
{
    const size_t start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > start;
}

static bool take_number(reader *r)
{
    eat(r, '-');
    if (!eat(r, '0') && !take_digits(r))
        return false;
    if (eat(r, '.') && !take_digits(r))
        return false;
    if (!eat(r, 'e') && !eat(r, 'E'))
        return true;
    if (!eat(r, '+'))
        eat(r, '-');
    return take_digits(r);
}

static bool take_word(reader *r, const char *word)
{
    if (!hf_starts_with(hf_bytes_make(r->text.ptr + r->at, r->text.len - r->at), hf_text(word)))
        return false;
    r->at += strlen(word);
    return true;
}

/* The index of a fresh node; 0 (the root's, never fresh again) when there is none. */
static uint32_t fresh(reader *r)
{
    if (r->j->count >= r->j->capacity)
        return 0;
    r->j->nodes[r->j->count] = (hf_json_node){ .kind = HF_JSON_NULL };
    return (uint32_t)r->j->count++;
}

static bool take_value(reader *r, uint32_t index);

static bool is_new_name(const hf_json *j, uint32_t first, hf_bytes name)
{
    for (uint32_t i = first; i != 0; i = j->nodes[i].next)
        if (hf_bytes_equal(j->nodes[i].name, name))
            return false;
    return true;
}

/* Behind '[' or '{'. */
static bool take_children(reader *r, uint32_t parent, bool object)
{
    const uint8_t end = object ? '}' : ']';
    uint32_t last = 0, members = 0;
    if (++r->depth > HF_JSON_DEPTH)
        return false;
    skip_space(r);
    if (eat(r, end)) {
        r->depth--;
        return true;
    }
    do {
        hf_bytes name = { NULL, 0 };
        const uint32_t index = fresh(r);
        skip_space(r);
        if (object && ++members > HF_JSON_MEMBERS)
            return false;
        if (index == 0 || (object && (!eat(r, '"') || !take_string(r, &name) || !is_new_name(r->j, r->j->nodes[parent].child, name))))
            return false;
        skip_space(r);
        if (object && !eat(r, ':'))
            return false;
        r->j->nodes[index].name = name;
        if (last == 0)
            r->j->nodes[parent].child = index;
        else
            r->j->nodes[last].next = index;
        last = index;
        if (!take_value(r, index))
            return false;
        skip_space(r);
    } while (eat(r, ','));
    r->depth--;
    return eat(r, end);
}

static bool take_value(reader *r, uint32_t index)
{
    hf_json_node *const node = &r->j->nodes[index];
    skip_space(r);
    const size_t start = r->at;
    bool good;
    switch (peek(r)) {
    case '"':
        r->at++;
        node->kind = HF_JSON_STRING;
        return take_string(r, &node->text);
    case '{':
    case '[':
        node->kind = peek(r) == '{' ? HF_JSON_OBJECT : HF_JSON_ARRAY;
        r->at++;
        good = take_children(r, index, node->kind == HF_JSON_OBJECT);
        break;
    case 't':
        node->kind = HF_JSON_TRUE;
        good = take_word(r, "true");
        break;
    case 'f':
        node->kind = HF_JSON_FALSE;
        good = take_word(r, "false");
        break;
    case 'n':
        good = take_word(r, "null");
        break;
    default:
        node->kind = HF_JSON_NUMBER;
        good = take_number(r);
        break;
    }
    node->text = hf_bytes_make(r->text.ptr + start, r->at - start);
    return good;
}

bool hf_json_parse(hf_json *j, hf_bytes text)
{
    reader r = { .j = j, .text = text };
    j->count = 0;
    j->scratch.length = 0;
    if (text.len == 0 || j->capacity == 0)
        return false;
    fresh(&r);
    if (!take_value(&r, 0))
        return false;
    skip_space(&r);
    return r.at == text.len;
}

const hf_json_node *hf_json_first(const hf_json *j, const hf_json_node *of)
{
    return of->child != 0 ? &j->nodes[of->child] : NULL;
}

const hf_json_node *hf_json_next(const hf_json *j, const hf_json_node *after)
{
    return after->next != 0 ? &j->nodes[after->next] : NULL;
}

const hf_json_node *hf_json_member(const hf_json *j, const hf_json_node *object, const char *name)
{
    if (object->kind != HF_JSON_OBJECT)
        return NULL;
    for (const hf_json_node *at = hf_json_first(j, object); at != NULL; at = hf_json_next(j, at))
        if (hf_bytes_equal(at->name, hf_text(name)))
            return at;
    return NULL;
}

bool hf_json_integer(const hf_json_node *node, int64_t *n)
{
    hf_bytes text = node->text;
    uint64_t value;
    const bool minus = text.len > 0 && text.ptr[0] == '-';
    if (node->kind != HF_JSON_NUMBER || memchr(text.ptr, 'e', text.len) != NULL || memchr(text.ptr, 'E', text.len) != NULL)
        return false;
    if (minus)
        text = hf_bytes_make(text.ptr + 1, text.len - 1);
    const uint8_t *const dot = memchr(text.ptr, '.', text.len);
    if (dot != NULL)
        text.len = (size_t)(dot - text.ptr);
    if (!hf_parse_decimal(text, &value) || value > (uint64_t)1 << 53)
        return false;
    *n = minus ? -(int64_t)value : (int64_t)value;
    return true;
}
