/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire of TLS as values (RFC 8446 3 and 4): reading with bounds, writing with lengths, extension blocks. No state.
 */
#ifndef HF_TLS_WIRE_H
#define HF_TLS_WIRE_H

#include <handfast/tls.h>

#include "crypto_aead.h"
#include "crypto_exchange.h"
#include "crypto_hash.h"
#include "text.h"

/* RFC 8446 B.1 and B.3; HF_MESSAGE_CCS stands for the ChangeCipherSpec record of TLS 1.2, which is no message. */
enum { HF_RECORD_CCS = 20, HF_RECORD_ALERT = 21, HF_RECORD_HANDSHAKE = 22, HF_RECORD_DATA = 23 };
typedef enum hf_tls_message {
    HF_MESSAGE_HELLO_REQUEST = 0, HF_MESSAGE_CLIENT_HELLO = 1, HF_MESSAGE_SERVER_HELLO = 2, HF_MESSAGE_TICKET = 4,
    HF_MESSAGE_END_OF_EARLY = 5, HF_MESSAGE_EXTENSIONS = 8, HF_MESSAGE_CERTIFICATE = 11, HF_MESSAGE_SERVER_KEY = 12,
    HF_MESSAGE_CERTIFICATE_REQUEST = 13, HF_MESSAGE_SERVER_DONE = 14, HF_MESSAGE_CERTIFICATE_VERIFY = 15,
    HF_MESSAGE_CLIENT_KEY = 16, HF_MESSAGE_FINISHED = 20, HF_MESSAGE_STATUS = 22, HF_MESSAGE_KEY_UPDATE = 24,
    HF_MESSAGE_CCS = 25, HF_MESSAGE_COUNT
} hf_tls_message;

enum { HF_TLS_RANDOM = 32, HF_RECORD_HEADER = 5, HF_RECORD_MOST = 16384, HF_RECORD_EXPANSION = 256, HF_MESSAGE_HEADER = 4 };

/* In which messages an extension may stand (RFC 8446 4.2). */
enum { HF_IN_CH = 1, HF_IN_SH = 2, HF_IN_EE = 4, HF_IN_CT = 8, HF_IN_CR = 16, HF_IN_NST = 32, HF_IN_HRR = 64, HF_IN_SH12 = 128 };

/* X(NAME, code, messages) */
#define HF_TLS_EXTENSIONS(X) \
    X(HOST, 0, HF_IN_CH | HF_IN_EE | HF_IN_SH12) \
    X(STATUS, 5, HF_IN_CH | HF_IN_CR | HF_IN_CT | HF_IN_SH12) \
    X(GROUPS, 10, HF_IN_CH | HF_IN_EE) \
    X(POINT_FORMATS, 11, HF_IN_CH | HF_IN_SH12) \
    X(SCHEMES, 13, HF_IN_CH | HF_IN_CR) \
    X(PROTOCOLS, 16, HF_IN_CH | HF_IN_EE | HF_IN_SH12) \
    X(MASTER_SECRET, 23, HF_IN_CH | HF_IN_SH12) \
    X(RECORD_SIZE, 28, HF_IN_CH | HF_IN_EE | HF_IN_SH12) \
    X(TICKET, 35, HF_IN_CH | HF_IN_SH12) \
    X(PSK, 41, HF_IN_CH | HF_IN_SH) \
    X(EARLY, 42, HF_IN_CH | HF_IN_EE | HF_IN_NST) \
    X(VERSIONS, 43, HF_IN_CH | HF_IN_SH | HF_IN_HRR) \
    X(COOKIE, 44, HF_IN_CH | HF_IN_HRR) \
    X(PSK_MODES, 45, HF_IN_CH) \
    X(AUTHORITIES, 47, HF_IN_CH | HF_IN_CR) \
    X(POST_AUTH, 49, HF_IN_CH) \
    X(CERT_SCHEMES, 50, HF_IN_CH | HF_IN_CR) \
    X(KEY_SHARE, 51, HF_IN_CH | HF_IN_SH | HF_IN_HRR) \
    X(QUIC, 57, HF_IN_CH | HF_IN_EE) \
    X(RENEGOTIATION, 0xff01, HF_IN_CH | HF_IN_SH12)

