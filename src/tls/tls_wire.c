/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_wire.h"

#include "panic.h"

enum { UNKNOWN = 32 };

/* ---- reading ------------------------------------------------------------------------------------------------ */

hf_bytes hf_read(hf_reader *r, size_t n)
{
    if (n > hf_reader_left(r)) {
        r->bad = true;
        r->at = r->end;
        return hf_bytes_make(r->end, 0);
    }
    const hf_bytes b = hf_bytes_make(r->at, n);
    if (n > 0)
        r->at += n;
    return b;
}

uint64_t hf_read_number(hf_reader *r, unsigned n)
{
    const hf_bytes b = hf_read(r, n);
    uint64_t number = 0;
    for (size_t i = 0; i < b.len; i++)
        number = number << 8 | b.ptr[i];
    return number;
}

hf_bytes hf_read_vector(hf_reader *r, unsigned n)
{
    return hf_read(r, (size_t)hf_read_number(r, n));
}

bool hf_wire_list_has(hf_bytes list, uint16_t n)
{
    for (size_t i = 0; i + 1 < list.len; i += 2)
        if (list.ptr[i] == n >> 8 && list.ptr[i + 1] == (n & 255))
            return true;
    return false;
}

/* ---- extensions --------------------------------------------------------------------------------------------- */

static const struct { uint16_t code; uint16_t where; } extensions[] = {
#define ROW(NAME, code, messages) { code, messages },
    HF_TLS_EXTENSIONS(ROW)
#undef ROW
};

uint16_t hf_ext_code(hf_ext x)
{
    return extensions[x].code;
}

static hf_ext find_ext(uint16_t code)
{
    for (unsigned i = 0; i < HF_EXT_COUNT; i++)
        if (extensions[i].code == code)
            return (hf_ext)i;
    return HF_EXT_COUNT;
}

/* RFC 8446 4.2: ClientHello, CertificateRequest and NewSessionTicket are not answers, and what is unknown there is skipped. */
static bool asks(unsigned where)
{
    return (where & (HF_IN_CH | HF_IN_CR | HF_IN_NST)) != 0;
}

/* False: it came before. As many as UNKNOWN are remembered: it is the sender who must not repeat them. */
static bool note_unknown(uint16_t *codes, size_t *count, uint16_t code)
{
    for (size_t i = 0; i < *count; i++)
        if (codes[i] == code)
            return false;
    if (*count < UNKNOWN)
        codes[(*count)++] = code;
    return true;
}

bool hf_extensions_parse(hf_bytes block, unsigned where, uint32_t offered, hf_extensions *out, hf_tls_flaw *flaw)
{
    hf_reader r = hf_reader_make(block);
    uint16_t unknown[UNKNOWN];
    size_t unknowns = 0;
    memset(out, 0, sizeof *out);
    while (!r.bad && r.at != r.end) {
        const uint8_t *const start = r.at;
        const uint16_t code = (uint16_t)hf_read_number(&r, 2);
        const hf_bytes data = hf_read_vector(&r, 2);
        const hf_ext x = find_ext(code);
        if (r.bad)
            break;
        out->psk_is_last = x == HF_EXT_PSK;
        if (x == HF_EXT_COUNT || (!asks(where) && !(offered >> x & 1))) {
            if (asks(where) && note_unknown(unknown, &unknowns, code))
                continue;
            if (asks(where)) {
                *flaw = (hf_tls_flaw){ HF_ERR_TLS_ILLEGAL, start, "each extension once (RFC 8446 4.2)" };
                return false;
            }
            *flaw = (hf_tls_flaw){ HF_ERR_TLS_UNSUPPORTED_EXTENSION, start, "an extension that was offered" };
            return false;
        }
        if (!(extensions[x].where & where)) { /* RFC 8446 4.2: recognised, but not specified for this message */
            if (where == HF_IN_SH12 || where == HF_IN_CH)
                continue;
            *flaw = (hf_tls_flaw){ HF_ERR_TLS_ILLEGAL, start, "an extension that belongs into this message" };
            return false;
        }
        if (hf_ext_in(out, x)) {
            *flaw = (hf_tls_flaw){ HF_ERR_TLS_ILLEGAL, start, "each extension once (RFC 8446 4.2)" };
            return false;
        }
        out->present |= UINT32_C(1) << x;
        out->data[x] = data;
    }
    if (r.bad)
        *flaw = (hf_tls_flaw){ HF_ERR_TLS_DECODE, block.ptr, "a list of extensions" };
    return !r.bad;
}

/* ---- hellos ------------------------------------------------------------------------------------------------- */

bool hf_client_hello_parse(hf_bytes body, hf_client_hello *out, hf_tls_flaw *flaw)
{
    hf_reader r = hf_reader_make(body);
    out->version = (uint16_t)hf_read_number(&r, 2);
    out->random = hf_read(&r, HF_TLS_RANDOM);
    out->session = hf_read_vector(&r, 1);
    out->suites = hf_read_vector(&r, 2);
    const hf_bytes compressions = out->compressions = hf_read_vector(&r, 1);
    const bool old = !r.bad && r.at == r.end; /* RFC 5246 7.4.1.2: extensions may be missing altogether */
    out->extensions_block = old ? hf_bytes_make(r.end, 0) : hf_read_vector(&r, 2);
    *flaw = (hf_tls_flaw){ HF_ERR_TLS_DECODE, body.ptr, "a ClientHello" };
    if (!hf_reader_done(&r) || out->session.len > 32 || out->suites.len < 2 || out->suites.len % 2 != 0 || compressions.len < 1)
        return false;
    if (memchr(compressions.ptr, 0, compressions.len) == NULL) {
        *flaw = (hf_tls_flaw){ HF_ERR_TLS_ILLEGAL, compressions.ptr, "compression method null" };
        return false;
    }
    return hf_extensions_parse(out->extensions_block, HF_IN_CH, UINT32_MAX, &out->ext, flaw);
}

