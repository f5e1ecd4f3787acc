/* SPDX-License-Identifier: Apache-2.0 */
#include "limit_names.h"

#include "spelling.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t name_length(const char *text)
{
    size_t n = 0;
    while (is_name_byte(text[n]))
        n++;
    return n;
}

/* The limit's amount in `limits`: the struct has the fields of the table, in its order. */
static bool look_up(const char *name, size_t length, const hf_limits *limits, uint64_t *amount, const char **unit)
{
    static const struct { const char *name, *unit; size_t at; } rows[] = {
#define HF_LIMIT(name, value, unit, why) { #name, unit, offsetof(hf_limits, name) },
#include <handfast/limits.def>
#undef HF_LIMIT
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0) {
            memcpy(amount, (const char *)limits + rows[i].at, sizeof *amount);
            *unit = rows[i].unit;
            return true;
        }
    return false;
}

static bool is_limit(const char *name, size_t length)
{
    uint64_t amount;
    const char *unit;
    return length > 0 && look_up(name, length, hf_limits_default(), &amount, &unit);
}

hf_bytes hf_limit_names(hf_err err)
{
    const char *rule = err.code == 0 ? "" : hf_err_describe(err)->rule;
    for (const char *at = rule; (at = strstr(at, "limit")) != NULL; at++) {
        const char *first = at + 5 + (at[5] == 's');
        if (*first++ != ' ' || !is_limit(first, name_length(first)))
            continue;
        const char *end = first + name_length(first);
        while (end[0] == ',' && end[1] == ' ' && is_limit(end + 2, name_length(end + 2)))
            end += 2 + name_length(end + 2);
        return hf_bytes_make(first, (size_t)(end - first));
    }
    return hf_bytes_make(NULL, 0);
}

void hf_limit_write(hf_writer *w, hf_err err, const hf_limits *limits)
{
    const hf_bytes names = hf_limit_names(err);
    if (names.len == 0)
        return;
    hf_write_text(w, memchr(names.ptr, ',', names.len) != NULL ? "limits " : "limit ");
    for (size_t at = 0; at < names.len;) {
        const char *const name = (const char *)names.ptr + at;
        const size_t length = name_length(name);
        uint64_t amount = 0;
        const char *unit = "";
        char text[64];
        (void)look_up(name, length, limits, &amount, &unit);
        hf_amount_write(text, sizeof text, amount, unit);
        hf_write_text(w, at > 0 ? ", " : "");
        hf_write(w, hf_bytes_make(name, length));
        hf_write_text(w, " (");
        hf_write_text(w, text);
        hf_write_text(w, ")");
        at += length + 2;
    }
}

bool hf_limit_tally_due(hf_limit_tally *t, hf_time now, hf_err err, uint64_t *untold)
{
    size_t at = 0; /* the code's, else the one that was told the longest ago */
    for (size_t i = 0; i < HF_LIMIT_TALLIES && t->rows[at].code != err.code; i++)
        if (t->rows[i].code == err.code || hf_time_before(t->rows[i].told, t->rows[at].told))
            at = i;
    const bool known = t->rows[at].code == err.code;
    if (known && now.ns - t->rows[at].told.ns < HF_SECONDS(10)) {
        t->rows[at].untold++;
        return false;
    }
    *untold = known ? t->rows[at].untold : 0;
    t->rows[at].code = err.code;
    t->rows[at].told = now;
    t->rows[at].untold = 0;
    return true;
}
