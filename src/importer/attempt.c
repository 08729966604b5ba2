/* attempt.c - what is left of a load that failed. */
#include "runtime/python.h"

#include "importer/attempt.h"

/* ---- for those who wait ------------------------------------------------ */

int
mp_attempt_note(mp_importer_t *importer, mp_instance_t *instance,
                PyObject *exc)
{
    PyObject *row = Py_BuildValue("(lOO)", ++importer->failures, exc,
                                  instance);
    int failed = row ? PyDict_SetItem(importer->failed, instance->name, row)
                     : -1;
    Py_XDECREF(row);
    return failed;
}

PyObject *
mp_attempt_exception(mp_importer_t *importer, PyObject *name)
{
    PyObject *row = PyDict_GetItemWithError(importer->failed, name);
    if (!row || PyLong_AsLong(PyTuple_GET_ITEM(row, 0))
                    <= importer->failures_before) {
        return NULL;
    }
    return PyTuple_GET_ITEM(row, 1);
}

/* ---- for those who go on without --------------------------------------- */

/* The instance that failed: the module itself, or a package above it.
 * Borrowed, or NULL. */
static mp_instance_t *
find_failed(mp_importer_t *importer, PyObject *name)
{
    PyObject *row = NULL;
    Py_ssize_t end = PyUnicode_GET_LENGTH(name);
    while (!row && end > 0 && !PyErr_Occurred()) {
        PyObject *above = PyUnicode_Substring(name, 0, end);
        row = above ? PyDict_GetItemWithError(importer->failed, above) : NULL;
        Py_XDECREF(above);
        end = PyUnicode_FindChar(name, '.', 0, end, -1);
    }
    return row ? (mp_instance_t *)PyTuple_GET_ITEM(row, 2) : NULL;
}

/* Paths whose change is worth a new attempt. */
static int
take_paths(mp_instance_t *holder, mp_instance_t *failed)
{
    if (!holder->missed) {
        holder->missed = PySet_New(NULL);
    }
    PyObject *more = failed->missed ? failed->missed : failed->probes;
    PyObject *none = holder->missed
        ? PyObject_CallMethod(holder->missed, "update", "OO", failed->probes,
                              more) : NULL;
    Py_XDECREF(none);
    return none && failed->file != Py_None
               ? PySet_Add(holder->missed, failed->file) : none ? 0 : -1;
}

/* What its body read is as if the holder's had. */
static int
take_data(mp_instance_t *holder, mp_instance_t *failed)
{
    if (!failed->data) {
        return 0;
    }
    if (!holder->data) {
        holder->data = PyDict_New();
    }
    return holder->data ? PyDict_Merge(holder->data, failed->data, 0) : -1;
}

/* What it imported, and what it left its traces in. */
static int
take_edges(mp_instance_t *holder, mp_instance_t *failed)
{
    PyObject *name, *edge;
    Py_ssize_t position = 0;
    while (PyDict_Next(failed->edges, &position, &name, &edge)) {
        if (PyUnicode_Compare(name, holder->name) != 0
            && mp_instance_add_edge(holder, name,
                                    (mp_edge_t)PyLong_AsLong(edge)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Whom the failed body had an effect on is to be made anew with the holder,
 * before the next attempt. */
static int
give_effects(mp_generation_t *generation, mp_instance_t *holder,
             mp_instance_t *failed)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(generation->table, &position, &name, &value)) {
        mp_instance_t *other = (mp_instance_t *)value;
        PyObject *edge = PyDict_GetItemWithError(other->edges, failed->name);
        if (edge && other != holder && PyLong_AsLong(edge) == MP_EDGE_EFFECT
            && mp_instance_add_edge(other, holder->name, MP_EDGE_EFFECT) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

void
mp_attempt_inherit(mp_importer_t *importer, mp_generation_t *generation,
                   mp_instance_t *holder, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    mp_instance_t *failed = find_failed(importer, name);
    if (PySet_Add(holder->absent, name) == 0 && failed && failed != holder) {
        Py_INCREF(failed);
        if (take_paths(holder, failed) == 0 && take_data(holder, failed) == 0
            && take_edges(holder, failed) == 0) {
            give_effects(generation, holder, failed);
        }
        Py_DECREF(failed);
    }
    PyErr_Clear(); /* why the load failed is what matters */
    PyErr_SetRaisedException(exc);
}
