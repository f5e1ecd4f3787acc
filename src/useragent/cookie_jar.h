/* SPDX-License-Identifier: Apache-2.0
 *
 * cookie_jar: the cookies of a user agent (RFC 6265bis 5): which of those that servers set are kept, and which go with a
 * request. Each refusal has a name, so that what browsers do in silence can be told.
 *
 * Pure: what it knows of public suffixes it asks its maker.
 */
#ifndef HF_USERAGENT_COOKIE_JAR_H
#define HF_USERAGENT_COOKIE_JAR_H

#include <handfast/base.h>

#include "text.h"

typedef struct hf_jar hf_jar;

typedef enum hf_jar_same_site { HF_JAR_DEFAULT, HF_JAR_STRICT, HF_JAR_LAX, HF_JAR_NONE } hf_jar_same_site;

/* Who asks: 5.2. */
typedef enum hf_jar_context {
    HF_JAR_FROM_SAME_SITE, /* a page of the same site, or a person, typing */
    HF_JAR_FROM_LINK,      /* another site's link was followed: a top-level navigation with a safe method */
    HF_JAR_FROM_FORM,      /* another site's form was posted: a top-level navigation with an unsafe method */
    HF_JAR_FROM_PAGE       /* another site's page: fetch, image, frame */
} hf_jar_context;

/* A request, as far as cookies care. Lent for the call. */
typedef struct hf_jar_request {
    hf_bytes host; /* in lower case, ASCII, without brackets */
    hf_bytes path; /* "/..."; a query behind it is not looked at */
    bool secure;   /* https, or a host that is trusted without: localhost */
    hf_jar_context context;
} hf_jar_request;

/* A cookie, lent until the jar changes; or what a Set-Cookie said, lent from it. */
typedef struct hf_jar_cookie {
    hf_bytes name, value, domain, path;
    bool host_only, secure, http_only;
    bool persistent; /* else until the session is over */
    hf_wall until;
    hf_jar_same_site same_site;
} hf_jar_cookie;

typedef struct hf_jar_options {
    bool (*is_public_suffix)(void *ctx, hf_bytes domain); /* NULL: none is */
    void *ctx;
} hf_jar_options;

/* Lends `env` for life. NULL when memory ends. */
hf_jar *hf_jar_new(const hf_env *env, const hf_jar_options *options);
void hf_jar_free(hf_jar *jar);

/* Receives one Set-Cookie. HF_OK: kept, or, where it has expired, deleted. Else HF_ERR_COOKIE_..., and nothing changed:
 * EMPTY, CONTROL, TOO_LARGE, DOMAIN, PUBLIC_SUFFIX, SECURE_OVER_HTTP, COVERS_SECURE, CROSS_SITE, NONE_INSECURE,
 * SECURE_PREFIX, HOST_PREFIX, NAMELESS_PREFIX; HF_ERR_BASE_MEMORY. `said` (may be NULL) is what was read, also of what was
 * refused. */
hf_err hf_jar_receive(hf_jar *jar, const hf_jar_request *request, hf_bytes set_cookie, hf_wall now, hf_jar_cookie *said);

/* The same of a Set-Cookie alone, with an empty jar: would it be kept? With an empty host, Domain is not looked at. */
hf_err hf_cookie_judge(const hf_jar_request *request, hf_bytes set_cookie, hf_wall now, hf_jar_cookie *said);

/* Appends the value of the Cookie field; how many cookies are in it. 0: send no such field. One that does not fit is left out. */
size_t hf_jar_write_cookies(hf_jar *jar, const hf_jar_request *request, hf_wall now, hf_writer *w);
/* Would it go with the request? HF_OK, or HF_ERR_COOKIE_OTHER_HOST, _OTHER_PATH, _IN_CLEAR, _SAME_SITE. */
hf_err hf_jar_judge(const hf_jar_cookie *cookie, const hf_jar_request *request);

/* Each cookie, in the order in which they are sent: *at begins with 0. False at the end. */
bool hf_jar_next(const hf_jar *jar, size_t *at, hf_jar_cookie *cookie);
size_t hf_jar_count(const hf_jar *jar);
/* 5.7: "When the current session is over": drops what is not persistent. */
void hf_jar_end_session(hf_jar *jar);

/* The date of Expires (5.1.1): far more than HTTP's dates. */
bool hf_cookie_date_parse(hf_bytes text, hf_wall *date);

/* The file that curl and wget read and write (Netscape's). Reading adds to what is there; lines that are none are passed over, and
 * counted. It holds no SameSite. */
hf_err hf_jar_read(hf_jar *jar, hf_bytes file, hf_wall now, size_t *bad);
/* One line of it. `w` has overflowed when it does not fit. */
void hf_jar_write_line(hf_writer *w, const hf_jar_cookie *cookie);
/* Room enough for every line. */
enum { HF_JAR_LINE = 4096 + 3 * 1024 + 64 };

#endif
