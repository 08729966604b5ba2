/* finfo.c - mp_finfo: what httpd or apr_stat() found out about a file.
 *
 * A copy: the two names are Python strings, the rest are numbers, and no pool
 * is needed. One table of rows serves the attributes, the sequence and repr.
 * The surprising rule: a value that was not determined is None, and after a
 * look at a missing file everything but fname and filetype is. */
#include "runtime/python.h"

#include "objects/finfo.h"

#include "runtime/text.h"

typedef struct {
    PyObject_HEAD
    apr_finfo_t finfo; /* without its pointers */
    PyObject *fname;   /* str or None */
    PyObject *name;    /* str or None */
} finfo_t;

/* ---- values ---- */

typedef PyObject *convert_fn(const finfo_t *self);

static PyObject *
from_protection(const finfo_t *self)
{
    return PyLong_FromLong(self->finfo.protection);
}

static PyObject *
from_inode(const finfo_t *self)
{
    return PyLong_FromUnsignedLongLong(self->finfo.inode);
}

static PyObject *
from_device(const finfo_t *self)
{
    return PyLong_FromUnsignedLongLong(self->finfo.device);
}

static PyObject *
from_nlink(const finfo_t *self)
{
    return PyLong_FromLong(self->finfo.nlink);
}

static PyObject *
from_user(const finfo_t *self)
{
    return PyLong_FromUnsignedLong(self->finfo.user);
}

static PyObject *
from_group(const finfo_t *self)
{
    return PyLong_FromUnsignedLong(self->finfo.group);
}

static PyObject *
from_size(const finfo_t *self)
{
    return PyLong_FromLongLong(self->finfo.size);
}

static PyObject *
from_atime(const finfo_t *self)
{
    return PyLong_FromLongLong(apr_time_sec(self->finfo.atime));
}

static PyObject *
from_mtime(const finfo_t *self)
{
    return PyLong_FromLongLong(apr_time_sec(self->finfo.mtime));
}

static PyObject *
from_ctime(const finfo_t *self)
{
    return PyLong_FromLongLong(apr_time_sec(self->finfo.ctime));
}

static PyObject *
from_fname(const finfo_t *self)
{
    return Py_NewRef(self->fname);
}

static PyObject *
from_name(const finfo_t *self)
{
    return Py_NewRef(self->name);
}

static PyObject *
from_filetype(const finfo_t *self)
{
    return PyLong_FromLong(self->finfo.filetype);
}

static PyObject *
from_valid(const finfo_t *self)
{
    return PyLong_FromLong(self->finfo.valid);
}

typedef struct {
    apr_int32_t bits; /* of valid: one of them must be set; 0: none needed */
    int of_missing;   /* is there for a missing file, too */
    convert_fn *convert;
} row_t;

/* The places of the sequence, and behind them what is only an attribute. */
enum { VALID = MP_FINFO_COUNT, ROWS };

static const row_t rows[ROWS] = {
    [MP_FINFO_MODE] = {APR_FINFO_PROT, 0, from_protection},
    [MP_FINFO_INO] = {APR_FINFO_INODE, 0, from_inode},
    [MP_FINFO_DEV] = {APR_FINFO_DEV, 0, from_device},
    [MP_FINFO_NLINK] = {APR_FINFO_NLINK, 0, from_nlink},
    [MP_FINFO_UID] = {APR_FINFO_USER, 0, from_user},
    [MP_FINFO_GID] = {APR_FINFO_GROUP, 0, from_group},
    [MP_FINFO_SIZE] = {APR_FINFO_SIZE, 0, from_size},
    [MP_FINFO_ATIME] = {APR_FINFO_ATIME, 0, from_atime},
    [MP_FINFO_MTIME] = {APR_FINFO_MTIME, 0, from_mtime},
    [MP_FINFO_CTIME] = {APR_FINFO_CTIME, 0, from_ctime},
    [MP_FINFO_FNAME] = {0, 1, from_fname},
    [MP_FINFO_NAME] = {APR_FINFO_NAME, 0, from_name},
    [MP_FINFO_FILETYPE] = {0, 1, from_filetype},
    [VALID] = {0, 0, from_valid},
};

static PyObject *
build_value(const finfo_t *self, const row_t *row)
{
    int is_missing = self->finfo.filetype == APR_NOFILE;
    if ((is_missing && !row->of_missing)
        || (row->bits && !(self->finfo.valid & row->bits))) {
        Py_RETURN_NONE;
    }
    return row->convert(self);
}

/* ---- the type ---- */

static PyObject *
get_value(PyObject *self, void *closure)
{
    return build_value((const finfo_t *)self, closure);
}

#define ATTRIBUTE(place, name, doc) \
    [place] = {name, get_value, NULL, doc, (void *)&rows[place]}

