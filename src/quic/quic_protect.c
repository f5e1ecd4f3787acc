/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_protect.h"

#include "crypto_secret.h"
#include "panic.h"

/* RFC 9001 5.2. */
static const uint8_t initial_salt[] = { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a };
/* RFC 9001 5.8. */
static const uint8_t retry_key[] = { 0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e };
static const uint8_t retry_nonce[] = { 0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb };

/* RFC 9369 3.3: version 2. */
static const uint8_t initial_salt_2[] = { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 };
static const uint8_t retry_key_2[] = { 0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92 };
static const uint8_t retry_nonce_2[] = { 0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a };

static const hf_suite initial_suite = { .hash = HF_HASH_SHA256, .aead = HF_AEAD_AES_128_GCM };

static hf_bytes nothing(void)
{
    return hf_bytes_make(NULL, 0);
}

/* Key, IV and secret; the mask stays as it is. */
static bool set_packet_keys(hf_quic_keys *k, hf_crypto *c, hf_hash hash, hf_aead_kind kind, bool sealing, const uint8_t *secret)
{
    const hf_bytes from = hf_bytes_make(secret, hf_hash_length(hash));
    uint8_t key[HF_AEAD_KEY_MOST];
    const bool good = hf_hkdf_label(c, hash, from, k->second ? "quicv2 key" : "quic key", nothing(), key, hf_aead_key_length(kind)) &&
                      hf_hkdf_label(c, hash, from, k->second ? "quicv2 iv" : "quic iv", nothing(), k->iv, sizeof k->iv);
    if (good) {
        hf_aead_init(&k->aead, c, kind, sealing, key);
        memmove(k->secret, secret, from.len);
        k->hash = (uint8_t)hash;
        k->on = true;
    }
    hf_wipe(key, sizeof key);
    return good;
}

bool hf_quic_keys_set(hf_quic_keys *k, hf_crypto *c, uint32_t version, const hf_suite *suite, bool sealing, const uint8_t *secret)
{
    const hf_suite *const s = suite != NULL ? suite : &initial_suite;
    const hf_hash hash = (hf_hash)s->hash;
    const hf_aead_kind kind = (hf_aead_kind)s->aead;
    uint8_t key[HF_AEAD_KEY_MOST];
    hf_quic_keys_fini(k);
    k->second = version == HF_QUIC_V2;
    const bool good = hf_hkdf_label(c, hash, hf_bytes_make(secret, hf_hash_length(hash)), k->second ? "quicv2 hp" : "quic hp", nothing(), key, hf_aead_key_length(kind)) &&
                      set_packet_keys(k, c, hash, kind, sealing, secret);
    if (good)
        hf_mask_init(&k->mask, c, kind, key);
    hf_wipe(key, sizeof key);
    return good;
}

bool hf_quic_keys_initial(hf_quic_keys *client, hf_quic_keys *server, hf_crypto *c, uint32_t version, const hf_cid *dcid, bool is_server)
{
    uint8_t secret[HF_HASH_MOST] = { 0 }, one[HF_HASH_MOST];
    const hf_bytes from = hf_bytes_make(secret, 32);
    const uint8_t *const salt = version == HF_QUIC_V2 ? initial_salt_2 : initial_salt;
    const bool good = hf_hkdf_extract(c, HF_HASH_SHA256, hf_bytes_make(salt, sizeof initial_salt), hf_cid_bytes(dcid), secret) &&
                      hf_hkdf_label(c, HF_HASH_SHA256, from, "client in", nothing(), one, 32) &&
                      hf_quic_keys_set(client, c, version, NULL, !is_server, one) &&
                      hf_hkdf_label(c, HF_HASH_SHA256, from, "server in", nothing(), one, 32) &&
                      hf_quic_keys_set(server, c, version, NULL, is_server, one);
    hf_wipe(secret, sizeof secret);
    hf_wipe(one, sizeof one);
    return good;
}

bool hf_quic_keys_next(const hf_quic_keys *from, hf_quic_keys *to)
{
    uint8_t secret[HF_HASH_MOST];
    const hf_hash hash = (hf_hash)from->hash;
    hf_quic_keys_fini(to);
    to->second = from->second;
    const bool good = hf_hkdf_label(from->aead.crypto, hash, hf_bytes_make(from->secret, hf_hash_length(hash)), from->second ? "quicv2 ku" : "quic ku", nothing(), secret, hf_hash_length(hash)) &&
                      set_packet_keys(to, from->aead.crypto, hash, (hf_aead_kind)from->aead.kind, from->aead.sealing, secret);
    hf_wipe(secret, sizeof secret);
    return good;
}

