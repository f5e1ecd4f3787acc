/* SPDX-License-Identifier: Apache-2.0
 *
 * Files inside the program: looked up by halving, and answered by the same rules as files on disk.
 */
#include "files_state.h"
#include "text.h"

bool hf_assets_sorted(const hf_asset *assets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (assets[i].path[0] != '/' || (i > 0 && strcmp(assets[i - 1].path, assets[i].path) >= 0))
            return false;
    return true;
}

/* How '/' + path + end stands to the asset's path, as strcmp would say. */
static int compare(hf_bytes path, const char *end, const char *asset)
{
    const size_t length = strlen(asset) - 1, end_length = strlen(end);
    const size_t first = path.len < length ? path.len : length;
    int order = first > 0 ? memcmp(path.ptr, asset + 1, first) : 0;
    if (order != 0)
        return order;
    if (path.len > length)
        return 1;
    const size_t rest = length - path.len, second = end_length < rest ? end_length : rest;
    order = memcmp(end, asset + 1 + path.len, second);
    return order != 0 ? order : (end_length > rest) - (end_length < rest);
}

static const hf_asset *find(const hf_files *what, hf_bytes path, const char *end)
{
    size_t low = 0, high = what->asset_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare(path, end, what->assets[middle].path);
        if (order == 0)
            return &what->assets[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static hf_err send_asset(hf_files_cache *files, hf_req *rq, const hf_asset *asset, const hf_sending *how)
{
    const bool has_gzip = asset->gzip != NULL && !files->what->no_precompressed;
    const hf_encoding encoding = how->status == 200 ? hf_files_choose(hf_req_head(rq), has_gzip ? 1u << HF_ENCODING_GZIP : 0) : HF_ENCODING_IDENTITY;
    const bool gzip = encoding == HF_ENCODING_GZIP;
    const hf_representation what = {
        .type = asset->type,
        .etag = hf_text(gzip ? asset->gzip_etag : asset->etag),
        .encoding = encoding,
        .varies = has_gzip,
        .size = gzip ? asset->gzip_size : asset->size,
        .bytes = gzip ? asset->gzip : asset->bytes,
    };
    return hf_files_send(files, rq, &what, how);
}

hf_err hf_assets_answer(hf_files_cache *files, hf_req *rq, hf_bytes path)
{
    const hf_files *what = files->what;
    const hf_asset *asset = find(what, path, "");
    const hf_sending whole = { .status = 200 }, page = { .status = 200, .varies_by_accept = true };
    if (asset)
        return send_asset(files, rq, asset, &whole);
    const bool folder = path.len > 0 && path.ptr[path.len - 1] == '/';
    if (path.len > 0 && !folder && find(what, path, "/"))
        return hf_files_redirect(rq);
    if (what->spa && hf_files_is_page(path, hf_req_head(rq)->fields))
        asset = find(what, hf_text(what->spa), "");
    return asset ? send_asset(files, rq, asset, &page) : hf_files_refuse(rq, HF_ERR_HTTP_NOT_FOUND);
}

bool hf_assets_answer_error(hf_files_cache *files, hf_req *rq, hf_bytes page)
{
    const char *prefix = files->what->error_pages;
    const hf_bytes start = hf_text(prefix[0] == '/' ? prefix + 1 : prefix);
    char name[16];
    if (page.len >= sizeof name)
        return false;
    memcpy(name, page.ptr, page.len);
    name[page.len] = 0;
    const hf_asset *asset = find(files->what, start, name);
    const hf_sending how = { .status = (uint16_t)((name[0] - '0') * 100 + (name[1] - '0') * 10 + (name[2] - '0')) };
    return asset && send_asset(files, rq, asset, &how).code == 0;
}
