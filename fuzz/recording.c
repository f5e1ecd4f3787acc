/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole server told by a hostile recording: whatever it says, the replay comes to an end that it can name, and nothing of
 * this machine is asked. The tape has the slices, the time and the commands; the server's memory is the process's, and fails in the
 * targets of the cores (web, web_http3, tape).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panic.h"
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hf_recording recording;
    static hf_serve_options options;
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_replayed went = { 0 };
    uint8_t *copy = malloc(size + (size == 0)); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    memcpy(copy, data, size);
    memset(&recording, 0, sizeof recording);
    options = (hf_serve_options){ .limits = *hf_limits_default(), .files = { .root = "site", .listing = true }, .quiet = true };
    hf_tape *t = hf_tape_play_bytes(hf_bytes_make(copy, size));
    HF_ASSERT(t != NULL);
    if (hf_recording_note(&recording, t)) {
        const bool made = hf_recording_replay(&recording, &options, t, &went, &why);
        HF_ASSERT(made || why.length > 0);
    }
    HF_ASSERT(hf_tape_is_over(t) || why.length > 0);
    HF_ASSERT(!hf_tape_is_over(t) || hf_tape_why(t)[0] != 0);
    HF_ASSERT(!hf_tape_is_whole(t) || !hf_tape_differs(t));
    hf_recording_fini(&recording);
    hf_tape_free(t);
    free(copy);
    return 0;
}
