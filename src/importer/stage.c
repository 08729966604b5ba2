/* stage.c - executes module bodies, one thread at a time. */
#include "runtime/python.h"

#include "importer/stage.h"

#include "importer/attempt.h"
#include "importer/changes.h"
#include "importer/code.h"
#include "importer/effects/effects.h"
#include "importer/handover.h"
#include "importer/interim.h"
#include "importer/lock.h"
#include "importer/portal.h"
#include "importer/retire.h"
#include "importer/root.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the others read in their log when they wait too long. */
static void
name_executing(mp_importer_t *importer)
{
    const char *text = "";
    Py_ssize_t depth = PyList_GET_SIZE(importer->bodies);
    if (depth > 0) {
        mp_instance_t *top = (mp_instance_t *)PyList_GET_ITEM(
            importer->bodies, depth - 1);
        PyObject *what = top->file == Py_None ? top->name : top->file;
        text = PyUnicode_AsUTF8(what);
        if (!text) {
            PyErr_Clear(); /* a name that is no UTF-8 cannot be shown */
            text = "?";
        }
    }
    pthread_mutex_lock(&importer->lock);
    snprintf(importer->executing, sizeof(importer->executing), "%s", text);
    pthread_mutex_unlock(&importer->lock);
}

/* ---- logging ----------------------------------------------------------- */

static mp_log_place_t
place_here(mp_importer_t *importer)
{
    mp_log_place_t place = mp_thread_place();
    if (!place.r && !place.c && !place.s) {
        place.s = importer->state->interp->server;
    }
    return place;
}

/* Why a module is executed now. New str. */
static PyObject *
reason_of(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *reason = importer->staging
        ? PyDict_GetItemWithError(importer->staging->reasons, instance->name)
        : NULL;
    if (reason || PyErr_Occurred()) {
        return Py_XNewRef(reason);
    }
    return PyUnicode_FromString(instance->loads > 1 ? "loaded again"
                                                    : "first import");
}

/* "importing '/site/x.py' as _mp_1234abcd.x (pid ...): first import" */
static void
log_import(mp_importer_t *importer, mp_instance_t *instance)
{
    if (importer->log_level < 0) {
        return;
    }
    PyObject *text = PyUnicode_FromFormat(
        "%s '%U' as %U (pid %ld, interpreter '%s'): %U",
        instance->loads > 1 ? "reimporting" : "importing",
        instance->file, instance->name, (long)getpid(),
        importer->state->interp->name, instance->reason);
    const char *line = text ? PyUnicode_AsUTF8(text) : NULL;
    if (line) {
        mp_log_place_t place = place_here(importer);
        int level = importer->log_level ? importer->log_level : APLOG_INFO;
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log_plain(place, level, "%s", line);
        mp_thread_resume(held);
    }
    PyErr_Clear(); /* the line is for information only */
    Py_XDECREF(text);
}

/* ---- executing --------------------------------------------------------- */

/* The old instance of the module that is executed anew, borrowed, or NULL. */
static mp_instance_t *
predecessor(mp_importer_t *importer, PyObject *name)
{
    PyObject *old = importer->staging
        ? PyDict_GetItemWithError(importer->staging->old, name) : NULL;
    return (mp_instance_t *)old;
}

/* Another thread has taken over: the importer's fields are not ours. */
static void
end_abandoned(mp_importer_t *importer, mp_instance_t *instance,
              mp_effects_t *effects)
{
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), NULL);
    PyErr_Format(PyExc_TimeoutError, "module %R was given up: its body took "
                 "longer than %d s, and its file has changed since",
                 instance->name, importer->timeout_ms / 1000);
    mp_effects_t *others = importer->effects;
    importer->effects = effects;
    mp_effects_end(importer, effects);
    importer->effects = others;
}

/* Run the code, in the sight of the generation. New reference to a result of
 * no interest. */
