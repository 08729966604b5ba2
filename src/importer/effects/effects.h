/* effects.h - does executing a module change what other hot modules own?
 *
 * A body that registers a view on an `app`, derives a class from a Base or
 * patches a function of another hot module has an effect on it. Re-executing
 * either alone would do that twice or lose it, so the two get edges to each
 * other and are refreshed together. It is found out by comparing, before and
 * after the body, the fingerprints (fingerprint.h) of the modules within its
 * reach; bodies that use no import themselves (uses.h) are not watched.
 *
 * The holder of the stage lock only. [attached] */
#ifndef MP_IMPORTER_EFFECTS_H
#define MP_IMPORTER_EFFECTS_H

#include "importer/effects/exposure.h"
#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/instance.h"
#include "importer/effects/uses.h"
#include "importer/effects/watched.h"

/* What is watched while one body runs; on the stack of the one who runs it.
 * Bodies nest: importer->effects is the innermost. */
typedef struct mp_effects_t mp_effects_t;
struct mp_effects_t {
    mp_effects_t *outer;
    mp_instance_t *instance;     /* whose body runs, borrowed */
    mp_generation_t *generation; /* where its imports are found, borrowed */
    PyObject *code;    /* of the body, borrowed */
    mp_uses_t uses;    /* what it does with its imports; found out when it
                          imports something */
    PyObject *names;   /* set of str: all names in it; NULL: not needed yet */
    mp_exposure_t exposure; /* what it has got hold of so far */
    int is_alone;      /* no other thread runs Python code */
    PyObject *watches; /* dict: name of a module -> int, its row in watched;
                          NULL: none yet */
    PyObject *changed; /* dict: name of a module that it changed -> str, the
                          global, or None; NULL: none yet */
    mp_watched_t *watched; /* shared with outer; the outermost owns it */
};

/* The body of instance, made of code, is about to run. 0 or -1. */
int mp_effects_begin(mp_importer_t *importer, mp_effects_t *effects,
                     mp_generation_t *generation, mp_instance_t *instance,
                     PyObject *code);

/* While the body ran, code of the module `importing` (NULL: of none) has got
 * hold of `imported`: by an import statement with this name and fromlist (may
 * be NULL), or by a call (both NULL). What is within reach from there is
 * compared at the end. Nothing when no body runs. 0 or -1. */
int mp_effects_note_import(mp_importer_t *importer, mp_instance_t *importing,
                           mp_instance_t *imported, PyObject *name,
                           PyObject *fromlist);

/* The body has ended: what it changed elsewhere becomes edges, in both
 * directions. Due after begin, also when that failed. 0 or -1; an exception in
 * flight survives: then the body has failed, and who was changed is executed
 * anew before long. */
int mp_effects_end(mp_importer_t *importer, mp_effects_t *effects);

#endif
