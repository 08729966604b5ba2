/* wsgi_response.c - start_response() and write() of WSGI.
 *
 * The headers of an application are put into httpd's tables when
 * start_response() is called, all or none of them; httpd sends them with the
 * first byte of the body. The surprising rule: nothing is put there before
 * everything was looked at, and no Python code runs in between, so a list that
 * is refused leaves no trace. */
#include "runtime/python.h"

#include "web/wsgi_response.h"

#include "runtime/text.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <string.h>

/* ---- looking ----------------------------------------------------------- */

typedef struct {
    const char *bytes; /* Latin-1, ends in NUL; borrowed of a str */
    size_t size;
} text_t;

/* 0, or -1 with TypeError or ValueError. */
static int
look_at_str(text_t *text, PyObject *object, const char *what)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.200s", what,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    if (PyUnicode_KIND(object) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError,
                     "%s must hold characters of Latin-1 only: %R", what,
                     object);
        return -1;
    }
    text->bytes = (const char *)PyUnicode_1BYTE_DATA(object);
    text->size = (size_t)PyUnicode_GET_LENGTH(object);
    return 0;
}

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "404 Not Found". *code is set. 0, or -1 with an exception. */
static int
look_at_status(text_t *status, int *code, PyObject *object)
{
    if (look_at_str(status, object, "status") < 0) {
        return -1;
    }
    const char *bytes = status->bytes;
    if (status->size < 4 || !is_digit(bytes[0]) || !is_digit(bytes[1])
        || !is_digit(bytes[2]) || bytes[3] != ' '
        || *ap_scan_http_field_content(bytes)
        || strlen(bytes) != status->size) {
        PyErr_Format(PyExc_ValueError,
                     "status must be three digits, a space and a reason, "
                     "like '200 OK', not %R", object);
        return -1;
    }
    *code = (bytes[0] - '0') * 100 + (bytes[1] - '0') * 10 + bytes[2] - '0';
    if (*code < 200) {
        PyErr_Format(PyExc_ValueError, "%R is not the status of a response: "
                     "they begin with 200", object);
        return -1;
    }
    return 0;
}

/* What some headers mean to httpd. */
typedef enum {
    HEADER_PLAIN, HEADER_TYPE, HEADER_LENGTH, HEADER_COOKIE, HEADER_REFUSED
} meaning_t;

static const struct {
    const char *name;
    size_t size;
    meaning_t meaning;
} special[] = {
#define ROW(name, meaning) {name, sizeof(name) - 1, meaning}
    ROW("Content-Type", HEADER_TYPE),
    ROW("Content-Length", HEADER_LENGTH),
    ROW("Set-Cookie", HEADER_COOKIE),
    /* of the connection, which is the server's */
    ROW("Connection", HEADER_REFUSED),
    ROW("Keep-Alive", HEADER_REFUSED),
    ROW("Proxy-Authenticate", HEADER_REFUSED),
    ROW("Proxy-Authorization", HEADER_REFUSED),
    ROW("TE", HEADER_REFUSED),
    ROW("Trailer", HEADER_REFUSED),
    ROW("Trailers", HEADER_REFUSED),
    ROW("Transfer-Encoding", HEADER_REFUSED),
    ROW("Upgrade", HEADER_REFUSED),
#undef ROW
};

static meaning_t
meaning_of(const text_t *name)
{
    for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
        if (special[i].size == name->size
            && (!memcmp(special[i].name, name->bytes, name->size)
                || !ap_cstr_casecmp(special[i].name, name->bytes))) {
            return special[i].meaning;
        }
    }
    return HEADER_PLAIN;
}

/* -1 with ValueError when it is no length. */
static int
look_at_length(const text_t *value, apr_off_t *length)
{
    *length = 0;
    for (size_t i = 0; i < value->size; i++) {
        if (!is_digit(value->bytes[i]) || i > 17) {
            *length = -1;
            break;
        }
        *length = *length * 10 + (value->bytes[i] - '0');
    }
    if (*length < 0 || value->size == 0) {
        PyErr_Format(PyExc_ValueError,
                     "Content-Length must be a number, not '%s'",
                     value->bytes);
        return -1;
    }
    return 0;
}

