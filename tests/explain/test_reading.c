/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are explained: what each is told to be, and what went wrong in it; and that nothing in them is believed.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mixed_content.h"
#include "reading.h"

enum { SYN = 2, FIN = 1, RST = 4, PUSH = 8, ACK = 16, CLIENT = 40000, SERVER = 443 };

static hf_test_world world;
static hf_finding findings[HF_FINDINGS_MOST];
static char facts[16384];
static hf_reading told;

static void read_file(hf_file_kind kind, hf_bytes file)
{
    told = (hf_reading){ .facts = hf_writer_make(facts, sizeof facts - 1), .findings = { .at = findings, .capacity = HF_FINDINGS_MOST } };
    memset(facts, 0, sizeof facts);
    assert_int_equal(hf_reading_make(&world.env, kind, file, &told).code, 0);
}

static const hf_finding *finding_of(int32_t code)
{
    for (size_t i = 0; i < told.findings.count; i++)
        if (findings[i].err.code == code)
            return &findings[i];
    return NULL;
}

static void finds(int32_t code, const char *word)
{
    const hf_finding *const f = finding_of(code);
    if (f == NULL || strstr(f->found, word) == NULL)
        fail_msg("%s: \"%s\", not \"%s\"; %zu findings; %s", hf_err_text(hf_err_make(code)), f != NULL ? f->found : "(nothing)", word, told.findings.count, facts);
    assert_int_equal(f->err.code, code);
}

static void says(const char *word)
{
    if (strstr(facts, word) == NULL)
        fail_msg("\"%s\" is not in: %s", word, facts);
}

/* ---- a capture, packet by packet ------------------------------------------------------------------------------ */

static uint8_t file[1 << 16];
static size_t length;
static uint32_t when_ms;

static void put(const void *bytes, size_t n)
{
    assert_true(length + n <= sizeof file);
    memcpy(file + length, bytes, n);
    length += n;
}

static void put32(uint32_t n) /* little endian */
{
    const uint8_t b[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };
    put(b, 4);
}

static void begin_pcap(void)
{
    length = when_ms = 0;
    put32(0xa1b2c3d4);
    put32(4 << 16 | 2);
    put32(0);
    put32(0);
    put32(65535);
    put32(101); /* LINKTYPE_RAW */
}

static size_t make_ip(uint8_t to[1600], bool back, uint8_t protocol, size_t payload)
{
    static const uint8_t ends[2][4] = { { 10, 0, 0, 1 }, { 10, 0, 0, 2 } };
    memset(to, 0, 20);
    to[0] = 0x45;
    to[2] = (uint8_t)((20 + payload) >> 8);
    to[3] = (uint8_t)(20 + payload);
    to[8] = 64;
    to[9] = protocol;
    memcpy(to + 12, ends[back], 4);
    memcpy(to + 16, ends[!back], 4);
    return 20 + payload;
}

static void put_record(const uint8_t *packet, size_t n)
{
    when_ms += 10;
    put32(1700000000 + when_ms / 1000);
    put32(when_ms % 1000 * 1000);
    put32((uint32_t)n);
    put32((uint32_t)n);
    put(packet, n);
}

