/* loader.h - the __loader__ of hot modules.
 *
 * A subclass of the standard importlib.machinery.SourceFileLoader, so that
 * inspect, linecache and pkgutil find what they know; but whoever asks it to
 * load gets the portal of the module, loaded by the importer. */
#ifndef MP_IMPORTER_LOADER_H
#define MP_IMPORTER_LOADER_H

#include "importer/importer.h"

/* Make the class for this interpreter, into importer->loader. 0 or -1.
 * [attached] */
int mp_loader_prepare(mp_importer_t *importer);

/* What importlib.util.spec_from_file_location() makes, with our loader; for a
 * namespace package (file NULL or None) a spec without an origin. dirs: a
 * package's __path__, or NULL. New reference. */
PyObject *mp_loader_spec(mp_importer_t *importer, PyObject *name,
                         PyObject *file, PyObject *dirs);

#endif
