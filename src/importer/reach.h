/* reach.h - what changes on disk mean for a generation: which modules changed,
 * and which others they reach over the edges.
 *
 * Made for one refresh and thrown away. The stage lock is held. [attached]
 * Functions answer 0, or -1 with an exception. */
#ifndef MP_IMPORTER_REACH_H
#define MP_IMPORTER_REACH_H

#include "importer/importer.h"
#include "importer/reaching.h"

/* Take over the importer's changes and mark the modules whose files differ or
 * whose imports lead elsewhere. mp_reach_end() is due, also after -1. */
int mp_reach_find(mp_reach_t *reach, mp_importer_t *importer);

/* Mark the modules of importer->pending: they are tried again. */
int mp_reach_mark_pending(mp_reach_t *reach);

/* What failed before, and is connected with what is reached now, is tried
 * again with it; spreads again if need be. After mp_reach_spread(). */
int mp_reach_mark_related(mp_reach_t *reach);

/* Spread the marks over the edges; fills old, reasons and reached. */
int mp_reach_spread(mp_reach_t *reach);

/* Was one of the files that were read, by this or by the stage, written to
 * since? Then what was read may be half of it. 1, 0, -1. */
int mp_reach_is_disturbed(mp_reach_t *reach);

/* May handlers find other modules now? */
int mp_reach_touches_handlers(mp_reach_t *reach);

/* The refresh came to nothing: the changes are the importer's again. An
 * exception in flight survives. */
int mp_reach_give_back(mp_reach_t *reach, mp_importer_t *importer);

/* Does this module, or one that it needs, depend on one of these paths (set)?
 * 1, 0. */
int mp_reach_needs(mp_importer_t *importer, mp_instance_t *instance,
                   PyObject *paths);

/* Do events that no refresh has taken yet concern a loaded module? Collects
 * them first. Any thread. [attached] 1, 0. */
int mp_reach_has_news(mp_importer_t *importer);

/* The same, or may they, because a refresh in progress has taken them? */
int mp_reach_is_concerned(mp_importer_t *importer);

void mp_reach_end(mp_reach_t *reach);

#endif
