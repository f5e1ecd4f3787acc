/* SPDX-License-Identifier: Apache-2.0
 *
 * How a line is opened: the name is asked for, its addresses are raced, a proxy is told where to, and TLS shakes hands.
 */
#include "dial_core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <handfast/http1.h>

#include "address.h"
#include "alloc.h"
#include "allocator.h"
#include "base64.h"
#include "epoll.h"
#include "panic.h"
#include "proxy.h"
#include "race.h"

enum { SCRATCH = 4096, PIECES = 16 };
#define LAST_RECORD_NS HF_SECONDS(1) /* for the HTTPS record, over all of its aliases, once nothing else is left to try */

typedef enum phase { RACING, SHAKING_PROXY, AT_PROXY, SHAKING } phase;
typedef enum proxy_kind { NO_PROXY, BY_HTTP, BY_SOCKS } proxy_kind;

/* An address under way. */
typedef struct attempt {
    hf_address to;
    hf_pier pier;
    hf_quic_line *quic;
    hf_line *line;    /* that QUIC is for */
    hf_chain *chain;  /* that it was believed with; the line's, should it win */
    hf_time began, until;
    bool running;
} attempt;

struct hf_opening {
    phase phase;
    hf_line_wish wish;
    bool secure;
    char host[256]; /* whose certificate, and whom a proxy is asked for */
    uint16_t port;
    char dial_host[256]; /* whom we connect to: an alias, or a proxy */
    uint16_t dial_port;
    char user[HF_LINE_USER], password[HF_LINE_USER]; /* for the proxy */
    proxy_kind proxy;
    bool proxy_secure;
    hf_query *query;
    bool named;     /* the name was told of */
    bool asks_record; /* an HTTPS record may still say where to go, and how */
    hf_time record_by; /* until when its answer is waited for; 0: no address is known yet */
    bool waits;        /* it is */
    hf_time record_last; /* until when it is waited for although nothing else is left to try; 0: something is */
    size_t by_record;    /* how many are in the race because of it */
    size_t seen;    /* of the query's addresses */
    bool record_quic, record_tcp; /* it did: each address is asked so, too, at record_port */
    uint16_t record_port;
    hf_race race;
    attempt attempts[HF_RACE_MOST];
    hf_err last;    /* why the last attempt failed */
    const char *last_words; /* the system's own, where `last` says no more than that; else NULL. Static */
    hf_time began, until; /* the name, the proxy or the handshake */
    hf_address literal; /* what socks lends, where the host is an address */
    hf_socks socks;
    hf_http1 *connect;
};

static hf_step give_up(hf_line *l, hf_line_stage stage, hf_err err, const char *what, const char *why)
{
    l->stage = stage;
    l->err = err;
    snprintf(l->words, sizeof l->words, "%.200s: %.300s", what, why);
    hf_opening_free(l);
    return HF_FAULT;
}

static void end_attempt(attempt *a)
{
    if (a->pier.ops != NULL)
        a->pier.ops->free(a->pier.self);
    hf_quic_line_free(a->quic);
    hf_chain_free(a->chain);
    a->chain = NULL;
    a->pier = (hf_pier){ NULL, NULL };
    a->quic = NULL;
    a->running = false;
}

void hf_opening_free(hf_line *l)
{
    hf_opening *const o = l->opening;
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->race.count; i++)
        end_attempt(&o->attempts[i]);
    if (o->query != NULL) {
        hf_query_forget(o->query);
        l->dialer->asking--;
    }
    hf_http1_free(o->connect);
    hf_free(&l->dialer->env.alloc, o, sizeof *o);
    l->opening = NULL;
}

/* ---- where to ----------------------------------------------------------------------------------------------- */

static void resolve_alias(const hf_dialer *d, const char **host, uint16_t *port)
{
    for (size_t i = 0; i < d->options.alias_count; i++) {
        const hf_dialer_alias *const a = &d->options.aliases[i];
        if ((a->host[0] != 0 && strcasecmp(a->host, *host) != 0) || (a->port != 0 && a->port != *port))
            continue;
        *host = a->to_host[0] != 0 ? a->to_host : *host;
        *port = a->to_port != 0 ? a->to_port : *port;
        return;
    }
}

/* RFC 3986 2.1: what is written as %XX is one byte. False: it does not fit. */
static bool take_part(char to[HF_LINE_USER], const char *from, size_t n)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        const int high = from[i] == '%' && i + 2 < n ? hf_hex_digit((uint8_t)from[i + 1]) : -1, low = high >= 0 ? hf_hex_digit((uint8_t)from[i + 2]) : -1;
        const int byte = low >= 0 ? high << 4 | low : (uint8_t)from[i];
        if (byte == 0 || length + 1 == HF_LINE_USER)
            return false;
        to[length++] = (char)byte;
        i += low >= 0 ? 2 : 0;
    }
    to[length] = 0;
    return true;
}

