/* psp.c - runs PSP pages.
 *
 * A page's program writes through the object that pages know as psp: its text
 * by subscription, _psp_["text"], its values by a call, _psp_(value), because
 * that is what costs least. Where a page gives req or str another meaning, it
 * does what the classic program does: req.write(str(value), 0). */
#include "runtime/python.h"

#include "web/psp.h"

#include "objects/request.h"
#include "runtime/text.h"
#include "server/config.h"
#include "web/form.h"
#include "web/psp_page.h"
#include "web/publisher.h"
#include "web/session_base.h"
#include "web/state.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    mp_state_t *state;
    PyObject *req;        /* the request */
    PyObject *file;       /* str: the page's; None */
    PyObject *form;       /* the page's, or NULL */
    PyObject *session;    /* the same */
    PyObject *error_page; /* PSP, or NULL */
    PyObject *globals;    /* of the run, if that is not to be written to req as
                             it is; else NULL */
    int escapes;          /* values are written as HTML */
    mp_request_writer_t writer;
    mp_request_writer_t *before; /* the one of the page around this one */
    char *held;           /* what the page wrote and nobody has sent; on the
                             stack of the run, NULL afterwards */
    Py_ssize_t held_size;
} psp_t;

/* So much is held back. A page that is no longer than this and fails leaves
 * nothing behind. */
#define MOST_HELD 8000

/* ---- writing ------------------------------------------------------------ */

/* globals[name], or what it means without it. New reference. */
static PyObject *
find_global(psp_t *psp, PyObject *name, PyObject *otherwise)
{
    PyObject *value = NULL;
    PyDict_GetItemRef(psp->globals, name, &value);
    return value || PyErr_Occurred() ? value : Py_NewRef(otherwise);
}

/* req.write(text, 0), whatever req is now. */
static int
write_to_global(psp_t *psp, PyObject *text)
{
    const mp_web_t *web = mp_web_of(psp->state);
    PyObject *req = find_global(psp, web->names.req, psp->req);
    PyObject *zero = req ? PyLong_FromLong(0) : NULL;
    PyObject *done = zero ? PyObject_CallMethodObjArgs(
                                req, web->names.write, text, zero, NULL)
                          : NULL;
    Py_XDECREF(done);
    Py_XDECREF(zero);
    Py_XDECREF(req);
    return done ? 0 : -1;
}

/* Send what is held. */
static int
send_held(psp_t *psp)
{
    Py_ssize_t size = psp->held_size;
    psp->held_size = 0;
    return size > 0 ? mp_request_send(psp->req, psp->held, size, 0) : 0;
}

static int
send_for_others(mp_request_writer_t *writer)
{
    return send_held((psp_t *)((char *)writer - offsetof(psp_t, writer)));
}

static int
write_bytes(psp_t *psp, const char *bytes, Py_ssize_t size)
{
    if (!psp->held || size > MOST_HELD) {
        return mp_request_send(psp->req, bytes, size, 0); /* sends held, too */
    }
    if (!mp_proxy_ptr(psp->req)
        || (psp->held_size + size > MOST_HELD
            && mp_request_drain(psp->req) < 0)) {
        return -1;
    }
    memcpy(psp->held + psp->held_size, bytes, (size_t)size);
    psp->held_size += size;
    return 0;
}

static int
write_text(psp_t *psp, PyObject *text)
{
    if (psp->globals) {
        return write_to_global(psp, text);
    }
    if (PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
        return write_bytes(psp, (char *)PyUnicode_1BYTE_DATA(text),
                           PyUnicode_GET_LENGTH(text));
    }
    mp_text_view_t view;
    if (mp_text_view(&view, text, "text") < 0) {
        return -1;
    }
    int failed = write_bytes(psp, view.bytes, view.size);
    mp_text_release(&view);
    return failed;
}

/* What a character is in HTML; NULL: itself. */
static const char *
entity(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#x27;";
    default:
        return NULL;
    }
}

