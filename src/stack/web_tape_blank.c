/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's tape without secrets: what is blanked keeps its length, so that the core does the same. Where it is not known
 * what bytes are, they are blanked.
 */
#include "web_tape_core.h"

#include <handfast/http.h>

#include "text.h"
#include "token.h"

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

/* All but spaces, tabs and ends of lines. */
static void blank_text(hf_web_tape *t, uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        if (*byte_at(t, from) > ' ')
            *byte_at(t, from) = 'x';
}

/* The ends of lines and a chunk's size; of extensions their shape. Whatever else it is goes. */
static void blank_chunk_line(hf_web_tape *t, uint64_t from, uint64_t to)
{
    uint64_t at = from;
    if (to - at >= 2 && *byte_at(t, at) == '\r' && *byte_at(t, at + 1) == '\n')
        at += 2;
    const uint64_t size = at;
    while (at < to && at - size < 16 && hf_hex_digit(*byte_at(t, at)) >= 0)
        at++;
    const bool line = at > size && to - at >= 2 && *byte_at(t, to - 2) == '\r' && *byte_at(t, to - 1) == '\n';
    const uint8_t behind = line ? *byte_at(t, at) : 0;
    if (behind != '\r' && behind != ';' && behind != ' ' && behind != '\t') {
        blank(t, from, to);
        return;
    }
    for (; at < to - 2; at++) {
        uint8_t *const c = byte_at(t, at);
        if (*c == 0 || strchr(";=\"\\ \t", *c) == NULL)
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
    static const char *const words[] = { "cookie", "auth", "token", "secret", "key", "pass", "pwd", "csrf", "xsrf", "jwt",
        "signature", "credential", "assertion", "otp", "ssn", "username", "email", "location", "link", "referer", "sess", "bearer",
        "ticket", "nonce", "dpop", "protocol" /* Sec-WebSocket-Protocol carries tokens of browsers */ };
    for (size_t i = 0; i < HF_COUNT(words); i++) {
        const hf_bytes word = hf_text(words[i]);
        for (size_t at = 0; at + word.len <= name.len; at++)
            if (hf_text_same(hf_bytes_make(name.ptr + at, word.len), word))
                return true;
    }
    return false;
}

enum { NAME_MOST = 64 };

/* Here a line ends, as far as it is there. */
static bool is_end(hf_web_tape *t, uint64_t at, uint64_t to)
{
    const uint8_t c = *byte_at(t, at);
    return c == '\n' || (c == '\r' && (at + 1 == to || *byte_at(t, at + 1) == '\n'));
}

/* A line that is whole ends in CR LF. */
static bool ends_well(hf_web_tape *t, uint64_t from, uint64_t to)
{
    return to - from < 2 || *byte_at(t, to - 1) != '\n' || *byte_at(t, to - 2) == '\r';
}

/* The byte at `at` is the first that is wrong in its line: it says why the line is refused, and nobody reads on. So it stays, with
 * the control bytes and blanks behind it (a TLS record begins with two, and blanks before a colon are a mistake of their own) and
 * one colon; all else goes but the line's end. */
static void blank_wrong(hf_web_tape *t, uint64_t at, uint64_t to)
{
    if (at < to)
        at++;
    while (at < to && *byte_at(t, at) <= ' ')
        at++;
    if (at < to && *byte_at(t, at) == ':')
        at++;
    for (; at < to; at++)
        if (!is_end(t, at, to))
            *byte_at(t, at) = 'x';
}

static uint64_t skip_name(hf_web_tape *t, uint64_t at, uint64_t to)
{
    while (at < to && hf_is_tchar(*byte_at(t, at)))
        at++;
    return at;
}

static uint64_t skip_word(hf_web_tape *t, uint64_t at, uint64_t to)
{
    while (at < to && *byte_at(t, at) > ' ' && *byte_at(t, at) != 127)
        at++;
    return at;
}

static bool begins(hf_web_tape *t, uint64_t from, uint64_t to, const char *with)
{
    const size_t length = strlen(with);
    for (size_t i = 0; i < length; i++)
        if (to - from < length || hf_lower(*byte_at(t, from + i)) != (uint8_t)with[i])
            return false;
    return true;
}

/* Names and passwords before an '@', what follows '?' and '#', and in a path what follows ';' up to the next '/'. */
static void blank_address(hf_web_tape *t, uint64_t from, uint64_t to, bool path)
{
    uint64_t users = from;
    bool query = false, parameter = false;
    for (uint64_t at = from; at < to; at++)
        users = *byte_at(t, at) == '@' ? at : users;
    for (uint64_t at = from; at < to; at++) {
        uint8_t *const c = byte_at(t, at), was = *c;
        parameter = parameter && was != '/';
        if (was > ' ' && (query || parameter || (at < users && strchr(":/@[]?#", was) == NULL)))
            *c = 'x';
        query = query || was == '?' || was == '#';
        parameter = parameter || (path && was == ';');
    }
}

/* Paths and hosts stay. */
static void blank_target(hf_web_tape *t, uint64_t from, uint64_t to, bool connect)
{
    uint64_t users = from; /* before it, nobody is named */
    if (begins(t, from, to, "http://"))
        users = from + 7;
    else if (begins(t, from, to, "https://"))
        users = from + 8;
    else if (to > from && *byte_at(t, from) == '/')
        for (users = from; users < to && !begins(t, users, to, "//");)
            users = *byte_at(t, users) == '?' || *byte_at(t, users) == '#' ? to : users + 1;
    else if (!connect && (to - from != 1 || *byte_at(t, from) != '*'))
        blank_text(t, from, to); /* of no form that there is */
    const uint64_t at = users < to ? users : to;
    uint64_t query = from;
    while (query < at && *byte_at(t, query) != ';' && *byte_at(t, query) != '?' && *byte_at(t, query) != '#')
        query++;
    blank_address(t, query < at ? query : at, to, true);
}

/* A method that is nobody's may be anything. */
static bool is_method(hf_web_tape *t, uint64_t from, uint64_t to)
{
    uint8_t name[NAME_MOST];
    const size_t length = to - from < NAME_MOST ? (size_t)(to - from) : 0;
    for (size_t i = 0; i < length; i++)
        name[i] = *byte_at(t, from + i);
    const hf_bytes word = hf_bytes_make(name, length);
    return hf_method_parse(word) != HF_METHOD_UNKNOWN || hf_bytes_equal(word, hf_text("PRI"));
}

/* METHOD SP target SP HTTP/d.d CR LF. False: it is refused, and nobody reads on. */
static bool blank_request_line(hf_web_tape *t, uint64_t from, uint64_t to)
{
    const uint64_t space = skip_name(t, from, to);
    const bool connect = begins(t, from, space, "connect");
    if (space == to || *byte_at(t, space) != ' ' || !is_method(t, from, space))
        blank(t, from, space);
    if (space == to)
        return true;
    const uint64_t target = space + 1, end = *byte_at(t, space) == ' ' ? skip_word(t, target, to) : space;
    if (end == space || end == target || (end < to && *byte_at(t, end) != ' ')) {
        if (end > target)
            blank_target(t, target, end, connect);
        blank_wrong(t, end, to);
        return false;
    }
    blank_target(t, target, end, connect);
    const uint64_t version = end + 1 < to ? end + 1 : to, behind = version + 8;
    if (!begins(t, version, to, "http/") || behind > to || *byte_at(t, version + 6) != '.' || *byte_at(t, version + 5) > '9' ||
        *byte_at(t, version + 7) > '9') {
        for (uint64_t at = version; at < to; at++)
            if (!is_end(t, at, to))
                *byte_at(t, at) = 'x';
        return version == to;
    }
    if (behind == to || is_end(t, behind, to))
        return ends_well(t, from, to);
    if (*byte_at(t, behind) > ' ')
        *byte_at(t, behind) = 'x';
    blank_wrong(t, behind, to);
    return false;
}

/* What a field may hold ends where a control byte is. */
static bool blank_value(hf_web_tape *t, uint64_t from, uint64_t to, bool secret)
{
    uint64_t end = from;
    while (end < to && (hf_byte_class[*byte_at(t, end)] & HF_BYTE_VALUE) != 0)
        end++;
    if (secret)
        blank_text(t, from, end);
    else
        blank_address(t, from, end, false);
    if (end == to || is_end(t, end, to))
        return ends_well(t, from, to);
    blank_wrong(t, end, to);
    return false;
}

/* name: value CR LF. False: it is refused, and nobody reads on. */
static bool blank_field(hf_web_tape *t, uint64_t from, uint64_t to)
{
    uint8_t name[NAME_MOST];
    const uint64_t colon = skip_name(t, from, to);
    const bool field = colon > from && colon < to && *byte_at(t, colon) == ':', long_name = colon - from >= NAME_MOST;
    for (uint64_t at = from; at < colon && !long_name; at++)
        name[at - from] = *byte_at(t, at);
    if (!field || long_name)
        blank(t, from, colon);
    if (field)
        return blank_value(t, colon + 1, to, long_name || tape_sounds_secret(hf_bytes_make(name, (size_t)(colon - from))));
    blank_wrong(t, colon, to);
    return colon == to;
}

/* Returns where the head ends: behind its empty line, or `to`. Behind a line that is refused nothing is read any more. */
static uint64_t blank_head(hf_web_tape *t, uint64_t from, uint64_t to)
{
    bool first = true;
    while (from < to) {
        uint64_t end = from;
        while (end < to && *byte_at(t, end) != '\n')
            end++;
        end += end < to;
        const bool empty = end - from == 2 && *byte_at(t, from) == '\r' && *byte_at(t, from + 1) == '\n';
        if (empty && !first)
            return end;
        if (!empty && !(first ? blank_request_line(t, from, end) : blank_field(t, from, end)))
            blank(t, end, to);
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
        blank_chunk_line(t, from, to);
    else if (!is_last_chunk(t, from, to))
        blank(t, from + (to - from >= 2 && *byte_at(t, from) == '\r' && *byte_at(t, from + 1) == '\n' ? 2 : 0), to); /* a chunk's end */
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
            blank(t, blank_head(t, begin, end), end);
        else if (m->kind == TAPE_CONTENT)
            blank(t, begin > at ? begin : at, end > at ? end : at);
        at_head = m->kind == TAPE_COMPLETE;
        at = end > at ? end : at;
    }
    if (t->known > at)
        blank_gap(t, at, t->known, at_head, TAPE_NOTHING);
    return true;
}
