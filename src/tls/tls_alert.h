/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts (RFC 8446 6) and the catalogue: which alert tells of which error, and the reverse.
 */
#ifndef HF_TLS_ALERT_H
#define HF_TLS_ALERT_H

#include <handfast/tls.h>

enum { HF_ALERT_CLOSE_NOTIFY = 0, HF_ALERT_HANDSHAKE_FAILURE = 40, HF_ALERT_INTERNAL = 80, HF_ALERT_USER_CANCELED = 90, HF_ALERT_NO_RENEGOTIATION = 100, HF_ALERT_UNRECOGNIZED_NAME = 112 };

/* The alert that is sent for an error of ours. */
uint8_t hf_alert_of(hf_err err);
/* The error that an alert from the peer is. */
hf_err hf_alert_err(uint8_t alert);

#endif
