/* changes.c - from events of the watch to sets of paths. */
#include "runtime/python.h"

#include "importer/changes.h"

#include "importer/restless.h"
#include "importer/source.h"
#include "runtime/thread.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---- events ------------------------------------------------------------ */

/* What the watch reports while detached, kept until we are attached. */
typedef struct {
    mp_change_t change;
    char *dir, *name;
} event_t;

typedef struct {
    mp_importer_t *importer;
    long batch; /* its number; -1: there are no events */
    event_t *rows;
    size_t count, room;
    int lost; /* out of memory: look at everything */
} events_t;

/* The view has its lock while it calls this: batches are numbered in the order
 * of their events. */
static void
keep_event(void *baton, mp_change_t change, const char *dir, const char *name)
{
    events_t *events = baton;
    if (events->batch < 0) {
        events->batch = events->importer->batches++;
    }
    if (events->count == events->room) {
        size_t room = events->room ? events->room * 2 : 16;
        event_t *rows = realloc(events->rows, room * sizeof(*rows));
        if (!rows) {
            events->lost = 1;
            return;
        }
        events->rows = rows;
        events->room = room;
    }
    event_t *event = &events->rows[events->count];
    event->change = change;
    event->dir = dir ? strdup(dir) : NULL;
    event->name = name ? strdup(name) : NULL;
    if ((dir && !event->dir) || (name && !event->name)) {
        events->lost = 1;
    }
    events->count++;
}

static void
free_events(events_t *events)
{
    for (size_t i = 0; i < events->count; i++) {
        free(events->rows[i].dir);
        free(events->rows[i].name);
    }
    free(events->rows);
}

/* dir/name, and without ".py": the first is a file, the second what searches
 * look for. */
