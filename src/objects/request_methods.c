/* request_methods.c - what a request can be asked to do, apart from reading
 * its body and writing its response (request_body.c, request_response.c).
 *
 * Methods of mp_request. Each is one function of httpd in the clothes of
 * Python, called detached because it may look up names, write to a log or run
 * other modules. What httpd keeps is copied to the request's pool. Owns
 * nothing: callables that C points at are kept alive by the holding of the
 * request's record. */
#include "runtime/python.h"

#include "objects/request.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>
#include <util_filter.h>
#include <util_script.h>

#include <math.h>
#include <string.h>

#include "objects/filter.h"
#include "objects/functions.h"
#include "objects/table.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"

/* Later times do not fit into an apr_time_t. */
#define MAX_SECONDS 9.2e12

/* ---- headers of the response ---- */

PyObject *
mp_request_set_content_length(PyObject *self, PyObject *length)
{
    const long long bytes = PyLong_AsLongLong(length);
    if (bytes == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "a length must not be negative");
        return NULL;
    }
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    ap_set_content_length(r, bytes);
    Py_RETURN_NONE;
}

/* Run a function of httpd that takes a request and answers nothing. */
static PyObject *
run_detached(PyObject *self, void (*function)(request_rec *r))
{
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    function(r);
    mp_thread_resume(suspended);
    Py_RETURN_NONE;
}

PyObject *
mp_request_set_etag(PyObject *self, PyObject *unused)
{
    return run_detached(self, ap_set_etag); /* it may read the file */
}

PyObject *
mp_request_set_last_modified(PyObject *self, PyObject *unused)
{
    return run_detached(self, ap_set_last_modified);
}

PyObject *
mp_request_update_mtime(PyObject *self, PyObject *seconds)
{
    const double time = PyFloat_AsDouble(seconds);
    if (time == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (isnan(time)) {
        PyErr_SetString(PyExc_ValueError, "NaN is no time");
        return NULL;
    }
    if (fabs(time) > MAX_SECONDS) {
        PyErr_SetString(PyExc_OverflowError, "the time is too far away");
        return NULL;
    }
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    ap_update_mtime(r, (apr_time_t)llround(time * APR_USEC_PER_SEC));
    Py_RETURN_NONE;
}

PyObject *
mp_request_meets_conditions(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_request_ptr_kept(self);
    return r ? PyLong_FromLong(ap_meets_conditions(r)) : NULL;
}

PyObject *
mp_request_send_http_header(PyObject *self, PyObject *unused)
{
    return mp_proxy_ptr(self) ? Py_NewRef(Py_None) : NULL;
}

/* Copy the names to r->pool. NULL with TypeError or ValueError. */
static apr_array_header_t *
copy_methods(request_rec *r, PyObject *methods)
{
    if (PyUnicode_Check(methods) || PyBytes_Check(methods)
        || !PySequence_Check(methods)) {
        PyErr_Format(PyExc_TypeError,
                     "methods must be a sequence of str, not %.200s",
                     Py_TYPE(methods)->tp_name);
        return NULL;
    }
    PyObject *sequence = PySequence_Tuple(methods);
    if (!sequence) {
        return NULL;
    }
    const Py_ssize_t count = PyTuple_GET_SIZE(sequence);
    apr_array_header_t *copies = apr_array_make(r->pool, (int)count,
                                                sizeof(char *));
    for (Py_ssize_t i = 0; copies && i < count; i++) {
        char *copy = mp_text_copy(r->pool, PyTuple_GET_ITEM(sequence, i),
                                  MP_TEXT_HEADER, "method");
        if (copy) {
            APR_ARRAY_PUSH(copies, char *) = copy;
        }
        else {
            copies = NULL;
        }
    }
    Py_DECREF(sequence);
    return copies;
}

PyObject *
mp_request_allow_methods(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"methods", "reset", NULL};
    PyObject *methods;
    int reset = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|p:allow_methods",
                                     names, &methods, &reset)) {
        return NULL;
    }
    request_rec *r = mp_request_ptr_kept(self);
    const apr_array_header_t *copies = r ? copy_methods(r, methods) : NULL;
    if (!copies) {
        return NULL;
    }
    if (reset) {
        ap_clear_method_list(r->allowed_methods);
    }
    for (int i = 0; i < copies->nelts; i++) {
        const char *method = APR_ARRAY_IDX(copies, i, char *);
        ap_method_list_add(r->allowed_methods, method);
        if (ap_method_number_of(method) == M_INVALID) {
            /* without this bit httpd leaves the names out of Allow */
            r->allowed_methods->method_mask |= AP_METHOD_BIT << M_INVALID;
        }
    }
    Py_RETURN_NONE;
}

