/* SPDX-License-Identifier: Apache-2.0
 *
 * Values by their types. Every refusal names what was found and what is allowed.
 */
#include "config_check.h"

#include <handfast/store.h>

#include "address.h"
#include "limit_rules.h"
#include "listen_url.h"
#include "proxy_header.h"
#include "router.h"
#include "shared_topics.h"
#include "spelling.h"
#include "target.h"
#include "text.h"
#include "token.h"

typedef struct subject {
    hf_config *config;
    const hf_config_row *row;
    hf_config_value *value;
} subject;

#define REFUSE(s, ...) (hf_config_complain((s)->config, (s)->value->place, __VA_ARGS__), false)

static const char *shown(const subject *s)
{
    return s->value->secret ? "(a secret)" : hf_config_shown(s->config, hf_text(s->value->text));
}

/* ---- one of a few --------------------------------------------------------------------------------------------- */

static const char *list(hf_config *c, const char *const *choices)
{
    const char *text = "";
    for (size_t i = 0; choices[i] != NULL; i++)
        text = hf_config_format(c, "%s%s%s", text, i == 0 ? "" : choices[i + 1] != NULL ? ", " : " or ", choices[i]);
    return text;
}

static bool understand_choice(subject *s)
{
    const char *const *choices = s->row->choices;
    hf_nearest nearest = { .word = s->value->text };
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(s->value->text, choices[i]) == 0) {
            s->value->number = i;
            return true;
        }
        hf_nearest_try(&nearest, choices[i]);
    }
    if (nearest.best != NULL)
        return REFUSE(s, "%s got \"%s\"; it must be %s. Did you mean %s?", s->row->name, shown(s), list(s->config, choices),
            nearest.best);
    return REFUSE(s, "%s got \"%s\"; it must be %s", s->row->name, shown(s), list(s->config, choices));
}

static bool understand_switch(subject *s)
{
    static const char *const yes[] = { "yes", "true", "1", "enabled" }, *const no[] = { "no", "false", "0", "disabled" };
    for (size_t i = 0; i < HF_COUNT(yes); i++) {
        const bool on = hf_text_same(hf_text(s->value->text), hf_text(yes[i]));
        if (on || hf_text_same(hf_text(s->value->text), hf_text(no[i])))
            return REFUSE(s, "%s got \"%s\"; write %s", s->row->name, shown(s), on ? "on" : "off");
    }
    return understand_choice(s);
}

static bool understand_method(subject *s)
{
    hf_nearest nearest = { .word = s->value->text };
    const hf_method method = hf_method_parse(hf_text(s->value->text));
    s->value->number = (uint64_t)method;
    if (method == HF_METHOD_CONNECT || method == HF_METHOD_TRACE)
        return REFUSE(s, "%s is not served", s->value->text);
    if (method != HF_METHOD_UNKNOWN)
        return true;
    for (unsigned m = HF_METHOD_UNKNOWN + 1; m < HF_METHOD_COUNT; m++)
        hf_nearest_try(&nearest, hf_method_describe((hf_method)m)->name);
    if (s->value->text[0] == '/')
        return REFUSE(s, "a route has one path, and another follows \"%s\"; write a route for each", shown(s));
    if (nearest.best != NULL)
        return REFUSE(s, "\"%s\" is no method; did you mean %s?", shown(s), nearest.best);
    return REFUSE(s, "\"%s\" is no method; a route is written route [METHOD...] PATH, as in route GET /about", shown(s));
}

/* ---- numbers -------------------------------------------------------------------------------------------------- */

static bool understand_number(subject *s)
{
    uint64_t *n = &s->value->number;
    if (hf_parse_decimal(hf_text(s->value->text), n) && *n >= s->row->least && *n <= s->row->most)
        return true;
    return REFUSE(s, "%s got \"%s\"; it must be a number from %llu to %llu", s->row->name, shown(s),
        (unsigned long long)s->row->least, (unsigned long long)s->row->most);
}

