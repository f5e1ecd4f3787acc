/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel through epoll. epoll.c waits and accepts; socket.c is the pier that stands on a kernel socket.
 */
#ifndef HF_IO_EPOLL_H
#define HF_IO_EPOLL_H

#include <sys/epoll.h>
#include <sys/types.h>

#include "io.h"
#include "queue.h"

typedef struct hf_socket hf_socket;
typedef struct hf_epoll hf_epoll;

/* A loop for the calling thread. Lends `env` for life. NULL and *err when the system refuses. */
hf_io *hf_epoll_new(const hf_env *env, hf_err *err);

/* For who waits elsewhere: the loop's descriptor is readable when wait() has something to tell, and wait() must be called
 * by that time in any case (0: at once). */
int hf_epoll_descriptor(const hf_io *io);
hf_time hf_epoll_wake(const hf_io *io);

/* Makes a bound, listening, non-blocking descriptor; -1 and *err when the system refuses (errno is kept). */
int hf_listen_socket(const hf_address *at, hf_err *err);
/* Sets on a listening descriptor what the connections accepted from it inherit. */
void hf_listen_socket_tune(int fd);
/* Makes a non-blocking descriptor that is connecting; -1 and *err when that cannot be. */
int hf_connect_socket(const hf_address *to, hf_err *err);

/* ---- between epoll.c, uring.c and socket.c ------------------------------------------------------------------ */

/* Everything that epoll watches begins with this. */
typedef enum hf_watch_kind { HF_WATCH_LISTENER, HF_WATCH_SOCKET, HF_WATCH_WAKE, HF_WATCH_PLAIN } hf_watch_kind;
typedef struct hf_watch {
    hf_watch_kind kind;
    int fd;
    void *owner;
} hf_watch;

/* Received bytes land in one buffer per loop; a socket that leaves some unread takes them home before the next socket
 * receives. So an idle connection holds no buffer at all. */
enum { HF_SHARED_BYTES = 65536, HF_EPOLL_BATCH = 256 };

/* Of a file that is read rather than lent, per system call. */
enum { HF_FILE_PART = 64 * 1024 };

/* What hf_may_lend found. */
typedef enum hf_lends { HF_LENDS_UNKNOWN, HF_LENDS, HF_LENDS_NOTHING } hf_lends;

typedef struct hf_socket_home hf_socket_home;

typedef struct hf_socket_list {
    hf_socket *first, *last;
} hf_socket_list;

/* What differs between the ways to wait: epoll here, a ring in uring.c. */
typedef struct hf_home_ops {
    size_t more_bytes; /* room behind each socket that is the loop's own: hf_socket_more */
    bool output_once;  /* notify() of output ends the watch on it */
    /* The socket is new, and all zero behind it. False when the system refuses. */
    bool (*begin)(hf_socket_home *home, hf_watch *watch, bool connecting);
    bool (*watch_output)(hf_socket_home *home, hf_watch *watch, bool on);
    /* As recv(2). A short answer means that there is no more for now. */
    ssize_t (*receive)(hf_socket_home *home, hf_watch *watch, hf_span room);
    /* The socket is not watched until rouse: what arrives meanwhile waits in the kernel, and receive() finds it there. False:
     * that cannot be now; the socket stays watched. */
    bool (*doze)(hf_socket_home *home, hf_watch *watch);
    /* False when the system refuses. */
    bool (*rouse)(hf_socket_home *home, hf_watch *watch);
    /* The socket is being freed. True: the loop still needs it, and calls hf_socket_bury when it does not. */
    bool (*leave)(hf_socket_home *home, hf_watch *watch);
} hf_home_ops;

/* What a loop lends its sockets. */
struct hf_socket_home {
    const hf_home_ops *ops;
    const hf_env *env;
    int epoll_fd;
    uint8_t *shared;       /* HF_SHARED_BYTES */
    hf_socket *borrower;   /* whose unread bytes lie in `shared` */
    hf_time now;           /* when the last wait ended */
    hf_socket_list again;  /* sockets that gave up their turn with work left, in that order: READY at the next wait */
    hf_socket_list later;  /* those who wait for what no event tells: READY at the first wait that begins at or after look_at */
    hf_time look_at;       /* HF_NEVER while there is none */
    uint8_t lends;         /* hf_lends */
    uint64_t buffer_most;  /* how large the kernel lets a send buffer become; 0: nobody has asked yet */
    struct epoll_event *seen; /* what epoll said and the loop has not passed on: seen[seen_at..seen_count) */
    int seen_at, seen_count;  /* a freed socket takes its own out (data.ptr NULL) */
    uint64_t calls_receive, calls_send; /* system calls, for those who count */
};

/* The descriptor below a pier, to ask the kernel about it; -1 when the pier is no kernel socket (or is above one). */
int hf_socket_descriptor(hf_pier pier);
/* Segments that it sent and received so far, those of the handshake with them. False: it is -1, or the kernel does not count them. */
bool hf_socket_segments(int descriptor, uint32_t *out, uint32_t *in);

hf_pier hf_socket_new(hf_socket_home *home, int fd, bool connecting);
void hf_socket_own(hf_pier pier, void *owner);
/* epoll, or a ring in its words, saw `events` for this socket. */
void hf_socket_notify(hf_watch *watch, uint32_t events);
/* The next socket that is READY without an event, taken off its list; NULL when there is none. */
hf_watch *hf_socket_again(hf_socket_home *home);
/* READY at the next wait; whether that is so already. */
void hf_socket_come_again(hf_watch *watch);
bool hf_socket_is_again(const hf_watch *watch);
/* The loop's own room behind a socket. */
void *hf_socket_more(hf_watch *watch);
/* Bytes received and not taken. */
size_t hf_socket_held(const hf_watch *watch);
/* May files be lent to the network at all? Asked of the system once. */
bool hf_may_lend(hf_socket_home *home);
/* How much of what is left of a file (that can change) may be lent to the socket; lends_pages: it holds some of them already. The rest is
 * to be read, in parts. */
uint64_t hf_bytes_to_lend(hf_socket_home *home, int fd, const hf_extent *e, bool lends_pages);
/* Closes the descriptor and frees the memory of a socket that is free but for that. */
void hf_socket_bury(hf_socket_home *home, hf_watch *watch);

#endif
