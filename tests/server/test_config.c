/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration means: values, includes, variables, secrets, defaults, limits, and what the server is told.
 */
#include "server/config_world.h"

#include <handfast/store.h>
#include <time.h>
#include <unistd.h>

#include "config_tree.h"
#include "guard_sources.h"

#define SITE "site * {\n answer 200 x\n}\n"
static table_config t;

static void assert_says(const char *text, const char *part)
{
    const table_file files[] = { { "c", text }, { "www/", "" }, { 0 } };
    const char *said = table_load(&t, files, NULL);
    if (*part == 0 ? *said != 0 : strstr(said, part) == NULL)
        fail_msg("%s\nsaid: %s", text, said);
    table_end(&t);
}

static char *printed(void (*print)(const hf_config *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(&t.config, out);
    fclose(out);
    return text;
}

static void assert_prints(void (*print)(const hf_config *, FILE *), const char *part, bool there)
{
    char *text = printed(print);
    if ((strstr(text, part) != NULL) != there)
        fail_msg("%s%s in\n%s", there ? "missing: " : "unwanted: ", part, text);
    free(text);
}

/* ---- meaning -------------------------------------------------------------------------------------------------- */

static void config_becomes_the_options_of_the_server(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "listen http://localhost:81\nlisten http://[::1]:82\nthreads 3\nio epoll\nuser www-data\n"
        "access_log off {\n format combined\n}\nlimits {\n idle_ns 5s\n body_bytes 2M\n}\n"
        "site a.example *.b.example {\n files www {\n index a.html b.html\n listing on\n spa s.html\n hidden on\n compress off\n"
        " follow_symlinks on\n precompressed off\n cache_control max-age=5\n error_pages www\n }\n"
        " route GET POST /x/{id} {\n redirect /y/{id} 308\n max_body 5k\n }\n}\nsite * {\n answer 404 none\n}\n" },
        { "www/", "" }, { "www/s.html", "" }, { 0 } };
    static hf_serve_options o;
    hf_config_plan plan;
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    hf_config_plan_apply(&plan, &o);
    assert_int_equal(o.listener_count, 2);
    assert_int_equal(o.listeners[1].addresses[0].port, 82);
    assert_int_equal(o.threads, 3);
    assert_int_equal(o.loop, HF_LOOP_EPOLL);
    assert_string_equal(o.user, "www-data");
    assert_null(o.access_log);
    assert_int_equal(o.log_format, HF_ACCESS_COMBINED);
    assert_int_equal(o.limits.idle_ns, HF_SECONDS(5));
    assert_int_equal(o.limits.body_bytes, 2 << 20);
    assert_int_equal(o.limits.ranges, hf_limits_default()->ranges);
    assert_int_equal(o.site_count, 2);
    assert_int_equal(o.sites[0].count, 3);
    assert_int_equal(o.route_count, 4);
    assert_string_equal(o.routes[1].method, "POST");
    assert_int_equal(o.routes[1].max_body, 5120);
    assert_string_equal(o.routes[1].path, "/x/{id}");
    const hf_files *f = o.routes[2].files;
    assert_string_equal(f->root, "www");
    assert_string_equal(f->index[1], "b.html");
    assert_null(f->index[2]);
    assert_true(f->listing && f->hidden && f->follow_symlinks && f->no_precompressed && f->no_compression);
    assert_string_equal(f->spa, "s.html");
    assert_string_equal(f->error_pages, "www");
    assert_string_equal(f->cache_control, "max-age=5");
    assert_int_equal(hf_hosts_find(o.hosts, o.host_count, hf_text("A.Example.:81"))->site, 0);
    assert_int_equal(hf_hosts_find(o.hosts, o.host_count, hf_text("x.y.b.example"))->site, 0);
    assert_int_equal(hf_hosts_find(o.hosts, o.host_count, hf_text("b.example"))->site, 1);
    table_end(&t);
}

