/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_url.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "mixed_content.h"
#include "text.h"

static const int64_t probe_most_ns = HF_SECONDS(3);

enum { REDIRECTS_MOST = HF_TRAIL_HOPS - 1, H2_WINDOW_LEAST = 65535, AGAIN_MOST = 65536 };

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
    if (h == NULL)
        return;
    switch (e->step) {
    case HF_DIAL_NAME:
        h->name_ns = e->ended.ns - e->began.ns;
        snprintf(h->looked_up, sizeof h->looked_up, "%s", e->host);
        snprintf(h->name_words, sizeof h->name_words, "%s", e->words != NULL ? e->words : "");
        h->address_count = e->address_count < HF_TRAIL_ADDRESSES ? e->address_count : HF_TRAIL_ADDRESSES;
        memcpy(h->addresses, e->addresses, h->address_count * sizeof *h->addresses);
        break;
    case HF_DIAL_RECORD:
        h->recorded = true;
        h->record = *e->record;
        snprintf(h->record_words, sizeof h->record_words, "%s", e->words != NULL ? e->words : "");
        snprintf(h->leads_to, sizeof h->leads_to, "%s", e->host);
        break;
    case HF_DIAL_ADDRESS:
        h->connected = e->err.code == 0;
        h->by_tcp = (hf_trail_packets){ e->packets_out, e->packets_in };
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
    case HF_DIAL_TLS:
        h->by_tls = (hf_trail_packets){ e->packets_out, e->packets_in };
        see_tls(h, e);
        break;
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

/* ---- the verdict ---------------------------------------------------------------------------------------------- */

static void HF_PRINTF(4, 5) fail(hf_trail_hop *h, hf_exit layer, hf_err cause, const char *format, ...)
{
    va_list arguments;
    h->failed = layer;
    h->cause = cause;
    va_start(arguments, format);
    vsnprintf(h->verdict, sizeof h->verdict, format, arguments);
    va_end(arguments);
}

static void fail_as(hf_trail_hop *h, hf_exit layer, int32_t code, const char *sentence)
{
    const hf_err cause = hf_err_make(code);
    fail(h, layer, cause, "%s: %s.", sentence, hf_err_text(cause));
}

static bool is_late(hf_err err)
{
    return err.code == HF_ERR_IO_TIMEOUT || err.code == HF_ERR_TLS_TIMEOUT || err.code == HF_ERR_HTTP1_RESPONSE_TIMEOUT || err.code == HF_ERR_HTTP2_RESPONSE_TIMEOUT;
}

const char *hf_trail_tcp_means(const hf_trail_try *t)
{
    switch (t->err.code) {
    case HF_ERR_IO_REFUSED:
        return "the host is there, and nothing listens on this port of this address (or a firewall refuses in its name): "
               "is the server running, and bound to this address?";
    case HF_ERR_IO_TIMEOUT: return "no answer at all: a firewall drops the packets, the host is down, or the address is wrong";
    case HF_ERR_IO_RESET: return "the connection was reset while it was made: a firewall, or a server that is overwhelmed";
    case HF_ERR_IO_DESCRIPTORS:
        return "this process has no descriptor left, and a connection needs one: raise its limit (ulimit -n, LimitNOFILE= in systemd), or close what it holds; "
               "handfast doctor shows the limits";
    default: break;
    }
    if (strcmp(t->words, strerror(ENETUNREACH)) == 0)
        return "this machine has no route to it: often an IPv6 address where there is no IPv6";
    if (strcmp(t->words, strerror(EHOSTUNREACH)) == 0)
        return "a router, or the neighbour itself, says that the host cannot be reached: it is down, or a firewall says so";
    if (strcmp(t->words, strerror(EADDRNOTAVAIL)) == 0)
        return "no port is left here for connections to it, each of which takes one until it is over, and a minute more in TIME_WAIT: keep connections and use "
               "them again, or widen net.ipv4.ip_local_port_range; handfast ports counts who has them";
    if (strcmp(t->words, strerror(EACCES)) == 0 || strcmp(t->words, strerror(EPERM)) == 0)
        return "a firewall on this machine forbids it";
    return "see the system's words";
}

static void conclude_tcp(hf_trail_hop *h)
{
    const hf_trail_try *const last = &h->tries[h->try_count > 0 ? h->try_count - 1 : 0];
    const bool here = h->try_count > 0 && (last->err.code == HF_ERR_IO_DESCRIPTORS || strcmp(last->words, strerror(EADDRNOTAVAIL)) == 0);
    if (here) /* the server was not even asked */
        fail(h, HF_EXIT_TCP, last->err, "TCP fails on this machine: %s.", last->err.code == HF_ERR_IO_DESCRIPTORS ? "no descriptor is left" : "no port is left for connections to there");
    else if (h->try_count == 0)
        fail(h, HF_EXIT_TCP, hf_err_make(HF_ERR_IO_SYSTEM), "No connection could be tried.");
    else if (h->try_count == 1)
        fail(h, HF_EXIT_TCP, last->err, "TCP fails: %s.", hf_err_text(last->err));
    else
        fail(h, HF_EXIT_TCP, last->err, "TCP fails at all %zu addresses; the last: %s.", h->try_count, hf_err_text(last->err));
}

/* Nothing that TLS could judge came: why? */
static void conclude_no_hello(hf_trail *y, hf_trail_hop *h)
{
    const bool late = is_late(h->tls_err);
    hf_trail_try_hello(y, h);
    if (late && !(h->hello_tried && !h->hello_passes))
        hf_trail_try_small_segments(y, h);
    if (h->hello_tried && !h->hello_passes)
        fail_as(h, HF_EXIT_TLS, HF_ERR_EXPLAIN_HELLO_LARGE, "A small ClientHello is answered, and ours is not");
    else if (h->mtu)
        fail_as(h, HF_EXIT_TLS, HF_ERR_EXPLAIN_PATH_MTU, "The server's answer comes in small segments, and not in large ones");
    else if (late)
        fail_as(h, HF_EXIT_TLS, HF_ERR_EXPLAIN_HELLO_UNANSWERED, "The TLS handshake fails: the connection stands, and nothing comes");
    else
        fail_as(h, HF_EXIT_TLS, HF_ERR_EXPLAIN_HELLO_RESET, "The TLS handshake fails: the connection ends without a word");
}

static void conclude_tls(hf_trail *y, hf_trail_hop *h, const char *words, hf_err err)
{
    const bool chain = h->judged && h->chain.err.code != 0;
    if (!h->tls_tried) {
        snprintf(h->tls_words, sizeof h->tls_words, "%s", words);
        fail(h, HF_EXIT_TLS, err, "TLS cannot be judged: %s.", words);
        return;
    }
    h->other = !chain && !h->fault.remote && hf_trail_speaks_other(y, h);
    if (h->other)
        fail(h, HF_EXIT_TLS, hf_err_make(HF_ERR_EXPLAIN_PLAIN_HTTP), "The port speaks plain HTTP, not TLS: use http://, or switch TLS on there.");
    else if (chain)
        fail(h, HF_EXIT_TLS, h->chain.err, "The certificate is refused: %s.", hf_err_text(h->chain.err));
    else if (is_late(h->tls_err) || h->tls_err.code == HF_ERR_IO_RESET || (h->tls_err.code == HF_ERR_TLS_TRUNCATED && h->chain_length == 0))
        conclude_no_hello(y, h);
    else
        fail(h, HF_EXIT_TLS, h->tls_err, "The TLS handshake fails: %s%s.", hf_err_text(h->tls_err), h->fault.remote ? ", says the server" : "");
}

/* With a cookie it may be a test of whether cookies come back: then it is no loop for a browser. */
static bool leads_to_itself(const hf_trail_hop *h)
{
    char self[HF_CLIENT_URL_BYTES];
    return h->next[0] != 0 && hf_fields_find((hf_fields){ h->fields, h->field_count }, HF_FIELD_SET_COOKIE) == NULL &&
           hf_client_url_join(&h->url, h->url.target, self, sizeof self) && strcmp(self, h->next) == 0;
}

/* The connection stood, and no answer came. */
static void conclude_silence(hf_trail *y, hf_trail_hop *h)
{
    const bool late = is_late(h->http_err);
    if (late)
        hf_trail_try_small_segments(y, h);
    if (h->given_up)
        fail_as(h, HF_EXIT_HTTP, HF_ERR_EXPLAIN_GOAWAY_LOOP, "The request is refused on this connection and on the next");
    else if (h->mtu)
        fail_as(h, HF_EXIT_HTTP, HF_ERR_EXPLAIN_PATH_MTU, "The answer comes in small segments, and not in large ones");
    else if (late)
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_EXPLAIN_SILENT), "The connection stands, and the server does not answer the request within %.3g s.", (double)y->patience_ns / 1e9);
    else if (h->http_err.code >> 16 == HF_AREA_TLS && h->http_err.code != HF_ERR_TLS_TRUNCATED) /* of TLS 1.3: the server looks at us after we have looked at it */
        fail(h, HF_EXIT_TLS, h->http_err, "TLS ends when the request was sent: %s.", hf_err_text(h->http_err));
    else
        fail(h, HF_EXIT_HTTP, h->http_err, "What came is no HTTP, or nothing came: %s.", hf_err_text(h->http_err));
}

