/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/1 server core from hostile bytes. Byte 0: how the application answers; 1: the seed of slicing and chaos; 2: the
 * allocation that fails. The rest is the stream. It is read whole, sliced, and under chaos.
 */
#include "http1_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static drive one, other;

static hf_step run(drive *d, const uint8_t *data, size_t size, hf_random *slices)
{
    d->h = hf_http1_server_new(&d->env, 1, d->now);
    return d->h == NULL ? HF_FAULT : drive_run(d, data, size, slices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 8192)
        return 0;
    hf_random slices;
    hf_random_seed(&slices, data[1]);
    drive_init(&one, 1);
    drive_init(&other, 1);
    one.mode = other.mode = data[0] % 4;
    drive_finish(&one, run(&one, data + 3, size - 3, NULL));
    drive_finish(&other, run(&other, data + 3, size - 3, &slices));
    drive_same(&one, &other);
    drive_init(&one, data[1]);
    one.chaos = true;
    one.memory.fail_at = data[2];
    const hf_step step = run(&one, data + 3, size - 3, &slices);
    if (one.h != NULL)
        drive_finish(&one, step);
    return 0;
}
