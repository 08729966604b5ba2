/* scope.h - what a name means in a directive or in a call.
 *
 * A dotted name, a name with slashes, a path, "./x.py", "~/x.py": where it is
 * looked for depends on who says it. [attached] */
#ifndef MP_IMPORTER_SCOPE_H
#define MP_IMPORTER_SCOPE_H

#include "importer/generation.h"
#include "importer/importer.h"

/* Where a name is looked up from. */
typedef struct {
    mp_importer_t *importer;
    mp_generation_t *generation;
    mp_instance_t *importing; /* the calling module, or NULL */
    PyObject *directory;      /* str: "./" means this; or None */
    PyObject *handler_root;   /* str: "~" means this; or None */
    PyObject *probes;         /* set of str: gets where was searched; NULL */
    PyObject *path;           /* list of str, searched first */
    const mp_language_t *language; /* of a path; NULL: Python */
} mp_scope_t;

void mp_scope_clear(mp_scope_t *scope);

/* A directory of the configuration as str, without its trailing slash; None
 * for NULL. */
PyObject *mp_scope_directory(const char *dir);

/* The directory that "~" means for a handler: its directive's, or the document
 * root where that is not a directory. New str or None. */
PyObject *mp_scope_handler_root(const mp_handler_t *handler, request_rec *r);

/* "~" and "~/x" in a list of directories mean the handler root. In place; 0 or
 * -1. */
int mp_scope_expand_home(PyObject *list, PyObject *handler_root);

/* Import what text names, seen from scope. r: for options in scope, or NULL.
 * New reference to the module; NULL with an exception. */
PyObject *mp_scope_import(mp_scope_t *scope, const char *text,
                          request_rec *r);

#endif
