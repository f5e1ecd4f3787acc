/* SPDX-License-Identifier: Apache-2.0 */
#include "identities.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator.h"
#include "crypto_secret.h"
#include "log.h"

enum { FILE_MOST = 1 << 20, WARN_DAYS = 14, DAY = 86400 };

/* What is known about one file: a path and a reason make a line of `why`. */
static void tell(hf_writer *why, const char *path, const char *reason)
{
    hf_write_text(why, path);
    hf_write_text(why, ": ");
    hf_write_text(why, reason);
    hf_write_text(why, "\n");
}

static const char *system_reason(void)
{
    switch (errno) {
    case ENOENT: return "there is no such file";
    case EACCES: return "permission is missing";
    default: return strerror(errno);
    }
}

/* A file as it is at a moment: to see that it changed. */
typedef struct file_mark {
    uint64_t device, inode, size;
    int64_t changed_ns;
} file_mark;

/* ---- files -------------------------------------------------------------------------------------------------- */

static file_mark mark_of(const struct stat *st)
{
    return (file_mark){ st->st_dev, st->st_ino, (uint64_t)st->st_size, (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec };
}

static bool open_file(const char *path, int *fd, hf_writer *why)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (*fd < 0 || fstat(*fd, &st) != 0) {
        tell(why, path, system_reason());
        return false;
    }
    if (S_ISREG(st.st_mode) && st.st_size <= FILE_MOST)
        return true;
    tell(why, path, S_ISREG(st.st_mode) ? "larger than 1 MiB, so it is no PEM file" : "it is not a file");
    return false;
}

/* From the beginning, wherever the descriptor's offset is: it is shared with other processes. */
static hf_span read_whole(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size > FILE_MOST)
        return (hf_span){ NULL, 0 };
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    size_t n = 0;
    ssize_t got = 0;
    while (bytes != NULL && n < (size_t)st.st_size && (got = pread(fd, bytes + n, (size_t)st.st_size - n, (off_t)n)) > 0)
        n += (size_t)got;
    if (got >= 0 && bytes != NULL)
        return (hf_span){ bytes, n };
    free(bytes);
    return (hf_span){ NULL, 0 };
}

static bool has_block(hf_span pem, const char *label)
{
    return pem.ptr != NULL && memmem(pem.ptr, pem.len, label, strlen(label)) != NULL;
}

/* ---- one identity ------------------------------------------------------------------------------------------- */

static void warn_of_order(const hf_chain *chain, const char *path)
{
    for (size_t i = 0; i + 1 < hf_chain_length(chain); i++) {
        hf_certificate_facts below, above;
        hf_chain_describe(chain, i, &below);
        hf_chain_describe(chain, i + 1, &above);
        if (strcmp(below.issuer, above.subject) != 0) {
            hf_log(HF_LOG_WARNING, HF_OK, "%s: certificate %zu (%s) was not issued by the next one (%s): "
                "the leaf comes first, then its issuer", path, i + 1, below.subject, above.subject);
            return;
        }
    }
}

static void warn_of_hosts(const hf_chain *chain, const hf_identity *id)
{
    for (char **host = id->hosts; *host != NULL; host++) {
        const bool wild = strncmp(*host, "*.", 2) == 0;
        char text[300];
        snprintf(text, sizeof text, "%s%s", wild ? "a" : "", *host + wild);
        hf_certificate_facts facts;
        hf_chain_describe(chain, 0, &facts);
        if (strcmp(*host, "*") != 0 && !hf_chain_covers(chain, hf_text(text)))
            hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_TLS_CERT_NAME), "%s is for %s, not for %s: browsers will refuse it there",
                id->certificate, facts.names[0] != 0 ? facts.names : "no name at all", *host);
    }
}

static char **copy_hosts(const char *const *hosts, size_t count)
{
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(hosts[i]);
        for (char *p = copy[i]; p != NULL && *p != 0; p++)
            *p = (char)hf_lower((uint8_t)*p);
    }
    return copy;
}

