/* SPDX-License-Identifier: Apache-2.0
 *
 * explain URL: the timeline, and its picture: SVG without script, that any browser shows.
 */
#include "explain_url.h"

#include <stdlib.h>

#include "text.h"

enum { WIDTH = 960, LEFT = 150, ROW = 26, TOP = 34 };

/* ---- the timeline --------------------------------------------------------------------------------------------- */

static void add(hf_trail_span spans[HF_TRAIL_STEPS], size_t *n, int64_t *at, hf_trail_span span)
{
    if (*n == HF_TRAIL_STEPS)
        return;
    span.at_ns = *at;
    *at += span.ns;
    spans[(*n)++] = span;
}

/* What a span added to what there had been before it. */
static hf_trail_packets beyond(hf_trail_packets to, hf_trail_packets from)
{
    return to.out >= from.out && to.in >= from.in ? (hf_trail_packets){ to.out - from.out, to.in - from.in } : (hf_trail_packets){ 0, 0 };
}

size_t hf_trail_spans(const hf_trail_hop *h, hf_trail_span spans[HF_TRAIL_STEPS])
{
    size_t n = 0;
    int64_t at = 0;
    const hf_trail_packets none = { 0, 0 };
    const bool old = strcmp(h->tls_version, "TLS 1.2") == 0;
    if (h->looked_up[0] != 0)
        add(spans, &n, &at, (hf_trail_span){ .name = "name", .ns = h->name_ns, .round_trips = hf_trail_is_named(h), .packets = hf_trail_is_named(h) ? "query, answer" : NULL });
    for (size_t i = 0; i < h->try_count && n + 4 < HF_TRAIL_STEPS; i++)
        add(spans, &n, &at, (hf_trail_span){ .name = "TCP", .ns = h->tries[i].ns, .round_trips = h->tries[i].err.code == 0,
            .counted = h->tries[i].err.code == 0 ? h->by_tcp : none, .packets = h->tries[i].err.code == 0 ? "SYN, SYN-ACK, ACK" : "SYN" });
    if (h->tls_tried)
        add(spans, &n, &at, (hf_trail_span){ .name = "TLS", .ns = h->tls_ns, .round_trips = !h->secured ? 0 : old ? 2 : 1, .counted = beyond(h->by_tls, h->by_tcp),
            .packets = !h->secured ? NULL : old ? "ClientHello, ServerHello and Certificate, key and Finished, Finished" : "ClientHello, ServerHello to Finished, Finished" });
    if (h->asked && h->answered) {
        add(spans, &n, &at, (hf_trail_span){ .name = "wait", .ns = h->head_ns, .round_trips = 1, .counted = beyond(h->by_head, h->secured ? h->by_tls : h->by_tcp), .packets = "request, head" });
        add(spans, &n, &at, (hf_trail_span){ .name = "body", .ns = h->body_ns - h->head_ns, .counted = beyond(h->by_end, h->by_head) });
    } else if (h->asked) {
        add(spans, &n, &at, (hf_trail_span){ .name = "wait", .ns = h->body_ns, .packets = "request" });
    }
    return n;
}

/* ---- the picture ---------------------------------------------------------------------------------------------- */

static void text_at(const hf_trail *y, double x, double line, const char *class, const char *text)
{
    char room[HF_CLIENT_URL_BYTES];
    hf_writer w = hf_writer_make(room, sizeof room - 1);
    hf_write_html(&w, hf_bytes_make(text, strnlen(text, 300)));
    room[w.length] = 0;
    fprintf(y->picture, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, line, class, room);
}

/* In lines of so many letters. */
static void text_wrapped(hf_trail *y, const char *class, const char *text)
{
    enum { LETTERS = 120 };
    for (size_t length = strlen(text); length > 0;) {
        char line[LETTERS + 1];
        size_t n = length < LETTERS ? length : LETTERS;
        while (n < length && n > LETTERS / 2 && text[n] != ' ')
            n--;
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        text_at(y, 12, y->picture_y, class, line);
        y->picture_y += ROW;
        text += n;
        length -= n;
    }
}

bool hf_trail_picture_begin(hf_trail *y)
{
    y->picture = open_memstream(&y->picture_text, &y->picture_length);
    y->picture_y = TOP;
    return y->picture != NULL;
}

void hf_trail_picture_hop(hf_trail *y, const hf_trail_hop *h)
{
    hf_trail_span spans[HF_TRAIL_STEPS];
    if (y->picture == NULL)
        return;
    const size_t n = hf_trail_spans(h, spans);
    const int64_t all = n > 0 && spans[n - 1].at_ns + spans[n - 1].ns > 0 ? spans[n - 1].at_ns + spans[n - 1].ns : 1;
    const double scale = (double)(WIDTH - LEFT - 120) / (double)all;
    text_at(y, 12, y->picture_y, "h", h->text);
    for (size_t i = 0; i < n; i++) {
        char label[160];
        const hf_trail_span *const s = &spans[i];
        const double x = LEFT + (double)s->at_ns * scale, wide = (double)s->ns * scale;
        y->picture_y += ROW;
        text_at(y, 12, y->picture_y, "v", s->name);
        fprintf(y->picture, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"16\" class=\"%s\">", x, y->picture_y - 13, wide > 1 ? wide : 1, s->name);
        fprintf(y->picture, "<title>%s</title></rect>\n", s->packets != NULL ? s->packets : s->name);
        snprintf(label, sizeof label, "%.1f ms%s", (double)s->ns / 1e6, s->round_trips == 1 ? ", 1 RTT" : s->round_trips == 2 ? ", 2 RTT" : "");
        text_at(y, x + wide + 6, y->picture_y, "v", label);
    }
    y->picture_y += ROW;
    text_wrapped(y, h->failed != HF_EXIT_OK ? "bad" : "v", h->verdict);
    y->picture_y += ROW;
}

bool hf_trail_picture_end(hf_trail *y, FILE *to)
{
    const bool good = fclose(y->picture) == 0;
    const int high = (int)y->picture_y;
    if (good)
        fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
            "<title>The way to an answer</title>\n"
            "<style>.h{font-weight:bold}.v{fill:#555}.bad{fill:#b3261e}.name{fill:#5b7fb9}.TCP{fill:#5f9e6e}.TLS{fill:#8d6bb0}.wait{fill:#d1913c}.body{fill:#c9b24a}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n%s</svg>\n", WIDTH, high, WIDTH, high, y->picture_text);
    free(y->picture_text);
    y->picture = NULL;
    return good;
}