static bool understand_amount(subject *s)
{
    if (!hf_amount_parse(s->value->text, s->row->unit, &s->value->number))
        return REFUSE(s, "%s got \"%s\"; it must be %s", s->row->name, shown(s), hf_amount_forms(s->row->unit));
    if (s->row->limit > 0 && strncmp(s->row->name, "config_", 7) == 0)
        return REFUSE(s, "%s bounds the reading of this configuration, so it cannot be changed in it", s->row->name);
    char why[256];
    if (s->row->limit > 0 && hf_limit_refuses(s->row->name, s->row->unit, s->value->number, why, sizeof why))
        return REFUSE(s, "%s %s", s->row->name, why);
    if (s->row->limit == 0 && s->value->number < s->row->least)
        return REFUSE(s, s->row->id == HF_CONFIG_ID_MAX_BODY ? "%s must not be 0; leave it out for the limit body_bytes" : "%s must not be 0",
            s->row->name);
    const bool whole = s->row->id == HF_CONFIG_ID_SESSION_IDLE || s->row->id == HF_CONFIG_ID_SESSION_LIFE || s->row->id == HF_CONFIG_ID_HSTS;
    if (whole && s->value->number % (uint64_t)HF_SECONDS(1) != 0)
        return REFUSE(s, "%s got \"%s\"; it is counted in whole seconds", s->row->name, shown(s));
    return true;
}

static bool understand_redirect_status(subject *s)
{
    if (!understand_choice(s))
        return false;
    (void)hf_parse_decimal(hf_text(s->value->text), &s->value->number);
    return true;
}

/* ---- the network ---------------------------------------------------------------------------------------------- */

static bool understand_listener(subject *s)
{
    char why[512];
    hf_listen_url url;
    hf_address places[2];
    const bool good = hf_listen_url_parse(s->value->text, &url, why, sizeof why) == HF_LISTEN_OK;
    if (good && s->row->id == HF_CONFIG_ID_PREFERRED_ADDRESS && !hf_listen_url_prefer(&url, places))
        return REFUSE(s, "%s got \"%s\"; it must be an address and port of https, as in https://192.0.2.1:443", s->row->name, shown(s));
    if (good)
        return true;
    return REFUSE(s, "%s: %s", s->row->name, hf_config_shown(s->config, hf_text(why))[0] != 0 ? why : "no listener");
}

/* RFC 1123 2.1, and _ because names with it are in use: labels of 1 to 63 letters, digits and hyphens. */
static const char *why_no_name(hf_bytes name)
{
    hf_bytes label;
    if (name.len > 253)
        return "a name has at most 253 characters";
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 0x80)
            return "write the name in its ASCII form, as in xn--mnchen-3ya.example";
    while (hf_split(&name, '.', &label)) {
        if (label.len == 0 || label.len > 63)
            return "between dots stand 1 to 63 characters";
        for (size_t i = 0; i < label.len; i++) {
            const uint8_t b = hf_lower(label.ptr[i]);
            if (b == '*')
                return "a * stands alone, or for the first part, as in *.example.com";
            if (!(b >= 'a' && b <= 'z') && !(b >= '0' && b <= '9') && b != '-' && b != '_')
                return "a name has letters, digits, hyphens and dots";
        }
    }
    return NULL;
}

static const char *why_no_host(hf_bytes host)
{
    hf_address address;
    if (host.len == 0)
        return "it is empty";
    if (host.len == 1 && host.ptr[0] == '*')
        return NULL;
    if (memmem(host.ptr, host.len, "://", 3) != NULL)
        return "a host has no scheme: take http:// out";
    if (memchr(host.ptr, '/', host.len) != NULL)
        return "a host has no path; routes have";
    if (host.ptr[0] == '[')
        return host.len > 2 && host.ptr[host.len - 1] == ']' &&
            hf_address_parse(hf_bytes_make(host.ptr + 1, host.len - 2), 0, &address) && address.family == 6
            ? NULL : "in brackets stands an IPv6 address and nothing else";
    if (memchr(host.ptr, ':', host.len) != NULL)
        return hf_address_parse(host, 0, &address) ? "an IPv6 address is written in brackets, as in [::1]"
            : "a host has no port here; listen names the ports, and every site answers at each";
    return why_no_name(hf_starts_with(host, hf_text("*.")) ? hf_bytes_make(host.ptr + 2, host.len - 2) : host);
}

