/* SPDX-License-Identifier: Apache-2.0
 *
 * The Priority field (RFC 9218 4).
 */
#include "priority.h"

#include "text.h"

/* A dictionary of structured fields (RFC 8941 3.2), of which two members count: u (an integer) and i (a boolean). What
 * does not parse is ignored (RFC 9218 4: "treated as if the parameter was not present"). */
void hf_priority_parse(hf_bytes value, hf_priority *out)
{
    hf_bytes member;
    while (hf_split(&value, ',', &member)) {
        hf_bytes rest = hf_trim(member), name;
        if (!hf_split(&rest, ';', &member))
            continue;
        rest = hf_trim(member);
        if (!hf_split(&rest, '=', &name))
            continue;
        if (hf_bytes_equal(name, hf_text("u")) && rest.len == 1 && rest.ptr[0] >= '0' && rest.ptr[0] < '0' + HF_URGENCIES)
            out->urgency = (uint8_t)(rest.ptr[0] - '0');
        else if (hf_bytes_equal(name, hf_text("i")) && (rest.ptr == NULL || hf_bytes_equal(rest, hf_text("?1"))))
            out->incremental = true;
        else if (hf_bytes_equal(name, hf_text("i")) && hf_bytes_equal(rest, hf_text("?0")))
            out->incremental = false;
    }
}
