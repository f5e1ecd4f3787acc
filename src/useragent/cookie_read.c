/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Set-Cookie field says (RFC 6265bis 5.6), and the dates in it (5.1.1).
 */
#include "cookie_jar_core.h"

#include "date.h"

/* 5.5: "The limit SHOULD NOT be greater than 400 days". */
enum { LIFE_MOST_S = 400 * 86400 };

/* ---- dates -------------------------------------------------------------------------------------------------- */

typedef struct date {
    unsigned hour, minute, second, day, month, year;
    bool has_time, has_day, has_month, has_year;
} date;

/* delimiter = %x09 / %x20-2F / %x3B-40 / %x5B-60 / %x7B-7E */
static bool is_delimiter(uint8_t c)
{
    return c == 9 || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) || (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}

/* `least` to `most` digits in front of *text, cut off; no digit may follow. */
static bool take_digits(hf_bytes *text, size_t least, size_t most, unsigned *n)
{
    size_t i = 0;
    *n = 0;
    while (i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9') {
        if (i == most)
            return false;
        *n = *n * 10 + (text->ptr[i++] - (unsigned)'0');
    }
    *text = hf_bytes_make(text->ptr + i, text->len - i);
    return i >= least;
}

static bool take_colon(hf_bytes *text)
{
    if (text->len == 0 || text->ptr[0] != ':')
        return false;
    *text = hf_bytes_make(text->ptr + 1, text->len - 1);
    return true;
}

static bool is_time(hf_bytes t, date *d)
{
    date got = *d;
    if (!take_digits(&t, 1, 2, &got.hour) || !take_colon(&t) || !take_digits(&t, 1, 2, &got.minute) || !take_colon(&t) ||
        !take_digits(&t, 1, 2, &got.second))
        return false;
    *d = got;
    return true;
}

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

static bool is_month(hf_bytes t, unsigned *month)
{
    for (unsigned i = 0; t.len >= 3 && i < 12; i++)
        if (hf_text_same(hf_bytes_make(t.ptr, 3), hf_bytes_make(month_names + 3 * (size_t)i, 3))) {
            *month = i + 1;
            return true;
        }
    return false;
}

/* Each token is what it first can be of what is not there yet. */
static void take_token(hf_bytes t, date *d)
{
    hf_bytes rest = t;
    unsigned n;
    if (!d->has_time && is_time(t, d)) {
        d->has_time = true;
    } else if (!d->has_day && take_digits(&rest, 1, 2, &n)) {
        d->has_day = true;
        d->day = n;
    } else if (!d->has_month && is_month(t, &d->month)) {
        d->has_month = true;
    } else if (!d->has_year) {
        rest = t;
        d->has_year = take_digits(&rest, 2, 4, &d->year);
    }
}

bool hf_cookie_date_parse(hf_bytes text, hf_wall *out)
{
    date d = { .hour = 0 };
    for (size_t i = 0, n; i < text.len; i += n) {
        n = 1;
        if (is_delimiter(text.ptr[i]))
            continue;
        while (i + n < text.len && !is_delimiter(text.ptr[i + n]))
            n++;
        take_token(hf_bytes_make(text.ptr + i, n), &d);
    }
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year || d.hour > 23 || d.minute > 59 || d.second > 59 || d.day > 31)
        return false;
    d.year += d.year <= 69 ? 2000 : d.year <= 99 ? 1900 : 0;
    /* HTTP's own dates know the calendar: this one is written as one of them. */
    char fixed[HF_DATE_LENGTH + 1];
    hf_writer w = hf_writer_make(fixed, sizeof fixed);
    hf_write_text(&w, "Sun, ");
    hf_write_padded(&w, d.day, 2);
    hf_write_byte(&w, ' ');
    hf_write_byte(&w, (uint8_t)(month_names[3 * (d.month - 1)] - 'a' + 'A'));
    hf_write(&w, hf_bytes_make(month_names + 3 * (size_t)(d.month - 1) + 1, 2));
    hf_write_byte(&w, ' ');
    hf_write_padded(&w, d.year, 4);
    hf_write_byte(&w, ' ');
    hf_write_padded(&w, d.hour, 2);
    hf_write_byte(&w, ':');
    hf_write_padded(&w, d.minute, 2);
    hf_write_byte(&w, ':');
    hf_write_padded(&w, d.second, 2);
    hf_write_text(&w, " GMT");
    return hf_date_parse(hf_written(&w), (hf_wall){ 0 }, out);
}

/* ---- attributes --------------------------------------------------------------------------------------------- */

