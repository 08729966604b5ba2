/* stage.h - executing module bodies.
 *
 * One thread at a time, for each interpreter, holds the stage lock (lock.h)
 * and may execute. A first load adds to the generation that asked; a refresh
 * (refresh.h) executes into the generation it is building. */
#ifndef MP_IMPORTER_STAGE_H
#define MP_IMPORTER_STAGE_H

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/search.h"
#include "importer/staging.h"

/* The instance for a location in generation, executed if it is not there yet.
 * Borrowed from the generation's table; its body has run to its end, unless
 * this very thread is inside it (a cycle). NULL with the body's exception,
 * which holder, if not NULL, may live on with: it is executed again when that
 * is mended. */
mp_instance_t *mp_stage_load(mp_importer_t *importer,
                             mp_generation_t *generation,
                             const mp_location_t *location,
                             PyObject *search, int is_entry,
                             mp_instance_t *holder);

/* Some body does not end, and the stage lock could not be had: if one of the
 * files involved has changed since, give that body up and take the lock. What
 * it does from now on counts for nothing; if it runs Python code, it is
 * interrupted. 1 the lock is ours, 0 not. The exception in flight is left in
 * place when not. [attached] */
int mp_stage_take_over(mp_importer_t *importer);

/* Processes that programs fork (os.fork(), multiprocessing) can go on
 * importing, whatever other threads were doing. 0 or -1. [attached] */
int mp_stage_listen_for_forks(mp_state_t *state);

/* part becomes an attribute of its package, as import does it. 0 or -1. */
int mp_stage_bind(mp_instance_t *parent, mp_instance_t *part);

/* An instance found in a table that is executing: in another thread, wait for
 * its end; in this one, it is a cycle, and the answer. Borrowed, NULL without
 * exception when it went away meanwhile, NULL with an exception on timeout. */
mp_instance_t *mp_stage_await(mp_importer_t *importer,
                              mp_generation_t *generation, PyObject *name);

#endif
