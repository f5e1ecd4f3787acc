/* SPDX-License-Identifier: Apache-2.0
 *
 * Words with quotes, escapes, variables and secrets, as the text they stand for.
 */
#include "config_check.h"

#include "text.h"

typedef struct expansion {
    hf_config *config;
    const hf_config_word *word;
    hf_config_value *value;
    hf_bytes raw;      /* without the quotes */
    size_t at;         /* in raw */
    bool quoted;
    char *text;        /* of the arena */
    size_t length, capacity;
    bool good;
} expansion;

/* The place of the `length` bytes at `at`. Words lie within one line. */
static hf_config_place place_at(const expansion *e, size_t at, size_t length)
{
    hf_config_place p = e->word->place;
    const size_t offset = at + e->quoted;
    for (size_t i = 0; i < offset; i++)
        p.column += (e->word->raw.ptr[i] & 0xc0) != 0x80;
    p.at += (uint32_t)offset;
    p.length = (uint32_t)length;
    return p;
}

static void append(expansion *e, hf_bytes b)
{
    if (e->length + b.len + 1 > e->capacity) {
        const size_t capacity = (e->length + b.len + 1) * 2;
        char *more = hf_config_get(e->config, capacity);
        if (more == NULL) {
            e->good = false;
            return;
        }
        memcpy(more, e->text, e->length);
        e->text = more;
        e->capacity = capacity;
    }
    if (b.len > 0)
        memcpy(e->text + e->length, b.ptr, b.len);
    e->length += b.len;
}

#define COMPLAIN(e, at, length, ...) \
    ((e)->good = false, hf_config_complain((e)->config, place_at(e, at, length), __VA_ARGS__))

static void take_escape(expansion *e)
{
    static const char from[] = "nrt\"\\", to[] = "\n\r\t\"\\";
    const char next = e->at + 1 < e->raw.len ? (char)e->raw.ptr[e->at + 1] : 0;
    const char *found = next != 0 ? strchr(from, next) : NULL;
    if (!e->quoted)
        COMPLAIN(e, e->at, 1, "a \\ means something in double quotes only; put the word in quotes and write \\\\ for one");
    else if (found == NULL)
        COMPLAIN(e, e->at, 2, "\\%c stands for nothing; in quotes there are \\n, \\r, \\t, \\\" and \\\\", next > ' ' ? next : '?');
    else
        append(e, hf_bytes_make(&to[found - from], 1));
    e->at += 2;
}

/* ---- ${...} --------------------------------------------------------------------------------------------------- */

/* A secret: the file's bytes, without the newline that editors put behind them. */
static void take_file(expansion *e, size_t at, size_t length, const char *path)
{
    hf_config *c = e->config;
    hf_bytes text = { 0 };
    const char *whole = hf_config_beside(c, e->word->place.file, path);
    const char *why = c->world->read(c->world->self, whole, &c->arena, c->limits->config_file_bytes, &text);
    if (why == NULL && text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)
        why = "it holds a NUL byte, so it is no text";
    if (why != NULL) {
        COMPLAIN(e, at, length, "cannot read %s: %s", whole, why);
        return;
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    e->value->secret = true;
    append(e, text);
}

static bool is_variable(hf_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t b = hf_lower(name.ptr[i]);
        if (!(b >= 'a' && b <= 'z') && b != '_' && !(i > 0 && b >= '0' && b <= '9'))
            return false;
    }
    return name.len > 0;
}

/* NAME, or the file that NAME_FILE names, or what stands behind :- */
static void take_variable(expansion *e, size_t at, size_t length, hf_bytes inner)
{
    hf_config *c = e->config;
    const uint8_t *colon = memchr(inner.ptr, ':', inner.len);
    const bool has_default = colon != NULL && colon + 1 < inner.ptr + inner.len && colon[1] == '-';
    const hf_bytes name = has_default ? hf_bytes_make(inner.ptr, (size_t)(colon - inner.ptr)) : inner;
    if (!is_variable(name)) {
        COMPLAIN(e, at, length, "\"%s\" is no variable's name; write ${NAME}, ${NAME:-default} or ${file:PATH}",
            hf_config_shown(c, name));
        return;
    }
    const char *text = c->world->variable(c->world->self, hf_config_format(c, "%.*s", HF_STR(name)));
    if (text != NULL) {
        append(e, hf_text(text));
        return;
    }
    const char *path = c->world->variable(c->world->self, hf_config_format(c, "%.*s_FILE", HF_STR(name)));
    if (path != NULL)
        take_file(e, at, length, path);
    else if (has_default)
        append(e, hf_bytes_make(colon + 2, (size_t)(inner.ptr + inner.len - colon - 2)));
    else
        COMPLAIN(e, at, length, "the environment has no %.*s; set it, or write ${%.*s:-default}", HF_STR(name), HF_STR(name));
}

static void take_dollar(expansion *e)
{
    const uint8_t *raw = e->raw.ptr;
    const size_t at = e->at;
    if (at + 1 < e->raw.len && raw[at + 1] == '$') {
        append(e, hf_bytes_make(raw + at, 1));
        e->at += 2;
        return;
    }
    const bool braces = at + 1 < e->raw.len && raw[at + 1] == '{';
    const uint8_t *close = braces ? memchr(raw + at, '}', e->raw.len - at) : NULL;
    if (close == NULL) {
        COMPLAIN(e, at, braces ? 2 : 1, braces ? "this ${ is not closed by a }"
            : "a $ begins ${NAME} or ${file:PATH}; write $$ for a dollar sign");
        e->at += braces ? 2 : 1;
        return;
    }
    const size_t length = (size_t)(close + 1 - (raw + at));
    const hf_bytes inner = hf_bytes_make(raw + at + 2, length - 3);
    e->at += length;
    if (hf_starts_with(inner, hf_text("file:")))
        take_file(e, at, length, hf_config_format(e->config, "%.*s", (int)inner.len - 5, (const char *)inner.ptr + 5));
    else
        take_variable(e, at, length, inner);
}

/* ---- the word ------------------------------------------------------------------------------------------------- */

bool hf_config_expand(hf_config *c, const hf_config_word *word, hf_config_value *value)
{
    expansion e = { .config = c, .word = word, .value = value, .raw = word->raw, .good = true };
    const size_t length = word->raw.len;
    *value = (hf_config_value){ .place = word->place, .text = "" };
    e.quoted = length > 0 && word->raw.ptr[0] == '"';
    if (e.quoted)
        e.raw = hf_bytes_make(word->raw.ptr + 1, length - (length > 1 ? 2 : 1));
    else if (length > 0 && word->raw.ptr[0] == '\'')
        COMPLAIN(&e, 0, length, "text is put in double quotes here: \"...\"");
    e.capacity = e.raw.len + 1;
    e.text = hf_config_get(c, e.capacity);
    if (e.text == NULL)
        return false;
    while (e.good && e.at < e.raw.len) {
        const uint8_t b = e.raw.ptr[e.at];
        if (b == '\\') {
            take_escape(&e);
        } else if (b == '$') {
            take_dollar(&e);
        } else {
            append(&e, hf_bytes_make(e.raw.ptr + e.at, 1));
            e.at++;
        }
    }
    if (e.good)
        e.text[e.length] = 0; /* append keeps room for it */
    value->text = e.good ? e.text : "";
    return e.good;
}
