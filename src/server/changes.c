/* SPDX-License-Identifier: Apache-2.0 */
#include "changes.h"

#include <stdarg.h>
#include <stdlib.h>

#include "address.h"
#include "allocator.h"
#include "config_apps.h"
#include "spelling.h"

/* ---- reading -------------------------------------------------------------------------------------------------- */

static bool load(hf_loaded *l, const hf_serve_options *now, FILE *why)
{
    hf_config *c = &l->config;
    if (strcmp(now->config, "-") == 0) {
        fputs("the configuration came from standard input, which cannot be read again\n", why);
        return false;
    }
    if (hf_config_load(c, now->config).code != 0) {
        fputs("out of memory\n", why);
        return false;
    }
    if (c->problem_count > 0) {
        hf_config_report(c, why, true, false);
        fprintf(why, "%zu mistake%s in %s\n", c->problem_count, c->problem_count == 1 ? "" : "s", c->files[0].path);
        return false;
    }
    if (hf_config_plan_make(c, &l->plan).code != 0) {
        fputs("out of memory\n", why);
        return false;
    }
    hf_config_plan_apply(&l->plan, &l->options);
    return true;
}

hf_loaded *hf_loaded_new(const hf_serve_options *now, FILE *why)
{
    hf_loaded *l = hf_alloc_zeroed(hf_allocator_default(), sizeof *l);
    if (l == NULL) {
        fputs("out of memory\n", why);
        return NULL;
    }
    hf_config_init(&l->config, hf_allocator_default(), &hf_config_system, hf_limits_default());
    l->options = (hf_serve_options){ .quiet = now->quiet, .colour = now->colour, .door = now->door, .host = now->host };
    if (load(l, now, why)) {
        l->options.config = now->config; /* the path outlives every reading of it */
        return l;
    }
    hf_loaded_free(l);
    return NULL;
}

void hf_loaded_free(void *loaded)
{
    hf_loaded *l = loaded;
    if (l == NULL)
        return;
    hf_config_fini(&l->config);
    hf_free(hf_allocator_default(), l, sizeof *l);
}

/* ---- folders -------------------------------------------------------------------------------------------------- */

static size_t folder_count(const hf_serve_options *o)
{
    return o->config != NULL ? o->route_count : 1;
}

static const char *folder_at(const hf_serve_options *o, size_t i)
{
    const hf_files *files = o->config == NULL ? &o->files : o->routes[i].files;
    return files != NULL ? files->root : NULL;
}

char **hf_folders_new(const hf_serve_options *o)
{
    char **folders = calloc(folder_count(o) + 1, sizeof *folders);
    for (size_t i = 0; folders != NULL && i < folder_count(o); i++)
        folders[i] = folder_at(o, i) != NULL ? realpath(folder_at(o, i), NULL) : NULL;
    return folders;
}

void hf_folders_free(char **folders, const hf_serve_options *o)
{
    for (size_t i = 0; folders != NULL && i < folder_count(o); i++)
        free(folders[i]);
    free(folders);
}

/* ---- differences ---------------------------------------------------------------------------------------------- */

typedef struct telling {
    const hf_serve_options *before, *after;
    char *const *folders_before, *const *folders_after;
    FILE *out;
    size_t count;
} telling;

static void HF_PRINTF(2, 3) tell(telling *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(t->out, format, args);
    va_end(args);
    fputc('\n', t->out);
    t->count++;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_block(const hf_config_block *a, const hf_config_block *b);

static bool same_item(const hf_config_item *a, const hf_config_item *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->row != b->row || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->values[i].argument != b->values[i].argument || !same_text(a->values[i].text, b->values[i].text))
            return false;
    return same_block(a->block, b->block);
}

static bool same_block(const hf_config_block *a, const hf_config_block *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    const hf_config_item *i = a->items, *k = b->items;
    for (; i != NULL && k != NULL; i = i->next, k = k->next)
        if (!same_item(i, k))
            return false;
    return i == k;
}

/* ---- single statements ---------------------------------------------------------------------------------------- */

/* "10.0.0.0/8 fd00::/8": what it says, in words that the file has. */
static void write_words(hf_writer *w, const hf_config_item *item)
{
    for (size_t i = 0; i < item->count; i++) {
        hf_write_text(w, i > 0 ? " " : "");
        hf_write_text(w, item->values[i].secret ? "(secret)" : item->values[i].text);
    }
}

