/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, patterns and tokens: values, no state.
 */
#include <handfast/topic.h>

#include "text.h"

/* Visible ASCII and whatever UTF-8 has beyond it; a segment may be "*", in patterns, and the last one "**". */
static bool is_fit(hf_bytes name, const hf_limits *limits, bool pattern)
{
    hf_bytes rest = name, segment;
    if (name.len == 0 || name.len > limits->topic_name_bytes)
        return false;
    while (hf_split(&rest, '/', &segment)) {
        const bool star = segment.len == 1 && segment.ptr[0] == '*';
        const bool stars = segment.len == 2 && memcmp(segment.ptr, "**", 2) == 0 && rest.ptr == NULL;
        if (segment.len == 0 || (pattern && (star || stars))) {
            if (segment.len == 0)
                return false;
            continue;
        }
        for (size_t i = 0; i < segment.len; i++)
            if (segment.ptr[i] <= 0x20 || segment.ptr[i] == 0x7f || segment.ptr[i] == '*')
                return false;
    }
    return true;
}

bool hf_topic_name_is_fit(hf_bytes name, const hf_limits *limits)
{
    return is_fit(name, limits, false);
}

bool hf_topic_pattern_is_fit(hf_bytes pattern, const hf_limits *limits)
{
    return is_fit(pattern, limits, true);
}

bool hf_topic_matches(hf_bytes pattern, hf_bytes name)
{
    hf_bytes wanted, segment;
    while (hf_split(&pattern, '/', &wanted)) {
        if (wanted.len == 2 && memcmp(wanted.ptr, "**", 2) == 0)
            return name.ptr != NULL;
        if (!hf_split(&name, '/', &segment))
            return false;
        if (!(wanted.len == 1 && wanted.ptr[0] == '*') && !hf_bytes_equal(wanted, segment))
            return false;
    }
    return name.ptr == NULL;
}

hf_bytes hf_topic_token_write(hf_topic_position at, uint8_t room[HF_TOPIC_TOKEN])
{
    hf_writer w = hf_writer_make(room, HF_TOPIC_TOKEN);
    hf_write_hex(&w, at.epoch);
    hf_write_byte(&w, '-');
    hf_write_decimal(&w, at.number);
    return hf_written(&w);
}

bool hf_topic_token_read(hf_bytes token, hf_topic_position *at)
{
    hf_bytes epoch;
    *at = (hf_topic_position){ 0, 0 };
    if (!hf_split(&token, '-', &epoch) || token.ptr == NULL || epoch.len == 0 || epoch.len > 16)
        return false;
    for (size_t i = 0; i < epoch.len; i++) {
        const int digit = hf_hex_digit(epoch.ptr[i]);
        if (digit < 0)
            return false;
        at->epoch = at->epoch << 4 | (uint64_t)digit;
    }
    return hf_parse_decimal(token, &at->number);
}
