/* SPDX-License-Identifier: Apache-2.0
 *
 * The session guard, and what handlers do with sessions. A store in memory is asked at once; of one that blocks the record
 * is fetched by the pool while the request waits, and what is to be written is written down first and done there.
 */
#include "alloc.h"
#include "guards_store.h"
#include "realtime.h"

/* Fetched for a guard, and lent to hf_session_find in the store's place. */
struct hf_fetched {
    hf_err err;
    hf_session_record record;
    hf_store_work *after; /* what hf_session_find wants written; NULL: nothing */
    hf_req *rq;
    const hf_session_store *store;
};

hf_crypto *hf_crypto_of(hf_req *rq)
{
    hf_service *const s = rq->service;
    if (s->crypto == NULL)
        s->crypto = hf_crypto_new(s->env, NULL);
    return s->crypto;
}

struct hf_guarded *hf_guarded_found(const hf_req *rq)
{
    return rq->more != NULL ? rq->more->guarded : NULL;
}

static hf_cookie cookie_of(const hf_session_guard *g)
{
    hf_cookie k = g->cookie;
    if (k.name == NULL)
        k.name = "sid";
    return k;
}

/* ---- what was fetched, as a store ----------------------------------------------------------------------------- */

static hf_err fetched_get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    const struct hf_fetched *const f = self;
    (void)room; /* the data lie in the request's memory already */
    if (f->err.code != 0)
        return f->err;
    if (memcmp(f->record.key, key, 32) != 0)
        return hf_err_make(HF_ERR_SESSION_UNKNOWN);
    *record = f->record;
    return HF_OK;
}

static hf_session_store writer(struct hf_fetched *f)
{
    if (f->after == NULL)
        f->after = hf_store_work_new(f->rq, f->store);
    return f->after != NULL ? hf_store_work_recorder(f->after) : (hf_session_store){ .self = NULL };
}

/* A touch that gets lost lets a session idle a little earlier; a destroy that does is made up for by collecting. */
static hf_err fetched_touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    const hf_session_store s = writer(self);
    return s.self != NULL ? s.touch(s.self, key, used, until) : hf_err_make(HF_ERR_SESSION_STORE);
}
static hf_err fetched_destroy(void *self, const uint8_t key[32])
{
    const hf_session_store s = writer(self);
    return s.self != NULL ? s.destroy(s.self, key) : hf_err_make(HF_ERR_SESSION_STORE);
}

/* ---- fetching ------------------------------------------------------------------------------------------------- */

static hf_err keep_fetched(hf_req *rq, const hf_store_op *op)
{
    struct hf_guarded *const found = rq->more->guarded;
    struct hf_fetched *const f = hf_req_memory(rq, sizeof *f);
    uint8_t *const data = op->record.data.len > 0 && op->err.code == 0 ? hf_req_memory(rq, op->record.data.len) : NULL;
    if (f == NULL || (op->err.code == 0 && op->record.data.len > 0 && data == NULL))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *f = (struct hf_fetched){ .err = op->err, .record = op->record, .rq = rq, .store = &found->sessions->store };
    if (op->err.code == 0 && op->record.data.len > 0)
        memcpy(data, op->record.data.ptr, op->record.data.len);
    f->record.data = hf_bytes_make(data, op->err.code == 0 ? op->record.data.len : 0);
    found->fetched = f;
    return HF_OK;
}

static hf_err fetch_done(hf_req *rq, void *what)
{
    hf_store_work *const w = what;
    const bool late = rq == NULL || rq->answered;
    const hf_err err = late ? HF_OK : keep_fetched(rq, &w->ops[0]);
    hf_store_work_free(w);
    return late || err.code != 0 ? err : hf_guards_go_on(rq);
}

