/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of an issuer, over the network: by https, from where it was said and from nowhere else.
 */
#include <handfast/client.h>
#include <handfast/guards.h>

#include "text.h"

enum { PATIENCE_S = 5 };

/* RFC 8725 3.10: what a redirect names is a source that nobody has named. */
hf_err hf_jwks_url(void *self, char *out, size_t room, size_t *length)
{
    const hf_jwks_source *const s = self;
    hf_client *client = NULL;
    const bool secure = hf_starts_with(hf_text(s->url), hf_text("https://"));
    hf_err err = secure ? hf_client_open(&client, &(hf_client_options){ .roots = s->roots }) : hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
    *length = 0;
    if (err.code == 0) {
        const int64_t patience = s->patience_ns > 0 ? s->patience_ns : HF_SECONDS(PATIENCE_S);
        const hf_client_answer *const a = hf_client_ask(client, &(hf_client_request){ .url = s->url, .patience_ns = patience, .body_most = room });
        if (a->err.code != 0 || a->status != 200 || a->body.len > room) {
            err = hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
        } else if (a->body.len > 0) {
            memcpy(out, a->body.ptr, a->body.len);
            *length = a->body.len;
        }
    }
    hf_client_close(client);
    return err;
}
