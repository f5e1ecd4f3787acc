/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-site request forgery: where did it come from, by the best witness there is; then the token.
 */
#include "guard_origin.h"

#include "base64.h"
#include "crypto_hash.h"
#include "crypto_secret.h"
#include "guard_why.h"
#include "text.h"

static bool is_listed(const char *const *list, hf_bytes text)
{
    for (; list != NULL && *list != NULL; list++)
        if (hf_bytes_equal(hf_text(*list), text))
            return true;
    return false;
}

/* A field that stands once. */
typedef struct witness {
    hf_bytes value; /* ptr NULL: absent */
    bool repeated;
} witness;

static void see(witness *w, const hf_field *f)
{
    w->repeated = w->value.ptr != NULL;
    w->value = hf_bytes_make(f->value.ptr != NULL ? f->value.ptr : (const uint8_t *)"", f->value.len);
}

/* Who can tell where a request comes from. */
typedef struct witnesses {
    witness site, origin, referer;
    const char *repeated; /* one that stands twice */
} witnesses;

/* All in one walk, and by the length of a name first: every request that changes something goes through here. */
static witnesses find(hf_fields fields)
{
    const hf_bytes site = HF_LITERAL("Sec-Fetch-Site"), origin = HF_LITERAL("Origin"), referer = HF_LITERAL("Referer");
    witnesses found = { .repeated = NULL };
    for (size_t i = 0; i < fields.count; i++) {
        const hf_field *const f = &fields.at[i];
        if (f->name.len == site.len && !found.site.repeated && hf_text_same(f->name, site))
            see(&found.site, f);
        else if (f->name.len == origin.len && !found.origin.repeated && hf_text_same(f->name, origin))
            see(&found.origin, f);
        else if (f->name.len == referer.len && !found.referer.repeated && hf_text_same(f->name, referer))
            see(&found.referer, f);
    }
    found.repeated = found.site.repeated ? "Sec-Fetch-Site" : found.origin.repeated ? "Origin" : found.referer.repeated ? "Referer" : NULL;
    return found;
}

static const char *text_of(hf_bytes self, char room[HF_ORIGIN_MOST + 1])
{
    const size_t n = self.len < HF_ORIGIN_MOST ? self.len : HF_ORIGIN_MOST;
    if (n > 0)
        memcpy(room, self.ptr, n);
    room[n] = 0;
    return room;
}

static bool is_secure(hf_bytes origin)
{
    return hf_starts_with(origin, hf_text("https://"));
}

/* What the network wrote in clear proves nothing to a page that came over TLS. */
static bool is_trusted(const char *const *trusted, hf_bytes self, hf_bytes origin)
{
    return is_listed(trusted, origin) && (is_secure(origin) || !is_secure(self));
}

static hf_err check_origin(const char *const *trusted, hf_bytes self, hf_bytes origin, hf_why *why)
{
    char room[HF_ORIGIN_MOST + 1];
    if ((self.len > 0 && hf_bytes_equal(origin, self)) || is_trusted(trusted, self, origin))
        return HF_OK;
    if (hf_bytes_equal(origin, hf_text("null")))
        return hf_why_tell(why, HF_ERR_CSRF_ORIGIN_NULL, origin, text_of(self, room));
    const size_t ours = is_secure(self) ? 8 : 7, theirs = is_secure(origin) ? 8 : 7;
    const bool same_host = origin.len > theirs && self.len > ours && ours != theirs &&
                           hf_bytes_equal(hf_bytes_make(origin.ptr + theirs, origin.len - theirs), hf_bytes_make(self.ptr + ours, self.len - ours));
    return hf_why_tell(why, same_host ? HF_ERR_CSRF_SCHEME : HF_ERR_CSRF_ORIGIN_MISMATCH, origin, text_of(self, room));
}

/* The origin at the front of a URL. */
static hf_bytes origin_of(hf_bytes url)
{
    const size_t start = is_secure(url) ? 8 : hf_starts_with(url, hf_text("http://")) ? 7 : 0;
    size_t n = start;
    while (n < url.len && url.ptr[n] != '/' && url.ptr[n] != '?' && url.ptr[n] != '#')
        n++;
    return hf_bytes_make(url.ptr, start == 0 ? 0 : n);
}

/* Sec-Fetch-Site wins over Origin: under Referrer-Policy: no-referrer a page's own form sends Origin: null beside
 * Sec-Fetch-Site: same-origin. */
