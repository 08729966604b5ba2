/* loader.c - gives importlib the portal of a module that the importer loads,
 * and never executes anything itself. */
#include "runtime/python.h"

#include "importer/loader.h"

PyDoc_STRVAR(create_module_doc,
"create_module(spec)\n--\n\nThe portal of the module, loaded if it was not.");

static PyObject *
loader_create_module(PyObject *self, PyObject *spec)
{
    mp_importer_t *importer = mp_state_of_type(Py_TYPE(self))->importer;
    PyObject *name = PyObject_GetAttrString(spec, "name");
    PyObject *module = NULL;
    if (name && importer->load(importer, name) == 0) {
        module = Py_XNewRef(PyDict_GetItemWithError(PyImport_GetModuleDict(),
                                                    name));
    }
    if (!module && !PyErr_Occurred()) {
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

/* ---- specs ------------------------------------------------------------- */

/* Call module.function(*args, **keywords); takes over args and keywords, which
 * may be NULL after an exception. */
static PyObject *
call_in(const char *module, const char *function, PyObject *args,
        PyObject *keywords)
{
    PyObject *result = NULL;
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *callable = imported
        ? PyObject_GetAttrString(imported, function) : NULL;
    if (callable && args && keywords) {
        result = PyObject_Call(callable, args, keywords);
    }
    Py_XDECREF(callable);
    Py_XDECREF(imported);
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    return result;
}

PyObject *
mp_loader_spec(mp_importer_t *importer, PyObject *name, PyObject *file,
               PyObject *dirs)
{
    PyObject *spec = NULL;
    int is_namespace = !file || file == Py_None;
    PyObject *path = is_namespace ? PyList_GetItem(dirs, 0) : file;
    PyObject *loader = path ? PyObject_CallFunctionObjArgs(
                                  importer->loader, name, path, NULL)
                            : NULL;
    if (loader && !is_namespace) {
        spec = call_in("importlib.util", "spec_from_file_location",
                       Py_BuildValue("(OO)", name, file),
                       Py_BuildValue("{sOsO}", "loader", loader,
                                     "submodule_search_locations",
                                     dirs ? dirs : Py_None));
    }
    else if (loader) {
        spec = call_in("importlib.machinery", "ModuleSpec",
                       Py_BuildValue("(OO)", name, loader),
                       Py_BuildValue("{sO}", "is_package", Py_True));
        if (spec && PyObject_SetAttrString(
                        spec, "submodule_search_locations", dirs) < 0) {
            Py_CLEAR(spec);
        }
    }
    Py_XDECREF(loader);
    return spec;
}
