/* SPDX-License-Identifier: Apache-2.0
 *
 * talk: HTTP/1.1 over a line, one exchange after another.
 */
#ifndef HF_CLIENT_TALK_H
#define HF_CLIENT_TALK_H

#include <handfast/http1.h>

#include "dial.h"

typedef struct hf_talk {
    hf_line *line; /* lent */
    hf_http1 *core;
} hf_talk;

/* False when memory ends. The line is open, and speaks HTTP/1.1. */
bool hf_talk_open(hf_talk *t, hf_line *line);
void hf_talk_close(hf_talk *t);
/* `head` as of hf_http1_request. With content_length HF_LENGTH_NONE the request is whole; else its body goes through the core:
 * hf_http1_put, hf_http1_end. */
hf_err hf_talk_request(hf_talk *t, const hf_request_head *head);
/* Sends what there is to send, takes what came: the next event, or HF_IDLE: wait (hf_dialer_wait until hf_talk_wake), then
 * again. HF_CLOSED, HF_FAULT: over; *why says how. BODY is to be taken (hf_http1_take) before the next step. */
hf_step hf_talk_step(hf_talk *t, hf_http1_event *event, hf_err *why);
hf_time hf_talk_wake(const hf_talk *t);

#endif
