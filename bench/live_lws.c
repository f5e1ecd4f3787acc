/* SPDX-License-Identifier: Apache-2.0
 *
 * live_lws PORT: what bench/live measures beside: a server on Debian's libwebsockets, one thread, no compression. A message to
 * /live/echo comes back; any other goes to everybody who is not there for the echo. One write for each writable event, as
 * libwebsockets wants it.
 */
#include <libwebsockets.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 256, ECHOES = 64, LONGEST = 1 << 17 };

typedef struct message {
    size_t length;
    unsigned char bytes[]; /* LWS_PRE bytes, then the payload */
} message;

typedef struct session {
    bool echo;
    message *own[ECHOES];
    unsigned first, count;
    uint64_t next; /* of what all are told */
    struct session *after;
    struct lws *wsi;
} session;

static message *told[KEPT];
static uint64_t told_count;
static session *sessions;
static volatile sig_atomic_t over;

static message *copy(const void *bytes, size_t length)
{
    message *const m = malloc(sizeof *m + LWS_PRE + length);
    if (m == NULL)
        abort();
    m->length = length;
    memcpy(m->bytes + LWS_PRE, bytes, length);
    return m;
}

static void opened(struct lws *wsi, session *s)
{
    char path[64] = "";
    (void)lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    *s = (session){ .echo = strcmp(path, "/live/echo") == 0, .next = told_count, .wsi = wsi, .after = sessions };
    sessions = s;
}

static void closed(session *s)
{
    session **at = &sessions;
    while (*at != NULL && *at != s)
        at = &(*at)->after;
    if (*at == s)
        *at = s->after;
    for (; s->count > 0; s->count--)
        free(s->own[s->first++ % ECHOES]);
}

static int received(struct lws *wsi, session *s, const void *bytes, size_t length)
{
    if (s->echo) {
        if (s->count == ECHOES)
            return -1;
        s->own[(s->first + s->count++) % ECHOES] = copy(bytes, length);
        lws_callback_on_writable(wsi);
        return 0;
    }
    free(told[told_count % KEPT]);
    told[told_count++ % KEPT] = copy(bytes, length);
    for (session *other = sessions; other != NULL; other = other->after)
        if (!other->echo)
            lws_callback_on_writable(other->wsi);
    return 0;
}

static int say(struct lws *wsi, session *s)
{
    message *const m = s->echo ? (s->count > 0 ? s->own[s->first % ECHOES] : NULL) : s->next < told_count ? told[s->next % KEPT] : NULL;
    if (m == NULL)
        return 0;
    if (told_count - s->next > KEPT || lws_write(wsi, m->bytes + LWS_PRE, m->length, LWS_WRITE_BINARY) < (int)m->length)
        return -1;
    if (s->echo) {
        free(m);
        s->first++;
        s->count--;
    } else {
        s->next++;
    }
    if (s->count > 0 || (!s->echo && s->next < told_count))
        lws_callback_on_writable(wsi);
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t length)
{
    switch (why) {
    case LWS_CALLBACK_ESTABLISHED:
        opened(wsi, user);
        return 0;
    case LWS_CALLBACK_CLOSED:
        closed(user);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return received(wsi, user, in, length);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return say(wsi, user);
    default:
        return 0;
    }
}

static void stop(int number)
{
    (void)number;
    over = 1;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = { { "live", on_event, sizeof(session), LONGEST, 0, NULL, 0 }, { NULL, NULL, 0, 0, 0, NULL, 0 } };
    const struct lws_context_creation_info info = { .port = argc > 1 ? atoi(argv[1]) : 0, .iface = "127.0.0.1", .protocols = protocols,
                                                    .options = LWS_SERVER_OPTION_DISABLE_IPV6 };
    lws_set_log_level(LLL_ERR, NULL);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    struct lws_context *const context = lws_create_context(&info);
    if (context == NULL) {
        fprintf(stderr, "live_lws: cannot listen at port %d\n", info.port);
        return 1;
    }
    while (!over && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
