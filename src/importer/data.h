/* data.h - the data files that a module's body reads.
 *
 * A body that opens a file under a root, or lists a directory there, is
 * executed again when that is another than it was. Audit events of CPython
 * tell of every open(), os.listdir() and os.scandir(), whoever calls them on
 * the body's behalf. [attached]
 * Functions answer 0, or -1 with an exception. */
#ifndef MP_IMPORTER_DATA_H
#define MP_IMPORTER_DATA_H

#include "importer/importer.h"
#include "importer/instance.h"

/* Begin to listen, once in each process. */
int mp_data_listen(void);

/* What instance is depends on the file or directory at path (absolute), which
 * is about to be read. The holder of the stage lock only. */
int mp_data_note(mp_importer_t *importer, mp_instance_t *instance,
                 PyObject *path);

/* Could what the body of instance read be another now? changed: paths that
 * events named; moved: trees below which anything may differ. 1, 0, -1. */
int mp_data_is_suspect(mp_importer_t *importer, mp_instance_t *instance,
                       PyObject *changed, PyObject *moved);

/* Look: the path that is another now, borrowed from the instance; NULL without
 * an exception when all is as it was. */
PyObject *mp_data_find_changed(mp_instance_t *instance);

#endif
