/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread remembers of files: what a hot file costs, when it is looked at again, what is noticed, what is bounded.
 */
#include "file_cache.h"

#include "temp_folder.h"

typedef struct shelf {
    hf_test_world world;
    temp_folder folder;
    int root;
    hf_file_cache *cache;
    hf_time now;
} shelf;

static shelf *setup(shelf *s)
{
    memset(s, 0, sizeof *s);
    hf_test_world_init(&s->world, 11);
    temp_make(&s->folder);
    temp_write(&s->folder, "a.txt", "aaaa");
    temp_write(&s->folder, "b.txt", "bbbb");
    temp_write(&s->folder, "c.txt", "cccc");
    temp_dir(&s->folder, "d");
    temp_settle();
    assert_int_equal(hf_root_open(s->folder.path, &s->root).code, 0);
    s->now = hf_time_make(HF_SECONDS(100));
    return s;
}

static void open_cache(shelf *s)
{
    const hf_file_cache_options options = { .roots = { s->root, -1 }, .precompressed = true };
    s->cache = hf_file_cache_open(&s->world.env, &options);
    assert_non_null(s->cache);
}

static void teardown(shelf *s)
{
    hf_file_cache_close(s->cache);
    hf_root_close(s->root);
    temp_remove(&s->folder);
    hf_test_world_fini(&s->world);
}

static hf_cached *get(shelf *s, const char *path)
{
    hf_cached *entry;
    assert_int_equal(hf_file_cache_get(s->cache, s->now, 0, hf_text(path), HF_ENCODING_IDENTITY, &entry).code, 0);
    assert_non_null(entry);
    return entry;
}

static void touch(shelf *s, const char *path)
{
    hf_cached_release(get(s, path));
}

/* Asserts kind and, for a file in memory, contents. */
static void finds(shelf *s, const char *path, hf_cached_kind kind, const char *text)
{
    hf_cached *e = get(s, path);
    assert_int_equal(e->kind, kind);
    if (text) {
        assert_true(e->in_memory);
        assert_int_equal(e->found.file.size, strlen(text));
        assert_memory_equal(e->contents, text, strlen(text));
    }
    hf_cached_release(e);
}

typedef struct cost {
    uint64_t opens, stats, reads;
} cost;

static cost since(hf_file_calls before)
{
    const hf_file_calls now = hf_file_calls_made();
    return (cost){ now.opens - before.opens, now.stats - before.stats, now.reads - before.reads };
}

static bool loaded(shelf *s, const char *path)
{
    const uint64_t before = hf_file_cache_count(s->cache).loads;
    touch(s, path);
    return hf_file_cache_count(s->cache).loads != before;
}

static void a_hot_file_costs_no_system_call(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    touch(s, "a.txt");
    touch(s, "d");
    touch(s, "none");
    const hf_file_calls before = hf_file_calls_made();
    for (unsigned i = 0; i < 100; i++) {
        finds(s, "a.txt", HF_CACHED_FILE, "aaaa");
        finds(s, "d", HF_CACHED_FOLDER, NULL);
        finds(s, "none", HF_CACHED_MISSING, NULL);
        s->now = hf_time_after(s->now, HF_MILLISECONDS(9));
    }
    const cost paid = since(before);
    assert_int_equal(paid.opens, 0);
    assert_int_equal(paid.stats, 0);
    assert_int_equal(paid.reads, 0);
    assert_int_equal(hf_file_cache_count(s->cache).hits, 300);
    teardown(s);
}

/* From the second time on: the first may be the last. */
static hf_cached *sending(shelf *s, const char *path)
{
    return hf_file_cache_sending(get(s, path), true);
}

