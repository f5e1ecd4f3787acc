/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in Redis: a hash each, whose changes are scripts, so that every one of them happens whole or not at all. Beside
 * it a sorted set of when each ends, and a set for each subject.
 */
#include <handfast/store.h>

#include <hiredis/hiredis.h>

#include "alloc.h"
#include "guard_why.h"
#include "redis.h"
#include "text.h"

struct hf_redis_store {
    hf_allocator alloc;
    hf_redis *redis;
    uint64_t most_bytes;
};

/* KEYS[1]: the session. ARGV: its name, version, next version, created, used, until, time to live, subject, csrf, csrf_before, data */
#define WRITE                                                                                                                  \
    "redis.call('HSET', KEYS[1], 'v', ARGV[3], 'c', ARGV[4], 'u', ARGV[5], 't', ARGV[6], 's', ARGV[8], 'x', ARGV[9], 'b', ARGV[10], 'd', ARGV[11]) " \
    "redis.call('EXPIRE', KEYS[1], ARGV[7]) redis.call('ZADD', 'hf:until', ARGV[6], ARGV[1]) "                                 \
    "if ARGV[8] ~= '' then redis.call('SADD', 'hf:u:' .. ARGV[8], ARGV[1]) end return 1"

static const char insert_script[] = "if redis.call('EXISTS', KEYS[1]) == 1 then return 2 end " WRITE;
static const char update_script[] = "local old = redis.call('HMGET', KEYS[1], 'v', 's') if not old[1] then return 0 end "
                                    "if old[1] ~= ARGV[2] then return 2 end "
                                    "if old[2] ~= '' and old[2] ~= ARGV[8] then redis.call('SREM', 'hf:u:' .. old[2], ARGV[1]) end " WRITE;
static const char touch_script[] = "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end redis.call('HSET', KEYS[1], 'u', ARGV[2], 't', ARGV[3]) "
                                   "redis.call('EXPIRE', KEYS[1], ARGV[4]) redis.call('ZADD', 'hf:until', ARGV[3], ARGV[1]) return 1";
/* ARGV: names. Answers how many there were. */
#define DESTROY                                                                                                                \
    "local n = 0 for _, name in ipairs(names) do local key = 'hf:s:' .. name local who = redis.call('HGET', key, 's') "       \
    "if who and who ~= '' then redis.call('SREM', 'hf:u:' .. who, name) end "                                                 \
    "n = n + redis.call('DEL', key) redis.call('ZREM', 'hf:until', name) end "
static const char destroy_script[] = "local names = ARGV " DESTROY "return n";
static const char subject_script[] = "local names = redis.call('SMEMBERS', 'hf:u:' .. ARGV[1]) " DESTROY "redis.call('DEL', 'hf:u:' .. ARGV[1]) return n";
/* What Redis dropped itself counts too: it has ended. At most 500 at once, so that others get their turn. */
static const char collect_script[] = "local names = redis.call('ZRANGEBYSCORE', 'hf:until', '-inf', ARGV[1], 'LIMIT', 0, 500) " DESTROY "return #names";

/* ---- asking --------------------------------------------------------------------------------------------------- */

enum { WORDS_MOST = 16, NAME = 64, NUMBER = 24, AGAIN_S = 3600 };

typedef struct words {
    const char *at[WORDS_MOST];
    size_t length[WORDS_MOST];
    int count;
    char numbers[6][NUMBER];
    int number_count;
} words;

