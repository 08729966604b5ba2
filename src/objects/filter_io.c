/* filter_io.c - reading and writing in a filter.
 *
 * Methods of mp_filter, and what hooks/filters.c needs of the same. What was
 * read stays in filter->taken until what was written instead has left: if the
 * handler fails, the content itself goes on. The surprising rule: buckets are
 * read before they get into a piece, because files and pipes may block. */
#include "runtime/python.h"

#include "objects/filter.h"

#include <apr_strings.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"

/* Asked of the next input filter for the rest of a line. */
#define MORE 8192
/* Of bytes that are as long no copy is made. */
#define LONG 8192

/* ---- pieces ---- */

static void
move_first(apr_bucket_brigade *from, apr_bucket_brigade *to)
{
    apr_bucket *bucket = APR_BRIGADE_FIRST(from);
    APR_BUCKET_REMOVE(bucket);
    APR_BRIGADE_INSERT_TAIL(to, bucket);
}

/* Read a bucket whose data may not be there yet: what was written so far is
 * not to wait for them. */
static apr_status_t
wait_for(mp_filter_t *filter, apr_bucket *bucket, const char **data,
         apr_size_t *size)
{
    if (!filter->is_input) {
        APR_BRIGADE_INSERT_TAIL(
            filter->out, apr_bucket_flush_create(filter->out->bucket_alloc));
        apr_status_t status = mp_filter_pass(filter);
        if (status != APR_SUCCESS) {
            return status;
        }
    }
    return apr_bucket_read(bucket, data, size, APR_BLOCK_READ);
}

/* Move data to filter->in; *size counts them. */
static apr_status_t
cut_data(mp_filter_t *filter, apr_size_t *size)
{
    while (!APR_BRIGADE_EMPTY(filter->rest) && *size < MP_FILTER_PIECE) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(filter->rest);
        const apr_size_t room = MP_FILTER_PIECE - *size;
        apr_status_t status = APR_SUCCESS;
        const char *data;
        apr_size_t length;
        if (APR_BUCKET_IS_METADATA(bucket)) {
            break;
        }
        if (bucket->length != (apr_size_t)-1 && bucket->length > room) {
            status = apr_bucket_split(bucket, room);
        }
        if (status == APR_SUCCESS) {
            status = apr_bucket_read(bucket, &data, &length,
                                     APR_NONBLOCK_READ);
        }
        if (APR_STATUS_IS_EAGAIN(status)) {
            if (*size > 0) {
                return APR_SUCCESS; /* these first */
            }
            status = wait_for(filter, bucket, &data, &length);
        }
        if (status != APR_SUCCESS) {
            return status;
        }
        if (length == 0) {
            apr_bucket_delete(bucket);
            continue;
        }
        move_first(filter->rest, filter->in);
        *size += length;
    }
    return APR_SUCCESS;
}

/* Move the metadata in front to filter->in; empty buckets go. */
static void
cut_metadata(mp_filter_t *filter)
{
    while (!APR_BRIGADE_EMPTY(filter->rest)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(filter->rest);
        if (APR_BUCKET_IS_METADATA(bucket)) {
            filter->ended |= APR_BUCKET_IS_EOS(bucket);
            move_first(filter->rest, filter->in);
        }
        else if (bucket->length == 0) {
            apr_bucket_delete(bucket);
        }
        else {
            break;
        }
    }
}

apr_status_t
mp_filter_cut(mp_filter_t *filter)
{
    apr_size_t size = 0;
    apr_status_t status = cut_data(filter, &size);
    if (status != APR_SUCCESS && size == 0) {
        return status;
    }
    if (status == APR_SUCCESS) {
        cut_metadata(filter);
    }
    return APR_SUCCESS; /* a bucket that cannot be read is met again */
}

apr_status_t
mp_filter_pass(mp_filter_t *filter)
{
    if (APR_BRIGADE_EMPTY(filter->out)) {
        return APR_SUCCESS;
    }
    apr_status_t status = ap_pass_brigade(filter->f->next, filter->out);
    apr_brigade_cleanup(filter->out);
    apr_brigade_cleanup(filter->taken);
    filter->written = 0;
    if (filter->status == APR_SUCCESS) {
        filter->status = status;
    }
    return status;
}

