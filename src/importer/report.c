/* report.c - what the importer knows, as plain Python objects.
 *
 * Called by mod_python.modules and mod_python.census through functions of
 * _apache whose names begin with an underscore: they are no programmer's
 * business. Owns nothing, changes nothing, and looks at nothing on disk. */
#include "runtime/python.h"

#include "importer/report.h"

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/instance.h"
#include "importer/memory.h"
#include "importer/staging.h"
#include "runtime/thread.h"
#include "server/context.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- one module -------------------------------------------------------- */

/* dict: name -> "import", "late import", ... */
static PyObject *
name_edges(mp_instance_t *instance)
{
    PyObject *names = PyDict_New();
    PyObject *target, *value;
    Py_ssize_t position = 0;
    while (names && instance->edges
           && PyDict_Next(instance->edges, &position, &target, &value)) {
        PyObject *kind = PyUnicode_FromString(
            mp_edge_names[PyLong_AsLong(value)]);
        if (!kind || PyDict_SetItem(names, target, kind) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(kind);
    }
    return names;
}

/* Its __mp_path__, whatever the program has made of it; None without one. */
static PyObject *
own_path(mp_state_t *state, mp_instance_t *instance)
{
    PyObject *path = NULL;
    if (instance->module && PyModule_Check(instance->module)
        && PyDict_GetItemRef(PyModule_GetDict(instance->module),
                             state->names.__mp_path__, &path) < 0) {
        return NULL;
    }
    return path ? path : Py_NewRef(Py_None);
}

static PyObject *
keys_of(PyObject *dict)
{
    return dict ? PySequence_Tuple(dict) : PyTuple_New(0);
}

static double
seconds_of(apr_time_t time)
{
    return (double)time / APR_USEC_PER_SEC;
}

static PyObject *
facts_of(mp_state_t *state, mp_instance_t *instance)
{
    const mp_generation_t *generation
        = (mp_generation_t *)instance->generation;
    PyObject *edges = name_edges(instance);
    PyObject *data = edges ? keys_of(instance->data) : NULL;
    PyObject *probes = data ? keys_of(instance->probes) : NULL;
    PyObject *path = probes ? own_path(state, instance) : NULL;
    PyObject *facts = NULL;
    if (path) {
        facts = Py_BuildValue(
            "{sO,sO,sO,sO,sO,sO,sO,sO,sd,sd,sd,sl,sl,sl,sl,sL}",
            "label", instance->name,
            "file", instance->file,
            "parent", instance->parent,
            "reason", instance->reason ? instance->reason : Py_None,
            "edges", edges,
            "data", data,
            "probes", probes,
            "path", path,
            "mtime", (double)instance->source.stamp.mtime_ns / 1e9,
            "ctime", seconds_of(instance->loaded_at),
            "atime", seconds_of(instance->used_at),
            "instance", instance->loads,
            "generation", generation ? generation->number : 0L,
            "direct", instance->direct,
            "indirect", instance->indirect,
            "size", (long long)instance->source.stamp.size);
    }
    Py_XDECREF(path);
    Py_XDECREF(probes);
    Py_XDECREF(data);
    Py_XDECREF(edges);
    return facts;
}

PyDoc_STRVAR(module_facts_doc,
"_module_facts(instance, /)\n--\n\n"
"All about one mp_instance (dict).");

static PyObject *
function_module_facts(PyObject *module, PyObject *object)
{
    mp_state_t *state = mp_state_of_module(module);
    if (!Py_IS_TYPE(object, state->types[MP_TYPE_INSTANCE])) {
        PyErr_Format(PyExc_TypeError, "an mp_instance is needed, not %.100s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    return facts_of(state, (mp_instance_t *)object);
}

/* ---- generations ------------------------------------------------------- */

/* (number, {name: mp_instance}, {name: exception}) */
static PyObject *
describe_generation(mp_generation_t *generation)
{
    Py_INCREF(generation); /* another thread may commit the next */
    PyObject *table = PyDict_Copy(generation->table);
    PyObject *failures = table ? PyDict_Copy(generation->failures) : NULL;
    PyObject *result = failures ? Py_BuildValue("(lOO)", generation->number,
                                                table, failures) : NULL;
    Py_XDECREF(failures);
    Py_XDECREF(table);
    Py_DECREF(generation);
    return result;
}

PyDoc_STRVAR(generation_seen_doc,
"_generation_seen(globals, /)\n--\n\n"
"What code with these globals sees in this thread: (number of the\n"
"generation, {name: mp_instance}, {name: exception of its newest files}).");

static PyObject *
function_generation_seen(PyObject *module, PyObject *globals)
{
    mp_state_t *state = mp_state_of_module(module);
    return describe_generation(mp_generation_here(state->importer, globals));
}

PyDoc_STRVAR(generation_committed_doc,
"_generation_committed()\n--\n\n"
"The same of the generation that new requests see.");

static PyObject *
function_generation_committed(PyObject *module, PyObject *unused)
{
    mp_state_t *state = mp_state_of_module(module);
    return describe_generation(
        (mp_generation_t *)state->importer->current);
}

static int
append_table(PyObject *tables, PyObject *generation)
{
    return generation ? PyList_Append(tables,
                                      ((mp_generation_t *)generation)->table)
                      : 0;
}

PyDoc_STRVAR(tables_in_use_doc,
"_tables_in_use()\n--\n\n"
"The tables {name: mp_instance} of the generations that requests see, and\n"
"of the one that is being made (list of dict, not copied).");

static PyObject *
function_tables_in_use(PyObject *module, PyObject *unused)
{
    mp_importer_t *importer = mp_state_of_module(module)->importer;
    PyObject *tables = PyList_New(0);
    if (!tables) {
        return NULL;
    }
    PyObject *next = importer->staging
        ? (PyObject *)importer->staging->next : NULL;
    int failed = append_table(tables, importer->current) < 0
                 || append_table(tables, next) < 0;
    for (Py_ssize_t i = 0;
         !failed && i < PyList_GET_SIZE(importer->elders); i++) {
        failed = append_table(tables, PyList_GET_ITEM(importer->elders, i));
    }
    if (failed) {
        Py_CLEAR(tables);
    }
    return tables;
}

PyDoc_STRVAR(reload_history_doc,
"_reload_history()\n--\n\n"
"The last refreshes as the importer noted them (list of tuple).");

static PyObject *
function_reload_history(PyObject *module, PyObject *unused)
{
    PyObject *history = mp_state_of_module(module)->importer->history;
    return history ? PySequence_List(history) : PyList_New(0);
}

/* ---- the running request ----------------------------------------------- */

/* The name of the hot module that a handler is in. New str; None when there
 * is none. */
static PyObject *
label_of_handler(mp_state_t *state, const mp_handler_t *handler,
                 request_rec *r)
{
    mp_generation_t *generation = mp_generation_here(state->importer, NULL);
    PyObject *label = NULL, *module = NULL;
    if (handler && handler->callable) {
        label = PyObject_GetAttrString(handler->callable, "__module__");
        PyErr_Clear(); /* of an object that does not say */
    }
    else if (handler) {
        module = Py_XNewRef(mp_memory_find(generation, handler, r));
    }
    if (module) {
        mp_instance_t *instance = mp_generation_instance_of(generation,
                                                            module);
        label = instance ? Py_NewRef(instance->name) : NULL;
    }
    Py_XDECREF(module);
    return label ? label : Py_NewRef(Py_None);
}

PyDoc_STRVAR(request_module_doc,
"_request_module()\n--\n\n"
"The name of the module of the handler that runs in this thread (str), None\n"
"outside a request and when that module is not reloadable.");

static PyObject *
function_request_module(PyObject *module, PyObject *unused)
{
    request_rec *r = (request_rec *)mp_thread_place().r;
    mp_request_t *request = r ? mp_context_find(r) : NULL;
    if (!request || !request->running
        || request->running_index >= request->running->nelts) {
        Py_RETURN_NONE;
    }
    return label_of_handler(
        mp_state_of_module(module),
        APR_ARRAY_IDX(request->running, request->running_index,
                      const mp_handler_t *), r);
}

/* ---- who holds what ---------------------------------------------------- */

/* References to some objects, found by the collector's own traversal. Nothing
 * of Python is made meanwhile, since that may start a collection. */
typedef struct {
    PyObject *holder;  /* borrowed from the list that is searched */
    size_t target;     /* index */
} reference_t;

typedef struct {
    PyObject *const *targets;
    size_t *slots;     /* hash table of index + 1; 0: free */
    size_t mask;
    PyObject *holder;  /* being traversed */
    reference_t *found;
    size_t count, room;
    int failed;        /* out of memory */
} reference_search_t;

static size_t
slot_of(const reference_search_t *search, const PyObject *object)
{
    size_t slot = ((uintptr_t)object >> 4) & search->mask;
    while (search->slots[slot]
           && search->targets[search->slots[slot] - 1] != object) {
        slot = (slot + 1) & search->mask;
    }
    return slot;
}

static int
visit_reference(PyObject *object, void *arg)
{
    reference_search_t *search = arg;
    size_t index = search->slots[slot_of(search, object)];
    if (!index) {
        return 0;
    }
    if (search->count == search->room) {
        size_t room = search->room ? 2 * search->room : 256;
        reference_t *found = realloc(search->found, room * sizeof(*found));
        if (!found) {
            search->failed = 1;
            return -1;
        }
        search->found = found;
        search->room = room;
    }
    search->found[search->count++]
        = (reference_t){.holder = search->holder, .target = index - 1};
    return 0;
}

static int
prepare_search(reference_search_t *search, PyObject *targets)
{
    size_t count = (size_t)PyList_GET_SIZE(targets);
    size_t size = 16;
    while (size < 2 * count) {
        size *= 2;
    }
    search->targets = ((PyListObject *)targets)->ob_item;
    search->slots = calloc(size, sizeof(*search->slots));
    search->mask = size - 1;
    for (size_t i = 0; search->slots && i < count; i++) {
        search->slots[slot_of(search, search->targets[i])] = i + 1;
    }
    return search->slots ? 0 : -1;
}

static void
search_references(reference_search_t *search, PyObject *objects)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++) {
        search->holder = PyList_GET_ITEM(objects, i);
        if (PyObject_IS_GC(search->holder)) {
            Py_TYPE(search->holder)->tp_traverse(search->holder,
                                                 visit_reference, search);
        }
    }
}

static PyObject *
list_references(const reference_search_t *search)
{
    PyObject *list = PyList_New((Py_ssize_t)search->count);
    for (size_t i = 0; list && i < search->count; i++) {
        PyObject *row = Py_BuildValue("(On)", search->found[i].holder,
                                      (Py_ssize_t)search->found[i].target);
        if (!row) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, row);
    }
    return list;
}

