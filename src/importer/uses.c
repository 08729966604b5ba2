/* uses.c - reads the code of a module body for what it does with imports.
 *
 * The scan begins with the module's code and follows names: a name that is
 * loaded brings in what was bound to it, an import (which is then used) or a
 * function of the module (whose code may run, so it is scanned as well). Code
 * that is handed on instead of being bound to a name (a class body, a lambda,
 * a decorated function) may run at once. When in doubt, an import is used.
 *
 * Opcodes are those of the Python this was compiled for; their numbers and
 * meanings are the same within 3.x. PyCode_GetCode() gives the code without
 * what the interpreter has made of it meanwhile, with zeroed caches. */
#include "runtime/python.h"

#include "importer/uses.h"

#include <string.h>

#include <opcode.h>

/* One code object while it is read. */
typedef struct {
    PyCodeObject *code;
    int is_module;
    int is_function;     /* neither the module's nor a class's */
    PyObject *importing; /* the import whose names are being bound, or NULL */
    PyObject *constant;  /* the code object that was loaded last, or NULL */
    PyObject *made;      /* the code of the function just made, or NULL */
} reading_t;

typedef struct {
    mp_uses_t *uses;    /* NULL: only imported is wanted */
    PyObject *loaded;   /* set: names */
    PyObject *bound;    /* dict: name -> what: str, an import; a code object;
                           a list of them */
    PyObject *pending;  /* list: code objects to be read, module first */
    PyObject *imported; /* set: names that the module binds by import */
} scan_t;

/* ---- names ------------------------------------------------------------- */

static int
use(scan_t *scan, PyObject *import)
{
    return scan->uses ? PySet_Add(scan->uses->used, import) : 0;
}

