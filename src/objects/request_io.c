/* request_io.c - reading the body of a request and writing its response.
 *
 * Methods of mp_request. Owns what is on the record as request->io: the bytes
 * of the body that httpd has delivered and Python has not taken yet, kept as
 * the buckets they came in, so that any mixture of read() and readline() sees
 * every byte once and memory grows only with what has arrived.
 *
 * httpd's filter chains are asked directly, because ap_get_client_block()
 * answers errors itself, with an error page that the handler could neither
 * prevent nor follow. The surprising rule: filters may be Python too, so a
 * chain is only ever run detached, and never inside itself. */
#include "runtime/python.h"

#include "objects/request.h"

#include <apr_buckets.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"

/* Asked of the input filters at a time, when no smaller size will do. */
#define PIECE 65536
/* Brigades without any data, in a row, after which the input filters are
 * taken to be stuck; a filter that drops what it reads needs some. */
#define MAX_EMPTY 100000
/* What one ap_rwrite() gets: its length is an int. */
#define MAX_WRITE 0x40000000
/* Files up to this size are sent from memory: a file that goes out as a file
 * stays open until the request ends. */
#define MAX_COPY 65536

/* So much may wait in httpd's own buffer (AP_MIN_BYTES_TO_WRITE, 8000) and
 * cannot make it pass anything on: adding to it never blocks. */
#define MAX_WAITING 4096

typedef struct {
    apr_bucket_brigade *held;     /* arrived, not yet taken; data only */
    apr_bucket_brigade *arriving; /* empty except inside receive() */
    apr_bucket_brigade *leaving;  /* empty except inside pass_file(); NULL
                                     before the first file */
    const ap_filter_t *buffer; /* the filter that ap_rwrite() buffers in, the
                                  first of the chain after the last write */
    Py_ssize_t waiting; /* at most so many bytes of ours are in it */
    apr_off_t size;  /* bytes in held */
    int failure;     /* why reading failed, as an HTTP status or
                        AP_FILTER_ERROR; 0 */
    unsigned begun : 1;     /* the headers about the body were looked at */
    unsigned refused : 1;   /* and httpd refuses it with status failure */
    unsigned ended : 1;     /* nothing more arrives */
    unsigned receiving : 1; /* the input filters run */
    unsigned sending : 1;   /* the output filters run */
} io_t;

static io_t *
get_io(mp_request_object_t *self, request_rec *r)
{
    io_t *io = self->request->io;
    if (!io) {
        io = apr_pcalloc(r->pool, sizeof(*io));
        self->request->io = io;
    }
    return io;
}

/* The same, for reading. */
static io_t *
get_reading_io(mp_request_object_t *self, request_rec *r)
{
    io_t *io = get_io(self, r);
    if (!io->held) {
        apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;
        io->held = apr_brigade_create(r->pool, buckets);
        io->arriving = apr_brigade_create(r->pool, buckets);
    }
    return io;
}

/* ---- reading ---- */

/* Look at the headers. [detached] */
static void
begin(io_t *io, request_rec *r)
{
    io->begun = 1;
    io->failure = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    if (io->failure) {
        io->refused = 1;
    }
    else if (!ap_should_client_block(r)) {
        io->ended = 1;
    }
}

