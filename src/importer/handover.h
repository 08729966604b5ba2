/* handover.h - what a new version of a module takes over from the old.
 *
 * The old version decides, before the new body runs:
 *   __mp_reload__ = "overlay"   the body runs in a copy of the old names
 *   __mp_keep__ = ["name", ...] these names are there already; those that the
 *                               new version lists as well stay what they were
 *                               whatever its body assigns to them
 *   __mp_clone__(module)        puts into the empty new module what it likes
 * and in any version, apache.keep("name", factory) answers one object for as
 * long as the module lives. The holder of the stage lock only. [attached]
 * Functions answer 0, or -1 with an exception. */
#ifndef MP_IMPORTER_HANDOVER_H
#define MP_IMPORTER_HANDOVER_H

#include "importer/importer.h"
#include "importer/instance.h"

/* Before the body of instance runs. A hook that raises is logged, and the new
 * version begins empty. */
int mp_handover_give(mp_importer_t *importer, mp_instance_t *instance,
                     mp_instance_t *old);

/* After it ran. */
int mp_handover_finish(mp_importer_t *importer, mp_instance_t *instance,
                       mp_instance_t *old);

/* apache.keep(name, factory), called by code of instance. New reference. */
PyObject *mp_handover_keep(mp_importer_t *importer, mp_instance_t *instance,
                           PyObject *name, PyObject *factory);

#endif
