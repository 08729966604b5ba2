/* refresh.c - from file events to the next generation.
 *
 * The holder of the stage lock: takes in events, marks the modules whose files
 * or searches changed, spreads the marks over the edges (core/depgraph), and
 * executes what was reached, component by component, into a new generation. */
#include "runtime/python.h"

#include "importer/refresh.h"

#include "importer/changes.h"
#include "importer/component.h"
#include "importer/interim.h"
#include "importer/lock.h"
#include "importer/orphans.h"
#include "importer/pace.h"
#include "importer/memory.h"
#include "importer/restless.h"
#include "importer/retire.h"
#include "importer/root.h"
#include "importer/stage.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Who wants to know: the first handler of a request, or NULL. */
typedef struct {
    const mp_handler_t *handler;
    request_rec *r;
} mp_asker_t;

int
mp_refresh_is_due(mp_importer_t *importer)
{
    if (importer->is_frozen) {
        return 0;
    }
    return (importer->view && !mp_watch_is_quiet(importer->view))
           || importer->has_polled || importer->has_put_off
           || (importer->has_pending && apr_time_now() >= importer->retry_at)
           || importer->has_restless;
}

/* ---- telling ----------------------------------------------------------- */

/* Has the log been told this, and was the file not saved since? */
static int
is_told(mp_refresh_t *refresh, PyObject *row)
{
    PyObject *stories = refresh->reach.importer->told;
    PyObject *culprit = PyTuple_GET_ITEM(row, 1);
    PyObject *story = PyObject_Repr(row);
    int told = story ? PySet_Contains(stories, story) : 0;
    if (told == 1 && PySet_Contains(refresh->reach.changed, culprit) == 1) {
        told = 0;
    }
    if (story) {
        PySet_Add(stories, story);
    }
    PyErr_Clear(); /* a broken __repr__: then it is told each time */
    Py_XDECREF(story);
    return told == 1;
}

/* A failure that is tried again without a change, once a second, is told
 * once. */
static void
report_failures(mp_refresh_t *refresh)
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

/* ---- the whole --------------------------------------------------------- */