static void add(words *w, const void *ptr, size_t length)
{
    w->at[w->count] = length > 0 ? ptr : "";
    w->length[w->count++] = length;
}
static void add_text(words *w, const char *text)
{
    add(w, text, strlen(text));
}
static void add_number(words *w, int64_t n)
{
    char *const text = w->numbers[w->number_count++];
    hf_writer out = hf_writer_make(text, NUMBER);
    if (n < 0)
        hf_write_byte(&out, '-');
    hf_write_decimal(&out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
    add(w, text, out.length);
}

static const char digits[] = "0123456789abcdef";

/* "hf:s:" and the key in hexadecimal: whole, and from its sixth byte on the name. */
static void write_key(const uint8_t key[32], char out[5 + NAME])
{
    memcpy(out, "hf:s:", 5);
    for (size_t i = 0; i < 32; i++) {
        out[5 + 2 * i] = digits[key[i] >> 4];
        out[6 + 2 * i] = digits[key[i] & 15];
    }
}

static redisReply *ask_once(hf_redis_store *s, words *w)
{
    redisReply *reply = hf_redis_ask(s->redis, w->count, w->at, w->length);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) { /* read-only, loading, out of memory */
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

/* A connection may have died while it lay idle, so there is a second try. Where the first was carried out and its answer
 * lost, the second finds it done, and CONFLICT is the answer: which denies, and loses nothing. */
static redisReply *ask(hf_redis_store *s, words *w)
{
    redisReply *const reply = ask_once(s, w);
    return reply != NULL ? reply : ask_once(s, w);
}

static hf_err number_of(redisReply *reply, int64_t *n)
{
    const bool good = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    *n = good ? reply->integer : 0;
    freeReplyObject(reply);
    return good ? HF_OK : hf_err_make(HF_ERR_SESSION_STORE);
}

/* 0: is not there, 1: done, 2: is another */
static hf_err verdict(redisReply *reply)
{
    int64_t n;
    const hf_err err = number_of(reply, &n);
    if (err.code != 0)
        return err;
    return n == 1 ? HF_OK : hf_err_make(n == 0 ? HF_ERR_SESSION_UNKNOWN : HF_ERR_SESSION_CONFLICT);
}

/* ---- the contract --------------------------------------------------------------------------------------------- */

/* Redis drops what nobody used and nobody collected. Told as a length, so that clocks need not agree. */
static int64_t life_of(hf_wall used, hf_wall until)
{
    return (until.s > used.s ? until.s - used.s : 0) + AGAIN_S;
}

static hf_err write_record(hf_redis_store *s, const char *script, const hf_session_record *r, uint64_t next)
{
    char key[5 + NAME];
    words w = { .count = 0 };
    if (r->data.len > s->most_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    write_key(r->key, key);
    add_text(&w, "EVAL");
    add_text(&w, script);
    add_text(&w, "1");
    add(&w, key, sizeof key);
    add(&w, key + 5, NAME);
    add_number(&w, (int64_t)r->version);
    add_number(&w, (int64_t)next);
    add_number(&w, r->created.s);
    add_number(&w, r->used.s);
    add_number(&w, r->until.s);
    add_number(&w, life_of(r->used, r->until));
    add_text(&w, r->subject);
    add(&w, r->csrf, sizeof r->csrf);
    add(&w, r->csrf_before, r->has_before ? sizeof r->csrf_before : 0);
    add(&w, r->data.ptr, r->data.len);
    return verdict(ask(s, &w));
}

static hf_err insert(void *self, const hf_session_record *r)
{
    return write_record(self, insert_script, r, r->version);
}
static hf_err update(void *self, const hf_session_record *r)
{
    return write_record(self, update_script, r, r->version + 1);
}

static bool read_integer(const redisReply *r, int64_t *out)
{
    uint64_t n;
    const bool minus = r->type == REDIS_REPLY_STRING && r->len > 0 && r->str[0] == '-';
    if (r->type != REDIS_REPLY_STRING || !hf_parse_decimal(hf_bytes_make(r->str + minus, r->len - minus), &n) || n > INT64_MAX)
        return false;
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

/* Whoever else writes to the server must not make us read beyond what is there. */
static hf_err read_record(const redisReply *reply, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    redisReply *const *const e = reply->element;
    int64_t version;
    hf_session_record r = { .version = 0 };
    memcpy(r.key, key, 32);
    for (size_t i = 4; i < 8; i++)
        if (e[i]->type != REDIS_REPLY_STRING)
            return hf_err_make(HF_ERR_SESSION_STORE);
    if (!read_integer(e[0], &version) || !read_integer(e[1], &r.created.s) || !read_integer(e[2], &r.used.s) || !read_integer(e[3], &r.until.s) ||
        e[4]->len > HF_SUBJECT_MOST || memchr(e[4]->str, 0, e[4]->len) != NULL || e[5]->len != sizeof r.csrf ||
        (e[6]->len != 0 && e[6]->len != sizeof r.csrf_before))
        return hf_err_make(HF_ERR_SESSION_STORE);
    if (e[7]->len > room.len)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    r.version = (uint64_t)version;
    memcpy(r.subject, e[4]->str, e[4]->len);
    memcpy(r.csrf, e[5]->str, sizeof r.csrf);
    r.has_before = e[6]->len > 0;
    memcpy(r.csrf_before, e[6]->str, e[6]->len);
    if (e[7]->len > 0)
        memcpy(room.ptr, e[7]->str, e[7]->len);
    r.data = hf_bytes_make(room.ptr, e[7]->len);
    *record = r;
    return HF_OK;
}

static hf_err get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    static const char *const names[] = { "v", "c", "u", "t", "s", "x", "b", "d" };
    char name[5 + NAME];
    words w = { .count = 0 };
    hf_err err = hf_err_make(HF_ERR_SESSION_STORE);
    write_key(key, name);
    add_text(&w, "HMGET");
    add(&w, name, sizeof name);
    for (size_t i = 0; i < HF_COUNT(names); i++)
        add_text(&w, names[i]);
    redisReply *const reply = ask(self, &w);
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == HF_COUNT(names))
        err = reply->element[0]->type == REDIS_REPLY_NIL ? hf_err_make(HF_ERR_SESSION_UNKNOWN) : read_record(reply, key, record, room);
    freeReplyObject(reply);
    return err;
}

static hf_err touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    char name[5 + NAME];
    words w = { .count = 0 };
    write_key(key, name);
    add_text(&w, "EVAL");
    add_text(&w, touch_script);
    add_text(&w, "1");
    add(&w, name, sizeof name);
    add(&w, name + 5, NAME);
    add_number(&w, used.s);
    add_number(&w, until.s);
    add_number(&w, life_of(used, until));
    return verdict(ask(self, &w));
}

/* A script without keys, and one argument. */
static hf_err run(hf_redis_store *s, const char *script, const void *argument, size_t length, int64_t *n)
{
    words w = { .count = 0 };
    add_text(&w, "EVAL");
    add_text(&w, script);
    add_text(&w, "0");
    add(&w, argument, length);
    return number_of(ask(s, &w), n);
}

static hf_err destroy(void *self, const uint8_t key[32])
{
    char name[5 + NAME];
    int64_t n;
    write_key(key, name);
    return run(self, destroy_script, name + 5, NAME, &n);
}

static hf_err destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    int64_t n = 0;
    const hf_err err = subject.len > 0 ? run(self, subject_script, subject.ptr, subject.len, &n) : HF_OK;
    *count = (size_t)n;
    return err;
}

