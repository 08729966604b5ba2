/* background.h - PythonAutoReload Background: a thread of the importer's own
 * refreshes, so that no request ever waits for a module body. */
#ifndef MP_IMPORTER_BACKGROUND_H
#define MP_IMPORTER_BACKGROUND_H

#include "importer/importer.h"

/* See that the thread runs; the first request in this mode asks for it. Any
 * thread, attached or not. */
void mp_background_ensure(mp_importer_t *importer);

/* End it; waits a second at most, because a module body may hang in it.
 * [attached; detaches while waiting] */
void mp_background_stop(mp_importer_t *importer);

#endif
