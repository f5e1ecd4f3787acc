/* SPDX-License-Identifier: Apache-2.0
 *
 * The key process and the serving process's end of the channel: signatures, death, floods and nonsense.
 */
#include "temp_folder.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "allocator.h"
#include "identities_generated.h"
#include "key_process.h"
#include "key_wire.h"

static temp_folder folder;
static hf_env env;
static hf_crypto *crypto;
static hf_identities *ids;
static hf_identity_set set;
static hf_keeper keeper;
static char reasons[2048];
static sem_t woken[4];
static const uint8_t premaster[HF_PREMASTER] = { 3, 3, 9, 8, 7 };
static unsigned premasters_wiped; /* in this process */

/* The linker puts it before ours (-Wl,--wrap). */
void __real_hf_wipe(void *at, size_t n);
void __wrap_hf_wipe(void *at, size_t n);

void __wrap_hf_wipe(void *at, size_t n)
{
    if (n == sizeof premaster && memcmp(at, premaster, n) == 0) /* else nothing is touched: other threads wipe, too */
        premasters_wiped++;
    __real_hf_wipe(at, n);
}

static int set_up(void **state)
{
    (void)state;
    temp_make(&folder);
    temp_write(&folder, "p256.pem", identity_p256_pem);
    temp_write(&folder, "p256.key", identity_p256_key);
    temp_write(&folder, "rsa.pem", identity_rsa_pem);
    temp_write(&folder, "rsa.key", identity_rsa_key);
    env = (hf_env){ .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    crypto = hf_crypto_new(&env, NULL);
    const hf_identity_source sources[] = { { .certificate = temp_path(&folder, "p256.pem"), .key = temp_path(&folder, "p256.key") },
        { .certificate = temp_path(&folder, "rsa.pem"), .key = temp_path(&folder, "rsa.key") } };
    hf_writer why = hf_writer_make(reasons, sizeof reasons);
    ids = hf_identities_load(sources, 2, NULL, &why);
    assert_non_null(ids);
    assert_int_equal(hf_identity_set_init(&set, ids, crypto).code, 0);
    assert_true(hf_keeper_open(&keeper, ids, &why));
    for (size_t i = 0; i < HF_COUNT(woken); i++)
        assert_int_equal(sem_init(&woken[i], 0, 0), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_keeper_close(&keeper, true);
    hf_identity_set_fini(&set);
    hf_identities_free(ids);
    hf_crypto_free(crypto);
    temp_remove(&folder);
    return 0;
}

static void wake(void *self)
{
    sem_post(self);
}

static hf_key_client *begin(uint32_t threads, uint32_t most)
{
    hf_key_client *c = hf_key_client_new(dup(keeper.serving), threads, most);
    assert_non_null(c);
    for (uint32_t i = 0; i < threads; i++)
        assert_int_equal(hf_key_client_attach(c, (hf_key_waker){ wake, &woken[i] }), i);
    return c;
}

static void end(hf_key_client *c, uint32_t threads)
{
    for (uint32_t i = 0; i < threads; i++)
        hf_key_client_detach(c, i);
    hf_key_client_free(c);
}

/* Waits for an answer to this thread, at most about twenty seconds. What is woken without an answer is looked at every 20 ms. */
static bool await(hf_key_client *c, uint32_t thread, uint32_t *place, hf_err *err, uint8_t *signature, size_t *length)
{
    struct pollfd p = { .fd = hf_key_client_descriptor(c, thread), .events = POLLIN };
    for (int i = 0; !hf_key_client_take(c, thread, place, err, signature, length); i++) {
        if (i == 1000)
            return false;
        if (poll(&p, 1, 20) > 0)
            hf_key_client_notify(c, thread);
    }
    return true;
}

static void assert_signed(hf_key_client *c, uint32_t thread, size_t key, const char *message)
{
    const hf_scheme scheme = key == 0 ? HF_SCHEME_ECDSA_P256_SHA256 : HF_SCHEME_RSA_PSS_SHA256;
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length;
    uint32_t place;
    hf_err err;
    const uint32_t asked = hf_key_client_ask(c, thread, key, scheme, hf_text(message));
    assert_true(asked != UINT32_MAX);
    assert_true(await(c, thread, &place, &err, signature, &length));
    assert_int_equal(place, asked);
    assert_int_equal(err.code, 0);
    assert_int_equal(hf_chain_check(set.identities[key].chain, scheme, hf_text(message), hf_bytes_make(signature, length)).code, 0);
}

static void it_signs_with_the_key_that_was_asked_for(void **state)
{
    (void)state;
    hf_key_client *c = begin(1, 8);
    for (int i = 0; i < 20; i++) {
        assert_signed(c, 0, 0, "words");
        assert_signed(c, 0, 1, "other words");
    }
    end(c, 1);
}

static void what_cannot_be_signed_is_answered_too(void **state)
{
    (void)state;
    hf_key_client *c = begin(1, 8);
    uint8_t signature[HF_SIGNATURE_MOST], large[HF_KEY_MESSAGE_MOST + 1] = { 0 };
    size_t length;
    uint32_t place;
    hf_err err;
    assert_true(hf_key_client_ask(c, 0, 7, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x")) != UINT32_MAX); /* no such key */
    assert_true(await(c, 0, &place, &err, signature, &length));
    assert_int_equal(err.code, HF_ERR_TLS_SIGNER);
    assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_RSA_PSS_SHA256, hf_text("x")) != UINT32_MAX); /* not with that key */
    assert_true(await(c, 0, &place, &err, signature, &length));
    assert_int_equal(err.code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_bytes_make(large, sizeof large)), UINT32_MAX);
    end(c, 1);
}

/* The second question is answered by setting alone: else who holds the channel could read recorded connections. */
static void a_premaster_secret_is_decrypted_by_setting_alone(void **state)
{
    (void)state;
    uint8_t encrypted[HF_SIGNATURE_MOST], out[HF_SIGNATURE_MOST];
    size_t n = 0, length = 0;
    uint32_t place;
    hf_err err;
    assert_int_equal(hf_chain_encrypt(set.identities[1].chain, hf_bytes_make(premaster, sizeof premaster), encrypted, &n).code, 0);
    premasters_wiped = 0;
    hf_key_client *c = begin(1, 8);
    assert_true(hf_key_client_ask_premaster(c, 0, 1, 0x0303, hf_bytes_make(encrypted, n)) != UINT32_MAX);
    assert_true(await(c, 0, &place, &err, out, &length));
    assert_int_equal(err.code, HF_ERR_TLS_SIGNER);
    assert_signed(c, 0, 1, "words");
    end(c, 1);
    hf_keeper_close(&keeper, true);
    hf_writer why = hf_writer_make(reasons, sizeof reasons);
    ids->rsa_key_exchange = true;
    assert_true(hf_keeper_open(&keeper, ids, &why));
    c = begin(1, 8);
    for (size_t key = 0; key < 3; key++) { /* ECDSA, RSA, none */
        assert_true(hf_key_client_ask_premaster(c, 0, key, 0x0303, hf_bytes_make(encrypted, n)) != UINT32_MAX);
        assert_true(await(c, 0, &place, &err, out, &length));
        assert_int_equal(err.code == 0, key == 1);
        if (key == 1)
            assert_int_equal(length, HF_PREMASTER);
        if (key == 1)
            assert_memory_equal(out, premaster, HF_PREMASTER);
    }
    assert_true(premasters_wiped >= 1); /* what it was received into, twice where it was asked anew; who asked wipes the rest */
    end(c, 1);
}

typedef struct worker {
    hf_key_client *client;
    uint32_t number;
    size_t good;
} worker;

static void *ask_many(void *argument)
{
    worker *w = argument;
    hf_crypto *own = hf_crypto_new(&env, NULL);
    hf_identity_set chains;
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length, asked = 0, answered = 0;
    uint32_t place;
    hf_err err;
    if (own == NULL || hf_identity_set_init(&chains, ids, own).code != 0)
        return NULL;
    while (answered < 300) {
        while (asked < 300 && asked - answered < 40 &&
               hf_key_client_ask(w->client, w->number, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("many")) != UINT32_MAX)
            asked++;
        if (asked == answered) { /* the others have every place */
            sched_yield();
            continue;
        }
        if (!await(w->client, w->number, &place, &err, signature, &length))
            break;
        answered++;
        w->good += err.code == 0 &&
            hf_chain_check(chains.identities[0].chain, HF_SCHEME_ECDSA_P256_SHA256, hf_text("many"), hf_bytes_make(signature, length)).code == 0;
    }
    hf_identity_set_fini(&chains);
    hf_crypto_free(own);
    return NULL;
}

static void many_threads_ask_at_once(void **state)
{
    (void)state;
    hf_key_client *c = begin(4, 64); /* fewer places than they would like */
    worker workers[4];
    pthread_t threads[4];
    for (uint32_t i = 0; i < 4; i++) {
        workers[i] = (worker){ c, i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].good, 300);
    }
    end(c, 4);
}

