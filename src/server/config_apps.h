/* SPDX-License-Identifier: Apache-2.0
 *
 * The applications of a configuration: loaded by whoever wants to run them or to know what they answer, and by nobody else.
 * Reading a configuration runs no code of theirs; so neither the supervisor nor the key process ever has any.
 */
#ifndef HF_SERVER_CONFIG_APPS_H
#define HF_SERVER_CONFIG_APPS_H

#include <handfast/module.h>

#include "config_check.h"

/* What an app statement came to. All memory is the configuration's. */
typedef struct hf_config_app {
    struct hf_config_app *next;
    const hf_config_item *item, *site;
    const hf_config_item *route; /* NULL: it is the site's */
    const hf_module *module;
    const hf_route *routes;      /* the module's, with whole paths */
    const hf_module_setting *settings;
    void *context;
    bool open;
} hf_config_app;

/* Loads the applications of a configuration without problems: see hf_config.apps. False: it has some now. Once. `held`: the bytes
 * that a supervisor held, where it did. */
bool hf_config_apps_load(hf_config *c, bool held);
/* Has the bytes of their files wait to be held (hf_module_hold); nothing of them runs. */
void hf_config_apps_hold(const hf_config *c);
/* Opens their contexts. False: it is complained of, and none is open. */
bool hf_config_apps_open(hf_config *c);
/* Closes those that are open. */
void hf_config_apps_close(hf_config *c);
/* Does it speak of any? */
bool hf_config_has_apps(const hf_config *c);

#endif
