/* request_body.c - reading the body of a request.
 *
 * Methods of mp_request. Owns request->body: the bytes that httpd has
 * delivered and Python has not taken yet, kept as the buckets they came in, so
 * that any mixture of read() and readline() sees every byte once and memory
 * grows only with what has arrived.
 *
 * httpd's filter chain is asked directly, because ap_get_client_block()
 * answers errors itself, with an error page that the handler could neither
 * prevent nor follow. The surprising rule: filters may be Python too, so the
 * chain is only ever run detached, and never inside itself. */
#include "runtime/python.h"

#include "objects/request.h"

#include <apr_buckets.h>
#include <http_core.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/thread.h"

/* Asked of the input filters at a time, when no smaller size will do. */
#define PIECE 65536
/* Brigades without any data, in a row, after which the input filters are
 * taken to be stuck; a filter that drops what it reads needs some. */
#define MAX_EMPTY 100000

typedef struct {
    apr_bucket_brigade *held;     /* arrived, not yet taken; data only */
    apr_bucket_brigade *arriving; /* empty except inside receive() */
    apr_off_t size;  /* bytes in held */
    int failure;     /* why reading failed, as an HTTP status or
                        AP_FILTER_ERROR; 0 */
    unsigned begun : 1;     /* the headers about the body were looked at */
    unsigned refused : 1;   /* and httpd refuses it with status failure */
    unsigned ended : 1;     /* nothing more arrives */
    unsigned receiving : 1; /* the input filters run */
} body_t;

static body_t *
get_body(mp_request_object_t *self, request_rec *r)
{
    body_t *body = self->request->body;
    if (!body) {
        apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;
        body = apr_pcalloc(r->pool, sizeof(*body));
        body->held = apr_brigade_create(r->pool, buckets);
        body->arriving = apr_brigade_create(r->pool, buckets);
        self->request->body = body;
    }
    return body;
}

/* Look at the headers. [detached] */
static void
begin(body_t *body, request_rec *r)
{
    body->begun = 1;
    body->failure = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    if (body->failure) {
        body->refused = 1;
    }
    else if (!ap_should_client_block(r)) {
        body->ended = 1;
    }
}

/* Move the data of body->arriving to body->held. [detached] */
static apr_status_t
keep_arrived(body_t *body, request_rec *r)
{
    while (!APR_BRIGADE_EMPTY(body->arriving)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(body->arriving);
        if (APR_BUCKET_IS_EOS(bucket)) {
            body->ended = 1;
            r->remaining = r->read_chunked ? -1 : 0;
            return apr_brigade_cleanup(body->arriving);
        }
        const char *data;
        apr_size_t size;
        apr_status_t status = apr_bucket_read(bucket, &data, &size,
                                              APR_BLOCK_READ);
        if (status != APR_SUCCESS) {
            return status;
        }
        if (size == 0) { /* metadata are of this kind too */
            apr_bucket_delete(bucket);
            continue;
        }
        status = apr_bucket_setaside(bucket, r->pool);
        if (status != APR_SUCCESS && status != APR_ENOTIMPL) {
            return status;
        }
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(body->held, bucket);
        body->size += (apr_off_t)size;
        r->read_length += (apr_off_t)size;
    }
    return APR_SUCCESS;
}

/* Wait for the next piece of the body, at most `most` bytes. Afterwards there
 * is more in body->held, or body->ended or body->failure is set. [detached] */
static void
receive(body_t *body, request_rec *r, apr_off_t most)
{
    const apr_off_t before = body->size;
    apr_status_t status = APR_SUCCESS;
    body->receiving = 1;
    for (int i = 0; status == APR_SUCCESS && !body->ended
                    && body->size == before; i++) {
        status = i < MAX_EMPTY
            ? ap_get_brigade(r->input_filters, body->arriving,
                             AP_MODE_READBYTES, APR_BLOCK_READ, most)
            : APR_EGENERAL;
        if (status == APR_SUCCESS) {
            status = keep_arrived(body, r);
        }
    }
    body->receiving = 0;
    if (status != APR_SUCCESS) {
        apr_brigade_cleanup(body->arriving);
        r->connection->keepalive = AP_CONN_CLOSE;
        body->failure = ap_map_http_request_error(status, HTTP_BAD_REQUEST);
    }
}

