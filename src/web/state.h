/* state.h - what the web layer knows in one interpreter: the state of its
 * built-in module _web.
 *
 * A file of this layer adds the objects it keeps to MP_WEB_OBJECTS, saying
 * what they are, and the names it looks up to MP_WEB_NAMES. Types are rows of
 * the one table in mod_python.c. */
#ifndef MP_WEB_STATE_H
#define MP_WEB_STATE_H

#include "runtime/state.h"

/* Owned, NULL until the file that keeps it has made it. */
#define MP_WEB_OBJECTS(X)                                     \
    X(publisher_names) /* list of publisher.c */              \
    X(publisher_types) /* set of publisher.c */               \
    X(wsgi_memory) /* capsule of wsgi_environ.c */ \
    X(wsgi_applications) /* capsule of wsgi.c */ \
    X(cookie_error) /* exception CookieError */               \
    X(hmac_keys) /* dict: secret -> hmac object */            \
    X(pickle_dumps) X(pickle_loads)                           \
    X(session_module) /* mod_python.Session */

/* Interned: web->names.form etc. */
#define MP_WEB_NAMES(X) \
    X(__call__) X(__init__) X(__new__) X(list) X(name) X(req) \
    X(close) \
    X(__access__) X(__auth__) X(__auth_realm__) X(__wrapped__) X(func)        \
    X(__html__) X(_psp_) X(exception) X(get_session) X(psp) X(save)           \
    X(session) X(str) X(unlock) X(write) \
    X(form) X(md5) X(sha256)                                                  \
    X(CLEANUP_CHANCE) X(DFT_TIMEOUT) X(cleanup) X(delete) X(do_cleanup)       \
    X(do_delete) X(do_load) X(do_save) X(init_lock) X(lock) X(make_cookie) \
    X(copy) X(digest) X(mismatch) X(secret) X(update)

typedef struct mp_web_t {
    mp_state_t *state; /* of _apache, which keeps _web */
    unsigned long long session_random; /* 0: not begun */
    struct {
#define X(name) PyObject *name;
        MP_WEB_OBJECTS(X)
#undef X
    } objects;
    struct {
#define X(name) PyObject *name;
        MP_WEB_NAMES(X)
#undef X
    } names;
} mp_web_t;

/* Borrowed, never NULL once the interpreter has started. */
static inline mp_web_t *
mp_web_of(mp_state_t *state)
{
    return PyModule_GetState(state->web);
}

#endif
