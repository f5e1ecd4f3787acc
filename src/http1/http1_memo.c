/* SPDX-License-Identifier: Apache-2.0
 *
 * A head that is said again. Who asks often says mostly the same: what is the same, byte for byte, means the same, and is not
 * parsed once more.
 */
#include "http1_core.h"

#include "alloc.h"

enum {
    MOST = 1024,       /* bytes of a head that is worth to be kept */
    STEP = 256,        /* of room for it */
    VAIN_MOST = 4,     /* so often it is kept for nothing, then only now and then */
    NOW_AND_THEN = 64,
};

bool hf_http1_recall(hf_http1 *h, const uint8_t *at, size_t there, hf_request_head *head)
{
    hf_http1_memo *const m = h->memo;
    if (m->said.len == 0 || there < m->said.len || memcmp(at, m->said.ptr, m->said.len) != 0)
        return false;
    *head = m->head;
    m->vain = 0;
    return true;
}

/* Where `b` lies in the copy, if it lies in what was copied. */
static hf_bytes moved(hf_bytes b, hf_bytes from, const uint8_t *to)
{
    const uintptr_t at = (uintptr_t)b.ptr - (uintptr_t)from.ptr;
    return b.ptr != NULL && at <= from.len ? hf_bytes_make(to + at, b.len) : b;
}

static void copy_head(hf_http1_memo *m, hf_bytes said, const hf_request_head *head)
{
    hf_field *const fields = (hf_field *)(void *)m->more;
    const size_t count = head->fields.count;
    uint8_t *const text = m->more + count * sizeof *fields;
    memcpy(text, said.ptr, said.len);
    for (size_t i = 0; i < count; i++) {
        const hf_field *const f = &head->fields.at[i];
        fields[i] = (hf_field){ moved(f->name, said, text), moved(f->value, said, text), f->id };
    }
    m->said = hf_bytes_make(text, said.len);
    m->head = *head;
    m->head.fields = (hf_fields){ fields, count };
    hf_bytes *const parts[] = { &m->head.method_name, &m->head.target, &m->head.scheme, &m->head.authority, &m->head.path,
                                &m->head.query, &m->head.upgrade };
    for (size_t i = 0; i < HF_COUNT(parts); i++)
        *parts[i] = moved(*parts[i], said, text);
}

/* Room for `n` bytes. False: there is none, and a memo that was there is as it was. */
static bool make_room(hf_http1 *h, size_t n)
{
    hf_http1_memo *const old = h->memo;
    const size_t capacity = (n + STEP - 1) / STEP * STEP, before = old != NULL ? sizeof *old + old->capacity : 0;
    if (old != NULL && old->capacity >= n)
        return true;
    hf_http1_memo *const m = hf_resize(&h->env->alloc, old, before, sizeof *m + capacity);
    if (m == NULL)
        return false;
    if (old == NULL)
        *m = (hf_http1_memo){ 0 };
    m->said.len = 0; /* it led into the old place */
    m->capacity = capacity;
    h->memo = m;
    return true;
}

/* A core goes from connection to connection, and what it remembers lies in memory for a while: nothing that tells who somebody is. */
static bool is_personal(const hf_request_head *head)
{
    for (size_t i = 0; i < head->fields.count; i++)
        switch (head->fields.at[i].id) {
        case HF_FIELD_COOKIE:
        case HF_FIELD_AUTHORIZATION:
        case HF_FIELD_PROXY_AUTHORIZATION:
            return true;
        default:
            break;
        }
    return head->query.len > 0;
}

void hf_http1_remember(hf_http1 *h, hf_bytes said, const hf_request_head *head)
{
    const size_t need = head->fields.count * sizeof(hf_field) + said.len;
    const bool in_vain = h->memo != NULL && h->memo->vain == VAIN_MOST && h->requests % NOW_AND_THEN != 0;
    if (in_vain || said.len > MOST || is_personal(head) || !make_room(h, need)) /* then it is parsed each time */
        return;
    copy_head(h->memo, said, head);
    if (h->memo->vain < VAIN_MOST)
        h->memo->vain++;
}

void hf_http1_forget(hf_http1 *h)
{
    if (h->memo != NULL)
        hf_free(&h->env->alloc, h->memo, sizeof *h->memo + h->memo->capacity);
    h->memo = NULL;
}
