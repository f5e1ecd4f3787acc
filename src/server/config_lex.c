/* SPDX-License-Identifier: Apache-2.0 */
#include "config_lex.h"

#define MARK "\xef\xbb\xbf" /* U+FEFF */

static bool is_space(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\r';
}

/* The length of the UTF-8 character at `at` (RFC 3629 4); 0 when there is none. */
static size_t character(hf_bytes t, size_t at)
{
    const uint8_t first = t.ptr[at];
    const size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || length > t.len - at)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((t.ptr[at + i] & 0xc0) != 0x80)
            return 0;
    const uint8_t second = length > 1 ? t.ptr[at + 1] : 0;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
        return 0; /* overlong forms, surrogates, beyond U+10FFFF */
    return length;
}

static hf_config_place here(const hf_config_lexer *l, size_t length)
{
    return (hf_config_place){ .file = l->file, .line = l->line, .column = l->column, .at = (uint32_t)l->at,
        .length = (uint32_t)length };
}

static void advance(hf_config_lexer *l, size_t bytes)
{
    for (const size_t end = l->at + bytes; l->at < end; l->at++) {
        if (l->text.ptr[l->at] == '\n') {
            l->line++;
            l->column = 1;
        } else if ((l->text.ptr[l->at] & 0xc0) != 0x80) {
            l->column++;
        }
    }
}

static void rewind_to(hf_config_lexer *l, size_t at)
{
    l->at = at;
    l->line = l->column = 1;
}

bool hf_config_lex_begin(hf_config_lexer *l, hf_config *c, uint32_t file)
{
    *l = (hf_config_lexer){ .config = c, .text = c->files[file].text, .file = file, .line = 1, .column = 1 };
    const hf_bytes t = l->text;
    const bool marked = t.len >= 3 && memcmp(t.ptr, MARK, 3) == 0; /* editors of some systems begin so */
    rewind_to(l, marked ? 3 : 0);
    while (l->at < t.len) {
        const size_t length = character(t, l->at);
        const uint8_t b = t.ptr[l->at];
        const bool control = (b < 0x20 && b != '\t' && b != '\n' && b != '\r') || b == 0x7f;
        if (length == 0 || control) {
            hf_config_complain(c, here(l, 1), length == 0 ? "the byte 0x%02x is no UTF-8; a configuration is text in UTF-8"
                : "the control byte 0x%02x has no place here; a configuration is text in UTF-8", b);
            return false;
        }
        if (length == 3 && memcmp(t.ptr + l->at, MARK, 3) == 0) {
            hf_config_complain(c, here(l, 3), "a byte order mark, which nobody sees, stands in the middle of the file; take it out");
            return false;
        }
        advance(l, length);
    }
    rewind_to(l, marked ? 3 : 0);
    return true;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

/* The length of "..." at the cursor with both quotes; without the second one, of the rest of the line. */
static size_t quoted_length(const hf_config_lexer *l, bool *closed)
{
    size_t i = l->at + 1;
    for (; i < l->text.len && l->text.ptr[i] != '\n'; i++) {
        if (l->text.ptr[i] == '"') {
            *closed = true;
            return i + 1 - l->at;
        }
        if (l->text.ptr[i] == '\\' && i + 1 < l->text.len && l->text.ptr[i + 1] != '\n')
            i++;
    }
    *closed = false;
    while (i > l->at + 1 && is_space(l->text.ptr[i - 1]))
        i--;
    return i - l->at;
}

/* The length of {name} at `at`, or of the rest of ${name}; 0 when the brace is no part of a word. */
static size_t group_length(hf_bytes t, size_t at)
{
    for (size_t i = at + 1; i < t.len; i++) {
        if (t.ptr[i] == '}')
            return i > at + 1 ? i + 1 - at : 0;
        if (is_space(t.ptr[i]) || t.ptr[i] == '\n' || t.ptr[i] == '{' || t.ptr[i] == '"')
            return 0;
    }
    return 0;
}

static size_t bare_length(const hf_config_lexer *l)
{
    const hf_bytes t = l->text;
    size_t i = l->at;
    while (i < t.len && !is_space(t.ptr[i]) && t.ptr[i] != '\n' && t.ptr[i] != '}' && t.ptr[i] != '"') {
        if (t.ptr[i] != '{') {
            i++;
            continue;
        }
        const size_t group = i > l->at ? group_length(t, i) : 0;
        if (group == 0)
            break;
        i += group;
    }
    return i - l->at;
}

static hf_config_token take(hf_config_lexer *l, hf_config_token_kind kind, size_t length)
{
    const hf_config_token token = { .kind = kind, .place = here(l, length),
        .raw = hf_bytes_make(l->text.ptr + l->at, length) };
    advance(l, length);
    return token;
}

static hf_config_token take_quoted(hf_config_lexer *l)
{
    bool closed;
    const size_t length = quoted_length(l, &closed);
    if (!closed)
        hf_config_complain(l->config, here(l, length), "this quote is not closed; a text in quotes ends on its line (\\n is a "
            "new line in it, \\\" a quote)");
    const hf_config_token token = take(l, HF_CONFIG_WORD, length);
    if (closed && l->at < l->text.len && !is_space(l->text.ptr[l->at]) && l->text.ptr[l->at] != '\n' &&
        l->text.ptr[l->at] != '}' && l->text.ptr[l->at] != '{' && l->text.ptr[l->at] != ';')
        hf_config_complain(l->config, here(l, 1), "a space is missing behind the closing quote");
    return token;
}

/* False for a word that was nothing but semicolons: nginx's habit, and C's. Reading goes on without them. */
static bool take_bare(hf_config_lexer *l, hf_config_token *token)
{
    const size_t length = bare_length(l);
    const size_t end = l->at + length;
    const bool stops = end == l->text.len || l->text.ptr[end] != '"'; /* else there is another complaint */
    size_t kept = length;
    while (stops && kept > 0 && l->text.ptr[l->at + kept - 1] == ';')
        kept--;
    *token = take(l, HF_CONFIG_WORD, kept);
    if (kept == length && end < l->text.len && l->text.ptr[end] == '"')
        hf_config_complain(l->config, here(l, 1),
            "a quote opens in the middle of a word; put the whole word in quotes, or a space before the quote");
    if (kept < length) {
        hf_config_complain(l->config, here(l, length - kept), "a statement ends with its line: take the ; out");
        advance(l, length - kept);
    }
    return kept > 0;
}

static hf_config_token take_comment(hf_config_lexer *l)
{
    size_t end = l->at;
    while (end < l->text.len && l->text.ptr[end] != '\n')
        end++;
    while (end > l->at && is_space(l->text.ptr[end - 1]))
        end--;
    return take(l, HF_CONFIG_COMMENT, end - l->at);
}

hf_config_token hf_config_lex_next(hf_config_lexer *l)
{
    hf_config_token token;
    for (;;) {
        while (l->at < l->text.len && is_space(l->text.ptr[l->at]))
            advance(l, 1);
        if (l->at == l->text.len)
            return (hf_config_token){ .kind = HF_CONFIG_END, .place = here(l, 0) };
        switch (l->text.ptr[l->at]) {
        case '\n': return take(l, HF_CONFIG_LINE, 1);
        case '{': return take(l, HF_CONFIG_OPEN, 1);
        case '}': return take(l, HF_CONFIG_CLOSE, 1);
        case '#': return take_comment(l);
        case '"': return take_quoted(l);
        default:
            if (take_bare(l, &token))
                return token;
        }
    }
}
