/* SPDX-License-Identifier: Apache-2.0
 *
 * A record as a line. Every value has a share of HF_ACCESS_LINE, so that the whole can never exceed it.
 */
#include "access_log.h"

#include "address.h"
#include "limit_names.h"
#include "log_text.h"
#include "redact.h"

/* Bytes of output, escapes included. With the names, numbers and punctuation around them they stay below
 * HF_ACCESS_LINE: the longest record of each format is a test. */
enum {
    MOST_METHOD = 32, MOST_ID = 64, MOST_TRACE = 32, MOST_SPAN = 16, MOST_PATH = 1152, MOST_QUERY = 960, MOST_AGENT = 448,
    MOST_REFERER = 448, MOST_SUBJECT = 160, MOST_USER = 64, MOST_LIMIT = 80
};

static void write_client(hf_writer *w, const hf_address *a)
{
    if (a->family != 4) {
        hf_address_write(w, a, false);
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            hf_write_byte(w, '.');
        hf_write_decimal(w, a->ip[i]);
    }
}

/* Sixteen digits, whatever the number is. */
static void write_span(hf_writer *w, uint64_t id)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        hf_write_byte(w, (uint8_t)"0123456789abcdef"[id >> shift & 15]);
}

static const char *version_text(hf_version version)
{
    switch (version) {
    case HF_HTTP_1_0: return "1.0";
    case HF_HTTP_1_1: return "1.1";
    case HF_HTTP_2: return "2";
    case HF_HTTP_3: return "3";
    }
    return "";
}

static void write_milliseconds(hf_writer *w, int64_t ns)
{
    const uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    hf_write_decimal(w, us / 1000);
    hf_write_byte(w, '.');
    hf_write_padded(w, us % 1000, 3);
}

/* The line minus what peers wrote for us: no query with secrets in it, no referring page's query at all. */
typedef struct cleaned {
    uint8_t memory[3 * HF_REDACTED_MOST];
    hf_bytes path, query, referer;
} cleaned;

static void clean(cleaned *c, const hf_access_record *r)
{
    hf_writer path = hf_writer_make(c->memory, HF_REDACTED_MOST);
    hf_writer query = hf_writer_make(c->memory + HF_REDACTED_MOST, HF_REDACTED_MOST);
    hf_writer referer = hf_writer_make(c->memory + 2 * HF_REDACTED_MOST, HF_REDACTED_MOST);
    c->path = hf_redact_path(&path, r->path);
    c->query = hf_redact_query(&query, r->query);
    c->referer = hf_redact_referer(&referer, r->referer);
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

#define NAME(w, text) hf_write(w, (hf_bytes)HF_LITERAL(text))

static void json_text(hf_writer *w, hf_bytes name, hf_bytes value, size_t most)
{
    if (value.len == 0)
        return;
    hf_write(w, name);
    hf_log_text(w, HF_LOG_UNICODE, value, most);
    hf_write_byte(w, '"');
}

static const char *tls_text(uint16_t version)
{
    return version == 0x0304 ? "1.3" : version == 0x0303 ? "1.2" : "";
}

static void json_request(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    json_text(w, (hf_bytes)HF_LITERAL(",\"http.request.method\":\""), r->method, MOST_METHOD);
    json_text(w, (hf_bytes)HF_LITERAL(",\"url.path\":\""), c->path, MOST_PATH);
    json_text(w, (hf_bytes)HF_LITERAL(",\"url.query\":\""), c->query, MOST_QUERY);
    json_text(w, (hf_bytes)HF_LITERAL(",\"network.protocol.version\":\""), hf_text(version_text(r->version)), MOST_ID);
    if (r->tls != 0) {
        json_text(w, (hf_bytes)HF_LITERAL(",\"tls.protocol.version\":\""), hf_text(tls_text(r->tls)), MOST_ID);
        json_text(w, (hf_bytes)HF_LITERAL(",\"tls.cipher\":\""), r->cipher, MOST_ID);
        hf_write_text(w, r->resumed ? ",\"tls.resumed\":true" : ",\"tls.resumed\":false");
        json_text(w, (hf_bytes)HF_LITERAL(",\"tls.client.subject\":\""), r->tls_client, MOST_SUBJECT);
    }
    NAME(w, ",\"http.response.status_code\":");
    hf_write_decimal(w, r->status);
    NAME(w, ",\"http.request.body.size\":");
    hf_write_decimal(w, r->request_body_bytes);
    NAME(w, ",\"http.response.body.size\":");
    hf_write_decimal(w, r->response_body_bytes);
    NAME(w, ",\"duration_ms\":");
    write_milliseconds(w, r->duration_ns);
}

static void json_trace(hf_writer *w, const hf_access_record *r)
{
    if (r->trace_id.len == 0)
        return;
    json_text(w, (hf_bytes)HF_LITERAL(",\"trace_id\":\""), r->trace_id, MOST_TRACE);
    json_text(w, (hf_bytes)HF_LITERAL(",\"parent_span_id\":\""), r->parent_id, MOST_SPAN);
    NAME(w, ",\"span_id\":\"");
    write_span(w, r->span_id);
    hf_write_byte(w, '"');
}

static void format_json(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    NAME(w, "{\"time\":\"");
    hf_log_time(w, r->wall_ms);
    NAME(w, "\",\"conn_id\":\"c");
    hf_write_hex(w, r->conn_id);
    hf_write_byte(w, '"');
    json_text(w, (hf_bytes)HF_LITERAL(",\"req_id\":\""), r->req_id, MOST_ID);
    json_trace(w, r);
    if (r->client.family != 0) {
        NAME(w, ",\"client.address\":\"");
        write_client(w, &r->client);
        NAME(w, "\",\"client.port\":");
        hf_write_decimal(w, r->client.port);
    }
    json_text(w, (hf_bytes)HF_LITERAL(",\"user.name\":\""), r->user, MOST_USER);
    json_request(w, r, c);
    json_text(w, (hf_bytes)HF_LITERAL(",\"user_agent.original\":\""), r->user_agent, MOST_AGENT);
    json_text(w, (hf_bytes)HF_LITERAL(",\"http.request.header.referer\":\""), c->referer, MOST_REFERER);
    if (r->err.code)
        json_text(w, (hf_bytes)HF_LITERAL(",\"error.type\":\""), hf_text(hf_err_describe(r->err)->id), MOST_ID);
    json_text(w, (hf_bytes)HF_LITERAL(",\"handfast.limit\":\""), hf_limit_names(r->err), MOST_LIMIT);
    NAME(w, "}\n");
}

/* ---- logfmt ------------------------------------------------------------------------------------------------- */

/* Quoted where a reader would otherwise not find the end of it. */
static bool needs_quotes(hf_bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] >= 0x7f || value.ptr[i] == '"' || value.ptr[i] == '=' || value.ptr[i] == '\\')
            return true;
    return false;
}

