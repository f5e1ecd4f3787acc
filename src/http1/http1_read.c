/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes in. One function for each reading state: it answers the step, or moves the state and asks for another turn.
 *
 * A section (a head, or trailers) is eaten whole. While it is unfinished its bytes stay with the caller, and only two
 * numbers are kept: where the unfinished line begins and how far its end was looked for. Each line is judged when it is
 * whole; a section that came in pieces is parsed once more when it is there, for its bytes may lie elsewhere by then.
 * So each byte is looked at a fixed number of times however slowly the section comes.
 */
#include "http1_core.h"

#include "alloc.h"
#include "panic.h"
#include "token.h"

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

static bool refuses(hf_http1 *h, const hf_in *in, hf_http1_flaw flaw, hf_http1_event *event, hf_step *answer)
{
    return answers(answer, hf_http1_refuse(h, in, flaw, event));
}

static bool fails(hf_http1 *h, const hf_in *in, int32_t code, const char *wanted, hf_http1_event *event, hf_step *answer)
{
    return refuses(h, in, (hf_http1_flaw){ code, NULL, wanted }, event, answer);
}

/* More bytes are needed than are there. */
static bool wants_more(hf_in *in, hf_step *answer)
{
    in->need = in->len - in->used + 1;
    return answers(answer, HF_IDLE);
}

static void begin_section(hf_http1 *h)
{
    h->line = h->seen = 0;
    h->field_count = 0;
    h->resumed = false;
}

/* ---- between messages --------------------------------------------------------------------------------------- */

static bool at_rest(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    if (!h->server && h->outstanding > 0) {
        if (in->fin)
            return fails(h, in, HF_ERR_HTTP1_TRUNCATED, "a response", event, answer);
        if (h->writing == HF_WRITE_IDLE && !hf_time_before(h->now, hf_http1_wake(h)))
            return fails(h, in, HF_ERR_HTTP1_RESPONSE_TIMEOUT, "a response", event, answer);
        return wants_more(in, answer);
    }
    if (in->fin || h->draining || h->closing)
        return answers(answer, hf_http1_close(h));
    if (hf_http1_output_empty(h)) {
        const bool first = h->reading == HF_READ_FIRST;
        const uint64_t patience = first ? h->env->limits->first_byte_ns : h->env->limits->idle_ns;
        /* RFC 9112 9.5: "a graceful close": nothing was said, so there is nothing to answer */
        if (h->server && !hf_time_before(h->now, hf_time_after(h->since, (int64_t)patience))) {
            hf_http1_note_silence(h, first);
            return answers(answer, hf_http1_close(h));
        }
        if (!hf_time_before(h->now, hf_time_after(h->since, HF_HTTP1_TRIM_NS)))
            hf_http1_trim(h);
    }
    return wants_more(in, answer);
}

/* RFC 9112 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line";
 * 9.2: a client may discard them where it expects nothing. More than a few are no mistake any more. */
static void skip_blank_lines(hf_http1 *h, hf_in *in)
{
    if (!h->server && h->outstanding > 0)
        return;
    while (in->len - in->used >= 2 && memcmp(in->ptr + in->used, "\r\n", 2) == 0 && h->blanks < HF_HTTP1_BLANK_LINES) {
        in->used += 2;
        h->blanks++;
    }
}

/* The first bytes tell other protocols apart, which may never send a line end. False: they begin no head. `*more`: the
 * next byte decides. */
