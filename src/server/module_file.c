/* SPDX-License-Identifier: Apache-2.0 */
#include "module_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module_fall.h"
#include "module_folders.h"

#define SYMBOL "handfast_module"
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* A file that was loaded. It is never unloaded: threads that it began, and pointers to its text that others keep, stay good. */
typedef struct copy {
    struct copy *next;
    const hf_module *module;
    const uint8_t *bytes; /* of the copy */
    size_t size;
    char path[];
} copy;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows, and of dlerror's words */
static copy *copies;
static size_t copy_count; /* those that were refused once they were loaded, and stay, too */

/* Bytes of a file, by its path. */
typedef struct held {
    struct held *next;
    int fd;
    char path[];
} held;

static held *all_held, *waiting;

typedef struct loading {
    const hf_module_wish *wish;
    hf_writer *why;
    const uint8_t *bytes; /* of the copy, mapped */
    size_t size;
    int fd;               /* the copy */
    bool only_held;       /* none of its code runs here */
} loading;

static bool HF_PRINTF(2, 3) refuse(loading *l, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hf_write_text(l->why, l->wish->path);
    hf_write_text(l->why, ": ");
    hf_write_text(l->why, text);
    return false;
}

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* Those who can become who loads it already. */
static bool is_owner(const void *self, uid_t user)
{
    const loading *const l = self;
    return user == 0 || user == geteuid() || (l->only_held && l->wish->has_user && user == l->wish->user);
}

static bool is_group(const void *self, gid_t group)
{
    const loading *const l = self;
    return group == 0 || group == getegid() || (l->only_held && l->wish->has_user && group == l->wish->group);
}

static bool check_folders(loading *l)
{
    char why[PATH_MAX + 256];
    const hf_folder_trust trust = { is_owner, is_group, l };
    return hf_module_folders_hold(l->wish->path, &trust, why, sizeof why) || refuse(l, "%s", why);
}

/* Who can write it becomes whoever loads it. Many work with umask 002 and a group of their own, in which nobody else is. */
static bool check_mode(loading *l, int file, const struct stat *st)
{
    char why[256];
    const hf_folder_trust trust = { is_owner, is_group, l };
    if (st->st_mode & S_IWOTH)
        return refuse(l, "everybody may write this file, and so run programs as the server: chmod o-w (or dangerous_foreign_file on)");
    if (!(st->st_mode & S_IWGRP))
        return true;
    if (!is_group(l, st->st_gid))
        return refuse(l, "group %u may write this file (mode %04o), and so run programs as the server: chmod g-w (or dangerous_foreign_file on)",
            (unsigned)st->st_gid, (unsigned)st->st_mode & 07777);
    /* With an access control list the group's bits are its mask. */
    return hf_acl_hold(file, NULL, hf_folder_trusts, &trust, why, sizeof why) ||
        refuse(l, "it %s, and so run programs as the server: setfacl -b (or dangerous_foreign_file on)", why);
}

/* Root runs root's alone: a check of the configuration must not make a file of the server's user a way to become root. What is only
 * held runs later, as that user. */
static bool check_owner(loading *l, int file, const struct stat *st)
{
    const hf_module_wish *const w = l->wish;
    const bool users = w->has_user && st->st_uid == w->user;
    if (w->any_owner)
        return true;
    if (!check_mode(l, file, st))
        return false;
    if (is_owner(l, st->st_uid))
        return check_folders(l);
    if (users && geteuid() == 0)
        return refuse(l, "it belongs to user %u, and root runs nothing of his: ask as that user (setpriv --reuid %u --regid %u --init-groups), or make it root's",
            (unsigned)st->st_uid, (unsigned)st->st_uid, (unsigned)w->group);
    return refuse(l, "it belongs to user %u, who could run programs as the server: it must be root's or the server's own (or dangerous_foreign_file on)",
        (unsigned)st->st_uid);
}

