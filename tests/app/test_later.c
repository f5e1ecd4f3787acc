/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers given later: by tickets, work in other threads, alarms. A handler that answers twice, never, or after the
 * connection died harms nobody.
 */
#include "later_rig.h"

static hf_later *ticket;
static size_t tasks, tasks_over, worked;
static char words[] = "well";

static hf_err takes_ticket(hf_req *rq)
{
    of(rq);
    return hf_req_later(rq, &ticket);
}

static hf_err takes_two(hf_req *rq)
{
    hf_later *other;
    const hf_err err = hf_req_later(rq, &other);
    if (err.code != 0)
        return err;
    hf_later_drop(other); /* the other still holds the promise */
    return takes_ticket(rq);
}

static hf_err answers_and_keeps(hf_req *rq)
{
    const hf_err err = takes_ticket(rq);
    return err.code != 0 ? err : hf_reply_text(rq, 200, "at once");
}

static hf_err fails_with_ticket(hf_req *rq)
{
    const hf_err err = takes_ticket(rq);
    return err.code != 0 ? err : hf_err_make(HF_ERR_IO_SYSTEM);
}

static hf_err say_it(hf_req *rq)
{
    return hf_reply_text(rq, 200, "alarm");
}

static hf_err again(hf_req *rq)
{
    *hf_req_word(rq) += 1;
    return *hf_req_word(rq) == 3 ? say_it(rq) : hf_req_after(rq, HF_SECONDS(1), again);
}

static hf_err alarms(hf_req *rq)
{
    of(rq);
    return hf_req_after(rq, HF_SECONDS(1), again);
}

static hf_err alarm_fails(hf_req *rq)
{
    (void)rq;
    return hf_err_make(HF_ERR_IO_SYSTEM);
}

static hf_err alarms_in_vain(hf_req *rq)
{
    return hf_req_after(rq, HF_SECONDS(1), alarm_fails);
}

static void do_work(void *what)
{
    worked++;
    (void)what;
}

static hf_err work_done(hf_req *rq, void *what)
{
    tasks++;
    tasks_over += rq == NULL;
    return rq != NULL ? hf_reply_text(rq, 200, "worked %s", (const char *)what) : HF_OK;
}

static hf_err work_forgets(hf_req *rq, void *what)
{
    (void)rq, (void)what;
    return HF_OK;
}

static hf_err works(hf_req *rq)
{
    of(rq);
    return hf_req_run_blocking(rq, do_work, work_done, words);
}

static hf_err works_and_forgets(hf_req *rq)
{
    of(rq);
    return hf_req_run_blocking(rq, do_work, work_forgets, NULL);
}

static hf_limits hasty; /* of a route */

static const hf_route later_routes[] = {
    { "GET", "/ticket", .handle = takes_ticket },
    { "GET", "/quick", .handle = takes_ticket, .handler_ns = HF_SECONDS(2) },
    { "GET", "/hasty", .handle = takes_ticket, .limits = &hasty },
    { "POST", "/hasty", .handle = echo, .limits = &hasty },
    { "POST", "/usual", .handle = echo },
    { "GET", "/two", .handle = takes_two },
    { "GET", "/both", .handle = answers_and_keeps },
    { "GET", "/fails", .handle = fails_with_ticket },
    { "GET", "/alarm", .handle = alarms },
    { "GET", "/vain", .handle = alarms_in_vain },
    { "GET", "/work", .handle = works },
    { "GET", "/forget", .handle = works_and_forgets },
    { "GET", "/hello/{name}", .handle = hello },
};

static int begin_later(void **state)
{
    (void)state;
    ticket = NULL;
    hasty = *hf_limits_default();
    hasty.handler_ns = HF_SECONDS(1);
    hasty.body_idle_ns = HF_SECONDS(2);
    tasks = tasks_over = worked = 0;
    kit_begin(later_routes, HF_COUNT(later_routes));
    return 0;
}

static int end_later(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static void a_ticket_answers_later(void **state)
{
    (void)state;
    assert_string_equal(ask(&k.r, "GET /ticket" H "\r\nGET /hello/you" H "\r\n"), "");
    assert_false(hf_later_is_over(ticket));
    assert_int_equal(hf_later_answer(ticket, 200, "text/plain", hf_text("later")).code, 0);
    assert_int_equal(k.wakes, 1);
    hf_later_drop(ticket);
    assert_int_equal(k.wakes, 1); /* one wake for a batch */
    assert_string_equal(k.r.text, "");
    kit_turn();
    has(k.r.text, "later");
    has(k.r.text, "hello, you"); /* the connection goes on */
    assert_int_equal(k.r.done, 2);
}

static void a_ticket_answers_once(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("one")).code, 0);
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("two")).code, HF_ERR_HTTP1_NO_EXCHANGE);
    kit_turn();
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("two")).code, HF_ERR_HTTP1_NO_EXCHANGE);
    kit_turn();
    has(k.r.text, "one");
    has_not(k.r.text, "two");
    assert_true(hf_later_is_over(ticket));
    hf_later_drop(ticket);
}

