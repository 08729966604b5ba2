/* search.h - from a name to a file: where a module would be found.
 *
 * Only looks; loads nothing. Every directory it looks into is watched first,
 * and every place it looked at is recorded as a probe, so that a file that
 * appears there later is noticed. [attached; detaches for the disk] */
#ifndef MP_IMPORTER_SEARCH_H
#define MP_IMPORTER_SEARCH_H

#include "importer/importer.h"
#include "importer/instance.h"

typedef struct {
    mp_root_t *root;
    PyObject *name; /* full name, owned */
    PyObject *file; /* str, owned; NULL for a namespace package */
    PyObject *dirs; /* list of str, owned: a package's __path__; or NULL */
    PyObject *own_path; /* list, borrowed: its first __mp_path__; or NULL */
    const mp_language_t *language; /* of a file, set before it is looked for,
                                      because its name tells; NULL: Python */
} mp_location_t;

void mp_location_clear(mp_location_t *location);

/* Look for the module called stem (one component) in dirs (sequence of str),
 * in order: package, module; namespace packages only when nothing else is
 * found, and neither by Python's own import if `or_cold`. probes: set to
 * record into, or NULL. 1 found, 0 not found, -1 exception. */
int mp_search_dirs(mp_importer_t *importer, PyObject *stem, PyObject *dirs,
                   int or_cold, PyObject *probes, mp_location_t *location);

/* The part called stem of the package `parent`, by its __path__. */
int mp_search_package(mp_importer_t *importer, mp_instance_t *parent,
                      PyObject *stem, PyObject *probes,
                      mp_location_t *location);

/* The module in a given file (absolute path, any extension). 0 when there is
 * no such file. */
int mp_search_file(mp_importer_t *importer, PyObject *path,
                   mp_location_t *location);

/* See that changes of this file or directory are told. 0 or -1. */
int mp_search_watch(mp_importer_t *importer, PyObject *path);

/* The paths that a symbolic link leads to, step by step, each in the spelling
 * of the link, their directories watched. New list; None when path is no
 * link. */
PyObject *mp_search_links(mp_importer_t *importer, PyObject *path);

/* The directories in which hot code of `instance` looks for an absolute name:
 * its root, its __mp_path__, its search. New list. */
PyObject *mp_search_list(mp_importer_t *importer, mp_instance_t *instance);

/* The application roots as a new list of str. */
PyObject *mp_search_applications(mp_importer_t *importer);

/* Is there a package of the same name in the place of this module? It comes
 * first. Watches what is on the way to become one. 1, 0, -1. */
int mp_search_is_hidden(mp_importer_t *importer, mp_instance_t *instance);

/* Are all portions of this namespace package still there, and none of them
 * hidden by a module or a regular package? 1 yes, 0 no, -1. */
int mp_search_is_namespace(mp_importer_t *importer, mp_instance_t *instance);

#endif
