/* SPDX-License-Identifier: Apache-2.0
 *
 * What was published to topics, in a file of SQLite: one unbroken run of numbers, of which the oldest go. Whoever has the file has
 * it alone, for two that count would give one number twice; and what an append says is written is on the disk, for a number that
 * somebody has heard must never stand for another message.
 */
#include <handfast/store.h>

#include <sqlite3.h>

#include "alloc.h"
#include "guard_why.h"
#include "sqlite_file.h"

enum statement_index { BEGIN, COMMIT, ROLLBACK, PLACE, MOVE, SPAN, NEXT, INSERT, WEIGH, PRUNE, CLEAR, STATEMENTS };
enum { ROW_BYTES = 64 }; /* counted for what SQLite needs besides */

struct hf_sqlite_topics {
    hf_allocator alloc;
    sqlite3 *base;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t most, most_bytes;
    uint64_t bytes; /* of the messages that are there */
    hf_kept_place place;
    bool anew; /* what was there is gone: it was no unbroken run */
};

/* An exclusive lock that stays: others are told that the file is in use. */
static const char schema[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                             "BEGIN IMMEDIATE;"
                             "CREATE TABLE IF NOT EXISTS handfast_topics_place (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL,"
                             " last INTEGER NOT NULL);"
                             "CREATE TABLE IF NOT EXISTS handfast_topics (number INTEGER PRIMARY KEY, topic BLOB NOT NULL, name BLOB NOT NULL,"
                             " data BLOB NOT NULL);"
                             "COMMIT;";

#define SIZE "COALESCE(SUM(64 + length(topic) + length(name) + length(data)), 0)"

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PLACE] = "SELECT epoch, last FROM handfast_topics_place",
    [MOVE] = "INSERT OR REPLACE INTO handfast_topics_place VALUES (1, ?1, ?2)",
    [SPAN] = "SELECT COUNT(*), COALESCE(MIN(number), 0), COALESCE(MAX(number), 0), " SIZE " FROM handfast_topics",
    [NEXT] = "SELECT number, topic, name, data FROM handfast_topics WHERE number > ?1 ORDER BY number LIMIT 1",
    [INSERT] = "INSERT INTO handfast_topics VALUES (?1, ?2, ?3, ?4)",
    [WEIGH] = "SELECT " SIZE " FROM handfast_topics WHERE number <= ?1",
    [PRUNE] = "DELETE FROM handfast_topics WHERE number <= ?1",
    [CLEAR] = "DELETE FROM handfast_topics",
};

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static hf_err failed(void)
{
    return hf_err_make(HF_ERR_TOPIC_SAVED);
}

static bool bind_number(sqlite3_stmt *s, int at, uint64_t number)
{
    return number <= INT64_MAX && sqlite3_bind_int64(s, at, (int64_t)number) == SQLITE_OK;
}

/* The bytes outlive the statement's run. Of no length they are still a value, and not NULL. */
static bool bind_bytes(sqlite3_stmt *s, int at, hf_bytes b)
{
    return sqlite3_bind_blob64(s, at, b.len > 0 ? (const void *)b.ptr : "", b.len, SQLITE_STATIC) == SQLITE_OK;
}

/* Runs what is bound to its end. */
static bool finish(sqlite3_stmt *s, bool bound)
{
    const int answer = bound ? sqlite3_step(s) : SQLITE_ERROR;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return answer == SQLITE_DONE;
}

static bool run(hf_sqlite_topics *t, enum statement_index which)
{
    return finish(t->statements[which], true);
}

