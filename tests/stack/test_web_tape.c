/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections on tape: every test of web runs once more with its connections recorded, and each is played when it is over, to
 * the same trace. Then what blanking leaves, what a tape cannot hold, and what a hostile one does.
 */
#include "web_tape.h"

#include "allocator.h"
#include "random.h"
#include "harness.h"

static hf_web *taped_new(const hf_env *env, uint64_t id, hf_pier pier, const hf_web_options *options, hf_time now);
static void taped_free(hf_web *w);

#define hf_web_new taped_new
#define hf_web_free taped_free
#define main main_of_web /* not called: its tests are among ours */
int main_of_web(void);
#include "test_web.c"
#undef hf_web_new
#undef hf_web_free
#undef main

enum { OPEN_MOST = 8 };
static struct {
    hf_web *web;
    hf_web_tape *tape;
    hf_web_options options;
    const hf_env *env;
} taped[OPEN_MOST];
static size_t played_whole;

static void play(hf_bytes bytes, const hf_limits *limits, hf_web_played *played)
{
    static hf_extent pieces[64];
    static uint8_t scratch[65536];
    hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    hf_random random;
    hf_random_seed(&random, 1);
    const hf_env env = { .alloc = *hf_allocator_default(), .random = &random, .limits = limits };
    hf_web_tape_play(bytes, &env, &out, NULL, NULL, played);
}

/* The same end, and the same trace. */
static void assert_plays(hf_web_tape *t, const hf_limits *limits)
{
    hf_web_played played;
    if (hf_web_tape_flaw(t) != NULL || hf_web_tape_bytes(t).len == 0) /* there was no memory for it */
        return;
    play(hf_web_tape_bytes(t), limits, &played);
    if (!played.same)
        fail_msg("at %zu of %zu: %s", played.at, hf_web_tape_bytes(t).len, played.why);
    assert_true(played.hash == hf_web_tape_hash(t));
    played_whole++;
}

static hf_web *taped_new(const hf_env *env, uint64_t id, hf_pier pier, const hf_web_options *options, hf_time now)
{
    size_t i = 0;
    while (i < OPEN_MOST && taped[i].tape != NULL)
        i++;
    const bool shares = options != NULL && options->spares != NULL; /* cores that were not made on this tape */
    hf_web_tape *const t = i < OPEN_MOST && !shares ? hf_web_tape_new(env, 1 << 24, options != NULL && options->tls != NULL) : NULL;
    if (t == NULL)
        return hf_web_new(env, id, pier, options, now);
    taped[i].options = options != NULL ? *options : (hf_web_options){ 0 };
    taped[i].options.tape = t;
    taped[i].options.spares = NULL;
    taped[i].tape = t;
    taped[i].env = env;
    taped[i].web = hf_web_new(hf_web_tape_env(t), id, pier, &taped[i].options, now);
    if (taped[i].web != NULL)
        return taped[i].web;
    hf_web_tape_free(t);
    taped[i].tape = NULL;
    return NULL;
}

static void taped_free(hf_web *w)
{
    size_t i = 0;
    while (i < OPEN_MOST && (taped[i].tape == NULL || taped[i].web != w))
        i++;
    hf_web_free(w);
    if (i == OPEN_MOST)
        return;
    assert_plays(taped[i].tape, taped[i].env->limits);
    hf_web_tape_free(taped[i].tape);
    taped[i].tape = NULL;
}

static hf_web_tape *tape_of(const rig *r)
{
    for (size_t i = 0; i < OPEN_MOST; i++)
        if (taped[i].tape != NULL && taped[i].web == r->web)
            return taped[i].tape;
    fail_msg("it is not recorded");
    return NULL;
}

static bool has(hf_bytes in, const char *part)
{
    return memmem(in.ptr, in.len, part, strlen(part)) != NULL;
}

/* ---- blanked ---------------------------------------------------------------------------------------------------- */

static const char *const secrets[] = { "s3cret", "hunter2", "4111", "abc123", "Zm9v" };
static const char *const kept[] = { "POST /pay?", "Host: shop.example", "Cookie: ", "User-Agent: probe", "GET /after HTTP/1.1" };