static bool copy_bytes(loading *l, int from, size_t size)
{
    char block[65536];
    size_t done = 0;
    ssize_t n;
    while ((n = read(from, block, sizeof block)) > 0 && done + (size_t)n <= size) {
        for (ssize_t at = 0, m; at < n; at += m)
            if ((m = write(l->fd, block + at, (size_t)(n - at))) <= 0)
                return refuse(l, "it cannot be copied: %s", strerror(errno));
        done += (size_t)n;
    }
    if (n < 0)
        return refuse(l, "it cannot be read: %s", strerror(errno));
    return done == size || refuse(l, "it changes while it is read; put a new one in its place with mv or install");
}

/* No program is to be started of it, and some systems allow no other kind; old kernels do not know the word. */
static int new_memory(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static bool copy_file(loading *l)
{
    struct stat st;
    const char *const slash = strrchr(l->wish->path, '/');
    const int from = open(l->wish->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (from < 0)
        return refuse(l, "%s", errno == ENOENT ? "there is no such file" : errno == EACCES ? "permission is missing" : strerror(errno));
    bool good = fstat(from, &st) == 0 || refuse(l, "%s", strerror(errno));
    if (good && !S_ISREG(st.st_mode))
        good = refuse(l, "it is no file, but a folder or a device");
    good = good && check_owner(l, from, &st);
    if (good && (uint64_t)st.st_size > l->wish->most)
        good = refuse(l, "it has %llu bytes, which is more than the limit config_app_bytes (%llu)", (unsigned long long)st.st_size,
            (unsigned long long)l->wish->most);
    if (good && (l->fd = new_memory(slash != NULL ? slash + 1 : l->wish->path)) < 0)
        good = refuse(l, "no memory for a copy: %s", strerror(errno));
    good = good && copy_bytes(l, from, (size_t)st.st_size);
    close(from);
    if (good)
        (void)fcntl(l->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE); /* what was checked is what runs */
    l->size = good ? (size_t)st.st_size : 0;
    void *const map = l->size > 0 ? mmap(NULL, l->size, PROT_READ, MAP_PRIVATE, l->fd, 0) : NULL;
    if (map == MAP_FAILED)
        return refuse(l, "no memory for a copy: %s", strerror(errno));
    l->bytes = map;
    return good;
}

/* ---- the object ----------------------------------------------------------------------------------------------------- */

static const char *machine_name(unsigned machine, char *room, size_t size)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = { { EM_X86_64, "x86-64" }, { EM_386, "i386" }, { EM_AARCH64, "aarch64" }, { EM_ARM, "arm" }, { EM_RISCV, "riscv" },
        { EM_PPC64, "ppc64" }, { EM_S390, "s390x" } };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (names[i].machine == machine)
            return names[i].name;
    snprintf(room, size, "machine %u", machine);
    return room;
}

/* The linker's name for where this very object begins. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* The loader maps what the headers speak of, and falls where the file ends before it: half of a file is one that is being copied. */
static bool is_whole(const loading *l, const ElfW(Ehdr) *head)
{
    if (head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phoff > l->size || head->e_phnum > (l->size - head->e_phoff) / sizeof(ElfW(Phdr)))
        return false;
    for (size_t i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) p;
        memcpy(&p, l->bytes + head->e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_NULL && p.p_filesz > 0 && (p.p_offset > l->size || p.p_filesz > l->size - p.p_offset))
            return false;
    }
    return true;
}

