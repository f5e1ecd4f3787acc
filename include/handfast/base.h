/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/base.h - the words every other header speaks: bytes, errors, time, and what a core is given at creation.
 *
 * Three words describe ownership everywhere in Handfast:
 *   lends  the memory stays its owner's; the comment names the moment until which it may be read
 *   gives  the receiver owns it from now on and must free it
 *   keeps  the callee holds a reference of its own until the comment's moment
 */
#ifndef HANDFAST_BASE_H
#define HANDFAST_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__cplusplus)
#define HF_NODISCARD [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ > 201710L
#define HF_NODISCARD [[nodiscard]]
#else
#define HF_NODISCARD
#endif

/* Marks what libhandfast.so exports; everything else stays inside. */
#define HF_API __attribute__((visibility("default")))
#define HF_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bytes -------------------------------------------------------------------------------------------------- */

/* A run of bytes to read. Never NUL-terminated by promise. `ptr` may be NULL only when `len` is 0. */
typedef struct hf_bytes {
    const uint8_t *ptr;
    size_t len;
} hf_bytes;

/* A run of bytes that may also be written, such as a record decrypted in place. */
typedef struct hf_span {
    uint8_t *ptr;
    size_t len;
} hf_span;

static inline hf_bytes hf_bytes_make(const void *ptr, size_t len)
{
    hf_bytes b;
    b.ptr = (const uint8_t *)ptr;
    b.len = len;
    return b;
}

/* The bytes of a NUL-terminated string, without the NUL. Lends `text`. */
static inline hf_bytes hf_text(const char *text)
{
    return hf_bytes_make(text, text ? strlen(text) : 0);
}

/* The bytes of a string literal: a constant expression, usable in static tables. */
#define HF_LITERAL(s) { (const uint8_t *)("" s ""), sizeof(s) - 1 }

