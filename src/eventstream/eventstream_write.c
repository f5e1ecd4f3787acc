/* SPDX-License-Identifier: Apache-2.0
 *
 * Events as text. An event is measured first: it is written whole or not at all.
 */
#include <handfast/eventstream.h>

#include "text.h"

/* Counts always, writes while there is room. */
typedef struct sink {
    uint8_t *to;
    size_t room, length;
} sink;

static void add(sink *s, const void *bytes, size_t n)
{
    if (n > 0 && s->length + n <= s->room)
        memcpy(s->to + s->length, bytes, n);
    s->length += n;
}

static void add_field(sink *s, const char *name, hf_bytes value)
{
    add(s, name, strlen(name));
    add(s, ": ", 2);
    add(s, value.ptr, value.len);
    add(s, "\n", 1);
}

/* One field a line, however the line ends. */
static void add_data(sink *s, hf_bytes data)
{
    size_t start = 0;
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] != '\n' && data.ptr[i] != '\r')
            continue;
        add_field(s, "data", hf_bytes_make(data.ptr + start, i - start));
        i += data.ptr[i] == '\r' && i + 1 < data.len && data.ptr[i + 1] == '\n';
        start = i + 1;
    }
    add_field(s, "data", hf_bytes_make(data.len > 0 ? data.ptr + start : data.ptr, data.len - start));
}

/* In one line, and (for an id) without the NUL that makes a client ignore it. */
static bool fits_a_line(hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.ptr[i] == '\n' || b.ptr[i] == '\r' || b.ptr[i] == 0)
            return false;
    return true;
}

static void add_event(sink *s, const hf_eventstream_event *event)
{
    uint8_t digits[24];
    hf_writer w = hf_writer_make(digits, sizeof digits);
    if (event->id.ptr != NULL)
        add_field(s, "id", event->id);
    if (event->name.len > 0)
        add_field(s, "event", event->name);
    if (event->retry_ms > 0) {
        hf_write_decimal(&w, (uint64_t)event->retry_ms);
        add_field(s, "retry", hf_written(&w));
    }
    if (event->data.ptr != NULL)
        add_data(s, event->data);
    add(s, "\n", 1);
}

size_t hf_eventstream_write(uint8_t *to, size_t room, const hf_eventstream_event *event)
{
    sink measure = { NULL, 0, 0 }, written = { to, room, 0 };
    if (!fits_a_line(event->id) || !fits_a_line(event->name))
        return 0;
    add_event(&measure, event);
    if (measure.length <= room)
        add_event(&written, event);
    return measure.length;
}

hf_bytes hf_eventstream_comment(void)
{
    return hf_text(":\n\n");
}

hf_fields hf_eventstream_fields(void)
{
    static const hf_field fields[] = {
        { HF_LITERAL("Content-Type"), HF_LITERAL("text/event-stream"), HF_FIELD_CONTENT_TYPE },
        { HF_LITERAL("Cache-Control"), HF_LITERAL("no-store, no-transform"), HF_FIELD_CACHE_CONTROL },
        { HF_LITERAL("Incremental"), HF_LITERAL("?1"), HF_FIELD_OTHER },
        { HF_LITERAL("X-Accel-Buffering"), HF_LITERAL("no"), HF_FIELD_OTHER },
    };
    return (hf_fields){ fields, HF_COUNT(fields) };
}
