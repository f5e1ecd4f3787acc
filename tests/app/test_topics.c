/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics over a service: event streams and WebSockets that are told, resume, are slow, and end; and the sequence over
 * several threads.
 */
#include "later_rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include <handfast/realtime.h>

#include "allocator.h"
#include "topics.h"

static const hf_topic_rule rules[] = { { .pattern = "must/*", .slow = HF_TOPIC_DISCONNECT, .backlog_events = 3 } };
static size_t over;
static int32_t over_why;

static hf_err follow_socket(hf_req *rq, const hf_websocket_event *event)
{
    (void)of(rq);
    over += event != NULL && event->kind == HF_WEBSOCKET_CLOSED;
    if (event != NULL && event->kind == HF_WEBSOCKET_CLOSED)
        over_why = event->err.code;
    if (event == NULL)
        return hf_topic_subscribe(rq, hf_text("board/*"), hf_topic_resume(rq));
    if (event->kind != HF_WEBSOCKET_MESSAGE)
        return HF_OK;
    if (hf_bytes_equal(event->bytes, hf_text("must")))
        return hf_topic_subscribe(rq, hf_text("must/*"), hf_text(""));
    if (hf_bytes_equal(event->bytes, hf_text("enough"))) {
        hf_topic_unsubscribe(rq, hf_text("board/*"));
        return HF_OK;
    }
    return hf_topic_publish(rq, hf_text("board/1"), hf_text("line"), event->bytes);
}

static hf_err follow_events(hf_req *rq)
{
    (void)of(rq);
    const hf_err err = hf_topic_subscribe(rq, hf_text("board/*"), hf_topic_resume(rq));
    return err.code != 0 ? err : hf_topic_subscribe(rq, hf_text("must/*"), hf_text(""));
}

static hf_err no_live_route(hf_req *rq)
{
    (void)of(rq);
    hf_topic_unsubscribe(rq, hf_text("board/*"));
    return hf_reply_text(rq, 200, "%d", (int)hf_topic_subscribe(rq, hf_text("board/*"), hf_text("")).code);
}

static const hf_route live[] = {
    { .method = "GET", .path = "/socket", .websocket = follow_socket },
    { .method = "GET", .path = "/events", .events = follow_events },
    { .method = "GET", .path = "/plain", .handle = no_live_route },
};

#define OFFER "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static hf_topics *topics;

static void start(void)
{
    over = 0;
    over_why = 0;
    kit_begin(live, HF_COUNT(live));
    topics = hf_topics_new(hf_allocator_default(), &k.r.world.limits, rules, HF_COUNT(rules), 0xe);
    assert_non_null(topics);
    k.r.app.topics = topics;
    k.r.service.topics = hf_topics_join(topics, &k.r.world.env, k.r.service.mailbox);
    assert_non_null(k.r.service.topics);
}

static void end(void)
{
    if (k.r.web != NULL) {
        hf_dialog_close(&k.r.dialog, HF_OK);
        hf_web_free(k.r.web);
    }
    k.r.web = k.r.dialog.web = NULL;
    hf_topics_leave(k.r.service.topics);
    kit_end();
    hf_topics_drop(topics);
}

static void publish(const char *topic, const char *data)
{
    assert_int_equal(hf_topics_publish(topics, hf_text(topic), hf_text(""), hf_text(data)).code, 0);
}

static void say(const char *text)
{
    uint8_t frame[256] = { 0x81, (uint8_t)(0x80 | strlen(text)) };
    memcpy(frame + 6, text, strlen(text));
    fake_pier_say(&k.r.pier, hf_bytes_make(frame, 6 + strlen(text)));
    drive(&k.r);
}

