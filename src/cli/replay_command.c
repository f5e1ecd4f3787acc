/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast replay`: a recording of `handfast serve --record`, of a server or of one connection, played again through the same
 * code.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator.h"
#include "random.h"
#include "recording.h"
#include "tapes.h"

#define REPLAY_MOST (UINT64_C(4) << 30) /* whatever record_bytes was there: it must fit into memory here */

/* As `handfast serve` understood it. */
static hf_exit parse_again(hf_cli *cli, hf_recording *r, hf_arguments *arguments, hf_serve_options *options)
{
    const hf_command *const ours = cli->command;
    hf_exit result = HF_EXIT_FAILED;
    arguments->given = calloc(r->argument_count + 1, sizeof *arguments->given);
    arguments->operands = calloc(r->argument_count + 1, sizeof *arguments->operands);
    cli->command = hf_command_find("serve");
    if (arguments->given == NULL || arguments->operands == NULL)
        hf_cli_failed(cli, "out of memory");
    else
        result = hf_arguments_parse(cli, cli->command, (int)r->argument_count, r->arguments, arguments);
    if (result == HF_EXIT_OK)
        result = hf_serve_parse(cli, arguments, options);
    const char *const why = result == HF_EXIT_OK ? hf_recording_refuses(options) : NULL;
    cli->command = ours;
    if (result != HF_EXIT_OK)
        return hf_cli_failed(cli, "what the recorded server was asked is not to be understood");
    return why != NULL ? hf_cli_failed(cli, "%s", why) : HF_EXIT_OK;
}

/* The difference, or the end, and what it came to. */
static hf_exit tell(hf_cli *cli, const char *path, const hf_tape *t, const hf_replayed *went)
{
    if (hf_tape_differs(t))
        return hf_cli_failed(cli, "%s: a difference: %s", path, hf_tape_why(t));
    fprintf(cli->out, "same %s: trace %016llx, %llu connections, %llu requests, %llu turns\n",
        hf_tape_is_whole(t) ? "to the last byte" : "as far as the recording goes", (unsigned long long)hf_tape_hash(t),
        (unsigned long long)went->connections, (unsigned long long)went->requests, (unsigned long long)hf_tape_turns(t));
    return HF_EXIT_OK;
}

static hf_exit replay(hf_cli *cli, const char *path, hf_recording *r, hf_tape *t)
{
    static hf_serve_options options; /* large */
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_arguments arguments = { 0 };
    hf_replayed went = { 0 };
    if (!hf_recording_note(r, t))
        return hf_cli_failed(cli, "%s: its beginning says too little: %s", path,
            hf_tape_is_over(t) ? hf_tape_why(t) : "out of memory");
    hf_exit result = HF_EXIT_OK;
    if (strcmp(r->version, HF_VERSION) != 0)
        result = hf_cli_failed(cli, "%s was recorded by version %s, and this is " HF_VERSION ": only the same one does the same",
            path, r->version);
    if (result == HF_EXIT_OK)
        result = parse_again(cli, r, &arguments, &options);
    if (result == HF_EXIT_OK && !hf_recording_replay(r, &options, t, &went, &why))
        result = hf_cli_failed(cli, "%s: the server cannot be made again: %.*s", path, HF_STR(hf_written(&why)));
    if (result == HF_EXIT_OK)
        result = tell(cli, path, t, &went);
    free(arguments.given);
    free(arguments.operands);
    return result;
}

/* ---- one connection ----------------------------------------------------------------------------------------------- */

static void print_event(void *self, hf_time since, const hf_web_event *event)
{
    static const char *const names[] = { "request", "body", "trailers", "end", "refused", "sent", "reset", "writable", "opened", "want sign",
        "want verify", "closed" };
    FILE *const out = self;
    fprintf(out, "%12.6f  %s", (double)since.ns / 1e9, (size_t)event->kind < HF_COUNT(names) ? names[event->kind] : "?");
    if (event->kind != HF_WEB_CLOSED && event->kind != HF_WEB_OPENED)
        fprintf(out, " %llu", (unsigned long long)event->exchange);
    if (event->head != NULL)
        fprintf(out, ": %.*s %.*s", HF_STR(event->head->method_name), HF_STR(event->head->target));
    if (event->kind == HF_WEB_BODY)
        fprintf(out, ": %zu bytes", event->body.len);
    const hf_err err = event->fault != NULL ? event->fault->err : event->err;
    if (err.code != 0)
        fprintf(out, ": %s", hf_err_text(err));
    fputc('\n', out);
}

static hf_exit tell_connection(hf_cli *cli, const char *path, const hf_taped_file *f, const hf_web_played *p)
{
    if (!p->same)
        return hf_cli_failed(cli, "%s: a difference at byte %zu of the tape: %s", path, p->at, p->why);
    if (p->hash != f->hash)
        return hf_cli_failed(cli, "%s: a difference: trace %016llx, and it was %016llx", path, (unsigned long long)p->hash, (unsigned long long)f->hash);
    fprintf(cli->out, "same %s: trace %016llx, %llu events in %llu steps, %.3f s; ended %s\n", f->fell ? "as far as it goes" : "to the end",
        (unsigned long long)p->hash, (unsigned long long)p->events, (unsigned long long)p->steps, (double)p->ns / 1e9, f->ended);
    return HF_EXIT_OK;
}

static hf_exit replay_connection(hf_cli *cli, const char *path, hf_bytes bytes, bool steps)
{
    enum { PIECES = 64, SCRATCH = 65536 }; /* as a worker has them */
    static hf_extent pieces[PIECES];
    static uint8_t scratch[SCRATCH];
    char text[256];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_taped_file f;
    if (!hf_taped_read(bytes, &f, &why))
        return hf_cli_failed(cli, "%s: %.*s", path, HF_STR(hf_written(&why)));
    if (strcmp(f.version, HF_VERSION) != 0)
        return hf_cli_failed(cli, "%s was recorded by version %s, and this is " HF_VERSION ": only the same one does the same", path, f.version);
    hf_random random;
    hf_random_seed(&random, 1); /* no HTTP core draws from it */
    const hf_env env = { .alloc = *hf_allocator_default(), .random = &random, .limits = &f.limits };
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
    hf_web_played played;
    hf_web_tape_play(f.tape, &env, &out, steps ? print_event : NULL, cli->out, &played);
    return tell_connection(cli, path, &f, &played);
}

/* The whole of a file that begins as one connection's does; NULL: it does not. */
static uint8_t *read_connection(int fd, size_t *length)
{
    enum { MOST = 1 << 30 };
    char begin[sizeof HF_TAPED_FORMAT];
    struct stat st;
    *length = 0;
    if (pread(fd, begin, sizeof begin - 1, 0) != sizeof begin - 1 || memcmp(begin, HF_TAPED_FORMAT, sizeof begin - 1) != 0 ||
        fstat(fd, &st) != 0 || st.st_size > MOST)
        return NULL;
    uint8_t *bytes = malloc((size_t)st.st_size);
    for (ssize_t n = 1; bytes != NULL && n > 0 && *length < (size_t)st.st_size; *length += n > 0 ? (size_t)n : 0)
        n = pread(fd, bytes + *length, (size_t)st.st_size - *length, (off_t)*length);
    return bytes;
}

int hf_command_replay(hf_cli *cli, const hf_arguments *arguments)
{
    const char *const path = arguments->operands[0];
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    size_t length;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hf_cli_failed(cli, "%s: %s", path, strerror(errno));
    uint8_t *const connection = read_connection(fd, &length);
    if (connection != NULL) {
        close(fd);
        const hf_exit result = replay_connection(cli, path, hf_bytes_make(connection, length), hf_arguments_on(arguments, cli->command, "steps"));
        free(connection);
        return result;
    }
    hf_tape *t = hf_tape_play(fd, REPLAY_MOST, &why);
    close(fd);
    if (t == NULL)
        return hf_cli_failed(cli, "%s: %.*s", path, HF_STR(hf_written(&why)));
    hf_recording *r = calloc(1, sizeof *r);
    const hf_exit result = r != NULL ? replay(cli, path, r, t) : hf_cli_failed(cli, "out of memory");
    if (r != NULL)
        hf_recording_fini(r);
    free(r);
    hf_tape_free(t);
    return result;
}
