/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostics on standard error, one line each: time, level, area, code, message, hint.
 */
#ifndef HF_SERVER_LOG_H
#define HF_SERVER_LOG_H

#include <handfast/base.h>

#include "text.h"

typedef enum hf_log_level { HF_LOG_ERROR, HF_LOG_WARNING, HF_LOG_INFO, HF_LOG_DEBUG } hf_log_level;

/* Before threads start: what is less urgent than `least` is not said. Until then, and unless HF_LOG=error|warning|info|
 * debug in the environment says otherwise (it always wins), HF_LOG_INFO. `colour`: with escape sequences. */
void hf_log_setup(hf_log_level least, bool colour);
/* Thread-safe; a line is one write. `err` gives the area, the code and the hint (its remedy); HF_OK: plain news.
 * errno is kept. */
void hf_log(hf_log_level level, hf_err err, const char *format, ...) HF_PRINTF(3, 4);

/* The line itself, with its "\n". Pure. `message` may hold what peers sent: control bytes are escaped. */
void hf_log_write(hf_writer *w, int64_t wall_ms, hf_log_level level, hf_err err, hf_bytes message, bool colour);

#endif
