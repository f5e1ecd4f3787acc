/* SPDX-License-Identifier: Apache-2.0 */
#include "tour.h"

#include <stdatomic.h>

#include <handfast/realtime.h>
#include <handfast/version.h>

#include "allocator.h"
#include "alloc.h"
#include "asset.h"
#include "negotiate.h"
#include "panic.h"
#include "target.h"
#include "text.h"

struct hf_tour {
    _Atomic uint64_t counter;
};

enum { NEEDLE = 64, ANSWER = 4096 };

static const char json[] = "application/json";

hf_err hf_tour_open(hf_tour **tour)
{
    *tour = NULL;
    hf_tour *const t = hf_alloc_zeroed(hf_allocator_default(), sizeof(hf_tour));
    const hf_err err = t != NULL ? hf_tour_guards_open() : hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code == 0)
        *tour = t;
    else
        hf_tour_free(t);
    return err;
}

void hf_tour_free(hf_tour *t)
{
    if (t == NULL)
        return;
    hf_tour_guards_close();
    hf_free(hf_allocator_default(), t, sizeof *t);
}

/* ---- /api/methods: the contract table itself ---------------------------------------------------------------- */

static hf_err methods(hf_req *rq)
{
    static const char *const body[] = { [HF_BODY_MEANINGLESS] = "none", [HF_BODY_ALLOWED] = "allowed", [HF_BODY_REQUIRED] = "required" };
    char text[ANSWER];
    hf_writer w = hf_writer_make(text, sizeof text);
    for (unsigned m = 1; m < HF_METHOD_COUNT; m++) {
        const hf_method_contract *c = hf_method_describe((hf_method)m);
        hf_write_text(&w, m == 1 ? "[{\"name\":\"" : ",{\"name\":\"");
        hf_write_text(&w, c->name);
        hf_write_text(&w, c->safe ? "\",\"safe\":true" : "\",\"safe\":false");
        hf_write_text(&w, c->idempotent ? ",\"idempotent\":true" : ",\"idempotent\":false");
        hf_write_text(&w, c->cacheable ? ",\"cacheable\":true" : ",\"cacheable\":false");
        hf_write_text(&w, ",\"body\":\"");
        hf_write_text(&w, body[c->body]);
        hf_write_text(&w, "\"}");
    }
    hf_write_text(&w, "]\n");
    return hf_reply(rq, 200, json, hf_written(&w));
}

/* ---- /api/counter: GET asks, POST adds one, PUT sets --------------------------------------------------------- */

static hf_err tell_counter(hf_req *rq, uint16_t status, uint64_t value)
{
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_text(&w, "{\"value\":");
    hf_write_decimal(&w, value);
    hf_write_text(&w, "}\n");
    return hf_reply(rq, status, json, hf_written(&w));
}

static hf_err counter_get(hf_req *rq)
{
    const hf_tour *t = hf_req_context(rq);
    return tell_counter(rq, 200, atomic_load(&t->counter));
}

static hf_err counter_post(hf_req *rq)
{
    hf_tour *t = hf_req_context(rq);
    const uint64_t value = atomic_fetch_add(&t->counter, 1) + 1;
    const hf_fields fields = hf_req_head(rq)->fields;
    /* A form without script: go and look at the page again, so that a reload asks and does not add. */
    if (hf_fields_find(fields, HF_FIELD_ACCEPT) != NULL && hf_accept_quality(fields, hf_text("text/html")) > hf_accept_quality(fields, hf_text(json)))
        return hf_reply_redirect(rq, 303, hf_text("/tour/get-and-post/#counter"));
    return tell_counter(rq, 201, value);
}

static hf_err counter_put(hf_req *rq)
{
    hf_tour *t = hf_req_context(rq);
    uint64_t value = 0;
    const hf_bytes body = hf_trim(hf_req_body(rq));
    if (!hf_parse_decimal(body, &value))
        return hf_reply_problem(rq, 422, hf_err_make(HF_ERR_HTTP_NOT_A_NUMBER), body);
    atomic_store(&t->counter, value);
    return tell_counter(rq, 200, value);
}

/* ---- /api/search: a question as a GET with a query, or as a QUERY with a body -------------------------------- */

static bool holds(hf_bytes text, hf_bytes needle)
{
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        size_t n = 0;
        while (n < needle.len && hf_lower(text.ptr[i + n]) == hf_lower(needle.ptr[n]))
            n++;
        if (n == needle.len)
            return true;
    }
    return false;
}

