/* reach.c - from changed paths to the modules that are to be executed anew. */
#include "runtime/python.h"

#include "importer/reach.h"

#include "importer/changes.h"
#include "importer/data.h"
#include "importer/restless.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/source.h"
#include "runtime/thread.h"

#include <stdlib.h>
#include <string.h>

/* ---- which modules changed --------------------------------------------- */

mp_instance_t *
mp_reach_instance(mp_reach_t *reach, size_t node)
{
    return (mp_instance_t *)PyList_GET_ITEM(reach->instances,
                                            (Py_ssize_t)node);
}

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
    Py_ssize_t length = PyUnicode_GET_LENGTH(instance->file);
    if (PyList_GET_SIZE(reach->moved) > 0 || length < 4) {
        return 1;
    }
    PyObject *stem = PyUnicode_Substring(instance->file, 0, length - 3);
    PyObject *init = stem ? PyUnicode_FromFormat("%U/__init__", stem) : NULL;
    int suspect = init && (PySet_Contains(reach->changed, stem) == 1
                           || PySet_Contains(reach->changed, init) == 1);
    Py_XDECREF(init);
    Py_XDECREF(stem);
    PyErr_Clear(); /* out of memory: better look */
    return init ? suspect : 1;
}

/* Do the imports of this instance lead elsewhere now? Marks it. */
static int
compare_imports(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    int same = mp_search_still_same(reach->importer, instance,
                                    reach->hidden);
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

/* Look at a module without waiting for an event that names it. */
static int
examine(mp_reach_t *reach, size_t node)
{
    mp_instance_t *instance = mp_reach_instance(reach, node);
    if (instance->file != Py_None
        && compare_source(reach, instance, node) < 0) {
        return -1;
    }
    if (compare_data(reach, instance, node) < 0) {
        return -1;
    }
    return compare_imports(reach, instance, node);
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
            || (hidden && PySet_Add(reach->hidden, instance->name) < 0)) {
            return -1;
        }
    }
    suspect = is_search_suspect(reach, instance);
    if (suspect < 0
        || (suspect && compare_imports(reach, instance, node) < 0)) {
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

/* A module that another file hides is not to be found by those who import it
 * later, and would not be executed again by itself. */
static int
mark_hidden(mp_reach_t *reach)
{
    PyObject *names = PySequence_List(reach->hidden);
    Py_ssize_t count = names ? PyList_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *number = PyDict_GetItemWithError(reach->numbers, name);
        if (number) {
            mp_depgraph_mark(reach->graph, PyLong_AsSize_t(number));
            set_reason(reach, name, "another file has its name");
        }
    }
    Py_XDECREF(names);
    return PyErr_Occurred() ? -1 : 0;
}

