/* SPDX-License-Identifier: Apache-2.0
 *
 * The application of test_apps.py: it tells which of its contexts answers, holds requests until it is told to go on, and falls. Each
 * context writes into the file `log` when it is opened and when it is closed.
 */
#include <handfast/guards.h>
#include <handfast/module.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOG, GATE };
static const hf_module_setting settings[] = { { .name = "log", .required = true }, { .name = "gate", .value = "/nonexistent" }, { .name = NULL } };

typedef struct context {
    const hf_module_setting *settings;
    char name[64];
} context;

static void note(const context *c, const char *what)
{
    FILE *const f = fopen(c->settings[LOG].value, "a");
    if (f != NULL) {
        fprintf(f, "%s %s\n", what, c->name);
        fclose(f);
    }
}

static hf_err open_context(const hf_module_setting *given, hf_module_why *why, void **made)
{
    static _Atomic int count;
    context *const c = calloc(1, sizeof *c);
    (void)why;
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    c->settings = given;
    snprintf(c->name, sizeof c->name, "%ld-%p-%d", (long)getpid(), (void *)settings, ++count); /* process, copy, and context */
    note(c, "open");
    *made = c;
    return HF_OK;
}

static void close_context(void *made)
{
    note(made, "close");
    free(made);
}

static hf_err who(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%s", ((context *)hf_req_context(rq))->name);
}

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello %.*s of %.*s", HF_STR(hf_path_arg(rq, "name")), HF_STR(hf_path_arg(rq, "tenant")));
}

/* In a thread for blocking work: until the file `gate` is there. */
static void wait_for_gate(void *what)
{
    const context *const c = what;
    const struct timespec pause = { 0, 2000000 };
    note(c, "work");
    for (int i = 0; i < 30000 && access(c->settings[GATE].value, F_OK) != 0; i++)
        nanosleep(&pause, NULL);
    note(c, "worked");
}

static hf_err answer_held(hf_req *rq, void *what)
{
    return rq != NULL ? hf_reply_text(rq, 200, "%s", ((context *)what)->name) : HF_OK;
}

static hf_err held(hf_req *rq)
{
    return hf_req_run_blocking(rq, wait_for_gate, answer_held, hf_req_context(rq));
}

static hf_err fall(hf_req *rq)
{
    (void)rq;
    abort();
}

/* Until the stack ends. */
static int go_down(int depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    return depth == 0 ? 0 : go_down(depth - 1) + room[0];
}

static hf_err deep(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%d", go_down(0x7fffffff));
}

/* A guard of the application's own, which would tell why. */
static hf_err nobody(hf_guard *self, hf_req *rq, hf_why *why)
{
    (void)self, (void)rq;
    *why = (hf_why){ .err = hf_err_make(HF_ERR_CSRF_ORIGIN_MISMATCH), .got = "you", .wanted = "somebody else" };
    return why->err;
}
static hf_guard talkative = { .check = nobody, .explain = true };

static const hf_route routes[] = {
    { .method = "GET", .path = "/who", .handle = who },
    { .method = "GET", .path = "/hello/{name}", .handle = hello },
    { .method = "GET", .path = "/held", .handle = held },
    { .method = "GET", .path = "/fall", .handle = fall },
    { .method = "GET", .path = "/deep", .handle = deep },
    { .method = "GET", .path = "/closed", .handle = who, .guards = { &talkative } },
};

const hf_module handfast_module = { HF_MODULE_ABI, .name = "tested", .routes = routes, .route_count = HF_COUNT(routes), .settings = settings,
    .open = open_context, .close = close_context };
