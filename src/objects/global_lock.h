/* global_lock.h - _global_lock, _global_trylock and _global_unlock: the locks
 * of server/mutex.h for programs. */
#ifndef MP_OBJECTS_GLOBAL_LOCK_H
#define MP_OBJECTS_GLOBAL_LOCK_H

#include "runtime/state.h"

extern PyMethodDef mp_global_lock_functions[];

#endif
