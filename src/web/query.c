/* query.c - parse_qs, parse_qsl, parse_header: texts of programs, parsed as
 * forms are.
 *
 * Called by programs through mod_python.util. No limits: the text is in
 * memory already. Owns nothing. */
#include "runtime/python.h"

#include "web/query.h"

#include <stdlib.h>
#include <string.h>

#include "core/params.h"
#include "core/urlencoded.h"
#include "runtime/text.h"

static const mp_limits_t no_limits;

typedef PyObject *make_fn(const char *text, Py_ssize_t size);

/* The pairs of a text: str give str, bytes give bytes. */
typedef struct {
    mp_fields_t fields;
    make_fn *make;
} pairs_t;

/* 0, or -1 with an exception; in both cases the fields are to be freed. */
static int
parse_pairs(pairs_t *pairs, PyObject *text, int keep_blank)
{
    mp_text_view_t view;
    mp_fields_init(&pairs->fields, &no_limits);
    pairs->make = PyUnicode_Check(text) ? mp_text_from_size
                                        : PyBytes_FromStringAndSize;
    if (mp_text_view(&view, text, "qs") < 0) {
        return -1;
    }
    mp_urlencoded_t parser;
    mp_urlencoded_init(&parser, &pairs->fields, keep_blank);
    int fault = mp_urlencoded_feed(&parser, view.bytes, (size_t)view.size);
    if (!fault) {
        fault = mp_urlencoded_finish(&parser);
    }
    mp_text_release(&view);
    if (fault) {
        PyErr_NoMemory();
    }
    return fault ? -1 : 0;
}

static PyObject *
make_name(const pairs_t *pairs, size_t row)
{
    const mp_field_t *field = &pairs->fields.rows[row];
    return pairs->make(pairs->fields.text + field->name, field->name_size);
}

static PyObject *
make_value(const pairs_t *pairs, size_t row)
{
    const mp_field_t *field = &pairs->fields.rows[row];
    return pairs->make(pairs->fields.text + field->value, field->value_size);
}

/* The arguments of both: qs, keep_blank_values, strict_parsing. */
static int
parse_arguments(PyObject *args, PyObject *keywords, const char *format,
                PyObject **text, int *keep_blank)
{
    static char *names[] = {"qs", "keep_blank_values", "strict_parsing", NULL};
    PyObject *strict;
    *keep_blank = 0;
    return PyArg_ParseTupleAndKeywords(args, keywords, format, names, text,
                                       keep_blank, &strict) ? 0 : -1;
}

static PyObject *
parse_qsl(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *text;
    int keep_blank;
    pairs_t pairs;
    if (parse_arguments(args, keywords, "O|pO:parse_qsl", &text,
                        &keep_blank) < 0) {
        return NULL;
    }
    PyObject *list = parse_pairs(&pairs, text, keep_blank) < 0
                         ? NULL
                         : PyList_New(0);
    for (size_t i = 0; list && i < pairs.fields.count; i++) {
        PyObject *name = make_name(&pairs, i);
        PyObject *value = name ? make_value(&pairs, i) : NULL;
        PyObject *pair = value ? PyTuple_Pack(2, name, value) : NULL;
        if (!pair || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
        Py_XDECREF(pair);
    }
    mp_fields_free(&pairs.fields);
    return list;
}

/* Append value to the list of name. 0 or -1. */
static int
enter(PyObject *dict, PyObject *name, PyObject *value)
{
    PyObject *values = PyDict_GetItemWithError(dict, name); /* borrowed */
    if (values) {
        return PyList_Append(values, value);
    }
    values = PyErr_Occurred() ? NULL : PyList_New(1);
    if (!values) {
        return -1;
    }
    PyList_SET_ITEM(values, 0, Py_NewRef(value));
    const int failed = PyDict_SetItem(dict, name, values);
    Py_DECREF(values);
    return failed;
}

static PyObject *
parse_qs(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *text;
    int keep_blank;
    pairs_t pairs;
    if (parse_arguments(args, keywords, "O|pO:parse_qs", &text,
                        &keep_blank) < 0) {
        return NULL;
    }
    PyObject *dict = parse_pairs(&pairs, text, keep_blank) < 0
                         ? NULL
                         : PyDict_New();
    for (size_t i = 0; dict && i < pairs.fields.count; i++) {
        PyObject *name = make_name(&pairs, i);
        PyObject *value = name ? make_value(&pairs, i) : NULL;
        if (!value || enter(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    mp_fields_free(&pairs.fields);
    return dict;
}

static PyObject *
from_span(mp_span_t span)
{
    return mp_text_from_size(span.text, (Py_ssize_t)span.size);
}

/* The parameters, as a dict. */
static PyObject *
make_options(mp_params_t *params)
{
    PyObject *dict = PyDict_New();
    while (dict && mp_params_next(params)) {
        PyObject *name = from_span(params->name);
        PyObject *value = name ? from_span(params->value) : NULL;
        if (!value || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *
parse_header(PyObject *self, PyObject *line)
{
    mp_text_view_t view;
    if (mp_text_view(&view, line, "line") < 0) {
        return NULL;
    }
    char *copy = malloc((size_t)view.size + 1);
    if (copy && view.size) {
        memcpy(copy, view.bytes, (size_t)view.size);
    }
    const size_t size = (size_t)view.size;
    mp_text_release(&view);
    if (!copy) {
        return PyErr_NoMemory();
    }
    mp_params_t params;
    mp_params_init(&params, copy, size);
    PyObject *type = from_span(params.first);
    PyObject *options = type ? make_options(&params) : NULL;
    PyObject *result = options ? PyTuple_Pack(2, type, options) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(options);
    free(copy);
    return result;
}

#define KEYWORDS(function) \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

PyMethodDef mp_query_functions[] = {
    {"parse_qs", KEYWORDS(parse_qs),
     "parse_qs(qs, keep_blank_values=0, strict_parsing=0)\n--\n\n"
     "The fields of a query string, a dict of lists.\n\n"
     "qs: str, which gives str, or bytes, which give bytes. '&' separates\n"
     "fields, '+' is a space, %XX a byte; text is UTF-8, wrong bytes become\n"
     "surrogates. keep_blank_values: keep names without '=' and empty\n"
     "values. strict_parsing: ignored. No text is an error."},
    {"parse_qsl", KEYWORDS(parse_qsl),
     "parse_qsl(qs, keep_blank_values=0, strict_parsing=0)\n--\n\n"
     "The same as a list of pairs (name, value), in order."},
    {"parse_header", parse_header, METH_O,
     "parse_header(line, /)\n--\n\n"
     "The parts of a header value such as Content-Type, str or bytes: a\n"
     "tuple of the type (str in lower case) and the dict of its parameters\n"
     "(names in lower case, values without their quotes)."},
    {NULL, NULL, 0, NULL}
};
