/* SPDX-License-Identifier: Apache-2.0
 *
 * The worlds "http1" (the cores and a scripted server) and "server" (the real one): one server, one to eight clients, and whatever the seed lets go wrong between them. Swarm testing:
 * each seed switches most faults off and some on, so that rare combinations meet often.
 */
#include "lab_http1.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab_worlds.h"
#include "text.h"

enum { MOST_FAULTS = 12 };
#define CONVERGE_NS HF_SECONDS(400) /* after healing: idle, give-up and response limits, one after another */
#define GONE_NS HF_SECONDS(200)     /* and then every stream is forgotten */

/* ---- memory, words, bodies ---------------------------------------------------------------------------------- */

static void *counted_resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    hf_lab_memory *m = ctx;
    if (new_size == 0) {
        m->blocks -= old != NULL;
        m->bytes -= old_size;
        free(old);
        return NULL;
    }
    void *fresh = realloc(old, new_size);
    if (fresh != NULL) {
        m->blocks += old == NULL;
        m->bytes += new_size - old_size;
    }
    return fresh;
}

void hf_lab_violate(hf_lab *lab, const char *format, ...)
{
    hf_lab_report *r = lab->report;
    if (r->verdict != HF_LAB_PASS)
        return;
    va_list args;
    va_start(args, format);
    r->verdict = HF_LAB_SAFETY;
    vsnprintf(r->what, sizeof r->what, format, args);
    va_end(args);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

hf_lab_body hf_lab_request_body(const hf_lab *lab, const hf_lab_exchange *x)
{
    return (hf_lab_body){ mix(lab->seed * 2 + 1) + x->id };
}

hf_lab_body hf_lab_answer_body(const hf_lab *lab, const hf_lab_exchange *x)
{
    return x->echo ? hf_lab_request_body(lab, x) : (hf_lab_body){ mix(lab->seed * 2 + 2) - x->id };
}

static uint64_t body_word(hf_lab_body body, uint64_t index)
{
    return mix(body.key * 0x9e3779b97f4a7c15u + index);
}

void hf_lab_fill(hf_lab_body body, uint64_t at, uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n;) {
        const uint64_t word = body_word(body, at / 8);
        const size_t skip = at % 8, part = 8 - skip < n - i ? 8 - skip : n - i;
        memcpy(to + i, (const uint8_t *)&word + skip, part);
        i += part;
        at += part;
    }
}

bool hf_lab_matches(hf_lab_body body, uint64_t at, hf_bytes b)
{
    for (size_t i = 0; i < b.len;) {
        const uint64_t word = body_word(body, at / 8);
        const size_t skip = at % 8, part = 8 - skip < b.len - i ? 8 - skip : b.len - i;
        if (memcmp(b.ptr + i, (const uint8_t *)&word + skip, part) != 0)
            return false;
        i += part;
        at += part;
    }
    return true;
}

hf_lab_exchange *hf_lab_find(hf_lab *lab, hf_bytes target)
{
    uint64_t id;
    if (target.len < 2 || target.ptr[0] != '/' || !hf_parse_decimal(hf_bytes_make(target.ptr + 1, target.len - 1), &id))
        return NULL;
    return id < lab->exchange_count ? &lab->exchanges[id] : NULL;
}

/* ---- the plan ----------------------------------------------------------------------------------------------- */

static uint64_t below(hf_lab *lab, uint64_t n)
{
    return hf_random_below(&lab->random, n);
}
static bool one_in(hf_lab *lab, uint64_t n)
{
    return below(lab, n) == 0;
}

static uint64_t some_size(hf_lab *lab)
{
    switch (below(lab, 8)) {
    case 0: return 0;
    case 1: return below(lab, 200000);
    case 2: case 3: return below(lab, 30000);
    default: return below(lab, 2000);
    }
}

