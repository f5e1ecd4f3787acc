/* SPDX-License-Identifier: Apache-2.0
 *
 * Downloads over networks made from a seed: they lose, repeat, delay, change and mark; they carry more and then less; the
 * client comes from another port or another address, by a NAT or of its own will; keys change; and somebody sends copies of
 * the client's packets from an address that is not his. Whatever happens, everything arrives once and in order, and nobody
 * is sent more than three times what came from him. HF_QUIC_SEEDS says how many (60), HF_SEED from which on (1).
 */
#include "rig.h"

enum { HAPPENINGS = 12, DOWNLOAD = 400000 };

static hf_random chance; /* what happens: apart from the network's own */

static uint64_t below(uint64_t n)
{
    return hf_random_below(&chance, n);
}

/* RFC 9000 9.3.3: one packet in some is sent by an attacker, too, who may be quicker. */
static bool attack(rig *r, rig_packet *p)
{
    if (!p->to_server || r->victim.port == 0 || below(8) != 0 || r->flying + 3 > RIG_FLIGHT)
        return true;
    rig_packet copy = *p;
    copy.bytes = malloc(p->length);
    memcpy(copy.bytes, p->bytes, p->length);
    copy.path.remote = r->victim;
    copy.at = hf_time_make(p->at.ns + (int64_t)below(20000000) - 9000000);
    copy.order = r->order++;
    if (copy.at.ns <= r->now.ns)
        copy.at = hf_time_after(r->now, 1);
    r->from_victim += p->length;
    r->flight[r->flying++] = copy;
    return true;
}

static size_t any_mtu(void)
{
    static const size_t sizes[] = { 0, 1500, 1452, 1400, 1300, 1280, 1252, 1200 };
    return sizes[below(HF_COUNT(sizes))];
}

static void move_nat(rig *r)
{
    const hf_quic_address own = hf_quic_route(r->client.q)->path.local;
    for (unsigned i = 0; i < r->client.q->route_count; i++)
        if (i != r->client.q->route && r->client.q->routes[i].on) /* it is about to move: a NAT has one address for it */
            return;
    r->client_address = own; /* behind the NAT */
    r->nat = own;
    r->nat.port = (uint16_t)(20000 + below(20000));
    r->nat.ip[15] = below(3) == 0 ? (uint8_t)(100 + below(50)) : own.ip[15];
}

static void migrate(rig *r)
{
    hf_quic_address other = hf_quic_route(r->client.q)->path.local;
    if (r->nat.port != 0) /* behind the NAT there is but one address */
        return;
    other.ip[15] = (uint8_t)(20 + below(60));
    (void)hf_quic_migrate(r->client.q, r->now, &other).code;
}

static void happen(rig *r)
{
    switch (below(9)) {
    case 0: case 1: move_nat(r); break;
    case 2: migrate(r); break;
    case 3: r->mtu = any_mtu(); break;
    case 4: (void)hf_quic_update_keys(below(2) == 0 ? r->client.q : r->server.q, r->now).code; break;
    case 5: r->loss = (uint32_t)below(150000); break;
    case 6:
        r->cut = true;
        rig_run(r, (int64_t)below(HF_SECONDS(2)));
        r->cut = false;
        break;
    case 7: r->victim = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 203, 0, 113, 5 }, .port = 53 }; break;
    default: r->victim.port = 0; break;
    }
}

static void set_up(rig *r, uint64_t seed)
{
    rig_open(r, seed);
    hf_random_seed(&chance, seed * 77 + 5);
    r->loss = below(3) == 0 ? 0 : (uint32_t)below(100000);
    r->late = (uint32_t)below(300000);
    r->doubled = below(2) == 0 ? 0 : (uint32_t)below(50000);
    r->corrupt = below(2) == 0 ? 0 : (uint32_t)below(20000);
    r->marked = below(4) == 0 ? (uint32_t)below(100000) : 0;
    r->delay_ns = HF_MILLISECONDS(1) + (int64_t)below(HF_MILLISECONDS(80));
    r->mtu = any_mtu();
    r->w.limits.quic_handshake_ns = HF_SECONDS(60);
    r->config[0].newreno = below(4) == 0;
    r->config[0].always_retry = below(4) == 0;
    r->config[0].version_2 = below(4) == 0;
    r->config[1].version_2 = below(4) == 0;
    r->config[0].idle_ns = r->config[1].idle_ns = HF_SECONDS(300);
    if (below(3) == 0) /* it wants its clients elsewhere, where it may not be */
        r->config[0].preferred[0] = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 198, 51, 100, 7 }, .port = 8443 };
    r->config[1].keep_alive_ns = HF_MILLISECONDS(250); /* who only receives must speak up after a NAT forgot him */
    r->filter = attack;
    r->server.keeps = true;
}

static bool arrived(rig *r, const hf_lane *lanes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!rig_lane_of(&r->client, lanes[i])->fin)
            return false;
    return true;
}

static void one_seed(uint64_t seed)
{
    static rig r;
    hf_lane lanes[3];
    set_up(&r, seed);
    rig_start(&r);
    for (int i = 0; i < 240 && !(r.client.confirmed && r.server.confirmed); i++)
        rig_run(&r, HF_MILLISECONDS(250));
    if (!r.client.confirmed || !r.server.confirmed)
        fail_msg("seed %d: no handshake", (int)seed);
    r.server.echo = DOWNLOAD / HF_COUNT(lanes);
    for (size_t i = 0; i < HF_COUNT(lanes); i++)
        lanes[i] = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000 + below(20000));
    for (int i = 0; i < HAPPENINGS; i++) {
        rig_run(&r, HF_MILLISECONDS(1) + (int64_t)below(HF_MILLISECONDS(300)));
        if (r.client.q->state != HF_QUIC_OPEN || r.server.q->state != HF_QUIC_OPEN)
            fail_msg("seed %d: it is over: %s, %s", (int)seed, hf_err_describe(hf_quic_fault_of(r.client.q)->err)->id,
                     hf_err_describe(hf_quic_fault_of(r.server.q)->err)->id);
        happen(&r);
    }
    r.loss = r.loss < 50000 ? r.loss : 50000;
    for (int i = 0; i < 2000 && !arrived(&r, lanes, HF_COUNT(lanes)); i++)
        rig_run(&r, HF_MILLISECONDS(100));
    for (size_t i = 0; i < HF_COUNT(lanes); i++)
        if (rig_lane_of(&r.client, lanes[i])->read != DOWNLOAD / HF_COUNT(lanes))
            fail_msg("seed %d: lane %d stands at %d of %d", (int)seed, (int)lanes[i], (int)rig_lane_of(&r.client, lanes[i])->read,
                     (int)(DOWNLOAD / HF_COUNT(lanes)));
    if (r.to_victim > 3 * r.from_victim)
        fail_msg("seed %d: %d bytes to a victim, for %d", (int)seed, (int)r.to_victim, (int)r.from_victim);
    rig_close(&r);
}

static void every_download_arrives(void **state)
{
    (void)state;
    const char *const count = getenv("HF_QUIC_SEEDS"), *const first = getenv("HF_SEED");
    const uint64_t n = count != NULL ? strtoull(count, NULL, 10) : 60, from = first != NULL ? strtoull(first, NULL, 10) : 1;
    for (uint64_t seed = from; seed < from + n; seed++)
        one_seed(seed);
    printf("# %d seeds\n", (int)n);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_download_arrives) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