/* Can more arrive? */
static int
is_open(const body_t *body)
{
    return !body->ended && !body->failure;
}

/* Raise why reading failed. Statuses that httpd has decided on become the
 * result of the handler, unless it catches SERVER_RETURN. AP_FILTER_ERROR
 * tells httpd that an input filter has sent the error page already. */
static void
raise_failure(const mp_request_object_t *self, const body_t *body)
{
    if (!body->refused && body->failure != HTTP_REQUEST_ENTITY_TOO_LARGE
        && body->failure != AP_FILTER_ERROR) {
        mp_error_raise_os("Client read error (Timeout?)", 0);
        return;
    }
    PyObject *args = Py_BuildValue("(i)", body->failure);
    if (args) {
        PyErr_SetObject(self->base.state->server_return, args);
        Py_DECREF(args);
    }
}

/* The body of a request that can be read; *r is set. NULL with an
 * exception. */
static body_t *
open_body(mp_request_object_t *self, request_rec **r)
{
    *r = mp_request_ptr_open((PyObject *)self);
    if (!*r) {
        return NULL;
    }
    body_t *body = get_body(self, *r);
    if (body->receiving
        || self->request->filtering & (1u << MP_FILTER_INPUT)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "an input filter must not read the body of its "
                        "request: use filter.read()");
        return NULL;
    }
    if (!body->begun) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        begin(body, *r);
        mp_thread_resume(suspended);
    }
    return body;
}

/* Move the first size bytes of body->held, or all there are. [detached or
 * not: it is memory] */
static apr_status_t
move_held(body_t *body, char *to, apr_size_t size, apr_size_t *moved)
{
    while (*moved < size && !APR_BRIGADE_EMPTY(body->held)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(body->held);
        const char *data;
        apr_size_t length;
        apr_status_t status = apr_bucket_read(bucket, &data, &length,
                                              APR_BLOCK_READ);
        if (status == APR_SUCCESS && length > size - *moved) {
            length = size - *moved;
            status = apr_bucket_split(bucket, length);
        }
        if (status != APR_SUCCESS) {
            return status;
        }
        memcpy(to + *moved, data, length);
        *moved += length;
        body->size -= (apr_off_t)length;
        apr_bucket_delete(bucket);
    }
    return APR_SUCCESS;
}

/* Take the first size bytes of body->held; they are there. New bytes. */
static PyObject *
take(body_t *body, Py_ssize_t size)
{
    apr_size_t moved = 0;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    apr_status_t status = bytes
        ? move_held(body, PyBytes_AS_STRING(bytes), (apr_size_t)size, &moved)
        : APR_SUCCESS;
    if (status != APR_SUCCESS) {
        Py_DECREF(bytes);
        return mp_error_raise_os("the body cannot be read", status);
    }
    return bytes;
}

/* ---- read() ---- */

/* The result of read() while it grows. What arrives goes into it at once: a
 * bucket that is copied while it is warm, and given back before the next one
 * is made, costs half of what they cost together. */
typedef struct {
    PyObject *bytes;
    apr_size_t room;   /* its size */
    apr_size_t filled;
    apr_status_t status;
} result_t;

/* How many bytes to have room for at first: what is there, and what is
 * announced, as far as that may be believed. */
static apr_size_t
first_room(const body_t *body, const request_rec *r, apr_off_t goal)
{
    apr_off_t room = r->read_chunked ? PIECE
                                     : r->remaining - r->read_length;
    if (room > PIECE) {
        room = PIECE;
    }
    room = body->size + (room > 0 ? room : 0);
    return (apr_size_t)(room < goal ? room : goal);
}

/* Receive until the result is full. [detached] */
static void
fill(body_t *body, request_rec *r, result_t *result)
{
    char *to = PyBytes_AS_STRING(result->bytes);
    result->status = move_held(body, to, result->room, &result->filled);
    while (result->status == APR_SUCCESS && result->filled < result->room
           && is_open(body)) {
        const apr_size_t missing = result->room - result->filled;
        receive(body, r, (apr_off_t)(missing < PIECE ? missing : PIECE));
        result->status = move_held(body, to, result->room, &result->filled);
    }
}

