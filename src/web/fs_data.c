/* fs_data.c - calls a function with the fields of a form (apply_fs_data).
 *
 * Called for each page that the publisher serves, and by programs. What a
 * function accepts is read from its code object, where the names lie ready;
 * its arguments are made from the rows of the form without a field object in
 * between. Owns nothing. */
#include "runtime/python.h"

#include "web/fs_data.h"

#include <string.h>

#include "web/field.h"
#include "web/form.h"
#include "web/form_rows.h"
#include "web/state.h"

#define FEW 16  /* arguments that need no memory of their own */
#define DEEP 16 /* objects that are called by way of others */

/* What to call, and what it accepts. */
typedef struct {
    PyObject *callable; /* owned */
    PyCodeObject *code; /* owned; NULL: nobody knows what it accepts */
    int first;          /* arguments that are given by the call itself */
    int by_name;        /* all must be given by name */
} target_t;

/* What an argument may come from. */
typedef struct {
    mp_state_t *state;
    mp_form_t *rows;          /* borrowed; or NULL, */
    PyObject *list;           /* and then the fields; owned */
    PyObject *const *names;   /* the caller's own arguments */
    PyObject *const *values;
    Py_ssize_t count;
} source_t;

/* ---- signatures ---- */

static void
set_code(target_t *target, PyObject *function, int first)
{
    target->code = (PyCodeObject *)Py_NewRef(PyFunction_GET_CODE(function));
    target->first += first;
}

/* __init__ or __new__ of a class, if it is written in Python. */
static int
look_at_class(mp_state_t *state, target_t *target, PyObject *type)
{
    const mp_web_t *web = mp_web_of(state);
    PyObject *const names[] = {web->names.__init__, web->names.__new__};
    target->by_name = 1;
    for (int i = 0; i < 2 && !target->code; i++) {
        PyObject *method = PyObject_GetAttr(type, names[i]);
        if (!method) {
            return -1;
        }
        if (PyFunction_Check(method)) {
            set_code(target, method, 1);
        }
        Py_DECREF(method);
    }
    return 0;
}

/* Go from an instance to its __call__, of the class or its own. 1 when there
 * is more to look at, 0, or -1. */
static int
look_at_call(mp_state_t *state, target_t *target)
{
    PyObject *call;
    const int found = PyObject_GetOptionalAttr(
        target->callable, mp_web_of(state)->names.__call__,
        &call);
    if (found <= 0) {
        return found;
    }
    if (!PyFunction_Check(call) && !PyMethod_Check(call)
        && !PyType_HasFeature(Py_TYPE(call), Py_TPFLAGS_HEAPTYPE)) {
        Py_DECREF(call); /* of C: as good as the object itself */
        return 0;
    }
    Py_SETREF(target->callable, call);
    return 1;
}

/* 0 or -1. */
static int
find_signature(mp_state_t *state, target_t *target)
{
    for (int i = 0; i < DEEP; i++) {
        PyObject *callable = target->callable;
        if (PyMethod_Check(callable)
            && PyFunction_Check(PyMethod_GET_FUNCTION(callable))) {
            set_code(target, PyMethod_GET_FUNCTION(callable), 1);
            return 0;
        }
        if (PyFunction_Check(callable)) {
            set_code(target, callable, 0);
            return 0;
        }
        if (PyType_Check(callable)) {
            return look_at_class(state, target, callable);
        }
        const int more = look_at_call(state, target);
        if (more <= 0) {
            return more;
        }
    }
    return 0;
}

/* ---- arguments ---- */

/* The caller's own argument of this name, borrowed, or NULL. */
static PyObject *
find_given(const source_t *source, PyObject *name)
{
    const Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    for (Py_ssize_t i = 0; i < source->count; i++) {
        PyObject *given = source->names[i];
        if (given == name
            || (PyUnicode_GET_LENGTH(given) == length
                && PyUnicode_Compare(given, name) == 0)) {
            return source->values[i];
        }
    }
    return NULL;
}

/* One more value of a name: *value becomes it, or a list. Steals next, which
 * may be NULL. 0 or -1. */