/* Hosts are kept in lower case and without the dot at their end: RFC 9110 4.2.3. */
static bool understand_host(subject *s)
{
    hf_bytes host = hf_text(s->value->text);
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    const char *why = why_no_host(host);
    if (why != NULL)
        return REFUSE(s, "\"%s\" is no host: %s", shown(s), why);
    char *lower = hf_config_get(s->config, host.len + 1);
    for (size_t i = 0; lower != NULL && i < host.len; i++)
        lower[i] = (char)hf_lower(host.ptr[i]);
    s->value->text = lower != NULL ? lower : "";
    return lower != NULL;
}

/* ---- paths of requests ---------------------------------------------------------------------------------------- */

static hf_err never_called(hf_req *rq)
{
    (void)rq;
    return HF_OK;
}

/* The router knows what a pattern is: it is asked, and its reason given. */
static bool understand_pattern(subject *s)
{
    const hf_bytes pattern = hf_text(s->value->text);
    const hf_route route = { .method = "GET", .path = s->value->text, .handle = never_called };
    char why[512] = "";
    hf_writer w = hf_writer_make(why, sizeof why - 1);
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '?' || pattern.ptr[i] == '#' || pattern.ptr[i] == '%' || pattern.ptr[i] < 0x20)
            return REFUSE(s, "\"%s\" is no path of a route: %s", shown(s), pattern.ptr[i] == '%'
                ? "it is matched against the decoded path, so write what the %xx stands for" : "it has no query and no fragment");
    if (strstr(s->value->text, "/../") != NULL || strstr(s->value->text, "/./") != NULL)
        return REFUSE(s, "\"%s\" is no path of a route: dot segments are gone from every path before routes are looked at", shown(s));
    hf_router *router = pattern.len > 300 ? NULL : hf_router_new(s->config->arena.alloc, &route, 1, &w);
    if (router != NULL) {
        hf_router_free(router);
        return true;
    }
    why[w.length - (w.length > 0 && why[w.length - 1] == '\n')] = 0;
    const char *reason = strstr(why, "): ");
    return REFUSE(s, "\"%s\" is no path of a route: %s", shown(s), reason != NULL ? reason + 3 : "it is too long");
}

static bool has_argument(const char *pattern, hf_bytes name)
{
    const char *text = pattern;
    while ((text = strchr(text, '{')) != NULL) {
        const size_t length = strcspn(++text, ".}");
        if (hf_bytes_equal(name, hf_bytes_make(text, length)))
            return true;
    }
    return false;
}

/* {name} at `at`: what it may be, and that it cannot change the host. */
static bool check_reference(hf_config *c, const hf_config_value *to, const char *pattern, size_t at, size_t length)
{
    const hf_bytes name = hf_bytes_make(to->text + at + 1, length - 2);
    const bool whole = hf_bytes_equal(name, hf_text("path")) || hf_bytes_equal(name, hf_text("uri"));
    if (!whole && !has_argument(pattern, name)) {
        hf_config_complain(c, to->place, "{%.*s} is no argument of %s; there %s {path} and {uri}%s%s", HF_STR(name),
            pattern[0] != 0 ? "this route" : "a site", "are", pattern[0] != 0 && strchr(pattern, '{') ? ", and those of " : "",
            pattern[0] != 0 && strchr(pattern, '{') ? pattern : "");
        return false;
    }
    if (whole && at > 0 && to->text[at - 1] == '/') {
        hf_config_complain(c, to->place, "{%.*s} begins with a / itself: take the / before it out", HF_STR(name));
        return false;
    }
    return true;
}