static PyObject *
evaluate(mp_importer_t *importer, mp_generation_t *generation,
         mp_instance_t *instance)
{
    mp_effects_t effects;
    PyObject *globals = PyModule_GetDict(instance->module);
    PyObject *result = NULL;
    name_executing(importer);
    instance->loaded_at = apr_time_now();
    void *pin = mp_thread_set_pin(generation);
    if (mp_effects_begin(importer, &effects, generation, instance,
                         instance->code) == 0) {
        result = PyEval_EvalCode(instance->code, globals, globals);
    }
    mp_thread_set_pin(pin);
    if (instance->is_abandoned) {
        Py_CLEAR(result);
        end_abandoned(importer, instance, &effects);
    }
    else if (mp_effects_end(importer, &effects) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static int
run_body(mp_importer_t *importer, mp_generation_t *generation,
         mp_instance_t *instance, mp_instance_t *old)
{
    if (instance->file == Py_None) {
        return 0;
    }
    instance->links = mp_search_links(importer, instance->file);
    if (!instance->links || mp_code_take(importer, instance, old) < 0) {
        return -1;
    }
    if (instance->language) {
        instance->loaded_at = apr_time_now();
        return 0;
    }
    if (PyList_Append(importer->bodies, (PyObject *)instance) < 0) {
        return -1;
    }
    PyObject *result = NULL;
    if (mp_handover_give(importer, instance, old) == 0) {
        result = evaluate(importer, generation, instance);
    }
    if (instance->is_abandoned) {
        return -1;
    }
    PyObject *exc = PyErr_GetRaisedException();
    Py_ssize_t depth = PyList_GET_SIZE(importer->bodies);
    int failed = PyList_SetSlice(importer->bodies, depth - 1, depth, NULL);
    name_executing(importer);
    PyErr_SetRaisedException(exc);
    Py_XDECREF(result);
    if (!result || failed
        || mp_handover_finish(importer, instance, old) < 0) {
        return -1;
    }
    return mp_root_sync_builtins(importer, 1); /* it may have added to them */
}

/* A body may put another object in its place in sys.modules; importers are to
 * get that, as in Python. */
static int
adopt_replacement(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *present = PyDict_GetItemWithError(modules, instance->name);
    if (!present) {
        return PyErr_Occurred()
                   ? -1 : mp_portal_ensure(importer, instance->name);
    }
    if (Py_IS_TYPE(present, importer->state->types[MP_TYPE_PORTAL])) {
        return 0;
    }
    Py_SETREF(instance->module, Py_NewRef(present));
    return mp_portal_ensure(importer, instance->name);
}

/* ---- parents ----------------------------------------------------------- */

static mp_instance_t *load(mp_importer_t *importer,
                           mp_generation_t *generation,
                           const mp_location_t *location, PyObject *search,
                           int is_entry);

/* The directory above a path, as a new str. */
static PyObject *
directory_of(PyObject *path)
{
    Py_ssize_t slash = PyUnicode_FindChar(path, '/', 0,
                                          PyUnicode_GET_LENGTH(path), -1);
    return PyUnicode_Substring(path, 0, slash > 0 ? slash : 0);
}

/* Where the package that a location is a part of lives: the directory above
 * it, as a package or a portion of a namespace package. */
static int
locate_parent(mp_importer_t *importer, const mp_location_t *location,
              PyObject *name, mp_location_t *parent)
{
    PyObject *part = location->dirs ? PyList_GetItem(location->dirs, 0)
                                    : location->file;
    PyObject *dir = directory_of(part);
    PyObject *init = dir ? PyUnicode_FromFormat("%U/__init__.py", dir) : NULL;
    int found = init ? mp_search_file(importer, init, parent) : -1;
    if (found == 0) {
        parent->root = location->root;
        parent->dirs = PyList_New(0);
        found = parent->dirs ? PyList_Append(parent->dirs, dir) : -1;
    }
    if (found >= 0) {
        Py_XSETREF(parent->name, Py_NewRef(name));
    }
    Py_XDECREF(init);
    Py_XDECREF(dir);
    return found < 0 ? -1 : 0;
}

/* A file reached by its path may be part of a package that is not loaded yet:
 * its packages come first, as in Python. *parent is borrowed, NULL for a
 * module at the top. */
static int
load_parents(mp_importer_t *importer, mp_generation_t *generation,
             const mp_location_t *location, PyObject *search,
             mp_instance_t **parent)
{
    mp_location_t above = {0};
    Py_ssize_t length = PyUnicode_GET_LENGTH(location->name);
    Py_ssize_t dot = PyUnicode_FindChar(location->name, '.', 0, length, -1);
    Py_ssize_t top = (Py_ssize_t)strlen(location->root->prefix) - 1;
    *parent = NULL;
    if (dot < 0 || dot <= top) {
        return 0;
    }
    PyObject *name = PyUnicode_Substring(location->name, 0, dot);
    if (!name) {
        return -1;
    }
    *parent = mp_generation_find(generation, name);
    int failed = 0;
    if (!*parent) {
        failed = locate_parent(importer, location, name, &above);
        if (!failed) {
            *parent = load(importer, generation, &above, search, 0);
            failed = *parent ? 0 : -1;
        }
    }
    mp_location_clear(&above);
    Py_DECREF(name);
    return failed;
}

/* A package and its parts are refreshed together; a namespace package, which
 * has no code, only follows its parts. */
static int
join_package(mp_instance_t *parent, mp_instance_t *part)
{
    if (mp_instance_add_edge(parent, part->name, MP_EDGE_PACKAGE) < 0) {
        return -1;
    }
    if (parent->file == Py_None) {
        return 0;
    }
    return mp_instance_add_edge(part, parent->name, MP_EDGE_PACKAGE);
}

int
mp_stage_bind(mp_instance_t *parent, mp_instance_t *part)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(part->name);
    Py_ssize_t dot = PyUnicode_FindChar(part->name, '.', 0, length, -1);
    PyObject *stem = PyUnicode_Substring(part->name, dot + 1, length);
    int failed = stem ? PyObject_SetAttr(parent->module, stem, part->module)
                      : -1;
    Py_XDECREF(stem);
    return failed;
}

/* ---- loading ----------------------------------------------------------- */

/* Does `instance` reach the module `name` over edges inside generation? */
static int
reaches(mp_generation_t *generation, mp_instance_t *instance, PyObject *name,
        PyObject *seen)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    int answer = PyDict_Contains(instance->edges, name);
    while (answer == 0
           && PyDict_Next(instance->edges, &position, &target, &unused)) {
        mp_instance_t *next = mp_generation_find(generation, target);
        if (!next || PySet_Contains(seen, target)) {
            continue;
        }
        answer = PySet_Add(seen, target) < 0
                     ? -1 : reaches(generation, next, name, seen);
    }
    return answer;
}

