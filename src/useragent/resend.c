/* SPDX-License-Identifier: Apache-2.0 */
#include "resend.h"

#include "text.h"

static bool is(hf_bytes method, const char *name)
{
    return hf_bytes_equal(method, hf_text(name));
}

hf_redirect hf_redirect_of(uint16_t status, hf_bytes method, bool has_location)
{
    hf_redirect r = { .follows = has_location && (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) };
    /* RFC 9110 15.4.2, 15.4.3: "For historical reasons, a user agent MAY change the request method from POST to GET"; 15.4.4:
     * 303 asks for "a retrieval request". 307 and 308 "MUST NOT change the request method". */
    r.becomes_get = r.follows && ((status == 303 && !is(method, "HEAD") && !is(method, "GET")) || ((status == 301 || status == 302) && is(method, "POST")));
    return r;
}

bool hf_method_is_repeatable(hf_bytes method)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY" };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (is(method, names[i]))
            return true;
    return false;
}

hf_resend hf_resend_of(const hf_attempt *a)
{
    if (a->status != 0)
        /* RFC 8470 5.2: "425 ... the server is unwilling to risk processing"; RFC 9110 15.5.20: 421 "on a different connection". */
        return a->status == 425 || (a->status == 421 && a->reused) ? HF_RESEND_UNPROCESSED : HF_RESEND_NO;
    if (a->err.code == HF_ERR_HTTP2_NOT_PROCESSED || a->err.code == HF_ERR_HTTP3_NOT_PROCESSED)
        return HF_RESEND_UNPROCESSED;
    if (!a->sent)
        return a->reused ? HF_RESEND_UNSENT : HF_RESEND_NO;
    /* RFC 9112 9.3.1: "a client might not know whether the server ... closed it before": an old connection that ends without a
     * word. Who has heard a part of an answer knows that the request was acted upon. */
    if (a->reused && !a->begun && (hf_method_is_repeatable(a->method) || a->has_key))
        return HF_RESEND_IDEMPOTENT;
    return HF_RESEND_NO;
}
