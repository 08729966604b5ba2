/* functions.h - the functions of _apache that are about httpd as a whole:
 * log_error, server_root, mpm_query, exists_config_define, stat, config_tree,
 * register_cleanup. */
#ifndef MP_OBJECTS_FUNCTIONS_H
#define MP_OBJECTS_FUNCTIONS_H

#include "runtime/state.h"
#include "server/log.h"

extern PyMethodDef mp_functions[];

/* What all methods log_error(message, level) do, for the log of place: None is
 * ignored, level 0 means APLOG_ERR. None, or NULL with TypeError or
 * ValueError.
 * [attached; detaches while writing] */
PyObject *mp_functions_log(mp_log_place_t place, PyObject *message, int level);

/* Run what apache.register_cleanup() and server.register_cleanup() left in
 * this interpreter, last registered first; errors are logged and the next
 * still runs. [attached] */
void mp_functions_run_cleanups(mp_state_t *state);

/* Keep (callable, data) for mp_functions_run_cleanups(). 0, or -1 with
 * ValueError when callable is not callable. [attached] */
int mp_functions_add_cleanup(mp_state_t *state, PyObject *callable,
                             PyObject *data);

#endif
