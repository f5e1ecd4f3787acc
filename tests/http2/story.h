/* SPDX-License-Identifier: Apache-2.0
 *
 * The public HPACK stories: JSON of one shape, read by looking for its few keys. A story is a list of cases; a case has
 * "wire" (hexadecimal) and "headers", a list of objects with one member each.
 */
#ifndef HF_TESTS_HTTP2_STORY_H
#define HF_TESTS_HTTP2_STORY_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STORY_FIELDS = 64, STORY_WIRE = 16384, STORY_TEXT = 32768 };

typedef struct story_case {
    uint8_t wire[STORY_WIRE];
    size_t wire_length;
    long table_size; /* -1: no change */
    struct { hf_bytes name, value; } fields[STORY_FIELDS];
    size_t count;
    uint8_t text[STORY_TEXT];
    size_t text_used;
} story_case;

/* A JSON string at *at; undoes its escapes (below U+0080 only, as the stories have them). */
static inline hf_bytes story_string(story_case *c, const char **at)
{
    const char *p = *at;
    uint8_t *const to = c->text + c->text_used;
    size_t n = 0;
    assert_true(*p++ == '"');
    while (*p != '"') {
        int byte = (uint8_t)*p++;
        if (byte == '\\') {
            byte = *p++;
            if (byte == 'u') {
                unsigned code;
                assert_int_equal(sscanf(p, "%4x", &code), 1);
                assert_true(code < 128);
                byte = (int)code;
                p += 4;
            } else if (byte == 'n') {
                byte = '\n';
            } else if (byte == 't') {
                byte = '\t';
            } else {
                assert_true(byte == '"' || byte == '\\' || byte == '/');
            }
        }
        assert_true(c->text_used + n < STORY_TEXT);
        to[n++] = (uint8_t)byte;
    }
    *at = p + 1;
    c->text_used += n;
    return hf_bytes_make(to, n);
}

static inline const char *story_skip(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t' || *p == ',')
        p++;
    return p;
}

static inline void story_headers(story_case *c, const char **at)
{
    const char *p = *at;
    for (p = story_skip(p + 1); *p != ']'; p = story_skip(p)) {
        assert_true(*p == '{' && c->count < STORY_FIELDS);
        p = story_skip(p + 1);
        c->fields[c->count].name = story_string(c, &p);
        p = story_skip(p);
        assert_true(*p == ':');
        p = story_skip(p + 1);
        c->fields[c->count++].value = story_string(c, &p);
        p = story_skip(p);
        assert_true(*p++ == '}');
    }
    *at = p + 1;
}

/* The next case of the text at *at; false when there is none. */
static inline bool story_next(const char **at, story_case *c)
{
    const char *p = *at;
    c->count = c->wire_length = c->text_used = 0;
    c->table_size = -1;
    /* a case is one object; the first brace of all is that of the whole */
    do {
        p = strchr(p, '{');
        if (p == NULL)
            return false;
        p = story_skip(p + 1);
    } while (strncmp(p, "\"cases\"", 7) == 0 || strncmp(p, "\"description\"", 13) == 0 ||
             strncmp(p, "\"context\"", 9) == 0);
    for (; *p != '}'; p = story_skip(p)) {
        const hf_bytes key = story_string(c, &p);
        p = story_skip(p);
        assert_true(*p == ':');
        p = story_skip(p + 1);
        if (hf_bytes_equal(key, hf_text("headers"))) {
            story_headers(c, &p);
        } else if (*p == '"') {
            const hf_bytes hex = story_string(c, &p);
            for (size_t i = 0; hf_bytes_equal(key, hf_text("wire")) && i + 1 < hex.len; i += 2) {
                unsigned byte;
                assert_int_equal(sscanf((const char *)hex.ptr + i, "%2x", &byte), 1);
                assert_true(c->wire_length < STORY_WIRE);
                c->wire[c->wire_length++] = (uint8_t)byte;
            }
        } else {
            char *end;
            const long n = strtol(p, &end, 10);
            if (hf_bytes_equal(key, hf_text("header_table_size")))
                c->table_size = n;
            p = end;
        }
    }
    *at = p + 1;
    return true;
}

#endif
