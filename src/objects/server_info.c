/* server_info.c - mp_server: server_rec.
 *
 * A server is made while the configuration is read and lives as long as the
 * child process, so these objects never expire and any thread may use them.
 * They are made afresh each time somebody asks; programs may set attributes
 * of their own on them. */
#include "runtime/python.h"

#include "objects/server_info.h"

#include "objects/functions.h"
#include "objects/proxy.h"
#include "objects/table.h"
#include "runtime/text.h"
#include "server/config.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <scoreboard.h>

#include <stddef.h>

typedef struct {
    mp_proxy_t base; /* ptr: server_rec * */
    PyObject *dict;  /* attributes that programs set */
} server_t;

/* ---- attributes that are fields ---- */

typedef PyObject *convert_fn(const void *field);

static PyObject *
from_text(const void *field)
{
    return mp_text_from(*(const char *const *)field);
}

static PyObject *
from_int(const void *field)
{
    return PyLong_FromLong(*(const int *)field);
}

static PyObject *
from_unsigned(const void *field)
{
    return PyLong_FromUnsignedLong(*(const unsigned *)field);
}

static PyObject *
from_flag(const void *field)
{
    return PyLong_FromLong(*(const char *)field != 0);
}

static PyObject *
from_port(const void *field)
{
    return PyLong_FromUnsignedLong(*(const apr_port_t *)field);
}

static PyObject *
from_interval(const void *field)
{
    apr_interval_time_t interval = *(const apr_interval_time_t *)field;
    return PyFloat_FromDouble((double)interval / APR_USEC_PER_SEC);
}

/* An array of names, NULL when there are none, as a tuple. */
static PyObject *
from_names(const void *field)
{
    const apr_array_header_t *names =
        *(const apr_array_header_t *const *)field;
    int count = names ? names->nelts : 0;
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; i < count && tuple; i++) {
        PyObject *name = mp_text_from(APR_ARRAY_IDX(names, i, const char *));
        if (!name) {
            Py_CLEAR(tuple);
        }
        else {
            PyTuple_SET_ITEM(tuple, i, name);
        }
    }
    return tuple;
}

typedef struct {
    size_t offset;
    convert_fn *convert;
} field_t;

#define FIELD(name, field, function, doc)                                 \
    {name, get_field, NULL, doc,                                          \
     (void *)&(const field_t){offsetof(server_rec, field), function}}

static PyObject *
get_field(PyObject *self, void *closure)
{
    const field_t *field = closure;
    const char *s = mp_proxy_ptr(self);
    return s ? field->convert(s + field->offset) : NULL;
}

/* ---- attributes that are more ---- */

static PyObject *
get_next(PyObject *self, void *closure)
{
    const server_rec *s = mp_proxy_ptr(self);
    if (!s) {
        return NULL;
    }
    if (!s->next) {
        Py_RETURN_NONE;
    }
    return mp_server_wrap(((mp_proxy_t *)self)->state, s->next);
}

static PyObject *
get_generation(PyObject *self, void *closure)
{
    int generation = 0;
    (void)ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    return PyLong_FromLong(generation);
}

static PyObject *
get_restart_time(PyObject *self, void *closure)
{
    apr_time_t time = 0;
    if (ap_scoreboard_image && ap_scoreboard_image->global) {
        time = ap_scoreboard_image->global->restart_time;
    }
    return PyFloat_FromDouble((double)time / APR_USEC_PER_SEC);
}

static PyObject *
get_server_rec(PyObject *self, void *closure)
{
    void *s = mp_proxy_ptr(self);
    return s ? PyCapsule_New(s, NULL, NULL) : NULL;
}

