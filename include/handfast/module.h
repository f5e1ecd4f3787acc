/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/module.h - an application that `handfast serve` loads: routes in a shared object of your own.
 *
 *     static hf_err hello(hf_req *rq) { return hf_reply_text(rq, 200, "hello, %.*s\n", HF_STR(hf_path_arg(rq, "name"))); }
 *     static const hf_route routes[] = { { "GET", "/hello/{name}", .handle = hello } };
 *
 *     const hf_module handfast_module = { HF_MODULE_ABI, .name = "hello", .routes = routes, .route_count = HF_COUNT(routes) };
 *
 *     cc -shared -fPIC -o hello.so hello.c
 *
 * and in handfast.conf, in a site or in a route whose path ends in {rest...}:
 *
 *     app ./hello.so
 *
 * The program has all functions of handfast/app.h, realtime.h, topic.h, guards.h, guard.h, store.h, client.h, crypto.h, http.h
 * and base.h: a module is linked with no library of ours.
 */
#ifndef HANDFAST_MODULE_H
#define HANDFAST_MODULE_H

#include "app.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of what stands here. A program loads modules of its own version alone. */
#define HF_MODULE_VERSION 1
/* The first members of a module: what it was compiled against. */
#define HF_MODULE_ABI HF_MODULE_VERSION, sizeof(hf_route), sizeof(hf_limits)

/* A setting that a module takes: `set NAME VALUE` in the block of its app statement. */
typedef struct hf_module_setting {
    const char *name;  /* as it is written there */
    const char *value; /* what holds when nothing is said; NULL: nothing does */
    bool required;     /* it must be said */
} hf_module_setting;

/* What a module refuses to begin with. */
typedef struct hf_module_why {
    const char *setting; /* the one that is wrong: its place in the configuration is told with it. NULL: none */
    char text[256];      /* a sentence without a full stop */
} hf_module_why;

/* What a shared object is to the server. Members that are left out are zero, and that is fine but for the first four and `routes`. */
typedef struct hf_module {
    uint32_t version;                /* these three: HF_MODULE_ABI */
    size_t route_size, limits_size;
    const char *name;                /* in messages: "notes" */
    const hf_route *routes;          /* at least one; their paths stand below the site or route that the app statement is in */
    size_t route_count;
    const hf_module_setting *settings; /* those it takes; ends with a NULL name. NULL: none */
    /* Whether it could begin with these settings: the table above in its own order, values filled in. It changes nothing, for
     * `handfast check` asks it too. NULL: any will do. Values are lent for the call. */
    hf_err (*check)(const hf_module_setting *settings, hf_module_why *why);
    /* Begins: makes what hf_req_context answers on these routes. Each app statement has a context of its own, and so has each
     * reading of the configuration: after a reload it is called again while requests of before are still answered, so whatever
     * may differ belongs into the context. Threads that it starts take no signals. NULL: there is nothing to begin, and the
     * context is NULL. Values are lent until close. */
    hf_err (*open)(const hf_module_setting *settings, hf_module_why *why, void **context);
    /* Ends it: no request, no work and no ticket of it is left (hf_later), unless the process ends. In a thread of its own, once for
     * each context that was opened. Threads of the module are to end here. NULL: there is nothing to end. */
    void (*close)(void *context);
} hf_module;

/* Refuses to begin: what `check` and `open` return. `setting` may be NULL. */
static inline hf_err hf_module_refuse(hf_module_why *why, const char *setting, const char *text)
{
    size_t length = strlen(text);
    length = length < sizeof why->text ? length : sizeof why->text - 1;
    why->setting = setting;
    memcpy(why->text, text, length);
    why->text[length] = 0;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

/* The one symbol that a module exports, under this name, also where others are hidden. */
extern const hf_module handfast_module __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif
#endif
