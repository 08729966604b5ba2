/* report.h - what the importer knows, for those who ask: raw facts for the
 * Python modules mod_python.modules and mod_python.census, which put them
 * into words. */
#ifndef MP_IMPORTER_REPORT_H
#define MP_IMPORTER_REPORT_H

#include "runtime/state.h"

#include <httpd.h>

#include "server/handlers.h"

extern PyMethodDef mp_report_functions[];

/* The part of an error page that is about modules, HTML: those that the
 * request r, whose handler failed (NULL: none ran), uses. New str; NULL with
 * an exception. [attached; the pin is the request's] */
PyObject *mp_report_page(mp_state_t *state, const mp_handler_t *handler,
                         request_rec *r);

#endif
