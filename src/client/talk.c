/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

enum { SCRATCH = 65536, PIECES = 64 };

bool hf_talk_open(hf_talk *t, hf_line *line)
{
    *t = (hf_talk){ .line = line };
    t->core = hf_http1_client_new(hf_dialer_env(line->dialer), 1, hf_dialer_now(line->dialer));
    return t->core != NULL;
}

void hf_talk_close(hf_talk *t)
{
    hf_http1_free(t->core);
    t->core = NULL;
}

hf_err hf_talk_request(hf_talk *t, const hf_request_head *head)
{
    const hf_err err = hf_http1_request(t->core, head);
    if (err.code != 0 || head->content_length != HF_LENGTH_NONE)
        return err;
    return hf_http1_end(t->core, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
}

static void send_out(hf_talk *t, hf_time now)
{
    static uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    while (hf_line_has_room(t->line)) {
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
        if (hf_http1_emit(t->core, now, &out) == 0)
            return;
        hf_line_put(t->line, &out);
    }
}

hf_step hf_talk_step(hf_talk *t, hf_http1_event *event, hf_err *why)
{
    const hf_time now = hf_dialer_now(t->line->dialer);
    *why = HF_OK;
    send_out(t, now);
    hf_line_pull(t->line);
    const hf_span held = hf_line_peek(t->line);
    hf_in in = { .ptr = held.ptr, .len = held.len, .fin = t->line->fin || t->line->broken };
    const hf_step s = hf_http1_step(t->core, now, &in, event);
    hf_line_take(t->line, in.used);
    send_out(t, now);
    if (s == HF_EVENT)
        return s;
    if (s == HF_FAULT || s == HF_CLOSED) {
        *why = t->line->broken ? t->line->err : hf_http1_fault(t->core)->err;
        return s;
    }
    if (t->line->broken) {
        *why = t->line->err;
        return HF_FAULT;
    }
    return HF_IDLE;
}

hf_time hf_talk_wake(const hf_talk *t)
{
    return hf_time_earlier(hf_http1_wake(t->core), hf_line_wake(t->line));
}
