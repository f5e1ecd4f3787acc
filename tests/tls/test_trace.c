/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8448 3, "Simple 1-RTT Handshake", byte for byte: the key schedule, the server's protected flight opened and sealed
 * again, and our client finishing the handshake with the very bytes of the trace.
 */
#include "tls/rig.h"

#include "tls_core.h"

static rig r;

static const char client_private[] = "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005";
static const char client_hello[] =
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b00090000067365727665"
    "72ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c1"
    "3cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c000240"
    "01";
static const char server_hello[] =
    "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020c9828876112095fe66762bdbf7"
    "c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";
static const char server_flight[] = /* one record */
    "17030302a2d1ff334a56f5bff6594a07cc87b580233f500f45e489e7f33af35edf7869fcf40aa40aa2b8ea73f848a7ca07612ef9f945cb960b4068905123ea78b1"
    "11b429ba9191cd05d2a389280f526134aadc7fc78c4b729df828b5ecf7b13bd9aefb0e57f271585b8ea9bb355c7c79020716cfb9b1183ef3ab20e37d57a6b9d747"
    "7609aee6e122a4cf51427325250c7d0e509289444c9b3a648f1d71035d2ed65b0e3cdd0cbae8bf2d0b227812cbb360987255cc744110c453baa4fcd610928d8098"
    "10e4b7ed1a8fd991f06aa6248204797e36a6a73b70a2559c09ead686945ba246ab66e5edd8044b4c6de3fcf2a89441ac66272fd8fb330ef8190579b3684596c960"
    "bd596eea520a56a8d650f563aad27409960dca63d3e688611ea5e22f4415cf9538d51a200c27034272968a264ed6540c84838d89f72c24461aad6d26f59ecaba9a"
    "cbbb317b66d902f4f292a36ac1b639c637ce343117b659622245317b49eeda0c6258f100d7d961ffb138647e92ea330faeea6dfa31c7a84dc3bd7e1b7a6c7178af"
    "36879018e3f252107f243d243dc7339d5684c8b0378bf30244da8c87c843f5e56eb4c5e8280a2b48052cf93b16499a66db7cca71e4599426f7d461e66f99882bd8"
    "9fc50800becca62d6c74116dbd2972fda1fa80f85df881edbe5a37668936b335583b599186dc5c6918a396fa48a181d6b6fa4f9d62d513afbb992f2b992f67f8af"
    "e67f76913fa388cb5630c8ca01e0c65d11c66a1e2ac4c85977b7c7a6999bbf10dc35ae69f5515614636c0b9b68c19ed2e31c0b3b66763038ebba42f3b38edc0399"
    "f3a9f23faa63978c317fc9fa66a73f60f0504de93b5b845e275592c12335ee340bbc4fddd502784016e4b3be7ef04dda49f4b440a30cb5d2af939828fd4ae3794e"
    "44f94df5a631ede42c1719bfdabf0253fe5175be898e750edc53370d2b";
static const char client_finished[] = /* the record */
    "170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546";

static hf_bytes from_hex(const char *text, uint8_t *out)
{
    const size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        out[i] = (uint8_t)byte;
    }
    return hf_bytes_make(out, n);
}

static void expect_hex(const uint8_t *got, const char *text)
{
    uint8_t wanted[64];
    const hf_bytes w = from_hex(text, wanted);
    assert_memory_equal(got, w.ptr, w.len);
}

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