static void routes_hint_and_push_as_their_site_does_or_as_they_say(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "site a {\n early_hints /a.css learned\n push /b.js\n route GET /own {\n early_hints /own.css\n"
        " push /p /q?v=1\n answer 200 x\n }\n route GET /site {\n answer 200 x\n }\n}\nsite * {\n answer 404 none\n}\n" }, { 0 } };
    static hf_serve_options o;
    hf_config_plan plan;
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    hf_config_plan_apply(&plan, &o);
    const hf_route *const own = &o.routes[0], *const site = &o.routes[1], *const none = &o.routes[2];
    assert_string_equal(own->hints[0], "/own.css");
    assert_null(own->hints[1]);
    assert_false(own->learn_hints);
    assert_string_equal(own->push[1], "/q?v=1");
    assert_string_equal(site->hints[0], "/a.css");
    assert_null(site->hints[1]);
    assert_true(site->learn_hints);
    assert_string_equal(site->push[0], "/b.js");
    assert_true(none->hints == NULL && none->push == NULL && !none->learn_hints);
    table_end(&t);
    static const char *const wrong[] = { "push learned", "push a.css", "early_hints //x", "early_hints \"/a b\"", "push https://a/x", "early_hints \"/<\"" };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        char text[256];
        snprintf(text, sizeof text, "site * {\n %s\n answer 200 x\n}\n", wrong[i]);
        const table_file bad[] = { { "c", text }, { 0 } };
        const char *const said = table_load(&t, bad, NULL);
        if (strstr(said, "c:2:") == NULL || strstr(said, "takes paths of this host") == NULL)
            fail_msg("%s: %s", wrong[i], said);
        table_end(&t);
    }
}

static void defaults_are_those_of_the_command_line(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "site * {\n files www\n}\n" }, { "www/", "" }, { 0 } };
    static hf_serve_options o;
    hf_config_plan plan;
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    hf_config_plan_apply(&plan, &o);
    assert_int_equal(o.listener_count, 1);
    assert_string_equal(o.listeners[0].text, "http://localhost:8080");
    assert_int_equal(o.threads, 0);
    assert_int_equal(o.loop, HF_LOOP_AUTO);
    assert_null(o.user);
    assert_string_equal(o.access_log, "-");
    assert_int_equal(o.log_format, HF_ACCESS_JSON);
    assert_memory_equal(&o.limits, hf_limits_default(), sizeof o.limits);
    const hf_files *f = o.routes[0].files;
    assert_string_equal(f->index[0], "index.html");
    assert_string_equal(f->cache_control, "no-cache");
    assert_false(f->listing || f->hidden || f->follow_symlinks || f->no_precompressed || f->no_compression);
    assert_null(f->spa);
    assert_null(f->content_security_policy);
    table_end(&t);
}

static void variables_have_defaults_and_files(void **state)
{
    (void)state;
    const table_file variables[] = { { "N", "3" }, { "EMPTY", "" }, { "S_FILE", "secret" }, { 0 } };
    const table_file files[] = { { "c", "threads ${N}\nio ${M:-epoll}\nsite * {\n answer 200 \"[${EMPTY}|$$|${S}|${file:secret}|a\\tb]\"\n}\n" },
        { "secret", "hush\n" }, { 0 } };
    assert_string_equal(table_load(&t, files, variables), "");
    assert_int_equal(hf_config_number_of(t.config.root, HF_CONFIG_ID_THREADS), 3);
    assert_int_equal(hf_config_number_of(t.config.root, HF_CONFIG_ID_IO), 1);
    const hf_config_item *site = hf_config_find(t.config.root, HF_CONFIG_ID_SITE);
    const hf_config_value *text = hf_config_value_of(hf_config_find(site->block, HF_CONFIG_ID_ANSWER), 1);
    assert_string_equal(text->text, "[|$|hush|hush|a\tb]");
    assert_true(text->secret);
    assert_prints(hf_config_print_json, "hush", false);
    assert_prints(hf_config_print_effective, "hush", false);
    table_end(&t);
}

static void includes_stand_where_they_are_named_and_see_their_own_folder(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "include sites/*.conf\nsite * {\n include sites/part\n}\n" },
        { "sites/a.conf", "site a.example {\n files a\n}\n" }, { "sites/a/", "" }, { "sites/b.conf", "site b.example {\n answer 200 b\n}\n" },
        { "sites/part", "answer 200 c\n" }, { 0 } };
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(t.config.file_count, 4);
    assert_prints(hf_config_print_json, "\"value\": \"sites/a\", \"from\": \"sites/a.conf:2:2\"", true);
    assert_prints(hf_config_print_json, "\"from\": \"sites/part:1:1\"", true);
    assert_prints(hf_config_print_json, "\"format\": {\"value\": \"json\", \"from\": \"default\"}", true);
    table_end(&t);
    assert_says("include none*.conf\n" SITE, "");
    assert_says("include none.conf\n" SITE, "c:1:9: cannot read none.conf: there is no such file");
}