/* The answer began. RFC 9113 6.9.2: a stream's window is 65,535 bytes until SETTINGS and WINDOW_UPDATE say more. */
static void conclude_broken(hf_trail *y, hf_trail_hop *h)
{
    const bool late = is_late(h->http_err);
    if (late)
        hf_trail_try_small_segments(y, h);
    if (h->mtu)
        fail_as(h, HF_EXIT_HTTP, HF_ERR_EXPLAIN_PATH_MTU, "The answer begins and stops, and goes on in small segments");
    else if (late && h->version == HF_HTTP_2 && h->body == H2_WINDOW_LEAST)
        fail_as(h, HF_EXIT_HTTP, HF_ERR_EXPLAIN_WINDOW, "The answer begins and is not whole: it stops after 65535 bytes");
    else if (late)
        fail_as(h, HF_EXIT_HTTP, HF_ERR_EXPLAIN_STALLED, "The answer begins and is not whole");
    else
        fail(h, HF_EXIT_HTTP, h->http_err, "The answer %s: %s.", h->whole ? "is over, and more comes" : "begins and is not whole", hf_err_text(h->http_err));
}

static void conclude_websocket(hf_trail_hop *h)
{
    const int32_t code = h->status == 403 ? HF_ERR_WEBSOCKET_ORIGIN : h->status == 426 ? HF_ERR_WEBSOCKET_VERSION : h->http_err.code;
    if (h->status == 101)
        fail(h, HF_EXIT_HTTP, h->http_err, "The server switches protocols, and not as it should: %s.", hf_err_text(h->http_err));
    else
        fail(h, HF_EXIT_HTTP, hf_err_make(code), "No WebSocket opens: the server answers %u %.*s.", h->status, HF_STR(hf_status_phrase(h->status)));
}

