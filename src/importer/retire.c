/* retire.c - what no request can use any more. */
#include "runtime/python.h"

#include "importer/retire.h"

#include "importer/portal.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <stdio.h>

/* ---- generations ------------------------------------------------------- */

void
mp_retire_pin(mp_generation_t *generation)
{
    generation->pins++;
    generation->importer->pins++;
}

static int
has_instance(mp_generation_t *generation, mp_instance_t *instance)
{
    return mp_generation_find(generation, instance->name) == instance;
}

/* Does a generation in use have it? */
static int
is_in_use(mp_importer_t *importer, mp_instance_t *instance)
{
    if (has_instance((mp_generation_t *)importer->current, instance)) {
        return 1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(importer->elders); i++) {
        PyObject *elder = PyList_GET_ITEM(importer->elders, i);
        if (has_instance((mp_generation_t *)elder, instance)) {
            return 1;
        }
    }
    return 0;
}

/* Does one have a module of this name? */
static int
is_name_in_use(mp_importer_t *importer, PyObject *name)
{
    if (mp_generation_find((mp_generation_t *)importer->current, name)) {
        return 1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(importer->elders); i++) {
        PyObject *elder = PyList_GET_ITEM(importer->elders, i);
        if (mp_generation_find((mp_generation_t *)elder, name)) {
            return 1;
        }
    }
    return 0;
}

void
mp_retire_instance(mp_importer_t *importer, mp_instance_t *instance)
{
    if (!instance->is_retired && instance->file != Py_None) {
        instance->is_retired = 1;
        importer->remains++;
        if (PyList_Append(importer->retired, (PyObject *)instance) < 0) {
            PyErr_Clear(); /* out of memory: its hook does not run */
        }
    }
}

static int
by_serial_descending(const void *a, const void *b)
{
    const mp_instance_t *x = *(mp_instance_t *const *)a;
    const mp_instance_t *y = *(mp_instance_t *const *)b;
    return (x->serial < y->serial) - (x->serial > y->serial);
}

/* Whoever began last is retired first, because it may use the others. */
static void
retire_unused(mp_importer_t *importer, mp_generation_t *generation)
{
    PyObject *instances = PyDict_Values(generation->table);
    if (!instances) {
        PyErr_Clear(); /* out of memory: their hooks do not run */
        return;
    }
    Py_ssize_t count = PyList_GET_SIZE(instances);
    if (count > 0) {
        qsort(((PyListObject *)instances)->ob_item, (size_t)count,
              sizeof(PyObject *), by_serial_descending);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(instances,
                                                                   i);
        if (!is_in_use(importer, instance)) {
            mp_retire_instance(importer, instance);
            if (!importer->has_ended
                && !is_name_in_use(importer, instance->name)) {
                mp_portal_remove(importer, instance->name);
            }
        }
    }
    Py_DECREF(instances);
}

void
mp_retire_superseded(mp_importer_t *importer, mp_generation_t *before)
{
    if (before->pins == 0) {
        retire_unused(importer, before);
    }
    else if (PyList_Append(importer->elders, (PyObject *)before) < 0) {
        PyErr_Clear(); /* out of memory: the hooks run too early */
        retire_unused(importer, before);
    }
}

/* ---- remains ----------------------------------------------------------- */

#define FEW 50      /* not worth a collection */
#define TOO_MANY 4  /* times what is alive: not to be put off any more */

/* Modules are cycles, so old versions wait for a full collection, which stages
 * put off (pace.h) and requests alone may never bring on. The moment for it is
 * when nobody is kept waiting. */
static void
collect_remains(mp_importer_t *importer)
{
    mp_generation_t *current = (mp_generation_t *)importer->current;
    Py_ssize_t alive = PyDict_GET_SIZE(current->table);
    if (importer->remains < FEW || importer->remains < alive
        || (importer->pins > 0 && importer->remains < TOO_MANY * alive)
        || !PyGC_IsEnabled()) {
        return;
    }
    importer->remains = 0;
    PyGC_Collect();
}