static void effective_text_is_a_configuration_again(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "limits {\n idle_ns 90s\n}\nsite a.example \"*\" {\n files www {\n cache_control \"max-age=5, public\"\n"
        " }\n route /a/{b} {\n answer 200 \"q \\\" $$ \\n\"\n }\n}\n" }, { "www/", "" }, { 0 } };
    assert_string_equal(table_load(&t, files, NULL), "");
    char *text = printed(hf_config_print_effective), *json = printed(hf_config_print_json);
    table_end(&t);
    const table_file again[] = { { "c", text }, { "www/", "" }, { 0 } };
    /* but for limits that only the program sets */
    table_begin(&t, again, NULL);
    assert_int_equal(hf_config_load(&t.config, "c").code, 0);
    for (const hf_config_problem *p = t.config.problems; p != NULL; p = p->next)
        assert_non_null(strstr(p->text, "bounds the reading of this configuration"));
    assert_non_null(strstr(json, "q \\\" $ \\n"));
    const hf_config_item *limits = hf_config_find(t.config.root, HF_CONFIG_ID_LIMITS);
    assert_int_equal(limits->block->items->values[0].number, HF_SECONDS(90));
    table_end(&t);
    free(text);
    free(json);
}

/* ---- who answers ---------------------------------------------------------------------------------------------- */

static const char *const explained = "site a.example {\n files www\n route /o/{rest...} {\n redirect /{rest}\n }\n"
    " route POST /p {\n answer 200 x\n }\n}\nsite *.b.example {\n redirect https://a.example{uri} 301\n}\n";

static void assert_explains(const char *method, const char *url, const char *part)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    const bool good = hf_config_explain(&t.config, method, url, out, out);
    fclose(out);
    if (strstr(text, part) == NULL || good != (strstr(part, "no method") == NULL && strstr(part, "refused") == NULL))
        fail_msg("%s %s:\n%s", method, url, text);
    free(text);
}

static void explain_names_site_route_and_answer(void **state)
{
    (void)state;
    const table_file files[] = { { "c", explained }, { "www/", "" }, { "www/x.html", "" }, { 0 } };
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_explains("GET", "http://a.example/x.html", "site    a.example: names this host (c:1:1)");
    assert_explains("GET", "http://a.example/x.html", "answer  the file www/x.html (c:2:2)");
    assert_explains("GET", "http://a.example/", "www/index.html");
    assert_explains("GET", "http://a.example/none", "which is not there: 404");
    assert_explains("GET", "http://a.example/o/x/y", "answer  302 to /x/y (c:4:2)");
    assert_explains("GET", "http://A.EXAMPLE.:99/o/%41?q", "{rest} is \"A\"");
    assert_explains("POST", "http://a.example/p", "answer  200 with the text");
    assert_explains("POST", "http://a.example/q", "answer  405");
    assert_explains("GET", "x.b.example/a%20b?c=d", "answer  301 to https://a.example/a%20b?c=d");
    assert_explains("GET", "http://b.example/", "answer  421");
    assert_explains("GET", "/x", "answer  421");
    assert_explains("get", "/", "no method");
    assert_explains("GET", "http://a.example/%zz", "would be refused");
    table_end(&t);
}

static const char *const owning = "access_log all\nlimits {\n body_bytes 1k\n ranges 9\n}\nproxy_protocol 10.0.0.0/8\n"
    "listen http://localhost:81\nlisten http://localhost:82 {\n proxy_protocol off\n}\nlisten http://localhost:83 {\n"
    " proxy_protocol 192.0.2.1 fd00::/8\n}\n"
    "site a {\n access_log own {\n format logfmt\n }\n limits {\n body_bytes 2k\n hot_files 3\n }\n files www\n"
    " route POST /r {\n access_log off\n limits {\n body_bytes 3k\n }\n answer 200 x\n }\n"
    " route POST /m {\n access_log all\n max_body 4k\n answer 200 x\n }\n}\n"
    "site b {\n max_body 5k\n route POST /r {\n limits {\n body_bytes 6k\n }\n answer 200 x\n }\n route POST /s {\n answer 200 x\n }\n}\n";

