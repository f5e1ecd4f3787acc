/* SPDX-License-Identifier: Apache-2.0 */
#include "line_pool.h"

#include "address.h"
#include "alloc.h"

enum { LINES = 256, OFFERS = 32, FIELDS = 128, GUESTS = 16 };

struct hf_pooled_line {
    hf_line line;
    hf_fetch fetch;
    bool opening, ready;  /* ready: fetch is open */
    bool lost;            /* `why`: those that were open on it are told, one at a time */
    hf_err why;
    hf_version wanted;    /* of who had it opened */
    char host[256];
    hf_keep_place place;
    hf_line_pool *pool;
    hf_pooled_line *guest_of; /* while it is opened: the line that turned out to serve its host, too */
    char *guests[GUESTS];     /* the hosts of other origins that it serves */
    bool turned_away[GUESTS]; /* that it does not, after all */
    size_t guest_count;
    bool coalesces;           /* may be spared for another */
    hf_time idle_since;
    uint64_t asked;
};

typedef struct offer {
    char host[256];
    uint16_t of, port; /* the origin's; QUIC's */
} offer;

struct hf_line_pool {
    hf_dialer *dialer;
    hf_line_pool_options options;
    hf_keep_rules rules;
    hf_pooled_line *lines[LINES];
    size_t count, cursor;
    hf_call *first, *last;  /* that wait */
    offer offers[OFFERS];
    size_t offer_count;
    hf_line_pool_counts counts;
    char words[512];
};

hf_line_pool *hf_line_pool_new(hf_dialer *d, const hf_line_pool_options *o)
{
    hf_line_pool *const p = hf_alloc_zeroed(&hf_dialer_env(d)->alloc, sizeof *p);
    if (p == NULL)
        return NULL;
    p->dialer = d;
    p->options = *o;
    p->options.tries = o->tries > 0 ? o->tries : 3;
    p->rules = (hf_keep_rules){ .per_place = o->per_origin > 0 ? o->per_origin : 6, .all = o->all > 0 ? o->all : 64, .idle_ns = o->idle_ns > 0 ? o->idle_ns : HF_SECONDS(30) };
    p->rules.all = p->rules.all < LINES ? p->rules.all : LINES;
    return p;
}

static void close_line(hf_line_pool *p, hf_pooled_line *l)
{
    size_t i = 0;
    while (p->lines[i] != l)
        i++;
    for (size_t k = 0; k < p->count; k++)
        p->lines[k]->guest_of = p->lines[k]->guest_of == l ? NULL : p->lines[k]->guest_of;
    if (l->ready)
        hf_fetch_close(&l->fetch);
    hf_line_close(&l->line);
    for (size_t k = 0; k < l->guest_count; k++)
        hf_free(&hf_dialer_env(p->dialer)->alloc, l->guests[k], sizeof l->host);
    hf_free(&hf_dialer_env(p->dialer)->alloc, l, sizeof *l);
    p->lines[i] = p->lines[--p->count];
}

void hf_line_pool_free(hf_line_pool *p)
{
    if (p == NULL)
        return;
    while (p->count > 0)
        close_line(p, p->lines[0]);
    hf_free(&hf_dialer_env(p->dialer)->alloc, p, sizeof *p);
}

void hf_line_pool_count(const hf_line_pool *p, hf_line_pool_counts *counts)
{
    *counts = p->counts;
}

/* ---- who waits ---------------------------------------------------------------------------------------------- */

static void queue(hf_line_pool *p, hf_call *c, bool in_front)
{
    c->queued = true;
    c->line = NULL;
    c->next = in_front ? p->first : NULL;
    if (in_front || p->first == NULL)
        p->first = c;
    else
        p->last->next = c;
    if (!in_front || c->next == NULL)
        p->last = c;
}

static void unqueue(hf_line_pool *p, hf_call *c)
{
    hf_call **at = &p->first, *before = NULL;
    while (*at != c) {
        before = *at;
        at = &(*at)->next;
    }
    *at = c->next;
    p->last = p->last == c ? before : p->last;
    c->queued = false;
    c->next = NULL;
}

void hf_line_pool_ask(hf_line_pool *p, hf_call *c)
{
    c->tries = 0;
    c->begun = false;
    queue(p, c, false);
}

