/* request_attrs.c - the attributes of mp_request, as a table.
 *
 * Nearly all of them are a field of request_rec: the row says which one and
 * of what kind, and a handful of functions serves them all. Owns nothing and
 * caches nothing, because httpd swaps fields and tables at redirects. */
#include "runtime/python.h"

#include "objects/request.h"

#include <apr_network_io.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <http_protocol.h>

#include <limits.h>

#include "objects/connection.h"
#include "objects/finfo.h"
#include "objects/hlist.h"
#include "objects/server_info.h"
#include "objects/table.h"
#include "runtime/interp.h"
#include "runtime/text.h"

/* What a row tells its functions. */
typedef struct {
    const char *name;
    size_t offset;          /* in request_rec */
    mp_text_rule_t rule;    /* of texts, and of the values of tables */
    unsigned takes_none : 1; /* None is NULL */
} field_t;

/* The closures of a row. */
#define FIELD(member) ((void *)&(const field_t){ \
    #member, offsetof(request_rec, member), MP_TEXT_PLAIN, 0})
#define FIELD_RULE(member, rule) ((void *)&(const field_t){ \
    #member, offsetof(request_rec, member), rule, 0})
#define FIELD_OR_NONE(member) ((void *)&(const field_t){ \
    #member, offsetof(request_rec, member), MP_TEXT_PLAIN, 1})

/* The field of r as an lvalue of this type. */
#define AT(r, field, type) \
    (*(type *)(void *)((char *)(r) + ((const field_t *)(field))->offset))

/* ---- kinds of fields ---- */

static PyObject *
get_text(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? mp_text_from(AT(r, field, const char *)) : NULL;
}

static PyObject *
get_int(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? PyLong_FromLong(AT(r, field, int)) : NULL;
}

_Static_assert(sizeof(apr_off_t) == sizeof(apr_int64_t),
               "one getter serves both");

static PyObject *
get_int64(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? PyLong_FromLongLong(AT(r, field, apr_int64_t)) : NULL;
}

static PyObject *
get_time(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    return PyFloat_FromDouble((double)AT(r, field, apr_time_t)
                              / (double)APR_USEC_PER_SEC);
}

static PyObject *
get_table(PyObject *self, void *closure)
{
    const field_t *field = closure;
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return mp_table_view(self, field->offset, field->rule);
}

/* The object of a related request, or None. */
static PyObject *
get_request(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    request_rec *related = AT(r, field, request_rec *);
    if (!related) {
        Py_RETURN_NONE;
    }
    const mp_request_object_t *object = (mp_request_object_t *)self;
    mp_request_t *record = mp_context_get(related);
    if (record->ending || object->request->ending) {
        /* the other may have ended, and then must not begin again */
        return mp_request_find(object->base.state, record);
    }
    return mp_request_wrap(object->base.state, record);
}

/* Array of const char * as a tuple of str. */
static PyObject *
get_texts(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    const apr_array_header_t *texts = AT(r, field, apr_array_header_t *);
    const int count = texts ? texts->nelts : 0;
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *text = mp_text_from(APR_ARRAY_IDX(texts, i, const char *));
        if (text) {
            PyTuple_SET_ITEM(tuple, i, text);
        }
        else {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

/* The request when an attribute may be set to value. NULL with an exception;
 * value NULL is a deletion. */
static request_rec *
ptr_for_setting(PyObject *self, PyObject *value, const char *name)
{
    if (!value) {
        PyErr_Format(PyExc_AttributeError, "req.%s cannot be deleted", name);
        return NULL;
    }
    return mp_proxy_ptr(self);
}

static int
set_text(PyObject *self, PyObject *value, void *closure)
{
    const field_t *field = closure;
    request_rec *r = ptr_for_setting(self, value, field->name);
    if (!r) {
        return -1;
    }
    char *text = NULL;
    if (!field->takes_none || value != Py_None) {
        text = mp_text_copy(r->pool, value, field->rule, field->name);
        if (!text) {
            return -1;
        }
    }
    AT(r, field, char *) = text;
    return 0;
}

static int
set_int(PyObject *self, PyObject *value, void *closure)
{
    const field_t *field = closure;
    request_rec *r = ptr_for_setting(self, value, field->name);
    if (!r) {
        return -1;
    }
    const long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < INT_MIN || number > INT_MAX) {
        PyErr_Format(PyExc_OverflowError, "%ld does not fit into req.%s",
                     number, field->name);
        return -1;
    }
    r = mp_proxy_ptr(self); /* __index__() ran */
    if (!r) {
        return -1;
    }
    AT(r, field, int) = (int)number;
    return 0;
}

/* ---- fields with a rule of their own ---- */

static PyObject *
get_user(PyObject *self, void *field)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? mp_text_from_latin1(r->user) : NULL;
}

