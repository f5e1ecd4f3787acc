/* SPDX-License-Identifier: Apache-2.0
 *
 * URLs without their secrets: the value of a parameter whose name sounds secret (token, password, code, sig, ...)
 * becomes REDACTED. The name is looked at as a server would read it: percent-decoded, case folded. So is what a parameter holds:
 * the secrets of a URL or of JSON in it, encoded however often, and the user and password before a host.
 */
#ifndef HF_SERVER_REDACT_H
#define HF_SERVER_REDACT_H

#include "text.h"

/* What a redacted text may hold; what is longer is cut there. */
enum { HF_REDACTED_MOST = 2048 };

/* Each answers its input as it was when nothing in it is secret, else what was written to `w`. */
hf_bytes hf_redact_query(hf_writer *w, hf_bytes query); /* a=1&token=REDACTED */
hf_bytes hf_redact_path(hf_writer *w, hf_bytes path);   /* /a;jsessionid=REDACTED/b */
/* A referring URL without user, query and fragment. */
hf_bytes hf_redact_referer(hf_writer *w, hf_bytes referer);
/* Does a parameter of this name hold a secret? */
bool hf_is_secret_name(hf_bytes name);

#endif
