/* SPDX-License-Identifier: Apache-2.0
 *
 * bogo_shim: what BoringSSL's test runner drives (its ssl/test/PORTING.md says how): connects to the runner, is a server or a
 * client as it is told, echoes what it reads with every bit turned, and exits 0 when all was as the flags expect. A flag that
 * it does not know means a feature that Handfast has not: exit 89, which the runner counts apart.
 *
 *     bogo_shim -port N -shim-id N [-server] [FLAG...]
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <handfast/tls.h>

enum { UNIMPLEMENTED = 89, BUFFER = 1 << 16, LIST = 8 };

typedef struct settings {
    const char *certificate, *key, *host, *expect_host, *advertise, *select, *expect_protocol, *export_label, *export_context;
    long resume_count, least, most, expect_version, export_bytes, expect_group, expect_suite, delay_s, read_size;
    uint8_t staple[1024], expect_staple[1024], ticket_key[48];
    size_t staple_length, expect_staple_length, ticket_key_length, protocol_count, group_count;
    hf_bytes protocols[LIST];
    uint16_t groups[LIST];
    bool server, ipv6, writes_first, shuts_down, check_close, expect_miss, no_ticket, no_old, no_new, require_client, ask_client, refuse_peer,
        expect_no_session, early, expect_early, expect_early_refused, expect_early_ticket, expect_no_early, staple_asked, no_staple, reject_protocol,
        use_context, ignored;
} settings;

typedef enum kind { TRUTH, NUMBER, TEXT, BASE64, GROUP, PROTOCOLS, SKIP } kind; /* SKIP: its value says nothing here */

typedef struct flag {
    const char *name;
    kind kind;
    size_t at, length_at; /* in settings; length_at: of BASE64 */
} flag;