static int
join(PyObject **value, PyObject *next)
{
    int failed = next ? 0 : -1;
    if (next && !*value) {
        *value = next;
        return 0;
    }
    if (next && !PyList_CheckExact(*value)) {
        PyObject *list = PyList_New(1);
        if (list) {
            PyList_SET_ITEM(list, 0, *value);
            *value = list;
        }
        failed = list ? 0 : -1;
    }
    if (!failed) {
        failed = PyList_Append(*value, next);
    }
    Py_XDECREF(next);
    return failed;
}

static PyObject *
gather_rows(const source_t *source, PyObject *name)
{
    mp_form_t *form = source->rows;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    PyObject *value = NULL;
    if (!text) {
        return NULL;
    }
    for (size_t i = 0; i < form->fields.count; i++) {
        if (mp_form_rows_is(form, i, text, (size_t)size)
            && join(&value, mp_form_rows_argument(form, i)) < 0) {
            Py_CLEAR(value);
            break;
        }
    }
    return value;
}

static PyObject *
gather_list(const source_t *source, PyObject *name)
{
    PyObject *value = NULL;
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(source->list);
         i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(source->list, i));
        PyObject *own = mp_field_name(source->state, field);
        const int same = own ? PyObject_RichCompareBool(own, name, Py_EQ) : -1;
        if (same > 0) {
            failed = join(&value, mp_field_argument(source->state, field));
        }
        else if (same < 0) {
            failed = -1;
        }
        Py_XDECREF(own);
        Py_DECREF(field);
    }
    if (failed) {
        Py_CLEAR(value);
    }
    return value;
}

/* The argument of this name: new reference; NULL when there is none, with an
 * exception only if something failed. */
static PyObject *
gather(const source_t *source, PyObject *name)
{
    PyObject *given = find_given(source, name);
    if (given) {
        return Py_NewRef(given);
    }
    return source->rows ? gather_rows(source, name)
                        : gather_list(source, name);
}

/* ---- the call ---- */

typedef struct {
    PyObject **values;  /* positional ones, then those by name; owned */
    PyObject *names;    /* of those by name: list */
    Py_ssize_t count;   /* of all */
    Py_ssize_t positional;
} arguments_t;

/* Collect what the function accepts and there is. Arguments go by position as
 * long as none is missing, because that is the fastest. 0 or -1. */
