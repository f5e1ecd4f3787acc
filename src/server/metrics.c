/* SPDX-License-Identifier: Apache-2.0
 *
 * The counters as Prometheus reads them. Every label has few values, whatever peers send.
 */
#include <handfast/version.h>

#include "admin.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void write_requests(FILE *out, const hf_counts *c)
{
    head(out, "handfast_requests_total", "counter", "Requests that are over, by method and class of status; \"none\": without an answer.");
    for (size_t m = 0; m < HF_METHOD_COUNT; m++)
        for (size_t k = 0; k < HF_COUNT_CLASSES; k++) {
            static const char *const classes[HF_COUNT_CLASSES] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
            const uint64_t n = hf_counted(&c->requests[m][k]);
            if (n > 0)
                fprintf(out, "handfast_requests_total{method=\"%s\",status=\"%s\"} %llu\n",
                    m == HF_METHOD_UNKNOWN ? "other" : hf_method_describe((hf_method)m)->name, classes[k], (unsigned long long)n);
        }
}

static void write_durations(FILE *out, const hf_counts *c)
{
    uint64_t all = 0;
    head(out, "handfast_request_duration_seconds", "histogram", "From a request's head to the end of its answer.");
    for (size_t i = 0; i < HF_COUNT_STEPS - 1; i++) {
        all += hf_counted(&c->durations[i]);
        fprintf(out, "handfast_request_duration_seconds_bucket{le=\"%u.%03u\"} %llu\n", hf_count_steps[i] / 1000,
            hf_count_steps[i] % 1000, (unsigned long long)all);
    }
    all += hf_counted(&c->durations[HF_COUNT_STEPS - 1]);
    const uint64_t took = hf_counted(&c->duration_ns);
    fprintf(out, "handfast_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)all);
    fprintf(out, "handfast_request_duration_seconds_sum %llu.%09llu\n", (unsigned long long)(took / 1000000000),
        (unsigned long long)(took % 1000000000));
    fprintf(out, "handfast_request_duration_seconds_count %llu\n", (unsigned long long)all);
}

static void write_connections(FILE *out, hf_engine *e, const hf_counts *c)
{
    one(out, "handfast_connections", "gauge", "Open connections.", hf_engine_connections(e));
    one(out, "handfast_connections_accepted_total", "counter", "Connections accepted.", hf_counted(&c->accepted));
    one(out, "handfast_connections_quic_total", "counter", "Of them, by QUIC.", hf_counted(&c->quic));
    one(out, "handfast_connections_turned_away_total", "counter", "Of them, refused because a limit was reached.",
        hf_counted(&c->turned_away));
    one(out, "handfast_connections_closed_total", "counter", "Connections closed.", hf_counted(&c->closed));
    one(out, "handfast_accept_failures_total", "counter", "Times that the system would not accept a connection.",
        hf_counted(&c->accept_failed));
    one(out, "handfast_memory_bytes", "gauge", "Memory held against the limit memory_bytes.", hf_engine_memory(e));
    one(out, "handfast_draining", "gauge", "1 while what is under way is finished before the end.", hf_engine_is_draining(e));
}

static void write_process(FILE *out, const hf_serving_status *s)
{
    head(out, "handfast_build_info", "gauge", "Always 1; the label tells the version.");
    fprintf(out, "handfast_build_info{version=\"%s\"} 1\n", HF_VERSION);
    one(out, "handfast_start_time_seconds", "gauge", "When the serving process began, in seconds since 1970.", (uint64_t)s->started_s);
    one(out, "handfast_restarts_total", "counter", "Serving processes that died and were replaced.", s->restarts);
    one(out, "handfast_generation", "gauge", "The generation of the configuration that serves.", s->generation);
    one(out, "handfast_configuration_time_seconds", "gauge", "When it took over, in seconds since 1970.", (uint64_t)s->loaded_s);
    head(out, "handfast_reloads_total", "counter", "Reloads asked for, by how they went.");
    fprintf(out, "handfast_reloads_total{result=\"accepted\"} %llu\nhandfast_reloads_total{result=\"refused\"} %llu\n",
        (unsigned long long)s->reloads_accepted, (unsigned long long)s->reloads_refused);
    one(out, "handfast_access_log_dropped_total", "counter", "Lines that the access log did not take.", s->log_dropped);
}

static void write_topics(FILE *out, hf_engine *e)
{
    hf_topic_counts c;
    hf_topic_bridge_state shared;
    hf_topics_count(hf_engine_topics(e), &c);
    one(out, "handfast_topic_subscribers", "gauge", "WebSockets and event streams that listen to topics.", c.subscribers);
    one(out, "handfast_topics", "gauge", "Topics that have a history.", c.topics);
    one(out, "handfast_topic_history_bytes", "gauge", "What their histories hold.", c.bytes);
    one(out, "handfast_topic_messages_published_total", "counter", "Messages for subscribers, from wherever they come.", c.delivered);
    one(out, "handfast_topic_messages_told_total", "counter", "Messages told, to each subscriber once.", c.told);
    one(out, "handfast_topic_messages_dropped_total", "counter", "Messages not told, for a subscriber did not read.", c.dropped);
    one(out, "handfast_topic_subscribers_let_go_total", "counter", "Subscribers that did not read, of topics that drop nothing.", c.let_go);
    one(out, "handfast_topic_gaps_total", "counter", "Times that a subscriber was told that something is missing.", c.gaps);
    if (!hf_engine_shared_topics(e, &shared))
        return;
    one(out, "handfast_topics_shared", "gauge", "1 while topics are shared through Redis, 0 while it is away.", shared.joined);
    one(out, "handfast_topics_waiting", "gauge", "Messages that Redis does not have yet.", shared.waiting);
    one(out, "handfast_topics_skipped_total", "counter", "Messages of other servers that were longer than may be kept here: a gap.", shared.skipped);
    one(out, "handfast_topics_unshared_total", "counter", "Messages that Redis never had, for want of room here: a gap for other servers.", shared.lost);
}

void hf_metrics_write(hf_serving *s, FILE *out)
{
    hf_counts sum = { 0 };
    hf_serving_status status;
    hf_engine *e = hf_serving_engine(s);
    hf_engine_count(e, &sum);
    hf_serving_hold(s, &status);
    hf_serving_release(s);
    write_process(out, &status);
    write_connections(out, e, &sum);
    write_requests(out, &sum);
    one(out, "handfast_requests_http3_total", "counter", "Of the requests, over HTTP/3.", hf_counted(&sum.http3));
    one(out, "handfast_request_body_bytes_total", "counter", "Bytes of request bodies.", hf_counted(&sum.body_received));
    one(out, "handfast_response_body_bytes_total", "counter", "Bytes of answers' bodies.", hf_counted(&sum.body_sent));
    write_durations(out, &sum);
    write_topics(out, e);
}
