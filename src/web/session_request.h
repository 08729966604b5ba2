/* session_request.h - THE session of a request: req.get_session() and
 * Session(), and the end of all sessions of a request. */
#ifndef MP_WEB_SESSION_REQUEST_H
#define MP_WEB_SESSION_REQUEST_H

#include "web/session.h"
#include "web/state.h"

extern PyMethodDef mp_session_functions[];
extern PyMethodDef mp_session_request_methods[];

/* The record of a request ends, after all of its cleanups: let go of the locks
 * of the sessions that this interpreter has for it, and of the request. What
 * is not let go of here goes with the pool. [attached, any thread] */
void mp_session_end(mp_request_t *request, mp_holding_t *holding);

#endif
