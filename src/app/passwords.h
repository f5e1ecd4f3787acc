/* SPDX-License-Identifier: Apache-2.0
 *
 * Password files as htpasswd writes them: a name, a colon and a hash on each line. Which hashes are taken, what they may
 * cost, and whether a password is the one that was hashed. No clocks and no files.
 */
#ifndef HF_APP_PASSWORDS_H
#define HF_APP_PASSWORDS_H

#include "text.h"

typedef struct hf_account {
    hf_bytes name;
    hf_bytes hash; /* as it stands in the file */
} hf_account;

/* No hash that is taken is longer: yescrypt's and sha512-crypt's have up to 123 characters. */
enum { HF_PASSWORD_HASH = 160 };

/* One line without its newline. NULL, or why it holds no account that can be used. A line that is empty or begins with #
 * is none: NULL, with an empty name. Lends from `line`. */
const char *hf_password_line(hf_bytes line, const hf_limits *limits, hf_account *account);
/* The account of that name; NULL: there is none. */
const hf_account *hf_password_find(const hf_account *accounts, size_t count, hf_bytes name);
/* Whether `password` is what was hashed. Takes as long as the hash was made to take, so not in a loop thread. False also
 * when memory ends, or when this system's libcrypt does not know the hash. */
bool hf_password_is(hf_bytes hash, hf_bytes password);

/* RFC 7617 2: the field's value, "Basic" and the base64 of name:password, decoded into `w`. False: it is none. Lends from
 * what `w` writes to. */
bool hf_password_credentials(hf_bytes field, hf_writer *w, hf_bytes *name, hf_bytes *password);

#endif
