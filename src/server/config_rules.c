/* SPDX-License-Identifier: Apache-2.0 */
#include "config_rules.h"

#include "config_guards.h"
#include "config_passwords.h"
#include "limit_rules.h"
#include "listen_url.h"
#include "text.h"
#include "serve.h"

static const char *place_text(hf_config *c, const hf_config_place *place)
{
    return hf_config_format(c, "%s:%u", c->files[place->file].path, place->line);
}

/* ---- defaults ------------------------------------------------------------------------------------------------- */

static void add_default(hf_config *c, hf_config_block *block, const hf_config_row *row)
{
    hf_config_item *item = hf_config_get(c, sizeof *item);
    hf_config_value *value = item != NULL ? hf_config_get(c, sizeof *value) : NULL;
    if (value == NULL)
        return;
    *item = (hf_config_item){ .row = row, .values = value };
    if (row->limit > 0) {
        memcpy(&value->number, (const uint8_t *)hf_limits_default() + row->limit - 1, sizeof value->number);
        value->text = hf_config_format(c, "%llu", (unsigned long long)value->number);
        item->count = 1;
    } else if (row->arguments[0].preset != NULL) {
        value->text = row->arguments[0].preset;
        item->count = 1;
        (void)hf_config_understand(c, row, value); /* for its number; the schema's own defaults are right */
    }
    if (row->opens != HF_CONFIG_NO_BLOCK && (item->block = hf_config_get(c, sizeof *item->block)) != NULL) {
        item->block->kind = row->opens;
        item->block->last = &item->block->items;
        item->block->parent = block;
        item->block->owner = item;
        hf_config_finish_block(c, item->block, true);
    }
    hf_config_append(block, item);
}

static bool is_set(const hf_config_block *block, const hf_config_row *row)
{
    for (const hf_config_item *item = block->items; item != NULL; item = item->next)
        if (item->row == row)
            return true;
    return false;
}

static void add_defaults(hf_config *c, hf_config_block *block)
{
    const hf_config_row *row;
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++) {
        const bool has_one = (row->limit > 0 && block->kind == HF_CONFIG_LIMITS) || row->opens == HF_CONFIG_LIMITS ||
            (row->arguments[0].preset != NULL && row->id != HF_CONFIG_ID_ROUTE);
        if ((row->where & (1u << block->kind)) && has_one && row->not_yet == NULL && !is_set(block, row))
            add_default(c, block, row);
    }
}

/* ---- actions -------------------------------------------------------------------------------------------------- */

static const hf_config_item *find_action(const hf_config_block *block)
{
    for (const hf_config_item *item = block->items; item != NULL; item = item->next)
        if (item->row->action)
            return item;
    return NULL;
}

static void check_actions(hf_config *c, const hf_config_block *block, const char *pattern)
{
    const hf_config_item *first = find_action(block);
    for (const hf_config_item *item = first != NULL ? first->next : NULL; item != NULL; item = item->next)
        if (item->row->action)
            hf_config_complain(c, item->place, "%s already answers with %s (%s); there can be one files, redirect, answer or app",
                block->kind == HF_CONFIG_SITE ? "this site" : "this route", first->row->name, place_text(c, &first->place));
    for (const hf_config_item *item = first; item != NULL; item = item->next)
        if (item->row->id == HF_CONFIG_ID_REDIRECT)
            (void)hf_config_check_location(c, hf_config_value_of(item, 0), pattern);
}

static bool ends_in_rest(const char *pattern)
{
    const size_t length = strlen(pattern);
    return length > 4 && strcmp(pattern + length - 4, "...}") == 0;
}

static void check_route(hf_config *c, const hf_config_block *route, bool good)
{
    const hf_config_item *owner = route->owner, *action = find_action(route);
    const hf_config_value *path = hf_config_value_of(owner, 1);
    const char *pattern = path != NULL ? path->text : "";
    if (path != NULL)
        check_actions(c, route, pattern);
    if (action == NULL && good && !route->broken)
        hf_config_complain(c, owner->place, "this route answers with nothing: put files DIR, redirect TO, answer STATUS or app FILE in it");
    const bool files = action != NULL && action->row->id == HF_CONFIG_ID_FILES, app = action != NULL && action->row->id == HF_CONFIG_ID_APP;
    if ((!files && !app) || path == NULL)
        return;
    if (!ends_in_rest(pattern))
        hf_config_complain(c, path->place, "the path of %s ends in {name...}, %s; write %s%s{rest...}", files ? "files" : "an app",
            files ? "which is looked up in the folder" : "in whose place its own paths stand", pattern, pattern[strlen(pattern) - 1] == '/' ? "" : "/");
    for (size_t i = 0; app && i < owner->count; i++)
        if (owner->values[i].argument == 0 && owner->values[i].place.line > 0)
            hf_config_complain(c, owner->values[i].place, "an app says itself which methods it answers; take %s out", owner->values[i].text);
    for (size_t i = 0; files && i < owner->count; i++)
        if (owner->values[i].argument == 0 && owner->values[i].number != HF_METHOD_GET)
            hf_config_complain(c, owner->values[i].place, "files answer GET (and HEAD by themselves), not %s", owner->values[i].text);
}

