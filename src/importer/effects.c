/* effects.c - compares what modules own before and after a body. */
#include "runtime/python.h"

#include "importer/effects.h"

int
mp_effects_begin(mp_importer_t *importer, mp_effects_t *effects,
                 mp_generation_t *generation, mp_instance_t *instance,
                 PyObject *code)
{
    effects->outer = importer->effects;
    effects->instance = instance;
    effects->generation = generation;
    effects->uses = NULL;
    effects->before = NULL;
    importer->effects = effects;
    return 0;
}

int
mp_effects_note_import(mp_importer_t *importer, mp_instance_t *imported,
                       PyObject *name, long level)
{
    return 0;
}

int
mp_effects_end(mp_importer_t *importer, mp_effects_t *effects)
{
    importer->effects = effects->outer;
    Py_CLEAR(effects->uses);
    Py_CLEAR(effects->before);
    return 0;
}
