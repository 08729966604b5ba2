/* fingerprint.h - what one module owns, to be compared later.
 *
 * A bounded walk from the module's globals over the objects it owns, by the
 * collector's own traversal: no attribute is looked up, no Python code runs,
 * no lazy object wakes up. Left out is what others own (imported names,
 * modules, classes of other modules) and what changes by mere use (loggers,
 * locks, weak and memoizing caches).
 *
 * [attached] */
#ifndef MP_IMPORTER_FINGERPRINT_H
#define MP_IMPORTER_FINGERPRINT_H

#include "importer/importer.h"
#include "importer/instance.h"

typedef struct mp_fingerprint_t mp_fingerprint_t;

/* Quicker than PyModule_Check(); a subclass of a subclass counts as any other
 * object. */
static inline int
mp_is_module(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return type == &PyModule_Type || type->tp_base == &PyModule_Type;
}

/* The same for PyObject_IS_GC(). */
static inline int
mp_is_gc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return PyType_IS_GC(type) && (!type->tp_is_gc || type->tp_is_gc(object));
}

typedef enum {
    MP_FINGERPRINT_SAME,
    MP_FINGERPRINT_USED,    /* different, but so that reading explains it */
    MP_FINGERPRINT_NUMBERS, /* nothing but numbers became other numbers */
    MP_FINGERPRINT_CHANGED
} mp_fingerprint_result_t;

/* Of the module as it is now; foreign: those of its globals that others own
 * (foreign.h). It keeps the objects that it found alive. NULL with
 * MemoryError. */
mp_fingerprint_t *mp_fingerprint_take(mp_importer_t *importer,
                                      mp_instance_t *instance,
                                      PyObject *foreign);
/* May run finalizers. */
void mp_fingerprint_free(mp_fingerprint_t *print);

/* Is the module still like that? *where, if it is not: which global leads to
 * the difference, new str or None. */
mp_fingerprint_result_t mp_fingerprint_compare(mp_fingerprint_t *print,
                                               PyObject **where);

/* Is this an object that no fingerprint looks into? module_key: the str
 * "__module__". */
int mp_fingerprint_is_opaque(const mp_importer_t *importer, PyObject *object,
                             PyObject *module_key);

#endif
