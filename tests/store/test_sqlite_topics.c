/* SPDX-License-Identifier: Apache-2.0
 *
 * What was published, in a file of SQLite: an unbroken run of numbers that survives a kill, and that one process has at a time.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <handfast/store.h>

#include "temp_folder.h"

enum { EPOCH = 77 };

static hf_test_world w;
static temp_folder folder;
static char file[300];
static hf_sqlite_topics *topics;

static void close_file(void)
{
    hf_sqlite_topics_close(topics);
    topics = NULL;
}

static void open_again(uint64_t epoch)
{
    close_file();
    assert_int_equal(hf_sqlite_topics_open(&w.env, file, epoch, &topics, NULL).code, 0);
}

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    temp_make(&folder);
    snprintf(file, sizeof file, "%s/topics.db", folder.path);
    open_again(EPOCH);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_file();
    temp_remove(&folder);
    hf_test_world_fini(&w);
    return 0;
}

/* Messages from .. to, whose data say their number. */
static hf_err append_to(hf_sqlite_topics *to_file, uint64_t from, uint64_t to)
{
    char data[64][24];
    hf_kept_message all[64];
    size_t n = 0;
    assert_true(to - from < HF_COUNT(all));
    for (uint64_t number = from; number <= to; number++, n++) {
        snprintf(data[n], sizeof data[n], "%llu", (unsigned long long)number);
        all[n] = (hf_kept_message){ number, hf_text(number % 2 ? "board/odd" : "board/even"), hf_text(number % 3 ? "" : "third"), hf_text(data[n]) };
    }
    return hf_sqlite_topics_append(to_file, all, n);
}

static void append(uint64_t from, uint64_t to)
{
    assert_int_equal(append_to(topics, from, to).code, 0);
}

/* All of it is there, each as it was, and the place says so. */
static void holds(uint64_t epoch, uint64_t from, uint64_t to)
{
    const hf_kept_place place = hf_sqlite_topics_place(topics);
    hf_kept_message m;
    char data[24];
    bool found;
    assert_int_equal(place.epoch, epoch);
    assert_int_equal(place.last, to);
    assert_int_equal(place.before, from - 1);
    for (uint64_t number = from; number <= to; number++) {
        assert_int_equal(hf_sqlite_topics_next(topics, number - 1, &m, &found).code, 0);
        assert_true(found);
        assert_int_equal(m.number, number);
        snprintf(data, sizeof data, "%llu", (unsigned long long)number);
        assert_true(hf_bytes_equal(m.topic, hf_text(number % 2 ? "board/odd" : "board/even")));
        assert_true(hf_bytes_equal(m.name, hf_text(number % 3 ? "" : "third")));
        assert_true(hf_bytes_equal(m.data, hf_text(data)));
    }
    assert_int_equal(hf_sqlite_topics_next(topics, to, &m, &found).code, 0);
    assert_false(found);
}

static void what_was_published_is_there_after_a_restart(void **state)
{
    (void)state;
    holds(EPOCH, 1, 0);
    assert_false(hf_sqlite_topics_anew(topics));
    append(1, 3);
    append(4, 40);
    holds(EPOCH, 1, 40);
    open_again(EPOCH + 1); /* the file has an epoch already */
    holds(EPOCH, 1, 40);
    append(41, 41);
    holds(EPOCH, 1, 41);
}

static void numbers_go_on_one_by_one_or_nothing_is_written(void **state)
{
    (void)state;
    append(1, 2);
    assert_int_equal(append_to(topics, 4, 6).code, HF_ERR_TOPIC_SAVED);
    assert_int_equal(append_to(topics, 2, 6).code, HF_ERR_TOPIC_SAVED);
    const hf_kept_message broken[] = { { 3, hf_text("a"), hf_text(""), hf_text("") }, { 5, hf_text("a"), hf_text(""), hf_text("") } };
    assert_int_equal(hf_sqlite_topics_append(topics, broken, 2).code, HF_ERR_TOPIC_SAVED);
    holds(EPOCH, 1, 2);
    append(3, 5);
    open_again(EPOCH);
    holds(EPOCH, 1, 5);
}

