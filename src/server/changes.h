/* SPDX-License-Identifier: Apache-2.0
 *
 * changes: a configuration read again, and in what it differs from the one in force, in words.
 */
#ifndef HF_SERVER_CHANGES_H
#define HF_SERVER_CHANGES_H

#include "config_plan.h"

/* A configuration that was read while the server runs. */
typedef struct hf_loaded {
    hf_config config;
    hf_config_plan plan;
    hf_serve_options options;
} hf_loaded;

/* Reads the configuration that `now` came from again. What the configuration does not speak of is as in `now`. NULL: every
 * mistake is told on `why`, as `handfast check` does. */
hf_loaded *hf_loaded_new(const hf_serve_options *now, FILE *why);
void hf_loaded_free(void *loaded);

/* Where the folders of its routes really are, links followed: one for each route and NULL where there is none. They are
 * what a reload opens. NULL when memory ends. */
char **hf_folders_new(const hf_serve_options *o);
void hf_folders_free(char **folders, const hf_serve_options *o);

/* A line for each difference: listeners, sites, routes, folders that a link leads elsewhere, limits, logs; and what takes
 * effect at the next start only. Returns how many. */
size_t hf_changes_write(const hf_serve_options *before, char *const *folders_before, const hf_serve_options *after,
    char *const *folders_after, FILE *out);

#endif
