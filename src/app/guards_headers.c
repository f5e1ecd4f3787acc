/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard that denies nobody: security fields on every answer of the route, those of errors and refusals too.
 */
#include "guards_kinds.h"
#include "target.h"
#include "text.h"

/* A browser holds a host to https for as long as it was told, at every port of it: on a developer's own machine that is the next
 * program's, too. RFC 6797 8.1.1: addresses are no HSTS hosts. */
static bool is_lasting(hf_bytes authority)
{
    hf_bytes host;
    int32_t port;
    if (hf_authority_parse(authority, &host, &port).code != 0 || memchr(host.ptr, ':', host.len) != NULL)
        return false;
    while (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    const hf_bytes local = hf_text("localhost");
    const size_t n = local.len;
    if (host.len >= n && hf_text_same(hf_bytes_make(host.ptr + host.len - n, n), local) && (host.len == n || host.ptr[host.len - n - 1] == '.'))
        return false;
    return host.len > 0 && !(host.ptr[host.len - 1] >= '0' && host.ptr[host.len - 1] <= '9');
}

/* Names that everybody can look up: RFC 6761, 6762 2, 8375 and 9476 keep those below for networks of one's own. */
bool hf_host_is_public(hf_bytes authority)
{
    static const char *const own[] = { ".local", ".lan", ".internal", ".home.arpa", ".test", ".invalid", ".alt" };
    hf_bytes host;
    int32_t port;
    if (!is_lasting(authority) || hf_authority_parse(authority, &host, &port).code != 0)
        return false;
    while (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    for (size_t i = 0; i < HF_COUNT(own); i++) {
        const hf_bytes end = hf_text(own[i]);
        if (host.len >= end.len && hf_text_same(hf_bytes_make(host.ptr + host.len - end.len, end.len), end))
            return false;
    }
    return memchr(host.ptr, '.', host.len) != NULL;
}

hf_err hf_guard_headers_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    const hf_headers_guard *const g = (const hf_headers_guard *)self;
    struct hf_guarded *const found = hf_guarded_of(rq);
    hf_security_fields *const f = found != NULL ? hf_req_memory(rq, sizeof *f) : NULL;
    hf_crypto *const c = hf_crypto_of(rq);
    char name[64];
    (void)why;
    if (f == NULL || c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = hf_csp_nonce(c, found->nonce);
    found->has_nonce = err.code == 0;
    if (err.code == 0)
        err = hf_security_write(&g->rules, hf_req_is_secure(rq) && is_lasting(rq->head.authority), hf_bytes_make(found->nonce, HF_NONCE), (hf_fields){ rq->room->fields, rq->field_count }, f);
    for (size_t i = 0; err.code == 0 && i < f->count; i++) {
        memcpy(name, f->fields[i].name.ptr, f->fields[i].name.len); /* all are shorter */
        name[f->fields[i].name.len] = 0;
        err = hf_reply_field(rq, name, f->fields[i].value);
    }
    return err;
}

hf_bytes hf_req_nonce(const hf_req *rq)
{
    const struct hf_guarded *const found = hf_guarded_found(rq);
    return found != NULL && found->has_nonce ? hf_bytes_make(found->nonce, HF_NONCE) : hf_bytes_make(NULL, 0);
}

/* A handler, or an error page, has a better one: it stands in the place of the guard's. */
bool hf_guards_replace(hf_req *rq, const hf_field *field)
{
    static const char *const single[] = { "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy",
        "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy", "Cross-Origin-Resource-Policy", "Strict-Transport-Security" };
    bool known = false;
    for (size_t i = 0; i < HF_COUNT(single); i++)
        known = known || hf_text_same(field->name, hf_text(single[i]));
    for (size_t i = 0; known && i < rq->field_floor; i++)
        if (hf_text_same(rq->room->fields[i].name, field->name)) {
            rq->room->fields[i] = *field;
            return true;
        }
    return false;
}
