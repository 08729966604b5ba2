/* wsgi_file.c - wsgi.file_wrapper: files that httpd sends by itself.
 *
 * To an application the wrapper is an iterable over blocks of a file-like
 * object. When it comes back as the response, and what it wraps is a plain
 * file of Python's io, the file goes out as a bucket, with the end of the
 * response behind it in the same brigade: then httpd knows the length and can
 * answer a Range. The surprising rule: only files whose bytes are those on
 * disk count. Others have a fileno() too: GzipFile, text files. */
#include "runtime/python.h"

#include "web/wsgi_file.h"

#include "runtime/error.h"

#include <apr_portable.h>
#include <http_core.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util_filter.h>

/* Files up to this size are sent from memory: one that goes out as a file
 * stays open until the request ends. */
#define MAX_COPY 65536

typedef struct {
    PyObject_HEAD
    PyObject *file; /* owned */
    Py_ssize_t block_size;
} wrapper_t;

/* ---- sending ----------------------------------------------------------- */

typedef struct {
    int fd;             /* the program's */
    apr_off_t offset;
    apr_off_t length;
} part_t;

/* What NamedTemporaryFile() returns is a shell around a file. New ref. */
static PyObject *
unwrap(PyObject *file)
{
    PyObject *inner = NULL;
    if (!strcmp(Py_TYPE(file)->tp_name, "_TemporaryFileWrapper")) {
        inner = PyObject_GetAttrString(file, "file");
        PyErr_Clear(); /* somebody else's class of that name */
    }
    return inner ? inner : Py_NewRef(file);
}

static int
is_exactly(PyObject *io, const char *name, PyObject *object)
{
    PyObject *type = PyObject_GetAttrString(io, name);
    const int is_it = type == (PyObject *)Py_TYPE(object);
    Py_XDECREF(type);
    PyErr_Clear(); /* there is no such type: it is of another */
    return is_it;
}

/* Is it a file of the module io whose bytes are those of a descriptor? */
static int
is_plain(PyObject *file)
{
    PyObject *io = PyImport_ImportModule("io");
    int answer = 0;
    if (io && (is_exactly(io, "BufferedReader", file)
               || is_exactly(io, "BufferedRandom", file))) {
        PyObject *raw = PyObject_GetAttrString(file, "raw");
        answer = raw && is_exactly(io, "FileIO", raw);
        Py_XDECREF(raw);
    }
    else if (io) {
        answer = is_exactly(io, "FileIO", file);
    }
    Py_XDECREF(io);
    PyErr_Clear(); /* closed, detached: reading it will tell */
    return answer;
}

/* A method's int, -1 when it has none. */
static long long
ask(PyObject *file, const char *method)
{
    PyObject *answer = PyObject_CallMethod(file, method, NULL);
    const long long number = answer ? PyLong_AsLongLong(answer) : -1;
    Py_XDECREF(answer);
    PyErr_Clear(); /* reading it will tell */
    return number;
}

/* What is to be sent of a plain file. 1, or 0 when it is no regular file. */
static int
find_part(PyObject *file, part_t *part)
{
    struct stat info;
    PyObject *flushed = PyObject_CallMethod(file, "flush", NULL);
    Py_XDECREF(flushed);
    PyErr_Clear(); /* of a file that is written to as well */
    part->fd = (int)ask(file, "fileno");
    part->offset = ask(file, "tell");
    if (part->fd < 0 || part->offset < 0 || fstat(part->fd, &info) < 0
        || !S_ISREG(info.st_mode)) {
        return 0;
    }
    part->length = info.st_size > part->offset ? info.st_size - part->offset
                                               : 0;
    return 1;
}

/* The part as a bucket in memory. [detached] */
static apr_status_t
copy_part(apr_bucket_brigade *brigade, const part_t *part)
{
    char *copy = apr_bucket_alloc((apr_size_t)part->length,
                                  brigade->bucket_alloc);
    apr_size_t have = 0;
    while (have < (apr_size_t)part->length) {
        const ssize_t got = pread(part->fd, copy + have,
                                  (apr_size_t)part->length - have,
                                  part->offset + (apr_off_t)have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            apr_bucket_free(copy);
            return got < 0 ? errno : APR_EOF; /* it has shrunk */
        }
        have += (apr_size_t)got;
    }
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_heap_create(
        copy, have, apr_bucket_free, brigade->bucket_alloc));
    return APR_SUCCESS;
}

/* The part as a bucket of the file, by a descriptor of our own: the program
 * may close its own before the last byte has gone out. [detached] */
