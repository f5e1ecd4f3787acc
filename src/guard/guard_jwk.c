/* SPDX-License-Identifier: Apache-2.0
 *
 * JWK and JWK sets (RFC 7517, 7518 6, 8037 2): read strictly, and published without a secret.
 */
#include "base64.h"
#include "crypto_secret.h"
#include "guard_json.h"
#include "guard_keys.h"
#include "guard_why.h"

enum { NUMBERS = 10 };

typedef struct reading {
    hf_keys *keys;
    hf_alg preset;
    hf_json json;
    uint8_t *memory; /* decoded numbers of one key */
    size_t room;
} reading;

static hf_bytes text_of(const hf_json *j, const hf_json_node *jwk, const char *name)
{
    const hf_json_node *const m = hf_json_member(j, jwk, name);
    return m != NULL && m->kind == HF_JSON_STRING ? m->text : hf_bytes_make(NULL, 0);
}

/* RFC 7517 4.2, 4.3: where they are said, they must say signatures. */
static bool is_for_signatures(const hf_json *j, const hf_json_node *jwk)
{
    const hf_json_node *const use = hf_json_member(j, jwk, "use"), *const ops = hf_json_member(j, jwk, "key_ops");
    if (use != NULL && (use->kind != HF_JSON_STRING || !hf_bytes_equal(use->text, hf_text("sig"))))
        return false;
    if (ops == NULL)
        return true;
    bool found = false;
    for (const hf_json_node *op = ops->kind == HF_JSON_ARRAY ? hf_json_first(j, ops) : NULL; op != NULL; op = hf_json_next(j, op))
        found = found || (op->kind == HF_JSON_STRING && (hf_bytes_equal(op->text, hf_text("verify")) || hf_bytes_equal(op->text, hf_text("sign"))));
    return found;
}

static hf_token_kind kind_of(hf_bytes kty)
{
    static const char *const names[] = { [HF_TOKEN_HMAC] = "oct", [HF_TOKEN_RSA] = "RSA", [HF_TOKEN_EC] = "EC", [HF_TOKEN_ED25519] = "OKP" };
    for (size_t i = HF_TOKEN_HMAC; i < HF_COUNT(names); i++)
        if (hf_bytes_equal(kty, hf_text(names[i])))
            return (hf_token_kind)i;
    return HF_TOKEN_NONE;
}

/* What the curve has: RFC 7518 3.4, RFC 8037 3.1. */
static hf_alg alg_of_curve(hf_bytes crv)
{
    static const struct {
        const char *curve;
        hf_alg alg;
    } rows[] = { { "P-256", HF_ALG_ES256 }, { "P-384", HF_ALG_ES384 }, { "P-521", HF_ALG_ES512 }, { "Ed25519", HF_ALG_EDDSA } };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (hf_bytes_equal(crv, hf_text(rows[i].curve)))
            return rows[i].alg;
    return HF_ALG_UNSET;
}

/* The one algorithm of the key, or UNSET. */
static hf_alg alg_of(const reading *r, const hf_json_node *jwk, hf_token_kind kind)
{
    const hf_json_node *const said = hf_json_member(&r->json, jwk, "alg");
    const bool curved = kind == HF_TOKEN_EC || kind == HF_TOKEN_ED25519;
    const hf_alg curve = curved ? alg_of_curve(text_of(&r->json, jwk, "crv")) : HF_ALG_UNSET;
    hf_alg alg = curved ? curve : r->preset;
    if (said != NULL)
        alg = said->kind == HF_JSON_STRING ? hf_alg_find(said->text) : HF_ALG_UNSET;
    if (alg == HF_ALG_UNSET || hf_jws_kind((hf_jws_alg)alg) != kind || (curved && alg != curve))
        return HF_ALG_UNSET;
    return alg;
}

/* Decodes a member behind what is in `w`; false when it is there and no base64url. */
static bool number_of(const reading *r, const hf_json_node *jwk, const char *name, hf_writer *w, hf_bytes *number)
{
    const hf_json_node *const m = hf_json_member(&r->json, jwk, name);
    const size_t start = w->length;
    *number = hf_bytes_make(NULL, 0);
    if (m == NULL)
        return true;
    if (m->kind != HF_JSON_STRING || hf_base64_parse(w, HF_BASE64URL, m->text).code != 0)
        return false;
    *number = hf_bytes_make(w->ptr + start, w->length - start);
    return true;
}

