/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving process's end: loop threads put questions into places and go on; one thread carries what could not be sent at
 * once, asks again when a key process begins, and wakes who asked.
 */
#include "key_process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "key_wire.h"

#define NONE UINT32_MAX

typedef enum state { FREE, WAITING, ASKED, DONE } state; /* WAITING: the socket was full, or the process is new */

typedef struct place {
    uint32_t next; /* of the free ones, or of a thread's answers */
    uint32_t thread;
    state state;
    uint16_t length;   /* of the signature */
    int32_t code;
    hf_key_question question;
    uint8_t signature[HF_SIGNATURE_MOST];
} place;

typedef struct asker {
    hf_key_waker waker;
    uint32_t first, last; /* its answers, in order */
    _Atomic uint32_t ready; /* how many: looked at without the lock */
} asker;

struct hf_key_client {
    int fd, poke;
    pthread_t carrier;
    pthread_mutex_t waking; /* of the askers' wakers: loop threads take it only when they come and go */
    pthread_mutex_t lock; /* of what follows; held for a few instructions, never over a system call */
    uint64_t serial;      /* random to begin with: an answer to a former serving process must not look like ours */
    uint32_t free, most;
    _Atomic uint32_t touched; /* places from here on were never used: looked at without the lock */
    _Atomic uint32_t waiting; /* how many are WAITING: looked at without the lock */
    bool broken, ending;
    uint32_t threads, attached;
    asker *askers;
    place *places;
};

static void poke(const hf_key_client *c)
{
    const uint64_t one = 1;
    (void)!write(c->poke, &one, sizeof one);
}

/* ---- with the lock held ------------------------------------------------------------------------------------- */

static uint32_t get_place(hf_key_client *c)
{
    const uint32_t i = c->free;
    if (i != NONE)
        c->free = c->places[i].next;
    else if (c->touched < c->most)
        return c->touched++;
    return i;
}

static void finish(hf_key_client *c, uint32_t i, int32_t code)
{
    place *const p = &c->places[i];
    asker *const a = &c->askers[p->thread];
    c->waiting -= p->state == WAITING;
    p->state = DONE;
    p->code = code;
    p->next = NONE;
    if (a->last != NONE)
        c->places[a->last].next = i;
    else
        a->first = i;
    a->last = i;
    atomic_fetch_add_explicit(&a->ready, 1, memory_order_release);
}

/* ---- loop threads ------------------------------------------------------------------------------------------- */

uint32_t hf_key_client_attach(hf_key_client *c, hf_key_waker waker)
{
    pthread_mutex_lock(&c->lock);
    const uint32_t number = c->attached < c->threads ? c->attached++ : NONE;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&c->waking);
    if (number != NONE)
        c->askers[number].waker = waker;
    pthread_mutex_unlock(&c->waking);
    return number;
}

void hf_key_client_detach(hf_key_client *c, uint32_t thread)
{
    pthread_mutex_lock(&c->waking);
    c->askers[thread].waker = (hf_key_waker){ 0 };
    pthread_mutex_unlock(&c->waking);
}

