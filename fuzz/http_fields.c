/* SPDX-License-Identifier: Apache-2.0
 *
 * Field values from hostile bytes: lists, parameters, weights, entity tags, ranges, dates, preconditions, negotiation.
 * The first eight bytes are a number (a size, a moment), the rest is the value. A value is there whole, and nothing is allocated:
 * there are no slices and no failing memory.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "conditional.h"
#include "date.h"
#include "media.h"
#include "negotiate.h"
#include "panic.h"
#include "range.h"
#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096, RANGES = 16 };

static void check_dates(hf_bytes value, hf_wall now)
{
    uint8_t text[HF_DATE_LENGTH];
    hf_wall t, again;
    hf_writer w = hf_writer_make(text, sizeof text);
    /* whatever the moment, what is written reads back as the same or, outside the years, the nearest */
    hf_date_write(&w, now);
    HF_ASSERT(w.length == HF_DATE_LENGTH && hf_date_parse(hf_written(&w), now, &again));
    HF_ASSERT(again.s == now.s || (now.s < HF_DATE_MIN_S && again.s == HF_DATE_MIN_S)
              || (now.s > HF_DATE_MAX_S && again.s == HF_DATE_MAX_S));
    if (!hf_date_parse(value, now, &t))
        return;
    HF_ASSERT(t.s >= HF_DATE_MIN_S && t.s <= HF_DATE_MAX_S);
    w = hf_writer_make(text, sizeof text);
    hf_date_write(&w, t);
    HF_ASSERT(hf_date_parse(hf_written(&w), now, &again) && again.s == t.s);
}

static void check_ranges(hf_bytes value, uint64_t size)
{
    hf_range ranges[RANGES + 1];
    size_t count = 99;
    const hf_range poison = { 0x5a5a, 0xa5a5 };
    ranges[RANGES] = poison;
    const hf_range_kind kind = hf_range_parse(value, size, ranges, RANGES, &count);
    uint64_t sum = 0;
    HF_ASSERT((kind == HF_RANGE_SATISFIABLE) == (count > 0) && count <= RANGES);
    HF_ASSERT(memcmp(&ranges[RANGES], &poison, sizeof poison) == 0);
    for (size_t i = 0; i < count; i++) {
        HF_ASSERT(ranges[i].first <= ranges[i].last && ranges[i].last < size);
        sum += hf_range_length(ranges[i]);
        for (size_t k = 0; k < i; k++) /* apart, with at least one byte between */
            HF_ASSERT(ranges[i].first > ranges[k].last + 1 || ranges[k].first > ranges[i].last + 1);
        uint8_t text[80];
        hf_writer w = hf_writer_make(text, sizeof text);
        hf_content_range c;
        hf_content_range_write(&w, ranges[i], size);
        HF_ASSERT(!w.overflowed);
        if (size < UINT64_MAX)
            HF_ASSERT(hf_content_range_parse(hf_written(&w), &c) && c.range.first == ranges[i].first
                      && c.range.last == ranges[i].last && c.size == size);
    }
    HF_ASSERT(sum <= size);
    hf_content_range c;
    if (hf_content_range_parse(value, &c) && c.has_range)
        HF_ASSERT(c.range.first <= c.range.last && (!c.has_size || c.range.last < c.size));
}

static void check_lists(hf_bytes value)
{
    static uint8_t text[MOST];
    size_t total = 0;
    hf_bytes rest = value;
    for (hf_bytes element, params, name, parameter; hf_list_next(&rest, &element);) {
        HF_ASSERT(element.len > 0 && element.ptr >= value.ptr && element.ptr + element.len <= value.ptr + value.len);
        HF_ASSERT(hf_trim(element).len == element.len);
        total += element.len;
        const hf_bytes head = hf_list_head(element, &params);
        HF_ASSERT(head.len + params.len <= element.len);
        while (hf_param_next(&params, &name, &parameter)) {
            hf_writer w = hf_writer_make(text, sizeof text);
            HF_ASSERT(hf_is_token(name) && hf_unquote(parameter, &w) && !w.overflowed && w.length <= parameter.len);
        }
        const int q = hf_qvalue_parse(element);
        HF_ASSERT(q >= -1 && q <= 1000);
    }
    HF_ASSERT(total <= value.len && rest.len == 0);
}

