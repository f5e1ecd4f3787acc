/* SPDX-License-Identifier: Apache-2.0
 *
 * What access log and diagnostics have in common: time stamps, and text that stays on its line.
 */
#ifndef HF_SERVER_LOG_TEXT_H
#define HF_SERVER_LOG_TEXT_H

#include "text.h"

typedef struct hf_civil {
    int64_t year;
    unsigned month, day, hour, minute, second, millisecond;
} hf_civil;

/* UTC, proleptic Gregorian. */
hf_civil hf_civil_from_ms(int64_t wall_ms);
/* "2026-09-30T12:34:56.789Z" (RFC 3339) */
void hf_log_time(hf_writer *w, int64_t wall_ms);

typedef enum hf_log_escape {
    HF_LOG_UNICODE, /* \" \\ \n \u001b as JSON has it; invalid UTF-8 becomes U+FFFD. Also C1 controls, line separators
                       and what reorders text: some terminals and readers obey those too */
    HF_LOG_BYTES    /* \" \\ \n \x1b and every byte above 0x7e, as Apache has it */
} hf_log_escape;

/* Appends `b` escaped, at most `most` bytes of it: a longer one is cut between characters and ends in "...". */
void hf_log_text(hf_writer *w, hf_log_escape escape, hf_bytes b, size_t most);

#endif
