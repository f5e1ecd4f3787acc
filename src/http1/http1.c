/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, time, faults and the frame of step.
 */
#include "http1_core.h"

#include "alloc.h"
#include "glimpse.h"
#include "panic.h"

static hf_http1 *create(const hf_env *env, uint64_t id, hf_time now, bool server)
{
    hf_http1 *h = hf_alloc_zeroed(&env->alloc, sizeof *h);
    if (h == NULL)
        return NULL;
    h->env = env;
    h->id = id;
    h->now = h->since = now;
    h->server = server;
    h->version_1_0 = true; /* RFC 9112 2.3: be careful until the peer has shown its version */
    h->reading = HF_READ_FIRST;
    h->writing = HF_WRITE_IDLE;
    hf_queue_init(&h->copied, &env->alloc);
    return h;
}

hf_http1 *hf_http1_server_new(const hf_env *env, uint64_t id, hf_time now)
{
    return create(env, id, now, true);
}

hf_http1 *hf_http1_client_new(const hf_env *env, uint64_t id, hf_time now)
{
    return create(env, id, now, false);
}

static bool holds_memory(const hf_http1 *h)
{
    return h->fields != NULL || h->copied.memory != NULL || h->pieces != NULL || h->memo != NULL;
}

bool hf_http1_pause(const hf_http1 *h, hf_http1_rest *rest)
{
    const bool between = h->reading == HF_READ_FIRST || h->reading == HF_READ_WAIT;
    if (!between || !h->server || h->writing != HF_WRITE_IDLE || h->blanks != 0 || h->fault != NULL || h->closing ||
        h->draining || !hf_http1_output_empty(h))
        return false;
    *rest = (hf_http1_rest){ h->offset, h->since, h->requests, h->reading == HF_READ_FIRST };
    return true;
}

bool hf_http1_slim(hf_http1 *h)
{
    if (h->reading != HF_READ_UPGRADED || !hf_http1_output_empty(h) || h->lent > 0)
        return false;
    hf_http1_trim(h);
    return true;
}

bool hf_http1_leave_tunnel(hf_http1 *h, hf_http1_rest *rest)
{
    if (h->reading != HF_READ_UPGRADED || h->writing != HF_WRITE_RAW || !h->server || !hf_http1_output_empty(h) || h->lent > 0 ||
        h->fault != NULL || h->closing || h->draining)
        return false;
    *rest = (hf_http1_rest){ h->offset, h->since, h->requests, false };
    h->reading = HF_READ_WAIT;
    h->writing = HF_WRITE_IDLE;
    h->blanks = 0;
    h->waiting = h->upgradable = false;
    return true;
}

void hf_http1_enter_tunnel(hf_http1 *h, uint64_t id, const hf_http1_rest *rest)
{
    h->id = id;
    h->now = h->since = rest->since; /* no time is kept there */
    h->offset = rest->offset;
    h->requests = rest->requests;
    h->reading = HF_READ_UPGRADED;
    h->writing = HF_WRITE_RAW;
}

bool hf_http1_sleep(hf_http1 *h, hf_http1_rest *rest)
{
    if (holds_memory(h) || !hf_http1_pause(h, rest))
        return false;
    hf_http1_free(h);
    return true;
}

void hf_http1_resume(hf_http1 *h, uint64_t id, const hf_http1_rest *rest, hf_time now)
{
    h->id = id;
    h->now = now;
    h->offset = rest->offset;
    h->since = rest->since;
    h->requests = rest->requests;
    h->reading = rest->first ? HF_READ_FIRST : HF_READ_WAIT;
}

hf_http1 *hf_http1_server_wake(const hf_env *env, uint64_t id, const hf_http1_rest *rest, hf_time now)
{
    hf_http1 *h = create(env, id, now, true);
    if (h != NULL)
        hf_http1_resume(h, id, rest, now);
    return h;
}

/* How long a server waits for the first byte of a request. */
static int64_t patience_ns(const hf_env *env, bool first)
{
    return (int64_t)(first ? env->limits->first_byte_ns : env->limits->idle_ns);
}

