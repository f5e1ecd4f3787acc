/* SPDX-License-Identifier: Apache-2.0
 *
 * race: which address of a name is tried when (Happy Eyeballs, RFC 8305). Answers of the resolver and ends of attempts go in,
 * attempts to begin come out. An address may be there more than once: by QUIC (rank 0), by TCP
 * where an HTTPS record says (rank 1), and by TCP as the URL has it (rank 2).
 *
 * A value without memory of its own: it may be copied.
 */
#ifndef HF_USERAGENT_RACE_H
#define HF_USERAGENT_RACE_H

#include <handfast/base.h>

enum { HF_RACE_MOST = 64, HF_RACE_RANKS = 3 };

typedef enum hf_race_state { HF_RACE_READY, HF_RACE_RUNNING, HF_RACE_LOST } hf_race_state;

typedef struct hf_race {
    struct {
        uint8_t family, rank;
        hf_race_state state;
    } at[HF_RACE_MOST];
    size_t count, running;
    int64_t wait_ns, step_ns;
    bool answered[2];        /* IPv4, IPv6: nothing more comes of this family */
    bool begun;
    uint8_t last[HF_RACE_RANKS]; /* the family that was tried last; 0: none */
    hf_time patience;        /* without an IPv6 address nothing begins before it */
    hf_time next;            /* the next attempt may begin */
} hf_race;

/* 0: RFC 8305 8: 50 ms for the answer about IPv6, 250 ms between attempts. */
void hf_race_init(hf_race *r, int64_t wait_ns, int64_t step_ns);
/* One more address, `family` 4 or 6; its index. Those of a family in the order in which the resolver gave them. HF_RACE_MOST: it was left out. */
size_t hf_race_add(hf_race *r, uint8_t family, uint8_t rank);
/* The resolver has said all about the family. */
void hf_race_answered(hf_race *r, hf_time now, uint8_t family);
/* Begin with this one now? Call until false. */
bool hf_race_next(hf_race *r, hf_time now, size_t *index);
/* The attempt failed: the next one need not wait. */
void hf_race_failed(hf_race *r, hf_time now, size_t index);
/* When to ask again though nothing happened. */
hf_time hf_race_wake(const hf_race *r);
/* Nothing runs, and nothing is left to try. */
bool hf_race_is_over(const hf_race *r);

#endif
