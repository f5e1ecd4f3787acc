/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in a file of SQLite: the contract, and what a file is for.
 */
#include "contract.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

#include "temp_folder.h"

static temp_folder folder;
static char file[300];
static hf_sqlite_store *sqlite;

static void open_again(void)
{
    assert_int_equal(hf_sqlite_store_open(&w.env, file, &sqlite, &store, NULL).code, 0);
}

static void open_store(void)
{
    temp_make(&folder);
    snprintf(file, sizeof file, "%s/sessions.db", folder.path);
    open_again();
    assert_true(store.blocks);
}

static void close_store(void)
{
    hf_sqlite_store_close(sqlite);
    temp_remove(&folder);
}

static void sessions_survive_a_restart(void **state)
{
    (void)state;
    hf_session s = { .ended = true }, got;
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0);
    hf_sqlite_store_close(sqlite);
    open_again();
    assert_int_equal(find(s.id, 1, &got), 0);
    assert_string_equal(got.record.subject, "alice");
    assert_memory_equal(got.record.csrf, s.record.csrf, 32);
}

static void two_connections_share_one_file(void **state)
{
    (void)state;
    hf_sqlite_store *other;
    hf_session_store there;
    hf_session s = { .ended = true }, got;
    assert_int_equal(hf_sqlite_store_open(&w.env, file, &other, &there, NULL).code, 0);
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0);
    assert_int_equal(there.destroy(there.self, s.record.key).code, 0);
    assert_int_equal(find(s.id, 1, &got), HF_ERR_SESSION_UNKNOWN);
    hf_sqlite_store_close(other);
}

static void holds(const char *path, const void *what, size_t length)
{
    FILE *const f = fopen(path, "rb");
    static char all[1 << 20];
    if (f == NULL)
        return;
    const size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    assert_true(n < sizeof all);
    assert_null(memmem(all, n, what, length));
}

static void the_file_holds_no_cookie_and_no_token(void **state) /* A24 */
{
    (void)state;
    hf_session s = { .ended = true };
    char token[HF_CSRF_TOKEN], log[310];
    assert_int_equal(hf_session_login(c, &rules, &store, &s, hf_text("alice"), at(0)).code, 0);
    assert_int_equal(hf_csrf_token(c, s.record.csrf, token).code, 0);
    snprintf(log, sizeof log, "%s-wal", file);
    for (int i = 0; i < 2; i++) {
        holds(i ? log : file, s.id, sizeof s.id);
        holds(i ? log : file, token, sizeof token);
    }
}

static void the_file_is_for_its_owner(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_is_no_file_of_sqlite_is_told(void **state)
{
    (void)state;
    hf_sqlite_store *none;
    hf_session_store table;
    hf_why why;
    char path[300];
    snprintf(path, sizeof path, "%s/no/such/folder.db", folder.path);
    assert_int_equal(hf_sqlite_store_open(&w.env, path, &none, &table, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_null(none);
    snprintf(path, sizeof path, "%s/text", folder.path);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    assert_int_equal(hf_sqlite_store_open(&w.env, path, &none, &table, &why).code, HF_ERR_SESSION_STORE_ADDRESS);
    assert_non_null(strstr(why.got, "not a database"));
}

static void a_foreign_row_is_a_failure_and_nothing_worse(void **state)
{
    (void)state;
    sqlite3 *base;
    hf_session_record got;
    assert_int_equal(sqlite3_open(file, &base), SQLITE_OK);
    assert_int_equal(sqlite3_exec(base, "INSERT INTO handfast_sessions VALUES (x'0100000000000000000000000000000000000000000000000000000000000000', 1, 0, 0, 0, 'a', x'00', NULL, 'd')", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(base);
    assert_int_equal(get(1, &got), HF_ERR_SESSION_STORE);
}

static void limit_store_ns(void **state)
{
    (void)state;
    sqlite3 *base;
    hf_session_record r = record_of(1, "alice", "");
    hf_sqlite_store *hasty;
    hf_session_store table;
    w.limits.store_ns = HF_MILLISECONDS(20);
    assert_int_equal(hf_sqlite_store_open(&w.env, file, &hasty, &table, NULL).code, 0);
    assert_int_equal(sqlite3_open(file, &base), SQLITE_OK);
    assert_int_equal(sqlite3_exec(base, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(table.insert(table.self, &r).code, HF_ERR_SESSION_STORE);
    assert_int_equal(sqlite3_exec(base, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(table.insert(table.self, &r).code, 0);
    sqlite3_close(base);
    hf_sqlite_store_close(hasty);
}

/* Inserts until it is killed, and says after each that it is there. */
static void insert_until_killed(int round, int out)
{
    hf_sqlite_store *mine;
    hf_session_store table;
    if (hf_sqlite_store_open(&w.env, file, &mine, &table, NULL).code != 0)
        _exit(1);
    for (uint32_t i = 0;; i++) {
        hf_session_record r = record_of((uint8_t)round, "alice", "some data of the session");
        memcpy(r.key + 4, &i, sizeof i);
        if (table.insert(table.self, &r).code != 0 || write(out, &i, sizeof i) != sizeof i)
            _exit(2);
    }
}

static void check_integrity(void)
{
    sqlite3 *base;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(file, &base), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(base, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    sqlite3_close(base);
}

static void a_process_that_is_killed_loses_nothing_committed(void **state) /* A25: 50 times */
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        int pipes[2];
        uint32_t i, last = 0;
        hf_session_record got, r = record_of((uint8_t)round, "", "");
        assert_int_equal(pipe(pipes), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipes[0]);
            insert_until_killed(round, pipes[1]);
        }
        close(pipes[1]);
        for (int n = 0; n <= round; n++)
            assert_int_equal(read(pipes[0], &last, sizeof last), sizeof last);
        kill(child, SIGKILL);
        while (read(pipes[0], &i, sizeof i) == sizeof i)
            last = i;
        close(pipes[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        check_integrity();
        for (i = 0; i <= last; i++) {
            memcpy(r.key + 4, &i, sizeof i);
            assert_int_equal(store.get(store.self, r.key, &got, room).code, 0);
        }
    }
    size_t count;
    assert_int_equal(store.collect(store.self, at(1000), &count).code, 0); /* expired rows are collected */
    assert_true(count >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT, CASE(sessions_survive_a_restart), CASE(two_connections_share_one_file), CASE(the_file_holds_no_cookie_and_no_token),
        CASE(the_file_is_for_its_owner), CASE(what_is_no_file_of_sqlite_is_told), CASE(a_foreign_row_is_a_failure_and_nothing_worse), CASE(limit_store_ns),
        CASE(a_process_that_is_killed_loses_nothing_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