static int
look_at_header(PyObject *item, text_t *name, text_t *value)
{
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError,
                     "headers must be tuples (name, value), not %R", item);
        return -1;
    }
    PyObject *name_object = PyTuple_GET_ITEM(item, 0);
    PyObject *value_object = PyTuple_GET_ITEM(item, 1);
    if (look_at_str(name, name_object, "the name of a header") < 0
        || look_at_str(value, value_object, "the value of a header") < 0) {
        return -1;
    }
    if (name->size == 0
        || ap_scan_http_token(name->bytes) != name->bytes + name->size) {
        PyErr_Format(PyExc_ValueError, "%R is not the name of a header",
                     name_object);
        return -1;
    }
    if (ap_scan_http_field_content(value->bytes)
        != value->bytes + value->size) {
        PyErr_Format(PyExc_ValueError, "header %U: %R holds a control "
                     "character", name_object, value_object);
        return -1;
    }
    return 0;
}

/* Are these headers that may be sent? 0, or -1 with an exception. */
static int
look_at_headers(PyObject *headers)
{
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "headers must be a list of tuples, not "
                     "%.200s", Py_TYPE(headers)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        text_t name, value;
        apr_off_t length;
        if (look_at_header(PyList_GET_ITEM(headers, i), &name, &value) < 0) {
            return -1;
        }
        const meaning_t meaning = meaning_of(&name);
        if (meaning == HEADER_LENGTH && look_at_length(&value, &length) < 0) {
            return -1;
        }
        if (meaning == HEADER_REFUSED) {
            PyErr_Format(PyExc_ValueError, "header %s is about the "
                         "connection: the server sets it, applications must "
                         "not", name.bytes);
            return -1;
        }
    }
    return 0;
}

/* ---- starting ---------------------------------------------------------- */

/* headers_out as it was before the application set anything. */
static void
restore_headers(const mp_wsgi_response_t *self, request_rec *r)
{
    apr_table_clear(r->headers_out);
    if (!self->before) {
        return;
    }
    const apr_array_header_t *entries = apr_table_elts(self->before);
    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry
            = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        apr_table_addn(r->headers_out, entry->key, entry->val);
    }
}

/* Text of a header whose item was looked at. */
static text_t
text_of(PyObject *item, Py_ssize_t index)
{
    PyObject *str = PyTuple_GET_ITEM(item, index);
    return (text_t){(const char *)PyUnicode_1BYTE_DATA(str),
                    (size_t)PyUnicode_GET_LENGTH(str)};
}

/* Headers of earlier phases give way to the application's of the same name. */
static void
make_way(request_rec *r, PyObject *headers)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        const text_t name = text_of(PyList_GET_ITEM(headers, i), 0);
        if (meaning_of(&name) != HEADER_COOKIE) {
            apr_table_unset(r->headers_out, name.bytes);
        }
    }
}

static void
set_headers(mp_wsgi_response_t *self, request_rec *r, PyObject *headers)
{
    const char *type = NULL;
    self->length = -1;
    if (self->before) {
        make_way(r, headers);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        PyObject *item = PyList_GET_ITEM(headers, i);
        const text_t name = text_of(item, 0), value = text_of(item, 1);
        const meaning_t meaning = meaning_of(&name);
        if (meaning == HEADER_LENGTH) {
            look_at_length(&value, &self->length);
            ap_set_content_length(r, self->length);
            continue;
        }
        const char *copy = apr_pstrmemdup(r->pool, value.bytes, value.size);
        if (meaning == HEADER_TYPE) {
            type = copy;
            continue;
        }
        apr_table_addn(r->headers_out,
                       apr_pstrmemdup(r->pool, name.bytes, name.size), copy);
    }
    ap_set_content_type(r, type); /* NULL: none, whatever httpd would guess */
    ((mp_request_object_t *)self->request)->content_type_set = 1;
}

/* raise exc_info[1]: what an application asks for when it is too late for
 * another response. */
