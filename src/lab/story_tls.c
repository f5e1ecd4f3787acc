/* SPDX-License-Identifier: Apache-2.0
 *
 * The RSA key exchange of TLS 1.2 (RFC 5246 7.4.7.1), told from a real run of our own client and server: every number below
 * was on the wire between them, or is computed here a second time from what was, and must agree.
 */
#include "story.h"

#include <stdlib.h>
#include <string.h>

#include <handfast/tls.h>

#include "allocator.h"
#include "crypto_hash.h"
#include "random.h"
#include "text.h"
#include "tls_record.h"

enum { WIRE = 8192, SHOWN = 16, MASTER = 48, BLOCK = 40, VERIFY = 12 };

typedef struct actor {
    hf_tls *t;
    uint8_t sent[WIRE]; /* everything, from the beginning */
    size_t length, eaten; /* eaten: by the other */
} actor;

typedef struct play {
    FILE *out;
    hf_limits limits;
    hf_random random;
    hf_env env;
    hf_crypto *crypto;
    hf_key *key;
    hf_tls_identity identity;
    hf_tls_config config;
    hf_tls_key_log log;
    actor client, server;
    uint8_t logged[MASTER];   /* the master secret as the cores had it */
    uint8_t premaster[HF_PREMASTER];
    uint8_t master[MASTER], block[BLOCK];
    bool good;
} play;

/* ---- the cast ------------------------------------------------------------------------------------------------- */

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

static void keep_master(void *self, const char *label, hf_bytes client_random, hf_bytes secret)
{
    play *p = self;
    (void)label, (void)client_random;
    if (secret.len == MASTER)
        memcpy(p->logged, secret.ptr, MASTER);
}

static bool make_identity(play *p)
{
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    const hf_bytes name = hf_text("story.test");
    const hf_certificate_wish wish = { .common_name = "story.test", .names = &name, .name_count = 1, .from = { 1700000000 },
        .until = { 1730000000 }, .enciphers = true };
    return hf_key_make_rsa(p->crypto, &p->key).code == 0 &&
           hf_certificate_issue(p->crypto, &wish, p->key, NULL, NULL, pem, &n).code == 0 &&
           hf_chain_load(p->crypto, hf_bytes_make(pem, n), &p->identity.chain).code == 0;
}

static bool open_play(play *p)
{
    static const uint16_t suite = 0x009c;
    const hf_entropy entropy = { fill, &p->random };
    p->limits = *hf_limits_default();
    hf_random_seed(&p->random, 5246);
    p->env = (hf_env){ .alloc = *hf_allocator_default(), .limits = &p->limits, .random = &p->random };
    p->crypto = hf_crypto_new(&p->env, &entropy);
    if (p->crypto == NULL || !make_identity(p))
        return false;
    p->identity.key = p->key;
    p->log = (hf_tls_key_log){ keep_master, p };
    p->config = (hf_tls_config){ .crypto = p->crypto, .identities = &p->identity, .identity_count = 1, .most_version = HF_TLS_1_2,
        .suites = &suite, .suite_count = 1, .rsa_key_exchange = true, .key_log = &p->log };
    p->server.t = hf_tls_server_new(&p->env, &p->config, 1, hf_time_make(0));
    p->client.t = hf_tls_client_new(&p->env, &p->config, 2, hf_time_make(0), hf_text("story.test"), hf_bytes_make(NULL, 0));
    return p->server.t != NULL && p->client.t != NULL;
}

static void close_play(play *p)
{
    hf_tls_free(p->client.t);
    hf_tls_free(p->server.t);
    hf_chain_free(p->identity.chain);
    hf_key_free(p->key);
    if (p->crypto != NULL)
        hf_crypto_free(p->crypto);
}

/* ---- the wire ------------------------------------------------------------------------------------------------- */

static void emit(actor *a)
{
    static uint8_t scratch[32768];
    hf_extent pieces[4];
    hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = WIRE - a->length };
    (void)hf_tls_emit(a->t, hf_time_make(0), &out);
    for (size_t i = 0; i < out.count; i++) {
        memcpy(a->sent + a->length, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
        a->length += out.pieces[i].bytes.len;
    }
}

