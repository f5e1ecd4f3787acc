/* SPDX-License-Identifier: Apache-2.0 */
#include "public_suffix.h"

#include <stdio.h>

#include "public_suffix_list.h"

bool hf_public_suffix_is(void *ctx, hf_bytes domain)
{
    char text[256];
    (void)ctx;
    if (domain.len == 0 || domain.len >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", HF_STR(domain));
    return hf_public_suffix_has(text);
}

hf_bytes hf_public_suffix_site(hf_bytes host)
{
    hf_bytes site = host;
    bool digits = true;
    for (size_t i = 0; i < host.len; i++)
        digits = digits && (host.ptr[i] == '.' || (host.ptr[i] >= '0' && host.ptr[i] <= '9'));
    if (digits || (host.len > 0 && memchr(host.ptr, ':', host.len) != NULL))
        return host;
    for (;;) {
        const uint8_t *const dot = site.len > 0 ? memchr(site.ptr, '.', site.len) : NULL;
        if (dot == NULL)
            return host;
        const hf_bytes below = hf_bytes_make(dot + 1, (size_t)(site.ptr + site.len - dot - 1));
        if (hf_public_suffix_is(NULL, below))
            return site;
        site = below;
    }
}