static int
raise_again(PyObject *exc_info)
{
    PyObject *exc = PyTuple_GET_ITEM(exc_info, 1);
    PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);
    if (!PyExceptionInstance_Check(exc)) {
        PyErr_SetString(PyExc_TypeError, "exc_info holds no exception");
        return -1;
    }
    if (traceback != Py_None && PyException_SetTraceback(exc, traceback) < 0) {
        return -1;
    }
    PyErr_SetRaisedException(Py_NewRef(exc));
    return -1;
}

/* May start_response() be called, now? 0, or -1 with an exception. */
static int
may_start(const mp_wsgi_response_t *self, PyObject *exc_info)
{
    if (exc_info == Py_None) {
        if (self->is_started) {
            PyErr_SetString(PyExc_RuntimeError, "start_response() was called "
                            "before; a second call must have exc_info");
            return -1;
        }
        return 0;
    }
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_Format(PyExc_TypeError,
                     "exc_info must be what sys.exc_info() returns, not "
                     "%.200s", Py_TYPE(exc_info)->tp_name);
        return -1;
    }
    return self->sent > 0 ? raise_again(exc_info) : 0;
}

/* The request of a response that can still be sent. NULL with an exception. */
static request_rec *
open_request(mp_wsgi_response_t *self)
{
    request_rec *r = mp_request_ptr_open(self->request);
    if (r && self->is_over) {
        PyErr_SetString(PyExc_RuntimeError, "the response is over: the "
                        "application has returned");
        return NULL;
    }
    return r;
}

static int
start(mp_wsgi_response_t *self, PyObject *status, PyObject *headers,
      PyObject *exc_info)
{
    request_rec *r = open_request(self);
    text_t line;
    int code;
    if (!r || may_start(self, exc_info) < 0
        || look_at_status(&line, &code, status) < 0
        || look_at_headers(headers) < 0) {
        return -1;
    }
    if (self->is_started) {
        restore_headers(self, r);
    }
    else if (!apr_is_empty_table(r->headers_out)) {
        self->before = apr_table_copy(r->pool, r->headers_out);
    }
    self->is_started = 1;
    r->status = code;
    r->status_line = apr_pstrmemdup(r->pool, line.bytes, line.size);
    set_headers(self, r, headers);
    return 0;
}

/* ---- sending ----------------------------------------------------------- */

apr_off_t
mp_wsgi_response_room(const mp_wsgi_response_t *self)
{
    return self->length < 0 ? -1 : self->length - self->sent;
}

/* As mp_wsgi_response_send(); is_strict: what goes beyond Content-Length is an
 * error. */
static int
pass(mp_wsgi_response_t *self, PyObject *chunk, int flush, int is_strict)
{
    mp_text_view_t view;
    if (mp_text_view(&view, chunk, "a chunk of the response") < 0) {
        return -1;
    }
    const apr_off_t room = mp_wsgi_response_room(self);
    const int is_beyond = room >= 0 && view.size > room;
    const Py_ssize_t size = is_beyond ? (Py_ssize_t)room : view.size;
    int status = -1;
    if (is_beyond && is_strict) {
        PyErr_Format(PyExc_ValueError,
                     "write() goes beyond Content-Length by %zd bytes",
                     view.size - size);
    }
    else if (mp_request_send(self->request, view.bytes, size, flush) == 0) {
        self->sent += size;
        status = is_beyond;
    }
    mp_text_release(&view);
    return status;
}

int
mp_wsgi_response_send(mp_wsgi_response_t *self, PyObject *chunk, int flush)
{
    if (!self->is_started) {
        PyErr_SetString(PyExc_RuntimeError, "the application must call "
                        "start_response() before its first chunk");
        return -1;
    }
    return pass(self, chunk, flush, 0);
}

/* write(data): more than Content-Length is an error here, because somebody is
 * there to be told. */
