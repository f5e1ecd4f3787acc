/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Web Tokens (RFC 7519) by RFC 8725: a policy says what counts, and claims exist only once everything held.
 */
#include "base64.h"
#include "guard_json.h"
#include "guard_jws.h"
#include "guard_why.h"
#include "token.h"

enum { SKEW_S = 30, LIFE_S = 900, JTI = 16, NO_TYP = 255 };

struct hf_claims {
    const hf_allocator *alloc;
    size_t size;
    hf_json json;
    hf_bytes text;
    hf_json_node nodes[];
};

/* ---- the policy ----------------------------------------------------------------------------------------------- */

static bool has_key(const hf_jwt_policy *p)
{
    for (size_t i = 0; p->keys != NULL && i < p->keys->count; i++)
        for (size_t k = 0; k < p->alg_count; k++)
            if ((int)hf_token_key_alg(p->keys->at[i].key) == (int)p->algs[k])
                return true;
    return false;
}

static bool is_mixed(const hf_jwt_policy *p)
{
    bool secret = false, open = false;
    for (size_t i = 0; i < p->alg_count; i++) {
        const bool hmac = hf_jws_kind((hf_jws_alg)p->algs[i]) == HF_TOKEN_HMAC;
        secret = secret || hmac;
        open = open || !hmac;
    }
    return secret && open;
}

static bool has_unset(const hf_jwt_policy *p)
{
    for (size_t i = 0; i < p->alg_count; i++)
        if (p->algs[i] <= HF_ALG_UNSET || p->algs[i] > HF_ALG_EDDSA)
            return true;
    return false;
}

hf_err hf_jwt_lint(const hf_jwt_policy *p, hf_whys *whys)
{
    hf_err err = HF_OK;
    const bool unset = has_unset(p);
    if (p->algs == NULL || p->alg_count == 0 || unset)
        err = hf_whys_add(whys, HF_ERR_JWT_POLICY_ALGS, hf_text(""), "algs");
    if (p->issuer == NULL || p->issuer[0] == 0)
        err = hf_whys_add(whys, HF_ERR_JWT_POLICY_ISSUER, hf_text(""), "issuer");
    if (p->audience == NULL || p->audience[0] == 0)
        err = hf_whys_add(whys, HF_ERR_JWT_POLICY_AUDIENCE, hf_text(""), "audience");
    if (!has_key(p))
        err = hf_whys_add(whys, HF_ERR_JWT_POLICY_KEYS, hf_text(p->keys == NULL ? "no keys" : "no key for these algorithms"), "keys");
    if (!unset && is_mixed(p))
        err = hf_whys_add(whys, HF_ERR_JWT_POLICY_MIXED, hf_text("HS beside others"), "HS algorithms alone");
    return err;
}

/* ---- claims --------------------------------------------------------------------------------------------------- */

static const hf_json_node *claim(const hf_claims *c, const char *name)
{
    return hf_json_member(&c->json, &c->nodes[0], name);
}

/* RFC 7519 2: NumericDate. What an exponent or a sign would say is no date that anybody issues. */
static hf_err date(const hf_claims *c, const char *name, bool required, int64_t *at, bool *there, hf_why *why)
{
    const hf_json_node *const m = claim(c, name);
    *there = m != NULL;
    if (m == NULL)
        return required ? hf_why_tell(why, HF_ERR_JWT_CLAIM_MISSING, hf_text(""), name) : HF_OK;
    return hf_json_integer(m, at) && *at >= 0 ? HF_OK : hf_why_tell(why, HF_ERR_JWT_CLAIM_TYPE, m->text, name);
}

static hf_err check_times(const hf_jwt_policy *p, const hf_claims *c, hf_wall now, hf_why *why)
{
    const int64_t skew = p->skew_s < 0 ? 0 : p->skew_s == 0 ? SKEW_S : p->skew_s;
    int64_t exp = 0, nbf = 0, iat = 0;
    bool has_exp, has_nbf, has_iat;
    hf_err err = date(c, "exp", true, &exp, &has_exp, why);
    if (err.code == 0)
        err = date(c, "nbf", false, &nbf, &has_nbf, why);
    if (err.code == 0)
        err = date(c, "iat", p->max_life_s > 0, &iat, &has_iat, why);
    if (err.code != 0)
        return err;
    /* RFC 7519 4.1.4: "the expiration time on or after which the JWT MUST NOT be accepted" */
    if (now.s - skew >= exp)
        return hf_why_tell(why, HF_ERR_JWT_EXPIRED, claim(c, "exp")->text, "an exp that is still to come");
    if (has_nbf && nbf > now.s + skew)
        return hf_why_tell(why, HF_ERR_JWT_NOT_YET, claim(c, "nbf")->text, "an nbf that has passed");
    if (has_iat && iat > now.s + skew)
        return hf_why_tell(why, HF_ERR_JWT_FUTURE, claim(c, "iat")->text, "an iat that has passed");
    if (p->max_life_s > 0 && exp - iat > p->max_life_s)
        return hf_why_tell(why, HF_ERR_JWT_LIFE, claim(c, "exp")->text, "exp - iat within the policy's max_life_s");
    return HF_OK;
}

