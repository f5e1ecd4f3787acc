/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as text, and as the kernel's.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "harness.h"

static hf_address parsed(const char *text, uint16_t port)
{
    hf_address a;
    assert_true(hf_address_parse(hf_text(text), port, &a));
    return a;
}

static void is_written(const hf_address *a, bool with_port, const char *wanted)
{
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    hf_address_write(&w, a, with_port);
    text[w.length] = 0;
    assert_false(w.overflowed);
    assert_string_equal(text, wanted);
}

static void ipv4_is_read_and_written(void **state)
{
    (void)state;
    const hf_address a = parsed("192.0.2.7", 8080);
    const uint8_t ip[4] = { 192, 0, 2, 7 };
    assert_int_equal(a.family, 4);
    assert_int_equal(a.port, 8080);
    assert_memory_equal(a.ip, ip, 4);
    is_written(&a, false, "192.0.2.7");
    is_written(&a, true, "192.0.2.7:8080");
}

static void ipv6_is_written_short_and_with_brackets_before_a_port(void **state)
{
    (void)state;
    const hf_address a = parsed("2001:DB8:0:0:0:0:0:1", 443);
    assert_int_equal(a.family, 6);
    is_written(&a, false, "2001:db8::1");
    is_written(&a, true, "[2001:db8::1]:443");
    const hf_address any = parsed("::", 0);
    is_written(&any, true, "[::]:0");
}

static void an_unknown_address_is_a_question_mark(void **state)
{
    (void)state;
    const hf_address a = { .port = 9 };
    is_written(&a, false, "?");
    is_written(&a, true, "?:9");
}

static void what_is_no_literal_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4 ", " 1.2.3.4", "1.2.3.4:80",
        "[::1]", ":::", "1:2:3:4:5:6:7:8:9", "::1%lo", "12345::",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
    hf_address a;
    for (size_t i = 0; i < HF_COUNT(wrong); i++)
        if (hf_address_parse(hf_text(wrong[i]), 1, &a))
            fail_msg("\"%s\" was taken for an address", wrong[i]);
    assert_false(hf_address_parse(hf_bytes_make("127.0.0.1\0.evil", 15), 1, &a));
}

static void the_kernel_gives_back_what_it_was_given(void **state)
{
    (void)state;
    static const char *const texts[] = { "127.0.0.1", "255.255.255.255", "::1", "fe80::1234:5678", "2001:db8::ff" };
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        hf_address a = parsed(texts[i], (uint16_t)(4242 + i)), back;
        struct sockaddr_storage kernel;
        a.scope = a.family == 6 ? 3 : 0;
        const socklen_t size = hf_address_to_kernel(&a, &kernel);
        assert_int_equal(size, a.family == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        hf_address_from_kernel(&kernel, &back);
        assert_memory_equal(&back, &a, sizeof a);
    }
}

static void a_foreign_family_of_the_kernel_is_unknown(void **state)
{
    (void)state;
    const struct sockaddr_storage local = { .ss_family = AF_UNIX };
    hf_address a = { .family = 4, .port = 7 };
    hf_address_from_kernel(&local, &a);
    assert_int_equal(a.family, 0);
    assert_int_equal(a.port, 0);
}

static void hosts_are_the_same_whatever_their_ports(void **state)
{
    (void)state;
    const hf_address a = parsed("192.0.2.1", 1), b = parsed("192.0.2.1", 2), c = parsed("192.0.2.2", 1);
    const hf_address d = parsed("2001:db8::1", 1), e = parsed("2001:db8::1", 9), f = parsed("2001:db8::1:1", 1);
    const hf_address mapped = parsed("::ffff:192.0.2.1", 1);
    assert_true(hf_address_same_host(&a, &b));
    assert_false(hf_address_same_host(&a, &c));
    assert_true(hf_address_same_host(&d, &e));
    assert_false(hf_address_same_host(&d, &f));
    assert_false(hf_address_same_host(&a, &mapped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_read_and_written),
        cmocka_unit_test(ipv6_is_written_short_and_with_brackets_before_a_port),
        cmocka_unit_test(an_unknown_address_is_a_question_mark),
        cmocka_unit_test(what_is_no_literal_is_refused),
        cmocka_unit_test(the_kernel_gives_back_what_it_was_given),
        cmocka_unit_test(a_foreign_family_of_the_kernel_is_unknown),
        cmocka_unit_test(hosts_are_the_same_whatever_their_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
