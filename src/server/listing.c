/* SPDX-License-Identifier: Apache-2.0
 *
 * Names come from whoever may write to the folder, so every one is escaped: for HTML in text, for URLs in links.
 */
#include "listing.h"

#include <stdlib.h>
#include <time.h>

#include "alloc.h"
#include "file.h"
#include "target.h"
#include "text.h"

/* The hash below is that of this text: change one, change the other (a test compares them). */
#define STYLE \
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}" \
    "table{border-collapse:collapse;width:100%}" \
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #8884}" \
    "td+td,th+th{text-align:right;white-space:nowrap}td{overflow-wrap:anywhere}"

const char hf_listing_policy[] = "default-src 'none'; style-src 'sha256-ZxB5rdw7lYT5kmWyJl7/8Wl2hRfHqtFUJm1fTfoaWTQ='; "
                                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool add_row(hf_listing *l, const hf_dir_entry *entry, bool folder)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        hf_listing_row *rows = hf_resize(l->alloc, l->rows, l->capacity * sizeof *rows, capacity * sizeof *rows);
        if (!rows)
            return false;
        l->rows = rows;
        l->capacity = capacity;
    }
    const size_t name = hf_queue_length(&l->names);
    if (name > UINT32_MAX - entry->name.len || !hf_queue_append(&l->names, entry->name))
        return false;
    l->rows[l->count++] = (hf_listing_row){ .name = (uint32_t)name, .name_length = (uint16_t)entry->name.len,
        .folder = folder, .size = entry->size, .modified_ns = entry->modified_ns };
    return true;
}

/* Finds out where a link leads; false when it leads nowhere we serve. */
static bool resolve(int root, hf_bytes folder, unsigned flags, hf_dir_entry *entry)
{
    uint8_t buffer[4096];
    hf_found found;
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_write(&w, folder);
    hf_write_text(&w, folder.len > 0 ? "/" : "");
    hf_write(&w, entry->name);
    if (!(flags & HF_FILE_FOLLOW) || w.overflowed || hf_file_look(root, hf_written(&w), flags, &found).code != 0)
        return false;
    entry->kind = found.directory ? HF_DIR_FOLDER : HF_DIR_FILE;
    entry->size = found.file.size;
    entry->modified_ns = found.file.modified_ns;
    return true;
}

static bool shown(const hf_dir_entry *entry, bool hidden)
{
    static const hf_bytes well_known = HF_LITERAL(".well-known");
    if (memchr(entry->name.ptr, '\\', entry->name.len)) /* no request can name it: hf_path_normalise */
        return false;
    return hidden || entry->name.ptr[0] != '.' || hf_bytes_equal(entry->name, well_known);
}

static hf_err read_rows(hf_listing *l, const hf_env *env, hf_dir *dir, int root, hf_bytes path, unsigned flags, bool hidden)
{
    hf_dir_entry entry;
    bool more;
    for (;;) {
        const hf_err err = hf_dir_next(dir, &entry, &more);
        if (err.code != 0 || !more)
            return err;
        if (!shown(&entry, hidden) || entry.kind == HF_DIR_OTHER)
            continue;
        if (entry.kind == HF_DIR_LINK && !resolve(root, path, flags, &entry))
            continue;
        if (l->count >= env->limits->listing_entries) {
            l->complete = false;
            return HF_OK;
        }
        if (!add_row(l, &entry, entry.kind == HF_DIR_FOLDER))
            return hf_err_make(HF_ERR_BASE_MEMORY);
    }
}

static hf_bytes name_of(const hf_listing *l, const hf_listing_row *row)
{
    return hf_bytes_make(hf_queue_peek(&l->names).ptr + row->name, row->name_length);
}

static int compare(const void *a, const void *b, void *ctx)
{
    const hf_listing_row *left = a, *right = b;
    if (left->folder != right->folder)
        return left->folder ? -1 : 1;
    const hf_bytes one = name_of(ctx, left), two = name_of(ctx, right);
    const int order = memcmp(one.ptr, two.ptr, one.len < two.len ? one.len : two.len);
    return order != 0 ? order : (one.len > two.len) - (one.len < two.len);
}

hf_err hf_listing_read(hf_listing *l, const hf_env *env, int root, hf_bytes path, unsigned flags, bool hidden)
{
    *l = (hf_listing){ .alloc = &env->alloc, .complete = true };
    hf_queue_init(&l->names, &env->alloc);
    hf_found folder;
    hf_err err = hf_file_open_beneath(root, path, flags, &folder);
    if (err.code != 0)
        return err;
    hf_dir dir;
    err = folder.directory ? hf_dir_begin(&dir, folder.file.handle) : hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    if (err.code == 0)
        err = read_rows(l, env, &dir, root, path, flags, hidden);
    hf_file_close(&folder.file);
    if (err.code == 0 && l->count > 1)
        qsort_r(l->rows, l->count, sizeof *l->rows, compare, l);
    return err;
}