/* Move the data of io->arriving to io->held. [detached] */
static apr_status_t
keep_arrived(io_t *io, request_rec *r)
{
    while (!APR_BRIGADE_EMPTY(io->arriving)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(io->arriving);
        if (APR_BUCKET_IS_EOS(bucket)) {
            io->ended = 1;
            r->remaining = r->read_chunked ? -1 : 0;
            return apr_brigade_cleanup(io->arriving);
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
        APR_BRIGADE_INSERT_TAIL(io->held, bucket);
        io->size += (apr_off_t)size;
        r->read_length += (apr_off_t)size;
    }
    return APR_SUCCESS;
}

/* Wait for the next piece of the body, at most `most` bytes. Afterwards there
 * is more in io->held, or io->ended or io->failure is set. [detached] */
static void
receive(io_t *io, request_rec *r, apr_off_t most)
{
    const apr_off_t before = io->size;
    apr_status_t status = APR_SUCCESS;
    io->receiving = 1;
    for (int i = 0; status == APR_SUCCESS && !io->ended && io->size == before;
         i++) {
        status = i < MAX_EMPTY ? ap_get_brigade(r->input_filters, io->arriving,
                                                AP_MODE_READBYTES,
                                                APR_BLOCK_READ, most)
                               : APR_EGENERAL;
        if (status == APR_SUCCESS) {
            status = keep_arrived(io, r);
        }
    }
    io->receiving = 0;
    if (status != APR_SUCCESS) {
        apr_brigade_cleanup(io->arriving);
        r->connection->keepalive = AP_CONN_CLOSE;
        io->failure = ap_map_http_request_error(status, HTTP_BAD_REQUEST);
    }
}

/* Can more arrive? */
static int
is_open(const io_t *io)
{
    return !io->ended && !io->failure;
}

/* Raise why reading failed. Statuses that httpd has decided on become the
 * result of the handler, unless it catches SERVER_RETURN. AP_FILTER_ERROR
 * tells httpd that an input filter has sent the error page already. */
static void
raise_failure(const mp_request_object_t *self, const io_t *io)
{
    if (!io->refused && io->failure != HTTP_REQUEST_ENTITY_TOO_LARGE
        && io->failure != AP_FILTER_ERROR) {
        mp_error_raise_os("Client read error (Timeout?)", 0);
        return;
    }
    PyObject *args = Py_BuildValue("(i)", io->failure);
    if (args) {
        PyErr_SetObject(self->base.state->server_return, args);
        Py_DECREF(args);
    }
}

/* The io of a request that can be read; *r is set. NULL with an exception. */
static io_t *
open_body(mp_request_object_t *self, request_rec **r)
{
    *r = mp_request_ptr_open((PyObject *)self);
    if (!*r) {
        return NULL;
    }
    io_t *io = get_reading_io(self, *r);
    if (io->receiving
        || self->request->filtering & (1u << MP_FILTER_INPUT)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "an input filter must not read the body of its "
                        "request: use filter.read()");
        return NULL;
    }
    if (!io->begun) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        begin(io, *r);
        mp_thread_resume(suspended);
    }
    return io;
}

/* Take the first size bytes of io->held; they are there. New bytes. */
static PyObject *
take(io_t *io, Py_ssize_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(bytes);
    while (size > 0) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(io->held);
        const char *data;
        apr_size_t length;
        apr_status_t status = apr_bucket_read(bucket, &data, &length,
                                              APR_BLOCK_READ);
        if (status == APR_SUCCESS && length > (apr_size_t)size) {
            length = (apr_size_t)size;
            status = apr_bucket_split(bucket, length);
        }
        if (status != APR_SUCCESS) {
            Py_DECREF(bytes);
            return mp_error_raise_os("the body cannot be read", status);
        }
        memcpy(to, data, length);
        to += length;
        size -= (Py_ssize_t)length;
        io->size -= (apr_off_t)length;
        apr_bucket_delete(bucket);
    }
    return bytes;
}

static PyObject *
read_bytes(mp_request_object_t *self, Py_ssize_t wanted)
{
    request_rec *r;
    io_t *io = open_body(self, &r);
    if (!io) {
        return NULL;
    }
    const apr_off_t goal = wanted < 0 ? PY_SSIZE_T_MAX : wanted;
    if (io->size < goal && is_open(io)) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        while (io->size < goal && is_open(io)) {
            const apr_off_t missing = goal - io->size;
            receive(io, r, missing < PIECE ? missing : PIECE);
        }
        mp_thread_resume(suspended);
    }
    if (io->size < goal && io->failure) {
        raise_failure(self, io);
        return NULL;
    }
    return take(io, (Py_ssize_t)(io->size < goal ? io->size : goal));
}

/* How long is the line that io->held begins with, after last was looked at?
 * `size` is what goes before; *last moves on. -1: its end is not there. */
static Py_ssize_t
scan_line(const io_t *io, apr_bucket **last, Py_ssize_t *size,
          Py_ssize_t limit)
{
    for (apr_bucket *bucket = APR_BUCKET_NEXT(*last);
         bucket != APR_BRIGADE_SENTINEL(io->held);
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
    io_t *io = open_body(self, &r);
    if (!io) {
        return NULL;
    }
    if (limit < 0) {
        limit = PY_SSIZE_T_MAX;
    }
    apr_bucket *last = APR_BRIGADE_SENTINEL(io->held);
    Py_ssize_t size = 0;
    Py_ssize_t line = limit ? scan_line(io, &last, &size, limit) : 0;
    if (line < 0 && is_open(io)) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        while (line < 0 && is_open(io)) {
            receive(io, r, PIECE);
            line = scan_line(io, &last, &size, limit);
        }
        mp_thread_resume(suspended);
    }
    if (line < 0 && io->failure) {
        raise_failure(self, io);
        return NULL;
    }
    return take(io, line < 0 ? (Py_ssize_t)io->size : line);
}