static void an_event_stream_is_told_in_order_and_resumes(void **state)
{
    (void)state;
    start();
    has(ask(&k.r, "GET /events" H "\r\n"), "\r\nid: e-0\n\n\r\n"); /* where it stands, before anything is said */
    publish("board/1", "one");
    publish("elsewhere", "not for it");
    publish("board/2", "two");
    has_not(k.r.text, "one"); /* it is told in its own thread */
    kit_turn();
    has(k.r.text, "id: e-1\ndata: one\n\n");
    has(k.r.text, "id: e-3\ndata: two\n\n");
    has_not(k.r.text, "not for it");
    kit_hang_up();
    publish("board/1", "three");
    kit_connect();
    ask(&k.r, "GET /events" H "Last-Event-ID: e-1\r\n\r\n");
    has(k.r.text, "\r\nid: e-1\n\n\r\n");
    has(k.r.text, "data: two\n\n");
    has(k.r.text, "data: three\n\n");
    has_not(k.r.text, "data: one");
    kit_hang_up();
    kit_connect();
    has(ask(&k.r, "GET /events" H "Last-Event-ID: f-1\r\n\r\n"), "id: e-0\nevent: gap\ndata: \n\n"); /* of another life */
    end();
}

static void a_websocket_is_told_publishes_and_resumes(void **state)
{
    (void)state;
    start();
    has(ask(&k.r, "GET /socket" H OFFER "\r\n"), "{\"id\":\"e-0\"}");
    say("hello \"you\"");
    kit_turn();
    has(k.r.text, "{\"id\":\"e-1\",\"topic\":\"board/1\",\"event\":\"line\",\"data\":\"hello \\\"you\\\"\"}");
    say("enough");
    publish("board/1", "unheard");
    kit_turn();
    has_not(k.r.text, "unheard");
    kit_hang_up();
    assert_int_equal(over, 1);
    kit_connect();
    ask(&k.r, "GET /socket?x=y&resume=e-1" H OFFER "\r\n");
    has(k.r.text, "{\"id\":\"e-1\"}");
    has(k.r.text, "\"data\":\"unheard\"");
    kit_hang_up();
    kit_connect();
    has(ask(&k.r, "GET /socket?resume=nonsense" H OFFER "\r\n"), "{\"id\":\"e-0\",\"gap\":true}");
    end();
}

static void who_listens_to_nothing_wakes_nobody(void **state)
{
    (void)state;
    start();
    publish("board/1", "one");
    assert_int_equal(k.wakes, 0);
    has(ask(&k.r, "GET /events" H "Last-Event-ID: e-0\r\n\r\n"), "data: one");
    publish("board/1", "two");
    publish("board/1", "three");
    assert_int_equal(k.wakes, 1); /* once for both */
    kit_turn();
    has(k.r.text, "data: three");
    end();
}

static void a_slow_subscriber_is_let_go_where_nothing_may_be_missing(void **state)
{
    (void)state;
    hf_topic_counts counts;
    char big_text[60001] = "";
    memset(big_text, 'x', sizeof big_text - 1);
    for (int socket = 0; socket < 2; socket++) {
        start();
        ask(&k.r, socket ? "GET /socket" H OFFER "\r\n" : "GET /events" H "\r\n");
        if (socket)
            say("must");
        k.r.pier.room = 0; /* it reads no more */
        for (int i = 0; i < 40; i++) {
            publish("must/1", big_text);
            kit_turn();
        }
        hf_topics_count(topics, &counts);
        assert_int_equal(counts.let_go, 1);
        assert_int_equal(counts.subscribers, 0);
        if (socket) {
            kit_pass(HF_SECONDS(6)); /* the closing handshake is not answered either */
            assert_int_equal(over, 1);
        }
        drive(&k.r);
        assert_true(k.r.closed);
        assert_int_equal(k.r.done_error[0], HF_ERR_TOPIC_SLOW);
        end();
    }
}