static hf_err check_issuer(const hf_jwt_policy *p, const hf_claims *c, hf_why *why)
{
    const hf_json_node *const m = claim(c, "iss");
    if (m == NULL)
        return hf_why_tell(why, HF_ERR_JWT_CLAIM_MISSING, hf_text(""), "iss");
    if (m->kind != HF_JSON_STRING) /* CVE-2025-30144: an array of issuers passed */
        return hf_why_tell(why, HF_ERR_JWT_CLAIM_TYPE, m->text, "iss: one string");
    return hf_bytes_equal(m->text, hf_text(p->issuer)) ? HF_OK : hf_why_tell(why, HF_ERR_JWT_ISSUER, m->text, p->issuer);
}

/* RFC 7519 4.1.3: a string, or an array of strings that has ours among them. */
static hf_err check_audience(const hf_jwt_policy *p, const hf_claims *c, hf_why *why)
{
    const hf_json_node *const m = claim(c, "aud");
    const bool many = m != NULL && m->kind == HF_JSON_ARRAY;
    bool found = false;
    if (m == NULL)
        return hf_why_tell(why, HF_ERR_JWT_CLAIM_MISSING, hf_text(""), "aud");
    if (!many && m->kind != HF_JSON_STRING)
        return hf_why_tell(why, HF_ERR_JWT_CLAIM_TYPE, m->text, "aud: a string or strings");
    for (const hf_json_node *at = many ? hf_json_first(&c->json, m) : m; at != NULL; at = many ? hf_json_next(&c->json, at) : NULL) {
        if (at->kind != HF_JSON_STRING)
            return hf_why_tell(why, HF_ERR_JWT_CLAIM_TYPE, at->text, "aud: a string or strings");
        found = found || hf_bytes_equal(at->text, hf_text(p->audience));
    }
    return found ? HF_OK : hf_why_tell(why, HF_ERR_JWT_AUDIENCE, m->text, p->audience);
}

static hf_err check_rest(const hf_jwt_policy *p, const hf_claims *c, hf_why *why)
{
    static const char *const strings[] = { "sub", "jti" };
    for (size_t i = 0; i < HF_COUNT(strings); i++) {
        const hf_json_node *const m = claim(c, strings[i]);
        if (m != NULL && m->kind != HF_JSON_STRING)
            return hf_why_tell(why, HF_ERR_JWT_CLAIM_TYPE, m->text, strings[i]);
    }
    for (const char *const *name = p->required; name != NULL && *name != NULL; name++) {
        const hf_json_node *const m = claim(c, *name);
        if (m == NULL || m->kind == HF_JSON_NULL)
            return hf_why_tell(why, HF_ERR_JWT_CLAIM_MISSING, hf_text(""), *name);
    }
    return HF_OK;
}

/* RFC 7515 4.1.9: "application/" may be left out; media types are compared without regard to case. */
static hf_err check_typ(const hf_jwt_policy *p, const hf_jws_facts *f, hf_why *why)
{
    const hf_bytes prefix = hf_text("application/");
    hf_bytes typ = hf_bytes_make(f->typ, f->typ_length == NO_TYP ? 0 : f->typ_length);
    if (p->typ == NULL && f->typ_length == NO_TYP)
        return HF_OK;
    const hf_bytes whole = typ;
    if (typ.len > prefix.len && hf_text_same(hf_bytes_make(typ.ptr, prefix.len), prefix))
        typ = hf_bytes_make(typ.ptr + prefix.len, typ.len - prefix.len);
    const char *const wanted = p->typ != NULL ? p->typ : "JWT";
    return hf_text_same(typ, hf_text(wanted)) ? HF_OK : hf_why_tell(why, HF_ERR_JWT_TYP, whole, wanted);
}