static void empty_data_and_any_bytes_come_back_as_they_were(void **state)
{
    (void)state;
    const hf_kept_message m = { 1, hf_text("a"), hf_text(""), hf_bytes_make("\0\xff\n", 3) }, none = { 2, hf_text("b"), hf_text(""), hf_bytes_make(NULL, 0) };
    hf_kept_message got;
    bool found;
    assert_int_equal(hf_sqlite_topics_append(topics, &m, 1).code, 0);
    assert_int_equal(hf_sqlite_topics_append(topics, &none, 1).code, 0);
    assert_int_equal(hf_sqlite_topics_next(topics, 0, &got, &found).code, 0);
    assert_true(found && hf_bytes_equal(got.data, m.data));
    assert_int_equal(hf_sqlite_topics_next(topics, 1, &got, &found).code, 0);
    assert_true(found && got.data.len == 0 && hf_bytes_equal(got.topic, none.topic));
}

static void a_restart_of_the_numbers_forgets_all(void **state)
{
    (void)state;
    append(1, 9);
    assert_int_equal(hf_sqlite_topics_restart(topics, 123, 1000).code, 0);
    holds(123, 1001, 1000);
    append(1001, 1003);
    open_again(EPOCH);
    holds(123, 1001, 1003);
    assert_int_equal(hf_sqlite_topics_restart(topics, 0, 0).code, HF_ERR_TOPIC_SAVED);
    assert_int_equal(hf_sqlite_topics_restart(topics, 1ull << 63, 0).code, HF_ERR_TOPIC_SAVED);
    holds(123, 1001, 1003);
}