/* A page that is not there would make every path of the application a 404. */
bool hf_config_is_policy(const hf_config_item *header, const char *with)
{
    const hf_config_value *const value = hf_config_value_of(header, 1);
    return header->count > 0 && value != NULL && hf_text_same(hf_text(header->values[0].text), hf_text("Content-Security-Policy")) &&
        strstr(value->text, with) != NULL;
}

/* CSP 3 2.4: a nonce is good once. One that stands in a file is everybody's. */
static void complain_of_nonce(hf_config *c, hf_config_place place, const char *name, const char *instead)
{
    hf_config_complain(c, place, "%s: a nonce that is the same in every answer lets every script in; write the hash of each inline script ('sha256-...'), move it into a "
        "file, or %s", name, instead);
}

static void check_files_policy(hf_config *c, const hf_config_block *files)
{
    const hf_config_item *const policy = hf_config_find(files, HF_CONFIG_ID_CONTENT_SECURITY_POLICY);
    if (policy != NULL && policy->count > 0 && strstr(policy->values[0].text, "'nonce-") != NULL)
        complain_of_nonce(c, policy->values[0].place, "content_security_policy", "let a program write the page: a file is the same for everybody, and caches keep it");
}

static void check_files(hf_config *c, const hf_config_block *files)
{
    check_files_policy(c, files);
    const hf_config_value *folder = hf_config_value_of(files->owner, 0);
    const hf_config_item *spa = hf_config_find(files, HF_CONFIG_ID_SPA);
    if (folder == NULL || spa == NULL || spa->count == 0 || files->broken)
        return;
    const char *page = hf_config_format(c, "%s/%s", folder->text, spa->values[0].text);
    if (page[0] != 0 && c->world->kind(c->world->self, page) != HF_CONFIG_FILE)
        hf_config_complain(c, spa->values[0].place, "spa: there is no file %s", hf_config_shown(c, hf_text(page)));
}

/* ---- twice ---------------------------------------------------------------------------------------------------- */

bool hf_config_same_pattern(const char *a, const char *b)
{
    for (; *a != 0 && *b != 0; a++, b++) {
        if (*a != *b)
            return false;
        if (*a != '{')
            continue;
        const size_t end_a = strcspn(a, "}"), end_b = strcspn(b, "}");
        if ((a[end_a - 1] == '.') != (b[end_b - 1] == '.'))
            return false;
        a += end_a;
        b += end_b;
    }
    return *a == *b;
}

static bool has_method(const hf_config_item *route, uint64_t method)
{
    for (size_t i = 0; i < route->count; i++)
        if (route->values[i].argument == 0 && route->values[i].number == method)
            return true;
    return false;
}

/* What was seen so far, by a hash of its text: 10,000 routes are not to be compared each with each. */
typedef struct seen seen;
struct seen {
    seen *next; /* in the bucket, in the order of the file */
    const hf_config_item *item;
    const hf_config_value *value;
};
typedef struct seen_table {
    seen **buckets;
    size_t count; /* of buckets, a power of two; 0 when memory ended, which is told elsewhere */
} seen_table;

static seen_table seen_for(hf_config *c, size_t things)
{
    seen_table t = { .count = 16 };
    while (t.count < things)
        t.count *= 2;
    t.buckets = hf_config_get(c, t.count * sizeof *t.buckets);
    if (t.buckets == NULL)
        t.count = 0;
    return t;
}

/* Patterns that match the same paths have the same: names of arguments do not count. */
static seen **seen_bucket(const seen_table *t, const char *text)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *text != 0; text++) {
        h = (h ^ (uint8_t)*text) * 0x100000001b3;
        const size_t end = *text == '{' ? strcspn(text, "}") : 0;
        if (end > 0)
            h += text[end - 1] == '.';
        text += end > 0 && text[end] == 0 ? end - 1 : end;
    }
    return &t->buckets[(h ^ h >> 32) & (t->count - 1)];
}

