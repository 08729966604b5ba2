/* request_response.c - writing the response to a request.
 *
 * Methods of mp_request. The surprising rule: filters may be Python too, so
 * httpd's filter chain is only ever run detached, and never inside itself. */
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

/* What one ap_rwrite() gets: its length is an int. */
#define MAX_WRITE 0x40000000
/* Files up to this size are sent from memory: a file that goes out as a file
 * stays open until the request ends. */
#define MAX_COPY 65536

/* So much may wait in httpd's own buffer (AP_MIN_BYTES_TO_WRITE, 8000) and
 * cannot make it pass anything on: adding to it never blocks. */
#define MAX_WAITING 4096

typedef struct {
    apr_bucket_brigade *leaving; /* empty except inside pass_file(); NULL
                                    before the first file */
    const ap_filter_t *buffer; /* the filter that ap_rwrite() buffers in, the
                                  first of the chain after the last write */
    Py_ssize_t waiting; /* at most so many bytes of ours are in it */
    unsigned sending : 1; /* the output filters run */
} response_t;

static response_t *
get_response(mp_request_object_t *self, request_rec *r)
{
    response_t *response = self->request->response;
    if (!response) {
        response = apr_pcalloc(r->pool, sizeof(*response));
        self->request->response = response;
    }
    return response;
}

int
mp_request_is_answered(const request_rec *r)
{
    while (r && !r->eos_sent) {
        r = r->next;
    }
    return r != NULL;
}

/* The response of a request that can be written to; *r is set. NULL with an
 * exception. */
static response_t *
open_response(mp_request_object_t *self, request_rec **r)
{
    *r = mp_request_ptr_open((PyObject *)self);
    if (!*r || (self->writer && mp_request_drain((PyObject *)self) < 0)) {
        return NULL;
    }
    response_t *response = get_response(self, *r);
    if (response->sending
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
    return response;
}

/* May these bytes be added to httpd's buffer while attached, because nothing
 * can come of it but a copy? */
static int
only_waits(const response_t *response, const request_rec *r, Py_ssize_t size,
           int flush)
{
    return !flush && response->waiting + size <= MAX_WAITING
           && (!response->buffer || response->buffer == r->output_filters);
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
    response_t *response = open_response((mp_request_object_t *)self, &r);
    if (!response) {
        return -1;
    }
    int failed = 0;
    mp_request_t *request = ((mp_request_object_t *)self)->request;
    if (size > 0 && only_waits(response, r, size, flush)) {
        failed = send_bytes(request, bytes, size, 0);
        response->waiting += size;
        response->buffer = r->output_filters;
    }
    else if (size > 0) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        response->sending = 1;
        failed = send_bytes(request, bytes, size, flush);
        response->sending = 0;
        response->waiting = flush ? 0 : MAX_WAITING;
        response->buffer = r->output_filters;
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
    response_t *response = open_response((mp_request_object_t *)self, &r);
    if (!response) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    response->sending = 1;
    const int failed = ap_rflush(r) < 0;
    response->sending = 0;
    response->waiting = 0;
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
pass_file(response_t *response, request_rec *r, sending_t *sending,
          apr_status_t *sent)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_status_t status = open_file(sending, core);
    if (status != APR_SUCCESS || sending->length == 0) {
        return status;
    }
    if (!response->leaving) {
        response->leaving = apr_brigade_create(r->pool,
                                         r->connection->bucket_alloc);
    }
    if (sending->length <= MAX_COPY) {
        status = copy_file(sending, r->connection->bucket_alloc);
        if (status != APR_SUCCESS) {
            return status;
        }
        APR_BRIGADE_INSERT_TAIL(response->leaving, sending->bucket);
    }
    else {
        sending->bucket = apr_brigade_insert_file(
            response->leaving, sending->file, sending->offset, sending->length,
            sending->pool);
        if (core->enable_mmap == ENABLE_MMAP_OFF) {
            apr_bucket_file_enable_mmap(sending->bucket, 0);
        }
    }
    response->sending = 1;
    *sent = ap_pass_brigade(r->output_filters, response->leaving);
    response->sending = 0;
    apr_brigade_cleanup(response->leaving);
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
    response_t *response = open_response(self, &r);
    if (!response) {
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
    const apr_status_t status = pass_file(response, r, sending, &sent);
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
