/* SPDX-License-Identifier: Apache-2.0
 *
 * Which site answers to a host: an exact name wins over *.name, the longer *.name over the shorter, all over *.
 */
#ifndef HF_APP_HOSTS_H
#define HF_APP_HOSTS_H

#include <handfast/base.h>

#include "router.h"

/* One host of one site. Exact names as they are, in lower case and without a dot at the end, IPv6 addresses in brackets;
 * "*.example.com" is ".example.com" here, and "*" is "". */
typedef struct hf_host {
    hf_bytes key;
    size_t site; /* index of its site */
} hf_host;

/* A site's rows of a table of routes. */
typedef struct hf_site {
    size_t first, count;
} hf_site;

/* The key of a host as a configuration writes it. Lends from `host`. */
hf_bytes hf_host_key(hf_bytes host);
/* Sorts the table for hf_hosts_find. */
void hf_hosts_sort(hf_host *hosts, size_t count);
/* Of a sorted table: the row for the host that `authority` (with or without a port) names; NULL when no row fits. */
const hf_host *hf_hosts_find(const hf_host *hosts, size_t count, hf_bytes authority);

/* ---- the routers of sites ------------------------------------------------------------------------------------- */

typedef struct hf_sites hf_sites;

/* A router for each site; lends routes and hosts (sorted). NULL when a row is wrong or memory ends; every wrong row is
 * told in `why`, as by hf_router_new. */
hf_sites *hf_sites_new(const hf_allocator *alloc, const hf_route *routes, const hf_site *sites, size_t site_count,
    const hf_host *hosts, size_t host_count, hf_writer *why);
void hf_sites_free(hf_sites *s);
/* NULL: no site has this host. */
const hf_router *hf_sites_router(const hf_sites *s, hf_bytes authority);

#endif
