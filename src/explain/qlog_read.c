/* SPDX-License-Identifier: Apache-2.0
 *
 * qlog (draft-ietf-quic-qlog-main-schema): records set apart by 0x1e or line breaks, or one document with traces. Events of versions
 * 0.3 and later go by names that end alike.
 */
#include <stdio.h>

#include "alloc.h"
#include "guard_json.h"
#include "reading.h"

enum { SEPARATOR = 0x1e, WORDS = 160 };

typedef struct log {
    uint64_t events, sent, received, lost, probes, bad;
    int64_t last_ms;
    char title[WORDS], vantage[16], closed[WORDS], rtt[24], mtu[24];
    bool closes, closed_well;
} log;

static bool ends_with(const hf_json_node *n, const char *word)
{
    return n != NULL && n->kind == HF_JSON_STRING && hf_ends_with(n->text, hf_text(word));
}

static void copy(char *to, size_t room, const hf_json_node *n)
{
    if (n != NULL && n->text.len > 0 && n->kind >= HF_JSON_NUMBER && n->kind <= HF_JSON_STRING)
        snprintf(to, room, "%.*s", n->text.len < room ? (int)n->text.len : (int)room - 1, (const char *)n->text.ptr);
}

static void see_close(log *l, const hf_json *j, const hf_json_node *data)
{
    static const char *const reasons[] = { "handfast_error", "reason", "trigger", "connection_error", "application_error", "connection_code", "application_code", "error_code", "owner", "initiator" };
    static const char *const good[] = { "clean", "idle_timeout", "0", "no_error", "h3_no_error", "HF-OK", "no error" };
    l->closes = true;
    for (size_t i = 0; i < HF_COUNT(reasons); i++) {
        char one[64] = "";
        const size_t n = strlen(l->closed);
        copy(one, sizeof one, hf_json_member(j, data, reasons[i]));
        if (one[0] != 0)
            snprintf(l->closed + n, sizeof l->closed - n, "%s%s %s", n > 0 ? ", " : "", reasons[i], one);
        for (size_t k = 0; k < HF_COUNT(good) && strcmp(reasons[i], "owner") != 0; k++)
            l->closed_well = l->closed_well || strcmp(one, good[k]) == 0;
    }
}

static void see_event(log *l, const hf_json *j, const hf_json_node *event)
{
    const hf_json_node *const name = hf_json_member(j, event, "name"), *const data = hf_json_member(j, event, "data"), *const time = hf_json_member(j, event, "time");
    if (name == NULL || data == NULL)
        return;
    l->events++;
    if (time != NULL && time->kind == HF_JSON_NUMBER)
        (void)hf_json_integer(time, &l->last_ms);
    l->sent += ends_with(name, ":packet_sent");
    l->received += ends_with(name, ":packet_received");
    l->lost += ends_with(name, ":packet_lost");
    if ((ends_with(name, ":loss_timer_updated") || ends_with(name, ":timer_updated")) && ends_with(hf_json_member(j, data, "event_type"), "expired"))
        l->probes += ends_with(hf_json_member(j, data, "timer_type"), "pto");
    if (ends_with(name, ":metrics_updated") || ends_with(name, ":recovery_metrics_updated"))
        copy(l->rtt, sizeof l->rtt, hf_json_member(j, data, "smoothed_rtt"));
    if (ends_with(name, ":mtu_updated"))
        copy(l->mtu, sizeof l->mtu, hf_json_member(j, data, "new"));
    if (ends_with(name, ":connection_closed"))
        see_close(l, j, data);
}

static void see_trace(log *l, const hf_json *j, const hf_json_node *trace)
{
    const hf_json_node *const point = trace != NULL ? hf_json_member(j, trace, "vantage_point") : NULL;
    const hf_json_node *const events = trace != NULL ? hf_json_member(j, trace, "events") : NULL;
    if (point != NULL)
        copy(l->vantage, sizeof l->vantage, hf_json_member(j, point, "type"));
    for (const hf_json_node *e = events != NULL && events->kind == HF_JSON_ARRAY ? hf_json_first(j, events) : NULL; e != NULL; e = hf_json_next(j, e))
        see_event(l, j, e);
}

