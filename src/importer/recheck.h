/* recheck.h - do the imports of a module still mean what they did?
 *
 * The stage lock is held. [attached] */
#ifndef MP_IMPORTER_RECHECK_H
#define MP_IMPORTER_RECHECK_H

#include "importer/importer.h"
#include "importer/instance.h"

/* What is to be found out about many modules at one moment. */
typedef struct {
    PyObject *names;  /* set of str: the last parts of the paths that may be
                         others now; NULL: any */
    PyObject *memo;   /* dict: what searches have found */
    PyObject *hidden; /* set of str: gets the names of loaded modules whose
                         name now leads to another file */
} mp_recheck_t;

/* Do the imports of this instance still mean the same? 1 yes, 0 no, -1. */
int mp_recheck_imports(mp_importer_t *importer, mp_instance_t *instance,
                       mp_recheck_t *news);

#endif
