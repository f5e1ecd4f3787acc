/* SPDX-License-Identifier: Apache-2.0 */
#include "config_apps.h"
#include "config_guards.h"
#include "config_passwords.h"

#include "panic.h"
#include "shared_topics.h"

static const hf_config_item *action_of(const hf_config_block *block)
{
    const hf_config_item *item = block->items;
    while (item != NULL && !item->row->action)
        item = item->next;
    return item;
}

/* ---- routes --------------------------------------------------------------------------------------------------- */

static const hf_files *make_files(hf_config *c, const hf_config_item *item)
{
    const hf_config_block *b = item->block;
    const hf_config_item *index = hf_config_find(b, HF_CONFIG_ID_INDEX);
    hf_files *files = hf_config_get(c, sizeof *files);
    const char **names = hf_config_get(c, (index->count + 1) * sizeof *names);
    if (files == NULL || names == NULL)
        return NULL;
    for (size_t i = 0; i < index->count; i++)
        names[i] = index->values[i].text;
    *files = (hf_files){
        .root = hf_config_value_of(item, 0)->text,
        .index = names,
        .spa = hf_config_text_of(b, HF_CONFIG_ID_SPA),
        .error_pages = hf_config_text_of(b, HF_CONFIG_ID_ERROR_PAGES),
        .cache_control = hf_config_text_of(b, HF_CONFIG_ID_CACHE_CONTROL),
        .content_security_policy = hf_config_text_of(b, HF_CONFIG_ID_CONTENT_SECURITY_POLICY),
        .listing = hf_config_number_of(b, HF_CONFIG_ID_LISTING) != 0,
        .follow_symlinks = hf_config_number_of(b, HF_CONFIG_ID_FOLLOW_SYMLINKS) != 0,
        .hidden = hf_config_number_of(b, HF_CONFIG_ID_HIDDEN) != 0,
        .no_precompressed = hf_config_number_of(b, HF_CONFIG_ID_PRECOMPRESSED) == 0,
        .no_compression = hf_config_number_of(b, HF_CONFIG_ID_COMPRESS) == 0,
    };
    return files;
}

/* The paths that a setting of early_hints or push names; NULL: none. */
static const char *const *targets_of(hf_config *c, const hf_config_item *item)
{
    const char **paths = item != NULL ? hf_config_get(c, (item->count + 1) * sizeof *paths) : NULL;
    size_t n = 0;
    for (size_t i = 0; paths != NULL && i < item->count; i++)
        if (item->values[i].text[0] == '/')
            paths[n++] = item->values[i].text;
    return n > 0 ? paths : NULL;
}

/* The one word that is no path. */
static bool is_learned(const hf_config_item *item)
{
    for (size_t i = 0; item != NULL && i < item->count; i++)
        if (item->values[i].text[0] != '/')
            return true;
    return false;
}

static const hf_config_item *of_route_or_site(const hf_config_item *site, const hf_config_item *route, hf_config_id id)
{
    const hf_config_item *const own = route != NULL ? hf_config_find(route->block, id) : NULL;
    return own != NULL ? own : hf_config_find(site->block, id);
}

/* ---- logs and limits ------------------------------------------------------------------------------------------ */

static hf_serve_log log_from(const hf_config_item *item)
{
    const char *path = item->values[0].text;
    return (hf_serve_log){ strcmp(path, "off") == 0 ? NULL : path, (hf_access_format)hf_config_number_of(item->block, HF_CONFIG_ID_FORMAT) };
}

static bool same_log(const hf_serve_log *a, const hf_serve_log *b)
{
    return a->path == NULL || b->path == NULL ? a->path == b->path : a->format == b->format && strcmp(a->path, b->path) == 0;
}

