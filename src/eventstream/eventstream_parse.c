/* SPDX-License-Identifier: Apache-2.0
 *
 * WHATWG HTML 9.2.6: a line is judged when it is whole. Lines that lie whole in the input are not copied.
 */
#include <handfast/eventstream.h>

#include "panic.h"
#include "queue.h"
#include "text.h"

struct hf_eventstream {
    const hf_env *env;
    hf_queue line;      /* the part of the open line that is not in the input any more */
    hf_queue data;      /* of the open event, each line with its LF */
    hf_queue name;
    hf_queue id, told_id; /* the "last event ID buffer", and what of it was dispatched */
    int64_t retry_ms;
    hf_err fault;
    uint8_t bom;        /* bytes of the byte order mark seen; 3: the question is settled */
    bool after_cr;      /* an LF that comes now belongs to the CR before it */
    bool lent;          /* name and data are lent by the last event */
    bool closed;
};

hf_eventstream *hf_eventstream_new(const hf_env *env)
{
    hf_eventstream *s = hf_alloc_zeroed(&env->alloc, sizeof *s);
    if (s == NULL)
        return NULL;
    s->env = env;
    s->retry_ms = -1;
    hf_queue *const queues[] = { &s->line, &s->data, &s->name, &s->id, &s->told_id };
    for (size_t i = 0; i < HF_COUNT(queues); i++)
        hf_queue_init(queues[i], &env->alloc);
    return s;
}

void hf_eventstream_free(hf_eventstream *s)
{
    if (s == NULL)
        return;
    hf_queue *const queues[] = { &s->line, &s->data, &s->name, &s->id, &s->told_id };
    for (size_t i = 0; i < HF_COUNT(queues); i++)
        hf_queue_fini(queues[i]);
    hf_free(&s->env->alloc, s, sizeof *s);
}

static hf_bytes held(const hf_queue *q)
{
    const hf_span span = hf_queue_peek(q);
    return hf_bytes_make(span.ptr, span.len);
}

static void clear(hf_queue *q)
{
    hf_queue_take(q, hf_queue_length(q));
}

static bool replace(hf_queue *q, hf_bytes value)
{
    clear(q);
    return hf_queue_append(q, value);
}

