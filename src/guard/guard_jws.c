/* SPDX-License-Identifier: Apache-2.0
 *
 * Compact JWS (RFC 7515 3.1), by RFC 8725: the key decides the algorithm, and the header only has to agree.
 */
#include "guard_jws.h"

#include "base64.h"
#include "guard_json.h"
#include "guard_why.h"

enum { HEADER_VALUES = 64, NO_TYP = 255 };

bool hf_jws_split(hf_bytes compact, hf_jws_parts *p)
{
    hf_bytes rest = compact;
    if (!hf_split(&rest, '.', &p->header) || !hf_split(&rest, '.', &p->payload) || rest.ptr == NULL || memchr(rest.ptr, '.', rest.len) != NULL)
        return false;
    p->signature = rest;
    p->signed_text = hf_bytes_make(compact.ptr, p->header.len + 1 + p->payload.len);
    return true;
}

static bool is_none(hf_bytes alg)
{
    return alg.len == 0 || hf_text_same(alg, hf_text("none"));
}

/* ---- the header ----------------------------------------------------------------------------------------------- */

/* RFC 7515 4.1: what we would have to understand, and what would let the token choose its key. */
static hf_err check_members(const hf_json *j, hf_why *why)
{
    static const struct {
        const char *name;
        int32_t code;
    } refused[] = {
        { "crit", HF_ERR_JWT_CRIT },      { "b64", HF_ERR_JWT_CRIT },       { "jwk", HF_ERR_JWT_HEADER_JWK },
        { "jku", HF_ERR_JWT_HEADER_JKU }, { "x5u", HF_ERR_JWT_HEADER_X5U }, { "x5c", HF_ERR_JWT_HEADER_X5C },
    };
    for (size_t i = 0; i < HF_COUNT(refused); i++) {
        const hf_json_node *const m = hf_json_member(j, &j->nodes[0], refused[i].name);
        if (m != NULL)
            return hf_why_tell(why, refused[i].code, m->text, "a header without it");
    }
    return HF_OK;
}

typedef struct header {
    hf_jws_facts *facts;
    hf_bytes kid; /* ptr NULL: none */
} header;

static hf_err read_header(const hf_json *j, header *h, hf_why *why)
{
    const hf_json_node *const root = &j->nodes[0], *const alg = hf_json_member(j, root, "alg"), *const kid = hf_json_member(j, root, "kid"),
                       *const typ = hf_json_member(j, root, "typ");
    if (alg == NULL || (alg->kind == HF_JSON_STRING && is_none(alg->text)))
        return hf_why_tell(why, HF_ERR_JWT_ALG_NONE, alg != NULL ? alg->text : hf_text("no alg"), "a signature");
    const hf_err err = check_members(j, why);
    if (err.code != 0)
        return err;
    h->facts->alg = alg->kind == HF_JSON_STRING ? hf_alg_find(alg->text) : HF_ALG_UNSET;
    if (h->facts->alg == HF_ALG_UNSET)
        return hf_why_tell(why, HF_ERR_JWT_ALG_UNKNOWN, alg->text, "an algorithm of RFC 7518 for signatures");
    if ((kid != NULL && kid->kind != HF_JSON_STRING) || (typ != NULL && (typ->kind != HF_JSON_STRING || typ->text.len > sizeof h->facts->typ)))
        return hf_why_tell(why, HF_ERR_JWT_HEADER, hf_text(kid != NULL && kid->kind != HF_JSON_STRING ? "kid" : "typ"), "a string");
    h->kid = kid != NULL ? kid->text : hf_bytes_make(NULL, 0);
    h->facts->typ_length = typ != NULL ? (uint8_t)typ->text.len : NO_TYP;
    if (typ != NULL && typ->text.len > 0)
        memcpy(h->facts->typ, typ->text.ptr, typ->text.len);
    return HF_OK;
}

/* ---- the key -------------------------------------------------------------------------------------------------- */

/* kid is compared with the names in memory, and used for nothing else. */
static hf_err find_key(const hf_keys *keys, const header *h, hf_token_key **key, hf_why *why)
{
    size_t fitting = 0;
    *key = NULL;
    for (size_t i = 0; i < keys->count; i++) {
        const hf_named_key *const one = &keys->at[i];
        const bool fits = (int)hf_token_key_alg(one->key) == (int)h->facts->alg;
        if (h->kid.ptr != NULL && !hf_bytes_equal(one->kid, h->kid))
            continue;
        if (h->kid.ptr != NULL && !fits)
            return hf_why_tell(why, HF_ERR_JWT_ALG_KEY, hf_text(hf_alg_name(h->facts->alg)), hf_alg_name((hf_alg)hf_token_key_alg(one->key)));
        if (fits) {
            *key = one->key;
            fitting++;
        }
    }
    if (fitting == 1)
        return HF_OK;
    if (h->kid.ptr != NULL)
        return hf_why_tell(why, HF_ERR_JWT_KID, h->kid, "the kid of a key of the set");
    if (fitting > 1)
        return hf_why_tell(why, HF_ERR_JWT_KID_MISSING, hf_text(""), "kid: several keys fit");
    return hf_why_tell(why, HF_ERR_JWT_ALG_KEY, hf_text(hf_alg_name(h->facts->alg)), "an algorithm that a key of the set has");
}

/* ---- verify --------------------------------------------------------------------------------------------------- */

typedef struct work {
    hf_json_node nodes[HEADER_VALUES];
    uint8_t text[]; /* the header, then its strings, then the signature */
} work;

