/* SPDX-License-Identifier: Apache-2.0
 *
 * How connections begin and end, and answers from files that change under way.
 */
#include "socket_rig.h"

/* ---- endings ------------------------------------------------------------------------------------------------ */

static void the_peer_may_end_first_and_still_be_answered(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    say(fd, "question");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    UNTIL(&r, s->ended);
    assert_int_equal(s->ending, HF_ENDING_FIN);
    assert_int_equal(s->got_length, 8); /* all of it came before the end */
    assert_int_equal(s->last, HF_IDLE);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("answer") };
    assert_int_equal(put(s, &e, 1), 6);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    uint8_t got[64];
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, sizeof got, &length), 0);
    assert_int_equal(length, 6);
    pull(&r, s);
    assert_int_equal(s->last, HF_CLOSED);
    close(fd);
    teardown(&r);
}

static void we_may_end_first_and_still_receive(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    uint8_t got[64];
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, sizeof got, &length), 0);
    say(fd, "late");
    UNTIL(&r, s->got_length == 4);
    assert_int_equal(s->last, HF_IDLE);
    close(fd);
    UNTIL(&r, s->ended);
    assert_int_equal(s->ending, HF_ENDING_FIN);
    assert_int_equal(s->last, HF_CLOSED);
    pull(&r, s);
    assert_int_equal(s->last, HF_CLOSED);
    teardown(&r);
}

static void an_end_waits_for_what_was_put(void **state)
{
    (void)state;
    enum { ALL = 12 << 20 };
    rig r;
    setup(&r);
    const int fd = client_with(&r, 20000);
    side *s = accepted(&r);
    uint8_t *big = malloc(ALL), *got = malloc(ALL + 1);
    for (size_t i = 0; i < ALL; i++)
        big[i] = (uint8_t)(i >> 8);
    const hf_extent e[] = { { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(big, ALL / 2) },
        { .kind = HF_EXTENT_LENT, .token = 1, .bytes = hf_bytes_make(big + ALL / 2, ALL / 2) } };
    assert_int_equal(put(s, e, 2), ALL);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, ALL + 1, &length), 0);
    assert_int_equal(length, ALL);
    assert_memory_equal(got, big, ALL);
    UNTIL(&r, s->released == 1);
    free(big);
    free(got);
    close(fd);
    teardown(&r);
}

/* Segments that came: `tcpi_segs_in` of <linux/tcp.h>, which does not go with <netinet/tcp.h>. */
static uint32_t segments_in(int fd)
{
    enum { OFFSET = 140 };
    uint8_t info[256] = { 0 };
    socklen_t size = sizeof info;
    uint32_t n = 0;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size), 0);
    assert_true(size >= OFFSET + sizeof n);
    memcpy(&n, info + OFFSET, sizeof n);
    return n;
}

/* The segments in which last words and the end came. */
static uint32_t segments_of_last_words(void)
{
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    const uint32_t before = segments_in(fd);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("last words") };
    s->pier.ops->last(s->pier.self, 0);
    assert_int_equal(put(s, &e, 1), 10);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    uint8_t got[64];
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, sizeof got, &length), 0);
    assert_int_equal(length, 10);
    assert_memory_equal(got, "last words", 10);
    const uint32_t n = segments_in(fd) - before;
    close(fd);
    teardown(&r);
    return n;
}

/* Unless the machine stands still in between for longer than the kernel holds them back. */
static void last_words_and_the_end_are_one_segment(void **state)
{
    (void)state;
    bool once = false;
    for (int i = 0; i < 20 && !once; i++)
        once = segments_of_last_words() == 1;
    assert_true(once);
}

