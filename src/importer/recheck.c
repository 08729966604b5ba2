/* recheck.c - do the imports of a module still mean what they did? */
#include "runtime/python.h"

#include "importer/recheck.h"

#include "importer/generation.h"
#include "importer/search.h"

/* Is a module that was found now the one that is loaded by this name? One of
 * the same name in another file hides it. */
static int
is_known(mp_importer_t *importer, PyObject *row, PyObject *target,
         PyObject *hidden)
{
    PyObject *file = PyTuple_GET_ITEM(row, 3);
    PyObject *dirs = PyTuple_GET_ITEM(row, 4);
    mp_instance_t *known = target == Py_None
        ? NULL : mp_generation_find((mp_generation_t *)importer->current,
                                    target);
    if (!known || PyUnicode_Compare(PyTuple_GET_ITEM(row, 2), target) != 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int same = PyObject_RichCompareBool(known->file, file, Py_EQ);
    if (same == 1 && dirs != Py_None && file == Py_None) {
        PyObject *path = PyObject_GetAttr(known->module,
                                          importer->state->names.__path__);
        same = path ? PyObject_RichCompareBool(path, dirs, Py_EQ)
                    : -1;
        Py_XDECREF(path);
    }
    return same == 0 && PySet_Add(hidden, target) < 0 ? -1 : same;
}

/* The search for a name in dirs, once for all who look there: a tuple (found,
 * places where it looked, module name, file, directories), borrowed from the
 * memo. NULL with an exception. */
static PyObject *
search_once(mp_importer_t *importer, PyObject *name, PyObject *dirs,
            PyObject *memo)
{
    mp_location_t location = {0};
    PyObject *row = NULL, *key = Py_BuildValue("(ON)", name,
                                               PyList_AsTuple(dirs));
    PyObject *known = key ? PyDict_GetItemWithError(memo, key) : NULL;
    PyObject *probes = known || !key ? NULL : PySet_New(NULL);
    if (probes) {
        int found = mp_search_dirs(importer, name, dirs, 1, probes,
                                   &location);
        PyObject *file = location.file ? location.file : Py_None;
        if (found >= 0) {
            row = Py_BuildValue("(iOOOO)", found, probes,
                                location.name ? location.name : Py_None, file,
                                location.dirs ? location.dirs : Py_None);
        }
        known = row && PyDict_SetItem(memo, key, row) == 0 ? row : NULL;
    }
    mp_location_clear(&location);
    Py_XDECREF(row);
    Py_XDECREF(probes);
    Py_XDECREF(key);
    return known;
}

/* One absolute name that was looked for: 1 the same as before, 0, -1. */
static int
binding_holds(mp_importer_t *importer, mp_instance_t *instance,
              PyObject *name, PyObject *target, mp_recheck_t *news)
{
    PyObject *dirs = mp_search_list(importer, instance);
    PyObject *row = dirs ? search_once(importer, name, dirs, news->memo)
                         : NULL;
    Py_XDECREF(dirs);
    /* What is looked at now, it depends on from now on. */
    PyObject *none = row
        ? PyObject_CallMethod(instance->probes, "update", "O",
                              PyTuple_GET_ITEM(row, 1)) : NULL;
    Py_XDECREF(none);
    if (!none) {
        return -1;
    }
    if (PyTuple_GET_ITEM(row, 2) == Py_None) {
        return target == Py_None;
    }
    return is_known(importer, row, target, news->hidden);
}

/* A part of a package that was not there, or a module that did not load: 1
 * that is still all there is to know, 0, -1. */
static int
absence_holds(mp_importer_t *importer, mp_instance_t *instance,
              PyObject *name)
{
    mp_location_t location = {0};
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
    PyObject *parent = PyUnicode_Substring(name, 0, dot < 0 ? 0 : dot);
    PyObject *stem = PyUnicode_Substring(name, dot + 1, length);
    int found = -1;
    if (parent && stem) {
        mp_instance_t *package = mp_generation_find(
            (mp_generation_t *)importer->current, parent);
        found = package ? mp_search_package(importer, package, stem,
                                            instance->probes, &location) : 1;
    }
    Py_XDECREF(parent);
    Py_XDECREF(stem);
    mp_location_clear(&location);
    return found < 0 ? -1 : !found;
}

/* A name with a dot means what its beginning does. */
static int
is_beginning(PyObject *name)
{
    return PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1)
           < 0;
}

/* All absolute names that were looked for, and may be found elsewhere. */
static int
bindings_hold(mp_importer_t *importer, mp_instance_t *instance,
              mp_recheck_t *news)
{
    int all = 1;
    PyObject *names = PySequence_List(news->names ? news->names
                                                  : instance->bindings);
    Py_ssize_t count = names ? PyList_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count && all >= 0; i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *target = PyDict_GetItemWithError(instance->bindings, name);
        if (target && is_beginning(name)) {
            Py_INCREF(target);
            int holds = binding_holds(importer, instance, name, target, news);
            all = holds < 0 ? -1 : all && holds;
            Py_DECREF(target);
        }
    }
    Py_XDECREF(names);
    return names ? all : -1;
}

static int
absences_hold(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *name;
    int all = 1;
    PyObject *absent = PySequence_List(instance->absent);
    Py_ssize_t count = absent ? PyList_GET_SIZE(absent) : 0;
    for (Py_ssize_t i = 0; all == 1 && i < count; i++) {
        name = PyList_GET_ITEM(absent, i);
        all = absence_holds(importer, instance, name);
    }
    Py_XDECREF(absent);
    return absent ? all : -1;
}

/* Its own name may have changed with an __init__.py above it. */
static int
name_holds(mp_importer_t *importer, mp_instance_t *instance)
{
    mp_location_t location = {.language = instance->language};
    int found = mp_search_file(importer, instance->file, &location);
    int same = found <= 0
        ? found : PyUnicode_Compare(location.name, instance->name) == 0;
    mp_location_clear(&location);
    return same;
}

int
mp_recheck_imports(mp_importer_t *importer, mp_instance_t *instance,
                     mp_recheck_t *news)
{
    int same = bindings_hold(importer, instance, news);
    if (same == 1) {
        same = absences_hold(importer, instance);
    }
    if (same == 1 && !news->names && instance->file != Py_None) {
        same = name_holds(importer, instance);
    }
    return PyErr_Occurred() ? -1 : same;
}
