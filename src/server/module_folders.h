/* SPDX-License-Identifier: Apache-2.0
 *
 * module_folders: who can put another file in a file's place. That takes the right to write a folder on the way to it.
 */
#ifndef HF_SERVER_MODULE_FOLDERS_H
#define HF_SERVER_MODULE_FOLDERS_H

#include "module_acl.h"

#include <sys/stat.h>

/* Whom the caller trusts. */
typedef struct hf_folder_trust {
    bool (*owner)(const void *self, uid_t user);
    bool (*group)(const void *self, gid_t group);
    const void *self;
} hf_folder_trust;

/* The same of who an access control list names; `self` is an hf_folder_trust. */
bool hf_folder_trusts(const void *self, const hf_acl_writer *writer);

/* Every folder from the root to the file, and every link on the way, is of an owner who is trusted, and a folder can be written by nobody
 * else, or has the sticky bit, with which only an entry's owner moves it (as /tmp has). False: `why` has a sentence. */
bool hf_module_folders_hold(const char *path, const hf_folder_trust *trust, char *why, size_t size);

#endif
