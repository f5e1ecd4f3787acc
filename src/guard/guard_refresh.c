/* SPDX-License-Identifier: Apache-2.0
 *
 * Refresh tokens: each is good for one use, and all that came of one login are a family. One that is used again, later than
 * a second tab may, was stolen from somebody, who or from whom nobody can tell: so the family ends (RFC 9700 4.14.2).
 */
#include "base64.h"
#include "crypto_hash.h"
#include "crypto_secret.h"
#include "guard_why.h"

enum { ID = 32, LIFE_S = 14 * 86400, ABSOLUTE_S = 90 * 86400, GRACE_S = 10 };

static int64_t or_else(int64_t given, int64_t usual)
{
    return given > 0 ? given : usual;
}

static int64_t grace_of(const hf_refresh_rules *r)
{
    return r->grace_s < 0 ? 0 : or_else(r->grace_s, GRACE_S);
}

/* Under another word than sessions: a refresh token is no session's cookie, and the other way round. */
static bool key_of(hf_crypto *c, const uint8_t id[ID], uint8_t key[32])
{
    uint8_t named[7 + ID] = "refresh";
    memcpy(named + 7, id, ID);
    const bool good = hf_hash_of(c, HF_HASH_SHA256, hf_bytes_make(named, sizeof named), key);
    hf_wipe(named, sizeof named);
    return good;
}

/* A new token of the family: its text, and its record under the hash of it. */
static hf_err mint(hf_crypto *c, const hf_refresh_rules *rules, const hf_session_store *store, const hf_session_record *family, hf_wall now,
    char out[HF_REFRESH_TOKEN])
{
    uint8_t id[ID];
    const int64_t life = now.s + or_else(rules->life_s, LIFE_S);
    hf_session_record r = { .version = 1, .created = now, .used = now, .until = { life < family->until.s ? life : family->until.s },
        .data = hf_bytes_make(family->key, sizeof family->key) };
    hf_writer w = hf_writer_make(out, HF_REFRESH_TOKEN);
    memcpy(r.subject, family->subject, sizeof r.subject);
    if (!hf_crypto_random(c, id, sizeof id) || !key_of(c, id, r.key))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    hf_base64_write(&w, HF_BASE64URL, hf_bytes_make(id, sizeof id));
    hf_wipe(id, sizeof id);
    return store->insert(store->self, &r);
}

hf_err hf_refresh_begin(hf_crypto *c, const hf_refresh_rules *rules, const hf_session_store *store, hf_bytes subject, hf_wall now,
    char out[HF_REFRESH_TOKEN])
{
    hf_session_record family = { .version = 1, .created = now, .used = now, .until = { now.s + or_else(rules->absolute_s, ABSOLUTE_S) } };
    if (subject.len == 0 || subject.len > HF_SUBJECT_MOST)
        return hf_err_make(HF_ERR_BASE_USAGE);
    memcpy(family.subject, subject.ptr, subject.len);
    if (!hf_crypto_random(c, family.key, sizeof family.key))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    const hf_err err = store->insert(store->self, &family);
    return err.code != 0 ? err : mint(c, rules, store, &family, now, out);
}

/* The token's record; its family's key lies in `key`. */
static hf_err find(hf_crypto *c, const hf_session_store *store, hf_bytes token, hf_session_record *r, uint8_t key[32], hf_why *why)
{
    uint8_t id[ID], hash[32];
    hf_writer w = hf_writer_make(id, sizeof id);
    if (token.len != HF_REFRESH_TOKEN || hf_base64_parse(&w, HF_BASE64URL, token).code != 0)
        return hf_why_tell_secret(why, HF_ERR_JWT_REFRESH_UNKNOWN, token, "43 characters of base64url");
    if (!key_of(c, id, hash))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    const hf_err err = store->get(store->self, hash, r, (hf_span){ key, 32 });
    if (err.code == HF_ERR_SESSION_UNKNOWN || (err.code == 0 && r->data.len != 32)) /* a session's id is no refresh token */
        return hf_why_tell_secret(why, HF_ERR_JWT_REFRESH_UNKNOWN, token, "a token that was given");
    return err;
}

/* Marks the token as used. HF_ERR_SESSION_CONFLICT: it was. */
static hf_err claim(const hf_session_store *store, hf_session_record *r, hf_wall now)
{
    if (r->has_before)
        return hf_err_make(HF_ERR_SESSION_CONFLICT);
    r->has_before = true;
    r->used = now;
    return store->update(store->self, r);
}

hf_err hf_refresh_rotate(hf_crypto *c, const hf_refresh_rules *rules, const hf_session_store *store, hf_bytes token, hf_wall now,
    char out[HF_REFRESH_TOKEN], char subject[HF_SUBJECT_MOST + 1], hf_why *why)
{
    hf_session_record r, family;
    uint8_t key[32];
    hf_err err = find(c, store, token, &r, key, why);
    if (err.code != 0)
        return err;
    err = store->get(store->self, key, &family, (hf_span){ NULL, 0 });
    if (err.code == HF_ERR_SESSION_UNKNOWN || (err.code == 0 && (now.s >= family.until.s || now.s >= r.until.s)))
        return hf_why_tell_secret(why, HF_ERR_JWT_REFRESH_ENDED, token, "a family that has not ended");
    if (err.code == 0)
        err = claim(store, &r, now);
    if (err.code == HF_ERR_SESSION_CONFLICT && (err = find(c, store, token, &r, key, why)).code == 0 && now.s - r.used.s > grace_of(rules)) {
        err = store->destroy(store->self, key);
        return err.code != 0 ? err : hf_why_tell_secret(why, HF_ERR_JWT_REFRESH_REUSED, token, "a token that was not used before");
    }
    if (err.code != 0)
        return err.code == HF_ERR_SESSION_UNKNOWN ? hf_why_tell_secret(why, HF_ERR_JWT_REFRESH_ENDED, token, "a family that has not ended") : err;
    memcpy(subject, family.subject, sizeof family.subject);
    return mint(c, rules, store, &family, now, out);
}

hf_err hf_refresh_end(hf_crypto *c, const hf_session_store *store, hf_bytes token, hf_why *why)
{
    hf_session_record r;
    uint8_t key[32];
    const hf_err err = find(c, store, token, &r, key, why);
    return err.code != 0 ? err : store->destroy(store->self, key);
}
