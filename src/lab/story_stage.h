/* SPDX-License-Identifier: Apache-2.0
 *
 * The stage on which stories play: two endpoints, a link, a clock, and a record of every segment.
 */
#ifndef HF_LAB_STORY_STAGE_H
#define HF_LAB_STORY_STAGE_H

#include <stdio.h>

#include <handfast/tcp.h>

#include "tcp_wire.h"
#include "two_way.h"

enum { STAGE_LINES = 512, STAGE_FLIGHT = 4096, STAGE_CONNECTIONS = 16, STAGE_BYTES = 200000 };

typedef enum hf_stage_side { HF_CLIENT, HF_SERVER } hf_stage_side;
/* What the network does with the next segment that a rule meets. */
typedef enum hf_stage_fate { HF_STAGE_PASS, HF_STAGE_LOSE, HF_STAGE_DELAY } hf_stage_fate;

/* One line of the ladder. */
typedef struct hf_stage_line {
    hf_time at, arrived;       /* arrived HF_NEVER: lost */
    bool note;                 /* only `text` */
    hf_stage_side from;
    const char *left, *right;  /* the states: the sender's when it left, the other's when it arrived */
    char what[96];
    char text[200];
    uint8_t header[HF_TCP_HEADER_MOST];
    uint16_t header_length;
    uint32_t payload;
    bool forged;
} hf_stage_line;

typedef struct hf_stage_flight {
    hf_time at;
    uint64_t order;
    hf_stage_side to;
    uint32_t line;             /* STAGE_LINES: not recorded */
    size_t length;
    uint8_t *bytes;
} hf_stage_flight;

struct hf_stage;
typedef hf_stage_fate (*hf_stage_rule)(struct hf_stage *s, hf_stage_side from, const hf_segment *segment);

typedef struct hf_stage {
    FILE *out, *capture;
    hf_time now, began;
    hf_limits limits;
    hf_random random;
    hf_env env;
    hf_tcp_config config[2];
    hf_tcp_endpoint *ep[2];
    hf_ip ip[2];
    hf_tcp *first[2];          /* the connection that the story is about; NULL: none yet, or no more */
    hf_two_way *model;         /* stands in for the server */
    bool reading[2];
    bool quiet;                /* nothing is recorded: floods */
    bool answers_with_end[2];  /* ends as soon as the peer has */
    hf_stage_rule rule;
    unsigned rule_count;
    int64_t delay_ns;
    hf_stage_line lines[STAGE_LINES];
    uint32_t line_count;
    hf_stage_flight flight[STAGE_FLIGHT];
    uint32_t flight_count;
    uint64_t order;
    uint64_t received[2], events[2], accepted;
    hf_seq base[2];            /* relative numbers begin here */
    bool base_known[2];
    bool failed;
} hf_stage;

/* Makes the hosts; config may be changed before. The server listens on port 80. */
bool hf_stage_open(hf_stage *s);
/* Prints what was recorded, writes the capture, and clears the table for another act. */
void hf_stage_tell(hf_stage *s);
void hf_stage_close(hf_stage *s);
/* A remark between the lines. */
void hf_stage_note(hf_stage *s, const char *format, ...) HF_PRINTF(2, 3);
/* Text outside the ladder. */
void hf_stage_say(hf_stage *s, const char *format, ...) HF_PRINTF(2, 3);

void hf_stage_connect(hf_stage *s);
void hf_stage_put(hf_stage *s, hf_stage_side side, size_t bytes);
void hf_stage_end(hf_stage *s, hf_stage_side side);
/* Takes what has arrived and goes on reading. */
void hf_stage_read(hf_stage *s, hf_stage_side side);
void hf_stage_run(hf_stage *s, int64_t ns);
/* Lets out what `side` has to say now. */
void hf_stage_speak(hf_stage *s, hf_stage_side side);
/* A segment out of the network's past, as if `from` had sent it. */
void hf_stage_forge(hf_stage *s, hf_stage_side from, const hf_segment *segment, const char *why);
hf_tcp_counts hf_stage_counts(const hf_stage *s, hf_stage_side side);

#endif
