/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes and what is built of them. HMAC is written out over one kept context: EVP_MAC and EVP_KDF cost four times as
 * much for the short inputs of a key schedule, and a handshake makes some forty.
 */
#include "crypto_core.h"

#include "panic.h"

static bool start(hf_crypto *c, EVP_MD_CTX *ctx, hf_hash h)
{
    return EVP_DigestInit_ex2(ctx, c->hashes[h], NULL) == 1;
}

static bool add(EVP_MD_CTX *ctx, hf_bytes b)
{
    return b.len == 0 || EVP_DigestUpdate(ctx, b.ptr, b.len) == 1;
}

bool hf_hash_of(hf_crypto *c, hf_hash h, hf_bytes data, uint8_t *out)
{
    return start(c, c->scratch, h) && add(c->scratch, data) && EVP_DigestFinal_ex(c->scratch, out, NULL) == 1;
}

/* RFC 2104 2, over up to four pieces of data. */
static bool hmac(hf_crypto *c, hf_hash h, hf_bytes key, const hf_bytes *data, size_t count, uint8_t *out)
{
    const size_t block = h == HF_HASH_SHA256 || h == HF_HASH_SHA1 ? 64 : 128, length = hf_hash_length(h);
    uint8_t pad[HF_HASH_BLOCK_MOST] = { 0 };
    if (key.len > block) {
        if (!hf_hash_of(c, h, key, pad))
            return false;
    } else if (key.len > 0) {
        memcpy(pad, key.ptr, key.len);
    }
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36;
    bool good = start(c, c->scratch, h) && add(c->scratch, hf_bytes_make(pad, block));
    for (size_t i = 0; i < count; i++)
        good = good && add(c->scratch, data[i]);
    good = good && EVP_DigestFinal_ex(c->scratch, out, NULL) == 1;
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    good = good && start(c, c->scratch, h) && add(c->scratch, hf_bytes_make(pad, block)) &&
           add(c->scratch, hf_bytes_make(out, length)) && EVP_DigestFinal_ex(c->scratch, out, NULL) == 1;
    hf_wipe(pad, sizeof pad);
    return good;
}

bool hf_hmac(hf_crypto *c, hf_hash h, hf_bytes key, hf_bytes data, uint8_t *out)
{
    return hmac(c, h, key, &data, 1, out);
}

bool hf_hkdf_extract(hf_crypto *c, hf_hash h, hf_bytes salt, hf_bytes secret, uint8_t *out)
{
    return hmac(c, h, salt, &secret, 1, out); /* RFC 5869 2.2; an absent salt is zeros, and so is HMAC's empty key */
}

bool hf_hkdf_expand(hf_crypto *c, hf_hash h, hf_bytes secret, hf_bytes info, uint8_t *out, size_t n)
{
    const size_t length = hf_hash_length(h);
    uint8_t block[HF_HASH_MOST];
    bool good = n <= 255 * length;
    for (size_t done = 0, i = 1; good && done < n; i++) {
        const uint8_t counter = (uint8_t)i;
        const hf_bytes data[] = { hf_bytes_make(block, i == 1 ? 0 : length), info, hf_bytes_make(&counter, 1) };
        good = hmac(c, h, secret, data, 3, block);
        const size_t part = n - done < length ? n - done : length;
        if (good)
            memcpy(out + done, block, part);
        done += part;
    }
    hf_wipe(block, sizeof block);
    return good;
}

bool hf_hkdf_label(hf_crypto *c, hf_hash h, hf_bytes secret, const char *label, hf_bytes context, uint8_t *out, size_t n)
{
    /* RFC 8446 7.1: struct { uint16 length; opaque label<7..255> = "tls13 " + Label; opaque context<0..255>; } */
    uint8_t info[2 + 1 + 255 + 1 + 255];
    const size_t label_length = strlen(label);
    HF_ASSERT(label_length <= 249 && context.len <= 255 && n <= UINT16_MAX);
    size_t at = 0;
    info[at++] = (uint8_t)(n >> 8);
    info[at++] = (uint8_t)n;
    info[at++] = (uint8_t)(6 + label_length);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, label_length);
    at += 6 + label_length;
    info[at++] = (uint8_t)context.len;
    if (context.len > 0)
        memcpy(info + at, context.ptr, context.len);
    return hf_hkdf_expand(c, h, secret, hf_bytes_make(info, at + context.len), out, n);
}

bool hf_prf12(hf_crypto *c, hf_hash h, hf_bytes secret, const char *label, hf_bytes seed, hf_bytes more_seed, uint8_t *out, size_t n)
{
    const size_t length = hf_hash_length(h);
    uint8_t a[HF_HASH_MOST], block[HF_HASH_MOST];
    const hf_bytes seeds[] = { hf_text(label), seed, more_seed };
    bool good = hmac(c, h, secret, seeds, 3, a);
    for (size_t done = 0; good && done < n;) {
        const hf_bytes data[] = { hf_bytes_make(a, length), seeds[0], seeds[1], seeds[2] };
        good = hmac(c, h, secret, data, 4, block) && hmac(c, h, secret, &data[0], 1, a);
        const size_t part = n - done < length ? n - done : length;
        if (good)
            memcpy(out + done, block, part);
        done += part;
    }
    hf_wipe(a, sizeof a);
    hf_wipe(block, sizeof block);
    return good;
}

bool hf_hashing_begin(hf_crypto *c, hf_hashing *s, hf_hash h)
{
    s->hash = h;
    if (s->ctx == NULL && (s->ctx = EVP_MD_CTX_new()) == NULL)
        return false;
    return start(c, s->ctx, h);
}

bool hf_hashing_add(hf_hashing *s, hf_bytes data)
{
    return add(s->ctx, data);
}

bool hf_hashing_peek(hf_crypto *c, const hf_hashing *s, hf_bytes more, uint8_t *out)
{
    return EVP_MD_CTX_copy_ex(c->scratch, s->ctx) == 1 && add(c->scratch, more) && EVP_DigestFinal_ex(c->scratch, out, NULL) == 1;
}

void hf_hashing_fini(hf_hashing *s)
{
    EVP_MD_CTX_free(s->ctx);
    s->ctx = NULL;
}
