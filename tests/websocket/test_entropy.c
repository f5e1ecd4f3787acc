/* SPDX-License-Identifier: Apache-2.0
 *
 * libcrypto without randomness: no key of a handshake is guessable, so there is none.
 */
#include "harness.h"

#include "crypto_core.h"
#include <handfast/websocket.h>

int __wrap_RAND_bytes_ex(void *library, unsigned char *out, size_t n, unsigned strength);
int __wrap_RAND_bytes_ex(void *library, unsigned char *out, size_t n, unsigned strength)
{
    (void)library, (void)out, (void)n, (void)strength;
    return 0;
}

static void a_handshake_without_randomness_is_not_begun(void **state)
{
    (void)state;
    hf_test_world w;
    hf_websocket_handshake request;
    const hf_websocket_deflate off = { .on = false };
    hf_test_world_init(&w, 1);
    hf_crypto *const crypto = hf_crypto_new(&w.env, NULL);
    assert_non_null(crypto);
    assert_int_equal(hf_websocket_request_make(crypto, HF_HTTP_1_1, hf_text(""), &off, &request).code, HF_ERR_WEBSOCKET_ENTROPY);
    hf_crypto_free(crypto);
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_handshake_without_randomness_is_not_begun) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