static void plan_exchange(hf_lab *lab, hf_lab_exchange *x, bool probe)
{
    static const hf_method methods[] = { HF_METHOD_GET, HF_METHOD_GET, HF_METHOD_GET, HF_METHOD_HEAD, HF_METHOD_POST, HF_METHOD_POST };
    x->id = (uint32_t)(x - lab->exchanges);
    x->method = probe ? HF_METHOD_GET : methods[below(lab, HF_COUNT(methods))];
    x->probe = probe;
    x->answer_size = some_size(lab);
    x->answer_unknown = one_in(lab, 3);
    x->how = (hf_lab_how)below(lab, 3);
    if (!probe) {
        x->http10 = one_in(lab, 8);
        x->close = one_in(lab, 8);
        x->abort = one_in(lab, 16) && x->answer_size > 1 && x->method != HF_METHOD_HEAD;
    }
    if (x->method == HF_METHOD_POST) {
        x->request_size = some_size(lab);
        x->request_chunked = one_in(lab, 2) && !x->http10;
        x->request_trailer = x->request_chunked && one_in(lab, 3);
        x->expect = one_in(lab, 4) && !x->http10;
        x->early = one_in(lab, 10) && !lab->calm; /* the server may then close, and the next request comes too late */
        x->echo = one_in(lab, 2) && x->how != HF_LAB_FILE;
        if (x->echo)
            x->answer_size = x->request_size;
    }
    x->abort = x->abort && x->answer_size > 1;
    if (lab->server_ops->only_whole)
        x->abort = x->answer_unknown = false;
    x->answer_trailer = x->answer_unknown && !x->http10 && x->method != HF_METHOD_HEAD && one_in(lab, 3);
    if (x->how == HF_LAB_FILE) {
        uint8_t *bytes = malloc(x->answer_size + 1);
        hf_lab_fill(hf_lab_answer_body(lab, x), 0, bytes, x->answer_size);
        if (!hf_world_file(lab->world, hf_bytes_make(bytes, x->answer_size), &x->file))
            hf_lab_violate(lab, "out of memory");
        free(bytes);
    }
}

static uint32_t some_ppm(hf_lab *lab, uint32_t most)
{
    return one_in(lab, 2) ? (uint32_t)below(lab, most) : 0;
}

static void spoil_link(hf_lab *lab, hf_link_options *o)
{
    static const uint32_t mtus[] = { 1500, 1500, 9000, 1280, 576, 256 };
    *o = HF_LINK_CLEAN;
    o->delay_ns = (int64_t)below(lab, (uint64_t)HF_MILLISECONDS(one_in(lab, 4) ? 200 : 10));
    o->jitter_ns = one_in(lab, 2) ? (int64_t)below(lab, (uint64_t)HF_MILLISECONDS(50)) : 0;
    o->mtu = mtus[below(lab, HF_COUNT(mtus))];
    if (one_in(lab, 3)) {
        o->rate = 500000 + below(lab, 50000000);
        o->queue_bytes = 10000 + below(lab, 200000);
    }
    if (lab->calm) {
        o->queue_bytes = 0;
        if (o->rate != 0)
            o->rate += 5000000;
        return;
    }
    o->loss = some_ppm(lab, 100000);
    o->reorder = some_ppm(lab, 100000);
    o->duplicate = some_ppm(lab, 50000);
    o->corrupt = some_ppm(lab, 50000);
}

static void tune_host(hf_lab *lab, hf_io *io)
{
    hf_host_options *o = hf_world_options(io);
    o->send_buffer = 1024u << below(lab, 8);
    o->receive_buffer = 2048u << below(lab, 7);
    o->turn_delay_ns = one_in(lab, 2) ? (int64_t)below(lab, (uint64_t)HF_MILLISECONDS(5)) : 0;
}

static void plan_limits(hf_lab *lab)
{
    lab->limits = *hf_limits_default();
    lab->limits.output_bytes = 2048ull << below(lab, 6);
    lab->limits.output_extents = 2ull << below(lab, 6);
}

static void plan(hf_lab *lab)
{
    const hf_address server_at = hf_world_address(100, 0);
    lab->calm = one_in(lab, 8) || (lab->seams != NULL && lab->seams->calm);
    lab->slow_readers = one_in(lab, 2);
    lab->pipeline = one_in(lab, 2) ? 1 : 1 + (unsigned)below(lab, 8);
    lab->client_count = 1 + below(lab, HF_LAB_CLIENTS);
    plan_limits(lab);
    lab->server_io = hf_world_host(lab->world, "server", &server_at);
    tune_host(lab, lab->server_io);
    if (!lab->calm && one_in(lab, 8)) {
        hf_world_options(lab->server_io)->descriptors = 1 + below(lab, 4);
        hf_world_options(lab->server_io)->backlog = 1 + below(lab, 8);
    }
    for (size_t i = 0; i < lab->client_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "client%zu", i);
        const hf_address at = hf_world_address((uint8_t)(1 + i), 0);
        lab->client_io[i] = hf_world_host(lab->world, name, &at);
        tune_host(lab, lab->client_io[i]);
        spoil_link(lab, hf_world_link(lab->client_io[i], lab->server_io));
        spoil_link(lab, hf_world_link(lab->server_io, lab->client_io[i]));
        hf_lab_exchange *first = &lab->exchanges[lab->exchange_count];
        const size_t n = 1 + below(lab, HF_LAB_EXCHANGES - 1);
        for (size_t j = 0; j <= n && j < HF_LAB_EXCHANGES; j++)
            plan_exchange(lab, &lab->exchanges[lab->exchange_count++], j == n || j == HF_LAB_EXCHANGES - 1);
        lab->clients[i] = hf_lab_client_new(lab, lab->client_io[i], first, (size_t)(&lab->exchanges[lab->exchange_count] - first));
        hf_world_program(lab->client_io[i], hf_lab_client_program(lab->clients[i]));
    }
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static void start_server(hf_lab *lab)
{
    if (lab->server != NULL)
        return;
    hf_world_restart(lab->server_io);
    lab->server = lab->server_ops->open(lab, lab->server_io);
    hf_world_program(lab->server_io, lab->server_ops->program(lab->server));
}