/* 0: the file's own. What the rules let through fits. */
static uint32_t log_number(const hf_config *c, hf_config_plan *p, const hf_config_item *item)
{
    if (item == NULL)
        return 0;
    const hf_serve_log wanted = log_from(item), all = log_from(hf_config_find(c->root, HF_CONFIG_ID_ACCESS_LOG));
    if (same_log(&wanted, &all))
        return 0;
    for (size_t i = 0; i < p->log_count; i++)
        if (same_log(&wanted, &p->logs[i]))
            return (uint32_t)i + 1;
    HF_ASSERT(p->log_count < c->limits->config_logs);
    p->logs[p->log_count++] = wanted;
    return (uint32_t)p->log_count;
}

static void put_limits(hf_limits *to, const hf_config_item *limits)
{
    for (const hf_config_item *item = limits != NULL ? limits->block->items : NULL; item != NULL; item = item->next)
        memcpy((uint8_t *)to + item->row->limit - 1, &item->values[0].number, sizeof(uint64_t));
}

/* The file's, the site's over them, the route's over those; NULL: neither has any of its own. */
static const hf_limits *limits_of(hf_config *c, const hf_config_plan *p, const hf_config_item *site, const hf_config_item *route)
{
    const hf_config_item *const outer = hf_config_find(site->block, HF_CONFIG_ID_LIMITS);
    const hf_config_item *const own = route != NULL ? hf_config_find(route->block, HF_CONFIG_ID_LIMITS) : NULL;
    hf_limits *const limits = outer != NULL || own != NULL ? hf_config_get(c, sizeof *limits) : NULL;
    if (limits == NULL)
        return NULL;
    *limits = p->limits;
    put_limits(limits, outer);
    put_limits(limits, own);
    return limits;
}

static bool says_body_bytes(const hf_config_item *owner)
{
    const hf_config_item *const limits = owner != NULL ? hf_config_find(owner->block, HF_CONFIG_ID_LIMITS) : NULL;
    for (const hf_config_item *item = limits != NULL ? limits->block->items : NULL; item != NULL; item = item->next)
        if (item->row->limit == 1 + offsetof(hf_limits, body_bytes))
            return true;
    return false;
}

/* 0: the limit body_bytes, of the route where that has its own */
static uint64_t max_body_of(const hf_config_item *site, const hf_config_item *route)
{
    const hf_config_item *item = route != NULL ? hf_config_find(route->block, HF_CONFIG_ID_MAX_BODY) : NULL;
    if (item == NULL && !says_body_bytes(route))
        item = hf_config_find(site->block, HF_CONFIG_ID_MAX_BODY);
    return item != NULL && item->count > 0 ? item->values[0].number : 0;
}

/* ---- routes and sites ----------------------------------------------------------------------------------------- */

/* What answers, where that is not an app, whose rows come with it. */
static void put_action(hf_config *c, hf_config_plan *p, const hf_config_item *action, hf_route *row)
{
    if (action->row->id == HF_CONFIG_ID_FILES) {
        row->method = NULL;
        row->files = make_files(c, action);
        c->out_of_memory = c->out_of_memory || row->files == NULL;
        return;
    }
    row->handle = action->row->id == HF_CONFIG_ID_REDIRECT ? hf_config_redirect : hf_config_answer;
    row->compress = HF_COMPRESS_ALWAYS; /* what the file says is the same for everybody */
    row->context = p;
}

/* What its settings say over what the row says. */
static void put_settings(hf_config *c, const hf_config_item *site, const hf_config_item *route, hf_route *row)
{
    const hf_config_item *const https = of_route_or_site(site, route, HF_CONFIG_ID_REDIRECT_HTTPS);
    const hf_config_item *const hints = of_route_or_site(site, route, HF_CONFIG_ID_EARLY_HINTS), *const push = of_route_or_site(site, route, HF_CONFIG_ID_PUSH);
    if (https != NULL && https->count > 0)
        row->https = https->values[0].number != 0 ? HF_HTTPS_ALWAYS : HF_HTTPS_NEVER_NEEDED;
    if (hints != NULL) {
        row->hints = targets_of(c, hints);
        row->learn_hints = is_learned(hints);
    }
    if (push != NULL)
        row->push = targets_of(c, push);
}

