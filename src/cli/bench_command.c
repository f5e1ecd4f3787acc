/* SPDX-License-Identifier: Apache-2.0
 *
 * bench: asks one URL again and again over some connections, checks each answer against the first, and says how long they took.
 *
 * Closed loop: each connection asks again once it is answered: what a server can do. Open loop (--rate): requests are due at fixed
 * times whatever the server does, and their time runs from when they were due: a server that stalls is not forgiven what it kept
 * waiting ("coordinated omission").
 */
#include "bench.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "allocator.h"
#include "text.h"
#include "uring.h"

enum { BARS = 24 };

/* ---- what was given ----------------------------------------------------------------------------------------- */

static const char *option(const hf_bench *b, const char *name)
{
    const hf_given *const given = hf_arguments_find(b->arguments, name);
    return given != NULL ? given->value : NULL;
}

static hf_exit take_number(const hf_bench *b, const char *name, uint64_t least, uint64_t most, uint64_t *n)
{
    const char *const text = option(b, name);
    if (text == NULL || (hf_parse_decimal(hf_text(text), n) && *n >= least && *n <= most))
        return HF_EXIT_OK;
    return hf_cli_misuse(b->cli, "--%s %s: give a number from %llu to %llu", name, text, (unsigned long long)least, (unsigned long long)most);
}

static bool is_here(const char *host)
{
    const hf_bytes h = hf_text(host);
    return hf_text_same(h, hf_text("localhost")) || hf_ends_with(h, hf_text(".localhost")) || hf_text_same(h, hf_text("::1")) ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

/* What does not go together. */
static hf_exit agree(hf_bench *b)
{
    if (b->pipeline > 1 && (b->url.live || b->fresh || (b->version != 0 && b->version != HF_HTTP_1_1)))
        return hf_cli_misuse(b->cli, "--pipeline is of HTTP/1.1 over connections that are kept");
    if (b->url.live && (b->fresh || b->version > HF_HTTP_1_1))
        return hf_cli_misuse(b->cli, "WebSockets are measured over HTTP/1.1, and kept: without --fresh, --http2 and --http3");
    if (b->url.live || (b->pipeline > 1 && !b->url.secure))
        b->version = HF_HTTP_1_1;
    return HF_EXIT_OK;
}

static hf_exit take_all(hf_bench *b)
{
    static const char *const ways[] = { "http1.1", "http2", "http3" };
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2, HF_HTTP_3 };
    uint64_t seconds = 10;
    const char *const text = b->arguments->operands[0], *const wrong = hf_client_url_parse(text, &b->url);
    if (wrong != NULL)
        return hf_cli_misuse(b->cli, "%s: %s", text, wrong);
    if (!is_here(b->url.host) && !hf_arguments_on(b->arguments, b->cli->command, "elsewhere"))
        return hf_cli_misuse(b->cli, "%s is not this machine. A load that its owner did not ask for is an attack; with --elsewhere you say that it is yours", b->url.host);
    for (size_t i = 0; i < HF_COUNT(ways); i++)
        if (hf_arguments_on(b->arguments, b->cli->command, ways[i])) {
            if (b->version != 0)
                return hf_cli_misuse(b->cli, "one version of HTTP at a time");
            b->version = versions[i];
        }
    b->fresh = hf_arguments_on(b->arguments, b->cli->command, "fresh");
    b->json = hf_arguments_on(b->arguments, b->cli->command, "json");
    b->live = hf_arguments_on(b->arguments, b->cli->command, "live") || (!b->json && isatty(STDERR_FILENO));
    b->checks = hf_arguments_on(b->arguments, b->cli->command, "check");
    b->fields[b->field_count++] = (hf_field){ HF_LITERAL("Host"), b->url.authority, HF_FIELD_HOST };
    for (size_t i = 0; i < b->arguments->given_count; i++)
        if (strcmp(b->arguments->given[i].option->name, "header") == 0) {
            const hf_exit bad = b->field_count <= HF_BENCH_FIELDS ? hf_calling_read_header(b->cli, b->arguments->given[i].value, &b->fields[b->field_count])
                                                              : hf_cli_misuse(b->cli, "more than %d fields", HF_BENCH_FIELDS);
            if (bad != HF_EXIT_OK)
                return bad;
            b->field_count++;
        }
    hf_exit bad = take_number(b, "connections", 1, HF_BENCH_LINES, &b->connections);
    bad = bad == HF_EXIT_OK ? take_number(b, "streams", 1, HF_FETCH_CALLS, &b->streams) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "requests", 1, UINT64_MAX, &b->requests) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "rate", 1, 1000000, &b->rate) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "seconds", 1, 3600, &seconds) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "pipeline", 1, HF_FETCH_PIPELINE, &b->pipeline) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "message-bytes", 1, HF_BENCH_MESSAGE, &b->message) : bad;
    b->span_ns = HF_SECONDS(seconds);
    return bad == HF_EXIT_OK ? agree(b) : bad;
}