static hf_err check_alg(const hf_jwt_policy *p, hf_alg alg, hf_why *why)
{
    for (size_t i = 0; i < p->alg_count; i++)
        if (p->algs[i] == alg)
            return HF_OK;
    return hf_why_tell(why, HF_ERR_JWT_ALG_POLICY, hf_text(hf_alg_name(alg)), "an algorithm of the policy");
}

static hf_err check_all(const hf_jwt_policy *p, const hf_claims *c, hf_wall now, hf_why *why)
{
    hf_err err = check_issuer(p, c, why);
    if (err.code == 0)
        err = check_audience(p, c, why);
    if (err.code == 0)
        err = check_times(p, c, now, why);
    return err.code != 0 ? err : check_rest(p, c, why);
}

static hf_err read(const hf_jwt_policy *p, hf_claims *c, hf_bytes token, hf_wall now, hf_why *why)
{
    hf_jws_facts facts = { .alg = HF_ALG_UNSET };
    uint8_t *const memory = (uint8_t *)&c->nodes[c->json.capacity];
    size_t length;
    hf_err err = hf_jws_check(p->keys, token, memory, &length, &facts, why);
    if (err.code == 0)
        err = check_alg(p, facts.alg, why);
    if (err.code == 0)
        err = check_typ(p, &facts, why);
    if (err.code != 0)
        return err;
    c->text = hf_bytes_make(memory, length);
    c->json.nodes = c->nodes;
    c->json.scratch = hf_writer_make(memory + token.len, token.len);
    if (!hf_json_parse(&c->json, c->text) || c->nodes[0].kind != HF_JSON_OBJECT)
        return hf_why_tell_secret(why, HF_ERR_JWT_PAYLOAD, c->text, "one JSON object without repeated names");
    return check_all(p, c, now, why);
}

hf_err hf_jwt_verify(const hf_env *env, const hf_jwt_policy *p, hf_bytes token, hf_wall now, hf_claims **claims, hf_why *why)
{
    *claims = NULL;
    hf_err err = hf_jwt_lint(p, NULL);
    if (err.code != 0)
        return hf_why_tell(why, err.code, hf_text("the policy"), NULL);
    if (token.len == 0)
        return hf_why_tell(why, HF_ERR_JWT_MISSING, hf_text(""), "Authorization: Bearer");
    if (token.len > env->limits->jwt_bytes)
        return hf_why_tell_secret(why, HF_ERR_JWT_TOO_LARGE, token, "at most jwt_bytes");
    const size_t values = env->limits->jwt_values, size = sizeof(hf_claims) + values * sizeof(hf_json_node) + 2 * token.len;
    hf_claims *c = hf_alloc(&env->alloc, size);
    if (c == NULL)
        return hf_why_tell(why, HF_ERR_BASE_MEMORY, hf_text(""), NULL);
    *c = (hf_claims){ .alloc = &env->alloc, .size = size, .json = { .capacity = values } };
    err = read(p, c, token, now, why);
    if (err.code != 0)
        hf_claims_free(c);
    else
        *claims = c;
    return err;
}

void hf_claims_free(hf_claims *c)
{
    if (c != NULL)
        hf_free(c->alloc, c, c->size);
}

hf_bytes hf_claims_text(const hf_claims *c, const char *name)
{
    const hf_json_node *const m = claim(c, name);
    return m != NULL && m->kind == HF_JSON_STRING ? m->text : hf_bytes_make(NULL, 0);
}

bool hf_claims_number(const hf_claims *c, const char *name, int64_t *number)
{
    const hf_json_node *const m = claim(c, name);
    return m != NULL && hf_json_integer(m, number);
}

hf_bytes hf_claims_json(const hf_claims *c)
{
    return c->text;
}

/* RFC 6750 2.1: credentials = "Bearer" 1*SP b64token; scheme names are compared without regard to case. */
hf_bytes hf_bearer_token(hf_fields fields)
{
    const hf_field *const f = hf_fields_find(fields, HF_FIELD_AUTHORIZATION);
    const hf_bytes none = { NULL, 0 };
    if (f == NULL || f->value.len < 7 || !hf_text_same(hf_bytes_make(f->value.ptr, 7), hf_text("Bearer ")) ||
        hf_fields_next(fields, HF_FIELD_AUTHORIZATION, f) != NULL)
        return none;
    return hf_trim(hf_bytes_make(f->value.ptr + 7, f->value.len - 7));
}

/* ---- issuing -------------------------------------------------------------------------------------------------- */

