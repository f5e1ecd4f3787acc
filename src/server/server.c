/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded server: handfast/server.h over the engine.
 */
#include <handfast/server.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "listen.h"

struct hf_server {
    hf_engine *engine;
    hf_listen_set listening;
    uint16_t ports[HF_COUNT(((hf_server_options *)0)->listen)];
    _Atomic bool started;
    int stop_fd; /* what run waits for, beside the signals */
    char why[4096]; /* NUL-terminated */
};

static hf_err open_listeners(hf_server *s, const hf_server_options *o, hf_writer *why)
{
    hf_err result = HF_OK;
    for (size_t i = 0; i < HF_COUNT(o->listen) && o->listen[i] != NULL; i++) {
        hf_listen_url url;
        char text[512];
        const size_t first = s->listening.count;
        hf_err err = HF_OK;
        if (hf_listen_url_parse(o->listen[i], &url, text, sizeof text) != HF_LISTEN_OK) {
            hf_write_text(why, text);
            hf_write_text(why, "\n");
            err = hf_err_make(HF_ERR_BASE_USAGE);
        } else {
            err = hf_listen_set_add(&s->listening, &url, why);
        }
        if (err.code != 0)
            result = err;
        else
            s->ports[i] = s->listening.at[first].at.port;
    }
    if (o->listen[0] == NULL) {
        hf_write_text(why, "options.listen is empty: give at least one address, such as \"http://localhost:8080\"\n");
        result = hf_err_make(HF_ERR_BASE_USAGE);
    }
    return result;
}

hf_err hf_server_open(hf_server **server, const hf_server_options *o)
{
    hf_server *s = hf_alloc_zeroed(hf_allocator_default(), sizeof *s);
    *server = s;
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer why = hf_writer_make(s->why, sizeof s->why - 1);
    s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    hf_err err = s->stop_fd < 0 ? hf_err_make(HF_ERR_IO_DESCRIPTORS) : open_listeners(s, o, &why);
    const hf_engine_options options = {
        .routes = o->routes, .route_count = o->route_count, .context = o->context, .server_name = "handfast",
        .limits = o->limits != NULL ? o->limits : hf_limits_default(),
        .listeners = s->listening.at, .listener_count = s->listening.count, .threads = o->threads };
    hf_err engine_err = HF_OK;
    s->engine = hf_engine_open(&options, &engine_err, &why);
    hf_listen_set_close(&s->listening); /* the loops have descriptors of their own */
    if (err.code == 0)
        err = engine_err;
    if (err.code != 0 && why.length == 0)
        hf_write_text(&why, hf_err_text(err));
    return err;
}

const char *hf_server_why(const hf_server *s)
{
    return s != NULL ? s->why : "out of memory";
}

hf_err hf_server_start(hf_server *s)
{
    if (s->engine == NULL || atomic_exchange(&s->started, true))
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_writer why = hf_writer_make(s->why, sizeof s->why - 1);
    return hf_engine_start(s->engine, &why);
}

void hf_server_stop(hf_server *s)
{
    const uint64_t one = 1;
    if (!s->started)
        return;
    hf_engine_drain(s->engine);
    if (write(s->stop_fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is told already */
}

/* Until one of the signals, which is taken, or hf_server_stop. */
static hf_err await_end(const hf_server *s, const sigset_t *wanted)
{
    struct signalfd_siginfo which;
    const int signals = signalfd(-1, wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    struct pollfd either[] = { { .fd = signals, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };
    int n;
    while ((n = poll(either, HF_COUNT(either), -1)) < 0 && errno == EINTR)
        ;
    const bool good = n > 0 && (either[0].revents == 0 || read(signals, &which, sizeof which) == sizeof which);
    close(signals);
    return good ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
}

hf_err hf_server_run(hf_server *s)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted, &before);
    hf_err err = hf_server_start(s);
    if (err.code == 0) {
        err = await_end(s, &wanted);
        hf_engine_drain(s->engine);
        hf_engine_join(s->engine);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

void hf_server_close(hf_server *s)
{
    if (s == NULL)
        return;
    if (s->started) {
        hf_engine_drain(s->engine);
        hf_engine_join(s->engine);
    }
    hf_engine_close(s->engine);
    hf_listen_set_close(&s->listening);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    hf_free(hf_allocator_default(), s, sizeof *s);
}

uint16_t hf_server_port(const hf_server *s, size_t index)
{
    return index < HF_COUNT(s->ports) ? s->ports[index] : 0;
}
