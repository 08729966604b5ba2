/* cookie.h - the text of cookies: the header Cookie taken apart, the parts of
 * a Set-Cookie checked, and the dates in it.
 *
 * Plain C over bytes: nothing is allocated, nothing is changed, no byte is
 * refused on reading. What is written is checked, because a CR, an LF or a
 * semicolon in a part would let it add parts of its own. */
#ifndef MP_CORE_COOKIE_H
#define MP_CORE_COOKIE_H

#include <stddef.h>
#include <stdint.h>

/* One cookie of a header, as views of its bytes. */
typedef struct {
    const char *name;
    size_t name_size;
    const char *value;  /* quotes are part of it */
    size_t value_size;
} mp_cookie_pair_t;

/* Take the next cookie out of the bytes from *at to end, and move *at behind
 * it. 1, or 0 when there is none any more. */
int mp_cookie_next(const char **at, const char *end, mp_cookie_pair_t *pair);

/* May these bytes be the name of a cookie that is sent? Not empty, no control
 * character, no blank, none of ; = , */
int mp_cookie_is_name(const char *bytes, size_t size);

/* May they be its value, or that of an attribute? No control character, no
 * semicolon. */
int mp_cookie_is_part(const char *bytes, size_t size);

/* The room that a date takes, its NUL included. */
#define MP_COOKIE_DATE_SIZE 30

/* "Wed, 09-Jun-2027 10:18:14 GMT" of seconds since the epoch. 0, or -1 when
 * the year is not one of 1 to 9999. */
int mp_cookie_format_date(char text[MP_COOKIE_DATE_SIZE], int64_t seconds);

/* Is this such a date, or one with blanks in place of the dashes, as RFC 9110
 * writes it? All its numbers must be those of a time; that the name of the day
 * is the right one is not asked. */
int mp_cookie_is_date(const char *bytes, size_t size);

/* Are the bytes the same? It takes as long whether they are or not, and
 * wherever they differ. */
int mp_cookie_is_same(const char *one, const char *other, size_t size);

#endif