static void conclude_http(hf_trail *y, hf_trail_hop *h)
{
    const hf_bytes phrase = hf_status_phrase(h->status);
    const bool plain_refused = !h->url.secure && (!h->answered || h->status == 400);
    h->other = plain_refused && !h->given_up && hf_trail_speaks_other(y, h);
    if (h->other)
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_EXPLAIN_TLS_ON_PLAIN), "The port speaks TLS, not plain HTTP: use https://.");
    else if (!h->answered)
        conclude_silence(y, h);
    else if (h->url.live && h->http_err.code != 0)
        conclude_websocket(h);
    else if (h->http_err.code != 0)
        conclude_broken(y, h);
    else if (h->status >= 400)
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_EXPLAIN_STATUS), "Name, TCP%s and HTTP work; the server answers %u %.*s.", h->url.secure ? ", TLS" : "", h->status, HF_STR(phrase));
    else if (leads_to_itself(h))
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_CLIENT_REDIRECTS), "The page redirects to itself: browsers give up with ERR_TOO_MANY_REDIRECTS.");
}

/* ---- what more connections say -------------------------------------------------------------------------------- */

static hf_exit http3_layer(const hf_trail_http3 *q)
{
    return !q->offered ? HF_EXIT_HTTP : q->err.code == HF_ERR_EXPLAIN_H3_NO_ANSWER ? HF_EXIT_TCP : HF_EXIT_TLS;
}

