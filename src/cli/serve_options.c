/* SPDX-License-Identifier: Apache-2.0
 *
 * From what `handfast serve` was given to hf_serve_options, with a sentence for everything that cannot be.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include <handfast/store.h>

#include "asset.h"
#include "limit_rules.h"
#include "recording.h"
#include "shared_topics.h"
#include "text.h"
#include "tour.h"
#include "words.h"

enum { MOST_THREADS = 256 };

/* ---- limits --------------------------------------------------------------------------------------------------- */

/* Where each limit lies in hf_limits. */
typedef struct limit_place {
    const char *name, *unit;
    size_t offset;
} limit_place;

static const limit_place limit_places[] = {
#define HF_LIMIT(name, value, unit, why) { #name, unit, offsetof(hf_limits, name) },
#include <handfast/limits.def>
#undef HF_LIMIT
};

static hf_exit unknown_limit(hf_cli *cli, const char *name)
{
    hf_nearest nearest = { .word = name };
    for (size_t i = 0; i < HF_COUNT(limit_places); i++)
        hf_nearest_try(&nearest, limit_places[i].name);
    if (nearest.best)
        return hf_cli_misuse(cli, "option --limit: there is no limit %s; did you mean %s?", name, nearest.best);
    return hf_cli_misuse(cli, "option --limit: there is no limit %s; handfast limits lists them", name);
}

static hf_exit set_limit(hf_cli *cli, hf_serve_options *o, const char *value)
{
    char name[HF_WORD_MOST];
    const size_t length = strcspn(value, "=");
    if (value[length] == 0)
        return hf_cli_misuse(cli, "option --limit: got \"%s\"; it must be NAME=VALUE, such as idle_ns=10s", value);
    snprintf(name, sizeof name, "%.*s", (int)length, value);
    for (size_t i = 0; i < HF_COUNT(limit_places); i++) {
        const limit_place *p = &limit_places[i];
        uint64_t amount;
        char why[256];
        if (strcmp(p->name, name) != 0)
            continue;
        if (!hf_amount_parse(value + length + 1, p->unit, &amount))
            return hf_cli_misuse(cli, "option --limit: %s got \"%s\"; it must be %s", name, value + length + 1,
                                 hf_amount_forms(p->unit));
        if (hf_limit_refuses(name, p->unit, amount, why, sizeof why))
            return hf_cli_misuse(cli, "option --limit: %s %s", name, why);
        memcpy((uint8_t *)&o->limits + p->offset, &amount, sizeof amount);
        return HF_EXIT_OK;
    }
    return unknown_limit(cli, name);
}

static hf_exit check_limits(hf_cli *cli, const hf_limits *l)
{
    const char *smaller, *larger;
    uint64_t small, large;
    if (!hf_limits_conflict(l, &smaller, &small, &larger, &large))
        return HF_EXIT_OK;
    return hf_cli_misuse(cli, "option --limit: %s (%llu) must be at least %s (%llu)", smaller, (unsigned long long)small, larger,
                         (unsigned long long)large);
}

/* ---- one option at a time ------------------------------------------------------------------------------------- */

static hf_exit add_listener(hf_cli *cli, hf_serve_options *o, const char *value)
{
    char why[512];
    if (o->listener_count == HF_SERVE_LISTENERS)
        return hf_cli_misuse(cli, "option --listen: at most %d may be given", HF_SERVE_LISTENERS);
    switch (hf_listen_url_parse(value, &o->listeners[o->listener_count], why, sizeof why)) {
    case HF_LISTEN_SYNTAX: return hf_cli_misuse(cli, "option --listen: %s", why);
    case HF_LISTEN_OK: break;
    }
    o->listener_count++;
    return HF_EXIT_OK;
}