apr_status_t
mp_filter_fetch(mp_filter_t *filter, apr_read_type_e block, apr_off_t size)
{
    return ap_get_brigade(filter->f->next, filter->rest, AP_MODE_READBYTES,
                          block, size);
}

/* ---- reading ---- */

/* The record of a filter that can be read and written; NULL with an
 * exception. */
static mp_filter_t *
open_filter(PyObject *self)
{
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (filter && filter->closed) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed filter");
        return NULL;
    }
    return filter;
}

/* Is the end of stream the next thing? Metadata are behind all data. */
static int
is_at_end(const mp_filter_t *filter)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
         bucket != APR_BRIGADE_SENTINEL(filter->in);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (!APR_BUCKET_IS_METADATA(bucket)) {
            return 0;
        }
        if (APR_BUCKET_IS_EOS(bucket)) {
            return 1;
        }
    }
    return 0;
}

/* What read() gives where there are no data. */
static PyObject *
nothing(const mp_filter_t *filter)
{
    if (filter->is_element || is_at_end(filter)) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromStringAndSize(NULL, 0);
}

/* Move size bytes to filter->taken, and copy them. They are there. */
static apr_status_t
copy_taken(mp_filter_t *filter, char *to, apr_size_t size)
{
    while (size > 0) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
        const char *data;
        apr_size_t length;
        apr_status_t status = apr_bucket_read(bucket, &data, &length,
                                              APR_BLOCK_READ);
        if (status == APR_SUCCESS && length > size) {
            status = apr_bucket_split(bucket, size);
            length = size;
        }
        if (status != APR_SUCCESS) {
            return status;
        }
        memcpy(to, data, length);
        to += length;
        size -= length;
        move_first(filter->in, filter->taken);
    }
    return APR_SUCCESS;
}

/* Are there pages of a file, which may have to be read, in front? */
static int
is_mapped(const mp_filter_t *filter)
{
    const apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
    while (bucket != APR_BRIGADE_SENTINEL(filter->in)
           && !APR_BUCKET_IS_MMAP(bucket)) {
        bucket = APR_BUCKET_NEXT(bucket);
    }
    return bucket != APR_BRIGADE_SENTINEL(filter->in);
}

/* The first size bytes of the piece. New bytes. */
static PyObject *
take(mp_filter_t *filter, apr_size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!bytes) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(bytes);
    apr_status_t status;
    if (is_mapped(filter)) {
        mp_thread_suspended_t held = mp_thread_suspend();
        status = copy_taken(filter, to, size); /* nobody else has bytes */
        mp_thread_resume(held);
    }
    else {
        status = copy_taken(filter, to, size);
    }
    if (status != APR_SUCCESS) {
        Py_DECREF(bytes);
        return mp_error_raise_os("Input filter read error", status);
    }
    return bytes;
}

/* The one optional argument of a method that reads. 0, or -1. */
static int
parse_limit(PyObject *args, PyObject *keywords, Py_ssize_t *limit)
{
    static char *names[] = {"len", NULL};
    *limit = -1;
    if (PyTuple_GET_SIZE(args) == 0 && !keywords) {
        return 0;
    }
    return PyArg_ParseTupleAndKeywords(args, keywords, "|n", names, limit)
               ? 0 : -1;
}

PyObject *
mp_filter_read(PyObject *self, PyObject *args, PyObject *keywords)
{
    Py_ssize_t limit;
    if (parse_limit(args, keywords, &limit) < 0) {
        return NULL;
    }
    mp_filter_t *filter = open_filter(self);
    if (!filter) {
        return NULL;
    }
    if (filter->is_element) {
        return nothing(filter);
    }
    const apr_size_t most = limit < 0 ? (apr_size_t)PY_SSIZE_T_MAX
                                      : (apr_size_t)limit;
    apr_size_t size = 0;
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
         bucket != APR_BRIGADE_SENTINEL(filter->in) && size < most
         && !APR_BUCKET_IS_METADATA(bucket);
         bucket = APR_BUCKET_NEXT(bucket)) {
        size += bucket->length;
    }
    return size == 0 ? nothing(filter)
                     : take(filter, size < most ? size : most);
}