static void who_dozes_is_looked_at_after_a_moment(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    const int64_t before = clock_ns();
    turn(&r, 0);
    s->pier.ops->doze(s->pier.self, 0);
    turn(&r, 0); /* a ring is told so by the next wait */
    turn(&r, 0);
    say(fd, "late");
    close(fd);
    turn(&r, 0);
    turn(&r, 0);
    assert_true(!s->ended || clock_ns() - before >= HF_MILLISECONDS(5)); /* its turn comes with that of others */
    UNTIL(&r, s->ended);
    assert_int_equal(s->got_length, 4);
    assert_int_equal(s->last, HF_CLOSED);
    teardown(&r);
}

static void who_dozed_and_ends_much_later_wakes_us(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    s->pier.ops->doze(s->pier.self, 0);
    UNTIL(&r, s->ready > 0); /* the look */
    assert_false(s->ended);
    for (const int64_t until = clock_ns() + HF_MILLISECONDS(20); clock_ns() < until;)
        turn(&r, 5);
    say(fd, "late");
    UNTIL(&r, s->got_length == 4);
    close(fd);
    UNTIL(&r, s->ended);
    assert_int_equal(s->ending, HF_ENDING_FIN);
    assert_int_equal(s->last, HF_CLOSED);
    teardown(&r);
}

static void who_dozes_may_be_freed(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    assert_int_equal(end(s, HF_ENDING_FIN).code, 0);
    s->pier.ops->doze(s->pier.self, 0);
    drop(s);
    for (const int64_t until = clock_ns() + HF_MILLISECONDS(20); clock_ns() < until;)
        turn(&r, 5);
    close(fd);
    teardown(&r);
}

static void a_reset_is_at_once_and_the_peer_sees_it(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    assert_int_equal(end(s, HF_ENDING_STOP).code, HF_ERR_BASE_USAGE); /* TCP cannot say it */
    assert_int_equal(end(s, HF_ENDING_RESET).code, 0);
    pull(&r, s);
    assert_int_equal(s->last, HF_FAULT);
    assert_false(s->ended); /* who gave up needs not be told */
    drop(s);
    uint8_t got[8];
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, sizeof got, &length), ECONNRESET);
    close(fd);
    teardown(&r);
}

static void a_peer_that_resets_is_told_once_and_for_good(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    const struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    UNTIL(&r, s->ended);
    assert_int_equal(s->ending, HF_ENDING_RESET);
    assert_int_equal(s->err, HF_ERR_IO_RESET);
    assert_int_equal(s->last, HF_FAULT);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("x") };
    assert_int_equal(put(s, &e, 1), 0);
    pull(&r, s);
    assert_int_equal(s->last, HF_FAULT);
    teardown(&r);
}

static void a_peer_killed_while_we_send_ends_the_connection(void **state)
{
    (void)state;
    enum { ALL = 30 << 20 };
    rig r;
    setup(&r);
    const int fd = client_with(&r, 20000);
    side *s = accepted(&r);
    uint8_t *big = calloc(1, ALL), got[5000];
    const hf_extent e[] = { { .kind = HF_EXTENT_LENT, .token = 1, .bytes = hf_bytes_make(big, 100) },
        { .kind = HF_EXTENT_LENT, .token = 2, .bytes = hf_bytes_make(big, ALL) } };
    assert_int_equal(put(s, e, 2), ALL + 100);
    UNTIL(&r, recv(fd, got, sizeof got, 0) > 0);
    close(fd); /* with bytes unread: the kernel resets */
    UNTIL(&r, s->ended);
    assert_int_equal(s->ending, HF_ENDING_RESET);
    assert_int_equal(s->err, HF_ERR_IO_RESET);
    assert_int_equal(s->last, HF_FAULT);
    assert_int_equal(s->released, 1); /* the second never left: free lets go of it without a word */
    assert_int_equal(s->tokens[0], 1);
    drop(s);
    free(big);
    teardown(&r);
}

