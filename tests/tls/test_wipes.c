/* SPDX-License-Identifier: Apache-2.0
 *
 * What held a secret is wiped. The linker puts this file's functions before hf_wipe and hf_exchange_reply (-Wl,--wrap): what is
 * wiped is kept as it was before, and compared with the secrets that were seen: those of the key log, the shared secret, the key
 * of a ticket. And an allocator looks at every block that is given back.
 */
#include "tls/rig.h"

#include "tls_core.h"

enum { SECRETS = 32, WIPES = 4096, WIPED_MOST = 4096 };

typedef struct known {
    uint8_t bytes[HF_SHARED_MOST];
    size_t length;
} known;

typedef struct wiped {
    const void *at;
    size_t length;
    uint8_t bytes[WIPED_MOST]; /* as they were */
} wiped;

static known secrets[SECRETS];
static size_t secret_count;
static wiped *wipes;
static size_t wipe_count;
static size_t spilled; /* blocks that were given back with a secret in them */
static const void *shared_at; /* where the last shared secret was put */
static hf_allocator below;
static rig r;

static void learn(const void *bytes, size_t n)
{
    assert_true(secret_count < SECRETS && n <= sizeof secrets[0].bytes);
    secrets[secret_count].length = n;
    memcpy(secrets[secret_count++].bytes, bytes, n);
}

static bool holds(const uint8_t *p, size_t n, const known *s)
{
    for (size_t i = 0; i + s->length <= n; i++)
        if (p[i] == s->bytes[0] && memcmp(p + i, s->bytes, s->length) == 0)
            return true;
    return false;
}

/* ---- what stands in front ------------------------------------------------------------------------------------- */

void __real_hf_wipe(void *at, size_t n);
void __wrap_hf_wipe(void *at, size_t n);
hf_err __real_hf_exchange_reply(hf_crypto *c, hf_group group, hf_bytes peer, uint8_t *reply, uint8_t *secret, size_t *length);
hf_err __wrap_hf_exchange_reply(hf_crypto *c, hf_group group, hf_bytes peer, uint8_t *reply, uint8_t *secret, size_t *length);

void __wrap_hf_wipe(void *at, size_t n)
{
    if (wipes != NULL && wipe_count < WIPES) {
        wiped *const w = &wipes[wipe_count++];
        w->at = at;
        w->length = n < WIPED_MOST ? n : WIPED_MOST;
        memcpy(w->bytes, at, w->length);
    }
    __real_hf_wipe(at, n);
}

hf_err __wrap_hf_exchange_reply(hf_crypto *c, hf_group group, hf_bytes peer, uint8_t *reply, uint8_t *secret, size_t *length)
{
    const hf_err err = __real_hf_exchange_reply(c, group, peer, reply, secret, length);
    learn(secret, *length);
    shared_at = secret;
    return err;
}

static void look(const void *old, size_t n)
{
    for (size_t i = 0; old != NULL && i < secret_count; i++)
        spilled += holds(old, n, &secrets[i]);
}

/* A block that grows is always another one, so that what it leaves behind is seen. */
static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx;
    void *const made = new_size == 0 ? NULL : below.resize(below.ctx, NULL, 0, new_size);
    if (new_size > 0 && made == NULL)
        return NULL;
    if (made != NULL && old != NULL)
        memcpy(made, old, old_size < new_size ? old_size : new_size);
    look(old, old_size);
    if (old != NULL)
        (void)below.resize(below.ctx, old, old_size, 0);
    return made;
}

static void logged(void *self, const char *label, hf_bytes client_random, hf_bytes value)
{
    (void)self, (void)label, (void)client_random;
    for (size_t i = 0; i < secret_count; i++)
        if (secrets[i].length == value.len && memcmp(secrets[i].bytes, value.ptr, value.len) == 0)
            return; /* the other end's, the same */
    learn(value.ptr, value.len);
}

static const hf_tls_key_log key_log = { logged, NULL };

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static int open_rig(void **state)
{
    (void)state;
    rig_open(&r, 1);
    below = r.w.env.alloc;
    r.w.env.alloc = (hf_allocator){ resize, NULL };
    r.server_config.key_log = r.client_config.key_log = &key_log;
    wipes = malloc(WIPES * sizeof *wipes);
    assert_non_null(wipes);
    secret_count = wipe_count = spilled = 0;
    shared_at = NULL;
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    free(wipes);
    wipes = NULL;
    return 0;
}

/* How often something of that size was wiped that held it; size 0: of any. */
static size_t wiped_with(const known *s, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < wipe_count; i++)
        n += (size == 0 || wipes[i].length == size) && holds(wipes[i].bytes, wipes[i].length, s);
    return n;
}

