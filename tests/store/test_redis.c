/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in Redis: the contract, what happens when the server is gone, and how addresses are written.
 */
#include "contract.h"

#include <hiredis/hiredis.h>

#include "../../src/store/redis.h"
#include "redis_server.h"

static redis_server server;
static hf_redis_store *redis;

static int start(void **state)
{
    (void)state;
    if (redis_is_here())
        redis_open(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    if (server.pid > 0)
        redis_close(&server);
    return 0;
}

static void empty(void)
{
    hf_redis_address a;
    redisContext *r;
    assert_int_equal(hf_redis_parse(server.url, &a, NULL).code, 0);
    assert_int_equal(hf_redis_connect(&a, HF_SECONDS(30), HF_SECONDS(30), &r, NULL).code, 0);
    freeReplyObject(redisCommand(r, "FLUSHALL"));
    redisFree(r);
}

static void open_store(void)
{
    redis = NULL;
    store = (hf_session_store){ .self = NULL };
    if (server.pid == 0)
        return;
    empty();
    w.limits.store_ns = HF_SECONDS(30); /* the machine may be busy */
    assert_int_equal(hf_redis_store_open(&w.env, server.url, &redis, &store, NULL).code, 0);
    assert_true(store.blocks);
}

static void close_store(void)
{
    hf_redis_store_close(redis);
}

static void two_machines_share_their_sessions(void **state) /* A22, A43 */
{
    (void)state;
    hf_redis_store *other;
    hf_session_store there;
    hf_session s = { .ended = true }, got;
    size_t count;
    assert_int_equal(hf_redis_store_open(&w.env, server.url, &other, &there, NULL).code, 0);
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0);
    assert_int_equal(hf_session_find(c, &rules, &there, hf_bytes_make(s.id, HF_SESSION_COOKIE), at(1), room, &got, NULL).code, 0);
    assert_int_equal(there.destroy_subject(there.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(find(s.id, 1, &got), HF_ERR_SESSION_UNKNOWN);
    hf_redis_store_close(other);
}

static void a_server_that_is_gone_denies_and_one_that_is_back_serves(void **state) /* A21 */
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    insert_ok(&r);
    redis_stop(&server);
    assert_int_equal(get(1, &got), HF_ERR_SESSION_STORE);
    assert_int_equal(store.insert(store.self, &r).code, HF_ERR_SESSION_STORE);
    size_t count;
    assert_int_equal(store.destroy(store.self, r.key).code, HF_ERR_SESSION_STORE);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, HF_ERR_SESSION_STORE);
    redis_start(&server);
    int32_t answer = HF_ERR_SESSION_STORE;
    for (int i = 0; i < 6000 && answer == HF_ERR_SESSION_STORE; i++) {
        answer = get(1, &got);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    assert_int_equal(answer, HF_ERR_SESSION_UNKNOWN); /* this server keeps nothing */
}

static void connections_that_died_while_idle_are_made_anew(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    insert_ok(&r);
    redis_stop(&server);
    redis_start(&server);
    assert_int_equal(get(1, &got), HF_ERR_SESSION_UNKNOWN);
    insert_ok(&r);
}

static void the_server_holds_no_cookie_and_no_token(void **state) /* A24 */
{
    (void)state;
    hf_redis_address a;
    redisContext *r;
    hf_session s = { .ended = true };
    char token[HF_CSRF_TOKEN];
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0);
    assert_int_equal(hf_csrf_token(c, s.record.csrf, token).code, 0);
    assert_int_equal(hf_redis_parse(server.url, &a, NULL).code, 0);
    assert_int_equal(hf_redis_connect(&a, HF_SECONDS(30), HF_SECONDS(30), &r, NULL).code, 0);
    redisReply *const keys = redisCommand(r, "KEYS *");
    assert_int_equal(keys->elements, 3); /* the session, its subject, and when it ends */
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *const dump = redisCommand(r, "DUMP %b", keys->element[i]->str, keys->element[i]->len);
        assert_int_equal(dump->type, REDIS_REPLY_STRING);
        const redisReply *const both[] = { keys->element[i], dump };
        for (size_t j = 0; j < 2; j++) {
            assert_null(memmem(both[j]->str, both[j]->len, s.id, sizeof s.id));
            assert_null(memmem(both[j]->str, both[j]->len, token, sizeof token));
        }
        freeReplyObject(dump);
    }
    freeReplyObject(keys);
    redisFree(r);
}

