/* session_cookie.h - the cookie that carries the id of a session. */
#ifndef MP_WEB_SESSION_COOKIE_H
#define MP_WEB_SESSION_COOKIE_H

#include "web/session_base.h"

/* session->sid becomes the id that came with the request, or that the session
 * of the request has; NULL when there is none, or none that is good. 0, or -1
 * with an exception. */
int mp_session_cookie_find(mp_session_t *session);

/* A new Cookie, or SignedCookie with a secret; NULL with an exception. */
PyObject *mp_session_cookie_make(mp_session_t *session);

/* Send it, in place of one that was to be sent so far. It goes with every kind
 * of response, error pages and redirects included. 0, or -1 with an
 * exception. */
int mp_session_cookie_send(mp_session_t *session);

/* The same, so that the client throws it away. */
int mp_session_cookie_expire(mp_session_t *session);

#endif
