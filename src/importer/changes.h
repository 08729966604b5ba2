/* changes.h - what the disk has told so far and no refresh has dealt with:
 * importer->changed, moved and writing. The stage lock is held. [attached] */
#ifndef MP_IMPORTER_CHANGES_H
#define MP_IMPORTER_CHANGES_H

#include "importer/importer.h"

/* Take in what the watch has to tell; any thread may. All events before the
 * position are noted when it returns. The position reached; *failed is 0, or
 * -1 with an exception. */
uint64_t mp_changes_collect(mp_importer_t *importer, int *failed);

/* The same, and wait while one of the changed files is being written again,
 * but not beyond end_time. 0 or -1. */
int mp_changes_await_writers(mp_importer_t *importer, apr_time_t end_time,
                             uint64_t *position);

/* paths (set of str) have been looked at, and are to be dealt with when
 * somebody asks for what they concern. 0 or -1. */
int mp_changes_put_off(mp_importer_t *importer, PyObject *paths);

/* Those are like any others again. 0 or -1. */
int mp_changes_unite(mp_importer_t *importer);

/* Look by stat at directories without events. Those whose own stamp differs
 * count as moved: something appeared in them or went away. 0 or -1. */
int mp_changes_look_at_polled(mp_importer_t *importer);

/* Is this file in such a directory? 1, 0, -1. */
int mp_changes_is_polled(mp_importer_t *importer, PyObject *file);

#endif
