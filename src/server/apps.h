/* SPDX-License-Identifier: Apache-2.0
 *
 * apps: the applications of the serving process. They are loaded and opened with a configuration, and closed when the last that
 * began with it is over: in a thread of their own, for who is last may be one of the application's.
 */
#ifndef HF_SERVER_APPS_H
#define HF_SERVER_APPS_H

#include <stdio.h>

#include "config_plan.h"

/* Loads them, plans anew with their routes, and has these in `options`. True also where there are none; false: told on `why`.
 * `held`: as of hf_config_apps_load. */
bool hf_apps_load(hf_config *c, bool held, hf_config_plan *plan, hf_serve_options *options, FILE *why);
/* Opens their contexts. Likewise; then none is open. */
bool hf_apps_open(hf_config *c, hf_config_plan *plan, FILE *why);
/* Closes them, wherever this is called, and calls `then(what)` behind it (NULL: nothing). Maybe later. Also called while they are
 * being closed, by one of them. */
void hf_apps_leave(hf_config *c, void (*then)(void *what), void *what);
/* The process ends: closes those that are still open, and waits for those that are being closed. */
void hf_apps_end(void);

#endif
