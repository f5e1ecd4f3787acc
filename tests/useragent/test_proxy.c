/* SPDX-License-Identifier: Apache-2.0
 *
 * Exceptions from a proxy, and the handshake of SOCKS 5.
 */
#include "harness.h"
#include "proxy.h"

static void exceptions_are_names_addresses_and_blocks(void **state)
{
    (void)state;
    static const uint8_t ten[] = { 10, 1, 2, 3 }, one[16] = { [15] = 1 }, local[16] = { 0xfd, 0, 0, 0x12, [15] = 9 };
    const hf_bytes none = hf_bytes_make(NULL, 0), v4 = hf_bytes_make(ten, 4), loop = hf_bytes_make(one, 16), v6 = hf_bytes_make(local, 16);
    const struct {
        const char *list, *host;
        hf_bytes address;
        uint16_t port;
        bool excepted;
    } cases[] = {
        { "", "a.com", none, 80, false }, { "*", "a.com", none, 80, true }, { "b.com, a.com", "A.com", none, 80, true }, { "a.com", "www.a.com", none, 80, true },
        { ".a.com", "a.com", none, 80, true }, { "a.com", "ba.com", none, 80, false }, { "a.com:81", "a.com", none, 80, false }, { "a.com:80", "a.com", none, 80, true },
        { "a.com:x", "a.com", none, 80, false }, { "10.0.0.0/8", "10.1.2.3", v4, 80, true }, { "10.1.0.0/15", "10.1.2.3", v4, 80, true },
        { "10.2.0.0/15", "10.1.2.3", v4, 80, false }, { "10.1.2.3", "10.1.2.3", v4, 80, true }, { "10.1.2.3/33", "10.1.2.3", v4, 80, false },
        { "10.1.2", "10.1.2.3", v4, 80, false }, { "2.3", "10.1.2.3", v4, 80, false }, { "0.0.0.0/0", "10.1.2.3", v4, 80, true }, { "::1", "::1", loop, 80, true },
        { "[::1]", "::1", loop, 80, true }, { "[::1]:81", "::1", loop, 80, false }, { "[::1]:80", "::1", loop, 80, true }, { "::1/128", "::1", loop, 80, true },
        { "fd00::/8", "fd00:12::9", v6, 80, true }, { "fd00:12::9", "fd00:12::9", v6, 80, true }, { "fd00:13::/32", "fd00:12::9", v6, 80, false },
        { "::/0", "10.1.2.3", v4, 80, false }, { ":::", "::1", loop, 80, false }, { "1::2::3", "::1", loop, 80, false }, { ",, ,", "a", none, 80, false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        if (hf_proxy_is_excepted(hf_text(cases[i].list), hf_text(cases[i].host), cases[i].address, cases[i].port) != cases[i].excepted)
            fail_msg("%s: %s", cases[i].list, cases[i].host);
}

/* Whole, and byte by byte, it is the same. */
static void talk(hf_socks *s, const char *heard, size_t n, size_t slice)
{
    uint8_t held[600];
    size_t have = 0;
    s->unsent_length = 0;
    for (size_t at = 0; at < n || have > 0;) {
        const size_t more = slice < n - at ? slice : n - at;
        memcpy(held + have, heard + at, more);
        have += more;
        at += more;
        const size_t used = hf_socks_input(s, hf_bytes_make(held, have));
        memmove(held, held + used, have - used);
        have -= used;
        if (used == 0 && (at == n || s->step >= HF_SOCKS_OPEN))
            return;
    }
}

static void a_handshake_opens_the_way(void **state)
{
    (void)state;
    static const uint8_t address[] = { 1, 2, 3, 4 };
    static const char with[] = "\x05\x02\x01\x00\x05\x00\x00\x03\x01x\x00\x50", without[] = "\x05\x00\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50";
    for (size_t slice = 1; slice < 20; slice++) {
        hf_socks s = { .host = hf_text("a.com"), .port = 443, .user = hf_text("me"), .password = hf_text("pw") };
        hf_socks_begin(&s);
        assert_int_equal(s.unsent_length, 4);
        assert_memory_equal(s.unsent, "\x05\x02\x00\x02", 4);
        talk(&s, with, sizeof with - 1, slice);
        assert_int_equal(s.step, HF_SOCKS_OPEN);
        assert_int_equal(s.unsent_length, 7 + 12);
        assert_memory_equal(s.unsent, "\x01\x02me\x02pw\x05\x01\x00\x03\x05" "a.com\x01\xbb", 19);
        s = (hf_socks){ .host = hf_text("a.com"), .address = hf_bytes_make(address, 4), .port = 80 };
        hf_socks_begin(&s);
        assert_int_equal(s.unsent_length, 3);
        talk(&s, without, sizeof without - 1, slice);
        assert_int_equal(s.step, HF_SOCKS_OPEN);
        assert_memory_equal(s.unsent, "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50", 10);
    }
}

static void replies_that_come_before_they_were_asked_for_find_room(void **state)
{
    (void)state;
    static const char heard[] = "\x05\x02\x01\x00";
    static char text[255];
    memset(text, 'x', sizeof text);
    const hf_bytes most = hf_bytes_make(text, sizeof text);
    struct {
        hf_socks s;
        uint8_t behind[512]; /* so that what overflows is seen here, and breaks nothing else */
    } one = { .s = { .host = most, .user = most, .password = most, .port = 443 } };
    memset(one.behind, 0xee, sizeof one.behind);
    hf_socks_begin(&one.s);
    assert_int_equal(hf_socks_input(&one.s, hf_bytes_make(heard, sizeof heard - 1)), 4);
    assert_int_equal(one.s.unsent_length, 4 + 3 + 255 + 255 + 7 + 255);
    assert_true(one.s.unsent_length <= sizeof one.s.unsent);
    assert_memory_equal(one.s.unsent + one.s.unsent_length - 2, "\x01\xbb", 2);
    for (size_t i = 0; i < sizeof one.behind; i++)
        assert_int_equal(one.behind[i], 0xee);
}

static void what_follows_is_not_eaten(void **state)
{
    (void)state;
    hf_socks s = { .host = hf_text("a"), .port = 1 };
    hf_socks_begin(&s);
    assert_int_equal(hf_socks_input(&s, hf_bytes_make("\x05\x00\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50" "220", 15)), 12);
}

static void each_refusal_has_its_name(void **state)
{
    (void)state;
    const struct {
        const char *heard;
        size_t n;
        int32_t code;
    } cases[] = {
        { "HTTP/1.1 400", 12, HF_ERR_CLIENT_SOCKS_FORM }, { "\x04", 1, HF_ERR_CLIENT_SOCKS_FORM }, { "\x05\xff", 2, HF_ERR_CLIENT_SOCKS_METHOD },
        { "\x05\x02", 2, HF_ERR_CLIENT_SOCKS_FORM }, { "\x05\x00\x05\x05", 4, HF_ERR_CLIENT_SOCKS_REFUSED }, { "\x05\x00\x05\x00\x00\x02", 6, HF_ERR_CLIENT_SOCKS_FORM },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_socks s = { .host = hf_text("a"), .port = 1 };
        hf_socks_begin(&s);
        (void)hf_socks_input(&s, hf_bytes_make(cases[i].heard, cases[i].n));
        assert_int_equal(s.step, HF_SOCKS_FAILED);
        assert_int_equal(s.err.code, cases[i].code);
    }
    hf_socks s = { .host = hf_text("a"), .port = 1, .user = hf_text("u"), .password = hf_text("p") };
    hf_socks_begin(&s);
    (void)hf_socks_input(&s, hf_bytes_make("\x05\x02\x01\x01", 4));
    assert_int_equal(s.err.code, HF_ERR_CLIENT_SOCKS_AUTH);
    static const char long_name[300] = { 'a' };
    s = (hf_socks){ .host = hf_bytes_make(long_name, 256), .port = 1 };
    hf_socks_begin(&s);
    assert_int_equal(s.err.code, HF_ERR_CLIENT_SOCKS_REQUEST);
    assert_int_equal(s.unsent_length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_are_names_addresses_and_blocks), cmocka_unit_test(a_handshake_opens_the_way),
        cmocka_unit_test(replies_that_come_before_they_were_asked_for_find_room), cmocka_unit_test(what_follows_is_not_eaten), cmocka_unit_test(each_refusal_has_its_name),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
