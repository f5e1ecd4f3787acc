/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands: messages, pieces, pings and Close become frames in the output.
 */
#include "websocket_core.h"

#include "panic.h"
#include "websocket_mask.h"

/* ---- frames ------------------------------------------------------------------------------------------------- */

/* RFC 6455 5.3: "The masking key is a 32-bit value chosen at random"; "derived from a strong source of entropy". */
static bool draw_key(hf_websocket *w, uint8_t key[4])
{
    if (w->keys == NULL && (w->keys = hf_alloc(&w->env->alloc, HF_WEBSOCKET_KEYS * sizeof *w->keys)) == NULL)
        return false;
    if (w->keys_left == 0) {
        if (!hf_crypto_random(w->options.crypto, w->keys, HF_WEBSOCKET_KEYS * sizeof *w->keys))
            return false;
        w->keys_left = HF_WEBSOCKET_KEYS;
    }
    memcpy(key, w->keys[--w->keys_left], 4);
    return true;
}

static bool frame_head(hf_websocket *w, uint8_t opcode, uint8_t rsv, bool fin, uint64_t length, hf_websocket_frame *f)
{
    *f = (hf_websocket_frame){ .opcode = opcode, .rsv = rsv, .fin = fin, .length = length, .masked = !w->server };
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_SENT, (uint64_t)((fin ? 0x80 : 0) | rsv << 4 | opcode), length);
    return w->server || draw_key(w, f->key);
}

/* Head and payload, copied. */
static bool add_frame(hf_websocket *w, uint8_t opcode, uint8_t rsv, bool fin, hf_bytes payload)
{
    hf_websocket_frame f;
    if (!frame_head(w, opcode, rsv, fin, payload.len, &f))
        return false;
    const hf_span room = hf_queue_reserve(&w->output.copied, HF_WEBSOCKET_HEAD_MOST + payload.len);
    if (room.ptr == NULL)
        return false;
    const size_t head = hf_websocket_frame_write(room.ptr, &f);
    if (f.masked)
        hf_websocket_mask(room.ptr + head, payload.ptr, payload.len, f.key, 0);
    else if (payload.len > 0)
        memcpy(room.ptr + head, payload.ptr, payload.len);
    hf_queue_commit(&w->output.copied, head + payload.len);
    hf_websocket_output_grew(&w->output, head + payload.len);
    return true;
}

/* A head in front of the payload that was written HF_WEBSOCKET_HEAD_MOST bytes behind `at`: it moves up to it. */
static void close_frame(hf_queue *q, size_t at, hf_websocket_frame *f)
{
    uint8_t *const start = hf_queue_peek(q).ptr + at;
    const size_t head = hf_websocket_frame_write(start, f);
    uint8_t *const payload = start + HF_WEBSOCKET_HEAD_MOST;
    if (f->masked)
        hf_websocket_mask(payload, payload, (size_t)f->length, f->key, 0);
    memmove(start + head, payload, (size_t)f->length);
    q->tail -= (uint32_t)(HF_WEBSOCKET_HEAD_MOST - head);
}

static hf_deflater *deflater(hf_websocket *w)
{
    const hf_websocket_deflate *const agreed = &w->options.deflate;
    const unsigned bits = w->server ? agreed->server_window_bits : agreed->client_window_bits;
    if (w->deflater == NULL)
        w->deflater = hf_deflater_new(&w->env->alloc, bits == 0 ? 15 : bits);
    return w->deflater;
}

static bool forgets(const hf_websocket *w)
{
    return w->server ? w->options.deflate.server_no_context_takeover : w->options.deflate.client_no_context_takeover;
}

/* One frame whose payload is `piece` compressed. After a failure the next compressor begins afresh, which is always in
 * order: it reaches back to nothing but what it has compressed itself. */
