/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks for all the URLs on the command line at once, and writes what they are answered to standard output, whole answers in the
 * order in which they are ready. "-T URL" sends standard input there, as it comes, and none of it is held. --roots FILE: believe these.
 */
#include <handfast/client.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failed;

static void tell(void *context, hf_client_call *call, const hf_client_answer *a)
{
    const char *const url = context;
    if (a->err.code != 0) {
        fprintf(stderr, "%s: %s\n", url, a->words);
        failed = 1;
    } else {
        fprintf(stderr, "%s: %u, HTTP/%g, %zu bytes in %.1f ms%s\n", url, a->status, (double)a->version / 10, a->body.len, (double)a->took_ns / 1e6,
                a->reused ? ", over a connection that was there" : "");
        fwrite(a->body.ptr, 1, a->body.len, stdout);
        failed = failed || a->status >= 400;
    }
    hf_client_drop(call);
}

/* Waits for standard input: this program has nothing else to do meanwhile. */
static hf_step read_input(void *context, uint8_t *to, size_t size, size_t *n)
{
    const ssize_t got = read(0, to, size);
    (void)context;
    *n = got > 0 ? (size_t)got : 0;
    return got > 0 ? HF_EVENT : got == 0 ? HF_CLOSED : HF_FAULT;
}

int main(int argc, char **argv)
{
    hf_client_options options = { .cookies = true };
    hf_client *client = NULL;
    int first = 1, upload = 0;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "-T") == 0)
            upload = 1;
        else if (strcmp(argv[first], "--roots") == 0 && first + 1 < argc)
            options.roots = argv[++first];
        else
            first = argc;
    }
    if (first >= argc) {
        fprintf(stderr, "usage: fetch [--roots FILE] [-T] URL...\n");
        return 2;
    }
    const hf_err err = hf_client_open(&client, &options);
    if (err.code != 0) {
        fprintf(stderr, "%s\n", hf_client_why(client));
        hf_client_close(client);
        return 1;
    }
    for (int i = first; i < argc; i++) {
        hf_client_call *call;
        const hf_client_request request = { .url = argv[i], .source = upload ? read_input : NULL, .redirects = 10, .done = tell, .context = argv[i] };
        if (hf_client_begin(client, &request, &call).code != 0) {
            fprintf(stderr, "%s\n", hf_client_why(client));
            failed = 1;
        }
    }
    hf_client_run(client);
    hf_client_counts counts;
    hf_client_count(client, &counts);
    fprintf(stderr, "%llu requests over %llu connections\n", (unsigned long long)counts.requests, (unsigned long long)counts.connections);
    hf_client_close(client);
    return failed;
}