typedef struct reading {
    hf_cookie_said *said;
    hf_wall now;
    bool has_max_age;
} reading;

static void live_until(hf_jar_cookie *c, hf_wall now, int64_t s)
{
    c->persistent = true;
    c->until.s = s < now.s + LIFE_MOST_S ? s : now.s + LIFE_MOST_S;
}

/* 5.6.2: "If the first character of the attribute-value is neither a DIGIT, nor a "-" character followed by a DIGIT, ignore". */
static void take_max_age(reading *r, hf_bytes value)
{
    const bool negative = value.len > 0 && value.ptr[0] == '-';
    hf_bytes digits = negative ? hf_bytes_make(value.ptr + 1, value.len - 1) : value;
    uint64_t n = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return;
    if (digits.len == 0)
        return;
    if (!hf_parse_decimal(digits, &n) || n > LIFE_MOST_S)
        n = LIFE_MOST_S;
    r->has_max_age = true;
    r->said->deleted = negative || n == 0;
    live_until(&r->said->cookie, r->now, r->said->deleted ? r->now.s - 1 : r->now.s + (int64_t)n);
}

static void take_same_site(hf_jar_cookie *c, hf_bytes value)
{
    static const struct {
        const char *name;
        hf_jar_same_site means;
    } rows[] = { { "strict", HF_JAR_STRICT }, { "lax", HF_JAR_LAX }, { "none", HF_JAR_NONE } };
    c->same_site = HF_JAR_DEFAULT;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (hf_text_same(value, hf_text(rows[i].name)))
            c->same_site = rows[i].means;
}

static void take_attribute(reading *r, hf_bytes name, hf_bytes value)
{
    hf_jar_cookie *const c = &r->said->cookie;
    hf_wall until;
    if (value.len > HF_COOKIE_ATTRIBUTE_MOST)
        return;
    if (hf_text_same(name, hf_text("Expires"))) {
        if (!r->has_max_age && hf_cookie_date_parse(value, &until))
            live_until(c, r->now, until.s);
    } else if (hf_text_same(name, hf_text("Max-Age"))) {
        take_max_age(r, value);
    } else if (hf_text_same(name, hf_text("Domain"))) {
        c->domain = value.len > 0 && value.ptr[0] == '.' ? hf_bytes_make(value.ptr + 1, value.len - 1) : value;
    } else if (hf_text_same(name, hf_text("Path"))) {
        c->path = value.len > 0 && value.ptr[0] == '/' ? value : hf_bytes_make(NULL, 0);
    } else if (hf_text_same(name, hf_text("Secure"))) {
        c->secure = true;
    } else if (hf_text_same(name, hf_text("HttpOnly"))) {
        c->http_only = true;
    } else if (hf_text_same(name, hf_text("SameSite"))) {
        take_same_site(c, value);
    }
}

/* "name = value", trimmed. Without '=' all of it is *first, and *second is empty. */
static bool cut(hf_bytes pair, hf_bytes *first, hf_bytes *second)
{
    const uint8_t *const equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
    const size_t n = equals != NULL ? (size_t)(equals - pair.ptr) : pair.len;
    *first = hf_trim(hf_bytes_make(pair.ptr, n));
    *second = equals != NULL ? hf_trim(hf_bytes_make(equals + 1, pair.len - n - 1)) : hf_bytes_make(NULL, 0);
    return equals != NULL;
}

hf_err hf_cookie_read(hf_bytes text, hf_wall now, hf_cookie_said *said)
{
    hf_bytes rest = text, part, name, value;
    reading r = { .said = said, .now = now };
    hf_jar_cookie *const c = &said->cookie;
    *said = (hf_cookie_said){ .deleted = false };
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] < 0x20 && text.ptr[i] != 9) || text.ptr[i] == 0x7f)
            return hf_err_make(HF_ERR_COOKIE_CONTROL);
    if (text.len == 0 || !hf_split(&rest, ';', &part))
        return HF_OK;
    if (!cut(part, &c->name, &c->value)) { /* 5.6 step 3: no '=': the name is empty, and it is all value */
        c->value = c->name;
        c->name = hf_bytes_make(NULL, 0);
    }
    while (rest.ptr != NULL && hf_split(&rest, ';', &part)) {
        (void)cut(part, &name, &value);
        take_attribute(&r, name, value);
    }
    return c->name.len + c->value.len > HF_COOKIE_PAIR_MOST ? hf_err_make(HF_ERR_COOKIE_TOO_LARGE) : HF_OK;
}