/* ---- configuration ---- */

PyObject *
mp_request_get_config(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    mp_request_object_t *object = (mp_request_object_t *)self;
    const mp_dir_config_t *section = mp_config_of_request(r);
    if (object->section != section) {
        object->directives = apr_table_copy(
            r->pool, mp_config_directives(section, r->pool));
        object->section = section;
    }
    return mp_table_wrap(self, object->directives, MP_TEXT_PLAIN);
}

/* Bring what a program has written to options since they were `before` into
 * fresh. */
static void
keep_written(apr_table_t *fresh, const apr_table_t *options,
             const apr_table_t *before)
{
    const apr_array_header_t *entries = apr_table_elts(options);
    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry
            = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        const char *value = apr_table_get(before, entry->key);
        if (!value || strcmp(value, entry->val)) {
            apr_table_setn(fresh, entry->key, entry->val);
        }
    }
    entries = apr_table_elts(before);
    for (int i = 0; i < entries->nelts; i++) {
        const char *key = APR_ARRAY_IDX(entries, i, apr_table_entry_t).key;
        if (!apr_table_get(options, key)) {
            apr_table_unset(fresh, key);
        }
    }
}

/* The options of the section in force. The table stays the same throughout
 * the request; where a later phase finds another section, because the URI has
 * become a file, its options come in and what was written stays. */
static apr_table_t *
refresh_options(mp_request_t *request, const mp_dir_config_t *section)
{
    apr_pool_t *pool = request->r->pool;
    apr_table_t *configured = mp_config_options(section, pool);
    apr_table_t *fresh = apr_table_copy(pool, configured);
    if (!request->options) {
        request->options = fresh;
    }
    else {
        keep_written(fresh, request->options, request->options_configured);
        apr_table_clear(request->options);
        const apr_array_header_t *entries = apr_table_elts(fresh);
        for (int i = 0; i < entries->nelts; i++) {
            const apr_table_entry_t *entry
                = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
            apr_table_addn(request->options, entry->key, entry->val);
        }
    }
    request->options_configured = configured;
    request->options_section = section;
    return request->options;
}

const apr_table_t *
mp_request_options(mp_request_object_t *self)
{
    const request_rec *r = mp_proxy_ptr((PyObject *)self);
    if (!r) {
        return NULL;
    }
    mp_request_t *request = self->request;
    const mp_dir_config_t *section = mp_config_of_request(r);
    if (!request->options) {
        return section->options; /* nobody can have written to it */
    }
    return request->options_section == section
               ? request->options
               : refresh_options(request, section);
}

PyObject *
mp_request_get_options(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    mp_request_t *request = ((mp_request_object_t *)self)->request;
    const mp_dir_config_t *section = mp_config_of_request(r);
    apr_table_t *options = request->options_section == section
                               ? request->options
                               : refresh_options(request, section);
    return mp_table_wrap(self, options, MP_TEXT_PLAIN);
}

/* The text that a function of httpd gives, or None. */
static PyObject *
ask_text(PyObject *self, const char *(*function)(request_rec *r))
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const char *text = function(r);
    mp_thread_resume(suspended);
    return mp_text_from(text);
}

PyObject *
mp_request_document_root(PyObject *self, PyObject *unused)
{
    return ask_text(self, ap_document_root);
}

PyObject *
mp_request_auth_name(PyObject *self, PyObject *unused)
{
    return ask_text(self, ap_auth_name); /* it may be an expression */
}

PyObject *
mp_request_auth_type(PyObject *self, PyObject *unused)
{
    return ask_text(self, ap_auth_type);
}

/* ---- handlers, filters, cleanups ---- */

/* The handler that runs now, or NULL. */
static const mp_handler_t *
running_handler(const mp_request_t *request)
{
    if (!request->running || request->running_index < 0
        || request->running_index >= request->running->nelts) {
        return NULL;
    }
    return APR_ARRAY_IDX(request->running, request->running_index,
                         const mp_handler_t *);
}

