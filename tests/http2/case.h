/* SPDX-License-Identifier: Apache-2.0
 *
 * One rig for each case of a program: opened past the greetings, fed with what was built.
 */
#ifndef HF_TEST_HTTP2_CASE_H
#define HF_TEST_HTTP2_CASE_H

#include "http2/rig.h"

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
    if (app == RIG_CLIENT)
        wire_frame(&out, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    else
        wire_preface(&out);
    wire_frame(&out, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, NULL, 0);
    rig_wire(&r, &out);
    rig_emit(&r);
}

/* What was built goes in, the answer out. */
static inline void feed(void)
{
    rig_wire(&r, &out);
    rig_emit(&r);
    rig_run(&r);
}

#endif
