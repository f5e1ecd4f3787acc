/* SPDX-License-Identifier: Apache-2.0 */
#include "qlog.h"

enum { RECORD_SEPARATOR = 0x1e };

void hf_qlog_begin(hf_writer *w, uint64_t connection, bool server, uint64_t wall_ms)
{
    hf_write_byte(w, RECORD_SEPARATOR);
    hf_write_literal(w, "{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\",\"file_schema\":\"urn:ietf:params:qlog:file:sequential\","
                        "\"serialization_format\":\"application/qlog+json-seq\",\"title\":\"Handfast\",\"trace\":{\"vantage_point\":{\"type\":\"");
    hf_write_text(w, server ? "server" : "client");
    hf_write_literal(w, "\"},\"event_schemas\":[\"urn:ietf:params:qlog:events:quic\"],\"common_fields\":{\"group_id\":\"c");
    hf_write_hex(w, connection);
    hf_write_literal(w, "\",\"protocol_type\":[\"QUIC\",\"HTTP3\"],\"time_format\":\"relative\",\"reference_time\":");
    hf_write_decimal(w, wall_ms);
    hf_write_literal(w, "}}}\n");
}

/* Milliseconds with three places. */
static void write_ms(hf_writer *w, uint64_t us)
{
    hf_write_decimal(w, us / 1000);
    hf_write_byte(w, '.');
    hf_write_padded(w, us % 1000, 3);
}

static void open_event(hf_writer *w, const hf_trace_record *r, hf_time began, const char *name)
{
    const int64_t since = r->at.ns - began.ns;
    hf_write_byte(w, RECORD_SEPARATOR);
    hf_write_literal(w, "{\"time\":");
    write_ms(w, since > 0 ? (uint64_t)since / 1000 : 0);
    hf_write_literal(w, ",\"name\":\"");
    hf_write_text(w, name);
    hf_write_literal(w, "\",\"data\":{");
}

static void write_number(hf_writer *w, const char *name, uint64_t n)
{
    hf_write_byte(w, '"');
    hf_write_text(w, name);
    hf_write_literal(w, "\":");
    hf_write_decimal(w, n);
}

static void write_string(hf_writer *w, const char *name, const char *text)
{
    hf_write_byte(w, '"');
    hf_write_text(w, name);
    hf_write_literal(w, "\":\"");
    hf_write_json(w, hf_text(text));
    hf_write_byte(w, '"');
}

static const char *name_of(const char *const *names, size_t count, uint64_t at)
{
    return at < count ? names[at] : "unknown";
}

/* As quic_core.h numbers them: levels, and states of a connection. */
static const char *const types[] = { "initial", "handshake", "1RTT", "0RTT" };
static const char *const spaces[] = { "initial", "handshake", "application_data" };
static const char *const states[] = { "handshake_started", "handshake_complete", "closing", "draining", "closed" };

static void write_header(hf_writer *w, uint64_t type, uint64_t number)
{
    hf_write_literal(w, "\"header\":{");
    write_string(w, "packet_type", name_of(types, HF_COUNT(types), type));
    hf_write_byte(w, ',');
    write_number(w, "packet_number", number);
    hf_write_byte(w, '}');
}

static void packet(hf_writer *w, const hf_trace_record *r, hf_time began, const char *name)
{
    open_event(w, r, began, name);
    write_header(w, r->first & 3, r->first >> 2);
    hf_write_literal(w, ",\"raw\":{");
    write_number(w, "length", r->second);
    hf_write_byte(w, '}');
}

static void state(hf_writer *w, const hf_trace_record *r, hf_time began)
{
    open_event(w, r, began, "connectivity:connection_state_updated");
    write_string(w, "old", name_of(states, HF_COUNT(states), r->first));
    hf_write_byte(w, ',');
    write_string(w, "new", name_of(states, HF_COUNT(states), r->second));
}

static void metrics(hf_writer *w, const hf_trace_record *r, hf_time began, const char *first, const char *second, bool times)
{
    const char *const names[] = { first, second };
    const uint64_t values[] = { r->first, r->second };
    open_event(w, r, began, "recovery:metrics_updated");
    for (size_t i = 0; i < 2; i++) {
        hf_write_text(w, i > 0 ? ",\"" : "\"");
        hf_write_text(w, names[i]);
        hf_write_literal(w, "\":");
        if (times)
            write_ms(w, values[i]);
        else
            hf_write_decimal(w, values[i]);
    }
}

static void timeout(hf_writer *w, const hf_trace_record *r, hf_time began)
{
    open_event(w, r, began, "recovery:loss_timer_updated");
    hf_write_literal(w, "\"event_type\":\"expired\",\"timer_type\":\"pto\",");
    write_string(w, "packet_number_space", name_of(spaces, HF_COUNT(spaces), r->first));
}

static void refused(hf_writer *w, const hf_trace_record *r, hf_time began)
{
    const hf_err err = hf_err_make((int32_t)r->first);
    open_event(w, r, began, "connectivity:connection_closed");
    hf_write_literal(w, "\"owner\":\"local\",");
    write_string(w, "reason", hf_err_describe(err)->name);
    hf_write_byte(w, ',');
    write_string(w, "handfast_error", hf_err_describe(err)->id);
}

bool hf_qlog_record(hf_writer *w, const hf_trace_record *r, hf_time began)
{
    switch (r->kind) {
    case HF_TRACE_QUIC_SENT: packet(w, r, began, "transport:packet_sent"); break;
    case HF_TRACE_QUIC_ARRIVED: packet(w, r, began, "transport:packet_received"); break;
    case HF_TRACE_QUIC_LOST:
        open_event(w, r, began, "recovery:packet_lost");
        write_header(w, r->second, r->first);
        break;
    case HF_TRACE_QUIC_STATE: state(w, r, began); break;
    case HF_TRACE_QUIC_TIMEOUT: timeout(w, r, began); break;
    case HF_TRACE_QUIC_WINDOW: metrics(w, r, began, "congestion_window", "bytes_in_flight", false); break;
    case HF_TRACE_QUIC_RTT: metrics(w, r, began, "smoothed_rtt", "latest_rtt", true); break;
    case HF_TRACE_QUIC_MTU:
        open_event(w, r, began, "connectivity:mtu_updated");
        write_number(w, "new", r->first);
        break;
    case HF_TRACE_QUIC_MOVED:
        open_event(w, r, began, "connectivity:migration_state_updated");
        write_string(w, "new", r->second != 0 ? "port_changed" : "address_changed");
        break;
    case HF_TRACE_QUIC_REFUSED: refused(w, r, began); break;
    default: return false;
    }
    hf_write_literal(w, "}}\n");
    return true;
}
