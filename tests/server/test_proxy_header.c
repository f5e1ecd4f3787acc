/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY headers and lists of networks: what is one, what is none, and that a beginning of one is never called either.
 */
#include "proxy_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "forwarded.h"
#include "harness.h"

enum { MOST = 4096 };

static hf_proxy_verdict parse(const char *text, size_t length, hf_proxy_header *h)
{
    uint8_t *copy = malloc(length + 1); /* of its own, so that a sanitizer sees a byte too many being read */
    memcpy(copy, text, length);
    const hf_proxy_verdict v = hf_proxy_header_parse(hf_bytes_make(copy, length), MOST, h);
    free(copy);
    return v;
}

static void assert_address(const hf_address *a, const char *wanted)
{
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    hf_address_write(&w, a, true);
    text[w.length] = 0;
    assert_string_equal(text, wanted);
}

static void lines_of_version_1_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *line, *client, *server;
    } rows[] = {
        { "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1:56324", "198.51.100.7:443" },
        { "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0", "255.255.255.255:65535" },
        { "PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1", "[::1]:2" },
        { "PROXY UNKNOWN\r\n", NULL, NULL },
        { "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NULL, NULL },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_proxy_header h;
        const size_t length = strlen(rows[i].line);
        char text[256];
        snprintf(text, sizeof text, "%sGET / HTTP/1.1\r\n", rows[i].line);
        assert_int_equal(parse(text, strlen(text), &h), HF_PROXY_GOOD);
        assert_int_equal(h.length, length);
        assert_int_equal(h.version, 1);
        assert_int_equal(h.says, rows[i].client != NULL);
        if (h.says) {
            assert_address(&h.client, rows[i].client);
            assert_address(&h.server, rows[i].server);
        }
        for (size_t n = 0; n < length; n++)
            assert_int_equal(parse(text, n, &h), HF_PROXY_MORE);
    }
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "GET / HTTP/1.1\r\n", "PROXY\r\n", "PROXX TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "PROXY TCP4 ::1 2.2.2.2 1 2\r\n", "PROXY TCP6 1.1.1.1 ::1 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY UNKNOWNISH\r\n", "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "PROXY \r\n", "\n",
    };
    hf_proxy_header h;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (parse(rows[i], strlen(rows[i]), &h) != HF_PROXY_BAD)
            fail_msg("%s", rows[i]);
    /* 107 bytes without an end are no line. */
    char text[120];
    memset(text, 'x', sizeof text);
    memcpy(text, "PROXY UNKNOWN ", 14);
    assert_int_equal(parse(text, 106, &h), HF_PROXY_MORE);
    assert_int_equal(parse(text, 107, &h), HF_PROXY_BAD);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static size_t block(char *to, uint8_t command, uint8_t kind, uint16_t length)
{
    memcpy(to, SIGNATURE, 12);
    to[12] = (char)command;
    to[13] = (char)kind;
    to[14] = (char)(length >> 8);
    to[15] = (char)length;
    for (uint16_t i = 0; i < length; i++)
        to[16 + i] = (char)(i + 1);
    return 16u + length;
}

static void blocks_of_version_2_are_read(void **state)
{
    (void)state;
    char text[8192];
    hf_proxy_header h;
    size_t n = block(text, 0x21, 0x11, 12);
    assert_int_equal(parse(text, n, &h), HF_PROXY_GOOD);
    assert_int_equal(h.length, n);
    assert_true(h.says && h.version == 2);
    assert_address(&h.client, "1.2.3.4:2314");
    assert_address(&h.server, "5.6.7.8:2828");
    for (size_t i = 0; i < n; i++)
        assert_int_equal(parse(text, i, &h), HF_PROXY_MORE);
    n = block(text, 0x21, 0x21, 36 + 7); /* with a TLV behind it */
    assert_int_equal(parse(text, n + 5, &h), HF_PROXY_GOOD);
    assert_int_equal(h.length, n);
    assert_address(&h.client, "[102:304:506:708:90a:b0c:d0e:f10]:8482");
    static const struct {
        uint8_t command, kind;
        uint16_t length;
    } silent[] = { { 0x20, 0x00, 0 }, { 0x20, 0x11, 12 }, { 0x20, 0x11, 0 }, { 0x21, 0x00, 9 }, { 0x21, 0x31, 216 }, { 0x21, 0x12, 12 } };
    for (size_t i = 0; i < HF_COUNT(silent); i++) {
        n = block(text, silent[i].command, silent[i].kind, silent[i].length);
        assert_int_equal(parse(text, n, &h), HF_PROXY_GOOD);
        assert_false(h.says);
    }
}

static void other_blocks_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t command, kind;
        uint16_t length;
    } rows[] = { { 0x11, 0x11, 12 }, { 0x31, 0x11, 12 }, { 0x22, 0x11, 12 }, { 0x21, 0x41, 12 }, { 0x21, 0x13, 12 }, { 0x21, 0x11, 11 },
        { 0x21, 0x21, 35 }, { 0x21, 0x31, 215 } };
    char text[512];
    hf_proxy_header h;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const size_t n = block(text, rows[i].command, rows[i].kind, rows[i].length);
        assert_int_equal(parse(text, n, &h), HF_PROXY_BAD);
    }
}

