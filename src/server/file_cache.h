/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread remembers of the files that it serves: facts, a descriptor or the contents, and the header values that
 * go with them. A hot file costs no open, stat or read; each is looked at again at most once in hot_check_ns. What is
 * not there is remembered too, in a place of its own, so that a storm of wrong names pushes out no file.
 *
 * One cache belongs to one thread: nothing here is locked.
 *
 * A file that is too large for that is sent from its descriptor, and watched while it is sent. When it is sent again
 * it is copied into memory that nobody can change (hf_file_fix), and sent from there without another look. One that is in memory
 * and no dwarf gets a front then, which holds it once more (hf_file_expect_fronts).
 *
 * What can be compressed is, when it is first asked for in a coding, and stays so with the entry: a new version of the file
 * is a new entry.
 *
 * Limits: hot_files (entries for files and folders, hence also descriptors; a quarter as many for what is missing),
 * hot_file_bytes, hot_copy_bytes and hot_bytes (contents in memory, as they are, copied and compressed), hot_check_ns, compress_bytes.
 */
#ifndef HF_SERVER_FILE_CACHE_H
#define HF_SERVER_FILE_CACHE_H

#include <handfast/base.h>

#include "date.h"
#include "file.h"
#include "media.h"
#include "negotiate.h"

typedef struct hf_file_cache hf_file_cache;

typedef enum hf_cached_kind { HF_CACHED_FILE, HF_CACHED_FOLDER, HF_CACHED_MISSING, HF_CACHED_FORBIDDEN } hf_cached_kind;

/* Room for what a whole answer says of a file, as HTTP/1 sends it. */
enum { HF_CACHED_LINES = 384 };

/* The same bytes in a coding, made here. */
typedef struct hf_cached_coding {
    hf_encoding encoding;
    uint8_t *bytes;
    size_t size;
    hf_file file;       /* the same as a file in memory, where it has a front */
    bool front_tried;   /* once is enough */
    uint8_t etag_length;
    char etag[72];
    uint16_t lines_length;
    char lines[HF_CACHED_LINES];
} hf_cached_coding;

/* One version of one file (or the knowledge that there is none), counted: it stays as it is, with its descriptor or
 * contents, until the last holder lets go. */
typedef struct hf_cached {
    hf_cached_kind kind;
    hf_encoding encoding;   /* the coding of these bytes */
    hf_found found;         /* file.handle is -1 when the contents are in memory; then file.fixed leads to them where there is a front */
    bool in_memory;
    uint8_t *contents;      /* in_memory: found.file.size bytes; NULL when that is 0 */
    const hf_media *media;
    unsigned variants;      /* of an identity entry: 1 << encoding for each precompressed sibling that may be sent */
    unsigned codable;       /* of an identity entry: 1 << encoding for each coding that can be made of it here */
    hf_cached_coding *coded[HF_ENCODING_COUNT]; /* those made so far */
    uint8_t etag_length;
    char etag[72];          /* strong, with its quotes */
    char last_modified[HF_DATE_LENGTH];
    uint16_t lines_length;  /* ETag, Last-Modified, Accept-Ranges, Content-Type, X-Content-Type-Options, Content-Encoding */
    char lines[HF_CACHED_LINES];

    /* the cache's own */
    hf_file_cache *cache;
    struct hf_cached *chain, *newer, *older;
    hf_time checked;
    uint32_t holders;
    uint32_t hash;
    uint16_t path_length;
    uint8_t root;
    bool linked;
    bool sent_before;  /* the file itself, not a coding of it */
    bool fixing_tried; /* or a front: once is enough for a version */
    char path[];
} hf_cached;

enum { HF_CACHE_ROOTS = 2 };

typedef struct hf_file_cache_options {
    int roots[HF_CACHE_ROOTS]; /* from hf_root_open; -1: none. Lent until close */
    unsigned flags;            /* HF_FILE_... */
    bool precompressed;
    unsigned codings;          /* 1 << encoding for each that may be made here: hf_compress_codings() or fewer */
} hf_file_cache_options;

typedef struct hf_file_cache_counts {
    uint64_t hits, loads, rechecks, evictions, codings;
    size_t files, missing; /* entries now */
    size_t fronts;         /* hf_file_expect_fronts */
    size_t bytes;          /* of contents, those still held by answers included */
} hf_file_cache_counts;

/* NULL when memory ends. Keeps `env`. */
hf_file_cache *hf_file_cache_open(const hf_env *env, const hf_file_cache_options *options);
/* Entries that answers still hold live on until they are released. */
void hf_file_cache_close(hf_file_cache *cache);
/* What lies at `path` (relative, without a slash at the end) below roots[root]. Gives a hold on *entry: hf_cached_release
 * it. HF_ERR_BASE_MEMORY, HF_ERR_IO_DESCRIPTORS (after the coldest descriptors were given up), HF_ERR_IO_SYSTEM. */
hf_err hf_file_cache_get(hf_file_cache *cache, hf_time now, uint8_t root, hf_bytes path, hf_encoding encoding,
                         hf_cached **entry);
/* For these two, `fronts`: whoever sends it can make use of a front (hf_req_takes_fronts).
 * An entry that is held, in one of the codings that it is `codable` in. Lends as long as the hold. NULL: it cannot be, for it
 * would be no smaller (then it is codable so no more), or there is no room for it now. */
const hf_cached_coding *hf_file_cache_code(hf_cached *entry, hf_encoding encoding, bool fronts);
/* The file itself is about to be sent from an entry that is held. Gives the entry to send from, this one or another of the
 * same version, and takes the hold on this one: from the second time on one that needs no watching, where there is room. */
hf_cached *hf_file_cache_sending(hf_cached *entry, bool fronts);
/* In the shape of hf_req_hold's release. NULL is fine. */
void hf_cached_release(void *entry);
hf_file_cache_counts hf_file_cache_count(const hf_file_cache *cache);
/* Gives up to `most` descriptors of the files that were not asked for the longest; how many it was. */
size_t hf_file_cache_shed(hf_file_cache *cache, size_t most);

#endif
