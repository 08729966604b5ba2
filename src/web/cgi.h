/* cgi.h - what mod_python.cgihandler needs of C. */
#ifndef MP_WEB_CGI_H
#define MP_WEB_CGI_H

#include "runtime/python.h"

extern PyMethodDef mp_cgi_functions[]; /* of _web */

#endif
