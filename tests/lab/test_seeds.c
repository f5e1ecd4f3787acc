/* SPDX-License-Identifier: Apache-2.0
 *
 * The seeds that are kept, 500 fresh ones (HF_SIM_SEEDS says how many, HF_SEED from which on), and mutants that show
 * what the lab would catch.
 */
#include "harness.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"
#include "log.h"

static void assert_pass(const char *world, uint64_t seed)
{
    hf_lab_report r;
    if (hf_lab_run_checked(world, seed, &r) != HF_LAB_PASS)
        fail_msg("%s\nTo see it again: make sim SEED=%" PRIu64 " WORLD=%s", r.what, seed, world);
}

static void the_kept_seeds_pass(void **state)
{
    (void)state;
    char name[4096], line[512], world[32];
    const char *source = getenv("HF_SOURCE");
    unsigned seeds = 0;
    snprintf(name, sizeof name, "%s/tests/lab/seeds.txt", source ? source : ".");
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        uint64_t seed;
        int reason = 0;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        assert_int_equal(sscanf(line, "%31s %" SCNu64 " %n", world, &seed, &reason), 2);
        assert_true(strlen(line + reason) > 5); /* each seed says why it is kept */
        assert_pass(world, seed);
        seeds++;
    }
    fclose(f);
    assert_true(seeds > 0);
}

static void fresh_seeds_pass(void **state)
{
    (void)state;
    const char *count = getenv("HF_SIM_SEEDS"), *first = getenv("HF_SEED");
    const unsigned long n = count ? strtoul(count, NULL, 10) : 500;
    uint64_t seed = 0;
    assert_int_equal(getentropy(&seed, sizeof seed), 0);
    seed = first ? strtoull(first, NULL, 10) : seed % 1000000000000;
    hf_log_setup(HF_LOG_ERROR, false); /* a server under faults warns of each */
    for (size_t w = 0; hf_lab_world(w) != NULL; w++) {
        fprintf(stderr, "# %lu seeds of world %s from %" PRIu64 "\n", n, hf_lab_world(w), seed);
        for (unsigned long i = 0; i < n; i++)
            assert_pass(hf_lab_world(w), seed + i);
    }
}

static void a_calm_world_answers_everything_but_what_the_server_breaks_off(void **state)
{
    (void)state;
    const hf_lab_seams calm = { .calm = true };
    uint64_t exchanges = 0, failed = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        hf_lab_report r;
        assert_true(hf_lab_run_with(hf_lab_world(seed % 2), seed, &calm, &r));
        assert_int_equal(r.verdict, HF_LAB_PASS);
        assert_int_equal(r.answered + r.failed, r.exchanges);
        assert_int_equal(r.faults, 0);
        exchanges += r.exchanges;
        failed += r.failed;
    }
    assert_true(exchanges > 1000);
    assert_true(failed > 0 && failed * 10 < exchanges);
}

static void a_seed_gives_the_same_trace_each_time_and_another_seed_another(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        hf_lab_report a, b;
        const char *world = hf_lab_world(seed % 2);
        assert_int_equal(hf_lab_run(world, seed, &a), HF_LAB_PASS);
        assert_int_equal(hf_lab_run(world, seed, &b), HF_LAB_PASS);
        assert_true(a.records > 100);
        assert_int_equal(a.trace, b.trace);
        assert_int_equal(a.records, b.records);
        assert_int_equal(a.virtual_ns, b.virtual_ns);
        assert_int_not_equal(a.trace, last);
        last = a.trace;
    }
}

static void an_unknown_world_is_named(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_false(hf_lab_run_with("atlantis", 1, NULL, &r));
    assert_non_null(strstr(r.what, "atlantis"));
    assert_string_equal(hf_lab_world(0), "http1");
    assert_string_equal(hf_lab_world(1), "server");
    assert_null(hf_lab_world(2));
}

/* ---- mutants: a pier with one fault ------------------------------------------------------------------------- */

typedef enum fault {
    NO_FAULT,
    FLIPS_A_BIT,         /* of every 5000th byte received */
    LOSES_A_BYTE,        /* of a put */
    REPEATS_OUTPUT,      /* a put is done twice */
    DROPS_OUTPUT,        /* a put is claimed and not done */
    SWALLOWS_READABLE,   /* after some bytes, nothing is ever readable again */
    TURNS_RESET_INTO_FIN,
    REFUSES_OUTPUT,      /* for ever, and without a word */
} fault;

