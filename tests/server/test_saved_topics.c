/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics whose history is in a file, as the threads of a server see them: told in order, there in the next life, and behind a gap
 * where the file could not be written.
 */
#include "saved_topics.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "allocator.h"
#include "harness.h"
#include "temp_folder.h"

enum { WRITERS = 2, EACH = 200, PATIENCE_S = 100 };

typedef struct life {
    hf_io io;
    hf_test_world world;
    hf_mailbox *mailbox;
    hf_topics *topics;
    hf_topics_member *member;
    hf_saved_topics *saved;
} life;

static temp_folder folder;
static char file[300];
static struct rlimit files_before; /* how large they may grow */
static uint64_t waiting_bytes;     /* 0: as usual */

static void wake_nobody(hf_io *io)
{
    (void)io;
}

static void begin(life *l)
{
    static const hf_io_ops ops = { .name = "a test", .wake = wake_nobody };
    char text[500];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_err err;
    memset(l, 0, sizeof *l);
    hf_test_world_init(&l->world, 1);
    if (waiting_bytes > 0)
        l->world.limits.topics_waiting_bytes = waiting_bytes;
    l->io.ops = &ops;
    l->mailbox = hf_mailbox_new(hf_allocator_default(), &l->io, 1000);
    l->topics = hf_topics_new(hf_allocator_default(), &l->world.limits, NULL, 0, 7);
    l->member = hf_topics_join(l->topics, &l->world.env, l->mailbox);
    assert_non_null(l->member);
    l->saved = hf_saved_topics_open(l->topics, &l->world.limits, file, &err, &why);
    assert_int_equal(err.code, 0);
    assert_non_null(l->saved);
}

static void end(life *l)
{
    hf_saved_topics_close(l->saved);
    assert_int_equal(hf_topics_publish(l->topics, hf_text("a"), hf_text(""), hf_text("late")).code, HF_ERR_BASE_USAGE);
    hf_topics_leave(l->member);
    hf_mailbox_close(l->mailbox);
    hf_topics_drop(l->topics);
    hf_test_world_fini(&l->world);
}

static hf_topic_subscriber *listen_from(life *l, hf_topic_position seen)
{
    uint8_t token[HF_TOPIC_TOKEN];
    hf_topic_subscriber *const s = hf_topic_subscriber_new(hf_topics_hub(l->member), NULL, seen.epoch > 0 ? hf_topic_token_write(seen, token) : hf_text(""));
    assert_non_null(s);
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("a")).code, 0);
    return s;
}

static time_t seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Waits for it. */
static hf_topic_news next(life *l, hf_topic_subscriber *s)
{
    const time_t end_s = seconds() + PATIENCE_S;
    hf_topic_news n;
    while ((n = hf_topic_next(s)).kind == HF_TOPIC_NOTHING) {
        if (seconds() > end_s)
            fail_msg("nothing was told within %d seconds", PATIENCE_S);
        sched_yield();
        (void)hf_topic_hub_ready(hf_topics_hub(l->member)); /* takes in what was published */
    }
    return n;
}

static hf_err try_to_publish(life *l, const char *data)
{
    return hf_topics_publish(l->topics, hf_text("a"), hf_text(""), hf_text(data));
}

static void publish(life *l, const char *data)
{
    assert_int_equal(try_to_publish(l, data).code, 0);
}

static hf_topic_position must_tell(life *l, hf_topic_subscriber *s, const char *data)
{
    hf_topic_news n = next(l, s);
    if (n.kind == HF_TOPIC_START) /* where it stands, for who comes back */
        n = next(l, s);
    assert_int_equal(n.kind, HF_TOPIC_MESSAGE);
    assert_true(hf_bytes_equal(n.message->data, hf_text(data)));
    return n.at;
}

typedef struct writer {
    life *life;
    pthread_t thread;
    hf_err err; /* of the first that was refused */
} writer;

static void *write_all(void *argument)
{
    writer *const w = argument;
    for (int i = 0; i < EACH && w->err.code == 0; i++)
        w->err = try_to_publish(w->life, "x");
    return NULL;
}

static void join(writer *writers)
{
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(writers[i].err.code, 0);
}