/* Old instances that could not be replaced go on in the new generation. */
static int
restore_failed(mp_refresh_t *refresh)
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
keep_pending(mp_refresh_t *refresh)
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
note_pending(mp_refresh_t *refresh, int was_retry)
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
stage(mp_refresh_t *refresh, int was_retry)
{
    mp_importer_t *importer = refresh->reach.importer;
    mp_staging_t *staging = &refresh->staging;
    PyObject *name, *unused;
    Py_ssize_t position = 0;
    staging->next = mp_generation_create(importer, refresh->reach.base);
    if (!staging->next
        || (PyList_GET_SIZE(refresh->reach.moved) == 0
            && mp_memory_take_over(staging->next, refresh->reach.base,
                                    staging->old, refresh->reach.changed)
                   < 0)) {
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
    int failed = mp_component_run_all(refresh);
    if (importer->staging == staging) {
        importer->staging = NULL;
    }
    return failed;
}

#define LONGEST_HISTORY 100

/* The failures with their exceptions as text, because an exception keeps alive
 * what it was raised in. New list. */
static PyObject *
describe_failures(mp_refresh_t *refresh)
{
    Py_ssize_t count = PyList_GET_SIZE(refresh->failures);
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *row = PyList_GET_ITEM(refresh->failures, i);
        PyObject *exc = PyTuple_GET_ITEM(row, 0);
        PyObject *text = PyUnicode_FromFormat("%s: %S", Py_TYPE(exc)->tp_name,
                                              exc);
        if (!text) {
            PyErr_Clear(); /* a broken __str__ */
            text = PyUnicode_FromString(Py_TYPE(exc)->tp_name);
        }
        PyObject *told = Py_BuildValue("(NOO)", text, PyTuple_GET_ITEM(row, 1),
                                       PyTuple_GET_ITEM(row, 2));
        if (!told || PyList_Append(list, told) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(told);
    }
    return list;
}

/* For reload_history(). */
static int
note_history(mp_refresh_t *refresh)
{
    PyObject *history = refresh->reach.importer->history;
    apr_time_t now = apr_time_now();
    if (PyDict_GET_SIZE(refresh->reach.old) == 0) {
        return 0;
    }
    PyObject *row = Py_BuildValue(
        "(dldON)", (double)now / APR_USEC_PER_SEC,
        refresh->staging.next->number,
        (double)(now - refresh->began_at) / APR_USEC_PER_SEC,
        refresh->staging.reasons, describe_failures(refresh));
    int failed = !row || PyList_Append(history, row) < 0;
    Py_XDECREF(row);
    if (!failed && PyList_GET_SIZE(history) > LONGEST_HISTORY) {
        failed = PySequence_DelItem(history, 0) < 0;
    }
    return failed ? -1 : 0;
}

/* The stage stands: what succeeded is published, what failed goes on. */
static int
commit(mp_refresh_t *refresh, int was_retry)
{
    if (restore_failed(refresh) < 0
        || note_pending(refresh, was_retry) < 0
        || note_history(refresh) < 0
        || mp_orphans_note(refresh) < 0) {
        return -1;
    }
    mp_generation_commit(refresh->reach.importer, refresh->staging.next);
    mp_retire_superseded(refresh->reach.importer, refresh->reach.base);
    report_failures(refresh);
    return 0;
}

/* Has anything happened to what a failed attempt has read? */
static int
is_touched(mp_importer_t *importer)
{
    if (PyList_GET_SIZE(importer->moved) > 0) {
        return 1;
    }
    PyObject *disjoint = PyObject_CallMethod(importer->touched, "isdisjoint",
                                             "O", importer->changed);
    int touched = disjoint ? disjoint == Py_False : -1;
    Py_XDECREF(disjoint);
    return touched;
}

static int
has_news(mp_importer_t *importer)
{
    return PySet_GET_SIZE(importer->changed) > 0
           || PyList_GET_SIZE(importer->moved) > 0 || importer->has_polled
           || PySet_GET_SIZE(importer->orphaned) > 0;
}

/* Is what failed to be tried again, whatever else happened? */
static int
is_retry_due(mp_importer_t *importer)
{
    if (!importer->has_pending) {
        return 0;
    }
    return apr_time_now() >= importer->retry_at ? 1 : is_touched(importer);
}

#define PUT_OFF 2 /* nothing was done but to open an interim generation */

/* Is one of these modules there to be asked for by name? */
static int
has_entry(PyObject *instances)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (PyDict_Next(instances, &position, &name, &instance)) {
        if (((mp_instance_t *)instance)->is_entry) {
            return 1;
        }
    }
    return 0;
}

#define MOST_PUT_OFF 1000 /* paths; looking at them has its price, too */

/* Those whom the changes do not concern go on meanwhile. Does the request that
 * asks belong to them? Then there is nothing for it to do. PUT_OFF, 0, -1 */
static int
is_for_others(mp_refresh_t *refresh, const mp_asker_t *asker, int retry)
{
    mp_importer_t *importer = refresh->reach.importer;
    int distant = mp_orphans_may_come(refresh);
    if (distant || PyList_GET_SIZE(refresh->reach.moved) > 0) {
        return distant < 0 ? -1 : 0;
    }
    if (mp_interim_open(importer, refresh->staging.old,
                        refresh->reach.changed) < 0) {
        return -1;
    }
    if (retry || PySet_GET_SIZE(refresh->reach.changed) > MOST_PUT_OFF
        || !mp_interim_serves(importer, asker->handler, asker->r)
        || !has_entry(refresh->staging.old)) {
        return 0;
    }
    return mp_changes_put_off(importer, refresh->reach.changed) < 0
               ? -1 : PUT_OFF;
}

/* Spread what was marked, and stage it. 1: done; PUT_OFF; 0: files changed
 * while they were executed, so nothing was decided; -1 */
