/* retire.h - which generations are in use, and the end of module instances.
 *
 * A generation is let go of when it is superseded and no request pins it. An
 * instance that no generation in use has any more is retired: its
 * __mp_purge__() runs once, after the last request that could have used it. */
#ifndef MP_IMPORTER_RETIRE_H
#define MP_IMPORTER_RETIRE_H

#include "importer/generation.h"
#include "importer/importer.h"

/* A request uses the generation from now on, or does not any more. [attached]
 * The latter may run hooks. */
void mp_retire_pin(mp_generation_t *generation);
void mp_retire_unpin(mp_generation_t *generation);

/* importer->current is another one now. [attached] No hook runs yet. */
void mp_retire_superseded(mp_importer_t *importer, mp_generation_t *before);

/* An instance that was executed whole, but is in no generation: what it was
 * made for failed. [attached] No hook runs yet. */
void mp_retire_instance(mp_importer_t *importer, mp_instance_t *instance);

/* What the body of an instance registered with apache.register_cleanup() is
 * not to be called. [attached] */
void mp_retire_forget(mp_importer_t *importer, mp_instance_t *instance);

/* Run the hooks that are due; errors are logged. Not with the stage lock held,
 * because hooks are the programmer's code. [attached] */
void mp_retire_flush(mp_importer_t *importer);

/* The process ends, and with it every instance. [attached] Runs hooks. */
void mp_retire_all(mp_importer_t *importer);

#endif
