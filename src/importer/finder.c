/* finder.c - mp_finder: the importer loads the module, and importlib is given
 * its spec, whose loader hands out the portal.
 *
 * There are two on sys.meta_path: the last finds what nobody else found; the
 * first takes the parts of hot packages, which Python's own path finder would
 * otherwise load as cold modules, by the package's __path__. */
#include "runtime/python.h"

#include "importer/finder.h"

#include "importer/generation.h"
#include "importer/import_hook.h"
#include "importer/root.h"
#include "importer/search.h"
#include "runtime/thread.h"

typedef struct {
    PyObject_HEAD
    mp_importer_t *importer;
    int is_first;
} finder_t;

/* "_mp_1234abcd.shop.page": the part below a known root, and its directory. */
static PyObject *
below_directory_root(mp_importer_t *importer, PyObject *name,
                     PyObject **dirs)
{
    const char *text = PyUnicode_AsUTF8(name);
    mp_root_t *root = text ? mp_root_find(importer, text) : NULL;
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, 1);
    if (!root || dot < 0) {
        return NULL;
    }
    PyObject *path = PyUnicode_DecodeFSDefault(root->path);
    *dirs = path ? PyList_New(0) : NULL;
    if (*dirs && PyList_Append(*dirs, path) < 0) {
        Py_CLEAR(*dirs);
    }
    Py_XDECREF(path);
    return *dirs ? PyUnicode_Substring(name, dot + 1, length) : NULL;
}

/* Is the exception in flight: no module of this very name? Clears it. */
static int
is_just_missing(PyObject *name)
{
    if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *missing = PyObject_GetAttrString(exc, "name");
    int same = missing && PyUnicode_Check(missing)
               && PyUnicode_Compare(missing, name) == 0;
    PyErr_Clear(); /* the one that matters is restored below */
    if (same) {
        Py_DECREF(exc);
    }
    else {
        PyErr_SetRaisedException(exc);
    }
    Py_XDECREF(missing);
    return same;
}

/* Load the hot module of this name. 1 there is one, 0, -1. */
static int
load_by_name(mp_importer_t *importer, PyObject *name)
{
    int result = -1;
    PyObject *dirs = NULL;
    PyObject *rest = below_directory_root(importer, name, &dirs);
    if (PyErr_Occurred()) {
        goto done;
    }
    if (!rest) {
        rest = Py_NewRef(name);
        dirs = mp_search_applications(importer);
        if (!dirs || PyList_GET_SIZE(dirs) == 0) {
            result = dirs ? 0 : -1;
            goto done;
        }
    }
    mp_import_request_t request = {
        .importer = importer,
        .generation = mp_generation_here(importer, NULL),
        .dirs = dirs,
        .search = PyTuple_New(0),
        .is_entry = 1, /* cold code keeps it: it is always wanted */
    };
    PyObject *generation = Py_NewRef(request.generation);
    if (request.search) {
        mp_instance_t *leaf = mp_import_dotted(&request, rest, NULL);
        result = leaf ? PyUnicode_Compare(leaf->name, name) == 0
                      : (PyErr_Occurred() && !is_just_missing(name) ? -1 : 0);
        Py_DECREF(request.search);
    }
    Py_DECREF(generation);
done:
    Py_XDECREF(rest);
    Py_XDECREF(dirs);
    return result;
}

/* Is this the name of a part of a hot package? 1, 0, -1. */
static int
is_hot_part(mp_importer_t *importer, PyObject *name)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
    if (dot <= 0) {
        return 0;
    }
    PyObject *parent = PyUnicode_Substring(name, 0, dot);
    PyObject *module = parent
        ? PyDict_GetItemWithError(PyImport_GetModuleDict(), parent) : NULL;
    Py_XDECREF(parent);
    if (!module) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return Py_IS_TYPE(module, importer->state->types[MP_TYPE_PORTAL]);
}

PyDoc_STRVAR(find_spec_doc,
"find_spec(name, path=None, target=None)\n--\n\n"
"A spec for a reloadable module of an application root, else None.");

static PyObject *
finder_find_spec(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "path", "target", NULL};
    mp_importer_t *importer = ((finder_t *)self)->importer;
    PyObject *name, *path = NULL, *target = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|OO:find_spec", names,
                                     &name, &path, &target)) {
        return NULL;
    }
    int found = 1;
    if (((finder_t *)self)->is_first) {
        found = is_hot_part(importer, name);
    }
    if (found > 0) {
        found = load_by_name(importer, name);
    }
    if (found <= 0) {
        if (found < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    PyObject *portal = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
    if (!portal) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    Py_INCREF(portal);
    PyObject *spec = PyObject_GetAttr(portal,
                                      importer->state->names.__spec__);
    Py_DECREF(portal);
    return spec;
}

static PyMethodDef finder_methods[] = {
    {"find_spec", (PyCFunction)(void (*)(void))finder_find_spec,
     METH_VARARGS | METH_KEYWORDS, find_spec_doc},
    {NULL, NULL, 0, NULL}
};

static void
finder_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot finder_slots[] = {
    {Py_tp_doc, "Finds reloadable modules for code that is not reloadable."},
    {Py_tp_dealloc, finder_dealloc},
    {Py_tp_methods, finder_methods},
    {0, NULL}
};

PyType_Spec mp_finder_spec = {
    .name = "builtins.mp_finder",
    .basicsize = sizeof(finder_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = finder_slots,
};

static int
insert_finder(mp_importer_t *importer, PyObject *path, Py_ssize_t place,
              int is_first)
{
    PyTypeObject *type = importer->state->types[MP_TYPE_FINDER];
    finder_t *finder = (finder_t *)type->tp_alloc(type, 0);
    if (!finder) {
        return -1;
    }
    finder->importer = importer;
    finder->is_first = is_first;
    int failed = PyList_Insert(path, place, (PyObject *)finder);
    Py_DECREF(finder);
    return failed;
}

int
mp_finder_install(mp_importer_t *importer)
{
    PyObject *path = PySys_GetObject("meta_path");
    if (!path || !PyList_Check(path)) {
        PyErr_SetString(PyExc_RuntimeError, "sys.meta_path is not a list");
        return -1;
    }
    if (insert_finder(importer, path, PyList_GET_SIZE(path), 0) < 0) {
        return -1;
    }
    return insert_finder(importer, path, 0, 1);
}
