/* SPDX-License-Identifier: Apache-2.0
 *
 * What every store of sessions must do (A15 to A20, A23, A24), and sessions on top of it. Included by one test for each
 * kind of store, which says how to open and close it.
 */
#ifndef HF_TESTS_STORE_CONTRACT_H
#define HF_TESTS_STORE_CONTRACT_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <pthread.h>

#include <handfast/store.h>

static hf_test_world w;
static hf_crypto *c;
static hf_session_store store;
static const hf_session_rules rules = { .idle_s = 0 };
static uint8_t room_bytes[65536];
static const hf_span room = { room_bytes, sizeof room_bytes };

/* An empty store: `store`. */
static void open_store(void);
static void close_store(void);

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    assert_non_null(c);
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_store();
    hf_crypto_free(c);
    hf_test_world_fini(&w);
    return 0;
}

static hf_wall at(int64_t s)
{
    return (hf_wall){ 1000000 + s };
}

static hf_session_record record_of(uint8_t first, const char *subject, const char *data)
{
    hf_session_record r = { .key = { first }, .version = 1, .created = at(0), .used = at(0), .until = at(100), .data = hf_text(data) };
    memcpy(r.subject, subject, strlen(subject));
    return r;
}

static int32_t get(uint8_t first, hf_session_record *r)
{
    const uint8_t key[32] = { first };
    return store.get(store.self, key, r, room).code;
}

/* ---- the contract --------------------------------------------------------------------------------------------- */

static void what_is_inserted_is_got(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "cart=3"), got;
    assert_int_equal(get(1, &got), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(store.insert(store.self, &r).code, 0);
    assert_int_equal(get(1, &got), 0);
    assert_true(hf_bytes_equal(got.data, hf_text("cart=3")) && strcmp(got.subject, "alice") == 0 && got.version == 1 && got.until.s == r.until.s);
    assert_int_equal(store.insert(store.self, &r).code, HF_ERR_SESSION_CONFLICT);
    assert_int_equal(get(2, &got), HF_ERR_SESSION_UNKNOWN);
}

static void an_update_names_the_version_that_it_read(void **state) /* A20 */
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), one, two;
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(store.insert(store.self, &r).code, 0);
    assert_int_equal(get(1, &one), 0);
    assert_int_equal(get(1, &two), 0);
    one.data = hf_text("one, longer than before");
    two.data = hf_text("two");
    assert_int_equal(store.update(store.self, &one).code, 0);
    assert_int_equal(store.update(store.self, &two).code, HF_ERR_SESSION_CONFLICT);
    assert_int_equal(get(1, &two), 0);
    assert_true(two.version == 2 && hf_bytes_equal(two.data, hf_text("one, longer than before")));
    two.data = hf_text("");
    assert_int_equal(store.update(store.self, &two).code, 0);
    assert_int_equal(get(1, &two), 0);
    assert_true(two.version == 3 && two.data.len == 0);
}

static void what_was_destroyed_is_not_revived(void **state) /* A19 */
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), late;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(store.insert(store.self, &r).code, 0);
        assert_int_equal(get(1, &late), 0);
        assert_int_equal(store.destroy(store.self, r.key).code, 0);
        assert_int_equal(store.update(store.self, &late).code, HF_ERR_SESSION_UNKNOWN);
        assert_int_equal(store.touch(store.self, r.key, at(1), at(2)).code, HF_ERR_SESSION_UNKNOWN);
        assert_int_equal(get(1, &late), HF_ERR_SESSION_UNKNOWN);
    }
    assert_int_equal(store.destroy(store.self, r.key).code, 0); /* not being there is no error */
}

static void touching_moves_the_times_alone(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    assert_int_equal(store.insert(store.self, &r).code, 0);
    assert_int_equal(store.touch(store.self, r.key, at(50), at(150)).code, 0);
    assert_int_equal(get(1, &got), 0);
    assert_true(got.used.s == at(50).s && got.until.s == at(150).s && got.version == 1 && hf_bytes_equal(got.data, hf_text("a")));
}

