/* wsgi.c - the handler of mod_python.wsgi: which application, and the call.
 *
 * The application is named by an option and is found like the object of a
 * handler directive that stood in the same place: by the importer, seen from
 * the request's pin, so it is never older than the rest of the request.
 *
 * Owns the synthetic handlers that the importer is asked with, one for each
 * handler directive and application. The surprising rule: they have slots
 * behind those of the configuration, so that a generation remembers what they
 * led to; they live as long as the process. */
#include "runtime/python.h"

#include "web/wsgi.h"

#include "importer/api.h"
#include "objects/request.h"
#include "runtime/error.h"
#include "runtime/thread.h"
#include "server/log.h"
#include "web/state.h"
#include "web/wsgi_environ.h"
#include "web/wsgi_file.h"
#include "web/wsgi_response.h"

#include <apr_strings.h>
#include <http_core.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION "mod_python.wsgi.application"
#define BASE_URI "mod_python.wsgi.base_uri"

/* One call; lives on the stack of handle(). */
typedef struct {
    mp_state_t *state;
    PyObject *object;       /* the request object, borrowed */
    request_rec *r;
    const mp_handler_t *handler; /* the one that runs: never NULL */
    const char *text;       /* of the option: "module::callable" */
    const char *base;       /* SCRIPT_NAME */
} call_t;

/* Why the request is not ours. Always DECLINED. [attached] */
static PyObject *
decline(const call_t *call, const char *code, const char *why)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(call->r), APLOG_WARNING, 0, code,
           "mod_python.wsgi: %s", why);
    mp_thread_resume(held);
    return PyLong_FromLong(DECLINED);
}

/* ---- where it stands --------------------------------------------------- */

/* The handler that runs for the request. A program may call us from wherever
 * it has a request object. */
static const mp_handler_t *
running_handler(const call_t *call)
{
    static const mp_handler_t none = {.slot = -1, .is_server = 1};
    const mp_request_t *request
        = ((mp_request_object_t *)call->object)->request;
    return request->running && request->running_index < request->running->nelts
               ? APR_ARRAY_IDX(request->running, request->running_index,
                               const mp_handler_t *)
               : &none;
}

/* Is this path the beginning of the URI, up to the end of a segment? */
static int
is_base(const char *uri, const char *base)
{
    const size_t length = strlen(base);
    return !strncmp(uri, base, length)
           && (uri[length] == '/' || uri[length] == '\0');
}

/* An option's value, NULL when it is not set. */
static const char *
find_option(const apr_table_t *options, const char *key)
{
    const char *value = apr_table_get(options, key);
    return value && *value ? value : NULL;
}

/* Find call->base. NULL, or why there is none. */
static const char *
find_base(call_t *call, const apr_table_t *options)
{
    apr_pool_t *pool = call->r->pool;
    const char *base = find_option(options, BASE_URI);
    if (base && base[strlen(base) - 1] == '/') {
        return apr_psprintf(pool, "PythonOption " BASE_URI " %s ends in '/'; "
                            "write it without", base);
    }
    if (!base) {
        base = mp_handlers_location(call->handler, call->r);
        size_t length = base ? strlen(base) : 0;
        while (length > 0 && base[length - 1] == '/') {
            length--;
        }
        base = length ? apr_pstrmemdup(pool, base, length) : "";
    }
    if (!is_base(call->r->uri, base)) {
        return apr_psprintf(pool, "%s is not below %s, the base of the "
                            "application; set PythonOption " BASE_URI,
                            call->r->uri, base);
    }
    call->base = base;
    return NULL;
}

const char *
mp_wsgi_find_base(PyObject *request, request_rec *r,
                  const apr_table_t *options, const char **base)
{
    call_t call = {.object = request, .r = r};
    call.handler = running_handler(&call);
    const char *wrong = find_base(&call, options);
    *base = call.base;
    return wrong;
}

/* ---- the application --------------------------------------------------- */

/* An application that a handler of the configuration leads to. */
typedef struct known_t known_t;
struct known_t {
    const mp_handler_t *running;
    char *text;            /* the option */
    mp_handler_t handler;  /* what the importer is asked with */
    known_t *next;
};

