/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening beneath a root: everything is asked twice, of the kernel's openat2 and of the walk that stands in for it.
 */
#include "file.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "temp_folder.h"

typedef struct place {
    temp_folder all; /* holds "root", and "outside" beside it */
    int root;
} place;

static const unsigned ways[] = { 0, HF_FILE_WALK };

static void setup(place *p)
{
    temp_make(&p->all);
    temp_dir(&p->all, "root");
    temp_dir(&p->all, "root/sub");
    temp_dir(&p->all, "root/sub/deep");
    temp_dir(&p->all, "outside");
    temp_write(&p->all, "outside/f", "outside");
    temp_write(&p->all, "root/f", "inside");
    temp_write(&p->all, "root/sub/f", "sub");
    temp_write(&p->all, "root/sub/deep/f", "deep");
    assert_int_equal(hf_root_open(temp_path(&p->all, "root"), &p->root).code, 0);
}

static void teardown(place *p)
{
    hf_root_close(p->root);
    temp_remove(&p->all);
}

static int open_code(place *p, const char *path, unsigned flags)
{
    hf_found found;
    const hf_err err = hf_file_open_beneath(p->root, hf_text(path), flags, &found);
    hf_file_close(&found.file);
    return err.code;
}

/* Asserts that `path` opens as a file with this text. */
static void holds(place *p, const char *path, unsigned flags, const char *text)
{
    hf_found found;
    char buffer[64] = "";
    size_t got;
    assert_int_equal(hf_file_open_beneath(p->root, hf_text(path), flags, &found).code, 0);
    assert_false(found.directory);
    assert_int_equal(found.file.size, strlen(text));
    assert_int_equal(hf_file_read(&found.file, 0, buffer, sizeof buffer, &got).code, 0);
    assert_int_equal(got, strlen(text));
    assert_memory_equal(buffer, text, got);
    hf_file_close(&found.file);
    assert_int_equal(found.file.handle, -1);
}

static void files_and_folders_beneath_the_root_open(void **state)
{
    (void)state;
    place p;
    setup(&p);
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        hf_found found;
        holds(&p, "f", ways[i], "inside");
        holds(&p, "sub/f", ways[i], "sub");
        holds(&p, "sub/deep/f", ways[i] | HF_FILE_FOLLOW, "deep");
        assert_int_equal(hf_file_open_beneath(p.root, hf_text("sub"), ways[i], &found).code, 0);
        assert_true(found.directory);
        hf_file_close(&found.file);
        assert_int_equal(hf_file_open_beneath(p.root, hf_text(""), ways[i], &found).code, 0);
        assert_true(found.directory);
        hf_file_close(&found.file);
    }
    teardown(&p);
}

static void no_path_climbs_out(void **state)
{
    (void)state;
    place p;
    setup(&p);
    static const char *const paths[] = { "..", "../outside/f", "sub/../../outside/f", "/etc/passwd", "./f", "sub/./f", "sub//f",
                                         "sub/", "/", "sub/..", "f/", "f/x", "none", "none/f" };
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        for (size_t j = 0; j < HF_COUNT(paths); j++) {
            assert_int_equal(open_code(&p, paths[j], ways[i]), HF_ERR_HTTP_NOT_FOUND);
            assert_int_equal(open_code(&p, paths[j], ways[i] | HF_FILE_FOLLOW), HF_ERR_HTTP_NOT_FOUND);
        }
        hf_found found;
        assert_int_equal(hf_file_open_beneath(p.root, hf_bytes_make("f\0x", 3), ways[i], &found).code, HF_ERR_HTTP_NOT_FOUND);
        assert_int_equal(found.file.handle, -1);
    }
    teardown(&p);
}