static PyGetSetDef server_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL,
     NULL},
    {"next", get_next, NULL, "the next server of the list, or None", NULL},
    FIELD("defn_name", defn_name, from_text,
          "the configuration file that defines it"),
    FIELD("defn_line_number", defn_line_number, from_unsigned,
          "the line of that file"),
    FIELD("server_admin", server_admin, from_text, "ServerAdmin"),
    FIELD("server_hostname", server_hostname, from_text, "ServerName"),
    FIELD("port", port, from_port, "the port for redirections, 0 to 65535"),
    FIELD("error_fname", error_fname, from_text, "the name of the error log"),
    FIELD("loglevel", log.level, from_int, "LogLevel: one of APLOG_*"),
    FIELD("is_virtual", is_virtual, from_flag, "1 for a virtual host, or 0"),
    FIELD("timeout", timeout, from_interval, "Timeout in seconds (float)"),
    FIELD("keep_alive_timeout", keep_alive_timeout, from_interval,
          "KeepAliveTimeout in seconds (float)"),
    FIELD("keep_alive_max", keep_alive_max, from_int, "MaxKeepAliveRequests"),
    FIELD("keep_alive", keep_alive, from_int, "KeepAlive: 1 or 0"),
    FIELD("path", path, from_text, "ServerPath, or None"),
    FIELD("pathlen", pathlen, from_int, "the length of path"),
    FIELD("names", names, from_names, "tuple: ServerAlias without wildcards"),
    FIELD("wild_names", wild_names, from_names,
          "tuple: ServerAlias with wildcards"),
    FIELD("limit_req_line", limit_req_line, from_int, "LimitRequestLine"),
    FIELD("limit_req_fieldsize", limit_req_fieldsize, from_int,
          "LimitRequestFieldSize"),
    FIELD("limit_req_fields", limit_req_fields, from_int,
          "LimitRequestFields"),
    {"my_generation", get_generation, NULL,
     "how often httpd was restarted before this process began", NULL},
    {"restart_time", get_restart_time, NULL,
     "the time of the last restart, in seconds since the epoch (float)",
     NULL},
    {"_server_rec", get_server_rec, NULL,
     "capsule of the server_rec *, for extension modules", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- methods ---- */

/* The configuration is read-only by rule, and shared; what a program writes
 * into these two tables is its own business: it stays, in this process. */

PyDoc_STRVAR(get_config_doc,
             "get_config($self, /)\n--\n\n"
             "A live table of the directives at the level of the server, "
             "without\nhandlers and options. What is written to it stays, in "
             "this process.");

static PyObject *
server_get_config(PyObject *self, PyObject *ignored)
{
    const server_rec *s = mp_proxy_ptr(self);
    if (!s) {
        return NULL;
    }
    return mp_table_wrap(self, mp_config_of_server_defaults(s)->directives,
                         MP_TEXT_PLAIN);
}

PyDoc_STRVAR(get_options_doc,
             "get_options($self, /)\n--\n\n"
             "A live table of the PythonOptions at the level of the server. "
             "What is\nwritten to it stays, in this process.");

static PyObject *
server_get_options(PyObject *self, PyObject *ignored)
{
    const server_rec *s = mp_proxy_ptr(self);
    if (!s) {
        return NULL;
    }
    return mp_table_wrap(self, mp_config_of_server_defaults(s)->options,
                         MP_TEXT_PLAIN);
}

PyDoc_STRVAR(log_error_doc,
             "log_error($self, message, level=3)\n--\n\n"
             "Write message (str, any number of lines) to the error log of "
             "this\nserver. level: one of APLOG_*; 0 means APLOG_ERR. None as "
             "message is\nignored. ValueError for NUL in it (ap_log_error).");

static PyObject *
server_log_error(PyObject *self, PyObject *args, PyObject *kwargs)
{
    char *names[] = {"message", "level", NULL};
    PyObject *message;
    int level = APLOG_ERR;
    const server_rec *s = mp_proxy_ptr(self);
    if (!s
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|i:log_error", names,
                                        &message, &level)) {
        return NULL;
    }
    return mp_functions_log(MP_LOG_SERVER(s), message, level);
}

PyDoc_STRVAR(register_cleanup_doc,
             "register_cleanup($self, req, callable, data=None, /)\n--\n\n"
             "Call callable(data) when this child process ends, in the "
             "interpreter\nof req; last registered first. Never pass a "
             "request as data. ValueError\nwhen req is not a request or "
             "callable cannot be called.");

static PyObject *
server_register_cleanup(PyObject *self, PyObject *args)
{
    mp_state_t *state = ((mp_proxy_t *)self)->state;
    PyObject *req, *callable, *data = Py_None;
    if (!PyArg_ParseTuple(args, "OO|O:register_cleanup", &req, &callable,
                          &data)) {
        return NULL;
    }
    if (!Py_IS_TYPE(req, state->types[MP_TYPE_REQUEST])) {
        PyErr_Format(PyExc_ValueError,
                     "the first argument must be a request object, not "
                     "%.200s",
                     Py_TYPE(req)->tp_name);
        return NULL;
    }
    if (mp_functions_add_cleanup(state, callable, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef server_methods[] = {
    {"get_config", server_get_config, METH_NOARGS, get_config_doc},
    {"get_options", server_get_options, METH_NOARGS, get_options_doc},
    /* by way of void: a function with keywords has one argument more */
    {"log_error", (PyCFunction)(void (*)(void))server_log_error,
     METH_VARARGS | METH_KEYWORDS, log_error_doc},
    {"register_cleanup", server_register_cleanup, METH_VARARGS,
     register_cleanup_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- the type ---- */

static int
server_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((server_t *)object)->dict);
    return 0;
}

static int
server_clear(PyObject *object)
{
    Py_CLEAR(((server_t *)object)->dict);
    return 0;
}

static void
server_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)server_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef server_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(server_t, dict), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot server_slots[] = {
    {Py_tp_doc, "A server of this httpd: the main one or a virtual host."},
    {Py_tp_dealloc, server_dealloc},
    {Py_tp_traverse, server_traverse},
    {Py_tp_clear, server_clear},
    {Py_tp_getset, server_attributes},
    {Py_tp_members, server_members},
    {Py_tp_methods, server_methods},
    {0, NULL},
};

PyType_Spec mp_server_spec = {
    .name = "builtins.mp_server",
    .basicsize = sizeof(server_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = server_slots,
};

PyObject *
mp_server_wrap(mp_state_t *state, server_rec *s)
{
    PyTypeObject *type = state->types[MP_TYPE_SERVER];
    server_t *self = (server_t *)type->tp_alloc(type, 0);
    if (self) {
        self->base.ptr = s;
        self->base.state = state;
    }
    return (PyObject *)self;
}
