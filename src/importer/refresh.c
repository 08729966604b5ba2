/* refresh.c - from file events to the next generation.
 *
 * The holder of the stage lock: takes in events, marks the modules whose files
 * or searches changed, spreads the marks over the edges (core/depgraph), and
 * executes what was reached, component by component, into a new generation. */
#include "runtime/python.h"

#include "importer/refresh.h"

#include "importer/changes.h"
#include "importer/code.h"
#include "importer/lock.h"
#include "importer/reach.h"
#include "importer/retire.h"
#include "importer/root.h"
#include "importer/stage.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

/* One refresh; on the stack of the thread that runs it. */
typedef struct {
    mp_reach_t reach;
    PyObject *failures;   /* list of (exception, file, modules) */
    mp_staging_t staging; /* borrows old, reasons, sources and hidden of
                             reach */
} refresh_t;

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
    size_t total = (size_t)PyList_GET_SIZE(refresh->reach.instances);
    mp_instance_t **members = malloc((total + 1) * sizeof(*members));
    *count = 0;
    if (!members) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < total; i++) {
        if (mp_depgraph_is_reached(refresh->reach.graph, i)
            && mp_depgraph_component(refresh->reach.graph, i) == component) {
            members[(*count)++] = mp_reach_instance(&refresh->reach, i);
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
    mp_importer_t *importer = refresh->reach.importer;
    mp_location_t location = {0};
    int found = PySet_Contains(refresh->staging.hidden, old->name);
    if (found) {
        return found < 0 ? -1 : 0;
    }
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

/* A syntax error is found before anything is executed. */
static int
compile_members(refresh_t *refresh, mp_instance_t **members, size_t count)
{
    mp_importer_t *importer = refresh->reach.importer;
    for (size_t i = 0; i < count; i++) {
        PyObject *file = members[i]->file;
        if (mp_code_check(importer, file) < 0) {
            PyObject *exc = PyErr_GetRaisedException();
            refresh->staging.culprit = Py_NewRef(file);
            PySet_Add(importer->touched, file);
            PyErr_SetRaisedException(exc);
            return -1;
        }
    }
    return 0;
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

/* Remember why a component did not load, for the log once the stage stands. */
static int
note_failure(refresh_t *refresh, PyObject *exc, size_t count)
{
    PyObject *culprit = refresh->staging.culprit;
    PyObject *row = Py_BuildValue("(OOn)", exc, culprit ? culprit : Py_None,
                                  (Py_ssize_t)count);
    int failed = row ? PyList_Append(refresh->failures, row) : -1;
    Py_XDECREF(row);
    return failed;
}

/* Is this what the log was told last time, and did nothing change? */
static int
is_told(refresh_t *refresh, PyObject *row)
{
    mp_importer_t *importer = refresh->reach.importer;
    PyObject *story = PyObject_Repr(row);
    if (!story) {
        PyErr_Clear(); /* a broken __repr__: then it is told each time */
    }
    int told = story && importer->told
               && PyUnicode_Compare(story, importer->told) == 0
               && PySet_GET_SIZE(refresh->reach.changed) == 0;
    Py_XSETREF(importer->told, story);
    return told;
}

/* A failure that is tried again without a change, once a second, is told
 * once. */
static void
report_failures(refresh_t *refresh)
{
    mp_importer_t *importer = refresh->reach.importer;
    server_rec *server = importer->state->interp->server;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(refresh->failures); i++) {
        PyObject *row = PyList_GET_ITEM(refresh->failures, i);
        if (is_told(refresh, row)) {
            continue;
        }
        PyObject *culprit = PyTuple_GET_ITEM(row, 1);
        const char *file = culprit == Py_None ? NULL
                                              : PyUnicode_AsUTF8(culprit);
        char what[1024];
        PyErr_Clear(); /* a file name that is no UTF-8 is left out */
        snprintf(what, sizeof(what), "reload failed%s%s%s (interpreter '%s'), "
                 "the last good version of %ld modules goes on",
                 file ? " in '" : "", file ? file : "", file ? "'" : "",
                 importer->state->interp->name,
                 PyLong_AsLong(PyTuple_GET_ITEM(row, 2)));
        PyErr_SetRaisedException(Py_NewRef(PyTuple_GET_ITEM(row, 0)));
        mp_error_log(importer->state, MP_LOG_SERVER(server), "MPY0202", what);
    }
}

/* What was executed whole and is not going to be used. */
static void
retire_unwanted(refresh_t *refresh, PyObject *table, PyObject *wanted)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (PyDict_Next(table, &position, &name, &instance)) {
        if (PyDict_GetItemWithError(wanted, name) != instance) {
            mp_retire_instance(refresh->reach.importer,
                               (mp_instance_t *)instance);
        }
    }
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
            retire_unwanted(refresh, snapshot, refresh->reach.base->table);
            failed = PyDict_Update(refresh->staging.failed,
                                   refresh->staging.old);
            PyDict_Clear(snapshot);
            failed = failed ? -1 : PyDict_Update(snapshot,
                                                 refresh->reach.base->table);
            break;
        }
    }
    retire_unwanted(refresh, table, snapshot);
    PyDict_Clear(table);
    failed = failed || PyDict_Update(table, snapshot) < 0
             || fail_members(refresh, members, count, exc) < 0
             || note_failure(refresh, exc, count) < 0;
    Py_XDECREF(exc);
    return failed ? -1 : 0;
}