static bool begins_head(const hf_http1 *h, const uint8_t *p, size_t n, hf_http1_flaw *flaw, bool *more)
{
    *more = false;
    if (!h->server) {
        *flaw = (hf_http1_flaw){ HF_ERR_HTTP1_UNEXPECTED_BYTES, p, "nothing, for nothing was asked" };
        return h->outstanding > 0;
    }
    if (hf_is_tchar(p[0]))
        return true;
    *more = n < 2 && (p[0] == 0x16 || p[0] == '\r');
    *flaw = (hf_http1_flaw){ HF_ERR_HTTP1_METHOD_NAME, p, "a request line, which begins with a method" };
    if (p[0] == 0x16 && n >= 2 && p[1] == 0x03)
        *flaw = (hf_http1_flaw){ HF_ERR_HTTP1_TLS_ON_PLAIN, p, "plain HTTP" };
    else if (p[0] == '\n')
        *flaw = (hf_http1_flaw){ HF_ERR_HTTP1_BARE_LF, p, "CR before LF" };
    else if (p[0] == '\r' && n >= 2)
        *flaw = (hf_http1_flaw){ p[1] == '\n' ? HF_ERR_HTTP1_REQUEST_LINE : HF_ERR_HTTP1_BARE_CR, p, "a request line" };
    return false;
}

static bool read_start(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    /* Answers to pipelined requests pile up: they go first, so that a request finds room for at least a 100. */
    if (h->server && h->copied.tail - h->copied.head + HF_HTTP1_FRAMING_BYTES >= h->env->limits->output_bytes)
        return answers(answer, HF_FULL);
    skip_blank_lines(h, in);
    const size_t n = in->len - in->used;
    if (n == 0)
        return at_rest(h, in, event, answer);
    const uint8_t *const p = in->ptr + in->used;
    hf_http1_flaw flaw;
    bool more;
    if (!begins_head(h, p, n, &flaw, &more)) {
        if (!more)
            return refuses(h, in, flaw, event, answer);
        if (in->fin)
            return fails(h, in, HF_ERR_HTTP1_TRUNCATED, "a request", event, answer);
        return at_rest(h, in, event, answer);
    }
    hf_http1_move_reading(h, HF_READ_MOVE_BEGIN);
    h->since = h->now;
    begin_section(h);
    if (h->server) { /* nothing is known yet of who asks: a refusal is answered as to HTTP/1.0 */
        h->bodiless = h->connect = h->upgradable = h->expecting = h->keep_alive = false;
        h->version_1_0 = true;
    }
    return false;
}

/* ---- sections ----------------------------------------------------------------------------------------------- */

typedef struct section {
    const uint8_t *begin, *end; /* what may be looked at: within the limit */
    const uint8_t *cursor;
    hf_http1_start start;
    hf_http1_flaw flaw;
    bool trailers;
} section;

static hf_http1_line bad_line(section *s, int32_t code, const uint8_t *at, const char *wanted)
{
    s->flaw = (hf_http1_flaw){ code, at, wanted };
    return HF_LINE_BAD;
}

/* Room for one more field. */
static bool reserve_field(hf_http1 *h)
{
    if (h->field_count < h->field_capacity)
        return true;
    if (h->field_count == UINT16_MAX)
        return false;
    const uint64_t most = h->env->limits->header_fields;
    size_t capacity = h->field_capacity == 0 ? 16 : h->field_capacity * 2u;
    if (capacity > most && most > 0)
        capacity = (size_t)most;
    if (capacity > UINT16_MAX)
        capacity = UINT16_MAX;
    hf_field *fields =
        hf_resize(&h->env->alloc, h->fields, h->field_capacity * sizeof *fields, capacity * sizeof *fields);
    if (fields == NULL)
        return false;
    h->fields = fields;
    h->field_capacity = (uint16_t)capacity;
    return true;
}

/* Where an endless request line is cut off: it depends on its first bytes alone. */
static size_t start_line_limit(const hf_http1 *h)
{
    const uint64_t most = h->env->limits->target_bytes + HF_HTTP1_START_EXTRA;
    return (size_t)(most < h->env->limits->header_bytes || !h->server ? most : h->env->limits->header_bytes);
}

