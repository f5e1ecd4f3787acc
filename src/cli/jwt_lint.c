/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt lint: what is unwise in a token, whoever signed it.
 */
#include "jwt_lint.h"

#include <handfast/guard.h>
#include <stdlib.h>

#include "guard_json.h"

enum { NODES = 512, COOKIE = 4096, LONG_LIFE_S = 3600 };

typedef struct lint {
    FILE *out;
    hf_json header, payload;
    size_t found;
} lint;

static void say(lint *l, const char *what, const char *remedy)
{
    fprintf(l->out, "%s\n    remedy: %s\n", what, remedy);
    l->found++;
}

static const hf_json_node *claim(const lint *l, const char *name)
{
    return hf_json_member(&l->payload, &l->payload.nodes[0], name);
}

static bool text_is(const hf_json_node *node, const char *text)
{
    return node != NULL && node->kind == HF_JSON_STRING && hf_text_same(node->text, hf_text(text));
}

static void look_at_header(lint *l)
{
    static const char *const brought[] = { "jwk", "jku", "x5u", "x5c" };
    const hf_json_node *const root = &l->header.nodes[0], *const alg = hf_json_member(&l->header, root, "alg");
    if (alg == NULL || text_is(alg, "none"))
        say(l, "nobody signed it: alg is none, or missing (RFC 8725 3.2)", "sign it: EdDSA or ES256");
    else if (alg->kind != HF_JSON_STRING || hf_alg_find(alg->text) == HF_ALG_UNSET)
        say(l, "alg is none that Handfast has (RFC 7518 3.1)", "EdDSA, ES256, PS256, RS256 or HS256");
    for (size_t i = 0; i < HF_COUNT(brought); i++)
        if (hf_json_member(&l->header, root, brought[i]) != NULL) {
            say(l, "the header brings a key, or says where one is: jwk, jku, x5u, x5c (RFC 8725 3.10)", "leave it out: kid names a key that the verifier has");
            break;
        }
    if (hf_json_member(&l->header, root, "kid") == NULL)
        say(l, "there is no kid: keys cannot be rotated without trying them all", "name the key in kid");
    if (hf_json_member(&l->header, root, "typ") == NULL)
        say(l, "there is no typ, so one kind of token may pass for another (RFC 8725 3.11)", "say what it is: at+jwt, or a type of your own");
}

static void look_at_times(lint *l)
{
    int64_t exp, iat = 0;
    const hf_json_node *const end = claim(l, "exp"), *const begin = claim(l, "iat");
    const bool has_begin = begin != NULL && begin->kind == HF_JSON_NUMBER && hf_json_integer(begin, &iat);
    if (end == NULL)
        say(l, "there is no exp: it counts for ever", "let it end after minutes; a refresh token gets the next one");
    else if (end->kind != HF_JSON_NUMBER || !hf_json_integer(end, &exp))
        say(l, "exp is no time (RFC 7519 4.1.4)", "seconds since 1970, as a number");
    else if (has_begin && exp - iat > LONG_LIFE_S)
        say(l, "it lives for more than an hour: so long it cannot be taken back without a list", "minutes, and a refresh token");
    if (!has_begin)
        say(l, "there is no iat: a subject that is logged out everywhere cannot be told from one that logged in since", "put the time of issue into iat");
}

static void look_at_claims(lint *l)
{
    static const char *const needed[][2] = { { "iss", "there is no iss: whose token it is, is anybody's guess (RFC 8725 3.8)" },
        { "aud", "there is no aud: what was made for one service opens another (RFC 8725 3.9)" },
        { "sub", "there is no sub: for whom it is, it does not say" }, { "jti", "there is no jti: it cannot be revoked by itself" } };
    static const char *const telling[] = { "email", "phone", "phone_number", "address", "birthdate", "name", "given_name", "family_name", "password",
        "secret", "ssn" };
    for (size_t i = 0; i < HF_COUNT(needed); i++)
        if (claim(l, needed[i][0]) == NULL)
            say(l, needed[i][1], "add it");
    for (size_t i = 0; i < HF_COUNT(telling); i++)
        if (claim(l, telling[i]) != NULL) {
            char text[128];
            snprintf(text, sizeof text, "the claim %s says something of a person, and whoever gets the token can read it", telling[i]);
            say(l, text, "keep it on the server, and look it up by sub");
        }
}

size_t hf_jwt_lint_token(FILE *out, hf_bytes token, hf_bytes header, hf_bytes payload)
{
    static hf_json_node nodes[2][NODES];
    static uint8_t scratch[2][65536];
    lint l = { .out = out, .header = { .nodes = nodes[0], .capacity = NODES, .scratch = hf_writer_make(scratch[0], sizeof scratch[0]) },
        .payload = { .nodes = nodes[1], .capacity = NODES, .scratch = hf_writer_make(scratch[1], sizeof scratch[1]) } };
    const bool good = hf_json_parse(&l.header, header) && hf_json_parse(&l.payload, payload);
    if (!good || l.header.nodes[0].kind != HF_JSON_OBJECT || l.payload.nodes[0].kind != HF_JSON_OBJECT) {
        say(&l, "header and payload are not one JSON object each, with every name once (RFC 7519 7.2, 4)", "let a library write it");
        return l.found;
    }
    look_at_header(&l);
    look_at_times(&l);
    look_at_claims(&l);
    if (token.len > COOKIE)
        say(&l, "it is longer than 4096 bytes: as a cookie, browsers drop it", "fewer claims");
    return l.found;
}
