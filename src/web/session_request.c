/* session_request.c - THE session of a request.
 *
 * It hangs on the record of the root, beside the request object, so handlers,
 * filters, pages, error pages, sub-requests and internal redirects have one,
 * locked once. The record's end takes away what the session knows of the
 * request, so that no cycle keeps either. */
#include "runtime/python.h"

#include "web/session_request.h"

#include "importer/api.h"
#include "objects/request.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/store.h"
#include "web/cookie_jar.h"
#include "web/session_lock.h"

#include <ap_mpm.h>

#include <string.h>

/* ---- the class --------------------------------------------------------- */

/* As it always was, where there is no store that all children share. */
static const char *
usual_type(const mp_session_settings_t *settings)
{
    int threads = 0, forks = 0, most = 0;
    if (mp_store_find(settings->store)
        || strcmp(settings->store, MP_STORE_SESSIONS)) {
        return "SharedSession"; /* or an error: that store was asked for */
    }
    ap_mpm_query(AP_MPMQ_IS_THREADED, &threads);
    ap_mpm_query(AP_MPMQ_IS_FORKED, &forks);
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &most);
    return threads && (!forks || most <= 1) ? "MemorySession" : "DbmSession";
}

/* A class of the program: "module::Class". */
static PyObject *
import_class(mp_state_t *state, PyObject *req, const char *type)
{
    const mp_request_object_t *object = (const mp_request_object_t *)req;
    const mp_request_t *request = object->request;
    const mp_handler_t *running = request->running
        ? APR_ARRAY_IDX(request->running, request->running_index,
                        const mp_handler_t *)
        : NULL;
    const char *directory = running ? mp_handlers_directory(running,
                                                            request->r)
                                    : NULL;
    mp_handler_t *named = mp_handlers_make(request->r->pool, type, directory,
                                           running);
    if (running && running->is_location) {
        named->is_location = 1;
        named->location = mp_handlers_location(running, request->r);
    }
    return mp_importer_resolve(state->importer, mp_thread_pin(), named,
                               MP_PHASE_HANDLER, request->r, req);
}

/* A class of mod_python.Session. */
static PyObject *
known_class(mp_state_t *state, const char *type)
{
    PyObject *module = mp_session_module(state);
    size_t length = strlen(type);
    PyObject *found = NULL;
    if (!module) {
        return NULL;
    }
    if (length > 7 && !strcmp(type + length - 7, "Session")
        && strcmp(type, "BaseSession")) {
        found = PyObject_GetAttrString(module, type);
        if (!found) {
            PyErr_Clear(); /* the message below says it better */
        }
    }
    return found ? found : PyErr_Format(
        PyExc_ValueError, "PythonOption mod_python.session.session_type: "
        "there is no session class '%s'; it is one of mod_python.Session, or "
        "module::Class", type);
}

/* The class that the options name. New reference; NULL with an exception. */
static PyObject *
find_class(mp_state_t *state, PyObject *req,
           const mp_session_settings_t *settings)
{
    const char *type = settings->type ? settings->type
                                      : usual_type(settings);
    if (!strcmp(type, "SharedSession")) {
        return Py_NewRef(
            (PyObject *)state->types[MP_TYPE_SHARED_SESSION]);
    }
    return strstr(type, "::") ? import_class(state, req, type)
                              : known_class(state, type);
}

/* ---- getting it -------------------------------------------------------- */

/* Class(req, sid=..., secret=..., timeout=..., lock=...), with readonly=1
 * where it is wanted: classes of old do not know it. */
static PyObject *
call_class(PyObject *class, PyObject *req, const mp_session_choice_t *choice)
{
    PyObject *args = PyTuple_Pack(1, req);
    PyObject *keywords = Py_BuildValue(
        "{s:O,s:O,s:d,s:i}", "sid", choice->sid ? choice->sid : Py_None,
        "secret", choice->secret ? choice->secret : Py_None, "timeout",
        choice->timeout, "lock", choice->lock);
    PyObject *session = NULL;
    if (args && keywords
        && (!choice->readonly
            || PyDict_SetItemString(keywords, "readonly", Py_True) == 0)) {
        session = PyObject_Call(class, args, keywords);
    }
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    return session;
}

