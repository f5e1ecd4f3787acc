/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor: this host, as a server and a busy client need it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "allocator.h"
#include "findings.h"
#include "roots.h"
#include "text.h"
#include "udp.h"
#include "words.h"

enum { CHECKS_MOST = 24, INDENT = 9, WIDTH = 100 };

typedef struct check {
    hf_weight weight;
    const char *subject;
    char found[200], wanted[120];
    const char *why, *change; /* NULL: nothing to change */
} check;

typedef struct doctor {
    hf_cli *cli;
    const char *proc;
    check checks[CHECKS_MOST];
    size_t count;
} doctor;

static HF_PRINTF(7, 8) void say(doctor *d, hf_weight weight, const char *subject, const char *wanted, const char *why, const char *change, const char *format, ...)
{
    va_list arguments;
    if (d->count == CHECKS_MOST)
        return;
    check *const c = &d->checks[d->count++];
    *c = (check){ .weight = weight, .subject = subject, .why = why, .change = weight == HF_WEIGHT_FINE ? NULL : change };
    snprintf(c->wanted, sizeof c->wanted, "%s", weight == HF_WEIGHT_FINE ? "" : wanted);
    va_start(arguments, format);
    vsnprintf(c->found, sizeof c->found, format, arguments);
    va_end(arguments);
}

/* The numbers of a file below sys; how many there are. */
static size_t numbers(const doctor *d, const char *name, long long *to, size_t most)
{
    char path[512], line[256];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/sys/%s", d->proc, name);
    FILE *const f = fopen(path, "re");
    if (f == NULL)
        return 0;
    char *at = fgets(line, sizeof line, f), *end;
    fclose(f);
    for (; at != NULL && n < most; at = end) {
        const long long number = strtoll(at, &end, 10);
        if (end == at)
            break;
        to[n++] = number;
    }
    return n;
}

/* ---- what is looked at ---------------------------------------------------------------------------------------- */

static void look_at_descriptors(doctor *d)
{
    struct rlimit r;
    long long all = 0;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    say(d, r.rlim_max < 4096 ? HF_WEIGHT_WEAK : r.rlim_max < 65536 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "descriptors", "65536 or more",
        "each connection holds one, and so does each file that is sent; serve raises its soft limit to the hard one by itself",
        "LimitNOFILE=100000 in the unit of systemd, or ulimit -Hn 100000 as root", "%llu, at most %llu", (unsigned long long)r.rlim_cur, (unsigned long long)r.rlim_max);
    if (numbers(d, "fs/file-max", &all, 1) == 1)
        say(d, all < 100000 ? HF_WEIGHT_WEAK : HF_WEIGHT_FINE, "files of the system", "100000 or more", "all processes share them", "sysctl -w fs.file-max=1000000", "%lld", all);
}

static void look_at_backlog(doctor *d)
{
    long long n = 0;
    if (numbers(d, "net/core/somaxconn", &n, 1) == 1)
        say(d, n < 1024 ? HF_WEIGHT_WEAK : HF_WEIGHT_FINE, "backlog", "4096", "so many connections wait to be accepted: beyond it their SYNs are dropped, which costs clients a second each",
            "sysctl -w net.core.somaxconn=4096", "%lld", n);
    if (numbers(d, "net/ipv4/tcp_max_syn_backlog", &n, 1) == 1)
        say(d, n < 1024 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "half-open connections", "1024 or more", "above it only SYN cookies answer", "sysctl -w net.ipv4.tcp_max_syn_backlog=4096", "%lld", n);
    if (numbers(d, "net/ipv4/tcp_syncookies", &n, 1) == 1)
        say(d, n == 0 ? HF_WEIGHT_WEAK : HF_WEIGHT_FINE, "SYN cookies", "1", "without them a flood of SYNs shuts everybody out (RFC 4987)", "sysctl -w net.ipv4.tcp_syncookies=1", "%s", n == 0 ? "off" : "on");
}