static int
refresh_marked(mp_refresh_t *refresh, const mp_asker_t *asker, int retry)
{
    mp_importer_t *importer = refresh->reach.importer;
    if (mp_root_sync_builtins(importer, 0) < 0) {
        return -1;
    }
    if (retry && mp_reach_mark_pending(&refresh->reach) < 0) {
        return -1;
    }
    if (mp_reach_spread(&refresh->reach) < 0
        || (!retry && importer->has_pending
            && mp_reach_mark_related(&refresh->reach) < 0)) {
        return -1;
    }
    /* Nothing reached by a retry: what failed is as it was. */
    if (refresh->reach.reached == 0 && !retry
        && !mp_reach_touches_handlers(&refresh->reach)) {
        PySet_Clear(importer->orphaned); /* they are gone already */
        return 1;
    }
    int put_off = is_for_others(refresh, asker, retry);
    if (put_off) {
        return put_off;
    }
    int failed = stage(refresh, retry);
    if (mp_lock_is_mine(importer)) {
        mp_interim_close(importer);
    }
    if (failed) {
        return -1;
    }
    int disturbed = mp_reach_is_disturbed(&refresh->reach);
    if (disturbed) {
        return disturbed < 0 ? -1 : 0;
    }
    return commit(refresh, retry) < 0 ? -1 : 1;
}

static int
begin(mp_refresh_t *refresh, mp_importer_t *importer)
{
    memset(refresh, 0, sizeof(*refresh));
    refresh->began_at = apr_time_now();
    /* What it left out is no longer all that changed. */
    mp_interim_close(importer);
    if (mp_reach_find(&refresh->reach, importer) < 0) {
        return -1;
    }
    refresh->may_widen = PyDict_GET_SIZE(refresh->reach.reasons) > 0;
    refresh->staging.old = refresh->reach.old;
    refresh->staging.reasons = refresh->reach.reasons;
    refresh->staging.sources = refresh->reach.sources;
    refresh->staging.hidden = refresh->reach.news.hidden;
    refresh->staging.failed = PyDict_New();
    refresh->failures = PyList_New(0);
    return refresh->staging.failed && refresh->failures ? 0 : -1;
}

static void
end(mp_refresh_t *refresh)
{
    mp_generation_t *next = refresh->staging.next;
    if (next && (PyObject *)next != refresh->reach.importer->current) {
        mp_component_retire(refresh, next->table, refresh->reach.base->table);
    }
    Py_XDECREF(refresh->staging.next);
    Py_XDECREF(refresh->staging.failed);
    Py_XDECREF(refresh->staging.culprit);
    Py_XDECREF(refresh->failures);
    mp_reach_end(&refresh->reach);
}

/* One attempt to deal with all changes. 1: done, PUT_OFF, 0: files changed
 * meanwhile, or there is more to do, -1 */
static int
attempt(mp_importer_t *importer, const mp_asker_t *asker, int retry,
        uint64_t *position)
{
    mp_refresh_t refresh;
    int done = begin(&refresh, importer);
    *position = refresh.reach.position;
    if (!done) {
        done = refresh_marked(&refresh, asker, retry);
    }
    if (done <= 0 && mp_lock_is_mine(importer)
        && (mp_reach_give_back(&refresh.reach, importer) < 0
            || mp_restless_count(importer) < 0)) {
        done = -1;
    }
    end(&refresh);
    if (done > 0) {
        mp_restless_forget(importer);
    }
    /* Once more, without modules that nobody imports any more. */
    return done > 0 && PySet_GET_SIZE(importer->orphaned) > 0 ? 0 : done;
}

#define PATIENCE apr_time_from_msec(500)

/* Is it worth another attempt? Beyond end_time only without the files that
 * spoil one after the other. 1, 0: the next request will see, -1 */
static int
is_worthwhile(mp_importer_t *importer, apr_time_t *end_time)
{
    apr_time_t now = apr_time_now();
    if (now < *end_time) {
        return 1;
    }
    int found = mp_restless_set_aside(importer);
    *end_time = now + PATIENCE;
    return found > 0 ? 1 : found;
}

/* Does the request that asks want one of the files that are set aside? */
static int
is_asked_for(mp_importer_t *importer, const mp_asker_t *asker)
{
    if (!importer->has_restless || !asker->handler) {
        return 0;
    }
    mp_generation_t *current = (mp_generation_t *)importer->current;
    PyObject *module = mp_memory_find(current, asker->handler, asker->r);
    mp_instance_t *instance = module
        ? mp_generation_instance_of(current, module) : NULL;
    return !instance || mp_reach_needs(importer, instance, importer->aside);
}

