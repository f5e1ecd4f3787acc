/* SPDX-License-Identifier: Apache-2.0
 *
 * HAR (HTTP Archive 1.2): what a browser has loaded: what got no answer, what was answered with an error, what waited, and what a
 * page of https asked by http. And lines of logs: ours as JSON, or any that name a code.
 */
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "guard_json.h"
#include "reading.h"

enum { TOLD = 12, SLOW_MS = 1000, CODES = 64, CODE = 20, LINE_MOST = 65536, LINE_NODES = 256, URL_SHOWN = 120 };

/* ---- HAR ------------------------------------------------------------------------------------------------------ */

typedef struct archive {
    uint64_t entries, failed, errors, waits, slow, insecure;
    double waited_ms, slowest_ms;
    bool secure; /* the first that was asked for was https */
} archive;

static hf_bytes text_of(const hf_json *j, const hf_json_node *object, const char *name)
{
    const hf_json_node *const n = object != NULL && object->kind == HF_JSON_OBJECT ? hf_json_member(j, object, name) : NULL;
    return n != NULL && n->kind >= HF_JSON_NUMBER && n->kind <= HF_JSON_STRING ? n->text : hf_text("");
}

static double number_of(const hf_json *j, const hf_json_node *object, const char *name)
{
    char text[40];
    const hf_bytes b = text_of(j, object, name);
    snprintf(text, sizeof text, "%.*s", b.len < sizeof text ? (int)b.len : 0, (const char *)b.ptr);
    return strtod(text, NULL);
}

static void see_entry(archive *a, const hf_json *j, const hf_json_node *entry, hf_reading *r)
{
    const hf_json_node *const request = hf_json_member(j, entry, "request"), *const response = hf_json_member(j, entry, "response"), *const timings = hf_json_member(j, entry, "timings");
    const hf_bytes url = text_of(j, request, "url"), method = text_of(j, request, "method");
    hf_bytes error = text_of(j, response, "_error");
    error = error.len > 0 ? error : text_of(j, entry, "_error");
    const double status = number_of(j, response, "status"), blocked = number_of(j, timings, "blocked"), wait = number_of(j, timings, "wait");
    const int n = (int)(url.len < URL_SHOWN ? url.len : URL_SHOWN), m = (int)(method.len < 16 ? method.len : 16), e = (int)(error.len < 60 ? error.len : 60);
    a->secure = a->entries++ == 0 ? hf_starts_with(url, hf_text("https://")) : a->secure;
    if (!(status >= 100)) {
        a->failed++;
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_HAR_FAILED), "request", "%.*s %.*s%s%.*s", m, method.ptr, n, url.ptr, e > 0 ? ": " : "", e, error.ptr);
    } else if (status >= 400) {
        a->errors++;
        hf_finding_say(&r->findings, status >= 500 ? HF_WEIGHT_WRONG : HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_STATUS), "request", "%.*s %.*s is answered %.0f", m, method.ptr, n, url.ptr, status < 1000 ? status : 999.0);
    }
    if (a->secure && hf_starts_with(url, hf_text("http://"))) {
        a->insecure++;
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_MIXED_PAGE), "mixed content", "%.*s", n, url.ptr);
    }
    a->waits += blocked > 100;
    a->waited_ms += blocked > 0 ? blocked : 0;
    a->slow += wait > SLOW_MS;
    if (wait > a->slowest_ms) {
        a->slowest_ms = wait;
        hf_reading_fact(r, "the server lets wait %.0f ms for %.*s", wait, n, url.ptr);
    }
}

static void report(const archive *a, hf_reading *r)
{
    hf_reading_fact(r, "%llu requests: %llu without an answer, %llu answered with an error", (unsigned long long)a->entries, (unsigned long long)a->failed, (unsigned long long)a->errors);
    if (a->waits > 0)
        hf_finding_say(&r->findings, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_HAR_WAITS), "connections", "%llu requests waited more than 100 ms for one, %.0f ms in all", (unsigned long long)a->waits, a->waited_ms);
    if (a->slow > 0)
        hf_finding_say(&r->findings, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_HAR_SLOW), "server", "%llu answers took more than a second to begin, the slowest %.0f ms", (unsigned long long)a->slow, a->slowest_ms);
}

