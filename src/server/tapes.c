/* SPDX-License-Identifier: Apache-2.0 */
#include "tapes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <handfast/version.h>

#include "alloc.h"
#include "limit_rules.h"
#include "log.h"
#include "module_file.h"
#include "tape.h"

#define SUFFIX ".conn"
enum { HEADER_MOST = 16384, NAME_MOST = 128, SAY_EVERY_S = 10, PIECES = 64, SCRATCH = 65536 };

struct hf_tapes {
    int folder;
    char *path;
    bool all, secrets;
    uint64_t most_files, most_bytes, most_each;
    _Atomic uint64_t files, bytes, unkept;
    _Atomic bool full; /* and said */
    _Atomic int64_t said_s;
};

struct hf_taped {
    hf_tapes *tapes;
    const hf_env *env;
    uint64_t id;
    hf_web_options options;
    hf_web_tape *tape;
};

/* ---- the folder --------------------------------------------------------------------------------------------------- */

static bool has_suffix(const char *name)
{
    const size_t n = strlen(name);
    return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

void hf_tapes_count(hf_tapes *t)
{
    struct stat st;
    atomic_store(&t->files, 0);
    atomic_store(&t->bytes, 0);
    const int fd = fcntl(t->folder, F_DUPFD_CLOEXEC, 3);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(folder)) != NULL;)
        if (has_suffix(e->d_name) && fstatat(t->folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            atomic_fetch_add(&t->files, 1);
            atomic_fetch_add(&t->bytes, (uint64_t)st.st_size);
        }
    closedir(folder);
}

hf_tapes *hf_tapes_open(const char *folder, bool all, bool secrets, const hf_limits *limits, hf_writer *why)
{
    hf_tapes *t = calloc(1, sizeof *t);
    char *path = strdup(folder);
    const int fd = t != NULL && path != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        hf_write_text(why, t == NULL || path == NULL ? "out of memory" : strerror(errno));
        free(path);
        free(t);
        return NULL;
    }
    t->folder = fd;
    t->path = path;
    t->all = all;
    t->secrets = secrets;
    t->most_files = limits->record_files;
    t->most_bytes = limits->record_bytes;
    t->most_each = limits->record_connection_bytes;
    hf_tapes_count(t);
    return t;
}

void hf_tapes_close(hf_tapes *t)
{
    if (t == NULL)
        return;
    close(t->folder);
    free(t->path);
    free(t);
}

/* ---- one connection ----------------------------------------------------------------------------------------------- */

hf_taped *hf_taped_new(hf_tapes *t, const hf_env *env, uint64_t id, const hf_web_options *options, bool secured)
{
    if (atomic_load_explicit(&t->full, memory_order_relaxed))
        return NULL;
    hf_taped *r = hf_alloc_zeroed(&env->alloc, sizeof *r);
    hf_web_tape *tape = r != NULL ? hf_web_tape_new(env, t->most_each, secured) : NULL;
    if (tape == NULL) {
        hf_free(&env->alloc, r, sizeof *r);
        return NULL;
    }
    *r = (hf_taped){ .tapes = t, .env = env, .id = id, .options = *options, .tape = tape };
    r->options.tape = tape;
    r->options.spares = NULL; /* cores of this connection are of its own memory */
    return r;
}

const hf_env *hf_taped_env(const hf_taped *r)
{
    return hf_web_tape_env(r->tape);
}

const hf_web_options *hf_taped_options(const hf_taped *r)
{
    return &r->options;
}

/* ---- written ------------------------------------------------------------------------------------------------------- */

