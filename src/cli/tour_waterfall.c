/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/waterfall: the page of `handfast story waterfall`, loaded over a network of the visitor's choice.
 */
#include "tour.h"

#include "alloc.h"
#include "allocator.h"
#include "text.h"
#include "waterfall.h"

enum { LOSS_MOST = 10, ROOM = 32768 };

typedef struct loading {
    hf_waterfall_network network;
    hf_waterfall loads[HF_WATERFALL_WAYS];
    bool good;
    char text[ROOM];
} loading;

static void load(void *what)
{
    loading *const l = what;
    l->good = true;
    for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++)
        l->good = l->good && hf_waterfall_load(way, &l->network, &l->loads[way]);
}

static hf_err tell(hf_req *rq, void *what)
{
    loading *const l = what;
    hf_err err = HF_OK;
    if (rq != NULL) {
        hf_writer w = hf_writer_make(l->text, sizeof l->text);
        for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS && l->good; way++) {
            hf_write_text(&w, way == 0 ? "[" : ",");
            hf_waterfall_json(&w, way, &l->loads[way]);
        }
        hf_write_text(&w, "]\n");
        err = l->good && !w.overflowed ? hf_reply(rq, 200, "application/json", hf_written(&w)) : hf_err_make(HF_ERR_BASE_LIMIT);
    }
    hf_free(hf_allocator_default(), l, sizeof *l);
    return err;
}

hf_err hf_tour_waterfall(hf_req *rq)
{
    const hf_bytes loss = hf_req_query(rq, "loss"), seed = hf_req_query(rq, "seed");
    uint64_t percent = 0, number = 1;
    if ((loss.len > 0 && (!hf_parse_decimal(loss, &percent) || percent > LOSS_MOST)))
        return hf_reply_problem(rq, 422, hf_err_make(HF_ERR_HTTP_NOT_A_NUMBER), loss);
    if (seed.len > 0 && !hf_parse_decimal(seed, &number))
        return hf_reply_problem(rq, 422, hf_err_make(HF_ERR_HTTP_NOT_A_NUMBER), seed);
    loading *const l = hf_alloc_zeroed(hf_allocator_default(), sizeof *l);
    if (l == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    l->network = HF_WATERFALL_USUAL;
    l->network.loss = (uint32_t)percent * 10000;
    l->network.seed = number;
    const hf_err err = hf_req_run_blocking(rq, load, tell, l);
    if (err.code != 0)
        hf_free(hf_allocator_default(), l, sizeof *l);
    return err;
}
