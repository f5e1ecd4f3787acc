/* SPDX-License-Identifier: Apache-2.0
 *
 * Which codes of the catalogue the tests have seen come out of the code under test: tools/codes holds the sum of a whole
 * run against errors.def. A code counts when a comparison of a test finds it: an integer that is equal and not a
 * constant on both sides, or a text that holds its id. Where HF_SIGHTS names a folder, each code is noted there once,
 * with the place that saw it, in a file of the program's name.
 */
#ifndef HF_TESTS_SIGHTS_H
#define HF_TESTS_SIGHTS_H

#include <string.h>

/* A test that looks codes up, rather than have something refused, says so first: until its function ends nothing counts. */
extern _Atomic int hf_test_lookups;
static inline void hf_test_looked_up(const int *one)
{
    hf_test_lookups -= *one;
}
#define HF_TEST_LOOKS_UP() \
    __attribute__((cleanup(hf_test_looked_up))) const int looks_up = 1; \
    hf_test_lookups += looks_up

void hf_test_int_equal(uintmax_t a, uintmax_t b, bool constants, const char *file, int line);
void hf_test_string_equal(const char *a, const char *b, const char *file, int line);
char *hf_test_strstr(const char *text, const char *word, const char *file, int line);

/* A test that needs `what`, which is not here, saw nothing. */
void hf_test_note_skip(const char *what);

#undef assert_int_equal
#define assert_int_equal(a, b) \
    hf_test_int_equal(cast_to_largest_integral_type(a), cast_to_largest_integral_type(b), \
                      __builtin_constant_p(a) && __builtin_constant_p(b), __FILE__, __LINE__)
#undef assert_string_equal
#define assert_string_equal(a, b) hf_test_string_equal((const char *)(a), (const char *)(b), __FILE__, __LINE__)
#undef strstr
#define strstr(text, word) hf_test_strstr(text, word, __FILE__, __LINE__)

#endif
