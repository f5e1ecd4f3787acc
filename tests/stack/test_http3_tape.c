/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of HTTP/3 on tape: every test of web over HTTP/3 runs once more with its connections recorded, and each is played
 * when it is over, without QUIC below it, to the same trace. Then what a hostile tape does.
 */
#include "web_tape.h"

#include "allocator.h"
#include "random.h"
#include "web.h"

static hf_web *taped_new(const hf_env *env, uint64_t id, hf_quic *quic, const hf_web_options *options, hf_time now);
static void taped_free(hf_web *w);

#define hf_web_new_http3 taped_new
#define hf_web_free taped_free
#define main main_of_http3 /* not called: its tests are among ours */
int main_of_http3(void);
#include "test_http3.c"
#undef hf_web_new_http3
#undef hf_web_free
#undef main

static struct {
    hf_web *web;
    hf_web_tape *tape;
    hf_web_options options;
    const hf_env *env;
} taped;
static uint8_t last[1 << 16]; /* of the last connection that fits */
static size_t last_length, played_whole;

static void play(hf_bytes bytes, const hf_limits *limits, hf_web_played *played)
{
    static hf_extent some[64];
    static uint8_t room[65536];
    hf_out out = { .pieces = some, .capacity = HF_COUNT(some), .scratch = room, .scratch_capacity = sizeof room, .room = UINT64_MAX };
    hf_random random;
    hf_random_seed(&random, 1);
    const hf_env env = { .alloc = *hf_allocator_default(), .random = &random, .limits = limits };
    hf_web_tape_play(bytes, &env, &out, NULL, NULL, played);
}

static hf_web *taped_new(const hf_env *env, uint64_t id, hf_quic *quic, const hf_web_options *options, hf_time now)
{
    hf_web_tape *const t = taped.tape == NULL ? hf_web_tape_new(env, 1 << 26, true) : NULL;
    if (t == NULL)
        return hf_web_new_http3(env, id, quic, options, now);
    taped.options = *options;
    taped.options.tape = t;
    taped.tape = t;
    taped.env = env;
    taped.web = hf_web_new_http3(hf_web_tape_env(t), id, quic, &taped.options, now);
    if (taped.web != NULL)
        return taped.web;
    hf_web_tape_free(t);
    taped.tape = NULL;
    return NULL;
}

static void taped_free(hf_web *w)
{
    hf_web_played played;
    const bool ours = w != NULL && taped.web == w && taped.tape != NULL;
    hf_web_free(w);
    if (!ours)
        return;
    hf_web_tape *const t = taped.tape;
    const hf_bytes bytes = hf_web_tape_bytes(t);
    if (hf_web_tape_flaw(t) == NULL && r.world.memory.fail_at == 0) { /* what QUIC's memory did is not on it */
        play(bytes, taped.env->limits, &played);
        if (!played.same)
            fail_msg("at %zu of %zu: %s", played.at, bytes.len, played.why);
        assert_true(played.hash == hf_web_tape_hash(t));
        assert_false(hf_web_tape_blank(t));
        played_whole++;
        if (bytes.len <= sizeof last) {
            memcpy(last, bytes.ptr, bytes.len);
            last_length = bytes.len;
        }
    }
    hf_web_tape_free(t);
    taped.tape = NULL;
    taped.web = NULL;
}

/* What is on it need not be ours: it is played to a difference, or to an end, and hurts nobody. */
static void a_tape_with_wrong_bytes_hurts_nobody(void **state)
{
    (void)state;
    static uint8_t copy[sizeof last];
    hf_web_played played;
    hf_random random;
    size_t different = 0;
    hf_random_seed(&random, 3);
    what_goes_with_a_page_is_pushed_where_the_client_allows_it(NULL);
    assert_true(last_length > 0);
    for (size_t i = 0; i < 4000; i++) {
        memcpy(copy, last, last_length);
        for (uint64_t changes = hf_random_next(&random) % 3; changes < 3; changes++)
            copy[hf_random_next(&random) % last_length] ^= (uint8_t)(1u << hf_random_next(&random) % 8);
        play(hf_bytes_make(copy, last_length), hf_limits_default(), &played);
        different += !played.same;
    }
    assert_true(different > 1000);
    for (size_t n = 0; n < last_length; n += 7)
        play(hf_bytes_make(last, n), hf_limits_default(), &played);
}

static void tapes_were_played(void **state)
{
    (void)state;
    assert_true(played_whole > 15);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { T(a_tape_with_wrong_bytes_hurts_nobody), T(tapes_were_played) };
    struct CMUnitTest all[HF_COUNT(http3_tests) + HF_COUNT(tests)];
    size_t n = 0;
    for (size_t i = 0; i < HF_COUNT(http3_tests); i++)
        if (http3_tests[i].test_func != an_idle_connection_holds_little) /* a tape holds more */
            all[n++] = http3_tests[i];
    memcpy(all + n, tests, sizeof tests);
    return _cmocka_run_group_tests("stack_http3_tape", all, n + HF_COUNT(tests), NULL, NULL);
}