static void kill_it(void)
{
    kill(keeper.pid, SIGKILL);
    assert_int_equal(waitpid(keeper.pid, NULL, 0), keeper.pid);
    assert_true(hf_keeper_restart(&keeper));
}

static void what_was_asked_outlives_a_death(void **state)
{
    (void)state;
    enum { ASKED = 200 };
    hf_key_client *c = begin(1, 256);
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length, good = 0;
    uint32_t place;
    hf_err err;
    bool seen[256] = { false };
    for (int i = 0; i < ASKED; i++)
        assert_true(hf_key_client_ask(c, 0, 1, HF_SCHEME_RSA_PSS_SHA256, hf_text("slow")) != UINT32_MAX);
    kill_it(); /* some were read and not answered, some not read yet */
    for (int i = 0; i < ASKED; i++) {
        assert_true(await(c, 0, &place, &err, signature, &length));
        assert_false(seen[place]); /* each is answered once */
        seen[place] = true;
        good += err.code == 0 &&
            hf_chain_check(set.identities[1].chain, HF_SCHEME_RSA_PSS_SHA256, hf_text("slow"), hf_bytes_make(signature, length)).code == 0;
    }
    assert_int_equal(good, ASKED);
    assert_signed(c, 0, 0, "afterwards");
    end(c, 1);
}

