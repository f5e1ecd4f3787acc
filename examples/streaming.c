/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers piece by piece. /ticks sends a line now and then; /bytes/{n} makes as many bytes as it is asked for, never more
 * at a time than the client takes; /sum adds up what it is sent, without holding it.
 *     curl -N http://localhost:8080/ticks
 *     curl http://localhost:8080/bytes/1000000000 | wc -c
 *     head -c 1000000 /dev/zero | curl --data-binary @- http://localhost:8080/sum
 * With a certificate and its key, over every version of HTTP: streaming https://localhost:8443 certificate.pem key.pem
 */
#include <handfast/server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_err tick(hf_req *rq)
{
    char line[64];
    const uint64_t n = ++*hf_req_word(rq);
    const int length = snprintf(line, sizeof line, "tick %llu\n", (unsigned long long)n);
    hf_err err = hf_reply_write(rq, hf_bytes_make(line, (size_t)length));
    if (err.code == 0)
        err = n == 10 ? hf_reply_end(rq) : hf_req_after(rq, HF_MILLISECONDS(100), tick);
    return err;
}

static hf_err ticks(hf_req *rq)
{
    const hf_err err = hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, NULL);
    return err.code != 0 ? err : tick(rq);
}

/* Asked for more whenever all before was taken: a client that reads slowly is one that is written to slowly. */
static hf_err more_bytes(hf_req *rq)
{
    static const uint8_t zeros[16384];
    uint64_t *left = hf_req_word(rq);
    const size_t n = *left < sizeof zeros ? (size_t)*left : sizeof zeros;
    *left -= n;
    const hf_err err = hf_reply_write(rq, hf_bytes_make(zeros, n));
    return err.code == 0 && *left == 0 ? hf_reply_end(rq) : err;
}

static hf_err bytes(hf_req *rq)
{
    char text[24] = "";
    const hf_bytes n = hf_path_arg(rq, "n");
    memcpy(text, n.ptr, n.len < sizeof text - 1 ? n.len : sizeof text - 1);
    char *end;
    const unsigned long long count = strtoull(text, &end, 10);
    if (*end != 0 || text[0] < '0' || text[0] > '9' || count > INT64_MAX)
        return hf_reply_problem(rq, 0, hf_err_make(HF_ERR_HTTP_NOT_A_NUMBER), n);
    *hf_req_word(rq) = count;
    return hf_reply_begin(rq, 200, "application/octet-stream", (int64_t)count, more_bytes);
}

/* A piece of the body: here for the call only. */
static hf_err add(hf_req *rq, hf_bytes piece)
{
    for (size_t i = 0; i < piece.len; i++)
        *hf_req_word(rq) += piece.ptr[i];
    return HF_OK;
}

static hf_err sum(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%llu\n", (unsigned long long)*hf_req_word(rq));
}

static const hf_route routes[] = {
    { "GET", "/ticks", .handle = ticks },
    { "GET", "/bytes/{n}", .handle = bytes },
    { "POST", "/sum", .handle = sum, .body = add, .max_body = UINT64_C(1) << 40 },
};

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    const hf_server_identity identity = { .certificate = argc > 3 ? argv[2] : NULL, .key = argc > 3 ? argv[3] : NULL };
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes, .route_count = HF_COUNT(routes), .identities = { identity } });
    if (err.code == 0) {
        fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server);
    } else {
        fprintf(stderr, "%s\n", hf_server_why(server));
    }
    hf_server_close(server);
    return err.code != 0;
}
