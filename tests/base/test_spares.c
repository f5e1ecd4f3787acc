/* SPDX-License-Identifier: Apache-2.0
 *
 * Small blocks that are kept for the next: over the counting allocator of the harness.
 */
#include "harness.h"

#include <stdlib.h>

#include "alloc.h"
#include "random.h"
#include "spares.h"

enum { MOST = 256 * 1024 };

typedef struct stage {
    hf_test_world w;
    hf_spares s;
} stage;

static int set_up(void **state)
{
    stage *g = calloc(1, sizeof *g);
    hf_test_world_init(&g->w, 1);
    hf_spares_init(&g->s, &g->w.env.alloc, MOST);
    *state = g;
    return 0;
}

static int tear_down(void **state)
{
    stage *g = *state;
    hf_spares_fini(&g->s);
    assert_int_equal(g->w.memory.blocks, 0);
    hf_test_world_fini(&g->w);
    free(g);
    return 0;
}

static void a_small_block_comes_back_to_who_asks_for_as_much(void **state)
{
    stage *g = *state;
    void *first = hf_alloc(&g->s.alloc, 100);
    assert_non_null(first);
    hf_free(&g->s.alloc, first, 100);
    assert_int_equal(g->w.memory.blocks, 1);
    void *other = hf_alloc(&g->s.alloc, 200);
    assert_ptr_not_equal(other, first);
    void *again = hf_alloc(&g->s.alloc, 97); /* rounded, it is the same size */
    assert_ptr_equal(again, first);
    assert_int_equal(g->w.memory.blocks, 2);
    hf_free(&g->s.alloc, again, 97);
    hf_free(&g->s.alloc, other, 200);
}

static void a_long_block_is_not_kept(void **state)
{
    stage *g = *state;
    void *block = hf_alloc(&g->s.alloc, HF_SPARES_LARGEST + 1);
    hf_free(&g->s.alloc, block, HF_SPARES_LARGEST + 1);
    assert_int_equal(g->w.memory.blocks, 0);
    block = hf_alloc(&g->s.alloc, HF_SPARES_LARGEST);
    hf_free(&g->s.alloc, block, HF_SPARES_LARGEST);
    assert_int_equal(g->w.memory.blocks, 1);
}

static void what_is_kept_is_bounded(void **state)
{
    enum { SHARE = MOST / HF_SPARES_SHARES, BLOCKS = SHARE / 1024 + 10 };
    stage *g = *state;
    static void *blocks[BLOCKS];
    for (size_t size = 1024; size <= 2048; size += 1024) { /* the one takes no room of the other */
        for (size_t i = 0; i < BLOCKS; i++)
            assert_non_null(blocks[i] = hf_alloc(&g->s.alloc, size));
        for (size_t i = 0; i < BLOCKS; i++)
            hf_free(&g->s.alloc, blocks[i], size);
    }
    assert_int_equal(g->s.kept, 2 * SHARE);
    assert_int_equal(g->w.memory.blocks, SHARE / 1024 + SHARE / 2048);
}

/* A block of each size, and then more: in all no more than was said. */
static void all_sizes_together_are_bounded(void **state)
{
    stage *g = *state;
    static void *blocks[HF_SPARES_LISTS][8];
    for (size_t list = 0; list < HF_SPARES_LISTS; list++)
        for (size_t i = 0; i < 8; i++)
            assert_non_null(blocks[list][i] = hf_alloc(&g->s.alloc, (list + 1) * HF_SPARES_GRAIN));
    for (size_t list = 0; list < HF_SPARES_LISTS; list++)
        for (size_t i = 0; i < 8; i++)
            hf_free(&g->s.alloc, blocks[list][i], (list + 1) * HF_SPARES_GRAIN);
    assert_true(g->s.kept <= MOST);
    assert_true(g->s.kept > MOST - HF_SPARES_LARGEST);
}

static void what_is_kept_is_given_back_where_memory_ends(void **state)
{
    stage *g = *state;
    hf_free(&g->s.alloc, hf_alloc(&g->s.alloc, 2048), 2048);
    assert_int_equal(g->s.kept, 2048);
    g->w.memory.fail_at = g->w.memory.calls + 1; /* once */
    void *block = hf_alloc(&g->s.alloc, 100);
    assert_non_null(block);
    assert_int_equal(g->s.kept, 0);
    assert_int_equal(g->w.memory.blocks, 1);
    hf_free(&g->s.alloc, block, 100);
}