/* A new session of this class. New reference; NULL with an exception. */
static PyObject *
make_session(mp_state_t *state, PyObject *class, PyObject *req,
             const mp_session_choice_t *choice)
{
    PyTypeObject *own = state->types[MP_TYPE_SHARED_SESSION];
    if (class != (PyObject *)own) {
        return call_class(class, req, choice);
    }
    PyObject *session = own->tp_new(own, NULL, NULL);
    if (session && mp_session_begin(session, req, choice) < 0) {
        Py_CLEAR(session);
    }
    return session;
}

static int
has_other_secret(const mp_session_t *session,
                 const mp_session_choice_t *choice)
{
    if (!choice->secret) {
        return 0;
    }
    int is_same = session->secret
        ? PyObject_RichCompareBool(session->secret, choice->secret, Py_EQ)
        : 0;
    if (is_same == 0) {
        PyErr_SetString(PyExc_ValueError,
                        "the session of this request has begun without this "
                        "secret; give it where the session is asked for "
                        "first");
    }
    return is_same <= 0;
}

/* THE session as it is, for somebody who wants it like that. */
static PyObject *
use_again(mp_session_t *session, const mp_session_choice_t *choice)
{
    PyObject *object = Py_NewRef((PyObject *)session);
    if (has_other_secret(session, choice)
        || (session->is_readonly && !choice->readonly
            && mp_session_upgrade(object, choice) < 0)) {
        Py_CLEAR(object);
    }
    return object;
}

/* Does this id name THE session, or none in particular? -1 with an
 * exception. */
static int
is_meant(const mp_session_t *session, const mp_session_choice_t *choice)
{
    if (!session) {
        return 0;
    }
    return !choice->sid ? 1
           : session->sid ? PyObject_RichCompareBool(session->sid,
                                                     choice->sid, Py_EQ)
                          : 0;
}

static PyObject *
get_or_make(mp_state_t *state, PyObject *req,
            mp_session_choice_t *choice)
{
    if (!mp_cookie_jar_request(state, req)) {
        return NULL;
    }
    mp_request_t *request = ((mp_request_object_t *)req)->request;
    mp_session_t *session = mp_session_find(state, request->root);
    int meant = is_meant(session, choice);
    if (meant) {
        return meant < 0 ? NULL : use_again(session, choice);
    }
    /* At the end of the request nobody is left to send its cookie. */
    if (!mp_request_ptr_kept(req)) {
        return NULL;
    }
    choice->settings = mp_session_settings_read(request);
    PyObject *class = choice->settings
        ? find_class(state, req, choice->settings) : NULL;
    PyObject *made = class ? make_session(state, class, req, choice) : NULL;
    Py_XDECREF(class);
    return made;
}

/* False values mean that there is none. 0, or -1 with an exception. */
static int
settle(mp_session_choice_t *choice, PyObject *sid, PyObject *secret)
{
    int has_sid = sid ? PyObject_IsTrue(sid) : 0;
    int has_secret = secret ? PyObject_IsTrue(secret) : 0;
    choice->sid = has_sid > 0 ? sid : NULL;
    choice->secret = has_secret > 0 ? secret : NULL;
    return has_sid < 0 || has_secret < 0 ? -1 : 0;
}

static PyObject *
make_by_options(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "sid", "secret", "timeout", "lock",
                            "readonly", NULL};
    PyObject *req, *sid = NULL, *secret = NULL;
    mp_session_choice_t choice = {.lock = 1};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OOdpp:Session", names,
                                     &req, &sid, &secret, &choice.timeout,
                                     &choice.lock, &choice.readonly)
        || settle(&choice, sid, secret) < 0) {
        return NULL;
    }
    return get_or_make(mp_state_of_module(module), req, &choice);
}

