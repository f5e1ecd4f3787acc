/* SPDX-License-Identifier: Apache-2.0
 *
 * Where lines go. A server that stops because its log is full, or waits because the log's reader is slow, has the wrong
 * priorities: what is not taken at once is dropped and counted.
 */
#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "alloc.h"
#include "log.h"
#include "panic.h"

_Static_assert(HF_ACCESS_LINE <= PIPE_BUF, "pipe(7): writes of up to PIPE_BUF bytes are atomic");

#define REPORT_EVERY_NS HF_SECONDS(60)

/* Unlike strerror, fit for threads. */
static const char *words(int why)
{
    const char *text = strerrordesc_np(why);
    return why == EAGAIN ? "its reader is too slow" : why == EPIPE ? "its reader is gone" : text ? text : "unknown error";
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static int open_path(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

/* A pipe or terminal opened anew has flags of its own: O_NONBLOCK set on the old descriptor would surprise every other
 * program that shares it. */
static int open_output(void)
{
    struct stat st;
    /* A regular file never blocks; and a description of our own would have an offset of its own, so that what others
     * write to the same file (2>&1) and what we write would overwrite each other. */
    const bool regular = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
    const int fd = regular ? -1 : open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* How this descriptor is written to without ever waiting, and how much of it stays together. */
static void find_kind(hf_access_log *log)
{
    struct stat st;
    if (fstat(log->fd, &st) != 0)
        return;
    log->is_socket = S_ISSOCK(st.st_mode);
    log->may_block = !S_ISREG(st.st_mode) && !log->is_socket && (fcntl(log->fd, F_GETFL) & O_NONBLOCK) == 0;
    log->most = S_ISREG(st.st_mode) ? HF_ACCESS_BUFFER : PIPE_BUF;
}

static void keep_spare(hf_access_log *log)
{
    if (log->spare < 0 && log->path != NULL)
        log->spare = fcntl(log->fd, F_DUPFD_CLOEXEC, 3);
}

static void give_spare(hf_access_log *log)
{
    if (log->spare >= 0)
        close(log->spare);
    log->spare = -1;
}

hf_err hf_access_log_open(hf_access_log *log, const char *path, hf_access_format kind)
{
    *log = (hf_access_log){ .fd = -1, .spare = -1, .kind = kind, .most = HF_ACCESS_BUFFER };
    if (path == NULL)
        return HF_OK;
    const bool output = strcmp(path, "-") == 0;
    log->path = output ? NULL : path;
    log->fd = output ? open_output() : open_path(path);
    if (log->fd < 0)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    find_kind(log);
    keep_spare(log);
    return HF_OK;
}

void hf_access_log_reopen(hf_access_log *log)
{
    if (log->fd < 0 || log->path == NULL)
        return;
    give_spare(log); /* it led to the old file anyway */
    const int fresh = open_path(log->path);
    if (fresh < 0) {
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "access log %s: cannot reopen it: %s; the old file stays", log->path,
               words(errno));
        keep_spare(log);
        return;
    }
    /* One system call puts the new file where the old one was: whoever writes meanwhile hits one or the other. */
    if (dup3(fresh, log->fd, O_CLOEXEC) < 0)
        hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_IO_SYSTEM), "access log %s: cannot reopen it: %s", log->path, words(errno));
    close(fresh);
    keep_spare(log);
}

void hf_access_log_close(hf_access_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    give_spare(log);
    log->fd = -1;
}

