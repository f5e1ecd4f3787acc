/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/http.h - what every version of HTTP means alike (RFC 9110): methods and what they promise, fields, heads.
 */
#ifndef HANDFAST_HTTP_H
#define HANDFAST_HTTP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- methods ------------------------------------------------------------------------------------------------ */

typedef enum hf_method {
    HF_METHOD_UNKNOWN, /* a valid token that names no method we know: 501 */
    HF_METHOD_GET,
    HF_METHOD_HEAD,
    HF_METHOD_POST,
    HF_METHOD_PUT,
    HF_METHOD_DELETE,
    HF_METHOD_CONNECT,
    HF_METHOD_OPTIONS,
    HF_METHOD_TRACE,
    HF_METHOD_PATCH,
    HF_METHOD_QUERY, /* RFC 10008: safe and idempotent, with a body */
    HF_METHOD_COUNT
} hf_method;

typedef enum hf_body_rule {
    HF_BODY_MEANINGLESS, /* a body has no defined meaning; routes refuse it (GET, HEAD, DELETE, ...) */
    HF_BODY_ALLOWED,
    HF_BODY_REQUIRED /* the body is the request (QUERY): Content-Type and content are expected */
} hf_body_rule;

/* What a method promises (RFC 9110 9.2; RFC 10008). */
typedef struct hf_method_contract {
    const char *name;
    bool safe;        /* asks for no change of state */
    bool idempotent;  /* twice has the same effect as once: a client may retry */
    bool cacheable;   /* its answer may be stored by default */
    hf_body_rule body;
} hf_method_contract;

/* Methods are case-sensitive (RFC 9110 9.1). */
HF_API hf_method hf_method_parse(hf_bytes name);
/* Lends static memory; UNKNOWN gets the contract of nothing promised. */
HF_API const hf_method_contract *hf_method_describe(hf_method method);

/* ---- versions ----------------------------------------------------------------------------------------------- */

typedef enum hf_version { HF_HTTP_1_0 = 10, HF_HTTP_1_1 = 11, HF_HTTP_2 = 20, HF_HTTP_3 = 30 } hf_version;

/* ---- fields ------------------------------------------------------------------------------------------------- */

/* Fields that Handfast itself acts on have an id, found once when the field is parsed. */
typedef enum hf_field_id {
    HF_FIELD_OTHER,
#define HF_FIELD(id, name) HF_FIELD_##id,
#include "fields.def"
#undef HF_FIELD
    HF_FIELD_COUNT
} hf_field_id;

typedef struct hf_field {
    hf_bytes name;  /* as it was sent; compare with hf_field_name_is */
    hf_bytes value; /* without leading and trailing white space */
    hf_field_id id;
} hf_field;

/* The known field of this name, whatever the case of its letters; HF_FIELD_OTHER. */
HF_API hf_field_id hf_field_identify(hf_bytes name);
/* The usual spelling, "Content-Type". Lends static memory. */
HF_API hf_bytes hf_field_spelling(hf_field_id id);

typedef struct hf_fields {
    const hf_field *at;
    size_t count;
} hf_fields;

/* The first field with this id, or NULL. */
HF_API const hf_field *hf_fields_find(hf_fields fields, hf_field_id id);
/* The next one after `after` (NULL: the first) with this id, or NULL. */
HF_API const hf_field *hf_fields_next(hf_fields fields, hf_field_id id, const hf_field *after);
/* By name, ASCII case folded. */
HF_API const hf_field *hf_fields_find_name(hf_fields fields, hf_bytes name);

/* ---- targets and heads -------------------------------------------------------------------------------------- */

/* RFC 9112 3.2 */
typedef enum hf_target_form { HF_TARGET_ORIGIN, HF_TARGET_ABSOLUTE, HF_TARGET_AUTHORITY, HF_TARGET_ASTERISK } hf_target_form;

/* -1: no body. -2: a body of unknown length (chunked). */
#define HF_LENGTH_NONE (-1)
#define HF_LENGTH_UNKNOWN (-2)

/* How slowly the body of one request may come: the longest pause, and the least average rate (0: none). */
typedef struct hf_pace {
    uint64_t pause_ns; /* limit body_idle_ns */
    uint64_t rate;     /* limit body_rate */
} hf_pace;

typedef struct hf_request_head {
    hf_method method;
    hf_version version;
    hf_target_form form;
    hf_bytes method_name;
    hf_bytes target;    /* as it was sent */
    hf_bytes scheme;    /* absolute form, HTTP/2 and 3; else empty */
    hf_bytes authority; /* from the absolute form or :authority, else Host; empty where there is none (HTTP/1.0) */
    hf_bytes path;      /* still percent-encoded, begins with '/'; "*" for the asterisk form, empty for the authority form */
    hf_bytes query;     /* without '?'; ptr is NULL when there was no '?' */
    hf_fields fields;
    int64_t content_length; /* or HF_LENGTH_NONE, HF_LENGTH_UNKNOWN */
    bool expect_continue;   /* RFC 9110 10.1.1: the client waits for 100 before it sends the body */
    bool keep_alive;        /* the connection would persist after this exchange (RFC 9112 9.3) */
    hf_bytes upgrade;       /* the Upgrade field's value when Connection names it, else empty */
} hf_request_head;

typedef struct hf_response_head {
    uint16_t status;
    hf_version version;     /* received */
    hf_bytes reason;        /* received; when sending, empty means the usual phrase */
    hf_fields fields;       /* framing and connection fields are the core's to write: Content-Length, Transfer-Encoding,
                               Connection, Keep-Alive and Upgrade given here are refused */
    int64_t content_length; /* or HF_LENGTH_NONE (204, 304, answers to HEAD keep theirs), HF_LENGTH_UNKNOWN */
    bool close;             /* sending: end the connection after this exchange. received: the peer will */
    hf_bytes lines[2];      /* sending HTTP/1 and HTTP/2: ready-made field lines, "Name: value" and CRLF each, that leave before
                               `fields`. The core of HTTP/1 looks at no byte of them, that of HTTP/2 makes fields of them once
                               and knows them again: only for what the caller wrote and checked himself. HTTP/3 knows no
                               lines: leave them empty there */
} hf_response_head;

/* ---- faults ------------------------------------------------------------------------------------------------- */

/* Why a core faulted: the rule, and the evidence. */
typedef struct hf_fault {
    hf_err err;        /* HF_OK: no fault */
    uint64_t offset;   /* of the offending byte in the stream */
    uint16_t status;   /* what a server answers: 400, 408, 413, 414, 431, 501, 505 */
    uint8_t got_length;
    uint8_t got[47];   /* the first bytes of what was got */
    const char *wanted; /* what the rule wants there. Static */
} hf_fault;

/* "Not Found" for 404; empty for a status without a registered phrase. Lends static memory. */
HF_API hf_bytes hf_status_phrase(uint16_t status);

#ifdef __cplusplus
}
#endif
#endif
