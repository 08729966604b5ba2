/* watched.c - the fingerprints of the modules that bodies watch. */
#include "runtime/python.h"

#include "importer/effects/watched.h"

#include "importer/effects/foreign.h"

mp_watched_t *
mp_watched_create(mp_importer_t *importer)
{
    mp_watched_t *watched = PyMem_Calloc(1, sizeof(*watched));
    if (!watched) {
        PyErr_NoMemory();
        return NULL;
    }
    watched->importer = importer;
    watched->begun_at = apr_time_now();
    watched->numbers = PyDict_New();
    watched->foreign = PyDict_New();
    if (!watched->numbers || !watched->foreign) {
        mp_watched_destroy(watched);
        return NULL;
    }
    return watched;
}

void
mp_watched_destroy(mp_watched_t *watched)
{
    for (Py_ssize_t i = 0; i < watched->outdated_count; i++) {
        mp_fingerprint_free(watched->outdated[i]);
    }
    for (Py_ssize_t i = 0; i < watched->count; i++) {
        mp_fingerprint_free(watched->rows[i].print);
        Py_DECREF(watched->rows[i].instance);
    }
    PyMem_Free(watched->outdated);
    PyMem_Free(watched->rows);
    Py_XDECREF(watched->numbers);
    Py_XDECREF(watched->foreign);
    PyMem_Free(watched);
}

static Py_ssize_t
add_row(mp_watched_t *watched, mp_instance_t *instance)
{
    if (watched->count == watched->room) {
        Py_ssize_t room = watched->room ? watched->room * 2 : 64;
        void *rows = PyMem_Realloc(watched->rows,
                                   room * sizeof(*watched->rows));
        if (!rows) {
            PyErr_NoMemory();
            return -1;
        }
        watched->rows = rows;
        watched->room = room;
    }
    PyObject *number = PyLong_FromSsize_t(watched->count);
    int failed = number ? PyDict_SetItem(watched->numbers, instance->name,
                                         number) : -1;
    Py_XDECREF(number);
    if (failed) {
        return -1;
    }
    watched->rows[watched->count] = (mp_watched_row_t){
        .instance = (mp_instance_t *)Py_NewRef(instance),
    };
    return watched->count++;
}

Py_ssize_t
mp_watched_find(mp_watched_t *watched, mp_instance_t *instance, int *is_known)
{
    *is_known = 0;
    PyObject *number = PyDict_GetItemWithError(watched->numbers,
                                               instance->name);
    if (!number) {
        return PyErr_Occurred() ? -1 : add_row(watched, instance);
    }
    Py_ssize_t row = PyLong_AsSsize_t(number);
    *is_known = watched->rows[row].print
                && watched->rows[row].instance == instance;
    return row;
}

/* Keep the fingerprint of a row until the end. */
static int
put_aside(mp_watched_t *watched, Py_ssize_t row)
{
    if (!watched->rows[row].print) {
        return 0;
    }
    void *outdated = PyMem_Realloc(watched->outdated,
                                   (watched->outdated_count + 1)
                                       * sizeof(*watched->outdated));
    if (!outdated) {
        PyErr_NoMemory();
        return -1;
    }
    watched->outdated = outdated;
    watched->outdated[watched->outdated_count++] = watched->rows[row].print;
    watched->rows[row].print = NULL;
    return 0;
}

int
mp_watched_take(mp_watched_t *watched, Py_ssize_t row,
                mp_instance_t *instance)
{
    if (put_aside(watched, row) < 0) {
        return -1;
    }
    /* What goes here, an outdated fingerprint keeps; or it has no file. */
    Py_SETREF(watched->rows[row].instance,
              (mp_instance_t *)Py_NewRef(instance));
    if (instance->file == Py_None) {
        return 0;
    }
    PyObject *foreign = mp_foreign_find(watched->foreign, instance);
    watched->rows[row].print = foreign
        ? mp_fingerprint_take(watched->importer, instance, foreign) : NULL;
    return watched->rows[row].print ? 0 : -1;
}
