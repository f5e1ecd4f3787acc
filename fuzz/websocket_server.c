/* SPDX-License-Identifier: Apache-2.0
 *
 * The WebSocket server core from hostile bytes: whole, sliced, and under chaos with failing memory. See websocket_drive.h.
 */
#include "websocket_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return drive_target(data, size, true);
}
