/* SPDX-License-Identifier: Apache-2.0
 *
 * The plays.
 */
#include "story.h"

#include <stdlib.h>

#include "random.h"
#include "story_stage.h"
#include "waterfall.h"

#define MS(n) HF_MILLISECONDS(n)

/* ---- rules of the network --------------------------------------------------------------------------------------------- */

static hf_stage_fate lose_server_syn_ack(hf_stage *s, hf_stage_side from, const hf_segment *g)
{
    return from == HF_SERVER && (g->flags & HF_SYN) && s->rule_count++ == 0 ? HF_STAGE_LOSE : HF_STAGE_PASS;
}
static hf_stage_fate delay_second_data(hf_stage *s, hf_stage_side from, const hf_segment *g)
{
    return from == HF_CLIENT && g->payload.len > 0 && s->rule_count++ == 1 ? HF_STAGE_DELAY : HF_STAGE_PASS;
}
static hf_stage_fate lose_last_ack(hf_stage *s, hf_stage_side from, const hf_segment *g)
{
    hf_tcp_info info = { .state = HF_TCP_CLOSED };
    if (s->first[HF_CLIENT] != NULL)
        hf_tcp_info_of(s->first[HF_CLIENT], &info);
    return from == HF_CLIENT && info.state == HF_TCP_TIME_WAIT && (g->flags & HF_ACK) && s->rule_count++ == 0 ? HF_STAGE_LOSE : HF_STAGE_PASS;
}
static hf_stage_fate lose_window_update(hf_stage *s, hf_stage_side from, const hf_segment *g)
{
    return from == HF_SERVER && s->rule_count > 0 && g->window > 0 && s->rule_count-- > 0 ? HF_STAGE_LOSE : HF_STAGE_PASS;
}

static const hf_segment old_syn = { .source = 40001, .destination = 80, .seq = { 90000 }, .flags = HF_SYN, .window = 65535, .mss = 1460 };

/* ---- handshakes ------------------------------------------------------------------------------------------------------- */

static void handshake(hf_stage *s)
{
    hf_stage_connect(s);
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "three segments, and each end knows that the other has its first number");
    hf_stage_tell(s);
    hf_stage_say(s, "Numbers are shown from 0; on the wire each side draws its first one at random (RFC 6528). The SYN takes one number,\n"
                    "so data begins at 1. The first two segments carry no data; the third may.");
}

static void tell_old_syn(hf_stage *s)
{
    hf_stage_forge(s, HF_CLIENT, &old_syn, "an old duplicate: that connection ended long ago");
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "the server is back in LISTEN; its application has heard of nothing (%lu connections)", (unsigned long)s->accepted);
}

static void old_syn_story(hf_stage *s)
{
    tell_old_syn(s);
    hf_stage_tell(s);
    hf_stage_connect(s);
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "and a real connection opens as ever (%lu connection)", (unsigned long)s->accepted);
    hf_stage_tell(s);
}

static void two_way_fails(hf_stage *s)
{
    hf_two_way model = { .next_iss = { 5000 } };
    hf_stage_say(s, "First a server that opens with two messages, as nobody should.");
    s->model = &model;
    hf_stage_forge(s, HF_CLIENT, &old_syn, "an old duplicate");
    hf_stage_run(s, MS(100));
    /* the client's RST tells the model's end; what its application was told stands */
    hf_stage_note(s, "its application was given %u connection at the SYN: memory, a thread, perhaps a login prompt, for nobody", model.opened);
    hf_stage_tell(s);
    hf_stage_say(s, "Then the real one, with three.");
    s->model = NULL;
    tell_old_syn(s);
    hf_stage_tell(s);
}

static void isn_unconfirmed(hf_stage *s)
{
    hf_two_way model = { .next_iss = { 5000 } };
    uint8_t bytes[HF_TCP_HEADER_MOST];
    hf_stage_say(s, "First with two messages: nobody confirms the server's number to it.");
    s->model = &model;
    s->rule = lose_server_syn_ack;
    hf_stage_connect(s);
    hf_stage_run(s, MS(25));
    hf_segment data = hf_two_way_write(&model, 80, 0, 1000);
    hf_tcp_info info;
    hf_tcp_info_of(s->first[HF_CLIENT], &info);
    data.destination = info.pair.local_port;
    data.payload = hf_bytes_make(bytes, 1000); /* only the length counts: forge writes the text */
    hf_stage_forge(s, HF_SERVER, &data, "it believes to be open, and sends");
    hf_stage_run(s, MS(60));
    hf_stage_note(s, "the client cannot place these bytes: it never saw the number they begin at");
    hf_stage_run(s, MS(1100));
    hf_stage_note(s, "the SYN came again, and was another connection to the server (%u opened, %u forgotten): the 1000 bytes are lost", model.opened, model.forgotten);
    hf_stage_tell(s);
    hf_stage_say(s, "Then with three: nothing is sent on a number that the peer has not acknowledged.");
    s->model = NULL;
    s->rule_count = 0;
    const hf_err err = hf_tcp_end(s->first[HF_CLIENT], (hf_ending){ HF_ENDING_RESET, 0 });
    (void)err;
    s->quiet = true;
    hf_stage_run(s, MS(100));
    hf_tcp_free(s->first[HF_CLIENT]);
    s->first[HF_CLIENT] = NULL;
    s->quiet = false;
    s->received[HF_CLIENT] = 0;
    hf_stage_connect(s);
    hf_stage_run(s, MS(1500));
    hf_stage_put(s, HF_SERVER, 1000);
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "one connection (%lu), and the client has %lu bytes", (unsigned long)s->accepted, (unsigned long)s->received[HF_CLIENT]);
    hf_stage_tell(s);
}

