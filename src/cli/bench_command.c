/* SPDX-License-Identifier: Apache-2.0
 *
 * bench: asks one URL again and again over some connections, checks each answer against the first, and says how long they took.
 *
 * Closed loop: each connection asks again once it is answered: what a server can do. Open loop (--rate): requests are due at fixed
 * times whatever the server does, and their time runs from when they were due: a server that stalls is not forgiven what it kept
 * waiting ("coordinated omission").
 */
#include <errno.h>
#include <stdlib.h>

#include "calling.h"
#include "fetch.h"
#include "histogram.h"
#include "text.h"

enum { LINES_MOST = 1000, FIELDS_MOST = 32, BARS = 24 };

typedef struct bench_slot {
    struct bench_line *line;
    hf_time due; /* when it was sent, or had to be */
    uint64_t length, hash;
    uint16_t status;
    bool busy;
} bench_slot;

typedef struct bench_line {
    hf_line line;
    hf_fetch fetch;
    bench_slot slots[HF_FETCH_CALLS];
    bool begun, ready;
    uint32_t busy;
} bench_line;

typedef struct bench {
    hf_cli *cli;
    const hf_arguments *arguments;
    hf_dialer *dialer;
    hf_calling_net *net; /* NULL: the kernel's */
    hf_client_url url;
    hf_version version;
    bool fresh, json, checks;
    uint64_t connections, streams, requests, rate;
    int64_t span_ns;
    hf_field fields[FIELDS_MOST + 1];
    size_t field_count;
    bench_line **lines;
    /* what is known of an answer: the first one says */
    bool known;
    uint16_t status;
    uint64_t length, hash;
    /* what happened */
    hf_histogram *took;
    hf_time began, end;
    uint64_t asked, answered, bytes, opened, failed;
    hf_version spoken;
    char wrong[300]; /* empty: nothing */
    hf_exit result;
} bench;

/* ---- what was given ----------------------------------------------------------------------------------------- */

static const char *option(const bench *b, const char *name)
{
    const hf_given *const given = hf_arguments_find(b->arguments, name);
    return given != NULL ? given->value : NULL;
}

static hf_exit take_number(const bench *b, const char *name, uint64_t least, uint64_t most, uint64_t *n)
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

static hf_exit take_all(bench *b)
{
    static const char *const ways[] = { "http1.1", "http2", "http3" };
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2, HF_HTTP_3 };
    uint64_t seconds = 10;
    const char *const text = b->arguments->operands[0], *const wrong = hf_client_url_parse(text, &b->url);
    if (wrong != NULL || b->url.live)
        return hf_cli_misuse(b->cli, "%s: %s", text, wrong != NULL ? wrong : "give it as http:// or https://");
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
    b->checks = hf_arguments_on(b->arguments, b->cli->command, "check");
    b->fields[b->field_count++] = (hf_field){ HF_LITERAL("Host"), b->url.authority, HF_FIELD_HOST };
    for (size_t i = 0; i < b->arguments->given_count; i++)
        if (strcmp(b->arguments->given[i].option->name, "header") == 0) {
            const hf_exit bad = b->field_count <= FIELDS_MOST ? hf_calling_read_header(b->cli, b->arguments->given[i].value, &b->fields[b->field_count])
                                                              : hf_cli_misuse(b->cli, "more than %d fields", FIELDS_MOST);
            if (bad != HF_EXIT_OK)
                return bad;
            b->field_count++;
        }
    hf_exit bad = take_number(b, "connections", 1, LINES_MOST, &b->connections);
    bad = bad == HF_EXIT_OK ? take_number(b, "streams", 1, HF_FETCH_CALLS, &b->streams) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "requests", 1, UINT64_MAX, &b->requests) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "rate", 1, 1000000, &b->rate) : bad;
    bad = bad == HF_EXIT_OK ? take_number(b, "seconds", 1, 3600, &seconds) : bad;
    b->span_ns = HF_SECONDS(seconds);
    return bad;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static void fail(bench *b, hf_exit exit, const char *what, const char *why)
{
    if (b->wrong[0] == 0) {
        snprintf(b->wrong, sizeof b->wrong, "%.60s: %.220s", what, why);
        b->result = exit;
    }
}

static bool may_ask(const bench *b, hf_time now)
{
    if (b->wrong[0] != 0 || !hf_time_before(now, b->end) || (b->requests > 0 && b->asked >= b->requests))
        return false;
    return b->rate == 0 || now.ns - b->began.ns >= (int64_t)(b->asked * 1000000000 / b->rate);
}