static void look_at_ports(doctor *d)
{
    long long range[2] = { 0, 0 }, reuse = 0;
    if (numbers(d, "net/ipv4/ip_local_port_range", range, 2) == 2) {
        const long long n = range[1] - range[0] + 1;
        say(d, n < 10000 ? HF_WEIGHT_WEAK : n < 28000 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "ports outwards", "28232 or more",
            "each connection to one destination needs one, and keeps it for a minute after it has closed: handfast ports says how many are taken",
            "sysctl -w net.ipv4.ip_local_port_range=\"15000 60999\"", "%lld, from %lld to %lld", n, range[0], range[1]);
    }
    if (numbers(d, "net/ipv4/tcp_tw_reuse", &reuse, 1) == 1)
        say(d, HF_WEIGHT_FINE, "TIME_WAIT again", "", "a client may take a port in TIME_WAIT again after a second, where both sides have timestamps", NULL, "%s",
            reuse == 0 ? "not" : reuse == 2 ? "on the loopback" : "everywhere");
}

static void look_at_udp(doctor *d)
{
    const hf_address any = { .family = 4 };
    const char *const why = "HTTP/3 comes in bursts: what does not fit while we are busy is lost, and sent again";
    long long most = 0;
    hf_err err = HF_OK;
    if (numbers(d, "net/core/rmem_max", &most, 1) == 1)
        say(d, most < 2500000 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "UDP buffers", "7500000", why, "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000", "at most %lld bytes", most);
    const int fd = hf_udp_socket(&any, &err);
    if (fd < 0) {
        say(d, HF_WEIGHT_WRONG, "UDP", "a socket", "HTTP/3 needs one", "see the system's words", "%s: %s", hf_err_text(err), strerror(errno));
        return;
    }
    const int segment = 1200;
    const bool splits = setsockopt(fd, 17, 103, &segment, sizeof segment) == 0; /* SOL_UDP, UDP_SEGMENT */
    close(fd);
    say(d, splits ? HF_WEIGHT_FINE : HF_WEIGHT_NOTE, "UDP offload", "UDP_SEGMENT", "without it each datagram is a system call", "Linux 4.18 or later", "%s", splits ? "datagrams leave in batches" : "none");
}

static void look_at_clock(doctor *d)
{
    enum { WRITTEN = 1767225600 }; /* 2026-01-01: no clock that is right shows less */
    const time_t now = time(NULL);
    struct tm t;
    char text[40];
    if (gmtime_r(&now, &t) == NULL)
        return;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &t);
    say(d, now < WRITTEN ? HF_WEIGHT_WRONG : HF_WEIGHT_FINE, "clock", "the time", "certificates, cookies and tokens are judged by it", "timedatectl set-ntp true", "%s%s", text,
        now < WRITTEN ? ", before this program was written" : "");
}

static void look_at_trust(doctor *d, const hf_env *env)
{
    char text[300];
    uint8_t byte;
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_crypto *const crypto = hf_crypto_new(env, NULL);
    hf_trust *const trust = crypto != NULL ? hf_trust_new(crypto) : NULL;
    const bool good = trust != NULL && hf_roots_add(trust, NULL, &why).code == 0;
    say(d, good ? HF_WEIGHT_FINE : HF_WEIGHT_WEAK, "roots", "the system's", "without them no server's certificate is believed", "apt-get install ca-certificates, or SSL_CERT_FILE=FILE", "%.*s",
        good ? 18 : (int)why.length, good ? "they are there    " : text);
    hf_trust_free(trust);
    hf_crypto_free(crypto);
    if (getrandom(&byte, 1, GRND_NONBLOCK) != 1)
        say(d, HF_WEIGHT_WRONG, "entropy", "a seeded generator", "keys made now could be guessed", "wait, or give the machine a source (virtio-rng)", "%s", strerror(errno));
}