static void a_slow_subscriber_loses_the_oldest_and_is_told(void **state)
{
    (void)state;
    hf_topic_counts counts;
    char data[20001] = "";
    memset(data, 'x', sizeof data - 1);
    start();
    k.r.world.limits.topic_backlog_events = 2;
    ask(&k.r, "GET /events" H "\r\n");
    k.r.pier.room = 0;
    for (int i = 0; i < 30; i++) {
        publish("board/1", data);
        kit_turn();
    }
    hf_topics_count(topics, &counts);
    assert_true(counts.dropped > 10 && counts.let_go == 0);
    fake_pier_open(&k.r.pier, UINT64_MAX);
    drive(&k.r);
    has(k.r.text, "event: gap\n");
    has(k.r.text, "id: e-30\n");
    assert_false(k.r.closed);
    end();
}

static void only_live_routes_subscribe(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d", HF_ERR_BASE_USAGE);
    start();
    has(ask(&k.r, "GET /plain" H "\r\n"), text);
    end();
}

static void a_move_is_told_as_a_gap(void **state)
{
    (void)state;
    hf_topic_message *m;
    start();
    ask(&k.r, "GET /events" H "\r\n");
    hf_topics_move(topics, (hf_topic_position){ 0xf, 41 });
    assert_int_equal(hf_topic_message_new(hf_allocator_default(), &k.r.world.limits, (hf_topic_position){ 0xf, 42 }, hf_text("board/1"),
                                          hf_text(""), hf_text("from afar"), &m).code, 0);
    assert_int_equal(hf_topics_insert(topics, m).code, 0);
    assert_int_equal(hf_topics_insert(topics, m).code, 0); /* twice is once */
    hf_topic_message_drop(m);
    kit_turn();
    has(k.r.text, "id: f-41\nevent: gap\n");
    has(k.r.text, "id: f-42\ndata: from afar\n\n");
    assert_null(strstr(strstr(k.r.text, "from afar") + 1, "from afar"));
    publish("board/1", "ours");
    kit_turn();
    has(k.r.text, "id: f-43\ndata: ours\n\n");
    end();
}

