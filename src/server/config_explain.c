/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast config explain`: the same tables that the server asks, asked for one request, step by step.
 */
#include "config_plan.h"

#include "config_apps.h"
#include "config_guards.h"
#include "spelling.h"
#include "target.h"
#include "text.h"

typedef struct question {
    hf_config *config;
    hf_config_plan plan;
    hf_method method;
    hf_bytes authority, raw, path, query; /* path: decoded */
    bool has_host;
    FILE *out;
} question;

static void say_place(const question *q, const hf_config_place *place)
{
    fputs(" (", q->out);
    hf_config_print_place(q->config, q->out, place);
    fputs(")\n", q->out);
}

/* ---- the question --------------------------------------------------------------------------------------------- */

static bool parse_url(question *q, const char *url, FILE *err)
{
    hf_config *c = q->config;
    const char *scheme = strstr(url, "://"), *begin = scheme != NULL ? scheme + 3 : url;
    const char *path = strchr(begin, '/');
    const size_t end = path != NULL ? (size_t)(path - begin) : strcspn(begin, "?");
    q->authority = hf_bytes_make(begin, url[0] == '/' ? 0 : end);
    q->has_host = q->authority.len > 0;
    hf_bytes host = { 0 };
    int32_t port;
    if (q->has_host && hf_authority_parse(q->authority, &host, &port).code != 0) {
        fprintf(err, "\"%s\" has no host that could be asked for; write http://HOST/PATH or /PATH\n", url);
        return false;
    }
    const char *target = path != NULL ? path : hf_config_format(c, "/%s", begin + end);
    const hf_bytes whole = hf_bytes_make(target, strcspn(target, "#")); /* a fragment is never sent */
    hf_request_head head = { 0 };
    uint8_t *room = hf_config_get(c, whole.len + 1);
    if (room == NULL)
        return false;
    hf_writer w = hf_writer_make(room, whole.len + 1);
    hf_err bad = hf_target_parse_origin(whole, &head);
    if (bad.code == 0)
        bad = hf_path_normalise(head.path, &w);
    if (bad.code != 0) {
        fprintf(err, "\"%s\" would be refused: %s\n", url, hf_err_text(bad));
        return false;
    }
    q->raw = head.path;
    q->query = head.query;
    q->path = hf_written(&w);
    return true;
}

/* ---- the site ------------------------------------------------------------------------------------------------- */

static const hf_config_item *explain_site(question *q, const hf_site **rows)
{
    const hf_config_plan *p = &q->plan;
    const hf_host *found = hf_hosts_find(p->hosts, p->host_count, q->authority);
    if (q->has_host)
        fprintf(q->out, "host    %.*s\n", HF_STR(q->authority));
    else
        fputs("host    (none was given: what no named site has)\n", q->out);
    if (found == NULL) {
        fputs("site    none has this host, and there is no site *\nanswer  421 Misdirected Request\n", q->out);
        return NULL;
    }
    const hf_config_item *site = p->site_items[found->site];
    *rows = &p->sites[found->site];
    const char *key = (const char *)found->key.ptr;
    for (size_t i = 0; i < site->count; i++) {
        if (!hf_bytes_equal(hf_host_key(hf_text(site->values[i].text)), found->key))
            continue;
        fprintf(q->out, "site    %s: %s", site->values[i].text, found->key.len == 0 ? "for every host that no other site has"
            : key[0] == '.' ? "every name below it, and no site names this one" : "names this host");
        say_place(q, &site->place);
        break;
    }
    return site;
}

/* ---- the route ------------------------------------------------------------------------------------------------ */

static void list_methods(question *q, uint32_t methods)
{
    const char *comma = "";
    if (methods & (1u << HF_METHOD_GET))
        methods |= 1u << HF_METHOD_HEAD;
    methods |= 1u << HF_METHOD_OPTIONS;
    for (unsigned m = HF_METHOD_UNKNOWN + 1; m < HF_METHOD_COUNT; m++)
        if (methods & (1u << m)) {
            fprintf(q->out, "%s%s", comma, hf_method_describe((hf_method)m)->name);
            comma = ", ";
        }
}

static void explain_no_route(question *q, uint32_t methods)
{
    if (methods == 0) {
        fputs("route   none has this path\nanswer  404 Not Found\n", q->out);
        return;
    }
    fprintf(q->out, "route   the path has routes, but none for %s: ", hf_method_describe(q->method)->name);
    list_methods(q, methods);
    fprintf(q->out, "\nanswer  %s\n", q->method == HF_METHOD_OPTIONS ? "204 with these in Allow" : "405 Method Not Allowed");
}

static void explain_route(question *q, const hf_config_action *action, const hf_route_match *match)
{
    if (action->route == NULL && action->action->app == NULL) {
        fputs("route   no route of the site fits, so what the site itself says", q->out);
        say_place(q, &action->action->place);
        return;
    }
    fprintf(q->out, "route   %s %s", match->route->method != NULL ? match->route->method : "GET", match->route->path);
    if (q->method == HF_METHOD_HEAD)
        fputs(", which answers HEAD too", q->out);
    say_place(q, action->route != NULL ? &action->route->place : &action->action->place);
    for (size_t i = 0; i < match->argument_count; i++)
        fprintf(q->out, "        {%.*s} is \"%s\"\n", (int)match->arguments[i].name_length, match->arguments[i].name,
            hf_config_shown(q->config, match->arguments[i].value));
}

static void explain_files(question *q, const hf_config_item *action, const hf_route_match *match)
{
    const size_t n = match->argument_count;
    const hf_bytes rest = n > 0 ? match->arguments[n - 1].value : hf_bytes_make(q->path.ptr + 1, q->path.len - 1);
    const char *root = hf_config_value_of(action, 0)->text;
    const char *file = hf_config_format(q->config, "%s%s%.*s", root, root[strlen(root) - 1] == '/' ? "" : "/", HF_STR(rest));
    const bool folder = rest.len == 0 || rest.ptr[rest.len - 1] == '/';
    fprintf(q->out, "answer  the file %s", hf_config_shown(q->config, hf_text(file)));
    if (folder) {
        const hf_config_item *index = hf_config_find(action->block, HF_CONFIG_ID_INDEX);
        for (size_t i = 0; i < index->count; i++)
            fprintf(q->out, "%s%s", i == 0 ? "" : " or ", index->values[i].text);
    }
    const hf_config_kind kind = q->config->world->kind(q->config->world->self, file);
    if (kind == HF_CONFIG_MISSING)
        fputs(hf_config_text_of(action->block, HF_CONFIG_ID_SPA) != NULL ? ", which is not there: its spa page, or 404"
            : ", which is not there: 404", q->out);
    else if (kind == HF_CONFIG_FOLDER && !folder)
        fputs(", which is a folder: 301 to the path with a /", q->out);
    say_place(q, &action->place);
}

static void explain_action(question *q, const hf_config_item *action, const hf_route_match *match)
{
    const hf_config_value *first = hf_config_value_of(action, 0);
    if (action->row->id == HF_CONFIG_ID_FILES) {
        explain_files(q, action, match);
        return;
    }
    if (action->row->id == HF_CONFIG_ID_ANSWER) {
        fprintf(q->out, "answer  %llu with the text of the configuration", (unsigned long long)first->number);
        say_place(q, &action->place);
        return;
    }
    if (action->app != NULL) {
        const hf_route *const r = match->route;
        fprintf(q->out, "answer  %sthe application %s, out of %s", r->websocket != NULL ? "a WebSocket of " : r->events != NULL ? "an event stream of "
            : r->files != NULL ? "files of " : "", action->app->module->name, first->text);
        say_place(q, &action->place);
        return;
    }
    const size_t room = hf_config_locate_room(first->text, q->path, q->query);
    char *text = hf_config_get(q->config, room);
    if (text == NULL)
        return;
    hf_writer w = hf_writer_make(text, room);
    (void)hf_config_locate(&w, first->text, match, q->path, q->query); /* there is room enough */
    fprintf(q->out, "answer  %llu to %.*s", (unsigned long long)hf_config_value_of(action, 1)->number, HF_STR(hf_written(&w)));
    say_place(q, &action->place);
}

static void explain_https(question *q, const hf_route *route)
{
    const hf_config_item *const all = hf_config_find(q->config->root, HF_CONFIG_ID_REDIRECT_HTTPS);
    const bool everywhere = all != NULL && all->count > 0 && all->values[0].number != 0;
    if (route->https == HF_HTTPS_ALWAYS || (everywhere && route->https == HF_HTTPS_AS_SERVER))
        fputs("https   over plain HTTP: 308 to https at the same host\n", q->out);
}

static void explain_limits(question *q, const hf_config_item *owner, const hf_config_item *inner)
{
    const hf_config_item *const limits = owner != NULL ? hf_config_find(owner->block, HF_CONFIG_ID_LIMITS) : NULL;
    for (const hf_config_item *item = limits != NULL ? limits->block->items : NULL; item != NULL; item = item->next) {
        const hf_config_item *const over = inner != NULL ? hf_config_find(inner->block, HF_CONFIG_ID_LIMITS) : NULL;
        const hf_config_item *again = over != NULL ? over->block->items : NULL;
        while (again != NULL && again->row != item->row)
            again = again->next;
        if (again != NULL)
            continue; /* said by the route */
        char amount[64];
        hf_amount_write(amount, sizeof amount, item->values[0].number, item->row->unit);
        fprintf(q->out, "limit   %s is %s here", item->row->name, amount);
        say_place(q, &item->place);
    }
}

/* What is kept of it, and what bounds it, where that is not what holds for all. */
static void explain_own(question *q, const hf_config_item *site, const hf_config_action *action)
{
    explain_limits(q, site, action->route);
    explain_limits(q, action->route, NULL);
    if (action->log == NULL)
        return;
    const char *file = action->log->values[0].text;
    fprintf(q->out, "log     %s", strcmp(file, "off") == 0 ? "none" : strcmp(file, "-") == 0 ? "standard output" : file);
    say_place(q, &action->log->place);
}

static void explain_path(question *q, const hf_config_item *site, const hf_site *rows)
{
    char why[256];
    hf_writer w = hf_writer_make(why, sizeof why);
    hf_route_match match;
    hf_router *router = hf_router_new(q->config->arena.alloc, q->plan.routes + rows->first, rows->count, &w);
    if (router == NULL)
        return;
    if (!hf_bytes_equal(q->raw, q->path))
        fprintf(q->out, "path    %.*s, decoded %s\n", HF_STR(q->raw), hf_config_shown(q->config, q->path));
    else
        fprintf(q->out, "path    %.*s\n", HF_STR(q->path));
    hf_router_match(router, q->method, q->path, &match);
    if (match.route == NULL) {
        explain_no_route(q, match.methods);
    } else {
        const hf_config_action *action = &q->plan.actions[match.route - q->plan.routes];
        explain_route(q, action, &match);
        explain_https(q, match.route);
        if (action->auth != NULL) {
            fprintf(q->out, "who     only who has a password in %s; others are answered 401", hf_config_value_of(action->auth, 1)->text);
            say_place(q, &action->auth->place);
        }
        hf_config_explain_guards(q->config, site, action, q->method, q->out);
        explain_action(q, action->action, &match);
        explain_own(q, site, action);
    }
    hf_router_free(router);
}

bool hf_config_explain(hf_config *c, const char *method, const char *url, FILE *out, FILE *err)
{
    question q = { .config = c, .out = out, .method = hf_method_parse(hf_text(method)) };
    if (q.method == HF_METHOD_UNKNOWN) {
        fprintf(err, "\"%s\" is no method; write one such as GET or POST, in capitals\n", method);
        return false;
    }
    const hf_site *rows = NULL;
    if (!parse_url(&q, url, err) || hf_config_plan_make(c, &q.plan).code != 0)
        return false;
    const hf_config_item *const site = explain_site(&q, &rows);
    if (site != NULL)
        explain_path(&q, site, rows);
    return true;
}
