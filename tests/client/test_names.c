/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that need no name server, and whose site a host belongs to.
 */
#include <pthread.h>
#include <stdlib.h>

#include "address.h"
#include "harness.h"
#include "public_suffix.h"
#include "resolver.h"

static void local_names_are_known_without_asking(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        size_t count;
        bool local;
    } cases[] = {
        { "localhost", 2, true }, { "LOCALHOST", 2, true }, { "a.b.localhost", 2, true }, { "notlocalhost", 0, false }, { "127.0.0.1", 1, true }, { "::1", 1, true },
        { "no-such.invalid", 0, true }, { "invalid", 0, true }, { "invalid.example", 0, false }, { "example.com", 0, false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_query *const q = calloc(1, sizeof *q);
        const bool local = hf_query_is_local(q, cases[i].host, 80);
        if (local != cases[i].local || q->count != cases[i].count || (local && !(q->answered[0] && q->answered[1] && q->https_answered)))
            fail_msg("%s: %zu", cases[i].host, q->count);
        for (size_t k = 0; k < q->count; k++)
            assert_int_equal(q->at[k].port, 80);
        hf_query_forget(q);
    }
}

static void a_query_keeps_what_fits(void **state)
{
    (void)state;
    hf_query *const q = calloc(1, sizeof *q);
    const hf_address a = { .family = 4 };
    for (int i = 0; i < 2 * HF_QUERY_ADDRESSES; i++)
        hf_query_add(q, &a);
    assert_int_equal(q->count, HF_QUERY_ADDRESSES);
    hf_query_forget(q);
    hf_query_forget(NULL);
}

static void sites_end_where_strangers_begin(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { "www.example.com", "example.com" }, { "example.com", "example.com" }, { "com", "com" }, { "127.0.0.1", "127.0.0.1" },
        { "::1", "::1" }, { "localhost", "localhost" }, { "", "" } };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const hf_bytes site = hf_public_suffix_site(hf_text(cases[i][0]));
        if (!hf_bytes_equal(site, hf_text(cases[i][1])))
            fail_msg("%s: %.*s", cases[i][0], HF_STR(site));
    }
    assert_true(hf_public_suffix_is(NULL, hf_text("com")));
    assert_false(hf_public_suffix_is(NULL, hf_text("example.com")));
    assert_false(hf_public_suffix_is(NULL, hf_text("")));
}

static void addresses_are_mapped_and_back(void **state)
{
    (void)state;
    static const char *const texts[] = { "127.0.0.1", "::1", "fd00::1:2", "255.255.255.255" };
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        hf_address a, b = { .port = 7 };
        uint8_t ip[16];
        assert_true(hf_address_parse(hf_text(texts[i]), 7, &a));
        hf_address_map(&a, ip);
        hf_address_unmap(ip, &b);
        assert_true(hf_address_same(&a, &b));
    }
}

/* c-ares, as far as a resolver begins and ends it: these stand in front of the library's. They are not called where it is absent. */
static _Atomic int library_begun, library_ended;
int ares_library_init(int flags);
int ares_init_options(void *channel, void *options, int mask);
void ares_library_cleanup(void);
int ares_library_init(int flags)
{
    (void)flags;
    library_begun++;
    return 0;
}
int ares_init_options(void *channel, void *options, int mask)
{
    (void)channel, (void)options, (void)mask;
    return 1; /* no success: nobody is asked */
}
void ares_library_cleanup(void)
{
    library_ended++;
}

static void *resolve(void *turn)
{
    hf_resolver *const r = hf_resolver_new(NULL);
    pthread_barrier_wait(turn);
    hf_query *const q = hf_resolver_ask(r, "host.example", 80, false);
    const bool said = q != NULL && q->answered[0] && q->answered[1] && q->words != NULL;
    hf_query_forget(q);
    hf_resolver_free(r);
    return said ? turn : NULL;
}

/* The library counts without a lock who begins and ends it. */
static void threads_begin_the_library_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    pthread_barrier_t turn;
    void *said;
    if (!HAS_ARES)
        skip(); /* needs c-ares */
    pthread_barrier_init(&turn, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve, &turn), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &said), 0);
        assert_ptr_equal(said, &turn);
    }
    pthread_barrier_destroy(&turn);
    assert_int_equal(library_begun, 1);
    assert_int_equal(library_ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_names_are_known_without_asking), cmocka_unit_test(a_query_keeps_what_fits), cmocka_unit_test(sites_end_where_strangers_begin),
        cmocka_unit_test(addresses_are_mapped_and_back), cmocka_unit_test(threads_begin_the_library_once),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
