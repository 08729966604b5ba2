/* form_rows.c - the fields behind a FieldStorage: rows in C, and the list that
 * takes their place.
 *
 * Called by the type and by apply_fs_data(). Owns the objects and parts that
 * hang on the rows. The surprising rule: after anything that makes an object,
 * self->list may be there all of a sudden, because a collection may run any
 * code; rows are still good then, only no longer the truth. */
#include "runtime/python.h"

#include "web/form_rows.h"

#include <string.h>

#include "web/field.h"
#include "web/state.h"

/* With more fields than these, names are looked up in an index. */
#define MANY 16

void
mp_form_rows_clear(mp_form_t *self)
{
    mp_fields_t fields = self->fields;
    memset(&self->fields, 0, sizeof(self->fields));
    self->charset[0] = '\0';
    Py_CLEAR(self->list);
    Py_CLEAR(self->index);
    for (size_t i = 0; i < fields.count; i++) {
        Py_XDECREF((PyObject *)fields.rows[i].object);
        mp_part_destroy(fields.rows[i].part);
    }
    mp_fields_free(&fields);
}

int
mp_form_rows_traverse(mp_form_t *self, visitproc visit, void *arg)
{
    for (size_t i = 0; i < self->fields.count; i++) {
        const mp_part_t *part = self->fields.rows[i].part;
        Py_VISIT((PyObject *)self->fields.rows[i].object);
        if (part) {
            Py_VISIT(part->file);
        }
    }
    Py_VISIT(self->list);
    Py_VISIT(self->index);
    return 0;
}

/* ---- rows ---- */

static PyObject *
decode_name(const mp_form_t *self, const mp_field_t *row)
{
    const mp_part_t *part = row->part;
    if (row->object) {
        return mp_field_name(self->state, row->object);
    }
    if (part && part->is_nameless) {
        Py_RETURN_NONE;
    }
    return mp_part_decode(self->fields.text + row->name, row->name_size,
                          self->charset);
}

static PyObject *
decode_value(const mp_form_t *self, const mp_field_t *row)
{
    return mp_part_decode(self->fields.text + row->value, row->value_size,
                          self->charset);
}

/* The StringField or Field of a row, which keeps it. name: if it is at hand.
 * New reference. */
static PyObject *
make_object(mp_form_t *self, size_t number, PyObject *name)
{
    mp_field_t *row = &self->fields.rows[number];
    if (row->object) {
        return Py_NewRef((PyObject *)row->object);
    }
    PyObject *own = name ? Py_NewRef(name) : decode_name(self, row);
    PyObject *object = NULL;
    mp_part_t *part = row->part;
    const int is_file = part && part->is_file;
    PyObject *text = own && !is_file ? decode_value(self, row) : NULL;
    if (!own || (!is_file && !text)) {
        goto done;
    }
    if (row->object) { /* made meanwhile, by code that a collection ran */
        object = row->object;
        Py_INCREF(object);
        goto done;
    }
    row->part = NULL; /* from here on the field's, or ours again */
    object = is_file ? mp_file_field_new(self->state, own, &part)
                     : mp_string_field_new(self->state, text, own, &part);
    if (object && !row->object) {
        row->object = Py_NewRef(object);
    }
    if (part) {
        row->part = part;
    }
done:
    Py_XDECREF(text);
    Py_XDECREF(own);
    return object;
}

PyObject *
mp_form_rows_argument(mp_form_t *self, size_t number)
{
    const mp_field_t *row = &self->fields.rows[number];
    const mp_part_t *part = row->part;
    if (!row->object && !(part && part->is_file)) {
        return decode_value(self, row);
    }
    PyObject *field = make_object(self, number, NULL);
    PyObject *argument = field ? mp_field_argument(self->state, field) : NULL;
    Py_XDECREF(field);
    return argument;
}

