/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_resp.h"

#include "text.h"

/* A line of a reply; longer ones Redis does not write. */
enum { LINE_MOST = 65536 };

/* Whatever bounds a Redis is given, no value of its has more. */
static const uint64_t LONGEST = 1ull << 40;

/* The line at the front, without its kind and its end. */
static hf_resp_state read_line(hf_bytes b, hf_bytes *line, size_t *used)
{
    const size_t most = b.len < LINE_MOST ? b.len : LINE_MOST;
    const uint8_t *const end = most > 0 ? memchr(b.ptr, '\n', most) : NULL;
    if (end == NULL)
        return b.len < LINE_MOST ? HF_RESP_MORE : HF_RESP_BROKEN;
    *used = (size_t)(end - b.ptr) + 1;
    if (*used < 3 || end[-1] != '\r')
        return HF_RESP_BROKEN;
    *line = hf_bytes_make(b.ptr + 1, *used - 3);
    return HF_RESP_WHOLE;
}

static bool read_number(hf_bytes line, int64_t *n)
{
    const bool minus = line.len > 0 && line.ptr[0] == '-';
    uint64_t magnitude;
    if (!hf_parse_decimal(hf_bytes_make(line.ptr + minus, line.len - minus), &magnitude) || magnitude > INT64_MAX)
        return false;
    *n = minus ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* The head of the value at the front: all of it, but for a bulk. */
static hf_resp_state read_head(hf_bytes b, uint64_t most, hf_resp *v, size_t *used)
{
    hf_bytes line = { NULL, 0 };
    const hf_resp_state state = read_line(b, &line, used);
    *v = (hf_resp){ .kind = HF_RESP_NIL, .text = line };
    if (state != HF_RESP_WHOLE)
        return state;
    switch (b.ptr[0]) {
    case '+':
        v->kind = HF_RESP_TEXT;
        return HF_RESP_WHOLE;
    case '-':
        v->kind = HF_RESP_ERROR;
        return HF_RESP_WHOLE;
    case ':':
        v->kind = HF_RESP_INTEGER;
        return read_number(line, &v->number) ? HF_RESP_WHOLE : HF_RESP_BROKEN;
    case '*':
    case '$':
        break;
    default:
        return HF_RESP_BROKEN;
    }
    if (!read_number(line, &v->number) || v->number < -1)
        return HF_RESP_BROKEN;
    if (v->number >= 0) /* else NIL */
        v->kind = b.ptr[0] == '*' ? HF_RESP_ARRAY : HF_RESP_BULK;
    return v->number <= (int64_t)most ? HF_RESP_WHOLE : v->kind == HF_RESP_BULK ? HF_RESP_LONG : HF_RESP_BROKEN;
}

/* One value at the front: of an array, its head. */
static hf_resp_state read_value(hf_bytes b, size_t most, hf_resp *v, size_t *used)
{
    const hf_resp_state state = read_head(b, most, v, used);
    if (state != HF_RESP_WHOLE || v->kind != HF_RESP_BULK)
        return state;
    const size_t length = (size_t)v->number;
    if (b.len - *used < length + 2)
        return HF_RESP_MORE;
    v->text = hf_bytes_make(b.ptr + *used, length);
    if (v->text.ptr[length] != '\r' || v->text.ptr[length + 1] != '\n')
        return HF_RESP_BROKEN;
    *used += length + 2;
    return HF_RESP_WHOLE;
}

hf_resp_state hf_resp_look(hf_resp_scan *scan, hf_bytes bytes, size_t most)
{
    if (scan->at == 0)
        scan->left = 1;
    while (scan->left > 0) {
        hf_resp v;
        size_t used;
        if (scan->at > bytes.len)
            return HF_RESP_MORE;
        const hf_resp_state state = read_value(hf_bytes_make(bytes.ptr + scan->at, bytes.len - scan->at), most, &v, &used);
        if (state != HF_RESP_WHOLE)
            return state == HF_RESP_MORE && bytes.len > most ? HF_RESP_LONG : state;
        scan->at += used;
        scan->left += v.kind == HF_RESP_ARRAY ? (uint64_t)v.number : 0;
        scan->left--;
        if (scan->at > most || scan->left > most)
            return scan->left > most ? HF_RESP_BROKEN : HF_RESP_LONG;
    }
    return HF_RESP_WHOLE;
}

hf_resp_state hf_resp_discard(hf_resp_scan *scan, hf_bytes bytes, size_t *used)
{
    *used = 0;
    while (scan->left > 0 || scan->bulk > 0) {
        hf_resp v;
        size_t head;
        const size_t there = bytes.len - *used, n = there < scan->bulk ? there : (size_t)scan->bulk;
        *used += n;
        scan->bulk -= n;
        if (scan->bulk > 0)
            return HF_RESP_MORE;
        if (scan->left == 0)
            break;
        const hf_resp_state state = read_head(hf_bytes_make(bytes.ptr + *used, bytes.len - *used), LONGEST, &v, &head);
        if (state != HF_RESP_WHOLE)
            return state == HF_RESP_LONG ? HF_RESP_BROKEN : state;
        *used += head;
        scan->left += v.kind == HF_RESP_ARRAY ? (uint64_t)v.number : 0;
        scan->left--;
        scan->bulk = v.kind == HF_RESP_BULK ? (uint64_t)v.number + 2 : 0;
    }
    return HF_RESP_WHOLE;
}

hf_resp hf_resp_next(hf_bytes *reply)
{
    hf_resp v;
    size_t used;
    if (reply->len == 0 || read_value(*reply, reply->len, &v, &used) != HF_RESP_WHOLE) {
        *reply = hf_bytes_make(NULL, 0);
        return (hf_resp){ .kind = HF_RESP_NIL };
    }
    *reply = hf_bytes_make(reply->ptr + used, reply->len - used);
    return v;
}

void hf_resp_skip(hf_bytes *reply)
{
    for (uint64_t left = 1; left > 0 && reply->len > 0; left--) {
        const hf_resp v = hf_resp_next(reply);
        left += v.kind == HF_RESP_ARRAY ? (uint64_t)v.number : 0;
    }
}

static size_t decimal_length(uint64_t n)
{
    size_t digits = 1;
    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

bool hf_resp_command(hf_queue *out, const hf_bytes *words, size_t count)
{
    size_t length = 1 + decimal_length(count) + 2;
    for (size_t i = 0; i < count; i++)
        length += 1 + decimal_length(words[i].len) + 2 + words[i].len + 2;
    const hf_span room = hf_queue_reserve(out, length);
    if (room.ptr == NULL)
        return false;
    hf_writer w = hf_writer_make(room.ptr, length);
    hf_write_byte(&w, '*');
    hf_write_decimal(&w, count);
    hf_write_text(&w, "\r\n");
    for (size_t i = 0; i < count; i++) {
        hf_write_byte(&w, '$');
        hf_write_decimal(&w, words[i].len);
        hf_write_text(&w, "\r\n");
        hf_write(&w, words[i]);
        hf_write_text(&w, "\r\n");
    }
    hf_queue_commit(out, length);
    return true;
}