static int
write_bytes_as_html(psp_t *psp, const char *bytes, Py_ssize_t size)
{
    const char *end = bytes + size;
    int failed = 0;
    while (bytes < end && !failed) {
        const char *stop = bytes;
        while (stop < end && !entity(*stop)) {
            stop++;
        }
        failed = write_bytes(psp, bytes, stop - bytes);
        if (stop < end && !failed) {
            failed = write_bytes(psp, entity(*stop),
                                 (Py_ssize_t)strlen(entity(*stop)));
        }
        bytes = stop + 1;
    }
    return failed;
}

static int
write_as_html(psp_t *psp, PyObject *text)
{
    if (psp->globals) {
        PyObject *html = PyImport_ImportModule("html");
        PyObject *safe = html ? PyObject_CallMethod(html, "escape", "O", text)
                              : NULL;
        int failed = safe ? write_to_global(psp, safe) : -1;
        Py_XDECREF(safe);
        Py_XDECREF(html);
        return failed;
    }
    mp_text_view_t view;
    if (mp_text_view(&view, text, "text") < 0) {
        return -1;
    }
    int failed = write_bytes_as_html(psp, view.bytes, view.size);
    mp_text_release(&view);
    return failed;
}

/* What knows its own HTML (__html__, as templates have it) is written as
 * that; 1, and *text is a new reference; 0; -1. */
static int
find_html(psp_t *psp, PyObject *value, PyObject **text)
{
    const mp_web_t *web = mp_web_of(psp->state);
    PyObject *method = NULL;
    if (PyUnicode_CheckExact(value)
        || PyObject_GetOptionalAttr(value, web->names.__html__, &method)
               == 0) {
        return 0;
    }
    *text = method ? PyObject_CallNoArgs(method) : NULL;
    Py_XDECREF(method);
    return *text ? 1 : -1;
}

/* str() of what <%= %> holds. New reference. */
static PyObject *
stringify(psp_t *psp, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *str = (PyObject *)&PyUnicode_Type;
    const int is_plain = PyVectorcall_NARGS(count) == 1 && !names;
    if (psp->globals) {
        str = find_global(psp, mp_web_of(psp->state)->names.str, str);
        PyObject *text = str ? PyObject_Vectorcall(str, args, count, names)
                             : NULL;
        Py_XDECREF(str);
        return text;
    }
    return is_plain ? PyObject_Str(args[0])
                    : PyObject_Vectorcall(str, args, count, names);
}

