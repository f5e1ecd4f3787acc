/* SPDX-License-Identifier: Apache-2.0
 *
 * What every test needs: an allocator that counts and can fail, an environment, and the skip-or-require rule.
 */
#ifndef HF_TESTS_HARNESS_H
#define HF_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <handfast/base.h>

/* Counts what is held and fails the allocation numbered `fail_at` (1-based, 0: none) and, if `fail_on`, all after. */
typedef struct hf_test_memory {
    hf_allocator alloc;
    size_t held;   /* bytes */
    size_t blocks;
    size_t most;   /* the largest `held` so far */
    size_t calls;  /* allocations and growths so far */
    size_t fail_at;
    bool fail_on;
} hf_test_memory;

/* An environment for one core under test. Address-stable: init in place. */
typedef struct hf_test_world {
    hf_test_memory memory;
    hf_random random;
    hf_limits limits; /* a copy of the defaults: change at will before cores are made */
    hf_env env;
} hf_test_world;

void hf_test_world_init(hf_test_world *w, uint64_t seed);
/* Asserts that nothing is held any more. */
void hf_test_world_fini(hf_test_world *w);

/* Skips the running test with "skipped: needs WHAT", or fails it when HF_REQUIRE (a comma list) names `what`. */
void hf_test_needs(const char *what, bool present);

/* A file of third-party test data below ../shared/vectors, whole; ptr NULL (and the test skips itself) when absent.
 * Gives: free() it. */
hf_span hf_test_vector(const char *path);

#include "sights.h"

#endif
