/* stage.h - executing module bodies.
 *
 * One thread at a time, for each interpreter, holds the stage lock and may
 * execute. A first load adds to the generation that asked; a refresh
 * (refresh.h) executes into the generation it is building. */
#ifndef MP_IMPORTER_STAGE_H
#define MP_IMPORTER_STAGE_H

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/search.h"

/* The stage lock. The owner may take it again. [attached; waits detached, at
 * most importer->timeout_ms] 0 got it; -1 with TimeoutError naming the module
 * that is being executed. */
int mp_stage_lock(mp_importer_t *importer);
void mp_stage_unlock(mp_importer_t *importer);
int mp_stage_is_mine(mp_importer_t *importer);

/* A refresh in progress: what executing needs to know of it. */
struct mp_staging_t {
    mp_generation_t *next; /* being built; bodies see it as their pin */
    PyObject *old;         /* dict: name -> instance of the base generation,
                              of every module to be executed anew */
    PyObject *reasons;     /* dict: name -> str: why, for the log */
    PyObject *failed;      /* dict: name -> exception */
    PyObject *culprit;     /* str: the file that failed first in the component
                              that runs, owned; or NULL */
    PyObject *sources;     /* dict: path -> [bytes, mp_source_id_t as bytes],
                              and the code once it is compiled; or None: it
                              could not be read */
};

/* The instance for a location in generation, executed if it is not there yet.
 * Borrowed from the generation's table; its body has run to its end, unless
 * this very thread is inside it (a cycle). NULL with the body's exception. */
mp_instance_t *mp_stage_load(mp_importer_t *importer,
                             mp_generation_t *generation,
                             const mp_location_t *location,
                             PyObject *search, int is_entry);

/* part becomes an attribute of its package, as import does it. 0 or -1. */
int mp_stage_bind(mp_instance_t *parent, mp_instance_t *part);

/* An instance found in a table that is executing: in another thread, wait for
 * its end; in this one, it is a cycle, and the answer. Borrowed, NULL without
 * exception when it went away meanwhile, NULL with an exception on timeout. */
mp_instance_t *mp_stage_await(mp_importer_t *importer,
                              mp_generation_t *generation, PyObject *name);

#endif
