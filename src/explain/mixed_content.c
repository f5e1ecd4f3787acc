/* SPDX-License-Identifier: Apache-2.0 */
#include "mixed_content.h"

#include "text.h"

typedef struct tag {
    const char *name, *attribute;
    bool active;
} tag;

static const tag tags[] = {
    { "script", "src", true }, { "link", "href", true }, { "iframe", "src", true }, { "frame", "src", true }, { "object", "data", true }, { "embed", "src", true },
    { "img", "src", false }, { "audio", "src", false }, { "video", "src", false }, { "source", "src", false },
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static hf_bytes rest_of(hf_bytes b, size_t n)
{
    return hf_bytes_make(b.ptr + n, b.len - n);
}

static hf_bytes skip_spaces(hf_bytes b)
{
    size_t n = 0;
    while (n < b.len && (is_space(b.ptr[n]) || b.ptr[n] == '/'))
        n++;
    return rest_of(b, n);
}

static hf_bytes cut_word(hf_bytes *b, const char *ends)
{
    size_t n = 0;
    while (n < b->len && !is_space(b->ptr[n]) && strchr(ends, b->ptr[n]) == NULL && b->ptr[n] != 0)
        n++;
    const hf_bytes word = hf_bytes_make(b->ptr, n);
    *b = rest_of(*b, n);
    return word;
}

/* The value behind "=", with or without quotes. */
static hf_bytes cut_value(hf_bytes *b)
{
    const hf_bytes after = skip_spaces(*b);
    if (after.len == 0 || after.ptr[0] != '=')
        return hf_bytes_make(NULL, 0);
    *b = rest_of(after, 1);
    while (b->len > 0 && is_space(b->ptr[0]))
        *b = rest_of(*b, 1);
    if (b->len == 0 || (b->ptr[0] != '"' && b->ptr[0] != '\''))
        return cut_word(b, ">");
    const uint8_t *const end = memchr(b->ptr + 1, b->ptr[0], b->len - 1);
    const size_t n = end != NULL ? (size_t)(end - b->ptr) : b->len;
    const hf_bytes value = hf_bytes_make(b->ptr + 1, n - 1);
    *b = rest_of(*b, end != NULL ? n + 1 : n);
    return value;
}

/* Behind "<name". *address: what the attribute says; *sheet: rel is one that loads. */
static void read_attributes(hf_bytes *b, const char *attribute, hf_bytes *address, bool *sheet)
{
    for (;;) {
        *b = skip_spaces(*b);
        if (b->len == 0 || b->ptr[0] == '>')
            return;
        const hf_bytes before = *b, name = cut_word(b, "=>/");
        const hf_bytes value = cut_value(b);
        if (hf_text_same(name, hf_text(attribute)) && address->ptr == NULL)
            *address = value;
        if (hf_text_same(name, hf_text("rel")))
            *sheet = hf_text_same(value, hf_text("stylesheet")) || hf_text_same(value, hf_text("preload")) || hf_text_same(value, hf_text("modulepreload"));
        if (b->len == before.len) /* a lone "=" or NUL */
            *b = rest_of(*b, 1);
    }
}

static const tag *find_tag(hf_bytes name)
{
    for (size_t i = 0; i < HF_COUNT(tags); i++)
        if (hf_text_same(name, hf_text(tags[i].name)))
            return &tags[i];
    return NULL;
}

/* Behind "<!--": to the end of the comment. */
static hf_bytes skip_comment(hf_bytes b)
{
    while (b.len >= 3 && memcmp(b.ptr, "-->", 3) != 0)
        b = rest_of(b, 1);
    return b.len >= 3 ? rest_of(b, 3) : rest_of(b, b.len);
}

hf_mixed hf_mixed_content(hf_bytes page)
{
    static const hf_bytes http = HF_LITERAL("http://");
    hf_mixed found = { .active = 0 };
    const uint8_t *open;
    while (page.len > 0 && (open = memchr(page.ptr, '<', page.len)) != NULL) {
        page = rest_of(page, (size_t)(open - page.ptr) + 1);
        if (page.len >= 3 && memcmp(page.ptr, "!--", 3) == 0) {
            page = skip_comment(rest_of(page, 3));
            continue;
        }
        const tag *const t = find_tag(cut_word(&page, ">/"));
        hf_bytes address = hf_bytes_make(NULL, 0);
        bool sheet = false;
        if (t == NULL)
            continue;
        read_attributes(&page, t->attribute, &address, &sheet);
        while (address.len > 0 && is_space(address.ptr[0]))
            address = rest_of(address, 1);
        if (address.len < http.len || !hf_text_same(hf_bytes_make(address.ptr, http.len), http) || (strcmp(t->name, "link") == 0 && !sheet))
            continue;
        if (found.first.ptr == NULL || (t->active && found.active == 0))
            found.first = address;
        found.active += t->active;
        found.passive += !t->active;
    }
    return found;
}