/* ---- telling ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint64_t per_million;
} shown[] = { { "p50", 500000 }, { "p75", 750000 }, { "p90", 900000 }, { "p99", 990000 }, { "p99.9", 999000 }, { "p99.99", 999900 }, { "max", 1000000 } };

static const char *version_name(hf_version v)
{
    return v == HF_HTTP_3 ? "3" : v == HF_HTTP_2 ? "2" : "1.1";
}

static void tell_json(const hf_bench *b, double seconds)
{
    FILE *const out = b->cli->out;
    char text[6 * HF_CLIENT_URL_BYTES];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_json(&w, hf_text(b->arguments->operands[0]));
    fprintf(out, "{\"url\":\"%.*s\",\"http_version\":\"%s\",\"loop\":\"%s\",\"connections\":%llu,\"streams\":%llu,\"seconds\":%.6f,\"requests\":%llu,\"failed\":%llu,"
        "\"requests_per_s\":%.1f,\"bytes\":%llu,\"connections_opened\":%llu,\"status\":%u,\"latency_ns\":{\"mean\":%.0f", HF_STR(hf_written(&w)), version_name(b->spoken),
        b->rate > 0 ? "open" : "closed", (unsigned long long)b->connections, (unsigned long long)b->streams, seconds, (unsigned long long)b->answered,
        (unsigned long long)b->failed, (double)b->answered / seconds, (unsigned long long)b->bytes, (unsigned long long)b->opened, b->status,
        b->took->total > 0 ? b->took->sum / (double)b->took->total : 0);
    for (size_t i = 0; i < HF_COUNT(shown); i++)
        fprintf(out, ",\"%s\":%llu", shown[i].name, (unsigned long long)hf_histogram_at(b->took, shown[i].per_million));
    fputs("}}\n", out);
}

static void tell_text(const hf_bench *b, double seconds)
{
    FILE *const out = b->cli->out;
    const double most = (double)hf_histogram_at(b->took, 1000000);
    fprintf(out, "%s over HTTP/%s: %llu answers of %u in %.2f s, %.0f a second, %.1f MB/s\n", b->arguments->operands[0], version_name(b->spoken),
            (unsigned long long)b->answered, b->status, seconds, (double)b->answered / seconds, (double)b->bytes / seconds / 1e6);
    fprintf(out, "%llu connection%s opened for %llu request%s%s", (unsigned long long)b->opened, b->opened == 1 ? "" : "s", (unsigned long long)b->asked, b->asked == 1 ? "" : "s",
            b->failed > 0 ? "" : "\n");
    if (b->failed > 0)
        fprintf(out, ", %llu of which failed\n", (unsigned long long)b->failed);
    if (b->fresh && !b->url.secure)
        fprintf(out, "Each left a port of this machine in TIME_WAIT, or one of the server's: handfast ports\n");
    fprintf(out, "%s\n", b->rate > 0 ? "Time from when each request was due (open loop):" : "Time from each request to the end of its answer (closed loop: a server that stalls is asked less):");
    for (size_t i = 0; i < HF_COUNT(shown); i++) {
        const double ns = (double)hf_histogram_at(b->took, shown[i].per_million);
        fprintf(out, "  %-7s %10.3f ms  ", shown[i].name, ns / 1e6);
        for (int k = 0; most > 0 && k < (int)(ns / most * BARS); k++)
            fputc('#', out);
        fputc('\n', out);
    }
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

static void wait_in_ring(void *self, hf_time until)
{
    hf_bench *const b = self;
    hf_io_event events[256];
    size_t n;
    do {
        n = b->ring->ops->wait(b->ring, until, events, HF_COUNT(events));
        for (size_t i = 0; i < n; i++) {
            const hf_line *const l = events[i].kind == HF_IO_READY ? events[i].owner : NULL;
            if (l != NULL && l->stirred != NULL)
                *l->stirred = true;
        }
        until = hf_time_make(0);
    } while (n == HF_COUNT(events));
}

/* io_uring costs less where many small answers come; datagrams are the dialer's own loop's. */
static hf_exit open_ring(hf_bench *b)
{
    const char *const io = option(b, "io"), *const way = io != NULL ? io : "auto";
    uint64_t seed = 0;
    hf_err err = HF_OK;
    if (strcmp(way, "uring") == 0 && (b->net != NULL || b->version == HF_HTTP_3))
        return hf_cli_misuse(b->cli, "--io uring is for the kernel's TCP");
    if (strcmp(way, "epoll") == 0 || b->net != NULL || b->version == HF_HTTP_3)
        return HF_EXIT_OK;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return hf_cli_failed(b->cli, "the system gives no randomness");
    hf_random_seed(&b->random, seed);
    b->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &b->random, .limits = hf_limits_default() };
    b->ring = hf_uring_new(&b->env, false, &err);
    return b->ring != NULL || io == NULL || strcmp(way, "auto") == 0 ? HF_EXIT_OK : hf_cli_failed(b->cli, "--io uring: %s", hf_err_text(err));
}