static const hf_route *route_of(const hf_config_plan *plan, size_t site, const char *path)
{
    for (size_t i = plan->sites[site].first; i < plan->sites[site].first + plan->sites[site].count; i++)
        if (strcmp(plan->routes[i].path, path) == 0)
            return &plan->routes[i];
    fail_msg("no route %s", path);
    return NULL;
}

static uint64_t body_of(const hf_route *r)
{
    return r->max_body > 0 ? r->max_body : r->limits != NULL ? r->limits->body_bytes : 0;
}

static const char *const guarded = "site a {\n session s.db\n session_cookie id\n csrf token\n csrf_origins https://b.example\n answer 200 x\n"
    " route POST /r {\n session off\n csrf off\n jwt k\n jwt_issuer i\n jwt_audience b\n idempotency required\n rate_limit 9\n answer 202 x\n }\n}\n";
static const char *const key_set = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static void who_is_answered_is_explained_and_asked_in_order(void **state)
{
    (void)state;
    const table_file files[] = { { "c", guarded }, { "k", key_set }, { "s.db", "" }, { 0 } };
    hf_config_plan plan;
    if (hf_sqlite_store_library() == NULL)
        skip(); /* needs SQLite */
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    const hf_route *const own = route_of(&plan, 0, "/{rest...}"), *const r = route_of(&plan, 0, "/r");
    assert_ptr_equal(own->guards[1]->check, hf_guard_session_check); /* behind the fields */
    assert_ptr_equal(own->guards[2]->check, hf_guard_csrf_check);
    assert_null(own->guards[3]);
    const hf_csrf_guard *const csrf = (const hf_csrf_guard *)own->guards[2];
    assert_ptr_equal(csrf->sessions, own->guards[1]);
    assert_int_equal(csrf->policy.mode, HF_CSRF_ORIGIN_AND_TOKEN);
    assert_string_equal(csrf->policy.trusted_origins[0], "https://b.example");
    assert_ptr_equal(r->guards[1]->check, hf_guard_rate_check);
    assert_ptr_equal(r->guards[2]->check, hf_guard_jwt_check);
    assert_null(r->guards[3]);
    assert_int_equal(r->idempotency, HF_IDEMPOTENT_REQUIRED);
    assert_int_equal(own->idempotency, HF_IDEMPOTENT_NOT);
    assert_explains("GET", "http://a/x", "session only who has one in s.db, by the cookie __Host-id; others are answered 401 (c:2:2)");
    assert_explains("POST", "http://a/r", "token   only who sends one of i for b, signed by a key of k; others are answered 401 (c:10:2)");
    assert_explains("POST", "http://a/r", "again   a retry with the same Idempotency-Key gets the first answer; without one, 400 (c:13:2)");
    table_end(&t);
}

static const char *const fields_and_rates = "site a.example {\n answer 200 x\n referrer_policy no-referrer\n permissions_policy camera=()\n"
    " cross_origin_opener_policy same-origin\n cross_origin_embedder_policy require-corp\n cross_origin_resource_policy same-site\n hsts 8760h\n"
    " rate_limit 60 5\n rate_store redis://:secret@r.example/1\n"
    " route /back {\n answer 200 x\n hsts 0s\n }\n"
    " route /own {\n answer 200 x\n security_headers off\n referrer_policy off\n cross_origin_opener_policy off\n rate_store off\n }\n}\n"
    "site b.example {\n session s.db\n rate_limit 60\n rate_by session\n answer 200 x\n route /bare {\n session off\n answer 200 x\n }\n"
    " route /note {\n rate_limit 9\n answer 200 x\n }\n route POST PUT /note {\n rate_limit 9 3\n answer 200 x\n }\n}\n";