static hf_err make(const reading *r, const hf_json_node *jwk, hf_token_kind kind, hf_alg alg, hf_token_key **key)
{
    hf_token_numbers k = { .n = { NULL, 0 } };
    hf_bytes secret;
    hf_writer w = hf_writer_make(r->memory, r->room);
    const struct {
        const char *name;
        hf_bytes *to;
    } members[NUMBERS] = { { "n", &k.n }, { "e", &k.e }, { "d", &k.d }, { "p", &k.p }, { "q", &k.q }, { "dp", &k.dp }, { "dq", &k.dq },
                           { "qi", &k.qi }, { "x", &k.x }, { "y", &k.y } };
    hf_err err = HF_OK;
    if (kind == HF_TOKEN_HMAC) {
        if (!number_of(r, jwk, "k", &w, &secret) || secret.ptr == NULL)
            return hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
        return hf_is_key_text(secret) ? hf_err_make(HF_ERR_JWT_KEY_TEXT) : hf_token_key_secret(r->keys->crypto, (hf_jws_alg)alg, secret, key);
    }
    for (size_t i = 0; i < NUMBERS && err.code == 0; i++)
        if (!number_of(r, jwk, members[i].name, &w, members[i].to))
            err = hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    return err.code != 0 ? err : hf_token_key_make(r->keys->crypto, (hf_jws_alg)alg, &k, key);
}

static hf_err take(reading *r, const hf_json_node *jwk)
{
    hf_token_key *key = NULL;
    const hf_json_node *const kid = hf_json_member(&r->json, jwk, "kid");
    const hf_token_kind kind = jwk->kind == HF_JSON_OBJECT ? kind_of(text_of(&r->json, jwk, "kty")) : HF_TOKEN_NONE;
    if (kind == HF_TOKEN_NONE || (kid != NULL && kid->kind != HF_JSON_STRING))
        return hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    if (!is_for_signatures(&r->json, jwk))
        return hf_err_make(HF_ERR_JWT_KEY_USE);
    const hf_alg alg = alg_of(r, jwk, kind);
    if (alg == HF_ALG_UNSET)
        return hf_err_make(HF_ERR_JWT_KEY_ALG);
    const hf_err err = make(r, jwk, kind, alg, &key);
    hf_wipe(r->memory, r->room);
    return err.code != 0 ? err : hf_keys_put(r->keys, key, kid != NULL ? kid->text : hf_bytes_make(NULL, 0));
}

/* What makes a whole set doubtful, however lenient we are; what may be passed over otherwise. */
static bool is_grave(hf_err err)
{
    return err.code == HF_ERR_JWT_KEY_TWICE || err.code == HF_ERR_JWT_KEY_MIXED || err.code == HF_ERR_JWT_KEY_MANY || err.code == HF_ERR_BASE_MEMORY;
}

static hf_err take_all(reading *r, bool strict, hf_whys *whys)
{
    const hf_json_node *const root = &r->json.nodes[0], *const set = hf_json_member(&r->json, root, "keys");
    hf_err first = HF_OK;
    if (set != NULL && set->kind != HF_JSON_ARRAY)
        return hf_whys_add(whys, HF_ERR_JWT_KEY_SYNTAX, hf_text("keys"), "an array");
    for (const hf_json_node *jwk = set == NULL ? root : hf_json_first(&r->json, set); jwk != NULL; jwk = set == NULL ? NULL : hf_json_next(&r->json, jwk)) {
        const hf_err err = take(r, jwk);
        if (err.code == 0)
            continue;
        (void)hf_whys_add(whys, err.code, text_of(&r->json, jwk, "kid"), hf_key_wanted(err));
        if (first.code == 0 && (strict || set == NULL || is_grave(err)))
            first = err;
    }
    return first;
}

