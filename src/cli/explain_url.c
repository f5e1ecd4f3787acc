/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_url.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "calling.h"
#include "get.h"
#include "text.h"

enum { BODY_ENOUGH = 4 << 20, REDIRECTS_MOST = HF_TRAIL_HOPS - 1 };

/* ---- what the dialer saw -------------------------------------------------------------------------------------- */

static void see_tls(hf_trail_hop *h, const hf_dial_event *e)
{
    const hf_bytes protocol = hf_tls_protocol(e->tls);
    h->tls_tried = true;
    h->tls_ns = e->ended.ns - e->began.ns;
    h->tls_err = e->err;
    h->fault = *hf_tls_fault_of(e->tls);
    h->secured = e->err.code == 0;
    if (!h->secured)
        return;
    snprintf(h->tls_version, sizeof h->tls_version, "%s", hf_tls_version(e->tls) == HF_TLS_1_3 ? "TLS 1.3" : "TLS 1.2");
    snprintf(h->suite, sizeof h->suite, "%s", hf_tls_suite(e->tls));
    snprintf(h->group, sizeof h->group, "%s", hf_tls_group(e->tls));
    snprintf(h->protocol, sizeof h->protocol, "%.*s", HF_STR(protocol));
}

static void see(void *observer, const hf_dial_event *e)
{
    hf_trail_hop *const h = ((hf_trail *)observer)->hop;
    switch (e->step) {
    case HF_DIAL_NAME:
        h->name_ns = e->ended.ns - e->began.ns;
        snprintf(h->looked_up, sizeof h->looked_up, "%s", e->host);
        snprintf(h->name_words, sizeof h->name_words, "%s", e->words != NULL ? e->words : "");
        h->address_count = e->address_count < HF_TRAIL_ADDRESSES ? e->address_count : HF_TRAIL_ADDRESSES;
        memcpy(h->addresses, e->addresses, h->address_count * sizeof *h->addresses);
        break;
    case HF_DIAL_ADDRESS:
        h->connected = e->err.code == 0;
        if (h->try_count == HF_TRAIL_ADDRESSES)
            break;
        h->tries[h->try_count] = (hf_trail_try){ .address = e->addresses[0], .ns = e->ended.ns - e->began.ns, .err = e->err };
        snprintf(h->tries[h->try_count].words, sizeof h->tries[0].words, "%s", e->words != NULL ? e->words : "");
        h->try_count++;
        break;
    case HF_DIAL_CHAIN:
        h->chain_length = hf_chain_length(e->chain);
        hf_chain_describe(e->chain, 0, &h->leaf);
        h->judged = e->verdict != NULL;
        if (h->judged)
            h->chain = *e->verdict;
        break;
    case HF_DIAL_TLS: see_tls(h, e); break;
    case HF_DIAL_QUIC: break;
    }
}

bool hf_trail_is_loopback(const hf_trail_hop *h)
{
    const hf_address *const a = h->try_count > 0 ? &h->tries[h->try_count - 1].address : NULL;
    static const uint8_t one[16] = { [15] = 1 };
    return a != NULL && (a->family == 4 ? a->ip[0] == 127 : memcmp(a->ip, one, sizeof one) == 0);
}

