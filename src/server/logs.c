/* SPDX-License-Identifier: Apache-2.0 */
#include "logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* With a path of its own: the configuration it stood in may be gone. */
typedef struct open_log {
    hf_access_log log;
    uint64_t id;
    size_t references; /* sets that have it */
    char path[];
} open_log;

struct hf_logs {
    open_log *main;   /* NULL: none */
    open_log **opens; /* by place; NULL: off */
    hf_log_use *uses;
    size_t count;
};

static bool is_it(const open_log *l, const char *path, hf_access_format format)
{
    return l != NULL && l->log.kind == format && strcmp(l->path, path) == 0;
}

/* In that set. NULL: it is not there. */
static open_log *find(const hf_logs *in, const char *path, hf_access_format format)
{
    if (in == NULL || is_it(in->main, path, format))
        return in != NULL ? in->main : NULL;
    for (size_t i = 0; i < in->count; i++)
        if (is_it(in->opens[i], path, format))
            return in->opens[i];
    return NULL;
}

static open_log *open_new(const char *path, hf_access_format format, hf_writer *why)
{
    static uint64_t last_id;
    const size_t length = strlen(path) + 1;
    open_log *l = calloc(1, sizeof *l + length);
    if (l == NULL) {
        hf_write_text(why, "out of memory\n");
        return NULL;
    }
    memcpy(l->path, path, length);
    if (hf_access_log_open(&l->log, l->path, format).code == 0) {
        l->id = ++last_id;
        return l;
    }
    hf_write_text(why, "cannot open the access log ");
    hf_write_text(why, path);
    hf_write_text(why, ": ");
    hf_write_text(why, strerror(errno));
    hf_write_text(why, "\n");
    free(l);
    return NULL;
}

static void leave(open_log *l)
{
    if (l == NULL || --l->references > 0)
        return;
    hf_access_log_close(&l->log);
    free(l);
}

/* False: it cannot be opened. */
static bool take(open_log **to, const char *path, hf_access_format format, const hf_logs *before, hf_writer *why)
{
    *to = NULL;
    if (path == NULL)
        return true;
    *to = find(before, path, format);
    if (*to == NULL)
        *to = open_new(path, format, why);
    if (*to != NULL)
        (*to)->references++;
    return *to != NULL;
}

hf_logs *hf_logs_open(const hf_serve_options *o, const hf_logs *before, hf_writer *why)
{
    hf_logs *l = calloc(1, sizeof *l);
    open_log **opens = calloc(o->log_count + 1, sizeof *opens);
    hf_log_use *uses = calloc(o->log_count + 1, sizeof *uses);
    if (l == NULL || opens == NULL || uses == NULL) {
        hf_write_text(why, "out of memory\n");
        free(l);
        free(opens);
        free(uses);
        return NULL;
    }
    l->opens = opens;
    l->uses = uses;
    bool good = take(&l->main, o->access_log, o->log_format, before, why);
    for (size_t i = 0; good && i < o->log_count; i++) {
        good = take(&opens[i], o->logs[i].path, o->logs[i].format, before, why);
        l->count += good;
        if (good && opens[i] != NULL)
            uses[i] = (hf_log_use){ &opens[i]->log, opens[i]->id };
    }
    if (good)
        return l;
    hf_logs_close(l);
    return NULL;
}

void hf_logs_close(hf_logs *l)
{
    if (l == NULL)
        return;
    leave(l->main);
    for (size_t i = 0; i < l->count; i++)
        leave(l->opens[i]);
    free(l->opens);
    free(l->uses);
    free(l);
}

hf_access_log *hf_logs_main(const hf_logs *l)
{
    return l->main != NULL ? &l->main->log : NULL;
}

const hf_log_use *hf_logs_uses(const hf_logs *l)
{
    return l->uses;
}

/* Its places are all different logs, the main one's too: options name each once. */
static open_log *at(const hf_logs *l, size_t i)
{
    return i == 0 ? l->main : l->opens[i - 1];
}

void hf_logs_reopen(hf_logs *l, bool shared_only)
{
    for (size_t i = 0; i <= l->count; i++)
        if (at(l, i) != NULL && (!shared_only || at(l, i)->references > 1))
            hf_access_log_reopen(&at(l, i)->log);
}

bool hf_logs_give(hf_logs *l, uid_t user, gid_t group)
{
    int why = 0;
    for (size_t i = 0; i <= l->count; i++)
        if (at(l, i) != NULL && at(l, i)->log.path != NULL && fchown(at(l, i)->log.fd, user, group) != 0)
            why = errno;
    errno = why;
    return why == 0;
}

uint64_t hf_logs_dropped(const hf_logs *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= l->count; i++)
        n += at(l, i) != NULL ? hf_access_log_dropped(&at(l, i)->log) : 0;
    return n;
}