static void a_ticket_beside_an_answer_changes_nothing(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /both" H "\r\n"), "at once");
    assert_true(hf_later_is_over(ticket));
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("two")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    has_not(k.r.text, "two");
    hf_later_drop(ticket);
}

static void a_handler_that_fails_after_taking_a_ticket_is_a_500(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /fails" H "\r\n"), "500 Internal");
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("two")).code, HF_ERR_HTTP_CLIENT_GONE);
    hf_later_drop(ticket);
}

static void a_ticket_let_go_of_without_an_answer_is_a_500_at_once(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    hf_later_drop(ticket);
    kit_turn();
    has(k.r.text, "500 Internal");
    assert_int_equal(k.r.done_error[0], HF_ERR_HTTP_UNANSWERED);
}

static void of_two_tickets_the_last_one_counts(void **state)
{
    (void)state;
    ask(&k.r, "GET /two" H "\r\n");
    kit_turn();
    assert_string_equal(k.r.text, "");
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("fine")).code, 0);
    kit_turn();
    has(k.r.text, "fine");
    hf_later_drop(hf_later_keep(ticket));
    hf_later_drop(ticket);
}

static void limit_handler_ns(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    const hf_time wanted = hf_time_after(k.r.now, (int64_t)k.r.world.limits.handler_ns);
    assert_int_equal(hf_dialog_wake(&k.r.dialog).ns, wanted.ns);
    kit_pass((int64_t)k.r.world.limits.handler_ns - 1);
    assert_string_equal(k.r.text, "");
    kit_pass(1);
    has(k.r.text, "503 Service");
    has(k.r.text, "HF-HTTP-036");
    assert_int_equal(hf_dialog_wake(&k.r.dialog).ns, HF_NEVER_NS);
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("too late")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    has_not(k.r.text, "too late");
    hf_later_drop(ticket);
    has(ask(&k.r, "GET /hello/x" H "\r\n"), "hello, x");
}

static void a_route_may_be_more_or_less_patient(void **state)
{
    (void)state;
    ask(&k.r, "GET /quick" H "\r\n");
    kit_pass(HF_SECONDS(2));
    has(k.r.text, "503 Service");
    hf_later_drop(ticket);
    ask(&k.r, "GET /hasty" H "\r\n");
    kit_pass(HF_SECONDS(1));
    has(k.r.text, "503 Service");
    hf_later_drop(ticket);
}

static void a_route_may_wait_for_bodies_in_its_own_way(void **state)
{
    (void)state;
    ask(&k.r, "POST /usual" H "Content-Length: 3\r\n\r\nab");
    assert_int_equal(hf_web_wake(k.r.web).ns, hf_time_after(k.r.now, HF_SECONDS(10)).ns); /* body_rate's, which comes first */
    has(ask(&k.r, "c"), "\r\n\r\nabc");
    ask(&k.r, "POST /hasty" H "Content-Length: 3\r\n\r\nab");
    assert_int_equal(hf_web_wake(k.r.web).ns, hf_time_after(k.r.now, HF_SECONDS(2)).ns);
    kit_pass(HF_SECONDS(2));
    has(k.r.text, "408 Request Timeout");
    has(k.r.text, "HF-HTTP1-025");
}

static void a_ticket_outlives_its_connection(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    assert_int_equal(hf_later_run(ticket, work_done, NULL).code, 0); /* under way when the connection dies */
    kit_hang_up();
    assert_true(hf_later_is_over(ticket));
    kit_turn();
    assert_int_equal(tasks_over, 1);
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("to nobody")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    hf_later_drop(ticket);
}

static void a_ticket_outlives_its_loop(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    kit_hang_up();
    hf_mailbox *b = k.r.service.mailbox;
    assert_int_equal(hf_later_run(ticket, work_done, NULL).code, 0);
    hf_mailbox_close(b);
    k.r.service.mailbox = NULL;
    assert_int_equal(tasks_over, 1);
    const size_t wakes = k.wakes;
    assert_int_equal(hf_later_run(ticket, work_done, NULL).code, 0); /* here and now */
    assert_int_equal(tasks_over, 2);
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("to nobody")).code, HF_ERR_HTTP_CLIENT_GONE);
    hf_later_drop(ticket);
    assert_int_equal(k.wakes, wakes);
    k.r.service.mailbox = hf_mailbox_new(&k.r.world.env.alloc, &k.io, 1); /* for the end of the test */
}

