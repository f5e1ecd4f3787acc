/* SPDX-License-Identifier: Apache-2.0 */
#include "config_visitors.h"

#include <handfast/store.h>

#include "guard_sources.h"

enum { CSRF_OFF, CSRF_ORIGIN, CSRF_TOKEN };

/* ---- what is said ---------------------------------------------------------------------------------------------- */

/* Of the route, or else of its site; `off` is neither. */
static const hf_config_item *in_force(const hf_config_said *said, const hf_config_item *route, hf_config_id id)
{
    const hf_config_item *const item = hf_config_said_of(said, route, id);
    return item != NULL && item->count > 0 && strcmp(item->values[0].text, "off") != 0 ? item : NULL;
}

static const char *text_in_force(const hf_config_said *said, const hf_config_item *route, hf_config_id id)
{
    const hf_config_item *const item = hf_config_said_of(said, route, id);
    return item != NULL && item->count > 0 ? item->values[0].text : NULL;
}

static int64_t seconds_in_force(const hf_config_said *said, const hf_config_item *route, hf_config_id id)
{
    const hf_config_item *const item = hf_config_said_of(said, route, id);
    return item != NULL && item->count > 0 ? (int64_t)(item->values[0].number / (uint64_t)HF_SECONDS(1)) : 0;
}

static uint64_t way_of(const hf_config_item *item)
{
    return item != NULL ? item->values[0].number : 0;
}

/* What counts where nothing is said: signatures of a key that only the issuer has. */
static const hf_alg usual_algs[] = { HF_ALG_ES256, HF_ALG_EDDSA, HF_ALG_PS256, HF_ALG_RS256 };

/* False: memory ended. */
static bool fill_policy(hf_config *c, const hf_config_said *said, const hf_config_item *route, hf_jwt_policy *p)
{
    const hf_config_item *const algs = hf_config_said_of(said, route, HF_CONFIG_ID_JWT_ALGS);
    *p = (hf_jwt_policy){ .algs = usual_algs, .alg_count = HF_COUNT(usual_algs),
        .issuer = text_in_force(said, route, HF_CONFIG_ID_JWT_ISSUER), .audience = text_in_force(said, route, HF_CONFIG_ID_JWT_AUDIENCE) };
    if (algs == NULL || algs->count == 0)
        return true;
    hf_alg *const own = hf_config_get(c, algs->count * sizeof *own);
    for (size_t i = 0; own != NULL && i < algs->count; i++)
        own[i] = (hf_alg)algs->values[i].number;
    p->algs = own;
    p->alg_count = algs->count;
    return own != NULL;
}

/* ---- held to their rules ---------------------------------------------------------------------------------------- */

/* Does a route of this block name `id`? What a site says of it is for that one, then. */
static bool a_route_has(const hf_config_block *block, hf_config_id id)
{
    const hf_config_item *r = block->kind == HF_CONFIG_SITE ? hf_config_find(block, HF_CONFIG_ID_ROUTE) : NULL;
    while (r != NULL && (r->block == NULL || hf_config_find(r->block, id) == NULL))
        r = hf_config_next(r);
    return r != NULL;
}

/* A word that only says more about another one, `what`, which is not there. */
static void check_alone(hf_config *c, const hf_config_block *block, hf_config_id what, hf_config_id first, hf_config_id last, const char *write)
{
    for (hf_config_id id = first; id <= last; id = (hf_config_id)(id + 1)) {
        const hf_config_item *const item = hf_config_find(block, id);
        if (item != NULL && !a_route_has(block, what))
            hf_config_complain(c, item->place, "%s says more about what is not here; write %s", item->row->name, write);
    }
}

static void tell_policy(hf_config *c, hf_config_place place, const hf_whys *whys)
{
    for (size_t i = 0; i < whys->count && i < HF_WHYS_MOST; i++) {
        const int32_t code = whys->at[i].err.code;
        const hf_err_info *const info = hf_err_describe(whys->at[i].err);
        if (code == HF_ERR_JWT_POLICY_ISSUER || code == HF_ERR_JWT_POLICY_AUDIENCE) /* told in words of their own */
            continue;
        if (code == HF_ERR_JWT_POLICY_KEYS) {
            hf_config_complain(c, place, "jwt: %s no key of the file is for a signature that counts; name those of its keys in jwt_algs", info->id);
            continue;
        }
        hf_config_complain(c, place, "jwt: %s %s%s%s%s; %s", info->id, info->name, whys->at[i].got[0] != 0 ? ": \"" : "", whys->at[i].got,
            whys->at[i].got[0] != 0 ? "\"" : "", info->remedy);
    }
}

