/* server_info.h - mp_server: server_rec. Never expires: servers
 * live as long as the child. */
#ifndef MP_OBJECTS_SERVER_INFO_H
#define MP_OBJECTS_SERVER_INFO_H

#include "runtime/state.h"

extern PyType_Spec mp_server_spec;

/* New reference; NULL with an exception. s is not NULL. */
PyObject *mp_server_wrap(mp_state_t *state, server_rec *s);

#endif
