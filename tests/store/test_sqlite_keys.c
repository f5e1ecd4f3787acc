/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers by Idempotency-Key in a file of SQLite: the contract of hf_key_store, and what a file is for.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <handfast/store.h>

#include "temp_folder.h"

static hf_test_world w;
static temp_folder folder;
static char file[300];
static hf_sqlite_keys *keys;
static hf_key_store store;
static uint8_t room_bytes[100000];
static hf_key_answer answer;

static void open_again(void)
{
    hf_sqlite_keys_close(keys);
    assert_int_equal(hf_sqlite_keys_open(&w.env, file, &keys, &store, NULL).code, 0);
}

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    temp_make(&folder);
    snprintf(file, sizeof file, "%s/keys.db", folder.path);
    keys = NULL;
    open_again();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_sqlite_keys_close(keys);
    temp_remove(&folder);
    hf_test_world_fini(&w);
    return 0;
}

enum { FAILED = -1 };

/* The verdict at second `s` about key `key` with the request `request`. */
static int claim_at(const hf_key_store *from, int64_t s, uint16_t key, uint8_t request)
{
    const hf_key_claim c = { .key = { (uint8_t)key, (uint8_t)(key >> 8) }, .request = { request }, .now = { 1000000 + s }, .until = { 1000100 + s } };
    hf_claim_verdict verdict = HF_CLAIM_OTHER;
    answer = (hf_key_answer){ 0 };
    const hf_err err = from->claim(from->self, &c, &verdict, &answer, (hf_span){ room_bytes, sizeof room_bytes });
    assert_true(err.code == 0 || err.code == HF_ERR_HTTP_IDEMPOTENCY_STORE || err.code == HF_ERR_BASE_LIMIT);
    return err.code == 0 ? (int)verdict : FAILED;
}

static int claim(uint16_t key, uint8_t request)
{
    return claim_at(&store, 0, key, request);
}

static void keep(uint16_t key, uint16_t status, const char *body)
{
    const uint8_t name[32] = { (uint8_t)key, (uint8_t)(key >> 8) };
    const hf_key_answer a = { status, hf_bytes_make("X-A\0b\0", 6), hf_text(body) };
    assert_int_equal(store.keep(store.self, name, &a).code, 0);
}

static void answer_is(uint16_t status, const char *body)
{
    assert_int_equal(answer.status, status);
    assert_true(hf_bytes_equal(answer.body, hf_text(body)));
    assert_true(hf_bytes_equal(answer.fields, hf_bytes_make("X-A\0b\0", 6)));
}

static void a_key_is_claimed_once_and_answered_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    assert_int_equal(claim(1, 1), HF_CLAIM_RUNNING);
    assert_int_equal(claim(2, 1), HF_CLAIM_NEW);
    keep(1, 201, "made");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(1, 1), HF_CLAIM_ANSWERED);
        answer_is(201, "made");
    }
    keep(1, 500, "another"); /* the first is the answer */
    assert_int_equal(claim(1, 1), HF_CLAIM_ANSWERED);
    answer_is(201, "made");
    keep(2, 204, "");
    assert_int_equal(claim(2, 1), HF_CLAIM_ANSWERED);
    answer_is(204, "");
}

static void a_key_stands_for_one_request(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    assert_int_equal(claim(1, 2), HF_CLAIM_OTHER);
    keep(1, 200, "x");
    assert_int_equal(claim(1, 2), HF_CLAIM_OTHER);
    assert_int_equal(claim(1, 1), HF_CLAIM_ANSWERED);
}

static void what_was_given_up_may_be_claimed_again(void **state)
{
    (void)state;
    const uint8_t name[32] = { 1 };
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    assert_int_equal(store.forget(store.self, name).code, 0);
    assert_int_equal(claim(1, 2), HF_CLAIM_NEW);
    keep(1, 200, "x");
    assert_int_equal(store.forget(store.self, name).code, 0); /* an answer stays */
    assert_int_equal(claim(1, 2), HF_CLAIM_ANSWERED);
    keep(2, 200, "never claimed");
    assert_int_equal(claim(2, 1), HF_CLAIM_NEW);
}

static void of_a_lost_answer_the_fact_is_kept(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    keep(1, 0, "");
    assert_int_equal(claim(1, 1), HF_CLAIM_LOST);
    assert_int_equal(claim(1, 2), HF_CLAIM_OTHER);
    assert_int_equal(claim(1, 1), HF_CLAIM_LOST);
}