static int
set_content_type(PyObject *self, PyObject *value, void *field)
{
    request_rec *r = ptr_for_setting(self, value, "content_type");
    if (!r) {
        return -1;
    }
    char *type = mp_text_copy(r->pool, value, MP_TEXT_HEADER, "content_type");
    if (!type) {
        return -1;
    }
    ap_set_content_type(r, type);
    ((mp_request_object_t *)self)->content_type_set = 1;
    return 0;
}

/* The canonical name follows, or httpd would go on with the old one. */
static int
set_filename(PyObject *self, PyObject *value, void *field)
{
    if (set_text(self, value, field) < 0) {
        return -1;
    }
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return -1;
    }
    r->canonical_filename = r->filename;
    return 0;
}

static PyObject *
get_finfo(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? mp_finfo_from(((mp_proxy_t *)self)->state, &r->finfo) : NULL;
}

static int
set_finfo(PyObject *self, PyObject *value, void *closure)
{
    request_rec *r = ptr_for_setting(self, value, "finfo");
    return r ? mp_finfo_to(&r->finfo, r->pool, value) : -1;
}

/* Append the name to names, a list. 0, or -1 with an exception. */
static int
append_name(PyObject *names, const char *name)
{
    PyObject *text = mp_text_from(name);
    const int failed = text ? PyList_Append(names, text) : -1;
    Py_XDECREF(text);
    return failed;
}

/* httpd keeps the methods it knows as bits, and others by name. */
static PyObject *
get_allowed_methods(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    PyObject *names = r ? PyList_New(0) : NULL;
    if (!names) {
        return NULL;
    }
    const ap_method_list_t *allowed = r->allowed_methods;
    apr_pool_t *pool;
    apr_pool_create(&pool, r->pool);
    int failed = 0;
    for (int i = 0; !failed && allowed && i < M_INVALID; i++) {
        if (allowed->method_mask & (AP_METHOD_BIT << i)) {
            /* HEAD has the number of GET and may be found first */
            failed = append_name(names, i == M_GET
                                            ? "GET"
                                            : ap_method_name_of(pool, i));
        }
    }
    const apr_array_header_t *others = allowed ? allowed->method_list : NULL;
    for (int i = 0; !failed && others && i < others->nelts; i++) {
        failed = append_name(names, APR_ARRAY_IDX(others, i, const char *));
    }
    apr_pool_destroy(pool);
    PyObject *tuple = failed ? NULL : PyList_AsTuple(names);
    Py_DECREF(names);
    return tuple;
}