typedef struct mutant {
    hf_pier below;
    fault fault;
    bool server;
    uint64_t seen;  /* bytes taken */
    uint64_t shown; /* of the bytes received, to the stalling one */
    uint64_t next;  /* the fault strikes when so many were */
    unsigned puts;
} mutant;

enum { EVERY = 5000 };

static hf_span mutant_peek(void *self, hf_lane lane)
{
    mutant *m = self;
    hf_span have = m->below.ops->peek(m->below.self, lane);
    if (m->fault == FLIPS_A_BIT && m->next >= m->seen && m->next - m->seen < have.len) {
        have.ptr[m->next - m->seen] ^= 1;
        m->next += EVERY;
    }
    if (m->fault == SWALLOWS_READABLE) { /* what was shown once stays: a pier that takes back is no pier at all */
        m->shown = m->shown < EVERY && m->seen + have.len > m->shown ? m->seen + have.len : m->shown;
        have.len = m->shown - m->seen < have.len ? m->shown - m->seen : have.len;
    }
    return have;
}

static void mutant_take(void *self, hf_lane lane, size_t n)
{
    mutant *m = self;
    m->seen += n;
    m->below.ops->take(m->below.self, lane, n);
}

static uint64_t mutant_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    mutant *m = self;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += hf_extent_length(&extents[i]);
    const bool strikes = ++m->puts % 4 == 0;
    if (m->fault == REFUSES_OUTPUT && m->server)
        return 0;
    if (m->fault == DROPS_OUTPUT && strikes)
        return bytes;
    hf_extent shorter = extents[0];
    if (m->fault == LOSES_A_BYTE && strikes && count == 1 && shorter.kind == HF_EXTENT_COPIED && shorter.bytes.len > 1) {
        shorter.bytes.len--;
        return m->below.ops->put(m->below.self, lane, &shorter, 1) == bytes - 1 ? bytes : 0;
    }
    const uint64_t took = m->below.ops->put(m->below.self, lane, extents, count);
    if (m->fault == REPEATS_OUTPUT && strikes && took == bytes)
        (void)m->below.ops->put(m->below.self, lane, extents, count);
    return took;
}

static hf_step mutant_event(void *self, hf_time now, hf_pier_event *event)
{
    mutant *m = self;
    hf_step s;
    do
        s = m->below.ops->event(m->below.self, now, event);
    while (s == HF_EVENT && m->fault == SWALLOWS_READABLE && m->shown >= EVERY && event->kind == HF_PIER_READABLE);
    if (m->fault == TURNS_RESET_INTO_FIN) {
        if (s == HF_EVENT && event->kind == HF_PIER_ENDED)
            *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_FIN, 0 } };
        s = s == HF_FAULT ? HF_IDLE : s;
    }
    return s;
}

static hf_err mutant_end(void *self, hf_lane lane, hf_ending ending)
{
    mutant *m = self;
    return m->below.ops->end(m->below.self, lane, ending);
}

static hf_err mutant_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    mutant *m = self;
    return m->below.ops->open(m->below.self, kind, lane);
}

static uint64_t mutant_unsent(const void *self, hf_lane lane)
{
    const mutant *m = self;
    return m->below.ops->unsent(m->below.self, lane);
}

static void mutant_free(void *self)
{
    mutant *m = self;
    m->below.ops->free(m->below.self);
    free(m);
}

static const hf_pier_ops mutant_ops = { "mutant", 0, mutant_event, mutant_peek, mutant_take, mutant_put,
                                        mutant_end, mutant_open, mutant_unsent, mutant_free, NULL, NULL, NULL, NULL };

static hf_pier mutate(void *ctx, hf_pier pier, bool server)
{
    mutant *m = calloc(1, sizeof *m);
    assert_non_null(m);
    *m = (mutant){ .below = pier, .fault = *(const fault *)ctx, .server = server, .next = EVERY };
    return (hf_pier){ &mutant_ops, m };
}

enum { TRIALS = 40 };

/* How many of TRIALS seeds see the fault; what the last of them said. */
static unsigned catches_in(const char *world, fault f, bool calm, hf_lab_report *last)
{
    const hf_lab_seams seams = { .wrap = mutate, .ctx = &f, .calm = calm };
    unsigned caught = 0;
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        hf_lab_report r;
        assert_true(hf_lab_run_with(world, seed, &seams, &r));
        if (r.verdict != HF_LAB_PASS) {
            caught++;
            *last = r;
        }
    }
    fprintf(stderr, "# caught in %u of %u seeds%s%s\n", caught, (unsigned)TRIALS, caught ? ": " : "", caught ? last->what : "");
    return caught;
}

