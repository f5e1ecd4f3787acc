/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the access log: exact, whole, and silent about secrets, whatever peers send.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "access_log.h"
#include "allocator.h"
#include "log.h"
#include "log_text.h"
#include "redact.h"

/* 2026-09-30T12:34:56.789Z */
#define WHEN_MS INT64_C(1790771696789)

static hf_access_record usual(void)
{
    return (hf_access_record){
        .wall_ms = WHEN_MS,
        .conn_id = 0xa1b2c3,
        .req_id = hf_text("ca1b2c3-7"),
        .client = { .family = 4, .port = 50123, .ip = { 192, 0, 2, 10 } },
        .method = hf_text("GET"),
        .path = hf_text("/a%20b/c.html"),
        .query = hf_text("x=1&y"),
        .version = HF_HTTP_1_1,
        .status = 200,
        .request_body_bytes = 0,
        .response_body_bytes = 5120,
        .duration_ns = 1234567,
        .user_agent = hf_text("Mozilla/5.0 (X11; Linux)"),
        .referer = hf_text("https://example.org/from?secret=1#here"),
    };
}

static char line[2 * HF_ACCESS_LINE];

static const char *formatted(hf_access_format kind, const hf_access_record *r)
{
    hf_writer w = hf_writer_make(line, HF_ACCESS_LINE);
    const size_t n = hf_access_format_record(&w, kind, r);
    assert_int_equal(n, w.length);
    assert_false(w.overflowed);
    assert_true(n > 0);
    assert_ptr_equal(memchr(line, '\n', n), line + n - 1); /* one record, one line */
    line[n] = 0;
    return line;
}

static void json_names_what_opentelemetry_names(void **state)
{
    (void)state;
    const hf_access_record r = usual();
    assert_string_equal(formatted(HF_ACCESS_JSON, &r),
        "{\"time\":\"2026-09-30T12:34:56.789Z\",\"conn_id\":\"ca1b2c3\",\"req_id\":\"ca1b2c3-7\","
        "\"client.address\":\"192.0.2.10\",\"client.port\":50123,\"http.request.method\":\"GET\","
        "\"url.path\":\"/a%20b/c.html\",\"url.query\":\"x=1&y\",\"network.protocol.version\":\"1.1\","
        "\"http.response.status_code\":200,\"http.request.body.size\":0,\"http.response.body.size\":5120,"
        "\"duration_ms\":1.234,\"user_agent.original\":\"Mozilla/5.0 (X11; Linux)\","
        "\"http.request.header.referer\":\"https://example.org/from\"}\n");
}

static void json_names_the_error_and_leaves_out_what_is_unknown(void **state)
{
    (void)state;
    const hf_access_record r = { .wall_ms = WHEN_MS, .conn_id = 7, .status = 400,
                                 .client = { .family = 6, .port = 1, .ip = { [15] = 1 } },
                                 .err = hf_err_make(HF_ERR_HTTP1_BARE_LF) };
    assert_string_equal(formatted(HF_ACCESS_JSON, &r),
        "{\"time\":\"2026-09-30T12:34:56.789Z\",\"conn_id\":\"c7\",\"client.address\":\"::1\",\"client.port\":1,"
        "\"http.response.status_code\":400,\"http.request.body.size\":0,\"http.response.body.size\":0,"
        "\"duration_ms\":0.000,\"error.type\":\"HF-HTTP1-003\"}\n");
}

static void combined_is_apaches_with_the_ids_behind_it(void **state)
{
    (void)state;
    const hf_access_record r = usual();
    assert_string_equal(formatted(HF_ACCESS_COMBINED, &r),
        "192.0.2.10 - - [30/Sep/2026:12:34:56 +0000] \"GET /a%20b/c.html?x=1&y HTTP/1.1\" 200 5120 "
        "\"https://example.org/from\" \"Mozilla/5.0 (X11; Linux)\" \"ca1b2c3\" \"ca1b2c3-7\" \"-\"\n");
}

/* Whom the client said to be: any bytes, which make no field and no line of their own. */
static void every_format_names_the_user(void **state)
{
    (void)state;
    hf_access_record r = usual();
    r.user = hf_text("mary \"x\"\n");
    assert_non_null(strstr(formatted(HF_ACCESS_JSON, &r), "\"client.port\":50123,\"user.name\":\"mary \\\"x\\\"\\n\",\"http.request.method\""));
    assert_non_null(strstr(formatted(HF_ACCESS_LOGFMT, &r), " user.name=\"mary \\\"x\\\"\\n\" http.request.method=GET"));
    assert_non_null(strstr(formatted(HF_ACCESS_COMBINED, &r), "192.0.2.10 - mary_\\\"x\\\"\\n [30/Sep"));
    char name[300];
    memset(name, 'n', sizeof name);
    r.user = hf_bytes_make(name, sizeof name);
    assert_non_null(strstr(formatted(HF_ACCESS_COMBINED, &r), "nnn... [30/Sep"));
}

