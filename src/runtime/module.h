/* module.h - the built-in module _apache: multi-phase, one state for each
 * interpreter, assembled from what the upper layers export. */
#ifndef MP_RUNTIME_MODULE_H
#define MP_RUNTIME_MODULE_H

#include "runtime/state.h"

/* What _apache is made of; exports must stay. When httpd loads the module. */
void mp_module_set_exports(const mp_exports_t *exports);
const mp_exports_t *mp_module_exports(void);

/* Once for the process, before Python is initialised: puts _apache and
 * the further modules into the table of built-in ones. 0 or -1. */
int mp_module_append(void);

#endif
