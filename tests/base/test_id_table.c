/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "id_table.h"
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

static void an_empty_table_finds_nothing_and_holds_nothing(void **state)
{
    (void)state;
    hf_id_table t = { .kind_bits = 2 };
    assert_null(hf_id_find(&t, 0));
    assert_null(hf_id_find(&t, UINT64_MAX));
    assert_int_equal(world.memory.calls, 0);
    hf_id_clear(&t, &world.env.alloc);
}

static void clearing_forgets_everything(void **state)
{
    (void)state;
    int thing;
    hf_id_table t = { .kind_bits = 1 };
    assert_true(hf_id_reserve(&t, &world.env.alloc));
    hf_id_insert(&t, 7, &thing);
    assert_ptr_equal(hf_id_find(&t, 7), &thing);
    hf_id_clear(&t, &world.env.alloc);
    assert_null(hf_id_find(&t, 7));
    assert_int_equal(world.memory.held, 0);
    assert_true(hf_id_reserve(&t, &world.env.alloc));
    hf_id_insert(&t, 7, &thing);
    assert_ptr_equal(hf_id_find(&t, 7), &thing);
    hf_id_clear(&t, &world.env.alloc);
}

enum { NUMBERS = 512 };

/* Numbers near each other in every kind, and the same ones far away: they collide, wrap around, and leave gaps. */
static uint64_t number(unsigned i, unsigned kind_bits)
{
    const uint64_t far = i % 3 == 0 ? (uint64_t)1 << 61 : 0;
    return far + ((uint64_t)(i / 4) << kind_bits) + i % (1u << kind_bits) + ((uint64_t)(i % 4) << 40);
}

static void random_operations_match_a_model(void **state)
{
    (void)state;
    static uint8_t things[NUMBERS];
    for (unsigned kind_bits = 0; kind_bits <= 2; kind_bits++) {
        hf_id_table t = { .kind_bits = kind_bits };
        bool there[NUMBERS] = { false };
        uint32_t count = 0;
        for (unsigned n = 0; n < 20000; n++) {
            const unsigned most = n < 10000 ? 40 : NUMBERS; /* few numbers, so that they come and go often; then many */
            const unsigned i = (unsigned)(hf_random_next(&world.random) % most);
            if (there[i]) {
                hf_id_remove(&t, number(i, kind_bits));
            } else {
                assert_true(hf_id_reserve(&t, &world.env.alloc));
                hf_id_insert(&t, number(i, kind_bits), &things[i]);
            }
            there[i] = !there[i];
            count += there[i] ? 1 : UINT32_MAX;
            assert_int_equal(t.count, count);
            for (unsigned k = n % 32 == 0 ? 0 : i; k < (n % 32 == 0 ? most : i + 1); k++)
                assert_ptr_equal(hf_id_find(&t, number(k, kind_bits)), there[k] ? &things[k] : NULL);
        }
        assert_true(t.count * 2 <= t.capacity);
        hf_id_clear(&t, &world.env.alloc);
    }
}

static void a_failed_growth_loses_nothing(void **state)
{
    (void)state;
    int things[8];
    hf_id_table t = { 0 };
    unsigned n = 0;
    world.memory.fail_at = 2;
    for (; hf_id_reserve(&t, &world.env.alloc); n++)
        hf_id_insert(&t, n, &things[n]);
    assert_int_equal(n, 4);
    for (unsigned i = 0; i < n; i++)
        assert_ptr_equal(hf_id_find(&t, i), &things[i]);
    hf_id_clear(&t, &world.env.alloc);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_table_finds_nothing_and_holds_nothing),
        TEST(clearing_forgets_everything),
        TEST(random_operations_match_a_model),
        TEST(a_failed_growth_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
