/* SPDX-License-Identifier: Apache-2.0 */
#include "local_ca.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator.h"
#include "crypto_secret.h"

enum { DAY = 86400, ROOT_DAYS = 3650, LEAF_DAYS = 397, WEEK = 7 * DAY };

static bool fail(hf_writer *why, const char *path, const char *reason)
{
    hf_write_text(why, path);
    hf_write_text(why, ": ");
    hf_write_text(why, reason);
    return false;
}

/* ---- the folder --------------------------------------------------------------------------------------------- */

static const char *home(void)
{
    const char *path = getenv("HOME");
    if (path != NULL && *path == '/')
        return path;
    const struct passwd *who = getpwuid(geteuid());
    return who != NULL ? who->pw_dir : NULL;
}

bool hf_local_ca_place(hf_local_ca *ca, const char *folder, hf_writer *why)
{
    const char *data = getenv("XDG_DATA_HOME"), *own = home();
    int n = -1;
    *ca = (hf_local_ca){ 0 };
    if (folder != NULL)
        n = snprintf(ca->folder, sizeof ca->folder, "%s", folder);
    else if (data != NULL && *data == '/') /* the base directory specification: a relative path is ignored */
        n = snprintf(ca->folder, sizeof ca->folder, "%s/handfast", data);
    else if (own != NULL)
        n = snprintf(ca->folder, sizeof ca->folder, "%s/.local/share/handfast", own);
    if (n <= 0 || (size_t)n >= sizeof ca->folder)
        return fail(why, "the local CA", "there is no home folder to keep it in; name a folder with --dir, or set XDG_DATA_HOME");
    snprintf(ca->root, sizeof ca->root, "%s/ca.pem", ca->folder);
    return true;
}

static bool make_folders(const char *path)
{
    char part[HF_LOCAL_CA_PATH];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p != 0; p++)
        if (*p == '/') {
            *p = 0;
            (void)mkdir(part, 0755); /* what matters is whether the last one can be had */
            *p = '/';
        }
    return mkdir(part, 0700) == 0 || errno == EEXIST;
}

/* ---- files -------------------------------------------------------------------------------------------------- */

/* At once or not at all; nobody but the owner may read what is secret. */
static bool write_file(const char *path, hf_bytes bytes, mode_t mode, hf_writer *why)
{
    char fresh[HF_LOCAL_CA_PATH + 320];
    snprintf(fresh, sizeof fresh, "%s.%d.new", path, (int)getpid());
    const int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    bool good = fd >= 0 && fchmod(fd, mode) == 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    good = good && rename(fresh, path) == 0;
    if (!good) {
        fail(why, path, strerror(errno));
        if (fd >= 0)
            unlink(fresh);
    }
    return good;
}

/* -1 with errno: it cannot be read. */
static ssize_t read_file(const char *path, uint8_t *bytes, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const ssize_t n = read(fd, bytes, room);
    close(fd);
    return n;
}

static hf_chain *read_chain(hf_local_ca *ca, const char *path)
{
    uint8_t pem[HF_PEM_ROOM * 4];
    hf_chain *chain = NULL;
    const ssize_t n = read_file(path, pem, sizeof pem);
    if (n > 0)
        (void)!hf_chain_load(ca->crypto, hf_bytes_make(pem, (size_t)n), &chain).code;
    return chain;
}

static hf_key *read_key(hf_local_ca *ca, const char *path)
{
    uint8_t pem[HF_PEM_ROOM];
    hf_key *key = NULL;
    const ssize_t n = read_file(path, pem, sizeof pem);
    if (n > 0)
        (void)!hf_key_load(ca->crypto, hf_bytes_make(pem, (size_t)n), &key).code;
    hf_wipe(pem, sizeof pem);
    return key;
}

static bool write_key(const hf_key *key, const char *path, hf_writer *why)
{
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    const hf_err err = hf_key_write(key, pem, &n);
    const bool good = err.code == 0 ? write_file(path, hf_bytes_make(pem, n), 0600, why) : fail(why, path, hf_err_text(err));
    hf_wipe(pem, sizeof pem);
    return good;
}

/* ---- the root ----------------------------------------------------------------------------------------------- */

static bool make_root(hf_local_ca *ca, const char *key_path, hf_wall now, hf_writer *why)
{
    char machine[64] = "this machine", name[160];
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    (void)gethostname(machine, sizeof machine - 1);
    snprintf(name, sizeof name, "Handfast local CA (%.40s)", machine); /* RFC 5280 A.1: at most 64 characters */
    const hf_certificate_wish wish = { .common_name = name, .from = { now.s - 3600 },
        .until = { now.s + (int64_t)ROOT_DAYS * DAY }, .authority = true };
    hf_err err = hf_key_make(ca->crypto, &ca->key);
    if (err.code == 0)
        err = hf_certificate_issue(ca->crypto, &wish, ca->key, NULL, NULL, pem, &n);
    if (err.code == 0)
        err = hf_chain_load(ca->crypto, hf_bytes_make(pem, n), &ca->chain);
    if (err.code != 0)
        return fail(why, ca->root, hf_err_text(err));
    /* The key first: a root without its key could be trusted and never used. */
    ca->made = write_key(ca->key, key_path, why) && write_file(ca->root, hf_bytes_make(pem, n), 0644, why);
    return ca->made;
}

