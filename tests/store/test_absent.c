/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in for SQLite and Redis in a build without them, in every build: this program has them as its own, and so
 * takes none from the library.
 */
#include "harness.h"

#include "../../src/store/redis_store_none.c"
#include "../../src/store/sqlite_store_none.c"

static hf_test_world w;

static void a_store_that_is_not_built_in_says_so(void **state)
{
    (void)state;
    hf_session_store table;
    hf_key_store keys;
    hf_sqlite_store *sqlite;
    hf_sqlite_keys *key_file;
    hf_sqlite_topics *topics;
    hf_redis_store *redis;
    hf_test_world_init(&w, 1);
    for (int i = 0; i < 4; i++) {
        hf_why why = { .err = HF_OK };
        const hf_err err = i == 0 ? hf_sqlite_store_open(&w.env, "sessions.db", &sqlite, &table, &why)
                         : i == 1 ? hf_sqlite_keys_open(&w.env, "keys.db", &key_file, &keys, &why)
                         : i == 2 ? hf_sqlite_topics_open(&w.env, "topics.db", 1, &topics, &why)
                                  : hf_redis_store_open(&w.env, "redis://localhost", &redis, &table, &why);
        assert_int_equal(err.code, HF_ERR_SESSION_STORE_ABSENT);
        assert_int_equal(why.err.code, HF_ERR_SESSION_STORE_ABSENT);
        assert_non_null(strstr(why.wanted, "a build with "));
    }
    assert_null(hf_sqlite_store_library());
    assert_null(hf_redis_store_library());
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_store_that_is_not_built_in_says_so) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
