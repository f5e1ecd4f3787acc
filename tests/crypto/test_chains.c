/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains made for the purpose, good and broken in one way each: what we say of them, and what `openssl verify` says of the
 * same files. Where the two differ, docs/tls-differences.md says why.
 */
#include "chain_maker.h"
#include "crypto_chain.h"

#include <handfast/crypto.h>

#include "temp_folder.h"
#include "text.h"

typedef struct chain_row {
    const char *what, *sent, *roots;
    const char *host; /* NULL: site.test */
    int32_t code;
    const char *lists; /* "I:L|R:" */
    const char *differs; /* words of docs/tls-differences.md: openssl verify says the opposite */
} chain_row;

#define RSA_ROOT "R<R key=R-rsa2048"

static const chain_row chain_rows[] = {
    /* good */
    { "leaf, intermediate, root", "L<I|I<R", "R<R", NULL, 0, NULL, NULL },
    { "leaf and root", "L<R", "R<R", NULL, 0, NULL, NULL },
    { "sent in a wrong order", "L<I|J<R|I<J", "R<R", NULL, 0, NULL, NULL },
    { "the root is sent, too", "L<I|I<R|=R", "R<R", NULL, 0, NULL, NULL },
    { "certificates that have no business there", "L<I|X<X|Y<X|I<R", "R<R", NULL, 0, NULL, NULL },
    { "the same intermediate twice", "L<I|I<R|=I", "R<R", NULL, 0, NULL, NULL },
    { "four intermediates", "L<A|A<B|B<C|C<D|D<R", "R<R", NULL, 0, NULL, NULL },
    { "an RSA root, an ECDSA leaf", "L<R@R-rsa2048", RSA_ROOT, NULL, 0, NULL, NULL },
    { "RSA of 2048 bits", "L<R key=L-rsa2048", "R<R", NULL, 0, NULL, NULL },
    { "RSA of 4096 bits signs with SHA-512", "L<R@R-rsa4096 hash=sha512", "R<R key=R-rsa4096", NULL, 0, NULL, NULL },
    { "P-384", "L<R@R-p384 hash=sha384 key=L-p384", "R<R key=R-p384", NULL, 0, NULL, NULL },
    { "P-521 CA", "L<R@R-p521 hash=sha512", "R<R key=R-p521", NULL, 0, NULL, NULL },
    { "Ed25519", "L<R@R-ed25519 key=L-ed25519", "R<R key=R-ed25519", NULL, 0, NULL, NULL },
    { "no extended key usage at all", "L<R eku=-", "R<R", NULL, 0, NULL, NULL },
    { "both usages", "L<R eku=serverAuth,clientAuth", "R<R", NULL, 0, NULL, NULL },
    { "a trusted intermediate ends the path", "L<I", "I<R", NULL, 0, NULL, NULL },
    { "a leaf that is trusted itself", "L<R", "=L", NULL, 0, NULL, NULL },
    { "unknown extension, not critical", "L<R ext=1.3.6.1.4.1.55555.1", "R<R", NULL, 0, NULL, NULL },
    /* dates */
    { "expired leaf", "L<I until=-1|I<R", "R<R", NULL, HF_ERR_TLS_CERT_EXPIRED, NULL, NULL },
    { "leaf of tomorrow", "L<I from=1|I<R", "R<R", NULL, HF_ERR_TLS_CERT_NOT_YET, NULL, NULL },
    { "expired intermediate", "L<I|I<R until=-1", "R<R", NULL, HF_ERR_TLS_CERT_EXPIRED, NULL, NULL },
    { "intermediate of tomorrow", "L<I|I<R from=1", "R<R", NULL, HF_ERR_TLS_CERT_NOT_YET, NULL, NULL },
    { "expired root", "L<I|I<R", "R<R until=-1", NULL, HF_ERR_TLS_CERT_EXPIRED, NULL, NULL },
    /* where it ends */
    { "self-signed leaf", "L<L", "R<R", NULL, HF_ERR_TLS_CERT_SELF_SIGNED, NULL, NULL },
    { "missing intermediate", "L<I", "R<R", NULL, HF_ERR_TLS_CERT_ISSUER_MISSING, NULL, NULL },
    { "missing second intermediate", "L<I|I<J", "R<R", NULL, HF_ERR_TLS_CERT_ISSUER_MISSING, NULL, NULL },
    { "root of somebody else, sent along", "L<I|I<S|S<S", "R<R", NULL, HF_ERR_TLS_CERT_ROOT_UNKNOWN, NULL, NULL },
    { "a circle of two", "L<A|A<B|B<A", "R<R", NULL, HF_ERR_TLS_CERT_LOOP, NULL, NULL },
    { "a circle of three", "L<A|A<B|B<C|C<A", "R<R", NULL, HF_ERR_TLS_CERT_LOOP, NULL, NULL },
    { "another root of the same name", "L<I|I<R", "R<R key=other", NULL, HF_ERR_TLS_CERT_SIGNATURE, NULL, NULL },
    { "and without key identifiers", "L<I|I<R aki=-", "R<R key=other", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, NULL },
    { "a signature by a stranger", "L<I@stranger aki=-|I<R", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, NULL },
    /* ways round */
    { "cross-signed: by a root we know, and by one we do not", "L<I|I<S|I<R", "R<R", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: one is expired", "L<I|I<R until=-1|I<S", "R<R|S<S", NULL, 0, NULL, NULL },
    { "cross-signed: one is not yet valid", "L<I|I<R from=1|I<S", "R<R|S<S", NULL, 0, NULL, NULL },
    { "cross-signed: the first is no CA", "L<I|I<R bc=critical,CA:FALSE ku=critical,digitalSignature|I<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: the first has SHA-1", "L<I|I<R hash=sha1|I<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: the first is bound to other names", "L<I|I<R nc=critical,permitted;DNS:other.test|I<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: the first has a path length of 0 below", "L<I|I<J|J<R bc=critical,CA:TRUE,pathlen:0|J<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: the first is for clients", "L<I|I<R eku=clientAuth|I<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "cross-signed: the first has a critical extension that nobody knows", "L<I|I<R ext!=1.3.6.1.4.1.55555.1|I<S", "R<R|S<S", NULL, 0, NULL, "a good path beside a bad one" },
    { "a new key of the same name beside the old", "L<I|I<R key=old ski=-|I<R", "R<R", NULL, 0, NULL, "a good path beside a bad one" },
    { "an expired root beside its renewal", "L<R", "R<R until=-1|R<R", NULL, 0, NULL, NULL },
    { "a circle beside a way out", "L<A|A<B|B<A|B<R", "R<R", NULL, 0, NULL, "a good path beside a bad one" },
    /* what it is for */
    { "for clients only", "L<R eku=clientAuth", "R<R", NULL, HF_ERR_TLS_CERT_PURPOSE, NULL, NULL },
    { "for signing code", "L<R eku=codeSigning", "R<R", NULL, HF_ERR_TLS_CERT_PURPOSE, NULL, NULL },
    { "for anything", "L<R eku=anyExtendedKeyUsage", "R<R", NULL, HF_ERR_TLS_CERT_PURPOSE, NULL, NULL },
    { "an intermediate for clients", "L<I|I<R eku=clientAuth", "R<R", NULL, HF_ERR_TLS_CERT_PURPOSE, NULL, NULL },
    { "a key that may only sign certificates", "L<R ku=critical,cRLSign", "R<R", NULL, HF_ERR_TLS_CERT_PURPOSE, NULL, NULL },
    { "an issuer that is a leaf", "L<M|M<R bc=critical,CA:FALSE ku=critical,digitalSignature", "R<R", NULL, HF_ERR_TLS_CERT_NOT_A_CA, NULL, NULL },
    { "an issuer without keyCertSign", "L<I|I<R ku=critical,digitalSignature", "R<R", NULL, HF_ERR_TLS_CERT_NOT_A_CA, NULL, NULL },
    { "an issuer without basicConstraints", "L<I|I<R bc=-", "R<R", NULL, HF_ERR_TLS_CERT_NOT_A_CA, NULL, NULL },
    { "a CA that serves", "L<R bc=critical,CA:TRUE ku=critical,keyCertSign,digitalSignature", "R<R", NULL, HF_ERR_TLS_CERT_CA_AS_LEAF, NULL, "a CA's certificate as the server's" },
    { "path length 0 with one CA below", "L<I|I<J|J<R bc=critical,CA:TRUE,pathlen:0", "R<R", NULL, HF_ERR_TLS_CERT_PATH_LENGTH, NULL, NULL },
    { "path length 0 at the root", "L<I|I<R", "R<R bc=critical,CA:TRUE,pathlen:0", NULL, HF_ERR_TLS_CERT_PATH_LENGTH, NULL, NULL },
    { "path length 1 is kept", "L<I|I<J|J<R bc=critical,CA:TRUE,pathlen:1", "R<R", NULL, 0, NULL, NULL },
    { "unknown critical extension", "L<R ext!=1.3.6.1.4.1.55555.1", "R<R", NULL, HF_ERR_TLS_CERT_CRITICAL, NULL, NULL },
    { "unknown critical extension above", "L<I|I<R ext!=1.3.6.1.4.1.55555.1", "R<R", NULL, HF_ERR_TLS_CERT_CRITICAL, NULL, NULL },
    /* strength */
    { "RSA of 1024 bits", "L<R key=L-rsa1024", "R<R", NULL, HF_ERR_TLS_CERT_WEAK, NULL, NULL },
    { "an intermediate of 1024 bits", "L<I@I-rsa1024|I<R key=I-rsa1024", "R<R", NULL, HF_ERR_TLS_CERT_WEAK, NULL, NULL },
    { "SHA-1", "L<R hash=sha1", "R<R", NULL, HF_ERR_TLS_CERT_WEAK, NULL, NULL },
    { "MD5", "L<R@R-rsa2048 hash=md5", RSA_ROOT, NULL, HF_ERR_TLS_CERT_WEAK, NULL, NULL },
    { "an intermediate signed with SHA-1", "L<I|I<R hash=sha1", "R<R", NULL, HF_ERR_TLS_CERT_WEAK, NULL, NULL },
    { "a root that signed itself with SHA-1", "L<R", "R<R hash=sha1", NULL, 0, NULL, NULL },
    { "a DSA key", "L<R key=L-dsa", "R<R", NULL, HF_ERR_TLS_CERT_KEY_KIND, NULL, "a key that TLS has no use for" },
    { "the curve of another trade", "L<R key=L-k256", "R<R", NULL, HF_ERR_TLS_CERT_KEY_KIND, NULL, "a key that TLS has no use for" },
    /* form */
    { "version 1", "Lsite.test<R v1", "R<R", "Lsite.test", HF_ERR_TLS_CERT_VERSION, NULL, "a version 1 certificate" },
    { "a serial of 21 octets", "L<R serial=21", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, "a serial number of more than 20 octets" },
    { "a serial of 20 octets", "L<R serial=20", "R<R", NULL, 0, NULL, NULL },
    { "a name that begins with a dot", "L<R san=DNS:site.test,DNS:.site.test", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, "a DNS name in subjectAltName that is none" },
    { "name constraints in a leaf", "L<R nc=critical,permitted;DNS:site.test", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, "name constraints in a certificate that is no CA's" },
    { "no key identifier of the issuer", "L<R aki=-", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, NULL },
    { "no key identifier in a CA", "L<I|I<R ski=-", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, NULL },
    { "no subject, names not critical", "LEMPTY<R", "R<R", NULL, HF_ERR_TLS_CERT_ENCODING, NULL, NULL },
    { "no subject, names critical", "LEMPTY<R san=critical,DNS:site.test", "R<R", NULL, 0, NULL, NULL },
    /* names */
    { "another host", "L<R", "R<R", "other.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "common name only", "Lsite.test<R san=-", "R<R", "Lsite.test", HF_ERR_TLS_CERT_NO_NAMES, NULL, "a certificate without subjectAltName" },
    { "common name and another name", "Lsite.test<R san=DNS:other.test", "R<R", "Lsite.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "a wildcard", "L<R san=DNS:*.site.test", "R<R", "a.site.test", 0, NULL, NULL },
    { "a wildcard does not cover its parent", "L<R san=DNS:*.site.test", "R<R", "site.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "a wildcard covers one label", "L<R san=DNS:*.site.test", "R<R", "a.b.site.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "a wildcard inside a label", "L<R san=DNS:w*.site.test", "R<R", "www.site.test", HF_ERR_TLS_CERT_NAME, NULL, "a wildcard inside a label" },
    { "a wildcard in the middle", "L<R san=DNS:a.*.test", "R<R", "a.site.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "a wildcard over a top-level domain", "L<R san=DNS:*.test", "R<R", "site.test", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "an address", "L<R san=IP:10.1.2.3", "R<R", "10.1.2.3", 0, NULL, NULL },
    { "an address of version 6", "L<R san=IP:2001:db8::1", "R<R", "2001:db8::1", 0, NULL, NULL },
    { "another address", "L<R san=IP:10.1.2.3", "R<R", "10.1.2.4", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    { "an address written as a DNS name", "L<R san=DNS:10.1.2.3", "R<R", "10.1.2.3", HF_ERR_TLS_CERT_NAME, NULL, NULL },
    /* name constraints */
    { "permitted", "L<I|I<R nc=critical,permitted;DNS:test", "R<R", NULL, 0, NULL, NULL },
    { "not permitted", "L<I|I<R nc=critical,permitted;DNS:other.test", "R<R", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "excluded", "L<I|I<R nc=critical,excluded;DNS:site.test", "R<R", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "the second name is not permitted", "L<I san=DNS:site.test,DNS:evil.example|I<R nc=critical,permitted;DNS:test", "R<R", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "bound by the root", "L<I|I<R", "R<R nc=critical,permitted;DNS:other.test", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "two levels up", "L<I|I<J|J<R nc=critical,permitted;DNS:other.test", "R<R", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "an address outside", "L<I san=DNS:site.test,IP:10.1.2.3|I<R nc=critical,permitted;IP:192.168.0.0/255.255.0.0", "R<R", NULL, HF_ERR_TLS_CERT_CONSTRAINTS, NULL, NULL },
    { "an address inside", "L<I san=DNS:site.test,IP:192.168.2.3|I<R nc=critical,permitted;IP:192.168.0.0/255.255.0.0", "R<R", NULL, 0, NULL, NULL },
    /* revocation */
    { "a list without it", "L<I|I<R", "R<R", NULL, 0, "I:", NULL },
    { "revoked", "L<I|I<R", "R<R", NULL, HF_ERR_TLS_CERT_REVOKED, "I:L", NULL },
    { "a list of somebody else", "L<I|I<R", "R<R", NULL, HF_ERR_TLS_CERT_NO_LIST, "R:", NULL },
    { "a revoked intermediate", "L<I|I<R", "R<R", NULL, HF_ERR_TLS_CERT_REVOKED, "I:|R:I", "an intermediate that a given list revokes" },
};

static hf_test_world world;
static hf_crypto *crypto;
static maker made;
static temp_folder folder;
static char *sent_pem, *roots_pem, *lists_pem;

enum { PEM_ROOM = 1 << 16 };

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    crypto = hf_crypto_new(&world.env, NULL);
    assert_non_null(crypto);
    sent_pem = calloc(1, PEM_ROOM);
    roots_pem = calloc(1, PEM_ROOM);
    lists_pem = calloc(1, PEM_ROOM);
    temp_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_remove(&folder);
    maker_free(&made);
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
    free(sent_pem), free(roots_pem), free(lists_pem);
    return 0;
}

static void make_lists(const char *lines)
{
    char text[128], *rest = NULL;
    lists_pem[0] = 0;
    snprintf(text, sizeof text, "%s", lines != NULL ? lines : "");
    for (char *line = strtok_r(text, "|", &rest); line != NULL; line = strtok_r(NULL, "|", &rest)) {
        X509_CRL *list = maker_list(&made, line, 50);
        BIO *bio = BIO_new(BIO_s_mem());
        char *pem = NULL;
        PEM_write_bio_X509_CRL(bio, list);
        const size_t n = (size_t)BIO_get_mem_data(bio, &pem), at = strlen(lists_pem);
        memcpy(lists_pem + at, pem, n);
        lists_pem[at + n] = 0;
        BIO_free(bio);
        X509_CRL_free(list);
    }
}

/* "=L" as a root is what was sent: then that is made first. */
static void make_files(const char *sent, const char *roots, const char *lists)
{
    maker_forget(&made);
    if (strchr(roots, '=') == roots) {
        maker_pem(&made, sent, sent_pem, PEM_ROOM);
        maker_pem(&made, roots, roots_pem, PEM_ROOM);
    } else {
        maker_pem(&made, roots, roots_pem, PEM_ROOM);
        maker_pem(&made, sent, sent_pem, PEM_ROOM);
    }
    make_lists(lists);
}

static int32_t ours_at(const char *host, int64_t at, hf_verdict *v)
{
    hf_chain *chain = NULL;
    size_t added = 0;
    hf_trust *trust = hf_trust_new(crypto);
    assert_int_equal(hf_chain_load(crypto, hf_text(sent_pem), &chain).code, 0);
    assert_int_equal(hf_trust_add(trust, hf_text(roots_pem), &added).code, 0);
    if (lists_pem[0] != 0)
        assert_int_equal(hf_trust_add_revoked(trust, hf_text(lists_pem)).code, 0);
    const hf_trust_question q = { .host = hf_text(host), .at = { at } };
    const int32_t code = hf_trust_verify(trust, chain, &q, v).code;
    hf_trust_free(trust);
    hf_chain_free(chain);
    return code;
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool is_address(const char *host)
{
    return strchr(host, ':') != NULL || strspn(host, "0123456789.") == strlen(host);
}

/* What the program says, of the same files. */
static bool openssl_accepts(const char *host)
{
    char command[2048];
    write_file("sent.pem", sent_pem);
    write_file("roots.pem", roots_pem);
    write_file("lists.pem", lists_pem);
    snprintf(command, sizeof command,
             "cd '%s' && openssl verify -x509_strict -partial_chain -auth_level 2 -purpose sslserver -attime %lld -no-CApath -no-CAstore -CAfile roots.pem "
             "-untrusted sent.pem %s %s '%s' sent.pem >out 2>&1", folder.path, (long long)MAKER_NOW,
             lists_pem[0] != 0 ? "-crl_check -CRLfile lists.pem" : "", is_address(host) ? "-verify_ip" : "-verify_hostname", host);
    return system(command) == 0;
}

static char *read_differences(void)
{
    char path[4096];
    const char *source = getenv("HF_SOURCE");
    snprintf(path, sizeof path, "%s/docs/tls-differences.md", source != NULL ? source : ".");
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 1 << 16);
    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
    fclose(f);
    return text;
}

static void each_chain_is_judged_as_it_should_be_and_as_openssl_does(void **state)
{
    (void)state;
    const bool openssl = system("openssl version >/dev/null 2>&1") == 0;
    char *differences = read_differences();
    size_t wrong = 0;
    for (size_t i = 0; i < HF_COUNT(chain_rows); i++) {
        const chain_row *const row = &chain_rows[i];
        const char *const host = row->host != NULL ? row->host : "site.test";
        hf_verdict v;
        make_files(row->sent, row->roots, row->lists);
        const int32_t code = ours_at(host, MAKER_NOW, &v);
        const bool theirs = openssl ? openssl_accepts(host) : (code == 0) != (row->differs != NULL);
        const bool explained = row->differs == NULL || strstr(differences, row->differs) != NULL;
        if (code == row->code && ((code == 0) == theirs) == (row->differs == NULL) && explained)
            continue;
        wrong++;
        print_error("%s: %s (depth %d, %s; got %s, wanted %s), not %s; openssl verify %s%s\n", row->what, hf_err_text(v.err), v.depth, v.reason, v.got,
                    v.wanted, hf_err_text(hf_err_make(row->code)), theirs ? "accepts" : "refuses", explained ? "" : "; the page does not say why");
    }
    assert_int_equal(wrong, 0);
    assert_true(HF_COUNT(chain_rows) >= 60);
    free(differences);
    hf_test_needs("openssl", openssl);
}

static void a_refusal_names_the_certificate_and_what_was_got_and_wanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(chain_rows); i++) {
        const chain_row *const row = &chain_rows[i];
        hf_verdict v;
        if (row->code == 0)
            continue;
        make_files(row->sent, row->roots, row->lists);
        (void)ours_at(row->host != NULL ? row->host : "site.test", MAKER_NOW, &v);
        char serial[48];
        bool found = false;
        for (size_t k = 0; k < made.made_count && !found; k++) {
            const ASN1_INTEGER *const n = X509_get0_serialNumber(made.made[k]);
            for (int b = 0; b < n->length && b < 20; b++)
                snprintf(serial + 2 * b, 3, "%02x", n->data[b]);
            found = strcmp(serial, v.serial) == 0;
        }
        if (!found || (v.subject[0] == 0 && strncmp(row->sent, "LEMPTY", 6) != 0) || v.reason[0] == 0)
            fail_msg("%s: serial %s, subject %s, reason %s", row->what, v.serial, v.subject, v.reason);
        const bool wants = v.err.code != HF_ERR_TLS_CERT_SIGNATURE && v.err.code != HF_ERR_TLS_CERT_REVOKED && v.err.code != HF_ERR_TLS_CERT_NO_LIST &&
                           v.err.code != HF_ERR_TLS_CERT_ENCODING;
        if (wants && v.got[0] == 0 && v.wanted[0] == 0)
            fail_msg("%s: nothing got, nothing wanted", row->what);
        assert_int_equal(v.err.code, row->code);
    }
}

static void what_libcrypto_refuses_for_reasons_without_a_row_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hf_verdict_code(X509_V_ERR_APPLICATION_VERIFICATION).code, HF_ERR_TLS_CERT_BAD);
    assert_int_equal(hf_verdict_code(X509_V_ERR_UNSPECIFIED).code, HF_ERR_TLS_CERT_BAD);
    assert_int_equal(hf_verdict_code(INT32_MAX).code, HF_ERR_TLS_CERT_BAD);
}

static void expect(const char *sent, const char *roots, int64_t at, hf_verdict *v)
{
    make_files(sent, roots, NULL);
    (void)ours_at("site.test", at, v);
}

static void the_words_of_a_verdict(void **state)
{
    (void)state;
    hf_verdict v;
    expect("L<I until=-1|I<R", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.subject, "/CN=L");
    assert_string_equal(v.got, "valid until 2026-05-27 20:26:40 UTC");
    assert_string_equal(v.wanted, "valid at 2026-05-28 20:26:40 UTC");
    expect("L<I until=-1|I<R until=-2", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.subject, "/CN=L");
    expect("L<I aia=caIssuers;URI:http://ca.test/i.der", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.fetch_at, "http://ca.test/i.der");
    assert_string_equal(v.wanted, "a certificate of /CN=I");
    assert_string_equal(v.got, "1 certificate sent, 1 root known");
    assert_int_equal(v.paths, 0);
    expect("L<I|I<J aia=caIssuers;URI:http://ca.test/j.der", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.depth, 1);
    assert_string_equal(v.subject, "/CN=I");
    assert_string_equal(v.fetch_at, "http://ca.test/j.der");
    expect("L<R key=L-rsa1024", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.got, "RSA of 1024 bits, signed with ecdsa-with-SHA256");
    expect("L<R eku=clientAuth", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.got, "TLS Web Client Authentication");
    assert_string_equal(v.wanted, "serverAuth");
    expect("L<I|I<R nc=critical,permitted;DNS:a.test,excluded;IP:10.0.0.0/255.0.0.0", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.wanted, "permitted a.test, excluded 10.0.0.0/255.0.0.0");
    expect("L<I|I<R ext!=1.3.6.1.4.1.55555.1", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.got, "1.3.6.1.4.1.55555.1");
    assert_int_equal(v.depth, 1);
    expect("L<I|I<J|J<R bc=critical,CA:TRUE,pathlen:0", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.got, "2 intermediates; this CA allows 0 below it");
    expect("L<I|I<R ku=critical,digitalSignature", "R<R", MAKER_NOW, &v);
    assert_string_equal(v.subject, "/CN=I");
    assert_string_equal(v.got, "cA TRUE, keyUsage without keyCertSign");
}

static void a_wrong_clock_here_is_told_from_a_wrong_date_there(void **state)
{
    (void)state;
    hf_verdict v;
    const int64_t day = 86400;
    expect("L<I until=-1|I<R", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.clock, HF_CLOCK_FINE);
    expect("L<I from=1|I<R", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.clock, HF_CLOCK_FINE);
    expect("L<I|I<R", "R<R", 0, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_NOT_YET);
    assert_int_equal(v.clock, HF_CLOCK_BEHIND);
    expect("L<I|I<R", "R<R", MAKER_NOW - 101 * day, &v);
    assert_int_equal(v.clock, HF_CLOCK_BEHIND);
    expect("L<I|I<R", "R<R until=3000", MAKER_NOW + 4000 * day, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_EXPIRED);
    assert_int_equal(v.clock, HF_CLOCK_AHEAD);
    expect("L<I|I<R", "R<R until=3000", MAKER_NOW + 1000 * day, &v);
    assert_int_equal(v.clock, HF_CLOCK_FINE);
}

/* Names come from strangers and go to terminals. */
static void what_a_stranger_wrote_does_not_reach_a_terminal_raw(void **state)
{
    (void)state;
    hf_verdict v;
    char sent[64];
    snprintf(sent, sizeof sent, "L\x1b[2J<R san=DNS:a\x1b[2Jb");
    expect(sent, "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_ENCODING);
    assert_null(strchr(v.subject, '\x1b'));
    assert_null(strchr(v.names, '\x1b'));
    assert_string_equal(v.got, "a?[2Jb");
}

static void limit_chain_intermediates(void **state)
{
    (void)state;
    hf_verdict v;
    world.limits.chain_intermediates = 2;
    expect("L<A|A<B|B<R", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, 0);
    expect("L<A|A<B|B<C|C<R", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_PATH_LENGTH);
    world.limits.chain_intermediates = 0;
    expect("L<R", "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, 0);
}

/* Five CAs of one name and one key, and five above them: 25 ways to a root that has expired. */
static void limit_chain_paths(void **state)
{
    (void)state;
    hf_verdict v;
    const char *const tangle = "L<A|A<B|A<B|A<B|A<B|A<B|B<R|B<R|B<R|B<R|B<R";
    world.limits.chain_paths = 25;
    expect(tangle, "R<R until=-1", MAKER_NOW, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_EXPIRED);
    assert_int_equal(v.paths, 25);
    world.limits.chain_paths = 24;
    expect(tangle, "R<R until=-1", MAKER_NOW, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_PATHS);
    assert_int_equal(v.paths, 24);
    expect(tangle, "R<R until=-1|R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, 0);
}

/* Fifteen CAs of one name, each another key's, and no root: 15! ways that lead nowhere. */
static void a_maze_without_a_way_out_is_left_soon(void **state)
{
    (void)state;
    hf_verdict v;
    char maze[1024] = "L<A@A1";
    for (int i = 1; i <= 15; i++)
        snprintf(maze + strlen(maze), sizeof maze - strlen(maze), "|A<A@A%d key=A%d aki=keyid", i % 15 + 1, i);
    expect(maze, "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, HF_ERR_TLS_CERT_PATHS);
    assert_int_equal(v.paths, 0);
    /* and with one, the way is found: it is looked for where the key identifiers fit, first */
    strcpy(strrchr(maze, '|'), "|A<R key=A15");
    expect(maze, "R<R", MAKER_NOW, &v);
    assert_int_equal(v.err.code, 0);
}

static void every_allocation_fails_in_turn(void **state)
{
    (void)state;
    size_t failed = 0;
    make_files("L<I|I<R", "R<R|S<S|T<T|U<U|V<V|W<W|X<X|Y<Y|Z<Z", NULL);
    for (size_t n = 1;; n++) {
        hf_chain *chain = NULL;
        hf_verdict v;
        size_t added = 0;
        world.memory.calls = 0;
        world.memory.fail_at = n;
        hf_trust *trust = hf_trust_new(crypto);
        const bool good = trust != NULL && hf_trust_add(trust, hf_text(roots_pem), &added).code == 0 &&
                          hf_chain_load(crypto, hf_text(sent_pem), &chain).code == 0;
        world.memory.fail_at = 0;
        if (good) {
            const hf_trust_question q = { .host = hf_text("site.test"), .at = { MAKER_NOW } };
            assert_int_equal(hf_trust_verify(trust, chain, &q, &v).code, 0);
        }
        hf_chain_free(chain);
        hf_trust_free(trust);
        if (good)
            break;
        failed++;
    }
    assert_true(failed >= 4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(each_chain_is_judged_as_it_should_be_and_as_openssl_does), T(a_refusal_names_the_certificate_and_what_was_got_and_wanted),
        T(the_words_of_a_verdict), T(a_wrong_clock_here_is_told_from_a_wrong_date_there), T(what_a_stranger_wrote_does_not_reach_a_terminal_raw),
        T(what_libcrypto_refuses_for_reasons_without_a_row_is_refused), T(limit_chain_intermediates), T(limit_chain_paths), T(a_maze_without_a_way_out_is_left_soon), T(every_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
