/* SPDX-License-Identifier: Apache-2.0
 *
 * Files beneath a root through the kernel. The walk for kernels without openat2 holds one descriptor for each folder
 * on the way, so that ".." in a link goes back to where it came from and never above the root, whatever is renamed
 * meanwhile.
 */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file_front.h"
#include "panic.h"
#include "tape.h"

enum { LINKS_MOST = 40, DEPTH_MOST = 64, AGAIN_MOST = 8 };

static _Thread_local hf_file_calls calls;

hf_file_calls hf_file_calls_made(void)
{
    return calls;
}

/* ---- errors and facts --------------------------------------------------------------------------------------- */

static hf_err describe(int error)
{
    switch (error) {
    case ENOENT: case ENOTDIR: case ELOOP: case EXDEV: case ENAMETOOLONG: case ENXIO: case ENODEV: case EINVAL:
        return hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    case EACCES: case EPERM:
        return hf_err_make(HF_ERR_HTTP_FORBIDDEN);
    case EMFILE: case ENFILE:
        return hf_err_make(HF_ERR_IO_DESCRIPTORS);
    case ENOMEM:
        return hf_err_make(HF_ERR_BASE_MEMORY);
    default:
        return hf_err_make(HF_ERR_IO_SYSTEM);
    }
}

static void close_fd(int fd)
{
    if (fd < 0)
        return;
    const int kept = errno;
    calls.closes++;
    (void)close(fd); /* reading only: there is nothing that a failure could lose */
    errno = kept;
}

