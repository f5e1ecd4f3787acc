/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table with two lists in order of use: what is there, and what is missing.
 */
#include "file_cache.h"

#include "alloc.h"
#include "compress.h"
#include "panic.h"
#include "random.h"
#include "text.h"

enum {
    PATH_MOST = 4096,
    BUCKETS_MOST = 65536,
    VERSIONS_TRIED = 3,
    SHED_AT_ONCE = 32,
    FRONT_LEAST = 5 * 1024, /* bytes: to copy fewer costs the kernel less than to lend them */
};

typedef struct list {
    hf_cached *newest, *oldest;
    size_t count;
} list;

struct hf_file_cache {
    const hf_env *env;
    hf_file_cache_options options;
    hf_cached **buckets;
    uint32_t bucket_count; /* a power of two */
    uint64_t seed;
    list there, missing;
    size_t alive;          /* entries that exist, linked or only held */
    bool closed;
    hf_file_cache_counts counts;
};

static const char *const suffixes[HF_ENCODING_COUNT] = {
    [HF_ENCODING_IDENTITY] = "", [HF_ENCODING_GZIP] = ".gz", [HF_ENCODING_BR] = ".br", [HF_ENCODING_ZSTD] = ".zst",
};

/* ---- lists and the table ------------------------------------------------------------------------------------ */

static list *list_of(hf_cached *e)
{
    return e->kind == HF_CACHED_FILE || e->kind == HF_CACHED_FOLDER ? &e->cache->there : &e->cache->missing;
}

static void list_remove(hf_cached *e)
{
    list *l = list_of(e);
    *(e->newer ? &e->newer->older : &l->newest) = e->older;
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
    e->newer = e->older = NULL;
    l->count--;
}

static void list_push(hf_cached *e)
{
    list *l = list_of(e);
    e->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
    l->count++;
}

/* Seeded, so that nobody can choose names that all fall into one bucket. */
static uint32_t hash_of(const hf_file_cache *c, uint8_t root, hf_encoding encoding, hf_bytes path)
{
    uint64_t h = c->seed ^ ((uint64_t)path.len << 16 | (uint64_t)root << 8 | (uint64_t)encoding);
    for (size_t i = 0; i < path.len; i += sizeof h) { /* eight bytes a time */
        uint64_t part = 0;
        memcpy(&part, path.ptr + i, path.len - i < sizeof part ? path.len - i : sizeof part);
        /* the whole product folded: a multiplication alone moves no bit downwards, and differences could be made to cancel */
        const __uint128_t wide = (__uint128_t)(h ^ part) * (c->seed | 1);
        h = (uint64_t)wide ^ (uint64_t)(wide >> 64) ^ UINT64_C(0x9e3779b97f4a7c15);
    }
    return (uint32_t)(h ^ h >> 32);
}

static hf_cached **bucket_of(hf_file_cache *c, uint32_t hash)
{
    return &c->buckets[hash & (c->bucket_count - 1)];
}

static hf_cached *look_up(hf_file_cache *c, uint32_t hash, uint8_t root, hf_encoding encoding, hf_bytes path)
{
    for (hf_cached *e = *bucket_of(c, hash); e; e = e->chain)
        if (e->hash == hash && e->root == root && e->encoding == encoding
            && hf_bytes_equal(hf_bytes_make(e->path, e->path_length), path))
            return e;
    return NULL;
}

static void free_coding(hf_cached *e, hf_encoding encoding)
{
    hf_cached_coding *coded = e->coded[encoding];
    if (!coded)
        return;
    e->cache->counts.bytes -= coded->file.front != NULL ? 2 * coded->size : coded->size;
    e->cache->counts.fronts -= coded->file.front != NULL;
    hf_file_close(&coded->file);
    hf_free(&e->cache->env->alloc, coded->bytes, coded->size);
    hf_free(&e->cache->env->alloc, coded, sizeof *coded);
}

