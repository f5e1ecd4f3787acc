/* SPDX-License-Identifier: Apache-2.0
 *
 * What a list of fields means as a message of HTTP/2 (RFC 9113 8) or HTTP/3 (RFC 9114 4), whose rules are the same:
 * pseudo-headers, forbidden fields, lengths, trailers; and what an application may say in one. Strict, because what
 * is let through here may be written as HTTP/1 further on.
 */
#ifndef HF_HTTP_MESSAGE_H
#define HF_HTTP_MESSAGE_H

#include <handfast/http.h>

#include "field_list.h"

/* What is wrong: the rule, the byte that broke it (NULL: none of the input), and what the rule wants there. */
typedef struct hf_message_flaw {
    int32_t code; /* of hf_err */
    const uint8_t *at;
    const char *wanted; /* static */
} hf_message_flaw;

/* A version's own names for the rules that may be broken: codes of hf_err. */
typedef struct hf_message_rules {
    hf_version version;
    int32_t field_name, field_value, field_forbidden, pseudo, length, trailers;
} hf_message_rules;

/* A head taken apart: pseudo-headers by name, the rest as it came. ptr is NULL for what is missing. */
typedef struct hf_message {
    hf_bytes method, scheme, authority, path, protocol, status;
    hf_fields fields;
    int64_t length; /* Content-Length, or -1 */
} hf_message;

bool hf_message_parse(const hf_message_rules *rules, const hf_field_list *list, hf_message *m, hf_message_flaw *flaw);
/* `protocol`: extended CONNECT is taken (RFC 8441, RFC 9220). `ends`: no body follows, that is known. */
bool hf_message_request(const hf_message_rules *rules, const hf_message *m, bool protocol, bool ends,
                        hf_request_head *head, hf_message_flaw *flaw);
/* `to_head`: the request was HEAD. */
bool hf_message_response(const hf_message_rules *rules, const hf_message *m, bool to_head, bool ends,
                         hf_response_head *head, hf_message_flaw *flaw);
bool hf_message_trailers(const hf_message_rules *rules, const hf_field_list *list, uint64_t most_bytes,
                         hf_message_flaw *flaw);
/* Cookie crumbs in `fields` of the list become one field. False: no memory. */
bool hf_message_join_cookies(hf_field_list *list, hf_fields *fields);

/* ---- outward ------------------------------------------------------------------------------------------------ */

enum { HF_MESSAGE_NAME_MOST = 256 };

/* Ready-made lines of a response (hf_response_head) as fields, which lend from them. False: they are none, or are more than
 * `most`. */
bool hf_message_lines(const hf_bytes lines[2], hf_field *to, size_t most, size_t *count);
/* Fields that the application may send, of at most so many bytes. */
bool hf_message_fields_fit(hf_fields fields, uint64_t most_bytes);

/* A request to be sent: what becomes pseudo-headers, and the rest. */
typedef struct hf_message_request_out {
    hf_bytes method, scheme, authority, path, protocol;
    hf_fields fields; /* Host may be among them: it is not written */
    int64_t length;
    bool connect, expects;
} hf_message_request_out;

/* `protocol`: the peer takes extended CONNECT. False: it must not leave. */
bool hf_message_prepare(const hf_request_head *head, bool protocol, uint64_t most_bytes, hf_message_request_out *out);
static inline bool hf_message_has_path(const hf_message_request_out *o)
{
    return !o->connect || o->protocol.len > 0;
}

#endif
