/* session.c - BaseSession: its life in a request, and its methods.
 *
 * The beginning is where the rules are: an id that is not one, that nothing
 * was stored under, or whose time is over, leads to a new session with a new
 * id, never to one under the id that the client chose.
 *
 * A program's class may have its own do_load(), do_save() and so on, and any
 * other method; so everything is called by name, except on the type that _web
 * makes itself, where nobody can have changed it. */
#include "runtime/python.h"

#include "web/session.h"

#include "runtime/text.h"
#include "web/session_cookie.h"
#include "web/session_lock.h"
#include "web/session_pickle.h"
#include "web/session_shared.h"

#include <math.h>
#include <string.h>

static mp_session_t *
session_of(PyObject *self)
{
    return (mp_session_t *)self;
}

static mp_web_t *
web_of(const mp_session_t *session)
{
    return mp_web_of(session->state);
}

/* The same where the answer does not count. 0, or -1 with an exception. */
static int
do_call(mp_session_t *session, PyObject *name, PyCFunction own)
{
    PyObject *result = mp_session_call(session, name, own);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* ---- time -------------------------------------------------------------- */

/* An int where it is one, as programs gave it. */
static PyObject *
number_from(double number)
{
    return number == floor(number) && fabs(number) < 1e15
               ? PyLong_FromDouble(number) : PyFloat_FromDouble(number);
}

/* A number that programs may set in mod_python.Session. -1 with an
 * exception. */
static double
constant(const mp_session_t *session, PyObject *name)
{
    PyObject *module = mp_session_module(session->state);
    PyObject *value = module ? PyObject_GetAttr(module, name) : NULL;
    double number = value ? PyFloat_AsDouble(value) : -1;
    Py_XDECREF(value);
    return number;
}

/* ---- loading and saving ------------------------------------------------ */

static int
is_of_application(const mp_session_t *session, PyObject *stored)
{
    PyObject *name = PyDict_GetItemString(stored, "_application");
    if (!name) {
        return !*session->settings->application;
    }
    return PyUnicode_Check(name)
           && PyUnicode_CompareWithASCIIString(
                  name, session->settings->application) == 0;
}

/* A number of what do_load() gave. 0, or -1 with an exception. */
static int
read_number(PyObject *stored, const char *key, double *number)
{
    PyObject *value = PyDict_GetItemString(stored, key);
    if (!value) {
        PyErr_Format(PyExc_KeyError, "do_load() gave a dict without '%s'",
                     key);
        return -1;
    }
    *number = PyFloat_AsDouble(value);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

/* 1, 0 when its time is over or it is another's, -1 with an exception. */
static int
take_stored(mp_session_t *session, PyObject *stored)
{
    double created, accessed, timeout;
    if (!PyDict_Check(stored)) {
        PyErr_Format(PyExc_TypeError, "do_load() must give a dict or None, "
                     "not %.200s", Py_TYPE(stored)->tp_name);
        return -1;
    }
    PyObject *data = PyDict_GetItemString(stored, "_data");
    if (!data || read_number(stored, "_created", &created) < 0
        || read_number(stored, "_accessed", &accessed) < 0
        || read_number(stored, "_timeout", &timeout) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_KeyError,
                            "do_load() gave a dict without '_data'");
        }
        return -1;
    }
    if (!is_of_application(session, stored)
        || mp_session_is_over(session, created, accessed, timeout)) {
        return 0;
    }
    session->created = created;
    session->accessed = accessed;
    session->timeout = timeout;
    return PyDict_Update((PyObject *)session, data) < 0 ? -1 : 1;
}

/* 1 loaded, 0 there is none, -1 with an exception. */
static int
load(mp_session_t *session)
{
    if (!mp_session_root(session)) {
        return -1;
    }
    if (!session->sid) {
        return 0;
    }
    if (mp_session_is_plain(session)) {
        return mp_session_shared_load(session);
    }
    PyObject *stored = PyObject_CallMethodNoArgs(
        (PyObject *)session, web_of(session)->names.do_load);
    int result = !stored ? -1
                 : stored == Py_None ? 0 : take_stored(session, stored);
    Py_XDECREF(stored);
    return result;
}