static void a_subject_is_logged_out_everywhere(void **state)
{
    (void)state;
    hf_session_record r;
    size_t count;
    for (uint8_t i = 1; i <= 100; i++) {
        r = record_of(i, i % 2 ? "alice" : i % 4 ? "bob" : "", "a");
        assert_int_equal(store.insert(store.self, &r).code, 0);
    }
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 50);
    assert_int_equal(store.destroy_subject(store.self, hf_text("ali"), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text(""), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(get(1, &r), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(get(2, &r), 0);
    for (uint8_t i = 1; i <= 100; i++)
        assert_int_equal(get(i, &r), i % 2 ? HF_ERR_SESSION_UNKNOWN : 0);
}

static void what_has_ended_is_collected(void **state)
{
    (void)state;
    hf_session_record r;
    size_t count;
    for (uint8_t i = 1; i <= 10; i++) {
        r = record_of(i, "a", "");
        r.until = at(i);
        assert_int_equal(store.insert(store.self, &r).code, 0);
    }
    assert_int_equal(store.collect(store.self, at(4), &count).code, 0);
    assert_int_equal(count, 4);
    assert_int_equal(get(4, &r), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(get(5, &r), 0);
}

typedef struct racer {
    int won, lost;
} racer;

static void *race(void *arg)
{
    racer *const me = arg;
    const uint8_t key[32] = { 1 };
    uint8_t bytes[16];
    while (me->won < 500) {
        hf_session_record r;
        if (store.get(store.self, key, &r, (hf_span){ bytes, sizeof bytes }).code != 0)
            return NULL;
        if (store.update(store.self, &r).code == 0)
            me->won++;
        else
            me->lost++;
    }
    return NULL;
}

static void threads_lose_no_update(void **state) /* A20 */
{
    (void)state;
    /* The allocator is only called under the lock of the store. */
    hf_session_store mine = store;
    hf_session_record r = record_of(1, "alice", "a"), got;
    pthread_t threads[2];
    racer racers[2] = { { 0, 0 } };
    assert_int_equal(mine.insert(mine.self, &r).code, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(got.version, 1 + 1000);
}

static void data_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    (void)state;
    static char data[65537];
    hf_session session;
    assert_int_equal(hf_session_begin(c, &rules, at(0), &session).code, 0);
    session.record.data = hf_bytes_make(data, 65537);
    assert_int_equal(hf_session_save(&w.env, &store, &session).code, HF_ERR_SESSION_TOO_LARGE);
    assert_int_equal(store.insert(store.self, &session.record).code, HF_ERR_SESSION_TOO_LARGE);
    session.record.data.len = 65536;
    assert_int_equal(hf_session_save(&w.env, &store, &session).code, 0);
}

/* ---- sessions ------------------------------------------------------------------------------------------------- */

static int32_t find(const char *id, int64_t when, hf_session *s)
{
    return hf_session_find(c, &rules, &store, hf_bytes_make(id, id != NULL ? HF_SESSION_COOKIE : 0), at(when), room, s, NULL).code;
}

static void a_session_lives_in_the_store_under_a_hash(void **state) /* A14, A23, A24 */
{
    (void)state;
    hf_session s, again;
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    assert_int_equal(find(s.id, 0, &again), HF_ERR_SESSION_UNKNOWN); /* nothing is written for somebody who only looks */
    s.record.data = hf_text("x");
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    assert_int_equal(find(s.id, 1, &again), 0);
    assert_true(hf_bytes_equal(again.record.data, hf_text("x")) && !again.is_new);
    assert_int_equal(store.get(store.self, (const uint8_t *)s.id, &again.record, room).code, HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    assert_int_equal(s.record.version, 2);
}

static void an_unknown_id_is_never_adopted(void **state) /* A15 */
{
    (void)state;
    hf_session s;
    assert_int_equal(find("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 0, &s), HF_ERR_SESSION_UNKNOWN);
    assert_true(s.ended);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(find("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", 0, &s), HF_ERR_SESSION_FORM);
    assert_int_equal(hf_session_find(c, &rules, &store, hf_text("short"), at(0), room, &s, NULL).code, HF_ERR_SESSION_FORM);
    assert_int_equal(find(NULL, 0, &s), HF_ERR_SESSION_NONE);
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0); /* with an id of our own */
    assert_false(s.record.has_before);
}

static void login_changes_everything(void **state) /* A16 */
{
    (void)state;
    hf_session s, old, gone;
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    s.record.data = hf_text("cart");
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    old = s;
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(5)).code, 0);
    assert_memory_not_equal(old.id, s.id, sizeof s.id);
    assert_memory_not_equal(old.record.csrf, s.record.csrf, 32);
    assert_memory_equal(old.record.csrf, s.record.csrf_before, 32);
    assert_int_equal(find(old.id, 6, &gone), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(find(s.id, 6, &gone), 0);
    assert_string_equal(gone.record.subject, "alice");
    assert_true(hf_bytes_equal(gone.record.data, hf_text("cart")) && gone.record.has_before);
    assert_int_equal(hf_session_logout(&store, &gone).code, 0);
    assert_int_equal(find(s.id, 7, &gone), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, HF_ERR_SESSION_UNKNOWN); /* A19: a slow request saves late */
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text(""), at(8)).code, HF_ERR_BASE_USAGE);
}

static void idle_and_absolute_limits_hold(void **state) /* A17 */
{
    (void)state;
    hf_session s, got;
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    assert_int_equal(find(s.id, 1799, &got), 0);
    assert_int_equal(find(s.id, 1799 + 1800, &got), HF_ERR_SESSION_IDLE);
    assert_int_equal(find(s.id, 1799 + 1800, &got), HF_ERR_SESSION_UNKNOWN); /* and it is gone */
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    for (int64_t t = 1000; t < 43200; t += 1000) {
        assert_int_equal(find(s.id, t, &got), 0);
        assert_true(got.record.until.s <= at(43200).s);
    }
    assert_int_equal(find(s.id, 43199, &got), 0);
    assert_int_equal(find(s.id, 43200, &got), HF_ERR_SESSION_OVER);
}

static hf_err broken(void *self, const uint8_t key[32], hf_session_record *record, hf_span into)
{
    (void)self, (void)key, (void)record, (void)into;
    return hf_err_make(HF_ERR_SESSION_STORE);
}

static void a_store_that_fails_denies(void **state) /* A21 */
{
    (void)state;
    hf_session s;
    hf_session_store bad = store;
    bad.get = broken;
    assert_int_equal(hf_session_find(c, &rules, &bad, hf_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), at(0), room, &s, NULL).code, HF_ERR_SESSION_STORE);
    assert_true(s.ended);
    assert_int_equal(hf_err_describe(hf_err_make(HF_ERR_SESSION_STORE))->status, 503);
}

/* ---- the contract, corner by corner --------------------------------------------------------------------------- */

static void insert_ok(const hf_session_record *r)
{
    assert_int_equal(store.insert(store.self, r).code, 0);
}

static void data_that_do_not_fit_the_room_are_told(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "cart=3"), got;
    insert_ok(&r);
    assert_int_equal(store.get(store.self, r.key, &got, (hf_span){ room_bytes, 5 }).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(store.get(store.self, r.key, &got, (hf_span){ room_bytes, 6 }).code, 0);
}

static void any_byte_may_be_in_the_data(void **state)
{
    (void)state;
    static uint8_t all[256];
    hf_session_record r = record_of(1, "alice", ""), got;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    r.data = hf_bytes_make(all, sizeof all);
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_true(hf_bytes_equal(got.data, r.data));
}

static void no_data_are_data(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    r.data = hf_bytes_make(NULL, 0);
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(got.data.len, 0);
    assert_int_equal(store.get(store.self, r.key, &got, (hf_span){ room_bytes, 0 }).code, 0);
}

static void any_byte_may_be_in_a_key(void **state)
{
    (void)state;
    hf_session_record got;
    for (int i = 0; i < 256; i += 5) {
        hf_session_record r = record_of(7, "alice", "x");
        memset(r.key, i, 32);
        insert_ok(&r);
        assert_int_equal(store.get(store.self, r.key, &got, room).code, 0);
        assert_memory_equal(got.key, r.key, 32);
    }
}

static void keys_differ_in_their_last_bit(void **state)
{
    (void)state;
    hf_session_record one = record_of(1, "alice", "one"), two = record_of(1, "bob", "two"), got;
    two.key[31] = 1;
    insert_ok(&one);
    insert_ok(&two);
    assert_int_equal(store.destroy(store.self, two.key).code, 0);
    assert_int_equal(get(1, &got), 0);
    assert_string_equal(got.subject, "alice");
}

static void the_secrets_come_back(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    memset(r.csrf, 0, sizeof r.csrf);
    memset(r.csrf_before, 0xff, sizeof r.csrf_before);
    r.has_before = true;
    r.csrf[31] = 9;
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_memory_equal(got.csrf, r.csrf, 32);
    assert_memory_equal(got.csrf_before, r.csrf_before, 32);
    assert_true(got.has_before);
}

static void what_was_not_before_stays_so(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_false(got.has_before);
}

static void all_times_come_back(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    r.created = (hf_wall){ 1 };
    r.used = (hf_wall){ 4102444800 };
    r.until = (hf_wall){ 9007199254740991 };
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_true(got.created.s == 1 && got.used.s == 4102444800 && got.until.s == 9007199254740991);
}

static void subjects_are_bytes(void **state)
{
    (void)state;
    static const char *const odd[] = { "a b", "o'brien", "\"; DROP TABLE x; --", "%s%n", "*", "a:b", "\xc3\xa4\xf0\x9f\x8d\x80", "A", "\x7f\x01", "{x}" };
    hf_session_record got;
    size_t count;
    for (size_t i = 0; i < HF_COUNT(odd); i++) {
        const hf_session_record r = record_of((uint8_t)(i + 1), odd[i], "");
        insert_ok(&r);
    }
    for (size_t i = 0; i < HF_COUNT(odd); i++) {
        assert_int_equal(get((uint8_t)(i + 1), &got), 0);
        assert_string_equal(got.subject, odd[i]);
        assert_int_equal(store.destroy_subject(store.self, hf_text(odd[i]), &count).code, 0);
        assert_int_equal(count, 1);
        assert_int_equal(get((uint8_t)(i + 1), &got), HF_ERR_SESSION_UNKNOWN);
    }
}

static void a_subject_may_be_as_long_as_it_may(void **state)
{
    (void)state;
    char name[HF_SUBJECT_MOST + 1];
    size_t count;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    hf_session_record r = record_of(1, name, ""), got;
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_string_equal(got.subject, name);
    assert_int_equal(store.destroy_subject(store.self, hf_bytes_make(name, sizeof name - 2), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text(name), &count).code, 0);
    assert_int_equal(count, 1);
}

static void upper_and_lower_case_are_two_subjects(void **state)
{
    (void)state;
    const hf_session_record one = record_of(1, "Alice", ""), two = record_of(2, "alice", "");
    hf_session_record got;
    size_t count;
    insert_ok(&one);
    insert_ok(&two);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 1);
    assert_int_equal(get(1, &got), 0);
}