static void write_limits(hf_writer *w, const hf_limits *limits)
{
    const hf_limits *const usual = hf_limits_default();
#define HF_LIMIT(name, value, unit, why) \
    if (limits->name != usual->name) { \
        hf_write_text(w, "limit " #name " "); \
        hf_write_decimal(w, limits->name); \
        hf_write_byte(w, '\n'); \
    }
#include <handfast/limits.def>
#undef HF_LIMIT
}

/* "fell", or "fell:notes.so" where it was in an application's code: one word, that hf_taped_file.ended has room for. */
static void write_fall(hf_writer *w)
{
    enum { MOST = 24 };
    const char *const whose = hf_module_fallen();
    hf_write_text(w, whose != NULL ? "fell:" : "fell");
    for (size_t i = 0; whose != NULL && whose[i] != 0 && i < MOST; i++)
        hf_write_byte(w, whose[i] > ' ' && whose[i] < 0x7f ? (uint8_t)whose[i] : '_');
}

/* Lines of a name and a value, an empty one, and the tape. */
static void write_header(hf_writer *w, const hf_taped *r, bool secrets, bool fell)
{
    const hf_err verdict = hf_web_tape_verdict(r->tape);
    const hf_bytes tape = hf_web_tape_bytes(r->tape);
    hf_write_text(w, HF_TAPED_FORMAT "version " HF_VERSION "\nconnection c");
    hf_write_hex(w, r->id);
    hf_write_text(w, "\nended ");
    if (fell)
        write_fall(w);
    else
        hf_write_text(w, verdict.code != 0 ? hf_err_describe(verdict)->id : "well");
    hf_write_text(w, secrets ? "\nsecrets kept\ntrace " : "\nsecrets blanked\ntrace ");
    hf_write_hex(w, hf_web_tape_hash(r->tape));
    hf_write_text(w, "\nchecksum ");
    hf_write_decimal(w, hf_tape_crc(tape));
    hf_write_text(w, "\nbytes ");
    hf_write_decimal(w, tape.len);
    hf_write_byte(w, '\n');
    write_limits(w, r->env->limits);
    hf_write_byte(w, '\n');
}

static bool write_whole(int fd, hf_bytes b)
{
    while (b.len > 0) {
        const ssize_t n = write(fd, b.ptr, b.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        b = hf_bytes_make(b.ptr + n, b.len - (size_t)n);
    }
    return true;
}

/* False, and errno: nothing is left of it. */
static bool write_file(const hf_tapes *t, const char *name, hf_bytes header, hf_bytes tape)
{
    const int fd = openat(t->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    const bool good = write_whole(fd, header) && write_whole(fd, tape);
    const int why = errno;
    close(fd);
    if (!good)
        (void)unlinkat(t->folder, name, 0);
    errno = why;
    return good;
}

static void give_room_back(hf_tapes *t, uint64_t length)
{
    atomic_fetch_sub(&t->files, 1);
    atomic_fetch_sub(&t->bytes, length);
}

/* Room for one more, taken before it is written: threads that only looked would all find the last place free. */
static bool take_room(hf_tapes *t, uint64_t length)
{
    const uint64_t files = atomic_fetch_add(&t->files, 1) + 1, bytes = atomic_fetch_add(&t->bytes, length) + length;
    if (files <= t->most_files && bytes <= t->most_bytes)
        return true;
    give_room_back(t, length);
    if (!atomic_exchange(&t->full, true))
        hf_log(HF_LOG_WARNING, HF_OK, "no more connections are recorded: %s holds %llu of them, %llu bytes (limits record_files, record_bytes)",
            t->path, (unsigned long long)files - 1, (unsigned long long)(bytes - length));
    return false;
}

/* At most once in a while: who causes them may cause many. */
static void say_unkept(hf_tapes *t, uint64_t id, const char *why)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t count = atomic_fetch_add(&t->unkept, 1) + 1;
    int64_t said = atomic_load(&t->said_s);
    if ((said != 0 && now.tv_sec - said < SAY_EVERY_S) || !atomic_compare_exchange_strong(&t->said_s, &said, now.tv_sec))
        return;
    hf_log(HF_LOG_INFO, HF_OK, "connection c%llx is not recorded: %s (%llu so far)", (unsigned long long)id, why, (unsigned long long)count);
}

/* Why it cannot be kept; NULL: it was. */
static const char *keep(hf_taped *r, hf_out *out)
{
    hf_tapes *const t = r->tapes;
    char name[NAME_MOST], header[HEADER_MOST];
    hf_web_played played;
    hf_writer w = hf_writer_make(header, sizeof header);
    if (hf_web_tape_flaw(r->tape) != NULL)
        return hf_web_tape_flaw(r->tape);
    if (!t->secrets && !hf_web_tape_blank(r->tape))
        return "HTTP/2 and HTTP/3 compress fields together, so their secrets cannot be blanked; secrets keep records it";
    hf_web_tape_play(hf_web_tape_bytes(r->tape), r->env, out, NULL, NULL, &played);
    if (!played.same || played.hash != hf_web_tape_hash(r->tape))
        return played.same ? "played again it does otherwise" : played.why;
    write_header(&w, r, t->secrets, false);
    const hf_err verdict = hf_web_tape_verdict(r->tape);
    const uint64_t length = w.length + hf_web_tape_bytes(r->tape).len;
    if (w.overflowed || !take_room(t, length))
        return w.overflowed ? "its limits are too many" : "";
    snprintf(name, sizeof name, "c%llx-%s" SUFFIX, (unsigned long long)r->id, verdict.code != 0 ? hf_err_describe(verdict)->id : "well");
    if (!write_file(t, name, hf_written(&w), hf_web_tape_bytes(r->tape))) {
        const int why = errno;
        give_room_back(t, length);
        return strerror(why);
    }
    if (verdict.code != 0)
        hf_log(HF_LOG_INFO, verdict, "connection c%llx is recorded: handfast replay %s/%s", (unsigned long long)r->id, t->path, name);
    return NULL;
}

void hf_taped_end(hf_taped *r, hf_out *out)
{
    if (r == NULL)
        return;
    const bool wanted = r->tapes->all || hf_web_tape_verdict(r->tape).code != 0;
    const char *why = wanted && hf_web_tape_has_bytes(r->tape) ? keep(r, out) : NULL;
    if (why != NULL && why[0] != 0)
        say_unkept(r->tapes, r->id, why);
    hf_web_tape_free(r->tape);
    hf_free(&r->env->alloc, r, sizeof *r);
}

/* ---- when the process falls ---------------------------------------------------------------------------------------- */

static _Thread_local hf_taped *volatile here;
static hf_tapes *watched;

void hf_tapes_here(hf_taped *r)
{
    here = r;
}

/* Of the process, and the connection: the supervisor finds it by the first. */
static void name_fallen(hf_writer *w, int pid, const hf_taped *r)
{
    hf_write_text(w, "fell-");
    hf_write_decimal(w, (uint64_t)pid);
    hf_write_text(w, "-c");
    hf_write_hex(w, r->id);
    hf_write_text(w, SUFFIX);
    hf_write_byte(w, 0);
}

/* Nothing here allocates or locks. What follows is what would have followed: the signal comes again, and finds nobody. */
static void fall(int signal_number)
{
    static char header[HEADER_MOST];
    static _Atomic bool falling;
    char name[NAME_MOST];
    hf_taped *const r = here;
    if (r != NULL && !atomic_exchange(&falling, true) && (watched->secrets || hf_web_tape_blank(r->tape))) {
        hf_writer w = hf_writer_make(header, sizeof header), n = hf_writer_make(name, sizeof name);
        write_header(&w, r, watched->secrets, true);
        name_fallen(&n, getpid(), r);
        if (!w.overflowed && !n.overflowed)
            (void)write_file(watched, name, hf_written(&w), hf_web_tape_bytes(r->tape));
    }
    (void)raise(signal_number);
}

void hf_tapes_watch(hf_tapes *t)
{
    static const int deaths[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    struct sigaction act = { .sa_handler = fall, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK) };
    watched = t;
    for (size_t i = 0; i < HF_COUNT(deaths); i++)
        sigaction(deaths[i], &act, NULL);
}

bool hf_tapes_left(const char *folder, int pid, char *path, size_t size)
{
    char prefix[64];
    bool found = false;
    DIR *d = opendir(folder);
    snprintf(prefix, sizeof prefix, "fell-%d-", pid);
    for (const struct dirent *e; d != NULL && !found && (e = readdir(d)) != NULL;)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && has_suffix(e->d_name))
            found = (size_t)snprintf(path, size, "%s/%s", folder, e->d_name) < size;
    if (d != NULL)
        closedir(d);
    return found;
}

/* ---- read again ---------------------------------------------------------------------------------------------------- */

static bool copy_word(hf_bytes word, char *to, size_t size)
{
    if (word.len >= size)
        return false;
    if (word.len > 0)
        memcpy(to, word.ptr, word.len);
    to[word.len] = 0;
    return true;
}

/* With what no server may have, a core would be used wrongly. */
static bool read_limit(hf_bytes words, hf_limits *limits)
{
    hf_bytes name;
    uint64_t value;
    hf_limit_bounds bounds;
    if (!hf_split(&words, ' ', &name) || !hf_parse_decimal(words, &value))
        return false;
#define HF_LIMIT(limit, usual, unit, why) \
    if (hf_bytes_equal(name, hf_text(#limit))) { \
        bounds = hf_limit_bounds_of(#limit, unit); \
        limits->limit = value; \
        return value == usual || (value >= bounds.least && value <= bounds.most); \
    }
#include <handfast/limits.def>
#undef HF_LIMIT
    return false;
}

static bool read_hash(hf_bytes word, uint64_t *hash)
{
    *hash = 0;
    for (size_t i = 0; i < word.len; i++) {
        const int digit = hf_hex_digit(word.ptr[i]);
        if (digit < 0 || i == 16)
            return false;
        *hash = *hash << 4 | (unsigned)digit;
    }
    return word.len > 0;
}

typedef struct facts {
    uint64_t checksum, bytes;
} facts;

static bool read_line(hf_bytes line, hf_taped_file *to, facts *f)
{
    hf_bytes name;
    if (!hf_split(&line, ' ', &name))
        return false;
    if (hf_bytes_equal(name, hf_text("version")))
        return copy_word(line, to->version, sizeof to->version);
    if (hf_bytes_equal(name, hf_text("ended"))) {
        to->fell = hf_bytes_equal(line, hf_text("fell")) || (line.len > 5 && memcmp(line.ptr, "fell:", 5) == 0);
        return copy_word(line, to->ended, sizeof to->ended);
    }
    if (hf_bytes_equal(name, hf_text("secrets"))) {
        to->secrets = hf_bytes_equal(line, hf_text("kept"));
        return true;
    }
    if (hf_bytes_equal(name, hf_text("trace")))
        return read_hash(line, &to->hash);
    if (hf_bytes_equal(name, hf_text("checksum")))
        return hf_parse_decimal(line, &f->checksum);
    if (hf_bytes_equal(name, hf_text("bytes")))
        return hf_parse_decimal(line, &f->bytes);
    if (hf_bytes_equal(name, hf_text("limit")))
        return read_limit(line, &to->limits);
    return hf_bytes_equal(name, hf_text("connection"));
}

bool hf_taped_read(hf_bytes file, hf_taped_file *to, hf_writer *why)
{
    const hf_bytes format = hf_text(HF_TAPED_FORMAT);
    facts f = { 0 };
    *to = (hf_taped_file){ .limits = *hf_limits_default() };
    hf_bytes rest = file, line = { 0 };
    if (file.len < format.len || memcmp(file.ptr, format.ptr, format.len) != 0) {
        hf_write_text(why, "it is no recorded connection");
        return false;
    }
    rest = hf_bytes_make(file.ptr + format.len, file.len - format.len);
    while (hf_split(&rest, '\n', &line) && line.len > 0)
        if (!read_line(line, to, &f)) {
            hf_write_text(why, "its beginning has a line that is none of ours, or a limit that no server may have");
            return false;
        }
    to->tape = rest;
    if (f.bytes == rest.len && f.checksum == hf_tape_crc(rest) && to->version[0] != 0)
        return true;
    hf_write_text(why, "it is damaged: what follows its beginning is not what was written");
    return false;
}
