/* SPDX-License-Identifier: Apache-2.0
 *
 * The stage: the clock, the link, the two applications.
 */
#include "story_stage.h"

#include <stdarg.h>
#include <stdlib.h>

#include "allocator.h"
#include "random.h"

static uint8_t words[STAGE_BYTES];

bool hf_stage_open(hf_stage *s)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog. ";
    for (size_t i = 0; i < sizeof words; i++)
        words[i] = (uint8_t)text[i % (sizeof text - 1)];
    s->limits = s->limits.tcp_syns > 0 ? s->limits : *hf_limits_default();
    hf_random_seed(&s->random, 7);
    s->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &s->random, .limits = &s->limits };
    s->now = s->began = hf_time_make(HF_SECONDS(3600));
    s->delay_ns = s->delay_ns > 0 ? s->delay_ns : HF_MILLISECONDS(20);
    s->ip[HF_CLIENT] = hf_ip_make4(10, 0, 0, 1);
    s->ip[HF_SERVER] = hf_ip_make4(10, 0, 0, 2);
    for (int i = 0; i < 2; i++) {
        memset(s->config[i].secret, 0x51 + i, sizeof s->config[i].secret);
        s->reading[i] = true;
        s->ep[i] = hf_tcp_endpoint_new(&s->env, &s->config[i], s->now);
        if (s->ep[i] == NULL)
            return false;
    }
    return !hf_tcp_listen(s->ep[HF_SERVER], &s->ip[HF_SERVER], 80, 0).code;
}

void hf_stage_close(hf_stage *s)
{
    for (uint32_t i = 0; i < s->flight_count; i++)
        free(s->flight[i].bytes);
    s->flight_count = 0;
    for (int i = 0; i < 2; i++) {
        hf_tcp_endpoint_free(s->ep[i]);
        s->ep[i] = NULL;
    }
}

hf_tcp_counts hf_stage_counts(const hf_stage *s, hf_stage_side side)
{
    hf_tcp_counts counts;
    hf_tcp_endpoint_counts(s->ep[side], &counts);
    return counts;
}

/* ---- states and words -------------------------------------------------------------------------------------------- */

static const char *state_of(const hf_stage *s, hf_stage_side side)
{
    if (side == HF_SERVER && s->model != NULL)
        return s->model->open ? "ESTABLISHED" : "LISTEN";
    if (s->first[side] != NULL) {
        hf_tcp_info info;
        hf_tcp_info_of(s->first[side], &info);
        return hf_tcp_state_name(info.state);
    }
    if (side == HF_CLIENT)
        return "CLOSED";
    return hf_stage_counts(s, side).half_open > 0 ? "SYN_RECEIVED" : "LISTEN";
}

void hf_stage_note(hf_stage *s, const char *format, ...)
{
    if (s->line_count == STAGE_LINES)
        return;
    hf_stage_line *l = &s->lines[s->line_count++];
    *l = (hf_stage_line){ .at = s->now, .note = true };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(l->text, sizeof l->text, format, arguments);
    va_end(arguments);
}

void hf_stage_say(hf_stage *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(s->out, format, arguments);
    va_end(arguments);
    fputc('\n', s->out);
}

static uint32_t relative(hf_stage *s, hf_stage_side whose, hf_seq seq, bool syn)
{
    if (!s->base_known[whose] && syn) {
        s->base_known[whose] = true;
        s->base[whose] = seq;
    }
    return s->base_known[whose] ? (uint32_t)hf_seq_from(seq, s->base[whose]) : seq.n;
}

static void describe(hf_stage *s, hf_stage_side from, const hf_segment *g, char *to, size_t capacity)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } flags[] = { { HF_SYN, "SYN " }, { HF_FIN, "FIN " }, { HF_RST, "RST " }, { HF_ACK, "ACK " } };
    int n = 0;
    for (size_t i = 0; i < HF_COUNT(flags); i++)
        if (g->flags & flags[i].flag)
            n += snprintf(to + n, capacity - (size_t)n, "%s", flags[i].name);
    n += snprintf(to + n, capacity - (size_t)n, "seq=%d", (int)relative(s, from, g->seq, g->flags & HF_SYN));
    if (g->flags & HF_ACK)
        n += snprintf(to + n, capacity - (size_t)n, " ack=%d", (int)relative(s, !from, g->ack, false));
    if (g->payload.len > 0)
        n += snprintf(to + n, capacity - (size_t)n, " %zu bytes", g->payload.len);
    if (g->window == 0 && !(g->flags & HF_RST))
        n += snprintf(to + n, capacity - (size_t)n, " win=0");
    for (unsigned i = 0; i < g->sacks && i < 1; i++)
        snprintf(to + n, capacity - (size_t)n, " sack=%d-%d", (int)relative(s, !from, g->sack[i].start, false), (int)relative(s, !from, g->sack[i].end, false));
}