static void data_on_third(hf_stage *s)
{
    hf_stage_connect(s);
    hf_stage_put(s, HF_CLIENT, 300);
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "the third segment carried the request: it took one round trip and a half to get there, no more");
    hf_stage_tell(s);
}

static void reordered(hf_stage *s)
{
    s->quiet = true;
    hf_stage_connect(s);
    hf_stage_run(s, MS(100));
    s->quiet = false;
    s->rule = delay_second_data;
    hf_tcp_info info;
    hf_tcp_info_of(s->first[HF_CLIENT], &info);
    s->base[HF_CLIENT] = hf_seq_make(info.iss);
    s->base[HF_SERVER] = hf_seq_make(info.irs);
    s->base_known[0] = s->base_known[1] = true;
    hf_stage_put(s, HF_CLIENT, 4 * 1448);
    hf_stage_run(s, MS(300));
    hf_stage_note(s, "the second came last; SACK said which bytes lay beyond the gap; the reader got %lu bytes, in order", (unsigned long)s->received[HF_SERVER]);
    hf_stage_note(s, "%lu sent again: what is only late is waited for, a quarter of a round trip (RACK, RFC 8985)", (unsigned long)hf_stage_counts(s, HF_CLIENT).retransmitted);
    hf_stage_tell(s);
}

/* ---- teardowns --------------------------------------------------------------------------------------------------------- */

static void opened(hf_stage *s)
{
    s->quiet = true;
    hf_stage_connect(s);
    hf_stage_run(s, MS(100));
    s->quiet = false;
    hf_tcp_info info;
    hf_tcp_info_of(s->first[HF_CLIENT], &info);
    s->base[HF_CLIENT] = hf_seq_make(info.iss);
    s->base[HF_SERVER] = hf_seq_make(info.irs);
    s->base_known[0] = s->base_known[1] = true;
}

static void note_wait(hf_stage *s)
{
    hf_time until;
    hf_tcp_info info;
    hf_tcp_info_of(s->first[HF_CLIENT], &info);
    if (hf_tcp_in_timewait(s->ep[HF_CLIENT], &info.pair, &until))
        hf_stage_note(s, "the client closed first, so it waits: until %.1f ms, two maximum segment lifetimes after its last ACK",
            (double)(until.ns - s->began.ns) / 1e6);
}

static void teardown(hf_stage *s)
{
    opened(s);
    hf_stage_end(s, HF_CLIENT);
    hf_stage_run(s, MS(100));
    hf_stage_note(s, "the server may still send; it ends when it is done");
    hf_stage_end(s, HF_SERVER);
    hf_stage_run(s, MS(100));
    note_wait(s);
    hf_stage_run(s, HF_SECONDS(60));
    hf_stage_note(s, "after 60 s nothing is left of it (%lu in TIME_WAIT)", (unsigned long)hf_stage_counts(s, HF_CLIENT).timewaits);
    hf_stage_tell(s);
}

static void half_close(hf_stage *s)
{
    opened(s);
    hf_stage_put(s, HF_CLIENT, 100);
    hf_stage_end(s, HF_CLIENT);
    hf_stage_run(s, MS(200));
    for (int i = 0; i < 3; i++) {
        hf_stage_note(s, "a minute passes");
        hf_stage_run(s, HF_SECONDS(60));
        hf_stage_put(s, HF_SERVER, 1000);
        hf_stage_run(s, MS(200));
    }
    hf_stage_end(s, HF_SERVER);
    hf_stage_run(s, MS(100));
    note_wait(s);
    hf_stage_tell(s);
}

static void simultaneous_close(hf_stage *s)
{
    opened(s);
    hf_stage_end(s, HF_CLIENT);
    hf_stage_end(s, HF_SERVER);
    hf_stage_run(s, MS(200));
    hf_stage_note(s, "both closed first, and both wait");
    hf_stage_tell(s);
}

