/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that a well-meaning peer never touches: what must come once, must not come yet, or must be said in a certain form;
 * and forms that peers of old use and that are taken. A ClientHello is changed on its way, so that the handshake ends at the
 * latest with its Finished: what is asked is whether the rule is obeyed before.
 */
#include "tls/client_hello.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static rig r;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static int32_t server_fault(void)
{
    return hf_tls_fault_of(r.server.t)->err.code;
}

static int32_t client_fault(void)
{
    return hf_tls_fault_of(r.client.t)->err.code;
}

/* The ClientHello lies on the wire, one record. */
static void hello(const char *host)
{
    rig_start(&r, host);
    rig_emit(&r, &r.client);
    assert_int_equal(r.client.wire[0], HF_RECORD_HANDSHAKE);
    assert_int_equal(r.client.wire[5], HF_MESSAGE_CLIENT_HELLO);
}

static void deliver(void)
{
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
}

/* Puts bytes into the ClientHello and corrects the lengths round it, but not those within the block. */
static void insert(size_t at, const void *bytes, size_t n)
{
    const size_t block = block_at(&r);
    memmove(r.client.wire + at + n, r.client.wire + at, r.client.wire_length - at);
    memcpy(r.client.wire + at, bytes, n);
    r.client.wire_length += n;
    grow_number(&r, 3, 2, n);
    grow_number(&r, 6, 3, n);
    grow_number(&r, block, 2, n);
}

static void an_extension_that_nobody_knows_comes_once(void **state)
{
    (void)state;
    static const uint8_t unknown[] = { 0x6a, 0x6a, 0, 1, 7 };
    hello("localhost");
    insert(block_at(&r) + 2, unknown, sizeof unknown);
    deliver();
    assert_int_equal(server_fault(), 0);
    hello("localhost");
    insert(block_at(&r) + 2, unknown, sizeof unknown);
    insert(r.client.wire_length, unknown, sizeof unknown);
    deliver();
    assert_int_equal(server_fault(), HF_ERR_TLS_ILLEGAL);
    assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 47);
}

static void point_formats_hold_the_uncompressed_one(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    hello("localhost");
    deliver();
    assert_int_equal(server_fault(), 0);
    hello("localhost");
    const size_t at = extension_at(&r, 11);
    assert_int_equal(r.client.wire[at + 1], 0);
    r.client.wire[at + 1] = 1;
    deliver();
    assert_int_equal(server_fault(), HF_ERR_TLS_ILLEGAL);
}

static void there_is_one_share_for_a_group(void **state)
{
    (void)state;
    uint8_t share[36];
    hello("localhost");
    const size_t at = extension_at(&r, 51);
    memcpy(share, r.client.wire + at + 2, sizeof share);
    insert(at + 2, share, sizeof share);
    grow_number(&r, at - 2, 2, sizeof share);
    grow_number(&r, at, 2, sizeof share);
    deliver();
    assert_int_equal(server_fault(), HF_ERR_TLS_ILLEGAL);
}

/* What lies behind the last message of a flight, in its record, was sent before the answer to it was seen. */
static void nothing_lies_behind_the_end_of_a_flight(void **state)
{
    (void)state;
    static const uint16_t other[] = { HF_GROUP_P384 };
    for (int retry = 0; retry < 2; retry++) {
        r.client_config.most_version = retry ? HF_TLS_1_3 : HF_TLS_1_2;
        r.server_config.groups = retry ? other : NULL;
        r.server_config.group_count = retry;
        for (int excess = 0; excess < 2; excess++) {
            hello("localhost");
            if (excess) {
                grow_number(&r, 3, 2, 1);
                r.client.wire[r.client.wire_length++] = retry ? HF_MESSAGE_CLIENT_HELLO : HF_MESSAGE_CLIENT_KEY;
            }
            deliver();
            assert_int_equal(server_fault(), excess ? HF_ERR_TLS_UNEXPECTED_MESSAGE : 0);
        }
    }
}

/* RFC 5246 7.4.1.1: a HelloRequest may come at any time, and is answered by no_renegotiation; but not in the Finished's record. */
static void nothing_lies_behind_the_last_flight_of_tls_1_2(void **state)
{
    (void)state;
    static const uint8_t hello_request[] = { HF_MESSAGE_HELLO_REQUEST, 0, 0, 0 };
    for (int excess = 0; excess < 2; excess++) {
        r.client_config.most_version = HF_TLS_1_2;
        hello("localhost");
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_emit(&r, &r.client);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        hf_queue *const last = &r.server.t->hs.outbox[HF_LEVEL_APPLICATION];
        assert_int_equal(hf_queue_length(last), HF_MESSAGE_HEADER + 12); /* the Finished */
        if (excess)
            assert_true(hf_queue_append(last, hf_bytes_make(hello_request, sizeof hello_request)));
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, excess ? HF_ERR_TLS_UNEXPECTED_MESSAGE : 0);
        assert_int_equal(rig_is_open(&r.client), !excess);
    }
}

