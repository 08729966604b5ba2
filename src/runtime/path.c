/* path.c - evaluates PythonPath.
 *
 * sys.path is one list for the whole interpreter, so two configurations that
 * want different ones disturb each other's imports while they run side by
 * side: the list is exchanged for each request, and the log says so. */
#include "runtime/python.h"

#include "runtime/path.h"

#include "runtime/interp.h"
#include "runtime/thread.h"

/* sys, os and everything in mod_python.apache. New dict. */
static PyObject *
make_names(void)
{
    PyObject *names = NULL;
    PyObject *apache = PyImport_ImportModule("mod_python.apache");
    PyObject *os = apache ? PyImport_ImportModule("os") : NULL;
    PyObject *sys = os ? PyImport_ImportModule("sys") : NULL;
    if (sys) {
        names = PyDict_Copy(PyModule_GetDict(apache));
    }
    if (names && (PyDict_SetItemString(names, "os", os) < 0
                  || PyDict_SetItemString(names, "sys", sys) < 0)) {
        Py_CLEAR(names);
    }
    Py_XDECREF(sys);
    Py_XDECREF(os);
    Py_XDECREF(apache);
    return names;
}

PyObject *
mp_path_list(PyObject *value, const char *what)
{
    if (PyUnicode_Check(value) || PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "%s must give a list of directories, not %.200s", what,
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    return PySequence_List(value);
}

/* The list that the expression gives. New reference. */
static PyObject *
evaluate(mp_state_t *state, const char *expression)
{
    /* "sys.path+['x']" means the path that Python began with. */
    if (PySys_SetObject("path", state->original_path) < 0) {
        return NULL;
    }
    PyObject *names = make_names();
    PyObject *value = names ? PyRun_String(expression, Py_eval_input, names,
                                           names) : NULL;
    PyObject *list = value ? mp_path_list(value, "PythonPath") : NULL;
    Py_XDECREF(value);
    Py_XDECREF(names);
    return list;
}

static int
remember_original(mp_state_t *state)
{
    if (state->original_path) {
        return 0;
    }
    state->paths = PyDict_New();
    state->original_path = Py_XNewRef(PySys_GetObject("path"));
    return state->paths && state->original_path ? 0 : -1;
}

static void
report_two_paths(mp_state_t *state, const char *expression)
{
    mp_log_place_t place = MP_LOG_SERVER(state->interp->server);
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(place, APLOG_WARNING, 0, "MPY0110",
           "interpreter '%s' has more than one PythonPath (now: %s); requests "
           "that run at the same time see each other's; give each its own "
           "PythonInterpreter", state->interp->name, expression);
    mp_thread_resume(held);
}

int
mp_path_apply(mp_state_t *state, const char *expression)
{
    if (remember_original(state) < 0) {
        return -1;
    }
    PyObject *known = PyDict_GetItemString(state->paths, expression);
    if (known) {
        return known == PySys_GetObject("path")
                   ? 0 : PySys_SetObject("path", known);
    }
    PyObject *before = Py_XNewRef(PySys_GetObject("path"));
    PyObject *list = evaluate(state, expression);
    int failed = list ? PyDict_SetItemString(state->paths, expression, list)
                      : -1;
    if (!failed) {
        failed = PySys_SetObject("path", list);
    }
    else if (before) {
        PyObject *exc = PyErr_GetRaisedException();
        PySys_SetObject("path", before);
        PyErr_SetRaisedException(exc);
    }
    Py_XDECREF(before);
    Py_XDECREF(list);
    if (!failed && PyDict_GET_SIZE(state->paths) == 2) {
        report_two_paths(state, expression);
    }
    return failed;
}
