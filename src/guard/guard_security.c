/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields that every page should have, and redirects that stay at home.
 */
#include "base64.h"
#include "guard_why.h"

enum { YEAR_S = 31536000 };

hf_err hf_csp_nonce(hf_crypto *c, char out[HF_NONCE])
{
    uint8_t random[16];
    hf_writer w = hf_writer_make(out, HF_NONCE);
    if (!hf_crypto_random(c, random, sizeof random))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    hf_base64_write(&w, HF_BASE64URL, hf_bytes_make(random, sizeof random));
    return HF_OK;
}

static void add(hf_security_fields *f, hf_fields present, const char *name, hf_bytes value)
{
    if (value.len > 0 && hf_fields_find_name(present, hf_text(name)) == NULL && f->count < HF_SECURITY_FIELDS)
        f->fields[f->count++] = (hf_field){ hf_text(name), value, hf_field_identify(hf_text(name)) };
}

static hf_bytes choose(const char *given, const char *otherwise)
{
    return hf_text(given != NULL ? given : otherwise);
}

/* The policy with each "{nonce}" replaced. */
static hf_err write_policy(hf_writer *w, hf_bytes policy, hf_bytes nonce)
{
    const hf_bytes slot = hf_text("{nonce}");
    while (policy.len > 0) {
        const bool here = hf_starts_with(policy, slot);
        if (here && nonce.len == 0)
            return hf_err_make(HF_ERR_BASE_USAGE);
        hf_write(w, here ? nonce : hf_bytes_make(policy.ptr, 1));
        const size_t n = here ? slot.len : 1;
        policy = hf_bytes_make(policy.ptr + n, policy.len - n);
    }
    return w->overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : HF_OK;
}

static const char with_nonce[] = "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
static const char without_nonce[] = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/* RFC 6797 7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed over non-secure transport." */
static hf_bytes write_hsts(hf_writer *w, const hf_security_rules *r)
{
    const size_t start = w->length;
    hf_write_text(w, "max-age=");
    hf_write_decimal(w, r->hsts_s > 0 ? (uint64_t)r->hsts_s : YEAR_S);
    hf_write_text(w, r->hsts_subdomains ? "; includeSubDomains" : "");
    hf_write_text(w, r->hsts_preload ? "; preload" : "");
    return hf_bytes_make(w->ptr + start, w->length - start);
}

hf_err hf_security_write(const hf_security_rules *r, bool tls, hf_bytes nonce, hf_fields present, hf_security_fields *f)
{
    hf_writer w = hf_writer_make(f->text, sizeof f->text);
    f->count = 0;
    const hf_err err = write_policy(&w, choose(r->csp, nonce.len > 0 ? with_nonce : without_nonce), nonce);
    if (err.code != 0)
        return err;
    add(f, present, "Content-Security-Policy", hf_written(&w));
    add(f, present, "X-Content-Type-Options", hf_text("nosniff"));
    add(f, present, "Referrer-Policy", choose(r->referrer_policy, "strict-origin-when-cross-origin"));
    add(f, present, "Permissions-Policy", choose(r->permissions_policy, "camera=(), microphone=(), geolocation=()"));
    add(f, present, "Cross-Origin-Opener-Policy", choose(r->opener_policy, "same-origin"));
    add(f, present, "Cross-Origin-Embedder-Policy", choose(r->embedder_policy, ""));
    add(f, present, "Cross-Origin-Resource-Policy", choose(r->resource_policy, "same-origin"));
    if (tls && r->hsts_s >= 0)
        add(f, present, "Strict-Transport-Security", write_hsts(&w, r));
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : HF_OK;
}

/* ---- redirects ------------------------------------------------------------------------------------------------ */

/* An escape of what somebody on the way might undo: a control byte, a slash, a backslash. */
static bool is_doubtful_escape(hf_bytes b)
{
    if (b.len < 3 || b.ptr[0] != '%')
        return false;
    const int high = hf_hex_digit(b.ptr[1]), low = hf_hex_digit(b.ptr[2]), c = high * 16 + low;
    return high >= 0 && low >= 0 && (c < 0x21 || c == '/' || c == '\\' || c == 0x7f);
}

/* Browsers read '\' as '/', drop tabs and line breaks, and take what follows "//" for a host: none of these may stand there. */
hf_bytes hf_redirect_local(hf_bytes target, hf_why *why)
{
    bool good = target.len > 0 && target.ptr[0] == '/' && !(target.len > 1 && target.ptr[1] == '/');
    bool first = true;
    for (size_t i = 0; good && i < target.len; i++) {
        const uint8_t c = target.ptr[i];
        first = first && (i == 0 || (c != '/' && c != '?' && c != '#'));
        good = c > 0x20 && c < 0x7f && c != '\\' && !(first && is_doubtful_escape(hf_bytes_make(target.ptr + i, target.len - i)));
    }
    if (good)
        return target;
    (void)hf_why_tell(why, HF_ERR_GUARD_REDIRECT, target, "a path of this origin");
    return hf_text("/");
}