static void links_are_refused_unless_followed(void **state)
{
    (void)state;
    place p;
    setup(&p);
    temp_link(&p.all, "f", "root/to-file");
    temp_link(&p.all, "sub", "root/to-folder");
    temp_link(&p.all, "../../f", "root/sub/deep/up");
    temp_link(&p.all, "deep/../deep/./up", "root/sub/chain");
    temp_link(&p.all, "deep/..", "root/sub/back");
    temp_link(&p.all, "sub/deep/", "root/slashed");
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        const unsigned follow = ways[i] | HF_FILE_FOLLOW;
        assert_int_equal(open_code(&p, "to-file", ways[i]), HF_ERR_HTTP_NOT_FOUND);
        assert_int_equal(open_code(&p, "to-folder/f", ways[i]), HF_ERR_HTTP_NOT_FOUND);
        holds(&p, "to-file", follow, "inside");
        holds(&p, "to-folder/f", follow, "sub");
        holds(&p, "sub/deep/up", follow, "inside");
        holds(&p, "sub/chain", follow, "inside");
        holds(&p, "sub/back/f", follow, "sub");
        holds(&p, "slashed/f", follow, "deep");
        hf_found a, b;
        assert_int_equal(hf_file_look(p.root, hf_text("to-file"), ways[i], &a).code, HF_ERR_HTTP_NOT_FOUND);
        assert_int_equal(hf_file_look(p.root, hf_text("to-file"), follow, &a).code, 0);
        assert_int_equal(hf_file_look(p.root, hf_text("f"), ways[i], &b).code, 0);
        assert_true(hf_found_same(&a, &b));
        assert_int_equal(hf_file_look(p.root, hf_text("sub/back"), follow, &a).code, 0);
        assert_true(a.directory);
    }
    teardown(&p);
}

static void links_that_leave_or_go_in_circles_are_not_there(void **state)
{
    (void)state;
    place p;
    setup(&p);
    temp_link(&p.all, "../outside/f", "root/out");
    temp_link(&p.all, "../outside", "root/out-folder");
    temp_link(&p.all, "../root/f", "root/out-and-in");
    temp_link(&p.all, "..", "root/up");
    temp_link(&p.all, "../../..", "root/sub/up");
    temp_link(&p.all, "/etc/passwd", "root/absolute");
    temp_link(&p.all, temp_path(&p.all, "root/f"), "root/absolute-inside");
    temp_link(&p.all, "/f", "root/absolute-like-a-path-of-ours");
    temp_link(&p.all, "circle-b", "root/circle-a");
    temp_link(&p.all, "circle-a", "root/circle-b");
    temp_link(&p.all, "nowhere", "root/dangling");
    static const char *const paths[] = { "out", "out-folder/f", "out-and-in", "up", "sub/up", "up/outside/f", "absolute",
                                         "absolute-inside", "absolute-like-a-path-of-ours", "circle-a", "circle-a/f", "dangling" };
    for (size_t i = 0; i < HF_COUNT(ways); i++)
        for (size_t j = 0; j < HF_COUNT(paths); j++) {
            assert_int_equal(open_code(&p, paths[j], ways[i]), HF_ERR_HTTP_NOT_FOUND);
            assert_int_equal(open_code(&p, paths[j], ways[i] | HF_FILE_FOLLOW), HF_ERR_HTTP_NOT_FOUND);
        }
    teardown(&p);
}

static void what_is_no_file_is_not_there_and_never_waits(void **state)
{
    (void)state;
    place p;
    setup(&p);
    assert_int_equal(mkfifo(temp_path(&p.all, "root/fifo"), 0644), 0);
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        hf_found found;
        assert_int_equal(open_code(&p, "fifo", ways[i]), HF_ERR_HTTP_NOT_FOUND);
        assert_int_equal(open_code(&p, "fifo/f", ways[i]), HF_ERR_HTTP_NOT_FOUND);
        assert_int_equal(hf_file_look(p.root, hf_text("fifo"), ways[i], &found).code, HF_ERR_HTTP_NOT_FOUND);
        int dev;
        assert_int_equal(hf_root_open("/dev", &dev).code, 0);
        assert_int_equal(hf_file_open_beneath(dev, hf_text("null"), ways[i], &found).code, HF_ERR_HTTP_NOT_FOUND);
        hf_root_close(dev);
    }
    teardown(&p);
}

