/* exposure.c - follows objects to the modules that their code can change.
 *
 * A list of objects that grows while it is worked off. Every hot module that
 * a function or class on it belongs to is exposed: its code may run, and set
 * its globals. */
#include "runtime/python.h"

#include "importer/exposure.h"

#include "importer/fingerprint.h"
#include "importer/foreign.h"

#define MAX_EXPOSED 600 /* objects; beyond that, who knows */
#define MAX_CHILDREN 40 /* of one object */
#define MAX_ALL_CHILDREN 300
#define MAX_DEPTH 2     /* of objects whose children are looked at */
#define MAX_DOTS 4      /* in module.part.part.name */
#define MAX_HOPS 8      /* from a name to where it was bound first */

/* ---- the list ---------------------------------------------------------- */

/* Numbers, texts and the like can do nothing. */
static int
is_inert(PyObject *value)
{
    return !PyObject_IS_GC(value)
           || (PyTuple_CheckExact(value) && !PyObject_GC_IsTracked(value))
           || PyCode_Check(value) || PyWeakref_Check(value);
}

static int
add(mp_exposure_t *exposure, PyObject *value, mp_instance_t *home, int depth)
{
    if (is_inert(value) || exposure->is_endless
        || (depth > 0 && exposure->children >= MAX_ALL_CHILDREN)) {
        return 0;
    }
    int is_new = mp_addresses_add(&exposure->seen, value);
    if (is_new <= 0) {
        return is_new < 0 ? (PyErr_NoMemory(), -1) : 0;
    }
    if (exposure->count == MAX_EXPOSED) {
        exposure->is_endless = 1;
        return 0;
    }
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
    exposure->pending[exposure->count++] = (mp_exposed_t){value, home, depth};
    exposure->children += depth > 0;
    return 0;
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
    mp_instance_t *stops[MAX_HOPS];
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
    while (trail.count < MAX_HOPS) {
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

/* What code with these names (a set or tuple; NULL: any) may do with a module:
 * module.name, module.part.name and so on. */
static int add_module(mp_exposure_t *exposure, mp_instance_t *instance,
                      PyObject *names, int depth);

static int
add_value(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *name,
          PyObject *value, PyObject *names, int depth)
{
    if (PyModule_Check(value)) {
        mp_instance_t *module = mp_instance_of_globals(
            exposure->importer->state, PyModule_GetDict(value));
        return module && depth < MAX_DOTS
                   ? add_module(exposure, module, names, depth + 1) : 0;
    }
    if (is_inert(value)) {
        return 0;
    }
    mp_instance_t *home = home_of(exposure, instance, name, value);
    return home ? add(exposure, value, home, 0) : -1;
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

/* The globals with one of these names (a set; NULL: all). */
static int
add_all(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *globals,
        PyObject *names, int depth)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(globals, &position, &name, &value)) {
        int wanted = is_private(name) ? PyFunction_Check(value)
                     : names ? PySet_Contains(names, name) : 1;
        if (wanted < 0
            || (wanted && add_value(exposure, instance, name, value, names,
                                    depth) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* Code that looks for names at run time. */
static int
has_wild_name(PyObject *names)
{
    static const char *const wild[] = {
        "exec", "eval", "globals", "vars", "getattr", "__dict__",
        "attrgetter", "methodcaller",
    };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        for (size_t j = 0; j < sizeof(wild) / sizeof(*wild); j++) {
            if (PyUnicode_CompareWithASCIIString(name, wild[j]) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* The globals of instance that a function of it names. */
static int
add_names(mp_exposure_t *exposure, mp_instance_t *instance,
          PyObject *globals, PyObject *names, int depth)
{
    if (has_wild_name(names)) {
        return add_all(exposure, instance, globals, NULL, depth);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject *value = PyDict_GetItemWithError(globals, name);
        if (value && add_value(exposure, instance, name, value, names, depth)
                         < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
add_module(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *names,
           int depth)
{
    if (expose(exposure, instance) < 0) {
        return -1;
    }
    if (!PyModule_Check(instance->module)) {
        return add(exposure, instance->module, instance, 0);
    }
    PyObject *globals = PyModule_GetDict(instance->module);
    if (names && PyTuple_Check(names)) {
        return add_names(exposure, instance, globals, names, depth);
    }
    return add_all(exposure, instance, globals, names, depth);
}

int
mp_exposure_add_module(mp_exposure_t *exposure, mp_instance_t *instance,
                       PyObject *names)
{
    return add_module(exposure, instance, names, 0);
}

int
mp_exposure_add_global(mp_exposure_t *exposure, mp_instance_t *instance,
                       PyObject *name)
{
    PyObject *value = PyModule_Check(instance->module)
        ? PyDict_GetItemWithError(PyModule_GetDict(instance->module), name)
        : NULL;
    if (!value) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return add_value(exposure, instance, name, value, NULL, 0);
}

/* ---- what an object leads to ------------------------------------------- */

static int
add_code(mp_exposure_t *exposure, mp_instance_t *instance, PyObject *globals,
         PyCodeObject *code)
{
    if (add_names(exposure, instance, globals, code->co_names, 0) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *constant = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(constant)
            && add_code(exposure, instance, globals,
                        (PyCodeObject *)constant) < 0) {
            return -1;
        }
    }
    return 0;
}

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
    if (PyModule_Check(child)) {
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
    if (PyModule_Check(object)
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
    for (size_t i = 0; i < exposure->count && !exposure->is_endless; i++) {
        mp_exposed_t exposed = exposure->pending[i]; /* the list may move */
        int failed;
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
