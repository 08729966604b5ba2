/* table.c - mp_table: apr_table_t as a Python mapping.
 *
 * The rules are those of httpd's tables (keys without case, several values for
 * a key, order kept) in the clothes of a dict; where the two differ, the table
 * wins. How entries are reached: entries.h. */
#include "runtime/python.h"

#include "objects/table.h"

#include "objects/entries.h"
#include "objects/proxy.h"

typedef enum { KEYS, VALUES, ITEMS } kind_t;

typedef struct {
    PyObject_HEAD
    mp_table_t *table; /* NULL once exhausted */
    kind_t kind;
    int index;      /* of the next entry */
    int size;       /* of the table when iteration began; -1: it changed */
} iterator_t;

/* ---- mapping ---- */

static Py_ssize_t
table_length(PyObject *self)
{
    return mp_entries_count((mp_table_t *)self);
}

static PyObject *
table_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = mp_entries_find_all((mp_table_t *)self, key);
    if (!value && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return value;
}

static int
table_assign(PyObject *self, PyObject *key, PyObject *value)
{
    if (!value) {
        return mp_entries_remove((mp_table_t *)self, key);
    }
    return mp_entries_put((mp_table_t *)self, apr_table_set, key, value);
}

static int
table_contains(PyObject *self, PyObject *key)
{
    return mp_entries_contain((mp_table_t *)self, key);
}

/* What iteration of this kind yields for an entry. New reference. */
static PyObject *
build_item(const apr_table_entry_t *entry, kind_t kind)
{
    if (kind == KEYS) {
        return mp_text_from(entry->key);
    }
    PyObject *value = mp_text_from(entry->val);
    if (kind == VALUES || !value) {
        return value;
    }
    PyObject *key = mp_text_from(entry->key);
    PyObject *pair = key ? PyTuple_Pack(2, key, value) : NULL;
    Py_XDECREF(key);
    Py_DECREF(value);
    return pair;
}

static PyObject *
build_list(mp_table_t *self, kind_t kind)
{
    PyObject *list = PyList_New(0);
    apr_table_entry_t entry;
    int index = 0;
    int more = list ? mp_entries_next(self, &index, &entry) : -1;
    while (more > 0) {
        PyObject *item = build_item(&entry, kind);
        if (!item || PyList_Append(list, item) < 0) {
            more = -1;
        }
        else {
            more = mp_entries_next(self, &index, &entry);
        }
        Py_XDECREF(item);
    }
    if (more < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* ---- iteration ---- */

static PyObject *
build_iterator(mp_table_t *self, kind_t kind)
{
    int size = mp_entries_count(self);
    if (size < 0) {
        return NULL;
    }
    PyTypeObject *type = self->state->types[MP_TYPE_TABLE_ITERATOR];
    iterator_t *iterator = (iterator_t *)type->tp_alloc(type, 0);
    if (iterator) {
        iterator->table = (mp_table_t *)Py_NewRef(self);
        iterator->kind = kind;
        iterator->size = size;
    }
    return (PyObject *)iterator;
}

static PyObject *
iterator_next(PyObject *object)
{
    iterator_t *self = (iterator_t *)object;
    if (!self->table) {
        return NULL;
    }
    int size = mp_entries_count(self->table);
    if (size < 0) {
        return NULL;
    }
    if (size != self->size) {
        self->size = -1; /* for good, as dict does it */
        PyErr_SetString(PyExc_RuntimeError,
                        "table changed size during iteration");
        return NULL;
    }
    apr_table_entry_t entry;
    int more = mp_entries_next(self->table, &self->index, &entry);
    if (more > 0) {
        return build_item(&entry, self->kind);
    }
    if (more == 0) {
        Py_CLEAR(self->table);
    }
    return NULL;
}

static int
iterator_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((iterator_t *)object)->table);
    return 0;
}

static int
iterator_clear(PyObject *object)
{
    Py_CLEAR(((iterator_t *)object)->table);
    return 0;
}

static void
iterator_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)iterator_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse},
    {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {0, NULL},
};

