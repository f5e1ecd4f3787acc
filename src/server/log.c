/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log_text.h"

enum { LINE = 4096, MESSAGE = 2048 };

/* Set before threads start, read by all. */
static struct {
    hf_log_level least;
    bool colour;
    bool known;
} setup;

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static bool level_from_environment(hf_log_level *level)
{
    const char *asked = getenv("HF_LOG");
    for (size_t i = 0; asked && i < HF_COUNT(level_names); i++) {
        if (strcmp(asked, level_names[i]) == 0) {
            *level = (hf_log_level)i;
            return true;
        }
    }
    return false;
}

void hf_log_setup(hf_log_level least, bool colour)
{
    if (!level_from_environment(&setup.least))
        setup.least = least;
    setup.colour = colour;
    setup.known = true;
}

/* "http1" out of "HF-HTTP1-003"; news without an error come from the server as a whole. */
static void write_area(hf_writer *w, hf_err err)
{
    if (err.code == 0) {
        hf_write_text(w, "serve");
        return;
    }
    const char *id = hf_err_describe(err)->id;
    for (const char *p = strchr(id, '-'); p && p[1] && p[1] != '-'; p++)
        hf_write_byte(w, hf_lower((uint8_t)p[1]));
}

void hf_log_write(hf_writer *w, int64_t wall_ms, hf_log_level level, hf_err err, hf_bytes message, bool colour)
{
    static const char *const colours[] = { "\x1b[1;31m", "\x1b[33m", "\x1b[32m", "\x1b[2m" };
    hf_log_time(w, wall_ms);
    hf_write_byte(w, ' ');
    if (colour)
        hf_write_text(w, colours[level]);
    hf_write_text(w, level_names[level]);
    if (colour)
        hf_write_text(w, "\x1b[0m");
    hf_write_byte(w, ' ');
    write_area(w, err);
    hf_write_text(w, err.code ? " " : " - ");
    if (err.code) {
        hf_write_text(w, hf_err_describe(err)->id);
        hf_write_byte(w, ' ');
    }
    hf_log_text(w, HF_LOG_UNICODE, message, MESSAGE);
    if (err.code) {
        hf_write_text(w, " (");
        hf_write_text(w, hf_err_describe(err)->name);
        hf_write_text(w, "; hint: ");
        hf_write_text(w, hf_err_describe(err)->remedy);
        hf_write_text(w, ")");
    }
    hf_write_byte(w, '\n');
}

/* Diagnostics carry civil time whatever runs below, the simulator included: they are for the person who reads them. */
static int64_t wall_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void hf_log(hf_log_level level, hf_err err, const char *format, ...)
{
    if (level > (setup.known ? setup.least : HF_LOG_INFO))
        return;
    const int saved = errno;
    char message[MESSAGE];
    va_list args;
    va_start(args, format);
    errno = saved; /* for %m */
    const int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    uint8_t line[LINE];
    hf_writer w = hf_writer_make(line, sizeof line);
    const size_t said = length < 0 ? 0 : (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    hf_log_write(&w, wall_now_ms(), level, err, hf_bytes_make(message, said), setup.colour);
    /* Nobody is left to hear that standard error is gone. */
    (void)!write(STDERR_FILENO, line, w.length);
    errno = saved;
}
