/* fingerprint.c - the walk over what a module owns.
 *
 * A fingerprint is a list of nodes, the objects that were entered, in order
 * of a breadth-first walk, and for each the tokens of what it refers to: the
 * value of a number or a text, the address of anything else. As long as no
 * node's tokens differ, no other node can have appeared; so comparing is one
 * pass over the nodes, without a memory of what was seen.
 *
 * Nothing here may run Python code: dictionaries are read with PyDict_Next(),
 * only exact str, int, float and bytes are hashed, the rest is tp_traverse. */
#include "runtime/python.h"

#include "importer/effects/fingerprint.h"

#include "importer/effects/addresses.h"

#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 3       /* of objects entered; the globals' values are 1 */
#define MAX_NODES 2000
#define MAX_TOKENS 8000
#define MAX_CHILDREN 1000 /* of one node; beyond, its length must do */
#define MAX_EXCUSED 200

/* ---- tokens ------------------------------------------------------------ */

typedef uint64_t token_t;

enum { TAG_ADDRESS, TAG_NUMBER, TAG_TEXT, TAG_LENGTH, TAG_BITS = 2 };

static token_t
make_token(uint64_t value, unsigned tag)
{
    return tag == TAG_ADDRESS ? value : value << TAG_BITS | tag;
}

static token_t
token_of(PyObject *object)
{
    if (PyUnicode_CheckExact(object) || PyBytes_CheckExact(object)) {
        return make_token((uint64_t)PyObject_Hash(object), TAG_TEXT);
    }
    if (PyLong_CheckExact(object) || PyFloat_CheckExact(object)) {
        return make_token((uint64_t)PyObject_Hash(object), TAG_NUMBER);
    }
    return make_token((uintptr_t)object, TAG_ADDRESS);
}

/* A function of this module counts with its code and its attributes, so that
 * most functions need no node of their own. */
static token_t
token_of_function(PyFunctionObject *function)
{
    uintptr_t size = function->func_dict
                         ? (uintptr_t)PyDict_GET_SIZE(function->func_dict)
                         : 0;
    return make_token((uintptr_t)function ^ (uintptr_t)function->func_code * 3
                          ^ size << 3, TAG_ADDRESS);
}

static int
is_number(token_t token)
{
    return (token & ((1 << TAG_BITS) - 1)) == TAG_NUMBER;
}

static int
is_length(token_t token)
{
    return (token & ((1 << TAG_BITS) - 1)) == TAG_LENGTH;
}

/* ---- the fingerprint --------------------------------------------------- */

typedef enum {
    KIND_NONE,     /* not entered */
    KIND_GLOBALS,
    KIND_DICT,
    KIND_FUNCTION,
    KIND_CLASS,
    KIND_OTHER     /* anything that the collector can traverse */
} kind_t;

typedef struct {
    PyObject *object;    /* owned */
    PyObject *global;    /* str: the name that leads to it, owned */
    PyTypeObject *owner; /* of a dict that may be the __dict__ of a node of
                            this type; borrowed of that node */
    uint32_t first;      /* its tokens */
    uint32_t count;
    uint8_t kind;
    uint8_t depth;
} node_t;

struct mp_fingerprint_t {
    mp_importer_t *importer;
    mp_instance_t *instance; /* owned */
    PyObject *globals;       /* of its module, borrowed; or NULL */
    PyObject *foreign;       /* set: globals that others own */
    PyObject *module_key;    /* "__module__" */
    node_t *nodes;
    size_t node_count, node_room;
    token_t *tokens;
    size_t token_count, token_room;
};

/* One pass over the nodes: emit() is told each thing that a node refers to,
 * and answers 1 to hear no more of this node. */
typedef struct walk_t walk_t;
struct walk_t {
    mp_fingerprint_t *print;
    int (*emit)(walk_t *walk, token_t token, PyObject *child);
    size_t node;      /* the one whose references are listed */
    PyObject *global; /* while it is the globals: the name, borrowed */
    int is_foreign;   /* ... which stands for what others own */
    /* Taking. */
    int is_taking;
    mp_addresses_t seen;
    int failed;
    /* Comparing. */
    size_t cursor, end;
    int differs, numbers;
    PyObject *where;  /* the global that led to the first difference */
    /* Excusing. */
    token_t *now;
    size_t now_count;
    PyObject *attributes; /* dict of the object's, or NULL */
};