/* An issuer is asked nothing here: of its keys the log tells, when the first token comes. */
static void check_signatures(hf_config *c, hf_config_place place, const hf_jwt_policy *policy)
{
    hf_whys whys = { .count = 0 };
    size_t kept = 0;
    (void)hf_jwt_lint(policy, &whys).code;
    for (size_t i = 0; i < whys.count && i < HF_WHYS_MOST; i++)
        if (whys.at[i].err.code != HF_ERR_JWT_POLICY_KEYS)
            whys.at[kept++] = whys.at[i];
    whys.count = kept;
    tell_policy(c, place, &whys);
}

/* What the file holds now. Who may not read it learns it from the log when the first token comes. */
static void check_keys(hf_config *c, const hf_config_item *jwt, hf_config_place algs, hf_jwt_policy *policy)
{
    const char *const path = jwt->values[0].text;
    hf_bytes text;
    hf_whys whys = { .count = 0 };
    if (strstr(path, "://") != NULL) {
        check_signatures(c, algs, policy);
        return;
    }
    if (c->world->kind(c->world->self, path) == HF_CONFIG_HIDDEN)
        return;
    const char *const why = c->world->read(c->world->self, path, &c->arena, (size_t)c->limits->jwks_bytes, &text);
    if (why != NULL) {
        hf_config_complain(c, jwt->values[0].place, "jwt: cannot read %s: %s", path, why);
        return;
    }
    hf_crypto *const crypto = hf_crypto_new(hf_env_default(), NULL);
    hf_keys *const keys = crypto != NULL ? hf_keys_new(crypto, hf_env_default()) : NULL;
    policy->keys = keys;
    if (keys == NULL)
        c->out_of_memory = true;
    else if (hf_keys_add_jwks(keys, HF_ALG_UNSET, text, false, &whys).code != 0)
        tell_policy(c, jwt->values[0].place, &whys);
    else if (hf_jwt_lint(policy, &whys).code != 0)
        tell_policy(c, algs, &whys);
    policy->keys = NULL;
    hf_keys_free(keys);
    hf_crypto_free(crypto);
}

static void check_jwt(hf_config *c, const hf_config_block *block, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_item *const jwt = in_force(said, route, HF_CONFIG_ID_JWT), *const own = hf_config_find(block, HF_CONFIG_ID_JWT);
    const hf_config_item *const algs = hf_config_find(block, HF_CONFIG_ID_JWT_ALGS);
    hf_jwt_policy policy;
    if (jwt == NULL)
        check_alone(c, block, HF_CONFIG_ID_JWT, HF_CONFIG_ID_JWT_ISSUER, HF_CONFIG_ID_JWT_COOKIE, "jwt KEYS");
    if (jwt == NULL || (own == NULL && algs == NULL) || !fill_policy(c, said, route, &policy))
        return;
    if (own != NULL && policy.issuer == NULL)
        hf_config_complain(c, own->place, "jwt needs jwt_issuer: a token says who made it, and only one of them is to be believed");
    if (own != NULL && policy.audience == NULL)
        hf_config_complain(c, own->place, "jwt needs jwt_audience: a token says for whom it was made, and one for others is not for us");
    check_keys(c, jwt, algs != NULL ? algs->values[0].place : jwt->values[0].place, &policy);
}

static void check_session(hf_config *c, const hf_config_block *block, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_item *const session = in_force(said, route, HF_CONFIG_ID_SESSION), *const own = hf_config_find(block, HF_CONFIG_ID_SESSION);
    hf_why why;
    if (session == NULL)
        check_alone(c, block, HF_CONFIG_ID_SESSION, HF_CONFIG_ID_SESSION_COOKIE, HF_CONFIG_ID_SESSION_LIFE, "session STORE");
    if (session == NULL || own == NULL)
        return;
    const hf_err err = hf_source_store_check(session->values[0].text, &why);
    const hf_err_info *const info = hf_err_describe(err);
    const bool secret = session->values[0].secret; /* what was got may be its password */
    if (err.code != 0)
        hf_config_complain(c, session->values[0].place, "session: %s %s%s%s; %s", info->id, info->name, why.got[0] != 0 && !secret ? ": " : "",
            secret ? "" : why.got, info->remedy);
}