static void a_hot_file_that_is_too_large_for_memory_is_copied_once(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    shelf place, *s = setup(&place);
    char *old_text = malloc(SIZE + 1), *new_text = malloc(SIZE + 1), *got = malloc(SIZE);
    assert_true(old_text && new_text && got);
    memset(old_text, 'o', SIZE);
    memset(new_text, 'n', SIZE);
    old_text[SIZE] = new_text[SIZE] = 0;
    temp_write(&s->folder, "large.bin", old_text);
    temp_settle();
    open_cache(s);
    hf_cached *watched = sending(s, "large.bin");
    assert_null(watched->found.file.fixed);
    hf_cached *fixed = sending(s, "large.bin");
    assert_non_null(fixed->found.file.fixed);
    assert_ptr_not_equal(watched, fixed); /* an answer that began with the file goes on watching it */
    assert_null(watched->found.file.fixed);
    assert_int_equal(hf_file_cache_count(s->cache).bytes, SIZE);
    assert_string_equal(watched->etag, fixed->etag);
    const hf_file_calls before = hf_file_calls_made();
    for (unsigned i = 0; i < 100; i++) {
        hf_cached *again = sending(s, "large.bin");
        assert_ptr_equal(again, fixed);
        assert_true(hf_file_unchanged(&again->found.file));
        hf_cached_release(again);
    }
    assert_int_equal(since(before).opens + since(before).stats + since(before).reads, 0);

    temp_write(&s->folder, "large.bin", new_text); /* the same inode */
    temp_settle();
    assert_false(hf_file_unchanged(&watched->found.file));
    assert_memory_equal(fixed->found.file.fixed, old_text, SIZE);
    assert_int_equal(pread(fixed->found.file.handle, got, SIZE, 0), SIZE);
    assert_memory_equal(got, old_text, SIZE);
    assert_int_equal(pwrite(fixed->found.file.handle, "x", 1, 0), -1); /* nobody can */
    assert_int_equal(ftruncate(fixed->found.file.handle, 1), -1);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    hf_cached *next = sending(s, "large.bin");
    assert_string_not_equal(next->etag, fixed->etag);
    hf_cached_release(next);
    next = sending(s, "large.bin");
    assert_memory_equal(next->found.file.fixed, new_text, SIZE);
    hf_cached_release(next);
    hf_cached_release(watched);
    hf_cached_release(fixed);
    teardown(s);
    free(old_text);
    free(new_text);
    free(got);
}

static void limit_hot_fronts(void **state)
{
    (void)state;
    enum { SIZE = 10000 };
    shelf place, *s = setup(&place);
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, 't', SIZE);
    text[SIZE] = 0;
    temp_write(&s->folder, "page.bin", text);
    temp_write(&s->folder, "other.bin", text);
    temp_settle();
    s->world.limits.hot_fronts = 1;
    open_cache(s);
    for (unsigned i = 0; i < 3; i++) /* over TLS, say */
        hf_cached_release(hf_file_cache_sending(get(s, "page.bin"), false));
    assert_int_equal(hf_file_cache_count(s->cache).fronts, 0);
    for (unsigned i = 0; i < 3; i++) {
        hf_cached *page = sending(s, "page.bin"), *other = sending(s, "other.bin");
        assert_non_null(page->found.file.front);
        assert_null(other->found.file.front);
        assert_int_equal(hf_file_cache_count(s->cache).fronts, 1);
        assert_int_equal(hf_file_cache_count(s->cache).bytes, 3 * SIZE);
        hf_cached_release(page);
        hf_cached_release(other);
    }
    teardown(s);
    free(text);
}

