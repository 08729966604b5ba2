/* module.h - the built-in module _apache: multi-phase, one state for each
 * interpreter, assembled from what the upper layers export. */
#ifndef MP_RUNTIME_MODULE_H
#define MP_RUNTIME_MODULE_H

#include "runtime/state.h"

/* Once for the process, before Python is initialised: puts _apache into the
 * table of built-in modules. exports must stay. 0 or -1. */
int mp_module_append(const mp_exports_t *exports);

/* The exports given to mp_module_append(). */
const mp_exports_t *mp_module_exports(void);

#endif
