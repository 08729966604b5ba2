/* connection.c - mp_conn: conn_rec.
 *
 * One object for each (connection, interpreter), kept by a record in
 * c->conn_config until c->pool goes. A connection is served by one thread at a
 * time, but not always by the same: whoever wraps it adopts the object.
 *
 * read(), readline() and write() go straight to the connection's filters and
 * are meant for connection handlers. What was read and not asked for waits in
 * `unread`; everything else stays with httpd's filters. */
#include "runtime/python.h"

#include "objects/connection.h"

#include "objects/functions.h"
#include "objects/hlist.h"
#include "objects/proxy.h"
#include "objects/server_info.h"
#include "objects/table.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/log.h"

#include <http_connection.h>
#include <util_filter.h>

#include <stddef.h>
#include <string.h>

typedef struct {
    mp_proxy_t base; /* ptr: conn_rec * */
    const apr_array_header_t *handlers; /* while a connection handler runs */
    /* brigades in c->pool, made at the first read or write: */
    apr_bucket_brigade *unread;
    apr_bucket_brigade *arriving; /* empty between reads */
    apr_bucket_brigade *leaving;  /* empty between writes */
    int at_end;                   /* the end of the stream was seen */
} connection_t;

/* What a connection keeps for each interpreter that saw it, in c->pool. */
typedef struct record_t record_t;
struct record_t {
    mp_interp_t *interp;
    connection_t *object; /* owned */
    record_t *next;
};

/* What one look at the input filters asks for when the caller does not say. */
#define READ_SIZE AP_IOBUFSIZE
/* write() copies as much at a time. */
#define WRITE_SIZE ((apr_size_t)1024 * 1024)

/* The connection, with brigades for reading and writing. NULL with an
 * exception. */
static conn_rec *
stream_ptr(connection_t *self)
{
    conn_rec *c = mp_proxy_ptr((PyObject *)self);
    if (c && !self->unread) {
        self->arriving = apr_brigade_create(c->pool, c->bucket_alloc);
        self->leaving = apr_brigade_create(c->pool, c->bucket_alloc);
        self->unread = apr_brigade_create(c->pool, c->bucket_alloc);
    }
    return c;
}

/* ---- reading ---- */

/* Ask the input filters once, waiting until there is something, and append it
 * to unread. APR_EOF at the end of the stream. [detached] */
static apr_status_t
fetch(connection_t *self, conn_rec *c, ap_input_mode_t mode, apr_off_t size)
{
    apr_bucket_brigade *bb = self->arriving;
    if (self->at_end) {
        return APR_EOF;
    }
    apr_status_t status =
        ap_get_brigade(c->input_filters, bb, mode, APR_BLOCK_READ, size);
    if (status == APR_SUCCESS && APR_BRIGADE_EMPTY(bb)) {
        status = APR_EOF; /* having waited, nothing means no more */
    }
    apr_bucket *bucket = APR_BRIGADE_FIRST(bb);
    while (bucket != APR_BRIGADE_SENTINEL(bb)) {
        apr_bucket *next = APR_BUCKET_NEXT(bucket);
        self->at_end |= APR_BUCKET_IS_EOS(bucket);
        if (APR_BUCKET_IS_METADATA(bucket) || bucket->length == 0) {
            apr_bucket_delete(bucket);
        }
        bucket = next;
    }
    self->at_end |= APR_STATUS_IS_EOF(status);
    /* A copy where the data would only last until the next look. */
    apr_status_t saved = ap_save_brigade(NULL, &self->unread, &bb, c->pool);
    apr_brigade_cleanup(bb);
    if (status == APR_SUCCESS && saved == APR_SUCCESS && self->at_end) {
        return APR_EOF;
    }
    return status == APR_SUCCESS ? saved : status;
}

/* Fetch until unread holds a line or limit bytes (0: any number); *size: how
 * many of them are the line. [detached] */
