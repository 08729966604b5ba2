/* include_tag.c - Python in pages of mod_include: the element #python.
 *
 * mod_include calls handle_element() for each element, while its filter runs;
 * it is found by APR's optional functions, so it need not be there. Code is
 * compiled once for each page and text and kept in the interpreter's state.
 * The surprising rule: an element is no module, so what its code imports is
 * found by the __builtins__ that its globals get, those of modules in the
 * page's directory. */
#include "runtime/python.h"

#include "hooks/include_tag.h"

#include "hooks/call.h"
#include "importer/api.h"
#include "objects/filter.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "server/filters.h"
#include "server/log.h"

#include <apr_lib.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_config.h>
#include <mod_include.h>
#include <string.h>
#include <unistd.h>

/* Compiled elements that are kept; all go when there are more. */
#define MAX_CODE 1000

typedef struct {
    include_ctx_t *context;
    ap_filter_t *f;              /* of mod_include */
    apr_bucket_brigade *page;    /* where output goes */
    const char *text;            /* the program, UTF-8 */
    int is_eval;
    mp_filter_t filter;          /* what the program writes with */
} element_t;

/* ---- parameters -------------------------------------------------------- */

/* Read them. NULL, or what is wrong with them. */
static const char *
read_parameters(element_t *element)
{
    include_ctx_t *context = element->context;
    APR_OPTIONAL_FN_TYPE(ap_ssi_get_tag_and_value) *get
        = APR_RETRIEVE_OPTIONAL_FN(ap_ssi_get_tag_and_value);
    const char *fault = NULL;
    for (;;) {
        char *name = NULL, *value = NULL;
        get(context, &name, &value, SSI_VALUE_DECODED);
        if (!name || !value) {
            break;
        }
        const int is_eval = !strcmp(name, "eval");
        if (!is_eval && strcmp(name, "exec")) {
            fault = apr_psprintf(context->dpool, "unknown parameter '%s'",
                                 name);
        }
        else if (element->text) {
            fault = "more than one of eval and exec";
        }
        element->is_eval = is_eval;
        element->text = value;
    }
    if (!fault && (!element->text
                   || !element->text[strspn(element->text, " \t\r\n")])) {
        fault = "no program";
    }
    return fault;
}

/* ---- code -------------------------------------------------------------- */

/* The program as Python takes it: lines end with LF, and an expression has no
 * space around it. New str. */
static PyObject *
clean_text(const element_t *element)
{
    char *text = apr_pstrdup(element->context->dpool, element->text);
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (from[0] != '\r' || from[1] != '\n') {
            *to++ = *from;
        }
    }
    while (to > text && apr_isspace(to[-1])) {
        to--;
    }
    *to = '\0';
    if (element->is_eval) {
        text += strspn(text, " \t\r\n");
    }
    return mp_text_from(text);
}

static PyObject *
compile_text(const element_t *element, PyObject *text)
{
    PyObject *code = NULL;
    PyObject *file = PyUnicode_FromFormat(
        "<#python %s in %s>", element->is_eval ? "eval" : "exec",
        element->f->r->filename ? element->f->r->filename : "?");
    mp_text_view_t view = {0};
    if (file && mp_text_view(&view, text, "program") == 0) {
        PyCompilerFlags flags = _PyCompilerFlags_INIT;
        flags.cf_flags = PyCF_IGNORE_COOKIE; /* it is UTF-8 */
        code = Py_CompileStringObject(view.bytes, file,
                                      element->is_eval ? Py_eval_input
                                                       : Py_file_input,
                                      &flags, -1);
        mp_text_release(&view);
    }
    Py_XDECREF(file);
    return code;
}

