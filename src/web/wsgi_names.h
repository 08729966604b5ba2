/* wsgi_names.h - headers and variables of requests as keys and values of an
 * environ, remembered from one request to the next. */
#ifndef MP_WEB_WSGI_NAMES_H
#define MP_WEB_WSGI_NAMES_H

#include "runtime/python.h"

#include <apr_tables.h>
#include <string.h>

typedef struct mp_wsgi_names_t mp_wsgi_names_t;

/* An empty memory; NULL with an exception. [attached] */
mp_wsgi_names_t *mp_wsgi_names_create(void);
/* May be NULL. [attached] */
void mp_wsgi_names_destroy(mp_wsgi_names_t *names);

/* Put headers into env as HTTP_ variables, replacing what is there. Those
 * whose names would mean something else there are left out. 0, or -1 with an
 * exception. [attached] */
int mp_wsgi_add_headers(mp_wsgi_names_t *names, PyObject *env,
                        const apr_table_t *headers);

/* Put variables into env by their own names, unless there are such. 0, or
 * -1 with an exception. [attached] */
int mp_wsgi_add_variables(mp_wsgi_names_t *names, PyObject *env,
                          const apr_table_t *variables);

/* Is this str, which holds Latin-1 only, the same text? */
static inline int
mp_wsgi_is_text(PyObject *str, const char *text, size_t size)
{
    return (size_t)PyUnicode_GET_LENGTH(str) == size
           && !memcmp(PyUnicode_1BYTE_DATA(str), text, size);
}

#endif