static void what_was_published_is_there_in_the_next_life(void **state)
{
    (void)state;
    life l;
    writer writers[WRITERS] = { 0 };
    begin(&l);
    hf_topic_subscriber *s = listen_from(&l, (hf_topic_position){ 0, 0 });
    hf_topic_news n = next(&l, s);
    assert_int_equal(n.kind, HF_TOPIC_START);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].life = &l;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
    }
    for (uint64_t i = 1; i <= WRITERS * EACH; i++) {
        const hf_topic_position at = must_tell(&l, s, "x");
        assert_int_equal(at.epoch, n.at.epoch);
        assert_int_equal(at.number, i);
    }
    join(writers);
    publish(&l, "the last, which nobody waited for");
    hf_topic_subscriber_free(s);
    end(&l);

    begin(&l);
    s = listen_from(&l, (hf_topic_position){ n.at.epoch, WRITERS * EACH - 5 });
    for (int i = 0; i < 5; i++)
        must_tell(&l, s, "x");
    assert_int_equal(must_tell(&l, s, "the last, which nobody waited for").number, WRITERS * EACH + 1);
    publish(&l, "new");
    assert_int_equal(must_tell(&l, s, "new").number, WRITERS * EACH + 2);
    hf_topic_subscriber_free(s);
    end(&l);
}

static void let_files_grow(rlim_t most)
{
    const struct rlimit now = { most, files_before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void where_nothing_can_be_written_there_is_a_gap_and_no_number_comes_twice(void **state)
{
    (void)state;
    life l;
    signal(SIGXFSZ, SIG_IGN);
    begin(&l);
    hf_topic_subscriber *s = listen_from(&l, (hf_topic_position){ 0, 0 });
    assert_int_equal(next(&l, s).kind, HF_TOPIC_START);
    publish(&l, "saved");
    const hf_topic_position first = must_tell(&l, s, "saved");
    let_files_grow(1);
    publish(&l, "not saved");
    assert_int_equal(next(&l, s).kind, HF_TOPIC_GAP);
    const hf_topic_position second = must_tell(&l, s, "not saved");
    publish(&l, "nor this");
    const hf_topic_position third = must_tell(&l, s, "nor this");
    let_files_grow(files_before.rlim_cur);
    publish(&l, "saved again");
    assert_int_equal(next(&l, s).kind, HF_TOPIC_GAP);
    const hf_topic_position fourth = must_tell(&l, s, "saved again");
    assert_true(first.epoch != second.epoch && second.epoch == third.epoch && third.epoch != fourth.epoch && fourth.epoch != first.epoch);
    hf_topic_subscriber_free(s);
    end(&l);

    begin(&l);
    const hf_topic_position stale[] = { first, second, third };
    for (size_t i = 0; i < HF_COUNT(stale); i++) {
        s = listen_from(&l, stale[i]);
        assert_int_equal(next(&l, s).kind, HF_TOPIC_GAP);
        hf_topic_subscriber_free(s);
    }
    s = listen_from(&l, fourth);
    publish(&l, "and on");
    assert_int_equal(must_tell(&l, s, "and on").number, fourth.number + 1);
    hf_topic_subscriber_free(s);
    end(&l);
}

static void a_message_larger_than_all_that_may_wait_still_goes(void **state) /* limit topics_waiting_bytes */
{
    (void)state;
    life l;
    waiting_bytes = 1;
    begin(&l);
    hf_topic_subscriber *const s = listen_from(&l, (hf_topic_position){ 0, 0 });
    assert_int_equal(next(&l, s).kind, HF_TOPIC_START);
    for (uint64_t i = 1; i <= 3; i++) { /* nothing waits when it was told */
        publish(&l, "alone");
        assert_int_equal(must_tell(&l, s, "alone").number, i);
    }
    hf_topic_subscriber_free(s);
    end(&l);
}

static void what_a_file_has_by_default_a_start_recalls(void **state)
{
    (void)state;
    assert_true(hf_limits_default()->topics_saved_events <= hf_limits_default()->messages / 2);
}

static void what_cannot_be_opened_is_said(void **state)
{
    (void)state;
    life l;
    char text[500], other[400];
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    hf_err err;
    begin(&l);
    snprintf(other, sizeof other, "%s/none/topics.db", folder.path);
    assert_null(hf_saved_topics_open(l.topics, &l.world.limits, other, &err, &why));
    assert_int_equal(err.code, HF_ERR_SESSION_STORE_ADDRESS);
    text[why.length] = 0;
    assert_non_null(strstr(text, other));
    end(&l);
}

static int set_up(void **state)
{
    (void)state;
    temp_make(&folder);
    waiting_bytes = 0;
    if (getrlimit(RLIMIT_FSIZE, &files_before) != 0)
        return -1;
    snprintf(file, sizeof file, "%s/topics.db", folder.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const int restored = setrlimit(RLIMIT_FSIZE, &files_before); /* a test that failed in between left it */
    temp_remove(&folder);
    return restored;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_was_published_is_there_in_the_next_life), T(where_nothing_can_be_written_there_is_a_gap_and_no_number_comes_twice),
        T(what_cannot_be_opened_is_said), T(a_message_larger_than_all_that_may_wait_still_goes), T(what_a_file_has_by_default_a_start_recalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
