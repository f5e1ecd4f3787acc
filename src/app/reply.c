/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: heads with the fields every answer has, bodies as extents with back-pressure.
 */
#include <stdarg.h>
#include <stdio.h>

#include "compress_answer.h"
#include "hints.h"
#include "request.h"
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
    if (rq->field_count == HF_COUNT(rq->room->fields))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    uint8_t *copy = hf_req_brief_memory(rq, n.len + value.len + 1);
    if (copy == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    memcpy(copy, n.ptr, n.len);
    if (value.len > 0)
        memcpy(copy + n.len, value.ptr, value.len);
    const hf_field field = { .name = hf_bytes_make(copy, n.len), .value = hf_bytes_make(copy + n.len, value.len), .id = hf_field_identify(n) };
    if (rq->field_floor == 0 || !hf_guards_replace(rq, &field))
        rq->room->fields[rq->field_count++] = field;
    return HF_OK;
}

hf_err hf_req_field(hf_req *rq, hf_field_id id, hf_bytes value)
{
    if (rq->answered)
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    if (rq->field_count == HF_COUNT(rq->room->fields))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    rq->room->fields[rq->field_count++] = (hf_field){ hf_field_spelling(id), value, id };
    return HF_OK;
}

bool hf_req_lines(hf_req *rq, hf_bytes lines)
{
    if (rq->head.version > HF_HTTP_2)
        return false;
    rq->lines = lines;
    return true;
}

bool hf_req_takes_fronts(const hf_req *rq)
{
    return hf_web_keeps_fronts(rq->dialog->web);
}

void hf_reply_close(hf_req *rq)
{
    rq->close = true;
}

/* What stored copies may do, where the handler did not say (RFC 9111 5.2.2). An answer to an unsafe method is nobody's to
 * keep; one to a safe method may be kept and is asked about each time. */