/* `end` is where the walk through the bucket ended. */
static void remember(hf_config *c, seen **end, const hf_config_item *item, const hf_config_value *value)
{
    *end = hf_config_get(c, sizeof **end);
    if (*end != NULL)
        **end = (seen){ .item = item, .value = value };
}

/* `rest`: what answers where no route does; NULL: nothing. */
static void check_route_twice(hf_config *c, const hf_config_item *rest, const hf_config_item *route, const seen_table *routes)
{
    const hf_config_value *path = hf_config_value_of(route, 1);
    seen **at = seen_bucket(routes, path->text);
    for (; *at != NULL; at = &(*at)->next) {
        const hf_config_item *first = (*at)->item;
        if (!hf_config_same_pattern((*at)->value->text, path->text))
            continue;
        for (unsigned m = HF_METHOD_UNKNOWN + 1; m < HF_METHOD_COUNT; m++)
            if (has_method(first, m) && has_method(route, m)) {
                hf_config_complain(c, path->place, "%s %s has a route already, at %s", hf_method_describe((hf_method)m)->name,
                    path->text, place_text(c, &first->place));
                return;
            }
    }
    remember(c, at, route, path);
    if (rest != NULL && has_method(route, HF_METHOD_GET) && hf_config_same_pattern(path->text, "/{rest...}"))
        hf_config_complain(c, path->place, "%s at %s answers this path already; take one of the two out", rest->row->name,
            place_text(c, &rest->place));
}

static void check_methods_twice(hf_config *c, const hf_config_item *route)
{
    for (size_t i = 0; i < route->count; i++)
        for (size_t j = 0; j < i; j++)
            if (route->values[i].argument == 0 && route->values[j].argument == 0 &&
                route->values[i].number == route->values[j].number)
                hf_config_complain(c, route->values[i].place, "%s is named twice", route->values[i].text);
}

/* The nth key belongs to the nth certificate. */
static void check_pairs(hf_config *c, const hf_config_block *block)
{
    const hf_config_item *certificate = hf_config_find(block, HF_CONFIG_ID_CERTIFICATE), *key = hf_config_find(block, HF_CONFIG_ID_KEY);
    while (certificate != NULL && key != NULL) {
        certificate = hf_config_next(certificate);
        key = hf_config_next(key);
    }
    if (certificate != NULL)
        hf_config_complain(c, certificate->place, "this certificate has no key: write key FILE behind it");
    else if (key != NULL)
        hf_config_complain(c, key->place, "this key has no certificate: write certificate FILE before it");
    bool free = false; /* a certificate stands before that has no response yet */
    for (const hf_config_item *item = block->items; item != NULL; item = item->next) {
        if (item->row->id == HF_CONFIG_ID_OCSP && !free)
            hf_config_complain(c, item->place, "an ocsp belongs to the certificate before it, and there is none without one");
        free = item->row->id == HF_CONFIG_ID_CERTIFICATE || (free && item->row->id != HF_CONFIG_ID_OCSP);
    }
}

/* What is said of TLS agrees. */
static void check_tls(hf_config *c, const hf_config_block *root)
{
    const hf_config_item *clients = hf_config_find(root, HF_CONFIG_ID_CLIENT_CA), *how = hf_config_find(root, HF_CONFIG_ID_CLIENT_AUTH);
    const hf_config_item *rsa = hf_config_find(root, HF_CONFIG_ID_RSA_KEY_EXCHANGE), *least = hf_config_find(root, HF_CONFIG_ID_TLS_MIN);
    if (clients == NULL && how != NULL && how->values[0].number == 1)
        hf_config_complain(c, how->place, "client_auth optional: whose certificates? Write client_ca FILE");
    if (rsa != NULL && rsa->values[0].number != 0 && least != NULL && least->values[0].number == 1)
        hf_config_complain(c, rsa->place, "rsa_key_exchange is of TLS 1.2, which tls_min 1.3 refuses");
}

