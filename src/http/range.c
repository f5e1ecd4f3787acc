/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte ranges: what a client asks for, against what there is.
 */
#include "range.h"

#include "token.h"

/* One or more digits off the front. RFC 9110 14.1.2: "recipients MUST anticipate potentially large decimal numerals and
 * prevent parsing errors due to integer conversion overflows": what is too large stays the largest number there is. */
static bool take_number(hf_bytes *b, uint64_t *n)
{
    const size_t digits = hf_span_of(*b, HF_BYTE_DIGIT);
    uint64_t sum = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(b->ptr[i] - '0'), &sum)) {
            sum = UINT64_MAX;
            break;
        }
    if (digits == 0)
        return false;
    *b = hf_bytes_make(b->ptr + digits, b->len - digits);
    *n = sum;
    return true;
}

static bool take_byte(hf_bytes *b, uint8_t byte)
{
    if (b->len == 0 || b->ptr[0] != byte)
        return false;
    *b = hf_bytes_make(b->ptr + 1, b->len - 1);
    return true;
}

/* One range-spec against `size`. NONE: malformed, or satisfiable by nothing that Content-Range could say. */
static hf_range_kind resolve(hf_bytes spec, uint64_t size, hf_range *r)
{
    uint64_t first = 0, last = UINT64_MAX, suffix = 0;
    if (take_byte(&spec, '-')) {
        if (!take_number(&spec, &suffix) || spec.len > 0)
            return HF_RANGE_NONE;
        if (suffix == 0)
            return HF_RANGE_UNSATISFIABLE;
        /* RFC 9110 14.1.2 calls the last bytes of nothing satisfiable; 14.2 lets the field be ignored then. */
        if (size == 0)
            return HF_RANGE_NONE;
        *r = (hf_range){ suffix < size ? size - suffix : 0, size - 1 };
        return HF_RANGE_SATISFIABLE;
    }
    if (!take_number(&spec, &first) || !take_byte(&spec, '-') || (spec.len > 0 && !take_number(&spec, &last))
        || spec.len > 0)
        return HF_RANGE_NONE;
    /* RFC 9110 14.1.1: "An int-range is invalid if the last-pos value is present and less than the first-pos" */
    if (last < first)
        return HF_RANGE_NONE;
    if (first >= size)
        return HF_RANGE_UNSATISFIABLE;
    *r = (hf_range){ first, last < size ? last : size - 1 };
    return HF_RANGE_SATISFIABLE;
}

/* No byte lies between them: they overlap or touch. (Both are below the size, so + 1 does not wrap.) */
static bool meets(hf_range a, hf_range b)
{
    return a.first <= b.last + 1 && b.first <= a.last + 1;
}

/* Adds a range; those that it meets become one with it, in the place of the earliest of them. */
static size_t add(hf_range *ranges, size_t count, hf_range r)
{
    size_t place = count, kept = 0;
    /* Growing may make it meet one that was passed over: again until nothing does. Every round but the last removes at
     * least one, and the limit keeps them few. */
    for (bool grew = true; grew;) {
        grew = false;
        kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (!meets(ranges[i], r)) {
                ranges[kept++] = ranges[i];
                continue;
            }
            r.first = r.first < ranges[i].first ? r.first : ranges[i].first;
            r.last = r.last > ranges[i].last ? r.last : ranges[i].last;
            place = kept < place ? kept : place;
            grew = true;
        }
        count = kept;
    }
    place = place < count ? place : count;
    memmove(ranges + place + 1, ranges + place, (count - place) * sizeof *ranges);
    ranges[place] = r;
    return count + 1;
}

hf_range_kind hf_range_parse(hf_bytes value, uint64_t size, hf_range *ranges, size_t capacity, size_t *count)
{
    static const size_t unit = sizeof "bytes=" - 1;
    size_t asked = 0, held = 0;
    *count = 0;
    /* RFC 9110 14.1: range unit names are case-insensitive; 14.2: one that is not understood MUST be ignored */
    if (value.len < unit || !hf_text_same(hf_bytes_make(value.ptr, unit), hf_text("bytes=")))
        return HF_RANGE_NONE;
    hf_bytes rest = hf_bytes_make(value.ptr + unit, value.len - unit);
    for (hf_bytes spec; hf_list_next(&rest, &spec);) {
        hf_range r;
        if (++asked > capacity)
            return HF_RANGE_TOO_MANY;
        const hf_range_kind kind = resolve(spec, size, &r);
        /* RFC 9110 14.1.1: "A ranges-specifier is invalid if it contains any range-spec that is invalid" */
        if (kind == HF_RANGE_NONE)
            return HF_RANGE_NONE;
        if (kind == HF_RANGE_SATISFIABLE)
            held = add(ranges, held, r);
    }
    if (asked == 0)
        return HF_RANGE_NONE;
    *count = held;
    return held > 0 ? HF_RANGE_SATISFIABLE : HF_RANGE_UNSATISFIABLE;
}

void hf_content_range_write(hf_writer *w, hf_range range, uint64_t size)
{
    hf_write_text(w, "bytes ");
    hf_write_decimal(w, range.first);
    hf_write_text(w, "-");
    hf_write_decimal(w, range.last);
    hf_write_text(w, "/");
    hf_write_decimal(w, size);
}

void hf_content_range_write_unsatisfied(hf_writer *w, uint64_t size)
{
    hf_write_text(w, "bytes */");
    hf_write_decimal(w, size);
}

bool hf_content_range_parse(hf_bytes value, hf_content_range *out)
{
    static const size_t unit = sizeof "bytes " - 1;
    hf_content_range c = { 0 };
    if (value.len < unit || !hf_text_same(hf_bytes_make(value.ptr, unit), hf_text("bytes ")))
        return false;
    hf_bytes rest = hf_bytes_make(value.ptr + unit, value.len - unit);
    c.has_range = !take_byte(&rest, '*');
    if (c.has_range
        && (!take_number(&rest, &c.range.first) || !take_byte(&rest, '-') || !take_number(&rest, &c.range.last)
            || c.range.last < c.range.first))
        return false;
    if (!take_byte(&rest, '/'))
        return false;
    /* only an incl-range may have an unknown length */
    c.has_size = !(c.has_range && take_byte(&rest, '*'));
    if (c.has_size && !take_number(&rest, &c.size))
        return false;
    /* a number that saturated is none that we could deal with */
    if (rest.len > 0 || c.range.last == UINT64_MAX || (c.has_size && c.size == UINT64_MAX)
        || (c.has_range && c.has_size && c.size <= c.range.last))
        return false;
    *out = c;
    return true;
}