bool hf_config_check_location(hf_config *c, const hf_config_value *to, const char *pattern)
{
    const char *text = to->text, *scheme = strstr(text, "://");
    const size_t authority = scheme != NULL ? (size_t)(scheme + 3 - text) : 0;
    const size_t host_end = scheme != NULL ? authority + strcspn(text + authority, "/?#{") : 0;
    if (scheme != NULL && text[host_end] == '{' && strncmp(text + host_end, "{uri}", 5) != 0 &&
        strncmp(text + host_end, "{path}", 6) != 0) {
        hf_config_complain(c, to->place, "only {path} and {uri} may follow the host at once: anything else would let the "
            "client choose the host; put a / between");
        return false;
    }
    for (size_t at = 0; text[at] != 0;) {
        const size_t length = text[at] == '{' ? strcspn(text + at, "}") + 1 : 1;
        if (text[at] == '}' || (text[at] == '{' && text[at + length - 1] != '}')) {
            hf_config_complain(c, to->place, "a brace in \"%s\" has no partner", hf_config_shown(c, hf_text(text)));
            return false;
        }
        if (text[at] == '{' && !check_reference(c, to, pattern, at, length))
            return false;
        at += length;
    }
    return true;
}

/* What needs no route to be known. */
static bool understand_location(subject *s)
{
    const hf_bytes to = hf_text(s->value->text);
    const bool web = hf_starts_with(to, hf_text("http://")) || hf_starts_with(to, hf_text("https://"));
    for (size_t i = 0; i < to.len; i++)
        if (!hf_byte_is(to.ptr[i], HF_BYTE_PATH | HF_BYTE_QUERY) && memchr("#{}[]", to.ptr[i], 5) == NULL)
            return REFUSE(s, "\"%s\" has a byte that no URL has; percent-encode it", shown(s));
    uint64_t status;
    if (to.len == 3 && hf_parse_decimal(to, &status))
        return REFUSE(s, "where a redirect goes comes first, then its status, as in redirect /new 301; got \"%s\"", shown(s));
    if (!web && (to.len == 0 || to.ptr[0] != '/' || hf_starts_with(to, hf_text("//"))))
        return REFUSE(s, "a redirect goes to /path, http://host/path or https://host/path, but got \"%s\"", shown(s));
    if (!web)
        return true;
    const char *authority = strstr(s->value->text, "://") + 3;
    hf_bytes host;
    int32_t port;
    if (hf_authority_parse(hf_bytes_make(authority, strcspn(authority, "/?#{")), &host, &port).code != 0 || host.len == 0)
        return REFUSE(s, "\"%s\" names no host to go to; write it as https://example.com/path", shown(s));
    return true;
}

static bool understand_target(subject *s)
{
    const hf_bytes path = hf_text(s->value->text);
    if (s->row->id == HF_CONFIG_ID_EARLY_HINTS && hf_bytes_equal(path, hf_text("learned")))
        return true;
    bool fine = path.len > 0 && path.ptr[0] == '/' && !hf_starts_with(path, hf_text("//"));
    for (size_t i = 0; i < path.len; i++)
        fine = fine && hf_byte_is(path.ptr[i], HF_BYTE_PATH | HF_BYTE_QUERY);
    return fine || REFUSE(s, "%s takes paths of this host, such as /app.css, but got \"%s\"", s->row->name, shown(s));
}

/* ---- files and folders ---------------------------------------------------------------------------------------- */

static bool leaves_folder(const char *path)
{
    hf_bytes rest = hf_text(path), part;
    while (hf_split(&rest, '/', &part))
        if (hf_bytes_equal(part, hf_text("..")))
            return true;
    return path[0] == '/' || path[0] == 0;
}

static bool understand_directory(subject *s)
{
    hf_config *c = s->config;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s needs a folder, but got \"\"; the file's own folder is .", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const hf_config_kind kind = c->world->kind(c->world->self, s->value->text);
    if (kind == HF_CONFIG_FOLDER)
        return true;
    return REFUSE(s, kind == HF_CONFIG_FILE ? "%s: %s is a file; it must be a folder" : "%s: there is no folder %s", s->row->name, shown(s));
}

