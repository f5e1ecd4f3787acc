/* SPDX-License-Identifier: Apache-2.0
 *
 * A program with a loop of its own: it waits for lines on its standard input and for clients, in one thread. What was
 * typed last is at http://localhost:8080/, and "quit" ends it.
 */
#include <handfast/server.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

static char line[256] = "nothing yet\n"; /* no lock: handlers run in this thread */

static hf_err show(hf_req *rq)
{
    return hf_reply(rq, 200, "text/plain; charset=utf-8", hf_text(line));
}

static const hf_route routes[] = {
    { "GET", "/", .handle = show },
};

static int milliseconds(int64_t ns)
{
    return ns < 0 || ns > HF_SECONDS(3600) ? -1 : (int)((ns + 999999) / 1000000); /* rounded up: never early */
}

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    const hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes, .route_count = HF_COUNT(routes), .own_loop = true });
    if (err.code != 0) {
        fprintf(stderr, "%s\n", hf_server_why(server));
        hf_server_close(server);
        return 1;
    }
    fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
    struct pollfd fds[] = { { .fd = hf_server_fd(server), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
    do {
        poll(fds, 2, milliseconds(hf_server_wait_ns(server)));
        if (fds[1].revents == 0)
            continue; /* to the turn below */
        if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "quit\n") == 0) {
            fds[1].fd = -1; /* nobody types any more */
            hf_server_stop(server);
        }
    } while (hf_server_turn(server));
    hf_server_close(server);
    return 0;
}
