/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "target.h"

static bool is(hf_bytes b, const char *text)
{
    return text ? b.ptr && hf_bytes_equal(b, hf_text(text)) : !b.ptr;
}

static void assert_refused(const char *target, hf_method method, int32_t code)
{
    hf_request_head head = { .path = hf_text("untouched") };
    const hf_err err = hf_target_parse(hf_text(target), method, &head);
    if (err.code != code)
        fail_msg("\"%s\": %s, wanted %s", target, hf_err_text(err), hf_err_text(hf_err_make(code)));
    assert_int_equal(err.code, code);
    assert_true(is(head.path, "untouched"));
}

static void targets_of_every_form_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        hf_method method;
        hf_target_form form;
        const char *scheme, *authority, *path, *query; /* NULL: none */
    } rows[] = {
        /* RFC 9112 3.2.1 to 3.2.4 */
        { "/where?q=now", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/where", "q=now" },
        { "http://www.example.org/pub/WWW/TheProject.html", HF_METHOD_GET, HF_TARGET_ABSOLUTE, "http", "www.example.org",
          "/pub/WWW/TheProject.html", NULL },
        { "www.example.com:80", HF_METHOD_CONNECT, HF_TARGET_AUTHORITY, NULL, "www.example.com:80", NULL, NULL },
        { "*", HF_METHOD_OPTIONS, HF_TARGET_ASTERISK, NULL, NULL, "*", NULL },
        { "http://www.example.org:8001", HF_METHOD_OPTIONS, HF_TARGET_ABSOLUTE, "http", "www.example.org:8001", "*", NULL },
        /* and around them */
        { "/", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/", NULL },
        { "/?", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/", "" },
        { "/a?b?c/d", HF_METHOD_POST, HF_TARGET_ORIGIN, NULL, NULL, "/a", "b?c/d" },
        { "//a/b", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "//a/b", NULL },
        { "/http://x/", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/http://x/", NULL },
        { "/a%zz%2", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/a%zz%2", NULL },
        { "/~u/;v=1,2/@x:y/!$&'()*+=", HF_METHOD_GET, HF_TARGET_ORIGIN, NULL, NULL, "/~u/;v=1,2/@x:y/!$&'()*+=", NULL },
        { "http://h", HF_METHOD_GET, HF_TARGET_ABSOLUTE, "http", "h", "/", NULL },
        { "http://h?", HF_METHOD_GET, HF_TARGET_ABSOLUTE, "http", "h", "/", "" },
        { "http://h?q", HF_METHOD_OPTIONS, HF_TARGET_ABSOLUTE, "http", "h", "/", "q" },
        { "http://h/", HF_METHOD_OPTIONS, HF_TARGET_ABSOLUTE, "http", "h", "/", NULL },
        { "HTTPS://[::1]:8443/x?y", HF_METHOD_GET, HF_TARGET_ABSOLUTE, "HTTPS", "[::1]:8443", "/x", "y" },
        { "a+b-c.9://h/", HF_METHOD_GET, HF_TARGET_ABSOLUTE, "a+b-c.9", "h", "/", NULL },
        { "[2001:db8::1]:443", HF_METHOD_CONNECT, HF_TARGET_AUTHORITY, NULL, "[2001:db8::1]:443", NULL, NULL },
        { "/x", HF_METHOD_UNKNOWN, HF_TARGET_ORIGIN, NULL, NULL, "/x", NULL },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_request_head head = { .scheme = hf_text("old"), .authority = hf_text("old"), .path = hf_text("old"),
                                 .query = hf_text("old"), .content_length = 7 };
        const hf_err err = hf_target_parse(hf_text(rows[i].target), rows[i].method, &head);
        if (err.code != 0)
            fail_msg("\"%s\": %s", rows[i].target, hf_err_text(err));
        assert_int_equal(head.form, rows[i].form);
        assert_true(is(head.target, rows[i].target));
        assert_true(is(head.scheme, rows[i].scheme));
        assert_true(is(head.authority, rows[i].authority));
        assert_true(is(head.path, rows[i].path));
        assert_true(is(head.query, rows[i].query));
        assert_int_equal(head.content_length, 7);
    }
}

static void targets_refuse_every_byte_that_no_client_sends(void **state)
{
    (void)state;
    static const char path_bytes[] = "!$&'()*+,;=:@-._~%/[]|^";
    static const char query_bytes[] = "!$&'()*+,;=:@-._~%/?[]|^\\`{}";
    for (unsigned c = 0; c < 256; c++) {
        const bool alnum = (c >= '0' && c <= '9') || (c < 128 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        const bool in_path = alnum || (c != 0 && strchr(path_bytes, (int)c) != NULL) || c == '?';
        const bool in_query = alnum || (c != 0 && strchr(query_bytes, (int)c) != NULL);
        uint8_t target[] = "/a_b?c_d", absolute[] = "http://h/a_b?c_d";
        hf_request_head head;
        target[2] = absolute[10] = (uint8_t)c;
        assert_int_equal(hf_target_parse(hf_bytes_make(target, 8), HF_METHOD_GET, &head).code, in_path ? 0 : HF_ERR_HTTP_TARGET_SYNTAX);
        assert_int_equal(hf_target_parse(hf_bytes_make(absolute, 16), HF_METHOD_GET, &head).code, in_path ? 0 : HF_ERR_HTTP_TARGET_SYNTAX);
        target[2] = absolute[10] = '_';
        target[6] = absolute[14] = (uint8_t)c;
        assert_int_equal(hf_target_parse(hf_bytes_make(target, 8), HF_METHOD_GET, &head).code, in_query ? 0 : HF_ERR_HTTP_TARGET_SYNTAX);
        assert_int_equal(hf_target_parse(hf_bytes_make(absolute, 16), HF_METHOD_GET, &head).code, in_query ? 0 : HF_ERR_HTTP_TARGET_SYNTAX);
    }
    assert_refused("http://h#x", HF_METHOD_GET, HF_ERR_HTTP_TARGET_SYNTAX);
    assert_refused("http://h?#x", HF_METHOD_GET, HF_ERR_HTTP_TARGET_SYNTAX);
}

static void target_forms_belong_to_their_methods(void **state)
{
    (void)state;
    assert_refused("*", HF_METHOD_GET, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("*", HF_METHOD_POST, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("*", HF_METHOD_CONNECT, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("/", HF_METHOD_CONNECT, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("http://h:80/", HF_METHOD_CONNECT, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("www.example.com:80", HF_METHOD_GET, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    assert_refused("[::1]:80", HF_METHOD_OPTIONS, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
}

static void targets_of_no_form_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "index.html", "?q", "**", "*/", "http:", "http:/", "http:/x", "://h/", "1http://h/", "ht tp://h/",
                                       "\\x", "#", " /", "/ ", "./x", "../x" };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_refused(bad[i], HF_METHOD_GET, HF_ERR_HTTP_TARGET_SYNTAX);
    static const char *const hosts[] = { "http://", "http:///x", "http://:80/", "http://u@h/", "http://u:p@h/", "http://h:x/", "http://h:65536/",
                                         "http://[::1/", "http://[::1]x/", "http://h\\@evil/", "http://a b/", "http://h%/", "http://?" };
    for (size_t i = 0; i < HF_COUNT(hosts); i++)
        assert_refused(hosts[i], HF_METHOD_GET, HF_ERR_HTTP_HOST_SYNTAX);
    static const char *const tunnels[] = { "h", "h:", ":80", "h:0", "u@h:80", "h:80/", "h:80?", "[::1]" };
    for (size_t i = 0; i < HF_COUNT(tunnels); i++)
        assert_refused(tunnels[i], HF_METHOD_CONNECT, HF_ERR_HTTP_HOST_SYNTAX);
}

static void authorities_are_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host;
        int32_t port;
    } good[] = {
        { "", "", -1 },
        { "example.com", "example.com", -1 },
        { "example.com:", "example.com", -1 },
        { "example.com:80", "example.com", 80 },
        { "example.com:0", "example.com", 0 },
        { "example.com:65535", "example.com", 65535 },
        { "example.com:0000080", "example.com", 80 },
        { "127.0.0.1:8080", "127.0.0.1", 8080 },
        { "999.1.1.1", "999.1.1.1", -1 },
        { "xn--bcher-kva.example", "xn--bcher-kva.example", -1 },
        { "_dmarc.a-b~c", "_dmarc.a-b~c", -1 },
        { "a%20b", "a%20b", -1 },
        { "[::1]", "::1", -1 },
        { "[::]:443", "::", 443 },
        { "[::1]:", "::1", -1 },
        { "[2001:DB8:0:0:8:800:200C:417A]:1", "2001:DB8:0:0:8:800:200C:417A", 1 },
    };
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        hf_bytes host;
        int32_t port = 12345;
        assert_int_equal(hf_authority_parse(hf_text(good[i].authority), &host, &port).code, 0);
        assert_true(hf_bytes_equal(host, hf_text(good[i].host)));
        assert_int_equal(port, good[i].port);
    }
    static const char *const bad[] = { ":", ":80", "a:b", "a:80:80", "a:-1", "a:+1", "a: 80", "a:65536", "a:99999999999999999999", "user@a", "user:pw@a",
                                       "a/b", "a?b", "a#b", "a b", "a\tb", "a\"b", "a<b", "a\\b", "a^b", "a|b", "a`b", "a{b", "\xc3\xa4", "a\x7f", "a%",
                                       "a%4", "a%4g", "[", "]", "[]", "[]:80", "[::1", "::1", "[::1]80", "[::1]]", "[v1.x]", "[fe80::1%25eth0]",
                                       "[127.0.0.1]", "a[::1]" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_bytes host;
        int32_t port;
        if (hf_authority_parse(hf_text(bad[i]), &host, &port).code != HF_ERR_HTTP_HOST_SYNTAX)
            fail_msg("took \"%s\"", bad[i]);
    }
}

/* RFC 3986 3.2.2; the addresses after RFC 4291 2.2 */
static void ipv6_addresses_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = { "::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3::6:7:8",
                                        "::ffff:129.144.52.38", "64:ff9b::192.0.2.33", "1:2:3:4:5:6:1.2.3.4", "ABCD:EF01:2345:6789:abcd:ef01:2345:6789",
                                        "::0.0.0.0", "::255.255.255.255", "1::2:3:4:5:6:7" };
    static const char *const bad[] = { "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:::2", "::12345", "g::",
                                       "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::256.1.1.1",
                                       "::01.2.3.4", "::1.2.3.4:1", "1.2.3.4::", "::1.2.3.", "::.1.2.3", "1:2:3:4:5:6:7::8:9", "::1 ", "::1%eth0" };
    char text[64];
    hf_bytes host;
    int32_t port;
    for (size_t i = 0; i < HF_COUNT(good) + HF_COUNT(bad); i++) {
        const bool fine = i < HF_COUNT(good);
        const char *address = fine ? good[i] : bad[i - HF_COUNT(good)];
        hf_writer w = hf_writer_make(text, sizeof text);
        hf_write(&w, hf_text("["));
        hf_write(&w, hf_text(address));
        hf_write(&w, hf_text("]"));
        if ((hf_authority_parse(hf_written(&w), &host, &port).code == 0) != fine)
            fail_msg("%s \"%s\"", fine ? "refused" : "took", address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_of_every_form_are_taken_apart),
        cmocka_unit_test(targets_refuse_every_byte_that_no_client_sends),
        cmocka_unit_test(target_forms_belong_to_their_methods),
        cmocka_unit_test(targets_of_no_form_are_refused),
        cmocka_unit_test(authorities_are_host_and_port),
        cmocka_unit_test(ipv6_addresses_are_checked),
    };
    return cmocka_run_group_tests_name("http target", tests, NULL, NULL);
}
