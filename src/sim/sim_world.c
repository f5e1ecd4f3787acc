/* SPDX-License-Identifier: Apache-2.0
 *
 * The world: virtual time, packets in flight, files, and whose turn it is. At one moment, packets come before timers and
 * timers before programs; among equals, what was first stays first. Nothing depends on where memory lies.
 */
#include "sim_stream.h"

enum { SPINS = 10000 };

/* ---- packets in flight: a binary heap ----------------------------------------------------------------------- */

static bool is_before(const hf_sim_packet *a, const hf_sim_packet *b)
{
    return a->at.ns != b->at.ns ? a->at.ns < b->at.ns : a->order < b->order;
}

static bool heap_push(hf_world *w, hf_sim_packet *p)
{
    if (w->heap_count == w->heap_capacity) {
        const size_t more = w->heap_capacity == 0 ? 64 : w->heap_capacity * 2;
        hf_sim_packet **heap = hf_resize(&w->alloc, w->heap, w->heap_capacity * sizeof(hf_sim_packet *), more * sizeof(hf_sim_packet *));
        if (heap == NULL)
            return false;
        w->heap = heap;
        w->heap_capacity = more;
    }
    size_t i = w->heap_count++;
    for (; i > 0 && is_before(p, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = p;
    return true;
}

static hf_sim_packet *heap_pop(hf_world *w)
{
    hf_sim_packet *first = w->heap[0], *last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count)
            break;
        if (child + 1 < w->heap_count && is_before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!is_before(w->heap[child], last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

hf_sim_packet *hf_sim_packet_new(hf_world *w, size_t len)
{
    hf_sim_packet *p = hf_alloc(&w->alloc, sizeof *p + len);
    if (p != NULL)
        *p = (hf_sim_packet){ .len = len };
    return p;
}

static void packet_free(hf_world *w, hf_sim_packet *p)
{
    hf_free(&w->alloc, p, sizeof *p + p->len);
}

static hf_link *link_of(hf_world *w, size_t from, size_t to)
{
    return &w->links[from * HF_WORLD_HOSTS + to];
}

static uint64_t link_name(const hf_sim_packet *p)
{
    return (uint64_t)p->from << 8 | p->to;
}

void hf_sim_drop(hf_world *w, const hf_sim_packet *p, hf_drop why)
{
    hf_trace(&w->env, w->now, link_name(p), HF_TRACE_LINK_DROPPED, p->len, why);
    if (p->to < w->host_count)
        link_of(w, p->from, p->to)->counts.dropped[why]++;
}

static void damage(hf_world *w, hf_sim_packet *p, unsigned flips)
{
    while (flips-- > 0 && p->len > 0) {
        const uint64_t bit = hf_random_below(&w->random, p->len * 8);
        p->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* One copy enters the heap. */
static void depart(hf_world *w, hf_sim_packet *p, hf_time at, unsigned flips)
{
    p->at = at;
    p->order = w->order++;
    damage(w, p, flips);
    if (!heap_push(w, p)) {
        hf_sim_drop(w, p, HF_DROP_MEMORY);
        packet_free(w, p);
    }
}

void hf_sim_packet_send(hf_sim_host *from, uint16_t to, hf_sim_packet *p)
{
    hf_world *w = from->world;
    p->from = from->index;
    p->to = to;
    hf_trace(&w->env, w->now, link_name(p), HF_TRACE_LINK_SENT, p->len, link_name(p));
    if (to >= w->host_count || from->off) {
        hf_sim_drop(w, p, HF_DROP_NO_HOST);
        packet_free(w, p);
        return;
    }
    const hf_fate fate = hf_link_offer(link_of(w, from->index, to), &w->random, w->now, p->len);
    if (fate.drop != HF_DROP_NONE) { /* counted by the link */
        hf_trace(&w->env, w->now, link_name(p), HF_TRACE_LINK_DROPPED, p->len, fate.drop);
        packet_free(w, p);
        return;
    }
    if (fate.copies == 2) {
        hf_sim_packet *twin = hf_sim_packet_new(w, p->len);
        if (twin != NULL) {
            memcpy(twin, p, sizeof *p + p->len);
            depart(w, twin, fate.at[1], fate.flips[1]);
        }
    }
    depart(w, p, fate.at[0], fate.flips[0]);
}

static void deliver(hf_world *w)
{
    hf_sim_packet *p = heap_pop(w);
    hf_sim_host *h = w->hosts[p->to];
    hf_link *l = link_of(w, p->from, p->to);
    if (h->off) {
        hf_sim_drop(w, p, HF_DROP_NO_HOST);
    } else {
        w->delivered++;
        l->counts.arrived++;
        l->counts.arrived_bytes += p->len;
        hf_trace(&w->env, w->now, link_name(p), HF_TRACE_LINK_ARRIVED, p->len, link_name(p));
        hf_sim_stream_receive(h, p);
    }
    packet_free(w, p);
}

/* ---- the world ---------------------------------------------------------------------------------------------- */

hf_world *hf_world_new(const hf_allocator *alloc, uint64_t seed, const hf_trace_sink *trace)
{
    hf_world *w = hf_alloc_zeroed(alloc, sizeof *w);
    if (w == NULL)
        return NULL;
    w->alloc = *alloc;
    w->links = hf_alloc_zeroed(alloc, sizeof(hf_link) * HF_WORLD_HOSTS * HF_WORLD_HOSTS);
    if (w->links == NULL) {
        hf_free(alloc, w, sizeof *w);
        return NULL;
    }
    hf_random_seed(&w->random, seed);
    w->env = (hf_env){ .alloc = w->alloc, .random = &w->random, .trace = trace, .limits = hf_limits_default() };
    hf_timers_init(&w->timers, &w->alloc);
    /* Not at zero, so that a moment taken for "unset" is found out; the date lies somewhere in 2020 to 2039. */
    w->now = hf_time_make(HF_SECONDS(1) + (int64_t)hf_random_below(&w->random, (uint64_t)HF_SECONDS(1000)));
    w->epoch.s = 1577836800 + (int64_t)hf_random_below(&w->random, 20ull * 365 * 86400);
    return w;
}

void hf_world_free(hf_world *w)
{
    if (w == NULL)
        return;
    const hf_allocator a = w->alloc;
    for (size_t i = 0; i < w->host_count; i++) {
        hf_sim_host *h = w->hosts[i];
        while (h->streams != NULL)
            hf_sim_stream_free(h->streams);
        h->io.ops->unlisten(&h->io);
        hf_free(&a, h, sizeof *h);
    }
    for (size_t i = 0; i < w->heap_count; i++)
        packet_free(w, w->heap[i]);
    for (size_t i = 0; i < w->file_count; i++)
        hf_free(&a, w->files[i].bytes, w->files[i].len);
    hf_free(&a, w->files, w->file_count * sizeof *w->files);
    hf_free(&a, w->heap, w->heap_capacity * sizeof(hf_sim_packet *));
    hf_timers_fini(&w->timers);
    hf_free(&a, w->links, sizeof(hf_link) * HF_WORLD_HOSTS * HF_WORLD_HOSTS);
    hf_free(&a, w, sizeof *w);
}

hf_time hf_world_now(const hf_world *w)
{
    return w->now;
}

uint64_t hf_world_packets(const hf_world *w)
{
    return w->delivered;
}

/* ---- hosts -------------------------------------------------------------------------------------------------- */

static hf_sim_host *host_of(const hf_io *io)
{
    HF_ASSERT(io->ops == &hf_sim_io_ops);
    return (hf_sim_host *)(uintptr_t)io;
}

hf_address hf_world_address(uint8_t n, uint16_t port)
{
    return (hf_address){ .family = 4, .port = port, .ip = { 10, 0, 0, n } };
}

int hf_sim_find(const hf_world *w, const hf_address *a)
{
    for (int i = 0; i < w->host_count; i++) {
        const hf_address *b = &w->hosts[i]->address;
        if (a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0)
            return i;
    }
    return -1;
}

hf_io *hf_world_host(hf_world *w, const char *name, const hf_address *address)
{
    hf_sim_host *h = w->host_count < HF_WORLD_HOSTS ? hf_alloc_zeroed(&w->alloc, sizeof *h) : NULL;
    if (h == NULL)
        return NULL;
    h->io.ops = &hf_sim_io_ops;
    h->world = w;
    h->index = w->host_count;
    h->address = *address;
    h->options = (hf_host_options){ .send_buffer = 65536, .receive_buffer = 65536, .backlog = 128,
                                    .give_up_ns = HF_SECONDS(60) };
    h->turn_at = h->wake_at = HF_NEVER;
    h->next_port = (uint16_t)(32768 + hf_random_below(&w->random, 16384));
    const size_t n = strlen(name) < sizeof h->name ? strlen(name) : sizeof h->name - 1;
    memcpy(h->name, name, n);
    w->hosts[w->host_count++] = h;
    for (size_t i = 0; i < w->host_count; i++) {
        hf_link_init(link_of(w, i, h->index));
        hf_link_init(link_of(w, h->index, i));
    }
    return &h->io;
}

hf_host_options *hf_world_options(hf_io *host)
{
    return &host_of(host)->options;
}

void hf_world_poke(hf_io *host)
{
    hf_sim_host *h = host_of(host);
    h->wake_at = h->program.turn != NULL && h->program.wake != NULL ? h->program.wake(h->program.self) : HF_NEVER;
}

void hf_world_program(hf_io *host, hf_program program)
{
    host_of(host)->program = program;
    hf_world_poke(host);
}

void hf_world_pause(hf_io *host)
{
    host_of(host)->paused = true;
}

void hf_world_resume(hf_io *host)
{
    host_of(host)->paused = false;
}

void hf_world_kill(hf_io *host, hf_kill how)
{
    hf_sim_host_reset(host_of(host), how);
}

void hf_world_restart(hf_io *host)
{
    host_of(host)->off = false;
}

size_t hf_world_streams(const hf_io *host)
{
    size_t n = 0;
    for (const hf_sim_stream *s = host_of(host)->streams; s != NULL; s = s->next)
        n++;
    return n;
}

/* ---- links -------------------------------------------------------------------------------------------------- */

hf_link_options *hf_world_link(hf_io *from, hf_io *to)
{
    return &link_of(host_of(from)->world, host_of(from)->index, host_of(to)->index)->options;
}

const hf_link_counts *hf_world_link_counts(const hf_io *from, const hf_io *to)
{
    return &link_of(host_of(from)->world, host_of(from)->index, host_of(to)->index)->counts;
}

void hf_world_heal(hf_world *w)
{
    for (size_t i = 0; i < w->host_count; i++) {
        w->hosts[i]->paused = false;
        for (size_t j = 0; j < w->host_count; j++) {
            hf_link *l = link_of(w, i, j);
            l->options = HF_LINK_CLEAN;
            if (hf_time_before(w->now, l->busy_until))
                l->busy_until = w->now;
        }
    }
}

/* ---- files -------------------------------------------------------------------------------------------------- */

bool hf_world_file(hf_world *w, hf_bytes bytes, hf_file *file)
{
    const size_t old = w->file_count * sizeof *w->files;
    hf_sim_file *files = hf_resize(&w->alloc, w->files, old, old + sizeof *w->files);
    if (files == NULL)
        return false;
    w->files = files;
    hf_sim_file *f = &files[w->file_count];
    *f = (hf_sim_file){ .len = bytes.len, .modified_ns = w->now.ns };
    w->file_count++; /* counted even if its bytes find no memory: the table has grown */
    if (bytes.len > 0) {
        f->bytes = hf_alloc(&w->alloc, bytes.len);
        if (f->bytes == NULL) {
            f->len = 0;
            return false;
        }
        memcpy(f->bytes, bytes.ptr, bytes.len);
    }
    *file = (hf_file){ .handle = (int)w->file_count - 1, .size = bytes.len, .modified_ns = f->modified_ns, .changed_ns = f->modified_ns };
    return true;
}

const hf_sim_file *hf_sim_file_get(const hf_world *w, int handle)
{
    return handle >= 0 && (size_t)handle < w->file_count ? &w->files[handle] : NULL;
}

void hf_world_file_touch(hf_world *w, const hf_file *file)
{
    HF_ASSERT(hf_sim_file_get(w, file->handle) != NULL);
    w->files[file->handle].modified_ns++;
}

/* ---- time --------------------------------------------------------------------------------------------------- */

static void expire(hf_world *w)
{
    hf_timer *timer = hf_timers_expire(&w->timers, w->now);
    if (timer != NULL)
        hf_sim_stream_timeout((hf_sim_stream *)(void *)((char *)timer - offsetof(hf_sim_stream, timer)));
}

/* False when the program asks for one turn after another and time stands still. */
static bool turn(hf_sim_host *h)
{
    hf_world *w = h->world;
    if (h->spin_at.ns != w->now.ns) {
        h->spin_at = w->now;
        h->spins = 0;
    }
    h->program.turn(h->program.self, &h->io, w->now);
    hf_world_poke(&h->io);
    return ++h->spins < SPINS;
}

/* The host whose turn comes first, NULL when none is due to come. */
static hf_sim_host *first_host(const hf_world *w, hf_time *at)
{
    hf_sim_host *first = NULL;
    *at = HF_NEVER;
    for (size_t i = 0; i < w->host_count; i++) {
        const hf_time next = hf_sim_host_next(w->hosts[i]);
        if (hf_time_before(next, *at)) {
            *at = next;
            first = w->hosts[i];
        }
    }
    return first;
}

hf_world_step_result hf_world_step(hf_world *w, hf_time until)
{
    hf_time program_at;
    hf_sim_host *h = first_host(w, &program_at);
    const hf_time packet_at = w->heap_count > 0 ? w->heap[0]->at : HF_NEVER;
    const hf_time timer_at = hf_timers_next(&w->timers);
    const hf_time next = hf_time_earlier(program_at, hf_time_earlier(packet_at, timer_at));
    if (next.ns == HF_NEVER_NS || hf_time_before(until, next)) {
        if (until.ns != HF_NEVER_NS && hf_time_before(w->now, until))
            w->now = until;
        return next.ns == HF_NEVER_NS ? HF_WORLD_QUIET : HF_WORLD_UNTIL;
    }
    if (hf_time_before(w->now, next))
        w->now = next;
    if (!hf_time_before(w->now, packet_at))
        deliver(w);
    else if (!hf_time_before(w->now, timer_at))
        expire(w);
    else if (!turn(h))
        return HF_WORLD_SPINNING;
    return HF_WORLD_MOVED;
}

hf_world_step_result hf_world_run(hf_world *w, hf_time until)
{
    hf_world_step_result r;
    do
        r = hf_world_step(w, until);
    while (r == HF_WORLD_MOVED);
    return r;
}