/* A change of what a failed attempt looked at is worth a new one. */
static void
remember_touched(mp_importer_t *importer, mp_instance_t *instance)
{
    if (!importer->staging) {
        return;
    }
    if (instance->file != Py_None) {
        PySet_Add(importer->touched, instance->file);
    }
    PyObject *none = PyObject_CallMethod(
        importer->touched, "update", "OO", instance->probes,
        instance->data ? instance->data : instance->probes);
    Py_XDECREF(none);
}

/* What was executed on behalf of a body that failed, and got hold of its
 * half-made module, must not stay. An exception is in flight. */
static void
drop_failed(mp_importer_t *importer, mp_generation_t *generation,
            mp_instance_t *failed)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *instances = PyDict_Values(generation->table);
    remember_touched(importer, failed);
    mp_attempt_note(importer, failed, exc);
    if (importer->staging && !importer->staging->culprit) {
        importer->staging->culprit = Py_NewRef(failed->file);
    }
    Py_ssize_t count = instances ? PyList_GET_SIZE(instances) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(instances,
                                                                   i);
        if (instance == failed || instance->serial < failed->serial
            || instance->is_executing) {
            continue;
        }
        PyObject *seen = PySet_New(NULL);
        if (!seen || reaches(generation, instance, failed->name, seen) != 0) {
            mp_retire_instance(importer, instance);
            PyDict_DelItem(generation->table, instance->name);
        }
        Py_XDECREF(seen);
    }
    Py_XDECREF(instances);
    if (PyDict_Contains(generation->table, failed->name) == 1) {
        PyDict_DelItem(generation->table, failed->name);
    }
    mp_retire_forget(importer, failed);
    mp_generation_t *current = (mp_generation_t *)importer->current;
    if (!mp_generation_find(current, failed->name)) {
        mp_portal_remove(importer, failed->name);
    }
    PyErr_Clear(); /* what matters is why the body failed */
    PyErr_SetRaisedException(exc);
}