static void check_site(hf_config *c, const hf_config_block *site, bool good)
{
    if (good)
        check_pairs(c, site);
    check_actions(c, site, "");
    const hf_config_item *route = hf_config_find(site, HF_CONFIG_ID_ROUTE);
    if (route == NULL && find_action(site) == NULL && good && !site->broken)
        hf_config_complain(c, site->owner->place, "this site answers nothing: put files DIR, redirect TO, answer STATUS, app FILE or a route in it");
    const hf_config_item *rest = find_action(site);
    size_t count = 0;
    for (const hf_config_item *one = route; one != NULL; one = hf_config_next(one))
        count++;
    const seen_table routes = seen_for(c, count);
    if (rest != NULL && rest->row->id == HF_CONFIG_ID_APP)
        rest = NULL; /* which paths it has is known when it is loaded: config_apps.c */
    for (; route != NULL && routes.count > 0; route = hf_config_next(route)) {
        if (hf_config_find(route->block, HF_CONFIG_ID_APP) != NULL)
            continue;
        check_methods_twice(c, route);
        if (hf_config_value_of(route, 1) != NULL)
            check_route_twice(c, rest, route, &routes);
    }
}

static void check_hosts(hf_config *c, const hf_config_block *root)
{
    size_t count = 0;
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site))
        count += site->count;
    const seen_table hosts = seen_for(c, count);
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site))
        for (size_t i = 0; i < site->count && hosts.count > 0; i++) {
            seen **at = seen_bucket(&hosts, site->values[i].text);
            while (*at != NULL && strcmp((*at)->value->text, site->values[i].text) != 0)
                at = &(*at)->next;
            if (*at == NULL)
                remember(c, at, site, &site->values[i]);
            else
                hf_config_complain(c, site->values[i].place, "the host %s belongs to the site at %s already", site->values[i].text,
                    place_text(c, &(*at)->value->place));
        }
}

/* ---- the rest of the file -------------------------------------------------------------------------------------- */

/* Two listeners for one address: the second could not be bound. */
static bool same_listener(const char *a, const char *b)
{
    char why[512];
    hf_listen_url one, two;
    if (hf_listen_url_parse(a, &one, why, sizeof why) != HF_LISTEN_OK || hf_listen_url_parse(b, &two, why, sizeof why) != HF_LISTEN_OK)
        return false;
    for (size_t i = 0; i < one.count; i++)
        for (size_t j = 0; j < two.count; j++)
            if (one.addresses[i].port != 0 && memcmp(&one.addresses[i], &two.addresses[j], sizeof one.addresses[i]) == 0)
                return true;
    return false;
}

/* Who denies and says why helps who tries doors: only somebody at this machine may be told. */
static void check_profile(hf_config *c, const hf_config_block *root)
{
    char why[512];
    hf_listen_url url;
    const hf_config_item *const profile = hf_config_find(root, HF_CONFIG_ID_PROFILE), *l = hf_config_find(root, HF_CONFIG_ID_LISTEN);
    if (profile == NULL || profile->count == 0 || profile->values[0].number != 1)
        return;
    for (; l != NULL; l = hf_config_next(l)) {
        if (l->count == 0 || hf_listen_url_parse(l->values[0].text, &url, why, sizeof why) != HF_LISTEN_OK || hf_listen_url_is_loopback(&url))
            continue;
        hf_config_complain(c, profile->values[0].place, "profile dev tells strangers why they are denied: %s at %s can be reached from other machines; listen at "
            "localhost alone, or write profile production", l->values[0].text, place_text(c, &l->place));
    }
}

static void check_listeners(hf_config *c, const hf_config_block *root)
{
    size_t count = 0;
    for (const hf_config_item *l = hf_config_find(root, HF_CONFIG_ID_LISTEN); l != NULL; l = hf_config_next(l)) {
        if (++count == HF_SERVE_LISTENERS + 1)
            hf_config_complain(c, l->place, "there can be %d listeners, and this is one more", HF_SERVE_LISTENERS);
        for (const hf_config_item *first = hf_config_find(root, HF_CONFIG_ID_LISTEN); first != l; first = hf_config_next(first))
            if (same_listener(first->values[0].text, l->values[0].text)) {
                hf_config_complain(c, l->values[0].place, "%s is listened at already, at %s", l->values[0].text,
                    place_text(c, &first->place));
                break;
            }
    }
}

