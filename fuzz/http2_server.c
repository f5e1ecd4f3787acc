/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side of a connection: bytes of a client behind one byte that seeds the application. The preface is given,
 * so that no run is spent on it.
 */
#include "http2_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
    if (size < 1 || size > 16384)
        return 0;
    const size_t n = sizeof before - 1;
    uint8_t *const all = malloc(size + n);
    HF_ASSERT(all != NULL);
    all[0] = data[0];
    memcpy(all + 1, before, n);
    memcpy(all + 1 + n, data + 1, size - 1);
    drive_input(all, size + n, false);
    free(all);
    return 0;
}
