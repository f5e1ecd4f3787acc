/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics on a request: what there is news of is written while the connection has room, and waits with the hub otherwise.
 */
#include "realtime.h"
#include "target.h"
#include "text.h"
#include "topics.h"

/* ---- news as text ------------------------------------------------------------------------------------------- */

static hf_err write_place(hf_req *rq, hf_topic_position at, bool gap)
{
    uint8_t id[HF_TOPIC_TOKEN], text[128];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (rq->more->socket != NULL) {
        hf_write_text(&w, "{\"id\":\"");
        hf_write(&w, hf_topic_token_write(at, id));
        hf_write_text(&w, gap ? "\",\"gap\":true}" : "\"}");
        return hf_socket_tell_text(rq, hf_written(&w));
    }
    /* An id without data is no event, and yet what a reconnect will say. */
    const hf_eventstream_event event = { .id = hf_topic_token_write(at, id), .name = gap ? hf_text("gap") : hf_text(""),
                                         .data = hf_bytes_make(gap ? "" : NULL, 0) };
    return hf_event_send(rq, &event);
}

static hf_err write_message(hf_req *rq, const hf_topic_message *m)
{
    const bool socket = rq->more->socket != NULL;
    const hf_topic_form form = !socket ? HF_TOPIC_EVENT : hf_socket_is_deflated(rq) ? HF_TOPIC_DEFLATED : HF_TOPIC_FRAME;
    const hf_bytes text = hf_topic_message_form(m, form);
    if (text.ptr == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (socket)
        return hf_socket_tell(rq, text);
    rq->more->spoken = rq->service->now;
    return hf_reply_write(rq, text);
}

/* A cut stream is what an EventSource comes back after; a WebSocket is told in its own words. */
static hf_err let_go(hf_req *rq)
{
    const bool socket = rq->more->socket != NULL;
    hf_topics_fini(rq);
    rq->error = hf_err_make(HF_ERR_TOPIC_SLOW);
    return socket ? hf_socket_let_go(rq) : rq->error;
}

static bool has_room(const hf_req *rq)
{
    return rq->more->socket != NULL ? hf_socket_has_room(rq) : hf_reply_room(rq) > 0;
}

hf_err hf_topics_pump(hf_req *rq)
{
    hf_err err = HF_OK;
    while (err.code == 0 && rq->more->subscriber != NULL && has_room(rq)) {
        const hf_topic_news news = hf_topic_next(rq->more->subscriber);
        switch (news.kind) {
        case HF_TOPIC_NOTHING:
            return HF_OK;
        case HF_TOPIC_START:
        case HF_TOPIC_GAP:
            err = write_place(rq, news.at, news.kind == HF_TOPIC_GAP);
            break;
        case HF_TOPIC_MESSAGE:
            err = write_message(rq, news.message);
            break;
        case HF_TOPIC_TOO_SLOW:
            err = let_go(rq);
            break;
        }
    }
    if (err.code == HF_ERR_BASE_USAGE && rq->more->socket != NULL) { /* it is closing: nobody listens any more */
        hf_topics_fini(rq);
        return HF_OK;
    }
    return err;
}

/* ---- the request's life --------------------------------------------------------------------------------------- */

void hf_topics_fini(hf_req *rq)
{
    if (rq->more->subscriber == NULL)
        return;
    hf_topic_subscriber_free(rq->more->subscriber);
    rq->more->subscriber = NULL;
    hf_topics_note(rq->service->topics);
}

void hf_topics_tell(hf_req *rq)
{
    if (has_room(rq))
        hf_req_return(rq, rq->more->socket != NULL ? hf_socket_flush(rq) : hf_topics_pump(rq));
    else if (hf_topic_subscriber_is_lost(rq->more->subscriber))
        hf_req_return(rq, let_go(rq));
}

/* ---- for handlers ------------------------------------------------------------------------------------------- */

hf_err hf_topic_subscribe(hf_req *rq, hf_bytes pattern, hf_bytes resume)
{
    hf_topics_member *const member = rq->service->topics;
    struct hf_req_more *const more = rq->more;
    const bool live = more != NULL && !rq->answer_ended && (more->socket != NULL || (more->streaming && rq->match.route->events != NULL));
    if (member == NULL || !live)
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_topic_hub *const hub = hf_topics_hub(member);
    const bool fresh = more->subscriber == NULL;
    if (fresh)
        more->subscriber = hf_topic_subscriber_new(hub, rq, resume);
    if (more->subscriber == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = hf_topic_subscriber_add(more->subscriber, pattern);
    if (err.code != 0 && fresh)
        hf_topics_fini(rq);
    else if (fresh)
        hf_topics_note(member);
    return err;
}

void hf_topic_unsubscribe(hf_req *rq, hf_bytes pattern)
{
    if (rq->more != NULL && rq->more->subscriber != NULL)
        hf_topic_subscriber_remove(rq->more->subscriber, pattern);
}

hf_bytes hf_topic_resume(hf_req *rq)
{
    const hf_bytes last = hf_event_last_id(rq);
    hf_bytes rest = hf_req_head(rq)->query, name, value;
    if (last.len > 0)
        return last;
    while (hf_query_next(&rest, &name, &value)) /* an id is written the same in a query */
        if (hf_bytes_equal(name, hf_text("resume")))
            return value;
    return hf_text("");
}

hf_err hf_topic_publish(hf_req *rq, hf_bytes topic, hf_bytes event, hf_bytes data)
{
    hf_topics *const t = rq->service->app->topics;
    return t == NULL ? hf_err_make(HF_ERR_BASE_USAGE) : hf_topics_publish(t, topic, event, data);
}
