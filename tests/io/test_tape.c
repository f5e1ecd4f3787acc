/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape says again what it was told, names the first difference, and takes nothing from a file that is not as it was
 * written.
 */
#include "tape.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"
#include "allocator.h"
#include "harness.h"
#include "random.h"
#include "tape_io.h"
#include "trace.h"

enum { MOST = 1 << 20, FILE_MOST = 1 << 18 };

static int memory_file(void)
{
    const int fd = memfd_create("recording", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int file_of(const uint8_t *bytes, size_t size)
{
    const int fd = memory_file();
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static size_t contents(int fd, uint8_t *to)
{
    const ssize_t n = pread(fd, to, FILE_MOST, 0);
    assert_in_range(n, 1, FILE_MOST - 1);
    return (size_t)n;
}

/* A small server: two turns, in each a question, and an answer that `twist` changes. False: the tape is over. */
static bool act(hf_tape *t, uint64_t *drawn, unsigned twist)
{
    char text[16] = "words";
    int64_t past = -3;
    hf_err err = hf_err_make(HF_ERR_IO_RESET);
    bool flag = true;
    if (!hf_tape_text(t, text, sizeof text))
        return false;
    assert_string_equal(text, "words");
    for (unsigned i = 0; i < 2; i++) {
        if (hf_tape_begin(t, HF_TAPE_WAIT, 0))
            hf_tape_turn(t, hf_time_make(1000000000 + i * 500000000));
        hf_tape_tell(t);
        if (!hf_tape_number(t, drawn))
            return false;
        if (hf_tape_begin(t, HF_TAPE_PUT, 7)) {
            hf_tape_same(t, i * 10 + (i == 1 ? twist : 0), "what it answers", 42);
            hf_tape_i64(t, &past);
            hf_tape_err(t, &err);
            hf_tape_flag(t, &flag);
            hf_tape_end(t);
        }
        if (hf_tape_is_over(t))
            return false;
        assert_int_equal(past, -3);
        assert_int_equal(err.code, HF_ERR_IO_RESET);
        assert_true(flag);
    }
    hf_tape_finish(t);
    return true;
}

/* Its file. */
static int record(void)
{
    const int fd = memory_file();
    uint64_t drawn = UINT64_MAX;
    hf_err err;
    hf_tape *t = hf_tape_record(fd, MOST, &err);
    assert_non_null(t);
    assert_false(hf_tape_plays(t));
    assert_true(act(t, &drawn, 0));
    assert_true(hf_tape_is_whole(t));
    hf_tape_free(t);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static hf_tape *play(int fd, char *text, size_t size)
{
    hf_writer why = hf_writer_make(text, size - 1);
    hf_tape *t = hf_tape_play(fd, FILE_MOST, &why);
    text[why.length] = 0;
    close(fd);
    assert_int_equal(t == NULL, why.length > 0);
    return t;
}

static void what_was_told_is_told_again(void **state)
{
    char why[256];
    uint64_t drawn = 0;
    (void)state;
    hf_tape *t = play(record(), why, sizeof why);
    assert_non_null(t);
    assert_true(hf_tape_plays(t));
    assert_true(act(t, &drawn, 0));
    assert_int_equal(drawn, UINT64_MAX);
    assert_true(hf_tape_is_whole(t));
    assert_false(hf_tape_differs(t));
    assert_int_equal(hf_tape_turns(t), 2);
    hf_tape_free(t);
}

static void the_first_difference_has_a_place(void **state)
{
    char why[256];
    uint64_t drawn = 0;
    (void)state;
    hf_tape *t = play(record(), why, sizeof why);
    assert_false(act(t, &drawn, 1));
    assert_true(hf_tape_differs(t));
    assert_false(hf_tape_is_whole(t));
    assert_string_equal(hf_tape_why(t),
        "turn 2, 0.500000 s after the beginning, connection 7: what it answers is another one, from byte 42 on");
    assert_false(hf_tape_number(t, &drawn)); /* and nothing comes from it any more */
    hf_tape_free(t);
}

static void another_question_is_a_difference(void **state)
{
    char why[256], text[16];
    uint64_t n = 5;
    (void)state;
    hf_tape *t = play(record(), why, sizeof why);
    assert_true(hf_tape_text(t, text, sizeof text));
    assert_false(hf_tape_number(t, &n));
    assert_true(hf_tape_differs(t));
    assert_non_null(strstr(hf_tape_why(t), "it asks for a number (0), and the recording has what happened outside (0)"));
    assert_int_equal(n, 5);
    hf_tape_free(t);
}

/* What the server did between two turns. */
static void another_trace_is_a_difference(void **state)
{
    char why[256];
    uint64_t drawn = 0;
    (void)state;
    hf_tape *t = play(record(), why, sizeof why);
    const hf_trace_sink *sink = hf_tape_trace(t);
    const hf_env env = { .trace = sink };
    hf_trace(&env, hf_time_make(1), 1, (hf_trace_kind)0, 1, 1);
    assert_false(act(t, &drawn, 0));
    assert_non_null(strstr(hf_tape_why(t), "its trace"));
    hf_tape_free(t);
}

static void cut_anywhere_it_is_the_same_as_far_as_it_goes(void **state)
{
    uint8_t bytes[FILE_MOST];
    char why[256];
    unsigned refused = 0;
    (void)state;
    const int fd = record();
    const size_t size = contents(fd, bytes);
    close(fd);
    for (size_t n = 0; n < size; n++) {
        uint64_t drawn = 0;
        hf_tape *t = play(file_of(bytes, n), why, sizeof why);
        refused += t == NULL;
        if (t == NULL)
            continue;
        assert_false(act(t, &drawn, 0));
        assert_false(hf_tape_differs(t));
        assert_false(hf_tape_is_whole(t));
        assert_string_equal(hf_tape_why(t), "the recording ends here");
        hf_tape_free(t);
    }
    assert_int_equal(refused, strlen("handfast recording 1\n"));
}

static void one_changed_byte_is_found_wherever_it_is(void **state)
{
    uint8_t bytes[FILE_MOST];
    char why[256];
    (void)state;
    const int fd = record();
    const size_t size = contents(fd, bytes);
    close(fd);
    for (size_t n = 0; n < size; n++) {
        uint64_t drawn = 0;
        bytes[n] ^= 0x40;
        hf_tape *t = play(file_of(bytes, size), why, sizeof why);
        bytes[n] ^= 0x40;
        /* A length that grew looks like a recording that was cut off: then it is not whole. */
        assert_true(t == NULL || !act(t, &drawn, 0));
        assert_true(t != NULL || strstr(why, n < 21 ? "it is no recording" : "it is damaged: the piece at byte ") != NULL);
        hf_tape_free(t);
    }
}

/* Well-formed pieces with any bytes inside. */
static void hostile_bytes_end_it_and_nothing_else(void **state)
{
    uint8_t bytes[300];
    hf_random r;
    (void)state;
    hf_random_seed(&r, 1);
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t n = 0;
        size_t length = 0;
        const size_t size = hf_random_below(&r, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)hf_random_below(&r, round % 2 == 0 ? 256 : 24);
        hf_tape *t = hf_tape_play_bytes(hf_bytes_make(bytes, size));
        assert_non_null(t);
        for (unsigned i = 0; i < 400 && !hf_tape_is_over(t); i++) {
            uint8_t to[16];
            if (hf_tape_begin(t, (hf_tape_kind)(bytes[0] % HF_TAPE_KINDS), bytes[1]))
                hf_tape_length(t, &length, sizeof to);
            assert_in_range(length, 0, sizeof to);
            hf_tape_bytes(t, to, length);
            hf_tape_u64(t, &n);
        }
        assert_true(hf_tape_is_over(t)); /* every question takes a byte at least */
        assert_true(strlen(hf_tape_why(t)) > 0);
        hf_tape_free(t);
    }
}

static void what_is_asked_while_paused_is_not_noted(void **state)
{
    const int fd = memory_file();
    uint8_t bytes[FILE_MOST];
    uint64_t n = 1;
    hf_err err;
    (void)state;
    hf_tape *t = hf_tape_record(fd, MOST, &err);
    hf_tape_pause(t, true);
    assert_false(hf_tape_number(t, &n));
    hf_tape_tell(t);
    assert_int_equal(contents(fd, bytes), strlen("handfast recording 1\n"));
    hf_tape_pause(t, false);
    assert_true(hf_tape_number(t, &n));
    hf_tape_tell(t);
    assert_true(contents(fd, bytes) > strlen("handfast recording 1\n"));
    hf_tape_free(t);
    close(fd);
}

static void limit_record_bytes(void **state)
{
    uint8_t bytes[FILE_MOST];
    char why[256], text[512];
    (void)state;
    for (uint64_t most = 64; most < 3000; most += 61) {
        const int fd = memory_file();
        hf_err err;
        uint64_t noted = 0, n, read = 0;
        memset(text, 'x', 200);
        text[200] = 0;
        hf_tape *t = hf_tape_record(fd, most, &err);
        assert_non_null(t);
        while (!hf_tape_is_over(t)) {
            n = noted;
            noted += hf_tape_number(t, &n) && hf_tape_text(t, text, sizeof text);
            if (noted % 3 == 0)
                hf_tape_tell(t);
        }
        assert_string_equal(hf_tape_why(t), "it is full (limit record_bytes)");
        hf_tape_free(t);
        assert_in_range(contents(fd, bytes), 21, most);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        t = play(fd, why, sizeof why);
        assert_non_null(t);
        while (hf_tape_number(t, &n) && hf_tape_text(t, text, sizeof text))
            assert_int_equal(n, read++);
        assert_int_equal(read, noted);
        assert_false(hf_tape_differs(t));
        hf_tape_free(t);
    }
}

static void a_full_disk_ends_the_recording_alone(void **state)
{
    uint64_t n = 1;
    hf_err err;
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0); /* takes what fits into a pipe, and no more */
    hf_tape *t = hf_tape_record(ends[1], UINT64_MAX, &err);
    assert_non_null(t);
    for (unsigned i = 0; i < 1000000 && !hf_tape_is_over(t); i++) {
        (void)hf_tape_number(t, &n);
        hf_tape_tell(t);
    }
    assert_true(hf_tape_is_over(t));
    assert_non_null(strstr(hf_tape_why(t), strerror(EAGAIN)));
    assert_int_equal(n, 1);
    hf_tape_free(t);
    close(ends[0]);
    close(ends[1]);
    t = hf_tape_record(-1, MOST, &err);
    assert_null(t);
    assert_int_equal(err.code, HF_ERR_IO_SYSTEM);
}

static void no_tape_is_no_trouble(void **state)
{
    uint64_t n = 3;
    (void)state;
    assert_false(hf_tape_plays(NULL));
    assert_false(hf_tape_number(NULL, &n));
    assert_true(hf_tape_decision(NULL, true));
    assert_false(hf_tape_decision(NULL, false));
    assert_null(hf_tape_trace(NULL));
    assert_int_equal(n, 3);
    hf_tape_free(NULL);
}

/* What a client that never was sends to a server that listens: connections, bytes, ends, all wrong in turn. */
static void a_loop_that_plays_hostile_bytes_comes_to_an_end(void **state)
{
    const hf_limits *limits = hf_limits_default();
    hf_random r;
    (void)state;
    hf_random_seed(&r, 2);
    const hf_env env = { .alloc = *hf_allocator_default(), .random = &r, .limits = limits };
    for (unsigned round = 0; round < 20000; round++) {
        /* a clock, a turn without trace, one event: then what comes */
        uint8_t bytes[200] = { HF_TAPE_CLOCK, 1, 2, 2, 2, HF_TAPE_LISTEN, 80, 0, HF_TAPE_WAIT, 0, 4, 2, 2,
            0x15, 0x7c, 0x4a, 0x7f, 0xb9, 0x79, 0x37, 0x9e, 1, HF_IO_ACCEPTED, 0, 4, 80, 0 };
        hf_io_event events[4];
        hf_pier_event e;
        for (size_t i = 62; i < sizeof bytes; i++) /* behind two addresses */
            bytes[i] = (uint8_t)hf_random_below(&r, i % 3 == 0 ? 256 : 16);
        memcpy(bytes + 62, (const uint8_t[]){ HF_TAPE_EVENT, 1, HF_EVENT, HF_PIER_READABLE, HF_TAPE_PEEK, 1, 3, 3 }, 8);
        hf_tape *t = hf_tape_play_bytes(hf_bytes_make(bytes, sizeof bytes));
        hf_io *io = hf_tape_io_new(&env, t, NULL);
        assert_non_null(io);
        const hf_address at = { .family = 4, .port = 80 };
        assert_int_equal(io->ops->listen(io, &at, -1, NULL).code, 0);
        assert_int_equal(io->ops->wait(io, HF_NEVER, events, 4), 1);
        const hf_pier p = events[0].pier;
        assert_int_equal(events[0].kind, HF_IO_ACCEPTED);
        assert_int_equal(p.ops->event(p.self, hf_time_make(2), &e), HF_EVENT);
        assert_int_equal(p.ops->peek(p.self, 0).len, 3);
        for (unsigned i = 0; i < 100 && !hf_tape_is_over(t); i++) {
            const hf_extent x = { .bytes = hf_text("abc") };
            p.ops->take(p.self, 0, 1);
            (void)p.ops->event(p.self, hf_time_make(2), &e);
            const size_t held = p.ops->peek(p.self, 0).len;
            assert_in_range(p.ops->peek(p.self, 0).len, held, sizeof bytes); /* what was not taken never goes */
            assert_in_range(p.ops->put(p.self, 0, &x, 1), 0, 3);
            assert_in_range(io->ops->wait(io, HF_NEVER, events, 4), 0, 4);
        }
        assert_true(hf_tape_is_over(t));
        p.ops->free(p.self);
        io->ops->free(io);
        hf_tape_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_told_again),
        cmocka_unit_test(the_first_difference_has_a_place),
        cmocka_unit_test(another_question_is_a_difference),
        cmocka_unit_test(another_trace_is_a_difference),
        cmocka_unit_test(cut_anywhere_it_is_the_same_as_far_as_it_goes),
        cmocka_unit_test(one_changed_byte_is_found_wherever_it_is),
        cmocka_unit_test(hostile_bytes_end_it_and_nothing_else),
        cmocka_unit_test(what_is_asked_while_paused_is_not_noted),
        cmocka_unit_test(limit_record_bytes),
        cmocka_unit_test(a_full_disk_ends_the_recording_alone),
        cmocka_unit_test(no_tape_is_no_trouble),
        cmocka_unit_test(a_loop_that_plays_hostile_bytes_comes_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
