/* SPDX-License-Identifier: Apache-2.0
 *
 * lab/story.h - short plays between two hosts of our own TCP in virtual time: what a handshake, a teardown, a flood look like
 * on the wire, told as a ladder with the states of both ends, and as a capture that Wireshark opens.
 */
#ifndef HF_LAB_STORY_H
#define HF_LAB_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct hf_story_info {
    const char *name, *title;
    bool no_capture; /* nothing of it is on a wire */
} hf_story_info;

/* Row `index`, false past the end. Lends static memory. */
bool hf_story_row(size_t index, hf_story_info *info);
/* Plays it. `out`: the ladder. `capture`, where not NULL: a pcapng, open for writing in binary. False: no story has that
 * name, or memory ran out. Always the same, to the byte. */
bool hf_story_play(const char *name, FILE *out, FILE *capture);
/* story_tls.c: the RSA key exchange of TLS 1.2, from a real run of both cores. */
bool hf_story_tls_rsa(FILE *out);

#endif