/* The names in the certificate, as hosts. */
static char **own_hosts(const hf_chain *chain)
{
    const char *hosts[128];
    size_t count = 0;
    hf_certificate_facts facts;
    hf_chain_describe(chain, 0, &facts);
    for (char *rest = facts.names; *rest != 0 && count < HF_COUNT(hosts);) {
        char *end = strchrnul(rest, ',');
        hosts[count++] = rest;
        rest = end + (*end != 0) + (*end != 0 && end[1] == ' ');
        *end = 0;
    }
    return copy_hosts(hosts, count);
}

static size_t count_hosts(const char *const *hosts)
{
    size_t n = 0;
    while (hosts[n] != NULL)
        n++;
    return n;
}

static const char *why_no_chain(hf_span pem)
{
    if (has_block(pem, "-----BEGIN CERTIFICATE-----"))
        return "a certificate in it does not parse";
    if (has_block(pem, "PRIVATE KEY-----"))
        return "it holds a private key and no certificate: are the two files swapped?";
    return "it holds no certificate: PEM begins with -----BEGIN CERTIFICATE-----";
}

/* We were allowed to open it once, as somebody else. */
static bool not_ours(const char *path)
{
    return access(path, R_OK) != 0 && errno == EACCES;
}

static hf_span copy_of(hf_span s)
{
    uint8_t *bytes = malloc(s.len + 1);
    if (bytes != NULL)
        memcpy(bytes, s.ptr, s.len);
    return (hf_span){ bytes, bytes != NULL ? s.len : 0 };
}

/* `before` is what these two files were, or NULL. */
static bool load_chain(hf_identity *id, const hf_identity_source *source, const hf_identity *before, hf_crypto *crypto, hf_writer *why)
{
    hf_chain *chain = NULL;
    int fd = -1;
    const bool kept = before != NULL && not_ours(id->certificate);
    const bool opened = !kept && open_file(id->certificate, &fd, why);
    if (kept || opened) {
        id->pem = kept ? copy_of(before->pem) : read_whole(fd);
        if (id->pem.ptr == NULL)
            tell(why, id->certificate, system_reason());
        else if (hf_chain_load(crypto, hf_bytes_make(id->pem.ptr, id->pem.len), &chain).code != 0)
            tell(why, id->certificate, why_no_chain(id->pem));
    }
    if (fd >= 0)
        close(fd);
    if (chain == NULL)
        return false;
    id->kind = hf_chain_kind(chain);
    hf_chain_valid(chain, &id->from, &id->until);
    id->hosts = source->hosts != NULL ? copy_hosts(source->hosts, count_hosts(source->hosts)) : own_hosts(chain);
    warn_of_order(chain, id->certificate);
    if (source->hosts != NULL && id->hosts != NULL)
        warn_of_hosts(chain, id);
    const bool usable = id->kind != HF_KEY_OTHER;
    if (!usable)
        tell(why, id->certificate, hf_err_describe(hf_err_make(HF_ERR_TLS_KEY_UNUSABLE))->rule);
    hf_chain_free(chain);
    return usable && id->hosts != NULL;
}

static const hf_identity *find_before(const hf_identities *before, const hf_identity_source *source)
{
    for (size_t i = 0; before != NULL && i < before->count; i++)
        if (strcmp(before->at[i].certificate, source->certificate) == 0 && strcmp(before->at[i].key, source->key) == 0)
            return &before->at[i];
    return NULL;
}

static bool load_key(hf_identity *id, const hf_identity *before, hf_writer *why)
{
    if (before == NULL || before->key_fd < 0 || !not_ours(id->key))
        return open_file(id->key, &id->key_fd, why);
    hf_log(HF_LOG_WARNING, HF_OK, "%s stays as it was at the start: permission is missing to read it again", id->key);
    id->key_fd = fcntl(before->key_fd, F_DUPFD_CLOEXEC, 0);
    return id->key_fd >= 0;
}

