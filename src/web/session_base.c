/* session_base.c - what all parts of a session need: its request, the sessions
 * of a request, time, and chance. */
#include "runtime/python.h"

#include "web/session_base.h"

#include "objects/request.h"
#include "web/cookie_jar.h"

#include <apr_time.h>

#include <unistd.h>

PyObject *
mp_session_module(mp_state_t *state)
{
    mp_web_t *web = mp_web_of(state);
    if (!web->objects.session_module) {
        web->objects.session_module
            = PyImport_ImportModule("mod_python.Session");
    }
    return web->objects.session_module;
}

/* xorshift; what it decides is worth nothing. */
unsigned long long
mp_session_random(mp_web_t *web)
{
    unsigned long long number = web->session_random;
    if (!number) {
        number = (unsigned long long)apr_time_now()
                 ^ (unsigned long long)getpid() << 32;
    }
    number ^= number << 13;
    number ^= number >> 7;
    number ^= number << 17;
    web->session_random = number;
    return number >> 11;
}

double
mp_session_now(void)
{
    return (double)apr_time_now() / APR_USEC_PER_SEC;
}

mp_request_t *
mp_session_root(const mp_session_t *session)
{
    if (!session->req) {
        PyErr_SetString(session->state->expired_error,
                        "this session is no longer valid: its request has "
                        "ended");
        return NULL;
    }
    return mp_proxy_ptr(session->req)
               ? ((mp_request_object_t *)session->req)->request : NULL;
}

PyObject *
mp_session_call(mp_session_t *session, PyObject *name, PyCFunction own)
{
    return mp_session_is_plain(session)
               ? own((PyObject *)session, NULL)
               : PyObject_CallMethodNoArgs((PyObject *)session, name);
}

/* ---- time -------------------------------------------------------------- */

int
mp_session_is_over(const mp_session_t *session, double created,
                   double accessed, double timeout)
{
    double now = mp_session_now();
    double most = session->settings->absolute_timeout;
    return now - accessed > timeout || (most > 0 && now - created > most);
}

/* ---- which there are --------------------------------------------------- */

mp_session_t *
mp_session_find(mp_state_t *state, mp_request_t *root)
{
    return mp_context_holding(root, state->interp)->session;
}

/* The request object that sessions keep: that of the root, because a
 * sub-request may end before them. New reference; NULL with an exception. */
static PyObject *
root_object(mp_state_t *state, PyObject *req, mp_request_t *root)
{
    const mp_request_object_t *object = (const mp_request_object_t *)req;
    return object->request == root ? Py_NewRef(req)
                                   : mp_request_wrap(state, root);
}

int
mp_session_track(mp_session_t *session, PyObject *req, int has_id,
                 const mp_session_settings_t *settings)
{
    mp_state_t *state = session->state;
    if (!mp_cookie_jar_request(state, req)) {
        return -1;
    }
    mp_request_t *request = ((mp_request_object_t *)req)->request;
    mp_request_t *root = request->root;
    mp_holding_t *holding = mp_context_holding(root, state->interp);
    if (!settings) {
        settings = mp_session_settings_read(request);
    }
    if (settings && !holding->sessions) {
        holding->sessions = PyList_New(0);
    }
    if (!settings || !holding->sessions
        || PyList_Append(holding->sessions, (PyObject *)session) < 0) {
        return -1;
    }
    session->settings = settings;
    session->req = root_object(state, req, root);
    if (!session->req) {
        mp_session_untrack(session);
        return -1;
    }
    if (!has_id && !holding->session) {
        holding->session = session; /* the list keeps it */
    }
    return 0;
}

void
mp_session_cut_off(mp_session_t *session)
{
    session->settings = NULL;
    session->lock = NULL;
    session->is_locked = 0;
    Py_CLEAR(session->req);
}

void
mp_session_untrack(mp_session_t *session)
{
    mp_request_t *root = session->req
        ? ((mp_request_object_t *)session->req)->request : NULL;
    mp_holding_t *holding = root
        ? mp_context_holding(root, session->state->interp) : NULL;
    PyObject *list = holding ? holding->sessions : NULL;
    if (holding && holding->session == session) {
        holding->session = NULL;
    }
    mp_session_cut_off(session);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        if (PyList_GET_ITEM(list, i) == (PyObject *)session) {
            (void)PyList_SetSlice(list, i, i + 1, NULL);
            break;
        }
    }
}