static void fields_and_rates_are_as_they_are_said(void **state)
{
    (void)state;
    const table_file files[] = { { "c", fields_and_rates }, { "s.db", "" }, { 0 } };
    hf_config_plan plan;
    if (hf_sqlite_store_library() == NULL || hf_redis_store_library() == NULL)
        skip(); /* needs SQLite and Redis */
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_explains("GET", "http://a.example/", "Referrer-Policy: no-referrer\n");
    assert_explains("GET", "http://a.example/", "Permissions-Policy: camera=()\n");
    assert_explains("GET", "http://a.example/", "Cross-Origin-Opener-Policy: same-origin\n");
    assert_explains("GET", "http://a.example/", "Cross-Origin-Embedder-Policy: require-corp\n");
    assert_explains("GET", "http://a.example/", "Cross-Origin-Resource-Policy: same-site\n");
    assert_explains("GET", "http://a.example/", "Strict-Transport-Security: max-age=31536000, over TLS\n");
    assert_explains("GET", "http://a.example/back", "Strict-Transport-Security: max-age=0, over TLS\n");
    assert_explains("GET", "http://a.example/", "rate    60 a minute for each address, then 429, counted together by all that share the Redis (c:9:2)");
    assert_explains("GET", "http://a.example/own", "rate    60 a minute for each address, then 429 (c:9:2)");
    assert_explains("GET", "http://a.example/own", "fields  Permissions-Policy: camera=()\n        Cross-Origin-Embedder-Policy: require-corp\n");
    assert_explains("GET", "http://b.example/", "Strict-Transport-Security: max-age=3600, over TLS, for public names\n");
    assert_explains("GET", "http://b.example/", "rate    60 a minute for each session, then 429 (c:25:2)");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    const hf_route *const all = route_of(&plan, 0, "/{rest...}"), *const own = route_of(&plan, 0, "/own"), *const b = route_of(&plan, 1, "/{rest...}");
    const hf_rate_guard *const shared = (const hf_rate_guard *)all->guards[1], *const alone = (const hf_rate_guard *)own->guards[1], *const each = (const hf_rate_guard *)b->guards[2];
    assert_ptr_equal(shared->guard.check, hf_guard_rate_check);
    assert_non_null(shared->shared.take);
    assert_string_equal(shared->name, "60/5 * a.example *");
    assert_ptr_equal(alone->guard.check, hf_guard_rate_check);
    assert_null(alone->shared.take);
    assert_ptr_equal(b->guards[1]->check, hf_guard_session_check); /* who counts sessions stands behind who finds them */
    assert_ptr_equal(each->guard.check, hf_guard_rate_check);
    assert_int_equal(each->by, HF_RATE_BY_SESSION);
    const hf_rate_guard *const bare = (const hf_rate_guard *)route_of(&plan, 1, "/bare")->guards[1];
    assert_ptr_equal(bare->guard.check, hf_guard_rate_check); /* no session to count by */
    assert_int_equal(bare->by, HF_RATE_BY_ADDRESS);
    assert_explains("GET", "http://b.example/bare", "rate    60 a minute for each address, then 429 (c:25:2)");
    table_end(&t);
}

/* What is one path is not yet one limit. */
static void rates_of_other_methods_have_other_names(void **state)
{
    (void)state;
    const table_file files[] = { { "c", fields_and_rates }, { "s.db", "" }, { 0 } };
    hf_config_plan plan;
    size_t seen = 0;
    if (hf_sqlite_store_library() == NULL || hf_redis_store_library() == NULL)
        skip(); /* needs SQLite and Redis */
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    for (size_t i = plan.sites[1].first; i < plan.sites[1].first + plan.sites[1].count; i++)
        if (strcmp(plan.routes[i].path, "/note") == 0) {
            const hf_rate_guard *const g = (const hf_rate_guard *)plan.routes[i].guards[2];
            assert_ptr_equal(g->guard.check, hf_guard_rate_check);
            assert_string_equal(g->name, strcmp(plan.routes[i].method, "GET") == 0 ? "9/9 GET b.example /note" : "9/3 POST,PUT b.example /note");
            seen++;
        }
    assert_int_equal(seen, 3);
    table_end(&t);
}

static void a_store_that_cannot_be_opened_denies_and_is_tried_again(void **state)
{
    (void)state;
    static const uint8_t key[32] = { 1 };
    uint8_t room[64];
    hf_session_store store, again;
    hf_session_record record;
    assert_true(hf_source_store("/nowhere/sessions.db", &store));
    assert_true(store.blocks);
    assert_int_equal(store.get(store.self, key, &record, (hf_span){ room, sizeof room }).code, HF_ERR_SESSION_STORE);
    assert_int_equal(store.destroy(store.self, key).code, HF_ERR_SESSION_STORE);
    assert_true(hf_source_store("/nowhere/sessions.db", &again));
    assert_ptr_equal(store.self, again.self); /* a reload asks for the same */
    assert_true(hf_source_store("/nowhere/others.db", &again));
    assert_ptr_not_equal(store.self, again.self);
    assert_ptr_equal(hf_source_keys("k"), hf_source_keys("k"));
}

