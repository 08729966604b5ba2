/* hlist.h - mp_hlist: cursor over the handlers of the running phase. Follows
 * its owner, a request or connection object: expires when that does. */
#ifndef MP_OBJECTS_HLIST_H
#define MP_OBJECTS_HLIST_H

#include "runtime/state.h"
#include "server/context.h"

extern PyType_Spec mp_hlist_spec;

/* The handlers of the phase that runs now in the record behind owner (an
 * mp_request proxy), beginning at the running one. None between phases. New
 * reference. */
PyObject *mp_hlist_of_request(PyObject *owner, mp_request_t *request);

/* Over any list: owner is kept alive and its expiry is obeyed. */
PyObject *mp_hlist_new(PyObject *owner, const apr_array_header_t *handlers,
                       int index);

#endif
