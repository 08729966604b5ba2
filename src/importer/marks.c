/* marks.c - which modules changed. */
#include "runtime/python.h"

#include "importer/marks.h"

#include "importer/changes.h"
#include "importer/data.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/source.h"
#include "runtime/thread.h"

#include <stdlib.h>
#include <string.h>

/* Is path below one of the moved trees? */
static int
is_moved(mp_reach_t *reach, PyObject *path)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(reach->moved); i++) {
        PyObject *tree = PyList_GET_ITEM(reach->moved, i);
        if (tree == Py_None) {
            return 1;
        }
        Py_ssize_t length = PyUnicode_GET_LENGTH(tree);
        int below = PyUnicode_Tailmatch(path, tree, 0,
                                        PyUnicode_GET_LENGTH(path), -1) == 1;
        if (below && (PyUnicode_GET_LENGTH(path) == length
                      || PyUnicode_READ_CHAR(path, length) == '/'
                      || (length == 1 && PyUnicode_READ_CHAR(tree, 0)
                                             == '/'))) {
            return 1;
        }
    }
    return 0;
}

static int
set_reason(mp_reach_t *reach, PyObject *name, const char *text)
{
    PyObject *reason = PyUnicode_FromString(text);
    int failed = reason ? PyDict_SetItem(reach->reasons, name, reason) : -1;
    Py_XDECREF(reason);
    return failed;
}

