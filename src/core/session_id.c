/* session_id.c - ids of sessions. */
#include "core/session_id.h"

#include <sys/random.h>

int
mp_session_id_make(char id[MP_SESSION_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[MP_SESSION_ID_SIZE / 2];
    size_t i;

    /* So few are had at once, or not at all. */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -1;
    }
    for (i = 0; i < sizeof(bytes); i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 0;
}

int
mp_session_id_is_valid(const char *bytes, size_t size)
{
    size_t i;

    if (size != MP_SESSION_ID_SIZE) {
        return 0;
    }
    for (i = 0; i < size; i++) {
        if ((bytes[i] < '0' || bytes[i] > '9')
            && (bytes[i] < 'a' || bytes[i] > 'f')) {
            return 0;
        }
    }
    return 1;
}