static void kill_server(hf_lab *lab, hf_kill how)
{
    if (lab->server == NULL)
        return;
    hf_world_kill(lab->server_io, how);
    lab->server_ops->close(lab->server);
    lab->server = NULL;
}

static void kill_client(hf_lab *lab, size_t i)
{
    hf_world_kill(lab->client_io[i], one_in(lab, 2) ? HF_KILL_PROCESS : HF_KILL_POWER);
    hf_lab_client_lose(lab->clients[i]);
    hf_world_restart(lab->client_io[i]);
    hf_world_program(lab->client_io[i], hf_lab_client_program(lab->clients[i]));
}

static void one_fault(hf_lab *lab)
{
    const size_t i = below(lab, lab->client_count);
    hf_link_options *up = hf_world_link(lab->client_io[i], lab->server_io);
    hf_link_options *down = hf_world_link(lab->server_io, lab->client_io[i]);
    lab->report->faults++;
    switch (below(lab, 12)) {
    case 0: up->down = true; break;
    case 1: down->down = true; break;
    case 2: up->down = down->down = true; break;
    case 3: up->down = down->down = false; break;
    case 4: spoil_link(lab, up); break;
    case 5: spoil_link(lab, down); break;
    case 6: hf_world_pause(one_in(lab, 2) ? lab->server_io : lab->client_io[i]); break;
    case 7: hf_world_resume(lab->server_io); hf_world_resume(lab->client_io[i]); break;
    case 8: kill_server(lab, one_in(lab, 2) ? HF_KILL_PROCESS : HF_KILL_POWER); break;
    case 9: start_server(lab); break;
    case 10: kill_client(lab, i); break;
    default:
        hf_world_options(one_in(lab, 2) ? lab->server_io : lab->client_io[i])->wall_skew_s = (int64_t)below(lab, 1000000) - 500000;
        break;
    }
    if (lab->server != NULL && one_in(lab, 20))
        lab->server_ops->drain(lab->server);
}

