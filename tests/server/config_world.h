/* SPDX-License-Identifier: Apache-2.0
 *
 * A world for configurations that is a table: files, and folders by a slash at the end of their names.
 */
#ifndef HF_TESTS_CONFIG_WORLD_H
#define HF_TESTS_CONFIG_WORLD_H

#include "harness.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_plan.h"

typedef struct table_file {
    const char *path, *text;
} table_file;

typedef struct table_world {
    const table_file *files; /* sorted; ended by NULL */
    const table_file *variables;
} table_world;

static const char *table_find(const table_file *files, const char *path)
{
    for (; files != NULL && files->path != NULL; files++)
        if (strcmp(files->path, path) == 0)
            return files->text;
    return NULL;
}

static const char *table_read(void *self, const char *path, hf_arena *to, size_t most, hf_bytes *text)
{
    const char *found = table_find(((table_world *)self)->files, path);
    if (found == NULL)
        return "there is no such file";
    if (strlen(found) > most)
        return "it is larger than the limit config_file_bytes";
    *text = hf_arena_copy(to, hf_text(found));
    return text->ptr != NULL ? NULL : "memory ended";
}

static const char *table_variable(void *self, const char *name)
{
    return table_find(((table_world *)self)->variables, name);
}

static const char *table_glob(void *self, const char *pattern, hf_arena *to, size_t most, const char ***paths, size_t *count)
{
    *count = 0;
    *paths = hf_arena_get(to, most * sizeof **paths);
    if (*paths == NULL)
        return "memory ended";
    for (const table_file *f = ((table_world *)self)->files; f->path != NULL && *count <= most; f++)
        if (fnmatch(pattern, f->path, FNM_PATHNAME) == 0) {
            if (*count < most)
                (*paths)[*count] = f->path;
            ++*count;
        }
    return NULL;
}

static hf_config_kind table_kind(void *self, const char *path)
{
    char folder[256];
    if (table_find(((table_world *)self)->files, path) != NULL)
        return HF_CONFIG_FILE;
    snprintf(folder, sizeof folder, "%s/", path);
    return table_find(((table_world *)self)->files, folder) != NULL ? HF_CONFIG_FOLDER : HF_CONFIG_MISSING;
}

/* One configuration over a table; its report in `said`. */
typedef struct table_config {
    hf_test_world memory;
    table_world table;
    hf_config_world world;
    hf_config config;
    char *said;
    size_t said_size;
} table_config;

static void table_begin(table_config *t, const table_file *files, const table_file *variables)
{
    memset(t, 0, sizeof *t);
    hf_test_world_init(&t->memory, 1);
    t->table = (table_world){ files, variables };
    t->world = (hf_config_world){ &t->table, table_read, table_variable, table_glob, table_kind };
    hf_config_init(&t->config, &t->memory.memory.alloc, &t->world, &t->memory.limits);
}

static const char *table_report(table_config *t)
{
    FILE *out = open_memstream(&t->said, &t->said_size);
    assert_non_null(out);
    hf_config_report(&t->config, out, false, false);
    assert_int_equal(fclose(out), 0);
    return t->said;
}

/* Loads "c"; what is wrong with it, "" when nothing is. */
static inline const char *table_load(table_config *t, const table_file *files, const table_file *variables)
{
    table_begin(t, files, variables);
    assert_int_equal(hf_config_load(&t->config, "c").code, 0);
    return table_report(t);
}

static inline void table_end(table_config *t)
{
    hf_config_fini(&t->config);
    free(t->said);
    hf_test_world_fini(&t->memory);
}

#endif
