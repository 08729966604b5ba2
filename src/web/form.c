/* form.c - FieldStorage: the fields of a request, as a mapping.
 *
 * Made by programs and by the publisher, once for each request. The fields
 * are rows of bytes in C until a program asks for one: then that one becomes
 * a StringField or Field, which its row keeps. As soon as a program asks for
 * the list, or changes something, all of them are made; from then on the list
 * is the truth and the rows are not looked at again. Rows stay where they are
 * to the end, because making any object may run other Python code. */
#include "runtime/python.h"

#include "web/form.h"

#include <string.h>

#include "runtime/text.h"
#include "web/field.h"
#include "web/form_body.h"
#include "web/form_rows.h"
#include "web/state.h"

/* ---- making it ---- */

/* A form that is being made. */
typedef struct {
    mp_form_t *form;
    mp_fields_t fields; /* they become the form's at the end: callbacks may
                           look at the form meanwhile, or begin it anew */
    PyObject *request;
    PyObject *file_callback; /* or NULL */
    PyObject *field_callback;
    int keep_blank;
} making_t;

/* Read the request. 0, or -1 with an exception. */
static int
fill(making_t *making)
{
    mp_form_t *form = making->form;
    if (!PyObject_TypeCheck(making->request,
                            form->state->types[MP_TYPE_REQUEST])) {
        PyErr_Format(PyExc_TypeError,
                     "FieldStorage() reads a request, not %.200s",
                     Py_TYPE(making->request)->tp_name);
        return -1;
    }
    mp_form_body_t body = {
        .state = form->state,
        .request = (mp_request_object_t *)making->request,
        .fields = &making->fields,
        .keep_blank = making->keep_blank,
        .file_callback = making->file_callback,
        .field_callback = making->field_callback,
    };
    const int failed = mp_form_body_read(&body);
    mp_form_rows_clear(form);
    form->fields = making->fields;
    strcpy(form->charset, body.charset);
    return failed;
}

PyObject *
mp_form_new(mp_state_t *state, PyObject *request, int keep_blank_values)
{
    PyTypeObject *type = state->types[MP_TYPE_FORM];
    mp_form_t *self = (mp_form_t *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->state = state;
    making_t making = {.form = self, .request = request,
                       .keep_blank = keep_blank_values};
    mp_fields_lend(&making.fields, self->few_bytes, sizeof(self->few_bytes),
                   self->few_rows,
                   sizeof(self->few_rows) / sizeof(self->few_rows[0]));
    if (fill(&making) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* The call of a type with whatever arguments. */
static PyObject *
call_as_type(PyObject *type, PyObject *const *args, Py_ssize_t count,
             PyObject *names)
{
    PyObject *tuple = PyTuple_New(count);
    PyObject *dict = names ? PyDict_New() : NULL;
    int failed = !tuple || (names && !dict) ? -1 : 0;
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; !failed && names && i < PyTuple_GET_SIZE(names);
         i++) {
        failed = PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i),
                                args[count + i]);
    }
    PyObject *result = failed ? NULL : PyType_Type.tp_call(type, tuple, dict);
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

/* FieldStorage(req) of this very type is called in nearly every program. */
static PyObject *
call_form(PyObject *type, PyObject *const *args, size_t flags,
          PyObject *names)
{
    const Py_ssize_t count = PyVectorcall_NARGS(flags);
    return count == 1 && !names
               ? mp_form_new(mp_state_of_type((PyTypeObject *)type), args[0],
                             0)
               : call_as_type(type, args, count, names);
}

int
mp_form_add(mp_state_t *state)
{
    state->types[MP_TYPE_FORM]->tp_vectorcall = call_form;
    return 0;
}

static PyObject *
new_form(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    mp_form_t *self = (mp_form_t *)type->tp_alloc(type, 0);
    if (self) {
        self->state = mp_state_current();
    }
    return (PyObject *)self;
}

/* None is no callback; *callback becomes NULL then. */
static int
check_callback(PyObject **callback, const char *name)
{
    if (!*callback || *callback == Py_None) {
        *callback = NULL;
        return 0;
    }
    if (PyCallable_Check(*callback)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s must be callable or None, not %.200s",
                 name, Py_TYPE(*callback)->tp_name);
    return -1;
}

static int
init_form(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "keep_blank_values", "strict_parsing",
                            "file_callback", "field_callback", NULL};
    PyObject *strict;
    making_t making = {.form = (mp_form_t *)object};
    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "O|pOOO:FieldStorage", names, &making.request,
            &making.keep_blank, &strict, &making.file_callback,
            &making.field_callback)
        || check_callback(&making.file_callback, "file_callback") < 0
        || check_callback(&making.field_callback, "field_callback") < 0) {
        return -1;
    }
    return fill(&making);
}