/* What a name stands for has come into the body's hands. */
static int
reach(scan_t *scan, PyObject *what)
{
    if (PyUnicode_Check(what)) {
        return use(scan, what);
    }
    if (PyCode_Check(what)) {
        return PyList_Append(scan->pending, what);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(what); i++) {
        if (reach(scan, PyList_GET_ITEM(what, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
load_name(scan_t *scan, PyObject *name)
{
    Py_ssize_t before = PySet_GET_SIZE(scan->loaded);
    if (!scan->uses) {
        return 0;
    }
    if (PySet_Add(scan->loaded, name) < 0) {
        return -1;
    }
    if (PySet_GET_SIZE(scan->loaded) == before) {
        return 0;
    }
    PyObject *what = PyDict_GetItemWithError(scan->bound, name);
    return what ? reach(scan, what) : (PyErr_Occurred() ? -1 : 0);
}

/* name comes to mean `what` (too). */
static int
bind_name(scan_t *scan, PyObject *name, PyObject *what)
{
    if (!scan->uses) {
        return 0;
    }
    int is_loaded = PySet_Contains(scan->loaded, name);
    if (is_loaded) {
        return is_loaded < 0 ? -1 : reach(scan, what);
    }
    PyObject *present = PyDict_GetItemWithError(scan->bound, name);
    if (!present) {
        return PyErr_Occurred() ? -1
                                : PyDict_SetItem(scan->bound, name, what);
    }
    if (PyList_CheckExact(present)) {
        return PyList_Append(present, what);
    }
    PyObject *both = Py_BuildValue("[OO]", present, what);
    int failed = both ? PyDict_SetItem(scan->bound, name, both) : -1;
    Py_XDECREF(both);
    return failed;
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
        scan->uses->uses_all |= is_wild(name);
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

/* The instructions that follow an import, up to the last name bound. Only a
 * module's are looked at: what a function or class that runs imports, it will
 * use. 1: this was one of them. */
static int
read_import(scan_t *scan, reading_t *reading, int opcode, int argument)
{
    if (opcode == IMPORT_FROM || opcode == SWAP || opcode == POP_TOP) {
        return 1;
    }
    if (is_import_star(opcode)) {
        PyObject *star = PyUnicode_InternFromString("*");
        int failed = !star || PySet_Add(scan->imported, star) < 0
                     || use(scan, reading->importing) < 0;
        Py_XDECREF(star);
        return failed ? -1 : 1;
    }
    if (opcode == STORE_NAME || opcode == STORE_GLOBAL) {
        PyObject *name = PyTuple_GET_ITEM(reading->code->co_names, argument);
        return PySet_Add(scan->imported, name) < 0
                       || bind_name(scan, name, reading->importing) < 0
                   ? -1 : 1;
    }
    reading->importing = NULL;
    return 0;
}

/* Annotations of 3.14 are code that runs when somebody asks for them. */
static int
is_annotation(PyCodeObject *code)
{
    return PyUnicode_CompareWithASCIIString(code->co_name, "__annotate__")
           == 0;
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
    if (is_annotation((PyCodeObject *)made)) {
        return 0;
    }
    if (opcode != STORE_NAME && opcode != STORE_GLOBAL) {
        return PyList_Append(scan->pending, made) < 0 ? -1 : 0;
    }
    PyObject *name = PyTuple_GET_ITEM(reading->code->co_names, argument);
    int failed = bind_name(scan, name, made) < 0
                 || (!reading->is_module && !reading->is_function
                     && bind_name(scan, reading->code->co_name, made) < 0);
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
        return PySet_Discard(scan->imported, PyTuple_GET_ITEM(names, argument))
                       < 0 ? -1 : 0;
    case IMPORT_NAME:
        if (!reading->is_module) {
            return use(scan, PyTuple_GET_ITEM(names, argument));
        }
        reading->importing = PyTuple_GET_ITEM(names, argument);
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

static int
begin(scan_t *scan, PyObject *code)
{
    scan->loaded = PySet_New(NULL);
    scan->bound = PyDict_New();
    scan->imported = PySet_New(NULL);
    scan->pending = PyList_New(0);
    return scan->loaded && scan->bound && scan->imported && scan->pending
               ? PyList_Append(scan->pending, code) : -1;
}

static void
end(scan_t *scan)
{
    Py_XDECREF(scan->loaded);
    Py_XDECREF(scan->bound);
    Py_XDECREF(scan->imported);
    Py_XDECREF(scan->pending);
}

/* Read what is pending, but not twice what has two names. */
static int
read_pending(scan_t *scan, PyObject *seen)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(scan->pending); i++) {
        PyObject *code = PyList_GET_ITEM(scan->pending, i);
        PyObject *address = PyLong_FromVoidPtr(code);
        Py_ssize_t before = PySet_GET_SIZE(seen);
        int failed = address ? PySet_Add(seen, address) : -1;
        Py_XDECREF(address);
        if (!failed && PySet_GET_SIZE(seen) > before) {
            failed = read_code(scan, (PyCodeObject *)code, i == 0);
        }
        if (failed) {
            return -1;
        }
    }
    return 0;
}

int
mp_uses_find(mp_uses_t *uses, PyObject *code)
{
    scan_t scan = {.uses = uses};
    memset(uses, 0, sizeof(*uses));
    uses->used = PySet_New(NULL);
    PyObject *seen = PySet_New(NULL);
    int failed = uses->used && seen ? begin(&scan, code) : -1;
    if (!failed) {
        failed = read_pending(&scan, seen);
    }
    end(&scan);
    Py_XDECREF(seen);
    return failed;
}

void
mp_uses_clear(mp_uses_t *uses)
{
    Py_CLEAR(uses->used);
}

PyObject *
mp_uses_imported(PyObject *code)
{
    scan_t scan = {.uses = NULL};
    int failed = begin(&scan, code);
    if (!failed) {
        failed = read_code(&scan, (PyCodeObject *)code, 1);
    }
    PyObject *imported = failed ? NULL : Py_NewRef(scan.imported);
    end(&scan);
    return imported;
}
