/* request.c - the type mp_request: its life, its end and its methods' table.
 *
 * Made at the first Python phase of a request_rec, or when a related request
 * is asked for (req.main, req.prev, req.next). The record's holding owns the
 * object; the object owns nothing of httpd. It belongs to the thread that
 * runs the phase, and is a file of body lines to whoever iterates over it.
 * The methods are in request_methods.c, request_body.c and others. */
#include "runtime/python.h"

#include "objects/request.h"

#include "runtime/error.h"
#include "runtime/text.h"

PyObject *
mp_request_wrap(mp_state_t *state, mp_request_t *request)
{
    mp_holding_t *holding = mp_context_holding(request, state->interp);
    if (holding->proxy) {
        mp_proxy_adopt(holding->proxy);
        return Py_NewRef(holding->proxy);
    }
    PyTypeObject *type = state->types[MP_TYPE_REQUEST];
    mp_request_object_t *self = (mp_request_object_t *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->base.ptr = request->r;
    self->base.state = state;
    self->request = request;
    mp_proxy_adopt((PyObject *)self);
    holding->proxy = self;
    return Py_NewRef((PyObject *)self);
}

PyObject *
mp_request_find(mp_state_t *state, mp_request_t *request)
{
    mp_holding_t *holding = mp_context_holding(request, state->interp);
    return Py_NewRef(holding->proxy ? (PyObject *)holding->proxy : Py_None);
}

int
mp_request_drain(PyObject *self)
{
    mp_request_object_t *request = (mp_request_object_t *)self;
    mp_request_writer_t *writer = request->writer;
    if (!writer) {
        return 0;
    }
    request->writer = NULL; /* it writes like everybody */
    int failed = writer->send(writer);
    request->writer = writer;
    return failed;
}

int
mp_request_find_set(PyObject *self, PyObject *name, PyObject **value)
{
    PyObject *dict = ((mp_request_object_t *)self)->dict;
    PyObject *found = dict ? PyDict_GetItemWithError(dict, name) : NULL;
    *value = found && found != Py_None ? Py_NewRef(found) : NULL;
    return *value ? 1 : PyErr_Occurred() ? -1 : 0;
}

int
mp_request_set(PyObject *self, PyObject *name, PyObject *value)
{
    PyObject **dict = &((mp_request_object_t *)self)->dict;
    if (!*dict) {
        *dict = PyDict_New();
    }
    return *dict ? PyDict_SetItem(*dict, name, value) : -1;
}

/* Does this phase run now, for the request or for the first one of its
 * family? */
static int
is_in_phase(PyObject *self, mp_phase_t phase)
{
    const mp_request_t *request = ((mp_request_object_t *)self)->request;
    return request->phase == phase || request->root->phase == phase;
}

request_rec *
mp_request_ptr_kept(PyObject *self)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    const mp_request_t *request = ((mp_request_object_t *)self)->request;
    if (request->ending || is_in_phase(self, MP_PHASE_CLEANUP)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the request is ending: only its attributes and "
                        "log_error() can be used in cleanups");
        return NULL;
    }
    return r;
}

request_rec *
mp_request_ptr_open(PyObject *self)
{
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    if (is_in_phase(self, MP_PHASE_LOG)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the response is complete: nothing can be read or "
                        "written in PythonLogHandler");
        return NULL;
    }
    return r;
}

void
mp_request_run_cleanups(mp_state_t *state, mp_request_t *request,
                        mp_holding_t *holding)
{
    request->ending = 1;
    if (!holding->cleanups) {
        return;
    }
    PyObject *list = holding->cleanups; /* nobody else has it, or will */
    holding->cleanups = NULL;
    for (Py_ssize_t i = PyList_GET_SIZE(list) - 1; i >= 0; i--) {
        PyObject *entry = PyList_GET_ITEM(list, i); /* borrowed */
        PyObject *result = PyObject_CallOneArg(PyTuple_GET_ITEM(entry, 0),
                                               PyTuple_GET_ITEM(entry, 1));
        if (!result) {
            mp_error_log(state, MP_LOG_REQUEST(request->r), "MPY0350",
                         "a callable of req.register_cleanup() failed");
        }
        Py_XDECREF(result);
    }
    Py_DECREF(list);
}

static PyObject *
repr_request(PyObject *self)
{
    const mp_proxy_t *proxy = (const mp_proxy_t *)self;
    if (!proxy->ptr) {
        return PyUnicode_FromString("<mp_request expired>");
    }
    if (proxy->thread && proxy->thread != mp_thread_self()) {
        return PyUnicode_FromString("<mp_request of another thread>");
    }
    const request_rec *r = proxy->ptr;
    PyObject *uri = mp_text_from(r->uri);
    if (!uri) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<mp_request %R>", uri);
    Py_DECREF(uri);
    return text;
}