/* What its __mp_path__ begins with, now and in later versions. */
static int
give_path(mp_importer_t *importer, mp_instance_t *instance, PyObject *path)
{
    PyObject *list = PySequence_List(path);
    int failed = list ? PyDict_SetItem(PyModule_GetDict(instance->module),
                                       importer->state->names.__mp_path__,
                                       list) : -1;
    Py_XDECREF(list);
    instance->own_path = Py_NewRef(path);
    return failed;
}

static mp_instance_t *
execute(mp_importer_t *importer, mp_generation_t *generation,
        const mp_location_t *location, PyObject *search,
        mp_instance_t *parent, int is_entry)
{
    mp_instance_t *old = predecessor(importer, location->name);
    mp_instance_t *instance = mp_instance_create(
        importer, location->root, location->name, location->file,
        location->dirs, old ? old->search : search);
    if (!instance) {
        return NULL;
    }
    instance->language = location->language;
    PyObject *path = old ? old->own_path : location->own_path;
    if (path && give_path(importer, instance, path) < 0) {
        Py_DECREF(instance);
        return NULL;
    }
    instance->is_entry = is_entry || (old && old->is_entry);
    instance->loads = old ? old->loads + 1 : 1;
    instance->reason = reason_of(importer, instance);
    Py_XSETREF(instance->generation, Py_NewRef(generation));
    /* From the moment it can be found to the moment it can be used. */
    instance->is_executing = 1;
    int failed = !instance->reason
                 || mp_portal_ensure(importer, instance->name) < 0
                 || PyDict_SetItem(generation->table, instance->name,
                                   (PyObject *)instance) < 0
                 || (parent && join_package(parent, instance) < 0)
                 || run_body(importer, generation, instance, old) < 0
                 || adopt_replacement(importer, instance) < 0
                 || (parent && mp_stage_bind(parent, instance) < 0);
    if (failed && !instance->is_abandoned) {
        drop_failed(importer, generation, instance);
    }
    instance->is_executing = 0;
    if (failed) {
        Py_DECREF(instance);
        return NULL;
    }
    if (instance->file != Py_None) {
        log_import(importer, instance);
    }
    Py_DECREF(instance); /* the table keeps it */
    return instance;
}

/* The exception that a refresh got from this module already, or another thread
 * while this one waited for it, raised again. */