static void the_key_schedule_of_the_trace(void **state)
{
    (void)state;
    uint8_t ch[256], sh[128], secret[32], hash[32], shared[32], flight[1024], again[1024];
    hf_schedule s;
    hf_hashing transcript = { NULL, 0 };
    const hf_bytes c = from_hex(client_hello, ch), h = from_hex(server_hello, sh);
    assert_int_equal(c.len, 196);
    assert_int_equal(h.len, 90);
    assert_true(hf_hashing_begin(r.crypto, &transcript, HF_HASH_SHA256) && hf_hashing_add(&transcript, c));
    assert_true(hf_hashing_peek(r.crypto, &transcript, h, hash));
    assert_true(hf_schedule_begin(&s, r.crypto, HF_HASH_SHA256, hf_text("")));
    expect_hex(s.secret, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
    from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d", shared);
    assert_true(hf_schedule_advance(&s, hf_bytes_make(shared, 32)));
    expect_hex(s.secret, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
    assert_true(hf_schedule_derive(&s, "s hs traffic", hash, secret));
    expect_hex(secret, "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
    hf_record_keys k = { .on = false };
    assert_true(hf_record_keys_set(&k, r.crypto, hf_suite_find(0x1301), false, secret));
    expect_hex(k.aead.key, "3fce516009c21727d0f2e4e86ee403bc");
    expect_hex(k.iv, "5d313eb2671276ee13000b30");
    /* opened, and sealed again to the same record */
    uint8_t type = 0;
    hf_span content;
    hf_tls_flaw flaw;
    const hf_bytes record = from_hex(server_flight, flight);
    assert_true(hf_record_open(&k, (hf_span){ flight, record.len }, &type, &content, &flaw));
    assert_int_equal(type, HF_RECORD_HANDSHAKE);
    assert_int_equal(content.len, 657);
    const hf_bytes piece = hf_bytes_make(content.ptr, content.len);
    assert_true(hf_record_keys_set(&k, r.crypto, hf_suite_find(0x1301), true, secret));
    assert_int_equal(hf_record_seal(&k, HF_RECORD_HANDSHAKE, &piece, 1, again), record.len);
    from_hex(server_flight, flight);
    assert_memory_equal(again, flight, record.len);
    hf_record_keys_fini(&k);
    hf_hashing_fini(&transcript);
}

/* Our client, made to have sent the trace's ClientHello. */
static void our_client_finishes_the_trace(void **state)
{
    (void)state;
    uint8_t bytes[1024], plain[128];
    rig_start(&r, "server");
    rig_emit(&r, &r.client);
    r.client.wire_length = 0;
    hf_handshake *const h = &r.client.t->hs;
    hf_handshake_work *const w = h->work;
    h->compatible = false;
    w->session_id_length = 0;
    w->offered = UINT32_MAX;
    hf_queue_take(&w->hello, hf_queue_length(&w->hello));
    assert_true(hf_queue_append(&w->hello, from_hex(client_hello, bytes)));
    hf_exchange_fini(&w->exchange[0]);
    const hf_bytes private = from_hex(client_private, bytes);
    w->exchange[0].group = HF_GROUP_X25519;
    w->exchange[0].pkey = EVP_PKEY_new_raw_private_key_ex(r.crypto->library, "X25519", NULL, private.ptr, private.len);

    const hf_bytes hello = from_hex(server_hello, plain);
    memcpy(r.server.wire, (const uint8_t[]){ 22, 3, 3, 0, (uint8_t)hello.len }, 5);
    memcpy(r.server.wire + 5, hello.ptr, hello.len);
    const hf_bytes flight = from_hex(server_flight, bytes);
    memcpy(r.server.wire + 5 + hello.len, flight.ptr, flight.len);
    r.server.wire_length = 5 + hello.len + flight.len;
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    if (!rig_is_open(&r.client))
        fail_msg("%s", rig_why(&r.client));
    rig_emit(&r, &r.client);
    const hf_bytes finished = from_hex(client_finished, bytes);
    assert_int_equal(r.client.wire_length, finished.len);
    assert_memory_equal(r.client.wire, finished.ptr, finished.len);
    expect_hex(r.client.t->write[HF_LEVEL_APPLICATION].secret, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
    expect_hex(h->resumption, "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = { T(the_key_schedule_of_the_trace), T(our_client_finishes_the_trace) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
