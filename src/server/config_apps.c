/* SPDX-License-Identifier: Apache-2.0 */
#include "config_apps.h"

#include <pwd.h>

#include "config_rules.h"
#include "module_file.h"
#include "router.h"
#include "spelling.h"

/* ---- where they are --------------------------------------------------------------------------------------------------- */

/* Statements are ours as long as the configuration is loaded; what looks them up lends them as they are. */
static hf_config_item *app_in(const hf_config_block *block)
{
    return (hf_config_item *)hf_config_find(block, HF_CONFIG_ID_APP);
}

static const char *file_of(const hf_config_app *a)
{
    return a->item->values[0].text;
}

static hf_config_place place_of(const hf_config_app *a)
{
    return a->item->values[0].place;
}

/* Of a value of set, which may be a password: its line is not shown. */
static hf_config_place secret_place(hf_config_place place)
{
    place.secret = true;
    return place;
}

/* ---- settings --------------------------------------------------------------------------------------------------------- */

static const hf_config_item *find_set(const hf_config_app *a, const char *name)
{
    const hf_config_item *set = hf_config_find(a->item->block, HF_CONFIG_ID_SET);
    while (set != NULL && strcmp(set->values[0].text, name) != 0)
        set = hf_config_next(set);
    return set;
}

static const hf_module_setting *find_known(const hf_module *m, const char *name)
{
    const hf_module_setting *s = m->settings;
    while (s != NULL && s->name != NULL && strcmp(s->name, name) != 0)
        s++;
    return s != NULL && s->name != NULL ? s : NULL;
}

static void complain_of_name(hf_config *c, const hf_config_app *a, const hf_config_value *name)
{
    hf_nearest nearest = { .word = name->text };
    const char *all = "";
    for (const hf_module_setting *s = a->module->settings; s != NULL && s->name != NULL; s++) {
        hf_nearest_try(&nearest, s->name);
        all = hf_config_format(c, "%s%s%s", all, all[0] != 0 ? ", " : "", s->name);
    }
    if (all[0] == 0)
        hf_config_complain(c, secret_place(name->place), "%s takes no settings", a->module->name);
    else
        hf_config_complain(c, secret_place(name->place), "%s has no setting \"%s\"%s%s%s It takes: %s", a->module->name, hf_config_shown(c, hf_text(name->text)),
            nearest.best != NULL ? "; did you mean " : "", nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "?" : ".", all);
}

static void check_names(hf_config *c, const hf_config_app *a)
{
    for (const hf_config_item *set = hf_config_find(a->item->block, HF_CONFIG_ID_SET); set != NULL; set = hf_config_next(set)) {
        const hf_config_item *const first = find_set(a, set->values[0].text);
        if (find_known(a->module, set->values[0].text) == NULL)
            complain_of_name(c, a, &set->values[0]);
        else if (first != set)
            hf_config_complain(c, secret_place(set->values[0].place), "%s is set twice; the first time at %s:%u", set->values[0].text,
                c->files[first->place.file].path, first->place.line);
    }
}

/* The module's own table, with what was said in it. */
static void fill_settings(hf_config *c, hf_config_app *a)
{
    size_t count = 0;
    while (a->module->settings != NULL && a->module->settings[count].name != NULL)
        count++;
    hf_module_setting *const to = hf_config_get(c, (count + 1) * sizeof *to);
    check_names(c, a);
    for (size_t i = 0; to != NULL && i < count; i++) {
        to[i] = a->module->settings[i];
        const hf_config_item *const set = find_set(a, to[i].name);
        if (set != NULL)
            to[i].value = set->values[1].text;
        else if (to[i].required)
            hf_config_complain(c, a->item->place, "%s needs a setting: write set %s VALUE into its block", a->module->name, to[i].name);
    }
    a->settings = to;
}

/* It said no: where it says, or at its statement. */
static void complain_of_refusal(hf_config *c, const hf_config_app *a, hf_err err, hf_module_why *why)
{
    const hf_config_item *const set = why->setting != NULL ? find_set(a, why->setting) : NULL;
    why->text[sizeof why->text - 1] = 0;
    hf_config_complain(c, set != NULL ? secret_place(set->values[1].place) : a->item->place, "%s: %s", a->module->name,
        why->text[0] != 0 ? why->text : hf_err_text(err));
}

