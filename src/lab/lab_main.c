/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast sim`: seeds from the command line. The one draw of true randomness in all this, a fresh first seed, is made
 * and printed here.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"
#include "log.h"
#include "trace.h"

enum { USAGE = 2 };

typedef struct options {
    const char *world;
    uint64_t first, count;
    bool has_first, quiet, verbose;
} options;

static const char help[] =
    "usage: handfast sim [--world NAME|all] [--seed N | --seeds COUNT [--first-seed N]] [--quiet | -v]\n"
    "\n"
    "Runs server and clients in the simulated network, one world for each seed. A seed is a whole world: the same seed\n"
    "shows the same again.\n"
    "\n"
    "  --world NAME     the world (all)\n"
    "  --seed N         one seed\n"
    "  --seeds COUNT    so many seeds in a row (100)\n"
    "  --first-seed N   the first of them (a fresh one, which is printed)\n"
    "  --quiet          print failures only\n"
    "  -v, --verbose    print every trace record\n"
    "  --mutants        say how the tests are tried with faults in our TCP\n"
    "\n"
    "Exit code: 0 all passed, 1 crash, 2 wrong usage, 4 something wrong happened (safety), 5 something never came to its end\n"
    "(liveness).\n";

/* ---- a crash still says how to see it again ----------------------------------------------------------------- */

static char repro[128];

static void on_crash(int number)
{
    const size_t n = strlen(repro);
    if (n > 0 && write(STDERR_FILENO, repro, n) < 0)
        _exit(HF_LAB_CRASH);
    (void)number;
    _exit(HF_LAB_CRASH);
}

static void prepare_repro(const char *world, uint64_t seed)
{
    snprintf(repro, sizeof repro, "crashed. To see it again: make sim SEED=%" PRIu64 " WORLD=%s\n", seed, world);
}

static void catch_crashes(void)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    for (size_t i = 0; i < HF_COUNT(signals); i++)
        signal(signals[i], on_crash);
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static bool parse_number(const char *text, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0;
}

/* Is argv[*i] this option? Then *value is what follows, behind '=' or as the next word; NULL: nothing does. */
static bool takes(const char *name, int argc, char **argv, int *i, const char **value)
{
    const size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] != 0 && argv[*i][n] != '='))
        return false;
    *value = argv[*i][n] == '=' ? argv[*i] + n + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

static bool parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        bool fine = true;
        const char *value = NULL;
        if (takes("--world", argc, argv, &i, &value)) {
            fine = value != NULL;
            o->world = value;
        } else if (takes("--seed", argc, argv, &i, &value)) {
            fine = o->has_first = value != NULL && parse_number(value, &o->first);
            o->count = 1;
        } else if (takes("--seeds", argc, argv, &i, &value)) {
            fine = value != NULL && parse_number(value, &o->count) && o->count > 0; /* no run is no pass */
        } else if (takes("--first-seed", argc, argv, &i, &value)) {
            fine = o->has_first = value != NULL && parse_number(value, &o->first);
        } else if (strcmp(argv[i], "--quiet") == 0) {
            o->quiet = true;
        } else if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0) {
            o->verbose = true;
        } else {
            fine = false;
        }
        if (!fine) {
            fprintf(stderr, "handfast sim: %s is not understood, or lacks its value\n\n%s", argv[i < argc ? i : argc - 1], help);
            return false;
        }
    }
    return true;
}

static bool is_world(const char *name)
{
    for (size_t i = 0; hf_lab_world(i) != NULL; i++)
        if (strcmp(hf_lab_world(i), name) == 0)
            return true;
    return strcmp(name, "all") == 0;
}

/* A fault is a second library, compiled with it: that takes the sources and a compiler, which this program does not have. */
static int tell_mutants(void)
{
    puts("Faults are put into our TCP one at a time, each a second library made from the sources; nothing in this program switches a rule off.\n"
         "In the sources:\n"
         "  make mutants            all of tests/tcp/mutants.txt: which test catches which\n"
         "  make mutants M=NAME     one of them\n"
         "docs/decisions/0012-mutants.md says why.");
    return USAGE;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static void print_record(void *ctx, const hf_trace_record *r)
{
    const hf_trace_info *info = hf_trace_describe(r->kind);
    (void)ctx;
    printf("%14.6f ms  %-16s %-8" PRIu64, (double)r->at.ns / 1e6, info->name, r->connection);
    if (info->first[0] != 0)
        printf(" %s=%" PRIu64, info->first, r->first);
    if (info->second[0] != 0)
        printf(" %s=%" PRIu64, info->second, r->second);
    printf("\n");
}

static void print_failure(const char *world, const hf_lab_report *r)
{
    static const char *const verdicts[] = { [HF_LAB_PASS] = "pass", [HF_LAB_CRASH] = "crash", [HF_LAB_SAFETY] = "safety",
                                            [HF_LAB_LIVENESS] = "liveness" };
    printf("%s: seed %" PRIu64 " of world %s: %s\n", verdicts[r->verdict], r->seed, world, r->what);
    printf("To see it again: make sim SEED=%" PRIu64 " WORLD=%s\n", r->seed, world);
}

typedef struct totals {
    uint64_t seeds, exchanges, answered, failed, packets, faults, calm;
    double virtual_s;
    int worst;
} totals;

static void run_seed(const options *o, const char *world, uint64_t seed, totals *t)
{
    const hf_trace_sink sink = { print_record, NULL };
    const hf_lab_seams seams = { .trace = &sink };
    hf_lab_report r;
    prepare_repro(world, seed);
    if (o->verbose)
        (void)hf_lab_run_with(world, seed, &seams, &r);
    else
        (void)hf_lab_run_checked(world, seed, &r);
    if (r.verdict != HF_LAB_PASS)
        print_failure(world, &r);
    if (t->worst == 0)
        t->worst = (int)r.verdict;
    t->seeds++;
    t->exchanges += r.exchanges;
    t->answered += r.answered;
    t->failed += r.failed;
    t->packets += r.packets;
    t->faults += r.faults;
    t->calm += r.calm;
    t->virtual_s += (double)r.virtual_ns / 1e9;
}

int hf_lab_main(int argc, char **argv)
{
    options o = { .world = "all", .count = 100 };
    totals t = { 0 };
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--mutants") == 0)
        return tell_mutants();
    if (!parse(argc, argv, &o))
        return USAGE;
    if (!is_world(o.world)) {
        fprintf(stderr, "handfast sim: there is no world named %s\n", o.world);
        return USAGE;
    }
    if (!o.has_first && getentropy(&o.first, sizeof o.first) != 0)
        return USAGE;
    if (!o.has_first)
        o.first %= 1000000000000; /* short enough to be read out over a telephone */
    if (!o.quiet)
        printf("first seed %" PRIu64 ", %" PRIu64 " seed%s in each world\n", o.first, o.count, o.count == 1 ? "" : "s");
    catch_crashes();
    hf_log_setup(HF_LOG_ERROR, false); /* a server under faults warns of each */
    for (size_t i = 0; hf_lab_world(i) != NULL; i++)
        if (strcmp(o.world, "all") == 0 || strcmp(o.world, hf_lab_world(i)) == 0)
            for (uint64_t n = 0; n < o.count; n++)
                run_seed(&o, hf_lab_world(i), o.first + n, &t);
    if (!o.quiet)
        printf("%" PRIu64 " runs (%" PRIu64 " calm), %" PRIu64 " faults, %" PRIu64 " packets, %.0f s of virtual time; %" PRIu64
               " exchanges: %" PRIu64 " answered, %" PRIu64 " failed by name\n",
               t.seeds, t.calm, t.faults, t.packets, t.virtual_s, t.exchanges, t.answered, t.failed);
    return t.worst;
}
