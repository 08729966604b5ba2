/* call.c - the way into Python for a request, and the way back. */
#include "runtime/python.h"

#include "hooks/call.h"

#include "hooks/interpreter.h"
#include "hooks/reload.h"
#include "importer/api.h"
#include "objects/request.h"
#include "runtime/path.h"
#include "runtime/stream.h"
#include "server/log.h"

#include <http_core.h>

/* Pin the generation that the whole request sees, unless an earlier visit has
 * done so. [attached] */
static void
pin(mp_call_t *call, mp_holding_t *holding, const mp_handler_t *whole,
    int is_stale)
{
    mp_importer_t *importer = call->interp->state->importer;
    if (!holding->pin) {
        if (mp_importer_add_applications(importer,
                                         call->request->r->server) < 0) {
            PyErr_Clear(); /* out of memory: those modules stay cold */
        }
        holding->pin = mp_importer_pin(importer, is_stale, whole,
                                       call->request->r);
        mp_thread_set_pin(holding->pin);
    }
    call->pin = holding->pin;
}

int
mp_call_begin(mp_call_t *call, request_rec *r, const mp_handler_t *first,
              const mp_handler_t *whole, const char *what)
{
    call->request = mp_context_get(r);
    call->config = mp_config_of_request(r);
    call->proxy = NULL;
    call->interp = mp_interpreter_of_request(r, call->config, first);
    if (!call->interp) {
        mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0405",
               "%s: there is no Python in this process; an earlier line says "
               "why", what);
        return -1;
    }
    mp_holding_t *holding = mp_context_holding(call->request->root,
                                               call->interp);
    int is_stale = !holding->pin
                   && mp_reload_is_due(call->interp->state->importer,
                                       call->config);
    if (mp_thread_enter(&call->outer, call->interp, holding->pin) < 0) {
        mp_log(MP_LOG_REQUEST(r), APLOG_CRIT, 0, "MPY0404",
               "%s: this thread cannot run Python (out of memory)", what);
        return -1;
    }
    call->place = mp_thread_set_place(MP_LOG_REQUEST(r));
    pin(call, holding, whole, is_stale);
    return 0;
}

int
mp_call_prepare(mp_call_t *call)
{
    mp_state_t *state = call->interp->state;
    if (call->config->path
        && mp_path_apply(state, call->config->path) < 0) {
        return -1;
    }
    call->proxy = mp_request_wrap(state, call->request);
    return call->proxy ? 0 : -1;
}

static PyObject *
debug(PyObject *callable, PyObject *argument)
{
    PyObject *debugger = PyImport_ImportModule("mod_python.debugger");
    PyObject *result = debugger
        ? PyObject_CallMethod(debugger, "runcall", "OO", callable, argument)
        : NULL;
    Py_XDECREF(debugger);
    return result;
}

PyObject *
mp_call_object(const mp_dir_config_t *config, PyObject *callable,
               PyObject *argument)
{
    if (config->enable_pdb > 0
        && (ap_exists_config_define("ONE_PROCESS")
            || ap_exists_config_define("DEBUG"))) { /* httpd -X */
        return debug(callable, argument);
    }
    return PyObject_CallOneArg(callable, argument);
}

void
mp_call_end(mp_call_t *call)
{
    Py_CLEAR(call->proxy);
    mp_stream_end_lines(call->interp->state);
    mp_thread_set_place(call->place);
    mp_thread_leave(&call->outer);
}