static void ask(hf_config *c, const hf_config_app *a)
{
    hf_module_why why = { .text = "" };
    const hf_err err = a->module->check != NULL ? a->module->check(a->settings, &why) : HF_OK;
    if (err.code != 0)
        complain_of_refusal(c, a, err, &why);
}

/* ---- routes ----------------------------------------------------------------------------------------------------------- */

/* "/shop/{rest...}" is "/shop". */
static hf_bytes prefix_of(const hf_config_app *a)
{
    const char *const pattern = a->route != NULL ? hf_config_value_of(a->route, 1)->text : "";
    const char *const last = strrchr(pattern, '/');
    return hf_bytes_make(pattern, last != NULL ? (size_t)(last - pattern) : 0);
}

/* Lines as one sentence. */
static const char *joined(hf_config *c, hf_bytes lines)
{
    const char *text = "";
    for (hf_bytes line; hf_split(&lines, '\n', &line);)
        if (line.len > 0)
            text = hf_config_format(c, "%s%s%.*s", text, text[0] != 0 ? "; " : "", HF_STR(line));
    return text;
}

/* False: they are refused, and every reason is told. */
static bool mount(hf_config *c, hf_config_app *a)
{
    const hf_bytes prefix = prefix_of(a);
    char memory[8192];
    hf_writer why = hf_writer_make(memory, sizeof memory);
    hf_route *const rows = a->module->route_count < SIZE_MAX / sizeof *rows ? hf_config_get(c, a->module->route_count * sizeof *rows) : NULL;
    if (rows == NULL)
        return false;
    for (size_t i = 0; i < a->module->route_count; i++) {
        rows[i] = a->module->routes[i];
        if (rows[i].path != NULL && rows[i].path[0] == '/' && prefix.len > 0)
            rows[i].path = hf_config_format(c, "%.*s%s", HF_STR(prefix), rows[i].path);
    }
    hf_router *const router = hf_router_new(c->arena.alloc, rows, a->module->route_count, &why);
    if (router == NULL && why.length == 0)
        c->out_of_memory = true;
    else if (router == NULL)
        hf_config_complain(c, place_of(a), "%s: its routes are refused: %s", file_of(a), joined(c, hf_written(&why)));
    hf_router_free(router);
    a->routes = router != NULL ? rows : NULL;
    return router != NULL;
}

/* ---- routes that are there already ------------------------------------------------------------------------------------ */

static hf_method method_of(const hf_route *r)
{
    return r->method != NULL ? hf_method_parse(hf_text(r->method)) : HF_METHOD_GET;
}

static bool has_method(const hf_config_item *route, hf_method method)
{
    for (size_t i = 0; i < route->count; i++)
        if (route->values[i].argument == 0 && route->values[i].number == (uint64_t)method)
            return true;
    return false;
}

/* The statement in the same site that has this row's method and path before it; NULL: none. */
static const hf_config_item *find_same(const hf_config *c, const hf_config_app *a, const hf_route *r)
{
    const hf_method method = method_of(r);
    const hf_config_item *route = hf_config_find(a->site->block, HF_CONFIG_ID_ROUTE);
    for (; route != NULL; route = hf_config_next(route))
        if (app_in(route->block) == NULL && has_method(route, method) && hf_config_same_pattern(hf_config_value_of(route, 1)->text, r->path))
            return route;
    for (const hf_config_item *own = a->site->block->items; own != NULL; own = own->next)
        if (own->row->action && own->row->id != HF_CONFIG_ID_APP && method == HF_METHOD_GET && hf_config_same_pattern("/{rest...}", r->path))
            return own;
    for (const hf_config_app *b = c->apps; b != NULL && b != a; b = b->next)
        for (size_t i = 0; b->site == a->site && b->routes != NULL && i < b->module->route_count; i++)
            if (method_of(&b->routes[i]) == method && hf_config_same_pattern(b->routes[i].path, r->path))
                return b->item;
    return NULL;
}

static void check_twice(hf_config *c, const hf_config_app *a)
{
    const char *text = "";
    for (size_t i = 0; i < a->module->route_count; i++) {
        const hf_config_item *const first = find_same(c, a, &a->routes[i]);
        if (first != NULL)
            text = hf_config_format(c, "%s%s%s %s has a route already, at %s:%u", text, text[0] != 0 ? "; " : "",
                hf_method_describe(method_of(&a->routes[i]))->name, a->routes[i].path, c->files[first->place.file].path, first->place.line);
    }
    if (text[0] != 0)
        hf_config_complain(c, place_of(a), "%s: %s", file_of(a), text);
}

