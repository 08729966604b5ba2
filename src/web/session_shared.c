/* session_shared.c - SharedSession: sessions in a store that all children
 * share.
 *
 * What is stored is a head with the times, and the pickle of the dict. The
 * store forgets it by itself when its time is over, so there is nothing to
 * clean up. The key has the name of the application in it: an id of another
 * one is not found. */
#include "runtime/python.h"

#include "web/session_shared.h"

#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/store.h"
#include "web/session_pickle.h"

#include <string.h>

typedef struct {
    char magic[8];
    double created;
    double accessed;
    double timeout;
} head_t;

static const char magic[9] = "session1"; /* without its NUL */

static mp_session_t *
session_of(PyObject *self)
{
    return (mp_session_t *)self;
}

/* ---- the store --------------------------------------------------------- */

typedef struct {
    mp_store_t *store;
    char bytes[MP_STORE_KEY_MAX];
    mp_store_text_t key;
} place_t;

/* Where the session is stored. 0, or -1 with an exception. */
static int
find_place(const mp_session_t *session, place_t *place)
{
    const mp_session_settings_t *settings = session->settings;
    mp_text_view_t sid;
    if (!mp_session_root(session)) {
        return -1;
    }
    place->store = mp_store_find(settings->store);
    if (!place->store) {
        PyErr_Format(PyExc_RuntimeError,
                     "there is no store '%s' for sessions: load "
                     "mod_socache_shmcb, add PythonSharedDict %s, or choose "
                     "another mod_python.session.session_type",
                     settings->store, settings->store);
        return -1;
    }
    if (!session->sid || mp_text_view(&sid, session->sid, "sid") < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "the session has no id");
        }
        return -1;
    }
    int size = snprintf(place->bytes, sizeof(place->bytes),
                        "session\n%s\n%.*s", settings->application,
                        (int)sid.size, sid.bytes);
    mp_text_release(&sid);
    if (size >= (int)sizeof(place->bytes)) {
        PyErr_SetString(PyExc_ValueError, "PythonOption "
                        "mod_python.session.application is too long");
        return -1;
    }
    place->key = (mp_store_text_t){place->bytes, (apr_size_t)size};
    return 0;
}

/* Always NULL. */
static PyObject *
raise_failure(apr_status_t status)
{
    if (status == APR_EINVAL || status == APR_ENOSPC) {
        return PyErr_Format(PyExc_ValueError,
                            "the session does not fit into shared memory (%d "
                            "bytes at most); keep less in it, or choose "
                            "another mod_python.session.session_type",
                            MP_STORE_VALUE_MAX);
    }
    return mp_error_raise_os("the store of sessions cannot be used", status);
}

