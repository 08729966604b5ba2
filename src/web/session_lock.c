/* session_lock.c - one request at a time has a session.
 *
 * The surprising rule: a request that has a session already waits only a short
 * while for a second one, because the request that has the second may be
 * waiting for the first. */
#include "runtime/python.h"

#include "web/session_lock.h"

#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/key_lock.h"
#include "server/log.h"
#include "server/mutex.h"

#define SECOND_TIMEOUT apr_time_from_sec(10)

typedef struct mp_session_lock_t {
    mp_key_lock_t *taken; /* NULL: not held */
} lock_t;

static apr_status_t
drop_left(void *baton)
{
    lock_t *lock = baton;
    if (lock->taken) {
        mp_key_lock_drop(lock->taken);
        lock->taken = NULL;
    }
    return APR_SUCCESS;
}

static lock_t *
lock_of(mp_session_t *session, mp_request_t *root)
{
    if (!session->lock) {
        apr_pool_t *pool = root->r->pool;
        session->lock = apr_pcalloc(pool, sizeof(*session->lock));
        apr_pool_cleanup_register(pool, session->lock, drop_left,
                                  apr_pool_cleanup_null);
    }
    return session->lock;
}

/* Does another session of the request hold a lock? */
static int
has_another(const mp_session_t *session, mp_request_t *root)
{
    PyObject *list = mp_context_holding(root, session->state->interp)
                         ->sessions;
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        const mp_session_t *other
            = (const mp_session_t *)PyList_GET_ITEM(list, i);
        if (other != session && other->is_locked) {
            return 1;
        }
    }
    return 0;
}

static apr_interval_time_t
timeout_of(const mp_session_t *session, mp_request_t *root)
{
    double seconds = session->settings->lock_timeout;
    apr_interval_time_t timeout
        = seconds > 0 ? (apr_interval_time_t)(seconds * APR_USEC_PER_SEC)
                      : mp_mutex_timeout();
    return timeout > SECOND_TIMEOUT && has_another(session, root)
               ? SECOND_TIMEOUT : timeout;
}

/* Always -1. */
static int
raise_failure(const mp_request_t *root, apr_status_t status,
              apr_interval_time_t timeout)
{
    char cause[128];
    if (!APR_STATUS_IS_TIMEUP(status)) {
        apr_strerror(status, cause, sizeof(cause));
        PyErr_Format(PyExc_OSError, "the session cannot be locked: %s",
                     cause);
        return -1;
    }
    snprintf(cause, sizeof(cause), "another request kept it for more than "
             "%.1f s", (double)timeout / APR_USEC_PER_SEC);
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(root->r), APLOG_ERR, 0, "MPY0520",
           "the session cannot be locked: %s", cause);
    mp_thread_resume(held);
    PyErr_Format(PyExc_TimeoutError, "the session cannot be locked: %s",
                 cause);
    return -1;
}

int
mp_session_lock_take(mp_session_t *session)
{
    mp_request_t *root = mp_session_root(session);
    mp_text_view_t view;
    if (!root) {
        return -1;
    }
    if (session->is_locked || !session->sid) {
        return 0;
    }
    if (mp_text_view(&view, session->sid, "sid") < 0) {
        return -1;
    }
    lock_t *lock = lock_of(session, root);
    apr_interval_time_t timeout = timeout_of(session, root);
    mp_key_lock_t *taken;
    /* Nearly always it is free, which needs no detaching to find out. */
    apr_status_t status = mp_key_lock_take(&taken, view.bytes,
                                           (size_t)view.size, root, 0);
    if (status == APR_EBUSY) {
        mp_thread_suspended_t held = mp_thread_suspend();
        status = mp_key_lock_take(&taken, view.bytes, (size_t)view.size, root,
                                  timeout);
        mp_thread_resume(held);
    }
    mp_text_release(&view);
    if (status != APR_SUCCESS) {
        return raise_failure(root, status, timeout);
    }
    lock->taken = taken;
    session->is_locked = 1;
    return 0;
}

void
mp_session_lock_drop(mp_session_t *session)
{
    if (session->is_locked && session->lock) {
        drop_left(session->lock); /* which waits for nobody */
    }
    session->is_locked = 0;
}

/* ---- for clean-up ------------------------------------------------------ */

static void
drop_hold(PyObject *capsule)
{
    mp_key_lock_drop(PyCapsule_GetPointer(capsule, NULL));
}

static PyObject *
hold_session(PyObject *module, PyObject *sid)
{
    mp_text_view_t view;
    mp_key_lock_t *taken;
    if (mp_text_view(&view, sid, "sid") < 0) {
        return NULL;
    }
    apr_status_t status = mp_key_lock_take(&taken, view.bytes,
                                           (size_t)view.size,
                                           mp_thread_self(), 0);
    mp_text_release(&view);
    if (status != APR_SUCCESS) {
        Py_RETURN_NONE;
    }
    PyObject *capsule = PyCapsule_New(taken, NULL, drop_hold);
    if (!capsule) {
        mp_key_lock_drop(taken);
    }
    return capsule;
}

PyMethodDef mp_session_lock_functions[] = {
    {"_hold_session", hold_session, METH_O,
     "_hold_session(sid, /)\n--\n\n"
     "The lock of a session, which it keeps while it lives; None when\n"
     "somebody has it."},
    {NULL, NULL, 0, NULL},
};
