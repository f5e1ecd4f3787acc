/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

static const hf_bytes redacted = HF_LITERAL("REDACTED"); /* OpenTelemetry's word for it */

/* Letters and digits of the name alone, lower case, percent-decoded: "X-Amz-%53ignature" is "xamzsignature". Only the
 * end of a very long name is looked at. */
static hf_bytes plain_name(hf_bytes name, uint8_t *plain, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < name.len && length < capacity; i++) {
        uint8_t c = name.ptr[i];
        if (c == '%' && name.len - i > 2 && hf_hex_digit(name.ptr[i + 1]) >= 0 && hf_hex_digit(name.ptr[i + 2]) >= 0) {
            c = (uint8_t)(hf_hex_digit(name.ptr[i + 1]) << 4 | hf_hex_digit(name.ptr[i + 2]));
            i += 2;
        }
        c = hf_lower(c);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            plain[length++] = c;
    }
    return hf_bytes_make(plain, length);
}

bool hf_is_secret_name(hf_bytes name)
{
    static const hf_bytes whole[] = {
        HF_LITERAL("auth"), HF_LITERAL("code"), HF_LITERAL("cookie"), HF_LITERAL("cred"), HF_LITERAL("creds"),
        HF_LITERAL("cvc"), HF_LITERAL("cvv"), HF_LITERAL("hmac"), HF_LITERAL("invite"),
        HF_LITERAL("jwt"), HF_LITERAL("key"), HF_LITERAL("mac"), HF_LITERAL("magic"), HF_LITERAL("mfa"),
        HF_LITERAL("nonce"), HF_LITERAL("otp"), HF_LITERAL("pass"), HF_LITERAL("passcode"), HF_LITERAL("pin"),
        HF_LITERAL("pw"), HF_LITERAL("pwd"), HF_LITERAL("sid"), HF_LITERAL("sig"), HF_LITERAL("state"),
        HF_LITERAL("tan"), HF_LITERAL("ticket"), HF_LITERAL("tok"), HF_LITERAL("totp"), HF_LITERAL("usercode"),
    };
    static const hf_bytes parts[] = {
        HF_LITERAL("accesskey"), HF_LITERAL("apikey"), HF_LITERAL("assertion"), HF_LITERAL("authcode"),
        HF_LITERAL("authkey"), HF_LITERAL("authorization"), HF_LITERAL("bearer"),
        HF_LITERAL("credential"), HF_LITERAL("csrf"), HF_LITERAL("devicecode"), HF_LITERAL("passphrase"),
        HF_LITERAL("passwd"), HF_LITERAL("password"), HF_LITERAL("privatekey"), HF_LITERAL("recovery"),
        HF_LITERAL("saml"), HF_LITERAL("secret"), HF_LITERAL("session"), HF_LITERAL("sessid"),
        HF_LITERAL("signature"), HF_LITERAL("signingkey"), HF_LITERAL("token"), HF_LITERAL("verifier"),
        HF_LITERAL("xsrf"),
    };
    uint8_t memory[128];
    const hf_bytes plain = plain_name(name, memory, sizeof memory);
    if (plain.len == sizeof memory)
        return true; /* nobody names a parameter so: what cannot be judged is not shown */
    for (size_t i = 0; i < HF_COUNT(whole); i++)
        if (hf_bytes_equal(plain, whole[i]))
            return true;
    for (size_t i = 0; i < HF_COUNT(parts); i++)
        if (plain.len >= parts[i].len && memmem(plain.ptr, plain.len, parts[i].ptr, parts[i].len) != NULL)
            return true;
    return false;
}

/* What fits of `b`: a URL cut short is still worth reading. */
static void write_some(hf_writer *w, hf_bytes b)
{
    const size_t room = w->capacity - w->length;
    hf_write(w, hf_bytes_make(b.ptr, b.len < room ? b.len : room));
}

/* How much of "name=value" stays when it holds a secret: "name=". All of it when it does not. */
static size_t open_part(hf_bytes parameter)
{
    const uint8_t *equals = parameter.len ? memchr(parameter.ptr, '=', parameter.len) : NULL;
    if (!equals || equals + 1 == parameter.ptr + parameter.len)
        return parameter.len;
    const size_t name = (size_t)(equals - parameter.ptr);
    return hf_is_secret_name(hf_bytes_make(parameter.ptr, name)) ? name + 1 : parameter.len;
}

/* Goes over `text`, cut at every byte of `separators`; answers whether there is a secret in it. Writes it without, if
 * there is a writer. */
static bool redact_parts(hf_writer *w, hf_bytes text, const char *separators)
{
    bool found = false;
    for (size_t at = 0, begin = 0; at <= text.len; at++) {
        if (at < text.len && (text.ptr[at] == 0 || strchr(separators, text.ptr[at]) == NULL))
            continue;
        const size_t open = open_part(hf_bytes_make(text.ptr + begin, at - begin));
        const bool secret = open < at - begin;
        found |= secret;
        if (w) {
            write_some(w, hf_bytes_make(text.ptr + begin, open));
            if (secret)
                write_some(w, redacted);
            write_some(w, hf_bytes_make(text.ptr + at, at < text.len));
        }
        begin = at + 1;
    }
    return found;
}

static hf_bytes redact(hf_writer *w, hf_bytes text, const char *separators)
{
    if (!redact_parts(NULL, text, separators))
        return text;
    redact_parts(w, text, separators);
    return hf_written(w);
}

hf_bytes hf_redact_query(hf_writer *w, hf_bytes query)
{
    if (query.len == 0)
        return query;
    return redact(w, query, "&;");
}

hf_bytes hf_redact_path(hf_writer *w, hf_bytes path)
{
    /* RFC 3986 3.3: parameters of a segment follow a semicolon; without one there is nothing to look for. */
    if (path.len == 0 || memchr(path.ptr, ';', path.len) == NULL)
        return path;
    return redact(w, path, ";/,");
}

hf_bytes hf_redact_referer(hf_bytes referer)
{
    for (size_t i = 0; i < referer.len; i++)
        if (referer.ptr[i] == '?' || referer.ptr[i] == '#')
            referer.len = i;
    const uint8_t *slashes = referer.len ? memmem(referer.ptr, referer.len, "://", 3) : NULL;
    if (!slashes)
        return referer;
    const uint8_t *end = referer.ptr + referer.len, *host = slashes + 3;
    const uint8_t *slash = memchr(host, '/', (size_t)(end - host));
    const uint8_t *at = memrchr(host, '@', (size_t)((slash ? slash : end) - host));
    if (!at)
        return referer;
    return hf_bytes_make(at + 1, (size_t)(end - at - 1)); /* user:password@host/: the host alone is left */
}
