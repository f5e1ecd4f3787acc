/* SPDX-License-Identifier: Apache-2.0
 *
 * What the head of an answer says about policy, and what it leaves out: security fields, cookies, caching, compression. Judged as
 * a browser that asked for the page itself would.
 */
#ifndef HF_EXPLAIN_FINDINGS_H
#define HF_EXPLAIN_FINDINGS_H

#include <handfast/http.h>

enum { HF_FINDINGS_MOST = 48, HF_FINDING_TEXT = 240 };

typedef enum hf_weight {
    HF_WEIGHT_FINE,  /* as it should be */
    HF_WEIGHT_NOTE,  /* worth knowing */
    HF_WEIGHT_WEAK,  /* a protection is missing, or time is wasted */
    HF_WEIGHT_WRONG  /* a browser drops or refuses it, or it undoes a protection */
} hf_weight;

typedef struct hf_finding {
    hf_weight weight;
    hf_err err;                  /* HF_OK: it has no code of its own */
    const char *subject;         /* the field, most often. Static */
    char found[HF_FINDING_TEXT]; /* a sentence without its full stop; of what strangers wrote only printable ASCII is in it */
    const char *rule;            /* where it is written. Static */
    const char *remedy;          /* NULL: none is needed. Static */
} hf_finding;

typedef struct hf_answer {
    uint16_t status;
    hf_version version;
    bool secure;     /* came over TLS */
    bool loopback;   /* from this machine: browsers trust it without TLS */
    bool by_address; /* the host is an address, no name */
    bool closes;     /* the server ends the connection behind it */
    uint64_t body;   /* bytes that came */
    hf_fields fields;
} hf_answer;

/* Where findings are gathered. What does not fit is dropped. */
typedef struct hf_finding_list {
    hf_finding *at;
    size_t count, capacity;
} hf_finding_list;

/* One more, with the rule and the remedy of the catalogue; what is told of strangers is made harmless. `subject` is static. */
void hf_finding_say(hf_finding_list *l, hf_weight weight, hf_err err, const char *subject, const char *format, ...) HF_PRINTF(5, 6);
/* The most severe first; among equals the order stays. */
void hf_findings_sort(hf_finding *at, size_t n);

/* The most severe first; how many there are, at most `capacity`. */
size_t hf_findings(const hf_answer *answer, hf_finding *findings, size_t capacity);
/* "fine", "note", "weak", "wrong". Static. */
const char *hf_weight_name(hf_weight weight);

#endif
