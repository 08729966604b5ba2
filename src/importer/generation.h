/* generation.h - a consistent set of module instances: mp_generation.
 *
 * A map name -> instance that never changes but grows: a module loaded for
 * the first time joins the generation that asked. A request pins one; a
 * refresh builds the next beside it. */
#ifndef MP_IMPORTER_GENERATION_H
#define MP_IMPORTER_GENERATION_H

#include "importer/importer.h"
#include "importer/instance.h"

extern PyType_Spec mp_generation_spec;

/* What a handler with a slot resolved to. */
typedef struct {
    PyObject *module; /* owned, or NULL */
    PyObject *object; /* owned str: the plain name after "::", or NULL */
    PyObject *probes; /* owned set of str: where it was searched for */
    char *root;       /* malloc'd: the document root it was looked up with */
} mp_handler_memory_t;

#define MP_PAGE_SLOTS 64

typedef struct mp_generation_t mp_generation_t;
struct mp_generation_t {
    PyObject_HEAD
    mp_importer_t *importer;
    long number;
    long pins;           /* requests that use it (retire.h) */
    PyObject *table;     /* dict: str -> mp_instance */
    PyObject *failures;  /* dict: str -> exception: newest files do not load */
    PyObject *handlers;  /* dict: key of a handler without a slot, or of a page
                            -> (module, probes[, its instance, key]) */
    PyObject *pages[MP_PAGE_SLOTS]; /* rows of handlers that were asked for
                                       last (page.c), or NULL */
    mp_handler_memory_t *slots; /* the same for handlers with a slot */
    int slot_count;
    mp_generation_t *base; /* of an interim generation that is not complete:
                              the one it was made of (interim.h), or NULL */
};

/* New reference, tables empty or copied from base (may be NULL). [attached] */
mp_generation_t *mp_generation_create(mp_importer_t *importer,
                                      mp_generation_t *base);

/* Borrowed, or NULL without an exception. name is a str. */
static inline mp_instance_t *
mp_generation_find(const mp_generation_t *generation, PyObject *name)
{
    return (mp_instance_t *)PyDict_GetItemWithError(generation->table, name);
}

/* The instance that module is, or that has put it in its own place in
 * sys.modules. Borrowed, or NULL without an exception. */
mp_instance_t *mp_generation_instance_of(mp_generation_t *generation,
                                         PyObject *module);

/* The generation that code in this thread sees: the pin; without one, the
 * newest that the code of `globals` (may be NULL) belongs to; else the
 * committed one. Borrowed. */
mp_generation_t *mp_generation_here(mp_importer_t *importer,
                                    PyObject *globals);

/* Make it the one that new requests pin. Takes a reference of its own. */
void mp_generation_commit(mp_importer_t *importer,
                          mp_generation_t *generation);

/* PythonReloadFailure error is in force for the request of this thread, and
 * the newest files of instance, or of one that it depends on, do not load: -1
 * with that exception; else 0. */
int mp_generation_raise_failure(mp_generation_t *generation,
                                mp_instance_t *instance);

/* A handler slot's memory in this generation; NULL when out of memory. The
 * address holds until another slot is asked for. */
mp_handler_memory_t *mp_generation_slot(mp_generation_t *generation,
                                        int slot);

#endif
