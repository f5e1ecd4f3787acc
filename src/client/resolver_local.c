/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that need no name server.
 */
#include "resolver.h"

#include <stdlib.h>
#include <strings.h>

#include "address.h"

void hf_query_add(hf_query *q, const hf_address *a)
{
    if (q->count < HF_QUERY_ADDRESSES)
        q->at[q->count++] = *a;
}

static bool is_below(const char *host, const char *domain)
{
    const size_t n = strlen(host), d = strlen(domain);
    return n >= d && strcasecmp(host + n - d, domain) == 0 && (n == d || host[n - d - 1] == '.');
}

bool hf_query_is_local(hf_query *q, const char *host, uint16_t port)
{
    hf_address a;
    /* RFC 6761 6.3: "name resolution APIs ... SHOULD ... always return the IP loopback address"; 6.4: invalid names do not exist. */
    if (hf_address_parse(hf_text(host), port, &a)) {
        hf_query_add(q, &a);
    } else if (is_below(host, "localhost")) {
        (void)hf_address_parse(hf_text("::1"), port, &a);
        hf_query_add(q, &a);
        (void)hf_address_parse(hf_text("127.0.0.1"), port, &a);
        hf_query_add(q, &a);
    } else if (is_below(host, "invalid")) {
        q->words = "names below .invalid do not exist (RFC 6761 6.4)";
    } else {
        return false;
    }
    q->answered[0] = q->answered[1] = q->https_answered = true;
    return true;
}

void hf_query_forget(hf_query *q)
{
    if (q == NULL)
        return;
    q->forgotten = true;
    if (q->pending == 0)
        free(q);
}