/* A whole file, or what it was when we may not open it any more. */
static bool load_file(const char *path, const hf_span *before, hf_span *bytes, hf_writer *why)
{
    int fd = -1;
    if (before != NULL && before->ptr != NULL && not_ours(path)) {
        *bytes = copy_of(*before);
        return bytes->ptr != NULL;
    }
    if (!open_file(path, &fd, why))
        return false;
    *bytes = read_whole(fd);
    close(fd);
    if (bytes->ptr == NULL)
        tell(why, path, system_reason());
    return bytes->ptr != NULL;
}

/* It is passed on, not judged: but what is no OCSPResponse at all (RFC 6960 4.2.1: a SEQUENCE) is no help to anybody. */
static bool load_staple(hf_identity *id, const char *path, const hf_identity *before, hf_writer *why)
{
    if (path == NULL)
        return true;
    id->ocsp = strdup(path);
    if (id->ocsp == NULL || !load_file(path, before != NULL ? &before->staple : NULL, &id->staple, why))
        return false;
    if (id->staple.len > 5 && id->staple.len < 65536 && id->staple.ptr[0] == 0x30)
        return true;
    tell(why, path, "this is no OCSP response in DER: openssl ocsp ... -respout FILE writes one");
    return false;
}

static bool load_one(hf_identity *id, const hf_identity_source *source, const hf_identity *before, hf_crypto *crypto, hf_writer *why)
{
    id->key_fd = -1;
    id->certificate = strdup(source->certificate);
    id->key = strdup(source->key);
    if (id->certificate == NULL || id->key == NULL)
        return false;
    const bool chain = load_chain(id, source, before, crypto, why), staple = load_staple(id, source->ocsp, before, why);
    return load_key(id, before, why) && chain && staple;
}

/* ---- a generation ------------------------------------------------------------------------------------------- */

static hf_identities *make(size_t count)
{
    hf_identities *ids = calloc(1, sizeof *ids + count * sizeof ids->at[0]);
    if (ids == NULL)
        return NULL;
    ids->count = count;
    for (size_t i = 0; i < count; i++)
        ids->at[i].key_fd = -1;
    return ids;
}

hf_identities *hf_identities_load(const hf_identity_source *sources, size_t count, const hf_identities *before, hf_writer *why)
{
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    hf_identities *ids = make(count);
    bool good = crypto != NULL && ids != NULL && count <= HF_IDENTITIES_MOST;
    if (!good)
        hf_write_text(why, count > HF_IDENTITIES_MOST ? "more than 256 certificates\n" : "out of memory\n");
    const bool begun = good;
    for (size_t i = 0; begun && i < count; i++)
        good = load_one(&ids->at[i], &sources[i], find_before(before, &sources[i]), crypto, why) && good;
    hf_crypto_free(crypto);
    if (good)
        return ids;
    hf_identities_free(ids);
    return NULL;
}

bool hf_identities_add_clients(hf_identities *ids, const char *path, const hf_identities *before, hf_writer *why)
{
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    ids->client_ca = strdup(path);
    if (ids->client_ca == NULL || !load_file(path, before != NULL ? &before->client_roots : NULL, &ids->client_roots, why))
        return false;
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    hf_trust *trust = crypto != NULL ? hf_trust_new(crypto) : NULL;
    size_t added = 0;
    const hf_err err = trust != NULL ? hf_trust_add(trust, hf_bytes_make(ids->client_roots.ptr, ids->client_roots.len), &added)
                                     : hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code != 0 || added == 0)
        tell(why, path, why_no_chain(ids->client_roots));
    hf_trust_free(trust);
    if (crypto != NULL)
        hf_crypto_free(crypto);
    return err.code == 0 && added > 0;
}

void hf_identities_forget_keys(hf_identities *ids)
{
    for (size_t i = 0; ids != NULL && i < ids->count; i++) {
        if (ids->at[i].key_fd >= 0)
            close(ids->at[i].key_fd);
        ids->at[i].key_fd = -1;
    }
}

