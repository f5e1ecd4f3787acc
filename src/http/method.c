/* SPDX-License-Identifier: Apache-2.0
 *
 * The methods and what each promises (RFC 9110 9.2, 9.3; RFC 5789; RFC 10008).
 */
#include <handfast/http.h>

#include "panic.h"

static const hf_method_contract contracts[HF_METHOD_COUNT] = {
    /* Nothing is promised of a method that is not known: RFC 9110 9.1. */
    [HF_METHOD_UNKNOWN] = { "", false, false, false, HF_BODY_ALLOWED },
    /* RFC 9110 9.3.1: "content received in a GET request has no generally defined semantics" and might be smuggled. */
    [HF_METHOD_GET] = { "GET", true, true, true, HF_BODY_MEANINGLESS },
    [HF_METHOD_HEAD] = { "HEAD", true, true, true, HF_BODY_MEANINGLESS },
    /* RFC 9110 9.3.3: answers to POST are cacheable only with explicit freshness and a matching Content-Location, so
     * not by default. */
    [HF_METHOD_POST] = { "POST", false, false, false, HF_BODY_ALLOWED },
    [HF_METHOD_PUT] = { "PUT", false, true, false, HF_BODY_ALLOWED },
    [HF_METHOD_DELETE] = { "DELETE", false, true, false, HF_BODY_MEANINGLESS },
    [HF_METHOD_CONNECT] = { "CONNECT", false, false, false, HF_BODY_MEANINGLESS },
    /* RFC 9110 9.3.7: "This specification does not define any uses for such content." */
    [HF_METHOD_OPTIONS] = { "OPTIONS", true, true, false, HF_BODY_MEANINGLESS },
    [HF_METHOD_TRACE] = { "TRACE", true, true, false, HF_BODY_MEANINGLESS },
    [HF_METHOD_PATCH] = { "PATCH", false, false, false, HF_BODY_ALLOWED },
    /* RFC 10008 2: safe and idempotent; the answer is cacheable with the content as part of the key. */
    [HF_METHOD_QUERY] = { "QUERY", true, true, true, HF_BODY_REQUIRED },
};

/* At most three methods share a length. */
static const uint8_t by_length[][3] = {
    [3] = { HF_METHOD_GET, HF_METHOD_PUT },
    [4] = { HF_METHOD_POST, HF_METHOD_HEAD },
    [5] = { HF_METHOD_PATCH, HF_METHOD_QUERY, HF_METHOD_TRACE },
    [6] = { HF_METHOD_DELETE },
    [7] = { HF_METHOD_OPTIONS, HF_METHOD_CONNECT },
};

hf_method hf_method_parse(hf_bytes name)
{
    if (name.len == 3 && memcmp(name.ptr, "GET", 3) == 0) /* what nearly all say */
        return HF_METHOD_GET;
    if (name.len >= HF_COUNT(by_length))
        return HF_METHOD_UNKNOWN;
    for (size_t i = 0; i < HF_COUNT(by_length[0]); i++) {
        const uint8_t method = by_length[name.len][i];
        if (method != HF_METHOD_UNKNOWN && memcmp(contracts[method].name, name.ptr, name.len) == 0)
            return (hf_method)method;
    }
    return HF_METHOD_UNKNOWN;
}

const hf_method_contract *hf_method_describe(hf_method method)
{
    HF_ASSERT((unsigned)method < HF_METHOD_COUNT);
    return &contracts[method];
}
