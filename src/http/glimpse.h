/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be told of a request whose head was refused: for the log alone, so nothing here is checked.
 */
#ifndef HF_HTTP_GLIMPSE_H
#define HF_HTTP_GLIMPSE_H

#include <handfast/http.h>

/* Each fills method_name, target, path, query and version of `to`, which is all zero, as far as they came; spans lend from the
 * input. `path` is the whole target up to '?', whatever its form. */
void hf_glimpse_line(hf_bytes head, hf_request_head *to); /* of HTTP/1: the head's bytes so far */
void hf_glimpse_fields(hf_fields fields, hf_version version, hf_request_head *to); /* of HTTP/2 and 3: ":method", ":path" */

#endif
