/* session.h - BaseSession: a dict that lasts from request to request. */
#ifndef MP_WEB_SESSION_H
#define MP_WEB_SESSION_H

#include "web/session_base.h"

extern PyType_Spec mp_session_spec;

/* Arguments of a session class. */
typedef struct {
    PyObject *sid;    /* borrowed; NULL: that of the cookie */
    PyObject *secret; /* borrowed; NULL: none */
    double timeout;   /* 0: the usual one */
    int lock;
    int readonly;
    const mp_session_settings_t *settings; /* NULL: not read yet */
} mp_session_choice_t;

/* Make it what the request and the arguments say: find its id, lock, load, or
 * begin a new one. req: any request object of the family. 0, or -1 with an
 * exception, and then nothing is locked. */
int mp_session_begin(PyObject *self, PyObject *req,
                     const mp_session_choice_t *choice);

/* A read-only session is to be written, too: lock and load it again, or begin
 * a new one. 0, or -1 with an exception. */
int mp_session_upgrade(PyObject *self, const mp_session_choice_t *choice);

#endif