/* "socks5://user:password@host:port". HF_ERR_CLIENT_URL: it is none. */
static hf_err take_proxy(hf_opening *o, const char *text)
{
    static const struct {
        const char *scheme;
        proxy_kind kind;
        uint16_t port;
        bool secure;
    } rows[] = { { "http://", BY_HTTP, 1080, false }, { "https://", BY_HTTP, 443, true }, { "socks5://", BY_SOCKS, 1080, false }, { "socks5h://", BY_SOCKS, 1080, false },
        { "", BY_HTTP, 1080, false } };
    size_t i = 0;
    while (strncasecmp(text, rows[i].scheme, strlen(rows[i].scheme)) != 0)
        i++;
    const char *const rest = text + strlen(rows[i].scheme);
    const size_t n = strcspn(rest, "/?#");
    const char *const at = memrchr(rest, '@', n), *const authority = at != NULL ? at + 1 : rest;
    const char *const colon = at != NULL ? memchr(rest, ':', (size_t)(at - rest)) : NULL;
    char url[400];
    static _Thread_local hf_client_url parsed; /* large */
    if (strstr(rest, "://") != NULL || (size_t)snprintf(url, sizeof url, "http://%.*s", (int)(n - (size_t)(authority - rest)), authority) >= sizeof url)
        return hf_err_make(HF_ERR_CLIENT_URL);
    if (hf_client_url_parse(url, &parsed) != NULL)
        return hf_err_make(HF_ERR_CLIENT_URL);
    o->proxy = rows[i].kind;
    o->proxy_secure = rows[i].secure;
    snprintf(o->dial_host, sizeof o->dial_host, "%s", parsed.host);
    o->dial_port = strchr(strrchr(authority, ']') != NULL ? strrchr(authority, ']') : authority, ':') != NULL ? parsed.port : rows[i].port;
    if (at != NULL && (!take_part(o->user, rest, (size_t)((colon != NULL ? colon : at) - rest)) ||
                       !take_part(o->password, colon != NULL ? colon + 1 : "", colon != NULL ? (size_t)(at - colon - 1) : 0)))
        return hf_err_make(HF_ERR_CLIENT_PROXY_LOGIN); /* what is cut would be another user's name, or a password that is wrong */
    return HF_OK;
}

static const char *proxy_for(const hf_dialer *d, const hf_opening *o)
{
    const char *const text = o->secure ? d->options.proxy_https : d->options.proxy_http;
    hf_address literal;
    if (text == NULL || text[0] == 0)
        return NULL;
    const bool is_address = hf_address_parse(hf_text(o->host), 0, &literal);
    const hf_bytes address = hf_bytes_make(literal.ip, is_address ? (literal.family == 6 ? 16 : 4) : 0);
    return hf_proxy_is_excepted(hf_text(d->options.no_proxy), hf_text(o->host), address, o->port) ? NULL : text;
}

void hf_line_begin(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_line_wish *wish)
{
    *l = (hf_line){ .dialer = d, .descriptor = -1, .stirred = wish->stirred, .stage = HF_LINE_NAME, .err = hf_err_make(HF_ERR_BASE_MEMORY), .words = "out of memory" };
    hf_opening *const o = hf_alloc_zeroed(&d->env.alloc, sizeof *o);
    if (d->resolver == NULL)
        d->resolver = hf_resolver_new(d->options.name_servers);
    if (o == NULL || d->resolver == NULL) {
        hf_free(&d->env.alloc, o, o != NULL ? sizeof *o : 0);
        return;
    }
    l->opening = o;
    *o = (hf_opening){ .wish = *wish, .secure = url->secure, .port = url->port, .dial_port = url->port, .last = hf_err_make(HF_ERR_IO_TIMEOUT) };
    snprintf(o->host, sizeof o->host, "%s", url->host);
    const char *host = o->host, *const proxy = proxy_for(d, o);
    const hf_err bad = proxy != NULL ? take_proxy(o, proxy) : HF_OK;
    if (bad.code != 0) {
        const bool login = bad.code == HF_ERR_CLIENT_PROXY_LOGIN;
        const char *const at = strrchr(proxy, '@'); /* what stands before it is a secret, and no part of a log */
        (void)give_up(l, HF_LINE_NAME, bad, login ? "the proxy" : at != NULL ? at + 1 : proxy, login ? hf_err_text(bad) : "this is no URL of a proxy: http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT");
        return;
    }
    if (proxy == NULL) {
        resolve_alias(d, &host, &o->dial_port);
        snprintf(o->dial_host, sizeof o->dial_host, "%s", host);
    }
    l->absolute = o->proxy == BY_HTTP && !o->secure;
    l->coalesces = wish->covered != NULL && o->secure && o->proxy == NO_PROXY;
    l->began = hf_dialer_now(d);
    o->wish.quic = o->wish.quic && o->secure && o->proxy == NO_PROXY && d->options.world.io == NULL;
    o->asks_record = o->secure && o->proxy == NO_PROXY && d->options.world.io == NULL && !o->wish.quic_only;
    o->query = hf_resolver_ask(d->resolver, o->dial_host, o->dial_port, o->asks_record);
    d->asking += o->query != NULL;
    o->asks_record = o->query != NULL && o->query->https_asked;
    hf_race_init(&o->race, 0, 0);
    o->began = hf_dialer_now(d);
    if (o->query == NULL)
        hf_opening_free(l);
    else if (o->wish.quic_only && !o->wish.quic)
        (void)give_up(l, HF_LINE_CONNECT, hf_err_make(HF_ERR_CLIENT_NO_VERSION), url->host, !o->secure ? "HTTP/3 is for https" : proxy != NULL ? "HTTP/3 does not go through a proxy" : "HTTP/3 is for the kernel's UDP");
}

