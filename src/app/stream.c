/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers piece by piece. What the connection takes goes straight there; the rest waits in a queue of the request.
 */
#include "compress_answer.h"
#include "request.h"
#include "token.h"

/* Above ROOM a producer is told to wait: as much as a connection holds of copied output. What a producer writes compresses to
 * next to nothing where it is dull, and the connection would never be full: after TURN bytes others are served first. */
enum { ROOM = 65536, TURN = 4 * ROOM };

static void stop_coding(struct hf_req_more *more)
{
    hf_compressor_free(more->coder);
    more->coder = NULL;
    more->unflushed = 0;
}

hf_err hf_reply_begin(hf_req *rq, uint16_t status, const char *content_type, int64_t length, hf_handler *producer)
{
    if (rq->answered)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    struct hf_req_more *more = hf_req_more_of(rq);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = content_type != NULL ? hf_reply_field(rq, "Content-Type", hf_text(content_type)) : HF_OK;
    if (err.code != 0)
        return err;
    more->bodiless = rq->head.method == HF_METHOD_HEAD || status == 204 || status == 304;
    const hf_answer_coding coding = hf_stream_code(rq, status, length, more->bodiless, &more->coder);
    err = hf_reply_head(rq, status, status == 204 || status == 304 ? HF_LENGTH_NONE : length, &coding);
    if (err.code != 0) {
        stop_coding(more);
        return err;
    }
    more->streaming = true;
    more->wrote = true; /* the producer is asked at once */
    more->producer = more->bodiless ? NULL : producer;
    return more->bodiless ? hf_reply_end(rq) : HF_OK;
}

/* Offers bytes to the connection; *taken of them are gone. */
static hf_err offer(hf_req *rq, const hf_extent *pieces, size_t count, size_t *taken)
{
    hf_err err = HF_OK;
    *taken = (size_t)hf_web_put(rq->dialog->web, rq->exchange, pieces, count, &err);
    rq->sent += *taken;
    return err;
}

/* Sends what waits; true when nothing waits any more. */
static bool send_waiting(hf_req *rq, hf_err *err)
{
    hf_queue *out = &rq->more->out;
    const hf_span held = hf_queue_peek(out);
    size_t taken;
    if (held.len == 0)
        return true;
    const hf_extent all = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(held.ptr, held.len) };
    *err = offer(rq, &all, 1, &taken);
    hf_queue_take(out, taken);
    return taken == held.len && err->code == 0;
}

/* Through the coder, which keeps what it likes until it is flushed. */
static hf_err write_coded(hf_req *rq, hf_bytes piece)
{
    struct hf_req_more *more = rq->more;
    hf_err err = hf_compressor_feed(more->coder, piece, &more->out);
    more->unflushed += piece.len;
    if (err.code == 0)
        (void)send_waiting(rq, &err);
    return err;
}

hf_err hf_stream_flush(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    if (more->unflushed == 0 || rq->answer_ended)
        return HF_OK;
    more->unflushed = 0;
    hf_err err = hf_compressor_flush(more->coder, &more->out);
    if (err.code == 0)
        (void)send_waiting(rq, &err);
    return err;
}

/* What of the pieces the connection did not take. */
static bool keep_rest(struct hf_req_more *more, const hf_extent *pieces, size_t count, size_t taken)
{
    for (size_t i = 0; i < count; i++) {
        const hf_bytes b = pieces[i].bytes;
        const size_t n = taken < b.len ? taken : b.len;
        taken -= n;
        if (n < b.len && !hf_queue_append(&more->out, hf_bytes_make(b.ptr + n, b.len - n)))
            return false;
    }
    return true;
}

