/* SPDX-License-Identifier: Apache-2.0 */
#include "get.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "address.h"
#include "text.h"

enum { LARGE_PIECE = 4096 };

/* ---- on standard error -------------------------------------------------------------------------------------- */

void hf_get_note(const hf_get *g, const char *format, ...)
{
    va_list arguments;
    if (!g->verbose)
        return;
    fputs("* ", g->cli->err);
    va_start(arguments, format);
    vfprintf(g->cli->err, format, arguments);
    va_end(arguments);
    fputc('\n', g->cli->err);
}

hf_exit hf_get_fail(hf_get *g, hf_exit exit, const char *format, ...)
{
    va_list arguments;
    if (g->silent)
        return exit;
    fputs("handfast get: ", g->cli->err);
    va_start(arguments, format);
    vfprintf(g->cli->err, format, arguments);
    va_end(arguments);
    fputc('\n', g->cli->err);
    return exit;
}

static const char *version_name(hf_version v)
{
    return v == HF_HTTP_3 ? "3" : v == HF_HTTP_2 ? "2" : v == HF_HTTP_1_0 ? "1.0" : "1.1";
}

void hf_get_tell_line(const hf_get *g, const hf_line *line, hf_version version, bool reused)
{
    char text[80];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (!g->verbose)
        return;
    if (reused) {
        hf_get_note(g, "the connection to %s is used again", g->at.host);
        return;
    }
    hf_address_write(&w, &line->peer, true);
    hf_get_note(g, "connected to %s (%.*s)", g->at.host, HF_STR(hf_written(&w)));
    if (line->quic != NULL)
        hf_get_note(g, "QUIC, TLS 1.3, %s, %s, ALPN h3", hf_quic_suite(hf_quic_line_quic(line->quic)), hf_quic_group(hf_quic_line_quic(line->quic)));
    if (line->tls == NULL || version == HF_HTTP_3)
        return;
    const hf_tls *const t = hf_tls_pier_core(line->tls);
    const hf_bytes protocol = hf_tls_protocol(t);
    hf_get_note(g, "TLS %s, %s, %s%s%.*s%s", hf_tls_version(t) == HF_TLS_1_3 ? "1.3" : "1.2", hf_tls_suite(t), hf_tls_group(t),
                protocol.len > 0 ? ", ALPN " : "", HF_STR(protocol), hf_tls_resumed(t) ? ", resumed" : "");
}

static void print_fields(FILE *out, const char *mark, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++)
        fprintf(out, "%s%.*s: %.*s\n", mark, HF_STR(fields.at[i].name), HF_STR(fields.at[i].value));
}

void hf_get_tell_request(const hf_get *g, const hf_request_head *head)
{
    if (!g->verbose)
        return;
    fprintf(g->cli->err, "> %.*s %.*s HTTP/%s\n", HF_STR(head->method_name), HF_STR(head->target), version_name(head->version));
    print_fields(g->cli->err, "> ", head->fields);
    fputs(">\n", g->cli->err);
}

/* ---- the answer --------------------------------------------------------------------------------------------- */

/* The last part of the path, as a name in this folder. */
static bool name_of(const hf_get *g, char *name, size_t size)
{
    hf_bytes path = g->first_at.target; /* of the URL that was asked for: a redirect names no file here */
    const uint8_t *const mark = memchr(path.ptr, '?', path.len);
    path.len = mark != NULL ? (size_t)(mark - path.ptr) : path.len;
    const uint8_t *const slash = memrchr(path.ptr, '/', path.len);
    const size_t n = (size_t)(path.ptr + path.len - slash - 1);
    const hf_bytes last = hf_bytes_make(slash + 1, n);
    if (n == 0 || n >= size || hf_bytes_equal(last, hf_text(".")) || hf_bytes_equal(last, hf_text("..")))
        return false;
    snprintf(name, size, "%.*s", HF_STR(last));
    return true;
}

hf_exit hf_get_name_output(hf_get *g)
{
    if (g->output != NULL && strcmp(g->output, "-") == 0)
        return HF_EXIT_OK;
    if (g->output != NULL && (size_t)snprintf(g->out_name, sizeof g->out_name, "%s", g->output) >= sizeof g->out_name)
        return hf_get_fail(g, HF_EXIT_FAILED, "the name of --output is too long");
    if (g->output == NULL && g->remote_name && !name_of(g, g->out_name, sizeof g->out_name))
        return hf_get_fail(g, HF_EXIT_FAILED, "--remote-name: the URL ends without a name; say --output FILE");
    return HF_EXIT_OK;
}

static hf_exit open_output(hf_get *g)
{
    if (g->out != NULL)
        return HF_EXIT_OK;
    g->out = g->cli->out;
    if (g->out_name[0] == 0)
        return HF_EXIT_OK;
    g->out = fopen(g->out_name, g->resume_from > 0 ? "ab" : "wb");
    if (g->out != NULL)
        return HF_EXIT_OK;
    g->out = NULL;
    return hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->out_name, strerror(errno));
}

