/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "cache.h"

static hf_cache_control parse(const char *first, const char *second)
{
    const hf_field lines[] = { { hf_text("Cache-Control"), hf_text(first), HF_FIELD_CACHE_CONTROL },
                               { hf_text("Cache-Control"), hf_text(second), HF_FIELD_CACHE_CONTROL } };
    return hf_cache_control_parse((hf_fields){ lines, second ? 2 : 1 });
}

static void directives_are_read_over_all_lines(void **state)
{
    (void)state;
    const hf_cache_control c = parse("No-Cache, max-age=60", "no-store, s-maxage=\"10\", immutable");
    assert_true(c.no_cache && c.no_store && c.immutable && !c.is_private && !c.is_public && !c.must_revalidate);
    assert_true(c.has_max_age && c.max_age_s == 60 && c.has_s_maxage && c.s_maxage_s == 10);
    const hf_cache_control d = parse("private=\"x, no-store\", public, must-revalidate, community=\"no-cache\"", NULL);
    assert_true(d.is_private && d.is_public && d.must_revalidate && !d.no_store && !d.no_cache && !d.has_max_age);
    const hf_cache_control none = hf_cache_control_parse((hf_fields){ NULL, 0 });
    assert_false(none.no_cache || none.no_store || none.has_max_age);
}

static void ages_are_bounded_and_malformed_ones_stale(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t age_s;
    } rows[] = {
        { "max-age=0", 0 }, { "max-age=31536000", 31536000 }, { "max-age=2147483648", 2147483648u }, { "max-age=2147483649", 2147483648u },
        { "max-age=99999999999999999999999", 2147483648u }, { "max-age=999999999999999999999999999999999999999", 2147483648u },
        { "max-age", 0 }, { "max-age=", 0 }, { "max-age=-1", 0 }, { "max-age=1.5", 0 }, { "max-age=x", 0 }, { "max-age=5, max-age=9", 5 },
        { "max-age=\"\"", 0 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_cache_control c = parse(rows[i].text, NULL);
        assert_true(c.has_max_age);
        if (c.max_age_s != rows[i].age_s)
            fail_msg("%s: %u", rows[i].text, c.max_age_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directives_are_read_over_all_lines),
        cmocka_unit_test(ages_are_bounded_and_malformed_ones_stale),
    };
    return cmocka_run_group_tests_name("http cache", tests, NULL, NULL);
}