/* ---- the race ----------------------------------------------------------------------------------------------- */

static void add_attempt(hf_opening *o, const hf_address *to, uint16_t port, uint8_t rank)
{
    for (size_t k = 0; k < o->race.count; k++) /* a hint, and then the same from the DNS */
        if (o->race.at[k].rank == rank && o->attempts[k].to.port == port && o->attempts[k].to.family == to->family && memcmp(o->attempts[k].to.ip, to->ip, to->family == 6 ? 16 : 4) == 0)
            return;
    const size_t i = hf_race_add(&o->race, to->family, rank);
    if (i == HF_RACE_MOST)
        return;
    o->attempts[i].to = *to;
    o->attempts[i].to.port = port;
}

static void tell_name(hf_line *l)
{
    hf_opening *const o = l->opening;
    const hf_query *const q = o->query;
    if (!o->named)
        l->named = hf_dialer_now(l->dialer);
    if (!o->named)
        hf_dialer_tell(l->dialer, (hf_dial_event){ .step = HF_DIAL_NAME, .err = q->count > 0 ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM), .words = q->words,
            .host = o->dial_host, .port = o->dial_port, .addresses = q->at, .address_count = q->count }, o->began);
    o->named = true;
}

/* As the record has it. At most half of the race: what the name itself says has its place whatever is hinted at. */
static void add_by_record(hf_opening *o, const hf_address *to)
{
    for (uint8_t rank = 0; rank < 2; rank++) {
        const size_t before = o->race.count;
        if ((rank == 0 ? o->record_quic : o->record_tcp) && o->by_record < HF_RACE_MOST / 2)
            add_attempt(o, to, o->record_port, rank);
        o->by_record += o->race.count - before;
    }
}

/* RFC 9460 7.3: hints are for those who "have not (yet) resolved" the addresses. Where the record leads to another name, they are all that
 * is known of it. */
static void add_hints(hf_opening *o, const hf_https_record *r)
{
    hf_address a = { .family = 6 };
    for (size_t i = 0; i < r->ipv6_count; i++) {
        memcpy(a.ip, r->ipv6[i], 16);
        add_by_record(o, &a);
    }
    a = (hf_address){ .family = 4 };
    for (size_t i = 0; i < r->ipv4_count; i++) {
        memcpy(a.ip, r->ipv4[i], 4);
        add_by_record(o, &a);
    }
}

/* It has not come, and is waited for no longer. */
static void leave_record(hf_line *l)
{
    hf_opening *const o = l->opening;
    if (o->asks_record)
        hf_dialer_tell(l->dialer, (hf_dial_event){ .step = HF_DIAL_RECORD, .record = &o->query->https, .host = "", .port = o->dial_port,
            .words = "the DNS had not answered by the time that a connection stood, or nothing else was left to try" }, o->began);
    o->asks_record = false;
}

