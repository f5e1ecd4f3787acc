/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path below a route to what lies there: a file, a folder's index, its listing, or a refusal.
 */
#include "files.h"

#include "alloc.h"
#include "compress.h"
#include "files_state.h"
#include "listing.h"
#include "service.h"
#include "text.h"

enum { PATH_MOST = 4096 };

static const char *const usual_index[] = { "index.html", NULL };

/* ---- opening ------------------------------------------------------------------------------------------------ */

static hf_err open_roots(hf_files_cache *f)
{
    const hf_files *what = f->what;
    hf_err err = hf_root_open(what->root, &f->roots[HF_ROOT_SITE]);
    if (err.code == 0 && what->error_pages)
        err = hf_root_open(what->error_pages, &f->roots[HF_ROOT_ERRORS]);
    if (err.code != 0)
        return err;
    const hf_file_cache_options options = {
        .roots = { f->roots[HF_ROOT_SITE], f->roots[HF_ROOT_ERRORS] },
        .flags = f->flags,
        .precompressed = !what->no_precompressed,
        .codings = what->no_compression ? 0 : hf_compress_codings(),
    };
    f->cache = hf_file_cache_open(f->env, &options);
    return f->cache ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

hf_files_cache *hf_files_open_with(const hf_files *what, const hf_env *env, unsigned flags, hf_err *err)
{
    *err = hf_err_make(HF_ERR_BASE_USAGE);
    if ((what->root != NULL) == (what->assets != NULL) || (what->assets && !hf_assets_sorted(what->assets, what->asset_count)))
        return NULL;
    hf_files_cache *f = hf_alloc_zeroed(&env->alloc, sizeof *f);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (!f)
        return NULL;
    *f = (hf_files_cache){ .what = what, .env = env, .roots = { -1, -1 } };
    f->flags = flags | (what->follow_symlinks ? HF_FILE_FOLLOW : 0);
    *err = what->root ? open_roots(f) : HF_OK;
    if (err->code == 0)
        return f;
    hf_files_close(f);
    return NULL;
}

hf_files_cache *hf_files_open(const hf_files *what, const hf_env *env, hf_err *err)
{
    return hf_files_open_with(what, env, 0, err);
}

void hf_files_close(hf_files_cache *f)
{
    if (!f)
        return;
    hf_file_cache_close(f->cache);
    for (size_t i = 0; i < HF_CACHE_ROOTS; i++)
        hf_root_close(f->roots[i]);
    hf_free(&f->env->alloc, f, sizeof *f);
}

size_t hf_files_shed(hf_files_cache *f, size_t most)
{
    return f->cache ? hf_file_cache_shed(f->cache, most) : 0;
}

hf_file_cache_counts hf_files_count(const hf_files_cache *f)
{
    return f->cache ? hf_file_cache_count(f->cache) : (hf_file_cache_counts){ 0 };
}

/* ---- a file ------------------------------------------------------------------------------------------------- */

/* The sibling in the best coding that the client takes, or the file itself; *entry is exchanged for it. */
static void exchange(hf_files_cache *f, hf_req *rq, hf_cached **entry)
{
    const hf_cached *plain = *entry;
    const hf_encoding coding = hf_files_choose(hf_req_head(rq), plain->variants);
    hf_cached *coded = NULL;
    if (coding == HF_ENCODING_IDENTITY)
        return;
    const hf_bytes path = hf_bytes_make(plain->path, plain->path_length);
    if (hf_file_cache_get(f->cache, hf_req_now(rq), plain->root, path, coding, &coded).code != 0)
        return;
    /* It may have gone, or the file may have become newer, since the siblings were looked for. */
    if (coded->kind != HF_CACHED_FILE || coded->found.file.modified_ns < plain->found.file.modified_ns) {
        hf_cached_release(coded);
        return;
    }
    hf_cached_release(*entry);
    *entry = coded;
}

/* The file in the best coding that the client takes and that we can make, where it has no sibling that does. */
static const hf_cached_coding *code(hf_req *rq, hf_cached *entry)
{
    if (entry->encoding != HF_ENCODING_IDENTITY || entry->codable == 0)
        return NULL;
    const hf_encoding coding = hf_files_choose(hf_req_head(rq), entry->codable);
    return coding == HF_ENCODING_IDENTITY ? NULL : hf_file_cache_code(entry, coding, hf_req_takes_fronts(rq));
}

/* Gives the hold on `entry` away. */
static hf_err send_file(hf_files_cache *f, hf_req *rq, hf_cached *entry, uint16_t status, bool varies_by_accept)
{
    const bool varies = entry->variants != 0 || entry->codable != 0;
    const char *type = entry->media->type;
    const bool fronts = hf_req_takes_fronts(rq);
    const hf_cached_coding *coded = NULL;
    if (status == 200) {
        exchange(f, rq, &entry);
        coded = code(rq, entry);
    }
    if (!coded)
        entry = hf_file_cache_sending(entry, fronts);
    const int64_t ns = entry->found.file.modified_ns;
    hf_representation what = {
        .type = type,
        .etag = hf_bytes_make(entry->etag, entry->etag_length),
        .last_modified = hf_bytes_make(entry->last_modified, sizeof entry->last_modified),
        .modified = { .s = ns / 1000000000 - (ns % 1000000000 < 0) },
        .encoding = entry->encoding,
        .varies = varies,
        .lines = hf_bytes_make(entry->lines, entry->lines_length),
        .size = entry->found.file.size,
        .file = !entry->in_memory || (fronts && entry->found.file.front) ? &entry->found.file : NULL,
        .bytes = entry->contents,
    };
    if (coded) {
        what.etag = hf_bytes_make(coded->etag, coded->etag_length);
        what.encoding = coded->encoding;
        what.lines = hf_bytes_make(coded->lines, coded->lines_length);
        what.size = coded->size;
        what.file = fronts && coded->file.front ? &coded->file : NULL;
        what.bytes = coded->bytes;
    }
    const hf_sending how = { .status = status, .varies_by_accept = varies_by_accept, .release = hf_cached_release, .held = entry };
    return hf_files_send(f, rq, &what, &how);
}

static hf_err get(hf_files_cache *f, hf_req *rq, uint8_t root, hf_bytes path, hf_cached **entry)
{
    return hf_file_cache_get(f->cache, hf_req_now(rq), root, path, HF_ENCODING_IDENTITY, entry);
}

/* ---- what is not there --------------------------------------------------------------------------------------- */

static hf_err answer_missing(hf_files_cache *f, hf_req *rq, hf_bytes path)
{
    if (f->what->spa && hf_files_is_page(path, hf_req_head(rq)->fields)) {
        hf_cached *entry;
        const hf_err err = get(f, rq, HF_ROOT_SITE, hf_text(f->what->spa), &entry);
        if (err.code != 0)
            return err;
        if (entry->kind == HF_CACHED_FILE)
            return send_file(f, rq, entry, 200, true);
        hf_cached_release(entry);
    }
    return hf_files_refuse(rq, HF_ERR_HTTP_NOT_FOUND);
}

/* ---- a folder ----------------------------------------------------------------------------------------------- */

typedef struct page {
    const hf_allocator *alloc;
    hf_queue body;
} page;

static void free_page(void *what)
{
    page *p = what;
    const hf_allocator *alloc = p->alloc;
    hf_queue_fini(&p->body);
    hf_free(alloc, p, sizeof *p);
}

static hf_err send_page(hf_files_cache *f, hf_req *rq, page *p, bool json)
{
    const struct { const char *name, *value; } fields[] = {
        { "Content-Type", json ? "application/json" : "text/html; charset=utf-8" },
        { "Cache-Control", f->what->cache_control ? f->what->cache_control : "no-cache" },
        { "Vary", "Accept" },
        { "X-Content-Type-Options", "nosniff" },
        { "Content-Security-Policy", json ? "default-src 'none'; frame-ancestors 'none'" : hf_listing_policy },
    };
    const hf_span body = hf_queue_peek(&p->body);
    const hf_extent extent = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(body.ptr, body.len) };
    for (size_t i = 0; i < HF_COUNT(fields); i++) {
        const hf_err err = hf_reply_field(rq, fields[i].name, hf_text(fields[i].value));
        if (err.code != 0) {
            free_page(p);
            return err;
        }
    }
    const hf_err err = hf_req_hold(rq, free_page, p);
    if (err.code != 0) {
        free_page(p);
        return err;
    }
    return hf_reply_extents(rq, 200, &extent, 1);
}

