/* SPDX-License-Identifier: Apache-2.0 */
#include "module_acl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define ATTRIBUTE "system.posix_acl_access"

/* linux/posix_acl_xattr.h: a version, and entries of a tag, its rights and an id, each little-endian. */
enum { HEAD = 4, ENTRY = 8, VERSION = 2, USER = 0x02, GROUP = 0x08, MASK = 0x10, WRITE = 2, MOST = HEAD + 1024 * ENTRY };

static uint32_t little(const uint8_t *p, size_t size)
{
    uint32_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

/* The mask bounds what users and groups by name are given (acl(5)). */
static bool mask_allows(const uint8_t *bytes, size_t size)
{
    for (size_t at = HEAD; at < size; at += ENTRY)
        if (little(bytes + at, 2) == MASK)
            return (little(bytes + at + 2, 2) & WRITE) != 0;
    return true;
}

bool hf_acl_read(const uint8_t *bytes, size_t size, hf_acl_trusted *trusted, const void *self, bool *found, hf_acl_writer *writer)
{
    *found = false;
    if (size < HEAD || (size - HEAD) % ENTRY != 0 || little(bytes, HEAD) != VERSION)
        return false;
    if (!mask_allows(bytes, size))
        return true;
    for (size_t at = HEAD; at < size && !*found; at += ENTRY) {
        const uint32_t tag = little(bytes + at, 2);
        *writer = (hf_acl_writer){ .is_user = tag == USER, .id = little(bytes + at + 4, 4) };
        *found = (tag == USER || tag == GROUP) && (little(bytes + at + 2, 2) & WRITE) != 0 && !trusted(self, writer);
    }
    return true;
}

bool hf_acl_hold(int fd, const char *path, hf_acl_trusted *trusted, const void *self, char *why, size_t size)
{
    uint8_t bytes[MOST]; /* a longer list is none that somebody wrote, and is refused (ERANGE) */
    hf_acl_writer writer;
    bool found;
    const ssize_t n = fd >= 0 ? fgetxattr(fd, ATTRIBUTE, bytes, sizeof bytes) : lgetxattr(path, ATTRIBUTE, bytes, sizeof bytes);
    if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
        return true;
    if (n < 0)
        snprintf(why, size, "has an access control list that cannot be read (%s)", strerror(errno));
    else if (!hf_acl_read(bytes, (size_t)n, trusted, self, &found, &writer))
        snprintf(why, size, "has an access control list that is not to be understood");
    else if (!found)
        return true;
    else
        snprintf(why, size, "has an access control list by which %s %u may write it", writer.is_user ? "user" : "group", (unsigned)writer.id);
    return false;
}
