/* handover.c - state that crosses a reload, by choice of its module. */
#include "runtime/python.h"

#include "importer/handover.h"

#include "importer/lock.h"
#include "importer/staging.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <stdio.h>

/* ---- namespaces -------------------------------------------------------- */

/* A global of an instance, as a new reference; NULL without an exception when
 * it has none. */
static PyObject *
find_global(mp_instance_t *instance, PyObject *name)
{
    PyObject *value = NULL;
    if (PyModule_Check(instance->module)) {
        PyDict_GetItemRef(PyModule_GetDict(instance->module), name, &value);
    }
    return value;
}

/* from -> to, where `to` does not have the name. */
static int
copy_missing(PyObject *from, PyObject *to)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(from, &position, &name, &value)) {
        int has = PyDict_Contains(to, name);
        if (has < 0 || (!has && PyDict_SetItem(to, name, value) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* Leave only what was there at first. */
static int
restore(PyObject *globals, PyObject *first)
{
    PyDict_Clear(globals);
    return PyDict_Update(globals, first);
}

/* ---- __mp_reload__ and __mp_keep__ ------------------------------------- */

/* Does the old version want its names to be there? */
static int
wants_overlay(mp_importer_t *importer, mp_instance_t *old)
{
    PyObject *policy = find_global(old, importer->state->names.__mp_reload__);
    int wants = policy && PyUnicode_Check(policy)
                && PyUnicode_CompareWithASCIIString(policy, "overlay") == 0;
    Py_XDECREF(policy);
    return PyErr_Occurred() ? -1 : wants;
}

/* The names that a version lists, as a new list; empty when it lists none. */
static PyObject *
listed_names(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *value = find_global(instance,
                                  importer->state->names.__mp_keep__);
    PyObject *list = NULL;
    if (!value) {
        return PyErr_Occurred() ? NULL : PyList_New(0);
    }
    if (PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "__mp_keep__ of %R is a str, not a list "
                     "of names", instance->name);
    }
    else {
        list = PySequence_List(value);
    }
    Py_DECREF(value);
    return list;
}

/* The old values of names, into globals. */
static int
hand_names(mp_instance_t *old, PyObject *names, PyObject *globals)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *value = find_global(old, name);
        int failed = value ? PyDict_SetItem(globals, name, value)
                           : PyErr_Occurred() != NULL;
        Py_XDECREF(value);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

static int
give_names(mp_importer_t *importer, mp_instance_t *instance,
           mp_instance_t *old)
{
    PyObject *globals = PyModule_GetDict(instance->module);
    int overlay = wants_overlay(importer, old);
    if (overlay < 0
        || (overlay && copy_missing(PyModule_GetDict(old->module), globals)
                           < 0)) {
        return -1;
    }
    PyObject *names = listed_names(importer, old);
    int failed = names ? hand_names(old, names, globals) : -1;
    Py_XDECREF(names);
    return failed;
}

/* ---- __mp_clone__ ------------------------------------------------------ */

static void
log_cloning(mp_importer_t *importer, mp_instance_t *old)
{
    const char *file = PyUnicode_AsUTF8(old->file);
    PyErr_Clear(); /* of a file name that is no UTF-8 */
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_plain(MP_LOG_SERVER(importer->state->interp->server), APLOG_INFO,
                 "cloning '%s' (pid %ld, interpreter '%s')", file ? file : "?",
                 (long)getpid(), importer->state->interp->name);
    mp_thread_resume(held);
}

/* Call the hook; what it put into the new module is remembered, because it is
 * called once, though the new body may fail and be tried again. */
static int
call_clone(mp_instance_t *instance, mp_instance_t *old, PyObject *hook)
{
    PyObject *globals = PyModule_GetDict(instance->module);
    PyObject *first = PyDict_Copy(globals);
    PyObject *result = first ? PyObject_CallOneArg(hook, instance->module)
                             : NULL;
    PyObject *handed = result ? PyDict_Copy(globals) : NULL;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    int failed = handed ? 0 : -1;
    while (!failed && PyDict_Next(first, &position, &name, &value)) {
        if (PyDict_GetItemWithError(globals, name) == value) {
            failed = PyDict_DelItem(handed, name);
        }
    }
    if (!failed) {
        Py_XSETREF(old->handed, Py_NewRef(handed));
    }
    Py_XDECREF(handed);
    Py_XDECREF(result);
    Py_XDECREF(first);
    return failed;
}

static int
give_clone(mp_importer_t *importer, mp_instance_t *instance,
           mp_instance_t *old)
{
    if (old->handed) {
        return PyDict_Update(PyModule_GetDict(instance->module), old->handed);
    }
    PyObject *hook = find_global(old, importer->state->names.__mp_clone__);
    if (!hook) {
        return PyErr_Occurred() ? -1 : 0;
    }
    log_cloning(importer, old);
    void *pin = mp_thread_set_pin(old->generation);
    int failed = call_clone(instance, old, hook);
    mp_thread_set_pin(pin);
    Py_DECREF(hook);
    return failed;
}

/* ---- both ends --------------------------------------------------------- */

static void
log_failure(mp_importer_t *importer, mp_instance_t *old)
{
    char what[512];
    PyObject *exc = PyErr_GetRaisedException();
    const char *file = PyUnicode_AsUTF8(old->file);
    PyErr_Clear(); /* of a file name that is no UTF-8 */
    snprintf(what, sizeof(what), "hand-over from '%s' failed, its new version "
             "begins empty (interpreter '%s')", file ? file : "?",
             importer->state->interp->name);
    PyErr_SetRaisedException(exc);
    mp_error_log(importer->state,
                 MP_LOG_SERVER(importer->state->interp->server), "MPY0205",
                 what);
}

int
mp_handover_give(mp_importer_t *importer, mp_instance_t *instance,
                 mp_instance_t *old)
{
    if (!old || !PyModule_Check(old->module)) {
        return 0;
    }
    PyObject *globals = PyModule_GetDict(instance->module);
    PyObject *first = PyDict_Copy(globals);
    if (!first) {
        return -1;
    }
    Py_XSETREF(instance->kept, Py_XNewRef(old->kept));
    int failed = give_names(importer, instance, old) < 0
                 || give_clone(importer, instance, old) < 0;
    if (failed) {
        log_failure(importer, old);
        failed = restore(globals, first);
        if (!failed && !old->handed) {
            old->handed = PyDict_New(); /* not called again */
            failed = old->handed ? 0 : -1;
        }
    }
    Py_DECREF(first);
    return failed;
}

int
mp_handover_finish(mp_importer_t *importer, mp_instance_t *instance,
                   mp_instance_t *old)
{
    if (!old || !PyModule_Check(old->module)) {
        return 0;
    }
    PyObject *olds = listed_names(importer, old);
    if (!olds) {
        PyErr_Clear(); /* told when it was handed over */
        return 0;
    }
    PyObject *news = NULL;
    int failed = 0;
    if (PyList_GET_SIZE(olds) > 0) {
        news = listed_names(importer, instance);
        failed = news ? 0 : -1;
    }
    Py_ssize_t count = news ? PyList_GET_SIZE(news) : 0;
    for (Py_ssize_t i = count - 1; !failed && i >= 0; i--) {
        int listed = PySequence_Contains(olds, PyList_GET_ITEM(news, i));
        failed = listed < 0
                 || (!listed && PySequence_DelItem(news, i) < 0) ? -1 : 0;
    }
    if (!failed && news) {
        failed = hand_names(old, news, PyModule_GetDict(instance->module));
    }
    Py_XDECREF(news);
    Py_DECREF(olds);
    return failed;
}

/* ---- apache.keep() ----------------------------------------------------- */

/* An object whose class is executed anew remains one of the old class. */
static void
warn_of_class(mp_importer_t *importer, mp_instance_t *instance,
              PyObject *name, PyObject *object)
{
    PyObject *module = PyObject_GetAttrString((PyObject *)Py_TYPE(object),
                                              "__module__");
    int is_anew = module && importer->staging
                  && PyDict_Contains(importer->staging->old, module) == 1;
    PyErr_Clear(); /* a class without a module is nobody's */
    if (is_anew) {
        PyObject *text = PyUnicode_FromFormat(
            "%U keeps '%U', which is of a class of %U: it remains one of the "
            "old class", instance->name, name, module);
        const char *line = text ? PyUnicode_AsUTF8(text) : NULL;
        PyErr_Clear(); /* of a name that is no UTF-8 */
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log(MP_LOG_SERVER(importer->state->interp->server), APLOG_WARNING,
               0, "MPY0207", "%s", line ? line : "an object of an old class "
                                                 "is kept");
        mp_thread_resume(held);
        Py_XDECREF(text);
    }
    Py_XDECREF(module);
}

static PyObject *
keep_locked(mp_importer_t *importer, mp_instance_t *instance, PyObject *name,
            PyObject *factory)
{
    PyObject *object = NULL;
    if (instance->kept
        && PyDict_GetItemRef(instance->kept, name, &object) != 0) {
        if (object && instance->is_executing) {
            warn_of_class(importer, instance, name, object);
        }
        return object;
    }
    object = PyObject_CallNoArgs(factory);
    /* A copy, because an older version may have the same dict; the factory
     * may have kept something, too. */
    PyObject *kept = !object ? NULL
                     : instance->kept ? PyDict_Copy(instance->kept)
                                      : PyDict_New();
    if (!kept || PyDict_SetItem(kept, name, object) < 0) {
        Py_XDECREF(kept);
        Py_XDECREF(object);
        return NULL;
    }
    Py_XSETREF(instance->kept, kept);
    return object;
}

PyObject *
mp_handover_keep(mp_importer_t *importer, mp_instance_t *instance,
                 PyObject *name, PyObject *factory)
{
    /* One factory at a time, so that there is one object. */
    if (mp_lock_take(importer) < 0) {
        return NULL;
    }
    PyObject *object = keep_locked(importer, instance, name, factory);
    mp_lock_leave(importer);
    return object;
}