static void take_record(hf_line *l)
{
    hf_opening *const o = l->opening;
    const hf_query *const q = o->query;
    const hf_https_record *const r = &q->https;
    const bool elsewhere = q->there[0] != 0 && strcasecmp(q->there, o->dial_host) != 0;
    o->asks_record = false;
    l->https = *r;
    hf_dialer_tell(l->dialer, (hf_dial_event){ .step = HF_DIAL_RECORD, .record = r, .words = q->https_words, .host = elsewhere ? q->there : "", .port = o->dial_port,
        .addresses = q->there_at, .address_count = q->there_count }, o->began);
    o->record_port = r->port != 0 ? r->port : o->dial_port;
    o->record_quic = r->found && r->h3 && o->wish.quic && o->wish.quic_port == 0;
    /* 3: of an alias that leads to no record, "the authority endpoint's port number, and no SvcParams". */
    o->record_tcp = (elsewhere || o->record_port != o->dial_port) && (!r->found || r->alias || r->h2 || r->http1);
    if (elsewhere || q->count == 0)
        add_hints(o, r);
    for (size_t i = 0; i < q->there_count; i++)
        add_by_record(o, &q->there_at[i]);
    if (elsewhere)
        o->record_quic = o->record_tcp = false; /* the name's own addresses are asked without it, should all that fail */
    for (size_t i = 0; i < o->seen; i++)
        add_by_record(o, &q->at[i]);
}

/* RFC 9460 5.1: answers about addresses may come first: who begins with them would not heed the record. Its answer is waited for as long as
 * that about IPv6 would be. */
static bool waits_for_record(hf_opening *o, hf_time now)
{
    if (!o->asks_record || o->query->https_answered || (o->query->count == 0 && !(o->query->answered[0] && o->query->answered[1])))
        return false;
    if (o->record_by.ns == 0)
        o->record_by = hf_time_after(now, HF_MILLISECONDS(50));
    return hf_time_before(now, o->record_by);
}

/* Nothing is left to try but what the record leads to: it may be all that says where the name is served. */
static bool is_left_to_record(hf_opening *o, hf_time now)
{
    if (!o->asks_record)
        return false;
    if (o->record_last.ns == 0)
        o->record_last = hf_time_after(now, LAST_RECORD_NS);
    return hf_time_before(now, o->record_last);
}

/* What the resolver has found since the last time. */
static void take_names(hf_line *l)
{
    hf_opening *const o = l->opening;
    const hf_query *const q = o->query;
    const hf_time now = hf_dialer_now(l->dialer);
    o->waits = waits_for_record(o, now);
    if (o->waits)
        return;
    if (o->asks_record && q->https_answered)
        take_record(l);
    for (; o->seen < q->count; o->seen++) {
        if (o->wish.quic && (o->wish.quic_only || o->wish.quic_port != 0))
            add_attempt(o, &q->at[o->seen], o->wish.quic_port != 0 ? o->wish.quic_port : o->dial_port, 0);
        add_by_record(o, &q->at[o->seen]);
        if (!o->wish.quic_only)
            add_attempt(o, &q->at[o->seen], o->dial_port, 2);
    }
    for (uint8_t family = 4; family <= 6; family += 2)
        if (q->answered[family == 6] && !o->race.answered[family == 6])
            hf_race_answered(&o->race, now, family);
    if (q->answered[0] && q->answered[1])
        tell_name(l);
}

static hf_err judge_quic(void *self, const hf_chain *chain, hf_bytes host)
{
    attempt *const a = self; /* the handshake is over before the opening is */
    hf_line *const l = a->line;
    const hf_err err = hf_dialer_judge(l->dialer, chain, host, l->words, sizeof l->words);
    if (err.code == 0)
        hf_line_keep_chain(l, chain, &a->chain);
    return err;
}

static void fail_attempt(hf_line *l, size_t i, hf_err err, const char *words)
{
    hf_opening *const o = l->opening;
    attempt *const a = &o->attempts[i];
    hf_dialer_tell(l->dialer, (hf_dial_event){ .step = o->race.at[i].rank == 0 ? HF_DIAL_QUIC : HF_DIAL_ADDRESS, .err = err, .words = words, .addresses = &a->to,
        .address_count = 1 }, a->began);
    o->last = err;
    o->last_words = words;
    end_attempt(a);
    hf_race_failed(&o->race, hf_dialer_now(l->dialer), i);
}