static void missing_permission_is_forbidden(void **state)
{
    (void)state;
    place p;
    setup(&p);
    assert_int_equal(chmod(temp_path(&p.all, "root/f"), 0), 0);
    assert_int_equal(chmod(temp_path(&p.all, "root/sub/deep"), 0), 0);
    temp_be_nobody();
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        assert_int_equal(open_code(&p, "f", ways[i]), HF_ERR_HTTP_FORBIDDEN);
        assert_int_equal(open_code(&p, "sub/deep/f", ways[i]), HF_ERR_HTTP_FORBIDDEN);
    }
    temp_be_oneself();
    assert_int_equal(chmod(temp_path(&p.all, "root/sub/deep"), 0755), 0);
    teardown(&p);
}

typedef struct swapper {
    const char *a, *b;
    atomic_bool stop;
    atomic_uint swaps;
    atomic_bool failed;
} swapper;

static void *swap(void *ctx)
{
    swapper *s = ctx;
    while (!atomic_load(&s->stop)) {
        if (syscall(SYS_renameat2, AT_FDCWD, s->a, AT_FDCWD, s->b, 2 /* RENAME_EXCHANGE */) != 0) {
            atomic_store(&s->failed, true);
            break;
        }
        atomic_fetch_add(&s->swaps, 1);
    }
    return NULL;
}

/* A folder and a link that leads out change places all the time; what is read is never from outside. */
static void race(unsigned flags, const char *link_target)
{
    place p;
    setup(&p);
    temp_link(&p.all, link_target, "root/link");
    swapper s = { .a = strdup(temp_path(&p.all, "root/sub")), .b = strdup(temp_path(&p.all, "root/link")) };
    pthread_t thread;
    unsigned opened = 0;
    assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
    while (atomic_load(&s.swaps) == 0 && !atomic_load(&s.failed))
        sched_yield();
    /* on a busy machine thousands of opens may fit between two swaps, all of them while the link stands there */
    for (unsigned i = 0; i < 3000 || (opened == 0 && i < 3000000); i++) {
        if (i % 100 == 99)
            sched_yield();
        hf_found found;
        char text[16];
        size_t got;
        const hf_err err = hf_file_open_beneath(p.root, hf_text("sub/f"), flags, &found);
        if (err.code != 0) {
            assert_int_equal(err.code, HF_ERR_HTTP_NOT_FOUND);
            continue;
        }
        assert_int_equal(hf_file_read(&found.file, 0, text, sizeof text, &got).code, 0);
        hf_file_close(&found.file);
        assert_int_equal(got, 3);
        assert_memory_equal(text, "sub", 3);
        opened++;
    }
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    free((void *)(uintptr_t)s.a);
    free((void *)(uintptr_t)s.b);
    teardown(&p);
    hf_test_needs("renameat2", !s.failed);
    assert_true(opened > 0);
}

static void no_race_with_a_link_leads_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        race(ways[i], "../outside");
        race(ways[i] | HF_FILE_FOLLOW, "../outside");
    }
}

static void odd_names_are_only_names(void **state)
{
    (void)state;
    place p;
    setup(&p);
    static const char *const names[] = { "a b", "100%", "\xc3\xa9t\xc3\xa9", "\"'", "<script>", "...", "..f", "\xff\xfe", "-n", "a\nb" };
    for (size_t j = 0; j < HF_COUNT(names); j++) {
        char name[64];
        snprintf(name, sizeof name, "root/%s", names[j]);
        temp_write(&p.all, name, names[j]);
        for (size_t i = 0; i < HF_COUNT(ways); i++)
            holds(&p, names[j], ways[i], names[j]);
    }
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[255] = 0;
    char name[320];
    snprintf(name, sizeof name, "root/%s", longest);
    temp_write(&p.all, name, "long");
    longest[255] = 'x';
    longest[256] = 0;
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        assert_int_equal(open_code(&p, longest, ways[i]), HF_ERR_HTTP_NOT_FOUND);
        longest[255] = 0;
        holds(&p, longest, ways[i], "long");
        longest[255] = 'x';
    }
    teardown(&p);
}

static void a_path_longer_than_any_is_not_there(void **state)
{
    (void)state;
    place p;
    setup(&p);
    static char path[9000];
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 2 ? '/' : 'a';
    for (size_t i = 0; i < HF_COUNT(ways); i++)
        assert_int_equal(open_code(&p, path, ways[i]), HF_ERR_HTTP_NOT_FOUND);
    teardown(&p);
}