static void what_is_freed_unsent_ends_in_a_reset(void **state)
{
    (void)state;
    enum { ALL = 8 << 20 };
    rig r;
    setup(&r);
    const int fd = client_with(&r, 20000);
    side *s = accepted(&r);
    uint8_t *big = calloc(1, ALL), *got = malloc(ALL);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(big, ALL) };
    assert_int_equal(put(s, &e, 1), ALL);
    assert_true(s->pier.ops->unsent(s->pier.self, 0) > 0);
    drop(s);
    size_t length;
    assert_int_equal(read_to_end(&r, fd, got, ALL, &length), ECONNRESET);
    free(big);
    free(got);
    close(fd);
    teardown(&r);
}

/* ---- connecting --------------------------------------------------------------------------------------------- */

static void a_connection_opens_and_carries_bytes_both_ways(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    side *c = &r.sides[r.side_count++];
    c->takes = true;
    assert_int_equal(r.io->ops->connect(r.io, &r.at, c, &c->pier).code, 0);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("ping") };
    assert_int_equal(put(c, &e, 1), 0); /* not yet */
    UNTIL(&r, c->opened == 1 && r.side_count == 2);
    assert_int_equal(c->writable, 1);
    assert_int_equal(put(c, &e, 1), 4);
    side *s = &r.sides[1];
    UNTIL(&r, s->got_length == 4);
    assert_memory_equal(s->got, "ping", 4);
    assert_int_equal(put(s, &e, 1), 4);
    UNTIL(&r, c->got_length == 4);
    assert_int_equal(c->opened, 1);
    teardown(&r);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    r.io->ops->unlisten(r.io);
    side *c = &r.sides[r.side_count++];
    const hf_err err = r.io->ops->connect(r.io, &r.at, c, &c->pier);
    if (err.code != 0) { /* the kernel may know at once */
        assert_int_equal(err.code, HF_ERR_IO_REFUSED);
        r.side_count--;
    } else {
        UNTIL(&r, c->ended);
        assert_int_equal(c->opened, 0);
        assert_int_equal(c->err, HF_ERR_IO_REFUSED);
        assert_int_equal(c->last, HF_FAULT);
    }
    teardown(&r);
}