static hf_time due(const bench *b, hf_time now)
{
    return b->rate > 0 ? hf_time_after(b->began, (int64_t)(b->asked * 1000000000 / b->rate)) : now;
}

static void begin_line(bench *b, bench_line *l)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    const bool one = b->version == HF_HTTP_1_1;
    const hf_line_wish wish = { .protocols = one ? both + 1 : both, .protocol_count = b->version == 0 ? 2 : 1, .quic = b->version == HF_HTTP_3,
                                .quic_only = b->version == HF_HTTP_3 };
    l->begun = true;
    l->ready = false;
    l->busy = 0;
    b->opened++;
    hf_line_begin(&l->line, b->dialer, &b->url, &wish);
}

static void end_line(bench_line *l)
{
    if (l->ready)
        hf_fetch_close(&l->fetch);
    if (l->begun)
        hf_line_close(&l->line);
    l->begun = l->ready = false;
}

/* As many as the line carries and the clock allows. */
static void ask(bench *b, bench_line *l, hf_time now)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .method_name = HF_LITERAL("GET"), .version = HF_HTTP_1_1,
        .scheme = hf_text(b->url.secure ? "https" : "http"), .authority = b->url.authority, .target = b->url.target,
        .fields = { b->fields, b->field_count }, .content_length = HF_LENGTH_NONE };
    while (l->busy < b->streams && hf_fetch_room(&l->fetch) > 0 && !(b->fresh && l->fetch.asked > 0) && may_ask(b, now)) {
        bench_slot *s = l->slots;
        while (s->busy)
            s++;
        *s = (bench_slot){ .line = l, .due = due(b, now), .hash = UINT64_C(0xcbf29ce484222325) };
        const hf_err err = hf_fetch_ask(&l->fetch, &head, hf_bytes_make(NULL, 0), s);
        if (err.code == HF_ERR_BASE_LIMIT)
            return;
        if (err.code != 0) {
            fail(b, HF_EXIT_HTTP, "a request cannot be sent", hf_err_text(err));
            return;
        }
        s->busy = true;
        l->busy++;
        b->asked++;
    }
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static void check(bench *b, const bench_slot *s)
{
    char words[160];
    if (!b->known) {
        b->known = true;
        b->status = s->status;
        b->length = s->length;
        b->hash = s->hash;
    }
    if (!b->checks || (s->status == b->status && s->length == b->length && s->hash == b->hash))
        return;
    snprintf(words, sizeof words, "%u with %llu bytes%s; the first was %u with %llu", s->status, (unsigned long long)s->length,
             s->status == b->status && s->length == b->length ? ", other ones" : "", b->status, (unsigned long long)b->length);
    fail(b, HF_EXIT_HTTP, "answers differ (--no-check lets them)", words);
}

static void hear(bench *b, bench_line *l, const hf_fetch_event *e, hf_time now)
{
    bench_slot *const s = e->user;
    switch (e->kind) {
    case HF_FETCH_HEAD:
        if (e->head.status >= 200)
            s->status = e->head.status;
        break;
    case HF_FETCH_BODY:
        s->length += e->body.len;
        b->bytes += e->body.len;
        for (size_t i = 0; b->checks && i < e->body.len; i++) /* FNV-1a */
            s->hash = (s->hash ^ e->body.ptr[i]) * UINT64_C(0x100000001b3);
        break;
    case HF_FETCH_END:
        hf_histogram_add(b->took, (uint64_t)(now.ns - s->due.ns));
        b->answered++;
        s->busy = false;
        l->busy--;
        check(b, s);
        break;
    case HF_FETCH_FAILED:
        s->busy = false;
        l->busy--;
        b->failed++;
        break;
    case HF_FETCH_TRAILERS:
    case HF_FETCH_UPGRADED: break;
    }
}

static void lose(bench *b, bench_line *l)
{
    b->failed += l->busy;
    for (size_t i = 0; i < HF_FETCH_CALLS; i++)
        l->slots[i].busy = false;
    l->busy = 0;
    end_line(l);
}

static void open_on(bench *b, bench_line *l)
{
    const hf_step s = hf_line_step(&l->line);
    if (s == HF_FAULT) {
        fail(b, hf_calling_layer_of(l->line.stage), "a connection cannot be made", l->line.words);
        end_line(l);
    }
    if (s != HF_EVENT)
        return;
    const bool two = l->line.tls != NULL ? hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(l->line.tls)), hf_text("h2")) : b->version == HF_HTTP_2;
    l->ready = hf_fetch_open(&l->fetch, &l->line, two ? HF_HTTP_2 : HF_HTTP_1_1);
    if (!l->ready)
        fail(b, HF_EXIT_FAILED, "memory", "there is no more");
    else if (b->version != 0 && hf_fetch_version(&l->fetch) != b->version)
        fail(b, HF_EXIT_HTTP, b->url.host, hf_err_text(hf_err_make(HF_ERR_CLIENT_NO_VERSION)));
    else
        b->spoken = hf_fetch_version(&l->fetch);
}

