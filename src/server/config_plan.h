/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration without problems as what the server runs: sites, routes, and options.
 */
#ifndef HF_SERVER_CONFIG_PLAN_H
#define HF_SERVER_CONFIG_PLAN_H

#include "config_check.h"
#include "hosts.h"
#include "serve.h"

/* What stands behind a row of `routes`. */
typedef struct hf_config_action {
    const hf_config_item *route;  /* NULL: the site's own files, redirect, answer or app */
    const hf_config_item *action; /* files, redirect, answer or app */
    const hf_config_item *auth;   /* basic_auth; NULL: everybody is answered */
    const hf_config_item *rate;   /* rate_limit; NULL: none */
    const hf_config_item *log;    /* access_log of the route or site; NULL: the file's */
} hf_config_action;

/* What a site says for all its routes, looked up once: its guards (config_guards.c). */
enum { HF_CONFIG_SAID = HF_CONFIG_ID_IDEMPOTENCY - HF_CONFIG_ID_SECURITY_HEADERS + 1 };
typedef struct hf_config_said {
    const hf_config_item *site;
    const hf_config_item *items[HF_CONFIG_SAID];
} hf_config_said;

typedef struct hf_config_plan {
    const hf_config *config;
    hf_route *routes; /* those of the first site, then those of the next */
    hf_config_action *actions; /* one for each route */
    size_t route_count;
    hf_site *sites;
    const hf_config_item **site_items; /* one for each site */
    size_t site_count;
    hf_identity_source *identities; /* those outside of sites first */
    size_t identity_count;
    hf_host *hosts; /* sorted */
    size_t host_count;
    hf_network *proxy_from, *trusted;
    size_t proxy_from_count, trusted_count;
    hf_serve_proxies *proxies;
    size_t proxies_count;
    hf_serve_log *logs; /* of sites and routes */
    size_t log_count;
    uint32_t *route_logs, *site_logs;
    hf_limits limits; /* of all that have none of their own */
    hf_config_said said;
} hf_config_plan;

/* All memory is the configuration's. Requires a configuration that was loaded without problems. It has some where applications are
 * loaded, and their routes have too many guards. HF_ERR_BASE_MEMORY. */
hf_err hf_config_plan_make(hf_config *c, hf_config_plan *plan);
/* The same for its routes, sites and their logs alone: planned anew, with the routes of applications. */
void hf_config_plan_apply_routes(const hf_config_plan *plan, hf_serve_options *options);
/* Tells the routes of applications that are open now their contexts. */
void hf_config_plan_contexts(hf_config_plan *plan);
/* Fills `options` from the configuration; what it does not speak of (colour, quiet) stays. Lends the plan and its
 * configuration to `options`. */
void hf_config_plan_apply(const hf_config_plan *plan, hf_serve_options *options);

/* The handlers behind routes that redirect and answer; hf_req_context is the plan there. */
hf_err hf_config_redirect(hf_req *rq);
hf_err hf_config_answer(hf_req *rq);

/* Writes where `to` leads: {name} from the match, {path}, and {uri} of path and query. The path is decoded. False when
 * `w` is full. */
bool hf_config_locate(hf_writer *w, const char *to, const hf_route_match *match, hf_bytes path, hf_bytes query);
/* How much room that may need. */
size_t hf_config_locate_room(const char *to, hf_bytes path, hf_bytes query);

/* Says which site and route would answer and why. `url` is http://host[:port]/path, host/path or /path. False (and said
 * on `err`) when the method or the URL is none. */
bool hf_config_explain(hf_config *c, const char *method, const char *url, FILE *out, FILE *err);

/* ---- config_json.c -------------------------------------------------------------------------------------------- */

/* `text` as a JSON string. */
void hf_config_print_string(FILE *out, const char *text);
/* Every setting with its value and where it came from. Requires a configuration without problems. */
void hf_config_print_json(const hf_config *c, FILE *out);
/* What that looks like, for every configuration: a JSON Schema. config_jsonschema.c */
void hf_config_print_jsonschema(FILE *out);
/* The same in the language of the file itself, places as comments. */
void hf_config_print_effective(const hf_config *c, FILE *out);

#endif