/* The statement of `in` that says the same; NULL: none does. */
static const hf_config_item *find_same(const hf_config_block *in, const hf_config_item *item)
{
    const hf_config_item *k = in->items;
    while (k != NULL && !same_item(k, item))
        k = k->next;
    return k;
}

static const hf_config_item *find_row(const hf_config_block *in, const hf_config_row *row)
{
    const hf_config_item *k = in->items;
    while (k != NULL && k->row != row)
        k = k->next;
    return k;
}

static void tell_one(telling *t, const char *whose, const hf_config_item *was, const hf_config_item *is)
{
    char memory[2][160];
    hf_writer old = hf_writer_make(memory[0], sizeof memory[0]), now = hf_writer_make(memory[1], sizeof memory[1]);
    const hf_config_row *const row = is != NULL ? is->row : was->row;
    if (was != NULL)
        write_words(&old, was);
    if (is != NULL)
        write_words(&now, is);
    const bool worded = old.length != now.length || memcmp(old.ptr, now.ptr, now.length) != 0;
    if (was == NULL)
        tell(t, "%s%s%s%.*s added", whose, row->name, now.length > 0 ? " " : "", HF_STR(hf_written(&now)));
    else if (is == NULL)
        tell(t, "%s%s%s%.*s removed", whose, row->name, old.length > 0 ? " " : "", HF_STR(hf_written(&old)));
    else if (worded)
        tell(t, "%s%s is %.*s now, and was %.*s", whose, row->name, HF_STR(hf_written(&now)), HF_STR(hf_written(&old)));
    else
        tell(t, "%s%s changed", whose, row->name);
}

/* Told by those who know more of them. */
static bool is_told_elsewhere(const hf_config_row *row)
{
    static const hf_config_id others[] = { HF_CONFIG_ID_LISTEN, HF_CONFIG_ID_SITE, HF_CONFIG_ID_ROUTE, HF_CONFIG_ID_THREADS,
        HF_CONFIG_ID_IO, HF_CONFIG_ID_USER, HF_CONFIG_ID_ADMIN, HF_CONFIG_ID_TOPICS, HF_CONFIG_ID_SECCOMP, HF_CONFIG_ID_RECORD };
    bool found = row->action || row->opens == HF_CONFIG_LIMITS || (row->id == HF_CONFIG_ID_ACCESS_LOG && (row->where & 1u << HF_CONFIG_ROOT));
    for (size_t i = 0; i < HF_COUNT(others); i++)
        found = found || row->id == others[i];
    return found;
}

/* Of a file or a site: `whose` stands before each. */
static void tell_statements(telling *t, const char *whose, const hf_config_block *before, const hf_config_block *after)
{
    for (const hf_config_item *item = after->items; item != NULL; item = item->next)
        if (!is_told_elsewhere(item->row) && find_same(before, item) == NULL)
            tell_one(t, whose, item->row->repeats ? NULL : find_row(before, item->row), item);
    for (const hf_config_item *item = before->items; item != NULL; item = item->next)
        if (!is_told_elsewhere(item->row) && find_same(after, item) == NULL && (item->row->repeats || find_row(after, item->row) == NULL))
            tell_one(t, whose, item, NULL);
}

/* ---- listeners ------------------------------------------------------------------------------------------------ */

static const hf_config_plan *plan_of(const hf_serve_options *o)
{
    return o->context;
}

static bool same_url(const hf_listen_url *a, const hf_listen_url *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = hf_address_same(&a->addresses[i], &b->addresses[i]);
    return same;
}

/* Listener i of `of`, in `in`. Of those at a free port (http://localhost:0) there may be several: the nth is the nth. */
static const hf_listen_url *find_url(const hf_serve_options *in, const hf_serve_options *of, size_t i)
{
    size_t before = 0;
    for (size_t k = 0; k < i; k++)
        before += same_url(&of->listeners[k], &of->listeners[i]);
    for (size_t k = 0; k < in->listener_count; k++)
        if (same_url(&in->listeners[k], &of->listeners[i]) && before-- == 0)
            return &in->listeners[k];
    return NULL;
}

/* Its statement; NULL without a configuration. */
static const hf_config_item *listener_at(const hf_serve_options *o, size_t i)
{
    const hf_config_item *l = o->config != NULL ? hf_config_find(plan_of(o)->config->root, HF_CONFIG_ID_LISTEN) : NULL;
    while (l != NULL && i-- > 0)
        l = hf_config_next(l);
    return l;
}

