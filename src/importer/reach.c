/* reach.c - from changed paths to the modules that are to be executed anew. */
#include "runtime/python.h"

#include "importer/reach.h"

#include "importer/changes.h"
#include "importer/marks.h"
#include "importer/memory.h"
#include "importer/restless.h"
#include "importer/source.h"
#include "runtime/thread.h"

#include <stdlib.h>
#include <string.h>

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
                         ? 0 : mp_marks_examine(reach, node);
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
                     ? 0 : mp_marks_examine(reach, PyLong_AsSize_t(number));
    }
    if (count > 0 && !failed) {
        failed = mp_reach_spread(reach);
    }
    Py_XDECREF(reached);
    Py_XDECREF(found);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* Could an event at one of these paths be about this module? */
static int
is_named(PyObject *paths, mp_instance_t *instance)
{
    PyObject *lists[] = {
        instance->probes, instance->links == Py_None ? NULL : instance->links,
        instance->data, instance->missed,
    };
    int named = PySet_Contains(paths, instance->file);
    for (size_t i = 0; !named && i < sizeof(lists) / sizeof(*lists); i++) {
        PyObject *disjoint = lists[i]
            ? PyObject_CallMethod(paths, "isdisjoint", "O", lists[i]) : NULL;
        named = disjoint == Py_False;
        Py_XDECREF(disjoint);
    }
    return named;
}

static int
needs(mp_generation_t *generation, mp_instance_t *instance, PyObject *paths,
      PyObject *seen)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    int found = is_named(paths, instance);
    while (!found
           && PyDict_Next(instance->edges, &position, &target, &unused)) {
        mp_instance_t *next = mp_generation_find(generation, target);
        if (next && PySet_Contains(seen, target) == 0) {
            found = PySet_Add(seen, target) < 0
                    || needs(generation, next, paths, seen);
        }
    }
    return found;
}

int
mp_reach_needs(mp_importer_t *importer, mp_instance_t *instance,
               PyObject *paths)
{
    PyObject *seen = PySet_New(NULL);
    int found = !seen || needs((mp_generation_t *)importer->current, instance,
                               paths, seen);
    Py_XDECREF(seen);
    PyErr_Clear(); /* out of memory: as if it did */
    return found;
}

int
mp_reach_touches_handlers(mp_reach_t *reach)
{
    int touched = PyList_GET_SIZE(reach->moved) > 0
                  || mp_memory_is_touched(reach->base, reach->changed);
    PyErr_Clear(); /* out of memory: better look */
    return touched;
}

static int
is_any_named(mp_importer_t *importer)
{
    mp_generation_t *current = (mp_generation_t *)importer->current;
    PyObject *instances = PyDict_Values(current->table);
    Py_ssize_t count = instances ? PyList_GET_SIZE(instances) : 0;
    int concerned = !instances
                    || mp_memory_is_touched(current, importer->changed);
    for (Py_ssize_t i = 0; i < count && !concerned; i++) {
        concerned = is_named(importer->changed,
                             (mp_instance_t *)PyList_GET_ITEM(instances, i));
    }
    Py_XDECREF(instances);
    PyErr_Clear(); /* as above */
    return concerned;
}

/* Those who have an interim generation need not look again at changes that
 * concern nobody. */
static int
put_off_changed(mp_importer_t *importer)
{
    if (!importer->interim) {
        return 0;
    }
    if (mp_changes_put_off(importer, importer->changed) < 0) {
        return -1;
    }
    return PySet_Clear(importer->changed);
}

static int
is_all_quiet(mp_importer_t *importer)
{
    return importer->view && mp_watch_is_quiet(importer->view)
           && !importer->has_polled
           && PySet_GET_SIZE(importer->changed) == 0
           && PyList_GET_SIZE(importer->moved) == 0;
}

int
mp_reach_has_news(mp_importer_t *importer)
{
    int failed;
    if (is_all_quiet(importer)) {
        return 0;
    }
    mp_changes_collect(importer, &failed);
    if (!failed && !importer->has_polled
        && PyList_GET_SIZE(importer->moved) == 0) {
        if (PySet_GET_SIZE(importer->changed) == 0
            || (!is_any_named(importer) && put_off_changed(importer) == 0)) {
            return 0;
        }
    }
    PyErr_Clear(); /* whoever deals with it will see */
    return 1;
}

int
mp_reach_is_concerned(mp_importer_t *importer)
{
    return mp_reach_has_news(importer) || importer->reading
           || importer->has_put_off;
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
    reach->news.hidden = PySet_New(NULL);
    reach->news.memo = PyDict_New();
    reach->reading = PySet_New(NULL);
    importer->reading = reach->reading;
    importer->is_disturbed = 0;
    PySet_Clear(importer->disturbed);
    PySet_Clear(importer->written);
    return reach->reasons && reach->old
                   && reach->sources && reach->linked && reach->news.hidden
                   && reach->news.memo
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
    Py_XDECREF(reach->places);
    Py_XDECREF(reach->news.names);
    Py_XDECREF(reach->news.memo);
    Py_XDECREF(reach->linked);
    Py_XDECREF(reach->news.hidden);
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
        || mp_marks_find(reach) < 0) {
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

/* Was the file empty when it was read (row: [bytes, id]), and is not now? 1,
 * 0, -1. */
static int
is_filled_since(PyObject *path, PyObject *row)
{
    mp_stamp_t stamp;
    if (row == Py_None || PyBytes_GET_SIZE(PyList_GET_ITEM(row, 0)) > 0) {
        return 0;
    }
    char *name = mp_source_path(path);
    if (!name) {
        return -1;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int error = mp_source_stamp(name, &stamp);
    mp_thread_resume(held);
    free(name);
    return !error && stamp.size > 0;
}

/* Events may come late: a file that is cut to nothing, as the first half of a
 * save, is looked at once more. */
static int
look_again(mp_reach_t *reach)
{
    PyObject *path, *row;
    Py_ssize_t position = 0;
    int filled = 0;
    while (filled >= 0
           && PyDict_Next(reach->sources, &position, &path, &row)) {
        filled = is_filled_since(path, row);
        if (filled == 1) {
            reach->importer->is_disturbed = 1;
            PySet_Add(reach->importer->disturbed, path);
        }
    }
    return filled < 0 || PyErr_Occurred() ? -1 : 0;
}

int
mp_reach_is_disturbed(mp_reach_t *reach)
{
    int failed = 0;
    mp_changes_collect(reach->importer, &failed);
    if (failed || look_again(reach) < 0) {
        return -1;
    }
    return reach->importer->is_disturbed;
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