PyType_Spec mp_table_iterator_spec = {
    .name = "builtins.dictionary-iterator",
    .basicsize = sizeof(iterator_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};

/* ---- filling ---- */

/* str and bytes as they are, anything else as its str(). New reference. */
static PyObject *
build_text(PyObject *object)
{
    if (PyUnicode_Check(object) || PyBytes_Check(object)) {
        return Py_NewRef(object);
    }
    return PyObject_Str(object);
}

static int
put_any(mp_table_t *self, PyObject *key, PyObject *value)
{
    PyObject *name = build_text(key);
    PyObject *text = name ? build_text(value) : NULL;
    int result = text ? mp_entries_put(self, apr_table_set, name, text) : -1;
    Py_XDECREF(name);
    Py_XDECREF(text);
    return result;
}

/* From another table: its keys replace ours, with all of their values. */
static int
merge_table(mp_table_t *self, mp_table_t *other)
{
    if (self == other) {
        return 0;
    }
    PyObject *items = build_list(other, ITEMS);
    if (!items) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++) {
        PyObject *key = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        result = mp_entries_remove(self, key);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        if (PyTuple_GET_ITEM(pair, 1) != Py_None) {
            result = mp_entries_put(self, apr_table_add,
                                    PyTuple_GET_ITEM(pair, 0),
                                    PyTuple_GET_ITEM(pair, 1));
        }
    }
    Py_DECREF(items);
    return result;
}

/* From anything with keys() and []. 0, or -1. */
static int
merge_mapping(mp_table_t *self, PyObject *mapping)
{
    if (PyObject_TypeCheck(mapping, self->state->types[MP_TYPE_TABLE])) {
        return merge_table(self, (mp_table_t *)mapping);
    }
    PyObject *keys =
        PyObject_CallMethodNoArgs(mapping, self->state->names.keys);
    PyObject *iterator = keys ? PyObject_GetIter(keys) : NULL;
    Py_XDECREF(keys);
    if (!iterator) {
        return -1;
    }
    int result = 0;
    PyObject *key = PyIter_Next(iterator);
    while (key) {
        PyObject *value = PyObject_GetItem(mapping, key);
        result = value ? put_any(self, key, value) : -1;
        Py_XDECREF(value);
        Py_DECREF(key);
        key = result == 0 ? PyIter_Next(iterator) : NULL;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* One (key, value) of a sequence, as dict() takes them. 0, or -1. */
static int
merge_pair(mp_table_t *self, PyObject *item, Py_ssize_t number)
{
    PyObject *pair = PySequence_Fast(item, "");
    if (!pair) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "cannot convert table update sequence element #%zd "
                         "to a sequence",
                         number);
        }
        return -1;
    }
    int result = -1;
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError,
                     "table update sequence element #%zd has length %zd; 2 "
                     "is required",
                     number, PySequence_Fast_GET_SIZE(pair));
    }
    else {
        /* own references: str() may change the list that item is */
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0));
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1));
        result = put_any(self, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_DECREF(pair);
    return result;
}

