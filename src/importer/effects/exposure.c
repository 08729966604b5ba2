/* exposure.c - follows objects to the modules that their code can change.
 *
 * A list of objects that grows while it is worked off. Every hot module that
 * a function or class on it belongs to is exposed: its code may run, and set
 * its globals. */
#include "runtime/python.h"

#include "importer/effects/exposure.h"

#include "importer/effects/fingerprint.h"
#include "importer/effects/foreign.h"

#include <stdint.h>
#include <string.h>

#define MAX_EXPOSED 600 /* objects; beyond that, who knows */
#define MAX_CHILDREN 40 /* of one object */
#define MAX_ALL_CHILDREN 300
#define MAX_DEPTH 2     /* of objects whose children are looked at */
#define MAX_DOTS 4      /* in module.part.part.name */
#define MAX_STOPS 8     /* from a name to where it was bound first */
#define MAX_HOPS 5      /* from code to code that it names */

/* ---- the list ---------------------------------------------------------- */

/* Numbers, texts and the like can do nothing. */
static int
is_inert(PyObject *value)
{
    return !mp_is_gc(value)
           || (PyTuple_CheckExact(value) && !PyObject_GC_IsTracked(value))
           || PyCode_Check(value) || PyWeakref_Check(value);
}

/* Is this met for the first time, or in fewer steps than before? 1, 0, -1. */
static int
is_new(mp_exposure_t *exposure, const void *address)
{
    long *known = mp_addresses_at(&exposure->seen, address);
    if (!known) {
        PyErr_NoMemory();
        return -1;
    }
    if (*known && *known <= exposure->hops + 1) {
        return 0;
    }
    *known = exposure->hops + 1;
    return 1;
}

/* Is there room on the list, and is this close enough to be put there? */
static int
has_room(mp_exposure_t *exposure, int depth)
{
    if (exposure->is_endless || exposure->hops + (depth == 0) > MAX_HOPS
        || (depth > 0 && exposure->children >= MAX_ALL_CHILDREN)) {
        return 0;
    }
    exposure->is_endless = exposure->count == MAX_EXPOSED;
    return !exposure->is_endless;
}

static int
append(mp_exposure_t *exposure, PyObject *value, mp_instance_t *home,
       int depth)
{
    if (exposure->count == exposure->room) {
        size_t room = exposure->room ? exposure->room * 2 : 32;
        void *pending = PyMem_Realloc(exposure->pending,
                                      room * sizeof(*exposure->pending));
        if (!pending) {
            PyErr_NoMemory();
            return -1;
        }
        exposure->pending = pending;
        exposure->room = room;
    }
    exposure->pending[exposure->count++] = (mp_exposed_t){
        value, home, depth, exposure->hops + (depth == 0)};
    exposure->children += depth > 0;
    return 0;
}

static int
add(mp_exposure_t *exposure, PyObject *value, mp_instance_t *home, int depth)
{
    if (is_inert(value) || exposure->is_shallow
        || !has_room(exposure, depth)) {
        return 0;
    }
    int is = is_new(exposure, value);
    return is > 0 ? append(exposure, value, home, depth) : is;
}

static int
expose(mp_exposure_t *exposure, mp_instance_t *instance)
{
    return instance ? exposure->expose(exposure->arg, instance) : 0;
}

/* ---- names ------------------------------------------------------------- */

static mp_instance_t *
module_of_class(mp_exposure_t *exposure, PyTypeObject *type)
{
    PyObject *module = type->tp_flags & Py_TPFLAGS_HEAPTYPE && type->tp_dict
        ? PyDict_GetItemWithError(type->tp_dict, exposure->module_key) : NULL;
    return module && PyUnicode_CheckExact(module)
               ? mp_generation_find(exposure->generation, module) : NULL;
}

static mp_instance_t *
module_of_function(mp_exposure_t *exposure, PyObject *function)
{
    return mp_instance_of_globals(exposure->importer->state,
                                  PyFunction_GET_GLOBALS(function));
}