void hf_listing_fini(hf_listing *l)
{
    hf_free(l->alloc, l->rows, l->capacity * sizeof *l->rows);
    hf_queue_fini(&l->names);
    l->rows = NULL;
    l->count = l->capacity = 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static bool put(hf_queue *out, const char *text)
{
    return hf_queue_append(out, hf_text(text));
}

/* Appends what `write` makes of `b`: at most six bytes of each. */
static bool put_with(hf_queue *out, void (*write)(hf_writer *, hf_bytes), hf_bytes b)
{
    const hf_span room = hf_queue_reserve(out, 6 * b.len);
    if (!room.ptr)
        return false;
    hf_writer w = hf_writer_make(room.ptr, room.len);
    write(&w, b);
    hf_queue_commit(out, w.length);
    return !w.overflowed;
}

static bool put_number(hf_queue *out, uint64_t n)
{
    uint8_t digits[20];
    hf_writer w = hf_writer_make(digits, sizeof digits);
    hf_write_decimal(&w, n);
    return hf_queue_append(out, hf_written(&w));
}

/* "1.5 KiB" */
static bool put_size(hf_queue *out, uint64_t n)
{
    static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
    unsigned unit = 0;
    uint64_t tenths = 0;
    for (; n >= 1024; unit++) {
        tenths = n % 1024 * 10 / 1024;
        n /= 1024;
    }
    if (!put_number(out, n))
        return false;
    if (unit > 0 && n < 10 && !(put(out, ".") && put_number(out, tenths)))
        return false;
    return put(out, units[unit]);
}

/* "1994-11-06T08:49:37Z" (RFC 3339), or what a person reads of it. */
static bool put_date(hf_queue *out, int64_t ns, bool machine)
{
    const time_t s = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm t;
    uint8_t text[32];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (!gmtime_r(&s, &t) || t.tm_year < -1900 || t.tm_year > 9999 - 1900)
        return put(out, machine ? "1970-01-01T00:00:00Z" : "unknown");
    hf_write_padded(&w, (uint64_t)(t.tm_year + 1900), 4);
    hf_write_byte(&w, '-');
    hf_write_padded(&w, (uint64_t)(t.tm_mon + 1), 2);
    hf_write_byte(&w, '-');
    hf_write_padded(&w, (uint64_t)t.tm_mday, 2);
    hf_write_byte(&w, machine ? 'T' : ' ');
    hf_write_padded(&w, (uint64_t)t.tm_hour, 2);
    hf_write_byte(&w, ':');
    hf_write_padded(&w, (uint64_t)t.tm_min, 2);
    if (machine) {
        hf_write_byte(&w, ':');
        hf_write_padded(&w, (uint64_t)t.tm_sec, 2);
        hf_write_byte(&w, 'Z');
    }
    return hf_queue_append(out, hf_written(&w));
}

/* "./" keeps a name such as "javascript:x" from being read as a scheme (RFC 3986 4.2). */
static bool html_row(const hf_listing *l, const hf_listing_row *row, hf_queue *out)
{
    const hf_bytes name = name_of(l, row);
    const char *slash = row->folder ? "/" : "";
    bool ok = put(out, "<tr><td><a href=\"./") && put_with(out, hf_percent_write, name) && put(out, slash) && put(out, "\">")
        && put_with(out, hf_write_html, name) && put(out, slash) && put(out, "</a></td><td>");
    ok = ok && (row->folder ? put(out, "folder") : put_size(out, row->size));
    return ok && put(out, "</td><td><time datetime=\"") && put_date(out, row->modified_ns, true) && put(out, "\">")
        && put_date(out, row->modified_ns, false) && put(out, "</time></td></tr>\n");
}

bool hf_listing_write_html(const hf_listing *l, hf_bytes title, hf_queue *out)
{
    bool ok = put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Contents of ")
        && put_with(out, hf_write_html, title)
        && put(out, "</title>\n<style>" STYLE "</style>\n</head>\n<body>\n<main>\n<h1>Contents of ")
        && put_with(out, hf_write_html, title) && put(out, "</h1>\n");
    if (title.len > 1)
        ok = ok && put(out, "<p><a href=\"../\">Up to the parent folder</a></p>\n");
    ok = ok && put(out, "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th>"
                        "<th scope=\"col\">Changed (UTC)</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; ok && i < l->count; i++)
        ok = html_row(l, &l->rows[i], out);
    ok = ok && put(out, "</tbody>\n</table>\n");
    if (l->count == 0)
        ok = ok && put(out, "<p>This folder is empty.</p>\n");
    if (!l->complete)
        ok = ok && put(out, "<p><strong>The list stops here: the folder has more than ") && put_number(out, l->count)
            && put(out, " entries (limit listing_entries).</strong></p>\n");
    return ok && put(out, "</main>\n</body>\n</html>\n");
}

bool hf_listing_write_json(const hf_listing *l, hf_bytes title, hf_queue *out)
{
    bool ok = put(out, "{\"path\":\"") && put_with(out, hf_write_json, title) && put(out, "\",\"complete\":")
        && put(out, l->complete ? "true" : "false") && put(out, ",\"entries\":[");
    for (size_t i = 0; ok && i < l->count; i++) {
        const hf_listing_row *row = &l->rows[i];
        ok = put(out, i == 0 ? "\n{\"name\":\"" : ",\n{\"name\":\"") && put_with(out, hf_write_json, name_of(l, row))
            && put(out, row->folder ? "\",\"type\":\"folder\"" : "\",\"type\":\"file\",\"size\":")
            && (row->folder || put_number(out, row->size)) && put(out, ",\"modified\":\"")
            && put_date(out, row->modified_ns, true) && put(out, "\"}");
    }
    return ok && put(out, "]}\n");
}