void hf_line_pool_drop(hf_line_pool *p, hf_call *c)
{
    if (c->queued) {
        unqueue(p, c);
    } else if (c->line != NULL) {
        hf_fetch_cancel(&c->line->fetch, c);
        c->line->idle_since = hf_dialer_now(p->dialer);
        c->line = NULL;
    }
}

void hf_line_pool_hold(hf_line_pool *p, hf_call *c, bool held)
{
    (void)p;
    if (c->line != NULL)
        hf_fetch_hold(&c->line->fetch, c, held);
}

/* ---- where it goes ------------------------------------------------------------------------------------------ */

static uint16_t offered(const hf_line_pool *p, const hf_client_url *url)
{
    for (size_t i = 0; i < p->offer_count; i++)
        if (p->offers[i].of == url->port && strcmp(p->offers[i].host, url->host) == 0)
            return p->offers[i].port;
    return 0;
}

void hf_line_pool_offer_quic(hf_line_pool *p, const hf_client_url *url, uint16_t port)
{
    size_t i = 0;
    while (i < p->offer_count && (p->offers[i].of != url->port || strcmp(p->offers[i].host, url->host) != 0))
        i++;
    i = i < OFFERS ? i : 0;
    memcpy(p->offers[i].host, url->host, sizeof p->offers[i].host);
    p->offers[i].of = url->port;
    p->offers[i].port = port;
    p->offer_count += i == p->offer_count;
}

static hf_keep_place place_of(const hf_call *c)
{
    /* Connections that may be of one version are not for who wants another. */
    return (hf_keep_place){ .secure = c->url->secure, .port = c->url->port, .host = hf_text(c->url->host),
                            .way = (uint64_t)c->version * 4 + c->only * 2u + c->alone };
}

static bool is_same_place(const hf_call *a, const hf_call *b)
{
    return a->version == b->version && a->alone == b->alone && a->only == b->only && a->url->secure == b->url->secure && a->url->port == b->url->port &&
           strcmp(a->url->host, b->url->host) == 0;
}

/* GUESTS: it is none. */
static size_t guest_at(const hf_pooled_line *l, const char *host)
{
    for (size_t i = 0; i < l->guest_count; i++)
        if (strcmp(l->guests[i], host) == 0)
            return i;
    return GUESTS;
}

static bool has_guest(const hf_pooled_line *l, const char *host)
{
    const size_t i = guest_at(l, host);
    return i < GUESTS && !l->turned_away[i];
}

static hf_keep_row row_of(const hf_line_pool *p, const hf_pooled_line *l)
{
    hf_keep_row r = { .place = l->place, .version = (hf_version)0, .busy = 1, .most = 1, .idle_since = l->idle_since };
    if (!l->ready)
        return r;
    r.version = hf_fetch_version(&l->fetch);
    r.busy = l->fetch.open;
    r.most = r.busy + hf_fetch_room(&l->fetch);
    r.over = hf_fetch_is_over(&l->fetch) || (p->options.fresh && l->asked > 0) ||
             (l->fetch.held > 0 && r.version >= HF_HTTP_2); /* what is held may shut the window that all share: others have another opened */
    return r;
}

static bool is_among(const hf_address *a, const hf_address *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].family == a->family && memcmp(all[i].ip, a->ip, a->family == 6 ? 16 : 4) == 0)
            return true;
    return false;
}

/* RFC 9113 9.1.1: "A connection can be reused as long as the origin server is authoritative": the host leads to the address at the
 * other end, and the certificate that was believed there is one that would be believed for this host. */
static bool is_covered(void *self, const hf_address *addresses, size_t count)
{
    hf_pooled_line *const own = self;
    hf_line_pool *const p = own->pool;
    for (size_t i = 0; i < p->count; i++) {
        hf_pooled_line *const l = p->lines[i];
        if (!l->ready || l->line.chain == NULL || hf_fetch_is_over(&l->fetch) || hf_fetch_version(&l->fetch) < HF_HTTP_2 || l->guest_count == GUESTS ||
            l->place.port != own->place.port || l->place.way != own->place.way || guest_at(l, own->host) < GUESTS || !is_among(&l->line.peer, addresses, count) ||
            !hf_line_covers(&l->line, hf_text(own->host)))
            continue;
        own->guest_of = l;
        return true;
    }
    return false;
}

