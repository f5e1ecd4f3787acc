/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel TCP socket as a pier. Edge-triggered: readiness is remembered here until a call comes up short.
 *
 * Output leaves at once in put; only what the kernel does not take stays, with copied bytes in a queue and lent bytes
 * and file ranges as references. Input is described at HF_SHARED_BYTES.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "epoll.h"
#include "file.h"
#include "panic.h"

enum {
    IOVECS = 64,
    TOKENS = 2, /* without an allocation; an idle connection pays for them */
    SEND_CHUNK = 1 << 20,      /* of a file, per system call */
    SEND_TURN = 4 << 20,       /* of files, per turn: then others have theirs */
    READ_WORTH = 16384,        /* bytes: a call for less is not worth it */
    SOON_MOST = 3,             /* so often a near peer is looked at soon, then it is a slow reader */
    LOOKS_MOST = 7,            /* 5 ms, 10, 20, 40, and each 80 ms from then on */
    WIDE_AFTER = 1 << 20,      /* of what did not leave at once, that the peer then took */
};

/* Of an acknowledgement no event tells. Who waits for one looks again after this, all together: at once would be for ever. */
#define LOOK_AGAIN_NS HF_MILLISECONDS(5)
#define LOOK_SOON_NS HF_MILLISECONDS(1)

typedef enum listed_in { IN_NONE, IN_AGAIN, IN_LATER } listed_in; /* home->again, home->later */

/* What the kernel would not take. */
typedef struct backlog {
    hf_extent *pieces; /* COPIED pieces have no bytes.ptr: theirs are the front of `copied`, in order */
    size_t first, count, capacity;
    hf_queue copied;
    uint64_t unsent;
    uint64_t gone; /* since it was made */
} backlog;

struct hf_socket {
    hf_watch watch; /* first */
    hf_socket_home *home;
    hf_socket *next; /* in its list */
    bool readable, writable; /* as far as we know: cleared by a short call */
    bool watches_output;     /* EPOLLOUT is asked for */
    bool fin_received;
    bool fin_told : 1, fin_wanted : 1, fin_sent : 1;
    bool connecting : 1;
    bool wide : 1;           /* the peer has shown that it takes what it is sent */
    bool hung_up : 1;        /* epoll said that a FIN or error waits behind the data */
    bool reset_wanted : 1;
    bool dozing : 1;         /* not watched: hf_home_ops.doze */
    bool peer_reset : 1;
    bool last : 1;           /* what is put now has FIN behind it, and waits for that in the kernel */
    bool was_blocked : 1; /* put refused or kept something: owe a WRITABLE */
    bool failure_told : 1;
    bool lends_pages : 1; /* the kernel may hold pages of a file that can change */
    uint8_t token_count;
    uint8_t listed; /* listed_in */
    uint8_t looks : 3; /* in vain, whether lent pages are home; at most LOOKS_MOST */
    hf_err failed; /* HF_OK while alive */
    uint32_t shared_at, shared_end; /* unread part of home->shared while we are the borrower */
    uint32_t behind_pages; /* bytes that were copied to the kernel behind the last such page */
    /* Most sockets have none of these, an idle one never: they are made when they are needed. */
    hf_queue *kept;                 /* unread bytes taken home */
    backlog *out;
    hf_queue *more_tokens;
    uint64_t tokens[TOKENS];
    _Alignas(8) uint8_t more[]; /* home->ops->more_bytes */
};

static hf_err error_of(int e)
{
    switch (e) {
    case ECONNREFUSED: return hf_err_make(HF_ERR_IO_REFUSED);
    case ETIMEDOUT: return hf_err_make(HF_ERR_IO_TIMEOUT);
    case ECONNRESET:
    case EPIPE: return hf_err_make(HF_ERR_IO_RESET);
    case ENOMEM:
    case ENOBUFS: return hf_err_make(HF_ERR_BASE_MEMORY);
    default: return hf_err_make(HF_ERR_IO_SYSTEM);
    }
}

static void fail(hf_socket *s, int32_t code)
{
    if (s->failed.code == 0)
        s->failed = hf_err_make(code);
}

/* What a system call on the socket answered. */
static void fail_by(hf_socket *s, int error)
{
    s->peer_reset = s->peer_reset || error == ECONNRESET || error == EPIPE;
    fail(s, error_of(error).code);
}

