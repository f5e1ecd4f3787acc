/* SPDX-License-Identifier: Apache-2.0
 *
 * The key process itself, and the supervisor's hand on it. key_client.c is the other end.
 */
#include "key_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "allocator.h"
#include "crypto_secret.h"
#include "key_wire.h"
#include "log.h"

enum { NOBODY = 65534, BEGIN_MS = 20000, REPORT = 8192, KEPT_MOST = 65536 };

/* ---- the key process ---------------------------------------------------------------------------------------- */

/* Reads every key while it may still read, then lets everything go that a process has. */
static bool load_keys(const hf_identities *ids, hf_crypto *crypto, hf_key **keys, hf_writer *why)
{
    bool good = true;
    for (size_t i = 0; i < ids->count; i++)
        good = (keys[i] = hf_identities_key(ids, i, crypto, why)) != NULL && good;
    return good;
}

/* Everything but standard error, the channel and the report. */
static void close_others(int channel, int report)
{
    const int low = channel < report ? channel : report, high = channel < report ? report : channel;
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (low > 3)
        close_range(3, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, ~0U, 0);
}

static bool drop_privileges(void)
{
    const struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return false;
    /* Neither a debugger nor /proc/PID/mem gets in, whoever of the same user asks. */
    return prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && hf_key_process_confine();
}

/* An answer for which its asker's channel had no room yet. */
typedef struct kept {
    struct kept *next;
    size_t size;
    uint8_t bytes[];
} kept;

typedef struct asker {
    int channel; /* -1: nobody */
    kept *first, *last;
} asker;

static asker askers[HF_KEY_ASKERS];
static size_t kept_count;

static void forget(asker *a)
{
    kept *const k = a->first;
    a->first = k->next;
    a->last = a->first == NULL ? NULL : a->last;
    kept_count--;
    hf_wipe(k->bytes, k->size);
    free(k);
}

