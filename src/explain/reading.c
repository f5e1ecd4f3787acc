/* SPDX-License-Identifier: Apache-2.0 */
#include "reading.h"

#include <stdarg.h>
#include <stdio.h>

static bool begins(hf_bytes file, const char *text)
{
    return hf_starts_with(file, hf_text(text));
}

/* Among the first bytes: in JSON the members of an object come in any order. */
static bool holds_early(hf_bytes file, const char *word)
{
    enum { EARLY = 4096 };
    const size_t n = strlen(word), most = file.len < EARLY ? file.len : EARLY;
    for (size_t i = 0; i + n <= most; i++)
        if (memcmp(file.ptr + i, word, n) == 0)
            return true;
    return false;
}

/* RFC 7519 3, RFC 7515 7.1: three runs of base64url with dots between, of which the first is an object: it begins with "eyJ". */
static bool is_jwt(hf_bytes file)
{
    size_t dots = 0;
    const hf_bytes text = hf_trim(file);
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '\n' && i + 1 == text.len)
            break;
        if (!letter && c != '.')
            return false;
        dots += c == '.';
    }
    return dots == 2 && begins(text, "eyJ");
}

static bool is_capture(hf_bytes file)
{
    static const uint8_t magics[][4] = { { 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 } };
    for (size_t i = 0; i < HF_COUNT(magics); i++)
        if (file.len >= 4 && memcmp(file.ptr, magics[i], 4) == 0)
            return true;
    return false;
}

/* "HF-HTTP1-003" somewhere. */
static bool names_code(hf_bytes file)
{
    for (size_t i = 0; i + 7 < file.len; i++)
        if (memcmp(file.ptr + i, "HF-", 3) == 0 && file.ptr[i + 3] >= 'A' && file.ptr[i + 3] <= 'Z')
            return true;
    return false;
}

hf_file_kind hf_file_kind_of(hf_bytes file)
{
    static const uint8_t section[4] = { 0x0a, 0x0d, 0x0d, 0x0a };
    if (is_capture(file))
        return HF_FILE_PCAP;
    if (file.len >= 4 && memcmp(file.ptr, section, 4) == 0)
        return HF_FILE_PCAPNG;
    if (is_jwt(file))
        return HF_FILE_JWT;
    if (holds_early(file, "-----BEGIN "))
        return HF_FILE_PEM;
    if (holds_early(file, "\"qlog_version\"") || holds_early(file, "\"file_schema\""))
        return HF_FILE_QLOG;
    if (holds_early(file, "\"http.response.status_code\""))
        return HF_FILE_LOG;
    if (holds_early(file, "\"log\"") && holds_early(file, "{"))
        return HF_FILE_HAR;
    return names_code(file) ? HF_FILE_LOG : HF_FILE_UNKNOWN;
}

const char *hf_file_kind_name(hf_file_kind kind)
{
    static const char *const names[] = { "nothing that is known here", "a capture of packets (pcap)", "a capture of packets (pcapng)", "a log of a QUIC connection (qlog)",
        "what a browser has loaded (HAR)", "certificates (PEM)", "a token (JWT)", "lines of a log" };
    return names[kind];
}

void hf_reading_fact(hf_reading *r, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *p = line; *p != 0; p++)
        *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
    if (strlen(line) + 1 > r->facts.capacity - r->facts.length)
        return;
    hf_write_text(&r->facts, line);
    hf_write_byte(&r->facts, '\n');
}

size_t hf_reading_values(const hf_env *env, hf_bytes file, hf_reading *r)
{
    const uint64_t most = env->limits->explain_values;
    size_t n = 2;
    for (size_t i = 0; i < file.len; i++)
        n += file.ptr[i] == ',' || file.ptr[i] == '{' || file.ptr[i] == '[';
    if (n <= most)
        return n;
    hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_FILE_LARGE), "file", "more than %llu values: it is not looked at", (unsigned long long)most);
    return 0;
}

hf_err hf_reading_make(const hf_env *env, hf_file_kind kind, hf_bytes file, hf_reading *r)
{
    hf_err err = HF_OK;
    const uint64_t most = env->limits->explain_bytes;
    if (file.len > most) {
        hf_finding_say(&r->findings, HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_FILE_LARGE), "file", "only its first %llu bytes are looked at", (unsigned long long)most);
        file.len = (size_t)most;
    }
    switch (kind) {
    case HF_FILE_PCAP:
    case HF_FILE_PCAPNG: err = hf_reading_capture(env, file, r); break;
    case HF_FILE_QLOG: err = hf_reading_qlog(env, file, r); break;
    case HF_FILE_HAR: err = hf_reading_har(env, file, r); break;
    case HF_FILE_LOG: err = hf_reading_log(env, file, r); break;
    case HF_FILE_UNKNOWN:
    case HF_FILE_PEM:
    case HF_FILE_JWT:
        hf_finding_say(&r->findings, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_FILE_KIND), "file", "%s", hf_file_kind_name(kind));
        break;
    }
    hf_findings_sort(r->findings.at, r->findings.count);
    return err;
}
