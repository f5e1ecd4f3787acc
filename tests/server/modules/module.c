/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared objects for test_modules.c: one source, compiled once for each way in which a module can be right or wrong. WRONG is which, and
 * SYMBOL how its module is called. None calls a function of ours, so that any program can load it.
 */
#include <handfast/guards.h>
#include <handfast/module.h>

#include <stdlib.h>

enum { RIGHT, NO_SYMBOL, OTHER_VERSION, OTHER_HEADERS, NO_NAME, NO_ROUTES, WRONG_ROUTES, UNDEFINED, REFUSES, CANNOT_OPEN, GUARDED, DEEP };

/* A symbol by another name, and one that nobody has. */
extern const hf_module some_other_name __attribute__((visibility("default")));
void hf_there_is_no_such_function(void);

/* Until the stack ends. */
static int go_down(int depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    return depth == 0 ? 0 : go_down(depth - 1) + room[0];
}

static hf_err answer(hf_req *rq)
{
    (void)rq;
    if (WRONG == DEEP)
        return (hf_err){ go_down(0x7fffffff) };
    if (WRONG == UNDEFINED)
        hf_there_is_no_such_function();
    return HF_OK;
}

static const hf_route routes[] = {
    { .method = "GET", .path = "/", .handle = answer },
    { .method = "GET", .path = "/items/{id}", .handle = answer },
    { .method = "POST", .path = "/items", .handle = answer, .max_body = 1000, .takes = HF_TAKES_FORM },
};
static const hf_route wrong_routes[] = {
    { .method = "GET", .path = "items", .handle = answer },
    { .method = "get", .path = "/", .handle = answer },
    { .method = "GET", .path = "/", .handle = NULL },
};

static hf_guard guard;
static const hf_route guarded[] = {
    { .method = "GET", .path = "/", .handle = answer, .guards = { &guard, &guard, &guard, &guard, &guard, &guard, &guard, &guard } },
};

static const hf_module_setting settings[] = {
    { .name = "title", .value = "Items" },
    { .name = "colour" },
    { .name = NULL },
};
static const hf_module_setting needed[] = { { .name = "file", .required = true }, { .name = NULL } };

static hf_err check_settings(const hf_module_setting *given, hf_module_why *why)
{
    (void)given;
    return WRONG == REFUSES ? hf_module_refuse(why, "file", "no such file will do") : HF_OK;
}

static hf_err open_items(const hf_module_setting *given, hf_module_why *why, void **context)
{
    (void)given;
    if (WRONG == CANNOT_OPEN)
        return hf_module_refuse(why, NULL, "there is nothing to open");
    *context = malloc(1);
    return HF_OK;
}

static void close_items(void *context)
{
    free(context);
}

const hf_module SYMBOL = { HF_MODULE_VERSION + (WRONG == OTHER_VERSION), sizeof(hf_route) + (WRONG == OTHER_HEADERS), sizeof(hf_limits),
    .name = WRONG == NO_NAME ? NULL : "items",
    .routes = WRONG == WRONG_ROUTES ? wrong_routes : WRONG == GUARDED ? guarded : routes,
    .route_count = WRONG == NO_ROUTES ? 0 : WRONG == WRONG_ROUTES ? HF_COUNT(wrong_routes) : WRONG == GUARDED ? HF_COUNT(guarded) : HF_COUNT(routes),
    .settings = WRONG == REFUSES ? needed : settings, .check = check_settings, .open = open_items, .close = close_items };