static void shake(hf_bytes session)
{
    rig_start_session(&r, "localhost", session);
    rig_pump(&r);
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
}

static void finish(void)
{
    hf_tls_free(r.server.t);
    hf_tls_free(r.client.t);
    r.server.t = r.client.t = NULL;
}

static void the_shared_secret_is_wiped_where_it_lay(void **state)
{
    (void)state;
    shake(hf_text(""));
    size_t found = 0;
    for (size_t i = 0; i < wipe_count; i++)
        found += wipes[i].at == shared_at && holds(wipes[i].bytes, wipes[i].length, &secrets[0]);
    assert_non_null(shared_at);
    assert_int_equal(found, 1);
}

static void every_secret_of_the_key_log_is_wiped(void **state)
{
    (void)state;
    shake(hf_text(""));
    finish();
    assert_int_equal(secret_count, 6); /* the shared one; two of the handshake, two of the application, the exporter's */
    for (size_t i = 1; i < secret_count; i++)
        assert_true(wiped_with(&secrets[i], 0) > 0);
}

/* The key that a ticket carries is in the client's session: where it was made, and in what was sealed. */
static void the_key_of_a_ticket_is_wiped_at_both_ends(void **state)
{
    (void)state;
    shake(hf_text(""));
    assert_true(r.client.session_length > 0);
    known key = { .length = 32 };
    size_t made = 0, sealed = 0;
    for (size_t i = 0; i < wipe_count; i++) { /* a HF_HASH_MOST of which 32 bytes stand in the session */
        if (wipes[i].length != HF_HASH_MOST)
            continue;
        memcpy(key.bytes, wipes[i].bytes, key.length);
        if (!holds(r.client.session, r.client.session_length, &key))
            continue;
        made++;
        sealed = wiped_with(&key, HF_TLS_TICKET_PLAIN);
    }
    assert_int_equal(made, 2 + 2); /* the block of HKDF that it came out of, and the place where it was wanted, at each end */
    assert_int_equal(sealed, 1);
}

static void the_key_of_a_ticket_is_wiped_when_it_was_used(void **state)
{
    (void)state;
    uint8_t session[sizeof r.client.session];
    shake(hf_text(""));
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    wipe_count = secret_count = 0;
    shake(hf_bytes_make(session, n));
    assert_true(hf_tls_resumed(r.server.t));
    known key = { .length = 0 };
    for (size_t i = 0; i < wipe_count && key.length == 0; i++) { /* what a ticket opened to */
        known s = { .length = 32 };
        memcpy(s.bytes, session + 1 + 2 + 8 + 4 + 4 + 4 + 32 + 1, s.length); /* tls_ticket.c: hf_session_write */
        if (holds(wipes[i].bytes, wipes[i].length, &s))
            key = s;
    }
    assert_int_equal(key.length, 32);
    assert_int_equal(wiped_with(&key, HF_TLS_TICKET_PLAIN + HF_AEAD_TAG), 1);
    assert_int_equal(wiped_with(&key, sizeof(hf_ticket)), 1);
    assert_int_equal(wiped_with(&key, HF_SHARED_MOST), 1); /* of the handshake's work */
}

static void no_block_is_given_back_with_a_secret_in_it(void **state)
{
    (void)state;
    uint8_t session[sizeof r.client.session];
    shake(hf_text(""));
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    learn(session + 1 + 2 + 8 + 4 + 4 + 4 + 32 + 1, 32);
    assert_true(rig_put(&r.client, "a line") > 0);
    rig_pump(&r);
    r.now = hf_time_after(r.now, HF_SECONDS(1)); /* they rest */
    rig_pump(&r);
    finish();
    assert_int_equal(spilled, 0);
    shake(hf_bytes_make(session, n));
    finish();
    assert_int_equal(spilled, 0);
}

static void nor_in_the_middle_of_a_handshake(void **state)
{
    (void)state;
    r.server.hold = true; /* nobody signs */
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(secret_count, 3);
    finish();
    assert_int_equal(spilled, 0);
    for (size_t i = 1; i < secret_count; i++)
        assert_true(wiped_with(&secrets[i], 0) > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_shared_secret_is_wiped_where_it_lay), T(every_secret_of_the_key_log_is_wiped), T(the_key_of_a_ticket_is_wiped_at_both_ends),
        T(the_key_of_a_ticket_is_wiped_when_it_was_used), T(no_block_is_given_back_with_a_secret_in_it), T(nor_in_the_middle_of_a_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
