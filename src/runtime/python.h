/* python.h - the only includer of Python.h.
 *
 * Every file that sees Python includes this first, because Python.h must come
 * before any system header. */
#ifndef MP_RUNTIME_PYTHON_H
#define MP_RUNTIME_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "runtime/compat.h"

#endif
