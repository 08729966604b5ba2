/* connection.h - mp_conn: conn_rec. Expires with c->pool. */
#ifndef MP_OBJECTS_CONNECTION_H
#define MP_OBJECTS_CONNECTION_H

#include "runtime/state.h"
#include "server/handlers.h"

extern PyType_Spec mp_connection_spec;

/* Wrap c for Python. New reference; the same object for the same c and
 * interpreter while it lives. Registers a cleanup on c->pool that expires it.
 * NULL with an exception. */
PyObject *mp_connection_wrap(mp_state_t *state, conn_rec *c);

/* While a connection handler runs: conn.hlist shows this list. NULL ends
 * it. */
void mp_connection_set_handlers(PyObject *connection,
                                const apr_array_header_t *handlers);

#endif