static PyObject *
list_counts(PyObject *targets)
{
    Py_ssize_t count = PyList_GET_SIZE(targets);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(
            Py_REFCNT(PyList_GET_ITEM(targets, i)));
        if (!number) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, number);
    }
    return list;
}

PyDoc_STRVAR(references_doc,
"_references(objects, targets, /)\n--\n\n"
"Who among objects (list) holds which of targets (list): a list of\n"
"(object, index of the target), one for each reference, and the list of the\n"
"targets' reference counts.");

static PyObject *
function_references(PyObject *module, PyObject *args)
{
    PyObject *objects, *targets;
    reference_search_t search = {0};
    if (!PyArg_ParseTuple(args, "O!O!:_references", &PyList_Type, &objects,
                          &PyList_Type, &targets)) {
        return NULL;
    }
    PyObject *counts = list_counts(targets);
    PyObject *references = NULL;
    if (counts && prepare_search(&search, targets) < 0) {
        PyErr_NoMemory();
    }
    else if (counts) {
        search_references(&search, objects);
        references = search.failed ? PyErr_NoMemory()
                                   : list_references(&search);
    }
    free(search.found);
    free(search.slots);
    PyObject *result = references ? PyTuple_Pack(2, references, counts)
                                  : NULL;
    Py_XDECREF(references);
    Py_XDECREF(counts);
    return result;
}