static hf_err check_fetch(const hf_csrf *p, const hf_csrf_question *q, hf_bytes site, witness origin, hf_why *why)
{
    if (hf_bytes_equal(site, hf_text("same-origin")) || hf_bytes_equal(site, hf_text("none")))
        return HF_OK;
    if (origin.value.ptr != NULL && is_trusted(p->trusted_origins, q->self, origin.value))
        return HF_OK;
    uint8_t told[96];
    hf_writer w = hf_writer_make(told, sizeof told);
    hf_write(&w, hf_bytes_make(site.ptr, site.len < 24 ? site.len : 24));
    hf_write_text(&w, " from ");
    hf_write(&w, origin.value.len < 64 ? origin.value : hf_bytes_make(origin.value.ptr, 64));
    return hf_why_tell(why, HF_ERR_CSRF_CROSS_SITE, hf_written(&w), "same-origin");
}

static hf_err check_proof(const hf_csrf *p, const hf_csrf_question *q, hf_why *why)
{
    char room[HF_ORIGIN_MOST + 1];
    const witnesses w = find(q->head->fields);
    if (w.repeated != NULL)
        return hf_why_tell(why, HF_ERR_CSRF_FIELD_REPEATED, hf_text(w.repeated), "once");
    if (w.site.value.ptr != NULL)
        return check_fetch(p, q, w.site.value, w.origin, why);
    if (w.origin.value.ptr != NULL)
        return check_origin(p->trusted_origins, q->self, w.origin.value, why);
    if (w.referer.value.ptr != NULL) {
        const hf_bytes from = origin_of(w.referer.value);
        return check_origin(p->trusted_origins, q->self, from, NULL).code == 0
                   ? HF_OK
                   : hf_why_tell(why, HF_ERR_CSRF_REFERER_MISMATCH, from, text_of(q->self, room));
    }
    if (q->stake == HF_CSRF_AMBIENT)
        return hf_why_tell(why, HF_ERR_CSRF_NO_PROOF, hf_text(""), "Sec-Fetch-Site, Origin or Referer");
    return HF_OK;
}

/* ---- tokens --------------------------------------------------------------------------------------------------- */

enum { HALF = 32 };

static bool parse(hf_bytes text, uint8_t out[2 * HALF])
{
    hf_writer w = hf_writer_make(out, 2 * HALF);
    return text.len == HF_CSRF_TOKEN && hf_base64_parse(&w, HF_BASE64URL, text).code == 0 && w.length == 2 * HALF;
}

static void print(const uint8_t token[2 * HALF], char out[HF_CSRF_TOKEN])
{
    hf_writer w = hf_writer_make(out, HF_CSRF_TOKEN);
    hf_base64_write(&w, HF_BASE64URL, hf_bytes_make(token, 2 * HALF));
}

hf_err hf_csrf_token(hf_crypto *c, const uint8_t secret[HF_CSRF_SECRET], char out[HF_CSRF_TOKEN])
{
    uint8_t token[2 * HALF];
    if (!hf_crypto_random(c, token, HALF))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    for (size_t i = 0; i < HALF; i++)
        token[HALF + i] = token[i] ^ secret[i];
    print(token, out);
    return HF_OK;
}

static bool unmasks_to(const uint8_t token[2 * HALF], hf_bytes secret)
{
    uint8_t plain[HALF];
    if (secret.len != HALF)
        return false;
    for (size_t i = 0; i < HALF; i++)
        plain[i] = token[i] ^ token[HALF + i];
    const bool same = hf_secret_equal(plain, secret.ptr, HALF);
    hf_wipe(plain, sizeof plain);
    return same;
}

/* "len!binding!len!nonce": lengths keep one binding from running into the nonce of another. */
static bool sign(hf_crypto *c, hf_bytes key, hf_bytes binding, const uint8_t nonce[HALF], uint8_t mac[HF_HASH_MOST])
{
    uint8_t text[512];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_decimal(&w, binding.len);
    hf_write_byte(&w, '!');
    hf_write(&w, binding);
    hf_write_text(&w, "!32!");
    hf_write(&w, hf_bytes_make(nonce, HALF));
    return !w.overflowed && binding.len > 0 && key.len >= 32 && hf_hmac(c, HF_HASH_SHA256, key, hf_written(&w), mac);
}

