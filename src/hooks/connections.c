/* connections.c - a Python handler that speaks its own protocol on a whole
 * connection. Each connection sees one generation, from its first byte to its
 * last. */
#include "runtime/python.h"

#include "hooks/connections.h"

#include "hooks/call.h"
#include "hooks/interpreter.h"
#include "hooks/reload.h"
#include "importer/api.h"
#include "objects/connection.h"
#include "runtime/error.h"
#include "runtime/path.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/log.h"

#include <http_config.h>
#include <http_connection.h>

/* The handler's result; -1 when it raised or gave no int, which is logged. */
static int
call_handler(mp_state_t *state, conn_rec *c, const mp_handler_t *handler,
             PyObject *pin, const apr_array_header_t *handlers)
{
    int code = -1;
    PyObject *result = NULL, *callable = NULL;
    const mp_dir_config_t *config = mp_config_of_server_defaults(
        c->base_server);
    PyObject *connection = mp_connection_wrap(state, c);
    if (connection
        && (!config->path || mp_path_apply(state, config->path) == 0)) {
        mp_connection_set_handlers(connection, handlers);
        callable = mp_importer_resolve(
            state->importer, pin, handler, MP_PHASE_CONNECTION, NULL,
            connection);
    }
    if (callable) {
        result = mp_call_object(config, callable, connection);
    }
    if (result && PyLong_Check(result)) {
        code = (int)PyLong_AsLong(result);
    }
    else if (result) {
        PyErr_Format(PyExc_TypeError, "a connection handler must return an "
                     "int such as apache.OK, not %s",
                     Py_TYPE(result)->tp_name);
    }
    if (PyErr_Occurred()) {
        code = -1;
        mp_error_log(state, MP_LOG_CONN(c), "MPY0410", handler->text);
    }
    if (connection) {
        mp_connection_set_handlers(connection, NULL);
    }
    Py_XDECREF(result);
    Py_XDECREF(callable);
    Py_XDECREF(connection);
    return code;
}

static int
run_handler(mp_interp_t *interp, conn_rec *c,
            const apr_array_header_t *handlers)
{
    const mp_handler_t *handler = APR_ARRAY_IDX(handlers, 0,
                                                const mp_handler_t *);
    const mp_dir_config_t *config = mp_config_of_server_defaults(
        c->base_server);
    mp_importer_t *importer = interp->state->importer;
    int is_stale = mp_reload_is_due(importer, config);
    mp_thread_scope_t outer;
    if (mp_thread_enter(&outer, interp, NULL) < 0) {
        return -1;
    }
    mp_log_place_t place = mp_thread_set_place(MP_LOG_CONN(c));
    PyObject *pin = mp_importer_pin(importer, is_stale, NULL, NULL);
    mp_thread_set_pin(pin);
    int code = call_handler(interp->state, c, handler, pin, handlers);
    mp_thread_set_pin(NULL);
    mp_importer_unpin(pin);
    mp_thread_set_place(place);
    mp_thread_leave(&outer);
    return code;
}

static int
process_connection(conn_rec *c)
{
    const apr_array_header_t *handlers = mp_config_of_server(
        c->base_server)->connection_handlers;
    /* A secondary connection is one stream of HTTP/2: not ours to speak on. */
    if (!handlers || !handlers->nelts || c->master) {
        return DECLINED;
    }
    mp_interp_t *interp = mp_interpreter_of_server(c->base_server);
    int code = interp ? run_handler(interp, c, handlers) : -1;
    if (code == DECLINED) {
        return DECLINED;
    }
    if (c->cs) {
        c->cs->state = CONN_STATE_LINGER; /* for event: close it */
    }
    return code < 0 ? OK : code;
}

void
mp_connections_register(apr_pool_t *pool)
{
    ap_hook_process_connection(process_connection, NULL, NULL,
                               APR_HOOK_MIDDLE);
}
