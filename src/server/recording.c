/* SPDX-License-Identifier: Apache-2.0 */
#include "recording.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <handfast/version.h>

#include "counts.h"
#include "engine.h"
#include "serving.h"

const char *hf_recording_refuses(const hf_serve_options *o)
{
    if (o->config != NULL)
        return "a server with a configuration is not recorded: neither its files nor its environment would be on it";
    if (o->welcome)
        return "the welcome site is not recorded: some of its pages draw from more than the network and files";
    if (o->door.kind != HF_DOOR_NONE)
        return "our own network stack is not recorded: leave --net out";
    if (o->threads > 1)
        return "a recording is of one thread: no --threads above 1 with it";
    for (size_t i = 0; i < o->listener_count; i++)
        if (o->listeners[i].tls)
            return "https is not recorded: it would hold the keys of its connections; record http listeners";
    return NULL;
}

int hf_recording_create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* ---- the beginning ------------------------------------------------------------------------------------------ */

static bool note_argument(char **argument, hf_tape *t)
{
    char *text = *argument;
    if (hf_tape_plays(t))
        text = calloc(1, HF_RECORDING_ARGUMENT);
    if (text == NULL)
        return false;
    *argument = text;
    return strlen(text) < HF_RECORDING_ARGUMENT && hf_tape_text(t, text, HF_RECORDING_ARGUMENT);
}

static bool note_listener(hf_listening *l, hf_tape *t)
{
    uint64_t family = l->at.family, port = l->at.port, scope = l->at.scope;
    l->fd = hf_tape_plays(t) ? -1 : l->fd;
    if (!hf_tape_number(t, &family) || !hf_tape_number(t, &port) || !hf_tape_number(t, &scope) ||
        !hf_tape_begin(t, HF_TAPE_TEXT, 1))
        return false;
    hf_tape_bytes(t, l->at.ip, sizeof l->at.ip);
    l->at.family = (uint8_t)family;
    l->at.port = (uint16_t)port;
    l->at.scope = (uint32_t)scope;
    return !hf_tape_is_over(t);
}

bool hf_recording_note(hf_recording *r, hf_tape *t)
{
    uint64_t arguments = r->argument_count, listeners = r->listening.count;
    if (!hf_tape_plays(t))
        memcpy(r->version, HF_VERSION, sizeof HF_VERSION);
    if (!hf_tape_text(t, r->version, sizeof r->version) || !hf_tape_number(t, &arguments))
        return false;
    if (arguments > HF_RECORDING_ARGUMENTS) {
        hf_tape_spoil(t, "it was asked more than a command line says");
        return false;
    }
    for (size_t i = 0; i < arguments; i++) {
        r->argument_count = hf_tape_plays(t) ? i + 1 : r->argument_count;
        if (!note_argument(&r->arguments[i], t))
            return false;
    }
    if (!hf_tape_number(t, &listeners))
        return false;
    if (listeners > HF_LISTEN_SOCKETS) {
        hf_tape_spoil(t, "it listened at more addresses than there can be");
        return false;
    }
    r->listening.count = (size_t)listeners;
    for (size_t i = 0; i < listeners; i++)
        if (!note_listener(&r->listening.at[i], t))
            return false;
    hf_tape_tell(t);
    return true;
}

void hf_recording_fini(hf_recording *r)
{
    for (size_t i = 0; i < r->argument_count; i++)
        free(r->arguments[i]);
    r->argument_count = 0;
}

/* ---- replay ------------------------------------------------------------------------------------------------- */

static uint64_t requests_of(const hf_engine *e)
{
    hf_counts sum = { 0 };
    uint64_t n = 0;
    hf_engine_count(e, &sum);
    for (size_t m = 0; m < HF_METHOD_COUNT; m++)
        for (size_t c = 0; c < HF_COUNT_CLASSES; c++)
            n += hf_counted(&sum.requests[m][c]);
    return n;
}

static uint64_t connections_of(const hf_engine *e)
{
    hf_counts sum = { 0 };
    hf_engine_count(e, &sum);
    return hf_counted(&sum.accepted);
}

bool hf_recording_replay(const hf_recording *r, const hf_serve_options *o, hf_tape *t, hf_replayed *went, hf_writer *why)
{
    /* A request that is logged asks for the time and for numbers of its own, so it is here, too. */
    hf_access_log log = { .fd = -1 };
    hf_err err = hf_access_log_open(&log, o->access_log != NULL ? "/dev/null" : NULL, o->log_format);
    const hf_route route = hf_serving_site(o);
    hf_engine_options options = hf_serving_options(o, o->access_log != NULL ? &log : NULL);
    options.routes = &route;
    options.route_count = 1;
    options.listeners = r->listening.at;
    options.listener_count = r->listening.count;
    options.tape = t;
    hf_engine *e = err.code == 0 ? hf_engine_open(&options, &err, why) : NULL;
    if (e == NULL) {
        hf_access_log_close(&log);
        if (why->length == 0)
            hf_write_text(why, hf_err_text(err));
        return hf_tape_is_over(t); /* it may be the tape's end */
    }
    while (!hf_tape_is_over(t) && hf_engine_turn(e, HF_NEVER))
        ;
    hf_tape_finish(t);
    went->connections = connections_of(e);
    went->requests = requests_of(e);
    hf_engine_close(e);
    hf_access_log_close(&log);
    return true;
}