static int
has_stamp_of(mp_importer_t *importer, mp_instance_t *instance)
{
    mp_stamp_t stamp;
    char *path = mp_source_path(instance->file);
    if (!path) {
        return -1;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int error = mp_source_stamp(path, &stamp);
    mp_thread_resume(held);
    free(path);
    return !error && !mp_source_is_racy(&instance->source)
           && mp_source_same_stamp(&stamp, &instance->source.stamp);
}

/* Could the bytes at this path be others? */
static int
is_path_suspect(mp_reach_t *reach, PyObject *path)
{
    int named = PySet_Contains(reach->changed, path);
    return named ? named : is_moved(reach, path);
}

/* ---- hard links -------------------------------------------------------- */

#define MOST_LINKED 10000 /* paths looked at; more come with a whole tree */

static PyObject *
inode_key(const mp_stamp_t *stamp)
{
    uint64_t key[2] = {stamp->device, stamp->inode};
    return PyBytes_FromStringAndSize((char *)key, sizeof(key));
}

/* An event names one of a file's names only. */
static int
note_linked(mp_reach_t *reach)
{
    PyObject *path;
    PyObject *iterator = PyObject_GetIter(reach->changed);
    if (!iterator || PySet_GET_SIZE(reach->changed) > MOST_LINKED) {
        Py_XDECREF(iterator);
        return iterator ? 0 : -1;
    }
    for (path = PyIter_Next(iterator); path; path = PyIter_Next(iterator)) {
        mp_stamp_t stamp;
        PyObject *key = NULL;
        char *name = mp_source_path(path);
        int failed = !name;
        if (name && mp_source_links(name, &stamp) > 1) {
            key = inode_key(&stamp);
            failed = !key || PySet_Add(reach->linked, key) < 0;
        }
        free(name);
        Py_XDECREF(key);
        Py_DECREF(path);
        if (failed) {
            break;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int
is_linked(mp_reach_t *reach, mp_instance_t *instance)
{
    if (PySet_GET_SIZE(reach->linked) == 0) {
        return 0;
    }
    PyObject *key = inode_key(&instance->source.stamp);
    int linked = key ? PySet_Contains(reach->linked, key) : -1;
    Py_XDECREF(key);
    return linked;
}

/* ---- suspicion --------------------------------------------------------- */

/* Could the file of this instance be another than the one executed? */
static int
is_suspect(mp_reach_t *reach, mp_instance_t *instance)
{
    mp_importer_t *importer = reach->importer;
    if (instance->file == Py_None) {
        return 0;
    }
    int suspect = is_path_suspect(reach, instance->file);
    if (suspect == 0) {
        suspect = is_linked(reach, instance);
    }
    Py_ssize_t links = instance->links && instance->links != Py_None
                           ? PyList_GET_SIZE(instance->links) : 0;
    for (Py_ssize_t i = 0; !suspect && i < links; i++) {
        suspect = is_path_suspect(reach,
                                  PyList_GET_ITEM(instance->links, i));
    }
    if (!suspect && importer->has_polled
        && mp_changes_is_polled(importer, instance->file) == 1) {
        suspect = 1;
    }
    if (suspect != 1 || PySet_Contains(reach->changed, instance->file)) {
        return suspect;
    }
    int same = has_stamp_of(importer, instance);
    return same < 0 ? -1 : !same;
}

/* Read the file and compare. Marks the instance when its content differs or
 * is gone; keeps the bytes for the stage. */
static int
compare_source(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    mp_importer_t *importer = reach->importer;
    mp_source_id_t id;
    int is_restless = PyDict_Contains(importer->restless, instance->file);
    if (is_restless) {
        return is_restless < 0 ? -1 : 0; /* what is read now may be half */
    }
    if (PySet_Add(importer->reading, instance->file) < 0) {
        return -1;
    }
    PyObject *bytes = mp_source_read(instance->file, &id);
    if (!bytes) {
        if (!PyErr_ExceptionMatches(PyExc_OSError)) {
            return -1;
        }
        PyErr_Clear(); /* gone, or unreadable: who needs it will say so */
        reach->saw_emptied = 1;
        mp_depgraph_mark(reach->graph, node);
        return PyDict_SetItem(reach->sources, instance->file, Py_None) < 0
                   ? -1 : set_reason(reach, instance->name, "removed");
    }
    int failed = 0;
    if (id.stamp.size == 0 && instance->source.stamp.size > 0) {
        reach->saw_emptied = 1;
    }
    if (!memcmp(id.hash, instance->source.hash, sizeof(id.hash))) {
        instance->source = id;
    }
    else {
        mp_depgraph_mark(reach->graph, node);
        PyObject *row = Py_BuildValue("[Oy#]", bytes, (char *)&id,
                                      (Py_ssize_t)sizeof(id));
        failed = !row
                 || PyDict_SetItem(reach->sources, instance->file,
                                   row) < 0
                 || set_reason(reach, instance->name, "changed") < 0;
        Py_XDECREF(row);
    }
    Py_DECREF(bytes);
    return failed ? -1 : 0;
}

/* Did something appear or vanish where a search of this instance looked? */
static int
is_search_suspect(mp_reach_t *reach, mp_instance_t *instance)
{
    if (PyList_GET_SIZE(reach->moved) > 0) {
        return 1;
    }
    PyObject *disjoint = PyObject_CallMethod(instance->probes, "isdisjoint",
                                             "O", reach->changed);
    if (!disjoint) {
        return -1;
    }
    int suspect = disjoint == Py_False;
    Py_DECREF(disjoint);
    return suspect;
}

/* Did something happen to what an import that failed had looked at? */
static int
is_missed_suspect(mp_reach_t *reach, mp_instance_t *instance)
{
    PyObject *path;
    int suspect = 0;
    PyObject *iterator = instance->missed ? PyObject_GetIter(instance->missed)
                                          : NULL;
    while (iterator && suspect == 0 && (path = PyIter_Next(iterator))) {
        suspect = is_path_suspect(reach, path);
        Py_DECREF(path);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : suspect;
}

/* Did something happen in "x" or "x/__init__", beside "x.py"? */
static int
is_place_suspect(mp_reach_t *reach, mp_instance_t *instance)
{
    return !reach->places || PySet_Contains(reach->places, instance->file);
}

/* Do the imports of this instance lead elsewhere now? Marks it. */
static int
compare_imports(mp_reach_t *reach, mp_instance_t *instance, size_t node,
                PyObject *names)
{
    mp_recheck_t news = reach->news;
    news.names = names;
    int same = mp_recheck_imports(reach->importer, instance, &news);
    if (same != 0) {
        return same < 0 ? -1 : 0;
    }
    mp_depgraph_mark(reach->graph, node);
    return PyDict_Contains(reach->reasons, instance->name)
               ? 0 : set_reason(reach, instance->name,
                                "its imports lead elsewhere");
}

/* Is what its body read another now? Marks it. */
static int
compare_data(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    PyObject *path = mp_data_find_changed(instance);
    if (!path) {
        return PyErr_Occurred() ? -1 : 0;
    }
    mp_depgraph_mark(reach->graph, node);
    PyObject *reason = PyUnicode_FromFormat("reads '%U'", path);
    int failed = reason ? PyDict_SetItem(reach->reasons, instance->name,
                                         reason) : -1;
    Py_XDECREF(reason);
    return failed;
}

int
mp_marks_examine(mp_reach_t *reach, size_t node)
{
    mp_instance_t *instance = mp_reach_instance(reach, node);
    if (instance->file != Py_None
        && compare_source(reach, instance, node) < 0) {
        return -1;
    }
    if (compare_data(reach, instance, node) < 0) {
        return -1;
    }
    return compare_imports(reach, instance, node, NULL);
}

/* A namespace package has no file that could change; a module or a regular
 * package of its name may take its place. */
static int
examine_namespace(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    /* A directory that is a root is a package for `from . import x` only. */
    if (instance->parent == Py_None && !instance->root->is_application) {
        return 0;
    }
    int same = mp_search_is_namespace(reach->importer, instance);
    if (same != 0) {
        return same < 0 ? -1 : 0;
    }
    mp_depgraph_mark(reach->graph, node);
    return set_reason(reach, instance->name, "removed");
}

/* Look where events give reason to. One reason is enough to execute it. */
static int
mark_if_changed(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    if (instance->file == Py_None) {
        return examine_namespace(reach, instance, node);
    }
    int suspect = is_suspect(reach, instance);
    if (suspect < 0
        || (suspect && compare_source(reach, instance, node) < 0)) {
        return -1;
    }
    if (is_place_suspect(reach, instance)) {
        int hidden = mp_search_is_hidden(reach->importer, instance);
        if (hidden < 0
            || (hidden && PySet_Add(reach->news.hidden, instance->name) < 0)) {
            return -1;
        }
    }
    suspect = is_search_suspect(reach, instance);
    if (suspect < 0
        || (suspect
            && compare_imports(reach, instance, node, reach->news.names)
                   < 0)) {
        return -1;
    }
    suspect = mp_data_is_suspect(reach->importer, instance, reach->changed,
                                 reach->moved);
    if (suspect < 0
        || (suspect && PyDict_Contains(reach->reasons, instance->name) == 0
            && compare_data(reach, instance, node) < 0)) {
        return -1;
    }
    suspect = is_missed_suspect(reach, instance);
    if (suspect == 1) {
        mp_depgraph_mark(reach->graph, node);
        suspect = PyDict_Contains(reach->reasons, instance->name)
            ? 0 : set_reason(reach, instance->name, "may import more now");
    }
    return suspect;
}

/* All of these names (set), with one reason. */
static int
mark_all(mp_reach_t *reach, PyObject *set, const char *reason)
{
    PyObject *names = PySequence_List(set);
    Py_ssize_t count = names ? PyList_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *number = PyDict_GetItemWithError(reach->numbers, name);
        if (number) {
            mp_depgraph_mark(reach->graph, PyLong_AsSize_t(number));
            set_reason(reach, name, reason);
        }
    }
    Py_XDECREF(names);
    return PyErr_Occurred() ? -1 : 0;
}

/* A module that loads only together with all of its root. */
static int
mark_wide(mp_reach_t *reach)
{
    PyObject *wide = reach->importer->wide;
    if (PySet_GET_SIZE(wide) == 0) {
        return 0;
    }
    size_t count = (size_t)PyList_GET_SIZE(reach->instances);
    for (size_t i = 0; i < count; i++) {
        mp_instance_t *changed = mp_reach_instance(reach, i);
        if (PySet_Contains(wide, changed->name) != 1
            || PyDict_Contains(reach->sources, changed->file) != 1) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            mp_instance_t *other = mp_reach_instance(reach, j);
            if (other->root == changed->root && i != j) {
                mp_depgraph_mark(reach->graph, j);
                if (PyDict_Contains(reach->reasons, other->name) == 0) {
                    set_reason(reach, other->name,
                               "loads with all of its root");
                }
            }
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
is_package_of(PyObject *value, PyObject *file)
{
    mp_instance_t *instance = (mp_instance_t *)value;
    return instance->is_package
           && PyObject_RichCompareBool(instance->file, file, Py_EQ) == 1;
}

/* Was there a package in this directory, and is there one now? Then the names
 * below it are what they were, whatever its __init__.py contains. */
static int
is_still_package(mp_reach_t *reach, PyObject *directory)
{
    mp_stamp_t stamp;
    PyObject *file = PyUnicode_FromFormat("%U/__init__.py", directory);
    char *path = file ? mp_source_path(file) : NULL;
    int still = path && !mp_source_stamp(path, &stamp), was = 0;
    Py_ssize_t count = still ? PyList_GET_SIZE(reach->instances) : 0;
    for (Py_ssize_t i = 0; i < count && !was; i++) {
        was = is_package_of(PyList_GET_ITEM(reach->instances, i), file);
    }
    free(path);
    Py_XDECREF(file);
    return was;
}

/* What an event at path may have changed: the module that a name of its last
 * part means, and whether there is a package in the place of a module. An
 * __init__.py that came or went gives all modules below it other names. */
static int
note_place(mp_reach_t *reach, PyObject *path)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(path);
    Py_ssize_t slash = PyUnicode_FindChar(path, '/', 0, length, -1);
    PyObject *name = PyUnicode_Substring(path, slash + 1, length);
    int is_init = name && PyUnicode_CompareWithASCIIString(
                              name, "__init__") == 0;
    PyObject *stem = PyUnicode_Substring(path, 0, is_init ? slash : length);
    PyObject *file = stem ? PyUnicode_FromFormat("%U.py", stem) : NULL;
    int failed = !name || !file || PySet_Add(reach->places, file) < 0;
    if (!failed && !is_init && reach->news.names) {
        failed = PySet_Add(reach->news.names, name) < 0;
    }
    else if (!failed && reach->news.names && !is_still_package(reach, stem)) {
        Py_CLEAR(reach->news.names);
    }
    if (!failed && PyErr_Occurred()) {
        failed = 1;
    }
    Py_XDECREF(file);
    Py_XDECREF(stem);
    Py_XDECREF(name);
    return failed ? -1 : 0;
}

/* Where a whole tree may differ, everything is to be looked at. */
static int
note_places(mp_reach_t *reach)
{
    PyObject *path;
    if (PyList_GET_SIZE(reach->moved) > 0) {
        return 0;
    }
    PyObject *iterator = PyObject_GetIter(reach->changed);
    reach->news.names = PySet_New(NULL);
    reach->places = PySet_New(NULL);
    int failed = !iterator || !reach->news.names || !reach->places;
    while (!failed && (path = PyIter_Next(iterator))) {
        failed = note_place(reach, path) < 0;
        Py_DECREF(path);
    }
    Py_XDECREF(iterator);
    return failed || PyErr_Occurred() ? -1 : 0;
}

#define INSTANCES_AT_ONCE 100

int
mp_marks_find(mp_reach_t *reach)
{
    if (note_linked(reach) < 0 || note_places(reach) < 0) {
        return -1;
    }
    for (size_t i = 0; i < (size_t)PyList_GET_SIZE(reach->instances); i++) {
        if (mark_if_changed(reach, mp_reach_instance(reach, i), i) < 0) {
            return -1;
        }
        if (i % INSTANCES_AT_ONCE == 0) {
            mp_thread_yield();
        }
    }
    /* A module that another file hides is not to be found by those who import
     * it later, and would not be executed again by itself. */
    if (mark_all(reach, reach->news.hidden, "another file has its name") < 0
        || mark_all(reach, reach->importer->orphaned,
                    "is imported by nobody any more") < 0) {
        return -1;
    }
    return mark_wide(reach);
}
