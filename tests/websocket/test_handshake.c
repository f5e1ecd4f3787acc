/* SPDX-License-Identifier: Apache-2.0
 *
 * The opening handshake from both sides: RFC 6455 4, RFC 8441 5, RFC 7692 7.1.
 */
#include "rig.h"

#define FIELD(n, v) { HF_LITERAL(n), HF_LITERAL(v), HF_FIELD_OTHER }

static hf_request_head get(const hf_field *fields, size_t count)
{
    return (hf_request_head){ .method = HF_METHOD_GET, .version = HF_HTTP_1_1, .upgrade = hf_text("websocket"), .fields = { fields, count },
                              .content_length = HF_LENGTH_NONE };
}

static void the_key_of_the_rfc_gets_the_answer_of_the_rfc(void **state)
{
    (void)state;
    hf_test_world world;
    hf_websocket_handshake answer;
    const hf_websocket_deflate none = { .on = false };
    const hf_field fields[] = { FIELD("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Version", "13") };
    const hf_request_head head = get(fields, 2);
    hf_test_world_init(&world, 1);
    hf_crypto *const crypto = hf_crypto_new(&world.env, NULL);
    assert_true(hf_websocket_is_offered(&head));
    assert_int_equal(hf_websocket_offer_check(&head).code, 0);
    assert_int_equal(hf_websocket_answer_make(crypto, &head, hf_text("chat"), &none, &answer).code, 0);
    assert_int_equal(answer.status, 101);
    assert_int_equal(answer.count, 3);
    assert_true(hf_bytes_equal(answer.fields[0].value, hf_text("websocket")) && answer.fields[0].id == HF_FIELD_UPGRADE);
    assert_true(hf_bytes_equal(answer.fields[1].value, hf_text("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_true(hf_bytes_equal(answer.fields[2].value, hf_text("chat")));
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

static void offers_that_are_not_good_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        hf_field fields[3];
        size_t count;
        int32_t code;
    } offers[] = {
        { { FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Version", "8") }, 2, HF_ERR_WEBSOCKET_VERSION },
        { { FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, 1, HF_ERR_WEBSOCKET_HANDSHAKE },
        { { FIELD("Sec-WebSocket-Version", "13") }, 1, HF_ERR_WEBSOCKET_HANDSHAKE },
        { { FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), FIELD("Sec-WebSocket-Version", "13") }, 2, HF_ERR_WEBSOCKET_HANDSHAKE },
        { { FIELD("Sec-WebSocket-Key", "!GhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Version", "13") }, 2, HF_ERR_WEBSOCKET_HANDSHAKE },
        { { FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Version", "13") }, 3,
          HF_ERR_WEBSOCKET_HANDSHAKE },
        { { FIELD("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), FIELD("Sec-WebSocket-Version", "13") }, 2, 0 },
    };
    for (size_t i = 0; i < HF_COUNT(offers); i++) {
        hf_request_head head = get(offers[i].fields, offers[i].count);
        assert_int_equal(hf_websocket_offer_check(&head).code, offers[i].code);
        head.method = HF_METHOD_POST;
        assert_true(hf_websocket_offer_check(&head).code != 0);
        head = get(offers[i].fields, offers[i].count);
        head.version = HF_HTTP_1_0;
        assert_true(hf_websocket_offer_check(&head).code != 0);
        head = get(offers[i].fields, offers[i].count);
        head.upgrade = hf_text("h2c");
        assert_false(hf_websocket_is_offered(&head));
        assert_true(hf_websocket_offer_check(&head).code != 0);
    }
}

static void over_http_2_there_is_no_key(void **state)
{
    (void)state;
    hf_test_world world;
    hf_websocket_handshake answer;
    const hf_websocket_deflate none = { .on = false };
    const hf_field fields[] = { FIELD("sec-websocket-version", "13") };
    hf_request_head head = get(fields, 1);
    head.version = HF_HTTP_2;
    assert_false(hf_websocket_is_offered(&head));
    head.method = HF_METHOD_CONNECT;
    hf_test_world_init(&world, 1);
    hf_crypto *const crypto = hf_crypto_new(&world.env, NULL);
    assert_int_equal(hf_websocket_offer_check(&head).code, 0);
    assert_int_equal(hf_websocket_answer_make(crypto, &head, hf_text(""), &none, &answer).code, 0);
    assert_true(answer.status == 200 && answer.count == 0);
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

static void the_clients_first_protocol_that_is_ours_is_chosen(void **state)
{
    (void)state;
    const hf_field fields[] = { FIELD("Sec-WebSocket-Protocol", "soap, chat2"), FIELD("Sec-WebSocket-Protocol", "chat") };
    const hf_bytes ours[] = { HF_LITERAL("chat"), HF_LITERAL("chat2") }, other[] = { HF_LITERAL("Chat") };
    assert_true(hf_bytes_equal(hf_websocket_protocol_choose((hf_fields){ fields, 2 }, ours, 2), hf_text("chat2")));
    assert_int_equal(hf_websocket_protocol_choose((hf_fields){ fields, 2 }, other, 1).len, 0);
    assert_int_equal(hf_websocket_protocol_choose((hf_fields){ fields, 0 }, ours, 2).len, 0);
}

/* RFC 7692 7.1: offers and what becomes of them. `agreed` is the answer's element, "" for none. */
static void offers_of_compression_are_accepted_or_declined(void **state)
{
    (void)state;
    static const hf_websocket_deflate any = { .on = true }, lean = { .on = true, .server_no_context_takeover = true, .client_no_context_takeover = true },
                                      narrow = { .on = true, .server_window_bits = 10, .client_window_bits = 11 }, off = { .on = false };
    static const struct {
        const char *offer;
        const hf_websocket_deflate *ready;
        const char *agreed;
    } cases[] = {
        { "permessage-deflate", &any, "permessage-deflate" },
        { "permessage-deflate; client_max_window_bits", &any, "permessage-deflate" },
        { "permessage-deflate; client_max_window_bits; server_max_window_bits=10", &any, "permessage-deflate; server_max_window_bits=10" },
        { "permessage-deflate; server_max_window_bits=8", &any, "permessage-deflate; server_max_window_bits=8" },
        { "permessage-deflate; server_max_window_bits=\"12\"", &any, "permessage-deflate; server_max_window_bits=12" },
        { "permessage-deflate; client_max_window_bits=9", &any, "permessage-deflate; client_max_window_bits=9" },
        { "permessage-deflate; server_no_context_takeover", &any, "permessage-deflate; server_no_context_takeover" },
        { "permessage-deflate; client_no_context_takeover", &any, "permessage-deflate; client_no_context_takeover" },
        { "PerMessage-Deflate ; Server_No_Context_Takeover", &any, "permessage-deflate; server_no_context_takeover" },
        { "permessage-deflate", &lean, "permessage-deflate; server_no_context_takeover; client_no_context_takeover" },
        { "permessage-deflate", &narrow, "" }, /* the client cannot be told of 11 bits */
        { "permessage-deflate; client_max_window_bits", &narrow, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11" },
        { "permessage-deflate; client_max_window_bits=9", &narrow, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9" },
        { "permessage-deflate; server_max_window_bits", &any, "" },
        { "permessage-deflate; server_max_window_bits=7", &any, "" },
        { "permessage-deflate; server_max_window_bits=16", &any, "" },
        { "permessage-deflate; server_max_window_bits=010", &any, "" },
        { "permessage-deflate; server_max_window_bits=1 0", &any, "" },
        { "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", &any, "" },
        { "permessage-deflate; server_no_context_takeover=1", &any, "" },
        { "permessage-deflate; server_no_context_takeover; server_no_context_takeover", &any, "" },
        { "permessage-deflate; unheard_of", &any, "" },
        { "permessage-deflate;", &any, "" },
        { "permessage-foo, x-webkit-deflate-frame", &any, "" },
        { "permessage-deflate; unheard_of, permessage-deflate; server_max_window_bits=9", &any, "permessage-deflate; server_max_window_bits=9" },
        { "permessage-deflate", &off, "" },
        { "", &any, "" },
    };
    hf_test_world world;
    hf_test_world_init(&world, 1);
    hf_crypto *const crypto = hf_crypto_new(&world.env, NULL);
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const hf_field fields[] = { { HF_LITERAL("Sec-WebSocket-Extensions"), hf_text(cases[i].offer), HF_FIELD_OTHER }, FIELD("Sec-WebSocket-Version", "13") };
        hf_request_head head = get(fields, 2);
        hf_websocket_deflate agreed;
        hf_websocket_handshake answer;
        head.version = HF_HTTP_2;
        head.method = HF_METHOD_CONNECT;
        hf_websocket_deflate_choose(head.fields, cases[i].ready, &agreed);
        assert_int_equal(hf_websocket_answer_make(crypto, &head, hf_text(""), &agreed, &answer).code, 0);
        const hf_bytes got = answer.count > 0 ? answer.fields[0].value : hf_text("");
        if (!hf_bytes_equal(got, hf_text(cases[i].agreed)))
            fail_msg("%s: %.*s", cases[i].offer, HF_STR(got));
    }
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

static void a_client_takes_only_the_answer_it_asked_for(void **state)
{
    (void)state;
    static const hf_websocket_deflate any = { .on = true }, off = { .on = false }, lean = { .on = true, .server_no_context_takeover = true };
    static const struct {
        uint16_t status;
        const char *upgrade, *accept; /* NULL: the right one */
        const char *protocol, *extension; /* NULL: none */
        const hf_websocket_deflate *ready;
        int32_t code;
    } cases[] = {
        { 101, "websocket", NULL, NULL, NULL, &any, 0 },
        { 101, "WebSocket", NULL, "chat", "permessage-deflate", &any, 0 },
        { 101, "websocket", NULL, "soap", NULL, &any, HF_ERR_WEBSOCKET_PROTOCOL },
        { 101, "websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", NULL, NULL, &any, HF_ERR_WEBSOCKET_ANSWER },
        { 101, "h2c", NULL, NULL, NULL, &any, HF_ERR_WEBSOCKET_ANSWER },
        { 200, "websocket", NULL, NULL, NULL, &any, HF_ERR_WEBSOCKET_ANSWER },
        { 101, "websocket", NULL, NULL, "permessage-deflate", &off, HF_ERR_WEBSOCKET_EXTENSION },
        { 101, "websocket", NULL, NULL, "permessage-foo", &any, HF_ERR_WEBSOCKET_EXTENSION },
        { 101, "websocket", NULL, NULL, "permessage-deflate, permessage-deflate", &any, HF_ERR_WEBSOCKET_EXTENSION },
        { 101, "websocket", NULL, NULL, "permessage-deflate; client_max_window_bits", &any, HF_ERR_WEBSOCKET_EXTENSION },
        { 101, "websocket", NULL, NULL, "permessage-deflate; client_max_window_bits=9", &any, 0 },
        { 101, "websocket", NULL, NULL, "permessage-deflate", &lean, HF_ERR_WEBSOCKET_EXTENSION },
        { 101, "websocket", NULL, NULL, "permessage-deflate; server_no_context_takeover", &lean, 0 },
    };
    hf_test_world world;
    hf_test_world_init(&world, 1);
    hf_crypto *const crypto = hf_crypto_new(&world.env, NULL);
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_websocket_handshake request, answer;
        hf_websocket_deflate agreed;
        hf_bytes protocol;
        assert_int_equal(hf_websocket_request_make(crypto, HF_HTTP_1_1, hf_text("chat, chat2"), cases[i].ready, &request).code, 0);
        const hf_request_head head = get(request.fields, request.count);
        assert_int_equal(hf_websocket_offer_check(&head).code, 0);
        assert_int_equal(hf_websocket_answer_make(crypto, &head, hf_text(""), &off, &answer).code, 0);
        const hf_field fields[] = { { HF_LITERAL("Upgrade"), hf_text(cases[i].upgrade), HF_FIELD_UPGRADE },
                                    { HF_LITERAL("Sec-WebSocket-Accept"), cases[i].accept ? hf_text(cases[i].accept) : answer.fields[1].value, HF_FIELD_OTHER },
                                    { hf_text(cases[i].protocol ? "Sec-WebSocket-Protocol" : "A"), hf_text(cases[i].protocol), HF_FIELD_OTHER },
                                    { hf_text(cases[i].extension ? "Sec-WebSocket-Extensions" : "B"), hf_text(cases[i].extension), HF_FIELD_OTHER } };
        const hf_response_head got = { .status = cases[i].status, .fields = { fields, 4 } };
        const hf_err err = hf_websocket_answer_check(crypto, &request, HF_HTTP_1_1, hf_text("chat, chat2"), cases[i].ready, &got, &protocol, &agreed);
        if (err.code != cases[i].code)
            fail_msg("answer %zu: %s", i, hf_err_text(err));
        assert_int_equal(err.code, cases[i].code);
        if (err.code == 0)
            assert_true(agreed.on == (cases[i].extension != NULL) && (protocol.len > 0) == (cases[i].protocol != NULL));
    }
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_the_rfc_gets_the_answer_of_the_rfc),
        cmocka_unit_test(offers_that_are_not_good_are_told_apart),
        cmocka_unit_test(over_http_2_there_is_no_key),
        cmocka_unit_test(the_clients_first_protocol_that_is_ours_is_chosen),
        cmocka_unit_test(offers_of_compression_are_accepted_or_declined),
        cmocka_unit_test(a_client_takes_only_the_answer_it_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
