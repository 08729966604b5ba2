/* memory.c - what generations remember of handlers. */
#include "runtime/python.h"

#include "importer/memory.h"

#include <http_core.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys -------------------------------------------------------------- */

const char *
mp_memory_root(const mp_handler_t *handler, request_rec *r)
{
    return r && (handler->is_location || handler->is_server)
               ? ap_document_root(r) : "";
}

PyObject *
mp_memory_key(const mp_handler_t *handler, request_rec *r)
{
    const char *dir = r ? mp_handlers_directory(handler, r)
                        : handler->directory;
    return Py_BuildValue("(yyy)", handler->module, dir ? dir : "",
                         mp_memory_root(handler, r));
}

int
mp_memory_has_slot(const mp_handler_t *handler)
{
    int by_request = !handler->is_location
                     && (handler->wildcard || handler->regex);
    return handler->slot >= 0 && !by_request;
}

/* ---- finding ----------------------------------------------------------- */

PyObject *
mp_memory_find(mp_generation_t *generation, const mp_handler_t *handler,
                request_rec *r)
{
    if (mp_memory_has_slot(handler)) {
        mp_handler_memory_t *memory = mp_generation_slot(generation,
                                                         handler->slot);
        if (memory && memory->module
            && !strcmp(memory->root, mp_memory_root(handler, r))) {
            return memory->module;
        }
    }
    PyObject *key = mp_memory_key(handler, r);
    PyObject *row = key ? PyDict_GetItemWithError(generation->handlers, key)
                        : NULL;
    Py_XDECREF(key);
    PyErr_Clear(); /* out of memory: it is not known */
    return row ? PyTuple_GET_ITEM(row, 0) : NULL;
}

/* ---- from one generation to the next ------------------------------------ */

/* May the search for a handler find something else? 1, 0, -1. */
static int
is_touched(PyObject *probes, PyObject *changed)
{
    PyObject *disjoint = PyObject_CallMethod(changed, "isdisjoint", "O",
                                             probes);
    int touched = disjoint ? disjoint == Py_False : -1;
    Py_XDECREF(disjoint);
    return touched;
}

int
mp_memory_is_touched(mp_generation_t *generation, PyObject *changed)
{
    PyObject *key, *row;
    Py_ssize_t position = 0;
    int touched = 0;
    while (!touched && PyDict_Next(generation->handlers, &position, &key,
                                   &row)) {
        touched = is_touched(PyTuple_GET_ITEM(row, 1), changed);
    }
    for (int i = 0; i < generation->slot_count && !touched; i++) {
        const mp_handler_memory_t *memory = &generation->slots[i];
        touched = memory->module ? is_touched(memory->probes, changed) : 0;
    }
    return touched;
}

/* Is this module, of base, one of old? What is no hot module is not. */
static int
is_one_of(mp_generation_t *base, PyObject *module, PyObject *old)
{
    mp_instance_t *instance = mp_generation_instance_of(base, module);
    return instance ? PyDict_Contains(old, instance->name) : 0;
}

/* The same for what a row of generation->handlers leads to. */
static int
leads_to_one_of(mp_generation_t *base, PyObject *row, PyObject *old)
{
    return PyTuple_GET_SIZE(row) > 2
        ? PyDict_Contains(
              old, ((mp_instance_t *)PyTuple_GET_ITEM(row, 2))->name)
        : is_one_of(base, PyTuple_GET_ITEM(row, 0), old);
}

static int
take_over_slot(mp_generation_t *generation, int slot,
               const mp_handler_memory_t *known)
{
    mp_handler_memory_t *memory = mp_generation_slot(generation, slot);
    char *root = memory ? strdup(known->root) : NULL;
    if (!root) {
        PyErr_NoMemory();
        return -1;
    }
    memory->root = root;
    memory->module = Py_NewRef(known->module);
    memory->probes = Py_NewRef(known->probes);
    return 0;
}

int
mp_memory_take_over(mp_generation_t *generation, mp_generation_t *base,
                     PyObject *old, PyObject *changed)
{
    PyObject *key, *row;
    Py_ssize_t position = 0;
    while (PyDict_Next(base->handlers, &position, &key, &row)) {
        if (!leads_to_one_of(base, row, old)
            && is_touched(PyTuple_GET_ITEM(row, 1), changed) == 0
            && PyDict_SetItem(generation->handlers, key, row) < 0) {
            return -1;
        }
    }
    for (int i = 0; i < base->slot_count; i++) {
        const mp_handler_memory_t *known = &base->slots[i];
        if (known->module && !is_one_of(base, known->module, old)
            && is_touched(known->probes, changed) == 0
            && take_over_slot(generation, i, known) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}
