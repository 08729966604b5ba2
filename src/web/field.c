/* field.c - StringField and Field: a value and an uploaded file of a form.
 *
 * Made by the form when a program asks for a field, or by programs. Both keep
 * their attributes in a row of slots; a slot that is empty when it is read is
 * filled from the part that the field came with, or with its default. A Field
 * owns its file and closes it when it dies. */
#include "runtime/python.h"

#include "web/field.h"

#include <stdlib.h>
#include <string.h>

#include "objects/entries.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "web/state.h"

typedef enum {
    FACT_NAME,
    FACT_FILE,
    FACT_FILENAME,
    FACT_TYPE,
    FACT_TYPE_OPTIONS,
    FACT_DISPOSITION,
    FACT_DISPOSITION_OPTIONS,
    FACT_HEADERS,
    FACT_COUNT
} fact_t;

typedef struct {
    PyObject *values[FACT_COUNT]; /* NULL: not asked for yet */
    mp_part_t *part;              /* owned, or NULL */
} facts_t;

typedef struct {
    PyUnicodeObject base;
    PyObject *name;
    facts_t *facts; /* of its own; NULL until something is asked */
    PyObject *dict;
} string_field_t;

typedef struct {
    PyObject_HEAD
    facts_t facts;
    PyObject *dict;
    PyObject *weakrefs;
} file_field_t;

/* ---- facts ---- */

static int
is_string(PyObject *self)
{
    return PyUnicode_Check(self);
}

/* NULL with MemoryError. */
static facts_t *
facts_of(PyObject *self)
{
    if (!is_string(self)) {
        return &((file_field_t *)self)->facts;
    }
    string_field_t *field = (string_field_t *)self;
    if (!field->facts) {
        field->facts = PyMem_Calloc(1, sizeof(facts_t));
        if (!field->facts) {
            return (facts_t *)PyErr_NoMemory();
        }
    }
    return field->facts;
}

static void
clear_facts(facts_t *facts)
{
    for (int i = 0; i < FACT_COUNT; i++) {
        Py_CLEAR(facts->values[i]);
    }
    mp_part_t *part = facts->part;
    facts->part = NULL;
    mp_part_destroy(part);
}

static int
traverse_facts(const facts_t *facts, visitproc visit, void *arg)
{
    for (int i = 0; i < FACT_COUNT; i++) {
        Py_VISIT(facts->values[i]);
    }
    if (facts->part) {
        Py_VISIT(facts->part->file);
    }
    return 0;
}

/* Keep value, stolen, unless there is one by now. 0, or -1 when it is NULL. */
static int
fill(facts_t *facts, fact_t fact, PyObject *value)
{
    if (!value) {
        return -1;
    }
    if (facts->values[fact]) {
        Py_DECREF(value);
    }
    else {
        facts->values[fact] = value;
    }
    return 0;
}

static PyObject *
make_headers(mp_state_t *state, const mp_part_t *part)
{
    PyObject *table = PyObject_CallNoArgs(
        (PyObject *)state->types[MP_TYPE_TABLE]);
    if (!table || !part) {
        return table;
    }
    apr_table_t *entries = mp_entries_ptr((mp_table_t *)table);
    const char *at = part->headers, *end = at + part->headers_size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        apr_table_add(entries, at, value);
        at = value + strlen(value) + 1;
    }
    return table;
}