static void destroy(hf_cached *e)
{
    hf_file_cache *c = e->cache;
    const hf_allocator *a = &c->env->alloc;
    for (hf_encoding coding = HF_ENCODING_GZIP; coding < HF_ENCODING_COUNT; coding++)
        free_coding(e, coding);
    if (e->found.file.fixed)
        c->counts.bytes -= (size_t)e->found.file.size;
    c->counts.fronts -= e->found.file.front != NULL;
    hf_file_close(&e->found.file);
    if (e->contents) {
        hf_free(a, e->contents, (size_t)e->found.file.size);
        c->counts.bytes -= (size_t)e->found.file.size;
    }
    hf_free(a, e, sizeof *e + e->path_length);
    c->alive--;
    if (c->closed && c->alive == 0)
        hf_free(a, c, sizeof *c);
}

void hf_cached_release(void *entry)
{
    hf_cached *e = entry;
    if (!e)
        return;
    HF_ASSERT(e->holders > 0);
    if (--e->holders == 0)
        destroy(e);
}

static void link_in(hf_cached *e)
{
    hf_cached **bucket = bucket_of(e->cache, e->hash);
    e->chain = *bucket;
    *bucket = e;
    e->linked = true;
    e->holders++;
    list_push(e);
}

/* Out of the table; whoever holds it keeps it. */
static void unlink_entry(hf_cached *e)
{
    hf_cached **at = bucket_of(e->cache, e->hash);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    e->linked = false;
    list_remove(e);
    hf_cached_release(e);
}

static void evict(hf_cached *e)
{
    e->cache->counts.evictions++;
    unlink_entry(e);
}

static void trim(list *l, uint64_t most)
{
    while (l->count > most)
        evict(l->oldest);
}

static bool holds_descriptor(const hf_cached *e)
{
    for (hf_encoding coding = HF_ENCODING_GZIP; coding < HF_ENCODING_COUNT; coding++)
        if (e->coded[coding] && hf_file_is_open(&e->coded[coding]->file))
            return true;
    return hf_file_is_open(&e->found.file);
}

size_t hf_file_cache_shed(hf_file_cache *c, size_t most)
{
    size_t shed = 0;
    for (hf_cached *e = c->there.oldest, *newer; e && shed < most; e = newer) {
        newer = e->newer;
        if (e->holders == 1 && holds_descriptor(e)) {
            evict(e);
            shed++;
        }
    }
    return shed;
}

static bool holds_bytes(const hf_cached *e)
{
    for (hf_encoding coding = HF_ENCODING_GZIP; coding < HF_ENCODING_COUNT; coding++)
        if (e->coded[coding])
            return true;
    return e->contents != NULL || e->found.file.fixed != NULL;
}

/* Makes room for `size` bytes of contents by giving up cold ones; false when there is none to be made. */
static bool make_room(hf_file_cache *c, uint64_t size)
{
    const hf_limits *limits = c->env->limits;
    if (size > limits->hot_bytes)
        return false;
    for (hf_cached *e = c->there.oldest, *newer; e && c->counts.bytes + size > limits->hot_bytes; e = newer) {
        newer = e->newer;
        if (e->holders == 1 && holds_bytes(e))
            evict(e);
    }
    return c->counts.bytes + size <= limits->hot_bytes;
}

/* ---- what a file is made known by --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) + b;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* RFC 9110 8.8.1: a strong validator "changes value whenever a change occurs to the representation data". The time of
 * the inode's change catches a rewrite that restores the modification time, the inode a rename over the old file. Both
 * only go in mixed: an inode's number tells about the disk. 8.8.3.3: each coding has a tag of its own. */
static uint8_t write_etag(const hf_cached *e, hf_encoding encoding, char *text, size_t size)
{
    static const char *const marks[HF_ENCODING_COUNT] = { "", "-gz", "-br", "-zst" };
    const hf_file *f = &e->found.file;
    hf_writer w = hf_writer_make(text, size);
    hf_write_byte(&w, '"');
    hf_write_hex(&w, (uint64_t)f->modified_ns);
    hf_write_byte(&w, '-');
    hf_write_hex(&w, f->size);
    hf_write_byte(&w, '-');
    hf_write_hex(&w, mix(e->found.inode, (uint64_t)f->changed_ns));
    hf_write_text(&w, marks[encoding]);
    hf_write_byte(&w, '"');
    HF_ASSERT(!w.overflowed);
    return (uint8_t)w.length;
}

