/* SPDX-License-Identifier: Apache-2.0
 *
 * What the heads of messages cost, beside libnghttp2: each round encodes and decodes the whole corpus with both, a
 * connection (a fresh table) for each story. Arguments: the rounds, the milliseconds of each measurement, then stories as
 * JSON ({"cases": [{"headers": [{name: value}, ...]}, ...]}); without any a small corpus of its own.
 *
 * Prints JSON: bytes of names and values, and megabytes of them a second of this thread's time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <nghttp2/nghttp2.h>

#include "alloc.h"
#include "allocator.h"
#include "hpack.h"

enum { TABLE = 4096, FIELDS = 128, BLOCK = 1 << 18 };

typedef struct head {
    nghttp2_nv fields[FIELDS];
    size_t count;
    uint8_t *wire; /* as libnghttp2 encodes it in its place */
    size_t wire_length;
} head;

typedef struct story {
    head *heads;
    size_t count;
} story;

static story *stories;
static size_t story_count;
static uint64_t corpus_bytes;
static uint8_t block[BLOCK];
static volatile uint64_t kept; /* so that nothing is thrown away unread */

static void fail(const char *why)
{
    fprintf(stderr, "hpack_core: %s\n", why);
    exit(1);
}

static void *want(void *p)
{
    if (p == NULL)
        fail("out of memory");
    return p;
}

/* ---- the corpus --------------------------------------------------------------------------------------------- */

static head *add_head(story *s)
{
    s->heads = want(realloc(s->heads, (s->count + 1) * sizeof *s->heads));
    memset(&s->heads[s->count], 0, sizeof *s->heads);
    return &s->heads[s->count++];
}

static story *add_story(void)
{
    stories = want(realloc(stories, (story_count + 1) * sizeof *stories));
    stories[story_count] = (story){ NULL, 0 };
    return &stories[story_count++];
}

static void add_field(head *h, const char *name, const char *value)
{
    if (h->count == FIELDS)
        fail("a head of the corpus has too many fields");
    h->fields[h->count++] = (nghttp2_nv){ .name = want(strdup(name)), .value = want(strdup(value)), .namelen = strlen(name), .valuelen = strlen(value) };
    corpus_bytes += strlen(name) + strlen(value);
}

static void read_story(const char *path)
{
    json_error_t error;
    json_t *const root = json_load_file(path, 0, &error);
    if (root == NULL)
        fail(path);
    story *const s = add_story();
    size_t i, k;
    json_t *one, *field, *value;
    const char *name;
    json_array_foreach(json_object_get(root, "cases"), i, one) {
        head *const h = add_head(s);
        json_array_foreach(json_object_get(one, "headers"), k, field)
            json_object_foreach(field, name, value)
                add_field(h, name, json_string_value(value));
    }
    json_decref(root);
}

/* A page and its parts, as a browser asks for them, and as they are answered. */
static void make_corpus(void)
{
    story *const asked = add_story();
    for (unsigned i = 0; i < 40; i++) {
        char path[64];
        head *const h = add_head(asked);
        snprintf(path, sizeof path, i == 0 ? "/" : "/assets/part-%u.%s", i, i % 3 == 0 ? "css" : i % 3 == 1 ? "js" : "webp");
        add_field(h, ":method", "GET");
        add_field(h, ":scheme", "https");
        add_field(h, ":authority", "shop.example");
        add_field(h, ":path", path);
        add_field(h, "user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
        add_field(h, "accept", i == 0 ? "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" : "*/*");
        add_field(h, "accept-language", "eo,en;q=0.7,de;q=0.3");
        add_field(h, "accept-encoding", "gzip, deflate, br, zstd");
        add_field(h, "referer", "https://shop.example/");
        add_field(h, "cookie", "session=3f1c9d0b7a5e42d68c1e0f9b8a7d6c5e; theme=dark");
    }
    story *const answered = add_story();
    for (unsigned i = 0; i < 40; i++) {
        char length[16], tag[40];
        head *const h = add_head(answered);
        snprintf(length, sizeof length, "%u", 700 + i * 977);
        snprintf(tag, sizeof tag, "\"%016llx-%x\"", 0x9e3779b97f4a7c15ull * (i + 1), 700 + i * 977);
        add_field(h, ":status", i % 10 == 9 ? "304" : "200");
        add_field(h, "date", "Sun, 06 Nov 1994 08:49:37 GMT");
        add_field(h, "server", "handfast");
        add_field(h, "content-type", i % 3 == 0 ? "text/css" : i % 3 == 1 ? "text/javascript" : "image/webp");
        add_field(h, "content-length", length);
        add_field(h, "etag", tag);
        add_field(h, "cache-control", "max-age=3600");
    }
}

/* ---- libnghttp2 --------------------------------------------------------------------------------------------- */

static void encode_theirs(bool keep)
{
    for (size_t s = 0; s < story_count; s++) {
        nghttp2_hd_deflater *d;
        if (nghttp2_hd_deflate_new(&d, TABLE) != 0)
            fail("out of memory");
        for (size_t i = 0; i < stories[s].count; i++) {
            head *const h = &stories[s].heads[i];
            const ssize_t n = nghttp2_hd_deflate_hd(d, block, sizeof block, h->fields, h->count);
            if (n < 0)
                fail("libnghttp2 cannot encode the corpus");
            kept += (uint64_t)n;
            if (!keep)
                continue;
            h->wire = want(malloc((size_t)n + 1));
            memcpy(h->wire, block, (size_t)n);
            h->wire_length = (size_t)n;
        }
        nghttp2_hd_deflate_del(d);
    }
}

static void decode_theirs(bool unused)
{
    (void)unused;
    for (size_t s = 0; s < story_count; s++) {
        nghttp2_hd_inflater *d;
        if (nghttp2_hd_inflate_new(&d) != 0)
            fail("out of memory");
        for (size_t i = 0; i < stories[s].count; i++) {
            const head *const h = &stories[s].heads[i];
            const uint8_t *at = h->wire;
            size_t left = h->wire_length, fields = 0;
            int flags = 0;
            while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
                nghttp2_nv nv;
                flags = 0;
                const ssize_t n = nghttp2_hd_inflate_hd2(d, &nv, &flags, at, left, 1);
                if (n < 0)
                    fail("libnghttp2 cannot decode its own block");
                at += n;
                left -= (size_t)n;
                if (flags & NGHTTP2_HD_INFLATE_EMIT) {
                    kept += nv.valuelen;
                    fields++;
                }
            }
            nghttp2_hd_inflate_end_headers(d);
            if (fields != h->count)
                fail("libnghttp2 lost a field");
        }
        nghttp2_hd_inflate_del(d);
    }
}