hf_err hf_csrf_pair(hf_crypto *c, hf_bytes key, hf_bytes binding, char out[HF_CSRF_TOKEN])
{
    uint8_t token[2 * HALF], mac[HF_HASH_MOST];
    if (binding.len == 0 || key.len < 32)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (!hf_crypto_random(c, token, HALF) || !sign(c, key, binding, token, mac))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    memcpy(token + HALF, mac, HALF);
    print(token, out);
    return HF_OK;
}

static hf_err check_pair(hf_crypto *c, const hf_csrf_question *q, const uint8_t token[2 * HALF], hf_why *why)
{
    uint8_t mac[HF_HASH_MOST];
    if (q->binding.len == 0)
        return hf_why_tell(why, HF_ERR_CSRF_SESSION_MISSING, hf_text(""), "a session or pre-session");
    if (q->cookie.len != q->token.len || !hf_secret_equal(q->cookie.ptr, q->token.ptr, q->token.len))
        return hf_why_tell_secret(why, HF_ERR_CSRF_PAIR_MISMATCH, q->cookie, "the token in the cookie");
    if (!sign(c, q->key, q->binding, token, mac) || !hf_secret_equal(mac, token + HALF, HALF))
        return hf_why_tell_secret(why, HF_ERR_CSRF_TOKEN_FOREIGN, q->token, "a token that was signed for this session");
    return HF_OK;
}

static hf_err check_token(hf_crypto *c, const hf_csrf *p, const hf_csrf_question *q, hf_why *why)
{
    uint8_t token[2 * HALF];
    if (q->token.len == 0)
        return hf_why_tell(why, HF_ERR_CSRF_TOKEN_MISSING, hf_text(""), "X-CSRF-Token, or a hidden field");
    if (!parse(q->token, token))
        return hf_why_tell_secret(why, HF_ERR_CSRF_TOKEN_FORM, q->token, "86 characters of base64url");
    if (p->double_submit)
        return check_pair(c, q, token, why);
    if (q->secret.len != HF_CSRF_SECRET)
        return hf_why_tell(why, HF_ERR_CSRF_SESSION_MISSING, hf_text(""), "a session or pre-session");
    if (unmasks_to(token, q->secret))
        return HF_OK;
    if (unmasks_to(token, q->previous))
        return hf_why_tell_secret(why, HF_ERR_CSRF_TOKEN_OLD, q->token, "a token from after login");
    return hf_why_tell_secret(why, HF_ERR_CSRF_TOKEN_FOREIGN, q->token, "this session's token");
}

/* ---- the decision --------------------------------------------------------------------------------------------- */

/* RFC 9110 9.2.1: safe methods change nothing, so forging them gains nothing. Content types are not looked at: every one that
 * a form can send has been used to get past such a gate. */
hf_err hf_csrf_check(hf_crypto *c, const hf_csrf *p, const hf_csrf_question *q, hf_why *why)
{
    if (p->mode == HF_CSRF_DANGEROUS_OFF || q->stake == HF_CSRF_BEARER || hf_method_describe(q->head->method)->safe)
        return HF_OK;
    if (q->route != NULL && is_listed(p->exempt_routes, hf_text(q->route)))
        return HF_OK;
    if (p->mode != HF_CSRF_TOKEN_ONLY) {
        const hf_err err = check_proof(p, q, why);
        if (err.code != 0)
            return err;
    }
    return p->mode == HF_CSRF_ORIGIN_ONLY || q->stake != HF_CSRF_AMBIENT ? HF_OK : check_token(c, p, q, why);
}

hf_err hf_csrf_lint(const hf_csrf *p, hf_whys *whys)
{
    hf_err err = HF_OK;
    hf_origin o;
    for (const char *const *at = p->trusted_origins; at != NULL && *at != NULL; at++)
        if (hf_origin_parse(hf_text(*at), false, &o).code != 0)
            err = hf_whys_add(whys, HF_ERR_CSRF_POLICY_ORIGIN, hf_text(*at), "scheme://host[:port] as browsers write it");
    return err;
}

hf_err hf_origin_check(hf_fields fields, hf_bytes self, const char *const *trusted, bool ambient, hf_why *why)
{
    const witness origin = find(fields).origin;
    if (origin.repeated)
        return hf_why_tell(why, HF_ERR_CSRF_FIELD_REPEATED, hf_text("Origin"), "once");
    if (origin.value.ptr == NULL)
        return ambient ? hf_why_tell(why, HF_ERR_CSRF_NO_PROOF, hf_text(""), "Origin") : HF_OK;
    return check_origin(trusted, self, origin.value, why);
}
