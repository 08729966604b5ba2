/* import_hook.h - the __import__ of hot modules: mp_import_hook.
 *
 * One for each root, in that root's copy of builtins. The import statement
 * calls it with (name, globals, locals, fromlist, level). */
#ifndef MP_IMPORTER_IMPORT_HOOK_H
#define MP_IMPORTER_IMPORT_HOOK_H

#include "importer/generation.h"
#include "importer/importer.h"

extern PyType_Spec mp_import_hook_spec;

/* New reference. */
PyObject *mp_import_hook_create(mp_importer_t *importer, mp_root_t *root);

/* Who imports, and what for. */
typedef struct {
    mp_importer_t *importer;
    mp_generation_t *generation; /* what it sees */
    mp_instance_t *importing;    /* gets edges and probes; NULL: nobody hot */
    PyObject *dirs;              /* list of str: where absolute names begin */
    PyObject *search;            /* tuple of str: handed to what is loaded */
    int is_entry;                /* asked for by a directive or the like */
    PyObject *probes;            /* set of str: gets where was searched, when
                                    nobody hot imports; or NULL */
    const mp_language_t *language; /* of a file; NULL: Python */
    PyObject *name;              /* of an import statement, and its dots */
    long level;
} mp_import_request_t;

/* Import an absolute dotted name, beginning in request->dirs. The instance of
 * the leaf, borrowed from the generation; *top, if not NULL, is that of the
 * first component. NULL without an exception: nothing of the kind is hot, it
 * is Python's to import. NULL with an exception. [attached] */
mp_instance_t *mp_import_dotted(const mp_import_request_t *request,
                                PyObject *name, mp_instance_t **top);

/* Import the module in a file (absolute path). own_path: the list that its
 * __mp_path__ begins with, if it is not loaded yet; or NULL. Borrowed; NULL
 * with ImportError when there is no such file, or with what its body raises.
 * [attached] */
mp_instance_t *mp_import_file(const mp_import_request_t *request,
                              PyObject *path, PyObject *own_path);

/* The importing code depends on target from now on. 0 or -1. [attached] */
int mp_import_record_edge(const mp_import_request_t *request,
                          mp_instance_t *target);

/* Raise ModuleNotFoundError for this name, missing in parent (may be NULL). */
void *mp_import_raise_missing(PyObject *full, mp_instance_t *parent);

/* The code of a body that runs in this thread gets at instance, by an import
 * statement with this name and fromlist, or by a call (both NULL): what the
 * body changes there is to be noticed (effects.h). 0 or -1. [attached] */
int mp_import_note_use(const mp_import_request_t *request,
                       mp_instance_t *instance, PyObject *name,
                       PyObject *fromlist);

/* Names that are never looked for under a root: what is built in to the
 * interpreter, and our own package. 1, 0, -1. */
int mp_import_is_reserved(PyObject *first);

#endif