static void every_format_names_the_limit(void **state)
{
    (void)state;
    hf_access_record r = usual();
    r.err = hf_err_make(HF_ERR_HTTP1_BODY_RATE);
    assert_non_null(strstr(formatted(HF_ACCESS_JSON, &r), ",\"error.type\":\"HF-HTTP1-038\",\"handfast.limit\":\"body_rate\"}\n"));
    assert_non_null(strstr(formatted(HF_ACCESS_LOGFMT, &r), " error.type=HF-HTTP1-038 handfast.limit=body_rate\n"));
    assert_non_null(strstr(formatted(HF_ACCESS_COMBINED, &r), " \"HF-HTTP1-038 body_rate\"\n"));
}

static void combined_writes_dashes_where_nothing_is_known(void **state)
{
    (void)state;
    hf_access_record r = { .wall_ms = 0, .client = { .family = 4, .ip = { 127, 0, 0, 1 } }, .status = 408,
                           .err = hf_err_make(HF_ERR_HTTP1_HEAD_TIMEOUT) };
    assert_string_equal(formatted(HF_ACCESS_COMBINED, &r),
        "127.0.0.1 - - [01/Jan/1970:00:00:00 +0000] \"-\" 408 - \"-\" \"-\" \"c0\" \"-\" \"HF-HTTP1-024 head_ns\"\n");
    r.err = HF_OK;
    r.status = 0;
    r.client.family = 0;
    r.method = hf_text("GET");
    r.path = hf_text("/");
    r.query = hf_text("");
    r.version = HF_HTTP_1_0;
    assert_string_equal(formatted(HF_ACCESS_COMBINED, &r),
        "- - - [01/Jan/1970:00:00:00 +0000] \"GET /? HTTP/1.0\" - - \"-\" \"-\" \"c0\" \"-\" \"-\"\n");
}

static void logfmt_quotes_only_what_needs_it(void **state)
{
    (void)state;
    hf_access_record r = usual();
    r.err = hf_err_make(HF_ERR_HTTP_NOT_FOUND);
    r.status = 404;
    assert_string_equal(formatted(HF_ACCESS_LOGFMT, &r),
        "time=2026-09-30T12:34:56.789Z conn_id=ca1b2c3 req_id=ca1b2c3-7 client.address=192.0.2.10 client.port=50123 "
        "http.request.method=GET url.path=/a%20b/c.html url.query=\"x=1&y\" network.protocol.version=1.1 "
        "http.response.status_code=404 http.request.body.size=0 http.response.body.size=5120 duration_ms=1.234 "
        "user_agent.original=\"Mozilla/5.0 (X11; Linux)\" http.request.header.referer=https://example.org/from "
        "error.type=HF-HTTP-001\n");
}

static void no_peer_breaks_a_line_or_moves_a_cursor(void **state)
{
    (void)state;
    hf_access_record r = usual();
    static const char evil[] = "\x1b]0;owned\x07\r\n\"quoted\\\" \t\b\x7f\x01 \xc2\x9b" "31m \xe2\x80\xae \xe2\x80\xa8 \xff \xc3\xa9";
    r.user_agent = hf_text(evil);
    r.path = hf_text("/\x1b[2J\n{\"forged\":1}");
    assert_non_null(strstr(formatted(HF_ACCESS_JSON, &r),
        "\"url.path\":\"/\\u001b[2J\\n{\\\"forged\\\":1}\""));
    assert_non_null(strstr(line, "\"\\u001b]0;owned\\u0007\\r\\n\\\"quoted\\\\\\\" \\t\\b\\u007f\\u0001 \\u009b31m \\u202e \\u2028 "
                                 "\xef\xbf\xbd \xc3\xa9\""));
    assert_non_null(strstr(formatted(HF_ACCESS_LOGFMT, &r), "url.path=\"/\\u001b[2J\\n{\\\"forged\\\":1}\""));
    assert_non_null(strstr(formatted(HF_ACCESS_COMBINED, &r), "\"GET /\\x1b[2J\\n{\\\"forged\\\":1}?x=1&y HTTP/1.1\""));
    assert_non_null(strstr(line, "\"\\x1b]0;owned\\x07\\r\\n\\\"quoted\\\\\\\" \\t\\b\\x7f\\x01 \\xc2\\x9b31m \\xe2\\x80\\xae"
                                 " \\xe2\\x80\\xa8 \\xff \\xc3\\xa9\" "));
}