static apr_status_t
fetch_line(connection_t *self, conn_rec *c, apr_size_t limit,
           apr_size_t *size)
{
    apr_status_t status = APR_SUCCESS;
    apr_bucket *bucket = APR_BRIGADE_FIRST(self->unread);
    *size = 0;
    while (!limit || *size < limit) {
        if (bucket == APR_BRIGADE_SENTINEL(self->unread)) {
            apr_bucket *last = APR_BRIGADE_LAST(self->unread);
            status = fetch(self, c, AP_MODE_GETLINE, 0);
            bucket = APR_BUCKET_NEXT(last);
            if (bucket == APR_BRIGADE_SENTINEL(self->unread)
                && status != APR_SUCCESS) {
                return status;
            }
            continue;
        }
        const char *data;
        apr_size_t length;
        status = apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ);
        if (status != APR_SUCCESS) {
            return status;
        }
        if (limit && length > limit - *size) {
            length = limit - *size;
        }
        const char *newline = memchr(data, '\n', length);
        if (newline) {
            *size += (apr_size_t)(newline - data) + 1;
            return APR_SUCCESS;
        }
        *size += length;
        bucket = APR_BUCKET_NEXT(bucket);
    }
    return APR_SUCCESS;
}

/* The first size bytes of unread, which must be there, as bytes; None for 0 at
 * the end of the stream; or OSError for status. */
static PyObject *
take(connection_t *self, apr_status_t status, apr_size_t size)
{
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status)) {
        return mp_error_raise_os("Connection read error", status);
    }
    if (size == 0) {
        Py_RETURN_NONE;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!bytes) {
        return NULL;
    }
    apr_bucket *after;
    apr_size_t length = size;
    status =
        apr_brigade_flatten(self->unread, PyBytes_AS_STRING(bytes), &length);
    if (status == APR_SUCCESS) {
        status = apr_brigade_partition(self->unread, (apr_off_t)size, &after);
    }
    if (status != APR_SUCCESS || length != size) {
        Py_DECREF(bytes);
        return mp_error_raise_os("Connection read error", status);
    }
    while (APR_BRIGADE_FIRST(self->unread) != after) {
        apr_bucket_delete(APR_BRIGADE_FIRST(self->unread));
    }
    return bytes;
}

PyDoc_STRVAR(read_doc,
             "read($self, len=0, /)\n--\n\n"
             "Wait until there is something to read and return it as bytes, "
             "at most\nlen, or a buffer's worth when len is 0; with len -1 "
             "everything until\nthe peer closes. None at the end of the "
             "stream. OSError on failure.");

static PyObject *
connection_read(PyObject *object, PyObject *args)
{
    connection_t *self = (connection_t *)object;
    Py_ssize_t len = 0;
    if (!PyArg_ParseTuple(args, "|n:read", &len)) {
        return NULL;
    }
    conn_rec *c = stream_ptr(self);
    if (!c) {
        return NULL;
    }
    apr_off_t total = 0;
    apr_off_t asked = len > 0 ? len : READ_SIZE;
    apr_status_t status = APR_SUCCESS;
    mp_thread_suspended_t held = mp_thread_suspend();
    while (status == APR_SUCCESS
           && (len < 0 || APR_BRIGADE_EMPTY(self->unread))) {
        status = fetch(self, c, AP_MODE_READBYTES, asked);
    }
    if (APR_STATUS_IS_EOF(status)) {
        status = APR_SUCCESS;
    }
    if (status == APR_SUCCESS) {
        status = apr_brigade_length(self->unread, 1, &total);
    }
    mp_thread_resume(held);
    if (len >= 0 && total > asked) {
        total = asked;
    }
    return take(self, status, (apr_size_t)total);
}

PyDoc_STRVAR(readline_doc,
             "readline($self, len=0, /)\n--\n\n"
             "One line as bytes, with its end, at most len bytes of it unless "
             "len is\n0. None at the end of the stream. OSError on failure.");

static PyObject *
connection_readline(PyObject *object, PyObject *args)
{
    connection_t *self = (connection_t *)object;
    Py_ssize_t len = 0;
    if (!PyArg_ParseTuple(args, "|n:readline", &len)) {
        return NULL;
    }
    conn_rec *c = stream_ptr(self);
    if (!c) {
        return NULL;
    }
    apr_size_t size = 0;
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status =
        fetch_line(self, c, len > 0 ? (apr_size_t)len : 0, &size);
    mp_thread_resume(held);
    return take(self, status, size);
}

