/* SPDX-License-Identifier: Apache-2.0
 *
 * explain URL: one more connection, asked otherwise, tells apart what looks alike: a port that speaks the other of TLS and plain HTTP,
 * a path that loses large packets, a device that does not bear a large ClientHello, HTTP/3 that is offered and does not work.
 */
#include "explain_url.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "https_record.h"

enum { HELLO_ROOM = 8192, HELLO_LARGE = 1700, NAME_LENGTH = 200, NAMES = 8, SMALL_SEGMENT = 536, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };

/* ---- bytes to an address -------------------------------------------------------------------------------------- */

/* What was said, and what came back until `enough` was, the peer closed, or the time was over. */
typedef struct exchange {
    const hf_address *to;
    int segment;    /* the largest that is asked for; 0: the system's */
    hf_bytes say;
    size_t enough;
    int64_t patience_ns;
    size_t heard;
    uint8_t first;  /* byte of the answer */
} exchange;

static int left_ms(const hf_dialer *d, hf_time until)
{
    const int64_t ns = until.ns - hf_dialer_now(d).ns;
    return ns <= 0 ? 0 : (int)(ns / 1000000) + 1;
}

static int open_socket(const exchange *e)
{
    struct sockaddr_storage name;
    const socklen_t size = hf_address_to_kernel(e->to, &name);
    const int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* RFC 9293 3.7.1: the peer sends no segment larger than the MSS that our SYN says. */
    if (e->segment > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &e->segment, sizeof e->segment);
    (void)connect(fd, (struct sockaddr *)&name, size); /* what it came to, poll and send say */
    return fd;
}

static void say_and_listen(const hf_dialer *d, exchange *e)
{
    const hf_time until = hf_time_after(hf_dialer_now(d), e->patience_ns);
    uint8_t room[16384];
    const int fd = open_socket(e);
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    if (fd < 0)
        return;
    bool goes = poll(&p, 1, left_ms(d, until)) == 1 && send(fd, e->say.ptr, e->say.len, MSG_NOSIGNAL) == (ssize_t)e->say.len;
    p.events = POLLIN;
    while (goes && e->heard < e->enough && poll(&p, 1, left_ms(d, until)) == 1) {
        const ssize_t n = recv(fd, room, sizeof room, 0);
        goes = n > 0;
        if (goes && e->heard == 0)
            e->first = room[0];
        e->heard += goes ? (size_t)n : 0;
    }
    close(fd);
}

/* A ClientHello as this program sends it, with names of protocols that nobody has until it is `least` bytes long. `groups`: NULL: all. */
static size_t write_hello(const hf_trail *y, const char *host, size_t least, const uint16_t *groups, size_t group_count, uint8_t to[HELLO_ROOM])
{
    static uint8_t letters[NAMES][NAME_LENGTH];
    hf_bytes names[NAMES + 2] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    size_t length = 0;
    for (size_t padding = 0; padding <= NAMES && (padding == 0 || length < least); padding++) {
        if (padding > 0) {
            memset(letters[padding - 1], (int)('a' + padding), NAME_LENGTH);
            names[padding + 1] = hf_bytes_make(letters[padding - 1], NAME_LENGTH);
        }
        const hf_tls_config config = { .crypto = hf_dialer_crypto(y->blind), .protocols = names, .protocol_count = padding + 2, .groups = groups, .group_count = group_count };
        const hf_time now = hf_dialer_now(y->blind);
        hf_tls *const tls = hf_tls_client_new(hf_dialer_env(y->blind), &config, 1, now, hf_text(host), hf_bytes_make(NULL, 0));
        hf_extent pieces[8];
        static uint8_t scratch[HELLO_ROOM];
        hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = HELLO_ROOM };
        length = 0;
        if (tls != NULL && hf_tls_emit(tls, now, &out) > 0)
            for (size_t i = 0; i < out.count && length + pieces[i].bytes.len <= HELLO_ROOM; i++) {
                memcpy(to + length, pieces[i].bytes.ptr, pieces[i].bytes.len);
                length += pieces[i].bytes.len;
            }
        hf_tls_free(tls);
    }
    return length;
}