/* The list at *slot of a holding, made if there is none, with item appended.
 * 0, or -1 with an exception. */
static int
append_to(void **slot, PyObject *item)
{
    if (!*slot) {
        *slot = PyList_New(0);
    }
    return *slot ? PyList_Append(*slot, item) : -1;
}

static mp_holding_t *
holding_of(PyObject *self)
{
    const mp_request_object_t *object = (mp_request_object_t *)self;
    return mp_context_holding(object->request, object->base.state->interp);
}

/* The directory of a handler that is added with dir: a str, or NULL to
 * inherit that of parent. 0, or -1 with an exception. */
static int
find_directory(const char **directory, request_rec *r, PyObject *dir,
               const mp_handler_t *parent)
{
    const char *inherited = parent ? mp_handlers_directory(parent, r) : NULL;
    if (!dir) {
        *directory = inherited;
        return 0;
    }
    const char *text = mp_text_copy(r->pool, dir, MP_TEXT_PLAIN, "dir");
    if (!text) {
        return -1;
    }
    const char *base = parent && parent->is_location ? NULL : inherited;
    *directory = mp_handlers_canonical(r->pool, base, text);
    if (!*directory) {
        PyErr_Format(PyExc_ValueError,
                     "dir %R cannot be made absolute: give a path that begins "
                     "with /",
                     dir);
        return -1;
    }
    return 0;
}

/* What names the handler in messages. NULL with ValueError. */
static const char *
name_handler(request_rec *r, PyObject *handler)
{
    if (!PyUnicode_Check(handler)) {
        if (PyCallable_Check(handler)) {
            return Py_TYPE(handler)->tp_name;
        }
        PyErr_SetString(PyExc_ValueError,
                        "handler must be a string or callable object");
        return NULL;
    }
    const char *text = mp_text_copy(r->pool, handler, MP_TEXT_PLAIN,
                                    "handler");
    if (text && !*text) {
        PyErr_SetString(PyExc_ValueError, "handler must not be empty");
        return NULL;
    }
    return text;
}

static mp_handler_t *
make_handler(PyObject *self, request_rec *r, PyObject *object, PyObject *dir)
{
    const mp_handler_t *parent
        = running_handler(((mp_request_object_t *)self)->request);
    const char *directory;
    const char *text = name_handler(r, object);
    if (!text || find_directory(&directory, r, dir, parent) < 0) {
        return NULL;
    }
    mp_handler_t *handler = mp_handlers_make(r->pool, text, directory, parent);
    if (!dir && parent && parent->is_location) {
        handler->is_location = 1;
        handler->location = mp_handlers_location(parent, r);
    }
    if (!PyUnicode_Check(object)) {
        if (append_to(&holding_of(self)->kept, object) < 0) {
            return NULL;
        }
        handler->callable = object;
    }
    return handler;
}

PyObject *
mp_request_add_handler(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"phase", "handler", "dir", NULL};
    const char *directive;
    PyObject *object, *dir = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sO|O:add_handler", names,
                                     &directive, &object, &dir)) {
        return NULL;
    }
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    const int phase = mp_phase_find(directive);
    if (phase < 0 || phase >= MP_PHASE_COUNT
        || !mp_phases[phase].takes_added) {
        return PyErr_Format(PyExc_IndexError, "Invalid phase: %s", directive);
    }
    mp_handler_t *handler = make_handler(self, r, object,
                                         dir == Py_None ? NULL : dir);
    if (!handler) {
        return NULL;
    }
    apr_array_header_t **added
        = &((mp_request_object_t *)self)->request->added[phase];
    if (!*added) {
        *added = apr_array_make(r->pool, 2, sizeof(mp_handler_t *));
    }
    APR_ARRAY_PUSH(*added, mp_handler_t *) = handler;
    Py_RETURN_NONE;
}