static void segment_between(uint16_t client, bool back, uint32_t seq, uint8_t flags, uint16_t window, const char *text, size_t n)
{
    uint8_t packet[1600];
    const uint16_t from = back ? SERVER : client, to = back ? client : SERVER;
    const size_t all = make_ip(packet, back, 6, 20 + n);
    uint8_t *const t = packet + 20;
    const uint8_t header[20] = { (uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to, (uint8_t)(seq >> 24), (uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq,
        0, 0, 0, 0, 0x50, flags, (uint8_t)(window >> 8), (uint8_t)window };
    memcpy(t, header, 20);
    if (n > 0)
        memcpy(t + 20, text, n);
    put_record(packet, all);
}

static void segment(bool back, uint32_t seq, uint8_t flags, const char *text, size_t n)
{
    segment_between(CLIENT, back, seq, flags, 65535, text, n);
}

static void shake_hands(void)
{
    begin_pcap();
    segment(false, 100, SYN, "", 0);
    segment(true, 500, SYN | ACK, "", 0);
    segment(false, 101, ACK, "", 0);
}

static void read_pcap(void)
{
    const hf_bytes whole = { file, length };
    assert_int_equal(hf_file_kind_of(whole), HF_FILE_PCAP);
    read_file(HF_FILE_PCAP, whole);
}

static void a_connection_that_works_is_told_without_a_finding(void **state)
{
    (void)state;
    shake_hands();
    segment(false, 101, PUSH | ACK, "GET / HTTP/1.1\r\n\r\n", 18);
    segment(true, 501, PUSH | ACK, "HTTP/1.1 200 OK\r\n\r\n", 19);
    segment(true, 520, FIN | ACK, "", 0);
    segment(false, 119, FIN | ACK, "", 0);
    read_pcap();
    assert_int_equal(told.findings.count, 0);
    says("7 packets in 0.060 s: 1 connections");
    says("10.0.0.1:40000 -> 10.0.0.2:443: handshake in 10.0 ms, 18 bytes there, 19 back, 60.0 ms; closed, the server first: TIME_WAIT is with it");
}

static void a_syn_that_is_refused_or_not_answered_is_told(void **state)
{
    (void)state;
    begin_pcap();
    segment(false, 100, SYN, "", 0);
    segment(true, 0, RST | ACK, "", 0);
    segment_between(CLIENT + 1, false, 100, SYN, 65535, "", 0);
    segment_between(CLIENT + 1, false, 100, SYN, 65535, "", 0);
    read_pcap();
    finds(HF_ERR_EXPLAIN_SYN_REFUSED, "10.0.0.2:443 answers the SYN of 10.0.0.1:40000");
    finds(HF_ERR_EXPLAIN_SYN_UNANSWERED, "10.0.0.1:40001 sends 2 SYN to 10.0.0.2:443");
}

static void a_reset_names_who_sent_it(void **state)
{
    (void)state;
    shake_hands();
    segment(false, 101, PUSH | ACK, "hello", 5);
    segment(true, 501, RST, "", 0);
    read_pcap();
    finds(HF_ERR_EXPLAIN_RESET_SEEN, "10.0.0.2:443 resets");
    says("reset by the server");
    shake_hands();
    segment(false, 101, RST, "", 0);
    read_pcap();
    finds(HF_ERR_EXPLAIN_RESET_SEEN, "10.0.0.1:40000 resets");
}

static void what_is_sent_again_is_counted_and_a_keep_alive_is_not(void **state)
{
    (void)state;
    shake_hands();
    segment(false, 101, PUSH | ACK, "hello", 5);
    segment(false, 101, PUSH | ACK, "hello", 5);
    segment(false, 105, ACK, "o", 1);
    segment_between(CLIENT, true, 501, ACK, 0, "", 0);
    segment(true, 501, FIN | ACK, "", 0);
    read_pcap();
    finds(HF_ERR_EXPLAIN_SEGMENTS_AGAIN, "10.0.0.1:40000 sends 1 of 5 segments");
    finds(HF_ERR_EXPLAIN_WINDOW_CLOSED, "10.0.0.2:443 says 1 times that it has no room");
    finds(HF_ERR_EXPLAIN_HALF_CLOSED, "10.0.0.2:443 closed, and 10.0.0.1:40000 did not");
}

/* A ClientHello for "a.test", with nothing else in it. */
static const char hello[] = "\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" "0123456789abcdef0123456789abcdef" "\x00\x00\x02\x13\x01\x01\x00\x00\x0f\x00\x00\x00\x0b\x00\x09\x00\x00\x06" "a.test";

static void what_tls_says_in_clear_is_read(void **state)
{
    (void)state;
    shake_hands();
    segment(false, 101, PUSH | ACK, hello, sizeof hello - 1);
    segment(true, 501, PUSH | ACK, "\x15\x03\x03\x00\x02\x02\x28", 7);
    read_pcap();
    says("TLS for a.test");
    finds(HF_ERR_EXPLAIN_ALERT_SEEN, "10.0.0.2:443 says handshake_failure (40)");
    shake_hands();
    segment(false, 101, PUSH | ACK, hello, sizeof hello - 1);
    segment(true, 501, ACK, "", 0);
    read_pcap();
    finds(HF_ERR_EXPLAIN_HELLO_UNANSWERED, "10.0.0.2:443 says nothing");
}

static void quic_that_is_not_answered_is_told(void **state)
{
    (void)state;
    uint8_t packet[1600];
    begin_pcap();
    const size_t all = make_ip(packet, false, 17, 8 + 1200);
    memset(packet + 20, 0, 8 + 1200);
    packet[20] = 0xc3; /* from port 50000 to 443 */
    packet[20 + 1] = 0x50;
    packet[20 + 2] = 1;
    packet[20 + 3] = 0xbb;
    packet[20 + 8] = 0xc3;
    put_record(packet, all);
    read_pcap();
    finds(HF_ERR_EXPLAIN_H3_NO_ANSWER, "10.0.0.1:50000 sends to 10.0.0.2:443");
}

static void ports_that_are_used_again_are_another_connection(void **state)
{
    (void)state;
    shake_hands();
    segment(false, 101, RST, "", 0);
    segment(false, 9000, SYN, "", 0);
    segment(true, 7000, SYN | ACK, "", 0);
    read_pcap();
    says("2 connections");
}

static void a_capture_that_is_cut_is_told_as_far_as_it_goes(void **state)
{
    (void)state;
    shake_hands();
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *const copy = malloc(cut > 0 ? cut : 1);
        assert_non_null(copy);
        memcpy(copy, file, cut);
        read_file(HF_FILE_PCAP, hf_bytes_make(copy, cut));
        free(copy);
        const bool whole = cut < 4 || (cut >= 24 && (cut - 24) % 56 == 0); /* records of 16 + 40 bytes behind the header */
        assert_int_equal(finding_of(HF_ERR_EXPLAIN_FILE_CUT) == NULL, whole);
    }
}

/* ---- bounds --------------------------------------------------------------------------------------------------- */

static void limit_capture_connections(void **state)
{
    (void)state;
    begin_pcap();
    for (uint16_t i = 0; i < 5; i++)
        segment_between((uint16_t)(CLIENT + i), false, 100, SYN, 65535, "", 0);
    world.limits.capture_connections = 3;
    read_pcap();
    world.limits.capture_connections = hf_limits_default()->capture_connections;
    says("3 connections");
    finds(HF_ERR_EXPLAIN_FILE_LARGE, "2 packets were not looked at");
}

static void limit_capture_packets(void **state)
{
    (void)state;
    shake_hands();
    world.limits.capture_packets = 2;
    read_pcap();
    world.limits.capture_packets = hf_limits_default()->capture_packets;
    finds(HF_ERR_EXPLAIN_FILE_LARGE, "1 packets were not looked at");
}

static void limit_explain_bytes(void **state)
{
    (void)state;
    shake_hands();
    world.limits.explain_bytes = 24 + 56;
    read_pcap();
    world.limits.explain_bytes = hf_limits_default()->explain_bytes;
    says("1 packets");
    finds(HF_ERR_EXPLAIN_FILE_LARGE, "only its first 80 bytes");
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

static void read_text(hf_file_kind kind, const char *text)
{
    assert_int_equal(hf_file_kind_of(hf_text(text)), kind);
    read_file(kind, hf_text(text));
}

static void a_qlog_tells_loss_probes_and_its_end(void **state)
{
    (void)state;
    read_text(HF_FILE_QLOG, "\x1e{\"qlog_version\":\"0.3\",\"title\":\"t\",\"trace\":{\"vantage_point\":{\"type\":\"server\"}}}\n"
                            "\x1e{\"time\":1.5,\"name\":\"transport:packet_sent\",\"data\":{}}\n\x1e{\"time\":2,\"name\":\"transport:packet_received\",\"data\":{}}\n"
                            "\x1e{\"time\":3,\"name\":\"recovery:packet_lost\",\"data\":{}}\n"
                            "\x1e{\"time\":4,\"name\":\"recovery:loss_timer_updated\",\"data\":{\"event_type\":\"expired\",\"timer_type\":\"pto\"}}\n"
                            "\x1e{\"time\":9,\"name\":\"connectivity:connection_closed\",\"data\":{\"owner\":\"local\",\"reason\":\"version not spoken\",\"handfast_error\":\"HF-QUIC-002\"}}\n\x1e{\"ti");
    says("seen by the server");
    finds(HF_ERR_EXPLAIN_QUIC_LOST, "1 of 1 packets");
    finds(HF_ERR_EXPLAIN_QUIC_PROBES, "1 probe");
    finds(HF_ERR_EXPLAIN_QUIC_CLOSED, "HF-QUIC-002");
    finds(HF_ERR_EXPLAIN_FILE_CUT, "1 records");
    read_text(HF_FILE_QLOG, "{\"qlog_version\":\"0.3\",\"traces\":[{\"events\":[{\"time\":1,\"name\":\"quic:packet_sent\",\"data\":{}}]}]}");
    finds(HF_ERR_EXPLAIN_H3_NO_ANSWER, "1 packets were sent");
    read_text(HF_FILE_QLOG, "{\"qlog_version\":\"0.3\"}\n{\"time\":1,\"name\":\"connectivity:connection_closed\",\"data\":{\"trigger\":\"idle_timeout\"}}\n");
    assert_int_equal(told.findings.count, 0);
}

static void limit_explain_values(void **state)
{
    (void)state;
    world.limits.explain_values = 8;
    read_text(HF_FILE_HAR, "{\"log\":{\"creator\":{},\"entries\":[1,2,3]}}");
    finds(HF_ERR_EXPLAIN_FILE_LARGE, "more than 8 values");
    world.limits.explain_values = 9;
    read_text(HF_FILE_HAR, "{\"log\":{\"creator\":{},\"entries\":[1,2,3]}}");
    assert_int_equal(told.findings.count, 0);
    world.limits.explain_values = hf_limits_default()->explain_values;
}

static void what_is_severe_is_told_however_much_came_before(void **state)
{
    (void)state;
    static char text[32768];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"log\":{\"entries\":[");
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "{\"request\":{\"url\":\"https://a.test/%d\"},\"response\":{\"status\":404}},", i);
    snprintf(text + n, sizeof text - n, "{\"request\":{\"url\":\"https://b.test/\"},\"response\":{\"status\":0,\"_error\":\"net::ERR_FAILED\"}}]}}");
    read_text(HF_FILE_HAR, text);
    assert_int_equal(told.findings.count, told.findings.capacity);
    finds(HF_ERR_EXPLAIN_HAR_FAILED, "net::ERR_FAILED");
}