/* More than so many for one directive are not remembered: programs may set
 * the option for each request. */
#define MOST_OF_ONE 8

typedef struct {
    known_t **by_slot; /* of the running handler */
    int slots;
    int count;         /* of all */
} applications_t;

static const char APPLICATIONS[] = "mod_python.wsgi.applications";

static void
forget(PyObject *capsule)
{
    applications_t *all = PyCapsule_GetPointer(capsule, APPLICATIONS);
    for (int i = 0; i < all->slots; i++) {
        while (all->by_slot[i]) {
            known_t *known = all->by_slot[i];
            all->by_slot[i] = known->next;
            free(known->text);
            free(known);
        }
    }
    free(all->by_slot);
    free(all);
}

/* Borrowed; NULL with an exception. */
static applications_t *
get_applications(mp_web_t *web)
{
    if (web->objects.wsgi_applications) {
        return PyCapsule_GetPointer(web->objects.wsgi_applications,
                                    APPLICATIONS);
    }
    applications_t *all = calloc(1, sizeof(*all));
    if (all) {
        all->slots = mp_handlers_count_slots();
        all->by_slot = calloc((size_t)all->slots + 1, sizeof(known_t *));
    }
    PyObject *capsule = all && all->by_slot
        ? PyCapsule_New(all, APPLICATIONS, forget) : PyErr_NoMemory();
    if (!capsule && all) {
        free(all->by_slot);
        free(all);
    }
    web->objects.wsgi_applications = capsule;
    return capsule ? all : NULL;
}

/* "module::callable" in text, which is changed. */
static void
split(mp_handler_t *handler, char *text)
{
    char *colons = strstr(text, "::");
    handler->module = text;
    handler->object = "application";
    if (colons) {
        *colons = '\0';
        handler->object = colons[2] ? colons + 2 : handler->object;
    }
}

/* As the running handler, with another object. */
static void
fill(mp_handler_t *handler, const call_t *call, char *copy, int slot)
{
    *handler = *call->handler;
    handler->text = call->text;
    handler->parent = call->handler->parent;
    handler->silent = 1; /* that there is no such object is no error */
    handler->callable = NULL;
    handler->slot = slot;
    split(handler, copy);
}

/* Remember an application. NULL when it must do without. */
static known_t *
make_known(applications_t *all, const call_t *call)
{
    const size_t size = strlen(call->text) + 1;
    known_t *known = calloc(1, sizeof(*known));
    char *text = known ? malloc(2 * size) : NULL;
    if (!text) {
        free(known);
        return NULL;
    }
    memcpy(text, call->text, size);
    memcpy(text + size, call->text, size);
    known->running = call->handler;
    known->text = text;
    fill(&known->handler, call, text + size, all->slots + all->count);
    known->handler.text = text;
    all->count++;
    known->next = all->by_slot[call->handler->slot];
    all->by_slot[call->handler->slot] = known;
    return known;
}

/* The remembered one, NULL when there is none. */
static const mp_handler_t *
find_known(applications_t *all, const call_t *call)
{
    const int slot = call->handler->slot;
    if (slot < 0 || slot >= all->slots) {
        return NULL; /* made for this request */
    }
    int count = 0;
    for (known_t *known = all->by_slot[slot]; known; known = known->next) {
        if (known->running == call->handler
            && !strcmp(known->text, call->text)) {
            return &known->handler;
        }
        count++;
    }
    known_t *known = count < MOST_OF_ONE ? make_known(all, call) : NULL;
    return known ? &known->handler : NULL;
}

/* Is the exception in flight about the module itself, or a package that it is
 * in, not being there? */
static int
is_missing(const mp_handler_t *handler)
{
    if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *traceback = PyException_GetTraceback(exc);
    PyObject *name = PyObject_GetAttrString(exc, "name");
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name)
                                                     : NULL;
    PyErr_Clear(); /* one without a name */
    const size_t size = text ? strlen(text) : 0;
    const int is_it = text ? !strncmp(handler->module, text, size)
                                 && (handler->module[size] == '\0'
                                     || handler->module[size] == '.')
                           : !traceback && strchr(handler->module, '/');
    Py_XDECREF(name);
    Py_XDECREF(traceback);
    PyErr_SetRaisedException(exc);
    return is_it;
}