static const hf_address *reached(const hf_trail_hop *h)
{
    return h->connected && h->try_count > 0 ? &h->tries[h->try_count - 1].address : NULL;
}

/* ---- small segments ------------------------------------------------------------------------------------------- */

/* More than what came before: head and body, and some. */
static size_t more_than_came(const hf_trail_hop *h)
{
    size_t n = 1024;
    if (!h->answered)
        return 1;
    for (size_t i = 0; i < h->field_count; i++)
        n += h->fields[i].name.len + h->fields[i].value.len + 4;
    return n + (size_t)h->body;
}

/* RFC 2923 2.1: "connections that hang when a large amount of data is sent". Nothing, or not all, came: does it where the server
 * may send small segments only? */
void hf_trail_try_small_segments(hf_trail *y, hf_trail_hop *h)
{
    uint8_t hello[HELLO_ROOM];
    char request[HF_CLIENT_URL_BYTES + 512];
    const hf_address *const to = reached(h);
    if (to == NULL || (h->url.secure && h->secured)) /* within TLS it would take a whole handshake: not tried */
        return;
    exchange e = { .to = to, .segment = SMALL_SEGMENT, .patience_ns = y->probe_ns, .enough = more_than_came(h) };
    if (h->url.secure) {
        e.say = hf_bytes_make(hello, write_hello(y, h->url.host, 0, NULL, 0, hello));
    } else {
        const int n = snprintf(request, sizeof request, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: handfast/" HF_VERSION "\r\nConnection: close\r\n\r\n",
            HF_STR(h->url.target), HF_STR(h->url.authority));
        e.say = hf_bytes_make(request, n > 0 && (size_t)n < sizeof request ? (size_t)n : 0);
    }
    if (e.say.len > 0)
        say_and_listen(y->blind, &e);
    h->mtu = e.heard >= e.enough;
}

/* ---- the ClientHello ------------------------------------------------------------------------------------------ */

/* Where ours is small and passed: one as large as a browser's. Where ours is large and did not: a small one. */
void hf_trail_try_hello(hf_trail *y, hf_trail_hop *h)
{
    static const uint16_t small[] = { 0x001d, 0x0017 }; /* x25519, secp256r1 */
    uint8_t hello[HELLO_ROOM];
    const hf_address *const to = reached(h);
    const size_t own = write_hello(y, h->url.host, 0, NULL, 0, hello);
    if (to == NULL || own == 0 || (!h->secured && own < HELLO_LARGE) || (h->secured && own >= HELLO_LARGE))
        return;
    const size_t n = h->secured ? write_hello(y, h->url.host, HELLO_LARGE, NULL, 0, hello) : write_hello(y, h->url.host, 0, small, HF_COUNT(small), hello);
    exchange e = { .to = to, .say = hf_bytes_make(hello, n), .enough = 1, .patience_ns = y->probe_ns };
    say_and_listen(y->blind, &e);
    const bool passes = e.heard > 0 && e.first == RECORD_HANDSHAKE;
    h->hello_tried = true;
    h->hello_passes = h->secured ? passes : !passes;
    h->hello_bytes = h->secured ? n : own;
}

/* As hf_trail_ask, with the patience of a probe. */
static void ask_shortly(hf_trail *y, hf_trail_hop *probe, hf_line *line)
{
    const int64_t patience_ns = y->patience_ns;
    y->patience_ns = y->probe_ns;
    hf_trail_ask(y, probe, line);
    y->patience_ns = patience_ns;
}

/* ---- the other protocol --------------------------------------------------------------------------------------- */

bool hf_trail_speaks_other(hf_trail *y, const hf_trail_hop *failed)
{
    hf_line line;
    hf_trail_hop *const probe = calloc(1, sizeof *probe);
    bool does = false;
    if (probe == NULL)
        return false;
    (void)hf_client_url_parse(failed->text, &probe->url);
    probe->url.secure = !failed->url.secure;
    probe->url.live = false;
    if (hf_trail_offer(&line, y->blind, &probe->url)) {
        if (!probe->url.secure)
            ask_shortly(y, probe, &line);
        does = probe->url.secure || probe->answered;
    }
    hf_line_close(&line);
    hf_trail_hop_free(probe);
    return does;
}