static hf_exit add_preferred(hf_cli *cli, hf_serve_options *o, const char *value)
{
    char why[512];
    hf_listen_url url;
    if (hf_listen_url_parse(value, &url, why, sizeof why) != HF_LISTEN_OK)
        return hf_cli_misuse(cli, "option --preferred-address: %s", why);
    if (!hf_listen_url_prefer(&url, o->preferred))
        return hf_cli_misuse(cli, "option --preferred-address: got \"%s\"; it must be an address and port of https, as in https://192.0.2.1:443", value);
    return HF_EXIT_OK;
}

/* Served without, when somebody has the address. */
static hf_exit try_listener(hf_cli *cli, hf_serve_options *o, const char *value)
{
    const hf_exit result = add_listener(cli, o, value);
    if (result == HF_EXIT_OK)
        o->listeners[o->listener_count - 1].optional = true;
    return result;
}

/* The first pair that has none gets it. */
static hf_exit add_pem(hf_cli *cli, hf_serve_options *o, const char *value, bool key)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --%s: got \"\"; it must be a PEM file", key ? "key" : "certificate");
    for (size_t i = 0; i < HF_SERVE_GIVEN; i++) {
        const char **place = key ? &o->given[i].key : &o->given[i].certificate;
        if (*place != NULL)
            continue;
        *place = value;
        o->identity_count = i + 1 > o->identity_count ? i + 1 : o->identity_count;
        o->identities = o->given;
        return HF_EXIT_OK;
    }
    return hf_cli_misuse(cli, "option --%s: at most %d may be given; a configuration may have more",
        key ? "key" : "certificate", HF_SERVE_GIVEN);
}

static hf_exit add_certificate(hf_cli *cli, hf_serve_options *o, const char *value)
{
    return add_pem(cli, o, value, false);
}

static hf_exit add_key(hf_cli *cli, hf_serve_options *o, const char *value)
{
    return add_pem(cli, o, value, true);
}

static hf_exit check_pairs(hf_cli *cli, const hf_serve_options *o)
{
    bool secure = false;
    for (size_t i = 0; i < o->listener_count; i++)
        secure = secure || o->listeners[i].tls;
    for (size_t i = 0; i < o->identity_count; i++)
        if (o->given[i].key == NULL || o->given[i].certificate == NULL)
            return hf_cli_misuse(cli, "--certificate and --key go in pairs: %s has no %s",
                o->given[i].key == NULL ? o->given[i].certificate : o->given[i].key, o->given[i].key == NULL ? "key" : "certificate");
    if (o->identity_count > 0 && !secure)
        return hf_cli_misuse(cli, "--certificate is for https listeners, and there is none; give --listen https://HOST:PORT");
    if (o->client_ca != NULL && !secure)
        return hf_cli_misuse(cli, "--client-ca is for https listeners, and there is none; give --listen https://HOST:PORT");
    if (o->client_optional && o->client_ca == NULL)
        return hf_cli_misuse(cli, "--client-auth optional: whose certificates? Give --client-ca FILE");
    if (o->rsa_key_exchange && o->tls_least == HF_TLS_1_3)
        return hf_cli_misuse(cli, "--tls-rsa-key-exchange is of TLS 1.2, which --tls-min 1.3 refuses");
    if (o->redirect_https && !secure)
        return hf_cli_misuse(cli, "--redirect-https: there is no https listener to go to; give --listen https://HOST:PORT");
    return HF_EXIT_OK;
}

static hf_exit add_ocsp(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --ocsp: got \"\"; it must be an OCSP response in DER");
    if (o->identity_count == 0)
        return hf_cli_misuse(cli, "option --ocsp: it belongs to the --certificate before it, and there is none");
    o->given[o->identity_count - 1].ocsp = value;
    return HF_EXIT_OK;
}

static hf_exit set_client_ca(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --client-ca: got \"\"; it must be a PEM file");
    o->client_ca = value;
    return HF_EXIT_OK;
}

static hf_exit set_client_auth(hf_cli *cli, hf_serve_options *o, const char *value)
{
    (void)cli; /* the table let nothing else through */
    o->client_optional = strcmp(value, "optional") == 0;
    return HF_EXIT_OK;
}

