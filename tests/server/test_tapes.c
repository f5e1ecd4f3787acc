/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of recorded connections: what is kept, what a process that falls leaves, what is read again.
 */
#include "tapes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/fake_pier.c"

#include "allocator.h"
#include "harness.h"
#include "log.h"
#include "random.h"

typedef struct rig {
    hf_test_world world;
    fake_pier pier;
    char folder[64];
    hf_tapes *tapes;
    hf_extent pieces[64];
    uint8_t scratch[65536];
    hf_out out;
} rig;

static rig r;

static void setup(bool all, bool secrets)
{
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    memset(&r, 0, sizeof r);
    hf_test_world_init(&r.world, 1);
    fake_pier_init(&r.pier);
    strcpy(r.folder, "/tmp/hf-tapes-XXXXXX");
    assert_non_null(mkdtemp(r.folder));
    r.out = (hf_out){ .pieces = r.pieces, .capacity = 64, .scratch = r.scratch, .scratch_capacity = sizeof r.scratch, .room = UINT64_MAX };
    r.tapes = hf_tapes_open(r.folder, all, secrets, &r.world.limits, &why);
    assert_non_null(r.tapes);
}

/* The name of the first file, and how many there are. */
static size_t look(char *name, size_t size)
{
    size_t n = 0;
    DIR *d = opendir(r.folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.' && n++ == 0)
            snprintf(name, size, "%s/%.100s", r.folder, e->d_name);
    closedir(d);
    return n;
}

static void teardown(void)
{
    char name[256];
    while (look(name, sizeof name) > 0)
        assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(r.folder), 0);
    hf_tapes_close(r.tapes);
    fake_pier_fini(&r.pier);
    hf_test_world_fini(&r.world);
}

static hf_web *serve(const char *said, hf_taped **taped)
{
    static const hf_web_options plain;
    hf_web_event event;
    const hf_time now = hf_time_make(HF_SECONDS(5));
    *taped = hf_taped_new(r.tapes, &r.world.env, 0xc0ffee, &plain, false);
    assert_non_null(*taped);
    hf_web *w = hf_web_new(hf_taped_env(*taped), 0xc0ffee, fake_pier_get(&r.pier), hf_taped_options(*taped), now);
    assert_non_null(w);
    fake_pier_say(&r.pier, hf_text(said));
    while (hf_web_step(w, now, &r.out, &event) == HF_EVENT)
        ;
    return w;
}

static void connect_and_end(const char *said)
{
    hf_taped *taped;
    hf_web_free(serve(said, &taped));
    hf_taped_end(taped, &r.out);
    fake_pier_fini(&r.pier);
    fake_pier_init(&r.pier);
}

/* The file plays to the trace that it names. */
static void assert_plays(const char *path, bool fell)
{
    static uint8_t bytes[1 << 16];
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    const ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    assert_true(n > 0);
    hf_taped_file f;
    hf_web_played played;
    assert_true(hf_taped_read(hf_bytes_make(bytes, (size_t)n), &f, &why));
    assert_int_equal(f.fell, fell);
    assert_int_equal(f.limits.header_fields, r.world.limits.header_fields);
    const hf_env env = { .alloc = *hf_allocator_default(), .random = r.world.env.random, .limits = &f.limits };
    hf_web_tape_play(f.tape, &env, &r.out, NULL, NULL, &played);
    assert_true(played.same);
    assert_true(played.hash == f.hash);
}

#define GOOD "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define WRONG "GET / HTTP/1.1\r\nHost a\r\n\r\n"

static void what_ends_badly_is_kept_and_with_all_also_the_rest(void **state)
{
    (void)state;
    char name[256];
    setup(false, false);
    connect_and_end(GOOD);
    assert_int_equal(look(name, sizeof name), 0);
    r.world.limits.header_fields = 77;
    connect_and_end(WRONG);
    assert_int_equal(look(name, sizeof name), 1);
    assert_non_null(strstr(name, "/cc0ffee-HF-HTTP1-"));
    assert_plays(name, false);
    connect_and_end(WRONG); /* of the same number: what is there is not overwritten */
    assert_int_equal(look(name, sizeof name), 1);
    teardown();
    setup(true, false);
    connect_and_end("");
    assert_int_equal(look(name, sizeof name), 0); /* nothing reached it */
    connect_and_end(GOOD);
    assert_int_equal(look(name, sizeof name), 1);
    assert_plays(name, false);
    teardown();
}

static void a_process_that_falls_leaves_the_connection_at_hand(void **state)
{
    (void)state;
    char path[256], name[256];
    int status;
    setup(false, false);
    assert_false(hf_tapes_left(r.folder, getpid(), path, sizeof path));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hf_taped *taped;
        (void)serve(GOOD "GET /half HTTP/1.1\r\nCookie: s3cret", &taped);
        hf_tapes_watch(r.tapes);
        hf_tapes_here(taped);
        raise(SIGSEGV);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_int_equal(look(name, sizeof name), 1);
    assert_true(hf_tapes_left(r.folder, child, path, sizeof path));
    assert_string_equal(path, name);
    assert_plays(path, true);
    teardown();
}

static void bytes_that_are_no_file_of_ours_are_told(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "handfast recording 1\n", HF_TAPED_FORMAT, HF_TAPED_FORMAT "\n", HF_TAPED_FORMAT "version 1\nnonsense\n\n",
        HF_TAPED_FORMAT "version 1\ntrace 0123456789abcdef0\n\n", HF_TAPED_FORMAT "version 1\nlimit none 5\n\n",
        HF_TAPED_FORMAT "version 1\nlimit http2_frame_bytes 5\nchecksum 0\nbytes 0\n\n", /* HTTP/2 has none like that */
        HF_TAPED_FORMAT "version 1\nlimit idle_ns -5\n\n", HF_TAPED_FORMAT "version 1\nchecksum 1\nbytes 3\n\nabc" };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        char text[256];
        hf_writer why = hf_writer_make(text, sizeof text);
        hf_taped_file f;
        assert_false(hf_taped_read(hf_text(wrong[i]), &f, &why));
        assert_true(why.length > 0);
    }
}

int main(void)
{
    hf_log_setup(HF_LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_badly_is_kept_and_with_all_also_the_rest),
        cmocka_unit_test(a_process_that_falls_leaves_the_connection_at_hand),
        cmocka_unit_test(bytes_that_are_no_file_of_ours_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
