/* SPDX-License-Identifier: Apache-2.0
 *
 * Netscape's file of cookies: a line each, seven columns set apart by tabs.
 */
#include "cookie_jar_core.h"

enum { COLUMNS = 7 };

static bool is_true(hf_bytes column)
{
    return hf_text_same(column, hf_text("TRUE"));
}

static bool is_clean(hf_bytes column)
{
    for (size_t i = 0; i < column.len; i++)
        if (column.ptr[i] < 0x20 || column.ptr[i] == 0x7f)
            return false;
    return true;
}

/* domain, subdomains, path, secure, until, name, value */
static bool read_line(hf_bytes line, hf_jar_cookie *c)
{
    static const hf_bytes mark = HF_LITERAL("#HttpOnly_");
    hf_bytes column[COLUMNS] = { { NULL, 0 } };
    uint64_t until = 0;
    size_t n = 0;
    *c = (hf_jar_cookie){ .http_only = hf_starts_with(line, mark) };
    if (c->http_only)
        line = hf_bytes_make(line.ptr + mark.len, line.len - mark.len);
    while (n < COLUMNS && hf_split(&line, '\t', &column[n])) {
        if (!is_clean(column[n++]))
            return false;
    }
    if (line.ptr != NULL || n < COLUMNS - 1 || !hf_parse_decimal(column[4], &until) || until > INT64_MAX)
        return false;
    c->domain = column[0].len > 0 && column[0].ptr[0] == '.' ? hf_bytes_make(column[0].ptr + 1, column[0].len - 1) : column[0];
    c->host_only = !is_true(column[1]);
    c->path = column[2];
    c->secure = is_true(column[3]);
    c->persistent = until > 0;
    c->until.s = (int64_t)until;
    c->name = column[5];
    c->value = column[6];
    return c->domain.len > 0 && c->domain.len <= HF_COOKIE_ATTRIBUTE_MOST && c->path.len > 0 && c->path.ptr[0] == '/' &&
           c->path.len <= HF_COOKIE_ATTRIBUTE_MOST && c->name.len + c->value.len > 0 && c->name.len + c->value.len <= HF_COOKIE_PAIR_MOST &&
           memchr(column[5].ptr, ';', column[5].len) == NULL && (column[6].len == 0 || memchr(column[6].ptr, ';', column[6].len) == NULL);
}

hf_err hf_jar_read(hf_jar *j, hf_bytes file, hf_wall now, size_t *bad)
{
    hf_bytes line;
    *bad = 0;
    while (file.len > 0 && hf_split(&file, '\n', &line)) {
        char lower[HF_COOKIE_ATTRIBUTE_MOST];
        hf_jar_cookie c;
        line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
        if (line.len == 0 || (line.ptr[0] == '#' && !hf_starts_with(line, hf_text("#HttpOnly_"))))
            continue;
        if (!read_line(line, &c)) {
            ++*bad;
            continue;
        }
        for (size_t i = 0; i < c.domain.len; i++)
            lower[i] = (char)hf_lower(c.domain.ptr[i]);
        c.domain.ptr = (const uint8_t *)lower;
        const hf_err err = c.persistent && c.until.s <= now.s ? HF_OK : hf_jar_keep(j, &c);
        if (err.code != 0)
            return err;
    }
    return HF_OK;
}

void hf_jar_write_line(hf_writer *w, const hf_jar_cookie *c)
{
    hf_write_text(w, c->http_only ? "#HttpOnly_" : "");
    hf_write_text(w, c->host_only ? "" : ".");
    hf_write(w, c->domain);
    hf_write_text(w, c->host_only ? "\tFALSE\t" : "\tTRUE\t");
    hf_write(w, c->path);
    hf_write_text(w, c->secure ? "\tTRUE\t" : "\tFALSE\t");
    hf_write_decimal(w, c->persistent ? (uint64_t)(c->until.s > 0 ? c->until.s : 0) : 0);
    hf_write_byte(w, '\t');
    hf_write(w, c->name);
    hf_write_byte(w, '\t');
    hf_write(w, c->value);
    hf_write_byte(w, '\n');
}
