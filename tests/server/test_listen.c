/* SPDX-License-Identifier: Apache-2.0
 *
 * From the wish to listen to bound sockets.
 */
#include "listen.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "harness.h"

typedef struct rig {
    hf_listen_set set;
    char text[2048];
    hf_writer why;
} rig;

static void setup(rig *r)
{
    memset(r, 0, sizeof *r);
    r->why = hf_writer_make(r->text, sizeof r->text - 1);
}

static hf_err add(rig *r, const char *text)
{
    hf_listen_url url;
    char why[256];
    assert_int_equal(hf_listen_url_parse(text, &url, why, sizeof why), HF_LISTEN_OK);
    return hf_listen_set_add(&r->set, &url, &r->why);
}

static bool has_ipv6(void)
{
    const struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    const int fd = socket(AF_INET6, SOCK_STREAM, 0);
    const bool there = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return there;
}

static void the_port_that_the_system_chose_is_told(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    assert_int_equal(add(&r, "http://127.0.0.1:0").code, 0);
    assert_int_equal(r.set.count, 1);
    assert_true(r.set.at[0].at.port > 0);
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    hf_address bound;
    assert_int_equal(getsockname(r.set.at[0].fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, &bound);
    assert_int_equal(bound.port, r.set.at[0].at.port);
    assert_true(fcntl(r.set.at[0].fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(r.set.at[0].fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(r.why.length, 0);
    hf_listen_set_close(&r.set);
    assert_int_equal(r.set.count, 0);
    assert_int_equal(fcntl(r.set.at[0].fd, F_GETFD), -1);
}

static void localhost_is_one_port_at_both_addresses(void **state)
{
    (void)state;
    rig r;
    hf_test_needs("ipv6", has_ipv6());
    setup(&r);
    assert_int_equal(add(&r, "http://localhost:0").code, 0);
    assert_int_equal(r.set.count, 2);
    assert_int_equal(r.set.at[0].at.port, r.set.at[1].at.port);
    assert_int_not_equal(r.set.at[0].at.family, r.set.at[1].at.family);
    hf_listen_set_close(&r.set);
}

static void a_taken_port_is_named_with_the_systems_words_and_the_remedy(void **state)
{
    (void)state;
    rig r;
    char again[64];
    hf_writer w = hf_writer_make(again, sizeof again - 1);
    setup(&r);
    assert_int_equal(add(&r, "http://127.0.0.1:0").code, 0);
    hf_write_text(&w, "http://127.0.0.1:");
    hf_write_decimal(&w, r.set.at[0].at.port);
    again[w.length] = 0;
    assert_int_equal(add(&r, again).code, HF_ERR_IO_ADDRESS_IN_USE);
    assert_non_null(strstr(r.text, "cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(r.text, "address in use (Address already in use); "));
    assert_non_null(strstr(r.text, "or choose another port"));
    assert_int_equal(r.set.count, 1);
    hf_listen_set_close(&r.set);
}

static void an_address_of_another_machine_is_refused_with_the_remedy(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    assert_int_equal(add(&r, "http://192.0.2.1:8080").code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    assert_non_null(strstr(r.text, "cannot listen on 192.0.2.1:8080: no such local address ("));
    assert_int_equal(r.set.count, 0);
}

static void where_one_family_is_missing_the_other_will_do(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    hf_listen_url url = { .count = 2, .either = true };
    assert_true(hf_address_parse(hf_text("192.0.2.1"), 0, &url.addresses[0])); /* this machine lacks it */
    assert_true(hf_address_parse(hf_text("127.0.0.1"), 0, &url.addresses[1]));
    assert_int_equal(hf_listen_set_add(&r.set, &url, &r.why).code, 0);
    assert_int_equal(r.set.count, 1);
    assert_int_equal(r.why.length, 0);
    url.addresses[1] = url.addresses[0]; /* with neither, it is an error */
    assert_int_equal(hf_listen_set_add(&r.set, &url, &r.why).code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    assert_int_equal(r.set.count, 1);
    url.either = false; /* two wishes: each is an error of its own */
    assert_true(hf_address_parse(hf_text("127.0.0.1"), 0, &url.addresses[1]));
    assert_int_equal(hf_listen_set_add(&r.set, &url, &r.why).code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    hf_listen_set_close(&r.set);
}

static void sixty_four_addresses_are_the_most(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    for (int i = 0; i < HF_LISTEN_SOCKETS; i++)
        assert_int_equal(add(&r, "http://127.0.0.1:0").code, 0);
    assert_int_equal(add(&r, "http://127.0.0.1:0").code, HF_ERR_BASE_LIMIT);
    assert_string_equal(r.text, "more than 64 addresses to listen on\n");
    assert_int_equal(r.set.count, HF_LISTEN_SOCKETS);
    hf_listen_set_close(&r.set);
}

/* A network of our own, where the system has four ports to choose from. */
static bool begin_small_network(void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
    const bool small = range != NULL && fputs("20000 20003", range) >= 0;
    return range != NULL && fclose(range) == 0 && up && small && has_ipv6();
}

static int take_port(uint16_t port)
{
    const struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port) };
    const int fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* The last of all: it leaves this network. */
static void any_port_is_one_that_both_addresses_of_localhost_have(void **state)
{
    (void)state;
    hf_test_needs("a network namespace", begin_small_network());
    for (uint16_t kept = 20000; kept <= 20003; kept++) {
        rig r;
        int taken[4];
        setup(&r);
        for (uint16_t port = 20000; port <= 20003; port++)
            taken[port - 20000] = port == kept ? -1 : take_port(port);
        assert_int_equal(add(&r, "http://localhost:0").code, 0);
        assert_int_equal(r.set.count, 2);
        assert_int_equal(r.set.at[0].at.port, kept);
        assert_int_equal(r.set.at[1].at.port, kept);
        assert_int_equal(r.why.length, 0);
        hf_listen_set_close(&r.set);
        taken[kept - 20000] = take_port(kept);
        assert_int_equal(add(&r, "http://localhost:0").code, HF_ERR_IO_ADDRESS_IN_USE); /* there is none */
        hf_listen_set_close(&r.set);
        for (int i = 0; i < 4; i++)
            close(taken[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_that_the_system_chose_is_told),
        cmocka_unit_test(localhost_is_one_port_at_both_addresses),
        cmocka_unit_test(a_taken_port_is_named_with_the_systems_words_and_the_remedy),
        cmocka_unit_test(an_address_of_another_machine_is_refused_with_the_remedy),
        cmocka_unit_test(where_one_family_is_missing_the_other_will_do),
        cmocka_unit_test(sixty_four_addresses_are_the_most),
        cmocka_unit_test(any_port_is_one_that_both_addresses_of_localhost_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
