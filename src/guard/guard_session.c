/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: random ids that only the browser knows, limits that no use extends, and a new id whenever somebody logs in.
 */
#include "base64.h"
#include "crypto_hash.h"
#include "crypto_secret.h"
#include "guard_why.h"

enum { IDLE_S = 30 * 60, ABSOLUTE_S = 12 * 3600, TOUCH_S = 60 };

static int64_t idle_of(const hf_session_rules *r)
{
    return r->idle_s > 0 ? r->idle_s : IDLE_S;
}
static int64_t absolute_of(const hf_session_rules *r)
{
    return r->absolute_s > 0 ? r->absolute_s : ABSOLUTE_S;
}

static hf_wall until(const hf_session_rules *r, const hf_session_record *record)
{
    const int64_t idle = record->used.s + idle_of(r), absolute = record->created.s + absolute_of(r);
    return (hf_wall){ idle < absolute ? idle : absolute };
}

/* What an ended session held is nobody's any more. */
static hf_err fail(hf_session *s, hf_err err)
{
    hf_wipe(&s->record, sizeof s->record);
    return err;
}

static bool key_of(hf_crypto *c, hf_bytes id, uint8_t key[32])
{
    return hf_hash_of(c, HF_HASH_SHA256, id, key);
}

/* A fresh id and CSRF secret. No randomness: nothing may go on. */
static hf_err renew(hf_crypto *c, hf_session *s)
{
    uint8_t id[HF_SESSION_ID];
    hf_writer w = hf_writer_make(s->id, sizeof s->id);
    if (!hf_crypto_random(c, id, sizeof id) || !hf_crypto_random(c, s->record.csrf, sizeof s->record.csrf) || !key_of(c, hf_bytes_make(id, sizeof id), s->record.key))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    hf_base64_write(&w, HF_BASE64URL, hf_bytes_make(id, sizeof id));
    hf_wipe(id, sizeof id);
    return HF_OK;
}

hf_err hf_session_begin(hf_crypto *c, const hf_session_rules *rules, hf_wall now, hf_session *s)
{
    *s = (hf_session){ .is_new = true, .record = { .version = 1, .created = now, .used = now } };
    s->record.until = until(rules, &s->record);
    return renew(c, s);
}

static hf_err check(const hf_session_rules *rules, const hf_session_record *r, hf_wall now, hf_why *why)
{
    if (now.s >= r->created.s + absolute_of(rules))
        return hf_why_tell(why, HF_ERR_SESSION_OVER, hf_text(""), "a session within absolute_s");
    if (now.s >= r->used.s + idle_of(rules))
        return hf_why_tell(why, HF_ERR_SESSION_IDLE, hf_text(""), "a session that was used within idle_s");
    return HF_OK;
}

bool hf_session_key(hf_crypto *c, hf_bytes cookie, uint8_t key[32])
{
    uint8_t id[HF_SESSION_ID];
    hf_writer w = hf_writer_make(id, sizeof id);
    return cookie.len == HF_SESSION_COOKIE && hf_base64_parse(&w, HF_BASE64URL, cookie).code == 0 && key_of(c, hf_written(&w), key);
}

hf_err hf_session_find(hf_crypto *c, const hf_session_rules *rules, const hf_session_store *store, hf_bytes cookie, hf_wall now, hf_span room,
    hf_session *s, hf_why *why)
{
    uint8_t id[HF_SESSION_ID], key[32];
    hf_writer w = hf_writer_make(id, sizeof id);
    *s = (hf_session){ .ended = true };
    if (cookie.len == 0)
        return hf_why_tell(why, HF_ERR_SESSION_NONE, hf_text(""), "the session's cookie");
    if (cookie.len != HF_SESSION_COOKIE || hf_base64_parse(&w, HF_BASE64URL, cookie).code != 0)
        return hf_why_tell_secret(why, HF_ERR_SESSION_FORM, cookie, "43 characters of base64url");
    if (!key_of(c, hf_written(&w), key))
        return hf_why_tell(why, HF_ERR_TLS_CRYPTO, hf_text(""), NULL);
    hf_err err = store->get(store->self, key, &s->record, room);
    if (err.code != 0)
        return fail(s, hf_why_tell_secret(why, err.code, cookie, "a session that the store has"));
    err = check(rules, &s->record, now, why);
    if (err.code != 0) {
        (void)store->destroy(store->self, key); /* collected otherwise */
        return fail(s, err);
    }
    if (now.s - s->record.used.s >= TOUCH_S) {
        s->record.used = now;
        s->record.until = until(rules, &s->record);
        err = store->touch(store->self, key, s->record.used, s->record.until);
        if (err.code != 0)
            return fail(s, hf_why_tell_secret(why, err.code, cookie, "a store that answers"));
    }
    memcpy(s->id, cookie.ptr, HF_SESSION_COOKIE);
    s->ended = false;
    return HF_OK;
}

hf_err hf_session_save(const hf_env *env, const hf_session_store *store, hf_session *s)
{
    if (s->ended)
        return hf_err_make(HF_ERR_SESSION_UNKNOWN);
    if (s->record.data.len > env->limits->session_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    const hf_err err = s->is_new ? store->insert(store->self, &s->record) : store->update(store->self, &s->record);
    if (err.code == 0 && !s->is_new)
        s->record.version++;
    if (err.code == 0)
        s->is_new = false;
    return err;
}

hf_err hf_session_login(hf_crypto *c, const hf_session_rules *rules, const hf_session_store *store, hf_session *s, hf_bytes subject, hf_wall now)
{
    if (subject.len == 0 || subject.len > HF_SUBJECT_MOST)
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_err err = s->is_new || s->ended ? HF_OK : store->destroy(store->self, s->record.key);
    if (err.code != 0)
        return err;
    s->record.has_before = !s->ended;
    s->ended = true; /* until the new one is there */
    memcpy(s->record.csrf_before, s->record.csrf, sizeof s->record.csrf);
    if ((err = renew(c, s)).code != 0)
        return err;
    s->record.version = 1;
    s->record.created = s->record.used = now;
    s->record.until = until(rules, &s->record);
    memset(s->record.subject, 0, sizeof s->record.subject);
    memcpy(s->record.subject, subject.ptr, subject.len);
    err = store->insert(store->self, &s->record);
    s->is_new = false;
    s->ended = err.code != 0;
    return err;
}

hf_err hf_session_logout(const hf_session_store *store, hf_session *s)
{
    const hf_err err = s->is_new || s->ended ? HF_OK : store->destroy(store->self, s->record.key);
    s->ended = true;
    return err;
}
