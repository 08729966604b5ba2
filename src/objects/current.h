/* current.h - which request runs in this thread, for programs that were not
 * given it. */
#ifndef MP_OBJECTS_CURRENT_H
#define MP_OBJECTS_CURRENT_H

#include "runtime/state.h"

extern PyMethodDef mp_current_functions[];

#endif
