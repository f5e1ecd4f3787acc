/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdarg.h>

#include "config_check.h"
#include "config_tree.h"
#include "text.h"

/* ---- memory --------------------------------------------------------------------------------------------------- */

void hf_config_init(hf_config *c, const hf_allocator *alloc, const hf_config_world *world, const hf_limits *limits)
{
    *c = (hf_config){ .world = world, .limits = limits };
    hf_arena_init(&c->arena, alloc, SIZE_MAX); /* bounded by the limits config_*: files times their size */
}

void hf_config_fini(hf_config *c)
{
    hf_arena_fini(&c->arena);
}

void *hf_config_get(hf_config *c, size_t size)
{
    void *memory = hf_arena_get_zeroed(&c->arena, size);
    c->out_of_memory = c->out_of_memory || memory == NULL;
    return memory;
}

static const char *HF_PRINTF(2, 0) format_into(hf_config *c, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : hf_config_get(c, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text != NULL ? text : "";
}

const char *hf_config_format(hf_config *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_into(c, format, args);
    va_end(args);
    return text;
}

const char *hf_config_shown(hf_config *c, hf_bytes text)
{
    enum { MOST = 60 };
    size_t length = text.len;
    while (length > MOST && (length > MOST + 4 || (text.ptr[length] & 0xc0) == 0x80))
        length--;
    char *shown = hf_config_get(c, length + 4);
    if (shown == NULL)
        return "";
    for (size_t i = 0; i < length; i++)
        shown[i] = text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? '?' : (char)text.ptr[i];
    memcpy(shown + length, length < text.len ? "..." : "", length < text.len ? 4 : 1);
    return shown;
}

/* ---- problems ------------------------------------------------------------------------------------------------- */

static bool is_before(const hf_config_place *a, const hf_config_place *b)
{
    return a->file != b->file ? a->file < b->file : a->at < b->at;
}

/* Kept in the order of files and places; behind others of the same place. Few, so a list will do. */
static void insert(hf_config *c, hf_config_problem *problem)
{
    hf_config_problem **at = &c->problems;
    while (*at != NULL && !is_before(&problem->place, &(*at)->place))
        at = &(*at)->next;
    problem->next = *at;
    *at = problem;
}

/* One mistake often trips two rules: the first that saw it speaks. */
static bool is_known(const hf_config *c, const hf_config_place *place)
{
    for (const hf_config_problem *p = c->problems; p != NULL && place->line > 0; p = p->next)
        if (p->place.line > 0 && p->place.file == place->file && p->place.at == place->at)
            return true;
    return false;
}

void hf_config_complain(hf_config *c, hf_config_place place, const char *format, ...)
{
    if (is_known(c, &place))
        return;
    if (c->problem_count++ >= c->limits->config_problems)
        return;
    hf_config_problem *problem = hf_config_get(c, sizeof *problem);
    if (problem == NULL)
        return;
    va_list args;
    va_start(args, format);
    problem->place = place;
    problem->text = format_into(c, format, args);
    va_end(args);
    insert(c, problem);
}

void hf_config_print_place(const hf_config *c, FILE *out, const hf_config_place *place)
{
    if (place->line == 0)
        fputs("default", out);
    else
        fprintf(out, "%s:%u:%u", c->files[place->file].path, place->line, place->column);
}

/* The line of the file, and a mark below what is meant. A tab stays a tab in both lines, so that they stand alike. */
static void print_excerpt(const hf_config *c, FILE *out, const hf_config_place *place, bool colour)
{
    enum { MOST = 160 };
    const hf_bytes text = c->files[place->file].text;
    size_t begin = place->at < text.len ? place->at : text.len, end = begin;
    while (begin > 0 && text.ptr[begin - 1] != '\n')
        begin--;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    if (begin == end || end - begin > MOST)
        return;
    fprintf(out, "%5u | ", place->line);
    hf_bytes user = hf_url_user(hf_bytes_make(text.ptr + begin, end - begin));
    for (size_t i = begin; i < end; i++) {
        if (user.ptr != NULL && text.ptr + i == user.ptr + user.len)
            user = hf_url_user(hf_bytes_make(text.ptr + i, end - i));
        if (user.ptr != NULL && text.ptr + i >= user.ptr && text.ptr + i < user.ptr + user.len)
            fputc('*', out); /* a password: what is said here may stand in a journal for long */
        else if (text.ptr[i] >= 0x20 || text.ptr[i] == '\t')
            fputc(text.ptr[i], out);
    }
    fprintf(out, "\n      | %s", colour ? "\x1b[1;31m" : "");
    for (size_t i = begin; i < end && i < place->at + (place->length > 0 ? place->length : 1); i++) {
        if ((text.ptr[i] & 0xc0) == 0x80)
            continue;
        fputc(text.ptr[i] == '\t' ? '\t' : i < place->at ? ' ' : '^', out);
    }
    fprintf(out, "%s\n", colour ? "\x1b[0m" : "");
}

void hf_config_report(const hf_config *c, FILE *out, bool excerpts, bool colour)
{
    for (const hf_config_problem *p = c->problems; p != NULL; p = p->next) {
        fputs(colour ? "\x1b[1m" : "", out);
        if (p->place.line == 0)
            fputs(c->file_count > 0 ? c->files[0].path : "configuration", out);
        else
            hf_config_print_place(c, out, &p->place);
        fprintf(out, ":%s %s\n", colour ? "\x1b[0m" : "", p->text);
        if (excerpts && p->place.line > 0 && !p->place.secret)
            print_excerpt(c, out, &p->place, colour);
    }
    if (c->problem_count > c->limits->config_problems)
        fprintf(out, "... and %zu more (limit config_problems)\n", c->problem_count - (size_t)c->limits->config_problems);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

const char *hf_config_beside(hf_config *c, uint32_t from, const char *path)
{
    const char *base = c->files[from].path;
    const char *slash = strrchr(base, '/');
    if (path[0] == '/' || slash == NULL)
        return path;
    return hf_config_format(c, "%.*s%s", (int)(slash + 1 - base), base, path);
}

bool hf_config_open(hf_config *c, const char *path, uint32_t parent, hf_config_place asked, uint32_t *index)
{
    if (c->file_count == c->limits->config_files) {
        hf_config_complain(c, asked, "%s is one file too many: at most %llu are read (limit config_files)", path,
            (unsigned long long)c->limits->config_files);
        return false;
    }
    /* The table is made anew: files are few, and nobody keeps a pointer into it. */
    hf_config_file *files = hf_config_get(c, (c->file_count + 1) * sizeof *files);
    if (files == NULL)
        return false;
    if (c->file_count > 0)
        memcpy(files, c->files, c->file_count * sizeof *files);
    c->files = files;
    *index = (uint32_t)c->file_count;
    hf_config_file *file = &files[c->file_count++];
    *file = (hf_config_file){ .path = path, .parent = parent };
    hf_bytes text = { 0 };
    const char *why = c->world->read(c->world->self, path, &c->arena, c->limits->config_file_bytes, &text);
    if (why != NULL) {
        hf_config_complain(c, asked, "cannot read %s: %s", asked.line == 0 ? "it" : path, why);
        return false;
    }
    file->text = text;
    hf_config_parse(c, *index);
    return true;
}

hf_err hf_config_read(hf_config *c, const char *path)
{
    uint32_t index;
    (void)hf_config_open(c, path, 0, (hf_config_place){ 0 }, &index);
    return c->out_of_memory ? hf_err_make(HF_ERR_BASE_MEMORY) : HF_OK;
}

hf_err hf_config_load(hf_config *c, const char *path)
{
    uint32_t index;
    if (hf_config_open(c, path, 0, (hf_config_place){ 0 }, &index))
        hf_config_check(c);
    return c->out_of_memory ? hf_err_make(HF_ERR_BASE_MEMORY) : HF_OK;
}
