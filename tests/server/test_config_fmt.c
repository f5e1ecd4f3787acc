/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing a configuration: one form, comments kept, and the same tree when it is read again.
 */
#include "server/config_world.h"

#include "config_tree.h"
#include "random.h"

static char *format(const char *text, bool *good)
{
    const table_file files[] = { { "c", text }, { 0 } };
    table_config t;
    char *printed = NULL;
    size_t size;
    table_begin(&t, files, NULL);
    assert_int_equal(hf_config_read(&t.config, "c").code, 0);
    *good = t.config.problem_count == 0;
    if (!*good)
        print_error("%s", table_report(&t));
    FILE *out = open_memstream(&printed, &size);
    hf_config_print(t.config.files[0].statements, out);
    fclose(out);
    table_end(&t);
    return printed;
}

static void check_form(const char *text, const char *wanted)
{
    bool good;
    char *printed = format(text, &good);
    assert_true(good);
    assert_string_equal(printed, wanted);
    free(printed);
}

static void fmt_has_one_form(void **state)
{
    (void)state;
    check_form("", "");
    check_form("\n\n\nthreads   4\n\n\n\nio\tauto", "threads 4\n\nio auto\n");
    check_form("site *{files .}", "site * {\n    files .\n}\n");
    check_form("site a b {\n\n\n route /a/{id}{answer 200 \"x  y\"}\n\n}\n",
        "site a b {\n    route /a/{id} {\n        answer 200 \"x  y\"\n    }\n}\n");
    check_form("\xef\xbb\xbfthreads 4\r\n", "threads 4\n");
    check_form("a {\n}\n", "a {\n}\n");
}

static void fmt_keeps_every_comment_in_its_place(void **state)
{
    (void)state;
    check_form("# one   \n   #two\nthreads 4   # three\nsite * {   # four\n# five\nfiles .# six\n\n  # seven\n}   # eight\n# nine",
        "# one\n#two\nthreads 4 # three\nsite * { # four\n    # five\n    files .# six\n\n    # seven\n} # eight\n# nine\n");
}

/* ---- random trees --------------------------------------------------------------------------------------------- */

typedef struct growth {
    hf_random random;
    char *text;
    size_t length, capacity;
} growth;

static void put(growth *g, const char *text)
{
    const size_t n = strlen(text);
    assert_true(g->length + n + 1 < g->capacity);
    memcpy(g->text + g->length, text, n + 1);
    g->length += n;
}

static const char *any_of(growth *g, const char *const *choices, size_t count)
{
    return choices[hf_random_below(&g->random, count)];
}

static void put_space(growth *g, bool needed)
{
    static const char *const spaces[] = { " ", "  ", "\t", " \r ", "" };
    put(g, any_of(g, spaces, needed ? 4 : 5));
}

static void put_word(growth *g)
{
    static const char *const words[] = { "a", "site", "/x/{id}", "/{rest...}", "${A:-b}", "\"q # { } ; \\\" \"", "\"\"", "1;2", "x#y",
        "\"\xc3\xa9\"", "h\xc3\xa9", "a{b}c{d}", "$$", "-", "=", "\\", "'" };
    put(g, any_of(g, words, HF_COUNT(words)));
}

static void put_comment(growth *g)
{
    static const char *const comments[] = { "#", "# c", "#\tc  d \t", "# \" { } ;", "## \xc3\xa9" };
    put(g, any_of(g, comments, HF_COUNT(comments)));
}

static void put_statements(growth *g, unsigned depth)
{
    static const char *const ends[] = { "\n", "\r\n", "\n\n", "\n \n\n\t\n" };
    for (uint64_t n = hf_random_below(&g->random, 5); n > 0; n--) {
        put_space(g, false);
        if (hf_random_below(&g->random, 5) == 0) {
            put_comment(g);
            put(g, any_of(g, ends, HF_COUNT(ends)));
            continue;
        }
        for (uint64_t words = 1 + hf_random_below(&g->random, 4); words > 0; words--) {
            put_word(g);
            put_space(g, true);
        }
        if (depth > 0 && hf_random_below(&g->random, 3) == 0) {
            put(g, "{");
            put_space(g, true);
            if (hf_random_below(&g->random, 3) == 0)
                put_comment(g);
            put(g, any_of(g, ends, HF_COUNT(ends)));
            put_statements(g, depth - 1);
            put_space(g, false);
            put(g, "}");
        }
        if (hf_random_below(&g->random, 4) == 0) {
            put(g, " ");
            put_comment(g);
        }
        put(g, any_of(g, ends, HF_COUNT(ends)));
    }
}

static void same_tree(const char *a, const char *b)
{
    const table_file one[] = { { "c", a }, { 0 } }, two[] = { { "c", b }, { 0 } };
    table_config t, u;
    table_begin(&t, one, NULL);
    table_begin(&u, two, NULL);
    assert_int_equal(hf_config_read(&t.config, "c").code, 0);
    assert_int_equal(hf_config_read(&u.config, "c").code, 0);
    assert_true(hf_config_same(t.config.files[0].statements, u.config.files[0].statements));
    table_end(&t);
    table_end(&u);
}

static void fmt_of_random_trees_is_the_same_tree_and_the_last_word(void **state)
{
    (void)state;
    growth g = { .capacity = 1 << 16 };
    g.text = calloc(1, g.capacity);
    assert_non_null(g.text);
    size_t bytes = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        bool good, again;
        hf_random_seed(&g.random, seed);
        g.length = 0;
        g.text[0] = 0;
        put_statements(&g, 4);
        bytes += g.length;
        char *once = format(g.text, &good), *twice = format(once, &again);
        if (!good || !again || strcmp(once, twice) != 0)
            fail_msg("seed %llu:\n%s\nonce:\n%s\ntwice:\n%s", (unsigned long long)seed, g.text, once, twice);
        same_tree(g.text, once);
        free(once);
        free(twice);
    }
    assert_true(bytes > 50000);
    free(g.text);
}

static void trees_that_differ_are_told_apart(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", "a b", "a {\n}", "a # c", "# c", "a {\nb\n}", "a {\n} # c", "a\nb" };
    for (size_t i = 0; i < HF_COUNT(texts); i++)
        for (size_t j = 0; j < i; j++) {
            const table_file one[] = { { "c", texts[i] }, { 0 } }, two[] = { { "c", texts[j] }, { 0 } };
            table_config t, u;
            table_begin(&t, one, NULL);
            table_begin(&u, two, NULL);
            assert_int_equal(hf_config_read(&t.config, "c").code, 0);
            assert_int_equal(hf_config_read(&u.config, "c").code, 0);
            assert_false(hf_config_same(t.config.files[0].statements, u.config.files[0].statements));
            table_end(&t);
            table_end(&u);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fmt_has_one_form),
        cmocka_unit_test(fmt_keeps_every_comment_in_its_place),
        cmocka_unit_test(fmt_of_random_trees_is_the_same_tree_and_the_last_word),
        cmocka_unit_test(trees_that_differ_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
