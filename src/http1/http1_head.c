/* SPDX-License-Identifier: Apache-2.0
 *
 * What a head means for the connection: the event is filled, and the reading state moves to what follows the head.
 */
#include "http1_core.h"

#include "target.h"

static bool wrong(hf_http1_flaw *flaw, int32_t code, hf_bytes at, const char *wanted)
{
    *flaw = (hf_http1_flaw){ code, at.ptr, wanted };
    return false;
}

/* Reading goes on with a body of this length. */
static void expect_body(hf_http1 *h, int64_t length)
{
    h->body_bytes = 0;
    h->waited_ns = 0;
    if (h->server)
        h->pace = (hf_pace){ h->env->limits->body_idle_ns, h->env->limits->body_rate };
    h->left = length > 0 ? (uint64_t)length : 0;
    if (length == HF_LENGTH_UNKNOWN)
        hf_http1_move_reading(h, HF_READ_MOVE_CHUNKED);
    else
        hf_http1_move_reading(h, length > 0 ? HF_READ_MOVE_MEASURED : HF_READ_MOVE_EMPTY);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

/* Is it host or host:port? One that was judged before is good for whoever says it. */
static hf_err judge_host(hf_http1 *h, hf_bytes said)
{
    hf_bytes host;
    int32_t port;
    hf_http1_memo *const m = h->memo;
    if (m != NULL && said.len > 0 && said.len == m->host_length && memcmp(said.ptr, m->host, said.len) == 0)
        return HF_OK;
    const hf_err err = hf_authority_parse(said, &host, &port);
    if (err.code != 0 || m == NULL || said.len == 0 || said.len > sizeof m->host)
        return err;
    m->host_length = (uint8_t)said.len;
    memcpy(m->host, said.ptr, said.len);
    return HF_OK;
}

/* RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
 * Host header field and to any request message that contains more than one Host header field line or a Host header field
 * with an invalid field value." */
static bool check_host(hf_http1 *h, const hf_http1_summary *s, const hf_http1_start *start, hf_request_head *head, hf_http1_flaw *flaw)
{
    if (s->second_host != NULL)
        return wrong(flaw, HF_ERR_HTTP1_HOST_REPEATED, s->second_host->name, "one Host field");
    if (s->host == NULL) {
        if (start->version == HF_HTTP_1_0)
            return true;
        return wrong(flaw, HF_ERR_HTTP1_HOST_MISSING, start->method, "a Host field");
    }
    const hf_err err = judge_host(h, s->host->value);
    if (err.code != 0)
        return wrong(flaw, err.code, s->host->value, "host or host:port");
    /* RFC 9112 3.2.2: with an absolute target "the origin server MUST ignore the received Host header field (if any)" */
    if (head->authority.len == 0 && head->form != HF_TARGET_ABSOLUTE)
        head->authority = s->host->value;
    return true;
}

static bool request_meaning(hf_http1 *h, const hf_http1_start *start, const hf_http1_summary *s, hf_request_head *head,
                            hf_http1_flaw *flaw)
{
    const hf_err err = hf_target_parse(start->target, head->method, head);
    if (err.code != 0)
        return wrong(flaw, err.code, start->target, "a request target that fits the method: /path for most");
    if (!check_host(h, s, start, head, flaw) || !hf_http1_request_length(s, start->version, &head->content_length, flaw))
        return false;
    head->keep_alive = hf_http1_persists(s, start->version);
    /* RFC 9110 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
     * expectation." The same mercy for other expectations: HTTP/1.0 knows none. */
    if (start->version == HF_HTTP_1_0)
        return true;
    if (s->other_expected)
        return wrong(flaw, HF_ERR_HTTP1_EXPECT_UNKNOWN, s->expect->value, "100-continue");
    head->expect_continue = s->continue_expected && head->content_length != HF_LENGTH_NONE && head->content_length != 0;
    /* RFC 9110 7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request." */
    if (s->upgrade_named)
        head->upgrade = s->upgrade;
    return true;
}

void hf_http1_admit_request(hf_http1 *h, hf_http1_event *event)
{
    const hf_request_head *const head = &event->request;
    h->version_1_0 = head->version == HF_HTTP_1_0;
    h->bodiless = head->method == HF_METHOD_HEAD;
    h->connect = head->method == HF_METHOD_CONNECT;
    h->upgradable = head->upgrade.len > 0;
    h->expecting = head->expect_continue;
    h->keep_alive = head->keep_alive;
    h->requests++;
    hf_http1_move_writing(h, HF_WRITE_MOVE_OWE);
    expect_body(h, head->content_length);
    event->kind = HF_HTTP1_REQUEST;
}

bool hf_http1_accept_request(hf_http1 *h, const hf_http1_start *start, hf_http1_event *event, hf_http1_flaw *flaw)
{
    hf_request_head *const head = &event->request;
    *head = (hf_request_head){ .method = hf_method_parse(start->method), .version = start->version,
                               .method_name = start->method, .fields = hf_http1_fields_of(h),
                               .content_length = HF_LENGTH_NONE };
    h->version_1_0 = start->version == HF_HTTP_1_0;
    h->bodiless = head->method == HF_METHOD_HEAD;
    h->connect = head->method == HF_METHOD_CONNECT;
    hf_http1_summary summary;
    hf_http1_summarise(head->fields, &summary);
    if (!request_meaning(h, start, &summary, head, flaw))
        return false;
    hf_http1_admit_request(h, event);
    return true;
}

/* ---- responses ---------------------------------------------------------------------------------------------- */

static bool interim(hf_http1 *h, const hf_http1_start *start, hf_http1_flaw *flaw)
{
    if (h->blanks == UINT8_MAX || h->blanks >= h->env->limits->informational_responses)
        return wrong(flaw, HF_ERR_HTTP1_TOO_MANY_INTERIM, start->reason, "a final response");
    h->blanks++;
    hf_http1_move_reading(h, HF_READ_MOVE_INTERIM);
    h->since = h->now;
    return true;
}

/* RFC 9112 6.3, items 1 and 2: never a body, whatever the fields say. */
static bool has_no_body(const hf_http1 *h, uint16_t status)
{
    return (h->sent[0] & HF_SENT_HEAD) != 0 || status == 204 || status == 304 || h->raw;
}

bool hf_http1_accept_response(hf_http1 *h, const hf_http1_start *start, hf_http1_event *event, hf_http1_flaw *flaw)
{
    hf_response_head *const head = &event->response;
    *head = (hf_response_head){ .status = start->status, .version = start->version, .reason = start->reason,
                                .fields = hf_http1_fields_of(h), .content_length = HF_LENGTH_NONE };
    hf_http1_summary summary;
    hf_http1_summarise(head->fields, &summary);
    event->kind = HF_HTTP1_RESPONSE;
    h->version_1_0 = start->version == HF_HTTP_1_0;
    /* RFC 9110 7.8: a server "MUST NOT" switch to a protocol that the client did not name */
    if (start->status == 101 && (h->sent[0] & HF_SENT_UPGRADE) == 0)
        return wrong(flaw, HF_ERR_HTTP1_UNEXPECTED_BYTES, start->reason, "no 101 where no upgrade was offered");
    if (start->status < 200 && start->status != 101)
        return interim(h, start, flaw);
    h->raw = start->status == 101 || ((h->sent[0] & HF_SENT_CONNECT) != 0 && start->status / 100 == 2);
    /* RFC 9112 6.3, item 2: "A client MUST ignore any Content-Length or Transfer-Encoding header fields" there. */
    if (!h->raw && !hf_http1_response_length(&summary, start->version, &head->content_length, flaw))
        return false;
    const bool empty = has_no_body(h, start->status);
    const bool unmeasured = !empty && head->content_length == HF_LENGTH_NONE;
    head->close = !h->raw && (unmeasured || !hf_http1_persists(&summary, start->version));
    h->closing = h->closing || head->close;
    if (unmeasured) {
        h->body_bytes = 0;
        h->waited_ns = 0;
        h->left = UINT64_MAX;
        hf_http1_move_reading(h, HF_READ_MOVE_UNMEASURED);
    } else {
        expect_body(h, empty ? HF_LENGTH_NONE : head->content_length);
    }
    return true;
}
