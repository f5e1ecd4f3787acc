/* SPDX-License-Identifier: Apache-2.0
 *
 * CORS decisions (Fetch 3.3, 4.8, 4.10). The server only says who may read; the browser enforces. So a refusal is a line for
 * the log and fields that are missing, never a 403 for a request that is no preflight.
 */
#include "guard_cors.h"

#include "guard_origin.h"
#include "guard_why.h"
#include "text.h"
#include "token.h"

int hf_cors_compare(hf_bytes a, hf_bytes b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static void add(hf_cors_answer *a, const char *name, hf_bytes value)
{
    if (a->count < HF_CORS_FIELDS)
        a->fields[a->count++] = (hf_field){ hf_text(name), value, HF_FIELD_OTHER };
}

/* The place of `text` in a sorted list, or `count`. */
static size_t find(const hf_bytes *list, size_t count, hf_bytes text)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = hf_cors_compare(list[middle], text);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return count;
}

/* The part in front of the suffix must be labels: "https://evil.com/.example.com" ends the same way. */
static bool matches(const hf_cors_pattern *p, hf_bytes origin)
{
    const size_t start = p->scheme.len + 3;
    if (origin.len <= start + p->suffix.len || origin.len > HF_ORIGIN_MOST || !hf_starts_with(origin, p->scheme) ||
        memcmp(origin.ptr + p->scheme.len, "://", 3) != 0 || memcmp(origin.ptr + origin.len - p->suffix.len, p->suffix.ptr, p->suffix.len) != 0)
        return false;
    return hf_origin_labels(hf_bytes_make(origin.ptr + start, origin.len - start - p->suffix.len));
}

static bool may_read(const hf_cors *c, hf_bytes origin)
{
    if (c->any_origin || find(c->origins, c->origin_count, origin) < c->origin_count)
        return true;
    for (size_t i = 0; i < c->pattern_count; i++)
        if (matches(&c->patterns[i], origin))
            return true;
    return false;
}

static void allow_origin(const hf_cors *c, hf_bytes origin, hf_cors_answer *a)
{
    add(a, "Access-Control-Allow-Origin", c->any_origin ? hf_text("*") : origin);
    if (c->credentials)
        add(a, "Access-Control-Allow-Credentials", hf_text("true"));
}

/* Fetch 2.2.1: a CORS-safelisted method is GET, HEAD or POST. */
static bool may_use(const hf_cors *c, hf_bytes method)
{
    static const hf_bytes safelisted[] = { HF_LITERAL("GET"), HF_LITERAL("HEAD"), HF_LITERAL("POST") };
    for (size_t i = 0; i < HF_COUNT(safelisted); i++)
        if (hf_bytes_equal(method, safelisted[i]))
            return true;
    for (size_t i = 0; i < c->method_count; i++)
        if (hf_bytes_equal(method, c->methods[i]))
            return true;
    return c->any_method;
}

enum { EMPTY_MOST = 16 };

/* Fetch 4.8 step 5: names in lower case, sorted, unique, set apart by commas. So one pass over both lists is enough, and a
 * megabyte of commas is refused at the seventeenth. Intermediaries may put a space around an element, or split the field. */
static bool may_send(const hf_cors *c, hf_fields fields, hf_bytes *refused)
{
    size_t at = 0, empty = 0;
    for (size_t i = 0; i < fields.count; i++) {
        if (!hf_text_same(fields.at[i].name, hf_text("Access-Control-Request-Headers")))
            continue;
        hf_bytes one, rest = fields.at[i].value;
        while (hf_split(&rest, ',', &one)) {
            one = one.len <= 256 ? hf_trim(one) : one;
            *refused = one;
            if (one.len == 0) {
                if (++empty > EMPTY_MOST)
                    return false;
                continue;
            }
            /* "Authorization" is never meant by "*" (Fetch 3.3.5). */
            const bool open = c->any_header && !hf_bytes_equal(one, hf_text("authorization")) && one.len <= 256 && hf_is_token(one);
            while (at < c->header_count && hf_cors_compare(c->headers[at], one) < 0)
                at++;
            if (!open && (at >= c->header_count || !hf_bytes_equal(c->headers[at], one)))
                return false;
        }
    }
    return true;
}

/* Once. */
static const hf_field *only(hf_fields fields, const char *name, bool *repeated)
{
    const hf_field *found = NULL;
    *repeated = false;
    for (size_t i = 0; i < fields.count; i++)
        if (hf_text_same(fields.at[i].name, hf_text(name))) {
            *repeated = *repeated || found != NULL;
            found = &fields.at[i];
        }
    return found;
}

/* With `explain`, what holds is said all the same, in the order in which the browser checks. */
static void preflight(const hf_cors *c, const hf_request_head *head, hf_bytes origin, hf_bytes method, bool explain, hf_cors_answer *a)
{
    hf_bytes refused = { NULL, 0 };
    a->vary = hf_text("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    if (!may_read(c, origin)) {
        a->denied = true;
        (void)hf_why_tell(&a->why, HF_ERR_CORS_ORIGIN_REFUSED, origin, "an origin of the policy");
        return;
    }
    const bool good_method = may_use(c, method), good_headers = may_send(c, head->fields, &refused);
    if (!good_method)
        (void)hf_why_tell(&a->why, HF_ERR_CORS_METHOD_REFUSED, method, "a method of the policy, in its exact case");
    else if (!good_headers)
        (void)hf_why_tell(&a->why, HF_ERR_CORS_HEADER_REFUSED, refused, "a header of request_headers");
    if ((!good_method || !good_headers) && !explain) {
        a->denied = true;
        return;
    }
    allow_origin(c, origin, a);
    if (c->any_method ? good_method : c->method_list.len > 0)
        add(a, "Access-Control-Allow-Methods", c->any_method && c->credentials ? method : c->method_list);
    if (c->header_list.len > 0)
        add(a, "Access-Control-Allow-Headers", c->header_list);
    if (c->max_age.len > 0)
        add(a, "Access-Control-Max-Age", c->max_age);
}

void hf_cors_decide(const hf_cors *c, const hf_request_head *head, bool explain, hf_cors_answer *a)
{
    bool many_origins, many_methods;
    const hf_field *const origin = only(head->fields, "Origin", &many_origins), *const method = only(head->fields, "Access-Control-Request-Method", &many_methods);
    a->preflight = a->denied = false;
    a->count = 0;
    a->why.err = HF_OK;
    a->vary = c->any_origin ? hf_text("") : hf_text("Origin");
    if (head->method == HF_METHOD_OPTIONS && origin != NULL && method != NULL) {
        a->preflight = true;
        if (many_origins || many_methods) {
            a->denied = true;
            (void)hf_why_tell(&a->why, HF_ERR_CORS_REQUEST, hf_text("a field twice"), "one Origin and one method");
            return;
        }
        preflight(c, head, origin->value, method->value, explain, a);
        return;
    }
    if (origin == NULL)
        return;
    if (many_origins || !may_read(c, origin->value)) {
        (void)hf_why_tell(&a->why, HF_ERR_CORS_ORIGIN_REFUSED, origin->value, "an origin of the policy");
        return;
    }
    allow_origin(c, origin->value, a);
    if (c->expose_list.len > 0)
        add(a, "Access-Control-Expose-Headers", c->expose_list);
}