/* The fields that depend on nothing but the file and its coding. 0: they do not fit. */
static uint16_t write_lines(const hf_cached *e, hf_encoding encoding, hf_bytes etag, char *text)
{
    hf_writer w = hf_writer_make(text, HF_CACHED_LINES);
    hf_write_text(&w, "ETag: ");
    hf_write(&w, etag);
    hf_write_text(&w, "\r\nLast-Modified: ");
    hf_write(&w, hf_bytes_make(e->last_modified, sizeof e->last_modified));
    hf_write_text(&w, "\r\nAccept-Ranges: bytes\r\nContent-Type: ");
    hf_write_text(&w, e->media->type);
    /* The type is ours to say; a browser that guesses can be made to run what was only to be shown. */
    hf_write_text(&w, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (encoding != HF_ENCODING_IDENTITY) {
        hf_write_text(&w, "Content-Encoding: ");
        hf_write_text(&w, hf_encoding_name(encoding));
        hf_write_text(&w, "\r\n");
    }
    return w.overflowed ? 0 : (uint16_t)w.length;
}

static void write_validators(hf_cached *e)
{
    const hf_file *f = &e->found.file;
    e->etag_length = write_etag(e, e->encoding, e->etag, sizeof e->etag);
    hf_writer w = hf_writer_make(e->last_modified, sizeof e->last_modified);
    hf_date_write(&w, (hf_wall){ .s = f->modified_ns / 1000000000 - (f->modified_ns % 1000000000 < 0) });
    e->lines_length = write_lines(e, e->encoding, hf_bytes_make(e->etag, e->etag_length), e->lines);
}

/* path and suffix in one; false when that is longer than any path. */
static bool name_of(const hf_cached *e, hf_encoding encoding, uint8_t buffer[PATH_MOST], hf_bytes *name)
{
    hf_writer w = hf_writer_make(buffer, PATH_MOST);
    hf_write(&w, hf_bytes_make(e->path, e->path_length));
    hf_write_text(&w, suffixes[encoding]);
    *name = hf_written(&w);
    return !w.overflowed;
}

/* The precompressed siblings that may stand for the file: not older than it, for an older one is another version. */
static unsigned variants_of(const hf_cached *e)
{
    const hf_file_cache *c = e->cache;
    unsigned variants = 0;
    if (!c->options.precompressed || e->kind != HF_CACHED_FILE || e->encoding != HF_ENCODING_IDENTITY || !e->media->compressible)
        return 0;
    for (hf_encoding coding = HF_ENCODING_GZIP; coding < HF_ENCODING_COUNT; coding++) {
        uint8_t buffer[PATH_MOST];
        hf_bytes name;
        hf_found found;
        if (name_of(e, coding, buffer, &name) && hf_file_look(c->options.roots[e->root], name, c->options.flags, &found).code == 0
            && !found.directory && found.file.modified_ns >= e->found.file.modified_ns)
            variants |= 1u << coding;
    }
    return variants;
}

/* ---- compressing -------------------------------------------------------------------------------------------- */

/* The codings that can be made of it. */
static unsigned codable(const hf_cached *e)
{
    const hf_file_cache *c = e->cache;
    const uint64_t size = e->found.file.size;
    const bool can = e->kind == HF_CACHED_FILE && e->encoding == HF_ENCODING_IDENTITY && e->media->compressible
        && size >= HF_COMPRESS_LEAST && size <= c->env->limits->compress_bytes;
    return can ? c->options.codings : 0;
}

/* The contents of a file that is too large to be kept as it is; NULL when they cannot be had. */
static uint8_t *read_whole(const hf_cached *e)
{
    const hf_allocator *a = &e->cache->env->alloc;
    const size_t size = (size_t)e->found.file.size;
    uint8_t *contents = hf_alloc(a, size);
    size_t got = 0;
    if (contents && hf_file_read(&e->found.file, 0, contents, size, &got).code == 0 && got == size
        && hf_file_unchanged(&e->found.file))
        return contents;
    hf_free(a, contents, size);
    return NULL;
}

/* False: it could not be had now. Else *out is what became of it, with ptr NULL when it would be no smaller. */
static bool compress(const hf_cached *e, hf_encoding encoding, hf_span *out)
{
    const hf_env *env = e->cache->env;
    uint8_t *contents = e->in_memory ? e->contents : read_whole(e);
    const hf_extent piece = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(contents, (size_t)e->found.file.size) };
    if (!contents)
        return false;
    const hf_err err = hf_compress_whole(env, encoding, &piece, 1, out);
    if (!e->in_memory)
        hf_free(&env->alloc, contents, piece.bytes.len);
    return err.code == 0;
}

