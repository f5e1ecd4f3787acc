/* SPDX-License-Identifier: Apache-2.0 */
#include "glimpse.h"

#include "text.h"

/* Up to the first of the bytes of `ends`; `rest` is what follows that byte. */
static hf_bytes take_until(hf_bytes *rest, const char *ends)
{
    size_t n = 0;
    while (n < rest->len && (rest->ptr[n] == 0 || strchr(ends, rest->ptr[n]) == NULL))
        n++;
    const hf_bytes taken = hf_bytes_make(rest->ptr, n);
    const size_t used = n < rest->len ? n + 1 : n;
    if (used > 0) /* of nothing, ptr may be NULL */
        *rest = hf_bytes_make(rest->ptr + used, rest->len - used);
    return taken;
}

static void split_target(hf_request_head *to)
{
    hf_bytes query = to->target;
    to->path = take_until(&query, "?");
    if (to->path.len < to->target.len)
        to->query = query;
}

void hf_glimpse_line(hf_bytes head, hf_request_head *to)
{
    hf_bytes line = take_until(&head, "\r\n");
    to->method_name = take_until(&line, " ");
    to->target = take_until(&line, " ");
    split_target(to);
    if (hf_bytes_equal(line, hf_text("HTTP/1.1")))
        to->version = HF_HTTP_1_1;
    else if (hf_bytes_equal(line, hf_text("HTTP/1.0")))
        to->version = HF_HTTP_1_0;
}

void hf_glimpse_fields(hf_fields fields, hf_version version, hf_request_head *to)
{
    to->version = version;
    for (size_t i = 0; i < fields.count; i++) {
        if (hf_bytes_equal(fields.at[i].name, hf_text(":method")))
            to->method_name = fields.at[i].value;
        else if (hf_bytes_equal(fields.at[i].name, hf_text(":path")))
            to->target = fields.at[i].value;
    }
    split_target(to);
}