static hf_err fails_as_task(hf_req *rq, void *what)
{
    (void)what;
    return rq != NULL ? hf_err_make(HF_ERR_IO_SYSTEM) : HF_OK;
}

static void a_task_that_fails_is_a_handler_that_fails(void **state)
{
    (void)state;
    ask(&k.r, "GET /ticket" H "\r\n");
    assert_int_equal(hf_later_run(ticket, fails_as_task, NULL).code, 0);
    kit_turn();
    has(k.r.text, "500 Internal");
    assert_int_equal(k.r.done_error[0], HF_ERR_IO_SYSTEM);
    hf_later_drop(ticket);
}

static void limit_messages(void **state)
{
    (void)state;
    hf_mailbox_close(k.r.service.mailbox);
    k.r.service.mailbox = hf_mailbox_new(&k.r.world.env.alloc, &k.io, 2);
    ask(&k.r, "GET /ticket" H "\r\n");
    assert_int_equal(hf_later_run(ticket, work_forgets, NULL).code, 0);
    assert_int_equal(hf_later_run(ticket, work_forgets, NULL).code, 0);
    assert_int_equal(hf_later_run(ticket, work_forgets, NULL).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("x")).code, HF_ERR_BASE_LIMIT);
    kit_turn();
    assert_int_equal(hf_later_answer(ticket, 200, NULL, hf_text("now")).code, 0);
    kit_turn();
    has(k.r.text, "now");
    hf_later_drop(ticket);
}

static void alarms_ring_until_the_answer_is_there(void **state)
{
    (void)state;
    ask(&k.r, "GET /alarm" H "\r\n");
    for (int i = 0; i < 2; i++) {
        kit_pass(HF_SECONDS(1));
        assert_string_equal(k.r.text, "");
    }
    kit_pass(HF_SECONDS(1));
    has(k.r.text, "alarm");
}

static void an_alarm_that_fails_is_a_500(void **state)
{
    (void)state;
    ask(&k.r, "GET /vain" H "\r\n");
    kit_pass(HF_SECONDS(1));
    has(k.r.text, "500 Internal");
}

static void work_without_a_pool_runs_at_once_and_answers_in_the_next_turn(void **state)
{
    (void)state;
    ask(&k.r, "GET /work" H "\r\n");
    assert_int_equal(worked, 1);
    assert_int_equal(tasks, 0);
    kit_turn();
    has(k.r.text, "worked well");
    ask(&k.r, "GET /forget" H "\r\n");
    kit_turn();
    assert_int_equal(k.r.done_error[1], HF_ERR_HTTP_UNANSWERED);
}

static void work_whose_connection_died_is_told_so(void **state)
{
    (void)state;
    ask(&k.r, "GET /work" H "\r\n");
    kit_hang_up();
    kit_turn();
    assert_int_equal(tasks, 1);
    assert_int_equal(tasks_over, 1);
}

/* Everything again, with each allocation failing in turn: nothing leaks, and whoever is answered is answered in form. */
static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const requests[] = { "GET /ticket" H "\r\n", "GET /two" H "\r\n", "GET /work" H "\r\n", "GET /alarm" H "\r\n" };
    for (size_t i = 0; i < HF_COUNT(requests); i++)
        for (size_t n = 1; n < 40; n++) {
            kit_end();
            begin_later(NULL);
            k.r.world.memory.fail_at = k.r.world.memory.calls + n;
            ask(&k.r, requests[i]);
            if (ticket != NULL) {
                (void)hf_later_answer(ticket, 200, NULL, hf_text("ok")).code;
                kit_turn();
                hf_later_drop(ticket);
            }
            kit_turn();
            kit_pass(HF_SECONDS(60));
            assert_null(k.r.dialog.open);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_later, end_later)
    const struct CMUnitTest tests[] = {
        TEST(a_ticket_answers_later),
        TEST(a_ticket_answers_once),
        TEST(a_ticket_beside_an_answer_changes_nothing),
        TEST(a_handler_that_fails_after_taking_a_ticket_is_a_500),
        TEST(a_ticket_let_go_of_without_an_answer_is_a_500_at_once),
        TEST(of_two_tickets_the_last_one_counts),
        TEST(limit_handler_ns),
        TEST(a_route_may_be_more_or_less_patient), TEST(a_route_may_wait_for_bodies_in_its_own_way),
        TEST(a_ticket_outlives_its_connection),
        TEST(a_ticket_outlives_its_loop),
        TEST(a_task_that_fails_is_a_handler_that_fails),
        TEST(limit_messages),
        TEST(alarms_ring_until_the_answer_is_there),
        TEST(an_alarm_that_fails_is_a_500),
        TEST(work_without_a_pool_runs_at_once_and_answers_in_the_next_turn),
        TEST(work_whose_connection_died_is_told_so),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