static inline bool hf_bytes_equal(hf_bytes a, hf_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Arguments for "%.*s". */
#define HF_STR(b) ((int)(b).len), ((const char *)(b).ptr)
#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* What a function that can fail returns. `code` is 0 for success, else area << 16 | number from errors.def.
 * "Not yet" is never an error. */
typedef struct HF_NODISCARD hf_err {
    int32_t code;
} hf_err;

static inline hf_err hf_err_make(int32_t code)
{
    hf_err e;
    e.code = code;
    return e;
}
#define HF_OK hf_err_make(0)

/* The areas of the catalogue. A core's errors lie in its own. */
typedef enum hf_area {
    HF_AREA_BASE = 1,
    HF_AREA_IO,
    HF_AREA_HTTP,
    HF_AREA_HTTP1,
    HF_AREA_TLS,
    HF_AREA_HTTP2,
    HF_AREA_WEBSOCKET,
    HF_AREA_EVENTSTREAM,
    HF_AREA_NET,
    HF_AREA_TCP,
    HF_AREA_QUIC,
    HF_AREA_COOKIE,
    HF_AREA_SESSION,
    HF_AREA_CSRF,
    HF_AREA_JWT,
    HF_AREA_CORS,
    HF_AREA_GUARD,
    HF_AREA_HTTP3,
    HF_AREA_TOPIC,
    HF_AREA_CLIENT,
    HF_AREA_EXPLAIN
} hf_area;

/* HF_ERR_HTTP1_BARE_LF and its like: the codes, one for each row of errors.def. */
typedef enum hf_err_code {
#define HF_ERROR(area, number, NAME, ...) HF_ERR_##area##_##NAME = (HF_AREA_##area << 16) | (number),
#include "errors.def"
#undef HF_ERROR
    HF_ERR_NONE = 0
} hf_err_code;

/* One row of the catalogue: what log lines, problem documents, `handfast explain` and the manual are made from. */
typedef struct hf_err_info {
    const char *id;     /* "HF-HTTP1-003" */
    const char *name;   /* "bare LF": short, lower case */
    uint16_t status;    /* the HTTP status that reports it, 0 when none does */
    const char *rule;   /* the rule that fired, with its source: "RFC 9112 2.2: ..." */
    const char *cause;  /* the likely cause */
    const char *remedy; /* what to do about it */
} hf_err_info;

/* The catalogue's row for `err`. Never NULL: an unknown code gets a row that says so. Lends static memory. */
HF_API const hf_err_info *hf_err_describe(hf_err err);
/* "HF-HTTP1-003 bare LF" as one string. Lends static memory. */
HF_API const char *hf_err_text(hf_err err);
/* Row `index` of the catalogue with its code, false past the end. For printing the whole of it. */
HF_API bool hf_err_row(size_t index, hf_err *err, const hf_err_info **info);

/* ---- time --------------------------------------------------------------------------------------------------- */

/* Monotonic time in nanoseconds since an unnamed moment. Cores are told the time; none may ask for it. */
typedef struct hf_time {
    int64_t ns;
} hf_time;

/* Civil time: seconds since 1970-01-01T00:00:00Z. For dates, cookies and certificates. Does not mix with hf_time. */
typedef struct hf_wall {
    int64_t s;
} hf_wall;

#define HF_NEVER_NS INT64_MAX
#define HF_MILLISECONDS(n) ((int64_t)(n) * 1000000)
#define HF_SECONDS(n) ((int64_t)(n) * 1000000000)

static inline hf_time hf_time_make(int64_t ns)
{
    hf_time t;
    t.ns = ns;
    return t;
}
#define HF_NEVER hf_time_make(HF_NEVER_NS)

static inline hf_time hf_time_after(hf_time t, int64_t ns)
{
    return hf_time_make(ns > 0 && t.ns > HF_NEVER_NS - ns ? HF_NEVER_NS : t.ns + ns);
}
static inline bool hf_time_before(hf_time a, hf_time b)
{
    return a.ns < b.ns;
}
static inline hf_time hf_time_earlier(hf_time a, hf_time b)
{
    return a.ns < b.ns ? a : b;
}

/* ---- what a core is given at creation ----------------------------------------------------------------------- */

/* One function allocates, grows and frees. `new_size` 0 frees and returns NULL. On failure it returns NULL and
 * `old` stays as it was. `old_size` is exactly what was asked for before. */
typedef struct hf_allocator {
    void *(*resize)(void *ctx, void *old, size_t old_size, size_t new_size);
    void *ctx;
} hf_allocator;

/* Seeded randomness as a value (xoshiro256**). For ids, jitter and simulation: never for secrets. */
typedef struct hf_random {
    uint64_t s[4];
} hf_random;

/* Every bound of Handfast by name; limits.def gives each its default, unit and reason. */
typedef struct hf_limits {
#define HF_LIMIT(name, value, unit, why) uint64_t name;
#include "limits.def"
#undef HF_LIMIT
} hf_limits;

/* The defaults. Lends static memory. */
HF_API const hf_limits *hf_limits_default(void);

typedef struct hf_limit_info {
    const char *name, *unit, *why;
    uint64_t value; /* the default */
} hf_limit_info;
/* Row `index` of the table, false past the end. */
HF_API bool hf_limit_row(size_t index, hf_limit_info *info);

struct hf_trace_record;
/* Where trace points go. `record` must not call back into the core. */
typedef struct hf_trace_sink {
    void (*record)(void *ctx, const struct hf_trace_record *);
    void *ctx;
} hf_trace_sink;

/* Everything a core may use that is not its own: handed over once, at creation. The core keeps the pointer for life. */
typedef struct hf_env {
    hf_allocator alloc;
    hf_random *random;           /* owned by one thread */
    const hf_trace_sink *trace;  /* NULL: tracing is off and costs one branch */
    const hf_limits *limits;     /* never NULL */
} hf_env;

#ifdef __cplusplus
}
#endif
#endif
