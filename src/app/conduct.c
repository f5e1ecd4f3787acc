/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens around a handler: what it is owed before it runs, what it owes when it returns, and what becomes of a
 * request whose answer comes later.
 */
#include "alloc.h"
#include "compress.h"
#include "panic.h"
#include "realtime.h"
#include "text.h"
#include "topics.h"

struct hf_req_more *hf_req_more_of(hf_req *rq)
{
    if (rq->more != NULL)
        return rq->more;
    struct hf_req_more *more = hf_req_memory(rq, sizeof *more);
    if (more == NULL)
        return NULL;
    memset(more, 0, sizeof *more);
    more->deadline = more->alarm = more->turn = HF_NEVER;
    hf_queue_init(&more->out, &rq->service->env->alloc);
    hf_queue_init(&more->early, &rq->service->env->alloc);
    rq->more = more;
    return more;
}

void hf_more_fini(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    if (more->socket != NULL)
        hf_socket_fini(rq);
    hf_topics_fini(rq);
    hf_tickets_fini(rq);
    hf_idempotent_abandon(more->idempotent); /* nobody answered, and nobody is left who could */
    hf_multipart_free(more->multipart);
    hf_json_fini(more->json);
    hf_compressor_free(more->coder);
    hf_queue_fini(&more->out);
    hf_queue_fini(&more->early);
    rq->more = NULL;
}

/* ---- Idempotency-Key ---------------------------------------------------------------------------------------- */

static hf_bytes field(const hf_req *rq, const char *name)
{
    const hf_field *f = hf_fields_find_name(rq->head.fields, hf_text(name));
    return f != NULL ? f->value : hf_bytes_make(NULL, 0);
}

static bool is_said_twice(const hf_req *rq, hf_bytes name)
{
    size_t n = 0;
    for (size_t i = 0; i < rq->head.fields.count; i++)
        n += hf_text_same(rq->head.fields.at[i].name, name);
    return n > 1;
}

/* A string of structured fields has quotes around it, as the field's draft wants; without them it is taken, too. */
static bool read_key(hf_bytes value, hf_bytes *key)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = hf_bytes_make(value.ptr + 1, value.len - 2);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= 0x20 || value.ptr[i] >= 0x7f || value.ptr[i] == '"' || value.ptr[i] == '\\')
            return false;
    *key = value;
    return value.len > 0 && value.len <= HF_IDEMPOTENT_KEY;
}

static void *request_memory(void *self, size_t size)
{
    return hf_req_memory(self, size);
}

static hf_err replay(hf_req *rq, const hf_idempotency_answer *a)
{
    for (size_t i = 0; i < a->field_count; i++) {
        const hf_err err = hf_reply_field(rq, (const char *)a->fields[i].name.ptr, a->fields[i].value); /* NUL-terminated */
        if (err.code != 0)
            return err;
    }
    return hf_reply(rq, a->status, NULL, a->body);
}

hf_err hf_idempotent_tell(hf_req *rq, hf_idempotency_verdict verdict, const hf_idempotency_answer *answer)
{
    static const hf_err_code refusals[] = { [HF_IDEMPOTENCY_BUSY] = HF_ERR_HTTP_IDEMPOTENCY_BUSY,
        [HF_IDEMPOTENCY_MISMATCH] = HF_ERR_HTTP_IDEMPOTENCY_MISMATCH, [HF_IDEMPOTENCY_LOST] = HF_ERR_HTTP_IDEMPOTENCY_LOST,
        [HF_IDEMPOTENCY_FULL] = HF_ERR_HTTP_IDEMPOTENCY_FULL, [HF_IDEMPOTENCY_BASE] = HF_ERR_HTTP_IDEMPOTENCY_STORE,
        [HF_IDEMPOTENCY_MEMORY] = HF_ERR_BASE_MEMORY };
    if (verdict == HF_IDEMPOTENCY_AGAIN)
        return replay(rq, answer);
    const hf_err err = hf_err_make(refusals[verdict]);
    hf_bytes key = field(rq, "Idempotency-Key");
    (void)read_key(key, &key);
    return verdict == HF_IDEMPOTENCY_MEMORY ? err : hf_req_refuse(rq, err, key);
}

/* HF_OK also where the base is being asked: then the request *waits for that. */
static hf_err begin_idempotent(hf_req *rq, bool *waits)
{
    hf_idempotency_store *store = rq->service->app->idempotency;
    const hf_bytes said = field(rq, "Idempotency-Key");
    const hf_route *const route = rq->match.route;
    hf_bytes chosen;
    if (store == NULL || (said.ptr == NULL && route->idempotency == HF_IDEMPOTENT_TAKEN))
        return HF_OK;
    if (is_said_twice(rq, hf_text("Idempotency-Key")))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_TWICE), said);
    if (!read_key(said, &chosen))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_MISSING), said);
    struct hf_req_more *more = hf_req_more_of(rq);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_bytes parts[] = { rq->head.method_name, rq->head.authority, rq->path, rq->head.query, field(rq, "Authorization"),
        field(rq, "Cookie"), field(rq, "Content-Type") };
    hf_idempotency_request r = { .key = { rq->head.authority, hf_text(route->method), hf_text(route->path), chosen } };
    memcpy(r.parts, parts, sizeof parts);
    r.part_count = HF_COUNT(parts);
    const hf_span body = hf_queue_peek(&rq->body);
    r.parts[r.part_count++] = hf_bytes_make(body.ptr, body.len);
    hf_idempotency_answer answer;
    hf_idempotent *held;
    const hf_idempotency_verdict verdict = hf_idempotency_begin(store, rq->service->now, &r, &held, &answer, request_memory, rq);
    *waits = verdict == HF_IDEMPOTENCY_ASK;
    if (*waits)
        return hf_idempotent_inquire(rq, held, &r);
    more->idempotent = held;
    return verdict == HF_IDEMPOTENCY_FIRST ? HF_OK : hf_idempotent_tell(rq, verdict, &answer);
}