/* Whether it holds what it should, and whether the two belong together, only who may read it can tell: at the start. */
static bool understand_pem_file(subject *s)
{
    hf_config *c = s->config;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be a PEM file", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const hf_config_kind kind = c->world->kind(c->world->self, s->value->text);
    if (kind == HF_CONFIG_FILE || kind == HF_CONFIG_HIDDEN)
        return true;
    return REFUSE(s, kind == HF_CONFIG_FOLDER ? "%s: %s is a folder; it must be a PEM file" : "%s: there is no file %s", s->row->name, shown(s));
}

/* What it holds is looked at by whoever loads it: config_apps.c. */
static bool understand_module_file(subject *s)
{
    hf_config *c = s->config;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be a shared object", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const hf_config_kind kind = c->world->kind(c->world->self, s->value->text);
    if (kind == HF_CONFIG_FILE || kind == HF_CONFIG_HIDDEN)
        return true;
    return REFUSE(s, kind == HF_CONFIG_FOLDER ? "%s: %s is a folder; it must be a shared object" : "%s: there is no file %s", s->row->name, shown(s));
}

/* Inside a quoted-string (RFC 9110 5.6.4) of a field; ASCII, because browsers disagree about the rest. */
static bool understand_realm(subject *s)
{
    const size_t length = strlen(s->value->text);
    for (size_t i = 0; i < length; i++)
        if (s->value->text[i] < ' ' || s->value->text[i] > '~' || s->value->text[i] == '"' || s->value->text[i] == '\\')
            return REFUSE(s, "%s: the realm \"%s\" may hold ASCII but no quotes and no \\", s->row->name, shown(s));
    return length > 0 && length <= 128 ? true : REFUSE(s, "%s: the realm has 1 to 128 characters: browsers show it", s->row->name);
}

/* Its accounts are looked at when the limits are known: config_passwords.c. */
static bool understand_password_file(subject *s)
{
    hf_config *c = s->config;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be a file of accounts, as htpasswd makes it", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    return true;
}

/* Redis is asked nothing here; what the address says, its own room knows: config_visitors.c. */
static bool understand_store(subject *s)
{
    hf_config *c = s->config;
    if (strcmp(s->value->text, "off") == 0 || strstr(s->value->text, "://") != NULL)
        return true;
    if (s->value->text[0] == 0 || strcmp(s->value->text, "memory") == 0)
        return REFUSE(s, "%s got \"%s\"; it must be where an application keeps its sessions: a file of SQLite, redis://HOST, or off", s->row->name, shown(s));
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const hf_config_kind kind = c->world->kind(c->world->self, s->value->text);
    if (kind == HF_CONFIG_FILE || kind == HF_CONFIG_HIDDEN)
        return true;
    return REFUSE(s, kind == HF_CONFIG_FOLDER ? "%s: %s is a folder; it must be a file of SQLite" : "%s: there is no file %s; the application that "
        "keeps its sessions there makes it", s->row->name, shown(s));
}

/* The folder that a path lies in, where it is not at hand in any case. NULL: it is there. */
static const char *missing_folder(hf_config *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash == NULL || slash == path ? NULL : hf_config_format(c, "%.*s", (int)(slash - path), path);
    if (folder == NULL)
        return NULL;
    const hf_config_kind kind = c->world->kind(c->world->self, folder);
    return kind == HF_CONFIG_FOLDER || kind == HF_CONFIG_HIDDEN ? NULL : hf_config_shown(c, hf_text(folder));
}