static PyObject *
register_filter(PyObject *self, PyObject *args, PyObject *keywords, int kind)
{
    static char *names[] = {"name", "handler", "dir", NULL};
    PyObject *name_object, *object, *dir = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|O:register_filter",
                                     names, &name_object, &object, &dir)) {
        return NULL;
    }
    request_rec *r = mp_request_ptr_open(self);
    if (!r) {
        return NULL;
    }
    const char *name = mp_text_copy(r->pool, name_object, MP_TEXT_PLAIN,
                                    "name");
    const mp_handler_t *handler = name
        ? make_handler(self, r, object, dir == Py_None ? NULL : dir) : NULL;
    if (!handler) {
        return NULL;
    }
    apr_hash_t **registered
        = &((mp_request_object_t *)self)->request->registered[kind];
    mp_registered_t *row = apr_palloc(r->pool, sizeof(*row));
    row->name = name;
    row->handler = handler;
    if (!*registered) {
        *registered = apr_hash_make(r->pool);
    }
    apr_hash_set(*registered, mp_filters_key(r->pool, name),
                 APR_HASH_KEY_STRING, row);
    Py_RETURN_NONE;
}

PyObject *
mp_request_register_input_filter(PyObject *self, PyObject *args,
                                 PyObject *keywords)
{
    return register_filter(self, args, keywords, MP_FILTER_INPUT);
}

PyObject *
mp_request_register_output_filter(PyObject *self, PyObject *args,
                                  PyObject *keywords)
{
    return register_filter(self, args, keywords, MP_FILTER_OUTPUT);
}

/* What was registered under this name for this request, or NULL. */
static const mp_registered_t *
find_registered(PyObject *self, request_rec *r, const char *name, int kind)
{
    apr_hash_t *registered
        = ((mp_request_object_t *)self)->request->registered[kind];
    return registered ? apr_hash_get(registered,
                                     mp_filters_key(r->pool, name),
                                     APR_HASH_KEY_STRING)
                      : NULL;
}

typedef ap_filter_rec_t *find_filter_fn(const char *name);
typedef ap_filter_t *add_filter_fn(ap_filter_rec_t *filter, void *context,
                                   request_rec *r, conn_rec *c);

static PyObject *
add_filter(PyObject *self, PyObject *name, find_filter_fn *find,
           add_filter_fn *add, int kind)
{
    request_rec *r = mp_request_ptr_open(self);
    if (!r) {
        return NULL;
    }
    mp_text_view_t view;
    if (mp_text_string(&view, name, MP_TEXT_PLAIN, "name") < 0) {
        return NULL;
    }
    const mp_registered_t *row = find_registered(self, r, view.bytes, kind);
    ap_filter_rec_t *filter = find(row ? MP_FILTER_NAME : view.bytes);
    mp_text_release(&view);
    if (!filter) {
        return PyErr_Format(PyExc_ValueError, "there is no filter named %R",
                            name);
    }
    if (filter->ftype >= AP_FTYPE_CONNECTION) {
        return PyErr_Format(PyExc_ValueError,
                            "%R is a filter of connections, not of requests",
                            name);
    }
    add(filter, row ? mp_filter_create(r, row->handler, row->name, kind)
                    : NULL, r, r->connection);
    Py_RETURN_NONE;
}

PyObject *
mp_request_add_input_filter(PyObject *self, PyObject *name)
{
    return add_filter(self, name, ap_get_input_filter_handle,
                      ap_add_input_filter_handle, MP_FILTER_INPUT);
}

PyObject *
mp_request_add_output_filter(PyObject *self, PyObject *name)
{
    return add_filter(self, name, ap_get_output_filter_handle,
                      ap_add_output_filter_handle, MP_FILTER_OUTPUT);
}

PyObject *
mp_request_register_cleanup(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"callable", "data", NULL};
    PyObject *callable, *data = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:register_cleanup",
                                     names, &callable, &data)
        || !mp_request_ptr_kept(self)) {
        return NULL;
    }
    if (!PyCallable_Check(callable)) {
        PyErr_SetString(PyExc_ValueError,
                        "first argument must be a callable object");
        return NULL;
    }
    PyObject *entry = PyTuple_Pack(2, callable, data);
    const int failed = entry ? append_to(&holding_of(self)->cleanups, entry)
                             : -1;
    Py_XDECREF(entry);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- client and server ---- */

PyObject *
mp_request_get_basic_auth_pw(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    const char *password = NULL;
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const int status = ap_get_basic_auth_pw(r, &password);
    mp_thread_resume(suspended);
    return mp_text_from_latin1(status == OK ? password : NULL);
}

PyObject *
mp_request_construct_url(PyObject *self, PyObject *uri)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    const char *copy = mp_text_copy(r->pool, uri, MP_TEXT_PLAIN, "uri");
    if (!copy) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const char *url = ap_construct_url(r->pool, copy, r);
    mp_thread_resume(suspended);
    return mp_text_from(url);
}

