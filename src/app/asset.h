/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that the program carries in itself: the welcome site with the manual, and the page that reports an error.
 * The tables are made by tools/embed.
 */
#ifndef HF_APP_ASSET_H
#define HF_APP_ASSET_H

#include <stddef.h>

typedef struct hf_asset {
    const char *path;           /* the URL's path, decoded: "/", "/tour/tcp/", "/assets/style.css" */
    const unsigned char *bytes; /* static memory */
    size_t size;
    const unsigned char *gzip;  /* the same bytes with Content-Encoding: gzip; NULL when that is no smaller */
    size_t gzip_size;
    const char *type;           /* Content-Type */
    const char *etag;           /* strong, with its quotes */
    const char *gzip_etag;      /* RFC 9110 8.8.3.3: another coding is another representation, so it has another tag */
} hf_asset;

/* The welcome site, sorted by path (strcmp). A page's path ends in '/': ask for "/tour/tcp/" where a visitor typed
 * "/tour/tcp" and redirect if it is there. */
extern const hf_asset hf_site_assets[];
extern const size_t hf_site_assets_count;

/* The page shown to browsers in place of a problem document. Its text holds {{status}} {{phrase}} {{code}} {{name}}
 * {{rule}} {{cause}} {{got}} {{wanted}} {{remedy}} {{request_id}}, each perhaps more than once: escaped words go there. */
extern const hf_asset hf_error_page;
/* The Content-Security-Policy to send with it: it allows that page's own style and nothing else. */
extern const char hf_error_page_policy[];

#endif