static void find_http3(const hf_trail *y, hf_trail_hop *h, hf_finding_list *l)
{
    static const char subject[] = "HTTP/3";
    const hf_trail_http3 *const q = &h->http3;
    if (q->offered && q->works)
        hf_finding_say(l, HF_WEIGHT_FINE, HF_OK, subject, "answers at UDP port %u, after %.1f ms", q->port, (double)q->ns / 1e6);
    else if (q->offered && q->tried)
        hf_finding_say(l, HF_WEIGHT_WEAK, q->err, subject, "Alt-Svc offers it at UDP port %u, and it fails: %s%s%s", q->port, hf_err_text(q->err), q->words[0] != 0 ? ": " : "", q->words);
    else if (q->tried && q->works)
        hf_finding_say(l, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_H3_NOT_OFFERED), subject, "answers at UDP port %u, and no Alt-Svc says so: browsers do not try it", q->port);
    else if (q->tried)
        hf_finding_say(l, HF_WEIGHT_WEAK, q->err, subject, "no Alt-Svc offers it, and at UDP port %u it fails: %s", q->port, hf_err_text(q->err));
    if (!y->wants_http3 || !h->url.secure || h->failed != HF_EXIT_OK || (q->offered && q->works))
        return;
    const hf_err cause = q->offered ? q->err : hf_err_make(HF_ERR_EXPLAIN_H3_NOT_OFFERED);
    fail(h, http3_layer(q), cause, "HTTP/%s works, and HTTP/3 does not: %s.", h->version == HF_HTTP_2 ? "2" : "1.1", hf_err_text(cause));
}

static void find_events(const hf_trail_hop *h, hf_finding_list *l)
{
    static const char subject[] = "text/event-stream";
    const hf_trail_events *const e = &h->events;
    if (!e->listened)
        return;
    if (e->cut_at > 0)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_EVENTS_BUFFERED), subject,
            "after %zu bytes nothing comes for a while, in the middle of an event: a buffer is filled first", e->cut_at);
    else if (e->bytes == 0)
        hf_finding_say(l, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_EVENTS_NONE), subject, "nothing came within %.1f s", (double)(h->body_ns - h->head_ns) / 1e9);
    else
        hf_finding_say(l, HF_WEIGHT_FINE, HF_OK, subject, "it streams: %zu events in %zu pieces, the first %.1f ms after the head", e->events, e->pieces,
            (double)(e->first_ns - h->head_ns) / 1e6);
    if (h->decoder != NULL)
        hf_finding_say(l, HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_EVENTS_BUFFERED), subject, "the stream is compressed: unless that is flushed with each event, it waits");
}

static void find_connection(const hf_trail_hop *h, hf_finding_list *l)
{
    if (h->hung_up)
        hf_finding_say(l, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_NOT_KEPT), "Connection", "the server did not say that it closes, and closed: a second request found nobody");
    else if (h->again)
        hf_finding_say(l, HF_WEIGHT_FINE, HF_OK, "Connection", "kept: a second request was answered after %.1f ms, without a new handshake", (double)h->again_ns / 1e6);
    if (h->hello_tried && h->secured && !h->hello_passes)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_HELLO_LARGE), "ClientHello", "one of %zu bytes, as browsers send, is not answered as ours is", h->hello_bytes);
}

static void find_mixed(const hf_trail_hop *h, hf_finding_list *l)
{
    const hf_mixed found = h->page != NULL && h->url.secure ? hf_mixed_content(hf_bytes_make(h->page, h->page_length)) : (hf_mixed){ .active = 0 };
    const hf_err err = hf_err_make(HF_ERR_EXPLAIN_MIXED_PAGE);
    const int n = (int)(found.first.len < 100 ? found.first.len : 100);
    if (found.active > 0)
        hf_finding_say(l, HF_WEIGHT_WRONG, err, "mixed content", "%zu scripts, styles or frames by http, which browsers block: %.*s", found.active, n, found.first.ptr);
    else if (found.passive > 0)
        hf_finding_say(l, HF_WEIGHT_WEAK, err, "mixed content", "%zu pictures or sounds by http, which browsers ask for by https: %.*s", found.passive, n, found.first.ptr);
}

static void look_further(hf_trail *y, hf_trail_hop *h)
{
    hf_finding_list l = { .at = h->findings, .count = h->finding_count, .capacity = HF_FINDINGS_MOST };
    if (h->secured)
        hf_trail_try_hello(y, h);
    hf_trail_try_http3(y, h);
    find_connection(h, &l);
    find_events(h, &l);
    find_mixed(h, &l);
    find_http3(y, h, &l);
    h->finding_count = l.count;
    hf_findings_sort(h->findings, h->finding_count);
}

