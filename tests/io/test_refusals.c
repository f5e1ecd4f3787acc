/* SPDX-License-Identifier: Apache-2.0
 *
 * What the system refuses, whoever runs the tests and whatever this machine allows: system calls that say no, and the codes
 * by which that is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "door.h"
#include "epoll.h"
#include "harness.h"
#include "udp.h"

/* The calls of this program's libraries come here (-Wl,--wrap). 0: the call is made. */
static int refuse_bind, refuse_open, refuse_ioctl;

int __real_bind(int fd, const struct sockaddr *at, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *at, socklen_t size);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, void *what);
int __wrap_ioctl(int fd, unsigned long request, void *what);

int __wrap_bind(int fd, const struct sockaddr *at, socklen_t size)
{
    errno = refuse_bind;
    return refuse_bind != 0 ? -1 : __real_bind(fd, at, size);
}

int __wrap_open64(const char *path, int flags, ...)
{
    if (strcmp(path, "/dev/net/tun") != 0)
        return __real_open64(path, flags & ~O_CREAT, 0);
    errno = refuse_open;
    return refuse_open != 0 ? -1 : __real_open64("/dev/null", O_RDWR | O_CLOEXEC, 0);
}

int __wrap_ioctl(int fd, unsigned long request, void *what)
{
    errno = refuse_ioctl;
    return refuse_ioctl != 0 ? -1 : __real_ioctl(fd, request, what);
}

static void a_port_that_needs_a_privilege_is_told(void **state)
{
    (void)state;
    hf_address at;
    hf_err err;
    assert_true(hf_address_parse(hf_text("127.0.0.1"), 80, &at));
    static const struct { int refused; int32_t code; } rows[] = {
        { EACCES, HF_ERR_IO_ADDRESS_DENIED }, { EADDRINUSE, HF_ERR_IO_ADDRESS_IN_USE }, { EADDRNOTAVAIL, HF_ERR_IO_ADDRESS_UNAVAILABLE } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        refuse_bind = rows[i].refused;
        assert_int_equal(hf_listen_socket(&at, &err), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(hf_udp_socket(&at, &err), -1);
        assert_int_equal(err.code, rows[i].code);
    }
    refuse_bind = 0;
}

static hf_err open_tun(void)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_door d = { .fd = -1 };
    const hf_door_options o = { .kind = HF_DOOR_TUN, .device = "hf0" };
    const hf_err err = hf_door_open(&d, &o, &why);
    assert_true(why.length > 0);
    hf_door_close(&d);
    return err;
}

static void a_device_that_is_refused_is_told(void **state)
{
    (void)state;
    refuse_open = EACCES;
    assert_int_equal(open_tun().code, HF_ERR_IO_DEVICE_DENIED);
    refuse_open = ENOENT;
    assert_int_equal(open_tun().code, HF_ERR_IO_DEVICE_MISSING);
    refuse_open = 0;
    refuse_ioctl = EBUSY;
    assert_int_equal(open_tun().code, HF_ERR_IO_DEVICE_BUSY);
    refuse_ioctl = EPERM;
    assert_int_equal(open_tun().code, HF_ERR_IO_DEVICE_DENIED);
    refuse_ioctl = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_needs_a_privilege_is_told), cmocka_unit_test(a_device_that_is_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
