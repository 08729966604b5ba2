/* error.h - the one place where exceptions become log lines, pages and codes,
 * and where httpd's failures become exceptions. */
#ifndef MP_RUNTIME_ERROR_H
#define MP_RUNTIME_ERROR_H

#include <apr_errno.h>

#include "runtime/state.h"
#include "server/log.h"

/* Write the exception in flight to the log of place, level err, under code:
 * one header line "<what>: <type>: <message>", then the traceback line by
 * line. Clears it. Where an extension module refuses another interpreter the
 * header line ends with the remedy. [attached; detaches while writing] */
void mp_error_log(mp_state_t *state, mp_log_place_t place, const char *code,
                  const char *what);

/* The traceback of exc as text, as Python prints it. New str; NULL with an
 * exception set on failure. */
PyObject *mp_error_format(mp_state_t *state, PyObject *exc);

/* Raise OSError(message), with ": <text of status>" appended if status != 0.
 * Always NULL. */
PyObject *mp_error_raise_os(const char *message, apr_status_t status);

#endif