hf_time hf_http1_rest_wake(const hf_env *env, const hf_http1_rest *rest)
{
    return hf_time_after(rest->since, patience_ns(env, rest->first));
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static const hf_fault no_fault;
/* When even the evidence finds no memory. */
static const hf_fault memory_fault = { .err = { HF_ERR_BASE_MEMORY }, .status = 503, .wanted = "memory" };
static const hf_fault idle_fault = { .err = { HF_ERR_HTTP1_IDLE }, .wanted = "a request" };
static const hf_fault first_byte_fault = { .err = { HF_ERR_HTTP1_FIRST_BYTE }, .wanted = "a request" };

const hf_fault *hf_http1_fault(const hf_http1 *h)
{
    return h->fault != NULL ? h->fault : &no_fault;
}

static void free_fault(hf_http1 *h)
{
    if (h->fault != NULL && h->fault != &memory_fault && h->fault != &idle_fault && h->fault != &first_byte_fault)
        hf_free(&h->env->alloc, (void *)(uintptr_t)h->fault, sizeof *h->fault);
}

void hf_http1_free(hf_http1 *h)
{
    if (h == NULL)
        return;
    const hf_allocator alloc = h->env->alloc;
    hf_queue_fini(&h->copied);
    hf_free(&alloc, h->fields, h->field_capacity * sizeof *h->fields);
    hf_http1_forget(h);
    hf_free(&alloc, h->pieces, h->piece_capacity * sizeof *h->pieces);
    free_fault(h);
    hf_free(&alloc, h, sizeof *h);
}

/* The flaw with its evidence, kept. */
static void keep_fault(hf_http1 *h, const hf_in *in, hf_http1_flaw flaw)
{
    const hf_err err = hf_err_make(flaw.code);
    const uint64_t offset = h->offset + (in == NULL ? 0 : flaw.at != NULL ? (uint64_t)(flaw.at - in->ptr) : in->used);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_REFUSED, (uint64_t)flaw.code, offset);
    if (h->fault != NULL)
        return; /* the first fault is the one that counts */
    hf_fault *fault = flaw.code == HF_ERR_BASE_MEMORY ? NULL : hf_alloc_zeroed(&h->env->alloc, sizeof *fault);
    if (fault == NULL) {
        h->fault = &memory_fault;
        return;
    }
    *fault = (hf_fault){ .err = err, .offset = offset, .status = hf_err_describe(err)->status, .wanted = flaw.wanted };
    if (in != NULL && flaw.at != NULL) {
        const size_t there = (size_t)(in->ptr + in->len - flaw.at);
        fault->got_length = (uint8_t)(there < sizeof fault->got ? there : sizeof fault->got);
        memcpy(fault->got, flaw.at, fault->got_length);
    }
    h->fault = fault;
}

hf_step hf_http1_refuse(hf_http1 *h, const hf_in *in, hf_http1_flaw flaw, hf_http1_event *event)
{
    h->closing = true;
    keep_fault(h, in, flaw);
    if (h->server && h->writing == HF_WRITE_IDLE && !h->discarding && h->reading <= HF_READ_HEAD)
        hf_http1_move_writing(h, HF_WRITE_MOVE_OWE);
    if (h->server && h->writing == HF_WRITE_OWED) {
        event->kind = HF_HTTP1_REFUSED;
        event->request = (hf_request_head){ 0 };
        if (h->reading == HF_READ_HEAD && in != NULL)
            hf_glimpse_line(hf_bytes_make(in->ptr + in->used, in->len - in->used), &event->request);
        hf_http1_move_reading(h, HF_READ_MOVE_REFUSE);
        return HF_EVENT;
    }
    hf_http1_move_reading(h, HF_READ_MOVE_FAULT);
    return HF_FAULT;
}

void hf_http1_note_silence(hf_http1 *h, bool first)
{
    if (h->fault == NULL)
        h->fault = first ? &first_byte_fault : &idle_fault;
}

hf_step hf_http1_close(hf_http1 *h)
{
    h->closing = true;
    hf_http1_move_reading(h, HF_READ_MOVE_CLOSE);
    return HF_CLOSED;
}

/* ---- step --------------------------------------------------------------------------------------------------- */

