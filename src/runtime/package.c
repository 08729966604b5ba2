/* package.c - meets the Python package, and says so when it is another's. */
#include "runtime/python.h"

#include "runtime/package.h"

#include "runtime/interp.h"
#include "runtime/thread.h"

#include <string.h>

/* An older mod_python on sys.path would be a riddle later. */
static int
check_version(mp_state_t *state)
{
    PyObject *package = PyImport_ImportModule("mod_python");
    PyObject *version = NULL, *file = NULL;
    int failed = -1;
    if (!package) {
        return -1;
    }
    version = PyObject_GetAttrString(package, "mp_version");
    file = version ? PyObject_GetAttrString(package, "__file__") : NULL;
    const char *found = file ? PyUnicode_AsUTF8(version) : NULL;
    const char *where = found ? PyUnicode_AsUTF8(file) : NULL;
    if (where) {
        failed = 0;
        if (strcmp(found, MP_VERSION)) {
            mp_thread_suspended_t held = mp_thread_suspend();
            mp_log(MP_LOG_SERVER(state->interp->server), APLOG_WARNING, 0,
                   "MPY0107", "mod_python version mismatch, expected '%s', "
                   "found '%s' at %s", MP_VERSION, found, where);
            mp_thread_resume(held);
        }
    }
    Py_XDECREF(file);
    Py_XDECREF(version);
    Py_DECREF(package);
    return failed;
}

int
mp_package_start(mp_state_t *state, PyObject *server)
{
    if (check_version(state) < 0) {
        return -1;
    }
    PyObject *apache = PyImport_ImportModule("mod_python.apache");
    PyObject *result = apache
        ? PyObject_CallMethod(apache, "init", "sO", state->interp->name,
                              server) : NULL;
    Py_XDECREF(apache);
    Py_XDECREF(result);
    return result ? 0 : -1;
}