/* ---- the link ------------------------------------------------------------------------------------------------------ */

static void fly(hf_stage *s, hf_stage_side to, const uint8_t *bytes, size_t length, hf_time at, uint32_t line)
{
    if (s->flight_count == STAGE_FLIGHT || at.ns == HF_NEVER_NS)
        return;
    uint8_t *copy = malloc(length);
    if (copy == NULL) {
        s->failed = true;
        return;
    }
    memcpy(copy, bytes, length);
    s->flight[s->flight_count++] = (hf_stage_flight){ .at = at, .order = s->order++, .to = to, .line = line, .length = length, .bytes = copy };
}

static hf_segment read_it(const hf_stage *s, hf_stage_side from, const uint8_t *bytes, size_t length)
{
    hf_segment g = { 0 };
    const hf_tcp_input in = { .source = s->ip[from], .destination = s->ip[!from], .checked = true, .segment = hf_bytes_make(bytes, length) };
    const hf_err err = hf_segment_read(&in, &g);
    (void)err;
    return g;
}

static void depart(hf_stage *s, hf_stage_side from, const uint8_t *bytes, size_t length, const char *why)
{
    const hf_segment g = read_it(s, from, bytes, length);
    const hf_stage_fate fate = s->rule != NULL && why == NULL ? s->rule(s, from, &g) : HF_STAGE_PASS;
    const int64_t delay = fate == HF_STAGE_DELAY ? s->delay_ns / 4 * 5 : s->delay_ns;
    const hf_time arrives = fate == HF_STAGE_LOSE ? HF_NEVER : hf_time_after(s->now, delay);
    uint32_t line = STAGE_LINES;
    if (!s->quiet && s->line_count < STAGE_LINES) {
        line = s->line_count++;
        hf_stage_line *l = &s->lines[line];
        *l = (hf_stage_line){ .at = s->now, .arrived = arrives, .from = from, .payload = (uint32_t)g.payload.len, .header_length = (uint16_t)(length - g.payload.len),
                              .forged = why != NULL };
        memcpy(l->header, bytes, l->header_length);
        describe(s, from, &g, l->what, sizeof l->what);
        *(from == HF_CLIENT ? &l->left : &l->right) = why != NULL ? "" : state_of(s, from);
        if (why != NULL)
            snprintf(l->text, sizeof l->text, "%s", why);
        else if (fate == HF_STAGE_LOSE)
            snprintf(l->text, sizeof l->text, "lost");
    }
    fly(s, !from, bytes, length, arrives, line);
}

static void model_answers(hf_stage *s, const hf_segment *g)
{
    hf_segment answer;
    uint8_t bytes[HF_TCP_HEADER_MOST];
    if (hf_two_way_arrive(s->model, g, &answer))
        depart(s, HF_SERVER, bytes, hf_segment_write(bytes, &answer), NULL);
}

static void arrive(hf_stage *s, uint32_t i)
{
    const hf_stage_flight f = s->flight[i];
    s->flight[i] = s->flight[--s->flight_count];
    const hf_tcp_input in = { .source = s->ip[!f.to], .destination = s->ip[f.to], .checked = true, .segment = hf_bytes_make(f.bytes, f.length) };
    if (f.to == HF_SERVER && s->model != NULL) {
        const hf_segment g = read_it(s, HF_CLIENT, f.bytes, f.length);
        model_answers(s, &g);
    } else {
        const hf_err err = hf_tcp_endpoint_input(s->ep[f.to], s->now, &in);
        (void)err; /* what a damaged segment is worth is the endpoint's to say: it drops it */
    }
    free(f.bytes);
    hf_tcp_event event;
    while (s->model == NULL && s->first[HF_SERVER] == NULL && hf_tcp_endpoint_step(s->ep[HF_SERVER], s->now, &event) == HF_EVENT)
        if (event.kind == HF_TCP_ACCEPTED) {
            s->first[HF_SERVER] = event.tcp;
            s->accepted++;
        }
    if (f.line < STAGE_LINES)
        *(f.to == HF_CLIENT ? &s->lines[f.line].left : &s->lines[f.line].right) = state_of(s, f.to);
}

/* ---- the applications ----------------------------------------------------------------------------------------------- */

static void take_all(hf_stage *s, hf_stage_side side)
{
    hf_tcp *t = s->first[side];
    if (t == NULL || !s->reading[side])
        return;
    const size_t n = hf_tcp_peek(t).len;
    s->received[side] += n;
    hf_tcp_take(t, n);
}