static void an_update_may_name_another_subject(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "");
    size_t count;
    insert_ok(&r);
    strcpy(r.subject, "bob");
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text("bob"), &count).code, 0);
    assert_int_equal(count, 1);
}

static void who_logs_in_late_is_found_by_subject(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "", "");
    size_t count;
    insert_ok(&r);
    strcpy(r.subject, "bob");
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text("bob"), &count).code, 0);
    assert_int_equal(count, 1);
}

static void an_update_changes_all_but_the_key(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    insert_ok(&r);
    r.used = at(7);
    r.until = at(8);
    memset(r.csrf, 3, 32);
    r.has_before = true;
    r.data = hf_text("b");
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(get(1, &got), 0);
    assert_true(got.used.s == at(7).s && got.until.s == at(8).s && got.csrf[0] == 3 && got.has_before && hf_bytes_equal(got.data, hf_text("b")));
}

static void an_update_of_a_version_that_never_was_is_refused(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    insert_ok(&r);
    r.version = 2;
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_CONFLICT);
    r.version = 0;
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_CONFLICT);
    r.version = UINT64_C(1) << 53;
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_CONFLICT);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(got.version, 1);
}

static void a_refused_insert_changes_nothing(void **state)
{
    (void)state;
    const hf_session_record r = record_of(1, "alice", "first"), again = record_of(1, "eve", "second");
    hf_session_record got;
    size_t count;
    insert_ok(&r);
    assert_int_equal(store.insert(store.self, &again).code, HF_ERR_SESSION_CONFLICT);
    assert_int_equal(get(1, &got), 0);
    assert_true(strcmp(got.subject, "alice") == 0 && hf_bytes_equal(got.data, hf_text("first")));
    assert_int_equal(store.destroy_subject(store.self, hf_text("eve"), &count).code, 0);
    assert_int_equal(count, 0);
}

