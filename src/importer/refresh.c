/* refresh.c - from file events to the next generation.
 *
 * The holder of the stage lock: takes in events, marks the modules whose files
 * or searches changed, spreads the marks over the edges (core/depgraph), and
 * executes what was reached, component by component, into a new generation. */
#include "runtime/python.h"

#include "importer/refresh.h"

#include "core/depgraph.h"
#include "importer/root.h"
#include "importer/stage.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- events ------------------------------------------------------------ */

/* What the watch reports while detached, kept until we are attached. */
typedef struct {
    mp_change_t change;
    char *dir, *name;
} event_t;

typedef struct {
    event_t *rows;
    size_t count, room;
    int lost; /* out of memory: look at everything */
} events_t;

static void
keep_event(void *baton, mp_change_t change, const char *dir, const char *name)
{
    events_t *events = baton;
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
    if (importer->reading && PySet_Contains(importer->reading, path) == 1) {
        importer->is_disturbed = 1;
    }
    if (event->change == MP_CHANGE_WRITING) {
        failed = PySet_Add(importer->writing, path);
        goto done;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(path);
    size_t name_length = strlen(event->name);
    int is_python = name_length > 3
                    && !strcmp(event->name + name_length - 3, ".py");
    stem = is_python ? PyUnicode_Substring(path, 0, length - 3)
                     : Py_NewRef(path);
    failed = !stem || PySet_Discard(importer->writing, path) < 0
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

uint64_t
mp_refresh_collect(mp_importer_t *importer, int *failed)
{
    events_t events = {0};
    *failed = 0;
    if (!importer->view) {
        return 0;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    uint64_t position = mp_watch_collect(importer->view, keep_event, &events);
    mp_thread_resume(held);
    for (size_t i = 0; i < events.count && !*failed; i++) {
        const event_t *event = &events.rows[i];
        *failed = event->change == MP_CHANGE_TREE
                      ? note_tree(importer, event->dir)
                      : note_entry(importer, event);
    }
    if (!*failed && events.lost) {
        *failed = note_tree(importer, NULL);
    }
    free_events(&events);
    return position;
}

int
mp_refresh_is_due(mp_importer_t *importer)
{
    if (importer->is_frozen) {
        return 0;
    }
    return (importer->view && !mp_watch_is_quiet(importer->view))
           || importer->has_polled
           || (importer->has_pending && apr_time_now() >= importer->retry_at);
}

/* ---- directories without events ---------------------------------------- */

/* Those whose own stamp differs count as moved: something appeared in them or
 * went away. */
static int
look_at_polled(mp_importer_t *importer)
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

static int
is_in_polled(mp_importer_t *importer, PyObject *file)
{
    Py_ssize_t slash = PyUnicode_FindChar(file, '/', 0,
                                          PyUnicode_GET_LENGTH(file), -1);
    PyObject *dir = PyUnicode_Substring(file, 0, slash > 0 ? slash : 0);
    int polled = dir ? PyDict_Contains(importer->polled, dir) : -1;
    Py_XDECREF(dir);
    return polled;
}

/* ---- which modules changed --------------------------------------------- */

typedef struct {
    mp_importer_t *importer;
    mp_generation_t *base;
    PyObject *changed;     /* set, list: what importer->changed and moved were */
    PyObject *moved;
    uint64_t position;     /* everything up to here is in them */
    PyObject *instances;   /* list: the nodes of graph */
    PyObject *numbers;     /* dict: name -> int: its node */
    mp_depgraph_t *graph;
    PyObject *reasons;     /* dict: name -> str */
    mp_staging_t staging;
    size_t reached;
} refresh_t;

/* Is path below one of the moved trees? */
static int
is_moved(refresh_t *refresh, PyObject *path)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(refresh->moved); i++) {
        PyObject *tree = PyList_GET_ITEM(refresh->moved, i);
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
set_reason(refresh_t *refresh, PyObject *name, const char *text)
{
    PyObject *reason = PyUnicode_FromString(text);
    int failed = reason ? PyDict_SetItem(refresh->reasons, name, reason) : -1;
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
is_path_suspect(refresh_t *refresh, PyObject *path)
{
    int named = PySet_Contains(refresh->changed, path);
    return named ? named : is_moved(refresh, path);
}

/* Could the file of this instance be another than the one executed? */
static int
is_suspect(refresh_t *refresh, mp_instance_t *instance)
{
    mp_importer_t *importer = refresh->importer;
    if (instance->file == Py_None) {
        return 0;
    }
    int suspect = is_path_suspect(refresh, instance->file);
    Py_ssize_t links = instance->links && instance->links != Py_None
                           ? PyList_GET_SIZE(instance->links) : 0;
    for (Py_ssize_t i = 0; !suspect && i < links; i++) {
        suspect = is_path_suspect(refresh,
                                  PyList_GET_ITEM(instance->links, i));
    }
    if (!suspect && importer->has_polled
        && is_in_polled(importer, instance->file) == 1) {
        suspect = 1;
    }
    if (suspect != 1 || PySet_Contains(refresh->changed, instance->file)) {
        return suspect;
    }
    int same = has_stamp_of(importer, instance);
    return same < 0 ? -1 : !same;
}

/* Read the file and compare. Marks the instance when its content differs or
 * is gone; keeps the bytes for the stage. */
static int
compare_source(refresh_t *refresh, mp_instance_t *instance, size_t node)
{
    mp_importer_t *importer = refresh->importer;
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
        mp_depgraph_mark(refresh->graph, node);
        return set_reason(refresh, instance->name, "removed");
    }
    int failed = 0;
    if (!memcmp(id.hash, instance->source.hash, sizeof(id.hash))) {
        instance->source = id;
    }
    else {
        mp_depgraph_mark(refresh->graph, node);
        PyObject *row = Py_BuildValue("(Oy#)", bytes, (char *)&id,
                                      (Py_ssize_t)sizeof(id));
        failed = !row
                 || PyDict_SetItem(refresh->staging.sources, instance->file,
                                   row) < 0
                 || set_reason(refresh, instance->name, "changed") < 0;
        Py_XDECREF(row);
    }
    Py_DECREF(bytes);
    return failed ? -1 : 0;
}

/* Did something appear or vanish where a search of this instance looked? */
static int
is_search_suspect(refresh_t *refresh, mp_instance_t *instance)
{
    if (PyList_GET_SIZE(refresh->moved) > 0) {
        return 1;
    }
    PyObject *disjoint = PyObject_CallMethod(instance->probes, "isdisjoint",
                                             "O", refresh->changed);
    if (!disjoint) {
        return -1;
    }
    int suspect = disjoint == Py_False;
    Py_DECREF(disjoint);
    return suspect;
}

static int
mark_changed(refresh_t *refresh)
{
    mp_importer_t *importer = refresh->importer;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(refresh->instances); i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(
            refresh->instances, i);
        int suspect = is_suspect(refresh, instance);
        if (suspect < 0
            || (suspect && compare_source(refresh, instance, i) < 0)) {
            return -1;
        }
        suspect = is_search_suspect(refresh, instance);
        if (suspect < 0) {
            return -1;
        }
        if (suspect
            && PyDict_Contains(refresh->reasons, instance->name) == 0) {
            int same = mp_search_still_same(importer, instance);
            if (same < 0) {
                return -1;
            }
            if (!same) {
                mp_depgraph_mark(refresh->graph, i);
                if (set_reason(refresh, instance->name,
                               "its imports lead elsewhere") < 0) {
                    return -1;
                }
            }
        }
    }
    return 0;
}

/* ---- the graph --------------------------------------------------------- */

static int
add_edges(refresh_t *refresh, mp_instance_t *instance, size_t node)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    while (PyDict_Next(instance->edges, &position, &target, &unused)) {
        PyObject *number = PyDict_GetItemWithError(refresh->numbers, target);
        if (number
            && mp_depgraph_add_edge(refresh->graph, node,
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
make_graph(refresh_t *refresh)
{
    refresh->instances = PyDict_Values(refresh->base->table);
    refresh->numbers = PyDict_New();
    if (!refresh->instances || !refresh->numbers) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(refresh->instances);
    refresh->graph = mp_depgraph_create((size_t)count);
    if (!refresh->graph) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(
            refresh->instances, i);
        PyObject *number = PyLong_FromSsize_t(i);
        int failed = number ? PyDict_SetItem(refresh->numbers, instance->name,
                                             number) : -1;
        Py_XDECREF(number);
        if (failed) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (add_edges(refresh, (mp_instance_t *)PyList_GET_ITEM(
                                   refresh->instances, i), (size_t)i) < 0) {
            return -1;
        }
    }
    return 0;
}

static mp_instance_t *
node_instance(refresh_t *refresh, size_t node)
{
    return (mp_instance_t *)PyList_GET_ITEM(refresh->instances,
                                            (Py_ssize_t)node);
}

/* Everything reached: into staging.old, with a reason for the log. */
static int
spread(refresh_t *refresh)
{
    refresh->reached = mp_depgraph_spread(refresh->graph);
    if (refresh->reached == (size_t)-1) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < (size_t)PyList_GET_SIZE(refresh->instances); i++) {
        mp_instance_t *instance = node_instance(refresh, i);
        if (!mp_depgraph_is_reached(refresh->graph, i)) {
            continue;
        }
        if (PyDict_SetItem(refresh->staging.old, instance->name,
                           (PyObject *)instance) < 0) {
            return -1;
        }
        size_t from = mp_depgraph_reached_from(refresh->graph, i);
        if (from != i
            && PyDict_Contains(refresh->reasons, instance->name) == 0) {
            PyObject *reason = PyUnicode_FromFormat(
                "depends on %U", node_instance(refresh, from)->name);
            int failed = reason ? PyDict_SetItem(refresh->reasons,
                                                 instance->name, reason) : -1;
            Py_XDECREF(reason);
            if (failed) {
                return -1;
            }
        }
    }
    return 0;
}

/* Modules whose newest files did not load last time are tried again. */
static int
mark_pending(refresh_t *refresh)
{
    PyObject *name;
    PyObject *iterator = PyObject_GetIter(refresh->importer->pending);
    if (!iterator) {
        return -1;
    }
    for (name = PyIter_Next(iterator); name; name = PyIter_Next(iterator)) {
        PyObject *number = PyDict_GetItemWithError(refresh->numbers, name);
        if (number) {
            mp_depgraph_mark(refresh->graph, PyLong_AsSize_t(number));
            if (PyDict_Contains(refresh->reasons, name) == 0) {
                set_reason(refresh, name, "tried again");
            }
        }
        Py_DECREF(name);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- executing a component --------------------------------------------- */

static int
by_serial(const void *a, const void *b)
{
    const mp_instance_t *x = *(mp_instance_t *const *)a;
    const mp_instance_t *y = *(mp_instance_t *const *)b;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* The reached instances of one component, in the order they began; malloc'd,
 * borrowed. */
static mp_instance_t **
members_of(refresh_t *refresh, size_t component, size_t *count)
{
    size_t total = (size_t)PyList_GET_SIZE(refresh->instances);
    mp_instance_t **members = malloc((total + 1) * sizeof(*members));
    *count = 0;
    if (!members) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < total; i++) {
        if (mp_depgraph_is_reached(refresh->graph, i)
            && mp_depgraph_component(refresh->graph, i) == component) {
            members[(*count)++] = node_instance(refresh, i);
        }
    }
    qsort(members, *count, sizeof(*members), by_serial);
    return members;
}

/* Execute the file of an old instance again, under the name it has now. 1
 * done, 0 it is no more (gone, or named otherwise), -1 its exception. */
static int
reload(refresh_t *refresh, mp_instance_t *old)
{
    mp_importer_t *importer = refresh->importer;
    mp_location_t location = {0};
    int found = 0;
    if (old->file != Py_None) {
        found = mp_search_file(importer, old->file, &location);
    }
    if (found > 0 && PyUnicode_Compare(location.name, old->name) != 0) {
        found = 0;
    }
    if (found > 0) {
        mp_instance_t *instance = mp_stage_load(
            importer, refresh->staging.next, &location, old->search, 0);
        found = instance ? 1 : -1;
    }
    mp_location_clear(&location);
    return found;
}

static int
is_staged(refresh_t *refresh, mp_instance_t *old)
{
    return mp_generation_find(refresh->staging.next, old->name) != NULL;
}

/* Is `old`, which nothing in the new generation imported at load time, still
 * wanted by somebody's function? 1: by code that did not change, so it must
 * load; 2: perhaps; 0: by nobody. */
static int
is_wanted_late(refresh_t *refresh, mp_instance_t *old)
{
    int wanted = 0;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(refresh->staging.old, &position, &name, &value)) {
        mp_instance_t *holder = (mp_instance_t *)value;
        mp_instance_t *now = mp_generation_find(refresh->staging.next, name);
        if (!now || PyDict_Contains(holder->edges, old->name) != 1) {
            continue;
        }
        if (!memcmp(now->source.hash, holder->source.hash,
                    sizeof(now->source.hash))) {
            return 1;
        }
        wanted = 2;
    }
    return wanted;
}

/* Entries first: their imports bring in the rest, in the order of plain
 * Python. Then what functions imported. */
static int
run_members(refresh_t *refresh, mp_instance_t **members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i]->is_entry && reload(refresh, members[i]) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_staged(refresh, members[i])) {
            continue;
        }
        int wanted = is_wanted_late(refresh, members[i]);
        if (wanted && reload(refresh, members[i]) < 0) {
            if (wanted == 1) {
                return -1;
            }
            PyErr_Clear(); /* whoever still imports it will see why */
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- failure ----------------------------------------------------------- */

static int
fail_members(refresh_t *refresh, mp_instance_t **members, size_t count,
             PyObject *exc)
{
    for (size_t i = 0; i < count; i++) {
        if (PyDict_SetItem(refresh->staging.failed, members[i]->name, exc)
            < 0) {
            return -1;
        }
    }
    return 0;
}

/* The component did not load: the new generation forgets what it began. */
static int
roll_back(refresh_t *refresh, mp_instance_t **members, size_t count,
          PyObject *snapshot)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *table = refresh->staging.next->table;
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        /* Another component needs the new one, which does not stand: then
         * none stands. */
        if (PyDict_Contains(snapshot, members[i]->name) == 1) {
            failed = PyDict_Update(refresh->staging.failed,
                                   refresh->staging.old);
            PyDict_Clear(snapshot);
            failed = failed ? -1 : PyDict_Update(snapshot,
                                                 refresh->base->table);
            break;
        }
    }
    PyDict_Clear(table);
    if (failed || PyDict_Update(table, snapshot) < 0
        || fail_members(refresh, members, count, exc) < 0) {
        Py_XDECREF(exc);
        return -1;
    }
    mp_thread_suspended_t held;
    mp_importer_t *importer = refresh->importer;
    server_rec *server = importer->state->interp->server;
    PyErr_SetRaisedException(exc);
    mp_error_log(importer->state, MP_LOG_SERVER(server), "MPY0202",
                 "reload failed, the last good version goes on");
    held = mp_thread_suspend();
    mp_log_plain(MP_LOG_SERVER(server), APLOG_INFO,
                 "rolled back: %d modules stay as they were", (int)count);
    mp_thread_resume(held);
    return 0;
}

static int
run_component(refresh_t *refresh, size_t component)
{
    size_t count;
    mp_instance_t **members = members_of(refresh, component, &count);
    PyObject *snapshot = members
        ? PyDict_Copy(refresh->staging.next->table) : NULL;
    int failed = snapshot ? run_members(refresh, members, count) : -1;
    if (failed && snapshot) {
        failed = roll_back(refresh, members, count, snapshot);
    }
    Py_XDECREF(snapshot);
    free(members);
    return failed;
}

/* ---- the whole --------------------------------------------------------- */

/* Components in the order in which their first members began. */
static int
run_components(refresh_t *refresh)
{
    size_t total = (size_t)PyList_GET_SIZE(refresh->instances);
    mp_instance_t **all = malloc((total + 1) * sizeof(*all));
    char *done = calloc(total + 1, 1);
    size_t count = 0;
    int failed = all && done ? 0 : -1;
    if (failed) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; !failed && i < total; i++) {
        if (mp_depgraph_is_reached(refresh->graph, i)) {
            all[count++] = node_instance(refresh, i);
        }
    }
    if (!failed) {
        qsort(all, count, sizeof(*all), by_serial);
    }
    for (size_t i = 0; !failed && i < count; i++) {
        PyObject *number = PyDict_GetItemWithError(refresh->numbers,
                                                   all[i]->name);
        size_t component = mp_depgraph_component(refresh->graph,
                                                 PyLong_AsSize_t(number));
        if (!done[component]) {
            done[component] = 1;
            failed = run_component(refresh, component);
        }
    }
    free(done);
    free(all);
    return failed;
}

/* Old instances that could not be replaced go on in the new generation. */
static int
restore_failed(refresh_t *refresh)
{
    PyObject *name, *exc;
    Py_ssize_t position = 0;
    mp_generation_t *next = refresh->staging.next;
    while (PyDict_Next(refresh->staging.failed, &position, &name, &exc)) {
        PyObject *old = PyDict_GetItemWithError(refresh->base->table, name);
        if (old && PyDict_SetItem(next->table, name, old) < 0) {
            return -1;
        }
        if (PyExceptionInstance_Check(exc)
            && PyDict_SetItem(next->failures, name, exc) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
note_pending(refresh_t *refresh)
{
    mp_importer_t *importer = refresh->importer;
    PyObject *pending = PySet_New(refresh->staging.failed);
    if (!pending) {
        return -1;
    }
    Py_SETREF(importer->pending, pending);
    importer->has_pending = PySet_GET_SIZE(pending) > 0;
    importer->retry_at = apr_time_now() + MP_IMPORTER_RETRY_AFTER;
    return 0;
}

static int
stage(refresh_t *refresh)
{
    mp_importer_t *importer = refresh->importer;
    mp_staging_t *staging = &refresh->staging;
    PyObject *name, *unused;
    Py_ssize_t position = 0;
    staging->next = mp_generation_create(importer, refresh->base);
    if (!staging->next) {
        return -1;
    }
    while (PyDict_Next(staging->old, &position, &name, &unused)) {
        if (PyDict_DelItem(staging->next->table, name) < 0) {
            return -1;
        }
    }
    PySet_Clear(importer->touched);
    importer->staging = staging;
    int failed = run_components(refresh);
    importer->staging = NULL;
    if (failed || restore_failed(refresh) < 0 || note_pending(refresh) < 0) {
        return -1;
    }
    mp_generation_commit(importer, staging->next);
    return 0;
}

static int
begin(refresh_t *refresh, mp_importer_t *importer)
{
    memset(refresh, 0, sizeof(*refresh));
    refresh->importer = importer;
    refresh->base = (mp_generation_t *)Py_NewRef(importer->current);
    refresh->reasons = PyDict_New();
    refresh->staging.old = PyDict_New();
    refresh->staging.failed = PyDict_New();
    refresh->staging.sources = PyDict_New();
    refresh->staging.reasons = refresh->reasons;
    importer->reading = PySet_New(NULL);
    importer->is_disturbed = 0;
    return refresh->reasons && refresh->staging.old && refresh->staging.failed
                   && refresh->staging.sources && importer->reading
               ? make_graph(refresh) : -1;
}

static void
end(refresh_t *refresh)
{
    if (refresh->graph) {
        mp_depgraph_destroy(refresh->graph);
    }
    Py_CLEAR(refresh->importer->reading);
    Py_XDECREF(refresh->base);
    Py_XDECREF(refresh->changed);
    Py_XDECREF(refresh->moved);
    Py_XDECREF(refresh->instances);
    Py_XDECREF(refresh->numbers);
    Py_XDECREF(refresh->reasons);
    Py_XDECREF(refresh->staging.next);
    Py_XDECREF(refresh->staging.old);
    Py_XDECREF(refresh->staging.failed);
    Py_XDECREF(refresh->staging.sources);
}

/* Has anything happened that a failed attempt should be repeated for? */
static int
is_retry_due(mp_importer_t *importer)
{
    if (!importer->has_pending) {
        return 0;
    }
    if (apr_time_now() >= importer->retry_at
        || PyList_GET_SIZE(importer->moved) > 0) {
        return 1;
    }
    PyObject *disjoint = PyObject_CallMethod(importer->touched, "isdisjoint",
                                             "O", importer->changed);
    int due = disjoint ? disjoint == Py_False : -1;
    Py_XDECREF(disjoint);
    return due;
}

/* A source that is being written right now is waited for, a while. */
static int
wait_for_writers(mp_importer_t *importer, apr_time_t end_time,
                 uint64_t *position)
{
    int failed;
    for (;;) {
        *position = mp_refresh_collect(importer, &failed);
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

/* What events told so far is this refresh's to deal with; what comes from now
 * on is the next one's. */
static int
take_changes(refresh_t *refresh, mp_importer_t *importer)
{
    PyObject *changed = PySet_New(NULL);
    PyObject *moved = PyList_New(0);
    if (!changed || !moved) {
        Py_XDECREF(changed);
        Py_XDECREF(moved);
        return -1;
    }
    refresh->changed = importer->changed;
    refresh->moved = importer->moved;
    importer->changed = changed;
    importer->moved = moved;
    importer->is_disturbed = 0;
    return 0;
}

/* The refresh could not deal with them after all. */
static int
give_changes_back(refresh_t *refresh, mp_importer_t *importer)
{
    if (!refresh->changed) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    Py_ssize_t end = PyList_GET_SIZE(importer->moved);
    PyObject *none = PyObject_CallMethod(importer->changed, "update", "O",
                                         refresh->changed);
    int failed = !none
                 || PyList_SetSlice(importer->moved, end, end,
                                    refresh->moved) < 0;
    Py_XDECREF(none);
    if (exc) {
        PyErr_SetRaisedException(exc);
    }
    return failed ? -1 : 0;
}

static int
mark_once(refresh_t *refresh, mp_importer_t *importer, apr_time_t end_time)
{
    int failed = 0;
    if (begin(refresh, importer) < 0
        || (importer->view
            && wait_for_writers(importer, end_time, &refresh->position) < 0)
        || (importer->has_polled && look_at_polled(importer) < 0)
        || take_changes(refresh, importer) < 0
        || mark_changed(refresh) < 0) {
        return -1;
    }
    mp_refresh_collect(importer, &failed);
    return failed;
}

/* Mark until nothing that was read changed under our hands. */
static int
find_changes(refresh_t *refresh, mp_importer_t *importer)
{
    apr_time_t end_time = apr_time_now() + apr_time_from_msec(500);
    for (;;) {
        int failed = mark_once(refresh, importer, end_time);
        if (!failed
            && (!importer->is_disturbed || apr_time_now() >= end_time)) {
            return 0;
        }
        if (give_changes_back(refresh, importer) < 0 || failed) {
            return -1;
        }
        end(refresh);
    }
}

static int
has_news(mp_importer_t *importer)
{
    return PySet_GET_SIZE(importer->changed) > 0
           || PyList_GET_SIZE(importer->moved) > 0 || importer->has_polled;
}

/* Spread what was marked, and stage it. */
static int
refresh_marked(refresh_t *refresh, mp_importer_t *importer, int retry)
{
    if (mp_root_sync_builtins(importer, 0) < 0) {
        return -1;
    }
    if (importer->has_pending
        && (retry || PyDict_GET_SIZE(refresh->reasons) > 0)
        && mark_pending(refresh) < 0) {
        return -1;
    }
    if (spread(refresh) < 0) {
        return -1;
    }
    return refresh->reached > 0 ? stage(refresh) : 0;
}

/* With the stage lock held. 0, or -1 with an exception; then the changes are
 * still there for the next request to find. */
static int
refresh_locked(mp_importer_t *importer)
{
    int failed;
    uint64_t position = mp_refresh_collect(importer, &failed);
    int retry = failed ? -1 : is_retry_due(importer);
    if (retry < 0) {
        return -1;
    }
    if (has_news(importer) || retry) {
        refresh_t refresh;
        failed = find_changes(&refresh, importer);
        position = refresh.position;
        if (!failed) {
            failed = refresh_marked(&refresh, importer, retry);
            if (failed) {
                give_changes_back(&refresh, importer);
            }
        }
        end(&refresh);
    }
    if (!failed && importer->view) {
        mp_watch_settle(importer->view, position);
    }
    return failed;
}

/* The exception in flight says which module could not be waited for. */
static void
report_wait(mp_importer_t *importer, server_rec *server)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyObject_Str(exc);
    const char *line = text ? PyUnicode_AsUTF8(text) : NULL;
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_SERVER(server), APLOG_WARNING, 0, "MPY0203",
           "reload not finished, the old version goes on: %s",
           line ? line : "a module body does not end");
    mp_thread_resume(held);
    PyErr_Clear(); /* the line is all there is to tell */
    Py_XDECREF(text);
    Py_XDECREF(exc);
}

void
mp_refresh_run(mp_importer_t *importer)
{
    server_rec *server = importer->state->interp->server;
    if (mp_stage_is_mine(importer)) {
        return; /* a module body asks, in the middle of one */
    }
    if (mp_stage_lock(importer) < 0) {
        report_wait(importer, server);
        return;
    }
    if (refresh_locked(importer) < 0) {
        mp_error_log(importer->state, MP_LOG_SERVER(server), "MPY0204",
                     "changed modules cannot be looked at");
    }
    mp_stage_unlock(importer);
}
