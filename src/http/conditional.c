/* SPDX-License-Identifier: Apache-2.0
 *
 * Preconditions, in the order of RFC 9110 13.2.2.
 */
#include "conditional.h"

#include "date.h"

/* A method that asks for the selected representation: 304 is an answer to it. RFC 9110 says GET and HEAD; RFC 10008
 * makes a conditional QUERY ask for its result in the same way. */
static bool selects(hf_method method)
{
    return method == HF_METHOD_GET || method == HF_METHOD_HEAD || method == HF_METHOD_QUERY;
}

/* If-Match (strong) or If-None-Match (weak): does any line name the current representation? "*" names any. */
static bool names_current(const hf_request_head *head, hf_field_id id, const hf_validators *current, bool strong)
{
    if (!current->exists)
        return false;
    for (const hf_field *f = NULL; (f = hf_fields_next(head->fields, id, f)) != NULL;) {
        if (hf_bytes_equal(f->value, hf_text("*")))
            return true;
        if (current->has_etag && hf_etag_in(f->value, &current->etag, strong))
            return true;
    }
    return false;
}

/* A date that counts: RFC 9110 13.1.3 and 13.1.4: it is ignored where it is no HTTP-date, has more than one member, or
 * the resource has no modification date. */
static bool counts(const hf_request_head *head, hf_field_id id, const hf_validators *current, hf_wall now, hf_wall *date)
{
    const hf_field *f = hf_fields_find(head->fields, id);
    return f && current->exists && current->has_modified && !hf_fields_next(head->fields, id, f)
        && hf_date_parse(f->value, now, date);
}

hf_verdict hf_conditional_evaluate(const hf_request_head *head, const hf_validators *current, hf_wall now)
{
    hf_wall date;
    /* RFC 9110 13.2.1: conditional fields are ignored with methods that do not select or modify a representation */
    if (head->method == HF_METHOD_CONNECT || head->method == HF_METHOD_OPTIONS || head->method == HF_METHOD_TRACE)
        return HF_PROCEED;
    /* steps 1 and 2: is it still what the client believes it is? */
    if (hf_fields_find(head->fields, HF_FIELD_IF_MATCH)) {
        if (!names_current(head, HF_FIELD_IF_MATCH, current, true))
            return HF_PRECONDITION_FAILED;
    } else if (counts(head, HF_FIELD_IF_UNMODIFIED_SINCE, current, now, &date) && current->modified.s > date.s) {
        return HF_PRECONDITION_FAILED;
    }
    /* steps 3 and 4: is it other than what the client has? */
    if (hf_fields_find(head->fields, HF_FIELD_IF_NONE_MATCH)) {
        if (names_current(head, HF_FIELD_IF_NONE_MATCH, current, false))
            return selects(head->method) ? HF_NOT_MODIFIED : HF_PRECONDITION_FAILED;
    } else if (selects(head->method) && counts(head, HF_FIELD_IF_MODIFIED_SINCE, current, now, &date)
               && current->modified.s <= date.s) {
        return HF_NOT_MODIFIED;
    }
    /* step 5, Range and If-Range, is hf_if_range_holds */
    return HF_PROCEED;
}

bool hf_if_range_holds(const hf_request_head *head, const hf_validators *current, hf_wall now)
{
    const hf_field *f = hf_fields_find(head->fields, HF_FIELD_IF_RANGE);
    hf_etag etag;
    hf_wall date;
    if (!f)
        return true;
    if (!current->exists || hf_fields_next(head->fields, HF_FIELD_IF_RANGE, f))
        return false;
    /* RFC 9110 13.1.5: a tag and a date are told apart by a DQUOTE among the first three bytes */
    if (hf_etag_parse(f->value, &etag))
        return current->has_etag && hf_etag_same_strong(&etag, &current->etag);
    /* "If the HTTP-date validator provided is not a strong validator in the sense defined by Section 8.8.2.2, the
     * condition is false": within the second of its modification a file may change once more and keep its date.
     * Then: "If the HTTP-date validator provided exactly matches the Last-Modified field value ..., the condition is
     * true." */
    return counts(head, HF_FIELD_IF_RANGE, current, now, &date) && date.s == current->modified.s && now.s > date.s;
}
