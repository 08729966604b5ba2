/* resolve.c - from a handler directive to the object that it calls. */
#include "runtime/python.h"

#include "importer/api.h"

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/memory.h"
#include "importer/scope.h"
#include "server/config.h"

#include <http_core.h>
#include <stdlib.h>
#include <string.h>

/* ---- modules ----------------------------------------------------------- */

static int
fill_handler_scope(mp_scope_t *scope, const mp_handler_t *handler,
                   request_rec *r)
{
    const char *dir = NULL;
    if (!handler->is_location) {
        dir = r ? mp_handlers_directory(handler, r) : handler->directory;
    }
    scope->directory = mp_scope_directory(dir);
    scope->handler_root = scope->directory
        ? mp_scope_handler_root(handler, r) : NULL;
    scope->path = scope->handler_root ? PyList_New(0) : NULL;
    if (!scope->path) {
        return -1;
    }
    return scope->directory == Py_None
               ? 0 : PyList_Append(scope->path, scope->directory);
}

/* The module of a handler as the generation has it. New reference; probes
 * (set) gets where it was searched for. */
static PyObject *
import_handler(mp_importer_t *importer, mp_generation_t *generation,
               const mp_handler_t *handler, request_rec *r, PyObject *probes)
{
    mp_scope_t scope = {
        .importer = importer, .generation = generation, .probes = probes,
    };
    PyObject *module = NULL;
    if (fill_handler_scope(&scope, handler, r) == 0) {
        module = mp_scope_import(&scope, handler->module, r);
    }
    mp_scope_clear(&scope);
    return module;
}

static PyObject *
resolve_by_key(mp_importer_t *importer, mp_generation_t *generation,
               const mp_handler_t *handler, request_rec *r, PyObject *key)
{
    PyObject *row = NULL;
    PyObject *probes = PySet_New(NULL);
    PyObject *module = probes ? import_handler(importer, generation, handler,
                                               r, probes) : NULL;
    if (module) {
        row = PyTuple_Pack(2, module, probes);
        if (!row || PyDict_SetItem(generation->handlers, key, row) < 0) {
            Py_CLEAR(module);
        }
    }
    Py_XDECREF(row);
    Py_XDECREF(probes);
    return module;
}

/* Handlers made for one request, and those whose directory is known by the
 * request only: by what they say and where they stand. */
static PyObject *
remembered_by_key(mp_importer_t *importer, mp_generation_t *generation,
                  const mp_handler_t *handler, request_rec *r)
{
    PyObject *module = NULL;
    PyObject *key = mp_memory_key(handler, r);
    PyObject *row = key ? PyDict_GetItemWithError(generation->handlers, key)
                        : NULL;
    if (row) {
        module = Py_NewRef(PyTuple_GET_ITEM(row, 0));
    }
    else if (!PyErr_Occurred()) {
        module = resolve_by_key(importer, generation, handler, r, key);
    }
    Py_XDECREF(key);
    return module;
}

/* The others have a slot; it serves the document root it was filled for. */
static PyObject *
remembered_by_slot(mp_importer_t *importer, mp_generation_t *generation,
                   const mp_handler_t *handler, request_rec *r)
{
    const char *base = mp_memory_root(handler, r);
    mp_handler_memory_t *memory = mp_generation_slot(generation,
                                                     handler->slot);
    if (memory && memory->module) {
        return strcmp(memory->root, base)
                   ? remembered_by_key(importer, generation, handler, r)
                   : Py_NewRef(memory->module);
    }
    PyObject *probes = PySet_New(NULL);
    PyObject *module = probes ? import_handler(importer, generation, handler,
                                               r, probes) : NULL;
    char *root = strdup(base);
    /* The slots may have moved, or been filled, while it was imported. */
    memory = mp_generation_slot(generation, handler->slot);
    if (module && root && memory && !memory->module) {
        memory->module = Py_NewRef(module);
        memory->probes = Py_NewRef(probes);
        memory->root = root;
        root = NULL;
    }
    free(root);
    Py_XDECREF(probes);
    return module;
}

static PyObject *
handler_module(mp_importer_t *importer, mp_generation_t *generation,
               const mp_handler_t *handler, request_rec *r)
{
    return mp_memory_has_slot(handler)
               ? remembered_by_slot(importer, generation, handler, r)
               : remembered_by_key(importer, generation, handler, r);
}

/* That the newest files of this module do not load may be the answer. */
static int
raise_failure(mp_generation_t *generation, PyObject *module)
{
    mp_instance_t *instance = PyDict_GET_SIZE(generation->failures) > 0
        ? mp_generation_instance_of(generation, module) : NULL;
    return instance ? mp_generation_raise_failure(generation, instance) : 0;
}

static PyObject *
raise_no_object(PyObject *module, const char *object)
{
    PyObject *file = NULL;
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* said better below */
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    file = PyObject_GetAttrString(module, "__file__");
    if (!file) {
        PyErr_Clear(); /* built in */
        file = PyObject_Repr(module);
    }
    if (file) {
        PyErr_Format(PyExc_AttributeError, "module '%S' contains no '%s'",
                     file, object);
        Py_DECREF(file);
    }
    return NULL;
}

