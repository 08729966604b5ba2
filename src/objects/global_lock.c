/* global_lock.c - locks among all processes and threads, for programs.
 *
 * The owner of a lock is the request, sub-requests and redirects included;
 * outside of requests the connection, else the thread. The surprising rule:
 * what a request or connection has left when its pool goes is let go of then,
 * in whatever thread that is, after all its Python cleanups. */
#include "runtime/python.h"

#include "objects/global_lock.h"

#include "objects/proxy.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/context.h"
#include "server/mutex.h"
#include "server/log.h"

/* ---- who takes it ------------------------------------------------------ */

typedef struct {
    const void *name;
    apr_pool_t *pool; /* it ends with this one; NULL: a thread */
} owner_t;

static owner_t
find_owner(void)
{
    mp_log_place_t place = mp_thread_place();
    if (place.r) {
        mp_request_t *request = mp_context_find(place.r);
        if (request) {
            return (owner_t){request->root, request->root->r->pool};
        }
    }
    if (place.c) {
        return (owner_t){place.c, place.c->pool};
    }
    return (owner_t){mp_mutex_thread(), NULL};
}

static apr_status_t
end_owner(void *name)
{
    int left = mp_mutex_drop_all(name);
    if (left > 0) {
        mp_log_plain(MP_LOG_SERVER(NULL), APLOG_INFO,
                     "%d global lock(s) that a request or connection had not "
                     "unlocked at its end are free again", left);
    }
    return APR_SUCCESS;
}

/* ---- which one it is --------------------------------------------------- */

/* The text that is hashed: of str, bytes and int their own, of others the
 * repr. The kinds differ, so that 1 and "1" are two keys. New str or bytes;
 * NULL with an exception. */
static PyObject *
key_text(PyObject *key, char *kind)
{
    *kind = PyUnicode_Check(key) ? 's' : PyBytes_Check(key) ? 'b' : 'o';
    if (*kind != 'o') {
        return Py_NewRef(key);
    }
    if (PyLong_Check(key)) {
        *kind = 'i'; /* True is 1 */
        return PyNumber_ToBase(key, 10);
    }
    if (Py_TYPE(key)->tp_repr == PyBaseObject_Type.tp_repr) {
        PyErr_Format(PyExc_TypeError,
                     "a %.200s has no repr of its own, only an address, which "
                     "is another one in each process; use a str as key",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    return PyObject_Repr(key);
}

/* -1 with an exception. */
static int
number_of_key(PyObject *key)
{
    char kind;
    PyObject *text = key_text(key, &kind);
    mp_text_view_t view = {0};
    if (!text || mp_text_view(&view, text, "key") < 0) {
        Py_XDECREF(text);
        return -1;
    }
    int number = -1;
    char *bytes = PyMem_Malloc((size_t)view.size + 1);
    if (bytes) {
        bytes[0] = kind;
        memcpy(bytes + 1, view.bytes, (size_t)view.size);
        number = mp_mutex_number_of(bytes, (size_t)view.size + 1);
        PyMem_Free(bytes);
    }
    else {
        PyErr_NoMemory();
    }
    mp_text_release(&view);
    Py_DECREF(text);
    return number;
}

/* From the arguments (server, key, index). -1 with an exception. */
static int
find_number(PyObject *module, PyObject *args, PyObject *keywords)
{
    char *names[] = {"server", "key", "index", NULL};
    PyObject *server, *key;
    int index = -1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|i", names, &server,
                                     &key, &index)) {
        return -1;
    }
    const mp_state_t *state = mp_state_of_module(module);
    if (!Py_IS_TYPE(server, state->types[MP_TYPE_SERVER])) {
        PyErr_Format(PyExc_TypeError,
                     "first argument must be a server object, not %.200s",
                     Py_TYPE(server)->tp_name);
        return -1;
    }
    if (index < -1 || index >= mp_mutex_count()) {
        PyErr_Format(PyExc_ValueError,
                     "index must be from -1 to %d, not %d; PythonOption "
                     "mod_python.mutex_locks says how many locks there are",
                     mp_mutex_count() - 1, index);
        return -1;
    }
    return index >= 0 ? index : number_of_key(key);
}

/* ---- the functions ----------------------------------------------------- */

