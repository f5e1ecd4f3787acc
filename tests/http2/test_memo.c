/* SPDX-License-Identifier: Apache-2.0
 *
 * A request that is made again is not decoded again, and nobody can tell but by the clock.
 */
#include "http2/rig.h"

#include "http2_core.h"
#include "random.h"

static hf_test_world w;
static rig r;
static uint32_t stream;

static void open_core(rig *to)
{
    static wire preface;
    assert_true(rig_open(to, &w.env, RIG_ECHO));
    wire_preface(&preface);
    rig_wire(to, &preface);
    rig_emit(to);
}

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    w.limits.requests_per_connection = UINT64_MAX;
    w.limits.http2_table_bytes = 256;
    open_core(&r);
    stream = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}


/* What the core says of the next request; `forgetful`: of what came before it remembers but the table. */
static const char *ask(rig *to, uint32_t id, unsigned flags, const void *block, size_t n, bool forgetful)
{
    static wire bytes;
    wire_frame(&bytes, HF_FRAME_HEADERS, flags, id, block, n);
    if (forgetful)
        hf_http2_memo_free(to->h);
    to->log_length = 0;
    to->log[0] = 0;
    rig_wire(to, &bytes);
    rig_emit(to);
    return to->log;
}

static bool remembers(hf_bytes block)
{
    r.h->block_flags = RIG_END;
    return hf_http2_is_said_again(r.h, block);
}

#define GET_HTTP "\x82\x86" /* :method GET, :scheme http */
static const hf_bytes plain = HF_LITERAL(GET_HTTP "\x84\x01\x81\x1f");              /* :path /, :authority "a" in the Huffman code */
static const hf_bytes lends = HF_LITERAL(GET_HTTP "\x84\x01\x01" "a");              /* the same, as it is */
static const hf_bytes newest = HF_LITERAL(GET_HTTP "\x84\x01\x81\x1f\xbe");         /* and the newest entry of the table */
static const hf_bytes inserts = HF_LITERAL(GET_HTTP "\x84\x01\x81\x1f\x40\x01n\x01v"); /* and a new one, "n: v" */

static const char *next(hf_bytes block)
{
    stream += 2;
    return ask(&r, stream - 2, RIG_END, block.ptr, block.len, false);
}

static void what_is_said_again_means_the_same(void **state)
{
    (void)state;
    char first[512];
    for (int i = 0; i < 3; i++)
        snprintf(first, sizeof first, "%s", next(plain));
    assert_true(remembers(plain));
    const char *const again = next(plain);
    assert_memory_equal(strchr(again, ' '), strchr(first, ' '), strcspn(strchr(first, ' '), "\n") + 1); /* the END has a number of its own */
    assert_non_null(strstr(again, "REQUEST GET / scheme=http authority=a path=/"));
    assert_int_equal(r.requests, 4);
    assert_int_equal(r.ends, 4);
}

static void what_lies_in_the_input_is_not_remembered(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(next(lends), "authority=a "));
    assert_false(remembers(lends));
}

static void what_changes_the_table_is_read_each_time(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(next(inserts), "[n=v]"));
    assert_false(remembers(inserts));
    assert_int_equal(r.h->decoder.table.inserted, 4);
}

static void the_same_bytes_after_another_block_are_read_anew(void **state)
{
    (void)state;
    static const char other[] = GET_HTTP "\x84\x01\x81\x1f\x40\x01n\x01w";
    next(inserts);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(next(newest), "[n=v]"));
    assert_true(remembers(newest));
    assert_non_null(strstr(next(hf_text(other)), "[n=w]"));
    assert_false(remembers(newest));
    assert_non_null(strstr(next(newest), "[n=w]"));
}

/* The same head with a body to come is another request. */
static void a_request_with_a_body_is_not_taken_for_one_without(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        next(plain);
    assert_true(remembers(plain));
    const size_t ends = r.ends;
    const char *const log = ask(&r, stream, RIG_MORE, plain.ptr, plain.len, false);
    assert_non_null(strstr(log, "REQUEST GET /"));
    char length[32];
    snprintf(length, sizeof length, "length=%d", HF_LENGTH_UNKNOWN);
    assert_non_null(strstr(log, length));
    assert_int_equal(r.ends, ends);
}

static void a_connection_at_rest_remembers_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        next(plain);
    assert_non_null(r.h->memo);
    r.now = hf_time_after(r.now, HF_HTTP2_TRIM_NS);
    rig_feed(&r, NULL, 0, false);
    assert_null(r.h->memo);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(next(plain), "authority=a "));
}

/* A core that remembers says of any requests what its twin says that does not. */
static void what_is_remembered_is_what_would_be_read(void **state)
{
    (void)state;
    static const hf_bytes parts[] = {
        HF_LITERAL("\xbe"), HF_LITERAL("\xbf"), HF_LITERAL("\xc0"), HF_LITERAL("\x40\x01n\x01v"), HF_LITERAL("\x40\x01m\x81\x1f"),
        HF_LITERAL("\x90"), HF_LITERAL("\x0f\x0d\x01" "3"), HF_LITERAL("\x00\x01x\x81\x1f"), HF_LITERAL("\x60\x02k1"),
    };
    rig twin;
    uint8_t bytes[64];
    hf_bytes block = plain;
    size_t recalled = 0;
    open_core(&twin);
    for (uint32_t id = 1; id < 6001; id += 2) {
        if (hf_random_chance(&w.random, 400000)) {
            hf_writer to = hf_writer_make(bytes, sizeof bytes);
            hf_write(&to, plain);
            for (uint64_t n = hf_random_below(&w.random, 3); n > 0; n--)
                hf_write(&to, parts[hf_random_below(&w.random, HF_COUNT(parts))]);
            block = hf_written(&to);
        }
        recalled += remembers(block);
        ask(&r, id, RIG_END, block.ptr, block.len, false);
        assert_string_equal(ask(&twin, id, RIG_END, block.ptr, block.len, true), r.log);
        assert_int_equal(r.last, twin.last);
        if (r.last == HF_FAULT) { /* an index that was not there: both anew */
            rig_close(&r);
            rig_close(&twin);
            open_core(&r);
            open_core(&twin);
        }
    }
    assert_true(recalled > 300);
    rig_close(&twin);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_again_means_the_same),
        TEST(what_lies_in_the_input_is_not_remembered),
        TEST(what_changes_the_table_is_read_each_time),
        TEST(the_same_bytes_after_another_block_are_read_anew),
        TEST(a_request_with_a_body_is_not_taken_for_one_without),
        TEST(a_connection_at_rest_remembers_nothing),
        TEST(what_is_remembered_is_what_would_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