static void every_byte_in_every_format_stays_printable(void **state)
{
    (void)state;
    for (int kind = HF_ACCESS_JSON; kind <= HF_ACCESS_LOGFMT; kind++) {
        for (int c = 0; c < 256; c++) {
            const uint8_t bytes[10] = { 'a', 'b', (uint8_t)c, 'c', 'd', 'e', 'f', 'g', 'h', (uint8_t)c };
            hf_access_record r = usual();
            r.method = r.path = r.query = r.user_agent = r.referer = r.req_id = hf_bytes_make(bytes, sizeof bytes);
            const char *text = formatted((hf_access_format)kind, &r);
            for (const char *p = text; p[1]; p++)
                if ((uint8_t)*p < 0x20 || *p == 0x7f)
                    fail_msg("byte 0x%02x reached the log (format %d)", c, kind);
            assert_true(kind != HF_ACCESS_COMBINED || c < 0x80 || strchr(text, c) == NULL);
        }
    }
}

static void the_longest_record_fits_one_pipe_write(void **state)
{
    (void)state;
    static const uint8_t fillers[] = { 0x01, '"', 'a', 0xff, ';', '&' };
    uint8_t *big = malloc(40000);
    assert_non_null(big);
    for (size_t f = 0; f < sizeof fillers; f++) {
        memset(big, fillers[f], 40000);
        const hf_bytes all = hf_bytes_make(big, 40000);
        const hf_access_record r = { .wall_ms = INT64_MAX, .conn_id = UINT64_MAX, .req_id = all, .method = all, .path = all,
            .query = all, .version = HF_HTTP_1_1, .status = UINT16_MAX, .request_body_bytes = UINT64_MAX,
            .trace_id = all, .parent_id = all, .span_id = UINT64_MAX, .response_body_bytes = UINT64_MAX, .duration_ns = INT64_MAX, .user_agent = all, .referer = all,
            .client = { .family = 6, .port = 65535, .ip = "\x20\x01\x0d\xb8\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66" },
            .tls = 0x0304, .cipher = all, .tls_client = all, .err = hf_err_make(HF_ERR_HTTP1_BODY_TIMEOUT) };
        for (int kind = HF_ACCESS_JSON; kind <= HF_ACCESS_LOGFMT; kind++) {
            const char *text = formatted((hf_access_format)kind, &r);
            assert_true(strlen(text) <= HF_ACCESS_LINE);
            assert_non_null(strstr(text, "..."));
        }
    }
    free(big);
}

static void who_the_client_was_is_told_and_cannot_break_the_line(void **state)
{
    (void)state;
    hf_access_record r = usual();
    r.tls = 0x0303;
    r.cipher = hf_text("X");
    assert_null(strstr(formatted(HF_ACCESS_JSON, &r), "tls.client"));
    r.tls_client = hf_text("/O=Test/CN=al\"ice\n");
    assert_non_null(strstr(formatted(HF_ACCESS_JSON, &r), "\"tls.resumed\":false,\"tls.client.subject\":\"/O=Test/CN=al\\\"ice\\"));
    assert_non_null(strstr(formatted(HF_ACCESS_LOGFMT, &r), "tls.client.subject=\"/O=Test/CN=al"));
    assert_null(strstr(formatted(HF_ACCESS_COMBINED, &r), "ice"));
}

static void a_writer_without_room_is_left_alone(void **state)
{
    (void)state;
    const hf_access_record r = usual();
    hf_writer w = hf_writer_make(line, HF_ACCESS_LINE - 1);
    assert_int_equal(hf_access_format_record(&w, HF_ACCESS_JSON, &r), 0);
    assert_int_equal(w.length, 0);
}

