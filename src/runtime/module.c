/* module.c - the built-in module _apache, assembled from the exports that
 * mod_python.c hands down. Multi-phase: every interpreter gets its own types,
 * exceptions and names, in the mp_state_t inside its module object. */
#include "runtime/python.h"

#include "runtime/module.h"

#include "runtime/thread.h"

#include <string.h>

static const mp_exports_t *exports; /* set while httpd loads the module */

mp_state_t *
mp_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

mp_state_t *
mp_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* A thread that Python code started does not come through mp_thread_enter():
 * the interpreter itself remembers our module. */
static mp_state_t *
state_of_interpreter(void)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *module = dict ? PyDict_GetItemString(dict, "_apache") : NULL;
    return module ? mp_state_of_module(module) : NULL;
}

mp_state_t *
mp_state_current(void)
{
    mp_interp_t *interp = mp_thread_interp();
    return interp ? interp->state : state_of_interpreter();
}

const mp_exports_t *
mp_module_exports(void)
{
    return exports;
}

static int
add_names(mp_state_t *state)
{
#define X(name)                                                   \
    state->names.name = PyUnicode_InternFromString(#name);        \
    if (!state->names.name) {                                     \
        return -1;                                                \
    }
    MP_NAMES(X)
#undef X
    return 0;
}

/* What upper layers add to the type, or NULL. */
static const mp_type_extra_t *
find_extra(mp_type_id_t id)
{
    const mp_type_extra_t *extra = exports->extras;
    while (extra->id != MP_TYPE_COUNT && extra->id != id) {
        extra++;
    }
    return extra->id == id ? extra : NULL;
}

/* The base of a row's type; NULL: object. Borrowed. */
static PyObject *
find_base(const mp_state_t *state, const mp_type_row_t *row)
{
    const mp_type_extra_t *extra = find_extra(row->id);
    return extra && extra->parent >= 0
               ? (PyObject *)state->types[extra->parent]
               : (PyObject *)row->base;
}

static int
add_methods(PyTypeObject *type, PyMethodDef *methods)
{
    int failed = 0;
    for (; methods && methods->ml_name && !failed; methods++) {
        PyObject *method = PyDescr_NewMethod(type, methods);
        failed = method ? PyObject_SetAttrString((PyObject *)type,
                                                 methods->ml_name, method)
                        : -1;
        Py_XDECREF(method);
    }
    return failed;
}

/* A heap type that shows as <class 'mp_request'> on every version: made with
 * the module name "builtins", which repr leaves out, then renamed, because
 * before 3.12 repr shows tp_name, and only then made immutable. */
static int
add_type(mp_state_t *state, const mp_type_row_t *row)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(
        state->module, row->spec, find_base(state, row));
    if (!type) {
        return -1;
    }
    state->types[row->id] = type;
    const char *dot = strrchr(row->spec->name, '.');
    PyObject *name = PyUnicode_FromString(dot ? dot + 1 : row->spec->name);
    if (!name) {
        return -1;
    }
    int failed = PyObject_SetAttr((PyObject *)type, state->names.__name__,
                                  name);
    Py_DECREF(name);
    for (const mp_type_extra_t *extra = find_extra(row->id);
         extra && !failed && extra->id == row->id; extra++) {
        failed = add_methods(type, extra->methods);
    }
    if (failed) {
        return -1;
    }
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
    if (row->public_name) {
        return PyModule_AddObjectRef(state->module, row->public_name,
                                     (PyObject *)type);
    }
    return 0;
}

static int
add_exception(mp_state_t *state, PyObject **slot, const char *name,
              const char *doc, PyObject *base)
{
    *slot = PyErr_NewExceptionWithDoc(name, doc, base, NULL);
    if (!*slot) {
        return -1;
    }
    return PyModule_AddObjectRef(state->module, strrchr(name, '.') + 1, *slot);
}

static int
exec_module(PyObject *module)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    state->module = module;
    if (!dict || PyDict_SetItemString(dict, "_apache", module) < 0) {
        return -1;
    }
    if (add_names(state) < 0
        || add_exception(state, &state->server_return, "_apache.SERVER_RETURN",
                         "SERVER_RETURN(result[, status]): end the handler "
                         "with this result, from any depth.",
                         PyExc_Exception) < 0
        || add_exception(state, &state->expired_error, "_apache.ExpiredError",
                         "The httpd structure behind this object is gone.",
                         PyExc_RuntimeError) < 0) {
        return -1;
    }
    state->cleanups = PyList_New(0);
    if (!state->cleanups) {
        return -1;
    }
    for (const mp_type_row_t *row = exports->types; row->spec; row++) {
        if (add_type(state, row) < 0) {
            return -1;
        }
    }
    for (PyMethodDef *const *methods = exports->functions; *methods;
         methods++) {
        if (PyModule_AddFunctions(module, *methods) < 0) {
            return -1;
        }
    }
    for (int (*const *add)(mp_state_t *) = exports->add; *add; add++) {
        if ((*add)(state) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
traverse_module(PyObject *module, visitproc visit, void *arg)
{
    mp_state_t *state = mp_state_of_module(module);
    for (int i = 0; i < MP_TYPE_COUNT; i++) {
        Py_VISIT(state->types[i]);
    }
    Py_VISIT(state->server_return);
    Py_VISIT(state->expired_error);
    Py_VISIT(state->web);
    Py_VISIT(state->cleanups);
    Py_VISIT(state->streams[0]);
    Py_VISIT(state->streams[1]);
    Py_VISIT(state->original_path);
    Py_VISIT(state->paths);
    Py_VISIT(state->include_code);
    Py_VISIT(state->expressions);
    return state->importer && exports->traverse
               ? exports->traverse(state, visit, arg)
               : 0;
}

static int
clear_module(PyObject *module)
{
    mp_state_t *state = mp_state_of_module(module);
    for (int i = 0; i < MP_TYPE_COUNT; i++) {
        Py_CLEAR(state->types[i]);
    }
    Py_CLEAR(state->server_return);
    Py_CLEAR(state->expired_error);
    Py_CLEAR(state->web);
    Py_CLEAR(state->cleanups);
    Py_CLEAR(state->streams[0]);
    Py_CLEAR(state->streams[1]);
    Py_CLEAR(state->original_path);
    Py_CLEAR(state->paths);
    Py_CLEAR(state->include_code);
    Py_CLEAR(state->expressions);
#define X(name) Py_CLEAR(state->names.name);
    MP_NAMES(X)
#undef X
    return 0;
}

static void
free_module(void *module)
{
    clear_module(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, exec_module},
    MP_MODULE_SLOTS
    {0, NULL}
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_apache",
    .m_doc = "httpd as mod_python shows it; use it through mod_python.apache.",
    .m_size = sizeof(mp_state_t),
    .m_slots = module_slots,
    .m_traverse = traverse_module,
    .m_clear = clear_module,
    .m_free = free_module,
};

static PyObject *
init_module(void)
{
    return PyModuleDef_Init(&module_def);
}

void
mp_module_set_exports(const mp_exports_t *given)
{
    exports = given;
}

int
mp_module_append(void)
{
    for (const mp_builtin_t *builtin = exports->builtins; builtin->name;
         builtin++) {
        if (PyImport_AppendInittab(builtin->name, builtin->init) < 0) {
            return -1;
        }
    }
    return PyImport_AppendInittab("_apache", init_module);
}