#define HF_NAME(NAME, code, messages) HF_EXT_##NAME,
typedef enum hf_ext { HF_TLS_EXTENSIONS(HF_NAME) HF_EXT_COUNT } hf_ext;
#undef HF_NAME

typedef struct hf_extensions {
    uint32_t present; /* 1 << hf_ext */
    hf_bytes data[HF_EXT_COUNT];
    bool psk_is_last;
} hf_extensions;

static inline bool hf_ext_in(const hf_extensions *e, hf_ext x)
{
    return e->present >> x & 1;
}
uint16_t hf_ext_code(hf_ext x);

/* What is wrong with bytes: the rule, where, and what is wanted. */
typedef struct hf_tls_flaw {
    int32_t code;
    const uint8_t *at;
    const char *wanted; /* static */
} hf_tls_flaw;

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Reads past the end answer zeros and empty runs, and are remembered. */
typedef struct hf_reader {
    const uint8_t *at, *end;
    bool bad;
} hf_reader;

static inline hf_reader hf_reader_make(hf_bytes b)
{
    return (hf_reader){ b.ptr, b.ptr == NULL ? NULL : b.ptr + b.len, false };
}
static inline size_t hf_reader_left(const hf_reader *r)
{
    return (size_t)(r->end - r->at);
}
hf_bytes hf_read(hf_reader *r, size_t n);
/* Big endian, n <= 8 bytes. */
uint64_t hf_read_number(hf_reader *r, unsigned n);
/* A vector whose length has `n` bytes. */
hf_bytes hf_read_vector(hf_reader *r, unsigned n);
/* All was read, and nothing was missing. */
static inline bool hf_reader_done(const hf_reader *r)
{
    return !r->bad && r->at == r->end;
}

/* Reads a block of extensions: `where` is the HF_IN_... of the message; `offered` are those that may stand there (all in
 * a request); others are refused, or ignored when the message is a ClientHello, CertificateRequest or ticket. */
bool hf_extensions_parse(hf_bytes block, unsigned where, uint32_t offered, hf_extensions *out, hf_tls_flaw *flaw);

/* Is the 16-bit number in the list (bytes of 16-bit numbers)? */
bool hf_wire_list_has(hf_bytes list, uint16_t n);

typedef struct hf_client_hello {
    uint16_t version;
    hf_bytes random, session, suites, compressions;
    hf_extensions ext;
    hf_bytes extensions_block;
} hf_client_hello;

typedef struct hf_server_hello {
    uint16_t version;
    hf_bytes random, session;
    uint16_t suite;
    hf_bytes extensions_block;
} hf_server_hello;

bool hf_client_hello_parse(hf_bytes body, hf_client_hello *out, hf_tls_flaw *flaw);
/* The extensions are judged later: what may stand there depends on what it turns out to be. */
bool hf_server_hello_parse(hf_bytes body, hf_server_hello *out, hf_tls_flaw *flaw);
/* The host_name of RFC 6066 3; empty and true when the list has none. */
bool hf_host_parse(hf_bytes data, hf_bytes *host);

/* ---- writing ------------------------------------------------------------------------------------------------ */

void hf_write_number(hf_writer *w, uint64_t n, unsigned bytes);
/* A vector whose length (of `bytes` bytes) is filled in by close. */
size_t hf_write_open(hf_writer *w, unsigned bytes);
void hf_write_close(hf_writer *w, size_t mark, unsigned bytes);
void hf_write_vector(hf_writer *w, hf_bytes b, unsigned bytes);
/* An extension: close with hf_write_close(w, mark, 2). */
size_t hf_write_ext(hf_writer *w, hf_ext x);

/* ---- suites ------------------------------------------------------------------------------------------------- */

typedef struct hf_suite {
    uint16_t code;
    uint16_t version;
    uint8_t hash, aead; /* hf_hash, hf_aead_kind */
    bool ecdsa;         /* TLS 1.2: which kind of key signs */
    const char *name;
    bool rsa;           /* TLS 1.2: nothing is signed; the premaster secret is encrypted to the certificate's key */
} hf_suite;

/* NULL when it is none of ours. */
const hf_suite *hf_suite_find(uint16_t code);
/* Row `i` in our order of preference, NULL past the end. */
const hf_suite *hf_suite_at(size_t i);

#endif