static void check_csrf(hf_config *c, const hf_config_block *block, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_item *const csrf = in_force(said, route, HF_CONFIG_ID_CSRF), *const own = hf_config_find(block, HF_CONFIG_ID_CSRF);
    const hf_config_item *const origins = hf_config_find(block, HF_CONFIG_ID_CSRF_ORIGINS);
    const bool has_cookie = in_force(said, route, HF_CONFIG_ID_SESSION) != NULL ||
        (in_force(said, route, HF_CONFIG_ID_JWT) != NULL && in_force(said, route, HF_CONFIG_ID_JWT_COOKIE) != NULL);
    if (csrf == NULL)
        check_alone(c, block, HF_CONFIG_ID_CSRF, HF_CONFIG_ID_CSRF_ORIGINS, HF_CONFIG_ID_CSRF_ORIGINS, "csrf origin");
    if (own != NULL && way_of(own) == CSRF_TOKEN && !has_cookie)
        hf_config_complain(c, own->values[0].place, "csrf token: the token belongs to what a cookie brings, and nothing here does; write session STORE, or "
            "jwt KEYS with jwt_cookie NAME, or csrf origin");
    for (size_t i = 0; origins != NULL && i < origins->count; i++) {
        const char *const one[] = { origins->values[i].text, NULL };
        const hf_csrf policy = { .trusted_origins = one };
        const hf_err err = hf_csrf_lint(&policy, NULL);
        const hf_err_info *const info = hf_err_describe(err);
        if (err.code != 0)
            hf_config_complain(c, origins->values[i].place, "csrf_origins: %s %s: \"%s\"; %s", info->id, info->name, hf_config_shown(c, hf_text(one[0])),
                info->remedy);
    }
}

/* A method that may be repeated as it is. */
static bool is_idempotent(hf_method method)
{
    return hf_method_describe(method)->idempotent;
}

static void check_idempotency(hf_config *c, const hf_config_item *route)
{
    const hf_config_item *const own = route != NULL ? hf_config_find(route->block, HF_CONFIG_ID_IDEMPOTENCY) : NULL;
    bool any = route != NULL && hf_config_find(route->block, HF_CONFIG_ID_APP) != NULL; /* it says its methods itself */
    for (size_t i = 0; own != NULL && i < route->count; i++)
        any = any || (route->values[i].argument == 0 && !is_idempotent((hf_method)route->values[i].number));
    if (own != NULL && way_of(own) != 0 && !any)
        hf_config_complain(c, own->place, "idempotency is for methods that must not be carried out twice; this route has none, such as POST or PATCH");
}

void hf_config_check_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route)
{
    const hf_config_block *const block = route != NULL ? route->block : said->site->block;
    check_session(c, block, said, route);
    check_jwt(c, block, said, route);
    check_csrf(c, block, said, route);
    check_idempotency(c, route);
}

/* ---- guards ------------------------------------------------------------------------------------------------------ */

static hf_session_guard *make_session(hf_config *c, const hf_config_said *said, const hf_config_item *route, const hf_config_item *session)
{
    hf_session_guard *const g = hf_config_get(c, sizeof *g);
    if (g == NULL)
        return NULL;
    *g = (hf_session_guard){ .guard = HF_GUARD_SESSION, .cookie = { .name = text_in_force(said, route, HF_CONFIG_ID_SESSION_COOKIE) },
        .rules = { seconds_in_force(said, route, HF_CONFIG_ID_SESSION_IDLE), seconds_in_force(said, route, HF_CONFIG_ID_SESSION_LIFE) } };
    return hf_source_store(session->values[0].text, &g->store) ? g : NULL;
}

static hf_jwt_guard *make_jwt(hf_config *c, const hf_config_said *said, const hf_config_item *route, const hf_config_item *jwt)
{
    hf_jwt_guard *const g = hf_config_get(c, sizeof *g);
    if (g == NULL)
        return NULL;
    *g = (hf_jwt_guard){ .guard = HF_GUARD_JWT, .cookie = { .name = text_in_force(said, route, HF_CONFIG_ID_JWT_COOKIE) },
        .jwks = hf_source_keys(jwt->values[0].text) };
    return g->jwks != NULL && fill_policy(c, said, route, &g->policy) ? g : NULL;
}