/* The guards of the configuration stand before those of an app's row, which are taken out of it meanwhile. */
static void put_guards(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route, const hf_config_item *action,
    hf_route *row)
{
    hf_guard *own[HF_ROUTE_GUARDS];
    const hf_config_item *const auth = hf_config_auth_of(site, route);
    memcpy(own, row->guards, sizeof own);
    memset(row->guards, 0, sizeof row->guards);
    if (auth != NULL) {
        hf_password_guard *const guard = hf_config_password_guard(c, p, auth);
        c->out_of_memory = c->out_of_memory || guard == NULL;
        row->guards[0] = guard != NULL ? &guard->guard : NULL;
    }
    p->actions[p->route_count].auth = auth;
    hf_config_add_guards(c, p, site, route, action, row);
    for (size_t i = 0; i < HF_ROUTE_GUARDS && own[i] != NULL; i++) {
        if (row->guards[HF_ROUTE_GUARDS - 1] == NULL)
            hf_config_put_guard(row, own[i], false);
        else
            hf_config_complain(c, action->place, "%s %s has %d guards and more: those of the app and those that the configuration says", row->method != NULL
                ? row->method : "GET", row->path, HF_ROUTE_GUARDS);
    }
}

static void add_route(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route,
    const hf_config_item *action, hf_route row)
{
    const hf_config_item *const log = of_route_or_site(site, route, HF_CONFIG_ID_ACCESS_LOG);
    const hf_limits *const limits = limits_of(c, p, site, route);
    put_settings(c, site, route, &row);
    if (action->app == NULL)
        put_action(c, p, action, &row);
    if (limits != NULL)
        row.limits = limits;
    p->actions[p->route_count] = (hf_config_action){ .route = route, .action = action, .log = log };
    p->route_logs[p->route_count] = log_number(c, p, log);
    put_guards(c, p, site, route, action, &row);
    p->routes[p->route_count++] = row;
}

/* None where it is not loaded: then nothing is served of it. Logs are numbered alike all the same, for descriptors are handed on. */
static void add_app(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route, const hf_config_item *action)
{
    const hf_config_app *const a = action->app;
    (void)log_number(c, p, of_route_or_site(site, route, HF_CONFIG_ID_ACCESS_LOG));
    for (size_t i = 0; a != NULL && i < a->module->route_count; i++) {
        hf_route row = a->routes[i];
        const uint64_t most = route != NULL || hf_config_find(site->block, HF_CONFIG_ID_MAX_BODY) != NULL ? max_body_of(site, route) : 0;
        if (most > 0 && (row.max_body == 0 || most < row.max_body)) /* the app says what it can take at most */
            row.max_body = most;
        row.context = a->context;
        add_route(c, p, site, route, action, row);
    }
}

static void add_routes(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route)
{
    const hf_config_item *action = action_of(route->block);
    if (action->row->id == HF_CONFIG_ID_APP) {
        add_app(c, p, site, route, action);
        return;
    }
    for (size_t i = 0; i < route->count; i++)
        if (route->values[i].argument == 0)
            add_route(c, p, site, route, action, (hf_route){ .method = hf_method_describe((hf_method)route->values[i].number)->name,
                .path = hf_config_value_of(route, 1)->text, .max_body = max_body_of(site, route) });
}

static void add_site(hf_config *c, hf_config_plan *p, const hf_config_item *site)
{
    const size_t first = p->route_count;
    const hf_config_item *action = action_of(site->block);
    const hf_config_item *route = hf_config_find(site->block, HF_CONFIG_ID_ROUTE);
    for (; route != NULL; route = hf_config_next(route))
        add_routes(c, p, site, route);
    if (action != NULL && action->row->id == HF_CONFIG_ID_APP)
        add_app(c, p, site, NULL, action);
    else if (action != NULL)
        add_route(c, p, site, NULL, action, (hf_route){ .method = "GET", .path = "/{rest...}" });
    for (size_t i = 0; i < site->count; i++)
        p->hosts[p->host_count++] = (hf_host){ .key = hf_host_key(hf_text(site->values[i].text)), .site = p->site_count };
    p->site_logs[p->site_count] = log_number(c, p, hf_config_find(site->block, HF_CONFIG_ID_ACCESS_LOG));
    p->site_items[p->site_count] = site;
    p->sites[p->site_count++] = (hf_site){ first, p->route_count - first };
}

