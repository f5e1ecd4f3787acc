/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service manager is told (sd_notify(3)): lines to the socket that NOTIFY_SOCKET names. Without one, nothing.
 */
#ifndef HF_SERVER_NOTIFY_H
#define HF_SERVER_NOTIFY_H

#include <handfast/base.h>

/* Format as of printf; a line without "\n", or several with it between them. */
void hf_notify(const char *format, ...) HF_PRINTF(1, 2);
/* "RELOADING=1" with the moment that Type=notify-reload asks for. */
void hf_notify_reloading(void);
/* How often WATCHDOG=1 is wanted at the least, in nanoseconds: half of WATCHDOG_USEC. 0: never. */
int64_t hf_notify_watchdog_ns(void);

#endif