bool hf_trail_is_named(const hf_trail_hop *h)
{
    return h->url.host[strspn(h->url.host, "0123456789.")] != 0 && strchr(h->url.host, ':') == NULL;
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static bool is_redirect(uint16_t s)
{
    return s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
}

static bool take_head(hf_trail_hop *h, const hf_response_head *head, int64_t ns)
{
    const hf_field *const where = hf_fields_find(head->fields, HF_FIELD_LOCATION);
    if (head->status < 200)
        return true;
    h->answered = true;
    h->status = head->status;
    h->version = head->version;
    h->closes = head->close;
    h->head_ns = ns;
    if (is_redirect(head->status) && where != NULL && !hf_client_url_join(&h->url, where->value, h->next, sizeof h->next))
        h->next[0] = 0;
    return hf_calling_keep_fields(head->fields, h->fields, HF_TRAIL_FIELDS, &h->field_count, &h->memory);
}

static bool is_stream(const hf_trail_hop *h)
{
    const hf_field *const type = hf_fields_find((hf_fields){ h->fields, h->field_count }, HF_FIELD_CONTENT_TYPE);
    return type != NULL && hf_starts_with(type->value, hf_text("text/event-stream"));
}

/* Until the answer is whole, enough of it was read, or it failed: http_err. */
static void hear(hf_trail *y, hf_trail_hop *h, hf_fetch *fetch)
{
    const hf_time began = hf_dialer_now(fetch->line->dialer), until = hf_time_after(began, y->patience_ns);
    while (!h->whole && !h->cut && h->http_err.code == 0) {
        hf_fetch_event e = { .kind = HF_FETCH_END };
        hf_err why;
        const hf_step step = hf_fetch_step(fetch, &e, &why);
        const hf_time now = hf_dialer_now(fetch->line->dialer);
        if (step == HF_IDLE && hf_time_before(now, until))
            (void)hf_dialer_wait(fetch->line->dialer, hf_time_earlier(until, hf_fetch_wake(fetch)), -1);
        else if (step == HF_IDLE)
            h->http_err = hf_err_make(HF_ERR_IO_TIMEOUT);
        else if (step != HF_EVENT)
            h->http_err = why;
        else if (e.kind == HF_FETCH_HEAD && !take_head(h, &e.head, now.ns - began.ns))
            h->http_err = hf_err_make(HF_ERR_BASE_MEMORY);
        else if (e.kind == HF_FETCH_BODY)
            h->body += e.body.len;
        const bool late = step == HF_EVENT && !hf_time_before(now, until); /* it never ends, and never rests */
        h->whole = step == HF_EVENT && e.kind == HF_FETCH_END;
        h->cut = !h->whole && h->answered && (h->body >= BODY_ENOUGH || is_stream(h) || late);
        if (late && !h->answered)
            h->http_err = hf_err_make(HF_ERR_IO_TIMEOUT);
        h->body_ns = now.ns - began.ns;
    }
}

static void ask(hf_trail *y, hf_trail_hop *h, hf_line *line)
{
    const hf_field fields[] = {
        { HF_LITERAL("Host"), h->url.authority, HF_FIELD_HOST },
        { HF_LITERAL("User-Agent"), HF_LITERAL("handfast/" HF_VERSION), HF_FIELD_USER_AGENT },
        { HF_LITERAL("Accept"), HF_LITERAL("text/html, */*;q=0.9"), HF_FIELD_ACCEPT },
        { HF_LITERAL("Accept-Encoding"), hf_text(hf_get_codings()), HF_FIELD_ACCEPT_ENCODING },
    };
    const hf_request_head head = { .method = hf_method_parse(hf_text("GET")), .method_name = HF_LITERAL("GET"), .version = HF_HTTP_1_1,
        .scheme = hf_text(h->url.secure ? "https" : "http"), .authority = h->url.authority, .target = h->url.target,
        .fields = { fields, HF_COUNT(fields) }, .content_length = HF_LENGTH_NONE };
    const bool two = line->tls != NULL && hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(line->tls)), hf_text("h2"));
    hf_fetch fetch;
    h->asked = true;
    h->http_err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (hf_fetch_open(&fetch, line, two ? HF_HTTP_2 : HF_HTTP_1_1))
        h->http_err = hf_fetch_request(&fetch, &head, hf_bytes_make(NULL, 0));
    if (h->http_err.code == 0)
        hear(y, h, &fetch);
    hf_fetch_close(&fetch);
}

static bool offer(hf_line *line, hf_dialer *d, const hf_client_url *url)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    return hf_line_open(line, d, url, both, HF_COUNT(both));
}

/* Does the port speak the other of TLS and plain HTTP? One more connection says. */
static bool speaks_other(hf_trail *y, const hf_trail_hop *failed)
{
    hf_line line;
    hf_trail_hop *const probe = calloc(1, sizeof *probe);
    bool does = false;
    if (probe == NULL)
        return false;
    (void)hf_client_url_parse(failed->text, &probe->url);
    probe->url.secure = !failed->url.secure;
    if (offer(&line, y->blind, &probe->url)) {
        if (!probe->url.secure)
            ask(y, probe, &line);
        does = probe->url.secure || probe->answered;
        hf_line_close(&line);
    }
    free(probe->memory);
    free(probe);
    return does;
}

