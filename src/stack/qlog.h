/* SPDX-License-Identifier: Apache-2.0
 *
 * qlog: trace points of QUIC as the records that others' tools read (draft-ietf-quic-qlog-main-schema, with the names of
 * version 0.3, which qvis knows): JSON text sequences, RFC 7464. Pure: who calls has files.
 */
#ifndef HF_STACK_QLOG_H
#define HF_STACK_QLOG_H

#include "text.h"
#include "trace.h"

enum { HF_QLOG_RECORD_MOST = 768 }; /* bytes of one record */

/* The first record of a connection's log. `wall_ms`: the time since 1970 at `began`. */
void hf_qlog_begin(hf_writer *w, uint64_t connection, bool server, uint64_t wall_ms);
/* The record of a trace point. False: qlog has none for it. */
bool hf_qlog_record(hf_writer *w, const hf_trace_record *r, hf_time began);

#endif
