/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_alert.h"

static const struct { uint8_t alert; int32_t code; const char *name; } alerts[] = {
    { 0, HF_ERR_TLS_ALERT_CLOSE_NOTIFY, "close_notify" },
    { 10, HF_ERR_TLS_ALERT_UNEXPECTED_MESSAGE, "unexpected_message" },
    { 20, HF_ERR_TLS_ALERT_BAD_RECORD_MAC, "bad_record_mac" },
    { 22, HF_ERR_TLS_ALERT_RECORD_OVERFLOW, "record_overflow" },
    { 40, HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE, "handshake_failure" },
    { 42, HF_ERR_TLS_ALERT_BAD_CERTIFICATE, "bad_certificate" },
    { 43, HF_ERR_TLS_ALERT_UNSUPPORTED_CERTIFICATE, "unsupported_certificate" },
    { 44, HF_ERR_TLS_ALERT_CERTIFICATE_REVOKED, "certificate_revoked" },
    { 45, HF_ERR_TLS_ALERT_CERTIFICATE_EXPIRED, "certificate_expired" },
    { 46, HF_ERR_TLS_ALERT_CERTIFICATE_UNKNOWN, "certificate_unknown" },
    { 47, HF_ERR_TLS_ALERT_ILLEGAL_PARAMETER, "illegal_parameter" },
    { 48, HF_ERR_TLS_ALERT_UNKNOWN_CA, "unknown_ca" },
    { 49, HF_ERR_TLS_ALERT_ACCESS_DENIED, "access_denied" },
    { 50, HF_ERR_TLS_ALERT_DECODE_ERROR, "decode_error" },
    { 51, HF_ERR_TLS_ALERT_DECRYPT_ERROR, "decrypt_error" },
    { 70, HF_ERR_TLS_ALERT_PROTOCOL_VERSION, "protocol_version" },
    { 71, HF_ERR_TLS_ALERT_INSUFFICIENT_SECURITY, "insufficient_security" },
    { 80, HF_ERR_TLS_ALERT_INTERNAL_ERROR, "internal_error" },
    { 86, HF_ERR_TLS_ALERT_INAPPROPRIATE_FALLBACK, "inappropriate_fallback" },
    { 90, HF_ERR_TLS_ALERT_USER_CANCELED, "user_canceled" },
    { 100, HF_ERR_TLS_ALERT_NO_RENEGOTIATION, "no_renegotiation" },
    { 109, HF_ERR_TLS_ALERT_MISSING_EXTENSION, "missing_extension" },
    { 110, HF_ERR_TLS_ALERT_UNSUPPORTED_EXTENSION, "unsupported_extension" },
    { 112, HF_ERR_TLS_ALERT_UNRECOGNIZED_NAME, "unrecognized_name" },
    { 113, HF_ERR_TLS_ALERT_BAD_STATUS_RESPONSE, "bad_certificate_status_response" },
    { 115, HF_ERR_TLS_ALERT_UNKNOWN_PSK_IDENTITY, "unknown_psk_identity" },
    { 116, HF_ERR_TLS_ALERT_CERTIFICATE_REQUIRED, "certificate_required" },
    { 120, HF_ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL, "no_application_protocol" },
};

static const struct { int32_t code; uint8_t alert; } ours[] = {
    { HF_ERR_TLS_SIGNATURE, 51 },        { HF_ERR_TLS_KEY_SHARE, 47 },        { HF_ERR_TLS_PLAIN_HTTP, 10 },
    { HF_ERR_TLS_NOT_TLS, 10 },          { HF_ERR_TLS_RECORD_TYPE, 10 },      { HF_ERR_TLS_RECORD_OVERFLOW, 22 },
    { HF_ERR_TLS_RECORD_MAC, 20 },       { HF_ERR_TLS_RECORD_EMPTY, 10 },     { HF_ERR_TLS_UNEXPECTED_MESSAGE, 10 },
    { HF_ERR_TLS_DECODE, 50 },           { HF_ERR_TLS_MESSAGE_LENGTH, 47 },   { HF_ERR_TLS_ILLEGAL, 47 },
    { HF_ERR_TLS_MISSING_EXTENSION, 109 }, { HF_ERR_TLS_UNSUPPORTED_EXTENSION, 110 }, { HF_ERR_TLS_VERSION, 70 },
    { HF_ERR_TLS_NO_SUITE, 40 },         { HF_ERR_TLS_NO_GROUP, 40 },         { HF_ERR_TLS_NO_SCHEME, 40 },
    { HF_ERR_TLS_NO_PROTOCOL, 120 },     { HF_ERR_TLS_FINISHED, 51 },         { HF_ERR_TLS_BINDER, 51 },
    { HF_ERR_TLS_DOWNGRADE, 47 },        { HF_ERR_TLS_FALLBACK, 86 },         { HF_ERR_TLS_RENEGOTIATION, 100 },
    { HF_ERR_TLS_LEGACY_RENEGOTIATION, 40 }, { HF_ERR_TLS_NO_CERTIFICATE, 116 }, { HF_ERR_TLS_KEY_UPDATES, 10 },
    { HF_ERR_TLS_WARNINGS, 10 },         { HF_ERR_TLS_TICKETS, 10 },          { HF_ERR_TLS_TIMEOUT, 90 },
    { HF_ERR_TLS_RECORDS, 10 },          { HF_ERR_TLS_CERT_UNREADABLE, 42 },  { HF_ERR_TLS_CERT_BAD, 42 },
    { HF_ERR_TLS_CERT_SELF_SIGNED, 48 }, { HF_ERR_TLS_CERT_ROOT_UNKNOWN, 48 }, { HF_ERR_TLS_CERT_ISSUER_MISSING, 48 },
    { HF_ERR_TLS_CERT_EXPIRED, 45 },     { HF_ERR_TLS_CERT_NOT_YET, 45 },     { HF_ERR_TLS_CERT_NAME, 46 },
    { HF_ERR_TLS_CERT_REVOKED, 44 },     { HF_ERR_TLS_CERT_NO_LIST, 46 },     { HF_ERR_TLS_CERT_PURPOSE, 43 },
    { HF_ERR_TLS_CERT_NOT_A_CA, 48 },    { HF_ERR_TLS_CERT_PATH_LENGTH, 42 }, { HF_ERR_TLS_CERT_CONSTRAINTS, 42 },
    { HF_ERR_TLS_CERT_SIGNATURE, 42 },   { HF_ERR_TLS_CERT_WEAK, 42 },       { HF_ERR_TLS_EMS, 40 },
    { HF_ERR_TLS_EARLY_LENGTH, 10 },     { HF_ERR_TLS_EARLY_ANSWER, 70 },
};

uint8_t hf_alert_of(hf_err err)
{
    for (size_t i = 0; i < HF_COUNT(ours); i++)
        if (ours[i].code == err.code)
            return ours[i].alert;
    return HF_ALERT_INTERNAL;
}

hf_err hf_alert_err(uint8_t alert)
{
    for (size_t i = 0; i < HF_COUNT(alerts); i++)
        if (alerts[i].alert == alert)
            return hf_err_make(alerts[i].code);
    return hf_err_make(HF_ERR_TLS_ALERT_OTHER);
}

const char *hf_tls_alert_name(uint8_t alert)
{
    for (size_t i = 0; i < HF_COUNT(alerts); i++)
        if (alerts[i].alert == alert)
            return alerts[i].name;
    return "unknown alert";
}
