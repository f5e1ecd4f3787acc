/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that is written while it is being sent ends the answer: what a peer got whole is one version. The kernel lends the
 * pages of a large file to the network, so the last bytes wait until nothing that was lent is unacknowledged, and who
 * waits for that costs next to nothing.
 */
#include "socket_rig.h"

#include <stdarg.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum { WHOLE = 12 << 20, LAST_PART = 64 * 1024 };

/* What the kernel is made to say that the peer has not acknowledged; 0: what it says itself. */
static int never_acknowledged;

/* In place of the C library's, for the socket under test as well. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    const int result = (int)syscall(SYS_ioctl, fd, request, argument);
    if (result == 0 && request == SIOCOUTQ && never_acknowledged > 0)
        *(int *)argument = never_acknowledged;
    return result;
}

/* A file of A, being sent to a client. */
typedef struct sending {
    rig r;
    temp_folder folder;
    int root, fd;
    hf_found found;
    side *s;
    uint8_t *got;
    size_t length;
} sending;

/* The letter, from `offset` to the end of the file. */
static void fill(const sending *t, char letter, size_t offset)
{
    char *bytes = malloc(WHOLE);
    const int out = open(temp_path(&t->folder, "f"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    memset(bytes, letter, WHOLE);
    assert_int_equal(pwrite(out, bytes, WHOLE - offset, (off_t)offset), WHOLE - offset);
    close(out);
    free(bytes);
}

static void send_file_to_client(sending *t)
{
    const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    memset(t, 0, sizeof *t);
    setup(&t->r);
    temp_make(&t->folder);
    fill(t, 'A', 0);
    /* So that a change shows even where the clock of the file system has not moved since. */
    assert_int_equal(utimensat(AT_FDCWD, temp_path(&t->folder, "f"), long_ago, 0), 0);
    assert_int_equal(hf_root_open(t->folder.path, &t->root).code, 0);
    assert_int_equal(hf_file_open_beneath(t->root, hf_text("f"), 0, &t->found).code, 0);
    t->fd = client_with(&t->r, 1 << 18);
    t->s = accepted(&t->r);
    t->got = malloc(WHOLE + 1);
    const hf_extent e = { .kind = HF_EXTENT_FILE, .file = &t->found.file, .length = WHOLE };
    assert_int_equal(put(t->s, &e, 1), WHOLE);
}

static void clean_up(sending *t)
{
    never_acknowledged = 0;
    close(t->fd);
    teardown(&t->r);
    hf_file_close(&t->found.file);
    hf_root_close(t->root);
    temp_remove(&t->folder);
    free(t->got);
}

static uint64_t unsent(const side *s)
{
    return s->pier.ops->unsent(s->pier.self, 0);
}

/* Reads until `most` bytes are here or the answer was ended. */
static void read_some(sending *t, size_t most)
{
    for (const int64_t until = clock_ns() + HF_SECONDS(20); t->length < most && !t->s->ended && clock_ns() < until;) {
        const ssize_t n = recv(t->fd, t->got + t->length, most - t->length, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return;
        t->length += n > 0 ? (size_t)n : 0;
        if (n < 0)
            turn(&t->r, 1);
    }
}

static void is_all_of_one_letter(const sending *t)
{
    assert_int_equal(t->length, WHOLE);
    for (size_t i = 0; i < WHOLE; i++)
        assert_int_equal(t->got[i], 'A');
}

static void is_cut_short(sending *t)
{
    read_some(t, WHOLE);
    assert_true(t->length < WHOLE);
    assert_true(t->s->ended);
    assert_int_equal(t->s->err, HF_ERR_IO_FILE_CHANGED);
}

static void a_file_that_nobody_writes_arrives_whole(void **state)
{
    (void)state;
    sending t;
    send_file_to_client(&t);
    read_some(&t, WHOLE);
    is_all_of_one_letter(&t);
    assert_false(t.s->ended);
    clean_up(&t);
}

/* Wherever in the answer the write comes: in what is lent, in what is read, and before the last part leaves. */
static void a_write_in_mid_answer_cuts_it_short(void **state)
{
    (void)state;
    const size_t moments[] = { 100, 3 << 20, WHOLE - (7 << 20), WHOLE - (1 << 20) };
    for (size_t i = 0; i < HF_COUNT(moments); i++) {
        sending t;
        send_file_to_client(&t);
        read_some(&t, moments[i]);
        if (unsent(t.s) > 0) {
            fill(&t, 'B', WHOLE / 2);
            is_cut_short(&t);
        } else { /* all of it had left, as copies */
            fill(&t, 'B', 0);
            read_some(&t, WHOLE);
            is_all_of_one_letter(&t);
        }
        clean_up(&t);
    }
}

/* Reads all but what waits, and asserts that something does. */
static void read_up_to_the_wait(sending *t)
{
    never_acknowledged = WHOLE;
    for (const int64_t until = clock_ns() + HF_SECONDS(20); t->length + unsent(t->s) < WHOLE || unsent(t->s) > LAST_PART;) {
        assert_true(clock_ns() < until);
        const ssize_t n = recv(t->fd, t->got + t->length, WHOLE - t->length, 0);
        t->length += n > 0 ? (size_t)n : 0;
        turn(&t->r, n > 0 ? 0 : 1);
    }
    assert_true(unsent(t->s) > 0);
}

static void the_last_part_waits_for_what_was_lent_and_the_loop_sleeps_meanwhile(void **state)
{
    (void)state;
    enum { TURNS = 40 };
    sending t;
    send_file_to_client(&t);
    read_up_to_the_wait(&t);
    const int64_t start = clock_ns();
    for (int i = 0; i < TURNS; i++)
        turn(&t.r, 10000);
    /* A loop that spins has its turns in less than a millisecond; a slow machine makes this longer, never shorter. */
    assert_true(clock_ns() - start > TURNS / 4 * HF_MILLISECONDS(5));
    assert_true(recv(t.fd, t.got + t.length, 1, 0) < 0);
    never_acknowledged = 0;
    read_some(&t, WHOLE);
    is_all_of_one_letter(&t);
    clean_up(&t);
}

static void a_write_during_the_wait_cuts_the_answer_short(void **state)
{
    (void)state;
    sending t;
    send_file_to_client(&t);
    read_up_to_the_wait(&t);
    fill(&t, 'B', 0);
    never_acknowledged = 0;
    is_cut_short(&t);
    clean_up(&t);
}

/* Two wait; the first is freed, and the other hears its peer at once, and goes on waiting. */
static void who_waits_is_heard_and_can_be_freed(void **state)
{
    (void)state;
    sending t;
    send_file_to_client(&t);
    read_up_to_the_wait(&t);
    const int fd = client_with(&t.r, 0);
    side *other = accepted(&t.r);
    const hf_extent e = { .kind = HF_EXTENT_FILE, .file = &t.found.file, .length = WHOLE };
    assert_int_equal(put(other, &e, 1), WHOLE);
    for (size_t got = 0; got + unsent(other) < WHOLE || unsent(other) > LAST_PART;) {
        const ssize_t n = recv(fd, t.got, WHOLE, 0);
        got += n > 0 ? (size_t)n : 0;
        turn(&t.r, n > 0 ? 0 : 1);
    }
    drop(t.s);
    say(fd, "hello");
    UNTIL(&t.r, other->got_length == 5);
    assert_true(unsent(other) > 0);
    never_acknowledged = 0;
    UNTIL(&t.r, unsent(other) == 0);
    close(fd);
    clean_up(&t);
}

static const struct CMUnitTest one_version_tests[] = {
    cmocka_unit_test(a_file_that_nobody_writes_arrives_whole),
    cmocka_unit_test(a_write_in_mid_answer_cuts_it_short),
    cmocka_unit_test(the_last_part_waits_for_what_was_lent_and_the_loop_sleeps_meanwhile),
    cmocka_unit_test(a_write_during_the_wait_cuts_the_answer_short),
    cmocka_unit_test(who_waits_is_heard_and_can_be_freed),
};

#ifndef HF_TEST_OTHER_LOOP
int main(void)
{
    return cmocka_run_group_tests(one_version_tests, NULL, NULL);
}
#endif
