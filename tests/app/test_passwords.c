/* SPDX-License-Identifier: Apache-2.0
 *
 * Password files, line by line; and the guard that asks them, whose hashing is done elsewhere.
 */
#include "later_rig.h"

#include "guards_password.h"

/* All of "pw": as htpasswd -B -C 5, -5, -2 and mkpasswd -m yescrypt make them. */
#define BCRYPT "$2y$05$YHbQLhz2hwB9erSsNj3HS.ujSlXjL4H0op8z95mBQ89xJGTp2b9ku"
#define SHA512 "$6$oCsLe3w1G01YHug.$llMqzk57cvndpVHFh1VRNc1HFfeGCVorEOsevMrqYUZmDBcq6kSQaztX8XmcQ/ZYRrEo0h6PHfAJKstwF26m8/"
#define SHA256 "$5$/46Nr0VCEMCjEP1Z$M8bRnOof2g1Bwr8O9L1nm/dluBfm29MPCovUYMaMhxA"
#define YESCRYPT "$y$j9T$abcdefghijklmnop$wRwvHNqzMkHLG74uLLCRVTwaZ.a1aIothEUeYGf9oED"

static const char *why_not(const char *line)
{
    hf_account account;
    return hf_password_line(hf_text(line), hf_limits_default(), &account);
}

static void lines_are_a_name_and_a_hash(void **state)
{
    hf_account a;
    (void)state;
    assert_null(hf_password_line(hf_text("bob:" BCRYPT "\r"), hf_limits_default(), &a));
    assert_true(hf_bytes_equal(a.name, hf_text("bob")));
    assert_true(hf_bytes_equal(a.hash, hf_text(BCRYPT)));
    static const char *const none[] = { "", "\r", "# bob:x" };
    for (size_t i = 0; i < HF_COUNT(none); i++) {
        assert_null(hf_password_line(hf_text(none[i]), hf_limits_default(), &a));
        assert_int_equal(a.name.len, 0);
    }
    static const char *const good[] = { "b:" SHA512, "b:" SHA256, "b:" YESCRYPT, "b c:" BCRYPT,
        "b:$6$rounds=100000$oCsLe3w1G01YHug.$llMqzk57cvndpVHFh1VRNc1HFfeGCVorEOsevMrqYUZmDBcq6kSQaztX8XmcQ/ZYRrEo0h6PHfAJKstwF26m8/" };
    for (size_t i = 0; i < HF_COUNT(good); i++)
        assert_null(why_not(good[i]));
}

