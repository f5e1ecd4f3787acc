/* SPDX-License-Identifier: Apache-2.0
 *
 * Where what a request needs lies: in its room first, then in its arena; what of its head is kept; and what a live request
 * gives back once it is under way.
 */
#include "request.h"
#include "text.h"

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* NULL: it does not fit there. */
static void *near_memory(hf_req *rq, size_t size)
{
    hf_req_room *const room = rq->room;
    const size_t at = (rq->near_used + 15) & ~(size_t)15;
    if (room == NULL || size > sizeof room->near || at > sizeof room->near - size)
        return NULL;
    rq->near_used = at + size;
    return room->near + at;
}

void *hf_req_memory(hf_req *rq, size_t size)
{
    void *const near = rq->lasting ? NULL : near_memory(rq, size);
    return near != NULL ? near : hf_arena_get(&rq->arena, size);
}

void *hf_req_brief_memory(hf_req *rq, size_t size)
{
    void *const near = near_memory(rq, size);
    return near != NULL ? near : hf_arena_get(&rq->arena, size);
}

bool hf_req_keep_bytes(hf_req *rq, hf_bytes *b)
{
    if (b->len == 0)
        return true;
    uint8_t *copy = hf_req_memory(rq, b->len);
    if (copy == NULL)
        return false;
    memcpy(copy, b->ptr, b->len);
    b->ptr = copy;
    return true;
}

/* ---- live requests ------------------------------------------------------------------------------------------ */

/* The route is a live one: what the request keeps lies apart from its room from now on, which is given back. */
bool hf_req_outlast_room(hf_req *rq)
{
    const size_t count = rq->match.argument_count;
    const uint8_t *const before = rq->path.ptr;
    rq->lasting = rq->arena.thrifty = true;
    hf_path_argument *const arguments = count > 0 ? hf_req_memory(rq, count * sizeof *arguments) : NULL;
    if (!hf_req_keep_bytes(rq, &rq->path) || (count > 0 && arguments == NULL)) {
        rq->match.argument_count = 0;
        return false;
    }
    for (size_t i = 0; i < count; i++) { /* their values lie in the path */
        arguments[i] = rq->match.arguments[i];
        arguments[i].value.ptr = rq->path.ptr + (arguments[i].value.ptr - before);
    }
    rq->match.arguments = arguments;
    return true;
}

/* It is under way. */
void hf_req_give_room_back(hf_req *rq)
{
    hf_service *const s = rq->service;
    if (!rq->lasting || !rq->answered || rq->answer_ended || !rq->head_kept || rq->room == NULL)
        return;
    if (s->spare_room == NULL)
        s->spare_room = rq->room;
    else
        hf_free(&s->env->alloc, rq->room, sizeof *rq->room);
    rq->room = NULL;
    rq->field_count = rq->field_floor = 0;
}

/* ---- heads that last ---------------------------------------------------------------------------------------- */

void hf_req_forget_head(hf_req *rq)
{
    hf_request_head *const h = &rq->head;
    *h = (hf_request_head){ .method = h->method, .version = h->version, .form = h->form, .content_length = h->content_length,
        .keep_alive = h->keep_alive };
    rq->head_kept = true;
}

/* What only the opening handshake was for: nobody asks for it again, and a WebSocket lasts long. */
static bool is_spent(const hf_req *rq, const hf_field *f)
{
    static const char *const spent[] = { "Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions" };
    if (rq->more == NULL || rq->more->socket == NULL)
        return false;
    for (size_t i = 0; i < HF_COUNT(spent); i++)
        if (hf_text_same(f->name, hf_text(spent[i])))
            return true;
    return false;
}

/* Parts of a head, in the order in which they are kept: the target comes before what may lie in it. */
enum { HEAD_PARTS = 7 };
static void list_parts(hf_request_head *h, hf_bytes *parts[HEAD_PARTS])
{
    hf_bytes *const all[HEAD_PARTS] = { &h->target, &h->path, &h->query, &h->method_name, &h->scheme, &h->authority, &h->upgrade };
    memcpy(parts, all, sizeof all);
}

static bool lies_in(hf_bytes part, hf_bytes whole)
{
    const uintptr_t at = (uintptr_t)part.ptr, first = (uintptr_t)whole.ptr;
    return part.len > 0 && at >= first && at - first + part.len <= whole.len;
}

static hf_bytes copy_to(uint8_t **to, hf_bytes b)
{
    if (b.len == 0)
        return b;
    memcpy(*to, b.ptr, b.len);
    *to += b.len;
    return hf_bytes_make(*to - b.len, b.len);
}

/* Bytes and fields that are kept of the head. */
static size_t weigh_head(const hf_req *rq, hf_bytes *const parts[HEAD_PARTS], size_t *fields)
{
    const hf_request_head *const h = &rq->head;
    size_t bytes = h->target.len;
    for (size_t i = 1; i < HEAD_PARTS; i++)
        bytes += lies_in(*parts[i], h->target) ? 0 : parts[i]->len;
    *fields = 0;
    for (size_t i = 0; i < h->fields.count; i++)
        if (!is_spent(rq, &h->fields.at[i])) {
            bytes += h->fields.at[i].name.len + h->fields.at[i].value.len;
            ++*fields;
        }
    return bytes;
}

/* The head is lent by the core until its next step: who answers later keeps a copy, in one piece. */
bool hf_req_keep_head(hf_req *rq)
{
    hf_request_head *const h = &rq->head;
    const hf_bytes target = h->target;
    hf_bytes *parts[HEAD_PARTS];
    size_t count, n = 0;
    if (rq->head_kept)
        return true;
    list_parts(h, parts);
    const size_t bytes = weigh_head(rq, parts, &count);
    hf_field *const fields = hf_req_memory(rq, count * sizeof *fields + bytes);
    rq->head_kept = true;
    if (fields == NULL) { /* nothing may point to what is lent no longer: the log still asks */
        hf_req_forget_head(rq);
        return false;
    }
    uint8_t *to = (uint8_t *)(fields + count);
    for (size_t i = 0; i < HEAD_PARTS; i++)
        *parts[i] = i > 0 && lies_in(*parts[i], target) ? hf_bytes_make(h->target.ptr + (parts[i]->ptr - target.ptr), parts[i]->len)
                                                        : copy_to(&to, *parts[i]);
    for (size_t i = 0; i < h->fields.count; i++)
        if (!is_spent(rq, &h->fields.at[i])) {
            fields[n] = h->fields.at[i];
            fields[n].name = copy_to(&to, fields[n].name);
            fields[n].value = copy_to(&to, fields[n].value);
            n++;
        }
    h->fields = (hf_fields){ fields, n };
    return true;
}