void hf_quic_keys_step(hf_quic_keys *k, hf_quic_keys *next)
{
    HF_ASSERT(next->on);
    hf_aead_fini(&k->aead);
    k->aead = next->aead;
    memcpy(k->iv, next->iv, sizeof k->iv);
    memcpy(k->secret, next->secret, sizeof k->secret);
    hf_wipe(next, sizeof *next);
}

void hf_quic_keys_rest(hf_quic_keys *k)
{
    hf_aead_rest(&k->aead);
    hf_mask_rest(&k->mask);
}

void hf_quic_keys_fini(hf_quic_keys *k)
{
    hf_aead_fini(&k->aead);
    hf_mask_fini(&k->mask);
    hf_wipe(k, sizeof *k);
}

/* RFC 9001 5.3: the packet number, padded on the left, XORed with the IV. */
static void nonce_of(const hf_quic_keys *k, uint64_t number, uint8_t nonce[HF_AEAD_NONCE])
{
    memcpy(nonce, k->iv, HF_AEAD_NONCE);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(number >> 8 * (7 - i));
}

static void mask_header(uint8_t *packet, size_t number_at, unsigned number_length, const uint8_t *mask)
{
    packet[0] ^= mask[0] & (packet[0] & 0x80 ? 0x0f : 0x1f);
    for (unsigned i = 0; i < number_length; i++)
        packet[number_at + i] ^= mask[1 + i];
}

bool hf_quic_seal(hf_quic_keys *k, uint64_t number, uint8_t *packet, size_t number_at, unsigned number_length, size_t length)
{
    uint8_t nonce[HF_AEAD_NONCE], mask[HF_MASK_BYTES];
    const size_t payload = number_at + number_length;
    HF_ASSERT(length + HF_QUIC_TAG >= number_at + HF_QUIC_SAMPLE_AT + HF_MASK_SAMPLE);
    nonce_of(k, number, nonce);
    if (!hf_aead_begin(&k->aead, nonce, hf_bytes_make(packet, payload)) ||
        !hf_aead_add(&k->aead, hf_bytes_make(packet + payload, length - payload), packet + payload) ||
        !hf_aead_end(&k->aead, packet + length) || !hf_mask_make(&k->mask, packet + number_at + HF_QUIC_SAMPLE_AT, mask))
        return false;
    mask_header(packet, number_at, number_length, mask);
    return true;
}

bool hf_quic_unmask(hf_mask *m, hf_span packet, size_t number_at, unsigned *number_length, uint64_t *truncated)
{
    uint8_t mask[HF_MASK_BYTES];
    if (packet.len < number_at + HF_QUIC_SAMPLE_AT + HF_MASK_SAMPLE || !hf_mask_make(m, packet.ptr + number_at + HF_QUIC_SAMPLE_AT, mask))
        return false;
    *number_length = 1 + ((packet.ptr[0] ^ mask[0]) & 3);
    mask_header(packet.ptr, number_at, *number_length, mask);
    *truncated = 0;
    for (unsigned i = 0; i < *number_length; i++)
        *truncated = *truncated << 8 | packet.ptr[number_at + i];
    return true;
}

bool hf_quic_open_packet(hf_quic_keys *k, uint64_t number, hf_span packet, size_t payload_at)
{
    uint8_t nonce[HF_AEAD_NONCE];
    nonce_of(k, number, nonce);
    return hf_aead_open(&k->aead, nonce, hf_bytes_make(packet.ptr, payload_at), (hf_span){ packet.ptr + payload_at, packet.len - payload_at });
}

bool hf_quic_retry_tag(hf_crypto *c, uint32_t version, const hf_cid *original, hf_bytes retry, uint8_t tag[HF_QUIC_TAG])
{
    uint8_t pseudo[1 + HF_QUIC_CID_MOST + 2048];
    hf_writer w = hf_writer_make(pseudo, sizeof pseudo);
    hf_aead aead;
    hf_write_byte(&w, original->length);
    hf_write(&w, hf_cid_bytes(original));
    hf_write(&w, retry);
    if (w.overflowed)
        return false;
    hf_aead_init(&aead, c, HF_AEAD_AES_128_GCM, true, version == HF_QUIC_V2 ? retry_key_2 : retry_key);
    const bool good = hf_aead_begin(&aead, version == HF_QUIC_V2 ? retry_nonce_2 : retry_nonce, hf_written(&w)) && hf_aead_end(&aead, tag);
    hf_aead_fini(&aead);
    return good;
}
