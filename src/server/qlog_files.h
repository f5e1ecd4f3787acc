/* SPDX-License-Identifier: Apache-2.0
 *
 * One file of qlog for each QUIC connection of a loop thread: c<its id>.sqlog in a folder. What is written is when packets came
 * and left and how long they were, no content and no address.
 */
#ifndef HF_SERVER_QLOG_FILES_H
#define HF_SERVER_QLOG_FILES_H

#include "trace.h"

typedef struct hf_qlog_files hf_qlog_files;

/* `next` (may be NULL) is told of everything, too; lent for life. NULL and *err: the folder cannot be written to, or memory
 * ends. */
hf_qlog_files *hf_qlog_files_new(const char *folder, const hf_limits *limits, const hf_trace_sink *next, hf_err *err);
/* What is still held is written. */
void hf_qlog_files_free(hf_qlog_files *q);
/* For hf_env.trace. */
const hf_trace_sink *hf_qlog_files_sink(hf_qlog_files *q);

#endif
