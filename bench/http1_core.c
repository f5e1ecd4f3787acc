/* SPDX-License-Identifier: Apache-2.0
 *
 * What one request costs the HTTP/1 core: parse, respond, put, end, emit. No system call. Prints ns per request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <handfast/http1.h>

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx, (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char wrk[] = "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
static const char chromium[] =
    "GET /assets/site.css HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: text/css,*/*;q=0.1\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: style\r\n"
    "Referer: http://localhost:8080/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nIf-None-Match: \"5f1-62a8b1\"\r\n"
    "If-Modified-Since: Fri, 15 Nov 2024 08:00:00 GMT\r\n\r\n";

static void answer(hf_http1 *h)
{
    static const hf_field fields[] = {
        { HF_LITERAL("Date"), HF_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), HF_FIELD_DATE },
        { HF_LITERAL("Content-Type"), HF_LITERAL("text/plain; charset=utf-8"), HF_FIELD_CONTENT_TYPE },
        { HF_LITERAL("Cache-Control"), HF_LITERAL("no-cache"), HF_FIELD_CACHE_CONTROL },
    };
    static const hf_extent body = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("Hello, world!\n") };
    const hf_response_head head = { .status = 200, .fields = { fields, HF_COUNT(fields) }, .content_length = 14 };
    if (hf_http1_respond(h, &head).code != 0 || hf_http1_put(h, &body, 1, NULL) != 14 ||
        hf_http1_end(h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code != 0)
        abort();
}

static void measure(const char *name, const char *request, size_t length)
{
    enum { ROUNDS = 2000000 };
    static uint8_t scratch[4096];
    static uint8_t buffer[4096];
    hf_random random = { { 1, 2, 3, 4 } };
    hf_limits limits = *hf_limits_default();
    limits.requests_per_connection = UINT64_MAX;
    const hf_env env = { .alloc = { resize, NULL }, .random = &random, .limits = &limits };
    hf_http1 *h = hf_http1_server_new(&env, 1, hf_time_make(0));
    hf_http1_event event;
    hf_extent pieces[8];
    memcpy(buffer, request, length);
    const int64_t from = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        const hf_time now = hf_time_make((int64_t)i * 1000);
        hf_in in = { .ptr = buffer, .len = length };
        for (hf_step step; (step = hf_http1_step(h, now, &in, &event)) == HF_EVENT; in.ptr += in.used, in.len -= in.used)
            if (event.kind == HF_HTTP1_REQUEST)
                answer(h);
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_http1_emit(h, now, &out) == 0 || out.count != 1)
            abort();
    }
    printf("%-10s %4zu bytes  %6.1f ns\n", name, length, (double)(now_ns() - from) / ROUNDS);
    hf_http1_free(h);
}

int main(void)
{
    measure("wrk", wrk, sizeof wrk - 1);
    measure("chromium", chromium, sizeof chromium - 1);
    return 0;
}
