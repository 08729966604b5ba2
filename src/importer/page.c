/* page.c - files that requests name. */
#include "runtime/python.h"

#include "importer/page.h"

#include "importer/effects/foreign.h"
#include "importer/scope.h"
#include "importer/search.h"
#include "server/context.h"

/* Keys are made from what clients send. */
#define MOST_REMEMBERED 10000

/* The handler that runs for r, or NULL. */
static const mp_handler_t *
running_handler(const request_rec *r)
{
    const mp_request_t *request = r ? mp_context_find(r) : NULL;
    return request && request->running
                   && request->running_index < request->running->nelts
        ? APR_ARRAY_IDX(request->running, request->running_index,
                        const mp_handler_t *)
        : NULL;
}

/* The instance that the generation has for a file, because that has been
 * loaded: new reference. Other files may have names that come to the same. */
static mp_instance_t *
find_loaded(mp_generation_t *generation, const mp_location_t *location)
{
    mp_instance_t *instance = mp_generation_find(generation, location->name);
    if (instance
        && (PyUnicode_Compare(instance->file, location->file) != 0
            || instance->language != location->language)) {
        PyErr_Format(PyExc_ImportError, "'%U' cannot be loaded: '%U' has the "
                     "same module name; rename one of them", location->file,
                     instance->file);
        return NULL;
    }
    return (mp_instance_t *)Py_XNewRef((PyObject *)instance);
}

/* path, as modules have it in __file__. New str. */
static PyObject *
normal(const char *path)
{
    PyObject *text = PyUnicode_DecodeFSDefault(path);
    PyObject *os_path = text ? PyImport_ImportModule("os.path") : NULL;
    PyObject *file = os_path
        ? PyObject_CallMethod(os_path, "normpath", "O", text) : NULL;
    Py_XDECREF(os_path);
    Py_XDECREF(text);
    return file;
}

/* Import the file; what it gave is in the generation then. */
static int
import_file(mp_scope_t *scope, const char *path, request_rec *r)
{
    scope->directory = Py_NewRef(Py_None);
    scope->handler_root = mp_scope_handler_root(running_handler(r), r);
    scope->path = PyList_New(0);
    PyObject *module = scope->handler_root && scope->path
        ? mp_scope_import(scope, path, r) : NULL;
    Py_XDECREF(module);
    mp_scope_clear(scope);
    return module ? 0 : -1;
}

mp_instance_t *
mp_page_load(mp_importer_t *importer, const char *path,
             const mp_language_t *language, request_rec *r, PyObject *globals)
{
    mp_location_t location = {.language = language};
    mp_scope_t scope = {
        .importer = importer,
        .generation = mp_generation_here(importer, globals),
        .importing = mp_instance_of_globals(importer->state, globals),
        .language = language,
    };
    mp_instance_t *instance = NULL;
    PyObject *file = normal(path);
    if (!file || mp_search_file(importer, file, &location) <= 0) {
        Py_XDECREF(file);
        return NULL;
    }
    Py_INCREF(scope.generation);
    if (import_file(&scope, path, r) == 0) {
        instance = find_loaded(scope.generation, &location);
    }
    Py_DECREF(scope.generation);
    mp_location_clear(&location);
    Py_DECREF(file);
    return instance;
}

mp_instance_t *
mp_page_recall(mp_importer_t *importer, PyObject *key)
{
    mp_generation_t *generation = mp_generation_here(importer, NULL);
    PyObject *row = PyDict_GetItemWithError(generation->handlers, key);
    return row ? (mp_instance_t *)PyTuple_GET_ITEM(row, 2) : NULL;
}

int
mp_page_remember(mp_importer_t *importer, PyObject *key,
                 mp_instance_t *instance, PyObject *probes)
{
    mp_generation_t *generation = mp_generation_here(importer, NULL);
    if (PyDict_GET_SIZE(generation->handlers) >= MOST_REMEMBERED
        || mp_generation_find(generation, instance->name) != instance) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *row = PyTuple_Pack(3, instance->module, probes, instance);
    int failed = row ? PyDict_SetItem(generation->handlers, key, row) : -1;
    Py_XDECREF(row);
    return failed;
}

int
mp_page_use(mp_importer_t *importer, mp_instance_t *instance,
            const request_rec *r)
{
    instance->direct++;
    instance->used_at = r->request_time;
    return mp_generation_raise_failure(mp_generation_here(importer, NULL),
                                       instance);
}

int
mp_page_is_imported(mp_instance_t *instance, PyObject *name)
{
    if (!instance->imported) {
        PyObject *known = PyDict_New();
        instance->imported = known
            ? Py_XNewRef(mp_foreign_find(known, instance)) : NULL;
        Py_XDECREF(known);
    }
    return instance->imported ? PySet_Contains(instance->imported, name) : -1;
}