static int
run_component(refresh_t *refresh, size_t component)
{
    size_t count;
    mp_instance_t **members = members_of(refresh, component, &count);
    Py_CLEAR(refresh->staging.culprit);
    PyObject *snapshot = members
        ? PyDict_Copy(refresh->staging.next->table) : NULL;
    int failed = -1;
    if (snapshot && compile_members(refresh, members, count) == 0) {
        failed = run_members(refresh, members, count);
    }
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
    size_t total = (size_t)PyList_GET_SIZE(refresh->reach.instances);
    mp_instance_t **all = malloc((total + 1) * sizeof(*all));
    char *done = calloc(total + 1, 1);
    size_t count = 0;
    int failed = all && done ? 0 : -1;
    if (failed) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; !failed && i < total; i++) {
        if (mp_depgraph_is_reached(refresh->reach.graph, i)) {
            all[count++] = mp_reach_instance(&refresh->reach, i);
        }
    }
    if (!failed) {
        qsort(all, count, sizeof(*all), by_serial);
    }
    for (size_t i = 0; !failed && i < count; i++) {
        PyObject *number = PyDict_GetItemWithError(refresh->reach.numbers,
                                                   all[i]->name);
        size_t component = mp_depgraph_component(refresh->reach.graph,
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
        PyObject *old = PyDict_GetItemWithError(refresh->reach.base->table,
                                                name);
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

/* What failed before, and was not tried again now, is still pending. */
static int
keep_pending(refresh_t *refresh)
{
    mp_importer_t *importer = refresh->reach.importer;
    mp_generation_t *base = refresh->reach.base, *next = refresh->staging.next;
    PyObject *names = PySequence_List(importer->pending);
    Py_ssize_t count = names ? PyList_GET_SIZE(names) : 0;
    for (Py_ssize_t i = count - 1; i >= 0; i--) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *exc = PyDict_GetItemWithError(base->failures, name);
        int was_tried = PyDict_Contains(refresh->staging.old, name);
        if (was_tried < 0
            || (was_tried && PySet_Discard(importer->pending, name) < 0)
            || (!was_tried && exc
                && PyDict_SetItem(next->failures, name, exc) < 0)) {
            break;
        }
    }
    Py_XDECREF(names);
    return PyErr_Occurred() ? -1 : 0;
}

/* was_retry: everything that was pending has been tried again. */
static int
note_pending(refresh_t *refresh, int was_retry)
{
    mp_importer_t *importer = refresh->reach.importer;
    PyObject *name, *exc;
    Py_ssize_t position = 0;
    if (was_retry) {
        PySet_Clear(importer->pending);
    }
    else if (keep_pending(refresh) < 0) {
        return -1;
    }
    while (PyDict_Next(refresh->staging.failed, &position, &name, &exc)) {
        if (PySet_Add(importer->pending, name) < 0) {
            return -1;
        }
    }
    importer->has_pending = PySet_GET_SIZE(importer->pending) > 0;
    if (!importer->has_pending) {
        PySet_Clear(importer->touched);
    }
    importer->retry_at = apr_time_now() + MP_IMPORTER_RETRY_AFTER;
    return 0;
}

static int
stage(refresh_t *refresh, int was_retry)
{
    mp_importer_t *importer = refresh->reach.importer;
    mp_staging_t *staging = &refresh->staging;
    PyObject *name, *unused;
    Py_ssize_t position = 0;
    staging->next = mp_generation_create(importer, refresh->reach.base);
    if (!staging->next) {
        return -1;
    }
    while (PyDict_Next(staging->old, &position, &name, &unused)) {
        if (PyDict_DelItem(staging->next->table, name) < 0) {
            return -1;
        }
    }
    if (was_retry) {
        PySet_Clear(importer->touched);
    }
    importer->staging = staging;
    int failed = run_components(refresh);
    importer->staging = NULL;
    return failed;
}

/* The stage stands: what succeeded is published, what failed goes on. */
static int
commit(refresh_t *refresh, int was_retry)
{
    if (restore_failed(refresh) < 0
        || note_pending(refresh, was_retry) < 0) {
        return -1;
    }
    mp_generation_commit(refresh->reach.importer, refresh->staging.next);
    mp_retire_superseded(refresh->reach.importer, refresh->reach.base);
    report_failures(refresh);
    return 0;
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

static int
has_news(mp_importer_t *importer)
{
    return PySet_GET_SIZE(importer->changed) > 0
           || PyList_GET_SIZE(importer->moved) > 0 || importer->has_polled;
}

/* Spread what was marked, and stage it. 1: done; 0: files changed while they
 * were executed, so nothing was decided; -1 */
static int
refresh_marked(refresh_t *refresh, mp_importer_t *importer, int retry,
               int is_last_try)
{
    if (mp_root_sync_builtins(importer, 0) < 0) {
        return -1;
    }
    if (retry && mp_reach_mark_pending(&refresh->reach) < 0) {
        return -1;
    }
    if (mp_reach_spread(&refresh->reach) < 0) {
        return -1;
    }
    /* Nothing reached by a retry: what failed is as it was. */
    if (refresh->reach.reached == 0 && !retry) {
        return 1;
    }
    if (stage(refresh, retry) < 0) {
        return -1;
    }
    int disturbed = mp_reach_is_disturbed(&refresh->reach);
    if (disturbed && !(disturbed > 0 && is_last_try)) {
        return disturbed < 0 ? -1 : 0;
    }
    return commit(refresh, retry) < 0 ? -1 : 1;
}

static int
begin(refresh_t *refresh, mp_importer_t *importer)
{
    memset(refresh, 0, sizeof(*refresh));
    if (mp_reach_find(&refresh->reach, importer) < 0) {
        return -1;
    }
    refresh->staging.old = refresh->reach.old;
    refresh->staging.reasons = refresh->reach.reasons;
    refresh->staging.sources = refresh->reach.sources;
    refresh->staging.hidden = refresh->reach.hidden;
    refresh->staging.failed = PyDict_New();
    refresh->failures = PyList_New(0);
    return refresh->staging.failed && refresh->failures ? 0 : -1;
}

static void
end(refresh_t *refresh)
{
    mp_generation_t *next = refresh->staging.next;
    if (next && (PyObject *)next != refresh->reach.importer->current) {
        retire_unwanted(refresh, next->table, refresh->reach.base->table);
    }
    Py_XDECREF(refresh->staging.next);
    Py_XDECREF(refresh->staging.failed);
    Py_XDECREF(refresh->staging.culprit);
    Py_XDECREF(refresh->failures);
    mp_reach_end(&refresh->reach);
}

/* With the stage lock held. 0, or -1 with an exception; then the changes are
 * still there for the next request to find. */
static int
refresh_locked(mp_importer_t *importer)
{
    int failed;
    uint64_t position = mp_changes_collect(importer, &failed);
    int retry = failed ? -1 : is_retry_due(importer);
    if (retry < 0) {
        return -1;
    }
    apr_time_t end_time = apr_time_now() + apr_time_from_msec(500);
    int done = 0;
    while (!done && (has_news(importer) || retry)) {
        refresh_t refresh;
        done = begin(&refresh, importer);
        position = refresh.reach.position;
        if (!done) {
            done = refresh_marked(&refresh, importer, retry,
                                  apr_time_now() >= end_time);
        }
        if (done <= 0 && mp_reach_give_back(&refresh.reach, importer) < 0) {
            done = -1;
        }
        end(&refresh);
    }
    if (done >= 0 && importer->view) {
        mp_watch_settle(importer->view, position);
    }
    return done < 0 ? -1 : 0;
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
    if (mp_lock_is_mine(importer)) {
        return; /* a module body asks, in the middle of one */
    }
    if (mp_lock_take(importer) < 0) {
        report_wait(importer, server);
        return;
    }
    if (refresh_locked(importer) < 0) {
        mp_error_log(importer->state, MP_LOG_SERVER(server), "MPY0204",
                     "changed modules cannot be looked at");
    }
    mp_lock_leave(importer);
    mp_retire_flush(importer);
}