static void sites_and_routes_have_limits_and_logs_of_their_own_and_listeners_their_proxies(void **state)
{
    (void)state;
    const table_file files[] = { { "c", owning }, { "www/", "" }, { 0 } };
    static hf_serve_options o;
    hf_config_plan plan;
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    hf_config_plan_apply(&plan, &o);
    const hf_route *const own = route_of(&plan, 0, "/{rest...}"), *const r = route_of(&plan, 0, "/r"), *const m = route_of(&plan, 0, "/m");
    const hf_route *const inner = route_of(&plan, 1, "/r"), *const outer = route_of(&plan, 1, "/s");
    const uint64_t bodies[] = { body_of(own), body_of(r), body_of(m), body_of(outer), body_of(inner) };
    for (size_t i = 0; i < HF_COUNT(bodies); i++)
        assert_int_equal(bodies[i], (i + 2) * 1024);
    assert_int_equal(r->limits->hot_files, 3);  /* the site's */
    assert_int_equal(r->limits->ranges, 9);     /* the file's */
    assert_int_equal(inner->limits->ranges, 9);
    assert_null(outer->limits);
    assert_int_equal(o.log_count, 2);
    const uint32_t *const logs = o.route_logs;
    assert_string_equal(o.logs[logs[own - plan.routes] - 1].path, "own");
    assert_int_equal(o.logs[logs[own - plan.routes] - 1].format, HF_ACCESS_LOGFMT);
    assert_null(o.logs[logs[r - plan.routes] - 1].path);
    assert_int_equal(logs[m - plan.routes], 0); /* the same as the file's */
    assert_int_equal(o.site_logs[0], logs[own - plan.routes]);
    assert_int_equal(o.site_logs[1], 0);
    assert_int_equal(o.proxies_count, 2);
    assert_int_equal(o.proxies[0].listener, 1);
    assert_int_equal(o.proxies[0].count, 0);
    assert_int_equal(o.proxies[1].listener, 2);
    assert_int_equal(o.proxies[1].count, 2);
    assert_explains("POST", "http://a/r", "limit   body_bytes is 3 KiB here (c:26:2)");
    assert_explains("POST", "http://a/r", "limit   hot_files is 3 files here (c:20:2)");
    assert_explains("POST", "http://a/r", "log     none (c:24:2)");
    assert_explains("GET", "http://a/x", "log     own (c:15:2)");
    table_end(&t);
}

static void every_limit_that_a_site_may_have_is_named_where_it_is_told(void **state)
{
    (void)state;
    const hf_config_row *const limits = hf_config_row_find(hf_text("limits"), HF_CONFIG_SITE), *row;
    size_t count = 0, named = 0;
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++) {
        if (row->limit == 0 || !(row->where & 1u << HF_CONFIG_OWN_LIMITS))
            continue;
        char name[64];
        snprintf(name, sizeof name, "`%s`", row->name);
        if (strstr(limits->doc, name) == NULL)
            fail_msg("%s: %s", name, limits->doc);
        count++;
    }
    for (const char *at = limits->doc; (at = strchr(at, '`')) != NULL; at++)
        named++;
    assert_true(count > 0);
    assert_int_equal(named, 2 * count);
}

static void redirects_never_leave_for_a_host_of_the_clients_choice(void **state)
{
    (void)state;
    const table_file files[] = { { "c", explained }, { "www/", "" }, { 0 } };
    assert_string_equal(table_load(&t, files, NULL), "");
    assert_explains("GET", "http://a.example/o//evil.example", "to /.//evil.example");
    assert_explains("GET", "http://a.example/o///evil.example", "to /.//");
    assert_explains("GET", "http://x.b.example//evil.example", "to https://a.example/.//evil.example");
    table_end(&t);
}

/* ---- the schema ----------------------------------------------------------------------------------------------- */

static void every_default_of_the_schema_is_a_value_of_its_type(void **state)
{
    (void)state;
    size_t rows = 0;
    table_begin(&t, NULL, NULL);
    const hf_config_row *row;
    for (; (row = hf_config_row_at(rows)) != NULL; rows++) {
        assert_true((row->doc != NULL) != (row->not_yet != NULL));
        for (uint8_t i = 0; i < HF_CONFIG_ARGUMENTS && row->arguments[i].name != NULL; i++) {
            hf_config_value v = { .text = row->arguments[i].preset, .argument = i };
            if (v.text != NULL && !hf_config_understand(&t.config, row, &v))
                fail_msg("%s: its default %s is none", row->name, v.text);
        }
    }
    assert_true(rows > 60);
    assert_int_equal(t.config.problem_count, 0);
    table_end(&t);
}

