/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt: what is in a token, whether it holds, and tokens for a test.
 */
#include "cli.h"

#include <stdlib.h>
#include <time.h>

#include <handfast/guard.h>

#include "allocator.h"
#include "jwt_lint.h"
#include "random.h"

enum { FILE_MOST = 65536 };

typedef struct bench {
    hf_random random;
    hf_env env;
    hf_crypto *crypto;
    hf_keys *keys;
} bench;

static hf_wall wall(void)
{
    return (hf_wall){ (int64_t)time(NULL) };
}

static const char *option(const hf_arguments *arguments, const char *name)
{
    const hf_given *const given = hf_arguments_find(arguments, name);
    return given != NULL ? given->value : NULL;
}

/* All of a file, without the line break at its end; `out` has room for FILE_MOST. False: it cannot be read, or is larger. */
static bool read_all(FILE *f, char *out, size_t *length)
{
    *length = f != NULL ? fread(out, 1, FILE_MOST, f) : 0;
    const bool good = f != NULL && !ferror(f) && *length < FILE_MOST;
    while (*length > 0 && (out[*length - 1] == '\n' || out[*length - 1] == '\r'))
        --*length;
    return good;
}

static hf_exit read_token(hf_cli *cli, const hf_arguments *arguments, char *out, size_t *length)
{
    const char *const given = arguments->operand_count > 1 ? arguments->operands[1] : "-";
    if (strcmp(given, "-") == 0)
        return read_all(stdin, out, length) ? HF_EXIT_OK : hf_cli_failed(cli, "no token on standard input");
    *length = strlen(given);
    if (*length >= FILE_MOST)
        return hf_cli_failed(cli, "no token is that long");
    memcpy(out, given, *length);
    return HF_EXIT_OK;
}

/* ---- keys ----------------------------------------------------------------------------------------------------- */

static bool open_bench(bench *b)
{
    hf_random_seed(&b->random, 1); /* ids and secrets come from libcrypto */
    b->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &b->random, .limits = hf_limits_default() };
    b->crypto = hf_crypto_new(&b->env, NULL);
    b->keys = b->crypto != NULL ? hf_keys_new(b->crypto, &b->env) : NULL;
    return b->keys != NULL;
}

static void close_bench(bench *b)
{
    hf_keys_free(b->keys);
    hf_crypto_free(b->crypto);
}

static hf_exit tell(hf_cli *cli, const hf_why *why)
{
    const hf_err_info *const info = hf_err_describe(why->err);
    fprintf(cli->err, "%s\n  rule:   %s\n", hf_err_text(why->err), info->rule);
    if (why->got[0] != 0)
        fprintf(cli->err, "  got:    %s\n", why->got);
    if (why->wanted[0] != 0)
        fprintf(cli->err, "  wanted: %s\n", why->wanted);
    fprintf(cli->err, "  remedy: %s\n", info->remedy);
    return HF_EXIT_FAILED;
}

/* A JWK or JWK set, PEM, or a raw secret: told apart by how it begins. */
static hf_exit load(hf_cli *cli, const hf_arguments *arguments, bench *b)
{
    static char text[FILE_MOST];
    const char *const name = option(arguments, "key"), *const alg_name = option(arguments, "alg"), *const kid = option(arguments, "kid");
    const hf_alg alg = hf_alg_find(hf_text(alg_name));
    size_t length;
    if (name == NULL)
        return hf_cli_misuse(cli, "--key FILE is needed: a JWK, a JWK set, PEM, or a secret");
    if (alg_name != NULL && alg == HF_ALG_UNSET)
        return hf_cli_misuse(cli, "--alg %s: not one of HS256, HS384, HS512, RS256, PS256, ES256, EdDSA and their likes", alg_name);
    FILE *const f = fopen(name, "rb");
    const bool good = read_all(f, text, &length);
    if (f != NULL)
        fclose(f);
    if (!good)
        return hf_cli_failed(cli, "%s cannot be read, or is larger than a key", name);
    const hf_bytes all = hf_bytes_make(text, length);
    hf_whys whys = { .count = 0 };
    hf_err err;
    if (length > 0 && text[0] == '{') {
        err = hf_keys_add_jwks(b->keys, alg, all, true, &whys);
        for (size_t i = 0; i < whys.count && i < HF_WHYS_MOST; i++)
            tell(cli, &whys.at[i]);
        return err.code == 0 ? HF_EXIT_OK : HF_EXIT_FAILED;
    }
    if (alg == HF_ALG_UNSET)
        return hf_cli_misuse(cli, "--alg is needed: only a JWK says its own");
    err = length > 10 && memcmp(text, "-----BEGIN", 10) == 0 ? hf_keys_add_pem(b->keys, alg, hf_text(kid), all, &whys.at[0])
                                                             : hf_keys_add_secret(b->keys, alg, hf_text(kid), all, &whys.at[0]);
    memset(text, 0, sizeof text);
    return err.code == 0 ? HF_EXIT_OK : tell(cli, &whys.at[0]);
}

