/* lock.h - the stage lock: whoever holds it may execute module bodies.
 *
 * One for each interpreter. The owner may take it again. It is waited for
 * detached only, and not for ever (docs/internals/locks.md). */
#ifndef MP_IMPORTER_LOCK_H
#define MP_IMPORTER_LOCK_H

#include "importer/importer.h"

/* [attached; waits detached, at most importer->timeout_ms] 0 got it; -1 with
 * TimeoutError naming the module that is being executed. */
int mp_lock_take(mp_importer_t *importer);
void mp_lock_leave(mp_importer_t *importer);
int mp_lock_is_mine(mp_importer_t *importer);

#endif
