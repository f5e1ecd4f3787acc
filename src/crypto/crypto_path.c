/* SPDX-License-Identifier: Apache-2.0
 *
 * Which way from the leaf to a root? We go through the paths ourselves, over what was sent, in whatever order, and the
 * roots; libcrypto verifies each (RFC 5280 6.1), the web's profile judges what it accepts, and the first that holds is
 * taken. So a bad cross-certificate never hides a good path (RFC 4158 2.4), and of bad ones the best is told.
 */
#include "crypto_chain.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "text.h"

typedef struct search {
    hf_trust *trust;
    const hf_chain *chain;
    const hf_trust_question *question;
    hf_path at;         /* grows and shrinks */
    hf_path best_path;  /* what `best` is about; count 0: none was whole */
    hf_verdict best;
    hf_path dead;       /* the longest that reached no root */
    size_t tried;
    size_t steps;       /* certificates that were put into a path */
    bool spent;         /* limit chain_paths */
} search;

/* ---- one path ------------------------------------------------------------------------------------------------- */

static void set_up(X509_STORE_CTX *ctx, const search *s, STACK_OF(X509) *root)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_STORE_CTX_set0_trusted_stack(ctx, root);
    X509_VERIFY_PARAM_set_time(param, (time_t)s->question->at.s);
    X509_VERIFY_PARAM_set_purpose(param, s->question->of_client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_auth_level(param, 2); /* 112 bits: RSA of 2048 bits, no SHA-1 */
    X509_VERIFY_PARAM_set_depth(param, HF_PATH_MOST); /* limit chain_intermediates is ours */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT | X509_V_FLAG_TRUSTED_FIRST |
                                           (sk_X509_CRL_num(s->trust->lists) > 0 ? X509_V_FLAG_CRL_CHECK : 0));
}

/* libcrypto's answer for the path as it stands: X509_V_... and the certificate that it is about. */
static int ask(const search *s, size_t *depth)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(s->trust->crypto->library, NULL);
    STACK_OF(X509) *between = sk_X509_new_null(), *root = sk_X509_new_null();
    const hf_path *const p = &s->at;
    bool good = ctx != NULL && between != NULL && root != NULL && sk_X509_push(root, p->certificates[p->count - 1]) > 0;
    for (size_t i = 1; good && i + 1 < p->count; i++)
        good = sk_X509_push(between, p->certificates[i]) > 0;
    int answer = X509_V_ERR_OUT_OF_MEM;
    *depth = 0;
    if (good && X509_STORE_CTX_init(ctx, s->trust->store, p->certificates[0], between) == 1) {
        set_up(ctx, s, root);
        answer = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
        if (answer == X509_V_OK && X509_STORE_CTX_get_error(ctx) != X509_V_OK)
            answer = X509_STORE_CTX_get_error(ctx);
        const int at = X509_STORE_CTX_get_error_depth(ctx);
        *depth = at > 0 && (size_t)at < p->count ? (size_t)at : 0;
    }
    sk_X509_free(between);
    sk_X509_free(root);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return answer;
}

/* libcrypto builds by names and key identifiers and may find no way where we see one: then a link says why. */
static int weakest_link(const hf_path *p, int answer, size_t *depth)
{
    for (size_t i = 0; i + 1 < p->count; i++) {
        const int link = X509_check_issued(p->certificates[i + 1], p->certificates[i]);
        if (link != X509_V_OK && link != X509_V_ERR_SUBJECT_ISSUER_MISMATCH) {
            *depth = link == X509_V_ERR_KEYUSAGE_NO_CERTSIGN ? i + 1 : i;
            ERR_clear_error();
            /* the key identifiers differ: it is another key of the same name */
            return link == X509_V_ERR_KEYUSAGE_NO_CERTSIGN ? link : X509_V_ERR_CERT_SIGNATURE_FAILURE;
        }
    }
    ERR_clear_error();
    return answer;
}

