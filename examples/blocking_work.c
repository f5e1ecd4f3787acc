/* SPDX-License-Identifier: Apache-2.0
 *
 * Work that takes its time, in a thread for it; the loop serves everybody else meanwhile. And a ticket, by which a thread
 * of the program's own answers.
 *     curl http://localhost:8080/count/30000000 & curl http://localhost:8080/quick
 */
#include <handfast/server.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct count {
    unsigned long long up_to, primes;
} count;

/* In another thread: must not touch the request. */
static void work(void *what)
{
    count *c = what;
    for (unsigned long long n = 2; n < c->up_to; n++) {
        bool prime = true;
        for (unsigned long long d = 2; d * d <= n && prime; d++)
            prime = n % d != 0;
        c->primes += prime;
    }
}

/* Back in the request's thread; without a request, if the client did not wait. */
static hf_err done(hf_req *rq, void *what)
{
    count *c = what;
    const hf_err err = rq != NULL ? hf_reply_text(rq, 200, "%llu primes below %llu\n", c->primes, c->up_to) : HF_OK;
    free(c);
    return err;
}

static hf_err primes(hf_req *rq)
{
    char text[16] = "";
    const hf_bytes n = hf_path_arg(rq, "n");
    memcpy(text, n.ptr, n.len < sizeof text - 1 ? n.len : sizeof text - 1);
    count *c = calloc(1, sizeof *c);
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    c->up_to = strtoull(text, NULL, 10) % 100000000;
    const hf_err err = hf_req_run_blocking(rq, work, done, c);
    if (err.code != 0) /* too much waits already: returned, it is answered 503 */
        free(c);
    return err;
}

static void *think(void *argument)
{
    hf_later *ticket = argument;
    usleep(50000);
    const hf_err err = hf_later_answer(ticket, 200, "text/plain", hf_text("a thread of my own thought of this\n"));
    if (err.code != 0)
        fprintf(stderr, "not answered: %s\n", hf_err_text(err)); /* the client left, say */
    hf_later_drop(ticket);
    return NULL;
}

static hf_err thought(hf_req *rq)
{
    pthread_t thread;
    hf_later *ticket;
    const hf_err err = hf_req_later(rq, &ticket);
    if (err.code != 0)
        return err;
    if (pthread_create(&thread, NULL, think, ticket) != 0) {
        hf_later_drop(ticket);
        return hf_err_make(HF_ERR_IO_SYSTEM);
    }
    pthread_detach(thread);
    return HF_OK;
}

static hf_err quick(hf_req *rq)
{
    return hf_reply_text(rq, 200, "at once\n");
}

static const hf_route routes[] = {
    { "GET", "/count/{n}", .handle = primes, .handler_ns = HF_SECONDS(120) },
    { "GET", "/thought", .handle = thought },
    { "GET", "/quick", .handle = quick },
};

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes, .route_count = HF_COUNT(routes) });
    if (err.code == 0) {
        fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server);
    } else {
        fprintf(stderr, "%s\n", hf_server_why(server));
    }
    hf_server_close(server);
    return err.code != 0;
}
