/* foreign.c - the globals of a module that stand for what others own. */
#include "runtime/python.h"

#include "importer/effects/foreign.h"

#include "importer/generation.h"
#include "importer/effects/uses.h"

/* "from m import *": the globals that m has under the same name. */
static int
add_same(PyObject *foreign, PyObject *globals, PyObject *other)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    if (!other || !PyModule_Check(other)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *theirs = PyModule_GetDict(other);
    while (PyDict_Next(globals, &position, &name, &value)) {
        if (PyUnicode_CheckExact(name)
            && PyDict_GetItemWithError(theirs, name) == value
            && PySet_Add(foreign, name) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Which module it was, the code does not say: any that it imports. */
static int
add_star(PyObject *foreign, mp_instance_t *instance, PyObject *globals)
{
    mp_generation_t *generation = (mp_generation_t *)instance->generation;
    PyObject *name, *target;
    Py_ssize_t position = 0;
    while (generation
           && PyDict_Next(instance->edges, &position, &name, &target)) {
        mp_instance_t *other = mp_generation_find(generation, name);
        long edge = PyLong_AsLong(target);
        if (other && edge != MP_EDGE_PACKAGE && edge != MP_EDGE_EFFECT
            && add_same(foreign, globals, other->module) < 0) {
            return -1;
        }
    }
    position = 0;
    while (PyDict_Next(instance->bindings, &position, &name, &target)) {
        if (target == Py_None
            && add_same(foreign, globals,
                        PyDict_GetItemWithError(PyImport_GetModuleDict(),
                                                name)) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
make_set(mp_instance_t *instance)
{
    if (!instance->code || !PyCode_Check(instance->code)
        || !PyModule_Check(instance->module)) {
        return PySet_New(NULL);
    }
    PyObject *foreign = mp_uses_imported(instance->code);
    PyObject *star = PyUnicode_InternFromString("*");
    int has = foreign && star ? PySet_Contains(foreign, star) : -1;
    if (has > 0) {
        has = add_star(foreign, instance,
                       PyModule_GetDict(instance->module));
    }
    Py_XDECREF(star);
    if (has < 0) {
        Py_CLEAR(foreign);
    }
    return foreign;
}

PyObject *
mp_foreign_find(PyObject *known, mp_instance_t *instance)
{
    PyObject *foreign = PyDict_GetItemWithError(known, instance->name);
    if (foreign || PyErr_Occurred()) {
        return foreign;
    }
    foreign = make_set(instance);
    int failed = foreign ? PyDict_SetItem(known, instance->name, foreign)
                         : -1;
    Py_XDECREF(foreign);
    return failed ? NULL : foreign;
}