static bool understand_database(subject *s)
{
    hf_config *c = s->config;
    if (strcmp(s->value->text, "memory") == 0)
        return true;
    if (s->value->text[0] == 0 || strcmp(s->value->text, "off") == 0 || strstr(s->value->text, "://") != NULL)
        return REFUSE(s, "%s got \"%s\"; it must be a file of SQLite, or memory", s->row->name, shown(s));
    if (hf_sqlite_store_library() == NULL)
        return REFUSE(s, "%s: this program was built without SQLite; write memory", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const char *const missing = missing_folder(c, s->value->text);
    if (missing != NULL)
        return REFUSE(s, "%s: there is no folder %s to keep it in", s->row->name, missing);
    if (c->world->kind(c->world->self, s->value->text) == HF_CONFIG_FOLDER)
        return REFUSE(s, "%s: %s is a folder; it must be a file of SQLite", s->row->name, shown(s));
    return true;
}

/* No reason is shown with the address in it: there may be a password. */
static bool understand_redis(subject *s)
{
    char text[256];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    if (hf_shared_topics_is_file(s->value->text))
        return understand_database(s);
    if (hf_shared_topics_named(s->value->text) && hf_shared_topics_fit(s->value->text, &w))
        return true;
    return REFUSE(s, "%s %s", s->row->name, hf_shared_topics_forms());
}

static bool understand_issuer(subject *s)
{
    hf_request_head url = { .method = HF_METHOD_GET };
    const hf_bytes text = hf_text(s->value->text);
    if (!hf_starts_with(text, hf_text("https://")))
        return REFUSE(s, "%s: %s: keys that come unprotected are anybody's; the URL must begin with https://", s->row->name, shown(s));
    if (hf_target_parse(text, HF_METHOD_GET, &url).code != 0 || url.authority.len == 0)
        return REFUSE(s, "%s: %s is no URL such as https://issuer.example/.well-known/jwks.json", s->row->name, shown(s));
    return true;
}

/* What is in it is looked at when it is known which signatures count: config_visitors.c. */
static bool understand_key_set(subject *s)
{
    hf_config *c = s->config;
    if (strcmp(s->value->text, "off") == 0)
        return true;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be a file with a JWK set, https://..., or off", s->row->name);
    if (strstr(s->value->text, "://") != NULL)
        return understand_issuer(s);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const hf_config_kind kind = c->world->kind(c->world->self, s->value->text);
    if (kind == HF_CONFIG_FILE || kind == HF_CONFIG_HIDDEN)
        return true;
    return REFUSE(s, kind == HF_CONFIG_FOLDER ? "%s: %s is a folder; it must be a file with a JWK set" : "%s: there is no file %s", s->row->name, shown(s));
}

static bool understand_alg(subject *s)
{
    hf_nearest nearest = { .word = s->value->text };
    const hf_alg alg = hf_alg_find(hf_text(s->value->text));
    s->value->number = (uint64_t)alg;
    if (alg != HF_ALG_UNSET)
        return true;
    for (unsigned a = HF_ALG_UNSET + 1; a <= HF_ALG_EDDSA; a++)
        hf_nearest_try(&nearest, hf_alg_name((hf_alg)a));
    if (nearest.best != NULL)
        return REFUSE(s, "%s: \"%s\" is no signature that counts; did you mean %s?", s->row->name, shown(s), nearest.best);
    return REFUSE(s, "%s: \"%s\" is no signature that counts; write one such as ES256, EdDSA or RS256", s->row->name, shown(s));
}

static bool understand_cookie_name(subject *s)
{
    char field[HF_COOKIE_FIELD_MOST];
    size_t length;
    const hf_cookie cookie = { .name = s->value->text };
    if (strncmp(s->value->text, "__", 2) == 0)
        return REFUSE(s, "%s got \"%s\"; write the name without its prefix: __Host- is put before it", s->row->name, shown(s));
    if (hf_cookie_write(&cookie, hf_text("x"), field, &length, NULL).code == 0)
        return true;
    return REFUSE(s, "%s got \"%s\"; a cookie's name has letters, digits, hyphens and underscores", s->row->name, shown(s));
}

static bool understand_network(subject *s)
{
    hf_network n;
    const hf_bytes text = hf_text(s->value->text);
    if (hf_network_parse(text, &n) || (s->row->id == HF_CONFIG_ID_PROXY_PROTOCOL && hf_bytes_equal(text, hf_text("off"))))
        return true;
    const uint8_t *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash != NULL && hf_address_parse(hf_bytes_make(text.ptr, (size_t)(slash - text.ptr)), 0, &n.base))
        return REFUSE(s, "%s got \"%s\"; behind the / belongs how many bits all its addresses share, and the others must be 0",
            s->row->name, shown(s));
    return REFUSE(s, "%s got \"%s\"; it must be an address such as 192.0.2.1, or a network such as 10.0.0.0/8 or fd00::/8",
        s->row->name, shown(s));
}