static void read_archive(const hf_json *j, hf_reading *r)
{
    archive a = { .entries = 0 };
    const hf_json_node *const top = j->nodes[0].kind == HF_JSON_OBJECT ? hf_json_member(j, &j->nodes[0], "log") : NULL;
    const hf_json_node *const entries = top != NULL && top->kind == HF_JSON_OBJECT ? hf_json_member(j, top, "entries") : NULL;
    const hf_json_node *const creator = top != NULL && top->kind == HF_JSON_OBJECT ? hf_json_member(j, top, "creator") : NULL;
    const hf_bytes by = text_of(j, creator, "name");
    if (entries == NULL || entries->kind != HF_JSON_ARRAY) {
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_FILE_KIND), "file", "JSON, and no HAR: it has no log.entries");
        return;
    }
    if (by.len > 0)
        hf_reading_fact(r, "written by %.*s", (int)(by.len < 60 ? by.len : 60), by.ptr);
    for (const hf_json_node *e = hf_json_first(j, entries); e != NULL; e = hf_json_next(j, e))
        if (e->kind == HF_JSON_OBJECT)
            see_entry(&a, j, e, r);
    report(&a, r);
}

hf_err hf_reading_har(const hf_env *env, hf_bytes file, hf_reading *r)
{
    const size_t nodes = hf_reading_values(env, file, r), room = file.len + 1;
    if (nodes == 0)
        return HF_OK;
    hf_json j = { .nodes = hf_alloc(&env->alloc, nodes * sizeof *j.nodes), .capacity = nodes };
    uint8_t *const scratch = hf_alloc(&env->alloc, room);
    const bool ready = j.nodes != NULL && scratch != NULL;
    j.scratch = hf_writer_make(scratch, room);
    if (ready && file.len >= 3 && memcmp(file.ptr, "\xef\xbb\xbf", 3) == 0) /* Chromium and Firefox write none; others do */
        file = hf_bytes_make(file.ptr + 3, file.len - 3);
    if (ready && hf_json_parse(&j, file))
        read_archive(&j, r);
    else if (ready)
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_FILE_CUT), "file", "it is no whole JSON (RFC 8259)");
    hf_free(&env->alloc, scratch, room);
    hf_free(&env->alloc, j.nodes, nodes * sizeof *j.nodes);
    return ready ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

/* ---- lines of logs -------------------------------------------------------------------------------------------- */

typedef struct counted {
    char code[CODE];
    uint64_t times;
    char first[URL_SHOWN + 40]; /* where it was met first */
} counted;

typedef struct lines {
    uint64_t count, refused, errors;
    counted codes[CODES];
    size_t code_count;
} lines;

static void count_code(lines *l, hf_bytes code, hf_bytes where)
{
    size_t i = 0;
    while (i < l->code_count && !hf_bytes_equal(hf_text(l->codes[i].code), code))
        i++;
    if (i == CODES || code.len >= CODE)
        return;
    counted *const c = &l->codes[i];
    if (i == l->code_count) {
        snprintf(c->code, sizeof c->code, "%.*s", HF_STR(code));
        snprintf(c->first, sizeof c->first, "%.*s", where.len < sizeof c->first ? (int)where.len : (int)sizeof c->first - 1, (const char *)where.ptr);
        l->code_count++;
    }
    c->times++;
}

/* "HF-AREA-000" at the front of `b`: its length, else 0. */
static size_t code_length(hf_bytes b)
{
    size_t n = 3;
    if (!hf_starts_with(b, hf_text("HF-")))
        return 0;
    while (n < b.len && ((b.ptr[n] >= 'A' && b.ptr[n] <= 'Z') || (b.ptr[n] >= '0' && b.ptr[n] <= '9')))
        n++;
    if (n == 3 || n + 4 > b.len || b.ptr[n] != '-')
        return 0;
    for (size_t i = n + 1; i < n + 4; i++)
        if (b.ptr[i] < '0' || b.ptr[i] > '9')
            return 0;
    return n + 4;
}

