/* SPDX-License-Identifier: Apache-2.0 */
#include "error_names.h"

#include "text.h"

#define PROTOCOL "ERR_SSL_PROTOCOL_ERROR"
#define MISMATCH "ERR_SSL_VERSION_OR_CIPHER_MISMATCH"
#define CLIENT_CERT "ERR_BAD_SSL_CLIENT_AUTH_CERT"
#define AUTHORITY "ERR_CERT_AUTHORITY_INVALID"
#define ISSUER_TELL                                                                                                            \
    "handfast explain chain FILE (or the URL) names the link that is missing. One certificate, and its issuer is itself: "   \
    "self-signed. An issuer that was not sent, and an address where it can be had: the server's chain file lacks the "        \
    "intermediate (some browsers fetch or remember it, so that it fails only for some). All links there: the root is not "    \
    "trusted here"
#define DATE_TELL                                                                                                              \
    "handfast explain chain FILE (or the URL) compares the dates with the clock here, and says when it is the clock that "    \
    "looks wrong: many sites failing at once is the clock, one site is the certificate"
#define NAME_TELL                                                                                                              \
    "handfast explain chain FILE --host NAME shows the name wanted and the names found. None found: the certificate has a "   \
    "common name only. Names of another site: the server chose by another name (SNI), or the URL is wrong"

