/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "conditional.h"

#define BEFORE "Sat, 29 Oct 1994 19:43:30 GMT"
#define EXACTLY "Sat, 29 Oct 1994 19:43:31 GMT"
#define AFTER "Sat, 29 Oct 1994 19:43:32 GMT"
enum { MODIFIED_S = 783459811 };
static const hf_wall now = { 1767225600 };

/* "If-Match: x\nIf-Range: y" as fields */
typedef struct request {
    hf_request_head head;
    hf_field fields[8];
} request;

static void make(request *r, hf_method method, const char *lines)
{
    size_t count = 0;
    *r = (request){ .head = { .method = method } };
    for (const char *at = lines; *at;) {
        const size_t length = strcspn(at, "\n"), colon = strcspn(at, ":");
        const hf_bytes name = hf_bytes_make(at, colon), value = hf_bytes_make(at + colon + 2, length - colon - 2);
        assert_true(count < HF_COUNT(r->fields));
        r->fields[count++] = (hf_field){ name, value, hf_field_identify(name) };
        at += length + (at[length] == '\n');
    }
    r->head.fields = (hf_fields){ r->fields, count };
}

static hf_validators validators(const char *kind)
{
    hf_validators v = { .exists = true };
    if (strchr(kind, 'e'))
        v.has_etag = true, v.etag = (hf_etag){ false, hf_text("xyzzy") };
    if (strchr(kind, 'w'))
        v.has_etag = true, v.etag = (hf_etag){ true, hf_text("xyzzy") };
    if (strchr(kind, 'm'))
        v.has_modified = true, v.modified.s = MODIFIED_S;
    if (strchr(kind, '-'))
        v = (hf_validators){ 0 };
    return v;
}

enum { GET = HF_METHOD_GET, HEAD = HF_METHOD_HEAD, PUT = HF_METHOD_PUT, POST = HF_METHOD_POST, QUERY = HF_METHOD_QUERY,
       DELETE = HF_METHOD_DELETE, OPTIONS = HF_METHOD_OPTIONS, TRACE = HF_METHOD_TRACE, CONNECT = HF_METHOD_CONNECT };
enum { GO = HF_PROCEED, SAME = HF_NOT_MODIFIED, FAILED = HF_PRECONDITION_FAILED };

static const struct {
    int method;
    const char *lines;
    const char *current; /* e: strong tag "xyzzy", w: weak, m: modified, -: there is none */
    int verdict;
} rows[] = {
    { GET, "", "em", GO },
    { PUT, "", "-", GO },
    /* 13.1.1 If-Match: strong */
    { PUT, "If-Match: \"xyzzy\"", "e", GO },
    { PUT, "If-Match: \"r2d2xxxx\", \"xyzzy\"", "e", GO },
    { PUT, "If-Match: \"r2d2xxxx\"\nIf-Match: \"xyzzy\"", "e", GO },
    { PUT, "If-Match: \"other\"", "e", FAILED },
    { GET, "If-Match: \"other\"", "e", FAILED },
    { PUT, "If-Match: W/\"xyzzy\"", "e", FAILED },
    { PUT, "If-Match: \"xyzzy\"", "w", FAILED },
    { PUT, "If-Match: \"xyzzy\"", "m", FAILED },
    { PUT, "If-Match: *", "m", GO },
    { PUT, "If-Match: *", "-", FAILED },
    { PUT, "If-Match: \"xyzzy\"", "-", FAILED },
    { PUT, "If-Match: xyzzy", "e", FAILED },
    { PUT, "If-Match: ", "e", FAILED },
    /* 13.1.4 If-Unmodified-Since */
    { PUT, "If-Unmodified-Since: " EXACTLY, "m", GO },
    { PUT, "If-Unmodified-Since: " AFTER, "m", GO },
    { PUT, "If-Unmodified-Since: " BEFORE, "m", FAILED },
    { GET, "If-Unmodified-Since: " BEFORE, "m", FAILED },
    { PUT, "If-Unmodified-Since: " BEFORE, "e", GO },
    { PUT, "If-Unmodified-Since: yesterday", "m", GO },
    { PUT, "If-Unmodified-Since: " BEFORE ", " BEFORE, "m", GO },
    { PUT, "If-Unmodified-Since: " BEFORE "\nIf-Unmodified-Since: " BEFORE, "m", GO },
    { PUT, "If-Unmodified-Since: " BEFORE, "-", GO },
    { PUT, "If-Unmodified-Since: Saturday, 29-Oct-94 19:43:30 GMT", "m", FAILED },
    { PUT, "If-Unmodified-Since: Sat Oct 29 19:43:30 1994", "m", FAILED },
    /* step 2: ignored beside If-Match */
    { PUT, "If-Match: \"xyzzy\"\nIf-Unmodified-Since: " BEFORE, "em", GO },
    { PUT, "If-Match: \"other\"\nIf-Unmodified-Since: " AFTER, "em", FAILED },
    /* 13.1.2 If-None-Match: weak */
    { GET, "If-None-Match: \"xyzzy\"", "e", SAME },
    { HEAD, "If-None-Match: \"xyzzy\"", "e", SAME },
    { QUERY, "If-None-Match: \"xyzzy\"", "e", SAME },
    { GET, "If-None-Match: W/\"xyzzy\"", "e", SAME },
    { GET, "If-None-Match: \"xyzzy\"", "w", SAME },
    { GET, "If-None-Match: W/\"a\", W/\"xyzzy\", W/\"c\"", "w", SAME },
    { GET, "If-None-Match: \"a\"\nIf-None-Match: \"xyzzy\"", "e", SAME },
    { GET, "If-None-Match: \"a\"", "e", GO },
    { GET, "If-None-Match: xyzzy", "e", GO },
    { GET, "If-None-Match: *", "m", SAME },
    { GET, "If-None-Match: *", "-", GO },
    { GET, "If-None-Match: \"xyzzy\"", "m", GO },
    { PUT, "If-None-Match: *", "e", FAILED },
    { PUT, "If-None-Match: *", "-", GO },
    { PUT, "If-None-Match: \"xyzzy\"", "e", FAILED },
    { POST, "If-None-Match: \"xyzzy\"", "e", FAILED },
    { DELETE, "If-None-Match: \"a\"", "e", GO },
    /* 13.1.3 If-Modified-Since */
    { GET, "If-Modified-Since: " EXACTLY, "m", SAME },
    { GET, "If-Modified-Since: " AFTER, "m", SAME },
    { HEAD, "If-Modified-Since: " AFTER, "m", SAME },
    { GET, "If-Modified-Since: " BEFORE, "m", GO },
    { GET, "If-Modified-Since: " AFTER, "e", GO },
    { GET, "If-Modified-Since: " AFTER, "-", GO },
    { PUT, "If-Modified-Since: " AFTER, "m", GO },
    { POST, "If-Modified-Since: " AFTER, "m", GO },
    { GET, "If-Modified-Since: soon", "m", GO },
    { GET, "If-Modified-Since: " AFTER "\nIf-Modified-Since: " AFTER, "m", GO },
    /* step 4: ignored beside If-None-Match */
    { GET, "If-None-Match: \"a\"\nIf-Modified-Since: " AFTER, "em", GO },
    { GET, "If-None-Match: \"xyzzy\"\nIf-Modified-Since: " BEFORE, "em", SAME },
    /* step 1 and 2 before 3 and 4 */
    { GET, "If-None-Match: \"xyzzy\"\nIf-Match: \"a\"", "e", FAILED },
    { GET, "If-None-Match: \"xyzzy\"\nIf-Match: \"xyzzy\"", "e", SAME },
    { GET, "If-Modified-Since: " AFTER "\nIf-Unmodified-Since: " BEFORE, "m", FAILED },
    { GET, "If-Modified-Since: " EXACTLY "\nIf-Unmodified-Since: " EXACTLY, "m", SAME },
    /* 13.2.1: methods without a selected representation */
    { OPTIONS, "If-None-Match: *", "e", GO },
    { OPTIONS, "If-Match: \"a\"", "e", GO },
    { TRACE, "If-Match: \"a\"", "e", GO },
    { CONNECT, "If-Match: \"a\"", "e", GO },
};

