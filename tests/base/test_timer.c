/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "random.h"
#include "timer.h"

static hf_test_world world;
static hf_timers timers;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    hf_timers_init(&timers, &world.env.alloc);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_timers_fini(&timers);
    hf_test_world_fini(&world);
    return 0;
}

static hf_time at(int64_t ns)
{
    return hf_time_make(ns);
}

/* The invariants that timer.c names. */
static void assert_sound(const hf_timers *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const hf_timer *timer = t->heap[i];
        assert_int_equal(timer->slot, i + 1);
        assert_true(timer->placed.ns <= timer->deadline.ns);
        assert_true(timer->deadline.ns != HF_NEVER_NS);
        if (i > 0)
            assert_true(t->heap[(i - 1) / 4]->placed.ns <= timer->placed.ns);
    }
}

static void without_timers_there_is_nothing_to_wake_for(void **state)
{
    (void)state;
    assert_int_equal(hf_timers_next(&timers).ns, HF_NEVER_NS);
    assert_null(hf_timers_expire(&timers, at(INT64_MAX)));
    hf_timer zero = { 0 };
    hf_timer_unset(&timers, &zero);
    assert_true(hf_timer_set(&timers, &zero, HF_NEVER));
    assert_int_equal(zero.slot, 0);
    assert_int_equal(world.memory.calls, 0);
}

static void a_timer_expires_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    hf_timer timer = { 0 };
    assert_true(hf_timer_set(&timers, &timer, at(100)));
    assert_int_equal(hf_timers_next(&timers).ns, 100);
    assert_null(hf_timers_expire(&timers, at(99)));
    assert_ptr_equal(hf_timers_expire(&timers, at(100)), &timer);
    assert_int_equal(timer.slot, 0);
    assert_int_equal(timer.deadline.ns, HF_NEVER_NS);
    assert_null(hf_timers_expire(&timers, at(100)));
    assert_int_equal(hf_timers_next(&timers).ns, HF_NEVER_NS);
}

static void an_unset_timer_does_not_expire(void **state)
{
    (void)state;
    hf_timer first = { 0 }, second = { 0 };
    assert_true(hf_timer_set(&timers, &first, at(1)));
    assert_true(hf_timer_set(&timers, &second, at(2)));
    hf_timer_unset(&timers, &first);
    assert_int_equal(hf_timers_next(&timers).ns, 2);
    assert_true(hf_timer_set(&timers, &second, HF_NEVER));
    assert_int_equal(timers.count, 0);
    assert_null(hf_timers_expire(&timers, at(10)));
}

static void moving_a_deadline_later_leaves_the_heap_alone(void **state)
{
    (void)state;
    enum { TIMERS = 100 };
    hf_timer many[TIMERS] = { 0 };
    for (int i = 0; i < TIMERS; i++)
        assert_true(hf_timer_set(&timers, &many[i], at(i)));
    hf_timer *heap[TIMERS];
    memcpy(heap, timers.heap, sizeof heap);
    for (int64_t later = 1000; later < 5000; later++)
        assert_true(hf_timer_set(&timers, &many[0], at(later)));
    assert_memory_equal(heap, timers.heap, sizeof heap);
    assert_int_equal(many[0].placed.ns, 0);
    assert_int_equal(hf_timers_next(&timers).ns, 0); /* early, as timer.h allows */
    assert_null(hf_timers_expire(&timers, at(0)));
    assert_int_equal(hf_timers_next(&timers).ns, 1);
    assert_sound(&timers);
    for (int i = 1; i < TIMERS; i++)
        assert_ptr_equal(hf_timers_expire(&timers, at(4998)), &many[i]);
    assert_null(hf_timers_expire(&timers, at(4998)));
    assert_ptr_equal(hf_timers_expire(&timers, at(4999)), &many[0]);
}

