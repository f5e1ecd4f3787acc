/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_schedule.h"

#include "crypto_secret.h"

static const uint8_t zeros[HF_HASH_MOST];

static hf_bytes or_zeros(hf_bytes b, hf_hash hash)
{
    return b.len > 0 ? b : hf_bytes_make(zeros, hf_hash_length(hash));
}

bool hf_schedule_begin(hf_schedule *s, hf_crypto *c, hf_hash hash, hf_bytes psk)
{
    s->crypto = c;
    s->hash = hash;
    return hf_hkdf_extract(c, hash, hf_bytes_make(zeros, hf_hash_length(hash)), or_zeros(psk, hash), s->secret);
}

bool hf_schedule_derive(const hf_schedule *s, const char *label, const uint8_t *transcript, uint8_t *out)
{
    const size_t n = hf_hash_length(s->hash);
    return hf_hkdf_label(s->crypto, s->hash, hf_bytes_make(s->secret, n), label, hf_bytes_make(transcript, n), out, n);
}

bool hf_schedule_advance(hf_schedule *s, hf_bytes dhe)
{
    uint8_t nothing[HF_HASH_MOST], salt[HF_HASH_MOST];
    const bool good = hf_hash_of(s->crypto, s->hash, hf_bytes_make(NULL, 0), nothing) && hf_schedule_derive(s, "derived", nothing, salt) &&
                      hf_hkdf_extract(s->crypto, s->hash, hf_bytes_make(salt, hf_hash_length(s->hash)), or_zeros(dhe, s->hash), s->secret);
    hf_wipe(salt, sizeof salt);
    return good;
}

bool hf_finished_mac(hf_crypto *c, hf_hash hash, const uint8_t *secret, const uint8_t *transcript, uint8_t *out)
{
    const size_t n = hf_hash_length(hash);
    uint8_t key[HF_HASH_MOST];
    const bool good = hf_hkdf_label(c, hash, hf_bytes_make(secret, n), "finished", hf_bytes_make(NULL, 0), key, n) &&
                      hf_hmac(c, hash, hf_bytes_make(key, n), hf_bytes_make(transcript, n), out);
    hf_wipe(key, sizeof key);
    return good;
}

bool hf_traffic_update(hf_crypto *c, hf_hash hash, uint8_t *secret)
{
    const size_t n = hf_hash_length(hash);
    uint8_t next[HF_HASH_MOST];
    const bool good = hf_hkdf_label(c, hash, hf_bytes_make(secret, n), "traffic upd", hf_bytes_make(NULL, 0), next, n);
    if (good)
        memcpy(secret, next, n);
    hf_wipe(next, sizeof next);
    return good;
}
