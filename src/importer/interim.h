/* interim.h - what requests see that a stage in progress does not concern.
 *
 * An interim generation is the committed one without the modules that are
 * being executed anew. All that is in it is in the next generation as well, so
 * a request may pin it and go on. What is missing there can be had by those
 * who wait for the stage lock: when the refresh has come to its end, the
 * interim generation is completed with what was committed. */
#ifndef MP_IMPORTER_INTERIM_H
#define MP_IMPORTER_INTERIM_H

#include <httpd.h>

#include "importer/generation.h"
#include "importer/importer.h"
#include "server/handlers.h"

/* The modules of old (dict: name -> instance) are about to be executed anew;
 * changed (set of paths) may have given handlers another meaning. The holder
 * of the stage lock only. 0, or -1 with an exception. [attached] */
int mp_interim_open(mp_importer_t *importer, PyObject *old,
                    PyObject *changed);

/* Will it do for a request that begins with this handler? */
int mp_interim_serves(mp_importer_t *importer, const mp_handler_t *handler,
                      request_rec *r);

/* They are not any more: nobody else begins with it. The same. */
void mp_interim_close(mp_importer_t *importer);

/* The refresh is over: all that were opened get the rest, the committed one if
 * that fits them, else that of the generation they came from. The same. */
void mp_interim_complete_all(mp_importer_t *importer);

/* The stage lock could not be had: the request makes do with what was there
 * before. The instance, borrowed, or NULL without an exception. [attached] */
mp_instance_t *mp_interim_fall_back(mp_generation_t *generation,
                                    PyObject *name);

/* The interim generation, borrowed, if one is open and will do, and nothing
 * has changed since that concerns anybody; else NULL. Any thread.
 * [attached] */
mp_generation_t *mp_interim_find(mp_importer_t *importer,
                                 const mp_handler_t *handler, request_rec *r);

#endif
