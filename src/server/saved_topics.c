/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of what was published, and a thread that writes all of it in one transaction, tells it, and looks again.
 */
#include "saved_topics.h"

#include <handfast/store.h>

#include <sys/random.h>
#include <time.h>

#include "alloc.h"
#include "allocator.h"
#include "guard_why.h"
#include "log.h"
#include "thread.h"
#include "topic_list.h"

/* Written in one transaction. */
enum { BATCH = 256 };

struct hf_saved_topics {
    hf_topics *topics;
    hf_topics_upstream upstream;
    hf_limits limits;
    hf_sqlite_topics *file; /* the thread's, like the next three */
    const char *name;
    hf_topic_position at;   /* of the last message that was told */
    bool failing;           /* what is told is not saved, and its epoch never is */
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t bell;
    hf_topic_list published;
    bool stopping;
};

/* ---- what is published: any thread -------------------------------------------------------------------------------- */

static hf_err refuse(void *self, const hf_topic_message *m)
{
    (void)self, (void)m;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

/* The server ends: a number that is told and not saved would be given twice. */
static const hf_topics_upstream nobody = { NULL, refuse };

static hf_err take_on(hf_saved_topics *s, const hf_topic_message *m)
{
    const uint64_t waiting = s->published.bytes;
    if (waiting > 0 && waiting + hf_topic_message_size(m) > s->limits.topics_waiting_bytes) /* one alone always fits */
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_err err = hf_topic_list_add(&s->published, m);
    if (err.code == 0)
        pthread_cond_signal(&s->bell);
    return err;
}

static hf_err publish(void *self, const hf_topic_message *m)
{
    hf_saved_topics *const s = self;
    pthread_mutex_lock(&s->lock);
    const hf_err err = take_on(s, m);
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------- */

static bool is_stopping(hf_saved_topics *s)
{
    pthread_mutex_lock(&s->lock);
    const bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

/* A thread that serves is behind: it is waited for, since nobody may miss anything. */
static void tell(hf_saved_topics *s, const hf_topic_message *m)
{
    hf_err err;
    while ((err = hf_topics_insert(s->topics, m)).code == HF_ERR_BASE_LIMIT && !is_stopping(s))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    if (err.code != 0)
        hf_topics_move(s->topics, m->at); /* no memory: that something is missing is told */
}

static uint64_t new_epoch(void)
{
    uint64_t epoch = 0;
    (void)!getrandom(&epoch, sizeof epoch, 0); /* of 8 bytes all or none come, and none only before the system has begun */
    return epoch >> 16 | 1;
}

/* The file cannot be written: the numbers of its epoch end with what is saved, and what is told goes on in one that never is. */
static void go_on_unsaved(hf_saved_topics *s)
{
    s->failing = true;
    s->at = (hf_topic_position){ new_epoch(), 0 };
    hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_TOPIC_SAVED), "topics: nothing can be written to %s: they go on unsaved, behind a gap", s->name);
    hf_topics_move(s->topics, s->at);
}

static void try_again(hf_saved_topics *s)
{
    const uint64_t epoch = new_epoch();
    if (hf_sqlite_topics_restart(s->file, epoch, 0).code != 0)
        return;
    s->failing = false;
    s->at = (hf_topic_position){ epoch, 0 };
    hf_log(HF_LOG_INFO, HF_OK, "topics are saved in %s again, behind a gap", s->name);
    hf_topics_move(s->topics, s->at);
}

static void number(hf_saved_topics *s, hf_topic_message *const *all, size_t count, hf_kept_message *kept)
{
    for (size_t i = 0; i < count; i++) {
        hf_topic_message_place(all[i], (hf_topic_position){ s->at.epoch, s->at.number + 1 + i });
        kept[i] = (hf_kept_message){ all[i]->at.number, all[i]->topic, all[i]->name, all[i]->data };
    }
}

static void deal_with(hf_saved_topics *s, hf_topic_message *const *all, size_t count)
{
    hf_kept_message kept[BATCH];
    if (s->failing)
        try_again(s);
    number(s, all, count, kept);
    if (!s->failing && hf_sqlite_topics_append(s->file, kept, count).code != 0) {
        go_on_unsaved(s);
        number(s, all, count, kept);
    }
    s->at.number += count;
    for (size_t i = 0; i < count; i++) {
        tell(s, all[i]);
        hf_topic_message_drop(all[i]);
    }
}

/* Waits for what is published. Nothing: the server ends. */
static hf_topic_list take_in(hf_saved_topics *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->published.count == 0 && !s->stopping)
        pthread_cond_wait(&s->bell, &s->lock);
    const hf_topic_list all = hf_topic_list_take(&s->published);
    pthread_mutex_unlock(&s->lock);
    return all;
}

