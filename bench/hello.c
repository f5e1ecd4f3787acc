/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest program on the embedded library: one route, one answer of 12 bytes, one thread.
 *
 *     hello PORT [epoll|uring]     serves until SIGTERM
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/server.h>

static hf_err hello(hf_req *rq)
{
    static const hf_bytes text = HF_LITERAL("Hello World\n");
    return hf_reply(rq, 200, "text/plain", text);
}

static const hf_route routes[] = { { .method = "GET", .path = "/", .handle = hello } };

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: hello PORT [epoll|uring]\n");
        return 2;
    }
    const hf_server_io io = argc == 2 ? HF_SERVER_IO_AUTO : strcmp(argv[2], "epoll") == 0 ? HF_SERVER_IO_EPOLL : HF_SERVER_IO_URING;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", atoi(argv[1]));
    /* What the load needs, as nginx gets it in its configuration; everything else is what everybody gets. */
    hf_limits limits = *hf_limits_default();
    limits.requests_per_connection = UINT64_MAX;
    limits.connections_per_address = limits.connections;
    limits.idle_ns = HF_SECONDS(600);
    hf_server *server = NULL;
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { url }, .routes = routes,
        .route_count = HF_COUNT(routes), .threads = 1, .io = io, .limits = &limits });
    if (err.code == 0)
        err = hf_server_run(server);
    else
        fprintf(stderr, "hello: %s\n", hf_server_why(server));
    hf_server_close(server);
    return err.code != 0;
}