static void all_of_it_survives_a_restart(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    keep(1, 201, "made");
    assert_int_equal(claim(2, 1), HF_CLAIM_NEW);
    assert_int_equal(claim(3, 1), HF_CLAIM_NEW);
    keep(3, 0, "");
    open_again();
    assert_int_equal(claim(1, 1), HF_CLAIM_ANSWERED);
    answer_is(201, "made");
    assert_int_equal(claim(1, 2), HF_CLAIM_OTHER);
    assert_int_equal(claim(2, 1), HF_CLAIM_RUNNING);
    assert_int_equal(claim(3, 1), HF_CLAIM_LOST);
}

static void who_died_with_a_key_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    const int64_t patience = (int64_t)(2 * w.limits.handler_ns / (uint64_t)HF_SECONDS(1));
    const hf_key_claim c = { .key = { 1 }, .now = { 1000000 }, .until = { 2000000 } };
    hf_claim_verdict verdict;
    assert_int_equal(store.claim(store.self, &c, &verdict, &answer, (hf_span){ room_bytes, sizeof room_bytes }).code, 0);
    assert_int_equal(claim_at(&store, patience, 1, 0), HF_CLAIM_RUNNING);
    assert_int_equal(claim_at(&store, patience + 1, 1, 0), HF_CLAIM_LOST);
}

static void what_is_over_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    keep(1, 200, "x");
    assert_int_equal(claim_at(&store, 50, 2, 1), HF_CLAIM_NEW);
    assert_int_equal(claim_at(&store, 99, 1, 1), HF_CLAIM_ANSWERED);
    assert_int_equal(claim_at(&store, 100, 1, 2), HF_CLAIM_NEW); /* another request by now */
    assert_int_equal(claim_at(&store, 149, 2, 1), HF_CLAIM_LOST);
    assert_int_equal(claim_at(&store, 150, 2, 1), HF_CLAIM_NEW);
}

static void two_processes_share_one_file(void **state)
{
    (void)state;
    hf_sqlite_keys *other;
    hf_key_store there;
    assert_int_equal(hf_sqlite_keys_open(&w.env, file, &other, &there, NULL).code, 0);
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    assert_int_equal(claim_at(&there, 0, 1, 1), HF_CLAIM_RUNNING);
    keep(1, 200, "x");
    assert_int_equal(claim_at(&there, 0, 1, 1), HF_CLAIM_ANSWERED);
    answer_is(200, "x");
    hf_sqlite_keys_close(other);
}

typedef struct racer {
    pthread_t thread;
    const hf_key_store *from;
    size_t won;
} racer;

static void *race(void *argument)
{
    racer *r = argument;
    for (uint16_t key = 0; key < 100; key++) {
        const hf_key_claim c = { .key = { (uint8_t)key }, .now = { 1000000 }, .until = { 1000100 } };
        hf_claim_verdict verdict = HF_CLAIM_OTHER;
        hf_key_answer a;
        uint8_t none[1];
        if (r->from->claim(r->from->self, &c, &verdict, &a, (hf_span){ none, 0 }).code == 0)
            r->won += verdict == HF_CLAIM_NEW;
    }
    return NULL;
}

static void of_many_who_claim_a_key_one_gets_it(void **state)
{
    (void)state;
    hf_sqlite_keys *other;
    hf_key_store there;
    racer racers[4] = { 0 };
    size_t won = 0;
    w.limits.store_ns = (uint64_t)HF_SECONDS(60);
    open_again();
    assert_int_equal(hf_sqlite_keys_open(&w.env, file, &other, &there, NULL).code, 0);
    for (size_t i = 0; i < HF_COUNT(racers); i++) {
        racers[i].from = i % 2 ? &store : &there;
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < HF_COUNT(racers); i++) {
        pthread_join(racers[i].thread, NULL);
        won += racers[i].won;
    }
    assert_int_equal(won, 100);
    hf_sqlite_keys_close(other);
}

static void limit_idempotency_keys_of_a_file(void **state)
{
    (void)state;
    w.limits.idempotency_keys = 10;
    open_again();
    for (uint16_t i = 0; i < 10; i++)
        assert_int_equal(claim_at(&store, i, i, 1), HF_CLAIM_NEW);
    assert_int_equal(claim(99, 1), FAILED); /* all are under way */
    assert_int_equal(claim(3, 1), HF_CLAIM_RUNNING);
    keep(4, 200, "x");
    assert_int_equal(claim(99, 1), HF_CLAIM_NEW); /* the oldest answer goes */
    assert_int_equal(claim(4, 1), FAILED);
    keep(99, 200, "x");
    assert_int_equal(claim(4, 1), HF_CLAIM_NEW);
    open_again();
    assert_int_equal(claim(50, 1), FAILED); /* it is counted anew */
}

