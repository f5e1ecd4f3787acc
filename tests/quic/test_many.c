/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections one after the other at the same two endpoints, each with a request, an end by one side or the other or by silence, and a
 * loss now and then: nothing grows. HF_QUIC_CONNECTIONS says how many (200); 100,000 take some minutes.
 */
#include "rig.h"

enum { WARM = 40 };

static void clear(rig_end *e)
{
    hf_quic_endpoint *const ep = e->ep;
    *e = (rig_end){ .ep = ep, .echo = 3000 };
}

static void one(rig *r, uint64_t i)
{
    clear(&r->client);
    clear(&r->server);
    r->loss = i % 8 == 7 ? 20000 : 0;
    rig_start(r);
    for (unsigned k = 0; k < 100 && !(r->client.confirmed && r->server.confirmed); k++)
        rig_run(r, HF_MILLISECONDS(100));
    assert_true(r->client.confirmed && r->server.confirmed);
    const hf_lane lane = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, 500);
    for (unsigned k = 0; k < 100 && !rig_lane_of(&r->client, lane)->fin; k++)
        rig_run(r, HF_MILLISECONDS(100));
    assert_int_equal(rig_lane_of(&r->client, lane)->read, 3000);
    if (i % 3 != 2)
        hf_quic_close(i % 3 == 0 ? r->client.q : r->server.q, r->now, 0, hf_text("done"));
    else
        r->cut = true; /* neither hears of the other again */
    rig_run(r, HF_SECONDS(40));
    r->cut = false;
    assert_true(r->client.last == HF_CLOSED && r->server.last == HF_CLOSED);
    hf_quic_free(r->client.q);
    hf_quic_free(r->server.q);
    r->client.q = r->server.q = NULL;
}

static void connections_without_end_leave_nothing(void **state)
{
    (void)state;
    const char *const given = getenv("HF_QUIC_CONNECTIONS");
    const uint64_t n = given != NULL ? strtoull(given, NULL, 10) : 200;
    static rig r;
    size_t held = 0;
    rig_open(&r, 1);
    for (uint64_t i = 0; i < n + WARM; i++) {
        one(&r, i);
        if (i == WARM)
            held = r.w.memory.held;
        else if (i > WARM)
            assert_true(r.w.memory.held <= held);
    }
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    printf("# %llu connections; then %zu bytes in %zu blocks, and never more than %zu\n", (unsigned long long)counts.accepted, r.w.memory.held,
           r.w.memory.blocks, r.w.memory.most);
    assert_int_equal(counts.connections, 0);
    assert_int_equal(counts.half_open, 0);
    assert_true(r.w.memory.most < 300000);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(connections_without_end_leave_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