void hf_identities_free(hf_identities *ids)
{
    hf_identities_forget_keys(ids);
    for (size_t i = 0; ids != NULL && i < ids->count; i++) {
        hf_identity *const id = &ids->at[i];
        free(id->certificate);
        free(id->key);
        free(id->pem.ptr);
        free(id->ocsp);
        free(id->staple.ptr);
        for (char **host = id->hosts; host != NULL && *host != NULL; host++)
            free(*host);
        free(id->hosts);
    }
    if (ids != NULL) {
        free(ids->client_ca);
        free(ids->client_roots.ptr);
    }
    free(ids);
}

static uint64_t look_at(uint64_t sum, const char *path)
{
    struct stat st;
    file_mark mark = { 0 };
    if (path == NULL)
        return sum;
    if (stat(path, &st) == 0)
        mark = mark_of(&st);
    const uint8_t *bytes = (const uint8_t *)&mark;
    for (size_t i = 0; i < sizeof mark; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3; /* FNV-1a */
    return sum;
}

uint64_t hf_identities_look(const hf_identities *ids)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < ids->count; i++)
        sum = look_at(look_at(look_at(sum, ids->at[i].certificate), ids->at[i].key), ids->at[i].ocsp);
    return look_at(sum, ids->client_ca);
}

void hf_identities_warn(const hf_identities *ids, hf_wall now)
{
    for (size_t i = 0; i < ids->count; i++) {
        const hf_identity *const id = &ids->at[i];
        const int64_t life = id->until.s - id->from.s, left = id->until.s - now.s;
        const int64_t soon = life / 3 < WARN_DAYS * DAY ? life / 3 : WARN_DAYS * DAY;
        if (left <= 0)
            hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_TLS_CERT_EXPIRED), "%s ended %lld days ago: browsers refuse it", id->certificate,
                (long long)(-left / DAY));
        else if (now.s < id->from.s)
            hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_TLS_CERT_NOT_YET), "%s is not valid for another %lld days, by the clock here",
                id->certificate, (long long)((id->from.s - now.s) / DAY));
        else if (left < soon)
            hf_log(HF_LOG_WARNING, HF_OK, "%s ends in %lld days: renew it", id->certificate, (long long)(left / DAY));
    }
}

/* ---- as bytes ----------------------------------------------------------------------------------------------- */

static void pack_text(FILE *f, const void *bytes, size_t length)
{
    const uint64_t n = length;
    fwrite(&n, sizeof n, 1, f);
    if (length > 0)
        fwrite(bytes, 1, length, f);
}

hf_span hf_identities_pack(const hf_identities *ids)
{
    char *bytes = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&bytes, &size);
    if (f == NULL)
        return (hf_span){ NULL, 0 };
    const uint64_t count = ids->count;
    fwrite(&count, sizeof count, 1, f);
    fwrite(&ids->rsa_key_exchange, sizeof ids->rsa_key_exchange, 1, f);
    pack_text(f, ids->client_roots.ptr, ids->client_roots.len);
    for (size_t i = 0; i < ids->count; i++) {
        const hf_identity *const id = &ids->at[i];
        const uint64_t hosts = count_hosts((const char *const *)id->hosts);
        pack_text(f, id->certificate, strlen(id->certificate));
        pack_text(f, id->key, strlen(id->key));
        pack_text(f, id->pem.ptr, id->pem.len);
        pack_text(f, id->staple.ptr, id->staple.len);
        fwrite(&id->from, sizeof id->from, 1, f);
        fwrite(&id->until, sizeof id->until, 1, f);
        fwrite(&id->kind, sizeof id->kind, 1, f);
        fwrite(&hosts, sizeof hosts, 1, f);
        for (size_t h = 0; h < hosts; h++)
            pack_text(f, id->hosts[h], strlen(id->hosts[h]));
    }
    if (fclose(f) == 0)
        return (hf_span){ (uint8_t *)bytes, size };
    free(bytes);
    return (hf_span){ NULL, 0 };
}