/* ---- certificates --------------------------------------------------------------------------------------------- */

/* The hosts of a site, for its certificates; NULL for those of whoever asks. */
static const char *const *hosts_of(hf_config *c, const hf_config_item *site)
{
    const char **hosts = site != NULL ? hf_config_get(c, (site->count + 1) * sizeof *hosts) : NULL;
    for (size_t i = 0; hosts != NULL && i < site->count; i++) {
        if (strcmp(site->values[i].text, "*") == 0)
            return NULL;
        hosts[i] = site->values[i].text;
    }
    return hosts;
}

/* The ocsp that is written behind this certificate and before the next one. */
static const char *staple_of(const hf_config_item *certificate)
{
    for (const hf_config_item *item = certificate->next; item != NULL && item->row->id != HF_CONFIG_ID_CERTIFICATE; item = item->next)
        if (item->row->id == HF_CONFIG_ID_OCSP)
            return item->values[0].text;
    return NULL;
}

static void add_identities(hf_config *c, hf_config_plan *p, const hf_config_block *block, const hf_config_item *site)
{
    const hf_config_item *certificate = hf_config_find(block, HF_CONFIG_ID_CERTIFICATE), *key = hf_config_find(block, HF_CONFIG_ID_KEY);
    const char *const *hosts = certificate != NULL ? hosts_of(c, site) : NULL;
    for (; certificate != NULL && key != NULL; certificate = hf_config_next(certificate), key = hf_config_next(key))
        p->identities[p->identity_count++] = (hf_identity_source){ .certificate = certificate->values[0].text, .key = key->values[0].text,
            .hosts = hosts, .ocsp = staple_of(certificate) };
}

static size_t count_certificates(const hf_config_block *block)
{
    size_t n = 0;
    for (const hf_config_item *item = hf_config_find(block, HF_CONFIG_ID_CERTIFICATE); item != NULL; item = hf_config_next(item))
        n++;
    return n;
}

static hf_network *make_networks(hf_config *c, const hf_config_block *block, hf_config_id id, size_t *count)
{
    const hf_config_item *item = hf_config_find(block, id);
    const bool off = item != NULL && item->count > 0 && strcmp(item->values[0].text, "off") == 0;
    *count = item != NULL && !off ? item->count : 0;
    hf_network *networks = *count > 0 ? hf_config_get(c, *count * sizeof *networks) : NULL;
    for (size_t i = 0; networks != NULL && i < *count; i++) {
        const bool good = hf_network_parse(hf_text(item->values[i].text), &networks[i]);
        HF_ASSERT(good);
    }
    return networks;
}

/* Of listeners that say something else than the file. */
static void add_proxies(hf_config *c, hf_config_plan *p)
{
    size_t listener = 0;
    p->proxies = hf_config_get(c, HF_SERVE_LISTENERS * sizeof *p->proxies);
    const hf_config_item *l = hf_config_find(c->root, HF_CONFIG_ID_LISTEN);
    for (; p->proxies != NULL && l != NULL; l = hf_config_next(l), listener++) {
        size_t count;
        if (hf_config_find(l->block, HF_CONFIG_ID_PROXY_PROTOCOL) == NULL)
            continue;
        const hf_network *const from = make_networks(c, l->block, HF_CONFIG_ID_PROXY_PROTOCOL, &count);
        p->proxies[p->proxies_count++] = (hf_serve_proxies){ listener, from, from != NULL ? count : 0 };
    }
}