/* What the commands since the last step demand of the reading side. True: *answer is the step's. */
static bool obey(hf_http1 *h, hf_http1_event *event, hf_step *answer)
{
    if (h->writing == HF_WRITE_BROKEN) {
        const hf_http1_flaw flaw = { HF_ERR_HTTP1_BODY_LENGTH, NULL, "a message that is put whole" };
        *answer = hf_http1_refuse(h, NULL, flaw, event);
        return true;
    }
    if (h->abandoned || (h->reading == HF_READ_UPGRADED && h->writing == HF_WRITE_IDLE)) {
        *answer = hf_http1_close(h);
        return true;
    }
    return false;
}

hf_step hf_http1_step(hf_http1 *h, hf_time now, hf_in *in, hf_http1_event *event)
{
    in->used = in->need = 0;
    h->now = now;
    hf_step answer = HF_FAULT;
    if (h->reading == HF_READ_FAULT || h->reading == HF_READ_CLOSED)
        return h->reading == HF_READ_CLOSED ? HF_CLOSED : HF_FAULT;
    if (h->reading == HF_READ_REFUSED) {
        hf_http1_move_reading(h, HF_READ_MOVE_FAULT);
        return HF_FAULT;
    }
    if (obey(h, event, &answer))
        return answer;
    if (!hf_http1_settle(h, in))
        return HF_FULL;
    while (!hf_http1_read_turn(h, in, event, &answer))
        ;
    h->offset += in->used;
    return answer;
}

/* ---- time --------------------------------------------------------------------------------------------------- */

int64_t hf_http1_body_patience_ns(const hf_http1 *h)
{
    const int64_t idle = (int64_t)(h->server ? h->pace.pause_ns : h->env->limits->idle_ns);
    if (!h->server || h->pace.rate == 0)
        return idle;
    /* The least rate holds for the time that the peer let us wait, not for the time that the application took. */
    const uint64_t allowance_s = h->body_bytes / h->pace.rate;
    int64_t allowance = allowance_s > 1u << 30 ? HF_NEVER_NS : HF_SECONDS(allowance_s + 1);
    if (allowance < HF_HTTP1_RATE_GRACE_NS)
        allowance = HF_HTTP1_RATE_GRACE_NS;
    const int64_t rest = allowance - h->waited_ns;
    return rest < idle ? rest : idle;
}

void hf_http1_pace(hf_http1 *h, hf_pace pace)
{
    if (h->server)
        h->pace = pace;
}

/* Between messages. */
static hf_time wake_at_rest(const hf_http1 *h)
{
    const hf_limits *const limits = h->env->limits;
    hf_time at = HF_NEVER;
    if (!hf_http1_output_empty(h))
        return at; /* slow reading is the pier's to time */
    if (h->server)
        at = hf_time_after(h->since, patience_ns(h->env, h->reading == HF_READ_FIRST));
    else if (h->outstanding > 0 && h->writing == HF_WRITE_IDLE)
        at = hf_time_after(h->since, (int64_t)limits->idle_ns);
    return holds_memory(h) && h->outstanding == 0 ? hf_time_earlier(at, hf_time_after(h->since, HF_HTTP1_TRIM_NS)) : at;
}

hf_time hf_http1_wake(const hf_http1 *h)
{
    const hf_limits *const limits = h->env->limits;
    switch (h->reading) {
    case HF_READ_FIRST:
    case HF_READ_WAIT:
        return wake_at_rest(h);
    case HF_READ_HEAD:
        return hf_time_after(h->since, (int64_t)(h->server ? limits->head_ns : limits->idle_ns));
    default:
        return h->waiting ? hf_time_after(h->since, hf_http1_body_patience_ns(h)) : HF_NEVER;
    }
}

void hf_http1_merge_ends(hf_http1 *h)
{
    h->merges = true;
}

bool hf_http1_has_said_all(const hf_http1 *h)
{
    return hf_http1_output_empty(h);
}

bool hf_http1_is_worn(const hf_http1 *h)
{
    return h->requests >= h->env->limits->requests_per_connection;
}

bool hf_http1_is_final(const hf_http1 *h)
{
    return h->final;
}

void hf_http1_drain(hf_http1 *h)
{
    h->draining = true;
}

bool hf_http1_is_idle(const hf_http1 *h)
{
    const bool between = h->reading == HF_READ_FIRST || h->reading == HF_READ_WAIT;
    return between && h->writing == HF_WRITE_IDLE && h->outstanding == 0 && hf_http1_output_empty(h);
}