static unsigned catches(fault f, bool calm, hf_lab_report *last)
{
    return catches_in("http1", f, calm, last);
}

/* Only the clients' piers pass through the seam there. */
static void faults_are_caught_before_the_real_server_too(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_int_equal(catches_in("server", NO_FAULT, false, &r), 0);
    assert_int_equal(catches_in("server", NO_FAULT, true, &r), 0);
    assert_true(catches_in("server", FLIPS_A_BIT, true, &r) > TRIALS / 2);
    assert_true(catches_in("server", REPEATS_OUTPUT, true, &r) > TRIALS / 2);
}

static void a_faultless_wrapper_is_not_accused(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_int_equal(catches(NO_FAULT, false, &r), 0);
    assert_int_equal(catches(NO_FAULT, true, &r), 0);
}

static void a_flipped_bit_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(FLIPS_A_BIT, true, &r) > TRIALS / 2);
    assert_int_equal(r.verdict, HF_LAB_SAFETY);
}

static void a_lost_byte_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(LOSES_A_BYTE, true, &r) > TRIALS / 2);
}

static void repeated_output_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(REPEATS_OUTPUT, true, &r) > TRIALS / 2);
}

static void dropped_output_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(DROPS_OUTPUT, true, &r) > TRIALS / 2);
}

static void a_stream_that_stalls_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(SWALLOWS_READABLE, true, &r) > TRIALS / 2);
}

static void a_reset_that_looks_like_a_clean_end_is_caught(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_true(catches(TURNS_RESET_INTO_FIN, false, &r) > 0);
}

/* What the runner prints is no TAP. */
static int run_quietly(int argc, const char *const *words)
{
    fflush(stdout);
    fflush(stderr);
    const int out = dup(1), err = dup(2), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    const int code = hf_lab_main(argc, (char **)(uintptr_t)words);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(nowhere);
    return code;
}

static void the_runner_knows_its_words(void **state)
{
    (void)state;
    static const char *const good[] = { "sim", "--world", "http1", "--seeds", "2", "--first-seed", "3", NULL };
    static const char *const verbose[] = { "sim", "--seed", "3", "-v", NULL };
    static const char *const world[] = { "sim", "--world", "atlantis", NULL };
    static const char *const number[] = { "sim", "--seed", "3x", NULL };
    static const char *const missing[] = { "sim", "--seeds", NULL };
    static const char *const help[] = { "sim", "--help", NULL };
    assert_int_equal(run_quietly(7, good), 0);
    assert_int_equal(run_quietly(4, verbose), 0);
    assert_int_equal(run_quietly(3, world), 2);
    assert_int_equal(run_quietly(3, number), 2);
    assert_int_equal(run_quietly(2, missing), 2);
    assert_int_equal(run_quietly(2, help), 0);
}

static void a_server_that_can_never_answer_is_a_failure_of_liveness(void **state)
{
    (void)state;
    hf_lab_report r;
    assert_int_equal(catches(REFUSES_OUTPUT, false, &r), TRIALS);
    assert_int_equal(r.verdict, HF_LAB_LIVENESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kept_seeds_pass),
        cmocka_unit_test(fresh_seeds_pass),
        cmocka_unit_test(a_calm_world_answers_everything_but_what_the_server_breaks_off),
        cmocka_unit_test(a_seed_gives_the_same_trace_each_time_and_another_seed_another),
        cmocka_unit_test(an_unknown_world_is_named),
        cmocka_unit_test(a_faultless_wrapper_is_not_accused),
        cmocka_unit_test(a_flipped_bit_is_caught),
        cmocka_unit_test(faults_are_caught_before_the_real_server_too),
        cmocka_unit_test(a_lost_byte_is_caught),
        cmocka_unit_test(repeated_output_is_caught),
        cmocka_unit_test(dropped_output_is_caught),
        cmocka_unit_test(a_stream_that_stalls_is_caught),
        cmocka_unit_test(a_reset_that_looks_like_a_clean_end_is_caught),
        cmocka_unit_test(a_server_that_can_never_answer_is_a_failure_of_liveness),
        cmocka_unit_test(the_runner_knows_its_words), /* last: it catches crashes in its own way */
    };
    return cmocka_run_group_tests_name("seeds", tests, NULL, NULL);
}
