/* SPDX-License-Identifier: Apache-2.0
 *
 * Broken configurations as data: tests/config/NAME.conf, and in NAME.expected every line that is said about it.
 */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocator.h"
#include "config.h"

enum { LEAST = 150 }; /* cases: that the folder was found, and not emptied */

static hf_span read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("cannot read %s", path);
    uint8_t *bytes = calloc(1, 65536);
    assert_non_null(bytes);
    const size_t length = fread(bytes, 1, 65535, f);
    fclose(f);
    return (hf_span){ bytes, length };
}

static bool as_expected(const char *name)
{
    char path[300], *said = NULL;
    size_t size = 0;
    hf_config c;
    snprintf(path, sizeof path, "%s.conf", name);
    hf_config_init(&c, hf_allocator_default(), &hf_config_system, hf_limits_default());
    assert_int_equal(hf_config_load(&c, path).code, 0);
    FILE *out = open_memstream(&said, &size);
    assert_non_null(out);
    hf_config_report(&c, out, false, false);
    fclose(out);
    hf_config_fini(&c);
    snprintf(path, sizeof path, "%s.expected", name);
    const hf_span expected = read_all(path);
    const bool same = expected.len > 0 && strcmp(said, (const char *)expected.ptr) == 0;
    if (!same)
        print_error("%s.conf: expected\n%ssaid\n%s", name, expected.ptr, said);
    free(expected.ptr);
    free(said);
    return same;
}

static void every_mistake_is_told_with_its_place_and_a_sentence(void **state)
{
    (void)state;
    size_t cases = 0, failed = 0;
    assert_int_equal(chdir(getenv("HF_SOURCE") ? getenv("HF_SOURCE") : "."), 0);
    assert_int_equal(chdir("tests/config"), 0);
    assert_int_equal(setenv("HF_TEST_WORD", "some words", 1), 0);
    assert_int_equal(unsetenv("HF_TEST_NOT_SET"), 0);
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[256];
        snprintf(name, sizeof name, "%s", entry->d_name);
        char *dot = strstr(name, ".conf");
        if (dot == NULL)
            continue;
        *dot = 0;
        cases++;
        failed += !as_expected(name);
    }
    closedir(folder);
    assert_true(cases >= LEAST);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_mistake_is_told_with_its_place_and_a_sentence) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
