/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP dates. The calendar is the proleptic Gregorian one; years are counted from March, so that the leap day comes
 * last and month lengths follow a line (153 days in five months).
 */
#include "date.h"

enum { DAY_S = 86400 };

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char day_names_long[7][10] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
};
static const char month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

typedef struct civil {
    unsigned year, month, day; /* month and day from 1 */
    unsigned hour, minute, second;
} civil;

/* Days since 1970-01-01 of a day after 0000-03-01. */
static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
    const unsigned y = month <= 2 ? year - 1 : year;
    const unsigned m = month <= 2 ? month + 9 : month - 3; /* March is 0 */
    const unsigned day_of_year = (153 * m + 2) / 5 + day - 1;
    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static civil civil_from_days(int64_t days)
{
    const uint32_t z = (uint32_t)(days + 719468); /* since 0000-03-01 */
    const uint32_t era = z / 146097, of_era = z % 146097;
    const uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const uint32_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint32_t m = (5 * day_of_year + 2) / 153;
    civil c = { .month = m < 10 ? m + 3 : m - 9, .day = day_of_year - (153 * m + 2) / 5 + 1 };
    c.year = era * 400 + year_of_era + (c.month <= 2);
    return c;
}

static void put_two(uint8_t *at, unsigned n)
{
    at[0] = (uint8_t)('0' + n / 10);
    at[1] = (uint8_t)('0' + n % 10);
}

void hf_date_write(hf_writer *w, hf_wall t)
{
    const int64_t s = t.s < HF_DATE_MIN_S ? HF_DATE_MIN_S : t.s > HF_DATE_MAX_S ? HF_DATE_MAX_S : t.s;
    /* from the first of the years above, so that nothing is negative */
    const uint64_t since = (uint64_t)(s - HF_DATE_MIN_S);
    const int64_t days = (int64_t)(since / DAY_S) + HF_DATE_MIN_S / DAY_S;
    const unsigned of_day = (unsigned)(since % DAY_S);
    const civil c = civil_from_days(days);
    uint8_t text[HF_DATE_LENGTH + 1] = "Sun, 06 Nov 1994 08:49:37 GMT";
    memcpy(text, day_names[(since / DAY_S + 1) % 7], 3); /* 1601 began on a Monday */
    put_two(text + 5, c.day);
    memcpy(text + 8, month_names[c.month - 1], 3);
    put_two(text + 12, c.year / 100);
    put_two(text + 14, c.year % 100);
    put_two(text + 17, of_day / 3600);
    put_two(text + 20, of_day / 60 % 60);
    put_two(text + 23, of_day % 60);
    hf_write(w, hf_bytes_make(text, HF_DATE_LENGTH));
}

/* Two digits; 100 or more for anything else, which no field below allows. */
static unsigned get_two(const uint8_t *at)
{
    const unsigned tens = at[0] - (unsigned)'0', ones = at[1] - (unsigned)'0';
    return tens <= 9 && ones <= 9 ? tens * 10 + ones : 100;
}

/* 1 to 12; 0 for what is no month. RFC 9110 5.6.7: names are case-sensitive (%s). */
static unsigned get_month(const uint8_t *at)
{
    for (unsigned i = 0; i < 12; i++)
        if (memcmp(at, month_names[i], 3) == 0)
            return i + 1;
    return 0;
}

static bool is_day_name(const uint8_t *at)
{
    for (unsigned i = 0; i < 7; i++)
        if (memcmp(at, day_names[i], 3) == 0)
            return true;
    return false;
}

/* "08:49:37" */
static bool get_time(const uint8_t *at, civil *c)
{
    c->hour = get_two(at);
    c->minute = get_two(at + 3);
    c->second = get_two(at + 6);
    /* RFC 9110 5.6.7: "00:00:00 - 23:59:60 (leap second)". We have no such second: it is read as the one before. */
    if (c->second == 60 && c->hour == 23 && c->minute == 59)
        c->second = 59;
    return at[2] == ':' && at[5] == ':' && c->hour <= 23 && c->minute <= 59 && c->second <= 59;
}