/* The next `n` bytes of *from; false when there are fewer. */
static bool unpack(hf_bytes *from, void *to, size_t n)
{
    if (from->len < n)
        return false;
    memcpy(to, from->ptr, n);
    *from = hf_bytes_make(from->ptr + n, from->len - n);
    return true;
}

/* A copy with a NUL behind it. */
static bool unpack_text(hf_bytes *from, char **text, size_t *length)
{
    uint64_t n = 0;
    if (!unpack(from, &n, sizeof n) || n > from->len || (*text = malloc(n + 1)) == NULL)
        return false;
    (*text)[n] = 0;
    *length = n;
    return unpack(from, *text, n);
}

static bool unpack_one(hf_bytes *from, hf_identity *id)
{
    size_t n = 0;
    char *pem = NULL, *staple = NULL;
    uint64_t hosts = 0;
    if (!unpack_text(from, &id->certificate, &n) || !unpack_text(from, &id->key, &n) || !unpack_text(from, &pem, &n))
        return false;
    id->pem = (hf_span){ (uint8_t *)pem, n };
    if (!unpack_text(from, &staple, &n))
        return false;
    id->staple = (hf_span){ (uint8_t *)staple, n };
    if (!unpack(from, &id->from, sizeof id->from) || !unpack(from, &id->until, sizeof id->until) ||
        !unpack(from, &id->kind, sizeof id->kind) || !unpack(from, &hosts, sizeof hosts) || hosts > from->len)
        return false;
    id->hosts = calloc(hosts + 1, sizeof *id->hosts);
    for (size_t h = 0; id->hosts != NULL && h < hosts; h++)
        if (!unpack_text(from, &id->hosts[h], &n))
            return false;
    return id->hosts != NULL;
}