/* Can the line go on behind the piece? */
static int
can_grow(const mp_filter_t *filter)
{
    if (!APR_BRIGADE_EMPTY(filter->in)
        && APR_BUCKET_IS_METADATA(APR_BRIGADE_LAST(filter->in))) {
        return 0;
    }
    return !APR_BRIGADE_EMPTY(filter->rest)
           || (filter->is_input && filter->can_wait && !filter->ended);
}

/* Make the piece larger. 0, or -1 with OSError. */
static int
grow(mp_filter_t *filter)
{
    apr_status_t status = APR_SUCCESS;
    mp_thread_suspended_t held = mp_thread_suspend();
    if (APR_BRIGADE_EMPTY(filter->rest)) {
        status = mp_filter_fetch(filter, APR_BLOCK_READ, MORE);
        filter->ended |= APR_BRIGADE_EMPTY(filter->rest); /* as some say it */
    }
    if (status == APR_SUCCESS) {
        status = mp_filter_cut(filter);
    }
    mp_thread_resume(held);
    if (status == APR_SUCCESS) {
        return 0;
    }
    if (filter->status == APR_SUCCESS) {
        filter->status = status;
    }
    mp_error_raise_os("Input filter read error", status);
    return -1;
}

/* How long is the line that the piece begins with, after *last was looked at?
 * *size is what goes before; *last moves on. 1: all of it is there. */
static int
scan_line(const mp_filter_t *filter, apr_bucket **last, apr_size_t *size,
          apr_size_t most)
{
    for (apr_bucket *bucket = APR_BUCKET_NEXT(*last);
         bucket != APR_BRIGADE_SENTINEL(filter->in)
         && !APR_BUCKET_IS_METADATA(bucket);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t length;
        if (apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ)
            != APR_SUCCESS) {
            return 1; /* take() tells */
        }
        const apr_size_t room = most - *size;
        const char *end = memchr(data, '\n', length < room ? length : room);
        if (end || length >= room) {
            *size += end ? (apr_size_t)(end - data) + 1 : room;
            return 1;
        }
        *size += length;
        *last = bucket;
    }
    return 0;
}

PyObject *
mp_filter_readline(PyObject *self, PyObject *args, PyObject *keywords)
{
    Py_ssize_t limit;
    if (parse_limit(args, keywords, &limit) < 0) {
        return NULL;
    }
    mp_filter_t *filter = open_filter(self);
    if (!filter) {
        return NULL;
    }
    if (filter->is_element || limit == 0) {
        return nothing(filter);
    }
    const apr_size_t most = limit < 0 ? (apr_size_t)PY_SSIZE_T_MAX
                                      : (apr_size_t)limit;
    apr_bucket *last = APR_BRIGADE_SENTINEL(filter->in);
    apr_size_t size = 0;
    int whole = scan_line(filter, &last, &size, most);
    /* The piece ends in the middle of a line. */
    while (!whole && size > 0 && size < MP_FILTER_PIECE && can_grow(filter)) {
        if (grow(filter) < 0) {
            return NULL;
        }
        whole = scan_line(filter, &last, &size, most);
    }
    return size == 0 ? nothing(filter) : take(filter, size);
}

/* ---- writing ---- */

int
mp_filter_has_lent(PyObject *self)
{
    return ((mp_filter_object_t *)self)->lent != NULL;
}

void
mp_filter_give_back(PyObject *self)
{
    Py_CLEAR(((mp_filter_object_t *)self)->lent);
}

/* Keep data, bytes that are passed on before they can go. 0 when there is no
 * memory for that. */
static int
keep(mp_filter_object_t *self, PyObject *data)
{
    if (!self->lent) {
        self->lent = PyList_New(0);
    }
    if (self->lent && PyList_Append(self->lent, data) == 0) {
        return 1;
    }
    PyErr_Clear(); /* a copy may still be had */
    return 0;
}

