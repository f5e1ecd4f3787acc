/* SPDX-License-Identifier: Apache-2.0
 *
 * Idempotency-Key with a base behind the memory: once, whatever is retried, also across restarts, and nothing is begun
 * that could not be remembered.
 */
#include "later_rig.h"

enum { ROWS = 64 };

typedef struct row {
    hf_key_claim claim;
    bool running;
    uint16_t status;
    uint8_t fields[512], body[512];
    size_t fields_length, body_length;
} row;

/* The base: lives on when the service does not. */
static struct {
    row rows[ROWS];
    size_t count, claims, keeps, forgets;
    bool broken;
} disk;
static hf_later *ticket;
static size_t made;

static row *find(const uint8_t key[32])
{
    for (size_t i = 0; i < disk.count; i++)
        if (memcmp(disk.rows[i].claim.key, key, 32) == 0)
            return &disk.rows[i];
    return NULL;
}

static hf_err claim(void *self, const hf_key_claim *c, hf_claim_verdict *verdict, hf_key_answer *a, hf_span room)
{
    row *r = find(c->key);
    assert_ptr_equal(self, &disk);
    disk.claims++;
    if (disk.broken)
        return hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_STORE);
    assert_true(c->until.s > c->now.s);
    if (r == NULL) {
        assert_true(disk.count < ROWS);
        disk.rows[disk.count++] = (row){ .claim = *c, .running = true };
        *verdict = HF_CLAIM_NEW;
    } else if (memcmp(r->claim.request, c->request, 32) != 0) {
        *verdict = HF_CLAIM_OTHER;
    } else if (r->running || r->status == 0) {
        *verdict = r->running ? HF_CLAIM_RUNNING : HF_CLAIM_LOST;
    } else {
        assert_true(room.len >= r->fields_length + r->body_length);
        memcpy(room.ptr, r->fields, r->fields_length);
        memcpy(room.ptr + r->fields_length, r->body, r->body_length);
        *a = (hf_key_answer){ r->status, hf_bytes_make(room.ptr, r->fields_length),
            hf_bytes_make(room.ptr + r->fields_length, r->body_length) };
        *verdict = HF_CLAIM_ANSWERED;
    }
    return HF_OK;
}

static hf_err keep(void *self, const uint8_t key[32], const hf_key_answer *a)
{
    row *r = find(key);
    assert_ptr_equal(self, &disk);
    assert_true(r != NULL && r->running);
    disk.keeps++;
    if (disk.broken)
        return hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_STORE);
    assert_true(a->fields.len <= sizeof r->fields && a->body.len <= sizeof r->body);
    r->running = false;
    r->status = a->status;
    r->fields_length = a->fields.len;
    r->body_length = a->body.len;
    if (a->fields.len > 0)
        memcpy(r->fields, a->fields.ptr, a->fields.len);
    if (a->body.len > 0)
        memcpy(r->body, a->body.ptr, a->body.len);
    return HF_OK;
}

static hf_err forget(void *self, const uint8_t key[32])
{
    row *r = find(key);
    assert_ptr_equal(self, &disk);
    assert_true(r != NULL && r->running);
    disk.forgets++;
    if (disk.broken)
        return hf_err_make(HF_ERR_HTTP_IDEMPOTENCY_STORE);
    *r = disk.rows[--disk.count];
    return HF_OK;
}

static const hf_key_store base = { &disk, claim, keep, forget };

/* ---- handlers ----------------------------------------------------------------------------------------------- */

static hf_err make(hf_req *rq)
{
    of(rq);
    made++;
    const hf_err err = hf_reply_field(rq, "X-Made", hf_text("here"));
    return err.code != 0 ? err : hf_reply_text(rq, 201, "number %zu: %.*s", made, HF_STR(hf_req_body(rq)));
}

static hf_err make_later(hf_req *rq)
{
    made++;
    return hf_req_later(rq, &ticket);
}

static hf_err make_nothing(hf_req *rq)
{
    (void)rq;
    made++;
    return hf_err_make(HF_ERR_IO_SYSTEM);
}

static hf_err make_large(hf_req *rq)
{
    made++;
    return hf_reply(rq, 200, NULL, hf_bytes_make(big, HF_IDEMPOTENT_BODY + 1));
}

static hf_err make_no_answer(hf_req *rq)
{
    (void)rq;
    made++;
    return HF_OK;
}

