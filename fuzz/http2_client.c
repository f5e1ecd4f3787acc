/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of a connection with three requests on their way: bytes of a server behind one byte that seeds the
 * application.
 */
#include "http2_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 16384)
        drive_input(data, size, true);
    return 0;
}
