/* SPDX-License-Identifier: Apache-2.0 */
#include "hints.h"

#include "priority.h"
#include "text.h"
#include "token.h"

/* ---- which requests ----------------------------------------------------------------------------------------- */

/* Browsers say what a request is for (Fetch Metadata): a document, not one of its parts. Of others the path must tell. */
static bool is_page(const hf_req *rq)
{
    const hf_field *const dest = hf_fields_find_name(rq->head.fields, hf_text("sec-fetch-dest"));
    if (dest != NULL)
        return hf_bytes_equal(dest->value, hf_text("document")) || hf_bytes_equal(dest->value, hf_text("iframe"));
    const uint8_t *const slash = memrchr(rq->path.ptr, '/', rq->path.len);
    const hf_bytes last = hf_bytes_make(slash + 1, (size_t)(rq->path.ptr + rq->path.len - slash - 1));
    return memchr(last.ptr, '.', last.len) == NULL || hf_ends_with(last, hf_text(".html")) || hf_ends_with(last, hf_text(".htm"));
}

/* ---- 103 ---------------------------------------------------------------------------------------------------- */

/* "as" tells the browser how urgent it is; without it most fetch the thing twice (Preload 2.1). */
static const char *attributes_of(hf_bytes path)
{
    static const char *const table[][2] = {
        { ".css", "; as=style" },   { ".js", "; as=script" },   { ".mjs", "; as=script" },  { ".woff2", "; as=font; crossorigin" },
        { ".woff", "; as=font; crossorigin" }, { ".svg", "; as=image" }, { ".png", "; as=image" }, { ".jpg", "; as=image" },
        { ".jpeg", "; as=image" },  { ".webp", "; as=image" },  { ".avif", "; as=image" },  { ".gif", "; as=image" },
        { ".json", "; as=fetch; crossorigin" },
    };
    const uint8_t *const query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    if (query != NULL)
        path.len = (size_t)(query - path.ptr);
    for (size_t i = 0; i < HF_COUNT(table); i++)
        if (hf_ends_with(path, hf_text(table[i][0])))
            return table[i][1];
    return "";
}

static void hint(hf_req *rq, const char *const *paths)
{
    uint8_t text[1024];
    hf_writer w = hf_writer_make(text, sizeof text);
    for (; *paths != NULL; paths++) {
        const size_t before = w.length;
        hf_write_text(&w, before > 0 ? ", <" : "<");
        hf_write_text(&w, *paths);
        hf_write_text(&w, ">; rel=preload");
        hf_write_text(&w, attributes_of(hf_text(*paths)));
        if (w.overflowed) { /* a hint: what does not fit is found later, in the page */
            w.length = before;
            break;
        }
    }
    if (w.length > 0)
        (void)!hf_reply_early_hint(rq, hf_bytes_make(text, w.length)).code;
}

/* ---- push --------------------------------------------------------------------------------------------------- */

hf_err hf_req_push(hf_req *rq, hf_bytes target)
{
    /* What chooses among representations is asked for as the page was; the page's own validators and ranges are not. */
    static const char *const copied[] = { "accept-encoding", "accept-language", "cookie", "user-agent" };
    hf_dialog *const d = rq->dialog;
    const hf_request_head *const h = &rq->head;
    hf_field fields[HF_COUNT(copied)];
    size_t count = 0;
    for (size_t i = 0; i < HF_COUNT(copied); i++) {
        const hf_field *const f = hf_fields_find_name(h->fields, hf_text(copied[i]));
        if (f != NULL)
            fields[count++] = *f;
    }
    const uint8_t *const mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    const size_t path = mark != NULL ? (size_t)(mark - target.ptr) : target.len;
    const hf_request_head head = { .method = HF_METHOD_GET, .version = h->version, .form = HF_TARGET_ORIGIN,
        .method_name = hf_text("GET"), .target = target, .scheme = h->scheme, .authority = h->authority,
        .path = hf_bytes_make(target.ptr, path), .query = mark != NULL ? hf_bytes_make(mark + 1, target.len - path - 1) : hf_bytes_make(NULL, 0),
        .fields = { fields, count }, .content_length = HF_LENGTH_NONE, .keep_alive = true };
    if (target.len == 0 || target.ptr[0] != '/')
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (rq->answered || !hf_web_can_push(d->web))
        return hf_err_make(HF_ERR_HTTP2_PUSH);
    hf_exchange promised;
    const hf_err err = hf_web_push(d->web, rq->exchange, &head, &promised);
    if (err.code == 0) {
        hf_web_prioritise(d->web, promised, HF_URGENCY_USUAL + 1, false); /* the page first */
        hf_dialog_promised(d, promised, &head);
    }
    return err;
}

static void push(hf_req *rq, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        (void)!hf_req_push(rq, hf_text(*paths)).code; /* what was pushed before is not pushed again: that is well */
}

/* ---- what answers taught ------------------------------------------------------------------------------------ */