static void limit_proxy_header_bytes(void **state)
{
    (void)state;
    char *text = malloc(70000);
    hf_proxy_header h;
    size_t n = block(text, 0x21, 0x11, MOST - 16);
    assert_int_equal(parse(text, n, &h), HF_PROXY_GOOD);
    n = block(text, 0x21, 0x11, MOST - 15);
    assert_int_equal(parse(text, 16, &h), HF_PROXY_BAD); /* at once, not when all of it has come */
    free(text);
}

static void networks_are_read_and_hold_what_they_say(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "fd00::1/64", "localhost", "10.0.0.0/8/8",
        "10.0.0.0/-1", "10.0.0.0/ 8", "*" };
    static const struct {
        const char *network, *inside, *outside;
    } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" }, { "192.0.2.1", "192.0.2.1", "192.0.2.2" }, { "192.0.2.128/25", "192.0.2.200", "192.0.2.127" },
        { "0.0.0.0/0", "8.8.8.8", "::1" }, { "fd00::/8", "fdff::1", "fe00::1" }, { "::1", "::1", "127.0.0.1" }, { "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" },
    };
    hf_network n;
    hf_address a;
    for (size_t i = 0; i < HF_COUNT(wrong); i++)
        if (hf_network_parse(hf_text(wrong[i]), &n))
            fail_msg("%s", wrong[i]);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_true(hf_network_parse(hf_text(rows[i].network), &n));
        assert_true(hf_address_parse(hf_text(rows[i].inside), 7, &a));
        assert_true(hf_network_has(&n, &a));
        assert_true(hf_address_parse(hf_text(rows[i].outside), 7, &a));
        assert_false(hf_network_has(&n, &a));
    }
}

static void the_nearest_address_that_no_listed_proxy_added_is_the_client(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *name, *value, *wanted;
    } rows[] = {
        { "192.0.2.9", "X-Forwarded-For", "203.0.113.5", "192.0.2.9:1" }, /* not listed: not believed */
        { "10.0.0.1", "X-Forwarded-For", "203.0.113.5", "203.0.113.5:0" },
        { "10.0.0.1", "x-forwarded-for", "6.6.6.6, 203.0.113.5 , 10.0.0.2", "203.0.113.5:0" }, /* 6.6.6.6 is the client's word */
        { "10.0.0.1", "X-Forwarded-For", "10.0.0.3, 10.0.0.2", "10.0.0.3:0" },
        { "10.0.0.1", "X-Forwarded-For", "6.6.6.6, nonsense", "10.0.0.1:1" },
        { "10.0.0.1", "X-Forwarded-For", "203.0.113.5:4711", "203.0.113.5:4711" },
        { "10.0.0.1", "X-Forwarded-For", "2001:db8::5", "[2001:db8::5]:0" },
        { "10.0.0.1", "X-Forwarded-For", "", "10.0.0.1:1" },
        { "10.0.0.1", "Forwarded", "for=203.0.113.5", "203.0.113.5:0" },
        { "10.0.0.1", "Forwarded", "For=\"[2001:db8:cafe::17]:4711\";proto=https, for=10.0.0.2;by=10.0.0.1", "[2001:db8:cafe::17]:4711" },
        { "10.0.0.1", "Forwarded", "for=6.6.6.6, for=_hidden", "10.0.0.1:1" },
        { "10.0.0.1", "Forwarded", "for=6.6.6.6, by=10.0.0.1", "10.0.0.1:1" },
        { "10.0.0.1", "Forwarded", "for=\"203.0.113.5,6.6.6.6\"", "10.0.0.1:1" }, /* the comma is quoted: one element, and none */
        { "10.0.0.1", "Forwarded", "proto=https; for=203.0.113.5", "203.0.113.5:0" },
    };
    hf_network proxies[1];
    assert_true(hf_network_parse(hf_text("10.0.0.0/8"), &proxies[0]));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_field field = { .name = hf_text(rows[i].name), .value = hf_text(rows[i].value) };
        hf_address peer;
        assert_true(hf_address_parse(hf_text(rows[i].peer), 1, &peer));
        const hf_address client = hf_forwarded_client((hf_fields){ .at = &field, .count = 1 }, &peer, proxies, 1);
        assert_address(&client, rows[i].wanted);
    }
    /* Lines join in their order. Where the two kinds differ, one was made up by the client, and neither is believed. */
    const hf_field both[] = { { .name = hf_text("X-Forwarded-For"), .value = hf_text("6.6.6.6") },
        { .name = hf_text("Forwarded"), .value = hf_text("for=203.0.113.5") }, { .name = hf_text("Forwarded"), .value = hf_text("for=10.9.9.9") } };
    hf_address peer;
    assert_true(hf_address_parse(hf_text("10.0.0.1"), 1, &peer));
    hf_address client = hf_forwarded_client((hf_fields){ .at = both, .count = 3 }, &peer, proxies, 1);
    assert_address(&client, "10.0.0.1:1");
    client = hf_forwarded_client((hf_fields){ .at = both + 1, .count = 2 }, &peer, proxies, 1);
    assert_address(&client, "203.0.113.5:0");
    /* A chain that is longer than is kept ends at the last that is. */
    char text[4096] = "203.0.113.5";
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",10.0.0.%d", i);
    const hf_field chain = { .name = hf_text("X-Forwarded-For"), .value = hf_text(text) };
    client = hf_forwarded_client((hf_fields){ .at = &chain, .count = 1 }, &peer, proxies, 1);
    assert_address(&client, "10.0.0.68:0");
}