/* RFC 8446 4.2.9: "servers SHOULD NOT send NewSessionTicket with tickets that are not compatible with the advertised modes". */
static void who_resumes_without_a_key_exchange_gets_no_ticket(void **state)
{
    (void)state;
    for (uint8_t mode = 0; mode < 2; mode++) {
        hello("localhost");
        const size_t at = extension_at(&r, 45);
        assert_int_equal(r.client.wire[at + 1], 1);
        r.client.wire[at + 1] = mode;
        deliver();
        assert_int_equal(server_fault(), 0);
        assert_int_equal(r.server.t->hs.takes_tickets, mode == 1);
    }
}

/* RFC 8446 4.2.3: in TLS 1.2 implementations "MUST be prepared to accept a signature that uses any curve". */
static void in_tls_1_2_the_hash_does_not_name_the_curve(void **state)
{
    (void)state;
    assert_false(hf_scheme_fits(HF_SCHEME_ECDSA_P256_SHA256, HF_KEY_P384));
    assert_true(hf_scheme_fits_old(HF_SCHEME_ECDSA_P256_SHA256, HF_KEY_P384));
    assert_false(hf_scheme_fits_old(HF_SCHEME_ECDSA_P256_SHA256, HF_KEY_RSA));
    for (int old = 0; old < 2; old++) {
        r.client_config.most_version = old ? HF_TLS_1_2 : HF_TLS_1_3;
        r.server_config.identities = &r.identities[2];
        r.server_config.identity_count = 1;
        hello("p384.test");
        const size_t at = extension_at(&r, 13);
        bool found = false; /* the one that fits in both versions is taken away */
        for (size_t i = at + 2; i < at + 20; i += 2)
            if (r.client.wire[i] == 5 && r.client.wire[i + 1] == 3) {
                r.client.wire[i] = 0xfe;
                found = true;
            }
        assert_true(found);
        rig_pump(&r);
        assert_int_equal(server_fault(), old ? HF_ERR_TLS_RECORD_MAC : HF_ERR_TLS_NO_SCHEME);
        assert_true(hf_tls_fault_of(r.client.t)->remote); /* it took the signature, and then its keys were another transcript's */
    }
}

/* The certificate of `id` with another key usage. Nobody here asks who signed it. */
static hf_chain *with_usage(const char *pem, const char *usage)
{
    BIO *in = BIO_new_mem_buf(pem, -1), *out = BIO_new(BIO_s_mem());
    X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
    X509_EXTENSION *old = X509_delete_ext(x, X509_get_ext_by_NID(x, NID_key_usage, -1));
    X509_EXTENSION *ku = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    hf_chain *chain = NULL;
    char *text = NULL;
    assert_true(old != NULL && ku != NULL && key != NULL && X509_add_ext(x, ku, -1) == 1 && X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(out, x), 1);
    const long n = BIO_get_mem_data(out, &text);
    assert_int_equal(hf_chain_load(r.crypto, hf_bytes_make(text, (size_t)n), &chain).code, 0);
    X509_EXTENSION_free(old);
    X509_EXTENSION_free(ku);
    EVP_PKEY_free(key);
    X509_free(x);
    BIO_free(in);
    BIO_free(out);
    return chain;
}

/* RFC 8446 4.4.2.2: the digitalSignature bit MUST be set if the Key Usage extension is present. */
static void a_certificate_whose_key_may_not_sign_signs_nothing(void **state)
{
    (void)state;
    static const char *const usages[] = { "keyEncipherment", "keyEncipherment,digitalSignature" };
    for (size_t i = 0; i < HF_COUNT(usages); i++)
        for (uint16_t version = HF_TLS_1_2; version <= HF_TLS_1_3; version++) {
            hf_tls_identity *const id = &r.identities[5]; /* the rig frees it, whatever fails here */
            *id = (hf_tls_identity){ .chain = with_usage(identity_rsa_pem, usages[i]) };
            assert_int_equal(hf_key_load(r.crypto, hf_text(identity_rsa_key), &id->key).code, 0);
            r.client_config.most_version = version;
            r.server_config.identities = id;
            r.server_config.identity_count = 1;
            rig_start(&r, "rsa.test");
            rig_pump(&r);
            assert_int_equal(client_fault(), i == 0 ? HF_ERR_TLS_CERT_PURPOSE : 0);
            assert_int_equal(rig_is_open(&r.client), i == 1);
            hf_chain_free(id->chain);
            hf_key_free(id->key);
            *id = (hf_tls_identity){ .chain = NULL };
        }
}

