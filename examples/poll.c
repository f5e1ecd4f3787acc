/* SPDX-License-Identifier: Apache-2.0
 *
 * An application that `handfast serve` loads: a poll. The server has the listeners, certificates, logs, limits and guards; this
 * has the routes, and what they stand on.
 *
 *     cc -shared -fPIC -o poll.so poll.c $(pkg-config --cflags handfast)
 *     handfast check -c poll.conf          says what is wrong with it, and where
 *     handfast serve -c poll.conf          then look at http://localhost:8080/poll/
 *
 * Votes are lines of a file. A reload opens a context of its own while the old one still answers: so nothing here is static but
 * what never changes, and both may append to the file.
 */
#include <handfast/module.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { QUESTION, FILE_NAME, CHOICES = 2 }; /* the settings in their order */
static const hf_module_setting settings[] = {
    { .name = "question", .value = "Tea or coffee?" },
    { .name = "file", .required = true },
    { .name = NULL },
};
static const char *const choices[CHOICES] = { "tea", "coffee" };

typedef struct poll {
    const char *question;
    int file;
    pthread_mutex_t lock; /* handlers run in several threads */
    int64_t votes[CHOICES];
} poll;

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void count_votes(poll *p)
{
    char line[16];
    FILE *const f = fdopen(dup(p->file), "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        for (size_t i = 0; i < CHOICES; i++)
            p->votes[i] += strncmp(line, choices[i], strlen(choices[i])) == 0;
    if (f != NULL)
        fclose(f);
}

/* Changes nothing: `handfast check` asks. */
static hf_err check_settings(const hf_module_setting *given, hf_module_why *why)
{
    return given[FILE_NAME].value[0] == '/' ? HF_OK : hf_module_refuse(why, "file", "the file must be a whole path, such as /var/lib/handfast/votes");
}

static hf_err open_poll(const hf_module_setting *given, hf_module_why *why, void **context)
{
    poll *const p = calloc(1, sizeof *p);
    if (p == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    p->question = given[QUESTION].value;
    p->file = open(given[FILE_NAME].value, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (p->file < 0) {
        free(p);
        return hf_module_refuse(why, "file", "the file cannot be opened for writing by the server's user");
    }
    pthread_mutex_init(&p->lock, NULL);
    count_votes(p);
    *context = p;
    return HF_OK;
}

static void close_poll(void *context)
{
    poll *const p = context;
    close(p->file);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

/* Paths in the page are relative, so that it does not matter below which path the poll stands. */
static hf_err show(hf_req *rq)
{
    const poll *const p = hf_req_context(rq);
    char page[1024];
    const int length = snprintf(page, sizeof page, "<!doctype html><title>Poll</title><h1>%.200s</h1><form method=post action=votes>"
        "<button name=for value=tea>Tea</button> <button name=for value=coffee>Coffee</button></form><p><a href=votes>Votes</a>",
        p->question); /* the configuration's, which is trusted: text of others would be escaped */
    return hf_reply(rq, 200, "text/html; charset=utf-8", hf_bytes_make(page, (size_t)length));
}

static hf_err list(hf_req *rq)
{
    poll *const p = hf_req_context(rq);
    pthread_mutex_lock(&p->lock);
    const hf_member members[] = {
        { .name = "tea", .kind = HF_MEMBER_NUMBER, .number = p->votes[0] },
        { .name = "coffee", .kind = HF_MEMBER_NUMBER, .number = p->votes[1] },
    };
    pthread_mutex_unlock(&p->lock);
    return hf_reply_members(rq, 200, members, HF_COUNT(members));
}

static hf_err vote(hf_req *rq)
{
    poll *const p = hf_req_context(rq);
    const hf_bytes voted = hf_req_form(rq, "for");
    char line[16];
    for (size_t i = 0; i < CHOICES; i++) {
        if (!hf_bytes_equal(voted, hf_text(choices[i])))
            continue;
        const int length = snprintf(line, sizeof line, "%s\n", choices[i]);
        if (write(p->file, line, (size_t)length) != length) /* a few bytes, into the kernel's memory */
            return hf_err_make(HF_ERR_IO_SYSTEM);
        pthread_mutex_lock(&p->lock);
        p->votes[i]++;
        pthread_mutex_unlock(&p->lock);
        return hf_reply_redirect(rq, 303, hf_text("votes"));
    }
    return hf_reply_text(rq, 422, "vote for tea or coffee\n");
}

static const hf_route routes[] = {
    { .method = "GET", .path = "/", .handle = show },
    { .method = "GET", .path = "/votes", .handle = list },
    { .method = "POST", .path = "/votes", .handle = vote, .takes = HF_TAKES_FORM, .max_body = 1024 },
};

const hf_module handfast_module = { HF_MODULE_ABI, .name = "poll", .routes = routes, .route_count = HF_COUNT(routes), .settings = settings,
    .check = check_settings, .open = open_poll, .close = close_poll };
