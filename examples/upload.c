/* SPDX-License-Identifier: Apache-2.0
 *
 * Uploads of any size go to the disk as they arrive, in constant memory:
 *     curl -F title=Holiday -F photo=@beach.jpg http://localhost:8080/upload
 * An upload that breaks off leaves nothing behind.
 */
#include <handfast/server.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *folder = ".";

/* One file on its way in. Lives as long as its request. */
typedef struct incoming {
    struct incoming *next; /* an earlier one of the same form */
    int fd;
    char path[256]; /* empty once the whole form is there: then the file stays */
    unsigned long long bytes;
} incoming;

/* Called when the request is over, however it ended. */
static void clean_up(void *what)
{
    incoming *in = what;
    if (in->fd >= 0)
        close(in->fd);
    if (in->path[0] != 0)
        unlink(in->path);
}

/* The request's own word holds the newest of its files. */
static incoming *newest(hf_req *rq)
{
    return (incoming *)(uintptr_t)*hf_req_word(rq);
}

/* The client's file name is a label, never a path of ours. */
static hf_err begin(hf_req *rq)
{
    incoming *in = hf_req_alloc(rq, sizeof *in);
    if (in == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    in->next = newest(rq);
    in->bytes = 0;
    snprintf(in->path, sizeof in->path, "%s/upload-XXXXXX", folder);
    in->fd = mkostemp(in->path, O_CLOEXEC);
    if (in->fd < 0)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    *hf_req_word(rq) = (uint64_t)(uintptr_t)in;
    const hf_err err = hf_req_hold(rq, clean_up, in);
    if (err.code != 0) {
        clean_up(in);
        *hf_req_word(rq) = 0;
    }
    return err;
}

static hf_err take(hf_req *rq, const hf_upload *upload)
{
    if (upload->first)
        return begin(rq);
    incoming *in = newest(rq);
    in->bytes += upload->piece.len; /* the last call has none */
    return write(in->fd, upload->piece.ptr, upload->piece.len) == (ssize_t)upload->piece.len ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
}

/* The form is whole. */
static hf_err uploaded(hf_req *rq)
{
    unsigned long long bytes = 0, files = 0;
    for (incoming *in = newest(rq); in != NULL; in = in->next) {
        fprintf(stderr, "%llu bytes in %s\n", in->bytes, in->path);
        in->path[0] = 0;
        bytes += in->bytes;
        files++;
    }
    return hf_reply_text(rq, 201, "%.*s: %llu bytes in %llu files\n", HF_STR(hf_req_form(rq, "title")), bytes, files);
}

static hf_err form(hf_req *rq)
{
    return hf_reply(rq, 200, "text/html; charset=utf-8", hf_text("<!doctype html><title>Upload</title>"
        "<form method=post action=/upload enctype=multipart/form-data>"
        "<input name=title placeholder=Title><input type=file name=photo><button>Send</button></form>"));
}

static const hf_route routes[] = {
    { "GET", "/", .handle = form },
    { "POST", "/upload", .handle = uploaded, .takes = HF_TAKES_FORM, .upload = take, .max_body = UINT64_C(4) << 30 },
};

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    if (argc > 2)
        folder = argv[2];
    hf_err err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" },
        .routes = routes, .route_count = HF_COUNT(routes) });
    if (err.code == 0) {
        fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server);
    } else {
        fprintf(stderr, "%s\n", hf_server_why(server));
    }
    hf_server_close(server);
    return err.code != 0;
}