static void watch_output(hf_socket *s, bool on)
{
    if (s->watches_output == on)
        return;
    if (!s->home->ops->watch_output(s->home, &s->watch, on))
        fail(s, HF_ERR_IO_SYSTEM);
    s->watches_output = on;
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static hf_socket_list *list_of(hf_socket *s)
{
    return s->listed == IN_AGAIN ? &s->home->again : &s->home->later;
}

/* At the end: first come, first served, else the newest would starve the oldest. */
static void list_add(hf_socket *s, listed_in in)
{
    s->listed = (uint8_t)in;
    s->next = NULL;
    hf_socket_list *const list = list_of(s);
    if (list->first != NULL)
        list->last->next = s;
    else
        list->first = s;
    list->last = s;
}

static void list_leave(hf_socket *s)
{
    hf_socket_list *const list = list_of(s);
    hf_socket *before = NULL;
    if (s->listed == IN_NONE)
        return;
    for (hf_socket *at = list->first; at != s; at = at->next)
        before = at;
    if (before != NULL)
        before->next = s->next;
    else
        list->first = s->next;
    if (list->last == s)
        list->last = before;
    s->listed = IN_NONE;
    if (s->home->later.first == NULL)
        s->home->look_at = HF_NEVER;
}

/* READY at the next wait. */
static void come_again(hf_socket *s)
{
    if (s->listed == IN_AGAIN)
        return;
    list_leave(s);
    list_add(s, IN_AGAIN);
}

/* READY after a while, unless it is so sooner. */
static void come_later(hf_socket *s, int64_t ns)
{
    hf_socket_home *home = s->home;
    if (s->listed != IN_NONE)
        return;
    const hf_time at = hf_time_after(home->now, ns);
    home->look_at = home->later.first == NULL ? at : hf_time_earlier(home->look_at, at);
    list_add(s, IN_LATER);
}

hf_watch *hf_socket_again(hf_socket_home *home)
{
    if (!hf_time_before(home->now, home->look_at))
        while (home->later.first != NULL) {
            home->later.first->readable |= home->later.first->dozing;
            come_again(home->later.first);
        }
    hf_socket *s = home->again.first;
    if (s == NULL)
        return NULL;
    list_leave(s);
    return &s->watch;
}

/* ---- queues that most sockets do not have --------------------------------------------------------------------- */

/* The queue, made if there is none; NULL when memory ends. */
static hf_queue *have(const hf_socket *s, hf_queue **q)
{
    const hf_allocator *a = &s->home->env->alloc;
    if (*q == NULL && (*q = hf_alloc(a, sizeof **q)) != NULL)
        hf_queue_init(*q, a);
    return *q;
}

static bool append(const hf_socket *s, hf_queue **q, hf_bytes b)
{
    return have(s, q) != NULL && hf_queue_append(*q, b);
}

static hf_span front(const hf_queue *q)
{
    return q != NULL ? hf_queue_peek(q) : (hf_span){ NULL, 0 };
}

static void let_go(const hf_socket *s, hf_queue **q)
{
    if (*q == NULL)
        return;
    hf_queue_fini(*q);
    hf_free(&s->home->env->alloc, *q, sizeof **q);
    *q = NULL;
}

static inline void let_go_if_empty(const hf_socket *s, hf_queue **q)
{
    if (*q != NULL && hf_queue_length(*q) == 0)
        let_go(s, q);
}

/* ---- tokens ------------------------------------------------------------------------------------------------- */

static void release(hf_socket *s, uint64_t token)
{
    if (token == 0)
        return;
    if (s->token_count < TOKENS)
        s->tokens[s->token_count++] = token;
    else if (!append(s, &s->more_tokens, hf_bytes_make(&token, sizeof token)))
        fail(s, HF_ERR_BASE_MEMORY); /* free() lets go of everything, tokens included */
}

static bool next_token(hf_socket *s, uint64_t *token)
{
    if (s->token_count == 0) {
        let_go_if_empty(s, &s->more_tokens);
        return false;
    }
    *token = s->tokens[0];
    memmove(s->tokens, s->tokens + 1, --s->token_count * sizeof s->tokens[0]);
    const hf_span more = front(s->more_tokens);
    if (more.len > 0) {
        memcpy(&s->tokens[s->token_count++], more.ptr, sizeof *token);
        hf_queue_take(s->more_tokens, sizeof *token);
    }
    return true;
}

/* ---- input -------------------------------------------------------------------------------------------------- */

/* Takes unread bytes home, so that the shared buffer is free for the next socket. */
static void settle(hf_socket_home *home)
{
    hf_socket *s = home->borrower;
    home->borrower = NULL;
    if (s == NULL || s->shared_at == s->shared_end)
        return;
    if (!append(s, &s->kept, hf_bytes_make(home->shared + s->shared_at, s->shared_end - s->shared_at))) {
        fail(s, HF_ERR_BASE_MEMORY);
        come_again(s); /* it is not its turn: whoever owns it must come and see */
    }
    s->shared_at = s->shared_end = 0;
}

static hf_span held(const hf_socket *s)
{
    if (s->home->borrower == s && s->shared_at < s->shared_end)
        return (hf_span){ s->home->shared + s->shared_at, s->shared_end - s->shared_at };
    return front(s->kept);
}

static void rouse(hf_socket *s)
{
    s->dozing = false;
    if (!s->home->ops->rouse(s->home, &s->watch))
        fail(s, HF_ERR_IO_SYSTEM);
}

/* Room in the shared buffer, behind what its borrower left there: mostly the beginning of a record or frame. That moves to the
 * front where as much was taken before it, so that each byte moved is paid for; no room that is worth a call: NULL. */
static hf_span room_behind(hf_socket *s, size_t limit)
{
    const uint32_t length = s->shared_end - s->shared_at;
    if (s->home->borrower != s || length == 0 || limit <= length)
        return (hf_span){ NULL, 0 };
    if (s->shared_at >= length) {
        memmove(s->home->shared, s->home->shared + s->shared_at, length);
        s->shared_at = 0;
        s->shared_end = length;
    }
    const size_t left = HF_SHARED_BYTES - s->shared_end, most = limit - length;
    if (left < READ_WORTH && left < most)
        return (hf_span){ NULL, 0 };
    return (hf_span){ s->home->shared + s->shared_end, left < most ? left : most };
}

/* Room behind what was taken home. NULL: there is none, for now or since memory ended. */
static hf_span room_at_home(hf_socket *s, size_t limit)
{
    const size_t length = front(s->kept).len;
    if (length >= limit)
        return (hf_span){ NULL, 0 }; /* back-pressure: the kernel's window closes by itself */
    const size_t want = limit - length < READ_WORTH ? limit - length : READ_WORTH;
    hf_span room = have(s, &s->kept) != NULL ? hf_queue_reserve(s->kept, want) : (hf_span){ NULL, 0 };
    if (room.ptr == NULL)
        fail(s, HF_ERR_BASE_MEMORY);
    room.len = room.len < want ? room.len : want;
    return room;
}

/* Where to receive. *borrow: it is the shared buffer. */
static hf_span room_to_receive(hf_socket *s, bool *borrow)
{
    const size_t limit = (size_t)s->home->env->limits->input_bytes;
    *borrow = true;
    if (held(s).len == 0) {
        settle(s->home);
        let_go_if_empty(s, &s->kept);
        s->home->borrower = s;
        s->shared_at = s->shared_end = 0;
        return (hf_span){ s->home->shared, limit < HF_SHARED_BYTES ? limit : HF_SHARED_BYTES };
    }
    const hf_span behind = room_behind(s, limit);
    if (behind.ptr != NULL)
        return behind;
    *borrow = false;
    if (s->home->borrower == s)
        settle(s->home);
    return room_at_home(s, limit);
}

/* Receives once. True when there are new bytes or the stream ended. */
static bool receive(hf_socket *s)
{
    bool borrow;
    const hf_span room = room_to_receive(s, &borrow);
    if (room.ptr == NULL)
        return s->failed.code != 0;
    const ssize_t n = s->home->ops->receive(s->home, &s->watch, room);
    if (n < 0) {
        const int error = errno;
        s->readable = error == EINTR;
        if (error == EAGAIN && s->dozing)
            rouse(s);
        else if (error != EAGAIN && error != EINTR)
            fail_by(s, error);
        return s->failed.code != 0;
    }
    if (n == 0) {
        s->fin_received = true;
        s->readable = false;
        return true;
    }
    if (borrow)
        s->shared_end += (uint32_t)n;
    else
        hf_queue_commit(s->kept, (size_t)n);
    if ((size_t)n < room.len && !s->hung_up && !s->dozing)
        s->readable = false;
    return true;
}

static hf_span socket_peek(void *self, hf_lane lane)
{
    HF_ASSERT(lane == 0);
    return held(self);
}

static void socket_take(void *self, hf_lane lane, size_t n)
{
    hf_socket *s = self;
    HF_ASSERT(lane == 0 && n <= held(s).len);
    if (s->home->borrower == s && s->shared_at < s->shared_end)
        s->shared_at += (uint32_t)n;
    else if (n > 0)
        hf_queue_take(s->kept, n);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

/* Sends memory pieces, up to IOVECS of them. Returns bytes sent; clears `writable` when short. */
static size_t send_memory(hf_socket *s, const struct iovec *iov, size_t count, size_t total, bool more)
{
    size_t sent = 0;
    s->home->calls_send++;
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more || s->last ? MSG_MORE : 0);
    ssize_t n;
    /* Past the C library's wrappers: where there are threads they make each call a point of cancellation, which costs two
     * atomic operations, and nobody here is ever cancelled. */
    if (count == 1) {
        n = syscall(SYS_sendto, s->watch.fd, iov[0].iov_base, iov[0].iov_len, flags, NULL, 0);
    } else {
        const struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
        n = syscall(SYS_sendmsg, s->watch.fd, &m, flags);
    }
    if (n > 0)
        sent = (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        fail_by(s, errno);
    if (sent < total && !(n < 0 && errno == EINTR))
        s->writable = false;
    if (s->lends_pages && sent < UINT32_MAX - s->behind_pages)
        s->behind_pages += (uint32_t)sent;
    return sent;
}

/* Bytes that the kernel holds until the peer acknowledges them. */
static uint64_t unacknowledged(const hf_socket *s)
{
    int kernel = 0;
    return ioctl(s->watch.fd, SIOCOUTQ, &kernel) == 0 && kernel > 0 ? (uint64_t)kernel : 0;
}

/* sendfile(2) lends the page cache to the network: what is overwritten on disk changes on its way out, until the peer has
 * acknowledged it. So the last bytes of a file's range leave only when no such page is left in the kernel and the file
 * was found unchanged after that: an answer that mixes two versions never looks whole. */
static bool pages_are_home(hf_socket *s)
{
    if (s->lends_pages && unacknowledged(s) > s->behind_pages)
        return false;
    s->lends_pages = false;
    s->looks = 0;
    return true;
}

/* A part of a file that is read, and leaves when the file was found unchanged after that. */
static size_t send_file_read(hf_socket *s, const hf_extent *e, bool more)
{
    uint8_t part[HF_FILE_PART];
    const size_t length = e->length < HF_FILE_PART ? (size_t)e->length : HF_FILE_PART;
    if (length == e->length && !pages_are_home(s)) {
        const int slow = s->looks - SOON_MOST; /* who reads slowly is looked at more and more seldom */
        if (s->looks < LOOKS_MOST)
            s->looks++;
        come_later(s, slow < 0 ? LOOK_SOON_NS : LOOK_AGAIN_NS << slow);
        return 0;
    }
    const ssize_t n = pread(e->file->handle, part, length, (off_t)e->offset);
    if (n != (ssize_t)length || !hf_file_unchanged(e->file)) {
        fail(s, HF_ERR_IO_FILE_CHANGED);
        return 0;
    }
    const struct iovec iov = { part, length };
    return send_memory(s, &iov, 1, length, more || length < e->length);
}

/* Lends `most` bytes of the file at most. */
static size_t send_file_lent(hf_socket *s, const hf_extent *e, uint64_t most)
{
    if (!hf_file_unchanged(e->file)) {
        fail(s, HF_ERR_IO_FILE_CHANGED);
        return 0;
    }
    off_t offset = (off_t)e->offset;
    s->home->calls_send++;
    const ssize_t n = sendfile(s->watch.fd, e->file->handle, &offset, most < SEND_CHUNK ? (size_t)most : SEND_CHUNK);
    if (n > 0)
        return (size_t)n;
    if (n == 0)
        fail(s, HF_ERR_IO_FILE_CHANGED); /* it became shorter */
    else if (errno != EAGAIN && errno != EINTR)
        fail(s, error_of(errno).code);
    if (n < 0 && errno == EAGAIN)
        s->writable = false;
    return 0;
}

static size_t send_file(hf_socket *s, const hf_extent *e, bool more)
{
    if (e->file->fixed != NULL)
        return send_file_lent(s, e, e->length);
    const uint64_t most = hf_bytes_to_lend(s->home, s->watch.fd, e, s->lends_pages);
    if (most == 0)
        return send_file_read(s, e, more);
    const size_t n = send_file_lent(s, e, most);
    if (n > 0) {
        s->lends_pages = true;
        s->behind_pages = 0;
    }
    return n;
}

/* A file that lies in memory is memory, where that is all it is or nothing may be lent. */
static void as_memory(const hf_socket *s, hf_extent *e)
{
    if (e->kind == HF_EXTENT_FILE && e->file->fixed != NULL && (e->file->handle < 0 || !hf_may_lend(s->home)))
        *e = (hf_extent){ .kind = HF_EXTENT_LENT, .token = e->token, .bytes = hf_bytes_make(e->file->fixed + e->offset, (size_t)e->length) };
}

/* Two pieces: a head, and a whole file that is often sent behind it, which leave in one call. What left is cut off their front. Bytes
 * sent; 0: another way has to do. */
static size_t send_fronted(hf_socket *s, hf_extent *pieces)
{
    hf_extent *const head = pieces, *const file = pieces + 1;
    /* sendfile(2) knows no MSG_MORE, by which FIN leaves with the last bytes. */
    if (head->kind == HF_EXTENT_FILE || head->bytes.ptr == NULL || file->offset != 0 || file->length != file->file->size || s->last ||
        !hf_may_lend(s->home))
        return 0;
    const int handle = hf_file_fronted(file->file, head->bytes);
    if (handle < 0)
        return 0;
    const size_t total = head->bytes.len + (size_t)file->length;
    off_t offset = 0;
    s->home->calls_send++;
    const ssize_t n = syscall(SYS_sendfile, s->watch.fd, handle, &offset, total); /* as send_memory does it */
    if (n < 0 && errno == EAGAIN)
        s->writable = false;
    else if (n < 0 && errno != EINTR)
        fail_by(s, errno);
    if (n <= 0)
        return 0;
    const size_t sent = (size_t)n, of_head = sent < head->bytes.len ? sent : head->bytes.len;
    if (s->lends_pages && sent < UINT32_MAX - s->behind_pages)
        s->behind_pages += (uint32_t)sent;
    head->bytes = hf_bytes_make(head->bytes.ptr + of_head, head->bytes.len - of_head);
    file->offset += sent - of_head;
    file->length -= sent - of_head;
    return sent;
}

/* As it says. Returns how many of the two pieces left whole. */
static size_t send_with_front(hf_socket *s, hf_extent *pieces)
{
    const size_t sent = send_fronted(s, pieces), done = sent == 0 ? 0 : (pieces[0].bytes.len == 0) + (size_t)(pieces[1].length == 0);
    for (size_t i = 0; i < done; i++)
        release(s, pieces[i].token);
    if (done < 2)
        as_memory(s, &pieces[1]);
    return done;
}

/* Sends from `pieces` until one is left over or the turn is spent; COPIED pieces without a pointer lie in `copied`.
 * Returns how many pieces left whole; what was sent of the next one is cut off its front. */
static size_t send_pieces(hf_socket *s, hf_extent *pieces, size_t count, hf_queue *copied)
{
    size_t done = 0;
    uint64_t turn = 0;
    while (done < count && s->writable && s->failed.code == 0) {
        if (count - done > 1 && pieces[done + 1].kind == HF_EXTENT_FILE && pieces[done + 1].file->front != NULL) {
            done += send_with_front(s, pieces + done);
            if (done == count || !s->writable || s->failed.code != 0)
                break;
        }
        as_memory(s, &pieces[done]);
        if (pieces[done].kind == HF_EXTENT_FILE) {
            if (turn >= SEND_TURN) { /* let others have their turn */
                come_again(s);
                break;
            }
            const size_t n = send_file(s, &pieces[done], done + 1 < count);
            turn += n;
            pieces[done].offset += n;
            pieces[done].length -= n;
            if (n == 0 && s->listed != IN_NONE) /* it waits for an acknowledgement: its turn comes */
                break;
            if (pieces[done].length == 0)
                release(s, pieces[done++].token);
            continue;
        }
        struct iovec iov[IOVECS];
        size_t n = 0, total = 0, queued = 0;
        const hf_span queue = front(copied);
        while (n < IOVECS && done + n < count && pieces[done + n].kind != HF_EXTENT_FILE) {
            const hf_extent *e = &pieces[done + n];
            const bool in_queue = e->bytes.ptr == NULL && e->bytes.len > 0;
            iov[n] = (struct iovec){ in_queue ? queue.ptr + queued : (void *)(uintptr_t)e->bytes.ptr, e->bytes.len };
            queued += in_queue ? e->bytes.len : 0;
            total += e->bytes.len;
            n++;
        }
        const size_t sent = total == 0 ? 0 : send_memory(s, iov, n, total, done + n < count);
        size_t left = sent;
        for (size_t i = 0; i < n; i++) {
            hf_extent *e = &pieces[done];
            const bool in_queue = e->bytes.ptr == NULL;
            const size_t part = left < e->bytes.len ? left : e->bytes.len;
            if (in_queue && part > 0)
                hf_queue_take(copied, part);
            else if (!in_queue)
                e->bytes.ptr += part;
            e->bytes.len -= part;
            left -= part;
            if (e->bytes.len > 0)
                break;
            release(s, e->token);
            done++;
        }
    }
    return done;
}

static void free_backlog(hf_socket *s)
{
    const hf_allocator *a = &s->home->env->alloc;
    backlog *out = s->out;
    if (out == NULL)
        return;
    s->out = NULL;
    hf_queue_fini(&out->copied);
    hf_free(a, out->pieces, out->capacity * sizeof *out->pieces);
    hf_free(a, out, sizeof *out);
}

/* Keeps what did not leave. */
static bool keep(hf_socket *s, const hf_extent *pieces, size_t count)
{
    const hf_allocator *a = &s->home->env->alloc;
    backlog *out = hf_alloc_zeroed(a, sizeof *out);
    if (out == NULL)
        return false;
    hf_queue_init(&out->copied, a);
    s->out = out;
    out->pieces = hf_alloc(a, count * sizeof *out->pieces);
    if (out->pieces == NULL)
        return false;
    out->capacity = count;
    for (size_t i = 0; i < count; i++) {
        out->pieces[i] = pieces[i];
        if (pieces[i].kind == HF_EXTENT_COPIED) {
            if (!hf_queue_append(&out->copied, pieces[i].bytes))
                return false;
            out->pieces[i].bytes.ptr = NULL;
        }
        out->unsent += hf_extent_length(&pieces[i]);
        out->count++;
    }
    return true;
}

static uint64_t socket_unsent(const void *self, hf_lane lane)
{
    (void)lane;
    const hf_socket *s = self;
    return s->out != NULL ? s->out->unsent : 0;
}

/* What the kernel took and the peer has not acknowledged moves while our backlog stands still: a slow peer that reads all
 * it can must not look idle. */
static uint64_t socket_untaken(const void *self, hf_lane lane)
{
    return socket_unsent(self, lane) + unacknowledged(self);
}

/* Most answers are one piece of memory, which leaves whole. What did not is the long way's to deal with. */
static size_t send_at_once(hf_socket *s, const hf_extent *e)
{
    if (e->kind == HF_EXTENT_FILE || e->bytes.len == 0 || !s->writable)
        return 0;
    const struct iovec iov = { (void *)(uintptr_t)e->bytes.ptr, e->bytes.len };
    const size_t sent = send_memory(s, &iov, 1, e->bytes.len, false);
    if (sent == e->bytes.len)
        release(s, e->token);
    return sent;
}

static uint64_t socket_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_socket *s = self;
    HF_ASSERT(lane == 0 && !s->fin_wanted);
    if (s->out != NULL || s->connecting || s->failed.code != 0 || count == 0) {
        s->was_blocked = true;
        return 0;
    }
    const size_t sent = count == 1 ? send_at_once(s, extents) : 0;
    if (sent > 0 && sent == extents->bytes.len)
        return sent;
    if (count > IOVECS)
        count = IOVECS;
    hf_extent pieces[IOVECS];
    memcpy(pieces, extents, count * sizeof *pieces);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&pieces[i]);
    if (sent > 0)
        pieces[0].bytes = hf_bytes_make(pieces[0].bytes.ptr + sent, pieces[0].bytes.len - sent);
    const size_t done = send_pieces(s, pieces, count, NULL);
    if (done < count && s->failed.code == 0) {
        s->was_blocked = true;
        if (!keep(s, pieces + done, count - done))
            fail(s, HF_ERR_BASE_MEMORY);
        else if (!s->writable)
            watch_output(s, true);
    }
    return total;
}