/* ---- ours --------------------------------------------------------------------------------------------------- */

static void encode_head(hf_hpack_encoder *e, const head *h)
{
    hf_writer w = hf_writer_make(block, sizeof block);
    hf_hpack_begin(e, &w);
    for (size_t k = 0; k < h->count; k++) {
        const nghttp2_nv *const f = &h->fields[k];
        const hf_bytes name = hf_bytes_make(f->name, f->namelen), value = hf_bytes_make(f->value, f->valuelen);
        const unsigned pseudo = f->name[0] == ':' ? hf_hpack_static_name(name) : 0;
        const hf_field field = { name, value, HF_FIELD_OTHER }; /* the encoder identifies it, as theirs does: within the time */
        if (pseudo > 0)
            hf_hpack_pseudo(e, &w, pseudo, value);
        else
            hf_hpack_field(e, &w, &field);
    }
    if (w.overflowed)
        fail("a block is too long");
    kept += w.length;
}

static void encode_ours(bool unused)
{
    (void)unused;
    for (size_t s = 0; s < story_count; s++) {
        hf_hpack_encoder e;
        hf_hpack_encoder_init(&e, hf_allocator_default(), TABLE);
        for (size_t i = 0; i < stories[s].count; i++)
            encode_head(&e, &stories[s].heads[i]);
        hf_hpack_encoder_fini(&e);
    }
}

static void decode_ours(bool unused)
{
    (void)unused;
    for (size_t s = 0; s < story_count; s++) {
        hf_hpack_decoder d;
        hf_field_list list;
        hf_field_flaw flaw;
        hf_hpack_decoder_init(&d, hf_allocator_default(), TABLE);
        hf_field_list_init(&list, hf_allocator_default(), 1 << 16, FIELDS);
        for (size_t i = 0; i < stories[s].count; i++) {
            const head *const h = &stories[s].heads[i];
            if (!hf_hpack_decode(&d, hf_bytes_make(h->wire, h->wire_length), &list, &flaw) || list.count != h->count)
                fail("our decoder does not read what libnghttp2 wrote");
            for (size_t k = 0; k < h->count; k++)
                kept += list.at[k].value.len;
        }
        hf_field_list_fini(&list);
        hf_hpack_decoder_fini(&d);
    }
}

/* ---- the rounds --------------------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Megabytes a second. */
static double measure(void (*work)(bool), double least)
{
    const double begun = cpu_seconds();
    double took = 0;
    unsigned times = 0;
    do {
        work(false);
        times++;
        took = cpu_seconds() - begun;
    } while (took < least);
    return (double)corpus_bytes * times / took / 1e6;
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 11;
    const double least = (argc > 2 ? atof(argv[2]) : 100) / 1000;
    for (int i = 3; i < argc; i++)
        read_story(argv[i]);
    if (story_count == 0)
        make_corpus();
    encode_theirs(true);
    printf("{\"stories\":%zu,\"bytes\":%llu,\"rounds\":[", story_count, (unsigned long long)corpus_bytes);
    for (int r = 0; r < rounds; r++) {
        void (*const works[])(bool) = { encode_ours, encode_theirs, decode_ours, decode_theirs };
        double rates[4];
        for (int k = 0; k < 4; k++) /* each round begins with another */
            rates[(r + k) % 4] = measure(works[(r + k) % 4], least);
        printf("%s[%.1f,%.1f,%.1f,%.1f]", r > 0 ? "," : "", rates[0], rates[1], rates[2], rates[3]);
    }
    printf("]}\n");
    return 0;
}