static void begin_attempt(hf_line *l, size_t i)
{
    hf_opening *const o = l->opening;
    hf_dialer *const d = l->dialer;
    attempt *const a = &o->attempts[i];
    hf_err err = HF_OK;
    a->began = hf_dialer_now(d);
    a->until = hf_time_after(a->began, hf_dialer_patience(d));
    a->running = true;
    if (o->race.at[i].rank == 0 && !o->wish.quic_only) /* UDP that is dropped says nothing: TCP's verdict is not to wait long for it */
        a->until = hf_time_earlier(a->until, hf_time_after(a->began, HF_SECONDS(3)));
    errno = 0;
    if (o->race.at[i].rank == 0) {
        a->line = l;
        const hf_span room = hf_dialer_datagrams(d);
        err = room.ptr == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : hf_dialer_trust(d, l->words, sizeof l->words);
        if (err.code == 0)
            a->quic = hf_quic_line_new(&(hf_quic_line_options){ .env = &d->env, .io = d->io, .crypto = d->crypto, .room = room, .host = o->host, .to = a->to,
                .owner = l, .judge = judge_quic, .self = a, .key_log = d->options.key_log }, &err);
    } else {
        err = d->io->ops->connect(d->io, &a->to, l, &a->pier);
        if (err.code == 0)
            d->io->ops->own(d->io, a->pier, l);
    }
    if (err.code != 0)
        fail_attempt(l, i, err, err.code == HF_ERR_IO_SYSTEM && errno != 0 ? strerror(errno) : NULL);
}

/* HF_EVENT: it is open. */
static hf_step step_attempt(hf_line *l, size_t i)
{
    attempt *const a = &l->opening->attempts[i];
    hf_err err = HF_OK;
    if (a->quic != NULL) {
        hf_http3_event none;
        hf_step s;
        while ((s = hf_quic_line_step(a->quic, &none)) == HF_EVENT)
            ; /* SETTINGS: nothing was asked for yet */
        if (hf_quic_line_is_open(a->quic))
            return HF_EVENT;
        err = s != HF_IDLE ? hf_quic_line_fault(a->quic) : HF_OK;
    } else {
        hf_pier_event e;
        hf_step s = HF_IDLE;
        errno = 0;
        while (err.code == 0 && (s = a->pier.ops->event(a->pier.self, hf_dialer_now(l->dialer), &e)) == HF_EVENT) {
            if (e.kind == HF_PIER_OPENED)
                return HF_EVENT;
            if (e.kind == HF_PIER_ENDED)
                err = e.err.code != 0 ? e.err : hf_err_make(HF_ERR_IO_RESET);
        }
        if (err.code == 0 && s != HF_IDLE)
            err = hf_err_make(HF_ERR_IO_RESET);
    }
    if (err.code == 0 && !hf_time_before(hf_dialer_now(l->dialer), a->until))
        err = hf_err_make(HF_ERR_IO_TIMEOUT);
    if (err.code != 0)
        fail_attempt(l, i, err, err.code == HF_ERR_IO_SYSTEM && errno != 0 ? strerror(errno) : NULL);
    return HF_IDLE;
}

/* ---- the proxy ---------------------------------------------------------------------------------------------- */

static hf_step begin_tls(hf_line *l);

static void write_place(hf_writer *w, const hf_opening *o)
{
    const bool brackets = strchr(o->host, ':') != NULL;
    hf_write_text(w, brackets ? "[" : "");
    hf_write_text(w, o->host);
    hf_write_text(w, brackets ? "]:" : ":");
    hf_write_decimal(w, o->port);
}

/* RFC 7617, RFC 9110 11.7.2. False: there is nothing to log in with. */
static bool write_login(const hf_opening *o, hf_writer *w)
{
    char both[2 * HF_LINE_USER];
    if (o->user[0] == 0)
        return false;
    snprintf(both, sizeof both, "%s:%s", o->user, o->password);
    hf_write_text(w, "Basic ");
    hf_base64_write(w, HF_BASE64, hf_text(both));
    HF_ASSERT(!w->overflowed);
    return true;
}

