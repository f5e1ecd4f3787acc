/* SPDX-License-Identifier: Apache-2.0
 *
 * The core of HTTP/1 alone, without sockets, threads and clocks: bytes go in, events and bytes come out. Here they come from standard input
 * and go to standard output: printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | ./core, or behind inetd.
 */
#include <handfast/http1.h>
#include <handfast/store.h> /* hf_env_default */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

/* What the core has to say. False: nobody hears it any more. */
static bool say(hf_http1 *h)
{
    uint8_t scratch[4096];
    hf_extent pieces[8];
    for (;;) {
        hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = sizeof scratch };
        if (hf_http1_emit(h, now(), &out) == 0)
            return true;
        for (size_t i = 0; i < out.count; i++) {
            const uint8_t *p = pieces[i].bytes.ptr;
            for (size_t left = pieces[i].bytes.len; left > 0;) {
                const ssize_t n = write(1, p, left);
                if (n <= 0)
                    return false;
                p += n;
                left -= (size_t)n;
            }
        }
    }
}

/* "GET /path\n": small enough for the core to take all of it. */
static hf_err answer(hf_http1 *h, const hf_request_head *request)
{
    char text[256];
    const hf_bytes path = { request->path.ptr, request->path.len < 200 ? request->path.len : 200 };
    snprintf(text, sizeof text, "%.*s %.*s\n", HF_STR(request->method_name), HF_STR(path));
    const hf_extent body = { .kind = HF_EXTENT_COPIED, .bytes = hf_text(text) };
    const hf_field plain = { HF_LITERAL("Content-Type"), HF_LITERAL("text/plain; charset=utf-8"), 0 };
    const hf_response_head head = { .status = 200, .fields = { &plain, 1 }, .content_length = (int64_t)body.bytes.len };
    hf_err err = hf_http1_respond(h, &head);
    if (err.code == 0)
        (void)hf_http1_put(h, &body, 1, &err);
    return err.code == 0 ? hf_http1_end(h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }) : err;
}

static void handle(hf_http1 *h, const hf_http1_event *e)
{
    if (e->kind == HF_HTTP1_BODY)
        hf_http1_take(h, e->body.len); /* an application would read it */
    else if (e->kind == HF_HTTP1_REQUEST || e->kind == HF_HTTP1_REFUSED) {
        const hf_response_head refused = { .status = hf_http1_fault(h)->status, .content_length = 0 };
        const hf_err err = e->kind == HF_HTTP1_REQUEST ? answer(h, &e->request) : hf_http1_respond(h, &refused);
        if (err.code != 0)
            fprintf(stderr, "no answer: %s\n", hf_err_text(err));
        else if (e->kind == HF_HTTP1_REFUSED)
            (void)hf_http1_end(h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
    }
}

/* Every refusal names its rule, what came and what is wanted. */
static void explain(const hf_fault *f)
{
    const hf_err_info *const info = hf_err_describe(f->err);
    char got[sizeof f->got]; /* a terminal obeys control bytes */
    for (size_t i = 0; i < f->got_length; i++)
        got[i] = (char)(f->got[i] >= ' ' && f->got[i] <= '~' ? f->got[i] : '.');
    fprintf(stderr, "%s %s at byte %llu: got \"%.*s\", wanted %s (%s)\n", info->id, info->name, (unsigned long long)f->offset, (int)f->got_length, got,
        f->wanted != NULL ? f->wanted : "something else", info->rule);
}

/* More bytes, or the core's own deadline: it ends whoever is too slow. */
static void wait_for_more(const hf_http1 *h, uint8_t *to, size_t *length, size_t size, bool *fin)
{
    const int64_t ns = hf_http1_wake(h).ns - now().ns;
    struct pollfd in = { .fd = 0, .events = POLLIN };
    if (poll(&in, 1, ns < 0 ? 0 : ns > HF_SECONDS(3600) ? 3600000 : (int)(ns / 1000000 + 1)) <= 0)
        return;
    const ssize_t n = read(0, to + *length, size - *length);
    *fin = n <= 0;
    *length += n > 0 ? (size_t)n : 0;
}

int main(void)
{
    static uint8_t bytes[65536]; /* more than the limit of a head */
    size_t length = 0;
    bool fin = false;
    hf_http1 *const h = hf_http1_server_new(hf_env_default(), 1, now());
    hf_step step = h != NULL ? HF_IDLE : HF_FAULT;
    while (step != HF_CLOSED && step != HF_FAULT) {
        hf_http1_event event;
        hf_in in = { .ptr = bytes, .len = length, .fin = fin };
        step = hf_http1_step(h, now(), &in, &event);
        if (step == HF_EVENT)
            handle(h, &event); /* what it points to may lie in `bytes` */
        length -= in.used;
        memmove(bytes, bytes + in.used, length);
        if (step != HF_EVENT && !say(h))
            break;
        if (step == HF_IDLE)
            wait_for_more(h, bytes, &length, sizeof bytes, &fin);
    }
    if (h != NULL && hf_http1_fault(h)->err.code != 0)
        explain(hf_http1_fault(h));
    hf_http1_free(h);
    return step == HF_CLOSED ? 0 : 1;
}
