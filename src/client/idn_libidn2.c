/* SPDX-License-Identifier: Apache-2.0 */
#include "idn.h"

#include <idn2.h>
#include <stdio.h>

/* UTS #46 maps some characters (a wide "/", "@" or ":") to what would be another part of the URL. */
static bool is_name(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n < HF_IDN_BYTES && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

const char *hf_idn_to_ascii(hf_bytes host, char to[HF_IDN_BYTES])
{
    char text[1024], *ascii = NULL;
    if (host.len >= sizeof text || memchr(host.ptr, 0, host.len) != NULL)
        return "its host is too long";
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    const int e = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const bool good = e == IDN2_OK && is_name(ascii);
    if (good)
        snprintf(to, HF_IDN_BYTES, "%s", ascii);
    idn2_free(ascii);
    if (good)
        return NULL;
    return e == IDN2_ENCODING_ERROR ? "its host is not written in UTF-8" : e == IDN2_TOO_BIG_LABEL || e == IDN2_TOO_BIG_DOMAIN ? "its host is too long"
           : "its host is no name in Unicode either (RFC 5891): write it as xn--...";
}
