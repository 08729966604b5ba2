/* session_lock.h - one request at a time has a session.
 *
 * The lock is that of its id (server/key_lock.h); the owner is the root of the
 * request, so it may be taken again by whoever works for the same request.
 * What is still held when the request's pool goes is let go of then, whatever
 * happened. */
#ifndef MP_WEB_SESSION_LOCK_H
#define MP_WEB_SESSION_LOCK_H

#include "web/session_base.h"

extern PyMethodDef mp_session_lock_functions[];

/* session._locked = 1. 0, also when it has the lock already; -1 with
 * TimeoutError when another request keeps it too long. [attached; waits
 * detached] */
int mp_session_lock_take(mp_session_t *session);

/* Undo it; nothing when it is not locked. [attached] */
void mp_session_lock_drop(mp_session_t *session);

#endif
