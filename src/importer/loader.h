/* loader.h - the __loader__ of hot modules.
 *
 * A subclass of the standard importlib.machinery.SourceFileLoader, so that
 * inspect, linecache and pkgutil find what they know; but whoever asks it to
 * load gets the portal of the module that is loaded already. */
#ifndef MP_IMPORTER_LOADER_H
#define MP_IMPORTER_LOADER_H

#include "importer/importer.h"

/* Make the class for this interpreter, into importer->loader. 0 or -1.
 * [attached] */
int mp_loader_prepare(mp_importer_t *importer);

/* The loader of one module. New reference. */
PyObject *mp_loader_create(mp_importer_t *importer, PyObject *name,
                           PyObject *path);

#endif
