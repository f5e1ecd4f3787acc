/* SPDX-License-Identifier: Apache-2.0
 *
 * What an application does beyond a fixed answer, one thing a route: what does each cost?
 *
 *     app PORT [ROUTES]     serves until SIGTERM, with ROUTES more rows in its table
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <handfast/server.h>

static hf_err hello(hf_req *rq)
{
    static const hf_bytes text = HF_LITERAL("Hello World\n");
    return hf_reply(rq, 200, "text/plain", text);
}

/* ---- two arguments, and JSON ------------------------------------------------------------------------------------ */

static hf_err note(hf_req *rq)
{
    const hf_bytes user = hf_path_arg(rq, "user"), id = hf_path_arg(rq, "note");
    const hf_member members[] = { { .name = "user", .text = user }, { .name = "note", .text = id } };
    return hf_reply_members(rq, 200, members, HF_COUNT(members));
}

/* The same through a tree of jansson's. */
static hf_err tree(hf_req *rq)
{
    const hf_bytes user = hf_path_arg(rq, "user"), id = hf_path_arg(rq, "note");
    json_t *const object = json_object();
    if (json_object_set_new(object, "user", json_stringn((const char *)user.ptr, user.len)) != 0 ||
        json_object_set_new(object, "note", json_stringn((const char *)id.ptr, id.len)) != 0) {
        json_decref(object);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    return hf_reply_json(rq, 200, object);
}

/* And with the tree out of a format, which jansson reads each time. */
static hf_err packed(hf_req *rq)
{
    const hf_bytes user = hf_path_arg(rq, "user"), id = hf_path_arg(rq, "note");
    return hf_reply_json(rq, 200, json_pack("{s:s%, s:s%}", "user", user.ptr, user.len, "note", id.ptr, id.len));
}

/* ---- answered by another thread --------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    hf_later *tickets[4096];
    size_t first, count;
} desk = { .lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER };

static void *clerk(void *argument)
{
    static const hf_bytes text = HF_LITERAL("Hello World\n");
    for (;;) {
        pthread_mutex_lock(&desk.lock);
        while (desk.count == 0)
            pthread_cond_wait(&desk.some, &desk.lock);
        hf_later *const ticket = desk.tickets[desk.first];
        desk.first = (desk.first + 1) % HF_COUNT(desk.tickets);
        desk.count--;
        pthread_mutex_unlock(&desk.lock);
        (void)hf_later_answer(ticket, 200, "text/plain", text).code;
        hf_later_drop(ticket);
    }
    return argument;
}

static hf_err later(hf_req *rq)
{
    hf_later *ticket;
    const hf_err err = hf_req_later(rq, &ticket);
    if (err.code != 0)
        return err;
    pthread_mutex_lock(&desk.lock);
    const bool room = desk.count < HF_COUNT(desk.tickets);
    if (room)
        desk.tickets[(desk.first + desk.count++) % HF_COUNT(desk.tickets)] = ticket;
    if (desk.count == 1)
        pthread_cond_signal(&desk.some);
    pthread_mutex_unlock(&desk.lock);
    if (!room)
        hf_later_drop(ticket);
    return HF_OK;
}

/* ---- a file that is uploaded ------------------------------------------------------------------------------------ */

static void close_file(void *file)
{
    fclose(file);
}

static hf_err take(hf_req *rq, const hf_upload *upload)
{
    uint64_t *const word = hf_req_word(rq);
    if (upload->first) {
        FILE *const file = tmpfile();
        if (file == NULL)
            return hf_err_make(HF_ERR_IO_SYSTEM);
        setvbuf(file, NULL, _IONBF, 0);
        *word = (uint64_t)(uintptr_t)file;
        return hf_req_hold(rq, close_file, file);
    }
    FILE *const file = (FILE *)(uintptr_t)*word;
    return fwrite(upload->piece.ptr, 1, upload->piece.len, file) == upload->piece.len ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
}

static hf_err uploaded(hf_req *rq)
{
    return *hf_req_word(rq) != 0 ? hf_reply_text(rq, 200, "%ld\n", ftell((FILE *)(uintptr_t)*hf_req_word(rq))) : hf_reply_text(rq, 400, "none\n");
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const hf_route few[] = {
    { .method = "GET", .path = "/", .handle = hello },
    { .method = "GET", .path = "/users/{user}/notes/{note}", .handle = note },
    { .method = "GET", .path = "/trees/{user}/notes/{note}", .handle = tree },
    { .method = "GET", .path = "/packs/{user}/notes/{note}", .handle = packed },
    { .method = "GET", .path = "/later", .handle = later },
    { .method = "POST", .path = "/upload", .handle = uploaded, .takes = HF_TAKES_FORM, .upload = take, .max_body = UINT64_C(8) << 30 },
};

int main(int argc, char **argv)
{
    const size_t more = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    hf_route *const routes = calloc(HF_COUNT(few) + more, sizeof *routes);
    char(*const paths)[48] = calloc(more + 1, sizeof *paths);
    pthread_t thread;
    if (argc < 2 || argc > 3 || routes == NULL || paths == NULL || pthread_create(&thread, NULL, clerk, NULL) != 0) {
        fprintf(stderr, "usage: app PORT [ROUTES]\n");
        return 2;
    }
    memcpy(routes, few, sizeof few);
    for (size_t i = 0; i < more; i++) {
        snprintf(paths[i], sizeof paths[i], "/things/%zu/parts/{part}", i);
        routes[HF_COUNT(few) + i] = (hf_route){ .method = "GET", .path = paths[i], .handle = hello };
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", atoi(argv[1]));
    hf_limits limits = *hf_limits_default();
    limits.requests_per_connection = UINT64_MAX;
    limits.connections_per_address = limits.connections;
    limits.idle_ns = HF_SECONDS(600);
    hf_server *server = NULL;
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { url }, .routes = routes,
        .route_count = HF_COUNT(few) + more, .threads = 1, .limits = &limits });
    if (err.code == 0)
        err = hf_server_run(server);
    else
        fprintf(stderr, "app: %s\n", hf_server_why(server));
    hf_server_close(server);
    free(paths);
    free(routes);
    return err.code != 0;
}
