/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers by Idempotency-Key in a file of SQLite: what was carried out is known after a restart, too. One connection under
 * one lock. A row is a key that somebody claimed: its status is RUNNING until he says what became of it.
 */
#include <handfast/store.h>

#include <pthread.h>
#include <sqlite3.h>

#include "alloc.h"
#include "sqlite_file.h"

enum statement_index { BEGIN, COMMIT, ROLLBACK, EXPIRE, INSERT, GET, KEEP, FORGET, EVICT, COUNT, STATEMENTS };
/* Others may write to the file: every so many claims it is counted anew. */
enum { RUNNING = -1, COUNTED_FOR = 256 };

struct hf_sqlite_keys {
    hf_allocator alloc;
    pthread_mutex_t lock; /* of all below */
    sqlite3 *base;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t most_keys, most_bytes;
    uint64_t keys, bytes; /* of the file, as far as is known */
    uint32_t trusted;     /* so many claims */
    int64_t patience_s; /* who has claimed a key for longer is not coming back */
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS handfast_keys (key BLOB PRIMARY KEY NOT NULL, request BLOB NOT NULL, began INTEGER NOT NULL,"
                             " until INTEGER NOT NULL, status INTEGER NOT NULL, fields BLOB NOT NULL, body BLOB NOT NULL);"
                             "CREATE INDEX IF NOT EXISTS handfast_keys_until ON handfast_keys (until);";

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [EXPIRE] = "DELETE FROM handfast_keys WHERE until <= ?1",
    [INSERT] = "INSERT INTO handfast_keys VALUES (?1, ?2, ?3, ?4, -1, x'', x'') ON CONFLICT DO NOTHING",
    [GET] = "SELECT request, began, status, fields, body FROM handfast_keys WHERE key = ?1",
    [KEEP] = "UPDATE handfast_keys SET status = ?2, fields = ?3, body = ?4 WHERE key = ?1 AND status = -1",
    [FORGET] = "DELETE FROM handfast_keys WHERE key = ?1 AND status = -1",
    [EVICT] = "DELETE FROM handfast_keys WHERE key IN (SELECT key FROM handfast_keys WHERE status >= 0 ORDER BY until LIMIT ?1)",
    [COUNT] = "SELECT COUNT(*), COALESCE(SUM(length(fields) + length(body)), 0) FROM handfast_keys",
};

/* ---- asking: under the lock ----------------------------------------------------------------------------------- */

static hf_err failed(void)
{
    return hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_STORE);
}

/* The bytes outlive the statement's run. Of no length they are still a value, and not NULL. */
static bool bind_bytes(sqlite3_stmt *s, int at, const void *ptr, size_t length)
{
    return sqlite3_bind_blob64(s, at, length > 0 ? ptr : "", length, SQLITE_STATIC) == SQLITE_OK;
}

/* Runs what is bound to its end: what SQLite says. */
static int finish(sqlite3_stmt *s, bool bound)
{
    const int answer = bound ? sqlite3_step(s) : SQLITE_ERROR;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return answer;
}

static bool count(hf_sqlite_keys *k)
{
    sqlite3_stmt *const s = k->statements[COUNT];
    const bool good = sqlite3_step(s) == SQLITE_ROW;
    k->keys = good ? (uint64_t)sqlite3_column_int64(s, 0) : UINT64_MAX;
    k->bytes = good ? (uint64_t)sqlite3_column_int64(s, 1) : UINT64_MAX;
    k->trusted = COUNTED_FOR;
    sqlite3_reset(s);
    return good;
}

/* There is one more: where that is too many the oldest answers go. False: all that is left is under way. */
static bool make_room(hf_sqlite_keys *k)
{
    sqlite3_stmt *const s = k->statements[EVICT];
    if (k->trusted > 0)
        k->trusted--;
    else if (!count(k))
        return false;
    while (k->keys > k->most_keys || k->bytes > k->most_bytes) {
        if (!count(k))
            return false;
        if (k->keys <= k->most_keys && k->bytes <= k->most_bytes)
            return true;
        if (finish(s, sqlite3_bind_int64(s, 1, (int64_t)(k->keys / 16 + 1)) == SQLITE_OK) != SQLITE_DONE || sqlite3_changes(k->base) == 0)
            return false;
    }
    return true;
}

/* Whoever else writes to the file must not make us read beyond what is there. */
static hf_err read_row(const hf_sqlite_keys *k, sqlite3_stmt *s, const hf_key_claim *claim, hf_claim_verdict *verdict, hf_key_answer *answer, hf_span room)
{
    const void *const request = sqlite3_column_blob(s, 0);
    const int64_t began = sqlite3_column_int64(s, 1), status = sqlite3_column_int64(s, 2);
    if (request == NULL || sqlite3_column_bytes(s, 0) != sizeof claim->request || status < RUNNING || status > 599)
        return failed();
    if (memcmp(request, claim->request, sizeof claim->request) != 0) {
        *verdict = HF_CLAIM_OTHER;
        return HF_OK;
    }
    if (status <= 0) {
        *verdict = status == RUNNING && claim->now.s - began <= k->patience_s ? HF_CLAIM_RUNNING : HF_CLAIM_LOST;
        return HF_OK;
    }
    const void *const fields = sqlite3_column_blob(s, 3), *const body = sqlite3_column_blob(s, 4);
    const size_t fields_length = (size_t)sqlite3_column_bytes(s, 3), body_length = (size_t)sqlite3_column_bytes(s, 4);
    if (fields_length > room.len || body_length > room.len - fields_length)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (fields_length > 0)
        memcpy(room.ptr, fields, fields_length);
    if (body_length > 0)
        memcpy(room.ptr + fields_length, body, body_length);
    *verdict = HF_CLAIM_ANSWERED;
    *answer = (hf_key_answer){ (uint16_t)status, hf_bytes_make(room.ptr, fields_length), hf_bytes_make(room.ptr + fields_length, body_length) };
    return HF_OK;
}

