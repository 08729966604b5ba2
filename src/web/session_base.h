/* session_base.h - what a session is, for all parts of it.
 *
 * session_lock.h, session_cookie.h: its lock and its cookie; session_shared.h:
 * the store that all children share; session.h: the type and its life;
 * session_request.h: THE session of a request, and the end of all of them.
 * Where the others are stored is said in Python (Session.py), and in what
 * programs derive.
 *
 * A session belongs to the root of its request, because sub-requests and
 * redirects share it. It knows that request until it ends, and no longer. */
#ifndef MP_WEB_SESSION_BASE_H
#define MP_WEB_SESSION_BASE_H

#include "core/session_id.h"
#include "runtime/state.h"
#include "server/context.h"
#include "web/session_settings.h"
#include "web/state.h"

typedef struct {
    PyDictObject dict;
    mp_state_t *state;
    PyObject *req;        /* object of the root; NULL once that has ended */
    PyObject *sid;        /* str; NULL: read-only, and there is none */
    PyObject *secret;     /* of its cookie, or NULL */
    PyObject *attributes; /* __dict__ */
    PyObject *weakrefs;
    PyObject *after;      /* list of callables for its end, or NULL */
    const mp_session_settings_t *settings; /* goes with req */
    struct mp_session_lock_t *lock;        /* goes with req; or NULL */
    double created;       /* seconds since the epoch */
    double accessed;
    double timeout;       /* seconds without use that it lives */
    char wants_lock;
    char is_locked;
    char is_new;
    char is_invalid;
    char is_readonly;
    char is_second;       /* its id is that of THE session, so it is good,
                             stored or not */
} mp_session_t;

/* Tie a session to the root of a request, which keeps it to its end. Unless
 * its id was given, the first one is THE session. settings: NULL: they are
 * read. 0, or -1 with an exception. */
int mp_session_track(mp_session_t *session, PyObject *req, int has_id,
                     const mp_session_settings_t *settings);
/* Undo it: it could not begin. */
void mp_session_untrack(mp_session_t *session);
/* It knows nothing of its request any more. */
void mp_session_cut_off(mp_session_t *session);

/* THE session of a root in this interpreter, borrowed, or NULL. */
mp_session_t *mp_session_find(mp_state_t *state, mp_request_t *root);

/* The record of the root of its request. NULL with ExpiredError when that has
 * ended, RuntimeError in a wrong thread. */
mp_request_t *mp_session_root(const mp_session_t *session);

/* self.<method>(), which a class of the program may have; `own` is called
 * without looking where there can be none. */
PyObject *mp_session_call(mp_session_t *session, PyObject *name,
                          PyCFunction own);

/* Seconds since the epoch. */
double mp_session_now(void);

/* What was stored: has it had its time? */
int mp_session_is_over(const mp_session_t *session, double created,
                       double accessed, double timeout);

/* mod_python.Session, borrowed; NULL with an exception. */
PyObject *mp_session_module(mp_state_t *state);

/* A number that it does no harm to guess. */
unsigned long long mp_session_random(mp_web_t *web);

/* It is the type that _web makes, and no class derived from it. */
static inline int
mp_session_is_plain(const mp_session_t *session)
{
    return Py_IS_TYPE((const PyObject *)session,
                      session->state->types[MP_TYPE_SHARED_SESSION]);
}

#endif
