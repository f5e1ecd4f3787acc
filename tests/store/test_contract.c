/* SPDX-License-Identifier: Apache-2.0
 *
 * What every store of sessions must do (A15 to A20, A23, A24), and sessions on top of it.
 */
#include "harness.h"

#include <stdlib.h>

#include <pthread.h>

#include <handfast/store.h>

static hf_test_world w;
static hf_crypto *c;
static hf_memory_store *memory;
static hf_session_store store;
static const hf_session_rules rules = { .idle_s = 0 };
static uint8_t room_bytes[65536];
static const hf_span room = { room_bytes, sizeof room_bytes };

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    memory = hf_memory_store_new(&w.env, &store);
    assert_true(c != NULL && memory != NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_memory_store_free(memory);
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
    const uint8_t key[32] = { 1 };
    assert_int_equal(store.get(store.self, key, &got, (hf_span){ room_bytes, 3 }).code, HF_ERR_BASE_LIMIT);
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
    assert_int_equal(hf_memory_store_count(memory), 50);
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
    assert_int_equal(hf_memory_store_count(memory), 0); /* nothing is written for somebody who only looks */
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
    assert_int_equal(hf_memory_store_count(memory), 1);
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

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_inserted_is_got), CASE(an_update_names_the_version_that_it_read), CASE(what_was_destroyed_is_not_revived), CASE(touching_moves_the_times_alone),
        CASE(a_subject_is_logged_out_everywhere), CASE(what_has_ended_is_collected), CASE(any_allocation_may_fail), CASE(threads_lose_no_update), CASE(limit_sessions),
        CASE(limit_session_bytes), CASE(a_session_lives_in_the_store_under_a_hash), CASE(an_unknown_id_is_never_adopted), CASE(login_changes_everything),
        CASE(idle_and_absolute_limits_hold), CASE(a_store_that_fails_denies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