PyDoc_STRVAR(types_doc,
"_types()\n--\n\n"
"The types of instances, of generations and of portals (tuple).");

static PyObject *
function_types(PyObject *module, PyObject *unused)
{
    mp_state_t *state = mp_state_of_module(module);
    return PyTuple_Pack(3, state->types[MP_TYPE_INSTANCE],
                        state->types[MP_TYPE_GENERATION],
                        state->types[MP_TYPE_PORTAL]);
}

/* ---- the error page ---------------------------------------------------- */

/* When the client's request came in. */
static apr_time_t
began_at(const request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return r->request_time;
}

PyObject *
mp_report_page(mp_state_t *state, const mp_handler_t *handler, request_rec *r)
{
    PyObject *label = label_of_handler(state, handler, r);
    PyObject *modules = label ? PyImport_ImportModule("mod_python.modules")
                              : NULL;
    PyObject *text = modules
        ? PyObject_CallMethod(modules, "details", "Od", label,
                              seconds_of(began_at(r))) : NULL;
    Py_XDECREF(modules);
    Py_XDECREF(label);
    return text;
}

PyMethodDef mp_report_functions[] = {
    {"_module_facts", function_module_facts, METH_O, module_facts_doc},
    {"_generation_seen", function_generation_seen, METH_O,
     generation_seen_doc},
    {"_generation_committed", function_generation_committed, METH_NOARGS,
     generation_committed_doc},
    {"_tables_in_use", function_tables_in_use, METH_NOARGS,
     tables_in_use_doc},
    {"_reload_history", function_reload_history, METH_NOARGS,
     reload_history_doc},
    {"_request_module", function_request_module, METH_NOARGS,
     request_module_doc},
    {"_references", function_references, METH_VARARGS, references_doc},
    {"_types", function_types, METH_NOARGS, types_doc},
    {NULL, NULL, 0, NULL}
};