/* ---- the same connection -------------------------------------------------------------------------------------- */

void hf_trail_try_again(hf_trail *y, hf_trail_hop *h, hf_line *line)
{
    hf_trail_hop *const probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        return;
    (void)hf_client_url_parse(h->text, &probe->url);
    h->again_tried = true;
    hf_line_pull(line);
    h->hung_up = line->fin || line->broken; /* it says that it stays, and is gone */
    if (!h->hung_up) {
        ask_shortly(y, probe, line);
        h->again = probe->answered;
        h->again_ns = probe->head_ns;
        h->hung_up = !probe->answered && probe->http_err.code != HF_ERR_IO_TIMEOUT;
    }
    hf_trail_hop_free(probe);
}

/* ---- HTTP/3 --------------------------------------------------------------------------------------------------- */

/* Where Alt-Svc says that it is spoken. */
static bool is_offered(const hf_trail_hop *h, hf_alt_svc *alt)
{
    const hf_field *const f = hf_fields_find_name((hf_fields){ h->fields, h->field_count }, hf_text("Alt-Svc"));
    return f != NULL && hf_alt_svc_parse(f->value, alt) && alt->h3;
}

static void open_http3(hf_trail *y, hf_trail_hop *h, hf_dialer *d)
{
    hf_line line;
    const hf_line_wish wish = { .quic = true, .quic_only = true, .quic_port = h->http3.port };
    const hf_time began = hf_dialer_now(d);
    hf_trail_hop *const probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        return;
    (void)hf_client_url_parse(h->text, &probe->url);
    hf_line_begin(&line, d, &probe->url, &wish);
    hf_step s;
    while ((s = hf_line_step(&line)) == HF_IDLE)
        (void)hf_dialer_wait(d, hf_line_wake(&line), -1);
    h->http3.ns = hf_dialer_now(d).ns - began.ns;
    if (s == HF_EVENT)
        ask_shortly(y, probe, &line);
    h->http3.works = probe->answered;
    h->http3.err = s != HF_EVENT ? line.err : probe->answered ? HF_OK : probe->http_err;
    snprintf(h->http3.words, sizeof h->http3.words, "%.290s", s != HF_EVENT ? line.words : "");
    if (s != HF_EVENT && line.err.code == HF_ERR_IO_TIMEOUT)
        h->http3.err = hf_err_make(HF_ERR_EXPLAIN_H3_NO_ANSWER);
    hf_line_close(&line);
    hf_trail_hop_free(probe);
}

void hf_trail_try_http3(hf_trail *y, hf_trail_hop *h)
{
    static hf_alt_svc alt; /* large */
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (!h->url.secure || h->url.live)
        return;
    h->http3.offered = is_offered(h, &alt);
    if (!h->http3.offered && h->recorded && h->record.h3) { /* RFC 9460 9: the same, said in the DNS */
        h->http3.offered = true;
        alt.port = h->record.port != 0 ? h->record.port : h->url.port;
        memcpy(alt.host, h->leads_to, sizeof alt.host);
    }
    if (!h->http3.offered && !y->wants_http3)
        return;
    h->http3.port = h->http3.offered ? alt.port : h->url.port;
    const hf_dialer_alias elsewhere = { .host = "", .to_host = h->http3.offered ? alt.host : "", .to_port = h->http3.port };
    const hf_dialer_options options = { .roots = y->roots, .insecure = y->insecure, .connect_ns = y->probe_ns, .aliases = &elsewhere, .alias_count = 1,
        .name_servers = y->name_servers };
    hf_dialer *const d = hf_dialer_new(&options, &why);
    if (d == NULL)
        return;
    h->http3.tried = true;
    open_http3(y, h, d);
    hf_dialer_free(d);
}
