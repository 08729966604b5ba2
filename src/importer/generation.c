/* generation.c - mp_generation: what a request pins. */
#include "runtime/python.h"

#include "importer/generation.h"

#include "runtime/thread.h"
#include "server/config.h"
#include "server/handlers.h"

#include <stdlib.h>
#include <string.h>

mp_generation_t *
mp_generation_create(mp_importer_t *importer, mp_generation_t *base)
{
    PyTypeObject *type = importer->state->types[MP_TYPE_GENERATION];
    mp_generation_t *generation = (mp_generation_t *)type->tp_alloc(type, 0);
    if (!generation) {
        return NULL;
    }
    generation->importer = importer;
    generation->number = base ? base->number + 1 : 0;
    generation->table = base ? PyDict_Copy(base->table) : PyDict_New();
    generation->failures = PyDict_New();
    generation->handlers = PyDict_New();
    if (!generation->table || !generation->failures
        || !generation->handlers) {
        Py_DECREF(generation);
        return NULL;
    }
    return generation;
}

mp_generation_t *
mp_generation_here(mp_importer_t *importer, PyObject *globals)
{
    mp_generation_t *pin = mp_thread_pin();
    if (pin) {
        return pin;
    }
    mp_instance_t *instance = mp_instance_of_globals(importer->state,
                                                     globals);
    if (instance && instance->generation) {
        return (mp_generation_t *)instance->generation;
    }
    return (mp_generation_t *)importer->current;
}

void
mp_generation_commit(mp_importer_t *importer, mp_generation_t *generation)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (PyDict_Next(generation->table, &position, &name, &instance)) {
        /* The old one is still importer->current's, so nothing dies here. */
        Py_XSETREF(((mp_instance_t *)instance)->generation,
                   Py_NewRef(generation));
    }
    PyObject *before = importer->current;
    importer->current = Py_NewRef(generation);
    Py_DECREF(before);
}

mp_instance_t *
mp_generation_instance_of(mp_generation_t *generation, PyObject *module)
{
    mp_instance_t *instance = PyModule_Check(module)
        ? mp_instance_of_globals(generation->importer->state,
                                 PyModule_GetDict(module))
        : NULL;
    PyObject *value;
    Py_ssize_t position = 0;
    while (!instance
           && PyDict_Next(generation->table, &position, NULL, &value)) {
        mp_instance_t *other = (mp_instance_t *)value;
        instance = other->module == module ? other : NULL;
    }
    return instance;
}

int
mp_generation_raise_failure(mp_generation_t *generation,
                            mp_instance_t *instance)
{
    const request_rec *r = PyDict_GET_SIZE(generation->failures) > 0
                               ? mp_thread_place().r : NULL;
    if (!r || mp_config_reload_failure(mp_config_of_request(r))
                  != MP_FAILURE_ERROR) {
        return 0;
    }
    PyObject *exc = PyDict_GetItemWithError(generation->failures,
                                            instance->name);
    if (exc) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    return PyErr_Occurred() ? -1 : 0;
}

mp_handler_memory_t *
mp_generation_slot(mp_generation_t *generation, int slot)
{
    if (slot >= generation->slot_count) {
        int count = slot < mp_handlers_count_slots()
                        ? mp_handlers_count_slots() : slot + 1;
        mp_handler_memory_t *slots = PyMem_Realloc(generation->slots,
                                                   count * sizeof(*slots));
        if (!slots) {
            return NULL;
        }
        memset(slots + generation->slot_count, 0,
               (count - generation->slot_count) * sizeof(*slots));
        generation->slots = slots;
        generation->slot_count = count;
    }
    return &generation->slots[slot];
}

/* ---- the Python type --------------------------------------------------- */

static int
generation_traverse(PyObject *self, visitproc visit, void *arg)
{
    mp_generation_t *generation = (mp_generation_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(generation->table);
    Py_VISIT(generation->failures);
    Py_VISIT(generation->handlers);
    for (int i = 0; i < MP_PAGE_SLOTS; i++) {
        Py_VISIT(generation->pages[i]);
    }
    Py_VISIT(generation->base);
    for (int i = 0; i < generation->slot_count; i++) {
        Py_VISIT(generation->slots[i].module);
        Py_VISIT(generation->slots[i].object);
        Py_VISIT(generation->slots[i].probes);
    }
    return 0;
}

static int
generation_clear(PyObject *self)
{
    mp_generation_t *generation = (mp_generation_t *)self;
    Py_CLEAR(generation->failures);
    Py_CLEAR(generation->handlers);
    for (int i = 0; i < MP_PAGE_SLOTS; i++) {
        Py_CLEAR(generation->pages[i]);
    }
    Py_CLEAR(generation->base);
    for (int i = 0; i < generation->slot_count; i++) {
        Py_CLEAR(generation->slots[i].module);
        Py_CLEAR(generation->slots[i].object);
        Py_CLEAR(generation->slots[i].probes);
    }
    Py_CLEAR(generation->table);
    return 0;
}

static void
generation_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mp_generation_t *generation = (mp_generation_t *)self;
    PyObject_GC_UnTrack(self);
    generation_clear(self);
    for (int i = 0; i < generation->slot_count; i++) {
        free(generation->slots[i].root);
    }
    PyMem_Free(generation->slots);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef generation_members[] = {
    {"number", T_LONG, offsetof(mp_generation_t, number), READONLY,
     "Counts the commits of this interpreter (int)."},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot generation_slots[] = {
    {Py_tp_doc, "A consistent set of module instances."},
    {Py_tp_traverse, generation_traverse},
    {Py_tp_clear, generation_clear},
    {Py_tp_dealloc, generation_dealloc},
    {Py_tp_members, generation_members},
    {0, NULL}
};

PyType_Spec mp_generation_spec = {
    .name = "builtins.mp_generation",
    .basicsize = sizeof(mp_generation_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = generation_slots,
};
