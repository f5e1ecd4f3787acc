/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for one test, made below TMPDIR and removed with all that is in it.
 */
#ifndef HF_TESTS_TEMP_FOLDER_H
#define HF_TESTS_TEMP_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

typedef struct temp_folder {
    char path[256];
} temp_folder;

static inline void temp_make(temp_folder *t)
{
    const char *where = getenv("TMPDIR");
    snprintf(t->path, sizeof t->path, "%s/hf-test-XXXXXX", where ? where : "/tmp");
    assert_non_null(mkdtemp(t->path));
    assert_int_equal(chmod(t->path, 0755), 0);
}

static inline int temp_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void temp_remove(temp_folder *t)
{
    assert_int_equal(nftw(t->path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The whole path of `name`. Lends one of four static buffers in turn. */
static inline const char *temp_path(const temp_folder *t, const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", t->path, name);
    return path;
}

static inline void temp_dir(const temp_folder *t, const char *name)
{
    assert_int_equal(mkdir(temp_path(t, name), 0755), 0);
}

static inline void temp_link(const temp_folder *t, const char *target, const char *name)
{
    assert_int_equal(symlink(target, temp_path(t, name)), 0);
}

static inline void temp_write_bytes(const temp_folder *t, const char *name, const void *bytes, size_t n)
{
    const int fd = open(temp_path(t, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static inline void temp_write(const temp_folder *t, const char *name, const char *text)
{
    temp_write_bytes(t, name, text, strlen(text));
}

/* Sets the modification time, in whole seconds. */
static inline void temp_date(const temp_folder *t, const char *name, int64_t s)
{
    const struct timespec times[2] = { { .tv_sec = s }, { .tv_sec = s } };
    assert_int_equal(utimensat(AT_FDCWD, temp_path(t, name), times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Root may read everything: become nobody for a while, where we are root. */
static inline void temp_be_nobody(void)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
}
static inline void temp_be_oneself(void)
{
    assert_int_equal(seteuid(getuid()), 0);
}

/* Long enough for the clock of file times to have moved on. */
static inline void temp_settle(void)
{
    usleep(50000);
}

#endif
