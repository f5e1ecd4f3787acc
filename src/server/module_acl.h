/* SPDX-License-Identifier: Apache-2.0
 *
 * module_acl: whom an access control list (POSIX 1003.1e, acl(5)) lets write a file or folder, beside its owner, its group and everybody.
 */
#ifndef HF_SERVER_MODULE_ACL_H
#define HF_SERVER_MODULE_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first one of them that is not trusted. */
typedef struct hf_acl_writer {
    bool is_user; /* else a group */
    uint32_t id;
} hf_acl_writer;

typedef bool hf_acl_trusted(const void *self, const hf_acl_writer *writer);

/* `bytes`: the attribute system.posix_acl_access. False: it is not to be understood. */
bool hf_acl_read(const uint8_t *bytes, size_t size, hf_acl_trusted *trusted, const void *self, bool *found, hf_acl_writer *writer);

/* Of the file that is open as `fd`; with -1, at `path`. True: nobody else may write. False: `why` has a sentence without its subject. */
bool hf_acl_hold(int fd, const char *path, hf_acl_trusted *trusted, const void *self, char *why, size_t size);

#endif
