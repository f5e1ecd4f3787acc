/* SPDX-License-Identifier: Apache-2.0
 *
 * A few connections to a Redis server, for many threads.
 */
#include "redis.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "alloc.h"
#include "guard_why.h"
#include "text.h"

/* ---- SIGPIPE --------------------------------------------------------------------------------------------------- */

/* hiredis writes without MSG_NOSIGNAL, and the program that we are part of need not ignore the signal. */
typedef struct quiet {
    sigset_t before;
    bool pending; /* somebody else's, to be kept */
} quiet;

static quiet hush(void)
{
    quiet q;
    sigset_t pipe, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    q.pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &q.before);
    return q;
}

static void unhush(const quiet *q)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (!q->pending && sigtimedwait(&pipe, NULL, &(struct timespec){ 0 }) == SIGPIPE)
        ;
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

/* ---- one connection ------------------------------------------------------------------------------------------- */

static struct timeval timeval_of(int64_t ns)
{
    return (struct timeval){ .tv_sec = ns / HF_SECONDS(1), .tv_usec = ns % HF_SECONDS(1) / 1000 };
}

static bool agrees(redisContext *c, redisReply *reply)
{
    const bool good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (reply != NULL && !good && c->err == 0) {
        c->err = REDIS_ERR_OTHER;
        hf_writer w = hf_writer_make(c->errstr, sizeof c->errstr - 1);
        for (size_t i = 0; i < reply->len && w.length < w.capacity; i++)
            hf_write_byte(&w, (uint8_t)reply->str[i]);
        c->errstr[w.length] = 0;
    }
    freeReplyObject(reply);
    return good;
}

static bool introduce(redisContext *c, const hf_redis_address *a)
{
    if (a->user[0] != 0 && !agrees(c, redisCommand(c, "AUTH %s %s", a->user, a->password)))
        return false;
    if (a->user[0] == 0 && a->password[0] != 0 && !agrees(c, redisCommand(c, "AUTH %s", a->password)))
        return false;
    return a->database == 0 || agrees(c, redisCommand(c, "SELECT %u", (unsigned)a->database));
}

hf_err hf_redis_connect(const hf_redis_address *a, int64_t connect_ns, int64_t wait_ns, struct redisContext **out, hf_why *why)
{
    const struct timeval at_most = timeval_of(connect_ns);
    *out = NULL;
    const quiet q = hush();
    redisContext *c = a->port == 0 ? redisConnectUnixWithTimeout(a->host, at_most) : redisConnectWithTimeout(a->host, a->port, at_most);
    bool good = c != NULL && c->err == 0 && redisSetTimeout(c, at_most) == REDIS_OK && introduce(c, a);
    if (good)
        good = redisSetTimeout(c, timeval_of(wait_ns)) == REDIS_OK;
    unhush(&q);
    if (good) {
        *out = c;
        return HF_OK;
    }
    const hf_err err = hf_why_tell(why, HF_ERR_SESSION_STORE, hf_text(c != NULL ? c->errstr : "no memory"), "a Redis server that answers");
    if (c != NULL)
        redisFree(c);
    return err;
}

/* ---- several -------------------------------------------------------------------------------------------------- */

enum { IDLE_MOST = 64 };
static const int64_t quiet_ns = HF_MILLISECONDS(500);

struct hf_redis {
    hf_allocator alloc;
    hf_redis_address address;
    int64_t wait_ns;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t come;
    redisContext *idle[IDLE_MOST];
    unsigned idle_count, count, most; /* count: also those that are lent */
    hf_time down_until;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * HF_SECONDS(1) + t.tv_nsec;
}

hf_redis *hf_redis_new(const hf_allocator *alloc, const hf_redis_address *address, int64_t wait_ns, unsigned most)
{
    hf_redis *r = hf_alloc_zeroed(alloc, sizeof *r);
    pthread_condattr_t monotonic;
    if (r == NULL)
        return NULL;
    r->alloc = *alloc;
    r->address = *address;
    r->wait_ns = wait_ns;
    r->most = most < 1 ? 1 : most > IDLE_MOST ? IDLE_MOST : most;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->come, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return r;
}

/* Under the lock. */
static void drop_idle(hf_redis *r)
{
    r->count -= r->idle_count;
    while (r->idle_count > 0)
        redisFree(r->idle[--r->idle_count]);
}

void hf_redis_free(hf_redis *r)
{
    if (r == NULL)
        return;
    drop_idle(r);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->come);
    const hf_allocator alloc = r->alloc;
    memset(&r->address, 0, sizeof r->address);
    hf_free(&alloc, r, sizeof *r);
}

/* A place for a connection, which the caller then makes: *c NULL. False: the time is over. */
static bool get_place(hf_redis *r, redisContext **c)
{
    const int64_t until = now_ns() + r->wait_ns;
    const struct timespec at = { .tv_sec = until / HF_SECONDS(1), .tv_nsec = until % HF_SECONDS(1) };
    *c = NULL;
    while (r->idle_count == 0 && r->count >= r->most)
        if (pthread_cond_timedwait(&r->come, &r->lock, &at) != 0)
            return false;
    if (r->idle_count > 0)
        *c = r->idle[--r->idle_count];
    else if (now_ns() < r->down_until.ns)
        return false;
    else
        r->count++;
    return true;
}

redisContext *hf_redis_borrow(hf_redis *r)
{
    redisContext *c;
    pthread_mutex_lock(&r->lock);
    const bool placed = get_place(r, &c);
    pthread_mutex_unlock(&r->lock);
    if (!placed || c != NULL)
        return c;
    if (hf_redis_connect(&r->address, r->wait_ns, r->wait_ns, &c, NULL).code == 0)
        return c;
    pthread_mutex_lock(&r->lock);
    r->count--;
    r->down_until = hf_time_make(now_ns() + quiet_ns);
    pthread_cond_broadcast(&r->come);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void hf_redis_give_back(hf_redis *r, redisContext *c)
{
    pthread_mutex_lock(&r->lock);
    if (c->err == 0) {
        r->idle[r->idle_count++] = c;
    } else {
        redisFree(c);
        r->count--;
        drop_idle(r);
    }
    pthread_cond_broadcast(&r->come);
    pthread_mutex_unlock(&r->lock);
}

/* A server that has nothing to answer says nothing, but that it is gone: known before anything is sent. */
static bool has_ended(const redisContext *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    return poll(&p, 1, 0) != 0;
}

redisReply *hf_redis_ask(hf_redis *r, int count, const char **words, const size_t *lengths)
{
    redisContext *c = hf_redis_borrow(r);
    if (c != NULL && has_ended(c)) {
        c->err = REDIS_ERR_EOF;
        hf_redis_give_back(r, c); /* with all that lie idle */
        c = hf_redis_borrow(r);
    }
    if (c == NULL)
        return NULL;
    const quiet q = hush();
    redisReply *const reply = redisCommandArgv(c, count, words, lengths);
    unhush(&q);
    hf_redis_give_back(r, c);
    return reply;
}
