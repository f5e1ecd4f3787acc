/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets of every version (RFC 9112 3.2, RFC 3986): strict about bytes, because what is let through here ends
 * in logs, routes and file names.
 */
#ifndef HF_HTTP_TARGET_H
#define HF_HTTP_TARGET_H

#include <handfast/http.h>

#include "text.h"

/* Fills form, target, scheme, authority, path and query of `head`; the rest stays as it is. scheme and authority are
 * emptied where the target has none: then the authority is the Host field's. Spans lend from `target`, but for the path
 * of an absolute form without one, which lends static memory: "/", or "*" for OPTIONS (RFC 9112 3.2.4: the whole
 * server is meant).
 * Percent signs are not looked at here; hf_path_normalise does that.
 * HF_ERR_HTTP_TARGET_SYNTAX, HF_ERR_HTTP_NOT_ACCEPTABLE_FORM, HF_ERR_HTTP_HOST_SYNTAX. */
hf_err hf_target_parse(hf_bytes target, hf_method method, hf_request_head *head);

/* ":path" of HTTP/2 and 3, or an origin-form target: path and query only. Begins with '/'. */
hf_err hf_target_parse_origin(hf_bytes target, hf_request_head *head);

/* host [":" port]. `host` comes without the brackets of an IPv6 address (it has a ':' then and only then); `port` is -1
 * when there is none. An empty authority is valid (RFC 9112 3.2: a client sends an empty Host when the target has
 * none); a port without a host is not, neither is userinfo. HF_ERR_HTTP_HOST_SYNTAX. */
hf_err hf_authority_parse(hf_bytes authority, hf_bytes *host, int32_t *port);

/* Decodes and normalises a path into `w` (room for path.len bytes is always enough): each segment is percent-decoded,
 * then dot segments are removed, so "%2e%2e" counts as ".." and nothing climbs above '/'. Empty segments stay: "//" is
 * another path than "/" (RFC 3986 has no rule that merges them), and routes match it as it stands.
 * HF_ERR_HTTP_PATH_ENCODING for a '%' without two digits, an escaped NUL, '/' or '\', and for these bytes raw where a
 * path cannot have them; HF_ERR_HTTP_TARGET_SYNTAX when it does not begin with '/'; HF_ERR_BASE_LIMIT when `w` has less
 * room than that. After an error `w` holds what it held.
 * What is written begins with '/', has no segment "." or "..", and no NUL. */
hf_err hf_path_normalise(hf_bytes path, hf_writer *w);
/* The way back, for links and Location: every byte that a segment may not hold is percent-encoded, '/' stays. A leading
 * "//" is written "/.//" so that it cannot be taken for an authority (RFC 3986 4.2). */
void hf_path_write(hf_writer *w, hf_bytes path);
/* Everything but unreserved bytes is percent-encoded: for one segment, or one name or value of a query. */
void hf_percent_write(hf_writer *w, hf_bytes text);

/* The next name=value of a query or form, both still encoded (hf_form_decode). Pieces between '&'; empty ones are
 * skipped; without '=' the value is empty with ptr NULL. False at the end. */
bool hf_query_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value);
/* application/x-www-form-urlencoded: '+' is a space, %XX a byte; a '%' that begins no escape stands for itself, as in
 * browsers. The result may hold any byte, NUL too. HF_ERR_BASE_LIMIT when `w` is full (text.len is always enough). */
hf_err hf_form_decode(hf_bytes text, hf_writer *w);

#endif
