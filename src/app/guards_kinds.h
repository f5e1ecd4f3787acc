/* SPDX-License-Identifier: Apache-2.0
 *
 * What guards find and leave for those behind them: in the request's memory.
 */
#ifndef HF_APP_GUARDS_KINDS_H
#define HF_APP_GUARDS_KINDS_H

#include <handfast/guards.h>

#include "request.h"

struct hf_guarded {
    hf_session session;
    bool has_session;
    hf_session_guard *sessions; /* that looked, whether it found one or not */
    const hf_claims *claims;
};

/* NULL when memory ends. */
struct hf_guarded *hf_guarded_of(hf_req *rq);
/* The fields of a CORS decision onto the answer. */
hf_err hf_cors_put(hf_req *rq, const hf_cors_answer *answer);

#endif
