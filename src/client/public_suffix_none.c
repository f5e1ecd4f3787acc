/* SPDX-License-Identifier: Apache-2.0 */
#include "public_suffix_list.h"

#include <string.h>

bool hf_public_suffix_has(const char *domain)
{
    return strchr(domain, '.') == NULL;
}