static int
raise_if_failed(mp_importer_t *importer, PyObject *name)
{
    PyObject *exc = importer->staging
        ? PyDict_GetItemWithError(importer->staging->failed, name)
        : mp_attempt_exception(importer, name);
    if (exc) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* A module of this name is loaded, but from another file: the name has come to
 * mean something else (x.py became x/__init__.py). */
static int
is_superseded(mp_instance_t *instance, const mp_location_t *location)
{
    PyObject *file = location->file ? location->file : Py_None;
    return !instance->is_executing
           && PyObject_RichCompareBool(instance->file, file, Py_NE) == 1;
}

/* With the stage lock held. */
static mp_instance_t *
load(mp_importer_t *importer, mp_generation_t *generation,
     const mp_location_t *location, PyObject *search, int is_entry)
{
    mp_instance_t *parent = NULL;
    mp_instance_t *instance = mp_generation_find(generation, location->name);
    if (!instance) {
        if (raise_if_failed(importer, location->name) < 0
            || load_parents(importer, generation, location, search,
                            &parent) < 0) {
            return NULL;
        }
        /* Its package may have imported it meanwhile. */
        instance = mp_generation_find(generation, location->name);
    }
    if (instance && importer->staging && is_superseded(instance, location)) {
        parent = mp_generation_find(generation, instance->parent);
        if (PyDict_DelItem(generation->table, location->name) < 0) {
            return NULL;
        }
        instance = NULL;
    }
    if (instance) {
        instance->is_entry |= is_entry;
        return instance;
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    return execute(importer, generation, location, search, parent, is_entry);
}

/* ---- first loads of older generations ---------------------------------- */

/* Is everything that instance depends on the same in the committed generation,
 * or among those to be shared? */
static int
is_shareable(mp_importer_t *importer, mp_generation_t *generation,
             mp_instance_t *instance, PyObject *shared)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    mp_generation_t *current = (mp_generation_t *)importer->current;
    if (mp_generation_find(current, instance->name)) {
        return 0;
    }
    while (PyDict_Next(instance->edges, &position, &target, &unused)) {
        if (mp_generation_find(current, target)
                != mp_generation_find(generation, target)
            && PyDict_Contains(shared, target) != 1) {
            return 0;
        }
    }
    return 1;
}

/* What began after `serial` in generation: dict name -> instance. */
static PyObject *
loaded_since(mp_generation_t *generation, long serial)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    PyObject *found = PyDict_New();
    while (found
           && PyDict_Next(generation->table, &position, &name, &instance)) {
        if (((mp_instance_t *)instance)->serial > serial
            && PyDict_SetItem(found, name, instance) < 0) {
            Py_CLEAR(found);
        }
    }
    return found;
}

/* A request that is pinned to an older generation has loaded something for the
 * first time. Those that follow are to have it, too, instead of executing it
 * once more, if all that it depends on is theirs. */
static int
share_first_load(mp_importer_t *importer, mp_generation_t *generation,
                 long serial)
{
    mp_generation_t *current = (mp_generation_t *)importer->current;
    PyObject *shared = loaded_since(generation, serial);
    Py_ssize_t before = -1;
    while (shared && PyDict_GET_SIZE(shared) != before) {
        before = PyDict_GET_SIZE(shared);
        PyObject *instances = PyDict_Values(shared);
        Py_ssize_t count = instances ? PyList_GET_SIZE(instances) : 0;
        for (Py_ssize_t i = 0; i < count; i++) {
            mp_instance_t *one = (mp_instance_t *)PyList_GET_ITEM(instances,
                                                                  i);
            if (!is_shareable(importer, generation, one, shared)
                && PyDict_DelItem(shared, one->name) < 0) {
                break;
            }
        }
        Py_XDECREF(instances);
    }
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (shared && PyDict_Next(shared, &position, &name, &instance)) {
        if (PyDict_SetItem(current->table, name, instance) < 0) {
            break;
        }
        Py_XSETREF(((mp_instance_t *)instance)->generation,
                   Py_NewRef(current));
    }
    Py_XDECREF(shared);
    return PyErr_Occurred() ? -1 : 0;
}

mp_instance_t *
mp_stage_load(mp_importer_t *importer, mp_generation_t *generation,
              const mp_location_t *location, PyObject *search, int is_entry,
              mp_instance_t *holder)
{
    if (mp_lock_take(importer) < 0) {
        return mp_interim_fall_back(generation, location->name);
    }
    if (generation->base && !importer->staging
        && PyList_GET_SIZE(importer->bodies) == 0) {
        importer->refresh(importer); /* it is asked for now */
    }
    long serial = importer->serial;
    mp_instance_t *instance = load(importer, generation, location, search,
                                   is_entry);
    if (!instance && holder) {
        mp_attempt_inherit(importer, generation, holder, location->name);
    }
    else if (instance && !importer->staging
        && generation != (mp_generation_t *)importer->current
        && PyList_GET_SIZE(importer->bodies) == 0
        && share_first_load(importer, generation, serial) < 0) {
        instance = NULL;
    }
    mp_lock_leave(importer);
    return instance;
}

mp_instance_t *
mp_stage_await(mp_importer_t *importer, mp_generation_t *generation,
               PyObject *name)
{
    if (mp_lock_take(importer) < 0) {
        return NULL;
    }
    mp_instance_t *instance = mp_generation_find(generation, name);
    mp_lock_leave(importer);
    return instance;
}