static void limit_key_questions(void **state)
{
    (void)state;
    enum { MOST = 5 };
    hf_key_client *c = begin(1, MOST);
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length;
    uint32_t place;
    hf_err err;
    kill(keeper.pid, SIGSTOP);
    for (int i = 0; i < MOST; i++)
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x")) < MOST);
    assert_int_equal(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x")), UINT32_MAX);
    kill(keeper.pid, SIGCONT);
    for (int i = 0; i < MOST; i++)
        assert_true(await(c, 0, &place, &err, signature, &length));
    assert_signed(c, 0, 0, "there is room again");
    end(c, 1);
}

/* More than the sockets hold: the carrier sends the rest when there is room. */
static void a_full_channel_holds_nobody_up(void **state)
{
    (void)state;
    enum { ASKED = 3000 };
    hf_key_client *c = begin(1, ASKED);
    uint8_t signature[HF_SIGNATURE_MOST];
    char message[400];
    size_t length, good = 0;
    uint32_t place;
    hf_err err;
    memset(message, 'm', sizeof message - 1);
    message[sizeof message - 1] = 0;
    kill(keeper.pid, SIGSTOP);
    for (int i = 0; i < ASKED; i++)
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text(message)) != UINT32_MAX);
    kill(keeper.pid, SIGCONT);
    for (int i = 0; i < ASKED; i++) {
        assert_true(await(c, 0, &place, &err, signature, &length));
        good += err.code == 0;
    }
    assert_int_equal(good, ASKED);
    end(c, 1);
}

