/* proxy.c - the end of a proxy's life, and the refusals.
 *
 * The accessor itself is inline in proxy.h, because every use of every object
 * goes through it; only what happens when it says no is here. */
#include "runtime/python.h"

#include "objects/proxy.h"

/* What a proxy lives as long as. Filters go with the call of their handler,
 * others with a request; servers never end. */
static const char *
find_holder(const mp_proxy_t *proxy)
{
    const PyTypeObject *type = Py_TYPE(proxy);
    if (type == proxy->state->types[MP_TYPE_FILTER]) {
        return "call";
    }
    return type == proxy->state->types[MP_TYPE_CONNECTION] ? "connection"
                                                           : "request";
}

void
mp_proxy_expire(PyObject *self)
{
    ((mp_proxy_t *)self)->ptr = NULL;
}

void
mp_proxy_adopt(PyObject *self)
{
    ((mp_proxy_t *)self)->thread = mp_thread_self();
}

void *
mp_proxy_refuse(PyObject *self)
{
    const mp_proxy_t *proxy = (const mp_proxy_t *)self;
    const char *name = Py_TYPE(self)->tp_name;
    const char *holder = find_holder(proxy);
    if (!proxy->ptr) {
        PyErr_Format(proxy->state->expired_error,
                     "this %s is no longer valid: its %s has ended", name,
                     holder);
    }
    else {
        PyErr_Format(PyExc_RuntimeError,
                     "%s may only be used by the thread that serves the %s",
                     name, holder);
    }
    return NULL;
}