static void conclude_policy(hf_trail *y, hf_trail_hop *h)
{
    const hf_answer answer = { .status = h->status, .version = h->version, .secure = h->url.secure, .loopback = hf_trail_is_loopback(h),
        .by_address = !hf_trail_is_named(h), .closes = h->closes, .body = h->body,
        .fields = { h->fields, h->field_count } };
    size_t weak = 0;
    h->finding_count = h->url.live ? 0 : hf_findings(&answer, h->findings, HF_FINDINGS_MOST);
    look_further(y, h);
    for (size_t i = 0; i < h->finding_count; i++)
        weak += h->findings[i].weight >= HF_WEIGHT_WEAK;
    if (h->failed != HF_EXIT_OK)
        return;
    const hf_finding *const worst = &h->findings[0];
    const hf_err cause = h->finding_count > 0 && worst->err.code != 0 ? worst->err : hf_err_make(HF_ERR_EXPLAIN_POLICY);
    if (h->finding_count > 0 && worst->weight == HF_WEIGHT_WRONG && (cause.code == HF_ERR_EXPLAIN_HELLO_LARGE || cause.code == HF_ERR_EXPLAIN_EVENTS_BUFFERED))
        fail(h, cause.code == HF_ERR_EXPLAIN_HELLO_LARGE ? HF_EXIT_TLS : HF_EXIT_HTTP, cause, "It works from here, and not for browsers: %s: %s.", worst->subject, worst->found);
    else if (h->finding_count > 0 && (worst->weight == HF_WEIGHT_WRONG || (y->strict && weak > 0)))
        fail(h, HF_EXIT_POLICY, cause, "The connection works; its policy does not: %s: %s.", worst->subject, worst->found);
    else if (h->next[0] != 0)
        snprintf(h->verdict, sizeof h->verdict, "All layers work, and lead on to %.500s.", h->next);
    else if (weak > 0)
        snprintf(h->verdict, sizeof h->verdict, "All layers work; %zu thing%s in the answer could protect more.", weak, weak == 1 ? "" : "s");
    else
        snprintf(h->verdict, sizeof h->verdict, "All layers work.");
}

/* ---- the walk ------------------------------------------------------------------------------------------------- */

/* RFC 9113 6.8: what a GOAWAY says was not processed may be asked again, on a new connection: once. */
static bool was_given_up(const hf_trail_hop *h)
{
    return !h->answered && (h->http_err.code == HF_ERR_HTTP2_NOT_PROCESSED || h->http_err.code == HF_ERR_HTTP2_PEER_CLOSED || h->http_err.code == HF_ERR_HTTP2_PEER_GOAWAY);
}

static bool ask_twice_at_most(hf_trail *y, hf_trail_hop *h, hf_line *line)
{
    hf_trail_ask(y, h, line);
    if (!was_given_up(h))
        return true;
    hf_line_close(line);
    y->hop = NULL;
    if (!hf_trail_offer(line, y->dialer, &h->url))
        return false;
    h->http_err = HF_OK;
    hf_trail_ask(y, h, line);
    h->given_up = was_given_up(h);
    return true;
}