static hf_err look_up(hf_sqlite_keys *k, const hf_key_claim *claim, hf_claim_verdict *verdict, hf_key_answer *answer, hf_span room)
{
    sqlite3_stmt *const s = k->statements[GET];
    hf_err err = failed();
    if (bind_bytes(s, 1, claim->key, sizeof claim->key) && sqlite3_step(s) == SQLITE_ROW)
        err = read_row(k, s, claim, verdict, answer, room);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return err;
}

/* Within a transaction: what is over goes, and the key is claimed. *changed stays 0 where it was there already. */
static bool insert(hf_sqlite_keys *k, const hf_key_claim *c, int *changed)
{
    sqlite3_stmt *const expire = k->statements[EXPIRE], *const s = k->statements[INSERT];
    if (finish(expire, sqlite3_bind_int64(expire, 1, c->now.s) == SQLITE_OK) != SQLITE_DONE)
        return false;
    if (sqlite3_changes(k->base) > 0)
        k->trusted = 0;
    const bool good = finish(s, bind_bytes(s, 1, c->key, sizeof c->key) && bind_bytes(s, 2, c->request, sizeof c->request) &&
        sqlite3_bind_int64(s, 3, c->now.s) == SQLITE_OK && sqlite3_bind_int64(s, 4, c->until.s) == SQLITE_OK) == SQLITE_DONE;
    *changed = good ? sqlite3_changes(k->base) : 0;
    k->keys += good && *changed > 0 && k->keys < UINT64_MAX;
    return good;
}

/* ---- the contract --------------------------------------------------------------------------------------------- */

static hf_err claim(void *self, const hf_key_claim *c, hf_claim_verdict *verdict, hf_key_answer *answer, hf_span room)
{
    hf_sqlite_keys *const k = self;
    hf_err err = failed();
    int changed = 0;
    pthread_mutex_lock(&k->lock);
    if (finish(k->statements[BEGIN], true) == SQLITE_DONE) {
        if (insert(k, c, &changed)) {
            *verdict = HF_CLAIM_NEW;
            err = changed == 0 ? look_up(k, c, verdict, answer, room) : make_room(k) ? HF_OK : failed();
        }
        if (err.code == 0 && finish(k->statements[COMMIT], true) != SQLITE_DONE)
            err = failed();
        if (err.code != 0) {
            (void)finish(k->statements[ROLLBACK], true);
            k->trusted = 0;
        }
    }
    pthread_mutex_unlock(&k->lock);
    return err;
}

static hf_err keep(void *self, const uint8_t key[32], const hf_key_answer *a)
{
    hf_sqlite_keys *const k = self;
    sqlite3_stmt *const s = k->statements[KEEP];
    pthread_mutex_lock(&k->lock);
    const bool good = finish(s, bind_bytes(s, 1, key, 32) && sqlite3_bind_int64(s, 2, a->status) == SQLITE_OK &&
        bind_bytes(s, 3, a->fields.ptr, a->fields.len) && bind_bytes(s, 4, a->body.ptr, a->body.len)) == SQLITE_DONE;
    if (good && k->bytes < UINT64_MAX - a->fields.len - a->body.len)
        k->bytes += a->fields.len + a->body.len;
    pthread_mutex_unlock(&k->lock);
    return good ? HF_OK : failed();
}

static hf_err forget(void *self, const uint8_t key[32])
{
    hf_sqlite_keys *const k = self;
    sqlite3_stmt *const s = k->statements[FORGET];
    pthread_mutex_lock(&k->lock);
    const int answer = finish(s, bind_bytes(s, 1, key, 32));
    k->keys -= answer == SQLITE_DONE && sqlite3_changes(k->base) > 0 && k->keys > 0;
    pthread_mutex_unlock(&k->lock);
    return answer == SQLITE_DONE ? HF_OK : failed();
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

hf_err hf_sqlite_keys_open(const hf_env *env, const char *file, hf_sqlite_keys **keys, hf_key_store *table, hf_why *why)
{
    *keys = NULL;
    hf_sqlite_keys *const k = hf_alloc_zeroed(&env->alloc, sizeof *k);
    if (k == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *k = (hf_sqlite_keys){ .alloc = env->alloc, .most_keys = env->limits->idempotency_keys, .most_bytes = env->limits->idempotency_bytes,
        .patience_s = (int64_t)(2 * (env->limits->handler_ns / (uint64_t)HF_SECONDS(1))) };
    pthread_mutex_init(&k->lock, NULL);
    const hf_err err = hf_sqlite_file_open(file, env->limits->store_ns, schema, texts, STATEMENTS, &k->base, k->statements, why);
    if (err.code == 0) {
        *keys = k;
        *table = (hf_key_store){ k, claim, keep, forget };
        return HF_OK;
    }
    hf_sqlite_keys_close(k);
    return err;
}

void hf_sqlite_keys_close(hf_sqlite_keys *k)
{
    if (k == NULL)
        return;
    hf_sqlite_file_close(k->base, k->statements, STATEMENTS);
    pthread_mutex_destroy(&k->lock);
    const hf_allocator alloc = k->alloc;
    hf_free(&alloc, k, sizeof *k);
}