static hf_err socket_read(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    (void)self;
    size_t got = 0;
    const hf_err err = hf_file_read(file, offset, to, n, &got);
    if (err.code != 0)
        return err;
    return got == n && hf_file_unchanged(file) ? HF_OK : hf_err_make(HF_ERR_IO_FILE_CHANGED);
}

static void shut(hf_socket *s)
{
    if (s->fin_wanted && !s->fin_sent && !s->connecting && s->out == NULL && s->failed.code == 0) {
        s->fin_sent = true;
        (void)shutdown(s->watch.fd, SHUT_WR); /* fails only where the peer has reset: the next receive says so */
    }
}

/* We are woken when half of what the kernel may hold unsent has left, and hf_listen_socket has it hold little. A peer that took
 * a megabyte is no slow reader: from now on the system's own bound holds (net.ipv4.tcp_wmem), which nearly halves what a
 * large file costs. */
static void widen(hf_socket *s)
{
    const int unsent = 0; /* tcp(7): the system's own */
    s->wide = true;
    (void)setsockopt(s->watch.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

/* Sends what was kept, as far as it goes. */
static void resume(hf_socket *s)
{
    backlog *out = s->out;
    const uint64_t before = out->unsent;
    out->first += send_pieces(s, out->pieces + out->first, out->count - out->first, &out->copied);
    out->unsent = 0;
    for (size_t i = out->first; i < out->count; i++)
        out->unsent += hf_extent_length(&out->pieces[i]);
    out->gone += before - out->unsent;
    if (!s->wide && out->gone >= WIDE_AFTER)
        widen(s);
    if (out->first == out->count) {
        free_backlog(s);
        watch_output(s, false);
        shut(s);
    } else if (!s->writable) {
        watch_output(s, true);
    }
}

static hf_err socket_end(void *self, hf_lane lane, hf_ending ending)
{
    hf_socket *s = self;
    HF_ASSERT(lane == 0);
    if (ending.kind == HF_ENDING_STOP)
        return hf_err_make(HF_ERR_BASE_USAGE); /* TCP cannot say it */
    if (ending.kind == HF_ENDING_RESET) {
        s->reset_wanted = true;
        fail(s, HF_ERR_IO_RESET);
        s->failure_told = true;
        return HF_OK;
    }
    s->fin_wanted = true;
    shut(s);
    return HF_OK;
}

/* Should end not follow after all, the kernel waits for it a fifth of a second (tcp(7), TCP_CORK). */
static void socket_last(void *self, hf_lane lane)
{
    HF_ASSERT(lane == 0);
    ((hf_socket *)self)->last = true;
}

/* One look in LOOK_AGAIN_NS for all that doze. Who has not ended by then is far away, and wakes us when it does. */
static void socket_doze(void *self, hf_lane lane)
{
    hf_socket *s = self;
    HF_ASSERT(lane == 0);
    if (!s->fin_sent || s->fin_received || s->failed.code != 0 || s->dozing || s->listed != IN_NONE)
        return;
    s->dozing = s->home->ops->doze(s->home, &s->watch);
    if (s->dozing)
        come_later(s, LOOK_AGAIN_NS);
}

static hf_err socket_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static bool finish_connecting(hf_socket *s, hf_pier_event *event)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    s->connecting = false;
    watch_output(s, false);
    if (error != 0) {
        fail(s, error_of(error).code);
        errno = error; /* the code says less: who connects may want the system's own words */
        return false;
    }
    shut(s);
    event->kind = HF_PIER_OPENED;
    return true;
}

static hf_step socket_event(void *self, hf_time now, hf_pier_event *event)
{
    (void)now;
    hf_socket *s = self;
    *event = (hf_pier_event){ 0 };
    let_go_if_empty(s, &s->kept); /* if it is empty: an idle connection holds no buffer */
    if (s->connecting) {
        if (!s->writable)
            return HF_IDLE;
        if (finish_connecting(s, event))
            return HF_EVENT;
    }
    if (s->out != NULL && s->writable && s->listed != IN_AGAIN && s->failed.code == 0)
        resume(s);
    if (next_token(s, &event->token)) {
        event->kind = HF_PIER_RELEASED;
        return HF_EVENT;
    }
    if (s->was_blocked && s->out == NULL && s->failed.code == 0) {
        s->was_blocked = false;
        event->kind = HF_PIER_WRITABLE;
        return HF_EVENT;
    }
    while (s->readable && !s->fin_received && s->failed.code == 0 && held(s).len < s->home->env->limits->input_bytes)
        if (receive(s) && s->failed.code == 0 && !s->fin_received) {
            event->kind = HF_PIER_READABLE;
            return HF_EVENT;
        }
    if (s->failed.code != 0) {
        if (s->failure_told)
            return HF_FAULT;
        s->failure_told = true;
        *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_RESET, 0 }, .err = s->failed };
        return HF_EVENT;
    }
    if (s->fin_received && !s->fin_told) {
        s->fin_told = true;
        *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_FIN, 0 } };
        return HF_EVENT;
    }
    return s->fin_told && s->fin_sent ? HF_CLOSED : HF_IDLE;
}