static hf_http1_line start_line(hf_http1 *h, section *s)
{
    const size_t limit = start_line_limit(h), there = (size_t)(s->end - s->begin);
    const uint8_t *const end = s->begin + (there < limit ? there : limit);
    const hf_http1_line line = h->server ? hf_http1_request_line_parse(&s->cursor, end, &s->start, &s->flaw)
                                         : hf_http1_status_line_parse(&s->cursor, end, &s->start, &s->flaw);
    if (line == HF_LINE_MORE && there >= limit) {
        if (!h->server)
            return bad_line(s, HF_ERR_HTTP1_STATUS_LINE, s->begin, "a shorter status line");
        /* RFC 9112 3: "A server that receives a method longer than any that it implements SHOULD respond with a 501" */
        if (memchr(s->begin, ' ', limit < HF_HTTP1_START_EXTRA ? limit : HF_HTTP1_START_EXTRA) == NULL)
            return bad_line(s, HF_ERR_HTTP_METHOD_UNKNOWN, s->begin, "a shorter method");
        return bad_line(s, HF_ERR_HTTP1_TARGET_TOO_LONG, s->begin, "a target within the limit target_bytes");
    }
    if (line == HF_LINE_GOOD && h->server && s->start.target.len > h->env->limits->target_bytes)
        return bad_line(s, HF_ERR_HTTP1_TARGET_TOO_LONG, s->start.target.ptr, "a target within the limit target_bytes");
    return line;
}

static hf_http1_line field_line(hf_http1 *h, section *s)
{
    const uint8_t *const at = s->cursor;
    hf_field field;
    const hf_http1_line line = hf_http1_field_line_parse(&s->cursor, s->end, &field, &s->flaw);
    if (line != HF_LINE_GOOD)
        return line;
    if (h->field_count >= h->env->limits->header_fields)
        return bad_line(s, HF_ERR_HTTP1_TOO_MANY_FIELDS, at, "no more fields than the limit header_fields");
    if (s->trailers && !hf_http1_trailer_is_fit(field.id))
        return bad_line(s, HF_ERR_HTTP1_TRAILERS, at, "a field that may come late");
    if (!reserve_field(h))
        return bad_line(s, HF_ERR_BASE_MEMORY, at, "memory");
    h->fields[h->field_count++] = field;
    return line;
}

/* Parses on from the unfinished line. END: the section is whole and its fields are in h->fields. */
static hf_http1_line read_lines(hf_http1 *h, section *s)
{
    const size_t there = (size_t)(s->end - s->begin);
    if (h->seen > 0 && memchr(s->begin + h->seen, '\n', there - h->seen) == NULL) {
        h->seen = (uint32_t)there;
        if (h->line > 0 || s->trailers || there < start_line_limit(h))
            return HF_LINE_MORE;
    }
    s->cursor = s->begin + h->line;
    for (;;) {
        const bool first = !s->trailers && s->cursor == s->begin;
        const hf_http1_line line = first ? start_line(h, s) : field_line(h, s);
        if (line == HF_LINE_BAD)
            return line;
        if (line == HF_LINE_END && !h->resumed)
            return line;
        if (line == HF_LINE_MORE) {
            h->line = (uint32_t)(s->cursor - s->begin);
            h->seen = (uint32_t)there;
            h->resumed = true;
            return line;
        }
        if (line == HF_LINE_END) { /* it came in pieces: once more, in its last place */
            h->resumed = false;
            h->field_count = 0;
            s->cursor = s->begin;
        }
    }
}

/* The start line and the flaw are written before they are read. */
static void open_section(section *s, const hf_in *in, uint64_t limit, bool trailers)
{
    const size_t there = in->len - in->used;
    if (limit > UINT32_MAX)
        limit = UINT32_MAX;
    s->begin = in->ptr + in->used;
    s->end = s->begin + (there < limit ? there : limit);
    s->trailers = trailers;
}

static bool is_late(const hf_http1 *h)
{
    return !hf_time_before(h->now, hf_http1_wake(h));
}

