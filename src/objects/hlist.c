/* hlist.c - mp_hlist: cursor over a list of handlers.
 *
 * Made for req.hlist and conn.hlist, for the filters' parent, and for its own
 * parent, which is a list of one. Holds its owner (a request or connection
 * object) and asks it before each look: the list is in the pool of the owner,
 * or in the configuration's, which lives longer. The list may grow while the
 * cursor is on it, because req.add_handler() appends to the running one. */
#include "runtime/python.h"

#include "objects/hlist.h"

#include "objects/proxy.h"
#include "runtime/text.h"

typedef struct {
    PyObject_HEAD
    mp_state_t *state;
    PyObject *owner; /* a proxy; NULL: cleared by the collector */
    const apr_array_header_t *handlers; /* mp_handler_t *; NULL: a list of */
    const mp_handler_t *single;         /* this one */
    int index;                          /* may be past the end */
} hlist_t;

/* *handler: the handler under the cursor, NULL past the end. 0, or -1 when the
 * owner has expired. */
static int
find_current(hlist_t *self, const mp_handler_t **handler)
{
    *handler = NULL;
    if (!self->owner) {
        return 0;
    }
    if (!mp_proxy_ptr(self->owner)) {
        return -1;
    }
    if (!self->handlers) {
        *handler = self->index == 0 ? self->single : NULL;
    }
    else if (self->index < self->handlers->nelts) {
        *handler = APR_ARRAY_IDX(self->handlers, self->index,
                                 const mp_handler_t *);
    }
    return 0;
}

/* The request behind owner, or NULL when that is a connection. */
static const request_rec *
find_request(hlist_t *self)
{
    if (!Py_IS_TYPE(self->owner, self->state->types[MP_TYPE_REQUEST])) {
        return NULL;
    }
    return ((mp_proxy_t *)self->owner)->ptr;
}

static PyObject *
build_hlist(PyObject *owner)
{
    mp_state_t *state = ((mp_proxy_t *)owner)->state;
    PyTypeObject *type = state->types[MP_TYPE_HLIST];
    hlist_t *self = (hlist_t *)type->tp_alloc(type, 0);
    if (self) {
        self->state = state;
        self->owner = Py_NewRef(owner);
    }
    return (PyObject *)self;
}

/* ---- attributes ---- */

typedef PyObject *convert_fn(hlist_t *self, const mp_handler_t *handler);

static PyObject *
from_text(hlist_t *self, const mp_handler_t *handler)
{
    if (handler->callable) {
        return Py_NewRef((PyObject *)handler->callable);
    }
    return mp_text_from(handler->text);
}

static PyObject *
from_silent(hlist_t *self, const mp_handler_t *handler)
{
    return PyLong_FromLong(handler->silent);
}

static PyObject *
from_is_location(hlist_t *self, const mp_handler_t *handler)
{
    return PyLong_FromLong(handler->is_location);
}

static PyObject *
from_directory(hlist_t *self, const mp_handler_t *handler)
{
    const request_rec *r = find_request(self);
    return mp_text_from(r ? mp_handlers_directory(handler, r)
                          : handler->directory);
}

static PyObject *
from_location(hlist_t *self, const mp_handler_t *handler)
{
    const request_rec *r = find_request(self);
    return mp_text_from(r ? mp_handlers_location(handler, r) : NULL);
}

static PyObject *
from_parent(hlist_t *self, const mp_handler_t *handler)
{
    if (!handler->parent) {
        Py_RETURN_NONE;
    }
    PyObject *parent = build_hlist(self->owner);
    if (parent) {
        ((hlist_t *)parent)->single = handler->parent;
    }
    return parent;
}

static PyObject *
from_object(hlist_t *self, const mp_handler_t *handler)
{
    return Py_NewRef(handler->callable ? (PyObject *)handler->callable
                                       : Py_None);
}

static PyObject *
get_value(PyObject *object, void *closure)
{
    hlist_t *self = (hlist_t *)object;
    convert_fn *const *convert = closure;
    const mp_handler_t *handler;
    if (find_current(self, &handler) < 0) {
        return NULL;
    }
    if (!handler) {
        Py_RETURN_NONE;
    }
    return (*convert)(self, handler);
}

#define ATTRIBUTE(name, function, doc) \
    {name, get_value, NULL, doc, (void *)(convert_fn *const[]){function}}

static PyGetSetDef hlist_attributes[] = {
    ATTRIBUTE("handler", from_text,
              "the handler as configured (str), or the callable"),
    ATTRIBUTE("silent", from_silent, "1: from PythonHandlerModule, else 0"),
    ATTRIBUTE("is_location", from_is_location,
              "1: directory is a URL, else 0"),
    ATTRIBUTE("directory", from_directory,
              "the directory of the directive (str), or None"),
    ATTRIBUTE("location", from_location,
              "the part of the URL that its section matched, or None"),
    ATTRIBUTE("parent", from_parent,
              "hlist of the handler that added this one, or None"),
    ATTRIBUTE("object", from_object, "the callable that was added, or None"),
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(next_doc, "next($self, /)\n--\n\n"
                       "Move on to the next handler; past the end, where all "
                       "attributes are\nNone, it does nothing.");

static PyObject *
hlist_next(PyObject *object, PyObject *ignored)
{
    hlist_t *self = (hlist_t *)object;
    const mp_handler_t *handler;
    if (find_current(self, &handler) < 0) {
        return NULL;
    }
    if (handler) {
        self->index++;
    }
    Py_RETURN_NONE;
}

static PyMethodDef hlist_methods[] = {
    {"next", hlist_next, METH_NOARGS, next_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- the type ---- */

static PyObject *
hlist_repr(PyObject *self)
{
    PyObject *dict = PyDict_New();
    for (const PyGetSetDef *row = hlist_attributes; row->name && dict;
         row++) {
        PyObject *value = row->get(self, row->closure);
        if (!value || PyDict_SetItemString(dict, row->name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    PyObject *text = dict ? PyObject_Repr(dict) : NULL;
    Py_XDECREF(dict);
    return text;
}

static int
hlist_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((hlist_t *)object)->owner);
    return 0;
}

static int
hlist_clear(PyObject *object)
{
    Py_CLEAR(((hlist_t *)object)->owner);
    return 0;
}

static void
hlist_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)hlist_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot hlist_slots[] = {
    {Py_tp_doc, "Cursor over the handlers of the running phase, from the one "
                "that runs."},
    {Py_tp_dealloc, hlist_dealloc},
    {Py_tp_traverse, hlist_traverse},
    {Py_tp_clear, hlist_clear},
    {Py_tp_repr, hlist_repr},
    {Py_tp_getset, hlist_attributes},
    {Py_tp_methods, hlist_methods},
    {0, NULL},
};

PyType_Spec mp_hlist_spec = {
    .name = "builtins.mp_hlist",
    .basicsize = sizeof(hlist_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hlist_slots,
};

PyObject *
mp_hlist_new(PyObject *owner, const apr_array_header_t *handlers, int index)
{
    PyObject *self = build_hlist(owner);
    if (self) {
        ((hlist_t *)self)->handlers = handlers;
        ((hlist_t *)self)->index = index;
    }
    return self;
}

PyObject *
mp_hlist_of_request(PyObject *owner, mp_request_t *request)
{
    if (!request->running) {
        Py_RETURN_NONE;
    }
    return mp_hlist_new(owner, request->running, request->running_index);
}
