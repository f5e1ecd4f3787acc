/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections there are, in all and from each address: shared by the threads of a serving process, and touched
 * only when a connection comes or goes.
 */
#ifndef HF_SERVER_CENSUS_H
#define HF_SERVER_CENSUS_H

#include "io.h"

typedef struct hf_census hf_census;

/* NULL when memory ends. `connections` and `per_address` are the limits. */
hf_census *hf_census_new(const hf_allocator *alloc, uint64_t connections, uint64_t per_address);
void hf_census_free(hf_census *c);

/* Counts a connection from `peer`, always, and says which limit it is over: HF_OK, HF_ERR_HTTP_CONNECTIONS,
 * HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS. Every enter is paid with a leave. IPv6 counts by /64: that is what one customer
 * is given. */
hf_err hf_census_enter(hf_census *c, const hf_address *peer);
void hf_census_leave(hf_census *c, const hf_address *peer);
/* Other limits from now on. */
void hf_census_limit(hf_census *c, uint64_t connections, uint64_t per_address);
/* Not more than there are descriptors for, whatever the limits say: above this HF_ERR_IO_DESCRIPTORS_KEPT; so many more are
 * `kept` back. Until this is called there is no such bound. */
void hf_census_descriptors(hf_census *c, uint64_t connections, uint64_t kept);
uint64_t hf_census_kept(const hf_census *c);
uint64_t hf_census_count(const hf_census *c);

#endif
