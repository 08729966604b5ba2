/* session_pickle.h - a session as bytes, and back. */
#ifndef MP_WEB_SESSION_PICKLE_H
#define MP_WEB_SESSION_PICKLE_H

#include "web/session_base.h"

/* pickle.dumps(data). New bytes; NULL with an exception. */
PyObject *mp_session_dump(const mp_session_t *session, PyObject *data);

/* The dict whose pickle these bytes are. NULL without an exception when they
 * cannot be read, which is logged: the client gets a new session, and what is
 * stored stays for a program that can read it. NULL with an exception
 * otherwise. */
PyObject *mp_session_undump(const mp_session_t *session, const char *bytes,
                            size_t size);

#endif