/* It takes no answer, and its channel holds fewer than it asked for. */
static void a_thread_that_is_busy_holds_no_other_up(void **state)
{
    (void)state;
    enum { ASKED = 2000 };
    hf_key_client *c = begin(2, ASKED + 8);
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length, good = 0;
    uint32_t place;
    hf_err err;
    for (int i = 0; i < ASKED; i++)
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("busy")) != UINT32_MAX);
    for (int i = 0; i < 20; i++)
        assert_signed(c, 1, 0, "words");
    for (int i = 0; i < ASKED; i++) {
        assert_true(await(c, 0, &place, &err, signature, &length));
        good += err.code == 0;
    }
    assert_int_equal(good, ASKED);
    for (int i = 0; i < ASKED; i++) /* and who goes away without a look at them */
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("busy")) != UINT32_MAX);
    assert_signed(c, 1, 0, "words");
    hf_key_client_detach(c, 0);
    assert_signed(c, 1, 0, "other words");
    hf_key_client_detach(c, 1);
    hf_key_client_free(c);
}

/* Answers to who asked before, by the same number and maybe at the same place, are not taken for answers to a new question. */
static void who_asks_anew_gets_no_old_answers(void **state)
{
    (void)state;
    hf_key_client *c = begin(1, 8);
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length;
    uint32_t place;
    hf_err err;
    kill(keeper.pid, SIGSTOP);
    for (int i = 0; i < 5; i++)
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("old")) != UINT32_MAX);
    end(c, 1);
    c = begin(1, 8);
    for (int i = 0; i < 2; i++)
        assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_RSA_PSS_SHA256, hf_text("not with this key")) != UINT32_MAX);
    kill(keeper.pid, SIGCONT);
    for (int i = 0; i < 2; i++) {
        assert_true(await(c, 0, &place, &err, signature, &length));
        assert_int_equal(err.code, HF_ERR_BASE_USAGE); /* the old ones are signed */
    }
    assert_signed(c, 0, 0, "new");
    end(c, 1);
}

