/* SPDX-License-Identifier: Apache-2.0
 *
 * A message and its forms. Threads share it without a lock: its text never changes, and a form that two of them make at
 * once is kept from one of them.
 */
#include <handfast/eventstream.h>
#include <handfast/topic.h>
#include <handfast/websocket.h>

#include <stdatomic.h>

#include "alloc.h"
#include "panic.h"
#include "text.h"
#include "topic_message.h"

/* One form: its bytes lie behind it. */
typedef struct block {
    size_t size;   /* of the allocation */
    size_t length;
    hf_websocket_shared frame; /* instead of bytes behind */
} block;

typedef struct held {
    hf_topic_message message; /* first */
    hf_allocator alloc;
    size_t size;
    _Atomic uint32_t holders;
    _Atomic(block *) forms[HF_TOPIC_FORMS];
    uint8_t text[]; /* topic, name, data */
} held;

static held *of(const hf_topic_message *m)
{
    return (held *)(uintptr_t)m;
}

static bool fits_a_line(hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.ptr[i] == '\n' || b.ptr[i] == '\r' || b.ptr[i] == 0)
            return false;
    return true;
}

static hf_bytes copy(uint8_t **to, hf_bytes b)
{
    const hf_bytes copied = hf_bytes_make(*to, b.len);
    if (b.len > 0)
        memcpy(*to, b.ptr, b.len);
    *to += b.len;
    return copied;
}

hf_err hf_topic_message_new(const hf_allocator *alloc, const hf_limits *limits, hf_topic_position at, hf_bytes topic,
                            hf_bytes name, hf_bytes data, hf_topic_message **message)
{
    *message = NULL;
    if (!hf_topic_name_is_fit(topic, limits) || name.len > limits->topic_name_bytes || !fits_a_line(name))
        return hf_err_make(HF_ERR_TOPIC_NAME);
    if (data.len > limits->topic_message_bytes)
        return hf_err_make(HF_ERR_TOPIC_TOO_LARGE);
    const size_t size = sizeof(held) + topic.len + name.len + data.len;
    held *const h = hf_alloc_zeroed(alloc, size);
    if (h == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    uint8_t *to = h->text;
    h->message = (hf_topic_message){ .at = at, .topic = copy(&to, topic), .name = copy(&to, name), .data = copy(&to, data) };
    h->alloc = *alloc;
    h->size = size;
    atomic_init(&h->holders, 1);
    for (size_t i = 0; i < HF_TOPIC_FORMS; i++)
        atomic_init(&h->forms[i], NULL);
    *message = &h->message;
    return HF_OK;
}

void hf_topic_message_place(hf_topic_message *m, hf_topic_position at)
{
    m->at = at;
}

hf_topic_message *hf_topic_message_keep(const hf_topic_message *m)
{
    atomic_fetch_add_explicit(&of(m)->holders, 1, memory_order_relaxed);
    return &of(m)->message;
}

static void free_block(const hf_allocator *alloc, block *b)
{
    if (b == NULL)
        return;
    const hf_env env = { .alloc = *alloc, .limits = hf_limits_default() };
    if (b->frame.ptr != NULL)
        hf_websocket_shared_free(&env, &b->frame);
    hf_free(alloc, b, b->size);
}

void hf_topic_message_drop(const hf_topic_message *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&of(m)->holders, 1, memory_order_acq_rel) > 1)
        return;
    held *const h = of(m);
    const hf_allocator alloc = h->alloc;
    for (size_t i = 0; i < HF_TOPIC_FORMS; i++)
        free_block(&alloc, atomic_load_explicit(&h->forms[i], memory_order_relaxed));
    hf_free(&alloc, h, h->size);
}

size_t hf_topic_message_size(const hf_topic_message *m)
{
    return of(m)->size;
}

/* ---- forms -------------------------------------------------------------------------------------------------- */

static block *make_event(const held *h)
{
    uint8_t id[HF_TOPIC_TOKEN];
    const hf_topic_message *const m = &h->message;
    const hf_eventstream_event event = { .id = hf_topic_token_write(m->at, id), .name = m->name,
                                         .data = m->data.len > 0 ? m->data : hf_text("") };
    const size_t length = hf_eventstream_write(NULL, 0, &event);
    HF_ASSERT(length > 0);
    block *const b = hf_alloc(&h->alloc, sizeof *b + length);
    if (b == NULL)
        return NULL;
    *b = (block){ .size = sizeof *b + length, .length = length };
    (void)hf_eventstream_write((uint8_t *)(b + 1), length, &event);
    return b;
}

/* In JSON one byte is six at the most. */
static size_t json_room(const hf_topic_message *m)
{
    return 64 + HF_TOPIC_TOKEN + 6 * (m->topic.len + m->name.len + m->data.len);
}

static void write_json(hf_writer *w, const hf_topic_message *m)
{
    uint8_t id[HF_TOPIC_TOKEN];
    hf_write_text(w, "{\"id\":\"");
    hf_write(w, hf_topic_token_write(m->at, id));
    hf_write_text(w, "\",\"topic\":\"");
    hf_write_json(w, m->topic);
    if (m->name.len > 0) {
        hf_write_text(w, "\",\"event\":\"");
        hf_write_json(w, m->name);
    }
    hf_write_text(w, "\",\"data\":\"");
    hf_write_json(w, m->data);
    hf_write_text(w, "\"}");
}

static block *make_frame(const held *h, bool deflated)
{
    const hf_env env = { .alloc = h->alloc, .limits = hf_limits_default() };
    const size_t room = json_room(&h->message);
    uint8_t *const text = hf_alloc(&h->alloc, room);
    block *const b = hf_alloc_zeroed(&h->alloc, sizeof *b);
    hf_err err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (b != NULL && text != NULL) {
        hf_writer w = hf_writer_make(text, room);
        write_json(&w, &h->message);
        HF_ASSERT(!w.overflowed);
        err = hf_websocket_share(&env, HF_WEBSOCKET_TEXT, hf_written(&w), deflated, &b->frame);
    }
    if (text != NULL)
        hf_free(&h->alloc, text, room);
    if (err.code != 0) {
        if (b != NULL)
            hf_free(&h->alloc, b, sizeof *b);
        return NULL;
    }
    b->size = sizeof *b;
    return b;
}

static block *make(const held *h, hf_topic_form form)
{
    return form == HF_TOPIC_EVENT ? make_event(h) : make_frame(h, form == HF_TOPIC_DEFLATED);
}

hf_bytes hf_topic_message_form(const hf_topic_message *m, hf_topic_form form)
{
    held *const h = of(m);
    block *b = atomic_load_explicit(&h->forms[form], memory_order_acquire), *other = NULL;
    if (b == NULL) {
        b = make(h, form);
        if (b == NULL)
            return hf_bytes_make(NULL, 0);
        if (!atomic_compare_exchange_strong_explicit(&h->forms[form], &other, b, memory_order_acq_rel, memory_order_acquire)) {
            free_block(&h->alloc, b);
            b = other;
        }
    }
    return b->frame.ptr != NULL ? hf_bytes_make(b->frame.ptr, b->frame.len) : hf_bytes_make(b + 1, b->length);
}