/* `to` reads what `from` has sent, and answers the questions of its core. Records are opened where they lie: in a copy. */
static void feed(play *p, actor *to, actor *from)
{
    static uint8_t copy[WIRE];
    const size_t length = from->length - from->eaten;
    size_t at = 0;
    memcpy(copy, from->sent + from->eaten, length);
    for (;;) {
        hf_tls_event e;
        hf_in in = { .ptr = copy + at, .len = length - at };
        const hf_step s = hf_tls_step(to->t, hf_time_make(0), &in, &e);
        if (s == HF_EVENT && e.kind == HF_TLS_WANT_DECRYPT) { /* what the key process does */
            const hf_err err = hf_key_decrypt_premaster(p->key, e.client_version, e.message, p->premaster);
            hf_tls_answer_sign(to->t, err, hf_bytes_make(p->premaster, HF_PREMASTER));
        } else if (s == HF_EVENT && e.kind == HF_TLS_WANT_VERIFY) {
            hf_tls_answer_verify(to->t, HF_OK);
        } else if (s == HF_EVENT && e.kind == HF_TLS_READABLE) {
            hf_tls_take(to->t, hf_tls_peek(to->t).len);
        }
        at += in.used;
        if (s != HF_EVENT)
            break;
    }
    from->eaten += at;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

static void show(const play *p, const char *name, const uint8_t *bytes, size_t n)
{
    const size_t most = n > 48 ? SHOWN : n;
    fprintf(p->out, "     %-22s ", name);
    for (size_t i = 0; i < most; i++)
        fprintf(p->out, "%02x", bytes[i]);
    fprintf(p->out, most < n ? "... (%zu bytes)\n" : "\n", n);
}

static void tell(const play *p, const char *text)
{
    fprintf(p->out, "     %s\n", text);
}

static void head(const play *p, const char *number, bool from_client, const char *text)
{
    fprintf(p->out, "\n  %s  client %s server   %s\n", number, from_client ? "-->" : "<--", text);
}

/* The body of the `skip`th message of that type in plain handshake records (one message a record or many). */
static hf_bytes message_of(const actor *a, uint8_t type)
{
    for (size_t at = 0; at + 5 <= a->length;) {
        const size_t end = at + 5 + (size_t)(a->sent[at + 3] << 8 | a->sent[at + 4]);
        if (a->sent[at] != HF_RECORD_HANDSHAKE || end > a->length)
            break;
        for (size_t m = at + 5; m + 4 <= end;) {
            const size_t n = (size_t)(a->sent[m + 1] << 16 | a->sent[m + 2] << 8 | a->sent[m + 3]);
            if (a->sent[m] == type && m + 4 + n <= end)
                return hf_bytes_make(a->sent + m + 4, n);
            m += 4 + n;
        }
        at = end;
    }
    return hf_bytes_make(NULL, 0);
}

/* ---- the acts ------------------------------------------------------------------------------------------------- */

static bool hellos(play *p)
{
    emit(&p->client);
    feed(p, &p->server, &p->client);
    emit(&p->server);
    feed(p, &p->client, &p->server);
    const hf_bytes ch = message_of(&p->client, 1), sh = message_of(&p->server, 2);
    hf_certificate_facts facts;
    if (ch.len < 34 || sh.len < 38)
        return false;
    hf_chain_describe(p->identity.chain, 0, &facts);
    head(p, "1", true, "ClientHello: what I speak, and my nonce");
    show(p, "client nonce", ch.ptr + 2, 32);
    tell(p, "It makes this handshake unlike every other: nobody can play an old recording of a client to the server.");
    head(p, "2", false, "ServerHello, Certificate, ServerHelloDone: what we will speak, my nonce, my public key");
    show(p, "server nonce", sh.ptr + 2, 32);
    tell(p, "It does the same for the client: an old recording of the server fits no new client.");
    fprintf(p->out, "     %-22s %04x, %s\n", "suite", (unsigned)(sh.ptr[35] << 8 | sh.ptr[36]), "TLS_RSA_WITH_AES_128_GCM_SHA256");
    fprintf(p->out, "     %-22s %s, RSA of %u bits\n", "certificate", facts.subject, (unsigned)facts.key_bits);
    show(p, "digest of its key", facts.key_digest, 32);
    tell(p, "The client judges the certificate now. Nothing here is signed by its key: that the server has it will show last.");
    return true;
}

static bool exchange(play *p)
{
    emit(&p->client);
    const hf_bytes key = message_of(&p->client, 16);
    feed(p, &p->server, &p->client);
    if (key.len < 3)
        return false;
    head(p, "3", true, "ClientKeyExchange, ChangeCipherSpec, Finished: a secret for your eyes alone");
    show(p, "encrypted to the key", key.ptr + 2, key.len - 2);
    show(p, "premaster secret", p->premaster, HF_PREMASTER);
    tell(p, "The one secret of the handshake: 46 bytes that the client drew, behind the version that it offered (0303), which");
    tell(p, "gives away who lowered it on the way. Only the private key opens it. What does not decrypt is replaced by a random");
    tell(p, "secret and nobody is told, so that the server is no oracle for guesses (Bleichenbacher).");
    return true;
}

/* A second time, from the outside: RFC 7627 4 and RFC 5246 6.3. */
static bool derive(play *p)
{
    hf_hashing hash = { 0 };
    uint8_t session[HF_HASH_MOST];
    const hf_bytes ch = message_of(&p->client, 1), sh = message_of(&p->server, 2), certificate = message_of(&p->server, 11);
    const hf_bytes done = message_of(&p->server, 14), key = message_of(&p->client, 16);
    const hf_bytes all[] = { ch, sh, certificate, done, key };
    bool good = hf_hashing_begin(p->crypto, &hash, HF_HASH_SHA256);
    for (size_t i = 0; good && i < HF_COUNT(all); i++)
        good = all[i].ptr != NULL && hf_hashing_add(&hash, hf_bytes_make(all[i].ptr - 4, all[i].len + 4));
    good = good && hf_hashing_peek(p->crypto, &hash, hf_bytes_make(NULL, 0), session);
    hf_hashing_fini(&hash);
    good = good && hf_prf12(p->crypto, HF_HASH_SHA256, hf_bytes_make(p->premaster, HF_PREMASTER), "extended master secret",
                            hf_bytes_make(session, 32), hf_bytes_make(NULL, 0), p->master, MASTER) &&
           hf_prf12(p->crypto, HF_HASH_SHA256, hf_bytes_make(p->master, MASTER), "key expansion", hf_bytes_make(sh.ptr + 2, 32),
                    hf_bytes_make(ch.ptr + 2, 32), p->block, BLOCK) &&
           memcmp(p->master, p->logged, MASTER) == 0;
    if (!good)
        return false;
    fprintf(p->out, "\n     Both ends now compute the same, without another word:\n");
    show(p, "hash of the messages", session, 32);
    show(p, "master secret", p->master, MASTER);
    tell(p, "= PRF(premaster, \"extended master secret\", hash): bound to every byte said so far, both nonces among them (RFC 7627).");
    show(p, "client write key", p->block, 16);
    show(p, "server write key", p->block + 16, 16);
    show(p, "client write IV", p->block + 32, 4);
    show(p, "server write IV", p->block + 36, 4);
    tell(p, "= PRF(master secret, \"key expansion\", server nonce + client nonce), cut into four: a key for each direction.");
    return true;
}

/* The `index`th record of an actor, opened with the keys that were computed here. */
static bool open_record(const play *p, const actor *a, size_t index, bool of_client, uint64_t sequence, uint8_t *room, hf_span *content)
{
    hf_record_keys keys = { 0 };
    uint8_t type = 0;
    hf_tls_flaw flaw;
    size_t at = 0, n = 0;
    for (size_t i = 0; i <= index && at + 5 <= a->length; i++) {
        n = 5 + (size_t)(a->sent[at + 3] << 8 | a->sent[at + 4]);
        at += i < index ? n : 0;
    }
    if (at + n > a->length)
        return false;
    memcpy(room, a->sent + at, n);
    hf_record_keys_set12(&keys, p->crypto, hf_suite_find(0x009c), false, p->block + (of_client ? 0 : 16), p->block + (of_client ? 32 : 36));
    keys.sequence = sequence;
    const bool good = hf_record_open(&keys, (hf_span){ room, n }, &type, content, &flaw);
    hf_record_keys_fini(&keys);
    return good;
}

static size_t count_records(const actor *a)
{
    size_t n = 0;
    for (size_t at = 0; at + 5 <= a->length; n++)
        at += 5 + (size_t)(a->sent[at + 3] << 8 | a->sent[at + 4]);
    return n;
}

static bool finish(play *p)
{
    uint8_t room[WIRE];
    hf_span content;
    if (!open_record(p, &p->client, count_records(&p->client) - 1, true, 0, room, &content) || content.len != 4 + VERIFY)
        return false;
    fprintf(p->out, "\n     And the client's Finished, the first record under its key:\n");
    show(p, "verify_data", content.ptr + 4, VERIFY);
    tell(p, "= PRF(master secret, \"client finished\", hash of all messages): whoever changed one of them could not write this.");
    emit(&p->server);
    feed(p, &p->client, &p->server);
    if (!open_record(p, &p->server, count_records(&p->server) - 1, false, 0, room, &content) || content.len != 4 + VERIFY)
        return false;
    head(p, "4", false, "ChangeCipherSpec, Finished: I could read it, so I am who the certificate names");
    show(p, "verify_data", content.ptr + 4, VERIFY);
    tell(p, "Only who has the private key could get from the ciphertext to this. Here, and nowhere before, the server proves itself.");
    return strcmp(hf_tls_suite(p->client.t), "TLS_RSA_WITH_AES_128_GCM_SHA256") == 0;
}

/* Why browsers gave it up: no forward secrecy. */
static bool epilogue(play *p)
{
    static const char said[] = "GET /secret HTTP/1.1";
    uint8_t room[WIRE], secret[HF_PREMASTER];
    hf_span content;
    const hf_extent x = { .kind = HF_EXTENT_COPIED, .bytes = hf_text(said) };
    const hf_bytes key = message_of(&p->client, 16);
    if (hf_tls_put(p->client.t, &x, 1) != sizeof said - 1)
        return false;
    emit(&p->client);
    const size_t last = count_records(&p->client) - 1;
    head(p, "5", true, "application data");
    const size_t sealed = sizeof said - 1 + 8 + 16;
    show(p, "on the wire", p->client.sent + p->client.length - sealed, sealed);
    if (hf_key_decrypt_premaster(p->key, HF_TLS_1_2, hf_bytes_make(key.ptr + 2, key.len - 2), secret).code != 0 ||
        memcmp(secret, p->premaster, sizeof secret) != 0 || !open_record(p, &p->client, last, true, 1, room, &content))
        return false;
    fprintf(p->out, "\n     Years later somebody has the recording of all this, and the private key. He opens message 3, has the premaster,\n"
                    "     computes what both ends computed, and reads: \"%.*s\"\n"
                    "     With an ephemeral key exchange (ECDHE) the certificate's key signs, and opens nothing: the secrets died with\n"
                    "     the connection. So this suite is off by default, and is spoken by explicit setting alone.\n",
            (int)content.len, (const char *)content.ptr);
    return content.len == sizeof said - 1 && memcmp(content.ptr, said, content.len) == 0;
}

bool hf_story_tls_rsa(FILE *out)
{
    play *p = calloc(1, sizeof *p);
    if (p == NULL)
        return false;
    p->out = out;
    const bool good = open_play(p) && hellos(p) && exchange(p) && derive(p) && finish(p) && epilogue(p);
    close_play(p);
    free(p);
    return good;
}