static void write_claims(hf_writer *w, const hf_jwt_policy *p, const hf_jwt_wish *wish, hf_wall now, int64_t life, hf_bytes jti)
{
    hf_write_text(w, "{\"iss\":\"");
    hf_write_json(w, hf_text(p->issuer));
    if (wish->subject.len > 0) {
        hf_write_text(w, "\",\"sub\":\"");
        hf_write_json(w, wish->subject);
    }
    hf_write_text(w, "\",\"aud\":\"");
    hf_write_json(w, hf_text(p->audience));
    hf_write_text(w, "\",\"iat\":");
    hf_write_decimal(w, (uint64_t)now.s);
    hf_write_text(w, ",\"exp\":");
    hf_write_decimal(w, (uint64_t)(now.s + life));
    hf_write_text(w, ",\"jti\":\"");
    hf_write(w, jti);
    hf_write_text(w, wish->extra.len > 0 ? "\"," : "\"");
    hf_write(w, wish->extra);
    hf_write_text(w, "}");
}

/* What we sign must be what we would accept: `extra` may hold anything. */
static bool is_sane(const hf_env *env, hf_bytes json)
{
    const size_t values = env->limits->jwt_values, size = values * sizeof(hf_json_node) + json.len;
    hf_json_node *nodes = hf_alloc(&env->alloc, size);
    if (nodes == NULL)
        return false;
    hf_json j = { .nodes = nodes, .capacity = values, .scratch = hf_writer_make(&nodes[values], json.len) };
    const bool good = hf_json_parse(&j, json) && nodes[0].kind == HF_JSON_OBJECT;
    hf_free(&env->alloc, nodes, size);
    return good;
}

hf_err hf_jwt_issue(hf_crypto *c, const hf_env *env, const hf_jwt_policy *p, const hf_jwt_wish *wish, hf_wall now, char *out, size_t room, size_t *length,
    char jti[22], hf_why *why)
{
    uint8_t text[4096], random[JTI], id[22], header[96];
    const int64_t most = p->max_life_s > 0 ? p->max_life_s : LIFE_S, life = wish->life_s == 0 ? most : wish->life_s;
    *length = 0;
    hf_err err = hf_jwt_lint(p, NULL);
    if (err.code != 0)
        return hf_why_tell(why, err.code, hf_text("the policy"), NULL);
    if (life < 0 || now.s < 0 || (p->max_life_s > 0 && life > most) || life > INT32_MAX)
        return hf_why_tell(why, HF_ERR_JWT_LIFE, hf_text("life_s"), "at most max_life_s");
    if (!hf_crypto_random(c, random, sizeof random))
        return hf_why_tell(why, HF_ERR_TLS_CRYPTO, hf_text(""), NULL);
    hf_writer i = hf_writer_make(id, sizeof id), w = hf_writer_make(text, sizeof text), h = hf_writer_make(header, sizeof header);
    hf_base64_write(&i, HF_BASE64URL, hf_bytes_make(random, sizeof random));
    write_claims(&w, p, wish, now, life, hf_written(&i));
    hf_write_text(&h, "\"typ\":\"");
    hf_write_json(&h, hf_text(p->typ != NULL ? p->typ : "JWT"));
    hf_write_text(&h, "\"");
    if (w.overflowed || h.overflowed)
        return hf_why_tell(why, HF_ERR_BASE_LIMIT, hf_text(""), "claims of at most 4096 bytes");
    if (!is_sane(env, hf_written(&w)))
        return hf_why_tell(why, HF_ERR_JWT_PAYLOAD, wish->extra, "members that are not there yet");
    if (jti != NULL)
        memcpy(jti, id, sizeof id);
    return hf_jws_sign(p->keys, wish->kid, hf_written(&h), hf_written(&w), out, room, length, why);
}

/* ---- for people ----------------------------------------------------------------------------------------------- */

hf_err hf_jwt_open(hf_bytes compact, uint8_t *header, size_t *header_length, uint8_t *payload, size_t *payload_length)
{
    hf_jws_parts p;
    hf_writer h = hf_writer_make(header, compact.len), w = hf_writer_make(payload, compact.len);
    if (!hf_jws_split(compact, &p) || hf_base64_parse(&h, HF_BASE64URL, p.header).code != 0 || hf_base64_parse(&w, HF_BASE64URL, p.payload).code != 0)
        return hf_err_make(HF_ERR_JWT_SYNTAX);
    *header_length = h.length;
    *payload_length = w.length;
    return HF_OK;
}