static hf_err ask_http_proxy(hf_line *l)
{
    hf_opening *const o = l->opening;
    char place[300];
    hf_writer p = hf_writer_make(place, sizeof place), b = hf_writer_make(l->login, sizeof l->login);
    write_place(&p, o);
    const bool logs_in = write_login(o, &b);
    const hf_field fields[2] = { { HF_LITERAL("Host"), hf_written(&p), HF_FIELD_HOST },
        { HF_LITERAL("Proxy-Authorization"), hf_written(&b), hf_field_identify(hf_text("proxy-authorization")) } };
    const hf_request_head head = { .method = HF_METHOD_CONNECT, .method_name = HF_LITERAL("CONNECT"), .version = HF_HTTP_1_1, .target = hf_written(&p),
        .authority = hf_written(&p), .fields = { fields, logs_in ? 2 : 1 }, .content_length = HF_LENGTH_NONE };
    o->connect = hf_http1_client_new(&l->dialer->env, 1, hf_dialer_now(l->dialer));
    const hf_err err = o->connect != NULL ? hf_http1_request(o->connect, &head) : hf_err_make(HF_ERR_BASE_MEMORY);
    return err.code != 0 ? err : hf_http1_end(o->connect, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
}

static hf_step begin_proxy_tls(hf_line *l);

/* The connection is there, and secured where the proxy is. */
static hf_step begin_proxy(hf_line *l)
{
    hf_opening *const o = l->opening;
    hf_err err = HF_OK;
    if (o->proxy_secure && l->proxy_tls == NULL)
        return begin_proxy_tls(l);
    if (l->absolute) {
        hf_writer w = hf_writer_make(l->login, sizeof l->login - 1);
        l->login[write_login(o, &w) ? w.length : 0] = 0;
    }
    if (o->proxy == NO_PROXY || l->absolute)
        return begin_tls(l);
    o->phase = AT_PROXY;
    o->until = hf_time_after(hf_dialer_now(l->dialer), hf_dialer_patience(l->dialer));
    if (o->proxy == BY_SOCKS) {
        const bool is_address = hf_address_parse(hf_text(o->host), 0, &o->literal);
        o->socks = (hf_socks){ .host = hf_text(o->host), .address = hf_bytes_make(o->literal.ip, is_address ? (o->literal.family == 6 ? 16 : 4) : 0), .port = o->port, .user = hf_text(o->user), .password = hf_text(o->password) };
        hf_socks_begin(&o->socks);
        err = o->socks.err;
    } else {
        err = ask_http_proxy(l);
    }
    return err.code == 0 ? HF_FULL : give_up(l, HF_LINE_CONNECT, err, o->dial_host, hf_err_text(err));
}

static hf_step step_socks(hf_line *l)
{
    hf_socks *const s = &l->opening->socks;
    const hf_span held = hf_line_peek(l);
    hf_line_take(l, hf_socks_input(s, hf_bytes_make(held.ptr, held.len)));
    if (s->unsent_length > 0 && hf_line_has_room(l)) {
        hf_extent piece = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(s->unsent, s->unsent_length) };
        hf_line_put(l, &(hf_out){ .pieces = &piece, .count = 1 });
        s->unsent_length = 0;
    }
    if (s->step == HF_SOCKS_OPEN)
        return begin_tls(l);
    if (s->step != HF_SOCKS_FAILED)
        return HF_IDLE;
    static const char *const replies[] = { "", "general failure", "not allowed by its rules", "network unreachable", "host unreachable", "connection refused",
        "TTL expired", "command not supported", "address type not supported" };
    char words[300];
    const bool known = s->err.code == HF_ERR_CLIENT_SOCKS_REFUSED && s->reply < HF_COUNT(replies);
    snprintf(words, sizeof words, "%s%s%s", hf_err_text(s->err), known ? ": " : "", known ? replies[s->reply] : "");
    return give_up(l, HF_LINE_CONNECT, s->err, l->opening->dial_host, words);
}