/* JSON for who would rather have it than a page. */
static bool wants_json(hf_fields fields)
{
    return hf_accept_quality(fields, hf_text("application/json")) > hf_accept_quality(fields, hf_text("text/html"));
}

static hf_err answer_listing(hf_files_cache *f, hf_req *rq, hf_bytes path)
{
    const hf_allocator *a = &f->env->alloc;
    const bool json = wants_json(hf_req_head(rq)->fields);
    hf_listing listing;
    const hf_err err = hf_listing_read(&listing, f->env, f->roots[HF_ROOT_SITE], path, f->flags, f->what->hidden);
    page *p = err.code == 0 ? hf_alloc(a, sizeof *p) : NULL;
    bool written = false;
    if (p) {
        *p = (page){ .alloc = a };
        hf_queue_init(&p->body, a);
        written = (json ? hf_listing_write_json : hf_listing_write_html)(&listing, hf_req_path(rq), &p->body);
    }
    hf_listing_fini(&listing);
    if (err.code == HF_ERR_IO_SYSTEM || err.code == HF_ERR_BASE_MEMORY)
        return err;
    if (err.code != 0)
        return hf_files_refuse(rq, err.code);
    if (written)
        return send_page(f, rq, p, json);
    if (p)
        free_page(p);
    return hf_err_make(HF_ERR_BASE_MEMORY);
}

