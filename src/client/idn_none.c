/* SPDX-License-Identifier: Apache-2.0 */
#include "idn.h"

const char *hf_idn_to_ascii(hf_bytes host, char to[HF_IDN_BYTES])
{
    (void)host;
    (void)to;
    return "the DNS knows names in ASCII alone, and this build has no libidn2: write a host in Unicode as xn--..., which `idn2 NAME` prints";
}