int
mp_request_reader_open(mp_request_reader_t *reader, mp_request_object_t *self)
{
    request_rec *r;
    const io_t *io = open_body(self, &r);
    if (!io) {
        return -1;
    }
    reader->request = self;
    reader->lent = NULL;
    reader->length = io->ended ? 0 : r->remaining;
    return 0;
}

int
mp_request_reader_next(mp_request_reader_t *reader, const char **bytes,
                       apr_size_t *size)
{
    request_rec *r = reader->request->base.ptr;
    io_t *io = reader->request->request->io;
    if (reader->lent) {
        apr_bucket_destroy(reader->lent);
        reader->lent = NULL;
    }
    if (io->size == 0 && is_open(io)) {
        receive(io, r, PIECE);
    }
    if (io->size == 0) {
        return 0;
    }
    apr_bucket *bucket = APR_BRIGADE_FIRST(io->held);
    APR_BUCKET_REMOVE(bucket);
    reader->lent = bucket;
    if (apr_bucket_read(bucket, bytes, size, APR_BLOCK_READ) != APR_SUCCESS) {
        io->failure = HTTP_BAD_REQUEST;
        return 0;
    }
    io->size -= (apr_off_t)*size;
    return 1;
}

int
mp_request_reader_close(mp_request_reader_t *reader, int is_whole)
{
    const mp_request_object_t *self = reader->request;
    const io_t *io = self->request->io;
    if (reader->lent) {
        apr_bucket_destroy(reader->lent);
        reader->lent = NULL;
    }
    if (is_whole && io->failure) {
        raise_failure(self, io);
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
    io_t *io = open_body((mp_request_object_t *)self, &r);
    if (!io) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    io->receiving = 1;
    const int status = ap_discard_request_body(r);
    io->receiving = 0;
    apr_brigade_cleanup(io->held);
    mp_thread_resume(suspended);
    io->size = 0;
    io->ended = 1;
    io->failure = 0;
    r->remaining = r->read_chunked ? -1 : 0;
    return PyLong_FromLong(status);
}

/* ---- writing ---- */

int
mp_request_is_answered(const request_rec *r)
{
    while (r && !r->eos_sent) {
        r = r->next;
    }
    return r != NULL;
}

/* The io of a request that can be written to; *r is set. NULL with an
 * exception. */
static io_t *
open_response(mp_request_object_t *self, request_rec **r)
{
    *r = mp_request_ptr_open((PyObject *)self);
    if (!*r) {
        return NULL;
    }
    io_t *io = get_io(self, *r);
    if (io->sending
        || self->request->filtering & (1u << MP_FILTER_OUTPUT)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "an output filter must not write through its "
                        "request: use filter.write()");
        return NULL;
    }
    if (mp_request_is_answered(*r)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the response is complete: httpd has sent an error "
                        "page, or req.internal_redirect() a page");
        return NULL;
    }
    return io;
}

/* May these bytes be added to httpd's buffer while attached, because nothing
 * can come of it but a copy? */
static int
only_waits(const io_t *io, const request_rec *r, Py_ssize_t size, int flush)
{
    return !flush && io->waiting + size <= MAX_WAITING
           && (!io->buffer || io->buffer == r->output_filters);
}

/* 0, or -1 when the client is gone. [detached, or only_waits()] */
static int
send_bytes(mp_request_t *request, const char *bytes, Py_ssize_t size,
           int flush)
{
    request_rec *r = request->r;
    while (size > 0) {
        const int piece = size < MAX_WRITE ? (int)size : MAX_WRITE;
        if (ap_rwrite(bytes, piece, r) < 0) {
            return -1;
        }
        request->bytes_queued += piece;
        bytes += piece;
        size -= piece;
    }
    return flush && ap_rflush(r) < 0 ? -1 : 0;
}

