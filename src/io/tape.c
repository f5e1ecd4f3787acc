/* SPDX-License-Identifier: Apache-2.0
 *
 * The tape itself: entries, their numbers, and the pieces of the file.
 */
#include "tape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "alloc.h"
#include "allocator.h"
#include "panic.h"
#include "trace.h"

enum { PIECE = 64 * 1024, PIECE_HEAD = 8 };

static const char format_line[] = "handfast recording 1\n";

struct hf_tape {
    bool plays, paused, over, whole, differs;
    int fd;
    uint64_t most, written;     /* bytes of the file */
    uint8_t *bytes;             /* recording: a piece, its head first; playing: what was read */
    size_t size, at, capacity;  /* playing: `at` of `size`; recording: `at` of a piece */
    bool lent;
    hf_tape_kind kind;          /* of the entry that goes on */
    uint64_t key, turns;
    hf_time first, now;
    hf_trace_hash trace;
    char why[HF_TAPE_WHY];
};

_Thread_local hf_tape *hf_tape_here;

static const char *const questions[HF_TAPE_KINDS] = {
    [HF_TAPE_ENDED] = "the end", [HF_TAPE_TEXT] = "a text", [HF_TAPE_NUMBER] = "a number",
    [HF_TAPE_WAIT] = "what happened outside", [HF_TAPE_CLOCK] = "the time", [HF_TAPE_LISTEN] = "a place to listen at",
    [HF_TAPE_CONNECT] = "a new connection", [HF_TAPE_EVENT] = "what happened to a connection",
    [HF_TAPE_PEEK] = "what a connection received", [HF_TAPE_PUT] = "a connection to take an answer",
    [HF_TAPE_END] = "the end of a connection", [HF_TAPE_UNSENT] = "what a connection has not sent",
    [HF_TAPE_UNTAKEN] = "what a client has not taken", [HF_TAPE_READ] = "a part of a file for a connection",
    [HF_TAPE_ROOT] = "a site's folder", [HF_TAPE_OPEN] = "a file to be opened", [HF_TAPE_LOOK] = "the facts of a file",
    [HF_TAPE_UNCHANGED] = "word of whether a file changed", [HF_TAPE_CONTENTS] = "the contents of a file",
    [HF_TAPE_FOLDER] = "a folder to be read", [HF_TAPE_NAME] = "the next name of a folder",
};

/* ---- checksums ---------------------------------------------------------------------------------------------- */

uint64_t hf_tape_sum(uint64_t so_far, hf_bytes bytes)
{
    /* FNV-1a, which any slicing of the bytes gives alike. */
    for (size_t i = 0; i < bytes.len; i++)
        so_far = (so_far ^ bytes.ptr[i]) * UINT64_C(0x100000001b3);
    return so_far;
}

/* The CRC-32 of zlib and Ethernet, four bits at a time. */
uint32_t hf_tape_crc(hf_bytes bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.ptr[i];
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

static void put32(uint8_t *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> 8 * i);
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n |= (uint32_t)from[i] << 8 * i;
    return n;
}

/* ---- the end of it ------------------------------------------------------------------------------------------ */

static void HF_PRINTF(2, 3) stop(hf_tape *t, const char *format, ...)
{
    va_list args;
    if (t->over)
        return;
    t->over = true;
    va_start(args, format);
    vsnprintf(t->why, sizeof t->why, format, args);
    va_end(args);
}

static bool asks(const hf_tape *t)
{
    return t != NULL && !t->paused && !t->over;
}

/* "turn 7, 1.250 s after the beginning, connection 3" */
static const char *place(const hf_tape *t, char *text, size_t size)
{
    const bool pier = t->kind >= HF_TAPE_EVENT && t->kind <= HF_TAPE_READ;
    const int n = snprintf(text, size, "turn %llu, %.6f s after the beginning", (unsigned long long)t->turns,
        (double)(t->now.ns - t->first.ns) / 1e9);
    if (pier && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", connection %llu", (unsigned long long)t->key);
    return text;
}

void hf_tape_spoil(hf_tape *t, const char *what)
{
    char where[160];
    if (!asks(t))
        return;
    t->differs = true;
    stop(t, "%s: %s, which no recording of ours says", place(t, where, sizeof where), what);
}