static PyObject *
session_load(PyObject *self, PyObject *unused)
{
    int loaded = load(session_of(self));
    return loaded < 0 ? NULL : PyLong_FromLong(loaded);
}

/* What do_save() is given. New dict; NULL with an exception. */
static PyObject *
make_stored(mp_session_t *session)
{
    PyObject *data = PyDict_Copy((PyObject *)session);
    PyObject *timeout = number_from(session->timeout);
    PyObject *stored = data && timeout
        ? Py_BuildValue("{s:O,s:d,s:d,s:O}", "_data", data, "_created",
                        session->created, "_accessed", session->accessed,
                        "_timeout", timeout)
        : NULL;
    Py_XDECREF(timeout);
    Py_XDECREF(data);
    if (stored && *session->settings->application) {
        PyObject *name = mp_text_from(session->settings->application);
        if (!name
            || PyDict_SetItemString(stored, "_application", name) < 0) {
            Py_CLEAR(stored);
        }
        Py_XDECREF(name);
    }
    return stored;
}

/* 0, or -1 with an exception: a read-only session stays as it is. */
static int
check_writable(const mp_session_t *session, const char *verb)
{
    if (!mp_session_root(session)) {
        return -1;
    }
    if (session->is_readonly) {
        PyErr_Format(PyExc_RuntimeError, "a read-only session cannot be %s; "
                     "get it without readonly", verb);
        return -1;
    }
    return 0;
}

static PyObject *
session_save(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    if (check_writable(session, "saved") < 0) {
        return NULL;
    }
    if (session->is_invalid) {
        Py_RETURN_NONE;
    }
    if (mp_session_is_plain(session)) {
        return mp_session_shared_save(session) < 0 ? NULL
                                                   : Py_NewRef(Py_None);
    }
    PyObject *stored = make_stored(session);
    PyObject *result = stored ? PyObject_CallMethodOneArg(
        self, web_of(session)->names.do_save, stored) : NULL;
    Py_XDECREF(stored);
    Py_XDECREF(result);
    return result ? Py_NewRef(Py_None) : NULL;
}

static int
forget(mp_session_t *session)
{
    return do_call(session, web_of(session)->names.do_delete,
                   mp_session_shared_delete);
}

static PyObject *
session_delete(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    if (check_writable(session, "deleted") < 0 || forget(session) < 0) {
        return NULL;
    }
    PyDict_Clear(self);
    Py_RETURN_NONE;
}

static PyObject *
session_invalidate(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    if (check_writable(session, "made invalid") < 0
        || mp_session_cookie_expire(session) < 0
        || do_call(session, web_of(session)->names.delete, session_delete)
               < 0) {
        return NULL;
    }
    session->is_invalid = 1;
    Py_RETURN_NONE;
}

/* ---- locking ----------------------------------------------------------- */