/* ---- inspect -------------------------------------------------------------------------------------------- */

static void print_time(hf_cli *cli, const hf_claims *claims, const char *name)
{
    int64_t at;
    char text[64];
    if (!hf_claims_number(claims, name, &at))
        return;
    const time_t seconds = (time_t)at;
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) > 0)
        fprintf(cli->out, "%-8s %s, %lld s %s\n", name, text, llabs((long long)(at - wall().s)), at > wall().s ? "from now" : "ago");
}

static hf_exit open_token(hf_cli *cli, const hf_arguments *arguments, uint8_t *header, size_t *header_length, uint8_t *payload, size_t *payload_length)
{
    static char token[FILE_MOST];
    size_t n;
    const hf_exit result = read_token(cli, arguments, token, &n);
    if (result != HF_EXIT_OK)
        return result;
    const hf_err err = hf_jwt_open(hf_bytes_make(token, n), header, header_length, payload, payload_length);
    return err.code == 0 ? HF_EXIT_OK : hf_cli_failed(cli, "%s: three parts of base64url, set apart by dots, are wanted", hf_err_text(err));
}

/* Control bytes of a token are no commands for a terminal. */
static void print_text(hf_cli *cli, const char *label, const uint8_t *text, size_t n)
{
    fprintf(cli->out, "%s", label);
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] == 0x7f)
            fprintf(cli->out, "\\x%02x", text[i]);
        else
            fputc(text[i], cli->out);
    fputc('\n', cli->out);
}

static hf_exit inspect(hf_cli *cli, const hf_arguments *arguments)
{
    static uint8_t header[FILE_MOST], payload[FILE_MOST];
    size_t h, p;
    const hf_exit result = open_token(cli, arguments, header, &h, payload, &p);
    if (result != HF_EXIT_OK)
        return result;
    print_text(cli, "header   ", header, h);
    print_text(cli, "payload  ", payload, p);
    fprintf(cli->err, "Nobody has verified this: see handfast jwt verify.\n");
    return HF_EXIT_OK;
}

/* What is wrong is the answer: who asks wants to know it by the exit status, too. */
static hf_exit lint(hf_cli *cli, const hf_arguments *arguments)
{
    static uint8_t header[FILE_MOST], payload[FILE_MOST];
    static char token[FILE_MOST];
    size_t n, h, p;
    const hf_exit result = read_token(cli, arguments, token, &n);
    if (result != HF_EXIT_OK)
        return result;
    const hf_err err = hf_jwt_open(hf_bytes_make(token, n), header, &h, payload, &p);
    if (err.code != 0)
        return hf_cli_failed(cli, "%s: three parts of base64url, set apart by dots, are wanted", hf_err_text(err));
    const size_t found = hf_jwt_lint_token(cli->out, hf_bytes_make(token, n), hf_bytes_make(header, h), hf_bytes_make(payload, p));
    if (found == 0)
        fputs("nothing to complain of\n", cli->out);
    return found == 0 ? HF_EXIT_OK : HF_EXIT_FAILED;
}

/* ---- verify, sign --------------------------------------------------------------------------------------------- */

static const hf_alg every_hmac[] = { HF_ALG_HS256, HF_ALG_HS384, HF_ALG_HS512 };
static const hf_alg every_other[] = { HF_ALG_RS256, HF_ALG_RS384, HF_ALG_RS512, HF_ALG_PS256, HF_ALG_PS384, HF_ALG_PS512, HF_ALG_ES256, HF_ALG_ES384, HF_ALG_ES512, HF_ALG_EDDSA };