/* ---- the verdict ---------------------------------------------------------------------------------------------- */

static void HF_PRINTF(3, 4) fail(hf_trail_hop *h, hf_exit layer, const char *format, ...)
{
    va_list arguments;
    h->failed = layer;
    va_start(arguments, format);
    vsnprintf(h->verdict, sizeof h->verdict, format, arguments);
    va_end(arguments);
}

const char *hf_trail_tcp_means(const hf_trail_try *t)
{
    switch (t->err.code) {
    case HF_ERR_IO_REFUSED:
        return "the host is there, and nothing listens on this port of this address (or a firewall refuses in its name): "
               "is the server running, and bound to this address?";
    case HF_ERR_IO_TIMEOUT: return "no answer at all: a firewall drops the packets, the host is down, or the address is wrong";
    case HF_ERR_IO_RESET: return "the connection was reset while it was made: a firewall, or a server that is overwhelmed";
    case HF_ERR_IO_DESCRIPTORS: return "this process has no descriptor left (ulimit -n)";
    default: break;
    }
    if (strcmp(t->words, strerror(ENETUNREACH)) == 0)
        return "this machine has no route to it: often an IPv6 address where there is no IPv6";
    if (strcmp(t->words, strerror(EHOSTUNREACH)) == 0)
        return "a router, or the neighbour itself, says that the host cannot be reached: it is down, or a firewall says so";
    if (strcmp(t->words, strerror(EADDRNOTAVAIL)) == 0)
        return "no port is left here for connections to it (handfast ports says more), or this machine lacks such an address";
    if (strcmp(t->words, strerror(EACCES)) == 0 || strcmp(t->words, strerror(EPERM)) == 0)
        return "a firewall on this machine forbids it";
    return "see the system's words";
}

static void conclude_tcp(hf_trail_hop *h)
{
    const hf_trail_try *const last = &h->tries[h->try_count > 0 ? h->try_count - 1 : 0];
    if (h->try_count == 0)
        fail(h, HF_EXIT_TCP, "No connection could be tried.");
    else if (h->try_count == 1)
        fail(h, HF_EXIT_TCP, "TCP fails: %s.", hf_err_text(last->err));
    else
        fail(h, HF_EXIT_TCP, "TCP fails at all %zu addresses; the last: %s.", h->try_count, hf_err_text(last->err));
}

static void conclude_tls(hf_trail *y, hf_trail_hop *h, const char *words)
{
    const bool chain = h->judged && h->chain.err.code != 0;
    if (!h->tls_tried) {
        snprintf(h->tls_words, sizeof h->tls_words, "%s", words);
        fail(h, HF_EXIT_TLS, "TLS cannot be judged: %s.", words);
        return;
    }
    h->other = !chain && !h->fault.remote && speaks_other(y, h);
    if (h->other)
        fail(h, HF_EXIT_TLS, "The port speaks plain HTTP, not TLS: use http://, or switch TLS on there.");
    else if (chain)
        fail(h, HF_EXIT_TLS, "The certificate is refused: %s.", hf_err_text(h->chain.err));
    else
        fail(h, HF_EXIT_TLS, "The TLS handshake fails: %s%s.", hf_err_text(h->tls_err), h->fault.remote ? ", says the server" : "");
}

/* With a cookie it may be a test of whether cookies come back: then it is no loop for a browser. */
static bool leads_to_itself(const hf_trail_hop *h)
{
    char self[HF_CLIENT_URL_BYTES];
    return h->next[0] != 0 && hf_fields_find((hf_fields){ h->fields, h->field_count }, HF_FIELD_SET_COOKIE) == NULL &&
           hf_client_url_join(&h->url, h->url.target, self, sizeof self) && strcmp(self, h->next) == 0;
}

