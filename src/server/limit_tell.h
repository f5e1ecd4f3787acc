/* SPDX-License-Identifier: Apache-2.0
 *
 * limit_tell: what is said when a limit or a guard refuses or ends something: to the log, and to a client that is turned away
 * unheard.
 */
#ifndef HF_SERVER_LIMIT_TELL_H
#define HF_SERVER_LIMIT_TELL_H

#include "limit_names.h"
#include "service.h"

/* Says on standard error which limit refused or ended something, what was got and what was wanted: each limit at most once
 * in ten seconds, with how often it happened since. The access log has each request. `rq` NULL: the connection as such.
 * Nothing where `err` is about no limit. */
void hf_limit_tell(hf_limit_tally *tally, hf_time now, const hf_dialog *d, hf_err err, const hf_req *rq);

/* Likewise of a request that a guard denied: the code, which route, what was got and what was wanted. Secrets in it are cut. */
void hf_denial_tell(hf_limit_tally *tally, hf_time now, const hf_req *rq);

enum { HF_TURNED_AWAY = 1024 };
/* The answer to whoever is over a limit, for when there is no time or memory to hear what is asked: at most HF_TURNED_AWAY
 * bytes. */
void hf_limit_write_answer(hf_writer *out, hf_err why);

#endif