hf_exit hf_get_write_head(hf_get *g, const hf_response_head *head)
{
    const hf_bytes reason = head->reason.len > 0 ? head->reason : hf_status_phrase(head->status);
    const char *const version = version_name(head->version);
    for (int side = 0; side < 2; side++) {
        if (side == 0 ? !g->verbose : !g->with_heads)
            continue;
        const hf_exit opened = side == 1 ? open_output(g) : HF_EXIT_OK;
        FILE *const out = side == 0 ? g->cli->err : g->out;
        const char *const mark = side == 0 ? "< " : "";
        if (opened != HF_EXIT_OK)
            return opened;
        fprintf(out, "%sHTTP/%s %u%s%.*s\n", mark, version, head->status, reason.len > 0 ? " " : "", HF_STR(reason));
        print_fields(out, mark, head->fields);
        fprintf(out, "%s\n", side == 0 ? "<" : "");
    }
    return HF_EXIT_OK;
}

/* What is large goes past the C library's buffer, which would cut it in two. */
static bool write_piece(FILE *out, hf_bytes piece)
{
    const int fd = piece.len >= LARGE_PIECE ? fileno(out) : -1;
    if (fd < 0)
        return fwrite(piece.ptr, 1, piece.len, out) == piece.len;
    if (fflush(out) != 0)
        return false;
    while (piece.len > 0) {
        const ssize_t n = write(fd, piece.ptr, piece.len);
        if (n < 0 && errno != EINTR)
            return false;
        piece = hf_bytes_make(piece.ptr + (n > 0 ? n : 0), piece.len - (size_t)(n > 0 ? n : 0));
    }
    return true;
}

hf_exit hf_get_write(hf_get *g, hf_bytes piece)
{
    const hf_exit opened = open_output(g);
    if (opened != HF_EXIT_OK || piece.len == 0)
        return opened;
    if (g->out == stdout && g->output == NULL && isatty(STDOUT_FILENO) && memchr(piece.ptr, 0, piece.len) != NULL)
        return hf_get_fail(g, HF_EXIT_FAILED, "the body is no text: it would spoil the terminal. Say --output FILE, or --output - to have it here");
    if (!write_piece(g->out, piece))
        return hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->out_name[0] != 0 ? g->out_name : "standard output", strerror(errno));
    return HF_EXIT_OK;
}

hf_exit hf_get_close_output(hf_get *g)
{
    /* what was asked for by name is there, were it empty */
    hf_exit result = g->out == NULL && g->status >= 200 && (g->output != NULL || g->remote_name) && !(g->fails && g->status >= 400) ? open_output(g) : HF_EXIT_OK;
    if (g->out == NULL)
        return result;
    const bool own = g->out != g->cli->out, bad = fflush(g->out) != 0 || ferror(g->out);
    const int why = errno;
    if ((own && fclose(g->out) != 0) || bad)
        result = hf_get_fail(g, HF_EXIT_FAILED, "%s: %s", g->out_name[0] != 0 ? g->out_name : "standard output", strerror(bad ? why : errno));
    g->out = NULL;
    return result;
}

/* ---- --write-out -------------------------------------------------------------------------------------------- */

static double seconds_since(const hf_get *g, hf_time at)
{
    return at.ns > g->began.ns ? (double)(at.ns - g->began.ns) / 1e9 : 0;
}

static bool print_variable(const hf_get *g, hf_bytes name);

/* Every variable, numbers as numbers. */
static void print_json(const hf_get *g)
{
    static const char *const numbers[] = { "response_code", "size_download", "size_upload", "num_redirects", "num_connects", "remote_port", "time_namelookup",
        "time_connect", "time_appconnect", "time_starttransfer", "time_total", "exitcode" };
    const struct {
        const char *name, *value;
    } texts[] = { { "http_version", g->status == 0 ? "0" : version_name(g->answered) }, { "url_effective", g->url }, { "content_type", g->type },
                  { "filename_effective", g->out_name }, { "remote_ip", g->peer } };
    fputc('{', g->cli->out);
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        static char escaped[6 * HF_CLIENT_URL_BYTES];
        hf_writer w = hf_writer_make(escaped, sizeof escaped);
        hf_write_json(&w, hf_text(texts[i].value));
        fprintf(g->cli->out, "\"%s\":\"%.*s\",", texts[i].name, HF_STR(hf_written(&w)));
    }
    for (size_t i = 0; i < HF_COUNT(numbers); i++) {
        fprintf(g->cli->out, "%s\"%s\":", i > 0 ? "," : "", numbers[i]);
        if (g->status == 0 && i == 0) /* no leading zeros in JSON */
            fputc('0', g->cli->out);
        else
            (void)print_variable(g, hf_text(numbers[i]));
    }
    fputc('}', g->cli->out);
}