static void manual_holds_the_tables_that_the_schema_prints(void **state)
{
    (void)state;
    char path[1024], *tables = NULL;
    size_t size;
    FILE *out = open_memstream(&tables, &size);
    hf_config_print_schema(out, false);
    fclose(out);
    snprintf(path, sizeof path, "%s/docs/configuration.md", getenv("HF_SOURCE") ? getenv("HF_SOURCE") : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *page = calloc(1, 1 << 18);
    assert_non_null(page);
    assert_true(fread(page, 1, (1 << 18) - 1, f) > 0);
    fclose(f);
    if (strstr(page, tables) == NULL)
        fail_msg("docs/configuration.md is older than the schema: put the output of handfast config settings into it");
    free(page);
    free(tables);
}

/* ---- bounds --------------------------------------------------------------------------------------------------- */

static void assert_bounded(uint64_t *limit, uint64_t value, const table_file *files, const char *part)
{
    *limit = value;
    assert_int_equal(hf_config_load(&t.config, "c").code, 0);
    const char *said = table_report(&t);
    if (strstr(said, part) == NULL)
        fail_msg("%s", said);
    (void)files;
    table_end(&t);
}

static void limit_config_file_bytes(void **state)
{
    (void)state;
    const table_file files[] = { { "c", SITE }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_file_bytes, strlen(SITE) - 1, files, "larger than the limit config_file_bytes");
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_file_bytes, strlen(SITE), files, "");
}

static void limit_config_files(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "include d\ninclude e\n" SITE }, { "d", "" }, { "e", "" }, { "x1", "" }, { "x2", "" }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_files, 2, files, "c:2:9: e is one file too many: at most 2 are read (limit config_files)");
    const table_file many[] = { { "c", "include x*\n" SITE }, { "x1", "" }, { "x2", "" }, { 0 } };
    table_begin(&t, many, NULL);
    assert_bounded(&t.memory.limits.config_files, 1, many, "c:1:9: x* are more than 1 files (limit config_files)");
}

static void limit_config_include_depth(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "include d\n" SITE }, { "d", "include e\n" }, { "e", "include f\n" }, { "f", "" }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_include_depth, 2, files, "e:1:9: includes in includes go 2 deep and no deeper");
}

static void limit_config_depth(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "site * {\n route /a {\n answer 200 x {\n type a/b\n }\n }\n}\n" }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_depth, 2, files, "c:3:15: more than 2 blocks in one another (limit config_depth)");
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_depth, 3, files, "");
}

static void limit_config_words(void **state)
{
    (void)state;
    const table_file files[] = { { "c", SITE }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_words, 4, files, "c:2:13: more than 4 words (limit config_words)");
}

static void limit_config_logs(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "access_log a\nsite * {\n access_log b\n answer 200 x\n route /1 {\n access_log c\n answer 200 x\n }\n"
        " route /2 {\n access_log b\n answer 200 x\n }\n route /3 {\n access_log d\n answer 200 x\n }\n route /4 {\n access_log a\n"
        " answer 200 x\n }\n}\n" }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_logs, 2, files, "c:14:13: sites and routes have more than 2 logs of their own (limit config_logs)");
    table_begin(&t, files, NULL);
    t.memory.limits.config_logs = 3;
    assert_int_equal(hf_config_load(&t.config, "c").code, 0);
    assert_int_equal(t.config.problem_count, 0);
    hf_config_plan plan;
    assert_int_equal(hf_config_plan_make(&t.config, &plan).code, 0);
    assert_int_equal(plan.log_count, 3);
    table_end(&t);
}

static void limit_config_problems(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "a\nb\nc\nd\ne\n" SITE }, { 0 } };
    table_begin(&t, files, NULL);
    assert_bounded(&t.memory.limits.config_problems, 3, files, "... and 2 more (limit config_problems)");
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    const table_file files[] = { { "c", "threds 4\nlimits {\n idle_ns 5s\n}\ninclude d\nsite * {\n files www\n route GET /a/{b} {\n"
        " redirect /${V:-x}/{b}\n }\n bad\n}\n" }, { "d", "io epoll\n" }, { "www/", "" }, { 0 } };
    bool succeeded = false;
    for (size_t i = 1; !succeeded; i++) {
        table_begin(&t, files, NULL);
        t.memory.memory.fail_at = i;
        const hf_err err = hf_config_load(&t.config, "c");
        succeeded = t.memory.memory.calls < i;
        if (err.code != 0)
            assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
        else
            assert_true(t.config.problem_count > 0);
        t.memory.memory.fail_at = 0;
        table_end(&t);
        assert_true(i < 10000);
    }
}

