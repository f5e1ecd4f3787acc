/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: a small HTTP server in a thread of its own, on a unix socket: what a person, a probe or a scraper asks of a
 * server that runs, and POST /-/reload. It answers when every loop thread is busy, and until the last has drained.
 */
#ifndef HF_SERVER_ADMIN_H
#define HF_SERVER_ADMIN_H

#include <stdio.h>

#include "serving.h"

typedef struct hf_admin hf_admin;

/* Binds the socket, with the rights 0600; a socket at that path that nobody listens on is replaced. -1 with errno:
 * EADDRINUSE when somebody does listen there, ENAMETOOLONG, EEXIST when it is no socket. */
int hf_admin_bind(const char *path);

/* Takes `listening`. NULL, which is said, when it cannot be. */
hf_admin *hf_admin_start(hf_serving *s, int listening);
/* Finishes what is under way. NULL is fine. */
void hf_admin_stop(hf_admin *a);

/* Prometheus' text format, version 0.0.4. */
void hf_metrics_write(hf_serving *s, FILE *out);

#endif