static int
collect(const source_t *source, const target_t *target,
        arguments_t *arguments)
{
    const PyCodeObject *code = target->code;
    const int last = code->co_argcount + code->co_kwonlyargcount;
    int is_leading = !target->by_name;
    for (int i = target->first; i < last; i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_localsplusnames, i);
        const int is_unnamed = i < code->co_posonlyargcount;
        is_leading = is_leading && i < code->co_argcount && !is_unnamed;
        PyObject *value = is_unnamed ? NULL : gather(source, name);
        if (!value) {
            is_leading = 0;
            if (PyErr_Occurred()) {
                return -1;
            }
            continue;
        }
        arguments->values[arguments->count++] = value;
        if (is_leading) {
            arguments->positional++;
            continue;
        }
        if (!arguments->names) {
            arguments->names = PyList_New(0);
        }
        if (!arguments->names || PyList_Append(arguments->names, name) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
call_collected(const source_t *source, const target_t *target)
{
    const int most = target->code->co_argcount
                     + target->code->co_kwonlyargcount;
    PyObject *few[FEW + 1];
    PyObject **room = most <= FEW
        ? few : PyMem_Malloc(((size_t)most + 1) * sizeof(PyObject *));
    if (!room) {
        return PyErr_NoMemory();
    }
    /* the first place is for the call: a method puts its object there */
    arguments_t arguments = {.values = room + 1};
    PyObject *result = NULL, *names = NULL;
    int failed = collect(source, target, &arguments);
    if (!failed && arguments.names) {
        names = PyList_AsTuple(arguments.names);
        failed = names ? 0 : -1;
    }
    if (!failed) {
        result = PyObject_Vectorcall(
            target->callable, arguments.values,
            (size_t)arguments.positional | PY_VECTORCALL_ARGUMENTS_OFFSET,
            names);
    }
    for (Py_ssize_t i = 0; i < arguments.count; i++) {
        Py_DECREF(arguments.values[i]);
    }
    Py_XDECREF(arguments.names);
    Py_XDECREF(names);
    if (room != few) {
        PyMem_Free(room);
    }
    return result;
}

/* Enter every field of the list into dict, but for those that the caller
 * gives. 0 or -1. */
static int
enter_list(const source_t *source, PyObject *list, PyObject *dict)
{
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(list); i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *name = mp_field_name(source->state, field);
        failed = name ? 0 : -1;
        if (name && PyUnicode_Check(name) && !find_given(source, name)) {
            PyObject *value = Py_XNewRef(PyDict_GetItemWithError(dict, name));
            failed = join(&value, mp_field_argument(source->state, field));
            if (!failed) {
                failed = PyDict_SetItem(dict, name, value);
            }
            Py_XDECREF(value);
        }
        Py_XDECREF(name);
        Py_DECREF(field);
    }
    return failed;
}

/* For functions that take **any. */
static PyObject *
call_with_all(const source_t *source, const target_t *target)
{
    PyObject *list = source->rows ? mp_form_rows_list(source->rows)
                                  : source->list;
    PyObject *dict = list ? PyDict_New() : NULL;
    int failed = dict ? 0 : -1;
    Py_XINCREF(list);
    for (Py_ssize_t i = 0; !failed && i < source->count; i++) {
        failed = PyDict_SetItem(dict, source->names[i], source->values[i]);
    }
    if (!failed) {
        failed = enter_list(source, list, dict);
    }
    PyObject *result = failed ? NULL
                              : PyObject_VectorcallDict(target->callable,
                                                        NULL, 0, dict);
    Py_XDECREF(list);
    Py_XDECREF(dict);
    return result;
}

static PyObject *
call_target(const source_t *source, const target_t *target)
{
    if (!target->code) {
        return PyObject_CallNoArgs(target->callable);
    }
    return target->code->co_flags & CO_VARKEYWORDS
               ? call_with_all(source, target)
               : call_collected(source, target);
}

/* Where the fields of form are. 0 or -1. */
static int
open_form(source_t *source, PyObject *form)
{
    if (PyObject_TypeCheck(form, source->state->types[MP_TYPE_FORM])
        && !((mp_form_t *)form)->list) {
        source->rows = (mp_form_t *)form;
        return 0;
    }
    PyObject *list = PyObject_GetAttr(
        form, mp_web_of(source->state)->names.list);
    source->list = list ? PySequence_List(list) : NULL;
    Py_XDECREF(list);
    return source->list ? 0 : -1;
}

static PyObject *
apply(source_t *source, PyObject *callable, PyObject *form)
{
    target_t target = {.callable = Py_NewRef(callable)};
    PyObject *result = NULL;
    if (open_form(source, form) == 0
        && find_signature(source->state, &target) == 0) {
        result = call_target(source, &target);
    }
    Py_XDECREF(source->list);
    Py_DECREF(target.callable);
    Py_XDECREF(target.code);
    return result;
}

PyObject *
mp_fs_data_apply(mp_state_t *state, PyObject *callable, PyObject *form,
                 PyObject *request)
{
    source_t source = {
        .state = state,
        .names = &mp_web_of(state)->names.req,
        .values = &request,
        .count = request ? 1 : 0,
    };
    return apply(&source, callable, form);
}

static PyObject *
apply_fs_data(PyObject *self, PyObject *const *args, Py_ssize_t count,
              PyObject *names)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError,
                     "apply_fs_data() takes an object and a form, %zd "
                     "arguments were given", count);
        return NULL;
    }
    source_t source = {
        .state = mp_state_of_module(self),
        .names = names ? &PyTuple_GET_ITEM(names, 0) : NULL,
        .values = args + count,
        .count = names ? PyTuple_GET_SIZE(names) : 0,
    };
    return apply(&source, args[0], args[1]);
}

PyMethodDef mp_fs_data_functions[] = {
    {"apply_fs_data", (PyCFunction)(void (*)(void))apply_fs_data,
     METH_FASTCALL | METH_KEYWORDS,
     "apply_fs_data(object, fs, /, **args)\n\n"
     "Call object with the fields that its signature accepts."},
    {NULL, NULL, 0, NULL}
};