/* The line that was begun for this host is not needed: from now on the other one serves it. */
static void lodge(hf_line_pool *p, hf_pooled_line *own)
{
    hf_pooled_line *const l = own->guest_of;
    char *const name = l != NULL && !has_guest(l, own->host) ? hf_alloc(&hf_dialer_env(p->dialer)->alloc, sizeof own->host) : NULL;
    if (name != NULL) {
        memcpy(name, own->host, sizeof own->host);
        l->guests[l->guest_count++] = name;
    }
    p->counts.opened--;
    p->counts.coalesced++;
    close_line(p, own);
}

static hf_pooled_line *open_line(hf_line_pool *p, const hf_call *c)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    hf_pooled_line *const l = hf_alloc_zeroed(&hf_dialer_env(p->dialer)->alloc, sizeof *l);
    if (l == NULL)
        return NULL;
    const bool one = c->version == HF_HTTP_1_0 || c->version == HF_HTTP_1_1;
    l->pool = p;
    const hf_line_wish wish = { .covered = p->options.fresh || one || c->alone ? NULL : is_covered, .self = l, .protocols = one ? both + 1 : both, .protocol_count = one || c->version == HF_HTTP_2 ? 1 : 2, .quic = c->version == HF_HTTP_3 || c->version == 0,
                                .quic_only = c->only, .quic_port = offered(p, c->url) };
    memcpy(l->host, c->url->host, sizeof l->host);
    l->place = place_of(c);
    l->place.host = hf_text(l->host);
    l->opening = true;
    l->wanted = c->version;
    p->lines[p->count++] = l;
    p->counts.opened++;
    hf_line_begin(&l->line, p->dialer, c->url, &wish);
    return l;
}

/* True: it goes over a line now, or failed. False: the peer allows no more of them for now: it goes on waiting. */
static bool send_over(hf_line_pool *p, hf_pooled_line *l, hf_call *c, hf_line_pool_event *e)
{
    hf_request_head head = c->head;
    char absolute[HF_CLIENT_URL_BYTES];
    hf_field fields[FIELDS];
    head.scheme = hf_text(c->url->secure ? "https" : "http");
    head.target = c->url->target;
    if (head.authority.len == 0)
        head.authority = c->url->authority;
    if (l->line.absolute) {
        hf_writer w = hf_writer_make(absolute, sizeof absolute);
        hf_write_text(&w, "http://");
        hf_write(&w, c->url->authority);
        hf_write(&w, c->url->target);
        head.target = hf_written(&w);
        for (size_t i = 0; i < head.fields.count && i < FIELDS; i++)
            fields[i] = head.fields.at[i];
        if (l->line.login[0] != 0 && head.fields.count < FIELDS) {
            fields[head.fields.count] = (hf_field){ HF_LITERAL("Proxy-Authorization"), hf_text(l->line.login), hf_field_identify(hf_text("proxy-authorization")) };
            head.fields = (hf_fields){ fields, head.fields.count + 1 };
        }
    }
    const hf_err err = c->source != NULL ? hf_fetch_ask_from(&l->fetch, &head, c->source, c) : hf_fetch_ask(&l->fetch, &head, c->body, c);
    if (err.code == HF_ERR_BASE_LIMIT && l->fetch.open > 0)
        return false; /* RFC 9113 5.1.2: one that ends makes room */
    unqueue(p, c);
    *e = (hf_line_pool_event){ .kind = HF_LINE_POOL_CONNECTED, .call = c, .line = &l->line, .version = hf_fetch_version(&l->fetch), .reused = l->asked > 0, .stage = HF_LINE_OPEN };
    if (err.code != 0) {
        e->kind = HF_LINE_POOL_FAILED;
        e->err = err;
        e->words = hf_err_text(err);
        return true;
    }
    c->line = l;
    p->counts.asked++;
    p->counts.reused += l->asked++ > 0;
    return true;
}