hf_err hf_stream_write(hf_req *rq, const hf_extent *pieces, size_t count)
{
    struct hf_req_more *more = rq->more;
    size_t length = 0, taken = 0;
    if (more == NULL || !more->streaming)
        return hf_err_make(HF_ERR_BASE_USAGE);
    for (size_t i = 0; i < count; i++)
        length += pieces[i].bytes.len;
    if (more->bodiless || length == 0)
        return HF_OK;
    if (more->ending || rq->answer_ended)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    const uint64_t most = rq->service->env->limits->stream_bytes;
    const size_t waiting = hf_queue_length(&more->out);
    if (waiting > most || length > most - waiting)
        return hf_err_make(HF_ERR_HTTP_STREAM_FULL);
    more->wrote = true;
    if (more->coder != NULL) {
        hf_err err = HF_OK;
        for (size_t i = 0; i < count && err.code == 0; i++)
            err = write_coded(rq, pieces[i].bytes);
        return err;
    }
    const hf_err err = waiting == 0 ? offer(rq, pieces, count, &taken) : HF_OK;
    if (err.code != 0)
        return err;
    return keep_rest(more, pieces, count, taken) ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

hf_err hf_reply_write(hf_req *rq, hf_bytes piece)
{
    const hf_extent all = { .kind = HF_EXTENT_COPIED, .bytes = piece };
    return hf_stream_write(rq, &all, 1);
}

size_t hf_reply_room(const hf_req *rq)
{
    const struct hf_req_more *more = rq->more;
    if (more == NULL || !more->streaming || more->ending || rq->answer_ended)
        return 0;
    const uint64_t most = rq->service->env->limits->stream_bytes;
    const size_t room = ROOM < most ? ROOM : (size_t)most;
    return hf_queue_length(&more->out) > 0 || more->unflushed >= room ? 0 : room - more->unflushed;
}

hf_err hf_reply_trailer(hf_req *rq, const char *name, hf_bytes value)
{
    struct hf_req_more *more = hf_req_more_of(rq);
    const hf_bytes n = hf_text(name);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (!hf_is_token(n) || !hf_is_field_value(value))
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    if (more->trailer_count == HF_TRAILERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (more->trailers == NULL)
        more->trailers = hf_req_memory(rq, HF_TRAILERS * sizeof *more->trailers);
    uint8_t *copy = hf_req_memory(rq, n.len + value.len + 1);
    if (copy == NULL || more->trailers == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    memcpy(copy, n.ptr, n.len);
    if (value.len > 0)
        memcpy(copy + n.len, value.ptr, value.len);
    more->trailers[more->trailer_count++] = (hf_field){ .name = hf_bytes_make(copy, n.len),
        .value = hf_bytes_make(copy + n.len, value.len), .id = hf_field_identify(n) };
    return HF_OK;
}

static hf_err finish(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    rq->answer_ended = true;
    more->producer = NULL;
    return hf_web_end(rq->dialog->web, rq->exchange, (hf_ending){ HF_ENDING_FIN, 0 },
        (hf_fields){ more->trailers, more->trailer_count });
}

hf_err hf_reply_end(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    if (more == NULL || !more->streaming)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (rq->answer_ended || more->ending) /* twice is once; and a HEAD request was over at begin */
        return HF_OK;
    hf_err err = more->coder != NULL ? hf_compressor_end(more->coder, &more->out) : HF_OK;
    stop_coding(more);
    if (err.code != 0)
        return err;
    more->ending = true;
    more->producer = NULL;
    return send_waiting(rq, &err) ? finish(rq) : err;
}

hf_err hf_stream_pump(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    uint64_t fed = more->unflushed;
    more->turn = HF_NEVER;
    hf_err err = hf_stream_flush(rq);
    while (err.code == 0 && !rq->answer_ended && send_waiting(rq, &err)) {
        hf_queue_trim(&more->out);
        if (more->ending)
            return finish(rq);
        if (more->producer == NULL || !more->wrote)
            return HF_OK;
        if (fed >= TURN) {
            more->turn = hf_time_after(rq->service->now, 1);
            return HF_OK;
        }
        /* Each turn of this loop wrote something, and the connection takes a bounded amount between two emits. */
        more->wrote = false;
        err = more->producer(rq);
        fed += more->unflushed;
        if (err.code == 0)
            err = hf_stream_flush(rq);
    }
    return err;
}