static void see_record(log *l, const hf_json *j)
{
    const hf_json_node *const root = &j->nodes[0], *const traces = hf_json_member(j, root, "traces");
    if (root->kind != HF_JSON_OBJECT) {
        l->bad++;
        return;
    }
    copy(l->title, sizeof l->title, hf_json_member(j, root, "title"));
    see_trace(l, j, hf_json_member(j, root, "trace"));
    for (const hf_json_node *t = traces != NULL && traces->kind == HF_JSON_ARRAY ? hf_json_first(j, traces) : NULL; t != NULL; t = hf_json_next(j, t))
        see_trace(l, j, t);
    see_event(l, j, root);
}

/* The next record: to the next separator, or to the end of the line where there are none. */
static hf_bytes cut_record(hf_bytes *file, uint8_t separator)
{
    hf_bytes one = { file->ptr, 0 };
    while (file->len > 0 && one.len == 0) {
        const uint8_t *const end = memchr(file->ptr, separator, file->len);
        const size_t n = end != NULL ? (size_t)(end - file->ptr) : file->len;
        one = hf_trim(hf_bytes_make(file->ptr, n));
        while (one.len > 0 && (one.ptr[one.len - 1] == '\n' || one.ptr[one.len - 1] == '\r'))
            one.len--;
        const size_t used = end != NULL ? n + 1 : n;
        *file = hf_bytes_make(file->ptr + used, file->len - used);
    }
    return one;
}

static void report(const log *l, hf_reading *r)
{
    hf_reading_fact(r, "%s%s%s%llu events in %lld ms: %llu packets sent, %llu received, %llu lost", l->title, l->title[0] != 0 ? ", " : "", l->vantage[0] != 0 ? "by one end: " : "",
        (unsigned long long)l->events, (long long)l->last_ms, (unsigned long long)l->sent, (unsigned long long)l->received, (unsigned long long)l->lost);
    if (l->vantage[0] != 0)
        hf_reading_fact(r, "seen by the %s", l->vantage);
    if (l->rtt[0] != 0)
        hf_reading_fact(r, "round trip %s ms at the end%s%s", l->rtt, l->mtu[0] != 0 ? ", MTU " : "", l->mtu);
    if (l->closes)
        hf_reading_fact(r, "closed: %s", l->closed);
    if (l->sent > 0 && l->received == 0)
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_H3_NO_ANSWER), "QUIC", "%llu packets were sent, and none came", (unsigned long long)l->sent);
    if (l->lost > 0)
        hf_finding_say(&r->findings, l->lost * 20 > l->sent ? HF_WEIGHT_WEAK : HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_QUIC_LOST), "QUIC", "%llu of %llu packets were lost", (unsigned long long)l->lost,
            (unsigned long long)l->sent);
    if (l->probes > 0)
        hf_finding_say(&r->findings, HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_QUIC_PROBES), "QUIC", "%llu probe timeouts", (unsigned long long)l->probes);
    if (l->closes && !l->closed_well && l->closed[0] != 0)
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_QUIC_CLOSED), "QUIC", "%s", l->closed);
    if (l->bad > 0)
        hf_finding_say(&r->findings, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_FILE_CUT), "file", "%llu records are no JSON", (unsigned long long)l->bad);
}

hf_err hf_reading_qlog(const hf_env *env, hf_bytes file, hf_reading *r)
{
    log l = { .events = 0 };
    const size_t nodes = hf_reading_values(env, file, r), room = file.len + 1;
    if (nodes == 0)
        return HF_OK;
    hf_json j = { .nodes = hf_alloc(&env->alloc, nodes * sizeof *j.nodes), .capacity = nodes };
    uint8_t *const scratch = hf_alloc(&env->alloc, room);
    const bool ready = j.nodes != NULL && scratch != NULL, sequence = file.len > 0 && memchr(file.ptr, SEPARATOR, file.len) != NULL;
    hf_json *const p = &j;
    const hf_bytes whole = file;
    if (ready) {
        p->scratch = hf_writer_make(scratch, room);
        if (!sequence && hf_json_parse(p, whole)) {
            see_record(&l, p);
            file.len = 0;
        }
        for (hf_bytes one; file.len > 0 && (one = cut_record(&file, sequence ? SEPARATOR : '\n')).len > 0;) {
            p->count = 0;
            p->scratch = hf_writer_make(scratch, room);
            if (hf_json_parse(p, one))
                see_record(&l, p);
            else
                l.bad++;
        }
        report(&l, r);
    }
    hf_free(&env->alloc, scratch, room);
    hf_free(&env->alloc, j.nodes, nodes * sizeof *j.nodes);
    return ready ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}