/* data and flush of write(), by position or name. 0, or -1 with TypeError. */
static int
parse_write(PyObject *const *args, Py_ssize_t count, PyObject *names,
            PyObject **data, PyObject **flush)
{
    static const char *const known[] = {"data", "flush"};
    PyObject *values[2] = {NULL, NULL};
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < count && i < 2; i++) {
        values[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int at = 0;
        while (at < 2 && PyUnicode_CompareWithASCIIString(name, known[at])) {
            at++;
        }
        if (at == 2 || values[at]) {
            PyErr_Format(PyExc_TypeError, "write() got %s argument %R",
                         at == 2 ? "an unknown" : "twice the", name);
            return -1;
        }
        values[at] = args[count + i];
    }
    if (count > 2 || !values[0]) {
        PyErr_Format(PyExc_TypeError,
                     "write() takes 1 or 2 arguments, %zd were given",
                     count + named);
        return -1;
    }
    *data = values[0];
    *flush = values[1];
    return 0;
}

int
mp_request_send(PyObject *self, const char *bytes, Py_ssize_t size, int flush)
{
    request_rec *r;
    io_t *io = open_response((mp_request_object_t *)self, &r);
    if (!io) {
        return -1;
    }
    int failed = 0;
    mp_request_t *request = ((mp_request_object_t *)self)->request;
    if (size > 0 && only_waits(io, r, size, flush)) {
        failed = send_bytes(request, bytes, size, 0);
        io->waiting += size;
        io->buffer = r->output_filters;
    }
    else if (size > 0) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        io->sending = 1;
        failed = send_bytes(request, bytes, size, flush);
        io->sending = 0;
        io->waiting = flush ? 0 : MAX_WAITING;
        io->buffer = r->output_filters;
        mp_thread_resume(suspended);
    }
    if (failed) {
        mp_error_raise_os("Write failed, client closed connection.", 0);
    }
    return failed;
}

PyObject *
mp_request_write(PyObject *self, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    PyObject *data, *flush_object;
    if (parse_write(args, count, names, &data, &flush_object) < 0) {
        return NULL;
    }
    const int flush = flush_object ? PyObject_IsTrue(flush_object) : 1;
    mp_text_view_t view;
    if (flush < 0 || mp_text_view(&view, data, "data") < 0) {
        return NULL;
    }
    int failed = mp_request_send(self, view.bytes, view.size, flush);
    mp_text_release(&view);
    return failed ? NULL : Py_NewRef(Py_None);
}

PyObject *
mp_request_flush(PyObject *self, PyObject *unused)
{
    request_rec *r;
    io_t *io = open_response((mp_request_object_t *)self, &r);
    if (!io) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    io->sending = 1;
    const int failed = ap_rflush(r) < 0;
    io->sending = 0;
    io->waiting = 0;
    mp_thread_resume(suspended);
    if (failed) {
        return mp_error_raise_os("Flush failed, client closed connection.", 0);
    }
    Py_RETURN_NONE;
}

/* ---- sendfile ---- */

typedef struct {
    apr_pool_t *pool;  /* of what follows; a child of the request's */
    char *path;
    apr_off_t offset;
    apr_off_t length;  /* asked for: -1, all; then what is to be sent */
    apr_file_t *file;
    apr_bucket *bucket; /* what is to be sent, unless length is 0 */
} sending_t;

/* Open the file and find out how much of it there is to send. [detached] */
static apr_status_t
open_file(sending_t *sending, const core_dir_config *core)
{
    apr_finfo_t info;
    /* By name first: opening a pipe would wait for its writer. */
    apr_status_t status = apr_stat(&info, sending->path,
                                   APR_FINFO_TYPE | APR_FINFO_SIZE,
                                   sending->pool);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        return status;
    }
    if (info.filetype != APR_REG) {
        return info.filetype == APR_DIR ? EISDIR : EINVAL;
    }
    status = apr_file_open(&sending->file, sending->path,
                           APR_FOPEN_READ | APR_FOPEN_BINARY
                               | AP_SENDFILE_ENABLED(core->enable_sendfile),
                           APR_OS_DEFAULT, sending->pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = apr_file_info_get(&info, APR_FINFO_SIZE, sending->file);
    if (status != APR_SUCCESS) {
        return status;
    }
    const apr_off_t rest = info.size > sending->offset
                               ? info.size - sending->offset
                               : 0;
    if (sending->length < 0 || sending->length > rest) {
        sending->length = rest;
    }
    return APR_SUCCESS;
}