static void lost_last_ack(hf_stage *s)
{
    opened(s);
    s->rule = lose_last_ack;
    hf_stage_end(s, HF_CLIENT);
    hf_stage_run(s, MS(60));
    hf_stage_end(s, HF_SERVER);
    hf_stage_run(s, MS(25));
    note_wait(s);
    hf_stage_run(s, MS(1000));
    hf_stage_note(s, "the FIN came again, was acknowledged again, and the wait began anew: that is what it is for");
    note_wait(s);
    hf_stage_tell(s);
}

/* ---- floods ------------------------------------------------------------------------------------------------------------ */

/* How many short connections come about in `rounds` attempts, one each `each_ns`. */
static unsigned short_connections(hf_stage *s, unsigned rounds, int64_t each_ns, unsigned *refused)
{
    unsigned made = 0;
    *refused = 0;
    for (unsigned i = 0; i < rounds; i++) {
        const hf_tcp_pair pair = { .local = s->ip[HF_CLIENT], .remote = s->ip[HF_SERVER], .remote_port = 80 };
        hf_err err;
        hf_tcp *t = hf_tcp_connect(s->ep[HF_CLIENT], s->now, &pair, 0, &err);
        if (t == NULL) {
            (*refused)++;
            hf_stage_run(s, each_ns);
            continue;
        }
        s->first[HF_CLIENT] = t;
        s->first[HF_SERVER] = NULL;
        hf_stage_run(s, MS(3));
        hf_stage_end(s, HF_CLIENT);
        hf_stage_run(s, each_ns - MS(3));
        hf_tcp_free(t);
        if (s->first[HF_SERVER] != NULL)
            hf_tcp_free(s->first[HF_SERVER]);
        s->first[HF_CLIENT] = s->first[HF_SERVER] = NULL;
        made++;
    }
    return made;
}

static bool reopen(hf_stage *s)
{
    hf_stage_close(s);
    return hf_stage_open(s);
}

static void timewait_flood(hf_stage *s)
{
    size_t timewait, half_open, connection;
    hf_tcp_sizes(&timewait, &half_open, &connection);
    hf_stage_say(s, "\nOne client closes 200 short connections a second to one server, from 1,000 ports (a Linux host has 28,232).");
    for (int reuse = 0; reuse < 2; reuse++) {
        s->config[HF_CLIENT] = (hf_tcp_config){ .port_first = 40000, .port_last = 40999, .no_reuse = !reuse };
        s->delay_ns = MS(1);
        if (!reopen(s))
            return;
        s->quiet = s->answers_with_end[HF_SERVER] = true;
        unsigned refused;
        const unsigned made = short_connections(s, 4000, MS(5), &refused);
        const hf_tcp_counts counts = hf_stage_counts(s, HF_CLIENT);
        hf_stage_say(s, "\n  %s:", reuse ? "ports in TIME_WAIT are taken again after a second (timestamps tell old from new, RFC 6191)" : "every port waits its 60 s");
        hf_stage_say(s, "    %u opened, %u refused (HF-TCP-005: out of local ports)", made, refused);
        hf_stage_say(s, "    %lu in TIME_WAIT, %zu bytes each: %lu KiB; %lu taken again", (unsigned long)counts.timewaits, timewait,
            (unsigned long)(counts.timewaits * timewait / 1024), (unsigned long)counts.timewaits_reused);
    }
    hf_stage_say(s, "\nBetter than either: keep connections open and use them again (a pool), and let the server close last.");
}

static void flood(hf_stage *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t bytes[HF_TCP_HEADER_MOST];
        const hf_segment syn = { .source = (uint16_t)(1024 + hf_random_below(&s->random, 60000)), .destination = 80, .seq = { (uint32_t)hf_random_next(&s->random) },
                                 .flags = HF_SYN, .window = 1024, .mss = 1460 };
        const uint64_t host = hf_random_next(&s->random);
        const hf_tcp_input in = { .source = hf_ip_make4(203, 0, (uint8_t)host, (uint8_t)(host >> 8)), .destination = s->ip[HF_SERVER], .checked = true,
                                  .segment = hf_bytes_make(bytes, hf_segment_write(bytes, &syn)) };
        const hf_err err = hf_tcp_endpoint_input(s->ep[HF_SERVER], s->now, &in);
        (void)err; /* a flood is not told what became of it */
        hf_stage_speak(s, HF_SERVER); /* to addresses where nobody is */
    }
}

