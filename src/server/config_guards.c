/* SPDX-License-Identifier: Apache-2.0 */
#include "config_visitors.h"

#include <handfast/guards.h>
#include <sys/random.h>

#include "guard_sources.h"
#include "guards_kinds.h"
#include "listen_url.h"
#include "panic.h"
#include "request.h"
#include "text.h"

/* ---- what is said ---------------------------------------------------------------------------------------------- */

static void hear(hf_config_said *said, const hf_config_item *site)
{
    if (said->site == site)
        return;
    said->site = site;
    for (size_t i = 0; i < HF_CONFIG_SAID; i++)
        said->items[i] = hf_config_find(site->block, (hf_config_id)(HF_CONFIG_ID_SECURITY_HEADERS + i));
}

const hf_config_item *hf_config_said_of(const hf_config_said *said, const hf_config_item *route, hf_config_id id)
{
    const hf_config_item *const own = route != NULL ? hf_config_find(route->block, id) : NULL;
    return own != NULL ? own : said->items[id - HF_CONFIG_ID_SECURITY_HEADERS];
}

static bool is_on(const hf_config_item *item, bool otherwise)
{
    return item != NULL && item->count > 0 ? item->values[0].number != 0 : otherwise;
}

const char *const *hf_config_list_of(hf_config *c, const hf_config_item *item)
{
    const char **list = hf_config_get(c, ((item != NULL ? item->count : 0) + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && item != NULL && i < item->count; i++)
        list[i] = item->values[i].text;
    return list;
}

/* Memory of the configuration: it ends with it, and nothing is freed before. */
static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    void *const fresh = new_size > 0 ? hf_config_get(ctx, new_size) : NULL;
    if (fresh != NULL && old != NULL)
        memcpy(fresh, old, old_size < new_size ? old_size : new_size);
    return fresh;
}

static hf_env env_of(hf_config *c)
{
    return (hf_env){ .alloc = { .resize = resize, .ctx = c }, .limits = c->limits };
}

/* ---- CORS ------------------------------------------------------------------------------------------------------- */