static hf_step step_http_proxy(hf_line *l)
{
    hf_opening *const o = l->opening;
    const hf_time now = hf_dialer_now(l->dialer);
    uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
    if (hf_line_has_room(l) && hf_http1_emit(o->connect, now, &out) > 0)
        hf_line_put(l, &out);
    for (;;) {
        hf_http1_event e;
        char words[200];
        const hf_span held = hf_line_peek(l);
        hf_in in = { .ptr = held.ptr, .len = held.len, .fin = l->fin || l->broken };
        const hf_step s = hf_http1_step(o->connect, now, &in, &e);
        hf_line_take(l, in.used);
        if (s == HF_EVENT && e.kind == HF_HTTP1_UPGRADED)
            return begin_tls(l);
        if (s == HF_EVENT && e.kind == HF_HTTP1_RESPONSE && e.response.status >= 300) {
            snprintf(words, sizeof words, "%s: it answers CONNECT with %u", hf_err_text(hf_err_make(HF_ERR_CLIENT_PROXY_REFUSED)), e.response.status);
            return give_up(l, HF_LINE_CONNECT, hf_err_make(HF_ERR_CLIENT_PROXY_REFUSED), o->dial_host, words);
        }
        if (s == HF_FAULT || s == HF_CLOSED)
            return give_up(l, HF_LINE_CONNECT, hf_http1_fault(o->connect)->err, o->dial_host, hf_err_text(hf_http1_fault(o->connect)->err));
        if (s != HF_EVENT)
            return HF_IDLE;
    }
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

static hf_step open_now(hf_line *l)
{
    l->stage = HF_LINE_OPEN;
    l->err = HF_OK;
    l->words[0] = 0;
    l->secured = l->opening->secure ? hf_dialer_now(l->dialer) : hf_time_make(0);
    hf_opening_free(l);
    return HF_EVENT;
}

/* Stands TLS on the line's pier. */
static hf_step shake(hf_line *l, const hf_tls_config *config, const char *host, hf_span room, hf_tls_pier **to)
{
    hf_opening *const o = l->opening;
    hf_dialer *const d = l->dialer;
    char text[300];
    const hf_err err = hf_dialer_trust(d, text, sizeof text);
    if (err.code != 0)
        return give_up(l, HF_LINE_TLS, err, "roots", text);
    o->began = hf_dialer_now(d);
    hf_tls *const core = hf_tls_client_new(&d->env, config, ++d->lines, o->began, hf_text(host), hf_bytes_make(NULL, 0));
    *to = hf_tls_pier_new(&d->env, core, l->pier, room, o->began);
    l->pier = (hf_pier){ NULL, NULL };
    if (*to == NULL)
        return give_up(l, HF_LINE_TLS, hf_err_make(HF_ERR_BASE_MEMORY), host, "out of memory");
    l->pier = hf_tls_pier_get(*to);
    hf_tls_pier_listen(*to, &l->question);
    l->opened = false;
    l->words[0] = 0;
    l->err = HF_OK;
    o->until = hf_time_after(o->began, hf_dialer_patience(d));
    return HF_FULL;
}

static hf_step begin_tls(hf_line *l)
{
    hf_opening *const o = l->opening;
    hf_dialer *const d = l->dialer;
    if (!o->secure)
        return open_now(l);
    if (l->proxy_tls != NULL)
        hf_tls_pier_listen(l->proxy_tls, NULL); /* it has shaken hands: what is asked from here on, the one above asks */
    l->config = (hf_tls_config){ .crypto = hf_dialer_crypto(d), .protocols = o->wish.protocols, .protocol_count = o->wish.protocol_count, .key_log = d->options.key_log };
    o->phase = SHAKING;
    return shake(l, &l->config, o->host, (hf_span){ d->room, sizeof d->room }, &l->tls);
}

/* RFC 9110 9.3.6 says of a tunnel only that it is made; below it, the way to the proxy is TLS of its own. */
static hf_step begin_proxy_tls(hf_line *l)
{
    static const hf_bytes protocol = HF_LITERAL("http/1.1");
    hf_opening *const o = l->opening;
    hf_dialer *const d = l->dialer;
    if (d->proxy_room == NULL) /* both seal within one call */
        d->proxy_room = hf_alloc(hf_allocator_default(), HF_DIALER_ROOM);
    if (d->proxy_room == NULL)
        return give_up(l, HF_LINE_TLS, hf_err_make(HF_ERR_BASE_MEMORY), o->dial_host, "out of memory");
    l->proxy_config = (hf_tls_config){ .crypto = hf_dialer_crypto(d), .protocols = &protocol, .protocol_count = 1, .key_log = d->options.key_log };
    o->phase = SHAKING_PROXY;
    return shake(l, &l->proxy_config, o->dial_host, (hf_span){ d->proxy_room, HF_DIALER_ROOM }, &l->proxy_tls);
}

static hf_step step_tls(hf_line *l)
{
    hf_opening *const o = l->opening;
    const bool late = !hf_time_before(hf_dialer_now(l->dialer), o->until);
    if (!l->opened && !l->broken && !l->fin && !late)
        return HF_IDLE;
    if (!l->opened && l->err.code == 0)
        l->err = hf_err_make(late ? HF_ERR_IO_TIMEOUT : HF_ERR_IO_RESET);
    const bool to_proxy = o->phase == SHAKING_PROXY;
    hf_dial_event e = { .step = HF_DIAL_TLS, .err = l->opened ? HF_OK : l->err, .tls = to_proxy ? NULL : hf_tls_pier_core(l->tls) };
    (void)hf_line_packets(l, &e.packets_out, &e.packets_in);
    if (!to_proxy)
        hf_dialer_tell(l->dialer, e, o->began);
    if (l->opened)
        return to_proxy ? begin_proxy(l) : open_now(l);
    if (l->words[0] == 0) /* else what verification said is more than the alert that followed */
        return give_up(l, HF_LINE_TLS, l->err, to_proxy ? o->dial_host : o->host, hf_err_text(l->err));
    l->stage = HF_LINE_TLS;
    hf_opening_free(l);
    return HF_FAULT;
}

/* ---- together ----------------------------------------------------------------------------------------------- */

static hf_step win(hf_line *l, size_t i)
{
    hf_opening *const o = l->opening;
    attempt *const a = &o->attempts[i];
    hf_dial_event e = { .step = a->quic != NULL ? HF_DIAL_QUIC : HF_DIAL_ADDRESS, .addresses = &a->to, .address_count = 1 };
    tell_name(l);
    leave_record(l);
    l->peer = a->to;
    l->pier = a->pier;
    l->descriptor = a->pier.ops != NULL && l->dialer->options.world.io == NULL ? hf_socket_descriptor(a->pier) : -1;
    l->quic = a->quic;
    l->chain = a->chain;
    a->chain = NULL;
    a->pier = (hf_pier){ NULL, NULL };
    a->quic = NULL;
    a->running = false;
    for (size_t k = 0; k < o->race.count; k++)
        end_attempt(&o->attempts[k]);
    (void)hf_line_packets(l, &e.packets_out, &e.packets_in);
    hf_dialer_tell(l->dialer, e, a->began);
    l->broken = l->fin = false;
    l->err = HF_OK;
    l->connected = hf_dialer_now(l->dialer);
    return l->quic != NULL ? open_now(l) : begin_proxy(l);
}

static hf_step step_race(hf_line *l)
{
    hf_opening *const o = l->opening;
    size_t i;
    take_names(l);
    if (l->coalesces && !o->race.begun && o->query->count > 0 && o->wish.covered(o->wish.self, o->query->at, o->query->count))
        return give_up(l, HF_LINE_CONNECT, hf_err_make(HF_ERR_CLIENT_COALESCED), o->host, "another connection serves it");
    for (i = 0; i < o->race.count; i++)
        if (o->attempts[i].running && step_attempt(l, i) == HF_EVENT)
            return win(l, i);
    while (hf_race_next(&o->race, hf_dialer_now(l->dialer), &i)) {
        tell_name(l);
        begin_attempt(l, i);
    }
    if (!hf_race_is_over(&o->race) || is_left_to_record(o, hf_dialer_now(l->dialer)))
        return HF_IDLE;
    leave_record(l);
    if (o->race.count == 0)
        return give_up(l, HF_LINE_NAME, hf_err_make(HF_ERR_IO_SYSTEM), o->dial_host, o->query->words != NULL ? o->query->words : "it has no address");
    if (l->words[0] != 0 && o->wish.quic_only) { /* what verification said */
        const hf_err err = o->last;
        l->stage = HF_LINE_TLS;
        l->err = err;
        hf_opening_free(l);
        return HF_FAULT;
    }
    char words[200];
    snprintf(words, sizeof words, "%s%s%s", hf_err_text(o->last), o->last_words != NULL ? ": " : "", o->last_words != NULL ? o->last_words : "");
    return give_up(l, HF_LINE_CONNECT, o->last, o->host, words);
}

hf_step hf_line_step(hf_line *l)
{
    for (;;) {
        hf_opening *const o = l->opening;
        hf_step s = HF_IDLE;
        if (o == NULL)
            return l->stage == HF_LINE_OPEN ? HF_EVENT : HF_FAULT;
        if (o->phase != RACING)
            hf_line_pull(l);
        switch (o->phase) {
        case RACING:
            l->words[0] = o->race.count == 0 ? 0 : l->words[0];
            s = step_race(l);
            break;
        case AT_PROXY:
            s = o->proxy == BY_SOCKS ? step_socks(l) : step_http_proxy(l);
            if (s == HF_IDLE && (l->broken || l->fin))
                s = give_up(l, HF_LINE_CONNECT, hf_err_make(HF_ERR_IO_RESET), o->dial_host, "the proxy ends the connection");
            else if (s == HF_IDLE && !hf_time_before(hf_dialer_now(l->dialer), o->until))
                s = give_up(l, HF_LINE_CONNECT, hf_err_make(HF_ERR_IO_TIMEOUT), o->dial_host, "the proxy does not answer");
            break;
        case SHAKING_PROXY:
        case SHAKING: s = step_tls(l); break;
        }
        if (s != HF_FULL)
            return s;
    }
}

hf_time hf_opening_wake(const hf_line *l)
{
    const hf_opening *const o = l->opening;
    if (o->phase == AT_PROXY)
        return o->until;
    if (o->phase == SHAKING || o->phase == SHAKING_PROXY)
        return hf_time_earlier(o->until, hf_tls_pier_wake(o->phase == SHAKING ? l->tls : l->proxy_tls));
    hf_time at = hf_race_wake(&o->race);
    if (o->waits)
        at = hf_time_earlier(at, o->record_by);
    if (o->asks_record && o->record_last.ns != 0)
        at = hf_time_earlier(at, o->record_last);
    for (size_t i = 0; i < o->race.count; i++) {
        const attempt *const a = &o->attempts[i];
        if (a->running)
            at = hf_time_earlier(at, a->quic != NULL ? hf_time_earlier(a->until, hf_quic_line_wake(a->quic)) : a->until);
    }
    return at;
}