static bool add_deflated(hf_websocket *w, uint8_t opcode, bool last, hf_bytes piece)
{
    hf_queue *const q = &w->output.copied;
    const size_t before = hf_queue_length(q);
    const uint8_t rsv = opcode == HF_WEBSOCKET_OP_CONTINUATION ? 0 : HF_WEBSOCKET_RSV1;
    hf_websocket_frame f;
    if (deflater(w) == NULL || hf_queue_reserve(q, HF_WEBSOCKET_HEAD_MOST).ptr == NULL)
        return false;
    hf_queue_commit(q, HF_WEBSOCKET_HEAD_MOST);
    bool good = hf_deflater_add(w->deflater, piece, last, forgets(w), q);
    const size_t payload = good ? hf_queue_length(q) - before - HF_WEBSOCKET_HEAD_MOST : 0;
    good = good && frame_head(w, opcode, rsv, last, payload, &f);
    if (!good) {
        q->tail -= (uint32_t)(hf_queue_length(q) - before);
        hf_deflater_free(w->deflater);
        w->deflater = NULL;
        return false;
    }
    close_frame(q, before, &f);
    hf_websocket_output_grew(&w->output, hf_queue_length(q) - before);
    return true;
}

bool hf_websocket_control(hf_websocket *w, uint8_t opcode, hf_bytes payload)
{
    HF_ASSERT(payload.len <= HF_WEBSOCKET_CONTROL_MOST);
    return add_frame(w, opcode, 0, true, payload);
}