/* RFC 6066 3: servers send it as a warning and go on. */
static void a_warning_about_the_name_ends_nothing(void **state)
{
    (void)state;
    for (uint8_t level = 1; level < 3; level++) {
        const uint8_t alert[] = { HF_RECORD_ALERT, 3, 3, 0, 2, level, 112 };
        hello("localhost");
        memcpy(r.server.wire, alert, sizeof alert);
        r.server.wire_length = sizeof alert;
        rig_pump(&r);
        assert_int_equal(rig_is_open(&r.client), level == 1);
        assert_int_equal(client_fault() == 0, level == 1);
    }
}

/* RFC 8446 D.4: the first sealed record of a client has ChangeCipherSpec before it, also where it is an alert. */
static void a_sealed_alert_has_change_cipher_spec_before_it(void **state)
{
    (void)state;
    hello("localhost");
    r.client.verdict = hf_err_make(HF_ERR_TLS_CERT_SELF_SIGNED);
    deliver();
    rig_emit(&r, &r.server);
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(client_fault(), HF_ERR_TLS_CERT_SELF_SIGNED);
    rig_emit(&r, &r.client);
    assert_int_equal(r.client.wire[0], HF_RECORD_CCS);
    assert_int_equal(r.client.wire[6], HF_RECORD_DATA);
    deliver();
    assert_true(hf_tls_fault_of(r.server.t)->remote);
    assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 48);
    r.client.verdict = HF_OK;
}

/* Where early data is taken the server reads by its key until EndOfEarlyData, also an alert. */
static void an_alert_beside_early_data_is_read(void **state)
{
    (void)state;
    static _Alignas(64) uint8_t memory[64 + 512];
    uint8_t session[4096];
    memset(memory, 0, sizeof memory);
    r.server_config.strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    r.server_config.early_data = r.client_config.early_data = true;
    rig_start(&r, "localhost");
    rig_pump(&r);
    const size_t n = r.client.session_length;
    assert_true(n > 0);
    memcpy(session, r.client.session, n);
    rig_start_session(&r, "localhost", hf_bytes_make(session, n));
    rig_emit(&r, &r.client);
    deliver();
    assert_true(strstr(r.server.log, "EARLY") != NULL);
    rig_emit(&r, &r.server);
    r.server.wire[r.server.wire_length - 1] ^= 1; /* the tag of its last record */
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(client_fault(), HF_ERR_TLS_RECORD_MAC);
    rig_emit(&r, &r.client);
    deliver();
    assert_true(hf_tls_fault_of(r.server.t)->remote);
    assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 20);
}

static void early_data_without_a_ticket_is_skipped(void **state)
{
    (void)state;
    static const uint8_t announced[] = { 0, 42, 0, 0 };
    static const uint8_t record[] = { HF_RECORD_DATA, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 };
    for (int said = 0; said < 2; said++) {
        hello("localhost");
        if (said)
            insert(block_at(&r) + 2, announced, sizeof announced);
        memcpy(r.client.wire + r.client.wire_length, record, sizeof record);
        r.client.wire_length += sizeof record;
        deliver();
        rig_emit(&r, &r.server);
        deliver();
        assert_int_equal(server_fault(), said ? 0 : HF_ERR_TLS_RECORD_MAC);
        assert_int_equal(r.server.data_length, 0);
    }
}

/* RFC 5246 7.4.1.4.1: then SHA-1 is meant, which no key signs by here. */
static void without_schemes_there_is_no_common_one(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    hello("localhost");
    const size_t at = extension_at(&r, 13);
    r.client.wire[at - 4] = 0x7a; /* nobody knows it now */
    r.client.wire[at - 3] = 0x7a;
    deliver();
    assert_int_equal(server_fault(), HF_ERR_TLS_NO_SCHEME);
    assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 40);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_extension_that_nobody_knows_comes_once), T(point_formats_hold_the_uncompressed_one), T(there_is_one_share_for_a_group),
        T(nothing_lies_behind_the_end_of_a_flight), T(nothing_lies_behind_the_last_flight_of_tls_1_2),
        T(who_resumes_without_a_key_exchange_gets_no_ticket),
        T(in_tls_1_2_the_hash_does_not_name_the_curve), T(a_certificate_whose_key_may_not_sign_signs_nothing),
        T(a_warning_about_the_name_ends_nothing), T(a_sealed_alert_has_change_cipher_spec_before_it), T(an_alert_beside_early_data_is_read),
        T(early_data_without_a_ticket_is_skipped), T(without_schemes_there_is_no_common_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