/* The keys decide: a set holds either secrets or others. */
static hf_exit policy_of(hf_cli *cli, const hf_arguments *arguments, const bench *b, hf_jwt_policy *policy)
{
    *policy = (hf_jwt_policy){ .algs = every_hmac, .alg_count = HF_COUNT(every_hmac), .issuer = option(arguments, "issuer"),
                               .audience = option(arguments, "audience"), .typ = option(arguments, "typ"), .keys = b->keys };
    if (policy->issuer == NULL || policy->audience == NULL)
        return hf_cli_misuse(cli, "--issuer and --audience are needed: a token counts for one audience, by one issuer");
    if (hf_jwt_lint(policy, NULL).code != 0) {
        policy->algs = every_other;
        policy->alg_count = HF_COUNT(every_other);
    }
    return HF_EXIT_OK;
}

static hf_exit verify(hf_cli *cli, const hf_arguments *arguments, const bench *b, const hf_jwt_policy *policy)
{
    static char token[FILE_MOST];
    static const char *const times[] = { "iat", "nbf", "exp" };
    size_t n;
    hf_claims *claims;
    hf_why why = { .got = "" };
    const hf_exit result = read_token(cli, arguments, token, &n);
    if (result != HF_EXIT_OK)
        return result;
    if (hf_jwt_verify(&b->env, policy, hf_bytes_make(token, n), wall(), &claims, &why).code != 0)
        return tell(cli, &why);
    const hf_bytes json = hf_claims_json(claims);
    print_text(cli, "good     ", json.ptr, json.len);
    for (size_t i = 0; i < HF_COUNT(times); i++)
        print_time(cli, claims, times[i]);
    hf_claims_free(claims);
    return HF_EXIT_OK;
}

static hf_exit sign(hf_cli *cli, const hf_arguments *arguments, const bench *b, const hf_jwt_policy *policy)
{
    char out[16384];
    size_t n;
    hf_why why = { .got = "" };
    const char *const life = option(arguments, "life");
    char *end = NULL;
    const hf_jwt_wish wish = { .subject = hf_text(option(arguments, "subject")), .kid = hf_text(option(arguments, "kid")),
                               .life_s = life != NULL ? strtoll(life, &end, 10) : 0 };
    if (life != NULL && (end == life || *end != 0 || wish.life_s <= 0))
        return hf_cli_misuse(cli, "--life %s: a number of seconds is wanted", life);
    if (hf_jwt_issue(b->crypto, &b->env, policy, &wish, wall(), out, sizeof out, &n, NULL, &why).code != 0)
        return tell(cli, &why);
    fprintf(cli->out, "%.*s\n", (int)n, out);
    return HF_EXIT_OK;
}

static hf_exit with_keys(hf_cli *cli, const hf_arguments *arguments, bool signing)
{
    bench b;
    hf_jwt_policy policy;
    if (!open_bench(&b)) {
        close_bench(&b);
        return hf_cli_failed(cli, "libcrypto cannot be used");
    }
    hf_exit result = load(cli, arguments, &b);
    if (result == HF_EXIT_OK)
        result = policy_of(cli, arguments, &b, &policy);
    if (result == HF_EXIT_OK)
        result = signing ? sign(cli, arguments, &b, &policy) : verify(cli, arguments, &b, &policy);
    close_bench(&b);
    return result;
}

int hf_command_jwt(hf_cli *cli, const hf_arguments *arguments)
{
    const char *const what = arguments->operands[0];
    if (strcmp(what, "inspect") == 0)
        return inspect(cli, arguments);
    if (strcmp(what, "lint") == 0)
        return lint(cli, arguments);
    if (strcmp(what, "verify") == 0)
        return with_keys(cli, arguments, false);
    if (strcmp(what, "sign") == 0 && arguments->operand_count == 1)
        return with_keys(cli, arguments, true);
    return hf_cli_misuse(cli, "jwt inspect [TOKEN], jwt lint [TOKEN], jwt verify [TOKEN], or jwt sign");
}
