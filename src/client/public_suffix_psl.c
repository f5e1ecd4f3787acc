/* SPDX-License-Identifier: Apache-2.0 */
#include "public_suffix_list.h"

#include <libpsl.h>
#include <stddef.h>

bool hf_public_suffix_has(const char *domain)
{
    const psl_ctx_t *const list = psl_builtin();
    return list != NULL && psl_is_public_suffix(list, domain) != 0;
}