#define IN(field) offsetof(settings, field)
static const flag flags[] = {
    { "server", TRUTH, IN(server), 0 }, { "ipv6", TRUTH, IN(ipv6), 0 }, { "shim-writes-first", TRUTH, IN(writes_first), 0 },
    { "shim-shuts-down", TRUTH, IN(shuts_down), 0 }, { "check-close-notify", TRUTH, IN(check_close), 0 },
    { "expect-session-miss", TRUTH, IN(expect_miss), 0 }, { "no-ticket", TRUTH, IN(no_ticket), 0 }, { "no-tls12", TRUTH, IN(no_old), 0 },
    { "no-tls13", TRUTH, IN(no_new), 0 }, { "require-any-client-certificate", TRUTH, IN(require_client), 0 },
    { "verify-peer", TRUTH, IN(ask_client), 0 }, { "verify-fail", TRUTH, IN(refuse_peer), 0 },
    { "expect-no-session", TRUTH, IN(expect_no_session), 0 }, { "enable-early-data", TRUTH, IN(early), 0 },
    { "expect-accept-early-data", TRUTH, IN(expect_early), 0 }, { "expect-reject-early-data", TRUTH, IN(expect_early_refused), 0 },
    { "expect-ticket-supports-early-data", TRUTH, IN(expect_early_ticket), 0 }, { "expect-no-offer-early-data", TRUTH, IN(expect_no_early), 0 },
    { "enable-ocsp-stapling", TRUTH, IN(staple_asked), 0 }, { "decline-ocsp-callback", TRUTH, IN(no_staple), 0 },
    { "reject-alpn", TRUTH, IN(reject_protocol), 0 },
    { "use-export-context", TRUTH, IN(use_context), 0 },
    { "resume-count", NUMBER, IN(resume_count), 0 }, { "min-version", NUMBER, IN(least), 0 }, { "max-version", NUMBER, IN(most), 0 },
    { "expect-version", NUMBER, IN(expect_version), 0 }, { "export-keying-material", NUMBER, IN(export_bytes), 0 },
    { "expect-curve-id", NUMBER, IN(expect_group), 0 }, { "expect-cipher", NUMBER, IN(expect_suite), 0 },
    { "resumption-delay", NUMBER, IN(delay_s), 0 }, { "read-size", NUMBER, IN(read_size), 0 },
    { "cert-file", TEXT, IN(certificate), 0 }, { "key-file", TEXT, IN(key), 0 }, { "host-name", TEXT, IN(host), 0 },
    { "expect-server-name", TEXT, IN(expect_host), 0 }, { "select-alpn", TEXT, IN(select), 0 },
    { "expect-alpn", TEXT, IN(expect_protocol), 0 }, { "export-label", TEXT, IN(export_label), 0 },
    { "export-context", TEXT, IN(export_context), 0 },
    { "advertise-alpn", PROTOCOLS, 0, 0 }, { "curves", GROUP, 0, 0 },
    { "ocsp-response", BASE64, IN(staple), IN(staple_length) }, { "ticket-key", BASE64, IN(ticket_key), IN(ticket_key_length) },
    { "expect-ocsp-response", BASE64, IN(expect_staple), IN(expect_staple_length) },
    /* How a program calls its library, which is another here; what is always so here; and what cannot be seen from outside. */
    { "async", TRUTH, IN(ignored), 0 }, { "implicit-handshake", TRUTH, IN(ignored), 0 }, { "no-op-extra-handshake", TRUTH, IN(ignored), 0 },
    { "handshake-twice", TRUTH, IN(ignored), 0 }, { "peek-then-read", TRUTH, IN(ignored), 0 }, { "use-ticket-callback", TRUTH, IN(ignored), 0 },
    { "use-custom-verify-callback", TRUTH, IN(ignored), 0 }, { "use-early-callback", TRUTH, IN(ignored), 0 }, { "no-tls1", TRUTH, IN(ignored), 0 },
    { "no-tls11", TRUTH, IN(ignored), 0 }, { "expect-extended-master-secret", TRUTH, IN(ignored), 0 },
    { "expect-secure-renegotiation", TRUTH, IN(ignored), 0 }, { "expect-hrr", TRUTH, IN(ignored), 0 }, { "expect-no-hrr", TRUTH, IN(ignored), 0 },
    { "use-ocsp-callback", TRUTH, IN(ignored), 0 }, { "set-ocsp-in-callback", TRUTH, IN(ignored), 0 },
    { "use-old-client-cert-callback", TRUTH, IN(ignored), 0 }, { "install-ddos-callback", TRUTH, IN(ignored), 0 }, { "expect-verify-result", TRUTH, IN(ignored), 0 },
    { "server-preference", TRUTH, IN(ignored), 0 },
    { "trust-cert", SKIP, 0, 0 }, { "expect-early-data-reason", SKIP, 0, 0 },
};

static const char *fault_text;

static _Noreturn void leave(int status, const char *what)
{
    if (what != NULL)
        fprintf(stderr, "%s%s%s\n", what, fault_text != NULL ? ": " : "", fault_text != NULL ? fault_text : "");
    exit(status);
}

static void check(bool good, const char *what)
{
    if (!good)
        leave(1, what);
}

/* ---- flags ---------------------------------------------------------------------------------------------------- */

static size_t decode(const char *text, uint8_t *out, size_t room)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (; *text != 0 && *text != '='; text++) {
        const char *const d = strchr(digits, *text);
        check(d != NULL && n < room, "base64");
        bits = bits << 6 | (uint32_t)(d - digits);
        held += 6;
        if (held >= 8)
            out[n++] = (uint8_t)(bits >> (held -= 8));
    }
    return n;
}

static void set(settings *s, const flag *f, const char *value)
{
    uint8_t *const at = (uint8_t *)s + f->at;
    if (f->kind == TRUTH)
        *(bool *)at = true;
    else if (f->kind == NUMBER)
        *(long *)(void *)at = atol(value);
    else if (f->kind == TEXT)
        *(const char **)(void *)at = value;
    else if (f->kind == BASE64)
        *(size_t *)(void *)((uint8_t *)s + f->length_at) = decode(value, at, f->at == IN(ticket_key) ? 48 : 1024);
    else if (f->kind == GROUP && s->group_count < LIST)
        s->groups[s->group_count++] = (uint16_t)atol(value);
    else if (f->kind == PROTOCOLS) {
        s->protocol_count = 0;
        for (const char *p = value; *p != 0 && s->protocol_count < LIST; p += 1 + (uint8_t)*p)
            s->protocols[s->protocol_count++] = (hf_bytes){ (const uint8_t *)p + 1, (uint8_t)*p };
    }
}

