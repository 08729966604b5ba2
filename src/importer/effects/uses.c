/* uses.c - reads the code of a module body for what it does with imports.
 *
 * The scan begins with the module's code and follows names: a name that is
 * loaded brings in what was bound to it, an import (which is then used) or a
 * function of the module (whose code may run, so it is scanned as well). Code
 * that is handed on instead of being bound to a name (a class body, a lambda)
 * may run at once. What others may call, but seldom do (a decorated function,
 * a method of a class with bases), comes last, and counts less. When in doubt,
 * an import is used.
 *
 * Opcodes are those of the Python this was compiled for; their numbers and
 * meanings are the same within 3.x. PyCode_GetCode() gives the code without
 * what the interpreter has made of it meanwhile, with zeroed caches. */
#include "runtime/python.h"

#include "importer/effects/uses.h"

#include "importer/effects/addresses.h"

#include <string.h>

#include <opcode.h>

/* One code object while it is read. */
typedef struct {
    PyCodeObject *code;
    int is_module;
    int is_function;     /* neither the module's nor a class's */
    PyObject *importing; /* the import whose names are being bound, or NULL */
    PyObject *item;      /* of its from-list; NULL: the module itself */
    int is_dotted;       /* import a.b.c as d */
    PyObject *constant;  /* the code object that was loaded last, or NULL */
    PyObject *made;      /* the code of the function just made, or NULL */
    PyObject *class;     /* the code of the class being made, or NULL */
    int is_called;       /* ... __build_class__ was called for it */
} reading_t;

/* What a name of the module was bound to: an import, or a function's code. */
typedef struct {
    mp_use_t import;    /* its name is NULL for code */
    PyObject *code;
    long before;        /* number of the binding before this one, or 0 */
} binding_t;

typedef struct {
    PyObject *code, *name;
} other_t;

typedef struct {
    mp_uses_t *uses;      /* NULL: only imported is wanted */
    mp_addresses_t names; /* interned, so that their addresses will do; LOADED
                             or not, and the number of their last binding */
    binding_t *bindings;  /* numbers begin with 1 */
    size_t count, room;
    other_t *others;      /* what is only perhaps a part of the body */
    size_t other_count, other_room;
    int is_perhaps;       /* such code is being read */
    PyObject *imported;   /* set: names that the module binds by import */
} scan_t;

#define LOADED 1

/* ---- names ------------------------------------------------------------- */

/* Make room for one more in an array of `count` things of this size. */
static int
make_room(void *array, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return 0;
    }
    size_t more = *room ? *room * 2 : 16;
    void *grown = PyMem_Realloc(*(void **)array, more * size);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    *(void **)array = grown;
    *room = more;
    return 0;
}

static int
use(scan_t *scan, PyObject *name, PyObject *item)
{
    mp_uses_t *uses = scan->uses;
    if (!uses) {
        return 0;
    }
    if (make_room(&uses->list, &uses->room, uses->count,
                  sizeof(*uses->list)) < 0) {
        return -1;
    }
    uses->list[uses->count++] = (mp_use_t){name, item, !scan->is_perhaps};
    return 0;
}

/* Code that may run: it is to be read. */
static int
add_code(scan_t *scan, PyObject *code)
{
    mp_uses_t *uses = scan->uses;
    long *known = uses ? mp_addresses_at(&scan->names, code) : NULL;
    if (!uses || (known && *known)) {
        return 0;
    }
    if (!known) {
        PyErr_NoMemory();
        return -1;
    }
    *known = LOADED;
    if (make_room(&uses->codes, &uses->code_room, uses->code_count,
                  sizeof(*uses->codes)) < 0) {
        return -1;
    }
    uses->codes[uses->code_count++] = (PyCodeObject *)code;
    return 0;
}

/* Code, or what is bound to a name (the other is NULL), that others may call,
 * or not: it is read in the end. */
static int
defer(scan_t *scan, PyObject *code, PyObject *name)
{
    if (make_room(&scan->others, &scan->other_room, scan->other_count,
                  sizeof(*scan->others)) < 0) {
        return -1;
    }
    scan->others[scan->other_count++] = (other_t){code, name};
    return 0;
}

