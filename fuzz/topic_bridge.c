/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge between hostile bytes and a hub: what a Redis server says, on both connections, while messages are published and
 * time passes. Numbers rise within an epoch, whatever is said; and the bridge always has something to wait for. So it is when an
 * allocation fails, too. The commands cut the replies.
 */
#include <string.h>

#include <handfast/topic.h>

#include "fuzz_env.h"
#include "panic.h"
#include "queue.h"
#include "topic_bridge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    hf_topic_bridge *bridge;
    hf_topic_hub *hub;
    hf_queue held[HF_TOPIC_LANES];
    hf_time now;
    hf_topic_position at;
} world;

static void deal_with(world *w, const hf_topic_bridge_event *e)
{
    switch (e->kind) {
    case HF_TOPIC_BRIDGE_MOVE:
        hf_topic_hub_move(w->hub, e->at);
        w->at = e->at;
        break;
    case HF_TOPIC_BRIDGE_RECALL:
    case HF_TOPIC_BRIDGE_TELL:
        HF_ASSERT(e->at.epoch == w->at.epoch && e->at.number > w->at.number);
        HF_ASSERT(e->message->at.epoch == e->at.epoch && e->message->at.number == e->at.number);
        w->at = e->at;
        if (e->kind == HF_TOPIC_BRIDGE_TELL)
            hf_topic_hub_deliver(w->hub, e->message);
        else
            hf_topic_hub_recall(w->hub, e->message);
        hf_topic_message_drop(e->message);
        break;
    case HF_TOPIC_BRIDGE_HANG_UP:
        hf_queue_take(&w->held[e->lane], hf_queue_length(&w->held[e->lane]));
        break;
    default:
        break;
    }
}

static void step(world *w, hf_topic_lane lane)
{
    hf_topic_bridge_event event;
    hf_step answer;
    do {
        const hf_span held = hf_queue_peek(&w->held[lane]);
        hf_in in = { .ptr = held.ptr, .len = held.len };
        answer = hf_topic_bridge_step(w->bridge, w->now, lane, &in, &event);
        HF_ASSERT(in.used <= in.len && (answer == HF_EVENT || answer == HF_IDLE));
        hf_queue_take(&w->held[lane], in.used);
        if (answer == HF_EVENT)
            deal_with(w, &event);
    } while (answer == HF_EVENT);
    hf_topic_bridge_take(w->bridge, lane, hf_topic_bridge_peek(w->bridge, lane).len);
}

static void turn(world *w)
{
    for (hf_topic_lane lane = 0; lane < HF_TOPIC_LANES; lane++) {
        if (hf_topic_bridge_connects(w->bridge, lane, w->now))
            hf_topic_bridge_opened(w->bridge, lane, w->now);
        step(w, lane);
    }
    for (hf_topic_lane lane = 0; lane < HF_TOPIC_LANES; lane++)
        step(w, lane);
    HF_ASSERT(hf_time_before(w->now, hf_topic_bridge_wake(w->bridge)));
}

static void publish(world *w, hf_bytes data)
{
    hf_topic_message *m;
    const hf_err err = hf_topic_message_new(&fuzz_env.alloc, &fuzz_limits, (hf_topic_position){ 0, 0 }, hf_text("t"), hf_text(""), data, &m);
    HF_ASSERT((err.code == 0) == (m != NULL));
    if (m != NULL)
        HF_ASSERT(hf_topic_bridge_publish(w->bridge, w->now, m) || fuzz_memory_failed(&fuzz_env_memory));
    hf_topic_message_drop(m);
}

/* A byte says what, one how much, and then come the bytes of a reply. */
static void command(world *w, uint8_t what, hf_bytes bytes)
{
    const hf_topic_lane lane = what >> 7 ? HF_TOPIC_ASK : HF_TOPIC_LISTEN;
    switch (what % 8) {
    case 0:
        publish(w, bytes);
        break;
    case 1:
        w->now = hf_time_after(w->now, HF_MILLISECONDS(20) << (what / 8 % 16));
        break;
    case 2:
        hf_topic_bridge_closed(w->bridge, lane, w->now);
        hf_queue_take(&w->held[lane], hf_queue_length(&w->held[lane]));
        break;
    default:
        HF_ASSERT(hf_queue_append(&w->held[lane], bytes));
        break;
    }
    turn(w);
}

static void serve(world *w, const uint8_t *data, size_t size)
{
    turn(w);
    for (const uint8_t *p = data, *const end = data + size; end - p >= 2;) {
        const size_t n = (size_t)(end - p - 2) < p[1] ? (size_t)(end - p - 2) : p[1];
        command(w, p[0], hf_bytes_make(p + 2, n));
        p += 2 + n;
    }
}

static void run(const uint8_t *data, size_t size)
{
    const hf_allocator lasting = fuzz_alloc(NULL); /* what has come from the network is not the bridge's */
    const hf_topic_bridge_options options = { .user = "", .password = "", .origin = 0xa };
    fuzz_env_init();
    fuzz_limits.topics_waiting_bytes = 600;
    world w = { .now = hf_time_make(HF_SECONDS(1)), .at = { 1, 0 } };
    w.hub = hf_topic_hub_new(&fuzz_env, NULL, 0, w.at);
    w.bridge = hf_topic_bridge_new(&fuzz_env, &options, w.now);
    for (size_t i = 0; i < HF_TOPIC_LANES; i++)
        hf_queue_init(&w.held[i], &lasting);
    if (w.hub != NULL && w.bridge != NULL)
        serve(&w, data, size);
    for (size_t i = 0; i < HF_TOPIC_LANES; i++)
        hf_queue_fini(&w.held[i]);
    hf_topic_bridge_free(w.bridge);
    hf_topic_hub_free(w.hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
