/* test_cookie.c - core/cookie.c: headers taken apart, parts and dates
 * checked. */
#include "unit.h"

#include "core/cookie.h"

#include <stdlib.h>

static char all[4096];

/* The cookies of a header as "name=value|name=value|". */
static const char *
parse(const char *header)
{
    /* In a block of its own size: a byte too far is found. */
    size_t size = strlen(header);
    char *copy = malloc(size ? size : 1);
    const char *at = copy;
    mp_cookie_pair_t pair;
    char *out = all;

    memcpy(copy, header, size);
    while (mp_cookie_next(&at, copy + size, &pair)) {
        out += sprintf(out, "%.*s=%.*s|", (int)pair.name_size, pair.name,
                       (int)pair.value_size, pair.value);
    }
    *out = '\0';
    free(copy);
    return all;
}

static void
pairs(void)
{
    CHECK_STR(parse("a=b"), "a=b|");
    CHECK_STR(parse("a=b; c=d"), "a=b|c=d|");
    CHECK_STR(parse("a=b;c=d;"), "a=b|c=d|");
    CHECK_STR(parse("a=b=c; d==e"), "a=b=c|d==e|");
    CHECK_STR(parse("a=b, c=d"), "a=b, c=d|");
    CHECK_STR(parse("\xc3\xa4=\xff"), "\xc3\xa4=\xff|");
}

static void
blanks(void)
{
    CHECK_STR(parse("  a  =  b  ;  c = d "), "a=b|c=d|");
    CHECK_STR(parse("a=b c; d=e"), "a=b c|d=e|");
    CHECK_STR(parse("a b; c=d"), "a=b|c=d|");
    CHECK_STR(parse("\ta\t=\tb\t"), "a=b|");
    CHECK_STR(parse(",, a=b"), "a=b|");
}

static void
without_value(void)
{
    CHECK_STR(parse("a"), "a=|");
    CHECK_STR(parse("a="), "a=|");
    CHECK_STR(parse("a=; b"), "a=|b=|");
    CHECK_STR(parse("a = ; b=c"), "a=|b=c|");
}

static void
without_name(void)
{
    CHECK_STR(parse(""), "");
    CHECK_STR(parse(" "), "");
    CHECK_STR(parse(";;;"), "");
    CHECK_STR(parse("=a; b=c"), "a=|b=c|");
    CHECK_STR(parse("= ; ="), "");
}

static void
quotes(void)
{
    CHECK_STR(parse("a=\"b\"; c=d"), "a=\"b\"|c=d|");
    CHECK_STR(parse("a=\"b; c\"; d=e"), "a=\"b; c\"|d=e|");
    CHECK_STR(parse("a=\"b\\\"; c\"; d=e"), "a=\"b\\\"; c\"|d=e|");
    CHECK_STR(parse("a=\"b; c=d"), "a=\"b|c=d|");
    CHECK_STR(parse("a=\"b\\"), "a=\"b\\|");
    CHECK_STR(parse("a=\"\"x; b=c"), "a=\"\"|x=|b=c|");
    CHECK_STR(parse("a=b\"c; d\"=e"), "a=b\"c|d\"=e|");
}

static void
names(void)
{
    static const char wrong[][6] = {"", " ", "a b", "a;", "a=b", "a,b",
                                    "a\r", "a\nb", "a\t", "\x7f", "\x01"};
    size_t i;

    CHECK(mp_cookie_is_name("a", 1));
    CHECK(mp_cookie_is_name("__Host-id[1]", 12));
    CHECK(mp_cookie_is_name("\xc3\xa4", 2));
    CHECK(!mp_cookie_is_name("a\0b", 3));
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(!mp_cookie_is_name(wrong[i], strlen(wrong[i])));
    }
}

static void
parts(void)
{
    int byte;

    CHECK(mp_cookie_is_part("", 0));
    for (byte = 0; byte < 256; byte++) {
        char text[] = {'a', (char)byte, 'b'};
        int is_wrong = byte < 32 || byte == 127 || byte == ';';

        CHECK_INT(mp_cookie_is_part(text, 3), !is_wrong);
    }
}

