/* SPDX-License-Identifier: Apache-2.0 */
#include "module_folders.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <handfast/base.h>

#define OR_SAY "(or dangerous_foreign_file on)"

enum { LINKS_MOST = 40 }; /* as many as the kernel follows */

typedef struct walk {
    const hf_folder_trust *trust;
    char at[PATH_MAX];   /* where it is: "" is the root; no link is in it */
    char rest[PATH_MAX]; /* and what is left to go */
    unsigned links;
    char *why;
    size_t size;
} walk;

static bool HF_PRINTF(2, 3) refuse(walk *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->why, w->size, format, args);
    va_end(args);
    return false;
}

static const char *name_of(const walk *w)
{
    return w->at[0] != 0 ? w->at : "/";
}

static bool check_owner(walk *w, const struct stat *st)
{
    return w->trust->owner(w->trust->self, st->st_uid) ||
        refuse(w, "%s on the way to it belongs to user %u, who could put another file in its place: make it root's, or move the file " OR_SAY,
            name_of(w), (unsigned)st->st_uid);
}

bool hf_folder_trusts(const void *self, const hf_acl_writer *writer)
{
    const hf_folder_trust *const t = self;
    return writer->is_user ? t->owner(t->self, writer->id) : t->group(t->self, writer->id);
}

/* With an access control list the group's bits are its mask: whom it names may write only where the group seems to. */
static bool check_list(walk *w)
{
    char why[256];
    return hf_acl_hold(-1, name_of(w), hf_folder_trusts, w->trust, why, sizeof why) ||
        refuse(w, "the folder %s %s, and so another file could be put in its place: setfacl -b " OR_SAY, name_of(w), why);
}

/* The owner was looked at: nobody else gives the rights to write. */
static bool check_folder(walk *w, const struct stat *st)
{
    if (!check_owner(w, st))
        return false;
    if ((st->st_mode & S_ISVTX) != 0) /* others' entries stay where they are, and ours are looked at next */
        return true;
    if ((st->st_mode & S_IWOTH) != 0)
        return refuse(w, "everybody may write the folder %s, and so put another file in its place: chmod o-w " OR_SAY, name_of(w));
    if ((st->st_mode & S_IWGRP) == 0)
        return true;
    if (!w->trust->group(w->trust->self, st->st_gid))
        return refuse(w, "group %u may write the folder %s (mode %04o), and so put another file in its place: chmod g-w " OR_SAY, (unsigned)st->st_gid,
            name_of(w), (unsigned)st->st_mode & 07777);
    return check_list(w);
}

static bool look(walk *w, struct stat *st)
{
    return lstat(name_of(w), st) == 0 || refuse(w, "%s cannot be looked at: %s", name_of(w), strerror(errno));
}

/* Where the link `at` leads is left to go, from the folder that it is in. */
static bool follow(walk *w)
{
    char to[PATH_MAX], rest[PATH_MAX];
    const ssize_t n = readlink(w->at, to, sizeof to - 1);
    if (n <= 0 || ++w->links > LINKS_MOST)
        return refuse(w, "the link %s leads nowhere", w->at);
    to[n] = 0;
    memcpy(rest, w->rest, strlen(w->rest) + 1);
    if ((size_t)snprintf(w->rest, sizeof w->rest, "%s/%s", to, rest) >= sizeof w->rest)
        return refuse(w, "its path is too long");
    *(to[0] == '/' ? w->at : strrchr(w->at, '/')) = 0;
    return true;
}

/* The next name off `rest`, onto `at`; it is "", "." or "..": nothing is to be looked at. */
static bool step(walk *w, bool *moved)
{
    const size_t length = strcspn(w->rest, "/"), at = strlen(w->at);
    char *const up = strrchr(w->at, '/');
    *moved = false;
    if (length == 2 && memcmp(w->rest, "..", 2) == 0) {
        if (up != NULL)
            *up = 0;
    } else if (length > 0 && !(length == 1 && w->rest[0] == '.')) {
        if (at + 1 + length >= sizeof w->at)
            return refuse(w, "its path is too long");
        w->at[at] = '/';
        memcpy(w->at + at + 1, w->rest, length);
        w->at[at + 1 + length] = 0;
        *moved = true;
    }
    const char *const behind = w->rest + length + (w->rest[length] == '/');
    memmove(w->rest, behind, strlen(behind) + 1);
    return true;
}

/* A link's own mode says nothing; its owner may point it elsewhere where the sticky bit lets him. */
static bool arrive(walk *w)
{
    struct stat st;
    if (!look(w, &st))
        return false;
    if (S_ISLNK(st.st_mode))
        return check_owner(w, &st) && follow(w);
    return !S_ISDIR(st.st_mode) || check_folder(w, &st);
}

bool hf_module_folders_hold(const char *path, const hf_folder_trust *trust, char *why, size_t size)
{
    walk w = { .trust = trust, .why = why, .size = size };
    char here[PATH_MAX] = "";
    struct stat st;
    bool moved;
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
        return refuse(&w, "the folder that it is in cannot be found: %s", strerror(errno));
    if ((size_t)snprintf(w.rest, sizeof w.rest, "%s/%s", here, path) >= sizeof w.rest)
        return refuse(&w, "its path is too long");
    if (!look(&w, &st) || !check_folder(&w, &st))
        return false;
    while (w.rest[0] != 0)
        if (!step(&w, &moved) || (moved && !arrive(&w)))
            return false;
    return true;
}