static PyObject *
session_lock(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    if (session->wants_lock && mp_session_lock_take(session) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
session_unlock(PyObject *self, PyObject *unused)
{
    mp_session_lock_drop(session_of(self));
    Py_RETURN_NONE;
}

static int
do_lock(mp_session_t *session)
{
    return do_call(session, web_of(session)->names.lock, session_lock);
}

static int
do_unlock(mp_session_t *session)
{
    return do_call(session, web_of(session)->names.unlock, session_unlock);
}

/* ---- the id ------------------------------------------------------------ */

static int
set_new_id(mp_session_t *session)
{
    char id[MP_SESSION_ID_SIZE];
    if (mp_session_id_make(id) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    PyObject *sid = PyUnicode_FromStringAndSize(id, sizeof(id));
    if (!sid) {
        return -1;
    }
    Py_XSETREF(session->sid, sid);
    return 0;
}

/* The id that a program gives. 0, or -1 with ValueError. */
static int
set_given_id(mp_session_t *session, PyObject *sid)
{
    mp_text_view_t view;
    if (mp_text_view(&view, sid, "sid") < 0) {
        return -1;
    }
    int is_valid = mp_session_id_is_valid(view.bytes, (size_t)view.size);
    PyObject *text = is_valid ? mp_text_from_size(view.bytes, view.size)
                              : NULL;
    mp_text_release(&view);
    if (!text) {
        if (!is_valid) {
            PyErr_Format(PyExc_ValueError, "%R is no session id: that is 32 "
                         "hex digits", sid);
        }
        return -1;
    }
    Py_XSETREF(session->sid, text);
    return 0;
}

/* ---- the beginning ----------------------------------------------------- */

/* One in so many sessions cleans up. 0, or -1 with an exception. */
static int
take_chance(mp_session_t *session)
{
    mp_web_t *web = web_of(session);
    double chance = constant(session, web->names.CLEANUP_CHANCE);
    if (chance == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (chance < 1 || mp_session_random(web) % (uint64_t)chance) {
        return 0;
    }
    return do_call(session, web->names.cleanup, mp_session_shared_cleanup);
}

static int
begin_new(mp_session_t *session, double timeout)
{
    if (session->settings->timeout > 0 && !timeout) {
        timeout = session->settings->timeout;
    }
    session->timeout = timeout ? timeout
        : constant(session, web_of(session)->names.DFT_TIMEOUT);
    if (session->timeout == -1 && PyErr_Occurred()) {
        return -1;
    }
    session->is_new = 1;
    session->created = mp_session_now();
    if (session->is_readonly) {
        Py_CLEAR(session->sid);
        return 0;
    }
    if (session->is_second) {
        return 0;
    }
    if (session->sid && do_unlock(session) < 0) {
        return -1;
    }
    return set_new_id(session) < 0 || do_lock(session) < 0
                   || mp_session_cookie_send(session) < 0
               ? -1 : 0;
}

/* sid is set, or NULL: there is none. */
static int
begin_known(mp_session_t *session, double timeout)
{
    int loaded = 0;
    if (session->sid) {
        loaded = do_lock(session) < 0 ? -1 : load(session);
        if (loaded < 0) {
            return -1;
        }
    }
    if (loaded) {
        session->is_new = 0;
    }
    else if (begin_new(session, timeout) < 0) {
        return -1;
    }
    session->accessed = mp_session_now();
    return 0;
}

static int
begin_tracked(mp_session_t *session, const mp_session_choice_t *choice)
{
    int failed = choice->sid ? set_given_id(session, choice->sid)
                             : mp_session_cookie_find(session);
    if (!failed && !mp_session_is_plain(session)) {
        failed = do_call(session, web_of(session)->names.init_lock, NULL);
    }
    return failed || begin_known(session, choice->timeout) < 0
                   || take_chance(session) < 0
               ? -1 : 0;
}

/* What is left when it could not begin. The exception in flight stays. */
static void
give_up(mp_session_t *session)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (session->is_locked && do_unlock(session) < 0) {
        PyErr_Clear(); /* the first exception tells what went wrong */
    }
    mp_session_lock_drop(session);
    mp_session_untrack(session);
    PyErr_SetRaisedException(exc);
}

int
mp_session_begin(PyObject *self, PyObject *req,
                 const mp_session_choice_t *choice)
{
    mp_session_t *session = session_of(self);
    if (session->req) {
        PyErr_SetString(PyExc_RuntimeError, "the session has begun already");
        return -1;
    }
    if (mp_session_track(session, req, choice->sid != NULL, choice->settings)
        < 0) {
        return -1;
    }
    Py_XSETREF(session->secret, Py_XNewRef(choice->secret));
    session->wants_lock = choice->lock && !choice->readonly;
    session->is_readonly = choice->readonly != 0;
    session->is_new = 1;
    if (begin_tracked(session, choice) < 0) {
        give_up(session);
        return -1;
    }
    return 0;
}

int
mp_session_upgrade(PyObject *self, const mp_session_choice_t *choice)
{
    mp_session_t *session = session_of(self);
    session->is_readonly = 0;
    session->wants_lock = choice->lock != 0;
    PyDict_Clear(self);
    if (begin_known(session, choice->timeout) == 0) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    mp_session_lock_drop(session);
    session->is_readonly = 1;
    PyErr_SetRaisedException(exc);
    return -1;
}

/* ---- methods ----------------------------------------------------------- */

/* Save under the new id before the old one goes: a process that is killed in
 * between loses nothing. */
static int
move_to_new_id(mp_session_t *session, PyObject *old)
{
    if (set_new_id(session) < 0) {
        return -1;
    }
    PyObject *new_id = Py_NewRef(session->sid);
    int failed = do_call(session, web_of(session)->names.save, session_save);
    Py_XSETREF(session->sid, Py_NewRef(old));
    failed = failed || forget(session) < 0 || do_unlock(session) < 0;
    Py_XSETREF(session->sid, new_id);
    return failed || do_lock(session) < 0
                   || mp_session_cookie_send(session) < 0
               ? -1 : 0;
}

static PyObject *
session_renew(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    if (check_writable(session, "renewed") < 0) {
        return NULL;
    }
    if (session->is_invalid) {
        PyErr_SetString(PyExc_RuntimeError, "the session is invalid");
        return NULL;
    }
    PyObject *old = Py_NewRef(session->sid);
    int failed = move_to_new_id(session, old);
    Py_DECREF(old);
    return failed ? NULL : Py_NewRef(session->sid);
}

static PyObject *
session_is_new(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(session_of(self)->is_new);
}

static PyObject *
session_id(PyObject *self, PyObject *unused)
{
    PyObject *sid = session_of(self)->sid;
    return Py_NewRef(sid ? sid : Py_None);
}

static PyObject *
session_created(PyObject *self, PyObject *unused)
{
    return PyFloat_FromDouble(session_of(self)->created);
}

static PyObject *
session_last_accessed(PyObject *self, PyObject *unused)
{
    return PyFloat_FromDouble(session_of(self)->accessed);
}

static PyObject *
session_timeout(PyObject *self, PyObject *unused)
{
    return number_from(session_of(self)->timeout);
}

static PyObject *
session_set_timeout(PyObject *self, PyObject *seconds)
{
    double timeout = PyFloat_AsDouble(seconds);
    if (timeout == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!(fabs(timeout) < 1e15)) {
        PyErr_SetString(PyExc_ValueError, "that is no time");
        return NULL;
    }
    session_of(self)->timeout = timeout;
    Py_RETURN_NONE;
}

static PyObject *
session_init_lock(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE;
}

static PyObject *
session_cleanup(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    return mp_session_root(session)
               ? mp_session_call(session, web_of(session)->names.do_cleanup,
                                 mp_session_shared_cleanup)
               : NULL;
}

static PyObject *
session_make_cookie(PyObject *self, PyObject *unused)
{
    return mp_session_cookie_make(session_of(self));
}

static PyObject *
session_after(PyObject *self, PyObject *callable)
{
    mp_session_t *session = session_of(self);
    if (!mp_session_root(session)) {
        return NULL;
    }
    if (!session->after) {
        session->after = PyList_New(0);
    }
    if (!session->after || PyList_Append(session->after, callable) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* For the classes of Session.py: a stored dict out of its pickle, or None. */
static PyObject *
session_undump(PyObject *self, PyObject *pickle)
{
    mp_text_view_t view;
    if (mp_text_view(&view, pickle, "pickle") < 0) {
        return NULL;
    }
    PyObject *stored = mp_session_undump(session_of(self), view.bytes,
                                         (size_t)view.size);
    mp_text_release(&view);
    return stored || PyErr_Occurred() ? stored : Py_NewRef(Py_None);
}

static PyObject *
raise_abstract(PyObject *self, PyObject *unused)
{
    PyErr_Format(PyExc_NotImplementedError,
                 "%.200s does not say where its sessions are stored: it needs "
                 "do_load(), do_save(), do_delete() and do_cleanup()",
                 Py_TYPE(self)->tp_name);
    return NULL;
}

/* ---- attributes -------------------------------------------------------- */

static PyObject *
get_timeout(PyObject *self, void *closure)
{
    return session_timeout(self, NULL);
}

static int
set_timeout(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "_timeout cannot be deleted");
        return -1;
    }
    PyObject *done = session_set_timeout(self, value);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* A text of the settings, for the classes of Session.py. */
static PyObject *
get_application(PyObject *self, void *closure)
{
    mp_session_t *session = session_of(self);
    return mp_session_root(session)
               ? mp_text_from(session->settings->application) : NULL;
}

/* ---- the type ---------------------------------------------------------- */

/* Arguments of __init__(): (req, sid, secret, lock, timeout, readonly). 0, or
 * -1 with an exception. */
static int
init_session(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "sid", "secret", "lock", "timeout",
                            "readonly", NULL};
    PyObject *req, *sid = Py_None, *secret = Py_None;
    mp_session_choice_t choice = {.lock = 1};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OOpdp", names, &req,
                                     &sid, &secret, &choice.lock,
                                     &choice.timeout, &choice.readonly)) {
        return -1;
    }
    int has_sid = PyObject_IsTrue(sid), has_secret = PyObject_IsTrue(secret);
    if (has_sid < 0 || has_secret < 0) {
        return -1;
    }
    choice.sid = has_sid ? sid : NULL;
    choice.secret = has_secret ? secret : NULL;
    return mp_session_begin(self, req, &choice);
}

static PyObject *
new_session(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *self = PyDict_Type.tp_new(type, args, keywords);
    if (self) {
        session_of(self)->state = mp_state_current();
    }
    return self;
}

static int
traverse_session(PyObject *self, visitproc visit, void *arg)
{
    mp_session_t *session = session_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(session->req);
    Py_VISIT(session->sid);
    Py_VISIT(session->secret);
    Py_VISIT(session->attributes);
    Py_VISIT(session->after);
    return PyDict_Type.tp_traverse(self, visit, arg);
}

static int
clear_session(PyObject *self)
{
    mp_session_t *session = session_of(self);
    Py_CLEAR(session->req);
    Py_CLEAR(session->sid);
    Py_CLEAR(session->secret);
    Py_CLEAR(session->attributes);
    Py_CLEAR(session->after);
    return PyDict_Type.tp_clear(self);
}

static void
dealloc_session(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (session_of(self)->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    clear_session(self);
    PyDict_Type.tp_dealloc(self);
    Py_DECREF(type);
}

static PyMethodDef session_methods[] = {
    {"is_new", session_is_new, METH_NOARGS,
     "is_new($self)\n--\n\n"
     "Did it begin with this request? A bool."},
    {"id", session_id, METH_NOARGS,
     "id($self)\n--\n\n"
     "Its id, 32 hex digits; None of a read-only session that does not\n"
     "exist."},
    {"created", session_created, METH_NOARGS,
     "created($self)\n--\n\n"
     "When it began, in seconds since the epoch (float)."},
    {"last_accessed", session_last_accessed, METH_NOARGS,
     "last_accessed($self)\n--\n\n"
     "When this request got it, in seconds since the epoch (float). save()\n"
     "stores it."},
    {"timeout", session_timeout, METH_NOARGS,
     "timeout($self)\n--\n\n"
     "How many seconds it lives unless it is saved again."},
    {"set_timeout", session_set_timeout, METH_O,
     "set_timeout($self, secs, /)\n--\n\n"
     "Change that; save() stores it."},
    {"load", session_load, METH_NOARGS,
     "load($self)\n--\n\n"
     "Bring what is stored into it: 1, or 0 when there is nothing, or its\n"
     "time is over."},
    {"save", session_save, METH_NOARGS,
     "save($self)\n--\n\n"
     "Store it. Nothing after invalidate(); RuntimeError when it is\n"
     "read-only."},
    {"delete", session_delete, METH_NOARGS,
     "delete($self)\n--\n\n"
     "Remove what is stored, and everything in it."},
    {"invalidate", session_invalidate, METH_NOARGS,
     "invalidate($self)\n--\n\n"
     "The same for good: the cookie expires, and save() stores nothing."},
    {"renew", session_renew, METH_NOARGS,
     "renew($self)\n--\n\n"
     "Save it under a new id, and return that. The old id is worth nothing\n"
     "from now on: to be called when a user logs in."},
    {"lock", session_lock, METH_NOARGS,
     "lock($self)\n--\n\n"
     "Wait until no other request has it, unless lock was false. It is this\n"
     "request's until unlock() or the end. TimeoutError after\n"
     "PythonOption mod_python.session.lock_timeout."},
    {"unlock", session_unlock, METH_NOARGS,
     "unlock($self)\n--\n\n"
     "Let other requests have it. What is saved afterwards may overwrite\n"
     "what they save."},
    {"init_lock", session_init_lock, METH_NOARGS,
     "init_lock($self)\n--\n\n"
     "For classes with locks of their own: called before the first lock()."},
    {"cleanup", session_cleanup, METH_NOARGS,
     "cleanup($self)\n--\n\n"
     "Remove sessions whose time is over, of everybody, after the response."},
    {"make_cookie", session_make_cookie, METH_NOARGS,
     "make_cookie($self)\n--\n\n"
     "The cookie that carries its id: a Cookie, or a SignedCookie with a\n"
     "secret."},
    {"do_load", raise_abstract, METH_NOARGS,
     "do_load($self)\n--\n\n"
     "For classes: what do_save() stored under self.id(), or None."},
    {"do_save", raise_abstract, METH_O,
     "do_save($self, dict, /)\n--\n\n"
     "For classes: store a dict (_data, _created, _accessed, _timeout)."},
    {"do_delete", raise_abstract, METH_NOARGS,
     "do_delete($self)\n--\n\n"
     "For classes: remove what is stored under self.id()."},
    {"do_cleanup", raise_abstract, METH_NOARGS,
     "do_cleanup($self)\n--\n\n"
     "For classes: remove everything whose time is over."},
    {"_after", session_after, METH_O,
     "_after($self, callable, /)\n--\n\n"
     "Call callable() when the request has ended and no session of it is\n"
     "locked any more."},
    {"_undump", session_undump, METH_O,
     "_undump($self, pickle, /)\n--\n\n"
     "A stored dict out of its pickle; None, with a line in the log, when it\n"
     "cannot be read."},
    {NULL, NULL, 0, NULL}
};

#define FIELD(name, type, field, flags, doc) \
    {name, type, offsetof(mp_session_t, field), flags, doc}

static PyMemberDef session_members[] = {
    FIELD("__dictoffset__", T_PYSSIZET, attributes, READONLY, NULL),
    FIELD("__weaklistoffset__", T_PYSSIZET, weakrefs, READONLY, NULL),
    FIELD("_req", T_OBJECT, req, READONLY, "mp_request, or None at the end."),
    FIELD("_sid", T_OBJECT, sid, 0, "str: what id() returns."),
    FIELD("_secret", T_OBJECT, secret, 0, "str, bytes, list, or None."),
    FIELD("_created", T_DOUBLE, created, 0, "float: see created()."),
    FIELD("_accessed", T_DOUBLE, accessed, 0, "float: see last_accessed()."),
    FIELD("_lock", T_BOOL, wants_lock, 0, "bool: does lock() do anything?"),
    FIELD("_locked", T_BOOL, is_locked, READONLY, "bool: is it locked?"),
    FIELD("_new", T_BOOL, is_new, 0, "bool: what is_new() returns."),
    FIELD("_invalid", T_BOOL, is_invalid, 0, "bool: save() does nothing."),
    FIELD("_readonly", T_BOOL, is_readonly, READONLY, "bool: see readonly."),
    {NULL, 0, 0, 0, NULL}
};

static PyGetSetDef session_attributes[] = {
    {"_timeout", get_timeout, set_timeout, "number: see timeout().", NULL},
    {"_application", get_application, NULL,
     "str: PythonOption mod_python.session.application.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: the attributes that programs have set.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc,
     "BaseSession(req, sid=None, secret=None, lock=1, timeout=0, "
     "readonly=0)\n--\n\n"
     "A dict that lasts from request to request, found again by a cookie.\n\n"
     "sid: the id, by default that of the cookie; ValueError if it is none.\n"
     "secret: of a SignedCookie. lock: other requests wait for it. timeout:\n"
     "seconds, of a new session. readonly: without a lock, and cannot be\n"
     "saved. Where it is stored is said by the classes derived from it."},
    {Py_tp_new, new_session},
    {Py_tp_init, init_session},
    {Py_tp_dealloc, dealloc_session},
    {Py_tp_traverse, traverse_session},
    {Py_tp_clear, clear_session},
    {Py_tp_methods, session_methods},
    {Py_tp_members, session_members},
    {Py_tp_getset, session_attributes},
    {0, NULL},
};

PyType_Spec mp_session_spec = {
    .name = "builtins.BaseSession",
    .basicsize = sizeof(mp_session_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = session_slots,
};
