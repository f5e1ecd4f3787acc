/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions 1 and 2 (RFC 9369), and going on from the one to the other within a handshake (RFC 9368): a client says which
 * versions it could speak, and a server that prefers another than the one in which the client began answers in that one.
 */
#include "quic_core.h"

enum { PARAMETERS = 0x39, HEADER = 4 }; /* RFC 9001 8.2 */

void hf_quic_version_params(const hf_quic *q, hf_quic_params *p)
{
    p->chosen = q->version;
    p->speaks_1 = p->speaks_2 = true;
}

bool hf_quic_version_agrees(const hf_quic *q)
{
    if (q->theirs.chosen == 0) /* who says nothing speaks the version in which the connection began */
        return q->server || q->version == q->first_version;
    return q->theirs.chosen == (q->server ? q->first_version : q->version);
}

/* RFC 9001 5.2: from the DCID of the client's first Initial, or, after a Retry, of the one that followed. */
static bool switch_server_to(hf_quic *q, uint32_t version)
{
    hf_quic_space *const s = q->spaces[HF_LEVEL_INITIAL];
    hf_quic_keys_fini(&q->shaking->first_read);
    q->shaking->first_read = s->read;
    s->read = (hf_quic_keys){ 0 };
    if (!hf_quic_keys_initial(&s->read, &s->write, q->hs.crypto, version, &q->shaking->first_id.cid, true))
        return hf_quic_no_memory(q);
    q->version = version;
    return true;
}

bool hf_quic_version_offer(hf_quic *q, uint32_t version, hf_quic_version_keys *keys)
{
    *keys = (hf_quic_version_keys){ .read = { .on = false } };
    /* Once, and before the server answered the ClientHello in the first one: acknowledgements may have come before it was whole */
    if (q->shaking == NULL || q->version != q->first_version || q->spaces[HF_LEVEL_INITIAL]->hello_in.highest != 0 ||
        q->spaces[HF_LEVEL_INITIAL]->gone || !hf_quic_speaks(version))
        return false;
    if (hf_quic_keys_initial(&keys->write, &keys->read, q->hs.crypto, version, q->retried ? &q->shaking->retry_scid : &q->shaking->original, false))
        return true;
    hf_quic_version_decline(keys);
    return hf_quic_no_memory(q);
}

void hf_quic_version_decline(hf_quic_version_keys *keys)
{
    hf_quic_keys_fini(&keys->read);
    hf_quic_keys_fini(&keys->write);
}

void hf_quic_version_follow(hf_quic *q, uint32_t version, hf_quic_version_keys *keys)
{
    hf_quic_space *const s = q->spaces[HF_LEVEL_INITIAL];
    hf_quic_keys_fini(&s->read);
    hf_quic_keys_fini(&s->write);
    s->read = keys->read;
    s->write = keys->write;
    q->version = version;
    *keys = (hf_quic_version_keys){ .read = { .on = false } };
}

/* The transport parameters of a whole ClientHello (RFC 8446 4.1.2); what TLS will refuse is left to it. */
static hf_bytes parameters_of(hf_bytes hello)
{
    hf_reader r = hf_reader_make(hello);
    (void)hf_read(&r, HEADER + 2 + 32);
    (void)hf_read_vector(&r, 1);
    (void)hf_read_vector(&r, 2);
    (void)hf_read_vector(&r, 1);
    hf_reader extensions = hf_reader_make(hf_read_vector(&r, 2));
    while (!r.bad && !extensions.bad && extensions.at != extensions.end) {
        const uint64_t type = hf_read_number(&extensions, 2);
        const hf_bytes data = hf_read_vector(&extensions, 2);
        if (type == PARAMETERS && !extensions.bad)
            return data;
    }
    return hf_bytes_make(NULL, 0);
}

bool hf_quic_version_judge(hf_quic *q, hf_bytes hello)
{
    hf_quic_params p;
    const char *wanted;
    if (!q->server || q->shaking == NULL || q->shaking->judged || !hf_quic_config_of(q->ep)->version_2 || q->version == HF_QUIC_V2)
        return true;
    const size_t n = hello.len < HEADER ? 0 : (size_t)hello.ptr[1] << 16 | (size_t)hello.ptr[2] << 8 | hello.ptr[3];
    const bool is_hello = hello.ptr[0] == 1 && n <= q->env->limits->tls_hello_bytes && n < q->env->limits->quic_crypto_bytes;
    if (is_hello && (hello.len < HEADER || hello.len < HEADER + n))
        return false;
    q->shaking->judged = true;
    if (!is_hello || hf_quic_params_read(parameters_of(hf_bytes_make(hello.ptr, HEADER + n)), false, &p, &wanted).code != 0 || !p.speaks_2 ||
        p.chosen != q->version || !switch_server_to(q, HF_QUIC_V2))
        return true;
    return hf_quic_write_parameters(q) || hf_quic_no_memory(q);
}
