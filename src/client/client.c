/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/client.h: a client, and the loop in which its calls go on: ours, or turns made from another.
 */
#include "client_core.h"

#include "alloc.h"
#include "allocator.h"
#include "panic.h"
#include "public_suffix.h"

enum { CONNECTIONS_MOST = 256 };

/* ---- opening ------------------------------------------------------------------------------------------------ */

static hf_err check(hf_client *c, const hf_client_options *o)
{
    if (o->connect_ns < 0 || o->idle_ns < 0)
        return hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), "connect_ns and idle_ns are nanoseconds, 0 or more");
    if (o->connections > CONNECTIONS_MOST || o->connections_per_origin > CONNECTIONS_MOST)
        return hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), "at most %d connections", CONNECTIONS_MOST);
    for (size_t i = 0; i < o->alias_count; i++)
        if (o->aliases[i].to_port == 0 && (o->aliases[i].to_host == NULL || o->aliases[i].to_host[0] == 0))
            return hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), "aliases[%zu] leads nowhere else", i);
    return HF_OK;
}

static bool keep_aliases(hf_client *c, const hf_client_options *o)
{
    if (o->alias_count == 0)
        return true;
    c->aliases = hf_alloc_zeroed(hf_allocator_default(), o->alias_count * sizeof *c->aliases);
    if (c->aliases == NULL)
        return false;
    c->alias_count = o->alias_count;
    for (size_t i = 0; i < o->alias_count; i++) {
        const hf_client_alias *const a = &o->aliases[i];
        c->aliases[i] = (hf_dialer_alias){ .host = a->host != NULL ? a->host : "", .to_host = a->to_host != NULL ? a->to_host : "", .port = a->port, .to_port = a->to_port };
    }
    return true;
}

hf_err hf_client_open_in(hf_client **client, const hf_client_options *options, const hf_client_world *world)
{
    static const hf_client_options none = { .roots = NULL };
    static const hf_jar_options cookies = { .is_public_suffix = hf_public_suffix_is };
    const hf_client_options *const o = options != NULL ? options : &none;
    hf_client *const c = *client = hf_alloc_zeroed(hf_allocator_default(), sizeof *c);
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err bad = check(c, o);
    if (bad.code != 0)
        return bad;
    if (!keep_aliases(c, o))
        return hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_MEMORY), "out of memory");
    hf_writer why = hf_writer_make(c->why, sizeof c->why - 1);
    hf_dialer_options dialer = { .roots = o->roots, .insecure = o->insecure, .connect_ns = o->connect_ns, .limits = o->limits, .aliases = c->aliases,
        .alias_count = c->alias_count, .proxy_http = o->proxy_http, .proxy_https = o->proxy_https, .no_proxy = o->no_proxy != NULL ? o->no_proxy : "" };
    if (world != NULL)
        dialer.world = (hf_dialer_world){ .io = world->io, .env = world->env, .wait = world->wait, .self = world->self };
    c->own_loop = o->own_loop;
    c->dialer = hf_dialer_new(&dialer, &why);
    if (c->dialer == NULL || (o->own_loop && hf_dialer_descriptor(c->dialer) < 0))
        return hf_err_make(HF_ERR_IO_SYSTEM);
    c->pool = hf_line_pool_new(c->dialer, &(hf_line_pool_options){ .per_origin = o->connections_per_origin, .all = o->connections, .idle_ns = o->idle_ns });
    c->jar = o->cookies ? hf_jar_new(hf_dialer_env(c->dialer), &cookies) : NULL;
    return c->pool != NULL && (c->jar != NULL || !o->cookies) ? HF_OK : hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_MEMORY), "out of memory");
}

hf_err hf_client_open(hf_client **client, const hf_client_options *options)
{
    return hf_client_open_in(client, options, NULL);
}

const char *hf_client_why(const hf_client *c)
{
    return c != NULL ? c->why : "out of memory";
}

void hf_client_close(hf_client *c)
{
    if (c == NULL)
        return;
    HF_ASSERT(!c->turning); /* from within a function that the client called, nothing would be left to return to */
    while (c->calls != NULL)
        hf_client_call_free(c->calls);
    hf_line_pool_free(c->pool);
    hf_jar_free(c->jar);
    hf_dialer_free(c->dialer);
    hf_free(hf_allocator_default(), c->aliases, c->alias_count * sizeof *c->aliases);
    hf_free(hf_allocator_default(), c, sizeof *c);
}

