/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes in SQLite: a page that lists them, a form that adds one, and the redirect after it, so that "reload" never adds
 * it twice. As JSON: curl -H 'Content-Type: application/json' -d '{"text":"milk"}' http://localhost:8080/api/notes
 * SQLite waits for the disk, and a handler must not: a thread for blocking work does it. One connection to the database
 * serves them all.
 */
#include <handfast/server.h>

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;

/* What a thread is to do (add `text`, or else list), and what came of it. */
typedef struct job {
    char *text;
    json_t *notes;
    bool page, failed;
} job;

static void free_job(job *j)
{
    free(j->text);
    json_decref(j->notes);
    free(j);
}

/* In a thread of its own: knows nothing of the request. */
static void work(void *what)
{
    job *j = what;
    sqlite3_stmt *s = NULL;
    if (j->text != NULL) {
        j->failed = sqlite3_prepare_v2(db, "INSERT INTO notes (text) VALUES (?)", -1, &s, NULL) != SQLITE_OK ||
            sqlite3_bind_text(s, 1, j->text, -1, SQLITE_STATIC) != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE;
        sqlite3_finalize(s);
        return;
    }
    j->failed = (j->notes = json_array()) == NULL ||
        sqlite3_prepare_v2(db, "SELECT id, text FROM notes ORDER BY id DESC LIMIT 100", -1, &s, NULL) != SQLITE_OK;
    while (!j->failed && sqlite3_step(s) == SQLITE_ROW)
        j->failed = json_array_append_new(j->notes, json_pack("{s:I, s:s}", "id", (json_int_t)sqlite3_column_int64(s, 0),
            "text", (const char *)sqlite3_column_text(s, 1))) != 0;
    sqlite3_finalize(s);
}

static void put_escaped(FILE *page, const char *text)
{
    for (; *text; text++)
        fprintf(page, strchr("<>&", *text) != NULL ? "&#%d;" : "%c", *text);
}

static hf_err reply_page(hf_req *rq, json_t *notes)
{
    char *text = NULL;
    size_t i, length = 0;
    json_t *note;
    FILE *page = open_memstream(&text, &length);
    if (page == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    fputs("<!doctype html><title>Notes</title><form method=post action=/notes><input name=text autofocus>"
          "<button>Add</button></form><ul>", page);
    json_array_foreach(notes, i, note) {
        fputs("<li>", page);
        put_escaped(page, json_string_value(json_object_get(note, "text")));
    }
    fputs("</ul>", page);
    fclose(page);
    const hf_err err = hf_reply(rq, 200, "text/html; charset=utf-8", hf_bytes_make(text, length));
    free(text);
    return err;
}

/* Back in the request's own thread. */
static hf_err done(hf_req *rq, void *what)
{
    job *j = what;
    hf_err err = hf_err_make(HF_ERR_IO_SYSTEM);
    if (rq == NULL || j->failed) /* without a request the client is gone; the note was added all the same */
        ;
    else if (j->text != NULL && j->page)
        err = hf_reply_redirect(rq, 303, hf_text("/"));
    else if (j->text != NULL)
        err = hf_reply_json(rq, 201, json_pack("{s:s}", "text", j->text));
    else
        err = j->page ? reply_page(rq, j->notes) : hf_reply_json(rq, 200, json_incref(j->notes));
    free_job(j);
    return err;
}

static hf_err start(hf_req *rq, bool page, const char *text, size_t length)
{
    job *j = calloc(1, sizeof *j);
    if (j == NULL || (text != NULL && (j->text = strndup(text, length)) == NULL)) {
        free(j);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    j->page = page;
    const hf_err err = hf_req_run_blocking(rq, work, done, j);
    if (err.code != 0)
        free_job(j);
    return err;
}

static hf_err show(hf_req *rq) { return start(rq, true, NULL, 0); }
static hf_err list(hf_req *rq) { return start(rq, false, NULL, 0); }

static hf_err add(hf_req *rq)
{
    const hf_bytes text = hf_req_form(rq, "text");
    return text.len > 0 ? start(rq, true, (const char *)text.ptr, text.len) : hf_reply_redirect(rq, 303, hf_text("/"));
}

static hf_err add_json(hf_req *rq)
{
    const json_t *text = json_object_get(hf_req_json(rq), "text");
    return json_is_string(text) ? start(rq, false, json_string_value(text), json_string_length(text))
                                : hf_reply_text(rq, 422, "wanted: {\"text\": \"...\"}\n");
}

static const hf_route routes[] = {
    { "GET", "/", .handle = show },
    { "POST", "/notes", .handle = add, .takes = HF_TAKES_FORM },
    { "GET", "/api/notes", .handle = list },
    { "POST", "/api/notes", .handle = add_json, .takes = HF_TAKES_JSON, .idempotency = HF_IDEMPOTENT_TAKEN },
};

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    const char *file = argc > 2 ? argv[2] : "notes.db";
    if (sqlite3_open(file, &db) != SQLITE_OK ||
        sqlite3_exec(db, "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)", NULL, NULL, NULL) != SQLITE_OK)
        return fprintf(stderr, "%s: %s\n", file, sqlite3_errmsg(db)), 1;
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes, .route_count = HF_COUNT(routes) });
    if (err.code == 0) {
        fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server);
    } else {
        fprintf(stderr, "%s\n", hf_server_why(server)); /* every reason */
    }
    hf_server_close(server); /* before the database: it waits for work under way */
    sqlite3_close(db);
    return err.code != 0;
}
