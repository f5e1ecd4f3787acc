/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of a configuration as it is: files, folders and the environment of this process.
 */
#include "config.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *reason(void)
{
    switch (errno) {
    case ENOENT: return "there is no such file";
    case EACCES: return "permission is missing";
    default: return strerror(errno);
    }
}

/* One more byte than allowed is asked for, so that a file that is too long is known. */
static const char *read_stream(FILE *f, hf_arena *to, size_t most, hf_bytes *text)
{
    size_t capacity = 4096, length = 0;
    uint8_t *bytes = hf_arena_get(to, capacity);
    while (bytes != NULL) {
        length += fread(bytes + length, 1, capacity - length, f);
        if (length < capacity)
            break;
        uint8_t *more = capacity > most ? NULL : hf_arena_get(to, capacity * 2);
        if (more == NULL && capacity > most)
            return "it is larger than the limit config_file_bytes";
        if (more != NULL)
            memcpy(more, bytes, length);
        bytes = more;
        capacity *= 2;
    }
    if (bytes == NULL)
        return "memory ended";
    if (ferror(f))
        return reason();
    *text = hf_bytes_make(bytes, length);
    return length > most ? "it is larger than the limit config_file_bytes" : NULL;
}

static const char *read_file(void *self, const char *path, hf_arena *to, size_t most, hf_bytes *text)
{
    (void)self;
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, to, most, text);
    struct stat st;
    if (stat(path, &st) != 0)
        return reason();
    if (S_ISDIR(st.st_mode))
        return "it is a folder";
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return reason();
    const char *why = read_stream(f, to, most, text);
    fclose(f);
    return why;
}

static const char *variable(void *self, const char *name)
{
    (void)self;
    return getenv(name);
}

static const char *glob_files(void *self, const char *pattern, hf_arena *to, size_t most, const char ***paths, size_t *count)
{
    (void)self;
    glob_t found = { 0 };
    *count = 0;
    const int result = glob(pattern, 0, NULL, &found);
    if (result == GLOB_NOMATCH)
        return NULL;
    if (result != 0)
        return result == GLOB_NOSPACE ? "memory ended" : reason();
    const size_t kept = found.gl_pathc > most ? most : found.gl_pathc;
    const char *why = NULL;
    const char **list = hf_arena_get(to, (kept + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < kept && why == NULL; i++) {
        list[i] = (const char *)hf_arena_copy(to, hf_text(found.gl_pathv[i])).ptr;
        why = list[i] == NULL ? "memory ended" : NULL;
    }
    *paths = list;
    *count = found.gl_pathc > most ? most + 1 : kept;
    globfree(&found);
    return list == NULL ? "memory ended" : why;
}

static hf_config_kind kind(void *self, const char *path)
{
    struct stat st;
    (void)self;
    if (stat(path, &st) != 0)
        return errno == EACCES ? HF_CONFIG_HIDDEN : HF_CONFIG_MISSING;
    return S_ISDIR(st.st_mode) ? HF_CONFIG_FOLDER : HF_CONFIG_FILE;
}

const hf_config_world hf_config_system = { .read = read_file, .variable = variable, .glob = glob_files, .kind = kind };
