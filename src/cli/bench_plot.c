/* SPDX-License-Identifier: Apache-2.0
 *
 * What is seen while a load runs: how many answers a second, a column for each of the last moments, and how long they took lately.
 */
#include "bench.h"

#include <stdio.h>

#define EVERY_NS HF_MILLISECONDS(250)

static void draw_columns(const hf_bench *b, char *to)
{
    static const char ramp[] = " .:-=+*#";
    double most = 0;
    for (size_t i = 0; i < b->columns; i++)
        most = b->rates[i] > most ? b->rates[i] : most;
    for (size_t i = 0; i < HF_BENCH_COLUMNS; i++)
        to[i] = i < b->columns && most > 0 ? ramp[(size_t)(b->rates[i] / most * (sizeof ramp - 2) + 0.5)] : ' ';
    to[HF_BENCH_COLUMNS] = 0;
}

void hf_bench_draw(hf_bench *b, hf_time now)
{
    char columns[HF_BENCH_COLUMNS + 1];
    const int64_t span = now.ns - b->shown_at.ns;
    b->shown = hf_time_after(now, EVERY_NS);
    if (span < EVERY_NS)
        return;
    const double rate = (double)(b->answered - b->shown_count) * 1e9 / (double)span;
    if (b->columns == HF_BENCH_COLUMNS)
        memmove(b->rates, b->rates + 1, (--b->columns) * sizeof b->rates[0]);
    b->rates[b->columns++] = rate;
    draw_columns(b, columns);
    fprintf(b->cli->err, "\r%6.1f s [%s] %9.0f/s  p50 %.3f ms  p99 %.3f ms \x1b[K", (double)(now.ns - b->began.ns) / 1e9, columns, rate,
            (double)hf_histogram_at(b->lately, 500000) / 1e6, (double)hf_histogram_at(b->lately, 990000) / 1e6);
    fflush(b->cli->err);
    *b->lately = (hf_histogram){ .total = 0 };
    b->shown_at = now;
    b->shown_count = b->answered;
}

void hf_bench_draw_end(hf_bench *b)
{
    if (b->columns > 0)
        fputs("\r\x1b[K", b->cli->err);
}