static hf_err fetch(hf_session_guard *g, hf_req *rq, const uint8_t key[32])
{
    hf_store_work *const w = hf_store_work_new(rq, &g->store);
    if (w == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_store_work_get(w, key);
    const hf_err err = hf_store_work_run(rq, w, fetch_done);
    return err.code != 0 ? err : hf_guards_wait(rq);
}

static hf_err find_fetched(hf_session_guard *g, hf_req *rq, hf_bytes value, struct hf_guarded *found, hf_why *why)
{
    struct hf_fetched *const f = found->fetched;
    const hf_session_store store = { .self = f, .get = fetched_get, .touch = fetched_touch, .destroy = fetched_destroy };
    const hf_err err = hf_session_find(hf_crypto_of(rq), &g->rules, &store, value, rq->service->wall, (hf_span){ NULL, 0 }, &found->session, why);
    if (f->after != NULL)
        hf_store_work_leave(rq, f->after);
    f->after = NULL;
    return err;
}

static hf_err find_at_once(hf_session_guard *g, hf_req *rq, hf_bytes value, struct hf_guarded *found, hf_why *why)
{
    enum { USUAL_BYTES = 64 }; /* most sessions are small: the large room is got when it is needed */
    const size_t most = (size_t)rq->service->env->limits->session_bytes, sizes[] = { most < USUAL_BYTES ? most : USUAL_BYTES, most };
    hf_err err = hf_err_make(HF_ERR_BASE_LIMIT);
    for (size_t i = 0; i < HF_COUNT(sizes) && err.code == HF_ERR_BASE_LIMIT; i++) {
        uint8_t *const room = value.len > 0 ? hf_req_memory(rq, sizes[i] + 1) : NULL;
        if (value.len > 0 && room == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        const hf_span span = { room, room != NULL ? sizes[i] : 0 };
        err = hf_session_find(hf_crypto_of(rq), &g->rules, &g->store, value, rq->service->wall, span, &found->session, why);
    }
    return err;
}

static hf_err find_session(hf_session_guard *g, hf_req *rq, struct hf_guarded *found, hf_why *why)
{
    char name[HF_COOKIE_NAME_MOST];
    uint8_t key[32];
    hf_bytes value;
    const hf_cookie k = cookie_of(g);
    const hf_err err = hf_cookie_find(rq->head.fields, hf_bytes_make(name, hf_cookie_name(&k, name)), &value, why);
    if (err.code != 0)
        return err;
    if (hf_crypto_of(rq) == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (found->fetched != NULL)
        return find_fetched(g, rq, value, found, why);
    if (g->store.blocks && value.len > 0 && hf_session_key(hf_crypto_of(rq), value, key))
        return fetch(g, rq, key);
    return find_at_once(g, rq, value, found, why); /* a value of no form asks no store */
}

/* ---- the guard ------------------------------------------------------------------------------------------------ */

/* What is the visitor's lack, and none of ours. */
static bool is_absence(hf_err err)
{
    return err.code == HF_ERR_SESSION_NONE || err.code == HF_ERR_SESSION_UNKNOWN || err.code == HF_ERR_SESSION_IDLE || err.code == HF_ERR_SESSION_OVER ||
           err.code == HF_ERR_SESSION_FORM || err.code == HF_ERR_COOKIE_TWICE;
}

hf_err hf_guard_session_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_session_guard *const g = (hf_session_guard *)self;
    struct hf_guarded *const found = hf_guarded_of(rq);
    if (found == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    found->sessions = g;
    if (found->fetched == NULL)
        hf_store_collect(rq, &g->store, &g->collected);
    const hf_err err = find_session(g, rq, found, why);
    if (rq->more->guards_wait)
        return err;
    found->has_session = err.code == 0;
    return is_absence(err) && g->optional ? HF_OK : err;
}

/* ---- for handlers --------------------------------------------------------------------------------------------- */

static hf_err set_cookie(hf_req *rq, const hf_session_guard *g, hf_bytes value, bool gone)
{
    char *const out = hf_req_memory(rq, HF_COOKIE_FIELD_MOST);
    size_t n;
    hf_cookie k = cookie_of(g);
    if (gone)
        k.max_age_s = -1;
    if (out == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = hf_cookie_write(&k, value, out, &n, NULL);
    return err.code != 0 ? err : hf_reply_field(rq, "Set-Cookie", hf_bytes_make(out, n));
}

static hf_err set_id(hf_req *rq, struct hf_guarded *found)
{
    found->has_session = true;
    return set_cookie(rq, found->sessions, hf_bytes_make(found->session.id, HF_SESSION_COOKIE), false);
}

hf_session *hf_req_session(hf_req *rq)
{
    struct hf_guarded *const found = hf_guarded_found(rq);
    return found != NULL && found->has_session ? &found->session : NULL;
}

/* What each of the functions below needs: a guard that looked, randomness, and a store that may be asked here. */
static hf_err ready(hf_req *rq, struct hf_guarded **found, bool here)
{
    *found = hf_guarded_found(rq);
    if (*found == NULL || (*found)->sessions == NULL || (here && (*found)->sessions->store.blocks))
        return hf_err_make(HF_ERR_BASE_USAGE);
    return hf_crypto_of(rq) != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

static hf_err begin(hf_req *rq, struct hf_guarded *found, const hf_session_store *store)
{
    const hf_err err = hf_session_begin(hf_crypto_of(rq), &found->sessions->rules, rq->service->wall, &found->session);
    return err.code != 0 ? err : hf_session_save(rq->service->env, store, &found->session);
}

static hf_err log_in(hf_req *rq, struct hf_guarded *found, const hf_session_store *store, hf_bytes subject)
{
    if (!found->has_session)
        found->session = (hf_session){ .ended = true };
    return hf_session_login(hf_crypto_of(rq), &found->sessions->rules, store, &found->session, subject, rq->service->wall);
}

hf_err hf_req_session_begin(hf_req *rq, hf_session **session)
{
    struct hf_guarded *found;
    hf_err err = ready(rq, &found, true);
    *session = NULL;
    if (err.code == 0 && !found->has_session) {
        err = begin(rq, found, &found->sessions->store);
        if (err.code == 0)
            err = set_id(rq, found);
    }
    if (err.code == 0)
        *session = &found->session;
    return err;
}

hf_err hf_req_session_save(hf_req *rq)
{
    struct hf_guarded *found;
    const hf_err err = ready(rq, &found, true);
    if (err.code != 0)
        return err;
    return found->has_session ? hf_session_save(rq->service->env, &found->sessions->store, &found->session) : hf_err_make(HF_ERR_BASE_USAGE);
}

hf_err hf_req_login(hf_req *rq, hf_bytes subject)
{
    struct hf_guarded *found;
    hf_err err = ready(rq, &found, true);
    if (err.code != 0)
        return err;
    err = log_in(rq, found, &found->sessions->store, subject);
    found->has_session = err.code == 0;
    return err.code != 0 ? err : set_id(rq, found);
}

hf_err hf_req_logout(hf_req *rq)
{
    struct hf_guarded *found;
    hf_err err = ready(rq, &found, true);
    if (err.code != 0)
        return err;
    err = found->has_session ? hf_session_logout(&found->sessions->store, &found->session) : HF_OK;
    found->has_session = false;
    return err.code != 0 ? err : set_cookie(rq, found->sessions, hf_text(""), true);
}

/* ---- for handlers, with any store ----------------------------------------------------------------------------- */

/* What was written down is done, or was not: then nobody goes on. */
static hf_err continue_with(hf_req *rq, hf_store_work *w, hf_err (*finish)(hf_req *rq, struct hf_guarded *found))
{
    hf_handler *const then = w->then;
    hf_err err = w->err;
    for (size_t i = 0; err.code == 0 && i < w->count; i++)
        err = w->ops[i].err;
    hf_store_work_free(w);
    if (rq == NULL || rq->answered) /* nobody waits any more: what was written is */
        return HF_OK;
    struct hf_guarded *const found = rq->more->guarded;
    found->has_session = false;
    if (err.code != 0)
        return hf_guards_deny(rq, &found->sessions->guard, err);
    err = finish(rq, found);
    return err.code != 0 ? err : then(rq);
}

static hf_err finish_gone(hf_req *rq, struct hf_guarded *found)
{
    return set_cookie(rq, found->sessions, hf_text(""), true);
}
static hf_err finish_saved(hf_req *rq, struct hf_guarded *found)
{
    (void)rq;
    found->has_session = true;
    return HF_OK;
}
static hf_err done_new(hf_req *rq, void *what)
{
    return continue_with(rq, what, set_id);
}
static hf_err done_gone(hf_req *rq, void *what)
{
    return continue_with(rq, what, finish_gone);
}
static hf_err done_saved(hf_req *rq, void *what)
{
    return continue_with(rq, what, finish_saved);
}

/* Gives *recorder, which writes down what hf_session_... wants. */
static hf_store_work *plan(hf_req *rq, const struct hf_guarded *found, hf_handler *then, hf_session_store *recorder)
{
    hf_store_work *const w = hf_store_work_new(rq, &found->sessions->store);
    if (w != NULL) {
        w->then = then;
        *recorder = hf_store_work_recorder(w);
    }
    return w;
}

static hf_err carry_out(hf_req *rq, hf_store_work *w, hf_err err, hf_task *done)
{
    if (err.code == 0)
        return hf_store_work_run(rq, w, done);
    hf_store_work_free(w);
    return err;
}

hf_err hf_req_session_begin_then(hf_req *rq, hf_handler *then)
{
    struct hf_guarded *found;
    hf_session_store recorder;
    hf_session *session;
    hf_err err = ready(rq, &found, false);
    if (err.code != 0)
        return err;
    if (!found->sessions->store.blocks || found->has_session) {
        err = found->has_session ? HF_OK : hf_req_session_begin(rq, &session);
        return err.code != 0 ? err : then(rq);
    }
    hf_store_work *const w = plan(rq, found, then, &recorder);
    return w == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : carry_out(rq, w, begin(rq, found, &recorder), done_new);
}

hf_err hf_req_session_save_then(hf_req *rq, hf_handler *then)
{
    struct hf_guarded *found;
    hf_session_store recorder;
    hf_err err = ready(rq, &found, false);
    if (err.code != 0 || !found->has_session)
        return err.code != 0 ? err : hf_err_make(HF_ERR_BASE_USAGE);
    if (!found->sessions->store.blocks) {
        err = hf_req_session_save(rq);
        return err.code != 0 ? hf_guards_deny(rq, &found->sessions->guard, err) : then(rq);
    }
    hf_store_work *const w = plan(rq, found, then, &recorder);
    return w == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : carry_out(rq, w, hf_session_save(rq->service->env, &recorder, &found->session), done_saved);
}

hf_err hf_req_login_then(hf_req *rq, hf_bytes subject, hf_handler *then)
{
    struct hf_guarded *found;
    hf_session_store recorder;
    hf_err err = ready(rq, &found, false);
    if (err.code != 0)
        return err;
    if (!found->sessions->store.blocks) {
        err = hf_req_login(rq, subject);
        return err.code != 0 ? err : then(rq);
    }
    hf_store_work *const w = plan(rq, found, then, &recorder);
    return w == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : carry_out(rq, w, log_in(rq, found, &recorder, subject), done_new);
}

hf_err hf_req_logout_then(hf_req *rq, hf_handler *then)
{
    struct hf_guarded *found;
    hf_session_store recorder;
    hf_err err = ready(rq, &found, false);
    if (err.code != 0)
        return err;
    if (!found->sessions->store.blocks || !found->has_session) {
        err = found->sessions->store.blocks ? finish_gone(rq, found) : hf_req_logout(rq);
        return err.code != 0 ? err : then(rq);
    }
    hf_store_work *const w = plan(rq, found, then, &recorder);
    return w == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : carry_out(rq, w, hf_session_logout(&recorder, &found->session), done_gone);
}

hf_err hf_req_logout_everywhere_then(hf_req *rq, hf_handler *then)
{
    struct hf_guarded *found;
    hf_session_store store;
    size_t count;
    hf_err err = ready(rq, &found, false);
    if (err.code != 0 || !found->has_session || found->session.record.subject[0] == 0)
        return err.code != 0 ? err : hf_err_make(HF_ERR_BASE_USAGE);
    store = found->sessions->store;
    const hf_bytes who = hf_text(found->session.record.subject);
    if (!store.blocks) {
        err = store.destroy_subject(store.self, who, &count);
        found->has_session = false;
        if (err.code != 0)
            return hf_guards_deny(rq, &found->sessions->guard, err);
        err = finish_gone(rq, found);
        return err.code != 0 ? err : then(rq);
    }
    hf_store_work *const w = plan(rq, found, then, &store);
    return w == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : carry_out(rq, w, store.destroy_subject(store.self, who, &count), done_gone);
}

/* ---- live routes ---------------------------------------------------------------------------------------------- */

static hf_time next_look(const hf_req *rq)
{
    return hf_time_after(rq->service->now, (int64_t)rq->service->env->limits->session_recheck_ns);
}

/* The session of a WebSocket or an event stream has ended: so does that. */
static void end_live(hf_req *rq)
{
    hf_err err;
    if (rq->error.code == 0)
        rq->error = hf_err_make(HF_ERR_SESSION_UNKNOWN);
    if (rq->more->socket != NULL)
        err = hf_socket_close(rq, HF_WEBSOCKET_POLICY, hf_text("the session has ended"));
    else
        err = hf_reply_end(rq);
    (void)err.code; /* closing already is as good */
}

static void look(hf_req *rq, hf_err err, const hf_session_record *record)
{
    struct hf_guarded *const found = rq->more->guarded;
    const bool over = err.code == HF_ERR_SESSION_UNKNOWN || (err.code == 0 && record->until.s <= rq->service->wall.s);
    if (!over || rq->answer_ended) { /* a store that fails ends nothing: it is asked again */
        found->look_at = next_look(rq);
        return;
    }
    found->look_at = HF_NEVER;
    found->has_session = false;
    end_live(rq);
}

static hf_err looked(hf_req *rq, void *what)
{
    hf_store_work *const w = what;
    if (rq != NULL)
        look(rq, w->ops[0].err, &w->ops[0].record);
    hf_store_work_free(w);
    return HF_OK;
}

hf_time hf_guards_wake(const hf_req *rq)
{
    const struct hf_guarded *const found = hf_guarded_found(rq);
    const hf_route *const route = rq->match.route;
    if (found == NULL || !found->has_session || route == NULL || (route->websocket == NULL && route->events == NULL) || !rq->answered || rq->answer_ended)
        return HF_NEVER;
    return found->look_at.ns != 0 ? found->look_at : rq->service->now;
}

/* No data are wanted: that they do not fit into nothing means that the session is there. */
void hf_guards_tick(hf_req *rq)
{
    struct hf_guarded *const found = rq->more->guarded;
    const hf_session_store *const s = &found->sessions->store;
    if (found->look_at.ns == 0) {
        found->look_at = next_look(rq);
        return;
    }
    found->look_at = hf_time_make(HF_NEVER_NS - 1); /* until it was looked */
    hf_store_work *const w = s->blocks ? hf_store_work_new(rq, s) : NULL;
    if (w != NULL) {
        hf_store_work_get(w, found->session.record.key);
        if (hf_store_work_run(rq, w, looked).code != 0)
            found->look_at = next_look(rq);
        return;
    }
    hf_session_record record = found->session.record;
    const hf_err err = s->blocks ? hf_err_make(HF_ERR_SESSION_STORE) : s->get(s->self, found->session.record.key, &record, (hf_span){ NULL, 0 });
    look(rq, err, &record);
}
