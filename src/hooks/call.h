/* call.h - a visit to Python on behalf of a request.
 *
 * What phases, providers and filters share: which interpreter, attaching to
 * it, the generation that the whole request sees, PythonPath and the request
 * object; and the way back.
 *
 *     mp_call_t call;
 *     if (mp_call_begin(&call, r, handler, NULL, "PythonFixupHandler") == 0) {
 *         if (mp_call_prepare(&call) == 0) {
 *             ... mp_importer_resolve(..., call.pin, ..., call.proxy) ...
 *         }
 *         mp_call_end(&call);
 *     } */
#ifndef MP_HOOKS_CALL_H
#define MP_HOOKS_CALL_H

#include "runtime/interp.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/context.h"

typedef struct {
    mp_request_t *request;
    const mp_dir_config_t *config; /* in force for the request */
    mp_interp_t *interp;
    PyObject *pin;   /* borrowed: the request's root holds it */
    PyObject *proxy; /* the request object, owned; mp_call_prepare() */
    mp_thread_scope_t outer; /* what the thread was doing, */
    mp_log_place_t place;    /* and where it wrote to */
} mp_call_t;

/* Attach for r; the first visit of a request refreshes if PythonAutoReload
 * says so, and pins. first: the first handler that is to run; whole: the same
 * if it is all that the request will run, as far as is known, else NULL: then
 * nobody can say which refresh does not concern the request. what: names the
 * visit in the log ("PythonHandler").
 * [detached] 0, and [attached] until mp_call_end(); -1 when there is no Python
 * for it, which is logged, and then there is nothing to end. */
int mp_call_begin(mp_call_t *call, request_rec *r, const mp_handler_t *first,
                  const mp_handler_t *whole, const char *what);

/* PythonPath, and call->proxy. 0, or -1 with an exception. [attached] */
int mp_call_prepare(mp_call_t *call);

/* callable(argument), under pdb where PythonEnablePdb asks for it and there is
 * a terminal. New reference. [attached] */
PyObject *mp_call_object(const mp_dir_config_t *config, PyObject *callable,
                         PyObject *argument);

/* The way back. [attached]; [detached] afterwards */
void mp_call_end(mp_call_t *call);

#endif