/* What the result has goes back into body->held: read() failed. */
static void
put_back(body_t *body, request_rec *r, const result_t *result)
{
    if (result->filled > 0) {
        apr_bucket *bucket = apr_bucket_heap_create(
            PyBytes_AS_STRING(result->bytes), result->filled, NULL,
            r->connection->bucket_alloc);
        APR_BRIGADE_INSERT_HEAD(body->held, bucket);
        body->size += (apr_off_t)result->filled;
    }
}

/* Twice the room, but no more than goal. 0, or -1 with an exception. */
static int
grow(body_t *body, request_rec *r, result_t *result, apr_off_t goal)
{
    apr_size_t room = result->room ? 2 * result->room : PIECE;
    if (goal < (apr_off_t)room) {
        room = (apr_size_t)goal;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
    if (!bytes) {
        put_back(body, r, result);
        return -1;
    }
    memcpy(PyBytes_AS_STRING(bytes), PyBytes_AS_STRING(result->bytes),
           result->filled);
    Py_SETREF(result->bytes, bytes);
    result->room = room;
    return 0;
}

/* Fill the result up to goal, or to the end. 0, or -1 with an exception. */
static int
receive_all(mp_request_object_t *self, body_t *body, request_rec *r,
            result_t *result, apr_off_t goal)
{
    for (;;) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        fill(body, r, result);
        mp_thread_resume(suspended);
        if (result->status != APR_SUCCESS || body->failure) {
            put_back(body, r, result);
            if (result->status == APR_SUCCESS) {
                raise_failure(self, body);
            }
            else {
                mp_error_raise_os("the body cannot be read", result->status);
            }
            return -1;
        }
        if (!is_open(body) || (apr_off_t)result->room == goal) {
            return 0;
        }
        if (grow(body, r, result, goal) < 0) {
            return -1;
        }
    }
}

static PyObject *
read_bytes(mp_request_object_t *self, Py_ssize_t wanted)
{
    request_rec *r;
    body_t *body = open_body(self, &r);
    if (!body) {
        return NULL;
    }
    const apr_off_t goal = wanted < 0 ? PY_SSIZE_T_MAX : wanted;
    if (body->size >= goal || body->ended) {
        return take(body, (Py_ssize_t)(body->size < goal ? body->size : goal));
    }
    if (body->failure) {
        raise_failure(self, body);
        return NULL;
    }
    result_t result = {.room = first_room(body, r, goal)};
    result.bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)result.room);
    if (!result.bytes
        || receive_all(self, body, r, &result, goal) < 0) {
        Py_XDECREF(result.bytes);
        return NULL;
    }
    if (result.filled < result.room) {
        _PyBytes_Resize(&result.bytes, (Py_ssize_t)result.filled);
    }
    return result.bytes;
}

/* ---- lines ---- */

/* How long is the line that body->held begins with, after last was looked at?
 * `size` is what goes before; *last moves on. -1: its end is not there. */
static Py_ssize_t
scan_line(const body_t *body, apr_bucket **last, Py_ssize_t *size,
          Py_ssize_t limit)
{
    for (apr_bucket *bucket = APR_BUCKET_NEXT(*last);
         bucket != APR_BRIGADE_SENTINEL(body->held);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t length;
        if (apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ)
            != APR_SUCCESS) {
            break; /* take() tells */
        }
        const apr_size_t room = (apr_size_t)(limit - *size);
        const char *end = memchr(data, '\n', length < room ? length : room);
        if (end) {
            return *size + (end - data) + 1;
        }
        if (length >= room) {
            return limit;
        }
        *size += (Py_ssize_t)length;
        *last = bucket;
    }
    return -1;
}

PyObject *
mp_request_read_line(mp_request_object_t *self, Py_ssize_t limit)
{
    request_rec *r;
    body_t *body = open_body(self, &r);
    if (!body) {
        return NULL;
    }
    if (limit < 0) {
        limit = PY_SSIZE_T_MAX;
    }
    apr_bucket *last = APR_BRIGADE_SENTINEL(body->held);
    Py_ssize_t size = 0;
    Py_ssize_t line = limit ? scan_line(body, &last, &size, limit) : 0;
    if (line < 0 && is_open(body)) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        while (line < 0 && is_open(body)) {
            receive(body, r, PIECE);
            line = scan_line(body, &last, &size, limit);
        }
        mp_thread_resume(suspended);
    }
    if (line < 0 && body->failure) {
        raise_failure(self, body);
        return NULL;
    }
    return take(body, line < 0 ? (Py_ssize_t)body->size : line);
}