static int
merge_pairs(mp_table_t *self, PyObject *pairs)
{
    PyObject *iterator = PyObject_GetIter(pairs);
    if (!iterator) {
        return -1;
    }
    int result = 0;
    Py_ssize_t number = 0;
    PyObject *item = PyIter_Next(iterator);
    while (item) {
        result = merge_pair(self, item, number++);
        Py_DECREF(item);
        item = result == 0 ? PyIter_Next(iterator) : NULL;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* ---- methods ---- */

PyDoc_STRVAR(
    add_doc,
    "add($self, key, value, /)\n--\n\n"
    "Append an entry, also when the key is there already (apr_table_add).\n"
    "TypeError unless both are str or bytes; ValueError for NUL, and for CR\n"
    "or LF in a table of headers.");

static PyObject *
table_add(PyObject *self, PyObject *args)
{
    PyObject *key, *value;
    if (!PyArg_ParseTuple(args, "OO:add", &key, &value)
        || mp_entries_put((mp_table_t *)self, apr_table_add, key, value)
               < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_doc,
             "get($self, key, default=None, /)\n--\n\n"
             "The first value of key as str, or default when there is none.");

static PyObject *
table_get(PyObject *self, PyObject *args)
{
    PyObject *key, *otherwise = Py_None;
    if (!PyArg_ParseTuple(args, "O|O:get", &key, &otherwise)) {
        return NULL;
    }
    PyObject *value = mp_entries_find_first((mp_table_t *)self, key);
    if (!value && !PyErr_Occurred()) {
        return Py_NewRef(otherwise);
    }
    return value;
}

PyDoc_STRVAR(setdefault_doc,
             "setdefault($self, key, default='', /)\n--\n\n"
             "The first value of key; when there is none, default is stored "
             "and\nreturned.");

static PyObject *
table_setdefault(PyObject *self, PyObject *args)
{
    PyObject *key, *otherwise = NULL;
    if (!PyArg_ParseTuple(args, "O|O:setdefault", &key, &otherwise)) {
        return NULL;
    }
    PyObject *value = mp_entries_find_first((mp_table_t *)self, key);
    if (value || PyErr_Occurred()) {
        return value;
    }
    value = otherwise ? Py_NewRef(otherwise) : PyUnicode_FromString("");
    int result = -1;
    if (value) {
        result =
            mp_entries_put((mp_table_t *)self, apr_table_set, key, value);
        Py_DECREF(value);
    }
    return result < 0 ? NULL
                      : mp_entries_find_first((mp_table_t *)self, key);
}

PyDoc_STRVAR(has_key_doc,
             "has_key($self, key, /)\n--\n\n"
             "1 when there is an entry of this key, else 0.");

static PyObject *
table_has_key(PyObject *self, PyObject *key)
{
    int found = table_contains(self, key);
    return found < 0 ? NULL : PyLong_FromLong(found);
}

PyDoc_STRVAR(keys_doc, "keys($self, /)\n--\n\n"
                       "A list of the keys of all entries, in order.");

static PyObject *
table_keys(PyObject *self, PyObject *ignored)
{
    return build_list((mp_table_t *)self, KEYS);
}

PyDoc_STRVAR(values_doc, "values($self, /)\n--\n\n"
                         "A list of the values of all entries, in order.");

static PyObject *
table_values(PyObject *self, PyObject *ignored)
{
    return build_list((mp_table_t *)self, VALUES);
}

PyDoc_STRVAR(items_doc, "items($self, /)\n--\n\n"
                        "A list of all entries as (key, value), in order.");

static PyObject *
table_items(PyObject *self, PyObject *ignored)
{
    return build_list((mp_table_t *)self, ITEMS);
}

PyDoc_STRVAR(iterkeys_doc, "iterkeys($self, /)\n--\n\n"
                           "An iterator over the keys of all entries.");

static PyObject *
table_iterkeys(PyObject *self, PyObject *ignored)
{
    return build_iterator((mp_table_t *)self, KEYS);
}

PyDoc_STRVAR(itervalues_doc, "itervalues($self, /)\n--\n\n"
                             "An iterator over the values of all entries.");

static PyObject *
table_itervalues(PyObject *self, PyObject *ignored)
{
    return build_iterator((mp_table_t *)self, VALUES);
}

PyDoc_STRVAR(iteritems_doc,
             "iteritems($self, /)\n--\n\n"
             "An iterator over all entries as (key, value).");

static PyObject *
table_iteritems(PyObject *self, PyObject *ignored)
{
    return build_iterator((mp_table_t *)self, ITEMS);
}

PyDoc_STRVAR(popitem_doc,
             "popitem($self, /)\n--\n\n"
             "Remove the last entry and return it as (key, value). KeyError\n"
             "when the table is empty.");

static PyObject *
table_popitem(PyObject *self, PyObject *ignored)
{
    PyObject *key, *value;
    if (mp_entries_pop((mp_table_t *)self, &key, &value) < 0) {
        return NULL;
    }
    PyObject *pair = PyTuple_Pack(2, key, value);
    Py_DECREF(key);
    Py_DECREF(value);
    return pair;
}

PyDoc_STRVAR(update_doc,
             "update($self, mapping, /)\n--\n\n"
             "Store every key of mapping, in place of what is there. Keys "
             "and\nvalues that are neither str nor bytes are stored as their "
             "str().\nAttributeError when mapping has no keys().");

static PyObject *
table_update(PyObject *self, PyObject *mapping)
{
    if (merge_mapping((mp_table_t *)self, mapping) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\n"
                        "Remove all entries (apr_table_clear).");

static PyObject *
table_clear_entries(PyObject *self, PyObject *ignored)
{
    apr_table_t *table = mp_entries_ptr((mp_table_t *)self);
    if (!table) {
        return NULL;
    }
    apr_table_clear(table);
    Py_RETURN_NONE;
}

/* An own table, empty. New reference. */
static mp_table_t *
create_own(mp_state_t *state, PyTypeObject *type)
{
    mp_table_t *self = (mp_table_t *)type->tp_alloc(type, 0);
    if (self) {
        self->state = state;
        self->rule = MP_TEXT_PLAIN;
        if (mp_entries_create(self) < 0) {
            Py_CLEAR(self);
        }
    }
    return self;
}

PyDoc_STRVAR(copy_doc, "copy($self, /)\n--\n\n"
                       "An independent table with the same entries.");

static PyObject *
table_copy(PyObject *object, PyObject *ignored)
{
    mp_table_t *self = (mp_table_t *)object;
    mp_table_t *copy =
        create_own(self->state, self->state->types[MP_TYPE_TABLE]);
    apr_table_t *table = copy ? mp_entries_ptr(self) : NULL;
    if (!table) {
        Py_XDECREF(copy);
        return NULL;
    }
    copy->table = apr_table_clone(copy->pool, table);
    copy->rule = self->rule;
    return (PyObject *)copy;
}

static PyMethodDef table_methods[] = {
    {"add", table_add, METH_VARARGS, add_doc},
    {"clear", table_clear_entries, METH_NOARGS, clear_doc},
    {"copy", table_copy, METH_NOARGS, copy_doc},
    {"get", table_get, METH_VARARGS, get_doc},
    {"has_key", table_has_key, METH_O, has_key_doc},
    {"items", table_items, METH_NOARGS, items_doc},
    {"iteritems", table_iteritems, METH_NOARGS, iteritems_doc},
    {"iterkeys", table_iterkeys, METH_NOARGS, iterkeys_doc},
    {"itervalues", table_itervalues, METH_NOARGS, itervalues_doc},
    {"keys", table_keys, METH_NOARGS, keys_doc},
    {"popitem", table_popitem, METH_NOARGS, popitem_doc},
    {"setdefault", table_setdefault, METH_VARARGS, setdefault_doc},
    {"update", table_update, METH_O, update_doc},
    {"values", table_values, METH_NOARGS, values_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- the type ---- */

static PyObject *
table_repr(PyObject *object)
{
    mp_table_t *self = (mp_table_t *)object;
    PyObject *items = build_list(self, ITEMS);
    PyObject *parts = items ? PyList_New(0) : NULL;
    PyObject *comma = parts ? PyUnicode_FromString(", ") : NULL;
    PyObject *joined = NULL;
    if (!comma) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        PyObject *part =
            PyUnicode_FromFormat("%R: %R", PyTuple_GET_ITEM(pair, 0),
                                 PyTuple_GET_ITEM(pair, 1));
        if (!part || PyList_Append(parts, part) < 0) {
            Py_XDECREF(part);
            goto done;
        }
        Py_DECREF(part);
    }
    joined = PyUnicode_Join(comma, parts);
    if (joined) {
        Py_SETREF(joined, PyUnicode_FromFormat("{%U}", joined));
    }
done:
    Py_XDECREF(items);
    Py_XDECREF(parts);
    Py_XDECREF(comma);
    return joined;
}

/* A mapping as a dict. New reference, NULL with an exception, or a new
 * NotImplemented when it is no mapping. */
static PyObject *
build_dict(mp_state_t *state, PyObject *mapping)
{
    if (!PyMapping_Check(mapping)) {
        return Py_NewRef(Py_NotImplemented);
    }
    PyObject *method;
    int found = PyObject_GetOptionalAttr(mapping, state->names.keys, &method);
    if (found <= 0) {
        return found < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    }
    Py_DECREF(method);
    PyObject *dict = PyDict_New();
    if (dict && PyDict_Update(dict, mapping) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *
table_compare(PyObject *self, PyObject *other, int operation)
{
    mp_state_t *state = ((mp_table_t *)self)->state;
    if (operation != Py_EQ && operation != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *right = build_dict(state, other);
    if (!right || right == Py_NotImplemented) {
        return right;
    }
    PyObject *left = build_dict(state, self);
    PyObject *result =
        left ? PyObject_RichCompare(left, right, operation) : NULL;
    Py_XDECREF(left);
    Py_DECREF(right);
    return result;
}

static PyObject *
table_iterate(PyObject *self)
{
    return build_iterator((mp_table_t *)self, KEYS);
}

static void table_dealloc(PyObject *object);

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyTypeObject *ours = type; /* subclasses know nothing of our state */
    while (ours->tp_dealloc != table_dealloc) {
        ours = ours->tp_base;
    }
    return (PyObject *)create_own(mp_state_of_type(ours), type);
}

static int
table_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    mp_table_t *self = (mp_table_t *)object;
    PyObject *source = NULL;
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "table() takes no keyword arguments");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "|O:table", &source)) {
        return -1;
    }
    if (!source) {
        return 0;
    }
    PyObject *method;
    int has_keys =
        PyObject_GetOptionalAttr(source, self->state->names.keys, &method);
    if (has_keys < 0) {
        return -1;
    }
    Py_XDECREF(method);
    return has_keys ? merge_mapping(self, source) : merge_pairs(self, source);
}

static int
table_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((mp_table_t *)object)->owner);
    return 0;
}

static int
table_clear(PyObject *object)
{
    mp_table_t *self = (mp_table_t *)object;
    if (self->owner) {
        self->table = NULL;
        Py_CLEAR(self->owner);
    }
    return 0;
}

static void
table_dealloc(PyObject *object)
{
    mp_table_t *self = (mp_table_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)table_clear(object);
    if (self->pool) {
        apr_pool_destroy(self->pool);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(table_doc,
             "table(source=None, /)\n--\n\n"
             "A table of text: keys are compared without regard to case and "
             "may\nhave several values. Made from a mapping or a sequence of "
             "pairs;\nwhat is neither str nor bytes is stored as its str(). "
             "The tables of\nrequests and connections are of this type and "
             "show httpd's own.");

static PyType_Slot table_slots[] = {
    {Py_tp_doc, (void *)table_doc},
    {Py_tp_new, table_new},
    {Py_tp_init, table_init},
    {Py_tp_dealloc, table_dealloc},
    {Py_tp_traverse, table_traverse},
    {Py_tp_clear, table_clear},
    {Py_tp_repr, table_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, table_compare},
    {Py_tp_iter, table_iterate},
    {Py_tp_methods, table_methods},
    {Py_mp_length, table_length},
    {Py_mp_subscript, table_subscript},
    {Py_mp_ass_subscript, table_assign},
    {Py_sq_contains, table_contains},
    {0, NULL},
};

PyType_Spec mp_table_spec = {
    .name = "builtins.mp_table",
    .basicsize = sizeof(mp_table_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = table_slots,
};

static mp_table_t *
create_view(PyObject *owner, mp_text_rule_t rule)
{
    mp_state_t *state = ((mp_proxy_t *)owner)->state;
    PyTypeObject *type = state->types[MP_TYPE_TABLE];
    mp_table_t *self = (mp_table_t *)type->tp_alloc(type, 0);
    if (self) {
        self->state = state;
        self->owner = Py_NewRef(owner);
        self->rule = rule;
    }
    return self;
}

PyObject *
mp_table_view(PyObject *owner, size_t offset, mp_text_rule_t rule)
{
    mp_table_t *self = create_view(owner, rule);
    if (self) {
        self->offset = offset;
    }
    return (PyObject *)self;
}

PyObject *
mp_table_wrap(PyObject *owner, apr_table_t *table, mp_text_rule_t rule)
{
    mp_table_t *self = create_view(owner, rule);
    if (self) {
        self->table = table;
    }
    return (PyObject *)self;
}