static void a_har_tells_what_failed_and_what_waited(void **state)
{
    (void)state;
    read_text(HF_FILE_HAR, "{\"log\":{\"creator\":{\"name\":\"x\"},\"entries\":["
                           "{\"request\":{\"method\":\"GET\",\"url\":\"https://a.test/\"},\"response\":{\"status\":200},\"timings\":{\"blocked\":200,\"wait\":1500.5}},"
                           "{\"request\":{\"method\":\"GET\",\"url\":\"https://a.test/b\"},\"response\":{\"status\":503},\"timings\":{\"blocked\":-1}},"
                           "{\"request\":{\"method\":\"GET\",\"url\":\"http://b.test/\"},\"response\":{\"status\":0,\"_error\":\"net::ERR_FAILED\"}}, 7]}}");
    finds(HF_ERR_EXPLAIN_HAR_FAILED, "net::ERR_FAILED");
    finds(HF_ERR_EXPLAIN_STATUS, "/b is answered 503");
    finds(HF_ERR_EXPLAIN_MIXED_PAGE, "http://b.test/");
    finds(HF_ERR_EXPLAIN_HAR_WAITS, "1 requests waited");
    finds(HF_ERR_EXPLAIN_HAR_SLOW, "the slowest 1500");
    read_text(HF_FILE_HAR, "{\"log\":{\"entries\":[");
    finds(HF_ERR_EXPLAIN_FILE_CUT, "no whole JSON");
    read_text(HF_FILE_HAR, "{\"log\":[]}");
    finds(HF_ERR_EXPLAIN_FILE_KIND, "no log.entries");
}