hf_identities *hf_identities_unpack(hf_bytes packed)
{
    uint64_t count = 0;
    size_t n = 0;
    char *roots = NULL;
    if (!unpack(&packed, &count, sizeof count) || count > HF_IDENTITIES_MOST)
        return NULL;
    hf_identities *ids = make(count);
    bool good = ids != NULL && unpack(&packed, &ids->rsa_key_exchange, sizeof ids->rsa_key_exchange) && unpack_text(&packed, &roots, &n);
    if (roots != NULL)
        ids->client_roots = (hf_span){ (uint8_t *)roots, n };
    for (size_t i = 0; good && i < count; i++)
        good = unpack_one(&packed, &ids->at[i]);
    if (good)
        return ids;
    hf_identities_free(ids);
    return NULL;
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

static const char *why_no_key(hf_span pem, hf_err err)
{
    if (err.code == HF_ERR_TLS_KEY_UNUSABLE)
        return "this kind of key is not used: ECDSA on P-256 or P-384, RSA of 2048 to 8192 bits, or Ed25519";
    if (has_block(pem, "ENCRYPTED"))
        return "the key is encrypted, and nobody is there to ask for the password; write it plain: openssl pkey -in KEY -out PLAIN";
    if (has_block(pem, "PRIVATE KEY-----"))
        return "the private key in it does not parse";
    if (has_block(pem, "-----BEGIN CERTIFICATE-----"))
        return "it holds a certificate and no private key: are the two files swapped?";
    return "it holds no private key: PEM begins with -----BEGIN PRIVATE KEY-----";
}

/* Is it the key of the leaf, of another certificate of the chain, or of none? */
static bool fits(const hf_identity *id, hf_crypto *crypto, const hf_key *key, hf_writer *why)
{
    static const char *const kinds[] = { "an unknown kind", "RSA", "ECDSA P-256", "ECDSA P-384", "Ed25519" };
    hf_chain *chain = NULL;
    if (hf_chain_load(crypto, hf_bytes_make(id->pem.ptr, id->pem.len), &chain).code != 0)
        return false;
    const bool good = hf_chain_matches(chain, key);
    size_t other = 0;
    for (size_t i = 1; !good && other == 0 && i < hf_chain_length(chain); i++) {
        hf_chain *one = NULL;
        const hf_bytes der = hf_chain_der(chain, i);
        if (hf_chain_parse(crypto, &der, 1, &one).code == 0 && hf_chain_matches(one, key))
            other = i + 1;
        hf_chain_free(one);
    }
    hf_chain_free(chain);
    if (good)
        return true;
    hf_write_text(why, hf_err_text(hf_err_make(HF_ERR_TLS_KEY_MISMATCH)));
    hf_write_text(why, ": ");
    hf_write_text(why, id->key);
    hf_write_text(why, " is not the key of ");
    hf_write_text(why, id->certificate);
    hf_write_text(why, ": ");
    if (other > 0) {
        hf_write_text(why, "it belongs to certificate ");
        hf_write_decimal(why, other);
        hf_write_text(why, " in that file; the leaf comes first");
    } else if (hf_key_kind_of(key) == id->kind) {
        hf_write_text(why, "both are ");
        hf_write_text(why, kinds[id->kind]);
        hf_write_text(why, ", but of different pairs");
    } else {
        hf_write_text(why, "the key is ");
        hf_write_text(why, kinds[hf_key_kind_of(key)]);
        hf_write_text(why, ", the certificate's ");
        hf_write_text(why, kinds[id->kind]);
    }
    hf_write_text(why, "\n");
    return false;
}

hf_key *hf_identities_key(const hf_identities *ids, size_t index, hf_crypto *crypto, hf_writer *why)
{
    const hf_identity *const id = &ids->at[index];
    hf_key *key = NULL;
    hf_span pem = read_whole(id->key_fd);
    if (pem.ptr == NULL) {
        tell(why, id->key, system_reason());
        return NULL;
    }
    const hf_err err = hf_key_load(crypto, hf_bytes_make(pem.ptr, pem.len), &key);
    if (err.code != 0)
        tell(why, id->key, why_no_key(pem, err));
    hf_wipe(pem.ptr, pem.len);
    free(pem.ptr);
    if (key != NULL && !fits(id, crypto, key, why)) {
        hf_key_free(key);
        key = NULL;
    }
    return key;
}

/* ---- one thread's own --------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return hf_tls_name_order(a, b);
}

hf_err hf_identity_set_init(hf_identity_set *set, const hf_identities *ids, hf_crypto *crypto)
{
    size_t names = 0;
    for (size_t i = 0; i < ids->count; i++)
        names += count_hosts((const char *const *)ids->at[i].hosts);
    *set = (hf_identity_set){ .identities = calloc(ids->count + 1, sizeof *set->identities),
        .names = calloc(names + 1, sizeof *set->names) };
    hf_err err = set->identities != NULL && set->names != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
    for (size_t i = 0; err.code == 0 && i < ids->count; i++) {
        const hf_identity *const id = &ids->at[i];
        err = hf_chain_load(crypto, hf_bytes_make(id->pem.ptr, id->pem.len), &set->identities[i].chain);
        set->identities[i].staple = hf_bytes_make(id->staple.ptr, id->staple.len);
        set->count++;
        for (char **host = id->hosts; *host != NULL; host++)
            set->names[set->name_count++] = (hf_tls_name){ hf_text(*host), i };
    }
    if (err.code != 0)
        hf_identity_set_fini(set);
    else
        qsort(set->names, set->name_count, sizeof *set->names, by_name);
    return err;
}

void hf_identity_set_fini(hf_identity_set *set)
{
    for (size_t i = 0; set->identities != NULL && i < set->count; i++) {
        hf_chain_free(set->identities[i].chain);
        hf_key_free(set->identities[i].key);
    }
    free(set->identities);
    free(set->names);
    *set = (hf_identity_set){ 0 };
}
