/* session_pickle.c - a session as bytes, and back.
 *
 * Classes of reloadable modules are found by their names, in the generation
 * that the request sees, so an instance is of the class that the program has
 * now. */
#include "runtime/python.h"

#include "web/session_pickle.h"

#include "runtime/error.h"
#include "runtime/thread.h"

/* pickle.loads or pickle.dumps, borrowed; NULL with an exception. */
static PyObject *
find_function(PyObject **slot, const char *name)
{
    if (!*slot) {
        PyObject *module = PyImport_ImportModule("pickle");
        *slot = module ? PyObject_GetAttrString(module, name) : NULL;
        Py_XDECREF(module);
    }
    return *slot;
}

PyObject *
mp_session_dump(const mp_session_t *session, PyObject *data)
{
    mp_web_t *web = mp_web_of(session->state);
    PyObject *dumps = find_function(&web->objects.pickle_dumps, "dumps");
    return dumps ? PyObject_CallOneArg(dumps, data) : NULL;
}

static PyObject *
undump(mp_web_t *web, const char *bytes, size_t size)
{
    PyObject *loads = find_function(&web->objects.pickle_loads, "loads");
    PyObject *text = loads
        ? PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size) : NULL;
    PyObject *data = text ? PyObject_CallOneArg(loads, text) : NULL;
    Py_XDECREF(text);
    if (data && !PyDict_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "what is stored is no dict");
        Py_CLEAR(data);
    }
    return data;
}

PyObject *
mp_session_undump(const mp_session_t *session, const char *bytes, size_t size)
{
    PyObject *data = undump(mp_web_of(session->state), bytes, size);
    if (!data && PyErr_ExceptionMatches(PyExc_Exception)) {
        mp_error_log(session->state, mp_thread_place(), "MPY0521",
                     "a session cannot be read; a new one takes its place");
    }
    return data;
}