/* Log and raise ValueError. Always NULL. */
static PyObject *
raise_failure(const char *verb, int number, apr_status_t status)
{
    char cause[128], text[256];
    if (APR_STATUS_IS_TIMEUP(status)) {
        snprintf(cause, sizeof(cause), "another held it for more than %.1f s",
                 (double)mp_mutex_timeout() / APR_USEC_PER_SEC);
    }
    else if (APR_STATUS_IS_EACCES(status)) {
        snprintf(cause, sizeof(cause), "this request or thread does not hold "
                 "it");
    }
    else if (APR_STATUS_IS_EINVAL(status)) {
        snprintf(cause, sizeof(cause), "a process that a program forked "
                 "cannot use the locks");
    }
    else {
        apr_strerror(status, cause, sizeof(cause));
    }
    snprintf(text, sizeof(text), "global lock %d cannot be %s: %s", number,
             verb, cause);
    mp_log_place_t place = mp_thread_place();
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(place, APLOG_ERR, 0, "MPY0603", "%s", text);
    mp_thread_resume(held);
    PyErr_SetString(PyExc_ValueError, text);
    return NULL;
}

/* Take a lock for whoever runs here, and see that it is dropped in the end. */
static apr_status_t
take(int number, int waits)
{
    owner_t owner = find_owner();
    mp_mutex_t *lock = mp_mutex_numbered(number);
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = waits
        ? mp_mutex_take(lock, owner.name, mp_mutex_timeout())
        : mp_mutex_try(lock, owner.name);
    if (status == APR_SUCCESS && owner.pool) {
        /* Once only. */
        apr_pool_cleanup_kill(owner.pool, owner.name, end_owner);
        apr_pool_cleanup_register(owner.pool, owner.name, end_owner,
                                  apr_pool_cleanup_null);
    }
    mp_thread_resume(held);
    return status;
}

static PyObject *
global_lock(PyObject *module, PyObject *args, PyObject *keywords)
{
    int number = find_number(module, args, keywords);
    if (number < 0) {
        return NULL;
    }
    apr_status_t status = take(number, 1);
    if (status != APR_SUCCESS) {
        return raise_failure("locked", number, status);
    }
    Py_RETURN_NONE;
}

static PyObject *
global_trylock(PyObject *module, PyObject *args, PyObject *keywords)
{
    int number = find_number(module, args, keywords);
    if (number < 0) {
        return NULL;
    }
    apr_status_t status = take(number, 0);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EBUSY(status)) {
        return raise_failure("locked", number, status);
    }
    return PyBool_FromLong(status == APR_SUCCESS);
}

static PyObject *
global_unlock(PyObject *module, PyObject *args, PyObject *keywords)
{
    int number = find_number(module, args, keywords);
    if (number < 0) {
        return NULL;
    }
    owner_t owner = find_owner();
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = mp_mutex_drop(mp_mutex_numbered(number), owner.name);
    mp_thread_resume(held);
    if (status != APR_SUCCESS) {
        return raise_failure("unlocked", number, status);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(global_lock_doc,
             "_global_lock(server, key, index=-1)\n--\n\n"
             "Wait for a lock that one request, or one thread, has among all "
             "processes.\n\n"
             "server: a server object, else TypeError. key: str, bytes, int, "
             "None, or any\nobject whose repr is the same in every process; "
             "it chooses one of the\nlocks, never number 0. index: 0 or more "
             "takes that lock, whatever the\nkey. A lock that the request has "
             "already is taken once more: unlock as\noften. ValueError, with "
             "a line in the log, when it is not free within\nPythonOption "
             "mod_python.mutex_timeout. What is left at the end of the\n"
             "request is unlocked then. (ap_proc_mutex_create)");
PyDoc_STRVAR(global_trylock_doc,
             "_global_trylock(server, key, index=-1)\n--\n\n"
             "The same without waiting: True when the lock is taken, False "
             "when\nanother has it.");
PyDoc_STRVAR(global_unlock_doc,
             "_global_unlock(server, key, index=-1)\n--\n\n"
             "Undo one _global_lock() or successful _global_trylock(). "
             "ValueError, with\na line in the log, when this request or "
             "thread does not have the lock.");

/* METH_KEYWORDS functions have three arguments; the table has room for two. */
#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

PyMethodDef mp_global_lock_functions[] = {
    {"_global_lock", WITH_KEYWORDS(global_lock), global_lock_doc},
    {"_global_trylock", WITH_KEYWORDS(global_trylock), global_trylock_doc},
    {"_global_unlock", WITH_KEYWORDS(global_unlock), global_unlock_doc},
    {NULL, NULL, 0, NULL},
};
