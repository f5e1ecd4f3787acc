/* SPDX-License-Identifier: Apache-2.0
 *
 * The rig of a service whose requests are answered later: with a mailbox, whose loop the test turns by hand.
 */
#ifndef HF_TESTS_APP_LATER_RIG_H
#define HF_TESTS_APP_LATER_RIG_H

#include "service_rig.h"

#include "idempotency.h"
#include "mailbox.h"
#include "request.h"

typedef struct kit {
    hf_io io; /* first */
    size_t wakes;
    rig r;
} kit;

static kit k;

static inline void wake(hf_io *io)
{
    ((kit *)io)->wakes++;
}

static const hf_io_ops loop_ops = { .name = "a test", .wake = wake };

static inline void stir_rig(void *self, hf_dialog *d)
{
    (void)self;
    assert_ptr_equal(d, &k.r.dialog);
    drive(&k.r);
}

static inline void kit_begin(const hf_route *table, size_t count)
{
    k.wakes = 0;
    k.io.ops = &loop_ops;
    setup_with(&k.r, table, count);
    k.r.service.hooks.stir = stir_rig;
    k.r.service.mailbox = hf_mailbox_new(&k.r.world.env.alloc, &k.io, k.r.world.limits.messages);
}

static inline void kit_turn(void)
{
    hf_mailbox_turn(k.r.service.mailbox);
}

/* The clock moves on by `ns`. */
static inline void kit_pass(int64_t ns)
{
    k.r.now = hf_time_after(k.r.now, ns);
    hf_service_tick(&k.r.service, k.r.now, (hf_wall){ 784111777 });
    hf_dialog_tick(&k.r.dialog);
    drive(&k.r);
}

/* The connection dies. */
static inline void kit_hang_up(void)
{
    hf_dialog_close(&k.r.dialog, hf_err_make(HF_ERR_IO_RESET));
    hf_web_free(k.r.web);
    k.r.web = k.r.dialog.web = NULL;
}

/* Another one comes, to the same service. */
static inline void kit_connect(void)
{
    fake_pier_fini(&k.r.pier);
    fake_pier_init(&k.r.pier);
    k.r.dialog = (hf_dialog){ .service = &k.r.service, .id = 0xdef };
    k.r.closed = false;
    k.r.web = k.r.dialog.web = hf_web_new(&k.r.world.env, 2, fake_pier_get(&k.r.pier), NULL, k.r.now);
}

static inline void kit_end(void)
{
    kit_turn();
    if (k.r.web != NULL) {
        hf_dialog_close(&k.r.dialog, HF_OK);
        hf_web_free(k.r.web);
    }
    k.r.web = NULL;
    hf_mailbox_close(k.r.service.mailbox);
    teardown(&k.r);
}

#endif
