/* wsgi.h - WSGI (PEP 3333): PythonHandler mod_python.wsgi.
 *
 * wsgi.c: finds the application and calls it; wsgi_environ.c: what it is told;
 * wsgi_response.c, wsgi_file.c: what it answers. */
#ifndef MP_WEB_WSGI_H
#define MP_WEB_WSGI_H

#include "runtime/python.h"

extern PyMethodDef mp_wsgi_functions[]; /* of _web */

#endif
