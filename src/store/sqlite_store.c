/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in a file of SQLite: they survive a restart, and processes of one machine may share them. One connection under
 * one lock; the file is in WAL mode, so that a process that is killed leaves what it had committed and nothing else.
 */
#include <handfast/store.h>

#include <pthread.h>
#include <sqlite3.h>

#include "alloc.h"
#include "sqlite_file.h"

enum statement_index { INSERT, GET, UPDATE, TOUCH, DESTROY, DESTROY_SUBJECT, COLLECT, PRESENT, STATEMENTS };

struct hf_sqlite_store {
    hf_allocator alloc;
    pthread_mutex_t lock;
    sqlite3 *base;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t most_bytes;
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS handfast_sessions (key BLOB PRIMARY KEY NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL,"
                             " used INTEGER NOT NULL, until INTEGER NOT NULL, subject TEXT NOT NULL, csrf BLOB NOT NULL, csrf_before BLOB, data BLOB NOT NULL);"
                             "CREATE INDEX IF NOT EXISTS handfast_sessions_subject ON handfast_sessions (subject) WHERE subject <> '';"
                             "CREATE INDEX IF NOT EXISTS handfast_sessions_until ON handfast_sessions (until);";

static const char *const texts[STATEMENTS] = {
    [INSERT] = "INSERT INTO handfast_sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    [GET] = "SELECT version, created, used, until, subject, csrf, csrf_before, data FROM handfast_sessions WHERE key = ?1",
    [UPDATE] = ("UPDATE handfast_sessions SET version = version + 1, created = ?3, used = ?4, until = ?5, subject = ?6, csrf = ?7, csrf_before = ?8, data = ?9"
                " WHERE key = ?1 AND version = ?2"),
    [TOUCH] = "UPDATE handfast_sessions SET used = ?2, until = ?3 WHERE key = ?1",
    [DESTROY] = "DELETE FROM handfast_sessions WHERE key = ?1",
    [DESTROY_SUBJECT] = "DELETE FROM handfast_sessions WHERE subject = ?1 AND subject <> ''",
    [COLLECT] = "DELETE FROM handfast_sessions WHERE until <= ?1",
    [PRESENT] = "SELECT 1 FROM handfast_sessions WHERE key = ?1",
};

/* ---- asking --------------------------------------------------------------------------------------------------- */

static hf_err failed(void)
{
    return hf_err_make(HF_ERR_SESSION_STORE);
}

/* The bytes outlive the statement's run: nothing is copied. Of no length they are still a value, and not NULL. */
static bool bind_bytes(sqlite3_stmt *s, int at, const void *ptr, size_t length)
{
    return sqlite3_bind_blob64(s, at, length > 0 ? ptr : "", length, SQLITE_STATIC) == SQLITE_OK;
}

static bool bind_text(sqlite3_stmt *s, int at, hf_bytes text)
{
    return sqlite3_bind_text64(s, at, (const char *)text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK;
}

static bool bind_number(sqlite3_stmt *s, int at, int64_t n)
{
    return sqlite3_bind_int64(s, at, n) == SQLITE_OK;
}

static void done(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

/* Runs what is bound; *changed rows were. */
static hf_err change(hf_sqlite_store *m, sqlite3_stmt *s, bool bound, size_t *changed)
{
    const bool good = bound && sqlite3_step(s) == SQLITE_DONE;
    *changed = good ? (size_t)sqlite3_changes(m->base) : 0;
    done(s);
    return good ? HF_OK : failed();
}

static bool bind_record(sqlite3_stmt *s, const hf_session_record *r)
{
    return bind_bytes(s, 1, r->key, sizeof r->key) && bind_number(s, 2, (int64_t)r->version) && bind_number(s, 3, r->created.s) &&
           bind_number(s, 4, r->used.s) && bind_number(s, 5, r->until.s) && bind_text(s, 6, hf_text(r->subject)) && bind_bytes(s, 7, r->csrf, sizeof r->csrf) &&
           (r->has_before ? bind_bytes(s, 8, r->csrf_before, sizeof r->csrf_before) : sqlite3_bind_null(s, 8) == SQLITE_OK) &&
           bind_bytes(s, 9, r->data.ptr, r->data.len);
}

/* ---- the contract --------------------------------------------------------------------------------------------- */

static hf_err insert(void *self, const hf_session_record *r)
{
    hf_sqlite_store *const m = self;
    size_t changed;
    if (r->data.len > m->most_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    pthread_mutex_lock(&m->lock);
    const hf_err err = change(m, m->statements[INSERT], bind_record(m->statements[INSERT], r), &changed);
    pthread_mutex_unlock(&m->lock);
    return err.code == 0 && changed == 0 ? hf_err_make(HF_ERR_SESSION_CONFLICT) : err;
}

static bool read_bytes(sqlite3_stmt *s, int column, void *out, size_t length)
{
    const void *const ptr = sqlite3_column_blob(s, column);
    if (ptr == NULL || (size_t)sqlite3_column_bytes(s, column) != length)
        return false;
    memcpy(out, ptr, length);
    return true;
}

/* Whoever else writes to the file must not make us read beyond what is there. */
static hf_err read_row(sqlite3_stmt *s, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    hf_session_record r = { .version = (uint64_t)sqlite3_column_int64(s, 0), .created = { sqlite3_column_int64(s, 1) },
        .used = { sqlite3_column_int64(s, 2) }, .until = { sqlite3_column_int64(s, 3) }, .has_before = sqlite3_column_type(s, 6) != SQLITE_NULL };
    const void *const subject = sqlite3_column_text(s, 4), *const data = sqlite3_column_blob(s, 7);
    const size_t subject_length = (size_t)sqlite3_column_bytes(s, 4), data_length = (size_t)sqlite3_column_bytes(s, 7);
    memcpy(r.key, key, 32);
    if (subject == NULL || subject_length > HF_SUBJECT_MOST || !read_bytes(s, 5, r.csrf, sizeof r.csrf) ||
        (r.has_before && !read_bytes(s, 6, r.csrf_before, sizeof r.csrf_before)))
        return failed();
    if (data_length > room.len)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    memcpy(r.subject, subject, subject_length);
    if (data_length > 0)
        memcpy(room.ptr, data, data_length);
    r.data = hf_bytes_make(room.ptr, data_length);
    *record = r;
    return HF_OK;
}

static hf_err get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    hf_sqlite_store *const m = self;
    sqlite3_stmt *const s = m->statements[GET];
    hf_err err = failed();
    pthread_mutex_lock(&m->lock);
    if (bind_bytes(s, 1, key, 32)) {
        const int answer = sqlite3_step(s);
        if (answer == SQLITE_ROW)
            err = read_row(s, key, record, room);
        else if (answer == SQLITE_DONE)
            err = hf_err_make(HF_ERR_SESSION_UNKNOWN);
    }
    done(s);
    pthread_mutex_unlock(&m->lock);
    return err;
}

/* No row was changed: is it another version, or not there at all? */
static hf_err why_not(hf_sqlite_store *m, const uint8_t key[32])
{
    sqlite3_stmt *const s = m->statements[PRESENT];
    const int answer = bind_bytes(s, 1, key, 32) ? sqlite3_step(s) : SQLITE_ERROR;
    done(s);
    return answer == SQLITE_ROW ? hf_err_make(HF_ERR_SESSION_CONFLICT) : answer == SQLITE_DONE ? hf_err_make(HF_ERR_SESSION_UNKNOWN) : failed();
}

static hf_err update(void *self, const hf_session_record *r)
{
    hf_sqlite_store *const m = self;
    size_t changed;
    if (r->data.len > m->most_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    pthread_mutex_lock(&m->lock);
    hf_err err = change(m, m->statements[UPDATE], bind_record(m->statements[UPDATE], r), &changed);
    if (err.code == 0 && changed == 0)
        err = why_not(m, r->key);
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    hf_sqlite_store *const m = self;
    sqlite3_stmt *const s = m->statements[TOUCH];
    size_t changed;
    pthread_mutex_lock(&m->lock);
    const hf_err err = change(m, s, bind_bytes(s, 1, key, 32) && bind_number(s, 2, used.s) && bind_number(s, 3, until.s), &changed);
    pthread_mutex_unlock(&m->lock);
    return err.code == 0 && changed == 0 ? hf_err_make(HF_ERR_SESSION_UNKNOWN) : err;
}

static hf_err destroy(void *self, const uint8_t key[32])
{
    hf_sqlite_store *const m = self;
    size_t changed;
    pthread_mutex_lock(&m->lock);
    const hf_err err = change(m, m->statements[DESTROY], bind_bytes(m->statements[DESTROY], 1, key, 32), &changed);
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    hf_sqlite_store *const m = self;
    *count = 0;
    if (subject.len == 0) /* nobody is no subject */
        return HF_OK;
    pthread_mutex_lock(&m->lock);
    const hf_err err = change(m, m->statements[DESTROY_SUBJECT], bind_text(m->statements[DESTROY_SUBJECT], 1, subject), count);
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err collect(void *self, hf_wall now, size_t *count)
{
    hf_sqlite_store *const m = self;
    pthread_mutex_lock(&m->lock);
    const hf_err err = change(m, m->statements[COLLECT], bind_number(m->statements[COLLECT], 1, now.s), count);
    pthread_mutex_unlock(&m->lock);
    return err;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

hf_err hf_sqlite_store_open(const hf_env *env, const char *file, hf_sqlite_store **store, hf_session_store *table, hf_why *why)
{
    *store = NULL;
    hf_sqlite_store *const m = hf_alloc_zeroed(&env->alloc, sizeof *m);
    if (m == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *m = (hf_sqlite_store){ .alloc = env->alloc, .most_bytes = env->limits->session_bytes };
    pthread_mutex_init(&m->lock, NULL);
    const hf_err err = hf_sqlite_file_open(file, env->limits->store_ns, schema, texts, STATEMENTS, &m->base, m->statements, why);
    if (err.code == 0) {
        *store = m;
        *table = (hf_session_store){ m, insert, get, update, touch, destroy, destroy_subject, collect, true };
        return HF_OK;
    }
    hf_sqlite_store_close(m);
    return err;
}

void hf_sqlite_store_close(hf_sqlite_store *m)
{
    if (m == NULL)
        return;
    hf_sqlite_file_close(m->base, m->statements, STATEMENTS);
    pthread_mutex_destroy(&m->lock);
    const hf_allocator alloc = m->alloc;
    hf_free(&alloc, m, sizeof *m);
}

const char *hf_sqlite_store_library(void)
{
    return sqlite3_libversion();
}
