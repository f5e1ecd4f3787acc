/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of password files, and the field that brings a password. No password is hashed: that is libcrypt's, and slow. Lines are read
 * whole, with no state, time or allocation; with too little room there are no credentials, and nothing is written behind it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "passwords.h"

static bool lies_in(hf_bytes part, hf_bytes whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.len <= whole.len && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_line(hf_bytes line)
{
    hf_account account;
    if (hf_password_line(line, hf_limits_default(), &account) != NULL || account.name.len == 0)
        return;
    if (!lies_in(account.name, line) || !lies_in(account.hash, line) || account.hash.len >= HF_PASSWORD_HASH)
        abort();
    /* Only what is no plain text: each begins with the mark of its kind. */
    if (account.hash.len < 40 || account.hash.ptr[0] != '$' || memchr(account.hash.ptr, ':', account.hash.len) != NULL)
        abort();
    if (hf_password_find(&account, 1, account.name) != &account)
        abort();
}

static void check_field(hf_bytes field)
{
    uint8_t room[4096];
    hf_bytes name, password;
    hf_writer w = hf_writer_make(room, sizeof room);
    if (!hf_password_credentials(field, &w, &name, &password))
        return;
    hf_bytes other;
    uint8_t *const less = malloc(w.length); /* at least the colon */
    if (less == NULL)
        abort();
    hf_writer tight = hf_writer_make(less, w.length - 1);
    if (hf_password_credentials(field, &tight, &other, &other) || tight.length >= w.length)
        abort();
    free(less);
    if (!lies_in(name, hf_written(&w)) || !lies_in(password, hf_written(&w)) || name.len + 1 + password.len != w.length ||
        (name.len > 0 && memchr(name.ptr, ':', name.len) != NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hf_bytes rest = hf_bytes_make(data, size), line;
    check_field(rest);
    while (hf_split(&rest, '\n', &line))
        check_line(line);
    return 0;
}