static void a_thread_that_is_behind_is_said_to_who_publishes(void **state)
{
    (void)state;
    start();
    end();
    start();
    hf_topics_leave(k.r.service.topics);
    hf_topics_drop(topics);
    k.r.world.limits.messages = 3;
    topics = hf_topics_new(hf_allocator_default(), &k.r.world.limits, NULL, 0, 1);
    k.r.service.topics = hf_topics_join(topics, &k.r.world.env, k.r.service.mailbox);
    for (int i = 0; i < 3; i++)
        publish("a", "x");
    assert_int_equal(hf_topics_publish(topics, hf_text("a"), hf_text(""), hf_text("x")).code, HF_ERR_BASE_LIMIT);
    kit_turn(); /* it is woken, though nobody listens: or it would be full for ever */
    for (int i = 0; i < 3; i++)
        publish("a", "x");
    assert_int_equal(hf_topics_publish(topics, hf_text("a"), hf_text(""), hf_text("x")).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(hf_topics_publish(topics, hf_text("a b"), hf_text(""), hf_text("x")).code, HF_ERR_TOPIC_NAME);
    end();
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const requests[] = { "GET /socket?resume=e-1" H OFFER "\r\n", "GET /events" H "Last-Event-ID: e-1\r\n\r\n" };
    for (size_t q = 0; q < HF_COUNT(requests); q++)
        for (size_t at = 1; at < 60; at++) {
            start();
            publish("board/1", "one");
            publish("board/2", "two");
            k.r.world.memory.calls = 0;
            k.r.world.memory.fail_at = at;
            ask(&k.r, requests[q]);
            publish("board/3", "three");
            kit_turn();
            if (!k.r.closed && strstr(k.r.text, " 500 ") == NULL && strstr(k.r.text, " 503 ") == NULL && k.r.dialog.open != NULL &&
                strstr(k.r.text, "three") == NULL && strstr(k.r.text, "gap") == NULL && strstr(k.r.text, "\x88\x02\x03\xf3") == NULL)
                fail_msg("allocation %zu: untold, and no gap: %s", at, k.r.text);
            end();
        }
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

enum { WRITERS = 3, READERS = 2, EACH = 400 };

typedef struct reader {
    hf_io io; /* first */
    hf_test_world world;
    hf_mailbox *mailbox;
    hf_topics_member *member;
} reader;

static void wake_nobody(hf_io *io)
{
    (void)io;
}

static void *write_all(void *argument)
{
    for (int i = 0; i < EACH; i++) {
        hf_err err;
        while ((err = hf_topics_publish(argument, hf_text("a"), hf_text(""), hf_text("x"))).code == HF_ERR_BASE_LIMIT)
            sched_yield();
        assert_int_equal(err.code, 0);
    }
    return NULL;
}

/* Each thread's hub sees every message once and in the same order, whoever published it. */
static void every_thread_sees_the_same_order(void **state)
{
    (void)state;
    static const hf_io_ops ops = { .name = "a test", .wake = wake_nobody };
    static reader readers[READERS];
    hf_topic_subscriber *subscribers[READERS];
    hf_limits limits = *hf_limits_default();
    limits.topic_backlog_events = WRITERS * EACH + 1;
    hf_topics *const t = hf_topics_new(hf_allocator_default(), &limits, NULL, 0, 7);
    pthread_t writers[WRITERS];
    for (size_t i = 0; i < READERS; i++) {
        hf_test_world_init(&readers[i].world, i + 1);
        readers[i].world.limits.topic_backlog_events = limits.topic_backlog_events;
        readers[i].world.limits.topic_backlog_bytes = UINT32_MAX;
        readers[i].io.ops = &ops;
        readers[i].mailbox = hf_mailbox_new(hf_allocator_default(), &readers[i].io, 1000);
        readers[i].member = hf_topics_join(t, &readers[i].world.env, readers[i].mailbox);
        subscribers[i] = hf_topic_subscriber_new(hf_topics_hub(readers[i].member), NULL, hf_text(""));
        assert_int_equal(hf_topic_subscriber_add(subscribers[i], hf_text("a")).code, 0);
        assert_int_equal(hf_topic_next(subscribers[i]).kind, HF_TOPIC_START);
    }
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_all, t), 0);
    uint64_t seen[READERS] = { 0 };
    while (seen[0] < WRITERS * EACH || seen[1] < WRITERS * EACH)
        for (size_t i = 0; i < READERS; i++) {
            hf_topic_news n;
            (void)hf_topic_hub_ready(hf_topics_hub(readers[i].member)); /* takes in what was published */
            while ((n = hf_topic_next(subscribers[i])).kind != HF_TOPIC_NOTHING) {
                assert_int_equal(n.kind, HF_TOPIC_MESSAGE);
                assert_int_equal(n.at.number, seen[i] + 1);
                seen[i] = n.at.number;
            }
        }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    for (size_t i = 0; i < READERS; i++) {
        hf_topic_subscriber_free(subscribers[i]);
        hf_topics_leave(readers[i].member);
        hf_mailbox_close(readers[i].mailbox); /* with what was posted and never run */
        hf_test_world_fini(&readers[i].world);
    }
    hf_topics_drop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_stream_is_told_in_order_and_resumes),
        cmocka_unit_test(a_websocket_is_told_publishes_and_resumes),
        cmocka_unit_test(who_listens_to_nothing_wakes_nobody),
        cmocka_unit_test(a_slow_subscriber_is_let_go_where_nothing_may_be_missing),
        cmocka_unit_test(a_slow_subscriber_loses_the_oldest_and_is_told),
        cmocka_unit_test(only_live_routes_subscribe),
        cmocka_unit_test(a_move_is_told_as_a_gap),
        cmocka_unit_test(a_thread_that_is_behind_is_said_to_who_publishes),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(every_thread_sees_the_same_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
