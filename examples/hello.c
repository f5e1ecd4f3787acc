/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest server: one route, one handler. Ask it: curl http://localhost:8080/hello/world
 */
#include <handfast/server.h>

#include <stdio.h>

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "Hello, %.*s\n", HF_STR(hf_path_arg(rq, "name")));
}

static const hf_route routes[] = {
    { .method = "GET", .path = "/hello/{name}", .handle = hello },
};

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    hf_err err = hf_server_open(&server, &(hf_server_options){
        .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes,
        .route_count = HF_COUNT(routes),
    });
    if (err.code == 0) {
        fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server); /* until Ctrl-C */
    } else {
        fprintf(stderr, "%s\n", hf_server_why(server)); /* every reason at once */
    }
    hf_server_close(server);
    return err.code != 0;
}
