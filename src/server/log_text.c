/* SPDX-License-Identifier: Apache-2.0 */
#include "log_text.h"

#include "panic.h"

/* Days to civil date in the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March. */
static void civil_date(int64_t days, hf_civil *c)
{
    days += 719468; /* from 1970-01-01 back to 0000-03-01 */
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const unsigned day_of_era = (unsigned)(days - era * 146097);
    const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
    c->day = day_of_year - (153 * shifted + 2) / 5 + 1;
    c->month = shifted < 10 ? shifted + 3 : shifted - 9;
    c->year = (int64_t)year_of_era + era * 400 + (c->month <= 2);
}

hf_civil hf_civil_from_ms(int64_t wall_ms)
{
    enum { MS_PER_DAY = 86400000 };
    int64_t days = wall_ms / MS_PER_DAY, left = wall_ms % MS_PER_DAY;
    if (left < 0) {
        left += MS_PER_DAY;
        days--;
    }
    hf_civil c = { .hour = (unsigned)(left / 3600000), .minute = (unsigned)(left / 60000 % 60),
                   .second = (unsigned)(left / 1000 % 60), .millisecond = (unsigned)(left % 1000) };
    civil_date(days, &c);
    return c;
}

static void put_two(uint8_t *at, unsigned n)
{
    at[0] = (uint8_t)('0' + n / 10 % 10);
    at[1] = (uint8_t)('0' + n % 10);
}

void hf_log_time(hf_writer *w, int64_t wall_ms)
{
    uint8_t text[] = "0000-00-00T00:00:00.000Z";
    const hf_civil c = hf_civil_from_ms(wall_ms);
    const unsigned year = c.year < 0 ? 0 : c.year > 9999 ? 9999 : (unsigned)c.year; /* RFC 3339 1: four digits */
    put_two(text, year / 100);
    put_two(text + 2, year % 100);
    put_two(text + 5, c.month);
    put_two(text + 8, c.day);
    put_two(text + 11, c.hour);
    put_two(text + 14, c.minute);
    put_two(text + 17, c.second);
    text[20] = (uint8_t)('0' + c.millisecond / 100);
    put_two(text + 21, c.millisecond % 100);
    hf_write(w, hf_bytes_make(text, sizeof text - 1));
}

/* ---- text that stays on its line ---------------------------------------------------------------------------- */

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Eight bytes at once: not 0 when one of them is not plain. (Borrows cross lanes only out of a lane that is found.) */
static uint64_t suspicious(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\'), rubout = x ^ (ones * 0x7f);
    const uint64_t zero = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((rubout - ones) & ~rubout);
    const uint64_t control = (x - ones * 0x20) & ~x;
    return (x | zero | control) & highs;
}

static bool all_plain(hf_bytes b)
{
    size_t at = 0;
    for (; b.len - at >= 8; at += 8) {
        uint64_t x;
        memcpy(&x, b.ptr + at, 8);
        if (suspicious(x))
            return false;
    }
    for (; at < b.len; at++)
        if (!is_plain(b.ptr[at]))
            return false;
    return true;
}

/* A character as it will stand in the log. */
typedef struct escaped {
    uint8_t bytes[12];
    size_t length;
    size_t eaten;
} escaped;

static void put_text(escaped *e, const char *text)
{
    e->length = strlen(text);
    memcpy(e->bytes, text, e->length);
}

static void put_hex(escaped *e, const char *lead, uint32_t n, unsigned digits)
{
    put_text(e, lead);
    for (unsigned i = digits; i-- > 0;)
        e->bytes[e->length++] = (uint8_t)"0123456789abcdef"[n >> (4 * i) & 15];
}

/* The character that begins `b`, 0 bytes long where there is none: strict, as Unicode table 3-7 has it. */
static size_t decode(hf_bytes b, uint32_t *c)
{
    const uint8_t lead = b.ptr[0];
    const size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >> 4 == 0xe ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (length == 0 || length > b.len)
        return 0;
    *c = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((b.ptr[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (b.ptr[i] & 0x3f);
    }
    const bool overlong = (length == 3 && *c < 0x800) || (length == 4 && *c < 0x10000);
    return overlong || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff) ? 0 : length;
}

/* What is no letter but an order: C1 controls (U+009B begins an escape sequence), line and paragraph separators, and
 * the marks that reorder text, so that a log shows something else than it holds. */
static bool is_order(uint32_t c)
{
    return c < 0xa0 || c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void escape_high(escaped *e, hf_bytes rest)
{
    uint32_t c;
    e->eaten = decode(rest, &c);
    if (e->eaten == 0) {
        e->eaten = 1;
        put_text(e, "\xef\xbf\xbd"); /* U+FFFD */
    } else if (is_order(c)) {
        put_hex(e, "\\u", c, 4);
    } else {
        e->length = e->eaten;
        memcpy(e->bytes, rest.ptr, e->eaten);
    }
}

static void escape_one(escaped *e, hf_log_escape kind, hf_bytes rest)
{
    const uint8_t c = rest.ptr[0];
    e->eaten = 1;
    switch (c) {
    case '"': put_text(e, "\\\""); return;
    case '\\': put_text(e, "\\\\"); return;
    case '\b': put_text(e, "\\b"); return;
    case '\n': put_text(e, "\\n"); return;
    case '\r': put_text(e, "\\r"); return;
    case '\t': put_text(e, "\\t"); return;
    default: break;
    }
    if (is_plain(c)) {
        e->bytes[0] = c;
        e->length = 1;
    } else if (kind == HF_LOG_UNICODE && c >= 0x80) {
        escape_high(e, rest);
    } else if (kind == HF_LOG_UNICODE) {
        put_hex(e, "\\u", c, 4);
    } else if (c == '\v') {
        put_text(e, "\\v"); /* Apache has this one, JSON has not */
    } else {
        put_hex(e, "\\x", c, 2);
    }
}

void hf_log_text(hf_writer *w, hf_log_escape kind, hf_bytes b, size_t most)
{
    static const hf_bytes cut = HF_LITERAL("...");
    HF_ASSERT(most >= cut.len);
    if (b.len <= most && all_plain(b)) {
        hf_write(w, b);
        return;
    }
    const size_t begin = w->length;
    size_t keep = begin; /* the longest beginning that leaves room for the dots */
    escaped e;
    for (size_t at = 0; at < b.len && !w->overflowed; at += e.eaten) {
        escape_one(&e, kind, hf_bytes_make(b.ptr + at, b.len - at));
        if (w->length - begin + e.length > most) {
            w->length = keep;
            hf_write(w, cut);
            return;
        }
        hf_write(w, hf_bytes_make(e.bytes, e.length));
        if (w->length - begin <= most - cut.len)
            keep = w->length;
    }
}
