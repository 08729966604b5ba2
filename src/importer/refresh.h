/* refresh.h - from file events to the next generation.
 *
 * Re-reads what changed, finds everything that depends on it, executes that
 * beside the present generation, and commits it with one pointer store. Parts
 * that do not depend on each other stand and fall separately; what fails
 * stays as it was, whole, until its files change again. */
#ifndef MP_IMPORTER_REFRESH_H
#define MP_IMPORTER_REFRESH_H

#include "importer/importer.h"

/* Is a refresh due? No Python: any thread may ask, detached; a poll() and a
 * few loads. */
int mp_refresh_is_due(mp_importer_t *importer);

/* Deal with all changes that happened before the call; wait while another
 * thread does. Whatever goes wrong is logged, and the old generation goes on.
 * [attached] */
void mp_refresh_run(mp_importer_t *importer);

#endif
