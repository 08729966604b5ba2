/* pace.c - a stage is not to be felt by the requests beside it. */
#include "runtime/python.h"

#include "importer/pace.h"

/* Threads that wait for the GIL get it after this long. A request takes it a
 * few times. */
#define SWITCH_INTERVAL 0.0002

/* A full collection stops everybody for as long as it takes to look at all
 * objects, and a stage makes enough of them to bring on several. */
#define NEVER 1000000000

static PyObject *
call(const char *module_name, const char *function, PyObject *arguments)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *callable = module ? PyObject_GetAttrString(module, function)
                                : NULL;
    PyObject *result = callable ? PyObject_CallObject(callable, arguments)
                                : NULL;
    Py_XDECREF(callable);
    Py_XDECREF(module);
    return result;
}

/* Call a function that sets. Takes over the arguments. 0 or -1. */
static int
set(const char *module, const char *function, PyObject *arguments)
{
    PyObject *none = arguments ? call(module, function, arguments) : NULL;
    Py_XDECREF(arguments);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static void
shorten_switch_interval(mp_pace_t *pace)
{
    pace->interval = call("sys", "getswitchinterval", NULL);
    if (pace->interval
        && set("sys", "setswitchinterval",
               Py_BuildValue("(d)", SWITCH_INTERVAL)) < 0) {
        Py_CLEAR(pace->interval);
    }
}

static void
restore_switch_interval(mp_pace_t *pace)
{
    PyObject *now = call("sys", "getswitchinterval", NULL);
    double shortened = now ? PyFloat_AsDouble(now) : 0;
    if (shortened > SWITCH_INTERVAL / 2 && shortened < SWITCH_INTERVAL * 2) {
        set("sys", "setswitchinterval", PyTuple_Pack(1, pace->interval));
    }
    Py_XDECREF(now);
}

static void
put_off_full_collections(mp_pace_t *pace)
{
    int young, middle, old;
    pace->thresholds = call("gc", "get_threshold", NULL);
    if (pace->thresholds
        && (!PyArg_ParseTuple(pace->thresholds, "iii", &young, &middle, &old)
            || set("gc", "set_threshold",
                   Py_BuildValue("(iii)", young, middle, NEVER)) < 0)) {
        Py_CLEAR(pace->thresholds);
    }
}

static void
restore_thresholds(mp_pace_t *pace)
{
    int young, middle, old = 0;
    PyObject *now = call("gc", "get_threshold", NULL);
    if (now && PyArg_ParseTuple(now, "iii", &young, &middle, &old)
        && old == NEVER) {
        set("gc", "set_threshold", Py_NewRef(pace->thresholds));
    }
    Py_XDECREF(now);
}

void
mp_pace_begin(mp_pace_t *pace)
{
    pace->interval = pace->thresholds = NULL;
    shorten_switch_interval(pace);
    put_off_full_collections(pace);
    PyErr_Clear(); /* it is a kindness, no need */
}

void
mp_pace_end(mp_pace_t *pace)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (pace->interval) {
        restore_switch_interval(pace);
    }
    if (pace->thresholds) {
        restore_thresholds(pace);
    }
    PyErr_Clear(); /* as above */
    Py_CLEAR(pace->interval);
    Py_CLEAR(pace->thresholds);
    PyErr_SetRaisedException(exc);
}
