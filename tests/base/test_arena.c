/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "arena.h"
#include "random.h"

static hf_test_world world;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_test_world_fini(&world);
    return 0;
}

static void an_unused_arena_holds_nothing(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, 10000);
    assert_int_equal(world.memory.calls, 0);
    hf_arena_fini(&a);
}

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { PIECES = 2000 };
    static struct { uint8_t *ptr; size_t size; } pieces[PIECES];
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, SIZE_MAX);
    for (size_t i = 0; i < PIECES; i++) {
        const bool large = hf_random_below(&world.random, 50) == 0;
        pieces[i].size = hf_random_below(&world.random, large ? 40000 : 100);
        pieces[i].ptr = hf_arena_get(&a, pieces[i].size);
        assert_non_null(pieces[i].ptr);
        assert_int_equal((uintptr_t)pieces[i].ptr % _Alignof(max_align_t), 0);
        memset(pieces[i].ptr, (int)(i & 0xff), pieces[i].size);
        assert_int_equal(a.held, world.memory.held);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < pieces[i].size; k++)
            if (pieces[i].ptr[k] != (i & 0xff))
                fail_msg("piece %zu was overwritten at %zu", i, k);
    hf_arena_fini(&a);
}

static void empty_allocations_are_different_pointers(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, 10000);
    const void *first = hf_arena_get(&a, 0), *second = hf_arena_get(&a, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    hf_arena_fini(&a);
}

static void blocks_grow_from_1_to_16_KiB(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, SIZE_MAX);
    const size_t expected[] = { 1024, 2048, 4096, 8192, 16384, 16384, 16384 };
    for (size_t i = 0; i < HF_COUNT(expected); i++) {
        const size_t before = a.held;
        while (a.held == before)
            assert_non_null(hf_arena_get(&a, 64));
        assert_int_equal(a.held - before, expected[i]);
    }
    hf_arena_fini(&a);
}

static void a_large_allocation_does_not_waste_the_newest_block(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, SIZE_MAX);
    assert_non_null(hf_arena_get(&a, 16));
    assert_non_null(hf_arena_get(&a, 100000));
    const size_t calls = world.memory.calls;
    assert_non_null(hf_arena_get(&a, 500));
    assert_int_equal(world.memory.calls, calls);
    hf_arena_fini(&a);
}

static void the_limit_bounds_what_is_held(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, 5000);
    size_t got = 0;
    while (hf_arena_get(&a, 16) != NULL)
        got += 16;
    assert_true(a.held <= 5000);
    assert_true(world.memory.most <= 5000);
    assert_true(got > 4800); /* the limit is spent on bytes, not on unusable rests */
    assert_null(hf_arena_get(&a, 5000));
    assert_null(hf_arena_get(&a, SIZE_MAX));
    assert_null(hf_arena_get(&a, SIZE_MAX / 2));
    hf_arena_reset(&a);
    assert_int_equal(world.memory.held, 0);
    assert_non_null(hf_arena_get(&a, 16));
    hf_arena_fini(&a);

    hf_arena_init(&a, &world.env.alloc, 0);
    assert_null(hf_arena_get(&a, 1));
    hf_arena_fini(&a);
}

static void zeroed_allocations_are_zero(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, 100000);
    for (size_t size = 1; size < 300; size++) {
        const uint8_t *zeroed = hf_arena_get_zeroed(&a, size);
        assert_non_null(zeroed);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(zeroed[i], 0);
    }
    hf_arena_fini(&a);
}

static void a_copy_ends_with_a_nul_that_is_not_counted(void **state)
{
    (void)state;
    hf_arena a;
    hf_arena_init(&a, &world.env.alloc, 10000);
    char text[] = "sixteen bytes ..";
    const hf_bytes copy = hf_arena_copy(&a, hf_text(text));
    memset(hf_arena_get(&a, 16), 'y', 16); /* the next piece must not lie on the NUL */
    const hf_bytes empty = hf_arena_copy(&a, hf_bytes_make(NULL, 0));
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(copy.len, 16);
    assert_string_equal((const char *)copy.ptr, "sixteen bytes ..");
    assert_non_null(empty.ptr);
    assert_int_equal(empty.len, 0);
    assert_int_equal(empty.ptr[0], 0);
    hf_arena_fini(&a);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    size_t failures = 0;
    for (size_t fail_at = 1; failed; fail_at++) {
        hf_test_world w;
        hf_test_world_init(&w, 1);
        w.memory.fail_at = fail_at;
        w.memory.fail_on = fail_at % 2 == 0;
        hf_arena a;
        hf_arena_init(&a, &w.env.alloc, SIZE_MAX);
        failed = false;
        for (size_t size = 1; size < 30000; size *= 2) {
            const hf_bytes source = hf_text("copied");
            const hf_bytes copy = hf_arena_copy(&a, source);
            uint8_t *got = hf_arena_get_zeroed(&a, size);
            failed = failed || copy.ptr == NULL || got == NULL;
            if (copy.ptr != NULL)
                assert_true(hf_bytes_equal(copy, source));
            if (got != NULL)
                memset(got, 1, size);
            assert_int_equal(a.held, w.memory.held);
        }
        failures += failed;
        hf_arena_fini(&a);
        hf_test_world_fini(&w);
    }
    assert_true(failures >= 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_unused_arena_holds_nothing),
        TEST(allocations_are_aligned_and_apart),
        TEST(empty_allocations_are_different_pointers),
        TEST(blocks_grow_from_1_to_16_KiB),
        TEST(a_large_allocation_does_not_waste_the_newest_block),
        TEST(the_limit_bounds_what_is_held),
        TEST(zeroed_allocations_are_zero),
        TEST(a_copy_ends_with_a_nul_that_is_not_counted),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
