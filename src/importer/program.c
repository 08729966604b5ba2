/* program.c - the importer's functions for Python programs. */
#include "runtime/python.h"

#include "importer/api.h"

#include "importer/generation.h"
#include "importer/handover.h"
#include "importer/importer.h"
#include "importer/lock.h"
#include "importer/refresh.h"
#include "importer/scope.h"
#include "importer/source.h"
#include "runtime/thread.h"
#include "server/config.h"

#include <stdlib.h>

/* The scope of a call from Python code. 0 or -1. */
static int
fill_caller_scope(mp_scope_t *scope, PyObject *path)
{
    mp_state_t *state = mp_state_current();
    PyObject *globals = PyEval_GetGlobals();
    request_rec *r = (request_rec *)mp_thread_place().r;
    mp_request_t *request = r ? mp_context_find(r) : NULL;
    const mp_handler_t *running = NULL;
    if (request && request->running
        && request->running_index < request->running->nelts) {
        running = APR_ARRAY_IDX(request->running, request->running_index,
                                const mp_handler_t *);
    }
    scope->importer = state->importer;
    scope->importing = mp_instance_of_globals(state, globals);
    scope->generation = mp_generation_here(state->importer, globals);
    scope->directory = Py_NewRef(Py_None);
    if (scope->importing && scope->importing->file != Py_None) {
        PyObject *file = scope->importing->file;
        Py_ssize_t slash = PyUnicode_FindChar(
            file, '/', 0, PyUnicode_GET_LENGTH(file), -1);
        Py_SETREF(scope->directory, PyUnicode_Substring(file, 0, slash));
    }
    if (!running && scope->importing
        && PyTuple_GET_SIZE(scope->importing->search) > 0) {
        /* A body that runs again in a refresh, before any handler does. */
        scope->handler_root = Py_NewRef(
            PyTuple_GET_ITEM(scope->importing->search, 0));
    }
    else {
        scope->handler_root = mp_scope_handler_root(running, r);
    }
    scope->path = path && path != Py_None ? PySequence_List(path)
                                          : PyList_New(0);
    if (!scope->directory || !scope->handler_root || !scope->path) {
        return -1;
    }
    return mp_scope_expand_home(scope->path, scope->handler_root);
}

/* Is there a reason to look for changes first? Not within a request: that sees
 * one generation, whatever anybody says. */
static int
is_look_wanted(mp_importer_t *importer, PyObject *autoreload)
{
    if (mp_thread_pin() || mp_lock_is_mine(importer)) {
        return 0;
    }
    if (autoreload && autoreload != Py_None) {
        return PyObject_IsTrue(autoreload);
    }
    const server_rec *server = importer->state->interp->server;
    return mp_config_autoreload(mp_config_of_server_defaults(server))
           == MP_RELOAD_ON;
}

/* The module that a call names, seen from its scope; from the newest
 * generation, if it asked for that. New reference. */
static PyObject *
import_for_caller(mp_importer_t *importer, PyObject *name, int wants_newest,
                  PyObject *path)
{
    mp_scope_t scope = {0};
    PyObject *result = NULL;
    char *text = mp_source_path(name);
    if (text && fill_caller_scope(&scope, path) == 0) {
        if (wants_newest) {
            scope.generation = (mp_generation_t *)importer->current;
        }
        Py_INCREF(scope.generation);
        result = mp_scope_import(&scope, text,
                                 (request_rec *)mp_thread_place().r);
        Py_DECREF(scope.generation);
    }
    mp_scope_clear(&scope);
    free(text);
    return result;
}

/* The same; meanwhile imports are logged for everybody to see, or not. */
static PyObject *
import_with_log(mp_importer_t *importer, PyObject *name, int wants_newest,
                PyObject *log, PyObject *path)
{
    int wanted = PyObject_IsTrue(log);
    if (wanted < 0 || mp_lock_take(importer) < 0) {
        return NULL;
    }
    int before = importer->log_level;
    importer->log_level = wanted ? APLOG_NOTICE : -1;
    PyObject *module = import_for_caller(importer, name, wants_newest, path);
    importer->log_level = before;
    mp_lock_leave(importer);
    return module;
}

