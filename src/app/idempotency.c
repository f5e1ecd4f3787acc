/* SPDX-License-Identifier: Apache-2.0
 *
 * One table under one lock: a key is looked at twice for each request that carries one, and such requests do real work.
 * Entries lie in a hash table with chains, and in the order of their age, which is the order in which they go. With a base
 * behind it (store.h) the table holds what is under way and was answered lately, and the base all of it.
 */
#include "idempotency.h"

#include <pthread.h>
#include <stdatomic.h>

#include "alloc.h"
#include "pool.h"

enum { BUCKETS = 4096 };

typedef enum entry_state { RUNNING, ANSWERED, LOST } entry_state;

typedef struct hf_idempotent entry;
struct hf_idempotent {
    hf_idempotency_store *store;
    entry *chain;           /* of its bucket */
    entry *older, *newer;
    entry_state state;
    bool held;              /* somebody will say what became of it */
    bool based;             /* the base has claimed it, too, by this name */
    uint8_t name[32];
    hf_time until;
    uint64_t hash;
    hf_bytes key, request;  /* memory of the entry; the key with its scope */
    uint8_t *memory;        /* of both */
    size_t memory_size;
    uint16_t status;
    hf_bytes fields, body;  /* fields: name NUL value NUL, ... */
    uint8_t *answer;        /* of both */
    size_t answer_size;
};

struct hf_idempotency_store {
    hf_allocator alloc;
    hf_limits limits;
    _Atomic uint32_t references;
    pthread_mutex_t lock; /* of all below */
    entry *buckets[BUCKETS];
    entry *oldest, *newest;
    uint64_t count, bytes;
    hf_pool *pool;          /* these two: of whoever opened it */
    const hf_key_store *base;
};

hf_idempotency_store *hf_idempotency_new(const hf_allocator *alloc, const hf_limits *limits)
{
    hf_idempotency_store *s = hf_alloc_zeroed(alloc, sizeof *s);
    if (s == NULL)
        return NULL;
    s->alloc = *alloc;
    s->limits = *limits;
    atomic_init(&s->references, 1);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

/* ---- entries: under the lock -------------------------------------------------------------------------------- */

/* FNV-1a: the key is the client's, and a crowd of keys in one bucket slows its sender's own requests; how many there can
 * be is bounded. */
static uint64_t hash_of(hf_bytes key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.ptr[i]) * 1099511628211u;
    return h ^ h >> 32;
}

static entry **place_of(hf_idempotency_store *s, uint64_t hash, hf_bytes key)
{
    entry **at = &s->buckets[hash % BUCKETS];
    while (*at != NULL && !((*at)->hash == hash && hf_bytes_equal((*at)->key, key)))
        at = &(*at)->chain;
    return at;
}

static void remove_entry(entry *e)
{
    hf_idempotency_store *s = e->store;
    entry **at = &s->buckets[e->hash % BUCKETS];
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        s->oldest = e->newer;
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        s->newest = e->older;
    s->count--;
    s->bytes -= e->memory_size + e->answer_size;
    hf_free(&s->alloc, e->memory, e->memory_size);
    hf_free(&s->alloc, e->answer, e->answer_size);
    hf_free(&s->alloc, e, sizeof *e);
}

/* Makes room for one more of `bytes`: what is over goes, then the oldest answered ones. False when all that is left is
 * being answered. */
static bool make_room(hf_idempotency_store *s, hf_time now, uint64_t bytes)
{
    for (entry *e = s->oldest, *next; e != NULL; e = next) {
        const bool full = s->count >= s->limits.idempotency_keys || s->bytes + bytes > s->limits.idempotency_bytes;
        next = e->newer;
        if (!full && hf_time_before(now, e->until))
            break;
        if (!e->held)
            remove_entry(e);
    }
    return s->count < s->limits.idempotency_keys && s->bytes + bytes <= s->limits.idempotency_bytes;
}

/* The first `name` bytes of `whole` are its key. */
static entry *add_entry(hf_idempotency_store *s, hf_time now, hf_bytes whole, size_t name, uint64_t hash)
{
    entry *e = hf_alloc_zeroed(&s->alloc, sizeof *e);
    uint8_t *memory = hf_alloc(&s->alloc, whole.len);
    if (e == NULL || memory == NULL) {
        hf_free(&s->alloc, e, sizeof *e);
        hf_free(&s->alloc, memory, whole.len);
        return NULL;
    }
    memcpy(memory, whole.ptr, whole.len);
    *e = (entry){ .store = s, .held = true, .hash = hash, .memory = memory, .memory_size = whole.len,
        .key = hf_bytes_make(memory, name), .request = hf_bytes_make(memory + name, whole.len - name),
        .until = hf_time_after(now, (int64_t)s->limits.idempotency_ns), .older = s->newest,
        .chain = s->buckets[hash % BUCKETS] };
    s->buckets[hash % BUCKETS] = e;
    if (s->newest != NULL)
        s->newest->newer = e;
    else
        s->oldest = e;
    s->newest = e;
    s->count++;
    s->bytes += whole.len;
    return e;
}

