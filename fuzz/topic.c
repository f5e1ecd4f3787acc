/* SPDX-License-Identifier: Apache-2.0
 *
 * A hub driven by hostile bytes: each is a command. Names, patterns and tokens come out of them, too. Nobody is told twice,
 * or out of order; and what is held never exceeds the limits. An allocation that fails is a gap for somebody, and no more than
 * that; a hub knows no time.
 */
#include <string.h>

#include <handfast/topic.h>

#include "fuzz_env.h"
#include "panic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SUBSCRIBERS = 4 };

typedef struct reader {
    hf_topic_subscriber *subscriber;
    uint64_t seen;
} reader;

/* Up to 15 bytes behind the command are its name. */
static hf_bytes take(const uint8_t **p, const uint8_t *end)
{
    const size_t wanted = *p < end ? *(*p)++ % 16 : 0, n = (size_t)(end - *p) < wanted ? (size_t)(end - *p) : wanted;
    const hf_bytes b = hf_bytes_make(*p, n);
    *p += n;
    return b;
}

static void hear(reader *r, unsigned most)
{
    for (; most > 0 && r->subscriber != NULL; most--) {
        const hf_topic_news n = hf_topic_next(r->subscriber);
        if (n.kind == HF_TOPIC_NOTHING || n.kind == HF_TOPIC_TOO_SLOW)
            return;
        if (n.kind != HF_TOPIC_MESSAGE)
            continue;
        HF_ASSERT(n.at.number > r->seen);
        for (hf_topic_form form = HF_TOPIC_EVENT; form <= HF_TOPIC_FRAME; form++)
            HF_ASSERT(hf_topic_message_form(n.message, form).ptr != NULL || fuzz_memory_failed(&fuzz_env_memory));
        r->seen = n.at.number;
    }
}

static void publish(hf_topic_hub *hub, uint64_t number, hf_bytes topic, hf_bytes text)
{
    hf_topic_message *m;
    const hf_err err = hf_topic_message_new(&fuzz_env.alloc, &fuzz_limits, (hf_topic_position){ 1, number }, topic, hf_text(""), text, &m);
    HF_ASSERT((err.code == 0) == (m != NULL));
    if (m != NULL)
        hf_topic_hub_deliver(hub, m);
    hf_topic_message_drop(m);
}

static void command(hf_topic_hub *hub, reader *r, uint8_t what, uint64_t number, const uint8_t **p, const uint8_t *end)
{
    switch (what % 6) {
    case 0:
    case 1: {
        const hf_bytes topic = take(p, end);
        publish(hub, number, topic, take(p, end));
        break;
    }
    case 2:
        hf_topic_subscriber_free(r->subscriber);
        *r = (reader){ .subscriber = hf_topic_subscriber_new(hub, r, take(p, end)) };
        break;
    case 3:
        if (r->subscriber != NULL)
            (void)hf_topic_subscriber_add(r->subscriber, take(p, end)).code;
        break;
    case 4:
        if (r->subscriber != NULL)
            hf_topic_subscriber_remove(r->subscriber, take(p, end));
        break;
    default:
        hear(r, 1 + what / 6);
        break;
    }
}

static void run(const uint8_t *data, size_t size)
{
    static const hf_topic_rule rules[] = { { .pattern = "n/*", .slow = HF_TOPIC_DROP_NEWEST }, { .pattern = "d/**", .slow = HF_TOPIC_DISCONNECT } };
    reader readers[SUBSCRIBERS] = { 0 };
    hf_topic_counts counts;
    fuzz_env_init();
    fuzz_limits.topics = 5;
    fuzz_limits.topics_bytes = 4096;
    fuzz_limits.topic_history_events = 6;
    fuzz_limits.topic_backlog_events = 4;
    hf_topic_hub *const hub = hf_topic_hub_new(&fuzz_env, rules, HF_COUNT(rules), (hf_topic_position){ 1, 0 });
    if (hub == NULL)
        return;
    uint64_t number = 0;
    for (const uint8_t *p = data, *const end = data + size; p < end;) {
        const uint8_t what = *p++;
        command(hub, &readers[what / 6 % SUBSCRIBERS], what, ++number, &p, end);
        hf_topic_hub_count(hub, &counts);
        HF_ASSERT(counts.topics <= fuzz_limits.topics && counts.bytes <= fuzz_limits.topics_bytes);
    }
    while (hf_topic_hub_ready(hub) != NULL)
        ;
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        hear(&readers[i], 1000);
        hf_topic_subscriber_free(readers[i].subscriber);
    }
    hf_topic_hub_free(hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
