/* wsgi_file.h - wsgi.file_wrapper: files that httpd sends by itself. */
#ifndef MP_WEB_WSGI_FILE_H
#define MP_WEB_WSGI_FILE_H

#include "web/wsgi_response.h"

extern PyType_Spec mp_wsgi_file_wrapper_spec;

/* Send what the wrapper (an exact instance) holds, from where it stands to the
 * end of the response, as a file: httpd uses sendfile() where it may, and
 * answers a Range. 1, and then the response is complete; 0 when it is no
 * regular file, or one that Python code reads in its own way: then it is to
 * be iterated over; -1 with an exception. [attached; detaches to send] */
int mp_wsgi_file_send(mp_wsgi_response_t *response, PyObject *wrapper);

#endif
