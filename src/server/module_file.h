/* SPDX-License-Identifier: Apache-2.0
 *
 * module_file: shared objects of applications. What is loaded is a copy in memory, of which everything that is checked is
 * checked: who writes over the file changes nothing that runs (docs/decisions/0015-applications.md).
 */
#ifndef HF_SERVER_MODULE_FILE_H
#define HF_SERVER_MODULE_FILE_H

#include <sys/types.h>

#include <handfast/module.h>

#include "text.h"

typedef struct hf_module_wish {
    const char *path;
    uint64_t most;      /* bytes */
    bool any_owner;     /* whoever owns the file, and whoever may write it */
    bool held;          /* the bytes that were held, if there are, whatever the file is now */
    bool has_user;      /* who the server becomes: a file of his is held by root, but loaded only by himself */
    uid_t user;
    gid_t group;        /* his */
} hf_module_wish;

/* Loads the file, or finds the copy that was loaded of the same path and bytes. It stays for the life of the process. NULL, and
 * `why` has a sentence that begins with the path. From any thread. */
const hf_module *hf_module_load(const hf_module_wish *wish, hf_writer *why);

/* Holds the file's bytes for processes that will be forked: none of its code runs. In place of what was held of this path, if it can
 * be had; else that stays. For wish.held. */
void hf_module_hold(const hf_module_wish *wish);

/* Whether two modules are the same copy is whether they are the same pointer. */

/* ---- when the process falls ----------------------------------------------------------------------------------------- */

enum { HF_MODULE_NAME = 64 };
/* In memory that supervisor and serving process share: the file in whose code, or in what that had called, the process fell. */
typedef struct hf_module_fall {
    char name[HF_MODULE_NAME];
} hf_module_fall;

/* NULL when memory ends. For the life of the process. */
hf_module_fall *hf_module_fall_new(void);
/* From now on a signal that ends the process is told to `fall`, if code of a module was under way in that thread; then what
 * would have followed follows. Lends for life. */
void hf_module_watch(hf_module_fall *fall);
/* Within that: the name, or NULL. */
const char *hf_module_fallen(void);

#endif