static const char *without(const char *text, const char *prefix)
{
    const size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* `of` has the settings of the first connection, of a later one, and of one whose early data was refused. */
static void read_flags(int argc, char **argv, settings of[3], long *port, uint64_t *id)
{
    static const char *const prefixes[] = { "-on-initial-", "-on-resume-", "-on-retry-" };
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + 1;
        unsigned which = 7;
        const flag *f = NULL;
        for (unsigned p = 0; p < 3; p++)
            if (without(argv[i], prefixes[p]) != NULL) {
                name = without(argv[i], prefixes[p]);
                which = 1u << p;
            }
        if (strcmp(argv[i], "-is-handshaker-supported") == 0) {
            puts("No");
            exit(0);
        }
        if (i + 1 < argc && strcmp(name, "port") == 0) {
            *port = atol(argv[++i]);
            continue;
        }
        if (i + 1 < argc && strcmp(name, "shim-id") == 0) {
            *id = strtoull(argv[++i], NULL, 10);
            continue;
        }
        for (size_t k = 0; k < sizeof flags / sizeof *flags && f == NULL; k++)
            if (strcmp(flags[k].name, name) == 0)
                f = &flags[k];
        if (f == NULL || (f->kind != TRUTH && i + 1 == argc))
            leave(UNIMPLEMENTED, argv[i]);
        const char *const value = f->kind == TRUTH ? NULL : argv[++i];
        for (unsigned p = 0; p < 3; p++)
            if (which >> p & 1)
                set(&of[p], f, value);
    }
}

/* ---- the world ------------------------------------------------------------------------------------------------ */

static hf_env env;
static hf_tls_config config;
static hf_tls_identity identity;
static hf_tls_ticket_key ticket_key;
static hf_bytes selected;
static uint8_t session[8192];
static size_t session_length;

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size > 0)
        return realloc(old, new_size);
    free(old);
    return NULL;
}

static int64_t skipped_s; /* the clock went ahead by so much */

/* The clock stands still: the runner compares the age of a ticket with the delay that it asked for, to the millisecond. */
static hf_time now(void)
{
    static struct timespec t;
    if (t.tv_sec == 0)
        clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make(HF_SECONDS((int64_t)t.tv_sec + skipped_s) + t.tv_nsec);
}

static hf_bytes file(const char *path, uint8_t *room, size_t size)
{
    FILE *f = fopen(path, "re");
    check(f != NULL, path);
    const size_t n = fread(room, 1, size, f);
    fclose(f);
    return (hf_bytes){ room, n };
}

static void load_identity(const settings *s)
{
    static uint8_t room[1 << 16];
    if (s->certificate == NULL || s->key == NULL)
        return;
    if (hf_chain_load(config.crypto, file(s->certificate, room, sizeof room), &identity.chain).code != 0 ||
        hf_key_load(config.crypto, file(s->key, room, sizeof room), &identity.key).code != 0)
        leave(UNIMPLEMENTED, "a certificate or a key that is not used here");
    identity.staple = (hf_bytes){ s->staple, s->no_staple ? 0 : s->staple_length };
    config.identities = &identity;
    config.identity_count = 1;
}

/* What the flags say of versions, of which two are spoken. */
static void choose_versions(const settings *s)
{
    const long least = s->least > HF_TLS_1_2 ? s->least : s->no_old ? HF_TLS_1_3 : HF_TLS_1_2;
    const long most = s->most != 0 && s->most < HF_TLS_1_3 ? s->most : s->no_new ? HF_TLS_1_2 : HF_TLS_1_3;
    if (most < HF_TLS_1_2 || least > most)
        leave(UNIMPLEMENTED, "a version that is not spoken here");
    config.least_version = (uint16_t)least;
    config.most_version = (uint16_t)most;
}

