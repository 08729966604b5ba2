/* session_lock.c - one request at a time has a session.
 *
 * The surprising rule: a request that has a session already waits only a short
 * while for a second one, because the request that has the second may be
 * waiting for the first. */
#include "runtime/python.h"

#include "web/session_lock.h"

#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"
#include "server/mutex.h"

#include <string.h>

#define SECOND_TIMEOUT apr_time_from_sec(10)

typedef struct mp_session_lock_t {
    mp_mutex_t *mutex; /* NULL: not held */
    int number;
    const void *owner;
} lock_t;

static apr_status_t
drop_left(void *baton)
{
    lock_t *lock = baton;
    if (lock->mutex) {
        (void)mp_mutex_drop(lock->mutex, lock->owner);
        lock->mutex = NULL;
    }
    return APR_SUCCESS;
}

static lock_t *
lock_of(mp_session_t *session, mp_request_t *root)
{
    if (!session->lock) {
        apr_pool_t *pool = root->r->pool;
        session->lock = apr_pcalloc(pool, sizeof(*session->lock));
        session->lock->owner = root;
        apr_pool_cleanup_register(pool, session->lock, drop_left,
                                  apr_pool_cleanup_null);
    }
    return session->lock;
}

/* The one that _apache._global_lock(server, sid) takes. */
static int
number_of(const mp_text_view_t *sid)
{
    char key[1 + MP_SESSION_ID_SIZE] = "s";
    size_t size = (size_t)sid->size;
    if (size > MP_SESSION_ID_SIZE) {
        size = MP_SESSION_ID_SIZE; /* of a class with ids of its own */
    }
    memcpy(key + 1, sid->bytes, size);
    return mp_mutex_number_of(key, 1 + size);
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
raise_failure(const mp_request_t *root, int number, apr_status_t status,
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
           "the session cannot be locked: %s (lock %d)", cause, number);
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
    lock->number = number_of(&view);
    mp_mutex_t *mutex = mp_mutex_numbered(lock->number);
    mp_text_release(&view);
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_mutex_take(mutex, lock->owner, timeout);
    mp_thread_resume(held);
    if (status != APR_SUCCESS) {
        return raise_failure(root, lock->number, status, timeout);
    }
    lock->mutex = mutex;
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
