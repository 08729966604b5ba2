/* publisher.h - mod_python.publisher: URLs name objects of page modules.
 *
 * The handler maps a file and path information to a module and an object in
 * it (api.md 6.5), lets those in whom publish_access.c admits, and writes what
 * the object gives. */
#ifndef MP_WEB_PUBLISHER_H
#define MP_WEB_PUBLISHER_H

#include "runtime/state.h"

/* Does the file name of a request name a file? 0; -1 with SERVER_RETURN (404),
 * and a line in the log for the handler of this name. [attached] */
int mp_publisher_check_mapped(PyObject *req, const char *handler);

/* For _web: publisher_handler(), get_page(), resolve_object(),
 * process_auth(), publish_object(). */
extern PyMethodDef mp_publisher_functions[];

#endif
