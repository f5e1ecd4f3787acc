/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS server core from hostile bytes. Byte 0: how the stream is cut. The rest is the stream.
 */
#include "tls_drive.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size)
{
    hf_random_seed(&entropy, 1);
    static const hf_tls_ticket_key key = { { 1 }, { 2 } };
    static const hf_bytes protocol = HF_LITERAL("http/1.1");
    static _Alignas(64) uint8_t memory[64 + 64];
    memset(memory, 0, sizeof memory); /* early data of a ticket that comes is taken: each input is the first */
    const hf_tls_config config = { .early_data = true, .strikes = hf_tls_strikes_make(memory, sizeof memory, 1),
                                   .crypto = crypto, .identities = identities, .identity_count = 2, .rsa_key_exchange = true,
                                   .retry_cookie = true, .protocols = &protocol, .protocol_count = 1,
                                   .ticket_keys = &key, .ticket_key_count = 1, .client_auth = HF_TLS_CLIENT_AUTH_ASK };
    hf_tls *t = hf_tls_server_new(&env, &config, 1, hf_time_make(0));
    HF_ASSERT(t != NULL || fuzz_memory_failed(&drive_memory));
    if (t != NULL)
        drive_run(t, data + 1, size - 1, data[0]);
    hf_tls_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 40000)
        return 0;
    drive_init();
    drive_twice(run, data, size);
    return 0;
}
