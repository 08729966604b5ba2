/* spawn.c - processes that programs start with subprocess. */
#include "runtime/python.h"

#include "runtime/spawn.h"

#include <signal.h>

/* _posixsubprocess.fork_exec, which is self, with no signal blocked: the new
 * process gets the mask that its caller has. Python blocks all of them itself
 * while it forks. A signal that is waiting for another thread of httpd stays
 * blocked, or this one would take it away. */
static PyObject *
fork_exec(PyObject *self, PyObject *args)
{
    sigset_t open, before;
    sigpending(&open);
    pthread_sigmask(SIG_SETMASK, &open, &before);
    PyObject *pid = PyObject_CallObject(self, args);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static PyMethodDef spawn_methods[] = {
    {"fork_exec", fork_exec, METH_VARARGS,
     "fork_exec(*args)\n--\n\nThat of Python, with no signal blocked."},
    {NULL, NULL, 0, NULL}
};

int
mp_spawn_install(mp_state_t *state)
{
    PyObject *module = PyImport_ImportModule("_posixsubprocess");
    PyObject *original = module ? PyObject_GetAttrString(module, "fork_exec")
                                : NULL;
    PyObject *function = original ? PyCFunction_New(spawn_methods, original)
                                  : NULL;
    int failed = function ? PyObject_SetAttrString(module, "fork_exec",
                                                   function) : -1;
    Py_XDECREF(function);
    Py_XDECREF(original);
    Py_XDECREF(module);
    return failed;
}