hf_err hf_config_plan_make(hf_config *c, hf_config_plan *p)
{
    size_t sites = 0, hosts = 0, routes = 0, identities = count_certificates(c->root);
    HF_ASSERT(c->problem_count == 0 && c->root != NULL);
    *p = (hf_config_plan){ .config = c };
    const hf_config_item *site = hf_config_find(c->root, HF_CONFIG_ID_SITE);
    for (; site != NULL; site = hf_config_next(site)) {
        const hf_config_item *route = hf_config_find(site->block, HF_CONFIG_ID_ROUTE);
        sites++;
        identities += count_certificates(site->block);
        hosts += site->count;
        routes++;
        for (; route != NULL; route = hf_config_next(route))
            routes += route->count;
    }
    for (const hf_config_app *a = c->apps; a != NULL; a = a->next)
        routes += a->module->route_count;
    p->routes = hf_config_get(c, routes * sizeof *p->routes);
    p->actions = hf_config_get(c, routes * sizeof *p->actions);
    p->sites = hf_config_get(c, sites * sizeof *p->sites);
    p->site_items = hf_config_get(c, sites * sizeof *p->site_items);
    p->hosts = hf_config_get(c, hosts * sizeof *p->hosts);
    p->identities = hf_config_get(c, identities * sizeof *p->identities);
    p->proxy_from = make_networks(c, c->root, HF_CONFIG_ID_PROXY_PROTOCOL, &p->proxy_from_count);
    p->trusted = make_networks(c, c->root, HF_CONFIG_ID_TRUSTED_PROXIES, &p->trusted_count);
    p->logs = hf_config_get(c, (size_t)c->limits->config_logs * sizeof *p->logs);
    p->route_logs = hf_config_get(c, routes * sizeof *p->route_logs);
    p->site_logs = hf_config_get(c, sites * sizeof *p->site_logs);
    add_proxies(c, p);
    if (c->out_of_memory)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    p->limits = *hf_limits_default();
    put_limits(&p->limits, hf_config_find(c->root, HF_CONFIG_ID_LIMITS));
    add_identities(c, p, c->root, NULL);
    for (site = hf_config_find(c->root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site)) {
        add_site(c, p, site);
        add_identities(c, p, site->block, site);
    }
    hf_hosts_sort(p->hosts, p->host_count);
    return c->out_of_memory ? hf_err_make(HF_ERR_BASE_MEMORY) : HF_OK;
}

/* ---- options -------------------------------------------------------------------------------------------------- */

static void apply_listeners(const hf_config_block *root, hf_serve_options *o)
{
    char why[512];
    o->listener_count = 0;
    for (const hf_config_item *l = hf_config_find(root, HF_CONFIG_ID_LISTEN); l != NULL; l = hf_config_next(l)) {
        HF_ASSERT(o->listener_count < HF_SERVE_LISTENERS);
        const hf_listen_verdict verdict = hf_listen_url_parse(l->values[0].text, &o->listeners[o->listener_count++], why, sizeof why);
        HF_ASSERT(verdict == HF_LISTEN_OK);
    }
}

static void apply_preferred(const hf_config_block *root, hf_serve_options *o)
{
    char why[512];
    hf_listen_url url;
    const hf_config_item *item = hf_config_find(root, HF_CONFIG_ID_PREFERRED_ADDRESS);
    memset(o->preferred, 0, sizeof o->preferred);
    for (size_t i = 0; item != NULL && i < item->count; i++)
        if (hf_listen_url_parse(item->values[i].text, &url, why, sizeof why) == HF_LISTEN_OK)
            (void)hf_listen_url_prefer(&url, o->preferred); /* both were looked at */
}

void hf_config_plan_apply_routes(const hf_config_plan *p, hf_serve_options *o)
{
    o->logs = p->logs;
    o->log_count = p->log_count;
    o->route_logs = p->route_logs;
    o->site_logs = p->site_logs;
    o->routes = p->routes;
    o->route_count = p->route_count;
    o->context = (void *)p;
    o->sites = p->sites;
    o->site_count = p->site_count;
    o->hosts = p->hosts;
    o->host_count = p->host_count;
}

