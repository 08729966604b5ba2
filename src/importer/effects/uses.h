/* uses.h - what a module body does with the names that it imports, as its
 * code object says before it runs.
 *
 * Most bodies import names for their functions only. Such a body can change
 * nothing through an import, and needs no watching (effects.h). The body is
 * the code of the module, of its classes and comprehensions, and of those of
 * its own functions that it mentions, or that others might call. [attached] */
#ifndef MP_IMPORTER_USES_H
#define MP_IMPORTER_USES_H

#include "runtime/python.h"

/* An import whose name the body uses. */
typedef struct {
    PyObject *name; /* of the import statement, as IMPORT_NAME has it */
    PyObject *item; /* of its from-list; None: the module; NULL: any */
    int is_direct;
} mp_use_t;

/* How an import is used. */
typedef enum {
    MP_USE_NONE,
    MP_USE_PERHAPS, /* by decorated functions, and methods of classes with
                       bases or decorators, which might call them at once */
    MP_USE_DIRECT
} mp_use_kind_t;

typedef struct {
    mp_use_t *list; /* borrowed of the code, which must live */
    size_t count, room;
    PyCodeObject **codes; /* what the body is made of, borrowed likewise */
    size_t code_count, code_room;
    int uses_all;        /* exec(), globals() and the like: nobody knows */
    int sets_attributes; /* it assigns to attributes itself */
} mp_uses_t;

/* Fill in *uses; mp_uses_clear() is due, also after -1. 0 or -1. */
int mp_uses_find(mp_uses_t *uses, PyObject *code);
void mp_uses_clear(mp_uses_t *uses);

/* Does the body use this item (NULL: any) of an import? */
mp_use_kind_t mp_uses_has(const mp_uses_t *uses, PyObject *name,
                          PyObject *item);

/* Every name in the body's code. New set; NULL with an exception. */
PyObject *mp_uses_names(const mp_uses_t *uses);

/* Names of globals that import statements of a module's code bind: they stand
 * for what others own. "*" is one of them after "from m import *". New set;
 * NULL with an exception. */
PyObject *mp_uses_imported(PyObject *code);

#endif