/* The parameters that remain in params, as a dict. */
static PyObject *
make_options(mp_params_t *params, const char *charset)
{
    PyObject *dict = PyDict_New();
    while (dict && mp_params_next(params)) {
        PyObject *name = mp_part_decode(params->name.text, params->name.size,
                                        charset);
        PyObject *value = name ? mp_part_decode(params->value.text,
                                                params->value.size, charset)
                               : NULL;
        if (!value || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

/* Fill the slot `first` with what stands before the parameters of a header,
 * and the one behind it with them. 0, or -1 with an exception. */
static int
fill_from_header(facts_t *facts, fact_t first, const char *header)
{
    const mp_part_t *part = facts->part;
    const char *value = part ? mp_part_header(part->headers,
                                              part->headers_size, header)
                             : NULL;
    const char *fallback = first == FACT_TYPE ? "text/plain" : NULL;
    if (!value) {
        return fill(facts, first, mp_text_from(fallback)) < 0
                       || fill(facts, first + 1, PyDict_New()) < 0 ? -1 : 0;
    }
    char *copy = strdup(value);
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    mp_params_t params;
    mp_params_init(&params, copy, strlen(copy));
    PyObject *text
        = first == FACT_TYPE && !memchr(params.first.text, '/',
                                        params.first.size)
              ? PyUnicode_FromString("application/octet-stream")
              : mp_part_decode(params.first.text, params.first.size,
                               part->charset);
    int failed = fill(facts, first, text);
    if (!failed) {
        failed = fill(facts, first + 1, make_options(&params, part->charset));
    }
    free(copy);
    return failed;
}

static PyObject *
make_filename(const mp_part_t *part)
{
    if (!part || !part->is_file) {
        Py_RETURN_NONE;
    }
    const char *value = mp_part_header(part->headers, part->headers_size,
                                       "content-disposition");
    char *copy = strdup(value ? value : "");
    if (!copy) {
        return PyErr_NoMemory();
    }
    mp_span_t filename;
    PyObject *text = mp_part_disposition(copy, NULL, &filename)
        ? mp_part_decode(filename.text, filename.size, part->charset)
        : Py_NewRef(Py_None);
    free(copy);
    return text;
}

/* ---- files ---- */

/* io.BytesIO of these bytes (stolen, may be NULL). */
static PyObject *
make_bytes_io(PyObject *bytes)
{
    PyObject *io = bytes ? PyImport_ImportModule("io") : NULL;
    PyObject *file = io ? PyObject_CallMethod(io, "BytesIO", "O", bytes)
                        : NULL;
    Py_XDECREF(io);
    Py_XDECREF(bytes);
    return file;
}

/* The uploaded file as Python's own file object, at its beginning. */
static PyObject *
open_spool(mp_part_t *part)
{
    PyObject *name = mp_part_directory();
    mp_text_view_t directory;
    if (!name || mp_text_string(&directory, name, MP_TEXT_PLAIN,
                                "directory") < 0) {
        Py_XDECREF(name);
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const int error = mp_spool_flush(&part->spool, directory.bytes);
    mp_thread_resume(suspended);
    mp_text_release(&directory);
    Py_DECREF(name);
    if (error) {
        return mp_error_raise_os("an uploaded file cannot be stored", error);
    }
    PyObject *file = PyFile_FromFd(part->spool.fd, NULL, "r+b", -1, NULL,
                                   NULL, NULL, 1);
    if (file) {
        part->spool.fd = -1; /* it is the file's now */
    }
    return file;
}

static PyObject *
make_file(PyObject *self, facts_t *facts)
{
    if (is_string(self)) {
        return make_bytes_io(PyUnicode_AsEncodedString(self, "utf-8",
                                                       "surrogateescape"));
    }
    mp_part_t *part = facts->part;
    if (!part) {
        Py_RETURN_NONE;
    }
    return part->file ? Py_NewRef(part->file) : open_spool(part);
}

/* ---- attributes ---- */

/* 0, or -1 with an exception. */
static int
make_fact(PyObject *self, facts_t *facts, fact_t fact)
{
    switch (fact) {
    case FACT_FILE:
        return fill(facts, fact, make_file(self, facts));
    case FACT_FILENAME:
        return fill(facts, fact, make_filename(facts->part));
    case FACT_TYPE:
    case FACT_TYPE_OPTIONS:
        return fill_from_header(facts, FACT_TYPE, "content-type");
    case FACT_DISPOSITION:
    case FACT_DISPOSITION_OPTIONS:
        return fill_from_header(facts, FACT_DISPOSITION,
                                "content-disposition");
    case FACT_HEADERS:
        return fill(facts, fact, make_headers(mp_state_current(),
                                               facts->part));
    default:
        return fill(facts, fact, Py_NewRef(Py_None));
    }
}

static PyObject *
get_fact(PyObject *self, void *closure)
{
    const fact_t fact = (fact_t)(size_t)closure;
    facts_t *facts = facts_of(self);
    if (!facts || (!facts->values[fact] && make_fact(self, facts, fact) < 0)) {
        return NULL;
    }
    return Py_NewRef(facts->values[fact]);
}

static int
set_fact(PyObject *self, PyObject *value, void *closure)
{
    facts_t *facts = facts_of(self);
    if (!facts) {
        return -1;
    }
    Py_XSETREF(facts->values[(size_t)closure],
               Py_NewRef(value ? value : Py_None));
    return 0;
}

static PyObject *
get_string_name(PyObject *self, void *unused)
{
    PyObject *name = ((string_field_t *)self)->name;
    return Py_NewRef(name ? name : Py_None);
}

static int
set_string_name(PyObject *self, PyObject *value, void *unused)
{
    Py_XSETREF(((string_field_t *)self)->name, Py_XNewRef(value));
    return 0;
}

#define FACT(name, fact, doc) \
    {name, get_fact, set_fact, doc, (void *)(size_t)(fact)}
#define SHARED_FACTS                                                          \
    FACT("filename", FACT_FILENAME, "Name of the file, a str, or None."),     \
    FACT("type", FACT_TYPE, "Content type, a str; 'text/plain' unsaid."),     \
    FACT("ctype", FACT_TYPE, "The same as type."),                            \
    FACT("type_options", FACT_TYPE_OPTIONS,                                   \
         "Parameters of the content type: dict of str."),                     \
    FACT("disposition", FACT_DISPOSITION,                                     \
         "Content disposition, a str ('form-data'), or None."),               \
    FACT("disp", FACT_DISPOSITION, "The same as disposition."),               \
    FACT("disposition_options", FACT_DISPOSITION_OPTIONS,                     \
         "Parameters of the content disposition: dict of str."),              \
    FACT("disp_options", FACT_DISPOSITION_OPTIONS,                            \
         "The same as disposition_options."),                                 \
    FACT("headers", FACT_HEADERS, "Headers of its part: table.")

/* ---- StringField ---- */

PyObject *
mp_string_field_new(mp_state_t *state, PyObject *text, PyObject *name,
                    mp_part_t **part)
{
    PyTypeObject *type = state->types[MP_TYPE_STRING_FIELD];
    PyObject *args = PyTuple_New(1);
    if (!args) {
        return NULL;
    }
    PyTuple_SET_ITEM(args, 0, Py_NewRef(text));
    PyObject *self = PyUnicode_Type.tp_new(type, args, NULL);
    Py_DECREF(args);
    if (!self) {
        return NULL;
    }
    string_field_t *field = (string_field_t *)self;
    field->name = Py_NewRef(name);
    if (*part) {
        facts_t *facts = facts_of(self);
        if (!facts) {
            Py_DECREF(self);
            return NULL;
        }
        facts->part = *part;
        *part = NULL;
    }
    return self;
}

static int
traverse_string(PyObject *self, visitproc visit, void *arg)
{
    const string_field_t *field = (const string_field_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(field->name);
    Py_VISIT(field->dict);
    return field->facts ? traverse_facts(field->facts, visit, arg) : 0;
}

static int
clear_string(PyObject *self)
{
    string_field_t *field = (string_field_t *)self;
    facts_t *facts = field->facts;
    field->facts = NULL;
    Py_CLEAR(field->name);
    Py_CLEAR(field->dict);
    if (facts) {
        clear_facts(facts);
        PyMem_Free(facts);
    }
    return 0;
}

static void
dealloc_string(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_string(self);
    PyUnicode_Type.tp_dealloc(self); /* frees it, by our tp_free */
    Py_DECREF(type);
}

static PyObject *
get_string_value(PyObject *self, void *unused)
{
    return PyUnicode_FromObject(self); /* an exact str */
}

static PyObject *
decode_string(PyObject *self, PyObject *args, PyObject *keywords)
{
    return PyUnicode_FromObject(self);
}

/* For pickle and copy: value, name and what programs have set. */
static PyObject *
reduce_string(PyObject *self, PyObject *unused)
{
    const string_field_t *field = (const string_field_t *)self;
    return Py_BuildValue("(O(N)(O{sO}))", Py_TYPE(self),
                         PyUnicode_FromObject(self),
                         field->dict ? field->dict : Py_None, "name",
                         field->name ? field->name : Py_None);
}

static PyObject *
repr_string(PyObject *self)
{
    PyObject *text = PyUnicode_FromObject(self);
    PyObject *name = ((string_field_t *)self)->name;
    PyObject *repr = text ? PyUnicode_FromFormat("Field(%R, %R)",
                                                 name ? name : Py_None, text)
                          : NULL;
    Py_XDECREF(text);
    return repr;
}

static PyMethodDef string_methods[] = {
    {"decode", (PyCFunction)(void (*)(void))decode_string,
     METH_VARARGS | METH_KEYWORDS,
     "decode($self, encoding='utf-8', errors='strict')\n--\n\n"
     "The plain str; the arguments are those of bytes and ignored."},
    {"__reduce__", reduce_string, METH_NOARGS,
     "__reduce__($self)\n--\n\nValue and name, for pickle and copy."},
    {NULL, NULL, 0, NULL}
};

static PyGetSetDef string_attributes[] = {
    {"name", get_string_name, set_string_name, "Name of the field, a str.",
     NULL},
    {"value", get_string_value, NULL, "Its value, a plain str.", NULL},
    FACT("file", FACT_FILE, "io.BytesIO of its value in UTF-8."),
    SHARED_FACTS,
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyMemberDef string_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(string_field_t, dict), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot string_slots[] = {
    {Py_tp_doc, "StringField(value)\n--\n\n"
                "A field of a form: its value as a str, with the attributes\n"
                "of a Field."},
    {Py_tp_dealloc, dealloc_string},
    {Py_tp_traverse, traverse_string},
    {Py_tp_clear, clear_string},
    {Py_tp_repr, repr_string},
    {Py_tp_methods, string_methods},
    {Py_tp_getset, string_attributes},
    {Py_tp_members, string_members},
    {0, NULL}
};

PyType_Spec mp_string_field_spec = {
    .name = "mod_python.util.StringField",
    .basicsize = sizeof(string_field_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = string_slots,
};

/* ---- Field ---- */

PyObject *
mp_file_field_new(mp_state_t *state, PyObject *name, mp_part_t **part)
{
    PyTypeObject *type = state->types[MP_TYPE_FILE_FIELD];
    file_field_t *field = (file_field_t *)type->tp_alloc(type, 0);
    if (field) {
        field->facts.values[FACT_NAME] = Py_NewRef(name);
        field->facts.part = *part;
        *part = NULL;
    }
    return (PyObject *)field;
}

/* The filename is what the disposition says, for who builds fields himself. */
static int
adopt_filename(facts_t *facts)
{
    PyObject *options = facts->values[FACT_DISPOSITION_OPTIONS];
    if (!options || !PyMapping_Check(options)) {
        return 0;
    }
    PyObject *filename = PyMapping_GetItemString(options, "filename");
    if (filename) {
        return fill(facts, FACT_FILENAME, filename);
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
        return -1;
    }
    PyErr_Clear(); /* there is none */
    return 0;
}

static int
init_file(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "file", "ctype", "type_options", "disp",
                            "disp_options", "headers", NULL};
    static const fact_t order[] = {
        FACT_NAME, FACT_FILE, FACT_TYPE, FACT_TYPE_OPTIONS, FACT_DISPOSITION,
        FACT_DISPOSITION_OPTIONS, FACT_HEADERS};
    PyObject *given[7] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OOOOOO:Field", names,
                                     &given[0], &given[1], &given[2],
                                     &given[3], &given[4], &given[5],
                                     &given[6])) {
        return -1;
    }
    facts_t *facts = &((file_field_t *)self)->facts;
    clear_facts(facts);
    for (int i = 0; i < 7; i++) {
        facts->values[order[i]] = Py_XNewRef(given[i]);
    }
    return adopt_filename(facts);
}

static int
traverse_file(PyObject *self, visitproc visit, void *arg)
{
    const file_field_t *field = (const file_field_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(field->dict);
    return traverse_facts(&field->facts, visit, arg);
}

static int
clear_file(PyObject *self)
{
    file_field_t *field = (file_field_t *)self;
    Py_CLEAR(field->dict);
    clear_facts(&field->facts);
    return 0;
}

/* Close the file, whoever made it. */
static void
finalize_file(PyObject *self)
{
    const facts_t *facts = &((file_field_t *)self)->facts;
    PyObject *file = facts->values[FACT_FILE];
    if (!file && facts->part) {
        file = facts->part->file;
    }
    if (!file || file == Py_None) {
        return;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyObject *result = NULL, *close = NULL;
    Py_INCREF(file);
    const int has_close = PyObject_GetOptionalAttr(
        file, mp_web_of(mp_state_current())->names.close, &close);
    if (has_close > 0) {
        result = PyObject_CallNoArgs(close);
    }
    if (has_close < 0 || (has_close > 0 && !result)) {
        PyErr_WriteUnraisable(self);
    }
    Py_XDECREF(close);
    Py_XDECREF(result);
    Py_DECREF(file);
    PyErr_SetRaisedException(error);
}

static void
dealloc_file(PyObject *self)
{
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return; /* it lives on */
    }
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((file_field_t *)self)->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    clear_file(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The result of a call that nobody wants. 0, or -1 when it failed. */
static int
drop(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *
get_file_value(PyObject *self, void *unused)
{
    const facts_t *facts = &((file_field_t *)self)->facts;
    const mp_part_t *part = facts->part;
    if (!facts->values[FACT_FILE] && part && !part->file
        && part->spool.fd < 0) {
        return PyBytes_FromStringAndSize(part->spool.bytes,
                                         (Py_ssize_t)part->spool.size);
    }
    PyObject *file = get_fact(self, (void *)(size_t)FACT_FILE);
    if (!file || file == Py_None) {
        return file;
    }
    PyObject *value = NULL;
    if (drop(PyObject_CallMethod(file, "seek", "i", 0)) == 0) {
        value = PyObject_CallMethod(file, "read", NULL);
    }
    if (value && drop(PyObject_CallMethod(file, "seek", "i", 0)) < 0) {
        Py_CLEAR(value);
    }
    Py_DECREF(file);
    return value;
}

static PyObject *
repr_file(PyObject *self)
{
    PyObject *filename = get_fact(self, (void *)(size_t)FACT_FILENAME);
    const facts_t *facts = &((file_field_t *)self)->facts;
    PyObject *name = facts->values[FACT_NAME];
    PyObject *repr = filename
        ? PyUnicode_FromFormat("Field(%R, <file %R>)", name ? name : Py_None,
                               filename)
        : NULL;
    Py_XDECREF(filename);
    return repr;
}

static PyGetSetDef file_attributes[] = {
    FACT("name", FACT_NAME, "Name of the field, a str."),
    {"value", get_file_value, NULL, "The whole file, bytes.", NULL},
    FACT("file", FACT_FILE, "Binary file, at its beginning."),
    SHARED_FACTS,
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyMemberDef file_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(file_field_t, dict), READONLY,
     NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(file_field_t, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot file_slots[] = {
    {Py_tp_doc, "Field(name, file=None, ctype=None, type_options=None, "
                "disp=None,\ndisp_options=None, headers=None)\n\n"
                "A file that came with a form. Closes it when it dies."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, init_file},
    {Py_tp_finalize, finalize_file},
    {Py_tp_dealloc, dealloc_file},
    {Py_tp_traverse, traverse_file},
    {Py_tp_clear, clear_file},
    {Py_tp_repr, repr_file},
    {Py_tp_getset, file_attributes},
    {Py_tp_members, file_members},
    {0, NULL}
};

PyType_Spec mp_file_field_spec = {
    .name = "mod_python.util.Field",
    .basicsize = sizeof(file_field_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = file_slots,
};

/* ---- for forms ---- */

PyObject *
mp_field_name(mp_state_t *state, PyObject *field)
{
    if (mp_string_field_check(state, field)) {
        return get_string_name(field, NULL);
    }
    return PyObject_GetAttr(field, mp_web_of(state)->names.name);
}

PyObject *
mp_field_argument(mp_state_t *state, PyObject *field)
{
    return PyUnicode_Check(field) ? PyUnicode_FromObject(field)
                                  : Py_NewRef(field);
}
