/* SPDX-License-Identifier: Apache-2.0
 *
 * A server endpoint under hostile datagrams: each has two bytes before it, of which the remainder by 1500 is its length, and the
 * rest how far time leaps behind it. What is an Initial packet by its header is sealed with the right keys first, so that the
 * fuzzer's frames are reached. Each input is taken once more while an allocation fails.
 */
#include "quic_core.h" /* first: the driver has a global of a common name */

#include "tls_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain_endpoint(hf_quic_endpoint *ep, hf_time now)
{
    static uint8_t scratch[70000];
    hf_quic_endpoint_event event;
    for (int i = 0; i < 1000; i++) {
        hf_quic_event told;
        if (hf_quic_endpoint_step(ep, now, &event) == HF_EVENT) {
            while (hf_quic_next(event.quic, now, &told) == HF_EVENT)
                if (told.kind == HF_QUIC_WANT_SIGN)
                    hf_quic_sign_here(event.quic, now, &told);
            continue;
        }
        hf_extent piece;
        hf_out out = { .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        hf_quic_output o;
        if (!hf_quic_endpoint_emit(ep, now, &out, &o))
            return;
    }
    abort(); /* it comes to an end */
}

/* The fuzzer knows no keys: what it wrote as the payload of an Initial packet is sealed for it. */
static void seal_initial(uint8_t *bytes, size_t length)
{
    hf_quic_header h;
    hf_quic_keys client = { 0 }, server = { 0 };
    if (hf_quic_header_read(hf_bytes_make(bytes, length), HF_QUIC_ID, &h).code != 0 || h.kind != HF_QUIC_INITIAL || h.length < h.number_at + 40)
        return;
    const unsigned n = 1 + (bytes[0] & 3);
    uint64_t number = 0;
    for (unsigned i = 0; i < n; i++)
        number = number << 8 | bytes[h.number_at + i];
    if (hf_quic_keys_initial(&client, &server, crypto, h.version, &h.dcid, false))
        (void)hf_quic_seal(&client, number, bytes, h.number_at, n, h.length - HF_QUIC_TAG);
    hf_quic_keys_fini(&client);
    hf_quic_keys_fini(&server);
}

static void run(const uint8_t *data, size_t size)
{
    static const hf_bytes protocol = HF_LITERAL("h3");
    static uint8_t bytes[1500];
    hf_time now = hf_time_make(HF_SECONDS(1));
    hf_random_seed(&entropy, 1);
    const hf_tls_config tls = { .crypto = crypto, .identities = identities, .identity_count = 1, .protocols = &protocol, .protocol_count = 1 };
    const hf_quic_config config = { .tls = &tls, .secret = { 1 }, .accept = true };
    hf_quic_endpoint *ep = hf_quic_endpoint_new(&env, &config, now);
    HF_ASSERT(ep != NULL || fuzz_memory_failed(&drive_memory));
    if (ep == NULL)
        return;
    for (size_t at = 0; at + 2 < size;) {
        const size_t both = (size_t)(data[at] << 8 | data[at + 1]);
        size_t n = both % sizeof bytes;
        at += 2;
        const size_t have = n < size - at ? n : size - at;
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, data + at, have);
        at += have;
        n = n < HF_QUIC_DATAGRAM_LEAST && (bytes[0] & 0x80) ? HF_QUIC_DATAGRAM_LEAST : n;
        if (n == 0)
            continue;
        seal_initial(bytes, n);
        const hf_quic_input in = { { { .port = 443 }, { .port = 999 } }, 0, 0, { bytes, n } };
        (void)hf_quic_endpoint_input(ep, now, &in).code;
        drain_endpoint(ep, now);
        now = hf_time_after(now, HF_MILLISECONDS(20) << (both / sizeof bytes % 16));
    }
    drain_endpoint(ep, hf_time_after(now, HF_SECONDS(60)));
    hf_quic_endpoint_free(ep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drive_init();
    drive_twice(run, data, size);
    return 0;
}
