/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket on real loopback TCP, against a raw client: what is put arrives exact, once, in order.
 */
#include "socket_rig.h"

/* ---- input -------------------------------------------------------------------------------------------------- */

static void bytes_are_lent_until_they_are_taken_in_any_parts(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    s->takes = false;
    say(fd, "hello world");
    UNTIL(&r, s->readable == 1);
    hf_span held = s->pier.ops->peek(s->pier.self, 0);
    assert_true(hf_bytes_equal(hf_bytes_make(held.ptr, held.len), hf_text("hello world")));
    s->pier.ops->take(s->pier.self, 0, 5);
    held = s->pier.ops->peek(s->pier.self, 0);
    assert_true(hf_bytes_equal(hf_bytes_make(held.ptr, held.len), hf_text(" world")));
    say(fd, " again");
    UNTIL(&r, s->readable == 2);
    held = s->pier.ops->peek(s->pier.self, 0);
    assert_true(hf_bytes_equal(hf_bytes_make(held.ptr, held.len), hf_text(" world again")));
    s->pier.ops->take(s->pier.self, 0, held.len);
    assert_int_equal(s->pier.ops->peek(s->pier.self, 0).len, 0);
    close(fd);
    teardown(&r);
}

static void unread_bytes_go_home_when_another_socket_receives(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int a = client_with(&r, 0);
    side *sa = accepted(&r);
    const int b = client_with(&r, 0);
    side *sb = accepted(&r);
    sa->takes = sb->takes = false;
    const size_t idle = r.world.memory.held;
    for (int round = 0; round < 3; round++) {
        sa->readable = sb->readable = 0;
        say(a, "from a");
        UNTIL(&r, sa->readable == 1);
        sa->pier.ops->take(sa->pier.self, 0, 2);
        say(b, "from b");
        UNTIL(&r, sb->readable == 1);
        hf_span held = sa->pier.ops->peek(sa->pier.self, 0);
        assert_true(hf_bytes_equal(hf_bytes_make(held.ptr, held.len), hf_text("om a")));
        sa->pier.ops->take(sa->pier.self, 0, held.len);
        held = sb->pier.ops->peek(sb->pier.self, 0);
        assert_true(hf_bytes_equal(hf_bytes_make(held.ptr, held.len), hf_text("from b")));
        sb->pier.ops->take(sb->pier.self, 0, held.len);
        pull(&r, sa);
        pull(&r, sb);
        assert_int_equal(r.world.memory.held, idle); /* an idle connection holds no buffer */
    }
    close(a);
    close(b);
    teardown(&r);
}

static void a_socket_whose_bytes_find_no_home_fails_and_is_told_so(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int a = client_with(&r, 0);
    side *sa = accepted(&r);
    const int b = client_with(&r, 0);
    side *sb = accepted(&r);
    sa->takes = false;
    say(a, "lost");
    UNTIL(&r, sa->readable == 1);
    r.world.memory.fail_at = r.world.memory.calls + 1;
    say(b, "from b");
    UNTIL(&r, sb->got_length == 6);
    UNTIL(&r, sa->ended); /* though its peer said nothing more */
    assert_int_equal(sa->ending, HF_ENDING_RESET);
    assert_int_equal(sa->err, HF_ERR_BASE_MEMORY);
    assert_false(sb->ended);
    close(a);
    close(b);
    teardown(&r);
}

