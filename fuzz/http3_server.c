/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side of HTTP/3: lanes of a client behind one byte that seeds the application.
 */
#include "http3_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drive_input(data, size, false);
    return 0;
}