static void what_cannot_be_used_is_said_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } cases[] = {
        { "bob", "a colon" }, { ":" BCRYPT, "no name" }, { "bob:", "no hash" }, { "bob:pw", "htpasswd -B" }, { "bob:ab01FAX.bQRSU", "htpasswd -B" },
        { "bob:$apr1$ZDOsR.M1$3hCGHdY7Gxt8s5CFzpycP.", "MD5" }, { "bob:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "MD5" },
        { "bob:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=", "SHA-1" }, { "bob:{PLAIN}pw", "SHA-1 and its like" },
        { "bob:" BCRYPT "x", "60 characters" }, { "bob:$2y$5$YHbQLhz2hwB9erSsNj3HS.", "60 characters" }, { "bob:" BCRYPT " ", "something else" },
        { "bob:" BCRYPT ":1000", "something else" }, { "bob:$6$salt$short", "too short" }, { "bob:$6$rounds=many$salt$x", "a number" },
        { "bob:$6$rounds=5", "a number" }, { "bob:$y$", "yescrypt" }, { "bob:$y$j9T", "yescrypt" }, { "bob:$y$jzzz$x", "yescrypt" },
        { "bob:\xc3\xa9", "something else" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const char *why = why_not(cases[i].line);
        if (why == NULL || strstr(why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].line, why != NULL ? why : "taken");
    }
    char long_one[400] = "bob:$6$";
    memset(long_one + 7, 'a', 300);
    assert_non_null(strstr(why_not(long_one), "too long"));
}

static void limit_password_cost(void **state)
{
    static const char *const fine[] = { "b:$2y$14$YHbQLhz2hwB9erSsNj3HS.wbazspYzoesee9kmbTovpAM8X3hi9O6",
        "b:$6$rounds=1048576$oCsLe3w1G01YHug.$llMqzk57cvndpVHFh1VRNc1HFfeGCVorEOsevMrqYUZmDBcq6kSQaztX8XmcQ/ZYRrEo0h6PHfAJKstwF26m8/",
        "b:$y$jBT$abcdefghijklmnop$wRwvHNqzMkHLG74uLLCRVTwaZ.a1aIothEUeYGf9oED" };
    static const char *const dear[] = { "b:$2y$15$YHbQLhz2hwB9erSsNj3HS.wbazspYzoesee9kmbTovpAM8X3hi9O6",
        "b:$6$rounds=1048577$oCsLe3w1G01YHug.$llMqzk57cvndpVHFh1VRNc1HFfeGCVorEOsevMrqYUZmDBcq6kSQaztX8XmcQ/ZYRrEo0h6PHfAJKstwF26m8/",
        "b:$y$jCT$abcdefghijklmnop$wRwvHNqzMkHLG74uLLCRVTwaZ.a1aIothEUeYGf9oED" };
    (void)state;
    assert_int_equal(hf_limits_default()->password_cost, 14);
    for (size_t i = 0; i < HF_COUNT(fine); i++) {
        assert_null(why_not(fine[i]));
        assert_non_null(strstr(why_not(dear[i]), "password_cost"));
    }
}

static void a_password_is_the_one_that_was_hashed_or_it_is_not(void **state)
{
    static const char *const hashes[] = { BCRYPT, SHA512, SHA256, YESCRYPT };
    (void)state;
    for (size_t i = 0; i < HF_COUNT(hashes); i++) {
        assert_true(hf_password_is(hf_text(hashes[i]), hf_text("pw")));
        assert_false(hf_password_is(hf_text(hashes[i]), hf_text("pW")));
        assert_false(hf_password_is(hf_text(hashes[i]), hf_text("")));
        assert_false(hf_password_is(hf_text(hashes[i]), hf_bytes_make("pw\0x", 4)));
    }
    static const char *const none[] = { "", "*", "*0", "*1", "x", "$6$", "$2y$05$short" };
    for (size_t i = 0; i < HF_COUNT(none); i++)
        assert_false(hf_password_is(hf_text(none[i]), hf_text("pw")));
}

static void credentials_are_a_name_and_a_password_in_base64(void **state)
{
    uint8_t room[64];
    hf_bytes name, password;
    (void)state;
    static const char *const good[] = { "Basic Ym9iOnB3OjE=", "basic Ym9iOnB3OjE=", "BASIC   Ym9iOnB3OjE=" };
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        hf_writer w = hf_writer_make(room, sizeof room);
        assert_true(hf_password_credentials(hf_text(good[i]), &w, &name, &password));
        assert_true(hf_bytes_equal(name, hf_text("bob")));
        assert_true(hf_bytes_equal(password, hf_text("pw:1"))); /* only the first colon ends the name */
    }
    static const char *const none[] = { "", "Basic", "Basic ", "Basic Ym9i", "Basic Ym9iOnB3OjE", "Basic Ym9iOnB3OjE= ", "Basic=Ym9iOnB3OjE=",
        "Bearer Ym9iOnB3OjE=", "Ym9iOnB3OjE=" };
    for (size_t i = 0; i < HF_COUNT(none); i++) {
        hf_writer w = hf_writer_make(room, sizeof room);
        assert_false(hf_password_credentials(hf_text(none[i]), &w, &name, &password));
    }
}

/* ---- the guard -------------------------------------------------------------------------------------------------- */

static hf_account accounts[] = { { HF_LITERAL("bob"), HF_LITERAL(BCRYPT) } };
static hf_password_guard guard;
static const hf_route guarded[] = { { "GET", "/", .handle = hello, .guards = { &guard.guard } },
    { "POST", "/", .handle = echo, .guards = { &guard.guard } } };

static const hf_address here = { .family = 4, .ip = { 127, 0, 0, 1 } };

#define BOB "Authorization: Basic Ym9iOnB3\r\n" /* bob:pw */
#define NOT_BOB "Authorization: Basic Ym9iOm5v\r\n" /* bob:no */

static int begin_guard(void **state)
{
    (void)state;
    guard = (hf_password_guard){ .guard = HF_GUARD_PASSWORD, .accounts = accounts, .count = 1, .challenge = "Basic realm=\"x\"" };
    kit_begin(guarded, HF_COUNT(guarded));
    k.r.dialog.peer = here;
    return 0;
}