static hf_exit set_tls_min(hf_cli *cli, hf_serve_options *o, const char *value)
{
    (void)cli; /* the table let nothing else through */
    o->tls_least = strcmp(value, "1.3") == 0 ? HF_TLS_1_3 : HF_TLS_1_2;
    return HF_EXIT_OK;
}

static hf_exit set_qlog(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --qlog: got \"\"; it must be a folder");
    o->qlog = value;
    return HF_EXIT_OK;
}

static hf_exit set_key_log(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --key-log: got \"\"; it must be a path");
    o->key_log = value;
    return HF_EXIT_OK;
}

static hf_exit add_index(hf_cli *cli, hf_serve_options *o, const char *value)
{
    size_t count = 0;
    while (o->index_names[count])
        count++;
    if (count == HF_SERVE_INDEX_NAMES)
        return hf_cli_misuse(cli, "option --index: at most %d may be given", HF_SERVE_INDEX_NAMES);
    if (*value == 0 || strchr(value, '/') || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
        return hf_cli_misuse(cli, "option --index: got \"%s\"; it must be a file's name without a folder", value);
    o->index_names[count] = value;
    o->files.index = o->index_names;
    return HF_EXIT_OK;
}

static hf_exit set_threads(hf_cli *cli, hf_serve_options *o, const char *value)
{
    uint64_t n;
    if (!hf_parse_decimal(hf_text(value), &n) || n < 1 || n > MOST_THREADS)
        return hf_cli_misuse(cli, "option --threads: got \"%s\"; it must be a number from 1 to %d", value, MOST_THREADS);
    o->threads = (uint32_t)n;
    return HF_EXIT_OK;
}

static bool leaves_folder(const char *path)
{
    hf_bytes rest = hf_text(path), part;
    while (hf_split(&rest, '/', &part))
        if (hf_bytes_equal(part, hf_text("..")))
            return true;
    return path[0] == '/';
}

static hf_exit set_spa(hf_cli *cli, hf_serve_options *o, const char *value)
{
    o->files.spa = value ? value : "index.html";
    if (*o->files.spa == 0 || leaves_folder(o->files.spa))
        return hf_cli_misuse(cli, "option --spa: got \"%s\"; it must be a file inside DIR, such as index.html", o->files.spa);
    return HF_EXIT_OK;
}

/* RFC 9110 5.5: a control byte in a field value is an invitation to smuggle. */
static hf_exit set_cache_control(hf_cli *cli, hf_serve_options *o, const char *value)
{
    bool fine = *value != 0;
    for (const char *p = value; *p; p++)
        fine = fine && (uint8_t)*p >= 0x20 && (uint8_t)*p < 0x7f;
    if (!fine)
        return hf_cli_misuse(cli, "option --cache-control: the value must be visible ASCII, such as max-age=3600");
    o->files.cache_control = value;
    return HF_EXIT_OK;
}

static hf_exit set_access_log(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --access-log: got \"\"; it must be a path, - or off");
    o->access_log = strcmp(value, "off") == 0 ? NULL : value;
    return HF_EXIT_OK;
}

static hf_exit set_log_format(hf_cli *cli, hf_serve_options *o, const char *value)
{
    (void)cli; /* the table let nothing else through */
    o->log_format = strcmp(value, "combined") == 0 ? HF_ACCESS_COMBINED
                    : strcmp(value, "logfmt") == 0 ? HF_ACCESS_LOGFMT : HF_ACCESS_JSON;
    return HF_EXIT_OK;
}

static hf_exit set_io(hf_cli *cli, hf_serve_options *o, const char *value)
{
    o->loop = strcmp(value, "epoll") == 0 ? HF_LOOP_EPOLL : strcmp(value, "uring") == 0 ? HF_LOOP_URING : HF_LOOP_AUTO;
    if (o->loop == HF_LOOP_URING && !hf_uring_is_built())
        return hf_cli_failed(cli, "option --io: this build has no io_uring; build it with liburing, or leave the option out");
    return HF_EXIT_OK;
}

