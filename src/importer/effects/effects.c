/* effects.c - compares what modules own before and after a body.
 *
 * Each import that a running body makes use of brings modules into its watch:
 * those that code can change which got hold of it (exposure.h). Their
 * fingerprints are shared by all bodies that run, one inside the other: each
 * is brought up to date when a body begins to watch the module or ends, so
 * that a difference is put down to the body that made it, once.
 *
 * A class with a base in another module needs no comparing: it is in that
 * base's __subclasses__(). Virtual subclasses (ABCMeta.register) are only
 * weakly remembered, and die with their generation: they are no effect. */
#include "runtime/python.h"

#include "importer/effects/effects.h"

#include "importer/effects/exposure.h"
#include "importer/effects/watched.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <string.h>

#define MAX_REACH 64 /* modules that one import brings into watch, when what
                        its code may do is too much to follow */

#define BEFORE_RUNNING APR_USEC_PER_SEC /* from a request's first line to its
                                           first Python code, at most */
#define MAX_ITEMS 1000 /* of a collection that may hold classes */

/* ---- what counts ------------------------------------------------------- */

/* Has another request than ours begun lately to use a module of generation? */
static int
others_began(mp_generation_t *generation, apr_time_t since)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    const request_rec *r = mp_thread_place().r;
    while (PyDict_Next(generation->table, &position, &name, &value)) {
        apr_time_t used_at = ((mp_instance_t *)value)->used_at;
        if (used_at > since && !(r && used_at == r->request_time)) {
            return 1;
        }
    }
    return 0;
}

/* Is another thread in the middle of Python code? Python looks at them under a
 * lock of its own, because threads that come and go do not hold the GIL. */
static int
others_run(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *sys = PyImport_ImportModule("sys");
    PyObject *frames = sys ? PyObject_CallMethod(sys, "_current_frames", NULL)
                           : NULL;
    int ours = PyEval_GetFrame() != NULL;
    int others = !frames || PyDict_GET_SIZE(frames) > ours;
    Py_XDECREF(frames);
    Py_XDECREF(sys);
    PyErr_Clear(); /* out of memory: perhaps they do */
    PyErr_SetRaisedException(exc);
    return others;
}

/* Was it the body that made the difference? A number that became another may
 * count what requests do that run beside it; unless they cannot see this
 * module, or the body sets attributes itself. */
static int
is_effect(mp_importer_t *importer, const mp_effects_t *effects,
          mp_instance_t *other, mp_fingerprint_result_t result)
{
    if (result != MP_FINGERPRINT_NUMBERS) {
        return result == MP_FINGERPRINT_CHANGED;
    }
    int is_private = importer->staging
                     && other->generation == (PyObject *)effects->generation;
    mp_watched_t *watched = effects->watched;
    apr_time_t since = watched->begun_at - BEFORE_RUNNING;
    watched->is_busy = watched->is_busy || others_run()
                       || others_began(effects->generation, since)
                       || others_began((mp_generation_t *)importer->current,
                                       since);
    return is_private || !watched->is_busy || effects->uses.sets_attributes;
}

static int
note_changed(mp_effects_t *effects, PyObject *name, PyObject *where)
{
    if (!effects->changed) {
        effects->changed = PyDict_New();
    }
    return effects->changed ? PyDict_SetItem(effects->changed, name, where)
                            : -1;
}

/* Has the module changed since? Then it was `culprit` (may be NULL), and from
 * now on it is compared with what it is like now. */
static int
check_row(mp_importer_t *importer, mp_watched_t *watched, Py_ssize_t row,
          mp_effects_t *culprit)
{
    PyObject *where = NULL;
    mp_fingerprint_t *print = watched->rows[row].print;
    mp_instance_t *instance = watched->rows[row].instance;
    mp_fingerprint_result_t result = print
        ? mp_fingerprint_compare(print, &where) : MP_FINGERPRINT_SAME;
    if (result == MP_FINGERPRINT_SAME) {
        return 0;
    }
    int failed = 0;
    if (culprit && is_effect(importer, culprit, instance, result)) {
        failed = note_changed(culprit, instance->name, where);
    }
    Py_DECREF(where);
    return failed ? -1 : mp_watched_take(watched, row, instance);
}