static bool move(hf_sqlite_topics *t, uint64_t epoch, uint64_t last)
{
    sqlite3_stmt *const s = t->statements[MOVE];
    return finish(s, bind_number(s, 1, epoch) && bind_number(s, 2, last));
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* What a file says of itself. */
typedef struct story {
    bool placed;
    int64_t epoch, last, count, first, top;
} story;

/* False: it could not be read, which says nothing of what is there. SQLite has the words until the next call. */
static bool read_story(hf_sqlite_topics *t, story *is)
{
    sqlite3_stmt *const place = t->statements[PLACE], *const span = t->statements[SPAN];
    const int answer = sqlite3_step(place);
    *is = (story){ .placed = answer == SQLITE_ROW };
    if (is->placed) {
        is->epoch = sqlite3_column_int64(place, 0);
        is->last = sqlite3_column_int64(place, 1);
    }
    if ((answer != SQLITE_ROW && answer != SQLITE_DONE) || sqlite3_step(span) != SQLITE_ROW)
        return false;
    is->count = sqlite3_column_int64(span, 0);
    is->first = sqlite3_column_int64(span, 1);
    is->top = sqlite3_column_int64(span, 2);
    t->bytes = (uint64_t)sqlite3_column_int64(span, 3);
    sqlite3_reset(place);
    sqlite3_reset(span);
    return true;
}

/* Others may have written to it. */
static bool is_unbroken(const story *is)
{
    return is->epoch > 0 && is->last >= 0 && is->last < INT64_MAX &&
           (is->count == 0 || (is->first >= 1 && is->top == is->last && is->count == is->top - is->first + 1));
}

/* Takes up what the file has, or begins anew where that is no unbroken run up to its last number. */
static hf_err take_up(hf_sqlite_topics *t, uint64_t epoch, hf_why *why)
{
    story is;
    if (!read_story(t, &is))
        return hf_why_tell(why, HF_ERR_TOPIC_SAVED, hf_text(sqlite3_errmsg(t->base)), "a file of SQLite that can be read");
    if (is_unbroken(&is)) {
        t->place = (hf_kept_place){ (uint64_t)is.epoch, (uint64_t)(is.last - is.count), (uint64_t)is.last };
        return HF_OK;
    }
    t->anew = is.placed || is.count > 0;
    if (hf_sqlite_topics_restart(t, epoch, 0).code != 0)
        return hf_why_tell(why, HF_ERR_SESSION_STORE_ADDRESS, hf_text(sqlite3_errmsg(t->base)), "a file of SQLite that can be written to");
    return HF_OK;
}

hf_err hf_sqlite_topics_open(const hf_env *env, const char *file, uint64_t epoch, hf_sqlite_topics **topics, hf_why *why)
{
    hf_sqlite_topics *const t = hf_alloc_zeroed(&env->alloc, sizeof *t);
    *topics = NULL;
    if (t == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    t->alloc = env->alloc;
    t->most = env->limits->topics_saved_events;
    t->most_bytes = env->limits->topics_bytes;
    hf_err err = hf_sqlite_file_open(file, env->limits->store_ns, schema, texts, STATEMENTS, &t->base, t->statements, why);
    if (err.code == 0)
        err = take_up(t, epoch, why);
    if (err.code == 0)
        *topics = t;
    else
        hf_sqlite_topics_close(t);
    return err;
}

void hf_sqlite_topics_close(hf_sqlite_topics *t)
{
    if (t == NULL)
        return;
    hf_sqlite_file_close(t->base, t->statements, STATEMENTS);
    hf_free(&t->alloc, t, sizeof *t);
}

hf_kept_place hf_sqlite_topics_place(const hf_sqlite_topics *t)
{
    return t->place;
}

bool hf_sqlite_topics_anew(const hf_sqlite_topics *t)
{
    return t->anew;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static hf_bytes column(sqlite3_stmt *s, int at)
{
    const void *const bytes = sqlite3_column_blob(s, at);
    return hf_bytes_make(bytes, bytes != NULL ? (size_t)sqlite3_column_bytes(s, at) : 0);
}

hf_err hf_sqlite_topics_next(hf_sqlite_topics *t, uint64_t number, hf_kept_message *message, bool *found)
{
    sqlite3_stmt *const s = t->statements[NEXT];
    sqlite3_reset(s);
    const int answer = bind_number(s, 1, number) ? sqlite3_step(s) : SQLITE_ERROR;
    *found = answer == SQLITE_ROW;
    if (*found)
        *message = (hf_kept_message){ (uint64_t)sqlite3_column_int64(s, 0), column(s, 1), column(s, 2), column(s, 3) };
    else
        sqlite3_reset(s);
    return answer == SQLITE_ROW || answer == SQLITE_DONE ? HF_OK : failed();
}

/* ---- writing: within a transaction ------------------------------------------------------------------------------ */

static bool insert(hf_sqlite_topics *t, const hf_kept_message *m)
{
    sqlite3_stmt *const s = t->statements[INSERT];
    if (m->number != t->place.last + 1)
        return false;
    if (!finish(s, bind_number(s, 1, m->number) && bind_bytes(s, 2, m->topic) && bind_bytes(s, 3, m->name) && bind_bytes(s, 4, m->data)))
        return false;
    t->place.last = m->number;
    t->bytes += ROW_BYTES + m->topic.len + m->name.len + m->data.len;
    return true;
}

/* The oldest, a sixteenth at a time, so that it is not done for each message. */
static bool prune(hf_sqlite_topics *t)
{
    sqlite3_stmt *const weigh = t->statements[WEIGH], *const s = t->statements[PRUNE];
    for (;;) {
        const uint64_t count = t->place.last - t->place.before;
        if (count == 0 || (count <= t->most && t->bytes <= t->most_bytes))
            return true;
        const uint64_t over = count > t->most ? count - t->most : 0, to = t->place.before + over + (count - over) / 16 + (over == 0);
        const bool weighed = bind_number(weigh, 1, to) && sqlite3_step(weigh) == SQLITE_ROW;
        const uint64_t less = weighed ? (uint64_t)sqlite3_column_int64(weigh, 0) : 0;
        sqlite3_reset(weigh);
        if (!weighed || !finish(s, bind_number(s, 1, to)))
            return false;
        t->bytes -= less < t->bytes ? less : t->bytes;
        t->place.before = to;
    }
}

static bool append(hf_sqlite_topics *t, const hf_kept_message *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!insert(t, &all[i]))
            return false;
    return prune(t) && move(t, t->place.epoch, t->place.last) && run(t, COMMIT);
}

hf_err hf_sqlite_topics_append(hf_sqlite_topics *t, const hf_kept_message *all, size_t count)
{
    const hf_kept_place place = t->place;
    const uint64_t bytes = t->bytes;
    sqlite3_reset(t->statements[NEXT]);
    if (!run(t, BEGIN))
        return failed();
    if (append(t, all, count))
        return HF_OK;
    (void)run(t, ROLLBACK);
    t->place = place;
    t->bytes = bytes;
    return failed();
}

hf_err hf_sqlite_topics_restart(hf_sqlite_topics *t, uint64_t epoch, uint64_t last)
{
    sqlite3_reset(t->statements[NEXT]);
    if (epoch == 0 || !run(t, BEGIN))
        return failed();
    if (!run(t, CLEAR) || !move(t, epoch, last) || !run(t, COMMIT)) {
        (void)run(t, ROLLBACK);
        return failed();
    }
    t->place = (hf_kept_place){ epoch, last, last };
    t->bytes = 0;
    return HF_OK;
}
