/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "outlet.h"
#include "random.h"

enum { PIECES = 8, SCRATCH = 64 };

static hf_test_world world;
static uint8_t scratch[SCRATCH];
static hf_extent pieces[PIECES];

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_test_world_fini(&world);
    return 0;
}

static hf_out out_of(size_t scratch_capacity, size_t places, uint64_t room)
{
    return (hf_out){ .pieces = pieces, .capacity = places, .scratch = scratch, .scratch_capacity = scratch_capacity,
                     .room = room };
}

static hf_extent lent(hf_bytes bytes, uint64_t token)
{
    return (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = bytes, .token = token };
}

static void assert_piece(const hf_extent *e, hf_extent_kind kind, const char *text, uint64_t token)
{
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->token, token);
    assert_int_equal(e->bytes.len, strlen(text));
    assert_memory_equal(e->bytes.ptr, text, e->bytes.len);
}

static void claims_join_and_say_when_there_is_no_room(void **state)
{
    (void)state;
    hf_out out = out_of(8, 2, 7);
    memcpy(hf_out_claim(&out, 2), "ab", 2);
    memcpy(hf_out_claim(&out, 3), "cde", 3);
    assert_int_equal(out.count, 1);
    assert_piece(&pieces[0], HF_EXTENT_COPIED, "abcde", 0);
    assert_int_equal(out.bytes, 5);
    assert_int_equal(out.room, 2);
    assert_int_equal(hf_out_fit(&out, 100), 2);
    assert_int_equal(hf_out_fit(&out, 1), 1);
    assert_null(hf_out_claim(&out, 3)); /* room */
    hf_extent e = lent(hf_text("x"), 1);
    bool whole;
    assert_int_equal(hf_out_extent(&out, &e, 9, &whole), 1);
    assert_true(whole);
    assert_null(hf_out_claim(&out, 1)); /* places */
    out = out_of(2, 1, 9);
    assert_null(hf_out_claim(&out, 3)); /* scratch */
    assert_int_equal(out.count, 0);
}

static void a_token_stays_with_the_rest(void **state)
{
    (void)state;
    hf_out out = out_of(0, 8, 100);
    hf_extent e = lent(hf_text("hello"), 9);
    bool whole;
    assert_int_equal(hf_out_extent(&out, &e, 2, &whole), 2);
    assert_false(whole);
    assert_int_equal(hf_out_extent(&out, &e, 9, &whole), 3);
    assert_true(whole);
    assert_piece(&pieces[0], HF_EXTENT_LENT, "he", 0);
    assert_piece(&pieces[1], HF_EXTENT_LENT, "llo", 9);
    hf_extent file = { .kind = HF_EXTENT_FILE, .offset = 10, .length = 6, .token = 3 };
    out.room = 4;
    assert_int_equal(hf_out_extent(&out, &file, 9, &whole), 4);
    assert_false(whole);
    assert_int_equal(pieces[2].offset, 10);
    assert_int_equal(pieces[2].length, 4);
    assert_int_equal(pieces[2].token, 0);
    assert_int_equal(file.offset, 14);
    assert_int_equal(hf_out_extent(&out, &file, 9, &whole), 0); /* no room */
    assert_false(whole);
    out.room = 2;
    assert_int_equal(hf_out_extent(&out, &file, 9, &whole), 2);
    assert_true(whole);
    assert_int_equal(pieces[3].token, 3);
}

static void bytes_and_pieces_leave_in_their_order(void **state)
{
    (void)state;
    hf_outlet o;
    hf_outlet_init(&o, &world.env.alloc);
    assert_false(hf_outlet_waits(&o));
    assert_int_equal(world.memory.calls, 0);
    assert_true(hf_outlet_append(&o, hf_text("one ")));
    assert_true(hf_outlet_reserve(&o, 1));
    const hf_extent e = lent(hf_text("two "), 2);
    hf_outlet_lend(&o, &e);
    assert_true(hf_outlet_append(&o, hf_text("three")));
    assert_int_equal(o.pending, 13);
    assert_int_equal(hf_outlet_pieces(&o), 1);
    hf_out out = out_of(SCRATCH, PIECES, 100);
    uint64_t copied;
    assert_int_equal(hf_outlet_emit(&o, 6, &out, &copied), 6);
    assert_int_equal(copied, 4);
    assert_int_equal(hf_outlet_emit(&o, 100, &out, &copied), 7);
    assert_int_equal(copied, 5);
    assert_int_equal(out.count, 4);
    assert_piece(&pieces[0], HF_EXTENT_COPIED, "one ", 0);
    assert_piece(&pieces[1], HF_EXTENT_LENT, "tw", 0);
    assert_piece(&pieces[2], HF_EXTENT_LENT, "o ", 2);
    assert_piece(&pieces[3], HF_EXTENT_COPIED, "three", 0);
    assert_false(hf_outlet_waits(&o));
    hf_outlet_fini(&o);
}

static void a_piece_without_bytes_brings_its_token_back(void **state)
{
    (void)state;
    hf_outlet o;
    hf_outlet_init(&o, &world.env.alloc);
    const hf_extent e = lent(hf_text(""), 5);
    assert_true(hf_outlet_reserve(&o, 2));
    hf_outlet_lend(&o, &e);
    assert_true(hf_outlet_append(&o, hf_text("x")));
    hf_outlet_lend(&o, &e);
    hf_out out = out_of(SCRATCH, 0, 100);
    assert_false(hf_outlet_emit_empty(&o, &out));
    out = out_of(SCRATCH, PIECES, 100);
    assert_true(hf_outlet_emit_empty(&o, &out));
    assert_int_equal(out.count, 1); /* the other waits behind a byte */
    assert_piece(&pieces[0], HF_EXTENT_LENT, "", 5);
    assert_int_equal(out.bytes, 0);
    assert_true(hf_outlet_waits(&o));
    uint64_t copied;
    assert_int_equal(hf_outlet_emit(&o, 100, &out, &copied), 1);
    assert_piece(&pieces[2], HF_EXTENT_LENT, "", 5);
    assert_false(hf_outlet_waits(&o));
    hf_outlet_fini(&o);
}

