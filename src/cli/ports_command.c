/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast ports`: how near this machine is to having no port left for connections outwards, and what helps.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>

#include "address.h"
#include "allocator.h"
#include "port_table.h"
#include "words.h"

enum { SHOWN = 10, WIDTH = 100, FILE_MOST = 256 << 20 };

typedef struct ports {
    hf_cli *cli;
    const char *proc;
    hf_port_table table;
    unsigned from, to, reserved, count; /* of the range; that are left to take */
    long reuse, waiting_most; /* tcp_tw_reuse, tcp_max_tw_buckets; -1: not known */
    bool json;
} ports;

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* NULL, and errno. Gives: free() it. */
static char *read_whole(const ports *p, const char *name, size_t *length)
{
    char path[512], *text = NULL;
    size_t room = 65536;
    *length = 0;
    snprintf(path, sizeof path, "%s/%s", p->proc, name);
    FILE *const f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    for (size_t n = 1; n > 0 && room < FILE_MOST; room *= 2) {
        char *const grown = realloc(text, room + 1);
        if (grown == NULL)
            break;
        text = grown;
        n = fread(text + *length, 1, room - *length, f);
        *length += n;
        text[*length] = 0;
    }
    fclose(f);
    return text;
}

static long read_number(const ports *p, const char *name)
{
    size_t n;
    char *const text = read_whole(p, name, &n);
    const long number = text != NULL ? strtol(text, NULL, 10) : -1;
    free(text);
    return number;
}

/* "8080,9148-9150": those of them in the range. */
static unsigned count_reserved(const ports *p)
{
    size_t n;
    unsigned count = 0;
    char *const text = read_whole(p, "sys/net/ipv4/ip_local_reserved_ports", &n), *rest = NULL;
    for (char *part = text != NULL ? strtok_r(text, ",\n", &rest) : NULL; part != NULL; part = strtok_r(NULL, ",\n", &rest)) {
        unsigned a = 0, b = 0;
        const int found = sscanf(part, "%u-%u", &a, &b);
        b = found == 2 ? b : a;
        for (unsigned port = a < p->from ? p->from : a; found > 0 && port <= b && port <= p->to; port++)
            count++;
    }
    free(text);
    return count;
}

static hf_exit read_all(ports *p)
{
    static const char *const names[] = { "net/tcp", "net/tcp6" };
    size_t n;
    char *const range = read_whole(p, "sys/net/ipv4/ip_local_port_range", &n);
    const bool good = range != NULL && sscanf(range, "%u %u", &p->from, &p->to) == 2 && p->from <= p->to && p->to <= 65535;
    free(range);
    if (!good)
        return hf_cli_failed(p->cli, "%s/sys/net/ipv4/ip_local_port_range: no range of ports is there", p->proc);
    p->reserved = count_reserved(p);
    p->count = p->to - p->from + 1 - p->reserved;
    p->reuse = read_number(p, "sys/net/ipv4/tcp_tw_reuse");
    p->waiting_most = read_number(p, "sys/net/ipv4/tcp_max_tw_buckets");
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        char *const text = read_whole(p, names[i], &n);
        if (text == NULL && i == 0)
            return hf_cli_failed(p->cli, "%s/%s: %s", p->proc, names[i], strerror(errno));
        const hf_err err = text != NULL ? hf_port_table_add(&p->table, hf_bytes_make(text, n)) : HF_OK; /* a kernel may lack IPv6 */
        free(text);
        if (err.code != 0)
            return hf_cli_failed(p->cli, "out of memory");
    }
    return hf_port_table_group(&p->table, (uint16_t)p->from, (uint16_t)p->to).code == 0 ? HF_EXIT_OK : hf_cli_failed(p->cli, "out of memory");
}

/* ---- what helps ----------------------------------------------------------------------------------------------- */

static bool is_loopback(const hf_port_row *r)
{
    static const uint8_t one[16] = { [15] = 1 };
    return r->family == 4 ? r->remote[0] == 127 : memcmp(r->remote, one, sizeof one) == 0;
}

/* The nth that fits, for a group that is filling; NULL past the end. */
static const char *cure(const ports *p, const hf_port_group *g, size_t n)
{
    static char wider[200];
    const char *fit[6] = { NULL };
    size_t count = 0;
    if (g->waiting > 0)
        fit[count++] = "keep connections alive, or take them from a pool: the cure. A connection that is used again leaves no TIME_WAIT";
    if (g->waiting > 0)
        fit[count++] = "let the other side close first: whoever closes first has the TIME_WAIT";
    if (g->waiting > 0 && (p->reuse == 0 || (p->reuse == 2 && !is_loopback(&g->of))))
        fit[count++] = "sysctl net.ipv4.tcp_tw_reuse=1: ports in TIME_WAIT for a second or more are taken again for connections outwards, guarded by timestamps";
    if (p->from > 10240 || p->to < 65535) { /* below 10240 is where servers listen */
        const unsigned from = p->from < 10240 ? p->from : 10240;
        snprintf(wider, sizeof wider,
            "sysctl net.ipv4.ip_local_port_range=\"%u 65535\": %u ports in place of %u (keep listeners' ports out: ip_local_reserved_ports)", from,
                 65535 - from + 1, p->to - p->from + 1);
        fit[count++] = wider;
    }
    fit[count++] = "more addresses, here or there: each pair has all ports anew. Bind to them with IP_BIND_ADDRESS_NO_PORT";
    return n < count ? fit[n] : NULL;
}

static bool is_filling(const ports *p, const hf_port_group *g)
{
    return hf_port_foresee(g, p->count).left_s >= 0 || (g->waiting + g->others) * 2 > p->count;
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

static void address_text(const hf_port_row *r, bool remote, char text[80])
{
    hf_address a = { .family = r->family, .port = r->remote_port };
    hf_writer w = hf_writer_make(text, 79);
    memcpy(a.ip, remote ? r->remote : r->local, sizeof a.ip);
    hf_address_write(&w, &a, remote);
    text[w.length] = 0;
}

static void forecast_text(const hf_port_forecast *f, char text[48])
{
    if (f->left_s == 0)
        snprintf(text, 48, "none is left");
    else if (f->left_s > 0)
        snprintf(text, 48, "exhausted in %lld s", (long long)f->left_s);
    else
        snprintf(text, 48, "holds at this rate");
}

static const char *paint(const ports *p, const char *code)
{
    return p->cli->colour_out ? code : "";
}

static void tell_group(const ports *p, const hf_port_group *g)
{
    char to[80], from[80], forecast[48];
    const hf_port_forecast f = hf_port_foresee(g, p->count);
    const uint32_t used = g->waiting + g->others;
    address_text(&g->of, true, to);
    address_text(&g->of, false, from);
    forecast_text(&f, forecast);
    fprintf(p->cli->out, "  %-28s %-20s %9u %7u %5.1f %% %8.1f  %s%s%s\n", to, from, g->waiting, g->others, 100.0 * used / p->count, f.per_s,
            paint(p, f.left_s >= 0 ? "\x1b[1;31m" : is_filling(p, g) ? "\x1b[33m" : "\x1b[32m"), forecast, paint(p, "\x1b[0m"));
}

static void tell_states(const ports *p)
{
    const hf_port_table *const t = &p->table;
    FILE *const out = p->cli->out;
    const char *between = "";
    uint32_t outwards = 0;
    fprintf(out, "%sSockets%s   ", paint(p, "\x1b[1m"), paint(p, "\x1b[0m"));
    for (uint8_t s = 1; s < HF_PORTS_STATES; s++)
        if (t->states[s] > 0) {
            fprintf(out, "%s%u %s", between, t->states[s], hf_port_state_name(s));
            between = ", ";
        }
    fprintf(out, "%s\n", between[0] == 0 ? "none" : "");
    for (size_t i = 0; i < t->group_count; i++)
        outwards += t->groups[i].waiting;
    if (t->states[6] > outwards)
        fprintf(out, "          of those in TIME_WAIT %u are at ports that a server here listens on: they take none of these ports\n",
            t->states[6] - outwards);
    if (t->states[8] > 0)
        fprintf(out, "          CLOSE_WAIT: the other side has closed, and the program here has not: each holds a descriptor until it does\n");
    if (p->waiting_most > 0 && t->states[6] * 10ul >= (unsigned long)p->waiting_most * 9)
        fprintf(out, "          TIME_WAIT nears net.ipv4.tcp_max_tw_buckets (%ld): what is beyond is dropped at once, without its protection\n", p->waiting_most);
}

static void tell_text(const ports *p)
{
    const hf_port_table *const t = &p->table;
    FILE *const out = p->cli->out;
    fprintf(out, "%sPorts%s     %u to %u for connections outwards: %u for each pair of address here and destination there\n", paint(p, "\x1b[1m"),
            paint(p, "\x1b[0m"), p->from, p->to, p->count);
    fprintf(out, "          TIME_WAIT takes 60 s: %.0f new connections a second and pair can be sustained, if all are closed from here\n",
        p->count / 60.0);
    tell_states(p);
    if (t->group_count == 0) {
        fprintf(out, "\nNo connection goes outwards: no port is taken.\n");
        return;
    }
    fprintf(out, "\n  %s%-28s %-20s %9s %7s %7s %8s  %s%s\n", paint(p, "\x1b[1m"), "destination", "from", "TIME_WAIT", "others", "used",
        "closed/s", "forecast", paint(p, "\x1b[0m"));
    for (size_t i = 0; i < t->group_count && i < SHOWN; i++)
        tell_group(p, &t->groups[i]);
    if (t->group_count > SHOWN)
        fprintf(out, "  and %zu more\n", t->group_count - SHOWN);
    if (!is_filling(p, &t->groups[0])) {
        fprintf(out, "\nNothing is near its end.\n");
        return;
    }
    fprintf(out, "\nWhat helps\n");
    for (size_t n = 0; cure(p, &t->groups[0], n) != NULL; n++) {
        fprintf(out, "  - ");
        hf_print_wrapped(out, cure(p, &t->groups[0], n), 4, 4, WIDTH);
    }
}

static void tell_json(const ports *p)
{
    const hf_port_table *const t = &p->table;
    FILE *const out = p->cli->out;
    const char *between = "";
    fprintf(out, "{\"from\":%u,\"to\":%u,\"reserved\":%u,\"ports\":%u,\"tcp_tw_reuse\":%ld,\"tcp_max_tw_buckets\":%ld,\"sustained_per_s\":%.1f,\"states\":{", p->from, p->to, p->reserved,
            p->count, p->reuse, p->waiting_most, p->count / 60.0);
    for (uint8_t s = 1; s < HF_PORTS_STATES; s++) {
        fprintf(out, "%s\"%s\":%u", between, hf_port_state_name(s), t->states[s]);
        between = ",";
    }
    fputs("},\"destinations\":[", out);
    for (size_t i = 0; i < t->group_count; i++) {
        const hf_port_group *const g = &t->groups[i];
        const hf_port_forecast f = hf_port_foresee(g, p->count);
        char to[80], from[80];
        address_text(&g->of, true, to);
        address_text(&g->of, false, from);
        fprintf(out, "%s\n{\"to\":\"%s\",\"from\":\"%s\",\"time_wait\":%u,\"others\":%u,\"closed_per_s\":%.1f,\"exhausted_in_s\":",
            i > 0 ? "," : "", to, from, g->waiting, g->others, f.per_s);
        fprintf(out, f.left_s < 0 ? "null" : "%lld", (long long)f.left_s);
        fputs(",\"cures\":[", out);
        for (size_t n = 0; is_filling(p, g) && cure(p, g, n) != NULL; n++) {
            fputs(n > 0 ? "," : "", out);
            hf_print_json(out, cure(p, g, n));
        }
        fputs("]}", out);
    }
    fputs("]}\n", out);
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

int hf_command_ports(hf_cli *cli, const hf_arguments *arguments)
{
    const hf_given *const proc = hf_arguments_find(arguments, "proc");
    ports p = { .cli = cli, .proc = proc != NULL ? proc->value : "/proc", .json = hf_arguments_on(arguments, cli->command, "json") };
    hf_port_table_init(&p.table, hf_allocator_default());
    hf_exit result = read_all(&p);
    if (result == HF_EXIT_OK) {
        if (p.json)
            tell_json(&p);
        else
            tell_text(&p);
        for (size_t i = 0; i < p.table.group_count; i++)
            if (hf_port_foresee(&p.table.groups[i], p.count).left_s >= 0)
                result = HF_EXIT_TCP;
    }
    hf_port_table_fini(&p.table);
    return result;
}