static int
traverse_form(PyObject *object, visitproc visit, void *arg)
{
    mp_form_t *self = (mp_form_t *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->dict);
    return mp_form_rows_traverse(self, visit, arg);
}

static int
clear_form(PyObject *object)
{
    mp_form_t *self = (mp_form_t *)object;
    Py_CLEAR(self->dict);
    mp_form_rows_clear(self);
    return 0;
}

static void
dealloc_form(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (((mp_form_t *)object)->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    clear_form(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- looking ---- */

/* The value of a name; *is_missing without an exception. */
static PyObject *
find_value(mp_form_t *self, PyObject *name)
{
    PyObject *list = NULL;
    PyObject *first = mp_form_rows_find(self, name, &list);
    if (!list) {
        return first;
    }
    Py_XDECREF(first);
    return list;
}

static PyObject *
form_subscript(PyObject *self, PyObject *name)
{
    PyObject *value = find_value((mp_form_t *)self, name);
    if (!value && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, name);
    }
    return value;
}

/* value, or the default when there is none and no exception. */
static PyObject *
or_default(PyObject *value, PyObject *otherwise)
{
    return value || PyErr_Occurred() ? value : Py_NewRef(otherwise);
}

/* The arguments of get() and getfirst(): a name, then a default by position or
 * by its name. 0, or -1 with TypeError. */
static int
parse_default(PyObject *const *args, Py_ssize_t count, PyObject *names,
              const char *method, PyObject **name, PyObject **otherwise)
{
    static const char *const known[] = {"name", "default"};
    PyObject *given[2] = {NULL, Py_None};
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count && i < 2; i++) {
        given[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        int at = 0;
        while (at < 2 && PyUnicode_CompareWithASCIIString(
                             PyTuple_GET_ITEM(names, i), known[at])) {
            at++;
        }
        if (at == 2 || at < count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected argument %R",
                         method, PyTuple_GET_ITEM(names, i));
            return -1;
        }
        given[at] = args[count + i];
    }
    if (count > 2 || !given[0]) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes a name and a default, %zd arguments were "
                     "given", method, count + named);
        return -1;
    }
    *name = given[0];
    *otherwise = given[1];
    return 0;
}

static PyObject *
form_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
         PyObject *names)
{
    PyObject *name, *otherwise;
    if (parse_default(args, count, names, "get", &name, &otherwise) < 0) {
        return NULL;
    }
    return or_default(find_value((mp_form_t *)self, name), otherwise);
}

static PyObject *
form_getfirst(PyObject *self, PyObject *const *args, Py_ssize_t count,
              PyObject *names)
{
    PyObject *name, *otherwise;
    if (parse_default(args, count, names, "getfirst", &name, &otherwise) < 0) {
        return NULL;
    }
    return or_default(mp_form_rows_find((mp_form_t *)self, name, NULL),
                      otherwise);
}

static PyObject *
form_getlist(PyObject *self, PyObject *name)
{
    PyObject *list = NULL;
    PyObject *first = mp_form_rows_find((mp_form_t *)self, name, &list);
    if (!list && !PyErr_Occurred()) {
        list = PyList_New(0);
        if (list && first && PyList_Append(list, first) < 0) {
            Py_CLEAR(list);
        }
    }
    Py_XDECREF(first);
    return list;
}

static int
form_contains(PyObject *self, PyObject *name)
{
    PyObject *first = mp_form_rows_find((mp_form_t *)self, name, NULL);
    Py_XDECREF(first);
    return first ? 1 : (PyErr_Occurred() ? -1 : 0);
}

