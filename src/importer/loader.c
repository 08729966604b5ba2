/* loader.c - gives importlib the portal instead of a second execution. */
#include "runtime/python.h"

#include "importer/loader.h"

PyDoc_STRVAR(create_module_doc,
"create_module(spec)\n--\n\nThe portal of the module, which is loaded.");

static PyObject *
loader_create_module(PyObject *self, PyObject *spec)
{
    PyObject *name = PyObject_GetAttrString(spec, "name");
    PyObject *module = name ? PyDict_GetItemWithError(PyImport_GetModuleDict(),
                                                      name) : NULL;
    Py_XINCREF(module);
    if (name && !module && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ImportError, "module %R went away", name);
    }
    Py_XDECREF(name);
    return module;
}

static PyObject *
loader_exec_module(PyObject *self, PyObject *module)
{
    Py_RETURN_NONE; /* the importer has executed it */
}

PyDoc_STRVAR(get_code_doc,
"get_code(name)\n--\n\n"
"The code of the file as it is now. No compiled file is read or written.");

static PyObject *
loader_get_code(PyObject *self, PyObject *name)
{
    PyObject *path = PyObject_CallMethod(self, "get_filename", "O", name);
    PyObject *data = path ? PyObject_CallMethod(self, "get_data", "O", path)
                          : NULL;
    PyObject *code = data ? PyObject_CallMethod(self, "source_to_code", "OO",
                                                data, path) : NULL;
    Py_XDECREF(data);
    Py_XDECREF(path);
    return code;
}

static PyMethodDef loader_methods[] = {
    {"create_module", loader_create_module, METH_O, create_module_doc},
    {"exec_module", loader_exec_module, METH_O,
     "exec_module(module)\n--\n\nDoes nothing: it is loaded already."},
    {"get_code", loader_get_code, METH_O, get_code_doc},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot loader_slots[] = {
    {Py_tp_doc, "Loader of reloadable modules."},
    {Py_tp_methods, loader_methods},
    {0, NULL}
};

static PyType_Spec loader_spec = {
    .name = "builtins.mp_loader",
    .basicsize = 0, /* that of the standard loader */
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = loader_slots,
};

int
mp_loader_prepare(mp_importer_t *importer)
{
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *base = machinery
        ? PyObject_GetAttrString(machinery, "SourceFileLoader") : NULL;
    importer->loader = base ? PyType_FromModuleAndSpec(
                                  importer->state->module, &loader_spec, base)
                            : NULL;
    Py_XDECREF(base);
    Py_XDECREF(machinery);
    return importer->loader ? 0 : -1;
}

PyObject *
mp_loader_create(mp_importer_t *importer, PyObject *name, PyObject *path)
{
    return PyObject_CallFunctionObjArgs(importer->loader, name, path, NULL);
}
