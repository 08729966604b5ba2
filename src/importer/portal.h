/* portal.h - what sys.modules holds under a hot module's name.
 *
 * A subtype of module that answers attributes from the generation that the
 * asking code sees. It serves importlib, pickle, dataclasses, typing and
 * inspect, which go through sys.modules; hot code gets the real modules. */
#ifndef MP_IMPORTER_PORTAL_H
#define MP_IMPORTER_PORTAL_H

#include "importer/importer.h"

extern PyType_Spec mp_portal_spec;

/* See that sys.modules has a portal under this name. 0 or -1. [attached] */
int mp_portal_ensure(mp_importer_t *importer, PyObject *name);

/* Remove it, if it is a portal of ours. An exception in flight survives. */
void mp_portal_remove(mp_importer_t *importer, PyObject *name);

#endif