/* Bytes without end, of which each turn takes some; returns how many were held at most. */
static size_t take_in_parts(rig *r, size_t all, size_t limit)
{
    r->world.limits.input_bytes = limit;
    const int fd = client_with(r, 0);
    side *s = accepted(r);
    s->takes = false;
    uint8_t *pattern = malloc(all);
    for (size_t i = 0; i < all; i++)
        pattern[i] = (uint8_t)(i * 31 + i / 256);
    size_t sent = 0, got = 0, most = 0;
    for (const int64_t until = clock_ns() + HF_SECONDS(20); got < all && clock_ns() < until;) {
        const ssize_t n = sent < all ? send(fd, pattern + sent, all - sent, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        sent += n > 0 ? (size_t)n : 0;
        turn(r, 1);
        hf_span held = s->pier.ops->peek(s->pier.self, 0);
        most = held.len > most ? held.len : most;
        assert_true(held.len <= limit);
        assert_memory_equal(held.ptr, pattern + got, held.len);
        const size_t some = held.len > 1 ? (size_t)hf_random_below(&r->world.random, held.len) : held.len;
        s->pier.ops->take(s->pier.self, 0, some);
        got += some;
        pull(r, s);
    }
    assert_int_equal(got, all);
    free(pattern);
    close(fd);
    return most;
}

static void limit_input_bytes(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    assert_int_equal(take_in_parts(&r, 300000, 5000), 5000); /* it was reached */
    teardown(&r);
}

/* What was left stays in the loop's buffer, and more comes behind it, or behind it at the front; or it goes home. */
static void bytes_that_are_left_are_followed_by_the_next(void **state)
{
    (void)state;
    for (size_t limit = 20000; limit <= 200000; limit += 60000) {
        rig r;
        setup(&r);
        (void)take_in_parts(&r, 3000000, limit);
        teardown(&r);
    }
}

static void a_full_socket_receives_no_more_and_does_not_spin(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    r.world.limits.input_bytes = 1000;
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    s->takes = false;
    char bytes[4000];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
    UNTIL(&r, s->pier.ops->peek(s->pier.self, 0).len == 1000);
    turn(&r, 50); /* whatever is still on its way */
    const size_t before = s->ready;
    const int64_t began = clock_ns();
    turn(&r, 100);
    assert_int_equal(s->ready, before);
    assert_true(clock_ns() - began >= HF_MILLISECONDS(99));
    close(fd);
    teardown(&r);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

/* Scribbles over what was lent as soon as it is given back: had it not left, the client would see it. */
typedef struct lent {
    uint8_t *bytes[TOKENS];
    size_t length[TOKENS];
} lent;

static void scribble(void *context, uint64_t token)
{
    lent *l = context;
    if (l->bytes[token] == NULL)
        return;
    memset(l->bytes[token], '#', l->length[token]);
    free(l->bytes[token]);
    l->bytes[token] = NULL;
}

typedef struct stream {
    rig *r;
    side *s;
    lent l;
    hf_file file;
    uint8_t *file_bytes;
    uint8_t *wanted;
    size_t wanted_length, read_length;
    uint64_t next_token;
} stream;

enum { FILE_BYTES = 3 << 20, STREAM_BYTES = 48 << 20, PUT_MOST = 12 };

/* One put of random extents, or nothing when the socket is not ready for it. */
static void put_some(stream *t)
{
    hf_random *random = &t->r->world.random;
    hf_extent e[PUT_MOST] = { 0 };
    const size_t count = 1 + (size_t)hf_random_below(random, PUT_MOST);
    uint8_t copied[PUT_MOST][3000];
    uint64_t total = 0;
    if (t->s->pier.ops->unsent(t->s->pier.self, 0) > 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const size_t length = (size_t)hf_random_below(random, hf_random_chance(random, 100000) ? 1 << 20 : 3000);
        e[i].token = hf_random_chance(random, 500000) ? t->next_token++ : 0;
        e[i].kind = (hf_extent_kind)hf_random_below(random, 3);
        uint8_t *to = t->wanted + t->wanted_length;
        if (e[i].kind == HF_EXTENT_FILE) {
            e[i].file = &t->file;
            e[i].offset = hf_random_below(random, FILE_BYTES - length);
            e[i].length = length;
            memcpy(to, t->file_bytes + e[i].offset, length);
            t->wanted_length += length;
            total += length;
            continue;
        }
        const size_t n = e[i].kind == HF_EXTENT_COPIED && length > 3000 ? 3000 : length;
        for (size_t k = 0; k < n; k++)
            to[k] = (uint8_t)(t->wanted_length + k * 7);
        if (e[i].kind == HF_EXTENT_COPIED) {
            memcpy(copied[i], to, n);
            e[i].bytes = hf_bytes_make(copied[i], n);
        } else {
            if (e[i].token == 0)
                e[i].token = t->next_token++;
            uint8_t *own = malloc(n + 1);
            memcpy(own, to, n);
            t->l.bytes[e[i].token] = own;
            t->l.length[e[i].token] = n;
            e[i].bytes = hf_bytes_make(own, n);
        }
        t->wanted_length += n;
        total += n;
    }
    assert_int_equal(put(t->s, e, count), total);
    memset(copied, '#', sizeof copied);
    pull(t->r, t->s);
}

static void extents_of_every_kind_arrive_exact_at_a_slow_reader(void **state)
{
    (void)state;
    rig r;
    temp_folder folder;
    static stream t;
    setup(&r);
    temp_make(&folder);
    memset(&t, 0, sizeof t);
    t.r = &r;
    t.next_token = 1;
    t.wanted = malloc(STREAM_BYTES);
    t.file_bytes = malloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        t.file_bytes[i] = (uint8_t)hf_random_next(&r.world.random);
    const int out = open(temp_path(&folder, "f"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(out, t.file_bytes, FILE_BYTES), FILE_BYTES);
    close(out);
    int root;
    hf_found found;
    assert_int_equal(hf_root_open(folder.path, &root).code, 0);
    assert_int_equal(hf_file_open_beneath(root, hf_text("f"), 0, &found).code, 0);
    t.file = found.file;
    const int fd = client_with(&r, 20000);
    t.s = accepted(&r);
    t.s->on_release = scribble;
    t.s->context = &t.l;
    uint8_t *block = malloc(1 << 20);
    const int64_t deadline = clock_ns() + HF_SECONDS(40);
    size_t puts = 0;
    bool fin = false;
    while (!fin && clock_ns() < deadline) {
        if (puts < 400 && t.wanted_length < STREAM_BYTES - (16 << 20)) {
            const size_t before = t.wanted_length;
            put_some(&t);
            puts += t.wanted_length != before;
        } else if (t.s->pier.ops->unsent(t.s->pier.self, 0) == 0 && puts != SIZE_MAX / 2) {
            puts = SIZE_MAX / 2;
            assert_int_equal(end(t.s, HF_ENDING_FIN).code, 0);
        }
        turn(&r, 0);
        const ssize_t n = recv(fd, block, 1 + (size_t)hf_random_below(&r.world.random, 1 << 19), 0);
        fin = n == 0;
        if (n <= 0)
            continue;
        assert_true(t.read_length + (size_t)n <= t.wanted_length);
        assert_memory_equal(block, t.wanted + t.read_length, (size_t)n);
        t.read_length += (size_t)n;
    }
    assert_true(fin);
    assert_int_equal(t.read_length, t.wanted_length);
    assert_true(t.wanted_length > 4 << 20);
    assert_int_equal(t.s->released, t.next_token - 1);
    for (size_t i = 0; i < t.s->released; i++)
        assert_int_equal(t.s->tokens[i], i + 1); /* in order, each once */
    assert_false(t.s->ended);
    hf_file_close(&found.file);
    hf_root_close(root);
    free(block);
    free(t.wanted);
    free(t.file_bytes);
    close(fd);
    teardown(&r);
    temp_remove(&folder);
}

static void put_takes_nothing_while_bytes_are_unsent_and_says_when_it_does_again(void **state)
{
    (void)state;
    enum { ALL = 20 << 20 };
    rig r;
    setup(&r);
    const int fd = client_with(&r, 20000);
    side *s = accepted(&r);
    uint8_t *big = calloc(1, ALL), *got = malloc(ALL + 100);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .token = 7, .bytes = hf_bytes_make(big, ALL) };
    const hf_extent more = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("more") };
    assert_int_equal(put(s, &e, 1), ALL);
    assert_true(s->pier.ops->unsent(s->pier.self, 0) > 0);
    assert_int_equal(put(s, &more, 1), 0);
    pull(&r, s);
    assert_int_equal(s->writable, 0);
    assert_int_equal(s->released, 0);
    size_t length = 0;
    while (length < ALL) {
        const ssize_t n = recv(fd, got + length, ALL - length, 0);
        length += n > 0 ? (size_t)n : 0;
        turn(&r, n > 0 ? 0 : 5);
    }
    UNTIL(&r, s->writable == 1);
    assert_int_equal(s->released, 1);
    assert_int_equal(s->tokens[0], 7);
    assert_int_equal(put(s, &more, 1), 4);
    turn(&r, 20);
    assert_int_equal(recv(fd, got, 100, 0), 4);
    assert_int_equal(s->writable, 1);
    free(big);
    free(got);
    close(fd);
    teardown(&r);
}

/* A peer that reads slowly must be seen to read: the kernel may not swallow megabytes and then be silent. */
static void a_slow_reader_shows_progress_in_small_steps(void **state)
{
    (void)state;
    enum { ALL = 32 << 20, STEP = 512 << 10 };
    rig r;
    setup(&r);
    const int fd = client_with(&r, 20000);
    side *s = accepted(&r);
    uint8_t *big = calloc(1, ALL), *block = malloc(STEP);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(big, ALL) };
    assert_int_equal(put(s, &e, 1), ALL);
    turn(&r, 50);
    for (int i = 0; i < 8; i++) {
        const uint64_t before = s->pier.ops->untaken(s->pier.self, 0);
        for (size_t got = 0; got < STEP;) {
            const ssize_t n = recv(fd, block, STEP - got, 0);
            got += n > 0 ? (size_t)n : 0;
            turn(&r, n > 0 ? 0 : 1);
        }
        UNTIL(&r, s->pier.ops->untaken(s->pier.self, 0) < before);
    }
    free(big);
    free(block);
    close(fd);
    teardown(&r);
}

static const struct CMUnitTest socket_tests[] = {
    cmocka_unit_test(bytes_are_lent_until_they_are_taken_in_any_parts),
    cmocka_unit_test(unread_bytes_go_home_when_another_socket_receives),
    cmocka_unit_test(a_socket_whose_bytes_find_no_home_fails_and_is_told_so),
    cmocka_unit_test(limit_input_bytes),
    cmocka_unit_test(bytes_that_are_left_are_followed_by_the_next),
    cmocka_unit_test(a_full_socket_receives_no_more_and_does_not_spin),
    cmocka_unit_test(extents_of_every_kind_arrive_exact_at_a_slow_reader),
    cmocka_unit_test(put_takes_nothing_while_bytes_are_unsent_and_says_when_it_does_again),
    cmocka_unit_test(a_slow_reader_shows_progress_in_small_steps),
};

#ifndef HF_TEST_OTHER_LOOP
int main(void)
{
    return cmocka_run_group_tests(socket_tests, NULL, NULL);
}
#endif