/* "Class.method": a class on the way is made with the argument. New ref. */
static PyObject *
walk_dotted(PyObject *module, const char *object, PyObject *argument)
{
    PyObject *value = Py_NewRef(module);
    const char *rest = object;
    while (value && *rest) {
        size_t length = strcspn(rest, ".");
        PyObject *name = PyUnicode_FromStringAndSize(rest,
                                                     (Py_ssize_t)length);
        PyObject *next = name ? PyObject_GetAttr(value, name) : NULL;
        Py_XDECREF(name);
        rest += length + (rest[length] == '.');
        if (next && *rest && PyType_Check(next)) {
            Py_SETREF(next, argument ? PyObject_CallOneArg(next, argument)
                                     : PyObject_CallNoArgs(next));
            if (!next) {
                Py_DECREF(value);
                return NULL; /* its own exception, not a missing name */
            }
        }
        Py_SETREF(value, next);
    }
    return value ? value : raise_no_object(module, object);
}

/* The str for a plain object name, interned, because that is what makes
 * look-ups fast; remembered for handlers with a slot. New reference. */
static PyObject *
object_name(mp_importer_t *importer, mp_generation_t *generation,
            const mp_handler_t *handler, mp_phase_t phase)
{
    if (!handler->object) {
        return Py_NewRef(importer->objects[phase]);
    }
    mp_handler_memory_t *memory = handler->slot < 0
        ? NULL : mp_generation_slot(generation, handler->slot);
    if (memory && memory->object) {
        return Py_NewRef(memory->object);
    }
    PyObject *name = PyUnicode_InternFromString(handler->object);
    if (memory) {
        memory->object = Py_XNewRef(name);
    }
    return name;
}

/* One look-up, each time, because a program may give the name another
 * meaning. New reference. */
static PyObject *
find_plain(PyObject *module, PyObject *name)
{
    PyObject *value = NULL;
    if (PyModule_CheckExact(module)
        && PyDict_GetItemRef(PyModule_GetDict(module), name, &value) != 0) {
        return value;
    }
    if (PyObject_GetOptionalAttr(module, name, &value) == 0) {
        raise_no_object(module, PyUnicode_AsUTF8(name));
    }
    return value;
}

static PyObject *
find_object(mp_importer_t *importer, mp_generation_t *generation,
            PyObject *module, const mp_handler_t *handler, mp_phase_t phase,
            PyObject *argument)
{
    if (handler->object && strchr(handler->object, '.')) {
        return walk_dotted(module, handler->object, argument);
    }
    PyObject *name = object_name(importer, generation, handler, phase);
    PyObject *value = name ? find_plain(module, name) : NULL;
    Py_XDECREF(name);
    return value;
}

/* For module_info(): how often, and when last. */
static void
note_use(mp_importer_t *importer, PyObject *module, request_rec *r)
{
    mp_instance_t *instance = PyModule_CheckExact(module)
        ? mp_instance_of_globals(importer->state, PyModule_GetDict(module))
        : NULL;
    if (instance) {
        instance->direct++;
        instance->used_at = r ? r->request_time : instance->used_at;
    }
}

PyObject *
mp_importer_resolve(mp_importer_t *importer, PyObject *pin,
                    const mp_handler_t *handler, mp_phase_t phase,
                    request_rec *r, PyObject *argument)
{
    mp_generation_t *generation = (mp_generation_t *)pin;
    if (handler->callable) {
        return Py_NewRef((PyObject *)handler->callable);
    }
    PyObject *module = handler_module(importer, generation, handler, r);
    if (!module || raise_failure(generation, module) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    note_use(importer, module, r);
    PyObject *value = find_object(importer, generation, module, handler,
                                  phase, argument);
    Py_DECREF(module);
    if (!value && handler->silent
        && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* PythonHandlerModule: no such phase in it */
    }
    if (value && !PyCallable_Check(value)) {
        PyErr_Format(PyExc_TypeError, "'%s' in '%s' is not callable",
                     handler->object ? handler->object
                                     : mp_phases[phase].default_object,
                     handler->module);
        Py_CLEAR(value);
    }
    return value;
}

/* ---- PythonImport ------------------------------------------------------ */

int
mp_importer_import(mp_importer_t *importer, const char *module,
                   const char *function)
{
    mp_scope_t scope = {
        .importer = importer,
        .generation = (mp_generation_t *)Py_NewRef(importer->current),
        .directory = Py_NewRef(Py_None),
        .handler_root = Py_NewRef(Py_None),
        .path = PyList_New(0),
    };
    PyObject *imported = scope.path ? mp_scope_import(&scope, module, NULL)
                                    : NULL;
    PyObject *result = NULL;
    if (imported && !function) {
        result = Py_NewRef(Py_None);
    }
    else if (imported) {
        PyObject *callable = walk_dotted(imported, function, NULL);
        result = callable ? PyObject_CallNoArgs(callable) : NULL;
        Py_XDECREF(callable);
    }
    Py_XDECREF(imported);
    Py_DECREF(scope.generation);
    mp_scope_clear(&scope);
    Py_XDECREF(result);
    return result ? 0 : -1;
}
