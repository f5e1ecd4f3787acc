/* SPDX-License-Identifier: Apache-2.0
 *
 * A Redis server for one test: on a socket in a folder of its own, keeping nothing. It ends with the test's process.
 */
#ifndef HF_TESTS_REDIS_SERVER_H
#define HF_TESTS_REDIS_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "temp_folder.h"

typedef struct redis_server {
    temp_folder folder;
    char url[320];
    pid_t pid;
} redis_server;

static inline bool redis_is_here(void)
{
    const char *path = getenv("PATH");
    char whole[512];
    while (path != NULL && *path != 0) {
        const size_t n = strcspn(path, ":");
        snprintf(whole, sizeof whole, "%.*s/redis-server", (int)n, path);
        if (access(whole, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

static inline bool redis_takes(const char *socket_path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(strlen(socket_path) < sizeof a.sun_path);
    strcpy(a.sun_path, socket_path);
    const bool good = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return good;
}

/* Starts it, again if it was stopped, and waits until it takes connections. */
static inline void redis_start(redis_server *s)
{
    char path[288];
    snprintf(path, sizeof path, "%s/redis.sock", s->folder.path);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        const int nothing = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(nothing, 0);
        dup2(nothing, 1);
        dup2(nothing, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir",
               s->folder.path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 6000 && !redis_takes(path); i++) { /* a minute: the machine may be busy */
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    assert_true(redis_takes(path));
}

/* Call redis_is_here (hf_test_needs) first. */
static inline void redis_open(redis_server *s)
{
    temp_make(&s->folder);
    snprintf(s->url, sizeof s->url, "unix://%s/redis.sock", s->folder.path);
    redis_start(s);
}

static inline void redis_stop(redis_server *s)
{
    kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    s->pid = 0;
}

static inline void redis_close(redis_server *s)
{
    if (s->pid > 0)
        redis_stop(s);
    temp_remove(&s->folder);
}

#endif