/* A page, named by authority and path, and the links of its last answer. `text` has room for hint_bytes. */
typedef struct page {
    size_t name, links; /* bytes of each; name 0: an empty row */
    uint8_t *text;
} page;

struct hf_hints {
    size_t count, next; /* rows; the oldest */
    page pages[];
};

static size_t size_of(const hf_limits *l)
{
    return sizeof(struct hf_hints) + (size_t)l->learned_hints * (sizeof(page) + (size_t)l->learned_hint_bytes);
}

static struct hf_hints *hints_of(hf_service *s)
{
    const hf_limits *const l = s->env->limits;
    if (s->hints != NULL || l->learned_hints == 0)
        return s->hints;
    s->hints = hf_alloc_zeroed(&s->env->alloc, size_of(l));
    if (s->hints == NULL)
        return NULL;
    s->hints->count = (size_t)l->learned_hints;
    uint8_t *const texts = (uint8_t *)(s->hints->pages + s->hints->count);
    for (size_t i = 0; i < s->hints->count; i++)
        s->hints->pages[i].text = texts + i * l->learned_hint_bytes;
    return s->hints;
}

void hf_hints_fini(hf_service *s)
{
    if (s->hints != NULL)
        hf_free(&s->env->alloc, s->hints, size_of(s->env->limits));
    s->hints = NULL;
}

static bool is_named(const page *p, const hf_req *rq)
{
    const hf_bytes host = rq->head.authority;
    return p->name > 0 && p->name == host.len + rq->path.len && (host.len == 0 || memcmp(p->text, host.ptr, host.len) == 0) &&
        memcmp(p->text + host.len, rq->path.ptr, rq->path.len) == 0;
}

static page *find(const struct hf_hints *hints, const hf_req *rq)
{
    for (size_t i = 0; hints != NULL && i < hints->count; i++)
        if (is_named(&hints->pages[i], rq))
            return (page *)&hints->pages[i];
    return NULL;
}

/* What one client's answer says may be for that client alone: then nobody else is told. */
static bool is_for_all(const hf_req *rq, hf_fields answer)
{
    const hf_fields asked = rq->head.fields;
    if (hf_fields_find(asked, HF_FIELD_COOKIE) != NULL || hf_fields_find(asked, HF_FIELD_AUTHORIZATION) != NULL ||
        hf_fields_find(answer, HF_FIELD_SET_COOKIE) != NULL)
        return false;
    for (size_t i = 0; i < answer.count; i++)
        if (answer.at[i].id == HF_FIELD_CACHE_CONTROL &&
            (hf_list_has(answer.at[i].value, "private") || hf_list_has(answer.at[i].value, "no-store")))
            return false;
    return true;
}

static bool is_preload(const hf_field *f)
{
    return hf_text_same(f->name, hf_text("link")) && f->value.len > 0 &&
        (memmem(f->value.ptr, f->value.len, "rel=pre", 7) != NULL || memmem(f->value.ptr, f->value.len, "rel=\"pre", 8) != NULL);
}

void hf_hints_learn(hf_req *rq, uint16_t status, hf_fields fields)
{
    const hf_route *const route = rq->match.route;
    if (route == NULL || !route->learn_hints || status != 200 || rq->head.method != HF_METHOD_GET || !is_for_all(rq, fields))
        return;
    struct hf_hints *const hints = hints_of(rq->service);
    if (hints == NULL)
        return;
    page *p = find(hints, rq);
    if (p == NULL) {
        p = &hints->pages[hints->next];
        hints->next = (hints->next + 1) % hints->count;
    }
    p->name = 0; /* what it was taught before holds no more */
    hf_writer w = hf_writer_make(p->text, (size_t)rq->service->env->limits->learned_hint_bytes);
    hf_write(&w, rq->head.authority);
    hf_write(&w, rq->path);
    const size_t name = w.length;
    for (size_t i = 0; i < fields.count; i++)
        if (is_preload(&fields.at[i])) {
            hf_write_text(&w, w.length > name ? ", " : "");
            hf_write(&w, fields.at[i].value);
        }
    if (!w.overflowed && w.length > name) {
        p->name = name;
        p->links = w.length - name;
    }
}

/* ---- before the answer -------------------------------------------------------------------------------------- */

void hf_hints_give(hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    if ((route->hints == NULL && route->push == NULL && !route->learn_hints) || rq->head.version < HF_HTTP_2 ||
        rq->dialog->promising || rq->head.method != HF_METHOD_GET || !is_page(rq))
        return;
    if (route->push != NULL && hf_web_can_push(rq->dialog->web))
        push(rq, route->push);
    else if (route->push != NULL)
        hint(rq, route->push);
    if (route->hints != NULL)
        hint(rq, route->hints);
    const page *const p = route->learn_hints ? find(rq->service->hints, rq) : NULL;
    if (p != NULL)
        (void)!hf_reply_early_hint(rq, hf_bytes_make(p->text + p->name, p->links)).code;
}
