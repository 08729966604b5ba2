/* fuzz_cookie.c - core/cookie.c and core/session_id.c: what is found lies
 * inside the header, in order, and every byte is passed once; what may be sent
 * is read again as it was. */
#include "fuzz.h"

#include "core/cookie.h"
#include "core/session_id.h"

/* A name and a value that may be sent come back from a header. */
static void
send_and_read(const char *text, size_t size)
{
    size_t half = size / 2;
    if (!mp_cookie_is_name(text, half)
        || !mp_cookie_is_part(text + half, size - half)
        || memchr(text, ',', half)
        || (size > half
            && (text[half] == ' ' || text[half] == '=' || text[half] == '"'
                || text[size - 1] == ' '))) {
        return;
    }
    char *header = malloc(size + 1);
    memcpy(header, text, half);
    header[half] = '=';
    memcpy(header + half + 1, text + half, size - half);
    const char *at = header;
    mp_cookie_pair_t pair;
    FUZZ_CHECK(mp_cookie_next(&at, header + size + 1, &pair));
    FUZZ_CHECK(pair.name_size == half && !memcmp(pair.name, text, half));
    FUZZ_CHECK(pair.value_size == size - half
               && !memcmp(pair.value, text + half, size - half));
    FUZZ_CHECK(!mp_cookie_next(&at, header + size + 1, &pair));
    free(header);
}

FUZZ(cookie)
{
    char *text = malloc(size ? size : 1);
    const char *at = text, *end = text + size, *before = text;
    mp_cookie_pair_t pair;
    size_t count = 0;
    if (size) {
        memcpy(text, data, size);
    }
    while (mp_cookie_next(&at, end, &pair)) {
        FUZZ_CHECK(pair.name >= before && pair.name_size > 0);
        FUZZ_CHECK(pair.value >= pair.name + pair.name_size);
        FUZZ_CHECK(pair.value + pair.value_size <= at && at <= end);
        FUZZ_CHECK(!memchr(pair.name, '=', pair.name_size)
                   && !memchr(pair.name, ';', pair.name_size));
        before = at;
        FUZZ_CHECK(++count <= size);
    }
    send_and_read(text, size);
    (void)mp_cookie_is_date(text, size);
    FUZZ_CHECK(!mp_session_id_is_valid(text, size)
               || size == MP_SESSION_ID_SIZE);
    free(text);
    return 0;
}
