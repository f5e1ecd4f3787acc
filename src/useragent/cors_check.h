/* SPDX-License-Identifier: Apache-2.0
 *
 * cors_check: what a browser does when a script of one origin asks another (Fetch 4.1, 4.8, 4.10): is a preflight needed, what is in
 * it, and may the script read the answer. The server's half is guard.h.
 */
#ifndef HF_USERAGENT_CORS_CHECK_H
#define HF_USERAGENT_CORS_CHECK_H

#include <handfast/http.h>

#include "text.h"

/* What a script asks. */
typedef struct hf_cors_wish {
    hf_bytes origin;  /* of the page: "https://app.example" */
    hf_bytes method;  /* as the script writes it */
    hf_fields fields; /* that the script sets */
    bool credentials; /* include; else they are left out */
} hf_cors_wish;

/* Fetch 2.2.1: get, head, post, put, delete and options are made upper case; patch is not. Lends from `method`, or is static. */
hf_bytes hf_cors_method(hf_bytes method);
/* Fetch 2.2.2: scripts cannot set it: it is dropped in silence. */
bool hf_cors_is_forbidden(hf_bytes name);
/* *why, where not NULL: which method or field asks for it. */
bool hf_cors_needs_preflight(const hf_cors_wish *wish, hf_bytes *why);
/* The value of Access-Control-Request-Headers: names in lower case, sorted. Empty: none. */
void hf_cors_write_request_headers(const hf_cors_wish *wish, hf_writer *w);

/* May the answer be read? HF_OK, or HF_ERR_CORS_NO_ALLOW_ORIGIN, _MANY_ALLOW_ORIGINS, _OTHER_ALLOW_ORIGIN, _STAR_ALLOW_ORIGIN,
 * _NO_ALLOW_CREDENTIALS. *got lends from the fields: the value at fault. */
hf_err hf_cors_check(const hf_cors_wish *wish, hf_fields answer, hf_bytes *got);
/* May the request be made, after this answer to the preflight? As above, and HF_ERR_CORS_PREFLIGHT_... *got: the method or header at
 * fault, or the value. */
hf_err hf_cors_check_preflight(const hf_cors_wish *wish, uint16_t status, hf_fields answer, hf_bytes *got);
/* For how many seconds that answer counts. */
uint64_t hf_cors_max_age(hf_fields answer);

/* What Chromium's console says. `w` gets one line. */
void hf_cors_write_console(hf_writer *w, hf_bytes url, const hf_cors_wish *wish, bool preflight, hf_err err, hf_bytes got);

#endif