/* The first that can begin does. False: none can. */
static bool start_one(hf_line_pool *p, hf_line_pool_event *e)
{
    hf_call *next;
    for (hf_call *c = p->first; c != NULL; c = next) {
        hf_keep_row rows[LINES];
        size_t at;
        next = c->next;
        const hf_keep_place wanted = place_of(c);
        uint32_t ahead = 0;
        for (const hf_call *other = p->first; other != c; other = other->next)
            ahead += is_same_place(c, other);
        for (size_t i = 0; i < p->count; i++) {
            rows[i] = row_of(p, p->lines[i]);
            rows[i].covers = has_guest(p->lines[i], c->url->host);
        }
        switch (hf_keep_choose(&p->rules, rows, p->count, &wanted, ahead, hf_dialer_now(p->dialer), &at)) {
        case HF_KEEP_USE:
            if (send_over(p, p->lines[at], c, e))
                return true;
            break;
        case HF_KEEP_OPEN:
            if (at < p->count)
                close_line(p, p->lines[at]);
            if (open_line(p, c) == NULL) {
                unqueue(p, c);
                *e = (hf_line_pool_event){ .kind = HF_LINE_POOL_FAILED, .call = c, .err = hf_err_make(HF_ERR_BASE_MEMORY), .words = "out of memory" };
                return true;
            }
            break;
        case HF_KEEP_WAIT: break;
        }
    }
    return false;
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* The first of those who wait for this line fails with it; the others open another. */
static bool fail_opening(hf_line_pool *p, hf_pooled_line *l, hf_line_pool_event *e)
{
    if (l->line.err.code == HF_ERR_CLIENT_COALESCED) {
        lodge(p, l);
        return false;
    }
    for (hf_call *c = p->first; c != NULL; c = c->next) {
        const hf_keep_place wanted = place_of(c);
        if (wanted.port != l->place.port || wanted.secure != l->place.secure || wanted.way != l->place.way || !hf_bytes_equal(wanted.host, l->place.host))
            continue;
        unqueue(p, c);
        memcpy(p->words, l->line.words, sizeof p->words);
        *e = (hf_line_pool_event){ .kind = HF_LINE_POOL_FAILED, .call = c, .stage = l->line.stage, .err = l->line.err, .words = p->words };
        close_line(p, l);
        return true;
    }
    close_line(p, l);
    return false;
}

static bool take_opened(hf_line_pool *p, hf_pooled_line *l, hf_line_pool_event *e)
{
    const bool two = l->line.tls != NULL ? hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(l->line.tls)), hf_text("h2")) : l->wanted == HF_HTTP_2;
    l->opening = false;
    l->idle_since = hf_dialer_now(p->dialer);
    if (l->wanted == HF_HTTP_2 && !two) {
        l->line.stage = HF_LINE_OPEN;
        l->line.err = hf_err_make(HF_ERR_CLIENT_NO_VERSION);
        static const char words[] = "the server does not speak HTTP/2";
        memcpy(l->line.words, words, sizeof words);
        return fail_opening(p, l, e);
    }
    l->ready = hf_fetch_open(&l->fetch, &l->line, two ? HF_HTTP_2 : HF_HTTP_1_1);
    if (l->ready)
        return false;
    l->line.err = hf_err_make(HF_ERR_BASE_MEMORY);
    return fail_opening(p, l, e);
}

/* The exchange of `c` has ended without an answer: again, or not. */
static bool end_badly(hf_line_pool *p, hf_call *c, const hf_line *line, hf_err err, bool lost, hf_line_pool_event *e)
{
    const hf_attempt a = { .method = c->head.method_name, .err = err, .begun = c->begun, .reused = c->line->asked > 1, .sent = true };
    const bool again = hf_resend_of(&a) != HF_RESEND_NO && ++c->tries < p->options.tries &&
                       (c->source == NULL || (c->source->rewind != NULL && c->source->rewind(c->source->self)));
    c->line = NULL;
    *e = (hf_line_pool_event){ .kind = again ? HF_LINE_POOL_AGAIN : HF_LINE_POOL_FAILED, .call = c, .line = line, .stage = HF_LINE_OPEN, .lost = lost, .err = err, .words = hf_err_text(err) };
    p->counts.again += again;
    if (again)
        queue(p, c, true);
    return true;
}

/* The line is gone with all that was open on it. */
static bool lose_line(hf_line_pool *p, hf_pooled_line *l, hf_err err, hf_line_pool_event *e)
{
    void *user;
    l->lost = true; /* it is not turned again: the next step finds the next */
    l->why = err;
    if (hf_fetch_lose(&l->fetch, &user))
        return end_badly(p, user, &l->line, err, l->line.broken, e);
    close_line(p, l);
    return false;
}

