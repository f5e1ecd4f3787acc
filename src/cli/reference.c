/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogues, printed: errors, explain, limits, version.
 */
#include "cli.h"

#include <unistd.h>

#include <handfast/store.h>
#include <handfast/crypto.h>

#include "compress.h"
#include "error_names.h"
#include "limit_rules.h"
#include "outside_names.h"
#include "request.h"
#include "text.h"
#include "uring.h"
#include "words.h"

enum { WIDTH = 92 };

/* ---- errors --------------------------------------------------------------------------------------------------- */

static void json_member(FILE *out, const char *name, const char *value)
{
    fprintf(out, ",\"%s\":", name);
    hf_print_json(out, value);
}

static void json_error(FILE *out, hf_err err, const hf_err_info *info)
{
    const hf_error_names *const names = hf_error_names_of(err.code);
    fputs("{\"code\":", out);
    hf_print_json(out, info->id);
    fprintf(out, ",\"status\":%u", info->status);
    json_member(out, "name", info->name);
    json_member(out, "rule", info->rule);
    json_member(out, "cause", info->cause);
    json_member(out, "remedy", info->remedy);
    if (names != NULL && names->tell != NULL)
        json_member(out, "tell", names->tell);
    if (names != NULL && names->alert != NULL)
        json_member(out, "alert", names->alert);
    if (names != NULL && names->chromium != NULL)
        json_member(out, "chromium", names->chromium);
    if (names != NULL && names->firefox != NULL)
        json_member(out, "firefox", names->firefox);
    fputc('}', out);
}

static void status_text(char *text, size_t size, uint16_t status)
{
    if (status != 0)
        snprintf(text, size, "%u", status);
    else
        snprintf(text, size, "-");
}

int hf_command_errors(hf_cli *cli, const hf_arguments *arguments)
{
    enum { INDENT = 21 };
    const bool json = hf_arguments_on(arguments, cli->command, "json");
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        if (json) {
            fputs(i == 0 ? "[\n" : ",\n", cli->out);
            json_error(cli->out, err, info);
            continue;
        }
        char status[8];
        status_text(status, sizeof status, info->status);
        fprintf(cli->out, "%s%-14s%s %-5s %s\n%*s", cli->colour_out ? "\x1b[1m" : "", info->id, cli->colour_out ? "\x1b[0m" : "",
                status, info->name, INDENT, "");
        hf_print_wrapped(cli->out, info->cause, INDENT, INDENT, WIDTH);
    }
    if (json)
        fputs("\n]\n", cli->out);
    return HF_EXIT_OK;
}

/* ---- explain -------------------------------------------------------------------------------------------------- */

static void explain_part(hf_cli *cli, const char *name, const char *text)
{
    enum { INDENT = 11 };
    fprintf(cli->out, "  %s%-9s%s", cli->colour_out ? "\x1b[36m" : "", name, cli->colour_out ? "\x1b[0m" : "");
    hf_print_wrapped(cli->out, text, INDENT, INDENT, WIDTH);
}

static void explain(hf_cli *cli, hf_err err, const hf_err_info *info)
{
    const hf_error_names *const names = hf_error_names_of(err.code);
    fprintf(cli->out, "%s%s%s %s\n", cli->colour_out ? "\x1b[1m" : "", info->id, cli->colour_out ? "\x1b[0m" : "", info->name);
    if (info->status != 0)
        fprintf(cli->out, "  %s%-9s%s%u\n", cli->colour_out ? "\x1b[36m" : "", "status", cli->colour_out ? "\x1b[0m" : "",
                info->status);
    explain_part(cli, "rule", info->rule);
    explain_part(cli, "cause", info->cause);
    if (names != NULL && names->tell != NULL)
        explain_part(cli, "tell", names->tell);
    explain_part(cli, "remedy", info->remedy);
    if (names != NULL && names->alert != NULL)
        explain_part(cli, "alert", names->alert);
    if (names != NULL && names->chromium != NULL)
        explain_part(cli, "Chromium", names->chromium);
    if (names != NULL && names->firefox != NULL)
        explain_part(cli, "Firefox", names->firefox);
}

