/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may come in: counted in all and by address, by many threads at once.
 */
#include "census.h"

#include <pthread.h>
#include <stdlib.h>

#include "address.h"
#include "allocator.h"
#include "harness.h"
#include "random.h"

static hf_address host(const char *text)
{
    hf_address a;
    assert_true(hf_address_parse(hf_text(text), 1234, &a));
    return a;
}

static int enter(hf_census *c, const hf_address *a)
{
    return hf_census_enter(c, a).code;
}

static void the_limit_of_all_connections_is_exact(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_census *c = hf_census_new(&w.env.alloc, 3, 100);
    const hf_address a = host("192.0.2.1"), b = host("192.0.2.2");
    assert_int_equal(enter(c, &a), 0);
    assert_int_equal(enter(c, &b), 0);
    assert_int_equal(enter(c, &a), 0);
    assert_int_equal(enter(c, &b), HF_ERR_HTTP_CONNECTIONS);
    assert_int_equal(hf_census_count(c), 4); /* it is counted until it leaves, refused or not */
    hf_census_leave(c, &b);
    hf_census_leave(c, &a);
    assert_int_equal(enter(c, &b), 0);
    hf_census_free(c);
    hf_test_world_fini(&w);
}

static void the_limit_of_one_address_is_exact_and_its_own(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_census *c = hf_census_new(&w.env.alloc, 100, 2);
    const hf_address a = host("192.0.2.1"), b = host("192.0.2.2");
    hf_address other_port = a;
    other_port.port = 9;
    assert_int_equal(enter(c, &a), 0);
    assert_int_equal(enter(c, &other_port), 0);
    assert_int_equal(enter(c, &a), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    assert_int_equal(enter(c, &b), 0);
    hf_census_leave(c, &a);
    assert_int_equal(enter(c, &a), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    hf_census_leave(c, &a);
    hf_census_leave(c, &a);
    assert_int_equal(enter(c, &a), 0);
    hf_census_free(c);
    hf_test_world_fini(&w);
}

static void ipv6_counts_by_the_64_bits_that_one_customer_has(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_census *c = hf_census_new(&w.env.alloc, 100, 2);
    const hf_address a = host("2001:db8:1:2::1"), b = host("2001:db8:1:2:ffff:1:2:3"), d = host("2001:db8:1:3::1");
    assert_int_equal(enter(c, &a), 0);
    assert_int_equal(enter(c, &b), 0);
    assert_int_equal(enter(c, &a), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    assert_int_equal(enter(c, &d), 0);
    hf_census_free(c);
    hf_test_world_fini(&w);
}

static void the_families_do_not_meet(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_census *c = hf_census_new(&w.env.alloc, 100, 1);
    const hf_address four = host("32.1.13.184"), six = host("2001:db8::"), none = { 0 };
    assert_int_equal(enter(c, &four), 0);
    assert_int_equal(enter(c, &six), 0);
    assert_int_equal(enter(c, &none), 0);
    assert_int_equal(enter(c, &none), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    hf_census_free(c);
    hf_test_world_fini(&w);
}

/* Against the simplest thing that could be right: an array of counts. */
static void a_million_comings_and_goings_agree_with_a_model(void **state)
{
    (void)state;
    enum { HOSTS = 3000, PER_ADDRESS = 5, ALL = 6000, MOVES = 1000000 };
    hf_test_world w;
    hf_test_world_init(&w, 7);
    hf_census *c = hf_census_new(&w.env.alloc, ALL, PER_ADDRESS);
    static uint32_t model[HOSTS];
    memset(model, 0, sizeof model);
    uint64_t all = 0;
    for (size_t i = 0; i < MOVES; i++) {
        /* tides: half the time more come than go, so that the tables grow, fill and empty again */
        const bool comes = hf_random_below(&w.random, 100) < ((i / 50000) % 2 == 0 ? 70 : 30);
        const uint32_t n = (uint32_t)hf_random_below(&w.random, HOSTS);
        hf_address a = { .family = n % 2 ? 4 : 6, .ip = { 10, (uint8_t)(n >> 8), (uint8_t)n, 1 } };
        if (comes) {
            all++;
            model[n]++;
            const int32_t wanted = all > ALL      ? HF_ERR_HTTP_CONNECTIONS
                : model[n] > PER_ADDRESS          ? HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS
                                                  : 0;
            assert_int_equal(enter(c, &a), wanted);
        } else if (model[n] > 0) {
            model[n]--;
            all--;
            hf_census_leave(c, &a);
        }
        if (hf_census_count(c) != all)
            fail_msg("move %zu: %llu are counted, %llu are there", i, (unsigned long long)hf_census_count(c), (unsigned long long)all);
    }
    hf_census_free(c);
    hf_test_world_fini(&w);
}

static void without_memory_a_newcomer_is_refused_and_the_known_are_counted_on(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_census *c = hf_census_new(&w.env.alloc, 1000, 2);
    const hf_address known = host("192.0.2.1");
    assert_int_equal(enter(c, &known), 0);
    w.memory.fail_at = w.memory.calls + 1;
    w.memory.fail_on = true;
    size_t refused = 0;
    hf_address a = { .family = 4, .ip = { 10 } };
    for (uint32_t i = 0; i < 900; i++) {
        a.ip[2] = (uint8_t)(i >> 8);
        a.ip[3] = (uint8_t)i;
        const int code = enter(c, &a);
        assert_true(code == 0 || code == HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
        refused += code != 0;
    }
    assert_true(refused > 0);
    assert_int_equal(enter(c, &known), 0); /* its shard may be full, but it has its place */
    assert_int_equal(enter(c, &known), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    for (uint32_t i = 0; i < 900; i++) {
        a.ip[2] = (uint8_t)(i >> 8);
        a.ip[3] = (uint8_t)i;
        hf_census_leave(c, &a);
    }
    assert_int_equal(hf_census_count(c), 3);
    hf_census_free(c);
    hf_test_world_fini(&w);
}

typedef struct crowd {
    hf_census *census;
    uint64_t seed;
    uint64_t refused;
} crowd;

static void *come_and_go(void *argument)
{
    enum { OWN = 64, TURNS = 100000 };
    crowd *t = argument;
    hf_random r;
    bool inside[OWN] = { false };
    hf_random_seed(&r, t->seed);
    for (size_t i = 0; i < TURNS; i++) {
        const size_t n = (size_t)hf_random_below(&r, OWN);
        const hf_address a = { .family = 4, .ip = { 10, 0, 0, (uint8_t)n } };
        if (inside[n])
            hf_census_leave(t->census, &a);
        else
            t->refused += hf_census_enter(t->census, &a).code != 0;
        inside[n] = !inside[n];
    }
    for (size_t n = 0; n < OWN; n++) {
        const hf_address a = { .family = 4, .ip = { 10, 0, 0, (uint8_t)n } };
        if (inside[n])
            hf_census_leave(t->census, &a);
    }
    return NULL;
}

static void many_threads_lose_no_count(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    hf_census *c = hf_census_new(hf_allocator_default(), 1000, 2);
    pthread_t ids[THREADS];
    crowd crowds[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        crowds[i] = (crowd){ .census = c, .seed = i };
        assert_int_equal(pthread_create(&ids[i], NULL, come_and_go, &crowds[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(hf_census_count(c), 0);
    /* and every address is back at nothing */
    for (uint8_t n = 0; n < 64; n++) {
        const hf_address a = { .family = 4, .ip = { 10, 0, 0, n } };
        assert_int_equal(enter(c, &a), 0);
        assert_int_equal(enter(c, &a), 0);
        assert_int_equal(enter(c, &a), HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    }
    hf_census_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_of_all_connections_is_exact),
        cmocka_unit_test(the_limit_of_one_address_is_exact_and_its_own),
        cmocka_unit_test(ipv6_counts_by_the_64_bits_that_one_customer_has),
        cmocka_unit_test(the_families_do_not_meet),
        cmocka_unit_test(a_million_comings_and_goings_agree_with_a_model),
        cmocka_unit_test(without_memory_a_newcomer_is_refused_and_the_known_are_counted_on),
        cmocka_unit_test(many_threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
