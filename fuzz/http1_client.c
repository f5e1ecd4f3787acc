/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/1 client core from hostile responses. Byte 0: which requests are under way, two bits each; 1: the seed of
 * slicing and chaos; 2: the allocation that fails. The rest is the stream.
 */
#include "http1_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static drive one, other;

static void ask(drive *d, unsigned which)
{
    static const hf_request_head heads[4] = {
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_HEAD, .target = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE, .upgrade = HF_LITERAL("x") },
        { .method = HF_METHOD_CONNECT, .target = HF_LITERAL("a:1"), .content_length = HF_LENGTH_UNKNOWN },
    };
    if (hf_http1_request(d->h, &heads[which]).code == 0)
        (void)hf_http1_end(d->h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
}

static hf_step run(drive *d, const uint8_t *data, size_t size, unsigned requests, hf_random *slices)
{
    d->h = hf_http1_client_new(&d->env, 1, d->now);
    if (d->h == NULL)
        return HF_FAULT;
    for (unsigned i = 0; i < 4; i++)
        ask(d, requests >> 2 * i & 3);
    return drive_run(d, data, size, slices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 8192)
        return 0;
    hf_random slices;
    hf_random_seed(&slices, data[1]);
    drive_init(&one, 1);
    drive_init(&other, 1);
    drive_finish(&one, run(&one, data + 3, size - 3, data[0], NULL));
    drive_finish(&other, run(&other, data + 3, size - 3, data[0], &slices));
    drive_same(&one, &other);
    drive_init(&one, data[1]);
    one.chaos = true;
    one.memory.fail_at = data[2];
    const hf_step step = run(&one, data + 3, size - 3, data[0], &slices);
    if (one.h != NULL)
        drive_finish(&one, step);
    return 0;
}
