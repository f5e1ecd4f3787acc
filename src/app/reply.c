/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: heads with the fields every answer has, bodies as extents with back-pressure.
 */
#include <stdarg.h>
#include <stdio.h>

#include "compress_answer.h"
#include "service.h"
#include "text.h"
#include "token.h"

/* Copied bodies up to this leave with the head in one piece; larger ones are lent from the request's memory. */
enum { COPIED_BODY = 16384 };

hf_err hf_reply_field(hf_req *rq, const char *name, hf_bytes value)
{
    const hf_bytes n = hf_text(name);
    if (rq->answered || !hf_is_token(n) || !hf_is_field_value(value))
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    if (rq->field_count == HF_COUNT(rq->fields))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    uint8_t *copy = hf_req_memory(rq, n.len + value.len + 1);
    if (copy == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    memcpy(copy, n.ptr, n.len);
    if (value.len > 0)
        memcpy(copy + n.len, value.ptr, value.len);
    rq->fields[rq->field_count++] = (hf_field){ .name = hf_bytes_make(copy, n.len),
        .value = hf_bytes_make(copy + n.len, value.len), .id = hf_field_identify(n) };
    return HF_OK;
}

void hf_reply_close(hf_req *rq)
{
    rq->close = true;
}

static bool has_field(const hf_req *rq, hf_field_id id)
{
    return hf_fields_find((hf_fields){ rq->fields, rq->field_count }, id) != NULL;
}

/* What stored copies may do, where the handler did not say (RFC 9111 5.2.2). An answer to an unsafe method is nobody's to
 * keep; one to a safe method may be kept and is asked about each time. */
static hf_bytes cache_rule(const hf_req *rq, uint16_t status)
{
    const bool safe = hf_method_describe(rq->head.method)->safe;
    return hf_text(safe && status < 400 ? "no-cache" : "no-store");
}

/* Says how the body is coded, and that it depends on what the client accepts, beside what the handler says it depends on. */
static void write_coding(hf_field *fields, size_t *count, const hf_answer_coding *coding, hf_writer *room)
{
    static const hf_bytes name = HF_LITERAL("Content-Encoding"), vary = HF_LITERAL("Vary");
    static const hf_bytes accept = HF_LITERAL("Accept-Encoding"), comma = HF_LITERAL(", ");
    hf_field *said = NULL;
    if (coding->encoding != HF_ENCODING_IDENTITY)
        fields[(*count)++] = (hf_field){ name, hf_text(hf_encoding_name(coding->encoding)), HF_FIELD_CONTENT_ENCODING };
    if (!coding->varies)
        return;
    for (size_t i = 0; i < *count; i++)
        if (fields[i].id == HF_FIELD_VARY) {
            said = &fields[i];
            if (hf_list_has(said->value, "*") || hf_list_has(said->value, "Accept-Encoding"))
                return;
        }
    if (said != NULL && said->value.len > 0) {
        hf_write(room, said->value);
        hf_write(room, comma);
    }
    hf_write(room, accept);
    if (said != NULL && !room->overflowed)
        said->value = hf_written(room);
    else
        fields[(*count)++] = (hf_field){ vary, accept, HF_FIELD_VARY };
}

static hf_err send_head(hf_req *rq, uint16_t status, int64_t length, const hf_answer_coding *coding)
{
    static const hf_bytes date = HF_LITERAL("Date"), server = HF_LITERAL("Server"), cache = HF_LITERAL("Cache-Control");
    const hf_app *app = rq->service->app;
    hf_field fields[HF_COUNT(rq->fields) + 5];
    uint8_t vary[256];
    hf_writer room = hf_writer_make(vary, sizeof vary);
    size_t n = 0;
    if (!has_field(rq, HF_FIELD_DATE))
        fields[n++] = (hf_field){ date, hf_bytes_make(rq->service->date, sizeof rq->service->date), HF_FIELD_DATE };
    if (app->server_name != NULL && !has_field(rq, HF_FIELD_SERVER))
        fields[n++] = (hf_field){ server, hf_text(app->server_name), HF_FIELD_SERVER };
    if (!has_field(rq, HF_FIELD_CACHE_CONTROL))
        fields[n++] = (hf_field){ cache, cache_rule(rq, status), HF_FIELD_CACHE_CONTROL };
    memcpy(fields + n, rq->fields, rq->field_count * sizeof *fields);
    n += rq->field_count;
    write_coding(fields, &n, coding, &room);
    const hf_response_head head = { .status = status, .fields = { fields, n }, .content_length = length, .close = rq->close };
    return hf_web_respond(rq->dialog->web, rq->exchange, &head);
}

static hf_err finish(hf_req *rq)
{
    rq->answer_ended = true;
    return hf_web_end(rq->dialog->web, rq->exchange, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 });
}