static PyObject *
form_has_key(PyObject *self, PyObject *name)
{
    const int found = form_contains(self, name);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

static PyObject *
form_keys(PyObject *self, PyObject *unused)
{
    return mp_form_rows_names((mp_form_t *)self);
}

static Py_ssize_t
form_length(PyObject *self)
{
    PyObject *names = mp_form_rows_names((mp_form_t *)self);
    const Py_ssize_t length = names ? PyList_GET_SIZE(names) : -1;
    Py_XDECREF(names);
    return length;
}

static PyObject *
form_iter(PyObject *self)
{
    PyObject *names = mp_form_rows_names((mp_form_t *)self);
    PyObject *iterator = names ? PyObject_GetIter(names) : NULL;
    Py_XDECREF(names);
    return iterator;
}

static PyObject *
form_items(PyObject *self, PyObject *unused)
{
    mp_form_t *form = (mp_form_t *)self;
    PyObject *list = mp_form_rows_list(form); /* borrowed */
    PyObject *items = list ? PyList_New(0) : NULL;
    Py_XINCREF(list);
    for (Py_ssize_t i = 0; items && i < PyList_GET_SIZE(list); i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *name = mp_field_name(form->state, field);
        PyObject *item = name ? PyTuple_Pack(2, name, field) : NULL;
        if (!item || PyList_Append(items, item) < 0) {
            Py_CLEAR(items);
        }
        Py_DECREF(field);
        Py_XDECREF(name);
        Py_XDECREF(item);
    }
    Py_XDECREF(list);
    return items;
}

static PyObject *
form_repr(PyObject *self)
{
    PyObject *list = mp_form_rows_list((mp_form_t *)self);
    return list ? PyObject_Repr(list) : NULL;
}

/* ---- changing ---- */

/* A field of this value: a StringField, unless it is a Field already. */
static PyObject *
make_field(mp_form_t *self, PyObject *name, PyObject *value)
{
    mp_part_t *none = NULL;
    if (mp_file_field_check(self->state, value)) {
        return Py_NewRef(value);
    }
    PyObject *text = PyBytes_Check(value)
        ? mp_part_decode(PyBytes_AS_STRING(value),
                         (size_t)PyBytes_GET_SIZE(value), self->charset)
        : PyObject_Str(value);
    PyObject *field = text ? mp_string_field_new(self->state, text, name,
                                                 &none) : NULL;
    Py_XDECREF(text);
    return field;
}

static int
add_field(mp_form_t *self, PyObject *name, PyObject *value)
{
    PyObject *field = make_field(self, name, value);
    PyObject *list = field ? mp_form_rows_list(self) : NULL;
    const int failed = list ? PyList_Append(list, field) : -1;
    Py_XDECREF(field);
    return failed;
}

/* Take the fields of a name off the list. Their number, or -1. */
static Py_ssize_t
remove_fields(mp_form_t *self, PyObject *name)
{
    PyObject *list = mp_form_rows_list(self);
    Py_ssize_t removed = 0;
    if (!list) {
        return -1;
    }
    Py_INCREF(list);
    for (Py_ssize_t i = 0; removed >= 0 && i < PyList_GET_SIZE(list);) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *own = mp_field_name(self->state, field);
        const int same = own ? PyObject_RichCompareBool(own, name, Py_EQ) : -1;
        Py_XDECREF(own);
        Py_DECREF(field);
        if (same < 0 || (same && PyList_SetSlice(list, i, i + 1, NULL) < 0)) {
            removed = -1;
        }
        else if (same) {
            removed++;
        }
        else {
            i++;
        }
    }
    Py_DECREF(list);
    return removed;
}

static int
form_assign(PyObject *object, PyObject *name, PyObject *value)
{
    mp_form_t *self = (mp_form_t *)object;
    const Py_ssize_t removed = remove_fields(self, name);
    if (removed < 0) {
        return -1;
    }
    if (value) {
        return add_field(self, name, value);
    }
    if (!removed) {
        PyErr_SetObject(PyExc_KeyError, name);
        return -1;
    }
    return 0;
}

static PyObject *
form_add_field(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "value", NULL};
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:add_field", names,
                                     &name, &value)
        || add_field((mp_form_t *)self, name, value) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
set_list(PyObject *object, PyObject *value, void *unused)
{
    mp_form_t *self = (mp_form_t *)object;
    PyObject *list = PyObject_CallFunctionObjArgs(
        (PyObject *)self->state->types[MP_TYPE_FIELD_LIST], value, NULL);
    if (list) {
        Py_XSETREF(self->list, list);
    }
    return list ? 0 : -1;
}

static PyObject *
get_list(PyObject *self, void *unused)
{
    return Py_XNewRef(mp_form_rows_list((mp_form_t *)self));
}

