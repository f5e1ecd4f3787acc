/* SPDX-License-Identifier: Apache-2.0
 *
 * The access log: one line for each answered request. What a peer sent cannot break a line, move a terminal's cursor,
 * or put a secret into the log: control bytes are escaped, and the values of parameters whose names sound secret are
 * replaced by REDACTED. Authorization, Cookie and Set-Cookie have no place in a record at all.
 */
#ifndef HF_SERVER_ACCESS_LOG_H
#define HF_SERVER_ACCESS_LOG_H

#include <stdatomic.h>

#include <handfast/http.h>

#include "io.h"
#include "text.h"

typedef enum hf_access_format {
    HF_ACCESS_JSON,     /* a JSON object a line, OpenTelemetry's names */
    HF_ACCESS_COMBINED, /* Apache's "combined", with the connection, the request and the error quoted behind it */
    HF_ACCESS_LOGFMT    /* name=value name="other value", the names of JSON */
} hf_access_format;

/* One exchange. Bytes are lent for the call. What is empty (or 0, where 0 says nothing) is left out or written "-". */
typedef struct hf_access_record {
    int64_t wall_ms;   /* when the request's head arrived: milliseconds since 1970 UTC */
    uint64_t conn_id;  /* written "c" and hexadecimal digits, as in hf_req_id */
    hf_bytes req_id;   /* hf_req_id; empty where no request was understood */
    hf_bytes trace_id; /* of the traceparent it came with, 32 digits; empty: it had none */
    hf_bytes parent_id; /* likewise, 16 */
    uint64_t span_id;  /* this request's own in that trace */
    hf_address client;
    hf_bytes user;     /* whom the client says to be, by basic_auth; the status tells whether that was believed */
    hf_bytes method;   /* as it was sent */
    hf_bytes path;     /* still percent-encoded */
    hf_bytes query;    /* without '?'; ptr NULL: there was none */
    hf_version version; /* 0: unknown */
    uint16_t tls;       /* 0x0304 is TLS 1.3; 0: none */
    hf_bytes cipher;    /* "TLS_AES_128_GCM_SHA256" */
    bool resumed;       /* by a ticket */
    hf_bytes tls_client; /* the subject of the certificate that the client showed */
    uint16_t status;
    uint64_t request_body_bytes;
    uint64_t response_body_bytes; /* that left, not that were promised */
    int64_t duration_ns;          /* from the head's arrival to the last byte's leaving */
    hf_bytes user_agent;
    hf_bytes referer;
    hf_err err;        /* why it was refused or cut short */
} hf_access_record;

/* No line is longer, so that one write to a pipe is atomic (PIPE_BUF); long values are cut, and end in "...". */
enum { HF_ACCESS_LINE = 4096 };

/* Appends one line with its "\n". Pure. Returns its length: 0, with nothing appended, when `w` has not HF_ACCESS_LINE
 * bytes of room. */
size_t hf_access_format_record(hf_writer *w, hf_access_format kind, const hf_access_record *record);

/* ---- the sink ----------------------------------------------------------------------------------------------- */

/* One for a process, which ignores SIGPIPE and SIGXFSZ. Never blocks and never stops the server: lines that the disk or the reader does not take are
 * dropped and counted, and the count is reported on standard error at most once a minute. */
typedef struct hf_access_log {
    int fd; /* -1: none; lines go nowhere */
    int spare; /* a descriptor for the moment of a rotation, when others have taken all the rest; -1: none */
    bool is_socket;
    bool may_block; /* ask poll first */
    size_t most;    /* bytes that one write keeps together */
    hf_access_format kind;
    const char *path;  /* NULL for standard output */
    _Atomic bool torn; /* the last write stopped in mid-line: the next one begins a new line */
    _Atomic int why;   /* errno of the last drop */
    _Atomic uint64_t dropped;  /* lines, since the start */
    _Atomic uint64_t reported; /* of `dropped` */
    _Atomic int64_t report_ns; /* not before */
} hf_access_log;

/* `path` is a file to append to, "-" for standard output, or NULL for none; lends it until close. Errors:
 * HF_ERR_IO_SYSTEM, with errno. */
hf_err hf_access_log_open(hf_access_log *log, const char *path, hf_access_format kind);
/* Opens the path again and puts it in the old one's place, after a rotation (SIGUSR1). Safe while others write. On
 * failure, which is said on standard error, the old file stays. */
void hf_access_log_reopen(hf_access_log *log);
void hf_access_log_close(hf_access_log *log);
uint64_t hf_access_log_dropped(const hf_access_log *log);

/* A log, and a number of its own for as long as the process lives: after a reload, requests that began before know by it
 * whether their log is still there. */
typedef struct hf_log_use {
    hf_access_log *log; /* NULL: nowhere */
    uint64_t id;        /* 0: nowhere */
} hf_log_use;

/* A loop thread's own end of it: no lock. */
typedef struct hf_access_buffer {
    hf_access_log *log;
    const hf_allocator *alloc;
    uint8_t *bytes; /* obtained with the first record */
    size_t length;
    hf_time oldest; /* of the lines held; HF_NEVER without any */
} hf_access_buffer;

enum { HF_ACCESS_BUFFER = 65536, HF_ACCESS_DELAY_MS = 200 };

/* Allocates nothing yet. Lends both until fini. `log` NULL: records go nowhere. */
void hf_access_buffer_init(hf_access_buffer *b, hf_access_log *log, const hf_allocator *alloc);
/* Writes what is held, says how many lines were dropped since that was last said, and frees. */
void hf_access_buffer_fini(hf_access_buffer *b, hf_time now);
/* Appends a record; writes when the buffer is full. */
void hf_access_append(hf_access_buffer *b, hf_time now, const hf_access_record *record);
/* At the end of each turn of the loop: writes what is older than HF_ACCESS_DELAY_MS. */
void hf_access_turn(hf_access_buffer *b, hf_time now);
/* When turn should be called at the latest: HF_NEVER when nothing is held. */
hf_time hf_access_wake(const hf_access_buffer *b);

#endif