int
mp_request_reader_open(mp_request_reader_t *reader, mp_request_object_t *self)
{
    request_rec *r;
    const body_t *body = open_body(self, &r);
    if (!body) {
        return -1;
    }
    reader->request = self;
    reader->lent = NULL;
    reader->length = body->ended ? 0 : r->remaining;
    return 0;
}

int
mp_request_reader_next(mp_request_reader_t *reader, const char **bytes,
                       apr_size_t *size)
{
    request_rec *r = reader->request->base.ptr;
    body_t *body = reader->request->request->body;
    if (reader->lent) {
        apr_bucket_destroy(reader->lent);
        reader->lent = NULL;
    }
    if (body->size == 0 && is_open(body)) {
        receive(body, r, PIECE);
    }
    if (body->size == 0) {
        return 0;
    }
    apr_bucket *bucket = APR_BRIGADE_FIRST(body->held);
    APR_BUCKET_REMOVE(bucket);
    reader->lent = bucket;
    if (apr_bucket_read(bucket, bytes, size, APR_BLOCK_READ) != APR_SUCCESS) {
        body->failure = HTTP_BAD_REQUEST;
        return 0;
    }
    body->size -= (apr_off_t)*size;
    return 1;
}

int
mp_request_reader_close(mp_request_reader_t *reader, int is_whole)
{
    const mp_request_object_t *self = reader->request;
    const body_t *body = self->request->body;
    if (reader->lent) {
        apr_bucket_destroy(reader->lent);
        reader->lent = NULL;
    }
    if (is_whole && body->failure) {
        raise_failure(self, body);
        return -1;
    }
    return 0;
}

/* The one optional argument of a method that reads, an int called name. 0, or
 * -1 with an exception. */
static int
parse_size(PyObject *const *args, Py_ssize_t count, PyObject *names,
           const char *name, Py_ssize_t *size)
{
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    *size = -1;
    if (count + named == 0) {
        return 0;
    }
    if (count + named > 1) {
        PyErr_Format(PyExc_TypeError,
                     "expected at most 1 argument, %zd were given",
                     count + named);
        return -1;
    }
    if (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
                                                  name)) {
        PyErr_Format(PyExc_TypeError, "there is no argument %R, only '%s'",
                     PyTuple_GET_ITEM(names, 0), name);
        return -1;
    }
    *size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *
mp_request_read(PyObject *self, PyObject *const *args, Py_ssize_t count,
                PyObject *names)
{
    Py_ssize_t size;
    if (parse_size(args, count, names, "len", &size) < 0) {
        return NULL;
    }
    return read_bytes((mp_request_object_t *)self, size);
}

PyObject *
mp_request_readline(PyObject *self, PyObject *const *args, Py_ssize_t count,
                    PyObject *names)
{
    Py_ssize_t limit;
    if (parse_size(args, count, names, "len", &limit) < 0) {
        return NULL;
    }
    return mp_request_read_line((mp_request_object_t *)self, limit);
}

PyObject *
mp_request_readlines(PyObject *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    Py_ssize_t hint;
    if (parse_size(args, count, names, "sizehint", &hint) < 0) {
        return NULL;
    }
    PyObject *lines = PyList_New(0);
    Py_ssize_t size = 0;
    while (lines) {
        PyObject *line = mp_request_read_line((mp_request_object_t *)self, -1);
        if (!line) {
            Py_CLEAR(lines);
            break;
        }
        const Py_ssize_t length = PyBytes_GET_SIZE(line);
        if (length > 0 && PyList_Append(lines, line) < 0) {
            Py_CLEAR(lines);
        }
        Py_DECREF(line);
        size += length;
        if (length == 0 || (hint > 0 && size >= hint)) {
            break;
        }
    }
    return lines;
}

PyObject *
mp_request_discard_request_body(PyObject *self, PyObject *unused)
{
    request_rec *r;
    body_t *body = open_body((mp_request_object_t *)self, &r);
    if (!body) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    body->receiving = 1;
    const int status = ap_discard_request_body(r);
    body->receiving = 0;
    apr_brigade_cleanup(body->held);
    mp_thread_resume(suspended);
    body->size = 0;
    body->ended = 1;
    body->failure = 0;
    r->remaining = r->read_chunked ? -1 : 0;
    return PyLong_FromLong(status);
}