hf_err hf_keys_add_jwks(hf_keys *keys, hf_alg alg, hf_bytes json, bool strict, hf_whys *whys)
{
    const hf_allocator *const a = &keys->env->alloc;
    const size_t before = keys->count, nodes = 8 * (size_t)keys->env->limits->jwt_values;
    if (json.len == 0 || json.len > keys->env->limits->jwks_bytes)
        return hf_whys_add(whys, json.len == 0 ? HF_ERR_JWT_KEY_SYNTAX : HF_ERR_BASE_LIMIT, hf_text("key set"), "at most jwks_bytes of JSON");
    reading r = { .keys = keys, .preset = alg, .room = json.len };
    r.json = (hf_json){ .capacity = nodes };
    uint8_t *const scratch = hf_alloc(a, json.len);
    r.json.scratch = hf_writer_make(scratch, json.len);
    r.json.nodes = hf_alloc(a, nodes * sizeof *r.json.nodes);
    r.memory = hf_alloc(a, json.len);
    hf_err err = HF_OK;
    if (scratch == NULL || r.json.nodes == NULL || r.memory == NULL)
        err = hf_whys_add(whys, HF_ERR_BASE_MEMORY, hf_text(""), NULL);
    else if (!hf_json_parse(&r.json, json) || r.json.nodes[0].kind != HF_JSON_OBJECT)
        err = hf_whys_add(whys, HF_ERR_JWT_KEY_SYNTAX, hf_text("key set"), "one JSON object without repeated names");
    else
        err = take_all(&r, strict, whys);
    if (err.code != 0)
        hf_keys_cut(keys, before);
    if (scratch != NULL)
        hf_wipe(scratch, json.len);
    hf_free(a, scratch, json.len);
    hf_free(a, r.json.nodes, nodes * sizeof *r.json.nodes);
    hf_free(a, r.memory, json.len);
    return err;
}

/* ---- publication ---------------------------------------------------------------------------------------------- */

static void member(hf_writer *w, const char *name, hf_bytes number)
{
    if (number.len == 0)
        return;
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, "\":\"");
    hf_base64_write(w, HF_BASE64URL, number);
    hf_write_text(w, "\"");
}

static void publish(hf_writer *w, const hf_named_key *one, const hf_token_numbers *n)
{
    static const char *const curves[] = { [HF_JWS_ES256] = "P-256", [HF_JWS_ES384] = "P-384", [HF_JWS_ES512] = "P-521", [HF_JWS_EDDSA] = "Ed25519" };
    const hf_jws_alg alg = hf_token_key_alg(one->key);
    const hf_token_kind kind = hf_jws_kind(alg);
    hf_write_text(w, kind == HF_TOKEN_RSA ? "{\"kty\":\"RSA\"" : kind == HF_TOKEN_EC ? "{\"kty\":\"EC\"" : "{\"kty\":\"OKP\"");
    hf_write_text(w, ",\"use\":\"sig\",\"alg\":\"");
    hf_write_text(w, hf_alg_name((hf_alg)alg));
    if (one->kid.len > 0) {
        hf_write_text(w, "\",\"kid\":\"");
        hf_write_json(w, one->kid);
    }
    if (kind != HF_TOKEN_RSA) {
        hf_write_text(w, "\",\"crv\":\"");
        hf_write_text(w, curves[alg]);
    }
    hf_write_text(w, "\"");
    member(w, "n", n->n);
    member(w, "e", n->e);
    member(w, "x", n->x);
    member(w, "y", n->y);
    hf_write_text(w, "}");
}

hf_err hf_keys_write(const hf_keys *keys, char *out, size_t room, size_t *length)
{
    uint8_t memory[HF_SIGNATURE_MOST + 16];
    hf_token_numbers numbers;
    hf_writer w = hf_writer_make(out, room);
    bool first = true;
    hf_write_text(&w, "{\"keys\":[");
    for (size_t i = 0; i < keys->count; i++) {
        if (!hf_token_key_public(keys->at[i].key, (hf_span){ memory, sizeof memory }, &numbers))
            continue;
        hf_write_text(&w, first ? "" : ",");
        publish(&w, &keys->at[i], &numbers);
        first = false;
    }
    hf_write_text(&w, "]}");
    *length = w.length;
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : HF_OK;
}
