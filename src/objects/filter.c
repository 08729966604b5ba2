/* filter.c - mp_filter: the type and its attributes.
 *
 * Made for each call of a handler, and expired when the call returns: the
 * buckets that it works on are httpd's, and only lent. What lasts from call to
 * call is in the C record, mp_filter_t. */
#include "runtime/python.h"

#include "objects/filter.h"

#include "objects/hlist.h"
#include "runtime/text.h"

/* A brigade that is empty outside of calls needs no cleanup of its pool. */
static void
init_brigade(apr_bucket_brigade *brigade, request_rec *r)
{
    brigade->p = r->pool;
    brigade->bucket_alloc = r->connection->bucket_alloc;
    APR_RING_INIT(&brigade->list, apr_bucket, link);
}

mp_filter_t *
mp_filter_create(request_rec *r, const mp_handler_t *handler,
                 const char *name, int is_input)
{
    mp_filter_t *filter = apr_pcalloc(r->pool, sizeof(*filter));
    apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;
    filter->handler = handler;
    filter->name = name;
    filter->is_input = is_input != 0;
    filter->in = &filter->brigades[0];
    filter->taken = &filter->brigades[1];
    filter->out = &filter->brigades[2];
    for (int i = 0; i < 3; i++) {
        init_brigade(&filter->brigades[i], r);
    }
    if (is_input) {
        filter->rest = apr_brigade_create(r->pool, buckets);
        filter->held = apr_brigade_create(r->pool, buckets);
    }
    return filter;
}

PyObject *
mp_filter_wrap(mp_state_t *state, mp_filter_t *filter, PyObject *req)
{
    PyTypeObject *type = state->types[MP_TYPE_FILTER];
    mp_filter_object_t *self = (mp_filter_object_t *)type->tp_alloc(type, 0);
    if (self) {
        self->base.ptr = filter;
        self->base.state = state;
        self->req = Py_NewRef(req);
        mp_proxy_adopt((PyObject *)self);
    }
    return (PyObject *)self;
}

/* ---- attributes ---- */

static PyObject *
get_name(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    return mp_text_from(filter->name ? filter->name : filter->f->frec->name);
}

static PyObject *
get_req(PyObject *self, void *unused)
{
    PyObject *req = ((mp_filter_object_t *)self)->req;
    return mp_proxy_ptr(self) ? Py_NewRef(req ? req : Py_None) : NULL;
}

static int
set_req(PyObject *self, PyObject *value, void *unused)
{
    if (!mp_proxy_ptr(self)) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "req cannot be deleted");
        return -1;
    }
    Py_XSETREF(((mp_filter_object_t *)self)->req, Py_NewRef(value));
    return 0;
}

static PyObject *
get_is_input(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    return filter ? PyLong_FromLong(filter->is_input) : NULL;
}

static PyObject *
get_closed(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    return filter ? PyLong_FromLong(filter->closed) : NULL;
}

static PyObject *
get_handler(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    if (filter->handler && filter->handler->callable) {
        return Py_NewRef((PyObject *)filter->handler->callable);
    }
    return mp_text_from(filter->handler ? filter->handler->text : NULL);
}

static PyObject *
get_dir(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    return mp_text_from(filter->handler
                            ? mp_handlers_directory(filter->handler,
                                                    filter->f->r)
                            : NULL);
}

static PyObject *
get_softspace(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    return filter ? PyLong_FromLong(filter->softspace) : NULL;
}

static int
set_softspace(PyObject *self, PyObject *value, void *unused)
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "softspace cannot be deleted");
        return -1;
    }
    const long softspace = PyLong_AsLong(value);
    if (softspace == -1 && PyErr_Occurred()) {
        return -1;
    }
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return -1;
    }
    filter->softspace = softspace;
    return 0;
}