PyObject *
mp_form_rows_list(mp_form_t *self)
{
    if (self->list) {
        return self->list;
    }
    PyObject *list = PyObject_CallNoArgs(
        (PyObject *)self->state->types[MP_TYPE_FIELD_LIST]);
    for (size_t i = 0; list && i < self->fields.count; i++) {
        PyObject *field = make_object(self, i, NULL);
        if (!field || PyList_Append(list, field) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(field);
    }
    if (list && self->list) {
        Py_DECREF(list);
    }
    else {
        self->list = list;
    }
    return self->list;
}

/* ---- names ---- */

/* 0 or -1. */
static int
add_to_index(PyObject *index, PyObject *name, size_t row)
{
    PyObject *number = PyLong_FromSize_t(row);
    PyObject *numbers = PyDict_GetItemWithError(index, name); /* borrowed */
    int failed = -1;
    if (number && numbers) {
        failed = PyList_Append(numbers, number);
    }
    else if (number && !PyErr_Occurred()) {
        numbers = PyList_New(0);
        failed = numbers && PyList_Append(numbers, number) == 0
                     ? PyDict_SetItem(index, name, numbers) : -1;
        Py_XDECREF(numbers);
    }
    Py_XDECREF(number);
    return failed;
}

/* Borrowed; NULL with an exception. */
static PyObject *
get_index(mp_form_t *self)
{
    if (self->index) {
        return self->index;
    }
    PyObject *index = PyDict_New();
    for (size_t i = 0; index && i < self->fields.count; i++) {
        PyObject *name = decode_name(self, &self->fields.rows[i]);
        if (!name || add_to_index(index, name, i) < 0) {
            Py_CLEAR(index);
        }
        Py_XDECREF(name);
    }
    if (index) {
        Py_XSETREF(self->index, index);
    }
    return self->index;
}

/* A search: where it is, and what it has found. */
typedef struct {
    PyObject *name;
    PyObject *first;
    PyObject **list; /* or NULL: the first is enough */
} search_t;

/* Steals field, which may be NULL. 1: go on; 0: enough; -1. */
static int
found(search_t *search, PyObject *field)
{
    if (!field) {
        return -1;
    }
    if (!search->first) {
        search->first = field;
        return search->list != NULL;
    }
    if (!*search->list) {
        *search->list = PyList_New(0);
        if (!*search->list
            || PyList_Append(*search->list, search->first) < 0) {
            Py_DECREF(field);
            return -1;
        }
    }
    const int failed = PyList_Append(*search->list, field);
    Py_DECREF(field);
    return failed < 0 ? -1 : 1;
}

static int
search_list(mp_form_t *self, search_t *search)
{
    PyObject *list = Py_NewRef(self->list);
    int going = 1;
    for (Py_ssize_t i = 0; going > 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *own = mp_field_name(self->state, field);
        const int same = own ? PyObject_RichCompareBool(own, search->name,
                                                        Py_EQ) : -1;
        Py_XDECREF(own);
        if (same > 0) {
            going = found(search, field);
        }
        else {
            Py_DECREF(field);
            going = same < 0 ? -1 : 1;
        }
    }
    Py_DECREF(list);
    return going;
}

static int
search_index(mp_form_t *self, search_t *search)
{
    PyObject *index = get_index(self);
    PyObject *numbers = index ? PyDict_GetItemWithError(index, search->name)
                              : NULL;
    if (!numbers) {
        return PyErr_Occurred() ? -1 : 1;
    }
    int going = 1;
    Py_INCREF(numbers);
    for (Py_ssize_t i = 0; going > 0 && i < PyList_GET_SIZE(numbers); i++) {
        const size_t row = PyLong_AsSize_t(PyList_GET_ITEM(numbers, i));
        going = found(search, make_object(self, row, NULL));
    }
    Py_DECREF(numbers);
    return going;
}

/* For names in ASCII. */
static int
search_rows(mp_form_t *self, search_t *search)
{
    const char *name = (const char *)PyUnicode_1BYTE_DATA(search->name);
    const size_t size = (size_t)PyUnicode_GET_LENGTH(search->name);
    int going = 1;
    for (size_t i = 0; going > 0 && i < self->fields.count; i++) {
        if (mp_form_rows_is(self, i, name, size)) {
            going = found(search, make_object(self, i, search->name));
        }
    }
    return going;
}

/* Is a look at the rows enough, without knowing all names as str? */
static int
is_simple(const mp_form_t *self, PyObject *name)
{
    return self->fields.count <= MANY && !*self->charset
           && PyUnicode_CheckExact(name) && PyUnicode_IS_COMPACT_ASCII(name)
           && PyUnicode_GET_LENGTH(name) > 0;
}

PyObject *
mp_form_rows_find(mp_form_t *self, PyObject *name, PyObject **list)
{
    search_t search = {name, NULL, list};
    int going;
    if (self->list) {
        going = search_list(self, &search);
    }
    else if (is_simple(self, name)) {
        going = search_rows(self, &search);
    }
    else {
        going = search_index(self, &search);
    }
    if (going < 0) {
        Py_CLEAR(search.first);
        if (list) {
            Py_CLEAR(*list);
        }
    }
    return search.first;
}

PyObject *
mp_form_rows_names(mp_form_t *self)
{
    if (!self->list) {
        PyObject *index = get_index(self);
        return index ? PyDict_Keys(index) : NULL;
    }
    PyObject *list = Py_NewRef(self->list);
    PyObject *seen = PyDict_New();
    for (Py_ssize_t i = 0; seen && i < PyList_GET_SIZE(list); i++) {
        PyObject *field = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *name = mp_field_name(self->state, field);
        if (!name || PyDict_SetItem(seen, name, Py_None) < 0) {
            Py_CLEAR(seen);
        }
        Py_XDECREF(name);
        Py_DECREF(field);
    }
    PyObject *names = seen ? PyDict_Keys(seen) : NULL;
    Py_XDECREF(seen);
    Py_DECREF(list);
    return names;
}