static bool print_variable(const hf_get *g, hf_bytes name)
{
    FILE *const out = g->cli->out;
    if (hf_bytes_equal(name, hf_text("http_code")) || hf_bytes_equal(name, hf_text("response_code")))
        fprintf(out, "%03u", g->status);
    else if (hf_bytes_equal(name, hf_text("http_version")))
        fputs(g->status == 0 ? "0" : version_name(g->answered), out);
    else if (hf_bytes_equal(name, hf_text("size_download")))
        fprintf(out, "%llu", (unsigned long long)g->received);
    else if (hf_bytes_equal(name, hf_text("num_redirects")))
        fprintf(out, "%llu", (unsigned long long)g->redirects);
    else if (hf_bytes_equal(name, hf_text("url_effective")))
        fputs(g->url, out);
    else if (hf_bytes_equal(name, hf_text("content_type")))
        fputs(g->type, out);
    else if (hf_bytes_equal(name, hf_text("filename_effective")))
        fputs(g->out_name, out);
    else if (hf_bytes_equal(name, hf_text("time_starttransfer")))
        fprintf(out, "%.6f", seconds_since(g, g->first));
    else if (hf_bytes_equal(name, hf_text("time_total")))
        fprintf(out, "%.6f", seconds_since(g, hf_dialer_now(g->dialer)));
    else if (hf_bytes_equal(name, hf_text("time_namelookup")))
        fprintf(out, "%.6f", seconds_since(g, g->named));
    else if (hf_bytes_equal(name, hf_text("time_connect")))
        fprintf(out, "%.6f", seconds_since(g, g->connected));
    else if (hf_bytes_equal(name, hf_text("time_appconnect")))
        fprintf(out, "%.6f", seconds_since(g, g->secured));
    else if (hf_bytes_equal(name, hf_text("num_connects")))
        fprintf(out, "%llu", (unsigned long long)g->connects);
    else if (hf_bytes_equal(name, hf_text("size_upload")))
        fprintf(out, "%llu", (unsigned long long)g->uploaded);
    else if (hf_bytes_equal(name, hf_text("exitcode")))
        fprintf(out, "%d", g->result);
    else if (hf_bytes_equal(name, hf_text("remote_ip")))
        fputs(g->peer, out);
    else if (hf_bytes_equal(name, hf_text("remote_port")))
        fprintf(out, "%u", g->peer_port);
    else if (hf_bytes_equal(name, hf_text("json")))
        print_json(g);
    else
        return false;
    return true;
}

void hf_get_write_out(const hf_get *g)
{
    FILE *const out = g->cli->out;
    for (const char *p = g->format != NULL ? g->format : ""; *p != 0; p++) {
        const char *const close = p[0] == '%' && p[1] == '{' ? strchr(p, '}') : NULL;
        if (close != NULL) {
            const hf_bytes name = hf_bytes_make(p + 2, (size_t)(close - p - 2));
            if (!print_variable(g, name))
                (void)hf_get_fail((hf_get *)g, HF_EXIT_USAGE, "--write-out: there is no variable %%{%.*s}", HF_STR(name));
            p = close;
        } else if (p[0] == '\\' && (p[1] == 'n' || p[1] == 't' || p[1] == 'r' || p[1] == '\\')) {
            fputc(p[1] == 'n' ? '\n' : p[1] == 't' ? '\t' : p[1] == 'r' ? '\r' : '\\', out);
            p++;
        } else if (p[0] == '%' && p[1] == '%') {
            fputc('%', out);
            p++;
        } else {
            fputc(*p, out);
        }
    }
    fflush(out);
}

/* ---- progress ----------------------------------------------------------------------------------------------- */

static double megabytes(uint64_t n)
{
    return (double)n / 1e6;
}

void hf_get_tell_progress(hf_get *const *all, size_t count, hf_time now)
{
    uint64_t received = 0, length = 0;
    size_t running = 0;
    bool known = true;
    hf_time began = now;
    const hf_get *shown = NULL;
    for (size_t i = 0; i < count; i++) {
        const hf_get *const g = all[i];
        if (g == NULL || g->done || !g->running || g->out_name[0] == 0)
            continue;
        shown = g;
        running++;
        received += g->received;
        length += g->length;
        known = known && g->length > 0;
        began = hf_time_earlier(began, g->began);
    }
    if (shown == NULL)
        return;
    const double seconds = (double)(now.ns - began.ns) / 1e9, rate = seconds > 0 ? (double)received / seconds : 0;
    if (running > 1)
        fprintf(shown->cli->err, "\r%zu files", running);
    else
        fprintf(shown->cli->err, "\r%.40s", shown->out_name);
    if (known)
        fprintf(shown->cli->err, " %3.0f %% of %.1f MB, %.1f MB/s, %.0f s left   ", 100 * (double)received / (double)length, megabytes(length), rate / 1e6,
                rate > 0 ? (double)(length - received) / rate : 0);
    else
        fprintf(shown->cli->err, " %.1f MB, %.1f MB/s   ", megabytes(received), rate / 1e6);
    fflush(shown->cli->err);
}
