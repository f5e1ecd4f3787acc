/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON (RFC 8259), strictly: one reading for one text. Names that repeat, bad UTF-8, lone surrogates, NUL, leading zeros and
 * anything behind the value are refused. Into memory of the caller, without recursion deeper than HF_JSON_DEPTH.
 */
#ifndef HF_GUARD_JSON_H
#define HF_GUARD_JSON_H

#include "text.h"

enum {
    HF_JSON_DEPTH = 16,
    HF_JSON_MEMBERS = 1024 /* of one object: each name is compared with all before it */
};

typedef enum hf_json_kind { HF_JSON_NULL, HF_JSON_FALSE, HF_JSON_TRUE, HF_JSON_NUMBER, HF_JSON_STRING, HF_JSON_ARRAY, HF_JSON_OBJECT } hf_json_kind;

typedef struct hf_json_node {
    hf_json_kind kind;
    hf_bytes name;  /* decoded; of a member */
    hf_bytes text;  /* a string decoded; anything else as it stands */
    uint32_t child; /* the first one's index, 0: none */
    uint32_t next;  /* the next sibling's */
} hf_json_node;

typedef struct hf_json {
    hf_json_node *nodes; /* the root is nodes[0] */
    size_t capacity, count;
    hf_writer scratch;   /* decoded strings; as much room as the text has is enough */
} hf_json;

/* False: it is no JSON, or does not fit `capacity` nodes. What is read lends from `text` and from the scratch memory. */
bool hf_json_parse(hf_json *j, hf_bytes text);
/* A member of an object; NULL when there is none. */
const hf_json_node *hf_json_member(const hf_json *j, const hf_json_node *object, const char *name);
const hf_json_node *hf_json_first(const hf_json *j, const hf_json_node *of);
const hf_json_node *hf_json_next(const hf_json *j, const hf_json_node *after);
/* A number without an exponent within 2^53; its fraction is cut off. */
bool hf_json_integer(const hf_json_node *node, int64_t *n);

#endif