static bool fail(hf_eventstream *s, int32_t code)
{
    s->fault = hf_err_make(code);
    return false;
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

static bool set_field(hf_eventstream *s, hf_bytes name, hf_bytes value)
{
    const uint64_t most = s->env->limits->eventstream_event_bytes;
    bool good = true;
    uint64_t n;
    if (hf_bytes_equal(name, hf_text("data"))) {
        if (hf_queue_length(&s->data) + value.len + 1 > most)
            return fail(s, HF_ERR_EVENTSTREAM_EVENT_TOO_LARGE);
        good = hf_queue_append(&s->data, value) && hf_queue_append(&s->data, hf_text("\n"));
    } else if (hf_bytes_equal(name, hf_text("event"))) {
        good = replace(&s->name, value);
    } else if (hf_bytes_equal(name, hf_text("id"))) {
        if (value.len == 0 || memchr(value.ptr, 0, value.len) == NULL) /* "otherwise, ignore the field" */
            good = replace(&s->id, value);
    } else if (hf_bytes_equal(name, hf_text("retry")) && hf_parse_decimal(value, &n) && n <= INT64_MAX / 1000000) {
        s->retry_ms = (int64_t)n;
    }
    return good || fail(s, HF_ERR_BASE_MEMORY);
}

/* The empty line: *told when there was an event. "If the data buffer is an empty string, set the data buffer and the event
 * type buffer to the empty string and return": but the id counts all the same. */
static bool dispatch(hf_eventstream *s, hf_eventstream_event *event, bool *told)
{
    if (!hf_bytes_equal(held(&s->id), held(&s->told_id)) && !replace(&s->told_id, held(&s->id)))
        return fail(s, HF_ERR_BASE_MEMORY);
    const hf_bytes data = held(&s->data), id = hf_queue_length(&s->told_id) > 0 ? held(&s->told_id) : hf_text("");
    *told = data.len > 0;
    s->lent = true;
    if (*told)
        *event = (hf_eventstream_event){ .id = id, .name = held(&s->name),
                                         .data = hf_bytes_make(data.ptr, data.len - 1), .retry_ms = s->retry_ms > 0 ? s->retry_ms : 0 };
    return true;
}

static bool take_line(hf_eventstream *s, hf_bytes line, hf_eventstream_event *event, bool *told)
{
    if (line.len == 0)
        return dispatch(s, event, told);
    const uint8_t *const colon = memchr(line.ptr, ':', line.len);
    if (colon == line.ptr)
        return true; /* a comment */
    hf_bytes name = line, value = hf_bytes_make(line.ptr, 0);
    if (colon != NULL) {
        const size_t at = (size_t)(colon - line.ptr);
        const size_t skip = at + 1 < line.len && line.ptr[at + 1] == ' ' ? 2 : 1; /* one space, no more */
        name = hf_bytes_make(line.ptr, at);
        value = hf_bytes_make(line.ptr + at + skip, line.len - at - skip);
    }
    return set_field(s, name, value);
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* The length of the line at the front, without its end; n when it does not end here. */
static size_t find_end(const uint8_t *p, size_t n)
{
    const uint8_t *const lf = memchr(p, '\n', n);
    const size_t before = lf != NULL ? (size_t)(lf - p) : n;
    const uint8_t *const cr = memchr(p, '\r', before);
    return cr != NULL ? (size_t)(cr - p) : before;
}

/* "One leading U+FEFF BYTE ORDER MARK character must be ignored if any are present." Bytes that turn out to be none go into
 * the line. False when memory ends. */
static bool skip_mark(hf_eventstream *s, hf_in *in)
{
    static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };
    while (s->bom < sizeof mark && in->used < in->len) {
        if (in->ptr[in->used] != mark[s->bom]) {
            const size_t seen = s->bom;
            s->bom = sizeof mark;
            return hf_queue_append(&s->line, hf_bytes_make(mark, seen)) || fail(s, HF_ERR_BASE_MEMORY);
        }
        in->used++;
        s->bom++;
    }
    return true;
}

/* Eats a line or the part of it that is there. */
static bool eat(hf_eventstream *s, hf_in *in, hf_eventstream_event *event, bool *told)
{
    const uint8_t *const p = in->ptr + in->used;
    const size_t there = in->len - in->used, n = find_end(p, there);
    if (s->after_cr && p[0] == '\n') {
        s->after_cr = false;
        in->used++;
        return true;
    }
    s->after_cr = false;
    in->used += n + (n < there);
    if (hf_queue_length(&s->line) + n > s->env->limits->eventstream_event_bytes)
        return fail(s, HF_ERR_EVENTSTREAM_EVENT_TOO_LARGE);
    if (n == there || hf_queue_length(&s->line) > 0)
        if (!hf_queue_append(&s->line, hf_bytes_make(p, n)))
            return fail(s, HF_ERR_BASE_MEMORY);
    if (n == there)
        return true;
    s->after_cr = p[n] == '\r';
    const bool good = take_line(s, hf_queue_length(&s->line) > 0 ? held(&s->line) : hf_bytes_make(p, n), event, told);
    clear(&s->line);
    return good;
}

hf_step hf_eventstream_step(hf_eventstream *s, hf_in *in, hf_eventstream_event *event)
{
    in->used = in->need = 0;
    if (s->lent) {
        clear(&s->data);
        clear(&s->name);
        s->lent = false;
    }
    if (s->fault.code != 0)
        return HF_FAULT;
    if (s->closed)
        return HF_CLOSED;
    bool told = false;
    if (in->len > 0 && !skip_mark(s, in))
        return HF_FAULT;
    while (in->used < in->len) {
        if (!eat(s, in, event, &told))
            return HF_FAULT;
        if (told)
            return HF_EVENT;
        if (s->lent) { /* an empty line without an event */
            clear(&s->name);
            clear(&s->data);
            s->lent = false;
        }
    }
    s->closed = in->fin;
    return in->fin ? HF_CLOSED : HF_IDLE;
}

hf_bytes hf_eventstream_last_id(const hf_eventstream *s)
{
    return held(&s->told_id);
}

int64_t hf_eventstream_retry_ms(const hf_eventstream *s)
{
    return s->retry_ms;
}

hf_err hf_eventstream_fault(const hf_eventstream *s)
{
    return s->fault;
}
