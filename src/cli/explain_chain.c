/* SPDX-License-Identifier: Apache-2.0
 *
 * explain chain FILE|URL: a chain of certificates, link by link.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "allocator.h"
#include "chain_report.h"
#include "roots.h"
#include "tls_probe.h"

enum { FILE_MOST = 4 << 20, ROOM = HF_CHAIN_REPORT_ROOM };

typedef struct asking {
    hf_cli *cli;
    const hf_arguments *arguments;
    hf_env env;
    hf_crypto *crypto;
    hf_trust *trust;
    hf_walk *walk;
    hf_wall at;
    const char *host; /* NULL: none */
} asking;

/* The whole file, or NULL and errno. Gives: free() it. */
static char *read_file(const char *path, size_t *length)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = f != NULL ? malloc(FILE_MOST) : NULL;
    errno = f != NULL && text == NULL ? ENOMEM : errno;
    *length = text != NULL ? fread(text, 1, FILE_MOST, f) : 0;
    if (text != NULL && ferror(f)) {
        free(text);
        text = NULL;
    }
    if (f != NULL && f != stdin)
        fclose(f);
    return text;
}

/* ---- what is believed ----------------------------------------------------------------------------------------- */

static hf_exit add_roots(const asking *a, const char *path)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    const hf_err err = hf_roots_add(a->trust, path, &why);
    return err.code == 0 ? HF_EXIT_OK : hf_cli_failed(a->cli, "%.*s", HF_STR(hf_written(&why)));
}

static hf_exit add_revoked(const asking *a, const char *path)
{
    size_t n;
    char *const pem = read_file(path, &n);
    if (pem == NULL)
        return hf_cli_failed(a->cli, "%s: %s", path, strerror(errno));
    const hf_err err = hf_trust_add_revoked(a->trust, hf_bytes_make(pem, n));
    free(pem);
    return err.code == 0 ? HF_EXIT_OK : hf_cli_failed(a->cli, "%s: it holds no revocation list in PEM", path);
}

static hf_exit add_all(const asking *a)
{
    bool roots = false;
    hf_exit result = HF_EXIT_OK;
    for (size_t i = 0; i < a->arguments->given_count && result == HF_EXIT_OK; i++) {
        const hf_given *const given = &a->arguments->given[i];
        const bool list = strcmp(given->option->name, "revoked") == 0;
        if (!list && strcmp(given->option->name, "roots") != 0)
            continue;
        roots |= !list;
        result = list ? add_revoked(a, given->value) : add_roots(a, given->value);
    }
    return result != HF_EXIT_OK || roots ? result : add_roots(a, NULL);
}

/* ---- the report ----------------------------------------------------------------------------------------------- */

static hf_exit print(const asking *a, hf_chain_report *r)
{
    const bool json = hf_arguments_on(a->arguments, a->cli->command, "json");
    char *const text = malloc(ROOM);
    if (text == NULL)
        return hf_cli_failed(a->cli, "out of memory");
    hf_writer w = hf_writer_make(text, ROOM);
    r->walk = a->walk;
    r->at = a->at;
    r->colour = a->cli->colour_out;
    if (json)
        hf_chain_report_json(r, &w);
    else
        hf_chain_report_text(r, &w);
    fwrite(text, 1, w.length, a->cli->out);
    free(text);
    return a->walk->verdict.err.code == 0 ? HF_EXIT_OK : HF_EXIT_TLS;
}

static hf_exit of_file(const asking *a, const char *path)
{
    size_t n;
    char *const pem = read_file(path, &n);
    if (pem == NULL)
        return hf_cli_failed(a->cli, "%s: %s", path, strerror(errno));
    hf_chain *chain = NULL;
    hf_exit result;
    if (hf_chain_load(a->crypto, hf_bytes_make(pem, n), &chain).code != 0) {
        result = hf_cli_failed(a->cli, "%s: it holds no chain of at most 16 certificates in PEM (-----BEGIN CERTIFICATE-----)", path);
    } else {
        const hf_trust_question q = { .host = hf_text(a->host != NULL ? a->host : ""), .at = a->at };
        (void)hf_trust_walk(a->trust, chain, &q, a->walk).code;
        hf_chain_report r = { .source = hf_text(path), .host = q.host, .sent = hf_chain_length(chain) };
        result = print(a, &r);
    }
    hf_chain_free(chain);
    free(pem);
    return result;
}

