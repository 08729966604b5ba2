/* request_server.c - what a request can ask of the server around it.
 *
 * Methods of mp_request over services of httpd that other modules use as well:
 * expressions, interim responses, the session of mod_session, and items for
 * the access log. Owns the expressions that were parsed, in a dictionary of
 * the interpreter; the rest belongs to the request's pool. */
#include "runtime/python.h"

#include "objects/request.h"

#include <ap_expr.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>
#include <mod_session.h>

#include "objects/table.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"

/* ---- expressions ---- */

#define EXPRESSION "mod_python.expression"
#define MAX_EXPRESSIONS 256 /* that are kept; then all are forgotten */
#define MAX_KEPT_TEXT 4096  /* longer ones are parsed each time */

typedef struct {
    apr_pool_t *pool; /* its own: it lives as long as its capsule */
    ap_expr_info_t info;
} expression_t;

static void
destroy_expression(PyObject *capsule)
{
    const expression_t *expression = PyCapsule_GetPointer(capsule, EXPRESSION);
    apr_pool_destroy(expression->pool);
}

/* Parse text. New capsule; NULL with ValueError. */
static PyObject *
parse_expression(const char *text, unsigned flags)
{
    apr_pool_t *pool;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return PyErr_NoMemory();
    }
    expression_t *expression = apr_pcalloc(pool, sizeof(*expression));
    expression->pool = pool;
    expression->info.filename = "req.expr()";
    expression->info.flags = flags;
    expression->info.module_index = APLOG_MODULE_INDEX;
    const char *error = ap_expr_parse(pool, pool, &expression->info, text,
                                      NULL);
    PyObject *capsule = NULL;
    if (error) {
        PyObject *why = mp_text_from(error);
        PyObject *what = mp_text_from(text);
        if (why && what) {
            PyErr_Format(PyExc_ValueError, "%U in the expression %R", why,
                         what);
        }
        Py_XDECREF(why);
        Py_XDECREF(what);
    }
    else {
        capsule = PyCapsule_New(expression, EXPRESSION, destroy_expression);
    }
    if (!capsule) {
        apr_pool_destroy(pool);
    }
    return capsule;
}

/* Remember capsule under key, unless it is long. 0, or -1. */
static int
keep_expression(PyObject *kept, PyObject *key, PyObject *capsule, size_t size)
{
    if (size > MAX_KEPT_TEXT) {
        return 0;
    }
    if (PyDict_GET_SIZE(kept) >= MAX_EXPRESSIONS) {
        PyDict_Clear(kept);
    }
    return PyDict_SetItem(kept, key, capsule);
}

/* The capsule of a text, parsed once. New reference; NULL with TypeError or
 * ValueError. */
static PyObject *
find_expression(mp_state_t *state, PyObject *text, unsigned flags)
{
    mp_text_view_t view;
    PyObject *capsule = NULL;
    if (!state->expressions) {
        state->expressions = PyDict_New();
    }
    if (!state->expressions
        || mp_text_string(&view, text, MP_TEXT_PLAIN, "expression") < 0) {
        return NULL;
    }
    PyObject *key = Py_BuildValue("(Iy)", flags, view.bytes);
    if (key && PyDict_GetItemRef(state->expressions, key, &capsule) == 0) {
        capsule = parse_expression(view.bytes, flags);
        if (capsule && keep_expression(state->expressions, key, capsule,
                                       strlen(view.bytes)) < 0) {
            Py_CLEAR(capsule);
        }
    }
    Py_XDECREF(key);
    mp_text_release(&view);
    return capsule;
}

/* What ap_expr_exec() does, in a pool of its own: a program may do it any
 * number of times. 1, 0, or -1 with *error. [detached] */
static int
run_expression(request_rec *r, apr_pool_t *pool, const ap_expr_info_t *info,
               const char **result, const char **error)
{
    ap_regmatch_t matches[AP_MAX_REG_MATCH];
    const char *source = NULL;
    ap_expr_eval_ctx_t context = {
        .r = r,
        .c = r->connection,
        .s = r->server,
        .p = pool,
        .err = error,
        .info = info,
        .re_pmatch = matches,
        .re_nmatch = AP_MAX_REG_MATCH,
        .re_source = &source,
        .result_string = result,
    };
    return ap_expr_exec_ctx(&context);
}