/* ---- writing ---- */

/* Copy and send everything, and flush. [detached] */
static apr_status_t
send_all(conn_rec *c, apr_bucket_brigade *bb, const char *bytes,
         apr_size_t size)
{
    apr_status_t status = APR_SUCCESS;
    while (size > 0 && status == APR_SUCCESS) {
        apr_size_t piece = size < WRITE_SIZE ? size : WRITE_SIZE;
        APR_BRIGADE_INSERT_TAIL(
            bb, apr_bucket_heap_create(bytes, piece, NULL, c->bucket_alloc));
        bytes += piece;
        size -= piece;
        if (size == 0) {
            APR_BRIGADE_INSERT_TAIL(bb,
                                    apr_bucket_flush_create(c->bucket_alloc));
        }
        status = ap_pass_brigade(c->output_filters, bb);
        apr_brigade_cleanup(bb);
    }
    return status;
}

PyDoc_STRVAR(write_doc,
             "write($self, data, /)\n--\n\n"
             "Send data, str (as UTF-8) or bytes, and flush. OSError when "
             "that fails.");

static PyObject *
connection_write(PyObject *object, PyObject *data)
{
    connection_t *self = (connection_t *)object;
    conn_rec *c = stream_ptr(self);
    mp_text_view_t view;
    if (!c || mp_text_view(&view, data, "data") < 0) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status =
        send_all(c, self->leaving, view.bytes, (apr_size_t)view.size);
    mp_thread_resume(held);
    mp_text_release(&view);
    if (status != APR_SUCCESS) {
        return mp_error_raise_os("Connection write error", status);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(log_error_doc,
             "log_error($self, message, level=3)\n--\n\n"
             "Write message (str, any number of lines) to the error log. "
             "level: one\nof APLOG_*; 0 means APLOG_ERR. None as message is "
             "ignored. ValueError\nfor NUL in it (ap_log_cerror).");

static PyObject *
connection_log_error(PyObject *self, PyObject *args, PyObject *kwargs)
{
    char *names[] = {"message", "level", NULL};
    PyObject *message;
    int level = APLOG_ERR;
    const conn_rec *c = mp_proxy_ptr(self);
    if (!c
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|i:log_error", names,
                                        &message, &level)) {
        return NULL;
    }
    return mp_functions_log(MP_LOG_CONN(c), message, level);
}

static PyMethodDef connection_methods[] = {
    /* by way of void: a function with keywords has one argument more */
    {"log_error", (PyCFunction)(void (*)(void))connection_log_error,
     METH_VARARGS | METH_KEYWORDS, log_error_doc},
    {"read", connection_read, METH_VARARGS, read_doc},
    {"readline", connection_readline, METH_VARARGS, readline_doc},
    {"write", connection_write, METH_O, write_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- attributes ---- */

typedef PyObject *convert_fn(PyObject *self, const conn_rec *c);

static PyObject *
get_value(PyObject *self, void *closure)
{
    convert_fn *const *convert = closure;
    const conn_rec *c = mp_proxy_ptr(self);
    return c ? (*convert)(self, c) : NULL;
}

static PyObject *
from_base_server(PyObject *self, const conn_rec *c)
{
    return mp_server_wrap(((mp_proxy_t *)self)->state, c->base_server);
}

/* (ip, port), or None without an address. */
static PyObject *
build_address(const char *ip, const apr_sockaddr_t *address)
{
    if (!address) {
        Py_RETURN_NONE;
    }
    PyObject *host = mp_text_from(ip);
    PyObject *port = PyLong_FromUnsignedLong(address->port);
    PyObject *pair = host && port ? PyTuple_Pack(2, host, port) : NULL;
    Py_XDECREF(host);
    Py_XDECREF(port);
    return pair;
}

static PyObject *
from_local_addr(PyObject *self, const conn_rec *c)
{
    return build_address(c->local_ip, c->local_addr);
}

static PyObject *
from_client_addr(PyObject *self, const conn_rec *c)
{
    return build_address(c->client_ip, c->client_addr);
}

static PyObject *
from_client_ip(PyObject *self, const conn_rec *c)
{
    return mp_text_from(c->client_ip);
}

static void
log_old_name(const conn_rec *c, const char *old, const char *now)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_CONN(c), APLOG_WARNING, 0, "MPY0302",
           "conn.%s has had the name conn.%s since httpd 2.4: use that, or "
           "req.useragent_%s for the client in front of a proxy",
           old, now, strchr(now, '_') + 1);
    mp_thread_resume(held);
}

static PyObject *
from_remote_addr(PyObject *self, const conn_rec *c)
{
    log_old_name(c, "remote_addr", "client_addr");
    return from_client_addr(self, c);
}

static PyObject *
from_remote_ip(PyObject *self, const conn_rec *c)
{
    log_old_name(c, "remote_ip", "client_ip");
    return from_client_ip(self, c);
}

static PyObject *
from_local_ip(PyObject *self, const conn_rec *c)
{
    return mp_text_from(c->local_ip);
}

static PyObject *
from_remote_host(PyObject *self, const conn_rec *c)
{
    return mp_text_from(c->remote_host);
}

static PyObject *
from_local_host(PyObject *self, const conn_rec *c)
{
    return mp_text_from(c->local_host);
}

static PyObject *
from_remote_logname(PyObject *self, const conn_rec *c)
{
    return mp_text_from(c->remote_logname);
}

static PyObject *
from_aborted(PyObject *self, const conn_rec *c)
{
    return PyLong_FromLong(c->aborted != 0);
}

static PyObject *
from_keepalive(PyObject *self, const conn_rec *c)
{
    return PyLong_FromLong(c->keepalive);
}

static PyObject *
from_keepalives(PyObject *self, const conn_rec *c)
{
    return PyLong_FromLong(c->keepalives);
}

static PyObject *
from_double_reverse(PyObject *self, const conn_rec *c)
{
    return PyLong_FromLong(c->double_reverse);
}

static PyObject *
from_id(PyObject *self, const conn_rec *c)
{
    return PyLong_FromLong(c->id);
}

static PyObject *
from_notes(PyObject *self, const conn_rec *c)
{
    return mp_table_view(self, offsetof(conn_rec, notes), MP_TEXT_PLAIN);
}

static PyObject *
from_hlist(PyObject *self, const conn_rec *c)
{
    const connection_t *connection = (const connection_t *)self;
    if (!connection->handlers) {
        PyErr_SetString(PyExc_AttributeError,
                        "hlist is there only while a connection handler "
                        "runs; req.hlist is that of a request");
        return NULL;
    }
    return mp_hlist_new(self, connection->handlers, 0);
}

static PyObject *
from_conn_rec(PyObject *self, const conn_rec *c)
{
    return PyCapsule_New((void *)c, NULL, NULL);
}

static int
set_keepalive(PyObject *self, PyObject *value, void *closure)
{
    conn_rec *c = mp_proxy_ptr(self);
    if (!c) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "keepalive cannot be deleted");
        return -1;
    }
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number != AP_CONN_UNKNOWN && number != AP_CONN_CLOSE
        && number != AP_CONN_KEEPALIVE) {
        PyErr_Format(PyExc_ValueError,
                     "keepalive must be one of apache.AP_CONN_*, not %ld",
                     number);
        return -1;
    }
    c->keepalive = (ap_conn_keepalive_e)number;
    return 0;
}

