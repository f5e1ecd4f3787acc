/* SPDX-License-Identifier: Apache-2.0
 *
 * The const route table as a tree of path segments. Literal segments win over {name}, {name} over {name...}.
 */
#ifndef HF_APP_ROUTER_H
#define HF_APP_ROUTER_H

#include <handfast/app.h>

#include "arena.h"
#include "text.h"

enum { HF_ROUTE_ARGUMENTS = 8, HF_ROUTE_SEGMENTS = 32 };

typedef struct hf_router hf_router;

typedef struct hf_path_argument {
    const char *name; /* in the route's pattern, ends at '}' or '.' */
    size_t name_length;
    hf_bytes value;
} hf_path_argument;

typedef struct hf_route_match {
    const hf_route *route; /* NULL: no route answers to this path */
    uint32_t methods;      /* bit 1 << hf_method for each method the path has; 0 when there is no such path. All of them
                              when `route` is NULL, else those looked at until it was found */
    size_t argument_count;
    hf_path_argument arguments[HF_ROUTE_ARGUMENTS];
} hf_route_match;

/* Checks every row and builds the tree. Lends `routes`. NULL when a row is wrong or memory ends; every wrong row is
 * told in `why`, one line each. */
hf_router *hf_router_new(const hf_allocator *alloc, const hf_route *routes, size_t count, hf_writer *why);
void hf_router_free(hf_router *r);

/* `path` is normalised (hf_path_normalise); values of arguments lie in it. HEAD finds the row of GET when it has none. */
void hf_router_match(const hf_router *r, hf_method method, hf_bytes path, hf_route_match *match);
/* Every method that some row has, as bits. */
uint32_t hf_router_methods(const hf_router *r);

#endif