/* _psp_(value) */
static PyObject *
call_psp(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    psp_t *psp = (psp_t *)self;
    PyObject *text = NULL;
    int is_html = 0;
    if (psp->escapes && PyVectorcall_NARGS(count) == 1) {
        is_html = find_html(psp, args[0], &text);
    }
    if (is_html == 0) {
        text = stringify(psp, args, count, names);
    }
    int failed = !text ? -1
                 : psp->escapes && !is_html ? write_as_html(psp, text)
                                            : write_text(psp, text);
    Py_XDECREF(text);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* _psp_["text"] */
static PyObject *
subscribe_psp(PyObject *self, PyObject *text)
{
    return write_text((psp_t *)self, text) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- what a page is given ----------------------------------------------- */

/* req.form, made if there is none. New reference. */
static PyObject *
find_form(mp_state_t *state, PyObject *req)
{
    PyObject *form = NULL;
    PyObject *name = mp_web_of(state)->names.form;
    if (mp_request_find_set(req, name, &form) != 0) {
        return form;
    }
    form = mp_form_new(state, req, 1);
    if (form && mp_request_set(req, name, form) < 0) {
        Py_CLEAR(form);
    }
    return form;
}

/* The session of the request; *is_made when it was made for this page. New
 * reference. */
static PyObject *
find_session(mp_state_t *state, PyObject *req, int *is_made)
{
    const mp_web_t *web = mp_web_of(state);
    PyObject *session = NULL;
    if (mp_request_find_set(req, web->names.session, &session) != 0) {
        return session;
    }
    const mp_request_t *request = ((mp_request_object_t *)req)->request;
    int is_there = mp_session_find(state, request->root) != NULL;
    session = PyObject_CallMethodNoArgs(req, web->names.get_session);
    *is_made = session && !is_there;
    return session;
}

/* Is it there to be seen by the page, whatever request and page say? */
static int
is_given(PyObject *name, PyObject *const vars[2])
{
    int given = 0;
    for (int i = 0; i < 2 && given == 0; i++) {
        given = vars[i] ? PyMapping_HasKey(vars[i], name) : 0;
    }
    return given;
}

static int
escapes_values(PyObject *req)
{
    const apr_table_t *options = mp_request_options(
        (mp_request_object_t *)req);
    const char *value = options
        ? apr_table_get(options, "mod_python.psp.autoescape") : NULL;
    return value && (!strcasecmp(value, "on") || !strcasecmp(value, "yes")
                     || !strcasecmp(value, "true") || !strcmp(value, "1"));
}

static psp_t *
make_psp(mp_state_t *state, const mp_psp_page_t *page, PyObject *req)
{
    PyTypeObject *type = state->types[MP_TYPE_PSP];
    psp_t *psp = (psp_t *)type->tp_alloc(type, 0);
    if (psp) {
        psp->call = call_psp;
        psp->state = state;
        psp->req = Py_NewRef(req);
        psp->file = Py_NewRef(page->file);
        psp->escapes = escapes_values(req);
    }
    return psp;
}

/* ---- a run -------------------------------------------------------------- */

typedef struct {
    mp_state_t *state;
    mp_psp_page_t *page;
    PyObject *req;
    PyObject *vars[2]; /* of the constructor and of run(); NULL: none */
    psp_t *psp;
    PyObject *globals;
    int made_session;
    int is_all; /* the page is all there is: nobody is to see a part of it */
} run_t;

static int
give_form(run_t *run)
{
    PyObject *name = mp_web_of(run->state)->names.form;
    if (!run->page->uses_form || is_given(name, run->vars)) {
        return 0;
    }
    run->psp->form = find_form(run->state, run->req);
    return run->psp->form
               ? PyDict_SetItem(run->globals, name, run->psp->form) : -1;
}

static int
give_session(run_t *run)
{
    PyObject *name = mp_web_of(run->state)->names.session;
    if (!run->page->uses_session || is_given(name, run->vars)) {
        return 0;
    }
    run->psp->session = find_session(run->state, run->req,
                                     &run->made_session);
    if (!run->psp->session
        || PyDict_SetItem(run->globals, name, run->psp->session) < 0) {
        return -1;
    }
    return run->made_session
               ? PyObject_SetAttr(run->req, name, run->psp->session) : 0;
}

/* What the page begins with. */
static int
prepare(run_t *run)
{
    const mp_web_t *web = mp_web_of(run->state);
    run->globals = PyDict_Copy(run->page->globals);
    run->psp = run->globals ? make_psp(run->state, run->page, run->req)
                            : NULL;
    if (!run->psp
        || PyDict_SetItem(run->globals, web->names.req, run->req) < 0
        || PyDict_SetItem(run->globals, web->names.psp,
                          (PyObject *)run->psp) < 0
        || PyDict_SetItem(run->globals, web->names._psp_,
                          (PyObject *)run->psp) < 0
        || give_form(run) < 0 || give_session(run) < 0) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (run->vars[i] && PyDict_Update(run->globals, run->vars[i]) < 0) {
            return -1;
        }
    }
    if (run->page->is_restyled || is_given(web->names.req, run->vars)
        || is_given(web->names.str, run->vars)) {
        run->psp->globals = Py_NewRef(run->globals);
    }
    return 0;
}

/* A method without arguments of the session. */
static int
call_session(run_t *run, PyObject *method)
{
    PyObject *done = PyObject_CallMethodNoArgs(run->psp->session, method);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* The page has run, with or without an exception. */
static int
save_session(run_t *run)
{
    return run->psp->session
               ? call_session(run, mp_web_of(run->state)->names.save) : 0;
}

/* The session that was made for the page goes with it. */
static int
release_session(run_t *run)
{
    const mp_web_t *web = mp_web_of(run->state);
    if (!run->made_session || !run->psp || !run->psp->session) {
        return 0;
    }
    int failed = call_session(run, web->names.unlock);
    return PyObject_DelAttr(run->req, web->names.session) < 0 ? -1 : failed;
}

/* Lines of included files are shown as theirs. */
static void
show_included(run_t *run, PyObject *exc)
{
    if (PyTuple_GET_SIZE(run->page->included) == 0) {
        return;
    }
    PyObject *module = PyImport_ImportModule("mod_python.psp");
    PyObject *done = module
        ? PyObject_CallMethod(module, "_show_included", "OOO", exc,
                              run->page->file, run->page->included)
        : NULL;
    PyErr_Clear(); /* they are shown as they are */
    Py_XDECREF(done);
    Py_XDECREF(module);
}

/* (type, exception, traceback) */
static PyObject *
triple(PyObject *exc)
{
    PyObject *traceback = PyException_GetTraceback(exc);
    PyObject *tuple = PyTuple_Pack(3, Py_TYPE(exc), exc,
                                   traceback ? traceback : Py_None);
    Py_XDECREF(traceback);
    return tuple;
}

/* What the error page is given. New dict. */
static PyObject *
error_vars(run_t *run, PyObject *exc)
{
    const mp_web_t *web = mp_web_of(run->state);
    PyObject *vars = PyDict_New();
    PyObject *exception = vars ? triple(exc) : NULL;
    if (!exception
        || PyDict_SetItem(vars, web->names.exception, exception) < 0
        || (run->psp->form
            && PyDict_SetItem(vars, web->names.form, run->psp->form) < 0)
        || (run->psp->session
            && PyDict_SetItem(vars, web->names.session, run->psp->session)
                   < 0)) {
        Py_CLEAR(vars);
    }
    Py_XDECREF(exception);
    return vars;
}

/* The exception in flight is the error page's now. */
static int
run_error_page(run_t *run, PyObject *exc, int flush)
{
    PyObject *vars = error_vars(run, exc);
    PyObject *done = vars
        ? PyObject_CallMethod(run->psp->error_page, "run", "Oi", vars, flush)
        : NULL;
    Py_XDECREF(vars);
    if (!done && !PyErr_ExceptionMatches(run->state->server_return)) {
        PyObject *next = PyErr_GetRaisedException();
        if (next != exc) {
            PyException_SetContext(next, Py_NewRef(exc));
        }
        PyErr_SetRaisedException(next);
    }
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* The page raised. */
static int
end_badly(run_t *run, int flush)
{
    PyObject *exc = PyErr_GetRaisedException();
    int failed = -1;
    if (PyErr_GivenExceptionMatches(exc, run->state->server_return)) {
        failed = save_session(run); /* it is no error */
    }
    else {
        show_included(run, exc);
        if (run->is_all && !run->psp->error_page) {
            run->psp->held_size = 0;
        }
        if (run->psp->error_page) {
            failed = run_error_page(run, exc, flush);
            Py_DECREF(exc);
            return failed;
        }
    }
    if (!PyErr_Occurred()) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    Py_DECREF(exc);
    return -1;
}

static int
end_well(run_t *run, int flush)
{
    if (save_session(run) < 0 || mp_request_drain(run->req) < 0) {
        return -1;
    }
    PyObject *done = flush ? mp_request_flush(run->req, NULL)
                           : Py_NewRef(Py_None);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* From now on what the page writes is held back. 0 or -1. */
static int
begin_holding(run_t *run, char *held)
{
    mp_request_object_t *req = (mp_request_object_t *)run->req;
    psp_t *psp = run->psp;
    if (mp_request_drain(run->req) < 0) {
        return -1;
    }
    psp->held = held;
    psp->writer.send = send_for_others;
    psp->before = req->writer;
    req->writer = &psp->writer;
    return 0;
}

/* The rest is sent, whatever happened. */
static int
end_holding(run_t *run)
{
    mp_request_object_t *req = (mp_request_object_t *)run->req;
    if (req->writer != &run->psp->writer) {
        return 0; /* it did not begin */
    }
    PyObject *exc = PyErr_GetRaisedException();
    int failed = mp_request_drain(run->req);
    req->writer = run->psp->before;
    run->psp->held = NULL;
    if (exc) {
        PyErr_SetRaisedException(exc); /* the first one counts */
    }
    return failed;
}

/* 0, or -1 with an exception. */
static int
run_page(run_t *run, int flush)
{
    char held[MOST_HELD];
    int failed = prepare(run) < 0 || begin_holding(run, held) < 0 ? -1 : 0;
    if (!failed) {
        PyObject *done = PyEval_EvalCode(run->page->code, run->globals,
                                         run->globals);
        Py_XDECREF(done);
        failed = done ? end_well(run, flush) : end_badly(run, flush);
    }
    if (run->made_session) {
        PyObject *exc = PyErr_GetRaisedException();
        int kept = release_session(run) < 0;
        if (exc) {
            PyErr_SetRaisedException(exc); /* the first one counts */
        }
        failed |= kept ? -1 : 0;
    }
    if (run->psp) {
        failed |= end_holding(run);
        Py_CLEAR(run->psp->globals);
    }
    Py_XDECREF(run->psp);
    Py_XDECREF(run->globals);
    return failed;
}

/* ---- functions ---------------------------------------------------------- */

PyDoc_STRVAR(run_doc,
"psp_run(req, page, vars, more_vars, flush)\n--\n\n"
"Run a page for a request.");

static PyObject *
function_run(PyObject *module, PyObject *args)
{
    mp_state_t *state = mp_state_of_module(module);
    run_t run = {.state = state};
    PyObject *page;
    int flush;
    if (!PyArg_ParseTuple(args, "O!O!OOp:psp_run",
                          state->types[MP_TYPE_REQUEST], &run.req,
                          state->types[MP_TYPE_PSP_PAGE], &page,
                          &run.vars[0], &run.vars[1], &flush)) {
        return NULL;
    }
    run.page = (mp_psp_page_t *)Py_NewRef(page);
    for (int i = 0; i < 2; i++) {
        if (run.vars[i] == Py_None
            || (PyDict_Check(run.vars[i])
                && PyDict_GET_SIZE(run.vars[i]) == 0)) {
            run.vars[i] = NULL;
        }
    }
    int failed = run_page(&run, flush);
    Py_DECREF(page);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* A page called "page.psp_" is page.psp to be looked at. */
static int
wants_listing(const request_rec *r)
{
    size_t length = strlen(r->filename);
    return length > 0 && r->filename[length - 1] == '_'
           && mp_config_debug(mp_config_of_request(r));
}

static PyObject *
answer_listing(PyObject *req)
{
    PyObject *module = PyImport_ImportModule("mod_python.psp");
    PyObject *result = module
        ? PyObject_CallMethod(module, "_answer_listing", "O", req) : NULL;
    Py_XDECREF(module);
    return result;
}

/* Does a handler directive of this request name mod_python.psp? */
static int
has_psp_handler(const request_rec *r)
{
    const apr_array_header_t *list = mp_config_handlers(
        mp_config_of_request(r), MP_PHASE_HANDLER, r, NULL);
    for (int i = 0; list && i < list->nelts; i++) {
        const mp_handler_t *handler = APR_ARRAY_IDX(list, i,
                                                    const mp_handler_t *);
        if (handler->module && !strcmp(handler->module, "mod_python.psp")) {
            return 1;
        }
    }
    return 0;
}

/* Would this client get the page at path by this URL path? [detached] */
static int
is_page(request_rec *r, const char *uri, const char *path)
{
    request_rec *sub = ap_sub_req_lookup_uri(ap_os_escape_path(r->pool, uri,
                                                               1), r, NULL);
    int is = sub->status == HTTP_OK && sub->filename
             && !strcmp(sub->filename, path)
             && sub->finfo.filetype == APR_REG && sub->handler
             && (!strcmp(sub->handler, "mod_python")
                 || !strcmp(sub->handler, "python-program"))
             && has_psp_handler(sub);
    ap_destroy_sub_req(sub);
    return is;
}

PyDoc_STRVAR(is_page_doc,
"psp_is_page(req, uri, path)\n--\n\n"
"Would the client of this request get the PSP page at path by this URL path?");

static PyObject *
function_is_page(PyObject *module, PyObject *args)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req;
    const char *uri, *path;
    if (!PyArg_ParseTuple(args, "O!ss:psp_is_page",
                          state->types[MP_TYPE_REQUEST], &req, &uri, &path)) {
        return NULL;
    }
    request_rec *r = mp_request_ptr_open(req);
    if (!r) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int is = is_page(r, uri, path);
    mp_thread_resume(held);
    return PyBool_FromLong(is);
}

PyDoc_STRVAR(handler_doc,
"handler(req, /)\n--\n\n"
"Answer a request with the PSP page that req.filename names, as text/html;\n"
"404 when there is none. With PythonDebug On and an underscore at the end of\n"
"the name: the listing of the page without it.");

static PyObject *
function_handler(PyObject *module, PyObject *req)
{
    mp_state_t *state = mp_state_of_module(module);
    if (!Py_IS_TYPE(req, state->types[MP_TYPE_REQUEST])) {
        PyErr_SetString(PyExc_TypeError, "handler() takes a request");
        return NULL;
    }
    request_rec *r = mp_request_ptr_open(req);
    if (!r) {
        return NULL;
    }
    if (!r->filename) {
        return PyLong_FromLong(HTTP_NOT_FOUND);
    }
    if (mp_publisher_check_mapped(req, "mod_python.psp") < 0) {
        return NULL;
    }
    if (wants_listing(r)) {
        return answer_listing(req);
    }
    mp_psp_page_t *page = mp_psp_page_find(state, r->filename, r);
    if (!page) {
        return PyErr_Occurred() ? NULL : PyLong_FromLong(HTTP_NOT_FOUND);
    }
    ap_set_content_type(r, "text/html");
    ((mp_request_object_t *)req)->content_type_set = 1;
    run_t run = {.state = state, .page = page, .req = req, .is_all = 1};
    int failed = run_page(&run, 0);
    Py_DECREF(page);
    return failed ? NULL : PyLong_FromLong(OK);
}

PyMethodDef mp_psp_functions[] = {
    {"psp_run", function_run, METH_VARARGS, run_doc},
    {"psp_handler", function_handler, METH_O, handler_doc},
    {"psp_is_page", function_is_page, METH_VARARGS, is_page_doc},
    {NULL, NULL, 0, NULL}
};

/* ---- the Python type ---------------------------------------------------- */

/* mod_python.psp has the rarer methods as functions of the object. */
static PyObject *
call_package(PyObject *self, const char *function, PyObject *args,
             PyObject *keywords)
{
    PyObject *module = PyImport_ImportModule("mod_python.psp");
    PyObject *callable = module ? PyObject_GetAttrString(module, function)
                                : NULL;
    PyObject *own = callable ? PyTuple_Pack(1, self) : NULL;
    PyObject *all = own ? PySequence_Concat(own, args) : NULL;
    PyObject *result = all ? PyObject_Call(callable, all, keywords) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(own);
    Py_XDECREF(callable);
    Py_XDECREF(module);
    return result;
}

static PyObject *
psp_set_error_page(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *page = call_package(self, "_error_page", args, keywords);
    if (!page) {
        return NULL;
    }
    Py_XSETREF(((psp_t *)self)->error_page, page);
    Py_RETURN_NONE;
}

static PyObject *
psp_apply_data(PyObject *self, PyObject *args, PyObject *keywords)
{
    psp_t *psp = (psp_t *)self;
    if (!psp->form) {
        psp->form = find_form(psp->state, psp->req);
    }
    return psp->form ? call_package(self, "_apply_data", args, keywords)
                     : NULL;
}

static PyObject *
psp_redirect(PyObject *self, PyObject *args, PyObject *keywords)
{
    return call_package(self, "_redirect", args, keywords);
}

static int
traverse_psp(PyObject *self, visitproc visit, void *arg)
{
    psp_t *psp = (psp_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(psp->req);
    Py_VISIT(psp->form);
    Py_VISIT(psp->session);
    Py_VISIT(psp->error_page);
    Py_VISIT(psp->globals);
    return 0;
}

static int
clear_psp(PyObject *self)
{
    psp_t *psp = (psp_t *)self;
    Py_CLEAR(psp->form);
    Py_CLEAR(psp->session);
    Py_CLEAR(psp->error_page);
    Py_CLEAR(psp->globals);
    return 0;
}

static void
dealloc_psp(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_psp(self);
    Py_CLEAR(((psp_t *)self)->req);
    Py_CLEAR(((psp_t *)self)->file);
    type->tp_free(self);
    Py_DECREF(type);
}

#define KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef psp_methods[] = {
    {"set_error_page", KEYWORDS(psp_set_error_page),
     "set_error_page($self, filename)\n--\n\n"
     "The page that runs when this one raises an exception; it sees that as\n"
     "exception, a tuple like that of sys.exc_info(). filename: str; with a\n"
     "leading slash it is below DocumentRoot, else beside the page."},
    {"apply_data", KEYWORDS(psp_apply_data),
     "apply_data($self, object, **kw)\n--\n\n"
     "Call object with the form fields that it accepts, and kw; the result.\n"
     "As util.apply_fs_data()."},
    {"redirect", KEYWORDS(psp_redirect),
     "redirect($self, location, permanent=0)\n--\n\n"
     "Redirect the client and end the page, before anything was written to\n"
     "the client. As util.redirect()."},
    {NULL, NULL, 0, NULL}
};

static PyMemberDef psp_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(psp_t, call), READONLY,
     NULL},
    {"req", T_OBJECT, offsetof(psp_t, req), READONLY,
     "The request (mp_request)."},
    {"filename", T_OBJECT, offsetof(psp_t, file), READONLY,
     "The page's file (str)."},
    {"form", T_OBJECT, offsetof(psp_t, form), READONLY,
     "The form (FieldStorage); None: nobody has asked for it."},
    {"session", T_OBJECT, offsetof(psp_t, session), READONLY,
     "The session; None: the page does not use it."},
    {"error_page", T_OBJECT, offsetof(psp_t, error_page), READONLY,
     "What set_error_page() made (PSP), or None."},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot psp_slots[] = {
    {Py_tp_doc, "What a PSP page knows as psp."},
    {Py_tp_traverse, traverse_psp},
    {Py_tp_clear, clear_psp},
    {Py_tp_dealloc, dealloc_psp},
    {Py_tp_call, PyVectorcall_Call},
    {Py_mp_subscript, subscribe_psp},
    {Py_tp_methods, psp_methods},
    {Py_tp_members, psp_members},
    {0, NULL}
};

PyType_Spec mp_psp_spec = {
    .name = "builtins.PSPInterface",
    .basicsize = sizeof(psp_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = psp_slots,
};