static PyObject *
next_line(PyObject *self)
{
    PyObject *line = mp_request_read_line((mp_request_object_t *)self, -1);
    if (line && PyBytes_GET_SIZE(line) == 0) {
        Py_CLEAR(line); /* NULL without an exception ends the iteration */
    }
    return line;
}

static int
traverse_request(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((mp_request_object_t *)self)->dict);
    Py_VISIT(((mp_request_object_t *)self)->server);
    return 0;
}

static int
clear_request(PyObject *self)
{
    Py_CLEAR(((mp_request_object_t *)self)->dict);
    Py_CLEAR(((mp_request_object_t *)self)->server);
    return 0;
}

static void
dealloc_request(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((mp_request_object_t *)self)->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    clear_request(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#define PLAIN(function) ((PyCFunction)(function))
#define KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS
#define FAST(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef request_methods[] = {
    /* output */
    {"write", FAST(mp_request_write),
     "write($self, data, flush=1)\n--\n\n"
     "Send data: str as UTF-8, any bytes-like object as it is.\n\n"
     "Empty data does nothing. With flush true everything written so far is\n"
     "sent to the client. OSError when the client is gone. (ap_rwrite,\n"
     "ap_rflush)"},
    {"flush", PLAIN(mp_request_flush), METH_NOARGS,
     "flush($self)\n--\n\n"
     "Send everything written so far to the client. OSError when it is gone.\n"
     "(ap_rflush)"},
    {"sendfile", KEYWORDS(mp_request_sendfile),
     "sendfile($self, path, offset=0, len=-1)\n--\n\n"
     "Send len bytes of a regular file from offset (-1: to its end), and\n"
     "return how many were sent. Symbolic links are followed. OSError when\n"
     "the file cannot be examined, opened or sent. EnableSendfile and\n"
     "EnableMMAP are obeyed. (ap_pass_brigade)"},
    {"set_content_length", PLAIN(mp_request_set_content_length), METH_O,
     "set_content_length($self, length, /)\n--\n\n"
     "Set req.clength and the header Content-Length, in bytes. It has no\n"
     "effect after the first byte of the body. (ap_set_content_length)"},
    {"set_etag", PLAIN(mp_request_set_etag), METH_NOARGS,
     "set_etag($self)\n--\n\n"
     "Set the header ETag from req.finfo. (ap_set_etag)"},
    {"set_last_modified", PLAIN(mp_request_set_last_modified), METH_NOARGS,
     "set_last_modified($self)\n--\n\n"
     "Set the header Last-Modified from req.mtime. (ap_set_last_modified)"},
    {"update_mtime", PLAIN(mp_request_update_mtime), METH_O,
     "update_mtime($self, seconds, /)\n--\n\n"
     "Move req.mtime forward to this time, in seconds since the epoch (int\n"
     "or float); it never goes back. (ap_update_mtime)"},
    {"meets_conditions", PLAIN(mp_request_meets_conditions), METH_NOARGS,
     "meets_conditions($self)\n--\n\n"
     "apache.OK when the content is wanted, else the status to return (304,\n"
     "412, 416), from the conditional headers. (ap_meets_conditions)"},
    {"send_http_header", PLAIN(mp_request_send_http_header), METH_NOARGS,
     "send_http_header($self)\n--\n\n"
     "Does nothing: headers go out with the first byte. For old programs."},

    /* input */
    {"read", FAST(mp_request_read),
     "read($self, len=-1)\n--\n\n"
     "Up to len bytes of the body (negative: all that remain), waiting until\n"
     "they are there; b'' at its end. OSError on a timeout or when the\n"
     "client is gone; SERVER_RETURN(413) for a body over LimitRequestBody.\n"
     "(ap_get_brigade)"},
    {"readline", FAST(mp_request_readline),
     "readline($self, len=-1)\n--\n\n"
     "One line of the body with its newline, at most len bytes of it; b'' at\n"
     "the end. Errors as for read()."},
    {"readlines", FAST(mp_request_readlines),
     "readlines($self, sizehint=-1)\n--\n\n"
     "The lines that remain, up to and including the one in which sizehint\n"
     "bytes are reached (zero or less: all). Errors as for read()."},
    {"discard_request_body", PLAIN(mp_request_discard_request_body),
     METH_NOARGS,
     "discard_request_body($self)\n--\n\n"
     "Read the rest of the body and drop it; read() gives b'' afterwards.\n"
     "apache.OK or an HTTP status. (ap_discard_request_body)"},

    /* configuration */
    {"get_config", PLAIN(mp_request_get_config), METH_NOARGS,
     "get_config($self)\n--\n\n"
     "Table of the directives in force, without handlers and options. A\n"
     "copy: writing to it changes no configuration."},
    {"get_options", PLAIN(mp_request_get_options), METH_NOARGS,
     "get_options($self)\n--\n\n"
     "Table of the PythonOptions in force, without unset ones. What is\n"
     "written to it is seen by the rest of this request."},
    {"document_root", PLAIN(mp_request_document_root), METH_NOARGS,
     "document_root($self)\n--\n\n"
     "DocumentRoot of this request, a str. (ap_document_root)"},
    {"auth_name", PLAIN(mp_request_auth_name), METH_NOARGS,
     "auth_name($self)\n--\n\n"
     "AuthName in force, or None. (ap_auth_name)"},
    {"auth_type", PLAIN(mp_request_auth_type), METH_NOARGS,
     "auth_type($self)\n--\n\n"
     "AuthType in force, or None. (ap_auth_type)"},

    {"get_addhandler_exts", PLAIN(mp_request_get_addhandler_exts), METH_NOARGS,
     "get_addhandler_exts($self)\n--\n\n"
     "The file extensions that AddHandler maps to mod_python here, a str:\n"
     "each without its dot and followed by a space. Directives of .htaccess\n"
     "files are not seen. (ap_conftree)"},

    /* handlers, filters, cleanups */
    {"add_handler", KEYWORDS(mp_request_add_handler),
     "add_handler($self, phase, handler, dir=None)\n--\n\n"
     "Add a handler to a phase of this request.\n\n"
     "phase: the name of a directive ('PythonLogHandler'), else IndexError.\n"
     "handler: a str as in the directive, or a callable, else ValueError.\n"
     "dir: where its module is, a str; by default where the running handler\n"
     "is."},
    {"add_input_filter", PLAIN(mp_request_add_input_filter), METH_O,
     "add_input_filter($self, name, /)\n--\n\n"
     "Put a filter in front of the body, before the first read: one that\n"
     "was registered for this request, one of PythonInputFilter, or any\n"
     "other of httpd. ValueError when there is none of that name.\n"
     "(ap_add_input_filter)"},
    {"add_output_filter", PLAIN(mp_request_add_output_filter), METH_O,
     "add_output_filter($self, name, /)\n--\n\n"
     "Put a filter behind the response, before the first write: one that\n"
     "was registered for this request, one of PythonOutputFilter, or any\n"
     "other of httpd. ValueError when there is none of that name.\n"
     "(ap_add_output_filter)"},
    {"register_input_filter", KEYWORDS(mp_request_register_input_filter),
     "register_input_filter($self, name, handler, dir=None)\n--\n\n"
     "Make an input filter for this request, to be added by its name.\n\n"
     "handler: a str as in the directive, or a callable, else ValueError.\n"
     "dir: where its module is, a str; by default where the running handler\n"
     "is."},
    {"register_output_filter", KEYWORDS(mp_request_register_output_filter),
     "register_output_filter($self, name, handler, dir=None)\n--\n\n"
     "Make an output filter for this request, to be added by its name.\n"
     "Arguments as for register_input_filter()."},
    {"register_cleanup", KEYWORDS(mp_request_register_cleanup),
     "register_cleanup($self, callable, data=None)\n--\n\n"
     "Call callable(data) when the request ends, last registered first;\n"
     "errors are logged. ValueError when it is not callable."},

    /* various */
    {"allow_methods", KEYWORDS(mp_request_allow_methods),
     "allow_methods($self, methods, reset=0)\n--\n\n"
     "Add names (a sequence of str) to the header Allow of 405 and 501\n"
     "responses; with reset true forget the others. (ap_allow_methods)"},
    {"get_basic_auth_pw", PLAIN(mp_request_get_basic_auth_pw), METH_NOARGS,
     "get_basic_auth_pw($self)\n--\n\n"
     "The password of Basic authentication, a str decoded as Latin-1; sets\n"
     "req.user. None when there is none, or without AuthType Basic and\n"
     "AuthName. (ap_get_basic_auth_pw)"},
    {"construct_url", PLAIN(mp_request_construct_url), METH_O,
     "construct_url($self, uri, /)\n--\n\n"
     "uri with scheme, host and port of this server in front.\n"
     "(ap_construct_url)"},
    {"get_remote_host", KEYWORDS(mp_request_get_remote_host),
     "get_remote_host($self, type=1, str_is_ip=None)\n--\n\n"
     "Name or address of the client, or None; type: one of REMOTE_*. With\n"
     "str_is_ip not None a tuple of it and an int: is it an address?\n"
     "(ap_get_useragent_host)"},
    {"internal_redirect", PLAIN(mp_request_internal_redirect), METH_O,
     "internal_redirect($self, uri, /)\n--\n\n"
     "Answer with what another URI of this server gives: a whole request in\n"
     "which this one is req.prev. (ap_internal_redirect)"},
    {"is_https", PLAIN(mp_request_is_https), METH_NOARGS,
     "is_https($self)\n--\n\n"
     "1 when the connection uses TLS, else 0. (ap_ssl_conn_is_ssl)"},
    {"ssl_var_lookup", PLAIN(mp_request_ssl_var_lookup), METH_O,
     "ssl_var_lookup($self, name, /)\n--\n\n"
     "Value of a variable of mod_ssl ('SSL_PROTOCOL'), a str, or None\n"
     "without mod_ssl. (ap_ssl_var_lookup)"},
    {"expr", PLAIN(mp_request_expr), METH_O,
     "expr($self, text, /)\n--\n\n"
     "Is this condition true for the request? A bool; text is what <If> of\n"
     "httpd takes: '%{HTTPS} == \"on\"'. ValueError when it cannot be\n"
     "parsed, RuntimeError when it fails. (ap_expr_exec)"},
    {"expr_str", PLAIN(mp_request_expr_str), METH_O,
     "expr_str($self, text, /)\n--\n\n"
     "What httpd makes of a text with variables and functions, a str:\n"
     "'%{HTTP_HOST}: %{base64:%{REMOTE_USER}}'. Errors as for expr().\n"
     "(ap_expr_str_exec)"},
    {"send_interim_response", KEYWORDS(mp_request_send_interim_response),
     "send_interim_response($self, status=103, headers=None)\n--\n\n"
     "Send an interim response at once, before the response itself: 103 with\n"
     "headers Link tells a browser what it will need. headers: a mapping, or\n"
     "pairs of name and value; those of the response stay as they are. True,\n"
     "or False when the client does not understand it (HTTP/1.0; 100 that it\n"
     "does not wait for). RuntimeError after the response has begun.\n"
     "(ap_send_interim_response)"},
    {"session_get", PLAIN(mp_request_session_get), METH_O,
     "session_get($self, key, /)\n--\n\n"
     "Value of a key in the session of mod_session, a str, or None.\n"
     "RuntimeError without mod_session or without Session On; OSError when\n"
     "it cannot be loaded. (ap_session_get)"},
    {"session_set", PLAIN(mp_request_session_set), METH_VARARGS,
     "session_set($self, key, value, /)\n--\n\n"
     "Store a str in the session of mod_session; None removes the key. It is\n"
     "saved when the response begins. Errors as for session_get(), and\n"
     "RuntimeError after the response has begun. (ap_session_set)"},
    {"log_error", KEYWORDS(mp_request_log_error),
     "log_error($self, message, level=3)\n--\n\n"
     "Write to the error log at a level of APLOG_*; 0 means APLOG_ERR. A\n"
     "message of None is ignored; one with NUL is ValueError.\n"
     "(ap_log_rerror)"},
    {"add_common_vars", PLAIN(mp_request_add_common_vars), METH_NOARGS,
     "add_common_vars($self)\n--\n\n"
     "Fill req.subprocess_env with the variables of CGI that do not depend\n"
     "on the script. (ap_add_common_vars)"},
    {"add_cgi_vars", PLAIN(mp_request_add_cgi_vars), METH_NOARGS,
     "add_cgi_vars($self)\n--\n\n"
     "add_common_vars(), and GATEWAY_INTERFACE, SERVER_PROTOCOL,\n"
     "REQUEST_METHOD, QUERY_STRING, REQUEST_URI (req.uri, no query),\n"
     "SCRIPT_NAME and PATH_INFO. Never PATH_TRANSLATED: no sub-request is\n"
     "made."},
    {NULL, NULL, 0, NULL}
};

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(mp_request_object_t, dict),
     READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(mp_request_object_t, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A request; every phase sees the same object.\n\n"
                "It expires when the request ends, and belongs to the thread\n"
                "that runs its phases. Programs may set further attributes."},
    {Py_tp_dealloc, dealloc_request},
    {Py_tp_traverse, traverse_request},
    {Py_tp_clear, clear_request},
    {Py_tp_repr, repr_request},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next_line},
    {Py_tp_methods, request_methods},
    {Py_tp_members, members},
    {Py_tp_getset, mp_request_attributes},
    {0, NULL}
};

PyType_Spec mp_request_spec = {
    .name = "builtins.mp_request",
    .basicsize = sizeof(mp_request_object_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