static hf_exit set_admin(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --admin: got \"\"; it must be the path of a socket");
    o->admin = value;
    return HF_EXIT_OK;
}

static hf_exit set_topics(hf_cli *cli, hf_serve_options *o, const char *value)
{
    char why[256];
    hf_writer w = hf_writer_make(why, sizeof why - 1);
    o->topics_redis = o->topics_file = NULL;
    if (!hf_shared_topics_is_file(value) && !(hf_shared_topics_named(value) && hf_shared_topics_fit(value, &w)))
        return hf_cli_misuse(cli, "option --topics: it %s", hf_shared_topics_forms());
    if (!hf_shared_topics_named(value) && hf_sqlite_store_library() == NULL)
        return hf_cli_misuse(cli, "option --topics: this program was built without SQLite, and keeps no history in files");
    *(hf_shared_topics_named(value) ? &o->topics_redis : &o->topics_file) = value;
    return HF_EXIT_OK;
}

/* ---- our own network stack -------------------------------------------------------------------------------------- */

static hf_exit set_net(hf_cli *cli, hf_serve_options *o, const char *value)
{
    (void)cli; /* the table let nothing else through */
    o->door.kind = HF_DOOR_NONE;
    for (hf_door_kind k = HF_DOOR_TUN; k <= HF_DOOR_XDP; k++)
        if (strcmp(value, hf_door_name(k)) == 0)
            o->door.kind = k;
    return HF_EXIT_OK;
}

static hf_exit set_device(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0 || strlen(value) > 15 || strpbrk(value, "/ %") != NULL)
        return hf_cli_misuse(cli, "option --device: got \"%s\"; it must be a device's name of 1 to 15 characters, such as hf0", value);
    o->door.device = value;
    return HF_EXIT_OK;
}

static hf_exit add_addresses(hf_cli *cli, hf_serve_options *o, const char *value)
{
    hf_bytes rest = hf_text(value), one;
    while (hf_split(&rest, ',', &one)) {
        hf_host_address a;
        if (!hf_host_address_parse(one, &a) || hf_ip_is_any(&a.ip) || hf_ip_is_multicast(&a.ip) || hf_ip_is_loopback(&a.ip))
            return hf_cli_misuse(cli, "option --address: got \"%.*s\"; it must be an address and its network's bits, such as 10.78.0.2/24 or fd00:78::2/64", HF_STR(one));
        if (o->host.address_count == HF_HOST_ADDRESSES)
            return hf_cli_misuse(cli, "option --address: at most %d may be given", HF_HOST_ADDRESSES);
        o->host.addresses[o->host.address_count++] = a;
    }
    return HF_EXIT_OK;
}

static hf_exit add_gateways(hf_cli *cli, hf_serve_options *o, const char *value)
{
    hf_bytes rest = hf_text(value), one;
    while (hf_split(&rest, ',', &one)) {
        hf_ip ip;
        if (!hf_ip_parse(one, &ip) || hf_ip_is_any(&ip) || hf_ip_is_multicast(&ip))
            return hf_cli_misuse(cli, "option --gateway: got \"%.*s\"; it must be an IPv4 or IPv6 address", HF_STR(one));
        hf_ip *const gateway = hf_ip_is4(&ip) ? &o->host.gateway4 : &o->host.gateway6;
        if (!hf_ip_is_any(gateway))
            return hf_cli_misuse(cli, "option --gateway: one for IPv4 and one for IPv6 are enough");
        *gateway = ip;
    }
    return HF_EXIT_OK;
}

