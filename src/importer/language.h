/* language.h - files that are no Python, and are modules all the same.
 *
 * A page of PSP is found, watched, refreshed and pinned like a module; but
 * what its text becomes is not executed when it is loaded: it is kept as the
 * code of its instance, and run by whoever asked for it. */
#ifndef MP_IMPORTER_LANGUAGE_H
#define MP_IMPORTER_LANGUAGE_H

#include "importer/importer.h"

typedef struct mp_language_t mp_language_t;
struct mp_language_t {
    /* What the bytes of the file of instance mean: new reference, which the
     * instance keeps as its code; NULL with an exception. Other files that it
     * depends on are to be told to mp_data_note() before they are read. The
     * holder of the stage lock only. [attached] */
    PyObject *(*translate)(mp_importer_t *importer,
                           struct mp_instance_t *instance, PyObject *bytes,
                           PyObject *file);
};

#endif