static hf_err compile(hf_config *c, const hf_config_item *cors, const hf_config_item *headers, bool credentials, hf_cors **out, hf_whys *whys)
{
    hf_env *const env = hf_config_get(c, sizeof *env);
    if (env == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *env = env_of(c);
    const hf_cors_rules rules = { .origins = hf_config_list_of(c, cors), .request_headers = hf_config_list_of(c, headers), .credentials = credentials };
    return hf_cors_compile(env, &rules, out, whys);
}

/* Which of the values is meant. */
static const hf_config_value *value_of(const hf_config_item *item, const char *text)
{
    for (size_t i = 0; i < item->count; i++)
        if (strcmp(item->values[i].text, text) == 0)
            return &item->values[i];
    return NULL;
}

static void check_cors(hf_config *c, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_block *const block = route != NULL ? route->block : said->site->block;
    const hf_config_item *const own = hf_config_find(block, HF_CONFIG_ID_CORS), *const headers = hf_config_find(block, HF_CONFIG_ID_CORS_HEADERS),
                         *const credentials = hf_config_find(block, HF_CONFIG_ID_CORS_CREDENTIALS), *const cors = hf_config_said_of(said, route, HF_CONFIG_ID_CORS);
    const hf_config_item *const more = headers != NULL ? headers : credentials;
    hf_whys whys = { .count = 0 };
    hf_cors *compiled;
    if (cors == NULL && more != NULL)
        hf_config_complain(c, more->place, "%s says more about cors, but there is no cors here; write cors ORIGIN...", more->row->name);
    if (cors == NULL || (own == NULL && more == NULL)) /* nothing, or what the site said was looked at */
        return;
    const bool with_credentials = is_on(hf_config_said_of(said, route, HF_CONFIG_ID_CORS_CREDENTIALS), false);
    if (compile(c, cors, hf_config_said_of(said, route, HF_CONFIG_ID_CORS_HEADERS), with_credentials, &compiled, &whys).code == 0)
        return;
    for (size_t i = 0; i < whys.count && i < HF_WHYS_MOST; i++) {
        const hf_err_info *const info = hf_err_describe(whys.at[i].err);
        const hf_config_value *const named = value_of(cors, whys.at[i].got);
        hf_config_complain(c, named != NULL ? named->place : cors->place, "cors: %s %s: \"%s\"; %s", info->id, info->name, whys.at[i].got, info->remedy);
    }
}

/* What says more about rates, and of a store that it is one that machines share. */
static void check_rates(hf_config *c, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_block *const block = route != NULL ? route->block : said->site->block;
    const hf_config_item *const by = hf_config_find(block, HF_CONFIG_ID_RATE_BY), *const store = hf_config_find(block, HF_CONFIG_ID_RATE_STORE),
                         *const session = hf_config_said_of(said, route, HF_CONFIG_ID_SESSION);
    const bool in_force = session != NULL && session->count > 0 && strcmp(session->values[0].text, "off") != 0;
    hf_why why;
    if (route != NULL && (by != NULL || store != NULL) && hf_config_said_of(said, route, HF_CONFIG_ID_RATE_LIMIT) == NULL)
        hf_config_complain(c, (by != NULL ? by : store)->place, "%s says more about rate_limit, which is not here; write rate_limit PER_MINUTE", (by != NULL ? by : store)->row->name);
    if (by != NULL && by->count > 0 && by->values[0].number == 1 && !in_force)
        hf_config_complain(c, by->place, "rate_by session needs sessions to count by; write session STORE");
    if (store == NULL || store->count == 0 || strcmp(store->values[0].text, "off") == 0)
        return;
    if (strstr(store->values[0].text, "://") == NULL) {
        hf_config_complain(c, store->values[0].place, "rate_store must be the address of a Redis server, such as redis://host or unix:///path: a file is not shared by machines");
        return;
    }
    const hf_err err = hf_source_store_check(store->values[0].text, &why);
    if (err.code != 0)
        hf_config_complain(c, store->values[0].place, "rate_store: %s %s; %s", hf_err_describe(err)->id, hf_err_describe(err)->name, hf_err_describe(err)->remedy);
}

void hf_config_check_guards(hf_config *c, const hf_config_block *root)
{
    hf_config_said said = { .site = NULL };
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site)) {
        if (site->block == NULL)
            continue;
        hear(&said, site);
        check_cors(c, &said, NULL);
        check_rates(c, &said, NULL);
        hf_config_check_visitors(c, &said, NULL);
        for (const hf_config_item *r = hf_config_find(site->block, HF_CONFIG_ID_ROUTE); r != NULL; r = hf_config_next(r))
            if (r->block != NULL) {
                check_cors(c, &said, r);
                check_rates(c, &said, r);
                hf_config_check_visitors(c, &said, r);
            }
    }
}

/* ---- fields that do not change ----------------------------------------------------------------------------------- */

enum { FIXED = 8 };
typedef struct fixed_guard {
    hf_guard guard;
    size_t count;
    hf_field fields[FIXED];
    hf_field hsts; /* only for who came over TLS; no name: never */
    bool hsts_for_public; /* nobody asked for it: only for names that are not of a local network */
} fixed_guard;

static hf_err add_fixed(hf_guard *self, hf_req *rq, hf_why *why)
{
    const fixed_guard *const g = (const fixed_guard *)self;
    (void)why;
    for (size_t i = 0; i <= g->count; i++) {
        const hf_field *const f = i < g->count ? &g->fields[i] : &g->hsts;
        if (f->name.len == 0 || (i == g->count && !(hf_req_is_secure(rq) && (!g->hsts_for_public || hf_host_is_public(rq->head.authority)))))
            continue;
        if (rq->field_count == HF_COUNT(rq->room->fields))
            return hf_err_make(HF_ERR_BASE_LIMIT);
        rq->room->fields[rq->field_count++] = *f; /* lent by the configuration, which lasts longer */
    }
    return HF_OK;
}

static hf_field field(const char *name, const char *value)
{
    return (hf_field){ hf_text(name), hf_text(value), hf_field_identify(hf_text(name)) };
}

