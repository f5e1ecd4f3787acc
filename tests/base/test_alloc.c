/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory through hf_allocator, and the allocators of io that stand below it.
 */
#include "harness.h"

#include <pthread.h>

#include "alloc.h"
#include "allocator.h"

static void an_empty_block_is_no_failure(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    void *empty = hf_alloc(&w.env.alloc, 0);
    assert_non_null(empty);
    empty = hf_resize(&w.env.alloc, empty, 0, 0);
    assert_non_null(empty);
    uint8_t *grown = hf_resize(&w.env.alloc, empty, 0, 10);
    assert_non_null(grown);
    memset(grown, 7, 10);
    uint8_t *shrunk = hf_resize(&w.env.alloc, grown, 10, 0);
    assert_non_null(shrunk);
    assert_int_equal(w.memory.blocks, 1);
    hf_free(&w.env.alloc, shrunk, 0);
    hf_free(&w.env.alloc, NULL, 0);
    void *fresh = hf_resize(&w.env.alloc, NULL, 0, 3);
    assert_non_null(fresh);
    hf_free(&w.env.alloc, fresh, 3);
    hf_test_world_fini(&w);
}

static void zeroed_memory_is_zero(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    uint8_t *zeroed = hf_alloc_zeroed(&w.env.alloc, 100); /* the harness hands out 0xcd */
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    hf_free(&w.env.alloc, zeroed, 100);
    hf_test_world_fini(&w);
}

static void a_failed_resize_leaves_the_old_block(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    uint8_t *block = hf_alloc(&w.env.alloc, 4);
    memcpy(block, "abcd", 4);
    w.memory.fail_at = w.memory.calls + 1;
    assert_null(hf_resize(&w.env.alloc, block, 4, 4000));
    assert_memory_equal(block, "abcd", 4);
    hf_free(&w.env.alloc, block, 4);
    w.memory.fail_at = w.memory.calls + 1;
    assert_null(hf_alloc_zeroed(&w.env.alloc, 4));
    hf_test_world_fini(&w);
}

static void the_default_allocator_grows_and_keeps_bytes(void **state)
{
    (void)state;
    const hf_allocator *a = hf_allocator_default();
    uint8_t *block = hf_alloc(a, 4);
    assert_non_null(block);
    memcpy(block, "abcd", 4);
    block = hf_resize(a, block, 4, 100000);
    assert_non_null(block);
    assert_memory_equal(block, "abcd", 4);
    assert_null(a->resize(a->ctx, block, 100000, 0));
    assert_null(a->resize(a->ctx, NULL, 0, 0));
}

static void the_counted_allocator_refuses_above_its_limit(void **state)
{
    (void)state;
    hf_allocator_counted c;
    hf_allocator_counted_init(&c, 1000);
    uint8_t *first = hf_alloc(&c.alloc, 600);
    assert_non_null(first);
    assert_int_equal(c.held, 600);
    void *third = hf_resize(&c.alloc, NULL, 0, 1);
    assert_non_null(third);
    assert_int_equal(c.held, 601);
    hf_free(&c.alloc, third, 1);
    assert_null(hf_alloc(&c.alloc, 401));
    assert_null(hf_alloc(&c.alloc, SIZE_MAX));
    assert_int_equal(c.held, 600);
    void *second = hf_alloc(&c.alloc, 400);
    assert_non_null(second);
    assert_int_equal(c.held, 1000);
    memset(first, 'x', 600);
    assert_null(hf_resize(&c.alloc, first, 600, 601));
    assert_int_equal(first[599], 'x');
    first = hf_resize(&c.alloc, first, 600, 100);
    assert_non_null(first);
    assert_int_equal(c.held, 500);
    first = hf_resize(&c.alloc, first, 100, 600);
    assert_non_null(first);
    assert_int_equal(first[99], 'x');
    assert_int_equal(c.held, 1000);
    hf_free(&c.alloc, first, 600);
    hf_free(&c.alloc, second, 400);
    assert_int_equal(c.held, 0);
}

/* Sanitizers end the process where malloc answers NULL, unless they are told to do as malloc does. */
HF_API const char *__asan_default_options(void);
HF_API const char *__tsan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void the_counted_allocator_takes_back_what_the_system_refused(void **state)
{
    (void)state;
    hf_allocator_counted c;
    hf_allocator_counted_init(&c, UINT64_MAX);
    volatile size_t too_much = PTRDIFF_MAX; /* volatile: compilers warn of, or remove, a call that must fail */
    assert_null(hf_alloc(&c.alloc, too_much));
    assert_int_equal(c.held, 0);
}

enum { THREADS = 4, ROUNDS = 20000, PIECE = 100, LIMIT = 250 };

typedef struct shared {
    hf_allocator_counted counted;
    _Atomic unsigned granted, refused, above;
} shared;

static void *hammer(void *arg)
{
    shared *s = arg;
    for (int i = 0; i < ROUNDS; i++) {
        void *piece = hf_alloc(&s->counted.alloc, PIECE);
        if (s->counted.held > LIMIT)
            s->above++;
        if (piece == NULL) {
            s->refused++;
            continue;
        }
        s->granted++;
        hf_free(&s->counted.alloc, piece, PIECE);
    }
    return NULL;
}

static void threads_share_a_count_that_never_passes_the_limit(void **state)
{
    (void)state;
    static shared s;
    hf_allocator_counted_init(&s.counted, LIMIT);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &s), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(s.above, 0);
    assert_int_equal(s.counted.held, 0);
    assert_int_equal(s.granted + s.refused, THREADS * ROUNDS);
    assert_true(s.granted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_block_is_no_failure),
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(a_failed_resize_leaves_the_old_block),
        cmocka_unit_test(the_default_allocator_grows_and_keeps_bytes),
        cmocka_unit_test(the_counted_allocator_refuses_above_its_limit),
        cmocka_unit_test(the_counted_allocator_takes_back_what_the_system_refused),
        cmocka_unit_test(threads_share_a_count_that_never_passes_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