static int
note_entry(mp_importer_t *importer, const event_t *event)
{
    int failed = -1;
    PyObject *stem = NULL;
    PyObject *dir = PyUnicode_DecodeFSDefault(event->dir);
    PyObject *name = PyUnicode_DecodeFSDefault(event->name);
    PyObject *path = dir && name ? PyUnicode_FromFormat("%U/%U", dir, name)
                                 : NULL;
    if (!path) {
        goto done;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(path);
    size_t name_length = strlen(event->name);
    int is_python = name_length > 3
                    && !strcmp(event->name + name_length - 3, ".py");
    stem = is_python ? PyUnicode_Substring(path, 0, length - 3)
                     : Py_NewRef(path);
    if (importer->reading && PySet_Contains(importer->reading, path) == 1
        && PySet_Contains(importer->written, path) == 0) {
        importer->is_disturbed = 1;
        PySet_Add(importer->disturbed, path);
    }
    int is_restless = stem ? mp_restless_has(importer, path, stem) : -1;
    if (is_restless) {
        failed = is_restless < 0;
        goto done;
    }
    if (event->change == MP_CHANGE_WRITING) {
        failed = PySet_Add(importer->writing, path);
        goto done;
    }
    failed = PySet_Discard(importer->writing, path) < 0
             || PySet_Add(importer->changed, path) < 0
             || PySet_Add(importer->changed, stem) < 0;
done:
    Py_XDECREF(stem);
    Py_XDECREF(path);
    Py_XDECREF(name);
    Py_XDECREF(dir);
    return failed ? -1 : 0;
}

static int
note_tree(mp_importer_t *importer, const char *dir)
{
    PyObject *tree = dir ? PyUnicode_DecodeFSDefault(dir)
                         : Py_NewRef(Py_None);
    int failed = tree ? PyList_Append(importer->moved, tree) : -1;
    Py_XDECREF(tree);
    importer->is_disturbed = 1;
    return failed;
}

/* Events that another thread took before us are before our position, but it
 * may not have noted them yet. */
static void
await_collectors(mp_importer_t *importer)
{
    while (importer->collecting > 0) {
        mp_thread_suspended_t held = mp_thread_suspend();
        sched_yield();
        mp_thread_resume(held);
    }
}

/* A thread that took later events may be here first: that a file is complete
 * must not be noted before that it is being written. */
static void
await_turn(mp_importer_t *importer, long batch)
{
    while (importer->noted != batch) {
        mp_thread_suspended_t held = mp_thread_suspend();
        sched_yield();
        mp_thread_resume(held);
    }
}

uint64_t
mp_changes_collect(mp_importer_t *importer, int *failed)
{
    events_t events = {.importer = importer, .batch = -1};
    *failed = 0;
    if (!importer->view) {
        return 0;
    }
    importer->collecting++;
    mp_thread_suspended_t held = mp_thread_suspend();
    uint64_t position = mp_watch_collect(importer->view, keep_event, &events);
    mp_thread_resume(held);
    if (events.batch >= 0) {
        await_turn(importer, events.batch);
    }
    importer->position = position;
    for (size_t i = 0; i < events.count && !*failed; i++) {
        const event_t *event = &events.rows[i];
        *failed = event->change == MP_CHANGE_TREE
                      ? note_tree(importer, event->dir)
                      : note_entry(importer, event);
    }
    if (!*failed && events.lost) {
        *failed = note_tree(importer, NULL);
    }
    importer->noted += events.batch >= 0;
    importer->collecting--;
    free_events(&events);
    await_collectors(importer);
    return position;
}

/* ---- files that are being written ------------------------------------- */

int
mp_changes_await_writers(mp_importer_t *importer, apr_time_t end_time,
                         uint64_t *position)
{
    int failed;
    for (;;) {
        *position = mp_changes_collect(importer, &failed);
        PyObject *disjoint = failed ? NULL : PyObject_CallMethod(
            importer->writing, "isdisjoint", "O", importer->changed);
        if (!disjoint) {
            return -1;
        }
        int is_quiet = disjoint == Py_True;
        Py_DECREF(disjoint);
        apr_time_t left = end_time - apr_time_now();
        if (is_quiet) {
            return 0;
        }
        if (left <= 0) {
            return PySet_Clear(importer->writing);
        }
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_watch_wait(importer->view, *position, (int)(left / 1000) + 1);
        mp_thread_resume(held);
    }
}

/* ---- changes that concern nobody yet ------------------------------------ */

static int
add_all(PyObject *set, PyObject *more)
{
    PyObject *none = PyObject_CallMethod(set, "update", "O", more);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

int
mp_changes_put_off(mp_importer_t *importer, PyObject *paths)
{
    return add_all(importer->put_off, paths);
}

int
mp_changes_unite(mp_importer_t *importer)
{
    if (PySet_GET_SIZE(importer->put_off) == 0) {
        return 0;
    }
    if (add_all(importer->changed, importer->put_off) < 0) {
        return -1;
    }
    return PySet_Clear(importer->put_off);
}

/* ---- directories without events ---------------------------------------- */

int
mp_changes_look_at_polled(mp_importer_t *importer)
{
    PyObject *dirs = PyDict_Keys(importer->polled);
    int failed = dirs ? 0 : -1;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(dirs); i++) {
        mp_stamp_t stamp = {0};
        PyObject *dir = PyList_GET_ITEM(dirs, i);
        char *path = mp_source_path(dir);
        if (!path) {
            failed = -1;
            break;
        }
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_source_stamp(path, &stamp);
        mp_thread_resume(held);
        free(path);
        PyObject *known = PyDict_GetItemWithError(importer->polled, dir);
        int differs = PyBytes_GET_SIZE(known) != sizeof(stamp)
                      || memcmp(PyBytes_AS_STRING(known), &stamp,
                                sizeof(stamp));
        if (differs) {
            PyObject *now = PyBytes_FromStringAndSize((char *)&stamp,
                                                      sizeof(stamp));
            failed = !now
                     || PyDict_SetItem(importer->polled, dir, now) < 0
                     || PyList_Append(importer->moved, dir) < 0;
            Py_XDECREF(now);
        }
    }
    Py_XDECREF(dirs);
    return failed ? -1 : 0;
}

int
mp_changes_is_polled(mp_importer_t *importer, PyObject *file)
{
    Py_ssize_t slash = PyUnicode_FindChar(file, '/', 0,
                                          PyUnicode_GET_LENGTH(file), -1);
    PyObject *dir = PyUnicode_Substring(file, 0, slash > 0 ? slash : 0);
    int polled = dir ? PyDict_Contains(importer->polled, dir) : -1;
    Py_XDECREF(dir);
    return polled;
}
