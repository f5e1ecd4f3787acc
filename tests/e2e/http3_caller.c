/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP/3 client for end-to-end tests: asks a server for paths over one connection, does on the way what it is told to, and
 * says what came, as one JSON object a line. It believes every certificate.
 *
 *   http3_caller [--host NAME] [--count N] [--post FILE] [--out DIR] [--rebind] [--migrate] [--update-keys] [--cancel]
 *                [--again] [--early [--thrice]] [--linger] [--websocket TEXT] [--seconds N] ADDRESS PORT PATH...
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "allocator.h"
#include "quic_port.h"
#include "random.h"
#include "stack/http3_caller.h"

typedef struct options {
    const char *host, *post, *out, *address, *websocket;
    int count, port, seconds;
    bool rebind, migrate, update_keys, cancel, again, early, thrice, linger;
} options;

static options o = { .host = "localhost", .count = 1, .seconds = 60 };
static caller c;
static hf_udp *udp[2];
static int sockets;
static uint8_t room[HF_UDP_ROOM], scratch[65536];
static hf_env env;
static hf_random rnd;
static hf_address server;
static bool acted;
static char paths[CALLER_LANES][256];
static FILE *files[CALLER_LANES];

static void turn(void);

static hf_time clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static void give_up(const char *what)
{
    fprintf(stderr, "http3_caller: %s: %s\n", what, strerror(errno));
    exit(2);
}

static hf_udp *open_socket(hf_address *at)
{
    hf_err err;
    *at = (hf_address){ .family = server.family };
    memcpy(at->ip, server.ip, sizeof at->ip); /* of loopback: from where one asks, one is asked */
    const int fd = hf_udp_socket(at, &err);
    if (fd < 0)
        give_up("socket");
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    (void)!getsockname(fd, (struct sockaddr *)&own, &size);
    hf_address_from_kernel(&own, at);
    sockets++;
    return hf_udp_new(&env, fd, at);
}

/* ---- what is done on the way ---------------------------------------------------------------------------------- */

static void act(call *k)
{
    hf_address at;
    hf_quic_address local;
    if (acted || !c.confirmed)
        return;
    acted = true;
    if (o.rebind) { /* as behind a NAT: the endpoint does not know */
        hf_udp_free(udp[0]);
        udp[0] = open_socket(&at);
    }
    if (o.migrate) {
        udp[1] = udp[0];
        udp[0] = open_socket(&at);
        hf_quic_address_to(&at, &local);
        if (hf_quic_migrate(c.quic, c.now, &local).code != 0)
            give_up("migrate");
    }
    if (o.update_keys && hf_quic_update_keys(c.quic, c.now).code != 0)
        give_up("update keys");
    if (o.cancel) {
        (void)hf_http3_end(c.http3, k->lane, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_REQUEST_CANCELLED }, (hf_fields){ 0 }).code;
        k->reset = true;
    }
}

/* RFC 9220: a WebSocket on a lane of its own, with one short message (RFC 6455 5.2), which must come back. */
static void ask_websocket(const char *path, const char *authority)
{
    hf_lane lane;
    uint8_t frame[6 + 100] = { 0x81, (uint8_t)(0x80 | strlen(o.websocket)) }; /* masked by zeros */
    const hf_field version = { .name = hf_text("sec-websocket-version"), .value = hf_text("13") };
    const hf_request_head head = { .method_name = hf_text("CONNECT"), .upgrade = hf_text("websocket"), .scheme = hf_text("https"),
        .authority = hf_text(authority), .path = hf_text(path), .content_length = HF_LENGTH_UNKNOWN, .fields = { &version, 1 } };
    while (hf_http3_may_request(c.http3, &head).code != 0 && !c.over)
        turn(); /* until the server's SETTINGS allow it */
    if (c.over || strlen(o.websocket) > 100 || hf_quic_open(c.quic, HF_LANE_BIDIRECTIONAL, &lane).code != 0)
        return;
    call *const k = caller_add(&c, lane);
    snprintf(paths[k - c.calls], sizeof paths[0], "%s", path);
    if (hf_http3_request(c.http3, lane, &head).code != 0)
        give_up("websocket");
    memcpy(frame + 6, o.websocket, strlen(o.websocket));
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(frame, 6 + strlen(o.websocket)) };
    (void)hf_http3_put(c.http3, lane, &e, 1, NULL);
    k->upload_ended = true;
}

