/* wsgi.h - WSGI (PEP 3333): PythonHandler mod_python.wsgi.
 *
 * wsgi.c: finds the application and calls it; wsgi_environ.c: what it is told;
 * wsgi_response.c, wsgi_file.c: what it answers; wsgi_by_hand.c: the same for
 * handlers that call an application themselves. */
#ifndef MP_WEB_WSGI_H
#define MP_WEB_WSGI_H

#include "runtime/state.h"

#include <httpd.h>

extern PyMethodDef mp_wsgi_functions[]; /* of _web */

/* What SCRIPT_NAME of a request is: NULL and *base, or why there is none; that
 * base_uri ends in '/' is one reason. options: those of the request. */
const char *mp_wsgi_find_base(PyObject *request, request_rec *r,
                              const apr_table_t *options, const char **base);

/* wsgi_by_hand.c: req.build_wsgi_env() and req.wsgi_start_response(). */
extern PyMethodDef mp_wsgi_request_methods[];

#endif