static PyObject *
get_parent(PyObject *self, void *unused)
{
    const mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    if (!filter->handler || !filter->handler->parent) {
        Py_RETURN_NONE;
    }
    /* As an array that lives as long as the request. */
    apr_array_header_t *list = apr_array_make(filter->f->r->pool, 1,
                                              sizeof(mp_handler_t *));
    APR_ARRAY_PUSH(list, const mp_handler_t *) = filter->handler->parent;
    PyObject *req = ((mp_filter_object_t *)self)->req;
    mp_state_t *state = ((mp_proxy_t *)self)->state;
    if (!req || !Py_IS_TYPE(req, state->types[MP_TYPE_REQUEST])) {
        Py_RETURN_NONE; /* the program has put something else there */
    }
    return mp_hlist_new(req, list, 0);
}

static PyGetSetDef filter_attributes[] = {
    {"name", get_name, NULL,
     "the name of the filter (str); httpd keeps registered names in lower\n"
     "case", NULL},
    {"req", get_req, set_req, "the request object", NULL},
    {"is_input", get_is_input, NULL, "1: an input filter, 0: output", NULL},
    {"handler", get_handler, NULL,
     "the handler as configured or registered (str), or the callable; None\n"
     "in a page", NULL},
    {"dir", get_dir, NULL,
     "the directory of the directive, or the one registered with (str), or\n"
     "None", NULL},
    {"closed", get_closed, NULL, "1: closed, else 0", NULL},
    {"softspace", get_softspace, set_softspace,
     "int, for old programs; it means nothing", NULL},
    {"parent", get_parent, NULL,
     "hlist of the handler that registered this filter, or None", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

/* ---- the type ---- */

#define PLAIN(function) ((PyCFunction)(function))
#define KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef filter_methods[] = {
    {"read", KEYWORDS(mp_filter_read),
     "read($self, len=-1)\n--\n\n"
     "At most len bytes of the content (negative: all that is there). b''\n"
     "when there is no more now, None at the end of stream. ValueError when\n"
     "the filter is closed, OSError when httpd cannot read. (ap_get_brigade,\n"
     "apr_bucket_read)"},
    {"readline", KEYWORDS(mp_filter_readline),
     "readline($self, len=-1)\n--\n\n"
     "One line with its newline, at most len bytes of it; without newline\n"
     "where the content that is there ends. Otherwise as read()."},
    {"write", PLAIN(mp_filter_write), METH_O,
     "write($self, data, /)\n--\n\n"
     "Write data (str as UTF-8, or bytes-like) in place of what was read; it\n"
     "is copied. ValueError when the filter is closed, OSError when the\n"
     "client is gone. (ap_pass_brigade)"},
    {"flush", PLAIN(mp_filter_flush), METH_NOARGS,
     "flush($self)\n--\n\n"
     "Send what was written to the client now. OSError when it is gone.\n"
     "Does nothing in an input filter. (ap_pass_brigade)"},
    {"close", PLAIN(mp_filter_close), METH_NOARGS,
     "close($self)\n--\n\n"
     "End the stream: nothing can be read or written after this. Once more\n"
     "does nothing."},
    {"pass_on", PLAIN(mp_filter_pass_on), METH_NOARGS,
     "pass_on($self)\n--\n\n"
     "Hand on what is there and was not read, unchanged."},
    {"disable", PLAIN(mp_filter_disable), METH_NOARGS,
     "disable($self)\n--\n\n"
     "Be transparent from now on: everything not read yet passes unchanged,\n"
     "and the handler is not called any more for this request."},
    {NULL, NULL, 0, NULL}
};

static int
traverse_filter(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((mp_filter_object_t *)self)->req);
    Py_VISIT(((mp_filter_object_t *)self)->lent);
    return 0;
}

static int
clear_filter(PyObject *self)
{
    Py_CLEAR(((mp_filter_object_t *)self)->req);
    mp_filter_give_back(self);
    return 0;
}

static void
dealloc_filter(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)clear_filter(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot filter_slots[] = {
    {Py_tp_doc, "A filter, as its handler gets it for one call.\n\n"
                "It expires when the call returns."},
    {Py_tp_dealloc, dealloc_filter},
    {Py_tp_traverse, traverse_filter},
    {Py_tp_clear, clear_filter},
    {Py_tp_methods, filter_methods},
    {Py_tp_getset, filter_attributes},
    {0, NULL}
};

PyType_Spec mp_filter_spec = {
    .name = "builtins.mp_filter",
    .basicsize = sizeof(mp_filter_object_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = filter_slots,
};
