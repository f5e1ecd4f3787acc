/* SPDX-License-Identifier: Apache-2.0 */
#include "spelling.h"

#include <stdio.h>

#include "text.h"

/* ---- the nearest spelling ------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_at(const char *a, size_t i, const char *b, size_t j)
{
    return hf_lower((uint8_t)a[i]) == hf_lower((uint8_t)b[j]);
}

/* Optimal string alignment: three rows of the table are enough, because a swap looks two back. */
size_t hf_word_distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    if (n > HF_WORD_MOST || m > HF_WORD_MOST)
        return HF_WORD_MOST;
    size_t rows[3][HF_WORD_MOST + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(above[j - 1] + !same_at(a, i - 1, b, j - 1), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_at(a, i - 1, b, j - 2) && same_at(a, i - 2, b, j - 1))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void hf_nearest_try(hf_nearest *n, const char *candidate)
{
    /* Meant is what shares two thirds of its letters; a short word may still have one wrong. */
    const size_t allowed = strlen(candidate) / 3 > 1 ? strlen(candidate) / 3 : 1;
    size_t distance = hf_word_distance(n->word, candidate);
    const size_t typed = strlen(n->word);
    if (typed >= 3 && strncmp(n->word, candidate, typed) == 0)
        distance = 1; /* the beginning of it */
    if (distance > allowed || (n->best && distance >= n->distance))
        return;
    n->best = candidate;
    n->distance = distance;
}

/* ---- amounts -------------------------------------------------------------------------------------------------- */

typedef struct scale {
    const char *suffix;
    uint64_t factor;
} scale;

static const scale times[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
                               { "m", UINT64_C(60000000000) }, { "min", UINT64_C(60000000000) },
                               { "h", UINT64_C(3600000000000) } };
static const scale bytes[] = { { "", 1 }, { "B", 1 }, { "k", 1024 }, { "KiB", 1024 }, { "M", 1048576 }, { "MiB", 1048576 },
                               { "G", 1073741824 }, { "GiB", 1073741824 } };
static const scale counts[] = { { "", 1 }, { "k", 1000 }, { "M", 1000000 } };

static const scale *scales_of(const char *unit, size_t *count)
{
    if (strcmp(unit, "ns") == 0) {
        *count = HF_COUNT(times);
        return times;
    }
    const bool sized = strcmp(unit, "bytes") == 0 || strcmp(unit, "bytes/s") == 0;
    *count = sized ? HF_COUNT(bytes) : HF_COUNT(counts);
    return sized ? bytes : counts;
}

bool hf_amount_parse(const char *text, const char *unit, uint64_t *amount)
{
    size_t count;
    const scale *scales = scales_of(unit, &count);
    const size_t digits = strspn(text, "0123456789");
    uint64_t n;
    if (!hf_parse_decimal(hf_bytes_make(text, digits), &n))
        return false;
    hf_bytes suffix = hf_text(text + digits);
    const hf_bytes per_second = hf_text("/s");
    if (strcmp(unit, "bytes/s") == 0 && suffix.len >= 2 &&
        hf_bytes_equal(hf_bytes_make(suffix.ptr + suffix.len - 2, 2), per_second))
        suffix.len -= 2;
    for (size_t i = 0; i < count; i++) {
        /* K is k, but a capital M is no minute */
        const hf_bytes known = hf_text(scales[i].suffix);
        if (scales == times ? !hf_bytes_equal(suffix, known) : !hf_text_same(suffix, known))
            continue;
        if (n > (uint64_t)INT64_MAX / scales[i].factor)
            return false;
        *amount = n * scales[i].factor;
        return true;
    }
    return n == 0 && suffix.len == 0 && (*amount = 0, true); /* 0 needs no unit */
}

const char *hf_amount_forms(const char *unit)
{
    size_t count;
    const scale *scales = scales_of(unit, &count);
    if (scales == times)
        return "a time with its unit, such as 500ms, 10s, 2m or 1h";
    if (strcmp(unit, "bytes/s") == 0)
        return "bytes per second, such as 128, 64k or 1M";
    return scales == bytes ? "a number of bytes, such as 8192, 64k, 1M or 2G" : "a whole number, such as 100, 5k or 1M";
}

void hf_amount_write(char *text, size_t size, uint64_t amount, const char *unit)
{
    static const scale shown_times[] = { { "h", UINT64_C(3600000000000) }, { "min", UINT64_C(60000000000) },
                                         { "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 } };
    static const scale shown_bytes[] = { { "GiB", 1073741824 }, { "MiB", 1048576 }, { "KiB", 1024 }, { "bytes", 1 } };
    const bool time = strcmp(unit, "ns") == 0;
    const bool rate = strcmp(unit, "bytes/s") == 0;
    const scale *scales = time ? shown_times : shown_bytes;
    size_t count = time ? HF_COUNT(shown_times) : HF_COUNT(shown_bytes);
    if (!time && !rate && strcmp(unit, "bytes") != 0) {
        snprintf(text, size, "%llu %s", (unsigned long long)amount, unit);
        return;
    }
    size_t i = 0;
    while (i + 1 < count && (amount < scales[i].factor || amount % scales[i].factor != 0))
        i++;
    snprintf(text, size, "%llu %s%s", (unsigned long long)(amount / scales[i].factor), scales[i].suffix, rate ? "/s" : "");
}
