/* SPDX-License-Identifier: Apache-2.0
 *
 * simulated [SEED] - a test of an application on a bad network, without a network.
 *
 * The application counts visitors. Its clients ask again when they get no answer, as people do. The first version counts
 * requests, the second one visitors; the difference shows only when an answer is lost after the handler ran, which no test
 * on a good network ever sees. Here a seed shows it within a moment, and shows it again whenever it is asked to.
 *
 *     cc simulated.c $(pkg-config --cflags --libs handfast) -o simulated
 */
#include <handfast/sim.h>

#include <stdio.h>
#include <stdlib.h>

enum { VISITORS = 5, SEEDS = 200 };

/* ---- the application ---------------------------------------------------------------------------------------- */

typedef struct counter {
    unsigned visits;
    bool seen[VISITORS];
} counter;

/* POST /visits: one more, whoever it was. */
static hf_err count_request(hf_req *rq)
{
    counter *c = hf_req_context(rq);
    return hf_reply_text(rq, 200, "%u\n", ++c->visits);
}

/* PUT /visits/{who}: RFC 9110 9.2.2 calls it idempotent, and so it must be. */
static hf_err count_visitor(hf_req *rq)
{
    counter *c = hf_req_context(rq);
    const hf_bytes who = hf_path_arg(rq, "who");
    const unsigned i = who.len == 1 ? (unsigned)(who.ptr[0] - '0') : VISITORS;
    if (i >= VISITORS)
        return hf_reply_text(rq, 404, "nobody\n");
    c->visits += !c->seen[i];
    c->seen[i] = true;
    return hf_reply_text(rq, 200, "%u\n", c->visits);
}

static const hf_route routes[] = {
    { .method = "POST", .path = "/visits", .handle = count_request },
    { .method = "PUT", .path = "/visits/{who}", .handle = count_visitor },
};

/* ---- its test ----------------------------------------------------------------------------------------------- */

/* Each visitor comes once, and asks until there is an answer. Returns what was counted. */
static unsigned visit(uint64_t seed, bool by_name, uint64_t *trace)
{
    counter c = { 0 };
    hf_sim *sim = NULL;
    const hf_err err = hf_sim_server(&sim, &(hf_sim_options){
        .routes = routes, .route_count = HF_COUNT(routes), .context = &c, .seed = seed,
        .network = { .loss = 100000, .delay_ns = HF_MILLISECONDS(20), .jitter_ns = HF_MILLISECONDS(30) } });
    if (err.code != 0) {
        fprintf(stderr, "%s", hf_sim_why(sim));
        exit(1);
    }
    for (unsigned i = 0; i < VISITORS; i++) {
        char target[32];
        hf_sim_client *client = hf_sim_client_new(sim);
        snprintf(target, sizeof target, by_name ? "/visits/%u" : "/visits", i);
        const hf_sim_request request = { .method = by_name ? "PUT" : "POST", .target = target };
        hf_sim_begin(client, &request);
        hf_sim_run(sim, HF_MILLISECONDS(150)); /* nobody is patient, */
        if (i == seed % VISITORS)
            hf_sim_kill(sim);                  /* and once the server is started again */
        while (hf_sim_finish(client)->err.code != 0)
            hf_sim_begin(client, &request);
    }
    *trace = hf_sim_trace(sim);
    hf_sim_close(sim);
    return c.visits;
}

static int replay(uint64_t seed)
{
    uint64_t trace, again;
    const unsigned visits = visit(seed, false, &trace);
    (void)visit(seed, false, &again);
    printf("seed %llu: %d visitors, %u visits counted; trace %016llx%s\n", (unsigned long long)seed, VISITORS, visits,
           (unsigned long long)trace, trace == again ? ", twice" : " differs from the second run");
    return trace == again ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t trace;
    unsigned wrong = 0, first = 0;
    if (argc > 1)
        return replay(strtoull(argv[1], NULL, 10));
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        if (visit(seed, true, &trace) != VISITORS) {
            printf("seed %u: the second version counts wrongly\n", seed);
            return 1;
        }
        if (visit(seed, false, &trace) != VISITORS) {
            first = wrong == 0 ? seed : first;
            wrong++;
        }
    }
    printf("%u of %d seeds show that the first version counts requests, not visitors; the second one is right in all.\n", wrong, SEEDS);
    if (wrong > 0)
        printf("To see one again: simulated %u\n", first);
    return wrong > 0 ? 0 : 1;
}
