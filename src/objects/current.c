/* current.c - which request runs in this thread.
 *
 * The thread's place has it, as the log does. */
#include "runtime/python.h"

#include "objects/current.h"

#include "objects/request.h"
#include "runtime/thread.h"

/* Borrowed from the place, which outlives the call. Not for an ending one
 * without an object: nobody would make a new one expire. */
static PyObject *
current_request(PyObject *module, PyObject *unused)
{
    const request_rec *r = mp_thread_place().r;
    mp_request_t *request = r ? mp_context_find(r) : NULL;
    if (!request) {
        Py_RETURN_NONE;
    }
    mp_state_t *state = mp_state_of_module(module);
    return request->ending ? mp_request_find(state, request)
                           : mp_request_wrap(state, request);
}

PyMethodDef mp_current_functions[] = {
    {"_current_request", current_request, METH_NOARGS,
     "_current_request()\n--\n\n"
     "The request whose phase runs in this thread, or None."},
    {NULL, NULL, 0, NULL},
};