static void lines_of_a_log_tell_their_codes(void **state)
{
    (void)state;
    read_text(HF_FILE_LOG, "{\"http.request.method\":\"GET\",\"url.path\":\"/a\\u001b\",\"http.response.status_code\":431,\"duration_ms\":1.5,\"error.type\":\"HF-HTTP1-009\",\"handfast.limit\":\"header_bytes\"}\n"
                           "2026-01-01 warning HF-TLS-094 certificate expired\nnothing here\n");
    says("GET /a?: 431, 1.5 ms, HF-HTTP1-009, limit header_bytes");
    says("3 lines: 2 with a code");
    finds(HF_ERR_HTTP1_HEAD_TOO_LARGE, "/a?");
    finds(HF_ERR_TLS_CERT_EXPIRED, "2026-01-01 warning");
    read_text(HF_FILE_LOG, "a code of another version: HF-NOBODY-999\n");
    finds(HF_ERR_EXPLAIN_LOG_REFUSED, "HF-NOBODY-999");
}

static void what_a_file_is_is_told_by_how_it_begins(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        hf_file_kind kind;
    } cases[] = { { "", HF_FILE_UNKNOWN }, { "hello", HF_FILE_UNKNOWN }, { "eyJhbGciOiJub25lIn0.e30.\n", HF_FILE_JWT }, { "eyJ.e30", HF_FILE_UNKNOWN },
        { "subject=x\n-----BEGIN CERTIFICATE-----\n", HF_FILE_PEM }, { "\n\r\r\n", HF_FILE_PCAPNG } };
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        if (hf_file_kind_of(hf_text(cases[i].text)) != cases[i].kind)
            fail_msg("%s", cases[i].text);
    read_file(HF_FILE_UNKNOWN, hf_text("hello"));
    finds(HF_ERR_EXPLAIN_FILE_KIND, "nothing that is known");
}

