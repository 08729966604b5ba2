/* query.h - parse_qs, parse_qsl, parse_header: texts of programs, parsed as
 * forms are. */
#ifndef MP_WEB_QUERY_H
#define MP_WEB_QUERY_H

#include "runtime/python.h"

/* Methods of _web. */
extern PyMethodDef mp_query_functions[];

#endif