static PyObject *
get_parsed_uri(PyObject *self, void *closure)
{
    static const size_t parts[] = {
        offsetof(apr_uri_t, scheme),   offsetof(apr_uri_t, hostinfo),
        offsetof(apr_uri_t, user),     offsetof(apr_uri_t, password),
        offsetof(apr_uri_t, hostname), offsetof(apr_uri_t, port_str),
        offsetof(apr_uri_t, path),     offsetof(apr_uri_t, query),
        offsetof(apr_uri_t, fragment),
    };
    const Py_ssize_t count = sizeof(parts) / sizeof(parts[0]);
    request_rec *r = mp_proxy_ptr(self);
    PyObject *tuple = r ? PyTuple_New(count) : NULL;
    for (Py_ssize_t i = 0; tuple && i < count; i++) {
        const char *text = *(char **)(void *)((char *)&r->parsed_uri
                                              + parts[i]);
        const int is_port = parts[i] == offsetof(apr_uri_t, port_str);
        PyObject *part = is_port && text ? PyLong_FromLong(r->parsed_uri.port)
                                         : mp_text_from(text);
        if (part) {
            PyTuple_SET_ITEM(tuple, i, part);
        }
        else {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *
get_useragent_addr(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    char ip[256];
    apr_sockaddr_t *address = r->useragent_addr;
    if (!address
        || apr_sockaddr_ip_getbuf(ip, sizeof(ip), address) != APR_SUCCESS) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(Ni)", mp_text_from(ip), (int)address->port);
}

/* ---- what is not a field ---- */

static PyObject *
get_connection(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? mp_connection_wrap(((mp_proxy_t *)self)->state, r->connection)
             : NULL;
}

static PyObject *
get_server(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    PyObject **server = &((mp_request_object_t *)self)->server;
    if (!*server || ((mp_proxy_t *)*server)->ptr != r->server) {
        Py_XSETREF(*server, mp_server_wrap(((mp_proxy_t *)self)->state,
                                           r->server));
    }
    return Py_XNewRef(*server);
}

static PyObject *
get_hlist(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return mp_hlist_of_request(self, ((mp_request_object_t *)self)->request);
}

static PyObject *
get_request_rec(PyObject *self, void *closure)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? PyCapsule_New(r, NULL, NULL) : NULL;
}

static PyObject *
get_interpreter(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return mp_text_from(((mp_proxy_t *)self)->state->interp->name);
}

static PyObject *
get_phase(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    const mp_phase_t phase = ((mp_request_object_t *)self)->request->phase;
    return mp_text_from(phase < MP_PHASE_COUNT ? mp_phases[phase].directive
                                               : NULL);
}

static PyObject *
get_extension(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return mp_text_from(((mp_request_object_t *)self)->request->extension);
}

static PyObject *
get_bytes_queued(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return PyLong_FromLongLong(
        ((mp_request_object_t *)self)->request->bytes_queued);
}

static PyObject *
get_content_type_set(PyObject *self, void *closure)
{
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    return PyLong_FromLong(((mp_request_object_t *)self)->content_type_set);
}

/* ---- the table ---- */

/* clang-format off */
PyGetSetDef mp_request_attributes[] = {
    /* texts that can be set */
    {"uri", get_text, set_text,
     "str: path of the URL, unescaped.", FIELD(uri)},
    {"content_type", get_text, set_content_type,
     "str: media type of the response. (ap_set_content_type)",
     FIELD(content_type)},
    {"user", get_user, set_text,
     "str, as Latin-1: the authenticated user.",
     FIELD_RULE(user, MP_TEXT_LATIN1)},
    {"ap_auth_type", get_text, set_text,
     "str: kind of the authentication made.", FIELD(ap_auth_type)},
    {"filename", get_text, set_filename,
     "str: the file asked for. Assigning sets canonical_filename too, but\n"
     "not finfo.", FIELD(filename)},
    {"canonical_filename", get_text, set_text,
     "str: filename as the file system spells it.",
     FIELD(canonical_filename)},
    {"path_info", get_text, set_text,
     "str: what follows filename in the URL.", FIELD(path_info)},
    {"status_line", get_text, set_text,
     "str: status and reason; httpd drops it unless it begins with status.",
     FIELD_RULE(status_line, MP_TEXT_HEADER)},
    {"handler", get_text, set_text,
     "str or None: name of the handler that makes the response.",
     FIELD_OR_NONE(handler)},
    {"args", get_text, set_text,
     "str or None: what follows ? in the URL, escaped.",
     FIELD_OR_NONE(args)},

    /* numbers that can be set */
    {"status", get_int, set_int,
     "int: status code of the response.", FIELD(status)},
    {"assbackwards", get_int, set_int,
     "int: 1 for HTTP/0.9: no headers are sent.", FIELD(assbackwards)},
    {"proxyreq", get_int, set_int,
     "int: one of apache.PROXYREQ_*.", FIELD(proxyreq)},
    {"no_cache", get_int, set_int,
     "int: 1: the response must not be cached.", FIELD(no_cache)},
    {"no_local_copy", get_int, set_int,
     "int: 1: there is no local copy of the response.",
     FIELD(no_local_copy)},
    {"used_path_info", get_int, set_int,
     "int: one of apache.AP_REQ_*: is path_info welcome?",
     FIELD(used_path_info)},
    {"chunked", get_int, set_int,
     "int: 1 when the response is sent in chunks.", FIELD(chunked)},
    {"finfo", get_finfo, set_finfo,
     "mp_finfo of filename, as from apache.stat().", NULL},

    /* texts of the client and of httpd */
    {"the_request", get_text, NULL,
     "str: first line of the request.", FIELD(the_request)},
    {"protocol", get_text, NULL,
     "str: protocol of the request, 'HTTP/1.1'.", FIELD(protocol)},
    {"hostname", get_text, NULL,
     "str: host of the URL or of the header Host, without brackets.",
     FIELD(hostname)},
    {"method", get_text, NULL,
     "str: 'GET', 'POST', ...", FIELD(method)},
    {"range", get_text, NULL,
     "str: the header Range.", FIELD(range)},
    {"content_encoding", get_text, NULL,
     "str: encoding of the response.", FIELD(content_encoding)},
    {"vlist_validator", get_text, NULL,
     "str: validator of a negotiated variant.", FIELD(vlist_validator)},
    {"unparsed_uri", get_text, NULL,
     "str: the URL as it came, escaped, with its query.",
     FIELD(unparsed_uri)},
    {"useragent_ip", get_text, NULL,
     "str: address of the client, as mod_remoteip sees it.",
     FIELD(useragent_ip)},
    {"interpreter", get_interpreter, NULL,
     "str: name of the Python interpreter.", NULL},
    {"phase", get_phase, NULL,
     "str: directive of the running phase, or None.", NULL},
    {"extension", get_extension, NULL,
     "str: the '.ext' that chose the running handlers, or None.", NULL},

    /* numbers of httpd */
    {"header_only", get_int, NULL,
     "int: 1 for HEAD.", FIELD(header_only)},
    {"proto_num", get_int, NULL,
     "int: 1000 * major + minor of the protocol.", FIELD(proto_num)},
    {"method_number", get_int, NULL,
     "int: one of apache.M_*.", FIELD(method_number)},
    {"allowed", get_int64, NULL,
     "int: bits 1 << apache.M_* of methods allowed.", FIELD(allowed)},
    {"sent_bodyct", get_int64, NULL,
     "int: not 0 when the body has begun to go out.", FIELD(sent_bodyct)},
    {"bytes_sent", get_int64, NULL,
     "int: bytes of the body that have gone out.", FIELD(bytes_sent)},
    {"clength", get_int64, NULL,
     "int: length of the response in bytes.", FIELD(clength)},
    {"remaining", get_int64, NULL,
     "int: bytes of the request's body that httpd expects.",
     FIELD(remaining)},
    {"read_length", get_int64, NULL,
     "int: bytes of the request's body that were read.",
     FIELD(read_length)},
    {"read_body", get_int, NULL,
     "int: one of apache.REQUEST_*: how the body is read.",
     FIELD(read_body)},
    {"read_chunked", get_int, NULL,
     "int: 1 when the body comes in chunks.", FIELD(read_chunked)},
    {"expecting_100", get_int, NULL,
     "int: 1 when the client waits for 100 Continue.", FIELD(expecting_100)},
    {"eos_sent", get_int, NULL,
     "int: 1 when the end of the response was sent.", FIELD(eos_sent)},
    {"_bytes_queued", get_bytes_queued, NULL,
     "int: bytes given to write() and sendfile().", NULL},
    {"_content_type_set", get_content_type_set, NULL,
     "int: 1 when content_type was assigned.", NULL},

    /* times */
    {"request_time", get_time, NULL,
     "float: when the request began, in seconds since the epoch.",
     FIELD(request_time)},
    {"mtime", get_time, NULL,
     "float: when the content last changed, in seconds since the epoch.",
     FIELD(mtime)},

    /* tuples */
    {"allowed_xmethods", get_texts, NULL,
     "tuple of str: allowed methods that httpd does not know.",
     FIELD(allowed_xmethods)},
    {"allowed_methods", get_allowed_methods, NULL,
     "tuple of str: what allow_methods() has added.", NULL},
    {"content_languages", get_texts, NULL,
     "tuple of str: languages of the response.", FIELD(content_languages)},
    {"parsed_uri", get_parsed_uri, NULL,
     "tuple: parts of the URL, at apache.URI_*; port is an int; None what\n"
     "is absent.", NULL},
    {"useragent_addr", get_useragent_addr, NULL,
     "tuple (ip, port): the client, as mod_remoteip sees it.", NULL},

    /* objects */
    {"connection", get_connection, NULL,
     "mp_conn: the connection.", NULL},
    {"server", get_server, NULL,
     "mp_server: the virtual host.", NULL},
    {"next", get_request, NULL,
     "mp_request that this one was redirected to, or None.", FIELD(next)},
    {"prev", get_request, NULL,
     "mp_request that was redirected to this one, or None.", FIELD(prev)},
    {"main", get_request, NULL,
     "mp_request that this one is a sub-request of, or None.", FIELD(main)},
    {"hlist", get_hlist, NULL,
     "mp_hlist: handlers of the running phase, or None.", NULL},
    {"_request_rec", get_request_rec, NULL,
     "capsule of the request_rec, for extensions in C.", NULL},

    /* tables */
    {"headers_in", get_table, NULL,
     "table: headers of the request.",
     FIELD_RULE(headers_in, MP_TEXT_HEADER)},
    {"headers_out", get_table, NULL,
     "table: headers of the response; error pages of httpd drop them.",
     FIELD_RULE(headers_out, MP_TEXT_HEADER)},
    {"err_headers_out", get_table, NULL,
     "table: headers of the response, also of error pages.",
     FIELD_RULE(err_headers_out, MP_TEXT_HEADER)},
    {"trailers_in", get_table, NULL,
     "table: headers behind a chunked body, once it was read to its end.",
     FIELD_RULE(trailers_in, MP_TEXT_HEADER)},
    {"trailers_out", get_table, NULL,
     "table: headers behind the response's body; HTTP/2 sends them.",
     FIELD_RULE(trailers_out, MP_TEXT_HEADER)},
    {"subprocess_env", get_table, NULL,
     "table: environment of CGI programs.", FIELD(subprocess_env)},
    {"notes", get_table, NULL,
     "table: notes of modules to each other.", FIELD(notes)},
    {"log_items", mp_request_get_log_items, NULL,
     "table: what %{name}^py shows in LogFormat.", NULL},

    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: the attributes that programs have set.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};
/* clang-format on */
