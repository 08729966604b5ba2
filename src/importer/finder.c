/* finder.c - mp_finder: tells importlib where a hot module is; the loader of
 * its spec has the importer load it, and hands out the portal.
 *
 * There are two on sys.meta_path: the last finds what nobody else found; the
 * first takes the parts of hot packages, which Python's own path finder would
 * otherwise load as cold modules, by the package's __path__. */
#include "runtime/python.h"

#include "importer/finder.h"

#include "importer/instance.h"
#include "importer/loader.h"
#include "importer/root.h"
#include "importer/search.h"

#include <string.h>

typedef struct {
    PyObject_HEAD
    mp_importer_t *importer;
    int is_first;
} finder_t;

/* The directory of the root "_mp_1234abcd", as a list; NULL without an
 * exception when the name is none of a root. */
static PyObject *
directory_of_root(mp_importer_t *importer, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    mp_root_t *root = text && !strchr(text, '.')
        ? mp_root_find(importer, text) : NULL;
    return root ? Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(root->path))
                : NULL;
}

/* The loaded package of this name in the generation in sight, borrowed; NULL
 * without an exception when it is not hot. */
static mp_instance_t *
find_package(mp_importer_t *importer, PyObject *name)
{
    return importer->ask(importer, name, NULL);
}

/* Where the hot module of this name is. 1 there is one, 0, -1. */
static int
locate(mp_importer_t *importer, PyObject *name, mp_location_t *location)
{
    int found = 0;
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
    PyObject *parent = dot > 0 ? PyUnicode_Substring(name, 0, dot) : NULL;
    PyObject *stem = PyUnicode_Substring(name, dot + 1, length);
    PyObject *dirs = parent ? directory_of_root(importer, parent)
                            : mp_search_applications(importer);
    if (PyErr_Occurred()) {
        found = -1;
    }
    else if (dirs) {
        found = mp_search_dirs(importer, stem, dirs, 1, NULL, location);
    }
    else {
        mp_instance_t *package = find_package(importer, parent);
        found = package ? mp_search_package(importer, package, stem, NULL,
                                            location)
                        : (PyErr_Occurred() ? -1 : 0);
    }
    if (found > 0 && PyUnicode_Compare(location->name, name) != 0) {
        mp_location_clear(location);
        found = 0;
    }
    Py_XDECREF(dirs);
    Py_XDECREF(stem);
    Py_XDECREF(parent);
    return found;
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
    mp_location_t location = {0};
    PyObject *spec = NULL;
    int found = 1;
    if (((finder_t *)self)->is_first) {
        found = is_hot_part(importer, name);
    }
    if (found > 0) {
        found = locate(importer, name, &location);
    }
    if (found > 0) {
        spec = mp_loader_spec(importer, name, location.file, location.dirs);
    }
    mp_location_clear(&location);
    return found == 0 ? Py_NewRef(Py_None) : spec;
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