static void see_text(lines *l, hf_bytes line)
{
    for (size_t i = 0; i + 7 < line.len; i++) {
        const hf_bytes rest = hf_bytes_make(line.ptr + i, line.len - i);
        const size_t n = code_length(rest);
        if (n == 0)
            continue;
        count_code(l, hf_bytes_make(rest.ptr, n), line);
        l->refused++;
        return;
    }
}

/* docs/access-log.schema.json */
static void see_json(lines *l, const hf_json *j, hf_reading *r)
{
    const hf_json_node *const root = &j->nodes[0];
    const hf_bytes method = text_of(j, root, "http.request.method"), path = text_of(j, root, "url.path"), code = text_of(j, root, "error.type"), limit = text_of(j, root, "handfast.limit");
    const double status = number_of(j, root, "http.response.status_code");
    l->errors += status >= 500;
    if (l->count <= TOLD)
        hf_reading_fact(r, "%.*s %.*s: %.0f, %.1f ms%s%.*s%s%.*s", (int)(method.len < 16 ? method.len : 16), method.ptr, (int)(path.len < URL_SHOWN ? path.len : URL_SHOWN), path.ptr, status,
            number_of(j, root, "duration_ms"), code.len > 0 ? ", " : "", (int)(code.len < CODE ? code.len : 0), code.ptr, limit.len > 0 ? ", limit " : "", (int)(limit.len < 60 ? limit.len : 60), limit.ptr);
    if (code.len == 0)
        return;
    l->refused++;
    count_code(l, code, path);
}

static void find_row(const char *id, hf_err *found)
{
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++)
        if (strcmp(info->id, id) == 0)
            *found = err;
}

static void report_lines(const lines *l, hf_reading *r)
{
    hf_reading_fact(r, "%llu lines: %llu with a code, %llu answered 500 or above", (unsigned long long)l->count, (unsigned long long)l->refused, (unsigned long long)l->errors);
    for (size_t i = 0; i < l->code_count; i++) {
        const counted *const c = &l->codes[i];
        hf_err err = hf_err_make(HF_ERR_EXPLAIN_LOG_REFUSED);
        find_row(c->code, &err);
        hf_finding_say(&r->findings, HF_WEIGHT_WEAK, err, "log", "%s: lines: %llu; the first: %s", c->code, (unsigned long long)c->times, c->first);
    }
}

hf_err hf_reading_log(const hf_env *env, hf_bytes file, hf_reading *r)
{
    hf_json_node *const nodes = hf_alloc(&env->alloc, LINE_NODES * sizeof *nodes);
    uint8_t *const scratch = hf_alloc(&env->alloc, LINE_MOST);
    lines *const l = hf_alloc_zeroed(&env->alloc, sizeof *l);
    const bool ready = nodes != NULL && scratch != NULL && l != NULL;
    hf_bytes line;
    while (ready && file.len > 0 && hf_split(&file, '\n', &line)) {
        hf_json j = { .nodes = nodes, .capacity = LINE_NODES, .scratch = hf_writer_make(scratch, LINE_MOST) };
        if (hf_trim(line).len == 0)
            continue;
        l->count++;
        if (line.ptr[0] == '{' && line.len < LINE_MOST && hf_json_parse(&j, line) && j.nodes[0].kind == HF_JSON_OBJECT)
            see_json(l, &j, r);
        else
            see_text(l, line);
    }
    if (ready)
        report_lines(l, r);
    hf_free(&env->alloc, l, l != NULL ? sizeof *l : 0);
    hf_free(&env->alloc, scratch, scratch != NULL ? LINE_MOST : 0);
    hf_free(&env->alloc, nodes, nodes != NULL ? LINE_NODES * sizeof *nodes : 0);
    return ready ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}
