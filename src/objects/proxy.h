/* proxy.h - what all Python objects over httpd's structs have in common.
 *
 * A proxy points at a struct that lives in some pool. When the pool goes the
 * proxy expires: every later use raises apache.ExpiredError instead of
 * touching freed memory. A proxy of a request may only be used by the OS
 * thread that runs the phase, because request_rec is not thread safe. */
#ifndef MP_OBJECTS_PROXY_H
#define MP_OBJECTS_PROXY_H

#include "runtime/state.h"
#include "runtime/thread.h"

typedef struct {
    PyObject_HEAD
    void *ptr;          /* the httpd struct; NULL once expired */
    mp_state_t *state;
    const void *thread; /* mp_thread_self() of the only thread that may use
                           it, or NULL: any */
} mp_proxy_t;

/* The struct, borrowed; NULL with ExpiredError (gone) or RuntimeError (wrong
 * thread) set. Do not keep it past a call into Python. */
static inline void *mp_proxy_ptr(PyObject *self);

/* The struct is going: later uses raise. Any thread state may be attached. */
void mp_proxy_expire(PyObject *self);

/* The proxy's rule of threads: only this thread from now on. */
void mp_proxy_adopt(PyObject *self);

/* Raise what mp_proxy_ptr() raises. Always NULL. */
void *mp_proxy_refuse(PyObject *self);

static inline void *mp_proxy_ptr(PyObject *self)
{
    mp_proxy_t *proxy = (mp_proxy_t *)self;
    if (proxy->ptr
        && (!proxy->thread || proxy->thread == mp_thread_self())) {
        return proxy->ptr;
    }
    return mp_proxy_refuse(self);
}

#endif