static const char *
format(int64_t seconds)
{
    static char text[MP_COOKIE_DATE_SIZE];

    return mp_cookie_format_date(text, seconds) < 0 ? "no" : text;
}

static void
dates_written(void)
{
    CHECK_STR(format(0), "Thu, 01-Jan-1970 00:00:00 GMT");
    CHECK_STR(format(-1), "Wed, 31-Dec-1969 23:59:59 GMT");
    CHECK_STR(format(1709164800), "Thu, 29-Feb-2024 00:00:00 GMT");
    CHECK_STR(format(253402300799), "Fri, 31-Dec-9999 23:59:59 GMT");
    CHECK_STR(format(253402300800), "no");
    CHECK_STR(format(-62135596800), "Mon, 01-Jan-0001 00:00:00 GMT");
    CHECK_STR(format(-62135596801), "no");
    CHECK_STR(format(INT64_MAX), "no");
}

static int
is_date(const char *text)
{
    return mp_cookie_is_date(text, strlen(text));
}

static void
dates_read(void)
{
    int64_t at;

    for (at = -62135596800; at < 253402300800; at += 86400 * 97 + 3601) {
        CHECK(is_date(format(at)));
    }
    CHECK(is_date("Wed, 09 Jun 2027 10:18:14 GMT"));
    CHECK(is_date("Thu, 29-Feb-2024 00:00:60 GMT"));
    CHECK(!is_date("Wed, 09-Jun 2027 10:18:14 GMT"));
    CHECK(!is_date("Wed, 29-Feb-2023 10:18:14 GMT"));
    CHECK(!is_date("Wed, 29-Feb-1900 10:18:14 GMT"));
    CHECK(!is_date("Wed, 31-Jun-2027 10:18:14 GMT"));
    CHECK(!is_date("Wed, 00-Jun-2027 10:18:14 GMT"));
    CHECK(!is_date("Wed, 09-Jun-0000 10:18:14 GMT"));
    CHECK(!is_date("Wed, 09-Jun-2027 24:18:14 GMT"));
    CHECK(!is_date("Wed, 09-Jun-2027 10:60:14 GMT"));
    CHECK(!is_date("Wed, 09-Jun-2027 10:18:61 GMT"));
    CHECK(!is_date("Wed, 09-Jun-2027 10:18:14 UTC"));
    CHECK(!is_date("Wed, 9-Jun-2027 10:18:14 GMT"));
    CHECK(!is_date("wed, 09-Jun-2027 10:18:14 GMT"));
    CHECK(!is_date("Wed, 09-unJ-2027 10:18:14 GMT"));
    CHECK(!is_date("Wed, 09-Jun-2027 10:18:14 GMT "));
    CHECK(!is_date("Wed, +9-Jun-2027 10:18:14 GMT"));
    CHECK(!is_date(""));
}

static void
same(void)
{
    CHECK(mp_cookie_is_same("", "", 0));
    CHECK(mp_cookie_is_same("abc", "abc", 3));
    CHECK(!mp_cookie_is_same("abc", "abd", 3));
    CHECK(!mp_cookie_is_same("abc", "bbc", 3));
    CHECK(mp_cookie_is_same("abc", "abd", 2));
}

int
main(void)
{
    RUN(pairs, "cookies are separated by semicolons");
    RUN(blanks, "blanks round names and values do not belong to them");
    RUN(without_value, "a cookie may have no value");
    RUN(without_name, "what has no name is no cookie");
    RUN(quotes, "a quoted value keeps its quotes and semicolons");
    RUN(names, "a name holds no byte that would end it");
    RUN(parts, "a part holds no control character and no semicolon");
    RUN(dates_written, "dates have one form, whatever their year");
    RUN(dates_read, "dates are read in both forms, and only real ones");
    RUN(same, "comparing tells equal from different");
    return unit_report();
}
