/* phases.c - httpd calls a hook, one runner runs the handlers of its phase.
 *
 * What differs between phases is in the table mp_phases (server/handlers.h)
 * and in the few lines of each hook below. The runner: configuration ->
 * record -> interpreter -> attach -> pin -> handlers -> result. */
#include "runtime/python.h"

#include "hooks/phases.h"

#include "hooks/call.h"
#include "hooks/error_page.h"
#include "importer/api.h"
#include "objects/request.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/context.h"
#include "server/log.h"
#include "web/session_request.h"

#include <ap_expr.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

/* One run of a phase; lives on the runner's stack. */
typedef struct {
    mp_call_t call;
    mp_phase_t phase;
    const mp_handler_t *handler; /* the one that runs now */
    int ran;            /* handlers that were called */
} run_t;

/* ---- results ----------------------------------------------------------- */

static void
log_in_run(run_t *run, const char *code, const char *what)
{
    char text[512];
    snprintf(text, sizeof(text), "%s %s: %s", mp_phases[run->phase].directive,
             run->handler->text, what);
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(run->call.request->r), APLOG_ERR, 0, code, "%s",
           text);
    mp_thread_resume(held);
}

/* A handler's result as httpd's code. */
static int
result_code(run_t *run, PyObject *result)
{
    if (PyLong_Check(result)) {
        int overflow;
        long code = PyLong_AsLongAndOverflow(result, &overflow);
        if (!overflow && code >= -1000 && code <= 1000) {
            return (int)code;
        }
    }
    char what[256];
    snprintf(what, sizeof(what),
             "returned %s, not a status; return apache.OK or another int",
             Py_TYPE(result)->tp_name);
    log_in_run(run, "MPY0402", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* raise SERVER_RETURN(result[, status]). Takes the exception in flight. */
static int
server_return_code(run_t *run)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *args = PyObject_GetAttrString(exc, "args");
    int code = HTTP_INTERNAL_SERVER_ERROR;
    if (args && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0) {
        code = result_code(run, PyTuple_GET_ITEM(args, 0));
        PyObject *status = PyTuple_GET_SIZE(args) > 1
                               ? PyTuple_GET_ITEM(args, 1) : Py_None;
        if (PyLong_Check(status) && PyLong_AsLong(status) > 0) {
            run->call.request->r->status = (int)PyLong_AsLong(status);
        }
    }
    else {
        log_in_run(run, "MPY0403", "raised SERVER_RETURN without a result");
    }
    PyErr_Clear();
    Py_XDECREF(args);
    Py_DECREF(exc);
    return code;
}

/* Part of the response has gone out: nothing can be taken back, but the
 * client must not take what it got for the whole. */
static int
break_off_response(request_rec *r)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, c->bucket_alloc);
    c->keepalive = AP_CONN_CLOSE;
    /* 502 means to httpd: the end is missing, and must be seen to be. What has
     * not left is dropped for a page that says 500. */
    APR_BRIGADE_INSERT_TAIL(
        brigade, ap_bucket_error_create(r->sent_bodyct
                                            ? HTTP_BAD_GATEWAY
                                            : HTTP_INTERNAL_SERVER_ERROR,
                                        NULL, r->pool, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(c->bucket_alloc));
    ap_pass_brigade(r->output_filters, brigade);
    return DONE;
}

/* May a page still be sent from this phase? */
static int
may_send_page(const run_t *run)
{
    return run->phase != MP_PHASE_LOG && run->phase != MP_PHASE_CLEANUP
           && !run->call.request->r->connection->aborted
           && mp_config_debug(run->call.config);
}

/* Detached. An exception has been logged: what becomes of the response. */
static int
answer_exception(run_t *run, const char *traceback)
{
    request_rec *r = run->call.request->r;
    if (mp_request_is_answered(r)) {
        return DONE;
    }
    if (run->phase == MP_PHASE_HANDLER
        && run->call.request->bytes_queued > 0) {
        return r->connection->aborted ? DONE : break_off_response(r);
    }
    if (!traceback || !may_send_page(run)) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    mp_error_page_send(run->call.request, run->handler,
                       mp_phases[run->phase].directive, run->call.interp->name,
                       traceback);
    return DONE;
}