static void attend(hf_stage *s, hf_stage_side side)
{
    hf_tcp_event event;
    while (hf_tcp_endpoint_step(s->ep[side], s->now, &event) == HF_EVENT) {
        s->events[side]++;
        if (event.kind == HF_TCP_ACCEPTED) {
            s->accepted++;
            if (s->first[side] == NULL)
                s->first[side] = event.tcp;
            continue;
        }
        hf_pier_event told;
        hf_step step;
        while ((step = hf_tcp_next(event.tcp, s->now, &told)) == HF_EVENT) {
            take_all(s, side);
            if (told.kind == HF_PIER_ENDED && s->answers_with_end[side])
                hf_stage_end(s, side);
        }
        take_all(s, side);
        if (s->quiet && step == HF_CLOSED && event.tcp != s->first[side])
            hf_tcp_free(event.tcp);
    }
}

void hf_stage_speak(hf_stage *s, hf_stage_side side)
{
    for (;;) {
        static uint8_t bytes[65536 + 128];
        uint8_t scratch[HF_TCP_HEADER_MOST];
        hf_extent pieces[32];
        hf_out out = { .pieces = pieces, .capacity = 32, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 65536 };
        hf_tcp_packet packet;
        if (!hf_tcp_endpoint_emit(s->ep[side], s->now, &out, &packet))
            return;
        size_t n = 0;
        for (size_t i = 0; i < out.count; i++) {
            memcpy(bytes + n, pieces[i].bytes.ptr, pieces[i].bytes.len);
            n += pieces[i].bytes.len;
        }
        if (hf_ip_equal(&packet.destination, &s->ip[!side])) /* what goes to a forged address goes nowhere */
            depart(s, side, bytes, n, NULL);
    }
}

static void settle(hf_stage *s)
{
    for (int side = 0; side < 2; side++) {
        attend(s, (hf_stage_side)side);
        hf_stage_speak(s, (hf_stage_side)side);
    }
}

static uint32_t next_of(const hf_stage *s)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->flight_count; i++)
        if (s->flight[i].at.ns < s->flight[best].at.ns || (s->flight[i].at.ns == s->flight[best].at.ns && s->flight[i].order < s->flight[best].order))
            best = i;
    return best;
}

void hf_stage_run(hf_stage *s, int64_t ns)
{
    const hf_time until = hf_time_after(s->now, ns);
    settle(s);
    for (unsigned guard = 0; guard < 10000000; guard++) {
        hf_time at = hf_time_earlier(hf_tcp_endpoint_wake(s->ep[0]), hf_tcp_endpoint_wake(s->ep[1]));
        if (s->flight_count > 0)
            at = hf_time_earlier(at, s->flight[next_of(s)].at);
        if (at.ns > until.ns)
            break;
        s->now = at.ns > s->now.ns ? at : s->now;
        while (s->flight_count > 0 && s->flight[next_of(s)].at.ns <= s->now.ns)
            arrive(s, next_of(s));
        settle(s);
    }
    s->now = until;
}

/* ---- moves ----------------------------------------------------------------------------------------------------------- */

void hf_stage_connect(hf_stage *s)
{
    const hf_tcp_pair pair = { .local = s->ip[HF_CLIENT], .remote = s->ip[HF_SERVER], .remote_port = 80 };
    hf_err err;
    s->first[HF_CLIENT] = hf_tcp_connect(s->ep[HF_CLIENT], s->now, &pair, 0, &err);
    s->failed |= s->first[HF_CLIENT] == NULL;
}

void hf_stage_put(hf_stage *s, hf_stage_side side, size_t bytes)
{
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(words, bytes) };
    if (s->first[side] != NULL)
        hf_tcp_put(s->first[side], &e, 1);
    hf_stage_speak(s, side);
}

void hf_stage_end(hf_stage *s, hf_stage_side side)
{
    if (s->first[side] == NULL)
        return;
    const hf_err err = hf_tcp_end(s->first[side], (hf_ending){ HF_ENDING_FIN, 0 });
    (void)err; /* already ended: nothing to add */
    hf_stage_speak(s, side);
}

void hf_stage_read(hf_stage *s, hf_stage_side side)
{
    s->reading[side] = true;
    take_all(s, side);
    hf_stage_speak(s, side);
}

void hf_stage_forge(hf_stage *s, hf_stage_side from, const hf_segment *segment, const char *why)
{
    uint8_t bytes[HF_TCP_HEADER_MOST + 2048];
    const size_t header = hf_segment_write(bytes, segment), n = segment->payload.len;
    if (n > 0)
        memcpy(bytes + header, words, n);
    depart(s, from, bytes, header + n, why);
}