static const hf_route key_routes[] = {
    { "POST", "/make", .handle = make, .idempotency = HF_IDEMPOTENT_TAKEN },
    { "POST", "/other", .handle = make, .idempotency = HF_IDEMPOTENT_TAKEN },
    { "POST", "/later", .handle = make_later, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/fail", .handle = make_nothing, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/large", .handle = make_large, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/silent", .handle = make_no_answer, .idempotency = HF_IDEMPOTENT_REQUIRED },
};

/* ---- the rig ------------------------------------------------------------------------------------------------ */

static void start(void)
{
    kit_begin(key_routes, HF_COUNT(key_routes));
    k.r.app.idempotency = hf_idempotency_new(&k.r.world.env.alloc, &k.r.world.limits);
    assert_non_null(k.r.app.idempotency);
    hf_idempotency_back(k.r.app.idempotency, &base, NULL);
}

static void stop(void)
{
    if (k.r.web != NULL)
        kit_hang_up();
    kit_turn();
    hf_idempotency_drop(k.r.app.idempotency);
    kit_end();
}

static void restart(void)
{
    stop();
    start();
}

static int begin_base(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    ticket = NULL;
    made = 0;
    start();
    return 0;
}

static int end_base(void **state)
{
    (void)state;
    stop();
    return 0;
}

/* Without a turn of the loop behind it: the base has said what it says, and nobody has heard. */
static const char *say(const char *path, const char *fields, const char *body)
{
    static char text[1024];
    snprintf(text, sizeof text, "POST %s" H "%sContent-Length: %zu\r\n\r\n%s", path, fields, strlen(body), body);
    k.r.pier.out_length = 0;
    return ask(&k.r, text);
}

static const char *post(const char *path, const char *fields, const char *body)
{
    say(path, fields, body);
    kit_turn();
    drive(&k.r);
    return k.r.text;
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void a_retry_gets_the_first_answer_also_across_a_restart(void **state)
{
    (void)state;
    char first[512];
    strcpy(first, post("/make", "Idempotency-Key: \"k1\"\r\n", "x"));
    has(first, "201 Created");
    has(first, "number 1: x");
    assert_string_equal(post("/make", "Idempotency-Key: k1\r\n", "x"), first);
    assert_int_equal(disk.claims, 1); /* the memory knew */
    restart();
    assert_string_equal(post("/make", "Idempotency-Key: k1\r\n", "x"), first);
    assert_string_equal(post("/make", "Idempotency-Key: k1\r\n", "x"), first);
    assert_int_equal(made, 1);
    assert_int_equal(disk.count, 1);
    has(post("/make", "", "x"), "number 2"); /* without a key it is a request like any other */
    assert_int_equal(disk.count, 1);
}

static void a_key_stands_for_one_request_also_across_a_restart(void **state)
{
    (void)state;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "201 ");
    restart();
    has(post("/make", "Idempotency-Key: k\r\n", "y"), "HF-HTTP-039");
    has(post("/make?a=b", "Idempotency-Key: k\r\n", "x"), "422 ");
    has(post("/make", "Idempotency-Key: k\r\nCookie: someone=else\r\n", "x"), "422 ");
    has(post("/make", "Idempotency-Key: k\r\nAuthorization: Basic eA==\r\n", "x"), "422 ");
    has(post("/other", "Idempotency-Key: k\r\n", "x"), "201 "); /* another route has keys of its own */
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1");
    assert_int_equal(made, 2);
}

static void nothing_that_a_client_sent_is_written_down(void **state)
{
    (void)state;
    post("/make", "Idempotency-Key: distinctive-key\r\nCookie: secret-cookie\r\nAuthorization: secret-word\r\n", "body-words");
    for (size_t i = 0; i < 4; i++) {
        static const char *const words[] = { "distinctive-key", "secret-cookie", "secret-word", "/make" };
        assert_null(memmem(&disk, sizeof disk, words[i], strlen(words[i])));
    }
}

static void who_asks_while_the_base_is_asked_is_told_to_wait(void **state)
{
    (void)state;
    say("/make", "Idempotency-Key: k\r\n", "x");
    assert_string_equal(k.r.text, "");
    assert_int_equal(made, 0);
    hf_dialog_close(&k.r.dialog, HF_OK);
    hf_web_free(k.r.web); /* the client lost patience, and comes back on another connection */
    k.r.web = k.r.dialog.web = NULL;
    kit_connect();
    has(say("/make", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    kit_turn();
    assert_int_equal(made, 0); /* nobody waited for the first */
    assert_int_equal(disk.count, 0);
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1");
}

static void a_retry_during_the_work_is_told_to_wait_and_then_gets_the_answer(void **state)
{
    (void)state;
    post("/later", "Idempotency-Key: k\r\n", "x");
    hf_later *first = ticket;
    assert_non_null(first);
    kit_hang_up();
    kit_connect();
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    assert_int_equal(hf_later_answer(first, 201, "text/plain", hf_text("made after all")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    hf_later_drop(first);
    kit_turn();
    restart();
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "made after all");
    assert_int_equal(made, 1);
}

static void work_that_died_with_its_process_is_not_done_again(void **state)
{
    (void)state;
    post("/later", "Idempotency-Key: k\r\n", "x");
    hf_later_drop(ticket);
    disk.broken = true; /* and so nobody says what became of it */
    restart();
    disk.broken = false;
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    disk.rows[0].running = false; /* the base has lost patience */
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-041");
    assert_int_equal(made, 1);
}

static void work_that_was_given_up_may_be_tried_again(void **state)
{
    (void)state;
    has(post("/fail", "Idempotency-Key: k\r\n", "x"), "500 ");
    has(post("/fail", "Idempotency-Key: k\r\n", "x"), "500 ");
    has(post("/silent", "Idempotency-Key: k\r\n", "x"), "500 ");
    has(post("/silent", "Idempotency-Key: k\r\n", "x"), "500 ");
    assert_int_equal(made, 4);
    assert_int_equal(disk.count, 0);
}

static void of_a_large_answer_the_fact_is_kept(void **state)
{
    (void)state;
    has(post("/large", "Idempotency-Key: k\r\n", "x"), "200 OK");
    restart();
    has(post("/large", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-041");
    assert_int_equal(made, 1);
}

static void what_cannot_be_remembered_is_not_begun(void **state)
{
    (void)state;
    disk.broken = true;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "503 ");
    has(k.r.text, "HF-HTTP-051");
    assert_int_equal(made, 0);
    has(post("/make", "", "x"), "number 1"); /* who brings no key asks for nothing */
    disk.broken = false;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 2");
}

static void an_answer_that_cannot_be_written_is_still_given_and_the_work_not_repeated(void **state)
{
    (void)state;
    say("/make", "Idempotency-Key: k\r\n", "x");
    disk.broken = true;
    kit_turn();
    drive(&k.r);
    has(k.r.text, "number 1");
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1"); /* the memory knows */
    restart();
    disk.broken = false;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "409 ");
    assert_int_equal(made, 1);
}

static void a_base_that_lies_is_a_failure_and_nothing_worse(void **state)
{
    (void)state;
    static const char *const lies[] = { "X-A\0b", "X-A\0b\0c\0", "X-A" };
    static const size_t lengths[] = { 5, 8, 3 };
    for (size_t i = 0; i < HF_COUNT(lies); i++) {
        post("/make", "Idempotency-Key: k\r\n", "x");
        restart();
        memcpy(disk.rows[0].fields, lies[i], lengths[i]);
        disk.rows[0].fields_length = lengths[i];
        has(post("/make", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-051");
        restart();
        memset(&disk, 0, sizeof disk);
    }
}

static void a_base_that_is_too_slow_is_answered_503_and_nothing_is_begun(void **state)
{
    (void)state;
    say("/make", "Idempotency-Key: k\r\n", "x");
    kit_pass((int64_t)k.r.world.limits.handler_ns);
    has(k.r.text, "503 Service");
    kit_turn();
    assert_int_equal(made, 0);
    assert_int_equal(disk.count, 0);
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1");
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t n = 1; n < 60; n++) {
        stop();
        begin_base(NULL);
        k.r.world.memory.fail_at = k.r.world.memory.calls + n;
        const char *text = post("/make", "Idempotency-Key: k\r\n", "x");
        const bool answered = strstr(text, "201 ") != NULL;
        const size_t before = made;
        k.r.world.memory.fail_at = 0;
        restart();
        text = post("/make", "Idempotency-Key: k\r\n", "x"); /* done once, or not at all and then once */
        if (strstr(text, "201 ") == NULL && strstr(text, "409 ") == NULL)
            fail_msg("%zu: %s", n, text);
        assert_true(made == before || (!answered && made == before + 1));
        assert_true(made <= 1 || !answered);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_base, end_base)
    const struct CMUnitTest tests[] = {
        TEST(a_retry_gets_the_first_answer_also_across_a_restart),
        TEST(a_key_stands_for_one_request_also_across_a_restart),
        TEST(nothing_that_a_client_sent_is_written_down),
        TEST(who_asks_while_the_base_is_asked_is_told_to_wait),
        TEST(a_retry_during_the_work_is_told_to_wait_and_then_gets_the_answer),
        TEST(work_that_died_with_its_process_is_not_done_again),
        TEST(work_that_was_given_up_may_be_tried_again),
        TEST(of_a_large_answer_the_fact_is_kept),
        TEST(what_cannot_be_remembered_is_not_begun),
        TEST(an_answer_that_cannot_be_written_is_still_given_and_the_work_not_repeated),
        TEST(a_base_that_lies_is_a_failure_and_nothing_worse),
        TEST(a_base_that_is_too_slow_is_answered_503_and_nothing_is_begun),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