/* Offers extents; what was not taken is kept, copied bytes in the request's memory. */
static hf_err offer(hf_req *rq, hf_extent *extents, size_t count)
{
    hf_err err = HF_OK;
    uint64_t taken = hf_web_put(rq->dialog->web, rq->exchange, extents, count, &err);
    rq->sent += taken;
    size_t done = 0;
    while (done < count && taken >= hf_extent_length(&extents[done]))
        taken -= hf_extent_length(&extents[done++]);
    if (err.code != 0)
        return err;
    if (done < count) {
        hf_extent *e = &extents[done];
        if (e->kind == HF_EXTENT_FILE) {
            e->offset += taken;
            e->length -= taken;
        } else {
            e->bytes.ptr += taken;
            e->bytes.len -= (size_t)taken;
        }
    }
    rq->pending = extents + done;
    rq->pending_count = count - done;
    return rq->pending_count == 0 ? finish(rq) : HF_OK;
}

/* Moves what is pending out of the caller's frame. */
static hf_err keep_pending(hf_req *rq)
{
    hf_extent *kept = hf_req_memory(rq, rq->pending_count * sizeof *kept);
    if (kept == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    memcpy(kept, rq->pending, rq->pending_count * sizeof *kept);
    for (size_t i = 0; i < rq->pending_count; i++)
        if (kept[i].kind == HF_EXTENT_COPIED && kept[i].bytes.len > 0) {
            uint8_t *copy = hf_req_memory(rq, kept[i].bytes.len);
            if (copy == NULL)
                return hf_err_make(HF_ERR_BASE_MEMORY);
            memcpy(copy, kept[i].bytes.ptr, kept[i].bytes.len);
            kept[i].bytes.ptr = copy;
        }
    rq->pending = kept;
    return HF_OK;
}

void hf_req_pump(hf_req *rq)
{
    if (rq->pending_count == 0 || rq->answer_ended)
        return;
    const hf_err err = offer(rq, rq->pending, rq->pending_count);
    if (err.code != 0) {
        rq->error = err;
        rq->answer_ended = true;
        hf_web_abort(rq->dialog->web, err);
    }
}

hf_err hf_reply_extents(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count)
{
    if (rq->answered)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += hf_extent_length(&extents[i]);
    const hf_answer_coding coding = hf_answer_code(rq, status, extents, count, length);
    const hf_extent coded = { .kind = coding.body.len > COPIED_BODY ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .bytes = coding.body };
    if (coding.encoding != HF_ENCODING_IDENTITY) {
        extents = &coded;
        count = 1;
        length = coding.body.len;
    }
    const bool no_content = status == 204 || status == 304;
    hf_err err = send_head(rq, status, no_content ? HF_LENGTH_NONE : (int64_t)length, &coding);
    if (err.code != 0)
        return err;
    rq->answered = true;
    rq->status = status;
    if (no_content || length == 0 || rq->head.method == HF_METHOD_HEAD)
        return finish(rq);
    hf_extent *own = hf_req_memory(rq, count * sizeof *own);
    if (own == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    /* The last lent piece carries the exchange's number: when it has left, all before it have. */
    size_t used = 0, last = count;
    for (size_t i = 0; i < count; i++) {
        if (hf_extent_length(&extents[i]) == 0)
            continue;
        if (extents[i].kind != HF_EXTENT_COPIED)
            last = used;
        own[used] = extents[i];
        own[used++].token = 0;
    }
    if (last < count) {
        own[last].token = rq->exchange;
        rq->waits_for_sent = true;
    }
    err = offer(rq, own, used);
    return err.code == 0 && rq->pending_count > 0 ? keep_pending(rq) : err;
}

hf_err hf_reply(hf_req *rq, uint16_t status, const char *content_type, hf_bytes body)
{
    if (content_type != NULL) {
        const hf_err err = hf_reply_field(rq, "Content-Type", hf_text(content_type));
        if (err.code != 0)
            return err;
    }
    hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = body };
    if (body.len > COPIED_BODY) {
        uint8_t *copy = hf_req_memory(rq, body.len);
        if (copy == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        memcpy(copy, body.ptr, body.len);
        e = (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(copy, body.len) };
    }
    return hf_reply_extents(rq, status, &e, body.len > 0 ? 1 : 0);
}

hf_err hf_reply_text(hf_req *rq, uint16_t status, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    char near[512];
    const int n = vsnprintf(near, sizeof near, format, arguments);
    hf_err err = hf_err_make(HF_ERR_BASE_USAGE);
    if (n >= 0 && (size_t)n < sizeof near) {
        err = hf_reply(rq, status, "text/plain; charset=utf-8", hf_bytes_make(near, (size_t)n));
    } else if (n >= 0) {
        char *far = hf_req_memory(rq, (size_t)n + 1);
        err = hf_err_make(HF_ERR_BASE_MEMORY);
        if (far != NULL) {
            (void)vsnprintf(far, (size_t)n + 1, format, again);
            err = hf_reply(rq, status, "text/plain; charset=utf-8", hf_bytes_make(far, (size_t)n));
        }
    }
    va_end(again);
    va_end(arguments);
    return err;
}

hf_err hf_reply_redirect(hf_req *rq, uint16_t status, hf_bytes location)
{
    const hf_err err = hf_reply_field(rq, "Location", location);
    return err.code != 0 ? err : hf_reply(rq, status, NULL, hf_text(""));
}