static void hear_websocket(call *k, hf_bytes bytes)
{
    const size_t n = strlen(o.websocket);
    const bool good = bytes.len == n + 2 && bytes.ptr[0] == 0x81 && bytes.ptr[1] == n && memcmp(bytes.ptr + 2, o.websocket, n) == 0;
    if (k->reason[0] == 0)
        snprintf(k->reason, sizeof k->reason, "%s", good ? "echo" : "something else");
    (void)hf_http3_end(c.http3, k->lane, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code;
    k->done = true;
}

static void on_body(caller *all, call *k, hf_bytes bytes)
{
    (void)all;
    if (o.websocket != NULL)
        hear_websocket(k, bytes);
    FILE *const f = files[k - c.calls];
    if (f != NULL && (fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len || fflush(f) != 0))
        give_up("write");
    act(k);
}

/* ---- datagrams ------------------------------------------------------------------------------------------------ */

static void receive(void)
{
    hf_udp_datagram some[HF_UDP_BATCH];
    for (int i = 0; i < 2; i++)
        for (size_t n = HF_UDP_BATCH; udp[i] != NULL && n == HF_UDP_BATCH;) {
            n = hf_udp_receive(udp[i], (hf_span){ room, sizeof room }, some);
            for (size_t k = 0; k < n; k++) {
                hf_quic_input in = { .ecn = some[k].ecn, .segment = some[k].segment, .bytes = some[k].bytes };
                hf_quic_info info;
                hf_quic_info_of(c.quic, &info);
                hf_quic_address_to(&some[k].local, &in.path.local);
                hf_quic_address_to(&some[k].remote, &in.path.remote);
                if (o.rebind) /* what the NAT hides */
                    in.path.local = info.path.local;
                (void)!hf_quic_endpoint_input(c.ep, c.now, &in).code;
            }
        }
}

static void emit(void)
{
    hf_extent pieces[1];
    hf_quic_output output;
    for (;;) {
        hf_out out = { .pieces = pieces, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (!hf_quic_endpoint_emit(c.ep, c.now, &out, &output))
            return;
        hf_udp_datagram d = { .ecn = output.ecn, .segment = output.segment, .bytes = { scratch, output.length } };
        hf_quic_address_from(&output.path.local, &d.local);
        hf_quic_address_from(&output.path.remote, &d.remote);
        hf_udp *by = udp[0];
        if (udp[1] != NULL && hf_udp_address(udp[1])->port == d.local.port)
            by = udp[1];
        d.local.port = hf_udp_address(by)->port;
        (void)hf_udp_send(by, &d);
    }
}

/* One round: waits for datagrams or for time, and lets everybody do what they can. */
static void turn(void)
{
    struct pollfd fds[2];
    nfds_t n = 0;
    hf_quic_endpoint_event e;
    hf_time at = hf_quic_endpoint_wake(c.ep);
    if (c.http3 != NULL)
        at = hf_time_earlier(at, hf_http3_wake(c.http3));
    for (int i = 0; i < 2; i++)
        if (udp[i] != NULL)
            fds[n++] = (struct pollfd){ .fd = hf_udp_descriptor(udp[i]), .events = POLLIN };
    const int64_t ms = at.ns == HF_NEVER_NS ? 1000 : (at.ns - clock_now().ns + 999999) / 1000000;
    (void)!poll(fds, n, ms < 0 ? 0 : ms > 1000 ? 1000 : (int)ms);
    c.now = clock_now();
    receive();
    for (int i = 0; i < 4; i++) {
        while (hf_quic_endpoint_step(c.ep, c.now, &e) == HF_EVENT)
            ;
        caller_turn(&c, c.now);
        emit();
    }
}

/* ---- a connection --------------------------------------------------------------------------------------------- */

static uint8_t *read_whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        give_up(path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n + 1);
    if (fread(bytes, 1, *n, f) != *n)
        give_up(path);
    fclose(f);
    return bytes;
}

static void open_out(const call *k, int number)
{
    char name[512];
    if (o.out == NULL)
        return;
    snprintf(name, sizeof name, "%s/%d", o.out, number);
    files[k - c.calls] = fopen(name, "wb");
    if (files[k - c.calls] == NULL)
        give_up(name);
}

static void ask_all(char **asked, int n, hf_bytes body)
{
    char authority[300];
    snprintf(authority, sizeof authority, "%s:%d", o.host, o.port);
    if (o.websocket != NULL) {
        ask_websocket(asked[0], authority);
        return;
    }
    for (int i = 0; i < n * o.count; i++) {
        call *k;
        const char *path = asked[i % n];
        while ((k = caller_ask(&c, body.ptr != NULL ? "POST" : "GET", path, hf_text(authority), body, (hf_fields){ 0 })) == NULL && !c.over)
            turn(); /* until the server allows another stream */
        if (k == NULL)
            return;
        snprintf(paths[k - c.calls], sizeof paths[0], "%s", path);
        open_out(k, i);
    }
}

static void report(void)
{
    hf_quic_info info;
    hf_quic_info_of(c.quic, &info);
    const hf_quic_fault *const f = hf_quic_fault_of(c.quic);
    for (size_t i = 0; i < c.count; i++) {
        const call *const k = &c.calls[i];
        if (!k->of_peer)
            printf("{\"path\":\"%s\",\"status\":%u,\"bytes\":%llu,\"done\":%s,\"reset\":%s,\"said\":\"%s\"}\n", paths[i], k->status,
                   (unsigned long long)k->body, k->done ? "true" : "false", k->reset ? "true" : "false", k->reason);
        if (files[i] != NULL)
            fclose(files[i]);
        files[i] = NULL;
    }
    printf("{\"opened\":%s,\"retried\":%s,\"resumed\":%s,\"key_updates\":%llu,\"moved\":%s,\"goaway\":%s,\"lost\":%llu,\"closed\":%s,"
           "\"remote\":%s,\"code\":%llu,\"error\":\"%s\",\"sockets\":%d,\"early\":%s,\"rejected\":%s}\n",
           c.opened ? "true" : "false", info.retried ? "true" : "false", info.resumed ? "true" : "false", (unsigned long long)info.key_updates,
           c.moved ? "true" : "false", c.goaway ? "true" : "false", (unsigned long long)info.packets_lost, c.over ? "true" : "false",
           f->remote ? "true" : "false", (unsigned long long)f->code, f->err.code != 0 ? hf_err_describe(f->err)->id : "", sockets, info.early ? "true" : "false",
           c.rejected ? "true" : "false");
    fflush(stdout);
}

static void converse(hf_quic_endpoint *ep, const hf_tls_config *tls, bool first, char **asked, int n, hf_bytes body)
{
    static uint8_t session[4096], token[256];
    static size_t session_length, token_length;
    hf_address at;
    (void)tls;
    hf_quic_target target = { .host = hf_text(o.host) };
    if (!first) {
        target.session = hf_bytes_make(session, session_length);
        target.token = hf_bytes_make(token, token_length);
    }
    memset(&c, 0, sizeof c);
    acted = false;
    c.on_body = on_body;
    udp[0] = open_socket(&at);
    hf_quic_address_to(&at, &target.path.local);
    hf_quic_address_to(&server, &target.path.remote);
    if (!caller_begin(&c, &env, ep, clock_now(), &target))
        give_up("connect");
    const hf_time end = hf_time_after(c.now, HF_SECONDS(o.seconds));
    caller_turn(&c, c.now);
    const bool early = c.http3 != NULL; /* what is asked now leaves with the ClientHello */
    while (!early && !c.over && c.http3 == NULL && hf_time_before(c.now, end))
        turn();
    if (c.http3 != NULL)
        ask_all(asked, n, body);
    caller_turn(&c, clock_now());
    emit();
    while (!c.over && c.http3 != NULL && hf_quic_is_early(c.quic) && hf_time_before(c.now, end))
        turn();
    while (c.rejected && !c.over && c.http3 == NULL && hf_time_before(c.now, end))
        turn();
    if (c.rejected && early && c.http3 != NULL)
        ask_all(asked, n, body);
    while (!c.over && hf_time_before(c.now, end) && (o.linger || !caller_is_done(&c) || (o.again && first && (c.session_length == 0 || c.token_length == 0))))
        turn();
    if (first) { /* whoever comes later has the same */
        memcpy(session, c.session, session_length = c.session_length);
        memcpy(token, c.token, token_length = c.token_length);
    }
    if (!c.over)
        hf_quic_close(c.quic, c.now, HF_HTTP3_NO_ERROR, hf_bytes_make(NULL, 0));
    report();
    emit();
    caller_free(&c);
    emit();
    for (int i = 0; i < 2; i++) {
        hf_udp_free(udp[i]);
        udp[i] = NULL;
    }
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = { { "host", 1, NULL, 'h' }, { "count", 1, NULL, 'n' }, { "post", 1, NULL, 'p' }, { "out", 1, NULL, 'o' },
        { "rebind", 0, NULL, 'r' }, { "migrate", 0, NULL, 'm' }, { "update-keys", 0, NULL, 'k' }, { "cancel", 0, NULL, 'c' },
        { "again", 0, NULL, 'a' }, { "early", 0, NULL, 'e' }, { "thrice", 0, NULL, 't' }, { "linger", 0, NULL, 'l' }, { "seconds", 1, NULL, 's' }, { "websocket", 1, NULL, 'w' }, { NULL, 0, NULL, 0 } };
    for (int which; (which = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (which) {
        case 'h': o.host = optarg; break;
        case 'n': o.count = atoi(optarg); break;
        case 'p': o.post = optarg; break;
        case 'o': o.out = optarg; break;
        case 'r': o.rebind = true; break;
        case 'm': o.migrate = true; break;
        case 'k': o.update_keys = true; break;
        case 'c': o.cancel = true; break;
        case 'a': o.again = true; break;
        case 'e': o.early = true; break;
        case 't': o.thrice = true; break;
        case 'l': o.linger = true; break;
        case 'w': o.websocket = optarg; break;
        case 's': o.seconds = atoi(optarg); break;
        default: return false;
        }
    if (argc - optind < 3)
        return false;
    o.address = argv[optind];
    o.port = atoi(argv[optind + 1]);
    return hf_address_parse(hf_text(o.address), (uint16_t)o.port, &server);
}

int main(int argc, char **argv)
{
    uint64_t seed;
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: http3_caller [options] ADDRESS PORT PATH...\n");
        return 2;
    }
    (void)!getrandom(&seed, sizeof seed, 0);
    hf_random_seed(&rnd, seed);
    env = (hf_env){ .alloc = *hf_allocator_default(), .random = &rnd, .limits = hf_limits_default() };
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    const hf_bytes protocol = hf_text("h3");
    const hf_tls_config tls = { .crypto = crypto, .protocols = &protocol, .protocol_count = 1, .early_data = o.early };
    /* Who only receives says nothing once the way to it is gone: somebody must ask. */
    hf_quic_config config = { .tls = &tls, .keep_alive_ns = HF_MILLISECONDS(250) };
    (void)!getrandom(config.secret, sizeof config.secret, 0);
    hf_quic_endpoint *ep = crypto != NULL ? hf_quic_endpoint_new(&env, &config, clock_now()) : NULL;
    if (ep == NULL)
        give_up("endpoint");
    hf_bytes body = { NULL, 0 };
    size_t n = 0;
    uint8_t *bytes = o.post != NULL ? read_whole(o.post, &n) : NULL;
    if (bytes != NULL)
        body = hf_bytes_make(bytes, n);
    converse(ep, &tls, true, argv + optind + 2, argc - optind - 2, body);
    if (o.again)
        converse(ep, &tls, false, argv + optind + 2, argc - optind - 2, body);
    if (o.thrice)
        converse(ep, &tls, false, argv + optind + 2, argc - optind - 2, body);
    hf_quic_endpoint_free(ep);
    hf_crypto_free(crypto);
    free(bytes);
    return 0;
}
