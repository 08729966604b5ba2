/* foreign.h - the globals of a module that stand for what others own.
 *
 * They are those that its import statements bind. [attached] */
#ifndef MP_IMPORTER_FOREIGN_H
#define MP_IMPORTER_FOREIGN_H

#include "importer/importer.h"
#include "importer/instance.h"

/* Names of the foreign globals of a module that was executed: found in known,
 * a dict: name of a module -> set, or found out and put there. Borrowed from
 * known; NULL with an exception. */
PyObject *mp_foreign_find(PyObject *known, mp_instance_t *instance);

#endif