/* "https://host:8443/path" into host and port. */
static bool cut_url(const char *url, char *host, size_t host_room, char *port, size_t port_room)
{
    const char *at = url + strlen("https://");
    const bool bracket = *at == '[';
    at += bracket;
    const size_t n = strcspn(at, bracket ? "]" : ":/?#");
    const char *const behind = at + n + (bracket && at[n] == ']');
    const size_t digits = behind[0] == ':' ? strspn(behind + 1, "0123456789") : 0;
    if (n == 0 || n >= host_room || digits >= port_room || memchr(at, '@', strcspn(at, "/?#")) != NULL)
        return false;
    snprintf(host, host_room, "%.*s", (int)n, at);
    snprintf(port, port_room, "%.*s", digits > 0 ? (int)digits : 3, digits > 0 ? behind + 1 : "443");
    return behind[0] == 0 || behind[0] == ':' || strchr("/?#", behind[0]) != NULL;
}

static hf_exit of_server(const asking *a, const char *url)
{
    static const hf_exit exits[] = { HF_EXIT_DNS, HF_EXIT_TCP, HF_EXIT_TLS };
    char host[256], port[8];
    hf_probe probe;
    if (a->host != NULL)
        return hf_cli_misuse(a->cli, "--host is for files; of a URL the host is known");
    if (!cut_url(url, host, sizeof host, port, sizeof port))
        return hf_cli_misuse(a->cli, "%s: not a URL with a host, as https://www.example.com/", url);
    const bool done = hf_probe_run(&a->env, a->crypto, a->trust, host, port, a->at, a->walk, &probe);
    hf_exit result = HF_EXIT_OK;
    if (probe.walked) {
        hf_chain_report r = { .source = hf_text(url), .host = hf_text(host), .sent = probe.sent, .version = done ? probe.version : NULL,
            .suite = probe.suite, .group = probe.group };
        result = print(a, &r);
    }
    if (done)
        return result;
    hf_cli_failed(a->cli, "%s", probe.words);
    if (probe.err.code != 0)
        fprintf(a->cli->err, "handfast explain %s says more.\n", hf_err_describe(probe.err)->id);
    return exits[probe.stage];
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

/* "2026-01-31" or "2026-01-31T12:00:00Z", in UTC. */
static bool parse_time(const char *text, hf_wall *at)
{
    struct tm tm = { .tm_hour = 0 };
    const char *const end = strptime(text, strlen(text) > 10 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &tm);
    if (end == NULL || *end != 0)
        return false;
    *at = (hf_wall){ timegm(&tm) };
    return true;
}

static hf_exit prepare(asking *a)
{
    const hf_given *const at = hf_arguments_find(a->arguments, "at"), *const host = hf_arguments_find(a->arguments, "host");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    a->at = (hf_wall){ t.tv_sec };
    if (at != NULL && !parse_time(at->value, &a->at))
        return hf_cli_misuse(a->cli, "--at %s: not a date in UTC, as 2026-01-31 or 2026-01-31T12:00:00Z", at->value);
    a->host = host != NULL ? host->value : NULL;
    a->crypto = hf_crypto_new(&a->env, NULL);
    a->trust = a->crypto != NULL ? hf_trust_new(a->crypto) : NULL;
    a->walk = malloc(sizeof *a->walk);
    if (a->trust == NULL || a->walk == NULL)
        return hf_cli_failed(a->cli, "out of memory");
    return add_all(a);
}

int hf_explain_chain(hf_cli *cli, const hf_arguments *arguments)
{
    asking a = { .cli = cli, .arguments = arguments, .env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() } };
    hf_exit result;
    if (arguments->operand_count < 2)
        return hf_cli_misuse(cli, "explain chain needs FILE or URL, as in handfast explain chain chain.pem --host www.example.com");
    const char *const what = arguments->operands[1];
    result = prepare(&a);
    if (result == HF_EXIT_OK)
        result = strncmp(what, "https://", 8) == 0 ? of_server(&a, what)
                 : strstr(what, "://") != NULL     ? hf_cli_misuse(cli, "%s: only https:// has certificates", what)
                                                   : of_file(&a, what);
    hf_trust_free(a.trust);
    if (a.crypto != NULL)
        hf_crypto_free(a.crypto);
    free(a.walk);
    return result;
}