static void look_at_io(doctor *d)
{
    long long n = 0;
    const bool known = numbers(d, "kernel/io_uring_disabled", &n, 1) == 1;
    say(d, known && n != 0 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "io_uring", "0", "serve waits with it where it may (Linux 6.0 and later), else with epoll, which costs a few system calls more",
        "sysctl -w kernel.io_uring_disabled=0", "%s", !known ? "the kernel does not forbid it" : n == 0 ? "allowed" : n == 1 ? "for privileged processes" : "forbidden");
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    say(d, fd < 0 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "IPv6", "a socket", "nearly half of all clients have it", "sysctl -w net.ipv6.conf.all.disable_ipv6=0", "%s", fd < 0 ? strerror(errno) : "there");
    if (fd >= 0)
        close(fd);
    FILE *const f = fopen("/etc/resolv.conf", "re");
    char line[256];
    size_t servers = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        servers += strncmp(line, "nameserver", 10) == 0;
    if (f != NULL)
        fclose(f);
    say(d, servers == 0 ? HF_WEIGHT_NOTE : HF_WEIGHT_FINE, "name servers", "one or more", "without them only /etc/hosts knows names", "nameserver ADDRESS in /etc/resolv.conf", "%zu", servers);
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void tell_json(const doctor *d)
{
    FILE *const out = d->cli->out;
    fputs("[", out);
    for (size_t i = 0; i < d->count; i++) {
        const check *const c = &d->checks[i];
        const char *const members[][2] = { { "subject", c->subject }, { "found", c->found }, { "wanted", c->wanted }, { "why", c->why }, { "change", c->change } };
        fprintf(out, "%s\n{\"weight\":\"%s\"", i > 0 ? "," : "", hf_weight_name(c->weight));
        for (size_t k = 0; k < HF_COUNT(members); k++) {
            char text[1024];
            hf_writer w = hf_writer_make(text, sizeof text);
            if (members[k][1] == NULL || members[k][1][0] == 0)
                continue;
            hf_write_json(&w, hf_text(members[k][1]));
            fprintf(out, ",\"%s\":\"%.*s\"", members[k][0], HF_STR(hf_written(&w)));
        }
        fputc('}', out);
    }
    fputs("\n]\n", out);
}

static void tell_text(const doctor *d)
{
    static const char *const colours[] = { "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[31m" };
    FILE *const out = d->cli->out;
    for (size_t i = 0; i < d->count; i++) {
        const check *const c = &d->checks[i];
        char text[700];
        fprintf(out, "  %s%-6s%s ", d->cli->colour_out ? colours[c->weight] : "", hf_weight_name(c->weight), d->cli->colour_out ? "\x1b[0m" : "");
        snprintf(text, sizeof text, "%s: %s%s%s", c->subject, c->found, c->wanted[0] != 0 ? "; wanted: " : "", c->wanted);
        hf_print_wrapped(out, text, INDENT, INDENT, WIDTH);
        if (c->change == NULL)
            continue;
        fprintf(out, "%*s", INDENT, "");
        hf_print_wrapped(out, c->why, INDENT, INDENT, WIDTH);
        fprintf(out, "%*s-> %s\n", INDENT, "", c->change);
    }
}

int hf_command_doctor(hf_cli *cli, const hf_arguments *arguments)
{
    static doctor d; /* large */
    const hf_given *const proc = hf_arguments_find(arguments, "proc");
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    bool wrong = false;
    d = (doctor){ .cli = cli, .proc = proc != NULL ? proc->value : "/proc" };
    look_at_descriptors(&d);
    look_at_backlog(&d);
    look_at_ports(&d);
    look_at_udp(&d);
    look_at_clock(&d);
    look_at_trust(&d, &env);
    look_at_io(&d);
    if (hf_arguments_on(arguments, cli->command, "json"))
        tell_json(&d);
    else
        tell_text(&d);
    for (size_t i = 0; i < d.count; i++)
        wrong = wrong || d.checks[i].weight == HF_WEIGHT_WRONG;
    return wrong ? HF_EXIT_FAILED : HF_EXIT_OK;
}