static PyObject *
evaluate(PyObject *self, PyObject *text, unsigned flags)
{
    PyObject *answer = NULL;
    if (!mp_proxy_ptr(self)) {
        return NULL;
    }
    PyObject *capsule = find_expression(((mp_proxy_t *)self)->state, text,
                                        flags | AP_EXPR_FLAG_DONT_VARY);
    request_rec *r = capsule ? mp_request_ptr_kept(self) : NULL;
    apr_pool_t *pool;
    if (!r || apr_pool_create(&pool, r->pool) != APR_SUCCESS) {
        Py_XDECREF(capsule);
        return r ? PyErr_NoMemory() : NULL;
    }
    const expression_t *expression = PyCapsule_GetPointer(capsule, EXPRESSION);
    const char *result = NULL, *error = NULL;
    mp_thread_suspended_t held = mp_thread_suspend(); /* it may read files */
    const int is_true = run_expression(r, pool, &expression->info, &result,
                                       &error);
    mp_thread_resume(held);
    if (is_true < 0 || error) {
        PyErr_Format(PyExc_RuntimeError, "the expression failed: %s",
                     error ? error : "unknown");
    }
    else if (flags & AP_EXPR_FLAG_STRING_RESULT) {
        answer = mp_text_from(result ? result : "");
    }
    else {
        answer = PyBool_FromLong(is_true);
    }
    apr_pool_destroy(pool);
    Py_DECREF(capsule);
    return answer;
}

PyObject *
mp_request_expr(PyObject *self, PyObject *text)
{
    return evaluate(self, text, 0);
}

PyObject *
mp_request_expr_str(PyObject *self, PyObject *text)
{
    return evaluate(self, text, AP_EXPR_FLAG_STRING_RESULT);
}

/* ---- interim responses ---- */

/* Has anything of the response been written, by this request or by one that
 * was redirected to it? */
static int
has_begun(const request_rec *r)
{
    if (mp_request_is_answered(r)) {
        return 1;
    }
    for (; r; r = r->prev) {
        const mp_request_t *request = mp_context_find(r);
        if (r->sent_bodyct || (request && request->bytes_queued > 0)) {
            return 1;
        }
    }
    return 0;
}

/* r, which may still get headers. NULL with an exception. */
static request_rec *
ptr_unsent(PyObject *self)
{
    request_rec *r = mp_request_ptr_open(self);
    if (r && has_begun(r)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the response has begun: its headers are out");
        return NULL;
    }
    return r;
}

/* One (name, value) to table, in pool. 0, or -1 with an exception. */
static int
add_header(apr_pool_t *pool, apr_table_t *table, PyObject *item)
{
    PyObject *pair = PySequence_Tuple(item);
    if (!pair || PyTuple_GET_SIZE(pair) != 2) {
        Py_XDECREF(pair);
        PyErr_SetString(PyExc_TypeError,
                        "headers must be a mapping, or pairs of name and "
                        "value");
        return -1;
    }
    const char *name = mp_text_copy(pool, PyTuple_GET_ITEM(pair, 0),
                                    MP_TEXT_HEADER, "header name");
    const char *value = name ? mp_text_copy(pool, PyTuple_GET_ITEM(pair, 1),
                                            MP_TEXT_HEADER, "header value")
                             : NULL;
    Py_DECREF(pair);
    if (!value) {
        return -1;
    }
    if (!*name || *ap_scan_http_token(name)
        || *ap_scan_http_field_content(value)) {
        PyErr_SetString(PyExc_ValueError, "not the name or value of a header");
        return -1;
    }
    apr_table_addn(table, name, value);
    return 0;
}

/* A table in r->pool of a mapping, of pairs, or of None. NULL with an
 * exception. */
static apr_table_t *
copy_headers(request_rec *r, PyObject *headers)
{
    apr_table_t *table = apr_table_make(r->pool, 2);
    if (headers == Py_None) {
        return table;
    }
    PyObject *pairs = PyObject_HasAttrString(headers, "items")
                          ? PyMapping_Items(headers)
                          : PySequence_List(headers);
    if (!pairs) {
        return NULL;
    }
    for (Py_ssize_t i = 0; table && i < PyList_GET_SIZE(pairs); i++) {
        if (add_header(r->pool, table, PyList_GET_ITEM(pairs, i)) < 0) {
            table = NULL;
        }
    }
    Py_DECREF(pairs);
    return table;
}

/* Send it in the place of the response, whose status and headers come back
 * afterwards. [detached] */
