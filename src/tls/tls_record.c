/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_record.h"

#include "crypto_secret.h"
#include "panic.h"
#include "tls_schedule.h"

enum { TOGETHER_MOST = 1024 }; /* bytes: to copy more costs more than it saves */

bool hf_record_keys_set(hf_record_keys *k, hf_crypto *c, const hf_suite *suite, bool sealing, const uint8_t *secret)
{
    const hf_hash hash = (hf_hash)suite->hash;
    const hf_aead_kind kind = (hf_aead_kind)suite->aead;
    const hf_bytes from = hf_bytes_make(secret, hf_hash_length(hash)), none = hf_bytes_make(NULL, 0);
    uint8_t key[HF_AEAD_KEY_MOST], iv[HF_AEAD_NONCE];
    const bool good = hf_hkdf_label(c, hash, from, "key", none, key, hf_aead_key_length(kind)) && hf_hkdf_label(c, hash, from, "iv", none, iv, sizeof iv);
    if (good) {
        hf_aead_fini(&k->aead);
        *k = (hf_record_keys){ .on = true, .hash = suite->hash };
        memcpy(k->secret, secret, from.len);
        memcpy(k->iv, iv, sizeof iv);
        hf_aead_init(&k->aead, c, kind, sealing, key);
    }
    hf_wipe(key, sizeof key);
    return good;
}

void hf_record_keys_set12(hf_record_keys *k, hf_crypto *c, const hf_suite *suite, bool sealing, const uint8_t *key, const uint8_t *iv)
{
    hf_aead_fini(&k->aead);
    *k = (hf_record_keys){ .on = true, .old = true, .hash = suite->hash, .explicit_nonce = suite->aead != HF_AEAD_CHACHA20_POLY1305 };
    memcpy(k->iv, iv, k->explicit_nonce ? 4 : HF_AEAD_NONCE);
    hf_aead_init(&k->aead, c, (hf_aead_kind)suite->aead, sealing, key);
}

bool hf_record_keys_update(hf_record_keys *k)
{
    const hf_suite suite = { .hash = k->hash, .aead = k->aead.kind };
    uint8_t secret[HF_HASH_MOST];
    memcpy(secret, k->secret, sizeof k->secret);
    const bool good = hf_traffic_update(k->aead.crypto, (hf_hash)k->hash, secret) &&
                      hf_record_keys_set(k, k->aead.crypto, &suite, k->aead.sealing, secret);
    hf_wipe(secret, sizeof secret);
    return good;
}

void hf_record_keys_fini(hf_record_keys *k)
{
    hf_aead_fini(&k->aead);
    hf_wipe(k, sizeof *k);
}

size_t hf_record_overhead(const hf_record_keys *k)
{
    return HF_RECORD_HEADER + (!k->on ? 0u : k->old ? HF_AEAD_TAG + (k->explicit_nonce ? 8u : 0u) : HF_AEAD_TAG + 1u);
}

/* RFC 8446 5.3: the sequence number, padded on the left, XORed with the IV; RFC 7905 does alike in TLS 1.2, while
 * RFC 5288 sends eight bytes of its nonce: we send the sequence number, which never repeats. */
static void nonce_of(const hf_record_keys *k, const uint8_t *sent, uint8_t nonce[HF_AEAD_NONCE])
{
    memcpy(nonce, k->iv, HF_AEAD_NONCE);
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t n = (uint8_t)(k->sequence >> 8 * (7 - i));
        nonce[4 + i] = k->explicit_nonce ? (sent != NULL ? sent[i] : n) : (uint8_t)(nonce[4 + i] ^ n);
    }
}

/* RFC 8446 5.2: the header; RFC 5246 6.2.3.3: sequence number, type, version, length of the content. */
static hf_bytes associated_of(const hf_record_keys *k, const uint8_t *header, size_t content, uint8_t room[13])
{
    if (!k->old)
        return hf_bytes_make(header, HF_RECORD_HEADER);
    for (unsigned i = 0; i < 8; i++)
        room[i] = (uint8_t)(k->sequence >> 8 * (7 - i));
    room[8] = header[0];
    room[9] = 3;
    room[10] = 3;
    room[11] = (uint8_t)(content >> 8);
    room[12] = (uint8_t)content;
    return hf_bytes_make(room, 13);
}

/* Each piece costs a call of libcrypto, and the type behind them one more for a single byte: what is short is laid side by side
 * first, and sealed where it lies. */
static bool seal_together(hf_aead *a, const hf_bytes *pieces, size_t count, const uint8_t *type, uint8_t *at)
{
    size_t n = 0;
    for (size_t i = 0; i < count; n += pieces[i++].len)
        if (pieces[i].len > 0)
            memcpy(at + n, pieces[i].ptr, pieces[i].len);
    if (type != NULL)
        at[n++] = *type;
    return hf_aead_add(a, hf_bytes_make(at, n), at);
}

