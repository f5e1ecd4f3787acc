/* SPDX-License-Identifier: Apache-2.0 */
#include "qlog_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "qlog.h"

enum { BUFFER = 8192 };

/* A connection's file, while it is open. */
typedef struct log_file {
    struct log_file *next;
    uint64_t id;
    int fd;
    hf_time began;
    uint64_t written; /* and in the buffer */
    size_t held;
    uint8_t buffer[BUFFER];
} log_file;

struct hf_qlog_files {
    hf_trace_sink sink;
    const hf_trace_sink *next;
    const hf_limits *limits;
    log_file *open; /* the one that was told of last is first */
    uint64_t count;
    int folder;
};

static void flush(log_file *f)
{
    size_t at = 0;
    while (at < f->held) {
        const ssize_t n = write(f->fd, f->buffer + at, f->held - at);
        if (n <= 0)
            break; /* a full disk loses logs, not connections */
        at += (size_t)n;
    }
    f->held = 0;
}

static void add(hf_qlog_files *q, log_file *f, hf_bytes record)
{
    if (f->written + record.len > q->limits->qlog_bytes)
        return;
    if (f->held + record.len > sizeof f->buffer)
        flush(f);
    memcpy(f->buffer + f->held, record.ptr, record.len);
    f->held += record.len;
    f->written += record.len;
}

static uint64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void begin(hf_qlog_files *q, const hf_trace_record *r)
{
    char name[32];
    uint8_t head[HF_QLOG_RECORD_MOST];
    hf_writer w = hf_writer_make(head, sizeof head);
    if (q->count >= q->limits->qlog_files)
        return;
    snprintf(name, sizeof name, "c%llx.sqlog", (unsigned long long)r->connection);
    const int fd = openat(q->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    log_file *const f = fd >= 0 ? malloc(sizeof *f) : NULL;
    if (f == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    f->id = r->connection;
    f->fd = fd;
    f->began = r->at;
    f->written = f->held = 0;
    f->next = q->open;
    q->open = f;
    q->count++;
    hf_qlog_begin(&w, r->connection, r->first != 0, wall_ms());
    add(q, f, hf_written(&w));
}

static void end(hf_qlog_files *q, log_file **at)
{
    log_file *const f = *at;
    flush(f);
    close(f->fd);
    *at = f->next;
    q->count--;
    free(f);
}

/* Where the connection's file hangs, moved to the front; NULL: it has none. */
static log_file **find(hf_qlog_files *q, uint64_t id)
{
    for (log_file **at = &q->open; *at != NULL; at = &(*at)->next) {
        log_file *const f = *at;
        if (f->id != id)
            continue;
        *at = f->next;
        f->next = q->open;
        q->open = f;
        return &q->open;
    }
    return NULL;
}

static void record(void *ctx, const hf_trace_record *r)
{
    enum { OVER = 4 }; /* the last of HF_QUIC_STATES */
    hf_qlog_files *const q = ctx;
    uint8_t text[HF_QLOG_RECORD_MOST];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (q->next != NULL)
        q->next->record(q->next->ctx, r);
    if (r->kind == HF_TRACE_QUIC_BEGUN) {
        begin(q, r);
        return;
    }
    if (r->kind < HF_TRACE_QUIC_STATE || q->open == NULL)
        return;
    log_file **const at = find(q, r->connection);
    if (at == NULL)
        return;
    if (hf_qlog_record(&w, r, (*at)->began))
        add(q, *at, hf_written(&w));
    if (r->kind == HF_TRACE_QUIC_STATE && r->second == OVER)
        end(q, at);
}

hf_qlog_files *hf_qlog_files_new(const char *folder, const hf_limits *limits, const hf_trace_sink *next, hf_err *err)
{
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    hf_qlog_files *const q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    *q = (hf_qlog_files){ .sink = { record, q }, .next = next, .limits = limits };
    q->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (q->folder < 0 || faccessat(q->folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        *err = hf_err_make(HF_ERR_IO_SYSTEM);
        if (q->folder >= 0)
            close(q->folder);
        free(q);
        return NULL;
    }
    return q;
}

void hf_qlog_files_free(hf_qlog_files *q)
{
    if (q == NULL)
        return;
    while (q->open != NULL)
        end(q, &q->open);
    close(q->folder);
    free(q);
}

const hf_trace_sink *hf_qlog_files_sink(hf_qlog_files *q)
{
    return &q->sink;
}
