/* SPDX-License-Identifier: Apache-2.0
 *
 * io/file.h - files and folders below a root, from which no name and no link leads out.
 *
 * A path here is relative to its root, "" being the root itself: segments with one '/' between, without "." and "..".
 * The kernel resolves it in one call that cannot be tricked (openat2, RESOLVE_BENEATH); where the kernel has no such
 * call, the path is walked folder by folder, and each step refuses to follow a link. Nothing is ever mapped into
 * memory: a file that shrinks under a mapping kills the reader.
 *
 * Errors: HTTP_NOT_FOUND for whatever is not there, leads out of the root, or is no file and no folder (a FIFO, a
 * device, a socket): which of these it was is not disclosed. HTTP_FORBIDDEN where permission is missing.
 * IO_DESCRIPTORS, BASE_MEMORY, IO_SYSTEM for the rest. errno keeps the system's own word.
 */
#ifndef HF_IO_FILE_H
#define HF_IO_FILE_H

#include <handfast/base.h>
#include <handfast/pier.h>

enum {
    HF_FILE_FOLLOW = 1, /* symbolic links are followed as long as they stay beneath the root; absolute ones never do */
    HF_FILE_WALK = 2    /* walk even where openat2 exists: what old kernels get, kept testable on new ones */
};

/* What a path led to. */
typedef struct hf_found {
    hf_file file;   /* handle is -1 after hf_file_look */
    uint64_t device, inode;
    bool directory; /* else a regular file */
    /* Changed less than two ticks of the kernel's clock ago: one more change could leave no trace in the times. */
    bool fresh;
} hf_found;

/* Opens the folder that paths are resolved beneath. A link in `path` itself is the operator's word and is followed. */
hf_err hf_root_open(const char *path, int *root);
void hf_root_close(int root);

/* Opens a regular file for reading, or a folder for hf_dir_begin, and notes what it is. Never blocks on a FIFO.
 * Gives found->file.handle: hf_file_close it. */
hf_err hf_file_open_beneath(int root, hf_bytes path, unsigned flags, hf_found *found);
/* The same facts without opening the file: for asking whether it is still the one that was opened. */
hf_err hf_file_look(int root, hf_bytes path, unsigned flags, hf_found *found);
/* The same version of the same file. */
bool hf_found_same(const hf_found *a, const hf_found *b);
/* The open file still is as it was noted: size and times. Any doubt is a no. Of a fixed file it is known without a look. */
bool hf_file_unchanged(const hf_file *file);
/* Reads up to `size` bytes from `offset`; *got is less only where the file ends. */
hf_err hf_file_read(const hf_file *file, uint64_t offset, void *to, size_t size, size_t *got);
/* Puts a copy of the open file in its place that nobody can change: `fixed` and `handle` lead to it, and the file itself is
 * closed. False: it changed while it was read, or the system has no room; all is as it was. */
bool hf_file_fix(hf_file *file);
/* Closes and forgets the handle, `fixed` where it came of hf_file_fix, and the front; -1 is fine. */
void hf_file_close(hf_file *file);

/* ---- what is said before a file ------------------------------------------------------------------------------ */

/* The bytes of this one, whose `fixed` never changes (with handle -1, for it is the caller's memory then), are sent whole and often.
 * From now on it remembers what was said before them. Lends `alloc` until hf_file_close. False: memory ended, or all goes on a tape. */
bool hf_file_expect_fronts(hf_file *file, const hf_allocator *alloc);
/* `head` is said, and the whole file behind it. Gives a descriptor of both in one piece, in memory that nobody can change, which stays
 * the file's; -1: there is none, for this head was not said often enough of late. */
int hf_file_fronted(const hf_file *file, hf_bytes head);
/* It holds a descriptor, of its own or of its front. */
bool hf_file_is_open(const hf_file *file);

/* ---- what a folder holds ------------------------------------------------------------------------------------ */

typedef struct hf_dir {
    int handle; /* lent by the caller of hf_dir_begin */
    size_t at, filled;
    _Alignas(8) uint8_t buffer[8192];
} hf_dir;

typedef enum hf_dir_kind { HF_DIR_FILE, HF_DIR_FOLDER, HF_DIR_LINK, HF_DIR_OTHER } hf_dir_kind;

typedef struct hf_dir_entry {
    hf_bytes name; /* lends until the next call */
    hf_dir_kind kind;
    uint64_t size;
    int64_t modified_ns;
} hf_dir_entry;

/* Starts over the folder behind `handle` (from hf_file_open_beneath), which stays the caller's to close. */
hf_err hf_dir_begin(hf_dir *dir, int handle);
/* The next entry but "." and "..", in the folder's own order; *more is false when there was none. */
hf_err hf_dir_next(hf_dir *dir, hf_dir_entry *entry, bool *more);

/* ---- what it cost ------------------------------------------------------------------------------------------- */

/* System calls that this file made in the calling thread so far. */
typedef struct hf_file_calls {
    uint64_t opens, stats, reads, closes;
} hf_file_calls;
hf_file_calls hf_file_calls_made(void);

#endif