/* Small files, and none that was asked for once. */
static void a_hot_file_in_memory_gets_a_front_when_it_is_sent_again(void **state)
{
    (void)state;
    enum { SIZE = 10000 };
    shelf place, *s = setup(&place);
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, 't', SIZE);
    text[SIZE] = 0;
    temp_write(&s->folder, "page.bin", text);
    temp_write(&s->folder, "other.bin", text);
    temp_settle();
    open_cache(s);
    for (unsigned i = 0; i < 3; i++) {
        hf_cached *small = sending(s, "a.txt"), *page = sending(s, "page.bin");
        assert_true(page->in_memory);
        assert_null(small->found.file.front);
        assert_true((page->found.file.front != NULL) == (i > 0));
        assert_true(i == 0 || page->found.file.fixed == page->contents);
        assert_int_equal(hf_file_cache_count(s->cache).bytes, 4 + (i > 0 ? 2 * SIZE : SIZE)); /* it holds them once more */
        hf_cached_release(small);
        hf_cached_release(page);
    }
    s->world.limits.hot_bytes = 3 * SIZE; /* there is room for the other one, not for its front, while the first is held */
    hf_cached *page = get(s, "page.bin");
    hf_cached_release(sending(s, "other.bin"));
    hf_cached *other = sending(s, "other.bin");
    assert_true(other->in_memory);
    assert_null(other->found.file.front);
    assert_null(other->found.file.fixed);
    int handle = -1;
    for (unsigned i = 0; i < 20 && handle < 0; i++)
        handle = hf_file_fronted(&page->found.file, hf_text("head"));
    assert_true(handle >= 0);
    assert_int_equal(hf_file_cache_shed(s->cache, 10), 0); /* who is held is not given up */
    hf_cached_release(page);
    hf_cached_release(other);
    assert_int_equal(hf_file_cache_shed(s->cache, 10), 1); /* it holds a descriptor */
    assert_int_equal(hf_file_cache_count(s->cache).bytes, SIZE); /* the other one; a.txt made room for it */
    teardown(s);
    free(text);
}

static void limit_hot_copy_bytes(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_file_bytes = 0;
    s->world.limits.hot_copy_bytes = 4;
    temp_write(&s->folder, "f.bin", "fffff");
    temp_settle();
    open_cache(s);
    for (unsigned i = 0; i < 3; i++) {
        hf_cached *four = sending(s, "a.txt"), *five = sending(s, "f.bin");
        assert_true((four->found.file.fixed != NULL) == (i > 0));
        assert_null(five->found.file.fixed);
        hf_cached_release(four);
        hf_cached_release(five);
    }
    s->world.limits.hot_bytes = 5; /* all of which a.txt and the next together do not fit into */
    hf_cached_release(sending(s, "b.txt"));
    hf_cached *next = sending(s, "b.txt");
    assert_non_null(next->found.file.fixed);
    assert_int_equal(hf_file_cache_count(s->cache).bytes, 4); /* the colder one went */
    hf_cached_release(next);
    teardown(s);
}

static void limit_hot_check_ns(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    temp_write(&s->folder, "e.bin", "eeee"); /* not worth compressing: no siblings are looked for */
    temp_settle();
    open_cache(s);
    touch(s, "e.bin");
    hf_file_calls before = hf_file_calls_made();
    s->now = hf_time_after(s->now, HF_SECONDS(1) - 1);
    touch(s, "e.bin");
    assert_int_equal(since(before).opens, 0);
    s->now = hf_time_after(s->now, 1);
    touch(s, "e.bin"); /* one look, nothing read */
    assert_int_equal(since(before).opens, 1);
    assert_int_equal(since(before).stats, 1);
    assert_int_equal(since(before).reads, 0);
    touch(s, "e.bin");
    assert_int_equal(since(before).opens, 1);
    assert_int_equal(hf_file_cache_count(s->cache).rechecks, 1);
    assert_int_equal(hf_file_cache_count(s->cache).loads, 1);
    s->world.limits.hot_check_ns = HF_SECONDS(60);
    s->now = hf_time_after(s->now, HF_SECONDS(59));
    before = hf_file_calls_made();
    touch(s, "e.bin");
    assert_int_equal(since(before).opens, 0);
    teardown(s);
}

