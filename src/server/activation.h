/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets that a service manager bound for us (sd_listen_fds(3)): LISTEN_FDS of them, from descriptor 3 on.
 */
#ifndef HF_SERVER_ACTIVATION_H
#define HF_SERVER_ACTIVATION_H

#include "listen.h"

/* Takes them, once, and makes them as ours are. Without any: an empty set. Those that are no listening TCP sockets are
 * told in `why`, a line each, and false is answered. */
bool hf_activation_take(hf_listen_set *set, hf_writer *why);

#endif