/* What says it better than we do: a policy of the site's own, an answer's own field. */
static bool has_policy(const hf_config_item *action)
{
    if (action->block == NULL)
        return false;
    if (hf_config_text_of(action->block, HF_CONFIG_ID_CONTENT_SECURITY_POLICY) != NULL)
        return true;
    for (const hf_config_item *h = hf_config_find(action->block, HF_CONFIG_ID_HEADER); h != NULL; h = hf_config_next(h))
        if (h->count > 0 && (hf_text_same(hf_text(h->values[0].text), hf_text("Content-Security-Policy"))))
            return true;
    return false;
}

static bool has_header(const hf_config_item *action, const char *name)
{
    if (action->block == NULL || action->row->id != HF_CONFIG_ID_ANSWER)
        return false;
    for (const hf_config_item *h = hf_config_find(action->block, HF_CONFIG_ID_HEADER); h != NULL; h = hf_config_next(h))
        if (h->count > 0 && hf_text_same(hf_text(h->values[0].text), hf_text(name)))
            return true;
    return false;
}

static void add_field(fixed_guard *g, const hf_config_item *action, const char *name, const char *value)
{
    if (!has_header(action, name))
        g->fields[g->count++] = field(name, value);
}

/* A field with one of the choices of a setting; nothing is said, or "off": `otherwise`, or none. */
static void add_policy(fixed_guard *g, const hf_config_said *said, const hf_config_item *route, const hf_config_item *action, hf_config_id id,
    const char *name, const char *otherwise)
{
    const hf_config_item *const item = hf_config_said_of(said, route, id);
    const char *const value = item != NULL && item->count > 0 ? item->values[0].text : otherwise;
    if (value != NULL && strcmp(value, "off") != 0)
        add_field(g, action, name, value);
}