/* With the stage lock held. 0, PUT_OFF, or -1 with an exception; then the
 * changes are still there for the next request to find. */
static int
refresh_locked(mp_importer_t *importer, const mp_asker_t *asker)
{
    int failed;
    uint64_t position = mp_changes_collect(importer, &failed);
    if (failed
        || mp_restless_release(importer, is_asked_for(importer, asker)) < 0
        || mp_changes_unite(importer) < 0) {
        return -1;
    }
    int retry = is_retry_due(importer);
    if (retry < 0) {
        return -1;
    }
    apr_time_t end_time = apr_time_now() + PATIENCE;
    int done = 0;
    while (!done && (has_news(importer) || retry)) {
        done = attempt(importer, asker, retry, &position);
        if (!done) {
            int again = is_worthwhile(importer, &end_time);
            if (again <= 0) {
                return again;
            }
        }
    }
    /* What concerned nobody may concern what was loaded meanwhile. */
    if (done != PUT_OFF && mp_changes_unite(importer) < 0) {
        done = -1;
    }
    /* Before the view is quiet: somebody may ask without the GIL. */
    importer->has_put_off = done == PUT_OFF || has_news(importer);
    if (done >= 0 && importer->view) {
        mp_watch_settle(importer->view, position);
    }
    return done == 1 ? 0 : done;
}

/* The exception in flight says which module could not be waited for. */
static void
report_wait(mp_importer_t *importer, server_rec *server)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!mp_lock_is_news(importer)) {
        Py_DECREF(exc);
        return;
    }
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

/* With the stage lock held. Was the refresh put off? */
static int
run_locked(mp_importer_t *importer, const mp_asker_t *asker)
{
    server_rec *server = importer->state->interp->server;
    mp_pace_t pace;
    mp_pace_begin(&pace);
    int result = refresh_locked(importer, asker);
    mp_pace_end(&pace);
    if (!mp_lock_is_mine(importer)) {
        PyErr_Clear(); /* another thread has taken over, and will tell */
        return 0;
    }
    if (result != PUT_OFF) {
        mp_interim_complete_all(importer);
    }
    if (result < 0) {
        mp_error_log(importer->state, MP_LOG_SERVER(server), "MPY0204",
                     "changed modules cannot be looked at");
    }
    return result == PUT_OFF;
}

void
mp_refresh_owned(mp_importer_t *importer)
{
    const mp_asker_t nobody = {NULL, NULL};
    PyObject *exc = PyErr_GetRaisedException();
    run_locked(importer, &nobody);
    PyErr_SetRaisedException(exc);
}

/* Wait for the stage lock, or for an interim generation that will do. 1: the
 * lock is ours; 0: nothing is to be done, pin *interim */
static int
take_lock(mp_importer_t *importer, const mp_asker_t *asker,
          mp_generation_t **interim)
{
    for (;;) {
        long openings = asker->handler ? importer->openings : LONG_MAX;
        *interim = mp_interim_find(importer, asker->handler, asker->r);
        /* Or somebody executes what nobody here has asked for yet. */
        if (*interim || (mp_lock_is_busy(importer)
                         && !mp_reach_is_concerned(importer))) {
            return 0;
        }
        int opened = mp_lock_take_unless(importer, openings);
        if (opened == 0) {
            return 1;
        }
        if (opened < 0) {
            if (mp_stage_take_over(importer)) {
                return 1;
            }
            report_wait(importer, importer->state->interp->server);
            return 0;
        }
    }
}

mp_generation_t *
mp_refresh_run(mp_importer_t *importer, const mp_handler_t *handler,
               request_rec *r)
{
    const mp_asker_t asker = {handler, r};
    mp_generation_t *interim = NULL;
    if (mp_lock_is_mine(importer)) {
        return NULL; /* a module body asks, in the middle of one */
    }
    int is_ours = take_lock(importer, &asker, &interim);
    if (is_ours && run_locked(importer, &asker)) {
        interim = (mp_generation_t *)importer->interim;
    }
    /* At once: one that nobody has pinned may be dropped by the next. */
    if (interim) {
        Py_INCREF(interim);
        mp_retire_pin(interim);
    }
    if (is_ours) {
        mp_lock_leave(importer);
        mp_retire_flush(importer);
    }
    return interim;
}
