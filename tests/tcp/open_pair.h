/* SPDX-License-Identifier: Apache-2.0
 *
 * An open connection and a segment for it that is forged: where most tests of single rules begin. One file of a test program
 * includes it.
 */
#ifndef HF_TESTS_TCP_OPEN_PAIR_H
#define HF_TESTS_TCP_OPEN_PAIR_H

#include "tcp/world.h"

static world w;
static app *client, *server;
static const app silent = { .most_read = UINT64_MAX };
static hf_segment forged; /* as the client's next segment would be */

/* In a world that was made. */
static inline void open_both(void)
{
    w.accept.end_after = false;
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    run_for(&w, HF_SECONDS(1));
    server = accepted_app(&w, 0);
}

/* Open, and 500 bytes each way. */
static inline void begin(void)
{
    world_init(&w, 51);
    open_both();
    client->total = server->total = 500;
    app_write(client);
    app_write(server);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(server->received, 500);
    w.quiet = true;
    forged = (hf_segment){ .source = client->tcp->pair.local_port, .destination = 80, .seq = server->tcp->rcv_nxt, .ack = server->tcp->nxt, .flags = HF_ACK,
                           .window = 512, .has_stamp = true, .stamp = server->tcp->recent };
}

static inline void end(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        if (!w.apps[i].freed)
            hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}

#endif