/* Appends and lends at random, emits into outs of random sizes: what comes out is what went in, tokens and all. */
static void random_operations_match_a_model(void **state)
{
    (void)state;
    static uint8_t bytes[40000], got[sizeof bytes];
    static bool owed[4000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)hf_random_next(&world.random);
    hf_outlet o;
    hf_outlet_init(&o, &world.env.alloc);
    size_t in = 0, left = 0, copies = 0;
    uint64_t token = 0, back = 0;
    while (in < sizeof bytes || hf_outlet_waits(&o)) {
        size_t n = hf_random_next(&world.random) % 50;
        n = n < sizeof bytes - in ? n : sizeof bytes - in;
        const hf_bytes part = hf_bytes_make(bytes + in, n);
        if (in == sizeof bytes || hf_random_next(&world.random) % 2 == 0) {
            assert_true(hf_outlet_append(&o, part));
            copies += n;
        } else {
            assert_true(token + 1 < sizeof owed);
            const hf_extent e = lent(part, ++token);
            assert_true(hf_outlet_reserve(&o, 1));
            owed[token] = true;
            hf_outlet_lend(&o, &e);
        }
        in += n;
        assert_int_equal(o.pending, in - left);
        if (hf_random_next(&world.random) % 3 != 0 && in < sizeof bytes)
            continue;
        hf_out out = out_of(hf_random_next(&world.random) % SCRATCH, hf_random_next(&world.random) % PIECES,
                            hf_random_next(&world.random) % 300);
        uint64_t copied;
        const size_t before = left;
        const uint64_t sent = hf_outlet_emit(&o, hf_random_next(&world.random) % 300, &out, &copied);
        for (size_t i = 0; i < out.count; i++) {
            memcpy(got + left, pieces[i].bytes.ptr, pieces[i].bytes.len);
            left += pieces[i].bytes.len;
            if (pieces[i].token != 0) {
                assert_int_equal(pieces[i].token, back + 1);
                assert_true(owed[pieces[i].token]);
                owed[back = pieces[i].token] = false;
            }
        }
        copies -= copied;
        assert_int_equal(sent, left - before);
        assert_int_equal(out.bytes, sent);
        assert_int_equal(hf_outlet_copied(&o), copies);
    }
    assert_memory_equal(got, bytes, sizeof bytes);
    assert_int_equal(back, token);
    hf_outlet_fini(&o);
}

static void what_is_dropped_gives_its_tokens_back(void **state)
{
    (void)state;
    hf_outlet o;
    hf_token_list back = { 0 };
    hf_outlet_init(&o, &world.env.alloc);
    assert_true(hf_outlet_append(&o, hf_text("copied")));
    assert_true(hf_outlet_reserve(&o, 20));
    for (uint64_t token = 0; token < 20; token++) { /* a piece without a token has nobody to go back to */
        const hf_extent e = lent(hf_text("lent"), token);
        hf_outlet_lend(&o, &e);
    }
    bool whole;
    assert_int_equal(hf_outlet_drop(&o, &back, &whole), 6);
    assert_true(whole);
    assert_false(hf_outlet_waits(&o));
    assert_true(hf_tokens_wait(&back));
    hf_out out = out_of(0, PIECES, 0);
    uint64_t next = 1;
    while (!hf_tokens_emit(&back, &out)) {
        for (size_t i = 0; i < out.count; i++)
            assert_piece(&pieces[i], HF_EXTENT_LENT, "", next++);
        out = out_of(0, PIECES, 0);
    }
    assert_int_equal(next + out.count, 20);
    assert_false(hf_tokens_wait(&back));
    hf_tokens_fini(&back, &world.env.alloc);
    hf_outlet_fini(&o);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 4; n++) {
        hf_outlet o;
        hf_token_list back = { 0 };
        hf_outlet_init(&o, &world.env.alloc);
        world.memory.calls = 0;
        world.memory.fail_at = n;
        const hf_extent e = lent(hf_text("lent"), 1);
        const bool appended = hf_outlet_append(&o, hf_text("copied"));
        assert_int_equal(hf_outlet_copied(&o), appended ? 6 : 0);
        const bool reserved = hf_outlet_reserve(&o, 1);
        if (reserved)
            hf_outlet_lend(&o, &e);
        bool whole;
        assert_int_equal(hf_outlet_drop(&o, &back, &whole), appended ? 6 : 0);
        assert_int_equal(appended + reserved + whole, n <= 3 ? 2 : 3);
        assert_int_equal(o.pending, 0);
        world.memory.fail_at = 0;
        hf_tokens_fini(&back, &world.env.alloc);
        hf_outlet_fini(&o);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(claims_join_and_say_when_there_is_no_room),
        TEST(a_token_stays_with_the_rest),
        TEST(bytes_and_pieces_leave_in_their_order),
        TEST(a_piece_without_bytes_brings_its_token_back),
        TEST(random_operations_match_a_model),
        TEST(what_is_dropped_gives_its_tokens_back),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