/* Said in slices, its tape is blanked: nothing secret is left, what is kept is, and it plays to the same trace. */
static void assert_blanks(const char *said, size_t slice, bool after)
{
    rig r;
    setup(&r, APP_TEXT);
    r.pier.slice = slice;
    say(&r, said);
    drive(&r);
    hf_web_tape *const t = tape_of(&r);
    assert_true(hf_web_tape_has_bytes(t));
    assert_true(hf_web_tape_blank(t));
    for (size_t i = 0; i < HF_COUNT(secrets); i++)
        if (has(hf_web_tape_bytes(t), secrets[i]))
            fail_msg("slices of %zu: %s is on the tape", slice, secrets[i]);
    for (size_t i = 0; i < HF_COUNT(kept) - !after && slice == 0; i++)
        if (!has(hf_web_tape_bytes(t), kept[i]))
            fail_msg("%s is not on the tape", kept[i]);
    assert_plays(t, &r.world.limits);
    teardown(&r);
}

static void secrets_and_content_are_blanked_and_it_plays_to_the_same_trace(void **state)
{
    (void)state;
    static const char *const after = "GET /after HTTP/1.1\r\nHost: shop.example\r\nX-Api-Key: s3cret\r\n\r\n";
    static const char *const head = "POST /pay?token=abc123 HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=s3cret; b=hunter2\r\nUser-Agent: probe\r\n"
        "Authorization: Basic Zm9v\r\nReferer: http://shop.example/?q=hunter2\r\n";
    static const char *const bodies[] = { "Content-Length: 21\r\n\r\ncard=4111&pin=hunter2",
        "Transfer-Encoding: chunked\r\n\r\n9\r\ncard=4111\r\nc\r\n&pin=hunter2\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n9\r\ncard=4111\r\nc\r\n&pin=hunter2\r\n0\r\nX-Token: s3cret\r\n\r\n" };
    static const size_t slices[] = { 0, 1, 3, 7, 64 };
    for (size_t b = 0; b < 2; b++)
        for (size_t s = 0; s < HF_COUNT(slices); s++) {
            char text[2048];
            snprintf(text, sizeof text, "%s%s%s", head, bodies[b], after);
            assert_blanks(text, slices[s], true);
        }
}

/* Where it is not known what bytes are, nothing of them stays; such a tape need not play. */
static void what_nobody_understood_is_blanked_too(void **state)
{
    (void)state;
    static const char *const said[] = {
        "POST /pay?token=abc123 HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=s3cret;\r\n b=hunter2\r\nUser-Agent: probe\r\nBad header hunter2\r\n\r\nZm9v 4111",
        "POST /pay?token=abc123 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe\r\nCookie: sid=s3cret; hunter2",
        "POST /pay?token=abc123 HTTP/9.9\r\nHost: shop.example\r\nUser-Agent: probe\r\nCookie: s3cret\r\n\r\nhunter2 4111 Zm9v",
        "\x16\x03\x01 s3cret hunter2 4111 abc123 Zm9v",
        "POST /pay?token=abc123 HTTP/1.1\r\nHost: a\r\nCookie: s3cret\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhunter2 Zm9v\r\n\r\ns3cret: hunter2\r\n",
    };
    for (size_t i = 0; i < HF_COUNT(said); i++)
        for (size_t slice = 0; slice < 3; slice++) {
            rig r;
            setup(&r, APP_TEXT);
            r.pier.slice = slice;
            say(&r, said[i]);
            drive(&r);
            hf_web_tape *const t = tape_of(&r);
            assert_true(hf_web_tape_blank(t));
            for (size_t k = 0; k < HF_COUNT(secrets); k++)
                if (has(hf_web_tape_bytes(t), secrets[k]))
                    fail_msg("%zu, slices of %zu: %s is on the tape", i, slice, secrets[k]);
            hf_web_tape_spoil(t, "blanked");
            teardown(&r);
        }
}

