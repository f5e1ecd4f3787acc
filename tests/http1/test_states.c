/* SPDX-License-Identifier: Apache-2.0
 *
 * The state tables: the picture drawn from them is the one that was looked at and stored.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1_state.h"

static void the_picture_is_the_stored_one(void **state)
{
    (void)state;
    static char drawn[16384], stored[16384];
    hf_writer w = hf_writer_make(drawn, sizeof drawn);
    hf_http1_states_write(&w);
    assert_false(w.overflowed);
    const char *source = getenv("HF_SOURCE");
    char name[4096];
    snprintf(name, sizeof name, "%s/tests/http1/http1_states.dot", source ? source : ".");
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    const size_t n = fread(stored, 1, sizeof stored, f);
    fclose(f);
    if (n != w.length || memcmp(stored, drawn, n) != 0)
        fail_msg("the tables changed. If that is meant, store this as %s:\n%.*s", name, (int)w.length, drawn);
}

static void every_state_but_the_last_can_be_left_and_reached(void **state)
{
    (void)state;
    bool reached[HF_READ_COUNT] = { [HF_READ_FIRST] = true };
    for (unsigned round = 0; round < HF_READ_COUNT; round++)
        for (unsigned s = 0; s < HF_READ_COUNT; s++)
            for (unsigned m = 0; reached[s] && m < HF_READ_MOVE_COUNT; m++)
                reached[hf_http1_read_after((hf_http1_read)s, (hf_http1_read_move)m)] = true;
    for (unsigned s = HF_READ_FIRST; s < HF_READ_COUNT; s++)
        assert_true(reached[s]);
    for (unsigned m = 0; m < HF_READ_MOVE_COUNT; m++) {
        assert_int_equal(hf_http1_read_after(HF_READ_CLOSED, (hf_http1_read_move)m), HF_READ_NOWHERE);
        assert_int_equal(hf_http1_read_after(HF_READ_FAULT, (hf_http1_read_move)m), HF_READ_NOWHERE);
    }
    for (unsigned m = 0; m < HF_WRITE_MOVE_COUNT; m++)
        assert_int_equal(hf_http1_write_after(HF_WRITE_BROKEN, (hf_http1_write_move)m), HF_WRITE_NOWHERE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_the_stored_one),
        cmocka_unit_test(every_state_but_the_last_can_be_left_and_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