static apr_status_t
insert_part(apr_bucket_brigade *brigade, part_t *part, request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_os_file_t fd = part->fd;
    apr_file_t *theirs, *file;
    apr_status_t status = apr_os_file_put(
        &theirs, &fd, APR_FOPEN_READ | APR_FOPEN_BINARY
                          | AP_SENDFILE_ENABLED(core->enable_sendfile),
        r->pool);
    if (status == APR_SUCCESS) {
        status = apr_file_dup(&file, theirs, r->pool);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    apr_bucket *bucket = apr_brigade_insert_file(brigade, file, part->offset,
                                                 part->length, r->pool);
    if (core->enable_mmap == ENABLE_MMAP_OFF) {
        apr_bucket_file_enable_mmap(bucket, 0);
    }
    return APR_SUCCESS;
}

/* The status of looking at the file; that of the filters goes to *sent.
 * [detached] */
static apr_status_t
pass_part(request_rec *r, part_t *part, int is_all, apr_status_t *sent)
{
    apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, buckets);
    apr_status_t status = APR_SUCCESS;
    if (part->length > MAX_COPY) {
        status = insert_part(brigade, part, r);
    }
    else if (part->length > 0) {
        status = copy_part(brigade, part);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    if (is_all) {
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(buckets));
    }
    *sent = ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return APR_SUCCESS;
}

static int
send_part(mp_wsgi_response_t *response, request_rec *r, part_t *part)
{
    const apr_off_t room = mp_wsgi_response_room(response);
    apr_status_t sent = APR_SUCCESS;
    /* Less than was announced must not look complete. */
    const int is_all = room <= part->length;
    if (room >= 0 && room < part->length) {
        part->length = room;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    const apr_status_t status = pass_part(r, part, is_all, &sent);
    mp_thread_resume(held);
    /* A filter may answer by itself: 416, for a Range that is not there. */
    if (status != APR_SUCCESS
        || (sent != APR_SUCCESS && sent != AP_FILTER_ERROR)) {
        mp_error_raise_os(status != APR_SUCCESS
                              ? "the file cannot be sent"
                              : "Write failed, client closed connection.",
                          status);
        return -1;
    }
    response->sent += part->length;
    ((mp_request_object_t *)response->request)->request->bytes_queued
        += part->length;
    return 1;
}

int
mp_wsgi_file_send(mp_wsgi_response_t *response, PyObject *wrapper)
{
    PyObject *file = unwrap(((wrapper_t *)wrapper)->file);
    part_t part;
    int sent = 0;
    if (response->is_started && is_plain(file) && find_part(file, &part)) {
        request_rec *r = mp_request_ptr_open(response->request);
        sent = r ? send_part(response, r, &part) : -1;
    }
    Py_DECREF(file);
    return sent;
}

/* ---- the type ---------------------------------------------------------- */

static PyObject *
create(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"filelike", "block_size", NULL};
    PyObject *file;
    Py_ssize_t block_size = 8192;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n:FileWrapper", names,
                                     &file, &block_size)) {
        return NULL;
    }
    wrapper_t *self = (wrapper_t *)type->tp_alloc(type, 0);
    if (self) {
        self->file = Py_NewRef(file);
        self->block_size = block_size;
    }
    return (PyObject *)self;
}

static PyObject *
next_block(PyObject *object)
{
    const wrapper_t *self = (wrapper_t *)object;
    PyObject *block = PyObject_CallMethod(self->file, "read", "n",
                                          self->block_size);
    const Py_ssize_t size = block ? PyObject_Size(block) : -1;
    if (size <= 0) {
        Py_CLEAR(block); /* NULL without an exception ends the iteration */
    }
    return block;
}

static PyObject *
close_file(PyObject *object, PyObject *unused)
{
    PyObject *file = ((wrapper_t *)object)->file;
    PyObject *name = PyUnicode_InternFromString("close");
    PyObject *method = NULL, *result = NULL;
    if (name && PyObject_GetOptionalAttr(file, name, &method) == 0) {
        result = Py_NewRef(Py_None);
    }
    else if (method) {
        result = PyObject_CallNoArgs(method);
    }
    Py_XDECREF(method);
    Py_XDECREF(name);
    return result;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((wrapper_t *)object)->file);
    return 0;
}

static int
clear(PyObject *object)
{
    /* Not NULL: whoever still has it may go on. */
    Py_XSETREF(((wrapper_t *)object)->file, Py_NewRef(Py_None));
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((wrapper_t *)object)->file);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef wrapper_methods[] = {
    {"close", close_file, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the file, if it can be closed."},
    {NULL, NULL, 0, NULL}
};

static PyMemberDef wrapper_members[] = {
    {"filelike", T_OBJECT_EX, offsetof(wrapper_t, file), READONLY,
     "The file-like object."},
    {"block_size", T_PYSSIZET, offsetof(wrapper_t, block_size), READONLY,
     "Bytes of a block (int)."},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot wrapper_slots[] = {
    {Py_tp_doc, "FileWrapper(filelike, block_size=8192)\n--\n\n"
                "wsgi.file_wrapper: an iterable over blocks of a file-like\n"
                "object. As the response of an application a plain file is\n"
                "sent by httpd itself, from its present position."},
    {Py_tp_new, create},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next_block},
    {Py_tp_methods, wrapper_methods},
    {Py_tp_members, wrapper_members},
    {0, NULL}
};

PyType_Spec mp_wsgi_file_wrapper_spec = {
    .name = "builtins.FileWrapper",
    .basicsize = sizeof(wrapper_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = wrapper_slots,
};