static hf_err search(hf_req *rq, hf_bytes needle)
{
    char text[ANSWER];
    hf_writer w = hf_writer_make(text, sizeof text - 8);
    bool first = true;
    hf_write_text(&w, "{\"asked\":\"");
    hf_write_json(&w, needle);
    hf_write_text(&w, "\",\"pages\":[");
    for (size_t i = 0; i < hf_site_assets_count && needle.len > 0; i++) {
        const hf_asset *a = &hf_site_assets[i];
        const hf_bytes path = hf_text(a->path);
        if (path.ptr[path.len - 1] != '/' || !holds(hf_bytes_make(a->bytes, a->size), needle))
            continue;
        hf_write_text(&w, first ? "\"" : ",\"");
        hf_write_json(&w, path);
        hf_write_text(&w, "\"");
        first = false;
    }
    w.capacity += 8;
    hf_write_text(&w, "]}\n");
    return hf_reply(rq, 200, json, hf_written(&w));
}

static hf_err search_get(hf_req *rq)
{
    hf_bytes rest = hf_req_head(rq)->query, name, value;
    uint8_t room[NEEDLE];
    hf_writer w = hf_writer_make(room, sizeof room);
    while (hf_query_next(&rest, &name, &value))
        if (hf_bytes_equal(name, hf_text("q")) && hf_form_decode(value, &w).code != 0)
            return hf_reply_problem(rq, 0, hf_err_make(HF_ERR_HTTP_TARGET_SYNTAX), value);
    return search(rq, hf_written(&w));
}

static hf_err search_query(hf_req *rq)
{
    hf_bytes body = hf_trim(hf_req_body(rq));
    if (body.len > NEEDLE)
        body.len = NEEDLE;
    return search(rq, body);
}

/* ---- /api/echo and /api/about ------------------------------------------------------------------------------- */

