/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that end before their time. What ended is a record in any store of sessions, under a key that says what it is: one
 * for each token, and one for each subject with the moment up to which its tokens count no more.
 */
#include "crypto_hash.h"
#include "guard_why.h"
#include "text.h"

/* SHA-256 of a word and a name, set apart by a byte that no word has. */
static bool key_of(hf_crypto *c, const char *word, hf_bytes name, uint8_t key[32])
{
    uint8_t room[600];
    hf_writer w = hf_writer_make(room, sizeof room);
    hf_write_text(&w, word);
    hf_write_byte(&w, 0);
    if (name.len <= 512) {
        hf_write(&w, name);
    } else { /* as long as it likes: of such a name the hash stands for it */
        uint8_t hash[32];
        if (!hf_hash_of(c, HF_HASH_SHA256, name, hash))
            return false;
        hf_write_byte(&w, 0);
        hf_write(&w, hf_bytes_make(hash, sizeof hash));
    }
    return hf_hash_of(c, HF_HASH_SHA256, hf_written(&w), key);
}

hf_err hf_revoke_token(hf_crypto *c, const hf_session_store *store, hf_bytes jti, hf_wall now, hf_wall until)
{
    hf_session_record r = { .version = 1, .created = now, .used = now, .until = until };
    if (jti.len == 0)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (!key_of(c, "revoked jti", jti, r.key))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    const hf_err err = store->insert(store->self, &r);
    return err.code == HF_ERR_SESSION_CONFLICT ? HF_OK : err; /* it was revoked already */
}

/* Two that raise it at once: the later moment stays. */
hf_err hf_revoke_subject(hf_crypto *c, const hf_session_store *store, hf_bytes subject, hf_wall now, int64_t life_s)
{
    enum { TRIES = 16 };
    hf_session_record r = { .version = 1, .created = now, .used = now, .until = { now.s + life_s } }, old;
    if (subject.len == 0 || life_s <= 0)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (!key_of(c, "revoked subject", subject, r.key))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    hf_err err = store->insert(store->self, &r);
    for (int i = 0; i < TRIES && err.code == HF_ERR_SESSION_CONFLICT; i++) {
        err = store->get(store->self, r.key, &old, (hf_span){ NULL, 0 });
        if (err.code == HF_ERR_SESSION_UNKNOWN) {
            err = store->insert(store->self, &r);
            continue;
        }
        if (err.code != 0 || old.used.s >= now.s)
            return err;
        r.version = old.version;
        err = store->update(store->self, &r);
        r.version = 1;
        if (err.code == HF_ERR_SESSION_UNKNOWN)
            err = hf_err_make(HF_ERR_SESSION_CONFLICT);
    }
    return err;
}

size_t hf_revocation_keys(hf_crypto *c, const hf_claims *claims, uint8_t keys[2][32])
{
    const hf_bytes jti = hf_claims_text(claims, "jti"), subject = hf_claims_text(claims, "sub");
    size_t n = 0;
    if (jti.len > 0)
        n += key_of(c, "revoked jti", jti, keys[n]);
    if (subject.len > 0)
        n += key_of(c, "revoked subject", subject, keys[n]);
    return n == (size_t)(jti.len > 0) + (subject.len > 0) ? n : SIZE_MAX;
}

hf_err hf_revocation_check(hf_crypto *c, const hf_session_store *store, const hf_claims *claims, hf_why *why)
{
    const hf_bytes jti = hf_claims_text(claims, "jti"), subject = hf_claims_text(claims, "sub");
    hf_session_record r;
    uint8_t keys[2][32];
    int64_t issued = INT64_MIN; /* a token that does not say is older than any moment */
    (void)hf_claims_number(claims, "iat", &issued);
    const size_t n = hf_revocation_keys(c, claims, keys);
    if (n == SIZE_MAX)
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    for (size_t i = 0; i < n; i++) {
        const bool is_token = i == 0 && jti.len > 0;
        const hf_err err = store->get(store->self, keys[i], &r, (hf_span){ NULL, 0 });
        if (err.code == HF_ERR_SESSION_UNKNOWN)
            continue;
        if (err.code != 0)
            return hf_why_tell(why, err.code, hf_text(""), "a store that answers");
        if (is_token)
            return hf_why_tell_secret(why, HF_ERR_JWT_REVOKED, jti, "a token that was not revoked");
        if (issued <= r.used.s) /* in the same second: which came first nobody knows */
            return hf_why_tell(why, HF_ERR_JWT_REVOKED, subject, "a token issued after its subject was logged out everywhere");
    }
    return HF_OK;
}