/* A key process of the test's own: what it says first is how it is asked, and where the answers go. */
static int joined(int channel)
{
    hf_key_question q;
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec to = { &q, sizeof q };
    struct msghdr m = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    int fd = -1;
    assert_int_equal(recvmsg(channel, &m, 0), HF_KEY_QUESTION_HEAD);
    assert_int_equal(q.kind, HF_KEY_JOIN);
    const struct cmsghdr *const head = CMSG_FIRSTHDR(&m);
    assert_true(head != NULL && head->cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static void reply_with(int fd, uint64_t id, hf_bytes secret)
{
    hf_key_answer a = { .id = id, .length = (uint16_t)secret.len };
    memcpy(a.signature, secret.ptr, secret.len);
    assert_int_equal(send(fd, &a, HF_KEY_ANSWER_HEAD + secret.len, MSG_NOSIGNAL), HF_KEY_ANSWER_HEAD + secret.len);
}

/* After the death of a key process a question may be answered twice: the answer that is nobody's is as secret as the other. */
static void an_answer_that_nobody_waits_for_is_wiped_too(void **state)
{
    (void)state;
    int pair[2];
    uint8_t out[HF_SIGNATURE_MOST];
    size_t length = 0;
    uint32_t place;
    hf_err err;
    hf_key_question q;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    hf_key_client *const c = hf_key_client_new(pair[0], 1, 8);
    assert_non_null(c);
    assert_int_equal(hf_key_client_attach(c, (hf_key_waker){ wake, &woken[0] }), 0);
    const int answers = joined(pair[1]);
    const uint32_t asked = hf_key_client_ask_premaster(c, 0, 1, 0x0303, hf_text("encrypted"));
    assert_int_equal(recv(pair[1], &q, sizeof q, 0), HF_KEY_QUESTION_HEAD + strlen("encrypted"));
    premasters_wiped = 0;
    reply_with(answers, q.id + 0x10000, hf_bytes_make(premaster, sizeof premaster));
    reply_with(answers, q.id, hf_bytes_make(premaster, sizeof premaster));
    hf_key_client_notify(c, 0);
    assert_true(hf_key_client_take(c, 0, &place, &err, out, &length));
    assert_int_equal(place, asked);
    assert_int_equal(length, sizeof premaster);
    assert_memory_equal(out, premaster, length);
    assert_int_equal(premasters_wiped, 2);
    end(c, 1);
    close(answers);
    close(pair[1]);
}

static void an_answer_wakes_its_own_thread_alone(void **state)
{
    (void)state;
    hf_key_client *c = begin(2, 8);
    struct pollfd other = { .fd = hf_key_client_descriptor(c, 0), .events = POLLIN };
    assert_signed(c, 1, 0, "words");
    assert_int_equal(poll(&other, 1, 0), 0);
    assert_false(hf_key_client_asks(c, 0));
    assert_false(hf_key_client_asks(c, 1));
    end(c, 2);
}

static void nonsense_is_not_answered_and_does_no_harm(void **state)
{
    (void)state;
    uint8_t bytes[2048] = { 0 };
    for (size_t n = 0; n < sizeof bytes; n += n < 40 ? 1 : 61) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(i * 31 + n);
        assert_int_equal(send(keeper.serving, bytes, n == 0 ? 1 : n, MSG_NOSIGNAL), n == 0 ? 1 : (ssize_t)n);
    }
    hf_key_question lie = { .id = 5, .kind = HF_KEY_SIGN, .scheme = HF_SCHEME_ECDSA_P256_SHA256, .length = HF_KEY_MESSAGE_MOST };
    assert_true(send(keeper.serving, &lie, HF_KEY_QUESTION_HEAD + 3, MSG_NOSIGNAL) > 0); /* says more than it has */
    hf_key_client *c = begin(1, 8);
    assert_signed(c, 0, 0, "words");
    end(c, 1);
}

static void a_key_that_does_not_fit_is_refused_at_the_start(void **state)
{
    (void)state;
    const hf_identity_source wrong = { .certificate = temp_path(&folder, "p256.pem"), .key = temp_path(&folder, "rsa.key") };
    hf_keeper other;
    hf_writer why = hf_writer_make(reasons, sizeof reasons - 1);
    hf_identities *pair = hf_identities_load(&wrong, 1, NULL, &why);
    assert_non_null(pair);
    assert_false(hf_keeper_open(&other, pair, &why));
    reasons[why.length] = 0;
    assert_non_null(strstr(reasons, "rsa.key is not the key of "));
    assert_int_equal(other.pid, 0);
    hf_identities_free(pair);
}

static void it_ends_when_nobody_can_ask_any_more(void **state)
{
    (void)state;
    hf_key_client *c = begin(1, 8);
    assert_signed(c, 0, 0, "words");
    const pid_t pid = keeper.pid;
    hf_keeper_close(&keeper, false); /* the client still has its end */
    assert_signed(c, 0, 0, "still there");
    end(c, 1);
    int status = -1;
    for (int i = 0; i < 1000 && waitpid(pid, &status, WNOHANG) == 0; i++)
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    assert_int_equal(status, 0);
}

static void when_nobody_answers_any_more_it_is_said(void **state)
{
    (void)state;
    hf_key_client *c = begin(1, 8);
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length;
    uint32_t place;
    hf_err err;
    kill(keeper.pid, SIGSTOP);
    assert_true(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x")) != UINT32_MAX);
    hf_keeper_close(&keeper, true);
    assert_true(await(c, 0, &place, &err, signature, &length));
    assert_int_equal(err.code, HF_ERR_TLS_SIGNER);
    assert_int_equal(length, 0);
    assert_int_equal(hf_key_client_ask(c, 0, 0, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x")), UINT32_MAX);
    end(c, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_premaster_secret_is_decrypted_by_setting_alone), T(it_signs_with_the_key_that_was_asked_for), T(what_cannot_be_signed_is_answered_too), T(many_threads_ask_at_once),
        T(what_was_asked_outlives_a_death), T(limit_key_questions), T(a_full_channel_holds_nobody_up), T(a_thread_that_is_busy_holds_no_other_up),
        T(who_asks_anew_gets_no_old_answers), T(an_answer_that_nobody_waits_for_is_wiped_too),
        T(an_answer_wakes_its_own_thread_alone), T(nonsense_is_not_answered_and_does_no_harm), T(a_key_that_does_not_fit_is_refused_at_the_start),
        T(it_ends_when_nobody_can_ask_any_more), T(when_nobody_answers_any_more_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
