/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "queue.h"
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

static void assert_holds(const hf_queue *q, const void *expected, size_t n)
{
    const hf_span held = hf_queue_peek(q);
    assert_int_equal(held.len, n);
    assert_int_equal(hf_queue_length(q), n);
    if (n > 0)
        assert_memory_equal(held.ptr, expected, n);
}

static void a_fresh_queue_holds_nothing(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    assert_holds(&q, NULL, 0);
    assert_true(hf_queue_append(&q, hf_bytes_make(NULL, 0)));
    hf_queue_take(&q, 0);
    hf_queue_trim(&q);
    assert_int_equal(world.memory.calls, 0);
    hf_queue_fini(&q);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    assert_true(hf_queue_append(&q, hf_text("hello, ")));
    assert_true(hf_queue_append(&q, hf_text("world")));
    assert_holds(&q, "hello, world", 12);
    hf_queue_take(&q, 7);
    assert_holds(&q, "world", 5);
    hf_queue_take(&q, 5);
    assert_holds(&q, NULL, 0);
    assert_int_equal(q.tail, 0); /* all of it is free again, from its beginning */
    assert_int_equal(hf_queue_reserve(&q, 1).len, q.capacity);
    hf_queue_fini(&q);
}

static void reserved_room_is_held_once_committed(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    hf_span room = hf_queue_reserve(&q, 1000);
    assert_true(room.len >= 1000);
    memset(room.ptr, 'a', room.len);
    assert_int_equal(hf_queue_length(&q), 0);
    hf_queue_commit(&q, room.len);
    room = hf_queue_reserve(&q, 1);
    memset(room.ptr, 'b', 1);
    hf_queue_commit(&q, 1);
    const hf_span held = hf_queue_peek(&q);
    assert_int_equal(held.ptr[held.len - 2], 'a');
    assert_int_equal(held.ptr[held.len - 1], 'b');
    assert_non_null(hf_queue_reserve(&q, 0).ptr);
    assert_null(hf_queue_reserve(&q, SIZE_MAX).ptr);
    assert_null(hf_queue_reserve(&q, SIZE_MAX - 100).ptr);
    hf_queue_fini(&q);
}

static void trim_frees_only_what_is_empty(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    assert_true(hf_queue_append(&q, hf_text("ab")));
    hf_queue_take(&q, 1);
    hf_queue_trim(&q);
    assert_holds(&q, "b", 1);
    hf_queue_take(&q, 1);
    hf_queue_trim(&q);
    assert_int_equal(world.memory.held, 0);
    assert_true(hf_queue_append(&q, hf_text("again")));
    assert_holds(&q, "again", 5);
    hf_queue_fini(&q);
}

static void a_steady_stream_needs_no_new_memory(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    uint8_t piece[100] = { 0 };
    assert_true(hf_queue_append(&q, hf_bytes_make(piece, sizeof piece)));
    for (int i = 0; i < 10000; i++) { /* never empty, so that head and tail are not simply reset */
        assert_true(hf_queue_append(&q, hf_bytes_make(piece, sizeof piece)));
        hf_queue_take(&q, sizeof piece);
    }
    assert_true(world.memory.calls < 5);
    assert_true(q.capacity <= 1024);
    hf_queue_fini(&q);
}

static void filling_a_large_queue_allocates_seldom(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    for (int i = 0; i < 100000; i++)
        assert_true(hf_queue_append(&q, hf_text("seven .")));
    assert_true(world.memory.calls <= 13);
    assert_true(q.capacity <= (size_t)2 * 7 * 100000);
    hf_queue_fini(&q);
}

static void random_operations_match_a_model(void **state)
{
    (void)state;
    enum { MOST = 20000 };
    static uint8_t model[MOST];
    size_t length = 0;
    uint8_t next = 0;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    for (int i = 0; i < 20000; i++) {
        size_t n = hf_random_below(&world.random, hf_random_below(&world.random, 20) == 0 ? 3000 : 200);
        switch (hf_random_below(&world.random, 5)) {
        case 0: case 1: /* append */
            n = n < MOST - length ? n : MOST - length;
            for (size_t k = 0; k < n; k++)
                model[length + k] = next++;
            assert_true(hf_queue_append(&q, hf_bytes_make(model + length, n)));
            length += n;
            break;
        case 2: { /* reserve and commit less */
            n = n < MOST - length ? n : MOST - length;
            const hf_span room = hf_queue_reserve(&q, n);
            assert_true(room.len >= n);
            const size_t used = n / 2;
            for (size_t k = 0; k < used; k++)
                room.ptr[k] = model[length + k] = next++;
            hf_queue_commit(&q, used);
            length += used;
            break;
        }
        case 3: /* take */
            n = n * 2 < length ? n * 2 : length;
            hf_queue_take(&q, n);
            memmove(model, model + n, length - n);
            length -= n;
            break;
        default:
            hf_queue_trim(&q);
            break;
        }
        assert_holds(&q, model, length);
        assert_int_equal(q.capacity, world.memory.held);
        assert_true(q.capacity <= (size_t)4 * MOST + 4096);
    }
    hf_queue_fini(&q);
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
        hf_queue q;
        hf_queue_init(&q, &w.env.alloc);
        failed = false;
        static uint8_t model[4096];
        size_t length = 0;
        for (size_t i = 0; i < 40; i++) {
            uint8_t piece[70];
            memset(piece, (int)i, sizeof piece);
            if (hf_queue_append(&q, hf_bytes_make(piece, sizeof piece))) {
                memcpy(model + length, piece, sizeof piece);
                length += sizeof piece;
            } else {
                failed = true;
            }
            assert_holds(&q, model, length);
            if (i % 3 == 0 && length > 0) {
                hf_queue_take(&q, 33);
                length -= 33;
                memmove(model, model + 33, length);
            }
            failed = failed || w.memory.calls >= fail_at;
        }
        failures += failed;
        hf_queue_fini(&q);
        hf_test_world_fini(&w);
    }
    assert_true(failures >= 4);
}

/* When memory ends, room that is there must still be found. */
static void what_fits_is_taken_even_when_growing_fails(void **state)
{
    (void)state;
    hf_queue q;
    hf_queue_init(&q, &world.env.alloc);
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_true(hf_queue_append(&q, hf_bytes_make(bytes, sizeof bytes)));
    assert_int_equal(q.capacity, 256);
    hf_queue_take(&q, 10);
    world.memory.fail_at = world.memory.calls + 1;
    world.memory.fail_on = true;
    assert_true(hf_queue_append(&q, hf_bytes_make(bytes, 10)));
    const hf_span held = hf_queue_peek(&q);
    assert_int_equal(held.len, 256);
    assert_memory_equal(held.ptr, bytes + 10, 246);
    assert_memory_equal(held.ptr + 246, bytes, 10);
    assert_false(hf_queue_append(&q, hf_bytes_make(bytes, 1)));
    assert_int_equal(hf_queue_length(&q), 256);
    hf_queue_fini(&q);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_queue_holds_nothing),
        TEST(bytes_come_out_as_they_went_in),
        TEST(reserved_room_is_held_once_committed),
        TEST(trim_frees_only_what_is_empty),
        TEST(a_steady_stream_needs_no_new_memory),
        TEST(filling_a_large_queue_allocates_seldom),
        TEST(random_operations_match_a_model),
        TEST(any_allocation_may_fail),
        TEST(what_fits_is_taken_even_when_growing_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