static void conclude_http(hf_trail *y, hf_trail_hop *h)
{
    const hf_bytes phrase = hf_status_phrase(h->status);
    const bool plain_refused = !h->url.secure && (!h->answered || h->status == 400);
    h->other = plain_refused && speaks_other(y, h);
    if (h->other)
        fail(h, HF_EXIT_HTTP, "The port speaks TLS, not plain HTTP: use https://.");
    else if (!h->answered && h->http_err.code == HF_ERR_IO_TIMEOUT)
        fail(h, HF_EXIT_HTTP, "The connection stands, and the server does not answer the request within %.3g s.", (double)y->patience_ns / 1e9);
    else if (!h->answered)
        fail(h, HF_EXIT_HTTP, "What came is no HTTP, or nothing came: %s.", hf_err_text(h->http_err));
    else if (h->http_err.code != 0)
        fail(h, HF_EXIT_HTTP, "The answer begins and is not whole: %s.", hf_err_text(h->http_err));
    else if (h->status >= 400)
        fail(h, HF_EXIT_HTTP, "Name, TCP%s and HTTP work; the server answers %u %.*s.", h->url.secure ? ", TLS" : "", h->status, HF_STR(phrase));
    else if (leads_to_itself(h))
        fail(h, HF_EXIT_HTTP, "The page redirects to itself: browsers give up with ERR_TOO_MANY_REDIRECTS.");
}

static void conclude_policy(const hf_trail *y, hf_trail_hop *h)
{
    const hf_answer answer = { .status = h->status, .version = h->version, .secure = h->url.secure, .loopback = hf_trail_is_loopback(h),
        .by_address = !hf_trail_is_named(h), .closes = h->closes, .body = h->body,
        .fields = { h->fields, h->field_count } };
    size_t weak = 0;
    h->finding_count = hf_findings(&answer, h->findings, HF_FINDINGS_MOST);
    for (size_t i = 0; i < h->finding_count; i++)
        weak += h->findings[i].weight >= HF_WEIGHT_WEAK;
    if (h->failed != HF_EXIT_OK)
        return;
    if (h->finding_count > 0 && (h->findings[0].weight == HF_WEIGHT_WRONG || (y->strict && weak > 0)))
        fail(h, HF_EXIT_POLICY, "The connection works; its policy does not: %s: %s.", h->findings[0].subject, h->findings[0].found);
    else if (h->next[0] != 0)
        snprintf(h->verdict, sizeof h->verdict, "All layers work, and lead on to %.500s.", h->next);
    else if (weak > 0)
        snprintf(h->verdict, sizeof h->verdict, "All layers work; %zu thing%s in the answer could protect more.", weak, weak == 1 ? "" : "s");
    else
        snprintf(h->verdict, sizeof h->verdict, "All layers work.");
}

/* ---- the walk ------------------------------------------------------------------------------------------------- */

static void walk(hf_trail *y, hf_trail_hop *h)
{
    hf_line line;
    y->hop = h;
    if (offer(&line, y->dialer, &h->url)) {
        ask(y, h, &line);
        hf_line_close(&line);
        conclude_http(y, h);
        if (h->answered && !h->other)
            conclude_policy(y, h);
    } else if (line.stage == HF_LINE_NAME) {
        fail(h, HF_EXIT_DNS, "The name %s is not known here: %s.", h->looked_up, h->name_words);
    } else if (line.stage == HF_LINE_CONNECT) {
        conclude_tcp(h);
    } else {
        conclude_tls(y, h, line.words);
    }
}

static bool was_seen(const hf_trail *y, char *const *seen, const char *url)
{
    for (size_t i = 0; i < y->hops; i++)
        if (seen[i] != NULL && strcmp(seen[i], url) == 0)
            return true;
    return false;
}

