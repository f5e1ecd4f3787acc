/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said before a file again and again leaves with it in one piece, and nobody can tell by the bytes: not when the head changes,
 * nor when the reader is slow, nor when the file is gone meanwhile.
 */
#include "socket_rig.h"

enum { SIZE = 20000, LARGE = 3 << 20, OFTEN = 8 };

/* A file in memory, and a connection on which it is sent. */
typedef struct front {
    rig r;
    uint8_t *bytes;
    hf_file file;
    side *s;
    int fd;
    uint64_t token;
    uint8_t *expected; /* what was put so far */
    size_t length;
} front;

static void make_file(front *t, size_t size)
{
    t->bytes = malloc(size);
    assert_non_null(t->bytes);
    for (size_t i = 0; i < size; i++)
        t->bytes[i] = (uint8_t)(i * 7 + i / 251);
    t->file = (hf_file){ .handle = -1, .size = size, .fixed = t->bytes };
    assert_true(hf_file_expect_fronts(&t->file, &t->r.world.env.alloc));
}

static void begin_front(front *t, size_t size, int receive_buffer)
{
    memset(t, 0, sizeof *t);
    setup(&t->r);
    make_file(t, size);
    t->fd = client_with(&t->r, receive_buffer);
    t->s = accepted(&t->r);
    t->expected = malloc(64 * (size + 1000));
    assert_non_null(t->expected);
}

static void end_front(front *t)
{
    close(t->fd);
    hf_file_close(&t->file);
    teardown(&t->r);
    free(t->expected);
    free(t->bytes);
}

static void note(front *t, const void *bytes, size_t n)
{
    memcpy(t->expected + t->length, bytes, n);
    t->length += n;
}

/* One answer: what is said, and the range of the file. It is kept in mind. */
static void answer_part(front *t, const char *said, size_t offset, size_t length)
{
    char copy[800];
    const size_t n = strlen(said);
    assert_true(n < sizeof copy);
    memcpy(copy, said, n);
    const hf_extent pieces[] = { { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(copy, n) },
        { .kind = HF_EXTENT_FILE, .token = ++t->token, .file = &t->file, .offset = offset, .length = length } };
    assert_int_equal(put(t->s, pieces, HF_COUNT(pieces)), n + length);
    memset(copy, 'x', sizeof copy); /* COPIED: nobody may look any more */
    note(t, said, n);
    note(t, t->bytes + offset, length);
}

static void answer_whole(front *t, const char *said)
{
    answer_part(t, said, 0, (size_t)t->file.size);
}

/* The client gets what was put, and no more; each piece of it is given back, in order. */
static void arrives(front *t)
{
    uint8_t *got = malloc(t->length + 1);
    size_t at = 0;
    assert_non_null(got);
    for (const int64_t until = clock_ns() + HF_SECONDS(20); at < t->length && clock_ns() < until;) {
        const ssize_t n = recv(t->fd, got + at, t->length + 1 - at, 0);
        at += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            turn(&t->r, 1);
    }
    assert_int_equal(at, t->length);
    assert_memory_equal(got, t->expected, t->length);
    free(got);
    pull(&t->r, t->s);
    assert_int_equal(t->s->released, t->token);
    for (size_t i = 0; i < t->s->released; i++)
        assert_int_equal(t->s->tokens[i], i + 1);
    t->length = 0;
}

static void a_head_that_is_said_often_leaves_with_the_file_in_one_piece(void **state)
{
    (void)state;
    front t;
    begin_front(&t, SIZE, 0);
    for (unsigned i = 0; i < 2 * OFTEN; i++) {
        assert_int_equal(hf_file_is_open(&t.file), i >= OFTEN);
        answer_whole(&t, "the same as ever\r\n\r\n");
        arrives(&t);
    }
    for (unsigned i = 0; i < 3 * OFTEN; i++) { /* one second later */
        answer_whole(&t, "another one\r\n\r\n");
        arrives(&t);
    }
    assert_true(hf_file_is_open(&t.file));
    assert_true(hf_file_fronted(&t.file, hf_text("another one\r\n\r\n")) >= 0);
    assert_int_equal(hf_file_fronted(&t.file, hf_text("the same as ever\r\n\r\n")), -1);
    end_front(&t);
}