static void a_key_may_come_again_after_it_was_destroyed(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), got;
    insert_ok(&r);
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(store.destroy(store.self, r.key).code, 0);
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(got.version, 1);
}

static void a_late_update_does_not_overwrite_a_new_one_of_the_same_key(void **state) /* A19 */
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "a"), late, got;
    insert_ok(&r);
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(get(1, &late), 0);
    assert_int_equal(late.version, 2);
    assert_int_equal(store.destroy(store.self, r.key).code, 0);
    insert_ok(&r);
    late.data = hf_text("late");
    assert_int_equal(store.update(store.self, &late).code, HF_ERR_SESSION_CONFLICT);
    assert_int_equal(get(1, &got), 0);
    assert_true(hf_bytes_equal(got.data, hf_text("a")));
}

static void destroying_twice_is_no_error(void **state)
{
    (void)state;
    const hf_session_record r = record_of(1, "alice", "a");
    insert_ok(&r);
    assert_int_equal(store.destroy(store.self, r.key).code, 0);
    assert_int_equal(store.destroy(store.self, r.key).code, 0);
}

static void what_was_destroyed_is_not_counted_for_its_subject(void **state)
{
    (void)state;
    const hf_session_record one = record_of(1, "alice", ""), two = record_of(2, "alice", "");
    size_t count;
    insert_ok(&one);
    insert_ok(&two);
    assert_int_equal(store.destroy(store.self, one.key).code, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 1);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 0);
}

