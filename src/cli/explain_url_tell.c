/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_url.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "address.h"
#include "date.h"
#include "error_names.h"
#include "outside_names.h"
#include "text.h"
#include "words.h"

enum { INDENT = 16, WIDTH = 100, BAR = 60 };

#define BOLD "\x1b[1m"
#define DIM "\x1b[2m"
#define RED "\x1b[31m"
#define GREEN "\x1b[32m"
#define YELLOW "\x1b[33m"
#define CYAN "\x1b[36m"

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void address_text(const hf_address *a, bool with_port, char text[80])
{
    hf_writer w = hf_writer_make(text, 79);
    hf_address_write(&w, a, with_port);
    text[w.length] = 0;
}

/* ---- text: pieces --------------------------------------------------------------------------------------------- */

static const char *paint(const hf_trail *y, const char *code)
{
    return y->cli->colour_out ? code : "";
}

/* "  ok     TLS    " */
static void begin(const hf_trail *y, const char *colour, const char *state, const char *layer)
{
    fprintf(y->cli->out, "  %s%-6s%s %s%-6s%s ", paint(y, colour), state, paint(y, "\x1b[0m"), paint(y, BOLD), layer, paint(y, "\x1b[0m"));
}

/* Strangers wrote some of it, and a terminal obeys what it is sent. */
static void disarm(char *text)
{
    for (char *p = text; *p != 0; p++)
        *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
}

static void HF_PRINTF(2, 3) line(const hf_trail *y, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    disarm(text);
    hf_print_wrapped(y->cli->out, text, INDENT, INDENT, WIDTH);
}

static void labelled(const hf_trail *y, const char *label, const char *text)
{
    if (text == NULL || text[0] == 0)
        return;
    fprintf(y->cli->out, "%*s%s%-9s%s", INDENT, "", paint(y, CYAN), label, paint(y, "\x1b[0m"));
    char safe[1024];
    snprintf(safe, sizeof safe, "%s", text);
    disarm(safe);
    hf_print_wrapped(y->cli->out, safe, INDENT + 9, INDENT + 9, WIDTH);
}

/* Rule, cause and remedy of the catalogue, and what browsers call it. */
static void catalogue(const hf_trail *y, hf_err err)
{
    const hf_err_info *const info = hf_err_describe(err);
    const hf_error_names *const names = hf_error_names_of(err.code);
    labelled(y, "rule", info->rule);
    labelled(y, "cause", info->cause);
    labelled(y, "remedy", info->remedy);
    labelled(y, "Chromium", names != NULL ? names->chromium : NULL);
    labelled(y, "Firefox", names != NULL ? names->firefox : NULL);
}

static void more(const hf_trail *y)
{
    fprintf(y->cli->out, "%*s", INDENT, "");
}

/* ---- text: layers --------------------------------------------------------------------------------------------- */

static void tell_name(const hf_trail *y, const hf_trail_hop *h)
{
    char all[HF_TRAIL_ADDRESSES * 82] = "", one[80];
    size_t n = 0;
    begin(y, h->address_count > 0 ? GREEN : RED, h->address_count > 0 ? "ok" : "fails", "name");
    if (h->address_count == 0) {
        line(y, "%s: %s (%.1f ms)", h->looked_up, h->name_words, ms(h->name_ns));
        labelled(y, "remedy", "check the spelling; getent hosts NAME asks as every program here does, dig NAME asks the name server alone");
        return;
    }
    for (size_t i = 0; i < h->address_count; i++) {
        address_text(&h->addresses[i], false, one);
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? ", " : "", one);
    }
    if (h->address_count == 1 && strcmp(h->looked_up, all) == 0)
        line(y, "%s is an address: there is nothing to look up", all);
    else
        line(y, "%s is %s (%.1f ms)", h->looked_up, all, ms(h->name_ns));
}

