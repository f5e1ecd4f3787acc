/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in Redis: the contract, what happens when the server is gone, and how addresses are written.
 */
#include "contract.h"

#include <hiredis/hiredis.h>
#include <pthread.h>

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

/* A rate of one a minute: however long this takes, it is not that long. */
static void two_machines_share_a_rate(void **state)
{
    (void)state;
    static const hf_rate_rules slow = { .burst = 3, .per_minute = 1 }, quick = { .burst = 1, .per_minute = 600000 };
    hf_redis_store *other;
    hf_session_store there;
    uint32_t wait = 99;
    assert_int_equal(hf_redis_store_open(&w.env, server.url, &other, &there, NULL).code, 0);
    const hf_rate_store here = hf_redis_store_rates(redis), elsewhere = hf_redis_store_rates(other);
    const hf_bytes login = hf_text("login"), alice = hf_text("4abcd");
    assert_int_equal(here.take(here.self, login, alice, &slow, &wait).code, 0);
    assert_int_equal(wait, 0);
    assert_int_equal(elsewhere.take(elsewhere.self, login, alice, &slow, &wait).code, 0);
    assert_int_equal(here.take(here.self, login, alice, &slow, &wait).code, 0);
    assert_int_equal(elsewhere.take(elsewhere.self, login, alice, &slow, &wait).code, HF_ERR_GUARD_RATE);
    assert_in_range(wait, 1, 60);
    assert_int_equal(here.take(here.self, login, alice, &slow, &wait).code, HF_ERR_GUARD_RATE);
    assert_int_equal(here.take(here.self, login, hf_text("4abce"), &slow, &wait).code, 0); /* somebody else */
    assert_int_equal(here.take(here.self, hf_text("search"), alice, &slow, &wait).code, 0); /* another limit */
    int32_t answer = HF_ERR_GUARD_RATE; /* what is due in a tenth of a millisecond comes */
    for (int i = 0; i < 1000 && (i < 2 || answer != 0); i++)
        answer = here.take(here.self, hf_text("quick"), alice, &quick, &wait).code;
    assert_int_equal(answer, 0);
    hf_redis_store_close(other);
    redis_stop(&server);
    assert_int_equal(here.take(here.self, login, alice, &slow, &wait).code, HF_ERR_SESSION_STORE);
    redis_start(&server);
}

/* Takes what it is asked, and goes without a word. */
typedef struct deaf {
    int socket;
    int heard;
} deaf;

static void *hear_and_hang_up(void *what)
{
    deaf *const d = what;
    char text[4096];
    int fd;
    while ((fd = accept(d->socket, NULL, NULL)) >= 0) {
        d->heard += read(fd, text, sizeof text) > 0;
        close(fd);
    }
    return NULL;
}

/* Who would ask again might be counted twice. */
static void a_rate_is_asked_for_once(void **state)
{
    (void)state;
    static const hf_rate_rules rules_of_rate = { .burst = 3, .per_minute = 60 };
    temp_folder folder;
    deaf d = { .socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char url[320];
    hf_redis_store *lost;
    hf_session_store table;
    pthread_t thread;
    uint32_t wait;
    temp_make(&folder);
    assert_true((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s/redis.sock", folder.path) < sizeof a.sun_path);
    snprintf(url, sizeof url, "unix://%s", a.sun_path);
    assert_true(d.socket >= 0 && bind(d.socket, (struct sockaddr *)&a, sizeof a) == 0 && listen(d.socket, 8) == 0);
    assert_int_equal(pthread_create(&thread, NULL, hear_and_hang_up, &d), 0);
    w.limits.store_ns = HF_SECONDS(30);
    assert_int_equal(hf_redis_store_open(&w.env, url, &lost, &table, NULL).code, 0);
    const hf_rate_store rates = hf_redis_store_rates(lost);
    assert_int_equal(rates.take(rates.self, hf_text("login"), hf_text("4abcd"), &rules_of_rate, &wait).code, HF_ERR_SESSION_STORE);
    shutdown(d.socket, SHUT_RDWR);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(d.heard, 1);
    close(d.socket);
    hf_redis_store_close(lost);
    temp_remove(&folder);
}

/* Nothing was sent on what had ended before, so nothing is counted twice, and nothing is left out. */
static void a_rate_outlives_an_idle_connection(void **state)
{
    (void)state;
    static const hf_rate_rules one = { .burst = 1, .per_minute = 1 };
    const hf_rate_store rates = hf_redis_store_rates(redis);
    uint32_t wait;
    assert_int_equal(rates.take(rates.self, hf_text("login"), hf_text("4abcd"), &one, &wait).code, 0);
    redis_stop(&server);
    redis_start(&server);
    assert_int_equal(rates.take(rates.self, hf_text("login"), hf_text("4abcd"), &one, &wait).code, 0);
    assert_int_equal(rates.take(rates.self, hf_text("login"), hf_text("4abcd"), &one, &wait).code, HF_ERR_GUARD_RATE);
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
        CONTRACT, CASE(two_machines_share_their_sessions), CASE(two_machines_share_a_rate), CASE(a_server_that_is_gone_denies_and_one_that_is_back_serves),
        CASE(connections_that_died_while_idle_are_made_anew), CASE(the_server_holds_no_cookie_and_no_token), CASE(what_nobody_collects_ends_by_itself),
        CASE(limit_redis_connections), CASE(addresses_are_read_strictly), CASE(a_password_is_not_told), CASE(answers_without_a_server_come),
        CASE(a_rate_is_asked_for_once), CASE(a_rate_outlives_an_idle_connection),
    };
    static void (*const without[])(void **) = { addresses_are_read_strictly, a_password_is_not_told, answers_without_a_server_come, a_rate_is_asked_for_once };
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