/* sun_path is 108 bytes, with its NUL: unix(7). */
enum { SOCKET_PATH_MOST = 107 };

static bool understand_socket(subject *s)
{
    hf_config *c = s->config;
    if (strcmp(s->value->text, "off") == 0)
        return true;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be the path of a socket, or off", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const size_t length = strlen(s->value->text);
    const char *slash = strrchr(s->value->text, '/');
    const char *folder = slash == NULL || slash == s->value->text ? NULL
        : hf_config_format(c, "%.*s", (int)(slash - s->value->text), s->value->text);
    if (length > SOCKET_PATH_MOST)
        return REFUSE(s, "%s: the path of a socket may have %d bytes, and this has %zu", s->row->name, SOCKET_PATH_MOST, length);
    if (folder != NULL && c->world->kind(c->world->self, folder) != HF_CONFIG_FOLDER)
        return REFUSE(s, "%s: there is no folder %s to put the socket in", s->row->name, hf_config_shown(c, hf_text(folder)));
    if (c->world->kind(c->world->self, s->value->text) == HF_CONFIG_FOLDER)
        return REFUSE(s, "%s: %s is a folder; it must be the path of a socket, or off", s->row->name, shown(s));
    return true;
}

static bool understand_log_file(subject *s)
{
    hf_config *c = s->config;
    if (strcmp(s->value->text, "-") == 0 || strcmp(s->value->text, "off") == 0)
        return true;
    if (s->value->text[0] == 0)
        return REFUSE(s, "%s got \"\"; it must be a file, - for standard output, or off", s->row->name);
    s->value->text = hf_config_beside(c, s->value->place.file, s->value->text);
    const char *slash = strrchr(s->value->text, '/');
    const char *folder = slash == NULL || slash == s->value->text ? NULL
        : hf_config_format(c, "%.*s", (int)(slash - s->value->text), s->value->text);
    if (c->world->kind(c->world->self, s->value->text) == HF_CONFIG_FOLDER)
        return REFUSE(s, "%s: %s is a folder; it must be a file, - for standard output, or off", s->row->name, shown(s));
    if (folder != NULL && c->world->kind(c->world->self, folder) != HF_CONFIG_FOLDER)
        return REFUSE(s, "%s: there is no folder %s to put the file in", s->row->name, hf_config_shown(c, hf_text(folder)));
    return true;
}

static bool understand_page(subject *s)
{
    return !leaves_folder(s->value->text) ||
        REFUSE(s, "%s got \"%s\"; it must be a file inside the folder that is served, such as index.html", s->row->name, shown(s));
}

static bool understand_name(subject *s)
{
    const char *text = s->value->text;
    if (text[0] != 0 && strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0)
        return true;
    return REFUSE(s, "%s got \"%s\"; it must be a name without a folder", s->row->name, shown(s));
}

/* ---- fields --------------------------------------------------------------------------------------------------- */

static bool understand_field_name(subject *s)
{
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection", "Date", "Server", "Trailer",
        "Upgrade", "Keep-Alive", "TE" };
    const hf_bytes name = hf_text(s->value->text);
    if (!hf_is_token(name))
        return REFUSE(s, "\"%s\" is no field's name: letters, digits and hyphens, without a colon", shown(s));
    if (hf_text_same(name, hf_text("Content-Type")))
        return REFUSE(s, "Content-Type is set by type, not by header");
    for (size_t i = 0; i < HF_COUNT(ours); i++)
        if (hf_text_same(name, hf_text(ours[i])))
            return REFUSE(s, "the field %s is the server's own and cannot be set", ours[i]);
    return true;
}

