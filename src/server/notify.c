/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static void send_lines(const char *lines, size_t length)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const size_t n = path != NULL ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') /* sd_notify(3): an abstract socket */
        to.sun_path[0] = 0;
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* Whether anybody listens is not our concern. */
    (void)!sendto(fd, lines, length, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void hf_notify(const char *format, ...)
{
    char lines[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(lines, sizeof lines, format, args);
    va_end(args);
    if (n > 0)
        send_lines(lines, (size_t)n < sizeof lines ? (size_t)n : sizeof lines - 1);
}

void hf_notify_reloading(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    hf_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

int64_t hf_notify_watchdog_ns(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t n = 0, whose = 0;
    if (usec == NULL || !hf_parse_decimal(hf_text(usec), &n) || n == 0 || n > INT64_MAX / 1000)
        return 0;
    /* sd_watchdog_enabled(3): the variable may be meant for another process. */
    if (pid != NULL && (!hf_parse_decimal(hf_text(pid), &whose) || whose != (uint64_t)getpid()))
        return 0;
    return (int64_t)n * 1000 / 2;
}
