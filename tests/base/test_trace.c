/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "trace.h"

static void every_kind_is_described_once(void **state)
{
    (void)state;
    assert_true(HF_TRACE_COUNT > 5);
    for (int i = 0; i < HF_TRACE_COUNT; i++) {
        const hf_trace_info *info = hf_trace_describe((hf_trace_kind)i);
        const char *colon = strchr(info->name, ':');
        if (colon == NULL || colon == info->name || colon[1] == 0 || strchr(colon + 1, ':') != NULL)
            fail_msg("\"%s\" is not layer:name", info->name);
        assert_true(strlen(info->meaning) > 5);
        assert_non_null(info->first);
        assert_non_null(info->second);
        if (info->first[0] == 0 && info->second[0] != 0)
            fail_msg("%s names its second value and not its first", info->name);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(info->name, hf_trace_describe((hf_trace_kind)k)->name);
    }
    assert_string_equal(hf_trace_describe(HF_TRACE_HTTP1_HEAD)->name, "http1:head");
}

static void a_kind_that_no_row_has_is_described_as_unknown(void **state)
{
    (void)state;
    assert_string_equal(hf_trace_describe(HF_TRACE_COUNT)->name, "unknown");
}

typedef struct seen {
    hf_trace_record last;
    size_t count;
} seen;

static void see(void *ctx, const hf_trace_record *record)
{
    seen *s = ctx;
    s->last = *record;
    s->count++;
}

static void a_trace_point_reaches_the_sink_whole(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    seen s = { 0 };
    const hf_trace_sink sink = { see, &s };
    hf_trace(&w.env, hf_time_make(1), 2, HF_TRACE_HTTP1_BODY, 3, 4); /* off: nothing happens */
    assert_int_equal(s.count, 0);
    w.env.trace = &sink;
    hf_trace(&w.env, hf_time_make(1), 2, HF_TRACE_HTTP1_BODY, 3, 4);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.last.at.ns, 1);
    assert_int_equal(s.last.connection, 2);
    assert_int_equal(s.last.kind, HF_TRACE_HTTP1_BODY);
    assert_int_equal(s.last.first, 3);
    assert_int_equal(s.last.second, 4);
    hf_test_world_fini(&w);
}

static uint64_t hash_of(const hf_trace_record *records, size_t n)
{
    hf_trace_hash hash;
    hf_trace_hash_init(&hash);
    for (size_t i = 0; i < n; i++)
        hash.sink.record(hash.sink.ctx, &records[i]);
    assert_int_equal(hash.records, n);
    return hash.value;
}

static void the_hash_depends_on_every_field_and_on_the_order(void **state)
{
    (void)state;
    const hf_trace_record a = { hf_time_make(1), HF_TRACE_HTTP1_HEAD, 2, 3, 4 };
    hf_trace_record others[] = { a, a, a, a, a, { hf_time_make(1), HF_TRACE_HTTP1_HEAD, 2, 4, 3 } };
    others[0].at.ns++;
    others[1].kind = HF_TRACE_HTTP1_END;
    others[2].connection ^= (uint64_t)1 << 63;
    others[3].first++;
    others[4].second++;
    for (size_t i = 0; i < HF_COUNT(others); i++) {
        assert_true(hash_of(&a, 1) != hash_of(&others[i], 1));
        const hf_trace_record one[] = { a, others[i] }, two[] = { others[i], a };
        assert_true(hash_of(one, 2) == hash_of(one, 2));
        assert_true(hash_of(one, 2) != hash_of(two, 2));
    }
    const hf_trace_record zero = { 0 }, zeros[2] = { 0 };
    assert_true(hash_of(NULL, 0) != hash_of(&zero, 1));
    assert_true(hash_of(&zero, 1) != hash_of(zeros, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_described_once),
        cmocka_unit_test(a_kind_that_no_row_has_is_described_as_unknown),
        cmocka_unit_test(a_trace_point_reaches_the_sink_whole),
        cmocka_unit_test(the_hash_depends_on_every_field_and_on_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
