/* attempt.h - what is left of a load that failed.
 *
 * Whoever imported in vain may go on all the same (`try: import x`), and is to
 * be executed again when the reason is mended, however far down that is. So it
 * takes over what the failed module had looked at. The holder of the stage
 * lock only. [attached] */
#ifndef MP_IMPORTER_ATTEMPT_H
#define MP_IMPORTER_ATTEMPT_H

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/instance.h"

/* Remember that instance did not load: threads that wait for this very load
 * are to get exc, not to repeat it one after the other. 0 or -1. */
int mp_attempt_note(mp_importer_t *importer, mp_instance_t *instance,
                    PyObject *exc);

/* The exception of a module that failed while this thread waited for it,
 * borrowed, or NULL (no exception). */
PyObject *mp_attempt_exception(mp_importer_t *importer, PyObject *name);

/* holder has imported the module of this name in vain. The exception in
 * flight stays; memory that runs out meanwhile is not told. */
void mp_attempt_inherit(mp_importer_t *importer, mp_generation_t *generation,
                        mp_instance_t *holder, PyObject *name);

#endif