static void every_change_is_noticed_within_a_second(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    char etag[2][72];
    hf_cached *old = get(s, "a.txt");
    memcpy(etag[0], old->etag, sizeof etag[0]);

    temp_write(&s->folder, "new", "AAAA"); /* replaced by a rename */
    assert_int_equal(rename(temp_path(&s->folder, "new"), temp_path(&s->folder, "a.txt")), 0);
    temp_settle();
    finds(s, "a.txt", HF_CACHED_FILE, "aaaa");
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    hf_cached *e = get(s, "a.txt");
    assert_memory_equal(e->contents, "AAAA", 4);
    memcpy(etag[1], e->etag, sizeof etag[1]);
    assert_memory_not_equal(etag[0], etag[1], e->etag_length);
    hf_cached_release(e);
    assert_memory_equal(old->contents, "aaaa", 4); /* an answer under way keeps its version */
    hf_cached_release(old);

    temp_write(&s->folder, "a.txt", "1111"); /* changed in place, as long as before */
    temp_settle();
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_FILE, "1111");

    temp_date(&s->folder, "a.txt", 1000);
    temp_settle();
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    touch(s, "a.txt");
    temp_write(&s->folder, "a.txt", "2222"); /* and its modification time put back */
    temp_date(&s->folder, "a.txt", 1000);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_FILE, "2222");

    assert_int_equal(unlink(temp_path(&s->folder, "a.txt")), 0);
    finds(s, "a.txt", HF_CACHED_FILE, "2222");
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_MISSING, NULL);

    temp_write(&s->folder, "a.txt", "back");
    finds(s, "a.txt", HF_CACHED_MISSING, NULL);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_FILE, "back");

    assert_int_equal(unlink(temp_path(&s->folder, "a.txt")), 0);
    temp_dir(&s->folder, "a.txt");
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_FOLDER, NULL);
    assert_int_equal(rmdir(temp_path(&s->folder, "a.txt")), 0);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_MISSING, NULL);
    teardown(s);
}

static void a_sibling_that_comes_or_goes_is_noticed(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    hf_cached *e = get(s, "a.txt");
    assert_int_equal(e->variants, 0);
    temp_write(&s->folder, "a.txt.gz", "zzzz");
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    touch(s, "a.txt");
    assert_int_equal(e->variants, 1 << HF_ENCODING_GZIP);
    temp_date(&s->folder, "a.txt.gz", 1000); /* older than the file */
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    touch(s, "a.txt");
    assert_int_equal(e->variants, 0);
    hf_cached_release(e);
    teardown(s);
}

/* Two changes within one tick of the clock look like one, so what was fresh when it was read is read once more. */
static void a_file_read_just_after_a_change_is_read_again(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    temp_write(&s->folder, "a.txt", "just");
    hf_cached *e = get(s, "a.txt");
    const bool fresh = e->found.fresh;
    hf_cached_release(e);
    temp_settle();
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    assert_int_equal(loaded(s, "a.txt"), fresh);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    assert_false(loaded(s, "a.txt"));
    teardown(s);
}

static void limit_hot_files(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_files = 2;
    s->world.limits.hot_file_bytes = s->world.limits.hot_copy_bytes = 0; /* each holds a descriptor */
    open_cache(s);
    const int first = dup(0);
    close(first);
    touch(s, "a.txt");
    touch(s, "b.txt");
    touch(s, "a.txt"); /* b is the colder one now */
    touch(s, "c.txt");
    assert_int_equal(hf_file_cache_count(s->cache).files, 2);
    assert_int_equal(hf_file_cache_count(s->cache).evictions, 1);
    const int next = dup(0); /* descriptors are given out from the lowest: two are held */
    close(next);
    assert_true(next <= first + 2);
    assert_false(loaded(s, "a.txt"));
    assert_false(loaded(s, "c.txt"));
    assert_true(loaded(s, "b.txt"));
    hf_file_cache_close(s->cache);
    s->world.limits.hot_files = 0; /* nothing is kept, everything still works */
    open_cache(s);
    finds(s, "a.txt", HF_CACHED_FILE, NULL);
    finds(s, "none", HF_CACHED_MISSING, NULL);
    assert_int_equal(hf_file_cache_count(s->cache).files + hf_file_cache_count(s->cache).missing, 0);
    assert_true(loaded(s, "a.txt"));
    teardown(s);
}