static hf_err check(const hf_keys *keys, const hf_jws_parts *p, work *w, uint8_t *payload, size_t *length, hf_jws_facts *facts, hf_why *why)
{
    hf_writer head = hf_writer_make(w->text, p->header.len), body = hf_writer_make(payload, p->payload.len),
              sign = hf_writer_make(w->text + 2 * p->header.len, p->signature.len);
    if (hf_base64_parse(&head, HF_BASE64URL, p->header).code != 0 || hf_base64_parse(&body, HF_BASE64URL, p->payload).code != 0 ||
        hf_base64_parse(&sign, HF_BASE64URL, p->signature).code != 0)
        return hf_why_tell_secret(why, HF_ERR_JWT_SYNTAX, p->signed_text, "base64url without padding");
    hf_json json = { .nodes = w->nodes, .capacity = HEADER_VALUES, .scratch = hf_writer_make(w->text + p->header.len, p->header.len) };
    if (!hf_json_parse(&json, hf_written(&head)) || json.nodes[0].kind != HF_JSON_OBJECT)
        return hf_why_tell(why, HF_ERR_JWT_HEADER, hf_written(&head), "one JSON object without repeated names");
    header h = { .facts = facts };
    hf_token_key *key;
    hf_err err = read_header(&json, &h, why);
    if (err.code == 0)
        err = find_key(keys, &h, &key, why);
    if (err.code != 0)
        return err;
    err = hf_token_verify(key, p->signed_text, hf_written(&sign));
    if (err.code != 0)
        return hf_why_tell_secret(why, err.code, p->signature, "a signature by the key that kid names");
    *length = body.length;
    return HF_OK;
}

hf_err hf_jws_check(const hf_keys *keys, hf_bytes compact, uint8_t *payload, size_t *length, hf_jws_facts *facts, hf_why *why)
{
    hf_jws_parts p;
    *length = 0;
    /* CVE-2025-27144, CVE-2025-30204: nothing is split or decoded before the size is known to be sane. */
    if (compact.len > keys->env->limits->jwt_bytes)
        return hf_why_tell_secret(why, HF_ERR_JWT_TOO_LARGE, compact, "at most jwt_bytes");
    if (!hf_jws_split(compact, &p))
        return hf_why_tell_secret(why, HF_ERR_JWT_SYNTAX, compact, "header.payload.signature");
    const size_t room = sizeof(work) + 2 * p.header.len + p.signature.len;
    work *w = hf_alloc(&keys->env->alloc, room);
    if (w == NULL)
        return hf_why_tell(why, HF_ERR_BASE_MEMORY, hf_text(""), NULL);
    const hf_err err = check(keys, &p, w, payload, length, facts, why);
    hf_free(&keys->env->alloc, w, room);
    return err;
}

hf_err hf_jws_verify(const hf_keys *keys, hf_bytes compact, uint8_t *payload, size_t *length, hf_why *why)
{
    hf_jws_facts facts = { .alg = HF_ALG_UNSET };
    return hf_jws_check(keys, compact, payload, length, &facts, why);
}

/* ---- sign ----------------------------------------------------------------------------------------------------- */

static const hf_named_key *signer(const hf_keys *keys, hf_bytes kid)
{
    const hf_named_key *found = NULL;
    for (size_t i = 0; i < keys->count; i++) {
        const hf_named_key *const one = &keys->at[i];
        if (!hf_token_key_signs(one->key) || (kid.len > 0 && !hf_bytes_equal(one->kid, kid)))
            continue;
        if (found != NULL)
            return NULL;
        found = one;
    }
    return found;
}

/* base64url of {"alg":..,"kid":..,more} at the front of `w`; the plain text passes through the end of `w`. */
static void write_header(hf_writer *w, const hf_named_key *one, hf_bytes more)
{
    uint8_t text[1024];
    hf_writer h = hf_writer_make(text, sizeof text);
    hf_write_text(&h, "{\"alg\":\"");
    hf_write_text(&h, hf_alg_name((hf_alg)hf_token_key_alg(one->key)));
    hf_write_text(&h, "\"");
    if (one->kid.len > 0) {
        hf_write_text(&h, ",\"kid\":\"");
        hf_write_json(&h, one->kid);
        hf_write_text(&h, "\"");
    }
    hf_write_text(&h, more.len > 0 ? "," : "");
    hf_write(&h, more);
    hf_write_text(&h, "}");
    w->overflowed = w->overflowed || h.overflowed;
    hf_base64_write(w, HF_BASE64URL, hf_written(&h));
}

hf_err hf_jws_sign(const hf_keys *keys, hf_bytes kid, hf_bytes more, hf_bytes payload, char *out, size_t room, size_t *length, hf_why *why)
{
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t n = 0;
    *length = 0;
    const hf_named_key *const one = signer(keys, kid);
    if (one == NULL)
        return hf_why_tell(why, HF_ERR_JWT_KEY_PRIVATE, kid, "the name of one private key");
    hf_writer w = hf_writer_make(out, room);
    write_header(&w, one, more);
    hf_write_byte(&w, '.');
    hf_base64_write(&w, HF_BASE64URL, payload);
    if (w.overflowed)
        return hf_why_tell(why, HF_ERR_BASE_LIMIT, hf_text(""), "room for the token");
    const hf_err err = hf_token_sign(one->key, hf_written(&w), signature, &n);
    if (err.code != 0)
        return hf_why_tell(why, err.code, kid, NULL);
    hf_write_byte(&w, '.');
    hf_base64_write(&w, HF_BASE64URL, hf_bytes_make(signature, n));
    if (w.overflowed)
        return hf_why_tell(why, HF_ERR_BASE_LIMIT, hf_text(""), "room for the token");
    *length = w.length;
    return HF_OK;
}