/* Where a secret could hide from a reader of lines. */
static void no_odd_line_hides_a_secret(void **state)
{
    (void)state;
    static const char *const said[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rCookie: sid=s3cret\r\n\r\n", "POST / HTTP/1.1\rHost: a\r\rpassword=s3cret\r\n\r\n",
        "GET http://hunter2:s3cret@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h:s3/cret@h@hunter2@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http://a:hunt/hunter2@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET //a:s3cret@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET HTTP://a:s3cret@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT hal:s3cret@h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a;jsessionid=s3cret/b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b s3cret HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a?b\001s3cret HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1s3cret\r\nHost: h\r\n\r\n", "GET  s3cret HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET s3cret HTTP/1.1\r\nHost: h\r\n\r\n", "s3cret / HTTP/1.1\r\nHost: h\r\n\r\n", "GET:s3cret / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nCookie sid=s3cret; at: http\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nCook\001ie: s3cret\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: 1\001s3cret\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n s3cret\r\n\r\n",
        "GET / HTTP/1.1\r\n s3cret: 1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nCookie : s3cret\r\nX: hunter2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: 1\nY: s3cret\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nBad\r\nX: s3cret\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nReferer: http://a:s3cret@h/hunter2\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX: http://a:s3cret@h/\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: bearer.s3cret\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX-Pass: s3cret\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\ns3cret", "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r", "GET / HTTP/1.1\r\nHost: h\r\nX: a?s3cret",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;token=abc123;a=\"abc123\"\r\nhello\r\n0\r\n\r\n",
    };
    static const char *const hidden[] = { "s3cret", "hunter2", "abc123", "cret" };
    for (size_t i = 0; i < HF_COUNT(said); i++)
        for (size_t slice = 0; slice < 3; slice++) {
            rig r;
            setup(&r, APP_TEXT);
            r.pier.slice = slice;
            say(&r, said[i]);
            drive(&r);
            hf_web_tape *const t = tape_of(&r);
            assert_true(hf_web_tape_blank(t));
            for (size_t k = 0; k < HF_COUNT(hidden); k++)
                if (has(hf_web_tape_bytes(t), hidden[k]))
                    fail_msg("%s, slices of %zu: %s is on the tape", said[i], slice, hidden[k]);
            teardown(&r); /* plays it */
        }
}

/* ---- verdicts and ends -------------------------------------------------------------------------------------------- */

