/* session_shared.h - SharedSession: sessions in a store that all children
 * share (server/store.h), by default one of their own in shared memory. */
#ifndef MP_WEB_SESSION_SHARED_H
#define MP_WEB_SESSION_SHARED_H

#include "web/session_base.h"

extern PyType_Spec mp_shared_session_spec;

/* 1 loaded, 0 there is none, or its time is over; -1 with an exception. */
int mp_session_shared_load(mp_session_t *session);
/* 0, or -1 with an exception. */
int mp_session_shared_save(mp_session_t *session);
/* Methods of the type. */
PyObject *mp_session_shared_delete(PyObject *self, PyObject *unused);
PyObject *mp_session_shared_cleanup(PyObject *self, PyObject *unused);

#endif