/* libcrypto looks from the root downwards; the lowest that is out of date is the one that people look for. */
static size_t lowest_out_of_date(const search *s, int answer, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        X509 *const x = s->at.certificates[i];
        const int64_t now = s->question->at.s;
        if (answer == X509_V_ERR_CERT_HAS_EXPIRED && hf_certificate_date(X509_get0_notAfter(x)).s < now)
            return i;
        if (answer == X509_V_ERR_CERT_NOT_YET_VALID && hf_certificate_date(X509_get0_notBefore(x)).s > now)
            return i;
    }
    return depth;
}

static bool is_no_way(int answer)
{
    return answer == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || answer == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           answer == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || answer == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

/* RFC 5280 6.1: "self-issued" certificates do not count. */
static size_t intermediates(const hf_path *p)
{
    size_t n = 0;
    for (size_t i = 1; i + 1 < p->count; i++)
        n += !hf_certificate_self_issued(p->certificates[i]);
    return n;
}

/* The host comes last: a broken path is told before a wrong name. */
static bool names_the_host(const search *s, hf_verdict *v)
{
    char text[HF_HOST_MOST + 1];
    const hf_bytes host = s->question->host;
    if (host.len == 0 || (hf_host_text(host, text) && hf_certificate_covers(s->at.certificates[0], text)))
        return true;
    hf_certificate_put_names(v->names, sizeof v->names, s->at.certificates[0]);
    const int32_t code = v->names[0] != 0 ? HF_ERR_TLS_CERT_NAME : HF_ERR_TLS_CERT_NO_NAMES;
    hf_verdict_fill(v, hf_err_make(code), X509_V_ERR_HOSTNAME_MISMATCH, &s->at, 0, s->question);
    return false;
}

static void judge(const search *s, hf_verdict *v)
{
    size_t depth;
    int answer = ask(s, &depth);
    if (is_no_way(answer))
        answer = weakest_link(&s->at, answer, &depth);
    if (answer != X509_V_OK) {
        depth = lowest_out_of_date(s, answer, depth);
        hf_verdict_fill(v, hf_verdict_code(answer), answer, &s->at, depth, s->question);
        return;
    }
    if (intermediates(&s->at) > s->trust->crypto->env->limits->chain_intermediates) {
        hf_verdict_fill(v, hf_err_make(HF_ERR_TLS_CERT_PATH_LENGTH), 0, &s->at, s->at.count - 2, s->question);
        hf_verdict_say(v, "more intermediates than limit chain_intermediates", NULL, NULL);
        return;
    }
    if (hf_profile_accepts(s->trust, &s->at, s->question, v) && names_the_host(s, v))
        hf_verdict_fill(v, HF_OK, X509_V_OK, &s->at, 0, s->question);
}

/* True: the search is over. */
static bool try_path(search *s)
{
    if (s->tried == s->trust->crypto->env->limits->chain_paths) {
        s->spent = true;
        return true;
    }
    hf_verdict v;
    memset(&v, 0, sizeof v);
    s->tried++;
    s->at.anchored = true;
    judge(s, &v);
    if (s->best_path.count == 0 || hf_verdict_rank(v.err) < hf_verdict_rank(s->best.err)) {
        s->best = v;
        s->best_path = s->at;
    }
    s->at.anchored = false;
    return v.err.code == 0 || v.err.code == HF_ERR_BASE_MEMORY;
}

/* ---- all paths ------------------------------------------------------------------------------------------------ */

static bool has(const hf_path *p, const X509 *x)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->certificates[i] == x || X509_cmp(p->certificates[i], x) == 0)
            return true;
    return false;
}

static bool may_have_issued(const X509 *issuer, const X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(x)) == 0;
}

/* Key identifiers are a hint (RFC 5280 4.2.1.1): what fits is tried first, and what does not fit is tried too. */
static bool fits(X509 *issuer, X509 *x)
{
    const bool good = X509_check_issued(issuer, x) == X509_V_OK;
    ERR_clear_error();
    return good;
}

static bool over_roots(search *s, X509 *end, bool fitting)
{
    for (size_t i = 0; i < s->trust->root_count; i++) {
        X509 *const root = s->trust->roots[i];
        if (!may_have_issued(root, end) || has(&s->at, root) || fits(root, end) != fitting)
            continue;
        s->at.certificates[s->at.count++] = root;
        const bool over = try_path(s);
        s->at.count--;
        if (over)
            return true;
    }
    return false;
}

