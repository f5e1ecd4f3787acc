/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite_file: a file of SQLite for its owner alone, with the statements that one room of it is asked by. One connection, under its
 * owner's lock.
 */
#ifndef HF_STORE_SQLITE_FILE_H
#define HF_STORE_SQLITE_FILE_H

#include <handfast/guard.h>

struct sqlite3;
struct sqlite3_stmt;

/* Makes the file where it is not there, and in it what `schema` says; then `texts` become `statements`, all of `count`.
 * `wait_ns`: for another process that writes. What was deleted is overwritten in the file. HF_ERR_SESSION_STORE_ADDRESS, with
 * SQLite's own words: hf_sqlite_file_close in any case. */
hf_err hf_sqlite_file_open(const char *file, uint64_t wait_ns, const char *schema, const char *const *texts, size_t count, struct sqlite3 **base,
    struct sqlite3_stmt **statements, hf_why *why);
/* NULL is fine, in both places. */
void hf_sqlite_file_close(struct sqlite3 *base, struct sqlite3_stmt **statements, size_t count);

#endif