/* False: there is no room now. What nobody will read counts as sent. */
static bool send_now(int channel, const void *bytes, size_t size)
{
    ssize_t n;
    while ((n = send(channel, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
        continue;
    return n >= 0 || errno != EAGAIN;
}

/* Never waits: a loop thread that is busy must hold up no other's handshakes. At most as many are kept as questions have places;
 * where memory ends this process does, and what it was asked is asked again. */
static void send_answer(asker *a, const void *bytes, size_t size)
{
    if (a->first == NULL && send_now(a->channel, bytes, size))
        return;
    if (kept_count == KEPT_MOST)
        return;
    kept *const k = malloc(sizeof *k + size);
    if (k == NULL)
        _exit(1);
    k->next = NULL;
    k->size = size;
    memcpy(k->bytes, bytes, size);
    if (a->last != NULL)
        a->last->next = k;
    else
        a->first = k;
    a->last = k;
    kept_count++;
}

/* Waits until somebody asks, or takes what was kept. True: somebody asks. */
static bool await_question(int channel)
{
    static struct pollfd p[HF_KEY_ASKERS + 1];
    static asker *whose[HF_KEY_ASKERS + 1];
    nfds_t count = 0;
    if (kept_count == 0)
        return true; /* receiving waits */
    p[count++] = (struct pollfd){ .fd = channel, .events = POLLIN };
    for (size_t i = 0; i < HF_KEY_ASKERS; i++)
        if (askers[i].first != NULL) {
            whose[count] = &askers[i];
            p[count++] = (struct pollfd){ .fd = askers[i].channel, .events = POLLOUT };
        }
    if (ppoll(p, count, NULL, NULL) < 0)
        return errno != EINTR;
    for (nfds_t i = 1; i < count; i++)
        while (p[i].revents != 0 && whose[i]->first != NULL && send_now(p[i].fd, whose[i]->first->bytes, whose[i]->first->size))
            forget(whose[i]);
    return p[0].revents != 0;
}

/* Decrypting is refused unless it was set: else who holds the channel could read recorded connections of old clients. */
static void answer(asker *to, const hf_identities *ids, hf_key **keys, const hf_key_question *q)
{
    const size_t count = ids->count;
    hf_key_answer a = { .id = q->id };
    size_t length = 0;
    hf_err err = hf_err_make(HF_ERR_TLS_SIGNER);
    if (q->kind == HF_KEY_SIGN && q->key < count)
        err = hf_key_sign(keys[q->key], (hf_scheme)q->scheme, hf_bytes_make(q->message, q->length), a.signature, &length);
    if (q->kind == HF_KEY_DECRYPT && q->key < count && ids->rsa_key_exchange) {
        err = hf_key_decrypt_premaster(keys[q->key], q->scheme, hf_bytes_make(q->message, q->length), a.signature);
        length = HF_PREMASTER;
    }
    a.code = err.code;
    a.length = err.code == 0 ? (uint16_t)length : 0;
    send_answer(to, &a, HF_KEY_ANSWER_HEAD + a.length);
    hf_wipe(a.signature, sizeof a.signature);
}

/* A message of the channel, and the descriptor beside it, -1 when there is none. */
static ssize_t receive(int channel, hf_key_question *q, int *beside)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec to = { q, sizeof *q };
    struct msghdr m = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    const ssize_t n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *const c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
    *beside = -1;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(beside, CMSG_DATA(c), sizeof *beside);
    return n;
}

/* Who asks from now on by this number, and was somebody else before, is answered at `channel`. */
static void join(uint32_t number, int channel)
{
    if (channel < 0)
        return;
    if (number >= HF_KEY_ASKERS) {
        close(channel);
        return;
    }
    asker *const a = &askers[number];
    if (a->channel >= 0)
        close(a->channel);
    while (a->first != NULL)
        forget(a);
    a->channel = channel;
}

/* Until nobody is there who could ask. A question of somebody who did not join is not answered: whoever sees the hello asks it again. */
static void answer_all(int channel, const hf_identities *ids, hf_key **keys)
{
    const hf_key_answer hello = { .id = HF_KEY_HELLO };
    for (size_t i = 0; i < HF_KEY_ASKERS; i++)
        askers[i] = (asker){ .channel = -1 };
    (void)!send(channel, &hello, HF_KEY_ANSWER_HEAD, MSG_NOSIGNAL);
    for (;;) {
        hf_key_question q;
        int beside;
        if (!await_question(channel))
            continue;
        const ssize_t n = receive(channel, &q, &beside);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
        const bool whole = n >= (ssize_t)HF_KEY_QUESTION_HEAD && q.length == n - (ssize_t)HF_KEY_QUESTION_HEAD;
        if (whole && q.kind == HF_KEY_JOIN)
            join(q.asker, beside);
        else if (beside >= 0)
            close(beside);
        else if (whole && q.asker < HF_KEY_ASKERS && askers[q.asker].channel >= 0)
            answer(&askers[q.asker], ids, keys, &q);
    }
}

static _Noreturn void run(hf_keeper *k, int report)
{
    static char text[REPORT];
    hf_writer why = hf_writer_make(text, sizeof text);
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    hf_key **keys = calloc(k->identities->count + 1, sizeof *keys);
    /* The terminal's Ctrl-C is the supervisor's to obey: handshakes go on until the last connection is over. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    prctl(PR_SET_NAME, "hf-keys");
    bool good = crypto != NULL && keys != NULL && load_keys(k->identities, crypto, keys, &why);
    close_others(k->keeping, report);
    if (good && !drop_privileges()) {
        hf_write_text(&why, "the key process cannot give up its privileges\n");
        good = false;
    }
    (void)!write(report, good ? "+" : "-", 1);
    (void)!write(report, text, why.length);
    close(report);
    if (!good)
        _exit(1);
    answer_all(k->keeping, k->identities, keys);
    for (size_t i = 0; i < k->identities->count; i++)
        hf_key_free(keys[i]); /* libcrypto wipes it */
    _exit(0);
}

/* ---- the supervisor ----------------------------------------------------------------------------------------- */

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What the new process says of its beginning: true when it serves. */
static bool read_report(int fd, hf_writer *why)
{
    static char text[REPORT];
    size_t n = 0;
    const int64_t until = clock_ns() + (int64_t)BEGIN_MS * 1000000;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        const int64_t left = (until - clock_ns()) / 1000000;
        if (left <= 0 || (poll(&p, 1, (int)left) <= 0 && errno != EINTR)) {
            hf_write_text(why, "the key process does not begin\n");
            return false;
        }
        const ssize_t got = read(fd, text + n, sizeof text - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || (n += (size_t)got) == sizeof text)
            break;
    }
    if (n > 0)
        hf_write(why, hf_bytes_make(text + 1, n - 1));
    else
        hf_write_text(why, "the key process died before it began\n");
    return n > 0 && text[0] == '+';
}

static bool start(hf_keeper *k, hf_writer *why)
{
    int report[2];
    const pid_t parent = getpid();
    if (pipe2(report, O_CLOEXEC) != 0) {
        hf_write_text(why, "no descriptors are left\n");
        return false;
    }
    fflush(NULL);
    k->started_ns = clock_ns();
    k->pid = fork();
    if (k->pid == 0) {
        close(report[0]);
        if (getppid() != parent)
            _exit(0);
        run(k, report[1]);
    }
    close(report[1]);
    if (k->pid < 0) {
        hf_write_text(why, "cannot start the key process: ");
        hf_write_text(why, strerror(errno));
        hf_write_text(why, "\n");
        k->pid = 0;
    }
    const bool good = k->pid > 0 && read_report(report[0], why);
    close(report[0]);
    if (!good && k->pid > 0) {
        kill(k->pid, SIGKILL);
        waitpid(k->pid, NULL, 0);
        k->pid = 0;
    }
    return good;
}

bool hf_keeper_open(hf_keeper *k, const hf_identities *ids, hf_writer *why)
{
    int pair[2];
    *k = (hf_keeper){ .identities = ids, .serving = -1, .keeping = -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        hf_write_text(why, "no descriptors are left\n");
        return false;
    }
    k->serving = pair[0];
    k->keeping = pair[1];
    if (start(k, why))
        return true;
    hf_keeper_close(k, true);
    return false;
}

bool hf_keeper_restart(hf_keeper *k)
{
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    k->quick_deaths = clock_ns() - k->started_ns > HF_SECONDS(5) ? 0 : k->quick_deaths + 1;
    if (k->quick_deaths > 2) { /* not in a tight circle */
        const struct timespec pause = { 0, 50000000L << (k->quick_deaths > 5 ? 3 : k->quick_deaths - 3) };
        nanosleep(&pause, NULL);
    }
    if (start(k, &why))
        return true;
    hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_TLS_SIGNER), "the key process cannot be started again: %.*s", HF_STR(hf_written(&why)));
    return false;
}

void hf_keeper_close(hf_keeper *k, bool now)
{
    if (k->serving >= 0)
        close(k->serving);
    if (k->keeping >= 0)
        close(k->keeping);
    k->serving = k->keeping = -1;
    if (now && k->pid > 0) {
        kill(k->pid, SIGKILL);
        waitpid(k->pid, NULL, 0);
    }
    k->pid = 0;
}