static PyGetSetDef finfo_attributes[ROWS + 1] = {
    ATTRIBUTE(MP_FINFO_MODE, "protection", "permission bits of APR (int)"),
    ATTRIBUTE(MP_FINFO_INO, "inode", "inode number"),
    ATTRIBUTE(MP_FINFO_DEV, "device", "number of its device"),
    ATTRIBUTE(MP_FINFO_NLINK, "nlink", "number of hard links"),
    ATTRIBUTE(MP_FINFO_UID, "user", "user id of the owner"),
    ATTRIBUTE(MP_FINFO_GID, "group", "group id of the owner"),
    ATTRIBUTE(MP_FINFO_SIZE, "size", "size in bytes"),
    ATTRIBUTE(MP_FINFO_ATIME, "atime", "last access, whole seconds"),
    ATTRIBUTE(MP_FINFO_MTIME, "mtime", "last modification, whole seconds"),
    ATTRIBUTE(MP_FINFO_CTIME, "ctime", "last change of the inode, seconds"),
    ATTRIBUTE(MP_FINFO_FNAME, "fname", "the path that was looked at (str)"),
    ATTRIBUTE(MP_FINFO_NAME, "name", "the file's own spelling of its name"),
    ATTRIBUTE(MP_FINFO_FILETYPE, "filetype", "one of APR_REG, APR_DIR, ..."),
    ATTRIBUTE(VALID, "valid", "what was determined: bits of APR_FINFO_*"),
};

static Py_ssize_t
finfo_length(PyObject *self)
{
    return MP_FINFO_COUNT;
}

static PyObject *
finfo_item(PyObject *self, Py_ssize_t index)
{
    if (index < 0 || index >= MP_FINFO_COUNT) {
        PyErr_SetString(PyExc_IndexError, "finfo index out of range");
        return NULL;
    }
    return build_value((const finfo_t *)self, &rows[index]);
}

/* Indices and slices, as of a tuple. */
static PyObject *
finfo_subscript(PyObject *self, PyObject *key)
{
    PyObject *tuple = PySequence_Tuple(self);
    PyObject *item = tuple ? PyObject_GetItem(tuple, key) : NULL;
    Py_XDECREF(tuple);
    return item;
}

static PyObject *
finfo_repr(PyObject *object)
{
    PyObject *dict = PyDict_New();
    for (int i = 0; i < ROWS && dict; i++) {
        const char *name = finfo_attributes[i].name;
        PyObject *value = build_value((finfo_t *)object, &rows[i]);
        if (!value || PyDict_SetItemString(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    PyObject *text = dict ? PyObject_Repr(dict) : NULL;
    Py_XDECREF(dict);
    return text;
}

static void
finfo_dealloc(PyObject *object)
{
    finfo_t *self = (finfo_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->fname);
    Py_XDECREF(self->name);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot finfo_slots[] = {
    {Py_tp_doc,
     "What is known about a file: attributes, or a sequence of 13 whose "
     "places\nare the constants FINFO_*. A value that was not determined is "
     "None."},
    {Py_tp_dealloc, finfo_dealloc},
    {Py_tp_repr, finfo_repr},
    {Py_tp_getset, finfo_attributes},
    {Py_sq_length, finfo_length},
    {Py_sq_item, finfo_item},
    {Py_mp_length, finfo_length},
    {Py_mp_subscript, finfo_subscript},
    {0, NULL},
};

/* Without the collector: two strings can be part of no cycle. */
PyType_Spec mp_finfo_spec = {
    .name = "builtins.mp_finfo",
    .basicsize = sizeof(finfo_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = finfo_slots,
};

PyObject *
mp_finfo_from(mp_state_t *state, const apr_finfo_t *finfo)
{
    PyTypeObject *type = state->types[MP_TYPE_FINFO];
    finfo_t *self = (finfo_t *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->finfo = *finfo;
    self->finfo.pool = NULL;
    self->finfo.fname = NULL;
    self->finfo.name = NULL;
    self->finfo.filehand = NULL;
    self->fname = mp_text_from(finfo->fname);
    self->name = mp_text_from(
        finfo->valid & APR_FINFO_NAME ? finfo->name : NULL);
    if (!self->fname || !self->name) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* *copy is NULL for None. 0, or -1 with an exception. */
static int
copy_name(const char **copy, apr_pool_t *pool, PyObject *name)
{
    *copy = NULL;
    if (name == Py_None) {
        return 0;
    }
    *copy = mp_text_copy(pool, name, MP_TEXT_PLAIN, "file name");
    return *copy ? 0 : -1;
}

int
mp_finfo_to(apr_finfo_t *finfo, apr_pool_t *pool, PyObject *object)
{
    const finfo_t *self = (const finfo_t *)object;
    /* Its deallocator is the mark of the type, in any interpreter. */
    if (Py_TYPE(object)->tp_dealloc != finfo_dealloc) {
        PyErr_Format(PyExc_TypeError,
                     "finfo must be an mp_finfo, as from apache.stat(), not "
                     "%.200s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    const char *fname, *name;
    if (copy_name(&fname, pool, self->fname) < 0
        || copy_name(&name, pool, self->name) < 0) {
        return -1;
    }
    *finfo = self->finfo;
    finfo->pool = pool;
    finfo->fname = fname;
    finfo->name = name;
    return 0;
}