/* The exception in flight ends the phase. */
static int
exception_code(run_t *run)
{
    mp_state_t *state = run->call.interp->state;
    request_rec *r = run->call.request->r;
    if (PyErr_ExceptionMatches(state->server_return)) {
        return server_return_code(run);
    }
    mp_text_view_t view = {0};
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = mp_config_debug(run->call.config)
                         ? mp_error_format(state, exc) : NULL;
    if (!text || mp_text_view(&view, text, "traceback") < 0) {
        PyErr_Clear(); /* no page, then; the log has its own copy */
    }
    if (r->connection->aborted && PyErr_GivenExceptionMatches(
                                      exc, PyExc_OSError)) {
        /* The client went away: nobody's fault, one line. */
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log_plain(MP_LOG_REQUEST(r), APLOG_INFO,
                     "%s %s: the client went away",
                     mp_phases[run->phase].directive, run->handler->text);
        mp_thread_resume(held);
    }
    else {
        char what[512];
        snprintf(what, sizeof(what), "%s %s (interpreter '%s', pid %ld)",
                 mp_phases[run->phase].directive, run->handler->text,
                 run->call.interp->name, (long)getpid());
        PyErr_SetRaisedException(Py_NewRef(exc));
        mp_error_log(state, MP_LOG_REQUEST(r), "MPY0401", what);
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int code = answer_exception(run, view.bytes);
    mp_thread_resume(held);
    mp_text_release(&view);
    Py_XDECREF(text);
    Py_DECREF(exc);
    return code;
}

/* ---- running handlers -------------------------------------------------- */

/* Call the running handler: its result, or DECLINED when it is silent and has
 * nothing for this phase. */
static int
run_handler(run_t *run)
{
    PyObject *callable = mp_importer_resolve(
        run->call.interp->state->importer, run->call.pin, run->handler,
        run->phase, run->call.request->r, run->call.proxy);
    if (!callable && !PyErr_Occurred()) {
        return DECLINED;
    }
    run->ran++;
    PyObject *result = callable
        ? mp_call_object(run->call.config, callable, run->call.proxy) : NULL;
    Py_XDECREF(callable);
    int code = result ? result_code(run, result) : exception_code(run);
    Py_XDECREF(result);
    return code;
}

static int
goes_on(mp_phase_t phase, int code)
{
    const mp_phase_row_t *row = &mp_phases[phase];
    return phase == MP_PHASE_CLEANUP /* nobody looks at its results */
           || (code == OK && row->goes_on_after_ok)
           || (code == DECLINED && row->goes_on_after_declined);
}

/* Run the handlers of a list, which may grow meanwhile. Sets *code to the
 * result of the last that ran; 0 when the phase is to end. */
static int
run_list(run_t *run, const apr_array_header_t *list, int *code)
{
    mp_request_t *request = run->call.request;
    request->running = list;
    for (int i = 0; list && i < list->nelts; i++) {
        int before = run->ran;
        request->running_index = i;
        run->handler = APR_ARRAY_IDX(list, i, const mp_handler_t *);
        int result = run_handler(run);
        if (run->ran == before) {
            continue;
        }
        *code = result;
        if (!goes_on(run->phase, result)) {
            return 0;
        }
    }
    return 1;
}

static int
run_lists(run_t *run, const apr_array_header_t *configured)
{
    mp_request_t *request = run->call.request;
    mp_request_t before = *request;
    int code = DECLINED;
    request->phase = run->phase;
    if (run_list(run, configured, &code)) {
        /* The array may be made by one of those that just ran. */
        run_list(run, request->added[run->phase], &code);
    }
    request->phase = before.phase;
    request->running = before.running;
    request->running_index = before.running_index;
    return code;
}

/* ---- a phase ----------------------------------------------------------- */

static int
run_phase(request_rec *r, mp_phase_t phase,
          const apr_array_header_t *configured, const char *extension)
{
    mp_request_t *request = mp_context_get(r);
    run_t run = {.phase = phase};
    const apr_array_header_t *first = configured && configured->nelts
        ? configured : request->added[phase];
    if (extension) {
        request->extension = extension;
    }
    run.handler = APR_ARRAY_IDX(first, 0, const mp_handler_t *);
    const int is_whole = phase == MP_PHASE_HANDLER && first->nelts == 1;
    if (mp_call_begin(&run.call, r, run.handler, is_whole ? run.handler : NULL,
                      mp_phases[phase].directive) < 0) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    int code = mp_call_prepare(&run.call) < 0 ? exception_code(&run)
                                              : run_lists(&run, configured);
    mp_call_end(&run.call);
    return code;
}

/* Asked in every hook of every request of the server, so it calls nothing. */
static int
has_handlers(const request_rec *r, mp_phase_t phase)
{
    const mp_dir_config_t *config = ap_get_module_config(r->per_dir_config,
                                                         &python_module);
    const mp_request_t *request = ap_get_module_config(r->request_config,
                                                       &python_module);
    return config->phases & (1u << phase)
           || (request && request->added[phase]);
}

static int
run_if_configured(request_rec *r, mp_phase_t phase)
{
    const char *extension = NULL;
    if (!has_handlers(r, phase)) {
        return DECLINED;
    }
    const apr_array_header_t *configured = mp_config_handlers(
        mp_config_of_request(r), phase, r, &extension);
    mp_request_t *request = mp_context_find(r);
    if (!configured && !(request && request->added[phase])) {
        return DECLINED;
    }
    return run_phase(r, phase, configured, extension);
}

/* ---- hooks ------------------------------------------------------------- */

/* Server-level init handlers run here, those of directories in the header
 * parser phase. */
static int
run_init(request_rec *r, int at_server_level)
{
    const char *extension = NULL;
    if (!has_handlers(r, MP_PHASE_INIT)) {
        return DECLINED;
    }
    const apr_array_header_t *configured = mp_config_handlers(
        mp_config_of_request(r), MP_PHASE_INIT, r, &extension);
    mp_request_t *request = mp_context_find(r);
    if (configured && configured->nelts
        && APR_ARRAY_IDX(configured, 0, const mp_handler_t *)->is_server
               != (unsigned)at_server_level) {
        configured = NULL;
    }
    if (!configured
        && (at_server_level || !request || !request->added[MP_PHASE_INIT])) {
        return DECLINED;
    }
    return run_phase(r, MP_PHASE_INIT, configured, extension);
}

static int
post_read_request(request_rec *r)
{
    int code = run_init(r, 1);
    if (code != OK && code != DECLINED) {
        return code;
    }
    return run_if_configured(r, MP_PHASE_POST_READ_REQUEST);
}

/* The two names that SetHandler and AddHandler know us by. */
static int
is_ours(const char *name)
{
    return name && (!strcmp(name, "mod_python")
                    || !strcmp(name, "python-program"));
}

static int
needs_files(const apr_array_header_t *handlers)
{
    for (int i = 0; i < handlers->nelts; i++) {
        if (APR_ARRAY_IDX(handlers, i, const mp_handler_t *)->is_of_files) {
            return 1;
        }
    }
    return 0;
}

/* Does a Location give this URL to a Python content handler, whatever files
 * there are? Then there is nothing to map and nothing to look for on disk. */
static int
owns_url(request_rec *r)
{
    const mp_dir_config_t *config = mp_config_of_request(r);
    const apr_array_header_t *handlers = config->handlers[MP_PHASE_HANDLER];
    if (!handlers || !handlers->nelts
        || !APR_ARRAY_IDX(handlers, 0, const mp_handler_t *)->is_location
        || needs_files(handlers)) {
        return 0;
    }
    const core_dir_config *core = ap_get_core_module_config(
        r->per_dir_config);
    const char *error = NULL;
    const char *name = core->handler;
    if (core->expr_handler) { /* SetHandler, also where it is a plain word */
        name = ap_expr_str_exec(r, core->expr_handler, &error);
    }
    return !error && is_ours(name);
}

static int
translate_name(request_rec *r)
{
    int code = run_if_configured(r, MP_PHASE_TRANS);
    if (code == DECLINED && owns_url(r)) {
        r->filename = apr_pstrdup(r->pool, r->uri);
        mp_context_get(r)->owns_url = 1;
        return OK;
    }
    return code;
}

static int
map_to_storage(request_rec *r)
{
    const mp_request_t *request = mp_context_find(r);
    return request && request->owns_url ? OK : DECLINED;
}

static int
header_parser(request_rec *r)
{
    int code = run_init(r, 0);
    if (code != OK && code != DECLINED) {
        return code;
    }
    return run_if_configured(r, MP_PHASE_HEADER_PARSER);
}

static int
access_checker(request_rec *r)
{
    return run_if_configured(r, MP_PHASE_ACCESS);
}

/* The challenge for a Python handler that refuses, also where mod_auth_basic
 * is not there to make it. */
static void
note_auth_failure(request_rec *r)
{
    ap_note_auth_failure(r);
    const char *type = ap_auth_type(r);
    const char *header = r->proxyreq == PROXYREQ_PROXY ? "Proxy-Authenticate"
                                                       : "WWW-Authenticate";
    if (type && !ap_cstr_casecmp(type, "Basic")
        && !apr_table_get(r->err_headers_out, header)) {
        const char *realm = ap_auth_name(r);
        apr_table_setn(r->err_headers_out, header,
                       apr_pstrcat(r->pool, "Basic realm=\"",
                                   ap_escape_quotes(r->pool,
                                                    realm ? realm : ""),
                                   "\"", NULL));
    }
}

static int
check_user_id(request_rec *r)
{
    int code = run_if_configured(r, MP_PHASE_AUTHEN);
    if (code == OK && !r->user) {
        mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0406",
               "PythonAuthenHandler returned OK without a user; set req.user "
               "(req.get_basic_auth_pw() does) before returning OK");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (code == HTTP_UNAUTHORIZED) {
        note_auth_failure(r);
    }
    return code;
}

static int
auth_checker(request_rec *r)
{
    return run_if_configured(r, MP_PHASE_AUTHZ);
}

static int
type_checker(request_rec *r)
{
    return run_if_configured(r, MP_PHASE_TYPE);
}

static int
fixups(request_rec *r)
{
    return run_if_configured(r, MP_PHASE_FIXUP);
}

static int
handler(request_rec *r)
{
    if (!is_ours(r->handler)) {
        return DECLINED;
    }
    const mp_dir_config_t *config = mp_config_of_request(r);
    mp_request_t *request = mp_context_find(r);
    if (!config->handlers[MP_PHASE_HANDLER]
        && !(config->extension_phases & (1u << MP_PHASE_HANDLER))
        && !(request && request->added[MP_PHASE_HANDLER])) {
        /* Declining would show the source to the client. */
        mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0407",
               "SetHandler %s, but no PythonHandler for %s; add one",
               r->handler, r->uri);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    int code = run_if_configured(r, MP_PHASE_HANDLER);
    /* After an internal redirect, or an answer that httpd gave by itself, a
     * page of ours would be taken for the next response. */
    return code != OK && mp_request_is_answered(r) ? DONE : code;
}

static int
log_transaction(request_rec *r)
{
    if (mp_config_of_request(r)->handlers[MP_PHASE_CLEANUP]
        || mp_config_of_request(r)->extension_phases
               & (1u << MP_PHASE_CLEANUP)) {
        /* The cleanup phase comes with the record's end: see that there is
         * one. */
        mp_context_get(r);
    }
    /* Whatever it returns, others are to write their logs. */
    return run_if_configured(r, MP_PHASE_LOG) == DECLINED ? DECLINED : OK;
}

/* ---- the end of a request ---------------------------------------------- */

static void
run_cleanups(mp_request_t *request, mp_holding_t *holding)
{
    if (!holding->cleanups) {
        return; /* which needs no Python to see */
    }
    mp_interp_t *interp = holding->interp;
    mp_holding_t *root = mp_context_holding(request->root, interp);
    mp_thread_scope_t outer;
    if (mp_thread_enter(&outer, interp, root->pin) < 0) {
        return;
    }
    mp_log_place_t place = mp_thread_set_place(MP_LOG_REQUEST(request->r));
    if (holding->proxy) {
        mp_proxy_adopt(holding->proxy);
    }
    mp_request_run_cleanups(interp->state, request, holding);
    mp_thread_set_place(place);
    mp_thread_leave(&outer);
}

static void
release(mp_request_t *request, mp_holding_t *holding)
{
    mp_thread_scope_t outer;
    if (mp_thread_enter(&outer, holding->interp, holding->pin) < 0) {
        return; /* in a signal handler, as the process ends */
    }
    if (holding->sessions) {
        mp_session_end(request, holding);
    }
    if (holding->proxy) {
        mp_proxy_expire(holding->proxy);
        Py_CLEAR(holding->proxy);
    }
    Py_CLEAR(holding->cleanups);
    Py_CLEAR(holding->kept);
    Py_CLEAR(holding->started);
    mp_thread_set_pin(NULL);
    mp_importer_unpin(holding->pin);
    holding->pin = NULL;
    mp_thread_leave(&outer);
}

/* Callables that the program registered, the cleanup phase, and then nothing
 * of Python holds the request any more. [detached] */
static void
end_request(mp_request_t *request)
{
    for (mp_holding_t *holding = request->holdings; holding;
         holding = holding->next) {
        run_cleanups(request, holding);
    }
    run_if_configured(request->r, MP_PHASE_CLEANUP);
    for (mp_holding_t *holding = request->holdings; holding;
         holding = holding->next) {
        release(request, holding);
    }
}

/* mod_mime always has an answer; a Python type handler is asked before. */
static const char *const before_mime[] = {"mod_mime.c", NULL};
/* A Python log handler may fill req.log_items. */
static const char *const before_log[] = {"mod_log_config.c", NULL};

void
mp_phases_register(apr_pool_t *pool)
{
    mp_context_set_end(end_request);
    ap_hook_post_read_request(post_read_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(translate_name, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(header_parser, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_access_checker(access_checker, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_user_id(check_user_id, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_auth_checker(auth_checker, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(type_checker, NULL, before_mime, APR_HOOK_MIDDLE);
    ap_hook_fixups(fixups, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(log_transaction, NULL, before_log,
                            APR_HOOK_MIDDLE);
}
