/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of HTTP/3, with three requests on their way: lanes of a server behind one byte that seeds the application.
 */
#include "http3_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drive_input(data, size, true);
    return 0;
}
