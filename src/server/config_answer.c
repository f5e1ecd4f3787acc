/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers of a configuration's own answers and redirects.
 */
#include "config_plan.h"

#include "config_rules.h"
#include "guards_kinds.h"
#include "service.h"
#include "target.h"

static const hf_config_item *action_of(const hf_req *rq)
{
    const hf_config_plan *p = hf_req_context(rq);
    return p->actions[rq->match.route - p->routes].action;
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

/* Where a policy says 'nonce-{nonce}', each answer has a nonce of its own, in its policy and in its text. */
static bool wants_nonce(const hf_config_item *action)
{
    const hf_config_item *h = hf_config_find(action->block, HF_CONFIG_ID_HEADER);
    while (h != NULL && !hf_config_is_policy(h, HF_CONFIG_NONCE))
        h = hf_config_next(h);
    return h != NULL;
}

/* `text` with the nonce wherever it says {nonce}; ptr NULL: memory ended. */
static hf_bytes put_nonce(hf_req *rq, hf_bytes text, hf_bytes nonce)
{
    const hf_bytes word = hf_text("{nonce}");
    const size_t room = text.len / word.len * HF_NONCE + text.len % word.len + HF_NONCE; /* each word is shorter than its nonce */
    uint8_t *const memory = nonce.ptr != NULL ? hf_req_alloc(rq, room) : NULL;
    if (memory == NULL)
        return nonce.ptr != NULL ? hf_bytes_make(NULL, 0) : text;
    hf_writer w = hf_writer_make(memory, room);
    while (text.len > 0) {
        const uint8_t *const at = memmem(text.ptr, text.len, word.ptr, word.len);
        const size_t before = at != NULL ? (size_t)(at - text.ptr) : text.len, taken = before + (at != NULL ? word.len : 0);
        hf_write(&w, hf_bytes_make(text.ptr, before));
        if (at != NULL)
            hf_write(&w, nonce);
        text = hf_bytes_make(text.ptr + taken, text.len - taken);
    }
    return hf_written(&w);
}

hf_err hf_config_answer(hf_req *rq)
{
    char fresh[HF_NONCE];
    hf_bytes nonce = { NULL, 0 };
    const hf_config_item *action = action_of(rq);
    const hf_config_item *header = hf_config_find(action->block, HF_CONFIG_ID_HEADER);
    hf_err err = HF_OK;
    if (wants_nonce(action)) {
        hf_crypto *const crypto = hf_crypto_of(rq);
        err = crypto != NULL ? hf_csp_nonce(crypto, fresh) : hf_err_make(HF_ERR_BASE_MEMORY);
        nonce = hf_bytes_make(fresh, sizeof fresh);
    }
    for (; header != NULL && err.code == 0; header = hf_config_next(header)) {
        const hf_bytes value = put_nonce(rq, hf_text(hf_config_value_of(header, 1)->text), nonce);
        err = value.ptr != NULL ? hf_reply_field(rq, hf_config_value_of(header, 0)->text, value) : hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const hf_bytes text = err.code == 0 ? put_nonce(rq, hf_text(hf_config_value_of(action, 1)->text), nonce) : hf_text("");
    if (err.code == 0 && text.ptr == NULL)
        err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code != 0)
        return err;
    return hf_reply(rq, (uint16_t)hf_config_value_of(action, 0)->number,
        text.len > 0 ? hf_config_text_of(action->block, HF_CONFIG_ID_TYPE) : NULL, text);
}

/* ---- redirects ------------------------------------------------------------------------------------------------ */

static void write_argument(hf_writer *w, const hf_route_match *match, hf_bytes name)
{
    for (size_t i = 0; i < match->argument_count; i++) {
        const hf_path_argument *a = &match->arguments[i];
        if (!hf_bytes_equal(name, hf_bytes_make(a->name, a->name_length)))
            continue;
        if (a->name[a->name_length] == '.') /* {name...}: slashes stay slashes */
            hf_path_write(w, a->value);
        else
            hf_percent_write(w, a->value);
    }
}

bool hf_config_locate(hf_writer *w, const char *to, const hf_route_match *match, hf_bytes path, hf_bytes query)
{
    const size_t begin = w->length;
    while (*to != 0) {
        const size_t plain = strcspn(to, "{");
        hf_write(w, hf_bytes_make(to, plain));
        to += plain;
        if (*to == 0)
            break;
        const hf_bytes name = hf_bytes_make(to + 1, strcspn(to, "}") - 1);
        const bool uri = hf_bytes_equal(name, hf_text("uri"));
        to += name.len + 2;
        if (uri || hf_bytes_equal(name, hf_text("path")))
            hf_path_write(w, path);
        else
            write_argument(w, match, name);
        if (uri && query.ptr != NULL) {
            hf_write_byte(w, '?');
            hf_write(w, query);
        }
    }
    /* "//host" would be another host (RFC 3986 4.2): an argument that begins with a slash must not make one. */
    if (w->length - begin > 1 && w->ptr[begin] == '/' && w->ptr[begin + 1] == '/' && w->capacity - w->length >= 2) {
        memmove(w->ptr + begin + 2, w->ptr + begin, w->length - begin);
        memcpy(w->ptr + begin, "/.", 2);
        w->length += 2;
    }
    return !w->overflowed;
}

size_t hf_config_locate_room(const char *to, hf_bytes path, hf_bytes query)
{
    size_t braces = 0;
    for (const char *p = to; *p != 0; p++)
        braces += *p == '{';
    return strlen(to) + 4 + braces * (path.len * 3 + 4 + query.len);
}

hf_err hf_config_redirect(hf_req *rq)
{
    const hf_config_item *action = action_of(rq);
    const char *to = hf_config_value_of(action, 0)->text;
    const hf_bytes query = hf_req_head(rq)->query;
    const size_t room = hf_config_locate_room(to, hf_req_path(rq), query);
    uint8_t *text = hf_req_alloc(rq, room);
    if (text == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(text, room);
    if (!hf_config_locate(&w, to, &rq->room->match, hf_req_path(rq), query))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    return hf_reply_redirect(rq, (uint16_t)hf_config_value_of(action, 1)->number, hf_written(&w));
}