/* "priority 1, at svc.example, port 8443, speaks h3 h2 http/1.1, hints 192.0.2.1, for 60 s"; "" where there is none. */
static void record_text(const hf_trail_hop *h, char *text, size_t size)
{
    const hf_https_record *const r = &h->record;
    size_t n = 0;
    text[0] = 0;
    if (!r->found)
        return;
    if (r->alias)
        n += (size_t)snprintf(text + n, size - n, "an alias");
    else
        n += (size_t)snprintf(text + n, size - n, "priority %u", r->priority);
    if (h->leads_to[0] != 0)
        n += (size_t)snprintf(text + n, size - n, ", at %s", h->leads_to);
    if (r->port != 0)
        n += (size_t)snprintf(text + n, size - n, ", port %u", r->port);
    if (!r->alias)
        n += (size_t)snprintf(text + n, size - n, ", speaks%s%s%s%s", r->h3 ? " h3" : "", r->h2 ? " h2" : "", r->http1 ? " http/1.1" : "", r->ech ? ", has keys for ECH" : "");
    for (size_t i = 0; i < r->ipv4_count + r->ipv6_count; i++) {
        hf_address a = { .family = i < r->ipv4_count ? 4 : 6 };
        char one[80];
        memcpy(a.ip, i < r->ipv4_count ? r->ipv4[i] : r->ipv6[i - r->ipv4_count], a.family == 4 ? 4 : 16);
        address_text(&a, false, one);
        n += (size_t)snprintf(text + n, size - n, "%s%s", i == 0 ? ", hints " : " ", one);
    }
    (void)snprintf(text + n, size - n, ", for %u s", r->ttl_s);
}

static void tell_record(const hf_trail *y, const hf_trail_hop *h)
{
    char text[1024];
    record_text(h, text, sizeof text);
    if (text[0] != 0)
        labelled(y, "HTTPS", text);
    else if (h->record_words[0] != 0) {
        snprintf(text, sizeof text, "nothing is known of such a record (RFC 9460): %s", h->record_words);
        labelled(y, "HTTPS", text);
    } else if (h->recorded)
        labelled(y, "HTTPS", "no such record (RFC 9460): that HTTP/3 is spoken, Alt-Svc alone can say");
}

static void tell_tcp(const hf_trail *y, const hf_trail_hop *h)
{
    char where[80];
    for (size_t i = 0; i < h->try_count; i++) {
        const hf_trail_try *const t = &h->tries[i];
        const bool good = t->err.code == 0;
        address_text(&t->address, true, where);
        begin(y, good ? GREEN : h->connected ? YELLOW : RED, good ? "ok" : "fails", "TCP");
        if (good) {
            line(y, "%s: connected in %.1f ms, one round trip", where, ms(t->ns));
            continue;
        }
        line(y, "%s: %s%s%s after %.1f ms", where, hf_err_text(t->err), t->words[0] != 0 ? ": " : "", t->words, ms(t->ns));
        labelled(y, "means", hf_trail_tcp_means(t));
        if (h->connected)
            labelled(y, "costs", "clients that try this address first lose this time: mend it, or take it out of the name");
    }
}

static void tell_fault(const hf_trail *y, const hf_trail_hop *h)
{
    char text[160];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    const hf_tls_fault *const f = &h->fault;
    line(y, "%s (%.1f ms)", hf_err_text(h->tls_err), ms(h->tls_ns));
    if (h->other)
        labelled(y, "means", "asked without TLS, the same port answers plain HTTP: the URL should begin with http://, or TLS is not switched on there");
    if (f->remote) {
        snprintf(text, sizeof text, "%s (%u), sent by the server", hf_tls_alert_name(f->alert), f->alert);
        labelled(y, "alert", text);
    } else if (f->err.code != 0 && f->got_length > 0) {
        for (size_t i = 0; i < f->got_length && i < 24; i++)
            hf_write_byte(&w, f->got[i] < 0x20 || f->got[i] > 0x7e ? '.' : f->got[i]);
        hf_write_text(&w, " (");
        for (size_t i = 0; i < f->got_length && i < 16; i++) {
            hf_write_byte(&w, (uint8_t)"0123456789abcdef"[f->got[i] >> 4]);
            hf_write_byte(&w, (uint8_t)"0123456789abcdef"[f->got[i] & 15]);
        }
        hf_write_text(&w, ")");
        text[w.length] = 0;
        labelled(y, "got", text);
    }
    labelled(y, "wanted", f->remote ? NULL : f->wanted);
    catalogue(y, h->tls_err);
}