/* Whether the stack has the address that a listener asks for. */
static bool listens_at_own(const hf_serve_options *o, const hf_address *at)
{
    static const uint8_t any[16];
    hf_ip ip = hf_ip_make4(at->ip[0], at->ip[1], at->ip[2], at->ip[3]);
    if (at->family == 6)
        memcpy(ip.bytes, at->ip, sizeof ip.bytes);
    for (size_t i = 0; i < o->host.address_count; i++)
        if (hf_ip_equal(&o->host.addresses[i].ip, &ip))
            return true;
    return memcmp(at->ip, any, at->family == 4 ? 4 : 16) == 0;
}

static hf_exit check_net(hf_cli *cli, const hf_serve_options *o)
{
    const bool given = o->door.device != NULL || o->host.address_count > 0 || o->door.plain || !hf_ip_is_any(&o->host.gateway4) || !hf_ip_is_any(&o->host.gateway6);
    if (o->door.kind == HF_DOOR_NONE)
        return given ? hf_cli_misuse(cli, "--device, --address, --gateway and --no-offload are for our own network stack: give --net tun, tap, packet or xdp") : HF_EXIT_OK;
    if (o->host.address_count == 0)
        return hf_cli_misuse(cli, "--net %s: which address shall it have? Give --address 10.78.0.2/24", hf_door_name(o->door.kind));
    if (o->threads > 1)
        return hf_cli_misuse(cli, "--net %s: our own network stack is one thread: no --threads above 1", hf_door_name(o->door.kind));
    for (size_t i = 0; i < o->listener_count; i++)
        for (size_t k = 0; k < o->listeners[i].count; k++) {
            if (!listens_at_own(o, &o->listeners[i].addresses[k]))
                return hf_cli_misuse(cli, "%s: our own network stack has no such address to listen on; give one of --address, or *", o->listeners[i].text);
            if (o->listeners[i].addresses[k].port == 0)
                return hf_cli_misuse(cli, "%s: give a port: our own network stack has them all to itself", o->listeners[i].text);
        }
    return HF_EXIT_OK;
}

static hf_exit set_user(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --user: got \"\"; it must be a user's name");
    o->user = value;
    return HF_EXIT_OK;
}

static hf_exit set_record(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --record: got \"\"; it must be the path of a new file, or of a folder");
    struct stat st;
    const bool folder = stat(value, &st) == 0 && S_ISDIR(st.st_mode);
    o->record = folder ? NULL : value;
    o->record_folder = folder ? value : NULL;
    return HF_EXIT_OK;
}

static hf_exit set_error_pages(hf_cli *cli, hf_serve_options *o, const char *value)
{
    if (*value == 0)
        return hf_cli_misuse(cli, "option --error-pages: got \"\"; it must be a folder");
    o->files.error_pages = value;
    return HF_EXIT_OK;
}

static const struct {
    const char *name;
    hf_exit (*set)(hf_cli *, hf_serve_options *, const char *value);
} setters[] = {
    { "try-listen", try_listener }, { "certificate", add_certificate }, { "cert", add_certificate },
    { "key", add_key },             { "tls-min", set_tls_min },       { "key-log", set_key_log },      { "qlog", set_qlog },
    { "ocsp", add_ocsp },           { "client-ca", set_client_ca },   { "client-auth", set_client_auth },
    { "listen", add_listener },     { "index", add_index },           { "threads", set_threads },
    { "spa", set_spa },             { "cache-control", set_cache_control }, { "access-log", set_access_log },
    { "log-format", set_log_format }, { "limit", set_limit },         { "user", set_user },
    { "error-pages", set_error_pages }, { "io", set_io },             { "admin", set_admin },             { "topics", set_topics },
    { "net", set_net },             { "device", set_device },         { "address", add_addresses },
    { "gateway", add_gateways },    { "record", set_record },
    { "preferred-address", add_preferred },
};

static hf_exit set(hf_cli *cli, hf_serve_options *o, const hf_given *given)
{
    for (size_t i = 0; i < HF_COUNT(setters); i++)
        if (strcmp(setters[i].name, given->option->name) == 0)
            return setters[i].set(cli, o, given->value);
    return HF_EXIT_OK; /* flags: read all at once */
}