static bool seal_each(hf_aead *a, const hf_bytes *pieces, size_t count, const uint8_t *type, uint8_t *at)
{
    bool good = true;
    for (size_t i = 0; i < count && good; at += pieces[i++].len)
        good = hf_aead_add(a, pieces[i], at);
    return good && (type == NULL || hf_aead_add(a, hf_bytes_make(type, 1), at));
}

static bool seal(hf_record_keys *k, uint8_t type, const hf_bytes *pieces, size_t count, size_t content, uint8_t *out)
{
    uint8_t nonce[HF_AEAD_NONCE], room[13];
    const uint8_t *const inner = k->old ? NULL : &type; /* RFC 8446 5.2: TLSInnerPlaintext ends with the type */
    uint8_t *at = out + HF_RECORD_HEADER;
    nonce_of(k, NULL, nonce);
    if (k->explicit_nonce) {
        memcpy(at, nonce + 4, 8);
        at += 8;
    }
    return hf_aead_begin(&k->aead, nonce, associated_of(k, out, content, room)) &&
           (content <= TOGETHER_MOST ? seal_together : seal_each)(&k->aead, pieces, count, inner, at) &&
           hf_aead_end(&k->aead, at + content + (inner != NULL));
}

size_t hf_record_seal(hf_record_keys *k, uint8_t type, const hf_bytes *pieces, size_t count, uint8_t *out)
{
    size_t content = 0;
    for (size_t i = 0; i < count; i++)
        content += pieces[i].len;
    HF_ASSERT(content <= HF_RECORD_MOST);
    const size_t length = content + hf_record_overhead(k), body = length - HF_RECORD_HEADER;
    out[0] = k->on && !k->old ? HF_RECORD_DATA : type;
    out[1] = 3;
    out[2] = 3;
    out[3] = (uint8_t)(body >> 8);
    out[4] = (uint8_t)body;
    if (k->on) {
        HF_ASSERT(k->sequence < UINT64_MAX);
        const bool good = seal(k, type, pieces, count, content, out);
        k->sequence++;
        return good ? length : 0;
    }
    for (size_t i = 0, at = HF_RECORD_HEADER; i < count; at += pieces[i++].len)
        if (pieces[i].len > 0)
            memcpy(out + at, pieces[i].ptr, pieces[i].len);
    return length;
}

static bool flawed(hf_tls_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_tls_flaw){ code, at, wanted };
    return false;
}

/* TLS 1.3: behind the content its type and any number of zeros. */
static bool unpad(hf_span inner, uint8_t *type, hf_span *content, hf_tls_flaw *flaw)
{
    size_t n = inner.len;
    if (n > HF_RECORD_MOST + 1)
        return flawed(flaw, HF_ERR_TLS_RECORD_OVERFLOW, inner.ptr, "at most 2^14 bytes of content");
    while (n > 0 && inner.ptr[n - 1] == 0)
        n--;
    if (n == 0)
        return flawed(flaw, HF_ERR_TLS_UNEXPECTED_MESSAGE, inner.ptr, "a content type (RFC 8446 5.4)");
    *type = inner.ptr[n - 1];
    *content = (hf_span){ inner.ptr, n - 1 };
    return true;
}

bool hf_record_open(hf_record_keys *k, hf_span record, uint8_t *type, hf_span *content, hf_tls_flaw *flaw)
{
    uint8_t nonce[HF_AEAD_NONCE], room[13];
    hf_span body = { record.ptr + HF_RECORD_HEADER, record.len - HF_RECORD_HEADER };
    *type = record.ptr[0];
    *content = body;
    if (!k->on)
        return body.len <= HF_RECORD_MOST || flawed(flaw, HF_ERR_TLS_RECORD_OVERFLOW, record.ptr, "at most 2^14 bytes");
    const size_t before = k->explicit_nonce ? 8 : 0;
    if (k->sequence == UINT64_MAX) /* RFC 8446 5.3: "it MUST either rekey or terminate the connection" */
        return flawed(flaw, HF_ERR_TLS_RECORDS, record.ptr, "new keys before the numbers of records are used up");
    if (body.len < before + HF_AEAD_TAG)
        return flawed(flaw, HF_ERR_TLS_RECORD_MAC, record.ptr, "a record that decrypts");
    nonce_of(k, before > 0 ? body.ptr : NULL, nonce);
    body = (hf_span){ body.ptr + before, body.len - before };
    const size_t length = body.len - HF_AEAD_TAG;
    if (!hf_aead_open(&k->aead, nonce, associated_of(k, record.ptr, length, room), body))
        return flawed(flaw, HF_ERR_TLS_RECORD_MAC, record.ptr, "a record that decrypts");
    k->sequence++;
    if (!k->old)
        return unpad((hf_span){ body.ptr, length }, type, content, flaw);
    *content = (hf_span){ body.ptr, length };
    return length <= HF_RECORD_MOST || flawed(flaw, HF_ERR_TLS_RECORD_OVERFLOW, record.ptr, "at most 2^14 bytes");
}