static void a_change_is_noticed(void **state)
{
    (void)state;
    place p;
    setup(&p);
    hf_found found, now;
    assert_int_equal(hf_file_open_beneath(p.root, hf_text("f"), 0, &found).code, 0);
    assert_true(hf_file_unchanged(&found.file));
    assert_int_equal(hf_file_look(p.root, hf_text("f"), 0, &now).code, 0);
    assert_true(hf_found_same(&found, &now));
    assert_int_equal(now.file.handle, -1);
    assert_false(hf_file_unchanged(&now.file)); /* nothing is open: no promise */

    temp_settle();
    temp_write(&p.all, "root/f", "INSIDE"); /* as long as before */
    assert_false(hf_file_unchanged(&found.file));
    assert_int_equal(hf_file_look(p.root, hf_text("f"), 0, &now).code, 0);
    assert_false(hf_found_same(&found, &now));
    hf_file_close(&found.file);

    /* A rewrite that restores the modification time. */
    temp_date(&p.all, "root/f", 1000);
    assert_int_equal(hf_file_open_beneath(p.root, hf_text("f"), 0, &found).code, 0);
    temp_settle();
    temp_write(&p.all, "root/f", "inside");
    temp_date(&p.all, "root/f", 1000);
    assert_false(hf_file_unchanged(&found.file));

    /* Another file renamed over it: the open one stays as it was but for its times, the path leads elsewhere. */
    temp_write(&p.all, "root/new", "INSIDE");
    assert_int_equal(rename(temp_path(&p.all, "root/new"), temp_path(&p.all, "root/f")), 0);
    assert_int_equal(hf_file_look(p.root, hf_text("f"), 0, &now).code, 0);
    assert_false(hf_found_same(&found, &now));
    hf_file_close(&found.file);
    teardown(&p);
}

static void what_was_just_changed_is_fresh(void **state)
{
    (void)state;
    place p;
    setup(&p);
    hf_found found;
    temp_write(&p.all, "root/f", "now");
    assert_int_equal(hf_file_look(p.root, hf_text("f"), 0, &found).code, 0);
    assert_true(found.fresh);
    temp_settle();
    assert_int_equal(hf_file_look(p.root, hf_text("f"), 0, &found).code, 0);
    assert_false(found.fresh);
    teardown(&p);
}

static void reads_stop_where_the_file_ends(void **state)
{
    (void)state;
    place p;
    setup(&p);
    hf_found found;
    char text[8];
    size_t got;
    assert_int_equal(hf_file_open_beneath(p.root, hf_text("f"), 0, &found).code, 0);
    assert_int_equal(hf_file_read(&found.file, 2, text, 3, &got).code, 0);
    assert_int_equal(got, 3);
    assert_memory_equal(text, "sid", 3);
    assert_int_equal(hf_file_read(&found.file, 4, text, 8, &got).code, 0);
    assert_int_equal(got, 2);
    assert_int_equal(hf_file_read(&found.file, 99, text, 8, &got).code, 0);
    assert_int_equal(got, 0);
    hf_file_close(&found.file);
    teardown(&p);
}