static void logfmt_text(hf_writer *w, hf_bytes name, hf_bytes value, size_t most)
{
    if (value.len == 0)
        return;
    const bool quotes = needs_quotes(value);
    hf_write(w, name);
    if (quotes)
        hf_write_byte(w, '"');
    hf_log_text(w, HF_LOG_UNICODE, value, most);
    if (quotes)
        hf_write_byte(w, '"');
}

static void logfmt_request(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    logfmt_text(w, (hf_bytes)HF_LITERAL(" http.request.method="), r->method, MOST_METHOD);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" url.path="), c->path, MOST_PATH);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" url.query="), c->query, MOST_QUERY);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" network.protocol.version="), hf_text(version_text(r->version)), MOST_ID);
    if (r->tls != 0) {
        logfmt_text(w, (hf_bytes)HF_LITERAL(" tls.protocol.version="), hf_text(tls_text(r->tls)), MOST_ID);
        logfmt_text(w, (hf_bytes)HF_LITERAL(" tls.cipher="), r->cipher, MOST_ID);
        hf_write_text(w, r->resumed ? " tls.resumed=true" : " tls.resumed=false");
        logfmt_text(w, (hf_bytes)HF_LITERAL(" tls.client.subject="), r->tls_client, MOST_SUBJECT);
    }
    NAME(w, " http.response.status_code=");
    hf_write_decimal(w, r->status);
    NAME(w, " http.request.body.size=");
    hf_write_decimal(w, r->request_body_bytes);
    NAME(w, " http.response.body.size=");
    hf_write_decimal(w, r->response_body_bytes);
    NAME(w, " duration_ms=");
    write_milliseconds(w, r->duration_ns);
}

static void format_logfmt(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    NAME(w, "time=");
    hf_log_time(w, r->wall_ms);
    NAME(w, " conn_id=c");
    hf_write_hex(w, r->conn_id);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" req_id="), r->req_id, MOST_ID);
    if (r->trace_id.len > 0) {
        logfmt_text(w, (hf_bytes)HF_LITERAL(" trace_id="), r->trace_id, MOST_TRACE);
        logfmt_text(w, (hf_bytes)HF_LITERAL(" parent_span_id="), r->parent_id, MOST_SPAN);
        NAME(w, " span_id=");
        write_span(w, r->span_id);
    }
    if (r->client.family != 0) {
        NAME(w, " client.address=");
        write_client(w, &r->client);
        NAME(w, " client.port=");
        hf_write_decimal(w, r->client.port);
    }
    logfmt_text(w, (hf_bytes)HF_LITERAL(" user.name="), r->user, MOST_USER);
    logfmt_request(w, r, c);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" user_agent.original="), r->user_agent, MOST_AGENT);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" http.request.header.referer="), c->referer, MOST_REFERER);
    if (r->err.code)
        logfmt_text(w, (hf_bytes)HF_LITERAL(" error.type="), hf_text(hf_err_describe(r->err)->id), MOST_ID);
    logfmt_text(w, (hf_bytes)HF_LITERAL(" handfast.limit="), hf_limit_names(r->err), MOST_LIMIT);
    hf_write_byte(w, '\n');
}

