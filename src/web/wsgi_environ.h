/* wsgi_environ.h - what a WSGI application is told of its request. */
#ifndef MP_WEB_WSGI_ENVIRON_H
#define MP_WEB_WSGI_ENVIRON_H

#include "runtime/state.h"

#include <httpd.h>

/* The environ of r: a new, exact dict of str, decoded as Latin-1, and the
 * wsgi. keys. request: the request object, which is wsgi.input. base: what
 * SCRIPT_NAME is; r->uri begins with it, and the rest is PATH_INFO.
 * [attached; detaches where httpd may have to ask a name server] NULL with an
 * exception when out of memory. */
PyObject *mp_wsgi_environ(mp_state_t *state, PyObject *request,
                          request_rec *r, const char *base);

#endif