static void nothing_is_collected_before_its_time(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    size_t count = 9;
    insert_ok(&r);
    assert_int_equal(store.collect(store.self, at(99), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(store.collect(store.self, at(100), &count).code, 0);
    assert_int_equal(count, 1);
    assert_int_equal(store.collect(store.self, at(100), &count).code, 0);
    assert_int_equal(count, 0);
}

static void what_was_touched_is_collected_later(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", ""), got;
    size_t count;
    insert_ok(&r);
    assert_int_equal(store.touch(store.self, r.key, at(99), at(200)).code, 0);
    assert_int_equal(store.collect(store.self, at(150), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(get(1, &got), 0);
    assert_int_equal(store.collect(store.self, at(200), &count).code, 0);
    assert_int_equal(count, 1);
}

static void what_was_updated_is_collected_by_its_new_time(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "");
    size_t count;
    insert_ok(&r);
    r.until = at(300);
    assert_int_equal(store.update(store.self, &r).code, 0);
    assert_int_equal(store.collect(store.self, at(299), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(store.collect(store.self, at(300), &count).code, 0);
    assert_int_equal(count, 1);
}

static void a_touch_can_shorten(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "");
    size_t count;
    insert_ok(&r);
    assert_int_equal(store.touch(store.self, r.key, at(1), at(2)).code, 0);
    assert_int_equal(store.collect(store.self, at(3), &count).code, 0);
    assert_int_equal(count, 1);
}

static void a_touch_is_no_conflict_for_an_update(void **state)
{
    (void)state;
    hf_session_record r = record_of(1, "alice", "");
    insert_ok(&r);
    assert_int_equal(store.touch(store.self, r.key, at(1), at(200)).code, 0);
    assert_int_equal(store.update(store.self, &r).code, 0);
}

static void more_than_one_batch_is_collected(void **state)
{
    (void)state;
    hf_session_record r = record_of(0, "alice", "");
    size_t count;
    for (unsigned i = 0; i < 1200; i++) {
        r.key[1] = (uint8_t)(i >> 8);
        r.key[2] = (uint8_t)i;
        insert_ok(&r);
    }
    assert_int_equal(store.collect(store.self, at(100), &count).code, 0);
    assert_int_equal(count, 1200);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 0);
}

static void the_largest_data_come_back(void **state)
{
    (void)state;
    static uint8_t data[65536];
    hf_session_record r = record_of(1, "alice", ""), got;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    r.data = hf_bytes_make(data, sizeof data);
    insert_ok(&r);
    assert_int_equal(get(1, &got), 0);
    assert_true(hf_bytes_equal(got.data, r.data));
}

static void an_update_too_large_changes_nothing(void **state)
{
    (void)state;
    static uint8_t data[65537];
    hf_session_record r = record_of(1, "alice", "small"), got;
    insert_ok(&r);
    r.data = hf_bytes_make(data, sizeof data);
    assert_int_equal(store.update(store.self, &r).code, HF_ERR_SESSION_TOO_LARGE);
    assert_int_equal(get(1, &got), 0);
    assert_true(hf_bytes_equal(got.data, hf_text("small")) && got.version == 1);
}

typedef struct inserter {
    int won;
} inserter;

static void *insert_all(void *arg)
{
    inserter *const me = arg;
    for (int i = 0; i < 200; i++) {
        hf_session_record r = record_of((uint8_t)i, "alice", "");
        me->won += store.insert(store.self, &r).code == 0;
    }
    return NULL;
}

static void of_two_that_insert_one_key_one_wins(void **state)
{
    (void)state;
    pthread_t threads[2];
    inserter each[2] = { { 0 } };
    size_t count;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, insert_all, &each[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(each[0].won + each[1].won, 200);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 200);
}

static void *log_out(void *arg)
{
    const hf_session_record *const r = arg;
    return store.destroy(store.self, r->key).code == 0 ? NULL : arg;
}

static void a_logout_in_the_middle_of_a_save_stays(void **state) /* A19: 1,000 of 1,000 */
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        hf_session_record r = record_of(1, "alice", "a"), got;
        pthread_t other;
        void *failed;
        insert_ok(&r);
        assert_int_equal(pthread_create(&other, NULL, log_out, &r), 0);
        const int32_t saved = store.update(store.self, &r).code;
        assert_true(saved == 0 || saved == HF_ERR_SESSION_UNKNOWN);
        pthread_join(other, &failed);
        assert_null(failed);
        assert_int_equal(get(1, &got), HF_ERR_SESSION_UNKNOWN);
    }
}

static void a_session_forgets_nothing_over_many_saves(void **state)
{
    (void)state;
    hf_session s, got;
    char text[32];
    assert_int_equal(hf_session_begin(c, &rules, at(0), &s).code, 0);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "n=%d", i);
        s.record.data = hf_text(text);
        assert_int_equal(hf_session_save(&w.env, &store, &s).code, 0);
    }
    assert_int_equal(find(s.id, 1, &got), 0);
    assert_true(hf_bytes_equal(got.record.data, hf_text("n=49")) && got.record.version == 50);
}