#define ATTRIBUTE(name, function, set, doc) \
    {name, get_value, set, doc, (void *)(convert_fn *const[]){function}}

static PyGetSetDef connection_attributes[] = {
    ATTRIBUTE("base_server", from_base_server, NULL,
              "the virtual host that the connection came in on"),
    ATTRIBUTE("local_addr", from_local_addr, NULL, "(ip, port) of this end"),
    ATTRIBUTE("client_addr", from_client_addr, NULL, "(ip, port) of the peer"),
    ATTRIBUTE("remote_addr", from_remote_addr, NULL,
              "old name of client_addr; its use is logged"),
    ATTRIBUTE("client_ip", from_client_ip, NULL, "address of the peer (str)"),
    ATTRIBUTE("remote_ip", from_remote_ip, NULL,
              "old name of client_ip; its use is logged"),
    ATTRIBUTE("local_ip", from_local_ip, NULL, "address of this end (str)"),
    ATTRIBUTE("remote_host", from_remote_host, NULL,
              "name of the peer; None: not looked up; '': not found"),
    ATTRIBUTE("local_host", from_local_host, NULL,
              "name of this end, or None"),
    ATTRIBUTE("remote_logname", from_remote_logname, NULL,
              "what RFC 1413 said about the peer's user, or None"),
    ATTRIBUTE("aborted", from_aborted, NULL, "1 when the peer has gone"),
    ATTRIBUTE("keepalive", from_keepalive, set_keepalive,
              "one of AP_CONN_*; may be set"),
    ATTRIBUTE("keepalives", from_keepalives, NULL,
              "the number of requests that it was kept alive for"),
    ATTRIBUTE("double_reverse", from_double_reverse, NULL,
              "double reverse DNS: 1 verified, 0 not done, -1 failed"),
    ATTRIBUTE("id", from_id, NULL,
              "a number that no other connection has at this time"),
    ATTRIBUTE("notes", from_notes, NULL, "table of notes between modules"),
    ATTRIBUTE("hlist", from_hlist, NULL,
              "the connection handlers, while one runs"),
    ATTRIBUTE("_conn_rec", from_conn_rec, NULL,
              "capsule of the conn_rec *, for extension modules"),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type, and the life of its objects ---- */

static void
connection_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot connection_slots[] = {
    {Py_tp_doc, "A connection of a client to this httpd."},
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_getset, connection_attributes},
    {Py_tp_methods, connection_methods},
    {0, NULL},
};