/* ---- the command -------------------------------------------------------------------------------------------- */

static hf_exit prepare(hf_bench *b)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_dialer_options options = { .roots = option(b, "cacert"), .insecure = hf_arguments_on(b->arguments, b->cli->command, "insecure") };
    hf_exit bad = take_all(b);
    bad = bad == HF_EXIT_OK ? hf_calling_open_net(b->cli, b->arguments, &b->net) : bad;
    if (bad != HF_EXIT_OK)
        return bad;
    bad = open_ring(b);
    if (bad != HF_EXIT_OK)
        return bad;
    options.world = hf_calling_world(b->net);
    if (b->ring != NULL)
        options.world = (hf_dialer_world){ .io = b->ring, .env = &b->env, .wait = wait_in_ring, .self = b };
    b->dialer = hf_dialer_new(&options, &why);
    if (b->dialer == NULL)
        return hf_cli_failed(b->cli, "%.*s", HF_STR(hf_written(&why)));
    b->took = calloc(1, sizeof *b->took);
    b->lately = calloc(1, sizeof *b->lately);
    b->lines = calloc(b->connections, sizeof *b->lines);
    for (uint64_t i = 0; b->lines != NULL && i < b->connections; i++)
        if ((b->lines[i] = calloc(1, sizeof **b->lines)) == NULL)
            return hf_cli_failed(b->cli, "out of memory");
    return b->took != NULL && b->lately != NULL && b->lines != NULL ? HF_EXIT_OK : hf_cli_failed(b->cli, "out of memory");
}

int hf_command_bench(hf_cli *cli, const hf_arguments *arguments)
{
    static hf_bench b; /* large */
    b = (hf_bench){ .cli = cli, .arguments = arguments, .connections = 16, .streams = 1, .pipeline = 1, .message = 32 };
    hf_exit result = prepare(&b);
    if (result == HF_EXIT_OK) {
        hf_bench_run(&b);
        hf_bench_draw_end(&b);
        const double seconds = (double)(b.end.ns - b.began.ns) / 1e9;
        if (b.json)
            tell_json(&b, seconds);
        else if (b.answered > 0)
            tell_text(&b, seconds);
        result = b.result;
        if (b.wrong[0] != 0)
            fprintf(cli->err, "handfast bench: %s\n", b.wrong);
        else if (b.failed > 0)
            result = HF_EXIT_HTTP;
    }
    for (uint64_t i = 0; b.lines != NULL && i < b.connections; i++) {
        if (b.lines[i] != NULL)
            hf_bench_end_line(b.lines[i]);
        free(b.lines[i]);
    }
    free(b.lines);
    free(b.took);
    free(b.lately);
    hf_dialer_free(b.dialer);
    if (b.ring != NULL)
        b.ring->ops->free(b.ring);
    hf_calling_close_net(b.net);
    return result;
}
