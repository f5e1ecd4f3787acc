/* SPDX-License-Identifier: Apache-2.0
 *
 * status, connections and reload: asked of a server that runs, at its admin socket. What it says is printed as it is, so
 * that an older program can ask a newer server.
 */
#include "cli.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

/* Where a server may be, unless it is said. */
static const char *socket_path(const hf_arguments *arguments, char *room, size_t size)
{
    const hf_given *given = hf_arguments_find(arguments, "admin");
    const char *named = getenv("HANDFAST_ADMIN"), *folder = getenv("XDG_RUNTIME_DIR");
    if (given != NULL)
        return given->value;
    if (named != NULL && named[0] != 0)
        return named;
    if (folder != NULL && folder[0] == '/') {
        snprintf(room, size, "%s/handfast.sock", folder);
        if (access(room, F_OK) == 0)
            return room;
    }
    return "/run/handfast/admin.sock";
}

/* A connected socket; -1, and said. */
static int call(hf_cli *cli, const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof at.sun_path) {
        (void)hf_cli_misuse(cli, "option --admin: the path of a socket has 1 to %zu bytes", sizeof at.sun_path - 1);
        return -1;
    }
    memcpy(at.sun_path, path, length);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    const char *why = errno == ENOENT ? "there is no such socket; does the server run, and with admin?"
        : errno == ECONNREFUSED ? "nobody listens there any more" : strerror(errno);
    (void)hf_cli_failed(cli, "cannot ask the server at %s: %s", path, why);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The whole of what comes back; NULL, and said. The caller frees it. */
static char *ask(hf_cli *cli, int fd, const char *request, size_t *length)
{
    size_t size = 0;
    char *text = NULL, part[16384];
    FILE *answer = open_memstream(&text, &size);
    ssize_t n = send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (answer != NULL && n >= 0 && (n = recv(fd, part, sizeof part, 0)) > 0)
        fwrite(part, 1, (size_t)n, answer);
    const int why = errno;
    const bool good = answer != NULL && n == 0 && fclose(answer) == 0;
    *length = size;
    if (good)
        return text;
    (void)hf_cli_failed(cli, "the server's answer broke off: %s", n < 0 ? strerror(why) : "out of memory");
    return NULL;
}

/* An HTTP/1.0 answer ends with its connection: no length or coding is to be looked at. */
static bool split(hf_bytes answer, int *status, hf_bytes *body)
{
    static const char start[] = "HTTP/1.";
    const uint8_t *end = answer.len > 0 ? memmem(answer.ptr, answer.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL || answer.len < 12 || memcmp(answer.ptr, start, sizeof start - 1) != 0)
        return false;
    *status = (answer.ptr[9] - '0') * 100 + (answer.ptr[10] - '0') * 10 + (answer.ptr[11] - '0');
    end += 4;
    *body = hf_bytes_make(end, (size_t)(answer.ptr + answer.len - end));
    return true;
}

static hf_exit run(hf_cli *cli, const hf_arguments *arguments, const char *method, const char *path)
{
    char room[256], request[256];
    size_t length = 0;
    int status = 0;
    hf_bytes body;
    const bool json = hf_arguments_on(arguments, cli->command, "json");
    const int fd = call(cli, socket_path(arguments, room, sizeof room));
    if (fd < 0)
        return HF_EXIT_FAILED;
    snprintf(request, sizeof request, "%s %s HTTP/1.0\r\nHost: localhost\r\nAccept: %s\r\n\r\n", method, path,
        json ? "application/json" : "text/plain");
    char *answer = ask(cli, fd, request, &length);
    close(fd);
    if (answer == NULL)
        return HF_EXIT_FAILED;
    hf_exit result = HF_EXIT_OK;
    if (!split(hf_bytes_make(answer, length), &status, &body)) {
        result = hf_cli_failed(cli, length == 0 ? "the server hung up: it talks to root and to its own user only"
                                                : "what answers there is no Handfast");
    } else {
        fwrite(body.ptr, 1, body.len, status < 300 || json ? cli->out : cli->err);
        result = status < 300 ? HF_EXIT_OK : status == 422 ? HF_EXIT_CONFIG : HF_EXIT_FAILED;
    }
    free(answer);
    return result;
}

int hf_command_status(hf_cli *cli, const hf_arguments *arguments)
{
    return run(cli, arguments, "GET", "/-/status");
}

int hf_command_connections(hf_cli *cli, const hf_arguments *arguments)
{
    return run(cli, arguments, "GET", "/-/connections");
}

int hf_command_reload(hf_cli *cli, const hf_arguments *arguments)
{
    return run(cli, arguments, "POST", "/-/reload");
}
