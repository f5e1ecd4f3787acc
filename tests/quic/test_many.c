/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections one after the other at the same two endpoints, each with a request, an end by one side or the other or by silence, and a
 * loss now and then: nothing grows. And all at once, each quiet after its request: none holds more than the one before it.
 * HF_QUIC_CONNECTIONS says how many (200); 100,000 take some minutes, and at once 2 GB of memory.
 */
#include "rig.h"

#include <unistd.h>

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

static uint64_t how_many(void)
{
    const char *const given = getenv("HF_QUIC_CONNECTIONS");
    return given != NULL ? strtoull(given, NULL, 10) : 200;
}

static void connections_without_end_leave_nothing(void **state)
{
    (void)state;
    const uint64_t n = how_many();
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

/* One more that stays: it asks for something, and is quiet. */
static void another(rig *r)
{
    clear(&r->client);
    clear(&r->server);
    rig_start(r);
    for (unsigned k = 0; k < 100 && !(r->client.confirmed && r->server.confirmed); k++)
        rig_run(r, HF_MILLISECONDS(100));
    const hf_lane lane = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, 500);
    rig_run(r, HF_SECONDS(1));
    assert_int_equal(rig_lane_of(&r->client, lane)->read, 3000);
}

static void connections_at_once_hold_little_each(void **state)
{
    (void)state;
    enum { EACH = 16 << 10 }; /* of both ends together */
    const uint64_t n = how_many();
    const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (n > 1000 && (uint64_t)pages * (uint64_t)page < n * EACH * 3 / 2) {
        printf("# skipped: needs %llu MB of memory\n", (unsigned long long)(n * EACH * 3 / 2 >> 20));
        skip();
    }
    static rig r;
    rig_open(&r, 2);
    r.w.limits.quic_idle_ns = (uint64_t)HF_SECONDS(10000000);
    r.w.limits.quic_connections = n;
    another(&r);
    const size_t first = r.w.memory.held;
    for (uint64_t i = 1; i < n; i++)
        another(&r);
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.connections, n);
    const uint64_t each = n > 1 ? (r.w.memory.held - first) / (n - 1) : 0;
    printf("# %llu connections at once: %llu bytes for each, of both ends together\n", (unsigned long long)n, (unsigned long long)each);
    assert_true(each <= EACH);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(connections_without_end_leave_nothing), cmocka_unit_test(connections_at_once_hold_little_each) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