static void tell_leaf(const hf_trail *y, const hf_trail_hop *h)
{
    char until[HF_DATE_LENGTH + 1];
    hf_writer w = hf_writer_make(until, HF_DATE_LENGTH);
    const int64_t days = (h->leaf.until.s - (int64_t)time(NULL)) / 86400;
    hf_date_write(&w, h->leaf.until);
    until[w.length] = 0;
    line(y, "leaf: %s, until %s: %lld days left%s", h->leaf.subject[0] != 0 ? h->leaf.subject : "(no subject)", until, (long long)days,
         days < 14 ? ", renew it now" : "");
}

/* Of two that do not agree either may be wrong: the date in the certificate, or the clock that it is compared with. */
static void tell_clock(const hf_trail *y, const hf_verdict *v)
{
    const bool late = v->err.code == HF_ERR_TLS_CERT_EXPIRED;
    char reads[32], text[160];
    const time_t now = time(NULL);
    struct tm parts;
    if (!late && v->err.code != HF_ERR_TLS_CERT_NOT_YET)
        return;
    const int64_t off = late ? (int64_t)now - v->until.s : v->from.s - (int64_t)now;
    if (gmtime_r(&now, &parts) == NULL || strftime(reads, sizeof reads, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        return;
    snprintf(text, sizeof text, "by the clock here: it reads %s, %lld %s %s", reads, (long long)(off < 86400 ? off / 60 : off / 86400), off < 86400 ? "minutes" : "days",
             late ? "after that end" : "before that begin");
    labelled(y, "clock", text);
}

static void tell_chain(const hf_trail *y, const hf_trail_hop *h)
{
    const hf_verdict *const v = &h->chain;
    if (!h->judged) {
        if (h->chain_length > 0)
            line(y, "chain: %zu certificate%s, believed unseen (--insecure)", h->chain_length, h->chain_length == 1 ? "" : "s");
        return;
    }
    if (v->err.code == 0) {
        line(y, "chain: %zu certificate%s, accepted for %s", h->chain_length, h->chain_length == 1 ? "" : "s", h->url.host);
        more(y);
        tell_leaf(y, h);
        return;
    }
    line(y, "chain refused: %s (%zu certificate%s sent, %.1f ms)", hf_err_text(v->err), h->chain_length, h->chain_length == 1 ? "" : "s",
        ms(h->tls_ns));
    labelled(y, "at", v->subject[0] != 0 ? v->subject : "(no subject)");
    labelled(y, "got", v->got);
    labelled(y, "wanted", v->wanted);
    labelled(y, "reason", v->reason);
    tell_clock(y, v);
    labelled(y, "", v->clock == HF_CLOCK_BEHIND  ? "the clock here is likely wrong: it is before this program was written, or before every certificate of the chain"
                    : v->clock == HF_CLOCK_AHEAD ? "the clock here may be wrong: even the root has ended by it"
                                                 : NULL);
    catalogue(y, v->err);
    labelled(y, "more", "handfast explain chain URL walks it link by link; --insecure goes on here");
}

static void tell_tls(const hf_trail *y, const hf_trail_hop *h)
{
    begin(y, h->secured ? GREEN : RED, h->secured ? "ok" : "fails", "TLS");
    if (!h->tls_tried) {
        line(y, "%s", h->tls_words);
    } else if (h->secured) {
        line(y, "%s, %s, group %s (%.1f ms, %s)", h->tls_version, h->suite, h->group, ms(h->tls_ns),
             strcmp(h->tls_version, "TLS 1.3") == 0 ? "one round trip" : "two round trips: TLS 1.3 needs one");
        more(y);
        line(y, "SNI: %s; ALPN: %s, of h2 and http/1.1 that were offered", hf_trail_is_named(h) ? h->url.host : "none, the host is an address",
             h->protocol[0] != 0 ? h->protocol : "the server chose none");
        more(y);
        tell_chain(y, h);
    } else if (h->judged && h->chain.err.code != 0) {
        tell_chain(y, h);
    } else {
        tell_fault(y, h);
    }
}

static const char *version_name(hf_version v)
{
    return v == HF_HTTP_3 ? "3" : v == HF_HTTP_2 ? "2" : v == HF_HTTP_1_0 ? "1.0" : "1.1";
}

static void tell_http(const hf_trail *y, const hf_trail_hop *h)
{
    const bool bad = h->failed == HF_EXIT_HTTP;
    const hf_bytes phrase = hf_status_phrase(h->status);
    begin(y, bad ? RED : GREEN, bad ? "fails" : "ok", "HTTP");
    if (h->answered)
        line(y, "HTTP/%s %u %.*s: head after %.1f ms, %s after %.1f ms, %llu bytes", version_name(h->version), h->status, HF_STR(phrase),
            ms(h->head_ns),
             h->whole ? "whole" : h->cut ? "read no further" : "broken", ms(h->body_ns), (unsigned long long)h->body);
    else
        line(y, "%s (%.1f ms)", hf_err_text(h->http_err), ms(h->body_ns));
    labelled(y, "means", h->other ? "asked by TLS, the same port shakes hands: the URL should begin with https://" : h->answered ? hf_status_means(h->status) : NULL);
    if (!h->other && h->http_err.code != 0)
        catalogue(y, h->http_err);
    labelled(y, "leads to", h->next);
    if (h->next[0] != 0 && !y->follows)
        labelled(y, "", "not followed; --location does");
}

static void tell_policy(const hf_trail *y, const hf_trail_hop *h)
{
    static const char *const colours[] = { GREEN, CYAN, YELLOW, RED };
    for (size_t i = 0; i < h->finding_count; i++) {
        const hf_finding *const f = &h->findings[i];
        begin(y, colours[f->weight], hf_weight_name(f->weight), "policy");
        line(y, "%s: %s", f->subject, f->found);
        if (f->remedy == NULL)
            continue;
        labelled(y, "code", f->err.code != 0 ? hf_err_text(f->err) : NULL);
        labelled(y, "rule", f->rule);
        labelled(y, "remedy", f->remedy);
    }
}

/* The spans as one bar, where there is colour; and as a sum, with the round trips that they need. */
static void tell_times(const hf_trail *y, const hf_trail_hop *h)
{
    static const char *const colours[] = { "\x1b[44m", "\x1b[42m", "\x1b[45m", "\x1b[43m", "\x1b[46m" };
    hf_trail_span spans[HF_TRAIL_STEPS];
    const size_t n = hf_trail_spans(h, spans);
    int64_t all = 0;
    unsigned trips = 0;
    for (size_t i = 0; i < n; i++) {
        all += spans[i].ns;
        trips += spans[i].round_trips;
    }
    if (y->cli->colour_out && all > 0) {
        fputs("  ", y->cli->out);
        for (size_t i = 0; i < n; i++)
            fprintf(y->cli->out, "%s%*s\x1b[0m", colours[i % HF_COUNT(colours)], (int)(1 + spans[i].ns * BAR / all), "");
        fputc('\n', y->cli->out);
    }
    fputs("  ", y->cli->out);
    for (size_t i = 0; i < n; i++) {
        fprintf(y->cli->out, "%s%s%s %s%.1f ms", i == 0 ? "" : " + ", y->cli->colour_out ? colours[i % HF_COUNT(colours)] : "", spans[i].name, paint(y, "\x1b[0m"), ms(spans[i].ns));
        if (spans[i].counted.out + spans[i].counted.in > 0)
            fprintf(y->cli->out, " (%u packets)", spans[i].counted.out + spans[i].counted.in);
    }
    fprintf(y->cli->out, "%s%.1f ms, %u round trip%s\n", n == 0 ? "" : " = ", ms(all), trips, trips == 1 ? "" : "s");
}

static void tell_text(const hf_trail *y, const hf_trail_hop *h)
{
    FILE *const out = y->cli->out;
    char safe[HF_CLIENT_URL_BYTES];
    snprintf(safe, sizeof safe, "%s", h->text);
    disarm(safe);
    fprintf(out, "%s%s%s%s\n\n", y->hops > 1 ? "\n" : "", paint(y, BOLD), safe, paint(y, "\x1b[0m"));
    if (h->looked_up[0] != 0) {
        tell_name(y, h);
        tell_record(y, h);
    }
    tell_tcp(y, h);
    if (h->tls_tried || h->tls_words[0] != 0)
        tell_tls(y, h);
    if (h->asked)
        tell_http(y, h);
    tell_policy(y, h);
    fputc('\n', out);
    if (h->looked_up[0] != 0)
        tell_times(y, h);
    fprintf(out, "  %s", paint(y, h->failed != HF_EXIT_OK ? "\x1b[1;31m" : "\x1b[1;32m"));
    snprintf(safe, sizeof safe, "%s", h->verdict);
    disarm(safe);
    hf_print_wrapped(out, safe, 2, 2, WIDTH);
    fputs(paint(y, "\x1b[0m"), out);
    if (h->failed != HF_EXIT_OK && h->cause.code >> 16 == HF_AREA_EXPLAIN && h->cause.code != HF_ERR_EXPLAIN_POLICY)
        catalogue(y, h->cause);
    fflush(out);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void json_bytes(FILE *out, hf_bytes b)
{
    const size_t room = 6 * b.len + 1;
    uint8_t *const text = malloc(room);
    hf_writer w = hf_writer_make(text, text != NULL ? room : 0);
    hf_write_json(&w, b);
    fprintf(out, "\"%.*s\"", (int)w.length, text != NULL ? (const char *)text : "");
    free(text);
}

static void member(FILE *out, const char *name, const char *value)
{
    if (value == NULL || value[0] == 0)
        return;
    fprintf(out, ",\"%s\":", name);
    json_bytes(out, hf_text(value));
}

static void json_error(FILE *out, hf_err err)
{
    const hf_err_info *const info = hf_err_describe(err);
    if (err.code == 0)
        return;
    member(out, "code", info->id);
    member(out, "error", info->name);
    member(out, "rule", info->rule);
    member(out, "cause", info->cause);
    member(out, "remedy", info->remedy);
    const hf_error_names *const names = hf_error_names_of(err.code);
    if (names != NULL && names->chromium != NULL)
        member(out, "chromium", names->chromium);
    if (names != NULL && names->firefox != NULL)
        member(out, "firefox", names->firefox);
}

static void json_connect(FILE *out, const hf_trail_hop *h)
{
    char text[80], record[1024];
    fprintf(out, ",\"name\":{\"ok\":%s,\"ms\":%.3f", h->address_count > 0 ? "true" : "false", ms(h->name_ns));
    member(out, "host", h->looked_up);
    member(out, "words", h->name_words);
    fputs(",\"addresses\":[", out);
    for (size_t i = 0; i < h->address_count; i++) {
        address_text(&h->addresses[i], false, text);
        fprintf(out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
    fputs("]", out);
    record_text(h, record, sizeof record);
    if (record[0] != 0)
        member(out, "https_record", record);
    member(out, "https_record_unknown", h->record_words);
    fputs("},\"tcp\":[", out);
    for (size_t i = 0; i < h->try_count; i++) {
        const hf_trail_try *const t = &h->tries[i];
        address_text(&t->address, true, text);
        fprintf(out, "%s{\"address\":\"%s\",\"ok\":%s,\"ms\":%.3f", i > 0 ? "," : "", text, t->err.code == 0 ? "true" : "false", ms(t->ns));
        json_error(out, t->err);
        member(out, "words", t->words);
        member(out, "means", t->err.code != 0 ? hf_trail_tcp_means(t) : NULL);
        fputc('}', out);
    }
    fputc(']', out);
}

static void json_tls(FILE *out, const hf_trail_hop *h)
{
    const hf_verdict *const v = &h->chain;
    fprintf(out, ",\"tls\":{\"ok\":%s,\"ms\":%.3f", h->secured ? "true" : "false", ms(h->tls_ns));
    member(out, "version", h->tls_version);
    member(out, "suite", h->suite);
    member(out, "group", h->group);
    member(out, "alpn", h->protocol);
    member(out, "sni", hf_trail_is_named(h) ? h->url.host : NULL);
    member(out, "words", h->tls_words);
    if (!h->secured && h->tls_tried && !(h->judged && v->err.code != 0)) {
        json_error(out, h->tls_err);
        member(out, "alert", h->fault.remote ? hf_tls_alert_name(h->fault.alert) : NULL);
        member(out, "wanted", h->fault.remote ? NULL : h->fault.wanted);
        fprintf(out, ",\"speaks_http\":%s", h->other ? "true" : "false");
    }
    fprintf(out, ",\"chain\":{\"certificates\":%zu,\"verified\":%s", h->chain_length, h->judged ? "true" : "false");
    if (h->judged && v->err.code != 0) {
        json_error(out, v->err);
        member(out, "subject", v->subject);
        member(out, "got", v->got);
        member(out, "wanted", v->wanted);
        member(out, "reason", v->reason);
    }
    fputs("}}", out);
}

static void json_http(FILE *out, const hf_trail_hop *h)
{
    fprintf(out, ",\"http\":{\"ok\":%s", h->failed == HF_EXIT_HTTP ? "false" : "true");
    if (h->answered) {
        fprintf(out, ",\"version\":\"%s\",\"status\":%u,\"head_ms\":%.3f,\"ms\":%.3f,\"bytes\":%llu,\"whole\":%s,\"fields\":[",
            version_name(h->version), h->status,
                ms(h->head_ns), ms(h->body_ns), (unsigned long long)h->body, h->whole ? "true" : "false");
        for (size_t i = 0; i < h->field_count; i++) {
            fputs(i > 0 ? ",[" : "[", out);
            json_bytes(out, h->fields[i].name);
            fputc(',', out);
            json_bytes(out, h->fields[i].value);
            fputc(']', out);
        }
        fputc(']', out);
    }
    json_error(out, h->http_err);
    fprintf(out, ",\"speaks_tls\":%s", h->other ? "true" : "false");
    member(out, "location", h->next);
    fputs("},\"policy\":[", out);
    for (size_t i = 0; i < h->finding_count; i++) {
        const hf_finding *const f = &h->findings[i];
        fprintf(out, "%s{\"weight\":\"%s\"", i > 0 ? "," : "", hf_weight_name(f->weight));
        member(out, "code", f->err.code != 0 ? hf_err_describe(f->err)->id : NULL);
        member(out, "subject", f->subject);
        member(out, "found", f->found);
        member(out, "rule", f->rule);
        member(out, "remedy", f->remedy);
        fputc('}', out);
    }
    fputc(']', out);
}

static void json_further(FILE *out, const hf_trail_hop *h)
{
    hf_trail_span spans[HF_TRAIL_STEPS];
    const size_t n = hf_trail_spans(h, spans);
    fputs(",\"timeline\":[", out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s{\"step\":\"%s\",\"at_ms\":%.3f,\"ms\":%.3f,\"round_trips\":%u", i > 0 ? "," : "", spans[i].name, ms(spans[i].at_ns), ms(spans[i].ns), spans[i].round_trips);
        member(out, "packets", spans[i].packets);
        if (spans[i].counted.out + spans[i].counted.in > 0)
            fprintf(out, ",\"packets_out\":%u,\"packets_in\":%u", spans[i].counted.out, spans[i].counted.in);
        fputc('}', out);
    }
    fputc(']', out);
    if (h->http3.tried) {
        fprintf(out, ",\"http3\":{\"offered\":%s,\"ok\":%s,\"port\":%u,\"ms\":%.3f", h->http3.offered ? "true" : "false", h->http3.works ? "true" : "false", h->http3.port, ms(h->http3.ns));
        json_error(out, h->http3.err);
        member(out, "words", h->http3.words);
        fputc('}', out);
    }
    if (h->events.listened)
        fprintf(out, ",\"events\":{\"events\":%zu,\"pieces\":%zu,\"bytes\":%llu,\"cut_at\":%zu}", h->events.events, h->events.pieces, (unsigned long long)h->events.bytes, h->events.cut_at);
}

static const char *layer_name(hf_exit e)
{
    return e == HF_EXIT_DNS ? "name" : e == HF_EXIT_TCP ? "tcp" : e == HF_EXIT_TLS ? "tls" : e == HF_EXIT_HTTP ? "http" : e == HF_EXIT_POLICY ? "policy" : NULL;
}

static void tell_json(const hf_trail *y, const hf_trail_hop *h)
{
    FILE *const out = y->cli->out;
    fprintf(out, "%s{\"url\":", y->hops > 1 ? ",\n" : "\n");
    json_bytes(out, hf_text(h->text));
    member(out, "failed", layer_name(h->failed));
    if (h->failed != HF_EXIT_OK)
        json_error(out, h->cause);
    member(out, "verdict", h->verdict);
    if (h->looked_up[0] != 0)
        json_connect(out, h);
    if (h->tls_tried || h->tls_words[0] != 0)
        json_tls(out, h);
    if (h->asked)
        json_http(out, h);
    json_further(out, h);
    fputc('}', out);
}

void hf_trail_tell(const hf_trail *y, const hf_trail_hop *h)
{
    if (y->json)
        tell_json(y, h);
    else
        tell_text(y, h);
}