void hf_config_plan_contexts(hf_config_plan *p)
{
    for (size_t i = 0; i < p->route_count; i++)
        if (p->actions[i].action->app != NULL)
            p->routes[i].context = p->actions[i].action->app->context;
}

void hf_config_plan_apply(const hf_config_plan *p, hf_serve_options *o)
{
    static const hf_loop_kind loops[] = { HF_LOOP_AUTO, HF_LOOP_EPOLL, HF_LOOP_URING }; /* as the schema's choices */
    const hf_config_block *root = p->config->root;
    const hf_config_item *log = hf_config_find(root, HF_CONFIG_ID_ACCESS_LOG);
    apply_listeners(root, o);
    o->threads = (uint32_t)hf_config_number_of(root, HF_CONFIG_ID_THREADS);
    o->loop = loops[hf_config_number_of(root, HF_CONFIG_ID_IO)];
    o->identities = p->identities;
    o->identity_count = p->identity_count;
    o->tls_least = hf_config_number_of(root, HF_CONFIG_ID_TLS_MIN) == 1 ? HF_TLS_1_3 : HF_TLS_1_2;
    const hf_config_item *clients = hf_config_find(root, HF_CONFIG_ID_CLIENT_CA);
    o->client_ca = clients != NULL ? clients->values[0].text : NULL;
    o->client_optional = hf_config_number_of(root, HF_CONFIG_ID_CLIENT_AUTH) == 1;
    o->rsa_key_exchange = hf_config_number_of(root, HF_CONFIG_ID_RSA_KEY_EXCHANGE) != 0;
    o->early_data = hf_config_number_of(root, HF_CONFIG_ID_EARLY_DATA) != 0;
    o->no_http3 = hf_config_number_of(root, HF_CONFIG_ID_HTTP3) == 0;
    apply_preferred(root, o);
    o->redirect_https = hf_config_number_of(root, HF_CONFIG_ID_REDIRECT_HTTPS) != 0;
    o->terse = hf_config_number_of(root, HF_CONFIG_ID_PROFILE) != 1; /* dev */
    o->user = hf_config_text_of(root, HF_CONFIG_ID_USER);
    o->no_seccomp = hf_config_number_of(root, HF_CONFIG_ID_SECCOMP) == 0;
    const char *admin = hf_config_text_of(root, HF_CONFIG_ID_ADMIN);
    o->admin = strcmp(admin, "off") == 0 ? NULL : admin;
    const char *const answers = hf_config_text_of(root, HF_CONFIG_ID_IDEMPOTENCY_STORE);
    o->answers_file = strcmp(answers, "memory") == 0 ? NULL : answers;
    const char *const topics = hf_config_text_of(root, HF_CONFIG_ID_TOPICS);
    *(hf_shared_topics_named(topics) ? &o->topics_redis : &o->topics_file) = topics;
    o->access_log = strcmp(log->values[0].text, "off") == 0 ? NULL : log->values[0].text;
    o->log_format = (hf_access_format)hf_config_number_of(log->block, HF_CONFIG_ID_FORMAT);
    const hf_config_item *const record = hf_config_find(root, HF_CONFIG_ID_RECORD);
    o->record_folder = record != NULL ? record->values[0].text : NULL;
    o->record_all = record != NULL && hf_config_number_of(record->block, HF_CONFIG_ID_CONNECTIONS) == 1;
    o->record_secrets = record != NULL && hf_config_number_of(record->block, HF_CONFIG_ID_SECRETS) == 1;
    o->limits = p->limits;
    o->proxy_from = p->proxy_from;
    o->proxy_from_count = p->proxy_from_count;
    o->proxies = p->proxies;
    o->proxies_count = p->proxies_count;
    o->trusted = p->trusted;
    o->trusted_count = p->trusted_count;
    o->config = p->config->files[0].path;
    hf_config_plan_apply_routes(p, o);
}