static void syn_flood(hf_stage *s)
{
    flood(s, 200000);
    const hf_tcp_counts counts = hf_stage_counts(s, HF_SERVER);
    hf_stage_say(s, "\n200,000 SYNs from forged addresses have arrived. %lu half-open connections of 64 bytes are remembered, the other %lu were\n"
                    "answered with a cookie: a first number that only we can make, from which the last ACK brings everything back.",
        (unsigned long)counts.half_open, (unsigned long)counts.cookies_out);
    hf_stage_connect(s);
    hf_stage_put(s, HF_CLIENT, 300);
    hf_stage_run(s, MS(100));
    const hf_tcp_counts after = hf_stage_counts(s, HF_SERVER);
    hf_tcp_info info = { .segment = 0 };
    if (s->first[HF_SERVER] != NULL)
        hf_tcp_info_of(s->first[HF_SERVER], &info);
    hf_stage_note(s, "a genuine client is served: %lu cookie came back good; SACK %s, timestamps %s, window scale %u were in it", (unsigned long)after.cookies_in,
        info.sack ? "yes" : "no", info.timestamps ? "yes" : "no", info.send_scale);
    hf_stage_tell(s);
}

static void zero_window(hf_stage *s)
{
    s->limits = *hf_limits_default();
    s->limits.tcp_receive_bytes = 4096;
    if (!reopen(s))
        return;
    opened(s);
    s->reading[HF_SERVER] = false;
    hf_stage_note(s, "the server's reader stops; its buffer has 4096 bytes");
    hf_stage_put(s, HF_CLIENT, 6000);
    hf_stage_run(s, HF_SECONDS(3));
    hf_stage_note(s, "the window is shut: one byte beyond it, ever more rarely, asks whether it has opened");
    s->rule = lose_window_update;
    s->rule_count = 1;
    hf_stage_note(s, "the reader goes on, and the news of it is lost");
    hf_stage_read(s, HF_SERVER);
    hf_stage_run(s, HF_SECONDS(10));
    hf_stage_note(s, "the next probe found it open: %lu bytes have arrived", (unsigned long)s->received[HF_SERVER]);
    hf_stage_tell(s);
}

/* ---- the table --------------------------------------------------------------------------------------------------------- */

typedef struct story {
    hf_story_info info;
    void (*play)(hf_stage *s);
    bool (*tell)(FILE *out); /* where it is not TCP that plays */
} story;

static const story stories[] = {
    { .info = { .name = "handshake", .title = "Three segments open a connection" }, .play = handshake },
    { .info = { .name = "old-syn", .title = "An old duplicate SYN opens nothing" }, .play = old_syn_story },
    { .info = { .name = "two-way-fails", .title = "Why two messages are not enough: the old SYN" }, .play = two_way_fails },
    { .info = { .name = "isn-unconfirmed", .title = "Why two messages are not enough: the number that nobody confirmed" }, .play = isn_unconfirmed },
    { .info = { .name = "data-on-third", .title = "The third segment may carry data" }, .play = data_on_third },
    { .info = { .name = "reordered", .title = "Segments that overtake each other" }, .play = reordered },
    { .info = { .name = "teardown", .title = "Four segments close a connection, and one end waits" }, .play = teardown },
    { .info = { .name = "half-close", .title = "One direction ends, the other goes on for minutes" }, .play = half_close },
    { .info = { .name = "simultaneous-close", .title = "Both ends close at once" }, .play = simultaneous_close },
    { .info = { .name = "lost-last-ack", .title = "What TIME_WAIT is for" }, .play = lost_last_ack },
    { .info = { .name = "timewait-flood", .title = "What TIME_WAIT costs, and what helps" }, .play = timewait_flood },
    { .info = { .name = "syn-flood", .title = "A flood of forged SYNs, and cookies" }, .play = syn_flood },
    { .info = { .name = "zero-window", .title = "A reader that stops, and the news of its return lost" }, .play = zero_window },
    { .info = { .name = "tls-rsa", .title = "Four flights of TLS 1.2 with the RSA key exchange: nonces, premaster, keys", .no_capture = true },
      .tell = hf_story_tls_rsa },
    { .info = { .name = "waterfall", .title = "One page over HTTP/1.1, 2 and 3, clean and with loss: what waits for what", .no_capture = true },
      .tell = hf_waterfall_story },
};

bool hf_story_row(size_t index, hf_story_info *info)
{
    if (index >= HF_COUNT(stories))
        return false;
    *info = stories[index].info;
    return true;
}

bool hf_story_play(const char *name, FILE *out, FILE *capture)
{
    for (size_t i = 0; i < HF_COUNT(stories); i++) {
        if (strcmp(stories[i].info.name, name) != 0)
            continue;
        fprintf(out, "%s: %s\n", name, stories[i].info.title);
        if (stories[i].tell != NULL)
            return stories[i].tell(out);
        hf_stage *s = calloc(1, sizeof *s);
        if (s == NULL)
            return false;
        s->out = out;
        s->capture = capture;
        bool good = hf_stage_open(s);
        if (good)
            stories[i].play(s);
        good &= !s->failed;
        hf_stage_close(s);
        free(s);
        return good;
    }
    return false;
}