static void parts_of_the_file_and_last_answers_do_without(void **state)
{
    (void)state;
    front t;
    size_t length;
    uint8_t rest[SIZE + 100];
    begin_front(&t, SIZE, 0);
    for (unsigned i = 0; i < 2 * OFTEN; i++)
        answer_whole(&t, "head\r\n\r\n");
    arrives(&t);
    answer_part(&t, "head\r\n\r\n", 5, 100);
    answer_part(&t, "head\r\n\r\n", 0, SIZE - 1);
    answer_part(&t, "head\r\n\r\n", SIZE - 1, 1);
    const hf_extent bare = { .kind = HF_EXTENT_FILE, .token = ++t.token, .file = &t.file, .length = SIZE };
    assert_int_equal(put(t.s, &bare, 1), SIZE);
    note(&t, t.bytes, SIZE);
    arrives(&t);
    t.s->pier.ops->last(t.s->pier.self, 0);
    answer_whole(&t, "head\r\n\r\n");
    assert_int_equal(end(t.s, HF_ENDING_FIN).code, 0);
    assert_int_equal(read_to_end(&t.r, t.fd, rest, sizeof rest, &length), 0);
    assert_int_equal(length, t.length);
    assert_memory_equal(rest, t.expected, length);
    end_front(&t);
}

static void several_answers_in_one_put_come_one_after_the_other(void **state)
{
    (void)state;
    front t;
    begin_front(&t, SIZE, 0);
    for (unsigned i = 0; i < 2 * OFTEN; i++) {
        hf_extent pieces[6];
        for (size_t k = 0; k < HF_COUNT(pieces); k += 2) {
            pieces[k] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text("one of three\r\n\r\n") };
            pieces[k + 1] = (hf_extent){ .kind = HF_EXTENT_FILE, .token = ++t.token, .file = &t.file, .length = SIZE };
            note(&t, pieces[k].bytes.ptr, pieces[k].bytes.len);
            note(&t, t.bytes, SIZE);
        }
        assert_int_equal(put(t.s, pieces, HF_COUNT(pieces)), t.length);
        arrives(&t);
    }
    assert_true(hf_file_is_open(&t.file));
    end_front(&t);
}

/* Nothing of it is read before the head has changed and the file is forgotten: the network lends from pages that stay. */
static void what_is_under_way_stays_as_it_was_put(void **state)
{
    (void)state;
    front t;
    begin_front(&t, SIZE, 0);
    for (unsigned i = 0; i < 2 * OFTEN; i++)
        answer_whole(&t, "first\r\n\r\n");
    arrives(&t);
    answer_whole(&t, "first\r\n\r\n");
    pull(&t.r, t.s);
    assert_int_equal(t.s->released, t.token); /* it left whole, and nothing needs the file any more */
    for (unsigned i = 0; i < 3 * OFTEN; i++)
        (void)hf_file_fronted(&t.file, hf_text("again\r\n\r\n"));
    hf_file_close(&t.file);
    memset(t.bytes, 'x', SIZE);
    arrives(&t);
    end_front(&t);
}

static void a_slow_reader_gets_the_rest_when_it_reads(void **state)
{
    (void)state;
    front t;
    begin_front(&t, LARGE, 4096);
    for (unsigned i = 0; i < OFTEN; i++)
        (void)hf_file_fronted(&t.file, hf_text("head\r\n\r\n"));
    assert_true(hf_file_is_open(&t.file));
    answer_whole(&t, "head\r\n\r\n");
    pull(&t.r, t.s);
    assert_int_equal(t.s->released, 0);
    assert_true(t.s->pier.ops->unsent(t.s->pier.self, 0) > 0);
    for (unsigned i = 0; i < 3 * OFTEN; i++)
        (void)hf_file_fronted(&t.file, hf_text("meanwhile it is another\r\n\r\n"));
    arrives(&t);
    end_front(&t);
}