static void preconditions_are_evaluated_in_the_order_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        request r;
        make(&r, (hf_method)rows[i].method, rows[i].lines);
        const hf_validators v = validators(rows[i].current);
        if (hf_conditional_evaluate(&r.head, &v, now) != (hf_verdict)rows[i].verdict)
            fail_msg("row %zu: %s [%s]", i, rows[i].lines, rows[i].current);
    }
}

static void if_range_compares_strongly_and_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *current;
        bool holds;
    } table[] = {
        { "", "em", true },
        { "If-Range: \"xyzzy\"", "em", true },
        { "If-Range: \"other\"", "em", false },
        { "If-Range: W/\"xyzzy\"", "em", false },
        { "If-Range: \"xyzzy\"", "wm", false },
        { "If-Range: \"xyzzy\"", "m", false },
        { "If-Range: \"xyzzy\"", "-", false },
        { "If-Range: \"xyzzy\", \"other\"", "em", false },
        { "If-Range: " EXACTLY, "em", true },
        { "If-Range: " EXACTLY, "m", true },
        { "If-Range: " BEFORE, "m", false },
        { "If-Range: " AFTER, "m", false },
        { "If-Range: " EXACTLY, "e", false },
        { "If-Range: xyzzy", "em", false },
        { "If-Range: *", "em", false },
        { "If-Range: ", "em", false },
        { "If-Range: \"xyzzy\"\nIf-Range: \"xyzzy\"", "em", false },
    };
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        request r;
        make(&r, HF_METHOD_GET, table[i].lines);
        const hf_validators v = validators(table[i].current);
        if (hf_if_range_holds(&r.head, &v, now) != table[i].holds)
            fail_msg("row %zu: %s [%s]", i, table[i].lines, table[i].current);
    }
}

/* RFC 9110 8.8.2.2 */
static void if_range_does_not_trust_a_date_of_this_second(void **state)
{
    (void)state;
    request r;
    make(&r, HF_METHOD_GET, "If-Range: " EXACTLY);
    const hf_validators v = validators("m");
    assert_false(hf_if_range_holds(&r.head, &v, (hf_wall){ MODIFIED_S - 1 }));
    assert_false(hf_if_range_holds(&r.head, &v, (hf_wall){ MODIFIED_S }));
    assert_true(hf_if_range_holds(&r.head, &v, (hf_wall){ MODIFIED_S + 1 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preconditions_are_evaluated_in_the_order_of_the_rfc),
        cmocka_unit_test(if_range_compares_strongly_and_exactly),
        cmocka_unit_test(if_range_does_not_trust_a_date_of_this_second),
    };
    return cmocka_run_group_tests_name("http conditional", tests, NULL, NULL);
}
