/* SPDX-License-Identifier: Apache-2.0
 *
 * A body that `handfast get` sends as it is read, from a file or from a pipe, and holds nowhere.
 */
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELD_MOST = 1 << 20 };

/* Bytes of the body, from what was read ahead, then from the file itself; as read(2). */
static ssize_t read_some(hf_get *g, uint8_t *to, size_t most)
{
    const size_t held = g->held_length - g->held_at, n = held < most ? held : most;
    if (n == 0)
        return g->body_size >= 0 && g->held != NULL ? 0 : read(g->body_fd, to, most);
    memcpy(to, g->held + g->held_at, n);
    g->held_at += n;
    return (ssize_t)n;
}

/* Many servers want to know how long a body is; curl says it, since it holds them all. Here only short ones are: their length is told. */
static hf_exit read_ahead(hf_get *g)
{
    ssize_t n = 1;
    g->held = malloc(HELD_MOST);
    if (g->held == NULL)
        return hf_get_fail(g, HF_EXIT_FAILED, "out of memory");
    while (g->held_length < HELD_MOST && (n = read(g->body_fd, g->held + g->held_length, HELD_MOST - g->held_length)) != 0)
        if (n > 0)
            g->held_length += (size_t)n;
        else if (errno != EINTR)
            return hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->body_file, strerror(errno));
    if (n == 0)
        g->body_size = (int64_t)g->held_length;
    return HF_EXIT_OK;
}

/* A pipe that is empty must not stop everything else: it is read when there is something. */
static hf_step read_body(void *self, hf_span room, size_t *n)
{
    hf_get *const g = self;
    struct pollfd p = { .fd = g->body_fd, .events = POLLIN };
    const bool from_file = g->held == NULL || (g->held_at == g->held_length && g->body_size < 0);
    g->body_waits = from_file && poll(&p, 1, 0) == 0;
    if (g->body_waits)
        return HF_IDLE;
    const uint64_t left = g->body_size >= 0 ? (uint64_t)g->body_size - g->uploaded : UINT64_MAX;
    const ssize_t got = left > 0 ? read_some(g, room.ptr, left < room.len ? (size_t)left : room.len) : 0; /* a file that grows is sent as long as it was */
    g->body_read = true;
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return HF_IDLE;
    if (got < 0)
        (void)hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->body_file, strerror(errno));
    const bool short_of = got == 0 && g->body_size >= 0 && left > 0;
    if (short_of)
        (void)hf_get_fail(g, HF_EXIT_FAILED, "%s: it became shorter", g->body_file);
    if (got < 0 || short_of)
        return HF_FAULT;
    g->uploaded += (uint64_t)got;
    *n = (size_t)got;
    return got > 0 ? HF_EVENT : HF_CLOSED;
}

static bool rewind_body(void *self)
{
    hf_get *const g = self;
    if (g->body_read && (g->body_size < 0 || (g->held == NULL && lseek(g->body_fd, 0, SEEK_SET) != 0)))
        return false;
    g->held_at = 0;
    g->body_read = false;
    g->uploaded = 0;
    return true;
}

hf_exit hf_get_open_body(hf_get *g)
{
    struct stat s;
    const bool standard = g->body_file != NULL && strcmp(g->body_file, "-") == 0;
    if (g->body_file == NULL || !g->has_body)
        return HF_EXIT_OK;
    if (g->body_fd >= 0)
        return rewind_body(g) ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_FAILED, "%s: the body would have to be sent once more, and cannot be read again",
                                                         standard ? "standard input" : g->body_file);
    g->body_fd = standard ? STDIN_FILENO : open(g->body_file, O_RDONLY | O_CLOEXEC);
    if (g->body_fd < 0)
        return hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->body_file, strerror(errno));
    const off_t at = lseek(g->body_fd, 0, SEEK_CUR);
    g->body_size = fstat(g->body_fd, &s) == 0 && S_ISREG(s.st_mode) && at == 0 ? (int64_t)s.st_size : HF_LENGTH_UNKNOWN;
    g->source = (hf_body_source){ .read = read_body, .rewind = rewind_body, .self = g };
    g->body_read = false;
    return g->body_size < 0 && !g->uploads ? read_ahead(g) : HF_EXIT_OK;
}

void hf_get_close_body(hf_get *g)
{
    free(g->held);
    g->held = NULL;
    g->held_length = g->held_at = 0;
    if (g->body_fd > STDIN_FILENO)
        close(g->body_fd);
    g->body_fd = -1;
    g->body_waits = false;
}