static int
expose_imported(mp_exposure_t *exposure, mp_instance_t *instance)
{
    PyObject *target, *edge;
    Py_ssize_t position = 0;
    while (PyDict_Next(instance->edges, &position, &target, &edge)) {
        /* An edge to a part of a package may be an import as well. */
        if (PyLong_AsLong(edge) != MP_EDGE_EFFECT
            && expose(exposure, mp_generation_find(exposure->generation,
                                                   target)) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* The modules on the way from a name to where it was bound first. */
typedef struct {
    mp_instance_t *stops[MAX_STOPS];
    int count;
} trail_t;

static int
was_here(const trail_t *trail, mp_instance_t *instance)
{
    for (int i = 0; i < trail->count; i++) {
        if (trail->stops[i] == instance) {
            return 1;
        }
    }
    return 0;
}

static int
is_foreign(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name)
{
    PyObject *foreign = mp_foreign_find(exposure->foreign, instance);
    return foreign ? PySet_Contains(foreign, name) : -1;
}

/* Among the modules that instance has imported, one with the same object under
 * this name, preferably its own. Borrowed, or NULL. */
static mp_instance_t *
imported_from(mp_exposure_t *exposure, mp_instance_t *instance,
              const trail_t *trail, PyObject *name, PyObject *value)
{
    PyObject *target, *edge;
    Py_ssize_t position = 0;
    mp_instance_t *found = NULL;
    while (PyDict_Next(instance->edges, &position, &target, &edge)) {
        mp_instance_t *other = mp_generation_find(exposure->generation,
                                                  target);
        if (!other || !PyModule_Check(other->module)
            || PyDict_GetItemWithError(PyModule_GetDict(other->module), name)
                   != value
            || was_here(trail, other)) {
            continue;
        }
        if (is_foreign(exposure, other, name) == 0) {
            return other;
        }
        found = other;
    }
    return found;
}

/* The module that the object behind a global of instance belongs to: instance,
 * or the one at the end of a chain of `from m import name`. All on the way
 * are exposed; where the trail is lost (`import name as other`), all that are
 * imported there. NULL with an exception. */
static mp_instance_t *
owner_of(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name,
         PyObject *value)
{
    trail_t trail = {.count = 0};
    while (trail.count < MAX_STOPS) {
        int foreign = is_foreign(exposure, instance, name);
        if (foreign < 0 || expose(exposure, instance) < 0) {
            return NULL;
        }
        if (!foreign) {
            return instance;
        }
        trail.stops[trail.count++] = instance;
        mp_instance_t *other = imported_from(exposure, instance, &trail, name,
                                             value);
        if (!other) {
            return PyErr_Occurred() || expose_imported(exposure, instance) < 0
                       ? NULL : instance;
        }
        instance = other;
    }
    return instance;
}

/* Functions and classes say themselves where they are from; but their state
 * is where they are global. */
static mp_instance_t *
home_of(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name,
        PyObject *value)
{
    if (PyFunction_Check(value)
            ? !((PyFunctionObject *)value)->func_closure
                  && module_of_function(exposure, value)
            : PyType_Check(value)
                && module_of_class(exposure, (PyTypeObject *)value)) {
        return instance;
    }
    return owner_of(exposure, instance, name, value);
}

/* The module that made it, and no more. */
static int
expose_owner(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name,
             PyObject *value)
{
    mp_instance_t *home = home_of(exposure, instance, name, value);
    if (PyFunction_Check(value)) {
        home = module_of_function(exposure, value);
    }
    else if (PyType_Check(value)) {
        home = module_of_class(exposure, (PyTypeObject *)value);
    }
    return PyErr_Occurred() ? -1 : expose(exposure, home);
}

/* A global that code names or gets at otherwise. */
static int
add_value(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name,
          PyObject *value)
{
    if (is_inert(value)) {
        return 0;
    }
    if (exposure->is_shallow) {
        return expose_owner(exposure, instance, name, value);
    }
    if (!has_room(exposure, 0)) {
        return 0;
    }
    int is = is_new(exposure, value);
    if (is <= 0) {
        return is;
    }
    mp_instance_t *home = home_of(exposure, instance, name, value);
    return home ? append(exposure, value, home, 0) : -1;
}

/* The hot module that a global stands for, or NULL. */
static mp_instance_t *
as_module(mp_exposure_t *exposure, PyObject *value)
{
    return mp_is_module(value)
               ? mp_instance_of_globals(exposure->importer->state,
                                        PyModule_GetDict(value))
               : NULL;
}

/* A name of Python's own; its functions, __getattr__(), are called without
 * being named. */
static int
is_private(PyObject *name)
{
    return PyUnicode_CheckExact(name) && PyUnicode_GET_LENGTH(name) > 2
           && PyUnicode_READ_CHAR(name, 0) == '_'
           && PyUnicode_READ_CHAR(name, 1) == '_';
}

/* All globals; of modules among them no more than what is in their globals. */
static int
add_all(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *globals)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    /* Nobody else adds instances. */
    int is = exposure->is_shallow ? 0 : is_new(exposure, instance);
    while (is > 0 && PyDict_Next(globals, &position, &name, &value)) {
        mp_instance_t *module = as_module(exposure, value);
        int failed = module ? expose(exposure, module)
                     : mp_is_module(value) || !PyUnicode_CheckExact(name)
                             || (is_private(name) && !PyFunction_Check(value))
                         ? 0 : add_value(exposure, instance, name, value);
        if (failed) {
            return -1;
        }
    }
    return is < 0 ? -1 : 0;
}

/* An address that stands for both; those of objects have 48 bits. */
static const void *
both(mp_instance_t *instance, uint64_t serial)
{
    return (const void *)(uintptr_t)((uint64_t)(uintptr_t)instance
                                     ^ serial << 48);
}

/* What code with these names (a set; NULL: any) may do with a module:
 * module.name, module.part.name and so on. serial: a number for the names. */
static int
add_module(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *names,
           uint64_t serial, int depth)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    if (expose(exposure, instance) < 0) {
        return -1;
    }
    if (!PyModule_Check(instance->module)) {
        return add(exposure, instance->module, instance, 0);
    }
    PyObject *globals = PyModule_GetDict(instance->module);
    if (!names) {
        return add_all(exposure, instance, globals);
    }
    int is = is_new(exposure, both(instance, serial));
    while (is > 0 && PyDict_Next(globals, &position, &name, &value)) {
        int wanted = !PyUnicode_CheckExact(name) ? 0
                     : is_private(name) ? PyFunction_Check(value)
                                        : PySet_Contains(names, name);
        mp_instance_t *module = wanted > 0 ? as_module(exposure, value)
                                           : NULL;
        int failed = wanted < 0 ? -1
                     : module && depth < MAX_DOTS
                         ? add_module(exposure, module, names, serial,
                                      depth + 1)
                     : wanted && !mp_is_module(value)
                         ? add_value(exposure, instance, name, value) : 0;
        if (failed) {
            return -1;
        }
    }
    return is < 0 ? -1 : 0;
}

/* Numbers for the names of the body itself. */
static uint64_t
own_serial(const mp_exposure_t *exposure)
{
    return exposure->is_shallow ? 1 : 2;
}

int
mp_exposure_add_module(mp_exposure_t *exposure, mp_instance_t *instance,
                       PyObject *names)
{
    return add_module(exposure, instance, names, own_serial(exposure), 0);
}

int
mp_exposure_add_global(mp_exposure_t *exposure, mp_instance_t *instance,
                       PyObject *name, PyObject *names)
{
    PyObject *value = PyModule_Check(instance->module)
        ? PyDict_GetItemWithError(PyModule_GetDict(instance->module), name)
        : NULL;
    mp_instance_t *module = value ? as_module(exposure, value) : NULL;
    if (module) {
        return add_module(exposure, module, names, own_serial(exposure), 0);
    }
    if (!value || mp_is_module(value)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return add_value(exposure, instance, name, value);
}

/* ---- code -------------------------------------------------------------- */

/* Names by which code finds others at run time: 1 attributes, 2 globals. */
static int
is_wild(PyObject *name)
{
    static const char *const wild[] = {
        "vars", "getattr", "__dict__", "attrgetter", "methodcaller",
        "exec", "eval", "globals",
    };
    if (!PyUnicode_IS_ASCII(name)) {
        return 0;
    }
    const char *text = (const char *)PyUnicode_DATA(name);
    for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
        if (text[0] == wild[i][0] && strcmp(text, wild[i]) == 0) {
            return i < 5 ? 1 : 2;
        }
    }
    return 0;
}

/* The modules that code names: what it names of them. */
static int
add_named_modules(mp_exposure_t *exposure, PyObject *globals,
                  PyObject *names, int by_string)
{
    PyObject *set = by_string ? NULL : PySet_New(names);
    exposure->serial++;
    int failed = !by_string && !set;
    for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *value = PyDict_GetItemWithError(globals,
                                                  PyTuple_GET_ITEM(names, i));
        mp_instance_t *module = value ? as_module(exposure, value) : NULL;
        if (module) {
            failed = add_module(exposure, module, set,
                                2 + exposure->serial, 0);
        }
    }
    Py_XDECREF(set);
    return failed ? -1 : 0;
}

