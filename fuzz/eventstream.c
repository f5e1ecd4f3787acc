/* SPDX-License-Identifier: Apache-2.0
 *
 * An event stream from hostile bytes. Byte 0: the seed of slicing; 1: the allocation that fails. Whole and sliced give the
 * same events; an event that is written again is read the same.
 */
#include <stdlib.h>
#include <string.h>

#include <handfast/eventstream.h>

#include "fuzz_memory.h"
#include "panic.h"
#include "random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOG_BYTES = 1 << 16 };

typedef struct listener {
    fuzz_memory memory;
    hf_limits limits;
    hf_env env;
    uint8_t log[LOG_BYTES]; /* the events, written again */
    size_t length;
    hf_step last;
    int32_t fault;
} listener;

static void listen_to(listener *l, const uint8_t *p, size_t n, hf_random *slices, size_t fail_at, uint64_t most)
{
    l->memory = (fuzz_memory){ .fail_at = fail_at };
    l->limits = *hf_limits_default();
    l->limits.eventstream_event_bytes = most;
    l->env = (hf_env){ .alloc = fuzz_alloc(&l->memory), .limits = &l->limits };
    l->length = 0;
    l->last = HF_FAULT;
    hf_eventstream *const s = hf_eventstream_new(&l->env);
    size_t shown = slices == NULL ? n : 0, done = 0;
    while (s != NULL) {
        hf_eventstream_event e;
        uint8_t *const block = malloc(shown - done + 1);
        HF_ASSERT(block != NULL);
        memcpy(block, p + done, shown - done);
        hf_in in = { .ptr = block, .len = shown - done, .fin = shown == n };
        l->last = hf_eventstream_step(s, &in, &e);
        done += in.used;
        if (l->last == HF_EVENT) {
            e.retry_ms = 0; /* of the stream rather than of the event */
            const size_t written = hf_eventstream_write(l->log + l->length, LOG_BYTES - l->length, &e);
            HF_ASSERT(written > 0 || memchr(e.name.ptr, 0, e.name.len) != NULL);
            l->length += written <= LOG_BYTES - l->length ? written : 0;
        }
        free(block);
        if (l->last == HF_CLOSED || l->last == HF_FAULT)
            break;
        if (l->last == HF_IDLE && shown < n) {
            shown += 1 + hf_random_below(slices, 20);
            shown = shown < n ? shown : n;
        }
    }
    l->fault = s != NULL ? hf_eventstream_fault(s).code : 0;
    hf_eventstream_free(s);
    HF_ASSERT(l->memory.held == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static listener whole, sliced, again;
    if (size < 2 || size > 8192)
        return 0;
    hf_random slices;
    hf_random_seed(&slices, data[0]);
    listen_to(&whole, data + 2, size - 2, NULL, 0, 1000);
    listen_to(&sliced, data + 2, size - 2, &slices, 0, 1000);
    HF_ASSERT(whole.last == sliced.last && whole.fault == sliced.fault && whole.length == sliced.length);
    HF_ASSERT(memcmp(whole.log, sliced.log, whole.length) == 0);
    listen_to(&again, whole.log, whole.length, NULL, 0, LOG_BYTES); /* written with a space more */
    HF_ASSERT(again.last == HF_CLOSED && again.length == whole.length && memcmp(again.log, whole.log, whole.length) == 0);
    listen_to(&sliced, data + 2, size - 2, &slices, data[1], 1000);
    return 0;
}
