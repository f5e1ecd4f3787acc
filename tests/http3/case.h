/* SPDX-License-Identifier: Apache-2.0
 *
 * One rig for each case of a program: opened past the SETTINGS of its peer.
 */
#ifndef HF_TEST_HTTP3_CASE_H
#define HF_TEST_HTTP3_CASE_H

#include "http3/rig.h"

static hf_test_world w;
static rig r;
static wire out;

static inline int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    memset(&r, 0, sizeof r);
    out.length = 0;
    return 0;
}
static inline int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

static inline void open_rig(rig_app app)
{
    assert_true(rig_open(&r, &w.env, app));
    rig_settings(&r, NULL, 0);
    rig_emit(&r);
}

#endif