void hf_idempotency_drop(hf_idempotency_store *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) > 1)
        return;
    while (s->oldest != NULL)
        remove_entry(s->oldest);
    pthread_mutex_destroy(&s->lock);
    const hf_allocator alloc = s->alloc;
    hf_free(&alloc, s, sizeof *s);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static size_t gathered_size(const hf_bytes *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += sizeof parts[i].len + parts[i].len;
    return size;
}

/* Each behind its length, so that no two lists look alike. */
static uint8_t *gather_parts(uint8_t *p, const hf_bytes *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(p, &parts[i].len, sizeof parts[i].len);
        p += sizeof parts[i].len;
        if (parts[i].len > 0)
            memcpy(p, parts[i].ptr, parts[i].len);
        p += parts[i].len;
    }
    return p;
}

/* The key with its scope, of *name bytes, and the parts, in one run. Gives memory; ptr is NULL when there is none. */
static hf_span gather(const hf_allocator *alloc, const hf_idempotency_request *r, size_t *name)
{
    *name = gathered_size(r->key, HF_COUNT(r->key));
    const size_t size = *name + gathered_size(r->parts, r->part_count);
    uint8_t *const memory = hf_alloc(alloc, size);
    if (memory != NULL)
        (void)gather_parts(gather_parts(memory, r->key, HF_COUNT(r->key)), r->parts, r->part_count);
    return (hf_span){ memory, size };
}

/* The next NUL-terminated piece. */
static hf_bytes next_text(const uint8_t **p)
{
    const hf_bytes b = hf_text((const char *)*p);
    *p += b.len + 1;
    return b;
}

static void read_answer(hf_idempotency_answer *a, uint16_t status, hf_bytes fields, hf_bytes body)
{
    *a = (hf_idempotency_answer){ .status = status, .body = body };
    for (const uint8_t *p = fields.ptr; p < fields.ptr + fields.len && a->field_count < HF_COUNT(a->fields); a->field_count++) {
        a->fields[a->field_count].name = next_text(&p);
        a->fields[a->field_count].value = next_text(&p);
    }
}

static bool copy_answer(const entry *e, hf_idempotency_answer *a, void *(*copy)(void *self, size_t size), void *self)
{
    uint8_t *memory = copy(self, e->answer_size + 1);
    if (memory == NULL)
        return false;
    if (e->answer_size > 0)
        memcpy(memory, e->answer, e->answer_size);
    read_answer(a, e->status, hf_bytes_make(memory, e->fields.len), hf_bytes_make(memory + e->fields.len, e->body.len));
    return true;
}

hf_idempotency_verdict hf_idempotency_begin(hf_idempotency_store *s, hf_time now, const hf_idempotency_request *r,
    hf_idempotent **held, hf_idempotency_answer *answer, void *(*copy)(void *self, size_t size), void *self)
{
    size_t name;
    const hf_span whole = gather(&s->alloc, r, &name);
    *held = NULL;
    if (whole.ptr == NULL)
        return HF_IDEMPOTENCY_MEMORY;
    const hf_bytes key = hf_bytes_make(whole.ptr, name);
    const uint64_t hash = hash_of(key);
    hf_idempotency_verdict verdict;
    pthread_mutex_lock(&s->lock);
    entry *e = *place_of(s, hash, key);
    if (e != NULL && !e->held && !hf_time_before(now, e->until)) {
        remove_entry(e);
        e = NULL;
    }
    if (e != NULL && !hf_bytes_equal(e->request, hf_bytes_make(whole.ptr + name, whole.len - name)))
        verdict = HF_IDEMPOTENCY_MISMATCH;
    else if (e != NULL && e->state == ANSWERED)
        verdict = copy_answer(e, answer, copy, self) ? HF_IDEMPOTENCY_AGAIN : HF_IDEMPOTENCY_MEMORY;
    else if (e != NULL)
        verdict = e->state == LOST ? HF_IDEMPOTENCY_LOST : HF_IDEMPOTENCY_BUSY;
    else if (!make_room(s, now, whole.len))
        verdict = HF_IDEMPOTENCY_FULL;
    else if ((e = add_entry(s, now, hf_bytes_make(whole.ptr, whole.len), name, hash)) == NULL)
        verdict = HF_IDEMPOTENCY_MEMORY;
    else {
        atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
        *held = e;
        verdict = s->base != NULL ? HF_IDEMPOTENCY_ASK : HF_IDEMPOTENCY_FIRST;
    }
    pthread_mutex_unlock(&s->lock);
    hf_free(&s->alloc, whole.ptr, whole.len);
    return verdict;
}

