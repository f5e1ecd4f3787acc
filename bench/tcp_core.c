/* SPDX-License-Identifier: Apache-2.0
 *
 * What our own TCP holds and takes, without a network: as many connections as asked for are opened by forged segments, within 100 s of
 * virtual time, and have a request and an answer each. Then they fall idle (`idle`), or the server ends each at once (`timewait`).
 * Memory is what the system says that this process holds more than before, and time this thread's own.
 * Arguments: idle or timewait, connections, rounds, milliseconds a round.
 * Or: flood, SYNs of nobody a second, seconds, connections a second. In virtual time, those connections are real ones, which open, ask and end
 * amid the flood.
 *
 * Prints JSON: bytes for each connection; with `idle` also the nanoseconds for a segment of 64,000 bytes in order, from input to its
 * acknowledgement, for each round.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <handfast/tcp.h>

#include "alloc.h"
#include "allocator.h"
#include "tcp_wire.h"

enum { SEGMENT = 64000, PORT = 80, FIRST_PORT = 1024, PORTS = 60000, REQUEST = 100, ANSWER = 300 };

static hf_limits limits;
static hf_env env;
static hf_tcp_endpoint *ep;
static hf_time now = { HF_SECONDS(1000) };
static hf_ip here;
static uint8_t text[SEGMENT];

static void fail(const char *why)
{
    fprintf(stderr, "tcp_core: %s\n", why);
    exit(1);
}

static uint64_t resident(void)
{
    unsigned long size, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
        fail("cannot read /proc/self/statm");
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- the other end, which remembers nothing ------------------------------------------------------------------------ */

typedef struct peer {
    hf_ip ip;
    uint16_t port;
    hf_seq seq, ack;
    uint32_t stamp, echo;
    hf_tcp *tcp;
} peer;

static void say(peer *p, uint8_t flags, size_t length, bool lasts)
{
    static uint8_t bytes[HF_TCP_HEADER_MOST + SEGMENT];
    hf_segment s = { .source = p->port, .destination = PORT, .seq = p->seq, .ack = p->ack, .flags = flags, .window = 65535,
                     .has_stamp = true, .stamp = p->stamp, .echo = p->echo };
    if (flags & HF_SYN) {
        s.mss = 1460;
        s.has_scale = s.sack_permitted = true;
        s.scale = 7;
    }
    const size_t header = hf_segment_write(bytes, &s);
    if (!lasts)
        memcpy(bytes + header, text, length); /* else the bytes stay those of before: nobody reads them here */
    const hf_tcp_input in = { .source = p->ip, .destination = here, .checked = true, .lasts = lasts, .segment = hf_bytes_make(bytes, header + length) };
    if (hf_tcp_endpoint_input(ep, now, &in).code != 0)
        fail("a segment was not taken");
    p->seq = hf_seq_add(p->seq, (uint32_t)length + ((flags & (HF_SYN | HF_FIN)) != 0));
}

/* What leaves, to the last of it: p hears it. */
static void hear(peer *p)
{
    for (;;) {
        uint8_t scratch[128];
        hf_extent pieces[16];
        hf_out out = { .pieces = pieces, .capacity = 16, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 65536 };
        hf_tcp_packet packet;
        hf_segment s;
        if (!hf_tcp_endpoint_emit(ep, now, &out, &packet))
            return;
        const hf_tcp_input in = { .source = packet.source, .destination = packet.destination, .checked = true, .segment = pieces[0].bytes };
        if (hf_segment_read(&in, &s).code != 0)
            fail("a segment that nobody can read");
        if (s.source != PORT || s.destination != p->port)
            continue; /* a keep-alive or the like of another */
        p->ack = hf_seq_add(s.seq, packet.length - packet.header + ((s.flags & (HF_SYN | HF_FIN)) != 0));
        p->echo = s.stamp;
    }
}

