/* effects.c - compares what modules own before and after a body.
 *
 * Each import that a running body makes use of brings modules into its watch:
 * the imported one, and those that its code can reach over edges. Their
 * fingerprints are shared by all bodies that run, one inside the other: each
 * is brought up to date when a body begins to watch the module or ends, so
 * that a difference is put down to the body that made it, once.
 *
 * A class with a base in another module needs no comparing: it is in that
 * base's __subclasses__(). Virtual subclasses (ABCMeta.register) are only
 * weakly remembered, and die with their generation: they are no effect. */
#include "runtime/python.h"

#include "importer/effects.h"

#include "importer/fingerprint.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <string.h>

#define MAX_REACH 64 /* modules that one import brings into watch */

struct mp_watched_t {
    struct {
        mp_instance_t *instance; /* owned */
        mp_fingerprint_t *print; /* owned; NULL: nothing to compare */
    } *rows;
    Py_ssize_t count, room;
    mp_fingerprint_t **outdated; /* owned: letting go of what they hold may run
                                    finalizers, so that waits for the end */
    Py_ssize_t outdated_count;
    PyObject *numbers; /* dict: name of a module -> int, its row */
    int is_busy;       /* other threads ran Python code meanwhile */
};

/* ---- the rows ---------------------------------------------------------- */

static mp_watched_t *
create_watched(void)
{
    mp_watched_t *watched = PyMem_Calloc(1, sizeof(*watched));
    if (!watched) {
        PyErr_NoMemory();
        return NULL;
    }
    watched->numbers = PyDict_New();
    if (!watched->numbers) {
        PyMem_Free(watched);
        return NULL;
    }
    return watched;
}

static void
destroy_watched(mp_watched_t *watched)
{
    for (Py_ssize_t i = 0; i < watched->outdated_count; i++) {
        mp_fingerprint_free(watched->outdated[i]);
    }
    for (Py_ssize_t i = 0; i < watched->count; i++) {
        mp_fingerprint_free(watched->rows[i].print);
        Py_DECREF(watched->rows[i].instance);
    }
    PyMem_Free(watched->outdated);
    Py_DECREF(watched->numbers);
    PyMem_Free(watched->rows);
    PyMem_Free(watched);
}

/* The row of a module, -1 with an exception. A new one has no fingerprint. */
static Py_ssize_t
row_of(mp_watched_t *watched, mp_instance_t *instance)
{
    PyObject *number = PyDict_GetItemWithError(watched->numbers,
                                               instance->name);
    if (number || PyErr_Occurred()) {
        return number ? PyLong_AsSsize_t(number) : -1;
    }
    if (watched->count == watched->room) {
        Py_ssize_t room = watched->room ? watched->room * 2 : 64;
        void *rows = PyMem_Realloc(watched->rows,
                                   room * sizeof(*watched->rows));
        if (!rows) {
            PyErr_NoMemory();
            return -1;
        }
        watched->rows = rows;
        watched->room = room;
    }
    number = PyLong_FromSsize_t(watched->count);
    int failed = number ? PyDict_SetItem(watched->numbers, instance->name,
                                         number) : -1;
    Py_XDECREF(number);
    if (failed) {
        return -1;
    }
    watched->rows[watched->count].instance
        = (mp_instance_t *)Py_NewRef(instance);
    watched->rows[watched->count].print = NULL;
    return watched->count++;
}

/* Put the fingerprint of a row aside. */
static int
put_aside(mp_watched_t *watched, Py_ssize_t row)
{
    if (!watched->rows[row].print) {
        return 0;
    }
    void *outdated = PyMem_Realloc(watched->outdated,
                                   (watched->outdated_count + 1)
                                       * sizeof(*watched->outdated));
    if (!outdated) {
        PyErr_NoMemory();
        return -1;
    }
    watched->outdated = outdated;
    watched->outdated[watched->outdated_count++] = watched->rows[row].print;
    watched->rows[row].print = NULL;
    return 0;
}

static int
take_print(mp_importer_t *importer, mp_watched_t *watched, Py_ssize_t row,
           mp_instance_t *instance)
{
    if (put_aside(watched, row) < 0) {
        return -1;
    }
    Py_SETREF(watched->rows[row].instance,
              (mp_instance_t *)Py_NewRef(instance));
    watched->rows[row].print = mp_fingerprint_take(importer, instance);
    return watched->rows[row].print ? 0 : -1;
}

/* ---- what counts ------------------------------------------------------- */

