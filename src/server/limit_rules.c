/* SPDX-License-Identifier: Apache-2.0 */
#include "limit_rules.h"

#include <stdio.h>

#include "spelling.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define GIB (UINT64_C(1024) * MIB)
#define YEAR ((uint64_t)HF_SECONDS(365 * 86400))
#define TENTH ((uint64_t)HF_MILLISECONDS(100)) /* a round trip of a good network, and a turn of a busy loop */

static const struct {
    const char *name;
    hf_limit_bounds bounds;
} rows[] = {
    { "target_bytes", { 16, 16 * MIB } },
    { "header_bytes", { 2 * KIB, 16 * MIB } }, /* the heads of our own answers must fit, too */
    { "header_fields", { 16, 10000 } },
    { "body_bytes", { 0, 1024 * GIB } },
    { "trailer_bytes", { 0, 16 * MIB } },
    { "chunk_line_bytes", { 20, 64 * KIB } }, /* RFC 9112 7.1: 16 digits of a size, CR LF */
    { "informational_responses", { 0, 10000 } },
    { "form_arguments", { 0, 1000000 } },
    { "form_name_bytes", { 1, 16 * MIB } },
    { "form_bytes", { 0, GIB } },
    { "part_head_bytes", { 64, 16 * MIB } },   /* Content-Disposition: form-data; name="x" */
    { "json_depth", { 1, 2048 } },             /* what jansson itself reads */
    { "json_values", { 1, GIB } },
    { "stream_bytes", { KIB, GIB } },
    { "head_ns", { TENTH, YEAR } },
    { "body_idle_ns", { TENTH, YEAR } },
    { "idle_ns", { TENTH, YEAR } },
    { "first_byte_ns", { TENTH, YEAR } },
    { "send_idle_ns", { TENTH, YEAR } },
    { "linger_ns", { 0, YEAR } },
    { "handler_ns", { TENTH, YEAR } },
    { "drain_ns", { 0, YEAR } },
    { "body_rate", { 0, GIB } },
    { "send_rate", { 0, GIB } },
    { "connections", { 1, 10000000 } },
    { "connections_per_address", { 1, 10000000 } },
    { "descriptors_kept", { 0, 1000000 } },
    { "output_bytes", { 16 * KIB, GIB } }, /* a head, or a record of TLS: RFC 8446 5.1, 2^14 */
    { "output_extents", { 4, 16384 } },
    { "input_bytes", { 2 * KIB, GIB } },
    { "memory_bytes", { 2 * MIB, 1024 * GIB } },
    { "blocking_threads", { 0, 1024 } },
    { "blocking_jobs", { 0, 10000000 } },
    { "messages", { 1, 10000000 } },
    { "idempotency_keys", { 0, 10000000 } },
    { "idempotency_bytes", { 0, 64 * GIB } },
    { "idempotency_ns", { 0, YEAR } },
    { "coding_bytes", { MIB, 64 * GIB } },
    { "stream_coding_bytes", { 0, 64 * GIB } },
    { "compress_bytes", { 0, GIB } },
    { "ranges", { 0, 4096 } },
    { "hot_files", { 0, 10000000 } },
    { "hot_file_bytes", { 0, 1024 * GIB } },
    { "hot_copy_bytes", { 0, 1024 * GIB } },
    { "hot_bytes", { 0, 1024 * GIB } },
    { "hot_check_ns", { 0, YEAR } },
    { "listing_entries", { 0, 10000000 } },
    { "tls_hello_bytes", { 4 * KIB, 16 * MIB } },
    { "tls_certificate_bytes", { 4 * KIB, 16 * MIB } },
    { "tls_message_bytes", { 2 * KIB, 16 * MIB } },
    { "tls_handshake_ns", { TENTH, YEAR } },
    { "tls_ticket_s", { 1, 604800 } },         /* RFC 8446 4.6.1: "Servers MUST NOT use any value greater than 604800 seconds" */
    { "tls_early_skip_bytes", { 0, GIB } },
    { "tls_key_records", { KIB, 23726566 } },  /* RFC 8446 5.5: 2^24.5 */
    { "chain_paths", { 1, 1000 } },
    { "chain_intermediates", { 0, 15 } },      /* of the 16 certificates of a chain one is the leaf */
    { "key_questions", { 1, 65535 } },         /* a place of one is 16 bits of a question's number */
    { "http2_streams", { 1, 100000 } },
    { "http2_frame_bytes", { 16 * KIB, 16 * MIB - 1 } }, /* RFC 9113 6.5.2: from 2^14 to 2^24-1 */
    { "http2_table_bytes", { 0, 16 * MIB } },
    { "http2_control", { 16, 10000000 } },     /* SETTINGS, its ACK and a few PINGs open every connection */
    { "http2_void", { 16, 10000000 } },
    { "http2_window_bytes", { 65535, INT32_MAX } },            /* RFC 9113 6.5.2 and 6.9.1 */
    { "http2_connection_window_bytes", { 65535, INT32_MAX } },
    { "http2_output_bytes", { 16 * KIB, GIB } },
    { "http2_settings_ns", { TENTH, YEAR } },
    { "http2_pushes", { 0, 100000 } },
    { "quic_half_open", { 0, UINT32_MAX } },   /* 0: every client proves its address first */
    { "quic_forgeries", { 1, 1ull << 36 } },   /* RFC 9001 6.6: the least of what the AEADs in use bear */
};

hf_limit_bounds hf_limit_bounds_of(const char *name, const char *unit)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].bounds;
    if (strcmp(unit, "ns") == 0)
        return (hf_limit_bounds){ (uint64_t)HF_MILLISECONDS(1), YEAR };
    return (hf_limit_bounds){ 1, strcmp(unit, "bytes") == 0 ? 1024 * GIB : UINT32_MAX };
}

bool hf_limit_refuses(const char *name, const char *unit, uint64_t amount, char *why, size_t size)
{
    const hf_limit_bounds b = hf_limit_bounds_of(name, unit);
    char got[64], least[64], most[64];
    if (amount >= b.least && amount <= b.most)
        return false;
    if (amount == 0) {
        snprintf(why, size, "must not be 0: nothing could be served");
        return true;
    }
    hf_amount_write(got, sizeof got, amount, unit);
    hf_amount_write(least, sizeof least, b.least, unit);
    hf_amount_write(most, sizeof most, b.most, unit);
    snprintf(why, size, "got %s; it must be from %s to %s", got, least, most);
    return true;
}

/* A head must fit into what a connection may hold of it, and a target into its head. */
bool hf_limits_conflict(const hf_limits *l, const char **smaller, uint64_t *small, const char **larger, uint64_t *large)
{
    const struct {
        const char *name;
        uint64_t value;
    } order[] = { { "input_bytes", l->input_bytes }, { "header_bytes", l->header_bytes }, { "target_bytes", l->target_bytes } };
    for (size_t i = 0; i + 1 < HF_COUNT(order); i++)
        if (order[i].value < order[i + 1].value) {
            *smaller = order[i].name;
            *small = order[i].value;
            *larger = order[i + 1].name;
            *large = order[i + 1].value;
            return true;
        }
    return false;
}
