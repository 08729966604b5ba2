/* session_id.h - ids of sessions: 128 random bits as 32 hex digits.
 *
 * Whoever can guess the id of a session has it, so they come from the random
 * source of the system, and nothing else is ever looked up. */
#ifndef MP_CORE_SESSION_ID_H
#define MP_CORE_SESSION_ID_H

#include <stddef.h>

#define MP_SESSION_ID_SIZE 32

/* A new id, without a NUL. 0, or -1 with errno when the system has no random
 * numbers (yet). */
int mp_session_id_make(char id[MP_SESSION_ID_SIZE]);

/* Are these bytes an id, from the first to the last? */
int mp_session_id_is_valid(const char *bytes, size_t size);

#endif
