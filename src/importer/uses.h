/* uses.h - what a module body does with the names that it imports, as its
 * code object says before it runs.
 *
 * Most bodies import names for their functions only. Such a body can change
 * nothing through an import, and needs no watching (effects.h). The body is
 * the code of the module, of its classes and comprehensions, and of those of
 * its own functions that it mentions. [attached] */
#ifndef MP_IMPORTER_USES_H
#define MP_IMPORTER_USES_H

#include "runtime/python.h"

typedef struct {
    PyObject *used;   /* set of str: names of the import statements whose
                         names the body uses, as IMPORT_NAME has them */
    int uses_all;     /* exec(), globals() and the like: nobody knows */
    int sets_attributes; /* it assigns to attributes itself */
} mp_uses_t;

/* Fill in *uses; mp_uses_clear() is due, also after -1. 0 or -1. */
int mp_uses_find(mp_uses_t *uses, PyObject *code);
void mp_uses_clear(mp_uses_t *uses);

/* Names of globals that import statements of a module's code bind: they stand
 * for what others own. "*" is one of them after "from m import *". New set;
 * NULL with an exception. */
PyObject *mp_uses_imported(PyObject *code);

#endif