static hf_err echo(hf_req *rq)
{
    const hf_request_head *h = hf_req_head(rq);
    const size_t room = 16384 + 7 * h->target.len;
    uint8_t *text = hf_req_alloc(rq, room);
    if (text == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(text, room);
    hf_write_text(&w, "{\"method\":\"");
    hf_write_json(&w, h->method_name);
    hf_write_text(&w, "\",\"target_bytes\":");
    hf_write_decimal(&w, h->target.len);
    hf_write_text(&w, ",\"path\":\"");
    hf_write_json(&w, hf_req_path(rq));
    hf_write_text(&w, "\",\"fields\":");
    hf_write_decimal(&w, h->fields.count);
    hf_write_text(&w, "}\n");
    return hf_reply(rq, 200, json, hf_written(&w));
}

static hf_err about(hf_req *rq)
{
    const hf_request_head *h = hf_req_head(rq);
    const hf_bytes id = hf_req_id(rq);
    const uint8_t *dash = memchr(id.ptr, '-', id.len);
    char text[512];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_text(&w, "{\"version\":\"" HF_VERSION "\",\"http\":\"");
    hf_write_text(&w, h->version == HF_HTTP_1_0 ? "1.0" : h->version == HF_HTTP_1_1 ? "1.1" : h->version == HF_HTTP_2 ? "2" : "3");
    hf_write_text(&w, "\",\"connection\":\"");
    hf_write_json(&w, hf_bytes_make(id.ptr, (size_t)(dash - id.ptr)));
    hf_write_text(&w, "\",\"request\":\"");
    hf_write_json(&w, id);
    hf_write_text(&w, "\",\"requests_on_connection\":");
    hf_write_decimal(&w, hf_req_number(rq));
    hf_write_text(&w, "}\n");
    if (hf_bytes_equal(h->query, hf_text("close=1")))
        hf_reply_close(rq);
    const hf_err err = hf_reply_field(rq, "Cache-Control", hf_text("no-store"));
    return err.code != 0 ? err : hf_reply(rq, 200, json, hf_written(&w));
}

/* ---- /api/upload: a body of any size, counted as it passes --------------------------------------------------- */

static hf_err count_piece(hf_req *rq, hf_bytes piece)
{
    *hf_req_word(rq) += piece.len;
    return HF_OK;
}

static hf_err counted(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%llu bytes, none of them kept\n", (unsigned long long)*hf_req_word(rq));
}

/* ---- /live/echo and /live/ticks: for anyone who wants to try a client ----------------------------------------- */

static hf_err echo_messages(hf_req *rq, const hf_websocket_event *event)
{
    if (event == NULL || event->kind != HF_WEBSOCKET_MESSAGE)
        return HF_OK;
    const hf_err err = hf_socket_send(rq, event->type, event->bytes);
    /* Who sends without reading is told so, and let go. */
    return err.code == HF_ERR_BASE_LIMIT ? hf_socket_close(rq, HF_WEBSOCKET_POLICY, hf_text("read what you asked for")) : err;
}

/* An event a second, whose id is that second: who comes back is told of those in between, up to ten minutes of them. */
static hf_err tick(hf_req *rq)
{
    enum { REPLAY = 600 };
    uint64_t *const last = hf_req_word(rq), now = (uint64_t)hf_req_wall(rq).s;
    if (*last == 0 && (!hf_parse_decimal(hf_event_last_id(rq), last) || *last > now || now - *last > REPLAY))
        *last = now - 1;
    while (*last < now && hf_reply_room(rq) > 0) {
        char text[24];
        hf_writer w = hf_writer_make(text, sizeof text);
        hf_write_decimal(&w, *last + 1);
        const hf_eventstream_event event = { .id = hf_written(&w), .name = hf_text("tick"), .data = hf_written(&w) };
        const hf_err err = hf_event_send(rq, &event);
        if (err.code != 0)
            return err;
        (*last)++;
    }
    return HF_OK;
}

/* ---- /live/board/{name}: a topic of one's own, as a WebSocket or as an event stream ---------------------------- */

enum { BOARD_NAME = 32, BOARD_LINE = 500 };

/* "board/NAME", in `room`: the request's own memory would grow with every line. Empty: not a name for a board. */
static hf_bytes board_topic(hf_req *rq, char room[BOARD_NAME + 8])
{
    const hf_bytes name = hf_path_arg(rq, "name");
    if (name.len > BOARD_NAME || memchr(name.ptr, '/', name.len) != NULL)
        return hf_text("");
    hf_writer w = hf_writer_make(room, BOARD_NAME + 8);
    hf_write_text(&w, "board/");
    hf_write(&w, name);
    return hf_topic_name_is_fit(hf_written(&w), hf_req_limits(rq)) ? hf_written(&w) : hf_text("");
}

static hf_err board_socket(hf_req *rq, const hf_websocket_event *event)
{
    if (event != NULL && event->kind != HF_WEBSOCKET_MESSAGE)
        return HF_OK;
    char room[BOARD_NAME + 8];
    const hf_bytes topic = board_topic(rq, room);
    if (topic.len == 0)
        return hf_socket_close(rq, HF_WEBSOCKET_POLICY, hf_text("a board has a short name without spaces and stars"));
    if (event == NULL)
        return hf_topic_subscribe(rq, topic, hf_topic_resume(rq));
    if (event->type != HF_WEBSOCKET_TEXT || event->bytes.len > BOARD_LINE)
        return hf_socket_close(rq, HF_WEBSOCKET_POLICY, hf_text("a line of text, of at most 500 bytes"));
    const hf_err err = hf_topic_publish(rq, topic, hf_text("line"), event->bytes);
    return err.code == HF_ERR_BASE_LIMIT ? HF_OK : err; /* more is said than this machine can tell: the line is lost */
}

static hf_err board_events(hf_req *rq)
{
    char room[BOARD_NAME + 8];
    const hf_bytes topic = board_topic(rq, room);
    return topic.len == 0 ? hf_reply_end(rq) : hf_topic_subscribe(rq, topic, hf_topic_resume(rq));
}

const hf_route *hf_tour_routes(size_t *count)
{
    static const hf_route own[] = {
        { .method = "GET", .path = "/api/methods", .handle = methods },
        { .method = "GET", .path = "/api/counter", .handle = counter_get },
        { .method = "POST", .path = "/api/counter", .handle = counter_post, .idempotency = HF_IDEMPOTENT_TAKEN },
        { .method = "PUT", .path = "/api/counter", .handle = counter_put },
        { .method = "GET", .path = "/api/search", .handle = search_get },
        { .method = "QUERY", .path = "/api/search", .handle = search_query },
        { .method = "GET", .path = "/api/echo", .handle = echo },
        { .method = "GET", .path = "/api/about", .handle = about },
        { .method = "GET", .path = "/api/handshake", .handle = hf_tour_handshake },
        { .method = "GET", .path = "/api/waterfall", .handle = hf_tour_waterfall },
        { .method = "POST", .path = "/api/upload", .handle = counted, .body = count_piece, .max_body = UINT64_C(1) << 40,
          .coding = HF_CODING_UNDONE },
        { .method = "GET", .path = "/live/echo", .websocket = echo_messages },
        { .method = "GET", .path = "/live/ticks", .events = tick, .every_ns = HF_SECONDS(1) },
        { .method = "GET", .path = "/live/board/{name}", .websocket = board_socket },
        { .method = "GET", .path = "/live/board/{name}/events", .events = board_events },
    };
    static const hf_route *(*const others[])(size_t *count) = { hf_tour_guards_routes, hf_tour_attack_routes, hf_tour_compare_routes };
    static hf_route table[64]; /* all chapters' */
    size_t more;
    memcpy(table, own, sizeof own);
    *count = HF_COUNT(own);
    for (size_t i = 0; i < HF_COUNT(others); i++) {
        const hf_route *const rows = others[i](&more);
        HF_ASSERT(*count + more <= HF_COUNT(table));
        memcpy(table + *count, rows, more * sizeof *rows);
        *count += more;
    }
    return table;
}
