/* SPDX-License-Identifier: Apache-2.0 */
#include "traceparent.h"

#include "text.h"

/* "version-format = trace-id "-" parent-id "-" trace-flags", behind "version "-"": two, 32, 16 and two digits. */
enum { TRACE_AT = 3, TRACE_DIGITS = 32, PARENT_AT = 36, PARENT_DIGITS = 16, FLAGS_AT = 53, LENGTH = 55 };

static int digit(uint8_t c)
{
    /* "HEXDIGLC = DIGIT / "a" / ... / "f"; lowercase hex character". */
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(hf_bytes b, bool *zero)
{
    *zero = true;
    for (size_t i = 0; i < b.len; i++) {
        if (digit(b.ptr[i]) < 0)
            return false;
        *zero = *zero && b.ptr[i] == '0';
    }
    return true;
}

bool hf_traceparent_parse(hf_bytes value, hf_traceparent *t)
{
    bool zero, no_trace, no_parent;
    if (value.len < LENGTH)
        return false;
    const hf_bytes version = hf_bytes_make(value.ptr, 2), flags = hf_bytes_make(value.ptr + FLAGS_AT, 2);
    *t = (hf_traceparent){ .trace_id = hf_bytes_make(value.ptr + TRACE_AT, TRACE_DIGITS),
        .parent_id = hf_bytes_make(value.ptr + PARENT_AT, PARENT_DIGITS) };
    if (value.ptr[2] != '-' || value.ptr[PARENT_AT - 1] != '-' || value.ptr[FLAGS_AT - 1] != '-')
        return false;
    /* "Version ff is invalid." A later version may say more behind a dash; version 00 says nothing more. */
    if (!is_hex(version, &zero) || hf_bytes_equal(version, hf_text("ff")) ||
        (value.len > LENGTH && (zero || value.ptr[LENGTH] != '-')))
        return false;
    /* "All bytes as zero ... is considered an invalid value", of both ids. */
    if (!is_hex(t->trace_id, &no_trace) || no_trace || !is_hex(t->parent_id, &no_parent) || no_parent || !is_hex(flags, &zero))
        return false;
    t->sampled = digit(flags.ptr[1]) & 1;
    return true;
}

bool hf_traceparent_find(hf_fields fields, hf_traceparent *t)
{
    const hf_field *found = NULL;
    for (size_t i = 0; i < fields.count; i++) {
        if (!hf_text_same(fields.at[i].name, hf_text("traceparent")))
            continue;
        if (found != NULL)
            return false;
        found = &fields.at[i];
    }
    return found != NULL && hf_traceparent_parse(found->value, t);
}