bool hf_server_hello_parse(hf_bytes body, hf_server_hello *out, hf_tls_flaw *flaw)
{
    hf_reader r = hf_reader_make(body);
    out->version = (uint16_t)hf_read_number(&r, 2);
    out->random = hf_read(&r, HF_TLS_RANDOM);
    out->session = hf_read_vector(&r, 1);
    out->suite = (uint16_t)hf_read_number(&r, 2);
    const uint64_t compression = hf_read_number(&r, 1);
    const bool old = !r.bad && r.at == r.end;
    out->extensions_block = old ? hf_bytes_make(r.end, 0) : hf_read_vector(&r, 2);
    *flaw = (hf_tls_flaw){ HF_ERR_TLS_DECODE, body.ptr, "a ServerHello" };
    if (!hf_reader_done(&r) || out->session.len > 32)
        return false;
    *flaw = (hf_tls_flaw){ HF_ERR_TLS_ILLEGAL, body.ptr, "compression method null" };
    return compression == 0;
}

bool hf_host_parse(hf_bytes data, hf_bytes *host)
{
    hf_reader r = hf_reader_make(data);
    hf_reader list = hf_reader_make(hf_read_vector(&r, 2));
    *host = hf_bytes_make(NULL, 0);
    if (!hf_reader_done(&r) || list.at == list.end)
        return false;
    while (!list.bad && list.at != list.end) {
        const uint64_t type = hf_read_number(&list, 1);
        const hf_bytes name = hf_read_vector(&list, 2);
        if (type != 0)
            continue;
        if (host->ptr != NULL || name.len == 0 || name.len > 255 || memchr(name.ptr, 0, name.len) != NULL)
            return false; /* RFC 6066 3: no more than one name of the same type */
        *host = name;
    }
    return !list.bad;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

void hf_write_number(hf_writer *w, uint64_t n, unsigned bytes)
{
    uint8_t b[8];
    for (unsigned i = 0; i < bytes; i++)
        b[i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
    hf_write(w, hf_bytes_make(b, bytes));
}

size_t hf_write_open(hf_writer *w, unsigned bytes)
{
    const size_t mark = w->length;
    hf_write_number(w, 0, bytes);
    return mark;
}

void hf_write_close(hf_writer *w, size_t mark, unsigned bytes)
{
    if (w->overflowed)
        return;
    const size_t n = w->length - mark - bytes;
    HF_ASSERT(bytes >= sizeof n || n >> 8 * bytes == 0);
    for (unsigned i = 0; i < bytes; i++)
        w->ptr[mark + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
}

void hf_write_vector(hf_writer *w, hf_bytes b, unsigned bytes)
{
    hf_write_number(w, b.len, bytes);
    hf_write(w, b);
}

size_t hf_write_ext(hf_writer *w, hf_ext x)
{
    hf_write_number(w, extensions[x].code, 2);
    return hf_write_open(w, 2);
}

/* ---- suites ------------------------------------------------------------------------------------------------- */

static const hf_suite suites[] = {
    { 0x1301, HF_TLS_1_3, HF_HASH_SHA256, HF_AEAD_AES_128_GCM, false, "TLS_AES_128_GCM_SHA256", false },
    { 0x1302, HF_TLS_1_3, HF_HASH_SHA384, HF_AEAD_AES_256_GCM, false, "TLS_AES_256_GCM_SHA384", false },
    { 0x1303, HF_TLS_1_3, HF_HASH_SHA256, HF_AEAD_CHACHA20_POLY1305, false, "TLS_CHACHA20_POLY1305_SHA256", false },
    { 0xc02b, HF_TLS_1_2, HF_HASH_SHA256, HF_AEAD_AES_128_GCM, true, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false },
    { 0xc02f, HF_TLS_1_2, HF_HASH_SHA256, HF_AEAD_AES_128_GCM, false, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false },
    { 0xc02c, HF_TLS_1_2, HF_HASH_SHA384, HF_AEAD_AES_256_GCM, true, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false },
    { 0xc030, HF_TLS_1_2, HF_HASH_SHA384, HF_AEAD_AES_256_GCM, false, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", false },
    { 0xcca9, HF_TLS_1_2, HF_HASH_SHA256, HF_AEAD_CHACHA20_POLY1305, true, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", false },
    { 0xcca8, HF_TLS_1_2, HF_HASH_SHA256, HF_AEAD_CHACHA20_POLY1305, false, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", false },
    { 0x009c, HF_TLS_1_2, HF_HASH_SHA256, HF_AEAD_AES_128_GCM, false, "TLS_RSA_WITH_AES_128_GCM_SHA256", true },
};

const hf_suite *hf_suite_at(size_t i)
{
    return i < HF_COUNT(suites) ? &suites[i] : NULL;
}

const hf_suite *hf_suite_find(uint16_t code)
{
    for (size_t i = 0; i < HF_COUNT(suites); i++)
        if (suites[i].code == code)
            return &suites[i];
    return NULL;
}