/* ---- the base ------------------------------------------------------------------------------------------------ */

void hf_idempotency_back(hf_idempotency_store *s, const hf_key_store *base, struct hf_pool *pool)
{
    s->base = base;
    s->pool = pool;
}

void hf_idempotency_stay(hf_idempotency_store *s)
{
    if (s != NULL)
        s->pool = NULL;
}

/* Name and value by turns, each to its NUL, and nothing else. */
static bool is_packed(hf_bytes fields)
{
    size_t texts = 0;
    for (size_t i = 0; i < fields.len; i++)
        texts += fields.ptr[i] == 0;
    return texts % 2 == 0 && (fields.len == 0 || fields.ptr[fields.len - 1] == 0);
}

hf_idempotency_verdict hf_idempotent_ask(hf_idempotent *e, const hf_key_claim *claim, hf_idempotency_answer *answer, hf_span room)
{
    static const hf_idempotency_verdict verdicts[] = { [HF_CLAIM_NEW] = HF_IDEMPOTENCY_FIRST, [HF_CLAIM_ANSWERED] = HF_IDEMPOTENCY_AGAIN,
        [HF_CLAIM_LOST] = HF_IDEMPOTENCY_LOST, [HF_CLAIM_RUNNING] = HF_IDEMPOTENCY_BUSY, [HF_CLAIM_OTHER] = HF_IDEMPOTENCY_MISMATCH };
    const hf_key_store *base = e->store->base;
    hf_claim_verdict verdict = HF_CLAIM_LOST;
    hf_key_answer kept = { 0 };
    const hf_err err = base->claim(base->self, claim, &verdict, &kept, room);
    if (err.code == HF_ERR_BASE_MEMORY)
        return HF_IDEMPOTENCY_MEMORY;
    if (err.code != 0 || verdict > HF_CLAIM_OTHER || !is_packed(kept.fields))
        return HF_IDEMPOTENCY_BASE;
    if (verdict == HF_CLAIM_ANSWERED)
        read_answer(answer, kept.status, kept.fields, kept.body);
    if (verdict == HF_CLAIM_NEW) {
        e->based = true;
        memcpy(e->name, claim->key, sizeof e->name);
    }
    return verdicts[verdict];
}

/* Something to tell the base, for which no loop waits. */
typedef struct note {
    hf_job job; /* first */
    hf_idempotency_store *store; /* kept */
    entry *forgotten;            /* not NULL: the key is given up, and until the base knows it is taken */
    uint8_t name[32];
    hf_key_answer answer;
    size_t size;
    uint8_t bytes[];
} note;

static void tell(const hf_key_store *base, const uint8_t name[32], bool forget, const hf_key_answer *answer)
{
    const hf_err err = forget ? base->forget(base->self, name) : base->keep(base->self, name, answer);
    (void)err.code; /* the claim stays, and its answer is lost: nothing is done twice */
}

static void forget_entry(entry *e)
{
    hf_idempotency_store *s = e->store;
    pthread_mutex_lock(&s->lock);
    remove_entry(e);
    pthread_mutex_unlock(&s->lock);
}

static void write_note(hf_job *job)
{
    note *n = (note *)job;
    hf_idempotency_store *s = n->store;
    tell(s->base, n->name, n->forgotten != NULL, &n->answer);
    if (n->forgotten != NULL)
        forget_entry(n->forgotten);
    hf_free(&s->alloc, n, sizeof *n + n->size);
    hf_idempotency_drop(s);
}

/* `forgotten`, or the answer. Where no thread takes it, it is done here. */
static void tell_base(hf_idempotency_store *s, const uint8_t name[32], entry *forgotten, const hf_key_answer *a)
{
    const size_t size = a->fields.len + a->body.len;
    note *n = s->pool != NULL ? hf_alloc(&s->alloc, sizeof *n + size) : NULL;
    if (n != NULL) {
        *n = (note){ .job = { .work = write_note, .abandon = write_note }, .store = s, .forgotten = forgotten, .size = size };
        memcpy(n->name, name, sizeof n->name);
        if (a->fields.len > 0)
            memcpy(n->bytes, a->fields.ptr, a->fields.len);
        if (a->body.len > 0)
            memcpy(n->bytes + a->fields.len, a->body.ptr, a->body.len);
        n->answer = (hf_key_answer){ a->status, hf_bytes_make(n->bytes, a->fields.len), hf_bytes_make(n->bytes + a->fields.len, a->body.len) };
        atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
        if (hf_pool_give(s->pool, &n->job))
            return;
        write_note(&n->job);
        return;
    }
    tell(s->base, name, forgotten != NULL, a);
    if (forgotten != NULL)
        forget_entry(forgotten);
}

