/* SPDX-License-Identifier: Apache-2.0 */
#include "passwords.h"

#include <crypt.h>
#include <stdlib.h>

#include "base64.h"
#include "crypto_secret.h"
#include "text.h"

/* ---- which hashes --------------------------------------------------------------------------------------------- */

static size_t digit_of(uint8_t c) /* of the alphabet of crypt(5): ./0-9A-Za-z */
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *found = c != 0 ? strchr(digits, c) : NULL;
    return found != NULL ? (size_t)(found - digits) : SIZE_MAX;
}

/* $2y$10$ and 53 characters: the cost is the logarithm of the rounds. */
static const char *check_bcrypt(hf_bytes h, const hf_limits *limits)
{
    if (h.len != 60 || h.ptr[6] != '$' || h.ptr[4] < '0' || h.ptr[4] > '9' || h.ptr[5] < '0' || h.ptr[5] > '9')
        return "this bcrypt hash is broken: it has 60 characters, as in $2y$10$...";
    const unsigned cost = (unsigned)(h.ptr[4] - '0') * 10 + (unsigned)(h.ptr[5] - '0');
    return cost <= limits->password_cost ? NULL
        : "this bcrypt hash costs more than the limit password_cost allows: make it with htpasswd -B -C 12";
}

/* $6$salt$hash or $6$rounds=N$salt$hash; 5000 rounds where none are said. */
static const char *check_sha(hf_bytes h, const hf_limits *limits)
{
    uint64_t rounds = 5000;
    const hf_bytes said = hf_bytes_make(h.ptr + 3, h.len - 3);
    if (hf_starts_with(said, hf_text("rounds="))) {
        const uint8_t *end = memchr(said.ptr, '$', said.len);
        if (end == NULL || !hf_parse_decimal(hf_bytes_make(said.ptr + 7, (size_t)(end - said.ptr) - 7), &rounds))
            return "this sha-crypt hash is broken: behind rounds= stands a number, and a $";
    }
    if (limits->password_cost < 57 && rounds > 64ull << limits->password_cost)
        return "this sha-crypt hash has more rounds than the limit password_cost allows: make it with fewer";
    return h.len >= 3 + 43 ? NULL : "this sha-crypt hash is broken: it is too short";
}

/* $y$j9T$salt$hash: the second character behind the $ is the logarithm of its memory in blocks, less one. */
static const char *check_yescrypt(hf_bytes h, const hf_limits *limits)
{
    if (h.len < 8 + 43 || h.ptr[3] != 'j' || digit_of(h.ptr[4]) == SIZE_MAX || h.ptr[5] != 'T' || h.ptr[6] != '$')
        return "this yescrypt hash is broken, or has parameters that mkpasswd does not give it: it begins as in $y$j9T$";
    return digit_of(h.ptr[4]) + 1 <= limits->password_cost ? NULL
        : "this yescrypt hash costs more than the limit password_cost allows: make it with mkpasswd -m yescrypt";
}

static const char *check_hash(hf_bytes h, const hf_limits *limits)
{
    static const struct {
        const char *begin;
        const char *(*check)(hf_bytes h, const hf_limits *limits);
    } kinds[] = { { "$2y$", check_bcrypt }, { "$2b$", check_bcrypt }, { "$2a$", check_bcrypt }, { "$6$", check_sha },
        { "$5$", check_sha }, { "$y$", check_yescrypt } };
    if (h.len == 0)
        return "there is no hash behind the name";
    if (h.len >= HF_PASSWORD_HASH)
        return "this hash is too long to be one";
    for (size_t i = 0; i < h.len; i++)
        if (h.ptr[i] <= ' ' || h.ptr[i] > '~' || h.ptr[i] == ':')
            return "behind the hash stands something else";
    for (size_t i = 0; i < HF_COUNT(kinds); i++)
        if (hf_starts_with(h, hf_text(kinds[i].begin)))
            return kinds[i].check(h, limits);
    if (hf_starts_with(h, hf_text("$apr1$")) || hf_starts_with(h, hf_text("$1$")))
        return "MD5 (what htpasswd makes without an option) is guessed too fast: set the password again with htpasswd -B";
    if (h.ptr[0] == '{')
        return "SHA-1 and its like are guessed too fast: set the password again with htpasswd -B";
    return "this is no bcrypt ($2y$), sha-crypt ($6$, $5$) or yescrypt ($y$) hash: set the password with htpasswd -B";
}

const char *hf_password_line(hf_bytes line, const hf_limits *limits, hf_account *account)
{
    *account = (hf_account){ 0 };
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 || line.ptr[0] == '#')
        return NULL;
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL)
        return "a line is a name, a colon and a hash";
    if (colon == line.ptr)
        return "there is no name before the colon";
    account->name = hf_bytes_make(line.ptr, (size_t)(colon - line.ptr));
    account->hash = hf_bytes_make(colon + 1, line.len - account->name.len - 1);
    return check_hash(account->hash, limits);
}

const hf_account *hf_password_find(const hf_account *accounts, size_t count, hf_bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (hf_bytes_equal(accounts[i].name, name))
            return &accounts[i];
    return NULL;
}

/* ---- whether it is the one ------------------------------------------------------------------------------------ */

bool hf_password_is(hf_bytes hash, hf_bytes password)
{
    char *key = malloc(password.len + 1), setting[HF_PASSWORD_HASH];
    struct crypt_data *room = calloc(1, sizeof *room);
    bool same = false;
    if (key != NULL && room != NULL && hash.len < sizeof setting && (password.len == 0 || memchr(password.ptr, 0, password.len) == NULL)) {
        memcpy(key, password.ptr != NULL ? password.ptr : (const uint8_t *)"", password.len);
        key[password.len] = 0;
        memcpy(setting, hash.ptr, hash.len);
        setting[hash.len] = 0;
        const char *made = crypt_rn(key, setting, room, (int)sizeof *room);
        same = made != NULL && strlen(made) == hash.len && hf_secret_equal(made, hash.ptr, hash.len);
    }
    if (key != NULL)
        hf_wipe(key, password.len + 1);
    if (room != NULL)
        hf_wipe(room, sizeof *room);
    free(room);
    free(key);
    return same;
}

bool hf_password_credentials(hf_bytes field, hf_writer *w, hf_bytes *name, hf_bytes *password)
{
    /* RFC 9110 11.1: the scheme's name is case-insensitive; 11.4: one or more spaces follow. */
    if (field.len < 7 || !hf_text_same(hf_bytes_make(field.ptr, 5), hf_text("Basic")) || field.ptr[5] != ' ')
        return false;
    hf_bytes token = hf_bytes_make(field.ptr + 6, field.len - 6);
    while (token.len > 0 && token.ptr[0] == ' ')
        token = hf_bytes_make(token.ptr + 1, token.len - 1);
    const size_t begin = w->length;
    if (hf_base64_parse(w, HF_BASE64, token).code != 0)
        return false;
    const hf_bytes both = hf_bytes_make(w->ptr + begin, w->length - begin);
    const uint8_t *colon = both.len > 0 ? memchr(both.ptr, ':', both.len) : NULL;
    if (colon == NULL)
        return false;
    *name = hf_bytes_make(both.ptr, (size_t)(colon - both.ptr));
    *password = hf_bytes_make(colon + 1, both.len - name->len - 1);
    return true;
}
