/* cookie_jar.h - the cookies of a request: add_cookie(), get_cookies() and
 * get_cookie(). */
#ifndef MP_WEB_COOKIE_JAR_H
#define MP_WEB_COOKIE_JAR_H

#include <httpd.h>

#include "runtime/state.h"

extern PyMethodDef mp_cookie_jar_functions[];

/* The header Cookie of the request, several of them joined with "; ", in
 * r->pool; NULL: none. */
const char *mp_cookie_jar_header(request_rec *r);

/* Send a cookie, given as Set-Cookie says it and in the pool of the table, and
 * see that no shared cache keeps it. */
void mp_cookie_jar_add(apr_table_t *headers, const char *text);

/* The request_rec of a request object. NULL with TypeError, or with what the
 * object raises that may not be used. */
request_rec *mp_cookie_jar_request(mp_state_t *state, PyObject *req);

#endif