static void logout_everywhere_ends_every_session_of_a_user(void **state) /* A22 */
{
    (void)state;
    hf_session s[3], got;
    size_t count;
    for (int i = 0; i < 3; i++) {
        s[i] = (hf_session){ .ended = true };
        assert_int_equal(hf_session_login(c, &rules, &store, &s[i], hf_text(i < 2 ? "alice" : "bob"), at(0)).code, 0);
    }
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0);
    assert_int_equal(count, 2);
    assert_int_equal(find(s[0].id, 1, &got), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(find(s[1].id, 1, &got), HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(find(s[2].id, 1, &got), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#define CONTRACT \
    CASE(what_is_inserted_is_got), CASE(an_update_names_the_version_that_it_read), \
    CASE(what_was_destroyed_is_not_revived), CASE(touching_moves_the_times_alone), \
    CASE(a_subject_is_logged_out_everywhere), CASE(what_has_ended_is_collected), CASE(threads_lose_no_update), \
    CASE(data_may_be_as_large_as_the_limit_and_no_larger), CASE(a_session_lives_in_the_store_under_a_hash), \
    CASE(an_unknown_id_is_never_adopted), CASE(login_changes_everything), CASE(idle_and_absolute_limits_hold), \
    CASE(a_store_that_fails_denies), CASE(data_that_do_not_fit_the_room_are_told), \
    CASE(any_byte_may_be_in_the_data), CASE(no_data_are_data), CASE(any_byte_may_be_in_a_key), \
    CASE(keys_differ_in_their_last_bit), CASE(the_secrets_come_back), CASE(what_was_not_before_stays_so), \
    CASE(all_times_come_back), CASE(subjects_are_bytes), CASE(a_subject_may_be_as_long_as_it_may), \
    CASE(upper_and_lower_case_are_two_subjects), CASE(an_update_may_name_another_subject), \
    CASE(who_logs_in_late_is_found_by_subject), CASE(an_update_changes_all_but_the_key), \
    CASE(an_update_of_a_version_that_never_was_is_refused), CASE(a_refused_insert_changes_nothing), \
    CASE(a_key_may_come_again_after_it_was_destroyed), \
    CASE(a_late_update_does_not_overwrite_a_new_one_of_the_same_key), CASE(destroying_twice_is_no_error), \
    CASE(what_was_destroyed_is_not_counted_for_its_subject), CASE(nothing_is_collected_before_its_time), \
    CASE(what_was_touched_is_collected_later), CASE(what_was_updated_is_collected_by_its_new_time), \
    CASE(a_touch_can_shorten), CASE(a_touch_is_no_conflict_for_an_update), \
    CASE(more_than_one_batch_is_collected), CASE(the_largest_data_come_back), \
    CASE(an_update_too_large_changes_nothing), CASE(of_two_that_insert_one_key_one_wins), \
    CASE(a_logout_in_the_middle_of_a_save_stays), CASE(a_session_forgets_nothing_over_many_saves), \
    CASE(logout_everywhere_ends_every_session_of_a_user)

#endif
