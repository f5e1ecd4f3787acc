/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_token.h"

#include "crypto_secret.h"

enum { HEAD = 1 + HF_AEAD_NONCE, BOUND = 1 + 16 + 1 + 2 };

static bool derive(hf_crypto *c, const uint8_t secret[32], const char *label, uint8_t *out, size_t n)
{
    return hf_hkdf_label(c, HF_HASH_SHA256, hf_bytes_make(secret, 32), label, hf_bytes_make(NULL, 0), out, n);
}

bool hf_quic_secrets_init(hf_quic_secrets *s, hf_crypto *c, const uint8_t secret[32], uint32_t machine, uint8_t thread)
{
    uint8_t key[16];
    *s = (hf_quic_secrets){ .crypto = c, .machine = machine, .thread = thread };
    const bool good = derive(c, secret, "hf token", s->token, sizeof s->token) && derive(c, secret, "hf reset", s->reset, sizeof s->reset) &&
                      derive(c, secret, "hf id", key, sizeof key);
    if (good)
        hf_mask_init(&s->id, c, HF_AEAD_AES_128_GCM, key);
    hf_wipe(key, sizeof key);
    return good;
}

void hf_quic_secrets_fini(hf_quic_secrets *s)
{
    hf_mask_fini(&s->id);
    hf_wipe(s, sizeof *s);
}

static bool mask_of(hf_quic_secrets *s, const hf_cid *cid, uint8_t block[HF_MASK_SAMPLE])
{
    uint8_t in[HF_MASK_SAMPLE] = { 0 };
    memcpy(in, cid->bytes, 8); /* thread and nonce */
    return hf_mask_block(&s->id, in, block);
}

bool hf_quic_id_make(hf_quic_secrets *s, hf_cid *cid)
{
    uint8_t block[HF_MASK_SAMPLE];
    cid->length = HF_QUIC_ID_BYTES;
    cid->bytes[0] = s->thread;
    if (!hf_crypto_random(s->crypto, cid->bytes + 1, 7) || !mask_of(s, cid, block))
        return false;
    for (unsigned i = 0; i < 4; i++)
        cid->bytes[8 + i] = (uint8_t)(block[i] ^ s->machine >> 8 * (3 - i));
    return true;
}

bool hf_quic_id_machine(hf_quic_secrets *s, const hf_cid *cid, uint32_t *machine)
{
    uint8_t block[HF_MASK_SAMPLE];
    *machine = 0;
    if (cid->length != HF_QUIC_ID_BYTES || !mask_of(s, cid, block))
        return false;
    for (unsigned i = 0; i < 4; i++)
        *machine = *machine << 8 | (uint8_t)(cid->bytes[8 + i] ^ block[i]);
    return true;
}

bool hf_quic_reset_make(hf_quic_secrets *s, const hf_cid *cid, uint8_t token[HF_QUIC_RESET_TOKEN])
{
    uint8_t mac[HF_HASH_MOST];
    const bool good = hf_hmac(s->crypto, HF_HASH_SHA256, hf_bytes_make(s->reset, sizeof s->reset), hf_cid_bytes(cid), mac);
    if (good)
        memcpy(token, mac, HF_QUIC_RESET_TOKEN);
    hf_wipe(mac, sizeof mac);
    return good;
}

/* What a token is bound to. */
static hf_bytes bound_to(uint8_t kind, uint32_t version, const hf_quic_address *remote, uint8_t out[BOUND])
{
    out[0] = kind;
    memcpy(out + 1, remote->ip, 16);
    out[17] = version == HF_QUIC_V2; /* RFC 9369 5: a token is good for its own version alone */
    out[18] = (uint8_t)(remote->port >> 8);
    out[19] = (uint8_t)remote->port;
    return hf_bytes_make(out, kind == HF_QUIC_TOKEN_RETRY ? BOUND : BOUND - 2); /* a later connection has another port */
}

bool hf_quic_token_write(hf_quic_secrets *s, hf_quic_token_kind kind, uint32_t version, const hf_quic_address *remote, hf_time now,
                         const hf_cid *original, hf_writer *w)
{
    uint8_t head[HEAD] = { (uint8_t)kind }, plain[8 + 1 + HF_QUIC_CID_MOST], sealed[sizeof plain], tag[HF_AEAD_TAG], bound[BOUND];
    hf_writer p = hf_writer_make(plain, sizeof plain);
    hf_aead aead;
    hf_write_number(&p, (uint64_t)now.ns, 8);
    hf_write_byte(&p, original != NULL ? original->length : 0);
    if (original != NULL)
        hf_write(&p, hf_cid_bytes(original));
    if (!hf_crypto_random(s->crypto, head + 1, HF_AEAD_NONCE))
        return false;
    hf_aead_init(&aead, s->crypto, HF_AEAD_AES_256_GCM, true, s->token);
    const bool good = hf_aead_begin(&aead, head + 1, bound_to((uint8_t)kind, version, remote, bound)) && hf_aead_add(&aead, hf_written(&p), sealed) && hf_aead_end(&aead, tag);
    hf_aead_fini(&aead);
    hf_write(w, hf_bytes_make(head, HEAD));
    hf_write(w, hf_bytes_make(sealed, p.length));
    hf_write(w, hf_bytes_make(tag, sizeof tag));
    return good && !w->overflowed;
}

bool hf_quic_token_open(hf_quic_secrets *s, uint32_t version, hf_bytes token, const hf_quic_address *remote, hf_time now, int64_t retry_ns, int64_t later_ns,
                        hf_quic_token_kind *kind, hf_cid *original)
{
    uint8_t plain[HF_QUIC_TOKEN_MOST], bound[BOUND];
    hf_aead aead;
    if (token.len < HEAD + HF_AEAD_TAG || token.len > sizeof plain)
        return false;
    *kind = token.ptr[0] == HF_QUIC_TOKEN_RETRY ? HF_QUIC_TOKEN_RETRY : HF_QUIC_TOKEN_LATER;
    const size_t n = token.len - HEAD;
    memcpy(plain, token.ptr + HEAD, n);
    hf_aead_init(&aead, s->crypto, HF_AEAD_AES_256_GCM, false, s->token);
    const bool good = hf_aead_open(&aead, token.ptr + 1, bound_to(token.ptr[0], version, remote, bound), (hf_span){ plain, n });
    hf_aead_fini(&aead);
    if (!good)
        return false;
    hf_reader r = hf_reader_make(hf_bytes_make(plain, n - HF_AEAD_TAG));
    const int64_t at = (int64_t)hf_read_number(&r, 8), most = *kind == HF_QUIC_TOKEN_RETRY ? retry_ns : later_ns;
    const hf_bytes cid = hf_read_vector(&r, 1);
    if (!hf_reader_done(&r) || cid.len > HF_QUIC_CID_MOST || now.ns < at || now.ns - at > most)
        return false;
    *original = hf_cid_make(cid);
    return true;
}