static uint32_t ask(hf_key_client *c, uint32_t thread, size_t key, hf_key_question_kind kind, uint16_t scheme, hf_bytes message)
{
    hf_key_question q = { .key = (uint32_t)key, .kind = (uint16_t)kind, .scheme = scheme, .length = (uint16_t)message.len };
    if (message.len > sizeof q.message)
        return NONE;
    memcpy(q.message, message.ptr, message.len);
    pthread_mutex_lock(&c->lock);
    const uint32_t i = c->broken ? NONE : get_place(c);
    if (i != NONE) {
        place *const p = &c->places[i];
        do
            c->serial++;
        while ((c->serial << 16 | (i & 0xffff)) == HF_KEY_HELLO);
        q.id = c->serial << 16 | i;
        p->state = ASKED;
        p->thread = thread;
        p->question = q;
    }
    pthread_mutex_unlock(&c->lock);
    if (i == NONE || send(c->fd, &q, HF_KEY_QUESTION_HEAD + q.length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return i;
    pthread_mutex_lock(&c->lock);
    if (c->places[i].state == ASKED && c->places[i].question.id == q.id) {
        c->places[i].state = WAITING;
        c->waiting++;
    }
    pthread_mutex_unlock(&c->lock);
    poke(c);
    return i;
}

uint32_t hf_key_client_ask(hf_key_client *c, uint32_t thread, size_t key, hf_scheme scheme, hf_bytes message)
{
    return ask(c, thread, key, HF_KEY_SIGN, (uint16_t)scheme, message);
}

uint32_t hf_key_client_ask_premaster(hf_key_client *c, uint32_t thread, size_t key, uint16_t version, hf_bytes encrypted)
{
    return ask(c, thread, key, HF_KEY_DECRYPT, version, encrypted);
}

bool hf_key_client_take(hf_key_client *c, uint32_t thread, uint32_t *at, hf_err *err, uint8_t *signature, size_t *length)
{
    asker *const a = &c->askers[thread];
    if (atomic_load_explicit(&a->ready, memory_order_acquire) == 0)
        return false;
    pthread_mutex_lock(&c->lock);
    place *const p = &c->places[a->first];
    *at = a->first;
    *err = hf_err_make(p->code);
    *length = p->length;
    memcpy(signature, p->signature, p->length);
    a->first = p->next;
    a->last = a->first == NONE ? NONE : a->last;
    atomic_fetch_sub_explicit(&a->ready, 1, memory_order_relaxed);
    p->state = FREE;
    p->next = c->free;
    c->free = *at;
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* ---- the carrier -------------------------------------------------------------------------------------------- */

static void wake(hf_key_client *c, uint32_t thread)
{
    pthread_mutex_lock(&c->waking);
    const hf_key_waker waker = c->askers[thread].waker;
    if (waker.wake != NULL)
        waker.wake(waker.self);
    pthread_mutex_unlock(&c->waking);
}

/* A key process begins: whatever its forerunner may have read is asked again. */
static void ask_all_again(hf_key_client *c)
{
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->touched; i++)
        if (c->places[i].state == ASKED) {
            c->places[i].state = WAITING;
            c->waiting++;
        }
    pthread_mutex_unlock(&c->lock);
}

static void take_answer(hf_key_client *c, const hf_key_answer *a, size_t size)
{
    const uint32_t i = (uint32_t)(a->id & 0xffff);
    uint32_t thread = NONE;
    pthread_mutex_lock(&c->lock);
    if (i < c->touched && size == HF_KEY_ANSWER_HEAD + a->length) {
        place *const p = &c->places[i];
        if ((p->state == ASKED || p->state == WAITING) && p->question.id == a->id) {
            p->length = a->length;
            memcpy(p->signature, a->signature, a->length);
            finish(c, i, a->code);
            thread = p->thread;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (thread != NONE)
        wake(c, thread);
}

/* False: nobody is at the other end, nor will be. */
static bool receive_all(hf_key_client *c)
{
    hf_key_answer a;
    for (;;) {
        const ssize_t n = recv(c->fd, &a, sizeof a, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        if (n < (ssize_t)HF_KEY_ANSWER_HEAD)
            continue;
        if (a.id == HF_KEY_HELLO)
            ask_all_again(c);
        else
            take_answer(c, &a, (size_t)n);
    }
}

static void send_waiting(hf_key_client *c)
{
    for (uint32_t i = 0; c->waiting > 0 && i < c->touched; i++) {
        hf_key_question q;
        pthread_mutex_lock(&c->lock);
        const bool due = c->places[i].state == WAITING;
        if (due) {
            q = c->places[i].question;
            c->places[i].state = ASKED; /* before it is sent: its answer may come at once */
            c->waiting--;
        }
        pthread_mutex_unlock(&c->lock);
        if (!due || send(c->fd, &q, HF_KEY_QUESTION_HEAD + q.length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            continue;
        pthread_mutex_lock(&c->lock);
        if (c->places[i].state == ASKED && c->places[i].question.id == q.id) {
            c->places[i].state = WAITING;
            c->waiting++;
        }
        pthread_mutex_unlock(&c->lock);
        return;
    }
}

static void fail_all(hf_key_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->broken = true;
    for (uint32_t i = 0; i < c->touched; i++)
        if (c->places[i].state == ASKED || c->places[i].state == WAITING) {
            c->places[i].length = 0;
            finish(c, i, HF_ERR_TLS_SIGNER);
        }
    pthread_mutex_unlock(&c->lock);
    for (uint32_t i = 0; i < c->threads; i++)
        wake(c, i);
}

static void *carry(void *argument)
{
    hf_key_client *c = argument;
    for (;;) {
        pthread_mutex_lock(&c->lock);
        const bool ending = c->ending;
        pthread_mutex_unlock(&c->lock);
        if (ending)
            return NULL;
        const short wanted = (short)(POLLIN | (c->waiting > 0 ? POLLOUT : 0));
        struct pollfd p[] = { { .fd = c->fd, .events = wanted }, { .fd = c->poke, .events = POLLIN } };
        uint64_t count;
        if (poll(p, HF_COUNT(p), -1) < 0)
            continue;
        if (p[1].revents != 0)
            (void)!read(c->poke, &count, sizeof count);
        if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive_all(c)) {
            fail_all(c);
            return NULL;
        }
        send_waiting(c);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static bool start(hf_key_client *c)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* comes from the thread itself, when it is confined and asks for too much */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&c->carrier, NULL, carry, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static void discard(hf_key_client *c)
{
    pthread_mutex_destroy(&c->waking);
    pthread_mutex_destroy(&c->lock);
    close(c->fd);
    if (c->poke >= 0)
        close(c->poke);
    free(c->askers);
    free(c->places);
    free(c);
}

hf_key_client *hf_key_client_new(int fd, uint32_t threads, uint32_t most)
{
    hf_key_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    *c = (hf_key_client){ .fd = fd, .poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .free = NONE, .most = most < 0xffff ? most : 0xffff,
        .threads = threads, .askers = calloc(threads, sizeof *c->askers), .places = calloc(most, sizeof *c->places) };
    pthread_mutex_init(&c->waking, NULL);
    pthread_mutex_init(&c->lock, NULL);
    for (uint32_t i = 0; c->askers != NULL && i < threads; i++)
        c->askers[i].first = c->askers[i].last = NONE;
    const bool seeded = getrandom(&c->serial, sizeof c->serial, 0) == sizeof c->serial;
    c->serial >>= 17;
    if (c->poke >= 0 && c->askers != NULL && c->places != NULL && seeded && start(c))
        return c;
    discard(c);
    return NULL;
}

void hf_key_client_free(hf_key_client *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_mutex_unlock(&c->lock);
    poke(c);
    pthread_join(c->carrier, NULL);
    discard(c);
}