static fixed_guard *make_fixed(hf_config *c, const hf_config_said *said, const hf_config_item *route, const hf_config_item *action)
{
    const hf_config_item *const hsts = hf_config_said_of(said, route, HF_CONFIG_ID_HSTS);
    const bool on = is_on(hf_config_said_of(said, route, HF_CONFIG_ID_SECURITY_HEADERS), true);
    fixed_guard *const g = hf_config_get(c, sizeof *g);
    if (g == NULL)
        return NULL;
    g->guard = (hf_guard){ add_fixed, NULL, false };
    if (on && action->row->id != HF_CONFIG_ID_FILES) /* files have it in any case */
        add_field(g, action, "X-Content-Type-Options", "nosniff");
    if (on && !has_policy(action))
        add_field(g, action, "Content-Security-Policy", "frame-ancestors 'self'");
    add_policy(g, said, route, action, HF_CONFIG_ID_REFERRER_POLICY, "Referrer-Policy", on ? "strict-origin-when-cross-origin" : NULL);
    add_policy(g, said, route, action, HF_CONFIG_ID_PERMISSIONS_POLICY, "Permissions-Policy", NULL);
    add_policy(g, said, route, action, HF_CONFIG_ID_OPENER_POLICY, "Cross-Origin-Opener-Policy", NULL);
    add_policy(g, said, route, action, HF_CONFIG_ID_EMBEDDER_POLICY, "Cross-Origin-Embedder-Policy", NULL);
    add_policy(g, said, route, action, HF_CONFIG_ID_RESOURCE_POLICY, "Cross-Origin-Resource-Policy", NULL);
    if (hsts != NULL && hsts->count > 0 && !has_header(action, "Strict-Transport-Security"))
        g->hsts = field("Strict-Transport-Security", hf_config_format(c, "max-age=%llu", (unsigned long long)(hsts->values[0].number / 1000000000)));
    g->hsts_for_public = hsts == NULL;
    if (on && g->hsts_for_public && !has_header(action, "Strict-Transport-Security"))
        g->hsts = field("Strict-Transport-Security", "max-age=3600");
    return g;
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

/* Where no session is asked for there is none to count by. */
static hf_rate_by rate_by(const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_item *const by = hf_config_said_of(said, route, HF_CONFIG_ID_RATE_BY), *const session = hf_config_said_of(said, route, HF_CONFIG_ID_SESSION);
    const bool in_force = session != NULL && session->count > 0 && strcmp(session->values[0].text, "off") != 0;
    return in_force && by != NULL && by->count > 0 && by->values[0].number == 1 ? HF_RATE_BY_SESSION : HF_RATE_BY_ADDRESS;
}

/* Of the limit, where several are in one store: what it counts by which rule. "60/60 GET,POST a.example /path" */
static const char *name_of_rate(hf_config *c, const hf_config_said *said, const hf_config_item *own, const hf_rate_rules *rules)
{
    const char *methods = NULL;
    for (size_t i = 0; own != NULL && i < own->count; i++)
        if (own->values[i].argument == 0)
            methods = hf_config_format(c, "%s%s%s", methods != NULL ? methods : "", methods != NULL ? "," : "",
                hf_method_describe((hf_method)own->values[i].number)->name);
    return hf_config_format(c, "%u/%u %s %s %s", (unsigned)rules->per_minute, (unsigned)rules->burst, methods != NULL ? methods : "*",
        said->site->count > 0 ? said->site->values[0].text : "*", own != NULL ? hf_config_value_of(own, 1)->text : "*");
}

/* One for each statement, whatever routes it is for, as long as they count alike. */
static hf_rate_guard *made_before(const hf_config_plan *p, const hf_config_item *rate, const hf_rate_guard *like)
{
    for (size_t i = 0; i < p->route_count; i++)
        for (size_t j = 0; p->actions[i].rate == rate && j < HF_ROUTE_GUARDS && p->routes[i].guards[j] != NULL; j++) {
            hf_rate_guard *const g = (hf_rate_guard *)p->routes[i].guards[j];
            if (g->guard.check == hf_guard_rate_check && g->by == like->by && g->shared.self == like->shared.self)
                return g;
        }
    return NULL;
}

static hf_rate_guard *make_rate(hf_config *c, const hf_config_plan *p, const hf_config_said *said, const hf_config_item *route, const hf_config_item *rate)
{
    uint8_t seed[16];
    const hf_config_item *const store = hf_config_said_of(said, route, HF_CONFIG_ID_RATE_STORE);
    hf_rate_guard like = { .guard = HF_GUARD_RATE, .by = rate_by(said, route) };
    if (store != NULL && store->count > 0 && strcmp(store->values[0].text, "off") != 0 && !hf_source_rates(store->values[0].text, &like.shared))
        return NULL;
    hf_rate_guard *const before = made_before(p, rate, &like);
    if (before != NULL)
        return before;
    const bool own = route != NULL && hf_config_find(route->block, HF_CONFIG_ID_RATE_LIMIT) != NULL; /* else the site's, for all its routes */
    hf_env *const env = hf_config_get(c, sizeof *env);
    hf_rate_guard *const g = hf_config_get(c, sizeof *g);
    if (env == NULL || g == NULL || getentropy(seed, sizeof seed) != 0)
        return NULL;
    *env = env_of(c);
    const hf_config_value *const burst = hf_config_value_of(rate, 1);
    const uint32_t per_minute = (uint32_t)rate->values[0].number;
    const hf_rate_rules rules = { .per_minute = per_minute, .burst = burst != NULL ? (uint32_t)burst->number : per_minute };
    *g = like;
    g->name = name_of_rate(c, said, own ? route : NULL, &rules);
    g->rate = hf_rate_new(env, &rules, seed);
    return g->rate != NULL && g->name != NULL ? g : NULL;
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

void hf_config_put_guard(hf_route *row, hf_guard *g, bool first)
{
    size_t n = 0;
    while (n < HF_ROUTE_GUARDS && row->guards[n] != NULL)
        n++;
    HF_ASSERT(n < HF_ROUTE_GUARDS); /* there are fewer kinds: a guard that is left out would let everybody in */
    for (size_t i = n; first && i > 0; i--)
        row->guards[i] = row->guards[i - 1];
    row->guards[first ? 0 : n] = g;
}

/* Fields and CORS stand before who denies: they are on denials, too. */
static void add_guards(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route, const hf_config_item *action,
    hf_route *row)
{
    const hf_config_said *const said = &p->said;
    hear(&p->said, site);
    const hf_config_item *const rate = hf_config_said_of(said, route, HF_CONFIG_ID_RATE_LIMIT), *const cors = hf_config_said_of(said, route, HF_CONFIG_ID_CORS);
    hf_rate_guard *rates = NULL;
    p->actions[p->route_count].rate = rate;
    if (rate != NULL) {
        rates = make_rate(c, p, said, route, rate);
        c->out_of_memory = c->out_of_memory || rates == NULL;
    }
    if (rates != NULL && rates->by == HF_RATE_BY_ADDRESS)
        hf_config_put_guard(row, &rates->guard, true);
    fixed_guard *const fixed = make_fixed(c, said, route, action);
    if (fixed != NULL && (fixed->count > 0 || fixed->hsts.name.len > 0))
        hf_config_put_guard(row, &fixed->guard, true);
    hf_config_add_visitors(c, said, route, row);
    if (rates != NULL && rates->by == HF_RATE_BY_SESSION) /* behind who finds the session */
        hf_config_put_guard(row, &rates->guard, false);
    if (cors == NULL)
        return;
    hf_cors_guard *const g = hf_config_get(c, sizeof *g);
    hf_cors *compiled = NULL;
    const bool credentials = is_on(hf_config_said_of(said, route, HF_CONFIG_ID_CORS_CREDENTIALS), false);
    if (g == NULL || compile(c, cors, hf_config_said_of(said, route, HF_CONFIG_ID_CORS_HEADERS), credentials, &compiled, NULL).code != 0) {
        c->out_of_memory = true;
        return;
    }
    *g = (hf_cors_guard){ .guard = HF_GUARD_CORS, .cors = compiled };
    hf_config_put_guard(row, &g->guard, true);
}

void hf_config_add_guards(hf_config *c, hf_config_plan *p, const hf_config_item *site, const hf_config_item *route, const hf_config_item *action,
    hf_route *row)
{
    const bool explain = hf_config_number_of(c->root, HF_CONFIG_ID_PROFILE) == 1; /* dev */
    add_guards(c, p, site, route, action, row);
    for (size_t i = 0; i < HF_ROUTE_GUARDS && row->guards[i] != NULL; i++)
        row->guards[i]->explain = explain;
}

/* ---- explained --------------------------------------------------------------------------------------------------- */

static void say(hf_config *c, FILE *out, const hf_config_item *item)
{
    fputs(" (", out);
    hf_config_print_place(c, out, &item->place);
    fputs(")\n", out);
}

void hf_config_explain_guards(hf_config *c, const hf_config_item *site, const hf_config_action *action, hf_method method, FILE *out)
{
    hf_config_said heard = { .site = NULL };
    const hf_config_said *const said = &heard;
    hear(&heard, site);
    const hf_config_item *const route = action->route;
    const hf_config_item *const cors = hf_config_said_of(said, route, HF_CONFIG_ID_CORS), *const rate = hf_config_said_of(said, route, HF_CONFIG_ID_RATE_LIMIT);
    const fixed_guard *const fixed = make_fixed(c, said, route, action->action);
    for (size_t i = 0; fixed != NULL && i < fixed->count; i++)
        fprintf(out, "%s  %.*s: %.*s\n", i == 0 ? "fields" : "      ", HF_STR(fixed->fields[i].name), HF_STR(fixed->fields[i].value));
    if (fixed != NULL && fixed->hsts.name.len > 0)
        fprintf(out, "fields  %.*s: %.*s, over TLS%s\n", HF_STR(fixed->hsts.name), HF_STR(fixed->hsts.value), fixed->hsts_for_public ? ", for public names" : "");
    if (cors != NULL) {
        fputs("cors    scripts of", out);
        for (size_t i = 0; i < cors->count; i++)
            fprintf(out, " %s", cors->values[i].text);
        fputs(" may read the answer", out);
        say(c, out, cors);
    }
    if (rate != NULL) {
        const hf_config_item *const store = hf_config_said_of(said, route, HF_CONFIG_ID_RATE_STORE);
        const bool shared = store != NULL && store->count > 0 && strcmp(store->values[0].text, "off") != 0;
        fprintf(out, "rate    %s a minute for each %s, then 429%s", rate->values[0].text, rate_by(said, route) == HF_RATE_BY_SESSION ? "session" : "address",
            shared ? ", counted together by all that share the Redis" : "");
        say(c, out, rate);
    }
    hf_config_explain_visitors(c, said, route, method, out);
}
