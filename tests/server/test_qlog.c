/* SPDX-License-Identifier: Apache-2.0
 *
 * qlog: the file of each connection, what is in it, and how much.
 */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qlog.h"
#include "qlog_files.h"

static char folder[64];
static hf_limits limits;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/handfast-qlog-XXXXXX");
    limits = *hf_limits_default();
    return mkdtemp(folder) != NULL ? 0 : -1;
}

/* Files of the folder; they are gone afterwards. */
static unsigned empty(char *last, size_t *bytes)
{
    unsigned n = 0;
    DIR *const d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        *bytes = (size_t)st.st_size;
        snprintf(last, 64, "%.60s", e->d_name);
        assert_int_equal(st.st_mode & 0777, 0600);
        unlinkat(dirfd(d), e->d_name, 0);
        n++;
    }
    closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    char name[64];
    size_t bytes;
    empty(name, &bytes);
    return rmdir(folder);
}

static void tell(hf_qlog_files *q, hf_trace_kind kind, uint64_t connection, uint64_t first, uint64_t second)
{
    const hf_trace_record r = { hf_time_make(HF_MILLISECONDS(5)), kind, connection, first, second };
    const hf_trace_sink *const sink = hf_qlog_files_sink(q);
    sink->record(sink->ctx, &r);
}

static hf_qlog_files *open_files(const hf_trace_sink *next)
{
    hf_err err;
    hf_qlog_files *q = hf_qlog_files_new(folder, &limits, next, &err);
    assert_non_null(q);
    return q;
}

static void each_connection_has_a_file(void **state)
{
    (void)state;
    char name[64], text[8192] = { 0 }, path[256];
    size_t bytes;
    hf_qlog_files *q = open_files(NULL);
    tell(q, HF_TRACE_QUIC_SENT, 0xabc, 4, 1200); /* nothing began */
    tell(q, HF_TRACE_QUIC_BEGUN, 0xabc, 1, 0);
    tell(q, HF_TRACE_HTTP3_HEAD, 0xabc, 1, 2); /* no event of QUIC */
    tell(q, HF_TRACE_QUIC_SENT, 0xabc, 7 << 2 | 2, 1234);
    tell(q, HF_TRACE_QUIC_ARRIVED, 0xabc, 8 << 2 | 3, 99);
    tell(q, HF_TRACE_QUIC_LOST, 0xabc, 7, 2);
    tell(q, HF_TRACE_QUIC_RTT, 0xabc, 12345, 67);
    tell(q, HF_TRACE_QUIC_REFUSED, 0xabc, HF_ERR_QUIC_FLOOD, 0);
    tell(q, HF_TRACE_QUIC_STATE, 0xabc, 0, 4);
    tell(q, HF_TRACE_QUIC_SENT, 0xabc, 7 << 2 | 2, 1234); /* it is over */
    snprintf(path, sizeof path, "%s/cabc.sqlog", folder);
    FILE *const f = fopen(path, "rb");
    assert_non_null(f);
    bytes = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    static const char *const lines[] = {
        "{\"time\":0.000,\"name\":\"transport:packet_sent\",\"data\":{\"header\":{\"packet_type\":\"1RTT\",\"packet_number\":7},\"raw\":{\"length\":1234}}}\n",
        "{\"time\":0.000,\"name\":\"transport:packet_received\",\"data\":{\"header\":{\"packet_type\":\"0RTT\",\"packet_number\":8},\"raw\":{\"length\":99}}}\n",
        "{\"time\":0.000,\"name\":\"recovery:packet_lost\",\"data\":{\"header\":{\"packet_type\":\"1RTT\",\"packet_number\":7}}}\n",
        "{\"time\":0.000,\"name\":\"recovery:metrics_updated\",\"data\":{\"smoothed_rtt\":12.345,\"latest_rtt\":0.067}}\n",
        "{\"time\":0.000,\"name\":\"connectivity:connection_closed\",\"data\":{\"owner\":\"local\",\"reason\":",
        "{\"time\":0.000,\"name\":\"connectivity:connection_state_updated\",\"data\":{\"old\":\"handshake_started\",\"new\":\"closed\"}}\n",
    };
    const char *at = text;
    assert_memory_equal(text, "\x1e{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\"", 45);
    assert_non_null(strstr(text, "\"group_id\":\"cabc\""));
    for (size_t i = 0; i < HF_COUNT(lines); i++) {
        at = strchr(at, '\n') + 1;
        assert_int_equal(*at++, 0x1e); /* RFC 7464 */
        assert_memory_equal(at, lines[i], strlen(lines[i]));
    }
    assert_int_equal(strchr(at, '\n') + 1 - text, bytes);
    hf_qlog_files_free(q);
    assert_int_equal(empty(name, &bytes), 1);
    assert_string_equal(name, "cabc.sqlog");
}