static void text_is_cut_between_characters(void **state)
{
    (void)state;
    hf_writer w = hf_writer_make(line, 100);
    hf_log_text(&w, HF_LOG_UNICODE, hf_text("ab\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"), 8); /* 10 bytes of text */
    hf_write_byte(&w, '|');
    hf_log_text(&w, HF_LOG_UNICODE, hf_text("ab\n\n\n\n"), 9);
    hf_write_byte(&w, '|');
    hf_log_text(&w, HF_LOG_UNICODE, hf_text("abcdefgh"), 8);
    assert_memory_equal(line, "ab\xc3\xa9...|ab\\n\\n...|abcdefgh", w.length);
    assert_int_equal(w.length, strlen("ab\xc3\xa9...|ab\\n\\n...|abcdefgh"));
}

static void secrets_in_queries_are_redacted(void **state)
{
    (void)state;
    static const struct { const char *query, *wanted; } cases[] = {
        { "a=1&b=2", "a=1&b=2" },
        { "token=abc", "token=REDACTED" },
        { "a=1&ACCESS_TOKEN=abc&b=2", "a=1&ACCESS_TOKEN=REDACTED&b=2" },
        { "%74oken=abc", "%74oken=REDACTED" },
        { "a;password=x;b", "a;password=REDACTED;b" },
        { "X-Amz-Signature=00ff", "X-Amz-Signature=REDACTED" },
        { "code=4%2F0A&state=xyz", "code=REDACTED&state=REDACTED" },
        { "api_key=k&key=k&monkey=banana", "api_key=REDACTED&key=REDACTED&monkey=banana" },
        { "sig=1&signed=yes&design=2", "sig=REDACTED&signed=yes&design=2" },
        { "client_secret=a=b=c", "client_secret=REDACTED" },
        { "csrf=1&_csrf=2&xsrf-token=3&authenticity_token=4", "csrf=REDACTED&_csrf=REDACTED&xsrf-token=REDACTED&authenticity_token=REDACTED" },
        { "nonce=1&SAMLResponse=2&device_code=3&invite=4", "nonce=REDACTED&SAMLResponse=REDACTED&device_code=REDACTED&invite=REDACTED" },
        { "PHPSESSID=1&estate=2&statement=3&encode=4", "PHPSESSID=REDACTED&estate=2&statement=3&encode=4" },
        { "token", "token" },
        { "token=", "token=" },
        { "user[password]=x", "user[password]=REDACTED" },
        { "=x&&", "=x&&" },
        { "next=https%3A%2F%2Fx%2F%3Ftoken%3Dabc%26a%3D1&b=2", "next=https%3A%2F%2Fx%2F%3Ftoken%3DREDACTED%26a%3D1&b=2" },
        { "next=https://x/?token=abc&b=2", "next=https://x/?token=REDACTED&b=2" },
        { "next=/cb%23access_token%3Dabc%26state%3Dx", "next=/cb%23access_token%3DREDACTED%26state%3DREDACTED" },
        { "u=a%253Fb%253D1%2526code%253Dx%2526c%253D2%26d%3D1", "u=a%253Fb%253D1%2526code%253DREDACTED%2526c%253D2%26d%3D1" },
        { "u=a%25253Ftok%252565n%25253Dx", "u=a%25253Ftok%252565n%25253DREDACTED" },
        { "token=a%26b%3D1&c=2", "token=REDACTED&c=2" }, /* encoded, an ampersand is part of the value */
        { "u=/x?sig=a%26b=c%3D&d", "u=/x?sig=REDACTED&d" },
        { "u=ftp://me:pw@host/x&v=https%3A%2F%2Fme%3Apw%40host", "u=ftp://REDACTED@host/x&v=https%3A%2F%2FREDACTED%40host" },
        { "u=https://example.org/@me&mail=a@b", "u=https://example.org/@me&mail=a@b" },
        { "q=%7B%22a%22%3A1%2C%22password%22%3A%22x%26y%22%7D&b=2", "q=%7B%22a%22%3A1%2C%22password%22%3AREDACTED&b=2" },
        { "q={\"key\":\"x\"}", "q={\"key\":REDACTED" },
        { "https://x/?sig=a&b", "https://x/?sig=REDACTED&b" },
        { "q=a%3Db%3Dc&state", "q=a%3Db%3Dc&state" },
        { "%", "%" }, { "%2", "%2" }, { "%25", "%25" }, { "token=%", "token=REDACTED" }, { "a=%25token%3D", "a=%25token%3D" },
        { "pass=1&passage=2&pin=3&sid=4&jwt=5", "pass=REDACTED&passage=2&pin=REDACTED&sid=REDACTED&jwt=REDACTED" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        uint8_t memory[HF_REDACTED_MOST];
        hf_writer w = hf_writer_make(memory, sizeof memory);
        const hf_bytes got = hf_redact_query(&w, hf_text(cases[i].query));
        if (!hf_bytes_equal(got, hf_text(cases[i].wanted)))
            fail_msg("%s: got %.*s", cases[i].query, HF_STR(got));
    }
}

static void secrets_in_paths_and_referers_are_redacted(void **state)
{
    (void)state;
    uint8_t memory[HF_REDACTED_MOST];
    hf_writer w = hf_writer_make(memory, sizeof memory);
    hf_bytes got = hf_redact_path(&w, hf_text("/a;jsessionid=0/b;v=1"));
    assert_true(hf_bytes_equal(got, hf_text("/a;jsessionid=REDACTED/b;v=1")));
    static const struct { const char *path, *wanted; } paths[] = {
        { "/a/b%20c", "/a/b%20c" },
        { "/proxy/https%3A%2F%2Fx%2F%3Ftoken%3Da%2Fb%26c%3D1/d", "/proxy/https%3A%2F%2Fx%2F%3Ftoken%3DREDACTED%26c%3D1/d" },
        { "/fetch/https://me:pw@host/x", "/fetch/https://REDACTED@host/x" },
        { "/token=abc/d", "/token=REDACTED/d" },
    };
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        hf_writer path = hf_writer_make(memory, sizeof memory);
        got = hf_redact_path(&path, hf_text(paths[i].path));
        if (!hf_bytes_equal(got, hf_text(paths[i].wanted)))
            fail_msg("%s: got %.*s", paths[i].path, HF_STR(got));
    }
    static const struct { const char *referer, *wanted; } cases[] = {
        { "https://u:p@example.org/x?q#f", "example.org/x" },
        { "https://example.org/@me", "https://example.org/@me" },
        { "https://example.org", "https://example.org" },
        { "https://a@b@example.org", "example.org" },
        { "https://example.org#token=1", "https://example.org" },
        { "https://example.org/a;jsessionid=0/b?c", "https://example.org/a;jsessionid=REDACTED/b" },
        { "?x", "" },
        { "", "" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_writer referer = hf_writer_make(memory, sizeof memory);
        got = hf_redact_referer(&referer, hf_text(cases[i].referer));
        if (!hf_bytes_equal(got, hf_text(cases[i].wanted)))
            fail_msg("%s: got %.*s", cases[i].referer, HF_STR(got));
    }
}

static void a_long_query_with_a_secret_is_cut_and_stays_redacted(void **state)
{
    (void)state;
    char query[6000] = "token=hunter2&a=";
    memset(query + strlen(query), 'x', sizeof query - 100);
    hf_access_record r = usual();
    r.query = hf_text(query);
    const char *text = formatted(HF_ACCESS_JSON, &r);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "\"url.query\":\"token=REDACTED&a=xxx"));
    assert_non_null(strstr(text, "xxx...\""));
    /* without a secret a single long parameter is shown as far as it goes, too */
    r.query = hf_bytes_make(query + 14, strlen(query) - 14);
    assert_non_null(strstr(formatted(HF_ACCESS_JSON, &r), "\"url.query\":\"a=xxx"));
}

