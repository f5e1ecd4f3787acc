/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "guard_why.h"

static const char pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;";

/* For nobody else's eyes, whatever the umask is. */
static bool make_private(const char *file)
{
    const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool prepare(sqlite3 *base, uint64_t wait_ns, const char *schema, const char *const *texts, size_t count, sqlite3_stmt **statements)
{
    if (sqlite3_busy_timeout(base, (int)(wait_ns / (uint64_t)HF_MILLISECONDS(1))) != SQLITE_OK ||
        sqlite3_exec(base, pragmas, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(base, schema, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sqlite3_prepare_v3(base, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) != SQLITE_OK)
            return false;
    return true;
}

hf_err hf_sqlite_file_open(const char *file, uint64_t wait_ns, const char *schema, const char *const *texts, size_t count, sqlite3 **base,
    sqlite3_stmt **statements, hf_why *why)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const char *trouble = "cannot be created or opened";
    if (make_private(file)) {
        if (sqlite3_open_v2(file, base, flags, NULL) == SQLITE_OK && prepare(*base, wait_ns, schema, texts, count, statements))
            return HF_OK;
        trouble = *base != NULL ? sqlite3_errmsg(*base) : "no memory";
    }
    return hf_why_tell(why, HF_ERR_SESSION_STORE_ADDRESS, hf_text(trouble), "a file of SQLite in a folder that may be written to");
}

void hf_sqlite_file_close(sqlite3 *base, sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(base);
}