/* ---- bytes -------------------------------------------------------------------------------------------------- */

static void flush(hf_tape *t)
{
    const size_t length = t->at - PIECE_HEAD;
    if (length == 0)
        return;
    put32(t->bytes, (uint32_t)length);
    put32(t->bytes + 4, hf_tape_crc(hf_bytes_make(t->bytes + PIECE_HEAD, length)));
    for (size_t done = 0; done < t->at && !t->over;) {
        const ssize_t n = write(t->fd, t->bytes + done, t->at - done);
        if (n < 0 && errno != EINTR)
            stop(t, "it cannot be written: %s", strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    t->written += t->at;
    t->at = PIECE_HEAD;
}

static void save(hf_tape *t, hf_bytes b)
{
    if (!asks(t))
        return;
    if (t->written + t->at + PIECE_HEAD + b.len > t->most) {
        flush(t);
        stop(t, "it is full (limit record_bytes)");
        return;
    }
    for (size_t done = 0; done < b.len && !t->over;) {
        const size_t room = t->capacity - t->at, n = b.len - done < room ? b.len - done : room;
        memcpy(t->bytes + t->at, b.ptr + done, n);
        t->at += n;
        done += n;
        if (t->at == t->capacity)
            flush(t);
    }
}

static bool load(hf_tape *t, void *to, size_t n)
{
    if (!asks(t))
        return false;
    if (t->size - t->at < n) {
        stop(t, "the recording ends here");
        return false;
    }
    if (n > 0)
        memcpy(to, t->bytes + t->at, n);
    t->at += n;
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

/* Seven bits a byte, the lowest first. */
void hf_tape_u64(hf_tape *t, uint64_t *value)
{
    uint8_t bytes[10], b = 0x80;
    size_t n = 0;
    if (!asks(t))
        return;
    if (!t->plays) {
        for (uint64_t rest = *value; n == 0 || rest > 0; rest >>= 7)
            bytes[n++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        save(t, hf_bytes_make(bytes, n));
        return;
    }
    uint64_t read = 0;
    for (unsigned shift = 0; shift < 64 && b & 0x80; shift += 7) {
        if (!load(t, &b, 1))
            return;
        read |= (uint64_t)(b & 0x7f) << shift;
    }
    *value = read;
}

void hf_tape_i64(hf_tape *t, int64_t *value)
{
    uint64_t zigzag = (uint64_t)*value << 1 ^ (*value < 0 ? UINT64_MAX : 0);
    hf_tape_u64(t, &zigzag);
    *value = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
}

void hf_tape_err(hf_tape *t, hf_err *err)
{
    int64_t code = err->code;
    hf_tape_i64(t, &code);
    err->code = (int32_t)code;
}

void hf_tape_flag(hf_tape *t, bool *value)
{
    uint64_t n = *value;
    hf_tape_u64(t, &n);
    *value = n != 0;
}

void hf_tape_bytes(hf_tape *t, void *bytes, size_t n)
{
    if (!asks(t))
        return;
    if (t->plays)
        (void)load(t, bytes, n);
    else
        save(t, hf_bytes_make(bytes, n));
}

void hf_tape_length(hf_tape *t, size_t *n, size_t most)
{
    uint64_t length = *n;
    hf_tape_u64(t, &length);
    if (asks(t) && t->plays && length > most)
        hf_tape_spoil(t, "more of something than there can be");
    if (asks(t) && t->plays && length > t->size - t->at)
        stop(t, "the recording ends here");
    *n = asks(t) || !t->plays ? (size_t)length : 0;
}

void hf_tape_same(hf_tape *t, uint64_t value, const char *what, uint64_t at)
{
    uint64_t recorded = value;
    char where[160];
    if (!asks(t))
        return;
    if (!t->plays) {
        uint8_t bytes[8];
        put32(bytes, (uint32_t)value);
        put32(bytes + 4, (uint32_t)(value >> 32));
        save(t, hf_bytes_make(bytes, sizeof bytes));
        return;
    }
    uint8_t bytes[8];
    if (!load(t, bytes, sizeof bytes))
        return;
    recorded = get32(bytes) | (uint64_t)get32(bytes + 4) << 32;
    if (recorded == value)
        return;
    t->differs = true;
    stop(t, "%s: %s is another one, from byte %llu on", place(t, where, sizeof where), what, (unsigned long long)at);
}

/* ---- entries ------------------------------------------------------------------------------------------------ */

bool hf_tape_begin(hf_tape *t, hf_tape_kind kind, uint64_t key)
{
    uint8_t head = (uint8_t)kind;
    uint64_t recorded = key;
    char where[160];
    if (!asks(t))
        return false;
    t->kind = kind;
    t->key = key;
    hf_tape_bytes(t, &head, 1);
    hf_tape_u64(t, &recorded);
    if (!asks(t))
        return false;
    if (head == kind && recorded == key)
        return true;
    t->differs = true;
    stop(t, "%s: it asks for %s (%llx), and the recording has %s (%llx)", place(t, where, sizeof where), questions[kind],
        (unsigned long long)key, head < HF_TAPE_KINDS ? questions[head] : "what no server of this version asks for",
        (unsigned long long)recorded);
    return false;
}

void hf_tape_end(hf_tape *t)
{
    (void)t; /* entries need no end of their own: the next one begins */
}

void hf_tape_tell(hf_tape *t)
{
    if (asks(t) && !t->plays)
        flush(t);
}

bool hf_tape_number(hf_tape *t, uint64_t *value)
{
    if (!hf_tape_begin(t, HF_TAPE_NUMBER, 0))
        return false;
    hf_tape_u64(t, value);
    hf_tape_end(t);
    return asks(t);
}

bool hf_tape_decision(hf_tape *t, bool value)
{
    uint64_t n = value;
    (void)hf_tape_number(t, &n);
    return n != 0;
}

bool hf_tape_text(hf_tape *t, char *text, size_t room)
{
    size_t length = t != NULL && !t->plays ? strlen(text) : 0;
    HF_ASSERT(length < room);
    if (!hf_tape_begin(t, HF_TAPE_TEXT, 0))
        return false;
    hf_tape_length(t, &length, room - 1);
    hf_tape_bytes(t, text, length);
    if (t->plays)
        text[asks(t) ? length : 0] = 0;
    hf_tape_end(t);
    return asks(t);
}

void hf_tape_turn(hf_tape *t, hf_time now)
{
    if (!asks(t))
        return;
    if (t->turns++ == 0)
        t->first = now;
    t->now = now;
    hf_tape_same(t, t->trace.value, "what the server did in the turn before (its trace)", 0);
}

void hf_tape_finish(hf_tape *t)
{
    if (hf_tape_begin(t, HF_TAPE_ENDED, 0))
        hf_tape_same(t, t->trace.value, "what the server did in its last turn (its trace)", 0);
    if (!asks(t))
        return;
    hf_tape_tell(t);
    t->whole = true;
    stop(t, "the server ended here");
}

/* ---- asked of it -------------------------------------------------------------------------------------------- */

bool hf_tape_plays(const hf_tape *t)
{
    return t != NULL && t->plays;
}

bool hf_tape_is_over(const hf_tape *t)
{
    return t->over;
}

bool hf_tape_is_whole(const hf_tape *t)
{
    return t->whole;
}

bool hf_tape_differs(const hf_tape *t)
{
    return t->differs;
}

const char *hf_tape_why(const hf_tape *t)
{
    return t->why;
}

void hf_tape_pause(hf_tape *t, bool paused)
{
    if (t != NULL)
        t->paused = paused;
}

const hf_trace_sink *hf_tape_trace(hf_tape *t)
{
    return t != NULL ? &t->trace.sink : NULL;
}

uint64_t hf_tape_hash(const hf_tape *t)
{
    return t->trace.value;
}

uint64_t hf_tape_turns(const hf_tape *t)
{
    return t->turns;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static hf_tape *make(void)
{
    hf_tape *t = hf_alloc_zeroed(hf_allocator_default(), sizeof *t);
    if (t != NULL)
        hf_trace_hash_init(&t->trace);
    return t;
}

void hf_tape_free(hf_tape *t)
{
    if (t == NULL)
        return;
    if (!t->plays && !t->over)
        flush(t);
    if (!t->lent)
        hf_free(hf_allocator_default(), t->bytes, t->capacity);
    hf_free(hf_allocator_default(), t, sizeof *t);
}

hf_tape *hf_tape_record(int fd, uint64_t most, hf_err *err)
{
    hf_tape *t = make();
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (t == NULL)
        return NULL;
    t->fd = fd;
    t->most = most;
    t->bytes = hf_alloc(hf_allocator_default(), PIECE);
    t->capacity = t->bytes != NULL ? PIECE : 0;
    t->at = PIECE_HEAD;
    t->over = t->bytes == NULL; /* nothing to flush */
    const size_t length = sizeof format_line - 1;
    const bool begun = t->bytes != NULL && write(fd, format_line, length) == (ssize_t)length;
    if (begun) {
        t->written = length;
        *err = HF_OK;
        return t;
    }
    if (t->bytes != NULL)
        *err = hf_err_make(HF_ERR_IO_SYSTEM);
    t->over = true;
    hf_tape_free(t);
    return NULL;
}

hf_tape *hf_tape_play_bytes(hf_bytes bytes)
{
    hf_tape *t = make();
    if (t == NULL)
        return NULL;
    t->plays = t->lent = true;
    t->bytes = (uint8_t *)(uintptr_t)bytes.ptr;
    t->size = t->capacity = bytes.len;
    return t;
}

/* The bytes inside of the pieces, moved together. False: `why`. */
static bool join(uint8_t *bytes, size_t size, size_t *joined, hf_writer *why)
{
    size_t at = sizeof format_line - 1;
    *joined = 0;
    if (size < at || memcmp(bytes, format_line, at) != 0) {
        hf_write_text(why, "it is no recording of this version: it does not begin with \"handfast recording 1\"");
        return false;
    }
    while (size - at >= PIECE_HEAD) {
        const uint32_t length = get32(bytes + at), crc = get32(bytes + at + 4);
        const bool there = length <= size - at - PIECE_HEAD;
        if (length > PIECE || (there && hf_tape_crc(hf_bytes_make(bytes + at + PIECE_HEAD, length)) != crc)) {
            hf_write_text(why, "it is damaged: the piece at byte ");
            hf_write_decimal(why, at);
            hf_write_text(why, " is not what was written");
            return false;
        }
        if (!there)
            break; /* cut off: whoever wrote it fell */
        memmove(bytes + *joined, bytes + at + PIECE_HEAD, length);
        *joined += length;
        at += PIECE_HEAD + length;
    }
    return true;
}

/* Regular files and pipes alike. */
static uint8_t *read_all(int fd, uint64_t most, size_t *size, size_t *capacity, hf_writer *why)
{
    const hf_allocator *a = hf_allocator_default();
    uint8_t *bytes = NULL;
    *size = *capacity = 0;
    for (;;) {
        if (*size == *capacity) {
            const size_t more = *capacity == 0 ? PIECE : *capacity * 2;
            uint8_t *grown = hf_resize(a, bytes, *capacity, more);
            if (grown == NULL) {
                hf_write_text(why, "out of memory");
                break;
            }
            bytes = grown;
            *capacity = more;
        }
        const ssize_t n = read(fd, bytes + *size, *capacity - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            return bytes;
        *size += n > 0 ? (size_t)n : 0;
        if (n > 0 && *size <= most)
            continue;
        hf_write_text(why, n < 0 ? strerror(errno) : "it is larger than any recording (limit record_bytes)");
        break;
    }
    hf_free(a, bytes, *capacity);
    return NULL;
}

hf_tape *hf_tape_play(int fd, uint64_t most, hf_writer *why)
{
    size_t size, capacity, joined;
    uint8_t *bytes = read_all(fd, most, &size, &capacity, why);
    if (bytes == NULL)
        return NULL;
    hf_tape *t = join(bytes, size, &joined, why) ? make() : NULL;
    if (t == NULL) {
        if (why->length == 0)
            hf_write_text(why, "out of memory");
        hf_free(hf_allocator_default(), bytes, capacity);
        return NULL;
    }
    t->plays = true;
    t->bytes = bytes;
    t->size = joined;
    t->capacity = capacity;
    return t;
}
