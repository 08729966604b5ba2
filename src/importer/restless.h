/* restless.h - files that are written without a pause.
 *
 * A refresh during which one of the files it read is written to is thrown away
 * and tried again. A file that spoils one attempt after the other is set
 * aside: its events count for nothing until it has been left alone for a
 * moment, or somebody asks for what depends on it, and everybody else's
 * changes go on. [attached] The stage lock is
 * held, but for mp_restless_has(). Functions answer 0, or -1 with an
 * exception, if nothing else is said. */
#ifndef MP_IMPORTER_RESTLESS_H
#define MP_IMPORTER_RESTLESS_H

#include "importer/importer.h"

/* An event names path (stem: without its .py). 1: it is set aside, and the
 * event is remembered for later; 0: it is a file like any other; -1. Any
 * thread. */
int mp_restless_has(mp_importer_t *importer, PyObject *path, PyObject *stem);

/* An attempt came to nothing because of importer->disturbed. */
int mp_restless_count(mp_importer_t *importer);

/* Files that spoiled several attempts in a row are set aside. How many, -1. */
int mp_restless_set_aside(mp_importer_t *importer);

/* An attempt went well. */
void mp_restless_forget(mp_importer_t *importer);

/* Those that are left alone now are changes like any others; or all are,
 * because somebody asks for them. */
int mp_restless_release(mp_importer_t *importer, int all);

#endif