/* ---- combined: %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i", and three fields of ours --------------- */

static void combined_time(hf_writer *w, int64_t wall_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const hf_civil c = hf_civil_from_ms(wall_ms);
    hf_write_padded(w, c.day, 2);
    hf_write_byte(w, '/');
    hf_write(w, hf_bytes_make(&months[3 * (c.month - 1)], 3));
    hf_write_byte(w, '/');
    hf_write_padded(w, c.year < 0 ? 0 : (uint64_t)c.year, 4);
    hf_write_byte(w, ':');
    hf_write_padded(w, c.hour, 2);
    hf_write_byte(w, ':');
    hf_write_padded(w, c.minute, 2);
    hf_write_byte(w, ':');
    hf_write_padded(w, c.second, 2);
    NAME(w, " +0000");
}

static void combined_request_line(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    if (r->method.len == 0) {
        hf_write_byte(w, '-');
        return;
    }
    hf_log_text(w, HF_LOG_BYTES, r->method, MOST_METHOD);
    hf_write_byte(w, ' ');
    hf_log_text(w, HF_LOG_BYTES, c->path, MOST_PATH);
    if (c->query.ptr != NULL) {
        hf_write_byte(w, '?');
        hf_log_text(w, HF_LOG_BYTES, c->query, MOST_QUERY);
    }
    if (r->version != 0) {
        NAME(w, " HTTP/");
        hf_write_text(w, r->version == HF_HTTP_2 ? "2.0" : r->version == HF_HTTP_3 ? "3.0" : version_text(r->version));
    }
}

static void combined_field(hf_writer *w, hf_bytes value, size_t most)
{
    NAME(w, " \"");
    hf_log_text(w, HF_LOG_BYTES, value.len ? value : (hf_bytes)HF_LITERAL("-"), most);
    hf_write_byte(w, '"');
}

/* Apache's %u: spaces would make two fields of a name. */
static void combined_user(hf_writer *w, hf_bytes user)
{
    const size_t begin = w->length;
    hf_log_text(w, HF_LOG_BYTES, user.len > 0 ? user : (hf_bytes)HF_LITERAL("-"), MOST_USER);
    for (size_t i = begin; i < w->length; i++)
        if (w->ptr[i] == ' ')
            w->ptr[i] = '_';
}

/* Behind what readers of the format know, as Apache's own combinedio has it: connection, request, and what went wrong. */
static void combined_ids(hf_writer *w, const hf_access_record *r)
{
    const hf_bytes limit = hf_limit_names(r->err);
    NAME(w, " \"c");
    hf_write_hex(w, r->conn_id);
    hf_write_byte(w, '"');
    combined_field(w, r->req_id, MOST_ID);
    if (r->err.code == 0) {
        NAME(w, " \"-\"");
        return;
    }
    NAME(w, " \"");
    hf_write_text(w, hf_err_describe(r->err)->id);
    hf_write_text(w, limit.len > 0 ? " " : "");
    hf_write(w, limit);
    hf_write_byte(w, '"');
}

static void format_combined(hf_writer *w, const hf_access_record *r, const cleaned *c)
{
    if (r->client.family != 0)
        write_client(w, &r->client);
    else
        hf_write_byte(w, '-');
    NAME(w, " - ");
    combined_user(w, r->user);
    NAME(w, " [");
    combined_time(w, r->wall_ms);
    NAME(w, "] \"");
    combined_request_line(w, r, c);
    NAME(w, "\" ");
    if (r->status != 0)
        hf_write_decimal(w, r->status);
    else
        hf_write_byte(w, '-');
    hf_write_byte(w, ' ');
    if (r->response_body_bytes > 0)
        hf_write_decimal(w, r->response_body_bytes);
    else
        hf_write_byte(w, '-'); /* mod_log_config: %b is "-" rather than 0 */
    combined_field(w, c->referer, MOST_REFERER);
    combined_field(w, r->user_agent, MOST_AGENT);
    combined_ids(w, r);
    hf_write_byte(w, '\n');
}

size_t hf_access_format_record(hf_writer *w, hf_access_format kind, const hf_access_record *record)
{
    static void (*const formats[])(hf_writer *, const hf_access_record *, const cleaned *) = {
        [HF_ACCESS_JSON] = format_json, [HF_ACCESS_COMBINED] = format_combined, [HF_ACCESS_LOGFMT] = format_logfmt,
    };
    if (w->capacity - w->length < HF_ACCESS_LINE)
        return 0;
    cleaned c;
    clean(&c, record);
    const size_t begin = w->length;
    formats[kind](w, record, &c);
    return w->length - begin;
}