/* ---- bodies that do not end -------------------------------------------- */

/* Did a file change that the hanging bodies, or their refresh, have read? */
static int
is_hang_touched(mp_importer_t *importer)
{
    int failed;
    mp_changes_collect(importer, &failed);
    failed = failed || mp_changes_unite(importer) < 0;
    int touched = !failed && PyList_GET_SIZE(importer->moved) > 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(importer->bodies); i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(
            importer->bodies, i);
        touched |= PySet_Contains(importer->changed, instance->file) == 1;
    }
    if (!touched && importer->reading) {
        PyObject *disjoint = PyObject_CallMethod(
            importer->reading, "isdisjoint", "O", importer->changed);
        touched = disjoint == Py_False;
        Py_XDECREF(disjoint);
    }
    return touched;
}

/* They are found in no table any more. */
static void
abandon_bodies(mp_importer_t *importer)
{
    PyObject *bodies = importer->bodies;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(bodies); i++) {
        mp_instance_t *instance = (mp_instance_t *)PyList_GET_ITEM(bodies, i);
        mp_generation_t *generation = (mp_generation_t *)instance->generation;
        instance->is_abandoned = 1;
        if (mp_generation_find(generation, instance->name) == instance) {
            PyDict_DelItem(generation->table, instance->name);
        }
    }
}

/* What another thread was executing counts for nothing. */
static void
void_stage(mp_importer_t *importer, PyObject *no_bodies)
{
    abandon_bodies(importer);
    Py_SETREF(importer->bodies, Py_NewRef(no_bodies));
    importer->effects = NULL;
    importer->staging = NULL;
    importer->interim = NULL;
    importer->reading = NULL;
    /* It had taken changes that it never dealt with. */
    PyList_Append(importer->moved, Py_None);
}

int
mp_stage_take_over(mp_importer_t *importer)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *fresh = PyList_New(0);
    unsigned long ident = 0;
    if (fresh && is_hang_touched(importer)) {
        ident = mp_lock_take_over(importer);
    }
    if (ident) {
        void_stage(importer, fresh);
        PyThreadState_SetAsyncExc(ident, PyExc_SystemExit);
    }
    Py_XDECREF(fresh);
    PyErr_Clear(); /* out of memory: as good as that can be */
    if (ident) {
        Py_XDECREF(exc);
        return 1;
    }
    PyErr_SetRaisedException(exc);
    return 0;
}

/* ---- processes forked by programs -------------------------------------- */

static PyObject *
after_fork(PyObject *module, PyObject *unused)
{
    mp_importer_t *importer = mp_state_of_module(module)->importer;
    PyObject *fresh = PyList_New(0);
    mp_thread_after_fork();
    importer->collecting = 0;
    importer->noted = importer->batches;
    if (importer->view) {
        mp_watch_view_after_fork(importer->view);
    }
    if (mp_lock_after_fork(importer) && fresh) {
        void_stage(importer, fresh);
    }
    Py_XDECREF(fresh);
    Py_RETURN_NONE;
}

static PyMethodDef fork_methods[] = {
    {"_after_fork", after_fork, METH_NOARGS,
     "_after_fork()\n--\n\nCalled in a process that os.fork() has made."},
    {NULL, NULL, 0, NULL}
};

int
mp_stage_listen_for_forks(mp_state_t *state)
{
    PyObject *function = PyCFunction_New(fork_methods, state->module);
    PyObject *os = function ? PyImport_ImportModule("os") : NULL;
    PyObject *listen = os ? PyObject_GetAttrString(os, "register_at_fork")
                          : NULL;
    PyObject *keywords = listen
        ? Py_BuildValue("{sO}", "after_in_child", function) : NULL;
    PyObject *none = keywords ? PyTuple_New(0) : NULL;
    PyObject *result = none ? PyObject_Call(listen, none, keywords) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    Py_XDECREF(listen);
    Py_XDECREF(os);
    Py_XDECREF(function);
    Py_XDECREF(result);
    return result ? 0 : -1;
}
