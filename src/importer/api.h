/* api.h - the importer's face: for the hooks, and for Python programs. */
#ifndef MP_IMPORTER_API_H
#define MP_IMPORTER_API_H

#include "runtime/state.h"

#include <httpd.h>

#include "core/watch.h"
#include "server/context.h"
#include "server/handlers.h"

typedef struct mp_importer_t mp_importer_t;

extern PyMethodDef mp_importer_functions[]; /* import_module and the rest */

/* The server's watch, before interpreters start; NULL: never look. */
void mp_importer_set_watch(mp_watch_t *watch);

/* For mp_exports_t: make the importer of an interpreter. */
int mp_importer_start(mp_state_t *state);

/* Is there something newer than what a request would pin? No Python, any
 * thread, attached or not. */
int mp_importer_is_stale(mp_importer_t *importer);

/* For mp_exports_t: its end, with the process. */
void mp_importer_stop(mp_state_t *state);

/* PythonAutoReload Background is in force: see that somebody looks. */
void mp_importer_look_in_background(mp_importer_t *importer);

/* The generation a request is to see, as a new reference. If `is_stale`,
 * refreshes first, or waits while another thread does, unless that does not
 * concern the one handler of the request (NULL: there may be others). Never
 * fails.
 * [attached] */
PyObject *mp_importer_pin(mp_importer_t *importer, int is_stale,
                          const mp_handler_t *handler, request_rec *r);
/* Let go of it. [attached] */
void mp_importer_unpin(PyObject *pin);

/* The mp_instance whose body runs in this thread, borrowed; NULL without an
 * exception when none does. [attached] */
PyObject *mp_importer_running_body(mp_state_t *state);

/* Application roots of a server that uses this interpreter. [attached] */
int mp_importer_add_applications(mp_importer_t *importer,
                                 const server_rec *server);

/* What a handler is to call: the object its text names, seen from `pin`. New
 * reference. r: for directories resolved per request, for settings in scope,
 * or NULL; object: the argument that classes in a dotted name are made with.
 * If the handler is silent and has no such object: NULL without an exception.
 * NULL with an exception otherwise. [attached] */
PyObject *mp_importer_resolve(mp_importer_t *importer, PyObject *pin,
                              const mp_handler_t *handler, mp_phase_t phase,
                              request_rec *r, PyObject *argument);

/* What code that is no module, but stands in directory dir, needs as
 * __builtins__, so that its imports are those of a module there; NULL: of no
 * directory. New reference; NULL with an exception. [attached] */
PyObject *mp_importer_builtins(mp_importer_t *importer, const char *dir);

/* PythonImport: import a module by dotted name or absolute path and call its
 * function, if given. 0, or -1 with an exception. [attached] */
int mp_importer_import(mp_importer_t *importer, const char *module,
                       const char *function);

#endif