static bool grow(search *s);

static bool over_sent(search *s, X509 *end, bool fitting, bool *any)
{
    for (size_t i = 1; i < s->chain->count; i++) {
        X509 *const next = s->chain->certificates[i];
        if (!may_have_issued(next, end) || fits(next, end) != fitting)
            continue;
        if (has(&s->at, next)) {
            s->at.circle = s->at.circle || next != end;
            continue;
        }
        *any = true;
        s->at.certificates[s->at.count++] = next;
        const bool circle = s->at.circle;
        s->at.circle = false;
        const bool over = grow(s);
        s->at.circle = circle;
        s->at.count--;
        if (over)
            return true;
    }
    return false;
}

static bool is_root(const hf_trust *t, const X509 *x)
{
    for (size_t i = 0; i < t->root_count; i++)
        if (X509_cmp(t->roots[i], x) == 0)
            return true;
    return false;
}

/* Tries every path that begins as s->at does; at most HF_CHAIN_MOST deep. True: the search is over. Fifteen CAs of one name
 * that reach no root make 15! dead ends: those are counted, too, against as many steps as the paths of the limit may have. */
static bool grow(search *s)
{
    X509 *const end = s->at.certificates[s->at.count - 1];
    bool any = false;
    if (s->steps++ == s->trust->crypto->env->limits->chain_paths * HF_PATH_MOST) {
        s->spent = true;
        return true;
    }
    if (is_root(s->trust, end) && try_path(s))
        return true;
    if (over_roots(s, end, true) || over_sent(s, end, true, &any) || over_roots(s, end, false) || over_sent(s, end, false, &any))
        return true;
    if (!any && s->at.count > s->dead.count)
        s->dead = s->at;
    return false;
}

/* ---- the answer ----------------------------------------------------------------------------------------------- */

/* No path is whole: where does the longest one stop, and why? */
static void tell_dead_end(search *s, hf_verdict *v)
{
    const hf_path *const p = &s->dead;
    X509 *const end = p->certificates[p->count - 1];
    const bool own = hf_certificate_self_issued(end) && X509_verify(end, X509_get0_pubkey(end)) == 1;
    ERR_clear_error();
    const bool alone = own && p->count == 1;
    const int32_t code = alone ? HF_ERR_TLS_CERT_SELF_SIGNED
                         : own ? HF_ERR_TLS_CERT_ROOT_UNKNOWN
                         : p->circle ? HF_ERR_TLS_CERT_LOOP
                                     : HF_ERR_TLS_CERT_ISSUER_MISSING;
    const int library = alone ? X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT : own ? X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
                                                                            : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    hf_verdict_fill(v, hf_err_make(code), library, p, p->count - 1, s->question);
    char got[96];
    hf_writer w = hf_writer_make(got, sizeof got - 1);
    hf_write_decimal(&w, s->chain->count);
    hf_write_text(&w, s->chain->count == 1 ? " certificate sent, " : " certificates sent, ");
    hf_write_decimal(&w, s->trust->root_count);
    hf_write_text(&w, s->trust->root_count == 1 ? " root known" : " roots known");
    got[w.length] = 0;
    hf_verdict_say(v, NULL, got, NULL);
}

void hf_path_find(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_path *path, hf_verdict *verdict)
{
    search s = { .trust = trust, .chain = chain, .question = question, .at = { .certificates = { chain->certificates[0] }, .count = 1 } };
    memset(verdict, 0, sizeof *verdict);
    (void)grow(&s);
    if (s.best_path.count == 0) {
        *path = s.dead;
        tell_dead_end(&s, verdict);
    } else {
        *path = s.best_path;
        *verdict = s.best;
    }
    if (s.spent) {
        verdict->err = hf_err_make(HF_ERR_TLS_CERT_PATHS);
        hf_verdict_say(verdict, "limit chain_paths was reached before a path held", NULL, NULL);
    }
    verdict->paths = (uint16_t)s.tried;
}