/* The globals of instance that code of it names. */
static int
add_code(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *globals,
         PyCodeObject *code)
{
    PyObject *names = code->co_names;
    int wild = 0, has_modules = 0, failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject *value = PyDict_GetItemWithError(globals, name);
        if (!value) {
            wild |= is_wild(name);
        }
        else if (mp_is_module(value)) {
            has_modules |= as_module(exposure, value) != NULL;
        }
        else {
            failed = add_value(exposure, instance, name, value);
        }
    }
    if (!failed && has_modules) {
        failed = add_named_modules(exposure, globals, names, wild & 1);
    }
    if (!failed && wild & 2) {
        failed = add_all(exposure, instance, globals);
    }
    PyObject *constants = code->co_consts;
    for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(constants); i++) {
        PyObject *constant = PyTuple_GET_ITEM(constants, i);
        if (PyCode_Check(constant)) {
            failed = add_code(exposure, instance, globals,
                              (PyCodeObject *)constant);
        }
    }
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* ---- what an object leads to ------------------------------------------- */

/* What was handed to a function when it was made. */
static int
add_contents(mp_exposure_t *exposure, PyFunctionObject *function,
             const mp_exposed_t *exposed)
{
    PyObject *closure = function->func_closure;
    Py_ssize_t cells = closure ? PyTuple_GET_SIZE(closure) : 0;
    for (Py_ssize_t i = 0; i < cells; i++) {
        PyObject *content = PyCell_GET(PyTuple_GET_ITEM(closure, i));
        if (content
            && add(exposure, content, exposed->home, exposed->depth) < 0) {
            return -1;
        }
    }
    PyObject *const others[] = {function->func_defaults,
                                function->func_kwdefaults,
                                function->func_dict};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (others[i]
            && add(exposure, others[i], exposed->home, exposed->depth) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
follow_function(mp_exposure_t *exposure, const mp_exposed_t *exposed)
{
    PyObject *function = exposed->value;
    mp_instance_t *module = module_of_function(exposure, function);
    if (module && (expose(exposure, module) < 0
                   || add_code(exposure, module,
                               PyFunction_GET_GLOBALS(function),
                               (PyCodeObject *)PyFunction_GET_CODE(function))
                          < 0)) {
        return -1;
    }
    return add_contents(exposure, (PyFunctionObject *)function, exposed);
}

/* Classes of cold modules know nothing hot. */
static int
follow_class(mp_exposure_t *exposure, PyTypeObject *type)
{
    mp_instance_t *home = module_of_class(exposure, type);
    PyObject *name, *value, *mro = type->tp_mro;
    Py_ssize_t position = 0;
    if (!home) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int failed = expose(exposure, home);
    while (!failed
           && PyDict_Next(type->tp_dict, &position, &name, &value)) {
        failed = add(exposure, value, home, 0);
    }
    for (Py_ssize_t i = 1; !failed && mro && i < PyTuple_GET_SIZE(mro); i++) {
        failed = add(exposure, PyTuple_GET_ITEM(mro, i), home, 0);
    }
    return failed ? -1 : add(exposure, (PyObject *)Py_TYPE(type), home, 0);
}

typedef struct {
    mp_exposure_t *exposure;
    const mp_exposed_t *parent;
    int left;
    int failed;
} children_t;

/* A visitproc. */
static int
add_child(PyObject *child, void *arg)
{
    children_t *children = arg;
    if (mp_is_module(child)) {
        return 0;
    }
    children->failed = add(children->exposure, child, children->parent->home,
                           children->parent->depth + 1);
    return children->failed || --children->left <= 0;
}

/* An object: the methods of its class, and what it holds, if it is not too far
 * away. */
static int
follow_object(mp_exposure_t *exposure, const mp_exposed_t *exposed)
{
    children_t children = {exposure, exposed, MAX_CHILDREN, 0};
    PyObject *object = exposed->value;
    PyTypeObject *type = Py_TYPE(object);
    if (mp_is_module(object)
        || (!type->tp_call
            && mp_fingerprint_is_opaque(exposure->importer, object,
                                        exposure->module_key))) {
        return 0;
    }
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE
        && module_of_class(exposure, type)
        && add(exposure, (PyObject *)type, exposed->home, 0) < 0) {
        return -1;
    }
    if (type->tp_traverse && exposed->depth < MAX_DEPTH) {
        type->tp_traverse(object, add_child, &children);
    }
    return children.failed ? -1 : 0;
}

int
mp_exposure_follow(mp_exposure_t *exposure)
{
    exposure->is_shallow = 0;
    for (size_t i = 0; i < exposure->count && !exposure->is_endless; i++) {
        mp_exposed_t exposed = exposure->pending[i]; /* the list may move */
        int failed;
        exposure->hops = exposed.hops;
        if (PyFunction_Check(exposed.value)) {
            failed = follow_function(exposure, &exposed);
        }
        else if (PyType_Check(exposed.value)) {
            failed = follow_class(exposure, (PyTypeObject *)exposed.value);
        }
        else {
            failed = follow_object(exposure, &exposed);
        }
        if (failed) {
            return -1;
        }
    }
    exposure->count = 0;
    exposure->children = 0;
    exposure->hops = 0;
    return 0;
}

int
mp_exposure_begin(mp_exposure_t *exposure)
{
    exposure->module_key = PyUnicode_InternFromString("__module__");
    return exposure->module_key ? 0 : -1;
}

void
mp_exposure_end(mp_exposure_t *exposure)
{
    mp_addresses_clear(&exposure->seen);
    PyMem_Free(exposure->pending);
    Py_XDECREF(exposure->module_key);
}
