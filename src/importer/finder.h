/* finder.h - the way from cold code to hot modules: mp_finder, on
 * sys.meta_path. Finds parts of hot packages, names of application roots, and
 * the stable names of directory roots that an unpickler asks for. */
#ifndef MP_IMPORTER_FINDER_H
#define MP_IMPORTER_FINDER_H

#include "importer/importer.h"

extern PyType_Spec mp_finder_spec;

/* Put them on sys.meta_path. 0 or -1. [attached] */
int mp_finder_install(mp_importer_t *importer);

#endif
