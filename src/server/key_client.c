/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving process's end: loop threads put questions into places and go on, and each reads its answers at a channel of its
 * own, so that a signature costs no third thread's turn. One thread sends what could not be sent at once, and, when a key
 * process begins, tells it who asks and asks again.
 */
#include "key_process.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto_secret.h"
#include "key_wire.h"
#include "thread.h"

#define NONE UINT32_MAX

typedef enum state { FREE, WAITING, ASKED, DONE } state; /* WAITING: the socket was full, or the process is new */

typedef struct place {
    uint32_t next; /* of the free ones, or of a thread's answers */
    uint32_t thread;
    state state;
    uint16_t length;   /* of the signature */
    int32_t code;
    hf_key_question question;
} place;

typedef struct asker {
    hf_key_waker waker;
    int mine, theirs;       /* the channel of its answers; `theirs` is given to each key process */
    uint32_t first, last;   /* of its questions those that nobody will answer */
    _Atomic uint32_t ready; /* how many: looked at without the lock */
    uint32_t asked;         /* by its thread alone: questions without an answer */
    bool readable;          /* likewise */
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
    uint32_t threads;
    _Atomic uint32_t attached;
    uint32_t joined; /* by the carrier alone: of those attached, how many the key process knows */
    bool ask_again;  /* likewise: when it knows all */
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

static void give_back(hf_key_client *c, uint32_t i)
{
    place *const p = &c->places[i];
    c->waiting -= p->state == WAITING;
    p->state = FREE;
    p->next = c->free;
    c->free = i;
}

/* ---- joining ------------------------------------------------------------------------------------------------ */

/* Tells the key process where answers to `thread` go. False: the channel is full. */
static bool send_join(const hf_key_client *c, uint32_t thread)
{
    hf_key_question q = { .id = HF_KEY_HELLO, .kind = HF_KEY_JOIN, .asker = thread };
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
    struct iovec from = { &q, HF_KEY_QUESTION_HEAD };
    const struct msghdr m = { .msg_iov = &from, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    memcpy(CMSG_DATA(&control.head), &c->askers[thread].theirs, sizeof(int));
    return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* ---- loop threads ------------------------------------------------------------------------------------------- */

uint32_t hf_key_client_attach(hf_key_client *c, hf_key_waker waker)
{
    uint32_t number = NONE;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return NONE;
    pthread_mutex_lock(&c->waking);
    if (c->attached < c->threads) {
        asker *const a = &c->askers[c->attached];
        a->waker = waker;
        a->mine = pair[0];
        a->theirs = pair[1];
        if (send_join(c, c->attached))
            number = c->attached++;
    }
    pthread_mutex_unlock(&c->waking);
    if (number == NONE) {
        close(pair[0]);
        close(pair[1]);
    }
    return number;
}

void hf_key_client_detach(hf_key_client *c, uint32_t thread)
{
    pthread_mutex_lock(&c->waking);
    c->askers[thread].waker = (hf_key_waker){ 0 };
    shutdown(c->askers[thread].mine, SHUT_RDWR); /* a key process need not keep answers for it */
    pthread_mutex_unlock(&c->waking);
}

int hf_key_client_descriptor(const hf_key_client *c, uint32_t thread)
{
    return c->askers[thread].mine;
}

void hf_key_client_notify(hf_key_client *c, uint32_t thread)
{
    c->askers[thread].readable = true;
}

bool hf_key_client_asks(const hf_key_client *c, uint32_t thread)
{
    return c->askers[thread].asked > 0;
}

static uint32_t ask(hf_key_client *c, uint32_t thread, size_t key, hf_key_question_kind kind, uint16_t scheme, hf_bytes message)
{
    hf_key_question q = { .key = (uint32_t)key, .asker = thread, .kind = (uint16_t)kind, .scheme = scheme, .length = (uint16_t)message.len };
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
    c->askers[thread].asked += i != NONE;
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

/* An answer's place is free again, unless it is no answer to what is asked now. */
static bool settle(hf_key_client *c, uint32_t thread, const hf_key_answer *got, size_t size)
{
    const uint32_t i = (uint32_t)(got->id & 0xffff);
    pthread_mutex_lock(&c->lock);
    place *const p = &c->places[i];
    const bool good = size >= HF_KEY_ANSWER_HEAD && i < c->touched && size == HF_KEY_ANSWER_HEAD + got->length && p->thread == thread &&
                      (p->state == ASKED || p->state == WAITING) && p->question.id == got->id;
    if (good)
        give_back(c, i);
    pthread_mutex_unlock(&c->lock);
    return good;
}

/* Of those that nobody will answer. */
static bool take_failed(hf_key_client *c, asker *a, uint32_t *at, hf_err *err, size_t *length)
{
    if (atomic_load_explicit(&a->ready, memory_order_acquire) == 0)
        return false;
    pthread_mutex_lock(&c->lock);
    *at = a->first;
    *err = hf_err_make(c->places[*at].code);
    *length = 0;
    a->first = c->places[*at].next;
    a->last = a->first == NONE ? NONE : a->last;
    atomic_fetch_sub_explicit(&a->ready, 1, memory_order_relaxed);
    give_back(c, *at);
    pthread_mutex_unlock(&c->lock);
    a->asked--;
    return true;
}

bool hf_key_client_take(hf_key_client *c, uint32_t thread, uint32_t *at, hf_err *err, uint8_t *signature, size_t *length)
{
    asker *const a = &c->askers[thread];
    if (take_failed(c, a, at, err, length))
        return true;
    while (a->readable) {
        hf_key_answer got;
        const ssize_t n = recv(a->mine, &got, sizeof got, MSG_DONTWAIT);
        const bool mine = n > 0 && settle(c, thread, &got, (size_t)n);
        a->asked -= mine;
        a->readable = n > 0 && a->asked > 0; /* if there is more, it is told again */
        if (mine) {
            *at = (uint32_t)(got.id & 0xffff);
            *err = hf_err_make(got.code);
            *length = got.length;
            memcpy(signature, got.signature, got.length);
        }
        if (n > (ssize_t)HF_KEY_ANSWER_HEAD) /* it may be a premaster secret, whether it is waited for or not */
            hf_wipe(got.signature, (size_t)n - HF_KEY_ANSWER_HEAD);
        if (mine)
            return true;
    }
    return false;
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

/* What a key process says itself. False: nobody is at the other end, nor will be. */
static bool receive_all(hf_key_client *c)
{
    hf_key_answer a;
    for (;;) {
        const ssize_t n = recv(c->fd, &a, sizeof a, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        if (n >= (ssize_t)HF_KEY_ANSWER_HEAD && a.id == HF_KEY_HELLO) {
            c->joined = 0;
            c->ask_again = true;
        }
    }
}

/* Who asks comes before what is asked again. False: the channel is full. */
static bool introduce(hf_key_client *c)
{
    bool good = true;
    if (!c->ask_again)
        return true;
    pthread_mutex_lock(&c->waking);
    while (good && c->joined < c->attached) {
        good = send_join(c, c->joined);
        c->joined += good;
    }
    pthread_mutex_unlock(&c->waking);
    if (!good)
        return false;
    ask_all_again(c);
    c->ask_again = false;
    return true;
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
        const short wanted = (short)(POLLIN | (c->waiting > 0 || c->ask_again ? POLLOUT : 0));
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
        if (introduce(c))
            send_waiting(c);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void discard(hf_key_client *c)
{
    pthread_mutex_destroy(&c->waking);
    pthread_mutex_destroy(&c->lock);
    for (uint32_t i = 0; i < c->attached; i++) {
        close(c->askers[i].mine);
        close(c->askers[i].theirs);
    }
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
        .threads = threads < HF_KEY_ASKERS ? threads : HF_KEY_ASKERS, .askers = calloc(threads, sizeof *c->askers), .places = calloc(most, sizeof *c->places) };
    pthread_mutex_init(&c->waking, NULL);
    pthread_mutex_init(&c->lock, NULL);
    for (uint32_t i = 0; c->askers != NULL && i < threads; i++)
        c->askers[i].first = c->askers[i].last = NONE;
    const bool seeded = getrandom(&c->serial, sizeof c->serial, 0) == sizeof c->serial;
    c->serial >>= 17;
    if (c->poke >= 0 && c->askers != NULL && c->places != NULL && seeded && hf_thread_start(&c->carrier, carry, c) == 0)
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
