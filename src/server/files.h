/* SPDX-License-Identifier: Apache-2.0
 *
 * Serving what hf_files names: a folder, or the files inside the program. One hf_files_cache for each loop thread and
 * each hf_files; threads share nothing but the constant hf_files.
 */
#ifndef HF_SERVER_FILES_H
#define HF_SERVER_FILES_H

#include <handfast/app.h>
#include <handfast/files.h>

#include "file_cache.h"
#include "files_plan.h"

typedef struct hf_files_cache hf_files_cache;

/* Opens the folders. Keeps `what` and `env`. NULL and *err: HTTP_NOT_FOUND or HTTP_FORBIDDEN when a folder cannot be
 * opened, BASE_USAGE when `what` names no folder and no assets, both, or assets that are not sorted; BASE_MEMORY. */
hf_files_cache *hf_files_open(const hf_files *what, const hf_env *env, hf_err *err);
/* The same, with HF_FILE_WALK among the flags: as on a kernel without openat2. */
hf_files_cache *hf_files_open_with(const hf_files *what, const hf_env *env, unsigned flags, hf_err *err);
/* Answers that are under way keep what they need. NULL is fine. */
void hf_files_close(hf_files_cache *files);

/* Answers a GET or HEAD. `path` is what hf_req_path has below the route: decoded, without a slash at the front ("",
 * "a.css", "folder/"). Refusals go through hf_reply_problem, so they can come back to hf_files_answer_error. An error
 * means that nothing was answered. */
hf_err hf_files_answer(hf_files_cache *files, hf_req *rq, hf_bytes path);
/* Answers with the site's own page for `status`, to a client that would rather have a page than a problem document. False:
 * there is none, and nothing was answered. */
bool hf_files_answer_error(hf_files_cache *files, hf_req *rq, uint16_t status);
/* Gives up to `most` descriptors of files that were not asked for the longest; how many it was. */
size_t hf_files_shed(hf_files_cache *files, size_t most);
/* All zero for assets. */
hf_file_cache_counts hf_files_count(const hf_files_cache *files);

#endif
