/* portal.c - mp_portal: a module that answers from the generation in sight.
 *
 * Its own dict holds __name__ only. The portal of a directory root
 * ("_mp_1234abcd") stands for no file: its attributes are the modules of the
 * root. */
#include "runtime/python.h"

#include "importer/portal.h"

#include "importer/instance.h"
#include "importer/root.h"

/* A subtype of module: the layout of the base is opaque, so the name and the
 * importer are found again on each use, from the base's dict and the state. */
static PyObject *
portal_name(PyObject *self)
{
    PyObject *name = PyDict_GetItemString(PyModule_GetDict(self), "__name__");
    if (!name) {
        PyErr_SetString(PyExc_SystemError, "portal without a name");
    }
    return name;
}

/* The module behind the portal as the asking code sees it, borrowed; NULL
 * without an exception when there is none now. */
static PyObject *
find_target(mp_state_t *state, PyObject *name)
{
    mp_importer_t *importer = state->importer;
    mp_instance_t *instance = importer->ask(importer, name,
                                            PyEval_GetGlobals());
    return instance ? instance->module : NULL;
}

/* [directory]: for importlib, the portal of a directory root is a package. */
static PyObject *
get_path(mp_state_t *state, PyObject *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    mp_root_t *root = text ? mp_root_find(state->importer, text) : NULL;
    if (!root) {
        return PyErr_Occurred()
                   ? NULL
                   : PyObject_GenericGetAttr(self, state->names.__path__);
    }
    return Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(root->path));
}

/* A module below a directory root's portal. */
static PyObject *
get_part(mp_state_t *state, PyObject *self, PyObject *name, PyObject *attr)
{
    if (PyUnicode_Compare(attr, state->names.__path__) == 0) {
        return get_path(state, self, name);
    }
    PyObject *full = PyUnicode_FromFormat("%U.%U", name, attr);
    PyObject *part = full ? find_target(state, full) : NULL;
    Py_XDECREF(full);
    if (part) {
        return Py_NewRef(part);
    }
    return PyErr_Occurred() ? NULL : PyObject_GenericGetAttr(self, attr);
}

static PyObject *
portal_getattro(PyObject *self, PyObject *attr)
{
    mp_state_t *state = mp_state_of_type(Py_TYPE(self));
    if (PyUnicode_Compare(attr, state->names.__class__) == 0) {
        return PyObject_GenericGetAttr(self, attr);
    }
    PyObject *name = portal_name(self);
    if (!name) {
        return NULL;
    }
    PyObject *target = find_target(state, name);
    if (target) {
        Py_INCREF(target);
        PyObject *value = PyObject_GetAttr(target, attr);
        Py_DECREF(target);
        return value;
    }
    return PyErr_Occurred() ? NULL : get_part(state, self, name, attr);
}

/* What the import system writes into a module it believes it has made stays
 * out of the real one, which has its own. */
static int
is_import_bookkeeping(mp_state_t *state, PyObject *attr)
{
    return PyUnicode_Compare(attr, state->names.__spec__) == 0
           || PyUnicode_Compare(attr, state->names.__loader__) == 0;
}

static int
portal_setattro(PyObject *self, PyObject *attr, PyObject *value)
{
    mp_state_t *state = mp_state_of_type(Py_TYPE(self));
    if (is_import_bookkeeping(state, attr)) {
        return 0;
    }
    PyObject *name = portal_name(self);
    PyObject *target = name ? find_target(state, name) : NULL;
    if (target) {
        Py_INCREF(target);
        int failed = PyObject_SetAttr(target, attr, value);
        Py_DECREF(target);
        return failed;
    }
    return PyErr_Occurred() ? -1 : PyObject_GenericSetAttr(self, attr, value);
}

static PyObject *
portal_dir(PyObject *self, PyObject *unused)
{
    PyObject *dict = PyObject_GetAttrString(self, "__dict__");
    PyObject *names = dict ? PyMapping_Keys(dict) : NULL;
    Py_XDECREF(dict);
    return names;
}

static PyMethodDef portal_methods[] = {
    {"__dir__", portal_dir, METH_NOARGS, "Names of the module's contents."},
    {NULL, NULL, 0, NULL}
};

static PyObject *
portal_repr(PyObject *self)
{
    PyObject *name = portal_name(self);
    return name ? PyUnicode_FromFormat("<module %R (reloadable)>", name)
                : NULL;
}

static PyType_Slot portal_slots[] = {
    {Py_tp_doc, "A reloadable module, as sys.modules holds it."},
    {Py_tp_getattro, portal_getattro},
    {Py_tp_setattro, portal_setattro},
    {Py_tp_methods, portal_methods},
    {Py_tp_repr, portal_repr},
    {0, NULL}
};

PyType_Spec mp_portal_spec = {
    .name = "builtins.mp_portal",
    .basicsize = 0, /* that of module, and so is the collector's part */
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = portal_slots,
};

/* ---- sys.modules ------------------------------------------------------- */

static int
is_portal(mp_importer_t *importer, PyObject *object)
{
    return Py_IS_TYPE(object, importer->state->types[MP_TYPE_PORTAL]);
}

static int
put_portal(mp_importer_t *importer, PyObject *modules, PyObject *name)
{
    PyObject *present = PyDict_GetItemWithError(modules, name);
    if (present && is_portal(importer, present)) {
        return 0;
    }
    PyObject *type = (PyObject *)importer->state->types[MP_TYPE_PORTAL];
    PyObject *portal = PyErr_Occurred() ? NULL
                                        : PyObject_CallOneArg(type, name);
    if (!portal) {
        return -1;
    }
    int failed = PyDict_SetItem(modules, name, portal);
    Py_DECREF(portal);
    return failed;
}

int
mp_portal_ensure(mp_importer_t *importer, PyObject *name)
{
    PyObject *modules = PyImport_GetModuleDict();
    if (put_portal(importer, modules, name) < 0) {
        return -1;
    }
    /* import _mp_1234abcd.page asks for _mp_1234abcd as well. */
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0,
                                        PyUnicode_GET_LENGTH(name), 1);
    PyObject *top = dot > 0 ? PyUnicode_Substring(name, 0, dot) : NULL;
    if (!top) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int failed = 0;
    if (PyUnicode_Tailmatch(top, importer->state->names._mp_, 0, 4, -1) == 1) {
        failed = put_portal(importer, modules, top);
    }
    Py_DECREF(top);
    return failed;
}

void
mp_portal_remove(mp_importer_t *importer, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *present = PyDict_GetItemWithError(modules, name);
    if (present && is_portal(importer, present)
        && PyDict_DelItem(modules, name) < 0) {
        PyErr_Clear(); /* it went away meanwhile */
    }
    PyErr_SetRaisedException(exc);
}