static bool exists(const civil *c)
{
    static const uint8_t lengths[13] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    if (c->year < 1601 || c->year > 9999 || c->month < 1 || c->month > 12)
        return false;
    return c->day >= 1 && c->day <= lengths[c->month] + (unsigned)(leap && c->month == 2);
}

static int64_t seconds(const civil *c)
{
    return days_from_civil(c->year, c->month, c->day) * DAY_S + (int64_t)c->hour * 3600 + c->minute * 60 + c->second;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool parse_fixdate(const uint8_t *at, civil *c)
{
    const unsigned century = get_two(at + 12), year = get_two(at + 14);
    c->day = get_two(at + 5);
    c->month = get_month(at + 8);
    c->year = century < 100 && year < 100 ? century * 100 + year : 0;
    return is_day_name(at) && memcmp(at + 3, ", ", 2) == 0 && at[7] == ' ' && at[11] == ' ' && at[16] == ' '
        && get_time(at + 17, c) && memcmp(at + 25, " GMT", 4) == 0 && exists(c);
}

/* "Sun Nov  6 08:49:37 1994": the day has a space where it has one digit */
static bool parse_asctime(const uint8_t *at, civil *c)
{
    const unsigned century = get_two(at + 20), year = get_two(at + 22);
    const uint8_t day[2] = { at[8] == ' ' ? '0' : at[8], at[9] };
    c->day = get_two(day);
    c->month = get_month(at + 4);
    c->year = century < 100 && year < 100 ? century * 100 + year : 0;
    return is_day_name(at) && at[3] == ' ' && at[7] == ' ' && at[10] == ' ' && at[19] == ' ' && get_time(at + 11, c)
        && exists(c);
}

/* ", 06-Nov-94 08:49:37 GMT": what follows the long name of the day. */
enum { RFC850_LENGTH = 24 };
static bool parse_rfc850(const uint8_t *at, hf_wall now, civil *c)
{
    const unsigned year = get_two(at + 9);
    c->day = get_two(at + 2);
    c->month = get_month(at + 5);
    if (year > 99 || memcmp(at, ", ", 2) != 0 || at[4] != '-' || at[8] != '-' || at[11] != ' ' || !get_time(at + 12, c)
        || memcmp(at + 20, " GMT", 4) != 0)
        return false;
    /* RFC 9110 5.6.7: "Recipients of a timestamp value in rfc850-date format, which uses a two-digit year, MUST
     * interpret a timestamp that appears to be more than 50 years in the future as representing the most recent year in
     * the past that had the same last two digits." So: the latest such year that is not more than 50 years ahead. */
    const int64_t s = now.s < HF_DATE_MIN_S ? HF_DATE_MIN_S : now.s > HF_DATE_MAX_S ? HF_DATE_MAX_S : now.s;
    const uint64_t since = (uint64_t)(s - HF_DATE_MIN_S);
    civil limit = civil_from_days((int64_t)(since / DAY_S) + HF_DATE_MIN_S / DAY_S);
    limit.year += 50;
    const int64_t limit_s = days_from_civil(limit.year, limit.month, limit.day) * DAY_S + (int64_t)(since % DAY_S);
    c->year = limit.year / 100 * 100 + year;
    if (seconds(c) > limit_s)
        c->year -= 100;
    return exists(c);
}

static size_t long_day_name(hf_bytes text)
{
    for (unsigned i = 0; i < 7; i++)
        if (hf_starts_with(text, hf_text(day_names_long[i])))
            return strlen(day_names_long[i]);
    return 0;
}

bool hf_date_parse(hf_bytes text, hf_wall now, hf_wall *out)
{
    civil c = { 0 };
    size_t name = 0;
    bool good;
    if (text.len == HF_DATE_LENGTH && text.ptr[3] == ',')
        good = parse_fixdate(text.ptr, &c);
    else if (text.len == 24)
        good = parse_asctime(text.ptr, &c);
    else
        good = (name = long_day_name(text)) > 0 && text.len == name + RFC850_LENGTH
            && parse_rfc850(text.ptr + name, now, &c);
    if (good)
        out->s = seconds(&c);
    return good;
}