static bool await_head(hf_http1 *h, hf_in *in, const section *s, hf_http1_event *event, hf_step *answer)
{
    const size_t seen = (size_t)(s->end - s->begin);
    if (in->len - in->used > seen || seen >= h->env->limits->header_bytes) {
        const hf_http1_flaw flaw = { HF_ERR_HTTP1_HEAD_TOO_LARGE, s->begin, "a head within the limit header_bytes" };
        return refuses(h, in, flaw, event, answer);
    }
    if (in->fin)
        return fails(h, in, HF_ERR_HTTP1_TRUNCATED, "the rest of the head", event, answer);
    const int32_t late = h->server ? HF_ERR_HTTP1_HEAD_TIMEOUT : HF_ERR_HTTP1_RESPONSE_TIMEOUT;
    if (is_late(h))
        return fails(h, in, late, "the rest of the head", event, answer);
    return wants_more(in, answer);
}

/* The message that was arriving is complete. */
static void conclude(hf_http1 *h)
{
    h->expecting = false;
    hf_http1_move_reading(h, HF_READ_MOVE_TOLD);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_END, h->body_bytes, 0);
}

/* The head of `bytes` bytes is read, and what it means is in the event. */
static bool tell_head(hf_http1 *h, hf_in *in, size_t bytes, hf_http1_event *event, hf_step *answer)
{
    const unsigned what = h->server ? (unsigned)event->request.method : event->response.status;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_HEAD, bytes, what);
    in->used += bytes;
    event->whole = h->merges && h->reading == HF_READ_COMPLETE;
    if (event->whole)
        conclude(h);
    return answers(answer, HF_EVENT);
}

static bool read_head(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    section s;
    if (h->memo != NULL && h->seen == 0 && hf_http1_recall(h, in->ptr + in->used, in->len - in->used, &event->request)) {
        hf_http1_admit_request(h, event);
        return tell_head(h, in, h->memo->said.len, event, answer);
    }
    open_section(&s, in, h->env->limits->header_bytes, false);
    const hf_http1_line line = read_lines(h, &s);
    if (line == HF_LINE_MORE)
        return await_head(h, in, &s, event, answer);
    if (line == HF_LINE_BAD)
        return refuses(h, in, s.flaw, event, answer);
    const size_t bytes = (size_t)(s.cursor - s.begin);
    if (!(h->server ? hf_http1_accept_request : hf_http1_accept_response)(h, &s.start, event, &s.flaw))
        return refuses(h, in, s.flaw, event, answer);
    if (h->server)
        hf_http1_remember(h, hf_bytes_make(s.begin, bytes), &event->request);
    return tell_head(h, in, bytes, event, answer);
}

/* ---- bodies ------------------------------------------------------------------------------------------------- */

/* Waits for the body's next byte, within the limits on pauses and on the average rate. */
static bool await_body(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    if (in->fin)
        return fails(h, in, HF_ERR_HTTP1_TRUNCATED, "the rest of the body", event, answer);
    if (h->expecting && h->body_bytes == 0)
        return wants_more(in, answer); /* the client waits for us */
    if (!h->waiting) {
        h->waiting = true;
        h->since = h->now;
    }
    if (!is_late(h))
        return wants_more(in, answer);
    if (!h->server)
        return fails(h, in, HF_ERR_HTTP1_RESPONSE_TIMEOUT, "the rest of the body", event, answer);
    if (hf_http1_body_patience_ns(h) < (int64_t)h->pace.pause_ns)
        return fails(h, in, HF_ERR_HTTP1_BODY_RATE, "the body at the least rate", event, answer);
    return fails(h, in, HF_ERR_HTTP1_BODY_TIMEOUT, "the rest of the body", event, answer);
}

/* Bytes of the body came. */
static void progress(hf_http1 *h)
{
    h->expecting = false;
    if (h->waiting)
        h->waited_ns += h->now.ns - h->since.ns;
    h->waiting = false;
}

bool hf_http1_settle(hf_http1 *h, hf_in *in)
{
    if (h->lent == 0)
        return true;
    const uint32_t n = h->discarding ? h->lent : h->taken;
    HF_ASSERT(n <= in->len);
    if (n == 0)
        return false;
    in->used = n;
    h->left -= n;
    h->body_bytes += n;
    h->lent = h->taken = 0;
    return true;
}

