/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of hostile bytes: whatever a peer sends, a record is one printable line within HF_ACCESS_LINE, JSON strings
 * close, and the value of a parameter named token never shows. A record is made at once, out of values and into room that the
 * caller has (too little: nothing is written): there is nothing to slice, no time passes, and nothing is allocated.
 * Input: a format byte, then values separated by 0xfe: method, path, query, user agent, referer, request id.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void claim(bool holds)
{
    if (!holds)
        abort();
}

static void check_line(hf_bytes line, hf_access_format kind)
{
    bool quoted = false;
    claim(line.len > 0 && line.len <= HF_ACCESS_LINE && line.ptr[line.len - 1] == '\n');
    for (size_t i = 0; i + 1 < line.len; i++) {
        const uint8_t c = line.ptr[i];
        claim(c >= 0x20 && c != 0x7f && (kind != HF_ACCESS_COMBINED || c < 0x80));
        if (c == '\\') /* an escape: what follows is no end of a string */
            i++;
        else if (c == '"')
            quoted = !quoted;
    }
    claim(!quoted);
}

/* A parameter of our own before and behind what the peer sent. */
static void check_redaction(hf_bytes query)
{
    static const char first[] = "token=hunter2&", last[] = "&X-%54oken=hunter2";
    uint8_t whole[8192], memory[HF_REDACTED_MOST];
    if (query.len + sizeof first + sizeof last > sizeof whole || (query.len && memmem(query.ptr, query.len, "hunter2", 7)))
        return;
    hf_writer in = hf_writer_make(whole, sizeof whole), out = hf_writer_make(memory, sizeof memory);
    hf_write_text(&in, first);
    hf_write(&in, query);
    hf_write_text(&in, last);
    const hf_bytes shown = hf_redact_query(&out, hf_written(&in));
    claim(memmem(shown.ptr, shown.len, "hunter2", 7) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t line[HF_ACCESS_LINE];
    if (size == 0)
        return 0;
    hf_bytes values[6] = { { 0 } }, rest = hf_bytes_make(data + 1, size - 1);
    for (size_t i = 0; i < HF_COUNT(values) && hf_split(&rest, 0xfe, &values[i]); i++)
        continue;
    const hf_access_format kind = (hf_access_format)(data[0] % 3);
    const hf_access_record record = { .wall_ms = (int64_t)size * 1000003, .conn_id = size, .method = values[0], .path = values[1],
        .query = values[2], .user_agent = values[3], .referer = values[4], .req_id = values[5], .version = HF_HTTP_1_1,
        .status = 200, .client = { .family = data[0] & 0x80 ? 4 : 6, .port = 1 },
        .err = hf_err_make(data[0] & 0x40 ? HF_ERR_HTTP_NOT_FOUND : 0) };
    hf_writer w = hf_writer_make(line, sizeof line);
    claim(hf_access_format_record(&w, kind, &record) == w.length && !w.overflowed);
    check_line(hf_written(&w), kind);
    hf_writer tight = hf_writer_make(line, sizeof line - 1 - size % 64);
    claim(hf_access_format_record(&tight, kind, &record) == 0 && tight.length == 0);
    check_redaction(values[2]);
    return 0;
}
