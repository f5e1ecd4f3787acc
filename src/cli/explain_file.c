/* SPDX-License-Identifier: Apache-2.0
 *
 * explain FILE: what it is, and what went wrong in it. A line of a log, or a token, may be given in place of a file.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <handfast/guard.h>

#include "allocator.h"
#include "jwt_lint.h"
#include "reading.h"
#include "words.h"

enum { WIDTH = 100, INDENT = 16, FACTS = 16384, TOKEN_MOST = 65536 };

typedef struct looking {
    hf_cli *cli;
    bool json;
    hf_env env;
    char *bytes;
    size_t length;
} looking;

bool hf_explain_is_file(const char *asked)
{
    struct stat s;
    return strcmp(asked, "-") == 0 || asked[0] == '{' || strncmp(asked, "eyJ", 3) == 0 || (stat(asked, &s) == 0 && S_ISREG(s.st_mode));
}

/* At most one byte more than is looked at. */
static hf_exit load(looking *l, const char *path)
{
    const size_t most = (size_t)l->env.limits->explain_bytes + 1;
    FILE *const f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    size_t room = 1 << 16;
    if (f == NULL)
        return hf_cli_failed(l->cli, "%s: %s", path, strerror(errno));
    l->bytes = malloc(room);
    while (l->bytes != NULL && l->length < most) {
        if (l->length == room) {
            char *const more = realloc(l->bytes, 2 * room);
            if (more == NULL) {
                free(l->bytes);
                l->bytes = NULL;
                break;
            }
            l->bytes = more;
            room *= 2;
        }
        const size_t wanted = room < most ? room - l->length : most - l->length, n = fread(l->bytes + l->length, 1, wanted, f);
        l->length += n;
        if (n == 0)
            break;
    }
    const bool bad = ferror(f) != 0 || l->bytes == NULL;
    if (f != stdin)
        fclose(f);
    return bad ? hf_cli_failed(l->cli, "%s: %s", path, strerror(errno)) : HF_EXIT_OK;
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

static void member(FILE *out, const char *name, const char *value)
{
    fprintf(out, ",\"%s\":", name);
    hf_print_json(out, value);
}

static void tell_json(const looking *l, hf_file_kind kind, const hf_reading *r)
{
    FILE *const out = l->cli->out;
    hf_bytes rest = hf_written(&r->facts), line;
    char text[600];
    fputs("{\"what\":", out);
    hf_print_json(out, hf_file_kind_name(kind));
    fputs(",\"facts\":[", out);
    for (size_t n = 0; rest.len > 0 && hf_split(&rest, '\n', &line) && line.len > 0; n++) {
        snprintf(text, sizeof text, "%.*s", HF_STR(line));
        fputs(n > 0 ? "," : "", out);
        hf_print_json(out, text);
    }
    fputs("],\"findings\":[", out);
    for (size_t i = 0; i < r->findings.count; i++) {
        const hf_finding *const f = &r->findings.at[i];
        fprintf(out, "%s{\"weight\":\"%s\"", i > 0 ? ",\n" : "\n", hf_weight_name(f->weight));
        member(out, "code", hf_err_describe(f->err)->id);
        member(out, "error", hf_err_describe(f->err)->name);
        member(out, "subject", f->subject);
        member(out, "found", f->found);
        member(out, "rule", f->rule);
        if (f->remedy != NULL)
            member(out, "remedy", f->remedy);
        fputc('}', out);
    }
    fputs("]}\n", out);
}

static void labelled(const looking *l, const char *label, const char *text)
{
    fprintf(l->cli->out, "%*s%s%-9s%s", INDENT, "", l->cli->colour_out ? "\x1b[36m" : "", label, l->cli->colour_out ? "\x1b[0m" : "");
    hf_print_wrapped(l->cli->out, text, INDENT + 9, INDENT + 9, WIDTH);
}

static void tell_text(const looking *l, hf_file_kind kind, const hf_reading *r)
{
    static const char *const colours[] = { "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[31m" };
    FILE *const out = l->cli->out;
    fprintf(out, "%s\n\n%.*s\n", hf_file_kind_name(kind), HF_STR(hf_written(&r->facts)));
    for (size_t i = 0; i < r->findings.count; i++) {
        const hf_finding *const f = &r->findings.at[i];
        char text[HF_FINDING_TEXT + 80];
        fprintf(out, "  %s%-6s%s %-6s ", l->cli->colour_out ? colours[f->weight] : "", hf_weight_name(f->weight), l->cli->colour_out ? "\x1b[0m" : "", f->subject);
        snprintf(text, sizeof text, "%s: %s", hf_err_describe(f->err)->name, f->found);
        hf_print_wrapped(out, text, INDENT, INDENT, WIDTH);
        labelled(l, "code", hf_err_describe(f->err)->id);
        labelled(l, "rule", f->rule);
        labelled(l, "cause", hf_err_describe(f->err)->cause);
        if (f->remedy != NULL)
            labelled(l, "remedy", f->remedy);
    }
    if (r->findings.count == 0)
        fputs("  Nothing went wrong that it would tell.\n", out);
}

/* The layer of the worst. */
static hf_exit exit_of(const hf_reading *r)
{
    if (r->findings.count == 0 || r->findings.at[0].weight < HF_WEIGHT_WRONG)
        return HF_EXIT_OK;
    switch (r->findings.at[0].err.code) {
    case HF_ERR_EXPLAIN_FILE_KIND:
    case HF_ERR_EXPLAIN_FILE_CUT: return HF_EXIT_FAILED;
    case HF_ERR_EXPLAIN_SYN_REFUSED:
    case HF_ERR_EXPLAIN_SYN_UNANSWERED:
    case HF_ERR_EXPLAIN_RESET_SEEN:
    case HF_ERR_EXPLAIN_H3_NO_ANSWER: return HF_EXIT_TCP;
    case HF_ERR_EXPLAIN_ALERT_SEEN:
    case HF_ERR_EXPLAIN_HELLO_UNANSWERED:
    case HF_ERR_EXPLAIN_QUIC_CLOSED: return HF_EXIT_TLS;
    case HF_ERR_EXPLAIN_MIXED_PAGE: return HF_EXIT_POLICY;
    default: return HF_EXIT_HTTP;
    }
}

/* ---- by kind -------------------------------------------------------------------------------------------------- */

static hf_exit read_it(const looking *l, hf_file_kind kind)
{
    static hf_finding findings[HF_FINDINGS_MOST]; /* large */
    static char facts[FACTS];
    hf_reading r = { .facts = hf_writer_make(facts, sizeof facts), .findings = { .at = findings, .capacity = HF_FINDINGS_MOST } };
    if (hf_reading_make(&l->env, kind, hf_bytes_make(l->bytes, l->length), &r).code != 0)
        return hf_cli_failed(l->cli, "out of memory");
    if (l->json)
        tell_json(l, kind, &r);
    else
        tell_text(l, kind, &r);
    return exit_of(&r);
}

static hf_exit read_token(const looking *l)
{
    static uint8_t header[TOKEN_MOST], payload[TOKEN_MOST];
    size_t h = 0, p = 0, n = l->length;
    while (n > 0 && (l->bytes[n - 1] == '\n' || l->bytes[n - 1] == '\r'))
        n--;
    const hf_bytes token = hf_bytes_make(l->bytes, n);
    const hf_err err = n < TOKEN_MOST ? hf_jwt_open(token, header, &h, payload, &p) : hf_err_make(HF_ERR_BASE_LIMIT);
    if (err.code != 0)
        return hf_cli_failed(l->cli, "%s: three parts of base64url, set apart by dots, are wanted", hf_err_text(err));
    fprintf(l->cli->out, "%s\n\n", hf_file_kind_name(HF_FILE_JWT));
    const size_t found = hf_jwt_lint_token(l->cli->out, token, hf_bytes_make(header, h), hf_bytes_make(payload, p));
    fputs(found == 0 ? "Nothing to complain of. " : "\n", l->cli->out);
    fputs("Nobody has verified it: handfast jwt verify does, and handfast jwt inspect shows what is in it.\n", l->cli->out);
    return found == 0 ? HF_EXIT_OK : HF_EXIT_FAILED;
}

static hf_exit read_chain(const looking *l, const hf_arguments *arguments, const char *path)
{
    char chain[] = "chain", *operands[2] = { chain, (char *)(uintptr_t)path };
    hf_arguments again = *arguments;
    if (strcmp(path, "-") == 0)
        return hf_cli_failed(l->cli, "give certificates to handfast explain chain -");
    again.operands = operands;
    again.operand_count = 2;
    return hf_explain_chain(l->cli, &again);
}

int hf_explain_file(hf_cli *cli, const hf_arguments *arguments)
{
    const char *const path = arguments->operands[0];
    looking l = { .cli = cli, .json = hf_arguments_on(arguments, cli->command, "json"), .env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() } };
    hf_exit result = HF_EXIT_OK;
    if (path[0] == '{' || strncmp(path, "eyJ", 3) == 0) {
        l.length = strlen(path);
        l.bytes = strdup(path);
        result = l.bytes != NULL ? HF_EXIT_OK : hf_cli_failed(cli, "out of memory");
    } else {
        result = load(&l, path);
    }
    if (result == HF_EXIT_OK) {
        const hf_file_kind kind = hf_file_kind_of(hf_bytes_make(l.bytes, l.length));
        result = kind == HF_FILE_PEM ? read_chain(&l, arguments, path) : kind == HF_FILE_JWT ? read_token(&l) : read_it(&l, kind);
    }
    free(l.bytes);
    return result;
}
