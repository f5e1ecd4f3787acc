/* SPDX-License-Identifier: Apache-2.0
 *
 * logs: the access logs that one configuration names, open. A log that two of them name, one after the other, stays open
 * from one to the next.
 */
#ifndef HF_SERVER_LOGS_H
#define HF_SERVER_LOGS_H

#include <sys/types.h>

#include "serve.h"

typedef struct hf_logs hf_logs;

/* Opens what the options name and `before` (may be NULL) has not; lends nothing. NULL: it cannot be, and `why` says so in
 * a line. One thread at a time, as all of these. */
hf_logs *hf_logs_open(const hf_serve_options *options, const hf_logs *before, hf_writer *why);
/* Closes what no other set has. NULL is nothing. */
void hf_logs_close(hf_logs *l);

/* The one that has what no other has; NULL: none. */
hf_access_log *hf_logs_main(const hf_logs *l);
/* Of options->logs, in their order. */
const hf_log_use *hf_logs_uses(const hf_logs *l);

/* After a rotation: opens all of them again, or only those that another set has, too. */
void hf_logs_reopen(hf_logs *l, bool shared_only);
/* Gives the files to somebody, who is to open them again. False: not all of them, and errno. */
bool hf_logs_give(hf_logs *l, uid_t user, gid_t group);
/* Lines that were dropped. */
uint64_t hf_logs_dropped(const hf_logs *l);

#endif
