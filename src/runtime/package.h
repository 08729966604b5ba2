/* package.h - the Python package mod_python, as the C code meets it. */
#ifndef MP_RUNTIME_PACKAGE_H
#define MP_RUNTIME_PACKAGE_H

#include "runtime/state.h"

/* Import mod_python.apache, see that its version is ours, and call its
 * init(name, server). server: what init gets. 0, or -1 with an exception.
 * [attached] */
int mp_package_start(mp_state_t *state, PyObject *server);

#endif