static void a_connection_that_ends_badly_says_why_and_others_do_not(void **state)
{
    (void)state;
    rig r;
    setup(&r, APP_TEXT);
    say(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    drive(&r);
    assert_int_equal(hf_web_tape_verdict(tape_of(&r)).code, 0);
    say(&r, "GET / HTTP/1.1\r\nHost x\r\n\r\n");
    drive(&r);
    assert_int_not_equal(hf_web_tape_verdict(tape_of(&r)).code, 0);
    teardown(&r);
}

/* The tape was made; of what the connection asks for, the nth is refused. */
static void memory_that_was_refused_is_on_the_tape(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t n = 1; n < 12; n++) {
        rig r;
        setup(&r, APP_TEXT);
        r.world.memory.fail_at = r.world.memory.calls + n;
        say(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        drive(&r);
        refused += hf_web_tape_verdict(tape_of(&r)).code == HF_ERR_BASE_MEMORY;
        teardown(&r); /* plays it */
    }
    assert_true(refused > 0);
}

static void limit_record_connection_bytes(void **state)
{
    (void)state;
    hf_test_world world;
    fake_pier pier;
    hf_web_event event;
    hf_extent pieces[8];
    static uint8_t scratch[4096];
    hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    hf_test_world_init(&world, 1);
    fake_pier_init(&pier);
    pier.slice = 10;
    hf_web_tape *const t = hf_web_tape_new(&world.env, 200, false);
    const hf_web_options options = { .tape = t };
    hf_web *w = hf_web_new(hf_web_tape_env(t), 1, fake_pier_get(&pier), &options, hf_time_make(5));
    for (int i = 0; i < 50; i++)
        fake_pier_say(&pier, hf_text("GET /a/long/path/that/fills/the/tape HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (hf_web_step(w, hf_time_make(6), &out, &event) == HF_EVENT)
        ;
    assert_true(hf_web_tape_bytes(t).len <= 200);
    hf_web_free(w);
    hf_web_played played;
    play(hf_web_tape_bytes(t), &world.limits, &played);
    assert_true(played.same); /* as far as it goes */
    assert_true(played.hash == hf_web_tape_hash(t));
    hf_web_tape_free(t);
    fake_pier_fini(&pier);
    hf_test_world_fini(&world);
}

/* Marks and the places of bytes count, and of what is behind the tape's end there are none. */
static void what_is_noted_of_the_bytes_is_bounded_too(void **state)
{
    (void)state;
    enum { MOST = 16384, CHUNKS = 20000 };
    rig r;
    setup(&r, APP_TEXT);
    taped_free(r.web);
    fake_pier_fini(&r.pier);
    fake_pier_init(&r.pier);
    hf_web_tape *const t = hf_web_tape_new(&r.world.env, MOST, false);
    const hf_web_options options = { .tape = t };
    assert_non_null(t);
    r.web = hf_web_new(hf_web_tape_env(t), 1, fake_pier_get(&r.pier), &options, r.now);
    say(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    drive(&r);
    const size_t before = r.world.memory.held;
    for (size_t i = 0; i < CHUNKS; i++) {
        say(&r, "1\r\nx\r\n");
        drive(&r);
    }
    assert_true(r.body_seen >= CHUNKS - 1);
    assert_true(r.world.memory.held <= before + 2 * MOST);
    assert_true(hf_web_tape_blank(t));
    hf_web_played played;
    play(hf_web_tape_bytes(t), &r.world.limits, &played);
    if (!played.same)
        fail_msg("at %zu of %zu: %s", played.at, hf_web_tape_bytes(t).len, played.why);
    assert_true(played.hash == hf_web_tape_hash(t)); /* else it would not be kept */
    hf_web_free(r.web);
    r.web = NULL;
    hf_web_tape_free(t);
    teardown(&r);
}

/* What is on it need not be ours: it is played to a difference, or to an end, and hurts nobody. */
static void a_tape_with_wrong_bytes_hurts_nobody(void **state)
{
    (void)state;
    rig r;
    setup(&r, APP_LENT);
    r.pier.slice = 11;
    say(&r, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /\r\n");
    drive(&r);
    const hf_bytes bytes = hf_web_tape_bytes(tape_of(&r));
    uint8_t *const copy = malloc(bytes.len);
    assert_non_null(copy);
    size_t different = 0;
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            hf_web_played played;
            memcpy(copy, bytes.ptr, bytes.len);
            copy[i] ^= (uint8_t)(1u << bit);
            play(hf_bytes_make(copy, bytes.len), &r.world.limits, &played);
            different += !played.same || played.hash != hf_web_tape_hash(tape_of(&r));
        }
    assert_true(different > bytes.len); /* of three changes to each byte */
    for (size_t n = 0; n < bytes.len; n++) {
        hf_web_played played;
        play(hf_bytes_make(bytes.ptr, n), &r.world.limits, &played);
    }
    free(copy);
    teardown(&r);
}

static void tapes_were_played(void **state)
{
    (void)state;
    assert_true(played_whole > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_and_content_are_blanked_and_it_plays_to_the_same_trace),
        cmocka_unit_test(what_nobody_understood_is_blanked_too),
        cmocka_unit_test(no_odd_line_hides_a_secret),
        cmocka_unit_test(what_is_noted_of_the_bytes_is_bounded_too),
        cmocka_unit_test(a_connection_that_ends_badly_says_why_and_others_do_not),
        cmocka_unit_test(memory_that_was_refused_is_on_the_tape),
        cmocka_unit_test(limit_record_connection_bytes),
        cmocka_unit_test(a_tape_with_wrong_bytes_hurts_nobody),
        cmocka_unit_test(tapes_were_played),
    };
    struct CMUnitTest all[HF_COUNT(web_tests) + HF_COUNT(tests)];
    memcpy(all, web_tests, sizeof web_tests);
    memcpy(all + HF_COUNT(web_tests), tests, sizeof tests);
    return cmocka_run_group_tests(all, NULL, NULL);
}
