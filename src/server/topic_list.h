/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of topics that wait for the thread which leads them (shared_topics.h, saved_topics.h): any thread adds, that one takes
 * all. Whoever has the list locks it.
 */
#ifndef HF_SERVER_TOPIC_LIST_H
#define HF_SERVER_TOPIC_LIST_H

#include "allocator.h"
#include "topic_message.h"

/* Zero is an empty one. */
typedef struct hf_topic_list {
    hf_topic_message **at; /* held */
    size_t count, capacity;
    uint64_t bytes;
} hf_topic_list;

/* Keeps it, for as long as the list has it. HF_ERR_BASE_MEMORY: nothing changed. */
static inline hf_err hf_topic_list_add(hf_topic_list *l, const hf_topic_message *m)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
        hf_topic_message **const at = hf_resize(hf_allocator_default(), l->at, l->capacity * sizeof *at, capacity * sizeof *at);
        if (at == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        l->at = at;
        l->capacity = capacity;
    }
    l->at[l->count++] = hf_topic_message_keep(m);
    l->bytes += hf_topic_message_size(m);
    return HF_OK;
}

/* All of it, for whoever drops the messages and gives the list back. */
static inline hf_topic_list hf_topic_list_take(hf_topic_list *l)
{
    const hf_topic_list all = *l;
    *l = (hf_topic_list){ 0 };
    return all;
}

static inline void hf_topic_list_free(hf_topic_list *l)
{
    hf_free(hf_allocator_default(), l->at, l->capacity * sizeof *l->at);
    *l = (hf_topic_list){ 0 };
}

#endif
