/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in memory: the contract, and what is its own.
 */
#include "contract.h"

/* The world's allocator counts without a lock: the store calls it under its own. */
static hf_memory_store *memory;

static void open_store(void)
{
    memory = hf_memory_store_new(&w.env, &store);
    assert_non_null(memory);
}

static void close_store(void)
{
    hf_memory_store_free(memory);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    w.memory.fail_at = w.memory.calls + 1;
    assert_int_equal(store.insert(store.self, &r).code, HF_ERR_SESSION_STORE);
    assert_int_equal(store.insert(store.self, &r).code, 0);
    w.memory.fail_at = w.memory.calls + 1;
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_STORE);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(got.version, 1);
}

static void limit_sessions(void **state)
{
    (void)state;
    hf_memory_store *small;
    hf_session_store s;
    w.limits.sessions = 2;
    small = hf_memory_store_new(&w.env, &s);
    for (uint8_t i = 1; i <= 3; i++) {
        const hf_session_record r = record_of(i, "a", "");
        assert_int_equal(s.insert(s.self, &r).code, i <= 2 ? 0 : HF_ERR_SESSION_STORE);
    }
    hf_memory_store_free(small);
}

static void limit_session_bytes(void **state)
{
    data_may_be_as_large_as_the_limit_and_no_larger(state);
}

static void a_visitor_leaves_nothing_and_logout_takes_all_away(void **state) /* A16, A23 */
{
    (void)state;
    hf_session s;
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    assert_int_equal(hf_memory_store_count(memory), 0);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(5)).code, 0);
    assert_int_equal(hf_memory_store_count(memory), 1);
    assert_int_equal(hf_session_logout(&store, &s).code, 0);
    assert_int_equal(hf_memory_store_count(memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { CONTRACT, CASE(any_allocation_may_fail), CASE(limit_sessions), CASE(limit_session_bytes), CASE(a_visitor_leaves_nothing_and_logout_takes_all_away) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