static void
send_interim(request_rec *r, int status, apr_table_t *headers)
{
    apr_table_t *headers_out = r->headers_out;
    const char *status_line = r->status_line;
    const int before = r->status;
    r->headers_out = headers;
    r->status_line = NULL;
    r->status = status;
    ap_send_interim_response(r, 1);
    r->headers_out = headers_out;
    r->status_line = status_line;
    r->status = before;
}

PyObject *
mp_request_send_interim_response(PyObject *self, PyObject *args,
                                 PyObject *keywords)
{
    static char *names[] = {"status", "headers", NULL};
    int status = 103;
    PyObject *headers = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords,
                                     "|iO:send_interim_response", names,
                                     &status, &headers)) {
        return NULL;
    }
    if (!ap_is_HTTP_INFO(status) || status == HTTP_SWITCHING_PROTOCOLS) {
        return PyErr_Format(PyExc_ValueError,
                            "%d is not an interim status: 100, 102 or 103",
                            status);
    }
    request_rec *r = ptr_unsent(self);
    if (!r) {
        return NULL;
    }
    if (r->main) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a sub-request has no response of its own");
        return NULL;
    }
    apr_table_t *table = copy_headers(r, headers);
    r = table ? ptr_unsent(self) : NULL; /* after calls into Python */
    if (!r) {
        return NULL;
    }
    if (r->proto_num < HTTP_VERSION(1, 1)
        || (status == HTTP_CONTINUE && !r->expecting_100)) {
        Py_RETURN_FALSE;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    send_interim(r, status, table);
    mp_thread_resume(held);
    Py_RETURN_TRUE;
}

/* ---- mod_session ---- */

/* The session of r. NULL with RuntimeError or OSError. */
static session_rec *
load_session(request_rec *r)
{
    session_rec *session = NULL;
    APR_OPTIONAL_FN_TYPE(ap_session_load) *load
        = APR_RETRIEVE_OPTIONAL_FN(ap_session_load);
    if (!load) {
        PyErr_SetString(PyExc_RuntimeError,
                        "mod_session is not loaded: add LoadModule "
                        "session_module, and a module that stores sessions");
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    const apr_status_t status = load(r, &session);
    mp_thread_resume(held);
    if (status != APR_SUCCESS) {
        mp_error_raise_os("the session cannot be loaded", status);
        return NULL;
    }
    if (!session) {
        PyErr_SetString(PyExc_RuntimeError,
                        "there is no session here: Session On is not in "
                        "force for this request");
    }
    return session;
}

PyObject *
mp_request_session_get(PyObject *self, PyObject *key)
{
    request_rec *r = mp_request_ptr_kept(self);
    session_rec *session = r ? load_session(r) : NULL;
    mp_text_view_t view;
    if (!session || mp_text_string(&view, key, MP_TEXT_PLAIN, "key") < 0) {
        return NULL;
    }
    APR_OPTIONAL_FN_TYPE(ap_session_get) *get
        = APR_RETRIEVE_OPTIONAL_FN(ap_session_get);
    const char *value = NULL;
    get(r, session, view.bytes, &value);
    mp_text_release(&view);
    return mp_text_from(value);
}

PyObject *
mp_request_session_set(PyObject *self, PyObject *args)
{
    PyObject *key, *value;
    if (!PyArg_UnpackTuple(args, "session_set", 2, 2, &key, &value)) {
        return NULL;
    }
    request_rec *r = ptr_unsent(self);
    session_rec *session = r ? load_session(r) : NULL;
    if (!session) {
        return NULL;
    }
    const char *name = mp_text_copy(r->pool, key, MP_TEXT_PLAIN, "key");
    const char *text = name && value != Py_None
        ? mp_text_copy(r->pool, value, MP_TEXT_PLAIN, "value") : NULL;
    if (!name || (!text && value != Py_None)) {
        return NULL;
    }
    APR_OPTIONAL_FN_TYPE(ap_session_set) *set
        = APR_RETRIEVE_OPTIONAL_FN(ap_session_set);
    set(r, session, name, text);
    Py_RETURN_NONE;
}

/* ---- the access log ---- */

PyObject *
mp_request_get_log_items(PyObject *self, void *unused)
{
    request_rec *r = mp_proxy_ptr(self);
    if (!r) {
        return NULL;
    }
    mp_request_t *request = ((mp_request_object_t *)self)->request;
    if (!request->log_items) {
        request->log_items = apr_table_make(r->pool, 4);
    }
    return mp_table_wrap(self, request->log_items, MP_TEXT_PLAIN);
}