/* One folder of error pages serves every site: the engine asks the first. */
static void check_error_pages(hf_config *c, const hf_config_block *block, const hf_config_item **first)
{
    for (const hf_config_item *item = block->items; item != NULL; item = item->next) {
        if (item->row->id == HF_CONFIG_ID_ERROR_PAGES && *first == NULL)
            *first = item;
        else if (item->row->id == HF_CONFIG_ID_ERROR_PAGES)
            hf_config_complain(c, item->place, "error_pages for each site or route are not built yet: those at %s hold for all",
                place_text(c, &(*first)->place));
        else if (item->block != NULL)
            check_error_pages(c, item->block, first);
    }
}

/* What is logged to, so far. */
typedef struct log_table {
    const hf_config_item **logs;
    size_t count;
    bool full; /* and said */
} log_table;

/* Two formats in one file could not be read again. */
static void check_log(hf_config *c, log_table *t, const hf_config_item *log)
{
    if (log == NULL || log->count == 0 || strcmp(log->values[0].text, "off") == 0)
        return;
    for (size_t i = 0; i < t->count; i++) {
        const hf_config_item *const first = t->logs[i];
        if (strcmp(first->values[0].text, log->values[0].text) != 0)
            continue;
        if (hf_config_number_of(first->block, HF_CONFIG_ID_FORMAT) != hf_config_number_of(log->block, HF_CONFIG_ID_FORMAT))
            hf_config_complain(c, log->values[0].place, "%s is written in the format %s already%s%s; one file has one format",
                log->values[0].text, hf_config_text_of(first->block, HF_CONFIG_ID_FORMAT), first->place.line > 0 ? ", at " : "",
                first->place.line > 0 ? place_text(c, &first->place) : "");
        return;
    }
    if (t->count <= c->limits->config_logs) {
        t->logs[t->count++] = log;
        return;
    }
    if (!t->full)
        hf_config_complain(c, log->values[0].place, "sites and routes have more than %llu logs of their own (limit config_logs)",
            (unsigned long long)c->limits->config_logs);
    t->full = true;
}

static void check_logs(hf_config *c, const hf_config_block *root)
{
    log_table t = { .logs = hf_config_get(c, ((size_t)c->limits->config_logs + 1) * sizeof *t.logs) };
    if (t.logs == NULL)
        return;
    check_log(c, &t, hf_config_find(root, HF_CONFIG_ID_ACCESS_LOG));
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site)) {
        const hf_config_item *route = hf_config_find(site->block, HF_CONFIG_ID_ROUTE);
        check_log(c, &t, hf_config_find(site->block, HF_CONFIG_ID_ACCESS_LOG));
        for (; route != NULL; route = hf_config_next(route))
            check_log(c, &t, hf_config_find(route->block, HF_CONFIG_ID_ACCESS_LOG));
    }
}

/* Of a site or route. */
static void check_own_limits(hf_config *c, const hf_config_block *owner)
{
    const hf_config_item *const other = hf_config_find(owner, HF_CONFIG_ID_MAX_BODY), *const limits = hf_config_find(owner, HF_CONFIG_ID_LIMITS);
    for (const hf_config_item *item = limits != NULL ? limits->block->items : NULL; item != NULL && other != NULL; item = item->next)
        if (item->row->limit == 1 + offsetof(hf_limits, body_bytes))
            hf_config_complain(c, item->place, "max_body at %s says that already; leave one of the two out", place_text(c, &other->place));
}

/* off stands alone: for nobody. */
static void check_proxies(hf_config *c, const hf_config_block *block)
{
    const hf_config_item *const proxies = hf_config_find(block, HF_CONFIG_ID_PROXY_PROTOCOL);
    for (size_t i = 0; proxies != NULL && proxies->count > 1 && i < proxies->count; i++)
        if (strcmp(proxies->values[i].text, "off") == 0)
            hf_config_complain(c, proxies->values[i].place, "proxy_protocol off stands alone: it means nobody");
}

static void check_limits(hf_config *c, const hf_config_block *block)
{
    hf_limits limits = *hf_limits_default();
    const char *smaller, *larger;
    uint64_t small, large;
    const hf_config_item *named = NULL;
    for (const hf_config_item *item = block->items; item != NULL; item = item->next)
        memcpy((uint8_t *)&limits + item->row->limit - 1, &item->values[0].number, sizeof(uint64_t));
    if (!hf_limits_conflict(&limits, &smaller, &small, &larger, &large))
        return;
    for (const hf_config_item *item = block->items; item != NULL; item = item->next)
        if (item->place.line > 0 && (strcmp(item->row->name, smaller) == 0 || strcmp(item->row->name, larger) == 0))
            named = item;
    hf_config_complain(c, named != NULL ? named->values[0].place : block->owner->place, "%s (%llu) must be at least %s (%llu)",
        smaller, (unsigned long long)small, larger, (unsigned long long)large);
}

