/* path.h - PythonPath: the sys.path that a configuration asks for. */
#ifndef MP_RUNTIME_PATH_H
#define MP_RUNTIME_PATH_H

#include "runtime/state.h"

/* See that sys.path is what the expression says. Each distinct text is
 * evaluated once in an interpreter; two texts alternating in one interpreter
 * are reported once. 0, or -1 with the exception of the expression.
 * [attached] */
int mp_path_apply(mp_state_t *state, const char *expression);

/* New list of a sequence of directories. A str or bytes, which would be a list
 * of its characters, is TypeError naming `what`. [attached] */
PyObject *mp_path_list(PyObject *value, const char *what);

#endif