static PyObject *
form_clear(PyObject *self, PyObject *unused)
{
    if (set_list(self, NULL, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the type ---- */

#define PLAIN(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef form_methods[] = {
    {"get", PLAIN(form_get), METH_FASTCALL | METH_KEYWORDS,
     "get($self, name, default=None)\n--\n\n"
     "The value: a StringField or Field, a list when there are several, or\n"
     "the default."},
    {"getfirst", PLAIN(form_getfirst), METH_FASTCALL | METH_KEYWORDS,
     "getfirst($self, name, default=None)\n--\n\n"
     "The first value of this name, or the default."},
    {"getlist", form_getlist, METH_O,
     "getlist($self, name, /)\n--\n\n"
     "All values of this name: a list, empty when there is none."},
    {"keys", form_keys, METH_NOARGS,
     "keys($self)\n--\n\n"
     "The names, each once, in the order of the form: list of str."},
    {"items", form_items, METH_NOARGS,
     "items($self)\n--\n\n"
     "Pairs of name and value, in the order of the form: list of tuple."},
    {"has_key", form_has_key, METH_O,
     "has_key($self, name, /)\n--\n\nIs there a field of this name? bool."},
    {"add_field", PLAIN(form_add_field), METH_VARARGS | METH_KEYWORDS,
     "add_field($self, name, value)\n--\n\n"
     "Append a field; others of its name stay."},
    {"clear", form_clear, METH_NOARGS,
     "clear($self)\n--\n\nRemove all fields."},
    {NULL, NULL, 0, NULL}
};

static PyGetSetDef form_attributes[] = {
    {"list", get_list, set_list,
     "The fields in the order of the form: FieldList.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyMemberDef form_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(mp_form_t, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(mp_form_t, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot form_slots[] = {
    {Py_tp_doc,
     "FieldStorage(req, keep_blank_values=0, strict_parsing=0,\n"
     "file_callback=None, field_callback=None)\n\n"
     "The fields of a request, a mapping from names (str) to StringField,\n"
     "to Field for files, or to a list of these when there are several.\n"
     "Those of the query string come first, then those of the body, which is\n"
     "read here, for POST only; SERVER_RETURN with 400 when it is no form,\n"
     "413 when it exceeds a limit, 501 when it is of another type; OSError\n"
     "when the client goes away.\n\n"
     "keep_blank_values: keep empty values of the query string and of\n"
     "urlencoded bodies. strict_parsing: ignored. file_callback(filename):\n"
     "gives the object that a file is written to. field_callback(): the same\n"
     "for values of multipart bodies."},
    {Py_tp_new, new_form},
    {Py_tp_init, init_form},
    {Py_tp_dealloc, dealloc_form},
    {Py_tp_traverse, traverse_form},
    {Py_tp_clear, clear_form},
    {Py_tp_repr, form_repr},
    {Py_tp_iter, form_iter},
    {Py_mp_length, form_length},
    {Py_mp_subscript, form_subscript},
    {Py_mp_ass_subscript, form_assign},
    {Py_sq_contains, form_contains},
    {Py_tp_methods, form_methods},
    {Py_tp_getset, form_attributes},
    {Py_tp_members, form_members},
    {0, NULL}
};

PyType_Spec mp_form_spec = {
    .name = "mod_python.util.FieldStorage",
    .basicsize = sizeof(mp_form_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = form_slots,
};

/* ---- FieldList ---- */

/* Append value to the list of name in table. 0 or -1. */
static int
add_to_table(PyObject *table, PyObject *name, PyObject *value)
{
    PyObject *values = PyDict_GetItemWithError(table, name); /* borrowed */
    if (values) {
        return PyList_Append(values, value);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    values = PyList_New(0);
    const int failed = values && PyList_Append(values, value) == 0
                           ? PyDict_SetItem(table, name, values) : -1;
    Py_XDECREF(values);
    return failed;
}

static PyObject *
list_table(PyObject *self, PyObject *unused)
{
    PyObject *table = PyDict_New();
    for (Py_ssize_t i = 0; table && i < PyList_GET_SIZE(self); i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(self, i));
        PyObject *name = mp_field_name(mp_state_current(), field);
        if (!name || add_to_table(table, name, field) < 0) {
            Py_CLEAR(table);
        }
        Py_XDECREF(name);
        Py_DECREF(field);
    }
    return table;
}

static PyMethodDef list_methods[] = {
    {"table", list_table, METH_NOARGS,
     "table($self)\n--\n\nThe fields by name: dict of str to list."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot list_slots[] = {
    {Py_tp_doc, "The fields of a form, a list."},
    {Py_tp_methods, list_methods},
    {0, NULL}
};

PyType_Spec mp_field_list_spec = {
    .name = "mod_python.util.FieldList",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = list_slots,
};