static bool check_object(loading *l)
{
    char one[32], two[32];
    ElfW(Ehdr) head;
    const ElfW(Ehdr) *const ours = &__ehdr_start;
    if (l->size < sizeof head || memcmp(l->bytes, ELFMAG, SELFMAG) != 0)
        return refuse(l, "it is no shared object: ELF begins otherwise. Compile the source with cc -shared -fPIC");
    memcpy(&head, l->bytes, sizeof head);
    if (head.e_ident[EI_CLASS] != ours->e_ident[EI_CLASS] || head.e_ident[EI_DATA] != ours->e_ident[EI_DATA])
        return refuse(l, "it is an object for another kind of machine (%s bits), and this is %s: compile it here",
            head.e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64, in another order,", machine_name(ours->e_machine, one, sizeof one));
    if (head.e_machine != ours->e_machine)
        return refuse(l, "it is for %s, and this is %s: compile it here", machine_name(head.e_machine, one, sizeof one),
            machine_name(ours->e_machine, two, sizeof two));
    if (head.e_type != ET_DYN)
        return refuse(l, "it is %s, no shared object: link it with cc -shared",
            head.e_type == ET_REL ? "an object file" : head.e_type == ET_EXEC ? "a program" : "another kind of ELF file");
    return is_whole(l, &head) || refuse(l, "it is cut off: it is shorter than its own headers say");
}

/* The loader speaks of the file by the name that it was told. */
static const char *loader_words(const char *name)
{
    const char *const words = dlerror();
    const size_t length = strlen(name);
    if (words != NULL && strncmp(words, name, length) == 0 && strncmp(words + length, ": ", 2) == 0)
        return words + length + 2;
    return words != NULL ? words : "the loader does not say why";
}

/* Called only with what the same headers say of it. */
static bool check_module(loading *l, const hf_module *m)
{
    if (m->version != HF_MODULE_VERSION)
        return refuse(l, "it was compiled for version %u of handfast/module.h, and this program has version %u: compile it against these headers",
            (unsigned)m->version, HF_MODULE_VERSION);
    if (m->route_size != sizeof(hf_route) || m->limits_size != sizeof(hf_limits))
        return refuse(l, "it was compiled against the headers of another version of Handfast: compile it against those of this one");
    if (m->name == NULL || m->name[0] == 0)
        return refuse(l, "its " SYMBOL " has no name");
    return (m->routes != NULL && m->route_count > 0) || refuse(l, "its " SYMBOL " has no routes");
}

/* By a name of its own, so that the loader takes it for no other: a descriptor stays open as long as an object has its name. */
static const hf_module *load_object(loading *l)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)getpid(), l->fd); /* debuggers find it there, too */
    if (access(name, R_OK) != 0)
        snprintf(name, sizeof name, "/proc/self/fd/%d", l->fd);
    void *const object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        (void)refuse(l, "%s", loader_words(name));
        return NULL;
    }
    const hf_module *const m = dlsym(object, SYMBOL);
    if (m == NULL)
        (void)refuse(l, "it exports no " SYMBOL ": const hf_module " SYMBOL " = { HF_MODULE_ABI, ... } (handfast/module.h)");
    if (m != NULL && check_module(l, m)) {
        hf_module_remember(object, l->wish->path);
        return m;
    }
    dlclose(object);
    if ((dlopen(name, RTLD_NOLOAD | RTLD_LAZY)) != NULL)
        l->fd = -1, copy_count++; /* it stays, under this name */
    return NULL;
}

/* ---- held bytes --------------------------------------------------------------------------------------------------- */

static held *find_held(held *h, const char *path)
{
    while (h != NULL && strcmp(h->path, path) != 0)
        h = h->next;
    return h;
}

static void drop(held **list)
{
    for (held *h; (h = *list) != NULL;) {
        *list = h->next;
        close(h->fd);
        free(h);
    }
}