static void touch_a_file(hf_lab *lab)
{
    hf_lab_exchange *x = &lab->exchanges[below(lab, lab->exchange_count)];
    if (x->how == HF_LAB_FILE && !x->probe && !lab->calm)
        hf_world_file_touch(lab->world, &x->file);
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

static bool are_clients_done(const hf_lab *lab)
{
    for (size_t i = 0; i < lab->client_count; i++)
        if (!hf_lab_client_is_done(lab->clients[i]))
            return false;
    return true;
}

/* Runs until `until`, until all is done, or until something went wrong. */
static void run_until(hf_lab *lab, hf_time until)
{
    while (lab->report->verdict == HF_LAB_PASS) {
        const hf_world_step_result r = hf_world_step(lab->world, until);
        if (r == HF_WORLD_SPINNING) {
            hf_lab_violate(lab, "a program wakes again and again while time stands still");
            lab->report->verdict = HF_LAB_LIVENESS;
        }
        if (r != HF_WORLD_MOVED || are_clients_done(lab))
            return;
    }
}

static void phase_of_faults(hf_lab *lab)
{
    const hf_time start = hf_world_now(lab->world);
    const int64_t length = HF_SECONDS(1 + below(lab, 60));
    const size_t faults = lab->calm || one_in(lab, 4) ? 0 : below(lab, MOST_FAULTS + 1);
    hf_time at = start;
    for (size_t i = 0; i < faults; i++) {
        at = hf_time_after(at, (int64_t)below(lab, (uint64_t)(length / (int64_t)faults) * 2));
        run_until(lab, at);
        if (one_in(lab, 8))
            touch_a_file(lab);
        else
            one_fault(lab);
    }
    run_until(lab, hf_time_after(start, length));
}

static void phase_of_healing(hf_lab *lab)
{
    lab->healed = true;
    hf_world_heal(lab->world);
    hf_world_options(lab->server_io)->descriptors = 0;
    hf_world_options(lab->server_io)->backlog = 128;
    if (lab->server != NULL && lab->report->faults > 0) /* it may be draining: whoever restarts it gets a fresh one */
        kill_server(lab, HF_KILL_PROCESS);
    start_server(lab);
    for (size_t i = 0; i < lab->client_count; i++)
        hf_world_poke(lab->client_io[i]);
    run_until(lab, hf_time_after(hf_world_now(lab->world), CONVERGE_NS));
    if (lab->report->verdict == HF_LAB_PASS && !are_clients_done(lab)) {
        hf_lab_violate(lab, "exchanges are still open %lld s after every fault was healed", (long long)(CONVERGE_NS / HF_SECONDS(1)));
        lab->report->verdict = HF_LAB_LIVENESS;
    }
}

static void judge(hf_lab *lab)
{
    hf_lab_report *r = lab->report;
    r->exchanges = lab->exchange_count;
    for (size_t i = 0; i < lab->exchange_count; i++) {
        const hf_lab_exchange *x = &lab->exchanges[i];
        r->answered += x->state == HF_LAB_ANSWERED;
        r->failed += x->state == HF_LAB_FAILED;
        if (x->state == HF_LAB_FAILED && x->err.code == 0)
            hf_lab_violate(lab, "exchange %u failed without a name", x->id);
        if (r->verdict != HF_LAB_PASS)
            continue;
        if (x->state != HF_LAB_ANSWERED && x->state != HF_LAB_FAILED)
            hf_lab_violate(lab, "exchange %u neither ended nor failed", x->id);
        else if (x->probe && x->state != HF_LAB_ANSWERED) {
            hf_lab_violate(lab, "exchange %u was asked after all was healed and failed: %s", x->id, hf_err_text(x->err));
            r->verdict = HF_LAB_LIVENESS;
        } else if (lab->calm && x->state != HF_LAB_ANSWERED && !x->abort)
            hf_lab_violate(lab, "exchange %u failed although nothing was wrong: %s", x->id, hf_err_text(x->err));
    }
}

/* After the programs ended, the network forgets all of it and no memory is held. */
static void clean_up(hf_lab *lab)
{
    for (size_t i = 0; i < lab->client_count; i++) {
        hf_lab_client_free(lab->clients[i]);
        hf_world_program(lab->client_io[i], (hf_program){ 0 });
    }
    if (lab->server != NULL)
        lab->server_ops->close(lab->server);
    hf_world_program(lab->server_io, (hf_program){ 0 });
    if (lab->report->verdict == HF_LAB_PASS) {
        hf_world_run(lab->world, hf_time_after(hf_world_now(lab->world), GONE_NS));
        size_t left = hf_world_streams(lab->server_io);
        for (size_t i = 0; i < lab->client_count; i++)
            left += hf_world_streams(lab->client_io[i]);
        if (left > 0)
            hf_lab_violate(lab, "%zu streams outlived their programs", left);
    }
    lab->report->packets = hf_world_packets(lab->world);
    hf_world_free(lab->world);
    if (lab->memory.blocks != 0)
        hf_lab_violate(lab, "%zu blocks (%zu bytes) leaked", lab->memory.blocks, lab->memory.bytes);
}

/* Every record goes into the hash, and to whoever listens. */
static void record(void *ctx, const hf_trace_record *r)
{
    hf_lab *lab = ctx;
    lab->hash.sink.record(lab->hash.sink.ctx, r);
    if (lab->seams != NULL && lab->seams->trace != NULL)
        lab->seams->trace->record(lab->seams->trace->ctx, r);
}

static void run_world(const hf_lab_server_ops *ops, uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report)
{
    hf_lab *lab = calloc(1, sizeof *lab);
    if (lab == NULL)
        return;
    lab->report = report;
    lab->seams = seams;
    lab->seed = seed;
    lab->memory.alloc = (hf_allocator){ counted_resize, &lab->memory };
    lab->server_ops = ops;
    hf_random_seed(&lab->random, seed);
    hf_random_seed(&lab->core_random, ~seed);
    hf_trace_hash_init(&lab->hash);
    lab->sink = (hf_trace_sink){ record, lab };
    lab->env = (hf_env){ .alloc = lab->memory.alloc, .random = &lab->core_random, .trace = &lab->sink, .limits = &lab->limits };
    lab->world = hf_world_new(&lab->memory.alloc, mix(seed + 3), &lab->sink);
    plan(lab);
    start_server(lab);
    const hf_time start = hf_world_now(lab->world);
    phase_of_faults(lab);
    if (report->verdict == HF_LAB_PASS)
        phase_of_healing(lab);
    judge(lab);
    report->virtual_ns = hf_world_now(lab->world).ns - start.ns;
    report->calm = lab->calm;
    clean_up(lab);
    report->trace = lab->hash.value;
    report->records = lab->hash.records;
    free(lab);
}

void hf_lab_http1(uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report)
{
    run_world(&hf_lab_scripted_server, seed, seams, report);
}

void hf_lab_server(uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report)
{
    run_world(&hf_lab_real_server, seed, seams, report);
}
