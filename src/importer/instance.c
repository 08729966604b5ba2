/* instance.c - mp_instance: one executed version of a module. */
#include "runtime/python.h"

#include "importer/instance.h"

#include "importer/loader.h"
#include "importer/root.h"

const char *const mp_edge_names[MP_EDGE_COUNT] = {
    [MP_EDGE_IMPORT] = "import",
    [MP_EDGE_LATE] = "late import",
    [MP_EDGE_PACKAGE] = "package",
    [MP_EDGE_EFFECT] = "effect",
};

/* ---- making one -------------------------------------------------------- */

/* What Python's import machinery and our hook expect in a module. */
static int
fill_module(mp_importer_t *importer, mp_instance_t *instance, PyObject *dirs)
{
    PyObject *globals = PyModule_GetDict(instance->module);
    PyObject *builtins = mp_root_builtins(importer, instance->root);
    PyObject *spec = builtins
        ? mp_loader_spec(importer, instance->name, instance->file, dirs)
        : NULL;
    PyObject *loader = spec ? PyObject_GetAttrString(spec, "loader") : NULL;
    PyObject *own_path = loader ? PyList_New(0) : NULL;
    if (!own_path) {
        Py_XDECREF(loader);
        Py_XDECREF(spec);
        return -1;
    }
    PyObject *package = instance->is_package ? instance->name
                        : instance->parent == Py_None
                            ? Py_None : instance->parent;
    PyObject *no_package = PyUnicode_FromString("");
#define NAME(name) importer->state->names.name
    const struct {
        PyObject *name, *value;
    } rows[] = {
        {NAME(__builtins__), builtins},
        {NAME(__spec__), spec},
        {NAME(__loader__), loader},
        {NAME(__package__), package == Py_None ? no_package : package},
        {NAME(__file__), instance->file == Py_None ? NULL : instance->file},
        {NAME(__path__), dirs},
        {NAME(__mp_path__), own_path},
        {NAME(__mp_info__), (PyObject *)instance},
    };
#undef NAME
    int failed = no_package ? 0 : -1;
    for (size_t i = 0; !failed && i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].value) {
            failed = PyDict_SetItem(globals, rows[i].name, rows[i].value);
        }
    }
    Py_XDECREF(no_package);
    Py_DECREF(own_path);
    Py_DECREF(loader);
    Py_DECREF(spec);
    return failed;
}

/* "a.b" of "a.b.c", or None. */
static PyObject *
parent_name(PyObject *name)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
    return dot > 0 ? PyUnicode_Substring(name, 0, dot) : Py_NewRef(Py_None);
}

mp_instance_t *
mp_instance_create(mp_importer_t *importer, mp_root_t *root, PyObject *name,
                   PyObject *file, PyObject *dirs, PyObject *search)
{
    PyTypeObject *type = importer->state->types[MP_TYPE_INSTANCE];
    mp_instance_t *instance = (mp_instance_t *)type->tp_alloc(type, 0);
    if (!instance) {
        return NULL;
    }
    instance->root = root;
    instance->name = Py_NewRef(name);
    instance->file = Py_NewRef(file ? file : Py_None);
    instance->edges = PyDict_New();
    instance->probes = PySet_New(NULL);
    instance->bindings = PyDict_New();
    instance->absent = PySet_New(NULL);
    instance->search = Py_NewRef(search);
    instance->parent = parent_name(name);
    instance->module = PyModule_NewObject(name);
    instance->serial = ++importer->serial;
    instance->is_package = dirs != NULL;
    if (!instance->edges || !instance->probes || !instance->bindings
        || !instance->absent || !instance->parent || !instance->module
        || fill_module(importer, instance, dirs) < 0) {
        Py_DECREF(instance);
        return NULL;
    }
    return instance;
}

mp_instance_t *
mp_instance_of_globals(mp_state_t *state, PyObject *globals)
{
    if (!globals || !PyDict_Check(globals)) {
        return NULL;
    }
    PyObject *info = PyDict_GetItemWithError(globals,
                                             state->names.__mp_info__);
    if (!info) {
        PyErr_Clear(); /* an unhashable key cannot be: it is a str */
        return NULL;
    }
    return Py_IS_TYPE(info, state->types[MP_TYPE_INSTANCE])
               ? (mp_instance_t *)info : NULL;
}