static void tell_listeners(telling *t)
{
    for (size_t i = 0; i < t->after->listener_count; i++) {
        const hf_listen_url *url = &t->after->listeners[i], *old = find_url(t->before, t->after, i);
        if (old == NULL)
            tell(t, "listener %s added", url->text);
        else if (strcmp(old->text, url->text) != 0)
            tell(t, "listener %s changed to %s", old->text, url->text);
        const hf_config_item *const was = old != NULL ? listener_at(t->before, (size_t)(old - t->before->listeners)) : NULL;
        const hf_config_item *const is = listener_at(t->after, i);
        char whose[300];
        snprintf(whose, sizeof whose, "listener %s: ", url->text);
        if (was != NULL && is != NULL)
            tell_statements(t, whose, was->block, is->block);
    }
    for (size_t i = 0; i < t->before->listener_count; i++)
        if (find_url(t->after, t->before, i) == NULL)
            tell(t, "listener %s removed", t->before->listeners[i].text);
}

/* ---- sites and routes ----------------------------------------------------------------------------------------- */

/* A site is known by its first host. */
static const char *name_of(const hf_config_item *site)
{
    return site->values[0].text;
}

static const hf_config_item *find_site(const hf_config_plan *in, const hf_config_item *site, size_t *index)
{
    for (*index = 0; *index < in->site_count; ++*index)
        if (strcmp(name_of(in->site_items[*index]), name_of(site)) == 0)
            return in->site_items[*index];
    return NULL;
}

static bool same_key(const hf_route *a, const hf_route *b)
{
    return strcmp(a->path, b->path) == 0 && same_text(a->method, b->method);
}

/* Their routes are told as one: the statement is what changed. */
static bool is_app(const hf_config_plan *p, size_t row)
{
    return p->actions[row].action->row->id == HF_CONFIG_ID_APP;
}

static bool is_first_of_app(const hf_config_plan *p, size_t row)
{
    return row == 0 || p->actions[row - 1].action != p->actions[row].action;
}

/* Whether the two are one row, before and after. */
static bool same_row(const hf_config_plan *a, size_t i, const hf_config_plan *b, size_t k)
{
    const hf_config_item *const one = a->actions[i].route, *const two = b->actions[k].route;
    if ((one == NULL) != (two == NULL) || is_app(a, i) != is_app(b, k))
        return false;
    if (one == NULL)
        return true;
    return is_app(a, i) ? same_text(hf_config_value_of(one, 1)->text, hf_config_value_of(two, 1)->text) : same_key(&a->routes[i], &b->routes[k]);
}

/* Its row, or the plan's route_count. Rows of a site's own action come last and have no statement `route`. */
static size_t find_route(const hf_config_plan *in, size_t site, const hf_config_plan *of, size_t row)
{
    const size_t end = in->sites[site].first + in->sites[site].count;
    for (size_t i = in->sites[site].first; i < end; i++)
        if (same_row(in, i, of, row))
            return i;
    return in->route_count;
}

static void tell_route(telling *t, const hf_config_plan *p, const hf_config_item *site, size_t row, const char *what)
{
    const hf_route *r = &p->routes[row];
    if (is_app(p, row) && p->actions[row].route != NULL)
        tell(t, "site %s: route %s: app %s", name_of(site), hf_config_value_of(p->actions[row].route, 1)->text, what);
    else if (p->actions[row].route == NULL)
        tell(t, "site %s: %s %s", name_of(site), p->actions[row].action->row->name, what);
    else
        tell(t, "site %s: route %s %s %s", name_of(site), r->method != NULL ? r->method : "GET", r->path, what);
}

static bool same_route(const hf_config_plan *a, size_t i, const hf_config_plan *b, size_t k)
{
    return same_item(a->actions[i].action, b->actions[k].action) && a->routes[i].max_body == b->routes[k].max_body &&
        (a->actions[i].route == NULL || b->actions[k].route == NULL ||
            same_block(a->actions[i].route->block, b->actions[k].route->block));
}

