/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* Every block carries its size, so that a wrong old_size is caught where it happens. */
typedef struct block {
    size_t size;
    _Alignas(max_align_t) uint8_t bytes[];
} block;

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    hf_test_memory *m = ctx;
    block *b = old ? (block *)((uint8_t *)old - offsetof(block, bytes)) : NULL;
    if (b && b->size != old_size)
        fail_msg("old_size %zu, but the block has %zu", old_size, b->size);
    if (new_size == 0) {
        if (b) {
            m->held -= b->size;
            m->blocks--;
            memset(b->bytes, 0xdd, b->size);
            free(b);
        }
        return NULL;
    }
    m->calls++;
    if (m->fail_at != 0 && (m->calls == m->fail_at || (m->fail_on && m->calls > m->fail_at)))
        return NULL;
    block *fresh = malloc(sizeof *fresh + new_size);
    if (!fresh)
        return NULL;
    fresh->size = new_size;
    memset(fresh->bytes, 0xcd, new_size);
    if (b) { /* always moves: whoever kept an old pointer is found out */
        memcpy(fresh->bytes, b->bytes, b->size < new_size ? b->size : new_size);
        m->held -= b->size;
        m->blocks--;
        free(b);
    }
    m->held += new_size;
    m->blocks++;
    if (m->held > m->most)
        m->most = m->held;
    return fresh->bytes;
}

void hf_test_world_init(hf_test_world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->memory.alloc = (hf_allocator){ .resize = resize, .ctx = &w->memory };
    hf_random_seed(&w->random, seed);
    w->limits = *hf_limits_default();
    w->env = (hf_env){ .alloc = w->memory.alloc, .random = &w->random, .trace = NULL, .limits = &w->limits };
}

void hf_test_world_fini(hf_test_world *w)
{
    assert_int_equal(w->memory.blocks, 0);
    assert_int_equal(w->memory.held, 0);
}

void hf_test_needs(const char *what, bool present)
{
    if (present)
        return;
    const char *require = getenv("HF_REQUIRE");
    const size_t n = strlen(what);
    for (const char *p = require ? require : ""; *p;) {
        const size_t part = strcspn(p, ",");
        if (part == n && memcmp(p, what, n) == 0)
            fail_msg("needs %s, and HF_REQUIRE names it", what);
        p += part + (p[part] == ',');
    }
    fprintf(stderr, "skipped: needs %s\n", what);
    hf_test_note_skip(what);
    skip();
}

hf_span hf_test_vector(const char *path)
{
    const char *source = getenv("HF_SOURCE");
    char name[4096];
    snprintf(name, sizeof name, "%s/../shared/vectors/%s", source ? source : ".", path);
    FILE *f = fopen(name, "rb");
    hf_test_needs("vectors", f != NULL);
    hf_span all = { NULL, 0 };
    if (fseek(f, 0, SEEK_END) == 0) {
        all.len = (size_t)ftell(f);
        rewind(f);
        all.ptr = malloc(all.len + 1);
        assert_non_null(all.ptr);
        assert_int_equal(fread(all.ptr, 1, all.len, f), all.len);
        all.ptr[all.len] = 0;
    }
    fclose(f);
    return all;
}