/* Is another thread in the middle of Python code? */
static int
others_run(void)
{
    PyThreadState *me = PyThreadState_Get();
    PyThreadState *other = PyInterpreterState_ThreadHead(
        PyInterpreterState_Get());
    for (; other; other = PyThreadState_Next(other)) {
        PyFrameObject *frame = other == me ? NULL
                                           : PyThreadState_GetFrame(other);
        if (frame) {
            Py_DECREF(frame);
            return 1;
        }
    }
    return 0;
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
    effects->watched->is_busy |= others_run();
    return is_private || !effects->watched->is_busy
           || effects->uses.sets_attributes;
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
    int failed = 0;
    if (result != MP_FINGERPRINT_SAME) {
        if (culprit && is_effect(importer, culprit, instance, result)) {
            failed = note_changed(culprit, instance->name, where);
        }
        Py_DECREF(where);
        if (!failed) {
            failed = take_print(importer, watched, row, instance);
        }
    }
    return failed;
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

/* Modules found, in the order in which they are looked at. */
typedef struct {
    mp_importer_t *importer;
    mp_effects_t *effects;
    mp_instance_t *found[MAX_REACH]; /* borrowed: of the generation */
    Py_ssize_t count;
} reach_t;

/* Begin to watch a module, if this body does not already. */
static int
watch(reach_t *reach, mp_instance_t *instance)
{
    mp_effects_t *effects = reach->effects;
    mp_watched_t *watched = effects->watched;
    if (!instance || instance == effects->instance || instance->is_executing
        || reach->count == MAX_REACH) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int known = PyDict_Contains(effects->watches, instance->name);
    Py_ssize_t row = known ? -1 : row_of(watched, instance);
    if (known || row < 0) {
        return known == 1 ? 0 : -1;
    }
    int failed = 0;
    if (watched->rows[row].print
        && watched->rows[row].instance == instance) {
        failed = check_row(reach->importer, watched, row,
                           find_watcher(effects->outer, instance->name));
    }
    else if (instance->file != Py_None) {
        failed = take_print(reach->importer, watched, row, instance);
    }
    PyObject *number = failed ? NULL : PyLong_FromSsize_t(row);
    failed = number ? PyDict_SetItem(effects->watches, instance->name, number)
                    : -1;
    Py_XDECREF(number);
    reach->found[reach->count++] = instance;
    return failed;
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
        if (is_import(edge) == imports
            && watch(reach, mp_generation_find(reach->effects->generation,
                                               name)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Breadth first over imports; then over the other edges of all of them. */
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

/* The module that a function or class is of, borrowed, or NULL. */
static mp_instance_t *
owner_of(reach_t *reach, PyObject *value)
{
    if (PyFunction_Check(value)) {
        return mp_instance_of_globals(reach->importer->state,
                                      PyFunction_GET_GLOBALS(value));
    }
    PyTypeObject *type = PyType_Check(value) ? (PyTypeObject *)value
                                             : Py_TYPE(value);
    PyObject *module = type->tp_flags & Py_TPFLAGS_HEAPTYPE && type->tp_dict
        ? PyDict_GetItemString(type->tp_dict, "__module__") : NULL;
    return module && PyUnicode_CheckExact(module)
               ? mp_generation_find(reach->effects->generation, module)
               : NULL;
}

/* from package import item: a part of it, or something that a part may have
 * made. */
static int
watch_item(reach_t *reach, mp_instance_t *imported, PyObject *item)
{
    PyObject *full = PyUnicode_FromFormat("%U.%U", imported->name, item);
    mp_instance_t *part = full
        ? mp_generation_find(reach->effects->generation, full) : NULL;
    Py_XDECREF(full);
    if (!part && !PyErr_Occurred() && PyModule_Check(imported->module)) {
        PyObject *value = PyDict_GetItemWithError(
            PyModule_GetDict(imported->module), item);
        part = value ? owner_of(reach, value) : NULL;
    }
    return watch(reach, part);
}

/* Does the body use what this import brings? */
static int
is_used(const mp_effects_t *effects, mp_instance_t *importing, PyObject *name)
{
    if (!name || importing != effects->instance || effects->uses.uses_all) {
        return 1;
    }
    return PySet_Contains(effects->uses.used, name);
}

/* The first time that the body uses an import. */
static int
begin_watching(mp_effects_t *effects)
{
    if (effects->watches) {
        return 0;
    }
    if (!effects->watched) {
        effects->watched = create_watched();
        for (mp_effects_t *outer = effects->outer; outer;
             outer = outer->outer) {
            outer->watched = effects->watched;
        }
        if (!effects->watched) {
            return -1;
        }
    }
    effects->watched->is_busy |= others_run();
    effects->watches = PyDict_New();
    return effects->watches ? 0 : -1;
}

int
mp_effects_note_import(mp_importer_t *importer, mp_instance_t *importing,
                       mp_instance_t *imported, PyObject *name,
                       PyObject *fromlist)
{
    mp_effects_t *effects = importer->effects;
    int used = effects ? is_used(effects, importing, name) : 0;
    if (used <= 0) {
        return used;
    }
    if (begin_watching(effects) < 0) {
        return -1;
    }
    reach_t reach = {.importer = importer, .effects = effects};
    int failed = 0;
    if (fromlist && PyTuple_Check(fromlist)) {
        for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(fromlist);
             i++) {
            PyObject *item = PyTuple_GET_ITEM(fromlist, i);
            failed = PyUnicode_Check(item)
                     && watch_item(&reach, imported, item) < 0;
        }
    }
    failed = failed || watch(&reach, imported) < 0
             || watch_reachable(&reach) < 0;
    return failed ? -1 : 0;
}

/* ---- classes ----------------------------------------------------------- */

/* The bases of a class that the body has made. */
static int
note_bases(mp_effects_t *effects, PyTypeObject *type)
{
    PyObject *bases = type->tp_bases;
    Py_ssize_t count = bases ? PyTuple_GET_SIZE(bases) : 0;
    reach_t reach = {.effects = effects};
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *base = PyTuple_GET_ITEM(bases, i);
        mp_instance_t *owner = owner_of(&reach, base);
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
    if (!PyType_Check(object)
        || !(((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return 0;
    }
    PyObject *module = PyDict_GetItemString(((PyTypeObject *)object)->tp_dict,
                                            "__module__");
    return module && PyUnicode_CheckExact(module)
           && PyUnicode_Compare(module, effects->instance->name) == 0;
}

/* The classes in a namespace, and those inside them. */
static int
note_classes(mp_effects_t *effects, PyObject *namespace, int depth)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(namespace, &position, &name, &value)) {
        if (!is_class_of_body(effects, value)) {
            continue;
        }
        PyTypeObject *type = (PyTypeObject *)value;
        if (note_bases(effects, type) < 0
            || (depth > 0
                && note_classes(effects, type->tp_dict, depth - 1) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* ---- edges ------------------------------------------------------------- */

/* A body that failed outside of a refresh has left traces in a module that
 * goes on: the next request has it made anew, or else the body would fail
 * again, because of them. */
static int
demand_refresh(mp_importer_t *importer, mp_instance_t *instance,
               mp_instance_t *failed)
{
    if (importer->staging) {
        return 0; /* the edge is there, and the failed file is tried again */
    }
    /* What is loaded is not what its file makes. */
    memset(instance->source.hash, 0, sizeof(instance->source.hash));
    if (PySet_Add(importer->pending, instance->name) < 0
        || PySet_Add(importer->touched, failed->file) < 0) {
        return -1;
    }
    importer->retry_at = apr_time_now();
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
                && demand_refresh(importer, other, effects->instance) < 0)) {
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
    importer->effects = effects;
    return mp_uses_find(&effects->uses, code);
}

/* What the body has changed, found out and noted. */
static int
conclude(mp_importer_t *importer, mp_effects_t *effects, int body_failed)
{
    PyObject *name, *row, *module = effects->instance->module;
    Py_ssize_t position = 0;
    int failed = 0;
    while (!failed && effects->watches
           && PyDict_Next(effects->watches, &position, &name, &row)) {
        failed = check_row(importer, effects->watched, PyLong_AsSsize_t(row),
                           effects);
    }
    if (!failed && !body_failed) {
        failed = note_classes(effects, PyModule_GetDict(module), 1);
    }
    if (!failed && effects->changed) {
        failed = add_edges(importer, effects, body_failed);
    }
    return failed;
}

int
mp_effects_end(mp_importer_t *importer, mp_effects_t *effects)
{
    PyObject *exc = PyErr_GetRaisedException();
    importer->effects = effects->outer;
    int failed = conclude(importer, effects, exc != NULL);
    mp_uses_clear(&effects->uses);
    Py_CLEAR(effects->watches);
    Py_CLEAR(effects->changed);
    PyObject *own = PyErr_GetRaisedException();
    if (!effects->outer && effects->watched) {
        destroy_watched(effects->watched);
    }
    if (exc) {
        Py_XDECREF(own);
        own = exc;
    }
    PyErr_SetRaisedException(own);
    return failed ? -1 : 0;
}