/* The folder's index if it has one; *found says so. */
static hf_err answer_index(hf_files_cache *f, hf_req *rq, hf_bytes path, bool *found)
{
    uint8_t buffer[PATH_MOST];
    *found = false;
    for (const char *const *name = f->what->index ? f->what->index : usual_index; *name; name++) {
        hf_cached *entry;
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_write(&w, path);
        hf_write_text(&w, path.len > 0 ? "/" : "");
        hf_write_text(&w, *name);
        if (w.overflowed)
            continue;
        const hf_err err = get(f, rq, HF_ROOT_SITE, hf_written(&w), &entry);
        *found = err.code != 0 || entry->kind == HF_CACHED_FILE || entry->kind == HF_CACHED_FORBIDDEN;
        if (err.code != 0)
            return err;
        if (entry->kind == HF_CACHED_FILE)
            return send_file(f, rq, entry, 200, false);
        hf_cached_release(entry);
        if (*found)
            return hf_files_refuse(rq, HF_ERR_HTTP_FORBIDDEN);
    }
    return HF_OK;
}

static hf_err answer_folder(hf_files_cache *f, hf_req *rq, hf_bytes path)
{
    bool found;
    const hf_err err = answer_index(f, rq, path, &found);
    if (found)
        return err;
    return f->what->listing ? answer_listing(f, rq, path) : answer_missing(f, rq, path);
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

bool hf_files_answer_error(hf_files_cache *f, hf_req *rq, uint16_t status)
{
    char name[16];
    hf_cached *entry;
    const hf_fields fields = hf_req_head(rq)->fields;
    hf_writer w = hf_writer_make(name, sizeof name);
    if (!f->what->error_pages || status < 400 || status > 599
        || hf_accept_quality(fields, hf_text("text/html")) == 0
        || hf_accept_quality(fields, hf_text("text/html")) < hf_accept_quality(fields, hf_text("application/problem+json")))
        return false;
    hf_write_decimal(&w, status);
    hf_write_text(&w, ".html");
    if (f->what->assets)
        return hf_assets_answer_error(f, rq, hf_written(&w));
    if (get(f, rq, HF_ROOT_ERRORS, hf_written(&w), &entry).code != 0)
        return false;
    if (entry->kind == HF_CACHED_FILE)
        return send_file(f, rq, entry, status, false).code == 0;
    hf_cached_release(entry);
    return false;
}

/* ---- the way in --------------------------------------------------------------------------------------------- */

static hf_err answer_found(hf_files_cache *f, hf_req *rq, hf_bytes path, bool slash, hf_cached *entry)
{
    const hf_cached_kind kind = entry->kind;
    if (kind == HF_CACHED_FILE && !slash)
        return send_file(f, rq, entry, 200, false);
    hf_cached_release(entry);
    switch (kind) {
    case HF_CACHED_FOLDER:
        return slash ? answer_folder(f, rq, path) : hf_files_redirect(rq);
    case HF_CACHED_FORBIDDEN:
        return hf_files_refuse(rq, HF_ERR_HTTP_FORBIDDEN);
    case HF_CACHED_FILE: /* "file/" names something in a folder that is none */
        return hf_files_refuse(rq, HF_ERR_HTTP_NOT_FOUND);
    case HF_CACHED_MISSING:
        break;
    }
    return answer_missing(f, rq, path);
}

static hf_err answer(hf_files_cache *f, hf_req *rq, hf_bytes path)
{
    if (path.len >= PATH_MOST || !hf_files_path_valid(path, f->what->hidden))
        return hf_files_refuse(rq, HF_ERR_HTTP_NOT_FOUND);
    const bool slash = path.len == 0 || path.ptr[path.len - 1] == '/';
    const hf_bytes name = hf_bytes_make(path.ptr, path.len > 0 && slash ? path.len - 1 : path.len);
    hf_cached *entry;
    const hf_err err = get(f, rq, HF_ROOT_SITE, name, &entry);
    return err.code != 0 ? err : answer_found(f, rq, name, slash, entry);
}

hf_err hf_files_answer(hf_files_cache *f, hf_req *rq, hf_bytes path)
{
    if (f->what->assets)
        return hf_assets_answer(f, rq, path);
    const hf_err err = answer(f, rq, path);
    /* Only looking for the file says this, which comes before any answer. */
    return err.code == HF_ERR_IO_DESCRIPTORS ? hf_files_refuse(rq, err.code) : err;
}