static void where_none_is_to_be_kept_each_goes_back_at_once(void **state)
{
    stage *g = *state;
    hf_spares none;
    hf_spares_init(&none, &g->w.env.alloc, 0);
    void *block = hf_alloc(&none.alloc, 100);
    assert_int_equal(g->w.memory.held, 100); /* nor is it rounded: what is written behind it is seen */
    hf_free(&none.alloc, block, 100);
    assert_int_equal(g->w.memory.blocks, 0);
    hf_spares_fini(&none);
}

static void a_block_that_changes_its_size_keeps_its_bytes(void **state)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 100, 2047, 2048, 2049, 5000, 9000, 3000, 2048, 64, 3 };
    stage *g = *state;
    uint8_t *p = hf_alloc(&g->s.alloc, sizes[0]);
    p[0] = 0;
    for (size_t i = 1; i < HF_COUNT(sizes); i++) {
        p = hf_resize(&g->s.alloc, p, sizes[i - 1], sizes[i]);
        assert_non_null(p);
        for (size_t at = 0; at < sizes[i]; at++) {
            if (at < sizes[i - 1])
                assert_int_equal(p[at], (uint8_t)at);
            p[at] = (uint8_t)at;
        }
    }
    hf_free(&g->s.alloc, p, sizes[HF_COUNT(sizes) - 1]);
}

static void where_memory_ends_the_old_block_stays(void **state)
{
    stage *g = *state;
    uint8_t *p = hf_alloc(&g->s.alloc, 10);
    memcpy(p, "123456789", 10);
    g->w.memory.fail_at = g->w.memory.calls + 1;
    assert_null(hf_resize(&g->s.alloc, p, 10, 1000));
    assert_string_equal(p, "123456789");
    hf_free(&g->s.alloc, p, 10);
}

typedef struct held {
    uint8_t *at;
    size_t size;
    uint8_t fill;
} held;

static void intact(const held *h, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(h->at[i], h->fill);
}

static void resized(const hf_allocator *alloc, held *h, size_t size)
{
    uint8_t *const fresh = hf_resize(alloc, h->at, h->size, size);
    if (fresh == NULL) {
        intact(h, h->size);
        return;
    }
    h->at = fresh;
    intact(h, h->size < size ? h->size : size);
    h->size = size;
    h->fill++;
    memset(fresh, h->fill, size);
}

/* What is held below: each block as long as it was asked for there, and what is kept. */
static size_t told_of(const held *blocks, size_t count, const hf_spares *s)
{
    size_t all = s->kept;
    for (size_t i = 0; i < count; i++)
        all += blocks[i].size > HF_SPARES_LARGEST ? blocks[i].size : (blocks[i].size + HF_SPARES_GRAIN - 1) / HF_SPARES_GRAIN * HF_SPARES_GRAIN;
    return all;
}

static void in_any_order_with_memory_that_ends_all_is_accounted_for(void **state)
{
    enum { PLACES = 100, STEPS = 50000, LITTLE = 32 * 1024 };
    static held blocks[PLACES];
    stage *g = *state;
    hf_random random;
    hf_random_seed(&random, 7);
    hf_spares s;
    hf_spares_init(&s, &g->w.env.alloc, LITTLE);
    memset(blocks, 0, sizeof blocks);
    size_t refused = 0;
    for (size_t step = 0; step < STEPS; step++) {
        held *const h = &blocks[hf_random_below(&random, PLACES)];
        const size_t most = hf_random_below(&random, 4) == 0 ? 2 * HF_SPARES_LARGEST : 200, size = 1 + (size_t)hf_random_below(&random, most);
        const uint64_t ends = hf_random_below(&random, 8); /* once, or for as long as it is asked again */
        g->w.memory.fail_at = ends <= 1 ? g->w.memory.calls + 1 : 0;
        g->w.memory.fail_on = ends == 1;
        if (h->at != NULL && hf_random_below(&random, 2) == 0) {
            intact(h, h->size);
            hf_free(&s.alloc, h->at, h->size);
            *h = (held){ .fill = h->fill };
        } else {
            resized(&s.alloc, h, size);
            refused += h->size != size;
        }
        assert_int_equal(g->w.memory.held, told_of(blocks, PLACES, &s));
        assert_true(s.kept <= LITTLE);
    }
    assert_true(refused > 0);
    g->w.memory.fail_at = 0;
    g->w.memory.fail_on = false;
    for (size_t i = 0; i < PLACES; i++)
        hf_free(&s.alloc, blocks[i].at, blocks[i].size);
    hf_spares_fini(&s);
    assert_int_equal(g->w.memory.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_block_comes_back_to_who_asks_for_as_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_block_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_sizes_together_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_is_given_back_where_memory_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_none_is_to_be_kept_each_goes_back_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_block_that_changes_its_size_keeps_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_memory_ends_the_old_block_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_any_order_with_memory_that_ends_all_is_accounted_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