/* Where it leads: empty when here is the end. */
static hf_exit one_hop(hf_trail *y, char **seen, char next[HF_CLIENT_URL_BYTES])
{
    hf_trail_hop *const h = calloc(1, sizeof *h);
    if (h == NULL || (seen[y->hops] = strdup(next)) == NULL) {
        free(h);
        return hf_cli_failed(y->cli, "out of memory");
    }
    y->hops++;
    snprintf(h->text, sizeof h->text, "%s", next);
    const char *const wrong = hf_client_url_parse(h->text, &h->url);
    if (wrong != NULL || h->url.live)
        fail(h, HF_EXIT_HTTP, "It redirects to %.300s: %s.", h->text, wrong != NULL ? wrong : "that is no page");
    else
        walk(y, h);
    if (y->follows && h->failed == HF_EXIT_OK && was_seen(y, seen, h->next))
        fail(h, HF_EXIT_HTTP, "The redirects go round in a circle (no cookies were sent): %.300s was asked already.", h->next);
    else if (y->follows && h->failed == HF_EXIT_OK && h->next[0] != 0 && y->hops > REDIRECTS_MOST)
        fail(h, HF_EXIT_HTTP, "More than %d redirects: browsers give up with ERR_TOO_MANY_REDIRECTS.", REDIRECTS_MOST);
    hf_trail_tell(y, h);
    const hf_exit failed = h->failed;
    snprintf(next, HF_CLIENT_URL_BYTES, "%s", y->follows && failed == HF_EXIT_OK ? h->next : "");
    free(h->memory);
    free(h);
    return failed;
}

static hf_exit walk_all(hf_trail *y, const char *url)
{
    char *seen[HF_TRAIL_HOPS + 1] = { NULL }, next[HF_CLIENT_URL_BYTES];
    hf_exit result = HF_EXIT_OK;
    snprintf(next, sizeof next, "%s", url);
    if (y->json)
        fputs("[", y->cli->out);
    while (result == HF_EXIT_OK && next[0] != 0)
        result = one_hop(y, seen, next);
    if (y->json)
        fputs("\n]\n", y->cli->out);
    for (size_t i = 0; i < HF_COUNT(seen); i++)
        free(seen[i]);
    return result;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static hf_exit prepare(hf_trail *y, const hf_arguments *arguments)
{
    const hf_given *const roots = hf_arguments_find(arguments, "roots"), *const wait = hf_arguments_find(arguments, "timeout");
    char *end = NULL, text[512];
    const double seconds = wait != NULL ? strtod(wait->value, &end) : 10;
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    if (wait != NULL && (end == wait->value || *end != 0 || !(seconds > 0) || seconds > 1e6))
        return hf_cli_misuse(y->cli, "--timeout %s: give seconds, such as 10 or 0.5", wait->value);
    y->patience_ns = (int64_t)(seconds * 1e9);
    const hf_dialer_options blind = { .insecure = true, .connect_ns = y->patience_ns };
    const hf_dialer_options options = { .roots = roots != NULL ? roots->value : NULL, .insecure = y->insecure, .connect_ns = y->patience_ns,
        .observe = see, .observer = y };
    y->dialer = hf_dialer_new(&options, &why);
    y->blind = y->dialer != NULL ? hf_dialer_new(&blind, &why) : NULL;
    return y->blind != NULL ? HF_EXIT_OK : hf_cli_failed(y->cli, "%.*s", HF_STR(hf_written(&why)));
}

int hf_explain_url(hf_cli *cli, const hf_arguments *arguments)
{
    hf_trail y = { .cli = cli };
    static hf_client_url url; /* large */
    const char *const text = arguments->operands[0], *const wrong = hf_client_url_parse(text, &url);
    if (hf_arguments_find(arguments, "origin") != NULL || hf_arguments_on(arguments, cli->command, "cookies"))
        return hf_explain_browser(cli, arguments);
    y.json = hf_arguments_on(arguments, cli->command, "json");
    y.follows = hf_arguments_on(arguments, cli->command, "location");
    y.insecure = hf_arguments_on(arguments, cli->command, "insecure");
    y.strict = hf_arguments_on(arguments, cli->command, "strict");
    if (wrong != NULL || url.live)
        return hf_cli_misuse(cli, "%s: %s", text, wrong != NULL ? wrong : "give it as http:// or https://");
    hf_exit result = prepare(&y, arguments);
    if (result == HF_EXIT_OK)
        result = walk_all(&y, text);
    hf_dialer_free(y.blind);
    hf_dialer_free(y.dialer);
    return result;
}