void hf_req_note(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count)
{
    hf_bytes pieces[16];
    hf_idempotent *held = rq->more->idempotent;
    bool whole = count <= HF_COUNT(pieces);
    if (status >= 500 && rq->more->tickets != NULL) /* the work goes on: how it ends is for the tickets to say */
        return;
    rq->more->idempotent = NULL;
    for (size_t i = 0; whole && i < count; i++) {
        whole = extents[i].kind != HF_EXTENT_FILE;
        pieces[i] = extents[i].bytes;
    }
    if (status >= 500)
        hf_idempotent_abandon(held);
    else if (whole)
        hf_idempotent_keep(held, status, (hf_fields){ rq->room->fields, rq->field_count }, pieces, count);
    else
        hf_idempotent_lose(held);
}

/* ---- handlers ----------------------------------------------------------------------------------------------- */

/* The handler has returned, or somebody did in its stead. HF_OK: the answer is under way, or was promised. */
static hf_err follow(hf_req *rq, hf_err err)
{
    struct hf_req_more *more = rq->more;
    if (err.code == 0 && more != NULL && more->streaming && !rq->answer_ended)
        err = hf_stream_pump(rq);
    if (err.code != 0 || rq->answered)
        return err;
    /* Nobody else could answer any more: better a 500 that names the request than a client that waits for ever. */
    if (!hf_req_is_promised(rq))
        return hf_err_make(HF_ERR_HTTP_UNANSWERED);
    if (more->deadline.ns == HF_NEVER_NS)
        more->deadline = hf_req_patience(rq);
    return HF_OK;
}

hf_time hf_req_patience(const hf_req *rq)
{
    const uint64_t own = rq->match.route != NULL ? rq->match.route->handler_ns : 0;
    const uint64_t ns = own != 0 ? own : hf_req_limits(rq)->handler_ns;
    return hf_time_after(rq->service->now, ns < INT64_MAX ? (int64_t)ns : INT64_MAX);
}

hf_err hf_req_run_handler(hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return route->events != NULL ? hf_events_open(rq) : route->handle(rq);
}

hf_err hf_req_handle(hf_req *rq)
{
    const hf_err guarded = hf_guards_end(rq);
    if (guarded.code != 0 || rq->answered)
        return guarded;
    bool waits = false;
    if (rq->match.route->idempotency != HF_IDEMPOTENT_NOT) {
        const hf_err err = begin_idempotent(rq, &waits);
        if (err.code != 0 || rq->answered)
            return err;
    }
    const hf_err err = waits ? HF_OK : hf_req_run_handler(rq);
    if (rq->more != NULL) {
        rq->more->handled = true;
        return follow(rq, err);
    }
    return err.code == 0 && !rq->answered ? hf_err_make(HF_ERR_HTTP_UNANSWERED) : err;
}

void hf_req_return(hf_req *rq, hf_err err)
{
    struct hf_req_more *more = rq->more;
    hf_service *s = rq->service;
    hf_dialog *d = rq->dialog;
    if (rq->answer_ended) /* what came too late changes nothing */
        err = HF_OK;
    else if (more->handled || rq->answered)
        err = follow(rq, err);
    hf_req_settle(rq, err);
    (void)hf_req_after_event(rq);
    if (s->hooks.stir != NULL)
        s->hooks.stir(s->hooks.self, d);
}

/* ---- a body held back --------------------------------------------------------------------------------------- */

hf_err hf_req_pause(hf_req *rq)
{
    struct hf_req_more *more = hf_req_more_of(rq);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    more->paused = !rq->complete;
    if (more->paused && more->deadline.ns == HF_NEVER_NS)
        more->deadline = hf_req_patience(rq);
    return HF_OK;
}

void hf_req_resume(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    if (more == NULL || !more->paused)
        return;
    more->paused = false;
    if (!more->handled)
        more->deadline = HF_NEVER;
    if (more->ahead > 0)
        hf_web_take(rq->dialog->web, rq->exchange, more->ahead);
    more->ahead = 0;
}

/* ---- time --------------------------------------------------------------------------------------------------- */

hf_time hf_dialog_wake(const hf_dialog *d)
{
    hf_time at = HF_NEVER;
    for (const hf_req *rq = d->open; rq != NULL; rq = rq->next)
        if (rq->more != NULL)
            at = hf_time_earlier(at, hf_req_wake(rq));
    return at;
}

static hf_req *first_due(const hf_dialog *d)
{
    for (hf_req *rq = d->open; rq != NULL; rq = rq->next)
        if (rq->more != NULL && !hf_time_before(rq->service->now, hf_req_wake(rq)))
            return rq;
    return NULL;
}

/* Each may end others with it, so the list is gone through anew; who sets its alarm to now waits for the next turn. */
void hf_dialog_tick(hf_dialog *d)
{
    enum { AT_ONCE = 256 };
    hf_req *rq;
    for (int i = 0; i < AT_ONCE && (rq = first_due(d)) != NULL; i++)
        hf_req_tick(rq);
}
