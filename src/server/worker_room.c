/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_core.h"

#include "log.h"

void hf_worker_complain(hf_worker *w, hf_err err, const char *what)
{
    char text[256];
    hf_writer out = hf_writer_make(text, sizeof text);
    uint64_t untold;
    if (!hf_limit_tally_due(&w->tally, w->now, err, &untold))
        return;
    hf_limit_write(&out, err, w->current->env.limits);
    if (out.length > 0)
        hf_write_text(&out, ": ");
    hf_write_text(&out, what);
    if (untold > 0) {
        hf_write_text(&out, ", and ");
        hf_write_decimal(&out, untold);
        hf_write_text(&out, untold == 1 ? " time more since this was last said" : " times more since this was last said");
    }
    hf_log(HF_LOG_WARNING, err, "%.*s; %zu connections are open in this thread", HF_STR(hf_written(&out)), w->count);
}

/* Nothing is under way on it, nor about to be: its client has had a moment for its first words. */
static bool is_spare(const connection *c)
{
    const hf_dialog *d = &c->dialog;
    const bool fresh = d->requests == 0 && c->tenure->worker->now.ns - c->began.ns < HF_MILLISECONDS(100);
    return c->proxy == NULL && d->web != NULL && d->open == NULL && !c->refusing && !fresh && c->descriptor >= 0 &&
        hf_web_version(d->web) != 0 && hf_web_is_idle(d->web) && hf_web_unsent(d->web) == 0 && !hf_tcp_has_input(c->descriptor);
}

/* Among the oldest ones. RFC 9112 9.5: "A client, server, or proxy MAY close the transport connection at any time." */
bool hf_worker_close_spare(hf_worker *w)
{
    connection *c = w->oldest;
    for (unsigned i = 0; c != NULL && i < IDLE_LOOKED_AT; i++, c = c->previous)
        if (is_spare(c)) {
            hf_worker_bury(c);
            return true;
        }
    return false;
}

void hf_worker_shed_files(hf_worker *w)
{
    for (const hf_tenure *t = w->current; t != NULL; t = t->next)
        for (size_t i = 0; t->files != NULL && i < t->file_count; i++)
            if (t->files[i] != NULL)
                (void)hf_files_shed(t->files[i], FILES_SHED);
}

bool hf_worker_turn_away(connection *c, hf_err why)
{
    char text[HF_TURNED_AWAY];
    hf_writer out = hf_writer_make(text, sizeof text);
    hf_limit_write_answer(&out, why);
    return hf_web_turn_away(c->dialog.web, c->tenure->worker->now, hf_written(&out), why);
}

void hf_worker_see_off(connection *c)
{
    hf_tcp_discard_input(c->descriptor);
    hf_worker_bury(c);
}

bool hf_worker_is_beginning(const connection *c)
{
    return c->dialog.open == NULL && hf_web_version(c->dialog.web) == HF_HTTP_1_1 && !hf_web_is_idle(c->dialog.web);
}