/* Make room for one more of `count` things of this size; 0 or -1. */
static int
make_room(void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return 0;
    }
    size_t more = *room ? *room * 2 : 64;
    void *grown = PyMem_Realloc(*array, more * size);
    if (!grown) {
        return -1;
    }
    *array = grown;
    *room = more;
    return 0;
}

void
mp_fingerprint_free(mp_fingerprint_t *print)
{
    if (!print) {
        return;
    }
    for (size_t i = 0; i < print->node_count; i++) {
        Py_DECREF(print->nodes[i].object);
        Py_XDECREF(print->nodes[i].global);
    }
    Py_XDECREF(print->instance);
    Py_XDECREF(print->foreign);
    Py_XDECREF(print->module_key);
    PyMem_Free(print->nodes);
    PyMem_Free(print->tokens);
    PyMem_Free(print);
}

/* ---- what is entered --------------------------------------------------- */

/* The value of __module__ in the class itself, borrowed, or NULL. */
static PyObject *
module_of_type(PyTypeObject *type, PyObject *module_key)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !type->tp_dict) {
        return NULL;
    }
    PyObject *module = PyDict_GetItemWithError(type->tp_dict, module_key);
    return module && PyUnicode_CheckExact(module) ? module : NULL;
}

static int
is_own_class(const mp_fingerprint_t *print, PyTypeObject *type)
{
    PyObject *module = module_of_type(type, print->module_key);
    return module
           && (module == print->instance->name
               || PyUnicode_Compare(module, print->instance->name) == 0);
}

/* Modules whose objects change by being used. */
static const char *const opaque_modules[] = {
    "_abc", "_asyncio", "_contextvars", "_io", "_socket", "_ssl", "_thread",
    "_weakref", "_weakrefset", "asyncio", "concurrent", "contextvars", "enum",
    "io", "logging", "multiprocessing", "select", "selectors", "socket", "ssl",
    "subprocess", "threading", "typing", "weakref",
    "functools._lru_cache_wrapper",
};

/* Is text, the name of a module or "module.type", or below, one of them? */
static int
names_opaque(const char *text)
{
    for (size_t i = 0; i < sizeof(opaque_modules) / sizeof(*opaque_modules);
         i++) {
        const char *name = opaque_modules[i];
        size_t length = strlen(name);
        if (text[0] == name[0] && strncmp(text, name, length) == 0
            && (text[length] == '\0' || text[length] == '.')) {
            return 1;
        }
    }
    return 0;
}

/* Does this type come from one of them, by itself or by what it extends? */
static int
is_opaque_type(PyTypeObject *type, PyObject *module_key)
{
    for (; type && type != &PyBaseObject_Type; type = type->tp_base) {
        PyObject *module = module_of_type(type, module_key);
        if (names_opaque(type->tp_name)
            || (module && PyUnicode_IS_ASCII(module)
                && names_opaque((const char *)PyUnicode_DATA(module)))) {
            return 1;
        }
    }
    return 0;
}

/* Parts of the interpreter, and our own: they lead everywhere. */
static int
is_machinery(const mp_importer_t *importer, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (PyCode_Check(object) || PyFrame_Check(object)
        || PyGen_Check(object) || PyCoro_CheckExact(object)
        || PyAsyncGen_CheckExact(object) || PyTraceBack_Check(object)
        || PyWeakref_Check(object) || type == &PyGetSetDescr_Type
        || type == &PyMemberDescr_Type || type == &PyMethodDescr_Type
        || type == &PyWrapperDescr_Type || type == &PyClassMethodDescr_Type) {
        return 1;
    }
    for (int i = 0; i < MP_TYPE_COUNT; i++) {
        if (type == importer->state->types[i]) {
            return 1;
        }
    }
    return 0;
}

int
mp_fingerprint_is_opaque(const mp_importer_t *importer, PyObject *object,
                         PyObject *module_key)
{
    return is_machinery(importer, object)
           || is_opaque_type(Py_TYPE(object), module_key);
}

static int
has_state(const PyFunctionObject *function)
{
    return function->func_closure || function->func_defaults
           || function->func_kwdefaults
           || (function->func_dict && PyDict_GET_SIZE(function->func_dict));
}

