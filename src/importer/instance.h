/* instance.h - one executed version of a module: mp_instance.
 *
 * It is the __mp_info__ of its module, which is how the import hook knows who
 * is importing. It knows its file, what it depends on (edges), where its
 * search looked (probes), and what its imports meant (bindings). Instances are
 * shared by generations as long as nothing they depend on changes. */
#ifndef MP_IMPORTER_INSTANCE_H
#define MP_IMPORTER_INSTANCE_H

#include "importer/importer.h"
#include "importer/language.h"
#include "importer/source.h"

extern PyType_Spec mp_instance_spec;

/* Why refreshing the target means refreshing the holder of the edge. */
typedef enum {
    MP_EDGE_IMPORT,  /* its body imported it */
    MP_EDGE_LATE,    /* a function of it imported it later */
    MP_EDGE_PACKAGE, /* they are parts of one package */
    MP_EDGE_EFFECT,  /* executing one changed what the other owns */
    MP_EDGE_COUNT
} mp_edge_t;
extern const char *const mp_edge_names[MP_EDGE_COUNT];

typedef struct mp_instance_t {
    PyObject_HEAD
    mp_root_t *root;
    PyObject *name;       /* str: unique in the interpreter */
    PyObject *file;       /* str, or None for a namespace package */
    PyObject *module;     /* the module object */
    PyObject *generation; /* the newest generation it belongs to, or NULL */
    PyObject *edges;      /* dict: name of a hot module -> int (mp_edge_t) */
    PyObject *probes;     /* set of str: "dir/stem", where it searched */
    PyObject *bindings;   /* dict: name as imported -> full name of the leaf;
                             for a dotted name a tuple of that and the full
                             name of its beginning; None: cold */
    PyObject *absent;     /* set of str: full names looked for in packages and
                             not there */
    PyObject *missed;     /* set of str: paths that modules it imported in vain
                             had looked at (attempt.h); NULL: none */
    PyObject *search;     /* tuple of str: directories after its own root:
                             of the handler, of the configuration */
    PyObject *own_path;   /* list: what __mp_path__ begins with; NULL: empty */
    PyObject *parent;     /* str: name of its package, or None */
    PyObject *links;      /* list of str: what the file, a symbolic link, leads
                             to, step by step; NULL: it is none */
    mp_source_id_t source;
    PyObject *text;       /* bytes: the source that was executed, or NULL */
    PyObject *code;       /* code object made of text, or what its language
                             made of it; or NULL */
    const mp_language_t *language; /* what text is; NULL: Python */
    PyObject *data;       /* dict: path that its body read -> bytes, a digest
                             of what was there (data.h); NULL: none */
    PyObject *imported;   /* set of str: globals that stand for what others
                             own (page.h); NULL: not asked for yet */
    PyObject *kept;       /* dict: name -> what apache.keep() answers; NULL:
                             none */
    PyObject *handed;     /* dict: what its clone hook handed over, for another
                             attempt; NULL: not called yet */
    PyObject *successor;  /* while its purge hook runs: the module that goes
                             on in its place, or NULL */
    PyObject *reason;     /* str: why it was executed */
    PyObject *weakrefs;   /* to find out what keeps it alive (census) */
    apr_time_t loaded_at; /* when its body began */
    apr_time_t used_at;   /* the last request that a handler in it served */
    long direct;          /* handlers called in it */
    long indirect;        /* imports that found it loaded */
    long serial;          /* order of beginnings */
    long loads;           /* how often this module was executed so far */
    int is_package;       /* has a __path__ */
    int is_entry;         /* asked for by name: a directive, import_module */
    int is_executing;     /* its body runs, or is about to, or has just run */
    int is_abandoned;     /* its body did not end, and is not waited for */
    int is_retired;       /* its purge hook ran, or is about to */
} mp_instance_t;

/* A new instance with an empty module: __name__, __file__, __path__ (dir as
 * only element, for packages; dirs for namespace packages), __spec__,
 * __builtins__ and the rest are set. New reference. [attached] */
mp_instance_t *mp_instance_create(mp_importer_t *importer, mp_root_t *root,
                                  PyObject *name, PyObject *file,
                                  PyObject *dirs, PyObject *search);

/* The instance behind module globals, borrowed, or NULL (no exception). */
mp_instance_t *mp_instance_of_globals(mp_state_t *state, PyObject *globals);

/* Record that refreshing `target` means refreshing instance. 0 or -1. A known
 * edge is kept, but for a late one, which any other replaces, and that of a
 * package to its part, which an import replaces. */
int mp_instance_add_edge(mp_instance_t *instance, PyObject *target,
                         mp_edge_t edge);

#endif
