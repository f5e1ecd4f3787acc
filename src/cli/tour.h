/* SPDX-License-Identifier: Apache-2.0
 *
 * What the welcome site's tour asks of the server: /api/...
 */
#ifndef HF_CLI_TOUR_H
#define HF_CLI_TOUR_H

#include <handfast/app.h>

typedef struct hf_tour hf_tour;

/* What the tour's visitors change. One for all threads; the context of its routes. Gives *tour, NULL with an error. */
hf_err hf_tour_open(hf_tour **tour);
void hf_tour_free(hf_tour *t);
/* The tour's rows. Lends static memory. */
const hf_route *hf_tour_routes(size_t *count);
/* tour_waterfall.c: GET /api/waterfall?loss=PERCENT&seed=N */
hf_err hf_tour_waterfall(hf_req *rq);

/* tour_handshake.c: GET /api/handshake */
hf_err hf_tour_handshake(hf_req *rq);

/* tour_guards.c: what its routes stand on. Closing is needed with an error, too. */
hf_err hf_tour_guards_open(void);
void hf_tour_guards_close(void);
const hf_route *hf_tour_guards_routes(size_t *count);
/* tour_attack.c, tour_compare.c: likewise. */
hf_err hf_tour_attack_open(void);
void hf_tour_attack_close(void);
const hf_route *hf_tour_attack_routes(size_t *count);
hf_err hf_tour_compare_open(void);
void hf_tour_compare_close(void);
const hf_route *hf_tour_compare_routes(size_t *count);

#endif
