/* SPDX-License-Identifier: Apache-2.0
 *
 * events: server-sent events on standard output, and back again with Last-Event-ID when the stream ends.
 */
#include "live.h"

#include <handfast/eventstream.h>

#include "media.h"
#include "text.h"

typedef struct stream {
    hf_live live;
    hf_eventstream *parser;
    uint64_t count, told; /* --count; 0: no end */
    bool over;            /* told enough, or the server says that there will be no more */
} stream;

/* ---- printing ----------------------------------------------------------------------------------------------- */

static void print_json(const stream *s, const hf_eventstream_event *e)
{
    FILE *const out = s->live.cli->out;
    fputc('{', out);
    if (e->id.len > 0)
        hf_live_member(&s->live, true, "id", e->id);
    hf_live_member(&s->live, e->id.len == 0, "event", e->name.len > 0 ? e->name : hf_text("message"));
    hf_live_member(&s->live, false, "data", e->data);
    fputs("}\n", out);
}

static bool print_event(stream *s, const hf_eventstream_event *e)
{
    FILE *const out = s->live.cli->out;
    if (s->live.json) {
        print_json(s, e);
    } else {
        if (e->name.len > 0 && !hf_bytes_equal(e->name, hf_text("message")))
            fprintf(out, "%.*s: ", HF_STR(e->name));
        fwrite(e->data.ptr, 1, e->data.len, out);
        fputc('\n', out);
    }
    s->told++;
    return fflush(out) == 0;
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

static bool take_body(stream *s, hf_bytes body, hf_exit *failed)
{
    hf_eventstream_event e;
    size_t done = 0;
    for (;;) {
        hf_in in = { .ptr = (uint8_t *)(uintptr_t)body.ptr + done, .len = body.len - done };
        const hf_step step = hf_eventstream_step(s->parser, &in, &e);
        done += in.used;
        if (step == HF_FAULT) {
            s->live.hopeless = true;
            snprintf(s->live.line.words, sizeof s->live.line.words, "%s", hf_err_text(hf_eventstream_fault(s->parser)));
            *failed = HF_EXIT_HTTP;
            return false;
        }
        const hf_bytes id = hf_eventstream_last_id(s->parser);
        if (id.len > 0)
            hf_live_keep_id(&s->live, id);
        if (step != HF_EVENT)
            return true;
        if (!print_event(s, &e)) { /* nobody reads us any more */
            s->over = true;
            return false;
        }
        s->over = s->count > 0 && s->told >= s->count;
        if (s->over)
            return false;
    }
}

/* HTML 9.2.3: 200 with this type is a stream; 204 says that there will be none; all else fails for good but for what a
 * proxy says while its server is away. */
static bool is_stream(stream *s, const hf_response_head *head, hf_exit *failed)
{
    hf_live *const l = &s->live;
    const hf_field *const type = hf_fields_find(head->fields, HF_FIELD_CONTENT_TYPE);
    hf_bytes rest = type != NULL ? type->value : hf_text(""), essence = rest;
    (void)hf_split(&rest, ';', &essence);
    if (head->status == 200 && hf_text_same(hf_trim(essence), hf_text("text/event-stream"))) {
        hf_backoff_reset(&l->backoff);
        hf_live_note(l, "connected");
        return true;
    }
    s->over = head->status == 204;
    *failed = head->status == 204 ? HF_EXIT_OK : HF_EXIT_HTTP;
    l->hopeless = head->status != 502 && head->status != 503 && head->status != 504 && head->status != 429;
    if (head->status == 200)
        snprintf(l->line.words, sizeof l->line.words, "the answer is no event stream but %.*s", HF_STR(type != NULL ? type->value : hf_text("untyped")));
    else
        snprintf(l->line.words, sizeof l->line.words, "the server answers %u", head->status);
    return false;
}

/* From the request to the end of the stream: why it ended. */
static hf_exit listen_to(stream *s)
{
    hf_live *const l = &s->live;
    hf_fetch_event e;
    hf_exit failed = HF_EXIT_TCP;
    hf_err why;
    for (;;) {
        const hf_step step = hf_fetch_step(&l->fetch, &e, &why);
        if (step == HF_IDLE) {
            (void)hf_dialer_wait(l->dialer, hf_fetch_wake(&l->fetch), -1);
            continue;
        }
        if (step != HF_EVENT || e.kind == HF_FETCH_END) {
            snprintf(l->line.words, sizeof l->line.words, "the stream ended%s%s", why.code != 0 ? ": " : "", why.code != 0 ? hf_err_text(why) : "");
            return HF_EXIT_TCP;
        }
        if (e.kind == HF_FETCH_HEAD && e.head.status >= 200 && !is_stream(s, &e.head, &failed))
            return failed;
        if (e.kind == HF_FETCH_BODY && !take_body(s, e.body, &failed))
            return s->over ? HF_EXIT_OK : failed;
    }
}

static hf_exit connect_once(stream *s)
{
    hf_live *const l = &s->live;
    hf_field fields[] = { { HF_LITERAL("Accept"), HF_LITERAL("text/event-stream"), HF_FIELD_ACCEPT },
                          { HF_LITERAL("Cache-Control"), HF_LITERAL("no-store"), HF_FIELD_CACHE_CONTROL },
                          { HF_LITERAL("Last-Event-ID"), { (const uint8_t *)l->id, l->id_length }, HF_FIELD_OTHER } };
    hf_eventstream_free(s->parser); /* half an event is none */
    s->parser = hf_eventstream_new(hf_dialer_env(l->dialer));
    if (s->parser == NULL) {
        snprintf(l->line.words, sizeof l->line.words, "out of memory");
        l->hopeless = true;
        return HF_EXIT_FAILED;
    }
    const hf_exit failed = hf_live_ask(l, fields, l->id_length > 0 ? 3 : 2, NULL, NULL);
    return failed != HF_EXIT_OK ? failed : listen_to(s);
}

int hf_command_events(hf_cli *cli, const hf_arguments *arguments)
{
    static stream s;
    s = (stream){ .count = 0 };
    hf_exit result = hf_live_open(&s.live, cli, arguments);
    if (result != HF_EXIT_OK)
        return result;
    const hf_given *const count = hf_arguments_find(arguments, "count");
    if (count != NULL && !hf_parse_decimal(hf_text(count->value), &s.count))
        result = hf_cli_misuse(cli, "--count %s: give a number", count->value);
    while (result == HF_EXIT_OK) {
        const hf_exit failed = connect_once(&s);
        const int64_t retry = s.parser != NULL ? hf_eventstream_retry_ms(s.parser) : -1;
        if (retry > 0 && retry < 3600000) /* twice: of the span at least half is waited for */
            s.live.backoff.first_ns = 2 * HF_MILLISECONDS(retry);
        if (s.over)
            break;
        result = hf_live_retry(&s.live, failed, s.live.line.words);
    }
    hf_eventstream_free(s.parser);
    hf_live_close(&s.live);
    return result;
}