/* 1 found: to be forgotten; 0 not, -1 with an exception. */
static int
fetch(const mp_session_t *session, mp_store_value_t *value, head_t *head)
{
    place_t place;
    if (find_place(session, &place) < 0) {
        return -1;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_store_get(place.store, place.key, value);
    mp_thread_resume(held);
    if (status != APR_SUCCESS) {
        return status == APR_NOTFOUND ? 0 : (raise_failure(status), -1);
    }
    if (value->size >= sizeof(*head)) {
        memcpy(head, value->bytes, sizeof(*head));
        if (!memcmp(head->magic, magic, sizeof(head->magic))) {
            return 1;
        }
    }
    mp_store_forget(value);
    return 0;
}

/* When the store may forget it; 0: never. */
static apr_time_t
expiry_of(const mp_session_t *session, const head_t *head)
{
    double end = head->accessed + head->timeout;
    double most = session->settings->absolute_timeout;
    if (most > 0 && end > head->created + most) {
        end = head->created + most;
    }
    return end > 1 && end < 1e12 ? (apr_time_t)(end * APR_USEC_PER_SEC) + 1
                                 : end > 1 ? 0 : 1;
}

/* Store a dict. 0, or -1 with an exception. */
static int
put(const mp_session_t *session, PyObject *data, head_t *head)
{
    place_t place;
    PyObject *pickle = find_place(session, &place) == 0
        ? mp_session_dump(session, data) : NULL;
    if (!pickle || !PyBytes_Check(pickle)) {
        Py_XDECREF(pickle);
        return -1;
    }
    size_t size = sizeof(*head) + (size_t)PyBytes_GET_SIZE(pickle);
    char *record = PyMem_Malloc(size);
    if (!record) {
        Py_DECREF(pickle);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(head->magic, magic, sizeof(head->magic));
    memcpy(record, head, sizeof(*head));
    memcpy(record + sizeof(*head), PyBytes_AS_STRING(pickle),
           size - sizeof(*head));
    Py_DECREF(pickle);
    apr_time_t expires = expiry_of(session, head);
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_store_put(
        place.store, place.key, (mp_store_text_t){record, size}, expires);
    mp_thread_resume(held);
    PyMem_Free(record);
    return status == APR_SUCCESS ? 0 : (raise_failure(status), -1);
}

/* As mp_session_undump(). */
static PyObject *
read_data(const mp_session_t *session, const mp_store_value_t *value)
{
    const char *bytes = value->bytes;
    return mp_session_undump(session, bytes + sizeof(head_t),
                             value->size - sizeof(head_t));
}

int
mp_session_shared_load(mp_session_t *session)
{
    mp_store_value_t value;
    head_t head;
    int found = fetch(session, &value, &head);
    if (found <= 0) {
        return found;
    }
    PyObject *data = mp_session_is_over(session, head.created, head.accessed,
                                        head.timeout)
                         ? NULL : read_data(session, &value);
    mp_store_forget(&value);
    if (!data) {
        return PyErr_Occurred() ? -1 : 0;
    }
    session->created = head.created;
    session->accessed = head.accessed;
    session->timeout = head.timeout;
    int failed = PyDict_Update((PyObject *)session, data);
    Py_DECREF(data);
    return failed ? -1 : 1;
}

int
mp_session_shared_save(mp_session_t *session)
{
    head_t head = {.created = session->created,
                   .accessed = session->accessed,
                   .timeout = session->timeout};
    PyObject *data = PyDict_Copy((PyObject *)session);
    int failed = data ? put(session, data, &head) : -1;
    Py_XDECREF(data);
    return failed;
}

/* ---- for classes that are derived from it ------------------------------ */

static PyObject *
do_load(PyObject *self, PyObject *unused)
{
    mp_session_t *session = session_of(self);
    mp_store_value_t value;
    head_t head;
    int found = fetch(session, &value, &head);
    if (found <= 0) {
        return found ? NULL : Py_NewRef(Py_None);
    }
    PyObject *data = read_data(session, &value);
    mp_store_forget(&value);
    if (!data) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    const char *name = session->settings->application;
    PyObject *stored = Py_BuildValue(
        "{s:N,s:d,s:d,s:d}", "_data", data, "_created", head.created,
        "_accessed", head.accessed, "_timeout", head.timeout);
    PyObject *application = stored && *name ? mp_text_from(name) : NULL;
    if (application
        && PyDict_SetItemString(stored, "_application", application) < 0) {
        Py_CLEAR(stored);
    }
    Py_XDECREF(application);
    return stored;
}

static int
read_time(PyObject *stored, const char *key, double *number)
{
    PyObject *value = PyDict_Check(stored)
                          ? PyDict_GetItemString(stored, key) : NULL;
    if (!value) {
        PyErr_Format(PyExc_KeyError, "%s", key);
        return -1;
    }
    *number = PyFloat_AsDouble(value);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
do_save(PyObject *self, PyObject *stored)
{
    head_t head;
    if (read_time(stored, "_created", &head.created) < 0
        || read_time(stored, "_accessed", &head.accessed) < 0
        || read_time(stored, "_timeout", &head.timeout) < 0) {
        return NULL;
    }
    PyObject *data = PyDict_GetItemString(stored, "_data");
    if (!data) {
        return PyErr_Format(PyExc_KeyError, "_data");
    }
    if (put(session_of(self), data, &head) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
mp_session_shared_delete(PyObject *self, PyObject *unused)
{
    place_t place;
    if (find_place(session_of(self), &place) < 0) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_store_remove(place.store, place.key);
    mp_thread_resume(held);
    return status == APR_SUCCESS ? Py_NewRef(Py_None) : raise_failure(status);
}

PyObject *
mp_session_shared_cleanup(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE; /* the store does it */
}

static PyMethodDef shared_methods[] = {
    {"do_load", do_load, METH_NOARGS,
     "do_load($self)\n--\n\n"
     "What is stored, as BaseSession wants it, or None."},
    {"do_save", do_save, METH_O,
     "do_save($self, dict, /)\n--\n\n"
     "Store it. ValueError when it is larger than 64 KiB; what pickle raises\n"
     "for objects that cannot be stored."},
    {"do_delete", mp_session_shared_delete, METH_NOARGS,
     "do_delete($self)\n--\n\n"
     "Remove what is stored."},
    {"do_cleanup", mp_session_shared_cleanup, METH_NOARGS,
     "do_cleanup($self)\n--\n\n"
     "Nothing: the store forgets by itself."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot shared_slots[] = {
    {Py_tp_doc,
     "SharedSession(req, sid=None, secret=None, lock=1, timeout=0, "
     "readonly=0)\n--\n\n"
     "A session in memory that all processes of the server share.\n\n"
     "The memory is a cache: it forgets the oldest sessions when it is full,\n"
     "and all of them when the server restarts. PythonSharedDict sessions\n"
     "says how large it is. (ap_socache_provider_t)"},
    {Py_tp_methods, shared_methods},
    {0, NULL},
};

PyType_Spec mp_shared_session_spec = {
    .name = "builtins.SharedSession",
    .basicsize = sizeof(mp_session_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = shared_slots,
};
