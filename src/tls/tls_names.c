/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of our identities are for the host that the client asked for (RFC 6066 3). An exact name goes before a wildcard,
 * and a wildcard is the whole left-most label (RFC 9525 6.3).
 */
#include "tls_core.h"

#include "text.h"

static int order(hf_bytes a, hf_bytes b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int first = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return first != 0 ? first : a.len < b.len ? -1 : a.len > b.len;
}

int hf_tls_name_order(const hf_tls_name *a, const hf_tls_name *b)
{
    const int by_host = order(a->host, b->host);
    return by_host != 0 ? by_host : a->identity < b->identity ? -1 : a->identity > b->identity;
}

/* The rows of this host: from *first up to *end. */
static bool find(const hf_tls_config *config, hf_bytes host, size_t *first, size_t *end)
{
    size_t low = 0, high = config->name_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (order(config->names[middle].host, host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = *end = low;
    while (*end < config->name_count && order(config->names[*end].host, host) == 0)
        ++*end;
    return *end > *first;
}

hf_candidates hf_hs_candidates(const hf_handshake *h)
{
    hf_candidates c = { .h = h };
    uint8_t lower[256];
    size_t n = h->host_length;
    if (h->config->names == NULL) {
        c.named_end = h->config->identity_count;
        return c;
    }
    for (size_t i = 0; i < n; i++)
        lower[i] = hf_lower(h->host[i]);
    n -= n > 1 && lower[n - 1] == '.';
    if (n == 0 || find(h->config, hf_bytes_make(lower, n), &c.named, &c.named_end))
        return c;
    const uint8_t *dot = memchr(lower, '.', n);
    if (dot == NULL || dot == lower)
        return c;
    /* "a.example" becomes "*.example" in place: the label has a byte at least */
    uint8_t *star = lower + (dot - lower) - 1;
    *star = '*';
    (void)find(h->config, hf_bytes_make(star, (size_t)(lower + n - star)), &c.named, &c.named_end);
    return c;
}

const hf_tls_identity *hf_hs_candidate_next(hf_candidates *c)
{
    const hf_tls_config *const config = c->h->config;
    while (c->named < c->named_end) {
        const size_t i = c->named++;
        if (config->names != NULL)
            return &config->identities[config->names[i].identity];
        if (hf_chain_covers(config->identities[i].chain, hf_bytes_make(c->h->host, c->h->host_length)))
            return &config->identities[i];
    }
    return c->rest < config->identity_count ? &config->identities[c->rest++] : NULL;
}