static hf_csrf_guard *make_csrf(hf_config *c, const hf_config_said *said, const hf_config_item *route, const hf_config_item *csrf, hf_session_guard *sessions)
{
    hf_csrf_guard *const g = hf_config_get(c, sizeof *g);
    if (g == NULL)
        return NULL;
    *g = (hf_csrf_guard){ .guard = HF_GUARD_CSRF, .sessions = sessions,
        .policy = { .mode = way_of(csrf) == CSRF_TOKEN ? HF_CSRF_ORIGIN_AND_TOKEN : HF_CSRF_ORIGIN_ONLY,
            .trusted_origins = hf_config_list_of(c, hf_config_said_of(said, route, HF_CONFIG_ID_CSRF_ORIGINS)) } };
    return g;
}

static void add(hf_config *c, hf_route *row, hf_guard *g)
{
    if (g == NULL)
        c->out_of_memory = true;
    else
        hf_config_put_guard(row, g, false);
}

void hf_config_add_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route, hf_route *row)
{
    const hf_config_item *const session = in_force(said, route, HF_CONFIG_ID_SESSION), *const jwt = in_force(said, route, HF_CONFIG_ID_JWT),
                         *const csrf = in_force(said, route, HF_CONFIG_ID_CSRF), *const again = in_force(said, route, HF_CONFIG_ID_IDEMPOTENCY);
    hf_session_guard *sessions = NULL;
    if (session != NULL) {
        sessions = make_session(c, said, route, session);
        add(c, row, sessions != NULL ? &sessions->guard : NULL);
    }
    if (jwt != NULL) {
        hf_jwt_guard *const g = make_jwt(c, said, route, jwt);
        add(c, row, g != NULL ? &g->guard : NULL);
    }
    if (csrf != NULL) {
        hf_csrf_guard *const g = make_csrf(c, said, route, csrf, sessions);
        add(c, row, g != NULL ? &g->guard : NULL);
    }
    if (again != NULL && row->files == NULL && row->body == NULL && row->upload == NULL && !is_idempotent(hf_method_parse(hf_text(row->method))))
        row->idempotency = (hf_idempotency)way_of(again);
}

/* ---- explained --------------------------------------------------------------------------------------------------- */

static const char *shown(const hf_config_item *item)
{
    return item->values[0].secret ? "(secret)" : item->values[0].text;
}

static void say_place(hf_config *c, FILE *out, const hf_config_item *item)
{
    fputs(" (", out);
    hf_config_print_place(c, out, &item->place);
    fputs(")\n", out);
}

void hf_config_explain_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route, hf_method method, FILE *out)
{
    const hf_config_item *const session = in_force(said, route, HF_CONFIG_ID_SESSION), *const jwt = in_force(said, route, HF_CONFIG_ID_JWT),
                         *const csrf = in_force(said, route, HF_CONFIG_ID_CSRF), *const again = in_force(said, route, HF_CONFIG_ID_IDEMPOTENCY),
                         *const origins = hf_config_said_of(said, route, HF_CONFIG_ID_CSRF_ORIGINS);
    const char *const cookie = text_in_force(said, route, HF_CONFIG_ID_SESSION_COOKIE);
    if (session != NULL) {
        fprintf(out, "session only who has one in %s, by the cookie __Host-%s; others are answered 401", shown(session), cookie != NULL ? cookie : "sid");
        say_place(c, out, session);
    }
    if (jwt != NULL) {
        fprintf(out, "token   only who sends one of %s for %s, signed by a key of %s; others are answered 401",
            shown(hf_config_said_of(said, route, HF_CONFIG_ID_JWT_ISSUER)), shown(hf_config_said_of(said, route, HF_CONFIG_ID_JWT_AUDIENCE)), shown(jwt));
        say_place(c, out, jwt);
    }
    if (csrf != NULL && !hf_method_describe(method)->safe) {
        fputs("csrf    only from pages of this site", out);
        for (size_t i = 0; origins != NULL && i < origins->count; i++)
            fprintf(out, "%s %s", i == 0 ? " and of" : "", origins->values[i].text);
        fprintf(out, "%s; others are answered 403", way_of(csrf) == CSRF_TOKEN ? ", with the token of X-CSRF-Token" : "");
        say_place(c, out, csrf);
    }
    if (again != NULL && !is_idempotent(method)) {
        fprintf(out, "again   a retry with the same Idempotency-Key gets the first answer%s",
            way_of(again) == HF_IDEMPOTENT_REQUIRED ? "; without one, 400" : "");
        say_place(c, out, again);
    }
}