/* RFC 9110 15.5.20: "A client that receives a 421 ... MAY retry the request ... over a different connection": one of its own. */
static bool turn_away(hf_line_pool *p, hf_pooled_line *l, hf_call *c, hf_line_pool_event *e)
{
    const size_t guest = guest_at(l, c->url->host);
    if (guest < GUESTS)
        l->turned_away[guest] = true; /* and so would be every other that asks for it here */
    if (strcmp(l->host, c->url->host) == 0 || c->alone || (c->source != NULL && (c->source->rewind == NULL || !c->source->rewind(c->source->self))))
        return false;
    hf_fetch_cancel(&l->fetch, c);
    c->line = NULL;
    c->alone = true;
    *e = (hf_line_pool_event){ .kind = HF_LINE_POOL_AGAIN, .call = c, .line = &l->line, .stage = HF_LINE_OPEN, .err = hf_err_make(HF_ERR_CLIENT_COALESCED),
        .words = "421: the server does not answer for this host on a connection of another" };
    p->counts.again++;
    queue(p, c, true);
    return true;
}

static bool step_line(hf_line_pool *p, hf_pooled_line *l, hf_line_pool_event *e)
{
    static const hf_line_pool_event_kind kinds[] = { HF_LINE_POOL_HEAD, HF_LINE_POOL_BODY, HF_LINE_POOL_TRAILERS, HF_LINE_POOL_FAILED, HF_LINE_POOL_END, HF_LINE_POOL_FAILED };
    hf_err why;
    if (l->opening) {
        const hf_step s = hf_line_step(&l->line);
        return s == HF_EVENT ? take_opened(p, l, e) : s == HF_FAULT ? fail_opening(p, l, e) : false;
    }
    if (l->lost)
        return lose_line(p, l, l->why, e);
    *e = (hf_line_pool_event){ .line = &l->line, .version = hf_fetch_version(&l->fetch), .stage = HF_LINE_OPEN };
    const hf_step s = hf_fetch_turn(&l->fetch, &e->answer, &why);
    if (s == HF_FAULT)
        return lose_line(p, l, why, e);
    if (s != HF_EVENT) {
        if (l->fetch.open == 0 && hf_fetch_is_over(&l->fetch))
            close_line(p, l);
        return false;
    }
    hf_call *const c = e->call = e->answer.user;
    e->kind = kinds[e->answer.kind];
    hf_dialer_note_body(p->dialer, e->kind == HF_LINE_POOL_BODY && l->line.quic == NULL ? e->answer.body.len : 0);
    if (e->answer.kind == HF_FETCH_FAILED)
        return end_badly(p, c, &l->line, e->answer.err, false, e);
    if (e->kind == HF_LINE_POOL_HEAD && e->answer.head.status == 421 && turn_away(p, l, c, e))
        return true;
    c->begun = true;
    if (e->kind == HF_LINE_POOL_END) {
        c->line = NULL;
        l->idle_since = hf_dialer_now(p->dialer);
    }
    return true;
}

static void drop_idle(hf_line_pool *p)
{
    const hf_time now = hf_dialer_now(p->dialer);
    for (size_t i = p->count; i-- > 0;) {
        hf_pooled_line *const l = p->lines[i];
        const hf_keep_row row = row_of(p, l);
        if (hf_keep_expires(&p->rules, &row, now))
            close_line(p, l);
    }
}

bool hf_line_pool_next(hf_line_pool *p, hf_line_pool_event *e)
{
    if (start_one(p, e))
        return true;
    for (size_t n = p->count; n > 0 && p->count > 0; n--) {
        p->cursor = (p->cursor + 1) % p->count;
        if (step_line(p, p->lines[p->cursor], e))
            return true;
        const uint64_t opened = p->counts.opened;
        if (start_one(p, e))
            return true;
        if (p->counts.opened > opened)
            n = p->count + 1; /* a name that needs no question is known at once, and nothing would wake us for it */
    }
    drop_idle(p);
    return false;
}

hf_time hf_line_pool_wake(const hf_line_pool *p)
{
    hf_time at = HF_NEVER;
    for (size_t i = 0; i < p->count; i++) {
        const hf_pooled_line *const l = p->lines[i];
        at = hf_time_earlier(at, l->ready ? hf_fetch_wake(&l->fetch) : hf_line_wake(&l->line));
        if (l->ready && l->fetch.open == 0)
            at = hf_time_earlier(at, hf_time_after(l->idle_since, p->rules.idle_ns));
    }
    return at;
}