static void configure(const settings *s)
{
    static hf_tls_strikes *strikes;
    static const hf_bytes nothing = { (const uint8_t *)"\1", 1 };
    choose_versions(s);
    load_identity(s);
    if (s->ticket_key_length == sizeof s->ticket_key)
        memcpy(&ticket_key, s->ticket_key, sizeof ticket_key);
    config.ticket_keys = &ticket_key;
    config.ticket_key_count = s->server && !s->no_ticket;
    config.rsa_key_exchange = true;
    config.client_auth = s->require_client ? HF_TLS_CLIENT_AUTH_REQUIRE : s->ask_client ? HF_TLS_CLIENT_AUTH_ASK : HF_TLS_CLIENT_AUTH_NONE;
    config.groups = s->group_count > 0 ? s->groups : NULL;
    config.group_count = s->group_count;
    config.ask_staple = s->staple_asked;
    config.early_data = s->early;
    if (strikes == NULL) {
        const size_t bytes = hf_tls_strikes_bytes(1024);
        void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
        check(memory != NULL, "memory");
        memset(memory, 0, bytes);
        strikes = hf_tls_strikes_make(memory, bytes, 1);
    }
    config.strikes = strikes;
    config.protocols = s->protocols;
    config.protocol_count = s->protocol_count;
    if (s->server) {
        selected = s->select != NULL ? (hf_bytes){ (const uint8_t *)s->select, strlen(s->select) } : nothing;
        config.protocols = &selected;
        config.protocol_count = s->select != NULL || s->reject_protocol;
    }
}

/* ---- one connection ------------------------------------------------------------------------------------------- */

typedef struct link {
    hf_tls *t;
    const settings *s; /* of which connection this is; changes when early data is refused */
    int fd;
    bool resumes, opened, ended, was_early, early_refused, got_session, closing, eof, clean;
    uint8_t in[BUFFER];
    size_t length, said; /* of the first words */
} link_end;

static const char words[] = "hello"; /* what -shim-writes-first wants */

static void flush(link_end *l)
{
    static uint8_t scratch[1 << 17];
    for (;;) {
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_tls_emit(l->t, now(), &out) == 0)
            return;
        for (size_t i = 0; i < out.count; i++)
            for (size_t done = 0; done < pieces[i].bytes.len;) {
                const ssize_t n = send(l->fd, pieces[i].bytes.ptr + done, pieces[i].bytes.len - done, MSG_NOSIGNAL);
                if (n <= 0)
                    return; /* the runner is gone: what it has sent says why */
                done += (size_t)n;
            }
    }
}

static void put(link_end *l, const void *bytes, size_t n)
{
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { bytes, n } };
    check(hf_tls_put(l->t, &e, 1) == n, "put takes nothing");
}

static void export_secret(link_end *l)
{
    uint8_t out[1024];
    const char *const context = l->s->export_context != NULL ? l->s->export_context : "";
    const char *const label = l->s->export_label != NULL ? l->s->export_label : "";
    if (hf_tls_version(l->t) != HF_TLS_1_3 || l->s->export_bytes > 255)
        leave(UNIMPLEMENTED, "exporters of TLS 1.2, and long ones");
    check(hf_tls_export(l->t, label, (hf_bytes){ (const uint8_t *)context, strlen(context) }, out, (size_t)l->s->export_bytes).code == 0, "export");
    put(l, out, (size_t)l->s->export_bytes);
}

static bool same(hf_bytes a, const char *text)
{
    return a.len == strlen(text) && (a.len == 0 || memcmp(a.ptr, text, a.len) == 0);
}

