/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast.conf, from bytes to settings. Four steps, each usable alone:
 *
 *     config_lex      bytes -> tokens with their places
 *     config_tree     tokens -> statements, comments kept            (what `handfast fmt` prints)
 *     config_check    statements + config_schema -> items            (what `handfast config --json` prints)
 *     config_plan     items -> sites, routes, options of the server  (what `handfast serve -c` runs)
 *
 * Every mistake is kept with its place and a sentence, and reading goes on behind it: all are reported at once.
 * Files, environment and folders come through hf_config_world, so that tests and fuzzers need no disk.
 */
#ifndef HF_SERVER_CONFIG_H
#define HF_SERVER_CONFIG_H

#include <stdio.h>

#include <handfast/base.h>

#include "arena.h"

/* Where something stands. `line` 0: nowhere; the value is a default. */
typedef struct hf_config_place {
    uint32_t file;         /* of hf_config.files */
    uint32_t line, column; /* from 1; columns count characters, not bytes */
    uint32_t at, length;   /* bytes of the file */
    bool secret;           /* the line may hold a password: it is not shown */
} hf_config_place;

typedef struct hf_config_file {
    const char *path;     /* as it was named: what messages show */
    hf_bytes text;
    struct hf_config_statement *statements; /* NULL: empty, or not to be read */
    uint32_t parent;      /* the file that includes it; its own index for the first */
} hf_config_file;

typedef struct hf_config_problem {
    struct hf_config_problem *next;
    hf_config_place place;
    const char *text; /* a sentence without a full stop */
} hf_config_problem;

typedef enum hf_config_kind { HF_CONFIG_MISSING, HF_CONFIG_FILE, HF_CONFIG_FOLDER, HF_CONFIG_HIDDEN /* from us */ } hf_config_kind;

/* What lies outside: the real one is hf_config_system. */
typedef struct hf_config_world {
    void *self;
    /* The whole of a file, at most `most` bytes, into `to`. NULL, or the reason why not. "-" is standard input. */
    const char *(*read)(void *self, const char *path, hf_arena *to, size_t most, hf_bytes *text);
    /* A variable of the environment; NULL: it is not set. */
    const char *(*variable)(void *self, const char *name);
    /* The files that fit a pattern with * ? or [, sorted, at most `most`; *count is `most` + 1 when there are more.
     * NULL, or the reason why not. */
    const char *(*glob)(void *self, const char *pattern, hf_arena *to, size_t most, const char ***paths, size_t *count);
    hf_config_kind (*kind)(void *self, const char *path);
} hf_config_world;

extern const hf_config_world hf_config_system;

struct hf_config_block;

typedef struct hf_config {
    hf_arena arena; /* holds everything below */
    const hf_config_world *world;
    const hf_limits *limits;
    hf_config_file *files;
    size_t file_count;
    size_t words;
    hf_config_problem *problems; /* sorted by place once loaded */
    size_t problem_count;        /* more than are kept, when there were more than limit config_problems */
    bool out_of_memory;
    struct hf_config_app *apps; /* of config_apps.h, once they are loaded */
    struct hf_config_block *root; /* of config_check.h; never NULL once loaded, and whole only without problems */
} hf_config;

/* Allocates nothing yet. Lends all three until fini. */
void hf_config_init(hf_config *c, const hf_allocator *alloc, const hf_config_world *world, const hf_limits *limits);
void hf_config_fini(hf_config *c);

/* Reads and parses one file, no includes: for fmt. HF_OK also when there are problems. HF_ERR_BASE_MEMORY. */
hf_err hf_config_read(hf_config *c, const char *path);
/* Reads `path` and what it includes, and checks all of it. HF_OK also when there are problems. HF_ERR_BASE_MEMORY. */
hf_err hf_config_load(hf_config *c, const char *path);

/* "FILE:LINE:COLUMN: sentence" for each problem, in the order of files and lines; with `excerpts` the line itself and a
 * mark below it. */
void hf_config_report(const hf_config *c, FILE *out, bool excerpts, bool colour);
/* "handfast.conf:3:5", or "default". */
void hf_config_print_place(const hf_config *c, FILE *out, const hf_config_place *place);

/* ---- between the files of config ------------------------------------------------------------------------------ */

/* Adds a problem. Format as of printf. Memory that ends is noted in c->out_of_memory. */
void hf_config_complain(hf_config *c, hf_config_place place, const char *format, ...) HF_PRINTF(3, 4);
/* A string of the arena, formatted; "" when memory ended. */
const char *hf_config_format(hf_config *c, const char *format, ...) HF_PRINTF(2, 3);
/* Zeroed; NULL when memory ended, and noted. */
void *hf_config_get(hf_config *c, size_t size);
/* Reads and parses `path` as the next file. False when it could not be read: complained of at `asked`. */
bool hf_config_open(hf_config *c, const char *path, uint32_t parent, hf_config_place asked, uint32_t *index);
/* `path` as seen from the folder of file `from`. */
const char *hf_config_beside(hf_config *c, uint32_t from, const char *path);
/* `text` for a message: control bytes shown as ?, and cut when it is long. */
const char *hf_config_shown(hf_config *c, hf_bytes text);

#endif