static bool may_be_kept(const hf_req *rq, uint16_t status)
{
    return status < 400 && hf_method_describe(rq->head.method)->safe;
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

static hf_field own_field(hf_field_id id, hf_bytes value)
{
    return (hf_field){ hf_field_spelling(id), value, id };
}

/* What every answer says, where the handler did not: as ready-made lines, or as fields, which are counted. */
static size_t add_usual(const hf_req *rq, hf_response_head *head, hf_field *fields)
{
    const hf_service *s = rq->service;
    bool dated = false, named = false, ruled = false;
    for (size_t i = 0; i < rq->field_count; i++) {
        const hf_field_id id = rq->room->fields[i].id;
        dated = dated || id == HF_FIELD_DATE;
        named = named || id == HF_FIELD_SERVER;
        ruled = ruled || id == HF_FIELD_CACHE_CONTROL;
    }
    const bool kept = may_be_kept(rq, head->status);
    size_t n = 0;
    if (rq->head.version <= HF_HTTP_2 && !dated && !named && s->lines_length > 0) {
        head->lines[0] = hf_bytes_make(s->lines, ruled || !kept ? s->lines_length : s->lines_ruled);
        ruled = ruled || kept;
    } else {
        if (!dated)
            fields[n++] = own_field(HF_FIELD_DATE, hf_bytes_make(s->date, sizeof s->date));
        if (!named && s->app->server_name != NULL)
            fields[n++] = own_field(HF_FIELD_SERVER, hf_text(s->app->server_name));
    }
    if (!ruled)
        fields[n++] = own_field(HF_FIELD_CACHE_CONTROL, hf_text(kept ? "no-cache" : "no-store"));
    return n;
}

/* RFC 7838 3: where the same is served by HTTP/3. A day, after which the client asks anew. */
static void write_alternative(hf_field *fields, size_t *count, uint16_t port, hf_writer *room)
{
    static const hf_bytes name = HF_LITERAL("Alt-Svc");
    if (port == 0)
        return;
    hf_write_text(room, "h3=\":");
    hf_write_decimal(room, port);
    hf_write_text(room, "\"; ma=86400");
    fields[(*count)++] = (hf_field){ name, hf_written(room), HF_FIELD_OTHER };
}

/* The head; with `body`, which is all of it, the whole answer where that is possible at once. */
static hf_err send_head(hf_req *rq, uint16_t status, int64_t length, const hf_answer_coding *coding, const hf_bytes *body)
{
    hf_field fields[HF_COUNT(rq->room->fields) + 6];
    uint8_t vary[256], alternative[32];
    hf_writer other = hf_writer_make(alternative, sizeof alternative);
    hf_writer room = hf_writer_make(vary, sizeof vary);
    hf_response_head head = { .status = status, .content_length = length, .close = rq->close, .lines[1] = rq->lines };
    rq->lines = hf_bytes_make(NULL, 0);
    size_t n = add_usual(rq, &head, fields);
    if (rq->field_count > 0)
        memcpy(fields + n, rq->room->fields, rq->field_count * sizeof *fields);
    n += rq->field_count;
    write_coding(fields, &n, coding, &room);
    write_alternative(fields, &n, rq->dialog->http3_port, &other);
    head.fields = (hf_fields){ fields, n };
    hf_hints_learn(rq, status, head.fields);
    return body != NULL ? hf_web_answer(rq->dialog->web, rq->exchange, &head, *body, &rq->answer_ended)
                        : hf_web_respond(rq->dialog->web, rq->exchange, &head);
}

hf_err hf_reply_head(hf_req *rq, uint16_t status, int64_t length, const hf_answer_coding *coding)
{
    const hf_err err = send_head(rq, status, length, coding, NULL);
    if (err.code != 0)
        return err;
    rq->answered = true;
    rq->status = status;
    hf_idempotent_lose(rq->more->idempotent);
    rq->more->idempotent = NULL;
    return HF_OK;
}

static hf_err finish(hf_req *rq)
{
    rq->answer_ended = true;
    rq->complete |= hf_web_version(rq->dialog->web) >= HF_HTTP_2; /* web.h: nothing of the request comes any more */
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
    if (err.code != 0)
        hf_req_cut(rq, err);
}

hf_err hf_reply_extents(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count)
{
    if (rq->answered)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += hf_extent_length(&extents[i]);
    const hf_extent *const plain = extents;
    const size_t plain_count = count;
    const hf_answer_coding coding = hf_answer_code(rq, status, extents, count, length);
    const hf_extent coded = { .kind = coding.body.len > COPIED_BODY ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .bytes = coding.body };
    if (coding.encoding != HF_ENCODING_IDENTITY) {
        extents = &coded;
        count = 1;
        length = coding.body.len;
    }
    const bool no_content = status == 204 || status == 304;
    const bool bare = no_content || length == 0 || rq->head.method == HF_METHOD_HEAD;
    const bool short_one = !bare && count == 1 && extents->kind == HF_EXTENT_COPIED;
    const hf_bytes body = short_one ? extents->bytes : hf_bytes_make(NULL, 0);
    hf_err err = send_head(rq, status, no_content ? HF_LENGTH_NONE : (int64_t)length, &coding, bare || short_one ? &body : NULL);
    if (err.code != 0)
        return err;
    rq->answered = true;
    rq->status = status;
    if (rq->more != NULL && rq->more->idempotent != NULL)
        hf_req_note(rq, status, plain, plain_count);
    if (rq->answer_ended) {
        rq->sent += body.len;
        rq->complete |= hf_web_version(rq->dialog->web) >= HF_HTTP_2; /* as in finish() */
        return HF_OK;
    }
    if (bare)
        return finish(rq);
    hf_extent few[4], *const own = count <= HF_COUNT(few) ? few : hf_req_memory(rq, count * sizeof *own);
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

/* All lines of an answer of this type that nothing else is said of, written once a second; empty: they cannot be had. */
static hf_bytes typed_lines(hf_service *s, hf_bytes type)
{
    hf_typed_lines *const t = &s->typed[type.len % HF_TYPED_LINES];
    if (type.len == t->type_length && t->dated.s == s->dated.s && memcmp(type.ptr, t->type, type.len) == 0)
        return hf_bytes_make(t->lines, t->length);
    if (s->lines_length == 0 || type.len == 0 || type.len > sizeof t->type || !hf_is_field_value(type))
        return hf_bytes_make(NULL, 0);
    hf_writer w = hf_writer_make(t->lines, sizeof t->lines);
    hf_write(&w, hf_bytes_make(s->lines, s->lines_ruled));
    hf_write_text(&w, "Content-Type: ");
    hf_write(&w, type);
    hf_write_text(&w, "\r\n");
    t->dated = s->dated;
    t->type_length = w.overflowed ? 0 : (uint8_t)type.len;
    t->length = w.length;
    memcpy(t->type, type.ptr, type.len);
    return w.overflowed ? hf_bytes_make(NULL, 0) : hf_written(&w);
}

/* A short body to a safe request of HTTP/1 for which nothing was said but its type, as it is with most answers of programs. */
static bool is_plain(const hf_req *rq, uint16_t status, hf_bytes body)
{
    const hf_route *const route = rq->match.route;
    return !rq->answered && rq->field_count == 0 && rq->lines.len == 0 && rq->more == NULL && body.len > 0 &&
        body.len < HF_COMPRESS_LEAST && status >= 200 && status != 204 && status != 304 && may_be_kept(rq, status) &&
        rq->head.method != HF_METHOD_HEAD && rq->head.version <= HF_HTTP_1_1 && rq->dialog->http3_port == 0 &&
        (route == NULL || !route->learn_hints);
}

static hf_err reply_plain(hf_req *rq, uint16_t status, hf_bytes lines, hf_bytes body)
{
    const hf_response_head head = { .status = status, .content_length = (int64_t)body.len, .close = rq->close, .lines = { lines } };
    hf_err err = hf_web_answer(rq->dialog->web, rq->exchange, &head, body, &rq->answer_ended);
    if (err.code != 0)
        return err;
    rq->answered = true;
    rq->status = status;
    if (rq->answer_ended) {
        rq->sent += body.len;
        return HF_OK;
    }
    hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = body };
    err = offer(rq, &e, 1);
    return err.code == 0 && rq->pending_count > 0 ? keep_pending(rq) : err;
}

hf_err hf_reply(hf_req *rq, uint16_t status, const char *content_type, hf_bytes body)
{
    const size_t fields = rq->field_count;
    const hf_bytes lines = content_type != NULL && is_plain(rq, status, body) ? typed_lines(rq->service, hf_text(content_type))
                                                                               : hf_bytes_make(NULL, 0);
    if (lines.len > 0)
        return reply_plain(rq, status, lines, body);
    hf_err err = content_type != NULL ? hf_req_field(rq, HF_FIELD_CONTENT_TYPE, hf_text(content_type)) : HF_OK;
    if (err.code != 0)
        return err;
    hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = body };
    if (body.len > COPIED_BODY) {
        uint8_t *copy = hf_req_memory(rq, body.len);
        if (copy == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        memcpy(copy, body.ptr, body.len);
        e = (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(copy, body.len) };
    }
    err = hf_reply_extents(rq, status, &e, body.len > 0 ? 1 : 0);
    if (!rq->answered) /* the head was refused: what was lent for it is forgotten */
        rq->field_count = fields;
    return err;
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

hf_err hf_reply_interim(hf_req *rq, uint16_t status, const hf_field *fields, size_t count)
{
    if (rq->answered)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    if (status < 102 || status > 199)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (rq->head.version == HF_HTTP_1_0) /* RFC 9110 15.2: "A server MUST NOT send a 1xx response to an HTTP/1.0 client." */
        return HF_OK;
    return hf_web_inform(rq->dialog->web, rq->exchange, &(hf_response_head){ .status = status, .fields = { fields, count },
        .content_length = HF_LENGTH_NONE });
}

hf_err hf_reply_early_hint(hf_req *rq, hf_bytes link)
{
    const hf_field field = { .name = hf_text("Link"), .value = link };
    return rq->head.version < HF_HTTP_2 ? HF_OK : hf_reply_interim(rq, 103, &field, 1);
}