void hf_client_count(const hf_client *c, hf_client_counts *counts)
{
    hf_line_pool_counts n = { 0 };
    if (c->pool != NULL)
        hf_line_pool_count(c->pool, &n);
    *counts = (hf_client_counts){ .requests = n.asked, .connections = n.opened, .reused = n.reused, .repeated = n.again };
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

/* From the front again after each: who is told may drop others, and begin some. */
static void end_late_ones(hf_client *c)
{
    const hf_time now = hf_dialer_now(c->dialer);
    for (hf_client_call *k = c->calls; k != NULL;) {
        if (k->over || hf_time_before(now, k->until)) {
            k = k->next;
            continue;
        }
        hf_client_call_give_up(k, hf_err_make(HF_ERR_CLIENT_DEADLINE), "no whole answer came in time (patience_ns)");
        k = c->calls;
    }
}

bool hf_client_turn(hf_client *c)
{
    hf_line_pool_event e;
    if (c->pool == NULL || c->turning)
        return c->under_way > 0;
    c->turning = true;
    if (c->own_loop)
        hf_dialer_turn(c->dialer);
    do {
        c->stirred = c->idle_source = false;
        while (hf_line_pool_next(c->pool, &e))
            hf_client_call_hear(e.call->user, &e);
        end_late_ones(c);
    } while (c->stirred && !c->own_loop);
    c->turning = false;
    return c->under_way > 0;
}

static hf_time wake(const hf_client *c)
{
    const hf_time now = hf_dialer_now(c->dialer);
    hf_time at = c->stirred ? now : hf_line_pool_wake(c->pool);
    for (const hf_client_call *k = c->calls; k != NULL; k = k->next)
        at = k->over ? at : hf_time_earlier(at, k->until);
    return c->idle_source ? hf_time_earlier(at, hf_time_after(now, HF_MILLISECONDS(10))) : at;
}

int hf_client_fd(const hf_client *c)
{
    return c != NULL && c->pool != NULL ? hf_dialer_descriptor(c->dialer) : -1;
}

int64_t hf_client_wait_ns(hf_client *c)
{
    return c->pool != NULL ? hf_dialer_wait_ns(c->dialer, wake(c)) : -1;
}

/* ---- our loop ----------------------------------------------------------------------------------------------- */

static bool may_wait(const hf_client *c)
{
    return c->pool != NULL && !c->own_loop && !c->turning;
}

void hf_client_run(hf_client *c)
{
    while (may_wait(c) && hf_client_turn(c))
        (void)hf_dialer_wait(c->dialer, wake(c), -1);
}

const hf_client_answer *hf_client_answer_of(const hf_client_call *k)
{
    return k->over ? &k->answer : NULL;
}

const hf_client_answer *hf_client_finish(hf_client_call *k)
{
    hf_client *const c = k->client;
    if (!may_wait(c))
        return hf_client_answer_of(k);
    k->pinned = true; /* a turn may have it dropped */
    while (!k->over) {
        (void)hf_client_turn(c);
        if (!k->over)
            (void)hf_dialer_wait(c->dialer, wake(c), -1);
    }
    k->pinned = false;
    if (!k->dropped)
        return hf_client_answer_of(k);
    hf_client_call_free(k);
    return NULL;
}

const hf_client_answer *hf_client_ask(hf_client *c, const hf_client_request *request)
{
    hf_err err = HF_OK;
    if (!may_wait(c))
        err = hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), c->pool == NULL ? "the client was not opened" : c->own_loop ?
            "with own_loop nothing waits here: hf_client_begin, and turns" : "from within the client's own calls nothing can be waited for: hf_client_begin");
    if (err.code == 0 && request->done != NULL)
        err = hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), "who waits for the answer is told of it: `done` is for hf_client_begin");
    hf_client_call *const before = c->asked;
    if (err.code == 0) {
        c->asked = NULL;
        hf_client_drop(before);
        err = hf_client_begin(c, request, &c->asked);
    }
    if (err.code == 0) {
        const hf_client_answer *const answer = hf_client_finish(c->asked);
        if (answer != NULL)
            return answer;
        err = hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), "the call was dropped before its answer was whole");
    }
    c->refused = (hf_client_answer){ .err = err, .words = c->why, .layer = HF_CLIENT_REQUEST, .url = request->url != NULL ? request->url : "" };
    return &c->refused;
}