static void check_answer(hf_config *c, const hf_config_block *answer)
{
    for (const hf_config_item *h = hf_config_find(answer, HF_CONFIG_ID_HEADER); h != NULL; h = hf_config_next(h))
        if (hf_config_is_policy(h, "'nonce-") && !hf_config_is_policy(h, HF_CONFIG_NONCE))
            complain_of_nonce(c, hf_config_value_of(h, 1)->place, "header Content-Security-Policy", "write " HF_CONFIG_NONCE " here and nonce=\"{nonce}\" in the text: each answer has its own");

    const hf_config_value *status = hf_config_value_of(answer->owner, 0), *text = hf_config_value_of(answer->owner, 1);
    /* RFC 9110 15.3.5, 15.3.6, 15.4.5: these never have content */
    if (status != NULL && text != NULL && text->text[0] != 0 && (status->number == 204 || status->number == 205 || status->number == 304))
        hf_config_complain(c, text->place, "an answer with status %s has no content; take the text out, or the status 200",
            status->text);
}

static bool has_https(const hf_config_block *root)
{
    for (const hf_config_item *l = hf_config_find(root, HF_CONFIG_ID_LISTEN); l != NULL; l = hf_config_next(l))
        if (l->count > 0 && strncmp(l->values[0].text, "https:", 6) == 0)
            return true;
    return false;
}

/* Who is sent to where nobody listens comes back to be told the same, or finds nothing. */
static void check_redirect(hf_config *c, const hf_config_block *block, bool proxied)
{
    const hf_config_item *const item = hf_config_find(block, HF_CONFIG_ID_REDIRECT_HTTPS);
    if (item != NULL && item->count > 0 && item->values[0].number != 0)
        hf_config_complain(c, item->place, "redirect_https: there is no https listener to go to; write listen https://HOST%s",
            proxied ? ", or trusted_proxies NETWORK if a proxy speaks TLS for this server" : "");
}

static void check_redirects(hf_config *c, const hf_config_block *root)
{
    if (has_https(root))
        return;
    check_redirect(c, root, false);
    if (hf_config_find(root, HF_CONFIG_ID_TRUSTED_PROXIES) != NULL)
        return;
    for (const hf_config_item *s = hf_config_find(root, HF_CONFIG_ID_SITE); s != NULL; s = hf_config_next(s)) {
        if (s->block == NULL)
            continue;
        check_redirect(c, s->block, true);
        for (const hf_config_item *r = hf_config_find(s->block, HF_CONFIG_ID_ROUTE); r != NULL; r = hf_config_next(r))
            if (r->block != NULL)
                check_redirect(c, r->block, true);
    }
}

static void check_root(hf_config *c, const hf_config_block *root, bool good)
{
    const hf_config_item *first = NULL;
    hf_config_check_passwords(c, root);
    hf_config_check_guards(c, root);
    if (hf_config_find(root, HF_CONFIG_ID_SITE) == NULL && good && !root->broken)
        hf_config_complain(c, (hf_config_place){ .file = 0, .line = 1, .column = 1 },
            "there is no site, so nothing would be served; write site * { files DIR }");
    if (good)
        check_pairs(c, root);
    if (good)
        check_tls(c, root);
    check_hosts(c, root);
    check_logs(c, root);
    check_proxies(c, root);
    check_listeners(c, root);
    check_profile(c, root);
    check_redirects(c, root);
    check_error_pages(c, root, &first);
}

void hf_config_finish_block(hf_config *c, hf_config_block *block, bool good)
{
    add_defaults(c, block);
    if (c->out_of_memory)
        return; /* a default may have no block then, and who finds an item that opens one looks into it */
    switch (block->kind) {
    case HF_CONFIG_ROOT: check_root(c, block, good); break;
    case HF_CONFIG_SITE:
        check_own_limits(c, block);
        check_site(c, block, good);
        break;
    case HF_CONFIG_ROUTE:
        check_own_limits(c, block);
        check_route(c, block, good);
        break;
    case HF_CONFIG_FILES: check_files(c, block); break;
    case HF_CONFIG_LISTEN: check_proxies(c, block); break;
    case HF_CONFIG_LIMITS: check_limits(c, block); break;
    case HF_CONFIG_ANSWER: check_answer(c, block); break;
    default: break;
    }
}
