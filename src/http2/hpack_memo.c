/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer's head that was just said, for when it is said again. A block of nothing but indexed fields means the same
 * for as long as the dynamic table stays as it is, so it is kept beside the fields that it stands for: to compare those is
 * a fraction of the work to judge, hash and look up each of them. Files that are asked for many times on a connection are
 * answered so; the Date changes the table once a second, and the memo with it.
 */
#include "hpack.h"

#include "alloc.h"
#include "panic.h"

enum { MEMO_FIELDS = 24, MEMO_BLOCK = 40, MEMO_TEXT = 640 };

struct hf_hpack_memo {
    int64_t length;
    uint64_t inserted; /* of the table, when it was made */
    uint32_t capacity;
    uint16_t status;
    uint8_t count, block_length; /* block_length 0: it holds nothing */
    uint8_t block[MEMO_BLOCK];
    uint8_t ids[MEMO_FIELDS];
    uint16_t lines[2];                                /* their lengths in the text, where they are first */
    uint16_t names[MEMO_FIELDS], values[MEMO_FIELDS]; /* likewise, behind them */
    uint8_t text[MEMO_TEXT];                          /* each name, where no id says it, then the value */
};
_Static_assert(HF_FIELD_COUNT <= UINT8_MAX, "an id fits into a byte");

void hf_hpack_memo_free(hf_hpack_encoder *e)
{
    hf_free(e->table.alloc, e->memo, sizeof *e->memo);
    e->memo = NULL;
}

/* The name, where the id does not say it. */
static hf_bytes name_of(const hf_field *f)
{
    return f->id == HF_FIELD_OTHER ? f->name : hf_bytes_make("", 0);
}

static bool is_next(const uint8_t **text, uint16_t length, hf_bytes s)
{
    const uint8_t *const at = *text;
    *text += length;
    return s.len == length && (length == 0 || memcmp(at, s.ptr, length) == 0);
}

hf_bytes hf_hpack_recall(const hf_hpack_encoder *e, const hf_response_head *head, int64_t length)
{
    const hf_bytes none = hf_bytes_make(NULL, 0);
    const hf_hpack_memo *const m = e->memo;
    if (m == NULL || m->block_length == 0 || e->resized || m->length != length || m->status != head->status ||
        m->count != head->fields.count || m->inserted != e->table.inserted || m->capacity != e->table.capacity)
        return none;
    const uint8_t *text = m->text;
    if (!is_next(&text, m->lines[0], head->lines[0]) || !is_next(&text, m->lines[1], head->lines[1]))
        return none;
    for (size_t i = 0; i < m->count; i++) {
        const hf_field *const f = &head->fields.at[i];
        if (m->ids[i] != f->id || !is_next(&text, m->names[i], name_of(f)) || !is_next(&text, m->values[i], f->value))
            return none;
    }
    return hf_bytes_make(m->block, m->block_length);
}

void hf_hpack_remember(hf_hpack_encoder *e, const hf_response_head *head, int64_t length, hf_bytes block)
{
    if (e->literal || block.len > MEMO_BLOCK || head->fields.count > MEMO_FIELDS)
        return;
    if (e->memo == NULL && (e->memo = hf_alloc_zeroed(e->table.alloc, sizeof *e->memo)) == NULL)
        return; /* it is said as before, then */
    hf_hpack_memo *const m = e->memo;
    hf_writer w = hf_writer_make(m->text, sizeof m->text);
    m->block_length = 0;
    for (size_t i = 0; i < HF_COUNT(m->lines); i++) {
        hf_write(&w, head->lines[i]);
        m->lines[i] = (uint16_t)head->lines[i].len;
    }
    if (w.overflowed)
        return;
    for (size_t i = 0; i < head->fields.count; i++) {
        const hf_field *const f = &head->fields.at[i];
        const hf_bytes name = name_of(f);
        hf_write(&w, name);
        hf_write(&w, f->value);
        if (w.overflowed)
            return;
        m->ids[i] = (uint8_t)f->id;
        m->names[i] = (uint16_t)name.len;
        m->values[i] = (uint16_t)f->value.len;
    }
    m->length = length;
    m->inserted = e->table.inserted;
    m->capacity = e->table.capacity;
    m->status = head->status;
    m->count = (uint8_t)head->fields.count;
    memcpy(m->block, block.ptr, block.len);
    m->block_length = (uint8_t)block.len;
}
