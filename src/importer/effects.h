/* effects.h - does executing a module change what other hot modules own?
 *
 * A body that registers a view on an `app`, derives a class from a Base or
 * patches a function of another hot module has an effect on it. Re-executing
 * either alone would do that twice or lose it, so the two get edges to each
 * other and are refreshed together. It is found out by comparing, before and
 * after the body, what the modules it uses own: a bounded walk over their
 * objects by the collector's own traversal, which runs no Python code.
 *
 * The holder of the stage lock only. [attached] */
#ifndef MP_IMPORTER_EFFECTS_H
#define MP_IMPORTER_EFFECTS_H

#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/instance.h"

/* What is watched while one body runs; on the stack of the one who runs it.
 * Bodies nest: importer->effects is the innermost. */
typedef struct mp_effects_t mp_effects_t;
struct mp_effects_t {
    mp_effects_t *outer;
    mp_instance_t *instance;     /* whose body runs, borrowed */
    mp_generation_t *generation; /* where its imports are found, borrowed */
    PyObject *uses;   /* which imports the body itself makes use of, or NULL */
    PyObject *before; /* dict: name -> bytes, what that module was like */
};

/* The body of instance, made of code, is about to run. 0 or -1. */
int mp_effects_begin(mp_importer_t *importer, mp_effects_t *effects,
                     mp_generation_t *generation, mp_instance_t *instance,
                     PyObject *code);

/* The body that runs has imported `imported`, by this name (as the import
 * statement has it; level: its dots). Whatever is loaded from there on is
 * compared at the end. Nothing when no body runs. 0 or -1. */
int mp_effects_note_import(mp_importer_t *importer, mp_instance_t *imported,
                           PyObject *name, long level);

/* The body has ended: what it changed elsewhere becomes edges, in both
 * directions, unless it failed. Due after begin, also when that failed. 0 or
 * -1; an exception in flight survives. */
int mp_effects_end(mp_importer_t *importer, mp_effects_t *effects);

#endif
