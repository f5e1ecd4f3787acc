/* SPDX-License-Identifier: Apache-2.0
 *
 * What the welcome site's tour asks of the server: /api/...
 */
#ifndef HF_CLI_TOUR_H
#define HF_CLI_TOUR_H

#include <handfast/app.h>

typedef struct hf_tour hf_tour;

/* What the tour's visitors change. One for all threads; the context of its routes. NULL when memory ends. */
hf_tour *hf_tour_new(void);
void hf_tour_free(hf_tour *t);
/* The tour's rows. Lends static memory. */
const hf_route *hf_tour_routes(size_t *count);

#endif
