/* SPDX-License-Identifier: Apache-2.0
 *
 * Media types by extension, sorted, so that they are found by halving. Text that browsers would otherwise guess about
 * says its charset; JSON has none to say (RFC 8259 8.1).
 */
#include "media.h"

#include "text.h"

enum { LONGEST = 11 };

typedef struct row {
    char extension[LONGEST + 1]; /* lower case, filled with NUL: compared whole */
    hf_media media;
} row;

/* extension, type, worth compressing, text */
static const row table[] = {
    { "3gp", { "video/3gpp", false, false } },
    { "7z", { "application/x-7z-compressed", false, false } },
    { "aac", { "audio/aac", false, false } },
    { "apk", { "application/vnd.android.package-archive", false, false } },
    { "apng", { "image/apng", false, false } },
    { "atom", { "application/atom+xml", true, true } },
    { "avi", { "video/vnd.avi", false, false } },
    { "avif", { "image/avif", false, false } },
    { "bin", { "application/octet-stream", false, false } },
    { "bmp", { "image/bmp", true, false } },
    { "bz2", { "application/x-bzip2", false, false } },
    { "c", { "text/plain; charset=utf-8", true, true } },
    { "cc", { "text/plain; charset=utf-8", true, true } },
    { "cer", { "application/pkix-cert", false, false } },
    { "cfg", { "text/plain; charset=utf-8", true, true } },
    { "cjs", { "text/javascript; charset=utf-8", true, true } },
    { "conf", { "text/plain; charset=utf-8", true, true } },
    { "cpp", { "text/plain; charset=utf-8", true, true } },
    { "crt", { "application/pkix-cert", false, false } },
    { "css", { "text/css; charset=utf-8", true, true } },
    { "csv", { "text/csv; charset=utf-8", true, true } },
    { "deb", { "application/vnd.debian.binary-package", false, false } },
    { "diff", { "text/plain; charset=utf-8", true, true } },
    { "dll", { "application/octet-stream", false, false } },
    { "dmg", { "application/octet-stream", false, false } },
    { "doc", { "application/msword", true, false } },
    { "docx", { "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false, false } },
    { "eml", { "message/rfc822", true, true } },
    { "eot", { "application/vnd.ms-fontobject", true, false } },
    { "eps", { "application/postscript", true, false } },
    { "epub", { "application/epub+zip", false, false } },
    { "exe", { "application/octet-stream", false, false } },
    { "flac", { "audio/flac", false, false } },
    { "geojson", { "application/geo+json", true, true } },
    { "gif", { "image/gif", false, false } },
    { "glb", { "model/gltf-binary", true, false } },
    { "gltf", { "model/gltf+json", true, true } },
    { "go", { "text/plain; charset=utf-8", true, true } },
    { "gpx", { "application/gpx+xml", true, true } },
    { "gz", { "application/gzip", false, false } },
    { "h", { "text/plain; charset=utf-8", true, true } },
    { "heic", { "image/heic", false, false } },
    { "hpp", { "text/plain; charset=utf-8", true, true } },
    { "htm", { "text/html; charset=utf-8", true, true } },
    { "html", { "text/html; charset=utf-8", true, true } },
    { "ico", { "image/vnd.microsoft.icon", true, false } },
    { "ics", { "text/calendar; charset=utf-8", true, true } },
    { "img", { "application/octet-stream", false, false } },
    { "ini", { "text/plain; charset=utf-8", true, true } },
    { "iso", { "application/octet-stream", false, false } },
    { "jar", { "application/java-archive", false, false } },
    { "java", { "text/plain; charset=utf-8", true, true } },
    { "jfif", { "image/jpeg", false, false } },
    { "jpeg", { "image/jpeg", false, false } },
    { "jpg", { "image/jpeg", false, false } },
    { "js", { "text/javascript; charset=utf-8", true, true } },
    { "json", { "application/json", true, true } },
    { "jsonl", { "application/x-ndjson", true, true } },
    { "jsonld", { "application/ld+json", true, true } },
    { "jxl", { "image/jxl", false, false } },
    { "kml", { "application/vnd.google-earth.kml+xml", true, true } },
    { "log", { "text/plain; charset=utf-8", true, true } },
    { "m3u8", { "application/vnd.apple.mpegurl", true, true } },
    { "m4a", { "audio/mp4", false, false } },
    { "m4v", { "video/mp4", false, false } },
    { "map", { "application/json", true, true } },
    { "markdown", { "text/markdown; charset=utf-8", true, true } },
    { "md", { "text/markdown; charset=utf-8", true, true } },
    { "mid", { "audio/midi", true, false } },
    { "midi", { "audio/midi", true, false } },
    { "mjs", { "text/javascript; charset=utf-8", true, true } },
    { "mkv", { "video/matroska", false, false } },
    { "mov", { "video/quicktime", false, false } },
    { "mp3", { "audio/mpeg", false, false } },
    { "mp4", { "video/mp4", false, false } },
    { "mpd", { "application/dash+xml", true, true } },
    { "mpeg", { "video/mpeg", false, false } },
    { "mpg", { "video/mpeg", false, false } },
    { "msi", { "application/octet-stream", false, false } },
    { "ndjson", { "application/x-ndjson", true, true } },
    { "obj", { "model/obj", true, true } },
    { "odp", { "application/vnd.oasis.opendocument.presentation", false, false } },
    { "ods", { "application/vnd.oasis.opendocument.spreadsheet", false, false } },
    { "odt", { "application/vnd.oasis.opendocument.text", false, false } },
    { "oga", { "audio/ogg", false, false } },
    { "ogg", { "audio/ogg", false, false } },
    { "ogv", { "video/ogg", false, false } },
    { "opus", { "audio/ogg", false, false } },
    { "otf", { "font/otf", true, false } },
    { "patch", { "text/plain; charset=utf-8", true, true } },
    { "pdf", { "application/pdf", false, false } },
    { "pem", { "application/x-pem-file", true, true } },
    { "png", { "image/png", false, false } },
    { "ppt", { "application/vnd.ms-powerpoint", true, false } },
    { "pptx", { "application/vnd.openxmlformats-officedocument.presentationml.presentation", false, false } },
    { "ps", { "application/postscript", true, false } },
    { "py", { "text/plain; charset=utf-8", true, true } },
    { "rar", { "application/vnd.rar", false, false } },
    { "rs", { "text/plain; charset=utf-8", true, true } },
    { "rss", { "application/rss+xml", true, true } },
    { "rtf", { "application/rtf", true, true } },
    { "sh", { "text/plain; charset=utf-8", true, true } },
    { "so", { "application/octet-stream", false, false } },
    { "sql", { "text/plain; charset=utf-8", true, true } },
    { "sqlite", { "application/vnd.sqlite3", true, false } },
    { "stl", { "model/stl", true, false } },
    { "svg", { "image/svg+xml", true, true } },
    { "svgz", { "image/svg+xml", false, false } },
    { "swf", { "application/vnd.adobe.flash.movie", false, false } },
    { "tar", { "application/x-tar", true, false } },
    { "text", { "text/plain; charset=utf-8", true, true } },
    { "tgz", { "application/gzip", false, false } },
    { "tif", { "image/tiff", true, false } },
    { "tiff", { "image/tiff", true, false } },
    { "toml", { "text/plain; charset=utf-8", true, true } },
    { "torrent", { "application/x-bittorrent", false, false } },
    { "ts", { "video/mp2t", false, false } },
    { "tsv", { "text/tab-separated-values; charset=utf-8", true, true } },
    { "ttc", { "font/collection", true, false } },
    { "ttf", { "font/ttf", true, false } },
    { "txt", { "text/plain; charset=utf-8", true, true } },
    { "vcf", { "text/vcard; charset=utf-8", true, true } },
    { "vtt", { "text/vtt; charset=utf-8", true, true } },
    { "wasm", { "application/wasm", true, false } },
    { "wav", { "audio/wav", true, false } },
    { "weba", { "audio/webm", false, false } },
    { "webm", { "video/webm", false, false } },
    { "webmanifest", { "application/manifest+json", true, true } },
    { "webp", { "image/webp", false, false } },
    { "woff", { "font/woff", false, false } },
    { "woff2", { "font/woff2", false, false } },
    { "xhtml", { "application/xhtml+xml", true, true } },
    { "xls", { "application/vnd.ms-excel", true, false } },
    { "xlsx", { "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false, false } },
    { "xml", { "text/xml; charset=utf-8", true, true } },
    { "xsd", { "text/xml; charset=utf-8", true, true } },
    { "xsl", { "text/xml; charset=utf-8", true, true } },
    { "xz", { "application/x-xz", false, false } },
    { "yaml", { "application/yaml", true, true } },
    { "yml", { "application/yaml", true, true } },
    { "zip", { "application/zip", false, false } },
    { "zst", { "application/zstd", false, false } },
};

static const hf_media unknown = { "application/octet-stream", false, false };

/* The extension of the last segment into `key`; false when there is none, or none that the table could have. */
static bool extension_of(hf_bytes name, char key[LONGEST + 1])
{
    size_t n = 0;
    while (n < name.len && name.ptr[name.len - n - 1] != '.' && name.ptr[name.len - n - 1] != '/')
        n++;
    if (n == 0 || n > LONGEST || n == name.len || name.ptr[name.len - n - 1] != '.')
        return false;
    memset(key, 0, LONGEST + 1);
    for (size_t i = 0; i < n; i++)
        key[i] = (char)hf_lower(name.ptr[name.len - n + i]);
    return key[n - 1] != 0; /* a NUL of the name's own is no filling */
}

const hf_media *hf_media_by_name(hf_bytes file_name)
{
    char key[LONGEST + 1];
    if (!extension_of(file_name, key))
        return &unknown;
    for (size_t low = 0, high = HF_COUNT(table); low < high;) {
        const size_t middle = (low + high) / 2;
        const int order = memcmp(key, table[middle].extension, sizeof key);
        if (order == 0)
            return &table[middle].media;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return &unknown;
}

bool hf_media_row(size_t index, const char **extension, const hf_media **media)
{
    if (index >= HF_COUNT(table))
        return false;
    *extension = table[index].extension;
    *media = &table[index].media;
    return true;
}
