/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hub wants to know of a message beside its text.
 */
#ifndef HF_TOPIC_MESSAGE_H
#define HF_TOPIC_MESSAGE_H

#include <handfast/topic.h>

/* What it weighs in a history or a backlog: bytes of memory, without its forms. */
size_t hf_topic_message_size(const hf_topic_message *m);

#endif
