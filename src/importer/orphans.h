/* orphans.h - modules that nobody imports any more.
 *
 * One that is only there because it was, does no harm. But when its body has
 * changed something of a module that goes on (a view that registered itself),
 * that would stay: so whoever shows the effect is to be made anew without it.
 * The holder of the stage lock only. [attached] */
#ifndef MP_IMPORTER_ORPHANS_H
#define MP_IMPORTER_ORPHANS_H

#include "importer/component.h"

/* The refresh stands: into importer->orphaned, for another round, go the
 * modules that have lost their last importer with it and have left something
 * behind. 0, or -1 with an exception. */
int mp_orphans_note(mp_refresh_t *refresh);

/* May modules that what was reached does not reach lose an effect by it? When
 * a changed module imports less than before. 1, 0, or -1 with an exception. */
int mp_orphans_may_come(mp_refresh_t *refresh);

#endif
