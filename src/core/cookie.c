/* cookie.c - the text of cookies.
 *
 * Called by web/cookie.c. How a header Cookie is taken apart is older than
 * its RFCs, and browsers and programs have come to rely on it: cookies are
 * separated by semicolons; blanks and commas before a name are skipped; a name
 * goes to the next =, blank or semicolon; a value is a quoted string, in which
 * a semicolon is a character like others, or everything up to the next
 * semicolon. A cookie without a = has an empty value. */
#include "core/cookie.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- taking a header apart --------------------------------------------- */

static int
is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The end of a quoted string that begins here; NULL when it has none. */
static const char *
find_closing_quote(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\') {
            at++; /* whatever it is, it ends nothing */
        }
    }
    return NULL;
}

static const char *
find_semicolon(const char *at, const char *end)
{
    const char *found = memchr(at, ';', (size_t)(end - at));

    return found ? found : end;
}

/* The value that begins at at; the answer is where the next cookie may. */
static const char *
take_value(const char *at, const char *end, mp_cookie_pair_t *pair)
{
    const char *stop = at < end && *at == '"' ? find_closing_quote(at, end)
                                              : NULL;

    if (!stop) {
        stop = find_semicolon(at, end);
    }
    pair->value = at;
    pair->value_size = (size_t)(stop - at);
    while (pair->value_size && is_blank(at[pair->value_size - 1])) {
        pair->value_size--;
    }
    return stop;
}

int
mp_cookie_next(const char **at, const char *end, mp_cookie_pair_t *pair)
{
    const char *here = *at;

    while (here < end
           && (is_blank(*here) || *here == ',' || *here == ';'
               || *here == '=')) {
        here++;
    }
    pair->name = here;
    while (here < end && *here != ';' && *here != '=' && !is_blank(*here)) {
        here++;
    }
    pair->name_size = (size_t)(here - pair->name);
    while (here < end && is_blank(*here)) {
        here++;
    }
    if (here < end && *here == '=') {
        for (here++; here < end && is_blank(*here); here++) {
        }
    }
    *at = take_value(here, end, pair);
    return pair->name_size > 0;
}

/* ---- what may be sent -------------------------------------------------- */

static int
is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

int
mp_cookie_is_part(const char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (is_control(bytes[i]) || bytes[i] == ';') {
            return 0;
        }
    }
    return 1;
}

int
mp_cookie_is_name(const char *bytes, size_t size)
{
    return size > 0 && mp_cookie_is_part(bytes, size)
           && !memchr(bytes, '=', size) && !memchr(bytes, ' ', size)
           && !memchr(bytes, ',', size);
}

int
mp_cookie_is_same(const char *one, const char *other, size_t size)
{
    volatile unsigned char differs = 0;
    size_t i;

    for (i = 0; i < size; i++) {
        differs |= (unsigned char)(one[i] ^ other[i]);
    }
    return !differs;
}

/* ---- dates ------------------------------------------------------------- */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

int
mp_cookie_format_date(char text[MP_COOKIE_DATE_SIZE], int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&when, &parts) || parts.tm_year < 1 - 1900
        || parts.tm_year > 9999 - 1900) {
        return -1;
    }
    /* Never the words of the locale. The masks say to the compiler what the
     * fields are: it all fits. */
    snprintf(text, MP_COOKIE_DATE_SIZE,
             "%.3s, %02u-%.3s-%04u %02u:%02u:%02u GMT",
             days + 3 * parts.tm_wday, parts.tm_mday & 31u,
             months + 3 * parts.tm_mon, (parts.tm_year + 1900) & 0x3fffu,
             parts.tm_hour & 31u, parts.tm_min & 63u, parts.tm_sec & 63u);
    return 0;
}

/* The number of a name of three letters in a list of them; -1: none. */
static int
find_name(const char *names, const char *text)
{
    int i;

    for (i = 0; names[3 * i]; i++) {
        if (!memcmp(names + 3 * i, text, 3)) {
            return i;
        }
    }
    return -1;
}

/* The number that count digits make; -1 when one is none. */
static int
read_number(const char *text, int count)
{
    int number = 0;

    while (count-- > 0) {
        if (*text < '0' || *text > '9') {
            return -1;
        }
        number = 10 * number + (*text++ - '0');
    }
    return number;
}

static int
days_of(int month, int year)
{
    static const char lengths[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return lengths[month] + (month == 1 && is_leap);
}

/* "Wed, 09-Jun-2027 10:18:14 GMT": where each part begins. */
enum { AT_DAY = 5, AT_MONTH = 8, AT_YEAR = 12, AT_TIME = 17, AT_ZONE = 25 };

int
mp_cookie_is_date(const char *bytes, size_t size)
{
    int day, month, year, hour, minute, second;

    if (size != MP_COOKIE_DATE_SIZE - 1 || find_name(days, bytes) < 0
        || memcmp(bytes + 3, ", ", 2) || memcmp(bytes + AT_ZONE, " GMT", 4)
        || (bytes[7] != '-' && bytes[7] != ' ') || bytes[11] != bytes[7]
        || bytes[16] != ' ' || bytes[19] != ':' || bytes[22] != ':') {
        return 0;
    }
    day = read_number(bytes + AT_DAY, 2);
    month = find_name(months, bytes + AT_MONTH);
    year = read_number(bytes + AT_YEAR, 4);
    hour = read_number(bytes + AT_TIME, 2);
    minute = read_number(bytes + AT_TIME + 3, 2);
    second = read_number(bytes + AT_TIME + 6, 2);
    return month >= 0 && year > 0 && day > 0 && day <= days_of(month, year)
           && hour >= 0 && hour < 24 && minute >= 0 && minute < 60
           && second >= 0 && second <= 60;
}