/* `file`, whose bytes in memory are asked for again, gets a front where that pays and there is room for them once more. */
static void expect_fronts(hf_file_cache *c, hf_file *file, const uint8_t *bytes)
{
    const size_t size = (size_t)file->size;
    if (size < FRONT_LEAST || c->counts.fronts >= c->env->limits->hot_fronts || !make_room(c, size))
        return;
    file->fixed = bytes;
    if (hf_file_expect_fronts(file, &c->env->alloc)) {
        c->counts.bytes += size;
        c->counts.fronts++;
    } else
        file->fixed = NULL;
}

static const hf_cached_coding *code_again(hf_cached *e, hf_encoding encoding, bool fronts)
{
    hf_cached_coding *coded = e->coded[encoding];
    if (fronts && !coded->front_tried && e->linked && !e->cache->closed) {
        coded->front_tried = true;
        coded->file = (hf_file){ .handle = -1, .size = coded->size };
        expect_fronts(e->cache, &coded->file, coded->bytes);
    }
    return coded;
}

const hf_cached_coding *hf_file_cache_code(hf_cached *e, hf_encoding encoding, bool fronts)
{
    hf_file_cache *c = e->cache;
    hf_span bytes;
    HF_ASSERT(encoding < HF_ENCODING_COUNT && e->holders > 0);
    if (e->coded[encoding])
        return code_again(e, encoding, fronts);
    if ((e->codable & 1u << encoding) == 0 || c->closed || !make_room(c, e->found.file.size) || !compress(e, encoding, &bytes))
        return NULL;
    if (!bytes.ptr) {
        e->codable &= ~(1u << encoding);
        return NULL;
    }
    hf_cached_coding *coded = hf_alloc(&c->env->alloc, sizeof *coded);
    if (!coded) {
        hf_free(&c->env->alloc, bytes.ptr, bytes.len);
        return NULL;
    }
    *coded = (hf_cached_coding){ .encoding = encoding, .bytes = bytes.ptr, .size = bytes.len, .file.handle = -1 };
    coded->etag_length = write_etag(e, encoding, coded->etag, sizeof coded->etag);
    coded->lines_length = write_lines(e, encoding, hf_bytes_make(coded->etag, coded->etag_length), coded->lines);
    c->counts.bytes += bytes.len;
    c->counts.codings++;
    e->coded[encoding] = coded;
    return coded;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

typedef hf_err opener(int root, hf_bytes path, unsigned flags, hf_found *found);

/* Opens or looks; out of descriptors, cold ones are given up and it is tried once more. */
static hf_err reach(hf_file_cache *c, opener *how, uint8_t root, hf_bytes name, hf_found *found)
{
    const hf_err err = how(c->options.roots[root], name, c->options.flags, found);
    if (err.code != HF_ERR_IO_DESCRIPTORS || hf_file_cache_shed(c, SHED_AT_ONCE) == 0)
        return err;
    return how(c->options.roots[root], name, c->options.flags, found);
}

/* Takes the contents into memory when they are small. False: the file changed while it was read. */
static bool take_in(hf_cached *e)
{
    hf_file_cache *c = e->cache;
    hf_file *f = &e->found.file;
    size_t got = 0;
    if (f->size > c->env->limits->hot_file_bytes || !make_room(c, f->size))
        return true;
    uint8_t *contents = f->size > 0 ? hf_alloc(&c->env->alloc, (size_t)f->size) : NULL;
    if (f->size > 0 && !contents)
        return true; /* then it is sent from the file */
    const hf_err err = f->size > 0 ? hf_file_read(f, 0, contents, (size_t)f->size, &got) : HF_OK;
    const bool whole = err.code == 0 && got == f->size;
    const bool same = hf_file_unchanged(f);
    if (!whole || !same) {
        hf_free(&c->env->alloc, contents, (size_t)f->size);
        return whole || same;
    }
    e->in_memory = true;
    e->contents = contents;
    c->counts.bytes += (size_t)f->size;
    hf_file_close(f);
    return true;
}

/* Finds out what the entry's path leads to. */
static hf_err load(hf_cached *e)
{
    hf_file_cache *c = e->cache;
    uint8_t buffer[PATH_MOST];
    hf_bytes name;
    hf_err err = hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    c->counts.loads++;
    for (unsigned tried = 0; name_of(e, e->encoding, buffer, &name); tried++) {
        err = reach(c, hf_file_open_beneath, e->root, name, &e->found);
        if (err.code == HF_ERR_HTTP_FORBIDDEN && reach(c, hf_file_look, e->root, name, &e->found).code == 0 && e->found.directory)
            err = HF_OK; /* a folder that may be passed through but not read can still have an index */
        /* A file that is written all the time is sent from its descriptor, and the change ends that answer. */
        if (err.code != 0 || e->found.directory || tried == VERSIONS_TRIED || take_in(e))
            break;
        hf_file_close(&e->found.file);
    }
    if (err.code == HF_ERR_HTTP_NOT_FOUND || err.code == HF_ERR_HTTP_FORBIDDEN) {
        e->kind = err.code == HF_ERR_HTTP_NOT_FOUND ? HF_CACHED_MISSING : HF_CACHED_FORBIDDEN;
        return HF_OK;
    }
    if (err.code != 0)
        return err;
    e->kind = e->found.directory ? HF_CACHED_FOLDER : HF_CACHED_FILE;
    if (e->found.directory)
        hf_file_close(&e->found.file);
    e->media = hf_media_by_name(hf_bytes_make(e->path, e->path_length));
    write_validators(e);
    e->variants = variants_of(e);
    e->codable = codable(e);
    return HF_OK;
}

/* Is what the entry says still so? The answer stands for the next hot_check_ns. */
static bool still_so(hf_cached *e, hf_time now)
{
    hf_file_cache *c = e->cache;
    uint8_t buffer[PATH_MOST];
    hf_bytes name;
    hf_found found;
    c->counts.rechecks++;
    hf_err err = hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    if (name_of(e, e->encoding, buffer, &name))
        err = reach(c, hf_file_look, e->root, name, &found);
    switch (e->kind) {
    case HF_CACHED_MISSING:
        if (err.code != HF_ERR_HTTP_NOT_FOUND)
            return false;
        break;
    case HF_CACHED_FORBIDDEN:
        return false; /* a look needs no permission to read: only opening tells */
    case HF_CACHED_FOLDER:
        if (err.code != 0 || !found.directory)
            return false;
        break;
    case HF_CACHED_FILE:
        /* Without a descriptor to look with, the last version we know is better than no answer. */
        if (err.code == HF_ERR_IO_DESCRIPTORS)
            return true;
        if (err.code != 0 || e->found.fresh || !hf_found_same(&found, &e->found))
            return false;
        e->variants = variants_of(e);
        break;
    }
    e->checked = now;
    return true;
}

static hf_err make(hf_file_cache *c, hf_time now, uint32_t hash, uint8_t root, hf_bytes path, hf_encoding encoding, hf_cached **entry)
{
    hf_cached *e = hf_alloc_zeroed(&c->env->alloc, sizeof *e + path.len);
    if (!e)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    e->cache = c;
    e->found.file.handle = -1;
    e->encoding = encoding;
    e->checked = now;
    e->holders = 1;
    e->hash = hash;
    e->root = root;
    e->path_length = (uint16_t)path.len;
    if (path.len > 0)
        memcpy(e->path, path.ptr, path.len);
    c->alive++;
    const hf_err err = load(e);
    if (err.code != 0) {
        hf_cached_release(e);
        return err;
    }
    link_in(e);
    *entry = e;
    return HF_OK;
}

hf_err hf_file_cache_get(hf_file_cache *c, hf_time now, uint8_t root, hf_bytes path, hf_encoding encoding, hf_cached **entry)
{
    HF_ASSERT(root < HF_CACHE_ROOTS && encoding < HF_ENCODING_COUNT && path.len <= UINT16_MAX);
    const hf_limits *limits = c->env->limits;
    const uint32_t hash = hash_of(c, root, encoding, path);
    hf_cached *e = look_up(c, hash, root, encoding, path);
    *entry = NULL;
    if (e && now.ns - e->checked.ns >= (int64_t)limits->hot_check_ns) {
        e->holders++; /* looking again may evict others, never this one */
        const bool keep = still_so(e, now);
        if (!keep && e->linked)
            unlink_entry(e);
        hf_cached_release(e);
        if (!keep)
            e = NULL;
    }
    if (e) {
        c->counts.hits++;
        if (list_of(e)->newest != e) {
            list_remove(e);
            list_push(e);
        }
        e->holders++;
        *entry = e;
        return HF_OK;
    }
    const hf_err err = make(c, now, hash, root, path, encoding, entry);
    if (err.code != 0)
        return err;
    trim(&c->there, limits->hot_files);
    trim(&c->missing, limits->hot_files / 4);
    return HF_OK;
}

/* Only while no other answer is under way with it: one that began with the file itself must go on watching it, for the
 * network may still hold pages of it that change when it does. */
static void fix(hf_cached *e)
{
    hf_file_cache *c = e->cache;
    HF_ASSERT(e->holders == 2); /* the table and our caller */
    e->fixing_tried = true;
    if (make_room(c, e->found.file.size) && hf_file_fix(&e->found.file))
        c->counts.bytes += (size_t)e->found.file.size;
}

hf_cached *hf_file_cache_sending(hf_cached *e, bool fronts)
{
    hf_file_cache *c = e->cache;
    const bool again = e->sent_before;
    hf_cached *next;
    HF_ASSERT(e->kind == HF_CACHED_FILE && e->holders > 0);
    e->sent_before = true;
    if (!again || e->fixing_tried || !e->linked || c->closed || e->found.file.size == 0)
        return e;
    if (e->in_memory) {
        e->fixing_tried = fronts;
        if (fronts)
            expect_fronts(c, &e->found.file, e->contents);
        return e;
    }
    if (e->found.file.size > c->env->limits->hot_copy_bytes)
        return e;
    if (e->holders == 2) {
        fix(e);
        return e;
    }
    if (holds_bytes(e)) /* made with effort: wait until it is free */
        return e;
    const hf_time checked = e->checked;
    hf_cached *old = e;
    unlink_entry(e); /* the other answers keep it */
    if (make(c, checked, old->hash, old->root, hf_bytes_make(old->path, old->path_length), old->encoding, &next).code != 0)
        return old;
    if (next->kind != HF_CACHED_FILE || !hf_found_same(&next->found, &old->found)) { /* it changed: for the next answer */
        hf_cached_release(next);
        return old;
    }
    next->sent_before = true;
    if (!next->in_memory)
        fix(next);
    hf_cached_release(old);
    return next;
}

/* ---- the cache ---------------------------------------------------------------------------------------------- */

hf_file_cache *hf_file_cache_open(const hf_env *env, const hf_file_cache_options *options)
{
    uint32_t buckets = 16;
    while (buckets < env->limits->hot_files && buckets < BUCKETS_MOST)
        buckets *= 2;
    hf_file_cache *c = hf_alloc_zeroed(&env->alloc, sizeof *c);
    hf_cached **table = c ? hf_alloc_zeroed(&env->alloc, buckets * sizeof *table) : NULL;
    if (!table) {
        hf_free(&env->alloc, c, sizeof *c);
        return NULL;
    }
    c->env = env;
    c->options = *options;
    c->buckets = table;
    c->bucket_count = buckets;
    c->seed = hf_random_next(env->random);
    return c;
}

void hf_file_cache_close(hf_file_cache *c)
{
    if (!c)
        return;
    const hf_env *env = c->env;
    while (c->there.oldest)
        unlink_entry(c->there.oldest);
    while (c->missing.oldest)
        unlink_entry(c->missing.oldest);
    hf_free(&env->alloc, c->buckets, c->bucket_count * sizeof *c->buckets);
    c->buckets = NULL;
    c->closed = true;
    if (c->alive == 0)
        hf_free(&env->alloc, c, sizeof *c);
}

hf_file_cache_counts hf_file_cache_count(const hf_file_cache *c)
{
    hf_file_cache_counts counts = c->counts;
    counts.files = c->there.count;
    counts.missing = c->missing.count;
    return counts;
}