bool hf_websocket_say_close(hf_websocket *w, uint16_t code, hf_bytes reason)
{
    uint8_t body[HF_WEBSOCKET_CONTROL_MOST];
    if (code == HF_WEBSOCKET_NO_CODE)
        return hf_websocket_control(w, HF_WEBSOCKET_OP_CLOSE, hf_bytes_make(body, 0));
    HF_ASSERT(reason.len <= sizeof body - 2);
    body[0] = (uint8_t)(code >> 8);
    body[1] = (uint8_t)code;
    if (reason.len > 0)
        memcpy(body + 2, reason.ptr, reason.len);
    return hf_websocket_control(w, HF_WEBSOCKET_OP_CLOSE, hf_bytes_make(body, 2 + reason.len));
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static hf_err may_send(const hf_websocket *w, uint64_t more)
{
    const uint64_t held = hf_websocket_unsent(w);
    if (w->state != HF_WEBSOCKET_OPEN)
        return hf_err_make(HF_ERR_BASE_USAGE);
    return hf_err_make(held > 0 && held + more > w->env->limits->websocket_output_bytes ? HF_ERR_BASE_LIMIT : 0);
}

static bool compresses(const hf_websocket *w, size_t length)
{
    const size_t from = w->options.compress_from > 0 ? w->options.compress_from : HF_WEBSOCKET_COMPRESS_FROM;
    return w->options.deflate.on && length >= from;
}

/* Takes back what a failed command has queued: the peer must not see half a message. */
static void take_back(hf_websocket *w, size_t bytes, uint64_t tail)
{
    w->output.copied.tail -= (uint32_t)(hf_queue_length(&w->output.copied) - bytes);
    w->output.tail = tail;
}

hf_err hf_websocket_send(hf_websocket *w, hf_websocket_type type, hf_bytes message)
{
    const hf_err err = w->writing != 0 ? hf_err_make(HF_ERR_BASE_USAGE) : may_send(w, message.len);
    const size_t before = hf_queue_length(&w->output.copied), most = w->options.fragment_bytes;
    const uint64_t tail = w->output.tail;
    if (err.code != 0)
        return err;
    const bool deflated = compresses(w, message.len);
    uint8_t opcode = (uint8_t)type;
    bool good = true, last;
    hf_bytes rest = message;
    do {
        const size_t n = most > 0 && rest.len > most ? most : rest.len;
        last = n == rest.len;
        const hf_bytes part = hf_bytes_make(rest.ptr, n);
        good = deflated ? add_deflated(w, opcode, last, part) : add_frame(w, opcode, 0, last, part);
        rest = hf_bytes_make(n > 0 ? rest.ptr + n : rest.ptr, rest.len - n);
        opcode = HF_WEBSOCKET_OP_CONTINUATION;
    } while (good && !last);
    w->spoken = w->now;
    if (good)
        return HF_OK;
    take_back(w, before, tail);
    return hf_err_make(HF_ERR_BASE_MEMORY);
}

hf_err hf_websocket_send_lent(hf_websocket *w, hf_websocket_type type, hf_bytes message, uint64_t token)
{
    const hf_err err = w->writing != 0 ? hf_err_make(HF_ERR_BASE_USAGE) : may_send(w, 0);
    if (err.code != 0)
        return err;
    if (!hf_websocket_output_reserve(&w->output, w->env->limits->output_extents))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const bool fragments = w->options.fragment_bytes > 0 && message.len > w->options.fragment_bytes;
    if (!w->server || compresses(w, message.len) || fragments) {
        const hf_err copied = hf_websocket_send(w, type, message);
        if (copied.code == 0)
            hf_websocket_output_lend(&w->output, hf_bytes_make(message.ptr, 0), token);
        return copied;
    }
    hf_websocket_frame f;
    const hf_span room = hf_queue_reserve(&w->output.copied, HF_WEBSOCKET_HEAD_MOST);
    if (room.ptr == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    (void)frame_head(w, (uint8_t)type, 0, true, message.len, &f);
    const size_t head = hf_websocket_frame_write(room.ptr, &f);
    hf_queue_commit(&w->output.copied, head);
    hf_websocket_output_grew(&w->output, head);
    hf_websocket_output_lend(&w->output, message, token);
    w->spoken = w->now;
    return HF_OK;
}

hf_err hf_websocket_begin(hf_websocket *w, hf_websocket_type type)
{
    const hf_err err = w->writing != 0 ? hf_err_make(HF_ERR_BASE_USAGE) : may_send(w, 0);
    if (err.code != 0)
        return err;
    w->writing = (uint8_t)type;
    w->continued = false;
    w->deflating = w->options.deflate.on;
    return HF_OK;
}

static hf_err add_part(hf_websocket *w, hf_bytes piece, bool last)
{
    const hf_err err = w->writing == 0 ? hf_err_make(HF_ERR_BASE_USAGE) : may_send(w, piece.len);
    if (err.code != 0)
        return err;
    const uint8_t opcode = w->continued ? HF_WEBSOCKET_OP_CONTINUATION : w->writing;
    const size_t before = hf_queue_length(&w->output.copied);
    const uint64_t tail = w->output.tail;
    if (!(w->deflating ? add_deflated(w, opcode, last, piece) : add_frame(w, opcode, 0, last, piece))) {
        take_back(w, before, tail);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    w->continued = true;
    w->spoken = w->now;
    return HF_OK;
}

hf_err hf_websocket_put(hf_websocket *w, hf_bytes piece)
{
    return piece.len == 0 && w->writing != 0 ? HF_OK : add_part(w, piece, false);
}

hf_err hf_websocket_finish(hf_websocket *w)
{
    const hf_err err = add_part(w, hf_bytes_make(NULL, 0), true);
    if (err.code == 0)
        w->writing = 0;
    return err;
}

hf_err hf_websocket_ping(hf_websocket *w, hf_bytes bytes)
{
    if (bytes.len > HF_WEBSOCKET_CONTROL_MOST)
        return hf_err_make(HF_ERR_BASE_USAGE);
    const hf_err err = may_send(w, bytes.len);
    if (err.code != 0)
        return err;
    return hf_err_make(hf_websocket_control(w, HF_WEBSOCKET_OP_PING, bytes) ? 0 : HF_ERR_BASE_MEMORY);
}

hf_err hf_websocket_close(hf_websocket *w, uint16_t code, hf_bytes reason)
{
    const bool fit = code == HF_WEBSOCKET_NO_CODE ? reason.len == 0 : hf_websocket_code_is_fit(code);
    if (w->state != HF_WEBSOCKET_OPEN || !fit || reason.len > HF_WEBSOCKET_CONTROL_MOST - 2 || !hf_utf8_is_valid(reason))
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (!hf_websocket_say_close(w, code, reason))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    w->code = code;
    w->began = w->now;
    w->asking = false;
    hf_websocket_move_to(w, HF_WEBSOCKET_MOVE_CLOSE);
    return HF_OK;
}

uint64_t hf_websocket_unsent(const hf_websocket *w)
{
    return hf_queue_length(&w->output.copied);
}

/* ---- one message to many ------------------------------------------------------------------------------------ */

/* The head goes in front of what lies behind HF_WEBSOCKET_HEAD_MOST bytes of `q`. */
static bool fill_shared(const hf_env *env, hf_bytes message, bool deflated, hf_queue *q)
{
    if (hf_queue_reserve(q, HF_WEBSOCKET_HEAD_MOST).ptr == NULL)
        return false;
    hf_queue_commit(q, HF_WEBSOCKET_HEAD_MOST);
    if (!deflated)
        return hf_queue_append(q, message);
    hf_deflater *const d = hf_deflater_new(&env->alloc, 15);
    const bool good = d != NULL && hf_deflater_add(d, message, true, true, q);
    hf_deflater_free(d);
    return good;
}

hf_err hf_websocket_share(const hf_env *env, hf_websocket_type type, hf_bytes message, bool deflated, hf_websocket_shared *shared)
{
    hf_queue q;
    hf_queue_init(&q, &env->alloc);
    if (!fill_shared(env, message, deflated, &q)) {
        hf_queue_fini(&q);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    hf_websocket_frame f = { .opcode = (uint8_t)type, .rsv = deflated ? HF_WEBSOCKET_RSV1 : 0, .fin = true,
                             .length = hf_queue_length(&q) - HF_WEBSOCKET_HEAD_MOST };
    close_frame(&q, 0, &f);
    const size_t length = hf_queue_length(&q);
    uint8_t *const fitting = hf_resize(&env->alloc, q.memory, q.capacity, length);
    *shared = (hf_websocket_shared){ fitting != NULL ? fitting : q.memory, length, fitting != NULL ? length : q.capacity };
    return HF_OK;
}

void hf_websocket_shared_free(const hf_env *env, hf_websocket_shared *shared)
{
    hf_free(&env->alloc, shared->ptr, shared->capacity);
    *shared = (hf_websocket_shared){ NULL, 0, 0 };
}

hf_websocket_sharing hf_websocket_shares(const hf_websocket *w)
{
    const hf_websocket_deflate *const agreed = &w->options.deflate;
    if (!w->server || w->writing != 0)
        return HF_WEBSOCKET_SHARED_NOT;
    const bool fits = agreed->on && (agreed->server_window_bits == 0 || agreed->server_window_bits == 15);
    return fits ? HF_WEBSOCKET_SHARED_DEFLATED : HF_WEBSOCKET_SHARED_PLAIN;
}

hf_err hf_websocket_send_shared(hf_websocket *w, const hf_websocket_shared *shared, uint64_t token)
{
    const hf_bytes frames = hf_bytes_make(shared->ptr, shared->len);
    const hf_err err = hf_websocket_shares(w) == HF_WEBSOCKET_SHARED_NOT ? hf_err_make(HF_ERR_BASE_USAGE)
                                                                         : may_send(w, token == 0 ? frames.len : 0);
    if (err.code != 0)
        return err;
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_SENT, frames.ptr[0], frames.len);
    w->spoken = w->now;
    if ((frames.ptr[0] & HF_WEBSOCKET_RSV1 << 4) != 0) { /* the peer's window has it and our compressor's lacks it: begin afresh */
        hf_deflater_free(w->deflater);
        w->deflater = NULL;
    }
    if (token != 0) {
        if (!hf_websocket_output_reserve(&w->output, w->env->limits->output_extents))
            return hf_err_make(HF_ERR_BASE_LIMIT);
        hf_websocket_output_lend(&w->output, frames, token);
        return HF_OK;
    }
    if (!hf_queue_append(&w->output.copied, frames))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_websocket_output_grew(&w->output, frames.len);
    return HF_OK;
}