static void an_end_before_the_opening_is_kept(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    side *c = &r.sides[r.side_count++];
    assert_int_equal(r.io->ops->connect(r.io, &r.at, c, &c->pier).code, 0);
    assert_int_equal(end(c, HF_ENDING_FIN).code, 0);
    UNTIL(&r, c->opened == 1 && r.side_count == 2 && r.sides[1].ended);
    assert_int_equal(r.sides[1].ending, HF_ENDING_FIN);
    teardown(&r);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

typedef struct answer {
    temp_folder folder;
    int root;
    hf_found found;
    rig r;
    int fd;
    side *s;
} answer;

enum { ANSWER_BYTES = 16 << 20 };

/* An answer from a file that is under way and stuck at a client that reads nothing. */
static void begin_answer(answer *a)
{
    temp_make(&a->folder);
    const int out = open(temp_path(&a->folder, "f"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(out, ANSWER_BYTES), 0);
    close(out);
    assert_int_equal(hf_root_open(a->folder.path, &a->root).code, 0);
    assert_int_equal(hf_file_open_beneath(a->root, hf_text("f"), 0, &a->found).code, 0);
    setup(&a->r);
    a->fd = client_with(&a->r, 20000);
    a->s = accepted(&a->r);
    const hf_extent e = { .kind = HF_EXTENT_FILE, .token = 1, .file = &a->found.file, .length = ANSWER_BYTES };
    assert_int_equal(put(a->s, &e, 1), ANSWER_BYTES);
    assert_true(a->s->pier.ops->unsent(a->s->pier.self, 0) > 0);
}

static void ends_as_changed(answer *a)
{
    uint8_t *got = malloc(ANSWER_BYTES + 1);
    size_t length = 0;
    int why = -1;
    for (const int64_t until = clock_ns() + HF_SECONDS(20); why < 0 && clock_ns() < until;) {
        const ssize_t n = recv(a->fd, got, ANSWER_BYTES, 0);
        if (n > 0)
            length += (size_t)n;
        else if (n == 0 || errno != EAGAIN)
            why = n == 0 ? 0 : errno;
        turn(&a->r, n > 0 ? 0 : 1);
        if (a->s->ended)
            drop(a->s);
    }
    assert_true(a->s->ended);
    assert_int_equal(a->s->err, HF_ERR_IO_FILE_CHANGED);
    assert_int_equal(a->s->released, 0);
    assert_int_equal(why, ECONNRESET); /* nobody can take this for an end */
    assert_true(length < ANSWER_BYTES);
    free(got);
    close(a->fd);
    teardown(&a->r);
    hf_file_close(&a->found.file);
    hf_root_close(a->root);
    temp_remove(&a->folder);
}

static void a_file_that_shrinks_in_mid_answer_breaks_it(void **state)
{
    (void)state;
    static answer a;
    begin_answer(&a);
    assert_int_equal(truncate(temp_path(&a.folder, "f"), ANSWER_BYTES / 2), 0);
    ends_as_changed(&a);
}

static void a_file_that_is_written_in_mid_answer_breaks_it(void **state)
{
    (void)state;
    static answer a;
    begin_answer(&a);
    const int out = open(temp_path(&a.folder, "f"), O_WRONLY);
    assert_int_equal(pwrite(out, "x", 1, ANSWER_BYTES - 1), 1);
    close(out);
    ends_as_changed(&a);
}

static void a_small_file_that_changed_before_it_is_sent_breaks_the_answer(void **state)
{
    (void)state;
    rig r;
    temp_folder folder;
    int root;
    hf_found found;
    setup(&r);
    temp_make(&folder);
    temp_write(&folder, "f", "the first version");
    assert_int_equal(hf_root_open(folder.path, &root).code, 0);
    assert_int_equal(hf_file_open_beneath(root, hf_text("f"), 0, &found).code, 0);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    const int out = open(temp_path(&folder, "f"), O_WRONLY);
    assert_int_equal(ftruncate(out, 5), 0);
    close(out);
    const hf_extent e = { .kind = HF_EXTENT_FILE, .file = &found.file, .length = found.file.size };
    assert_int_equal(put(s, &e, 1), found.file.size);
    pull(&r, s);
    assert_true(s->ended);
    assert_int_equal(s->err, HF_ERR_IO_FILE_CHANGED);
    hf_file_close(&found.file);
    hf_root_close(root);
    close(fd);
    teardown(&r);
    temp_remove(&folder);
}

static const struct CMUnitTest endings_tests[] = {
    cmocka_unit_test(the_peer_may_end_first_and_still_be_answered),
    cmocka_unit_test(we_may_end_first_and_still_receive),
    cmocka_unit_test(an_end_waits_for_what_was_put),
    cmocka_unit_test(last_words_and_the_end_are_one_segment),
    cmocka_unit_test(who_dozes_is_looked_at_after_a_moment),
    cmocka_unit_test(who_dozed_and_ends_much_later_wakes_us),
    cmocka_unit_test(who_dozes_may_be_freed),
    cmocka_unit_test(a_reset_is_at_once_and_the_peer_sees_it),
    cmocka_unit_test(a_peer_that_resets_is_told_once_and_for_good),
    cmocka_unit_test(a_peer_killed_while_we_send_ends_the_connection),
    cmocka_unit_test(what_is_freed_unsent_ends_in_a_reset),
    cmocka_unit_test(a_connection_opens_and_carries_bytes_both_ways),
    cmocka_unit_test(a_refused_connection_says_so),
    cmocka_unit_test(an_end_before_the_opening_is_kept),
    cmocka_unit_test(a_file_that_shrinks_in_mid_answer_breaks_it),
    cmocka_unit_test(a_file_that_is_written_in_mid_answer_breaks_it),
    cmocka_unit_test(a_small_file_that_changed_before_it_is_sent_breaks_the_answer),
};

#ifndef HF_TEST_OTHER_LOOP
int main(void)
{
    return cmocka_run_group_tests(endings_tests, NULL, NULL);
}
#endif