/* Append to out. httpd copies for itself what it cannot send at once. */
static apr_status_t
append(mp_filter_object_t *self, mp_filter_t *filter, PyObject *data,
       const mp_text_view_t *view)
{
    apr_bucket_brigade *out = filter->out;
    const apr_size_t size = (apr_size_t)view->size;
    const int is_passed_on = !filter->is_input && !filter->is_element;
    if (is_passed_on && size >= LONG && PyBytes_CheckExact(data)
        && keep(self, data)) {
        APR_BRIGADE_INSERT_TAIL(
            out, apr_bucket_transient_create(view->bytes, size,
                                             out->bucket_alloc));
        return APR_SUCCESS;
    }
    return apr_brigade_write(out, NULL, NULL, view->bytes, size);
}

/* Pass on what was written. None, or NULL with OSError. */
static PyObject *
send_written(PyObject *self, mp_filter_t *filter)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_filter_pass(filter);
    mp_thread_resume(held);
    mp_filter_give_back(self);
    if (status != APR_SUCCESS) {
        return mp_error_raise_os("Flush failed.", 0);
    }
    Py_RETURN_NONE;
}

static const char *const validators[MP_FILTER_VALIDATORS] = {
    "ETag", "Last-Modified", "Content-MD5",
};

void
mp_filter_note_validators(mp_filter_t *filter)
{
    for (int i = 0; i < MP_FILTER_VALIDATORS; i++) {
        filter->validators[i] = apr_table_get(filter->f->r->headers_out,
                                              validators[i]);
    }
}

/* What is sent is not what the producer's validators are about: a client that
 * got them would be told 304 after an edit of the filter. Those that the
 * program has set since are its own. */
static void
drop_validators(mp_filter_t *filter)
{
    apr_table_t *headers = filter->f->r->headers_out;
    for (int i = 0; i < MP_FILTER_VALIDATORS; i++) {
        const char *noted = filter->validators[i];
        if (noted && apr_table_get(headers, validators[i]) == noted) {
            apr_table_unset(headers, validators[i]);
        }
        filter->validators[i] = NULL;
    }
}

PyObject *
mp_filter_write(PyObject *self, PyObject *data)
{
    mp_text_view_t view;
    if (mp_text_view(&view, data, "data") < 0) {
        return NULL;
    }
    mp_filter_t *filter = open_filter(self);
    if (!filter) {
        mp_text_release(&view);
        return NULL;
    }
    drop_validators(filter);
    apr_status_t status = append((mp_filter_object_t *)self, filter, data,
                                 &view);
    filter->written += view.size;
    mp_text_release(&view);
    if (status != APR_SUCCESS) {
        return mp_error_raise_os("write", status);
    }
    if (filter->written > MP_FILTER_PIECE && !filter->is_input
        && !filter->is_element) {
        return send_written(self, filter);
    }
    Py_RETURN_NONE;
}

PyObject *
mp_filter_flush(PyObject *self, PyObject *unused)
{
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    if (filter->is_element) {
        *filter->flush_now = 1;
        Py_RETURN_NONE;
    }
    if (filter->is_input) {
        Py_RETURN_NONE; /* its reader gets what there is at its return */
    }
    APR_BRIGADE_INSERT_TAIL(
        filter->out, apr_bucket_flush_create(filter->out->bucket_alloc));
    return send_written(self, filter);
}

PyObject *
mp_filter_close(PyObject *self, PyObject *unused)
{
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    filter->closed = 1; /* the rest is up to who called the handler */
    Py_RETURN_NONE;
}

PyObject *
mp_filter_pass_on(PyObject *self, PyObject *unused)
{
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    while (!filter->is_element && !APR_BRIGADE_EMPTY(filter->in)
           && !APR_BUCKET_IS_METADATA(APR_BRIGADE_FIRST(filter->in))) {
        apr_bucket *copy; /* of the bucket; data are shared */
        apr_status_t status = apr_bucket_copy(APR_BRIGADE_FIRST(filter->in),
                                              &copy);
        if (status != APR_SUCCESS) {
            return mp_error_raise_os("pass_on", status);
        }
        APR_BRIGADE_INSERT_TAIL(filter->out, copy);
        move_first(filter->in, filter->taken);
    }
    Py_RETURN_NONE;
}

PyObject *
mp_filter_disable(PyObject *self, PyObject *unused)
{
    mp_filter_t *filter = mp_proxy_ptr(self);
    if (!filter) {
        return NULL;
    }
    filter->disabled = 1;
    Py_RETURN_NONE;
}