static hf_err collect(void *self, hf_wall now, size_t *count)
{
    words w = { .count = 0 };
    int64_t n = 0;
    add_number(&w, now.s);
    *count = 0;
    do {
        const hf_err err = run(self, collect_script, w.at[0], w.length[0], &n);
        if (err.code != 0)
            return err;
        *count += (size_t)n;
    } while (n == 500);
    return HF_OK;
}

/* ---- rates ---------------------------------------------------------------------------------------------------- */

/* The generic cell rate algorithm, as guard_rate.c has it, in microseconds of Redis' own clock: machines need not agree on the time. Lua
 * would write such numbers with an exponent. KEYS[1]: when the next one is due. ARGV: interval, patience. Answers how long to wait. */
static const char rate_script[] =
    "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] local due = tonumber(redis.call('GET', KEYS[1]) or now) "
    "if due < now then due = now end if due - now > tonumber(ARGV[2]) then return math.ceil((due - now - ARGV[2]) / 1000000) end "
    "due = due + ARGV[1] redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', string.format('%.0f', math.ceil((due - now) / 1000) + 1)) return 0";

static hf_err take(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s)
{
    enum { KEY = 1024 };
    const int64_t interval = (int64_t)60000000 / rules->per_minute, patience = (int64_t)(rules->burst - 1) * interval;
    char text[KEY];
    words w = { .count = 0 };
    int64_t wait = 0;
    hf_writer out = hf_writer_make(text, sizeof text);
    hf_write_text(&out, "hf:r:");
    hf_write(&out, hf_bytes_make(name.ptr, name.len < KEY / 2 ? name.len : KEY / 2));
    hf_write_byte(&out, ':');
    for (size_t i = 0; i < key.len && i < 64; i++) {
        hf_write_byte(&out, (uint8_t)digits[key.ptr[i] >> 4]);
        hf_write_byte(&out, (uint8_t)digits[key.ptr[i] & 15]);
    }
    add_text(&w, "EVAL");
    add_text(&w, rate_script);
    add_text(&w, "1");
    add(&w, text, out.length);
    add_number(&w, interval);
    add_number(&w, patience);
    const hf_err err = number_of(ask_once(self, &w), &wait); /* what was sent may have been counted, though no answer came */
    *wait_s = err.code == 0 && wait > 0 && wait < UINT32_MAX ? (uint32_t)wait : 0;
    return err.code != 0 ? err : hf_err_make(wait > 0 ? HF_ERR_GUARD_RATE : 0);
}

hf_rate_store hf_redis_store_rates(hf_redis_store *s)
{
    return (hf_rate_store){ .self = s, .take = take };
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

hf_err hf_redis_store_open(const hf_env *env, const char *url, hf_redis_store **store, hf_session_store *table, hf_why *why)
{
    hf_redis_address address;
    *store = NULL;
    const hf_err err = hf_redis_parse(url, &address, why);
    if (err.code != 0)
        return err;
    hf_redis_store *const s = hf_alloc_zeroed(&env->alloc, sizeof *s);
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *s = (hf_redis_store){ .alloc = env->alloc, .most_bytes = env->limits->session_bytes };
    s->redis = hf_redis_new(&s->alloc, &address, (int64_t)env->limits->store_ns, (unsigned)env->limits->redis_connections);
    if (s->redis == NULL) {
        hf_free(&env->alloc, s, sizeof *s);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    *store = s;
    *table = (hf_session_store){ s, insert, get, update, touch, destroy, destroy_subject, collect, true };
    return HF_OK;
}

void hf_redis_store_close(hf_redis_store *s)
{
    if (s == NULL)
        return;
    hf_redis_free(s->redis);
    const hf_allocator alloc = s->alloc;
    hf_free(&alloc, s, sizeof *s);
}

const char *hf_redis_store_library(void)
{
#define TEXT(n) #n
#define VERSION(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
    return VERSION(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
}