static int open_fd(int at, const char *name, int how)
{
    int fd;
    do {
        calls.opens++;
        fd = openat(at, name, how | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static bool stat_fd(int fd, struct stat *st)
{
    calls.stats++;
    return fstat(fd, st) == 0;
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What else moves the inode's change time: a hash of the number of links, the mode and the owner. */
static uint64_t status_of(const struct stat *st)
{
    const uint64_t parts[] = { st->st_nlink, st->st_mode, st->st_uid, st->st_gid };
    uint64_t hash = 0;
    for (size_t i = 0; i < HF_COUNT(parts); i++)
        hash = (hash ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
    return hash;
}

static hf_file noted(int fd, const struct stat *st)
{
    return (hf_file){ .handle = fd, .size = (uint64_t)st->st_size, .modified_ns = nanoseconds(st->st_mtim),
                      .changed_ns = nanoseconds(st->st_ctim), .status = status_of(st) };
}

/* File times come from the coarse clock, so two changes within one of its ticks look like one. */
static bool changed_just_now(int64_t changed_ns)
{
    struct timespec now, tick;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0 || clock_getres(CLOCK_REALTIME_COARSE, &tick) != 0)
        return true;
    return nanoseconds(now) - changed_ns < 2 * nanoseconds(tick);
}

/* Closes `fd` unless it is a regular file or a folder. `how` is what it was opened with. */
static hf_err take_note(int fd, int how, hf_found *found)
{
    struct stat st;
    if (!stat_fd(fd, &st)) {
        const hf_err err = describe(errno);
        close_fd(fd);
        return err;
    }
    const bool looking = (how & O_PATH) != 0;
    if (looking || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        close_fd(fd);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    found->file = noted(looking ? -1 : fd, &st);
    found->device = st.st_dev;
    found->inode = st.st_ino;
    found->directory = S_ISDIR(st.st_mode);
    found->fresh = changed_just_now(found->file.changed_ns);
    return HF_OK;
}

bool hf_found_same(const hf_found *a, const hf_found *b)
{
    return a->device == b->device && a->inode == b->inode && a->directory == b->directory && a->file.size == b->file.size
        && a->file.modified_ns == b->file.modified_ns && a->file.changed_ns == b->file.changed_ns;
}

static bool is_unchanged(const hf_file *file)
{
    struct stat st;
    if (file->handle < 0 || !stat_fd(file->handle, &st))
        return false;
    const hf_file now = noted(file->handle, &st);
    if (now.size != file->size || now.modified_ns != file->modified_ns)
        return false;
    /* A deploy renames a new file over this one, or a backup links it: the change time moves, and no byte does. Where links,
     * mode and owner are as they were, somebody rewrote it and put the modification time back. */
    return now.changed_ns == file->changed_ns || now.status != file->status;
}

/* ---- on a tape ---------------------------------------------------------------------------------------------- */

static uint64_t sum(hf_bytes b)
{
    return hf_tape_sum(0, b);
}

static void note_found(hf_tape *t, hf_found *f)
{
    hf_tape_u64(t, &f->file.size);
    hf_tape_i64(t, &f->file.modified_ns);
    hf_tape_i64(t, &f->file.changed_ns);
    hf_tape_u64(t, &f->file.status);
    hf_tape_u64(t, &f->device);
    hf_tape_u64(t, &f->inode);
    hf_tape_flag(t, &f->directory);
    hf_tape_flag(t, &f->fresh);
}

bool hf_file_unchanged(const hf_file *file)
{
    hf_tape *const t = hf_tape_here;
    if (file->fixed != NULL)
        return true;
    bool same = !hf_tape_plays(t) && is_unchanged(file);
    if (hf_tape_begin(t, HF_TAPE_UNCHANGED, 0))
        hf_tape_flag(t, &same);
    return same;
}

/* ---- the path ----------------------------------------------------------------------------------------------- */

/* Copies `path` with a NUL behind it; false for what could not name anything below a root. */
static bool plain_path(hf_bytes path, char name[PATH_MAX])
{
    if (path.len == 0) {
        name[0] = '.';
        name[1] = 0;
        return true;
    }
    if (path.len >= PATH_MAX || memchr(path.ptr, 0, path.len))
        return false;
    for (size_t start = 0; start <= path.len;) {
        const uint8_t *slash = memchr(path.ptr + start, '/', path.len - start);
        const size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
        const size_t n = end - start;
        if (n == 0 || (n == 1 && path.ptr[start] == '.') || (n == 2 && memcmp(path.ptr + start, "..", 2) == 0))
            return false;
        start = end + 1;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = 0;
    return true;
}

/* ---- the walk, for kernels without openat2 ------------------------------------------------------------------- */

typedef struct walk {
    int held[DEPTH_MOST + 1]; /* held[0] is the root, which is not ours to close */
    unsigned depth;
    unsigned links;
    bool follow;
    int how;                  /* for the last step */
    char rest[PATH_MAX];      /* what is left to walk, NUL-terminated */
} walk;

static void walk_close(walk *w)
{
    while (w->depth > 0)
        close_fd(w->held[w->depth--]);
}

/* The next segment, cut off the front of w->rest; false at the end. *last: nothing follows. */
static bool walk_segment(walk *w, char name[NAME_MAX + 1], bool *last)
{
    const size_t skip = strspn(w->rest, "/");
    const size_t n = strcspn(w->rest + skip, "/");
    if (n == 0 || n > NAME_MAX) {
        errno = n == 0 ? ENOENT : ENAMETOOLONG;
        return false;
    }
    memcpy(name, w->rest + skip, n);
    name[n] = 0;
    const size_t behind = skip + n + strspn(w->rest + skip + n, "/");
    memmove(w->rest, w->rest + behind, strlen(w->rest + behind) + 1);
    *last = w->rest[0] == 0;
    return true;
}

/* Puts the link's target before what is left. -1 when the walk must end. */
static int walk_link(walk *w, const char *name)
{
    char target[PATH_MAX];
    if (!w->follow || ++w->links > LINKS_MOST) {
        errno = ELOOP;
        return -1;
    }
    const ssize_t n = readlinkat(w->held[w->depth], name, target, sizeof target);
    if (n <= 0)
        return -1;
    const size_t left = strlen(w->rest), length = (size_t)n;
    if (target[0] == '/' || length + 1 + left >= sizeof w->rest) {
        errno = target[0] == '/' ? EXDEV : ENAMETOOLONG; /* an absolute link does not stay beneath */
        return -1;
    }
    memmove(w->rest + length + 1, w->rest, left + 1);
    memcpy(w->rest, target, length);
    w->rest[length] = '/';
    if (left == 0)
        w->rest[length] = 0;
    return 0;
}

/* Enters a folder. What is not one: its link is followed, or the walk ends. */
static int walk_enter(walk *w, const char *name)
{
    if (strcmp(name, "..") == 0) {
        if (w->depth == 0) {
            errno = EXDEV;
            return -1;
        }
        close_fd(w->held[w->depth--]);
        return 0;
    }
    struct stat st;
    const int fd = open_fd(w->held[w->depth], name, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (!stat_fd(fd, &st)) {
        close_fd(fd);
        return -1;
    }
    if (S_ISDIR(st.st_mode) && w->depth < DEPTH_MOST) {
        w->held[++w->depth] = fd;
        return 0;
    }
    close_fd(fd);
    if (S_ISLNK(st.st_mode))
        return walk_link(w, name);
    errno = S_ISDIR(st.st_mode) ? ELOOP : ENOTDIR;
    return -1;
}

/* The last segment is opened as asked. -1 and errno 0: it was a link, walk on. */
static int walk_last(walk *w, const char *name)
{
    struct stat st;
    const int fd = open_fd(w->held[w->depth], name, w->how | O_NOFOLLOW);
    if (fd < 0 && errno != ELOOP)
        return -1;
    if (fd >= 0) {
        if (!(w->how & O_PATH))
            return fd;
        /* O_PATH with O_NOFOLLOW opens the link itself instead of answering ELOOP. */
        if (stat_fd(fd, &st) && !S_ISLNK(st.st_mode))
            return fd;
        close_fd(fd);
    }
    if (walk_link(w, name) == 0)
        errno = 0;
    return -1;
}

static int open_walking(int root, const char *path, bool follow, int how)
{
    walk w = { .held = { root }, .follow = follow, .how = how };
    char name[NAME_MAX + 1];
    int fd = -1;
    bool last;
    memcpy(w.rest, path, strlen(path) + 1);
    while (walk_segment(&w, name, &last)) {
        const bool here = strcmp(name, ".") == 0;
        if (!last) {
            if (!here && walk_enter(&w, name) != 0)
                break;
            continue;
        }
        if (strcmp(name, "..") == 0) { /* only a link can say so: the folder it leads to is on our way already */
            if (walk_enter(&w, name) != 0)
                break;
        } else if (!here) {
            fd = walk_last(&w, name);
            if (fd >= 0 || errno != 0)
                break;
            continue;
        }
        fd = open_fd(w.held[w.depth], ".", how);
        break;
    }
    walk_close(&w);
    return fd;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static int open_beneath(int root, const char *path, unsigned flags, int how)
{
    const bool follow = (flags & HF_FILE_FOLLOW) != 0;
    struct open_how kernel = {
        .flags = (uint64_t)(how | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (follow ? 0 : RESOLVE_NO_SYMLINKS),
    };
    for (unsigned again = 0; !(flags & HF_FILE_WALK); again++) {
        calls.opens++;
        const long fd = syscall(SYS_openat2, root, path, &kernel, sizeof kernel);
        if (fd >= 0)
            return (int)fd;
        /* EPERM: an older sandbox that does not know the call. The walk finds out if it was meant. */
        if (errno == ENOSYS || errno == EPERM)
            break;
        /* openat2(2): EAGAIN, a rename raced with "..": the caller may retry. */
        if ((errno != EAGAIN && errno != EINTR) || again >= AGAIN_MOST)
            return -1;
    }
    return open_walking(root, path, follow, how);
}

static hf_err find(int root, hf_bytes path, unsigned flags, int how, hf_found *found)
{
    char name[PATH_MAX];
    *found = (hf_found){ .file.handle = -1 };
    if (!plain_path(path, name))
        return hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    const int fd = open_beneath(root, name, flags, how);
    return fd < 0 ? describe(errno) : take_note(fd, how, found);
}

static hf_err find_or_play(hf_tape_kind kind, int root, hf_bytes path, unsigned flags, int how, hf_found *found)
{
    hf_tape *const t = hf_tape_here;
    hf_err err = hf_err_make(HF_ERR_IO_SYSTEM);
    *found = (hf_found){ .file.handle = -1 };
    if (!hf_tape_plays(t))
        err = find(root, path, flags, how, found);
    if (hf_tape_begin(t, kind, sum(path))) {
        hf_tape_err(t, &err);
        if (err.code == 0)
            note_found(t, found);
        if (err.code == 0 && hf_tape_plays(t) && kind == HF_TAPE_OPEN)
            found->file.handle = 0; /* but a number: nothing is ever asked by it */
        hf_tape_tell(t);
    }
    return hf_tape_plays(t) && hf_tape_is_over(t) ? hf_err_make(HF_ERR_IO_SYSTEM) : err;
}

hf_err hf_file_open_beneath(int root, hf_bytes path, unsigned flags, hf_found *found)
{
    /* O_NONBLOCK: opening a FIFO that nobody writes to would wait; it has no effect on files. O_NOCTTY: a terminal
     * must not become ours. */
    return find_or_play(HF_TAPE_OPEN, root, path, flags, O_RDONLY | O_NONBLOCK | O_NOCTTY, found);
}

hf_err hf_file_look(int root, hf_bytes path, unsigned flags, hf_found *found)
{
    return find_or_play(HF_TAPE_LOOK, root, path, flags, O_PATH, found);
}

hf_err hf_root_open(const char *path, int *root)
{
    hf_tape *const t = hf_tape_here;
    hf_err err = HF_OK;
    *root = 0;
    if (!hf_tape_plays(t)) {
        *root = open_fd(AT_FDCWD, path, O_PATH | O_DIRECTORY);
        err = *root < 0 ? describe(errno) : HF_OK;
    }
    if (hf_tape_begin(t, HF_TAPE_ROOT, sum(hf_text(path))))
        hf_tape_err(t, &err);
    return err;
}

void hf_root_close(int root)
{
    if (!hf_tape_plays(hf_tape_here))
        close_fd(root);
}

/* The bytes of `file` into the empty file `to`. */
static bool copy_into(int to, const hf_file *file)
{
    uint8_t buffer[64 * 1024];
    for (uint64_t at = 0; at < file->size;) {
        const size_t want = file->size - at < sizeof buffer ? (size_t)(file->size - at) : sizeof buffer;
        size_t got = 0;
        if (hf_file_read(file, at, buffer, want, &got).code != 0 || got != want)
            return false;
        for (size_t done = 0; done < got;) {
            const ssize_t n = write(to, buffer + done, got - done);
            if (n <= 0 && errno != EINTR)
                return false;
            done += n > 0 ? (size_t)n : 0;
        }
        at += got;
    }
    return true;
}

/* sendfile(2) lends the page cache to the network, so what is overwritten on disk changes on its way out. A sealed memfd is
 * lent just as cheaply, and not even its owner can change it (fcntl(2), F_SEAL_WRITE). */
bool hf_file_fix(hf_file *file)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    HF_ASSERT(file->handle >= 0 && file->fixed == NULL);
    if (hf_tape_here != NULL)
        return false; /* it would be a second way to the same bytes, past the tape */
    const int fd = file->size > 0 && file->size <= SIZE_MAX ? memfd_create("hot file", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    void *map = MAP_FAILED;
    if (fd >= 0 && copy_into(fd, file) && hf_file_unchanged(file) && fcntl(fd, F_ADD_SEALS, seals) == 0)
        map = mmap(NULL, (size_t)file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        close_fd(fd);
        return false;
    }
    close_fd(file->handle);
    file->handle = fd;
    file->fixed = map;
    return true;
}

void hf_file_close(hf_file *file)
{
    hf_file_front_free(file);
    if (file->fixed != NULL && file->handle >= 0)
        (void)munmap((void *)(uintptr_t)file->fixed, (size_t)file->size);
    file->fixed = NULL;
    if (!hf_tape_plays(hf_tape_here)) /* then it is but a number */
        close_fd(file->handle);
    file->handle = -1;
}

static hf_err read_range(const hf_file *file, uint64_t offset, void *to, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        calls.reads++;
        const ssize_t n = pread(file->handle, (uint8_t *)to + *got, size - *got, (off_t)(offset + *got));
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return describe(errno);
        if (n > 0)
            *got += (size_t)n;
    }
    return HF_OK;
}

hf_err hf_file_read(const hf_file *file, uint64_t offset, void *to, size_t size, size_t *got)
{
    hf_tape *const t = hf_tape_here;
    hf_err err = hf_err_make(HF_ERR_IO_SYSTEM);
    *got = 0;
    if (file->fixed != NULL && offset < file->size) {
        *got = size < file->size - offset ? size : (size_t)(file->size - offset);
        memcpy(to, file->fixed + offset, *got);
        return HF_OK;
    }
    if (!hf_tape_plays(t))
        err = read_range(file, offset, to, size, got);
    if (hf_tape_begin(t, HF_TAPE_CONTENTS, offset)) {
        hf_tape_err(t, &err);
        hf_tape_length(t, got, size);
        hf_tape_bytes(t, to, *got);
        hf_tape_tell(t);
    }
    return hf_tape_plays(t) && hf_tape_is_over(t) ? hf_err_make(HF_ERR_IO_SYSTEM) : err;
}

/* ---- folders ------------------------------------------------------------------------------------------------ */

hf_err hf_dir_begin(hf_dir *dir, int handle)
{
    hf_tape *const t = hf_tape_here;
    hf_err err = hf_err_make(HF_ERR_IO_SYSTEM);
    dir->handle = handle;
    dir->at = dir->filled = 0;
    if (!hf_tape_plays(t)) {
        calls.reads++;
        err = lseek(handle, 0, SEEK_SET) < 0 ? describe(errno) : HF_OK;
    }
    if (hf_tape_begin(t, HF_TAPE_FOLDER, 0))
        hf_tape_err(t, &err);
    return err;
}

/* The next record of the kernel's, NULL at the end or on failure (*err). */
static const struct dirent64 *dir_record(hf_dir *dir, hf_err *err)
{
    *err = HF_OK;
    if (dir->at == dir->filled) {
        calls.reads++;
        const ssize_t n = getdents64(dir->handle, dir->buffer, sizeof dir->buffer);
        if (n < 0)
            *err = describe(errno);
        if (n <= 0)
            return NULL;
        dir->at = 0;
        dir->filled = (size_t)n;
    }
    const struct dirent64 *record = (const void *)(dir->buffer + dir->at);
    HF_ASSERT(record->d_reclen > 0 && record->d_reclen <= dir->filled - dir->at);
    dir->at += record->d_reclen;
    return record;
}

static hf_dir_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? HF_DIR_FILE : S_ISDIR(mode) ? HF_DIR_FOLDER : S_ISLNK(mode) ? HF_DIR_LINK : HF_DIR_OTHER;
}

static hf_err next_name(hf_dir *dir, hf_dir_entry *entry, bool *more)
{
    hf_err err;
    const struct dirent64 *record;
    while ((record = dir_record(dir, &err)) != NULL) {
        struct stat st;
        if (strcmp(record->d_name, ".") == 0 || strcmp(record->d_name, "..") == 0)
            continue;
        calls.stats++;
        if (fstatat(dir->handle, record->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* gone between the two calls */
        *entry = (hf_dir_entry){ .name = hf_text(record->d_name), .kind = kind_of(st.st_mode),
                                 .size = (uint64_t)st.st_size, .modified_ns = nanoseconds(st.st_mtim) };
        break;
    }
    *more = record != NULL;
    return err;
}

hf_err hf_dir_next(hf_dir *dir, hf_dir_entry *entry, bool *more)
{
    hf_tape *const t = hf_tape_here;
    hf_err err = HF_OK;
    *more = false;
    *entry = (hf_dir_entry){ .kind = HF_DIR_OTHER };
    if (!hf_tape_plays(t))
        err = next_name(dir, entry, more);
    if (!hf_tape_begin(t, HF_TAPE_NAME, 0))
        return err;
    uint64_t kind = entry->kind;
    size_t length = entry->name.len;
    hf_tape_err(t, &err);
    hf_tape_flag(t, more);
    hf_tape_u64(t, &kind);
    hf_tape_u64(t, &entry->size);
    hf_tape_i64(t, &entry->modified_ns);
    hf_tape_length(t, &length, sizeof dir->buffer);
    if (hf_tape_plays(t))
        entry->name = hf_bytes_make(dir->buffer, length);
    hf_tape_bytes(t, (void *)(uintptr_t)entry->name.ptr, length);
    hf_tape_tell(t);
    entry->kind = kind <= HF_DIR_OTHER ? (hf_dir_kind)kind : HF_DIR_OTHER;
    if (hf_tape_plays(t) && hf_tape_is_over(t))
        *more = false;
    return err;
}