/* Without the collector: it refers to no Python object. */
PyType_Spec mp_connection_spec = {
    .name = "builtins.mp_conn",
    .basicsize = sizeof(connection_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = connection_slots,
};

/* Cleanup of c->pool: the objects expire. [detached, any thread] */
static apr_status_t
end_connection(void *data)
{
    conn_rec *c = data;
    record_t *record = ap_get_module_config(c->conn_config, &python_module);
    for (; record; record = record->next) {
        mp_thread_scope_t outer;
        if (mp_thread_enter(&outer, record->interp, NULL) == 0) {
            mp_proxy_expire((PyObject *)record->object);
            Py_CLEAR(record->object);
            mp_thread_leave(&outer);
        }
        else {
            /* Out of memory: better an object too many than one that
             * points into a pool that is gone. */
            record->object->base.ptr = NULL;
        }
    }
    return APR_SUCCESS;
}

/* The record of interp, or NULL. */
static record_t *
find_record(const conn_rec *c, const mp_interp_t *interp)
{
    record_t *record = ap_get_module_config(c->conn_config, &python_module);
    while (record && record->interp != interp) {
        record = record->next;
    }
    return record;
}

static record_t *
make_record(mp_state_t *state, conn_rec *c)
{
    PyTypeObject *type = state->types[MP_TYPE_CONNECTION];
    connection_t *object = (connection_t *)type->tp_alloc(type, 0);
    if (!object) {
        return NULL;
    }
    object->base.ptr = c;
    object->base.state = state;
    record_t *first = ap_get_module_config(c->conn_config, &python_module);
    if (!first) {
        apr_pool_cleanup_register(c->pool, c, end_connection,
                                  apr_pool_cleanup_null);
    }
    record_t *record = apr_pcalloc(c->pool, sizeof(*record));
    record->interp = state->interp;
    record->object = object;
    record->next = first;
    ap_set_module_config(c->conn_config, &python_module, record);
    return record;
}

PyObject *
mp_connection_wrap(mp_state_t *state, conn_rec *c)
{
    record_t *record = find_record(c, state->interp);
    if (!record) {
        record = make_record(state, c);
    }
    if (!record) {
        return NULL;
    }
    mp_proxy_adopt((PyObject *)record->object);
    return Py_NewRef((PyObject *)record->object);
}

void
mp_connection_set_handlers(PyObject *connection,
                           const apr_array_header_t *handlers)
{
    ((connection_t *)connection)->handlers = handlers;
}