static kind_t
kind_of(const mp_fingerprint_t *print, PyObject *object)
{
    if (!mp_is_gc(object)) {
        return KIND_NONE;
    }
    if (PyFunction_Check(object)) {
        return has_state((PyFunctionObject *)object) ? KIND_FUNCTION
                                                     : KIND_NONE;
    }
    if (PyDict_CheckExact(object)) {
        return KIND_DICT;
    }
    if (PyList_CheckExact(object) || PyTuple_CheckExact(object)
        || PyAnySet_CheckExact(object)) {
        return KIND_OTHER;
    }
    if (PyType_Check(object)) {
        return is_own_class(print, (PyTypeObject *)object) ? KIND_CLASS
                                                           : KIND_NONE;
    }
    if (mp_is_module(object) || !PyObject_GC_IsTracked(object)
        || mp_fingerprint_is_opaque(print->importer, object,
                                    print->module_key)) {
        return KIND_NONE;
    }
    return KIND_OTHER;
}

static token_t
token_in(const mp_fingerprint_t *print, PyObject *object)
{
    return PyFunction_Check(object)
                   && PyFunction_GET_GLOBALS(object) == print->globals
               ? token_of_function((PyFunctionObject *)object)
               : token_of(object);
}

/* ---- what a node refers to --------------------------------------------- */

/* A visitproc. */
static int
list_object(PyObject *child, void *arg)
{
    walk_t *walk = arg;
    return walk->emit(walk, token_in(walk->print, child), child);
}

static int
list_length(walk_t *walk, Py_ssize_t length)
{
    return walk->emit(walk, make_token((uint64_t)length, TAG_LENGTH), NULL);
}

static int
list_entries(walk_t *walk, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int stop = 0;
    while (!stop && PyDict_Next(dict, &position, &key, &value)) {
        stop = list_object(key, walk) || list_object(value, walk);
    }
    return stop;
}

static int
list_dict(walk_t *walk, PyObject *dict)
{
    return list_length(walk, PyDict_GET_SIZE(dict))
           || list_entries(walk, dict);
}

/* Is this global worth a look? Python's own are not, nor are modules, which
 * importing a part sets in its package. */
static int
is_global(PyObject *key, PyObject *value)
{
    if (!PyUnicode_CheckExact(key) || mp_is_module(value)) {
        return 0;
    }
    if (PyUnicode_GET_LENGTH(key) < 2 || PyUnicode_READ_CHAR(key, 0) != '_'
        || PyUnicode_READ_CHAR(key, 1) != '_') {
        return 1;
    }
    return PyUnicode_CompareWithASCIIString(key, "__all__") == 0
           || PyUnicode_CompareWithASCIIString(key, "__path__") == 0;
}

static int
list_globals(walk_t *walk, PyObject *globals)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int stop = 0;
    while (!stop && PyDict_Next(globals, &position, &key, &value)) {
        if (!is_global(key, value)) {
            continue;
        }
        walk->global = key;
        if (walk->is_taking) {
            walk->is_foreign = PySet_Contains(walk->print->foreign, key) != 0;
        }
        stop = list_object(value, walk);
    }
    walk->global = NULL;
    walk->is_foreign = 0;
    return stop;
}

static int
list_function(walk_t *walk, PyFunctionObject *function)
{
    PyObject *closure = function->func_closure;
    Py_ssize_t cells = closure ? PyTuple_GET_SIZE(closure) : 0;
    int stop = walk->emit(walk, make_token((uintptr_t)function->func_code,
                                           TAG_ADDRESS), NULL);
    for (Py_ssize_t i = 0; !stop && i < cells; i++) {
        PyObject *content = PyCell_GET(PyTuple_GET_ITEM(closure, i));
        stop = content ? list_object(content, walk) : list_length(walk, 0);
    }
    PyObject *defaults = function->func_defaults;
    Py_ssize_t count = defaults && PyTuple_Check(defaults)
                           ? PyTuple_GET_SIZE(defaults) : 0;
    for (Py_ssize_t i = 0; !stop && i < count; i++) {
        stop = list_object(PyTuple_GET_ITEM(defaults, i), walk);
    }
    if (!stop && function->func_kwdefaults) {
        stop = list_entries(walk, function->func_kwdefaults);
    }
    /* An empty one appears when somebody reads __dict__. */
    if (!stop && function->func_dict) {
        stop = list_entries(walk, function->func_dict);
    }
    return stop;
}

/* Entries of a class that Python or the standard library makes when they are
 * first asked for: annotations, caches of ABCMeta and EnumMeta. */