static hf_tcp *step(hf_tcp_event_kind want)
{
    hf_tcp_event event;
    hf_tcp *found = NULL;
    while (hf_tcp_endpoint_step(ep, now, &event) == HF_EVENT) {
        hf_pier_event e;
        if (event.kind == want)
            found = event.tcp;
        while (event.tcp != NULL && hf_tcp_next(event.tcp, now, &e) == HF_EVENT)
            continue;
    }
    return found;
}

static void open_one(peer *p, uint32_t n)
{
    *p = (peer){ .ip = hf_ip_make4(10, (uint8_t)(1 + n / PORTS), 0, 1), .port = (uint16_t)(FIRST_PORT + n % PORTS), .seq = { n * 7919 }, .stamp = n };
    say(p, HF_SYN, 0, false);
    hear(p);
    say(p, HF_ACK, 0, false);
    p->tcp = step(HF_TCP_ACCEPTED);
    if (p->tcp == NULL)
        fail("a connection did not open");
}

static void ask_one(peer *p)
{
    const hf_extent answer = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(text, ANSWER) };
    say(p, HF_ACK | HF_PSH, REQUEST, false);
    (void)step(HF_TCP_NOTICE);
    if (hf_tcp_peek(p->tcp).len != REQUEST || hf_tcp_put(p->tcp, &answer, 1) != ANSWER)
        fail("a request did not arrive");
    hf_tcp_take(p->tcp, REQUEST);
    hear(p);
    say(p, HF_ACK, 0, false);
    hear(p);
}

static void end_one(peer *p)
{
    if (hf_tcp_end(p->tcp, (hf_ending){ HF_ENDING_FIN, 0 }).code != 0)
        fail("a connection would not end");
    hear(p);
    say(p, HF_ACK | HF_FIN, 0, false);
    (void)step(HF_TCP_NOTICE);
    hear(p);
    hf_tcp_free(p->tcp);
}

static void pass_time(int64_t ns)
{
    peer nobody = { .port = 1 };
    for (const hf_time until = hf_time_after(now, ns); now.ns < until.ns;) {
        const hf_time wake = hf_tcp_endpoint_wake(ep);
        now = wake.ns < until.ns ? wake : until;
        (void)step(HF_TCP_NOTICE);
        hear(&nobody);
    }
}

/* ---- measuring ------------------------------------------------------------------------------------------------------ */

static void measure_segments(peer *p, unsigned rounds, double ms)
{
    printf(", \"segment_ns\": [");
    for (unsigned i = 0; i < rounds; i++) {
        double spent = 0;
        uint64_t count = 0;
        const double begun = thread_ns();
        while (spent < ms * 1e6) {
            for (unsigned k = 0; k < 64; k++) {
                say(p, HF_ACK | HF_PSH, SEGMENT, true);
                (void)step(HF_TCP_NOTICE);
                const size_t here_now = hf_tcp_peek(p->tcp).len;
                if (here_now != SEGMENT)
                    fail("a segment did not arrive");
                hf_tcp_take(p->tcp, here_now);
                hear(p);
            }
            count += 64;
            spent = thread_ns() - begun;
        }
        printf("%s%.1f", i > 0 ? ", " : "", spent / (double)count);
    }
    printf("]");
}

/* A SYN from an address that nobody has, and whatever is said to it, which nobody hears. */
static void say_nobody(uint64_t chance)
{
    peer nobody = { .ip = hf_ip_make4(198, (uint8_t)(18 + (chance & 1)), (uint8_t)(chance >> 8), (uint8_t)(chance >> 16)),
                    .port = (uint16_t)(FIRST_PORT + (chance >> 24) % PORTS), .seq = { (uint32_t)(chance >> 32) }, .stamp = 1 };
    say(&nobody, HF_SYN, 0, false);
    hear(&nobody);
}

