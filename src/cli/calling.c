/* SPDX-License-Identifier: Apache-2.0 */
#include "calling.h"

#include <stdlib.h>

#include "text.h"
#include "token.h"

hf_exit hf_calling_read_header(hf_cli *cli, const char *text, hf_field *field)
{
    const char *const colon = strchr(text, ':');
    const hf_bytes name = hf_bytes_make(text, colon != NULL ? (size_t)(colon - text) : 0);
    const hf_bytes value = colon != NULL ? hf_trim(hf_text(colon + 1)) : hf_text("");
    if (!hf_is_token(name) || !hf_is_field_value(value))
        return hf_cli_misuse(cli, "--header %s: write it as \"Name: value\"", text);
    *field = (hf_field){ .name = name, .value = value, .id = hf_field_identify(name) };
    return HF_EXIT_OK;
}

hf_exit hf_calling_layer_of(hf_line_stage stage)
{
    return stage == HF_LINE_NAME ? HF_EXIT_DNS : stage == HF_LINE_CONNECT ? HF_EXIT_TCP : HF_EXIT_TLS;
}

bool hf_calling_keep_fields(hf_fields from, hf_field *to, size_t most, size_t *count, char **memory)
{
    size_t room = 1, at = 0;
    const size_t n = from.count < most ? from.count : most;
    for (size_t i = 0; i < n; i++)
        room += from.at[i].name.len + from.at[i].value.len;
    *count = 0;
    *memory = malloc(room);
    if (*memory == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const hf_bytes parts[2] = { from.at[i].name, from.at[i].value };
        hf_bytes kept[2];
        for (int part = 0; part < 2; part++) {
            if (parts[part].len > 0)
                memcpy(*memory + at, parts[part].ptr, parts[part].len);
            kept[part] = hf_bytes_make(*memory + at, parts[part].len);
            at += parts[part].len;
        }
        to[i] = (hf_field){ .name = kept[0], .value = kept[1], .id = from.at[i].id };
    }
    *count = n;
    return true;
}