static void check_etags(hf_bytes value)
{
    static uint8_t text[MOST + 8];
    hf_bytes rest = value;
    hf_etag etag, again;
    while (hf_etag_next(&rest, &etag)) {
        hf_writer w = hf_writer_make(text, sizeof text);
        hf_etag_write(&w, &etag);
        HF_ASSERT(!w.overflowed && hf_etag_parse(hf_written(&w), &again));
        HF_ASSERT(again.weak == etag.weak && hf_etag_same_weak(&again, &etag));
        HF_ASSERT(hf_etag_same_strong(&again, &etag) == !etag.weak);
        HF_ASSERT(hf_etag_in(value, &etag, false) && hf_etag_in(hf_written(&w), &etag, false));
    }
    HF_ASSERT(rest.len == 0);
}

/* The value in every field that we look into; what is decided must be sound. */
static void check_decisions(hf_bytes value, hf_wall now)
{
    static const hf_field_id ids[] = {
        HF_FIELD_IF_MATCH, HF_FIELD_IF_NONE_MATCH, HF_FIELD_IF_MODIFIED_SINCE, HF_FIELD_IF_UNMODIFIED_SINCE,
        HF_FIELD_IF_RANGE, HF_FIELD_ACCEPT,        HF_FIELD_ACCEPT_ENCODING,   HF_FIELD_CACHE_CONTROL,
    };
    const hf_validators current = {
        .exists = true, .has_etag = true, .has_modified = true, .etag = { false, hf_text("x") }, .modified = now
    };
    const hf_validators nothing = { 0 };
    for (size_t i = 0; i < HF_COUNT(ids); i++) {
        const hf_field field = { hf_field_spelling(ids[i]), value, ids[i] };
        hf_request_head head = { .method = HF_METHOD_GET, .fields = { &field, 1 } };
        HF_ASSERT(hf_conditional_evaluate(&head, &nothing, now) != HF_NOT_MODIFIED);
        (void)hf_conditional_evaluate(&head, &current, now);
        if (ids[i] == HF_FIELD_IF_RANGE && hf_if_range_holds(&head, &current, now))
            HF_ASSERT(value.len == 3 || value.len >= 24); /* "x", or some date */
        head.method = HF_METHOD_PUT;
        HF_ASSERT(hf_conditional_evaluate(&head, &current, now) != HF_NOT_MODIFIED);
        const hf_encoding chosen = hf_encoding_choose(&head, 1u << HF_ENCODING_GZIP);
        HF_ASSERT(chosen == HF_ENCODING_IDENTITY
                  || (chosen == HF_ENCODING_GZIP && hf_encoding_quality(value, HF_ENCODING_GZIP) > 0));
        HF_ASSERT(hf_accept_quality(head.fields, hf_text("text/html;charset=utf-8")) <= 1000);
        HF_ASSERT(hf_cache_control_parse(head.fields).max_age_s <= UINT32_C(1) << 31);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t number;
    if (size < sizeof number || size > MOST)
        return 0;
    memcpy(&number, data, sizeof number);
    const size_t length = size - sizeof number;
    /* a block of its own, so that reading past its end is seen */
    uint8_t *copy = malloc(length + (length == 0));
    HF_ASSERT(copy != NULL);
    memcpy(copy, data + sizeof number, length);
    const hf_bytes value = hf_bytes_make(copy, length);
    hf_wall now;
    memcpy(&now.s, &number, sizeof now.s);
    check_dates(value, now);
    now.s = (int64_t)(number % 10000000000u);
    check_dates(value, now);
    check_ranges(value, number);
    check_ranges(value, number % 64);
    check_lists(value);
    check_etags(value);
    check_decisions(value, now);
    HF_ASSERT(hf_media_by_name(value)->type != NULL);
    const hf_field_id id = hf_field_identify(value);
    HF_ASSERT(id == HF_FIELD_OTHER || hf_text_same(hf_field_spelling(id), value));
    const hf_method method = hf_method_parse(value);
    HF_ASSERT(method == HF_METHOD_UNKNOWN || hf_bytes_equal(hf_text(hf_method_describe(method)->name), value));
    free(copy);
    return 0;
}