static void moving_a_deadline_earlier_counts_at_once(void **state)
{
    (void)state;
    hf_timer first = { 0 }, second = { 0 };
    assert_true(hf_timer_set(&timers, &first, at(100)));
    assert_true(hf_timer_set(&timers, &second, at(200)));
    assert_true(hf_timer_set(&timers, &second, at(50)));
    assert_int_equal(hf_timers_next(&timers).ns, 50);
    /* Later, then earlier again, but not before its place. */
    assert_true(hf_timer_set(&timers, &second, at(500)));
    assert_true(hf_timer_set(&timers, &second, at(70)));
    assert_ptr_equal(hf_timers_expire(&timers, at(70)), &second);
    assert_null(hf_timers_expire(&timers, at(70)));
    assert_int_equal(hf_timers_next(&timers).ns, 100);
}

enum { MODEL = 200 };

/* Expires at `now` both the timers and the model, and compares. */
static void expire_both(hf_timer *many, int64_t *model, int64_t now)
{
    size_t expected = 0, got = 0;
    for (size_t i = 0; i < MODEL; i++)
        expected += model[i] <= now;
    for (hf_timer *timer; (timer = hf_timers_expire(&timers, at(now))) != NULL; got++) {
        const size_t index = (size_t)(timer - many);
        assert_true(index < MODEL);
        assert_true(model[index] <= now);
        model[index] = HF_NEVER_NS;
    }
    assert_int_equal(got, expected);
    assert_true(hf_timers_next(&timers).ns > now);
}

static void random_operations_match_a_model(void **state)
{
    (void)state;
    static hf_timer many[MODEL];
    static int64_t model[MODEL];
    for (size_t i = 0; i < MODEL; i++)
        model[i] = HF_NEVER_NS;
    int64_t now = 0;
    for (int round = 0; round < 30000; round++) {
        const size_t i = hf_random_below(&world.random, MODEL);
        const uint64_t kind = hf_random_below(&world.random, 10);
        if (kind < 6) {
            model[i] = now + (int64_t)hf_random_below(&world.random, 1000);
            assert_true(hf_timer_set(&timers, &many[i], at(model[i])));
        } else if (kind < 8) {
            model[i] = HF_NEVER_NS;
            hf_timer_unset(&timers, &many[i]);
        } else {
            now += (int64_t)hf_random_below(&world.random, 40);
            expire_both(many, model, now);
        }
        int64_t earliest = HF_NEVER_NS;
        for (size_t k = 0; k < MODEL; k++) {
            earliest = model[k] < earliest ? model[k] : earliest;
            assert_int_equal(many[k].slot == 0, model[k] == HF_NEVER_NS);
        }
        assert_true(hf_timers_next(&timers).ns <= earliest);
        if (round % 16 == 0)
            assert_sound(&timers);
    }
    expire_both(many, model, now + 2000);
    assert_int_equal(timers.count, 0);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    enum { TIMERS = 100 };
    bool failed = true;
    size_t failures = 0;
    for (size_t fail_at = 1; failed; fail_at++) {
        hf_test_world w;
        hf_test_world_init(&w, 1);
        w.memory.fail_at = fail_at;
        hf_timers t;
        hf_timers_init(&t, &w.env.alloc);
        hf_timer many[TIMERS] = { 0 };
        size_t set = 0;
        for (int i = 0; i < TIMERS; i++) {
            if (hf_timer_set(&t, &many[i], at(TIMERS - i))) {
                set++;
            } else {
                assert_int_equal(many[i].slot, 0);
                assert_int_equal(many[i].deadline.ns, 0);
            }
            assert_true(hf_timer_set(&t, &many[0], at(1000 + i)) || many[0].slot == 0);
        }
        assert_sound(&t);
        failed = w.memory.calls >= fail_at;
        failures += failed;
        size_t expired = 0;
        while (hf_timers_expire(&t, at(5000)) != NULL)
            expired++;
        assert_true(expired >= set);
        hf_timers_fini(&t);
        hf_test_world_fini(&w);
    }
    assert_true(failures >= 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_timers_there_is_nothing_to_wake_for),
        TEST(a_timer_expires_at_its_deadline_and_not_before),
        TEST(an_unset_timer_does_not_expire),
        TEST(moving_a_deadline_later_leaves_the_heap_alone),
        TEST(moving_a_deadline_earlier_counts_at_once),
        TEST(random_operations_match_a_model),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