PyDoc_STRVAR(import_module_doc,
"import_module(module_name, autoreload=None, log=None, path=None)\n--\n\n"
"Import a module by name ('a', 'a.b', 'dir/a') or by the path of its file\n"
"('/x/a.py'; './a.py' relative to the caller; '~/a.py' relative to the\n"
"handler root) and return it. path: directories (list of str) searched\n"
"first. autoreload: True: look for changes before, and take the newest;\n"
"False: do not look; None: look if the main server has PythonAutoReload On.\n"
"Within a request, where every import sees the same versions, nobody looks.\n"
"log: tell of the imports that this call makes at level notice (True) or not\n"
"at all (False); None: at level info. Raises ImportError, or what the\n"
"module's body raises.");

static PyObject *
function_import_module(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"module_name", "autoreload", "log", "path", NULL};
    PyObject *name, *autoreload = NULL, *log = NULL, *path = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|OOO:import_module",
                                     names, &name, &autoreload, &log, &path)) {
        return NULL;
    }
    mp_importer_t *importer = mp_state_current()->importer;
    int look = is_look_wanted(importer, autoreload);
    if (look < 0) {
        return NULL;
    }
    if (look && mp_refresh_is_due(importer)) {
        mp_refresh_run(importer, NULL, NULL);
    }
    int wants_newest = look && autoreload && autoreload != Py_None;
    return log && log != Py_None
               ? import_with_log(importer, name, wants_newest, log, path)
               : import_for_caller(importer, name, wants_newest, path);
}

PyDoc_STRVAR(keep_doc,
"keep(name, factory)\n--\n\n"
"The object that the calling module keeps under this name (str): made by\n"
"factory() when there is none yet, and the same one in every later version\n"
"of the module. Locks, pools and caches that are to outlive a reload belong\n"
"here; objects of reloadable classes do not. RuntimeError if the caller is\n"
"not a reloadable module; what factory raises.");

static PyObject *
function_keep(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "factory", NULL};
    mp_state_t *state = mp_state_current();
    PyObject *name, *factory;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "UO:keep", names, &name,
                                     &factory)) {
        return NULL;
    }
    mp_instance_t *caller = mp_instance_of_globals(state,
                                                   PyEval_GetGlobals());
    if (!caller) {
        PyErr_SetString(PyExc_RuntimeError, "keep() is for reloadable "
                        "modules; the caller is none");
        return NULL;
    }
    return mp_handover_keep(state->importer, caller, name, factory);
}

PyDoc_STRVAR(freeze_modules_doc,
"freeze_modules()\n--\n\n"
"No more reloading in this interpreter for the life of this process. There\n"
"is no way back.");

static PyObject *
function_freeze_modules(PyObject *module, PyObject *unused)
{
    mp_state_current()->importer->is_frozen = 1;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_handler_root_doc,
"get_handler_root()\n--\n\n"
"The directory of the handler directive in force (str); the document root\n"
"for handlers of a Location or of the server; None outside a request.");

static PyObject *
function_get_handler_root(PyObject *module, PyObject *unused)
{
    mp_scope_t scope = {0};
    PyObject *root = NULL;
    if (fill_caller_scope(&scope, NULL) == 0) {
        root = Py_NewRef(scope.handler_root);
    }
    mp_scope_clear(&scope);
    return root;
}

PyMethodDef mp_importer_functions[] = {
    {"import_module", (PyCFunction)(void (*)(void))function_import_module,
     METH_VARARGS | METH_KEYWORDS, import_module_doc},
    {"keep", (PyCFunction)(void (*)(void))function_keep,
     METH_VARARGS | METH_KEYWORDS, keep_doc},
    {"freeze_modules", function_freeze_modules, METH_NOARGS,
     freeze_modules_doc},
    {"get_handler_root", function_get_handler_root, METH_NOARGS,
     get_handler_root_doc},
    {NULL, NULL, 0, NULL}
};
