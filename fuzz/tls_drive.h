/* SPDX-License-Identifier: Apache-2.0
 *
 * A TLS core under hostile bytes: seeded secrets, questions answered, output thrown away. Each input is taken at one moment, and
 * once more while time leaps and an allocation fails.
 */
#ifndef HF_FUZZ_TLS_DRIVE_H
#define HF_FUZZ_TLS_DRIVE_H

#include <stdint.h>
#include <stdlib.h>

#include <handfast/tls.h>

#include "fuzz_memory.h"
#include "random.h"
#include "identities_generated.h"

static hf_random entropy;
static hf_crypto *crypto;
static hf_tls_identity identities[2]; /* ECDSA, and RSA for the RSA key exchange */
static hf_env env;
static fuzz_memory drive_memory;
static int64_t drive_leap; /* between two pieces */
static hf_time drive_now;

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

/* Once. */
static void drive_init(void)
{
    if (crypto != NULL)
        return;
    static const hf_entropy seeded = { fill, &entropy };
    hf_random_seed(&entropy, 1);
    identities[0].staple = hf_text("0");
    env = (hf_env){ .alloc = fuzz_alloc(&drive_memory), .random = &entropy, .limits = hf_limits_default() };
    crypto = hf_crypto_new(&env, &seeded);
    if (crypto == NULL || hf_chain_load(crypto, hf_text(identity_p256_pem), &identities[0].chain).code != 0 ||
        hf_key_load(crypto, hf_text(identity_p256_key), &identities[0].key).code != 0 ||
        hf_chain_load(crypto, hf_text(identity_rsa_pem), &identities[1].chain).code != 0 ||
        hf_key_load(crypto, hf_text(identity_rsa_key), &identities[1].key).code != 0)
        abort();
}

static void drain(hf_tls *t)
{
    static uint8_t scratch[40000];
    for (int i = 0; i < 100; i++) {
        hf_extent pieces[4];
        hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_tls_emit(t, drive_now, &out) == 0)
            return;
    }
    abort(); /* emit comes to an end */
}

/* Shows the bytes in pieces as `cut` says; the end comes behind them. */
[[maybe_unused]] static void drive_run(hf_tls *t, const uint8_t *data, size_t size, uint8_t cut)
{
    static uint8_t buffer[65536];
    memcpy(buffer, data, size);
    size_t at = 0, shown = cut == 0 ? size : cut < size ? cut : size;
    drive_now = hf_time_make(1);
    for (int i = 0; i < 100000; i++) {
        hf_tls_event event;
        hf_in in = { .ptr = buffer + at, .len = shown - at, .fin = shown == size };
        const hf_step step = hf_tls_step(t, drive_now, &in, &event);
        if (in.used > in.len)
            abort();
        if (step == HF_EVENT && (event.kind == HF_TLS_WANT_SIGN || event.kind == HF_TLS_WANT_DECRYPT))
            hf_tls_sign_here(t, &event);
        if (step == HF_EVENT && event.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(t, HF_OK);
        if (step == HF_EVENT && event.kind == HF_TLS_READABLE)
            hf_tls_take(t, hf_tls_peek(t).len);
        at += in.used;
        drain(t);
        if (step == HF_FAULT || step == HF_CLOSED || (step != HF_EVENT && shown == size))
            return;
        if (step == HF_EVENT)
            continue;
        shown = shown + cut < size ? shown + cut : size;
        drive_now = hf_time_after(drive_now, drive_leap);
    }
    abort();
}

/* The core and all that it held are gone behind each of the two runs. */
[[maybe_unused]] static void drive_twice(void (*run)(const uint8_t *data, size_t size), const uint8_t *data, size_t size)
{
    const size_t held = drive_memory.held;
    drive_memory = (fuzz_memory){ .held = held };
    drive_leap = 0;
    run(data, size);
    HF_ASSERT(drive_memory.held == held);
    const uint64_t choice = fuzz_choice(data, size);
    drive_memory = (fuzz_memory){ .held = held, .fail_at = drive_memory.calls > 0 ? 1 + choice % drive_memory.calls : 0 };
    drive_leap = HF_MILLISECONDS(1) << (choice >> 32 & 15);
    run(data, size);
    HF_ASSERT(drive_memory.held == held);
    drive_memory.fail_at = 0;
}

#endif
