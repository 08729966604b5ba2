/* marks.h - which modules changed: the nodes that a refresh begins with.
 *
 * The stage lock is held. [attached] Functions answer 0, or -1 with an
 * exception. */
#ifndef MP_IMPORTER_MARKS_H
#define MP_IMPORTER_MARKS_H

#include "importer/reaching.h"

/* Look where events give reason to, and mark the modules whose files, data
 * files or imports are not what they were. */
int mp_marks_find(mp_reach_t *reach);

/* Look at a module without waiting for an event that names it. */
int mp_marks_examine(mp_reach_t *reach, size_t node);

#endif
