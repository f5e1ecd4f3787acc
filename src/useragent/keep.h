/* SPDX-License-Identifier: Apache-2.0
 *
 * keep: which connection of a pool carries a request, whether another is opened, and which are let go. The pool owns the
 * connections; here are only the rules.
 */
#ifndef HF_USERAGENT_KEEP_H
#define HF_USERAGENT_KEEP_H

#include <handfast/http.h>

/* Whom a connection leads to: its origin, and by which way. */
typedef struct hf_keep_place {
    bool secure;
    uint16_t port;
    hf_bytes host; /* in lower case */
    uint64_t way;  /* proxies and wishes about versions: connections of different ways are never mixed */
} hf_keep_place;

/* A connection as the rules see it. Lent for the call. */
typedef struct hf_keep_row {
    hf_keep_place place;
    hf_version version;    /* 0: not known yet: it is being opened */
    uint32_t busy, most;   /* exchanges now, and how many fit: 1 with HTTP/1 */
    bool over;             /* nothing more can be asked on it */
    bool covers;           /* its certificate is good for the host asked for, and it goes to an address of that host */
    hf_time idle_since;    /* where busy is 0 */
} hf_keep_row;

typedef struct hf_keep_rules {
    uint32_t per_place, all; /* connections */
    int64_t idle_ns;
} hf_keep_rules;

typedef enum hf_keep_verdict { HF_KEEP_USE, HF_KEEP_OPEN, HF_KEEP_WAIT } hf_keep_verdict;

/* For one more request to `wanted`, before which `ahead` others to the same place wait: USE *index; OPEN another, for which first *index is to be closed unless it is `count`; or WAIT. */
hf_keep_verdict hf_keep_choose(const hf_keep_rules *rules, const hf_keep_row *rows, size_t count, const hf_keep_place *wanted, uint32_t ahead, hf_time now,
    size_t *index);
/* Is the connection to be closed: it is over, or idle for too long? */
bool hf_keep_expires(const hf_keep_rules *rules, const hf_keep_row *row, hf_time now);
hf_time hf_keep_wake(const hf_keep_rules *rules, const hf_keep_row *rows, size_t count);

#endif
