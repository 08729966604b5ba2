/* request.h - mp_request: request_rec (api.md 3.1 and 3.2).
 *
 * request.c: the type, its life, methods that are neither of the other two;
 * request_attrs.c: the attributes, as a table; request_io.c: reading the body
 * and writing the response. */
#ifndef MP_OBJECTS_REQUEST_H
#define MP_OBJECTS_REQUEST_H

#include "objects/proxy.h"
#include "server/context.h"

extern PyType_Spec mp_request_spec;

typedef struct {
    mp_proxy_t base;       /* ptr: request_rec * */
    mp_request_t *request; /* our record; valid while ptr is */
    PyObject *dict;        /* attributes that programs set */
} mp_request_object_t;

/* Wrap r for Python in the interpreter of state. New reference; the same
 * object for the same r while it lives (the holding of its record keeps it).
 * Expires when r->pool is cleared: later use raises apache.ExpiredError.
 * [attached] NULL with an exception set on failure. */
PyObject *mp_request_wrap(mp_state_t *state, mp_request_t *request);

/* req.register_cleanup() callables of this holding, last registered first;
 * errors are logged. [attached] */
void mp_request_run_cleanups(mp_state_t *state, mp_request_t *request,
                             mp_holding_t *holding);

/* Tables of the parts, for request.c: */
extern PyMethodDef mp_request_io_methods[];   /* write, flush, sendfile, read.. */
extern PyMethodDef mp_request_methods[];      /* the rest */
extern PyGetSetDef mp_request_attributes[];

/* One line of the body, at most limit bytes (-1: any), or b"" at its end;
 * iteration uses it. New bytes. */
PyObject *mp_request_read_line(mp_request_object_t *self, Py_ssize_t limit);




#endif