/* The part of the file as a bucket in memory. [detached] */
static apr_status_t
copy_file(sending_t *sending, apr_bucket_alloc_t *buckets)
{
    apr_size_t length = (apr_size_t)sending->length;
    char *copy = apr_bucket_alloc(length, buckets);
    if (!copy) {
        return APR_ENOMEM;
    }
    apr_off_t offset = sending->offset;
    apr_status_t status = apr_file_seek(sending->file, APR_SET, &offset);
    if (status == APR_SUCCESS) {
        status = apr_file_read_full(sending->file, copy, length, &length);
    }
    if (status != APR_SUCCESS && status != APR_EOF) {
        apr_bucket_free(copy);
        return status;
    }
    sending->length = (apr_off_t)length; /* it may have shrunk meanwhile */
    sending->bucket = apr_bucket_heap_create(copy, length, apr_bucket_free,
                                             buckets);
    return APR_SUCCESS;
}

/* Open and send. The answer is the status of looking at the file; that of the
 * filters goes to *sent. [detached] */
static apr_status_t
pass_file(io_t *io, request_rec *r, sending_t *sending, apr_status_t *sent)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_status_t status = open_file(sending, core);
    if (status != APR_SUCCESS || sending->length == 0) {
        return status;
    }
    if (!io->leaving) {
        io->leaving = apr_brigade_create(r->pool,
                                         r->connection->bucket_alloc);
    }
    if (sending->length <= MAX_COPY) {
        status = copy_file(sending, r->connection->bucket_alloc);
        if (status != APR_SUCCESS) {
            return status;
        }
        APR_BRIGADE_INSERT_TAIL(io->leaving, sending->bucket);
    }
    else {
        sending->bucket = apr_brigade_insert_file(
            io->leaving, sending->file, sending->offset, sending->length,
            sending->pool);
        if (core->enable_mmap == ENABLE_MMAP_OFF) {
            apr_bucket_file_enable_mmap(sending->bucket, 0);
        }
    }
    io->sending = 1;
    *sent = ap_pass_brigade(r->output_filters, io->leaving);
    io->sending = 0;
    apr_brigade_cleanup(io->leaving);
    return APR_SUCCESS;
}

/* OSError, of the subclass that errno asks for. Always NULL. */
static PyObject *
raise_file_error(PyObject *path, apr_status_t status)
{
    if (status >= APR_OS_START_ERROR) {
        return mp_error_raise_os("the file cannot be sent", status);
    }
    errno = status;
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
}

static PyObject *
send_file(mp_request_object_t *self, PyObject *path, sending_t *sending)
{
    request_rec *r;
    io_t *io = open_response(self, &r);
    if (!io) {
        return NULL;
    }
    apr_pool_create(&sending->pool, r->pool);
    PyObject *result = NULL;
    sending->path = mp_text_copy(sending->pool, path, MP_TEXT_PLAIN, "path");
    if (!sending->path) {
        goto done;
    }
    apr_status_t sent = APR_SUCCESS;
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const apr_status_t status = pass_file(io, r, sending, &sent);
    mp_thread_resume(suspended);
    if (status != APR_SUCCESS) {
        raise_file_error(path, status);
    }
    else if (sent != APR_SUCCESS) {
        mp_error_raise_os("Write failed, client closed connection.", 0);
    }
    else {
        self->request->bytes_queued += sending->length;
        result = PyLong_FromLongLong(sending->length);
    }
done:
    if (!sending->bucket || sending->length <= MAX_COPY) {
        apr_pool_destroy(sending->pool);
    } /* else filters may still hold the file: it stays with the request */
    return result;
}

PyObject *
mp_request_sendfile(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"path", "offset", "len", NULL};
    PyObject *object;
    long long offset = 0, length = -1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|LL:sendfile", names,
                                     &object, &offset, &length)) {
        return NULL;
    }
    if (offset < 0) {
        PyErr_SetString(PyExc_ValueError, "offset must not be negative");
        return NULL;
    }
    PyObject *path = PyOS_FSPath(object);
    if (!path) {
        return NULL;
    }
    sending_t sending = {.offset = offset, .length = length < 0 ? -1 : length};
    PyObject *result = send_file((mp_request_object_t *)self, path, &sending);
    Py_DECREF(path);
    return result;
}