static void a_storm_of_wrong_names_pushes_out_no_file(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_files = 16;
    open_cache(s);
    touch(s, "a.txt");
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "wrong-%u", i);
        finds(s, name, HF_CACHED_MISSING, NULL);
    }
    assert_int_equal(hf_file_cache_count(s->cache).missing, 4);
    assert_false(loaded(s, "a.txt"));
    assert_false(loaded(s, "wrong-999"));
    assert_true(loaded(s, "wrong-0"));
    teardown(s);
}

static void limit_hot_file_bytes(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_file_bytes = 4;
    temp_write(&s->folder, "five.txt", "12345");
    open_cache(s);
    finds(s, "a.txt", HF_CACHED_FILE, "aaaa");
    hf_cached *e = get(s, "five.txt");
    assert_false(e->in_memory);
    assert_true(e->found.file.handle >= 0);
    assert_true(hf_file_unchanged(&e->found.file));
    hf_cached_release(e);
    e = get(s, "a.txt");
    assert_int_equal(e->found.file.handle, -1); /* what is in memory needs no descriptor */
    hf_cached_release(e);
    assert_int_equal(hf_file_cache_count(s->cache).bytes, 4);
    teardown(s);
}

static void limit_hot_bytes(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_bytes = 8;
    open_cache(s);
    finds(s, "a.txt", HF_CACHED_FILE, "aaaa");
    finds(s, "b.txt", HF_CACHED_FILE, "bbbb");
    assert_int_equal(hf_file_cache_count(s->cache).bytes, 8);
    finds(s, "c.txt", HF_CACHED_FILE, "cccc"); /* a, the coldest, makes room */
    assert_int_equal(hf_file_cache_count(s->cache).bytes, 8);
    assert_int_equal(hf_file_cache_count(s->cache).files, 2);
    /* What answers hold makes no room: then the file is sent from its descriptor. */
    hf_cached *b = get(s, "b.txt"), *c = get(s, "c.txt"), *a = get(s, "a.txt");
    assert_false(a->in_memory);
    assert_int_equal(hf_file_cache_count(s->cache).bytes, 8);
    assert_false(loaded(s, "b.txt"));
    assert_false(loaded(s, "c.txt"));
    hf_cached_release(a);
    hf_cached_release(b);
    hf_cached_release(c);
    s->world.limits.hot_bytes = 3;
    temp_write(&s->folder, "e.txt", "eeee");
    hf_cached *e = get(s, "e.txt");
    assert_false(e->in_memory);
    hf_cached_release(e);
    teardown(s);
}

static void shedding_gives_up_descriptors_that_nobody_holds(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    s->world.limits.hot_file_bytes = s->world.limits.hot_copy_bytes = 0;
    open_cache(s);
    touch(s, "a.txt");
    hf_cached *held = get(s, "b.txt");
    touch(s, "c.txt");
    assert_int_equal(hf_file_cache_shed(s->cache, 1), 1); /* a: the coldest */
    assert_false(loaded(s, "c.txt"));
    assert_int_equal(hf_file_cache_shed(s->cache, 10), 1);
    assert_int_equal(hf_file_cache_shed(s->cache, 10), 0);
    assert_true(hf_file_unchanged(&held->found.file));
    hf_cached_release(held);
    assert_int_equal(hf_file_cache_shed(s->cache, 10), 1);
    teardown(s);
}

static void unreadable_files_are_asked_about_again(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    assert_int_equal(chmod(temp_path(&s->folder, "a.txt"), 0), 0);
    temp_be_nobody();
    finds(s, "a.txt", HF_CACHED_FORBIDDEN, NULL);
    temp_be_oneself();
    assert_int_equal(chmod(temp_path(&s->folder, "a.txt"), 0644), 0);
    finds(s, "a.txt", HF_CACHED_FORBIDDEN, NULL);
    s->now = hf_time_after(s->now, HF_SECONDS(1));
    finds(s, "a.txt", HF_CACHED_FILE, "aaaa");
    teardown(s);
}

