/* orphans.c - modules that nobody imports any more. */
#include "runtime/python.h"

#include "importer/orphans.h"

#include <string.h>

static mp_edge_t
edge_of(PyObject *value)
{
    return (mp_edge_t)PyLong_AsLong(value);
}

/* A package has its parts only because somebody imports them. */
static int
is_part_of(PyObject *name, mp_instance_t *package)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(package->name);
    return PyUnicode_GET_LENGTH(name) > length
           && PyUnicode_READ_CHAR(name, length) == '.'
           && PyUnicode_Tailmatch(name, package->name, 0, length, -1) == 1;
}

/* Does this edge mean that holder needs the target? */
static int
is_need(mp_instance_t *holder, PyObject *target, mp_edge_t edge)
{
    return edge == MP_EDGE_IMPORT || edge == MP_EDGE_LATE
           || (edge == MP_EDGE_PACKAGE && !is_part_of(target, holder));
}

/* Does the new version of old go without the target? What functions import,
 * those of a version with the same text will import again. */
static int
is_given_up(mp_instance_t *old, mp_instance_t *now, PyObject *target,
            mp_edge_t edge)
{
    if (now && PyDict_Contains(now->edges, target) == 1) {
        return 0;
    }
    return edge != MP_EDGE_LATE || !now
           || memcmp(now->source.hash, old->source.hash,
                     sizeof(old->source.hash)) != 0;
}

/* name and everything that it leads to: into candidates. */
static int
add_candidates(mp_generation_t *generation, PyObject *name,
               PyObject *candidates)
{
    PyObject *target, *edge;
    Py_ssize_t position = 0;
    mp_instance_t *instance = mp_generation_find(generation, name);
    if (!instance || PySet_Contains(candidates, name) != 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int failed = PySet_Add(candidates, name);
    while (!failed
           && PyDict_Next(instance->edges, &position, &target, &edge)) {
        if (is_need(instance, target, edge_of(edge))) {
            failed = add_candidates(generation, target, candidates);
        }
    }
    return failed;
}

/* What the modules that were executed anew do not import any more, and all
 * that it leads to. New set. */
static PyObject *
find_candidates(mp_refresh_t *refresh)
{
    PyObject *name, *value, *target, *edge;
    Py_ssize_t position = 0;
    mp_generation_t *next = refresh->staging.next;
    PyObject *candidates = PySet_New(NULL);
    while (candidates && PyDict_Next(refresh->staging.old, &position, &name,
                                     &value)) {
        mp_instance_t *old = (mp_instance_t *)value;
        mp_instance_t *now = mp_generation_find(next, name);
        Py_ssize_t place = 0;
        while (now != old
               && PyDict_Next(old->edges, &place, &target, &edge)) {
            if (is_need(old, target, edge_of(edge))
                && is_given_up(old, now, target, edge_of(edge))
                && add_candidates(next, target, candidates) < 0) {
                Py_DECREF(candidates);
                return NULL;
            }
        }
    }
    return candidates;
}

/* instance is needed, so what it needs is no candidate, either. */
static int
keep_needs(mp_generation_t *generation, mp_instance_t *instance,
           PyObject *candidates)
{
    PyObject *target, *edge;
    Py_ssize_t position = 0;
    while (PyDict_Next(instance->edges, &position, &target, &edge)) {
        if (!is_need(instance, target, edge_of(edge))) {
            continue;
        }
        int found = PySet_Discard(candidates, target);
        mp_instance_t *next = found == 1
            ? mp_generation_find(generation, target) : NULL;
        if (found < 0
            || (next && keep_needs(generation, next, candidates) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* Take out of candidates what is asked for by name, or somebody needs. */
static int
keep_needed(mp_generation_t *generation, PyObject *candidates)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(generation->table, &position, &name, &value)) {
        mp_instance_t *instance = (mp_instance_t *)value;
        if (instance->is_entry && PySet_Discard(candidates, name) < 0) {
            return -1;
        }
        if (PySet_Contains(candidates, name) == 0
            && keep_needs(generation, instance, candidates) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Of the candidates that are left, those whose bodies have changed what a
 * module that goes on owns. */
static int
note_effects(mp_importer_t *importer, mp_generation_t *generation,
             PyObject *candidates)
{
    PyObject *name, *value, *target, *edge;
    Py_ssize_t position = 0;
    while (PyDict_Next(generation->table, &position, &name, &value)) {
        mp_instance_t *instance = (mp_instance_t *)value;
        Py_ssize_t place = 0;
        int is_candidate = PySet_Contains(candidates, name);
        while (is_candidate == 0
               && PyDict_Next(instance->edges, &place, &target, &edge)) {
            if (edge_of(edge) == MP_EDGE_EFFECT
                && PySet_Contains(candidates, target) == 1
                && PySet_Add(importer->orphaned, target) < 0) {
                return -1;
            }
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

int
mp_orphans_note(mp_refresh_t *refresh)
{
    mp_generation_t *next = refresh->staging.next;
    PySet_Clear(refresh->reach.importer->orphaned);
    PyObject *candidates = find_candidates(refresh);
    int failed = candidates ? 0 : -1;
    if (candidates && PySet_GET_SIZE(candidates) > 0) {
        failed = keep_needed(next, candidates) < 0
                 || note_effects(refresh->reach.importer, next, candidates)
                        < 0;
    }
    Py_XDECREF(candidates);
    return failed ? -1 : 0;
}

/* What the modules that changed import, but for what is executed anew. New
 * set. */
static PyObject *
find_imported(mp_refresh_t *refresh)
{
    PyObject *target, *edge;
    mp_reach_t *reach = &refresh->reach;
    PyObject *imported = PySet_New(NULL);
    size_t count = (size_t)PyList_GET_SIZE(reach->instances);
    for (size_t i = 0; imported && i < count; i++) {
        Py_ssize_t position = 0;
        mp_instance_t *instance = mp_reach_instance(reach, i);
        if (!mp_depgraph_is_reached(reach->graph, i)
            || mp_depgraph_reached_from(reach->graph, i) != i) {
            continue;
        }
        while (PyDict_Next(instance->edges, &position, &target, &edge)) {
            if (is_need(instance, target, edge_of(edge))
                && add_candidates(reach->base, target, imported) < 0) {
                Py_DECREF(imported);
                return NULL;
            }
        }
    }
    return imported;
}

int
mp_orphans_may_come(mp_refresh_t *refresh)
{
    PyObject *name, *value, *target, *edge;
    Py_ssize_t position = 0;
    PyObject *imported = find_imported(refresh);
    int found = imported ? 0 : -1;
    while (found == 0 && PySet_GET_SIZE(imported) > 0
           && PyDict_Next(refresh->reach.base->table, &position, &name,
                          &value)) {
        Py_ssize_t place = 0;
        if (PyDict_Contains(refresh->staging.old, name)) {
            continue;
        }
        while (found == 0 && PyDict_Next(((mp_instance_t *)value)->edges,
                                         &place, &target, &edge)) {
            found = edge_of(edge) == MP_EDGE_EFFECT
                        ? PySet_Contains(imported, target) : 0;
        }
    }
    Py_XDECREF(imported);
    return found;
}