/* ---- together ------------------------------------------------------------------------------------------------- */

static void set_flags(const hf_cli *cli, const hf_arguments *arguments, hf_serve_options *o)
{
    o->welcome = hf_arguments_on(arguments, cli->command, "welcome");
    o->quiet = hf_arguments_on(arguments, cli->command, "quiet");
    o->no_seccomp = !hf_arguments_on(arguments, cli->command, "seccomp");
    o->no_http3 = !hf_arguments_on(arguments, cli->command, "http3");
    o->redirect_https = hf_arguments_on(arguments, cli->command, "redirect-https");
    o->early_data = hf_arguments_on(arguments, cli->command, "early-data");
    o->rsa_key_exchange = hf_arguments_on(arguments, cli->command, "tls-rsa-key-exchange");
    o->door.plain = !hf_arguments_on(arguments, cli->command, "offload");
    o->record_all = hf_arguments_on(arguments, cli->command, "record-all");
    o->record_secrets = hf_arguments_on(arguments, cli->command, "record-secrets");
    o->files.listing = hf_arguments_on(arguments, cli->command, "listing");
    o->files.follow_symlinks = hf_arguments_on(arguments, cli->command, "follow-symlinks");
    o->files.no_precompressed = !hf_arguments_on(arguments, cli->command, "precompressed");
    if (!hf_arguments_on(arguments, cli->command, "compress"))
        o->limits.compress_bytes = 0; /* of files, listings and documents alike */
}

static hf_exit set_root(hf_cli *cli, const hf_arguments *arguments, hf_serve_options *o)
{
    if (o->welcome && arguments->operand_count > 0)
        return hf_cli_misuse(cli, "--welcome serves the built-in site, so DIR (\"%s\") may not be given with it",
                             arguments->operands[0]);
    if (o->welcome && o->files.error_pages)
        return hf_cli_misuse(cli, "--welcome serves the built-in site, which brings its own error pages: no --error-pages with it");
    if (arguments->operand_count > 0 && *arguments->operands[0] == 0)
        return hf_cli_misuse(cli, "DIR is empty; it must be a folder, such as .");
    if (!o->welcome)
        o->files.root = arguments->operand_count > 0 ? arguments->operands[0] : ".";
    return HF_EXIT_OK;
}

bool hf_serve_is_net(const hf_given *given)
{
    static const char *const names[] = { "net", "device", "address", "gateway", "offload" };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (strcmp(given->option->name, names[i]) == 0)
            return true;
    return false;
}

hf_exit hf_serve_parse_net(hf_cli *cli, const hf_arguments *arguments, hf_serve_options *o)
{
    hf_exit result = HF_EXIT_OK;
    for (size_t i = 0; i < arguments->given_count && result == HF_EXIT_OK; i++)
        if (hf_serve_is_net(&arguments->given[i]))
            result = set(cli, o, &arguments->given[i]);
    o->door.plain = !hf_arguments_on(arguments, cli->command, "offload");
    if (result == HF_EXIT_OK)
        result = check_net(cli, o);
    if (o->door.device == NULL)
        o->door.device = "hf0";
    return result;
}

hf_exit hf_serve_parse(hf_cli *cli, const hf_arguments *arguments, hf_serve_options *o)
{
    *o = (hf_serve_options){ .limits = *hf_limits_default(), .access_log = "-", .colour = cli->colour_err };
    hf_exit result = HF_EXIT_OK;
    for (size_t i = 0; i < arguments->given_count && result == HF_EXIT_OK; i++)
        result = set(cli, o, &arguments->given[i]);
    set_flags(cli, arguments, o);
    if (result == HF_EXIT_OK)
        result = set_root(cli, arguments, o);
    if (result == HF_EXIT_OK && o->listener_count == 0)
        result = add_listener(cli, o, o->door.kind != HF_DOOR_NONE ? "http://*:80" : "http://localhost:8080");
    if (result == HF_EXIT_OK)
        result = check_net(cli, o);
    if (o->door.device == NULL)
        o->door.device = "hf0";
    if (result == HF_EXIT_OK)
        result = check_pairs(cli, o);
    return result == HF_EXIT_OK ? check_limits(cli, &o->limits) : result;
}