void hf_socket_notify(hf_watch *watch, uint32_t events)
{
    hf_socket *s = (hf_socket *)watch;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->readable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->hung_up = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        s->writable = true;
        s->watches_output = s->watches_output && !s->home->ops->output_once;
    }
}

void hf_socket_come_again(hf_watch *watch)
{
    come_again((hf_socket *)watch);
}

bool hf_socket_is_again(const hf_watch *watch)
{
    return ((const hf_socket *)watch)->listed == IN_AGAIN;
}

void *hf_socket_more(hf_watch *watch)
{
    return ((hf_socket *)watch)->more;
}

size_t hf_socket_held(const hf_watch *watch)
{
    return held((const hf_socket *)watch).len;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void socket_free(void *self)
{
    hf_socket *s = self;
    hf_socket_home *home = s->home;
    if (home->borrower == s)
        home->borrower = NULL;
    list_leave(s);
    /* What did not leave whole must not look whole, and a peer that reads nothing must not keep the kernel's memory. */
    if ((s->reset_wanted || s->out != NULL) && !s->peer_reset) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(s->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    free_backlog(s);
    let_go(s, &s->kept);
    let_go(s, &s->more_tokens);
    if (!home->ops->leave(home, &s->watch))
        hf_socket_bury(home, &s->watch);
}

void hf_socket_bury(hf_socket_home *home, hf_watch *watch)
{
    close(watch->fd);
    hf_free(&home->env->alloc, watch, sizeof(hf_socket) + home->ops->more_bytes);
}

static const hf_pier_ops socket_ops = {
    .name = "kernel socket",
    .can = HF_PIER_TAKES_FILES | HF_PIER_FREE_ENDS | HF_PIER_KEEPS_FRONTS,
    .event = socket_event,
    .peek = socket_peek,
    .take = socket_take,
    .put = socket_put,
    .end = socket_end,
    .open = socket_open,
    .unsent = socket_unsent,
    .free = socket_free,
    .read = socket_read,
    .untaken = socket_untaken,
    .last = socket_last,
    .doze = socket_doze,
};

hf_pier hf_socket_new(hf_socket_home *home, int fd, bool connecting)
{
    hf_socket *s = hf_alloc_zeroed(&home->env->alloc, sizeof *s + home->ops->more_bytes);
    if (s == NULL)
        return (hf_pier){ NULL, NULL };
    s->watch = (hf_watch){ .kind = HF_WATCH_SOCKET, .fd = fd };
    s->home = home;
    s->connecting = connecting;
    s->writable = !connecting;
    s->watches_output = connecting;
    if (!home->ops->begin(home, &s->watch, connecting)) {
        hf_free(&home->env->alloc, s, sizeof *s + home->ops->more_bytes);
        return (hf_pier){ NULL, NULL };
    }
    return (hf_pier){ &socket_ops, s };
}

int hf_socket_descriptor(hf_pier pier)
{
    return pier.ops == &socket_ops ? ((const hf_socket *)pier.self)->watch.fd : -1;
}

void hf_socket_own(hf_pier pier, void *owner)
{
    HF_ASSERT(pier.ops == &socket_ops);
    ((hf_socket *)pier.self)->watch.owner = owner;
}