static void walk(hf_trail *y, hf_trail_hop *h)
{
    hf_line line;
    y->hop = h;
    if (hf_trail_offer(&line, y->dialer, &h->url)) {
        const bool open = ask_twice_at_most(y, h, &line);
        if (open && h->whole && h->version < HF_HTTP_2 && !h->url.live && line.quic == NULL) {
            hf_line_pull(&line);
            if (hf_line_peek(&line).len > 0) /* RFC 9112 9.2: "a response without a request": the length was too small */
                h->http_err = hf_err_make(HF_ERR_HTTP1_UNEXPECTED_BYTES);
        }
        if (open && h->whole && !h->closes && !h->url.live && h->version < HF_HTTP_2 && h->status < 400 && h->body < AGAIN_MOST && h->http_err.code == 0)
            hf_trail_try_again(y, h, &line);
        hf_line_close(&line);
        conclude_http(y, h);
        if (h->answered && !h->other)
            conclude_policy(y, h);
    } else if (line.stage == HF_LINE_NAME) {
        fail(h, HF_EXIT_DNS, hf_err_make(HF_ERR_EXPLAIN_NAME), "The name %s is not known here: %s.", h->looked_up, h->name_words);
    } else if (line.stage == HF_LINE_CONNECT) {
        conclude_tcp(h);
    } else {
        conclude_tls(y, h, line.words, line.err);
    }
    y->hop = NULL;
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
    if (wrong != NULL || (h->url.live && y->hops > 1))
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_CLIENT_URL), "It redirects to %.300s: %s.", h->text, wrong != NULL ? wrong : "that is no page");
    else
        walk(y, h);
    if (y->follows && h->failed == HF_EXIT_OK && was_seen(y, seen, h->next))
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_CLIENT_REDIRECTS), "The redirects go round in a circle (no cookies were sent): %.300s was asked already.", h->next);
    else if (y->follows && h->failed == HF_EXIT_OK && h->next[0] != 0 && y->hops > REDIRECTS_MOST)
        fail(h, HF_EXIT_HTTP, hf_err_make(HF_ERR_CLIENT_REDIRECTS), "More than %d redirects: browsers give up with ERR_TOO_MANY_REDIRECTS.", REDIRECTS_MOST);
    hf_trail_tell(y, h);
    hf_trail_picture_hop(y, h);
    const hf_exit failed = h->failed;
    snprintf(next, HF_CLIENT_URL_BYTES, "%s", y->follows && failed == HF_EXIT_OK ? h->next : "");
    hf_trail_hop_free(h);
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
    y->probe_ns = y->patience_ns < probe_most_ns ? y->patience_ns : probe_most_ns;
    y->roots = roots != NULL ? roots->value : NULL;
    const hf_given *const servers = hf_arguments_find(arguments, "dns-servers");
    y->name_servers = servers != NULL ? servers->value : NULL;
    const hf_dialer_options blind = { .insecure = true, .connect_ns = y->probe_ns, .name_servers = y->name_servers };
    const hf_dialer_options options = { .roots = y->roots, .insecure = y->insecure, .connect_ns = y->patience_ns,
        .name_servers = y->name_servers, .observe = see, .observer = y };
    y->dialer = hf_dialer_new(&options, &why);
    y->blind = y->dialer != NULL ? hf_dialer_new(&blind, &why) : NULL;
    if (y->blind == NULL)
        return hf_cli_failed(y->cli, "%.*s", HF_STR(hf_written(&why)));
    return hf_dialer_crypto(y->blind) != NULL ? HF_EXIT_OK : hf_cli_failed(y->cli, "libcrypto cannot be used");
}

static hf_exit walk_and_draw(hf_trail *y, const hf_arguments *arguments, const char *url)
{
    const hf_given *const svg = hf_arguments_find(arguments, "svg");
    if (svg == NULL)
        return walk_all(y, url);
    FILE *const f = fopen(svg->value, "we");
    if (f == NULL)
        return hf_cli_failed(y->cli, "%s: %s", svg->value, strerror(errno));
    if (!hf_trail_picture_begin(y)) {
        fclose(f);
        return hf_cli_failed(y->cli, "out of memory");
    }
    const hf_exit result = walk_all(y, url);
    const bool drawn = hf_trail_picture_end(y, f) && !ferror(f), closed = fclose(f) == 0;
    return drawn && closed ? result : hf_cli_failed(y->cli, "%s: %s", svg->value, strerror(errno));
}

int hf_explain_url(hf_cli *cli, const hf_arguments *arguments)
{
    hf_trail y = { .cli = cli };
    static hf_client_url url; /* large */
    const char *const text = arguments->operands[0], *const wrong = hf_client_url_parse(text, &url);
    const hf_given *const origin = hf_arguments_find(arguments, "origin");
    if (wrong == NULL && !url.live && (origin != NULL || hf_arguments_on(arguments, cli->command, "cookies")))
        return hf_explain_browser(cli, arguments);
    y.json = hf_arguments_on(arguments, cli->command, "json");
    y.follows = hf_arguments_on(arguments, cli->command, "location");
    y.insecure = hf_arguments_on(arguments, cli->command, "insecure");
    y.strict = hf_arguments_on(arguments, cli->command, "strict");
    y.wants_http3 = hf_arguments_on(arguments, cli->command, "http3");
    y.origin = origin != NULL ? origin->value : NULL;
    if (wrong != NULL)
        return hf_cli_misuse(cli, "%s: %s", text, wrong);
    if (y.wants_http3 && !url.secure)
        return hf_cli_misuse(cli, "%s: HTTP/3 is for https", text);
    hf_exit result = prepare(&y, arguments);
    if (result == HF_EXIT_OK)
        result = walk_and_draw(&y, arguments, text);
    hf_dialer_free(y.blind);
    hf_dialer_free(y.dialer);
    return result;
}