static void *run(void *argument)
{
    hf_saved_topics *const s = argument;
    for (;;) {
        hf_topic_list all = take_in(s);
        if (all.count == 0)
            return NULL;
        for (size_t i = 0; i < all.count; i += BATCH)
            deal_with(s, all.at + i, all.count - i < BATCH ? all.count - i : BATCH);
        hf_topic_list_free(&all);
    }
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void free_all(hf_saved_topics *s)
{
    hf_sqlite_topics_close(s->file);
    pthread_cond_destroy(&s->bell);
    pthread_mutex_destroy(&s->lock);
    hf_free(hf_allocator_default(), s, sizeof *s);
}

/* What threads have not dealt with is bounded, and they do not run yet. A message that is none (somebody wrote to the file) is a gap
 * for all that came before it. */
static hf_err recall(hf_saved_topics *s)
{
    const hf_kept_place place = hf_sqlite_topics_place(s->file);
    const uint64_t most = s->limits.messages / 2;
    hf_topic_position at = { place.epoch, place.last - place.before > most ? place.last - most : place.before };
    hf_kept_message kept;
    hf_err err = HF_OK;
    bool found = true;
    hf_topics_move(s->topics, at);
    while (found && err.code == 0) {
        hf_topic_message *m = NULL;
        err = hf_sqlite_topics_next(s->file, at.number, &kept, &found);
        if (err.code != 0 || !found)
            break;
        at.number = kept.number;
        const hf_err fits = hf_topic_message_new(hf_allocator_default(), &s->limits, at, kept.topic, kept.name, kept.data, &m);
        if (fits.code != 0 || hf_topics_recall(s->topics, m).code != 0)
            hf_topics_move(s->topics, at);
        hf_topic_message_drop(m);
    }
    s->at = at;
    return err;
}

static hf_err begin(hf_saved_topics *s, const char *file, hf_writer *words)
{
    hf_why why = { .err = HF_OK };
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = &s->limits };
    hf_err err = hf_sqlite_topics_open(&env, file, new_epoch(), &s->file, &why);
    if (err.code == 0)
        err = recall(s);
    if (err.code == 0)
        return hf_thread_start(&s->thread, run, s) == 0 ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
    hf_write_text(words, "topics cannot be saved in ");
    hf_write_text(words, file);
    hf_write_text(words, ": ");
    hf_write_text(words, why.err.code != 0 ? why.got : hf_err_text(err));
    hf_write_text(words, "\n");
    return err;
}

hf_saved_topics *hf_saved_topics_open(hf_topics *t, const hf_limits *limits, const char *file, hf_err *err, hf_writer *why)
{
    hf_saved_topics *const s = hf_alloc_zeroed(hf_allocator_default(), sizeof *s);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (s == NULL)
        return NULL;
    s->topics = t;
    s->name = file;
    s->limits = *limits;
    s->upstream = (hf_topics_upstream){ s, publish };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->bell, NULL);
    *err = begin(s, file, why);
    if (err->code != 0) {
        free_all(s);
        return NULL;
    }
    hf_topics_lead(t, &s->upstream);
    const hf_kept_place place = hf_sqlite_topics_place(s->file);
    if (hf_sqlite_topics_anew(s->file))
        hf_log(HF_LOG_WARNING, HF_OK, "topics: what was in %s is no unbroken run of messages (who else writes to it?): it begins anew, behind a gap", file);
    hf_log(HF_LOG_INFO, HF_OK, "topics are saved in %s, which has %llu messages", file, (unsigned long long)(place.last - place.before));
    return s;
}

void hf_saved_topics_close(hf_saved_topics *s)
{
    if (s == NULL)
        return;
    hf_topics_lead(s->topics, &nobody);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->bell);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    free_all(s);
}