static unsigned told;
static void count(void *ctx, const hf_trace_record *r)
{
    (void)ctx;
    (void)r;
    told++;
}

static void others_hear_of_everything_too(void **state)
{
    (void)state;
    const hf_trace_sink next = { count, NULL };
    hf_qlog_files *q = open_files(&next);
    told = 0;
    tell(q, HF_TRACE_HTTP1_HEAD, 1, 2, 3);
    tell(q, HF_TRACE_QUIC_BEGUN, 1, 1, 0);
    tell(q, HF_TRACE_QUIC_SENT, 1, 2, 3);
    assert_int_equal(told, 3);
    hf_qlog_files_free(q);
}

static void a_folder_that_cannot_be_written_to_is_refused(void **state)
{
    (void)state;
    hf_err err;
    assert_null(hf_qlog_files_new("/nowhere/at/all", &limits, NULL, &err));
    assert_int_equal(err.code, HF_ERR_IO_SYSTEM);
}

/* A file that is there is not written over, nor is what a link points to. */
static void nothing_is_written_over(void **state)
{
    (void)state;
    char path[256], name[64];
    size_t bytes;
    snprintf(path, sizeof path, "%s/c1.sqlog", folder);
    FILE *const f = fopen(path, "wb");
    fputs("mine", f);
    fclose(f);
    chmod(path, 0600);
    hf_qlog_files *q = open_files(NULL);
    tell(q, HF_TRACE_QUIC_BEGUN, 1, 1, 0);
    tell(q, HF_TRACE_QUIC_SENT, 1, 2, 3);
    hf_qlog_files_free(q);
    assert_int_equal(empty(name, &bytes), 1);
    assert_int_equal(bytes, 4);
}

static void limit_qlog_bytes(void **state)
{
    (void)state;
    char name[64];
    size_t bytes;
    limits.qlog_bytes = 20000;
    hf_qlog_files *q = open_files(NULL);
    tell(q, HF_TRACE_QUIC_BEGUN, 1, 1, 0);
    for (unsigned i = 0; i < 1000; i++)
        tell(q, HF_TRACE_QUIC_SENT, 1, (uint64_t)i << 2, 1200);
    hf_qlog_files_free(q);
    assert_int_equal(empty(name, &bytes), 1);
    assert_in_range(bytes, 19800, 20000);
}

static void limit_qlog_files(void **state)
{
    (void)state;
    char name[64];
    size_t bytes;
    limits.qlog_files = 3;
    hf_qlog_files *q = open_files(NULL);
    for (unsigned i = 0; i < 6; i++)
        tell(q, HF_TRACE_QUIC_BEGUN, i, 1, 0);
    tell(q, HF_TRACE_QUIC_STATE, 1, 0, 4); /* one ends, another may begin */
    tell(q, HF_TRACE_QUIC_BEGUN, 9, 1, 0);
    hf_qlog_files_free(q);
    assert_int_equal(empty(name, &bytes), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_connection_has_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_hear_of_everything_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_to_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_written_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limit_qlog_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limit_qlog_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