static void memory_that_ends_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = { "{\"qlog_version\":1}", "{\"log\":{\"entries\":[]}}", "HF-TLS-094" };
    for (size_t i = 0; i < HF_COUNT(texts); i++)
        for (size_t fail = 1; fail <= 4; fail++) {
            hf_test_world w;
            hf_test_world_init(&w, 1);
            w.memory.fail_at = fail;
            told = (hf_reading){ .facts = hf_writer_make(facts, sizeof facts), .findings = { .at = findings, .capacity = HF_FINDINGS_MOST } };
            const hf_err err = hf_reading_make(&w.env, hf_file_kind_of(hf_text(texts[i])), hf_text(texts[i]), &told);
            assert_true(err.code == 0 || err.code == HF_ERR_BASE_MEMORY);
            assert_true(err.code != 0 || w.memory.calls < fail);
            hf_test_world_fini(&w);
        }
}

static void mixed_content_is_found_in_tags_alone(void **state)
{
    (void)state;
    static const struct {
        const char *page;
        size_t active, passive;
        const char *first;
    } cases[] = {
        { "<script src=\"http://a/b.js\"></script>", 1, 0, "http://a/b.js" }, { "<SCRIPT async SRC = 'HTTP://a/'>", 1, 0, "HTTP://a/" },
        { "<img src=http://a/ alt=x><iframe src=\"http://b/\">", 1, 1, "http://b/" }, { "<a href=\"http://a/\">", 0, 0, NULL }, { "<link rel=canonical href=http://a/>", 0, 0, NULL },
        { "<link href=http://a/ rel=stylesheet>", 1, 0, "http://a/" }, { "<!-- <img src=http://a/> -->", 0, 0, NULL }, { "<img alt=\"src=http://a/\" src=/b>", 0, 0, NULL },
        { "<img src=https://a/>", 0, 0, NULL }, { "<", 0, 0, NULL }, { "<img src=\"http://a", 0, 1, "http://a" }, { "<img = = src=http://a/", 0, 1, "http://a/" }, { "<!--", 0, 0, NULL },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const hf_mixed m = hf_mixed_content(hf_text(cases[i].page));
        if (m.active != cases[i].active || m.passive != cases[i].passive || !hf_bytes_equal(m.first, hf_text(cases[i].first)))
            fail_msg("%s: %zu and %zu, first %.*s", cases[i].page, m.active, m.passive, HF_STR(m.first));
    }
}

static int begin(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hf_test_world_fini(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_works_is_told_without_a_finding), cmocka_unit_test(a_syn_that_is_refused_or_not_answered_is_told),
        cmocka_unit_test(a_reset_names_who_sent_it), cmocka_unit_test(what_is_sent_again_is_counted_and_a_keep_alive_is_not),
        cmocka_unit_test(what_tls_says_in_clear_is_read), cmocka_unit_test(quic_that_is_not_answered_is_told),
        cmocka_unit_test(ports_that_are_used_again_are_another_connection), cmocka_unit_test(a_capture_that_is_cut_is_told_as_far_as_it_goes),
        cmocka_unit_test(limit_capture_connections), cmocka_unit_test(limit_capture_packets), cmocka_unit_test(limit_explain_bytes),
        cmocka_unit_test(limit_explain_values), cmocka_unit_test(what_is_severe_is_told_however_much_came_before),
        cmocka_unit_test(a_qlog_tells_loss_probes_and_its_end), cmocka_unit_test(a_har_tells_what_failed_and_what_waited), cmocka_unit_test(lines_of_a_log_tell_their_codes),
        cmocka_unit_test(what_a_file_is_is_told_by_how_it_begins), cmocka_unit_test(memory_that_ends_is_told), cmocka_unit_test(mixed_content_is_found_in_tags_alone),
    };
    return cmocka_run_group_tests_name("reading", tests, begin, end);
}