/* The descriptor stays the supervisor's too: under its number here, the loader's name for it is good. */
static bool map_held(loading *l, const held *h)
{
    struct stat st;
    if (fstat(h->fd, &st) != 0 || st.st_size <= 0 || (l->fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return false;
    l->size = (size_t)st.st_size;
    void *const map = mmap(NULL, l->size, PROT_READ, MAP_PRIVATE, l->fd, 0);
    if (map == MAP_FAILED)
        return refuse(l, "no memory for a copy: %s", strerror(errno));
    l->bytes = map;
    return true;
}

void hf_module_hold_from(const char *path, int fd)
{
    const size_t length = strlen(path) + 1;
    pthread_mutex_lock(&lock);
    held *const old = find_held(waiting, path), *const h = old == NULL ? calloc(1, sizeof *h + length) : NULL;
    if (h != NULL) {
        *h = (held){ .next = waiting, .fd = fd };
        memcpy(h->path, path, length);
        waiting = h;
    } else { /* two statements name it: the first reading is for both */
        close(fd);
    }
    pthread_mutex_unlock(&lock);
}

void hf_module_hold(const hf_module_wish *wish)
{
    char text[64]; /* whoever loads it tells it whole */
    hf_writer why = hf_writer_make(text, sizeof text);
    loading l = { .wish = wish, .why = &why, .fd = -1, .only_held = true };
    const bool good = copy_file(&l) && check_object(&l);
    if (l.bytes != NULL)
        munmap((void *)l.bytes, l.size);
    if (good)
        hf_module_hold_from(wish->path, l.fd);
    else if (l.fd >= 0)
        close(l.fd);
}

void hf_module_waiting(void (*tell)(void *to, const char *path, int fd), void *to)
{
    for (const held *h = waiting; h != NULL; h = h->next)
        tell(to, h->path, h->fd);
}

void hf_module_hold_commit(void)
{
    pthread_mutex_lock(&lock);
    drop(&all_held);
    all_held = waiting;
    waiting = NULL;
    pthread_mutex_unlock(&lock);
}

void hf_module_hold_abandon(void)
{
    pthread_mutex_lock(&lock);
    drop(&waiting);
    pthread_mutex_unlock(&lock);
}

/* ---- copies --------------------------------------------------------------------------------------------------------- */

static const hf_module *find_copy(const loading *l)
{
    for (const copy *c = copies; c != NULL; c = c->next)
        if (c->size == l->size && strcmp(c->path, l->wish->path) == 0 && memcmp(c->bytes, l->bytes, l->size) == 0)
            return c->module;
    return NULL;
}

static const hf_module *keep(loading *l)
{
    const size_t length = strlen(l->wish->path) + 1;
    if (l->wish->most_copies > 0 && copy_count >= l->wish->most_copies) {
        (void)refuse(l, "it changed since it was loaded, and of files that changed this process has %zu copies, none of which ends before it does (limit "
            "config_app_copies): restart the server", copy_count);
        return NULL;
    }
    copy *const c = calloc(1, sizeof *c + length);
    const hf_module *const m = c != NULL ? load_object(l) : NULL;
    if (c == NULL)
        (void)refuse(l, "out of memory");
    if (m == NULL) {
        free(c);
        return NULL;
    }
    copy_count++;
    *c = (copy){ .next = copies, .module = m, .bytes = l->bytes, .size = l->size };
    memcpy(c->path, l->wish->path, length);
    copies = c;
    l->bytes = NULL;
    l->fd = -1;
    return m;
}

size_t hf_module_copies(void)
{
    pthread_mutex_lock(&lock);
    const size_t n = copy_count;
    pthread_mutex_unlock(&lock);
    return n;
}

const hf_module *hf_module_load(const hf_module_wish *wish, hf_writer *why)
{
    loading l = { .wish = wish, .why = why, .fd = -1 };
    const hf_module *m = NULL;
    pthread_mutex_lock(&lock);
    const held *const h = wish->held ? find_held(all_held, wish->path) : NULL;
    if ((h != NULL ? map_held(&l, h) : copy_file(&l)) && check_object(&l)) {
        m = find_copy(&l);
        m = m != NULL ? m : keep(&l);
    }
    if (l.bytes != NULL)
        munmap((void *)l.bytes, l.size);
    if (l.fd >= 0)
        close(l.fd);
    pthread_mutex_unlock(&lock);
    return m;
}
