/* test_session_id.c - core/session_id.c: a million ids, and what is none. */
#include "unit.h"

#include "core/session_id.h"

#include <stdlib.h>

#define COUNT 1000000

static int
compare(const void *one, const void *other)
{
    return memcmp(one, other, MP_SESSION_ID_SIZE);
}

static void
no_repeats(void)
{
    char (*ids)[MP_SESSION_ID_SIZE] = malloc((size_t)COUNT * sizeof(*ids));
    long repeats = 0, invalid = 0;
    long i;

    for (i = 0; i < COUNT; i++) {
        CHECK_INT(mp_session_id_make(ids[i]), 0);
        invalid += !mp_session_id_is_valid(ids[i], sizeof(ids[i]));
    }
    qsort(ids, COUNT, sizeof(*ids), compare);
    for (i = 1; i < COUNT; i++) {
        repeats += !compare(ids[i - 1], ids[i]);
    }
    CHECK_INT(invalid, 0);
    CHECK_INT(repeats, 0);
    free(ids);
}

static void
every_digit_everywhere(void)
{
    char id[MP_SESSION_ID_SIZE];
    unsigned seen[MP_SESSION_ID_SIZE] = {0};
    int i, k;

    for (i = 0; i < 2000; i++) {
        mp_session_id_make(id);
        for (k = 0; k < MP_SESSION_ID_SIZE; k++) {
            seen[k] |= 1u << (id[k] < 'a' ? id[k] - '0' : id[k] - 'a' + 10);
        }
    }
    for (k = 0; k < MP_SESSION_ID_SIZE; k++) {
        CHECK_INT(seen[k], 0xffff);
    }
}

static int
is_valid(const char *text)
{
    return mp_session_id_is_valid(text, strlen(text));
}

static void
what_is_none(void)
{
    CHECK(is_valid("0123456789abcdef0123456789abcdef"));
    CHECK(!is_valid("0123456789abcdef0123456789abcdef\n"));
    CHECK(!is_valid("0123456789abcdef0123456789abcde"));
    CHECK(!is_valid("0123456789abcdef0123456789abcdef0"));
    CHECK(!is_valid("0123456789ABCDEF0123456789ABCDEF"));
    CHECK(!is_valid("../../../../../../../etc/passwd0"));
    CHECK(!is_valid("0123456789abcdef0123456789abcdeg"));
    CHECK(!is_valid(""));
    CHECK(!mp_session_id_is_valid("0123456789abcdef\0" "123456789abcdef", 32));
}

int
main(void)
{
    RUN(no_repeats, "a million ids are valid, and no two are the same");
    RUN(every_digit_everywhere, "every digit occurs at every place");
    RUN(what_is_none, "an id is 32 hex digits and nothing else");
    return unit_report();
}