static void a_folder_lists_what_is_in_it(void **state)
{
    (void)state;
    place p;
    setup(&p);
    temp_dir(&p.all, "root/many");
    for (unsigned i = 0; i < 500; i++) { /* more than one buffer full */
        char name[80];
        snprintf(name, sizeof name, "root/many/a-name-that-takes-some-room-in-the-buffer-%03u", i);
        temp_write(&p.all, name, "12345");
    }
    temp_dir(&p.all, "root/many/d");
    temp_link(&p.all, "d", "root/many/l");
    assert_int_equal(mkfifo(temp_path(&p.all, "root/many/p"), 0644), 0);
    temp_date(&p.all, "root/many/d", 86400);
    hf_found found;
    hf_dir dir;
    hf_dir_entry entry;
    bool more;
    assert_int_equal(hf_file_open_beneath(p.root, hf_text("many"), 0, &found).code, 0);
    for (unsigned round = 0; round < 2; round++) { /* it can be read again */
        unsigned count[4] = { 0 };
        assert_int_equal(hf_dir_begin(&dir, found.file.handle).code, 0);
        while (hf_dir_next(&dir, &entry, &more).code == 0 && more) {
            count[entry.kind]++;
            assert_true(entry.name.ptr[0] != '.');
            if (entry.kind == HF_DIR_FILE)
                assert_int_equal(entry.size, 5);
            if (entry.kind == HF_DIR_FOLDER)
                assert_true(entry.modified_ns == HF_SECONDS(86400));
        }
        assert_int_equal(count[HF_DIR_FILE], 500);
        assert_int_equal(count[HF_DIR_FOLDER], 1);
        assert_int_equal(count[HF_DIR_LINK], 1);
        assert_int_equal(count[HF_DIR_OTHER], 1);
    }
    hf_file_close(&found.file);
    teardown(&p);
}

static void exhausted_descriptors_say_so(void **state)
{
    (void)state;
    place p;
    setup(&p);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int codes[2][2];
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        codes[i][0] = open_code(&p, "f", ways[i]);
        codes[i][1] = open_code(&p, "sub/deep/f", ways[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        assert_int_equal(codes[i][0], HF_ERR_IO_DESCRIPTORS);
        assert_int_equal(codes[i][1], HF_ERR_IO_DESCRIPTORS);
    }
    teardown(&p);
}

static void no_descriptor_is_left_behind(void **state)
{
    (void)state;
    place p;
    setup(&p);
    temp_link(&p.all, "../outside", "root/out");
    temp_link(&p.all, "deep/../deep", "root/sub/again");
    const int before = dup(0);
    close(before);
    for (size_t i = 0; i < HF_COUNT(ways); i++) {
        hf_found found;
        (void)open_code(&p, "sub/again/f", ways[i] | HF_FILE_FOLLOW);
        (void)open_code(&p, "out/f", ways[i] | HF_FILE_FOLLOW);
        (void)open_code(&p, "sub/deep/none", ways[i]);
        assert_int_equal(hf_file_look(p.root, hf_text("sub/again"), ways[i] | HF_FILE_FOLLOW, &found).code, 0);
    }
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    const hf_file_calls calls = hf_file_calls_made();
    assert_true(calls.opens > 0 && calls.stats > 0 && calls.closes > 0);
    teardown(&p);
}

static void a_root_that_is_no_folder_is_refused(void **state)
{
    (void)state;
    place p;
    setup(&p);
    int root;
    assert_int_equal(hf_root_open(temp_path(&p.all, "root/f"), &root).code, HF_ERR_HTTP_NOT_FOUND);
    assert_int_equal(hf_root_open(temp_path(&p.all, "root/none"), &root).code, HF_ERR_HTTP_NOT_FOUND);
    temp_link(&p.all, "root", "by-link"); /* the operator's own word */
    assert_int_equal(hf_root_open(temp_path(&p.all, "by-link"), &root).code, 0);
    hf_root_close(root);
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_folders_beneath_the_root_open),
        cmocka_unit_test(no_path_climbs_out),
        cmocka_unit_test(links_are_refused_unless_followed),
        cmocka_unit_test(links_that_leave_or_go_in_circles_are_not_there),
        cmocka_unit_test(what_is_no_file_is_not_there_and_never_waits),
        cmocka_unit_test(missing_permission_is_forbidden),
        cmocka_unit_test(no_race_with_a_link_leads_out),
        cmocka_unit_test(odd_names_are_only_names),
        cmocka_unit_test(a_path_longer_than_any_is_not_there),
        cmocka_unit_test(a_change_is_noticed),
        cmocka_unit_test(what_was_just_changed_is_fresh),
        cmocka_unit_test(reads_stop_where_the_file_ends),
        cmocka_unit_test(a_folder_lists_what_is_in_it),
        cmocka_unit_test(exhausted_descriptors_say_so),
        cmocka_unit_test(no_descriptor_is_left_behind),
        cmocka_unit_test(a_root_that_is_no_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