static int end_guard(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static void who_sends_nothing_is_asked_at_once(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /" H "\r\n"), "401 Unauthorized");
    has(k.r.text, "WWW-Authenticate: Basic realm=\"x\"\r\n");
    assert_int_equal(k.r.done_error[0], HF_ERR_HTTP_PASSWORD);
}

static void a_right_password_is_hashed_once_and_known_again(void **state)
{
    (void)state;
    assert_string_equal(ask(&k.r, "GET /" H BOB "\r\n"), ""); /* being hashed */
    kit_turn();
    has(k.r.text, "hello");
    ask(&k.r, "POST /" H BOB "Content-Type: text/plain\r\n" BODY(4, "body"));
    has(k.r.text, "\r\n\r\nbody"); /* at once */
    assert_int_equal(k.r.done, 2);
}

static void a_wrong_password_is_refused_and_not_known_again(void **state)
{
    (void)state;
    for (size_t i = 1; i < 3; i++) {
        ask(&k.r, "GET /" H NOT_BOB "\r\n");
        assert_int_equal(k.r.done, i - 1);
        kit_turn();
        assert_int_equal(k.r.done, i);
        assert_int_equal(k.r.done_status[i - 1], 401);
    }
    ask(&k.r, "GET /" H "Authorization: Basic YWw6cHc=\r\n\r\n"); /* al:pw, whom nobody knows: hashed all the same */
    assert_int_equal(k.r.done, 2);
    kit_turn();
    assert_int_equal(k.r.done_status[2], 401);
    assert_int_equal(k.r.runs, 0);
}

static void nobody_s_password_is_taken_over_plain_http_from_afar(void **state)
{
    (void)state;
    k.r.dialog.peer = (hf_address){ .family = 4, .ip = { 192, 0, 2, 7 } };
    has(ask(&k.r, "GET /" H BOB "\r\n"), "403 Forbidden");
    has_not(k.r.text, "WWW-Authenticate");
    assert_int_equal(k.r.done_error[0], HF_ERR_HTTP_PASSWORD_IN_CLEAR);
    guard.in_clear = true;
    ask(&k.r, "GET /" H BOB "\r\n");
    kit_turn();
    has(k.r.text, "hello");
}

static void what_comes_too_late_is_answered_once(void **state)
{
    (void)state;
    ask(&k.r, "GET /" H BOB "\r\n");
    kit_pass((int64_t)k.r.world.limits.handler_ns + 1);
    has(k.r.text, "503");
    kit_turn();
    has_not(k.r.text, "hello");
    assert_int_equal(k.r.done, 1);
}

static void limit_password_bytes(void **state)
{
    (void)state;
    k.r.world.limits.password_bytes = 2;
    ask(&k.r, "GET /" H "Authorization: Basic Ym86cHc=\r\n\r\n"); /* bo:pw */
    assert_int_equal(k.r.done, 0); /* hashed */
    kit_turn();
    ask(&k.r, "GET /" H "Authorization: Basic Ym86cHd3\r\n\r\n"); /* bo:pww */
    assert_int_equal(k.r.done, 2); /* refused at once */
    assert_int_equal(k.r.done_status[1], 401);
}

static void limit_password_checks(void **state)
{
    (void)state;
    k.r.world.limits.password_checks = 1;
    assert_string_equal(ask(&k.r, "GET /" H BOB "\r\n"), "");
    kit_hang_up();
    kit_connect();
    k.r.dialog.peer = here;
    has(ask(&k.r, "GET /" H NOT_BOB "\r\n"), "503");
    kit_turn(); /* the first is over */
    ask(&k.r, "GET /" H BOB "\r\n");
    kit_turn();
    has(k.r.text, "hello");
}

static void limit_password_memory_ns(void **state)
{
    (void)state;
    ask(&k.r, "GET /" H BOB "\r\n");
    kit_turn();
    assert_int_equal(k.r.done, 1);
    k.r.now = hf_time_after(k.r.now, (int64_t)k.r.world.limits.password_memory_ns - 1);
    hf_service_tick(&k.r.service, k.r.now, (hf_wall){ 784111777 });
    kit_hang_up();
    kit_connect();
    k.r.dialog.peer = here;
    ask(&k.r, "GET /" H BOB "\r\n");
    assert_int_equal(k.r.done, 2); /* known still */
    k.r.now = hf_time_after(k.r.now, 1);
    hf_service_tick(&k.r.service, k.r.now, (hf_wall){ 784111777 });
    ask(&k.r, "GET /" H BOB "\r\n");
    assert_int_equal(k.r.done, 2); /* hashed again */
    kit_turn();
    assert_int_equal(k.r.done, 3);
}

#define KIT(test) cmocka_unit_test_setup_teardown(test, begin_guard, end_guard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_a_name_and_a_hash), cmocka_unit_test(what_cannot_be_used_is_said_with_a_reason),
        cmocka_unit_test(limit_password_cost), cmocka_unit_test(a_password_is_the_one_that_was_hashed_or_it_is_not),
        cmocka_unit_test(credentials_are_a_name_and_a_password_in_base64),
        KIT(who_sends_nothing_is_asked_at_once), KIT(a_right_password_is_hashed_once_and_known_again),
        KIT(a_wrong_password_is_refused_and_not_known_again), KIT(nobody_s_password_is_taken_over_plain_http_from_afar),
        KIT(what_comes_too_late_is_answered_once), KIT(limit_password_bytes), KIT(limit_password_checks), KIT(limit_password_memory_ns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