int
mp_instance_add_edge(mp_instance_t *instance, PyObject *target,
                     mp_edge_t edge)
{
    PyObject *known = PyDict_GetItemWithError(instance->edges, target);
    if (known) {
        long kind = PyLong_AsLong(known);
        int is_weak = kind == MP_EDGE_LATE
                      || (kind == MP_EDGE_PACKAGE && edge == MP_EDGE_IMPORT);
        if (!is_weak) {
            return 0;
        }
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *value = PyLong_FromLong(edge);
    if (!value) {
        return -1;
    }
    int failed = PyDict_SetItem(instance->edges, target, value);
    Py_DECREF(value);
    return failed;
}

/* ---- the Python type --------------------------------------------------- */

static int
instance_traverse(PyObject *self, visitproc visit, void *arg)
{
    mp_instance_t *instance = (mp_instance_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(instance->name);
    Py_VISIT(instance->file);
    Py_VISIT(instance->module);
    Py_VISIT(instance->generation);
    Py_VISIT(instance->edges);
    Py_VISIT(instance->probes);
    Py_VISIT(instance->bindings);
    Py_VISIT(instance->absent);
    Py_VISIT(instance->missed);
    Py_VISIT(instance->search);
    Py_VISIT(instance->own_path);
    Py_VISIT(instance->parent);
    Py_VISIT(instance->links);
    Py_VISIT(instance->text);
    Py_VISIT(instance->code);
    Py_VISIT(instance->data);
    Py_VISIT(instance->imported);
    Py_VISIT(instance->kept);
    Py_VISIT(instance->handed);
    Py_VISIT(instance->successor);
    Py_VISIT(instance->reason);
    return 0;
}

static int
instance_clear(PyObject *self)
{
    mp_instance_t *instance = (mp_instance_t *)self;
    Py_CLEAR(instance->module);
    Py_CLEAR(instance->generation);
    Py_CLEAR(instance->edges);
    Py_CLEAR(instance->probes);
    Py_CLEAR(instance->bindings);
    Py_CLEAR(instance->absent);
    Py_CLEAR(instance->missed);
    Py_CLEAR(instance->search);
    Py_CLEAR(instance->code);
    Py_CLEAR(instance->data);
    Py_CLEAR(instance->imported);
    Py_CLEAR(instance->kept);
    Py_CLEAR(instance->handed);
    Py_CLEAR(instance->successor);
    return 0;
}

static void
instance_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mp_instance_t *instance = (mp_instance_t *)self;
    PyObject_GC_UnTrack(self);
    if (instance->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    instance_clear(self);
    Py_CLEAR(instance->name);
    Py_CLEAR(instance->file);
    Py_CLEAR(instance->own_path);
    Py_CLEAR(instance->parent);
    Py_CLEAR(instance->links);
    Py_CLEAR(instance->text);
    Py_CLEAR(instance->reason);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
get_children(PyObject *self, void *unused)
{
    mp_instance_t *instance = (mp_instance_t *)self;
    return instance->edges ? PySequence_Tuple(instance->edges)
                           : PyTuple_New(0);
}

static PyObject *
get_cache(PyObject *self, void *unused)
{
    return Py_NewRef(self);
}

static PyObject *
instance_repr(PyObject *self)
{
    mp_instance_t *instance = (mp_instance_t *)self;
    return PyUnicode_FromFormat("<mp_instance %ld of %R from %R>",
                                instance->loads, instance->name,
                                instance->file);
}

static PyMemberDef instance_members[] = {
    {"label", T_OBJECT, offsetof(mp_instance_t, name), READONLY,
     "The module's name, unique in this interpreter (str)."},
    {"file", T_OBJECT, offsetof(mp_instance_t, file), READONLY,
     "The module's file (str), None for a namespace package."},
    {"instance", T_LONG, offsetof(mp_instance_t, loads), READONLY,
     "How often this module has been executed in this process (int)."},
    {"source", T_OBJECT, offsetof(mp_instance_t, text), READONLY,
     "The text that was executed (bytes); None for a namespace package."},
    {"successor", T_OBJECT, offsetof(mp_instance_t, successor), READONLY,
     "For __mp_purge__: the module that goes on in its place; None when none\n"
     "does, as for all when the process ends."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(mp_instance_t, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyGetSetDef instance_attributes[] = {
    {"children", get_children, NULL,
     "Names of the reloadable modules it depends on (tuple of str).", NULL},
    {"cache", get_cache, NULL, "The same object, as 3.3 had it.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyType_Slot instance_slots[] = {
    {Py_tp_doc, "One executed version of a reloadable module."},
    {Py_tp_traverse, instance_traverse},
    {Py_tp_clear, instance_clear},
    {Py_tp_dealloc, instance_dealloc},
    {Py_tp_repr, instance_repr},
    {Py_tp_members, instance_members},
    {Py_tp_getset, instance_attributes},
    {0, NULL}
};

PyType_Spec mp_instance_spec = {
    .name = "builtins.mp_instance",
    .basicsize = sizeof(mp_instance_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = instance_slots,
};