/* The command line is on the recording, too. */
static hf_exit check_record(hf_cli *cli, hf_serve_options *o)
{
    if ((o->record_all || o->record_secrets) && o->record_folder == NULL)
        return hf_cli_misuse(cli, "--record-all and --record-secrets say what --record FOLDER keeps, and there is no such folder");
    if (o->record == NULL)
        return HF_EXIT_OK;
    const char *why = hf_recording_refuses(o);
    if (why != NULL)
        return hf_cli_misuse(cli, "option --record: %s", why);
    if (cli->argc > HF_RECORDING_ARGUMENTS)
        return hf_cli_misuse(cli, "option --record: at most %d words may follow handfast serve with it", HF_RECORDING_ARGUMENTS);
    for (int i = 0; i < cli->argc; i++)
        if (strlen(cli->argv[i]) >= HF_RECORDING_ARGUMENT)
            return hf_cli_misuse(cli, "option --record: with it no word may be longer than %d bytes", HF_RECORDING_ARGUMENT - 1);
    o->arguments = cli->argv;
    o->argument_count = (size_t)cli->argc;
    return HF_EXIT_OK;
}

/* A mistyped folder is found before anything is bound. The server opens it for itself afterwards. */
static hf_exit check_folder(hf_cli *cli, const char *what, const char *path)
{
    struct stat st;
    if (path == NULL)
        return HF_EXIT_OK;
    if (stat(path, &st) != 0)
        return hf_cli_failed(cli, "%s %s: %s", what, path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return hf_cli_failed(cli, "%s %s: it is not a folder", what, path);
    return HF_EXIT_OK;
}

/* A page that is not there would make every path of the application a 404. */
static hf_exit check_spa(hf_cli *cli, const hf_files *files)
{
    char path[PATH_MAX];
    struct stat st;
    if (files->root == NULL || files->spa == NULL)
        return HF_EXIT_OK;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", files->root, files->spa) >= sizeof path || stat(path, &st) != 0)
        return hf_cli_failed(cli, "option --spa: %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return hf_cli_failed(cli, "option --spa: %s: it is not a file", path);
    return HF_EXIT_OK;
}

int hf_command_serve(hf_cli *cli, const hf_arguments *arguments)
{
    static hf_serve_options options; /* large, and lent for as long as the program runs */
    if (hf_arguments_find(arguments, "config") != NULL)
        return hf_serve_configured(cli, arguments);
    hf_exit result = hf_serve_parse(cli, arguments, &options);
    if (result == HF_EXIT_OK)
        result = check_folder(cli, "cannot serve", options.files.root);
    if (result == HF_EXIT_OK)
        result = check_folder(cli, "option --error-pages:", options.files.error_pages);
    if (result == HF_EXIT_OK)
        result = check_spa(cli, &options.files);
    if (result == HF_EXIT_OK)
        result = check_record(cli, &options);
    if (result != HF_EXIT_OK)
        return result;
    if (options.welcome) {
        options.files.assets = hf_site_assets;
        options.files.asset_count = hf_site_assets_count;
        options.files.content_security_policy =
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
        options.routes = hf_tour_routes(&options.route_count);
        hf_tour *tour;
        const hf_err err = hf_tour_open(&tour);
        if (err.code != 0)
            return hf_cli_failed(cli, "the tour of the welcome site: %s", hf_err_text(err));
        options.context = tour;
    }
    fflush(cli->out);
    const int status = cli->doors->serve(&options);
    if (options.context)
        hf_tour_free(options.context);
    return status;
}