/* A child writes and says so; then it is killed where it stands. */
static void what_append_said_is_written_survives_a_kill(void **state)
{
    (void)state;
    int said[2];
    char byte;
    close_file();
    assert_int_equal(pipe(said), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (hf_sqlite_topics_open(&w.env, file, EPOCH, &topics, NULL).code != 0 || append_to(topics, 1, 20).code != 0 || write(said[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(said[1]);
    const ssize_t n = read(said[0], &byte, 1);
    close(said[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(n, 1);
    open_again(EPOCH + 1);
    holds(EPOCH, 1, 20);
}

static void one_has_the_file_at_a_time(void **state)
{
    (void)state;
    hf_sqlite_topics *second;
    hf_why why = { .err = HF_OK };
    w.limits.store_ns = HF_MILLISECONDS(10);
    assert_int_equal(hf_sqlite_topics_open(&w.env, file, EPOCH, &second, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(second);
    assert_true(why.got[0] != 0);
    append(1, 1);
    open_again(EPOCH);
    holds(EPOCH, 1, 1);
}

static void the_file_is_its_owners_alone(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void change(const char *text)
{
    sqlite3 *base;
    close_file();
    assert_int_equal(sqlite3_open_v2(file, &base, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(base, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(base), SQLITE_OK);
}

/* A run with a hole would be told as if nothing were missing. */
static void a_file_that_is_no_unbroken_run_begins_anew(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "DELETE FROM handfast_topics WHERE number = 5", "DELETE FROM handfast_topics WHERE number = 9", "UPDATE handfast_topics_place SET last = 8",
        "UPDATE handfast_topics_place SET epoch = -1", "UPDATE handfast_topics SET number = -3 WHERE number = 1", "DELETE FROM handfast_topics_place",
    };
    for (size_t i = 0; i < HF_COUNT(changes); i++) {
        assert_int_equal(hf_sqlite_topics_restart(topics, EPOCH, 0).code, 0);
        append(1, 9);
        change(changes[i]);
        open_again(EPOCH + 1);
        assert_true(hf_sqlite_topics_anew(topics));
        holds(EPOCH + 1, 1, 0);
        append(1, 1);
        holds(EPOCH + 1, 1, 1);
    }
    change("DELETE FROM handfast_topics WHERE number < 3; UPDATE handfast_topics_place SET epoch = 5");
    open_again(EPOCH + 2); /* of which the oldest went */
    holds(5, 2, 1);
}

/* The next statement that begins so is interrupted, once. */
static const char *interrupted;

static int interrupt(unsigned what, void *base, void *statement, void *text)
{
    (void)what, (void)statement;
    if (interrupted != NULL && strncmp(text, interrupted, strlen(interrupted)) == 0) {
        interrupted = NULL;
        sqlite3_interrupt(base);
    }
    return 0;
}

static int watch(sqlite3 *base, char **error, const void *api)
{
    (void)error, (void)api;
    return sqlite3_trace_v2(base, SQLITE_TRACE_STMT, interrupt, base);
}

static int unwatch(void **state)
{
    sqlite3_reset_auto_extension();
    interrupted = NULL;
    return tear_down(state);
}

/* It says nothing of what is there. */
static void what_cannot_be_read_now_is_not_thrown_away(void **state)
{
    (void)state;
    static const char *const statements[] = { "SELECT epoch", "SELECT COUNT" };
    assert_int_equal(sqlite3_auto_extension((void (*)(void))watch), SQLITE_OK);
    append(1, 9);
    for (size_t i = 0; i < HF_COUNT(statements); i++) {
        hf_why why = { .err = HF_OK };
        close_file();
        interrupted = statements[i];
        assert_int_equal(hf_sqlite_topics_open(&w.env, file, EPOCH + 1, &topics, &why).code, HF_ERR_TOPIC_SAVED);
        assert_null(topics);
        assert_null(interrupted); /* it came to that */
        assert_int_equal(why.err.code, HF_ERR_TOPIC_SAVED);
        assert_non_null(strstr(why.got, "interrupted"));
        open_again(EPOCH + 1);
        assert_false(hf_sqlite_topics_anew(topics));
        holds(EPOCH, 1, 9);
    }
}

static void what_cannot_be_a_file_is_told(void **state)
{
    (void)state;
    hf_sqlite_topics *none;
    hf_why why;
    char other[400];
    snprintf(other, sizeof other, "%s/no/such/folder.db", folder.path);
    assert_int_equal(hf_sqlite_topics_open(&w.env, other, EPOCH, &none, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(none);
    snprintf(other, sizeof other, "%s/text", folder.path);
    FILE *const f = fopen(other, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    assert_int_equal(hf_sqlite_topics_open(&w.env, other, EPOCH, &none, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(none);
    w.memory.fail_at = w.memory.calls + 1;
    w.memory.fail_on = true;
    snprintf(other, sizeof other, "%s/other.db", folder.path);
    assert_int_equal(hf_sqlite_topics_open(&w.env, other, EPOCH, &none, &why).code, HF_ERR_BASE_MEMORY);
    w.memory.fail_at = 0;
}

/* The oldest go, and what is left is an unbroken run up to the newest. */
static void keeps_the_newest(uint64_t least, uint64_t most)
{
    for (uint64_t i = 1; i <= 400; i += 10) {
        append(i, i + 9);
        const hf_kept_place place = hf_sqlite_topics_place(topics);
        assert_true(place.last == i + 9 && place.last - place.before <= most);
        assert_true(place.last - place.before >= (least < place.last ? least : place.last));
        holds(EPOCH, place.before + 1, place.last);
    }
    const hf_kept_place place = hf_sqlite_topics_place(topics);
    open_again(EPOCH);
    holds(EPOCH, place.before + 1, place.last);
}

static void limit_topics_saved_events(void **state)
{
    (void)state;
    w.limits.topics_saved_events = 100;
    open_again(EPOCH);
    keeps_the_newest(80, 100);
}

static void limit_topics_bytes_of_a_file(void **state)
{
    (void)state;
    w.limits.topics_bytes = 80 * 80; /* each has some 75 to 80 */
    open_again(EPOCH);
    keeps_the_newest(60, 90);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_was_published_is_there_after_a_restart), T(numbers_go_on_one_by_one_or_nothing_is_written),
        T(empty_data_and_any_bytes_come_back_as_they_were), T(a_restart_of_the_numbers_forgets_all),
        T(what_append_said_is_written_survives_a_kill), T(one_has_the_file_at_a_time), T(the_file_is_its_owners_alone),
        T(a_file_that_is_no_unbroken_run_begins_anew),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_now_is_not_thrown_away, set_up, unwatch), T(what_cannot_be_a_file_is_told), T(limit_topics_saved_events),
        T(limit_topics_bytes_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
