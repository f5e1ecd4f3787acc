/* SPDX-License-Identifier: Apache-2.0
 *
 * The cookies of `handfast get`: read from files, kept while it runs, and written to a file.
 */
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "public_suffix.h"

enum { FILE_MOST = 16 << 20 };

static hf_wall now(void)
{
    return (hf_wall){ (int64_t)time(NULL) };
}

static hf_exit read_jar(hf_get *g, const char *path)
{
    FILE *const f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t bad = 0;
    if (f == NULL) /* the first run has none */
        return errno == ENOENT ? HF_EXIT_OK : hf_cli_failed(g->cli, "--cookie %s: %s", path, strerror(errno));
    char *const text = malloc(FILE_MOST);
    const size_t n = text != NULL ? fread(text, 1, FILE_MOST, f) : 0;
    const bool good = text != NULL && !ferror(f) && n < FILE_MOST && hf_jar_read(g->jar, hf_bytes_make(text, n), now(), &bad).code == 0;
    if (f != stdin)
        fclose(f);
    free(text);
    if (bad > 0)
        hf_get_note(g, "%s: %zu lines are no cookies", path, bad);
    return good ? HF_EXIT_OK : hf_cli_failed(g->cli, "--cookie %s: it cannot be read whole", path);
}

hf_exit hf_get_open_jar(hf_get *g, const char *const *files, size_t count)
{
    static const hf_jar_options options = { .is_public_suffix = hf_public_suffix_is };
    g->jar = hf_jar_new(hf_dialer_env(g->dialer), &options);
    hf_exit result = g->jar != NULL ? HF_EXIT_OK : hf_cli_failed(g->cli, "out of memory");
    for (size_t i = 0; i < count && result == HF_EXIT_OK; i++)
        result = files[i][0] != 0 ? read_jar(g, files[i]) : HF_EXIT_OK;
    return result;
}

/* Cookies are secrets, and the folder may be others' too: the file is ours alone, and new. */
static FILE *create_secret(const char *path)
{
    (void)unlink(path); /* of a run that was cut */
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *const f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f == NULL && fd >= 0)
        close(fd);
    return f;
}

hf_exit hf_get_save_jar(hf_get *g, const char *path)
{
    char fresh[4096 + 8];
    hf_jar_cookie c;
    const bool standard = strcmp(path, "-") == 0;
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return hf_cli_failed(g->cli, "--cookie-jar: the name is too long");
    FILE *const f = standard ? g->cli->out : create_secret(fresh);
    if (f == NULL)
        return hf_cli_failed(g->cli, "--cookie-jar %s: %s", fresh, strerror(errno));
    fputs("# Netscape HTTP Cookie File\n", f);
    for (size_t at = 0; hf_jar_next(g->jar, &at, &c);) {
        char line[HF_JAR_LINE];
        hf_writer w = hf_writer_make(line, sizeof line);
        hf_jar_write_line(&w, &c);
        if (w.overflowed)
            hf_get_note(g, "--cookie-jar: the cookie %.*s is too long for a line", HF_STR(c.name));
        else
            fwrite(line, 1, w.length, f);
    }
    if (standard)
        return HF_EXIT_OK;
    const bool bad = ferror(f) != 0, unclosed = fclose(f) != 0;
    if (!bad && !unclosed && rename(fresh, path) == 0) /* whole, or as it was */
        return HF_EXIT_OK;
    return hf_cli_failed(g->cli, "--cookie-jar %s: %s", path, strerror(errno));
}

hf_jar_request hf_get_place(const hf_get *g)
{
    const hf_bytes host = hf_text(g->at.host);
    const bool local = hf_bytes_equal(host, hf_text("localhost")) || hf_ends_with(host, hf_text(".localhost"));
    return (hf_jar_request){ .host = host, .path = g->at.target, .secure = g->at.secure || local };
}

void hf_get_take_cookies(hf_get *g, const hf_response_head *head)
{
    const hf_field *f = NULL;
    const hf_jar_request place = hf_get_place(g);
    while (g->jar != NULL && (f = hf_fields_next(head->fields, HF_FIELD_SET_COOKIE, f)) != NULL) {
        hf_jar_cookie said;
        const hf_err err = hf_jar_receive(g->jar, &place, f->value, now(), &said);
        if (err.code != 0)
            hf_get_note(g, "cookie %.*s is dropped: %s: %s", HF_STR(said.name), hf_err_text(err), hf_err_describe(err)->rule);
    }
}