static uint16_t suite_code(const char *name)
{
    static const struct { const char *name; uint16_t code; } all[] = {
        { "TLS_AES_128_GCM_SHA256", 0x1301 }, { "TLS_AES_256_GCM_SHA384", 0x1302 }, { "TLS_CHACHA20_POLY1305_SHA256", 0x1303 },
        { "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b }, { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f },
        { "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c }, { "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030 },
        { "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9 }, { "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8 },
        { "TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].code;
    return 0;
}

static uint16_t group_code(const char *name)
{
    return strcmp(name, "x25519") == 0 ? 29 : strcmp(name, "secp256r1") == 0 ? 23 : strcmp(name, "secp384r1") == 0 ? 24 : 0;
}

/* At a server early data flows before the handshake is complete, and then this is asked already. */
static void look(const link_end *l)
{
    const settings *const s = l->s;
    check(s->expect_version == 0 || s->expect_version == hf_tls_version(l->t), "another version");
    check(s->expect_suite == 0 || s->expect_suite == suite_code(hf_tls_suite(l->t)), "another suite");
    check(s->expect_group == 0 || s->expect_group == group_code(hf_tls_group(l->t)), "another group");
    check(s->expect_protocol == NULL || same(hf_tls_protocol(l->t), s->expect_protocol), "another protocol");
    check(s->expect_host == NULL || same(hf_tls_host(l->t), s->expect_host), "another host");
    check(hf_tls_resumed(l->t) == (l->resumes && !s->expect_miss), "resumed or not, against what was expected");
    check(!s->expect_early || !l->resumes || hf_tls_early_accepted(l->t), "early data was not taken");
    check(!s->expect_early_refused || !l->resumes || l->early_refused || !hf_tls_early_accepted(l->t), "early data was taken");
    check(!s->expect_no_early || !l->resumes || !l->was_early, "early data was offered");
}

static void opened(link_end *l)
{
    l->opened = true;
    look(l);
    if (l->s->export_bytes > 0)
        export_secret(l);
    if (l->s->writes_first)
        put(l, words + l->said, sizeof words - 1 - l->said);
    if (l->s->shuts_down) {
        l->closing = true;
        (void)!hf_tls_end(l->t, (hf_ending){ HF_ENDING_FIN, 0 }).code;
    }
}

static void early(link_end *l)
{
    l->was_early = true;
    if (l->s->server || !l->s->writes_first)
        return;
    const size_t room = hf_tls_early_room(l->t);
    l->said = room < sizeof words - 1 ? room : sizeof words - 1;
    put(l, words, l->said);
}

static void verify(link_end *l, const hf_tls_event *event)
{
    const bool staple_good = l->s->expect_staple_length == 0 || hf_tls_version(l->t) == HF_TLS_1_2 ||
        (event->staple.len == l->s->expect_staple_length && memcmp(event->staple.ptr, l->s->expect_staple, event->staple.len) == 0);
    check(staple_good, "another OCSP response");
    hf_tls_answer_verify(l->t, hf_err_make(l->s->refuse_peer ? HF_ERR_TLS_CERT_SELF_SIGNED : 0));
}

static void echo(link_end *l)
{
    uint8_t out[512];
    hf_span got;
    if (l->closing)
        hf_tls_take(l->t, hf_tls_peek(l->t).len);
    while ((got = hf_tls_peek(l->t)).len > 0) {
        const size_t n = got.len < sizeof out ? got.len : sizeof out;
        for (size_t i = 0; i < n; i++)
            out[i] = got.ptr[i] ^ 0xff;
        put(l, out, n);
        hf_tls_take(l->t, n);
        flush(l);
    }
}

static void on_event(link_end *l, const hf_tls_event *event)
{
    switch (event->kind) {
    case HF_TLS_OPENED: opened(l); break;
    case HF_TLS_EARLY: early(l); break;
    case HF_TLS_EARLY_REJECTED:
        l->early_refused = true;
        check(l->s->expect_early_refused, "early data was refused");
        l->s++; /* those of -on-retry-... */
        break;
    case HF_TLS_READABLE: echo(l); break;
    case HF_TLS_ENDED:
        l->ended = true;
        l->clean = event->ending.kind == HF_ENDING_FIN;
        break;
    case HF_TLS_WANT_SIGN:
    case HF_TLS_WANT_DECRYPT: hf_tls_sign_here(l->t, event); break;
    case HF_TLS_WANT_VERIFY: verify(l, event); break;
    case HF_TLS_SESSION:
        check(event->session.len <= sizeof session, "a long session");
        memcpy(session, event->session.ptr, event->session.len);
        session_length = event->session.len;
        l->got_session = true;
        break;
    default: break;
    }
}

/* What came is used up, or a whole record of it is wanted. False: the connection has failed, or is over. */
static bool step(link_end *l)
{
    hf_tls_event event;
    for (;;) {
        hf_in in = { .ptr = l->in, .len = l->length, .fin = l->eof };
        const hf_step s = hf_tls_step(l->t, now(), &in, &event);
        if (s == HF_EVENT)
            on_event(l, &event);
        memmove(l->in, l->in + in.used, l->length - in.used);
        l->length -= in.used;
        flush(l);
        if (s == HF_FAULT || s == HF_CLOSED)
            return false;
        if (s == HF_IDLE || (s == HF_FULL && in.used == 0))
            return true;
    }
}

/* So that the runner reads our alert rather than a reset. */
static void drain(const link_end *l)
{
    uint8_t bytes[4096];
    shutdown(l->fd, SHUT_WR);
    while (recv(l->fd, bytes, sizeof bytes, 0) > 0)
        continue;
    close(l->fd);
}

static int dial(const settings *s, long port, uint64_t id)
{
    const struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    const int fd = socket(s->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *const to = s->ipv6 ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
    uint8_t name[8];
    for (unsigned i = 0; i < sizeof name; i++)
        name[i] = (uint8_t)(id >> 8 * i);
    check(fd >= 0 && connect(fd, to, s->ipv6 ? sizeof six : sizeof four) == 0 && send(fd, name, sizeof name, 0) == sizeof name, "connect");
    return fd;
}

static void converse(const settings *s, bool resumes, long port, uint64_t id)
{
    static link_end room;
    link_end *const l = &room;
    *l = (link_end){ .s = s, .resumes = resumes, .fd = dial(s, port, id) };
    configure(s);
    const hf_bytes host = { (const uint8_t *)s->host, s->host != NULL ? strlen(s->host) : 0 };
    l->t = s->server ? hf_tls_server_new(&env, &config, 1, now())
                     : hf_tls_client_new(&env, &config, 1, now(), host, (hf_bytes){ session, resumes ? session_length : 0 });
    check(l->t != NULL, "memory");
    bool goes_on = step(l);
    while (goes_on && !l->ended && !(l->closing && !s->check_close)) {
        const ssize_t n = recv(l->fd, l->in + l->length, sizeof l->in - l->length, 0);
        l->eof = n <= 0;
        l->length += n > 0 ? (size_t)n : 0;
        goes_on = step(l);
        if (l->eof)
            break;
    }
    const hf_tls_fault *const fault = hf_tls_fault_of(l->t);
    check(!s->check_close || !l->ended || l->clean, "cut off without close_notify");
    if (fault->err.code != 0) {
        fault_text = fault->wanted;
        flush(l);
        drain(l);
        leave(1, fault->remote ? hf_tls_alert_name(fault->alert) : hf_err_text(fault->err));
    }
    check(l->opened, "the handshake is not complete");
    if (!l->closing)
        (void)!hf_tls_end(l->t, (hf_ending){ HF_ENDING_FIN, 0 }).code;
    flush(l);
    if (!s->server && hf_tls_version(l->t) == HF_TLS_1_3 && !s->shuts_down)
        check(l->got_session != l->s->expect_no_session, "a session came or not, against what was expected");
    drain(l);
    hf_tls_free(l->t);
}

int main(int argc, char **argv)
{
    static settings of[3];
    static hf_random random;
    long port = 0;
    uint64_t id = 0;
    read_flags(argc, argv, of, &port, &id);
    check(getrandom(&random, sizeof random, 0) == sizeof random && getrandom(&ticket_key, sizeof ticket_key, 0) == sizeof ticket_key, "randomness");
    env = (hf_env){ .alloc = { resize, NULL }, .random = &random, .limits = hf_limits_default() };
    config.crypto = hf_crypto_new(&env, NULL);
    check(config.crypto != NULL, "libcrypto");
    config.wall_offset_ns = HF_SECONDS((int64_t)time(NULL)) - now().ns;
    converse(&of[0], false, port, id);
    for (long i = 0; i < of[0].resume_count; i++) {
        skipped_s += of[1].delay_s;
        converse(&of[1], true, port, id);
    }
    return 0;
}
