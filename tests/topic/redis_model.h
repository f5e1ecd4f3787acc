/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bridge needs of a Redis server, in virtual time: it does what the bridge's two scripts do, and XREAD, INFO and
 * HGET. A plain value: a copy of it is what a server has kept when it is started again.
 */
#ifndef HF_TESTS_REDIS_MODEL_H
#define HF_TESTS_REDIS_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "topic_resp.h"

enum { MODEL_ENTRIES = 2048, MODEL_FROM = 8, MODEL_WORDS = 16 };

typedef struct model_entry {
    char epoch[20];
    uint64_t number;
    char fields[12][24]; /* names and values */
    int count;
} model_entry;

typedef struct redis_model {
    char epoch[20], run[41];
    uint64_t number, last;
    struct {
        char name[40];
        uint64_t seq;
    } from[MODEL_FROM];
    model_entry entries[MODEL_ENTRIES];
    size_t count, trimmed; /* those before are gone */
    bool refuses;          /* every command is answered by an error */
} redis_model;

/* A connection. */
typedef struct model_link {
    bool open, blocked;
    hf_queue in, out; /* as the server sees them */
    int asked;        /* COUNT of the last XREAD */
    char epoch[20];   /* blocked at the end of this stream, behind this number */
    uint64_t behind;
    hf_time until;
} model_link;

static inline void model_say(model_link *l, const char *text)
{
    assert_true(hf_queue_append(&l->out, hf_text(text)));
}

static inline void model_say_bulk(model_link *l, const char *text)
{
    char room[256];
    snprintf(room, sizeof room, "$%zu\r\n%s\r\n", strlen(text), text);
    model_say(l, room);
}

/* "12+3000" is told as 12 and blanks, 3000 bytes in all: messages are not as long as that in the model. */
static inline void model_say_field(model_link *l, const char *text)
{
    const char *const plus = strchr(text, '+');
    const size_t length = plus != NULL ? strtoull(plus + 1, NULL, 10) : 0;
    char head[32];
    if (length <= strlen(text)) {
        model_say_bulk(l, text);
        return;
    }
    snprintf(head, sizeof head, "$%zu\r\n", length);
    model_say(l, head);
    const hf_span room = hf_queue_reserve(&l->out, length + 2);
    assert_non_null(room.ptr);
    memset(room.ptr, ' ', length);
    memcpy(room.ptr, text, (size_t)(plus - text));
    memcpy(room.ptr + length, "\r\n", 2);
    hf_queue_commit(&l->out, length + 2);
}

static inline void model_add(redis_model *m, const char *epoch, uint64_t number, int count, const char *const *fields)
{
    assert_true(m->count < MODEL_ENTRIES);
    assert_true(strlen(epoch) < sizeof m->epoch);
    model_entry *const e = &m->entries[m->count++];
    *e = (model_entry){ .number = number, .count = count };
    memmove(e->epoch, epoch, strlen(epoch) + 1); /* it is the model's own */
    for (int i = 0; i < count; i++)
        snprintf(e->fields[i], sizeof e->fields[i], "%s", fields[i]);
}

/* words: EVAL script 1 key run fresh old number renew */
static inline void model_join(redis_model *m, model_link *l, char (*words)[64])
{
    const char *const run = words[4], *const fresh = words[5], *const old = words[6];
    const uint64_t number = strtoull(words[7], NULL, 10);
    const bool mine = m->epoch[0] != 0 && strcmp(m->epoch, old) == 0;
    if (m->epoch[0] == 0 || (mine && (words[8][0] == '1' || number > m->number))) {
        if (m->epoch[0] != 0) {
            const char *const fields[] = { "m", fresh };
            model_add(m, m->epoch, UINT64_C(1) << 62, 2, fields);
        }
        snprintf(m->epoch, sizeof m->epoch, "%.16s", fresh);
        snprintf(m->run, sizeof m->run, "%.40s", run);
        m->number = m->last = 0;
    } else if (strcmp(m->run, run) != 0) {
        snprintf(m->run, sizeof m->run, "%.40s", run);
        m->number += UINT64_C(1) << 32;
    }
    char last[24];
    snprintf(last, sizeof last, "%llu", (unsigned long long)m->last);
    model_say(l, "*2\r\n");
    model_say_bulk(l, m->epoch);
    model_say_bulk(l, last);
}

/* words: EVAL script 3 hash stream from epoch seq most topic event data origin */
static inline void model_publish(redis_model *m, model_link *l, char (*words)[64])
{
    const uint64_t seq = strtoull(words[7], NULL, 10);
    size_t who = 0;
    while (who < MODEL_FROM && m->from[who].name[0] != 0 && strcmp(m->from[who].name, words[5]) != 0)
        who++;
    assert_true(who < MODEL_FROM);
    if (strcmp(m->epoch, words[6]) != 0) {
        model_say(l, ":-1\r\n");
        return;
    }
    if (m->from[who].name[0] != 0 && m->from[who].seq >= seq) {
        model_say(l, ":0\r\n");
        return;
    }
    char before[24];
    snprintf(before, sizeof before, "%llu", (unsigned long long)m->last);
    const char *const fields[] = { "p", before, "o", words[12], "q", words[7], "t", words[9], "e", words[10], "d", words[11] };
    m->last = ++m->number;
    model_add(m, m->epoch, m->last, 12, fields);
    snprintf(m->from[who].name, sizeof m->from[who].name, "%.39s", words[5]);
    m->from[who].seq = seq;
    model_say(l, ":1\r\n");
}

