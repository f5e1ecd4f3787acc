/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that others' tools write, read for what went wrong in them: captures of packets (pcap, pcapng), qlog, HAR, and lines of logs.
 * What a file is, is told by how it begins. Nothing waits, and nothing is believed: each reader bounds what it remembers.
 */
#ifndef HF_EXPLAIN_READING_H
#define HF_EXPLAIN_READING_H

#include "findings.h"
#include "text.h"

typedef enum hf_file_kind {
    HF_FILE_UNKNOWN, HF_FILE_PCAP, HF_FILE_PCAPNG, HF_FILE_QLOG, HF_FILE_HAR, HF_FILE_PEM, HF_FILE_JWT, HF_FILE_LOG
} hf_file_kind;

hf_file_kind hf_file_kind_of(hf_bytes file);
/* "a capture of packets (pcap)". Static. */
const char *hf_file_kind_name(hf_file_kind kind);

/* What is told: lines about what it is, and findings, the most severe first. */
typedef struct hf_reading {
    hf_writer facts;           /* lines of printable ASCII; what does not fit is left out */
    hf_finding_list findings;
} hf_reading;

/* Of PCAP, PCAPNG, QLOG, HAR and LOG. Fills what the caller has given room for. HF_ERR_BASE_MEMORY. */
hf_err hf_reading_make(const hf_env *env, hf_file_kind kind, hf_bytes file, hf_reading *r);

/* One line of facts, with its line break; what strangers wrote is made harmless. */
void hf_reading_fact(hf_reading *r, const char *format, ...) HF_PRINTF(2, 3);

/* How many values `file` can have as JSON, at the most. 0: more than explain_values, which is told. */
size_t hf_reading_values(const hf_env *env, hf_bytes file, hf_reading *r);

/* The readers, by kind. */
hf_err hf_reading_capture(const hf_env *env, hf_bytes file, hf_reading *r);
hf_err hf_reading_qlog(const hf_env *env, hf_bytes file, hf_reading *r);
hf_err hf_reading_har(const hf_env *env, hf_bytes file, hf_reading *r);
hf_err hf_reading_log(const hf_env *env, hf_bytes file, hf_reading *r);

#endif
