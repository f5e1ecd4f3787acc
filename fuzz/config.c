/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations from hostile bytes: read, checked and reported; and what parses is printed, parses again to the same
 * tree, and prints the same. A file is read whole: there are no slices. An allocation that fails is told as that, and leaks
 * nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_plan.h"
#include "config_tree.h"
#include "fuzz_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 16384 };

/* Every file holds the input, but for one that is named like a secret. */
static const char *read_input(void *self, const char *path, hf_arena *to, size_t most, hf_bytes *text)
{
    const hf_bytes *input = self;
    (void)most;
    if (strcmp(path, "secret") == 0) {
        *text = hf_text("a secret\n");
        return NULL;
    }
    *text = hf_arena_copy(to, *input);
    return text->ptr != NULL ? NULL : "memory ended";
}

static const char *variable(void *self, const char *name)
{
    (void)self;
    return name[0] == 'A' ? "7" : NULL;
}

static const char *glob_input(void *self, const char *pattern, hf_arena *to, size_t most, const char ***paths, size_t *count)
{
    static const char *files[] = { "one", "two" };
    (void)self;
    (void)pattern;
    (void)to;
    *paths = files;
    *count = most < 2 ? most + 1 : 2;
    return NULL;
}

static hf_config_kind kind(void *self, const char *path)
{
    (void)self;
    const bool missing = path[0] == 'm' || (path[0] >= '0' && path[0] <= '9');
    return path[0] == 'f' ? HF_CONFIG_FILE : missing ? HF_CONFIG_MISSING : HF_CONFIG_FOLDER;
}

/* True unless memory ended, which only that excuses. */
static bool done(hf_err err)
{
    HF_ASSERT(err.code == 0 || (err.code == HF_ERR_BASE_MEMORY && fuzz_memory_failed(&fuzz_env_memory)));
    return err.code == 0;
}

/* What the bytes print as; NULL when they are no configuration. Give: free() it. */
static char *print(hf_config *c, hf_bytes *input, hf_config_world *world)
{
    char *text = NULL;
    size_t length;
    *world = (hf_config_world){ input, read_input, variable, glob_input, kind };
    hf_config_init(c, &fuzz_env.alloc, world, &fuzz_limits);
    if (!done(hf_config_read(c, "c")) || c->problem_count > 0)
        return NULL;
    FILE *out = open_memstream(&text, &length);
    HF_ASSERT(out != NULL);
    hf_config_print(c->files[0].statements, out);
    fclose(out);
    return text;
}

static void check_printing(hf_bytes input)
{
    hf_config first, second;
    hf_config_world worlds[2];
    char *once = print(&first, &input, &worlds[0]);
    if (once != NULL) {
        hf_bytes printed = hf_text(once);
        char *twice = print(&second, &printed, &worlds[1]);
        HF_ASSERT(twice != NULL || fuzz_memory_failed(&fuzz_env_memory));
        HF_ASSERT(twice == NULL || strcmp(once, twice) == 0);
        HF_ASSERT(twice == NULL || hf_config_same(first.files[0].statements, second.files[0].statements));
        hf_config_fini(&second);
        free(twice);
        free(once);
    }
    hf_config_fini(&first);
}

static void apply(hf_config *c, FILE *out)
{
    static hf_serve_options options;
    hf_config_plan plan;
    char why[1024];
    hf_writer w = hf_writer_make(why, sizeof why);
    hf_config_print_json(c, out);
    hf_config_print_effective(c, out);
    if (!done(hf_config_plan_make(c, &plan)))
        return;
    hf_config_plan_apply(&plan, &options);
    hf_sites *sites = hf_sites_new(&fuzz_env.alloc, options.routes, options.sites, options.site_count, options.hosts, options.host_count, &w);
    HF_ASSERT(sites != NULL || fuzz_memory_failed(&fuzz_env_memory)); /* what check lets through, the router takes */
    hf_sites_free(sites);
    (void)hf_config_explain(c, "GET", "http://a.example/a/b%2e?c", out, out);
}

static void check_meaning(hf_bytes input)
{
    hf_config c;
    hf_config_world world = { &input, read_input, variable, glob_input, kind };
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    HF_ASSERT(out != NULL);
    hf_config_init(&c, &fuzz_env.alloc, &world, &fuzz_limits);
    if (done(hf_config_load(&c, "c"))) {
        hf_config_report(&c, out, true, true);
        if (c.problem_count == 0)
            apply(&c, out);
    }
    fclose(out);
    free(text);
    hf_config_fini(&c);
}

static void run(const uint8_t *data, size_t size)
{
    check_printing(hf_bytes_make(data, size));
    check_meaning(hf_bytes_make(data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MOST || (size > 0 && memchr(data, 0, size) != NULL))
        return 0;
    fuzz_env_init();
    fuzz_limits.config_files = 4;
    fuzz_limits.config_include_depth = 2;
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
