/* root.h - roots: where hot modules live, and how they are named.
 *
 * A file under an application root has its ordinary dotted name from there;
 * any other is named from the nearest directory above it that is not a
 * package: "_mp_<8 hex digits of that directory's path>.<dotted name>". The
 * path is taken as configured, links and all, so that flipping a link changes
 * no name. Nothing depends on what was imported first. */
#ifndef MP_IMPORTER_ROOT_H
#define MP_IMPORTER_ROOT_H

#include "importer/importer.h"

struct mp_root_t {
    char *path;          /* absolute, no trailing '/' (but "/" itself) */
    char prefix[16];     /* "_mp_1234abcd.", or "" for an application root */
    int is_application;
    PyObject *builtins;  /* exact dict: __builtins__ of every hot module of
                            this root; NULL until one is loaded */
    Py_ssize_t builtins_size; /* of builtins when last copied */
    mp_root_t *_Atomic next;
};

/* An application root, after those already there. 0, or -1 when out of
 * memory; adding one twice does nothing. [attached] */
int mp_root_add_application(mp_importer_t *importer, const char *path);

/* The root that a module in directory dir belongs to, and in *prefix what its
 * name begins with: "_mp_1234abcd.pkg."; malloc'd, freed by the caller. Looks
 * at the disk. NULL: out of memory. Does not need to be attached. */
mp_root_t *mp_root_of(mp_importer_t *importer, const char *dir, char **prefix);

/* The root whose names begin with this prefix ("_mp_1234abcd"), or NULL. */
mp_root_t *mp_root_find(mp_importer_t *importer, const char *name);

/* The __builtins__ of a root's modules, borrowed; a copy of builtins with our
 * __import__. NULL with an exception. [attached] */
PyObject *mp_root_builtins(mp_importer_t *importer, mp_root_t *root);

/* Bring all copies in step with what others changed in builtins. 0 or -1.
 * [attached] Cheap when `only_if_grown` and nothing was added. */
int mp_root_sync_builtins(mp_importer_t *importer, int only_if_grown);

#endif
