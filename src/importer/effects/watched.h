/* watched.h - the modules that bodies watch while they run, and what they were
 * like.
 *
 * One for all bodies that run, one inside the other. Letting go of outdated
 * fingerprints may run finalizers, so that waits for mp_watched_destroy().
 * The holder of the stage lock only. [attached] */
#ifndef MP_IMPORTER_WATCHED_H
#define MP_IMPORTER_WATCHED_H

#include "importer/effects/fingerprint.h"
#include "importer/importer.h"
#include "importer/instance.h"

typedef struct {
    mp_instance_t *instance; /* owned */
    mp_fingerprint_t *print; /* owned; NULL: there is nothing to compare */
} mp_watched_row_t;

typedef struct {
    mp_importer_t *importer;
    mp_watched_row_t *rows;
    Py_ssize_t count, room;
    PyObject *numbers; /* dict: name of a module -> int, its row */
    PyObject *foreign; /* dict: name of a module -> set (foreign.h) */
    mp_fingerprint_t **outdated; /* owned */
    Py_ssize_t outdated_count;
    apr_time_t begun_at;
    int is_busy;       /* other threads have run Python code since */
} mp_watched_t;

/* NULL with an exception. */
mp_watched_t *mp_watched_create(mp_importer_t *importer);
/* May run finalizers. */
void mp_watched_destroy(mp_watched_t *watched);

/* The row of a module, made if there is none; -1 with an exception. *is_known
 * tells whether it holds a fingerprint of this very instance; if not, it is to
 * be taken. */
Py_ssize_t mp_watched_find(mp_watched_t *watched, mp_instance_t *instance,
                           int *is_known);

/* From now on the module is compared with what it is like now. 0 or -1. */
int mp_watched_take(mp_watched_t *watched, Py_ssize_t row,
                    mp_instance_t *instance);

#endif