/* Routes of one site, before and after. */
static void tell_routes(telling *t, const hf_config_item *site, size_t old, size_t new)
{
    const hf_config_plan *before = plan_of(t->before), *after = plan_of(t->after);
    for (size_t i = after->sites[new].first; i < after->sites[new].first + after->sites[new].count; i++) {
        const size_t k = find_route(before, old, after, i);
        if (is_app(after, i) && !is_first_of_app(after, i))
            continue;
        if (k == before->route_count)
            tell_route(t, after, site, i, "added");
        else if (!same_route(before, k, after, i))
            tell_route(t, after, site, i, "changed");
        else if (is_app(after, i) && before->actions[k].action->app->module != after->actions[i].action->app->module)
            tell_route(t, after, site, i, "is served by a new copy: its file changed");
        else if (!is_app(after, i) && t->folders_before != NULL && t->folders_after != NULL &&
            !same_text(t->folders_before[k], t->folders_after[i]))
            tell(t, "site %s: %s is %s now, and was %s", name_of(site), after->routes[i].files->root,
                t->folders_after[i] != NULL ? t->folders_after[i] : "nowhere",
                t->folders_before[k] != NULL ? t->folders_before[k] : "nowhere");
    }
    for (size_t k = before->sites[old].first; k < before->sites[old].first + before->sites[old].count; k++)
        if ((!is_app(before, k) || is_first_of_app(before, k)) && find_route(after, new, before, k) == after->route_count)
            tell_route(t, before, site, k, "removed");
}

static void tell_sites(telling *t)
{
    const hf_config_plan *before = plan_of(t->before), *after = plan_of(t->after);
    size_t old = 0;
    for (size_t i = 0; i < after->site_count; i++) {
        const hf_config_item *site = after->site_items[i], *was = find_site(before, site, &old);
        if (was == NULL) {
            tell(t, "site %s added (%zu routes)", name_of(site), after->sites[i].count);
            continue;
        }
        bool same = was->count == site->count;
        for (size_t k = 0; same && k < site->count; k++)
            same = strcmp(was->values[k].text, site->values[k].text) == 0;
        if (!same)
            tell(t, "site %s: its hosts changed", name_of(site));
        char whose[300];
        snprintf(whose, sizeof whose, "site %s: ", name_of(site));
        tell_statements(t, whose, was->block, site->block);
        tell_routes(t, site, old, i);
    }
    for (size_t i = 0; i < before->site_count; i++)
        if (find_site(after, before->site_items[i], &old) == NULL)
            tell(t, "site %s removed", name_of(before->site_items[i]));
}

/* ---- the rest ------------------------------------------------------------------------------------------------- */

static void tell_limits(telling *t)
{
#define HF_LIMIT(name, value, unit, why) \
    if (t->before->limits.name != t->after->limits.name) { \
        char was[64], is[64]; \
        hf_amount_write(was, sizeof was, t->before->limits.name, unit); \
        hf_amount_write(is, sizeof is, t->after->limits.name, unit); \
        tell(t, "limit %s is %s now, and was %s", #name, is, was); \
    }
#include <handfast/limits.def>
#undef HF_LIMIT
}

static void tell_settings(telling *t)
{
    const hf_serve_options *a = t->before, *b = t->after;
    if (!same_text(a->access_log, b->access_log) || a->log_format != b->log_format)
        tell(t, "access_log is %s now, and was %s", b->access_log != NULL ? b->access_log : "off",
            a->access_log != NULL ? a->access_log : "off");
    if (a->threads != b->threads)
        tell(t, "threads takes effect at the next start");
    if (a->loop != b->loop)
        tell(t, "io takes effect at the next start");
    if (!same_text(a->user, b->user))
        tell(t, "user takes effect at the next start");
    if (!same_text(a->record_folder, b->record_folder) || a->record_all != b->record_all || a->record_secrets != b->record_secrets)
        tell(t, "record takes effect at the next start");
    if (a->no_seccomp != b->no_seccomp)
        tell(t, "seccomp takes effect at the next start");
    if (!same_text(a->admin, b->admin))
        tell(t, "admin takes effect at the next start");
    if (!same_text(a->topics_redis, b->topics_redis) || !same_text(a->topics_file, b->topics_file))
        tell(t, "topics takes effect at the next start");
    if (!same_text(a->answers_file, b->answers_file))
        tell(t, "idempotency_store takes effect at the next start");
}

size_t hf_changes_write(const hf_serve_options *before, char *const *folders_before, const hf_serve_options *after,
    char *const *folders_after, FILE *out)
{
    telling t = { before, after, folders_before, folders_after, out, 0 };
    tell_listeners(&t);
    if (after->config != NULL) {
        tell_statements(&t, "", plan_of(before)->config->root, plan_of(after)->config->root);
        tell_sites(&t);
    } else if (folders_before != NULL && folders_after != NULL && !same_text(folders_before[0], folders_after[0]))
        tell(&t, "%s is %s now, and was %s", after->files.root, folders_after[0] != NULL ? folders_after[0] : "nowhere",
            folders_before[0] != NULL ? folders_before[0] : "nowhere");
    tell_limits(&t);
    tell_settings(&t);
    return t.count;
}