uint64_t hf_access_log_dropped(const hf_access_log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static size_t count_lines(hf_bytes b)
{
    size_t lines = 0;
    for (const uint8_t *p = b.ptr, *end = p + b.len; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        lines++;
    return lines;
}

static ssize_t write_once(hf_access_log *log, hf_bytes lines, bool after_torn)
{
    static char newline[1] = { '\n' };
    struct iovec parts[2] = { { .iov_base = newline, .iov_len = 1 }, { .iov_base = (void *)lines.ptr, .iov_len = lines.len } };
    struct iovec *first = after_torn ? parts : parts + 1;
    const int count = after_torn ? 2 : 1;
    struct pollfd room = { .fd = log->fd, .events = POLLOUT };
    if (log->may_block && poll(&room, 1, 0) <= 0) { /* a pipe is writable when PIPE_BUF bytes fit */
        errno = EAGAIN;
        return -1;
    }
    ssize_t n;
    do {
        if (log->is_socket)
            n = sendmsg(log->fd, &(struct msghdr){ .msg_iov = first, .msg_iovlen = (size_t)count }, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            n = writev(log->fd, first, count);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Writes whole lines with one call. What was not taken is not tried again: other threads may have written behind it. */
static void write_lines(hf_access_log *log, hf_bytes lines)
{
    const bool torn = atomic_exchange(&log->torn, false);
    const size_t lead = torn ? 1 : 0;
    const ssize_t n = write_once(log, lines, torn);
    if (n == (ssize_t)(lines.len + lead))
        return;
    atomic_store_explicit(&log->why, n < 0 ? errno : ENOSPC, memory_order_relaxed);
    const size_t gone = n > (ssize_t)lead ? (size_t)n - lead : 0;
    if (gone > 0 ? lines.ptr[gone - 1] != '\n' : torn && n <= 0)
        atomic_store(&log->torn, true);
    const size_t lost = count_lines(hf_bytes_make(lines.ptr + gone, lines.len - gone));
    atomic_fetch_add_explicit(&log->dropped, lost, memory_order_relaxed);
}

/* The whole lines that begin `b`, up to `most` bytes of them. */
static size_t whole_lines(hf_bytes b, size_t most)
{
    if (b.len <= most)
        return b.len;
    const uint8_t *end = memrchr(b.ptr, '\n', most);
    HF_ASSERT(end != NULL); /* no line is longer than HF_ACCESS_LINE */
    return (size_t)(end + 1 - b.ptr);
}

/* `last`: nobody will come back to say the rest. */
static void report(hf_access_log *log, hf_time now, bool last)
{
    const uint64_t dropped = hf_access_log_dropped(log);
    uint64_t reported = atomic_load(&log->reported);
    if (dropped == reported || (!last && reported > 0 && now.ns < atomic_load(&log->report_ns)))
        return;
    if (!atomic_compare_exchange_strong(&log->reported, &reported, dropped))
        return; /* another thread is saying it */
    atomic_store(&log->report_ns, hf_time_after(now, REPORT_EVERY_NS).ns);
    const int why = atomic_load_explicit(&log->why, memory_order_relaxed);
    hf_log(HF_LOG_WARNING, HF_OK, "access log %s: %llu lines dropped so far: %s", log->path ? log->path : "on standard output",
           (unsigned long long)dropped,
           words(why));
}

static void flush(hf_access_buffer *b, hf_time now, bool last)
{
    for (size_t done = 0; done < b->length;) {
        const hf_bytes left = hf_bytes_make(b->bytes + done, b->length - done);
        const hf_bytes part = hf_bytes_make(left.ptr, whole_lines(left, b->log->most));
        write_lines(b->log, part);
        done += part.len;
    }
    b->length = 0;
    b->oldest = HF_NEVER;
    if (b->log != NULL)
        report(b->log, now, last);
}

/* ---- a thread's end ----------------------------------------------------------------------------------------- */

void hf_access_buffer_init(hf_access_buffer *b, hf_access_log *log, const hf_allocator *alloc)
{
    *b = (hf_access_buffer){ .log = log, .alloc = alloc, .oldest = HF_NEVER };
}

void hf_access_buffer_fini(hf_access_buffer *b, hf_time now)
{
    flush(b, now, true);
    hf_free(b->alloc, b->bytes, b->bytes ? HF_ACCESS_BUFFER : 0);
    b->bytes = NULL;
}

void hf_access_append(hf_access_buffer *b, hf_time now, const hf_access_record *record)
{
    if (b->log == NULL || b->log->fd < 0)
        return;
    if (b->bytes == NULL)
        b->bytes = hf_alloc(b->alloc, HF_ACCESS_BUFFER);
    if (b->bytes == NULL) {
        atomic_store_explicit(&b->log->why, ENOMEM, memory_order_relaxed);
        atomic_fetch_add_explicit(&b->log->dropped, 1, memory_order_relaxed);
        return;
    }
    hf_writer w = hf_writer_make(b->bytes, HF_ACCESS_BUFFER);
    w.length = b->length;
    const size_t length = hf_access_format_record(&w, b->log->kind, record);
    HF_ASSERT(length > 0 && !w.overflowed);
    if (b->length == 0)
        b->oldest = now;
    b->length = w.length;
    if (HF_ACCESS_BUFFER - b->length < HF_ACCESS_LINE)
        flush(b, now, false);
}

void hf_access_turn(hf_access_buffer *b, hf_time now)
{
    if (!hf_time_before(now, hf_access_wake(b)))
        flush(b, now, false);
}

hf_time hf_access_wake(const hf_access_buffer *b)
{
    return hf_time_after(b->oldest, HF_MILLISECONDS(HF_ACCESS_DELAY_MS));
}