static void time_is_right_at_the_edges(void **state)
{
    (void)state;
    static const struct { int64_t ms; const char *wanted; } cases[] = {
        { 0, "1970-01-01T00:00:00.000Z" }, { -1, "1969-12-31T23:59:59.999Z" },
        { INT64_C(951782400000), "2000-02-29T00:00:00.000Z" }, { INT64_C(4107542399999), "2100-02-28T23:59:59.999Z" },
        { INT64_C(4107542400000), "2100-03-01T00:00:00.000Z" }, { INT64_C(1767225599999), "2025-12-31T23:59:59.999Z" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_writer w = hf_writer_make(line, 100);
        hf_log_time(&w, cases[i].ms);
        line[w.length] = 0;
        assert_string_equal(line, cases[i].wanted);
    }
}

/* ---- the sink ----------------------------------------------------------------------------------------------- */

static char path[64];
static hf_test_world world;

static int with_file(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    strcpy(path, "/tmp/hf_access_XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int without_file(void **state)
{
    (void)state;
    unlink(path);
    hf_test_world_fini(&world);
    return 0;
}

static size_t file_lines(const char *name, char *last)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    size_t lines = 0;
    while (fgets(last, HF_ACCESS_LINE + 1, f))
        lines++;
    fclose(f);
    return lines;
}

static void lines_leave_after_200_ms_or_64_kib(void **state)
{
    (void)state;
    hf_access_log log;
    hf_access_buffer b;
    const hf_access_record r = usual();
    hf_time now = hf_time_make(HF_SECONDS(5));
    assert_int_equal(hf_access_log_open(&log, path, HF_ACCESS_COMBINED).code, 0);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    assert_int_equal(hf_access_wake(&b).ns, HF_NEVER_NS);
    hf_access_append(&b, now, &r);
    assert_int_equal(hf_access_wake(&b).ns, now.ns + HF_MILLISECONDS(200));
    hf_access_turn(&b, hf_time_after(now, HF_MILLISECONDS(199)));
    assert_int_equal(file_lines(path, line), 0);
    hf_access_turn(&b, hf_time_after(now, HF_MILLISECONDS(200)));
    assert_int_equal(file_lines(path, line), 1);
    assert_int_equal(hf_access_wake(&b).ns, HF_NEVER_NS);
    const size_t length = strlen(line), full = (HF_ACCESS_BUFFER - HF_ACCESS_LINE) / length + 1;
    for (size_t i = 0; i < full; i++)
        hf_access_append(&b, now, &r);
    assert_int_equal(file_lines(path, line), 1 + full);
    hf_access_append(&b, now, &r);
    hf_access_buffer_fini(&b, now);
    assert_int_equal(file_lines(path, line), 2 + full);
    assert_int_equal(hf_access_log_dropped(&log), 0);
    hf_access_log_close(&log);
}

static void off_writes_nothing_and_holds_nothing(void **state)
{
    (void)state;
    hf_access_log log;
    hf_access_buffer b;
    const hf_access_record r = usual();
    assert_int_equal(hf_access_log_open(&log, NULL, HF_ACCESS_JSON).code, 0);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    hf_access_append(&b, hf_time_make(1), &r);
    hf_access_turn(&b, hf_time_make(HF_SECONDS(9)));
    assert_int_equal(world.memory.calls, 0);
    hf_access_buffer_fini(&b, hf_time_make(1));
    hf_access_log_close(&log);
    hf_access_buffer_init(&b, NULL, &world.memory.alloc);
    hf_access_append(&b, hf_time_make(1), &r);
    hf_access_buffer_fini(&b, hf_time_make(1));
}

static void without_memory_lines_are_dropped_and_counted(void **state)
{
    (void)state;
    hf_access_log log;
    hf_access_buffer b;
    const hf_access_record r = usual();
    world.memory.fail_at = 1;
    assert_int_equal(hf_access_log_open(&log, path, HF_ACCESS_JSON).code, 0);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    hf_access_append(&b, hf_time_make(1), &r);
    hf_access_append(&b, hf_time_make(1), &r);
    assert_int_equal(hf_access_log_dropped(&log), 1);
    hf_access_buffer_fini(&b, hf_time_make(1));
    assert_int_equal(file_lines(path, line), 1);
    hf_access_log_close(&log);
}

static void reopen_follows_a_rotation(void **state)
{
    (void)state;
    hf_access_log log;
    hf_access_buffer b;
    const hf_access_record r = usual();
    char rotated[80];
    snprintf(rotated, sizeof rotated, "%s.1", path);
    assert_int_equal(hf_access_log_open(&log, path, HF_ACCESS_JSON).code, 0);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    hf_access_append(&b, hf_time_make(0), &r);
    hf_access_turn(&b, hf_time_make(HF_SECONDS(1)));
    assert_int_equal(rename(path, rotated), 0);
    hf_access_log_reopen(&log);
    hf_access_append(&b, hf_time_make(0), &r);
    hf_access_append(&b, hf_time_make(0), &r);
    hf_access_buffer_fini(&b, hf_time_make(HF_SECONDS(1)));
    assert_int_equal(file_lines(rotated, line), 1);
    assert_int_equal(file_lines(path, line), 2);
    unlink(rotated);
    hf_access_log_close(&log);
}

static void a_log_that_cannot_be_opened_says_so(void **state)
{
    (void)state;
    hf_access_log log;
    assert_int_equal(hf_access_log_open(&log, "/nonexistent/access.log", HF_ACCESS_JSON).code, HF_ERR_IO_SYSTEM);
    assert_int_equal(errno, ENOENT);
    hf_access_log_close(&log);
}

static void a_full_disk_drops_lines_and_mends_the_torn_one(void **state)
{
    (void)state;
    hf_access_log log;
    hf_access_buffer b;
    const hf_access_record r = usual();
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100; /* a disk of a hundred bytes */
    assert_int_equal(hf_access_log_open(&log, path, HF_ACCESS_COMBINED).code, 0);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    for (int i = 0; i < 3; i++)
        hf_access_append(&b, hf_time_make(0), &r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    hf_access_turn(&b, hf_time_make(HF_SECONDS(1)));
    hf_access_append(&b, hf_time_make(0), &r);
    hf_access_turn(&b, hf_time_make(HF_SECONDS(1)));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(hf_access_log_dropped(&log), 4);
    hf_access_append(&b, hf_time_make(0), &r);
    hf_access_buffer_fini(&b, hf_time_make(HF_SECONDS(1)));
    assert_int_equal(file_lines(path, line), 2); /* the torn beginning, and a whole line on its own */
    assert_memory_equal(line, "192.0.2.10 - - [", 16);
    assert_int_equal(hf_access_log_dropped(&log), 4);
    hf_access_log_close(&log);
}

/* Standard output becomes `fd` while `log` opens. */
static void open_onto(hf_access_log *log, int fd)
{
    const int saved = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    const hf_err err = hf_access_log_open(log, "-", HF_ACCESS_COMBINED);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    close(saved);
    assert_int_equal(err.code, 0);
}

static void a_slow_reader_stops_nobody(void **state)
{
    (void)state;
    for (int sockets = 0; sockets < 2; sockets++) {
        int ends[2];
        assert_int_equal(sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        hf_access_log log;
        hf_access_buffer b;
        const hf_access_record r = usual();
        open_onto(&log, ends[1]);
        hf_access_buffer_init(&b, &log, &world.memory.alloc);
        for (int i = 0; i < 20000; i++) /* several times what pipe and socket hold; blocks for ever if it may */
            hf_access_append(&b, hf_time_make(0), &r);
        assert_true(hf_access_log_dropped(&log) > 0);
        close(ends[1]);
        signal(SIGPIPE, SIG_IGN);
        close(ends[0]);
        const uint64_t before = hf_access_log_dropped(&log);
        hf_access_append(&b, hf_time_make(0), &r);
        hf_access_buffer_fini(&b, hf_time_make(HF_SECONDS(1)));
        assert_true(hf_access_log_dropped(&log) > before);
        hf_access_log_close(&log);
    }
}

static void a_pipe_gets_whole_lines_in_order(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    hf_access_log log;
    hf_access_buffer b;
    hf_access_record r = usual();
    open_onto(&log, ends[1]);
    close(ends[1]);
    hf_access_buffer_init(&b, &log, &world.memory.alloc);
    for (int i = 0; i < 300; i++)
        hf_access_append(&b, hf_time_make(0), &r); /* some 45 KiB: several writes of PIPE_BUF, all of which fit */
    hf_access_buffer_fini(&b, hf_time_make(HF_SECONDS(1)));
    hf_access_log_close(&log);
    FILE *f = fdopen(ends[0], "r");
    const hf_access_record *same = &r;
    char wanted[HF_ACCESS_LINE + 1], got[HF_ACCESS_LINE + 1];
    strcpy(wanted, formatted(HF_ACCESS_COMBINED, same));
    int lines = 0;
    for (; fgets(got, sizeof got, f); lines++)
        assert_string_equal(got, wanted);
    fclose(f);
    assert_int_equal(lines, 300);
}

enum { WRITERS = 4, LINES_EACH = 5000 };

static void *write_many(void *log)
{
    hf_access_buffer b;
    const hf_access_record r = usual();
    hf_access_buffer_init(&b, log, hf_allocator_default());
    for (int i = 0; i < LINES_EACH; i++)
        hf_access_append(&b, hf_time_make(0), &r);
    hf_access_buffer_fini(&b, hf_time_make(0));
    return NULL;
}

static void threads_and_rotations_lose_and_mix_nothing(void **state)
{
    (void)state;
    hf_access_log log;
    pthread_t threads[WRITERS];
    const hf_access_record r = usual();
    char wanted[HF_ACCESS_LINE + 1], rotated[80];
    strcpy(wanted, formatted(HF_ACCESS_COMBINED, &r));
    snprintf(rotated, sizeof rotated, "%s.1", path);
    assert_int_equal(hf_access_log_open(&log, path, HF_ACCESS_COMBINED).code, 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &log), 0);
    assert_int_equal(rename(path, rotated), 0);
    for (int i = 0; i < 50; i++)
        hf_access_log_reopen(&log);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    size_t lines = 0;
    const char *const names[] = { path, rotated };
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        FILE *f = fopen(names[i], "r");
        assert_non_null(f);
        for (; fgets(line, HF_ACCESS_LINE, f); lines++)
            assert_string_equal(line, wanted);
        fclose(f);
    }
    assert_int_equal(lines, WRITERS * LINES_EACH);
    assert_int_equal(hf_access_log_dropped(&log), 0);
    unlink(rotated);
    hf_access_log_close(&log);
}

/* Some 0.3 us on a desktop of 2020. The bound here only catches what would be a different kind of slow. */
static void a_record_costs_microseconds_at_most(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    const hf_access_record r = usual();
    for (int kind = HF_ACCESS_JSON; kind <= HF_ACCESS_LOGFMT; kind++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (int i = 0; i < ROUNDS; i++) {
            hf_writer w = hf_writer_make(line, HF_ACCESS_LINE);
            hf_access_format_record(&w, (hf_access_format)kind, &r);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        const double ns = ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / ROUNDS;
        print_message("# format %d: %.0f ns a record\n", kind, ns);
        assert_true(ns < 50000);
    }
}

/* ---- diagnostics -------------------------------------------------------------------------------------------- */

static void diagnostics_are_one_line_with_code_and_hint(void **state)
{
    (void)state;
    hf_writer w = hf_writer_make(line, sizeof line);
    hf_log_write(&w, WHEN_MS, HF_LOG_ERROR, hf_err_make(HF_ERR_IO_ADDRESS_IN_USE), hf_text("cannot listen on\n\x1b[31m*:80"), false);
    line[w.length] = 0;
    assert_string_equal(line, "2026-09-30T12:34:56.789Z error io HF-IO-002 cannot listen on\\n\\u001b[31m*:80 (address in use; "
        "hint: stop it (`ss -ltnp` names it), or choose another port)\n");
    w.length = 0;
    hf_log_write(&w, WHEN_MS, HF_LOG_INFO, HF_OK, hf_text("listening"), true);
    line[w.length] = 0;
    assert_string_equal(line, "2026-09-30T12:34:56.789Z \x1b[32minfo\x1b[0m serve - listening\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_names_what_opentelemetry_names),
        cmocka_unit_test(json_names_the_error_and_leaves_out_what_is_unknown),
        cmocka_unit_test(combined_is_apaches_with_the_ids_behind_it),
        cmocka_unit_test(every_format_names_the_user),
        cmocka_unit_test(every_format_names_the_limit),
        cmocka_unit_test(combined_writes_dashes_where_nothing_is_known),
        cmocka_unit_test(logfmt_quotes_only_what_needs_it),
        cmocka_unit_test(no_peer_breaks_a_line_or_moves_a_cursor),
        cmocka_unit_test(every_byte_in_every_format_stays_printable),
        cmocka_unit_test(the_longest_record_fits_one_pipe_write),
        cmocka_unit_test(who_the_client_was_is_told_and_cannot_break_the_line),
        cmocka_unit_test(a_writer_without_room_is_left_alone),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(secrets_in_queries_are_redacted),
        cmocka_unit_test(secrets_in_paths_and_referers_are_redacted),
        cmocka_unit_test(a_long_query_with_a_secret_is_cut_and_stays_redacted),
        cmocka_unit_test(time_is_right_at_the_edges),
        cmocka_unit_test_setup_teardown(lines_leave_after_200_ms_or_64_kib, with_file, without_file),
        cmocka_unit_test_setup_teardown(off_writes_nothing_and_holds_nothing, with_file, without_file),
        cmocka_unit_test_setup_teardown(without_memory_lines_are_dropped_and_counted, with_file, without_file),
        cmocka_unit_test_setup_teardown(reopen_follows_a_rotation, with_file, without_file),
        cmocka_unit_test(a_log_that_cannot_be_opened_says_so),
        cmocka_unit_test_setup_teardown(a_full_disk_drops_lines_and_mends_the_torn_one, with_file, without_file),
        cmocka_unit_test_setup_teardown(a_slow_reader_stops_nobody, with_file, without_file),
        cmocka_unit_test_setup_teardown(a_pipe_gets_whole_lines_in_order, with_file, without_file),
        cmocka_unit_test_setup_teardown(threads_and_rotations_lose_and_mix_nothing, with_file, without_file),
        cmocka_unit_test(a_record_costs_microseconds_at_most),
        cmocka_unit_test(diagnostics_are_one_line_with_code_and_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