/* sendfile(2) would raise SIGPIPE when the peer has gone. */
static void where_a_signal_would_end_the_process_files_leave_as_memory(void **state)
{
    (void)state;
    front t;
    const struct linger now = { .l_onoff = 1 };
    begin_front(&t, SIZE, 0);
    (void)signal(SIGPIPE, SIG_DFL);
    for (unsigned i = 0; i < 2 * OFTEN; i++) {
        answer_whole(&t, "head\r\n\r\n");
        arrives(&t);
    }
    assert_false(hf_file_is_open(&t.file));
    assert_int_equal(shutdown(t.fd, SHUT_WR), 0);
    UNTIL(&t.r, t.s->ended);
    assert_int_equal(setsockopt(t.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(t.fd);
    t.fd = -1;
    t.s->ended = false; /* it is told twice: FIN, and what became of our answer */
    const hf_extent bare = { .kind = HF_EXTENT_FILE, .file = &t.file, .length = SIZE };
    for (unsigned i = 0; i < 3 && t.s->last != HF_FAULT; i++) {
        (void)put(t.s, &bare, 1);
        pull(&t.r, t.s);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    end_front(&t);
}

/* ---- which head is kept --------------------------------------------------------------------------------------- */

static void the_head_that_is_said_most_is_the_one_that_is_kept(void **state)
{
    (void)state;
    front t;
    const hf_bytes often = hf_text("often"), seldom = hf_text("seldom");
    char text[5 + SIZE], most[1000];
    memset(&t, 0, sizeof t);
    hf_test_world_init(&t.r.world, 42);
    make_file(&t, SIZE);
    int handle = -1;
    for (unsigned i = 0; i < 10 * OFTEN; i++) {
        handle = hf_file_fronted(&t.file, often);
        if (i % 3 == 0)
            assert_int_equal(hf_file_fronted(&t.file, seldom), -1);
    }
    assert_true(handle >= 0);
    assert_int_equal(pread(handle, text, sizeof text, 0), sizeof text);
    assert_memory_equal(text, "often", 5);
    assert_memory_equal(text + 5, t.bytes, SIZE);
    assert_int_equal(pwrite(handle, "x", 1, 0), -1); /* nobody can */
    assert_int_equal(ftruncate(handle, 1), -1);
    for (unsigned i = 0; i < 3 * OFTEN; i++) {
        assert_int_equal(hf_file_fronted(&t.file, hf_bytes_make("", 0)), -1);
        memset(most, 'm', sizeof most);
        assert_int_equal(hf_file_fronted(&t.file, hf_bytes_make(most, sizeof most)), -1); /* too long to be kept */
    }
    assert_int_equal(hf_file_fronted(&t.file, often), handle);
    hf_file_close(&t.file);
    free(t.bytes);
    hf_test_world_fini(&t.r.world);
}

static void out_of_descriptors_it_is_tried_again_later(void **state)
{
    (void)state;
    front t;
    struct rlimit before, none;
    memset(&t, 0, sizeof t);
    hf_test_world_init(&t.r.world, 42);
    make_file(&t, SIZE);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int handle = -1;
    for (unsigned i = 0; i < 3 * OFTEN && handle < 0; i++)
        handle = hf_file_fronted(&t.file, hf_text("head"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(handle, -1);
    for (unsigned i = 0; i < OFTEN; i++)
        handle = hf_file_fronted(&t.file, hf_text("head"));
    assert_true(handle >= 0);
    hf_file_close(&t.file);
    assert_int_equal(fcntl(handle, F_GETFD), -1);
    t.file = (hf_file){ .handle = -1, .size = SIZE, .fixed = t.bytes };
    t.r.world.memory.fail_at = t.r.world.memory.calls + 1;
    assert_false(hf_file_expect_fronts(&t.file, &t.r.world.env.alloc));
    assert_null(t.file.front);
    free(t.bytes);
    hf_test_world_fini(&t.r.world);
}

static const struct CMUnitTest front_tests[] = {
    cmocka_unit_test(a_head_that_is_said_often_leaves_with_the_file_in_one_piece),
    cmocka_unit_test(parts_of_the_file_and_last_answers_do_without),
    cmocka_unit_test(several_answers_in_one_put_come_one_after_the_other),
    cmocka_unit_test(what_is_under_way_stays_as_it_was_put),
    cmocka_unit_test(a_slow_reader_gets_the_rest_when_it_reads),
    cmocka_unit_test(where_a_signal_would_end_the_process_files_leave_as_memory),
    cmocka_unit_test(the_head_that_is_said_most_is_the_one_that_is_kept),
    cmocka_unit_test(out_of_descriptors_it_is_tried_again_later),
};

#ifndef HF_TEST_OTHER_LOOP
int main(void)
{
    return cmocka_run_group_tests(front_tests, NULL, NULL);
}
#endif