/* A module that nobody imports any more takes its effects along. */
static int
mark_orphaned(mp_reach_t *reach)
{
    PyObject *names = PySequence_List(reach->importer->orphaned);
    Py_ssize_t count = names ? PyList_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *number = PyDict_GetItemWithError(reach->numbers, name);
        if (number) {
            mp_depgraph_mark(reach->graph, PyLong_AsSize_t(number));
            set_reason(reach, name, "is imported by nobody any more");
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
mark_changed(mp_reach_t *reach)
{
    if (note_linked(reach) < 0) {
        return -1;
    }
    for (size_t i = 0; i < (size_t)PyList_GET_SIZE(reach->instances); i++) {
        if (mark_if_changed(reach, mp_reach_instance(reach, i), i) < 0) {
            return -1;
        }
    }
    if (mark_hidden(reach) < 0 || mark_orphaned(reach) < 0) {
        return -1;
    }
    return mark_wide(reach);
}

/* ---- the graph --------------------------------------------------------- */

static int
add_edges(mp_reach_t *reach, mp_instance_t *instance, size_t node)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    while (PyDict_Next(instance->edges, &position, &target, &unused)) {
        PyObject *number = PyDict_GetItemWithError(reach->numbers, target);
        if (number
            && mp_depgraph_add_edge(reach->graph, node,
                                    PyLong_AsSize_t(number)) < 0) {
            PyErr_NoMemory();
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

static int
make_graph(mp_reach_t *reach)
{
    reach->instances = PyDict_Values(reach->base->table);
    reach->numbers = PyDict_New();
    if (!reach->instances || !reach->numbers) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(reach->instances);
    reach->graph = mp_depgraph_create((size_t)count);
    if (!reach->graph) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(
            reach->instances, i);
        PyObject *number = PyLong_FromSsize_t(i);
        int failed = number ? PyDict_SetItem(reach->numbers, instance->name,
                                             number) : -1;
        Py_XDECREF(number);
        if (failed) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (add_edges(reach, (mp_instance_t *)PyList_GET_ITEM(
                                   reach->instances, i), (size_t)i) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Everything reached: into staging.old, with a reason for the log. */
int
mp_reach_spread(mp_reach_t *reach)
{
    reach->reached = mp_depgraph_spread(reach->graph);
    if (reach->reached == (size_t)-1) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < (size_t)PyList_GET_SIZE(reach->instances); i++) {
        mp_instance_t *instance = mp_reach_instance(reach, i);
        if (!mp_depgraph_is_reached(reach->graph, i)) {
            continue;
        }
        if (PyDict_SetItem(reach->old, instance->name,
                           (PyObject *)instance) < 0) {
            return -1;
        }
        size_t from = mp_depgraph_reached_from(reach->graph, i);
        if (from != i
            && PyDict_Contains(reach->reasons, instance->name) == 0) {
            PyObject *reason = PyUnicode_FromFormat(
                "depends on %U", mp_reach_instance(reach, from)->name);
            int failed = reason ? PyDict_SetItem(reach->reasons,
                                                 instance->name, reason) : -1;
            Py_XDECREF(reason);
            if (failed) {
                return -1;
            }
        }
    }
    return 0;
}

/* Modules whose newest files did not load last time are looked at again; one
 * that is back to what is running needs nothing. */
int
mp_reach_mark_pending(mp_reach_t *reach)
{
    PyObject *name;
    PyObject *iterator = PyObject_GetIter(reach->importer->pending);
    if (!iterator) {
        return -1;
    }
    for (name = PyIter_Next(iterator); name; name = PyIter_Next(iterator)) {
        PyObject *number = PyDict_GetItemWithError(reach->numbers, name);
        size_t node = number ? PyLong_AsSize_t(number) : 0;
        int failed = !number || PyDict_Contains(reach->reasons, name)
                         ? 0 : examine(reach, node);
        Py_DECREF(name);
        if (failed) {
            break;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* The pending modules that one of them depends on, it included: into found. */
static int
add_related(mp_reach_t *reach, PyObject *name, PyObject *found)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    if (PySet_Contains(reach->importer->pending, name) != 1
        || PySet_Contains(found, name) == 1) {
        return PyErr_Occurred() ? -1 : 0;
    }
    mp_instance_t *instance = mp_generation_find(reach->base, name);
    if (!instance || PySet_Add(found, name) < 0) {
        return instance ? -1 : 0;
    }
    while (PyDict_Next(instance->edges, &position, &target, &unused)) {
        if (add_related(reach, target, found) < 0) {
            return -1;
        }
    }
    return 0;
}

int
mp_reach_mark_related(mp_reach_t *reach)
{
    PyObject *found = PySet_New(NULL);
    PyObject *reached = PyDict_Keys(reach->old);
    Py_ssize_t count = found && reached ? PyList_GET_SIZE(reached) : 0;
    int failed = found && reached ? 0 : -1;
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        failed = add_related(reach, PyList_GET_ITEM(reached, i), found);
    }
    Py_XDECREF(reached);
    reached = failed ? NULL : PySequence_List(found);
    count = reached ? PyList_GET_SIZE(reached) : 0;
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *name = PyList_GET_ITEM(reached, i);
        PyObject *number = PyDict_GetItemWithError(reach->numbers, name);
        failed = !number || PyDict_Contains(reach->reasons, name)
                     ? 0 : examine(reach, PyLong_AsSize_t(number));
    }
    if (count > 0 && !failed) {
        failed = mp_reach_spread(reach);
    }
    Py_XDECREF(reached);
    Py_XDECREF(found);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* Could one of the events be about this module? */
static int
is_named(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *lists[] = {
        instance->probes, instance->links == Py_None ? NULL : instance->links,
        instance->data, instance->missed,
    };
    int named = PySet_Contains(importer->changed, instance->file);
    for (size_t i = 0; !named && i < sizeof(lists) / sizeof(*lists); i++) {
        PyObject *disjoint = lists[i]
            ? PyObject_CallMethod(importer->changed, "isdisjoint", "O",
                                  lists[i]) : NULL;
        named = disjoint == Py_False;
        Py_XDECREF(disjoint);
    }
    return named;
}

int
mp_reach_is_concerned(mp_importer_t *importer)
{
    int failed;
    mp_changes_collect(importer, &failed);
    /* A refresh in progress may have taken the events that matter. */
    if (failed || importer->reading || importer->has_polled
        || PyList_GET_SIZE(importer->moved) > 0) {
        PyErr_Clear(); /* whoever deals with it will see */
        return 1;
    }
    mp_generation_t *current = (mp_generation_t *)importer->current;
    PyObject *instances = PyDict_Values(current->table);
    Py_ssize_t count = instances ? PyList_GET_SIZE(instances) : 0;
    int concerned = !instances;
    for (Py_ssize_t i = 0; i < count && !concerned; i++) {
        concerned = is_named(importer, (mp_instance_t *)PyList_GET_ITEM(
                                           instances, i));
    }
    Py_XDECREF(instances);
    PyErr_Clear(); /* as above */
    return concerned;
}

/* ---- beginning and end ------------------------------------------------ */

static int
begin(mp_reach_t *reach, mp_importer_t *importer)
{
    memset(reach, 0, sizeof(*reach));
    reach->importer = importer;
    reach->base = (mp_generation_t *)Py_NewRef(importer->current);
    reach->reasons = PyDict_New();
    reach->old = PyDict_New();
    reach->sources = PyDict_New();
    reach->linked = PySet_New(NULL);
    reach->hidden = PySet_New(NULL);
    reach->reading = PySet_New(NULL);
    importer->reading = reach->reading;
    importer->is_disturbed = 0;
    PySet_Clear(importer->disturbed);
    PySet_Clear(importer->written);
    return reach->reasons && reach->old
                   && reach->sources && reach->linked && reach->hidden
                   && reach->reading
               ? make_graph(reach) : -1;
}

void
mp_reach_end(mp_reach_t *reach)
{
    if (reach->graph) {
        mp_depgraph_destroy(reach->graph);
    }
    if (reach->importer->reading == reach->reading) {
        reach->importer->reading = NULL;
    }
    Py_XDECREF(reach->reading);
    Py_XDECREF(reach->base);
    Py_XDECREF(reach->changed);
    Py_XDECREF(reach->moved);
    Py_XDECREF(reach->linked);
    Py_XDECREF(reach->hidden);
    Py_XDECREF(reach->instances);
    Py_XDECREF(reach->numbers);
    Py_XDECREF(reach->reasons);
    Py_XDECREF(reach->old);
    Py_XDECREF(reach->sources);
}

/* What events told so far is this refresh's to deal with; what comes from now
 * on is the next one's. */
static int
take_changes(mp_reach_t *reach, mp_importer_t *importer)
{
    PyObject *changed = PySet_New(NULL);
    PyObject *moved = PyList_New(0);
    if (!changed || !moved) {
        Py_XDECREF(changed);
        Py_XDECREF(moved);
        return -1;
    }
    importer->rounds++;
    reach->changed = importer->changed;
    reach->moved = importer->moved;
    importer->changed = changed;
    importer->moved = moved;
    importer->is_disturbed = 0;
    return 0;
}

/* The refresh could not deal with them after all. */
int
mp_reach_give_back(mp_reach_t *reach, mp_importer_t *importer)
{
    if (!reach->changed) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    Py_ssize_t end = PyList_GET_SIZE(importer->moved);
    PyObject *none = PyObject_CallMethod(importer->changed, "update", "O",
                                         reach->changed);
    int failed = !none
                 || PyList_SetSlice(importer->moved, end, end,
                                    reach->moved) < 0;
    Py_XDECREF(none);
    if (exc) {
        PyErr_SetRaisedException(exc);
    }
    return failed ? -1 : 0;
}

/* The kernel changes a file first and queues the event then. */
#define EVENT_DELAY_MS 100

static int
mark_once(mp_reach_t *reach, mp_importer_t *importer, apr_time_t end_time)
{
    int failed = 0;
    if (begin(reach, importer) < 0
        || (importer->view
            && mp_changes_await_writers(importer, end_time,
                                        &reach->position) < 0)
        || (importer->has_polled && mp_changes_look_at_polled(importer) < 0)
        || take_changes(reach, importer) < 0
        || mark_changed(reach) < 0) {
        return -1;
    }
    if (reach->saw_emptied && importer->view) {
        /* Truncated, or moved away, by somebody about to write it again? */
        apr_time_t until = apr_time_now() + apr_time_from_msec(EVENT_DELAY_MS);
        uint64_t seen = reach->position;
        while (!failed && !importer->is_disturbed && apr_time_now() < until) {
            mp_thread_suspended_t held = mp_thread_suspend();
            mp_watch_wait(importer->view, seen, 5);
            mp_thread_resume(held);
            seen = mp_changes_collect(importer, &failed);
        }
    }
    mp_changes_collect(importer, &failed);
    return failed;
}

int
mp_reach_is_disturbed(mp_reach_t *reach)
{
    int failed = 0;
    mp_changes_collect(reach->importer, &failed);
    return failed ? -1 : reach->importer->is_disturbed;
}

/* Mark until nothing that was read changed under our hands. */
int
mp_reach_find(mp_reach_t *reach, mp_importer_t *importer)
{
    apr_time_t end_time = apr_time_now() + apr_time_from_msec(500);
    for (;;) {
        int failed = mark_once(reach, importer, end_time);
        if (!failed
            && (!importer->is_disturbed || apr_time_now() >= end_time)) {
            return 0;
        }
        if (mp_reach_give_back(reach, importer) < 0 || failed
            || mp_restless_count(importer) < 0) {
            return -1;
        }
        mp_reach_end(reach);
    }
}
