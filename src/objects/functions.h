/* functions.h - the functions of _apache that are about httpd as a whole:
 * log_error, server_root, mpm_query, exists_config_define, stat, config_tree,
 * register_cleanup (api.md 4.1, 4.2). */
#ifndef MP_OBJECTS_FUNCTIONS_H
#define MP_OBJECTS_FUNCTIONS_H

#include "runtime/state.h"

extern PyMethodDef mp_functions[];

/* Run what apache.register_cleanup() and server.register_cleanup() left in
 * this interpreter, last registered first; errors are logged and the next
 * still runs. [attached] */
void mp_functions_run_cleanups(mp_state_t *state);

/* Keep (callable, data) for mp_functions_run_cleanups(). 0, or -1 with
 * ValueError when callable is not callable. [attached] */
int mp_functions_add_cleanup(mp_state_t *state, PyObject *callable,
                             PyObject *data);

#endif