/* The code of the program, compiled before or now. New reference. */
static PyObject *
find_code(const element_t *element, mp_state_t *state)
{
    PyObject *text = clean_text(element);
    PyObject *key = NULL, *code = NULL;
    if (!state->include_code) {
        state->include_code = PyDict_New();
    }
    if (text && state->include_code) {
        key = Py_BuildValue("(yiO)", element->f->r->filename
                                         ? element->f->r->filename : "",
                            element->is_eval, text);
    }
    if (key && PyDict_GetItemRef(state->include_code, key, &code) == 0) {
        code = compile_text(element, text);
        if (PyDict_GET_SIZE(state->include_code) >= MAX_CODE) {
            PyDict_Clear(state->include_code);
        }
        if (code && PyDict_SetItem(state->include_code, key, code) < 0) {
            Py_CLEAR(code);
        }
    }
    Py_XDECREF(key);
    Py_XDECREF(text);
    return code;
}

/* ---- running ----------------------------------------------------------- */

/* Put a new reference into globals; takes it over. 0 or -1. */
static int
put(PyObject *globals, const char *name, PyObject *value)
{
    int failed = value ? PyDict_SetItemString(globals, name, value) : -1;
    Py_XDECREF(value);
    return failed;
}

/* req.ssi_globals, made if there are none. New dict. */
static PyObject *
find_globals(PyObject *req)
{
    PyObject *name = PyUnicode_InternFromString("ssi_globals");
    PyObject *globals = NULL;
    if (name && PyObject_GetOptionalAttr(req, name, &globals) == 0) {
        globals = PyDict_New();
        if (globals && PyObject_SetAttr(req, name, globals) < 0) {
            Py_CLEAR(globals);
        }
    }
    Py_XDECREF(name);
    if (globals && !PyDict_Check(globals)) {
        PyErr_Format(PyExc_TypeError, "req.ssi_globals must be a dict, not "
                     "%.200s", Py_TYPE(globals)->tp_name);
        Py_CLEAR(globals);
    }
    return globals;
}

/* The globals of the program. New dict. */
static PyObject *
prepare_globals(const element_t *element, const mp_call_t *call,
                PyObject *filter)
{
    request_rec *r = element->f->r;
    PyObject *globals = find_globals(call->proxy);
    if (!globals) {
        return NULL;
    }
    PyObject *builtins = mp_importer_builtins(
        call->interp->state->importer,
        r->filename ? ap_make_dirstr_parent(element->context->dpool,
                                            r->filename) : NULL);
    if (put(globals, "__builtins__", builtins) < 0
        || put(globals, "__file__", mp_text_from(r->filename)) < 0
        || put(globals, "filter", Py_NewRef(filter)) < 0) {
        Py_CLEAR(globals);
    }
    return globals;
}

/* What eval gave, as the page shows it. 0, or -1 with an exception. */
static int
write_value(PyObject *filter, PyObject *value)
{
    if (value == Py_None) {
        return 0;
    }
    PyObject *text = PyObject_Str(value);
    PyObject *done = text ? mp_filter_write(filter, text) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(text);
    return done ? 0 : -1;
}