/* ---- what is within reach ---------------------------------------------- */

static mp_effects_t *
find_watcher(mp_effects_t *effects, PyObject *name)
{
    while (effects
           && !(effects->watches
                && PyDict_Contains(effects->watches, name) == 1)) {
        effects = effects->outer;
    }
    return effects;
}

/* Before this body watches a module that was watched before: has it changed
 * since? That can only have been a body around this one; or other threads, of
 * which it must not be taken the blame. */
static int
check_again(mp_importer_t *importer, mp_effects_t *effects, Py_ssize_t row)
{
    mp_effects_t *watcher = find_watcher(
        effects->outer, effects->watched->rows[row].instance->name);
    return watcher || !effects->is_alone
               ? check_row(importer, effects->watched, row, watcher) : 0;
}

/* Modules found, in the order in which they are looked at. */
typedef struct {
    mp_importer_t *importer;
    mp_effects_t *effects;
    mp_instance_t *found[MAX_REACH]; /* the first, borrowed */
    Py_ssize_t count;
} reach_t;

/* Begin to watch a module, if this body does not already. */
static int
watch(reach_t *reach, mp_instance_t *instance)
{
    mp_effects_t *effects = reach->effects;
    int has_print;
    if (!instance || instance == effects->instance || instance->is_executing) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int known = PyDict_Contains(effects->watches, instance->name);
    Py_ssize_t row = known ? -1
                           : mp_watched_find(effects->watched, instance,
                                             &has_print);
    if (known || row < 0) {
        return known == 1 ? 0 : -1;
    }
    int failed = has_print
        ? check_again(reach->importer, effects, row)
        : mp_watched_take(effects->watched, row, instance);
    PyObject *number = failed ? NULL : PyLong_FromSsize_t(row);
    failed = number ? PyDict_SetItem(effects->watches, instance->name, number)
                    : -1;
    Py_XDECREF(number);
    if (reach->count < MAX_REACH) {
        reach->found[reach->count++] = instance;
    }
    return failed;
}

static int
watch_exposed(void *reach, mp_instance_t *instance)
{
    return watch(reach, instance);
}

/* Imports lead to code that may run; parts of a package and modules that have
 * effects on each other only may. */
static int
is_import(PyObject *edge)
{
    long kind = PyLong_AsLong(edge);
    return kind == MP_EDGE_IMPORT || kind == MP_EDGE_LATE;
}