/* By which scheme the client came: only proxies that are listed are asked. */
static void schemes_of_listed_proxies_are_believed(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *name[3], *value[3];
        hf_forwarded_scheme wanted;
    } rows[] = {
        { "192.0.2.1", { "X-Forwarded-Proto" }, { "https" }, HF_FORWARDED_UNSAID }, /* nobody listed it */
        { "192.0.2.1", { "Forwarded" }, { "for=203.0.113.5;proto=https" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "X-Forwarded-Proto" }, { "https" }, HF_FORWARDED_HTTPS },
        { "10.0.0.1", { "x-forwarded-proto" }, { "HTTP" }, HF_FORWARDED_HTTP },
        { "10.0.0.1", { "X-Forwarded-Proto" }, { "ftp" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "X-Forwarded-Proto" }, { "" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "X-Forwarded-For", "X-Forwarded-Proto" }, { "203.0.113.5", "https" }, HF_FORWARDED_HTTPS },
        /* one for each hop: what the first listed proxy saw, and not what the client wrote before it */
        { "10.0.0.1", { "X-Forwarded-For", "X-Forwarded-Proto" }, { "203.0.113.5, 10.0.0.2", "https, http" }, HF_FORWARDED_HTTPS },
        { "10.0.0.1", { "X-Forwarded-For", "X-Forwarded-Proto" }, { "6.6.6.6, 203.0.113.5, 10.0.0.2", "https, http, https" }, HF_FORWARDED_HTTP },
        { "10.0.0.1", { "X-Forwarded-For", "X-Forwarded-Proto" }, { "6.6.6.6, 203.0.113.5", "https, http" }, HF_FORWARDED_HTTP },
        /* as many as there are not hops: the nearest is what our own proxy wrote */
        { "10.0.0.1", { "X-Forwarded-For", "X-Forwarded-Proto" }, { "203.0.113.5", "https, http" }, HF_FORWARDED_HTTP },
        { "10.0.0.1", { "Forwarded" }, { "for=203.0.113.5;proto=https" }, HF_FORWARDED_HTTPS },
        { "10.0.0.1", { "Forwarded" }, { "for=203.0.113.5; Proto=\"http\"" }, HF_FORWARDED_HTTP },
        { "10.0.0.1", { "Forwarded" }, { "for=6.6.6.6;proto=https, for=203.0.113.5;proto=http" }, HF_FORWARDED_HTTP },
        { "10.0.0.1", { "Forwarded" }, { "for=203.0.113.5;proto=https, for=10.0.0.2;proto=http" }, HF_FORWARDED_HTTPS },
        { "10.0.0.1", { "Forwarded" }, { "for=_hidden;proto=https" }, HF_FORWARDED_HTTPS },
        { "10.0.0.1", { "Forwarded", "X-Forwarded-Proto" }, { "for=203.0.113.5", "https" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto" }, { "for=203.0.113.5;proto=https", "203.0.113.5", "http" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "Forwarded", "X-Forwarded-For" }, { "for=6.6.6.6;proto=https", "203.0.113.5" }, HF_FORWARDED_UNSAID },
        { "10.0.0.1", { "X-Forwarded-For" }, { "203.0.113.5" }, HF_FORWARDED_UNSAID },
    };
    hf_network proxies[1];
    assert_true(hf_network_parse(hf_text("10.0.0.0/8"), &proxies[0]));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_field fields[3];
        size_t count = 0;
        hf_address peer;
        for (; count < 3 && rows[i].name[count] != NULL; count++)
            fields[count] = (hf_field){ .name = hf_text(rows[i].name[count]), .value = hf_text(rows[i].value[count]) };
        assert_true(hf_address_parse(hf_text(rows[i].peer), 1, &peer));
        const hf_forwarded f = hf_forwarded_find((hf_fields){ .at = fields, .count = count }, &peer, proxies, 1);
        if (f.scheme != rows[i].wanted)
            fail_msg("row %zu: %d instead of %d", i, (int)f.scheme, (int)rows[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_version_1_are_read),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(schemes_of_listed_proxies_are_believed),
        cmocka_unit_test(blocks_of_version_2_are_read),
        cmocka_unit_test(other_blocks_are_refused),
        cmocka_unit_test(limit_proxy_header_bytes),
        cmocka_unit_test(networks_are_read_and_hold_what_they_say),
        cmocka_unit_test(the_nearest_address_that_no_listed_proxy_added_is_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
