/* SPDX-License-Identifier: Apache-2.0
 *
 * privileges: becoming a user without rights once the listeners are bound. The supervisor keeps the one right that a
 * reload may need, to bind ports below 1024; the processes that talk to the network keep none.
 */
#ifndef HF_SERVER_PRIVILEGES_H
#define HF_SERVER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

/* Becomes `user` with its groups. False with errno. */
bool hf_privileges_become(const char *user, uid_t uid, gid_t gid);
/* Gives up what is left, for good. */
void hf_privileges_drop(void);

#endif