PyObject *
mp_request_get_remote_host(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"type", "str_is_ip", NULL};
    int type = REMOTE_NAME;
    PyObject *wants_tuple = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|iO:get_remote_host",
                                     names, &type, &wants_tuple)) {
        return NULL;
    }
    if (type < REMOTE_HOST || type > REMOTE_DOUBLE_REV) {
        return PyErr_Format(PyExc_ValueError,
                            "type must be one of apache.REMOTE_*, not %d",
                            type);
    }
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    int is_ip = 0;
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const char *host = ap_get_useragent_host(r, type, &is_ip);
    mp_thread_resume(suspended);
    PyObject *text = mp_text_from(host);
    if (!host || !text || wants_tuple == Py_None) {
        return text;
    }
    return Py_BuildValue("(Ni)", text, is_ip ? 1 : 0);
}

PyObject *
mp_request_internal_redirect(PyObject *self, PyObject *uri)
{
    request_rec *r = mp_request_ptr_open(self);
    if (!r) {
        return NULL;
    }
    const char *copy = mp_text_copy(r->pool, uri, MP_TEXT_HEADER, "uri");
    if (!copy) {
        return NULL;
    }
    if (((mp_request_object_t *)self)->request->filtering) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a filter must not redirect its request: another "
                        "response would begin within this one");
        return NULL;
    }
    if (mp_request_drain(self) < 0) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    ap_internal_redirect(copy, r);
    mp_thread_resume(suspended);
    Py_RETURN_NONE;
}

PyObject *
mp_request_is_https(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_proxy_ptr(self);
    return r ? PyLong_FromLong(ap_ssl_conn_is_ssl(r->connection) ? 1 : 0)
             : NULL;
}

PyObject *
mp_request_ssl_var_lookup(PyObject *self, PyObject *name)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    mp_text_view_t view;
    if (mp_text_string(&view, name, MP_TEXT_PLAIN, "name") < 0) {
        return NULL;
    }
    mp_thread_suspended_t suspended = mp_thread_suspend();
    const char *value = ap_ssl_var_lookup(r->pool, r->server, r->connection, r,
                                          view.bytes);
    mp_thread_resume(suspended);
    mp_text_release(&view);
    return mp_text_from(value);
}

PyObject *
mp_request_log_error(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"message", "level", NULL};
    PyObject *message;
    int level = APLOG_ERR;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|i:log_error", names,
                                     &message, &level)) {
        return NULL;
    }
    request_rec *r = mp_proxy_ptr(self);
    return r ? mp_functions_log(MP_LOG_REQUEST(r), message, level) : NULL;
}

/* ---- CGI ---- */

PyObject *
mp_request_add_common_vars(PyObject *self, PyObject *unused)
{
    return run_detached(self, ap_add_common_vars); /* it may look up names */
}

/* What ap_add_cgi_vars() does, without the sub-request for PATH_TRANSLATED;
 * REQUEST_URI is the path alone, unescaped, as it always was here. [detached]
 */
static void
add_cgi_vars(request_rec *r)
{
    ap_add_common_vars(r);
    apr_table_t *env = r->subprocess_env;
    apr_table_setn(env, "GATEWAY_INTERFACE", "CGI/1.1");
    apr_table_setn(env, "SERVER_PROTOCOL", r->protocol);
    apr_table_setn(env, "REQUEST_METHOD", r->method);
    apr_table_setn(env, "QUERY_STRING", r->args ? r->args : "");
    apr_table_setn(env, "REQUEST_URI", r->uri);
    const char *path_info = r->path_info && *r->path_info ? r->path_info
                                                          : NULL;
    if (!path_info || !strcmp(r->protocol, "INCLUDED")) {
        /* an included document has the path_info of the page around it,
           which is no part of its own URI */
        apr_table_setn(env, "SCRIPT_NAME", r->uri);
    }
    else {
        const int length = ap_find_path_info(r->uri, path_info);
        apr_table_setn(env, "SCRIPT_NAME",
                       apr_pstrndup(r->pool, r->uri, (apr_size_t)length));
    }
    if (path_info) {
        apr_table_setn(env, "PATH_INFO", path_info);
    }
}

PyObject *
mp_request_add_cgi_vars(PyObject *self, PyObject *unused)
{
    return run_detached(self, add_cgi_vars);
}
