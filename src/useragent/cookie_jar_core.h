/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of cookie_jar.
 */
#ifndef HF_USERAGENT_COOKIE_JAR_CORE_H
#define HF_USERAGENT_COOKIE_JAR_CORE_H

#include "cookie_jar.h"

enum { HF_COOKIE_PAIR_MOST = 4096, HF_COOKIE_ATTRIBUTE_MOST = 1024 };

/* What a Set-Cookie says, before anybody asks whether it may. */
typedef struct hf_cookie_said {
    hf_jar_cookie cookie; /* domain: as the attribute says, without its dot and not in lower case; empty: none. path: empty: none */
    bool deleted;         /* Max-Age of zero or less */
} hf_cookie_said;

/* 5.6. HF_ERR_COOKIE_CONTROL, HF_ERR_COOKIE_TOO_LARGE; `now` is where Max-Age counts from. */
hf_err hf_cookie_read(hf_bytes set_cookie, hf_wall now, hf_cookie_said *said);
/* 5.1.3, with both in lower case. */
bool hf_cookie_domain_matches(hf_bytes host, hf_bytes domain);
/* 5.1.4 */
bool hf_cookie_path_matches(hf_bytes path, hf_bytes cookie_path);
/* 5.1.4 */
hf_bytes hf_cookie_default_path(hf_bytes path);
/* Keeps a copy, in the place of the one with the same name, domain and path. */
hf_err hf_jar_keep(hf_jar *jar, const hf_jar_cookie *cookie);

#endif
