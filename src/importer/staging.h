/* staging.h - a refresh in progress: what executing needs to know of it.
 *
 * Made by refresh.c; importer->staging points to it meanwhile. The holder of
 * the stage lock only. */
#ifndef MP_IMPORTER_STAGING_H
#define MP_IMPORTER_STAGING_H

#include "importer/generation.h"

struct mp_staging_t {
    mp_generation_t *next; /* being built; bodies see it as their pin */
    PyObject *old;         /* dict: name -> instance of the base generation,
                              of every module to be executed anew */
    PyObject *reasons;     /* dict: name -> str: why, for the log */
    PyObject *hidden;      /* set of str: modules whose name another file has
                              now */
    PyObject *failed;      /* dict: name -> exception */
    PyObject *culprit;     /* str: the file that failed first in the component
                              that runs, owned; or NULL */
    PyObject *sources;     /* dict: path -> [bytes, mp_source_id_t as bytes],
                              and the code once it is compiled; or None: it
                              could not be read */
};

#endif