static int
watch_edges(reach_t *reach, mp_instance_t *instance, int imports)
{
    PyObject *name, *edge;
    Py_ssize_t position = 0;
    while (PyDict_Next(instance->edges, &position, &name, &edge)) {
        if (reach->count == MAX_REACH) {
            break;
        }
        if (is_import(edge) == imports
            && watch(reach, mp_generation_find(reach->effects->generation,
                                               name)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* When nobody can tell: breadth first over imports; then over the other edges
 * of all of them. */
static int
watch_reachable(reach_t *reach)
{
    Py_ssize_t imports = 0, others = 0;
    int failed = 0;
    while (!failed && reach->count < MAX_REACH) {
        if (imports < reach->count) {
            failed = watch_edges(reach, reach->found[imports++], 1);
        }
        else if (others < reach->count) {
            failed = watch_edges(reach, reach->found[others++], 0);
        }
        else {
            break;
        }
    }
    return failed;
}

/* The first time that the body uses an import. */
static int
begin_watching(mp_importer_t *importer, mp_effects_t *effects)
{
    if (effects->watches) {
        return 0;
    }
    if (!effects->watched) {
        effects->watched = mp_watched_create(importer);
        for (mp_effects_t *outer = effects->outer; outer;
             outer = outer->outer) {
            outer->watched = effects->watched;
        }
        if (!effects->watched) {
            return -1;
        }
    }
    effects->is_alone = !others_run();
    effects->watched->is_busy |= !effects->is_alone;
    effects->watches = PyDict_New();
    effects->exposure = (mp_exposure_t){
        .importer = importer,
        .generation = effects->generation,
        .expose = watch_exposed,
        .foreign = effects->watched->foreign,
    };
    return effects->watches ? mp_exposure_begin(&effects->exposure) : -1;
}

/* from package import item: a part of it, or one of its globals. */
static int
add_item(mp_exposure_t *exposure, mp_instance_t *imported, PyObject *item,
         PyObject *names)
{
    PyObject *full = PyUnicode_FromFormat("%U.%U", imported->name, item);
    mp_instance_t *part = full
        ? mp_generation_find(exposure->generation, full) : NULL;
    Py_XDECREF(full);
    if (part || PyErr_Occurred()) {
        return part ? mp_exposure_add_module(exposure, part, names) : -1;
    }
    if (PyUnicode_CompareWithASCIIString(item, "*") == 0) {
        return mp_exposure_add_module(exposure, imported, names);
    }
    return mp_exposure_add_global(exposure, imported, item, names);
}

/* import a.b.c: binds a, and what the body names in it. */
static int
add_dotted(mp_exposure_t *exposure, mp_instance_t *imported, PyObject *names)
{
    mp_instance_t *instance = imported;
    int failed = 0;
    while (instance && !failed) {
        failed = mp_exposure_add_module(exposure, instance, names);
        instance = instance->parent != Py_None
            ? mp_generation_find(exposure->generation, instance->parent)
            : NULL;
    }
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* What the import has given the body to use. name: NULL when all of it. */
static int
add_import(mp_exposure_t *exposure, mp_effects_t *effects,
           mp_instance_t *imported, PyObject *name, PyObject *fromlist)
{
    int knows = name && !effects->uses.uses_all;
    if (knows && !effects->names) {
        effects->names = mp_uses_names(&effects->uses);
        if (!effects->names) {
            return -1;
        }
    }
    PyObject *names = knows ? effects->names : NULL;
    if (!fromlist || !PyTuple_Check(fromlist)) {
        exposure->is_shallow = knows && mp_uses_has(&effects->uses, name, NULL)
                                            == MP_USE_PERHAPS;
        return add_dotted(exposure, imported, names);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fromlist); i++) {
        PyObject *item = PyTuple_GET_ITEM(fromlist, i);
        mp_use_kind_t use = !PyUnicode_Check(item) ? MP_USE_NONE
            : knows ? mp_uses_has(&effects->uses, name, item) : MP_USE_DIRECT;
        exposure->is_shallow = use == MP_USE_PERHAPS;
        if (use != MP_USE_NONE
            && add_item(exposure, imported, item, names) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
watch_import(mp_importer_t *importer, mp_effects_t *effects,
             mp_instance_t *imported, PyObject *name, PyObject *fromlist)
{
    reach_t reach = {.importer = importer, .effects = effects};
    if (begin_watching(importer, effects) < 0) {
        return -1;
    }
    mp_exposure_t *exposure = &effects->exposure;
    exposure->arg = &reach;
    exposure->is_endless = exposure->is_shallow = 0;
    if (add_import(exposure, effects, imported, name, fromlist) < 0
        || mp_exposure_follow(exposure) < 0) {
        return -1;
    }
    return exposure->is_endless ? watch_reachable(&reach) : 0;
}

int
mp_effects_note_import(mp_importer_t *importer, mp_instance_t *importing,
                       mp_instance_t *imported, PyObject *name,
                       PyObject *fromlist)
{
    mp_effects_t *effects = importer->effects;
    if (!effects) {
        return 0;
    }
    if (!effects->uses.code_count
        && mp_uses_find(&effects->uses, effects->code) < 0) {
        return -1;
    }
    /* What code of others imports while it runs, it will use. */
    name = importing == effects->instance ? name : NULL;
    if (name && !mp_uses_has(&effects->uses, name, NULL)) {
        return 0;
    }
    /* The walks borrow, so nothing may be finalized while they last. */
    int collects = PyGC_Disable();
    int failed = watch_import(importer, effects, imported, name, fromlist);
    if (collects) {
        PyGC_Enable();
    }
    return failed;
}

/* ---- classes ----------------------------------------------------------- */

/* The name of the module that a class is of, borrowed; NULL for any other
 * object. */
static PyObject *
module_of(PyObject *object)
{
    if (!PyType_Check(object)
        || !(((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return NULL;
    }
    PyObject *module = PyDict_GetItemString(((PyTypeObject *)object)->tp_dict,
                                            "__module__");
    return module && PyUnicode_CheckExact(module) ? module : NULL;
}

/* The bases of a class that the body has made. */
static int
note_bases(mp_effects_t *effects, PyTypeObject *type)
{
    PyObject *bases = type->tp_bases;
    Py_ssize_t count = bases ? PyTuple_GET_SIZE(bases) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *module = module_of(PyTuple_GET_ITEM(bases, i));
        mp_instance_t *owner = module
            ? mp_generation_find(effects->generation, module) : NULL;
        if (owner && owner != effects->instance && !owner->is_executing
            && note_changed(effects, owner->name, Py_None) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
is_class_of_body(mp_effects_t *effects, PyObject *object)
{
    PyObject *module = module_of(object);
    return module && PyUnicode_Compare(module, effects->instance->name) == 0;
}

static int note_classes(mp_effects_t *effects, PyObject *namespace, int depth);

/* A class that the body has made, those inside of it, and those in a
 * collection. */
static int
note_class(mp_effects_t *effects, PyObject *value, int depth)
{
    if (is_class_of_body(effects, value)) {
        PyTypeObject *type = (PyTypeObject *)value;
        return note_bases(effects, type) < 0 ? -1
               : depth > 0 ? note_classes(effects, type->tp_dict, depth - 1)
                           : 0;
    }
    if (depth > 0 && PyDict_CheckExact(value)) {
        return note_classes(effects, value, 0);
    }
    Py_ssize_t count = depth == 0 ? 0
                       : PyList_CheckExact(value) ? PyList_GET_SIZE(value)
                       : PyTuple_CheckExact(value) ? PyTuple_GET_SIZE(value)
                                                   : 0;
    for (Py_ssize_t i = 0; i < count && i < MAX_ITEMS; i++) {
        if (note_class(effects, PySequence_Fast_GET_ITEM(value, i), 0) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
note_classes(mp_effects_t *effects, PyObject *namespace, int depth)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    for (int i = 0; i < MAX_ITEMS
                    && PyDict_Next(namespace, &position, &name, &value);
         i++) {
        /* The builtins have no class of the body, but many others. */
        if (name != effects->generation->importer->state->names.__builtins__
            && note_class(effects, value, depth) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- edges ------------------------------------------------------------- */

/* Does a module that has loaded import this one? */
static int
has_importers(mp_generation_t *generation, mp_instance_t *instance)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(generation->table, &position, &name, &value)) {
        mp_instance_t *other = (mp_instance_t *)value;
        if (!other->is_executing
            && PyDict_Contains(other->edges, instance->name) == 1) {
            return 1;
        }
    }
    return 0;
}

/* A body that failed outside of a refresh has left traces in a module that
 * goes on: the next request has that made anew, or else the body would fail
 * again, because of them. Not more than once a second, though, when others
 * work with it. */
static int
demand_refresh(mp_importer_t *importer, mp_effects_t *effects,
               mp_instance_t *instance)
{
    mp_instance_t *failed = effects->instance;
    apr_time_t now = apr_time_now();
    if (importer->staging) {
        return 0; /* the edge is there, and the failed file is tried again */
    }
    failed->is_executing = 1; /* its edges do not count, either */
    int has_others = has_importers(effects->generation, instance);
    failed->is_executing = 0;
    /* What is loaded is not what its file makes. */
    memset(instance->source.hash, 0, sizeof(instance->source.hash));
    if (PySet_Add(importer->pending, instance->name) < 0
        || PySet_Add(importer->touched, failed->file) < 0) {
        return -1;
    }
    if (!has_others || importer->retry_at < now) {
        importer->retry_at = now;
    }
    importer->has_pending = 1;
    return 0;
}

static void
log_effect(mp_importer_t *importer, const mp_effects_t *effects,
           PyObject *name, PyObject *where)
{
    server_rec *server = importer->state->interp->server;
    const char *body = PyUnicode_AsUTF8(effects->instance->name);
    const char *other = body ? PyUnicode_AsUTF8(name) : NULL;
    const char *global = where == Py_None ? "a base class"
                         : other ? PyUnicode_AsUTF8(where) : NULL;
    if (!other || !global) {
        PyErr_Clear(); /* the line is for information only */
        return;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_plain(MP_LOG_SERVER(server), APLOG_DEBUG, "executing %s has an "
                 "effect on %s of %s: they are refreshed together", body,
                 global, other);
    mp_thread_resume(held);
}

static int
add_edges(mp_importer_t *importer, mp_effects_t *effects, int failed)
{
    PyObject *name, *where;
    Py_ssize_t position = 0;
    while (PyDict_Next(effects->changed, &position, &name, &where)) {
        mp_instance_t *other = mp_generation_find(effects->generation, name);
        if (!other) {
            continue;
        }
        if (mp_instance_add_edge(other, effects->instance->name,
                                 MP_EDGE_EFFECT) < 0
            || mp_instance_add_edge(effects->instance, name,
                                    MP_EDGE_EFFECT) < 0
            || (failed
                && demand_refresh(importer, effects, other) < 0)) {
            return -1;
        }
    }
    position = 0;
    while (PyDict_Next(effects->changed, &position, &name, &where)) {
        log_effect(importer, effects, name, where);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- a body ------------------------------------------------------------ */

int
mp_effects_begin(mp_importer_t *importer, mp_effects_t *effects,
                 mp_generation_t *generation, mp_instance_t *instance,
                 PyObject *code)
{
    memset(effects, 0, sizeof(*effects));
    effects->outer = importer->effects;
    effects->instance = instance;
    effects->generation = generation;
    effects->watched = effects->outer ? effects->outer->watched : NULL;
    effects->code = code;
    importer->effects = effects;
    return 0;
}

#define ROWS_AT_ONCE 32

/* What the body has changed, found out and noted. */
static int
conclude(mp_importer_t *importer, mp_effects_t *effects, int body_failed)
{
    PyObject *name, *row, *module = effects->instance->module;
    Py_ssize_t position = 0;
    int failed = 0;
    for (int i = 1; !failed && effects->watches
                    && PyDict_Next(effects->watches, &position, &name, &row);
         i++) {
        failed = check_row(importer, effects->watched, PyLong_AsSsize_t(row),
                           effects);
        if (i % ROWS_AT_ONCE == 0) {
            mp_thread_yield();
        }
    }
    if (!failed && !body_failed) {
        failed = note_classes(effects, PyModule_GetDict(module), 1);
    }
    return failed;
}

int
mp_effects_end(mp_importer_t *importer, mp_effects_t *effects)
{
    PyObject *exc = PyErr_GetRaisedException();
    importer->effects = effects->outer;
    int collects = PyGC_Disable();
    int failed = conclude(importer, effects, exc != NULL);
    if (collects) {
        PyGC_Enable();
    }
    if (!failed && effects->changed) {
        failed = add_edges(importer, effects, exc != NULL);
    }
    mp_uses_clear(&effects->uses);
    mp_exposure_end(&effects->exposure);
    Py_CLEAR(effects->names);
    Py_CLEAR(effects->watches);
    Py_CLEAR(effects->changed);
    PyObject *own = PyErr_GetRaisedException();
    if (!effects->outer && effects->watched) {
        mp_watched_destroy(effects->watched);
    }
    if (exc) {
        Py_XDECREF(own);
        own = exc;
    }
    PyErr_SetRaisedException(own);
    return failed ? -1 : 0;
}
