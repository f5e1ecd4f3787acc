/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS client core from hostile bytes. Byte 0: how the stream is cut, and, by its highest bit, whether the client resumes a
 * session and has put early data. The rest is the stream.
 */
#include "tls_drive.h"

#include <string.h>

static uint8_t session[4096];
static size_t session_length;

/* What `from` has to say goes to `to`. */
static void pass(hf_tls *from, hf_tls *to)
{
    static uint8_t scratch[40000];
    hf_extent pieces[4];
    hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    (void)hf_tls_emit(from, hf_time_make(1), &out);
    size_t at = 0;
    for (hf_step step = HF_EVENT; step == HF_EVENT;) {
        hf_tls_event event;
        hf_in in = { .ptr = scratch + at, .len = out.scratch_used - at };
        step = hf_tls_step(to, hf_time_make(1), &in, &event);
        at += in.used;
        if (step == HF_EVENT && event.kind == HF_TLS_WANT_SIGN)
            hf_tls_sign_here(to, &event);
        if (step == HF_EVENT && event.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(to, HF_OK);
        if (step == HF_EVENT && event.kind == HF_TLS_SESSION && event.session.len <= sizeof session) {
            memcpy(session, event.session.ptr, event.session.len);
            session_length = event.session.len;
        }
    }
}

/* Once: a session that allows early data. */
static void get_session(const hf_tls_config *client)
{
    static const hf_tls_ticket_key key = { { 1 }, { 2 } };
    static _Alignas(64) uint8_t memory[64 + 64];
    if (session_length > 0)
        return;
    hf_tls_config config = *client;
    config.ticket_keys = &key;
    config.ticket_key_count = 1;
    config.strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    hf_tls *const s = hf_tls_server_new(&env, &config, 1, hf_time_make(0));
    hf_tls *const c = hf_tls_client_new(&env, client, 2, hf_time_make(0), hf_text("localhost"), hf_text(""));
    for (int i = 0; i < 4; i++) {
        pass(c, s);
        pass(s, c);
    }
    hf_tls_free(s);
    hf_tls_free(c);
    if (session_length == 0)
        abort();
}

static bool put_early(hf_tls *t)
{
    static const hf_extent early = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("GET / HTTP/1.1\r\n\r\n") };
    hf_tls_event event;
    hf_in in = { .ptr = session };
    const bool put = hf_tls_step(t, hf_time_make(1), &in, &event) == HF_EVENT && event.kind == HF_TLS_EARLY &&
        hf_tls_put(t, &early, 1) == early.bytes.len;
    HF_ASSERT(put || fuzz_memory_failed(&drive_memory));
    return put;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size)
{
    static const hf_bytes protocol = HF_LITERAL("http/1.1");
    const hf_tls_config config = { .crypto = crypto, .identities = identities, .identity_count = 1, .rsa_key_exchange = true,
                                   .ask_staple = true, .protocols = &protocol, .protocol_count = 1, .early_data = true };
    const bool early = data[0] >> 7;
    get_session(&config);
    hf_random_seed(&entropy, 1);
    hf_tls *t = hf_tls_client_new(&env, &config, 1, hf_time_make(0), hf_text("localhost"), hf_bytes_make(session, early ? session_length : 0));
    HF_ASSERT(t != NULL || fuzz_memory_failed(&drive_memory));
    if (t != NULL && (!early || put_early(t)))
        drive_run(t, data + 1, size - 1, data[0] & 0x7f);
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