static bool open_root(hf_local_ca *ca, hf_wall now, hf_writer *why)
{
    char key_path[HF_LOCAL_CA_PATH + 16];
    snprintf(key_path, sizeof key_path, "%s/ca.key", ca->folder);
    if (access(ca->root, F_OK) != 0 && access(key_path, F_OK) != 0)
        return make_root(ca, key_path, now, why);
    ca->chain = read_chain(ca, ca->root);
    ca->key = read_key(ca, key_path);
    if (ca->chain == NULL)
        return fail(why, ca->root, "it holds no certificate that can be read; remove ca.pem and ca.key there for a new CA");
    if (ca->key == NULL || !hf_chain_matches(ca->chain, ca->key))
        return fail(why, key_path, "it is not the key of ca.pem beside it; remove both for a new CA");
    hf_wall from, until;
    hf_chain_valid(ca->chain, &from, &until);
    if (until.s < now.s + WEEK)
        return fail(why, ca->root, "the local CA has ended; remove ca.pem and ca.key there for a new one, and trust that");
    return true;
}

bool hf_local_ca_open(hf_local_ca *ca, const char *folder, hf_wall now, hf_writer *why)
{
    char lock[HF_LOCAL_CA_PATH + 16];
    if (!hf_local_ca_place(ca, folder, why))
        return false;
    if (!make_folders(ca->folder))
        return fail(why, ca->folder, strerror(errno));
    ca->env = (hf_env){ .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    ca->crypto = hf_crypto_new(&ca->env, NULL);
    if (ca->crypto == NULL)
        return fail(why, ca->folder, "out of memory");
    /* Two that begin at once must not make two roots. */
    snprintf(lock, sizeof lock, "%s/lock", ca->folder);
    const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX);
    const bool good = open_root(ca, now, why);
    if (fd >= 0)
        close(fd);
    if (!good)
        hf_local_ca_close(ca);
    return good;
}

void hf_local_ca_close(hf_local_ca *ca)
{
    hf_chain_free(ca->chain);
    hf_key_free(ca->key);
    hf_crypto_free(ca->crypto);
    ca->chain = NULL;
    ca->key = NULL;
    ca->crypto = NULL;
}

/* ---- leaves ------------------------------------------------------------------------------------------------- */

/* Files are called after the first name; `*` and `:` are no characters for that. */
static void name_leaf(const hf_local_ca *ca, hf_bytes name, hf_local_leaf *leaf)
{
    char text[256];
    size_t n = 0;
    for (; n < name.len && n < sizeof text - 1; n++)
        text[n] = name.ptr[n] == '*' || name.ptr[n] == ':' || name.ptr[n] == '/' ? '_' : (char)name.ptr[n];
    text[n] = 0;
    *leaf = (hf_local_leaf){ 0 };
    snprintf(leaf->certificate, sizeof leaf->certificate, "%s/%s.pem", ca->folder, text);
    snprintf(leaf->key, sizeof leaf->key, "%s/%s.key", ca->folder, text);
}

bool hf_local_ca_issue(hf_local_ca *ca, const hf_bytes *names, size_t count, hf_wall now, hf_local_leaf *leaf, hf_writer *why)
{
    char common[65];
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    hf_key *key = NULL;
    hf_wall from, until;
    name_leaf(ca, names[0], leaf);
    snprintf(common, sizeof common, "%.*s", (int)(names[0].len < 64 ? names[0].len : 64), names[0].ptr);
    hf_chain_valid(ca->chain, &from, &until);
    const int64_t end = now.s + (int64_t)LEAF_DAYS * DAY;
    const hf_certificate_wish wish = { .common_name = common, .names = names, .name_count = count, .from = { now.s - 3600 },
        .until = { end < until.s ? end : until.s } };
    hf_err err = hf_key_make(ca->crypto, &key);
    if (err.code == 0)
        err = hf_certificate_issue(ca->crypto, &wish, key, ca->chain, ca->key, pem, &n);
    if (err.code == HF_ERR_BASE_USAGE)
        fail(why, common, "a name is a DNS name (example.test, *.example.test) or an IP address");
    else if (err.code != 0)
        fail(why, leaf->certificate, hf_err_text(err));
    leaf->made = err.code == 0 && write_key(key, leaf->key, why) && write_file(leaf->certificate, hf_bytes_make(pem, n), 0644, why);
    hf_key_free(key);
    return leaf->made;
}

/* May it be served still? */
static bool is_good(hf_local_ca *ca, const hf_local_leaf *leaf, hf_wall now)
{
    hf_chain *chain = read_chain(ca, leaf->certificate);
    hf_key *key = chain != NULL ? read_key(ca, leaf->key) : NULL;
    hf_trust *trust = key != NULL ? hf_trust_new(ca->crypto) : NULL;
    uint8_t pem[HF_PEM_ROOM * 4];
    size_t added = 0;
    hf_verdict verdict;
    const ssize_t n = trust != NULL ? read_file(ca->root, pem, sizeof pem) : -1;
    const hf_trust_question q = { .host = hf_text("localhost"), .at = { now.s + WEEK } };
    const bool good = n > 0 && hf_chain_matches(chain, key) && hf_trust_add(trust, hf_bytes_make(pem, (size_t)n), &added).code == 0 &&
                      hf_trust_verify(trust, chain, &q, &verdict).code == 0;
    hf_trust_free(trust);
    hf_key_free(key);
    hf_chain_free(chain);
    return good;
}

bool hf_local_ca_localhost(hf_local_ca *ca, hf_wall now, hf_local_leaf *leaf, hf_writer *why)
{
    const hf_bytes names[] = { hf_text("localhost"), hf_text("127.0.0.1"), hf_text("::1") };
    name_leaf(ca, names[0], leaf);
    return is_good(ca, leaf, now) || hf_local_ca_issue(ca, names, HF_COUNT(names), now, leaf, why);
}