/* New reference. NULL without an exception: there is none, and *missing says
 * what; NULL with an exception. */
static PyObject *
find_application(const call_t *call, const char **missing)
{
    applications_t *all = get_applications(mp_web_of(call->state));
    if (!all) {
        return NULL;
    }
    const mp_handler_t *handler = find_known(all, call);
    mp_handler_t own;
    if (!handler) {
        fill(&own, call, apr_pstrdup(call->r->pool, call->text), -1);
        handler = &own;
    }
    PyObject *application = mp_importer_resolve(
        call->state->importer, mp_thread_pin(), handler, MP_PHASE_HANDLER,
        call->r, NULL);
    if (!application && !PyErr_Occurred()) {
        *missing = "object";
    }
    else if (!application && is_missing(handler)) {
        *missing = "module";
        PyErr_Clear(); /* the log gets a line of its own */
    }
    return application;
}

/* ---- the call ---------------------------------------------------------- */

/* Send all of it. 0, or -1 with an exception. */
static int
send_each(mp_wsgi_response_t *response, PyObject *iterable)
{
    PyObject *iterator = PyObject_GetIter(iterable);
    PyObject *chunk = NULL;
    int status = iterator ? 0 : -1;
    while (status == 0) {
        chunk = PyIter_Next(iterator);
        if (!chunk) {
            status = PyErr_Occurred() ? -1 : 1;
            break;
        }
        /* The next one may take long, and must not keep this one. */
        status = mp_wsgi_response_send(response, chunk, 1);
        Py_DECREF(chunk);
    }
    Py_XDECREF(iterator);
    return status < 0 ? -1 : 0;
}

/* The same for a list or tuple: nothing of the application runs in between,
 * so nothing need be flushed. */
static int
send_items(mp_wsgi_response_t *response, PyObject *sequence)
{
    int status = 0;
    for (Py_ssize_t i = 0; status == 0; i++) {
        const Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
        if (i >= size) { /* looked at each time: sending may run filters */
            break;
        }
        PyObject *chunk = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, i));
        status = mp_wsgi_response_send(response, chunk, 0);
        Py_DECREF(chunk);
    }
    return status < 0 ? -1 : 0;
}

static int
send_result(mp_state_t *state, mp_wsgi_response_t *response, PyObject *result)
{
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        return send_items(response, result);
    }
    if (PyBytes_CheckExact(result) || PyUnicode_CheckExact(result)) {
        /* An iterable over its characters, to the letter; nobody means it. */
        return mp_wsgi_response_send(response, result, 0) < 0 ? -1 : 0;
    }
    if (Py_IS_TYPE(result, state->types[MP_TYPE_WSGI_FILE_WRAPPER])) {
        const int sent = mp_wsgi_file_send(response, result);
        if (sent) {
            return sent < 0 ? -1 : 0;
        }
    }
    if (result == Py_None) {
        PyErr_SetString(PyExc_TypeError, "the application has returned None, "
                        "not an iterable");
        return -1;
    }
    return send_each(response, result);
}

/* Call result.close(), if there is one; an exception in flight stays, as the
 * context of one that close() raises. 0, or -1 when it raises. */
static int
close_result(mp_state_t *state, PyObject *result)
{
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        return 0;
    }
    PyObject *before = PyErr_GetRaisedException();
    PyObject *method = NULL;
    int status = PyObject_GetOptionalAttr(
        result, mp_web_of(state)->names.close, &method);
    if (method) {
        PyObject *answer = PyObject_CallNoArgs(method);
        status = answer ? 0 : -1;
        Py_XDECREF(answer);
        Py_DECREF(method);
    }
    if (status >= 0) {
        PyErr_SetRaisedException(before);
        return 0;
    }
    if (before) {
        PyObject *exc = PyErr_GetRaisedException();
        PyException_SetContext(exc, before);
        PyErr_SetRaisedException(exc);
    }
    return -1;
}