static int
is_lazy_entry(PyObject *key, PyObject *value)
{
    static const char *const lazy[] = {
        "_abc_impl", "_value2member_map_", "_unhashable_values_",
        "_hashable_values_",
    };
    if (!PyUnicode_CheckExact(key) || !PyUnicode_IS_ASCII(key)) {
        return 0;
    }
    const char *text = (const char *)PyUnicode_DATA(key);
    if (text[0] != '_') {
        return 0;
    }
    if (text[1] == '_') {
        return !PyFunction_Check(value) || strncmp(text, "__annot", 7) == 0;
    }
    for (size_t i = 0; i < sizeof(lazy) / sizeof(*lazy); i++) {
        if (strcmp(text, lazy[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static int
list_class(walk_t *walk, PyTypeObject *type)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int stop = 0;
    while (!stop && PyDict_Next(type->tp_dict, &position, &key, &value)) {
        if (!is_lazy_entry(key, value)) {
            stop = list_object(value, walk);
        }
    }
    return stop;
}

static int
list_other(walk_t *walk, PyObject *object)
{
    int stop = 0;
    if (PyDict_Check(object)) { /* of a subclass; traversal gives no keys */
        stop = list_dict(walk, object);
    }
    else if (PyList_Check(object)) {
        stop = list_length(walk, PyList_GET_SIZE(object));
    }
    else if (PyAnySet_Check(object)) {
        stop = list_length(walk, PySet_GET_SIZE(object));
    }
    if (!stop) {
        stop = Py_TYPE(object)->tp_traverse(object, list_object, walk);
    }
    return stop;
}

/* Emit all that the current node refers to. */
static void
list_node(walk_t *walk)
{
    const node_t *node = &walk->print->nodes[walk->node];
    PyObject *object = node->object;
    switch ((kind_t)node->kind) {
    case KIND_GLOBALS:
        list_globals(walk, object);
        break;
    case KIND_DICT:
        list_dict(walk, object);
        break;
    case KIND_FUNCTION:
        list_function(walk, (PyFunctionObject *)object);
        break;
    case KIND_CLASS:
        list_class(walk, (PyTypeObject *)object);
        break;
    case KIND_OTHER:
        list_other(walk, object);
        break;
    case KIND_NONE:
        break;
    }
}

/* ---- taking ------------------------------------------------------------ */

static int
add_node(walk_t *walk, PyObject *object, kind_t kind, int depth,
         PyTypeObject *owner)
{
    mp_fingerprint_t *print = walk->print;
    int is_new = mp_addresses_add(&walk->seen, object);
    if (is_new <= 0) {
        return is_new;
    }
    if (make_room((void **)&print->nodes, &print->node_room,
                  print->node_count, sizeof(*print->nodes)) < 0) {
        return -1;
    }
    PyObject *global = walk->global;
    if (!global && print->node_count > 0) {
        global = print->nodes[walk->node].global;
    }
    print->nodes[print->node_count++] = (node_t){
        .object = Py_NewRef(object),
        .global = Py_XNewRef(global),
        .owner = owner,
        .kind = (uint8_t)kind,
        .depth = (uint8_t)depth,
    };
    return 0;
}

/* Enter what the current node refers to, if it is this module's. The __dict__
 * of an object is no step away from it, since most objects have none until
 * somebody asks. */
static int
enter(walk_t *walk, PyObject *child)
{
    const node_t *node = &walk->print->nodes[walk->node];
    PyTypeObject *owner = NULL;
    int depth = node->depth + 1;
    kind_t kind = kind_of(walk->print, child);
    if (kind == KIND_DICT && node->kind == KIND_OTHER
        && (Py_TYPE(node->object)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        owner = Py_TYPE(node->object);
        depth--;
    }
    if (kind == KIND_NONE || depth > MAX_DEPTH
        || walk->print->node_count >= MAX_NODES) {
        return 0;
    }
    return add_node(walk, child, kind, depth, owner);
}

static int
emit_taking(walk_t *walk, token_t token, PyObject *child)
{
    mp_fingerprint_t *print = walk->print;
    node_t *node = &print->nodes[walk->node];
    if (node->count >= MAX_CHILDREN) {
        return 1;
    }
    if (make_room((void **)&print->tokens, &print->token_room,
                  print->token_count, sizeof(*print->tokens)) < 0) {
        walk->failed = 1;
        return 1;
    }
    print->tokens[print->token_count++] = token;
    node->count++;
    if (child && !walk->is_foreign && enter(walk, child) < 0) {
        walk->failed = 1;
    }
    return walk->failed;
}

/* The walk begins at the globals; or at the object that the module has put in
 * its place. */
static int
add_first(walk_t *walk)
{
    mp_fingerprint_t *print = walk->print;
    PyObject *module = print->instance->module;
    if (PyModule_Check(module)) {
        print->globals = PyModule_GetDict(module);
        return add_node(walk, print->globals, KIND_GLOBALS, 0, NULL);
    }
    kind_t kind = kind_of(print, module);
    return kind == KIND_NONE ? 0 : add_node(walk, module, kind, 0, NULL);
}

static void
walk_nodes(walk_t *walk)
{
    mp_fingerprint_t *print = walk->print;
    while (walk->node < print->node_count && !walk->failed
           && print->token_count < MAX_TOKENS) {
        print->nodes[walk->node].first = (uint32_t)print->token_count;
        list_node(walk);
        walk->node++;
    }
    while (print->node_count > walk->node) { /* not looked at */
        node_t *node = &print->nodes[--print->node_count];
        Py_DECREF(node->object); /* its holder is still there */
        Py_XDECREF(node->global);
    }
}

mp_fingerprint_t *
mp_fingerprint_take(mp_importer_t *importer, mp_instance_t *instance,
                    PyObject *foreign)
{
    mp_fingerprint_t *print = PyMem_Calloc(1, sizeof(*print));
    walk_t walk = {.print = print, .emit = emit_taking, .is_taking = 1};
    if (!print) {
        PyErr_NoMemory();
        return NULL;
    }
    print->importer = importer;
    print->instance = (mp_instance_t *)Py_NewRef(instance);
    print->foreign = Py_NewRef(foreign);
    print->module_key = PyUnicode_InternFromString("__module__");
    walk.failed = !print->module_key || add_first(&walk) < 0;
    walk_nodes(&walk);
    mp_addresses_clear(&walk.seen);
    if (walk.failed) {
        mp_fingerprint_free(print);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return NULL;
    }
    return print;
}

/* ---- comparing --------------------------------------------------------- */

static int
emit_comparing(walk_t *walk, token_t token, PyObject *child)
{
    const node_t *node = &walk->print->nodes[walk->node];
    if (walk->cursor == walk->end) {
        walk->differs = node->count < MAX_CHILDREN;
        return 1;
    }
    token_t before = walk->print->tokens[walk->cursor++];
    if (token == before) {
        return 0;
    }
    if (!walk->where) {
        walk->where = walk->global ? walk->global : node->global;
    }
    if (is_number(token) && is_number(before)) {
        walk->numbers = 1;
        return 0;
    }
    walk->differs = 1;
    return 1;
}

/* Does an attribute of this name come into being when it is first read? */
static int
is_lazy_attribute(PyTypeObject *type, PyObject *name)
{
    static const char *const words[] = {"cached", "lazy", "memoize", "reify"};
    PyObject *mro = type->tp_mro;
    Py_ssize_t count = mro && PyUnicode_CheckExact(name)
                           ? PyTuple_GET_SIZE(mro) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *found = base->tp_dict
            ? PyDict_GetItemWithError(base->tp_dict, name) : NULL;
        for (size_t j = 0; found && j < sizeof(words) / sizeof(*words); j++) {
            if (strstr(Py_TYPE(found)->tp_name, words[j])) {
                return 1;
            }
        }
    }
    return 0;
}

static int
was_there(const walk_t *walk, token_t token)
{
    const node_t *node = &walk->print->nodes[walk->node];
    for (size_t i = 0; i < node->count; i++) {
        if (walk->print->tokens[node->first + i] == token) {
            return 1;
        }
    }
    return 0;
}

static int
add_now(walk_t *walk, token_t token)
{
    if (walk->now_count == MAX_EXCUSED) {
        return 1;
    }
    walk->now[walk->now_count++] = token;
    return 0;
}

/* The attributes in the __dict__ of an object of this type, but for those that
 * reading has made. */
static int
add_attributes(walk_t *walk, PyObject *dict, PyTypeObject *type,
               int with_names)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int stop = 0;
    while (!stop && PyDict_Next(dict, &position, &key, &value)) {
        token_t token = token_in(walk->print, value);
        if (!was_there(walk, token) && is_lazy_attribute(type, key)) {
            continue;
        }
        stop = (with_names && add_now(walk, token_of(key)))
               || add_now(walk, token);
    }
    return stop;
}

/* Is child the value of such an attribute of the object? */
static int
is_lazy_value(walk_t *walk, PyObject *object, PyObject *child)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (walk->attributes
           && PyDict_Next(walk->attributes, &position, &key, &value)) {
        if (value == child && is_lazy_attribute(Py_TYPE(object), key)) {
            return 1;
        }
    }
    return 0;
}

static int
emit_excusing(walk_t *walk, token_t token, PyObject *child)
{
    PyObject *object = walk->print->nodes[walk->node].object;
    if (child && !was_there(walk, token)) {
        if (PyDict_CheckExact(child)) {
            return add_attributes(walk, child, Py_TYPE(object), 0);
        }
        if (is_lazy_value(walk, object, child)) {
            return 0;
        }
    }
    return is_length(token) ? 0 : add_now(walk, token);
}

/* Is what there was before there now, and nothing more? A number may have
 * become another. */
static int
is_all_there(walk_t *walk)
{
    const node_t *node = &walk->print->nodes[walk->node];
    size_t missing = 0;
    for (size_t i = 0; i < node->count; i++) {
        token_t before = walk->print->tokens[node->first + i];
        size_t j = 0;
        while (j < walk->now_count && walk->now[j] != before) {
            j++;
        }
        if (j < walk->now_count) {
            walk->now[j] = walk->now[--walk->now_count];
        }
        else if (is_number(before)) {
            missing++;
        }
        else if (!is_length(before)) {
            return 0;
        }
    }
    for (size_t i = 0; i < walk->now_count; i++) {
        if (!is_number(walk->now[i])) {
            return 0;
        }
    }
    walk->numbers |= missing > 0;
    return walk->now_count == missing;
}

/* The __dict__ of an object whose attributes Python keeps in the object while
 * it can. New reference, or NULL. */
static PyObject *
attributes_of(PyObject *object)
{
    PyObject *dict = Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT
        ? PyObject_GenericGetDict(object, NULL) : NULL;
    if (!dict) {
        PyErr_Clear(); /* then there is less to excuse */
    }
    return dict;
}

/* Reading attributes may give an object a __dict__ that it had not before,
 * and cached properties in it. Is that all? */
static int
is_use(walk_t *walk)
{
    const node_t *node = &walk->print->nodes[walk->node];
    token_t now[MAX_EXCUSED];
    walk_t again = *walk;
    int stop = 1;
    again.emit = emit_excusing;
    again.now = now;
    again.now_count = 0;
    if (node->count > MAX_EXCUSED) {
        return 0;
    }
    if (node->kind == KIND_DICT && node->owner) {
        stop = add_attributes(&again, node->object, node->owner, 1);
    }
    else if (node->kind == KIND_OTHER) {
        again.attributes = attributes_of(node->object);
        stop = list_other(&again, node->object);
        Py_XDECREF(again.attributes);
    }
    int is = !stop && is_all_there(&again);
    walk->numbers = again.numbers;
    return is;
}

mp_fingerprint_result_t
mp_fingerprint_compare(mp_fingerprint_t *print, PyObject **where)
{
    mp_fingerprint_result_t result = MP_FINGERPRINT_SAME;
    walk_t walk = {.print = print, .emit = emit_comparing};
    for (; walk.node < print->node_count; walk.node++) {
        const node_t *node = &print->nodes[walk.node];
        walk.cursor = node->first;
        walk.end = node->first + node->count;
        walk.differs = walk.numbers = 0;
        list_node(&walk);
        if (walk.differs || walk.cursor != walk.end) {
            if (!walk.where) {
                walk.where = node->global;
            }
            if (!is_use(&walk)) {
                result = MP_FINGERPRINT_CHANGED;
                break;
            }
            if (result == MP_FINGERPRINT_SAME) {
                result = MP_FINGERPRINT_USED;
            }
        }
        if (walk.numbers) {
            result = MP_FINGERPRINT_NUMBERS;
        }
    }
    if (result != MP_FINGERPRINT_SAME) {
        *where = Py_NewRef(walk.where ? walk.where : Py_None);
    }
    return result;
}
