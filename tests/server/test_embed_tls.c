/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded server over TLS: tickets, 0-RTT, and what a handler is told of the handshake. The client is our own core on a
 * blocking socket.
 */
#include <handfast/server.h>
#include <handfast/tls.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "identities_generated.h"
#include "random.h"
#include "temp_folder.h"
#include "text.h"

static hf_test_world world;
static temp_folder folder;
static hf_crypto *crypto;
static hf_bytes protocol;
static hf_tls_config client_config;
static uint8_t session[4096];
static size_t session_length;

static hf_err tell(hf_req *rq)
{
    hf_req_handshake h = { 0 };
    const bool tls = hf_req_handshake_of(rq, &h);
    return hf_reply_text(rq, 200, "tls=%d version=%04x %s %s %.*s %.*s early=%d", tls, h.version, h.suite, h.resumed ? "resumed" : "full",
                         HF_STR(h.protocol), HF_STR(h.host), hf_req_is_early(rq));
}

static const hf_route routes[] = { { "GET", "/", .handle = tell }, { "POST", "/", .handle = tell } };

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(temp_path(&folder, name), "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    temp_make(&folder);
    write_file("c.pem", identity_p256_pem);
    write_file("k.pem", identity_p256_key);
    crypto = hf_crypto_new(&world.env, NULL);
    assert_non_null(crypto);
    protocol = hf_text("http/1.1");
    session_length = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_crypto_free(crypto);
    temp_remove(&folder);
    hf_test_world_fini(&world);
    return 0;
}

static hf_server *started(bool early)
{
    static char certificate[1024], key[1024];
    snprintf(certificate, sizeof certificate, "%s", temp_path(&folder, "c.pem"));
    snprintf(key, sizeof key, "%s", temp_path(&folder, "k.pem"));
    const hf_server_options options = { .listen = { "https://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 2,
        .identities = { { certificate, key } }, .early_data = early };
    hf_server *s = NULL;
    if (hf_server_open(&s, &options).code != 0)
        fail_msg("%s", hf_server_why(s));
    assert_int_equal(hf_server_start(s).code, 0);
    return s;
}

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static void flush(hf_tls *t, int fd)
{
    static uint8_t scratch[70000];
    hf_extent pieces[8];
    hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    (void)hf_tls_emit(t, now(), &out);
    for (size_t done = 0; done < out.scratch_used;) {
        const ssize_t n = send(fd, scratch + done, out.scratch_used - done, MSG_NOSIGNAL);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

/* A connection with one request; the whole answer. */
static const char *visit(uint16_t port, const char *request, bool *accepted)
{
    static char answer[4096];
    static uint8_t buffer[40000];
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { 30, 0 };
    const hf_extent text = { .kind = HF_EXTENT_COPIED, .bytes = hf_text(request) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    hf_tls *t = hf_tls_client_new(&world.env, &client_config, 1, now(), hf_text("localhost"), hf_bytes_make(session, session_length));
    size_t held = 0, length = 0;
    bool put = false, ended = false;
    *accepted = false;
    while (!ended) {
        hf_tls_event event;
        hf_in in = { .ptr = buffer, .len = held };
        const hf_step s = hf_tls_step(t, now(), &in, &event);
        if (s == HF_EVENT && event.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(t, HF_OK);
        if (s == HF_EVENT && event.kind == HF_TLS_SESSION) {
            memcpy(session, event.session.ptr, event.session.len);
            session_length = event.session.len;
        }
        if (s == HF_EVENT && event.kind == HF_TLS_EARLY_REJECTED)
            put = false;
        if (s == HF_EVENT && (event.kind == HF_TLS_EARLY || (event.kind == HF_TLS_OPENED && !put)))
            put = hf_tls_put(t, &text, 1) == text.bytes.len;
        if (s == HF_EVENT && event.kind == HF_TLS_READABLE) {
            const hf_span all = hf_tls_peek(t);
            assert_true(length + all.len < sizeof answer);
            memcpy(answer + length, all.ptr, all.len);
            length += all.len;
            hf_tls_take(t, all.len);
        }
        ended = s == HF_FAULT || s == HF_CLOSED || (s == HF_EVENT && event.kind == HF_TLS_ENDED);
        held -= in.used;
        memmove(buffer, buffer + in.used, held);
        if (s == HF_EVENT)
            continue;
        flush(t, fd);
        const ssize_t n = recv(fd, buffer + held, sizeof buffer - held, 0);
        if (n <= 0)
            break;
        held += (size_t)n;
    }
    *accepted = hf_tls_early_accepted(t);
    answer[length] = 0;
    hf_tls_free(t);
    close(fd);
    return answer;
}

static void expect(const char *answer, const char *wanted)
{
    if (strstr(answer, wanted) == NULL)
        fail_msg("no \"%s\" in \"%s\"", wanted, answer);
}

#define REQUEST(method) method " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

static void clients_get_tickets_and_resume(void **state)
{
    (void)state;
    bool early;
    client_config = (hf_tls_config){ .crypto = crypto, .protocols = &protocol, .protocol_count = 1 };
    hf_server *s = started(false);
    expect(visit(hf_server_port(s, 0), REQUEST("GET"), &early), "tls=1 version=0304 TLS_AES_128_GCM_SHA256 full http/1.1 localhost early=0");
    assert_true(session_length > 0);
    for (int i = 0; i < 3; i++) /* whichever thread is asked */
        expect(visit(hf_server_port(s, 0), REQUEST("GET"), &early), "version=0304 TLS_AES_128_GCM_SHA256 resumed http/1.1 localhost early=0");
    hf_server_close(s);
    s = started(false); /* its keys are others */
    expect(visit(hf_server_port(s, 0), REQUEST("GET"), &early), "full");
    hf_server_close(s);
}

static void early_data_is_answered_once_and_when_it_is_safe(void **state)
{
    (void)state;
    uint8_t first[4096];
    bool early;
    client_config = (hf_tls_config){ .crypto = crypto, .protocols = &protocol, .protocol_count = 1, .early_data = true };
    hf_server *s = started(true);
    const uint16_t port = hf_server_port(s, 0);
    expect(visit(port, REQUEST("GET"), &early), "full http/1.1 localhost early=0");
    const size_t n = session_length;
    memcpy(first, session, n);
    expect(visit(port, REQUEST("GET"), &early), "resumed http/1.1 localhost early=1");
    assert_true(early);
    expect(visit(port, REQUEST("POST"), &early), "HTTP/1.1 425 Too Early");
    assert_true(early);
    memcpy(session, first, n);
    session_length = n;
    expect(visit(port, REQUEST("POST"), &early), "resumed http/1.1 localhost early=0"); /* its ticket was used: later, and then anything goes */
    assert_false(early);
    hf_server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_get_tickets_and_resume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(early_data_is_answered_once_and_when_it_is_safe, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