/* An arena asks for memory now and then. A comment of each length has it ask at each place: between a name and its block, too. */
static void memory_may_end_at_any_statement(void **state)
{
    (void)state;
    char text[8192];
    for (int length = 0; length < 4096; length += 16) {
        snprintf(text, sizeof text, "#%*s\nsite * {\n limits {\n  body_bytes 5\n }\n files www\n}\n", length, "");
        const table_file files[] = { { "c", text }, { "www/", "" }, { 0 } };
        bool succeeded = false;
        for (size_t i = 1; !succeeded; i++) {
            table_begin(&t, files, NULL);
            t.memory.memory.fail_at = i;
            const hf_err err = hf_config_load(&t.config, "c");
            succeeded = t.memory.memory.calls < i;
            assert_true(err.code == 0 || (!succeeded && err.code == HF_ERR_BASE_MEMORY));
            t.memory.memory.fail_at = 0;
            table_end(&t);
            assert_true(i < 10000);
        }
    }
}

/* Twice the routes may not cost four times as much. Hosts, too. */
static void a_large_configuration_is_checked_in_time(void **state)
{
    (void)state;
    enum { MANY = 15000 };
    for (size_t shape = 0; shape < 3; shape++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        for (int i = 0; shape < 2 && i < MANY; i++) {
            fputs(i == 0 ? "site * {\n" : "", out);
            fprintf(out, shape == 0 ? "route GET /a%d/{x}/b {\nanswer 200 x\n}\n" : "route POST /{a}/%d/{rest...} {\nanswer 200 x\n}\n", i);
        }
        fputs(shape < 2 ? "}\n" : "", out);
        for (int i = 0; shape == 2 && i < MANY; i++)
            fprintf(out, "site h%d.example {\nanswer 200 x\n}\n", i);
        fclose(out);
        const table_file files[] = { { "c", text }, { 0 } };
        const clock_t begun = clock();
        assert_string_equal(table_load(&t, files, NULL), "");
        const double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
        table_end(&t);
        free(text);
        if (seconds > 1.5) /* 5 s and more when each is compared with each; sanitizers are slow */
            fail_msg("shape %zu: %.2f s", shape, seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_becomes_the_options_of_the_server),
        cmocka_unit_test(routes_hint_and_push_as_their_site_does_or_as_they_say),
        cmocka_unit_test(defaults_are_those_of_the_command_line),
        cmocka_unit_test(variables_have_defaults_and_files),
        cmocka_unit_test(includes_stand_where_they_are_named_and_see_their_own_folder),
        cmocka_unit_test(effective_text_is_a_configuration_again),
        cmocka_unit_test(explain_names_site_route_and_answer),
        cmocka_unit_test(redirects_never_leave_for_a_host_of_the_clients_choice),
        cmocka_unit_test(who_is_answered_is_explained_and_asked_in_order),
        cmocka_unit_test(fields_and_rates_are_as_they_are_said), cmocka_unit_test(rates_of_other_methods_have_other_names),
        cmocka_unit_test(a_store_that_cannot_be_opened_denies_and_is_tried_again),
        cmocka_unit_test(sites_and_routes_have_limits_and_logs_of_their_own_and_listeners_their_proxies),
        cmocka_unit_test(every_limit_that_a_site_may_have_is_named_where_it_is_told),
        cmocka_unit_test(every_default_of_the_schema_is_a_value_of_its_type),
        cmocka_unit_test(manual_holds_the_tables_that_the_schema_prints),
        cmocka_unit_test(limit_config_file_bytes),
        cmocka_unit_test(limit_config_files),
        cmocka_unit_test(limit_config_include_depth),
        cmocka_unit_test(limit_config_depth),
        cmocka_unit_test(limit_config_words),
        cmocka_unit_test(limit_config_logs),
        cmocka_unit_test(limit_config_problems),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(memory_may_end_at_any_statement),
        cmocka_unit_test(a_large_configuration_is_checked_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
