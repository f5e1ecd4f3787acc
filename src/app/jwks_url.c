/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of an issuer, over the network: by https, from where it was said and from nowhere else.
 */
#include <handfast/client.h>
#include <handfast/guards.h>

#include "text.h"

enum { PATIENCE_S = 5 };

/* Anything but keys is told, and is no answer. */
static hf_err fail(const hf_jwks_source *s, const hf_client_answer *a)
{
    char text[96];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    hf_write_text(&w, "it answered ");
    hf_write_decimal(&w, a != NULL ? a->status : 0);
    text[w.length] = 0;
    const hf_err none = hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
    const char *const words = a == NULL ? "the URL is not of https, or the roots cannot be read" : a->err.code != 0 ? a->words
        : a->status != 200 ? text : "its answer is too large";
    if (s->failed != NULL)
        s->failed(s->url, a != NULL && a->err.code != 0 ? a->err : none, words);
    return none;
}

/* RFC 8725 3.10: what a redirect names is a source that nobody has named. */
hf_err hf_jwks_url(void *self, char *out, size_t room, size_t *length)
{
    const hf_jwks_source *const s = self;
    hf_client *client = NULL;
    hf_err err = HF_OK;
    const bool secure = hf_starts_with(hf_text(s->url), hf_text("https://"));
    *length = 0;
    if (!secure || hf_client_open(&client, &(hf_client_options){ .roots = s->roots }).code != 0) {
        err = fail(s, NULL);
    } else {
        const int64_t patience = s->patience_ns > 0 ? s->patience_ns : HF_SECONDS(PATIENCE_S);
        const hf_client_answer *const a = hf_client_ask(client, &(hf_client_request){ .url = s->url, .patience_ns = patience, .body_most = room });
        if (a->err.code != 0 || a->status != 200 || a->body.len > room) {
            err = fail(s, a);
        } else if (a->body.len > 0) {
            memcpy(out, a->body.ptr, a->body.len);
            *length = a->body.len;
        }
    }
    hf_client_close(client);
    return err;
}