static PyObject *
get_session(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"secret", "timeout", "lock", "readonly", NULL};
    PyObject *secret = NULL;
    mp_session_choice_t choice = {.lock = 1};
    if ((PyTuple_GET_SIZE(args) || keywords)
        && (!PyArg_ParseTupleAndKeywords(args, keywords, "|Odpp:get_session",
                                         names, &secret, &choice.timeout,
                                         &choice.lock, &choice.readonly)
            || settle(&choice, NULL, secret) < 0)) {
        return NULL;
    }
    return get_or_make(((mp_proxy_t *)self)->state, self, &choice);
}

/* ---- the end ----------------------------------------------------------- */

static void
log_failure(mp_state_t *state, const mp_request_t *request, const char *code,
            const char *what)
{
    mp_error_log(state, MP_LOG_REQUEST(request->r), code, what);
}

static void
unlock(mp_session_t *session, const mp_request_t *request)
{
    if (session->is_locked && !mp_session_is_plain(session)) {
        PyObject *done = PyObject_CallMethod((PyObject *)session, "unlock",
                                             NULL);
        if (!done) {
            log_failure(session->state, request, "MPY0522",
                        "unlock() of a session failed");
        }
        Py_XDECREF(done);
    }
    mp_session_lock_drop(session);
}

static void
call_after(mp_session_t *session, const mp_request_t *request)
{
    PyObject *list = session->after;
    session->after = NULL;
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *done = PyObject_CallNoArgs(PyList_GET_ITEM(list, i));
        if (!done) {
            log_failure(session->state, request, "MPY0523",
                        "the clean-up of a session store failed");
        }
        Py_XDECREF(done);
    }
    Py_XDECREF(list);
}

/* [attached] */
static void
end_all(const mp_request_t *request, mp_holding_t *holding)
{
    PyObject *list = holding->sessions; /* nobody else has it, or will */
    holding->sessions = NULL;
    holding->session = NULL;
    for (Py_ssize_t i = PyList_GET_SIZE(list) - 1; i >= 0; i--) {
        unlock((mp_session_t *)PyList_GET_ITEM(list, i), request);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        mp_session_t *session = (mp_session_t *)PyList_GET_ITEM(list, i);
        call_after(session, request);
        mp_session_cut_off(session);
    }
    Py_DECREF(list);
}

void
mp_session_end(mp_request_t *request, mp_holding_t *holding)
{
    mp_log_place_t place = mp_thread_set_place(MP_LOG_REQUEST(request->r));
    if (holding->proxy) {
        mp_proxy_adopt(holding->proxy);
    }
    while (holding->sessions) {
        end_all(request, holding);
    }
    mp_thread_set_place(place);
}

#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

PyMethodDef mp_session_functions[] = {
    {"Session", WITH_KEYWORDS(make_by_options),
     "Session(req, sid=0, secret=None, timeout=0, lock=1, readonly=0)\n--\n\n"
     "The session of the request, as req.get_session() gives it.\n\n"
     "With a sid the session of that id: 32 hex digits, else ValueError.\n"
     "The class is that of PythonOption mod_python.session.session_type."},
    {NULL, NULL, 0, NULL},
};

PyMethodDef mp_session_request_methods[] = {
    {"get_session", WITH_KEYWORDS(get_session),
     "get_session($self, secret=None, timeout=0, lock=1, readonly=0)\n--\n\n"
     "THE session of the request, the same object for everybody: handlers,\n"
     "filters, pages, sub-requests and internal redirects.\n\n"
     "Whoever asks first makes it, with these arguments (see BaseSession).\n"
     "A session that was read-only is locked and loaded again for whoever\n"
     "does not want it to be. (mod_python.Session)"},
    {NULL, NULL, 0, NULL},
};
