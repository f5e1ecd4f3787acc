/* SPDX-License-Identifier: Apache-2.0
 *
 * Each code goes to the file when it is first seen, not at the end: a program that is killed, and a child that it forked,
 * have told what they saw.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

enum { ROWS_MOST = 2048 };

_Atomic int hf_test_lookups;
static _Atomic uint8_t seen[ROWS_MOST];

static void note(const char *id, const char *file, int line)
{
    extern char *program_invocation_short_name;
    const char *folder = getenv("HF_SIGHTS");
    if (!folder || !*folder)
        return;
    char path[4096], text[256];
    snprintf(path, sizeof path, "%s/%s", folder, program_invocation_short_name);
    const char *below = strrchr(file, '/');
    const int n = snprintf(text, sizeof text, "%s %s:%d\n", id, below ? below + 1 : file, line);
    const int kept = errno;
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0) {
        const size_t size = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        if (write(fd, text, size) != (ssize_t)size)
            fprintf(stderr, "%s: not noted\n", id);
        close(fd);
    }
    errno = kept;
}

void hf_test_note_skip(const char *what)
{
    char word[64];
    snprintf(word, sizeof word, "skipped:%s", what);
    for (char *p = word; *p; p++)
        *p = *p == ' ' ? '_' : *p;
    note(word, "harness.c", 0);
}

static void saw_row(size_t i, const char *id, const char *file, int line)
{
    if (i < ROWS_MOST && !hf_test_lookups && !seen[i]) {
        seen[i] = 1;
        note(id, file, line);
    }
}

static void saw(uintmax_t value, const char *file, int line)
{
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; value <= INT32_MAX && hf_err_row(i, &err, &info); i++)
        if (err.code == (int32_t)value)
            saw_row(i, info->id, file, line);
}

static void saw_text(const char *text, size_t len, const char *file, int line)
{
    hf_err err;
    const hf_err_info *info;
    const char *const end = text + len;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), "HF-", 3)) != NULL; at += 3)
        for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
            const size_t n = strlen(info->id);
            if ((size_t)(end - at) >= n && memcmp(at, info->id, n) == 0)
                saw_row(i, info->id, file, line);
        }
}

void hf_test_int_equal(uintmax_t a, uintmax_t b, bool constants, const char *file, int line)
{
    _assert_int_equal(a, b, file, line);
    if (a > 0xffff && !constants)
        saw(a, file, line);
}

void hf_test_string_equal(const char *a, const char *b, const char *file, int line)
{
    _assert_string_equal(a, b, file, line);
    saw_text(b, strlen(b), file, line);
}

char *hf_test_strstr(const char *text, const char *word, const char *file, int line)
{
    char *found = (strstr)(text, word);
    if (found)
        saw_text(word, strlen(word), file, line);
    return found;
}
