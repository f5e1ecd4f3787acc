/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

static const hf_bytes redacted = HF_LITERAL("REDACTED"); /* OpenTelemetry's word for it */

/* One character as its last reader will have it, percent-encoding undone as often as it was done: a URL in a parameter of a
 * URL is encoded once more. %3D is '=' at depth 1, %253D at depth 2. */
typedef struct letter {
    uint8_t c, depth;
    size_t length; /* in the text */
} letter;

static bool is_octet(hf_bytes text, size_t at)
{
    return text.len - at >= 2 && hf_hex_digit(text.ptr[at]) >= 0 && hf_hex_digit(text.ptr[at + 1]) >= 0;
}

static letter read_letter(hf_bytes text, size_t at)
{
    size_t i = at + 1;
    uint8_t depth = 1;
    if (text.ptr[at] != '%' || !is_octet(text, i))
        return (letter){ text.ptr[at], 0, 1 };
    for (; text.ptr[i] == '2' && text.ptr[i + 1] == '5' && is_octet(text, i + 2); i += 2)
        depth = (uint8_t)(depth + (depth < UINT8_MAX));
    return (letter){ (uint8_t)(hf_hex_digit(text.ptr[i]) << 4 | hf_hex_digit(text.ptr[i + 1])), depth, i + 2 - at };
}

/* Letters and digits of the name alone, lower case, percent-decoded: "X-Amz-%53ignature" is "xamzsignature". Only the
 * end of a very long name is looked at. */
static hf_bytes plain_name(hf_bytes name, uint8_t *plain, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < name.len && length < capacity;) {
        const letter l = read_letter(name, i);
        const uint8_t c = hf_lower(l.c);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            plain[length++] = c;
        i += l.length;
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

/* A walk over a URL's query or path, which finds the secrets in it: also those of a URL that a parameter holds, whether that is
 * encoded or not, and of JSON. */
typedef struct walk {
    hf_bytes text;
    const char *separators; /* between parameters */
    size_t at;
    size_t part;            /* where the parameter begins; */
    size_t word;            /* and the last word, which may be the name of a parameter within */
    bool valued;            /* the parameter's own '=' has been */
    hf_bytes quoted;        /* "the last word" that quotes end; */
    uint8_t quote_depth;
    uint8_t last, before;   /* the characters before this one */
} walk;

static hf_bytes cut(const walk *w, size_t from, size_t to)
{
    return hf_bytes_make(w->text.ptr + from, to - from);
}

static bool separates(const walk *w, letter l)
{
    return l.depth == 0 && l.c != 0 && strchr(w->separators, l.c) != NULL;
}

/* Where a value ends that begins at w->at and was assigned at `depth`: what is encoded deeper is part of it. */
static size_t end_of_value(const walk *w, unsigned depth)
{
    size_t i = w->at;
    while (i < w->text.len) {
        const letter l = read_letter(w->text, i);
        if (separates(w, l) || (l.c == '&' && l.depth <= depth))
            break;
        i += l.length;
    }
    return i;
}

/* Behind "://": where the user and password end that stand before the host; w->at where there are none. */
static size_t end_of_user(const walk *w)
{
    size_t i = w->at, at = w->at;
    while (i < w->text.len) {
        const letter l = read_letter(w->text, i);
        if (separates(w, l) || (l.c != 0 && strchr("/?#&", l.c) != NULL))
            break;
        if (l.c == '@')
            at = i;
        i += l.length;
    }
    return at;
}

static bool is_of_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80 ||
        (c != 0 && strchr("-_.~[]$%", c) != NULL);
}

/* What follows the character that stands before w->at is a secret up to the answer; 0: it is none. */
static size_t secret_behind(const walk *w, letter l, size_t here)
{
    if (l.c == '=' && hf_is_secret_name(cut(w, w->word, here)))
        return end_of_value(w, l.depth);
    if (l.c == '=' && !w->valued && w->part < w->word && hf_is_secret_name(cut(w, w->part, here)))
        return end_of_value(w, l.depth);
    if (l.c == ':' && w->last == '"' && hf_is_secret_name(w->quoted))
        return end_of_value(w, w->quote_depth > 0 ? w->quote_depth - 1u : 0);
    if (l.c == '/' && w->last == '/' && w->before == ':')
        return end_of_user(w);
    return 0;
}

static void note(walk *w, letter l, size_t here)
{
    w->before = w->last;
    w->last = l.c;
    if (separates(w, l) || l.c == '&') {
        w->part = w->word = w->at;
        w->valued = false;
    } else if (l.c == '=') {
        w->word = w->at;
        w->valued = true;
    } else if (!is_of_word(l.c)) {
        if (l.c == '"') {
            w->quoted = cut(w, w->word, here);
            w->quote_depth = l.depth;
        }
        w->word = w->at;
    }
}

/* The next secret is [*begin, *end). False: there is none. */
static bool find_secret(walk *w, size_t *begin, size_t *end)
{
    while (w->at < w->text.len) {
        const letter l = read_letter(w->text, w->at);
        const size_t here = w->at;
        w->at += l.length;
        const size_t until = secret_behind(w, l, here);
        note(w, l, here);
        if (until > w->at) {
            *begin = w->at;
            *end = w->at = w->word = until;
            return true;
        }
    }
    return false;
}

static hf_bytes redact(hf_writer *out, hf_bytes text, const char *separators)
{
    walk w = { .text = text, .separators = separators };
    size_t begin, end, written = 0;
    if (!find_secret(&w, &begin, &end))
        return text;
    do {
        write_some(out, cut(&w, written, begin));
        write_some(out, redacted);
        written = end;
    } while (find_secret(&w, &begin, &end));
    write_some(out, cut(&w, written, text.len));
    return hf_written(out);
}

hf_bytes hf_redact_query(hf_writer *w, hf_bytes query)
{
    if (query.len == 0)
        return query;
    return redact(w, query, "&;");
}

hf_bytes hf_redact_path(hf_writer *w, hf_bytes path)
{
    /* Nothing is assigned in most: RFC 3986 3.3 lets parameters of a segment follow a semicolon, and some put whole URLs there. */
    if (path.len == 0 || (memchr(path.ptr, '=', path.len) == NULL && memchr(path.ptr, '%', path.len) == NULL &&
                          memchr(path.ptr, ':', path.len) == NULL))
        return path;
    return redact(w, path, ";/,");
}

hf_bytes hf_redact_referer(hf_writer *w, hf_bytes referer)
{
    for (size_t i = 0; i < referer.len; i++)
        if (referer.ptr[i] == '?' || referer.ptr[i] == '#')
            referer.len = i;
    const uint8_t *slashes = referer.len ? memmem(referer.ptr, referer.len, "://", 3) : NULL;
    if (slashes != NULL) {
        const uint8_t *end = referer.ptr + referer.len, *host = slashes + 3;
        const uint8_t *slash = memchr(host, '/', (size_t)(end - host));
        const uint8_t *at = memrchr(host, '@', (size_t)((slash ? slash : end) - host));
        if (at != NULL) /* user:password@host/: the host alone is left */
            referer = hf_bytes_make(at + 1, (size_t)(end - at - 1));
    }
    return hf_redact_path(w, referer);
}