void
mp_retire_unpin(mp_generation_t *generation)
{
    mp_importer_t *importer = generation->importer;
    importer->pins--;
    if (--generation->pins == 0
        && generation != (mp_generation_t *)importer->current) {
        Py_ssize_t place = PySequence_Index(importer->elders,
                                            (PyObject *)generation);
        if (place >= 0 && PySequence_DelItem(importer->elders, place) == 0) {
            retire_unused(importer, generation);
        }
        PyErr_Clear(); /* it was no elder: memory had run out */
    }
    mp_retire_flush(importer);
    collect_remains(importer);
}

/* ---- cleanups ---------------------------------------------------------- */

/* What its body registered with apache.register_cleanup(), the version that
 * goes on has registered, too. */
void
mp_retire_forget(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *cleanups = importer->state->cleanups;
    for (Py_ssize_t i = PyList_GET_SIZE(cleanups) - 1; i >= 0; i--) {
        PyObject *row = PyList_GET_ITEM(cleanups, i);
        if (PyTuple_GET_ITEM(row, 2) == (PyObject *)instance
            && PySequence_DelItem(cleanups, i) < 0) {
            PyErr_Clear(); /* cannot be */
        }
    }
}

/* ---- hooks ------------------------------------------------------------- */

/* __mp_purge__(), if it has one. */
static void
purge(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *hook = NULL, *result = NULL;
    PyObject *name = importer->state->names.__mp_purge__;
    if (!PyModule_Check(instance->module)
        || PyDict_GetItemRef(PyModule_GetDict(instance->module), name,
                             &hook) <= 0) {
        PyErr_Clear(); /* not a str as key: then it has no such name */
        return;
    }
    mp_instance_t *now = mp_generation_find(
        (mp_generation_t *)importer->current, instance->name);
    Py_XSETREF(instance->successor,
               now && now != instance ? Py_NewRef(now->module) : NULL);
    /* What it imports is what it always saw. */
    void *pin = mp_thread_set_pin(instance->generation);
    result = PyObject_CallNoArgs(hook);
    mp_thread_set_pin(pin);
    Py_CLEAR(instance->successor);
    if (!result) {
        char what[512];
        const char *file = PyUnicode_AsUTF8(instance->file);
        snprintf(what, sizeof(what), "__mp_purge__ of '%s' failed (interpreter"
                 " '%s')", file ? file : "?", importer->state->interp->name);
        mp_error_log(importer->state,
                     MP_LOG_SERVER(importer->state->interp->server),
                     "MPY0206", what);
        PyErr_Clear(); /* of a file name that is no UTF-8 */
    }
    Py_XDECREF(result);
    Py_DECREF(hook);
}

void
mp_retire_flush(mp_importer_t *importer)
{
    /* Hooks detach: another thread may take the next one. */
    while (PyList_GET_SIZE(importer->retired) > 0) {
        PyObject *instance = Py_NewRef(PyList_GET_ITEM(importer->retired, 0));
        if (PySequence_DelItem(importer->retired, 0) < 0) {
            PyErr_Clear(); /* cannot be */
        }
        purge(importer, (mp_instance_t *)instance);
        mp_retire_forget(importer, (mp_instance_t *)instance);
        Py_DECREF(instance);
    }
}

void
mp_retire_all(mp_importer_t *importer)
{
    PyObject *elders = importer->elders;
    mp_generation_t *current = (mp_generation_t *)importer->current;
    importer->has_ended = 1; /* hooks may still ask sys.modules */
    importer->elders = PyList_New(0);
    importer->current = (PyObject *)mp_generation_create(importer, current);
    if (importer->elders && importer->current) {
        PyDict_Clear(((mp_generation_t *)importer->current)->table);
        retire_unused(importer, current);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(elders); i++) {
            retire_unused(importer,
                          (mp_generation_t *)PyList_GET_ITEM(elders, i));
        }
        mp_retire_flush(importer);
    }
    PyErr_Clear(); /* out of memory, at the very end */
    Py_XSETREF(importer->elders, elders);
    Py_XSETREF(importer->current, (PyObject *)current);
}
