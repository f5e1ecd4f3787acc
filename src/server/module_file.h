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
    uint64_t most_copies; /* in this process; 0: any number */
    bool any_owner;     /* whoever owns the file, and whoever may write it */
    bool held;          /* the bytes that were held, if there are, whatever the file is now */
    bool has_user;      /* who the server becomes: a file of his is held by root, but loaded only by himself */
    uid_t user;
    gid_t group;        /* his */
} hf_module_wish;

/* Loads the file, or finds the copy that was loaded of the same path and bytes. It stays for the life of the process. NULL, and
 * `why` has a sentence that begins with the path. From any thread. */
const hf_module *hf_module_load(const hf_module_wish *wish, hf_writer *why);
/* How many copies there are. */
size_t hf_module_copies(void);

/* ---- held bytes -------------------------------------------------------------------------------------------------------
 *
 * A file is read once, by the supervisor, which hands the bytes on: what one process checked is what the other runs, and what another
 * serving process begins with, whatever is in the file's place by then. None of its code runs where it is read. */

/* Reads the file, to be held at the next commit; what cannot be had is not, and whoever loads it tells why. */
void hf_module_hold(const hf_module_wish *wish);
/* The same with bytes that another process read; gives `fd`. */
void hf_module_hold_from(const char *path, int fd);
/* Calls it with each that waits for the commit. Lends. */
void hf_module_waiting(void (*tell)(void *to, const char *path, int fd), void *to);
/* Those are held now, in place of all that were before: for wish.held. */
void hf_module_hold_commit(void);
/* They are not: what was held stays. */
void hf_module_hold_abandon(void);

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
 * would have followed follows. Out of stack, too, in this thread, the server's (thread.h) and those for blocking work. Lends for
 * life. False: nobody watches, for a sanitizer is built in, which tells more. */
bool hf_module_watch(hf_module_fall *fall);
/* Within that: the name, or NULL. */
const char *hf_module_fallen(void);

#endif
