/* refresh.h - from file events to the next generation.
 *
 * Re-reads what changed, finds everything that depends on it, executes that
 * beside the present generation, and commits it with one pointer store. Parts
 * that do not depend on each other stand and fall separately; what fails
 * stays as it was, whole, until its files change again. */
#ifndef MP_IMPORTER_REFRESH_H
#define MP_IMPORTER_REFRESH_H

#include <httpd.h>

#include "importer/generation.h"
#include "importer/importer.h"
#include "server/handlers.h"

/* Is a refresh due? No Python: any thread may ask, detached; a system call and
 * a few loads. */
int mp_refresh_is_due(mp_importer_t *importer);

/* Deal with all changes that happened before the call; wait while another
 * thread does. Whatever goes wrong is logged, and the old generation goes on.
 *
 * handler: the first of the request that asks, NULL: not known. When the
 * changes do not concern it, it need not wait, and others will deal with them:
 * then the answer is the interim generation, pinned (retire.h), as a new
 * reference; else NULL: it is to pin the committed one. [attached] */
mp_generation_t *mp_refresh_run(mp_importer_t *importer,
                                const mp_handler_t *handler, request_rec *r);

/* The same for the holder of the stage lock, outside of all bodies. */
void mp_refresh_owned(mp_importer_t *importer);

#endif