void hf_http1_take(hf_http1 *h, size_t n)
{
    HF_ASSERT(n <= h->lent - h->taken);
    h->taken += (uint32_t)n;
}

/* Swallows bytes of a body that nobody reads. */
static bool discard(hf_http1 *h, hf_in *in, uint32_t n, hf_step *answer)
{
    if (n > h->discard_left)
        return answers(answer, hf_http1_close(h));
    h->discard_left -= n;
    in->used += n;
    h->left -= n;
    h->body_bytes += n;
    return false;
}

uint64_t hf_http1_swallowed(const hf_http1 *h)
{
    return h->discarding ? HF_HTTP1_DISCARD_BYTES - h->discard_left : 0;
}

/* Hands body bytes on, in place; at `whole` all of them were. */
static bool read_data(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer, hf_http1_read_move whole)
{
    if (h->left == 0) {
        hf_http1_move_reading(h, whole);
        return false;
    }
    const size_t there = in->len - in->used;
    uint64_t n = there < h->left ? there : h->left;
    if (n > UINT32_MAX)
        n = UINT32_MAX;
    if (n == 0)
        return await_body(h, in, event, answer);
    progress(h);
    if (h->discarding)
        return discard(h, in, (uint32_t)n, answer);
    h->lent = (uint32_t)n;
    event->kind = HF_HTTP1_BODY;
    event->body = hf_bytes_make(in->ptr + in->used, (size_t)n);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_BODY, n, 0);
    return answers(answer, HF_EVENT);
}

static bool read_length(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    return read_data(h, in, event, answer, HF_READ_MOVE_WHOLE);
}

static bool read_chunk_data(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    return read_data(h, in, event, answer, HF_READ_MOVE_CHUNK_FULL);
}

/* RFC 9112 6.3, item 8: "the message body length is determined by the number of octets received prior to the server
 * closing the connection" */
static bool read_until_close(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    if (in->fin && in->used == in->len)
        h->left = 0;
    return read_data(h, in, event, answer, HF_READ_MOVE_WHOLE);
}

static bool read_chunk_size(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    section s;
    open_section(&s, in, h->env->limits->chunk_line_bytes, false);
    const uint8_t *cursor = s.begin;
    hf_http1_flaw flaw = { HF_ERR_HTTP1_CHUNK_LINE, s.begin, "a line within the limit chunk_line_bytes" };
    const hf_http1_line line = hf_http1_chunk_line_parse(&cursor, s.end, &h->left, &flaw);
    if (line == HF_LINE_MORE && (size_t)(s.end - s.begin) < h->env->limits->chunk_line_bytes)
        return await_body(h, in, event, answer);
    if (line != HF_LINE_GOOD)
        return refuses(h, in, flaw, event, answer);
    progress(h);
    in->used += (size_t)(cursor - s.begin);
    hf_http1_move_reading(h, h->left > 0 ? HF_READ_MOVE_CHUNK : HF_READ_MOVE_LAST_CHUNK);
    begin_section(h);
    return false;
}

static bool read_chunk_end(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    const uint8_t *const p = in->ptr + in->used;
    const size_t there = in->len - in->used;
    for (size_t i = 0; i < 2; i++) {
        const hf_http1_flaw flaw = { HF_ERR_HTTP1_CHUNK_END, p + i, "CRLF behind the chunk's bytes" };
        if (i == there)
            return await_body(h, in, event, answer);
        if (p[i] != "\r\n"[i])
            return refuses(h, in, flaw, event, answer);
    }
    in->used += 2;
    hf_http1_move_reading(h, HF_READ_MOVE_CHUNK_CLOSED);
    return false;
}

static bool is_limit(int32_t code)
{
    return code == HF_ERR_BASE_MEMORY || code == HF_ERR_HTTP1_TRAILERS_TOO_LARGE || code == HF_ERR_HTTP1_TOO_MANY_FIELDS;
}

