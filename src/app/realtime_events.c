/* SPDX-License-Identifier: Apache-2.0
 *
 * An event stream on a request: an answer piece by piece, and an alarm that calls the route's handler or, when nothing was
 * said for long, writes a comment.
 */
#include "alloc.h"
#include "realtime.h"
#include "text.h"
#include "topics.h"

static hf_err beat(hf_req *rq);

static int64_t quiet_ns(const hf_req *rq)
{
    return (int64_t)rq->service->env->limits->eventstream_quiet_ns;
}

/* The next alarm: the handler's turn, or the heartbeat, whichever comes first. */
static hf_err wait_on(hf_req *rq)
{
    const hf_time now = rq->service->now, quiet = hf_time_after(rq->more->spoken, quiet_ns(rq));
    const hf_time at = hf_time_earlier(rq->more->events_at, quiet);
    return hf_req_after(rq, hf_time_before(now, at) ? (uint64_t)(at.ns - now.ns) : 0, beat);
}

static hf_err call(hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    rq->more->events_at =
        route->every_ns > 0 && route->every_ns < INT64_MAX ? hf_time_after(rq->service->now, (int64_t)route->every_ns) : HF_NEVER;
    return route->events(rq);
}

static hf_err beat(hf_req *rq)
{
    struct hf_req_more *const more = rq->more;
    hf_err err = HF_OK;
    if (!hf_time_before(rq->service->now, more->events_at))
        err = call(rq);
    if (err.code != 0 || rq->answer_ended || more->ending)
        return err;
    if (!hf_time_before(rq->service->now, hf_time_after(more->spoken, quiet_ns(rq)))) {
        more->spoken = rq->service->now;
        if (hf_reply_room(rq) > 0) /* a client that does not read has enough to read */
            err = hf_reply_write(rq, hf_eventstream_comment());
    }
    return err.code != 0 ? err : wait_on(rq);
}

/* ---- origin ------------------------------------------------------------------------------------------------- */

static bool is(const hf_req *rq, const char *field, const char *value)
{
    const hf_field *const f = hf_fields_find_name(rq->head.fields, hf_text(field));
    return f != NULL && hf_text_same(f->value, hf_text(value));
}

/* A guard of the route lets its scripts read. */
static bool may_read(const hf_req *rq)
{
    for (size_t i = 0; i < rq->field_count; i++)
        if (hf_text_same(rq->room->fields[i].name, hf_text("Access-Control-Allow-Origin")))
            return true;
    return false;
}

/* A browser asks before it knows whether the page may read; what the handler does would be done all the same. An EventSource
 * of another origin says so by Origin, an image or a script by Sec-Fetch-Site; who follows a link is a reader. */
static bool is_foreign(const hf_req *rq)
{
    if (hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN) != NULL)
        return !hf_live_origin_is_ours(rq) && !may_read(rq);
    return (is(rq, "Sec-Fetch-Site", "cross-site") || is(rq, "Sec-Fetch-Site", "same-site")) && !is(rq, "Sec-Fetch-Mode", "navigate");
}

static hf_err refuse(hf_req *rq)
{
    const hf_field *const origin = hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN);
    hf_req_deny(rq, HF_ERR_EVENTSTREAM_ORIGIN, origin != NULL ? origin->value : hf_text("another site, by Sec-Fetch-Site"), "a page of this origin");
    return hf_guards_turn_away(rq, hf_err_make(HF_ERR_EVENTSTREAM_ORIGIN), origin != NULL ? origin->value : hf_text(""));
}

hf_err hf_events_open(hf_req *rq)
{
    const hf_fields fields = hf_eventstream_fields();
    hf_err err = HF_OK;
    if (is_foreign(rq))
        return refuse(rq);
    for (size_t i = 0; err.code == 0 && i < fields.count; i++)
        err = hf_reply_field(rq, (const char *)fields.at[i].name.ptr, fields.at[i].value); /* names are literals */
    if (err.code == 0)
        err = hf_reply_begin(rq, 200, NULL, HF_LENGTH_UNKNOWN, hf_topics_pump);
    if (err.code != 0 || rq->answer_ended) /* HEAD */
        return err;
    rq->more->spoken = rq->service->now;
    err = call(rq);
    if (err.code != 0 || rq->answer_ended || rq->more->ending)
        return err;
    return wait_on(rq);
}

hf_err hf_event_send(hf_req *rq, const hf_eventstream_event *event)
{
    uint8_t small[1024];
    const hf_allocator *const alloc = &rq->service->env->alloc;
    const size_t length = hf_eventstream_write(small, sizeof small, event);
    if (length == 0 || rq->more == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    uint8_t *const room = length <= sizeof small ? small : hf_alloc(alloc, length);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (room != small)
        (void)hf_eventstream_write(room, length, event);
    const hf_err err = hf_reply_write(rq, hf_bytes_make(room, length));
    if (room != small)
        hf_free(alloc, room, length);
    rq->more->spoken = rq->service->now;
    return err;
}

hf_bytes hf_event_last_id(const hf_req *rq)
{
    const hf_field *const f = hf_fields_find_name(rq->head.fields, hf_text("Last-Event-ID"));
    return f != NULL ? f->value : hf_bytes_make("", 0);
}