/* True: something happened. */
static bool step(bench *b, bench_line *l)
{
    bool any = false;
    hf_time now = hf_dialer_now(b->dialer);
    if (!l->begun && may_ask(b, now))
        begin_line(b, l);
    if (l->begun && !l->ready)
        open_on(b, l);
    if (!l->ready)
        return false;
    ask(b, l, now);
    for (;;) {
        hf_fetch_event e;
        hf_err why;
        const hf_step s = hf_fetch_turn(&l->fetch, &e, &why);
        if (s == HF_IDLE && !(l->busy == 0 && (hf_fetch_is_over(&l->fetch) || (b->fresh && l->fetch.asked > 0))))
            return any;
        if (s != HF_EVENT) {
            lose(b, l);
            return true;
        }
        any = true;
        now = hf_dialer_now(b->dialer);
        hear(b, l, &e, now);
        if (e.kind == HF_FETCH_END)
            ask(b, l, now);
    }
}

static void run(bench *b)
{
    b->began = hf_dialer_now(b->dialer);
    b->end = hf_time_after(b->began, b->span_ns);
    const hf_time last = hf_time_after(b->end, HF_SECONDS(10)); /* for what was asked in time */
    for (bool under_way = true; under_way;) {
        hf_time now = hf_dialer_now(b->dialer), wake = last;
        bool any = false;
        under_way = hf_time_before(now, b->end) && b->wrong[0] == 0 && (b->requests == 0 || b->asked < b->requests);
        if (b->rate > 0 && under_way)
            wake = due(b, now);
        for (uint64_t i = 0; i < b->connections; i++) {
            bench_line *const l = b->lines[i];
            any = step(b, l) || any;
            under_way = under_way || (l->busy > 0 && hf_time_before(now, last) && b->wrong[0] == 0);
            if (l->begun)
                wake = hf_time_earlier(wake, l->ready ? hf_fetch_wake(&l->fetch) : hf_line_wake(&l->line));
        }
        if (!any && under_way && b->wrong[0] == 0)
            (void)hf_dialer_wait(b->dialer, wake, -1);
    }
    b->end = hf_dialer_now(b->dialer);
    for (uint64_t i = 0; i < b->connections; i++)
        b->failed += b->lines[i]->busy;
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

static void tell_json(const bench *b, double seconds)
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

static void tell_text(const bench *b, double seconds)
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

/* ---- the command -------------------------------------------------------------------------------------------- */

static hf_exit prepare(bench *b)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_dialer_options options = { .roots = option(b, "cacert"), .insecure = hf_arguments_on(b->arguments, b->cli->command, "insecure") };
    hf_exit bad = take_all(b);
    bad = bad == HF_EXIT_OK ? hf_calling_open_net(b->cli, b->arguments, &b->net) : bad;
    if (bad != HF_EXIT_OK)
        return bad;
    options.world = hf_calling_world(b->net);
    b->dialer = hf_dialer_new(&options, &why);
    if (b->dialer == NULL)
        return hf_cli_failed(b->cli, "%.*s", HF_STR(hf_written(&why)));
    b->took = calloc(1, sizeof *b->took);
    b->lines = calloc(b->connections, sizeof *b->lines);
    for (uint64_t i = 0; b->lines != NULL && i < b->connections; i++)
        if ((b->lines[i] = calloc(1, sizeof **b->lines)) == NULL)
            return hf_cli_failed(b->cli, "out of memory");
    return b->took != NULL && b->lines != NULL ? HF_EXIT_OK : hf_cli_failed(b->cli, "out of memory");
}

int hf_command_bench(hf_cli *cli, const hf_arguments *arguments)
{
    static bench b; /* large */
    b = (bench){ .cli = cli, .arguments = arguments, .connections = 16, .streams = 1 };
    hf_exit result = prepare(&b);
    if (result == HF_EXIT_OK) {
        run(&b);
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
            end_line(b.lines[i]);
        free(b.lines[i]);
    }
    free(b.lines);
    free(b.took);
    hf_dialer_free(b.dialer);
    hf_calling_close_net(b.net);
    return result;
}
