/* SPDX-License-Identifier: Apache-2.0 */
#include "config_rules.h"

#include "limit_rules.h"
#include "listen_url.h"
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
    *block->last = item;
    block->last = &item->next;
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
        const bool has_one = row->limit > 0 || row->id == HF_CONFIG_ID_LIMITS ||
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
            hf_config_complain(c, item->place, "%s already answers with %s (%s); there can be one files, redirect or answer",
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
        hf_config_complain(c, owner->place, "this route answers with nothing: put files DIR, redirect TO or answer STATUS in it");
    if (action == NULL || action->row->id != HF_CONFIG_ID_FILES || path == NULL)
        return;
    if (!ends_in_rest(pattern))
        hf_config_complain(c, path->place, "the path of files ends in {name...}, which is looked up in the folder; write %s%s{rest...}",
            pattern, pattern[strlen(pattern) - 1] == '/' ? "" : "/");
    for (size_t i = 0; i < owner->count; i++)
        if (owner->values[i].argument == 0 && owner->values[i].number != HF_METHOD_GET)
            hf_config_complain(c, owner->values[i].place, "files answer GET (and HEAD by themselves), not %s", owner->values[i].text);
}

/* ---- twice ---------------------------------------------------------------------------------------------------- */

/* Two patterns that match the same paths: arguments may be named differently. */
static bool same_pattern(const char *a, const char *b)
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

static void check_route_twice(hf_config *c, const hf_config_block *site, const hf_config_item *route)
{
    const hf_config_value *path = hf_config_value_of(route, 1);
    for (const hf_config_item *first = hf_config_find(site, HF_CONFIG_ID_ROUTE); first != route; first = hf_config_next(first)) {
        if (!same_pattern(hf_config_value_of(first, 1)->text, path->text))
            continue;
        for (unsigned m = HF_METHOD_UNKNOWN + 1; m < HF_METHOD_COUNT; m++)
            if (has_method(first, m) && has_method(route, m)) {
                hf_config_complain(c, path->place, "%s %s has a route already, at %s", hf_method_describe((hf_method)m)->name,
                    path->text, place_text(c, &first->place));
                return;
            }
    }
    const hf_config_item *rest = find_action(site);
    if (rest != NULL && has_method(route, HF_METHOD_GET) && same_pattern(path->text, "/{rest...}"))
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

static void check_site(hf_config *c, const hf_config_block *site, bool good)
{
    check_actions(c, site, "");
    const hf_config_item *route = hf_config_find(site, HF_CONFIG_ID_ROUTE);
    if (route == NULL && find_action(site) == NULL && good && !site->broken)
        hf_config_complain(c, site->owner->place, "this site answers nothing: put files DIR, redirect TO, answer STATUS or a route in it");
    for (; route != NULL; route = hf_config_next(route)) {
        check_methods_twice(c, route);
        check_route_twice(c, site, route);
    }
}

/* The value of `host` among those before it; NULL: it is new. */
static const hf_config_value *find_host(const hf_config_block *root, const hf_config_value *host)
{
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site))
        for (size_t i = 0; i < site->count; i++) {
            if (&site->values[i] == host)
                return NULL;
            if (strcmp(site->values[i].text, host->text) == 0)
                return &site->values[i];
        }
    return NULL;
}

static void check_hosts(hf_config *c, const hf_config_block *root)
{
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site))
        for (size_t i = 0; i < site->count; i++) {
            const hf_config_value *first = find_host(root, &site->values[i]);
            if (first != NULL)
                hf_config_complain(c, site->values[i].place, "the host %s belongs to the site at %s already", site->values[i].text,
                    place_text(c, &first->place));
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
    const hf_config_value *status = hf_config_value_of(answer->owner, 0), *text = hf_config_value_of(answer->owner, 1);
    /* RFC 9110 15.3.5, 15.3.6, 15.4.5: these never have content */
    if (status != NULL && text != NULL && text->text[0] != 0 && (status->number == 204 || status->number == 205 || status->number == 304))
        hf_config_complain(c, text->place, "an answer with status %s has no content; take the text out, or the status 200",
            status->text);
}

static void check_root(hf_config *c, const hf_config_block *root, bool good)
{
    const hf_config_item *first = NULL;
    if (hf_config_find(root, HF_CONFIG_ID_SITE) == NULL && good && !root->broken)
        hf_config_complain(c, (hf_config_place){ .file = 0, .line = 1, .column = 1 },
            "there is no site, so nothing would be served; write site * { files DIR }");
    check_hosts(c, root);
    check_listeners(c, root);
    check_error_pages(c, root, &first);
}

void hf_config_finish_block(hf_config *c, hf_config_block *block, bool good)
{
    add_defaults(c, block);
    switch (block->kind) {
    case HF_CONFIG_ROOT: check_root(c, block, good); break;
    case HF_CONFIG_SITE: check_site(c, block, good); break;
    case HF_CONFIG_ROUTE: check_route(c, block, good); break;
    case HF_CONFIG_LIMITS: check_limits(c, block); break;
    case HF_CONFIG_ANSWER: check_answer(c, block); break;
    default: break;
    }
}