static void what_nobody_collects_ends_by_itself(void **state)
{
    (void)state;
    hf_redis_address a;
    redisContext *r;
    const hf_session_record record = record_of(0, "alice", "a"); /* lives for 100 s */
    insert_ok(&record);
    assert_int_equal(hf_redis_parse(server.url, &a, NULL).code, 0);
    assert_int_equal(hf_redis_connect(&a, HF_SECONDS(30), HF_SECONDS(30), &r, NULL).code, 0);
    redisReply *const ttl = redisCommand(r, "TTL hf:s:0000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(ttl->type, REDIS_REPLY_INTEGER);
    assert_true(ttl->integer > 0 && ttl->integer <= 3700);
    freeReplyObject(ttl);
    redisFree(r);
}

static void limit_redis_connections(void **state)
{
    (void)state;
    hf_redis_address a;
    assert_int_equal(hf_redis_parse(server.url, &a, NULL).code, 0);
    hf_redis *const few = hf_redis_new(&w.env.alloc, &a, HF_MILLISECONDS(200), 2);
    redisContext *const one = hf_redis_borrow(few), *const two = hf_redis_borrow(few);
    assert_true(one != NULL && two != NULL);
    assert_null(hf_redis_borrow(few));
    hf_redis_give_back(few, one);
    redisContext *const again = hf_redis_borrow(few);
    assert_ptr_equal(again, one);
    hf_redis_give_back(few, again);
    hf_redis_give_back(few, two);
    hf_redis_free(few);
}

static void addresses_are_read_strictly(void **state)
{
    (void)state;
    hf_redis_address a;
    static const char *const bad[] = { "", "redis://", "rediss://host", "redis://host:0", "redis://host:99999", "redis://host/x", "redis://host:", "unix://relative",
        "unix:///sock?db=x", "unix:///sock?other=1", "redis://a%0", "redis://[::1", "redis://[::1]x", "redis://u%00:p@h", "http://host" };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        if (hf_redis_parse(bad[i], &a, NULL).code != HF_ERR_SESSION_STORE_ADDRESS)
            fail_msg("%s is taken", bad[i]);
    assert_int_equal(hf_redis_parse("redis://app:p%40ss%3a@cache.example:6380/3", &a, NULL).code, 0);
    assert_true(strcmp(a.host, "cache.example") == 0 && a.port == 6380 && a.database == 3 && strcmp(a.user, "app") == 0 && strcmp(a.password, "p@ss:") == 0);
    assert_int_equal(hf_redis_parse("redis://[::1]", &a, NULL).code, 0);
    assert_true(strcmp(a.host, "::1") == 0 && a.port == 6379 && a.database == 0);
    assert_int_equal(hf_redis_parse("redis://:secret@h", &a, NULL).code, 0);
    assert_true(a.user[0] == 0 && strcmp(a.password, "secret") == 0);
    assert_int_equal(hf_redis_parse("unix:///run/redis.sock?db=2", &a, NULL).code, 0);
    assert_true(strcmp(a.host, "/run/redis.sock") == 0 && a.port == 0 && a.database == 2);
}

static void a_password_is_not_told(void **state)
{
    (void)state;
    hf_redis_address a;
    hf_why why;
    assert_int_equal(hf_redis_parse("redis://:hunter2hunter2@host:x", &a, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(strstr(why.got, "hunter2"));
}

static void answers_without_a_server_come(void **state)
{
    (void)state;
    hf_redis_store *nowhere;
    hf_session_store table;
    hf_session_record got;
    const uint8_t key[32] = { 1 };
    assert_int_equal(hf_redis_store_open(&w.env, "unix:///nonexistent/redis.sock", &nowhere, &table, NULL).code, 0);
    assert_int_equal(table.get(table.self, key, &got, room).code, HF_ERR_SESSION_STORE);
    hf_redis_store_close(nowhere);
}

static void skipped(void **state)
{
    (void)state;
    hf_test_needs("redis-server", false);
}

int main(void)
{
    const struct CMUnitTest with_server[] = {
        CONTRACT, CASE(two_machines_share_their_sessions), CASE(a_server_that_is_gone_denies_and_one_that_is_back_serves),
        CASE(connections_that_died_while_idle_are_made_anew), CASE(the_server_holds_no_cookie_and_no_token), CASE(what_nobody_collects_ends_by_itself),
        CASE(limit_redis_connections), CASE(addresses_are_read_strictly), CASE(a_password_is_not_told), CASE(answers_without_a_server_come),
    };
    static void (*const without[])(void **) = { addresses_are_read_strictly, a_password_is_not_told, answers_without_a_server_come };
    struct CMUnitTest tests[HF_COUNT(with_server)];
    memcpy(tests, with_server, sizeof tests);
    for (size_t i = 0; i < HF_COUNT(tests); i++) {
        bool needs = true;
        for (size_t j = 0; j < HF_COUNT(without); j++)
            needs = needs && tests[i].test_func != without[j];
        if (needs && !redis_is_here())
            tests[i].test_func = skipped;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