/* What a name stands for has come into the body's hands. */
static int
reach(scan_t *scan, const binding_t *binding)
{
    return binding->code ? add_code(scan, binding->code)
                         : use(scan, binding->import.name,
                               binding->import.item);
}

static int
load_name(scan_t *scan, PyObject *name)
{
    long *known = scan->uses ? mp_addresses_at(&scan->names, name) : NULL;
    if (!known) {
        return scan->uses ? (PyErr_NoMemory(), -1) : 0;
    }
    if (*known & LOADED) {
        return 0;
    }
    long number = *known >> 1;
    *known |= LOADED;
    while (number) {
        binding_t binding = scan->bindings[number - 1];
        if (reach(scan, &binding) < 0) {
            return -1;
        }
        number = binding.before;
    }
    return 0;
}

/* name comes to mean this (too). */
static int
bind_name(scan_t *scan, PyObject *name, binding_t binding)
{
    long *known = scan->uses ? mp_addresses_at(&scan->names, name) : NULL;
    if (!known) {
        return scan->uses ? (PyErr_NoMemory(), -1) : 0;
    }
    if (*known & LOADED) {
        return reach(scan, &binding);
    }
    if (make_room(&scan->bindings, &scan->room, scan->count,
                  sizeof(*scan->bindings)) < 0) {
        return -1;
    }
    binding.before = *known >> 1;
    scan->bindings[scan->count++] = binding;
    *known = (long)scan->count << 1;
    return 0;
}