void hf_idempotent_unask(hf_idempotent *e)
{
    hf_idempotency_store *s = e->store;
    forget_entry(e);
    hf_idempotency_drop(s);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

/* Gives memory: fields, then body. ptr is NULL when it is too large or there is none. */
static hf_span pack(const hf_idempotency_store *s, hf_fields fields, const hf_bytes *pieces, size_t count, size_t *head)
{
    size_t size = 0;
    *head = 0;
    for (size_t i = 0; i < fields.count; i++)
        *head += fields.at[i].name.len + fields.at[i].value.len + 2;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].len;
    if (size > HF_IDEMPOTENT_BODY)
        return (hf_span){ NULL, 0 };
    uint8_t *memory = hf_alloc(&s->alloc, *head + size + 1), *p = memory;
    if (memory == NULL)
        return (hf_span){ NULL, 0 };
    for (size_t i = 0; i < fields.count; i++)
        for (int k = 0; k < 2; k++) {
            const hf_bytes b = k == 0 ? fields.at[i].name : fields.at[i].value;
            if (b.len > 0)
                memcpy(p, b.ptr, b.len);
            p[b.len] = 0;
            p += b.len + 1;
        }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > 0)
            memcpy(p, pieces[i].ptr, pieces[i].len);
        p += pieces[i].len;
    }
    return (hf_span){ memory, *head + size + 1 };
}

void hf_idempotent_keep(hf_idempotent *e, uint16_t status, hf_fields fields, const hf_bytes *pieces, size_t count)
{
    size_t head;
    if (e == NULL)
        return;
    hf_idempotency_store *s = e->store;
    const hf_span memory = pack(s, fields, pieces, count, &head);
    if (memory.ptr == NULL) {
        hf_idempotent_lose(e);
        return;
    }
    if (e->based) /* while the key is held: nobody asks the base about it */
        tell_base(s, e->name, NULL, &(hf_key_answer){ head <= HF_IDEMPOTENT_ROOM - HF_IDEMPOTENT_BODY ? status : 0,
            hf_bytes_make(memory.ptr, head), hf_bytes_make(memory.ptr + head, memory.len - head - 1) });
    pthread_mutex_lock(&s->lock);
    if (s->bytes + memory.len > s->limits.idempotency_bytes)
        (void)make_room(s, hf_time_make(INT64_MIN), memory.len);
    const bool room = s->bytes + memory.len <= s->limits.idempotency_bytes;
    e->held = false;
    e->state = room ? ANSWERED : LOST;
    if (room) {
        e->status = status;
        e->answer = memory.ptr;
        e->answer_size = memory.len;
        e->fields = hf_bytes_make(memory.ptr, head);
        e->body = hf_bytes_make(memory.ptr + head, memory.len - head - 1);
        s->bytes += memory.len;
    }
    pthread_mutex_unlock(&s->lock);
    if (!room)
        hf_free(&s->alloc, memory.ptr, memory.len);
    hf_idempotency_drop(s);
}

void hf_idempotent_lose(hf_idempotent *e)
{
    if (e == NULL)
        return;
    hf_idempotency_store *s = e->store;
    if (e->based)
        tell_base(s, e->name, NULL, &(hf_key_answer){ .status = 0 });
    pthread_mutex_lock(&s->lock);
    e->state = LOST;
    e->held = false;
    pthread_mutex_unlock(&s->lock);
    hf_idempotency_drop(s);
}

void hf_idempotent_abandon(hf_idempotent *e)
{
    if (e == NULL)
        return;
    hf_idempotency_store *s = e->store;
    if (e->based)
        tell_base(s, e->name, e, &(hf_key_answer){ .status = 0 });
    else
        forget_entry(e);
    hf_idempotency_drop(s);
}

void hf_idempotent_answer(hf_idempotent *e, uint16_t status, const char *content_type, hf_bytes body)
{
    static const hf_bytes name = HF_LITERAL("Content-Type");
    const hf_field field = { .name = name, .value = hf_text(content_type), .id = HF_FIELD_CONTENT_TYPE };
    if (status >= 500)
        hf_idempotent_abandon(e);
    else
        hf_idempotent_keep(e, status, (hf_fields){ &field, content_type != NULL }, &body, 1);
}
