/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of conditionals, ranges and codings for something that exists.
 */
#include "files_plan.h"

#include "conditional.h"
#include "panic.h"
#include "token.h"

hf_encoding hf_files_choose(const hf_request_head *head, unsigned variants)
{
    /* A range is a range of one coding's bytes (RFC 9110 14.2 follows the selection of the representation). Whoever asks
     * for parts most often resumes a download or seeks in a film, and wants parts of the file itself: a client that
     * accepts gzip today and br tomorrow must not get parts of two different things. If-Range keeps the other case
     * whole: the tag of a coded version does not match, and all of the file is sent. */
    if (head->method == HF_METHOD_GET && hf_fields_find(head->fields, HF_FIELD_RANGE) != NULL)
        return HF_ENCODING_IDENTITY;
    return variants == 0 ? HF_ENCODING_IDENTITY : hf_encoding_choose(head, variants | 1u << HF_ENCODING_IDENTITY);
}

static hf_validators validators_of(const hf_representation *what)
{
    hf_validators v = { .exists = true, .has_modified = what->last_modified.len > 0, .modified = what->modified };
    v.has_etag = what->etag.len > 0 && hf_etag_parse(what->etag, &v.etag);
    return v;
}

static void plan_ranges(hf_files_plan *plan, const hf_request_head *head, const hf_representation *what,
                        const hf_validators *current, hf_wall now, hf_range *ranges, size_t capacity)
{
    const hf_field *range = hf_fields_find(head->fields, HF_FIELD_RANGE);
    /* RFC 9110 14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized or for
     * which range handling is not defined. For this specification, GET is the only method". Two lines contradict each
     * other, for the field is no list. */
    if (head->method != HF_METHOD_GET || range == NULL || hf_fields_next(head->fields, HF_FIELD_RANGE, range) != NULL)
        return;
    if (!hf_if_range_holds(head, current, now))
        return;
    switch (hf_range_parse(range->value, what->size, ranges, capacity, &plan->range_count)) {
    case HF_RANGE_TOO_MANY:
        plan->too_many_ranges = true;
        break;
    case HF_RANGE_NONE:
        break;
    case HF_RANGE_SATISFIABLE:
        plan->status = 206;
        plan->if_range = hf_fields_find(head->fields, HF_FIELD_IF_RANGE) != NULL;
        break;
    case HF_RANGE_UNSATISFIABLE:
        plan->status = 416;
        break;
    }
}

/* Nothing about the thing as it is, or as the client has it: most requests. */
static bool is_unconditional(hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++)
        switch (fields.at[i].id) {
        case HF_FIELD_IF_MATCH:
        case HF_FIELD_IF_NONE_MATCH:
        case HF_FIELD_IF_MODIFIED_SINCE:
        case HF_FIELD_IF_UNMODIFIED_SINCE:
        case HF_FIELD_IF_RANGE:
        case HF_FIELD_RANGE:
            return false;
        default:
            break;
        }
    return true;
}

hf_files_plan hf_files_plan_make(const hf_request_head *head, const hf_representation *what, hf_wall now, hf_range *ranges,
                                 size_t capacity)
{
    hf_files_plan plan = { .status = 200 };
    if (is_unconditional(head->fields))
        return plan;
    const hf_validators current = validators_of(what);
    switch (hf_conditional_evaluate(head, &current, now)) {
    case HF_PROCEED:
        plan_ranges(&plan, head, what, &current, now, ranges, capacity);
        break;
    case HF_NOT_MODIFIED:
        plan.status = 304;
        break;
    case HF_PRECONDITION_FAILED:
        plan.status = 412;
        break;
    }
    return plan;
}

hf_extent hf_representation_extent(const hf_representation *what, uint64_t first, uint64_t length)
{
    HF_ASSERT(first <= what->size && length <= what->size - first);
    if (what->file && (!what->bytes || length == what->size))
        return (hf_extent){ .kind = HF_EXTENT_FILE, .file = what->file, .offset = first, .length = length };
    return (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(length > 0 ? what->bytes + first : NULL, (size_t)length) };
}

static bool segment_valid(hf_bytes segment, bool hidden)
{
    static const hf_bytes here = HF_LITERAL("."), up = HF_LITERAL(".."), well_known = HF_LITERAL(".well-known");
    if (segment.len == 0 || hf_bytes_equal(segment, here) || hf_bytes_equal(segment, up))
        return false;
    return hidden || segment.ptr[0] != '.' || hf_bytes_equal(segment, well_known);
}

bool hf_files_path_valid(hf_bytes path, bool hidden)
{
    if (path.len == 0)
        return true;
    if (memchr(path.ptr, 0, path.len))
        return false;
    if (path.ptr[path.len - 1] == '/')
        path.len--;
    for (size_t start = 0; start <= path.len;) {
        const uint8_t *slash = start < path.len ? memchr(path.ptr + start, '/', path.len - start) : NULL;
        const size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
        if (!segment_valid(hf_bytes_make(path.ptr + start, end - start), hidden))
            return false;
        start = end + 1;
    }
    return true;
}

bool hf_files_is_page(hf_bytes path, hf_fields fields)
{
    static const hf_bytes html = HF_LITERAL("text/html");
    const uint8_t *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
    const size_t last = slash ? (size_t)(slash - path.ptr) + 1 : 0;
    if (path.len > last && memchr(path.ptr + last, '.', path.len - last))
        return false;
    const hf_field *line = NULL;
    while ((line = hf_fields_next(fields, HF_FIELD_ACCEPT, line)) != NULL) {
        hf_bytes rest = line->value, element, parameters;
        while (hf_list_next(&rest, &element))
            if (hf_text_same(hf_list_head(element, &parameters), html))
                return hf_accept_quality(fields, html) > 0;
    }
    return false;
}
