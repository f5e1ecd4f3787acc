/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /api/handshake: what the visitor's own TLS handshake agreed.
 */
#include "tour.h"

#include "text.h"

static void member(hf_writer *w, const char *name, hf_bytes text)
{
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, "\":\"");
    hf_write_json(w, text);
    hf_write_byte(w, '"');
}

hf_err hf_tour_handshake(hf_req *rq)
{
    char text[2048];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_req_handshake h;
    if (!hf_req_handshake_of(rq, &h)) {
        hf_write_text(&w, "{\"tls\":false}\n");
    } else {
        hf_write_text(&w, "{\"tls\":true");
        member(&w, "version", hf_text(h.version == 0x0304 ? "TLS 1.3" : "TLS 1.2"));
        member(&w, "cipher", hf_text(h.suite));
        member(&w, "group", hf_text(h.group));
        member(&w, "protocol", h.protocol);
        member(&w, "host", h.host);
        hf_write_text(&w, h.resumed ? ",\"resumed\":true" : ",\"resumed\":false");
        hf_write_text(&w, hf_req_is_early(rq) ? ",\"early\":true" : ",\"early\":false");
        hf_write_text(&w, ",\"microseconds\":");
        hf_write_decimal(&w, (uint64_t)h.duration_ns / 1000);
        hf_write_text(&w, "}\n");
    }
    const hf_err err = hf_reply_field(rq, "Cache-Control", hf_text("no-store"));
    return err.code != 0 ? err : hf_reply(rq, 200, "application/json", hf_written(&w));
}