static void flood(uint32_t rate, uint32_t seconds, uint32_t real)
{
    uint64_t seed = 88172645463325252u, opened = 0;
    const uint64_t total = (uint64_t)rate * seconds;
    uint64_t before = 0;
    double spent = 0, begun = thread_ns();
    for (uint64_t i = 0; i < total; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        now = hf_time_after(now, HF_SECONDS(1) / rate);
        say_nobody(seed);
        if (i % (rate / real) == 0) {
            peer p;
            spent += thread_ns() - begun;
            open_one(&p, (uint32_t)(opened++));
            ask_one(&p);
            end_one(&p);
            begun = thread_ns();
        }
        if (i == total / 10)
            before = resident(); /* the queue of SYNs is full, and what is made once is made */
    }
    spent += thread_ns() - begun;
    const uint64_t after = resident();
    printf("{\"syns\": %llu, \"virtual_s\": %u, \"opened\": %llu, \"grown\": %lld, \"syn_ns\": %.1f}\n", (unsigned long long)total, seconds,
           (unsigned long long)opened, (long long)after - (long long)before, spent / (double)total);
}

static void open_endpoint(uint32_t connections, int64_t msl_ns)
{
    hf_tcp_config config = { .secret = { 1, 2, 3 }, .super_segment = SEGMENT };
    limits = *hf_limits_default();
    limits.tcp_timewaits = limits.connections = connections;
    limits.tcp_msl_ns = msl_ns;
    env = (hf_env){ .alloc = *hf_allocator_default(), .limits = &limits };
    here = hf_ip_make4(10, 0, 0, 1);
    ep = hf_tcp_endpoint_new(&env, &config, now);
    if (ep == NULL || hf_tcp_listen(ep, &here, PORT, 0).code != 0)
        fail("no endpoint");
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "flood") == 0) {
        const uint32_t rate = (uint32_t)strtoul(argv[2], NULL, 10), seconds = (uint32_t)strtoul(argv[3], NULL, 10), real = (uint32_t)strtoul(argv[4], NULL, 10);
        if (real == 0 || rate < real || seconds == 0)
            fail("a flood has more of nobody than of somebody");
        open_endpoint(100, HF_SECONDS(1) / 10); /* what real ones leave in TIME_WAIT is soon at its most */
        flood(rate, seconds, real);
        hf_tcp_endpoint_free(ep);
        return 0;
    }
    if (argc != 5)
        fail("usage: tcp_core idle|timewait CONNECTIONS ROUNDS MILLISECONDS | flood RATE SECONDS REAL");
    const bool idle = strcmp(argv[1], "idle") == 0;
    const uint32_t connections = (uint32_t)strtoul(argv[2], NULL, 10);
    const unsigned rounds = (unsigned)strtoul(argv[3], NULL, 10);
    peer *const peers = malloc((size_t)connections * sizeof *peers);
    if (connections == 0 || rounds == 0 || peers == NULL)
        fail("nothing to do, or no memory for it");
    memset(peers, 1, (size_t)connections * sizeof *peers); /* held before anything is measured */
    const uint64_t before = resident();
    open_endpoint(connections, HF_SECONDS(3600)); /* none shall end while they are counted */
    for (uint32_t i = 0; i < connections; i++) {
        open_one(&peers[i], i);
        ask_one(&peers[i]);
        if (!idle)
            end_one(&peers[i]);
        pass_time(HF_SECONDS(100) / connections);
    }
    if (idle)
        pass_time(HF_SECONDS(10));
    hf_tcp_counts counts;
    hf_tcp_endpoint_counts(ep, &counts);
    if ((idle ? counts.connections : counts.timewaits) != connections)
        fail("not all of them are there");
    malloc_trim(0);
    printf("{\"connections\": %u, \"bytes\": %.1f", connections, (double)(resident() - before) / connections);
    if (idle)
        measure_segments(&peers[0], rounds, strtod(argv[4], NULL));
    printf("}\n");
    hf_tcp_endpoint_free(ep);
    free(peers);
    return 0;
}