static inline size_t model_follow(const redis_model *m, const char *epoch, uint64_t behind, size_t from)
{
    size_t i = from > m->trimmed ? from : m->trimmed;
    while (i < m->count && (strcmp(m->entries[i].epoch, epoch) != 0 || m->entries[i].number <= behind))
        i++;
    return i;
}

/* At most three at once, so that there are several replies. False: there is nothing. */
static inline bool model_read(const redis_model *m, model_link *l)
{
    size_t n = 0;
    char room[64];
    const size_t most = l->asked < 3 ? (size_t)l->asked : 3;
    for (size_t i = model_follow(m, l->epoch, l->behind, 0); i < m->count && n < most; i = model_follow(m, l->epoch, l->behind, i + 1))
        n++;
    if (n == 0)
        return false;
    model_say(l, "*1\r\n*2\r\n$1\r\nk\r\n");
    snprintf(room, sizeof room, "*%zu\r\n", n);
    model_say(l, room);
    for (size_t i = model_follow(m, l->epoch, l->behind, 0); n > 0; i = model_follow(m, l->epoch, l->behind, i + 1), n--) {
        const model_entry *const e = &m->entries[i];
        model_say(l, "*2\r\n");
        snprintf(room, sizeof room, "%llu-0", (unsigned long long)e->number);
        model_say_bulk(l, room);
        snprintf(room, sizeof room, "*%d\r\n", e->count);
        model_say(l, room);
        for (int k = 0; k < e->count; k++)
            model_say_field(l, e->fields[k]);
    }
    return true;
}

/* words: XREAD COUNT n [BLOCK ms] STREAMS key id */
static inline void model_xread(const redis_model *m, model_link *l, char (*words)[64], int count, hf_time now)
{
    snprintf(l->epoch, sizeof l->epoch, "%.16s", strrchr(words[count - 2], ':') + 1);
    l->behind = strtoull(words[count - 1], NULL, 10);
    l->asked = atoi(words[2]);
    if (model_read(m, l))
        return;
    l->blocked = count == 8;
    l->until = hf_time_after(now, HF_SECONDS(5));
    if (!l->blocked)
        model_say(l, "*-1\r\n");
}

static inline void model_do(redis_model *m, model_link *l, const char *run, char (*words)[64], int count, hf_time now)
{
    char room[128];
    if (m->refuses) {
        model_say(l, "-LOADING Redis is loading the dataset in memory\r\n");
    } else if (strcmp(words[0], "INFO") == 0) {
        snprintf(room, sizeof room, "# Server\r\nredis_mode:standalone\r\nrun_id:%.40s\r\ntcp_port:0\r\n", run);
        model_say_bulk(l, room);
    } else if (strcmp(words[0], "AUTH") == 0 || strcmp(words[0], "SELECT") == 0) {
        model_say(l, "+OK\r\n");
    } else if (strcmp(words[0], "HGET") == 0) {
        if (m->epoch[0] != 0)
            model_say_bulk(l, m->epoch);
        else
            model_say(l, "$-1\r\n");
    } else if (strcmp(words[0], "XREAD") == 0) {
        model_xread(m, l, words, count, now);
    } else {
        assert_string_equal(words[0], "EVAL");
        if (words[2][0] == '1')
            model_join(m, l, words);
        else
            model_publish(m, l, words);
    }
}

/* What there is to be done on a connection. */
static inline void model_turn(redis_model *m, model_link *l, const char *run, hf_time now)
{
    if (l->blocked && model_read(m, l))
        l->blocked = false;
    if (l->blocked && !hf_time_before(now, l->until)) {
        l->blocked = false;
        model_say(l, "*-1\r\n");
    }
    while (l->open && !l->blocked) {
        const hf_span in = hf_queue_peek(&l->in);
        hf_resp_scan scan = { .at = 0 };
        if (hf_resp_look(&scan, hf_bytes_make(in.ptr, in.len), 1 << 20) != HF_RESP_WHOLE)
            return;
        hf_bytes rest = hf_bytes_make(in.ptr, scan.at);
        char words[MODEL_WORDS][64];
        const int count = (int)hf_resp_next(&rest).number;
        assert_true(count > 0 && count <= MODEL_WORDS);
        for (int i = 0; i < count; i++) {
            const hf_bytes word = hf_resp_next(&rest).text;
            snprintf(words[i], sizeof words[i], "%.*s", (int)(word.len < 63 ? word.len : 63), (const char *)word.ptr);
        }
        hf_queue_take(&l->in, scan.at);
        model_do(m, l, run, words, count, now);
    }
}

#endif