/* RFC 9110 5.5: a control byte in a field value is an invitation to smuggle. */
static bool understand_field_value(subject *s)
{
    const char *text = s->value->text;
    const size_t length = strlen(text);
    bool fine = length > 0 && text[0] != ' ' && text[length - 1] != ' ';
    for (size_t i = 0; i < length; i++)
        fine = fine && (uint8_t)text[i] >= 0x20 && (uint8_t)text[i] < 0x7f;
    if (!fine)
        return REFUSE(s, "%s: the value must be visible ASCII without spaces around it, but got \"%s\"", s->row->name, shown(s));
    if (s->row->id == HF_CONFIG_ID_TYPE && strchr(text, '/') == NULL)
        return REFUSE(s, "type got \"%s\"; it must be a media type, such as text/html or application/json", shown(s));
    return true;
}

/* ---- by type -------------------------------------------------------------------------------------------------- */

static bool any(subject *s)
{
    (void)s;
    return true;
}

bool hf_config_understand(hf_config *c, const hf_config_row *row, hf_config_value *value)
{
    static bool (*const by_type[])(subject *) = {
        [HF_CONFIG_TEXT] = any, [HF_CONFIG_SWITCH] = understand_switch, [HF_CONFIG_CHOICE] = understand_choice,
        [HF_CONFIG_NUMBER] = understand_number, [HF_CONFIG_AMOUNT] = understand_amount,
        [HF_CONFIG_LISTENER] = understand_listener, [HF_CONFIG_HOST] = understand_host, [HF_CONFIG_METHOD] = understand_method,
        [HF_CONFIG_PATTERN] = understand_pattern, [HF_CONFIG_LOCATION] = understand_location, [HF_CONFIG_TARGET] = understand_target,
        [HF_CONFIG_REDIRECT_STATUS] = understand_redirect_status, [HF_CONFIG_ANSWER_STATUS] = understand_number,
        [HF_CONFIG_DIRECTORY] = understand_directory, [HF_CONFIG_PAGE] = understand_page, [HF_CONFIG_NAME] = understand_name,
        [HF_CONFIG_PEM_FILE] = understand_pem_file, [HF_CONFIG_MODULE_FILE] = understand_module_file,
        [HF_CONFIG_PASSWORD_FILE] = understand_password_file,
        [HF_CONFIG_STORE] = understand_store, [HF_CONFIG_REDIS] = understand_redis, [HF_CONFIG_KEY_SET] = understand_key_set, [HF_CONFIG_DATABASE] = understand_database, [HF_CONFIG_ALG] = understand_alg,
        [HF_CONFIG_COOKIE_NAME] = understand_cookie_name, [HF_CONFIG_REALM] = understand_realm, [HF_CONFIG_LOG_FILE] = understand_log_file, [HF_CONFIG_SOCKET] = understand_socket, [HF_CONFIG_NETWORK] = understand_network, [HF_CONFIG_FIELD_NAME] = understand_field_name,
        [HF_CONFIG_FIELD_VALUE] = understand_field_value, [HF_CONFIG_PATHS] = any,
    };
    subject s = { c, row, value };
    const hf_config_type type = row->arguments[value->argument].type;
    if (value->secret && type != HF_CONFIG_TEXT && type != HF_CONFIG_FIELD_VALUE && type != HF_CONFIG_STORE && type != HF_CONFIG_REDIS)
        return REFUSE(&s, "%s is shown in logs and messages, so it cannot come out of a file of secrets", row->name);
    if (hf_url_user(hf_text(value->text)).ptr != NULL && (type == HF_CONFIG_STORE || type == HF_CONFIG_REDIS))
        value->secret = true; /* a password of Redis, written where everything else is */
    return by_type[type](&s);
}