/* ---- loading ---------------------------------------------------------------------------------------------------------- */

static hf_module_wish wish_of(const hf_config *c, const hf_config_item *item)
{
    const char *const user = hf_config_text_of(c->root, HF_CONFIG_ID_USER);
    const struct passwd *const who = user != NULL ? getpwnam(user) : NULL;
    return (hf_module_wish){ .path = item->values[0].text, .most = c->limits->config_app_bytes, .most_copies = c->limits->config_app_copies, .has_user = who != NULL, .user = who != NULL ? who->pw_uid : 0,
        .group = who != NULL ? who->pw_gid : 0,
        .any_owner = hf_config_number_of(item->block, HF_CONFIG_ID_DANGEROUS_FOREIGN_FILE) != 0 };
}

typedef struct loader {
    hf_config *config;
    bool held;
    hf_config_app **last;
} loader;

static void load(loader *l, const hf_config_item *site, const hf_config_item *route, hf_config_item *item)
{
    hf_config *const c = l->config;
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_config_app *const a = hf_config_get(c, sizeof *a);
    if (a == NULL)
        return;
    *a = (hf_config_app){ .item = item, .site = site, .route = route };
    hf_module_wish wish = wish_of(c, item);
    wish.held = l->held;
    a->module = hf_module_load(&wish, &why);
    if (a->module == NULL) {
        hf_config_complain(c, place_of(a), "app: %.*s", HF_STR(hf_written(&why)));
        return;
    }
    item->app = a;
    *l->last = a;
    l->last = &a->next;
    const size_t before = c->problem_count;
    if (mount(c, a))
        check_twice(c, a);
    fill_settings(c, a);
    if (c->problem_count == before && !c->out_of_memory)
        ask(c, a);
}

/* Calls `what` with every app statement. */
static void for_each(const hf_config *c, void (*what)(loader *l, const hf_config_item *site, const hf_config_item *route, hf_config_item *item), loader *l)
{
    for (const hf_config_item *site = hf_config_find(c->root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site)) {
        const hf_config_item *route = hf_config_find(site->block, HF_CONFIG_ID_ROUTE);
        if (app_in(site->block) != NULL)
            what(l, site, NULL, app_in(site->block));
        for (; route != NULL; route = hf_config_next(route))
            if (app_in(route->block) != NULL)
                what(l, site, route, app_in(route->block));
    }
}

bool hf_config_apps_load(hf_config *c, bool held)
{
    loader l = { .config = c, .held = held, .last = &c->apps };
    for_each(c, load, &l);
    return c->problem_count == 0 && !c->out_of_memory;
}

static void hold(loader *l, const hf_config_item *site, const hf_config_item *route, hf_config_item *item)
{
    (void)site, (void)route;
    const hf_module_wish wish = wish_of(l->config, item);
    hf_module_hold(&wish);
}

void hf_config_apps_hold(const hf_config *c)
{
    loader l = { .config = (hf_config *)c };
    for_each(c, hold, &l);
}

static void note(loader *l, const hf_config_item *site, const hf_config_item *route, hf_config_item *item)
{
    (void)site, (void)route, (void)item;
    l->held = true;
}

bool hf_config_has_apps(const hf_config *c)
{
    loader l = { .held = false };
    for_each(c, note, &l);
    return l.held;
}

/* ---- contexts --------------------------------------------------------------------------------------------------------- */

static bool open_app(hf_config *c, hf_config_app *a)
{
    hf_module_why why = { .text = "" };
    const hf_err err = a->module->open != NULL ? a->module->open(a->settings, &why, &a->context) : HF_OK;
    a->open = err.code == 0;
    if (err.code != 0)
        complain_of_refusal(c, a, err, &why);
    return a->open;
}

bool hf_config_apps_open(hf_config *c)
{
    bool good = true;
    for (hf_config_app *a = c->apps; a != NULL; a = a->next)
        good = open_app(c, a) && good; /* all reasons at once */
    if (!good)
        hf_config_apps_close(c);
    return good;
}

void hf_config_apps_close(hf_config *c)
{
    for (hf_config_app *a = c->apps; a != NULL; a = a->next) {
        if (a->open && a->module->close != NULL)
            a->module->close(a->context);
        a->open = false;
    }
}
