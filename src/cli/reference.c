/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogues, printed: errors, explain, limits, version.
 */
#include "cli.h"

#include <unistd.h>

#include "compress.h"
#include "text.h"
#include "words.h"

enum { WIDTH = 92 };

/* ---- errors --------------------------------------------------------------------------------------------------- */

static void json_member(FILE *out, const char *name, const char *value)
{
    fprintf(out, ",\"%s\":", name);
    hf_print_json(out, value);
}

static void json_error(FILE *out, const hf_err_info *info)
{
    fputs("{\"code\":", out);
    hf_print_json(out, info->id);
    fprintf(out, ",\"status\":%u", info->status);
    json_member(out, "name", info->name);
    json_member(out, "rule", info->rule);
    json_member(out, "cause", info->cause);
    json_member(out, "remedy", info->remedy);
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
            json_error(cli->out, info);
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
    enum { INDENT = 10 };
    fprintf(cli->out, "  %s%-8s%s", cli->colour_out ? "\x1b[36m" : "", name, cli->colour_out ? "\x1b[0m" : "");
    hf_print_wrapped(cli->out, text, INDENT, INDENT, WIDTH);
}

static void explain(hf_cli *cli, const hf_err_info *info)
{
    fprintf(cli->out, "%s%s%s %s\n", cli->colour_out ? "\x1b[1m" : "", info->id, cli->colour_out ? "\x1b[0m" : "", info->name);
    if (info->status != 0)
        fprintf(cli->out, "  %s%-8s%s%u\n", cli->colour_out ? "\x1b[36m" : "", "status", cli->colour_out ? "\x1b[0m" : "",
                info->status);
    explain_part(cli, "rule", info->rule);
    explain_part(cli, "cause", info->cause);
    explain_part(cli, "remedy", info->remedy);
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

int hf_command_explain(hf_cli *cli, const hf_arguments *arguments)
{
    const char *asked = arguments->operands[0];
    const bool json = hf_arguments_on(arguments, cli->command, "json");
    uint64_t asked_status = 0;
    const bool by_status = hf_parse_decimal(hf_text(asked), &asked_status);
    hf_nearest nearest = { .word = asked };
    size_t found = 0;
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        hf_nearest_try(&nearest, info->id);
        if (by_status ? asked_status == 0 || info->status != asked_status : !is_code(asked, info->id))
            continue;
        if (json)
            fputs(found == 0 ? "[\n" : ",\n", cli->out);
        else if (found > 0)
            fputc('\n', cli->out);
        found++;
        if (json)
            json_error(cli->out, info);
        else
            explain(cli, info);
    }
    if (json && found > 0)
        fputs("\n]\n", cli->out);
    if (found > 0)
        return HF_EXIT_OK;
    if (by_status)
        return hf_cli_failed(cli, "no error is reported with status %s; handfast errors lists them all", asked);
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
        if (json) {
            fprintf(cli->out, "%s{\"name\":", i == 0 ? "[\n" : ",\n");
            hf_print_json(cli->out, info.name);
            fprintf(cli->out, ",\"default\":%llu", (unsigned long long)info.value);
            json_member(cli->out, "unit", info.unit);
            json_member(cli->out, "reason", info.why);
            fputc('}', cli->out);
            continue;
        }
        char amount[64];
        hf_amount_write(amount, sizeof amount, info.value, info.unit);
        fprintf(cli->out, "%s%-26s%s%s\n%*s", cli->colour_out ? "\x1b[1m" : "", info.name, cli->colour_out ? "\x1b[0m" : "",
                amount, INDENT, "");
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

/* "zlib 1.2.13, zstd 1.5.4"; in JSON a member each: the versions that are loaded, not those it was built against. */
static void print_libraries(FILE *out, bool json)
{
    const char *name;
    char text[32];
    for (size_t i = 0;; i++) {
        hf_writer w = hf_writer_make(text, sizeof text - 1);
        if (!hf_compress_library(i, &name, &w)) {
            fputs(i == 0 && !json ? "none but the C library" : "", out);
            return;
        }
        text[w.length] = 0;
        if (json)
            fprintf(out, "%s{\"name\":\"%s\",\"version\":\"%s\"}", i > 0 ? "," : "", name, text);
        else
            fprintf(out, "%s%s %s", i > 0 ? ", " : "", name, text);
    }
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
        fputs(",\"http\":[\"1.0\",\"1.1\"],\"io\":[\"epoll\"],\"libraries\":[", cli->out);
        print_libraries(cli->out, true);
        fputs("]}\n", cli->out);
        return HF_EXIT_OK;
    }
    fputs("handfast " HF_VERSION "\n  http      1.0, 1.1\n  io        epoll\n  libraries ", cli->out);
    print_libraries(cli->out, false);
    fprintf(cli->out, "\n  compiler  %s\n  libc      %s\n", compiler, libc);
    return HF_EXIT_OK;
}
