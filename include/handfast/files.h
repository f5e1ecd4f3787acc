/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/files.h - a folder, or files inside the program, as something to serve.
 *
 *     static const hf_files site = { .root = "public", .spa = "index.html" };
 *     static const hf_route routes[] = { { .path = "/{rest...}", .files = &site } };
 *
 * Every member left zero is the secure choice: no listing, no link followed, no hidden file shown.
 */
#ifndef HANDFAST_FILES_H
#define HANDFAST_FILES_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_asset;

/* What to serve and how. Constant while anything serves it; all pointers are lent as long. */
typedef struct hf_files {
    /* The folder. Nothing outside it is ever opened, whatever a request or a link says. NULL: with assets. */
    const char *root;
    /* Instead of a folder: a table of files inside the program, sorted by path. NULL: the folder. */
    const struct hf_asset *assets;
    size_t asset_count;

    /* What answers for a folder: names, ended by NULL; the first that exists. NULL: "index.html" alone. */
    const char *const *index;
    /* A page below the root ("index.html") for paths that name no file, in single-page applications: when the last
     * segment has no extension and the client names text/html in Accept. With assets, the path without its first slash:
     * "" is the page "/". NULL: such paths are answered 404. */
    const char *spa;
    /* A folder with 403.html, 404.html, 503.html and the like, shown to browsers in place of our own pages. With assets,
     * the beginning of their paths: "/errors/". NULL: our own. */
    const char *error_pages;
    /* Cache-Control of every file. NULL: "no-cache", which lets caches store it but ask each time. */
    const char *cache_control;
    /* Content-Security-Policy of every HTML page. NULL: none, because only the site's author knows what it loads. */
    const char *content_security_policy;

    /* A folder without an index shows what is in it, as a page or (Accept: application/json) as data. */
    bool listing;
    /* Symbolic links are followed while they stay inside the root. Absolute links and those that leave it never are. */
    bool follow_symlinks;
    /* Names that begin with a dot are served like others. Without this only /.well-known is (RFC 8615). */
    bool hidden;
    /* NAME.zst, NAME.br and NAME.gz are not sent for NAME. Otherwise they are, to clients that accept the coding, if
     * they are not older than NAME. */
    bool no_precompressed;
    /* Files without such a sibling are sent as they are. Otherwise those up to the limit compress_bytes are compressed when
     * they are first asked for, and kept so while there is room (limit hot_bytes). */
    bool no_compression;
} hf_files;

#ifdef __cplusplus
}
#endif
#endif