static void limit_idempotency_bytes_of_a_file(void **state)
{
    (void)state;
    char body[1001];
    memset(body, 'x', 1000);
    body[1000] = 0;
    w.limits.idempotency_bytes = 10000;
    open_again();
    for (uint16_t i = 0; i < 200; i++) {
        assert_int_equal(claim(i, 1), HF_CLAIM_NEW);
        keep(i, 200, body);
    }
    assert_int_equal(claim(199, 1), HF_CLAIM_ANSWERED);
    size_t there = 0;
    for (uint16_t i = 0; i < 200; i++)
        there += claim(i, 1) == HF_CLAIM_ANSWERED;
    assert_in_range(there, 1, 11);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_true(st.st_size < 200000);
}

static void an_answer_that_does_not_fit_is_told(void **state)
{
    (void)state;
    const hf_key_claim c = { .key = { 1 }, .now = { 1000000 }, .until = { 1000100 } };
    hf_claim_verdict verdict;
    assert_int_equal(claim(1, 0), HF_CLAIM_NEW);
    keep(1, 200, "eleven char");
    assert_int_equal(store.claim(store.self, &c, &verdict, &answer, (hf_span){ room_bytes, 16 }).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(store.claim(store.self, &c, &verdict, &answer, (hf_span){ room_bytes, 17 }).code, 0);
}

static void sql(const char *text)
{
    sqlite3 *base;
    assert_int_equal(sqlite3_open(file, &base), SQLITE_OK);
    assert_int_equal(sqlite3_exec(base, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(base);
}

static void a_foreign_row_is_a_failure_and_nothing_worse(void **state)
{
    (void)state;
    static const char *const changes[] = { "request = 'short'", "status = 70000", "status = -5", "status = 600" };
    for (size_t i = 0; i < HF_COUNT(changes); i++) {
        char text[200];
        assert_int_equal(claim((uint16_t)(10 + i), 1), HF_CLAIM_NEW);
        keep((uint16_t)(10 + i), 200, "x");
        snprintf(text, sizeof text, "UPDATE handfast_keys SET %s", changes[i]);
        sql(text);
        assert_int_equal(claim((uint16_t)(10 + i), 1), FAILED);
        sql("DELETE FROM handfast_keys");
    }
    sql("DROP TABLE handfast_keys");
    assert_int_equal(claim(1, 1), FAILED);
}

static void the_file_is_for_its_owner_and_sessions_may_share_it(void **state)
{
    (void)state;
    hf_sqlite_store *sessions;
    hf_session_store table;
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(hf_sqlite_store_open(&w.env, file, &sessions, &table, NULL).code, 0);
    assert_int_equal(claim(1, 1), HF_CLAIM_NEW);
    hf_sqlite_store_close(sessions);
}

static void what_is_no_file_of_sqlite_is_told(void **state)
{
    (void)state;
    hf_sqlite_keys *none;
    hf_key_store table;
    hf_why why;
    char path[300];
    snprintf(path, sizeof path, "%s/no/such/folder.db", folder.path);
    assert_int_equal(hf_sqlite_keys_open(&w.env, path, &none, &table, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(none);
    snprintf(path, sizeof path, "%s/text", folder.path);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    assert_int_equal(hf_sqlite_keys_open(&w.env, path, &none, &table, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_non_null(strstr(why.got, "not a database"));
}

/* A process claims a key, keeps the answer of another, and is killed. */
static void what_was_committed_outlives_a_kill(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    hf_sqlite_keys_close(keys); /* SQLite's connections are not to be carried over a fork */
    keys = NULL;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (hf_sqlite_keys_open(&w.env, file, &keys, &store, NULL).code != 0 || claim(1, 1) != HF_CLAIM_NEW || claim(2, 1) != HF_CLAIM_NEW)
            _exit(1);
        keep(2, 200, "kept");
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    open_again();
    assert_int_equal(claim(1, 1), HF_CLAIM_RUNNING);
    assert_int_equal(claim(2, 1), HF_CLAIM_ANSWERED);
    answer_is(200, "kept");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_claimed_once_and_answered_as_it_was),
        TEST(a_key_stands_for_one_request),
        TEST(what_was_given_up_may_be_claimed_again),
        TEST(of_a_lost_answer_the_fact_is_kept),
        TEST(all_of_it_survives_a_restart),
        TEST(who_died_with_a_key_is_not_waited_for_for_ever),
        TEST(what_is_over_is_forgotten),
        TEST(two_processes_share_one_file),
        TEST(of_many_who_claim_a_key_one_gets_it),
        TEST(limit_idempotency_keys_of_a_file),
        TEST(limit_idempotency_bytes_of_a_file),
        TEST(an_answer_that_does_not_fit_is_told),
        TEST(a_foreign_row_is_a_failure_and_nothing_worse),
        TEST(the_file_is_for_its_owner_and_sessions_may_share_it),
        TEST(what_is_no_file_of_sqlite_is_told),
        TEST(what_was_committed_outlives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