/* "HF-HTTP1-003" and "hf-http1-3" and "http1-3" alike. */
static bool is_code(const char *asked, const char *id)
{
    hf_bytes a = hf_text(asked), b = hf_text(id);
    if (a.len > 3 && hf_text_same(hf_bytes_make(a.ptr, 3), hf_text("HF-")))
        a = hf_bytes_make(a.ptr + 3, a.len - 3);
    b = hf_bytes_make(b.ptr + 3, b.len - 3);
    const uint8_t *dash_a = a.len ? memchr(a.ptr, '-', a.len) : NULL, *dash_b = memchr(b.ptr, '-', b.len);
    if (!dash_a || !dash_b)
        return false;
    const size_t area_a = (size_t)(dash_a - a.ptr), area_b = (size_t)(dash_b - b.ptr);
    uint64_t number_a, number_b;
    return hf_text_same(hf_bytes_make(a.ptr, area_a), hf_bytes_make(b.ptr, area_b)) &&
           hf_parse_decimal(hf_bytes_make(dash_a + 1, a.len - area_a - 1), &number_a) &&
           hf_parse_decimal(hf_bytes_make(dash_b + 1, b.len - area_b - 1), &number_b) && number_a == number_b;
}

static bool is_word(uint8_t b)
{
    return (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_';
}

/* Does `text` hold this name whole, as browsers call it? */
static bool names(const char *text, hf_bytes name)
{
    const hf_bytes all = hf_text(text);
    for (size_t i = 0; i + name.len <= all.len; i++) {
        const bool begins = i == 0 || !is_word(all.ptr[i - 1]), ends = i + name.len == all.len || !is_word(all.ptr[i + name.len]);
        if (begins && ends && hf_text_same(hf_bytes_make(all.ptr + i, name.len), name))
            return true;
    }
    return false;
}

/* ERR_CERT_DATE_INVALID, NET::ERR_CERT_DATE_INVALID, SSL_ERROR_RX_RECORD_TOO_LONG, where the row's prose has it. */
static bool is_browser_name(const char *asked, const hf_err_info *info)
{
    const char *colons = strstr(asked, "::");
    const hf_bytes name = hf_text(colons != NULL ? colons + 2 : asked);
    return name.len > 4 && memchr(name.ptr, '_', name.len) != NULL && (names(info->cause, name) || names(info->name, name));
}

/* Is it the alert of TLS with this number, said by a peer? */
static bool is_alert(uint64_t number, const hf_err_info *info)
{
    char rule[40];
    snprintf(rule, sizeof rule, "RFC 8446 6.2: alert %u", (unsigned)number);
    return number < 256 && strcmp(info->rule, rule) == 0;
}

/* A browser's name that a row has for its own is not looked for in the prose of others. */
static bool is_in_names(const char *asked)
{
    const hf_error_names *row;
    for (size_t i = 0; (row = hf_error_names_at(i)) != NULL; i++)
        if (hf_error_names_hold(row, asked))
            return true;
    return false;
}

/* Is this the row that is asked for? `number`: of a status or alert; 0 to 255 may be either. */
static bool is_asked(const char *asked, bool by_number, uint64_t number, bool in_names, hf_err err, const hf_err_info *info)
{
    const hf_error_names *const others = hf_error_names_of(err.code);
    if (by_number)
        return (number != 0 && info->status == number) || is_alert(number, info);
    if (in_names)
        return others != NULL && hf_error_names_hold(others, asked);
    return is_code(asked, info->id) || is_browser_name(asked, info);
}

/* A status of HTTP, a name of a browser's or the operating system's. How many were told: the JSON array is left open. */
static size_t explain_outside(hf_cli *cli, const char *asked, uint64_t status, bool json)
{
    const bool by_status = status >= 100 && status <= 599 && hf_status_phrase((uint16_t)status).len > 0;
    const hf_browser_name *const browser = hf_browser_name_find(asked);
    hf_system_name system;
    char title[80];
    if (by_status)
        snprintf(title, sizeof title, "%u %.*s", (unsigned)status, HF_STR(hf_status_phrase((uint16_t)status)));
    else if (browser != NULL)
        snprintf(title, sizeof title, "%s", browser->name);
    else if (hf_system_name_find(asked, &system))
        snprintf(title, sizeof title, "%s (%d)", system.name, system.number);
    else
        return 0;
    const char *const means = by_status ? hf_status_means((uint16_t)status) : browser != NULL ? browser->means : system.means;
    const char *const remedy = by_status ? NULL : browser != NULL ? browser->remedy : system.remedy;
    if (json) {
        fputs("[\n{\"name\":", cli->out);
        hf_print_json(cli->out, title);
        if (means != NULL)
            json_member(cli->out, "means", means);
        if (remedy != NULL)
            json_member(cli->out, "remedy", remedy);
        fputc('}', cli->out);
        return 1;
    }
    fprintf(cli->out, "%s%s%s\n", cli->colour_out ? "\x1b[1m" : "", title, cli->colour_out ? "\x1b[0m" : "");
    if (means != NULL)
        explain_part(cli, "means", means);
    if (remedy != NULL)
        explain_part(cli, "remedy", remedy);
    return 1;
}

int hf_command_explain(hf_cli *cli, const hf_arguments *arguments)
{
    const char *asked = arguments->operands[0];
    const bool json = hf_arguments_on(arguments, cli->command, "json");
    if (strcmp(asked, "chain") == 0)
        return hf_explain_chain(cli, arguments);
    if (arguments->operand_count > 1)
        return hf_cli_misuse(cli, "unexpected argument \"%s\"; it takes only one", arguments->operands[1]);
    if (strstr(asked, "://") != NULL)
        return hf_explain_url(cli, arguments);
    uint64_t asked_status = 0;
    const bool by_status = hf_parse_decimal(hf_text(asked), &asked_status);
    if (!by_status && hf_explain_is_file(asked))
        return hf_explain_file(cli, arguments);
    const bool in_names = is_in_names(asked);
    hf_nearest nearest = { .word = asked };
    size_t found = explain_outside(cli, asked, by_status ? asked_status : 0, json);
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        hf_nearest_try(&nearest, info->id);
        if (!is_asked(asked, by_status, asked_status, in_names, err, info))
            continue;
        if (json)
            fputs(found == 0 ? "[\n" : ",\n", cli->out);
        else if (found > 0)
            fputc('\n', cli->out);
        found++;
        if (json)
            json_error(cli->out, err, info);
        else
            explain(cli, err, info);
    }
    if (json && found > 0)
        fputs("\n]\n", cli->out);
    if (found > 0)
        return HF_EXIT_OK;
    if (by_status)
        return hf_cli_failed(cli, "no status, alert or errno has the number %s; handfast errors lists our own", asked);
    if (nearest.best)
        return hf_cli_failed(cli, "there is no error %s; did you mean %s?", asked, nearest.best);
    return hf_cli_failed(cli, "there is no error %s; handfast errors lists them all", asked);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

int hf_command_limits(hf_cli *cli, const hf_arguments *arguments)
{
    enum { INDENT = 6 };
    const bool json = hf_arguments_on(arguments, cli->command, "json");
    hf_limit_info info;
    for (size_t i = 0; hf_limit_row(i, &info); i++) {
        const hf_limit_bounds bounds = hf_limit_bounds_of(info.name, info.unit);
        if (json) {
            fprintf(cli->out, "%s{\"name\":", i == 0 ? "[\n" : ",\n");
            hf_print_json(cli->out, info.name);
            fprintf(cli->out, ",\"default\":%llu", (unsigned long long)info.value);
            json_member(cli->out, "unit", info.unit);
            fprintf(cli->out, ",\"least\":%llu,\"most\":%llu", (unsigned long long)bounds.least, (unsigned long long)bounds.most);
            json_member(cli->out, "reason", info.why);
            fputc('}', cli->out);
            continue;
        }
        char amount[64], least[64], most[64];
        hf_amount_write(amount, sizeof amount, info.value, info.unit);
        hf_amount_write(least, sizeof least, bounds.least, info.unit);
        hf_amount_write(most, sizeof most, bounds.most, info.unit);
        fprintf(cli->out, "%s%-30s%s%s (from %s to %s)\n%*s", cli->colour_out ? "\x1b[1m" : "", info.name,
                cli->colour_out ? "\x1b[0m" : "", amount, least, most, INDENT, "");
        hf_print_wrapped(cli->out, info.why, INDENT, INDENT, WIDTH);
    }
    if (json)
        fputs("\n]\n", cli->out);
    return HF_EXIT_OK;
}

/* ---- version -------------------------------------------------------------------------------------------------- */

#if defined(__clang__)
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

static void print_library(FILE *out, bool json, bool first, const char *name, const char *version)
{
    if (json)
        fprintf(out, "%s{\"name\":\"%s\",\"version\":\"%s\"}", first ? "" : ",", name, version);
    else
        fprintf(out, "%s%s %s", first ? "" : ", ", name, version);
}

/* "libcrypto 3.0.17, zlib 1.2.13"; in JSON a member each: the versions that are loaded, not those it was built against. */
static void print_libraries(FILE *out, bool json)
{
    const char *name;
    char text[32];
    print_library(out, json, true, "libcrypto", hf_crypto_library());
    print_library(out, json, false, "jansson", hf_json_library());
    if (hf_sqlite_store_library() != NULL)
        print_library(out, json, false, "sqlite", hf_sqlite_store_library());
    if (hf_redis_store_library() != NULL)
        print_library(out, json, false, "hiredis", hf_redis_store_library());
    for (size_t i = 0;; i++) {
        hf_writer w = hf_writer_make(text, sizeof text - 1);
        if (!hf_compress_library(i, &name, &w))
            return;
        text[w.length] = 0;
        print_library(out, json, false, name, text);
    }
}

/* "http  1.0, 1.1"; in JSON ,"http":["1.0","1.1"]. */
static void print_list(FILE *out, bool json, const char *name, const char *const *items)
{
    fprintf(out, json ? ",\"%s\":[" : "  %-9s ", name);
    for (size_t i = 0; items[i] != NULL; i++)
        fprintf(out, json ? "%s\"%s\"" : "%s%s", i == 0 ? "" : json ? "," : ", ", items[i]);
    fputs(json ? "]" : "\n", out);
}

static void print_abilities(FILE *out, bool json)
{
    static const char *const http[] = { "1.0", "1.1", "2", "3", NULL }, *const tls[] = { "1.2", "1.3", NULL };
    const char *const io[] = { "epoll", hf_uring_is_built() ? "uring" : NULL, NULL };
    print_list(out, json, "http", http);
    print_list(out, json, "tls", tls);
    print_list(out, json, "io", io);
}

int hf_command_version(hf_cli *cli, const hf_arguments *arguments)
{
    char libc[64] = "unknown";
    if (confstr(_CS_GNU_LIBC_VERSION, libc, sizeof libc) == 0)
        snprintf(libc, sizeof libc, "unknown");
    if (hf_arguments_on(arguments, cli->command, "json")) {
        fputs("{\"version\":", cli->out);
        hf_print_json(cli->out, HF_VERSION);
        json_member(cli->out, "compiler", compiler);
        json_member(cli->out, "libc", libc);
        print_abilities(cli->out, true);
        fputs(",\"libraries\":[", cli->out);
        print_libraries(cli->out, true);
        fputs("]}\n", cli->out);
        return HF_EXIT_OK;
    }
    fputs("handfast " HF_VERSION "\n", cli->out);
    print_abilities(cli->out, false);
    fputs("  libraries ", cli->out);
    print_libraries(cli->out, false);
    fprintf(cli->out, "\n  compiler  %s\n  libc      %s\n", compiler, libc);
    return HF_EXIT_OK;
}