/* 0, or -1 with an exception. */
static int
run_program(element_t *element, mp_call_t *call)
{
    mp_state_t *state = call->interp->state;
    PyObject *filter = NULL, *globals = NULL, *code = NULL, *value = NULL;
    int failed = -1;
    if (mp_call_prepare(call) < 0) {
        return -1;
    }
    filter = mp_filter_wrap(state, &element->filter, call->proxy);
    globals = filter ? prepare_globals(element, call, filter) : NULL;
    code = globals ? find_code(element, state) : NULL;
    value = code ? PyEval_EvalCode(code, globals, globals) : NULL;
    if (value) {
        failed = element->is_eval ? write_value(filter, value) : 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (globals && PyDict_SetItemString(globals, "filter", Py_None) < 0) {
        PyErr_Clear(); /* out of memory: the object expires all the same */
    }
    if (filter) {
        mp_proxy_expire(filter);
    }
    PyErr_SetRaisedException(exc);
    Py_XDECREF(value);
    Py_XDECREF(code);
    Py_XDECREF(globals);
    Py_XDECREF(filter);
    return failed;
}

/* ---- failures ---------------------------------------------------------- */

static void
add_to_page(element_t *element, const char *text)
{
    apr_pool_t *pool = element->context->pool;
    APR_BRIGADE_INSERT_TAIL(
        element->page,
        apr_bucket_pool_create(apr_pstrdup(pool, text), strlen(text), pool,
                               element->f->c->bucket_alloc));
}

/* The exception in flight goes to the log, and with PythonDebug to the page.
 * [attached] */
static void
tell_exception(element_t *element, const mp_call_t *call)
{
    mp_state_t *state = call->interp->state;
    request_rec *r = element->f->r;
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = mp_config_debug(call->config)
                         ? mp_error_format(state, exc) : NULL;
    mp_text_view_t view = {0};
    if (text && mp_text_view(&view, text, "traceback") == 0) {
        apr_pool_t *pool = element->context->dpool;
        add_to_page(element,
                    apr_pstrcat(pool, "<pre>\n",
                                ap_escape_html(pool, view.bytes), "</pre>\n",
                                NULL));
        mp_text_release(&view);
    }
    PyErr_Clear(); /* no page, then; the log has its own copy */
    Py_XDECREF(text);
    char what[512];
    snprintf(what, sizeof(what), "#python in %s (interpreter '%s', pid %ld)",
             r->filename ? r->filename : r->uri, call->interp->name,
             (long)getpid());
    PyErr_SetRaisedException(exc);
    mp_error_log(state, MP_LOG_REQUEST(r), "MPY0432", what);
}

/* 0, or -1 when the page is to show mod_include's error text. */
static int
run_attached(element_t *element, mp_call_t *call)
{
    if (run_program(element, call) == 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(call->interp->state->server_return)) {
        PyErr_Clear(); /* the element ends, and that is all it can mean */
        return 0;
    }
    tell_exception(element, call);
    return -1;
}

/* Run the program. 0, or -1 as above. */
static int
run_element(element_t *element)
{
    request_rec *r = element->f->r;
    mp_request_t *request = mp_context_get(r);
    const unsigned before = request->filtering;
    /* Names the interpreter, and no module. */
    const mp_handler_t *place = mp_handlers_make(
        element->context->dpool, "",
        r->filename ? ap_make_dirstr_parent(element->context->dpool,
                                            r->filename) : NULL, NULL);
    mp_call_t call;
    int failed = -1;
    if (request->ending) {
        return -1;
    }
    element->filter = (mp_filter_t){
        .f = element->f,
        .out = element->page,
        .flush_now = &element->context->flush_now,
        .is_element = 1,
    };
    request->filtering |= 1u << MP_FILTER_OUTPUT;
    if (mp_call_begin(&call, r, place, NULL, "#python") == 0) {
        failed = run_attached(element, &call);
        mp_call_end(&call);
    }
    request->filtering = before;
    return failed;
}

/* ---- mod_include ------------------------------------------------------- */

static apr_status_t
handle_element(include_ctx_t *context, ap_filter_t *f,
               apr_bucket_brigade *page)
{
    element_t element = {.context = context, .f = f, .page = page};
    if (!(context->flags & SSI_FLAG_PRINTING)) {
        return APR_SUCCESS;
    }
    const char *fault = read_parameters(&element);
    int failed;
    if (context->flags & SSI_FLAG_NO_EXEC) {
        mp_log(MP_LOG_REQUEST(f->r), APLOG_ERR, 0, "MPY0433",
               "#python in %s: Options IncludesNOEXEC forbids programs in "
               "pages", f->r->filename);
        failed = -1;
    }
    else if (fault) {
        mp_log(MP_LOG_REQUEST(f->r), APLOG_ERR, 0, "MPY0434",
               "#python in %s: %s; write eval=\"expression\" or "
               "exec=\"program\"", f->r->filename, fault);
        failed = -1;
    }
    else {
        failed = run_element(&element);
    }
    if (failed) {
        SSI_CREATE_ERROR_BUCKET(context, f, page);
    }
    return APR_SUCCESS;
}

static int
post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
            server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(ap_register_include_handler) *add
        = APR_RETRIEVE_OPTIONAL_FN(ap_register_include_handler);
    if (add) {
        add("python", handle_element);
    }
    return OK;
}

void
mp_include_tag_register(apr_pool_t *pool)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
}