static bool read_trailers(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    section s;
    open_section(&s, in, h->env->limits->trailer_bytes, true);
    hf_http1_line line = read_lines(h, &s);
    if (line == HF_LINE_MORE && (size_t)(s.end - s.begin) >= h->env->limits->trailer_bytes)
        line = bad_line(&s, HF_ERR_HTTP1_TRAILERS_TOO_LARGE, s.begin, "trailers within the limit trailer_bytes");
    if (line == HF_LINE_MORE)
        return await_body(h, in, event, answer);
    if (line == HF_LINE_BAD) {
        if (!is_limit(s.flaw.code))
            s.flaw.code = HF_ERR_HTTP1_TRAILERS; /* one name for all: what was wanted tells the rest */
        return refuses(h, in, s.flaw, event, answer);
    }
    progress(h);
    in->used += (size_t)(s.cursor - s.begin);
    hf_http1_move_reading(h, HF_READ_MOVE_WHOLE);
    if (h->field_count == 0 || h->discarding)
        return false;
    event->kind = HF_HTTP1_TRAILERS;
    event->trailers = hf_http1_fields_of(h);
    return answers(answer, HF_EVENT);
}

/* ---- the end of a message ----------------------------------------------------------------------------------- */

static bool read_complete(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    (void)in;
    conclude(h);
    if (!h->server) {
        HF_ASSERT(h->outstanding > 0);
        h->outstanding--;
        memmove(h->sent, h->sent + 1, sizeof h->sent - 1);
        h->blanks = 0;
    }
    event->kind = HF_HTTP1_END;
    return answers(answer, HF_EVENT);
}

static bool upgrades(hf_http1 *h, hf_http1_event *event, hf_step *answer)
{
    hf_http1_move_reading(h, HF_READ_MOVE_UPGRADE);
    event->kind = HF_HTTP1_UPGRADED;
    return answers(answer, HF_EVENT);
}

static bool read_done(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    (void)in;
    if (h->writing == HF_WRITE_RAW)
        return upgrades(h, event, answer);
    if (h->server && h->writing != HF_WRITE_IDLE)
        return answers(answer, HF_FULL); /* RFC 9112 9.3.2: answers leave in the order of the requests: one at a time */
    if (!h->server && h->raw) {
        if (h->writing != HF_WRITE_IDLE)
            return answers(answer, HF_FULL);
        hf_http1_move_writing(h, HF_WRITE_MOVE_UPGRADE);
        return upgrades(h, event, answer);
    }
    if (h->closing) {
        h->final = h->server && !h->keep_alive && !h->discarding;
        return answers(answer, hf_http1_close(h));
    }
    hf_http1_move_reading(h, HF_READ_MOVE_NEXT);
    h->since = h->now;
    h->blanks = 0;
    h->discarding = false;
    return false;
}

static bool read_upgraded(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    (void)h, (void)in, (void)event;
    return answers(answer, HF_IDLE);
}

typedef bool turn(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer);

static turn *const turns[HF_READ_COUNT] = {
    [HF_READ_FIRST] = read_start,
    [HF_READ_WAIT] = read_start,
    [HF_READ_HEAD] = read_head,
    [HF_READ_LENGTH] = read_length,
    [HF_READ_CHUNK_SIZE] = read_chunk_size,
    [HF_READ_CHUNK_DATA] = read_chunk_data,
    [HF_READ_CHUNK_END] = read_chunk_end,
    [HF_READ_TRAILERS] = read_trailers,
    [HF_READ_UNTIL_CLOSE] = read_until_close,
    [HF_READ_COMPLETE] = read_complete,
    [HF_READ_DONE] = read_done,
    [HF_READ_UPGRADED] = read_upgraded,
};

bool hf_http1_read_turn(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer)
{
    HF_ASSERT(turns[h->reading] != NULL);
    return turns[h->reading](h, in, event, answer);
}
