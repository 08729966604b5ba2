/* restless.c - files that are written without a pause. */
#include "runtime/python.h"

#include "importer/restless.h"

#include "runtime/thread.h"
#include "server/log.h"

#include <string.h>

#define MOST_ATTEMPTS 3 /* spoiled by one file */
#define CALM_AFTER apr_time_from_msec(500)

/* Its last event was now. */
static int
note_time(mp_importer_t *importer, PyObject *path)
{
    apr_time_t now = apr_time_now();
    PyObject *time = PyLong_FromLongLong(now);
    int failed = time ? PyDict_SetItem(importer->restless, path, time) : -1;
    Py_XDECREF(time);
    importer->has_restless = 1;
    return failed;
}

int
mp_restless_has(mp_importer_t *importer, PyObject *path, PyObject *stem)
{
    if (PyDict_GET_SIZE(importer->restless) == 0) {
        return 0;
    }
    int has = PyDict_Contains(importer->restless, path);
    if (has != 1) {
        return has;
    }
    return note_time(importer, path) < 0
                   || PySet_Add(importer->aside, path) < 0
                   || PySet_Add(importer->aside, stem) < 0
               ? -1 : 1;
}

/* ---- attempts ---------------------------------------------------------- */

int
mp_restless_count(mp_importer_t *importer)
{
    PyObject *path;
    PyObject *iterator = PyObject_GetIter(importer->disturbed);
    while (iterator && (path = PyIter_Next(iterator))) {
        PyObject *known = PyDict_GetItemWithError(importer->attempts, path);
        long count = known ? PyLong_AsLong(known) : 0;
        PyObject *value = PyLong_FromLong(count + 1);
        if (value) {
            PyDict_SetItem(importer->attempts, path, value);
        }
        Py_XDECREF(value);
        Py_DECREF(path);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

void
mp_restless_forget(mp_importer_t *importer)
{
    PyDict_Clear(importer->attempts);
}

static void
tell(mp_importer_t *importer, PyObject *path)
{
    const char *file = PyUnicode_AsUTF8(path);
    int is_told = PySet_Contains(importer->told, path);
    PySet_Add(importer->told, path);
    if (file && is_told == 0) {
        server_rec *server = importer->state->interp->server;
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log(MP_LOG_SERVER(server), APLOG_WARNING, 0, "MPY0209",
               "'%s' is written without a pause: other changes go on without "
               "it", file);
        mp_thread_resume(held);
    }
    PyErr_Clear(); /* the line is all there is to tell */
}

/* It is news no more, but will be. */
static int
set_aside(mp_importer_t *importer, PyObject *path)
{
    int is_change = PySet_Discard(importer->changed, path);
    if (is_change < 0 || PySet_Discard(importer->writing, path) < 0
        || PySet_Add(importer->aside, path) < 0
        || note_time(importer, path) < 0) {
        return -1;
    }
    tell(importer, path);
    return 0;
}

int
mp_restless_set_aside(mp_importer_t *importer)
{
    PyObject *path, *count;
    Py_ssize_t position = 0;
    int found = 0;
    PyObject *attempts = PyDict_Copy(importer->attempts);
    while (attempts && found >= 0
           && PyDict_Next(attempts, &position, &path, &count)) {
        if (PyLong_AsLong(count) < MOST_ATTEMPTS) {
            continue;
        }
        int failed = PyDict_DelItem(importer->attempts, path) < 0
                     || set_aside(importer, path) < 0;
        found = failed ? -1 : found + 1;
    }
    Py_XDECREF(attempts);
    return attempts ? found : -1;
}

/* ---- release ----------------------------------------------------------- */

/* As an event of it would be: with and without its ".py". */
static int
release(mp_importer_t *importer, PyObject *path)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(path);
    PyObject *stem = PyUnicode_Substring(path, 0, length > 3 ? length - 3 : 0);
    int failed = !stem || PyDict_DelItem(importer->restless, path) < 0;
    PyObject *names[] = {path, stem};
    for (size_t i = 0; i < 2 && !failed; i++) {
        int is_aside = PySet_Discard(importer->aside, names[i]);
        failed = is_aside < 0
                 || (is_aside && PySet_Add(importer->changed, names[i]) < 0);
    }
    Py_XDECREF(stem);
    return failed ? -1 : 0;
}

int
mp_restless_release(mp_importer_t *importer, int all)
{
    PyObject *path, *time;
    Py_ssize_t position = 0;
    apr_time_t now = apr_time_now();
    if (PyDict_GET_SIZE(importer->restless) == 0) {
        return 0;
    }
    PyObject *restless = PyDict_Copy(importer->restless);
    while (restless && PyDict_Next(restless, &position, &path, &time)) {
        if ((all || PyLong_AsLongLong(time) + CALM_AFTER <= now)
            && release(importer, path) < 0) {
            break;
        }
    }
    Py_XDECREF(restless);
    importer->has_restless = PyDict_GET_SIZE(importer->restless) > 0;
    return PyErr_Occurred() ? -1 : 0;
}
