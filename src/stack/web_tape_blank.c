/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's tape without secrets: what is blanked keeps its length, so that the core does the same. Where it is not known
 * what bytes are, they are blanked.
 */
#include "web_tape_core.h"

#include "text.h"

static uint8_t *byte_at(hf_web_tape *t, uint64_t stream)
{
    size_t low = 0, high = t->chunk_count; /* the last chunk that begins at or before it */
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (t->chunks[middle].stream <= stream)
            low = middle;
        else
            high = middle;
    }
    return t->bytes + t->chunks[low].at + (stream - t->chunks[low].stream);
}

static void blank(hf_web_tape *t, uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        *byte_at(t, from) = 'x';
}

/* Letters and digits: what was wrong with a line stays where it was. */
static void blank_words(hf_web_tape *t, uint64_t from, uint64_t to)
{
    for (; from < to; from++) {
        uint8_t *const c = byte_at(t, from);
        if (hf_lower(*c) >= 'a' ? hf_lower(*c) <= 'z' : *c >= '0' && *c <= '9')
            *c = 'x';
    }
}

/* Sizes of chunks, and the ends of lines. */
static void blank_around(hf_web_tape *t, uint64_t from, uint64_t to)
{
    for (; from < to; from++) {
        uint8_t *const c = byte_at(t, from);
        if (*c != '\r' && *c != '\n' && hf_hex_digit(*c) < 0)
            *c = 'x';
    }
}

/* The last chunk, as it mostly is: CR LF 0 CR LF CR LF. */
static bool is_last_chunk(hf_web_tape *t, uint64_t from, uint64_t to)
{
    static const char last[] = "\r\n0\r\n\r\n";
    const size_t most = sizeof last - 1, length = to - from < most + 1 ? (size_t)(to - from) : most + 1;
    if (length > most || length < most - 2)
        return false;
    for (size_t i = 0; i < length; i++)
        if (*byte_at(t, from + i) != (uint8_t)last[most - length + i])
            return false;
    return true;
}

/* ---- heads ------------------------------------------------------------------------------------------------------ */

bool tape_sounds_secret(hf_bytes name)
{
    static const char *const words[] = { "cookie", "auth", "token", "secret", "key", "session", "passw", "csrf", "xsrf", "jwt",
        "signature", "credential", "assertion", "otp", "ssn", "username", "email", "location", "link" };
    for (size_t i = 0; i < HF_COUNT(words); i++) {
        const hf_bytes word = hf_text(words[i]);
        for (size_t at = 0; at + word.len <= name.len; at++)
            if (hf_text_same(hf_bytes_make(name.ptr + at, word.len), word))
                return true;
    }
    return false;
}

enum { NAME_MOST = 64 };

/* METHOD and a target: what else begins a request that was refused, nobody knows. */
static bool is_request_line(hf_web_tape *t, uint64_t from, uint64_t to)
{
    uint64_t at = from;
    while (at < to && at - from < NAME_MOST && *byte_at(t, at) >= 'A' && *byte_at(t, at) <= 'Z')
        at++;
    if (at == to)
        return true;
    if (at == from || *byte_at(t, at) != ' ')
        return false;
    const uint8_t first = ++at < to ? *byte_at(t, at) : '/';
    return first == '/' || first == '*' || first == 'h';
}

/* One line: a request's, or a field. Queries are blanked wherever they are, and what lies behind a line's first CR, for that is no
 * line of ours. */
static void blank_line(hf_web_tape *t, uint64_t from, uint64_t to, bool first, bool *secret)
{
    uint8_t name[NAME_MOST];
    size_t length = 0;
    bool in_value = first, query = false;
    const bool folded = from < to && (*byte_at(t, from) == ' ' || *byte_at(t, from) == '\t');
    for (uint64_t at = from; at < to; at++) {
        uint8_t *const c = byte_at(t, at);
        if (*c == '\r' || *c == '\n')
            continue;
        if (!in_value && !folded && *c == ':') {
            in_value = true;
            *secret = length == NAME_MOST || tape_sounds_secret(hf_bytes_make(name, length));
            continue;
        }
        if (!in_value && !folded) {
            if (length < NAME_MOST)
                name[length++] = *c;
            continue;
        }
        if (query && first && *c == ' ')
            query = false;
        if (((!first && *secret) || query) && *c > ' ' && *c != 127) /* control bytes are mistakes that stay */
            *c = 'x';
        query = query || *c == '?' || *c == '#';
    }
    if (!first && !in_value && !folded) /* no field at all */
        blank_words(t, from, to);
}

/* Returns where the head ends: behind its empty line, or `to`. */
static uint64_t blank_head(hf_web_tape *t, uint64_t from, uint64_t to)
{
    bool first = true, secret = false;
    while (from < to) {
        uint64_t end = from;
        while (end < to && *byte_at(t, end) != '\n')
            end++;
        end += end < to;
        const bool empty = end - from <= 2 && (*byte_at(t, from) == '\n' || (*byte_at(t, from) == '\r' && end - from == 2));
        if (empty && !first)
            return end;
        if (!empty && first && !is_request_line(t, from, end))
            blank_words(t, from, end);
        else if (!empty)
            blank_line(t, from, end, first, &secret);
        first = first && empty;
        from = end;
    }
    return to;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* What no event spoke of, before the mark `next`. */
static void blank_gap(hf_web_tape *t, uint64_t from, uint64_t to, bool at_head, tape_mark_kind next)
{
    if (at_head)
        blank(t, blank_head(t, from, to), to);
    else if (next == TAPE_CONTENT)
        blank_around(t, from, to);
    else if (!is_last_chunk(t, from, to))
        blank(t, from, to);
}

bool hf_web_tape_blank(hf_web_tape *t)
{
    uint64_t at = 0;
    bool at_head = true;
    if (t->version > HF_HTTP_1_1 || t->flaw != NULL)
        return false;
    for (size_t i = 0; i < t->value_count; i++)
        memset(t->bytes + t->values[i].at, 'x', t->values[i].length);
    for (size_t i = 0; i < t->mark_count; i++) {
        const tape_mark *const m = &t->marks[i];
        const uint64_t begin = m->begin < t->known ? m->begin : t->known, end = m->end < t->known ? m->end : t->known;
        if (begin > at)
            blank_gap(t, at, begin, at_head, m->kind);
        if (m->kind == TAPE_HEAD)
            (void)blank_head(t, begin, end);
        else if (m->kind == TAPE_CONTENT)
            blank(t, begin > at ? begin : at, end > at ? end : at);
        at_head = m->kind == TAPE_COMPLETE;
        at = end > at ? end : at;
    }
    if (t->known > at)
        blank_gap(t, at, t->known, at_head, TAPE_NOTHING);
    return true;
}
