/* SPDX-License-Identifier: Apache-2.0
 *
 * Between files.c, files_assets.c and files_send.c: not for others.
 */
#ifndef HF_SERVER_FILES_STATE_H
#define HF_SERVER_FILES_STATE_H

#include "asset.h"
#include "files.h"

enum { HF_ROOT_SITE, HF_ROOT_ERRORS };

struct hf_files_cache {
    const hf_files *what;
    const hf_env *env;
    unsigned flags;
    int roots[HF_CACHE_ROOTS];
    hf_file_cache *cache; /* NULL for assets */
};

/* How to send a representation that was found. */
typedef struct hf_sending {
    uint16_t status;      /* 200, or that of an error page: then conditionals and ranges do not apply */
    bool varies_by_accept;
    void (*release)(void *what); /* what the representation lends from; NULL: it lives for ever */
    void *held;
} hf_sending;

/* Plans and answers. What is held is released, sooner or later, in every case. */
hf_err hf_files_send(hf_files_cache *files, hf_req *rq, const hf_representation *what, const hf_sending *how);
/* 301 to the same path with a slash behind it and the same query. */
hf_err hf_files_redirect(hf_req *rq);
hf_err hf_files_refuse(hf_req *rq, int32_t code);

hf_err hf_assets_answer(hf_files_cache *files, hf_req *rq, hf_bytes path);
bool hf_assets_answer_error(hf_files_cache *files, hf_req *rq, hf_bytes page);
/* Strictly ascending by path, as the look-up needs it. */
bool hf_assets_sorted(const hf_asset *assets, size_t count);

#endif