static const hf_error_names rows[] = {
    { HF_ERR_TLS_PLAIN_HTTP, NULL, "ERR_EMPTY_RESPONSE", NULL, NULL },
    { HF_ERR_TLS_NOT_TLS, NULL, PROTOCOL, "SSL_ERROR_RX_RECORD_TOO_LONG",
      "curl http://HOST:PORT/ answers: the port speaks plain HTTP, and the URL should be http://, or TLS is not switched on there. "
      "The name comes from reading \"HTTP/1.1\" as the head of a record, whose length is then too long" },
    { HF_ERR_TLS_SIGNATURE, "decrypt_error", PROTOCOL, "SEC_ERROR_BAD_SIGNATURE", NULL },
    { HF_ERR_TLS_RECORD_OVERFLOW, "record_overflow", PROTOCOL, "SSL_ERROR_RX_RECORD_TOO_LONG",
      "text where a record should be: it is no TLS at all (see HF-TLS-009). Otherwise the peer's TLS is broken" },
    { HF_ERR_TLS_RECORD_MAC, "bad_record_mac", PROTOCOL, "SSL_ERROR_BAD_MAC_READ", NULL },
    { HF_ERR_TLS_UNEXPECTED_MESSAGE, "unexpected_message", PROTOCOL, NULL, NULL },
    { HF_ERR_TLS_DECODE, "decode_error", PROTOCOL, NULL, NULL },
    { HF_ERR_TLS_ILLEGAL, "illegal_parameter", PROTOCOL, NULL, NULL },
    { HF_ERR_TLS_MISSING_EXTENSION, "missing_extension", PROTOCOL, NULL, NULL },
    { HF_ERR_TLS_UNSUPPORTED_EXTENSION, "unsupported_extension", PROTOCOL, "SSL_ERROR_RX_UNEXPECTED_EXTENSION", NULL },
    { HF_ERR_TLS_VERSION, "protocol_version", MISMATCH, "SSL_ERROR_UNSUPPORTED_VERSION", NULL },
    { HF_ERR_TLS_NO_SUITE, "handshake_failure", MISMATCH, "SSL_ERROR_NO_CYPHER_OVERLAP", NULL },
    { HF_ERR_TLS_NO_GROUP, "handshake_failure", MISMATCH, "SSL_ERROR_NO_CYPHER_OVERLAP", NULL },
    { HF_ERR_TLS_NO_SCHEME, "handshake_failure", MISMATCH, "SSL_ERROR_UNSUPPORTED_SIGNATURE_ALGORITHM", NULL },
    { HF_ERR_TLS_NO_PROTOCOL, "no_application_protocol", PROTOCOL, "SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL", NULL },
    { HF_ERR_TLS_FINISHED, "decrypt_error", PROTOCOL, "SSL_ERROR_BAD_HANDSHAKE_HASH_VALUE", NULL },
    { HF_ERR_TLS_FALLBACK, "inappropriate_fallback", PROTOCOL, "SSL_ERROR_INAPPROPRIATE_FALLBACK_ALERT", NULL },
    { HF_ERR_TLS_NO_CERTIFICATE, "certificate_required", CLIENT_CERT, "SSL_ERROR_NO_CERTIFICATE", NULL },
    { HF_ERR_TLS_TRUNCATED, NULL, "ERR_CONNECTION_CLOSED", "PR_END_OF_FILE_ERROR", NULL },
    { HF_ERR_TLS_TIMEOUT, NULL, "ERR_TIMED_OUT", "PR_CONNECT_RESET_ERROR", NULL },
    { HF_ERR_TLS_ALERT_CLOSE_NOTIFY, "close_notify", "ERR_CONNECTION_CLOSED", "PR_END_OF_FILE_ERROR", NULL },
    { HF_ERR_TLS_ALERT_UNEXPECTED_MESSAGE, "unexpected_message", PROTOCOL, "SSL_ERROR_HANDSHAKE_UNEXPECTED_ALERT", NULL },
    { HF_ERR_TLS_ALERT_BAD_RECORD_MAC, "bad_record_mac", "ERR_SSL_BAD_RECORD_MAC_ALERT", "SSL_ERROR_BAD_MAC_ALERT", NULL },
    { HF_ERR_TLS_ALERT_RECORD_OVERFLOW, "record_overflow", PROTOCOL, "SSL_ERROR_RECORD_OVERFLOW_ALERT", NULL },
    { HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE, "handshake_failure", MISMATCH, "SSL_ERROR_HANDSHAKE_FAILURE_ALERT SSL_ERROR_NO_CYPHER_OVERLAP",
      "a peer that refuses everyone has a certificate or suites that nobody takes; one that refuses us alone wants something that we do not "
      "offer: an old version, CBC or static RSA. openssl s_client -connect HOST:PORT shows what it speaks" },
    { HF_ERR_TLS_ALERT_BAD_CERTIFICATE, "bad_certificate", CLIENT_CERT, "SSL_ERROR_BAD_CERT_ALERT", NULL },
    { HF_ERR_TLS_ALERT_UNSUPPORTED_CERTIFICATE, "unsupported_certificate", CLIENT_CERT, "SSL_ERROR_UNSUPPORTED_CERT_ALERT", NULL },
    { HF_ERR_TLS_ALERT_CERTIFICATE_REVOKED, "certificate_revoked", CLIENT_CERT, "SSL_ERROR_REVOKED_CERT_ALERT", NULL },
    { HF_ERR_TLS_ALERT_CERTIFICATE_EXPIRED, "certificate_expired", CLIENT_CERT, "SSL_ERROR_EXPIRED_CERT_ALERT", DATE_TELL },
    { HF_ERR_TLS_ALERT_CERTIFICATE_UNKNOWN, "certificate_unknown", CLIENT_CERT, "SSL_ERROR_CERTIFICATE_UNKNOWN_ALERT", NULL },
    { HF_ERR_TLS_ALERT_ILLEGAL_PARAMETER, "illegal_parameter", PROTOCOL, "SSL_ERROR_ILLEGAL_PARAMETER_ALERT", NULL },
    { HF_ERR_TLS_ALERT_UNKNOWN_CA, "unknown_ca", CLIENT_CERT, "SSL_ERROR_UNKNOWN_CA_ALERT", ISSUER_TELL },
    { HF_ERR_TLS_ALERT_ACCESS_DENIED, "access_denied", PROTOCOL, "SSL_ERROR_ACCESS_DENIED_ALERT", NULL },
    { HF_ERR_TLS_ALERT_DECODE_ERROR, "decode_error", PROTOCOL, "SSL_ERROR_DECODE_ERROR_ALERT", NULL },
    { HF_ERR_TLS_ALERT_DECRYPT_ERROR, "decrypt_error", "ERR_SSL_DECRYPT_ERROR_ALERT", "SSL_ERROR_DECRYPT_ERROR_ALERT", NULL },
    { HF_ERR_TLS_ALERT_PROTOCOL_VERSION, "protocol_version", MISMATCH, "SSL_ERROR_PROTOCOL_VERSION_ALERT", NULL },
    { HF_ERR_TLS_ALERT_INSUFFICIENT_SECURITY, "insufficient_security", MISMATCH, "SSL_ERROR_INSUFFICIENT_SECURITY_ALERT", NULL },
    { HF_ERR_TLS_ALERT_INTERNAL_ERROR, "internal_error", PROTOCOL, "SSL_ERROR_INTERNAL_ERROR_ALERT", NULL },
    { HF_ERR_TLS_ALERT_INAPPROPRIATE_FALLBACK, "inappropriate_fallback", PROTOCOL, "SSL_ERROR_INAPPROPRIATE_FALLBACK_ALERT", NULL },
    { HF_ERR_TLS_ALERT_USER_CANCELED, "user_canceled", PROTOCOL, "SSL_ERROR_USER_CANCELED_ALERT", NULL },
    { HF_ERR_TLS_ALERT_NO_RENEGOTIATION, "no_renegotiation", PROTOCOL, "SSL_ERROR_NO_RENEGOTIATION_ALERT", NULL },
    { HF_ERR_TLS_ALERT_MISSING_EXTENSION, "missing_extension", PROTOCOL, "SSL_ERROR_MISSING_EXTENSION_ALERT", NULL },
    { HF_ERR_TLS_ALERT_UNSUPPORTED_EXTENSION, "unsupported_extension", PROTOCOL, "SSL_ERROR_UNSUPPORTED_EXTENSION_ALERT", NULL },
    { HF_ERR_TLS_ALERT_UNRECOGNIZED_NAME, "unrecognized_name", "ERR_SSL_UNRECOGNIZED_NAME_ALERT", "SSL_ERROR_UNRECOGNIZED_NAME_ALERT",
      NAME_TELL },
    { HF_ERR_TLS_ALERT_BAD_STATUS_RESPONSE, "bad_certificate_status_response", PROTOCOL, "SSL_ERROR_BAD_CERT_STATUS_RESPONSE_ALERT", NULL },
    { HF_ERR_TLS_ALERT_UNKNOWN_PSK_IDENTITY, "unknown_psk_identity", PROTOCOL, "SSL_ERROR_RX_UNKNOWN_ALERT", NULL },
    { HF_ERR_TLS_ALERT_CERTIFICATE_REQUIRED, "certificate_required", CLIENT_CERT, "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT", NULL },
    { HF_ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL, "no_application_protocol", PROTOCOL, "SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL", NULL },
    { HF_ERR_TLS_ALERT_OTHER, NULL, PROTOCOL, "SSL_ERROR_RX_UNKNOWN_ALERT", NULL },
    { HF_ERR_TLS_CERT_BAD, "bad_certificate", "ERR_CERT_INVALID", "SEC_ERROR_BAD_DER", NULL },
    { HF_ERR_TLS_CERT_SELF_SIGNED, "unknown_ca", AUTHORITY, "MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT SEC_ERROR_UNKNOWN_ISSUER", ISSUER_TELL },
    { HF_ERR_TLS_CERT_ROOT_UNKNOWN, "unknown_ca", AUTHORITY, "SEC_ERROR_UNKNOWN_ISSUER SEC_ERROR_UNTRUSTED_ISSUER", ISSUER_TELL },
    { HF_ERR_TLS_CERT_ISSUER_MISSING, "unknown_ca", AUTHORITY, "SEC_ERROR_UNKNOWN_ISSUER", ISSUER_TELL },
    { HF_ERR_TLS_CERT_EXPIRED, "certificate_expired", "ERR_CERT_DATE_INVALID", "SEC_ERROR_EXPIRED_CERTIFICATE SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE", DATE_TELL },
    { HF_ERR_TLS_CERT_NOT_YET, "certificate_expired", "ERR_CERT_DATE_INVALID",
      "MOZILLA_PKIX_ERROR_NOT_YET_VALID_CERTIFICATE MOZILLA_PKIX_ERROR_NOT_YET_VALID_ISSUER_CERTIFICATE", DATE_TELL },
    { HF_ERR_TLS_CERT_NAME, "bad_certificate", "ERR_CERT_COMMON_NAME_INVALID", "SSL_ERROR_BAD_CERT_DOMAIN", NAME_TELL },
    { HF_ERR_TLS_CERT_NO_NAMES, "bad_certificate", "ERR_CERT_COMMON_NAME_INVALID", "SSL_ERROR_BAD_CERT_DOMAIN", NAME_TELL },
    { HF_ERR_TLS_CERT_REVOKED, "certificate_revoked", "ERR_CERT_REVOKED", "SEC_ERROR_REVOKED_CERTIFICATE", NULL },
    { HF_ERR_TLS_CERT_NO_LIST, "bad_certificate", "ERR_CERT_UNABLE_TO_CHECK_REVOCATION", "SEC_ERROR_CRL_NOT_FOUND", NULL },
    { HF_ERR_TLS_CERT_PURPOSE, "unsupported_certificate", "ERR_CERT_INVALID ERR_SSL_KEY_USAGE_INCOMPATIBLE", "SEC_ERROR_INADEQUATE_CERT_TYPE SEC_ERROR_INADEQUATE_KEY_USAGE", NULL },
    { HF_ERR_TLS_CERT_NOT_A_CA, "unknown_ca", "ERR_CERT_INVALID", "SEC_ERROR_CA_CERT_INVALID", NULL },
    { HF_ERR_TLS_CERT_PATH_LENGTH, "bad_certificate", "ERR_CERT_INVALID", "SEC_ERROR_PATH_LEN_CONSTRAINT_INVALID", NULL },
    { HF_ERR_TLS_CERT_CONSTRAINTS, "bad_certificate", "ERR_CERT_INVALID", "SEC_ERROR_CERT_NOT_IN_NAME_SPACE", NULL },
    { HF_ERR_TLS_CERT_SIGNATURE, "bad_certificate", AUTHORITY, "SEC_ERROR_BAD_SIGNATURE", NULL },
    { HF_ERR_TLS_CERT_WEAK, "bad_certificate", "ERR_CERT_INVALID ERR_CERT_WEAK_KEY ERR_CERT_WEAK_SIGNATURE_ALGORITHM",
      "MOZILLA_PKIX_ERROR_INADEQUATE_KEY_SIZE SEC_ERROR_CERT_SIGNATURE_ALGORITHM_DISABLED", NULL },
    { HF_ERR_TLS_CERT_CA_AS_LEAF, "bad_certificate", NULL, "MOZILLA_PKIX_ERROR_CA_CERT_USED_AS_END_ENTITY", NULL },
    { HF_ERR_TLS_CERT_KEY_KIND, "unsupported_certificate", "ERR_CERT_INVALID", "SEC_ERROR_UNSUPPORTED_KEYALG SEC_ERROR_UNSUPPORTED_ELLIPTIC_CURVE", NULL },
    { HF_ERR_TLS_CERT_ENCODING, "bad_certificate", "ERR_CERT_INVALID", "SEC_ERROR_BAD_DER SEC_ERROR_EXTENSION_VALUE_INVALID", NULL },
    { HF_ERR_TLS_CERT_VERSION, "bad_certificate", "ERR_CERT_COMMON_NAME_INVALID", "MOZILLA_PKIX_ERROR_V1_CERT_USED_AS_CA", NULL },
    { HF_ERR_TLS_CERT_CRITICAL, "bad_certificate", "ERR_CERT_INVALID", "SEC_ERROR_UNKNOWN_CRITICAL_EXTENSION", NULL },
    { HF_ERR_TLS_CERT_LOOP, "unknown_ca", AUTHORITY, "SEC_ERROR_UNKNOWN_ISSUER", ISSUER_TELL },
    { HF_ERR_TLS_CERT_PATHS, "unknown_ca", AUTHORITY, "SEC_ERROR_UNKNOWN_ISSUER", NULL },
};

const hf_error_names *hf_error_names_at(size_t index)
{
    return index < HF_COUNT(rows) ? &rows[index] : NULL;
}

const hf_error_names *hf_error_names_of(int32_t code)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

/* Is `name` one of the words of `words`? */
static bool has_word(const char *words, hf_bytes name)
{
    hf_bytes rest = hf_text(words != NULL ? words : ""), word;
    while (rest.ptr != NULL && hf_split(&rest, ' ', &word))
        if (word.len > 0 && hf_text_same(word, name))
            return true;
    return false;
}

bool hf_error_names_hold(const hf_error_names *names, const char *asked)
{
    const char *const colons = strstr(asked, "::"); /* NET::ERR_CERT_... */
    const hf_bytes name = hf_text(colons != NULL ? colons + 2 : asked);
    return has_word(names->alert, name) || has_word(names->chromium, name) || has_word(names->firefox, name);
}