/* Names whose owner can get at every module, or at the body's own names. */
static int
is_wild(PyObject *name)
{
    static const char *const wild[] = {
        "exec", "eval", "globals", "locals", "vars", "__import__",
        "import_module", "modules", "__dict__",
    };
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    if (length < 4 || length > 13 || !PyUnicode_IS_ASCII(name)) {
        return 0;
    }
    const char *text = (const char *)PyUnicode_DATA(name);
    for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
        if (text[0] == wild[i][0] && strcmp(text, wild[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static int
is_setter(PyObject *name)
{
    return PyUnicode_CompareWithASCIIString(name, "setattr") == 0;
}

static void
note_names(scan_t *scan, PyCodeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_names); i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_names, i);
        scan->uses->uses_all |= !scan->is_perhaps && is_wild(name);
        scan->uses->sets_attributes |= is_setter(name);
    }
}

/* ---- instructions ------------------------------------------------------ */

static int
is_import_star(int opcode)
{
#ifdef IMPORT_STAR
    return opcode == IMPORT_STAR;
#else
    return opcode == CALL_INTRINSIC_1; /* after an import it is that one */
#endif
}

static int
bind_import(scan_t *scan, reading_t *reading, PyObject *name)
{
    if (!scan->uses) {
        return PySet_Add(scan->imported, name);
    }
    PyObject *item = reading->item ? reading->item : Py_None;
    return bind_name(scan, name,
                     (binding_t){.import = {reading->importing, item, 0}});
}

static int
bind_star(scan_t *scan, reading_t *reading)
{
    if (scan->uses) {
        return use(scan, reading->importing, NULL);
    }
    PyObject *star = PyUnicode_InternFromString("*");
    int failed = star ? PySet_Add(scan->imported, star) : -1;
    Py_XDECREF(star);
    return failed;
}

/* The instructions that follow an import, up to the last name bound. Only a
 * module's are looked at: what a function or class that runs imports, it will
 * use. 1: this was one of them. */
static int
read_import(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    PyObject *names = reading->code->co_names;
    switch (opcode) {
    case IMPORT_FROM:
        reading->item = reading->is_dotted ? NULL
                                           : PyTuple_GET_ITEM(names, argument);
        return 1;
    case SWAP: /* import a.b.c as d: walks from a to c */
        reading->is_dotted = 1;
        reading->item = NULL;
        return 1;
    case POP_TOP:
        return 1;
    case STORE_NAME:
    case STORE_GLOBAL:
        return bind_import(scan, reading, PyTuple_GET_ITEM(names, argument))
                       < 0 ? -1 : 1;
    default:
        if (is_import_star(opcode)) {
            return bind_star(scan, reading) < 0 ? -1 : 1;
        }
        reading->importing = NULL;
        return 0;
    }
}

/* Annotations of 3.14 are code that runs when somebody asks for them. */
static int
is_annotation(PyCodeObject *code)
{
    return PyUnicode_CompareWithASCIIString(code->co_name, "__annotate__")
           == 0;
}

static int
is_class(PyCodeObject *code)
{
    return !(code->co_flags & CO_OPTIMIZED);
}

/* A function by def; comprehensions and lambdas, <like> <this>, and classes
 * run where they stand, or soon. */
static int
is_named(PyCodeObject *code)
{
    return !is_class(code) && PyUnicode_READ_CHAR(code->co_name, 0) != '<';
}

/* The instructions that make a class, after its name: bases, the call with two
 * arguments if there are none, and if there is no decorator either, a name for
 * it. Bases and decorators may call its methods. */
static int
read_class(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    if (!reading->is_called) {
#ifdef PRECALL
        if (opcode == PRECALL && argument == 2) {
            return 0;
        }
#endif
        if (opcode == CALL && argument == 2) {
            reading->is_called = 1;
            return 0;
        }
    }
    PyObject *name = ((PyCodeObject *)reading->class)->co_name;
    reading->class = NULL;
    return reading->is_called
                   && (opcode == STORE_NAME || opcode == STORE_GLOBAL)
               ? 0 : defer(scan, NULL, name);
}

/* The instruction after a function was made: is it bound to a name? A method
 * may run when its class is in use. 1: that is all there is to it. */
static int
read_made(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    PyObject *made = reading->made;
#ifdef SET_FUNCTION_ATTRIBUTE
    if (opcode == SET_FUNCTION_ATTRIBUTE) {
        return 1;
    }
#endif
    reading->made = NULL;
    if (!scan->uses || is_annotation((PyCodeObject *)made)) {
        return 0;
    }
    if (opcode != STORE_NAME && opcode != STORE_GLOBAL) {
        if (is_class((PyCodeObject *)made)) {
            reading->class = made;
            reading->is_called = 0;
        }
        return is_named((PyCodeObject *)made) ? defer(scan, made, NULL)
                                              : add_code(scan, made);
    }
    PyObject *name = PyTuple_GET_ITEM(reading->code->co_names, argument);
    binding_t binding = {.code = made};
    int failed = bind_name(scan, name, binding) < 0
                 || (!reading->is_module && is_class(reading->code)
                     && bind_name(scan, reading->code->co_name, binding) < 0);
    return failed ? -1 : 1;
}

static int
read_instruction(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    PyObject *names = reading->code->co_names;
    switch (opcode) {
    case LOAD_NAME:
#ifdef LOAD_FROM_DICT_OR_GLOBALS
    case LOAD_FROM_DICT_OR_GLOBALS:
#endif
        return load_name(scan, PyTuple_GET_ITEM(names, argument));
    case LOAD_GLOBAL: /* its lowest bit says something else */
        return load_name(scan, PyTuple_GET_ITEM(names, argument >> 1));
    case LOAD_CONST: {
        PyObject *constant = PyTuple_GET_ITEM(reading->code->co_consts,
                                              argument);
        if (PyCode_Check(constant)) {
            reading->constant = constant;
        }
        return 0;
    }
    case MAKE_FUNCTION:
        reading->made = reading->constant;
        return 0;
    case STORE_NAME:
    case STORE_GLOBAL: /* a name that is bound again is the module's own */
        return scan->imported
                       && PySet_Discard(scan->imported,
                                        PyTuple_GET_ITEM(names, argument)) < 0
                   ? -1 : 0;
    case IMPORT_NAME:
        if (!reading->is_module) { /* only read for its uses */
            return use(scan, PyTuple_GET_ITEM(names, argument), NULL);
        }
        reading->importing = PyTuple_GET_ITEM(names, argument);
        reading->item = NULL;
        reading->is_dotted = 0;
        return 0;
    case STORE_ATTR:
    case DELETE_ATTR:
        if (scan->uses && !reading->is_function) {
            scan->uses->sets_attributes = 1;
        }
        return 0;
    default:
        return 0;
    }
}

static int
step(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    int done = 0;
    if (reading->class && read_class(scan, reading, opcode, argument) < 0) {
        return -1;
    }
    if (reading->made) {
        done = read_made(scan, reading, opcode, argument);
    }
    if (!done && reading->importing) {
        done = read_import(scan, reading, opcode, argument);
    }
    if (!done) {
        done = read_instruction(scan, reading, opcode, argument);
    }
    return done < 0 ? -1 : 0;
}

static int
read_code(scan_t *scan, PyCodeObject *code, int is_module)
{
    reading_t reading = {
        .code = code,
        .is_module = is_module,
        .is_function = (code->co_flags & CO_OPTIMIZED) != 0,
    };
    PyObject *bytes = PyCode_GetCode(code);
    if (!bytes) {
        return -1;
    }
    if (scan->uses) {
        note_names(scan, code);
    }
    const unsigned char *text = (unsigned char *)PyBytes_AS_STRING(bytes);
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    int failed = 0, high = 0;
    for (Py_ssize_t i = 0; i + 1 < size && !failed; i += 2) {
        int argument = high | text[i + 1];
        high = 0;
        if (text[i] == EXTENDED_ARG) {
            high = argument << 8;
        }
        else if (text[i] != CACHE) {
            failed = step(scan, &reading, text[i], argument);
        }
    }
    Py_DECREF(bytes);
    return failed;
}

/* ---- the whole --------------------------------------------------------- */

int
mp_uses_find(mp_uses_t *uses, PyObject *code)
{
    scan_t scan = {.uses = uses};
    memset(uses, 0, sizeof(*uses));
    int failed = add_code(&scan, code);
    size_t next = 0, other = 0;
    while (!failed) {
        if (next < uses->code_count) {
            failed = read_code(&scan, uses->codes[next], next == 0);
            next++;
        }
        else if (other < scan.other_count) {
            other_t perhaps = scan.others[other++];
            scan.is_perhaps = 1;
            failed = perhaps.code ? add_code(&scan, perhaps.code)
                                  : load_name(&scan, perhaps.name);
        }
        else {
            break;
        }
    }
    mp_addresses_clear(&scan.names);
    PyMem_Free(scan.bindings);
    PyMem_Free(scan.others);
    return failed ? -1 : 0;
}

void
mp_uses_clear(mp_uses_t *uses)
{
    PyMem_Free(uses->list);
    PyMem_Free(uses->codes);
    memset(uses, 0, sizeof(*uses));
}

mp_use_kind_t
mp_uses_has(const mp_uses_t *uses, PyObject *name, PyObject *item)
{
    mp_use_kind_t kind = uses->uses_all ? MP_USE_DIRECT : MP_USE_NONE;
    for (size_t i = 0; i < uses->count && kind < MP_USE_DIRECT; i++) {
        const mp_use_t *known = &uses->list[i];
        if (PyUnicode_Compare(known->name, name) == 0
            && (!item || !known->item
                || (known->item != Py_None
                    && PyUnicode_Compare(known->item, item) == 0))) {
            kind = known->is_direct ? MP_USE_DIRECT : MP_USE_PERHAPS;
        }
    }
    return kind;
}

PyObject *
mp_uses_names(const mp_uses_t *uses)
{
    PyObject *names = PySet_New(NULL);
    for (size_t i = 0; names && i < uses->code_count; i++) {
        PyObject *own = uses->codes[i]->co_names;
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(own); j++) {
            if (PySet_Add(names, PyTuple_GET_ITEM(own, j)) < 0) {
                Py_CLEAR(names);
                break;
            }
        }
    }
    return names;
}

PyObject *
mp_uses_imported(PyObject *code)
{
    scan_t scan = {.imported = PySet_New(NULL)};
    if (scan.imported && read_code(&scan, (PyCodeObject *)code, 1) < 0) {
        Py_CLEAR(scan.imported);
    }
    return scan.imported;
}
