/* page.c - files that requests name. */
#include "runtime/python.h"

#include "importer/page.h"

#include "importer/effects/foreign.h"
#include "importer/scope.h"
#include "importer/search.h"
#include "server/context.h"

#include <stdint.h>
#include <string.h>

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

/* ---- what is remembered ------------------------------------------------- */

/* (key, number of the language) New reference. */
static PyObject *
make_key(const char *key, const mp_language_t *language)
{
    return Py_BuildValue("(yn)", key, (Py_ssize_t)(intptr_t)language);
}

/* Where a generation has the row for this key, if it was asked for last. */
static PyObject **
slot_of(mp_generation_t *generation, const char *key, size_t length)
{
    size_t hash = length;
    for (size_t i = length > 8 ? length - 8 : 0; i < length; i++) {
        hash = hash * 33 + (unsigned char)key[i];
    }
    return &generation->pages[hash % MP_PAGE_SLOTS];
}

/* row: (module, probes, instance, key as bytes) */
static int
fits(PyObject *row, const char *key, size_t length,
     const mp_language_t *language)
{
    PyObject *own = PyTuple_GET_ITEM(row, 3);
    return (size_t)PyBytes_GET_SIZE(own) == length
           && !memcmp(PyBytes_AS_STRING(own), key, length)
           && ((mp_instance_t *)PyTuple_GET_ITEM(row, 2))->language
                  == language;
}

mp_instance_t *
mp_page_recall(mp_importer_t *importer, const char *key,
               const mp_language_t *language)
{
    mp_generation_t *generation = mp_generation_here(importer, NULL);
    size_t length = strlen(key);
    PyObject **slot = slot_of(generation, key, length);
    if (*slot && fits(*slot, key, length, language)) {
        return (mp_instance_t *)PyTuple_GET_ITEM(*slot, 2);
    }
    PyObject *full = make_key(key, language);
    PyObject *row = full ? PyDict_GetItemWithError(generation->handlers, full)
                         : NULL;
    Py_XDECREF(full);
    if (!row) {
        return NULL;
    }
    Py_XSETREF(*slot, Py_NewRef(row));
    return (mp_instance_t *)PyTuple_GET_ITEM(row, 2);
}

int
mp_page_remember(mp_importer_t *importer, const char *key,
                 const mp_language_t *language, mp_instance_t *instance)
{
    mp_generation_t *generation = mp_generation_here(importer, NULL);
    if (PyDict_GET_SIZE(generation->handlers) >= MOST_REMEMBERED
        || mp_generation_find(generation, instance->name) != instance) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *full = make_key(key, language);
    PyObject *path = full ? PyUnicode_DecodeFSDefault(key) : NULL;
    PyObject *probes = path ? PySet_New(NULL) : NULL;
    PyObject *row = probes && PySet_Add(probes, path) == 0
        ? PyTuple_Pack(4, instance->module, probes, instance,
                       PyTuple_GET_ITEM(full, 0)) : NULL;
    int failed = row ? PyDict_SetItem(generation->handlers, full, row) : -1;
    Py_XDECREF(row);
    Py_XDECREF(probes);
    Py_XDECREF(path);
    Py_XDECREF(full);
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
