/* interim.c - what requests see that a stage in progress does not concern. */
#include "runtime/python.h"

#include "importer/interim.h"

#include "importer/lock.h"
#include "importer/reach.h"
#include "importer/memory.h"
#include "importer/retire.h"

/* ---- opening ----------------------------------------------------------- */

static int
take_out(mp_generation_t *interim, PyObject *old)
{
    PyObject *name, *unused;
    Py_ssize_t position = 0;
    while (PyDict_Next(old, &position, &name, &unused)) {
        if (PyDict_DelItem(interim->table, name) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Those that nobody has pinned need no completion. */
static void
drop_unused(mp_importer_t *importer)
{
    for (Py_ssize_t i = PyList_GET_SIZE(importer->interims) - 1; i >= 0;
         i--) {
        mp_generation_t *interim = (mp_generation_t *)PyList_GET_ITEM(
            importer->interims, i);
        if (interim->pins == 0) {
            PySequence_DelItem(importer->interims, i);
        }
    }
}

int
mp_interim_open(mp_importer_t *importer, PyObject *old, PyObject *changed)
{
    importer->interim = NULL;
    drop_unused(importer);
    mp_generation_t *base = (mp_generation_t *)importer->current;
    mp_generation_t *interim = mp_generation_create(importer, base);
    if (!interim) {
        return -1;
    }
    interim->number = base->number;
    interim->base = (mp_generation_t *)Py_NewRef(base);
    int failed = take_out(interim, old) < 0
                 || PyDict_Update(interim->failures, base->failures) < 0
                 || mp_memory_take_over(interim, base, old, changed) < 0
                 || PyList_Append(importer->interims,
                                  (PyObject *)interim) < 0;
    if (!failed) {
        importer->interim = (PyObject *)interim;
        mp_lock_announce(importer);
    }
    Py_DECREF(interim);
    return failed ? -1 : 0;
}

void
mp_interim_close(mp_importer_t *importer)
{
    importer->interim = NULL;
}

/* ---- completing -------------------------------------------------------- */

/* Is everything that interim has the same in whole? */
static int
fits(mp_generation_t *interim, mp_generation_t *whole)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (PyDict_Next(interim->table, &position, &name, &instance)) {
        if ((PyObject *)mp_generation_find(whole, name) != instance) {
            return 0;
        }
    }
    return 1;
}

static int
complete(mp_generation_t *interim, mp_generation_t *whole)
{
    PyObject *base = (PyObject *)interim->base;
    interim->base = NULL;
    interim->number = whole->number;
    int failed = PyDict_Merge(interim->table, whole->table, 0) < 0
                 || PyDict_Update(interim->failures, whole->failures) < 0;
    Py_XDECREF(base);
    return failed ? -1 : 0;
}

void
mp_interim_complete_all(mp_importer_t *importer)
{
    PyObject *exc = PyErr_GetRaisedException();
    mp_generation_t *current = (mp_generation_t *)importer->current;
    importer->interim = NULL;
    while (PyList_GET_SIZE(importer->interims) > 0) {
        mp_generation_t *interim = (mp_generation_t *)Py_NewRef(
            PyList_GET_ITEM(importer->interims, 0));
        PySequence_DelItem(importer->interims, 0);
        if (interim->base) {
            complete(interim, fits(interim, current) ? current
                                                     : interim->base);
        }
        mp_retire_superseded(importer, interim);
        Py_DECREF(interim);
    }
    PyErr_Clear(); /* out of memory: some modules are loaded once more */
    PyErr_SetRaisedException(exc);
}

mp_instance_t *
mp_interim_fall_back(mp_generation_t *generation, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    mp_instance_t *instance = NULL;
    if (generation->base && complete(generation, generation->base) == 0) {
        instance = mp_generation_find(generation, name);
    }
    PyErr_Clear(); /* out of memory: the exception in flight says enough */
    if (!instance) {
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    Py_XDECREF(exc);
    return instance;
}

/* ---- finding ----------------------------------------------------------- */

int
mp_interim_serves(mp_importer_t *importer, const mp_handler_t *handler,
                  request_rec *r)
{
    mp_generation_t *interim = (mp_generation_t *)importer->interim;
    PyObject *module = interim && handler
        ? mp_memory_find(interim, handler, r) : NULL;
    /* What one that is not hot will ask for, the publisher for example, shows
     * later only; when by then something else has changed, too, what is
     * missing would have to come from the version before. */
    return module && mp_generation_instance_of(interim, module) != NULL;
}

mp_generation_t *
mp_interim_find(mp_importer_t *importer, const mp_handler_t *handler,
                request_rec *r)
{
    if (!importer->interim || !handler || mp_reach_has_news(importer)) {
        return NULL;
    }
    /* Looking let others go on. */
    return mp_interim_serves(importer, handler, r)
               ? (mp_generation_t *)importer->interim : NULL;
}