static PyObject *
write_chunk(PyObject *object, PyObject *data)
{
    mp_wsgi_response_t *self = (mp_wsgi_response_t *)object;
    if (!open_request(self) || pass(self, data, 1, 1) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Does this response have a body that its Content-Length is about? */
static int
has_body(const request_rec *r)
{
    return !r->header_only && !AP_STATUS_IS_HEADER_ONLY(r->status);
}

int
mp_wsgi_response_finish(mp_wsgi_response_t *self)
{
    const request_rec *r = open_request(self);
    if (!r) {
        return -1;
    }
    if (!self->is_started) {
        PyErr_SetString(PyExc_RuntimeError, "the application has returned "
                        "and did not call start_response()");
        return -1;
    }
    if (mp_wsgi_response_room(self) > 0 && has_body(r)) {
        PyErr_Format(PyExc_RuntimeError,
                     "the application has sent %lld bytes, and had announced "
                     "a Content-Length of %lld", (long long)self->sent,
                     (long long)self->length);
        return -1;
    }
    self->is_over = 1;
    return 0;
}

void
mp_wsgi_response_abandon(mp_wsgi_response_t *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    request_rec *r = self->is_over ? NULL : mp_request_ptr_open(self->request);
    if (r && self->is_started && self->sent == 0) {
        restore_headers(self, r);
        r->status = HTTP_OK;
        r->status_line = NULL;
    }
    self->is_over = 1;
    PyErr_SetRaisedException(exc); /* in the place of one that refused r */
}

/* ---- the type ---------------------------------------------------------- */

static PyMethodDef write_methods[] = {{
    "write", write_chunk, METH_O,
    "write(data, /)\n--\n\n"
    "Send a part of the body (bytes; str as UTF-8) to the client, before it\n"
    "returns. OSError when the client is gone, ValueError beyond\n"
    "Content-Length."}};

/* The arguments by name: PEP 3333 has them by position only, but everybody's
 * start_response() takes this one by name as well. 0, or -1. */
static int
take_named(PyObject *const *args, PyObject *names, PyObject **exc_info)
{
    if (PyTuple_GET_SIZE(names) == 1 && !*exc_info
        && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
                                            "exc_info") == 0) {
        *exc_info = args[0];
        return 0;
    }
    PyErr_SetString(PyExc_TypeError,
                    "start_response() takes exc_info by name, nothing else");
    return -1;
}

static PyObject *
call(PyObject *object, PyObject *const *args, size_t nargs, PyObject *names)
{
    const Py_ssize_t count = PyVectorcall_NARGS(nargs);
    PyObject *exc_info = count == 3 ? args[2] : NULL;
    if (count < 2 || count > 3) {
        return PyErr_Format(PyExc_TypeError, "start_response() takes 2 or 3 "
                            "arguments, %zd were given", count);
    }
    if (names && PyTuple_GET_SIZE(names) > 0
        && take_named(args + count, names, &exc_info) < 0) {
        return NULL;
    }
    if (start((mp_wsgi_response_t *)object, args[0], args[1],
              exc_info ? exc_info : Py_None) < 0) {
        return NULL;
    }
    return PyCFunction_NewEx(write_methods, object, NULL);
}

mp_wsgi_response_t *
mp_wsgi_response_create(mp_state_t *state, PyObject *request)
{
    PyTypeObject *type = state->types[MP_TYPE_WSGI_RESPONSE];
    mp_wsgi_response_t *self = (mp_wsgi_response_t *)type->tp_alloc(type, 0);
    if (self) {
        self->vectorcall = call;
        self->request = Py_NewRef(request);
        self->length = -1;
    }
    return self;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((mp_wsgi_response_t *)object)->request);
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((mp_wsgi_response_t *)object)->request);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef response_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET,
     offsetof(mp_wsgi_response_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

/* No tp_clear: the request object, which is all that this one refers to, has
 * one, and every cycle goes through it. */
static PyType_Slot response_slots[] = {
    {Py_tp_doc, "start_response(status, headers, exc_info=None, /): begin "
                "the response (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, response_members},
    {0, NULL}
};

PyType_Spec mp_wsgi_response_spec = {
    .name = "builtins.start_response",
    .basicsize = sizeof(mp_wsgi_response_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = response_slots,
};