/* The response is complete, but close() has failed: only the log is told. */
static void
log_close(const call_t *call)
{
    char what[256];
    snprintf(what, sizeof(what), "close() of the response of %s failed",
             call->text);
    mp_error_log(call->state, MP_LOG_REQUEST(call->r), "MPY0574", what);
}

/* Has the client announced more than LimitRequestBody? Then reading would tell
 * the application, and frameworks make 500 of what they do not know. */
static int
is_too_large(const request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    const apr_off_t limit = text ? ap_get_limit_req_body(r) : 0;
    apr_off_t length;
    return limit > 0 && ap_parse_strict_length(&length, text)
           && length > limit;
}

static PyObject *
refuse_large(const call_t *call)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_plain(MP_LOG_REQUEST(call->r), APLOG_INFO, "mod_python.wsgi: the "
                 "body is larger than LimitRequestBody allows");
    mp_thread_resume(held);
    return PyLong_FromLong(HTTP_REQUEST_ENTITY_TOO_LARGE);
}

/* 0, or -1 with an exception. */
static int
run(const call_t *call, PyObject *application, mp_wsgi_response_t *response)
{
    PyObject *env = mp_wsgi_environ(call->state, call->object, call->r,
                                    call->base);
    PyObject *args[] = {env, (PyObject *)response};
    PyObject *result = env ? PyObject_Vectorcall(application, args, 2, NULL)
                           : NULL;
    int failed = result ? send_result(call->state, response, result) : -1;
    if (result && !failed) {
        failed = mp_wsgi_response_finish(response);
    }
    if (failed) {
        mp_wsgi_response_abandon(response);
    }
    if (result && close_result(call->state, result) < 0 && !failed) {
        log_close(call);
    }
    Py_XDECREF(result);
    Py_XDECREF(env);
    return failed;
}

static PyObject *
handle_call(call_t *call)
{
    const apr_table_t *options = mp_request_options(
        (mp_request_object_t *)call->object);
    if (!options) {
        return NULL;
    }
    call->handler = running_handler(call);
    call->text = find_option(options, APPLICATION);
    if (!call->text) {
        return decline(call, "MPY0570", "there is no PythonOption "
                       APPLICATION " here; set it to module::callable");
    }
    const char *wrong = find_base(call, options);
    if (wrong) {
        return decline(call, "MPY0571", wrong);
    }
    const char *missing = NULL;
    PyObject *application = find_application(call, &missing);
    if (missing) {
        return decline(call, "MPY0572", apr_psprintf(
            call->r->pool, "there is no such %s as PythonOption "
            APPLICATION " names, %s", missing, call->text));
    }
    if (application && is_too_large(call->r)) {
        Py_DECREF(application);
        return refuse_large(call);
    }
    mp_wsgi_response_t *response = application
        ? mp_wsgi_response_create(call->state, call->object) : NULL;
    const int failed = response ? run(call, application, response) : -1;
    Py_XDECREF(response);
    Py_XDECREF(application);
    return failed ? NULL : PyLong_FromLong(OK);
}

PyDoc_STRVAR(handler_doc,
"handler(req, /)\n--\n\n"
"PythonHandler mod_python.wsgi: answer with the WSGI application that\n"
"PythonOption mod_python.wsgi.application names.");

static PyObject *
function_handler(PyObject *module, PyObject *object)
{
    call_t call = {.state = mp_state_of_module(module), .object = object};
    if (!Py_IS_TYPE(object, call.state->types[MP_TYPE_REQUEST])) {
        return PyErr_Format(PyExc_TypeError, "a request object is needed, not "
                            "%.200s", Py_TYPE(object)->tp_name);
    }
    call.r = mp_request_ptr_open(object);
    return call.r ? handle_call(&call) : NULL;
}

PyMethodDef mp_wsgi_functions[] = {
    {"wsgi_handler", function_handler, METH_O, handler_doc},
    {NULL, NULL, 0, NULL}
};