static void entries_outlive_their_cache(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    open_cache(s);
    hf_cached *a = get(s, "a.txt"), *again = get(s, "a.txt"), *none = get(s, "none");
    assert_ptr_equal(a, again);
    hf_file_cache_close(s->cache);
    s->cache = NULL;
    assert_memory_equal(a->contents, "aaaa", 4);
    hf_cached_release(a);
    hf_cached_release(none);
    hf_cached_release(again);
    teardown(s);
}

static void tags_differ_by_file_version_and_coding(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    temp_date(&s->folder, "a.txt", 784111777);
    temp_date(&s->folder, "b.txt", 784111777);
    temp_write(&s->folder, "a.txt.gz", "zzzz");
    open_cache(s);
    hf_cached *a = get(s, "a.txt"), *b = get(s, "b.txt"), *z;
    assert_int_equal(hf_file_cache_get(s->cache, s->now, 0, hf_text("a.txt"), HF_ENCODING_GZIP, &z).code, 0);
    assert_memory_equal(a->last_modified, "Sun, 06 Nov 1994 08:49:37 GMT", HF_DATE_LENGTH);
    assert_memory_equal(a->last_modified, b->last_modified, HF_DATE_LENGTH);
    assert_false(a->etag_length == b->etag_length && memcmp(a->etag, b->etag, a->etag_length) == 0);
    assert_memory_equal(z->etag + z->etag_length - 4, "-gz\"", 4);
    assert_memory_equal(z->contents, "zzzz", 4);
    hf_cached_release(a);
    hf_cached_release(b);
    hf_cached_release(z);
    teardown(s);
}

static void no_failed_allocation_leaks(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    bool done = false;
    for (size_t at = 1; !done; at++) {
        hf_cached *entry;
        const hf_file_cache_options options = { .roots = { s->root, -1 } };
        s->world.memory.calls = 0;
        s->world.memory.fail_at = at;
        s->cache = hf_file_cache_open(&s->world.env, &options);
        if (s->cache) {
            const hf_err err = hf_file_cache_get(s->cache, s->now, 0, hf_text("a.txt"), HF_ENCODING_IDENTITY, &entry);
            if (err.code != 0)
                assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
            hf_cached_release(entry); /* NULL after an error */
        }
        done = s->world.memory.calls < at;
        hf_file_cache_close(s->cache);
        assert_int_equal(s->world.memory.blocks, 0);
        assert_true(at < 20);
    }
    s->cache = NULL;
    s->world.memory.fail_at = 0;
    teardown(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hot_file_costs_no_system_call),
        cmocka_unit_test(a_hot_file_that_is_too_large_for_memory_is_copied_once),
        cmocka_unit_test(limit_hot_fronts),
        cmocka_unit_test(a_hot_file_in_memory_gets_a_front_when_it_is_sent_again),
        cmocka_unit_test(limit_hot_copy_bytes),
        cmocka_unit_test(limit_hot_check_ns),
        cmocka_unit_test(every_change_is_noticed_within_a_second),
        cmocka_unit_test(a_sibling_that_comes_or_goes_is_noticed),
        cmocka_unit_test(a_file_read_just_after_a_change_is_read_again),
        cmocka_unit_test(limit_hot_files),
        cmocka_unit_test(a_storm_of_wrong_names_pushes_out_no_file),
        cmocka_unit_test(limit_hot_file_bytes),
        cmocka_unit_test(limit_hot_bytes),
        cmocka_unit_test(shedding_gives_up_descriptors_that_nobody_holds),
        cmocka_unit_test(unreadable_files_are_asked_about_again),
        cmocka_unit_test(entries_outlive_their_cache),
        cmocka_unit_test(tags_differ_by_file_version_and_coding),
        cmocka_unit_test(no_failed_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
