/* state.h - what one interpreter knows: the state of its _apache module.
 *
 * One mp_state_t for each Python interpreter, inside the module object
 * _apache, with traverse and clear. There are no static Python objects
 * anywhere else. Every object of ours caches the pointer: instance, type and
 * module keep each other alive. */
#ifndef MP_RUNTIME_STATE_H
#define MP_RUNTIME_STATE_H

#include "runtime/python.h"

#include <httpd.h>

typedef struct mp_state_t mp_state_t;

/* One Python interpreter of this process; runtime/interp.h makes them. */
typedef struct mp_interp_t mp_interp_t;
struct mp_interp_t {
    const char *name;            /* as asked for, in the child's pool */
    int number;                  /* 0 is the main interpreter */
    PyInterpreterState *python;
    PyObject *module;            /* _apache, owned */
    mp_state_t *state;           /* of that module */
    server_rec *server;          /* main server of this process */
    mp_interp_t *next;           /* interp_lock */
};

/* Our heap types, by number; the rows are in mod_python.c. */
typedef enum {
    MP_TYPE_STREAM,
    MP_TYPE_TABLE,
    MP_TYPE_TABLE_ITERATOR,
    MP_TYPE_FINFO,
    MP_TYPE_HLIST,
    MP_TYPE_SERVER,
    MP_TYPE_CONNECTION,
    MP_TYPE_REQUEST,
    MP_TYPE_FILTER,
    MP_TYPE_INSTANCE,
    MP_TYPE_GENERATION,
    MP_TYPE_PORTAL,
    MP_TYPE_IMPORT_HOOK,
    MP_TYPE_FINDER,
    MP_TYPE_SHARED_DICT,
    MP_TYPE_COOKIE,
    MP_TYPE_SIGNED_COOKIE,
    MP_TYPE_MARSHAL_COOKIE,
    MP_TYPE_SESSION,
    MP_TYPE_SHARED_SESSION,
    MP_TYPE_WSGI_RESPONSE,
    MP_TYPE_WSGI_FILE_WRAPPER,
    MP_TYPE_STRING_FIELD,
    MP_TYPE_FILE_FIELD,
    MP_TYPE_FIELD_LIST,
    MP_TYPE_FORM,
    MP_TYPE_PSP,
    MP_TYPE_PSP_PAGE,
    MP_TYPE_COUNT
} mp_type_id_t;

/* Names we look up again and again, interned: state->names.builtins etc. */
#define MP_NAMES(X) \
    X(__all__) X(__builtins__) X(__cached__) X(__class__) X(__dict__)         \
    X(__file__) X(__import__) X(__loader__) X(__mp_clone__) X(__mp_info__)    \
    X(__mp_keep__) X(__mp_path__) X(__mp_purge__) X(__mp_reload__)            \
    X(__name__) X(__package__) X(__path__) X(__spec__) X(_initializing)       \
    X(builtins) X(exec_module) X(format_exception) X(path) X(sys) X(modules)  \
    X(keys) X(parent) X(_mp_)

struct mp_state_t {
    mp_interp_t *interp; /* borrowed: lives to child exit */
    PyObject *module;           /* _apache itself, borrowed */
    PyObject *web;              /* the module _web (web/state.h) */
    PyTypeObject *types[MP_TYPE_COUNT];
    PyObject *server_return;    /* exception SERVER_RETURN */
    PyObject *expired_error;    /* exception ExpiredError(RuntimeError) */
    struct mp_importer_t *importer; /* importer/api.h; NULL before start */
    PyObject *original_path;    /* sys.path before any PythonPath, or NULL */
    PyObject *paths;            /* dict: text of a PythonPath -> its list */
    PyObject *expressions;      /* dict: (flags, text) -> capsule, or NULL */
    PyObject *include_code;     /* dict: (page, is eval, text) -> code of
                                   #python elements, or NULL */
    PyObject *streams[2];       /* raw ends of sys.stdout and sys.stderr */
    PyObject *cleanups;         /* list of (callable, data, mp_instance whose
                                   body registered it, or None): child exit */
    struct {
#define X(name) PyObject *name;
        MP_NAMES(X)
#undef X
    } names;
};

/* A row of the table of types that mod_python.c hands to the runtime. */
typedef struct {
    mp_type_id_t id;
    PyType_Spec *spec;  /* name "builtins.x": shown as <class 'x'> */
    PyTypeObject *base; /* static base such as &PyModule_Type, or NULL */
    const char *public_name; /* its name in _apache, or NULL */
} mp_type_row_t;

/* What upper layers add to rows of that table, those of one row together; the
 * last one has the id MP_TYPE_COUNT. */
typedef struct {
    mp_type_id_t id;
    int parent; /* mp_type_id_t of a row above, whose type is its base, or
                   -1 */
    PyMethodDef *methods; /* besides those of its spec, or NULL */
} mp_type_extra_t;

typedef int (*traverseproc_of_state)(mp_state_t *state, visitproc visit,
                                     void *arg);

/* A built-in module besides _apache. */
typedef struct {
    const char *name;
    PyObject *(*init)(void);
} mp_builtin_t;

/* Everything the upper layers bring to _apache; all arrays end with a zero
 * row. Handed down once, by mod_python.c. */
typedef struct {
    const mp_type_row_t *types;
    const mp_type_extra_t *extras;
    PyMethodDef *const *functions;              /* arrays of methods */
    int (*const *add)(mp_state_t *state);       /* constants and the like */
    int (*const *start)(mp_state_t *state);     /* once _apache is imported,
                                                   in order; 0 or -1 */
    void (*const *stop)(mp_state_t *state);     /* at child exit, in order */
    const mp_builtin_t *builtins;               /* further modules */
    traverseproc_of_state traverse; /* objects of state->importer, or NULL */
} mp_exports_t;

/* Borrowed. Of a module object, of an object whose type is ours, of the
 * interpreter the thread is attached to. Never NULL while attached to one of
 * our interpreters. [attached] */
mp_state_t *mp_state_of_module(PyObject *module);
mp_state_t *mp_state_of_type(PyTypeObject *type);
mp_state_t *mp_state_current(void);

#endif
